"""Whether an article's vector is better made from all of its passages than from the first alone.

    python benches/peers/article_vectors.py CORPUS LABELS

Reads a corpus file and compares, on the same passages: the first passage's vector (truncation), the
plain mean of all, and the mean weighted by each passage's fresh tokens (Nearwise's). For each, the
share of an article's ten nearest that have its label, over all articles and over those of several
passages, and k-means' V-measure, the median of ten seeds.
"""

import sqlite3
import statistics

import numpy as np
from common import labels, parser
from sklearn.cluster import KMeans
from sklearn.metrics import v_measure_score

p = parser(__doc__)
p.add_argument("corpus")
p.add_argument("labels")
args = p.parse_args()
truth = labels(args.labels)
db = sqlite3.connect(f"file:{args.corpus}?mode=ro", uri=True)
passages: dict[str, list] = {}
for ext_id, tokens, vector in db.execute(
    "SELECT a.ext_id, p.tokens, p.vector FROM passage p JOIN article a ON a.id = p.article ORDER BY p.id"
):
    passages.setdefault(ext_id, []).append((tokens, np.frombuffer(vector, "<f2").astype(np.float64)))
ids = [i for i in passages if i in truth]
y = np.array([truth[i] for i in ids])
long = np.array([len(passages[i]) > 1 for i in ids])
k = len(set(y))


def unit(rows):
    rows = np.array(rows)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


for name, vectors in [
    ("first passage", unit([passages[i][0][1] for i in ids])),
    ("plain mean", unit([np.mean([v for _, v in passages[i]], 0) for i in ids])),
    ("mean by fresh tokens", unit([sum(n * v for n, v in passages[i]) for i in ids])),
]:
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -2)
    nearest = np.argpartition(-similar, 10, axis=1)[:, :10]
    alike = (y[nearest] == y[:, None]).mean(1)
    v = [v_measure_score(y, KMeans(k, n_init=10, random_state=s).fit_predict(vectors)) for s in range(10)]
    print(
        f"{name}: same label among the ten nearest {alike.mean():.4f}, of the {long.sum()} long "
        f"{alike[long].mean():.4f}; V-measure {statistics.median(v):.4f} ({min(v):.4f} to {max(v):.4f})"
    )
