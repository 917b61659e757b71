"""What the tests share. They use the repository's small models, and no network."""

import json
import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
TINY = str(FIXTURES / "tiny-bert")

os.environ["HF_HUB_OFFLINE"] = "1"

import nearwise  # noqa: E402

MATTERS = [
    ("Rates", "The bank set the interest rate, and the market said that the rate was high."),
    ("Cup", "The team won the match by a goal in the last minute of the cup final."),
    ("Ice", "The ship crossed the ice of the river with the doctors on board."),
]


@pytest.fixture(scope="session")
def expected():
    return json.loads(pathlib.Path(__file__).with_name("expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def encoder():
    return nearwise.Encoder(TINY)


@pytest.fixture(scope="session")
def exact():
    """The same model in float32."""
    return nearwise.Encoder(TINY, dtype="f32")


def rows(n=30):
    """Articles about three matters, every third of each."""
    out = []
    for i in range(n):
        title, text = MATTERS[i % 3]
        out.append(
            {
                "id": f"a{i}",
                "title": f"{title} {i}",
                "text": f"{text} It was for the time number {i}.",
                "date": f"2024-{i % 12 + 1:02}-03",
                "source": "wire" if i % 2 else "desk",
                "url": f"https://example.org/{i}",
                "words": i,
                "tags": ["a", "b"] if i % 5 == 0 else None,
            }
        )
    return out


@pytest.fixture
def corpus(tmp_path, encoder):
    with nearwise.Corpus(tmp_path / "news.nearwise", encoder=encoder) as corpus:
        corpus.add(rows())
        yield corpus


#: Where every plug-in's package is there (scripts/python-tests.sh plugins), a test that is passed over for want of
#: one is a fault: a package that does not import any more would otherwise go unnoticed. PyTorch, which mteb imports,
#: is not there.
ALL_PLUGINS = bool(os.environ.get("NEARWISE_TEST_ALL_PLUGINS"))
passed_over: list = []


def pytest_collectreport(report):
    pytest_runtest_logreport(report)


def pytest_runtest_logreport(report):
    if ALL_PLUGINS and report.skipped and "could not import" in str(report.longrepr):
        if "test_mteb.py" not in report.nodeid:
            passed_over.append(report)


def pytest_terminal_summary(terminalreporter):
    for report in passed_over:
        terminalreporter.write_line(f"a package is missing: {report.nodeid}: {report.longrepr}")


def pytest_sessionfinish(session, exitstatus):
    if passed_over and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
