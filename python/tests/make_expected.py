"""Writes expected.json: what sentence-transformers computes with the repository's small models.

Run with sentence-transformers 6: python python/tests/make_expected.py
"""

import json
import pathlib
import warnings

import numpy as np
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer

warnings.filterwarnings("ignore")
here = pathlib.Path(__file__).parent
fixtures = here.parent.parent / "tests" / "fixtures"

TEXTS = [
    "The central bank cut interest rates.",
    "A late goal decided the cup final.",
    "The ship crossed the ice of the river, with the doctors on board, and nobody had seen so much snow.",
    "rates",
    "",
    "Überraschung: die Zinsen fallen.",
]
QUERY = "interest rates"

# bert-st6 has a default prompt, keeps 7 values and ends in Normalize; bert-cls-mean-sqrt does not; the others have prompts.
MODELS = [f"families/{name}" for name in ("bert-st6", "bert-cls-mean-sqrt", "xlm-roberta-e5", "embeddinggemma")]


def rounded(values):
    return np.round(np.asarray(values, dtype=np.float64), 6).tolist()


models = []
for name in MODELS:
    model = SentenceTransformer(str(fixtures / name), device="cpu", model_kwargs={"dtype": torch.float32})
    half = model.get_embedding_dimension() // 2
    case = {
        "model": name,
        "dim": model.get_embedding_dimension(),
        "max_seq_length": model.max_seq_length,
        "prompts": {k: v for k, v in model.prompts.items()},
        "plain": rounded(model.encode(TEXTS)),
        "normalized": rounded(model.encode(TEXTS, normalize_embeddings=True)),
        "query": rounded(model.encode_query(TEXTS)),
        "document": rounded(model.encode_document(TEXTS)),
        "prompt": rounded(model.encode(TEXTS, prompt="about: ")),
        "truncated": rounded(model.encode(TEXTS, truncate_dim=half)),
        "truncated_normalized": rounded(model.encode(TEXTS, truncate_dim=half, normalize_embeddings=True)),
        "ubinary": model.encode(TEXTS, precision="ubinary").tolist(),
        "tokens": [rounded(t) for t in model.encode(TEXTS[:2], output_value="token_embeddings")],
        "one": rounded(model.encode(TEXTS[0])),
    }
    models.append(case)

crosses = []
for name in ["families/bert-cross", "families/bert-cross-three"]:
    cross = CrossEncoder(str(fixtures / name), device="cpu", model_kwargs={"dtype": torch.float32})
    pairs = [(QUERY, text) for text in TEXTS if text]
    case = {"model": name, "labels": cross.config.num_labels, "predict": rounded(cross.predict(pairs))}
    if cross.config.num_labels == 1:
        case["rank"] = [r["corpus_id"] for r in cross.rank(QUERY, [text for text in TEXTS if text])]
    crosses.append(case)

out = {"texts": TEXTS, "query": QUERY, "models": models, "crosses": crosses}
(here / "expected.json").write_text(json.dumps(out, ensure_ascii=False) + "\n")
