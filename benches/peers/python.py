"""The Python package: `encode` against the program, the import, and memory, sentence-transformers beside.

    python benches/peers/python.py [--texts 10000] [--rounds 3] [--threads 2] [--words 60] [--no-peer]

Needs the package (scripts/python-wheel.sh) and, for the peer, sentence-transformers; another Python that has
them is named by --peer. Every engine embeds the same texts once a round in a process of its own, one engine
after another; the table has the median of the rounds. Seconds and processor seconds are those of the call
alone, tokenisation included; the program's are those that it reports, and what a run of one text costs is
taken from its processor seconds. Memory is the most that the process had, of the import what it had then.
"""

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from common import ROOT, parser
from speed import make_texts

NEARWISE = """
import json, resource, sys, time
clock, cpu = time.perf_counter(), time.process_time()
import nearwise
import_seconds, import_cpu = time.perf_counter() - clock, time.process_time() - cpu
import_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import numpy
texts = json.load(open(sys.argv[1]))
encoder = nearwise.Encoder(device="cpu", dtype=sys.argv[3])
encoder.encode(texts[:4])
clock, cpu = time.perf_counter(), time.process_time()
vectors = encoder.encode(texts, normalize_embeddings=True)
seconds, used = time.perf_counter() - clock, time.process_time() - cpu
"""
PEER = """
import json, resource, sys, time
clock, cpu = time.perf_counter(), time.process_time()
import sentence_transformers
import_seconds, import_cpu = time.perf_counter() - clock, time.process_time() - cpu
import_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import numpy, torch
torch.set_num_threads(int(sys.argv[4]))
texts = json.load(open(sys.argv[1]))
encoder = sentence_transformers.SentenceTransformer(sys.argv[3], device="cpu")
encoder.encode(texts[:4])
clock, cpu = time.perf_counter(), time.process_time()
vectors = encoder.encode(texts, normalize_embeddings=True)
seconds, used = time.perf_counter() - clock, time.process_time() - cpu
"""
END = """
numpy.save(sys.argv[2], vectors)
print(json.dumps({"seconds": seconds, "cpu": used, "import": import_seconds, "import_cpu": import_cpu,
    "import_memory": import_memory / 1024, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def python(executable, code, env, *args):
    done = subprocess.run([executable, "-c", code + END, *map(str, args)], capture_output=True, encoding="utf8", env=env)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def program(command, texts, out, env):
    """One run of the program: seconds as it reports them, and the processor seconds of all of it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*command, "--out", str(out)], input="\n".join(texts) + "\n", capture_output=True, encoding="utf8", env=env
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(re.search(r"tokens in ([0-9.]+) s", done.stderr)[1]), used


def main():
    p = parser(__doc__.splitlines()[0])
    p.add_argument("--texts", type=int, default=10_000)
    p.add_argument("--words", default="60", help="words of a text, or `mixed`")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--dtype", default="auto")
    p.add_argument("--python", default=sys.executable, help="a Python that has the package")
    p.add_argument("--peer", default=sys.executable, help="a Python that has sentence-transformers")
    p.add_argument("--peer-texts", type=int, default=1000, help="the peer embeds so many, as it takes long")
    p.add_argument("--no-peer", action="store_true")
    args = p.parse_args()

    texts = make_texts(args.words, args.texts)
    env = dict(os.environ, RAYON_NUM_THREADS=str(args.threads), HF_HUB_OFFLINE="1")
    command = [str(args.nearwise), "embed", "--file", "-", "--device", "cpu", "--dtype", args.dtype]
    command += ["--batch", str(args.texts)]
    model = subprocess.run([str(args.nearwise), "model", "path"], capture_output=True, encoding="utf8", env=env, cwd=ROOT)
    native, own, peer = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        listed, few = folder / "texts.json", folder / "few.json"
        listed.write_text(json.dumps(texts))
        few.write_text(json.dumps(texts[: args.peer_texts]))
        for _ in range(args.rounds):
            start = program(command, texts[:1], folder / "one.npy", env)[1]
            seconds, used = program(command, texts, folder / "native.npy", env)
            native.append({"seconds": seconds, "cpu": used - start})
            own.append(python(args.python, NEARWISE, env, listed, folder / "own.npy", args.dtype))
            if not args.no_peer:
                peer.append(
                    python(args.peer, PEER, env, few, folder / "peer.npy", model.stdout.strip(), args.threads)
                )
        same = np.array_equal(np.load(folder / "native.npy"), np.load(folder / "own.npy"))
        cosine = None
        if peer:
            a, b = np.load(folder / "own.npy")[: args.peer_texts], np.load(folder / "peer.npy")
            cosine = float((a * b).sum(1).min())

    def median(rows, key):
        return statistics.median(row[key] for row in rows)

    print(f"{args.texts} texts of {args.words} words, {args.threads} threads, {args.rounds} rounds, median")
    print(f"{'':24}{'texts/s':>10}{'CPU s/1000':>12}{'import s':>10}{'CPU s':>8}{'import MB':>11}{'most MB':>9}")
    for name, rows, n in [("nearwise embed", native, args.texts), ("nearwise (Python)", own, args.texts),
                          ("sentence-transformers", peer, args.peer_texts)]:  # fmt: skip
        if not rows:
            continue
        line = f"{name:24}{n / median(rows, 'seconds'):10.0f}{1000 * median(rows, 'cpu') / n:12.2f}"
        if "import" in rows[0]:
            line += f"{median(rows, 'import'):10.3f}{median(rows, 'import_cpu'):8.3f}"
            line += f"{median(rows, 'import_memory'):11.0f}{median(rows, 'memory'):9.0f}"
        print(line)
    ratio, used = median(native, "seconds") / median(own, "seconds"), median(native, "cpu") / median(own, "cpu")
    print(f"Python reaches {ratio:.1%} of the program's rate, by processor seconds {used:.1%}")
    print(f"the vectors are {'the same to the bit' if same else 'NOT the same'}")
    if cosine is not None:
        print(f"the least cosine to sentence-transformers' f32 is {cosine:.5f}")


if __name__ == "__main__":
    main()
