"""Articles embedded on many machines by Ray, into a Lance dataset.

>>> import nearwise.ray
>>> nearwise.ray.embed("s3://bucket/articles/", "s3://bucket/articles.lance", "all-MiniLM-L6-v2")
>>> nearwise.ray.topics("s3://bucket/articles.lance", k=200)

Each worker takes a shard of articles, embeds it as one machine does (passages and articles' vectors),
and writes it to where the dataset is; the driver only commits. What is committed stays: a lost worker
costs the shard it was at, which another does again, and a lost driver the shards that were under way.
Running the same again goes on where the last run stopped.
"""

from __future__ import annotations

import glob
import os
import pickle
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

from . import _nearwise
from ._plugin import missing
from ._listen import bar
from ._refuse import positive
from ._results import Result
from ._topics import FoundTopics
from .encoder import Encoder
from .errors import BusyError, Error, NotFoundError, ParameterError

try:
    import ray
    import ray.data
except ModuleNotFoundError as e:
    raise missing(e, __name__, "ray", "ray[data]") from None

# First, as it says what to install where Lance is missing.
from .lance import Dataset  # isort: skip

import lance
import numpy as np
import pyarrow as pa
from lance.fragment import write_fragments

from ._lance_io import Raised, about_of, created, opened
from ._lance_table import (
    check_identity,
    check_prompts,
    field_types,
    identity_of,
    keys_of,
    prompts_of,
    read_rows,
    schema_of,
    table_of,
)

__all__ = ["EmbedReport", "embed", "join_topics", "topics"]

#: Articles of a shard: what is committed at once, and what a kill costs. On a GPU of 10,000 articles a
#: second take 100,000 or more, as each commit writes the list of all shards.
SHARD = 16_384
#: Articles whose vectors are in a worker's memory in f32 at a time.
STEP = 2048
#: Times that a task is tried again whose worker died.
RETRIES = 3


@dataclass(frozen=True)
class EmbedReport(Result):
    """What a run did."""

    articles: int
    """Articles that were embedded and written."""
    passages: int
    shards: int
    """Commits."""
    there: int = 0
    """Articles that were there already."""
    bad: int = 0
    """Articles that were left out, as they have no text."""
    repeated: int = 0
    """Articles written whose id another one has: ids are compared within a shard, and with what was there
    before the run."""


def embed(
    source: Any,
    uri: str | os.PathLike[str],
    model: str | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    truncate_dim: int | None = None,
    offline: bool = False,
    columns: Mapping[str, str] | None = None,
    fields: Mapping[str, Any] | Iterable[str] = (),
    skip_bad: bool = False,
    shard: int = SHARD,
    workers: int | None = None,
    cpus_per_worker: float = 1,
    gpus_per_worker: float | None = None,
    storage_options: Mapping[str, str] | None = None,
    index: bool = True,
    show_progress_bar: bool | None = None,
) -> EmbedReport:
    """Embeds articles on all machines of the Ray cluster, and adds them to a Lance dataset.

    Parameters
    ----------
    source : ray.data.Dataset, path, list of paths, data frame or Arrow table
        Articles, a row for each, with the columns that :meth:`nearwise.Corpus.add` takes as keys; paths
        are of Parquet, JSON lines or CSV files, all of one kind, or folders of Parquet files; on this
        machine they may have wildcards. Ids must differ. An article without one gets one by its
        content. One whose id is in the dataset is passed over.
    uri : str or path
        The dataset, made where there is none; every machine must reach it.
    model, device, dtype, truncate_dim, offline
        As for :class:`nearwise.Encoder`, on each worker. ``"auto"`` is settled once for all workers, so that
        all compute alike.
    columns : dict, optional
        The column that holds a field where it has another name: ``{"text": "body"}``.
    fields : list or dict
        Columns of metadata by which the dataset can be filtered: names, or names with their types
        (``{"words": int}``). All other columns are kept as metadata in JSON.
    skip_bad : bool
        Leaves out articles without a text, instead of failing.
    shard : int
        Articles of a shard.
    workers : int, optional
        So many; by default as many as the cluster has room for.
    cpus_per_worker, gpus_per_worker : float
        What Ray reserves for each; a GPU for each by default where the cluster has some and ``device``
        does not say otherwise.
    index : bool
        Makes the index by the cosine at the end, where there are enough passages (:meth:`Dataset.index`).

    Raises
    ------
    WrongModelError
        The dataset holds vectors of another model or dtype.
    InputError
        An article cannot be used.
    BusyError
        Another run adds articles to the dataset meanwhile. What was committed stays.
    """
    where, options = os.fspath(uri), dict(storage_options or {}) or None
    size, count = positive("shard", shard), positive("workers", workers)
    named = field_types(fields)
    if not ray.is_initialized():
        ray.init()
    resources = _resources(device, cpus_per_worker, gpus_per_worker)
    # A worker computes on the cores that it has; beside a GPU all of a machine's make tokens.
    threads = None if resources.get("num_gpus") else max(1, int(cpus_per_worker))
    how = {
        "model": model,
        "device": device,
        "dtype": dtype,
        "truncate_dim": truncate_dim,
        "offline": offline,
        "threads": threads,
    }
    with _plainly():
        identity, prompts = ray.get(_remote(_probe, resources).remote(how))
    how["dtype"] = identity["dtype"]
    schema, done = _begin(where, identity, prompts, named, options)
    rows = _source(source).repartition(target_num_rows_per_block=size)
    pool, resources = _pool(resources, count)
    made = rows.map_batches(
        _Shard,
        fn_constructor_args=(how, identity, where, schema, options, dict(columns or {}), skip_bad, _shared(done)),
        batch_format="pyarrow",
        batch_size=None,
        compute=pool,
        **resources,
    )
    with _plainly():
        report = _commit(made, where, options, done, show_progress_bar)
    if index:
        Dataset(where, storage_options=options).index()
    return report


