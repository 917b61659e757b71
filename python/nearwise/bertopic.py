"""Nearwise within BERTopic: the model that embeds, and the model that clusters.

>>> from bertopic import BERTopic
>>> from bertopic.dimensionality import BaseDimensionalityReduction
>>> from nearwise.bertopic import NearwiseEmbedder, TopicClusterer
>>> topic_model = BERTopic(
...     embedding_model=NearwiseEmbedder("all-MiniLM-L6-v2"),
...     umap_model=BaseDimensionalityReduction(),  # Nearwise clusters the vectors as they are
...     hdbscan_model=TopicClusterer(),
... )
>>> topics, _ = topic_model.fit_transform(documents)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._plugin import Model, missing
from .encoder import Encoder

try:
    from bertopic.backend import BaseEmbedder
except ModuleNotFoundError as e:
    raise missing(e, __name__, "bertopic", "bertopic") from None

from .sklearn import TopicClusterer

if TYPE_CHECKING:
    import numpy as np

__all__ = ["NearwiseEmbedder", "TopicClusterer"]


class NearwiseEmbedder(BaseEmbedder):
    """A model for BERTopic's ``embedding_model``; documents and words are embedded alike, as BERTopic
    compares them with each other.

    Parameters are those of :class:`nearwise.Encoder`; ``model`` may be an encoder.
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
        super().__init__()
        self.embedding_model = Model(model, device=device, dtype=dtype, truncate_dim=truncate_dim, offline=offline)

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded when it is needed first."""
        return self.embedding_model.encoder

    def embed(self, documents: Any, verbose: bool = False) -> np.ndarray:
        """The vectors of documents or words, float32 of shape (n, dimensions).

        ``verbose`` shows a bar of tqdm. Raises ``TypeError`` for one text in place of a list.
        """
        if isinstance(documents, str):
            raise TypeError("documents is a list of texts, and this is one text")
        return self.encoder.encode_document(list(documents), show_progress_bar=bool(verbose) or None)
