"""Errors are exceptions of their kind, with one line of text."""

import builtins
import errno
import pickle

import nearwise
import pytest
from conftest import FIXTURES, TINY, rows
from nearwise import errors


def line(raised):
    text = str(raised.value)
    assert text and "\n" not in text
    return text


def test_kinds(tmp_path, corpus):
    with pytest.raises(FileNotFoundError) as raised:
        nearwise.Corpus(tmp_path / "none.nearwise", create=False)
    assert isinstance(raised.value, nearwise.Error) and "none.nearwise" in line(raised)
    assert raised.value.errno == errno.ENOENT and raised.value.strerror is None
    assert raised.value.filename == str(tmp_path / "none.nearwise")
    again = pickle.loads(pickle.dumps(raised.value))
    assert (again.errno, again.filename) == (raised.value.errno, raised.value.filename)
    with pytest.raises(FileExistsError) as raised:
        nearwise.Corpus(corpus.path, create=True)
    assert isinstance(raised.value, errors.ExistsError) and raised.value.errno == errno.EEXIST
    (tmp_path / "text.nearwise").write_text("no corpus " * 100)
    with pytest.raises(errors.NotACorpusError):
        nearwise.Corpus(tmp_path / "text.nearwise")
    with pytest.raises(KeyError) as raised:
        corpus.article("nobody")
    assert line(raised) == 'no article has the id "nobody"' or "nobody" in line(raised)
    with pytest.raises(KeyError, match="no article"):
        corpus.similar("nobody")
    with pytest.raises(LookupError):
        corpus.topics.all()
    with pytest.raises(ValueError) as raised:
        corpus.search("a", filter="nothing = 3")
    assert isinstance(raised.value, errors.FilterError) and raised.value.position == 1
    with pytest.raises(ValueError) as raised:
        corpus.search("a", threshold=7)
    assert isinstance(raised.value, errors.ParameterError) and raised.value.parameter == "threshold"
    with pytest.raises(errors.ModelError):
        nearwise.Encoder(str(FIXTURES / "families" / "bert-cross"))
    with pytest.raises(errors.NotFoundError):
        nearwise.Encoder(str(tmp_path / "no-model"), offline=True)
    with pytest.raises(ValueError, match="dtype"):
        nearwise.Encoder(TINY, dtype="float17")
    for threads in (0, 10**6):  # one refused here, one by the library
        with pytest.raises(errors.ParameterError, match="threads: "):
            nearwise.Encoder(TINY, threads=threads)
    with pytest.raises(ValueError, match="device"):
        nearwise.Encoder(TINY, device="tpu")
    with pytest.raises(nearwise.Error):
        nearwise.Encoder(TINY, device="cuda:63")


def test_every_class_is_an_error_and_a_builtin():
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert issubclass(kind, nearwise.Error)
        made = kind("a line")
        assert str(made) == "a line" and kind.__doc__
        again = pickle.loads(pickle.dumps(made))
        assert type(again) is kind and str(again) == "a line"
        if name not in ("Error", "CancelledError"):
            bases = [b for b in kind.__mro__ if b.__module__ == "builtins"]
            assert any(b not in (Exception, BaseException, object) for b in bases), name
    assert errors.PermissionError is not builtins.PermissionError


def test_one_writer_at_a_time(corpus):
    import threading

    started, go_on = threading.Event(), threading.Event()

    def slowly():
        yield rows()[0] | {"id": "slow"}
        # The compiled part asks for more while it holds the lock.
        started.set()
        go_on.wait(30)

    other = threading.Thread(target=lambda: corpus.add(slowly()))
    other.start()
    try:
        assert started.wait(30)
        with pytest.raises(nearwise.BusyError):
            corpus.delete("a1")
        # Readers go on.
        assert len(corpus) >= 30 and corpus.search("bank", k=1).hits
    finally:
        go_on.set()
        other.join()
    assert "slow" in corpus


def test_what_python_raises_within_is_raised(corpus):
    def broken():
        yield rows()[0] | {"id": "before"}
        raise OSError("the source has gone")

    with pytest.raises(OSError, match="the source has gone"):
        corpus.add(broken())
    assert len(corpus) in (30, 31)


def test_things_that_do_not_travel(encoder, corpus):
    for thing in (encoder, corpus):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(thing)
