//! Queries that are embedded: many at once, sentences, the approximate index.

use crate::common::tiny_encoder;
use nearwise::corpus::paragraphs::sentences;
use nearwise::encoder::Prompt;
use nearwise::search::{FoldBy, Mode, SearchBy, SearchOptions};
use nearwise::vectors::dot;
use nearwise::{Article, Corpus, Encoder, Job, Reader};
use std::sync::LazyLock;
use tempfile::TempDir;

static ENCODER: LazyLock<Encoder> = LazyLock::new(|| tiny_encoder("tiny-bert"));

fn article(i: usize) -> Article {
    let words = [
        "bank", "goal", "market", "cup", "minister", "team", "rates", "city",
    ];
    let word = |n: usize| words[(i * 7 + n * (i % 5 + 1)) % words.len()];
    let text: Vec<String> = (0..12)
        .map(|n| {
            format!(
                "The {} of the {} met the {}.",
                word(n),
                word(n + 3),
                word(n * i + 1)
            )
        })
        .collect();
    Article {
        id: Some(format!("n{i}")),
        title: format!("Number {i}: {}", word(0)),
        text: text.join(" "),
        date: (!i.is_multiple_of(3)).then(|| format!("2024-{:02}-03", 1 + i % 12)),
        source: Some(format!("s{}", i % 4)),
        ..Article::default()
    }
}

fn indexed(n: usize) -> (TempDir, Reader) {
    let folder = tempfile::tempdir().unwrap();
    let corpus = Corpus::create(folder.path().join("c.nearwise")).unwrap();
    let mut writer = corpus.writer().unwrap();
    writer.add((0..n).map(article), &Job::new()).unwrap();
    writer.embed(&ENCODER, &Job::new()).unwrap();
    drop(writer);
    (folder, corpus.reader().unwrap())
}

#[test]
fn many_queries_are_answered_as_each() {
    let (_folder, reader) = indexed(150);
    // More than one pass answers, one that is longer than the model's window, and repeats.
    let mut queries: Vec<String> = (0..530)
        .map(|i| {
            format!(
                "the goal of number {} in the {}",
                i % 97,
                ["cup", "city"][i % 2]
            )
        })
        .collect();
    queries[7] = "the minister met the bank and the market of the city ".repeat(40);
    let usual = SearchOptions {
        k: 4,
        ..SearchOptions::default()
    };
    for options in [
        usual.clone(),
        SearchOptions {
            by: SearchBy::Both,
            offset: 3,
            ..usual.clone()
        },
        SearchOptions {
            by: SearchBy::Words,
            ..usual.clone()
        },
        SearchOptions {
            filter: Some(reader.filter("source = \"s1\"").unwrap()),
            half_life: Some("60d".parse().unwrap()),
            threshold: Some(0.1),
            facets: vec!["source".into()],
            ..usual.clone()
        },
        SearchOptions {
            fold: Some(FoldBy::Meaning),
            diverse: Some(0.7),
            sentences: true,
            ..usual
        },
    ] {
        let many = reader.search_many(&ENCODER, &queries, &options).unwrap();
        assert_eq!(many.len(), queries.len());
        for (query, found) in
            queries
                .iter()
                .zip(many)
                .step_by(if options.fold.is_some() { 29 } else { 7 })
        {
            let one = reader.search(&ENCODER, query, &options).unwrap();
            assert_eq!(found, one, "{query}: {options:?}");
        }
    }
    let none: [&str; 0] = [];
    let nothing = reader.search_many(&ENCODER, &none, &SearchOptions::default());
    assert!(nothing.unwrap().is_empty());
}

