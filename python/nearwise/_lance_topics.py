"""Topics of a Lance dataset: found in a sample, then given to every article, fragment by fragment."""

from __future__ import annotations

import base64
import dataclasses
import json
import pickle
from typing import Any, Callable, Iterable, Mapping, Sequence

import lance
import numpy as np
import pyarrow as pa

from ._lance_io import quoted
from ._lance_table import TOPICS, keys_of, matrix_of
from ._topics import FoundTopics, topics
from .errors import NothingYetError, ParameterError

#: Articles that topics are found in; labels and centres change little with more.
SAMPLE = 100_000
#: The topic of an article that is in none, as everywhere.
NONE = -1
#: Vectors compared with all centres at a time.
BLOCK = 8192

#: Runs a function on each task, anywhere; gives what it returns, in order.
Mapper = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


def fit(
    dataset: Any,
    k: int | None,
    mapper: Mapper | None,
    *,
    sample: int = SAMPLE,
    seed: int = 42,
    encoder: bool = True,
    **options: Any,
) -> FoundTopics:
    """Finds topics in a sample, stores them, and gives every article its own; see ``nearwise.ray.topics``."""
    if isinstance(sample, bool) or not hasattr(sample, "__index__") or sample < 2:
        raise ParameterError(f"sample: {sample!r}; give 2 articles or more")
    table = _sampled(dataset, int(sample), seed)
    vectors = matrix_of(table.column("article_vector"))
    ids = table.column("id").to_pylist()
    found = topics(
        vectors,
        table.column("article_text").to_pylist(),
        titles=[title or "" for title in table.column("title").to_pylist()],
        k=k,
        seed=seed,
        encoder=dataset.encoder if encoder else None,
        **options,
    )
    told = {
        "topics": [{**dataclasses.asdict(t), "typical": [ids[row] for row in t.typical]} for t in found.topics],
        "parts": [dataclasses.asdict(part) for part in found.parts],
        "tree": None if found.tree is None else dataclasses.asdict(found.tree),
        "run": {"k": k, "seed": seed, "method": found.found_by, "sample": len(ids), "silhouette": found.silhouette},
        "limits": _limits(found).tolist(),
        "centroids": base64.b64encode(found.centroids.astype("<f4").tobytes()).decode(),
    }
    _assign(dataset, told, mapper, (keys_of(ids), found.labels, found.similarities))
    return found


def join(dataset: Any, mapper: Mapper | None) -> dict[str, int]:
    """Gives every article its topic by the centres that are stored, those that came since as well."""
    stored = dataset._stored()
    if stored is None:
        raise NothingYetError(f"{dataset.uri}: no topics were found yet; find them first")
    return _assign(dataset, stored, mapper, None)


def _sampled(dataset: Any, n: int, seed: int) -> pa.Table:
    """Articles at random, all where there are few; the same for the same dataset and seed."""
    data = dataset.lance
    names = ["id", "title", "article_text", "article_vector", "passage"]
    articles, rows = len(dataset), data.count_rows()
    if articles <= n:
        return data.to_table(columns=names, filter="passage = 0", scan_in_order=True)
    # Rows at random are articles in the proportion that first passages are of all.
    random = np.random.default_rng(seed)
    chosen, table = np.zeros(0, dtype=np.int64), None
    while table is None or table.num_rows < n:
        lacking = n - (0 if table is None else table.num_rows)
        more = random.integers(0, rows, size=int(lacking * rows / articles * 1.2) + 64)
        chosen = np.union1d(chosen, more)
        first = data.take(chosen.tolist(), columns=["passage"]).column(0).to_numpy() == 0
        table = data.take(np.sort(random.permutation(chosen[first])[:n]).tolist(), columns=names)
    return table


