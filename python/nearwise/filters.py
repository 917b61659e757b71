"""Filters as Python objects.

>>> from nearwise import F
>>> recent = (F.date >= "2024") & (F.source == "wire") & ~F.title.contains("quiz")

A filter may also be a text, as on the command line (``'date >= 2024 AND source = "wire"'``), or a
dict of the form that :meth:`Filter.to_dict` gives.
"""

from __future__ import annotations

import datetime
import json
import math
from typing import Any, Iterable, Union

from ._articles import _missing, date_text
from ._texts import check_characters
from .errors import FilterError

__all__ = ["F", "Field", "Filter"]

Value = Union[str, int, float, bool, datetime.date]


def _value(value: Any) -> Any:
    """A value as the library compares it; dates are texts, and a time at midnight is its day."""
    if _missing(value):
        raise FilterError(f"filter: {value} is no value to compare with; is_null() finds articles without one")
    if isinstance(value, datetime.date) or type(value).__name__ == "datetime64":
        return date_text(value)  # As articles were added with it.
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):  # a scalar of numpy
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise FilterError(f"filter: {value} is no value to compare with; is_null() finds articles without one")
    if isinstance(value, (str, bool, int, float)):
        return value
    raise TypeError(f"a filter compares with a str, a number, a bool or a date, not with {value!r}")


class Filter:
    """Which articles. Combined by ``&``, ``|`` and ``~``."""

    __slots__ = ("_data",)

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def to_dict(self) -> dict[str, Any]:
        """The filter as plain data."""
        return self._data

    def __and__(self, other: Filter) -> Filter:
        return self._joined("and", other)

    def __or__(self, other: Filter) -> Filter:
        return self._joined("or", other)

    def _joined(self, how: str, other: Filter) -> Filter:
        # A chain is one list, or a long one would be nested more deeply than can be read.
        parts = self._data[how] if how in self._data else [self._data]
        return Filter({how: [*parts, _filter(other)._data]})

    def __invert__(self) -> Filter:
        return Filter({"not": self._data})

    def __bool__(self) -> bool:
        raise TypeError("filters are combined by &, | and ~ (not by and, or, not, or a chain such as 1 < F.x < 3)")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and self._data == other._data

    def __hash__(self) -> int:
        return hash(json.dumps(self._data, sort_keys=True))

    def __repr__(self) -> str:
        return f"Filter({self._data!r})"


def _filter(other: Any) -> Filter:
    if not isinstance(other, Filter):
        raise TypeError(f"a filter is combined with filters, not with {other!r}")
    return other


class Field:
    """A field of articles: ``F.source``, or ``F["a name"]``."""

    __slots__ = ("_name",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        self._name = name

    def _compare(self, op: str, value: Any) -> Filter:
        return Filter({"compare": {"field": self._name, "op": op, "value": _value(value)}})

    def __eq__(self, value: Any) -> Filter:  # type: ignore[override]
        return self.is_null() if value is None else self._compare("=", value)

    def __ne__(self, value: Any) -> Filter:  # type: ignore[override]
        return ~self.is_null() if value is None else self._compare("!=", value)

    def __lt__(self, value: Value) -> Filter:
        return self._compare("<", value)

    def __le__(self, value: Value) -> Filter:
        return self._compare("<=", value)

    def __gt__(self, value: Value) -> Filter:
        return self._compare(">", value)

    def __ge__(self, value: Value) -> Filter:
        return self._compare(">=", value)

    def isin(self, values: Iterable[Value]) -> Filter:
        """The field equals one of the values."""
        if isinstance(values, str):
            raise TypeError("isin takes a list of values")
        return Filter({"in": {"field": self._name, "values": [_value(v) for v in values]}})

    def between(self, low: Value, high: Value) -> Filter:
        """The field is at least ``low`` and at most ``high``."""
        return Filter({"between": {"field": self._name, "low": _value(low), "high": _value(high)}})

    def contains(self, text: str) -> Filter:
        """The field holds this text; capitals of A to Z count as small letters."""
        if not isinstance(text, str):
            raise TypeError(f"contains takes a str, not {text!r}")
        return Filter({"contains": {"field": self._name, "text": text}})

    def is_null(self) -> Filter:
        """The field has no value."""
        return Filter({"is_null": {"field": self._name}})

    def __repr__(self) -> str:
        return f"F[{self._name!r}]"


class _Fields:
    """``F.name`` and ``F["name"]`` are fields."""

    def __getattr__(self, name: str) -> Field:
        if name.startswith("__"):
            raise AttributeError(name)
        return Field(name)

    def __getitem__(self, name: str) -> Field:
        return Field(name)


F = _Fields()


def sent(filter: Any) -> tuple[bool, str] | None:
    """A filter as the compiled part takes it: whether it is a text, and the text or JSON."""
    if filter is None:
        return None
    if isinstance(filter, str):
        check_characters("filter", filter)
        return True, filter
    if isinstance(filter, Filter):
        filter = filter.to_dict()
    if isinstance(filter, dict):
        _check(filter)
        try:
            return False, json.dumps(filter, allow_nan=False)
        except (TypeError, ValueError) as e:
            raise FilterError(f"filter: {e}") from None
    raise TypeError(f"filter is a str, a Filter or a dict, not {type(filter).__name__}")


#: What a filter as data begins with.
_CONDITIONS = ("and", "or", "not", "compare", "in", "between", "contains", "is_null")


def _check(filter: dict[str, Any]) -> None:
    """Fails where a dict is none of the form of :meth:`Filter.to_dict`, such as one of fields and values."""
    parts: list[Any] = [filter]
    while parts:
        part = parts.pop()
        if not isinstance(part, dict) or len(part) != 1 or next(iter(part)) not in _CONDITIONS:
            hint = ""
            if isinstance(part, dict) and part:
                name, value = next(iter(part.items()))
                if name not in _CONDITIONS:
                    hint = f"; for a field and its value write F[{name!r}] == {value!r}, joined by &"
            raise FilterError(f"filter: {part!r} is no dict of one of {', '.join(_CONDITIONS)}{hint}")
        (kind, of), *_ = part.items()
        if kind == "not":
            parts.append(of)
        elif kind in ("and", "or") and isinstance(of, list):
            parts.extend(of)
