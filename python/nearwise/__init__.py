"""Semantic similarity and topics of articles: embed, search, see what a corpus is about.

>>> import nearwise
>>> encoder = nearwise.Encoder()                       # all-MiniLM-L6-v2
>>> vectors = encoder.encode(["a text", "another"])    # float32, shape (2, 384)

:class:`Encoder` and :class:`Reranker` are models; :class:`Corpus` is a file of articles that are
searched, compared and sorted into topics; :func:`topics` finds topics of vectors that you have
already. Everything raises a :class:`nearwise.Error` of its kind (see :mod:`nearwise.errors`),
works without Python's lock, and stops within a second on Ctrl-C.
"""

from __future__ import annotations

from . import errors
from ._nearwise import __version__
from ._sentence_transformers import CrossEncoder, SentenceTransformer
from ._topics import FoundTopics, topics
from ._vectors import quantize_embeddings
from .corpus import Corpus
from .encoder import Encoder
from .errors import BusyError, CancelledError, Error
from .filters import F, Filter
from .reranker import Reranker, rerank

__all__ = [
    "BusyError",
    "CancelledError",
    "Corpus",
    "CrossEncoder",
    "Encoder",
    "Error",
    "F",
    "Filter",
    "FoundTopics",
    "Reranker",
    "SentenceTransformer",
    "__version__",
    "errors",
    "quantize_embeddings",
    "rerank",
    "topics",
]
