"""Re-ranking: a model that reads a query together with each text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterable, Mapping

from . import _nearwise
from ._listen import Listening, bar_if
from ._refuse import device_name, dtype_name, own_device, positive, refuse
from ._results import Result
from ._texts import check_texts, texts_of
from ._vectors import tensor

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
                device_name(device),
                dtype_name(dtype),
                bool(offline),
                positive("threads", threads),
                listener,
            )

    def __repr__(self) -> str:
        return f"nearwise.{type(self).__name__}({self.model!r}, device={self.device!r}, dtype={self.dtype!r})"

    def __reduce__(self) -> Any:
        raise TypeError(f"a {(kind := type(self).__name__)} cannot be pickled; make one in each process, by {kind}(model)")

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
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        activation_fn: None = None,
        apply_softmax: bool | None = None,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: str | None = None,
        pool: None = None,
        chunk_size: None = None,
    ) -> list[dict[str, Any]]:
        """As sentence-transformers' ``CrossEncoder.rank``: a list of ``{"corpus_id", "score"}``, with
        ``"text"`` where ``return_documents`` is set, best first.

        ``batch_size``, ``show_progress_bar`` and ``convert_to_tensor`` (a score is then a tensor of no
        dimensions) are as for :meth:`predict`, and so is what is refused.

        Raises ``ValueError`` for a model with several labels, whose scores have no order.
        """
        if not isinstance(query, str):
            raise TypeError(f"query is a str, not {type(query).__name__}")
        if len(self.labels) != 1:
            raise ValueError(
                f"rank needs a model with one label, and this one has {', '.join(self.labels)};"
                " rerank(…, label=…) goes by one of them"
            )
        found, one = texts_of(documents, "documents")
        if one:
            raise TypeError("documents is a list of texts, and this is one text")
        texts = found if isinstance(found, (list, tuple)) else _listed(found)
        top = positive("top_k", top_k)
        scores = self.predict(
            [(query, text) for text in texts],
            prompt_name,
            prompt,
            batch_size,
            show_progress_bar,
            activation_fn,
            apply_softmax,
            device=device,
            pool=pool,
            chunk_size=chunk_size,
        )
        order = (-scores).argsort(kind="stable")[:top]
        given = tensor(scores) if convert_to_tensor or not convert_to_numpy else scores
        out = []
        for index in map(int, order):
            entry: dict[str, Any] = {"corpus_id": index, "score": given[index]}
            if return_documents:
                entry["text"] = texts[index]
            out.append(entry)
        return out

    def predict(
        self,
        inputs: Any,
        prompt_name: None = None,
        prompt: None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        activation_fn: None = None,
        apply_softmax: bool | None = None,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: str | None = None,
        pool: None = None,
        chunk_size: None = None,
    ) -> np.ndarray:
        """Scores of pairs of texts, as sentence-transformers' ``CrossEncoder.predict``.

        Parameters
        ----------
        inputs : pair, or iterable of pairs
            ``(query, text)``, or a list or a data frame of two columns of these.
        batch_size : int, optional
            At most as many pairs are computed at once, which bounds memory. By default batches are planned
            by tokens; scores do not depend on it.
        show_progress_bar : bool, optional
            Shows a bar of tqdm.
        apply_softmax : bool, optional
            Makes the values of a pair's labels shares of 1, for a model with several.
        convert_to_numpy, convert_to_tensor : bool
            A NumPy array; a PyTorch tensor with ``convert_to_tensor=True``; a list of tensors with
            ``convert_to_numpy=False``.

        Returns
        -------
        numpy.ndarray
            float32 of shape (pairs,), or (pairs, labels) for a model with several labels; of a single pair
            without the first dimension.

        Raises
        ------
        TypeError
            Something is no pair of texts, or is asked for that Nearwise cannot do: ``prompt``,
            ``prompt_name``, ``pool``, ``chunk_size``, another ``device`` than the model's, or an
            ``activation_fn``: the activation is the one that the model's own files name.
        """
        refuse("predict", "put the prompt in front of the queries", prompt_name=prompt_name, prompt=prompt)
        refuse(
            "predict",
            "scores are after the activation that the model's config.json names under "
            "sbert_ce_default_activation_function; name torch.nn.modules.linear.Identity there for raw ones",
            activation_fn=activation_fn,
        )
        refuse("predict", "Nearwise works on all cores or devices by itself", pool=pool, chunk_size=chunk_size)
        own_device("predict", type(self).__name__, device, self._inner.device)
        pairs, one = _pairs(inputs)
        batch = positive("batch_size", batch_size)
        scores = self._scores(pairs, batch, bool(show_progress_bar))
        if scores.shape[1] == 1:
            scores = scores[:, 0]
        elif apply_softmax:
            scores = _softmax(scores)
        if convert_to_tensor or not convert_to_numpy:
            made: Any = tensor(scores)
            if convert_to_tensor or one:
                return made[0] if one else made
            return list(made)  # type: ignore[return-value]
        return scores[0] if one else scores

    def _scores(self, pairs: list[tuple[str, str]], batch: int | None, shown: bool) -> np.ndarray:
        """float32 of shape (pairs, labels)."""
        import numpy as np

        first, second = [a for a, _ in pairs], [b for _, b in pairs]
        if not pairs or (batch is None and not shown):
            return self._inner.scores(first, second)
        check_texts(first)
        check_texts(second)
        # Those of a length together, as each batch is as long as its longest.
        order = sorted(range(len(pairs)), key=lambda i: -len(first[i]) - len(second[i]))
        step = batch or _STEP
        out = np.empty((len(pairs), len(self.labels)), dtype=np.float32)
        with bar_if(shown, len(pairs), "judging", "pair") as bar:
            for start in range(0, len(pairs), step):
                these = order[start : start + step]
                out[these] = self._inner.scores([first[i] for i in these], [second[i] for i in these])
                bar.update(len(these))
        return out


#: Pairs between two steps of a progress bar.
_STEP = 256


def _pairs(inputs: Any) -> tuple[list[tuple[str, str]], bool]:
    """Pairs of texts, and whether it is one pair."""
    if isinstance(inputs, (str, bytes, Mapping)) or not hasattr(inputs, "__iter__"):
        raise TypeError(f"inputs is a list of pairs (query, text), not {_kind(inputs)}")
    if hasattr(inputs, "itertuples"):  # a data frame of pandas
        inputs = inputs.itertuples(index=False, name=None)
    elif hasattr(inputs, "iter_rows"):  # of polars
        inputs = inputs.iter_rows()
    given = list(inputs)
    one = len(given) == 2 and all(isinstance(text, str) for text in given)
    pairs = []
    for i, pair in enumerate([given] if one else given):
        if isinstance(pair, (str, bytes, Mapping, set, frozenset)) or not hasattr(pair, "__getitem__"):
            raise TypeError(f"pair {i} is {_kind(pair)}; a pair is two texts, (query, text)")
        if len(pair) != 2:
            raise TypeError(f"pair {i} is no pair of texts: it has {len(pair)}; a pair is (query, text)")
        for text in pair:
            if not isinstance(text, str):
                raise TypeError(f"pair {i} holds one {_kind(text)}; a pair is two texts, (query, text)")
        pairs.append((pair[0], pair[1]))
    return pairs, one


def _kind(value: Any) -> str:
    return f"of the type {type(value).__name__}"


def _listed(column: Any) -> list[str]:
    """The texts of a column."""
    return column.to_pylist() if hasattr(column, "to_pylist") else list(column)


def _softmax(scores: np.ndarray) -> np.ndarray:
    import numpy as np

    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


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
