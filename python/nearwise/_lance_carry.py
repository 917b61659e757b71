"""Corpora to Lance datasets and back."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from typing import Any, Iterable, Iterator, Mapping

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from . import _nearwise
from ._lance_io import Raised, new
from ._lance_table import (
    OWN,
    Rows,
    check_identity,
    check_prompts,
    field_types,
    identity_of,
    matrix_of,
    prompts_of,
    schema_of,
    table_of,
)
from ._listen import Listener, Listening
from ._results import Result
from .corpus import Corpus
from .encoder import Encoder
from .errors import DeviceError, Error, NothingYetError, ParameterError

#: Articles that are written or read at a time.
CHUNK = 4096


@dataclass(frozen=True)
class Carried(Result):
    """What was carried from a corpus to a dataset or back."""

    articles: int
    passages: int
    left: int = 0
    """Articles that were left behind, as they are not embedded yet."""
    computed: int = 0
    """Passages that were computed anew."""


def to_lance(
    corpus: Corpus,
    uri: str | os.PathLike[str],
    *,
    fields: Mapping[str, Any] | Iterable[str] = (),
    storage_options: Mapping[str, str] | None = None,
    index: bool = True,
    show_progress_bar: bool | None = None,
) -> Carried:
    """Writes a corpus as a new Lance dataset: articles, passages, vectors, and which model made them.

    ``fields`` are metadata that get a column of their own, by which a dataset can be filtered: names, or
    names with types (``{"words": int}``). Other metadata is kept as JSON. Topics are not carried.

    Raises ``ExistsError`` where there is a dataset already.
    """
    options = dict(storage_options or {}) or None
    with Listening(bool(show_progress_bar)) as listener:
        return written(corpus, os.fspath(uri), fields, options, index=index, listen=listener)


def written(
    corpus: Corpus,
    where: str,
    fields: Mapping[str, Any] | Iterable[str],
    options: Mapping[str, str] | None,
    *,
    index: bool,
    listen: Listener,
) -> Carried:
    """As :func:`to_lance`; ``listen`` is told how far it is."""
    identity = corpus.identity
    if identity is None:
        raise NothingYetError(f"{corpus.path}: nothing is embedded yet")
    pieces = _nearwise.Pieces(corpus._inner)
    total = len(pieces)
    prompts = None
    if identity["revision"] != "external":
        # Only the encoder knows them; a corpus can be carried without its model as well.
        with contextlib.suppress(Error):
            prompts = prompts_of(corpus.encoder)
    schema = schema_of(identity, field_types(fields), prompts)
    passages = done = 0

    def tables() -> Iterator[pa.RecordBatch]:
        nonlocal passages, done
        while True:
            read, arrays = pieces.next(CHUNK)
            if not read:
                return
            rows = Rows()
            for row in read:
                rows.add(row[:8])
            table = table_of(rows, arrays, schema)
            passages += table.num_rows
            yield from table.to_batches()
            done += len(read)
            listen("progress", "writing articles", done, total)

    # One commit, so that a dataset is whole or not there.
    with Raised(tables(), schema) as reader, new(where):
        lance.write_dataset(reader, where, mode="create", data_storage_version="stable", storage_options=options)
    from .lance import Dataset

    dataset = Dataset(where, storage_options=options)
    if index:
        listen("progress", "indexing passages", 0, None)
        dataset.index()
    return Carried(articles=total, passages=passages, left=corpus.counts["articles"] - total)


def from_lance(
    uri: str | os.PathLike[str],
    corpus: Corpus,
    *,
    filter: Any = None,
    storage_options: Mapping[str, str] | None = None,
    show_progress_bar: bool | None = None,
) -> Carried:
    """Adds the articles of a Lance dataset to a corpus, with the vectors that they have.

    ``filter`` carries only what it lets through. The corpus's model must be the dataset's: a new corpus
    takes it from the dataset. Where a paragraph recurs in its source, which only a corpus can tell, the
    article is embedded anew without it.

    Raises ``WrongModelError`` where the corpus is of another model.
    """
    options = dict(storage_options or {}) or None
    with Listening(bool(show_progress_bar)) as listener:
        return read(os.fspath(uri), corpus, filter, options, listen=listener)


def read(
    uri: str, corpus: Corpus, filter: Any, options: Mapping[str, str] | None, *, listen: Listener
) -> Carried:
    """As :func:`from_lance`; ``listen`` is told how far it is."""
    from .lance import Dataset

    model, device, dtype, truncate_dim, offline, threads = corpus._how
    how: dict[str, Any] = {"model": model, "device": device, "dtype": dtype, "offline": offline}
    dataset = Dataset(uri, storage_options=options, **how)
    identity, external = corpus.identity, dataset.identity["revision"] == "external"
    if identity is not None:
        check_identity(str(corpus.path), identity, dataset.identity, dtype=False)
    elif external:
        pass
    elif corpus._encoder is None and (model, truncate_dim, threads) == (None, None, None):
        corpus._encoder = _like(dataset, dtype)
    if not external:
        check_identity(str(corpus.path), identity_of(corpus.encoder), dataset.identity, dtype=False)
        check_prompts(dataset.uri, dataset._about.get("prompts"), prompts_of(corpus.encoder))
    condition = dataset._conditions().compile(filter)
    articles = passages = computed = 0
    total = dataset.lance.count_rows("passage = 0" if condition is None else f"({condition}) AND passage = 0")
    for table in _whole(dataset.lance, condition):
        first = table.filter(pc.equal(table.column("passage"), 0))
        names = ("id", "title", "date", "source", "url")
        given = [
            {**json.loads(row["metadata"] or "{}"), **{n: row[n] for n in names}, "text": row["article_text"]}
            for row in first.drop_columns(["article_vector", "vector"]).to_pylist()
        ]
        articles += len(given)
        passages += table.num_rows
        if external:
            # Vectors that articles brought, of a model that is not run here.
            own = matrix_of(first.column("article_vector"))
            corpus.add(given, own, vectors_model=dataset.identity["model"])
            listen("progress", "adding articles", articles, total)
            continue
        corpus.add(given, embed=False)
        counts = np.diff(np.append(np.flatnonzero(table.column("passage").to_numpy() == 0), table.num_rows))
        told = _nearwise.embed_unless(
            corpus._inner,
            corpus.encoder._inner,
            first.column("id").to_pylist(),
            counts.tolist(),
            table.column("start").to_pylist(),
            table.column("end").to_pylist(),
            matrix_of(table.column("vector")),
            matrix_of(first.column("article_vector")),
        )
        computed += json.loads(told)["passages"]
        listen("progress", "adding articles", articles, total)
    return Carried(articles=articles, passages=passages, computed=computed)


def _like(dataset: Any, dtype: str) -> Encoder:
    """The dataset's encoder, of its dtype where nothing else is asked for and this machine has it: what is
    computed anew is then as the rest is."""
    if dtype == "auto":
        dataset._how["dtype"] = dataset.identity["dtype"]
        try:
            return dataset.encoder
        except (DeviceError, ParameterError):
            dataset._how["dtype"] = dtype
    return dataset.encoder


def _whole(data: Any, condition: str | None) -> Iterator[pa.Table]:
    """Tables of whole articles, all rows of each one after the other."""
    names = [*OWN[:14]]
    kept: pa.Table | None = None
    for batch in data.to_batches(columns=names, filter=condition, batch_size=CHUNK, scan_in_order=True):
        table = pa.Table.from_batches([batch])
        kept = table if kept is None else pa.concat_tables([kept, table])
        starts = np.flatnonzero(kept.column("passage").to_numpy() == 0)
        # The last article may go on in the next batch.
        if len(starts) > 1:
            yield kept.slice(0, starts[-1])
            kept = kept.slice(starts[-1])
    if kept is not None and kept.num_rows:
        yield kept
