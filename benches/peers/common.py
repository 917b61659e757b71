"""What the scripts here share: the program, texts, seconds."""

import argparse
import gzip
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
# All-MiniLM-L6-v2's length, which sentence-transformers truncates at.
LENGTH = 256


def parser(about: str) -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=about)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    p.add_argument("--nearwise", default=target / "release" / "nearwise", help="the program")
    return p


def run(program, *args, stdin: str | None = None) -> str:
    done = subprocess.run(
        [str(program), *map(str, args)], input=stdin, capture_output=True, encoding="utf8", cwd=ROOT
    )
    if done.returncode:
        raise SystemExit(f"{program} {' '.join(map(str, args))}: {done.stderr}")
    return done.stdout


def sentence_transformer(program):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(run(program, "model", "path").strip(), device="cpu")


def articles(path: str) -> list[dict]:
    opened = gzip.open(path, "rt", encoding="utf8") if str(path).endswith(".gz") else open(path, encoding="utf8")
    with opened as lines:
        return [json.loads(line) for line in lines]


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def embed(program, texts: list[str], dtype: str = "auto") -> np.ndarray:
    """Vectors by `nearwise embed`; a text is a line, so it must hold no line break."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "vectors.npy"
        run(program, "embed", "--dtype", dtype, "--file", "-", "--out", out, stdin="\n".join(texts) + "\n")
        return np.load(out)


def labels(path: str) -> dict[str, str]:
    """Labels by id: of a .tsv with a head line, or of articles with a field `label`."""
    if str(path).endswith(".tsv"):
        rows = Path(path).read_text(encoding="utf8").splitlines()[1:]
        return dict(row.split("\t", 1) for row in rows)
    return {str(a["id"]): str(a["label"]) for a in articles(path)}
