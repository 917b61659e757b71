//! The engine as a Rust program uses it: shared between threads, one writer, readers that keep to
//! their snapshot, articles from memory, answers against brute force.

mod common;

use common::{SIX, repository, tiny_encoder};
use nearwise::encoder::{EncodeOptions, Identity, Prompt, TooLong};
use nearwise::search::{By, DuplicateOptions, Mode, Pair, SearchBy, SearchOptions};
use nearwise::{
    Article, Corpus, Encoder, Error, ErrorKind, Event, Filter, Job, Missing, Reader, Stage, Writer,
};
use proptest::prelude::*;
use rusqlite::Connection;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

static ENCODER: LazyLock<Encoder> = LazyLock::new(|| tiny_encoder("tiny-bert"));

#[test]
fn what_is_shared_can_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    fn sent<T: Send + 'static>() {}
    shared::<Encoder>();
    shared::<Corpus>();
    shared::<Job>();
    shared::<Filter>();
    shared::<Error>();
    shared::<EncodeOptions>();
    sent::<Reader>();
    sent::<Writer>();
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn six() -> Vec<Article> {
    SIX.iter()
        .enumerate()
        .map(|(i, (title, text))| Article {
            id: Some(format!("a{i}")),
            title: (*title).to_string(),
            text: (*text).to_string(),
            date: Some(format!("2025-0{}-01", i + 1)),
            source: Some(if i % 2 == 0 { "even" } else { "odd" }.to_string()),
            ..Article::default()
        })
        .collect()
}

fn indexed(folder: &Path, articles: Vec<Article>) -> Corpus {
    let corpus = Corpus::create(folder.join("c.nearwise")).unwrap();
    let mut writer = corpus.writer().unwrap();
    writer.add(articles, &Job::new()).unwrap();
    writer.embed(&ENCODER, &Job::new()).unwrap();
    drop(writer);
    corpus
}

fn article(i: usize) -> Article {
    let words = [
        "bank", "goal", "market", "cup", "minister", "team", "rates", "city",
    ];
    let word = |n: usize| words[(i * 7 + n * (i % 5 + 1)) % words.len()];
    let text: Vec<String> = (0..12)
        .map(|n| format!("The {} of the {}.", word(n), word(n + 3)))
        .collect();
    Article {
        id: Some(format!("n{i}")),
        title: format!("Number {i}: {}", word(0)),
        text: text.join(" "),
        ..Article::default()
    }
}

#[test]
fn opening_means_what_it_says() {
    let folder = folder();
    let path = folder.path().join("c.nearwise");
    let missing = Corpus::open(&path).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound(Missing::Corpus));
    Corpus::create(&path).unwrap();
    assert_eq!(
        Corpus::create(&path).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    Corpus::open(&path).unwrap();
    Corpus::open_or_create(&path).unwrap();
    Corpus::open_or_create(folder.path().join("d.nearwise")).unwrap();
    assert!(Corpus::create(folder.path().join("no/e.nearwise")).is_err());
    std::fs::write(
        folder.path().join("f.nearwise"),
        "not a corpus, and long enough to be read",
    )
    .unwrap();
    let foreign = Corpus::open(folder.path().join("f.nearwise")).unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::NotACorpus, "{foreign}");
    let other = Connection::open(folder.path().join("g.nearwise")).unwrap();
    other.execute_batch("CREATE TABLE theirs (a)").unwrap();
    for opened in [
        Corpus::open(folder.path().join("g.nearwise")).map(drop),
        Corpus::open_or_create(folder.path().join("g.nearwise"))
            .and_then(|c| c.writer())
            .map(drop),
    ] {
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::NotACorpus);
    }
    // Only the names of files: these mean something else to SQLite.
    for name in [":memory:", "file:x?mode=memory"] {
        let here = std::env::current_dir().unwrap();
        let path = here.join(name);
        let relative = Path::new(name);
        Corpus::create(relative).unwrap();
        assert!(path.is_file(), "{name}");
        std::fs::remove_file(path).unwrap();
    }
    // A newer schema.
    let newer = common::database(&path);
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let refused = Corpus::open(&path).unwrap_err();
    assert!(refused.to_string().contains("update nearwise"), "{refused}");
    assert!(Corpus::open_or_create(&path).is_err());
}

#[test]
fn a_cancelled_deletion_deletes_nothing() {
    let folder = folder();
    let corpus = indexed(folder.path(), six());
    let mut writer = corpus.writer().unwrap();
    let all: Vec<String> = (0..6).map(|n| format!("a{n}")).collect();
    let job = Job::new();
    job.cancel();
    let failed = writer.delete_with(&all, &job).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Cancelled);
    assert_eq!(writer.counts().unwrap().articles, 6);
    assert_eq!(writer.delete_with(&all[1..], &Job::new()).unwrap(), 5);
    assert_eq!(writer.counts().unwrap().articles, 1);
}

