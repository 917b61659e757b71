"""Texts in, vectors out, as sentence-transformers 6 spells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Literal, Sequence

from . import _nearwise
from ._listen import Listening
from ._recognised import Recognised
from ._refuse import at_most_64_bits, device_name, dtype_name, own_device, positive, refuse, text, wrong
from ._steps import in_steps
from ._texts import texts_of
from ._vectors import (
    PRECISIONS,
    Precision,
    SimilarityName,
    quantize_embeddings,
    similarity,
    similarity_name,
    similarity_pairwise,
    tensor,
)

if TYPE_CHECKING:
    import numpy as np

    Texts = str | Iterable[str]

#: Texts between two steps of a progress bar.
_STEP = 512


class Encoder(Recognised):
    """A model that embeds texts.

    Parameters
    ----------
    model : str, optional
        The name of a known model, a sentence-transformers folder, or a hub id (``OWNER/NAME``, with
        ``@REVISION`` if wanted); all-MiniLM-L6-v2 where none is given.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"metal"`` (also ``"mps"``), as far as the
        package was built for it.
    dtype : str
        ``"auto"`` (the fastest here whose vectors are known to be faithful for the model), ``"f32"``,
        ``"f16"``, ``"bf16"`` or ``"int8"``.
    truncate_dim : int, optional
        Keeps the first values of each vector only, for models trained for that (Matryoshka).
    offline : bool
        Uses no network.
    threads : int, optional
        Threads that compute on the CPU; all cores by default, shared by all encoders.
    query_prompt, document_prompt : str, optional
        What is put in front of queries and of documents, in place of the model's own prompts.

    One encoder may be used by any number of threads at once; queries go before bulk work. It cannot
    be used in a process that was forked from the one that made it (a ``RuntimeError`` says so).

    Raises
    ------
    nearwise.Error
        The model cannot be found, verified or loaded (``NotFoundError``, ``ModelError``,
        ``NetworkError``), or the device cannot be used (``DeviceError``).
    """

    def __init__(
        self,
        model: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        truncate_dim: int | None = None,
        *,
        offline: bool = False,
        threads: int | None = None,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
    ) -> None:
        self._begin(
            {
                "model": None if model is None else str(model),
                "device": device_name(device),
                "dtype": dtype_name(dtype),
                "truncate_dim": positive("truncate_dim", truncate_dim),
                "offline": bool(offline),
                "threads": positive("threads", threads),
                "query_prompt": text("query_prompt", query_prompt),
                "document_prompt": text("document_prompt", document_prompt),
            }
        )

    def _begin(self, how: dict[str, Any], core: Any = None) -> None:
        """Loads the model as ``how`` says, or takes it where it is loaded already."""
        self._how = how
        self._core: Any = _opened(how) if core is None else core
        self._other: Any = None
        named, self._default, self._query, self._document = self._core.prompts()
        self._named = Fixed(named)
        self._truncate_dim: int | None = how["truncate_dim"]
        self._similarity: SimilarityName = similarity_name(getattr(self._core, "similarity_fn_name", None) or "cosine")

    @property
    def _inner(self) -> Any:
        """The compiled encoder as it is now, for a corpus and all else that embeds without :meth:`encode`."""
        how = {**self._how, "truncate_dim": self._truncate_dim, **self._assigned()}
        if how == self._how:
            return self._core
        if self._other is None or self._other[0] != how:
            self._other = (how, _opened({**how, "model": how["model"] or self.model}))
        return self._other[1]

    def _assigned(self) -> dict[str, Any]:
        """What was assigned to attributes and makes another model of it, by the names of ``_how``."""
        return {}

    def __setattr__(self, name: str, value: Any) -> None:
        # Typing errors, and names that other libraries have, would be kept and never be looked at.
        known = getattr(type(self), name, None)
        ours = type(self).__module__.partition(".")[0] == "nearwise"
        if isinstance(known, property) and known.fset is None:
            raise AttributeError(f"{name} cannot be assigned" + _FIXED.get(name, "; make another encoder"))
        if ours and known is None and not name.startswith("_"):
            of = vars(type(self)) | vars(Encoder)
            there = sorted(n for n, v in of.items() if isinstance(v, property) and v.fset is not None)
            raise AttributeError(f"{type(self).__name__} has no {name!r} to assign to; there are {', '.join(there)}")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"nearwise.{type(self).__name__}({self.model!r}, device={self.device!r}, dtype={self.dtype!r})"

    def __reduce__(self) -> Any:
        raise TypeError(
            "an Encoder cannot be pickled: it holds a model's weights; make one in each process, by Encoder(model)"
        )

    def __copy__(self) -> Encoder:
        # The model, which never changes, is shared; what is assigned to the one is not assigned to the other.
        copy = type(self).__new__(type(self))
        copy.__dict__.update(self.__dict__)
        return copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Encoder:
        # As scikit-learn clones what its estimators hold.
        return self.__copy__()

    # What it is

    @property
    def model(self) -> str:
        """The model's id: a name, a hub id or a folder."""
        return self._core.model

    @property
    def revision(self) -> str:
        """The model's revision; ``"local"`` for a folder."""
        return self._core.revision

    @property
    def device(self) -> str:
        """The device that computes, such as ``"cpu"`` or ``"cuda:0"``."""
        return self._core.device

    @property
    def dtype(self) -> str:
        """The dtype that it computes with."""
        return self._core.dtype

    @property
    def dimensions(self) -> int:
        """How many values a vector has."""
        return self._truncate_dim or self._core.dimensions

    def get_embedding_dimension(self) -> int:
        """How many values a vector has."""
        return self._truncate_dim or self._core.dimensions

    def get_sentence_embedding_dimension(self) -> int:
        """How many values a vector has."""
        return self._truncate_dim or self._core.dimensions

    @property
    def truncate_dim(self) -> int | None:
        """How many values of each vector are kept, where not all are; may be assigned.

        Raises ``ParameterError`` where the model's vectors have fewer.
        """
        return self._truncate_dim

    @truncate_dim.setter
    def truncate_dim(self, value: int | None) -> None:
        value = positive("truncate_dim", value)
        opened = self._how["truncate_dim"]
        if opened is not None and (value is None or value > opened):
            how = {**self._how, "truncate_dim": None}
            self._core = _opened({**how, "model": how["model"] or self.model})
            self._how = how
        if value is not None and value > self._core.dimensions:
            raise wrong("truncate_dim", f"{value}; the model's vectors have {self._core.dimensions} values")
        self._truncate_dim = value

    @property
    def similarity_fn_name(self) -> SimilarityName:
        """How :meth:`similarity` compares vectors: ``"cosine"``, ``"dot"``, or by the negative distance
        ``"euclidean"`` or ``"manhattan"``. The model's own where nothing is assigned. (A corpus and topics
        go by the cosine.)"""
        return self._similarity

    @similarity_fn_name.setter
    def similarity_fn_name(self, value: Any) -> None:
        own = getattr(self._core, "similarity_fn_name", None) or "cosine"
        self._similarity = similarity_name(own if value is None else value)

    @property
    def max_seq_length(self) -> int:
        """The most tokens of a text; what is beyond is cut off."""
        return self._core.max_tokens

    def get_max_seq_length(self) -> int:
        """The most tokens of a text."""
        return self._core.max_tokens

    @property
    def prompts(self) -> dict[str, str]:
        """The model's prompts by name; not to be changed (``query_prompt``, ``document_prompt`` and
        ``prompt`` give others)."""
        return self._named

    @property
    def default_prompt_name(self) -> str | None:
        """The prompt that :meth:`encode` puts in front where none is named."""
        return self._default

    @property
    def query_prompt(self) -> str:
        """What :meth:`encode_query` puts in front of a text."""
        return self._query

    @property
    def document_prompt(self) -> str:
        """What :meth:`encode_document` puts in front of a text."""
        return self._document

    # What it does

    def encode(
        self,
        inputs: Texts,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        output_value: Literal["sentence_embedding", "token_embeddings"] = "sentence_embedding",
        precision: Precision | None = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: str | None = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        pool: None = None,
        chunk_size: None = None,
    ) -> np.ndarray:
        """The vectors of texts.

        Parameters
        ----------
        inputs : str or iterable of str
            A text, or a list, an iterator, a pandas, polars or Arrow column of texts. A text that is
            longer than :attr:`max_seq_length` tokens is cut there.
        prompt_name, prompt : str, optional
            The model's prompt of this name, or this text, in front of each; else the model's default
            prompt, which most have not.
        batch_size : int, optional
            At most as many of the longest texts are computed at once, which bounds memory. By default
            batches are planned by tokens; vectors do not depend on it.
        show_progress_bar : bool, optional
            Shows a bar of tqdm.
        output_value : str
            ``"sentence_embedding"``, or ``"token_embeddings"`` for the vectors of all tokens before pooling
            (on the CPU; every option that is about a text's vector is then refused).
        precision : str
            ``"float32"``; ``"int8"`` and ``"uint8"``, one of 256 steps between the least and the greatest
            value of each dimension among these vectors; ``"binary"`` and ``"ubinary"``, a bit each, eight
            in a byte. ``None`` is ``"float32"``.
        convert_to_numpy, convert_to_tensor : bool
            A NumPy array; a PyTorch tensor with ``convert_to_tensor=True``; a list of tensors with
            ``convert_to_numpy=False``.
        normalize_embeddings : bool
            Scales vectors to unit length (many models do so in any case).
        truncate_dim : int, optional
            Keeps the first values of each vector only.

        Returns
        -------
        numpy.ndarray
            float32 of shape (texts, dimensions), of shape (dimensions,) for a single text. Of
            ``precision`` int8 and binary int8, of uint8 and ubinary uint8, with an eighth of the
            columns where values are bits. With ``output_value="token_embeddings"`` a list of float32 arrays
            of shape (tokens, width), or one for a single text.

        Raises
        ------
        TypeError
            A text is no ``str``; something is asked for that Nearwise cannot do: ``output_value=None``,
            ``pool``, ``chunk_size``, or another ``device`` than the encoder's.
        ValueError
            A value cannot be used, such as a prompt that the model does not have.
        """
        return self._encode(
            "default",
            inputs,
            prompt_name=prompt_name,
            prompt=prompt,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            output_value=output_value,
            precision=precision,
            convert_to_numpy=convert_to_numpy,
            convert_to_tensor=convert_to_tensor,
            device=device,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
            pool=pool,
            chunk_size=chunk_size,
        )

    if TYPE_CHECKING:
        encode_query = encode
        encode_document = encode
    else:

        def encode_query(self, inputs, *args, **kwargs):
            """As :meth:`encode`, with the model's prompt for what is searched for, unless ``prompt_name`` or
            ``prompt`` names another."""
            return self._encode("query", inputs, **_named(args, kwargs))

        def encode_document(self, inputs, *args, **kwargs):
            """As :meth:`encode`, with the model's prompt for what is found, unless ``prompt_name`` or
            ``prompt`` names another."""
            return self._encode("document", inputs, **_named(args, kwargs))

        # What help() and editors show.
        encode_query.__wrapped__ = encode_document.__wrapped__ = encode

    def tokenize(self, texts: Texts, prompt: str | None = None) -> list[list[int]]:
        """The token ids of texts, special tokens included, cut at :attr:`max_seq_length`."""
        texts, one = texts_of(texts, "texts")
        kind, value = self._prompt("none", None, prompt)
        return self._core.tokenize(texts, kind, value)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> np.ndarray:
        """How alike each vector of the one is to each of the other, by :attr:`similarity_fn_name`: float32
        of shape (a, b).

        Raises ``ValueError`` where vectors of the two have different numbers of values.
        """
        return similarity(self._similarity, embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> np.ndarray:
        """How alike each vector is to that in the same place, by :attr:`similarity_fn_name`: float32 of
        shape (n,), of two vectors a number.

        Raises ``ValueError`` where there are more vectors of the one than of the other.
        """
        return similarity_pairwise(self._similarity, embeddings1, embeddings2)

    def _embed(self, texts: list[str], bar: bool | None) -> np.ndarray:
        return self.encode_document(texts, show_progress_bar=bar)

    # How

    def _prompt(self, kind: str, name: str | None, prompt: str | None) -> tuple[str, str | None]:
        """What the compiled part is told to put in front of texts."""
        if prompt is not None and name is not None:
            raise ValueError(f"prompt_name={name!r} and prompt={prompt!r} are both given; give one of them")
        if prompt is not None:
            return "text", text("prompt", prompt)
        if name is not None:
            return "named", text("prompt_name", name)
        return kind, None

    def _encode(
        self,
        kind: str,
        inputs: Any,
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        output_value: Any = "sentence_embedding",
        precision: Any = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        pool: Any = None,
        chunk_size: Any = None,
    ) -> Any:
        if output_value not in ("sentence_embedding", "token_embeddings"):
            raise TypeError(
                f"encode does not support output_value={output_value!r}; use 'sentence_embedding' or 'token_embeddings'"
            )
        precision = "float32" if precision is None else precision
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}; use {', '.join(PRECISIONS)}")
        refuse("encode", "Nearwise works on all cores or devices by itself", pool=pool, chunk_size=chunk_size)
        own_device("encode", "Encoder", device, self._core.device)
        kind, value = self._prompt(kind, prompt_name, prompt)
        texts, one = texts_of(inputs)
        batch = positive("batch_size", batch_size)
        if output_value == "token_embeddings":
            refuse(
                "encode with output_value='token_embeddings'",
                "it is for a text's vector",
                precision=None if precision == "float32" else precision,
                normalize_embeddings=normalize_embeddings or None,
                truncate_dim=truncate_dim,
            )
            tensors = convert_to_tensor or not convert_to_numpy
            return self._tokens(texts, one, kind, value, batch, bool(show_progress_bar), tensors)
        tokens = None if batch is None else at_most_64_bits(batch * max(self.max_seq_length, 1))
        dim = positive("truncate_dim", truncate_dim) or self._kept()
        how = (kind, value, bool(normalize_embeddings), dim, tokens)

        def vectors_of(part: Any) -> np.ndarray:
            return self._core.encode(part, *how)

        if show_progress_bar:
            import numpy as np

            parts = in_steps(texts, vectors_of, _STEP)
            vectors = np.concatenate(parts) if parts else vectors_of([])
        else:
            vectors = vectors_of(texts)
        if precision in ("int8", "uint8") and len(vectors) < 2:
            if len(vectors):
                raise wrong(
                    "precision",
                    f"{precision} takes the range of each dimension from the vectors, of which there must be two or more;"
                    " encode more texts together, or use quantize_embeddings with calibration_embeddings",
                )
            vectors = vectors.astype(precision)
        elif precision != "float32":
            vectors = quantize_embeddings(vectors, precision)
        if convert_to_tensor or not convert_to_numpy:
            vectors = tensor(vectors)
            if not convert_to_tensor and not one:
                return list(vectors)
        return vectors[0] if one else vectors

    def _kept(self) -> int | None:
        """How many values the loaded model is to keep of each vector, where it would give more."""
        return None if self._truncate_dim == self._how["truncate_dim"] else self._truncate_dim

    def _tokens(
        self, texts: Any, one: bool, kind: str, value: str | None, batch: int | None, shown: bool, tensors: bool
    ) -> Any:
        """The vectors of the tokens of each text."""

        def pieces_of(part: Any) -> tuple[np.ndarray, list[int]]:
            return self._core.encode_tokens(part, kind, value)

        at_once = batch is None and not shown
        parts = [pieces_of(texts)] if at_once else in_steps(texts, pieces_of, batch or 32, shown)
        out: list[Any] = []
        for rows, counts in parts:
            whole = tensor(rows) if tensors else rows
            start = 0
            for count in counts:
                out.append(whole[start : start + count])
                start += count
        return out[0] if one else out


