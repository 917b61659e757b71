"""Articles as users have them: dicts, data frames, Arrow tables and batches."""

from __future__ import annotations

import datetime
import json
import math
import numbers
from typing import Any, Iterator, Mapping

from ._listen import warn
from ._results import Article
from ._texts import broken
from .errors import InputError, ParameterError

#: The fields of an article; every other key is metadata.
FIELDS = ("id", "title", "text", "date", "url", "source")
#: Articles handed over at a time.
_BATCH = 512

Row = tuple[Any, ...]


def batches(articles: Any, columns: Mapping[str, str] | None) -> Iterator[list[Row]]:
    """Lists of rows as the compiled part takes them, checked one by one."""
    named = _columns(columns)
    asked = set((columns or {}).values())
    # What begins so is nobody's key: by it a plug-in says that there is no such field.
    unseen = {key for key in asked if not str(key).startswith("\x00")}
    number = -1
    batch: list[Row] = []
    for number, article in enumerate(_dicts(articles, asked)):
        if isinstance(article, Article):  # of a corpus
            article = {**article.meta, **{field: getattr(article, field) for field in FIELDS}}
        elif not columns and isinstance(article, Mapping) and _OF_CORPUS <= article.keys() <= _COLUMNS:
            article = _as_added(article)
        batch.append(_row(article, number, named))
        if unseen:
            unseen -= article.keys()
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
    for key in unseen if number >= 0 else ():
        # Some articles have no date; that none has one may as well be a slip of the pen.
        warn(f"columns: no article has the key {key!r}")


#: Columns of an article that a corpus gives (``Corpus.to_pandas`` and its like, and exports), and those of them
#: that nothing else has all of.
_COLUMNS = {*FIELDS, "origin", "metadata", "topic", "topic_label", "topic_similarity", "vector"}
_OF_CORPUS = {"id", "title", "text", "origin", "metadata"}


def _as_added(article: Mapping[str, Any]) -> dict[str, Any]:
    """An article that a corpus gave, as it was added: its metadata is one column, and its topic and its
    vector are of that corpus."""
    out = {field: article[field] for field in FIELDS if field in article}
    meta = article["metadata"]
    if isinstance(meta, str):
        try:
            meta = json.loads(meta)
        except ValueError:
            pass
    if isinstance(meta, Mapping):
        return {**meta, **out}
    return out if _missing(meta) else {**out, "metadata": meta}


def length(articles: Any) -> int | None:
    """How many articles there are, as far as this can be told without reading them."""
    try:
        return len(articles)
    except TypeError:
        return None


def _columns(columns: Mapping[str, str] | None) -> dict[str, str]:
    """The key of each field."""
    named = {field: field for field in FIELDS}
    for field, key in (columns or {}).items():
        if field not in named:
            raise ParameterError(f"columns: {field!r} is no field of an article; there are {', '.join(FIELDS)}")
        named[field] = key
    return named


def _dicts(articles: Any, asked: set[str]) -> Iterator[Any]:
    """The articles one by one; a table has all columns that are ``asked`` for."""
    if isinstance(articles, Mapping) or isinstance(articles, (str, bytes)):
        raise TypeError(
            f"articles is a list of dicts, a data frame or an Arrow table, not a {type(articles).__name__}"
        )
    kind = type(articles).__module__.partition(".")[0]
    if kind == "pandas" and hasattr(articles, "columns"):
        names = _named([str(c) for c in articles.columns], asked)
        for row in articles.itertuples(index=False, name=None):
            yield dict(zip(names, row))
    elif kind == "polars" and hasattr(articles, "iter_rows"):
        _named(articles.columns, asked)
        yield from articles.iter_rows(named=True)
    elif kind == "polars" and hasattr(articles, "collect"):
        yield from _dicts(articles.collect(), asked)
    elif hasattr(articles, "to_batches"):  # pyarrow.Table
        _named(articles.schema.names, asked)
        for batch in articles.to_batches(max_chunksize=_BATCH):
            yield from batch.to_pylist()
    elif hasattr(articles, "__arrow_c_stream__") or hasattr(articles, "__arrow_c_array__"):
        yield from _arrow(articles, asked)
    else:
        for article in articles:
            if hasattr(article, "to_pylist"):  # a batch of pyarrow
                _named(article.schema.names, asked)
                yield from article.to_pylist()
            else:
                yield article


