"""What is asked of a search, as the library reads it."""

from __future__ import annotations

import datetime
import json
from typing import Any

from ._articles import date_text

from ._refuse import article_id, choice, is_id, number, whole
from ._vectors import finite, matrix
from .errors import ParameterError

_BY = ("meaning", "words", "both")
_OPTIONS = (
    "k",
    "offset",
    "by",
    "mode",
    "threshold",
    "diverse",
    "fold",
    "half_life",
    "now",
    "facets",
    "facets_limit",
    "sentences",
)


def examples_of(name: str, examples: Any) -> tuple[list[str], list[list[float]]]:
    """Ids and vectors of what was given: one of them, or a list."""
    if examples is None:
        return [], []
    if is_id(examples):
        return [article_id(name, examples)], []
    if isinstance(examples, (list, tuple)) and not (examples and isinstance(examples[0], float)):
        items = list(examples)
    elif hasattr(examples, "tolist") and _of_texts(examples.tolist()):  # a column, or an array of NumPy
        items = examples.tolist()
    else:
        array = matrix(name, examples)
        items = list(array) if array.ndim == 2 else [array]
    ids: list[str] = []
    vectors: list[list[float]] = []
    for item in items:
        if is_id(item):
            ids.append(article_id(name, item))
            continue
        vector = finite(name, matrix(name, item))
        if vector.ndim != 1:
            raise ParameterError(f"{name}: an array of shape {vector.shape}; give ids and vectors")
        vectors.append(vector.tolist())
    return ids, vectors


def _of_texts(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(value, str) for value in values)


def _moment(value: Any) -> str:
    """A date or a time as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime.date) or hasattr(value, "astype"):
        return date_text(value) or ""
    raise TypeError(f"now is a date, or one as text, not {value!r}")


def search_options(**options: Any) -> str:
    """Search options as the library reads them, with what stands for usual values."""
    unknown = next((name for name in options if name not in _OPTIONS), None)
    if unknown is not None:
        raise TypeError(f"got an unexpected keyword argument {unknown!r}; there are {', '.join(_OPTIONS)}")
    for name in ("k", "offset", "facets_limit"):
        if name in options:
            options[name] = whole(name, options[name])
    if isinstance(options.get("facets"), str):
        options["facets"] = [options["facets"]]
    elif "facets" in options:
        options["facets"] = list(options["facets"])
    choice("by", options.get("by", "meaning"), _BY)
    choice("mode", options.get("mode", "auto"), ("auto", "exact", "approximate"))
    if isinstance(options.get("diverse"), bool):
        options["diverse"] = 0.8 if options["diverse"] else None
    if isinstance(options.get("fold"), bool):
        options["fold"] = "words" if options["fold"] else None
    if options.get("fold") is not None:
        choice("fold", options["fold"], ("words", "meaning", "either"))
    if options.get("now") is not None:
        options["now"] = _moment(options["now"])
    half_life = options.get("half_life")
    if isinstance(half_life, datetime.timedelta):
        half_life = options["half_life"] = half_life.total_seconds() / 86400
    if half_life is not None and not isinstance(half_life, str):
        options["half_life"] = f"{number('half_life', half_life)}d"
    for name in ("threshold", "diverse"):
        if name in options:
            options[name] = number(name, options[name])
    if "sentences" in options:
        options["sentences"] = bool(options["sentences"])
    try:
        return json.dumps(options)
    except TypeError as e:
        raise TypeError(f"search options: {e}") from None
