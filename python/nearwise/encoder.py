"""Texts in, vectors out, as sentence-transformers 6 spells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Literal, Sequence

from . import _nearwise
from ._listen import Listening, bar
from ._refuse import positive, refuse
from ._texts import texts_of

if TYPE_CHECKING:
    import numpy as np

    Texts = str | Iterable[str]

Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]
PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")

#: Texts between two steps of a progress bar.
_STEP = 512


class Encoder:
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
        with Listening(False) as listener:
            self._inner = _nearwise.Encoder(
                None if model is None else str(model),
                str(device),
                str(dtype),
                positive("truncate_dim", truncate_dim),
                bool(offline),
                positive("threads", threads),
                query_prompt,
                document_prompt,
                listener,
            )
        self._named, self._default, self._query, self._document = self._inner.prompts()

    def __repr__(self) -> str:
        return f"nearwise.{type(self).__name__}({self.model!r}, device={self.device!r}, dtype={self.dtype!r})"

    def __reduce__(self) -> Any:
        raise TypeError(
            "an Encoder cannot be pickled: it holds a model's weights; make one in each process, by Encoder(model)"
        )

    def __copy__(self) -> Encoder:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Encoder:
        # It never changes, and may be used by all: what is cloned with it, as scikit-learn clones its
        # estimators, goes on using the same.
        return self

    # What it is

    @property
    def model(self) -> str:
        """The model's id: a name, a hub id or a folder."""
        return self._inner.model

    @property
    def revision(self) -> str:
        """The model's revision; ``"local"`` for a folder."""
        return self._inner.revision

    @property
    def device(self) -> str:
        """The device that computes, such as ``"cpu"`` or ``"cuda:0"``."""
        return self._inner.device

    @property
    def dtype(self) -> str:
        """The dtype that it computes with."""
        return self._inner.dtype

    @property
    def dimensions(self) -> int:
        """How many values a vector has."""
        return self._inner.dimensions

    def get_embedding_dimension(self) -> int:
        """How many values a vector has."""
        return self._inner.dimensions

    def get_sentence_embedding_dimension(self) -> int:
        """How many values a vector has."""
        return self._inner.dimensions

    @property
    def max_seq_length(self) -> int:
        """The most tokens of a text; what is beyond is cut off."""
        return self._inner.max_tokens

    def get_max_seq_length(self) -> int:
        """The most tokens of a text."""
        return self._inner.max_tokens

    @property
    def prompts(self) -> dict[str, str]:
        """The model's prompts by name."""
        return dict(self._named)

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
        precision: Precision = "float32",
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
            in a byte.
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
        return self._inner.tokenize(texts, kind, value)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> np.ndarray:
        """The cosine of each vector of the one with each of the other, float32 of shape (a, b)."""
        a, b = _unit("embeddings1", embeddings1), _unit("embeddings2", embeddings2)
        _same_dim(a, b)
        return a @ b.T

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> np.ndarray:
        """The cosine of each vector with that in the same place, float32 of shape (n,)."""
        a, b = _unit("embeddings1", embeddings1), _unit("embeddings2", embeddings2)
        _same_dim(a, b)
        if a.shape != b.shape:
            raise ValueError(f"{len(a)} vectors against {len(b)}; pairs need as many of both")
        return (a * b).sum(axis=1)

    # How

    def _prompt(self, kind: str, name: str | None, prompt: str | None) -> tuple[str, str | None]:
        """What the compiled part is told to put in front of texts."""
        if prompt is not None and name is not None:
            raise ValueError(f"prompt_name={name!r} and prompt={prompt!r} are both given; give one of them")
        if prompt is not None:
            if not isinstance(prompt, str):
                raise TypeError(f"prompt is a str, not {type(prompt).__name__}")
            return "text", prompt
        if name is not None:
            if not isinstance(name, str):
                raise TypeError(f"prompt_name is a str, not {type(name).__name__}")
            return "named", name
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
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}; use {', '.join(PRECISIONS)}")
        refuse("encode", "Nearwise works on all cores or devices by itself", pool=pool, chunk_size=chunk_size)
        self._check_device(device)
        kind, value = self._prompt(kind, prompt_name, prompt)
        texts, one = texts_of(inputs)
        batch = positive("batch_size", batch_size)
        tokens = None if batch is None else batch * max(self.max_seq_length, 1)
        if output_value == "token_embeddings":
            refuse(
                "encode with output_value='token_embeddings'",
                "it is for a text's vector",
                precision=None if precision == "float32" else precision,
                normalize_embeddings=normalize_embeddings or None,
                truncate_dim=truncate_dim,
                batch_size=batch_size,
                show_progress_bar=show_progress_bar or None,
            )
            rows, counts = self._inner.encode_tokens(texts, kind, value)
            return _pieces(rows, counts, one, convert_to_tensor or not convert_to_numpy)
        how = (kind, value, bool(normalize_embeddings), positive("truncate_dim", truncate_dim), tokens)
        if show_progress_bar:
            vectors = self._in_steps(texts, how)
        else:
            vectors = self._inner.encode(texts, *how)
        if precision != "float32":
            vectors = quantize_embeddings(vectors, precision)
        if convert_to_tensor or not convert_to_numpy:
            vectors = _tensor(vectors)
            if not convert_to_tensor and not one:
                return list(vectors)
        return vectors[0] if one else vectors

    def _in_steps(self, texts: Any, how: tuple[Any, ...]) -> np.ndarray:
        import numpy as np

        if not isinstance(texts, (list, tuple)):
            texts = texts.to_pylist() if hasattr(texts, "to_pylist") else list(texts)
        parts = []
        with bar(len(texts), "embedding", "text") as shown:
            for start in range(0, len(texts), _STEP):
                part = texts[start : start + _STEP]
                parts.append(self._inner.encode(part, *how))
                shown.update(len(part))
        return np.concatenate(parts) if parts else self._inner.encode([], *how)

    def _check_device(self, device: Any) -> None:
        if device is None:
            return
        if isinstance(device, (list, tuple)):
            refuse("encode", "Nearwise uses all devices by itself with Encoder(model, device='cuda')", device=device)
        wanted = {"mps": "metal"}.get(str(device), str(device))
        if wanted != self.device and wanted != self.device.partition(":")[0]:
            raise TypeError(
                f"encode does not support device={str(device)!r}: this encoder computes on {self.device}; make another by Encoder(model, device={str(device)!r})"
            )


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


