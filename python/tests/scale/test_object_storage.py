"""A dataset on an S3-compatible server of this machine (moto's)."""

import pytest

pytest.importorskip("lance")
server = pytest.importorskip("moto.server")

import nearwise  # noqa: E402
from nearwise.lance import Dataset, from_lance, to_lance  # noqa: E402

from made_articles import articles, cluster, corpus, encoder, tiny  # noqa: E402, F401


@pytest.fixture(scope="module")
def storage():
    boto3 = pytest.importorskip("boto3")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    address = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=address, **keys).create_bucket(Bucket="articles")
    yield {
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
        "aws_region": "us-east-1",
        "aws_endpoint": address,
        "allow_http": "true",
        "aws_virtual_hosted_style_request": "false",
    }
    running.stop()


def test_a_corpus_goes_there_and_back(corpus, encoder, storage, tmp_path):
    where = "s3://articles/corpus.lance"
    carried = to_lance(corpus, where, fields={"words": int}, storage_options=storage)
    dataset = Dataset(where, encoder=encoder, storage_options=storage)
    assert len(dataset) == carried.articles == len(corpus)
    ours = dataset.search("the ship on the river", 10, filter="words > 30")
    theirs = corpus.search("the ship on the river", 10, mode="exact", filter="words > 30")
    assert [h.id for h in ours] == [h.id for h in theirs]
    again = nearwise.Corpus(tmp_path / "again.nearwise")
    assert from_lance(where, again, storage_options=storage).computed == 0
    assert len(again) == len(corpus)
    with pytest.raises(FileExistsError):
        to_lance(corpus, where, storage_options=storage)
    with pytest.raises(FileNotFoundError):
        Dataset("s3://articles/none.lance", storage_options=storage)


def test_a_cluster_writes_there(cluster, articles, corpus, storage, tiny):
    import nearwise.ray

    where = "s3://articles/cluster.lance"
    how = {"device": "cpu", "shard": 200, "workers": 2, "storage_options": storage}
    report = nearwise.ray.embed(articles, where, tiny, **how)
    assert report.articles == 600 and report.passages == corpus.counts["passages"]
    assert nearwise.ray.embed(articles, where, tiny, **how).there == 600
    nearwise.ray.topics(where, 3, method="kmeans", encoder=False, storage_options=storage)
    dataset = Dataset(where, storage_options=storage)
    assert len(dataset.topics) == 3 and dataset.index(2, force=True) == ["article_vector", "id", "vector"]
    assert len(dataset.search("the moon", 5, mode="approximate", filter="topic IN (0, 1)")) == 5
