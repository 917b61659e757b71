"""Nearwise as components of Haystack: embedders of texts and documents, and a retriever.

>>> from haystack import Pipeline
>>> from nearwise.haystack import NearwiseRetriever
>>> pipeline = Pipeline()
>>> pipeline.add_component("retriever", NearwiseRetriever("articles.nearwise", top_k=5))
>>> pipeline.run({"retriever": {"query": "interest rates"}})["retriever"]["documents"]

Haystack reads saved pipelines with classes that it trusts only:
``Pipeline.loads(text, allowed_modules=["nearwise.haystack"])``.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Callable

from ._plugin import Model, missing
from .corpus import Corpus
from .encoder import Encoder
from .errors import ParameterError
from .filters import F, Filter

try:
    from haystack import Document, component, default_from_dict, default_to_dict
except ModuleNotFoundError as e:
    raise missing(e, __name__, "haystack", "haystack-ai") from None

__all__ = ["NearwiseDocumentEmbedder", "NearwiseRetriever", "NearwiseTextEmbedder"]


class _Embedder:
    """What both embedders have: a model by its name, loaded in ``warm_up``."""

    model: str | None

    def _hold(self, model: Any, device: str, dtype: str, truncate_dim: int | None, offline: bool) -> None:
        self._model = Model(model, device=device, dtype=dtype, truncate_dim=truncate_dim, offline=offline)
        self._named = {
            "model": None if model is None else str(model),
            "device": device,
            "dtype": dtype,
            "truncate_dim": truncate_dim,
            "offline": offline,
        }
        self._whole = not isinstance(model, Encoder)

    def _to_dict(self, **more: Any) -> dict[str, Any]:
        if not self._whole:
            raise ValueError("an embedder that was given an encoder cannot be saved; give it the model's name")
        return default_to_dict(self, **self._named, **more)

    def warm_up(self) -> None:
        """Loads the model."""
        self._model.encoder

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded when it is needed first."""
        return self._model.encoder


@component
class NearwiseTextEmbedder(_Embedder):
    """Embeds a query.

    Parameters are those of :class:`nearwise.Encoder`; ``prefix`` and ``suffix`` stand around the text,
    besides the model's own prompt.
    """

    def __init__(
        self,
        model: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        truncate_dim: int | None = None,
        offline: bool = False,
        prefix: str = "",
        suffix: str = "",
    ) -> None:
        self._hold(model, device, dtype, truncate_dim, offline)
        self.prefix, self.suffix = prefix, suffix

    def to_dict(self) -> dict[str, Any]:
        """The component as plain data."""
        return self._to_dict(prefix=self.prefix, suffix=self.suffix)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> NearwiseTextEmbedder:
        """The component that :meth:`to_dict` describes."""
        return default_from_dict(cls, data)

    @component.output_types(embedding=list[float], meta=dict[str, Any])
    def run(self, text: str) -> dict[str, Any]:
        """The vector of a text, ``embedding``; and ``meta``, with the model's name."""
        if not isinstance(text, str):
            raise TypeError(
                f"NearwiseTextEmbedder embeds a str, not {type(text).__name__}; documents are for NearwiseDocumentEmbedder"
            )
        vector = self.encoder.encode_query(self.prefix + text + self.suffix)
        return {"embedding": vector.tolist(), "meta": {"model": self.encoder.model}}