#[test]
fn one_writer_and_readers_that_keep_to_their_snapshot() {
    let folder = folder();
    let corpus = indexed(folder.path(), six());
    let before = corpus.reader().unwrap();
    let mut writer = corpus.writer().unwrap();
    assert_eq!(corpus.writer().unwrap_err().kind(), ErrorKind::Busy);
    let again = Corpus::open(corpus.path()).unwrap();
    assert_eq!(again.writer().unwrap_err().kind(), ErrorKind::Busy);

    writer.delete(&["a0".to_string()]).unwrap();
    let mut changed = six();
    changed[2].text = "Now about a goal in the cup.".into();
    writer.add(vec![changed[2].clone()], &Job::new()).unwrap();
    writer.embed(&ENCODER, &Job::new()).unwrap();
    drop(writer);

    // The old view is whole: the article that went, the text that changed, and their vectors.
    let found = before
        .search(&ENCODER, "interest rate", &SearchOptions::default())
        .unwrap();
    assert_eq!(found.hits.len(), 6);
    assert_eq!(before.article("a0").unwrap().title, SIX[0].0);
    assert_eq!(before.article("a2").unwrap().text, SIX[2].1);
    assert_eq!(before.counts().unwrap().articles, 6);
    let now = corpus.reader().unwrap();
    assert_eq!(now.counts().unwrap().articles, 5);
    assert_eq!(now.article("a2").unwrap().text, changed[2].text);
    assert!(corpus.writer().is_ok(), "the lock is free again");
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(
        !left.iter().any(|n| n.to_string_lossy().ends_with("-lock")),
        "{left:?}"
    );
}

