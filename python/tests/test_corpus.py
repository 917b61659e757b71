"""A corpus from Python: in, found, out."""

import datetime
import json
import subprocess
import sys

import nearwise
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from conftest import MATTERS, TINY, rows
from nearwise import F, errors


def test_articles_from_dicts(corpus):
    assert len(corpus) == 30 and "a3" in corpus and "b3" not in corpus and 3 not in corpus
    corpus.add([{"id": 3, "text": "A number is an id as well."}])
    assert 3 in corpus and corpus[3] == corpus["3"] and corpus.delete([3]) == 1
    article = corpus["a3"]
    assert (article.title, article.source, article.date) == ("Rates 3", "wire", "2024-04-03")
    assert article.meta == {"words": 3} and corpus.article("a5").meta == {"words": 5, "tags": ["a", "b"]}
    assert article.text == rows()[3]["text"] and article.passages
    assert article.to_dict()["url"] == "https://example.org/3"
    again = corpus.add(rows())
    assert (again.read, again.same, again.embedded) == (30, 30, 0)
    changed = corpus.add([rows()[3] | {"text": "Something else."}])
    assert (changed.changed, changed.embedded) == (1, 1)
    with pytest.raises(KeyError, match="nobody"):
        corpus.delete(["a3", "nobody"])
    assert len(corpus) == 30 and corpus.delete(["a3"]) == 1 and corpus.delete("a4") == 1 and len(corpus) == 28
    assert corpus.counts["pending"] == 0 and corpus.identity["dim"] == 32
    assert {"words", "tags"} <= set(corpus.fields)


@pytest.mark.parametrize(
    "of",
    [
        lambda r: iter(r),
        lambda r: pd.DataFrame(r),
        lambda r: pl.DataFrame(r),
        lambda r: pl.LazyFrame(r),
        lambda r: pa.Table.from_pylist(r),
        lambda r: pa.RecordBatchReader.from_batches(pa.Table.from_pylist(r).schema, pa.Table.from_pylist(r).to_batches()),
        lambda r: pa.Table.from_pylist(r).to_batches(max_chunksize=7),
        lambda r: pa.Table.from_pylist(r).to_batches()[0],
    ],
)
def test_any_table_is_the_same_corpus(tmp_path, encoder, of):
    with nearwise.Corpus(tmp_path / "a.nearwise", encoder=encoder) as made:
        report = made.add(of(rows(12)))
        assert (report.read, report.new, report.embedded) == (12, 12, 12)
        for row in rows(12):
            article = made[row["id"]]
            assert (article.title, article.text, article.date, article.source) == (
                row["title"],
                row["text"],
                row["date"],
                row["source"],
            )
            expected = {"words": row["words"]} | ({"tags": row["tags"]} if row["tags"] else {})
            assert article.meta == expected


