"""``nearwise-lance``: corpora to Lance datasets and back, on the command line.

It is a program of its own, of Python, and no option of ``nearwise``: the crate of Lance brings some 480 others,
DataFusion among them, into a program that is one small file. Whoever has a dataset has pylance. Options and exit
codes are those of ``nearwise``.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import pathlib
import signal
import sys
import time
from typing import Any, Callable, NoReturn

from ._nearwise import __version__
from .errors import BusyError, Error, ExistsError, FilterError, ParameterError

#: Seconds between two lines of progress, on a terminal and elsewhere.
ON_TERMINAL, ELSEWHERE = 0.2, 10.0
#: The types that a column of a metadata field may have.
KINDS = {"str": str, "int": int, "float": float, "bool": bool}


class Wrong(Exception):
    """Wrong usage of an option."""


class Progress:
    """Progress on standard error: a line that changes on a terminal, a line now and then elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._told = time.monotonic() if not self._terminal else 0.0
        self._open = False

    def __call__(self, name: str, what: str, done: int, total: int | None) -> None:
        if self._quiet or name == "note":
            return
        now = time.monotonic()
        # A stage's end is always told on a terminal, so that the last line is right.
        if now - self._told < (ON_TERMINAL if self._terminal else ELSEWHERE) and not (self._terminal and done == total):
            return
        self._told = now
        line = f"{what}: {done:,}" + (f" of {total:,}" if total is not None else "")
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{line}")
            self._open = True
        else:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def close(self) -> None:
        if self._open:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._open = False


def main(arguments: list[str] | None = None) -> int:
    """Runs the program; returns its exit code: 0 done, 1 failed, 2 wrong usage, 3 nothing there, 130 stopped."""
    asked = parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("nearwise").setLevel(logging.WARNING if asked.quiet else logging.INFO)
    signal.signal(signal.SIGTERM, _terminated)
    progress = Progress(asked.quiet)
    try:
        return asked.run(asked, progress)
    except KeyboardInterrupt:
        code, line = 130, f"stopped; {asked.stopped}"
    except FilterError as e:
        code, line = 2, f"--where: {e}"
    except (Wrong, ParameterError) as e:
        code, line = 2, str(e)
    except (Error, OSError, ValueError, RuntimeError, ImportError) as e:
        # Lance's own errors are of these built-in kinds.
        code, line = 1, one_line(e)
    finally:
        progress.close()
    print(f"nearwise-lance: {line}", file=sys.stderr)
    return code


