"""BERTopic with Nearwise's model and clustering."""

import nearwise
import numpy as np
import pytest

pytest.importorskip("bertopic")

from bertopic import BERTopic  # noqa: E402
from bertopic.backend import BaseEmbedder  # noqa: E402
from bertopic.dimensionality import BaseDimensionalityReduction  # noqa: E402
from sklearn.feature_extraction.text import CountVectorizer  # noqa: E402

from nearwise.bertopic import NearwiseEmbedder, TopicClusterer  # noqa: E402

from made_texts import MATTERS, encoder, made_texts, tiny  # noqa: E402, F401


def model(tiny, **kwargs):
    return BERTopic(
        embedding_model=NearwiseEmbedder(tiny, device="cpu"),
        umap_model=BaseDimensionalityReduction(),
        hdbscan_model=TopicClusterer(3),
        vectorizer_model=CountVectorizer(),
        **kwargs,
    )


def test_topics_of_nearwise_in_words_of_bertopic(tiny):
    texts, matters = made_texts(90)
    topic_model = model(tiny)
    topics, probabilities = topic_model.fit_transform(texts)
    assert isinstance(topic_model.embedding_model, NearwiseEmbedder)
    assert isinstance(topic_model.embedding_model, BaseEmbedder)
    topics = np.array(topics)
    for matter, words in enumerate(MATTERS):
        (topic,) = set(topics[np.array(matters) == matter]) - {-1}
        found = {word for word, _ in topic_model.get_topic(topic)}
        assert set(words.split()) <= found
    assert len(probabilities) == len(texts)
    # New documents are placed by the clusterer's predict.
    placed, _ = topic_model.transform([texts[0], texts[1]])
    assert list(placed) == [topics[0], topics[1]]
    # A topic is found by the model's words.
    similar, cosines = topic_model.find_topics("king queen castle king", top_n=1)
    assert similar == [topics[1]] and cosines[0] > 0.5


def test_the_embedder_alone(tiny, encoder):
    embedder = NearwiseEmbedder(encoder)
    np.testing.assert_array_equal(embedder.embed(["a text"]), encoder.encode_document(["a text"]))
    np.testing.assert_array_equal(embedder.embed_words(["word"]), embedder.embed(["word"]))
    assert embedder.embed_documents(["a", "b"], verbose=False).shape == (2, 32)


def test_a_model_is_saved_and_loaded(tiny, tmp_path):
    texts, _ = made_texts(60)
    topic_model = model(tiny)
    topics, _ = topic_model.fit_transform(texts)
    topic_model.save(tmp_path / "model.pickle", serialization="pickle")
    again = BERTopic.load(tmp_path / "model.pickle")
    assert list(again.transform(texts[:3])[0]) == list(topics[:3])


@pytest.mark.parametrize("kind", [nearwise.Encoder, nearwise.SentenceTransformer])
def test_an_encoder_is_the_model_itself(tiny, kind, tmp_path):
    """BERTopic replaces a model that it does not know by one of sentence-transformers, without a word."""
    own = kind(tiny, device="cpu")
    texts, _ = made_texts(60)
    parts = {"umap_model": BaseDimensionalityReduction(), "vectorizer_model": CountVectorizer()}
    topic_model = BERTopic(embedding_model=own, hdbscan_model=TopicClusterer(3), **parts)
    topics, _ = topic_model.fit_transform(texts)
    assert topic_model.embedding_model is own
    embed = own.encode if kind is nearwise.SentenceTransformer else own.encode_document
    np.testing.assert_array_equal(topic_model._extract_embeddings(texts[:2]), embed(texts[:2]))
    alike = BERTopic(embedding_model=NearwiseEmbedder(own), hdbscan_model=TopicClusterer(3), **parts)
    assert alike.fit_transform(texts)[0] == topics
    assert topic_model.find_topics("king queen castle king", top_n=1)[0] == [topics[1]]
    # The rest of a model is saved without it.
    topic_model.save(tmp_path / "model.pickle", serialization="pickle", save_embedding_model=False)
    again = BERTopic.load(tmp_path / "model.pickle", embedding_model=own)
    assert list(again.transform(texts[:3])[0]) == topics[:3]
    with pytest.raises(TypeError, match="cannot be pickled"):
        topic_model.save(tmp_path / "whole.pickle", serialization="pickle")


def test_one_text_in_place_of_a_list(tiny):
    with pytest.raises(TypeError, match="documents is a list of texts"):
        NearwiseEmbedder(tiny, device="cpu").embed("abc")