def _limits(found: FoundTopics) -> np.ndarray:
    """For each topic, the cosine that all but one in a hundred of its articles reach, as for a corpus."""
    limits = np.full(len(found.topics), -1.0)
    for topic in range(len(limits)):
        cosines = np.sort(found.similarities[found.labels == topic])
        if len(cosines):
            # Where there are few articles their lowest cosine is a little less than the limit.
            limits[topic] = cosines[len(cosines) // 100] - (0.05 if len(cosines) < 100 else 0.0)
    return limits


def _assign(dataset: Any, told: dict[str, Any], mapper: Mapper | None, fixed: Any) -> dict[str, int]:
    """Writes the column of topics, each fragment on its own, and commits all at once."""
    data = dataset.lance
    there = [name for name in ("topic", "topic_similarity") if name in data.schema.names]
    if there:
        data.drop_columns(there)
        data = dataset.lance
    centres = np.frombuffer(base64.b64decode(told["centroids"]), dtype="<f4")
    centres = centres.reshape(len(told["topics"]), dataset.identity["dim"])
    if fixed is not None:
        keys, labels, similarities = fixed
        order = np.argsort(keys)
        fixed = (keys[order], labels[order], similarities[order])
    place = Place(dataset.uri, dataset.storage_options, data.version, centres, np.array(told["limits"]), fixed)
    tasks = [fragment.fragment_id for fragment in data.get_fragments()]
    done = list((mapper or (lambda f, tasks: map(f, tasks)))(place, tasks))
    if done:
        merged = [pickle.loads(pickled) for pickled, _ in done]
        operation = lance.LanceOperation.Merge([fragment for fragment, _ in merged], merged[0][1])
        lance.LanceDataset.commit(
            dataset.uri, operation, read_version=data.version, storage_options=dataset.storage_options
        )
    sizes = np.sum([counts for _, counts in done], axis=0) if done else np.zeros(len(centres) + 1, dtype=int)
    for topic, size in zip(told["topics"], sizes):
        topic["size"] = int(size)
    dataset.lance.update_schema_metadata({TOPICS.decode(): json.dumps(told, ensure_ascii=False)})
    return {"in_topics": int(sizes[:-1].sum()), "in_none": int(sizes[-1])}


class Place:
    """Gives the articles of one fragment their topics. Sent to wherever the work is done."""

    def __init__(
        self,
        uri: str,
        storage_options: Mapping[str, str] | None,
        version: int,
        centres: np.ndarray,
        limits: np.ndarray,
        fixed: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
    ) -> None:
        self._where = (uri, storage_options, version)
        self._centres, self._limits, self._fixed = centres, limits, fixed

    def __call__(self, fragment_id: int) -> tuple[bytes, np.ndarray]:
        """The fragment with its new columns, pickled with the schema, and how many articles are in each
        topic and in none."""
        uri, options, version = self._where
        data = lance.dataset(uri, version=version, storage_options=options)
        counts = np.zeros(len(self._centres) + 1, dtype=np.int64)
        last: tuple[str, int, float] | None = None

        def columns(batch: pa.RecordBatch) -> pa.RecordBatch:
            nonlocal last
            ids = batch.column("id").to_pylist()
            first = batch.column("passage").to_numpy(zero_copy_only=False) == 0
            heads = np.flatnonzero(first)
            topic = np.full(len(ids), NONE, dtype=np.int32)
            cosine = np.zeros(len(ids), dtype=np.float32)
            if len(heads):
                taken = batch.column("article_vector").take(pa.array(heads))
                labels, similarities = self.nearest([ids[i] for i in heads], matrix_of(taken))
                np.add.at(counts, labels, 1)
                # All passages of an article have its topic.
                owner = np.cumsum(first) - 1
                mine = owner >= 0
                topic[mine], cosine[mine] = labels[owner[mine]], similarities[owner[mine]]
            lost = [i for i in range(len(ids)) if not len(heads) or i < heads[0]]
            for i in lost:
                if last is None or last[0] != ids[i]:
                    # Its first passage is in another fragment.
                    one = data.to_table(columns=["article_vector"], filter=f"id = {quoted(ids[i])} AND passage = 0")
                    label, similarity = self.nearest([ids[i]], matrix_of(one.column(0)))
                    last = (ids[i], int(label[0]), float(similarity[0]))
                topic[i], cosine[i] = last[1], last[2]
            if ids:
                last = (ids[-1], int(topic[-1]), float(cosine[-1]))
            return pa.RecordBatch.from_arrays([pa.array(topic), pa.array(cosine)], ["topic", "topic_similarity"])

        fragment = data.get_fragment(fragment_id)
        schema = pa.schema([("topic", pa.int32()), ("topic_similarity", pa.float32())])
        write = lance.batch_udf(output_schema=schema)(columns)
        merged = fragment.merge_columns(write, columns=["id", "passage", "article_vector"])
        return pickle.dumps(merged), counts

    def nearest(self, ids: list[str], vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The topic of each article and the cosine to its centre."""
        labels = np.full(len(ids), NONE, dtype=np.int64)
        similarities = np.zeros(len(ids), dtype=np.float32)
        if not len(self._centres):
            return labels, similarities
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = vectors / np.maximum(length, 1e-12)
        for start in range(0, len(ids), BLOCK):
            cosines = vectors[start : start + BLOCK] @ self._centres.T
            best = cosines.argmax(axis=1)
            similarity = cosines[np.arange(len(best)), best]
            labels[start : start + BLOCK] = np.where(similarity >= self._limits[best], best, NONE)
            similarities[start : start + BLOCK] = similarity
        if self._fixed is not None:
            # What is in the sample keeps what it was given there.
            keys, given, cosines = self._fixed
            own = keys_of(ids)
            at = np.minimum(np.searchsorted(keys, own), len(keys) - 1)
            known = keys[at] == own
            labels[known], similarities[known] = given[at[known]], cosines[at[known]]
        return labels, similarities
