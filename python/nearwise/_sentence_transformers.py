"""Encoders and cross-encoders under the names and with the keywords of sentence-transformers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Iterable, Mapping

from ._refuse import refuse, wrong
from ._vectors import tensor
from .encoder import Encoder
from .reranker import Reranker

#: Keywords of their constructors that Nearwise has another way for.
_INSTEAD = {
    "modules": "give a folder or a hub id",
    "cache_folder": "the environment variable NEARWISE_MODELS names the folder of models",
    "trust_remote_code": "leave it out: no code of a model's is run, and architectures that Nearwise has not are refused",
    "token": "the environment variable HF_TOKEN holds it",
    "use_auth_token": "the environment variable HF_TOKEN holds it",
    "model_kwargs": "give dtype='f16' or another for what torch_dtype is for; else change the model's own files",
    "processor_kwargs": "change the model's own files",
    "tokenizer_kwargs": "change the model's own files",
    "config_kwargs": "change the model's own files",
    "model_card_data": "no model card is written",
    "backend": "leave it out: Nearwise computes by itself",
    "num_labels": "it is for training; the model's own files give the labels",
    "max_length": "pairs are cut at the length that the model's own files give",
    "activation_fn": "it is the one that the model's own config.json names, under sbert_ce_default_activation_function",
    "keep_in_fp32_modules": "give dtype='f32'",
}


def _refused(what: str, given: Mapping[str, Any]) -> None:
    """Refuses keywords that ask for something."""
    for name, value in given.items():
        # What their own default is, or nothing within, asks for nothing.
        if value is None or value is False or value == {} or (name, value) == ("backend", "torch"):
            continue
        if name == "token" and value is True:  # The one that is logged in, as theirs does by default.
            continue
        refuse(what, _INSTEAD[name], **{name: value})


def _model(name: Any, revision: str | None, what: str) -> str:
    """A model and its revision as Nearwise names them."""
    if name is None:
        raise TypeError(f"{what} needs model_name_or_path")
    model = str(name)
    if revision is None:
        return model
    if os.path.isdir(model):
        raise ValueError(f"revision is of a hub id, and {model} is a folder; leave it out")
    return f"{model}@{revision}"


class Device(str):
    """A device's name, with what programs read of a ``torch.device``."""

    @property
    def type(self) -> str:
        """``"cpu"``, ``"cuda"`` or ``"mps"``."""
        return self.partition(":")[0]

    @property
    def index(self) -> int | None:  # type: ignore[override]
        """Which of several devices of the type."""
        number = self.partition(":")[2]
        return int(number) if number else None


class Card:
    """What evaluators of sentence-transformers found, by their names, for models of Nearwise; no model
    card is written."""

    def __init__(self) -> None:
        self.metrics: dict[str, dict[str, Any]] = {}
        """The latest values of each evaluator."""

    def set_evaluation_metrics(self, evaluator: Any, metrics: dict[str, Any], epoch: int = 0, step: int = 0) -> None:
        """Keeps the values of an evaluator."""
        self.metrics[str(getattr(evaluator, "name", "") or type(evaluator).__name__)] = dict(metrics)


class Placed:
    """What programs ask of a module of PyTorch that is a model to be used and not trained."""

    if TYPE_CHECKING:

        @property
        def device(self) -> str: ...

    def eval(self) -> Any:
        """Itself: models of Nearwise are never in training."""
        return self

    def to(self, device: Any) -> Any:
        """Itself, where ``device`` is where it computes.

        Raises ``TypeError`` for another device, or for a dtype.
        """
        name, here = str(device), self.device
        if name not in (here, here.partition(":")[0]):
            other = f"{type(self).__name__}(model, device=…)"
            raise TypeError(f"this model computes on {here} and cannot be moved to {name}; make another by {other}")
        return self


def _torch_name(device: str) -> Device:
    return Device("mps" if device == "metal" else device)


def _tensor_if_installed(array: Any, like: Any) -> Any:
    """A tensor of PyTorch where that is installed, on the device of the tensor that was given."""
    import numpy as np

    try:
        made = tensor(np.asarray(array))
    except ImportError:
        return array
    return made.to(like.device) if hasattr(like, "detach") else made


