"""Tokens a second for shapes of other families: Nearwise, sentence-transformers and ONNX Runtime.

    python benches/peers/families.py [--shapes modernbert-base qwen3-0.6b] [--threads 1] [--rounds 3]
    python benches/peers/families.py --fidelity [--shapes bert-base gte-base nomic …] [--layers 6]

The weights are random, of the shape of the published model, but for the vocabulary, which is the
default model's (a table that is looked up costs no time); the speed does not depend on them. All
engines have the same tokenizer. Each engine embeds the same texts once a round, one engine after
another, tokenisation included. What counts is user CPU time, which other work on the host changes
less than the clock's: a peer's while it embeds, and that of `nearwise embed` less that of the same
command over one word, run beside it, which is its start and the packing of the weights. The
table has the median of the rounds, the ratio of medians to the faster peer of the same precision,
and the cosine to sentence-transformers' f32 (of random weights it says that the arithmetic agrees,
no more). Peers get texts sorted by length, in the batch size that was the fastest in a first pass.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

from common import parser, run
from speed import Nearwise, Onnx, Torch, make_texts, processor


VOCABULARY = 30_522  # the default model's
IDS = dict(vocab_size=VOCABULARY, pad_token_id=0, bos_token_id=101, eos_token_id=102)


def modernbert_base(layers=22):
    from transformers import ModernBertConfig, ModernBertModel

    config = ModernBertConfig(**IDS, num_hidden_layers=layers, cls_token_id=101, sep_token_id=102)
    return ModernBertModel(config), "mean"


def qwen3_06b(layers=28):
    from transformers import Qwen3Config, Qwen3Model

    config = Qwen3Config(
        **IDS, hidden_size=1024, intermediate_size=3072, num_hidden_layers=layers, num_attention_heads=16,
        num_key_value_heads=8, head_dim=128, max_position_embeddings=32_768, rope_theta=1_000_000,
    )
    return Qwen3Model(config), "lasttoken"


def gte_base(layers=12):
    from transformers import GteConfig, GteModel

    config = GteConfig(**IDS, hidden_size=768, intermediate_size=3072, num_hidden_layers=layers,
                       num_attention_heads=12, max_position_embeddings=8192)
    return GteModel(config), "cls"


def nomic(layers=12):
    from transformers import NomicBertConfig, NomicBertModel

    config = NomicBertConfig(**IDS, num_hidden_layers=layers)
    return NomicBertModel(config), "mean"


def bert_base(layers=12):
    from transformers import BertConfig, BertModel

    return BertModel(BertConfig(**IDS, num_hidden_layers=layers), add_pooling_layer=False), "cls"


SHAPES = {"modernbert-base": modernbert_base, "qwen3-0.6b": qwen3_06b, "gte-base": gte_base,
          "nomic": nomic, "bert-base": bert_base}


def write(shape: str, folder: Path, default_model: Path, length: int, layers: int | None = None):
    """A sentence-transformers folder of a shape, with random weights."""
    import torch

    torch.manual_seed(7)
    model, pooling = SHAPES[shape](*[layers] if layers else [])
    model.eval().save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        if (default_model / name).exists():
            shutil.copy(default_model / name, folder / name)
    kinds = ["Transformer", "Pooling", "Normalize"]
    modules = [
        {"idx": i, "name": str(i), "path": "" if i == 0 else f"{i}_{kind}",
         "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": length}))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(json.dumps({
        "word_embedding_dimension": model.config.hidden_size,
        "pooling_mode_" + {"mean": "mean_tokens", "cls": "cls_token"}.get(pooling, pooling): True,
    }))
    return model, pooling


def export(model, folder: Path) -> Path:
    import torch

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, input_ids, attention_mask):
            return self.inner(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    path = folder / "model.onnx"
    ids = torch.ones(2, 8, dtype=torch.long)
    texts, tokens = torch.export.Dim("texts"), torch.export.Dim("tokens")
    dims = {0: texts, 1: tokens}
    torch.onnx.export(
        Hidden(), (ids, torch.ones_like(ids)), str(path), dynamo=True,
        input_names=["input_ids", "attention_mask"], output_names=["hidden"],
        dynamic_shapes={"input_ids": dims, "attention_mask": dims},
    )
    return path


def quantised(path: Path) -> Path:
    """The graph with int8 weights, by ONNX Runtime's dynamic quantisation."""
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic

    out = path.with_name("int8.onnx")
    quantize_dynamic(
        str(path), str(out), weight_type=QuantType.QInt8, use_external_data_format=True,
        extra_options={"DefaultTensorType": TensorProto.FLOAT},
    )
    return out