@component
class NearwiseDocumentEmbedder(_Embedder):
    """Embeds documents.

    Parameters are those of :class:`nearwise.Encoder`; of each document, the values of
    ``meta_fields_to_embed`` and the content are joined by ``embedding_separator``, between ``prefix`` and
    ``suffix``.
    """

    def __init__(
        self,
        model: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        truncate_dim: int | None = None,
        offline: bool = False,
        prefix: str = "",
        suffix: str = "",
        progress_bar: bool = False,
        meta_fields_to_embed: list[str] | None = None,
        embedding_separator: str = "\n",
    ) -> None:
        self._hold(model, device, dtype, truncate_dim, offline)
        self.prefix, self.suffix = prefix, suffix
        self.progress_bar = progress_bar
        self.meta_fields_to_embed = list(meta_fields_to_embed or [])
        self.embedding_separator = embedding_separator

    def to_dict(self) -> dict[str, Any]:
        """The component as plain data."""
        return self._to_dict(
            prefix=self.prefix,
            suffix=self.suffix,
            progress_bar=self.progress_bar,
            meta_fields_to_embed=self.meta_fields_to_embed,
            embedding_separator=self.embedding_separator,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> NearwiseDocumentEmbedder:
        """The component that :meth:`to_dict` describes."""
        return default_from_dict(cls, data)

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """Copies of the documents with their vectors, ``documents``; and ``meta``, with the model's name."""
        if not isinstance(documents, list) or not all(isinstance(d, Document) for d in documents):
            raise TypeError("NearwiseDocumentEmbedder embeds a list of Documents; a text is for NearwiseTextEmbedder")
        texts = []
        for document in documents:
            values = [document.meta.get(name) for name in self.meta_fields_to_embed]
            parts = [str(value) for value in values if value is not None] + [document.content or ""]
            texts.append(self.prefix + self.embedding_separator.join(parts) + self.suffix)
        vectors = self.encoder.encode_document(texts, show_progress_bar=self.progress_bar or None)
        embedded = [dataclasses.replace(d, embedding=v.tolist()) for d, v in zip(documents, vectors)]
        return {"documents": embedded, "meta": {"model": self.encoder.model}}


@component
class NearwiseRetriever:
    """Finds documents in a corpus.

    Parameters
    ----------
    path : str or path
        The corpus's file.
    top_k : int
        How many documents.
    by : str
        ``"meaning"``, ``"words"`` or ``"both"``.
    filters : dict, str or Filter, optional
        Filters of Haystack, or what :meth:`nearwise.Corpus.search` takes.
    diverse, fold, threshold, half_life
        As for :meth:`nearwise.Corpus.search`.
    model, device, offline
        What queries are embedded with, by default what the corpus was made with.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        top_k: int = 10,
        by: str = "meaning",
        filters: Any = None,
        diverse: float | None = None,
        fold: str | None = None,
        threshold: float | None = None,
        half_life: str | float | None = None,
        model: str | None = None,
        device: str = "auto",
        offline: bool = False,
    ) -> None:
        if top_k < 1:
            raise ParameterError(f"top_k: {top_k}; give 1 or more")
        self.path, self.top_k, self.by, self.filters = os.fspath(path), top_k, by, filters
        self.diverse, self.fold, self.threshold, self.half_life = diverse, fold, threshold, half_life
        self.model, self.device, self.offline = model, device, offline
        self._corpus: Corpus | None = None

    @property
    def corpus(self) -> Corpus:
        """The corpus, opened when it is needed first."""
        if self._corpus is None:
            self._corpus = Corpus(
                self.path, create=False, model=self.model, device=self.device, offline=self.offline
            )
        return self._corpus

    def warm_up(self) -> None:
        """Opens the corpus, and loads its model where one is needed."""
        if self.by != "words":
            self.corpus.encoder

    def to_dict(self) -> dict[str, Any]:
        """The component as plain data."""
        filters = self.filters.to_dict() if isinstance(self.filters, Filter) else self.filters
        names = ("path", "top_k", "by", "diverse", "fold", "threshold", "half_life", "model", "device", "offline")
        return default_to_dict(self, filters=filters, **{name: getattr(self, name) for name in names})

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> NearwiseRetriever:
        """The component that :meth:`to_dict` describes."""
        return default_from_dict(cls, data)

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str | None = None,
        query_embedding: list[float] | None = None,
        top_k: int | None = None,
        filters: Any = None,
    ) -> dict[str, Any]:
        """The documents that answer a query, or are nearest to a vector of the corpus's model, best first.

        ``filters`` stand in place of those of the component.
        """
        if (query is None) == (query_embedding is None):
            raise ParameterError("query: give a query or query_embedding, one of both")
        k = self.top_k if top_k is None else top_k
        if k < 1:
            raise ParameterError(f"top_k: {k}; give 1 or more")
        found = self.corpus.search(
            query_embedding if query is None else query,
            k,
            by=self.by,  # type: ignore[arg-type]
            filter=filter_of(self.filters if filters is None else filters),
            diverse=self.diverse,
            fold=self.fold,  # type: ignore[arg-type]
            threshold=self.threshold,
            half_life=self.half_life,
        )
        documents = []
        for hit in found:
            article = self.corpus.article(hit.id)
            own = {name: getattr(article, name) for name in ("title", "date", "url", "source")}
            meta = {**article.meta, **{name: value for name, value in own.items() if value}}
            meta["passage"] = hit.passage.text
            documents.append(Document(id=article.id, content=article.text, meta=meta, score=hit.score))
        return {"documents": documents}


_OPERATORS: dict[str, Callable[[Any, Any], Filter]] = {
    "==": lambda f, v: f == v,
    "!=": lambda f, v: f != v,
    ">": lambda f, v: f > v,
    ">=": lambda f, v: f >= v,
    "<": lambda f, v: f < v,
    "<=": lambda f, v: f <= v,
    "in": lambda f, v: f.isin(v),
    "not in": lambda f, v: ~f.isin(v),
}


def filter_of(filters: Any) -> Any:
    """Filters of Haystack as one of Nearwise."""
    if not isinstance(filters, dict) or "operator" not in filters:
        return filters or None
    operator = filters["operator"]
    if operator in ("AND", "OR", "NOT"):
        parts = [filter_of(part).to_dict() for part in filters.get("conditions", [])]
        if operator == "OR":
            return Filter({"or": parts})
        # Haystack's NOT of several is the contrary of all of them together.
        whole = Filter({"and": parts})
        return ~whole if operator == "NOT" else whole
    if "field" not in filters or "value" not in filters:
        raise ParameterError(f"filters: a comparison has a field, an operator and a value; this is {filters!r}")
    if operator not in _OPERATORS:
        raise ParameterError(f"filters: {operator!r} is no operator; use {', '.join(_OPERATORS)}, AND, OR, NOT")
    name = filters["field"].removeprefix("meta.")
    name = {"content": "text"}.get(name, name)
    return _OPERATORS[operator](F[name], filters["value"])
