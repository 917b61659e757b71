"""Corpora as Lance datasets and back, and searching these."""

import numpy as np
import pytest

pytest.importorskip("lance")

import pyarrow as pa  # noqa: E402

import nearwise  # noqa: E402
from nearwise import F, _nearwise  # noqa: E402
from nearwise.lance import Dataset, from_lance, to_lance  # noqa: E402

from made_articles import articles, corpus, encoder, made, tiny  # noqa: E402, F401

FIELDS = {"section": str, "words": int}


@pytest.fixture(scope="module")
def dataset(corpus, encoder, tmp_path_factory):
    where = tmp_path_factory.mktemp("lance") / "articles.lance"
    carried = to_lance(corpus, where, fields=FIELDS)
    assert carried.articles == len(corpus) == 600 and carried.left == 0
    assert carried.passages == corpus.counts["passages"] > 600
    return Dataset(where, encoder=encoder)


def all_pieces(corpus):
    rows, arrays = _nearwise.Pieces(corpus._inner).next(10**6)
    return {row[0]: row for row in rows}, [row[0] for row in rows], arrays


def test_a_dataset_is_the_corpus(corpus, dataset):
    assert len(dataset) == 600 and dataset.counts["passages"] == corpus.counts["passages"]
    assert dataset.identity == corpus.identity
    assert "a7" in dataset and "no" not in dataset
    for id in ("a0", "a1", "a599"):
        ours, theirs = dataset.article(id), corpus.article(id)
        assert (ours.id, ours.title, ours.text, ours.date, ours.source, ours.meta, ours.passages) == (
            theirs.id,
            theirs.title,
            theirs.text,
            theirs.date,
            theirs.source,
            theirs.meta,
            theirs.passages,
        )
    with pytest.raises(KeyError, match="no article has the id 'no'"):
        dataset["no"]
    table = dataset.lance.to_table(columns=["id", "vector"], scan_in_order=True)
    _, _, arrays = all_pieces(corpus)
    vectors = np.array(table.column("vector").to_pylist(), dtype=np.float32)
    np.testing.assert_array_equal(vectors, arrays[4])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 3, "offset": 4},
        {"threshold": 0.9},
        {"diverse": 0.6, "k": 12},
        {"diverse": True, "offset": 5},
        {"filter": 'section = "money"'},
        {"filter": "date >= 2022 AND NOT words > 100"},
        {"filter": (F.source == "wire") | (F.words <= 20)},
        {"filter": F.section.isin(["sport", "travel"]) & ~F.title.contains("NUMBER")},
        {"filter": F.date.is_null()},
        {"filter": "date = 2021 OR date BETWEEN 2023-02 AND 2023"},
        {"filter": 'date > 2021-05 AND date <= 2024-02 AND source != "wire"'},
        {"filter": F.id.isin(["a1", "a2", "it's"])},
    ],
)
def test_it_answers_as_the_corpus(corpus, dataset, options):
    query = "the ship on the river"
    ours = dataset.search(query, **{"k": 20, **options})
    theirs = corpus.search(query, **{"k": 20, "mode": "exact", **options})
    assert ours.exact and ours.more == theirs.more and len(ours) == len(theirs)
    # Scores that are the same but for rounding may change places.
    np.testing.assert_allclose(sorted(h.score for h in ours), sorted(h.score for h in theirs), atol=2e-3)
    assert len({h.id for h in ours} & {h.id for h in theirs}) >= 0.8 * len(theirs)
    if len(theirs) and "diverse" not in options:
        first = corpus.search(query, k=1, mode="exact", **{k: v for k, v in options.items() if k in ("filter",)})[0]
        if ours[0].id == first.id and not options.get("offset"):
            assert ours[0].passage == first.passage and ours[0].title == first.title


def test_vectors_that_articles_brought_go_there_and_back(tmp_path):
    vectors = np.eye(6, 4, dtype=np.float32) + 0.5
    given = [{"id": f"a{i}", "text": f"a text {i}", "words": i} for i in range(6)]
    with nearwise.Corpus(tmp_path / "own.nearwise") as own:
        own.add(given, vectors, vectors_model="theirs")
        assert to_lance(own, tmp_path / "own.lance").articles == 6
        identity, expected = own.identity, own.to_arrow(vectors=True).column("vector").to_pylist()
    with nearwise.Corpus(tmp_path / "back.nearwise") as back:
        carried = from_lance(tmp_path / "own.lance", back)
        assert (carried.articles, carried.computed) == (6, 0) and back.identity == identity
        assert back.to_arrow(vectors=True).column("vector").to_pylist() == expected
        assert back["a3"].meta == {"words": 3}
        assert back.similar(vectors[2], 1)[0].id == "a2"


def test_similar_articles(corpus, dataset):
    ours, theirs = dataset.similar("a5", 8), corpus.similar("a5", 8, mode="exact")
    np.testing.assert_allclose([h.score for h in ours], [h.score for h in theirs], atol=2e-3)
    assert "a5" not in {h.id for h in ours}
    vector = np.ones(dataset.identity["dim"])
    assert len(dataset.similar([vector, "a1"], 3)) == 3
    with pytest.raises(KeyError):
        dataset.similar("no")


