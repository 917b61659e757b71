"""Texts in, vectors out: the values, the inputs, and what is refused."""

import json
import subprocess
import threading

import nearwise
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from conftest import FIXTURES, TINY
from nearwise import errors

TEXTS = ["the bank cut interest rates", "a late goal decided the final", "rates"]


def close(a, b, tolerance=2e-5):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    assert np.abs(a - b).max() < tolerance


def test_values_are_those_of_sentence_transformers(expected):
    texts = expected["texts"]
    for case in expected["models"]:
        model = nearwise.SentenceTransformer(str(FIXTURES / case["model"]), device="cpu")
        half = case["dim"] // 2
        assert model.get_embedding_dimension() == case["dim"]
        assert model.max_seq_length == case["max_seq_length"]
        assert model.prompts == case["prompts"]
        close(model.encode(texts), case["plain"])
        close(model.encode(texts, normalize_embeddings=True), case["normalized"])
        close(model.encode_query(texts), case["query"])
        close(model.encode_document(texts), case["document"])
        close(model.encode(texts, prompt="about: "), case["prompt"])
        close(model.encode(texts, truncate_dim=half), case["truncated"])
        close(model.encode(texts, truncate_dim=half, normalize_embeddings=True), case["truncated_normalized"])
        close(model.encode(texts[0]), case["one"])
        # A value that is nearly 0 may round to either side.
        bits = np.unpackbits(model.encode(texts, precision="ubinary"), axis=1)
        others = np.unpackbits(np.array(case["ubinary"], dtype=np.uint8), axis=1)
        sure = np.abs(np.asarray(case["plain"])) > 1e-5
        assert (bits == others)[:, : case["dim"]][sure].all()


def test_an_array_of_float32(encoder):
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (3, 32) and vectors.dtype == np.float32
    assert vectors.flags.c_contiguous and vectors.flags.writeable
    assert encoder.encode(TEXTS[0]).shape == (32,)
    assert encoder.encode([]).shape == (0, 32)
    assert encoder.dimensions == encoder.get_sentence_embedding_dimension() == 32
    assert np.allclose(encoder.encode(TEXTS[0]), vectors[0], atol=1e-6)


def test_the_command_line_gives_the_same_vectors(encoder):
    said = subprocess.run(
        ["nearwise", "embed", "--model", TINY, "--json", *TEXTS], capture_output=True, text=True, check=True
    )
    theirs = [e["vector"] for e in json.loads(said.stdout)["embeddings"]]
    # Bit for bit: the same code on the same processor.
    assert np.array_equal(np.array(theirs, dtype=np.float32), encoder.encode_document(TEXTS, normalize_embeddings=True))


@pytest.mark.parametrize(
    "of",
    [
        tuple,
        iter,
        lambda t: (text for text in t),
        np.array,
        pd.Series,
        lambda t: pd.Series(t, index=[7, 3, 5]),
        lambda t: pd.DataFrame({"text": t})["text"],
        pl.Series,
        lambda t: pl.DataFrame({"text": t})["text"],
        lambda t: pl.DataFrame({"text": t}),
        lambda t: pl.Series(t, dtype=pl.Categorical),
        pa.array,
        lambda t: pa.array(t, pa.large_string()),
        lambda t: pa.array(t, pa.string_view()),
        lambda t: pa.array(t).dictionary_encode(),
        lambda t: pa.chunked_array([t[:1], t[1:]]),
        lambda t: pa.array(["left out", *t])[1:],
        lambda t: pa.table({"text": t}),
    ],
)
def test_any_column_of_texts(encoder, of):
    assert np.array_equal(encoder.encode(of(TEXTS)), encoder.encode(TEXTS))


def test_columns_that_hold_no_texts_are_refused(encoder):
    for column in [pa.array([1, 2]), pl.Series([1.5]), pd.Series([1, 2]), [1], ["a", None], [b"a"]]:
        with pytest.raises(TypeError, match="str"):
            encoder.encode(column)
    with pytest.raises(ValueError, match="text 1 is missing"):
        encoder.encode(pa.array(["a", None]))
    with pytest.raises(ValueError, match="text 2 is missing"):
        encoder.encode(pl.Series(["a", "b", None]))
    with pytest.raises(TypeError, match="2 columns"):
        encoder.encode(pa.table({"a": ["x"], "b": ["y"]}))
    with pytest.raises(TypeError, match="inputs"):
        encoder.encode(b"bytes")
    with pytest.raises(TypeError, match="dict"):
        encoder.encode({"text": "a"})
    with pytest.raises(TypeError, match="int"):
        encoder.encode(7)
    with pytest.raises(ValueError, match="half a character"):
        encoder.encode(["a", "\ud800"])


