"""Texts and places that the tests of the plug-ins share. Each test needs the package that it is for, and is left
out without it: ``pip install -r python/requirements-plugins.txt``."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest

import nearwise

ROOT = pathlib.Path(__file__).resolve().parents[3]
TINY = str(ROOT / "tests" / "fixtures" / "tiny-bert")


def environment(**more: str) -> dict[str, str]:
    """An environment for other processes, which find the package where this one does."""
    package = str(pathlib.Path(nearwise.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **more}


#: Words of three matters, of which texts are made that a model with random weights tells apart.
MATTERS = ("goal match cup", "king queen castle", "red blue green")


def made_texts(n: int, seed: int = 7) -> tuple[list[str], list[int]]:
    """Texts and the matter of each."""
    random = np.random.default_rng(seed)
    texts, matters = [], []
    for i in range(n):
        words = MATTERS[i % 3].split()
        texts.append(" ".join(random.choice(words, 12)))
        matters.append(i % 3)
    return texts, matters


@pytest.fixture(scope="module")
def tiny() -> str:
    """The folder of a model with 32 dimensions."""
    return TINY


@pytest.fixture(scope="module")
def encoder(tiny):
    import nearwise

    return nearwise.Encoder(tiny, device="cpu")


@pytest.fixture
def texts():
    return made_texts(60)
