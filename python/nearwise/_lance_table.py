"""The table that a Lance dataset of articles is: a row for each passage.

The first row of an article (``passage`` 0) also holds what there is once for each: its text, metadata
and vector. All rows of an article are written in one commit, one after the other.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from . import _nearwise
from ._articles import batches
from .encoder import Encoder
from .errors import InputError, ParameterError, WrongModelError

#: The key of the schema's metadata that says which model made the vectors, and of the topics.
IDENTITY, TOPICS = b"nearwise", b"nearwise.topics"
#: What a dataset of this form is.
FORM = 1
#: The columns that every dataset has; metadata in a column of its own cannot have one of these names.
OWN = (
    "id",
    "title",
    "date",
    "source",
    "url",
    "passage",
    "start",
    "end",
    "tokens",
    "vector",
    "article_text",
    "article_vector",
    "origin",
    "metadata",
    "topic",
    "topic_similarity",
)


def identity_of(encoder: Encoder) -> dict[str, Any]:
    """What tells the vectors of an encoder from those of others."""
    inner = encoder._inner
    return {
        "model": encoder.model,
        "revision": encoder.revision,
        "hash": inner.hash,
        "dim": encoder.dimensions,
        "max_tokens": encoder.max_seq_length,
        "dtype": encoder.dtype,
    }


def prompts_of(encoder: Encoder) -> dict[str, str]:
    """What stands in front of queries and of documents."""
    return {"query": encoder.query_prompt, "document": encoder.document_prompt}


def check_prompts(where: str, stored: Mapping[str, str] | None, given: Mapping[str, str]) -> None:
    """Fails where documents were embedded with another prompt, as far as this is known."""
    if stored is not None and stored["document"] != given["document"]:
        raise WrongModelError(
            f"{where}: documents have the prompt {stored['document']!r} there, and {given['document']!r} here; give the same"
        )


def check_identity(where: str, stored: Mapping[str, Any], given: Mapping[str, Any], *, dtype: bool) -> None:
    """Fails where the vectors of the one cannot be mixed with those of the other; ``dtype`` also where
    they were computed in another one."""
    for key in ("hash", "dim", "dtype") if dtype else ("hash", "dim"):
        if stored[key] != given[key]:
            names = {"hash": "model", "dim": "dim", "dtype": "dtype"}
            shown = names[key]
            raise WrongModelError(
                f"{where}: its vectors are of the {shown} {stored[shown]}, and these of {given[shown]}; give the same"
            )


def field_types(fields: Mapping[str, Any] | Iterable[str]) -> dict[str, pa.DataType]:
    """The columns that metadata gets of its own, and their types: texts where none is given."""
    named = dict(fields) if isinstance(fields, Mapping) else dict.fromkeys(fields, pa.string())
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    for name, kind in named.items():
        if name in OWN:
            raise ParameterError(f"fields: {name!r} is a column that every dataset has; rename it before")
        named[name] = kinds.get(kind, kind)
        if not isinstance(named[name], pa.DataType):
            raise ParameterError(f"fields: {name!r} is a str, int, float, bool or a type of pyarrow, not {kind!r}")
    return named


def schema_of(
    identity: Mapping[str, Any], fields: Mapping[str, pa.DataType], prompts: Mapping[str, str] | None = None
) -> pa.Schema:
    """The schema of a dataset."""
    vector = pa.list_(pa.field("item", pa.float16(), nullable=False), identity["dim"])
    columns = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("title", pa.string()),
        pa.field("date", pa.string()),
        pa.field("source", pa.string()),
        pa.field("url", pa.string()),
        pa.field("passage", pa.int32(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),
        pa.field("end", pa.int64(), nullable=False),
        pa.field("tokens", pa.int32(), nullable=False),
        pa.field("vector", vector, nullable=False),
        pa.field("article_text", pa.large_string()),
        pa.field("article_vector", vector),
        pa.field("origin", pa.string()),
        pa.field("metadata", pa.string()),
    ]
    columns += [pa.field(name, kind) for name, kind in fields.items()]
    about = {"form": FORM, "identity": dict(identity), "fields": list(fields), "prompts": prompts}
    return pa.schema(columns, {IDENTITY: json.dumps(about).encode()})


class Rows:
    """Articles with fields of their own, without vectors yet."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.titles: list[str] = []
        self.texts: list[str] = []
        self.dates: list[str | None] = []
        self.urls: list[str | None] = []
        self.sources: list[str | None] = []
        self.origins: list[str] = []
        self.metas: list[str] = []

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, row: Sequence[Any]) -> None:
        """Takes id, title, text, date, source, address, origin, metadata as JSON."""
        for column, value in zip(self._columns(), row):
            column.append(value)

    def _columns(self) -> tuple[list[Any], ...]:
        return (self.ids, self.titles, self.texts, self.dates, self.sources, self.urls, self.origins, self.metas)

    def part(self, start: int, stop: int) -> Rows:
        """The articles from ``start`` to before ``stop``."""
        part = Rows()
        for mine, theirs in zip(part._columns(), self._columns()):
            mine.extend(theirs[start:stop])
        return part

    def keep(self, wanted: np.ndarray) -> None:
        """Leaves out all others."""
        for column in self._columns():
            column[:] = [value for value, keep in zip(column, wanted) if keep]


