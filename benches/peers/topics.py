"""How well topics match labels: Nearwise, and the usual recipe on the same articles.

    python benches/peers/topics.py CORPUS LABELS [--articles FILE.jsonl.gz] [--topics N]

LABELS is a .tsv of id and label, or articles as JSON lines with a field `label`. With --articles,
sentence-transformers embeds title and text truncated at 256 tokens and scikit-learn's k-means
clusters them, five times with other seeds. Prints V-measure and adjusted Rand index.
"""

import statistics
import time

from common import articles, labels, parser, run, sentence_transformer
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, v_measure_score

p = parser(__doc__)
p.add_argument("corpus")
p.add_argument("labels")
p.add_argument("--articles")
p.add_argument("--topics", type=int)
args = p.parse_args()
truth = labels(args.labels)
k = args.topics or len(set(truth.values()))


def show(name: str, runs: list[dict[str, object]], seconds: float) -> None:
    v, ari = [], []
    for found in runs:
        ids = [i for i in truth if i in found]
        v.append(v_measure_score([truth[i] for i in ids], [found[i] for i in ids]))
        ari.append(adjusted_rand_score([truth[i] for i in ids], [found[i] for i in ids]))
    print(
        f"{name}: V-measure {statistics.median(v):.3f} ({min(v):.3f} to {max(v):.3f}), "
        f"ARI {statistics.median(ari):.3f}, {len(ids)} articles, {seconds:.2f} s a run"
    )


def nearwise(*options) -> dict[str, object]:
    out = run(args.nearwise, "topics", "-c", args.corpus, "--members", *options)
    return dict(line.split("\t")[:2] for line in out.splitlines())


started = time.perf_counter()
runs = [nearwise("--topics", k, "--seed", seed) for seed in range(5)]
show(f"nearwise, k = {k}", runs, (time.perf_counter() - started) / 5)
started = time.perf_counter()
runs = [nearwise("--seed", seed) for seed in range(5)]
chosen = sorted({len(set(r.values())) for r in runs})
show(f"nearwise, k chosen: {chosen}", runs, (time.perf_counter() - started) / 5)
if args.articles:
    every = articles(args.articles)
    model = sentence_transformer(args.nearwise)
    vectors = model.encode([f"{a['title']} {a['text']}" for a in every], normalize_embeddings=True)
    started = time.perf_counter()
    runs = []
    for seed in range(5):
        found = KMeans(k, n_init=10, random_state=seed).fit_predict(vectors)
        runs.append({str(a["id"]): int(c) for a, c in zip(every, found)})
    show(f"sentence-transformers + scikit-learn, k = {k}", runs, (time.perf_counter() - started) / 5)
