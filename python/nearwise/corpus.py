"""A file of articles: add, search, compare, sort into topics."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Literal, Mapping

from . import _nearwise
from ._articles import batches, length
from ._asked import examples_of, search_options
from ._corpus_topics import Topics
from ._listen import Listening
from ._map import Map
from ._refuse import article_id, article_ids, device_name, dtype_name, is_id, number, positive, whole
from ._results import Article, Duplicates, Found, Report, made
from ._rows import articles_of
from ._texts import check_characters, check_texts
from ._vectors import finite, matrix
from .encoder import Encoder, in_its_place
from .errors import ParameterError, UnknownError, WrongModelError
from .filters import Filter, sent

if TYPE_CHECKING:
    import datetime

    FilterLike = str | Filter | dict[str, Any] | None


class Corpus:
    """A corpus: a file that holds articles, their passages, vectors and topics.

    Parameters
    ----------
    path : str or path
        The file. Where there is none it is made.
    create : bool, optional
        ``True``: there must be none yet; ``False``: there must be one.
    model, device, dtype, truncate_dim, offline, threads
        What articles and queries are embedded with, as for :class:`nearwise.Encoder`; by default what
        the corpus was made with. The model is loaded when it is needed first.
    encoder : Encoder, optional
        An encoder that is there already, in place of these.

    Each method sees the corpus as it is when it is called. Any number of threads and processes may
    read; one at a time writes, and others get a ``BusyError`` meanwhile. What takes long stops within
    a second on Ctrl-C, and keeps what was committed.

    Raises
    ------
    nearwise.Error
        The file is no corpus (``NotACorpusError``), damaged (``DamagedError``), missing
        (``NotFoundError``, a ``FileNotFoundError``) or there already (``ExistsError``).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        create: bool | None = None,
        model: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        truncate_dim: int | None = None,
        offline: bool = False,
        threads: int | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        how = {"model": model, "device": device, "dtype": dtype, "truncate_dim": truncate_dim, "offline": offline}
        in_its_place(encoder, {**how, "threads": threads})
        if create not in (None, True, False):
            raise TypeError(f"create is True, False or None, not {create!r}")
        opened = {None: "either", True: "create", False: "open"}[create]
        self._open: Any = _nearwise.Corpus(os.fspath(path), opened)
        self._encoder = encoder
        self._how = (
            None if model is None else os.fspath(model),
            device_name(device),
            dtype_name(dtype),
            positive("truncate_dim", truncate_dim),
            bool(offline),
            positive("threads", threads),
        )

    @property
    def _inner(self) -> Any:
        if self._open is None:
            raise ValueError("the corpus is closed")
        return self._open

    def close(self) -> None:
        """Closes the file."""
        self._open = self._encoder = None

    def __enter__(self) -> Corpus:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._open is None:
            return "<closed nearwise.Corpus>"
        return f"nearwise.Corpus({str(self.path)!r}, {len(self)} articles)"

    def __reduce__(self) -> Any:
        raise TypeError("a Corpus cannot be pickled; open it in each process, by Corpus(path)")

    # What it is

    @property
    def path(self) -> Any:
        """The file, a ``pathlib.Path``."""
        import pathlib

        return pathlib.Path(self._inner.path)

    def __len__(self) -> int:
        """How many articles there are."""
        return self._inner.articles()

    def __contains__(self, id: object) -> bool:
        """Whether there is an article with this id."""
        return is_id(id) and self._inner.contains(article_id("id", id))

    def __iter__(self) -> Iterator[Article]:
        """The articles as they are now, one by one, with their topics and without their passages.

        What is added or deleted meanwhile changes nothing. Reads through pyarrow or polars
        (``ImportError`` where neither is there), and holds the texts of the corpus in memory.
        """
        return articles_of(self.to_table())

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of articles, of those pending (not embedded yet), passages, tokens and topics."""
        return json.loads(self._inner.about()[0])

    @property
    def identity(self) -> dict[str, Any] | None:
        """The model that made the vectors; ``None`` before the first."""
        return json.loads(self._inner.about()[1])

    @property
    def fields(self) -> list[str]:
        """The fields that a filter may name."""
        return self._inner.about()[2]

    @property
    def encoder(self) -> Encoder:
        """The encoder of the corpus's vectors, loaded when it is asked for first."""
        if self._encoder is None:
            identity = self.identity if self._how[0] is None else None
            if identity is not None and identity["revision"] == "external":
                raise WrongModelError(
                    f"{self.path}: its vectors are of another program's model ({identity['model']});"
                    " give vectors rather than texts, or search by words"
                )
            with Listening(False) as listener:
                core = self._inner.encoder(*self._how, listener)
            names = ("model", "device", "dtype", "truncate_dim", "offline", "threads")
            encoder = Encoder.__new__(Encoder)
            encoder._begin({**dict(zip(names, self._how)), "query_prompt": None, "document_prompt": None}, core)
            self._encoder = encoder
        return self._encoder

    def article(self, id: str | int) -> Article:
        """The article with this id.

        Raises ``UnknownError`` (a ``KeyError``) where there is none.
        """
        found = self._inner.article(article_id("id", id))
        if found is None:
            raise UnknownError(f"no article has the id {id!r}")
        return made(Article, json.loads(found))

    __getitem__ = article

    # Adding

    def add(
        self,
        articles: Any,
        vectors: Any = None,
        *,
        columns: Mapping[str, str] | None = None,
        vectors_model: str | None = None,
        embed: bool = True,
        show_progress_bar: bool | None = None,
    ) -> Report:
        """Adds articles, or replaces those of the same id, and embeds what is new or changed.

        Parameters
        ----------
        articles : iterable of dict, pandas or polars data frame, Arrow table or batches, or Corpus
            The keys ``id``, ``title``, ``text``, ``date``, ``url`` and ``source`` are an article's fields;
            all others are kept as metadata. Only ``text`` must be there. An article without an id gets
            one from its content. What :meth:`to_pandas`, :meth:`to_polars` and :meth:`to_arrow` gave comes
            back as it was added: the column ``metadata`` is taken apart, and topics and vectors are left.
            So does another corpus, or some of its articles.
        vectors : array of shape (articles, dimensions), optional
            A vector for each article, in place of those that an encoder would compute: of the corpus's own
            encoder, or with ``vectors_model`` of another model of this name.
        columns : dict, optional
            The key that holds a field where it has another name: ``{"text": "body"}``.
        embed : bool
            ``False`` leaves the embedding for later (:meth:`embed`).

        Returns
        -------
        Report
            Counts: ``read``, ``new``, ``changed``, ``same``, ``embedded``, ``passages``, ``tokens`` …

        Raises
        ------
        TypeError, InputError, ParameterError
            An article is no dict or has no text; there are more or fewer vectors. Articles before it may
            have been added.
        BusyError
            Another writer is at work.
        """
        array = None
        encoder = None
        if vectors is None:
            if vectors_model is not None:
                raise ParameterError("vectors_model: there are no vectors that it could have made")
            if embed:
                encoder = self.encoder  # Fails now rather than after the adding.
        else:
            array = matrix("vectors", vectors)
            if array.ndim != 2:
                raise ParameterError(f"vectors: an array of shape {array.shape}; give one of (articles, dimensions)")
            n = length(articles)
            if n is not None and n != len(array):
                raise ParameterError(f"vectors: {len(array)} with {n} articles; give one for each")
            if vectors_model is None and self._own_vectors(array.shape[1]):
                encoder = self.encoder
        with Listening(bool(show_progress_bar)) as listener:
            report = json.loads(
                self._inner.add(
                    batches(articles, columns),
                    array,
                    vectors_model,
                    encoder._inner if array is not None and encoder is not None else None,
                    listener,
                )
            )
            if array is None and encoder is not None:
                embedded = json.loads(self._inner.embed(encoder._inner, listener))
                report.update({k: embedded[k] for k in _EMBEDDED})
        return made(Report, report)

    def _own_vectors(self, dim: int) -> bool:
        """Whether vectors of no named model are taken for the encoder's."""
        identity = self.identity
        if identity is not None:
            return identity["revision"] != "external"
        return self._encoder is not None or self._how[0] is not None

    def embed(self, *, show_progress_bar: bool | None = None) -> Report:
        """Embeds the articles that were added without."""
        with Listening(bool(show_progress_bar)) as listener:
            return made(Report, json.loads(self._inner.embed(self.encoder._inner, listener)))

    def index(
        self,
        *paths: str | os.PathLike[str],
        columns: Mapping[str, str] | None = None,
        exclude: Iterable[str] = (),
        skip_bad: bool = False,
        prune: bool = False,
        prune_most: bool = False,
        id_prefix: str = "",
        replace: bool = False,
        show_progress_bar: bool | None = None,
    ) -> Report:
        """Reads files, folders and globs, of any format that ``nearwise index`` reads, and embeds what is
        new or changed.

        ``exclude`` leaves out of folders what these patterns (as in ``.gitignore``) name; ``skip_bad``
        files and rows that cannot be used; ``prune`` removes articles that came from these paths and are
        no longer there, ``prune_most`` also where that is most of them; ``id_prefix`` stands in front of
        the ids that rows give; ``replace`` lets an article replace one of the same id from elsewhere.
        """
        if not paths:
            raise TypeError("index needs a path")
        with Listening(bool(show_progress_bar)) as listener:
            report = self._inner.index(
                [os.fspath(path) for path in paths],
                self.encoder._inner,
                _columns(columns),
                [exclude] if isinstance(exclude, str) else list(exclude),
                bool(skip_bad),
                bool(prune),
                bool(prune_most),
                id_prefix,
                bool(replace),
                listener,
            )
        return made(Report, json.loads(report))

    def delete(self, ids: str | int | Iterable[str | int]) -> int:
        """Deletes articles; returns how many.

        Raises ``UnknownError`` (a ``KeyError``) where an id is not there; nothing is deleted then.
        """
        return self._inner.delete(article_ids("ids", ids))

    # Searching

    def search(
        self,
        query: Any,
        k: int = 10,
        *,
        offset: int = 0,
        filter: FilterLike = None,
        by: Literal["meaning", "words", "both"] = "meaning",
        mode: Literal["auto", "exact", "approximate"] = "auto",
        threshold: float | None = None,
        diverse: float | bool | None = None,
        fold: Literal["words", "meaning", "either"] | bool | None = None,
        half_life: str | float | datetime.timedelta | None = None,
        now: str | datetime.date | None = None,
        facets: Iterable[str] = (),
        facets_limit: int = 10,
        sentences: bool = False,
        words: str = "",
    ) -> Found:
        """Finds the articles that answer a query.

        Parameters
        ----------
        query : str or array of shape (dimensions,)
            A text, or a vector (with ``words`` for a search by both).
        k, offset : int
            How many hits, and how many are left out before the first.
        filter : str, Filter or dict, optional
            Only articles that this lets through: ``'date >= 2024 AND source = "wire"'``, or
            ``(F.date >= "2024") & (F.source == "wire")``.
        by : str
            ``"meaning"`` ranks by the cosine of an article's best passage, ``"words"`` by BM25, ``"both"``
            by reciprocal rank fusion of the two.
        threshold : float, optional
            The least cosine, -1 to 1.
        diverse : float or True, optional
            Maximal marginal relevance: the weight of relevance, 0 to 1; ``True`` is 0.8.
        fold : str or True, optional
            Folds articles that are nearly the same into the first; ``True`` is by words.
        half_life : str, float or timedelta, optional
            Lets newer articles come first: after this time (``"30d"``, ``"1.5y"``, days, or a ``timedelta``)
            one counts half.
        now : str or date, optional
            The time from which ages count; the present by default.
        facets : list of str
            Fields whose values are counted over the whole result.
        sentences : bool
            Finds the sentence of each passage that answers best.

        Returns
        -------
        Found
            ``hits`` (also by iterating), ``more``, ``exact``, ``facets``.

        Raises
        ------
        ParameterError, FilterError
            An option or the filter cannot be used.
        NothingYetError, WrongModelError
            Nothing is embedded yet; the encoder is not that of the corpus.
        """
        options = search_options(
            k=k,
            offset=offset,
            by=by,
            mode=mode,
            threshold=threshold,
            diverse=diverse,
            fold=fold,
            half_life=half_life,
            now=now,
            facets=facets,
            facets_limit=facets_limit,
            sentences=sentences,
        )
        if isinstance(query, str):
            check_characters("query", query)
            if words:
                raise ParameterError("words: they are for a query that is a vector")
            encoder = None if by == "words" else self.encoder._inner
            found = self._inner.search(query, options, sent(filter), encoder)
        else:
            if query is None or isinstance(query, (bytes, dict, int)):
                raise TypeError(f"query is a text or a vector, not {query!r}")
            vector = finite("query", matrix("query", query))
            if vector.ndim != 1:
                raise ParameterError(f"query: an array of shape {vector.shape}; give a text, or one vector")
            if by == "words":
                raise ParameterError("query: a search by words needs a text, and this is a vector")
            if bool(words) != (by == "both"):
                raise ParameterError(
                    "words: they are for a search by both; by meaning a vector stands alone"
                    if words
                    else "words: a vector has no words, and a search by both needs some"
                )
            found = self._inner.search(words, options, sent(filter), None, vector)
        return made(Found, json.loads(found))

    def search_many(self, queries: Iterable[str], k: int = 10, *, filter: FilterLike = None, **options: Any) -> list[Found]:
        """Answers many texts as :meth:`search` answers each, in one pass over the vectors."""
        if isinstance(queries, str):
            raise TypeError("queries is a list of str, and this is one; there is search")
        queries = list(queries)
        if not all(isinstance(query, str) for query in queries):
            raise TypeError("queries is a list of str")
        check_texts(queries, "query")
        found = self._inner.search_many(queries, search_options(k=k, **options), self.encoder._inner, sent(filter))
        return [made(Found, f) for f in json.loads(found)]

    def similar(
        self,
        like: Any,
        k: int = 10,
        *,
        unlike: Any = (),
        filter: FilterLike = None,
        offset: int = 0,
        mode: Literal["auto", "exact", "approximate"] = "auto",
        threshold: float | None = None,
        diverse: float | bool | None = None,
        fold: Literal["words", "meaning", "either"] | bool | None = None,
        half_life: str | float | datetime.timedelta | None = None,
        now: str | datetime.date | None = None,
        facets: Iterable[str] = (),
        facets_limit: int = 10,
    ) -> Found:
        """The articles most like some and least like others.

        ``like`` and ``unlike`` are an id, a vector, or a list of these. All else is as for
        :meth:`search`; examples themselves are never among the answers.
        """
        options = search_options(
            k=k,
            offset=offset,
            mode=mode,
            threshold=threshold,
            diverse=diverse,
            fold=fold,
            half_life=half_life,
            now=now,
            facets=facets,
            facets_limit=facets_limit,
        )
        (likes, like_vectors), (unlikes, unlike_vectors) = examples_of("like", like), examples_of("unlike", unlike)
        if not likes and not like_vectors:
            raise ParameterError("like: give an id or a vector at least")
        found = self._inner.similar(likes, unlikes, like_vectors, unlike_vectors, options, sent(filter))
        return made(Found, json.loads(found))

    def duplicates(
        self,
        by: Literal["words", "containment", "meaning"] = "words",
        threshold: float | None = None,
        *,
        limit: int = 100,
        members: int = 100,
        reworded: bool = False,
        show_progress_bar: bool | None = None,
    ) -> Duplicates:
        """Groups and pairs of articles that are nearly the same.

        By words, the share of common three-word sequences (0.5 by default); by containment, the share of
        the shorter text that the other holds (0.7); by meaning, the cosine (0.85), with ``reworded`` of
        those only that are not the same by words. ``limit`` groups and pairs are listed, with ``members``
        of each group.
        """
        with Listening(bool(show_progress_bar)) as listener:
            found = self._inner.duplicates(
                str(by),
                number("threshold", threshold),
                whole("limit", limit),
                whole("members", members),
                bool(reworded),
                listener,
            )
        return made(Duplicates, json.loads(found))

    # Topics and the map

    @property
    def topics(self) -> Topics:
        """The corpus's topics: ``corpus.topics.fit()``, ``list(corpus.topics)``, ``corpus.topics.tree()`` …"""
        return Topics(self)

    def map(self, *, seed: int = 42, device: str = "auto", show_progress_bar: bool | None = None) -> Map:
        """The map of all articles by topic: shown inline in a notebook, saved by ``.save(path)``.

        Raises ``NothingYetError`` where no topics were found yet.
        """
        with Listening(bool(show_progress_bar)) as listener:
            return Map(self, whole("seed", seed), device, self._inner.map_page(whole("seed", seed), device, listener))

    # Out

    def to_table(self, *, vectors: bool = False, filter: FilterLike = None) -> Any:
        """The articles as an object that speaks Arrow's PyCapsule interface, which pyarrow, polars, duckdb
        and pandas from 3 on read without a copy.

        Columns: id, title, text, date, source, url, origin, metadata (JSON), topic, topic_label, and with
        ``vectors`` the articles' vectors, a fixed-size list of float32.
        """
        return self._inner.table(sent(filter), bool(vectors))

    def to_arrow(self, *, vectors: bool = False, filter: FilterLike = None) -> Any:
        """The articles as a ``pyarrow.Table``; see :meth:`to_table`."""
        try:
            import pyarrow as pa
        except ImportError:
            raise ImportError("to_arrow gives a table of pyarrow: pip install pyarrow; to_table needs none") from None
        return pa.table(self.to_table(vectors=vectors, filter=filter))

    def to_polars(self, *, vectors: bool = False, filter: FilterLike = None) -> Any:
        """The articles as a ``polars.DataFrame``; see :meth:`to_table`."""
        try:
            import polars as pl
        except ImportError:
            raise ImportError("to_polars gives a data frame of polars: pip install polars") from None
        return pl.DataFrame(self.to_table(vectors=vectors, filter=filter))

    def to_pandas(self, *, vectors: bool = False, filter: FilterLike = None) -> Any:
        """The articles as a ``pandas.DataFrame``; see :meth:`to_table`. Needs pyarrow too."""
        return self.to_arrow(vectors=vectors, filter=filter).to_pandas()


_EMBEDDED = ("embedded", "passages", "tokens", "unread", "recurring_paragraphs", "embedding_seconds")


def _columns(columns: Mapping[str, str] | None) -> dict[str, str]:
    from ._articles import FIELDS

    for field in columns or {}:
        if field not in FIELDS:
            raise ParameterError(f"columns: {field!r} is no field of an article; there are {', '.join(FIELDS)}")
    return dict(columns or {})