def user_seconds(whose) -> float:
    return resource.getrusage(whose).ru_utime


def cpu(name: str, engine, texts: list[str]):
    """Vectors, and the user CPU time of embedding them."""
    if not name.startswith("nearwise"):
        started = user_seconds(resource.RUSAGE_SELF)
        vectors, _ = engine.embed(texts, False)
        return vectors, user_seconds(resource.RUSAGE_SELF) - started
    marks = [user_seconds(resource.RUSAGE_CHILDREN)]
    for some in (["one"], texts):
        vectors, _ = engine.embed(some, False)
        marks.append(user_seconds(resource.RUSAGE_CHILDREN))
    return vectors, (marks[2] - marks[1]) - (marks[1] - marks[0])


class OnnxPooled(Onnx):
    """Pooled as the shape's model is."""

    pooling = "mean"

    def vectors(self, texts):
        if self.pooling == "mean":
            return super().vectors(texts)
        rows = self.tokenizer.encode_batch_fast(texts)
        ids = np.array([r.ids for r in rows], dtype=np.int64)
        mask = np.array([r.attention_mask for r in rows], dtype=np.int64)
        hidden = self.session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        pooled = hidden[np.arange(len(rows)), mask.sum(1) - 1]
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


def fidelity(args, default_model: Path):
    """Cosines of each dtype's vectors to our own f32's. Vectors of random weights are much alike, so
    the distance between the vectors of a text is also given as a share of that between two texts."""
    print("| shape | layers | dtype | cosine to f32, least / mean | distance, of that between texts | auto |\n|---|---|---|---|---|---|")
    texts = make_texts("mixed", args.texts)
    for shape in args.shapes:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder) / shape
            folder.mkdir()
            model, _ = write(shape, folder, default_model, 256, args.layers)
            layers = model.config.num_hidden_layers
            del model
            vectors, about = {}, {}
            for dtype in ("f32", "bf16", "int8", "auto"):
                engine = Nearwise(args.nearwise, dtype, args.threads)
                engine.command += ["--model", str(folder)]
                vectors[dtype], _ = engine.embed(texts, False)
            f32 = vectors["f32"].astype(np.float64)
            auto = [d for d in ("f32", "bf16", "int8") if np.array_equal(vectors["auto"], vectors[d])]
            apart = np.linalg.norm(f32[:, None] - f32[None], axis=2)[~np.eye(len(f32), dtype=bool)].mean()
            for dtype in ("bf16", "int8"):
                other = vectors[dtype].astype(np.float64)
                cosine = (other * f32).sum(1) / np.linalg.norm(other, axis=1) / np.linalg.norm(f32, axis=1)
                share = np.linalg.norm(other - f32, axis=1).mean() / apart
                print(f"| {shape} | {layers} | {dtype} | {cosine.min():.5f} / {cosine.mean():.5f} | {share:.3f} | {' '.join(auto)} |")
            sys.stdout.flush()


