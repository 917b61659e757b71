"""Opening and making Lance datasets of articles, with errors that say plainly what is wrong."""

from __future__ import annotations

import contextlib
import json
from typing import Any, Iterator, Mapping

import lance
import pyarrow as pa

from ._lance_table import FORM, IDENTITY
from .errors import ExistsError, NotACorpusError, NotFoundError


def opened(uri: str, storage_options: Mapping[str, str] | None) -> Any:
    """The Lance dataset."""
    try:
        return lance.dataset(uri, storage_options=storage_options)
    except (ValueError, FileNotFoundError) as e:
        if "not found" in str(e).lower():
            raise NotFoundError(f"{uri}: there is no Lance dataset") from None
        raise


def about_of(uri: str, data: Any) -> dict[str, Any]:
    told = (data.schema.metadata or {}).get(IDENTITY)
    if told is None:
        raise NotACorpusError(f"{uri}: this Lance dataset is none of articles that Nearwise wrote")
    about = json.loads(told)
    if about["form"] > FORM:
        raise NotACorpusError(f"{uri}: a later version of Nearwise wrote this dataset; update Nearwise")
    return about


def created(uri: str, schema: pa.Schema, storage_options: Mapping[str, str] | None) -> Any:
    """A new dataset without rows."""
    with new(uri):
        return lance.write_dataset(
            schema.empty_table(),
            uri,
            schema=schema,
            mode="create",
            data_storage_version="stable",
            storage_options=storage_options,
        )


@contextlib.contextmanager
def new(uri: str) -> Iterator[None]:
    """Says plainly that there is a dataset already."""
    try:
        yield
    except (OSError, ValueError) as e:
        if "already exists" in str(e).lower():
            raise ExistsError(f"{uri}: there is a dataset already") from None
        raise


class Raised:
    """A reader of batches for Lance. What was raised while they were made goes on as it was, where Lance
    would put it into a text."""

    def __init__(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> None:
        self._batches, self._schema = batches, schema
        self._error: BaseException | None = None

    def _each(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._batches
        except BaseException as e:
            self._error = e
            raise

    def __enter__(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self._schema, self._each())

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is not None and self._error is not None:
            raise self._error from None


def quoted(id: str) -> str:
    """A text as Lance's conditions write it."""
    return "'" + str(id).replace("'", "''") + "'"
