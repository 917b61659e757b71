"""Articles of a table."""

from __future__ import annotations

import json
from typing import Any, Iterator

from ._results import Article


def articles_of(table: Any) -> Iterator[Article]:
    """The articles of a table of a corpus, one by one."""
    for row in _rows(table):
        meta = json.loads(row.pop("metadata"))
        yield Article(**row, meta=meta)


def _rows(table: Any) -> Iterator[dict[str, Any]]:
    try:
        import pyarrow as pa
    except ImportError:
        try:
            import polars as pl
        except ImportError:
            raise ImportError("articles are read one by one through pyarrow or polars: pip install pyarrow") from None
        yield from pl.DataFrame(table).iter_rows(named=True)
        return
    for batch in pa.RecordBatchReader.from_stream(table):
        for start in range(0, batch.num_rows, _AT_ONCE):
            yield from batch.slice(start, _AT_ONCE).to_pylist()


#: Articles that are Python's objects at a time.
_AT_ONCE = 256