def main():
    p = parser(__doc__)
    p.formatter_class = argparse.RawDescriptionHelpFormatter
    p.add_argument("--shapes", nargs="+", default=list(SHAPES)[:2], choices=list(SHAPES))
    p.add_argument("--fidelity", action="store_true", help="compare dtypes with f32 instead, no peers")
    p.add_argument("--layers", type=int, help="so many layers instead of the model's own, with --fidelity")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--texts", type=int, default=16)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--lengths", nargs="+", default=["mixed"])
    p.add_argument("--no-onnx", action="store_true", help="leave ONNX Runtime out")
    args = p.parse_args()
    if args.fidelity:
        print(f"{processor()}; {run(args.nearwise, '--version').strip()}; {args.texts} texts")
        return fidelity(args, Path(run(args.nearwise, "model", "path").strip()))

    import sentence_transformers
    import torch
    from tokenizers import Tokenizer

    print(f"{processor()}, {args.threads} threads; {run(args.nearwise, '--version').strip()}; torch "
          f"{torch.__version__}, sentence-transformers {sentence_transformers.__version__}")
    default_model = Path(run(args.nearwise, "model", "path").strip())
    torch.set_num_threads(args.threads)
    for shape in args.shapes:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder) / shape
            folder.mkdir()
            model, pooling = write(shape, folder, default_model, 256)
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            tokenizer.enable_truncation(256)
            tokenizer.enable_padding()
            engines = {}
            for dtype in ("f32", "bf16", "int8"):
                engine = Nearwise(args.nearwise, dtype, args.threads)
                engine.command += ["--model", str(folder)]
                engines[f"nearwise {dtype}"] = engine
            for dtype in ("f32", "bf16"):
                kind = torch.float32 if dtype == "f32" else torch.bfloat16
                loaded = sentence_transformers.SentenceTransformer(
                    str(folder), device="cpu", model_kwargs={"dtype": kind})
                engines[f"torch {dtype}"] = Torch(loaded)
            if not args.no_onnx:
                try:
                    path = export(model, folder)
                    for dtype in ("f32", "int8"):
                        path = quantised(path) if dtype == "int8" else path
                        engine = OnnxPooled(path, tokenizer, args.threads)
                        engine.pooling = pooling
                        engines[f"onnxruntime {dtype}"] = engine
                except Exception as e:  # a shape that the exporter cannot do is said, not hidden
                    print(f"ONNX Runtime left out for {shape}: {str(e).splitlines()[0]}", file=sys.stderr)
            for kind in args.lengths:
                measure(shape, kind, args, engines, tokenizer)


def measure(shape, kind, args, engines, tokenizer):
    texts = make_texts(kind, args.texts)
    tokens = sum(sum(row.attention_mask) for row in tokenizer.encode_batch_fast(texts))
    seconds = {name: [] for name in engines}
    vectors = {}
    for name, engine in engines.items():
        if not name.startswith("nearwise"):
            tried = {}
            for engine.batch in (1, 2, 4, 8):
                tried[engine.batch] = cpu(name, engine, texts[:8])[1]
            engine.batch = min(tried, key=tried.get)
    for _ in range(args.rounds):
        for name, engine in engines.items():
            vectors[name], taken = cpu(name, engine, texts)
            seconds[name].append(taken)
    medians = {name: statistics.median(s) for name, s in seconds.items()}
    unit = {n: v / np.linalg.norm(v, axis=1, keepdims=True) for n, v in vectors.items()}
    print(f"\n{shape}, {kind}: {len(texts)} texts of {tokens / len(texts):.0f} tokens, {args.threads} threads, "
          f"user CPU, median of {args.rounds} rounds")
    print("| engine | tokens/s of user CPU | ratio | cosine to f32, least / mean |\n|---|---|---|---|")
    for name in sorted(engines):
        system, precision = name.split(" ")
        ratio = ""
        if system == "nearwise":
            peers = [n for n in engines if not n.startswith("nearwise") and n.endswith(precision)]
            peers = peers or [n for n in engines if not n.startswith("nearwise")]
            peer = min(peers, key=medians.get)
            ratio = f"{medians[peer] / medians[name]:.2f} x {peer}"
        batch = getattr(engines[name], "batch", None)
        note = f" (batch {batch})" if batch else ""
        cosine = (unit[name] * unit["torch f32"]).sum(1)
        print(f"| {name}{note} | {tokens / medians[name]:,.0f} | {ratio} | {cosine.min():.5f} / {cosine.mean():.5f} |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
