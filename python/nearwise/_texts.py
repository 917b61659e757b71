"""Texts as users have them: one, a list, an iterator, a column of a data frame."""

from __future__ import annotations

from typing import Any, Sequence


def texts_of(inputs: Any, name: str = "inputs") -> tuple[Any, bool]:
    """What the compiled part takes of ``inputs``, and whether it is one text."""
    if isinstance(inputs, str):
        return [inputs], True
    if isinstance(inputs, (bytes, bytearray)):
        raise TypeError(f"{name}: bytes are no text; decode them first")
    if isinstance(inputs, dict):
        raise TypeError(f"{name}: a dict is no text (Nearwise embeds texts only); give a str or a list of str")
    if isinstance(inputs, (list, tuple)):
        return inputs, False
    # A pandas column holds Python's strings as a rule, and gives them as they are.
    if type(inputs).__module__.partition(".")[0] == "pandas" and hasattr(inputs, "tolist"):
        return inputs.tolist(), False
    if hasattr(inputs, "__arrow_c_stream__") or hasattr(inputs, "__arrow_c_array__"):
        return inputs, False
    if hasattr(inputs, "tolist"):  # numpy
        values = inputs.tolist()
        return ([values], True) if isinstance(values, str) else (values, False)
    try:
        return list(inputs), False
    except TypeError:
        kind = type(inputs).__name__
        raise TypeError(f"{name}: {kind} is no text and no list of texts; give a str or an iterable of str") from None


def check_texts(texts: Sequence[Any], name: str = "text") -> None:
    """Fails where one is no text, as the compiled part does, before anything is computed of those before it."""
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"{name} {i} is of the type {type(text).__name__}; a text is a str")
        if broken(text):
            raise _half("queries" if name == "query" else "texts", f"{name} {i}")


def check_characters(name: str, text: str) -> None:
    """Fails where the text that a parameter is holds half a character."""
    if broken(text):
        raise _half(name, "it")


def broken(text: str) -> bool:
    """Whether a text holds half a character (a lone surrogate), which no file and no model can have."""
    if text.isascii():
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _half(name: str, what: str) -> Exception:
    from ._refuse import wrong

    return wrong(name, f"{what} holds half a character (a lone surrogate)")
