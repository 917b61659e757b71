"""Keywords that other libraries have and Nearwise does not: refused by name, never ignored."""

from __future__ import annotations

from typing import Any


def refuse(what: str, why: str = "", **given: Any) -> None:
    """Raises ``TypeError`` for the first keyword whose value is not ``None``."""
    for name, value in given.items():
        if value is not None:
            raise TypeError(f"{what} does not support {name}={value!r}" + (f": {why}" if why else ""))


def positive(name: str, value: Any) -> int | None:
    """A whole number from 1 on, or ``None``."""
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} is a whole number, not {value!r}")
    value = value.__index__()
    if value < 1:
        raise ValueError(f"{name} is {value}; give 1 or more")
    return value
