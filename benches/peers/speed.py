"""Tokens a second: Nearwise, sentence-transformers, ONNX Runtime and OpenVINO, the same texts, in turn.

    python benches/peers/speed.py [--threads 1 2] [--rounds 5] [--texts 384] [--lengths mixed 12 query]
                                  [--engines "nearwise bf16" "torch bf16" ...] [--batches 4 8 16 32 64]

For each number of threads and each kind of text, every engine embeds all texts once a round, one
engine after another, tokenisation included; the table has the median of the rounds, the ratio of
medians to the peer of the same precision, and the cosine to sentence-transformers' f32. Padding
peers get texts sorted by length, and the batch size that was fastest in a first pass.

`mixed` are texts of 10 to 600 words, cut at 256 tokens, a number of words makes all texts that
long, and `query` embeds texts of eight words one at a time. Texts are cut from the seeds. OpenVINO,
its int8 graphs (nncf) and ONNX Runtime are left out where they are not installed, and it is said.
"""

import argparse
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from common import LENGTH, ROOT, parser, run, sentence_transformer

# The peers of each precision; the ratio is to the fastest of them.
PEERS = {
    "f32": ["torch f32", "onnxruntime f32", "openvino f32"],
    "bf16": ["torch bf16", "openvino bf16"],
    "int8": ["onnxruntime int8", "openvino int8-weights", "openvino int8-static"],
}


def words() -> list[str]:
    text = []
    for path in sorted((ROOT / "seeds").glob("*/*")) + [ROOT / "seeds/wire.jsonl"]:
        content = path.read_text(encoding="utf8")
        if path.suffix == ".jsonl":
            content = "\n".join(json.loads(line).get("text", "") for line in content.splitlines())
        text += re.sub(r"<[^>]*>|[#*]", " ", content).split()
    return text


def make_texts(kind: str, count: int) -> list[str]:
    chance, source = random.Random(kind), words()
    texts = []
    for _ in range(count):
        n = chance.randint(10, 600) if kind == "mixed" else 8 if kind == "query" else int(kind)
        start = chance.randrange(len(source) - n)
        texts.append(" ".join(source[start : start + n]))
    return texts


