"""Nearwise within LlamaIndex: a model that embeds, and a vector store that is a corpus.

>>> from llama_index.core import Document, StorageContext, VectorStoreIndex
>>> from nearwise.llama_index import NearwiseEmbedding, NearwiseVectorStore
>>> storage = StorageContext.from_defaults(vector_store=NearwiseVectorStore("notes.nearwise"))
>>> index = VectorStoreIndex.from_documents(documents, storage, embed_model=NearwiseEmbedding())
>>> index.as_retriever(similarity_top_k=3).retrieve("a question")
"""

from __future__ import annotations

import os
from typing import Any, Callable, Sequence

from ._plugin import Model, missing
from ._refuse import positive, refuse, several
from .corpus import Corpus
from .encoder import Encoder
from .errors import ParameterError, UnknownError
from .filters import F, Filter

try:
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.bridge.pydantic import Field, PrivateAttr
    from llama_index.core.schema import BaseNode, MetadataMode
    from llama_index.core.vector_stores.types import (
        BasePydanticVectorStore,
        FilterCondition,
        FilterOperator,
        MetadataFilters,
        VectorStoreQuery,
        VectorStoreQueryMode,
        VectorStoreQueryResult,
    )
    from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict
except ModuleNotFoundError as e:
    raise missing(e, __name__, "llama_index", "llama-index-core") from None

__all__ = ["NearwiseEmbedding", "NearwiseVectorStore"]


class NearwiseEmbedding(BaseEmbedding):
    """A model for LlamaIndex.

    Parameters are those of :class:`nearwise.Encoder`, the model under the name ``model_name``; an encoder
    that is there already is given as ``encoder``. Queries and texts get the model's own prompts, or
    ``query_prompt`` and ``document_prompt``, which may also be called ``query_instruction`` and
    ``text_instruction`` as ``HuggingFaceEmbedding`` calls them. ``normalize`` scales vectors to unit
    length, as many models do in any case.

    Raises
    ------
    TypeError
        A keyword is none of these and none of LlamaIndex's ``BaseEmbedding``.
    """

    device: str = Field(default="auto", description="The device, as nearwise.Encoder names it.")
    dtype: str = Field(default="auto", description="The dtype, as nearwise.Encoder names it.")
    truncate_dim: int | None = Field(default=None, description="Keeps the first values of each vector only.")
    offline: bool = Field(default=False, description="Uses no network.")
    query_prompt: str | None = Field(default=None, description="Stands in front of queries.")
    document_prompt: str | None = Field(default=None, description="Stands in front of texts.")
    normalize: bool = Field(default=False, description="Scales vectors to unit length.")

    _model: Model = PrivateAttr()

    def __init__(
        self,
        model_name: str | None = None,
        *,
        encoder: Encoder | None = None,
        embed_batch_size: int = 2048,
        **kwargs: Any,
    ) -> None:
        if encoder is not None and model_name is not None:
            raise TypeError("encoder stands in place of model_name; give one of both")
        for theirs, ours in _THEIRS.items():
            if theirs in kwargs:
                if ours in kwargs:
                    raise TypeError(f"{theirs} is another name of {ours}; give one of both")
                kwargs[ours] = kwargs.pop(theirs)
        there = type(self).model_fields
        for given, value in list(kwargs.items()):
            if given in there:
                continue
            if given in _INSTEAD and (value is None or value is False):
                del kwargs[given]  # It asks for nothing.
            elif given in _INSTEAD:
                refuse("NearwiseEmbedding", _INSTEAD[given], **{given: value})
            else:
                names = ", ".join(["encoder", *there])
                raise TypeError(f"NearwiseEmbedding got an unexpected keyword argument {given!r}; there are {names}")
        if kwargs.get("device", "auto") is None:
            kwargs["device"] = "auto"
        # Nearwise plans its batches by tokens, so LlamaIndex may hand over many texts.
        name = model_name if encoder is None else encoder.model
        super().__init__(model_name=name or "all-MiniLM-L6-v2", embed_batch_size=embed_batch_size, **kwargs)
        how = {"device": self.device, "dtype": self.dtype, "truncate_dim": self.truncate_dim, "offline": self.offline}
        self._model = Model(self.model_name if encoder is None else encoder, **how)

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex saves it."""
        return "NearwiseEmbedding"

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded when it is needed first."""
        return self._model.encoder

    def _get_query_embedding(self, query: str) -> list[float]:
        return self.encoder.encode_query(query, prompt=self.query_prompt, normalize_embeddings=self.normalize).tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._of_texts(text).tolist()

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._of_texts(list(texts)).tolist()

    def _of_texts(self, texts: Any) -> Any:
        return self.encoder.encode_document(texts, prompt=self.document_prompt, normalize_embeddings=self.normalize)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        import asyncio

        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        import asyncio

        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        import asyncio

        return await asyncio.to_thread(self._get_text_embeddings, texts)


