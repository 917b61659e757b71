//! Topics as a user meets them: found, changed, followed, drawn; and the laws that they obey.
//!
//! Articles are words of six matters, and their vectors the sums of their words' directions, so
//! that what belongs together is known.

mod common;

use assert_cmd::Command;
use common::{World, repository};
use nearwise::corpus::Input;
use nearwise::encoder::{Backend, Call, Identity};
use nearwise::index::IndexOptions;
use nearwise::model::Tokenizer;
use nearwise::topics::eval::{adjusted_rand, v_measure};
use nearwise::topics::{Guide, TopicOptions};
use nearwise::{Corpus, Encoder, ErrorKind, Job, Result, Writer};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;

const MATTERS: [(&str, &[&str]); 6] = [
    ("economy", &["bank", "interest", "rates", "market", "price"]),
    ("sport", &["goal", "cup", "final", "match", "team"]),
    ("sea", &["river", "ice", "water", "ship"]),
    ("health", &["vaccine", "patients", "doctors"]),
    ("politics", &["minister", "election", "vote", "court"]),
    ("technology", &["software", "data", "company"]),
];
const DIM: usize = 48;

/// Numbers that look random and are the same everywhere.
fn noise(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 11
    }
}

/// A text's vector is the sum of the directions of its tokens.
struct Bag;

impl Backend for Bag {
    fn forward(&self, texts: &[&[u32]], _: &Call) -> Result<Vec<f32>> {
        let mut out = Vec::new();
        for text in texts {
            let mut sum = vec![0.0f32; DIM];
            // Tokens below 22 are special or stop words, which say nothing.
            for &token in text.iter().filter(|&&t| t >= 22) {
                let mut next = noise(u64::from(token) + 1);
                for x in &mut sum {
                    *x += (next() % 2001) as f32 / 1000.0 - 1.0;
                }
            }
            sum[0] += 0.01;
            out.extend(sum);
        }
        Ok(out)
    }

    fn device(&self) -> String {
        "words".to_string()
    }

    fn dtype(&self) -> &str {
        "f32"
    }

    fn token_budget(&self) -> usize {
        4096
    }
}

fn encoder() -> Encoder {
    let path = repository("tests/fixtures/tiny-bert/tokenizer.json");
    let tokenizer = Tokenizer::from_file(&path, "words", 256).unwrap();
    let identity = Identity {
        model: "words".into(),
        revision: "none".into(),
        hash: "1".repeat(64),
        dim: DIM,
        max_tokens: 256,
        dtype: "f32".into(),
    };
    Encoder::from_parts(tokenizer, Box::new(Bag), identity)
}

/// Article number `i`, of the matter `i % matters`.
fn article(i: usize, matters: usize) -> Value {
    let (matter, words) = MATTERS[i % matters];
    let mut next = noise(i as u64 + 77);
    let mut pick = || words[(next() % words.len() as u64) as usize];
    let title = format!("The {} and the {}", pick(), pick());
    let text: Vec<String> = (0..24)
        .map(|_| format!("The {} of the {}.", pick(), pick()))
        .collect();
    json!({
        "id": format!("n{i}"), "title": title, "text": text.join(" "), "label": matter,
        "date": format!("20{:02}-{:02}-{:02}", 20 + i / 400, 1 + i % 12, 1 + i % 28),
        "source": if i.is_multiple_of(2) { "even" } else { "odd" },
    })
}

fn writer(world: &World) -> Writer {
    let corpus = Corpus::open_or_create(world.path("t.nearwise"));
    corpus.unwrap().writer().unwrap()
}

fn add(world: &World, name: &str, articles: &[Value]) {
    let lines: Vec<String> = articles.iter().map(Value::to_string).collect();
    let path = world.write(&format!("{name}.jsonl"), lines.join("\n"));
    let mut writer = writer(world);
    let inputs = Input::parse(path.to_str().unwrap()).unwrap();
    // An article of the same id is that article, whatever file it comes in.
    let options = IndexOptions {
        replace: true,
        ..IndexOptions::default()
    };
    writer
        .index(&encoder(), &inputs, &options, &Job::new())
        .unwrap();
}

fn corpus(n: usize, matters: usize) -> World {
    let world = World::new();
    let all: Vec<Value> = (0..n).map(|i| article(i, matters)).collect();
    add(&world, "a", &all);
    world
}

