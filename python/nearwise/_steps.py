"""Work on some texts at a time, so that a bar moves and memory is bounded."""

from __future__ import annotations

from typing import Any, Callable

from ._listen import bar_if
from ._texts import check_texts


def in_steps(texts: Any, work: Callable[[Any], Any], step: int, shown: bool = True) -> list[Any]:
    """What ``work`` makes of some texts at a time, with a bar; fails as it does of all at once."""
    if isinstance(texts, (list, tuple)):
        check_texts(texts)
    many = hasattr(texts, "__len__") and (isinstance(texts, (list, tuple)) or hasattr(texts, "slice"))
    if not many:
        # A column in Arrow's memory that only the compiled part can read, and not in parts.
        with bar_if(shown, None, "embedding", "text") as bar:
            done = work(texts)
            bar.total = len(done[1]) if isinstance(done, tuple) else len(done)
            bar.update(bar.total)
        return [done]
    parts = []
    with bar_if(shown, len(texts), "embedding", "text") as bar:
        for start in range(0, len(texts), step):
            part = texts[start : start + step] if isinstance(texts, (list, tuple)) else texts.slice(start, step)
            try:
                parts.append(work(part))
            except (TypeError, ValueError):
                # Of the whole it tells which text it is, and embeds nothing before it does.
                return [work(texts)]
            bar.update(len(part))
    return parts
