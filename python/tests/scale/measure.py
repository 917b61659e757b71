"""Prints the figures of docs/scale.md: what this machine does, for people to compare with theirs.

    python python/tests/scale/measure.py [MODEL]

Takes some minutes; the texts are made up, of words in a usual order of frequency.
"""

from __future__ import annotations

import os
import pathlib
import sys
import tempfile
import time

import lance
import numpy as np
import pyarrow as pa
import ray

import nearwise
import nearwise.ray
from nearwise import _nearwise
from nearwise._lance_io import created
from nearwise._lance_table import Rows, identity_of, schema_of, table_of
from nearwise._lance_topics import join
from nearwise.lance import Dataset

#: Articles that are embedded, and words of each; passages that are written and indexed.
ARTICLES, WORDS, PASSAGES = 300, 440, 300_000


def size(folder: pathlib.Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def texts(n: int, words: int, seed: int = 1) -> list[str]:
    source = (pathlib.Path(__file__).resolve().parents[3] / "seeds" / "wire.jsonl").read_text(encoding="utf-8")
    known = [w for w in source.replace("\\n", " ").split() if w.isascii()]
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(known, words)) for _ in range(n)]


def main(model: str | None = None) -> None:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="nearwise-"))
    encoder = nearwise.Encoder(model, device="cpu")
    given = texts(ARTICLES, WORDS)
    tokens = sum(len(t) for t in encoder.tokenize(given[:20])) / 20
    start = time.perf_counter()
    arrays = _nearwise.embed_articles(encoder._inner, [""] * ARTICLES, given)
    one = time.perf_counter() - start
    passages, computed = len(arrays[1]), int(arrays[3].sum())
    print(f"{encoder!r}, {os.cpu_count()} cores; articles of {WORDS} words ({tokens:.0f} tokens or more)")
    print(f"one process: {ARTICLES / one:.1f} articles/s, {passages / one:.1f} passages/s, {computed / one:.0f} tokens/s")
    print(f"passages an article: {passages / ARTICLES:.2f}")

    # A table as large as vectors make it: random ones of the model's length.
    dim = encoder.dimensions
    where = str(folder / "random.lance")
    schema = schema_of(identity_of(encoder), {})
    created(where, schema, None)
    random = np.random.default_rng(2)
    each = 3
    writing = 0.0
    for shard in range(10):
        n = PASSAGES // 10 // each
        rows = Rows()
        for i in range(n):
            rows.add((f"{shard}-{i}", "a title", given[i % len(given)], "2024-01-02", "wire", None, "", "{}"))
        vectors = random.normal(size=(n * each, dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        numbers = np.tile(np.arange(each), n)
        starts = (numbers * 900).astype(np.uint64)
        pieces = (np.full(n, each), starts, starts + 900, np.full(n * each, 200), vectors, vectors[::each])
        start = time.perf_counter()
        lance.write_dataset(table_of(rows, pieces, schema), where, mode="append", data_storage_version="stable")
        writing += time.perf_counter() - start
    whole = size(pathlib.Path(where))
    text = sum(map(len, given)) / len(given)
    print(f"written: {PASSAGES / writing:.0f} passages/s; {whole / PASSAGES:.0f} bytes a passage (texts of {text:.0f} bytes)")
    dataset = Dataset(where, encoder=encoder)
    start = time.perf_counter()
    dataset.index()
    indexing = time.perf_counter() - start
    print(f"indices: {indexing:.0f} s; {(size(pathlib.Path(where)) - whole) / PASSAGES:.0f} bytes a passage")
    query = random.normal(size=dim)
    for mode in ("exact", "approximate"):
        dataset.search(query, 10, mode=mode)
        start = time.perf_counter()
        for _ in range(5):
            dataset.search(query, 10, mode=mode)
        print(f"search {mode}: {(time.perf_counter() - start) / 5 * 1000:.0f} ms")
    start = time.perf_counter()
    dataset.fit_topics(50, method="kmeans", sample=20_000, encoder=False)
    print(f"topics of {len(dataset)} articles, of a sample of 20,000: {time.perf_counter() - start:.0f} s")
    start = time.perf_counter()
    join(dataset, None)
    print(f"assigned: {len(dataset) / (time.perf_counter() - start):.0f} articles/s in one process")

    # The same texts through a cluster of two workers, with what starting it costs.
    package = str(pathlib.Path(nearwise.__file__).resolve().parent.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    ray.init(num_cpus=2, object_store_memory=300 << 20, include_dashboard=False, log_to_driver=False)
    table = pa.table({"id": [str(i) for i in range(ARTICLES)], "text": given})
    start = time.perf_counter()
    report = nearwise.ray.embed(table, folder / "ray.lance", model, device="cpu", shard=50, workers=2)
    whole_run = time.perf_counter() - start
    ray.shutdown()
    print(f"two workers: {report.articles / whole_run:.1f} articles/s with starting them, in {report.shards} shards")


if __name__ == "__main__":
    main(*sys.argv[1:])
