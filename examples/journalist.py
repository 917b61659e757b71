"""A folder of articles: what is in it, what is it about, and what is nearly the same?

    pip install nearwise
    python examples/journalist.py                # the articles in seeds/
    python examples/journalist.py my/articles    # your own: text, HTML, Markdown, CSV, JSON lines, PDF …

Nothing leaves this computer; the model is fetched once.
"""

from __future__ import annotations

import pathlib
import sys
import tempfile

import nearwise

SEEDS = pathlib.Path(__file__).resolve().parent.parent / "seeds"


def main(folder: str, model: str | None = None, out: str | None = None) -> None:
    out_folder = pathlib.Path(out or tempfile.mkdtemp(prefix="nearwise-"))
    with nearwise.Corpus(out_folder / "articles.nearwise", model=model) as corpus:
        # Reads whatever is there and embeds it. What cannot be used is left out. Running it again takes
        # what is new or changed only.
        report = corpus.index(folder, skip_bad=True)
        print(f"{report.read} articles, {report.passages} passages, in {corpus.path}\n")

        # Search by meaning: the query's words need not occur. Each hit shows the sentence that answers.
        print("What is said about the cost of living?")
        for hit in corpus.search("the cost of living", k=3, sentences=True):
            said = hit.sentence.text if hit.sentence else hit.passage.text
            print(f"  {hit.score:.2f}  {hit.title}: {said[:90]}")

        # Stories that were told twice, by their meaning; for copies word by word leave `by` out.
        pairs = corpus.duplicates(by="meaning").pairs
        print(f"\n{len(pairs)} pairs of articles tell the same story, such as")
        for pair in pairs[:3]:
            print(f"  {pair.cosine:.2f}  {pair.titles[0]!r} and {pair.titles[1]!r}")

        # What it is all about: topics with labels, and how they nest.
        corpus.topics.fit()
        print("\nTopics:")
        for topic in corpus.topics:
            print(f"  {topic.size:4}  {topic.label}")

        # A page to open in a browser: every article is a dot, near to what it is like.
        corpus.map().save(out_folder / "map.html")
        print(f"\nThe map is in {out_folder / 'map.html'}")


if __name__ == "__main__":
    main(*(sys.argv[1:] or [str(SEEDS)]))
