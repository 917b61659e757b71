"""Keywords that other libraries have and Nearwise does not: refused by name, never ignored."""

from __future__ import annotations

import math
from typing import Any

from ._texts import check_characters


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
        raise wrong(name, f"{number}; give {least} or more" if number < least else f"{number} is too large")
    return number


#: What fits into 64 bits.
_MOST = 1 << 63


def at_most_64_bits(number: int) -> int:
    """A bound that is the number, or no bound where it does not fit."""
    return min(number, _MOST - 1)


def text(name: str, value: Any) -> str | None:
    """A text, or ``None``."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} is a str, not {type(value).__name__}")
    if value is not None:
        check_characters(name, value)
    return value


def device_name(value: Any) -> str:
    """A device by the name that Nearwise has for it; also one of PyTorch."""
    return str(value).lower()


#: Names that PyTorch, NumPy and transformers have for what Nearwise calls otherwise.
_DTYPES = {
    "float32": "f32",
    "fp32": "f32",
    "float": "f32",
    "float16": "f16",
    "fp16": "f16",
    "half": "f16",
    "bfloat16": "bf16",
}


def dtype_name(value: Any) -> str:
    """A dtype by the name that Nearwise has for it; also one of PyTorch or NumPy, or its name there."""
    of = getattr(value, "__name__", None) or getattr(value, "name", None)
    name = value if isinstance(value, str) else of or str(value)
    name = name.removeprefix("torch.").lower()
    return _DTYPES.get(name, name)


def own_device(what: str, kind: str, value: Any, own: str) -> None:
    """Refuses another device than that of the model that is loaded."""
    if value is None:
        return
    if isinstance(value, (list, tuple)):
        refuse(what, f"Nearwise uses all devices by itself with {kind}(model, device='cuda')", device=value)
    asked = device_name(value)
    wanted = {"mps": "metal"}.get(asked, asked)
    if wanted != own and wanted != own.partition(":")[0]:
        raise TypeError(
            f"{what} does not support device={asked!r}: this model computes on {own};"
            f" make another by {kind}(model, device={asked!r})"
        )


def positive(name: str, value: Any) -> int | None:
    """A whole number from 1 on, or ``None``."""
    return None if value is None else whole(name, value, 1)


def number(name: str, value: Any) -> float | None:
    """A number, or ``None``."""
    if value is None:
        return None
    if isinstance(value, (str, bytes, bool)) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} is a number, not {value!r}")
    number = float(value)
    if not math.isfinite(number):
        raise wrong(name, f"{number} is no finite number")
    return number


def several(name: str, values: Any) -> list[Any]:
    """A list of texts or ids; one text is none, though Python would take it for its letters."""
    if isinstance(values, (str, bytes)):
        raise TypeError(f"{name} is a list of str, and this is one {type(values).__name__}")
    return list(values)


def is_id(value: Any) -> bool:
    """Whether this is one article's id: a text or a whole number, of NumPy too."""
    return isinstance(value, str) or (hasattr(value, "__index__") and not hasattr(value, "__len__"))


def choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """One of some names."""
    if value not in choices:
        raise wrong(name, f"{value!r}; use {', '.join(choices)}")
    return str(value)


def article_ids(name: str, values: Any) -> list[str]:
    """The ids of one article or of several."""
    return [article_id(name, value) for value in ([values] if is_id(values) else values)]


def article_id(name: str, value: Any) -> str:
    """An article's id; a number is the one that articles with such an id were added under."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} is an id, a str, and not {value!r}")
    return str(value.__index__())


def wrong(name: str, message: str) -> Exception:
    from .errors import ParameterError

    error = ParameterError(f"{name}: {message}")
    error.parameter = error.place = name
    return error
