"""The topics of a corpus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Iterable, Iterator

from ._listen import Listening
from ._refuse import whole
from ._results import Branch, Part, Timeline, Topic, made
from ._topics import topic_options
from .errors import UnknownError

if TYPE_CHECKING:
    from .corpus import Corpus


class Topics:
    """The topics of a corpus. Iterating over it gives them, largest first."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def _stored(self) -> dict[str, Any]:
        return json.loads(self._corpus._inner.topics())

    def _maybe_encoder(self) -> Any:
        """The encoder where there is one: vectors of other programs have none."""
        identity = self._corpus.identity
        if identity is None or identity["revision"] == "external":
            return None
        return self._corpus.encoder._inner

    def fit(
        self,
        k: int | None = None,
        *,
        method: str = "tree",
        min_size: int | None = None,
        min_similarity: float | None = None,
        resolution: float | None = None,
        batch_size: int | None = None,
        seed: int = 42,
        guides: Iterable[dict[str, Any]] = (),
        device: str = "auto",
        show_progress_bar: bool | None = None,
    ) -> Topics:
        """Finds topics and stores them; options as for :func:`nearwise.topics`. Topics that persist from
        an earlier fit keep their numbers and the names that they were given."""
        options = topic_options(k, seed, method, min_size, resolution, batch_size, min_similarity, guides)
        with Listening(bool(show_progress_bar)) as listener:
            self._corpus._inner.fit_topics(options, str(device), self._maybe_encoder(), listener)
        return self

    def all(self) -> list[Topic]:
        """The topics, largest first, each with the ids of its most typical articles.

        Raises ``NothingYetError`` where none were found yet.
        """
        stored = self._stored()
        return [made(Topic, {**t, "typical": ids}) for t, ids in zip(stored["topics"], stored["typical"])]

    def __iter__(self) -> Iterator[Topic]:
        return iter(self.all())

    def __len__(self) -> int:
        return self._corpus.counts["topics"]

    def __getitem__(self, id: int) -> Topic:
        for topic in self.all():
            if topic.id == id:
                return topic
        raise UnknownError(f"there is no topic {id}")

    def __repr__(self) -> str:
        return f"<{len(self)} topics of {self._corpus!r}>"

    @property
    def run(self) -> dict[str, Any]:
        """How the topics were made."""
        return self._stored()["run"]

    @property
    def parts(self) -> list[Part]:
        """The parts of topics, the leaves of the tree."""
        return [made(Part, p) for p in self._stored()["parts"]]

    def members(self) -> dict[str, int]:
        """The topic of each article, by its id; -1 where it is in none."""
        return dict(self._corpus._inner.members())

    def tree(self, cut: int | None = None) -> Any:
        """The tree of topics: a :class:`Branch`, or ``None`` without topics that could nest; with ``cut``
        a list of so many branches, the largest first, each with its parts. ``print(tree)`` shows it."""
        told = json.loads(self._corpus._inner.tree(None if cut is None else whole("cut", cut)))
        if cut is None:
            return made(Branch, told)
        return [made(Branch, b) for b in told]

    def over_time(self, span: str | None = None, field: str | None = None) -> Timeline:
        """How many articles of each topic there are in every ``span``: day, week, month, quarter or year;
        grouped by the values of ``field`` as well."""
        return made(Timeline, json.loads(self._corpus._inner.over_time(span, field)))

    def rename(self, id: int, label: str) -> None:
        """Gives a topic a name, which it keeps when topics are found anew."""
        self._corpus._inner.rename_topic(whole("id", id), label)

    def merge(self, *ids: int) -> int:
        """Merges topics into the first; returns its number."""
        return self._corpus._inner.merge_topics([whole("ids", id) for id in _flat(ids)], self._maybe_encoder())

    def split(self, id: int, into: int = 2) -> list[int]:
        """Splits a topic; returns the numbers, the first of which was its own."""
        return self._corpus._inner.split_topic(whole("id", id), whole("into", into), self._maybe_encoder())

    def cut(self, n: int) -> None:
        """Makes the branches of the tree, cut into ``n``, the topics."""
        self._corpus._inner.cut_topics(whole("n", n), self._maybe_encoder())

    def join(self) -> tuple[int, int]:
        """Puts articles that came since into these topics; how many, and how many are in none."""
        return self._corpus._inner.join_topics()


def _flat(ids: Any) -> list[int]:
    return list(ids[0]) if len(ids) == 1 and not isinstance(ids[0], int) else list(ids)
