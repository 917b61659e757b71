"""A local Ray cluster that embeds into a Lance dataset, and what it does when parts of it are lost."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

pytest.importorskip("ray")
pytest.importorskip("lance")

import pyarrow as pa  # noqa: E402

import nearwise  # noqa: E402
import nearwise.ray  # noqa: E402
from nearwise import _nearwise  # noqa: E402
from nearwise.lance import Dataset  # noqa: E402

from made_articles import (  # noqa: E402, F401
    CLUSTER,
    ROOT,
    articles,
    cluster,
    corpus,
    encoder,
    environment,
    made,
    tiny,
)

#: How many short texts the tests with losses embed, and how many a shard has.
MANY, SHARD = 100_000, 4000
#: Seconds after which a test that waits gives up.
PATIENCE = 600


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """100,000 short texts in a Parquet file."""
    import pyarrow.parquet as pq

    table = made(MANY, seed=11, longest=12).select(["id", "text"])
    path = tmp_path_factory.mktemp("many") / "articles.parquet"
    pq.write_table(table, path, row_group_size=20_000)
    return path, table


@pytest.fixture(scope="module")
def one_machine(many, encoder):
    """Their vectors, computed by this process."""
    _, table = many
    texts = table.column("text").to_pylist()
    arrays = _nearwise.embed_articles(encoder._inner, [""] * len(texts), texts)
    return dict(zip(table.column("id").to_pylist(), arrays[5].astype(np.float16))), len(arrays[1])


def check(where, one_machine):
    """Every article is there once, with the vectors of one machine."""
    vectors, passages = one_machine
    dataset = Dataset(where)
    table = dataset.lance.to_table(columns=["id", "article_vector"], filter="passage = 0")
    ids = table.column("id").to_pylist()
    assert len(ids) == len(set(ids)) == MANY == len(dataset)
    assert dataset.counts["passages"] == passages
    flat = table.column("article_vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    expected = np.stack([vectors[id] for id in ids])
    np.testing.assert_array_equal(flat.reshape(expected.shape), expected)
    return dataset


def rows_of(where):
    """The articles that are committed."""
    try:
        return len(Dataset(where))
    except (FileNotFoundError, ValueError):
        return 0


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def workers_of(process):
    """The actors of the Ray cluster that a process of ours started."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline") as file:
                title = file.read()
            pid = int(name)
            while title.startswith("ray::") and "_Shard" in title and pid > 1:
                with open(f"/proc/{pid}/stat") as file:
                    pid = int(file.read().rpartition(")")[2].split()[1])
                if pid == process:
                    found.append(int(name))
                    break
        except (OSError, ValueError):
            continue
    return found


def test_vectors_and_passages_are_those_of_a_corpus(cluster, articles, corpus, tiny, tmp_path):
    where = tmp_path / "a.lance"
    fields = {"section": str, "words": int}
    report = nearwise.ray.embed(articles, where, tiny, device="cpu", fields=fields, shard=100, workers=2)
    assert report.articles == 600 and report.passages == corpus.counts["passages"]
    assert report.shards >= 6 and (report.there, report.bad, report.repeated) == (0, 0, 0)
    dataset = Dataset(where)
    rows, arrays = _nearwise.Pieces(corpus._inner).next(1000)
    assert dataset.identity == corpus.identity
    at = np.concatenate([[0], np.cumsum(arrays[0])]).astype(int)
    table = dataset.lance.to_table()
    every: dict = {}
    for row in table.to_pylist():
        every.setdefault(row["id"], []).append(row)
    for i, row in enumerate(rows):
        mine = sorted(every[row[0]], key=lambda r: r["passage"])
        part = slice(at[i], at[i + 1])
        assert [r["start"] for r in mine] == arrays[1][part].tolist()
        assert [r["end"] for r in mine] == arrays[2][part].tolist()
        assert [r["tokens"] for r in mine] == arrays[3][part].tolist()
        np.testing.assert_array_equal(np.float32([r["vector"] for r in mine]), arrays[4][part])
        np.testing.assert_array_equal(np.float32(mine[0]["article_vector"]), arrays[5][i])
        first = mine[0]
        own = (first["title"], first["article_text"], first["date"], first["source"], first["url"])
        assert own == row[1:6] and json.loads(first["metadata"]) == json.loads(row[7])
        assert all(r["section"] == first["section"] and r["article_text"] is None for r in mine[1:])
    hits = dataset.search("the moon", 10, filter='section = "sport" AND words > 50')
    assert [h.id for h in hits] == [
        h.id for h in corpus.search("the moon", 10, mode="exact", filter='section = "sport" AND words > 50')
    ]
    # The same again does nothing; more articles are added.
    again = nearwise.ray.embed(articles, where, tiny, device="cpu", shard=100, workers=2)
    assert (again.articles, again.there, again.shards) == (0, 600, 0) and len(dataset) == 600
    more = pa.concat_tables([articles, made(50, seed=9).set_column(0, "id", [[f"b{i}" for i in range(50)]])])
    again = nearwise.ray.embed(more, where, tiny, device="cpu", shard=100, workers=2)
    assert (again.articles, again.there) == (50, 600) and len(dataset) == 650