#[test]
fn eight_readers_while_one_writes() {
    let folder = folder();
    let corpus = indexed(folder.path(), (0..40).map(article).collect());
    let stop = AtomicBool::new(false);
    let answers = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for reader in 0..8 {
            let (corpus, stop, answers) = (&corpus, &stop, &answers);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let view = corpus.reader().unwrap();
                    let counts = view.counts().unwrap();
                    let options = SearchOptions {
                        k: 100,
                        by: if reader % 2 == 0 {
                            SearchBy::Both
                        } else {
                            SearchBy::Meaning
                        },
                        ..SearchOptions::default()
                    };
                    let found = view
                        .search(&ENCODER, "the goal of the team", &options)
                        .unwrap();
                    // Everything embedded is found, and what a hit shows is of this very snapshot.
                    assert_eq!(found.hits.len() as u64, counts.articles - counts.pending);
                    for hit in found.hits.iter().take(5) {
                        let article = view.article(&hit.id).unwrap();
                        assert_eq!(article.title, hit.title);
                        assert!(article.text.contains(&hit.passage.text));
                    }
                    view.similar(&found.hits[0].id, 3, None).unwrap();
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let job = Job::new();
        let mut round = 0;
        while answers.load(Ordering::Relaxed) < 100 || round < 12 {
            round += 1;
            let mut writer = corpus.writer().unwrap();
            writer
                .add((0..20).map(|i| article(40 + i + round)), &job)
                .unwrap();
            writer.embed(&ENCODER, &job).unwrap();
            writer.delete(&[format!("n{}", 40 + round)]).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let ok: String = Connection::open(corpus.path())
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(ok, "ok");
}

#[test]
fn corpora_of_earlier_versions_are_brought_up_to_date() {
    for (name, articles) in [("corpus-v1", 6), ("corpus-v2", 6), ("corpus-v2-orphans", 5)] {
        let folder = folder();
        let path = folder.path().join("c.nearwise");
        std::fs::copy(repository(&format!("tests/fixtures/{name}.sqlite")), &path).unwrap();
        let corpus = Corpus::open(&path).unwrap();
        let reader = corpus.reader().unwrap();
        assert_eq!(reader.counts().unwrap().articles, articles, "{name}");
        let found = reader
            .search(&ENCODER, "interest rate", &SearchOptions::default())
            .unwrap();
        assert_eq!(found.hits.len() as u64, articles, "{name}");
        assert_eq!(reader.topics().unwrap().len(), 2, "{name}");
        assert_eq!(reader.members().unwrap().len() as u64, articles, "{name}");
        reader
            .duplicates(DuplicateOptions::new(By::Meaning), &Job::new())
            .unwrap();
        for hit in &found.hits {
            reader.similar(&hit.id, 3, None).unwrap();
        }
        drop(reader);
        // Foreign keys hold, no row is left over, and numbers of passages are not given again.
        let db = Connection::open(&path).unwrap();
        let broken: i64 = db
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(broken, 0, "{name}");
        for table in ["passage", "article_vector", "article_topic", "paragraph"] {
            let sql = format!(
                "SELECT count(*) FROM {table} WHERE article NOT IN (SELECT id FROM article)"
            );
            assert_eq!(
                db.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap(),
                0
            );
        }
        let last: i64 = db
            .query_row(
                "SELECT seq FROM sqlite_sequence WHERE name = 'passage'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert!(last >= 6, "{name}: {last}");
        // It goes on as any other.
        let mut writer = corpus.writer().unwrap();
        writer.delete(&["a1".to_string()]).unwrap();
        writer.add(vec![article(1)], &Job::new()).unwrap();
        let report = writer.embed(&ENCODER, &Job::new()).unwrap();
        assert_eq!(report.embedded, 1, "{name}");
        let first: i64 = db
            .query_row("SELECT max(id) FROM passage", [], |row| row.get(0))
            .unwrap();
        assert!(first > last, "{name}");
    }
}

#[test]
fn what_belongs_to_an_article_goes_with_it() {
    let folder = folder();
    let corpus = indexed(folder.path(), six());
    let db = Connection::open(corpus.path()).unwrap();
    db.pragma_update(None, "foreign_keys", true).unwrap();
    // Whatever program writes: a passage without an article is refused.
    let refused = db.execute(
        "INSERT INTO passage (article, start, stop, tokens, vector) VALUES (999, 0, 1, 1, x'00')",
        [],
    );
    assert!(refused.is_err());
    let mut writer = corpus.writer().unwrap();
    let all: Vec<String> = (0..6).map(|i| format!("a{i}")).collect();
    assert_eq!(writer.delete(&all).unwrap(), 6);
    for table in [
        "passage",
        "article_vector",
        "paragraph",
        "article_topic",
        "layout",
    ] {
        let rows: i64 = db
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

#[test]
fn each_article_says_what_became_of_it() {
    let folder = folder();
    let corpus = Corpus::create(folder.path().join("c.nearwise")).unwrap();
    let mut writer = corpus.writer().unwrap();
    let job = Job::new();
    let report = writer.add(six(), &job).unwrap();
    assert_eq!((report.read, report.new), (6, 6));
    let mut articles = six();
    articles[0].text = "Another text.".into();
    articles[1].url = Some("https://example.org/1".into());
    articles.push(article(7));
    let report = writer.add(articles.clone(), &job).unwrap();
    let counted = (
        report.read,
        report.new,
        report.changed,
        report.described,
        report.same,
    );
    assert_eq!(counted, (7, 1, 1, 1, 4));
    let twice = writer.add(vec![article(1), article(1)], &job).unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::InvalidInput);
    assert!(twice.to_string().contains("\"n1\""), "{twice}");
    // Without an id, the content is the id: copies are told apart, and adding again changes nothing.
    let nameless = |i: usize| Article {
        id: None,
        ..article(i)
    };
    for new in [3, 0] {
        let report = writer
            .add(vec![nameless(20), nameless(20), nameless(21)], &job)
            .unwrap();
        assert_eq!((report.read, report.new), (3, new));
    }
    assert_eq!(
        writer.article("a1").unwrap().url.as_deref(),
        Some("https://example.org/1")
    );
}

#[test]
fn articles_bring_their_own_vectors() {
    let folder = folder();
    let corpus = Corpus::create(folder.path().join("c.nearwise")).unwrap();
    let mut writer = corpus.writer().unwrap();
    let job = Job::new();
    let vector = |i: usize| vec![(i as f32).cos() * 3.0, (i as f32).sin() * 3.0, 1.0];
    let unbound = writer.add([(article(0), vector(0))], &job).unwrap_err();
    assert_eq!(unbound.kind(), ErrorKind::InvalidParameter("vector"));
    writer.bind(&Identity::external("theirs", 3)).unwrap();
    for bad in [vec![1.0, 2.0], vec![0.0; 3], vec![f32::NAN, 0.0, 1.0]] {
        let refused = writer.add([(article(0), bad)], &job).unwrap_err();
        assert_eq!(
            refused.kind(),
            ErrorKind::InvalidParameter("vector"),
            "{refused}"
        );
    }
    assert_eq!(writer.counts().unwrap().articles, 0);
    writer
        .add((0..20).map(|i| (article(i), vector(i))), &job)
        .unwrap();
    let generation = writer.generation().unwrap();
    writer
        .add((0..20).map(|i| (article(i), vector(i))), &job)
        .unwrap();
    assert_eq!(writer.generation().unwrap(), generation, "nothing changed");
    assert_eq!(writer.counts().unwrap().pending, 0);

    let reader = corpus.reader().unwrap();
    for i in 0..20 {
        let mut best: Vec<(f32, usize)> = (0..20)
            .filter(|&j| j != i)
            .map(|j| {
                (
                    vector(i)
                        .iter()
                        .zip(vector(j))
                        .map(|(a, b)| a * b)
                        .sum::<f32>()
                        / 10.0,
                    j,
                )
            })
            .collect();
        best.sort_by(|a, b| b.0.total_cmp(&a.0));
        let near = reader.similar(&format!("n{i}"), 1, None).unwrap();
        assert!((near[0].cosine - best[0].0).abs() < 2e-3);
    }
    let near = reader
        .search_vector(&[1.0, 0.0, 0.0], "", &SearchOptions::default())
        .unwrap();
    assert_eq!(near.hits.len(), 10);
    // Neither a vector of another length nor another model's encoder is let near it.
    assert!(
        reader
            .search_vector(&[1.0, 0.0], "", &SearchOptions::default())
            .is_err()
    );
    let other = reader
        .search(&ENCODER, "x", &SearchOptions::default())
        .unwrap_err();
    assert_eq!(other.kind(), ErrorKind::WrongModel);
    assert_eq!(
        writer.embed(&ENCODER, &job).unwrap_err().kind(),
        ErrorKind::WrongModel
    );
    // Another vector replaces the one before.
    writer
        .add([(article(0), vec![0.0, 0.0, 9.0])], &job)
        .unwrap();
    let stored = corpus.reader().unwrap();
    let key = stored.key_of("n0").unwrap();
    assert_eq!(
        stored.article_vector(key).unwrap().unwrap(),
        [0.0, 0.0, 1.0]
    );
}

/// The vectors of all passages, by article, as another program reads them out of the file.
fn exported(corpus: &Corpus) -> Vec<(String, Vec<f32>)> {
    let db = Connection::open(corpus.path()).unwrap();
    let mut query = db
        .prepare("SELECT a.ext_id, p.vector FROM passage p JOIN article a ON a.id = p.article")
        .unwrap();
    let rows = query
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))
        .unwrap();
    rows.map(|row| {
        let (id, bytes) = row.unwrap();
        let halves = bytes
            .chunks_exact(2)
            .map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32());
        (id, halves.collect())
    })
    .collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter()
        .zip(b)
        .map(|(x, y)| f64::from(*x) * f64::from(*y))
        .sum::<f64>() as f32
}

#[test]
fn every_search_equals_brute_force() {
    let folder = folder();
    let corpus = indexed(folder.path(), (0..300).map(article).collect());
    let reader = corpus.reader().unwrap();
    reader
        .refresh_index(Mode::Approximate, &Job::new())
        .unwrap();
    let vectors = exported(&corpus);
    assert!(vectors.len() > 300, "some articles have several passages");
    for (i, query) in [
        "the goal of the cup",
        "rates",
        "city of the minister and the bank",
    ]
    .into_iter()
    .enumerate()
    {
        let q = ENCODER.encode(&[query], Prompt::Query).unwrap().values;
        let mut best: HashMap<&str, f32> = HashMap::new();
        for (id, vector) in &vectors {
            let score = best.entry(id).or_insert(f32::NEG_INFINITY);
            *score = score.max(dot(&q, vector));
        }
        let scores = best.clone();
        let mut expected: Vec<(&str, f32)> = best.into_iter().collect();
        expected.sort_by(|a, b| b.1.total_cmp(&a.1));
        for mode in [Mode::Exact, Mode::Auto, Mode::Approximate] {
            let options = SearchOptions {
                k: 25,
                mode,
                ..SearchOptions::default()
            };
            let found = reader.search(&ENCODER, query, &options).unwrap();
            assert_eq!(found.exact, mode != Mode::Approximate);
            assert_eq!(found.hits.len(), 25);
            for hit in &found.hits {
                // Approximate or not, a cosine is computed exactly.
                assert!((hit.cosine.unwrap() - scores[hit.id.as_str()]).abs() < 1e-5);
            }
            assert!(found.hits.is_sorted_by(|a, b| a.cosine >= b.cosine));
            if mode == Mode::Approximate {
                // Which of the best it finds differs from build to build.
                let last = expected[24].1 - 1e-5;
                let right = found
                    .hits
                    .iter()
                    .filter(|hit| hit.cosine.unwrap() >= last)
                    .count();
                assert!(right >= 15, "{query}: {right} of the 25 nearest");
                continue;
            }
            for (hit, (_, score)) in found.hits.iter().zip(&expected) {
                // Ids may change places where scores are equal to rounding.
                assert!(
                    (hit.cosine.unwrap() - score).abs() < 1e-5,
                    "{query} {mode:?}: {} {score}",
                    hit.cosine.unwrap()
                );
            }
        }
        // With a filter, those of the filter alone.
        let wanted: HashSet<String> = (0..300)
            .filter(|n| n % 3 == i % 3)
            .map(|n| format!("n{n}"))
            .collect();
        let terms = wanted
            .iter()
            .map(|id| format!("id = \"{id}\""))
            .collect::<Vec<_>>();
        let options = SearchOptions {
            k: 20,
            filter: Some(reader.filter(&terms.join(" OR ")).unwrap()),
            ..SearchOptions::default()
        };
        let found = reader.search(&ENCODER, query, &options).unwrap();
        let filtered = expected.iter().filter(|(id, _)| wanted.contains(*id));
        for (hit, (_, score)) in found.hits.iter().zip(filtered) {
            assert!(wanted.contains(&hit.id));
            assert!((hit.cosine.unwrap() - score).abs() < 1e-5);
        }
        // Similar: by the articles' own vectors.
        let key = |id: &str| reader.key_of(id).unwrap();
        let own = reader.article_vector(key("n5")).unwrap().unwrap();
        let mut expected: Vec<f32> = (0..300)
            .filter(|n| *n != 5)
            .map(|n| {
                dot(
                    &own,
                    &reader
                        .article_vector(key(&format!("n{n}")))
                        .unwrap()
                        .unwrap(),
                )
            })
            .collect();
        expected.sort_by(|a, b| b.total_cmp(a));
        let found = reader.similar("n5", 10, None).unwrap();
        for (hit, score) in found.iter().zip(expected) {
            // What is stored is rounded; a cosine that is shown is none above 1.
            assert!((hit.cosine - score.min(1.0)).abs() < 1e-5);
        }
    }
}

#[test]
fn hybrid_search_is_reciprocal_rank_fusion() {
    let folder = folder();
    let corpus = indexed(folder.path(), (0..120).map(article).collect());
    let reader = corpus.reader().unwrap();
    let query = "goal of the minister";
    let all = SearchOptions {
        k: 100,
        ..SearchOptions::default()
    };
    let near = reader.search(&ENCODER, query, &all).unwrap();
    // BM25 with a title that counts four times, by SQLite itself.
    let db = Connection::open(corpus.path()).unwrap();
    let words: Vec<String> = db
        .prepare(
            "SELECT a.ext_id FROM words JOIN article a ON a.id = words.rowid
             WHERE words MATCH '\"goal\" OR \"of\" OR \"the\" OR \"minister\"'
             ORDER BY bm25(words, 4.0, 1.0), a.id LIMIT 100",
        )
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut expected: HashMap<&str, f32> = HashMap::new();
    for list in [
        near.hits.iter().map(|h| h.id.as_str()).collect::<Vec<_>>(),
        words.iter().map(String::as_str).collect(),
    ] {
        for (rank, id) in list.into_iter().enumerate() {
            *expected.entry(id).or_default() += 1.0 / (60.0 + rank as f32 + 1.0);
        }
    }
    let hybrid = SearchOptions {
        k: 30,
        by: SearchBy::Both,
        ..SearchOptions::default()
    };
    let found = reader.search(&ENCODER, query, &hybrid).unwrap();
    let mut scores: Vec<f32> = expected.values().copied().collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(found.hits.len(), 30);
    for (hit, score) in found.hits.iter().zip(scores) {
        assert!((hit.fused.unwrap() - score).abs() < 1e-6);
        assert!(
            (hit.fused.unwrap() - expected[hit.id.as_str()]).abs() < 1e-6,
            "{}",
            hit.id
        );
    }
}

#[test]
fn duplicates_equal_all_pairs() {
    let folder = folder();
    let mut articles: Vec<Article> = (0..60).map(article).collect();
    // Copies, near copies and texts with a share in common.
    for i in 0..20 {
        let mut copy = article(i);
        copy.id = Some(format!("copy{i}"));
        let words: Vec<&str> = copy.text.split(' ').collect();
        let kept = words.len() - i * 2;
        copy.text = words[..kept].join(" ");
        articles.push(copy);
    }
    let texts: HashMap<String, String> = articles
        .iter()
        .map(|a| (a.id.clone().unwrap(), a.text.clone()))
        .collect();
    let corpus = indexed(folder.path(), articles);
    let reader = corpus.reader().unwrap();
    let all = |by| DuplicateOptions {
        limit: 100_000,
        ..DuplicateOptions::new(by)
    };
    let listed = reader.duplicates(all(By::Words), &Job::new()).unwrap();
    // Copies are one text: what is said of one of them holds for all.
    let mut copies: HashMap<&String, Vec<&String>> = HashMap::new();
    for member in listed.groups.iter().flat_map(|group| &group.members) {
        if let Some(one) = &member.copy_of {
            copies
                .entry(one)
                .or_insert_with(|| vec![one])
                .push(&member.id);
        }
    }
    let mut found = listed.pairs.clone();
    let alone = |id| vec![id];
    for pair in &listed.pairs {
        let of = |id| {
            let all = copies.values().find(|all| all.contains(&id));
            all.cloned().unwrap_or_else(|| alone(id))
        };
        for a in of(&pair.a) {
            for b in of(&pair.b).into_iter().filter(|b| *b != a) {
                let (a, b) = (a.clone(), b.clone());
                found.push(Pair {
                    a,
                    b,
                    ..pair.clone()
                });
            }
        }
    }
    let shingles = |text: &str| -> HashSet<Vec<String>> {
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|w| !w.is_empty())
            .map(str::to_lowercase)
            .collect();
        words.windows(3).map(<[String]>::to_vec).collect()
    };
    let sets: HashMap<&String, HashSet<Vec<String>>> =
        texts.iter().map(|(id, t)| (id, shingles(t))).collect();
    let mut expected = HashSet::new();
    for (a, x) in &sets {
        for (b, y) in &sets {
            let both = x.intersection(y).count() as f64;
            let share = both / (x.union(y).count() as f64).max(1.0);
            // MinHash misses one pair in five thousand at the threshold itself.
            if a < b && share > 0.55 {
                expected.insert(((*a).clone(), (*b).clone()));
            }
        }
    }
    assert!(expected.len() > 20, "{}", expected.len());
    let pairs: HashSet<(String, String)> = found
        .iter()
        .map(|p| {
            if p.a < p.b {
                (p.a.clone(), p.b.clone())
            } else {
                (p.b.clone(), p.a.clone())
            }
        })
        .collect();
    let missed: Vec<_> = expected.difference(&pairs).collect();
    assert!(missed.is_empty(), "{missed:?}");
    for pair in &found {
        let (x, y) = (&sets[&pair.a], &sets[&pair.b]);
        let share = x.intersection(y).count() as f32 / x.union(y).count() as f32;
        assert!(
            (pair.alike.words - share).abs() < 1e-6 && share >= 0.5,
            "{pair:?} {share}"
        );
    }
    // By meaning, every pair.
    let options = DuplicateOptions {
        threshold: 0.97,
        ..all(By::Meaning)
    };
    let listed = reader.duplicates(options, &Job::new()).unwrap();
    let vector = |id: &String| {
        reader
            .article_vector(reader.key_of(id).unwrap())
            .unwrap()
            .unwrap()
    };
    // Equal vectors are one, and a pair of each with its first.
    let mut vectors: Vec<Vec<f32>> = Vec::new();
    let mut count = 0;
    for id in texts.keys() {
        let one = vector(id);
        if vectors.contains(&one) {
            continue;
        }
        count += vectors
            .iter()
            .filter(|other| dot(&one, other) >= 0.97 + 1e-6)
            .count();
        vectors.push(one);
    }
    assert!(count > 100, "{count}");
    let copies = texts.len() - vectors.len();
    assert!(
        listed.pairs.len() >= count + copies && listed.pairs_found as usize >= count,
        "{} {count} {copies}",
        listed.pairs.len()
    );
    assert!(
        listed
            .pairs
            .iter()
            .all(|p| (0.97..=1.0).contains(&p.alike.cosine.unwrap()))
    );
}

