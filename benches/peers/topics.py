"""Topics by Nearwise and by BERTopic, on the same vectors in one run.

    python benches/peers/topics.py ARTICLES.jsonl.gz … [--seeds 3]

ARTICLES are JSON lines with id, title, text and label. Each file is indexed by Nearwise; BERTopic gets
Nearwise's vectors and the same texts. Rows are defaults of both, both with as many topics as there
are labels (BERTopic with its outliers reassigned), and Nearwise's other methods; figures are
medians over the seeds, with the range of V-measure. V-measure and ARI are scikit-learn's; NPMI is over the pairs of a
topic's ten first words, with articles as contexts; diversity is the share of distinct ones. Seconds: of
Nearwise the whole command, with reading the corpus and the model; of BERTopic the fit alone, after a
first small one that compiles its code, without its imports. Peak memory is of the process. Needs
bertopic and scikit-learn.
"""

import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

import numpy as np
from common import ROOT, articles, parser, run
from sklearn.metrics import adjusted_rand_score, v_measure_score


def spaced(text: str) -> str:
    return " " + " ".join(re.findall(r"\w+", text.lower())) + " "


class Corpus:
    """Articles with their labels, and which of them hold a term."""

    def __init__(self, path: str):
        every = articles(path)
        self.ids = [str(a["id"]) for a in every]
        self.labels = [str(a["label"]) for a in every]
        self.texts = [f"{a['title']}\n{a['text']}" for a in every]
        self.words = [spaced(t) for t in self.texts]
        self.found: dict[str, np.ndarray] = {}

    def has(self, term: str) -> np.ndarray:
        if term not in self.found:
            wanted = spaced(term)
            self.found[term] = np.array([wanted in w for w in self.words])
        return self.found[term]

    def npmi(self, topics: list[list[str]]) -> float:
        means = []
        for topic in topics:
            scores = []
            for a, b in combinations(topic[:10], 2):
                pa, pb, both = self.has(a).mean(), self.has(b).mean(), (self.has(a) & self.has(b)).mean()
                scores.append(-1.0 if both == 0 else 1.0 if both == 1 else np.log(both / (pa * pb)) / -np.log(both))
            if scores:
                means.append(np.mean(scores))
        return float(np.mean(means))

    def judge(self, of: dict[str, int], topics: list[list[str]], seconds: float, mib: float) -> dict[str, float]:
        given = [of[i] for i in self.ids]
        words = [w for t in topics for w in t[:10]]
        return {
            "topics": len(topics),
            "V": v_measure_score(self.labels, given),
            "ARI": adjusted_rand_score(self.labels, given),
            "none": float(np.mean(np.array(given) < 0)),
            "NPMI": self.npmi(topics),
            "diversity": len(set(words)) / len(words),
            "seconds": seconds,
            "MiB": mib,
        }


def show(name: str, runs: list[dict[str, float]]) -> None:
    m = {key: statistics.median(r[key] for r in runs) for key in runs[0]}
    v = [r["V"] for r in runs]
    print(
        f"{name:<28} {m['topics']:>6.0f} {m['V']:>6.3f} ({min(v):.3f}–{max(v):.3f}) {m['ARI']:>6.3f} {100 * m['none']:>5.1f} %"
        f" {m['NPMI']:>6.3f} {m['diversity']:>6.3f} {m['seconds']:>7.2f} {m['MiB']:>6.0f}",
        flush=True,
    )