def test_topics_on_the_cluster(cluster, articles, tiny, tmp_path):
    where = tmp_path / "t.lance"
    nearwise.ray.embed(articles, where, tiny, device="cpu", shard=150, workers=2)
    found = nearwise.ray.topics(where, 3, method="kmeans", encoder=False)
    dataset = Dataset(where)
    assert sum(t.size for t in dataset.topics) == int((found.labels >= 0).sum())
    table = dataset.lance.to_table(columns=["id", "passage", "topic", "topic_similarity"])
    of: dict = {}
    for row in table.to_pylist():
        assert of.setdefault(row["id"], row["topic"]) == row["topic"]
    assert len(of) == 600 and set(of.values()) <= {-1, 0, 1, 2}
    # What comes later has none, until it joins.
    later = made(40, seed=5).set_column(0, "id", [[f"c{i}" for i in range(40)]])
    nearwise.ray.embed(later, where, tiny, device="cpu", workers=1)
    assert dataset.lance.count_rows("topic IS NULL AND passage = 0") == 40
    placed = nearwise.ray.join_topics(where)
    assert placed["in_topics"] + placed["in_none"] == 640
    assert dataset.lance.count_rows("topic IS NULL") == 0
    assert sum(t.size for t in dataset.topics) == placed["in_topics"]


def test_what_cannot_be_used_is_told_as_on_one_machine(cluster, articles, tiny, tmp_path):
    where = tmp_path / "b.lance"
    holes = pa.table({"id": ["a", "b", "c"], "body": ["the bank", None, "a goal"]})
    how = {"device": "cpu", "workers": 1}
    with pytest.raises(nearwise.errors.InputError, match="has no key 'text'"):
        nearwise.ray.embed(holes, where, tiny, **how)
    with pytest.raises(nearwise.errors.InputError, match="article 1 has no text"):
        nearwise.ray.embed(holes, where, tiny, columns={"text": "body"}, **how)
    report = nearwise.ray.embed(holes, where, tiny, columns={"text": "body"}, skip_bad=True, **how)
    assert (report.articles, report.bad) == (2, 1)
    twice = pa.table({"id": ["x", "x"], "text": ["a", "b"]})
    with pytest.raises(nearwise.errors.InputError, match="the id 'x' comes twice"):
        nearwise.ray.embed(twice, where, tiny, **how)
    with pytest.raises(nearwise.errors.WrongModelError, match="of the dtype"):
        nearwise.ray.embed(holes, where, tiny, columns={"text": "body"}, dtype="f32", **how)
    with pytest.raises(nearwise.errors.WrongModelError, match="of the model"):
        nearwise.ray.embed(holes, where, tiny.replace("tiny-bert", "tiny-roberta"), **how)
    with pytest.raises(nearwise.errors.Error, match="no-such-model"):
        nearwise.ray.embed(holes, where, "no-such-model", offline=True, **how)
    with pytest.raises(ValueError, match="fields: the dataset has none"):
        nearwise.ray.embed(holes, where, tiny, fields=["body"], **how)
    with pytest.raises(TypeError, match="source is a Ray dataset"):
        nearwise.ray.embed(3, where, tiny, **how)
    assert len(Dataset(where)) == 2
    # Without an id an article has one by its content.
    report = nearwise.ray.embed(pa.table({"text": ["the moon", "a ship"]}), where, tiny, **how)
    again = nearwise.ray.embed(pa.table({"text": ["the moon", "a ship"]}), where, tiny, **how)
    assert (report.articles, again.there) == (2, 2)


