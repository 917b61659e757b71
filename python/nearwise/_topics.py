"""Topics of vectors that you have already."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterable, Mapping

from . import _nearwise
from ._listen import Listening
from ._refuse import article_id, choice, number, positive, whole
from ._results import Branch, Part, Topic, made
from ._texts import texts_of
from ._vectors import matrix
from .encoder import Encoder
from .errors import ParameterError

if TYPE_CHECKING:
    import numpy as np

METHODS = ("tree", "kmeans", "leiden", "hdbscan", "gaussian-mixture")


def topic_options(
    k: int | None,
    seed: int,
    method: str,
    min_size: int | None,
    resolution: float | None,
    batch_size: int | None,
    min_similarity: float | None,
    guides: Iterable[dict[str, Any]],
) -> str:
    """Options as the library reads them."""
    options = {
        "k": positive("k", k),
        "seed": whole("seed", seed),
        "method": choice("method", str(method).replace("_", "-").lower(), METHODS),
        "min_size": positive("min_size", min_size),
        "resolution": number("resolution", resolution),
        "batch_size": positive("batch_size", batch_size),
        "min_similarity": number("min_similarity", min_similarity),
        "guides": [_guide(guide) for guide in guides],
    }
    return json.dumps(options)


_GUIDE = ("name", "description", "words", "articles", "threshold")


def _guide(guide: Any) -> dict[str, Any]:
    """A topic that the user describes, as the library reads it."""
    if not isinstance(guide, Mapping) or "name" not in guide:
        raise ParameterError(f"guides: {guide!r} is no dict with a name")
    for key in guide:
        choice("guides", key, _GUIDE)
    out = dict(guide)
    if "articles" in out:
        out["articles"] = [article_id("guides", a) for a in out["articles"]]
    if "words" in out:
        out["words"] = [str(word) for word in out["words"]]
    if "threshold" in out:
        out["threshold"] = number("guides", out["threshold"])
    return out


@dataclass(frozen=True, eq=False)
class FoundTopics:
    """Topics of vectors."""

    labels: np.ndarray
    """The topic of each vector, int64; -1 where it is in none."""
    topics: list[Topic]
    """The topics, largest first; ``typical`` are rows."""
    parts: list[Part]
    """The parts of topics, the leaves of the tree."""
    part_labels: np.ndarray
    """The part of each vector, int64; -1 where it is in none."""
    similarities: np.ndarray
    """The cosine of each vector to the centroid of its topic, or to the nearest; float32."""
    centroids: np.ndarray
    """float32 of shape (topics, dimensions), of unit length."""
    tree: Branch | None
    """How topics and their parts nest."""
    silhouette: float
    """Mean silhouette under cosine distance, -1 to 1."""
    found_by: str
    """The method."""

    def __len__(self) -> int:
        return len(self.topics)

    def __iter__(self) -> Any:
        return iter(self.topics)

    @property
    def terms(self) -> list[list[str]]:
        """The words and phrases of each topic, the most telling first."""
        return [[word for word, _ in topic.words] for topic in self.topics]

    def __repr__(self) -> str:
        return f"FoundTopics({len(self.topics)} topics of {len(self.labels)} vectors, {(self.labels < 0).sum()} in none)"


def topics(
    vectors: Any,
    texts: Iterable[str] | None = None,
    *,
    titles: Iterable[str] | None = None,
    k: int | None = None,
    method: str = "tree",
    min_size: int | None = None,
    min_similarity: float | None = None,
    resolution: float | None = None,
    batch_size: int | None = None,
    seed: int = 42,
    guides: Iterable[dict[str, Any]] = (),
    encoder: Encoder | None = None,
    device: str = "auto",
    show_progress_bar: bool | None = None,
) -> FoundTopics:
    """Finds the topics of vectors: clusters, their labels, their parts, and the tree that these make.

    Parameters
    ----------
    vectors : array of shape (n, dimensions)
        Numbers: a NumPy array of any float type, a list of lists, a tensor, a column of lists. Those not
        of unit length are taken as if they were.
    texts, titles : iterable of str, optional
        The text of each vector, for labels and terms; and its title, where it has one. Without texts,
        topics are labelled by their numbers.
    k : int, optional
        The number of topics; chosen where it is not given.
    method : str
        ``"tree"``, ``"kmeans"``, ``"leiden"``, ``"hdbscan"`` or ``"gaussian-mixture"``.
    min_size : int, optional
        The fewest vectors of a topic, where the number of topics is chosen; not together with ``k``.
    min_similarity : float, optional
        The cosine to its topic's centroid below which a vector is in no topic.
    resolution, batch_size, seed
        Of leiden, of kmeans, and of all that is random: the same input gives the same topics.
    guides : list of dict
        Topics that you describe: ``{"name": …, "description": …, "words": […], "articles": [rows]}``;
        needs ``encoder``.
    encoder : Encoder, optional
        The encoder of the vectors: labels are then ranked by meaning as well.

    Raises
    ------
    TypeError, ValueError
        The vectors are no numbers, of several lengths, none at all, or hold a value that is no finite
        number; there are more or fewer texts; an option cannot be used; nothing is dense enough to be a
        topic (``NoResultError``).
    """
    array = matrix("vectors", vectors)
    if array.size == 0:
        raise ParameterError("vectors: there are none")
    if array.ndim != 2:
        raise ParameterError(f"vectors: an array of shape {array.shape}; give vectors of shape (n, dimensions)")
    if encoder is not None and not isinstance(encoder, Encoder):
        raise TypeError(f"encoder is a nearwise.Encoder, not {type(encoder).__name__}")
    if titles is not None and texts is None:
        raise ParameterError("titles: there are no texts that they could be titles of")
    options = topic_options(k, seed, method, min_size, resolution, batch_size, min_similarity, guides)
    with Listening(bool(show_progress_bar)) as listener:
        told, labels, parts, similarities, centroids = _nearwise.topics(
            array,
            None if texts is None else texts_of(texts, "texts")[0],
            None if titles is None else texts_of(titles, "titles")[0],
            options,
            str(device),
            None if encoder is None else encoder._inner,
            listener,
        )
    said = json.loads(told)
    return FoundTopics(
        labels=labels,
        topics=[made(Topic, {"id": i, **t}) for i, t in enumerate(said["topics"])],
        parts=[made(Part, {"id": i, **p}) for i, p in enumerate(said["parts"])],
        part_labels=parts,
        similarities=similarities,
        centroids=centroids,
        tree=made(Branch, said["tree"]),
        silhouette=said["silhouette"],
        found_by=said["found_by"],
    )
