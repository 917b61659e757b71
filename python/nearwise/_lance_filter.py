"""Filters of a corpus as conditions of Lance."""

from __future__ import annotations

import json
import math
from typing import Any, Callable, Mapping

import pyarrow as pa

from . import _nearwise
from .errors import FilterError
from .filters import sent

#: The fields of articles that a dataset has in all its rows.
OWN = ("id", "title", "date", "source", "url")


class Conditions:
    """Compiles filters for a dataset: ``fields`` are the columns of metadata with their types, and
    ``topics`` the labels of the topics, ``None`` where there are none."""

    def __init__(self, fields: Mapping[str, pa.DataType], topics: list[str] | None) -> None:
        self._fields = fields
        self._topics = topics

    @property
    def names(self) -> list[str]:
        """The fields that a filter may name."""
        return [*OWN, *(["topic"] if self._topics is not None else []), *self._fields]

    def compile(self, filter: Any) -> str | None:
        """The condition that a filter is: a text, a ``Filter`` or a dict."""
        given = sent(filter)
        if given is None:
            return None
        typed, text = given
        data = json.loads(_nearwise.filter_data(text) if typed else text)
        try:
            return self._filter(data)
        except (KeyError, TypeError, AttributeError):
            raise FilterError(f"filter: {data!r} is no filter") from None

    def _filter(self, data: Any) -> str:
        if not isinstance(data, dict) or len(data) != 1:
            raise FilterError(f"filter: {data!r} is no filter")
        ((kind, inner),) = data.items()
        if kind == "and":
            return "(" + (" AND ".join(map(self._filter, inner)) or "true") + ")"
        if kind == "or":
            return "(" + (" OR ".join(map(self._filter, inner)) or "false") + ")"
        if kind == "not":
            # Nothing known is no match, so its contrary matches.
            return f"(NOT coalesce({self._filter(inner)}, false))"
        if kind == "compare":
            return self._compare(inner["field"], inner["op"], inner["value"])
        if kind == "in":
            parts = [self._compare(inner["field"], "=", value) for value in inner["values"]]
            return "(" + (" OR ".join(parts) or "false") + ")"
        if kind == "between":
            low = self._compare(inner["field"], ">=", inner["low"])
            return f"({low} AND {self._compare(inner['field'], '<=', inner['high'])})"
        if kind == "contains":
            name, kind_of = self._find(inner["field"])
            if not _is_text(kind_of):
                raise FilterError(f"filter: {name} holds no texts")
            return f"contains(lower({_name(name)}), lower({_text(inner['text'])}))"
        if kind == "is_null":
            name, kind_of = self._find(inner["field"])
            # A title that is not there is an empty one.
            empty = f" OR {_name(name)} = ''" if name == "title" else ""
            return f"({_name(name)} IS NULL{empty})"
        raise FilterError(f"filter: {kind!r} is nothing that a filter is made of")

    def _find(self, field: Any) -> tuple[str, pa.DataType]:
        """The column of a field, and its type."""
        meant = isinstance(field, dict)
        name = field["metadata"] if meant else field
        for prefix in ("meta.", "metadata."):
            if not meant and name.lower().startswith(prefix):
                name, meant = name[len(prefix) :], True
        if not meant and name.lower() in OWN:
            return name.lower(), pa.string()
        if not meant and name.lower() == "topic" and self._topics is not None:
            return "topic", pa.int32()
        if name in self._fields:
            return name, self._fields[name]
        folded = [own for own in self._fields if own.lower() == name.lower()]
        if folded:
            return folded[0], self._fields[folded[0]]
        why = ""
        if name.lower() in ("text", "origin"):
            why = ", as a dataset holds it once for each article"
        raise FilterError(f"filter: there is no field {name!r} to filter by{why}; there are {', '.join(self.names)}")

    def _compare(self, field: Any, op: str, value: Any) -> str:
        name, kind = self._find(field)
        op = {"==": "="}.get(op, op)
        if op not in _HOW:
            raise FilterError(f"filter: {op!r} is no comparison; use {', '.join(_HOW)}")
        if name == "date":
            return _HOW[op](_name(name), value if isinstance(value, str) else _year(value))
        if name == "topic" and isinstance(value, str):
            number = [i for i, label in enumerate(self._topics or ()) if label == value]
            if op not in ("=", "!="):
                raise FilterError("filter: labels of topics have no order; compare them by = or !=")
            among = " OR ".join(f"topic = {i}" for i in number) or "false"
            return f"({among})" if op == "=" else f"(topic IS NOT NULL AND NOT ({among}))"
        sign = "<>" if op == "!=" else op
        column, compared = _name(name), self._value(name, kind, value)
        if pa.types.is_integer(kind) and not compared.lstrip("-").isdigit():
            column = f"CAST({column} AS DOUBLE)"
        return f"({column} {sign} {compared})"

    def _value(self, name: str, kind: pa.DataType, value: Any) -> str:
        if _is_text(kind):
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            return _text(value if isinstance(value, str) else json.dumps(value))
        if pa.types.is_boolean(kind):
            if value not in (True, False, "true", "false"):
                raise FilterError(f"filter: {name} is true or false, and not {value!r}")
            return "true" if value in (True, "true") else "false"
        if isinstance(value, int):
            return str(int(value))
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise FilterError(f"filter: {name} holds numbers, and {value!r} is none") from None
        if not math.isfinite(number):
            raise FilterError(f"filter: {value!r} is no number to compare with")
        return repr(int(number)) if number.is_integer() else repr(number)


#: How a date compares with the beginning of one: a day holds all its hours.
_HOW: dict[str, Callable[[str, str], str]] = {
    "=": lambda c, v: f"starts_with({c}, {_text(_date(v))})",
    "!=": lambda c, v: f"(NOT starts_with({c}, {_text(_date(v))}))",
    ">=": lambda c, v: f"({c} >= {_text(_date(v))})",
    ">": lambda c, v: f"({c} >= {_text(_date(v))} AND NOT starts_with({c}, {_text(_date(v))}))",
    "<": lambda c, v: f"({c} < {_text(_date(v))})",
    "<=": lambda c, v: f"({c} < {_text(_date(v))} OR starts_with({c}, {_text(_date(v))}))",
}


def _year(value: Any) -> str:
    """2016, or 20160324."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value):
        return f"{int(value):04}"
    return str(value)


def _date(value: str) -> str:
    """The beginning of a date as ISO 8601 writes it."""
    shape = "0000-00-00T00:00:00"
    fits = all(c.isdigit() if s == "0" else c == s for c, s in zip(value, shape))
    if value and len(value) <= len(shape) and fits and not (len(value) == 8 and value.isdigit()):
        return value
    (date,) = _nearwise.dates([value])
    if date is None:
        raise FilterError(f"filter: {value!r} is no date; write 2016, 2016-03 or 2016-03-24")
    return date


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _text(value: str) -> str:
    if "\x00" in value:
        raise FilterError("filter: a text to compare with holds a zero character")
    return "'" + value.replace("'", "''") + "'"


def _name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
