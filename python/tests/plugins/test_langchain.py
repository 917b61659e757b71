"""LangChain's own classes with Nearwise's embeddings and vector store."""

import asyncio

import numpy as np
import pytest

pytest.importorskip("langchain_core")

from langchain_core.documents import Document  # noqa: E402
from langchain_core.embeddings import Embeddings  # noqa: E402
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore  # noqa: E402

from nearwise import F  # noqa: E402
from nearwise.errors import WrongModelError  # noqa: E402
from nearwise.langchain import NearwiseEmbeddings, NearwiseVectorStore  # noqa: E402

from made_texts import encoder, tiny  # noqa: E402, F401

TEXTS = [
    "the bank set the interest rate",
    "the striker scored a goal in the cup",
    "the ferry crossed the frozen river",
    "the bank raised the interest rate again",
]
METAS = [
    {"section": "money", "words": 6, "date": "2024-01-05"},
    {"section": "sport", "words": 8},
    {"section": "travel", "words": 6, "source": "wire"},
    {"section": "money", "words": 7, "date": "2025-02-06"},
]


@pytest.fixture
def embeddings(encoder):
    return NearwiseEmbeddings(encoder)


@pytest.fixture
def store(tmp_path, embeddings):
    store = NearwiseVectorStore(tmp_path / "store.nearwise", embeddings)
    assert store.add_texts(TEXTS, METAS, ids=list("abcd")) == list("abcd")
    return store


def test_embeddings_are_those_of_the_encoder(embeddings, encoder):
    assert isinstance(embeddings, Embeddings)
    vectors = embeddings.embed_documents(TEXTS)
    assert isinstance(vectors, list) and isinstance(vectors[0][0], float)
    np.testing.assert_array_equal(np.float32(vectors), encoder.encode_document(TEXTS))
    np.testing.assert_array_equal(np.float32(embeddings.embed_query("a")), encoder.encode_query("a"))
    assert asyncio.run(embeddings.aembed_query("a")) == embeddings.embed_query("a")
    # Within a store of LangChain's own.
    store = InMemoryVectorStore.from_texts(TEXTS, embeddings)
    assert store.similarity_search(TEXTS[2], k=1)[0].page_content == TEXTS[2]


def test_embeddings_can_be_pickled_and_name_what_is_wrong(tiny, encoder):
    import pickle

    embeddings = NearwiseEmbeddings(tiny, device="cpu")
    one = embeddings.embed_query("a")
    assert pickle.loads(pickle.dumps(embeddings)).embed_query("a") == one
    with pytest.raises(TypeError, match="dtype is for a model by its name"):
        NearwiseEmbeddings(encoder, dtype="f32")
    with pytest.raises(TypeError, match="model is a str"):
        NearwiseEmbeddings(3)
    with pytest.raises(TypeError, match="text is a str"):
        embeddings.embed_query(["a"])


def test_search_scores_and_filters(store):
    assert isinstance(store, VectorStore)
    (first, score), *rest = store.similarity_search_with_score(TEXTS[0], k=4)
    assert first == Document(id="a", page_content=TEXTS[0], metadata=METAS[0])
    assert score == pytest.approx(1.0, abs=2e-3)
    scores = [s for _, s in rest]
    assert len(rest) == 3 and scores == sorted(scores, reverse=True)

    def found(**kwargs):
        return {d.id for d in store.similarity_search("the", k=4, **kwargs)}

    assert found(filter={"section": "money"}) == {"a", "d"}
    assert found(filter={"section": ["sport", "travel"]}) == {"b", "c"}
    assert found(filter={"section": "money", "words": {"$gt": 6}}) == {"d"}
    assert found(filter={"$or": [{"section": "sport"}, {"words": {"$lte": 6}}]}) == {"a", "b", "c"}
    assert found(filter={"$not": {"section": "money"}}) == {"b", "c"}
    assert found(filter={"section": {"$nin": ["money"]}, "source": {"$exists": True}}) == {"c"}
    assert found(filter=F.date >= "2025") == {"d"}
    assert found(filter='date >= 2025 OR section = "sport"') == {"b", "d"}
    assert found(filter={"compare": {"field": "words", "op": "=", "value": 7}}) == {"d"}
    with pytest.raises(TypeError, match="function would have to see"):
        found(filter=lambda document: True)
    with pytest.raises(ValueError, match=r"'\$near' is no operator"):
        found(filter={"words": {"$near": 3}})
    with pytest.raises(TypeError, match="nonsense"):
        found(nonsense=1)
    # Options of a corpus go through.
    assert store.similarity_search("ferry", k=1, by="words")[0].id == "c"


def test_by_vector_and_relevance(store, embeddings):
    vector = embeddings.embed_query(TEXTS[1])
    assert store.similarity_search_by_vector(vector, k=1)[0].id == "b"
    for document, relevance in store.similarity_search_with_relevance_scores(TEXTS[1], k=4):
        assert 0.0 <= relevance <= 1.0
    near = store.similarity_search_with_relevance_scores(TEXTS[1], k=4, score_threshold=0.9999)
    assert [d.id for d, _ in near] in (["b"], [])