def _tensor(array: np.ndarray) -> Any:
    try:
        import torch
    except ImportError:
        raise ImportError(
            "convert_to_tensor=True and convert_to_numpy=False give tensors of PyTorch, which is not installed"
        ) from None
    return torch.from_numpy(array)


def _pieces(rows: np.ndarray, counts: list[int], one: bool, tensors: bool) -> Any:
    """The rows of each text."""
    whole = _tensor(rows) if tensors else rows
    out, start = [], 0
    for count in counts:
        out.append(whole[start : start + count])
        start += count
    return out[0] if one else out


def matrix(name: str, vectors: Any) -> np.ndarray:
    """Vectors as a float32 array of shape (n, dimensions), without a copy where they are one.

    Raises ``TypeError`` where they are no numbers, ``ValueError`` where they are of several lengths.
    """
    import numpy as np

    if hasattr(vectors, "detach"):  # A tensor of PyTorch, wherever it lies.
        vectors = vectors.detach().cpu().numpy()
    try:
        array = np.asarray(vectors)
    except ValueError:
        raise ValueError(f"{name}: the vectors are of several lengths") from None
    if array.dtype == object and array.ndim == 1:
        # A column of lists, as data frames have it.
        try:
            array = np.stack([np.asarray(row, dtype=np.float32) for row in array]) if len(array) else array
        except (TypeError, ValueError):
            raise ValueError(f"{name}: the vectors are missing, no numbers, or of several lengths") from None
    if array.dtype == object or array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: an array of {array.dtype} holds no vectors; give numbers of shape (n, dimensions)")
    return np.ascontiguousarray(array, dtype=np.float32)


def _unit(name: str, vectors: Any) -> np.ndarray:
    import numpy as np

    array = np.atleast_2d(matrix(name, vectors))
    if array.ndim != 2:
        raise ValueError(f"{name}: an array of {array.ndim} dimensions; give vectors of shape (n, dimensions)")
    length = np.linalg.norm(array, axis=1, keepdims=True)
    return array / np.maximum(length, np.finfo(np.float32).tiny)


def _same_dim(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"vectors of {a.shape[1]} values cannot be compared with vectors of {b.shape[1]}")


def quantize_embeddings(embeddings: Any, precision: Precision, calibration_embeddings: Any = None) -> np.ndarray:
    """Vectors of fewer bits, as sentence-transformers' function of this name makes them.

    int8 and uint8 take the range of each dimension from ``calibration_embeddings``, or from the vectors
    themselves, of which there must then be two or more.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; use {', '.join(PRECISIONS)}")
    array = matrix("embeddings", embeddings)
    ranges = None if calibration_embeddings is None else matrix("calibration_embeddings", calibration_embeddings)
    return _nearwise.quantize(array, precision, ranges)


class SentenceTransformer(Encoder):
    """:class:`Encoder` under the name and with the keywords of sentence-transformers, for programs that
    are written for it: vectors are the same but for rounding, and what cannot be done is refused by name.

    It differs from :class:`Encoder` in two ways: it computes in float32 unless a ``dtype`` is given, and
    takes prompts as sentence-transformers does: from the model's own files alone, of documents the one
    that is called ``document`` even where it is empty and another is called ``passage``.
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
        config_kwargs: None = None,
        backend: None = None,
        similarity_fn_name: str | None = None,
        truncate_dim: int | None = None,
        dtype: str = "f32",
    ) -> None:
        refuse(
            "nearwise.SentenceTransformer",
            modules=modules,
            prompts=prompts,
            default_prompt_name=default_prompt_name,
            cache_folder=cache_folder,
            trust_remote_code=trust_remote_code or None,
            token=token,
            model_kwargs=model_kwargs,
            processor_kwargs=processor_kwargs,
            config_kwargs=config_kwargs,
            backend=backend,
            similarity_fn_name=None if similarity_fn_name == "cosine" else similarity_fn_name,
        )
        if model_name_or_path is None:
            raise TypeError("nearwise.SentenceTransformer needs model_name_or_path")
        model = str(model_name_or_path)
        if revision is not None:
            model = f"{model}@{revision}"
        super().__init__(model, device or "auto", dtype, truncate_dim, offline=local_files_only)

    @property
    def prompts(self) -> dict[str, str]:
        """The model's prompts by name; those of queries and documents are there, if only empty."""
        return {"query": "", "document": "", **self._named}

    def _prompt(self, kind: str, name: str | None, prompt: str | None) -> tuple[str, str | None]:
        if name is not None and prompt is None:
            return ("text", self.prompts[name]) if name in self.prompts else ("named", name)
        if prompt is None and kind in ("query", "document"):
            return "text", self.prompts[kind]
        return super()._prompt(kind, name, prompt)
