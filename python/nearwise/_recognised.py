"""That libraries which choose how to embed by a model's class know an encoder for what it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

#: Where the class lies that BERTopic and KeyBERT look for. A model that is none, and that they do not know by the
#: name of its module, they replace by one of sentence-transformers without a word.
_HOSTS = ("bertopic.backend", "keybert.backend")

_made: dict[tuple[type, ...], type] = {}


class Recognised:
    """An instance of ``BaseEmbedder`` of BERTopic and KeyBERT, once these are imported, and with the
    methods that these call."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # noqa: D105
        # What isinstance asks where the type itself is not of the class. A real base would make them import
        # BERTopic who never use it, and could not be had by encoders made before its import.
        own = type(self)
        found = [getattr(sys.modules.get(host), "BaseEmbedder", None) for host in _HOSTS]
        bases = tuple(base for base in found if isinstance(base, type))
        if not bases:
            return own
        key = (own, *bases)
        if key not in _made:
            _made[key] = type(own.__name__, key, {"__module__": own.__module__, "__doc__": own.__doc__})
        return _made[key]

    def embed(self, documents: Any, verbose: bool = False) -> np.ndarray:
        """The vectors of a list of documents or words, float32 of shape (n, dimensions), as BERTopic and
        KeyBERT ask for them; ``verbose`` shows a bar of tqdm."""
        if isinstance(documents, str):
            raise TypeError("documents is a list of texts, and this is one text")
        return self._embed(list(documents), bool(verbose) or None)

    def embed_documents(self, document: Any, verbose: bool = False) -> np.ndarray:
        """As :meth:`embed`."""
        return self.embed(document, verbose)

    def embed_words(self, words: Any, verbose: bool = False) -> np.ndarray:
        """As :meth:`embed`: words are compared with documents, so both are embedded alike."""
        return self.embed(words, verbose)

    def _embed(self, texts: list[str], bar: bool | None) -> np.ndarray:
        raise NotImplementedError
