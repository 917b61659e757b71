"""Nearwise within LangChain: embeddings, and a vector store that is a corpus.

>>> from nearwise.langchain import NearwiseEmbeddings, NearwiseVectorStore
>>> store = NearwiseVectorStore("notes.nearwise", NearwiseEmbeddings())
>>> store.add_texts(["a text"], metadatas=[{"section": "sport"}])
>>> store.similarity_search("a question", k=4, filter={"section": "sport"})
"""

from __future__ import annotations

import os
import tempfile
import uuid
from typing import Any, Callable, Iterable, Sequence

from ._plugin import Model, missing
from ._refuse import positive, several
from .corpus import Corpus
from .encoder import Encoder
from .errors import ParameterError, UnknownError, WrongModelError
from .filters import F, Filter

try:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import VectorStore
except ModuleNotFoundError as e:
    raise missing(e, __name__, "langchain_core", "langchain-core") from None

__all__ = ["NearwiseEmbeddings", "NearwiseVectorStore"]


class NearwiseEmbeddings(Embeddings):
    """A model for whatever takes LangChain's ``Embeddings``.

    Parameters are those of :class:`nearwise.Encoder`; ``model`` may be an encoder. Queries and documents
    get the model's own prompts.
    """

    def __init__(
        self,
        model: str | Encoder | None = None,
        device: str = "auto",
        dtype: str = "auto",
        truncate_dim: int | None = None,
        *,
        offline: bool = False,
    ) -> None:
        self._model = Model(model, device=device, dtype=dtype, truncate_dim=truncate_dim, offline=offline)

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded when it is needed first."""
        return self._model.encoder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text."""
        return self.encoder.encode_document(several("texts", texts)).tolist()

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        if not isinstance(text, str):
            raise TypeError(f"text is a str, not {type(text).__name__}")
        return self.encoder.encode_query(text).tolist()


