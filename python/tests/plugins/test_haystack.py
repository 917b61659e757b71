"""Haystack's own pipelines with Nearwise's components."""

import numpy as np
import pytest

pytest.importorskip("haystack")

from haystack import Document, Pipeline  # noqa: E402
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever  # noqa: E402
from haystack.document_stores.in_memory import InMemoryDocumentStore  # noqa: E402

import nearwise  # noqa: E402
from nearwise.haystack import NearwiseDocumentEmbedder, NearwiseRetriever, NearwiseTextEmbedder  # noqa: E402

from made_texts import encoder, tiny  # noqa: E402, F401

TEXTS = ["the bank set the rate", "the striker scored a goal", "the ferry crossed the river"]


def test_embedders_in_a_pipeline(tiny, encoder):
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    documents = [Document(content=t, meta={"title": f"title {i}"}) for i, t in enumerate(TEXTS)]
    embedder = NearwiseDocumentEmbedder(tiny, device="cpu", meta_fields_to_embed=["title"])
    out = embedder.run(documents)
    assert documents[0].embedding is None
    vectors = np.float32([d.embedding for d in out["documents"]])
    np.testing.assert_array_equal(vectors, encoder.encode_document([f"title {i}\n{t}" for i, t in enumerate(TEXTS)]))
    store.write_documents(out["documents"])
    pipeline = Pipeline()
    pipeline.add_component("embedder", NearwiseTextEmbedder(tiny, device="cpu"))
    pipeline.add_component("retriever", InMemoryEmbeddingRetriever(store, top_k=1))
    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    found = pipeline.run({"embedder": {"text": "title 2\nthe ferry crossed the river"}}, {"embedder"})
    assert found["embedder"]["meta"]["model"] == encoder.model
    assert [d.content for d in found["retriever"]["documents"]] == [TEXTS[2]]


def test_embedders_are_saved_and_refuse(tiny, encoder):
    embedder = NearwiseDocumentEmbedder(tiny, device="cpu", prefix="a: ", truncate_dim=8)
    again = NearwiseDocumentEmbedder.from_dict(embedder.to_dict())
    assert again.to_dict() == embedder.to_dict()
    assert len(again.run([Document(content="x")])["documents"][0].embedding) == 8
    with pytest.raises(TypeError, match="a text is for NearwiseTextEmbedder"):
        embedder.run("a text")
    with pytest.raises(TypeError, match="NearwiseTextEmbedder embeds a str"):
        NearwiseTextEmbedder(encoder).run([Document(content="x")])
    with pytest.raises(ValueError, match="cannot be saved"):
        NearwiseTextEmbedder(encoder).to_dict()


@pytest.fixture
def corpus(tmp_path, encoder):
    path = tmp_path / "articles.nearwise"
    with nearwise.Corpus(path, encoder=encoder) as corpus:
        corpus.add([{"id": str(i), "text": t, "n": i, "date": f"202{i}-01-01"} for i, t in enumerate(TEXTS)])
    return path


def test_the_retriever(corpus):
    pipeline = Pipeline()
    pipeline.add_component("retriever", NearwiseRetriever(str(corpus), top_k=2, device="cpu"))
    pipeline = Pipeline.loads(pipeline.dumps(), allowed_modules=["nearwise.haystack"])

    def ask(**inputs):
        return pipeline.run({"retriever": inputs})["retriever"]["documents"]

    documents = ask(query=TEXTS[1])
    assert documents[0].content == TEXTS[1] and documents[0].id == "1" and len(documents) == 2
    assert documents[0].meta["n"] == 1 and documents[0].meta["passage"] == TEXTS[1]
    assert documents[0].score >= documents[1].score
    late = {"field": "meta.date", "operator": ">=", "value": "2021"}
    other = {"field": "meta.n", "operator": "not in", "value": [2]}
    assert {d.id for d in ask(query="the", filters=late)} == {"1", "2"}
    assert {d.id for d in ask(query="the", filters={"operator": "AND", "conditions": [late, other]})} == {"1"}
    assert {d.id for d in ask(query="the", filters={"operator": "NOT", "conditions": [late]})} == {"0"}
    assert {d.id for d in ask(query="the", top_k=1, filters={"operator": "OR", "conditions": [other]})} <= {"0", "1"}
    with pytest.raises(Exception, match="give a query or query_embedding"):
        ask()
    with pytest.raises(ValueError, match="'~' is no operator"):
        NearwiseRetriever(corpus).run(query="a", filters={"field": "n", "operator": "~", "value": 1})
    assert [d.id for d in NearwiseRetriever(corpus, by="words").run(query="ferry")["documents"]] == ["2"]
    with pytest.raises(FileNotFoundError):
        NearwiseRetriever(corpus.parent / "none.nearwise").run(query="a")