def _terminated(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


def one_line(error: BaseException) -> str:
    """An error's text in one line, without the places in Lance's source that its own errors end with."""
    text = " ".join(str(error).split()) or type(error).__name__
    for mark in (", /", ", rust/", ", src/"):
        head, _, tail = text.rpartition(mark)
        if head and ".rs:" in tail:
            text = head
    return text


def parser() -> argparse.ArgumentParser:
    """What the program understands."""
    top = argparse.ArgumentParser(
        prog="nearwise-lance",
        description="Carry corpora to Lance datasets and back: on a file system, or an object storage.",
        epilog="Datasets that a cluster embeds: nearwise.ray. Searching one: nearwise.lance.",
    )
    top.add_argument("--version", action="version", version=f"nearwise {__version__}")
    kinds = top.add_subparsers(metavar="COMMAND", required=True)
    out = kinds.add_parser(
        "export",
        help="write a corpus as a new dataset",
        description="Write a corpus as a new Lance dataset: articles, passages, vectors, and which model made them.",
        epilog="Examples:\n  nearwise-lance export -c news.nearwise news.lance --field words:int\n"
        "  nearwise-lance export -c news.nearwise s3://bucket/news.lance --storage aws_region=eu-west-1\n\n"
        "Articles that are not embedded yet are left behind, and topics are not carried. The dataset is there "
        "whole,\nor not at all.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _shared(out)
    out.add_argument(
        "--field",
        action="append",
        default=[],
        metavar="NAME[:TYPE]",
        help="a metadata field that gets a column of its own, to filter by; TYPE is str, int, float or bool",
    )
    out.add_argument("--no-index", action="store_true", help="do not make the approximate index")
    out.set_defaults(run=export, stopped="no dataset was written, unless only its index was missing")
    into = kinds.add_parser(
        "import",
        help="add a dataset's articles to a corpus",
        description="Add the articles of a Lance dataset to a corpus, with the vectors that they have.",
        epilog="Examples:\n  nearwise-lance import news.lance -c news.nearwise\n"
        "  nearwise-lance import s3://bucket/news.lance -c y2024.nearwise --where 'date = 2024'\n\n"
        "The corpus is made where there is none. What an earlier run brought is not brought again.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _shared(into)
    into.add_argument("--where", metavar="FILTER", help="only articles that match, as for `nearwise search`")
    into.add_argument("--model", metavar="NAME|FOLDER", help="where the dataset's model is found, if not by its name")
    into.add_argument("--device", default="auto", help="what computes where anything is to be: auto, cpu, cuda …")
    into.add_argument("--offline", action="store_true", help="fetch no model")
    into.set_defaults(run=import_, stopped="what was brought stays, and the same command goes on from there")
    return top


def _shared(to: argparse.ArgumentParser) -> None:
    to.add_argument("dataset", metavar="DATASET", help="a folder, or an address such as s3://bucket/name.lance")
    to.add_argument(
        "-c", "--corpus", metavar="FILE", help="the corpus; NEARWISE_CORPUS, or the only *.nearwise file here"
    )
    to.add_argument(
        "--storage",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the object storage, as Lance calls it; keys are better given as AWS_ACCESS_KEY_ID "
        "and so on, which are read too",
    )
    to.add_argument("--json", action="store_true", help="print what was carried as JSON")
    to.add_argument("-q", "--quiet", action="store_true", help="no progress")


def corpus_path(given: str | None) -> pathlib.Path:
    """The corpus: given, named by the environment, or the only one here."""
    given = given or os.environ.get("NEARWISE_CORPUS")
    if given:
        return pathlib.Path(given)
    found = sorted(p for p in pathlib.Path().glob("*.nearwise") if p.is_file() and not p.name.startswith("."))
    if len(found) == 1:
        return found[0]
    if not found:
        raise Wrong("--corpus: there is no *.nearwise file here; name the corpus")
    raise Wrong(f"--corpus: there are several here ({', '.join(map(str, found))}); name one")


def storage(given: list[str]) -> dict[str, str]:
    """Options of the object storage."""
    options = {}
    for option in given:
        key, equals, value = option.partition("=")
        if not equals or not key:
            # The text may be a key: it is not shown.
            raise Wrong("--storage: give KEY=VALUE, such as aws_region=eu-west-1")
        options[key] = value
    return options


def fields(given: list[str]) -> dict[str, type]:
    """Metadata fields and their types. A name may hold a colon, as long as no type follows it."""
    named: dict[str, type] = {}
    for option in given:
        name, colon, kind = option.rpartition(":")
        if not colon:
            name, kind = option, "str"
        if not name or kind not in KINDS:
            raise Wrong(f"--field: {option!r}; give NAME or NAME:TYPE, where TYPE is {', '.join(KINDS)}")
        if name in named:
            raise Wrong(f"--field: {name!r} is given twice")
        named[name] = KINDS[kind]
    return named


def export(asked: argparse.Namespace, progress: Callable[..., None]) -> int:
    """Writes a corpus as a dataset."""
    path, options, named = corpus_path(asked.corpus), storage(asked.storage), fields(asked.field)
    from . import lance  # noqa: F401 (it says what to install where pylance is missing)
    from . import _lance_carry
    from .corpus import Corpus

    with Corpus(path, create=False) as corpus:
        carried = _lance_carry.written(
            corpus, asked.dataset, named, options or None, index=not asked.no_index, listen=progress
        )
    told = [f"{_count(carried.articles, 'article')} in {_count(carried.passages, 'passage')} written to {asked.dataset}"]
    if carried.left:
        told.append(f"{_count(carried.left, 'article')} not embedded yet and left behind (`nearwise index` embeds them)")
    return _said(asked, progress, carried, told)


def import_(asked: argparse.Namespace, progress: Callable[..., None]) -> int:
    """Adds a dataset's articles to a corpus."""
    path, options = corpus_path(asked.corpus), storage(asked.storage)
    from . import lance  # noqa: F401 (it says what to install where pylance is missing)
    from . import _lance_carry

    corpus, made = _opened(path, asked)
    holds: int | None = None
    try:
        with corpus:
            try:
                carried = _lance_carry.read(asked.dataset, corpus, asked.where, options or None, listen=progress)
            finally:
                holds = len(corpus)
    finally:
        # One that was made for nothing goes again; one whose articles could not be counted stays.
        if made and holds == 0:
            for end in ("", "-wal", "-shm", "-journal", "-lock"):
                pathlib.Path(f"{path}{end}").unlink(missing_ok=True)
    told = [
        f"{_count(carried.articles, 'article')} in {_count(carried.passages, 'passage')} brought to {path}, "
        f"which holds {_count(holds, 'article')}"
    ]
    if carried.computed:
        told.append(f"{_count(carried.computed, 'passage')} computed anew")
    return _said(asked, progress, carried, told)


def _opened(path: pathlib.Path, asked: argparse.Namespace) -> tuple[Any, bool]:
    """The corpus, and whether it was made just now: where none is, another process may be making it."""
    from .corpus import Corpus

    how = {"model": asked.model, "device": asked.device, "offline": asked.offline}
    if not path.exists():
        try:
            return Corpus(path, create=True, **how), True
        except (BusyError, ExistsError):
            pass
    return Corpus(path, **how), False


def _said(asked: argparse.Namespace, progress: Any, carried: Any, told: list[str]) -> int:
    progress.close()
    print(json.dumps(carried.to_dict()) if asked.json else "; ".join(told))
    return 0 if carried.articles else 3


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


if __name__ == "__main__":
    sys.exit(main())