#[test]
fn an_encoder_says_what_it_did_and_refuses_what_it_cannot() {
    let long = vec!["the"; 60].join(" ");
    let texts = ["the bank", &long];
    let vectors = ENCODER.encode(&texts, Prompt::Document).unwrap();
    assert_eq!((vectors.texts[0].tokens, vectors.texts[0].cut), (4, 0));
    assert_eq!((vectors.texts[1].tokens, vectors.texts[1].cut), (32, 30));
    let refuse = EncodeOptions::new().too_long(TooLong::Refuse);
    let refused = ENCODER.encode(&texts, refuse).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidParameter("texts"));
    assert!(
        refused.to_string().contains("text 1 has 62 tokens"),
        "{refused}"
    );

    // Ids are as good as texts.
    let tokens = ENCODER.tokenize(&texts, Prompt::Document).unwrap();
    let ids: Vec<&[u32]> = tokens.iter().map(|t| t.ids.as_slice()).collect();
    assert_eq!(
        ENCODER.encode_ids(&ids, Prompt::Document).unwrap().values,
        vectors.values
    );
    assert!(ENCODER.encode_ids(&[[u32::MAX]], Prompt::None).is_err());
    assert!(
        ENCODER
            .encode_ids(&[Vec::<u32>::new()], Prompt::None)
            .is_err()
    );

    // Cut vectors are the beginnings of whole ones, of unit length again.
    let raw = ENCODER
        .encode(&["the bank"], EncodeOptions::new().normalize(false))
        .unwrap()
        .values;
    let cut = ENCODER
        .encode(&["the bank"], EncodeOptions::new().dimensions(Some(8)))
        .unwrap();
    assert_eq!(cut.dim, 8);
    let norm = dot(&raw[..8], &raw[..8]).sqrt();
    for (a, b) in cut.values.iter().zip(&raw) {
        assert!((a - b / norm).abs() < 1e-6);
    }
    for wrong in [0, 33] {
        let options = EncodeOptions::new().dimensions(Some(wrong));
        assert_eq!(
            ENCODER.encode(&["x"], options).unwrap_err().kind(),
            ErrorKind::InvalidParameter("dimensions")
        );
    }

    // Prompts by name; the tiny DistilBERT has some.
    let prompted = tiny_encoder("tiny-distilbert");
    let named: Vec<&String> = prompted.prompts().named.keys().collect();
    assert!(!named.is_empty());
    let by_name = prompted
        .encode(&["the bank"], Prompt::Named("query".into()))
        .unwrap();
    assert_eq!(
        by_name,
        prompted.encode(&["the bank"], Prompt::Query).unwrap()
    );
    let text = Prompt::Text(prompted.prompts().query.clone());
    assert_eq!(by_name, prompted.encode(&["the bank"], text).unwrap());
    let none = prompted
        .encode(&["the bank"], Prompt::Named("poem".into()))
        .unwrap_err();
    assert!(
        none.to_string().contains("no prompt \"poem\"; it has"),
        "{none}"
    );
}

