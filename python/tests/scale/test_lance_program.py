"""`nearwise-lance`, as people type it."""

import importlib.metadata
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("lance")

import lance  # noqa: E402

import nearwise  # noqa: E402
from nearwise import _lance_program  # noqa: E402
from nearwise.lance import Dataset  # noqa: E402

from made_articles import articles, corpus, encoder, environment, tiny  # noqa: E402, F401


def start(*arguments, cwd=None, **env):
    program = [sys.executable, "-m", "nearwise._lance_program", *map(str, arguments)]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": cwd}
    if os.name == "posix":
        # Where the tests run in a shell's background, Ctrl-C is ignored, and would be by the program.
        how["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(program, env={**environment(), "HF_HUB_OFFLINE": "1", **env}, **how)


def run(*arguments, cwd=None, **env):
    process = start(*arguments, cwd=cwd, **env)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out, err


@pytest.fixture(scope="module")
def path(corpus):
    return str(corpus.path)


def test_it_is_installed_beside_the_program():
    found = importlib.metadata.entry_points(group="console_scripts", name="nearwise-lance")
    assert [e.value for e in found] == ["nearwise._lance_program:main"]
    code, out, _ = run("--version")
    assert code == 0 and out.strip() == f"nearwise {nearwise.__version__}"


def test_help_of_each_command():
    for command in ((), ("export",), ("import",)):
        code, out, _ = run(*command, "--help")
        assert code == 0 and "usage: nearwise-lance" in out
    for arguments in ((), ("carry",), ("export",), ("export", "a.lance", "--bogus")):
        code, _, err = run(*arguments)
        assert code == 2 and "usage: nearwise-lance" in err


def test_there_and_back(path, corpus, tmp_path):
    where = tmp_path / "a.lance"
    code, out, err = run("export", where, "-c", path, "--field", "section", "--field", "words:int")
    passages = corpus.counts["passages"]
    assert (code, out) == (0, f"600 articles in {passages:,} passages written to {where}\n"), err
    dataset = Dataset(where)
    assert {"section", "words"} <= set(dataset.fields) and len(dataset) == 600
    back = tmp_path / "back.nearwise"
    code, out, err = run("import", where, "-c", back, "--json")
    assert code == 0, err
    assert json.loads(out) == {"articles": 600, "passages": passages, "left": 0, "computed": 0}
    again = nearwise.Corpus(back, create=False)
    assert again.identity == corpus.identity and again.counts == corpus.counts
    one, other = again.article("a77"), corpus.article("a77")
    assert (one.text, one.meta, one.passages) == (other.text, other.meta, other.passages)
    # Again, nothing is computed, and nothing is there twice.
    code, out, _ = run("import", where, "-c", back)
    assert code == 0 and "anew" not in out and "holds 600 articles" in out
    # A part; the corpus is the only one of its folder.
    code, out, err = run("import", where, "--where", 'section = "sport"', "-c", tmp_path / "part.nearwise")
    of_sport = len(corpus.to_arrow(filter='section = "sport"'))
    assert code == 0 and f"holds {of_sport} articles" in out and 0 < of_sport < 600
    code, out, err = run("import", where, "--where", "words < 0", "-c", tmp_path / "none.nearwise")
    assert code == 3 and out.startswith("0 articles in 0 passages"), err
    assert not list(tmp_path.glob("none.nearwise*"))


def test_the_corpus_is_found_as_the_program_finds_it(path, tmp_path):
    env = {"NEARWISE_CORPUS": path}
    assert run("export", "a.lance", "--quiet", cwd=tmp_path, **env)[0] == 0
    code, _, err = run("export", "b.lance", cwd=tmp_path)
    assert code == 2 and err == "nearwise-lance: --corpus: there is no *.nearwise file here; name the corpus\n"
    (tmp_path / "x.nearwise").write_bytes(b"")
    (tmp_path / "y.nearwise").write_bytes(b"")
    code, _, err = run("export", "b.lance", cwd=tmp_path)
    assert code == 2 and "there are several here (x.nearwise, y.nearwise); name one" in err


def test_what_cannot_be_is_told_in_a_line(path, tmp_path):
    where = tmp_path / "a.lance"
    assert run("export", where, "-c", path, "--no-index")[0] == 0
    other = tmp_path / "other.lance"
    import pyarrow as pa

    lance.write_dataset(pa.table({"a": [1]}), str(other))
    empty = tmp_path / "empty.nearwise"
    with nearwise.Corpus(empty) as made:
        made.add([{"id": "a", "text": "a text"}], embed=False)
    for code, told, arguments in [
        (1, f"{where}: there is a dataset already", ("export", where, "-c", path)),
        (1, "no.nearwise", ("export", tmp_path / "b.lance", "-c", tmp_path / "no.nearwise")),
        (1, f"{empty}: nothing is embedded yet", ("export", tmp_path / "b.lance", "-c", empty)),
        (1, "there is no Lance dataset", ("import", tmp_path / "no.lance", "-c", tmp_path / "new.nearwise")),
        (1, f"{other}: this Lance dataset is none of articles", ("import", other, "-c", tmp_path / "new.nearwise")),
        (2, "--where: ", ("import", where, "-c", tmp_path / "new.nearwise", "--where", "words >")),
        (2, "--storage: give KEY=VALUE", ("import", where, "-c", path, "--storage", "secret")),
        (2, "--field: 'words:number'; give NAME", ("export", where, "-c", path, "--field", "words:number")),
        (2, "--field: 'words' is given twice", ("export", where, "-c", path, *["--field", "words"] * 2)),
        (2, "fields: 'title' is a column that every", ("export", tmp_path / "b.lance", "-c", path, "--field", "title")),
        (1, "nowhere", ("export", "nowhere://a/b.lance", "-c", path)),
    ]:
        got, out, err = run(*arguments)
        assert (got, out) == (code, "") and told in err, (arguments, got, err)
        # What a model or progress says stands before it.
        assert err.splitlines()[-1].startswith("nearwise-lance: ") and ".rs:" not in err
    assert not list(tmp_path.glob("new.nearwise*")) and not (tmp_path / "b.lance").exists()


def failing(monkeypatch, fail):
    def read(dataset, corpus, *_, **__):
        fail(corpus)
        raise ValueError("the dataset is damaged")

    monkeypatch.setattr("nearwise._lance_carry.read", read)


def test_only_a_corpus_that_was_made_for_nothing_goes_again(monkeypatch, tmp_path, capsys):
    path = tmp_path / "new.nearwise"
    arguments = ["import", "a.lance", "-c", str(path)]

    failing(monkeypatch, lambda corpus: pathlib.Path(f"{path}-journal").touch())
    assert _lance_program.main(arguments) == 1
    assert not list(tmp_path.glob("new.nearwise*"))

    # Its articles cannot be counted.
    failing(monkeypatch, lambda corpus: corpus.close())
    assert _lance_program.main(arguments) == 1
    assert path.exists()

    # Another process makes it after it was looked for.
    exists = pathlib.Path.exists
    monkeypatch.setattr(pathlib.Path, "exists", lambda self: self != path and exists(self))
    failing(monkeypatch, lambda corpus: None)
    assert _lance_program.main(arguments) == 1
    assert exists(path)
    # That is no corpus.
    path.write_bytes(b"a text" * 100)
    assert _lance_program.main(arguments) == 1
    assert path.read_bytes() == b"a text" * 100
    assert "Traceback" not in capsys.readouterr().err


def test_without_pylance_it_says_what_to_install(path):
    program = (
        "import sys; sys.modules['lance'] = None; from nearwise._lance_program import main; "
        f"sys.exit(main(['export', 'a.lance', '-c', {path!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment())
    assert done.returncode == 1
    assert done.stderr.strip() == "nearwise-lance: nearwise.lance needs the package pylance: pip install pylance"


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_within_it_is_run_again(how, encoder, tmp_path):
    """Ctrl-C while articles are brought: what was brought stays, and the same command does the rest."""
    path, where, back = tmp_path / "a.nearwise", tmp_path / "a.lance", tmp_path / "back.nearwise"
    many = 20_000
    with nearwise.Corpus(path, encoder=encoder) as corpus:
        corpus.add([{"id": f"a{i}", "text": f"the bank and the river {i}"} for i in range(many)])
    assert run("export", where, "-c", path, "--quiet")[0] == 0
    process = start("import", where, "-c", back)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if back.exists() and count(back):
            break
        time.sleep(0.02)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == (
        "nearwise-lance: stopped; what was brought stays, and the same command goes on from there"
    )
    assert 0 < count(back) < many
    code, out, err = run("import", where, "-c", back, "--json")
    # What was stored and had no vectors yet is computed, a chunk at most.
    assert code == 0 and json.loads(out)["computed"] <= 4096, (out, err)
    assert count(back) == many


def count(path):
    try:
        with nearwise.Corpus(path, create=False) as corpus:
            return len(corpus)
    except nearwise.Error:
        return 0


def test_errors_of_lance_lose_the_places_in_its_source():
    long = OSError("Not found: a/b,\n  /build/lance-1.0/src/io.rs:55:11")
    assert _lance_program.one_line(long) == "Not found: a/b"
    assert _lance_program.one_line(ValueError("a, b")) == "a, b"
    assert _lance_program.one_line(ValueError()) == "ValueError"
