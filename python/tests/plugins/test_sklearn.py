"""scikit-learn's own checks, clones and pipelines with Nearwise's estimators."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from nearwise.sklearn import NearwiseEmbedder, TopicClusterer  # noqa: E402

from made_texts import TINY, encoder, texts, tiny  # noqa: E402, F401

#: Checks that ask for what Nearwise does not do, and why.
NOT_ASKED: dict[str, dict[str, str]] = {"NearwiseEmbedder": {}, "TopicClusterer": {}}


@parametrize_with_checks(
    [NearwiseEmbedder(TINY, device="cpu"), TopicClusterer(), TopicClusterer(3, method="kmeans")],
    expected_failed_checks=lambda estimator: NOT_ASKED[type(estimator).__name__],
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_vectors_are_those_of_the_encoder(tiny, encoder, texts):
    words, _ = texts
    embedder = NearwiseEmbedder(tiny, device="cpu")
    vectors = embedder.fit_transform(words)
    np.testing.assert_array_equal(vectors, encoder.encode(words))
    assert list(embedder.get_feature_names_out()) == [f"nearwise{i}" for i in range(32)]
    column = np.array(words, dtype=object).reshape(-1, 1)
    np.testing.assert_array_equal(embedder.transform(column), vectors)
    query = NearwiseEmbedder(encoder, prompt="query").fit_transform(words)
    np.testing.assert_array_equal(query, encoder.encode_query(words))
    prompted = NearwiseEmbedder(encoder, prompt="about: ").fit_transform(words)
    np.testing.assert_array_equal(prompted, encoder.encode(words, prompt="about: "))
    with pytest.raises(ValueError, match="X is one text"):
        embedder.transform("a text")
    with pytest.raises(ValueError, match="X has 2 columns"):
        embedder.transform(np.array([["a", "b"]]))


def test_data_frames_give_and_get_columns(tiny, texts):
    pd = pytest.importorskip("pandas")
    words, _ = texts
    frame = pd.DataFrame({"text": words})
    embedder = NearwiseEmbedder(tiny, device="cpu").set_output(transform="pandas")
    out = embedder.fit_transform(frame)
    assert list(out.columns)[:2] == ["nearwise0", "nearwise1"] and len(out) == len(words)
    assert embedder.fit_transform(frame["text"]).equals(out)


def test_pipelines_clones_and_pickles(tiny, encoder, texts):
    words, matters = texts
    pipeline = make_pipeline(NearwiseEmbedder(tiny, device="cpu"), LogisticRegression(C=100.0))
    assert cross_val_score(clone(pipeline), words, matters, cv=3).mean() > 0.9
    fitted = clone(pipeline).fit(words, matters)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(words), fitted.predict(words))
    # The model of an encoder that is there already is shared by clones, and not loaded again.
    shared = make_pipeline(NearwiseEmbedder(encoder), LogisticRegression(C=100.0))
    assert clone(shared)[0].model._core is encoder._core
    assert cross_val_score(shared, words, matters, cv=3).mean() > 0.9
    grid = GridSearchCV(pipeline, {"nearwiseembedder__truncate_dim": [8, 32]}, cv=2).fit(words, matters)
    assert grid.best_params_["nearwiseembedder__truncate_dim"] in (8, 32)


def test_topics_in_a_pipeline(tiny, texts):
    words, matters = texts
    pipeline = make_pipeline(NearwiseEmbedder(tiny, device="cpu"), TopicClusterer(3))
    labels = pipeline.fit_predict(words)
    # Each matter is one topic: the labels of a matter agree, and those of two do not.
    of = [set(labels[np.array(matters) == m]) - {-1} for m in range(3)]
    assert [len(s) for s in of] == [1, 1, 1] and len(set.union(*of)) == 3
    clusterer = pipeline[-1]
    assert clusterer.cluster_centers_.shape == (3, 32)
    assert ((clusterer.probabilities_ >= 0) & (clusterer.probabilities_ <= 1)).all()
    inside = labels >= 0
    np.testing.assert_array_equal(pipeline.predict(words)[inside], labels[inside])
    assert len(clusterer.topics_) == 3


def test_what_cannot_be_used_is_named():
    vectors = np.random.default_rng(1).normal(size=(30, 4))
    with pytest.raises(ValueError, match="method: 'dbscan'"):
        TopicClusterer(method="dbscan").fit(vectors)
    with pytest.raises(TypeError, match="random_state"):
        TopicClusterer(random_state="1").fit(vectors)