#[test]
fn cancelling_ends_a_run_soon_and_keeps_what_was_committed() {
    let folder = folder();
    let corpus = Corpus::create(folder.path().join("c.nearwise")).unwrap();
    let mut writer = corpus.writer().unwrap();
    // While reading: after the first batches.
    let job = Job::new();
    let stop = job.clone();
    let endless = (0..).map(|i| {
        if i == 700 {
            stop.cancel();
        }
        article(i)
    });
    let cancelled = writer.add(endless, &job).unwrap_err();
    assert!(cancelled.is_cancelled());
    assert_eq!(writer.counts().unwrap().articles % 256, 0);
    assert!(writer.counts().unwrap().articles >= 512);

    // While embedding: with the first that is committed.
    let asked = Arc::new(Mutex::new(None));
    let first = asked.clone();
    let flag = Arc::new(AtomicBool::new(false));
    let set = flag.clone();
    let job = Job::new()
        .on_event(move |event| {
            if let Event::Progress(p) = event
                && p.stage == Stage::Embedding
            {
                set.store(true, Ordering::Relaxed);
                first
                    .lock()
                    .unwrap()
                    .get_or_insert((Instant::now(), p.done));
            }
        })
        .cancel_when(move || flag.load(Ordering::Relaxed));
    let outcome = writer.embed(&ENCODER, &job);
    let (when, done) = asked.lock().unwrap().unwrap();
    assert!(
        when.elapsed() < Duration::from_secs(5),
        "{:?}",
        when.elapsed()
    );
    let counts = writer.counts().unwrap();
    assert_eq!(counts.articles - counts.pending, done);
    // A run that was done when it was asked to stop is no failure.
    let cancelled = outcome.is_err_and(|e| e.is_cancelled());
    assert_eq!(cancelled, counts.pending > 0);
    // The next run resumes.
    let report = writer.embed(&ENCODER, &Job::new()).unwrap();
    assert_eq!(report.embedded, counts.pending);

    // What compares, before anything: an answer that was given up is none.
    let cancelled = Job::new();
    cancelled.cancel();
    let reader = corpus.reader().unwrap();
    for by in [By::Words, By::Meaning] {
        assert!(
            reader
                .duplicates(DuplicateOptions::new(by), &cancelled)
                .unwrap_err()
                .is_cancelled()
        );
    }
    assert!(
        reader
            .refresh_index(Mode::Approximate, &cancelled)
            .unwrap_err()
            .is_cancelled()
    );
    assert!(!folder.path().join("c.nearwise.hnsw").exists());
}

