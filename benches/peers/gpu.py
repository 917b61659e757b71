"""The GPU's peers, and what `benches/gpu.sh` needs besides the program.

    python benches/peers/gpu.py f16 FROM TO              a folder of a model, its weights rounded to f16
    python benches/peers/gpu.py model --like FOLDER --into FOLDER    BERT's base size, random weights
    python benches/peers/gpu.py peers --out FOLDER ...   sentence-transformers, torch, the card's ceilings
    python benches/peers/gpu.py kernels FILE             each kernel's share of the time that ncu saw
    python benches/peers/gpu.py table --out FOLDER       Markdown of all that was measured

Peers embed the very texts that Nearwise does, which `benches/gpu.rs` wrote, in fp16, sorted by length,
at the batch size that is fastest on a part of them. Each measurement is a line of peers.jsonl at once.
`f16`, `kernels` and `table` need nothing but Python.
"""

import argparse
import collections
import csv
import json
import shutil
import statistics
import struct
import time
from pathlib import Path

# Texts on which batch sizes are compared, and the sizes. A peer takes ten times as long as Nearwise for a text, and
# all models and kinds must fit into a phase.
SAMPLE = 1500
BATCHES = (128, 256, 1024)
# Texts that a peer embeds in a measurement.
MOST = 6000


def round_file(source: Path, target: Path) -> None:
    """A safetensors file with its f32 tensors rounded to f16: half the bytes to carry."""
    with source.open("rb") as file:
        head = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        body = file.read()
    out, parts, at = {}, [], 0
    for name, tensor in head.items():
        if name == "__metadata__":
            out[name] = tensor
            continue
        begin, end = tensor["data_offsets"]
        data, dtype = body[begin:end], tensor["dtype"]
        if dtype == "F32":
            count = len(data) // 4
            data, dtype = struct.pack(f"<{count}e", *struct.unpack(f"<{count}f", data)), "F16"
        out[name] = {"dtype": dtype, "shape": tensor["shape"], "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    head = json.dumps(out).encode()
    head += b" " * (-len(head) % 8)
    with target.open("wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        file.writelines(parts)


def f16(args) -> None:
    source, target = Path(args.source), Path(args.target)
    for file in sorted(source.rglob("*")):
        to = target / file.relative_to(source)
        if file.is_dir():
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".safetensors":
            round_file(file, to)
        else:
            shutil.copyfile(file, to)


def make_model(args) -> None:
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(1)
    sizes = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 128}
    model = BertModel(BertConfig(**(sizes if args.small else {})), add_pooling_layer=False)
    into = Path(args.into)
    if into.exists():
        shutil.rmtree(into)
    model.save_pretrained(into)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        if (Path(args.like) / name).exists():
            shutil.copyfile(Path(args.like) / name, into / name)
    dim = model.config.hidden_size
    (into / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": dim, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    (into / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    (into / "2_Normalize").mkdir()
    (into / "modules.json").write_text(json.dumps(modules))
    (into / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 512, "do_lower_case": False}))


def median_seconds(rounds: int, work) -> float:
    work()
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def variants(folder: str, device: str, small: bool, note):
    """(name, model): the fast variant where it can be had here, then the plain one."""
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import is_flash_attn_2_available

    dtype = torch.float32 if small else torch.float16
    if is_flash_attn_2_available() and not small:
        try:
            kwargs = {"attn_implementation": "flash_attention_2", "dtype": dtype}
            model = SentenceTransformer(folder, device=device, model_kwargs=kwargs)
            model.encode(["one text", "another"])
            # Whether it concatenates texts in place of padding them; versions before 6 pad.
            unpadded = getattr(model[0], "can_flatten_inputs", False)
            name = "FlashAttention-2, " + ("unpadded" if unpadded else "padded")
            yield f"sentence-transformers fp16, {name}", model
        except Exception as e:  # whatever it is, the plain variant is still measured
            note(f"FlashAttention-2 does not work here: {e}")
    else:
        note("FlashAttention-2 is not installed: the fast variant is left out")
    name = "fp32" if small else "fp16"
    yield f"sentence-transformers {name}, SDPA, padded", SentenceTransformer(
        folder, device=device, model_kwargs={"dtype": dtype}
    )