def topics(
    uri: str | os.PathLike[str],
    k: int | None = None,
    *,
    sample: int = 100_000,
    seed: int = 42,
    storage_options: Mapping[str, str] | None = None,
    encoder: Encoder | bool = True,
    **options: Any,
) -> FoundTopics:
    """Finds topics of a dataset: in ``sample`` articles at random on this machine, with labels, parts and
    tree as :func:`nearwise.topics` makes them; then gives every article its topic, a fragment of the
    dataset at a time on the workers.

    An article has the topic of the nearest centre, or none where its cosine there is below all but one in a
    hundred of the topic's articles in the sample. ``topic`` is then a field to filter by, and
    ``Dataset(uri).topics`` lists them with their sizes in the whole dataset. ``encoder=False`` labels
    topics by words alone, and loads no model. Other options are those of :func:`nearwise.topics`.

    Returns what was found in the sample.
    """
    from ._lance_topics import fit

    dataset = Dataset(uri, storage_options=storage_options, encoder=encoder if isinstance(encoder, Encoder) else None)
    with _plainly():
        return fit(dataset, k, _map, sample=sample, seed=seed, encoder=encoder is not False, **options)


def join_topics(
    uri: str | os.PathLike[str], *, storage_options: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Gives articles that came since the topics were found a topic each, by the centres that are stored;
    how many are in topics and in none."""
    from ._lance_topics import join

    with _plainly():
        return join(Dataset(uri, storage_options=storage_options), _map)


# The parts of a run


def _resources(device: str, cpus: float, gpus: float | None) -> dict[str, float]:
    """What a worker takes."""
    if cpus < 0 or (gpus is not None and gpus < 0):
        raise ParameterError("cpus_per_worker, gpus_per_worker: give 0 or more")
    if gpus is None:
        some = ray.cluster_resources().get("GPU", 0) > 0
        gpus = 1 if device.startswith("cuda") or (device == "auto" and some) else 0
    # Ray shows a worker its own GPUs alone.
    return {"num_cpus": cpus, "num_gpus": gpus} if gpus else {"num_cpus": cpus}


def _shared(done: np.ndarray) -> Any:
    """Many keys once for each machine, in Ray's store."""
    return done if len(done) < 1 << 16 else ray.put(done)


def _pool(resources: dict[str, float], count: int | None) -> tuple[Any, dict[str, float]]:
    """The workers, and what each takes. Some of a processor is left for what reads the articles: where
    workers held all of them, each would wait for the other."""
    has = ray.cluster_resources()
    cpus = has.get("CPU", 1.0)
    free = max(cpus - 1.0, cpus / 2.0)
    need = resources["num_cpus"]
    gpus = resources.get("num_gpus", 0)
    most = max(1, int(min(free / need if need else np.inf, has.get("GPU", 0) / gpus if gpus else np.inf, 1 << 20)))
    taken = {**resources, "num_cpus": min(need, free / (count or most))}
    if count:
        return ray.data.ActorPoolStrategy(size=count), taken
    return ray.data.ActorPoolStrategy(min_size=1, max_size=most), taken


def _remote(function: Callable[..., Any], resources: Mapping[str, float]) -> Any:
    return ray.remote(**resources, max_retries=RETRIES)(function)


def _probe(how: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    encoder = Encoder(**how)
    return identity_of(encoder), prompts_of(encoder)


def _begin(
    where: str,
    identity: dict[str, Any],
    prompts: dict[str, str],
    fields: Mapping[str, pa.DataType],
    options: Any,
) -> tuple[pa.Schema, np.ndarray]:
    """The schema of the dataset, made where there is none, and the keys of the ids that it has, sorted."""
    try:
        data = opened(where, options)
    except NotFoundError:
        schema = schema_of(identity, fields, prompts)
        created(where, schema, options)
        return schema, np.zeros(0, dtype=np.uint64)
    about = about_of(where, data)
    check_identity(where, about["identity"], identity, dtype=True)
    check_prompts(where, about.get("prompts"), prompts)
    if fields and list(fields) != about["fields"]:
        raise ParameterError(f"fields: the dataset has {', '.join(about['fields']) or 'none'}; give the same")
    types = {name: data.schema.field(name).type for name in about["fields"]}
    schema = schema_of(about["identity"], types, about.get("prompts"))
    ids = data.to_batches(columns=["id"], filter="passage = 0")
    keys = [keys_of(batch.column("id").to_pylist()) for batch in ids]
    return schema, np.unique(np.concatenate(keys)) if keys else np.zeros(0, dtype=np.uint64)


def _source(source: Any) -> Any:
    """Articles as a Ray dataset."""
    if isinstance(source, ray.data.Dataset):
        return source
    if isinstance(source, (str, os.PathLike, list, tuple)):
        paths = _paths([os.fspath(p) for p in (source if isinstance(source, (list, tuple)) else [source])])
        name = paths[0].lower().removesuffix(".gz")
        if name.endswith((".jsonl", ".ndjson", ".json")):
            return ray.data.read_json(paths, lines=True)
        if name.endswith(".csv"):
            return ray.data.read_csv(paths)
        return ray.data.read_parquet(paths)
    if isinstance(source, pa.Table):
        return ray.data.from_arrow(source)
    if hasattr(source, "__arrow_c_stream__"):
        return ray.data.from_arrow(pa.table(source))
    if type(source).__module__.partition(".")[0] == "pandas" and hasattr(source, "columns"):
        return ray.data.from_pandas(source)
    raise TypeError(
        f"source is a Ray dataset, a path, a data frame or an Arrow table, not a {type(source).__name__}"
    )


def _paths(given: list[str]) -> list[str]:
    """Paths, those of this machine with their wildcards filled in."""
    paths: list[str] = []
    for path in given:
        if "*" not in path or os.path.exists(path):
            paths.append(path)
        elif "://" in path:
            raise ParameterError(f"source: {path!r} has a wildcard; give the folder, or a list of files")
        else:
            paths += sorted(glob.glob(path, recursive=True))
    if not paths:
        raise NotFoundError(f"{', '.join(given) or 'source'}: there is no file")
    return paths


class _Shard:
    """An actor: embeds shards, and writes each as a fragment that the driver commits."""

    def __init__(
        self,
        how: dict[str, Any],
        identity: dict[str, Any],
        where: str,
        schema: pa.Schema,
        options: Any,
        columns: dict[str, str],
        skip_bad: bool,
        done: Any,
    ) -> None:
        self._error: Exception | None = None
        try:
            self._encoder = Encoder(**how)
            check_identity(where, identity, identity_of(self._encoder), dtype=True)
        except Exception as e:
            # An actor that cannot be made is tried for ever; this tells the driver, which ends the run.
            self._error = e
        self._where, self._schema, self._options = where, schema, options
        self._columns, self._skip_bad = columns, skip_bad
        self._done = ray.get(done) if isinstance(done, ray.ObjectRef) else done

    def __call__(self, table: pa.Table) -> pa.Table:
        try:
            if self._error is not None:
                raise self._error
            told = self._written(table)
        except Exception as e:
            told = {**_NOTHING, "error": pickle.dumps(e)}
        return pa.table({name: [value] for name, value in told.items()})

    def _written(self, table: pa.Table) -> dict[str, Any]:
        """Embeds and writes a shard, and says what the driver needs for committing it."""
        rows, bad = read_rows(table, self._columns, self._skip_bad)
        keys = keys_of(rows.ids)
        at = np.minimum(np.searchsorted(self._done, keys), max(len(self._done) - 1, 0))
        new = self._done[at] != keys if len(self._done) else np.ones(len(keys), dtype=bool)
        there = int((~new).sum())
        if there:
            rows.keep(new)
            keys = keys[new]
        written: list[Any] = []
        passages = 0
        if len(rows):

            def batches() -> Iterator[pa.RecordBatch]:
                nonlocal passages
                for start in range(0, len(rows), STEP):
                    part = rows.part(start, start + STEP)
                    arrays = _nearwise.embed_articles(self._encoder._inner, part.titles, part.texts)
                    made = table_of(part, arrays, self._schema)
                    passages += made.num_rows
                    yield from made.to_batches()

            with Raised(batches(), self._schema) as reader:
                written = write_fragments(
                    reader,
                    self._where,
                    schema=self._schema,
                    mode="append",
                    data_storage_version="stable",
                    storage_options=self._options,
                )
        return {
            "error": b"",
            "fragments": pickle.dumps(written),
            "keys": keys.tobytes(),
            "articles": len(rows),
            "passages": passages,
            "there": there,
            "bad": bad,
        }


_NOTHING = {"error": b"", "fragments": b"", "keys": b"", "articles": 0, "passages": 0, "there": 0, "bad": 0}


def _commit(made: Any, where: str, options: Any, done: np.ndarray, progress: bool | None) -> EmbedReport:
    """Commits shards as they come."""
    sums = dict.fromkeys(("articles", "passages", "there", "bad"), 0)
    shards = 0
    keys = [np.zeros(0, dtype=np.uint64)]
    shown = bar(None, "embedding", "article") if progress else None
    version = opened(where, options).version
    for row in made.iter_rows():
        if row["error"]:
            raise pickle.loads(row["error"])
        fragments = pickle.loads(row["fragments"])
        if fragments:
            data = opened(where, options)
            for other in range(version + 1, data.version + 1):
                if isinstance(data.read_transaction(other).operation, lance.LanceOperation.Append):
                    raise BusyError(f"{where}: another run adds articles to the dataset; run again when it has ended")
            operation = lance.LanceOperation.Append(fragments)
            data = lance.LanceDataset.commit(where, operation, read_version=data.version, storage_options=options)
            version = data.version
            shards += 1
            keys.append(np.frombuffer(row["keys"], dtype=np.uint64))
        for name in sums:
            sums[name] += row[name]
        if shown is not None:
            shown.update(row["articles"] + row["there"])
    if shown is not None:
        shown.close()
    own = np.concatenate(keys)
    return EmbedReport(shards=shards, repeated=len(own) - len(np.unique(own)), **sums)


def _map(function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterable[Any]:
    """Runs a function on every task, on all machines."""
    if not ray.is_initialized():
        ray.init()
    held = ray.put(function)
    call = ray.remote(max_retries=RETRIES)(lambda f, task: f(task))
    return ray.get([call.remote(held, task) for task in tasks])


class _plainly:
    """Raises what Nearwise raised on a worker as it was, in place of Ray's report of it."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        cause = error
        while cause is not None:
            inner = getattr(cause, "cause", None) or cause.__cause__
            if isinstance(inner, (Error, TypeError)) and not isinstance(inner, ray.exceptions.RayError):
                raise inner from None
            cause = inner