def _opened(how: dict[str, Any]) -> Any:
    """The compiled encoder."""
    with Listening(False) as listener:
        return _nearwise.Encoder(**how, listener=listener)


#: Why an attribute cannot be assigned, and what to do instead.
_FIXED = {
    "max_seq_length": ": texts are cut at the length that the model's own files give; in a copy of its folder"
    " max_seq_length of sentence_bert_config.json may be changed",
    "prompts": ": give query_prompt and document_prompt to Encoder, or prompt to encode; or use SentenceTransformer",
    "default_prompt_name": ": give prompt_name or prompt to encode; or use SentenceTransformer",
    "query_prompt": ": make another by Encoder(model, query_prompt=…), or give prompt to encode_query",
    "document_prompt": ": make another by Encoder(model, document_prompt=…), or give prompt to encode_document",
    "device": ": make another by Encoder(model, device=…)",
    "dtype": ": make another by Encoder(model, dtype=…)",
    "dimensions": "; assign truncate_dim",
}


class Fixed(dict[str, str]):
    """The prompts of an encoder, which are as they are."""

    def __reduce__(self) -> Any:
        return dict, (dict(self),)

    def _refused(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("prompts cannot be changed" + _FIXED["prompts"])

    __setitem__ = __delitem__ = update = setdefault = pop = popitem = clear = __ior__ = _refused


_NAMES = (
    "prompt_name",
    "prompt",
    "batch_size",
    "show_progress_bar",
    "output_value",
    "precision",
    "convert_to_numpy",
    "convert_to_tensor",
    "device",
    "normalize_embeddings",
    "truncate_dim",
    "pool",
    "chunk_size",
)


def _named(args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Positional arguments by the names that :meth:`Encoder.encode` gives them."""
    if len(args) > len(_NAMES):
        raise TypeError(f"{len(args) + 1} arguments; there are {len(_NAMES) + 1} at most")
    named = dict(zip(_NAMES, args))
    for name in kwargs:
        if name in named:
            raise TypeError(f"got multiple values for argument {name!r}")
        if name not in _NAMES:
            raise TypeError(f"got an unexpected keyword argument {name!r}")
    return {**named, **kwargs}


def in_its_place(encoder: Any, how: dict[str, Any]) -> None:
    """Fails where what ``encoder`` is given as is none, or something is given that it stands in place of."""
    if encoder is None:
        return
    if not isinstance(encoder, Encoder):
        raise TypeError(f"encoder is a nearwise.Encoder, not {type(encoder).__name__}")
    given = next((name for name, value in how.items() if value not in (None, "auto", False)), None)
    if given is not None:
        raise TypeError(f"encoder stands in place of {', '.join(how)}, and {given} is given as well")