def nearwise(program, corpus: Corpus, store: Path, *options) -> dict[str, float]:
    command = [str(program), "topics", "fit", "-c", str(store), "--json", *map(str, options)]
    # The peak of one child alone: a process in between that has no other.
    code = (
        "import resource, subprocess, sys, time\n"
        "s = time.perf_counter(); d = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE); t = time.perf_counter() - s\n"
        "sys.stderr.write(f'{t} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss} {d.returncode}')\n"
        "sys.stdout.buffer.write(d.stdout)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, encoding="utf8", cwd=ROOT)
    seconds, kib, status = done.stderr.split()[-3:]
    if status != "0":
        raise SystemExit(done.stderr)
    topics = [[w for w, _ in t["words"]] for t in json.loads(done.stdout)["topics"]]
    members = dict(line.split("\t") for line in run(program, "topics", "list", "--members", "-c", store).splitlines())
    out = corpus.judge({i: int(t) for i, t in members.items()}, topics, float(seconds), int(kib) / 1024)
    # What the program says of itself must be what scikit-learn says.
    said = json.loads(run(program, "eval", "topics", "--field", "label", "-c", store, "--json"))
    for ours, theirs in [("v_measure", "V"), ("ari", "ARI"), ("no_topic", "none"), ("npmi", "NPMI"), ("diversity", "diversity")]:
        if abs(said[ours] - out[theirs]) > 1e-6:
            raise SystemExit(f"eval topics says {ours} {said[ours]}, not {out[theirs]}")
    return out


def bertopic(path: str, vectors: str, seed: int, k: int) -> None:
    """One fit, in a process of its own; prints JSON."""
    from bertopic import BERTopic
    from umap import UMAP

    corpus, x = Corpus(path), np.load(vectors).astype(np.float32)

    def model(seed):
        # BERTopic's own defaults, with a seed.
        return BERTopic(umap_model=UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=seed), nr_topics=k or None)

    BERTopic(umap_model=UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=1)).fit(corpus.texts[:300], x[:300])
    started = time.perf_counter()
    fitted = model(seed)
    given, _ = fitted.fit_transform(corpus.texts, x)
    if k:
        given = fitted.reduce_outliers(corpus.texts, given, strategy="embeddings", embeddings=x)
        fitted.update_topics(corpus.texts, topics=given)
    seconds = time.perf_counter() - started
    topics = [[w for w, _ in fitted.get_topic(t) if w] for t in sorted(set(given)) if t >= 0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("RESULT " + json.dumps(corpus.judge(dict(zip(corpus.ids, map(int, given))), topics, seconds, peak)))


if len(sys.argv) > 1 and sys.argv[1] == "--bertopic":
    bertopic(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    raise SystemExit

p = parser(__doc__)
p.add_argument("articles", nargs="+")
p.add_argument("--seeds", type=int, default=3)
args = p.parse_args()
for path in args.articles:
    corpus = Corpus(path)
    k = len(set(corpus.labels))
    with tempfile.TemporaryDirectory() as folder:
        store, vectors = Path(folder) / "c.nearwise", Path(folder) / "v.npy"
        run(args.nearwise, "index", Path(path).resolve(), "-c", store)
        run(args.nearwise, "export", "-c", store, "--out", vectors)
        print(f"\n{Path(path).name}: {len(corpus.ids)} articles, {k} labels, {args.seeds} seeds")
        print(f"{'':<28} {'topics':>6} {'V (range)':>20} {'ARI':>6} {'none':>7} {'NPMI':>6} {'divers':>6} {'s':>7} {'MiB':>6}")
        for name, options in [
            ("nearwise", []),
            (f"nearwise --topics {k}", ["--topics", k]),
            ("nearwise leiden", ["--method", "leiden"]),
            ("nearwise kmeans", ["--method", "kmeans"]),
            ("nearwise hdbscan", ["--method", "hdbscan"]),
        ]:
            show(name, [nearwise(args.nearwise, corpus, store, *options, "--seed", seed) for seed in range(args.seeds)])
        for name, wanted in [("BERTopic", 0), (f"BERTopic nr_topics={k}", k)]:
            runs = []
            for seed in range(args.seeds):
                command = [sys.executable, __file__, "--bertopic", path, str(vectors), str(seed), str(wanted)]
                done = subprocess.run(command, capture_output=True, encoding="utf8")
                line = next((s for s in done.stdout.splitlines() if s.startswith("RESULT ")), None)
                if line is None:
                    raise SystemExit(done.stderr)
                runs.append(json.loads(line[7:]))
            show(name, runs)