def test_what_cannot_be_done_is_refused_by_name(encoder):
    refused = {
        "output_value": None,
        "pool": {"processes": []},
        "chunk_size": 100,
        "device": "cuda:7",
    }
    for encode in (encoder.encode, encoder.encode_query, encoder.encode_document):
        for name, value in refused.items():
            with pytest.raises(TypeError, match=name):
                encode(TEXTS, **{name: value})
        with pytest.raises(TypeError, match="device"):
            encode(TEXTS, device=["cpu", "cpu"])
        with pytest.raises(TypeError, match="surprise"):
            encode(TEXTS, surprise=1)
        with pytest.raises(ValueError, match="precision"):
            encode(TEXTS, precision="float16")
        with pytest.raises(ValueError, match="batch_size"):
            encode(TEXTS, batch_size=0)
        with pytest.raises(ValueError, match="prompt_name.*prompt"):
            encode(TEXTS, prompt_name="query", prompt="find: ")
        with pytest.raises(TypeError, match="batch_size"):
            encode(TEXTS, batch_size="32")
        with pytest.raises(ValueError, match='prompt_name: .* "nothing"'):
            encode(TEXTS, prompt_name="nothing")
        with pytest.raises(ValueError, match="truncate_dim: 33"):
            encode(TEXTS, truncate_dim=33)
    # None and the usual values ask for nothing.
    same = encoder.encode(
        TEXTS, None, None, 32, False, "sentence_embedding", "float32", True, False, "cpu", False, None, None, None
    )
    assert np.allclose(same, encoder.encode(TEXTS), atol=1e-6)


def test_a_vector_for_every_token(expected, exact):
    for case in expected["models"]:
        model = nearwise.SentenceTransformer(str(FIXTURES / case["model"]), device="cpu")
        tokens = model.encode(expected["texts"][:2], output_value="token_embeddings")
        for got, theirs in zip(tokens, case["tokens"], strict=True):
            assert got.dtype == np.float32
            close(got, theirs)
    one = exact.encode(TEXTS[0], output_value="token_embeddings")
    assert one.shape == (len(exact.tokenize(TEXTS[0])[0]), 32)
    assert exact.encode([], output_value="token_embeddings") == []
    for name, value in {
        "precision": "int8",
        "normalize_embeddings": True,
        "truncate_dim": 3,
    }.items():
        with pytest.raises(TypeError, match=name):
            exact.encode(TEXTS, output_value="token_embeddings", **{name: value})


def test_quantized_as_sentence_transformers_does():
    for case in json.loads((FIXTURES / "quantized.json").read_text()):
        for precision in ("int8", "uint8", "binary", "ubinary"):
            calibration = case["calibration"] if precision in ("int8", "uint8") else None
            got = nearwise.quantize_embeddings(case["embeddings"], precision, calibration)
            assert got.tolist() == case[precision], case["name"]
            assert got.dtype == (np.int8 if precision in ("int8", "binary") else np.uint8)
    with pytest.raises(ValueError, match="two"):
        nearwise.quantize_embeddings([[0.1, 0.2]], "int8")


def test_precision_and_tensors(encoder):
    assert encoder.encode(TEXTS, precision="int8").dtype == np.int8
    assert encoder.encode(TEXTS, precision="binary").shape == (3, 4)
    assert encoder.encode(TEXTS[0], precision="ubinary").shape == (4,)
    try:
        import torch  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="convert_to_tensor=True.*PyTorch"):
            encoder.encode(TEXTS, convert_to_tensor=True)


def test_progress_and_batches_change_nothing(encoder, capsys):
    many = [f"the rate number {i}" for i in range(1300)]
    plain = encoder.encode(many)
    assert capsys.readouterr().err == ""
    shown = encoder.encode(iter(many), show_progress_bar=True)
    assert "1300/1300" in capsys.readouterr().err
    assert np.array_equal(plain, shown)
    assert np.array_equal(plain, encoder.encode(pa.array(many), batch_size=3, show_progress_bar=True))


class Capsule:
    """A column that can do nothing but be read."""

    def __init__(self, column):
        self.column = column

    def __arrow_c_array__(self, requested_schema=None):
        return self.column.__arrow_c_array__(requested_schema)


@pytest.mark.parametrize(
    "of",
    [
        tuple,
        iter,
        pa.array,
        lambda t: pa.table({"text": t}),
        lambda t: pa.record_batch({"text": t}),
        lambda t: pa.table({"text": t}).to_reader(),
        lambda t: pa.chunked_array([t[:700], t[700:]]),
        lambda t: Capsule(pa.array(t)),
        pl.Series,
        lambda t: pl.DataFrame({"text": t}),
        lambda t: pd.Series(t, dtype="category"),
    ],
)
def test_a_bar_takes_what_is_taken_without(encoder, of, capsys):
    many = [f"the rate number {i}" for i in range(1100)]
    assert np.array_equal(encoder.encode(of(many), show_progress_bar=True), encoder.encode(many))
    assert "1100/1100" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("of", "kind", "said"),
    [
        (list, TypeError, "text 600 is of the type NoneType; a text is a str"),
        (lambda t: [x or "\ud800" for x in t], errors.ParameterError, "^texts: text 600 holds half a character"),
        (pa.array, errors.ParameterError, "^texts: text 600 is missing"),
        (lambda t: pa.table({"text": t}), errors.ParameterError, "^texts: text 600 is missing"),
        (pl.Series, errors.ParameterError, "^texts: text 600 is missing"),
    ],
)
def test_a_bar_tells_errors_as_without(encoder, of, kind, said):
    for shown in (True, False):
        with pytest.raises(kind, match=said):
            encoder.encode(of(["a"] * 600 + [None]), show_progress_bar=shown)
    with pytest.raises(TypeError, match="2 columns"):
        encoder.encode(pa.table({"a": ["x"], "b": ["y"]}), show_progress_bar=True)