#: Names that ``HuggingFaceEmbedding`` has for the same.
_THEIRS = {"query_instruction": "query_prompt", "text_instruction": "document_prompt"}
#: What else it has, and what to do instead.
_INSTEAD = {
    "max_length": "texts are cut at the length that the model's own files give",
    "pooling": "it is the one that the model's own files name",
    "model": "give model_name, or encoder",
    "tokenizer": "it is the model's own",
    "tokenizer_name": "it is the model's own",
    "cache_folder": "the environment variable NEARWISE_MODELS names the folder of models",
    "trust_remote_code": "leave it out: no code of a model's is run",
    "token": "the environment variable HF_TOKEN holds it",
    "backend": "leave it out: Nearwise computes by itself",
    "model_kwargs": "give dtype, or change the model's own files",
    "revision": "give it behind the model's name, as OWNER/NAME@REVISION",
    "parallel_process": "Nearwise works on all cores by itself",
    "target_devices": "give device",
    "show_progress_bar": "give show_progress to what embeds many texts, as LlamaIndex has it",
}


class NearwiseVectorStore(BasePydanticVectorStore):
    """A corpus as LlamaIndex's vector store: nodes with the vectors that LlamaIndex's embedding model made.

    ``path`` is the corpus's file, made where there is none; ``vectors_model`` names the model whose
    vectors these are, and vectors of another are refused.
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    path: str
    vectors_model: str = "llama-index"

    _corpus: Corpus = PrivateAttr()

    def __init__(self, path: str | os.PathLike[str], *, vectors_model: str = "llama-index") -> None:
        super().__init__(path=os.fspath(path), vectors_model=vectors_model)  # type: ignore[call-arg]
        self._corpus = Corpus(self.path)

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex saves it."""
        return "NearwiseVectorStore"

    @property
    def client(self) -> Corpus:
        """The corpus."""
        return self._corpus

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Adds nodes with their vectors; returns their ids."""
        for name in kwargs:
            raise TypeError(f"add got an unexpected keyword argument {name!r}")
        if not nodes:
            return []
        articles = []
        for node in nodes:
            meta = node_to_metadata_dict(node, remove_text=True, flat_metadata=False)
            text = node.get_content(metadata_mode=MetadataMode.NONE)
            # Under names of their own, so that a title in the metadata stays metadata.
            articles.append({**meta, _ID: node.node_id, _TEXT: text})
        columns = {"id": _ID, "text": _TEXT, "title": "\x00title", "date": "\x00date", "url": "\x00url"}
        columns["source"] = "\x00source"
        vectors = [node.get_embedding() for node in nodes]
        self._corpus.add(articles, vectors, columns=columns, vectors_model=self.vectors_model)
        return [node.node_id for node in nodes]

    def _node(self, id: str) -> BaseNode:
        article = self._corpus.article(id)
        return metadata_dict_to_node(dict(article.meta), text=article.text)

    def _ids(self, filter: Filter | None) -> list[str]:
        return self._corpus.to_arrow(filter=filter).column("id").to_pylist()

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """The nodes with these ids, or of these that a filter lets through; those not there are passed over."""
        if node_ids is not None and filters is None:
            nodes = []
            for id in several("node_ids", node_ids):
                try:
                    nodes.append(self._node(id))
                except UnknownError:
                    continue
            return nodes
        return [self._node(id) for id in self._ids(_both(filter_of(filters), node_ids))]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Deletes the nodes of a document."""
        for name in delete_kwargs:
            raise TypeError(f"delete got an unexpected keyword argument {name!r}")
        self._corpus.delete(self._ids(F["ref_doc_id"] == ref_doc_id) if len(self._corpus) else [])

    def delete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """Deletes the nodes with these ids, or of these those that a filter lets through."""
        for name in delete_kwargs:
            raise TypeError(f"delete_nodes got an unexpected keyword argument {name!r}")
        if node_ids is None and filters is None:
            raise ParameterError("node_ids: say which nodes are to be deleted; clear() deletes all")
        self._corpus.delete(self._ids(_both(filter_of(filters), node_ids)))

    def clear(self) -> None:
        """Deletes all nodes."""
        self._corpus.delete(self._ids(None))

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """The nodes that answer a query.

        The modes are ``default``, ``text_search`` (words), ``hybrid`` (both, by reciprocal rank fusion)
        and ``mmr`` (with ``mmr_threshold``, the weight of relevance, 0.5 by default; of the
        ``mmr_prefetch_k`` nearest, or of ``mmr_prefetch_factor`` times as many as are asked for, where
        these are given).

        Raises ``ParameterError`` for another mode, and for ``alpha`` and ``sparse_top_k``, which ranks that
        are fused have no use for.
        """
        how: dict[str, Any] = {}
        wanted: Any = query.query_embedding
        mode = VectorStoreQueryMode(query.mode)
        if mode is VectorStoreQueryMode.MMR:
            asked = kwargs.pop("mmr_threshold", query.mmr_threshold)
            how["diverse"] = 0.5 if asked is None else float(asked)
        elif mode is VectorStoreQueryMode.HYBRID:
            how.update(by="both", words=query.query_str or "")
        elif mode is VectorStoreQueryMode.TEXT_SEARCH:
            how["by"], wanted = "words", query.query_str
        elif mode is not VectorStoreQueryMode.DEFAULT:
            raise ParameterError(f"mode: {mode.value!r}; use default, text_search, hybrid or mmr")
        fetch = _fetched(kwargs, query.similarity_top_k) if mode is VectorStoreQueryMode.MMR else None
        for name in kwargs:
            raise TypeError(f"query got an unexpected keyword argument {name!r}")
        if query.alpha is not None and mode is VectorStoreQueryMode.HYBRID:
            raise ParameterError("alpha: ranks are fused, and scores are not weighed; leave it out")
        if query.sparse_top_k is not None and mode is VectorStoreQueryMode.HYBRID:
            raise ParameterError("sparse_top_k: as many hits of both kinds are fused as are needed; leave it out")
        if wanted is None:
            raise ParameterError("query: there is no vector, or no text, that this mode needs")
        filter = _both(filter_of(query.filters), query.node_ids or None)
        if query.doc_ids:
            of = F["ref_doc_id"].isin(query.doc_ids)
            filter = of if filter is None else filter & of
        k = query.hybrid_top_k if mode is VectorStoreQueryMode.HYBRID and query.hybrid_top_k else query.similarity_top_k
        if fetch is not None and len(self._corpus):
            # Of a few candidates alone: they are all there is.
            filter = F.id.isin([hit.id for hit in self._corpus.search(wanted, max(fetch, k), filter=filter)])
        hits = list(self._corpus.search(wanted, k, filter=filter, **how)) if len(self._corpus) else []
        return VectorStoreQueryResult(
            nodes=[self._node(hit.id) for hit in hits],
            similarities=[hit.score for hit in hits],
            ids=[hit.id for hit in hits],
        )


