"""Articles as a Lance dataset: on a file system or an object storage, as large as a cluster makes it.

>>> from nearwise.lance import Dataset, from_lance, to_lance
>>> to_lance(corpus, "s3://bucket/articles.lance")
>>> dataset = Dataset("s3://bucket/articles.lance")
>>> dataset.search("interest rates", k=10, filter='date >= 2024')

A dataset has a row for each passage (see ``docs/scale.md``); :mod:`nearwise.ray` writes one on many
machines. ``storage_options`` are Lance's: keys, region and address of an object storage.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Iterable, Mapping

from ._plugin import missing
from ._refuse import article_id, article_ids, is_id
from ._results import Article, Found, Hit, Passage, StoredPassage, Topic, made
from ._vectors import finite, matrix
from .encoder import Encoder, in_its_place
from .errors import Error, NothingYetError, ParameterError, UnknownError

try:
    import lance
except ModuleNotFoundError as e:
    raise missing(e, __name__, "lance", "pylance") from None

import numpy as np

from ._lance_carry import CHUNK, Carried, from_lance, to_lance
from ._lance_filter import Conditions
from ._lance_io import about_of, opened, quoted
from ._lance_table import TOPICS, check_identity, identity_of, prompts_of

if TYPE_CHECKING:
    from ._topics import FoundTopics

__all__ = ["Carried", "Dataset", "from_lance", "to_lance"]

#: Passages from which on an index pays: fewer are compared one by one in some milliseconds.
INDEX_FROM = 10_000
#: Passages of one partition of the index, about.
PARTITION = 4096
#: Candidates of an index whose exact cosines are computed, for each that is wanted.
REFINE = 10
#: Of how many candidates the n-th of diverse hits is chosen, as for a corpus.
POOL, FOR_EACH = 100, 5


class Dataset:
    """A Lance dataset of articles, for searching.

    Parameters
    ----------
    uri : str or path
        Where it is: a folder, or an address such as ``s3://bucket/name.lance``.
    encoder : Encoder, optional
        What queries are embedded with; else the model that the dataset names is loaded when it is needed
        first, as ``model``, ``device``, ``dtype`` and ``offline`` say.
    storage_options : dict, optional
        As Lance takes them.

    Each method sees the dataset as it is when it is called.

    Raises
    ------
    NotFoundError, NotACorpusError
        There is nothing, or no dataset that Nearwise wrote.
    """

    def __init__(
        self,
        uri: str | os.PathLike[str],
        *,
        encoder: Encoder | None = None,
        model: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        offline: bool = False,
        storage_options: Mapping[str, str] | None = None,
    ) -> None:
        in_its_place(encoder, {"model": model, "device": device, "dtype": dtype, "offline": offline})
        self.uri = os.fspath(uri)
        self.storage_options = dict(storage_options or {}) or None
        self._lance = opened(self.uri, self.storage_options)
        self._about = about_of(self.uri, self._lance)
        self._encoder = encoder
        self._how: dict[str, Any] = {"device": device, "dtype": dtype, "offline": offline}
        self._model = model
        if encoder is not None:
            check_identity(self.uri, self.identity, identity_of(encoder), dtype=False)

    def __repr__(self) -> str:
        return f"nearwise.lance.Dataset({self.uri!r}, {len(self)} articles)"

    @property
    def lance(self) -> Any:
        """The ``lance.LanceDataset``, its latest version."""
        self._lance.checkout_latest()
        return self._lance

    def __len__(self) -> int:
        """How many articles there are."""
        return self.lance.count_rows("passage = 0")

    def __contains__(self, id: object) -> bool:
        """Whether there is an article with this id."""
        if not is_id(id):
            return False
        return self.lance.count_rows(f"id = {quoted(article_id('id', id))} AND passage = 0") > 0

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of articles, passages and topics."""
        return {"articles": len(self), "passages": self.lance.count_rows(), "topics": len(self._topics() or ())}

    @property
    def identity(self) -> dict[str, Any]:
        """The model that made the vectors."""
        return dict(self._about["identity"])

    @property
    def fields(self) -> list[str]:
        """The fields that a filter may name."""
        return self._conditions().names

    @property
    def encoder(self) -> Encoder:
        """The encoder of the dataset's vectors, loaded when it is asked for first."""
        if self._encoder is None:
            self._encoder = self._load()
        return self._encoder

    def _load(self) -> Encoder:
        """The model that made the vectors, by its name; at the revision that is stored where that is another."""
        stored = self.identity
        names = [self._model or stored["model"]]
        if self._model is None and stored["revision"] not in ("local", "external", ""):
            names.append(f"{stored['model']}@{stored['revision']}")
        for name in names:
            try:
                how = dict(self._how)
                encoder = Encoder(name, **how)
                if encoder.dimensions > stored["dim"]:
                    how["truncate_dim"] = stored["dim"]
                prompts = self._about.get("prompts")
                if prompts is not None and prompts != prompts_of(encoder):
                    how.update(query_prompt=prompts["query"], document_prompt=prompts["document"])
                if how != self._how:
                    encoder = Encoder(name, **how)
                check_identity(self.uri, stored, identity_of(encoder), dtype=False)
                return encoder
            except Error:
                if name == names[-1]:
                    raise
        raise AssertionError("there is a name")

    def _conditions(self) -> Conditions:
        data = self.lance
        types = {name: data.schema.field(name).type for name in self._about["fields"]}
        labels = self._topics() if "topic" in data.schema.names else None
        return Conditions(types, None if labels is None else [t["label"] for t in labels])

    def _stored(self) -> dict[str, Any] | None:
        told = (self.lance.schema.metadata or {}).get(TOPICS)
        return None if told is None else json.loads(told)

    def _topics(self) -> list[dict[str, Any]] | None:
        stored = self._stored()
        return None if stored is None else stored["topics"]

    @property
    def topics(self) -> list[Topic]:
        """The topics, largest first, each with the ids of its most typical articles of the sample.

        Raises ``NothingYetError`` where none were found yet.
        """
        topics = self._topics()
        if topics is None:
            raise NothingYetError(f"{self.uri}: no topics were found yet; find them by fit_topics")
        return [made(Topic, topic) for topic in topics]

    def article(self, id: str | int) -> Article:
        """The article with this id. Raises ``UnknownError`` (a ``KeyError``) where there is none."""
        id = article_id("id", id)
        found = self._articles([id]).get(id)
        if found is None:
            raise UnknownError(f"no article has the id {id!r}")
        ranges = self.lance.to_table(columns=["passage", "start", "end", "tokens"], filter=f"id = {quoted(id)}")
        ranges = ranges.sort_by("passage").to_pylist()
        passages = [StoredPassage(range=(r["start"], r["end"]), tokens=r["tokens"]) for r in ranges]
        topic = found.get("topic")
        labels = self._topics()
        return Article(
            id=id,
            title=found["title"] or "",
            text=found["article_text"],
            date=found["date"],
            source=found["source"],
            url=found["url"],
            meta=json.loads(found["metadata"] or "{}"),
            origin=found["origin"] or "",
            topic=topic,
            topic_label=labels[topic]["label"] if labels and topic is not None and topic >= 0 else None,
            passages=passages,
        )

    __getitem__ = article

    def _articles(self, ids: Iterable[str], vectors: bool = False) -> dict[str, dict[str, Any]]:
        """What there is once for each article."""
        among = ", ".join(quoted(id) for id in ids)
        if not among:
            return {}
        data = self.lance
        names = ["id", "title", "date", "source", "url", "article_text", "origin", "metadata"]
        names += [n for n in ("topic",) if n in data.schema.names] + (["article_vector"] if vectors else [])
        table = data.to_table(columns=names, filter=f"id IN ({among}) AND passage = 0")
        return {row["id"]: row for row in table.to_pylist()}

    # Searching

    def search(
        self,
        query: Any,
        k: int = 10,
        *,
        offset: int = 0,
        filter: Any = None,
        by: str = "meaning",
        mode: str = "auto",
        threshold: float | None = None,
        diverse: float | bool | None = None,
        fold: Any = None,
        half_life: Any = None,
        now: str | None = None,
        facets: Iterable[str] = (),
        facets_limit: int | None = None,
        sentences: bool = False,
        words: str = "",
    ) -> Found:
        """Finds the articles whose best passage is nearest to a query.

        Options are those of :meth:`nearwise.Corpus.search`. ``mode="exact"`` compares every vector,
        ``"approximate"`` uses the index and fails where there is none, ``"auto"`` uses it where there is
        one. What needs all of a corpus at hand (``by`` words or both, ``fold``, ``half_life``, ``facets``,
        ``sentences``) is refused by name; :func:`from_lance` makes a corpus.
        """
        self._refuse("search", by=by, fold=fold, half_life=half_life, now=now, facets=facets)
        self._refuse("search", facets_limit=facets_limit, sentences=sentences, words=words)
        if isinstance(query, str):
            vector = self.encoder.encode_query(query)
        else:
            vector = matrix("query", query)
        return self._nearest("query", "vector", vector, k, offset, filter, mode, threshold, diverse, ())

    def similar(
        self,
        like: Any,
        k: int = 10,
        *,
        unlike: Any = (),
        filter: Any = None,
        offset: int = 0,
        mode: str = "auto",
        threshold: float | None = None,
        diverse: float | bool | None = None,
        fold: Any = None,
        half_life: Any = None,
        now: str | None = None,
        facets: Iterable[str] = (),
        facets_limit: int | None = None,
    ) -> Found:
        """The articles most like one or several, which are ids or vectors; ``unlike`` is refused, as are the
        options that :meth:`search` refuses."""
        self._refuse("similar", unlike=unlike, fold=fold, half_life=half_life, now=now, facets=facets)
        self._refuse("similar", facets_limit=facets_limit)
        several = isinstance(like, (list, tuple)) and not (like and isinstance(like[0], (int, float)))
        examples = list(like) if several else [article_id("like", like) if is_id(like) else like]
        if not examples:
            raise ParameterError("like: give an id or a vector at least")
        ids = [example for example in examples if isinstance(example, str)]
        known = self._articles(ids, vectors=True)
        vectors = []
        for example in examples:
            if isinstance(example, str):
                if example not in known:
                    raise UnknownError(f"no article has the id {example!r}")
                example = known[example]["article_vector"]
            vectors.append(_unit(matrix("like", np.asarray(example, dtype=np.float32))))
        mean = np.mean(vectors, axis=0)
        return self._nearest("like", "article_vector", mean, k, offset, filter, mode, threshold, diverse, ids)

    def _refuse(self, what: str, **options: Any) -> None:
        usual = {"by": "meaning", "facets": (), "unlike": (), "sentences": False, "words": ""}
        # What a corpus has by default, or takes for nothing.
        also = {"fold": False, "facets_limit": 10}
        for name, value in options.items():
            if name in ("facets", "unlike") and not isinstance(value, str):
                value = tuple(value)
            if value != usual.get(name) and (name not in also or value != also[name]):
                raise TypeError(
                    f"{what} over a Lance dataset does not support {name}={value!r}; a corpus does, see from_lance"
                )

    def _nearest(
        self,
        what: str,
        column: str,
        vector: np.ndarray,
        k: int,
        offset: int,
        filter: Any,
        mode: str,
        threshold: float | None,
        diverse: float | bool | None,
        without: Iterable[str],
    ) -> Found:
        dim = self.identity["dim"]
        finite(what, vector)
        if vector.shape != (dim,):
            raise ParameterError(f"{what}: an array of shape {vector.shape}; the dataset's vectors have {dim} values")
        if mode not in ("auto", "exact", "approximate"):
            raise ParameterError(f"mode: {mode!r}; use auto, exact or approximate")
        for name, number in (("k", k), ("offset", offset)):
            if isinstance(number, bool) or not hasattr(number, "__index__") or number < 0:
                raise ParameterError(f"{name}: {number!r}; give a whole number from 0 on")
        if threshold is not None and not -1.0 <= threshold <= 1.0:
            raise ParameterError(f"threshold: {threshold}; give a cosine, from -1 to 1")
        weight = 0.8 if diverse is True else None if diverse is False or diverse is None else float(diverse)
        if weight is not None and not 0.0 <= weight <= 1.0:
            raise ParameterError(f"diverse: {weight}; give a weight from 0 to 1")
        indexed = column in _indexed(self.lance)
        if mode == "approximate" and not indexed:
            raise NothingYetError(f"{self.uri}: there is no index of {column}; make one by index()")
        exact = mode == "exact" or not indexed
        condition = self._conditions().compile(filter)
        without = set(without)
        wanted = k + offset + 1
        if weight is not None:
            wanted = max(POOL, FOR_EACH * wanted)
        hits = self._candidates(column, vector, wanted + len(without), condition, exact, threshold)
        hits = [hit for hit in hits if hit["id"] not in without]
        if weight is not None:
            known = self._articles([hit["id"] for hit in hits], vectors=True)
            vectors = np.array([known[hit["id"]]["article_vector"] for hit in hits], dtype=np.float32)
            hits = [hits[i] for i in _chosen(weight, [hit["score"] for hit in hits], vectors, k + offset + 1)]
        page = hits[offset : offset + k]
        return Found(hits=self._hits(page), exact=exact, more=len(hits) > offset + k)

    def _candidates(
        self, column: str, vector: np.ndarray, wanted: int, condition: str | None, exact: bool, threshold: float | None
    ) -> list[dict[str, Any]]:
        """The best passage of each of the nearest articles, best first."""
        data = self.lance
        most = data.count_rows()
        # An article may have several near passages.
        fetched = wanted if column == "article_vector" else 2 * wanted + 16
        while True:
            # No more than there are: Lance makes room for as many.
            nearest: dict[str, Any] = {"column": column, "q": vector.astype(np.float32), "metric": "cosine"}
            nearest.update(k=max(1, min(fetched, most)), use_index=not exact)
            if not exact:
                nearest["refine_factor"] = REFINE
            names = ["id", "title", "date", "source", "url", "start", "end", "_distance"]
            table = data.to_table(columns=names, nearest=nearest, filter=condition, prefilter=condition is not None)
            best: dict[str, dict[str, Any]] = {}
            for row in table.to_pylist():
                row["score"] = 1.0 - row.pop("_distance")
                best.setdefault(row["id"], row)
            if len(best) >= wanted or table.num_rows < fetched or fetched >= most:
                hits = sorted(best.values(), key=lambda row: -row["score"])
                return [hit for hit in hits if threshold is None or hit["score"] >= threshold][:wanted]
            fetched *= 4

    def _hits(self, page: list[dict[str, Any]]) -> list[Hit]:
        known = self._articles([hit["id"] for hit in page])
        hits = []
        for hit in page:
            text = known[hit["id"]]["article_text"].encode()[hit["start"] : hit["end"]].decode(errors="replace")
            passage = Passage(text=text, range=(hit["start"], hit["end"]))
            own = {name: hit[name] for name in ("id", "date", "source", "url", "score")}
            hits.append(Hit(**own, title=hit["title"] or "", passage=passage, cosine=hit["score"]))
        return hits

    # Keeping

    def delete(self, ids: str | int | Iterable[str | int]) -> int:
        """Deletes articles; ids that are not there are passed over. Returns how many were."""
        names = list(dict.fromkeys(article_ids("ids", ids)))
        before = len(self)
        for start in range(0, len(names), CHUNK):
            among = ", ".join(quoted(id) for id in names[start : start + CHUNK])
            self.lance.delete(f"id IN ({among})")
        return before - len(self)

    def index(self, num_partitions: int | None = None, *, force: bool = False) -> list[str]:
        """Makes the indices by the cosine, of passages and of articles, and of ids; returns which are there.

        Few passages (under 10,000) need none, and get one by ``force`` only, 256 at least. After an index
        was made, what is added later is compared one by one until this is called again.
        """
        data = self.lance
        for column, rows in (("vector", data.count_rows()), ("article_vector", len(self))):
            if rows < 256 or (rows < INDEX_FROM and not force):
                continue
            parts = num_partitions or max(1, rows // PARTITION)
            dim = self.identity["dim"]
            # Eight values in a byte where they can be divided so.
            width = next(w for w in (8, 4, 2, 1) if dim % w == 0)
            data.create_index(
                column,
                "IVF_PQ",
                name=column,
                metric="cosine",
                num_partitions=parts,
                num_sub_vectors=dim // width,
                replace=True,
            )
        if data.count_rows() >= INDEX_FROM or force:
            data.create_scalar_index("id", "BTREE", name="id", replace=True)
        return sorted(_indexed(self.lance))

    def compact(self) -> None:
        """Joins small files into large ones: after a load, not during one."""
        self.lance.optimize.compact_files()
        self.lance.cleanup_old_versions()

    def fit_topics(self, k: int | None = None, **options: Any) -> FoundTopics:
        """Finds topics on this machine; see :func:`nearwise.ray.topics`, which does it on many."""
        from ._lance_topics import fit

        return fit(self, k, None, **options)


def _indexed(data: Any) -> set[str]:
    return {index["name"] for index in data.list_indices()}


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _chosen(weight: float, relevance: list[float], vectors: np.ndarray, n: int) -> list[int]:
    """Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998), as in a corpus."""
    chosen: list[int] = []
    scores = np.array(relevance, dtype=np.float32)
    nearest = np.full(len(scores), -np.inf, dtype=np.float32)
    for place in range(1, min(n, len(scores)) + 1):
        pool = min(max(POOL, FOR_EACH * place), len(scores))
        unlike = np.zeros(len(scores), dtype=np.float32) if not chosen else nearest
        marginal = weight * scores - (1.0 - weight) * unlike
        marginal[chosen] = -np.inf
        best = int(np.argmax(marginal[:pool]))
        chosen.append(best)
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return chosen