/// The topic of each article by its id.
fn members(world: &World) -> HashMap<String, i64> {
    world
        .run("topics list --members")
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(id, topic)| (id.to_string(), topic.parse().unwrap()))
        .collect()
}

/// Found topics against the matters, articles by their numbers.
fn agreement(found: &HashMap<String, i64>, matters: usize) -> f64 {
    let ids: Vec<&String> = found.keys().collect();
    let truth: Vec<usize> = ids
        .iter()
        .map(|id| id[1..].parse::<usize>().unwrap() % matters)
        .collect();
    let given: Vec<i64> = ids.iter().map(|id| found[*id]).collect();
    v_measure(&truth, &given)
}

fn topics(world: &World) -> Vec<Value> {
    world.json("topics list --json")["topics"]
        .as_array()
        .unwrap()
        .clone()
}

#[test]
fn each_method_finds_the_matters() {
    // 90 articles are a small corpus, 540 are not.
    for n in [90, 540] {
        let world = corpus(n, 6);
        for line in [
            "topics fit",
            "topics fit --topics 6",
            "topics fit --method kmeans --topics 6",
            "topics fit --method leiden",
            "topics fit --method hdbscan",
            "topics fit --method gaussian-mixture --topics 6",
        ] {
            let shown = world.json(&format!("{line} --json"));
            let found = members(&world);
            assert_eq!(found.len(), n, "{line}");
            let v = agreement(&found, 6);
            assert!(
                v > 0.9,
                "{n} articles, {line}: V {v:.3}, {} topics",
                shown["topics"].as_array().unwrap().len()
            );
            let none = found.values().filter(|&&t| t < 0).count();
            assert!(none <= n / 20, "{line}: {none} in no topic");
            for topic in shown["topics"].as_array().unwrap() {
                assert!(!topic["words"].as_array().unwrap().is_empty());
                assert!(!topic["typical"].as_array().unwrap().is_empty());
            }
        }
    }
}

#[test]
fn the_order_of_reading_and_the_threads_do_not_matter() {
    let n = 600;
    let all: Vec<Value> = (0..n).map(|i| article(i, 6)).collect();
    let mut shuffled = all.clone();
    let mut next = noise(5);
    for i in (1..n).rev() {
        shuffled.swap(i, (next() % (i as u64 + 1)) as usize);
    }
    let run = |articles: &[Value], threads: &str, line: &str| {
        let world = World::new();
        add(&world, "a", articles);
        let output = world
            .command(line)
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap();
        assert!(output.status.success());
        let labels: Vec<Value> = topics(&world)
            .iter()
            .map(|t| json!([t["label"], t["size"], t["words"]]))
            .collect();
        (labels, members(&world))
    };
    for line in [
        "topics fit",
        "topics fit --topics 9",
        "topics fit --method leiden",
        "topics fit --method kmeans --topics 7",
    ] {
        let first = run(&all, "2", line);
        assert_eq!(run(&all, "1", line), first, "{line}: one thread");
        let other = run(&shuffled, "2", line);
        assert_eq!(other.1, first.1, "{line}: another order");
        assert_eq!(other.0, first.0, "{line}: another order");
    }
}

#[test]
fn copies_share_a_topic() {
    let world = World::new();
    let mut all: Vec<Value> = (0..520).map(|i| article(i, 6)).collect();
    for i in 0..60 {
        let mut copy = all[i].clone();
        copy["id"] = json!(format!("n{}", 6000 + i));
        all.push(copy);
    }
    add(&world, "a", &all);
    for line in [
        "topics fit --topics 40",
        "topics fit --method kmeans --topics 40",
        "topics fit --method hdbscan",
    ] {
        world.run(line);
        let found = members(&world);
        for i in 0..60 {
            assert_eq!(
                found[&format!("n{i}")],
                found[&format!("n{}", 6000 + i)],
                "{line}"
            );
        }
    }
}