def _fetched(kwargs: dict[str, Any], k: int) -> int | None:
    """How many candidates MMR is to choose among, as LlamaIndex's other stores are told."""
    factor, number = kwargs.pop("mmr_prefetch_factor", None), kwargs.pop("mmr_prefetch_k", None)
    if factor is not None and number is not None:
        raise ParameterError("mmr_prefetch_factor: there is mmr_prefetch_k too; give one of both")
    if factor is not None:
        if not float(factor) >= 1:
            raise ParameterError(f"mmr_prefetch_factor: {factor}; give 1 or more")
        return int(k * float(factor))
    return positive("mmr_prefetch_k", number)


#: Keys of an article that no metadata has.
_ID, _TEXT = "\x00id", "\x00text"

_OPERATORS: dict[FilterOperator, Callable[[Any, Any], Filter]] = {
    FilterOperator.EQ: lambda f, v: f == v,
    FilterOperator.NE: lambda f, v: f != v,
    FilterOperator.GT: lambda f, v: f > v,
    FilterOperator.LT: lambda f, v: f < v,
    FilterOperator.GTE: lambda f, v: f >= v,
    FilterOperator.LTE: lambda f, v: f <= v,
    FilterOperator.IN: lambda f, v: f.isin(v),
    FilterOperator.NIN: lambda f, v: ~f.isin(v),
    FilterOperator.ANY: lambda f, v: f.isin(v),
    FilterOperator.ALL: lambda f, v: Filter({"and": [(f == one).to_dict() for one in v]}),
    FilterOperator.CONTAINS: lambda f, v: f == v,
    FilterOperator.TEXT_MATCH_INSENSITIVE: lambda f, v: f.contains(v),
    FilterOperator.IS_EMPTY: lambda f, v: f.is_null(),
}


def filter_of(filters: MetadataFilters | None) -> Filter | None:
    """Filters of LlamaIndex as one of Nearwise."""
    if filters is None or not filters.filters:
        return None
    parts = []
    for part in filters.filters:
        if isinstance(part, MetadataFilters):
            inner = filter_of(part)
            if inner is not None:
                parts.append(inner.to_dict())
            continue
        if part.operator not in _OPERATORS:
            raise ParameterError(f"filters: Nearwise has no {part.operator.value!r}; use text_match_insensitive")
        # In the metadata, also where an article has a field of this name.
        field = F[part.key]
        made = _OPERATORS[part.operator](field, part.value).to_dict()
        parts.append(_of_metadata(made))
    if filters.condition == FilterCondition.OR:
        return Filter({"or": parts})
    whole = Filter({"and": parts})
    return ~whole if filters.condition == FilterCondition.NOT else whole


def _of_metadata(data: Any) -> Any:
    """The same filter with each field that of the metadata."""
    if isinstance(data, list):
        return [_of_metadata(part) for part in data]
    if not isinstance(data, dict):
        return data
    out = {key: _of_metadata(value) for key, value in data.items()}
    if isinstance(out.get("field"), str):
        out["field"] = {"metadata": out["field"]}
    return out


def _both(filter: Filter | None, ids: list[str] | None) -> Filter | None:
    if ids is None:
        return filter
    among = F.id.isin(ids)
    return among if filter is None else filter & among
