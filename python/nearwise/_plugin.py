"""What the plug-ins share: an encoder that is loaded when it is needed first."""

from __future__ import annotations

import threading
from typing import Any

from .encoder import Encoder


def missing(error: ModuleNotFoundError, module: str, package: str, install: str) -> Exception:
    """What to raise where a plug-in's ``module`` could not import ``package``: what to install, or the
    error itself where something else is missing."""
    if (error.name or "").partition(".")[0] != package:
        return error
    return ImportError(f"{module} needs the package {install}: pip install {install}")


class Model:
    """A model by its name, or an encoder that is there.

    By its name it is loaded in each process when it is asked for first, so that what holds it can be
    copied and pickled.
    """

    def __init__(self, model: str | Encoder | None, **how: Any) -> None:
        self._lock = threading.Lock()
        self._how = how
        self._name: str | None = None
        self._encoder: Encoder | None = None
        # An encoder that was given cannot be loaded again, and says so when it is pickled.
        self._given = isinstance(model, Encoder)
        if isinstance(model, Encoder):
            given = [name for name, value in how.items() if value not in (None, "auto", False)]
            if given:
                raise TypeError(f"{given[0]} is for a model by its name; the encoder has its own")
            self._encoder = model
        elif model is None or isinstance(model, str) or hasattr(model, "__fspath__"):
            self._name = None if model is None else str(model)
        else:
            raise TypeError(f"model is a str or a nearwise.Encoder, not {type(model).__name__}")

    @property
    def encoder(self) -> Encoder:
        """The encoder."""
        with self._lock:
            if self._encoder is None:
                self._encoder = Encoder(self._name, **self._how)
            return self._encoder

    @property
    def name(self) -> str:
        """The name that was given, or the encoder's; ``"default"`` for the default model."""
        if self._name is None and self._encoder is not None:
            return self._encoder.model
        return self._name or "default"

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        del state["_lock"]
        if not self._given:
            state["_encoder"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Model:
        # An encoder is shared by all who use it.
        copy = Model.__new__(Model)
        copy.__dict__.update(self.__dict__, _lock=threading.Lock())
        return copy
