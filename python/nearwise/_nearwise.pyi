"""The compiled part; not for direct use."""

from os import PathLike
from pathlib import Path
from typing import Any, Callable, Iterator, final

_Listener = Callable[[str, str, int, int | None], None]

__all__ = [
    "__version__",
    "Corpus",
    "Encoder",
    "Pieces",
    "Reranker",
    "Table",
    "dates",
    "embed_articles",
    "embed_unless",
    "filter_data",
    "quantize",
    "topics",
    "write_file",
]

__version__: str

@final
class Encoder:
    def __new__(
        cls,
        model: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        truncate_dim: int | None = None,
        offline: bool = False,
        threads: int | None = None,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        listener: _Listener | None = None,
    ) -> Encoder: ...
    def encode(
        self,
        texts: Any,
        prompt_kind: str,
        prompt_value: str | None = None,
        normalize: bool = False,
        dimensions: int | None = None,
        batch_tokens: int | None = None,
    ) -> Any: ...
    def encode_tokens(
        self, texts: Any, prompt_kind: str, prompt_value: str | None = None
    ) -> tuple[Any, list[int]]: ...
    def tokenize(self, texts: Any, prompt_kind: str, prompt_value: str | None = None) -> list[list[int]]: ...
    def prompts(self) -> tuple[dict[str, str], str | None, str, str]: ...
    @property
    def model(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def hash(self) -> str: ...
    @property
    def dimensions(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def similarity_fn_name(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def about(self) -> str: ...

@final
class Reranker:
    def __new__(
        cls,
        model: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        offline: bool = False,
        threads: int | None = None,
        listener: _Listener | None = None,
    ) -> Reranker: ...
    def scores(self, first: Any, second: Any) -> Any: ...
    def rank(
        self, query: str, texts: Any, top: int | None = None, passages: bool = False, label: str | None = None
    ) -> list[tuple[int, float, tuple[int, int] | None, int]]: ...
    @property
    def model(self) -> str: ...
    @property
    def labels(self) -> list[str]: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def dtype(self) -> str: ...
    @property
    def device(self) -> str: ...

@final
class Table:
    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...
    def __len__(self) -> int: ...
    def columns(self) -> list[str]: ...

@final
class Pieces:
    def __new__(cls, corpus: Corpus) -> Pieces: ...
    def __len__(self) -> int: ...
    def next(self, most: int) -> tuple[list[Any], tuple[Any, Any, Any, Any, Any, Any]]: ...

@final
class Corpus:
    def __new__(cls, path: str | PathLike[str], how: str) -> Corpus: ...
    @property
    def path(self) -> Path: ...
    def about(self) -> tuple[str, str, list[str]]: ...
    def articles(self) -> int: ...
    def encoder(
        self,
        model: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        dimensions: int | None = None,
        offline: bool = False,
        threads: int | None = None,
        listener: _Listener | None = None,
    ) -> Encoder: ...
    def add(
        self,
        batches: Iterator[Any],
        vectors: Any = None,
        external: str | None = None,
        encoder: Encoder | None = None,
        listener: _Listener | None = None,
    ) -> str: ...
    def embed(self, encoder: Encoder, listener: _Listener | None = None) -> str: ...
    def index(
        self,
        paths: list[str],
        encoder: Encoder,
        columns: dict[str, str],
        exclude: list[str],
        skip_bad: bool = False,
        prune: bool = False,
        prune_most: bool = False,
        id_prefix: str = "",
        replace: bool = False,
        listener: _Listener | None = None,
    ) -> str: ...
    def search(
        self,
        query: str,
        search: str,
        filter: tuple[bool, str] | None = None,
        encoder: Encoder | None = None,
        vector: Any = None,
    ) -> str: ...
    def search_many(
        self, queries: list[str], search: str, encoder: Encoder, filter: tuple[bool, str] | None = None
    ) -> str: ...
    def similar(
        self,
        like: list[str],
        unlike: list[str],
        like_vectors: list[list[float]],
        unlike_vectors: list[list[float]],
        search: str,
        filter: tuple[bool, str] | None = None,
    ) -> str: ...
    def duplicates(
        self,
        by: str,
        threshold: float | None = None,
        limit: int | None = None,
        members: int | None = None,
        reworded: bool = False,
        listener: _Listener | None = None,
    ) -> str: ...
    def article(self, id: str) -> str | None: ...
    def contains(self, id: str) -> bool: ...
    def delete(self, ids: list[str]) -> int: ...
    def table(self, filter: tuple[bool, str] | None = None, vectors: bool = False) -> Table: ...
    def fit_topics(
        self, find: str, device: str = "auto", encoder: Encoder | None = None, listener: _Listener | None = None
    ) -> None: ...
    def topics(self) -> str: ...
    def members(self) -> list[tuple[str, int]]: ...
    def tree(self, cut: int | None = None) -> str: ...
    def over_time(self, span: str | None = None, field: str | None = None) -> str: ...
    def rename_topic(self, id: int, label: str) -> None: ...
    def merge_topics(
        self, ids: list[int], encoder: Encoder | None = None, listener: _Listener | None = None
    ) -> int: ...
    def split_topic(
        self, id: int, into: int, encoder: Encoder | None = None, listener: _Listener | None = None
    ) -> list[int]: ...
    def cut_topics(self, n: int, encoder: Encoder | None = None, listener: _Listener | None = None) -> None: ...
    def join_topics(self, listener: _Listener | None = None) -> tuple[int, int]: ...
    def map_page(self, seed: int, device: str = "auto", listener: _Listener | None = None) -> str: ...
    def map_picture(
        self, seed: int, device: str = "auto", png: str | None = None, listener: _Listener | None = None
    ) -> str: ...

def write_file(path: str, text: str) -> None: ...
def quantize(vectors: Any, precision: str, ranges: Any = None) -> Any: ...
def topics(
    vectors: Any,
    texts: Any,
    titles: Any,
    find_options: str,
    device: str = "auto",
    encoder: Encoder | None = None,
    listener: _Listener | None = None,
) -> tuple[str, Any, Any, Any, Any]: ...
def embed_articles(encoder: Encoder, titles: Any, texts: Any) -> tuple[Any, Any, Any, Any, Any, Any]: ...
def embed_unless(
    corpus: Corpus,
    encoder: Encoder,
    ids: list[str],
    counts: list[int],
    starts: list[int],
    ends: list[int],
    vectors: Any,
    articles: Any,
) -> str: ...
def filter_data(text: str) -> str: ...
def dates(texts: list[str | None]) -> list[str | None]: ...