def test_values_of_data_frames(tmp_path, encoder):
    frame = pd.DataFrame(
        {
            "number": [1.0, None, 3.0],
            "body": ["The bank set the rate.", "A goal decided the cup.", "The ice of the river."],
            "day": pd.to_datetime(["2024-03-01", "2024-03-02 10:30:00", None], format="ISO8601"),
            "ratio": [0.5, np.nan, np.inf],
            "kept": [np.int64(3), np.int64(4), np.int64(5)],
        }
    )
    with nearwise.Corpus(tmp_path / "a.nearwise", encoder=encoder) as made:
        made.add(frame, columns={"id": "number", "text": "body", "date": "day"})
        assert made["1"].date == "2024-03-01" and made["1"].meta == {"ratio": 0.5, "kept": 3}
        assert made["3"].date is None and made["3"].meta == {"ratio": None, "kept": 5} or made["3"].meta == {"kept": 5}
        dates = [made[h.id].date for h in made.search("goal", k=3)]
        assert "2024-03-02T10:30:00" in dates
        aware = datetime.datetime(2024, 5, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
        made.add([{"id": "x", "text": "a text", "date": aware}, {"id": "y", "text": "b text", "date": "sometime"}])
        assert made["x"].date == "2024-04-30T23:00:00"
        assert made["y"].date is None and made["y"].meta == {"date": "sometime"}


def test_what_cannot_be_added(tmp_path, encoder):
    made = nearwise.Corpus(tmp_path / "a.nearwise", encoder=encoder)
    with pytest.raises(ValueError, match="article 1 has no text"):
        made.add([{"text": "a"}, {"text": None}])
    with pytest.raises(ValueError, match="no key 'text'; there are 'body'"):
        made.add([{"body": "a"}])
    with pytest.raises(ValueError, match="'headline' is no field"):
        made.add([{"text": "a"}], columns={"headline": "h"})
    with pytest.raises(TypeError, match="article 0"):
        made.add(["a text"])
    with pytest.raises(TypeError, match="list of dicts"):
        made.add({"text": "a"})
    with pytest.raises(TypeError, match="int"):
        made.add([{"text": 3}])
    with pytest.raises(ValueError, match="twice|came before"):
        made.add([{"id": "1", "text": "a"}, {"id": "1", "text": "b"}])
    with pytest.raises(ValueError, match="2 with 1 articles"):
        made.add([{"text": "a"}], vectors=[[1.0, 0.0], [0.0, 1.0]], vectors_model="m")
    with pytest.raises(ValueError, match="more or fewer"):
        made.add(iter([{"text": "a", "id": "one"}]), vectors=[[1.0, 0.0], [0.0, 1.0]], vectors_model="m")
    made.close()
    with pytest.raises(ValueError, match="closed"):
        len(made)


def test_vectors_of_your_own(tmp_path):
    random = np.random.default_rng(4)
    vectors = random.standard_normal((30, 8))
    with nearwise.Corpus(tmp_path / "own.nearwise") as made:
        report = made.add(rows(), vectors=vectors, vectors_model="mine")
        assert (report.new, report.embedded) == (30, 0) and made.counts["pending"] == 0
        assert made.identity["model"] == "mine" and made.identity["dim"] == 8
        found = made.search(vectors[7], k=3)
        assert found.hits[0].id == "a7" and found.hits[0].score > 0.999
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        best = np.argsort(-unit @ unit[7])[:3]
        assert [h.id for h in found] == [f"a{i}" for i in best]
        assert [h.id for h in made.similar("a7", k=2)] == [f"a{i}" for i in best[1:]]
        assert made.similar(vectors[7], k=1)[0].id == "a7"
        assert made.search("goal", by="words").hits
        with pytest.raises(ValueError):
            made.search(vectors[7][:5])
        with pytest.raises(nearwise.errors.WrongModelError):
            made.add(rows(3), vectors=vectors[:3], vectors_model="another")
        made.topics.fit(k=3)
        assert len(made.topics) == 3
        table = made.to_arrow(vectors=True)
        stored = np.stack(table["vector"].to_numpy())
        assert np.allclose(stored, unit, atol=2e-3)
    with nearwise.Corpus(tmp_path / "encoders.nearwise", encoder=nearwise.Encoder(TINY)) as made:
        made.add(rows(6), vectors=made.encoder.encode_document([r["text"] for r in rows(6)]))
        assert made.identity["model"].endswith("tiny-bert")
        assert made.search("the goal of the match", k=1).hits


def test_search(corpus):
    found = corpus.search("a goal in the match", k=4, facets=["source"], sentences=True)
    assert len(found) == 4 and found.exact and found.more
    hit = found[0]
    assert hit.score == pytest.approx(hit.cosine) and hit.passage.text and hit.sentence.text in hit.passage.text
    start, end = hit.passage.range
    assert 0 <= start < end <= len(corpus[hit.id].text.encode())
    assert {v.value: v.count for v in found.facets.fields[0].values} == {"desk": 15, "wire": 15}
    assert list(found.to_pandas()["id"]) == [h.id for h in found]
    assert found.to_dict()["hits"][0]["id"] == hit.id
    with pytest.raises(AttributeError):
        hit.score = 1
    later = corpus.search("a goal in the match", k=2, offset=2)
    assert [h.id for h in later] == [h.id for h in found][2:]
    assert [f.hits for f in corpus.search_many(["a goal in the match", "ice"], k=2)][0] == corpus.search(
        "a goal in the match", k=2
    ).hits
    words = corpus.search("doctors", by="words", k=100)
    assert {h.id for h in words} == {f"a{i}" for i in range(2, 30, 3)}
    assert corpus.search("doctors on board", by="both", diverse=True, half_life="30d", k=3).hits
    folded = corpus.search("doctors", k=30, fold=True)
    assert len(folded) < 30 and folded[0].folded.count >= 1 and folded[0].folded.articles[0].id


def test_filters_as_text_and_as_objects(corpus):
    def ids(filter):
        return {h.id for h in corpus.search("rate", k=100, filter=filter)}

    every = {f"a{i}" for i in range(30)}
    same = [
        ('source = "wire" AND words >= 10', (F.source == "wire") & (F.words >= 10), {i for i in range(11, 30, 2)}),
        ("NOT words < 28", ~(F.words < 28), {28, 29}),
        ('tags = "a" OR words = 1', (F.tags == "a") | (F["words"] == 1), {0, 1, 5, 10, 15, 20, 25}),
        ("words BETWEEN 3 AND 4", F.words.between(3, 4), {3, 4}),
        ("words IN (3, 8)", F.words.isin([3, np.int64(8)]), {3, 8}),
        ('title ~ "cup"', F.title.contains("cup"), set(range(1, 30, 3))),
        ("tags IS NOT NULL", F.tags != None, {0, 5, 10, 15, 20, 25}),  # noqa: E711
        ("date >= 2024-11", F.date >= datetime.date(2024, 11, 1), {10, 11, 22, 23}),
    ]
    for text, built, expected in same:
        expected = {f"a{i}" for i in expected}
        assert ids(text) == ids(built) == ids(built.to_dict()) == expected, text
    assert ids(None) == every
    with pytest.raises(TypeError, match="&"):
        ids((F.words > 3) and (F.words < 5))
    with pytest.raises(TypeError, match="list of values"):
        F.words.isin("abc")
    with pytest.raises(TypeError, match="filter"):
        ids(3)
    with pytest.raises(nearwise.errors.FilterError):
        ids({"smaller": {}})
    with pytest.raises(nearwise.errors.FilterError):
        ids(F.nothing == 3)


def test_options_that_cannot_be_used(corpus):
    for name, value in {
        "k": -1,
        "by": "magic",
        "mode": "fast",
        "fold": "all",
        "half_life": "soon",
        "diverse": 3,
        "now": "2024-01-01",
        "facets": ["nothing"],
    }.items():
        with pytest.raises(ValueError, match=name.split("_")[0]):
            corpus.search("rate", **{name: value})
    for query in (None, 3, b"rate", {"text": "rate"}):
        with pytest.raises(TypeError, match="query"):
            corpus.search(query)
    for name in ("threshold", "k", "diverse", "half_life"):
        with pytest.raises(TypeError, match=name):
            corpus.search("rate", **{name: [3]})
    with pytest.raises(TypeError, match="surprise"):
        corpus.search("rate", surprise=1)
    with pytest.raises(TypeError, match="surprise"):
        corpus.search_many(["rate"], surprise=1)
    with pytest.raises(TypeError, match="list of"):
        corpus.search_many("rate")
    with pytest.raises(ValueError, match="like"):
        corpus.similar([])
    with pytest.raises(ValueError, match="words"):
        corpus.search(np.ones(32), by="both")


def test_similar_and_duplicates(corpus):
    assert corpus.similar("a1", k=3)[0].id != "a1"
    both = corpus.similar(["a1", corpus.encoder.encode("goal")], unlike="a2", k=5)
    assert len(both) == 5 and "a2" not in {h.id for h in both}
    found = corpus.duplicates()
    assert found.groups_found == 3 and len(found) == 3 and found.articles == 30
    assert found.groups[0].keep.id and found.groups[0].members[0].words > 0.5
    assert corpus.duplicates("meaning", 0.99, limit=1).pairs[0].cosine >= 0.99
    with pytest.raises(ValueError, match="by"):
        corpus.duplicates("sound")
    with pytest.raises(ValueError, match="threshold"):
        corpus.duplicates(threshold=3)
    with pytest.raises(ValueError, match="limit"):
        corpus.duplicates(limit=-1)


def test_topics_of_a_corpus(corpus, tmp_path):
    topics = corpus.topics.fit(k=3)
    assert len(topics) == 3 and sum(t.size for t in topics) <= 30
    first = topics.all()[0]
    assert first.label and first.words[0][1] > 0 and first.typical[0] in corpus
    members = topics.members()
    assert set(members) == {f"a{i}" for i in range(30)}
    assert topics.tree().size == 30 or topics.tree().size == sum(m >= 0 for m in members.values())
    assert len(topics.tree(cut=2)) == 2 and str(topics.tree()).count("\n") >= 2
    topics.rename(first.id, "My topic")
    assert topics[first.id].label == "My topic" and topics[first.id].named
    assert corpus[first.typical[0]].topic_label == "My topic"
    merged = topics.merge([t.id for t in topics][:2])
    assert merged == first.id and len(topics) == 2
    pieces = topics.split(merged, into=2)
    assert pieces[0] == merged and len(topics) == 3
    topics.cut(2)
    assert len(topics) == 2 and topics.run["edited"]
    course = topics.over_time("month")
    assert course.spans[0] == "2024-01" and sum(course.articles) == 30
    assert course.to_pandas().shape == (len(course.spans), len(course.courses))
    assert topics.parts[0].label
    corpus.add([{"id": "new", "text": MATTERS[0][1]}])
    assert sum(topics.join()) == 1
    with pytest.raises(KeyError, match="topic 99"):
        topics[99]
    with pytest.raises(KeyError):
        topics.rename(99, "x")
    with pytest.raises(ValueError, match="span"):
        topics.over_time("decade")
    with pytest.raises(ValueError, match="method"):
        topics.fit(method="magic")
    with pytest.raises(TypeError, match="k is a whole number"):
        topics.fit(k=2.5)
    with pytest.raises(ValueError, match="seed"):
        corpus.map(seed=-1)

    shown = corpus.map()
    inline = shown._repr_html_()
    assert inline.startswith("<iframe srcdoc=") and "sandbox" in inline
    assert '"' not in inline.split('srcdoc="', 1)[1].split('" sandbox')[0]
    for name in ("map.html", "map.svg", "map.png"):
        shown.save(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "map.html").read_text(encoding="utf-8") == shown.page
    with pytest.raises(ValueError, match=r"\.txt"):
        shown.save(tmp_path / "map.txt")


def test_progress_and_notes(tmp_path, encoder, capsys, caplog):
    with nearwise.Corpus(tmp_path / "a.nearwise", encoder=encoder) as made:
        made.add(rows(300))
        assert capsys.readouterr().err == ""
        made.add([r | {"text": r["text"] + " Again."} for r in rows(300)], show_progress_bar=True)
        shown = capsys.readouterr().err
        assert "reading articles" in shown and "embedding" in shown and "300/300" in shown
        made.topics.fit(show_progress_bar=True)
        assert "clustering" in capsys.readouterr().err
        made.duplicates(show_progress_bar=True)
        assert "comparing" in capsys.readouterr().err
        (tmp_path / "latin.txt").write_bytes("Über die Brücke fährt die Bahn nach Köln. ".encode("latin-1") * 9)
        with caplog.at_level("INFO", logger="nearwise"):
            made.index(tmp_path / "latin.txt")
        assert any("latin.txt" in record.message for record in caplog.records)


def test_out_again(corpus):
    corpus.topics.fit(k=3)
    table = corpus.to_arrow(vectors=True, filter="words < 12")
    assert table.num_rows == 12 and table.column_names[:3] == ["id", "title", "text"]
    assert str(table.schema.field("vector").type) == "fixed_size_list<item: float not null>[32]"
    row = table.to_pylist()[5]
    assert row["id"] == "a5" and json.loads(row["metadata"]) == {"words": 5, "tags": ["a", "b"]}
    assert np.linalg.norm(row["vector"]) == pytest.approx(1, abs=1e-2)
    assert set(table["topic"].to_pylist()) <= {-1, 0, 1, 2, None}
    frame = corpus.to_polars()
    assert frame.shape == (30, 10) and frame["title"][3] == "Rates 3" and "vector" not in frame.columns
    assert list(corpus.to_pandas()["id"]) == frame["id"].to_list() == [f"a{i}" for i in range(30)]
    # A table may be read more than once.
    lazy = corpus.to_table()
    assert len(lazy) == 30 and pa.table(lazy).equals(pa.table(lazy))
    with nearwise.Corpus(corpus.path.with_name("again.nearwise"), encoder=corpus.encoder) as again:
        assert again.add(corpus.to_table()).new == 30


def test_files_and_the_program(tmp_path, encoder):
    folder = tmp_path / "texts"
    folder.mkdir()
    for i, (title, text) in enumerate(MATTERS):
        (folder / f"{i}.txt").write_text(f"{title}\n\n{text}\n")
    (folder / "more.jsonl").write_text(json.dumps({"id": "x", "head": "Head", "body": "The bank set the rate."}) + "\n")
    path = tmp_path / "files.nearwise"
    with nearwise.Corpus(path, encoder=encoder) as made:
        report = made.index(folder)
        assert report.new == 4 and report.embedded == 4
        assert made["x"].text == "The bank set the rate."
        (folder / "0.txt").unlink()
        assert made.index(folder, prune=True).pruned == 1
        with pytest.raises(FileNotFoundError, match="no such file"):
            made.index(tmp_path / "nothing")
        with pytest.raises(TypeError, match="path"):
            made.index()
    # The program reads the same file, with the same answer.
    said = subprocess.run(
        ["nearwise", "search", "--corpus", str(path), "--json", "the bank"], capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    theirs = [h["id"] for h in json.loads(said.stdout)["hits"]]
    with nearwise.Corpus(path) as made:
        assert [h.id for h in made.search("the bank")] == theirs
        assert "tiny-bert" in made.encoder.model


def test_readers_beside_a_writer(corpus):
    import threading

    wrong = []

    def search():
        for _ in range(15):
            hits = corpus.search("the doctors on board", k=5).hits
            if len(hits) != 5 or not all(h.id in corpus for h in hits):
                wrong.append(hits)

    threads = [threading.Thread(target=search) for _ in range(4)]
    [t.start() for t in threads]
    for i in range(5):
        corpus.add([{"id": f"new{i}", "text": f"The doctors crossed the ice, number {i}."}])
    [t.join() for t in threads]
    assert not wrong and len(corpus) == 35


def test_iterating_gives_articles(corpus):
    articles = list(corpus)
    assert {a.id for a in articles} == {f"a{i}" for i in range(30)} and len(articles) == len(corpus)
    one = next(a for a in corpus if a.id == "a5")
    assert one.title == "Ice 5" and one.meta == {"words": 5, "tags": ["a", "b"]} and one.date == "2024-06-03"
    assert one.source == "wire" and one.topic is None
    # Deleting meanwhile changes nothing.
    seen = 0
    for article in corpus:
        corpus.delete(article.id)
        seen += 1
    assert seen == 30 and list(corpus) == []


@pytest.mark.parametrize("without", [["pyarrow"], ["pyarrow", "polars"]])
def test_iterating_without_pyarrow(corpus, monkeypatch, without):
    for package in without:
        monkeypatch.setitem(sys.modules, package, None)
    if "polars" in without:
        with pytest.raises(ImportError, match="pip install pyarrow"):
            next(iter(corpus))
    else:
        assert sum(a.meta["words"] for a in corpus) == sum(range(30))


@pytest.mark.parametrize(
    "out",
    [
        lambda c: c.to_pandas(),
        lambda c: c.to_pandas(vectors=True),
        lambda c: c.to_polars(),
        lambda c: c.to_arrow(),
        lambda c: c.to_table(),
        lambda c: c.to_pandas().to_dict("records"),
        lambda c: c,
        list,
        lambda c: (a for a in c),
    ],
)
def test_what_a_corpus_gave_comes_back_as_it_was_added(corpus, encoder, tmp_path, out):
    corpus.topics.fit(k=3)
    with nearwise.Corpus(tmp_path / "other.nearwise", encoder=encoder) as other:
        assert other.add(out(corpus)).new == 30
        for id in ("a0", "a7"):
            was, now = corpus.article(id), other.article(id)
            for field in ("title", "text", "date", "source", "url", "meta"):
                assert getattr(was, field) == getattr(now, field), field
        assert "words" in other.fields and len(other.search("rates", filter=F.words > 27)) == 2
    # An article of the user's own with a key of that name keeps it.
    corpus.add([{"id": "own", "text": "a", "metadata": "{}"}, {"id": "k", "title": "", "text": "a", "metadata": "no"}])
    assert corpus["own"].meta == {"metadata": "{}"} and corpus["k"].meta == {"metadata": "no"}


def test_errors_say_which_and_what_to_do(corpus, encoder):
    for given, said in (
        ({"tag": "a"}, r"filter: .* for a field and its value write F\['tag'\] == 'a'"),
        ({"and": [{"tag": "a"}]}, r"F\['tag'\] == 'a'"),
        ({}, "filter: {} is no dict of one of and, or"),
        ({"compare": {"field": "words", "op": "=", "value": float("nan")}}, "filter: "),
    ):
        with pytest.raises(errors.FilterError, match=said):
            corpus.search("a", filter=given)
    for value in (float("nan"), np.float32("inf")):
        with pytest.raises(errors.FilterError, match=f"filter: {value} is no value to compare with; is_null"):
            F.words == value
    half = "a\ud800"
    for field in ("id", "title", "text", "source", "more"):
        article = {"id": "a1", "text": "a", field: half}
        said = "metadata" if field == "more" else field
        with pytest.raises(errors.InputError, match=f"article 1: its {said} holds half a character"):
            corpus.add([{"id": "a0", "text": "a"}, article])
    with pytest.raises(errors.ParameterError, match="^query: it holds half a character"):
        corpus.search(half)
    with pytest.raises(errors.ParameterError, match="^queries: query 1 holds half a character"):
        corpus.search_many(["a", half])
    with pytest.raises(errors.ParameterError, match="^prompt: it holds half a character"):
        encoder.encode("a", prompt=half)
    for vector in (np.full(32, np.nan), [1.0] * 31 + [np.inf]):
        for ask in (corpus.search, corpus.similar):
            with pytest.raises(errors.ParameterError, match="no finite number"):
                ask(vector)


def test_dates_and_spans_as_python_has_them(corpus):
    def ids(**how):
        return [hit.id for hit in corpus.search("interest rates", 8, **how)]

    wanted = ids(half_life="30d", now="2024-03-03")
    assert wanted != ids()
    for now in (datetime.date(2024, 3, 3), datetime.datetime(2024, 3, 3), pd.Timestamp("2024-03-03")):
        assert ids(half_life=datetime.timedelta(days=30), now=now) == wanted
    with pytest.raises(TypeError, match="now is a date"):
        corpus.search("a", half_life=3, now=2024)


MIDNIGHTS = [
    datetime.date(2024, 1, 2),
    datetime.datetime(2024, 1, 2),
    datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc),
    pd.Timestamp("2024-01-02"),
    np.datetime64("2024-01-02"),
    np.datetime64("2024-01-02T00:00:00.000000000"),
    "2024-01-02",
]


@pytest.mark.parametrize("day", MIDNIGHTS, ids=repr)
def test_what_was_added_by_a_date_is_found_by_it(tmp_path, encoder, day):
    with nearwise.Corpus(tmp_path / "a.nearwise", encoder=encoder) as made:
        made.add([{"id": "a", "text": "a", "date": "2024-01-01"}, {"id": "b", "text": "b", "date": day}])
        made.add([{"id": "c", "text": "c", "date": datetime.datetime(2024, 1, 3, 7, 30)}])
        assert made["b"].date == "2024-01-02"

        def found(filter):
            return "".join(sorted(hit.id for hit in made.search("a", filter=filter)))

        assert [found(F.date == day), found(F.date != day), found(F.date.isin([day]))] == ["b", "ac", "b"]
        assert [found(F.date >= day), found(F.date > day)] == ["bc", "c"]
        assert [found(F.date <= day), found(F.date < day)] == ["ab", "a"]
        assert found(F.date.between(day, day)) == "b"
    with pytest.raises(errors.FilterError, match="NaT"):
        F.date == pd.NaT
    with pytest.raises(errors.FilterError, match="NaT"):
        F.date >= np.datetime64("NaT")


def test_long_numbers_are_told_apart(tmp_path, encoder):
    with nearwise.Corpus(tmp_path / "a.nearwise", encoder=encoder) as made:
        first = 1_700_000_000_000_000_001
        made.add([{"id": str(i), "text": "a", "tweet": first + i} for i in range(3)])
        for filter, ids in [
            (F.tweet == first, "0"),
            (F.tweet != first, "12"),
            (F.tweet > first, "12"),
            (F.tweet.isin([first, np.int64(first + 2)]), "02"),
            (f"tweet = {first + 1}", "1"),
        ]:
            assert "".join(sorted(hit.id for hit in made.search("a", filter=filter))) == ids


def test_long_chains_of_filters(corpus):
    wanted = F.words == -1
    for words in range(2_000):
        wanted = wanted | (F.words == words)
    assert len(corpus.search("rate", k=100, filter=wanted)) == 30
    assert hash(wanted) == hash(nearwise.Filter(wanted.to_dict())) and list(wanted.to_dict()) == ["or"]
    assert ((F.a == 1) & (F.b == 2) & (F.c == 3)).to_dict() == {
        "and": [(F.a == 1).to_dict(), (F.b == 2).to_dict(), (F.c == 3).to_dict()]
    }


def test_nothing_is_lost_while_adding(tmp_path, encoder, caplog):
    with nearwise.Corpus(tmp_path / "a.nearwise", encoder=encoder) as made:
        double = pd.DataFrame([["1", "the article", "summary"]], columns=["id", "text", "text"])
        table = pa.table([pa.array(["1"]), pa.array(["a"]), pa.array(["b"])], names=["id", "text", "text"])
        for twice in (double, table, table.to_batches()):
            with pytest.raises(errors.InputError, match="two columns 'text'"):
                made.add(twice)
        with pytest.raises(TypeError, match="article 0: its id is of the type bytes"):
            made.add([{"id": b"x", "text": "a"}])
        with pytest.raises(errors.InputError, match="article 0.*decode"):
            made.add([{"text": "a", "of": b"x"}])
        columns = {"title": "headlnie", "source": "paper"}
        told = [{"text": "a", "headline": "b", "paper": "c"}]
        for frame in (pd.DataFrame(told), pl.DataFrame(told), pl.LazyFrame(told), pa.Table.from_pylist(told)):
            with pytest.raises(errors.ParameterError, match="no column 'headlnie'"):
                made.add(frame, columns=columns)
        made.add(told, columns=columns)
        assert caplog.text.count("no article has the key 'headlnie'") == 1
        # The only one that is named, too; and none where there are no articles.
        made.add(told, columns={"title": "headlnie"})
        made.add([], columns={"title": "headlnie"})
        assert caplog.text.count("no article has the key 'headlnie'") == 2
        # What is not all that a corpus gives is a user's own.
        made.add(pd.DataFrame([{"id": "2", "title": "t", "text": "a", "metadata": "m", "topic": "sport"}]))
        assert made["2"].meta == {"metadata": "m", "topic": "sport"}


def test_no_argument_is_passed_over(tmp_path, encoder):
    for how in ({"device": "cuda"}, {"dtype": "f32"}, {"offline": True}, {"threads": 1}, {"model": "m"}):
        with pytest.raises(TypeError, match=f"in place of .*{next(iter(how))}"):
            nearwise.Corpus(tmp_path / "b.nearwise", encoder=encoder, **how)
    with nearwise.Corpus(tmp_path / "a.nearwise", encoder=encoder) as made:
        made.add(rows())
        vector = encoder.encode_query("rate")
        with pytest.raises(ValueError, match="words"):
            made.search(vector, words="zebra")
        with pytest.raises(ValueError, match="query"):
            made.search(vector, by="words", words="3")
        with pytest.raises(ValueError, match="reworded"):
            made.duplicates(by="words", reworded=True)
        # No wheel for this system computes there.
        for call in (made.topics.fit, made.map, lambda device: nearwise.topics(np.eye(40, 8), device=device)):
            with pytest.raises(errors.DeviceError, match="metal"):
                call(device="metal")
        with pytest.raises(ValueError, match="threshold"):
            made.search("rate", threshold=float("nan"))


def test_ids_as_numpy_has_them(corpus):
    corpus.add([{"id": 7, "text": "The bank raised the rate."}])
    seven = np.int64(7)
    assert seven in corpus and corpus[seven].id == "7"
    assert corpus.similar(seven, k=1)[0].id != "7"
    assert corpus.similar(np.array(["a1", "a2"]), k=2)[0].id == corpus.similar(["a1", "a2"], k=2)[0].id
    assert corpus.similar(pd.Series(["a1"]), k=1)[0].id == corpus.similar("a1", k=1)[0].id
    assert corpus.delete(seven) == 1 and seven not in corpus


def test_vectors_of_another_program_are_no_models(tmp_path):
    with nearwise.Corpus(tmp_path / "a.nearwise") as made:
        made.add([{"id": "1", "text": "a"}], np.ones((1, 4)), vectors_model="mine")
        with pytest.raises(errors.WrongModelError, match="mine"):
            made.search("a")
        with pytest.raises(errors.WrongModelError, match="mine"):
            made.add([{"id": "2", "text": "b"}])
        assert len(made.search("a", by="words")) == 1 and len(made.search(np.ones(4))) == 1


@pytest.mark.parametrize("ending", ["html", "svg", "png"])
def test_a_map_that_cannot_be_written_leaves_the_old_one(corpus, tmp_path, ending):
    corpus.topics.fit(2)
    page = corpus.map()
    path = tmp_path / f"map.{ending}"
    page.save(path)
    before = path.read_bytes()
    assert before and (ending != "png" or before.startswith(b"\x89PNG"))
    with pytest.raises(errors.NotFoundError, match="nowhere"):
        page.save(tmp_path / "nowhere" / f"map.{ending}")
    page.save(path)
    assert path.read_bytes() == before and sorted(p.name for p in tmp_path.glob("*map*")) == [path.name]
