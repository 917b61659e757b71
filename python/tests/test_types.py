"""What type checkers are told is what there is."""

import os
import pathlib
import subprocess
import sys

import nearwise
from conftest import ROOT

PACKAGE = pathlib.Path(nearwise.__file__).parent
SETTINGS = str(ROOT / "python" / "pyproject.toml")


def tool(*args, cwd=None):
    env = dict(os.environ, MYPY_CACHE_DIR=str(ROOT / "target" / "mypy"))
    if PACKAGE.parent.name != "site-packages":  # it is tested where its sources are
        env["MYPYPATH"] = str(PACKAGE.parent)
    done = subprocess.run([sys.executable, "-m", *args], capture_output=True, text=True, env=env, cwd=cwd)
    return done.returncode, done.stdout + done.stderr


def test_the_stub_agrees_with_the_compiled_part():
    code, said = tool("mypy.stubtest", "--mypy-config-file", SETTINGS, "nearwise._nearwise")
    assert code == 0, said


def test_a_program_that_uses_it_is_checked(tmp_path):
    assert (PACKAGE / "py.typed").exists()
    program = tmp_path / "program.py"
    program.write_text(
        "import nearwise\n"
        "encoder = nearwise.Encoder('m', truncate_dim=8)\n"
        "found = nearwise.Corpus('c').search('q', filter=(nearwise.F.a > 3) & ~nearwise.F.b.is_null())\n"
        "titles: list[str] = [hit.title for hit in found]\n"
        "n: int = nearwise.topics([[1.0]]).topics[0].size\n"
        "encoder.encode('a', precision='float64')\n"
        "encoder.encode_query('a', surprise=1)\n"
    )
    code, said = tool("mypy", "--strict", str(program), cwd=tmp_path)
    lines = [line for line in said.splitlines() if line.startswith("program.py") and " error: " in line]
    assert code == 1 and len(lines) == 2 and "float64" in said and "surprise" in said, said


def test_public_names_have_docstrings():
    for name in nearwise.__all__:
        thing = getattr(nearwise, name)
        if name in ("__version__", "F"):
            continue
        assert thing.__doc__, name
        if isinstance(thing, type):
            for inner in vars(thing):
                if not inner.startswith("_") and callable(getattr(thing, inner)):
                    assert getattr(thing, inner).__doc__, f"{name}.{inner}"


def test_the_package_itself_is_checked():
    sources = sorted(str(path) for path in (ROOT / "python" / "nearwise").glob("*.py"))
    code, said = tool("mypy", "--config-file", SETTINGS, *sources)
    assert code == 0, said