#[test]
fn odd_corpora_have_clear_outcomes() {
    // One article is one topic.
    let world = corpus(1, 1);
    assert_eq!(world.json("topics fit --json")["run"]["k"], 1);
    world.fails(
        "topics fit --topics 2",
        2,
        &["--topics", "2 topics of 1 articles"],
    );
    world.run("map --out one.html");
    world.run("topics tree");

    // All alike is one topic, however many there are.
    let world = World::new();
    let alike: Vec<Value> = (0..30)
        .map(|i| json!({"id": format!("n{i}"), "title": "The bank", "text": "The bank and the market."}))
        .collect();
    add(&world, "a", &alike);
    assert_eq!(world.json("topics fit --json")["run"]["k"], 1);
    world.fails(
        "topics fit --topics 3",
        2,
        &["3 topics of 1 articles that differ"],
    );
    world.run("map --out alike.svg");

    // A vector that is no number is refused, and the topics that were there stay.
    let world = corpus(40, 2);
    world.run("topics fit");
    let before = members(&world);
    let connection = common::database(&world.path("t.nearwise"));
    let nan = half::f16::NAN.to_le_bytes().repeat(DIM);
    connection
        .execute(
            "UPDATE article_vector SET vector = ?1 WHERE article = 3",
            [nan],
        )
        .unwrap();
    drop(connection);
    world.fails(
        "topics fit",
        1,
        &["n2", "no finite number", "delete the article"],
    );
    assert_eq!(members(&world), before);

    // No articles at all.
    let world = World::new();
    world.write("empty.jsonl", "");
    drop(Corpus::create(world.path("t.nearwise")).unwrap());
    world.fails("topics fit", 1, &["no embedded articles", "nearwise index"]);
    for line in [
        "topics list",
        "topics tree",
        "topics over-time",
        "topics drift",
        "topics show 1",
        "eval topics",
    ] {
        world.fails(line, 1, &["no topics yet", "nearwise topics fit"]);
    }
}

#[test]
fn wrong_options_are_named() {
    let world = corpus(60, 3);
    world.run("topics fit --topics 3");
    for (line, parts) in [
        ("topics fit --topics 0", &["--topics", "at least 1"][..]),
        ("topics fit --topics 61", &["61 topics of 60"]),
        ("topics fit --method magic", &["magic", "tree, kmeans"]),
        (
            "topics fit --method hdbscan --topics 3",
            &["finds its own number"],
        ),
        (
            "topics fit --method gaussian-mixture",
            &["--topics", "needs the number"],
        ),
        ("topics fit --resolution 2", &["--resolution", "leiden"]),
        (
            "topics fit --method leiden --resolution 0",
            &["--resolution", "above 0"],
        ),
        ("topics fit --method optics", &["optics", "tree, kmeans"]),
        (
            "topics fit --min-similarity 3",
            &["--min-similarity", "cosine"],
        ),
        ("topics fit --min-size 0", &["--min-size"]),
        (
            "topics fit --topics 2 --min-size 3",
            &["--min-size", "one of both"],
        ),
        ("topics merge 0 0", &["named twice"]),
        ("topics merge 0 9", &["no topic 9"]),
        ("topics split 9", &["no topic 9"]),
        ("topics split 0 --into 1", &["--into"]),
        ("topics rename 9 name", &["no topic 9"]),
        ("topics show 9", &["no topic 9"]),
        ("topics tree --cut 999", &["--cut", "leaves"]),
        ("topics tree --out tree.png", &["--out", ".json or .dot"]),
        ("topics assign --threshold 2", &["--threshold", "cosine"]),
        ("topics over-time --by century", &["century", "day, week"]),
        (
            "topics over-time --field nothing",
            &["--field", "nothing", "label"],
        ),
        ("map --out map.gif", &["--out", ".html, .svg or .png"]),
    ] {
        world.fails(line, 2, parts);
    }
    world.fails("map --out no/such/map.html", 1, &["no/such/map.html"]);
    world.fails("map --out no/such/map.png", 1, &["no/such/map.png"]);
    world.fails("eval topics --labels none.tsv", 1, &["none.tsv"]);
    world.write("bad.tsv", "n1\teconomy\nn2 sport\n");
    world.fails("eval topics --labels bad.tsv", 1, &["bad.tsv:2", "tab"]);
    world.write("other.tsv", "x1\teconomy\n");
    world.fails(
        "eval topics --labels other.tsv",
        1,
        &["other.tsv", "none of its ids"],
    );
    world.write("guides.toml", "[[topic]]\nnam = 3\n");
    world.fails(
        "topics fit --guide guides.toml",
        1,
        &["guides.toml:2", "nam"],
    );
    world.fails("topics fit --guide none.toml", 1, &["none.toml"]);
}