def test_mmr_and_retrievers(store):
    near = [d.id for d in store.similarity_search(TEXTS[0], k=2)]
    assert near[0] == "a"
    alone = store.max_marginal_relevance_search(TEXTS[0], k=2, lambda_mult=1.0)
    assert [d.id for d in alone] == near
    apart = [d.id for d in store.max_marginal_relevance_search(TEXTS[0], k=2, lambda_mult=0.0)]
    assert apart[0] == "a" and len(apart) == 2
    # Of two candidates there is no choice.
    few = store.max_marginal_relevance_search(TEXTS[0], k=2, fetch_k=2, lambda_mult=0.0)
    assert {d.id for d in few} == set(near)
    retriever = store.as_retriever(search_type="mmr", search_kwargs={"k": 2, "fetch_k": 3, "lambda_mult": 0.5})
    assert len(retriever.invoke(TEXTS[0])) == 2
    retriever = store.as_retriever(search_kwargs={"k": 1, "filter": {"section": "sport"}})
    assert [d.id for d in retriever.invoke("anything")] == ["b"]
    assert [d.id for d in asyncio.run(retriever.ainvoke("anything"))] == ["b"]


def test_mmr_chooses_among_as_many_as_other_stores(tmp_path):
    class Circle(Embeddings):
        def embed_documents(self, texts):
            return [self.embed_query(text) for text in texts]

        def embed_query(self, text):
            angle = int(text) / 30.0
            return [float(np.cos(angle)), float(np.sin(angle)), 0.3]

    texts = [str(i) for i in range(60)]
    ours = NearwiseVectorStore.from_texts(texts, Circle(), path=tmp_path / "s.nearwise")
    theirs = InMemoryVectorStore.from_texts(texts, Circle())
    for how in ({"k": 4}, {"k": 2}, {"k": 4, "fetch_k": 40}, {"k": 20}):
        found = [
            [d.page_content for d in s.as_retriever(search_type="mmr", search_kwargs=how).invoke("0")] for s in (ours, theirs)
        ]
        assert found[0] == found[1], how
    assert len(ours.max_marginal_relevance_search("0", k=30)) == 30


def test_the_indexing_api(store):
    indexing = pytest.importorskip("langchain_core.indexing")
    record = indexing.InMemoryRecordManager("here")
    record.create_schema()
    documents = [Document(page_content=f"text number {i}", metadata={"source": f"s{i}"}) for i in range(7)]

    def index(documents, cleanup):
        return indexing.index(
            documents, record, store, cleanup=cleanup, source_id_key="source", batch_size=3, key_encoder="sha256"
        )

    assert index(documents, "incremental")["num_added"] == 7 and len(store.corpus) == 11
    assert index(documents, "incremental")["num_skipped"] == 7
    assert index(documents[:3], "full")["num_deleted"] == 4 and len(store.corpus) == 7
    assert store.add_texts(["a", "b", "c"], ids=["x", "y", "z"], batch_size=2) == ["x", "y", "z"]
    assert store.get_by_ids(["z"])[0].page_content == "c"
    with pytest.raises(ValueError, match="batch_size"):
        store.add_texts(["a"], batch_size=0)


def test_ids_deleting_and_replacing(store):
    assert [d.id for d in store.get_by_ids(["c", "no", "a"])] == ["c", "a"]
    assert store.delete(["a", "no"]) is False
    assert store.delete(["b"]) is True
    assert len(store.corpus) == 2
    with pytest.raises(ValueError, match="ids: say which"):
        store.delete()
    store.add_documents([Document(id="c", page_content="another text", metadata={"n": 1})])
    assert store.get_by_ids(["c"])[0].page_content == "another text"
    assert len(store.corpus) == 2
    with pytest.raises(ValueError, match="metadatas: 1 with 2 texts"):
        store.add_texts(["a", "b"], [{}])


def test_from_texts_in_a_folder_of_its_own(embeddings):
    store = NearwiseVectorStore.from_texts(TEXTS, embeddings, METAS)
    folder = store.corpus.path.parent
    assert store.similarity_search(TEXTS[3], k=1)[0].metadata == METAS[3]
    assert folder.exists()
    assert NearwiseVectorStore(embedding=embeddings).similarity_search("nothing in it") == []


def test_other_embeddings_give_each_text_a_vector(tmp_path):
    class Letters(Embeddings):
        def embed_documents(self, texts):
            return [self.embed_query(text) for text in texts]

        def embed_query(self, text):
            return [float(text.count(c)) + 0.01 for c in "abcdefgh"]

    store = NearwiseVectorStore.from_texts(["aab", "hhg", "cde"], Letters(), path=tmp_path / "s.nearwise")
    assert store.similarity_search("gh", k=1)[0].page_content == "hhg"
    assert store.corpus.identity["model"].startswith("Letters")
    again = NearwiseVectorStore(tmp_path / "s.nearwise", Letters())
    assert again.similarity_search("a b", k=1)[0].page_content == "aab"


def test_one_id_is_no_list_of_letters(store):
    store.add_texts(["one", "two", "twelve"], ids=["1", "2", "12"])
    for call in (store.delete, store.get_by_ids, store.add_texts, store.embeddings.embed_documents):
        with pytest.raises(TypeError, match="list"):
            call("12")
    assert [d.id for d in store.get_by_ids(["1", "2", "12"])] == ["1", "2", "12"]


def test_vectors_of_other_models_are_not_mixed(tmp_path):
    class Remote(Embeddings):
        def __init__(self, model):
            self.model = model

        def embed_documents(self, texts):
            return [self.embed_query(text) for text in texts]

        def embed_query(self, text):
            return [float(len(text)), 1.0]

    class Other(Remote):
        pass

    path = tmp_path / "s.nearwise"
    NearwiseVectorStore(path, Remote("small")).add_texts(["a"])
    assert len(NearwiseVectorStore(path, Remote("small")).similarity_search("a")) == 1
    for other in (Remote("large"), Other("small")):
        store = NearwiseVectorStore(path, other)
        for call in (store.similarity_search, lambda text: store.add_texts([text])):
            with pytest.raises(WrongModelError, match="Remote small"):
                call("b")