def test_an_index_finds_nearly_the_same(dataset):
    with pytest.raises(LookupError, match="there is no index of vector"):
        dataset.search("a river", mode="approximate")
    assert dataset.index() == []
    assert dataset.index(4, force=True) == ["article_vector", "id", "vector"]
    exact = {h.id for h in dataset.search("a river", 20, mode="exact")}
    found = dataset.search("a river", 20, mode="approximate")
    assert not found.exact and len(exact & {h.id for h in found}) >= 14
    for name in ("vector", "article_vector", "id"):
        dataset.lance.drop_index(name)


@pytest.mark.parametrize(
    "option", [{"by": "words"}, {"fold": True}, {"half_life": 30}, {"facets": ["source"]}, {"sentences": True}]
)
def test_what_it_cannot_do_is_refused_by_name(dataset, option):
    (name,) = option
    with pytest.raises(TypeError, match=f"does not support {name}="):
        dataset.search("a", **option)


def test_filters_that_cannot_be(dataset):
    for filter, told in [
        ("nothing = 1", "there is no field 'nothing'"),
        ("text ~ 'x'", "holds it once for each article"),
        ("words = 'many'", "holds numbers"),
        ("date = 'soon'", "is no date"),
        ("topic = 1", "there is no field 'topic'"),
    ]:
        with pytest.raises(nearwise.errors.FilterError, match=told):
            dataset.search("a", filter=filter)
    for option in ({"k": -1}, {"threshold": 3}, {"mode": "some"}, {"diverse": 2.0}):
        with pytest.raises(ValueError, match=next(iter(option))):
            dataset.search("a", **option)
    with pytest.raises(ValueError, match="the dataset's vectors have 32"):
        dataset.search(np.ones(5))


def test_there_and_back_again(corpus, dataset, tmp_path):
    again = nearwise.Corpus(tmp_path / "again.nearwise")
    carried = from_lance(dataset.uri, again)
    assert carried.articles == 600 and carried.computed == 0
    ours, order, arrays = all_pieces(again)
    theirs, expected, wanted = all_pieces(corpus)
    assert order == expected
    assert {id: (*row[:6], row[7]) for id, row in ours.items()} == {
        id: (*row[:6], row[7]) for id, row in theirs.items()
    }
    for mine, other in zip(arrays, wanted):
        np.testing.assert_array_equal(mine, other)
    # A part of it.
    part = nearwise.Corpus(tmp_path / "part.nearwise")
    assert from_lance(dataset.uri, part, filter='section = "sport"').articles == len(part) == 200


def test_prompts_go_along(articles, tiny, tmp_path):
    prompted = nearwise.Encoder(tiny, device="cpu", query_prompt="data: ", document_prompt="the ship ")
    corpus = nearwise.Corpus(tmp_path / "p.nearwise", encoder=prompted)
    corpus.add(articles.slice(0, 40))
    to_lance(corpus, tmp_path / "p.lance")
    dataset = Dataset(tmp_path / "p.lance", device="cpu")
    assert (dataset.encoder.query_prompt, dataset.encoder.document_prompt) == ("data: ", "the ship ")
    ours, theirs = dataset.search("the moon", 10), corpus.search("the moon", 10, mode="exact")
    np.testing.assert_allclose([h.score for h in ours], [h.score for h in theirs], atol=2e-3)
    again = nearwise.Corpus(tmp_path / "again.nearwise")
    assert from_lance(dataset.uri, again).computed == 0 and again.encoder.query_prompt == "data: "
    with pytest.raises(nearwise.errors.WrongModelError, match="documents have the prompt"):
        from_lance(dataset.uri, nearwise.Corpus(tmp_path / "other.nearwise", model=tiny))


def test_what_recurs_is_embedded_anew(encoder, tmp_path):
    tail = "this company said that software and data from the market met the court"
    articles = [
        {"id": str(i), "title": f"title {i}", "text": f"bank interest rate {i}\n\n{tail}", "source": "paper"}
        for i in range(6)
    ]
    from nearwise._lance_table import identity_of, read_rows, schema_of, table_of
    from nearwise._lance_io import created
    import lance

    rows, _ = read_rows(articles, None, False)
    schema = schema_of(identity_of(encoder), {})
    where = str(tmp_path / "a.lance")
    created(where, schema, None)
    pieces = _nearwise.embed_articles(encoder._inner, rows.titles, rows.texts)
    lance.write_dataset(table_of(rows, pieces, schema), where, mode="append")
    corpus = nearwise.Corpus(tmp_path / "a.nearwise", encoder=encoder)
    assert from_lance(where, corpus).computed > 0
    other = nearwise.Corpus(tmp_path / "b.nearwise", encoder=encoder)
    other.add(articles)
    for mine, theirs in zip(all_pieces(corpus)[2], all_pieces(other)[2]):
        np.testing.assert_array_equal(mine, theirs)


