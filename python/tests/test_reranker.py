"""Pairs of texts in, scores out."""

import nearwise
import numpy as np
import pytest
from conftest import FIXTURES, TINY


def test_values_are_those_of_sentence_transformers(expected):
    texts = [text for text in expected["texts"] if text]
    query = expected["query"]
    for case in expected["crosses"]:
        reranker = nearwise.Reranker(str(FIXTURES / case["model"]), device="cpu", dtype="f32")
        scores = reranker.predict([(query, text) for text in texts])
        assert scores.shape == np.shape(case["predict"]) and scores.dtype == np.float32
        assert np.abs(scores - np.array(case["predict"])).max() < 2e-5
        assert np.array_equal(reranker.predict((query, texts[0])), scores[0])
        if "rank" in case:
            ranked = reranker.rank(query, texts)
            assert [r["corpus_id"] for r in ranked] == case["rank"]
            assert reranker.rank(query, texts, top_k=2, return_documents=True)[0] == {
                **ranked[0],
                "text": texts[ranked[0]["corpus_id"]],
            }


def test_rerank():
    model = str(FIXTURES / "families" / "bert-cross")
    texts = ["a goal", "the bank cut its rate", "ice"]
    ranked = nearwise.rerank("interest rates", iter(texts), top=2, model=model)
    assert len(ranked) == 2 and ranked[0].score >= ranked[1].score
    assert ranked == nearwise.rerank("interest rates", texts, model=nearwise.Reranker(model))[:2]
    long = nearwise.rerank("rates", ["the bank cut its rate. " * 200], model=model, passages=True)
    assert long[0].passage is not None and long[0].passage[1] > long[0].passage[0]


def test_what_it_refuses():
    reranker = nearwise.Reranker(str(FIXTURES / "families" / "bert-cross"))
    for name in ("prompt", "prompt_name", "batch_size", "activation_fn", "device", "pool", "chunk_size"):
        with pytest.raises(TypeError, match=name):
            reranker.rank("q", ["a"], **{name: "x"})
        with pytest.raises(TypeError, match=name):
            reranker.predict([("q", "a")], **{name: "x"})
    with pytest.raises(TypeError, match="pair 1"):
        reranker.predict([("a", "b"), ("c",)])
    with pytest.raises(TypeError, match="list of texts"):
        reranker.rerank("q", "a text")
    with pytest.raises(TypeError, match="query"):
        reranker.rerank(3, ["a text"])
    with pytest.raises(ValueError, match="top"):
        reranker.rerank("q", ["a"], top=0)
    with pytest.raises(nearwise.errors.ModelError):
        nearwise.Reranker(TINY)
    with pytest.raises(ValueError, match="label"):
        nearwise.Reranker(str(FIXTURES / "families" / "bert-cross-three")).rerank("q", ["a"])
