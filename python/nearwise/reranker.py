"""Re-ranking: a model that reads a query together with each text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterable

from . import _nearwise
from ._listen import Listening
from ._refuse import positive, refuse
from ._results import Result
from ._texts import texts_of

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Ranked(Result):
    """A text at its place in the order."""

    index: int
    """Which of the texts it is, from 0."""
    score: float
    """How well it answers; from 0 to 1 for most models."""
    passage: tuple[int, int] | None
    """The passage that the score is of, in bytes of the UTF-8 text, where it is not the whole text."""
    cut: int
    """Tokens that were cut off because the model takes no more."""


class Reranker:
    """A cross-encoder. ``model``, ``device``, ``dtype``, ``offline`` and ``threads`` as for
    :class:`nearwise.Encoder`; ms-marco-MiniLM-L6-v2 where no model is given."""

    def __init__(
        self,
        model: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        *,
        offline: bool = False,
        threads: int | None = None,
    ) -> None:
        with Listening(False) as listener:
            self._inner = _nearwise.Reranker(
                None if model is None else str(model),
                str(device),
                str(dtype),
                bool(offline),
                positive("threads", threads),
                listener,
            )

    def __repr__(self) -> str:
        return f"nearwise.Reranker({self.model!r}, device={self.device!r}, dtype={self.dtype!r})"

    def __reduce__(self) -> Any:
        raise TypeError("a Reranker cannot be pickled; make one in each process, by Reranker(model)")

    @property
    def model(self) -> str:
        """The model's id."""
        return self._inner.model

    @property
    def device(self) -> str:
        """The device that computes."""
        return self._inner.device

    @property
    def dtype(self) -> str:
        """The dtype that it computes with."""
        return self._inner.dtype

    @property
    def labels(self) -> list[str]:
        """The labels' names; one for most re-rankers."""
        return self._inner.labels

    @property
    def max_seq_length(self) -> int:
        """The most tokens of a query and a text together."""
        return self._inner.max_tokens

    def rerank(
        self,
        query: str,
        texts: Iterable[str],
        top: int | None = None,
        *,
        passages: bool = False,
        label: str | None = None,
    ) -> list[Ranked]:
        """The texts in the order of how well they answer a query, best first, or the ``top`` of them.

        ``passages`` judges a text that is too long by the best of its passages, instead of by its
        beginning. ``label`` names the label that counts, for a model with several.
        """
        if not isinstance(query, str):
            raise TypeError(f"query is a str, not {type(query).__name__}")
        texts, one = texts_of(texts, "texts")
        if one:
            raise TypeError("texts is a list of texts, and this is one text")
        ranked = self._inner.rank(query, texts, positive("top", top), bool(passages), label)
        return [Ranked(*r) for r in ranked]

    def rank(
        self,
        query: str,
        documents: Iterable[str],
        top_k: int | None = None,
        return_documents: bool = False,
        prompt_name: None = None,
        prompt: None = None,
        batch_size: None = None,
        show_progress_bar: bool | None = None,
        activation_fn: None = None,
        device: None = None,
        pool: None = None,
        chunk_size: None = None,
    ) -> list[dict[str, Any]]:
        """As sentence-transformers' ``CrossEncoder.rank``: a list of ``{"corpus_id", "score"}``, with
        ``"text"`` where ``return_documents`` is set, best first."""
        refuse(
            "rank",
            prompt_name=prompt_name,
            prompt=prompt,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar or None,
            activation_fn=activation_fn,
            device=device,
            pool=pool,
            chunk_size=chunk_size,
        )
        texts = documents if isinstance(documents, (list, tuple)) else list(documents)
        out = []
        for ranked in self.rerank(query, texts, top_k):
            entry: dict[str, Any] = {"corpus_id": ranked.index, "score": ranked.score}
            if return_documents:
                entry["text"] = texts[ranked.index]
            out.append(entry)
        return out

    def predict(
        self,
        inputs: Any,
        prompt_name: None = None,
        prompt: None = None,
        batch_size: None = None,
        show_progress_bar: bool | None = None,
        activation_fn: None = None,
        apply_softmax: bool | None = None,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: None = None,
        pool: None = None,
        chunk_size: None = None,
    ) -> np.ndarray:
        """Scores of pairs of texts, as sentence-transformers' ``CrossEncoder.predict``: float32 of shape
        (pairs,), or (pairs, labels) for a model with several labels; of a single pair without the first
        dimension. The activation is the one that the model's own files ask for."""
        refuse(
            "predict",
            prompt_name=prompt_name,
            prompt=prompt,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar or None,
            activation_fn=activation_fn,
            apply_softmax=apply_softmax or None,
            convert_to_numpy=None if convert_to_numpy else False,
            convert_to_tensor=convert_to_tensor or None,
            device=device,
            pool=pool,
            chunk_size=chunk_size,
        )
        pairs = list(inputs)
        one = len(pairs) == 2 and all(isinstance(text, str) for text in pairs)
        if one:
            pairs = [tuple(pairs)]
        for i, pair in enumerate(pairs):
            if isinstance(pair, str) or not hasattr(pair, "__len__") or len(pair) != 2:
                raise TypeError(f"pair {i} is no pair of texts")
        scores = self._inner.scores([a for a, _ in pairs], [b for _, b in pairs])
        if scores.shape[1] == 1:
            scores = scores[:, 0]
        return scores[0] if one else scores


def rerank(
    query: str,
    texts: Iterable[str],
    top: int | None = None,
    *,
    model: str | Reranker | None = None,
    passages: bool = False,
    label: str | None = None,
) -> list[Ranked]:
    """Orders texts by how well they answer a query; see :meth:`Reranker.rerank`.

    ``model`` is a name, or a :class:`Reranker`, which spares loading it each time.
    """
    reranker = model if isinstance(model, Reranker) else Reranker(model)
    return reranker.rerank(query, texts, top, passages=passages, label=label)
