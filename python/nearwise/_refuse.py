"""Keywords that other libraries have and Nearwise does not: refused by name, never ignored."""

from __future__ import annotations

from typing import Any


def refuse(what: str, why: str = "", **given: Any) -> None:
    """Raises ``TypeError`` for the first keyword whose value is not ``None``."""
    for name, value in given.items():
        if value is not None:
            raise TypeError(f"{what} does not support {name}={value!r}" + (f": {why}" if why else ""))


def whole(name: str, value: Any, least: int = 0) -> int:
    """A whole number from ``least`` on, of Python or of NumPy."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} is a whole number, not {value!r}")
    number: int = value.__index__()
    if not least <= number < _MOST:
        raise _wrong(name, f"{number}; give {least} or more" if number < least else f"{number} is too large")
    return number


#: What fits into 64 bits.
_MOST = 1 << 63


def positive(name: str, value: Any) -> int | None:
    """A whole number from 1 on, or ``None``."""
    return None if value is None else whole(name, value, 1)


def number(name: str, value: Any) -> float | None:
    """A number, or ``None``."""
    if value is None:
        return None
    if isinstance(value, (str, bytes, bool)) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} is a number, not {value!r}")
    return float(value)


def choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """One of some names."""
    if value not in choices:
        raise _wrong(name, f"{value!r}; use {', '.join(choices)}")
    return str(value)


def article_id(name: str, value: Any) -> str:
    """An article's id; a number is the one that articles with such an id were added under."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} is an id, a str, and not {value!r}")
    return str(value.__index__())


def _wrong(name: str, message: str) -> Exception:
    from .errors import ParameterError

    error = ParameterError(f"{name}: {message}")
    error.parameter = error.place = name
    return error