def test_what_does_not_fit_is_told(corpus, dataset, tmp_path):
    with pytest.raises(FileExistsError, match="there is a dataset already"):
        to_lance(corpus, dataset.uri)
    with pytest.raises(FileNotFoundError, match="there is no Lance dataset"):
        Dataset(tmp_path / "none.lance")
    with pytest.raises(ValueError, match="'vector' is a column that every dataset has"):
        to_lance(corpus, tmp_path / "x.lance", fields=["vector"])
    import lance

    lance.write_dataset(pa.table({"a": [1]}), str(tmp_path / "other.lance"))
    with pytest.raises(ValueError, match="none of articles that Nearwise wrote"):
        Dataset(tmp_path / "other.lance")
    with pytest.raises(LookupError, match="nothing is embedded yet"):
        to_lance(nearwise.Corpus(tmp_path / "empty.nearwise"), tmp_path / "x.lance")
    other = nearwise.Corpus(tmp_path / "other.nearwise")
    other.add([{"text": "a"}], np.ones((1, 8)), vectors_model="other")
    with pytest.raises(nearwise.errors.WrongModelError):
        from_lance(dataset.uri, other)
    with pytest.raises(ValueError, match="'section' does not fit its column"):
        to_lance(corpus, tmp_path / "y.lance", fields={"section": int})


def test_deleting(corpus, tmp_path, encoder):
    to_lance(corpus, tmp_path / "d.lance")
    dataset = Dataset(tmp_path / "d.lance", encoder=encoder)
    assert dataset.delete(["a1", "no", "a2"]) == 2
    assert len(dataset) == 598 and "a1" not in dataset
    dataset.compact()
    assert len(dataset) == 598


def test_an_empty_dataset(corpus, tmp_path, encoder):
    from nearwise._lance_io import created
    from nearwise._lance_table import schema_of

    created(str(tmp_path / "e.lance"), schema_of(corpus.identity, {}), None)
    dataset = Dataset(tmp_path / "e.lance", encoder=encoder)
    assert len(dataset) == 0 and list(dataset.search("a", 5)) == [] and dataset.index() == []


def test_topics_on_this_machine(corpus, tmp_path, encoder):
    to_lance(corpus, tmp_path / "t.lance", fields=FIELDS)
    dataset = Dataset(tmp_path / "t.lance", encoder=encoder)
    with pytest.raises(LookupError, match="no topics were found yet"):
        dataset.topics
    found = dataset.fit_topics(4, method="kmeans")
    ids = dataset.lance.to_table(columns=["id", "topic"], filter="passage = 0", scan_in_order=True)
    # All were in the sample, and keep what they were given there.
    assert ids.column("topic").to_pylist() == found.labels.tolist()
    topics = dataset.topics
    assert [t.size for t in topics] == np.bincount(found.labels[found.labels >= 0], minlength=4).tolist()
    assert [t.label for t in topics] == [t.label for t in found.topics]
    every = dataset.lance.to_table(columns=["id", "topic"]).to_pylist()
    of = dict(zip(ids.column("id").to_pylist(), ids.column("topic").to_pylist()))
    assert all(row["topic"] == of[row["id"]] for row in every)
    hits = dataset.search("river", 50, filter="topic = 1")
    assert len(hits) and all(of[h.id] == 1 for h in hits)
    assert {h.id for h in dataset.search("river", 50, filter=F.topic == topics[1].label)} == {h.id for h in hits}
    assert dataset.article(ids.column("id")[0].as_py()).topic == found.labels[0]
    # Found anew, of a sample: nearly all articles are in the topics of those that are alike.
    part = dataset.fit_topics(4, method="kmeans", sample=300, encoder=False)
    assert len(part.labels) == 300 and sum(t.size for t in dataset.topics) > 550


def test_values_and_ids_are_taken_as_a_corpus_takes_them(tmp_path, encoder):
    with nearwise.Corpus(tmp_path / "a.nearwise", encoder=encoder) as corpus:
        long = 1_700_000_000_000_000_001
        corpus.add([{"id": i, "text": f"bank {i}", "words": i, "tweet": long + i} for i in range(6)])
        to_lance(corpus, tmp_path / "a.lance", fields=("words", "tweet"))
        dataset = Dataset(tmp_path / "a.lance", encoder=encoder)
        for wanted in (F.words > 2.5, F.words >= 3, F.tweet == long + 1, F.tweet > long + 3):
            ids = [sorted(hit.id for hit in of.search("bank", k=9, filter=wanted)) for of in (corpus, dataset)]
            assert ids[0] == ids[1] and ids[0]
        assert 1 in dataset and dataset.article(1).id == "1" and dataset.similar(1, k=1)[0].id != "1"
        assert len(dataset.search("bank", fold=False, facets_limit=10)) == 6
        for vector in (np.full(32, np.nan), np.full(32, np.inf)):
            with pytest.raises(ValueError, match="finite"):
                dataset.search(vector)
        assert dataset.delete(1) == 1 and 1 not in dataset
        with pytest.raises(TypeError, match="model is given"):
            Dataset(tmp_path / "a.lance", encoder=encoder, model="m")