class Nearwise:
    def __init__(self, program, dtype, threads):
        self.command = [str(program), "embed", "--file", "-", "--device", "cpu", "--dtype", dtype]
        self.environment = dict(os.environ, RAYON_NUM_THREADS=str(threads))

    def embed(self, texts, one_by_one):
        """Vectors and seconds, as the program reports them: its start and the loading of the
        model, which no peer's time holds either, are left out."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "v.npy"
            batch = ["--batch", "1"] if one_by_one else []
            done = subprocess.run(
                [*self.command, "--out", str(out), *batch],
                input="\n".join(texts) + "\n", capture_output=True, encoding="utf8",
                env=self.environment, cwd=ROOT,
            )
            if done.returncode:
                raise SystemExit(done.stderr)
            seconds = re.search(r"tokens in ([0-9.]+) s", done.stderr)
            return np.load(out), float(seconds[1])


class Padded:
    """A peer that takes batches of padded rows."""

    batch = 32

    def embed(self, texts, one_by_one):
        started = time.perf_counter()
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        if one_by_one:
            order = range(len(texts))
        batch = 1 if one_by_one else self.batch
        out = [None] * len(texts)
        for i in range(0, len(texts), batch):
            chosen = order[i : i + batch]
            for j, vector in zip(chosen, self.vectors([texts[j] for j in chosen])):
                out[j] = vector
        return np.array(out), time.perf_counter() - started

    def tune(self, texts, batches):
        seconds = {}
        for self.batch in batches:
            self.embed(texts, False)
            seconds[self.batch] = self.embed(texts, False)[1]
        self.batch = min(seconds, key=seconds.get)


class Torch(Padded):
    def __init__(self, model):
        self.model = model

    def vectors(self, texts):
        vectors = self.model.encode(
            texts, normalize_embeddings=True, batch_size=len(texts), show_progress_bar=False,
            convert_to_tensor=True,
        )
        return vectors.float().numpy()


class Onnx(Padded):
    def __init__(self, path, tokenizer, threads):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.names = [i.name for i in self.session.get_inputs()]
        self.tokenizer = tokenizer

    def vectors(self, texts):
        rows = self.tokenizer.encode_batch_fast(texts)
        ids = np.array([r.ids for r in rows], dtype=np.int64)
        mask = np.array([r.attention_mask for r in rows], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": mask}
        hidden = self.session.run(None, inputs)[0]
        wide = mask[:, :, None].astype(np.float32)
        pooled = (hidden * wide).sum(1) / wide.sum(1)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


class OpenVino(Padded):
    """A graph of OpenVINO's; `precision` is what it computes with where the graph leaves it open."""

    def __init__(self, graph, precision, tokenizer, threads):
        import openvino

        self.compiled = openvino.Core().compile_model(graph, "CPU", {
            "INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        })
        self.tokenizer = tokenizer

    def vectors(self, texts):
        rows = self.tokenizer.encode_batch_fast(texts)
        ids = np.array([r.ids for r in rows], dtype=np.int64)
        mask = np.array([r.attention_mask for r in rows], dtype=np.int64)
        hidden = self.compiled({"input_ids": ids, "attention_mask": mask})[0]
        wide = mask[:, :, None].astype(np.float32)
        pooled = (hidden * wide).sum(1) / wide.sum(1)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


def openvino_graphs(plain: Path, tokenizer) -> dict[str, object]:
    """The model as OpenVINO reads it: as it is, with int8 weights, and in int8 throughout, by a
    static calibration on texts that are not measured."""
    import openvino

    read = lambda: openvino.Core().read_model(str(plain))  # noqa: E731
    try:
        import nncf
    except ImportError:
        print("nncf is not installed: OpenVINO's int8 is left out")
        return {"as it is": read()}
    nncf.set_log_level("ERROR")
    rows = [tokenizer.encode_batch_fast([text])[0] for text in make_texts("128", 128)]
    samples = [
        {"input_ids": np.array([r.ids], dtype=np.int64), "attention_mask": np.array([r.attention_mask], dtype=np.int64)}
        for r in rows
    ]
    return {
        "as it is": read(),
        "int8-weights": nncf.compress_weights(read(), mode=nncf.CompressWeightsMode.INT8_SYM),
        "int8-static": nncf.quantize(
            read(), nncf.Dataset(samples), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(samples)
        ),
    }


def export_onnx(program, folder: Path) -> dict[str, Path]:
    """The model as ONNX: f32, fused by ONNX Runtime's own optimizer, and int8 by its dynamic
    quantisation."""
    import torch
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions
    from transformers import AutoModel

    path = run(program, "model", "path").strip()
    bert = AutoModel.from_pretrained(path, attn_implementation="eager").eval()

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = bert

        def forward(self, input_ids, attention_mask):
            return self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    axes = {0: "texts", 1: "tokens"}
    ids = torch.ones(2, 8, dtype=torch.long)
    plain = folder / "plain.onnx"
    torch.onnx.export(
        Hidden(), (ids, torch.ones_like(ids)), str(plain), dynamo=False, opset_version=17,
        input_names=["input_ids", "attention_mask"], output_names=["hidden"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "hidden": axes},
    )
    fused = optimizer.optimize_model(
        str(plain), model_type="bert", num_heads=12, hidden_size=384, optimization_options=FusionOptions("bert")
    )
    print("ONNX Runtime's fusions:", fused.get_fused_operator_statistics(), file=sys.stderr)
    fused.save_model_to_file(str(folder / "fused.onnx"))
    paths = {"plain f32": plain, "fused f32": folder / "fused.onnx"}
    for name in ("plain", "fused"):
        quantised = folder / f"{name}-int8.onnx"
        quantize_dynamic(
            str(folder / f"{name}.onnx"), str(quantised), weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )
        paths[f"{name} int8"] = quantised
    return paths


def processor() -> str:
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        if found:
            return found[1]
    return platform.processor()


def main():
    p = parser(__doc__)
    p.formatter_class = argparse.RawDescriptionHelpFormatter
    p.add_argument("--threads", type=int, nargs="+", default=[os.cpu_count()])
    p.add_argument("--texts", type=int, default=384)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--lengths", nargs="+", default=["mixed", "12", "query"])
    p.add_argument("--engines", nargs="+", help="only these; all by default")
    p.add_argument("--batches", type=int, nargs="+", default=[4, 8, 16, 32, 64], help="sizes that padding peers try")
    args = p.parse_args()
    wanted = lambda name: not args.engines or name in args.engines  # noqa: E731

    import onnxruntime
    import sentence_transformers
    import torch
    from tokenizers import Tokenizer

    try:
        from openvino import __version__ as openvino_version
    except ImportError:
        openvino_version = None
    version = run(args.nearwise, "--version").strip()
    print(f"{processor()}, {os.cpu_count()} cores; {version}; torch {torch.__version__}, "
          f"sentence-transformers {sentence_transformers.__version__}, onnxruntime {onnxruntime.__version__}, openvino {openvino_version or 'not installed: left out'}")
    path = run(args.nearwise, "model", "path").strip()
    tokenizer = Tokenizer.from_file(path + "/tokenizer.json")
    tokenizer.enable_truncation(LENGTH)
    tokenizer.enable_padding()
    f32 = sentence_transformer(args.nearwise)
    bf16 = sentence_transformers.SentenceTransformer(path, device="cpu", model_kwargs={"dtype": torch.bfloat16})
    with tempfile.TemporaryDirectory() as folder:
        exported = export_onnx(args.nearwise, Path(folder))
        graphs = openvino_graphs(exported["plain f32"], tokenizer) if openvino_version else {}
        for threads in args.threads:
            torch.set_num_threads(threads)
            os.environ["RAYON_NUM_THREADS"] = str(threads)
            engines = {f"nearwise {d}": Nearwise(args.nearwise, d, threads) for d in PEERS}
            engines |= {"torch f32": Torch(f32), "torch bf16": Torch(bf16)}
            for name, graph, precision in (
                ("f32", "as it is", "f32"), ("bf16", "as it is", "bf16"),
                ("int8-weights", "int8-weights", "bf16"), ("int8-static", "int8-static", "f32"),
            ):
                if graph in graphs and wanted(f"openvino {name}"):
                    engines[f"openvino {name}"] = OpenVino(graphs[graph], precision, tokenizer, threads)
            # All cosines are to torch's f32.
            engines = {name: e for name, e in engines.items() if wanted(name) or name == "torch f32"}
            onnx = {name: Onnx(p, tokenizer, threads) for name, p in exported.items()}
            for kind in args.lengths:
                measure(kind, threads, args, dict(engines), onnx, tokenizer)


def measure(kind, threads, args, engines, onnx, tokenizer):
    texts = make_texts(kind, args.texts)
    one = kind == "query"
    tokens = sum(sum(row.attention_mask) for row in tokenizer.encode_batch_fast(texts))
    # Of the two graphs of a precision, the faster one stands for ONNX Runtime.
    for precision in ("f32", "int8"):
        if args.engines and f"onnxruntime {precision}" not in args.engines:
            continue
        best = None
        for graph in ("fused", "plain"):
            engine = onnx[f"{graph} {precision}"]
            if not one:
                engine.tune(texts[: max(64, len(texts) // 4)], args.batches)
            seconds = min(engine.embed(texts, one)[1] for _ in range(2))
            if best is None or seconds < best[0]:
                best = (seconds, engine)
        engines[f"onnxruntime {precision}"] = best[1]
    for name in engines:
        if not one and name.startswith(("torch", "openvino")):
            engines[name].tune(texts[: max(64, len(texts) // 4)], args.batches)
    seconds = {name: [] for name in engines}
    vectors = {}
    for _ in range(args.rounds + 1):
        for name, engine in engines.items():
            vectors[name], taken = engine.embed(texts, one)
            seconds[name].append(taken)
    medians = {name: statistics.median(s[1:]) for name, s in seconds.items()}
    print(f"\n{kind}: {len(texts)} texts of {tokens / len(texts):.0f} tokens, {threads} threads, "
          f"median of {args.rounds} rounds")
    print("| engine | tokens/s | ms a text | ratio | cosine to f32, least / mean |\n|---|---|---|---|---|")
    f32 = vectors["torch f32"] / np.linalg.norm(vectors["torch f32"], axis=1, keepdims=True)
    for name in sorted(engines):
        ratio = ""
        system, precision = name.split(" ")
        if system == "nearwise":
            # A single query is answered by whichever precision is fastest.
            peers = PEERS[precision] if not one or precision == "int8" else PEERS["f32"] + PEERS["bf16"]
            peers = [peer for peer in peers if peer in medians]
            if peers:
                peer = min(peers, key=medians.get)
                ratio = f"{medians[peer] / medians[name]:.2f} x {peer}"
        vectors[name] = vectors[name] / np.linalg.norm(vectors[name], axis=1, keepdims=True)
        cosine = (vectors[name] * f32).sum(1)
        batch = getattr(engines[name], "batch", None)
        note = f" (batch {batch})" if batch and not one else ""
        print(f"| {name}{note} | {tokens / medians[name]:,.0f} | {1000 * medians[name] / len(texts):.2f} "
              f"| {ratio} | {cosine.min():.5f} / {cosine.mean():.5f} |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
