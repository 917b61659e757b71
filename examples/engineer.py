"""A cluster: articles in Parquet, embedded by Ray on all machines, into a Lance dataset to search.

    pip install nearwise "ray[data]" pylance
    python examples/engineer.py

This starts a Ray of its own with two workers. On a cluster, call `ray.init(address="auto")` before, and
give addresses of an object storage (`s3://…`) with their `storage_options`; nothing else changes. Run it
again after a failure: it goes on after the last shard that was committed.
"""

from __future__ import annotations

import json
import logging
import pathlib
import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq
import ray

import nearwise.ray
from nearwise.lance import Dataset

SEEDS = pathlib.Path(__file__).resolve().parent.parent / "seeds"


def main(model: str | None = None) -> None:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="nearwise-"))
    # Articles as they lie on a storage: id, title, text, and whatever else there is.
    with open(SEEDS / "wire.jsonl", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    pq.write_table(pa.Table.from_pylist(rows), folder / "articles.parquet")

    # Ray Data tells a good deal; its warnings are enough.
    logging.getLogger("ray").setLevel(logging.WARNING)
    ray.data.DataContext.get_current().enable_progress_bars = False
    ray.init(num_cpus=2, object_store_memory=200 << 20, include_dashboard=False, log_to_driver=False)
    where = folder / "articles.lance"
    try:
        # Each worker loads the model once, takes a shard, and writes it; the driver only commits. With
        # millions of articles take shards of 100,000.
        report = nearwise.ray.embed(folder / "articles.parquet", where, model, shard=20, workers=2)
        print(f"embedded {report.articles} articles, {report.passages} passages, in {report.shards} shards")
        again = nearwise.ray.embed(folder / "articles.parquet", where, model, shard=20, workers=2)
        print(f"run again: {again.articles} to do, {again.there} there")

        # Topics are found in a sample, and given to every article by the workers.
        nearwise.ray.topics(where, k=6)
    finally:
        ray.shutdown()

    dataset = Dataset(where)
    for topic in dataset.topics:
        print(f"  {topic.size:4}  {topic.label}")
    for hit in dataset.search("interest rates", k=3, filter='date >= 2025-02'):
        print(f"  {hit.score:.2f}  {hit.date}  {hit.title}")


if __name__ == "__main__":
    main(*sys.argv[1:])