#[test]
fn a_file_from_outside_is_read_as_the_corpus_reads_it() {
    let folder = folder();
    // A line that recurs in a source is boilerplate there, and nowhere else.
    let foot = "Subscribe to the newsletter of the city and the market, it comes every day.";
    let with_foot = |i: usize| Article {
        text: format!("{}\n\n{foot}", article(i).text),
        source: Some("wire".into()),
        ..article(i)
    };
    let corpus = indexed(folder.path(), (0..12).map(with_foot).collect());
    let reader = corpus.reader().unwrap();
    let outside = with_foot(3);
    let vector = reader.vector_of(&ENCODER, &outside).unwrap();
    let key = reader.key_of("n3").unwrap();
    let stored = reader.article_vector(key).unwrap().unwrap();
    // Storing rounds to f16. Where the line is not known to recur, it is in the vector.
    let unknown = Article {
        source: None,
        ..outside.clone()
    };
    let with_line = reader.vector_of(&ENCODER, &unknown).unwrap();
    assert!(dot(&vector, &stored) > 0.9998, "{}", dot(&vector, &stored));
    assert!(
        dot(&with_line, &stored) < 0.9998,
        "{}",
        dot(&with_line, &stored)
    );
    assert_eq!(reader.similar_to(&vector, 1, None).unwrap()[0].id, "n3");
}

