"""The GPU's peers and the table of a run; what `benches/gpu.sh` calls.

    python benches/peers/gpu.py model --into FOLDER      a model of BERT's base size, random weights
    python benches/peers/gpu.py peers --out FOLDER ...   the card's ceilings, torch, sentence-transformers
    python benches/peers/gpu.py table --out FOLDER       Markdown of all that was measured

Peers embed the very texts that Nearwise does, which `benches/gpu.rs` wrote, in fp16, sorted by
length, at the batch size that was fastest in a first pass.
"""

import argparse
import json
import os
import shutil
import statistics
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def small_model() -> Path:
    """The default model's folder."""
    folder = Path(os.environ.get("NEARWISE_MODELS", ROOT / "models" / "weights"))
    for config in sorted(folder.glob("*MiniLM-L6-v2*/**/config.json")):
        if (config.parent / "tokenizer.json").exists():
            return config.parent
    raise SystemExit(f"{folder}: the default model is not there; run `nearwise model pull`")


def make_model(args) -> None:
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(1)
    dry = args.small == "cpu"
    sizes = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 128}
    model = BertModel(BertConfig(**(sizes if dry else {})), add_pooling_layer=False)
    into = Path(args.into)
    if into.exists():
        shutil.rmtree(into)
    model.save_pretrained(into, safe_serialization=True)
    own = small_model()
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        if (own / name).exists():
            shutil.copy(own / name, into / name)
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


def peers(args) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    dry = args.device == "cpu"
    device = "cpu" if dry else "cuda:0"
    out = []

    def say(**row):
        out.append(row)
        print(json.dumps(row), flush=True)

    def wait():
        if not dry:
            torch.cuda.synchronize()

    # The card's two ceilings, on random data.
    n = 256 if dry else 8192
    dtype = torch.float32 if dry else torch.float16
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))

    def products():
        for _ in range(1 if dry else 10):
            a @ b
        wait()

    seconds = median_seconds(5, products) / (1 if dry else 10)
    say(what="product", flops_per_second=2 * n**3 / seconds)
    source = torch.randn(1 << (16 if dry else 30), device=device)
    target = torch.empty_like(source)

    def copy():
        target.copy_(source)
        wait()

    say(what="copy", bytes_per_second=2 * source.nbytes / median_seconds(5, copy))
    del source, target

    names = [(args.model, str(small_model()))] + ([(args.base, args.base)] if args.base else [])
    for name, folder in names:
        model = SentenceTransformer(folder, device=device)
        if not dry:
            model = model.half()
        for kind in ("mixed", "short"):
            some = (Path(args.out) / f"{kind}.txt").read_text(encoding="utf8").splitlines()
            lengths = [min(len(i), model.max_seq_length) for i in model.tokenizer(some)["input_ids"]]
            fastest = None
            for batch in (16,) if dry else (32, 64, 128, 256, 512, 1024):
                seconds = median_seconds(1, lambda: model.encode(some, batch_size=batch, normalize_embeddings=True))
                if fastest is None or seconds < fastest[1]:
                    fastest = (batch, seconds)
            seconds = median_seconds(
                1 if dry else 5, lambda: model.encode(some, batch_size=fastest[0], normalize_embeddings=True)
            )
            say(
                what="sentence-transformers", model=name, kind=kind, batch=fastest[0], texts=len(some),
                tokens=sum(lengths), tokens_per_second=sum(lengths) / seconds,
            )
        query = [some[0][:40]]
        say(
            what="sentence-transformers query", model=name,
            seconds=median_seconds(3 if dry else 100, lambda: model.encode(query)),
        )

    rows = 1000 if dry else 1_000_000
    vectors = torch.nn.functional.normalize(torch.randn(rows, 384, device=device, dtype=torch.float32)).to(dtype)
    for count in (1, 32, 1000):
        asked = vectors[:count].clone()

        def top():
            torch.topk(asked @ vectors.T, 10)
            wait()

        say(what="torch top 10", vectors=rows, queries=count, seconds=median_seconds(9, top))
    (Path(args.out) / "peers.jsonl").write_text("\n".join(map(json.dumps, out)) + "\n")


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines() if line] if path.exists() else []