class NearwiseVectorStore(VectorStore):
    """A corpus as LangChain's ``VectorStore``.

    Parameters
    ----------
    path : str or path
        The corpus's file, which is made where there is none. ``None`` keeps it in a temporary folder for
        as long as the store lives.
    embedding : Embeddings, optional
        :class:`NearwiseEmbeddings` (the default), whose model embeds all passages of a text, as a corpus
        does; or any other embeddings of LangChain, which give each text one vector.

    A text's metadata ``title``, ``date``, ``url`` and ``source`` are the article's own fields: the title
    stands in front of what is embedded, and dates are brought to one form. All else is kept as it is.
    Filters are a dict (``{"section": "sport", "words": {"$gt": 100}}``), or what
    :meth:`nearwise.Corpus.search` takes.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, embedding: Embeddings | None = None) -> None:
        self._embedding = NearwiseEmbeddings() if embedding is None else embedding
        self._own = isinstance(self._embedding, NearwiseEmbeddings)
        self._folder = None
        if path is None:
            self._folder = tempfile.TemporaryDirectory(prefix="nearwise-")
            path = os.path.join(self._folder.name, "store.nearwise")
        self.corpus = Corpus(path, encoder=self._embedding.encoder if self._own else None)
        """The corpus, for all that LangChain has no name for."""

    @property
    def embeddings(self) -> Embeddings:
        """The embeddings."""
        return self._embedding

    def _label(self) -> str:
        """The name of the embeddings by which vectors are stored: their class, and their model where they say
        which. Raises ``WrongModelError`` where the corpus's vectors are of others."""
        kind = type(self._embedding).__name__
        model = next((m for n in _MODEL if isinstance(m := getattr(self._embedding, n, None), str) and m), None)
        label = f"{kind} {model}" if model else kind
        stored = self.corpus.identity
        # Stores of before had the class alone.
        if stored is None or stored["model"] in (label, kind):
            return label if stored is None else str(stored["model"])
        raise WrongModelError(f"{self.corpus.path}: its vectors are of {stored['model']}, and these are of {label}")

    # In and out

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Adds texts, or replaces those of the same ids; returns their ids, made where none are given.

        ``batch_size`` adds and embeds so many at a time, each of which is kept when a later one fails.
        LangChain's indexing API gives it. All at once by default, which is the fastest.
        """
        _none("add_texts", kwargs)
        step = positive("batch_size", batch_size)
        texts = several("texts", texts)
        ids = None if ids is None else several("ids", ids)
        for name, given in (("metadatas", metadatas), ("ids", ids)):
            if given is not None and len(given) != len(texts):
                raise ParameterError(f"{name}: {len(given)} with {len(texts)} texts; give one for each")
        named = [(ids[i] if ids else None) or str(uuid.uuid4()) for i in range(len(texts))]
        metadatas = metadatas or [{}] * len(texts)
        articles = [{**(meta or {}), _ID: id, _TEXT: text} for id, text, meta in zip(named, texts, metadatas)]
        columns = {"id": _ID, "text": _TEXT}
        if not articles:
            return []
        for start in range(0, len(articles), step or len(articles)):
            some = slice(start, start + (step or len(articles)))
            if self._own:
                self.corpus.add(articles[some], columns=columns)
            else:
                vectors = self._embedding.embed_documents(texts[some])
                self.corpus.add(articles[some], vectors, columns=columns, vectors_model=self._label())
        return named

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:
        """Deletes texts by their ids; whether all were there."""
        _none("delete", kwargs)
        if ids is None:
            raise ParameterError("ids: say which texts are to be deleted")
        ids = several("ids", ids)
        there = [id for id in dict.fromkeys(ids) if id in self.corpus]
        self.corpus.delete(there)
        return len(there) == len(set(ids))

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents with these ids; those that are not there are passed over."""
        found = []
        for id in several("ids", ids):
            try:
                found.append(self._document(id))
            except UnknownError:
                continue
        return found

    def _document(self, id: str) -> Document:
        article = self.corpus.article(id)
        own = {name: getattr(article, name) for name in ("title", "date", "url", "source")}
        metadata = {**article.meta, **{name: value for name, value in own.items() if value}}
        return Document(id=article.id, page_content=article.text, metadata=metadata)

    # Searching

    def _search(self, query: str | list[float], k: int, filter: Any, **options: Any) -> Any:
        if not len(self.corpus):
            return []
        if isinstance(query, str) and not self._own and options.get("by", "meaning") != "words":
            options["words"] = query if options.get("by") == "both" else ""
            self._label()  # Vectors of another model are compared with nothing.
            query = self._embedding.embed_query(query)
        return self.corpus.search(query, k, filter=filter_of(filter), **options)

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The ``k`` documents nearest to a query. ``filter`` and all options of
        :meth:`nearwise.Corpus.search` may be given."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(  # type: ignore[override]
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """As :meth:`similarity_search`, each with its score: the cosine, unless ``by`` is another."""
        hits = self._search(query, k, kwargs.pop("filter", None), **kwargs)
        return [(self._document(hit.id), hit.score) for hit in hits]

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """The ``k`` documents nearest to a vector."""
        return [document for document, _ in self.similarity_search_with_score_by_vector(embedding, k, **kwargs)]

    def similarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """As :meth:`similarity_search_by_vector`, each with its cosine."""
        hits = self._search(embedding, k, kwargs.pop("filter", None), **kwargs)
        return [(self._document(hit.id), hit.score) for hit in hits]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int | None = None, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Documents that are near to a query and unlike each other. ``lambda_mult`` is the weight of
        relevance, 0 to 1. They are chosen of the ``fetch_k`` nearest, by default of 20, as LangChain has it,
        or of ``k`` where that is more."""
        return self._diverse(query, k, fetch_k, lambda_mult, **kwargs)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int | None = None,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """As :meth:`max_marginal_relevance_search`, for a vector."""
        return self._diverse(embedding, k, fetch_k, lambda_mult, **kwargs)

    def _diverse(self, query: Any, k: int, fetch_k: int | None, lambda_mult: float, **kwargs: Any) -> list[Document]:
        filter = kwargs.pop("filter", None)
        if fetch_k is None:
            fetch_k = max(_FETCHED, k)
        # Of a few candidates alone: they are all there is.
        near = [hit.id for hit in self._search(query, fetch_k, filter, **kwargs)]
        hits = self._search(query, k, F.id.isin(near), diverse=float(lambda_mult), **kwargs) if near else []
        return [self._document(hit.id) for hit in hits]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        # A cosine lies between -1 and 1, a relevance between 0 and 1.
        return lambda cosine: (cosine + 1.0) / 2.0

    # Made of

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        path: str | os.PathLike[str] | None = None,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> NearwiseVectorStore:
        """A store with these texts; ``path`` as for the class, ``batch_size`` as for :meth:`add_texts`."""
        _none("from_texts", kwargs)
        store = cls(path, embedding)
        store.add_texts(texts, metadatas, ids=ids, batch_size=batch_size)
        return store


#: Attributes by which LangChain's embeddings name their model.
_MODEL = ("model", "model_name", "model_id", "deployment")

#: Candidates of MMR where no number is given, as LangChain's own stores have it.
_FETCHED = 20

#: Keys of an article that no metadata has.
_ID, _TEXT = "\x00id", "\x00text"

_OPERATORS: dict[str, Callable[[Any, Any], Filter]] = {
    "$eq": lambda f, v: f == v,
    "$ne": lambda f, v: f != v,
    "$gt": lambda f, v: f > v,
    "$gte": lambda f, v: f >= v,
    "$lt": lambda f, v: f < v,
    "$lte": lambda f, v: f <= v,
    "$in": lambda f, v: f.isin(v),
    "$nin": lambda f, v: ~f.isin(v),
    "$between": lambda f, v: f.between(*v),
    "$contains": lambda f, v: f.contains(v),
    "$exists": lambda f, v: ~f.is_null() if v else f.is_null(),
}
#: What a filter of Nearwise as data begins with.
_DATA = ({"and"}, {"or"}, {"not"}, {"compare"}, {"in"}, {"between"}, {"contains"}, {"is_null"})


def filter_of(filter: Any) -> Any:
    """A filter of LangChain as one of Nearwise."""
    if callable(filter) and not isinstance(filter, Filter):
        raise TypeError("filter is a dict, a str or a nearwise.Filter; a function would have to see every document")
    if not isinstance(filter, dict) or (set(filter) in _DATA and isinstance(next(iter(filter.values())), (dict, list))):
        return filter
    return _all([_condition(name, value) for name, value in filter.items()]) if filter else None


def _condition(name: str, value: Any) -> Filter:
    if name == "$and":
        return _all([filter_of(part) for part in value])
    if name == "$or":
        return Filter({"or": [filter_of(part).to_dict() for part in value]})
    if name == "$not":
        return ~filter_of(value)
    if name.startswith("$"):
        raise ParameterError(f"filter: {name!r} stands where a field's name or $and, $or, $not would")
    field = F[name]
    if isinstance(value, dict):
        for operator in value:
            if operator not in _OPERATORS:
                raise ParameterError(f"filter: {operator!r} is no operator; use {', '.join(_OPERATORS)}")
        return _all([_OPERATORS[operator](field, operand) for operator, operand in value.items()])
    if isinstance(value, (list, tuple, set)):
        return field.isin(value)
    return field == value


def _all(parts: list[Filter]) -> Filter:
    return parts[0] if len(parts) == 1 else Filter({"and": [part.to_dict() for part in parts]})


def _none(what: str, kwargs: dict[str, Any]) -> None:
    """Refuses keywords by name."""
    for name in kwargs:
        raise TypeError(f"{what} got an unexpected keyword argument {name!r}")
