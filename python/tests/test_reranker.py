"""Pairs of texts in, scores out."""

import json
import shutil

import nearwise
import numpy as np
import pandas as pd
import pytest
from conftest import FIXTURES, TINY

CROSS = str(FIXTURES / "families" / "bert-cross")
THREE = str(FIXTURES / "families" / "bert-cross-three")


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
    for name in ("prompt", "prompt_name", "activation_fn", "device", "pool", "chunk_size"):
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
        nearwise.Reranker(THREE).rerank("q", ["a"])


def test_batches_bars_and_tensors(capsys):
    reranker = nearwise.Reranker(CROSS, device="cpu", dtype="f32")
    pairs = [("interest rates", f"the bank cut its rate {'again ' * (i % 7)}number {i}") for i in range(70)]
    plain = reranker.predict(pairs)
    assert capsys.readouterr().err == ""
    for how in ({"batch_size": 32}, {"batch_size": 1}, {"batch_size": 2**62}, {"show_progress_bar": True}):
        np.testing.assert_allclose(reranker.predict(pairs, **how), plain, atol=1e-6)
    assert "70/70" in capsys.readouterr().err
    texts = [text for _, text in pairs]
    ranked = reranker.rank("interest rates", texts, batch_size=16, show_progress_bar=False)
    scores = [r["score"] for r in ranked]
    assert scores == sorted(scores, reverse=True) and sorted(r["corpus_id"] for r in ranked) == list(range(70))
    np.testing.assert_allclose([plain[r["corpus_id"]] for r in ranked], scores, atol=1e-6)
    assert len(reranker.rank("q", iter(texts), top_k=3)) == 3 and reranker.rank("q", []) == []
    assert reranker.predict([]).shape == (0,)
    for value in (0, -1):
        with pytest.raises(ValueError, match="batch_size"):
            reranker.predict(pairs, batch_size=value)
    with pytest.raises(TypeError, match="pair 1 holds one of the type NoneType"):
        reranker.rank("q", ["a", None], batch_size=8)
    try:
        import torch
    except ImportError:
        with pytest.raises(ImportError, match="convert_to_tensor=True.*PyTorch"):
            reranker.predict(pairs, convert_to_tensor=True)
    else:
        assert torch.equal(reranker.predict(pairs, convert_to_tensor=True), torch.from_numpy(plain))
        assert reranker.predict(pairs[0], convert_to_tensor=True).shape == ()


def test_softmax_of_labels():
    reranker = nearwise.Reranker(THREE, device="cpu", dtype="f32")
    pairs = [("a goal", "the cup"), ("the bank", "ice")]
    logits, shares = reranker.predict(pairs), reranker.predict(pairs, apply_softmax=True)
    np.testing.assert_allclose(shares, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), rtol=1e-5)
    with pytest.raises(ValueError, match="rank needs a model with one label.*rerank"):
        reranker.rank("q", ["a"])
    # Of one label there is nothing to share.
    one = nearwise.Reranker(CROSS, device="cpu", dtype="f32")
    assert np.array_equal(one.predict(pairs, apply_softmax=True), one.predict(pairs))


def test_raw_scores_by_the_way_that_is_named(tmp_path):
    """What the error for activation_fn says to do."""
    folder = shutil.copytree(CROSS, tmp_path / "raw")
    config = json.loads((folder / "config.json").read_text())
    config.pop("sentence_transformers", None)
    config["sbert_ce_default_activation_function"] = "torch.nn.modules.linear.Identity"
    (folder / "config.json").write_text(json.dumps(config))
    pairs = [("a goal", "the cup"), ("the bank", "ice")]
    raw = nearwise.CrossEncoder(str(folder), device="cpu").predict(pairs)
    sure = nearwise.CrossEncoder(CROSS, device="cpu").predict(pairs)
    np.testing.assert_allclose(1 / (1 + np.exp(-raw)), sure, atol=1e-6)
    with pytest.raises(TypeError, match="activation_fn=.*sbert_ce_default_activation_function"):
        nearwise.Reranker(CROSS).predict(pairs, activation_fn=abs)


def test_pairs_as_people_have_them():
    reranker = nearwise.CrossEncoder(CROSS, device="cpu")
    pairs = [("a goal", "the cup"), ("the bank", "ice")]
    scores = reranker.predict(pairs)
    for given in (
        [list(pair) for pair in pairs],
        np.array(pairs),
        pd.DataFrame(pairs, columns=["query", "text"]),
        iter(pairs),
        zip(*zip(*pairs)),
    ):
        assert np.array_equal(reranker.predict(given), scores)
    assert np.array_equal(reranker.predict(sentences=pairs), scores)
    for wrong, said in (
        ([{"query": "a", "document": "b"}], "pair 0 is of the type dict"),
        ({"query": "a", "document": "b"}, "inputs is a list of pairs .* dict"),
        ("ab", "inputs is a list of pairs .* str"),
        (["ab", "cd", "ef"], "pair 0 is of the type str"),
        ([("a", "b"), {"c", "d"}], "pair 1 is of the type set"),
        ([("a", "b"), ("c", 3)], "pair 1 holds one of the type int"),
        (7, "inputs"),
        (pd.DataFrame({"a": ["x"], "b": ["y"], "c": ["z"]}), "pair 0 is no pair of texts: it has 3"),
    ):
        with pytest.raises(TypeError, match=said):
            reranker.predict(wrong)
    assert repr(reranker).startswith("nearwise.CrossEncoder(")