#[test]
fn topics_are_judged_as_by_hand() {
    let world = corpus(120, 3);
    world.run("topics fit --topics 3");
    let labels: String = (0..120)
        .map(|i| format!("n{i}\t{}\n", MATTERS[i % 3].0))
        .collect();
    world.write("labels.tsv", labels);
    let by_file = world.json("eval topics --labels labels.tsv --json");
    assert_eq!(by_file, world.json("eval topics --field label --json"));
    assert_eq!(by_file["labelled"], 120);
    let found = members(&world);
    let ids: Vec<usize> = (0..120).collect();
    let truth: Vec<usize> = ids.iter().map(|i| i % 3).collect();
    let given: Vec<i64> = ids.iter().map(|i| found[&format!("n{i}")]).collect();
    assert!((by_file["v_measure"].as_f64().unwrap() - v_measure(&truth, &given)).abs() < 1e-12);
    assert!((by_file["ari"].as_f64().unwrap() - adjusted_rand(&truth, &given)).abs() < 1e-12);
    assert!(by_file["no_topic"].as_f64().unwrap() < 0.05);
    assert!(by_file["npmi"].as_f64().unwrap() > 0.2);
    assert!(world.run("eval topics").contains("diversity"));
}

#[test]
fn topics_are_changed_by_hand_and_outlive_a_fit() {
    let world = corpus(600, 6);
    world.run("topics fit --topics 6");
    let before = members(&world);
    let of = |matter: usize| before[&format!("n{matter}")];

    let named = world.json(&format!("topics rename {} Harbour --json", of(2)));
    assert_eq!(
        (&named[0]["label"], &named[0]["named"]),
        (&json!("Harbour"), &json!(true))
    );

    // Merged, two matters are one topic, and the others are as they were.
    let labels = |world: &World| -> HashMap<i64, String> {
        topics(world)
            .iter()
            .map(|t| {
                (
                    t["topic"].as_i64().unwrap(),
                    t["label"].as_str().unwrap().to_string(),
                )
            })
            .collect()
    };
    let labels_before = labels(&world);
    world.run(&format!("topics merge {} {}", of(0), of(1)));
    let merged = members(&world);
    assert_eq!((merged["n0"], merged["n1"]), (of(0), of(0)));
    assert_eq!(topics(&world).len(), 5);
    for matter in 2..6 {
        assert_eq!(merged[&format!("n{matter}")], of(matter));
        assert_eq!(labels(&world)[&of(matter)], labels_before[&of(matter)]);
    }

    // Split again, they are what they were, one under a new number.
    let pieces = world.json(&format!("topics split {} --json", of(0)));
    assert_eq!(pieces.as_array().unwrap().len(), 2);
    let (whole, again) = (agreement(&before, 6), agreement(&members(&world), 6));
    assert!(again > whole - 0.02, "{again}, {whole} before");
    let numbers: Vec<i64> = topics(&world)
        .iter()
        .map(|t| t["topic"].as_i64().unwrap())
        .collect();
    assert!(
        numbers.contains(&6),
        "a number is not used twice: {numbers:?}"
    );

    // A fit keeps numbers and names of what persists.
    world.run("topics fit");
    let after = members(&world);
    for matter in 2..6 {
        assert_eq!(after[&format!("n{matter}")], of(matter));
    }
    assert_eq!(labels(&world)[&of(2)], "Harbour");

    // The tree holds every article, whole and cut; cut and applied, branches are topics.
    let tree = world.json("topics tree --json");
    let in_topics = members(&world).values().filter(|&&t| t >= 0).count() as u64;
    assert_eq!(tree["size"], in_topics);
    let leaves = world.json("topics --json")["topics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["parts"].as_array().unwrap().len())
        .sum::<usize>();
    for n in [1, 3, leaves] {
        let cut = world.json(&format!("topics tree --cut {n} --json"));
        let sizes: u64 = cut
            .as_array()
            .unwrap()
            .iter()
            .map(|b| b["size"].as_u64().unwrap())
            .sum();
        assert_eq!((cut.as_array().unwrap().len(), sizes), (n, in_topics));
    }
    world.run("topics tree --out tree.dot");
    assert!(
        fs::read_to_string(world.path("tree.dot"))
            .unwrap()
            .starts_with("digraph")
    );
    world.run("topics tree --out tree.json");
    assert!(world.run("topics tree").contains("Harbour"));
    world.run("topics tree --cut 3 --apply");
    assert_eq!(topics(&world).len(), 3);
    assert_eq!(
        world.json("topics --json")["topics"]
            .as_array()
            .unwrap()
            .len(),
        3,
        "bare topics shows what is there"
    );
    let shown = world.json(&format!(
        "topics show {} --json",
        topics(&world)[0]["topic"]
    ));
    assert_eq!(shown["nearest"].as_array().unwrap().len(), 2);
}

#[test]
fn a_cut_holds_when_a_part_has_lost_its_articles() {
    let world = corpus(600, 6);
    world.run("topics fit --topics 6");
    let gone: Vec<String> = (0..600).step_by(6).map(|i| format!("n{i}")).collect();
    world.run(&format!("delete {}", gone.join(" ")));
    world.run("topics tree --cut 6 --apply");
    let found = members(&world);
    assert_eq!(found.len(), 500);
    let v = agreement(&found, 6);
    assert!(v > 0.95, "{v}");
}

#[test]
fn communities_joined_to_a_number_leave_out_what_is_far() {
    let world = corpus(400, 4);
    world.run("topics fit --method leiden --topics 4 --min-similarity 0.9");
    let none = members(&world).values().filter(|&&t| t < 0).count();
    assert!(none > 0 && none < 400, "{none}");
}

#[test]
fn words_tell_two_topics_apart() {
    let world = corpus(120, 2);
    world.run("topics fit --topics 2");
    let found = members(&world);
    let (economy, sport) = (found["n0"], found["n1"]);
    let shown = world.json(&format!("topics show {economy} --against {sport} --json"));
    let words = |key: &str| -> Vec<String> {
        shown["against"][key]
            .as_array()
            .unwrap()
            .iter()
            .map(|w| w[0].as_str().unwrap().to_string())
            .collect()
    };
    let has = |words: &[String], of: usize| {
        words
            .iter()
            .all(|w| w.split(' ').all(|w| MATTERS[of].1.contains(&w)))
    };
    assert!(
        !words("words").is_empty() && has(&words("words"), 0),
        "{:?}",
        words("words")
    );
    assert!(
        !words("other_words").is_empty() && has(&words("other_words"), 1),
        "{:?}",
        words("other_words")
    );
    assert!(
        world
            .run(&format!("topics show {economy} --against {sport}"))
            .contains("only here")
    );
}

#[test]
fn new_articles_join_until_the_corpus_drifts() {
    let world = corpus(600, 4);
    world.run("topics fit");
    let before = members(&world);
    assert_eq!(topics(&world).len(), 4);

    // More of the same join.
    let more: Vec<Value> = (600..680).map(|i| article(i, 4)).collect();
    add(&world, "more", &more);
    assert_eq!(world.json("topics drift --json")["waiting"], 80);
    let assigned = world.json("topics assign --json");
    let (fits, none) = (
        assigned["joined"].as_u64().unwrap(),
        assigned["in_none"].as_u64().unwrap(),
    );
    assert!(fits >= 76 && fits + none == 80, "{assigned}");
    let joined = members(&world);
    assert!(before.iter().all(|(id, topic)| joined[id] == *topic));
    let v = agreement(&joined, 4);
    assert!(v > 0.93, "{v}");
    let drift = world.json("topics drift --json");
    assert_eq!(
        (&drift["joined"], &drift["refit"]),
        (&json!(80), &json!(false)),
        "{drift}"
    );
    assert!(world.run("topics drift").contains("still fit"));

    // A matter that was not there is in no topic, drift says so, and topics are found anew; those
    // that persist keep their numbers.
    let other: Vec<Value> = (0..200)
        .map(|i| {
            let mut a = article(6 * i + 5, 6);
            a["id"] = json!(format!("x{i}"));
            a
        })
        .collect();
    add(&world, "other", &other);
    world.run("topics assign");
    let drift = world.json("topics drift --json");
    assert_eq!(drift["refit"], true, "{drift}");
    assert!(drift["no_topic_joined"].as_f64().unwrap() > 0.5, "{drift}");
    world.run("topics");
    let found = members(&world);
    assert_eq!(topics(&world).len(), 5);
    let kept = before
        .iter()
        .filter(|(id, topic)| found[*id] == **topic)
        .count();
    assert!(
        kept >= 590,
        "{kept} of 600 articles have the topic that they had"
    );
    let new = topics(&world)
        .iter()
        .map(|t| t["topic"].as_i64().unwrap())
        .find(|id| !before.values().any(|t| t == id))
        .unwrap();
    let caught = (0..200).filter(|i| found[&format!("x{i}")] == new).count();
    assert!(
        caught >= 190,
        "{caught} of the 200 new ones have a topic of their own"
    );

    // Articles left out by a threshold come back by one.
    world.run("topics fit --min-similarity 0.9");
    let left = members(&world).values().filter(|&&t| t < 0).count();
    assert!(left > 0);
    let assigned = world.json("topics assign --threshold 0.1 --json");
    assert_eq!(assigned["assigned"], left);
    assert!(members(&world).values().all(|&t| t >= 0));
}

#[test]
fn an_article_that_changes_changes_its_topic() {
    let world = corpus(80, 2);
    world.run("topics fit --topics 2");
    let before = members(&world);
    let mut changed = article(1, 2);
    changed["id"] = json!("n0");
    add(&world, "changed", &[changed]);
    world.run("topics assign");
    let after = members(&world);
    assert_eq!(after["n0"], before["n1"]);
    assert_ne!(before["n0"], before["n1"]);

    // One that goes is counted no more, and what shows topics does without it.
    world.run("delete n2 n4 n6");
    let sizes: u64 = topics(&world)
        .iter()
        .map(|t| t["size"].as_u64().unwrap())
        .sum();
    assert_eq!(
        sizes,
        members(&world).values().filter(|&&t| t >= 0).count() as u64
    );
    world.run("topics list --typical 10");
    world.run("map --out map.html");
}

#[test]
fn topics_are_followed_through_time() {
    let world = World::new();
    // Sport all along; health only of late.
    let all: Vec<Value> = (0..240)
        .map(|i| {
            let late = i >= 180;
            let mut a = article(
                if late && i % 2 == 0 {
                    6 * i + 3
                } else {
                    6 * i + 1
                },
                6,
            );
            a["id"] = json!(format!("n{i}"));
            a["date"] = json!(format!("2024-{:02}-{:02}", 1 + i / 20, 1 + i % 20));
            a
        })
        .chain([json!({"id": "undated", "title": "The goal", "text": "The goal of the team."})])
        .collect();
    add(&world, "a", &all);
    world.run("topics fit --topics 2");
    let found = world.json("topics over-time --by month --json");
    assert_eq!(found["spans"].as_array().unwrap().len(), 12);
    assert_eq!(
        found["articles"],
        json!([20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20])
    );
    assert_eq!(found["undated"], 1);
    let topic = members(&world)["n180"];
    for course in found["courses"].as_array().unwrap() {
        let health = course["topic"] == topic;
        assert_eq!(course["trend"], if health { "emerging" } else { "fading" });
        if health {
            assert_eq!(
                (0..9)
                    .map(|i| course["counts"][i].as_u64().unwrap())
                    .sum::<u64>(),
                0
            );
        }
    }
    let by_source = world.json("topics over-time --by quarter --field source --json");
    assert_eq!(
        by_source["spans"],
        json!(["2024-Q1", "2024-Q2", "2024-Q3", "2024-Q4"])
    );
    assert!(
        by_source["courses"]
            .as_array()
            .unwrap()
            .iter()
            .any(|c| c["value"] == "odd")
    );
    assert!(world.run("topics over-time").contains("emerging"));
}

#[test]
fn dates_of_months_and_years_count_in_spans_that_hold_them() {
    let world = World::new();
    let all: Vec<Value> = (0..120)
        .map(|i| {
            let mut a = article(i, 6);
            a["id"] = json!(format!("n{i}"));
            a["date"] = match i % 3 {
                0 => json!(format!("20{:02}-05-06", 10 + i / 12)),
                1 => json!(format!("20{:02}-05", 10 + i / 12)),
                _ => json!(format!("20{:02}", 10 + i / 12)),
            };
            a
        })
        .collect();
    add(&world, "a", &all);
    world.run("topics fit --topics 2");
    let total = |list: &Value| -> u64 {
        let all = list.as_array().unwrap().iter();
        all.map(|n| n.as_u64().unwrap()).sum()
    };
    // By itself a span that nothing is lost of.
    let found = world.json("topics over-time --json");
    assert_eq!(
        (&found["span"], &found["undated"]),
        (&json!("year"), &json!(0))
    );
    assert_eq!(found["articles"], json!(vec![12; 10]));
    for (by, counted) in [("quarter", 80), ("month", 80), ("day", 40)] {
        let found = world.json(&format!("topics over-time --by {by} --json"));
        assert_eq!(total(&found["articles"]), counted, "{by}");
        assert_eq!(found["undated"], 120 - counted, "{by}");
    }
    let said = world.run("topics over-time --by month");
    assert!(said.contains("40 articles left out"), "{said}");
}

#[test]
fn guides_catch_what_is_theirs() {
    let world = corpus(600, 6);
    let mut store = writer(&world);
    let guide = |name: &str, words: &[&str], articles: &[&str]| Guide {
        name: name.into(),
        description: String::new(),
        words: words.iter().map(|w| w.to_string()).collect(),
        articles: articles.iter().map(|a| a.to_string()).collect(),
        threshold: None,
    };
    let options = TopicOptions {
        // One by words, one by articles.
        guides: vec![
            guide("at sea", &["river", "ship", "ice", "water"], &[]),
            guide("Medicine", &[], &["n3", "n9", "n15"]),
        ],
        ..TopicOptions::default()
    };
    let (encoder, job) = (encoder(), Job::new());
    store.fit_topics(&options, Some(&encoder), &job).unwrap();
    let found: HashMap<String, i64> = store.topic_members().unwrap().into_iter().collect();
    let topics = store.topics().unwrap();
    for (name, matter) in [("at sea", 2), ("Medicine", 3)] {
        let topic = topics.iter().find(|t| t.label == name).unwrap();
        let own: Vec<usize> = (0..600)
            .filter(|i| found[&format!("n{i}")] == topic.id)
            .collect();
        let right = own.iter().filter(|&&i| i % 6 == matter).count();
        assert!(
            right >= 70 && right * 100 >= own.len() * 95,
            "{name}: {right} of {}",
            own.len()
        );
    }
    assert!(topics.len() >= 6, "{}", topics.len());

    // Without the model there are no guides, and without an article that fits none is caught.
    let said = store.fit_topics(&options, None, &job).unwrap_err();
    assert_eq!(said.kind(), ErrorKind::InvalidParameter("guides"));
    let far = TopicOptions {
        guides: vec![Guide {
            threshold: Some(0.999),
            ..guide("the moon orbit", &[], &[])
        }],
        ..TopicOptions::default()
    };
    let said = store
        .fit_topics(&far, Some(&encoder), &job)
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("the moon orbit") && said.contains("threshold"),
        "{said}"
    );
    assert_eq!(store.topics().unwrap(), topics, "what was there stays");
}

