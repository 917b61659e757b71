//! What holds of topics whatever finds them: work that is cancelled leaves nothing, a corpus and
//! a matrix give the same topics, and what was derived may have gone.

use super::cluster::kmeans::{KmeansOptions, kmeans};
use super::cluster::leiden::leiden;
use super::points::Points;
use super::testing::blobs;
use super::tree::Context;
use super::*;
use crate::encoder::Identity;
use crate::{Article, Corpus, Event, Writer};
use ndarray::Array2;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const DIM: usize = 24;
const MATTERS: [&str; 6] = [
    "bank interest rates",
    "cup final goal",
    "river ice water",
    "vaccine for patients",
    "election vote court",
    "software data company",
];

fn texts(truth: &[u32]) -> Vec<(String, String)> {
    let text = |(i, &t): (usize, &u32)| {
        let matter = MATTERS[t as usize];
        (
            format!("{matter} {i}"),
            format!("The {matter} of place{}. Again {matter}.", i % 7),
        )
    };
    truth.iter().enumerate().map(text).collect()
}

/// A corpus of articles about six matters, in a folder that is to be kept.
fn corpus(n: usize, spread: f32) -> (tempfile::TempDir, Corpus) {
    let folder = tempfile::tempdir().unwrap();
    let corpus = Corpus::create(folder.path().join("a.nearwise")).unwrap();
    let (vectors, truth) = blobs(n, DIM, MATTERS.len(), spread, 9);
    let mut writer = corpus.writer().unwrap();
    let identity = Identity {
        model: "m".into(),
        revision: String::new(),
        hash: "h".into(),
        dim: DIM,
        max_tokens: 100,
        dtype: "f32".into(),
    };
    writer.bind(&identity).unwrap();
    let articles = texts(&truth)
        .into_iter()
        .zip(vectors.outer_iter())
        .enumerate();
    let articles = articles.map(|(i, ((title, text), vector))| {
        let article = Article {
            id: Some(format!("a{i}")),
            title,
            text,
            ..Article::default()
        };
        (article, vector.to_vec())
    });
    writer.add(articles, &Job::new()).unwrap();
    drop(writer);
    (folder, corpus)
}

