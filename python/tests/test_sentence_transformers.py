"""Programs that are written for sentence-transformers: what they assign, ask and pass on."""

import copy
import json
import shutil
import sys
import types

import nearwise
import numpy as np
import pytest
from conftest import FIXTURES, TINY
from nearwise import _nearwise

TEXTS = ["the bank cut interest rates", "a late goal decided the final", "rates"]
CROSS = str(FIXTURES / "families" / "bert-cross")


@pytest.fixture
def model():
    return nearwise.SentenceTransformer(TINY, device="cpu")


class Tensor:
    """What stands for PyTorch's where that is not installed."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.array

    def to(self, device):
        return self

    device = "cpu"

    def __getitem__(self, i):
        return Tensor(np.asarray(self.array[i]))

    def __iter__(self):
        return (Tensor(np.asarray(row)) for row in self.array)


@pytest.fixture
def torch(monkeypatch):
    try:
        import torch
    except ImportError:
        torch = types.SimpleNamespace(from_numpy=Tensor, Tensor=Tensor)
        monkeypatch.setitem(sys.modules, "torch", torch)
    return torch


@pytest.fixture
def no_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)


# Values of sentence-transformers' four functions for A against B, and for A against A backwards.
A, B = [[1.0, 2.0, 2.0], [0.0, 3.0, 4.0]], [[2.0, 0.0, 0.0], [1.0, 2.0, 2.0], [0.0, 0.0, 0.5]]
ALIKE = {
    "cosine": ([[1 / 3, 1.0, 2 / 3], [0.0, 14 / 15, 0.8]], [14 / 15, 14 / 15]),
    "dot": ([[2.0, 9.0, 1.0], [0.0, 14.0, 2.0]], [14.0, 14.0]),
    "euclidean": ([[-3.0, 0.0, -np.sqrt(7.25)], [-np.sqrt(29), -np.sqrt(6), -np.sqrt(21.25)]], [-np.sqrt(6)] * 2),
    "manhattan": ([[-5.0, 0.0, -4.5], [-9.0, -4.0, -6.5]], [-4.0, -4.0]),
}


@pytest.mark.parametrize("name", ALIKE)
def test_similarity_by_the_function_of_the_model(encoder, name):
    encoder = copy.copy(encoder)
    assert encoder.similarity_fn_name == "cosine"
    encoder.similarity_fn_name = name
    each, pairs = ALIKE[name]
    got = encoder.similarity(A, B)
    assert got.dtype == np.float32 and got.shape == (2, 3)
    np.testing.assert_allclose(got, each, rtol=1e-6)
    np.testing.assert_allclose(encoder.similarity_pairwise(A, A[::-1]), pairs, rtol=1e-6)
    one = encoder.similarity_pairwise(A[0], A[1])
    assert one.shape == () and one == pytest.approx(pairs[0])
    given = nearwise.SentenceTransformer(TINY, device="cpu", similarity_fn_name=types.SimpleNamespace(value=name))
    assert given.similarity_fn_name == name
    # In parts, where all differences would not fit.
    many = np.random.default_rng(1).normal(size=(700, 64)).astype(np.float32)
    whole = encoder.similarity(many, many)
    np.testing.assert_allclose(whole[650, :], encoder.similarity(many[650], many)[0], atol=1e-4)


def test_similarity_that_cannot_be(model):
    with pytest.raises(ValueError, match="similarity_fn_name is 'maxsim'; use cosine, dot"):
        model.similarity_fn_name = "maxsim"
    model.similarity_fn_name = "dot"
    model.similarity_fn_name = None
    assert model.similarity_fn_name == "cosine"
    with pytest.raises(ValueError, match="2 vectors against 3"):
        model.similarity_pairwise(A, B)


@pytest.mark.skipif(not hasattr(_nearwise.Encoder, "similarity_fn_name"), reason="the compiled part does not tell it")
def test_the_function_that_a_models_files_name(tmp_path):
    folder = shutil.copytree(TINY, tmp_path / "model")
    settings = folder / "config_sentence_transformers.json"
    said = json.loads(settings.read_text()) if settings.exists() else {}
    settings.write_text(json.dumps({**said, "similarity_fn_name": "dot"}))
    for kind in (nearwise.Encoder, nearwise.SentenceTransformer):
        assert kind(str(folder), device="cpu").similarity_fn_name == "dot"


def test_similarities_are_tensors_where_pytorch_is(model, torch):
    vectors = model.encode(TEXTS)
    for got in (model.similarity(vectors, vectors), model.similarity_pairwise(vectors, vectors)):
        assert isinstance(got, torch.Tensor)
    tensors = model.encode(TEXTS, convert_to_tensor=True)
    again = model.similarity(list(tensors), tensors)
    np.testing.assert_array_equal(again.numpy(), model.similarity(vectors, vectors).numpy())


def test_similarities_are_arrays_where_it_is_not(model, no_torch):
    vectors = model.encode(TEXTS)
    assert isinstance(model.similarity(vectors, vectors), np.ndarray)
    assert model.similarity_pairwise(vectors, vectors).shape == (3,)


def test_an_encoder_gives_arrays(encoder, torch):
    vectors = encoder.encode(TEXTS)
    assert isinstance(encoder.similarity(vectors, vectors), np.ndarray)


@pytest.mark.parametrize("kind", [nearwise.Encoder, nearwise.SentenceTransformer])
def test_truncate_dim_is_assigned(kind, tmp_path):
    whole = kind(TINY, device="cpu", dtype="f32")
    model = kind(TINY, device="cpu", dtype="f32")
    vectors = whole.encode(TEXTS)
    assert model.truncate_dim is None
    model.truncate_dim = 5
    assert model.dimensions == model.get_embedding_dimension() == 5
    np.testing.assert_array_equal(model.encode(TEXTS), vectors[:, :5])
    assert model.encode(TEXTS, truncate_dim=9).shape == (3, 9)
    assert np.allclose(np.linalg.norm(model.encode(TEXTS, normalize_embeddings=True), axis=1), 1, atol=1e-6)
    # A corpus embeds with it as it is now.
    with nearwise.Corpus(tmp_path / "c.nearwise", encoder=model) as corpus:
        corpus.add([{"text": text} for text in TEXTS])
        assert corpus.identity["dim"] == 5 and len(corpus.search(TEXTS[0], 1)) == 1
    # Other encoders are left alone, and it comes back.
    assert copy.deepcopy(whole).dimensions == 32
    model.truncate_dim = None
    np.testing.assert_array_equal(model.encode(TEXTS), vectors)
    with pytest.raises(ValueError, match="truncate_dim: 33"):
        model.truncate_dim = 33
    short = kind(TINY, device="cpu", dtype="f32", truncate_dim=8)
    short.truncate_dim = 16
    np.testing.assert_array_equal(short.encode(TEXTS), vectors[:, :16])


def test_a_copy_is_assigned_to_alone(model):
    other = copy.copy(model)
    other.truncate_dim, other.prompts["query"] = 4, "find: "
    assert model.dimensions == 32 and model.prompts["query"] == ""
    assert copy.deepcopy(other).encode("a").shape == (4,)


def test_what_cannot_be_assigned_is_refused_by_name(model, encoder):
    for of in (model, encoder):
        with pytest.raises(AttributeError, match="'max_seq_len' to assign to; there are .*truncate_dim"):
            of.max_seq_len = 12
        with pytest.raises(AttributeError, match="max_seq_length cannot be assigned: texts are cut.*sentence_bert_config"):
            of.max_seq_length = 12
        with pytest.raises(AttributeError, match="device cannot be assigned.*device="):
            of.device = "cuda"
    with pytest.raises(AttributeError, match="prompts cannot be assigned.*query_prompt"):
        encoder.prompts = {}
    with pytest.raises(TypeError, match="prompts cannot be changed.*query_prompt"):
        encoder.prompts["query"] = "find: "
    assert json.dumps(encoder.prompts) == "{}" and type(copy.deepcopy(encoder.prompts)) is dict

    class Own(nearwise.Encoder):
        pass

    own = Own(TINY)
    own.of_mine = 3  # A class of the user's has attributes as its user likes.
    assert own.of_mine == 3


def test_prompts_are_given_and_assigned(model, tmp_path):
    about = model.encode(TEXTS, prompt="about: ")
    given = nearwise.SentenceTransformer(
        TINY, device="cpu", prompts={"topic": "about: ", "query": "find: "}, default_prompt_name="topic"
    )
    assert given.prompts == {"query": "find: ", "document": "", "topic": "about: "}
    np.testing.assert_array_equal(given.encode(TEXTS), about)
    np.testing.assert_array_equal(given.encode_query(TEXTS), model.encode(TEXTS, prompt="find: "))
    np.testing.assert_array_equal(given.encode(TEXTS, prompt_name="query"), given.encode_query(TEXTS))
    model.prompts["topic"] = "about: "
    np.testing.assert_array_equal(model.encode(TEXTS, prompt_name="topic"), about)
    model.default_prompt_name = "topic"
    np.testing.assert_array_equal(model.encode(TEXTS), about)
    np.testing.assert_array_equal(model.encode(TEXTS, prompt=""), nearwise.SentenceTransformer(TINY).encode(TEXTS))
    model.prompts = {"passage": "about: "}
    model.default_prompt_name = None
    np.testing.assert_array_equal(model.encode_document(TEXTS), about)
    for name, value in {"default_prompt_name": "none"}.items():
        with pytest.raises(ValueError, match="default_prompt_name: there is no prompt 'none'; there are"):
            setattr(model, name, value)
    with pytest.raises(ValueError, match="prompt_name: there is no prompt 'none'"):
        model.encode("a", prompt_name="none")
    with pytest.raises(TypeError, match="prompts: that of 'query' is a str, not int"):
        nearwise.SentenceTransformer(TINY, prompts={"query": 3})
    # A corpus's queries get it too.
    with nearwise.Corpus(tmp_path / "c.nearwise", encoder=given) as corpus:
        corpus.add([{"text": text} for text in TEXTS])
        score = corpus.search(TEXTS[1], 1)[0].score
    query, text = given.encode_query(TEXTS[1], normalize_embeddings=True), given.encode_document(TEXTS)
    assert score == pytest.approx(max(query @ row / np.linalg.norm(row) for row in text), abs=2e-3)


def test_keywords_of_the_constructors():
    refused = {
        "modules": ([], "folder"),
        "cache_folder": ("x", "NEARWISE_MODELS"),
        "token": ("hf_x", "HF_TOKEN"),
        "trust_remote_code": (True, "leave it out"),
        "model_kwargs": ({"a": 1}, "dtype="),
        "processor_kwargs": ({"a": 1}, "files"),
        "config_kwargs": ({"a": 1}, "files"),
        "model_card_data": ("x", "no model card"),
        "backend": ("onnx", "leave it out"),
    }
    for kind, model in ((nearwise.SentenceTransformer, TINY), (nearwise.CrossEncoder, CROSS)):
        for name, (value, instead) in refused.items():
            with pytest.raises(TypeError, match=f"{name}=.*{instead}") as raised:
                kind(model, **{name: value})
            assert "\n" not in str(raised.value)
        # What is their default asks for nothing.
        kind(model, backend="torch", trust_remote_code=False, model_kwargs={}, token=None, cache_folder=None)
        with pytest.raises(ValueError, match="revision is of a hub id, and .* is a folder"):
            kind(model, revision="main")
    assert nearwise.CrossEncoder(CROSS, num_labels=1, max_length=48).num_labels == 1
    for name, value in {"num_labels": 3, "max_length": 9, "activation_fn": abs}.items():
        with pytest.raises(TypeError, match=f"{name}=.*own"):
            nearwise.CrossEncoder(CROSS, **{name: value})


def test_devices_and_dtypes_by_the_names_of_others(model):
    assert nearwise.Encoder(TINY, device="CPU").device == "cpu"
    torch_like = type("dtype", (), {"__str__": lambda self: "torch.float32"})()
    for dtype in ("float32", "FP32", np.float32, np.dtype("float32"), torch_like):
        assert nearwise.Encoder(TINY, dtype=dtype).dtype == "f32"
    assert model.device == "cpu" and model.device.type == "cpu" and model.device.index is None
    assert model.to("cpu") is model and model.eval() is model
    with pytest.raises(TypeError, match="cannot be moved to cuda; make another by SentenceTransformer"):
        model.to("cuda")
    with pytest.raises(TypeError, match="query_prompt is a str, not int"):
        nearwise.Encoder(TINY, query_prompt=3)


def test_what_evaluators_ask_for(model):
    vectors = model.encode(TEXTS)
    np.testing.assert_array_equal(model.encode(sentences=TEXTS, precision=None), vectors)
    np.testing.assert_array_equal(model.encode_query(inputs=TEXTS), model.encode_query(TEXTS))
    with pytest.raises(TypeError, match="multiple values"):
        model.encode(TEXTS, sentences=TEXTS)
    with pytest.raises(TypeError, match="inputs"):
        model.encode()
    model.model_card_data.set_evaluation_metrics(types.SimpleNamespace(name="sts"), {"pearson": 0.5}, 1, 2)
    assert model.model_card_data.metrics == {"sts": {"pearson": 0.5}}
    np.testing.assert_array_equal(model.encode(TEXTS, batch_size=2**62), vectors)


def test_token_vectors_in_batches(model, capsys):
    many = [f"the rate number {i}" for i in range(70)]
    whole = model.encode(many, output_value="token_embeddings")
    parts = model.encode(many, output_value="token_embeddings", batch_size=32)
    shown = model.encode(many, output_value="token_embeddings", show_progress_bar=True)
    assert "70/70" in capsys.readouterr().err
    for a, b, c in zip(whole, parts, shown, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
        np.testing.assert_allclose(a, c, atol=1e-6)


@pytest.mark.parametrize("kind", [nearwise.Encoder, nearwise.SentenceTransformer])
def test_a_host_that_goes_by_the_class_takes_it_for_its_own(kind, monkeypatch):
    model = kind(TINY, device="cpu")
    assert model.__class__ is kind
    backend = types.ModuleType("keybert.backend")
    backend.BaseEmbedder = type("BaseEmbedder", (), {})
    monkeypatch.setitem(sys.modules, "keybert.backend", backend)
    assert isinstance(model, backend.BaseEmbedder) and isinstance(model, kind) and type(model) is kind
    np.testing.assert_array_equal(model.embed(TEXTS), model.encode_document(TEXTS))
    np.testing.assert_array_equal(model.embed_words(words=TEXTS, verbose=False), model.embed_documents(TEXTS))
    with pytest.raises(TypeError, match="documents is a list of texts"):
        model.embed("one text")


def test_the_evaluators_of_sentence_transformers():
    evaluation = pytest.importorskip("sentence_transformers.sentence_transformer.evaluation")
    own = pytest.importorskip("sentence_transformers")
    folder = str(FIXTURES / "families" / "bert-st6")
    theirs = own.SentenceTransformer(folder, device="cpu", local_files_only=True).float()
    ours = nearwise.SentenceTransformer(folder, device="cpu")
    others = ["ice", "rates of interest", "a goal"]
    queries, texts = dict(enumerate(TEXTS)), dict(enumerate(map(str, range(20))))
    queries, texts = ({str(k): v for k, v in d.items()} for d in (queries, texts))
    labels = [0, 1, 0]
    made = [
        evaluation.EmbeddingSimilarityEvaluator(TEXTS, others, [0.1, 0.5, 0.9], name="sts"),
        evaluation.BinaryClassificationEvaluator(TEXTS, others, labels, name="binary"),
        evaluation.TripletEvaluator(TEXTS, others, TEXTS[::-1], name="triplet"),
        evaluation.InformationRetrievalEvaluator(
            queries, texts, {"0": {"3"}, "1": {"4"}}, name="ir", accuracy_at_k=[3], precision_recall_at_k=[3], map_at_k=[10]
        ),
        evaluation.RerankingEvaluator(
            [{"query": TEXTS[0], "positive": [TEXTS[2]], "negative": others}], name="reranking", at_k=3
        ),
        evaluation.TranslationEvaluator(TEXTS, others, name="translation"),
        evaluation.ParaphraseMiningEvaluator({str(i): t for i, t in enumerate(TEXTS + others)}, [("0", "4")], name="mining"),
    ]
    for evaluator in made:
        for name in ("dot", "cosine"):
            theirs.similarity_fn_name = ours.similarity_fn_name = name
            wanted, got = evaluator(theirs), evaluator(ours)
            assert wanted.keys() == got.keys()
            for key, value in wanted.items():
                assert got[key] == pytest.approx(value, abs=1e-3), key