class SentenceTransformer(Placed, Encoder):
    """:class:`Encoder` under the name and with the keywords of sentence-transformers, for programs that
    are written for it: vectors are the same but for rounding, and what cannot be done is refused by name.

    It differs from :class:`Encoder` in this: it computes in float32 unless a ``dtype`` is given; it takes
    prompts as sentence-transformers does, from the model's own files and what is given or assigned here
    alone, of documents the one that is called ``document`` even where it is empty and another is called
    ``passage``; and :meth:`similarity` and :meth:`similarity_pairwise` give tensors of PyTorch where that
    is installed, as such programs go on with them, and else NumPy arrays. ``truncate_dim``,
    ``similarity_fn_name``, ``prompts`` and ``default_prompt_name`` may be assigned.

    Raises
    ------
    TypeError
        A keyword asks for what Nearwise does otherwise or not at all; the text says what to do.
    ValueError, nearwise.Error
        As for :class:`Encoder`.
    """

    def __init__(
        self,
        model_name_or_path: str | None = None,
        *,
        modules: None = None,
        device: str | None = None,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
        cache_folder: None = None,
        trust_remote_code: bool = False,
        revision: str | None = None,
        local_files_only: bool = False,
        token: None = None,
        use_auth_token: None = None,
        model_kwargs: None = None,
        processor_kwargs: None = None,
        tokenizer_kwargs: None = None,
        config_kwargs: None = None,
        model_card_data: None = None,
        backend: str | None = None,
        similarity_fn_name: str | None = None,
        truncate_dim: int | None = None,
        dtype: str = "f32",
    ) -> None:
        _refused(
            "nearwise.SentenceTransformer",
            {
                "modules": modules,
                "cache_folder": cache_folder,
                "trust_remote_code": trust_remote_code,
                "token": token,
                "use_auth_token": use_auth_token,
                "model_kwargs": model_kwargs,
                "processor_kwargs": processor_kwargs,
                "tokenizer_kwargs": tokenizer_kwargs,
                "config_kwargs": config_kwargs,
                "model_card_data": model_card_data,
                "backend": backend,
            },
        )
        model = _model(model_name_or_path, revision, "nearwise.SentenceTransformer")
        super().__init__(model, device or "auto", dtype, truncate_dim, offline=local_files_only)
        own = {"query": "", "document": "", **self._named}
        self._own_prompts = own
        self._prompts = {**own, **_prompts(prompts)}
        self.default_prompt_name = self._default if default_prompt_name is None else default_prompt_name
        self.similarity_fn_name = similarity_fn_name
        self._card = Card()

    def __copy__(self) -> SentenceTransformer:
        copy = super().__copy__()
        assert isinstance(copy, SentenceTransformer)  # It is of the class of what is copied.
        copy._prompts = dict(self._prompts)
        return copy

    @property
    def device(self) -> str:
        """The device that computes, as PyTorch names it; a ``str`` with ``type`` and ``index``."""
        return _torch_name(self._core.device)

    @property
    def prompts(self) -> dict[str, str]:
        """The prompts by name, those of queries and documents among them, if only empty; may be changed."""
        return self._prompts

    @prompts.setter
    def prompts(self, value: Mapping[str, str]) -> None:
        self._prompts = _prompts(value)

    @property
    def default_prompt_name(self) -> str | None:
        """The prompt that :meth:`encode` puts in front where none is named; may be assigned.

        Raises ``ParameterError`` where there is no such prompt.
        """
        return self._default

    @default_prompt_name.setter
    def default_prompt_name(self, value: str | None) -> None:
        if value is not None:
            self._of_name("default_prompt_name", value)
        self._default = value

    @property
    def model_card_data(self) -> Card:
        """What sentence-transformers' evaluators found, in ``metrics``."""
        return self._card

    @property
    def query_prompt(self) -> str:
        """What :meth:`encode_query` puts in front of a text."""
        return self._prompt("query", None, None)[1] or ""

    @property
    def document_prompt(self) -> str:
        """What :meth:`encode_document` puts in front of a text."""
        return self._prompt("document", None, None)[1] or ""

    if not TYPE_CHECKING:

        def encode(self, *args, **kwargs):
            """As :meth:`Encoder.encode`; ``inputs`` may be called ``sentences``."""
            return super().encode(*_inputs(args, kwargs), **kwargs)

        def encode_query(self, *args, **kwargs):
            """As :meth:`encode`, with the prompt ``query``."""
            return super().encode_query(*_inputs(args, kwargs), **kwargs)

        def encode_document(self, *args, **kwargs):
            """As :meth:`encode`, with the prompt ``document``."""
            return super().encode_document(*_inputs(args, kwargs), **kwargs)

        encode.__wrapped__ = encode_query.__wrapped__ = encode_document.__wrapped__ = Encoder.encode

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """As :meth:`Encoder.similarity`, a tensor of shape (a, b) where PyTorch is installed."""
        return _tensor_if_installed(super().similarity(embeddings1, embeddings2), embeddings1)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """As :meth:`Encoder.similarity_pairwise`, a tensor of shape (n,) where PyTorch is installed."""
        return _tensor_if_installed(super().similarity_pairwise(embeddings1, embeddings2), embeddings1)

    def _embed(self, texts: list[str], bar: bool | None) -> Any:
        # As BERTopic embeds by a model of sentence-transformers.
        return self.encode(texts, show_progress_bar=bar)

    def _assigned(self) -> dict[str, Any]:
        """The prompts that were given or assigned; a corpus goes by the model's own as long as these are."""
        if self._prompts == self._own_prompts:
            return {}
        return {"query_prompt": self.query_prompt, "document_prompt": self.document_prompt}

    def _of_name(self, parameter: str, name: str) -> str:
        if name not in self._prompts:
            raise wrong(parameter, f"there is no prompt {name!r}; there are {', '.join(self._prompts)}")
        return self._prompts[name]

    def _prompt(self, kind: str, name: str | None, prompt: str | None) -> tuple[str, str | None]:
        kind, value = super()._prompt(kind, name, prompt)
        if kind == "named":
            return "text", self._of_name("prompt_name", str(value))
        # The names that sentence-transformers looks for, in its order; else the default.
        names = {"query": ("query",), "document": ("document", "passage", "corpus")}.get(kind, ())
        found = next((n for n in names if n in self._prompts), self._default if kind != "none" else None)
        if kind == "text":
            return kind, value
        return ("none", None) if found is None else ("text", self._of_name("default_prompt_name", found))


