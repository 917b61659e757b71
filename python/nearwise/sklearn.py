"""Nearwise as estimators of scikit-learn.

>>> from sklearn.linear_model import LogisticRegression
>>> from sklearn.pipeline import make_pipeline
>>> from nearwise.sklearn import NearwiseEmbedder, TopicClusterer
>>> classifier = make_pipeline(NearwiseEmbedder(), LogisticRegression()).fit(texts, labels)
>>> topics = make_pipeline(NearwiseEmbedder(), TopicClusterer()).fit_predict(texts)
"""

from __future__ import annotations

from typing import Any

from ._plugin import Model, missing
from ._topics import FoundTopics, topics
from .encoder import Encoder

try:
    from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted, validate_data
except ModuleNotFoundError as e:
    raise missing(e, __name__, "sklearn", "scikit-learn") from None

import numpy as np

__all__ = ["NearwiseEmbedder", "TopicClusterer"]


class NearwiseEmbedder(TransformerMixin, BaseEstimator):
    """Texts in, vectors out: a transformer for pipelines.

    Parameters
    ----------
    model : str or Encoder, optional
        As for :class:`nearwise.Encoder`; all-MiniLM-L6-v2 by default.
    device, dtype, truncate_dim, offline
        As for :class:`nearwise.Encoder`.
    prompt : str, optional
        ``"query"`` or ``"document"`` for the model's prompt of that kind, or a text that is put in front
        of each text; else what :meth:`nearwise.Encoder.encode` puts there.

    Attributes
    ----------
    n_features_out_ : int
        The vectors' dimensions.

    Nothing is learned: ``fit`` loads the model. Can be cloned and pickled; the model is then loaded
    again where it is used, unless ``model`` is an encoder, which cannot be pickled.
    """

    def __init__(
        self,
        model: str | Encoder | None = None,
        *,
        device: str = "auto",
        dtype: str = "auto",
        truncate_dim: int | None = None,
        offline: bool = False,
        prompt: str | None = None,
    ) -> None:
        self.model = model
        self.device = device
        self.dtype = dtype
        self.truncate_dim = truncate_dim
        self.offline = offline
        self.prompt = prompt

    def fit(self, X: Any, y: Any = None) -> NearwiseEmbedder:
        """Loads the model; ``X`` are texts, as for :meth:`transform`."""
        _texts(X)
        self.model_ = Model(
            self.model,
            device=self.device,
            dtype=self.dtype,
            truncate_dim=self.truncate_dim,
            offline=self.offline,
        )
        self.n_features_out_ = self.model_.encoder.dimensions
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The vectors of texts, float32 of shape (texts, dimensions).

        ``X`` is a list, an array or a column of texts, or a data frame or array with one column.
        """
        check_is_fitted(self, "model_")
        texts = _texts(X)
        encoder = self.model_.encoder
        if self.prompt == "query":
            return encoder.encode_query(texts)
        if self.prompt == "document":
            return encoder.encode_document(texts)
        return encoder.encode(texts, prompt=self.prompt)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """``nearwise0``, ``nearwise1``, …"""
        check_is_fitted(self, "n_features_out_")
        return np.array([f"nearwise{i}" for i in range(self.n_features_out_)], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.requires_fit = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _texts(X: Any) -> Any:
    """Texts of a column, also of a table that has but one."""
    if isinstance(X, str):
        raise ValueError("X is one text; give a list of texts")
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) == 2:
        if shape[1] != 1:
            raise ValueError(f"X has {shape[1]} columns; give the one that holds the texts")
        return X.iloc[:, 0] if hasattr(X, "iloc") else np.asarray(X)[:, 0]
    return X if hasattr(X, "__len__") else list(X)


class TopicClusterer(ClusterMixin, BaseEstimator):
    """Topics of vectors: a clusterer, also for BERTopic's ``hdbscan_model``.

    Parameters
    ----------
    n_clusters : int, optional
        The number of topics; chosen where it is not given.
    method, min_size, min_similarity, resolution, batch_size
        As ``nearwise.topics`` has them.
    random_state : int, optional
        The seed; 42 where it is not given.

    Attributes
    ----------
    labels_ : array of int
        The topic of each vector, 0 being the largest; -1 where it is in none.
    cluster_centers_ : array of shape (topics, features)
        Of unit length.
    probabilities_ : array of float
        The cosine of each vector to its topic's centre, 0 to 1; 0 where it is in no topic.
    n_features_in_ : int
    topics_ : nearwise.FoundTopics
        All that was found: parts, tree, similarities.

    Vectors are compared by the cosine. :meth:`predict` gives the nearest topic.
    """

    def __init__(
        self,
        n_clusters: int | None = None,
        *,
        method: str = "tree",
        min_size: int | None = None,
        min_similarity: float | None = None,
        resolution: float | None = None,
        batch_size: int | None = None,
        random_state: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.method = method
        self.min_size = min_size
        self.min_similarity = min_similarity
        self.resolution = resolution
        self.batch_size = batch_size
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> TopicClusterer:
        """Finds the topics of vectors of shape (n, features)."""
        array = validate_data(self, X, dtype=np.float32, order="C", ensure_min_samples=2)
        found = self._topics(array)
        self.topics_ = found
        self.labels_ = found.labels
        self.cluster_centers_ = found.centroids
        self.probabilities_ = np.where(found.labels < 0, 0.0, np.clip(found.similarities, 0.0, 1.0))
        return self

    def _topics(self, array: np.ndarray) -> FoundTopics:
        seed = 42 if self.random_state is None else self.random_state
        if isinstance(seed, bool) or not hasattr(seed, "__index__"):
            raise TypeError(f"random_state is a whole number or None, not {self.random_state!r}")
        return topics(
            array,
            k=self.n_clusters,
            method=self.method,
            min_size=self.min_size,
            min_similarity=self.min_similarity,
            resolution=self.resolution,
            batch_size=self.batch_size,
            seed=int(seed),
        )

    def predict(self, X: Any) -> np.ndarray:
        """The topic whose centre is nearest to each vector; -1 below ``min_similarity``."""
        check_is_fitted(self, "cluster_centers_")
        array = validate_data(self, X, dtype=np.float32, order="C", reset=False)
        if not len(self.cluster_centers_):
            return np.full(len(array), -1, dtype=np.int64)
        length = np.linalg.norm(array, axis=1, keepdims=True)
        cosines = (array / np.maximum(length, np.finfo(np.float32).tiny)) @ self.cluster_centers_.T
        nearest = cosines.argmax(axis=1).astype(np.int64)
        if self.min_similarity is not None:
            nearest[cosines.max(axis=1) < self.min_similarity] = -1
        return nearest

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        return tags
