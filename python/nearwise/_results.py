"""What answers are: plain objects with attributes, equal to what they hold, and dicts where wanted."""

from __future__ import annotations

import types
import typing
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Iterator


class Result:
    """A frozen dataclass that is made of JSON."""

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain dicts and lists."""
        return asdict(self)  # type: ignore[call-overload]


def made(kind: Any, value: Any) -> Any:
    """The object of ``kind`` that JSON describes; keys that are missing have their defaults, and keys
    that a later version adds are left out."""
    if value is None:
        return None
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
        return made(kind, value)
    if origin is list:
        (item,) = typing.get_args(kind)
        return [made(item, v) for v in value]
    if origin is tuple:
        items = typing.get_args(kind)
        if isinstance(value, dict):  # a range
            value = (value["start"], value["end"])
        return tuple(made(item, v) for item, v in zip(items, value))
    if isinstance(kind, type) and issubclass(kind, Result):
        hints = _hints(kind)
        known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
        return kind(**{k: made(hints[k], v) for k, v in value.items() if k in known})
    return value


_cache: dict[type, dict[str, Any]] = {}


def _hints(kind: type) -> dict[str, Any]:
    if kind not in _cache:
        _cache[kind] = typing.get_type_hints(kind)
    return _cache[kind]


@dataclass(frozen=True)
class Passage(Result):
    """A passage that answers a query."""

    text: str
    """Its text, boilerplate left out."""
    range: tuple[int, int]
    """Where it stands in the article's text, in bytes of UTF-8."""


@dataclass(frozen=True)
class Sentence(Result):
    """The sentence that answers best."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class FoldedArticle(Result):
    """An article that is nearly the same as a hit."""

    id: str
    title: str
    date: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Folded(Result):
    """Articles that are nearly the same as a hit: how many, and the first hundred."""

    count: int
    articles: list[FoldedArticle]


@dataclass(frozen=True)
class Hit(Result):
    """An article that answers."""

    id: str
    title: str
    score: float
    """What it is ranked by: a cosine, BM25, or the score of reciprocal rank fusion."""
    passage: Passage
    """The best passage."""
    date: str | None = None
    source: str | None = None
    url: str | None = None
    cosine: float | None = None
    """The cosine of query and passage; of the articles' vectors, for similar ones."""
    fused: float | None = None
    sentence: Sentence | None = None
    folded: Folded | None = None


@dataclass(frozen=True)
class FacetValue(Result):
    """A value and how many articles have it."""

    value: Any
    count: int
    label: str | None = None


@dataclass(frozen=True)
class Facet(Result):
    """How often the values of a field occur."""

    field: str
    values: list[FacetValue]
    more: int
    missing: int


@dataclass(frozen=True)
class Facets(Result):
    """Counts over the whole result."""

    over: str
    articles: int
    fields: list[Facet]


@dataclass(frozen=True)
class Found(Result):
    """Hits, best first. Iterating over it gives the hits."""

    hits: list[Hit]
    exact: bool = True
    """Whether every vector was compared."""
    more: bool = False
    """Whether there are hits after these."""
    facets: Facets | None = None

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, index: Any) -> Any:
        return self.hits[index]

    def to_pandas(self) -> Any:
        """The hits as a pandas data frame, the passage's text in ``passage``."""
        import pandas as pd

        rows = [{**{k: v for k, v in h.to_dict().items() if k not in _NESTED}, "passage": h.passage.text} for h in self]
        return pd.DataFrame(rows)


_NESTED = ("passage", "sentence", "folded")


@dataclass(frozen=True)
class StoredPassage(Result):
    """A passage of an article."""

    range: tuple[int, int]
    tokens: int = 0


@dataclass(frozen=True)
class Article(Result):
    """An article as it is stored."""

    id: str
    title: str
    text: str
    """The text, boilerplate included."""
    date: str | None = None
    source: str | None = None
    url: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    origin: str = ""
    row: int | None = None
    boilerplate: list[tuple[int, int]] = field(default_factory=list)
    """Boilerplate, as ranges in bytes of the UTF-8 text."""
    topic: int | None = None
    topic_label: str | None = None
    passages: list[StoredPassage] = field(default_factory=list)


@dataclass(frozen=True)
class Report(Result):
    """What adding or indexing did."""

    read: int = 0
    new: int = 0
    changed: int = 0
    described: int = 0
    same: int = 0
    renamed: int = 0
    pruned: int = 0
    not_pruned: int = 0
    bad: int = 0
    embedded: int = 0
    passages: int = 0
    tokens: int = 0
    unread: int = 0
    recurring_paragraphs: int = 0
    reading_seconds: float = 0.0
    embedding_seconds: float = 0.0


@dataclass(frozen=True)
class Kept(Result):
    """The article of a group that says most."""

    id: str
    title: str
    date: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Duplicate(Result):
    """Another article of a group, and how alike it and the kept one are."""

    id: str
    title: str
    words: float
    contained: float
    cosine: float | None = None
    date: str | None = None
    source: str | None = None
    copy_of: str | None = None


@dataclass(frozen=True)
class Group(Result):
    """Articles that are nearly the same."""

    size: int
    keep: Kept
    members: list[Duplicate]


@dataclass(frozen=True)
class Pair(Result):
    """Two articles that are nearly the same."""

    a: str
    b: str
    titles: tuple[str, str]
    words: float
    contained: float
    cosine: float | None = None


@dataclass(frozen=True)
class Duplicates(Result):
    """Groups of duplicates and pairs of them. Iterating over it gives the groups."""

    groups_found: int
    articles: int
    surplus: int
    pairs_found: int
    groups: list[Group]
    pairs: list[Pair]

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups)

    def __len__(self) -> int:
        return len(self.groups)


@dataclass(frozen=True)
class Topic(Result):
    """A topic: a cluster of articles with a label."""

    id: int
    label: str
    size: int
    words: list[tuple[str, float]]
    """Words and phrases with their c-TF-IDF weights, the most telling first."""
    named: bool = False
    typical: list[Any] = field(default_factory=list)
    """Its most typical articles, nearest to the centroid first: ids, or rows where there is no corpus."""


@dataclass(frozen=True)
class Part(Result):
    """A part of a topic, a leaf of the tree."""

    id: int
    topic: int
    label: str
    size: int
    words: list[tuple[str, float]]


@dataclass(frozen=True)
class Branch(Result):
    """A branch of the tree of topics."""

    label: str
    size: int
    topic: int | None = None
    cost: float | None = None
    branches: list[Branch] = field(default_factory=list)

    def __str__(self) -> str:
        lines: list[str] = []

        def show(branch: Branch, depth: int) -> None:
            lines.append(f"{'  ' * depth}{branch.label} ({branch.size})")
            for inner in branch.branches:
                show(inner, depth + 1)

        show(self, 0)
        return "\n".join(lines)


@dataclass(frozen=True)
class Course(Result):
    """A topic's course over time."""

    topic: int
    label: str
    counts: list[int]
    shares: list[float]
    trend: str
    """``"emerging"``, ``"fading"`` or ``"steady"``."""
    z: float
    value: str | None = None


@dataclass(frozen=True)
class Timeline(Result):
    """Topics over time."""

    span: str
    spans: list[str]
    articles: list[int]
    courses: list[Course]
    undated: int = 0

    def to_pandas(self) -> Any:
        """A data frame with a row for each span and a column for each topic's count."""
        import pandas as pd

        def name(c: Course) -> str:
            return c.label if c.value is None else f"{c.label} ({c.value})"

        return pd.DataFrame({name(c): c.counts for c in self.courses}, index=pd.Index(self.spans, name=self.span))