#[test]
fn a_map_is_written_in_each_form() {
    let world = World::new();
    let mut all: Vec<Value> = (0..200).map(|i| article(i, 4)).collect();
    all[7]["id"] = json!("<img src=x onerror=alert(1)></script><script>alert(2)</script>");
    add(&world, "a", &all);
    let told = world.json("map t.nearwise --out map.html --json");
    assert_eq!(told["articles"], 200);
    assert!(told["trustworthiness"].as_f64().unwrap() > 0.8, "{told}");
    let page = fs::read_to_string(world.path("map.html")).unwrap();
    assert!(!page.contains("<img") && page.matches("<script").count() == 2);
    assert!(page.contains("\\u003cimg src=x onerror=alert(1)\\u003e"));
    for name in ["map.svg", "map.png"] {
        let said = world.run(&format!("map --out {name}"));
        assert!(
            said.contains("200 articles") && said.contains("trustworthiness"),
            "{said}"
        );
        assert!(world.path(name).metadata().unwrap().len() > 5000);
    }
    // The same again, from what is kept and from nothing.
    world.run("map --out again.html");
    assert_eq!(fs::read_to_string(world.path("again.html")).unwrap(), page);
    let fresh = World::new();
    add(&fresh, "a", &all);
    let mut command: Command = fresh.command("map --out map.html");
    assert!(
        command
            .env("RAYON_NUM_THREADS", "1")
            .output()
            .unwrap()
            .status
            .success()
    );
    assert_eq!(fs::read_to_string(fresh.path("map.html")).unwrap(), page);
}
