"""k-means of a million vectors: Nearwise and faiss on the same vectors, from the same starts.

    python benches/peers/kmeans.py [--rows 1000000] [--clusters 1000] [--iterations 10] [--runs 3]

Vectors are drawn around 2,000 directions, 384 numbers each, scaled to unit length. Both do the
given number of Lloyd's iterations from the first rows, on all rows, with as many threads as the
host has; runs alternate. Prints seconds and the ratio of medians. Needs faiss-cpu.
"""

import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
from common import ROOT, parser

p = parser(__doc__)
p.add_argument("--rows", type=int, default=1_000_000)
p.add_argument("--clusters", type=int, default=1000)
p.add_argument("--iterations", type=int, default=10)
p.add_argument("--runs", type=int, default=3)
args = p.parse_args()
DIM = 384

random = np.random.default_rng(1)
centres = random.standard_normal((2000, DIM), dtype=np.float32)
rows = np.empty((args.rows, DIM), np.float32)
for first in range(0, args.rows, 50_000):
    part = rows[first : first + 50_000]
    part[:] = centres[random.integers(0, len(centres), len(part))] + 1.5 * random.standard_normal(part.shape, dtype=np.float32)
    part /= np.linalg.norm(part, axis=1, keepdims=True)


def by_faiss() -> tuple[float, float]:
    k = faiss.Kmeans(DIM, args.clusters, niter=args.iterations, max_points_per_centroid=args.rows, verbose=False)
    started = time.perf_counter()
    k.train(rows, init_centroids=rows[: args.clusters].copy())
    # faiss gives the sum of squared distances; 1 - that / 2n is our objective.
    return time.perf_counter() - started, 0.5 - k.obj[-1] / 2 / args.rows


def by_nearwise(path: Path) -> tuple[float, float]:
    env = {
        **os.environ,
        "NEARWISE_BENCH_VECTORS": str(path),
        "NEARWISE_BENCH_K": str(args.clusters),
        "NEARWISE_BENCH_ITERATIONS": str(args.iterations),
    }
    done = subprocess.run(["cargo", "bench", "--bench", "kmeans"], env=env, cwd=ROOT, capture_output=True, encoding="utf8")
    if done.returncode:
        raise SystemExit(done.stderr)
    print("   ", done.stdout.strip().splitlines()[-1])
    found = re.search(r"iterations in ([\d.]+) s.*objective ([\d.]+)", done.stdout)
    return float(found[1]), float(found[2])


print(f"faiss {faiss.__version__}, {faiss.omp_get_max_threads()} threads; {args.rows} x {DIM}, k = {args.clusters}, {args.iterations} iterations")
ours, theirs = [], []
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "rows.npy"
    np.save(path, rows)
    for _ in range(args.runs):
        seconds, objective = by_nearwise(path)
        ours.append(seconds)
        print(f"nearwise {seconds:.2f} s, objective {objective:.6f}")
        seconds, objective = by_faiss()
        theirs.append(seconds)
        print(f"faiss    {seconds:.2f} s, objective {objective:.6f}")
a, b = statistics.median(ours), statistics.median(theirs)
print(f"medians: nearwise {a:.2f} s, faiss {b:.2f} s; faiss takes {b / a:.2f} times as long")