def test_prompts(encoder):
    e5 = nearwise.Encoder(str(FIXTURES / "families" / "xlm-roberta-e5"))
    assert e5.prompts == {"query": "query: ", "passage": "passage: "}
    assert np.array_equal(e5.encode_query(TEXTS), e5.encode(TEXTS, prompt_name="query"))
    assert np.array_equal(e5.encode_document(TEXTS), e5.encode(TEXTS, prompt="passage: "))
    assert not np.allclose(e5.encode_query(TEXTS), e5.encode(TEXTS))
    assert np.array_equal(e5.encode_query(TEXTS, prompt=""), e5.encode(TEXTS))
    own = nearwise.Encoder(TINY, query_prompt="find: ")
    assert own.query_prompt == "find: "
    assert np.array_equal(own.encode_query("a"), encoder.encode("find: a"))


def test_similarity_and_tokens(exact):
    vectors = exact.encode(TEXTS)
    cosines = exact.similarity(vectors, vectors * 3)
    assert cosines.shape == (3, 3) and np.allclose(np.diag(cosines), 1, atol=1e-6)
    assert np.allclose(exact.similarity_pairwise(vectors, vectors), 1, atol=1e-6)
    assert exact.similarity(vectors[0], vectors).shape == (1, 3)
    with pytest.raises(ValueError, match="values"):
        exact.similarity(vectors, vectors[:, :5])
    ids = exact.tokenize(["rates", "the bank cut interest rates " * 50])
    assert len(ids[0]) == 3 and len(ids[1]) == exact.max_seq_length == 32
    assert "cpu" in repr(exact) and "tiny-bert" in repr(exact)


def test_the_three_have_the_same_keywords():
    import inspect

    first, *others = [inspect.signature(getattr(nearwise.Encoder, n)) for n in ("encode", "encode_query", "encode_document")]
    assert others == [first, first] and "truncate_dim" in first.parameters


def test_many_threads_at_once(encoder):
    texts = [f"the rate number {i}" for i in range(200)]
    whole = encoder.encode(texts)
    wrong = []

    def work(start):
        for i in range(start, 200, 8):
            if not np.array_equal(encoder.encode([texts[i]])[0], whole[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


def test_dimensions_that_are_kept():
    short = nearwise.Encoder(TINY, truncate_dim=8)
    assert short.dimensions == 8 and short.encode("a").shape == (8,)
    assert np.isclose(np.linalg.norm(short.encode("a", normalize_embeddings=True)), 1, atol=1e-6)
    with pytest.raises(ValueError, match="truncate_dim: 900"):
        nearwise.Encoder(TINY, truncate_dim=900)


def test_columns_that_are_no_utf8_are_refused(encoder):
    latin = pa.array(["a".encode(), "caf\u00e9".encode("latin-1"), b"\xff" * 40], pa.binary())
    columns = [latin.view(pa.string()), latin.cast(pa.large_binary()).view(pa.large_string())]
    columns.append(pa.chunked_array([pa.array(["fine"]), columns[0]]))
    columns.append(columns[0].dictionary_encode())
    # Offsets that fall.
    offsets = pa.py_buffer(np.array([0, 4, 2], np.int32).tobytes())
    columns.append(pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"abcd")))
    for column in columns:
        for use in (encoder.encode, encoder.tokenize, lambda c: nearwise.topics(np.eye(len(c)), c)):
            with pytest.raises(ValueError, match="Arrow data"):
                use(column)


def test_few_vectors_to_quantize(encoder):
    assert encoder.encode([], precision="int8").shape == (0, encoder.dimensions)
    with pytest.raises(ValueError, match="precision"):
        encoder.encode("a", precision="int8")
    vectors = encoder.encode(["a", "b", "c"])
    for wrong, said in ((vectors[0], "shape"), (np.full((2, 4), np.nan), "finite")):
        with pytest.raises(ValueError, match=f"embeddings: .*{said}"):
            nearwise.quantize_embeddings(wrong, "int8")
    with pytest.raises(ValueError, match="calibration_embeddings"):
        nearwise.quantize_embeddings(vectors, "binary", calibration_embeddings=vectors)


def test_cosines_of_tiny_and_of_huge_vectors(encoder):
    for size in (1e-30, 1.0, 1e30):
        vector = np.full((1, 8), size, np.float32)
        np.testing.assert_allclose(encoder.similarity(vector, -vector), [[-1.0]], rtol=1e-6)
    assert encoder.similarity(np.zeros((1, 8)), np.ones((1, 8)))[0, 0] == 0.0
    assert encoder.similarity([], []).shape == (0, 0)