/// A job that cancels itself so many milliseconds after the first event of a stage, and when
/// that was.
fn cancelling(stage: Stage, after: u64) -> (Job, std::sync::Arc<Mutex<Option<Instant>>>) {
    let at = std::sync::Arc::new(Mutex::new(None));
    let begun = at.clone();
    let job = Job::new().on_event(move |event| {
        if matches!(event, Event::Progress(p) if p.stage == stage) {
            begun.lock().unwrap().get_or_insert_with(Instant::now);
        }
    });
    let (waits, stop) = (at.clone(), job.clone());
    std::thread::spawn(move || {
        let begun = Instant::now();
        // A stage that never comes is given up after a minute.
        while begun.elapsed() < Duration::from_secs(60) {
            let began = *waits.lock().unwrap();
            if began.is_some_and(|at| at.elapsed() >= Duration::from_millis(after)) {
                *waits.lock().unwrap() = Some(Instant::now());
                return stop.cancel();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    (job, at)
}

/// Cancelling in a stage ends `work` with that error, soon.
fn cancels<T: std::fmt::Debug>(name: &str, stage: Stage, work: impl FnOnce(&Job) -> Result<T>) {
    let (job, at) = cancelling(stage, 0);
    let outcome = work(&job);
    let late = at.lock().unwrap().map(|at| at.elapsed());
    let error = outcome.expect_err(name);
    assert!(error.is_cancelled(), "{name}: {error}");
    let late = late.expect("the stage began");
    assert!(late < Duration::from_millis(1500), "{name}: {late:?}");
}

#[test]
fn each_stage_ends_soon_when_it_is_cancelled() {
    let n = 20_000;
    let (_folder, corpus) = corpus(n, 0.9);
    let mut writer = corpus.writer().unwrap();
    let method = |method, k| TopicOptions {
        method,
        k,
        device: DeviceChoice::Cpu,
        ..TopicOptions::default()
    };
    let usual = method(Method::Tree, None);
    for (name, stage, options) in [
        ("neighbours", Stage::Neighbours, usual.clone()),
        ("tree", Stage::Clustering, usual.clone()),
        ("labels", Stage::Labelling, usual.clone()),
        ("kmeans", Stage::Clustering, method(Method::Kmeans, None)),
        (
            "kmeans of k",
            Stage::Clustering,
            method(Method::Kmeans, Some(64)),
        ),
        ("leiden", Stage::Clustering, method(Method::Leiden, None)),
        ("hdbscan", Stage::Clustering, method(Method::Hdbscan, None)),
        (
            "mixture",
            Stage::Clustering,
            method(Method::GaussianMixture, Some(40)),
        ),
    ] {
        cancels(name, stage, |job| writer.fit_topics(&options, None, job));
        assert_eq!(writer.topic_run().unwrap(), None, "{name}");
        assert_eq!(writer.counts().unwrap().topics, 0, "{name}");
    }
    cancels("layout", Stage::Layout, |job| {
        writer.lay_out(1, DeviceChoice::Cpu, job)
    });
    assert!(writer.layout().unwrap().is_empty());

    let before = writer.fit_topics(&usual, None, &Job::new()).unwrap();
    let stored = writer.stored_topics().unwrap().unwrap();
    let ids: Vec<i64> = before.topics.iter().map(|t| t.id).collect();
    cancels("merge", Stage::Labelling, |job| {
        writer.merge_topics(&ids[..2], None, job)
    });
    cancels("split", Stage::Clustering, |job| {
        writer.split_topic(ids[0], 3, None, job)
    });
    cancels("cut", Stage::Labelling, |job| {
        writer.cut_topics(2, None, job)
    });
    cancels("apart", Stage::Labelling, |job| {
        writer.topics_apart(ids[0], ids[1], job)
    });
    let stopped = Job::new();
    stopped.cancel();
    let options = method(Method::Tree, Some(3));
    let error = writer.fit_topics(&options, None, &stopped).unwrap_err();
    assert!(error.is_cancelled());
    let error = writer.assign_outliers(-1.0, &stopped).err();
    // Without an article in no topic there is nothing to do.
    assert!(error.is_none_or(|e| e.is_cancelled()));
    assert_eq!(writer.stored_topics().unwrap().unwrap(), stored);
}

#[test]
fn what_runs_long_ends_soon_when_it_is_cancelled() {
    let (vectors, _) = blobs(20_000, DIM, 30, 0.9, 5);
    let points = Points::new(vectors.view()).unwrap();
    let context = Context::new(&points, 10, 1).unwrap();
    // Cancelled in the middle, whichever step that is.
    for after in [30, 300] {
        let during = |name: &str, work: &dyn Fn(&Points) -> Result<()>| {
            let job = Job::new();
            let stop = job.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(after));
                stop.cancel();
            });
            let points = points.clone().with_job(&job);
            let begun = Instant::now();
            let outcome = work(&points);
            let late = begun.elapsed().saturating_sub(Duration::from_millis(after));
            assert!(late < Duration::from_millis(1500), "{name}: {late:?}");
            assert!(outcome.is_err_and(|e| e.is_cancelled()), "{name}");
        };
        during("k-means", &|points| {
            let options = KmeansOptions {
                starts: 100,
                ..KmeansOptions::new(400, 1)
            };
            kmeans(points, &options).map(drop)
        });
        during("leiden", &|points| {
            let many = (0..100).map(|s| leiden(&context.graph, 1.0, s, points.watch()));
            many.collect::<Result<Vec<_>>>().map(drop)
        });
        during("layout", &|points| {
            layout::layout(points, &context.near, 1).map(drop)
        });
        during("linfa", &|points| {
            let rows = points.vectors.mapv(|x| x + 1.0);
            let fit = move || cluster::linfa::gaussian_mixture(&rows, 60, 1).map(drop);
            points.watch().run_apart(fit)
        });
    }
}

#[test]
fn a_matrix_and_a_corpus_give_the_same_topics() {
    for n in [40, 200, 900] {
        let (_folder, corpus) = corpus(n, 0.7);
        let mut writer = corpus.writer().unwrap();
        let topics = writer
            .fit_topics(&TopicOptions::default(), None, &Job::new())
            .unwrap();
        let stored = writer.stored_topics().unwrap().unwrap();
        let Matrix { keys, values } = writer.matrix(DIM).unwrap();
        let read: Vec<_> = keys
            .iter()
            .map(|&k| writer.article_at(k).unwrap())
            .collect();
        let documents: Vec<Document<'_>> = read
            .iter()
            .map(|a| Document::from((a.title.as_str(), a.text.as_str())))
            .collect();
        let flat = values.as_slice().unwrap();
        let found = |documents: &[Document<'_>]| {
            find(
                flat,
                DIM,
                documents,
                &TopicOptions::default(),
                None,
                &Job::new(),
            )
            .unwrap()
        };
        let first = found(&documents);
        assert_eq!(first.found_by, topics.run.found_by());
        assert_eq!(first.silhouette, topics.run.silhouette);
        assert!(first.topics.len() > 1);
        let mut expected = first.clone().stored(&keys);
        expected.run = stored.run.clone();
        // Centroids are stored as f16.
        let rounded = |v: &mut Vec<f32>| {
            let bytes = crate::vectors::to_f16(v);
            crate::vectors::from_f16(&bytes, v);
        };
        expected
            .topics
            .iter_mut()
            .for_each(|t| rounded(&mut t.centroid));
        expected
            .parts
            .iter_mut()
            .for_each(|p| rounded(&mut p.centroid));
        assert_eq!(expected.topics, stored.topics);
        assert_eq!(expected.parts, stored.parts);
        // JSON may round a cost's last bit.
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        assert_eq!(expected.joins.len(), stored.joins.len());
        for (a, b) in expected.joins.iter().zip(&stored.joins) {
            assert!(close(a.cost, b.cost));
            assert_eq!((a.left, a.right), (b.left, b.right));
        }
        for (a, b) in expected.members.iter().zip(&stored.members) {
            assert_eq!(a.similarity, b.similarity);
            assert_eq!((a.article, a.topic, a.part), (b.article, b.topic, b.part));
        }

        // Without texts: the same topics, by number.
        let bare = found(&[]);
        assert_eq!(bare.members, first.members);
        assert_eq!(bare.topics[1].label, "topic 1");
        assert!(
            bare.topics
                .iter()
                .all(|t| t.words.is_empty() && !t.typical.is_empty())
        );
        assert!(bare.parts[0].label.starts_with("topic 0, part 0"));
        // And of vectors that are twice as long.
        let twice: Vec<f32> = flat.iter().map(|x| 2.0 * x).collect();
        let long = find(
            &twice,
            DIM,
            &[],
            &TopicOptions::default(),
            None,
            &Job::new(),
        )
        .unwrap();
        let topics = |f: &FoundTopics| f.members.iter().map(|m| m.topic).collect::<Vec<_>>();
        assert_eq!(topics(&long), topics(&bare));
    }
}

#[test]
fn what_cannot_be_used_is_named() {
    let field = |outcome: Result<FoundTopics>| match outcome.unwrap_err().kind() {
        ErrorKind::InvalidParameter(field) => field,
        kind => panic!("{kind:?}"),
    };
    let usual = TopicOptions::default;
    let run = |vectors: &[f32], dim, documents: &[Document<'_>], options: &TopicOptions| {
        find(vectors, dim, documents, options, None, &Job::new())
    };
    let two = [1.0, 0.0, 0.0, 1.0];
    assert_eq!(field(run(&two, 0, &[], &usual())), "dim");
    assert_eq!(field(run(&two[..3], 2, &[], &usual())), "vectors");
    assert_eq!(field(run(&[], 2, &[], &usual())), "vectors");
    assert_eq!(field(run(&[1.0, f32::NAN], 2, &[], &usual())), "vectors");
    assert_eq!(field(run(&two, 2, &["a".into()], &usual())), "documents");
    for (expected, options) in [
        (
            "k",
            TopicOptions {
                k: Some(0),
                ..usual()
            },
        ),
        (
            "k",
            TopicOptions {
                k: Some(3),
                ..usual()
            },
        ),
        (
            "k",
            TopicOptions {
                k: Some(1),
                method: Method::Hdbscan,
                ..usual()
            },
        ),
        (
            "k",
            TopicOptions {
                method: Method::GaussianMixture,
                ..usual()
            },
        ),
        (
            "min_size",
            TopicOptions {
                min_size: Some(0),
                ..usual()
            },
        ),
        (
            "min_size",
            TopicOptions {
                k: Some(2),
                min_size: Some(3),
                ..usual()
            },
        ),
        (
            "resolution",
            TopicOptions {
                resolution: Some(1.0),
                ..usual()
            },
        ),
        (
            "resolution",
            TopicOptions {
                resolution: Some(f64::NAN),
                method: Method::Leiden,
                ..usual()
            },
        ),
        (
            "batch_size",
            TopicOptions {
                batch_size: Some(5),
                ..usual()
            },
        ),
        (
            "min_similarity",
            TopicOptions {
                min_similarity: Some(2.0),
                ..usual()
            },
        ),
    ] {
        assert_eq!(field(run(&two, 2, &[], &options)), expected);
    }
    let guide = |name: &str| Guide {
        name: name.into(),
        description: String::new(),
        words: Vec::new(),
        articles: Vec::new(),
        threshold: None,
    };
    for guides in [
        vec![guide(" ")],
        vec![guide("a"), guide("a")],
        vec![guide("a")],
    ] {
        let options = TopicOptions { guides, ..usual() };
        assert_eq!(field(run(&two, 2, &[], &options)), "guides");
    }
    assert_eq!(run(&two, 2, &[], &usual()).unwrap().topics.len(), 1);
    // A zero vector has no direction, and does no harm.
    let zero = [1.0, 0.0, 0.0, 0.0];
    assert_eq!(run(&zero, 2, &[], &usual()).unwrap().members.len(), 2);
}

#[test]
fn typical_articles_may_have_been_deleted() {
    let (_folder, corpus) = corpus(200, 0.6);
    let mut writer = corpus.writer().unwrap();
    let topics = writer
        .fit_topics(&TopicOptions::default(), None, &Job::new())
        .unwrap();
    let typical = topics.topics[0].typical.clone();
    assert!(typical.len() > 5);
    let ids: Vec<String> = typical[..4]
        .iter()
        .map(|&key| writer.described_at(key).unwrap().id)
        .collect();
    writer.delete(&ids).unwrap();
    let left = writer.topics().unwrap();
    let first = left.iter().find(|t| t.id == topics.topics[0].id).unwrap();
    assert_eq!(first.typical, typical[4..]);
    // All goes on without them.
    let job = Job::new();
    assert!(writer.topic_drift().is_ok());
    assert_eq!(corpus.reader().unwrap().topics().unwrap(), left);
    let map = writer.map(1, DeviceChoice::Cpu, &job).unwrap();
    assert_eq!(map.articles.len(), 196);
    writer.update_topics(None, None, |_| None, &job).unwrap();
    let two = [left[0].id, left[1].id];
    writer.topics_apart(two[0], two[1], &job).unwrap();
    writer.merge_topics(&two, None, &job).unwrap();
    writer.split_topic(two[0], 2, None, &job).unwrap();
    let stored = stored(&writer).unwrap();
    assert!(nested::whole(&stored).is_some());
    // A tree that was lost is told of, and breaks nothing.
    let lost = StoredTopics {
        joins: Vec::new(),
        ..stored
    };
    assert_eq!(
        nested::cut(&lost, 2).unwrap_err().kind(),
        ErrorKind::Damaged
    );
    assert!(nested::whole(&lost).is_some());
}

#[test]
fn a_reader_says_whether_there_is_anything_to_write() {
    let (_folder, corpus) = corpus(60, 0.5);
    let current = |k, seed| {
        let reader = corpus.reader().unwrap();
        reader.topics_current(k, seed).unwrap()
    };
    assert_eq!(current(None, None), None);
    let update = |writer: &mut Writer| {
        let job = Job::new();
        writer.update_topics(None, None, |_| None, &job).unwrap()
    };
    let mut writer = corpus.writer().unwrap();
    let found = update(&mut writer);
    assert_eq!(current(None, None).as_ref(), Some(&found));
    assert_eq!(current(None, Some(42)).as_ref(), Some(&found));
    assert_eq!(current(None, Some(7)), None);
    assert_eq!(current(Some(3), None), None);
    // A new article has no place yet.
    let (vectors, _) = blobs(1, DIM, MATTERS.len(), 0.5, 9);
    let article = Article {
        id: Some("new".into()),
        text: "The bank interest rates.".into(),
        ..Article::default()
    };
    let articles = [(article, vectors.row(0).to_vec())];
    writer.add(articles, &Job::new()).unwrap();
    assert_eq!(current(None, None), None);
    let joined = update(&mut writer);
    assert_eq!(current(None, None).as_ref(), Some(&joined));
    assert_eq!(joined.run.generation, found.run.generation);
}

#[test]
fn a_layout_is_stored_by_the_writer_alone() {
    let (_folder, corpus) = corpus(80, 0.5);
    let (job, cpu) = (Job::new(), DeviceChoice::Cpu);
    let reader = corpus.reader().unwrap();
    let error = reader.map(1, cpu, &job).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound(Missing::Topics));
    let mut writer = corpus.writer().unwrap();
    writer
        .fit_topics(&TopicOptions::default(), None, &job)
        .unwrap();
    let reader = corpus.reader().unwrap();
    let unkept = reader.map(1, cpu, &job).unwrap();
    assert!(!reader.has_layout(1).unwrap());
    let layout = writer.lay_out(1, cpu, &job).unwrap();
    assert!(layout.is_stored() && writer.has_layout(1).unwrap());
    assert!(!writer.has_layout(2).unwrap());
    assert_eq!(map::Map::new(&writer, &layout, &job).unwrap(), unkept);
    let reader = corpus.reader().unwrap();
    assert!(reader.layout_of_map(1, cpu, &job).unwrap().is_stored());
    assert_eq!(reader.map(1, cpu, &job).unwrap(), unkept);
    // An article that went since the layout was made is left out.
    writer.delete(&["a5".to_string()]).unwrap();
    assert!(!writer.has_layout(1).unwrap());
    let map = map::Map::new(&writer, &layout, &job).unwrap();
    assert_eq!(map.articles.len(), 79);
    let near = map.articles.iter().flat_map(|a| &a.nearest);
    assert!(near.copied().all(|i| i < 79));
}

#[test]
fn copies_are_one_point_wherever_they_stand() {
    let rows = Array2::from_shape_vec((3, 2), vec![0.0, 1.0, 1.0, 0.0, 0.0, 1.0]).unwrap();
    let flat = rows.as_slice().unwrap();
    let found = find(flat, 2, &[], &TopicOptions::default(), None, &Job::new()).unwrap();
    assert_eq!(found.members[0], found.members[2]);
}