def read_rows(articles: Any, columns: Mapping[str, str] | None, skip_bad: bool) -> tuple[Rows, int]:
    """Articles as users have them; and how many were left out, which have no text."""
    rows, bad = Rows(), 0
    wanted = articles if not skip_bad else _usable(articles, (columns or {}).get("text", "text"))
    if skip_bad:
        bad = len(articles) - len(wanted)
    for batch in batches(wanted, columns):
        dates = _nearwise.dates([row[3] for row in batch])
        for (id, title, text, given, url, source, meta), date in zip(batch, dates):
            if given is not None and date is None:
                # As of files: what cannot be told is kept as what it was.
                meta = json.dumps({**json.loads(meta or "{}"), "date": given}, ensure_ascii=False)
            rows.add((id or content_id(title, text, source), title, text, date, source, url, "", meta or "{}"))
    seen: set[str] = set()
    for id in rows.ids:
        if id in seen:
            raise InputError(f"the id {id!r} comes twice; ids must differ")
        seen.add(id)
    return rows, bad


def _usable(table: Any, key: str) -> Any:
    """A pyarrow table without the rows that have no text."""
    import pyarrow.compute as pc

    if key not in table.column_names:
        return table
    return table.filter(pc.is_valid(table.column(key)))


def content_id(title: str, text: str, source: str | None) -> str:
    """An id by the content: 128 bits, so that no two of a hundred million are the same."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in (title, text, source or ""):
        bytes = part.encode("utf-8", "surrogatepass")
        hashed.update(len(bytes).to_bytes(8, "little"))
        hashed.update(bytes)
    return hashed.hexdigest()


def keys_of(ids: Iterable[str]) -> np.ndarray:
    """64 bits for each id."""
    hashed = b"".join(hashlib.blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest() for id in ids)
    return np.frombuffer(hashed, dtype=np.uint64)


def table_of(rows: Rows, pieces: Sequence[np.ndarray], schema: pa.Schema) -> pa.Table:
    """The table of articles and their passages: counts, starts, ends, tokens, vectors, articles' vectors."""
    counts, starts, ends, tokens, vectors, articles = pieces
    total = len(starts)
    owner = np.repeat(np.arange(len(rows)), counts)
    first = np.zeros(total, dtype=bool)
    at = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64) if len(rows) else np.zeros(0, np.int64)
    first[at] = True
    # Of what there is once for each article, the place in the article's column; nothing elsewhere.
    once = pa.array(np.where(first, owner, 0), mask=~first)
    each = pa.array(owner)
    number = np.arange(total) - np.repeat(at, counts)
    columns: dict[str, Any] = {
        "id": pa.array(rows.ids, pa.string()).take(each),
        "title": pa.array(rows.titles, pa.string()).take(each),
        "date": pa.array(rows.dates, pa.string()).take(each),
        "source": pa.array(rows.sources, pa.string()).take(each),
        "url": pa.array(rows.urls, pa.string()).take(each),
        "passage": pa.array(number.astype(np.int32)),
        "start": pa.array(starts.astype(np.int64)),
        "end": pa.array(ends.astype(np.int64)),
        "tokens": pa.array(tokens.astype(np.int32)),
        "vector": _lists(vectors, schema.field("vector").type, None),
        "article_text": pa.array(rows.texts, pa.large_string()).take(once),
        "article_vector": _lists(articles[owner], schema.field("article_vector").type, ~first),
        "origin": pa.array(rows.origins, pa.string()).take(once),
        "metadata": pa.array(rows.metas, pa.string()).take(once),
    }
    extra = [name for name in schema.names if name not in columns and name not in OWN]
    if extra:
        parsed = [json.loads(meta) for meta in rows.metas]
        for name in extra:
            columns[name] = _column(name, [meta.get(name) for meta in parsed], schema.field(name).type).take(each)
    names = [name for name in schema.names if name in columns]
    used = pa.schema([schema.field(name) for name in names], schema.metadata)
    return pa.table([columns[name] for name in names], schema=used)


def _lists(values: np.ndarray, kind: pa.DataType, nothing: np.ndarray | None) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).astype(np.float16).ravel())
    mask = None if nothing is None else pa.array(nothing)
    return pa.FixedSizeListArray.from_arrays(flat, type=kind, mask=mask)


def _column(name: str, values: list[Any], kind: pa.DataType) -> pa.Array:
    """Metadata as a column: what is no text becomes one where the column holds texts."""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        values = [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values]
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as e:
        raise InputError(f"the metadata {name!r} does not fit its column of {kind}: {e}") from None


def matrix_of(column: Any) -> np.ndarray:
    """Vectors as float32 of shape (n, dimensions)."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    flat = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    return np.ascontiguousarray(flat.reshape(len(column), -1))
