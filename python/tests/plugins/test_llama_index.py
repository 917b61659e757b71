"""LlamaIndex's own classes with Nearwise's model and vector store."""

import asyncio

import numpy as np
import pytest

pytest.importorskip("llama_index.core")

from llama_index.core import Document, StorageContext, VectorStoreIndex  # noqa: E402
from llama_index.core.schema import TextNode  # noqa: E402
from llama_index.core.vector_stores.types import (  # noqa: E402
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from nearwise.llama_index import NearwiseEmbedding, NearwiseVectorStore  # noqa: E402

from made_texts import encoder, tiny  # noqa: E402, F401

TEXTS = ["the bank set the rate", "the striker scored a goal", "the ferry crossed the river"]


@pytest.fixture
def embedding(encoder):
    return NearwiseEmbedding(encoder=encoder)


def test_embeddings_are_those_of_the_encoder(embedding, encoder, tiny):
    np.testing.assert_array_equal(np.float32(embedding.get_query_embedding("a")), encoder.encode_query("a"))
    batch = embedding.get_text_embedding_batch(TEXTS)
    np.testing.assert_array_equal(np.float32(batch), encoder.encode_document(TEXTS))
    assert embedding.get_text_embedding(TEXTS[0]) == batch[0]
    assert asyncio.run(embedding.aget_text_embedding(TEXTS[0])) == batch[0]
    assert asyncio.run(embedding.aget_text_embedding_batch(TEXTS)) == batch
    assert embedding.embed_batch_size == 2048
    by_name = NearwiseEmbedding(tiny, device="cpu")
    assert by_name.get_query_embedding("a") == embedding.get_query_embedding("a")
    assert by_name.to_dict()["model_name"] == tiny
    with pytest.raises(ValueError):
        NearwiseEmbedding(tiny, embed_batch_size=4096)
    with pytest.raises(TypeError, match="one of both"):
        NearwiseEmbedding(tiny, encoder=encoder)


def test_instructions_and_keywords_of_others(encoder, tiny):
    named = NearwiseEmbedding(tiny, device="cpu", query_instruction="find: ", text_instruction="about: ", normalize=True)
    query, text = named.get_query_embedding("a"), named.get_text_embedding("a")
    np.testing.assert_allclose(query, encoder.encode("a", prompt="find: ", normalize_embeddings=True), atol=1e-6)
    np.testing.assert_allclose(text, encoder.encode("a", prompt="about: ", normalize_embeddings=True), atol=1e-6)
    assert named.get_text_embedding_batch(["a"]) == [text]
    given = NearwiseEmbedding(encoder=encoder, query_prompt="find: ", document_prompt="about: ", normalize=True)
    assert given.get_query_embedding("a") == query and given.get_text_embedding("a") == text
    # It is saved with them.
    assert NearwiseEmbedding.from_dict(named.to_dict()).get_query_embedding("a") == query
    for name, value in {
        "max_length": 5,
        "pooling": "cls",
        "cache_folder": "x",
        "trust_remote_code": True,
        "backend": "onnx",
        "max_lenght": 5,
    }.items():
        with pytest.raises(TypeError, match=name) as raised:
            NearwiseEmbedding(tiny, **{name: value})
        assert "\n" not in str(raised.value)
    with pytest.raises(TypeError, match="query_instruction is another name of query_prompt"):
        NearwiseEmbedding(tiny, query_instruction="a", query_prompt="b")
    # What asks for nothing.
    NearwiseEmbedding(tiny, device=None, trust_remote_code=False, max_length=None, num_workers=None)


def test_an_index_over_a_corpus(embedding, tmp_path):
    store = NearwiseVectorStore(tmp_path / "nodes.nearwise")
    documents = [Document(text=t, doc_id=f"d{i}", metadata={"n": i, "title": "x"}) for i, t in enumerate(TEXTS)]
    storage = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex.from_documents(documents, storage, embed_model=embedding)
    (best,) = index.as_retriever(similarity_top_k=1).retrieve(documents[2].get_content("embed"))
    assert best.node.get_content() == TEXTS[2]
    assert best.node.metadata == {"n": 2, "title": "x"} and best.node.ref_doc_id == "d2"
    filters = MetadataFilters(filters=[MetadataFilter(key="n", value=1, operator=FilterOperator.LTE)])
    found = index.as_retriever(similarity_top_k=5, filters=filters).retrieve("the")
    assert {f.node.ref_doc_id for f in found} == {"d0", "d1"}
    # Another process finds it as it was.
    again = VectorStoreIndex.from_vector_store(NearwiseVectorStore(tmp_path / "nodes.nearwise"), embed_model=embedding)
    assert len(again.as_retriever(similarity_top_k=5).retrieve("the")) == 3
    index.delete_ref_doc("d1")
    assert len(store.client) == 2


@pytest.fixture
def store(tmp_path):
    store = NearwiseVectorStore(tmp_path / "nodes.nearwise", vectors_model="made")
    nodes = [
        TextNode(id_=f"n{i}", text=TEXTS[i % 3], metadata={"kind": "ab"[i % 2], "i": i}, embedding=vector)
        for i, vector in enumerate(np.eye(6, 8).tolist())
    ]
    assert store.add(nodes) == [f"n{i}" for i in range(6)]
    return store


def ask(store, mode=VectorStoreQueryMode.DEFAULT, k=6, **kwargs):
    vector = np.eye(8)[2] + 0.1
    return store.query(VectorStoreQuery(query_embedding=vector.tolist(), similarity_top_k=k, mode=mode, **kwargs))


def test_queries_of_each_mode(store):
    found = ask(store, k=2)
    assert found.ids[0] == "n2" and found.nodes[0].get_content() == TEXTS[2] and len(found.ids) == 2
    assert found.similarities == sorted(found.similarities, reverse=True)
    words = ask(store, VectorStoreQueryMode.TEXT_SEARCH, query_str="striker")
    assert set(words.ids) == {"n1", "n4"}
    both = ask(store, VectorStoreQueryMode.HYBRID, query_str="striker", k=3)
    assert {"n2", "n1"} <= set(both.ids)
    apart = ask(store, VectorStoreQueryMode.MMR, k=3, mmr_threshold=0.5)
    assert apart.ids[0] == "n2" and len(apart.ids) == 3
    for many in ({"mmr_prefetch_factor": 1}, {"mmr_prefetch_k": 3}, {"mmr_prefetch_k": 1}):
        near = store.query(
            VectorStoreQuery((np.eye(8)[2] + 0.1).tolist(), similarity_top_k=3, mode=VectorStoreQueryMode.MMR), **many
        )
        # Of as many candidates as hits there is no choice.
        assert set(near.ids) == set(ask(store, k=3).ids)
    for many, said in (
        ({"mmr_prefetch_factor": 0.5}, "mmr_prefetch_factor: 0.5; give 1 or more"),
        ({"mmr_prefetch_factor": 2, "mmr_prefetch_k": 3}, "give one of both"),
    ):
        with pytest.raises(ValueError, match=said):
            store.query(VectorStoreQuery([0.1] * 8, mode=VectorStoreQueryMode.MMR), **many)
    with pytest.raises(TypeError, match="mmr_prefetch_factor"):
        store.query(VectorStoreQuery([0.1] * 8), mmr_prefetch_factor=2)
    with pytest.raises(ValueError, match="sparse_top_k"):
        ask(store, VectorStoreQueryMode.HYBRID, query_str="a", sparse_top_k=5)
    with pytest.raises(ValueError, match="mode: 'svm'"):
        ask(store, VectorStoreQueryMode.SVM)
    with pytest.raises(ValueError, match="alpha"):
        ask(store, VectorStoreQueryMode.HYBRID, query_str="a", alpha=0.5)


def test_filters_and_nodes(store):
    def only(*filters, condition=FilterCondition.AND):
        return MetadataFilters(filters=list(filters), condition=condition)

    a = MetadataFilter(key="kind", value="a")
    late = MetadataFilter(key="i", value=3, operator=FilterOperator.GT)
    assert set(ask(store, filters=only(a)).ids) == {"n0", "n2", "n4"}
    assert set(ask(store, filters=only(a, late)).ids) == {"n4"}
    assert set(ask(store, filters=only(a, late, condition=FilterCondition.OR)).ids) == {"n0", "n2", "n4", "n5"}
    assert set(ask(store, filters=only(only(a), condition=FilterCondition.NOT)).ids) == {"n1", "n3", "n5"}
    assert set(ask(store, node_ids=["n1", "n2"]).ids) == {"n1", "n2"}
    with pytest.raises(ValueError, match="text_match"):
        ask(store, filters=only(MetadataFilter(key="kind", value="a", operator=FilterOperator.TEXT_MATCH)))
    assert [n.node_id for n in store.get_nodes(["n3", "no"])] == ["n3"]
    with pytest.raises(TypeError, match="node_ids"):
        store.get_nodes("n3")
    assert {n.node_id for n in store.get_nodes(filters=only(late))} == {"n4", "n5"}
    store.delete_nodes(filters=only(late))
    assert len(store.client) == 4
    store.clear()
    assert len(store.client) == 0 and ask(store).ids == []


def test_fields_that_no_node_has_are_not_warned_of(store, caplog):
    store.add([TextNode(id_="n9", text="nine", embedding=[0.5] * store.client.identity["dim"])])
    assert store.get_nodes(["n9"])[0].text == "nine" and "no article" not in caplog.text