def _arrow(table: Any, asked: set[str]) -> Iterator[Any]:
    try:
        import pyarrow as pa
    except ImportError:
        raise ImportError("tables of this kind are read with pyarrow: pip install pyarrow") from None
    if hasattr(table, "__arrow_c_stream__"):
        reader = pa.RecordBatchReader.from_stream(table)
        _named(reader.schema.names, asked)
        for batch in reader:
            yield from batch.to_pylist()
    else:
        batch = pa.record_batch(table)
        _named(batch.schema.names, asked)
        yield from batch.to_pylist()


def _named(names: list[str], asked: set[str]) -> list[str]:
    """Names of columns; fails where two have the same, of which a dict would keep the last, or one that is asked
    for is not there."""
    double = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if double is not None:
        raise InputError(f"the table has two columns {double!r}; rename or leave out one of them")
    missing = next((name for name in sorted(asked, key=str) if name not in names), None)
    if missing is not None:
        raise ParameterError(f"columns: the table has no column {missing!r}; there are {', '.join(map(repr, names[:20]))}")
    return names


def _missing(value: Any) -> bool:
    """Whether a data frame means by this that there is nothing: None, NaN, NaT, pandas.NA."""
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    kind = type(value).__name__
    return kind in ("NAType", "NaTType") or (kind == "datetime64" and str(value) == "NaT")


def _row(article: Any, number: int, named: Mapping[str, str]) -> Row:
    if not isinstance(article, Mapping):
        raise TypeError(f"article {number} is a {type(article).__name__}, and an article is a dict")
    key = named["text"]
    text = article.get(key)
    if _missing(text):
        if key not in article:
            keys = ", ".join(map(repr, list(article)[:20])) or "none"
            raise InputError(
                f"article {number} has no key {key!r}; there are {keys}; say which holds the text by columns={{'text': …}}"
            )
        raise InputError(f"article {number} has no text")
    if not isinstance(text, str):
        raise TypeError(f"article {number}: the text is of the type {type(text).__name__}, and a text is a str")
    for field, column in named.items():
        if isinstance(article.get(column), str) and broken(article[column]):
            raise InputError(f"article {number}: its {field} holds half a character (a lone surrogate)")
    used = set(named.values())
    try:
        meta = {str(k): _plain(v) for k, v in article.items() if k not in used and not _missing(v)}
        packed = json.dumps(meta, ensure_ascii=False, allow_nan=False) if meta else None
    except (TypeError, ValueError) as e:
        raise InputError(f"article {number}: its metadata cannot be stored as JSON ({e})") from None
    if packed is not None and broken(packed):
        raise InputError(f"article {number}: its metadata holds half a character (a lone surrogate)")
    return (
        _word(article, number, "id", named),
        _word(article, number, "title", named) or "",
        text,
        date_text(article.get(named["date"])),
        _word(article, number, "url", named),
        _word(article, number, "source", named),
        packed,
    )


def _word(article: Mapping[str, Any], number: int, field: str, named: Mapping[str, str]) -> str | None:
    value = article.get(named[field])
    if _missing(value):
        return None
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"article {number}: its {field} is of the type {type(value).__name__}; decode it first")
    # What a data frame made a float of because another row had none.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else str(value)


def date_text(value: Any) -> str | None:
    """A date or a time as text, in UTC where it has a zone; ``None`` where there is none."""
    if _missing(value):
        return None
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    if isinstance(value, datetime.datetime):
        value = value.replace(microsecond=0)
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if hasattr(value, "astype"):  # datetime64, of any unit
        if str(value.dtype).endswith(("[Y]", "[M]", "[D]")):
            return str(value)
        return str(value.astype("datetime64[s]")).removesuffix("T00:00:00")
    return str(value)


def _plain(value: Any) -> Any:
    """A value of metadata as JSON has it."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"{type(value).__name__} are no text; decode them first")
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if hasattr(value, "tolist"):  # a scalar or an array of numpy
        return _plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(v) for v in value]
    if isinstance(value, numbers.Number):
        return float(value)  # type: ignore[arg-type]
    return str(value)