#[test]
fn nothing_derived_must_be_there() {
    let folder = folder();
    let corpus = indexed(folder.path(), (0..50).map(article).collect());
    let reader = corpus.reader().unwrap();
    let options = SearchOptions {
        mode: Mode::Approximate,
        ..SearchOptions::default()
    };
    let found = reader.search(&ENCODER, "goal", &options).unwrap();
    assert!(
        found.exact,
        "there is no index, and every vector is compared"
    );
    assert!(
        reader
            .refresh_index(Mode::Approximate, &Job::new())
            .unwrap()
    );
    assert!(
        !reader
            .refresh_index(Mode::Approximate, &Job::new())
            .unwrap()
    );
    assert!(!reader.search(&ENCODER, "goal", &options).unwrap().exact);
    drop(reader);
    // The vectors changed: the index is of another state.
    let mut writer = corpus.writer().unwrap();
    writer.delete(&["n3".to_string()]).unwrap();
    drop(writer);
    let reader = corpus.reader().unwrap();
    let found = reader.search(&ENCODER, "goal", &options).unwrap();
    assert!(found.exact && found.hits.iter().all(|h| h.id != "n3"));
}

#[test]
fn many_threads_search_the_approximate_index_at_once() {
    let folder = folder();
    let corpus = indexed(folder.path(), (0..200).map(article).collect());
    let reader = corpus.reader().unwrap();
    reader
        .refresh_index(Mode::Approximate, &Job::new())
        .unwrap();
    let options = SearchOptions {
        mode: Mode::Approximate,
        ..SearchOptions::default()
    };
    let expected = reader.search(&ENCODER, "goal", &options).unwrap();
    // Far more threads than any host of ours has cores.
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                let reader = corpus.reader().unwrap();
                for _ in 0..20 {
                    let found = reader.search(&ENCODER, "goal", &options).unwrap();
                    assert_eq!(found, expected);
                }
            });
        }
    });
}

