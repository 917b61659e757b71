"""Ctrl-C, forks, panics of none, and how long an import takes."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import nearwise
import pytest
from conftest import TINY

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and forks are POSIX's")


def start(code, *args):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupted(code, *args):
    """Runs a program that says it is ready, presses Ctrl-C, and returns what it said, and how many
    seconds after the signal it had said it."""
    program = start(code, *args)
    assert program.stdout.readline() == "ready\n", program.communicate()
    time.sleep(0.3)
    pressed = time.monotonic()
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=60)
    return out, err, time.monotonic() - pressed, program.returncode


def test_ctrl_c_ends_encoding():
    out, err, seconds, code = interrupted(
        """
        import sys, nearwise
        encoder = nearwise.Encoder(sys.argv[1], threads=1)
        texts = ["the bank cut interest rates in the last minute of the cup final " * 4] * 3_000_000
        print("ready", flush=True)
        try:
            encoder.encode(texts)
        except KeyboardInterrupt:
            # It is of use afterwards.
            print("interrupted", encoder.encode("rates").shape, flush=True)
        """,
        TINY,
    )
    assert out == "interrupted (32,)\n", (out, err)
    # The issue is a second; a busy machine that runs other tests gets more, and an encode of this
    # many texts takes minutes.
    assert seconds < 20


def test_ctrl_c_keeps_what_a_corpus_committed(tmp_path):
    path = str(tmp_path / "a.nearwise")
    out, err, _, _ = interrupted(
        """
        import sys, nearwise
        corpus = nearwise.Corpus(sys.argv[2], encoder=nearwise.Encoder(sys.argv[1]))
        def articles():
            for i in range(10_000_000):
                if i == 2000:
                    print("ready", flush=True)
                yield {"id": str(i), "text": f"The bank cut interest rates, number {i}."}
        try:
            corpus.add(articles())
        except KeyboardInterrupt:
            print("interrupted", len(corpus) >= 1000, flush=True)
        """,
        TINY,
        path,
    )
    assert out == "interrupted True\n", (out, err)
    assert len(nearwise.Corpus(path)) >= 1000


def test_a_handler_that_does_not_raise_lets_the_work_go_on():
    out, err, _, code = interrupted(
        """
        import signal, sys, nearwise
        encoder = nearwise.Encoder(sys.argv[1])
        signal.signal(signal.SIGINT, lambda *_: print("heard", flush=True))
        print("ready", flush=True)
        print(encoder.encode(["the bank cut interest rates " * 8] * 100_000).shape)
        """,
        TINY,
    )
    assert code == 0 and "(100000, 32)" in out, (out, err)


FORK = """
    import os, sys, nearwise
    {before}
    child = os.fork()
    if child == 0:
        try:
            {within}
            print("worked", flush=True)
        except RuntimeError as e:
            print(e, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def forked(before, within):
    out, err = start(FORK.format(before=before, within=within), TINY).communicate(timeout=60)
    return out


def test_after_a_fork():
    open_here = "encoder = nearwise.Encoder(sys.argv[1])"
    said = forked(open_here, "encoder.encode('rates')")
    assert "forked" in said and "spawn" in said and said.count("\n") == 1
    # Another encoder would wait for the same threads.
    assert "forked" in forked(open_here, open_here)
    # Who only imported it, or computed what takes no threads, may use it in the child.
    assert forked("nearwise.quantize_embeddings([[1.0]], 'binary')", open_here) == "worked\n"
    assert forked("pass", open_here + "; encoder.encode(['rates'] * 100)") == "worked\n"


def test_the_import_is_light():
    code = """
        import sys, time
        started = time.process_time()
        import nearwise
        seconds = time.process_time() - started
        import json
        print(json.dumps({"seconds": seconds, "modules": sorted(sys.modules)}))
    """
    out, err = start(code).communicate(timeout=60)
    said = json.loads(out)
    for heavy in ("numpy", "pandas", "pyarrow", "polars", "torch", "tqdm", "asyncio"):
        assert heavy not in said["modules"], f"the import brings {heavy}"


def test_the_program_comes_along():
    said = subprocess.run(["nearwise", "--version"], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["nearwise", nearwise.__version__]
