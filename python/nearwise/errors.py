"""What can go wrong, by kind.

Every error of the library is a :class:`Error` and the built-in exception that fits its kind, with
one line of text that names the file, the row or the parameter and what is wrong. ``place`` is the
file, row, parameter or device concerned (``""`` where there is none). Those of files have
``errno`` and ``filename`` as Python's own have them.
"""

from __future__ import annotations

import builtins
import errno

__all__ = [
    "BusyError",
    "CancelledError",
    "DamagedError",
    "DeviceError",
    "DiskFullError",
    "Error",
    "ExistsError",
    "FileError",
    "FilterError",
    "InputError",
    "InternalError",
    "ModelError",
    "NetworkError",
    "NoResultError",
    "NotACorpusError",
    "NotFoundError",
    "NothingYetError",
    "ParameterError",
    "PermissionError",
    "UnknownError",
    "WrongModelError",
]


class Error(Exception):
    """Any error of Nearwise."""

    place: str = ""


class _OfAFile:
    """What programs ask of an ``OSError``; its text stays the one line."""

    @property
    def filename(self) -> str | None:
        return getattr(self, "place", "").removeprefix("corpus ") or None


class FileError(_OfAFile, Error, OSError):
    """A file or folder could not be read or written."""

    errno: int | None = None


class NotFoundError(_OfAFile, Error, FileNotFoundError):
    """A file, a corpus, a model or an input is not there."""

    errno = errno.ENOENT


class PermissionError(_OfAFile, Error, builtins.PermissionError):
    """A file may not be read or written."""

    errno = errno.EACCES


class ExistsError(_OfAFile, Error, FileExistsError):
    """A corpus was to be created where there is a file already."""

    errno = errno.EEXIST


class DiskFullError(_OfAFile, Error, OSError):
    """The disk or a quota is full; what was committed is kept."""

    errno = errno.ENOSPC


class NotACorpusError(Error, ValueError):
    """A file is no corpus, or one of a newer version."""


class DamagedError(Error, ValueError):
    """A file is damaged."""


class InputError(Error, ValueError):
    """An input file, or one row of it, cannot be used."""


class ParameterError(Error, ValueError):
    """A parameter has a value that cannot be used; ``parameter`` is its name."""

    parameter: str = ""


class FilterError(Error, ValueError):
    """A filter does not parse, or names a field that the corpus does not have.

    ``position`` is where in its text, in characters from 1; 0 for a filter that was no text.
    """

    position: int = 0


class UnknownError(Error, KeyError):
    """No article has this id, or no topic this number."""

    # A KeyError shows its argument as Python writes it, which is for keys and not for sentences.
    __str__ = Exception.__str__


class NothingYetError(Error, LookupError):
    """Nothing is embedded yet, or no topics were found yet."""


class BusyError(Error, BlockingIOError):
    """Another writer holds the corpus, in this process or another; try again later."""


class WrongModelError(Error, ValueError):
    """Vectors of another model cannot be mixed with those of the corpus."""


class ModelError(Error, ValueError):
    """A model, its files or its configuration cannot be used."""


class NetworkError(Error, ConnectionError):
    """A download failed, or the network is not to be used."""


class DeviceError(Error, RuntimeError):
    """A device cannot be used, or failed."""


class NoResultError(Error, ValueError):
    """A computation has no result, such as a clustering that found no cluster."""


class CancelledError(Error):
    """The work was cancelled; what was committed is kept. Ctrl-C raises ``KeyboardInterrupt``."""


class InternalError(Error, RuntimeError):
    """Nearwise broke one of its own rules. Please report it."""
