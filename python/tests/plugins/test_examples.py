"""The examples run, each as a reader would run it, with a tiny model in place of a real one."""

import pathlib
import subprocess
import sys

import pytest

from made_texts import ROOT, TINY, environment

EXAMPLES = {
    "journalist.py": ([str(ROOT / "seeds"), TINY], ["articles, ", "Topics:", "The map is in "], []),
    "data_scientist.py": ([TINY], ["vectors: (", "a classifier of "], ["pandas", "pyarrow", "sklearn"]),
    "engineer.py": ([TINY], ["embedded 70 articles", "run again: 0 to do, 70 there"], ["ray", "lance"]),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name, tmp_path):
    arguments, wanted, packages = EXAMPLES[name]
    for package in packages:
        pytest.importorskip(package)
    # Ray's sockets need a short path.
    env = environment(TMPDIR=str(tmp_path), RAY_TMPDIR="/tmp")
    program = [sys.executable, str(pathlib.Path(ROOT) / "examples" / name), *arguments]
    if name == "journalist.py":
        program.append(str(tmp_path))
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    for line in wanted:
        assert line in done.stdout, done.stdout
