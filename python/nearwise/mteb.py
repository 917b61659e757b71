"""Nearwise as a model of MTEB, the benchmark of text embeddings.

>>> import mteb
>>> from nearwise.mteb import NearwiseModel
>>> mteb.evaluate(NearwiseModel("all-MiniLM-L6-v2"), mteb.get_tasks(tasks=["STS12"]))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._plugin import Model, missing
from .encoder import Encoder

try:
    from mteb.models.model_meta import ModelMeta, ScoringFunction
    from mteb.types import PromptType
except ModuleNotFoundError as e:
    raise missing(e, __name__, "mteb", "mteb") from None

if TYPE_CHECKING:
    import numpy as np

__all__ = ["NearwiseModel"]


class NearwiseModel:
    """A model for ``mteb.evaluate``.

    Parameters
    ----------
    model_name : str or Encoder, optional
        As for :class:`nearwise.Encoder`; all-MiniLM-L6-v2 by default.
    revision : str, optional
        The revision of a hub id.
    device : str, optional
        As for :class:`nearwise.Encoder`.
    dtype, truncate_dim, offline
        As for :class:`nearwise.Encoder`.
    prompts : dict, optional
        A text that is put in front, by the task's name, its type, or both with ``-query`` or
        ``-document`` behind, as MTEB names prompts; else the model's own prompt for queries or documents.
    """

    def __init__(
        self,
        model_name: str | Encoder | None = None,
        revision: str | None = None,
        *,
        device: str | None = None,
        dtype: str = "auto",
        truncate_dim: int | None = None,
        offline: bool = False,
        prompts: dict[str, str] | None = None,
    ) -> None:
        if revision is not None and isinstance(model_name, str) and "/" in model_name:
            model_name = f"{model_name}@{revision}"
        self._model = Model(
            model_name, device=device or "auto", dtype=dtype, truncate_dim=truncate_dim, offline=offline
        )
        self._prompts = dict(prompts or {})
        self._meta: ModelMeta | None = None

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded when it is needed first."""
        return self._model.encoder

    @property
    def mteb_model_meta(self) -> ModelMeta:
        """What MTEB writes into its results."""
        if self._meta is None:
            encoder = self.encoder
            # MTEB names models OWNER/NAME; a folder or a known name has no owner.
            name = encoder.model if encoder.model.count("/") == 1 else f"nearwise/{_last(encoder.model)}"
            self._meta = ModelMeta.create_empty(
                overwrites={
                    "name": name,
                    "revision": encoder.revision,
                    "max_tokens": encoder.max_seq_length,
                    "embed_dim": encoder.dimensions,
                    "similarity_fn_name": ScoringFunction.COSINE,
                    "experiment_kwargs": {"engine": "nearwise", "dtype": encoder.dtype},
                }
            )
        return self._meta

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        **kwargs: Any,
    ) -> np.ndarray:
        """The vectors of the texts of MTEB's batches, float32 of shape (texts, dimensions)."""
        texts: list[str] = []
        for batch in inputs:
            if "text" not in batch:
                raise TypeError(f"Nearwise embeds texts; this task has {', '.join(batch)}")
            texts.extend(batch["text"])
        how = {name: kwargs.pop(name) for name in ("batch_size", "show_progress_bar", "precision") if name in kwargs}
        for name, value in kwargs.items():
            if value is not None:
                raise TypeError(f"encode does not support {name}={value!r}")
        prompt = self._prompt(task_metadata, prompt_type)
        if prompt is not None:
            return self.encoder.encode(texts, prompt=prompt, **how)
        if prompt_type == PromptType.query:
            return self.encoder.encode_query(texts, **how)
        if prompt_type == PromptType.document:
            return self.encoder.encode_document(texts, **how)
        return self.encoder.encode(texts, **how)

    def _prompt(self, task: Any, prompt_type: Any) -> str | None:
        """The prompt for a task, the most special first."""
        kind = None if prompt_type is None else PromptType(prompt_type).value
        names = []
        for name in (task.name, task.type):
            names += [f"{name}-{kind}", name] if kind else [name]
        if kind:
            names.append(kind)
        return next((self._prompts[name] for name in names if name in self._prompts), None)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> np.ndarray:
        """The cosine of each vector of the one with each of the other."""
        return self.encoder.similarity(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> np.ndarray:
        """The cosine of each vector with that in the same place."""
        return self.encoder.similarity_pairwise(embeddings1, embeddings2)


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