#[test]
fn what_an_old_file_left_behind_is_not_mixed_into_a_new_one() {
    let folder = folder();
    let path = folder.path().join("c.nearwise");
    // A log that a killed writer left behind, without its corpus.
    let killed = indexed(folder.path(), (0..40).map(article).collect());
    let open = Connection::open(&path).unwrap();
    open.execute_batch("BEGIN; SELECT count(*) FROM article;")
        .unwrap();
    let mut writer = killed.writer().unwrap();
    writer.add((40..80).map(article), &Job::new()).unwrap();
    std::mem::forget(writer);
    let wal = folder.path().join("c.nearwise-wal");
    assert!(wal.metadata().unwrap().len() > 0);
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_file(folder.path().join("c.nearwise-lock")).unwrap();
    let corpus = Corpus::create(&path).unwrap();
    assert_eq!(corpus.reader().unwrap().counts().unwrap().articles, 0);
    let mut writer = corpus.writer().unwrap();
    writer.add(six(), &Job::new()).unwrap();
    drop(writer);
    assert_eq!(corpus.reader().unwrap().counts().unwrap().articles, 6);
    let ok: String = Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(ok, "ok");

    // A corpus that is replaced by another while a handle of it is kept.
    let other = tempfile::tempdir().unwrap();
    let larger = indexed(other.path(), (0..50).map(article).collect());
    let from = larger.path().to_path_buf();
    drop(larger);
    std::fs::rename(from, &path).unwrap();
    assert_eq!(corpus.reader().unwrap().counts().unwrap().articles, 50);
    let found = corpus
        .reader()
        .unwrap()
        .search(&ENCODER, "goal", &SearchOptions::default())
        .unwrap();
    assert_eq!(found.hits.len(), 10);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: common::cases(12), failure_persistence: None, ..ProptestConfig::default() })]

    /// Adding in any split, with embedding in between, ends with the same vectors.
    #[test]
    fn how_articles_come_does_not_matter(cuts in proptest::collection::vec(1usize..20, 1..4)) {
        let one = folder();
        let several = folder();
        let all: Vec<Article> = (0..30).map(article).collect();
        let expected = indexed(one.path(), all.clone());
        let corpus = Corpus::create(several.path().join("c.nearwise")).unwrap();
        let mut rest = all.as_slice();
        for cut in cuts {
            let (some, more) = rest.split_at(cut.min(rest.len()));
            rest = more;
            let mut writer = corpus.writer().unwrap();
            writer.add(some.to_vec(), &Job::new()).unwrap();
            writer.embed(&ENCODER, &Job::new()).unwrap();
        }
        let mut writer = corpus.writer().unwrap();
        writer.add(rest.to_vec(), &Job::new()).unwrap();
        writer.embed(&ENCODER, &Job::new()).unwrap();
        drop(writer);
        prop_assert_eq!(exported(&corpus), exported(&expected));
    }
}
