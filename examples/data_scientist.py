"""A data frame of texts: vectors, topics, a classifier, and filters, with the libraries that you have.

    pip install nearwise pandas pyarrow scikit-learn
    python examples/data_scientist.py

Each part stands alone; in a notebook, `corpus.map()` shows the map inline.
"""

from __future__ import annotations

import pathlib
import sys
import tempfile

import pandas as pd

import nearwise
from nearwise import F

SEEDS = pathlib.Path(__file__).resolve().parent.parent / "seeds"


def main(model: str | None = None) -> None:
    # Any data frame with a column of texts. These are a news agency's articles, and what they are about.
    frame = pd.read_json(SEEDS / "wire.jsonl", lines=True)
    labels = pd.read_csv(SEEDS / "labels.tsv", sep="\t", header=None, names=["id", "topic"])
    frame = frame.merge(labels, on="id", how="inner")
    print(f"{len(frame)} articles on {frame['topic'].nunique()} topics")

    # 1. Vectors: what sentence-transformers gives, without PyTorch.
    encoder = nearwise.Encoder(model)
    vectors = encoder.encode(frame["text"])
    print(f"vectors: {vectors.shape} {vectors.dtype}")

    # 2. Topics of vectors, with labels and their terms; no corpus is needed.
    found = nearwise.topics(vectors, frame["text"], titles=frame["title"], encoder=encoder)
    frame["found"] = found.labels
    print(f"{len(found)} topics; the largest: {found.topics[0].label}")
    print(pd.crosstab(frame["topic"], frame["found"]).iloc[:, :6].to_string(), "\n")

    # 3. A step of a pipeline of scikit-learn.
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline

    from nearwise.sklearn import NearwiseEmbedder

    known = frame.groupby("topic").filter(lambda group: len(group) >= 3)
    classifier = make_pipeline(NearwiseEmbedder(encoder), LogisticRegression(C=10.0, max_iter=1000))
    guessed = cross_val_predict(classifier, known["text"], known["topic"], cv=3)
    print(f"a classifier of {known['topic'].nunique()} topics is right in {(guessed == known['topic']).mean():.0%}")

    # 4. A corpus keeps it: add the frame, search with a filter, and get a frame back.
    with tempfile.TemporaryDirectory() as folder:
        with nearwise.Corpus(pathlib.Path(folder) / "wire.nearwise", encoder=encoder) as corpus:
            corpus.add(frame.drop(columns="found"))
            hits = corpus.search("interest rates", k=5, filter=F.date >= "2025-02")
            print(hits.to_pandas()[["id", "score", "date", "title"]].to_string(index=False), "\n")
            corpus.topics.fit(k=6)
            articles = corpus.to_pandas()
            print(articles.groupby("topic_label").size().sort_values(ascending=False).to_string())


if __name__ == "__main__":
    main(*sys.argv[1:])
