"""Whether Nearwise computes what sentence-transformers computes.

    python benches/peers/fidelity.py [--articles FILE.jsonl.gz] [--count 500] [--sts FILE.tsv]

Embeds the seeds, and COUNT articles of FILE evenly spread, by both, with each type of number;
prints the least and the mean cosine of the two vectors of a text, and fails where one is under its
bound. With --sts (score, sentence1, sentence2), prints Spearman's correlation of the cosines with
the scores, by both.
"""

import csv
import sys

import numpy as np
from common import ROOT, articles, embed, one_line, parser, sentence_transformer

p = parser(__doc__)
p.add_argument("--articles", help="articles as JSON lines, with title and text")
p.add_argument("--count", type=int, default=500)
p.add_argument("--sts", help="pairs with scores")
args = p.parse_args()
model = sentence_transformer(args.nearwise)
# The least cosine of any text and the mean over texts, of each type of number.
BOUNDS = {"f32": (0.99999, 0.99999), "bf16": (0.999, 0.9999), "int8": (0.99, 0.998)}
failed = []


def compare(name: str, texts: list[str]) -> None:
    theirs = model.encode(texts, normalize_embeddings=True, batch_size=32).astype(np.float64)
    for dtype, (least, mean) in BOUNDS.items():
        ours = embed(args.nearwise, texts, dtype).astype(np.float64)
        cosines = (theirs * ours).sum(1) / (np.linalg.norm(theirs, axis=1) * np.linalg.norm(ours, axis=1))
        print(f"{name}, {dtype}: {len(texts)} texts, cosine least {cosines.min():.6f}, mean {cosines.mean():.6f}")
        if cosines.min() < least or cosines.mean() < mean:
            failed.append(f"{name}, {dtype}")


seeds = [one_line(f"{a['title']} {a['text']}") for a in articles(ROOT / "seeds" / "wire.jsonl")]
with open(ROOT / "seeds" / "gazette.csv", encoding="utf8", newline="") as file:
    seeds += [one_line(" ".join(row.values())) for row in csv.DictReader(file)]
for folder in ["columns", "features"]:
    seeds += [one_line(f.read_text(encoding="utf8")) for f in sorted((ROOT / "seeds" / folder).iterdir())]
compare("seeds", seeds)
if args.articles:
    every = articles(args.articles)
    step = max(1, len(every) // args.count)
    compare("articles", [one_line(f"{a['title']} {a['text']}") for a in every[::step][: args.count]])
if args.sts:
    from scipy.stats import spearmanr

    with open(args.sts, encoding="utf8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    scores = [float(r["score"]) for r in rows]
    texts = [r["sentence1"] for r in rows] + [r["sentence2"] for r in rows]
    compare("sts", texts)
    for name, vectors in [
        *[(f"nearwise {dtype}", embed(args.nearwise, texts, dtype)) for dtype in BOUNDS],
        ("sentence-transformers", model.encode(texts, normalize_embeddings=True)),
    ]:
        a, b = np.split(vectors, 2)
        print(f"sts: {len(rows)} pairs, Spearman {100 * spearmanr((a * b).sum(1), scores).statistic:.2f} by {name}")
if failed:
    sys.exit(f"under the bounds {BOUNDS}: {'; '.join(failed)}")
