"""Topics of vectors that one has already."""

import nearwise
import numpy as np
import pytest


def blobs(n=120, dim=16, seed=3):
    """Vectors about three directions, their texts, and which direction each has."""
    random = np.random.default_rng(seed)
    centres = np.eye(3, dim) * 4
    truth = np.arange(n) % 3
    vectors = centres[truth] + random.standard_normal((n, dim)) * 0.3
    words = ["the bank set the interest rate", "the team scored a goal in the cup", "the ship crossed the frozen river"]
    return vectors, [f"{words[t]}, for the time number {i}" for i, t in enumerate(truth)], truth


def same(labels, truth):
    """Whether two labellings are the same but for the names of labels."""
    return len(set(zip(labels, truth))) == len(set(labels)) == len(set(truth))


def test_labels_terms_and_tree():
    vectors, texts, truth = blobs()
    found = nearwise.topics(vectors, texts)
    inside = found.labels >= 0
    assert inside.mean() > 0.8 and same(found.labels[inside], truth[inside])
    assert found.labels.dtype == np.int64 and found.part_labels.shape == found.labels.shape
    assert len(found) == 3 and found.centroids.shape == (3, 16)
    assert np.allclose(np.linalg.norm(found.centroids, axis=1), 1, atol=1e-5)
    assert found.similarities.dtype == np.float32 and found.similarities[inside].min() > 0.5
    cup = found.labels[1]
    assert any("goal" in term or "cup" in term for term in found.terms[cup][:5])
    assert all(found.labels[row] == cup for row in found.topics[cup].typical)
    assert found.tree.size == sum(t.size for t in found.topics) == inside.sum()
    assert -1 <= found.silhouette <= 1 and found.found_by


def test_any_vectors_give_the_same():
    vectors, texts, _ = blobs()
    vectors = vectors.astype(np.float32)
    whole = nearwise.topics(vectors, texts, k=3)
    for of in (np.float64, np.asfortranarray, np.ndarray.tolist, lambda v: [*v], lambda v: v[::-1][::-1]):
        other = nearwise.topics(of(vectors), iter(texts), k=3)
        assert np.array_equal(whole.labels, other.labels)
        assert whole.terms == other.terms
    titled = nearwise.topics(vectors, texts, titles=[t[:9] for t in texts], k=3)
    assert np.array_equal(whole.labels, titled.labels)
    assert nearwise.topics(vectors).topics[0].label == "topic 0"


@pytest.mark.parametrize("method", ["kmeans", "leiden", "hdbscan", "gaussian_mixture"])
def test_methods(method):
    vectors, texts, truth = blobs(n=400)
    k = 3 if method in ("kmeans", "gaussian_mixture") else None
    found = nearwise.topics(vectors, texts, method=method, k=k, show_progress_bar=False)
    inside = found.labels >= 0
    assert inside.mean() > 0.5
    assert len({(a, b) for a, b in zip(found.labels[inside], truth[inside])}) == len(set(found.labels[inside]))


def test_guides_and_an_encoder(encoder):
    _, texts, _ = blobs()
    vectors = encoder.encode(texts)
    guide = {"name": "Money", "words": ["bank", "interest"], "articles": [0, 3, 6]}
    found = nearwise.topics(vectors, texts, guides=[guide], encoder=encoder)
    assert any(t.label == "Money" and t.named for t in found)
    with pytest.raises(ValueError, match="encoder"):
        nearwise.topics(vectors, texts, guides=[guide])


def test_what_is_refused_in_one_line():
    vectors, texts, _ = blobs()
    broken = vectors.copy()
    broken[5, 3] = np.nan
    cases = [
        (ValueError, "none", lambda: nearwise.topics([])),
        (ValueError, "none", lambda: nearwise.topics(np.empty((0, 5)))),
        (ValueError, "finite|number", lambda: nearwise.topics(broken)),
        (ValueError, "finite|number", lambda: nearwise.topics(np.full((9, 2), np.inf))),
        (ValueError, "shape", lambda: nearwise.topics(np.ones(7))),
        (ValueError, "several lengths", lambda: nearwise.topics([[1.0, 2.0], [1.0]])),
        (TypeError, "no vectors", lambda: nearwise.topics([["a", "b"]])),
        (ValueError, "119 texts with 120", lambda: nearwise.topics(vectors, texts[1:])),
        (ValueError, "titles", lambda: nearwise.topics(vectors, titles=texts)),
        (ValueError, "method", lambda: nearwise.topics(vectors, method="magic")),
        (ValueError, "k", lambda: nearwise.topics(vectors, k=0)),
        (ValueError, "resolution", lambda: nearwise.topics(vectors, resolution=2.0)),
        (TypeError, "encoder", lambda: nearwise.topics(vectors, encoder="all-MiniLM-L6-v2")),
        (TypeError, "surprise", lambda: nearwise.topics(vectors, surprise=1)),
        (TypeError, "text 0", lambda: nearwise.topics(vectors, [None] * 120)),
    ]
    for kind, match, call in cases:
        with pytest.raises(kind, match=match) as raised:
            call()
        assert "\n" not in str(raised.value)