def table(args) -> None:
    out = Path(args.out)
    ours, theirs = rows_of(out / "ours.jsonl"), rows_of(out / "peers.jsonl")
    card = (out / "card.txt").read_text().strip() if (out / "card.txt").exists() else None
    lines = [f"Card: {card}" if card else "A dry run on the CPU: these are no figures of a GPU."]
    ceiling = {r["what"]: r for r in theirs}
    if "product" in ceiling:
        flops, bandwidth = ceiling["product"]["flops_per_second"], ceiling["copy"]["bytes_per_second"]
        lines.append(f"Ceilings measured with PyTorch: {flops / 1e12:.0f} TFLOP/s fp16, {bandwidth / 1e12:.2f} TB/s.")
    lines += ["", "| model | dtype | tokens of a text | best batch | M tokens/s |", "|---|---|---|---|---|"]
    best = {}
    for r in ours:
        if r["what"] == "device":
            key = (r["model"], r["dtype"], r["length"])
            if key not in best or r["tokens_per_second"] > best[key]["tokens_per_second"]:
                best[key] = r
    for (model, dtype, length), r in best.items():
        lines.append(f"| {Path(model).name} | {dtype} | {length} | {r['budget']} | {r['tokens_per_second'] / 1e6:.2f} |")
    lines += ["", "| texts | model | ours, M tokens/s | tokeniser alone | sentence-transformers fp16 | ratio |", "|---|---|---|---|---|---|"]
    for r in ours:
        if r["what"] == "texts":
            peer = [p for p in theirs if p["what"] == "sentence-transformers" and (p["model"], p["kind"]) == (r["model"], r["kind"])]
            theirs_rate = peer[0]["tokens_per_second"] if peer else None
            lines.append(
                f"| {r['kind']} | {Path(r['model']).name} {r['dtype']} | {r['tokens_per_second'] / 1e6:.2f} | "
                f"{r['tokenizer_tokens_per_second'] / 1e6:.2f} | "
                + (f"{theirs_rate / 1e6:.2f} | {r['tokens_per_second'] / theirs_rate:.1f} |" if peer else "not measured | |")
            )
    lines += ["", "| what | ours, ms | peer, ms |", "|---|---|---|"]
    for r in ours:
        if "seconds" in r:
            peer = [
                p for p in theirs
                if (r["what"] == "query" and p["what"] == "sentence-transformers query" and p["model"] == r["model"])
                or (p["what"] == f"torch {r['what']}" and p["queries"] == r.get("queries"))
            ]
            what = r["what"] + (f", {r['queries']} queries" if "queries" in r else "")
            what += f", {Path(r['model']).name} {r['dtype']}" if "model" in r else f", {r['vectors']} × {r['dim']}"
            lines.append(f"| {what} | {r['seconds'] * 1e3:.2f} | " + (f"{peer[0]['seconds'] * 1e3:.2f} |" if peer else "|"))
    text = "\n".join(lines) + "\n"
    (out / "table.md").write_text(text)
    print(text)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = p.add_subparsers(required=True)
    one = parts.add_parser("model")
    one.add_argument("--into", required=True)
    one.add_argument("--small", default="cuda", help="cpu makes a tiny one, for a dry run")
    one.set_defaults(run=make_model)
    one = parts.add_parser("peers")
    one.add_argument("--out", required=True)
    one.add_argument("--device", default="cuda")
    one.add_argument("--model", required=True)
    one.add_argument("--base")
    one.set_defaults(run=peers)
    one = parts.add_parser("table")
    one.add_argument("--out", required=True)
    one.set_defaults(run=table)
    args = p.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
