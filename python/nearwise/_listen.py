"""Progress bars and notes of what takes long."""

from __future__ import annotations

from typing import Any, Callable, Optional

Listener = Callable[[str, str, int, Optional[int]], None]


def bar(total: int | None, what: str, unit: str) -> Any:
    """A bar of tqdm, which is asked for only when somebody wants one."""
    return _tqdm()(total=total, desc=what, unit=unit)


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("a progress bar needs tqdm: pip install tqdm") from None
    return tqdm


def _logger() -> Any:
    import logging  # Here, as it is slow to import.

    return logging.getLogger("nearwise")


def warn(text: str) -> None:
    """Tells the logger ``nearwise`` what is likely a mistake."""
    _logger().warning("%s", text)


class NoBar:
    """What stands for a bar where none is wanted."""

    total: int | None = None

    def update(self, done: int) -> None:
        """Shows nothing."""

    def __enter__(self) -> NoBar:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


def bar_if(shown: bool, total: int | None, what: str, unit: str) -> Any:
    """A bar of tqdm, or none."""
    return bar(total, what, unit) if shown else NoBar()


class Listening:
    """Tells notes to the logger ``nearwise`` and, where asked for, progress to bars, one for each
    stage. A context manager that closes the last bar."""

    def __init__(self, progress: bool) -> None:
        self._progress = bool(progress)
        self._stage: str | None = None
        self._bar: Any = None
        if self._progress:
            _tqdm()  # Fails now where tqdm is missing, and not within the work.

    def __call__(self, name: str, what: str, done: int, total: int | None) -> None:
        if name == "note":
            _logger().info("%s", what)
            return
        if not self._progress:
            return
        if what != self._stage:
            self.close()
            self._stage, self._bar = what, bar(total, what, " ")
        self._bar.total = total
        self._bar.n = done
        self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._stage = self._bar = None

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
