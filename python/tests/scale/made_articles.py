"""Articles and places that the tests of what goes past one machine share."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest

import nearwise

ROOT = pathlib.Path(__file__).resolve().parents[3]
TINY = str(ROOT / "tests" / "fixtures" / "tiny-bert")

def environment() -> dict[str, str]:
    """An environment in which Ray's workers find the package where this process does."""
    package = str(pathlib.Path(nearwise.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    return {"PYTHONPATH": path, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}


#: What a local cluster may take: two workers, and little memory.
CLUSTER = {
    # A loopback address that Ray does not put the address of a network in place of.
    "_node_ip_address": "127.0.0.2",
    "num_cpus": 2,
    "object_store_memory": 300 << 20,
    "include_dashboard": False,
    "log_to_driver": False,
    "configure_logging": False,
}


# Words that the tiny model knows.
WORDS = (
    "the and for with from was that this bank interest rates rate cut market markets minister election vote goal cup "
    "final match team last minute city river ice water ship moon orbit vaccine patients doctors software data court "
    "company price prices met said"
).split()


def made(n: int, seed: int = 3, longest: int = 200):
    """Articles with ids, titles, dates, sources and metadata; some are longer than the model reads at once."""
    import pyarrow as pa

    random = np.random.default_rng(seed)
    lengths = random.integers(3, longest, size=n)
    chosen = random.choice(WORDS, size=int(lengths.sum()))
    texts = [" ".join(part) for part in np.split(chosen, np.cumsum(lengths)[:-1])]
    return pa.table(
        {
            "id": [f"a{i}" for i in range(n)],
            "title": [f"{WORDS[i % len(WORDS)]} number {i}" if i % 3 else "" for i in range(n)],
            "text": texts,
            "date": [f"202{i % 5}-0{1 + i % 9}-11" if i % 7 else None for i in range(n)],
            "source": ["wire" if i % 2 else "gazette" for i in range(n)],
            "section": [("money", "sport", "travel")[i % 3] for i in range(n)],
            "words": [int(x) for x in lengths],
        }
    )


@pytest.fixture(scope="module")
def tiny() -> str:
    """The folder of a model with 32 dimensions."""
    return TINY


@pytest.fixture(scope="module")
def encoder(tiny):
    return nearwise.Encoder(tiny, device="cpu")


@pytest.fixture(scope="module")
def cluster():
    """A local Ray cluster of two workers."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        ray.init(address="local", **CLUSTER)
        yield ray
        ray.shutdown()


@pytest.fixture(scope="module")
def articles():
    return made(600)


@pytest.fixture(scope="module")
def corpus(articles, encoder, tmp_path_factory):
    """The same articles in a corpus, on one machine."""
    corpus = nearwise.Corpus(tmp_path_factory.mktemp("one") / "articles.nearwise", encoder=encoder)
    corpus.add(articles)
    return corpus