def peers(args) -> None:
    import torch

    small = args.small
    device = "cpu" if args.device == "cpu" else "cuda:0"
    path = Path(args.out) / "peers.jsonl"
    path.unlink(missing_ok=True)

    def say(**row):
        # At once, so that what was measured before a failure or a time limit is kept.
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)

    def wait():
        if device != "cpu":
            torch.cuda.synchronize()

    noted = set()

    def note(text):
        if text not in noted:
            noted.add(text)
            say(what="note", text=text)

    rounds = 1 if small else 3
    for folder in args.models:
        for variant, model in variants(folder, device, small, note):
            for kind in ("mixed", "short"):
                some = (Path(args.texts) / f"{kind}.txt").read_text(encoding="utf8").splitlines()
                # They are in a random order, so that the first are like all.
                some = some[:MOST]
                ids = model.tokenizer(some, truncation=True, max_length=model.max_seq_length)["input_ids"]
                tokens = sum(map(len, ids))
                part, fastest = some[:SAMPLE], None
                for batch in (16,) if small else BATCHES:
                    encode = lambda texts: model.encode(texts, batch_size=batch, normalize_embeddings=True)
                    seconds = median_seconds(1, lambda: encode(part))
                    if fastest is None or seconds < fastest[1]:
                        fastest = (batch, seconds)
                encode = lambda: model.encode(some, batch_size=fastest[0], normalize_embeddings=True)
                say(
                    what="texts", peer=variant, model=folder, kind=kind, batch=fastest[0], texts=len(some),
                    tokens=tokens, tokens_per_second=tokens / median_seconds(rounds, encode),
                )
            query = [some[0]]
            seconds = median_seconds(3 if small else 100, lambda: model.encode(query))
            say(what="query", peer=variant, model=folder, seconds=seconds)
            del model

    rows = 2000 if small else 1_000_000
    dtype = torch.float32 if small else torch.float16
    vectors = torch.nn.functional.normalize(torch.randn(rows, 384, device=device)).to(dtype)
    for count in (1, 32, 40 if small else 1000):
        asked = vectors[:count].clone()

        def top():
            torch.topk(asked @ vectors.T, 10)
            wait()

        say(what="top 10", peer="torch", vectors=rows, queries=count, seconds=median_seconds(1 if small else 9, top))
    del vectors

    # The card's two ceilings, on random data.
    n, times = (256, 1) if small else (8192, 10)
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))

    def products():
        for _ in range(times):
            a @ b
        wait()

    say(what="product", flops_per_second=2 * n**3 * times / median_seconds(5, products))
    source = torch.randn(1 << (16 if small else 30), device=device)
    target = torch.empty_like(source)

    def copy():
        target.copy_(source)
        wait()

    say(what="copy", bytes_per_second=2 * source.nbytes / median_seconds(5, copy))


def kernels(args) -> None:
    """Sums ncu's CSV by kernel: share, calls, microseconds a call, and how busy memory and cores were."""
    lines = [line for line in Path(args.file).read_text(encoding="utf8").splitlines() if line.startswith('"')]
    seen = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in csv.DictReader(lines):
        value = float(row["Metric Value"].replace(",", ""))
        # ncu chooses its units; all become those of a second and a byte.
        scale = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}.get(row["Metric Unit"].replace("second", "s"), 1.0)
        seen[row["Kernel Name"]][row["Metric Name"]].append(value * scale)
    times = {name: sum(m["gpu__time_duration.sum"]) for name, m in seen.items()}
    whole = sum(times.values())
    if not whole:
        raise SystemExit(f"{args.file}: ncu measured no kernel")
    print(f"{whole * 1e6:.0f} µs in all; share, calls, µs a call, % of memory, % of tensor cores, kernel")
    for name in sorted(times, key=times.get, reverse=True):
        metrics = seen[name]

        def mean(metric):
            return statistics.mean(metrics[metric]) if metrics[metric] else float("nan")

        calls = len(metrics["gpu__time_duration.sum"])
        memory = mean("gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed")
        tensor = mean("sm__inst_executed_pipe_tensor.avg.pct_of_peak_sustained_active")
        print(
            f"{100 * times[name] / whole:5.1f} % {calls:5} {times[name] / calls * 1e6:9.1f} "
            f"{memory:5.0f} {tensor:5.0f}  {name[:90]}"
        )