#[test]
fn the_sentence_is_the_nearest_of_the_passage() {
    let (_folder, reader) = indexed(40);
    let query = "the minister met the team";
    let options = SearchOptions {
        sentences: true,
        ..SearchOptions::default()
    };
    let found = reader.search(&ENCODER, query, &options).unwrap();
    let asked = ENCODER.encode(&[query], Prompt::Query).unwrap().values;
    for hit in &found.hits {
        let sentence = hit.sentence.as_ref().unwrap();
        let text = reader.article(&hit.id).unwrap().text;
        assert_eq!(text[sentence.start..sentence.end], sentence.text);
        assert!(hit.passage.text.contains(&sentence.text));
        let all: Vec<&str> = sentences(&text, hit.passage.range.clone())
            .into_iter()
            .map(|range| &text[range])
            .collect();
        let vectors = ENCODER.encode(&all, Prompt::Document).unwrap();
        let best = vectors
            .rows()
            .map(|v| dot(&asked, v))
            .fold(f32::MIN, f32::max);
        let own = ENCODER.encode(&[&sentence.text], Prompt::Document).unwrap();
        assert!(dot(&asked, &own.values) >= best - 1e-5);
    }
    // Everything but the sentences is as without them.
    let without = SearchOptions::default();
    let mut marked = found;
    marked.hits.iter_mut().for_each(|hit| hit.sentence = None);
    assert_eq!(marked, reader.search(&ENCODER, query, &without).unwrap());
}

#[test]
fn by_words_the_sentence_and_passage_hold_the_rare_ones() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = Corpus::create(folder.path().join("c.nearwise")).unwrap();
    let mut writer = corpus.writer().unwrap();
    let texts = [
        "The team of the city won the cup again. A café near the harbour closed for good. Rates fell again.",
        "The city and the team met the bank and the minister of the city.",
        "市议会今天开会。地铁票价明年上涨。天气很好。",
    ];
    let articles = texts.iter().enumerate().map(|(i, text)| Article {
        id: Some(format!("n{i}")),
        text: text.to_string(),
        ..Article::default()
    });
    writer.add(articles, &Job::new()).unwrap();
    drop(writer);
    // Nothing is embedded.
    let reader = corpus.reader().unwrap();
    let options = SearchOptions {
        sentences: true,
        ..SearchOptions::default()
    };
    for (query, id, sentence) in [
        (
            "the cafe of the city",
            "n0",
            "A café near the harbour closed for good.",
        ),
        ("票价", "n2", "地铁票价明年上涨。"),
        ("RATES", "n0", "Rates fell again."),
    ] {
        let found = reader.search_words(query, &options).unwrap();
        let hit = &found.hits[0];
        assert_eq!(hit.id, id);
        assert_eq!(hit.sentence.as_ref().unwrap().text, sentence);
        assert_eq!((hit.cosine, found.exact), (None, true));
        assert!(hit.score > 0.0);
    }
    assert!(
        reader
            .search_words("nowhere", &options)
            .unwrap()
            .hits
            .is_empty()
    );
    assert!(reader.search_words("?!", &options).unwrap().hits.is_empty());
}

#[test]
fn the_approximate_index_takes_part_in_it() {
    let (_folder, reader) = indexed(200);
    reader
        .refresh_index(Mode::Approximate, &Job::new())
        .unwrap();
    let usual = SearchOptions {
        mode: Mode::Approximate,
        ..SearchOptions::default()
    };
    let ask =
        |options: &SearchOptions| reader.search(&ENCODER, "goal of the cup", options).unwrap();
    let whole = ask(&SearchOptions {
        k: 30,
        ..usual.clone()
    });
    assert!(!whole.exact);
    let pages = (0..6).flat_map(|page| {
        let options = SearchOptions {
            k: 5,
            offset: 5 * page,
            ..usual.clone()
        };
        ask(&options).hits
    });
    assert!(pages.eq(whole.hits));
    // What the index does not know is looked at exactly.
    let half_life = SearchOptions {
        half_life: Some("1y".parse().unwrap()),
        ..usual.clone()
    };
    let counted = SearchOptions {
        threshold: Some(0.2),
        facets: vec!["source".into()],
        ..usual.clone()
    };
    assert!(ask(&half_life).exact && ask(&counted).exact);
    // The rest goes with it.
    for options in [
        SearchOptions {
            by: SearchBy::Both,
            ..usual.clone()
        },
        SearchOptions {
            fold: Some(FoldBy::Either),
            diverse: Some(0.5),
            facets: vec!["source".into()],
            sentences: true,
            ..usual
        },
    ] {
        let found = ask(&options);
        assert!(!found.exact && !found.hits.is_empty());
        if let Some(facets) = found.facets {
            assert_eq!(facets.articles, 200);
        }
    }
}