def test_sources_of_each_kind(cluster, tiny, tmp_path):
    import pyarrow.csv
    import pyarrow.parquet as pq

    table = made(12).select(["id", "text", "date", "words"])
    for part in (0, 1):
        pq.write_table(table.slice(6 * part, 6), tmp_path / f"part-{part}.parquet")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    pyarrow.csv.write_csv(table, tmp_path / "a.csv")
    sources = [
        tmp_path / "a.jsonl",
        tmp_path / "a.csv",
        str(tmp_path / "part-*.parquet"),
        [str(tmp_path / "part-0.parquet"), str(tmp_path / "part-1.parquet")],
        table.to_pandas(),
        cluster.data.from_items(table.to_pylist()),
    ]
    for i, source in enumerate(sources):
        where = tmp_path / f"{i}.lance"
        assert nearwise.ray.embed(source, where, tiny, device="cpu", workers=1, fields={"words": int}).articles == 12
        article = Dataset(where).article("a3")
        row = table.to_pylist()[3]
        assert (article.text, article.date) == (row["text"], row["date"])
        assert Dataset(where).search(np.ones(32), 20, filter=f"words = {row['words']} AND id = 'a3'")[0].id == "a3"
    for source, told in [(tmp_path / "no-*.parquet", "there is no file"), ("s3://b/*.parquet", "has a wildcard")]:
        with pytest.raises((FileNotFoundError, ValueError), match=told):
            nearwise.ray.embed(source, tmp_path / "none.lance", tiny, device="cpu")


def test_two_runs_do_not_write_at_once(cluster, articles, tiny, tmp_path, monkeypatch):
    import lance

    where = str(tmp_path / "two.lance")
    nearwise.ray.embed(articles.slice(0, 50), where, tiny, device="cpu", workers=1)
    commit = lance.LanceDataset.commit

    def late(*args, **kwargs):
        # Another adds an article right after this run's commit.
        done = commit(*args, **kwargs)
        lance.write_dataset(done.to_table(limit=1), where, mode="append")
        return done

    monkeypatch.setattr(lance.LanceDataset, "commit", late)
    with pytest.raises(nearwise.BusyError, match="another run adds articles"):
        nearwise.ray.embed(articles, where, tiny, device="cpu", shard=100, workers=1)
    assert 100 <= len(Dataset(where)) < 600


def test_a_worker_is_killed_in_the_middle(cluster, many, one_machine, tiny, tmp_path):
    where = str(tmp_path / "w.lance")
    killed = []

    def kill():
        def some():
            return 2 * SHARD <= rows_of(where) < MANY - 2 * SHARD and workers_of(os.getpid())

        if wait_for(some):
            pid = workers_of(os.getpid())[0]
            killed.append((pid, rows_of(where)))
            os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    report = nearwise.ray.embed(many[0], where, tiny, device="cpu", shard=SHARD, workers=2)
    thread.join(PATIENCE)
    assert killed and killed[0][1] < MANY, "no worker was found while the run was on"
    print(f"killed worker {killed[0][0]} after {killed[0][1]} articles; {report}")
    assert report.articles == MANY and report.repeated == 0
    dataset = check(where, one_machine)
    # There are so many vectors that they have an index.
    assert dataset.index() == ["article_vector", "id", "vector"]
    text = many[1].column("text")[77].as_py()
    found = dataset.search(text, 5, mode="approximate")
    exact = dataset.search(text, 1, mode="exact")[0].score
    assert not found.exact and found[0].score == pytest.approx(exact, abs=1e-3)
    # An index that the cluster builds, as docs/scale.md says, is used as well.
    lance_ray = pytest.importorskip("lance_ray")
    for column in ("vector", "article_vector"):
        dataset.lance.drop_index(column)
        how = {"index_type": "IVF_PQ", "metric": "cosine", "num_workers": 2, "num_sub_vectors": 4}
        lance_ray.create_index(where, column=column, name=column, num_partitions=20, **how)
    found = dataset.search(text, 5, mode="approximate")
    assert not found.exact and found[0].score == pytest.approx(exact, abs=1e-3)


DRIVER = """
import ray, nearwise.ray
ray.init(address="local", **{cluster})
report = nearwise.ray.embed({source!r}, {where!r}, {model!r}, device="cpu", shard={shard}, workers=2)
print(report.articles, report.there, flush=True)
"""


def test_the_driver_is_killed_and_run_again(many, one_machine, tiny, tmp_path):
    where = str(tmp_path / "d.lance")
    how = {"cluster": CLUSTER, "source": str(many[0]), "where": where, "model": tiny, "shard": SHARD}
    program = textwrap.dedent(DRIVER.format(**how))

    def start():
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
        return subprocess.Popen([sys.executable, "-c", program], env={**os.environ, **environment()}, **how)

    first = start()
    try:
        reached = wait_for(lambda: rows_of(where) >= 3 * SHARD or first.poll() is not None)
        assert reached and first.poll() is None, first.communicate()[1][-2000:]
    finally:
        first.kill()
    first.wait(PATIENCE)
    left = rows_of(where)
    assert 3 * SHARD <= left < MANY
    second = start()
    out, err = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, err[-2000:]
    articles, there = map(int, out.split()[-2:])
    print(f"killed the driver after {left} articles; the second run did {articles} and found {there}")
    # Nothing that was committed is done again.
    assert there == left and articles == MANY - left
    check(where, one_machine)
