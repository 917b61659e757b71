"""Vectors as users have them, and what is computed of them: similarities, and vectors of fewer bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Literal

from . import _nearwise
from ._refuse import wrong

if TYPE_CHECKING:
    import numpy as np

Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]
PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")

SimilarityName = Literal["cosine", "dot", "euclidean", "manhattan"]
SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")

#: Values that are held at a time where vectors are compared value by value: 64 MB of float32.
_AT_ONCE = 1 << 24


def matrix(name: str, vectors: Any) -> np.ndarray:
    """Vectors as a float32 array of shape (n, dimensions), without a copy where they are one.

    Raises ``TypeError`` where they are no numbers, ``ValueError`` where they are of several lengths.
    """
    import numpy as np

    if isinstance(vectors, (list, tuple)) and vectors and hasattr(vectors[0], "detach"):
        vectors = [vector.detach().cpu().numpy() for vector in vectors]  # A list of tensors of PyTorch.
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


def finite(name: str, array: np.ndarray) -> np.ndarray:
    """The vectors; raises ``ParameterError`` where a value is no finite number."""
    import numpy as np

    if not np.isfinite(array).all():
        raise wrong(name, "a value of the vector is no finite number")
    return array


def tensor(array: np.ndarray, asked: str = "convert_to_tensor=True and convert_to_numpy=False give") -> Any:
    """An array as a tensor of PyTorch, which share their memory."""
    try:
        import torch
    except ImportError:
        raise ImportError(f"{asked} tensors of PyTorch, which is not installed") from None
    return torch.from_numpy(array)


def similarity_name(value: Any) -> SimilarityName:
    """The name of a way to compare vectors; also of a member of sentence-transformers' enumeration."""
    name = getattr(value, "value", value)
    if name not in SIMILARITIES:
        raise ValueError(f"similarity_fn_name is {name!r}; use {', '.join(SIMILARITIES)}")
    return name


def _unit(array: np.ndarray) -> np.ndarray:
    import numpy as np

    # Squares of tiny and of huge values are beyond float32.
    wide = array.astype(np.float64)
    length = np.linalg.norm(wide, axis=-1, keepdims=True)
    return np.divide(wide, length, out=np.zeros_like(wide), where=length > 0).astype(np.float32)


def _two(first: Any, second: Any) -> tuple[np.ndarray, np.ndarray]:
    a, b = matrix("embeddings1", first), matrix("embeddings2", second)
    # An empty list is no vector.
    a, b = (array.reshape(0, 0) if array.shape == (0,) else array for array in (a, b))
    for name, array in (("embeddings1", a), ("embeddings2", b)):
        if array.ndim not in (1, 2):
            raise ValueError(f"{name}: an array of {array.ndim} dimensions; give vectors of shape (n, dimensions)")
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(f"vectors of {a.shape[-1]} values cannot be compared with vectors of {b.shape[-1]}")
    return a, b


def _distances(a: np.ndarray, b: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What ``of`` makes of the differences of each row of the one to each of the other, some at a time."""
    import numpy as np

    out = np.empty((len(a), len(b)), dtype=np.float32)
    columns = max(_AT_ONCE // max(a.shape[1], 1), 1)
    for left in range(0, len(b), columns):
        part = b[left : left + columns]
        rows = max(columns // len(part), 1)
        for top in range(0, len(a), rows):
            out[top : top + rows, left : left + columns] = of(a[top : top + rows, None, :] - part)
    return out


def _euclidean(difference: np.ndarray) -> np.ndarray:
    import numpy as np

    return -np.sqrt(np.einsum("...i,...i->...", difference, difference))


def _manhattan(difference: np.ndarray) -> np.ndarray:
    import numpy as np

    return -np.abs(difference, out=difference).sum(axis=-1)


def similarity(how: SimilarityName, first: Any, second: Any) -> np.ndarray:
    """How alike each vector of the one is to each of the other, float32 of shape (a, b); of distances the
    negative, so that more is always more alike."""
    import numpy as np

    a, b = (np.atleast_2d(array) for array in _two(first, second))
    if how == "cosine":
        return _unit(a) @ _unit(b).T
    if how == "dot":
        return a @ b.T
    return _distances(a, b, _euclidean if how == "euclidean" else _manhattan)


def similarity_pairwise(how: SimilarityName, first: Any, second: Any) -> np.ndarray:
    """How alike each vector is to that in the same place, float32 of shape (n,); of two vectors a number."""
    a, b = _two(first, second)
    if a.shape != b.shape:
        of = [len(array) if array.ndim == 2 else "one" for array in (a, b)]
        raise ValueError(f"{of[0]} vectors against {of[1]}; pairs need as many of both")
    if how == "cosine":
        a, b = _unit(a), _unit(b)
    if how in ("cosine", "dot"):
        return (a * b).sum(axis=-1)
    return (_euclidean if how == "euclidean" else _manhattan)(a - b)


def _rows(name: str, vectors: Any) -> np.ndarray:
    array = matrix(name, vectors)
    if array.ndim != 2:
        raise wrong(name, f"an array of shape {array.shape}; give vectors of shape (n, dimensions)")
    return finite(name, array)


def quantize_embeddings(embeddings: Any, precision: Precision, calibration_embeddings: Any = None) -> np.ndarray:
    """Vectors of fewer bits, as sentence-transformers' function of this name makes them.

    int8 and uint8 take the range of each dimension from ``calibration_embeddings``, or from the vectors
    themselves, of which there must then be two or more.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; use {', '.join(PRECISIONS)}")
    array = _rows("embeddings", embeddings)
    ranges = None if calibration_embeddings is None else _rows("calibration_embeddings", calibration_embeddings)
    return _nearwise.quantize(array, precision, ranges)