def rows_of(path: Path) -> list[dict]:
    # A run that was stopped may have left half a line.
    out = []
    for line in path.read_text(encoding="utf8").splitlines() if path.exists() else []:
        try:
            out.append(json.loads(line))
        except json.JSONDecodeError:
            pass
    return out


def table(args) -> None:
    out = Path(args.out)
    ours, theirs = rows_of(out / "ours.jsonl"), rows_of(out / "peers.jsonl")
    lines = [args.card or "A dry run on the CPU: these are no figures of a GPU."]
    ceiling = {r["what"]: r for r in theirs}
    if "product" in ceiling and "copy" in ceiling:
        flops, bandwidth = ceiling["product"]["flops_per_second"], ceiling["copy"]["bytes_per_second"]
        lines.append(f"Ceilings measured with PyTorch: {flops / 1e12:.3g} TFLOP/s, {bandwidth / 1e12:.3g} TB/s.")
    lines += [r["text"] for r in theirs if r["what"] == "note"]
    lines += ["", "| texts | model | ours, M tokens/s | tokenizer alone | peer | its M tokens/s | ratio |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for r in ours:
        if r["what"] != "texts":
            continue
        mine = (
            f"| {r['kind']} | {Path(r['model']).name} {r['dtype']} | {r['tokens_per_second'] / 1e6:.3f} | "
            f"{r['tokenizer_tokens_per_second'] / 1e6:.2f} | "
        )
        same = [p for p in theirs if p["what"] == "texts" and (p["model"], p["kind"]) == (r["model"], r["kind"])]
        for p in same:
            rate = p["tokens_per_second"]
            lines.append(f"{mine}{p['peer']} | {rate / 1e6:.3f} | {r['tokens_per_second'] / rate:.1f} |")
        if not same:
            lines.append(f"{mine}not measured | | |")
    lines += ["", "| what | ours, ms | peer | its ms |", "|---|---|---|---|"]
    for r in ours:
        if "seconds" not in r:
            continue
        what = r["what"] + (f", {r['queries']} queries" if "queries" in r else "")
        what += f", {Path(r['model']).name} {r['dtype']}" if "model" in r else f", {r['vectors']} × {r['dim']}"
        keys = ("what", "model", "vectors", "queries")
        same = [p for p in theirs if "seconds" in p and all(p.get(k) == r.get(k) for k in keys)]
        for p in same or [None]:
            other = f"{p['peer']} | {p['seconds'] * 1e3:.2f} |" if p else " | |"
            lines.append(f"| {what} | {r['seconds'] * 1e3:.2f} | {other}")
    lines += ["", "| device alone: model | dtype | tokens of a text | best batch | M tokens/s |", "|---|---|---|---|---|"]
    best = {}
    for r in ours:
        if r["what"] == "device":
            key = (r["model"], r["dtype"], r["length"])
            if key not in best or r["tokens_per_second"] > best[key]["tokens_per_second"]:
                best[key] = r
    for (model, dtype, length), r in best.items():
        lines.append(f"| {Path(model).name} | {dtype} | {length} | {r['budget']} | {r['tokens_per_second'] / 1e6:.3f} |")
    text = "\n".join(lines) + "\n"
    (out / "table.md").write_text(text, encoding="utf8")
    print(text)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = p.add_subparsers(required=True)
    one = parts.add_parser("f16")
    one.add_argument("source")
    one.add_argument("target")
    one.set_defaults(run=f16)
    one = parts.add_parser("model")
    one.add_argument("--like", required=True, help="the model whose tokenizer it gets")
    one.add_argument("--into", required=True)
    one.add_argument("--small", action="store_true", help="a tiny one, for a dry run")
    one.set_defaults(run=make_model)
    one = parts.add_parser("peers")
    one.add_argument("--out", required=True)
    one.add_argument("--texts", required=True, help="the folder of mixed.txt and short.txt")
    one.add_argument("--device", default="cuda")
    one.add_argument("--small", action="store_true", help="sizes for a dry run")
    one.add_argument("models", nargs="+")
    one.set_defaults(run=peers)
    one = parts.add_parser("kernels")
    one.add_argument("file")
    one.set_defaults(run=kernels)
    one = parts.add_parser("table")
    one.add_argument("--out", required=True)
    one.add_argument("--card", default="", help="what the figures are of")
    one.set_defaults(run=table)
    args = p.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