def _prompts(given: Mapping[str, str] | None) -> dict[str, str]:
    """Prompts by name, checked."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(f"prompts is a dict of texts by name, not {type(given).__name__}")
    for name, value in given.items():
        if not isinstance(value, str):
            raise TypeError(f"prompts: that of {name!r} is a str, not {type(value).__name__}")
    return dict(given)


def _inputs(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The positional arguments, with the texts among them by whichever name they were given."""
    for name in ("inputs", "sentences"):
        if name in kwargs:
            if args:
                raise TypeError(f"got multiple values for argument {name!r}")
            args = (kwargs.pop(name),)
    return args


class CrossEncoder(Placed, Reranker):
    """:class:`Reranker` under the name and with the keywords of sentence-transformers; it computes in
    float32 unless a ``dtype`` is given.

    Raises
    ------
    TypeError
        A keyword asks for what Nearwise does otherwise or not at all; the text says what to do.
    ValueError, nearwise.Error
        As for :class:`Encoder`.
    """

    def __init__(
        self,
        model_name_or_path: str | None = None,
        *,
        modules: None = None,
        device: str | None = None,
        prompts: None = None,
        default_prompt_name: None = None,
        cache_folder: None = None,
        trust_remote_code: bool = False,
        revision: str | None = None,
        local_files_only: bool = False,
        token: None = None,
        model_kwargs: None = None,
        processor_kwargs: None = None,
        tokenizer_kwargs: None = None,
        config_kwargs: None = None,
        model_card_data: None = None,
        backend: str | None = None,
        num_labels: int | None = None,
        max_length: int | None = None,
        activation_fn: None = None,
        keep_in_fp32_modules: None = None,
        dtype: str = "f32",
    ) -> None:
        refuse(
            "nearwise.CrossEncoder",
            "put the prompt in front of the queries",
            prompts=prompts or None,
            default_prompt_name=default_prompt_name,
        )
        _refused(
            "nearwise.CrossEncoder",
            {
                "modules": modules,
                "cache_folder": cache_folder,
                "trust_remote_code": trust_remote_code,
                "token": token,
                "model_kwargs": model_kwargs,
                "processor_kwargs": processor_kwargs,
                "tokenizer_kwargs": tokenizer_kwargs,
                "config_kwargs": config_kwargs,
                "model_card_data": model_card_data,
                "backend": backend,
                "activation_fn": activation_fn,
                "keep_in_fp32_modules": keep_in_fp32_modules,
            },
        )
        model = _model(model_name_or_path, revision, "nearwise.CrossEncoder")
        super().__init__(model, device or "auto", dtype, offline=local_files_only)
        # What the model's own are asks for nothing.
        for name, asked, own in (
            ("num_labels", num_labels, self.num_labels),
            ("max_length", max_length, self.max_seq_length),
        ):
            if asked is not None and asked != own:
                refuse("nearwise.CrossEncoder", f"{_INSTEAD[name]}, {own}", **{name: asked})
        self._card = Card()

    @property
    def device(self) -> str:
        """The device that computes, as PyTorch names it; a ``str`` with ``type`` and ``index``."""
        return _torch_name(self._inner.device)

    @property
    def num_labels(self) -> int:
        """How many values a pair gets."""
        return len(self.labels)

    @property
    def model_card_data(self) -> Card:
        """What sentence-transformers' evaluators found, in ``metrics``."""
        return self._card

    if not TYPE_CHECKING:

        def predict(self, *args, **kwargs):
            """As :meth:`Reranker.predict`; ``inputs`` may be called ``sentences``."""
            return super().predict(*_inputs(args, kwargs), **kwargs)

        predict.__wrapped__ = Reranker.predict
