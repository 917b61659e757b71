//! The README's first command on the seed corpus, with the default model, against the topics
//! and the retellings that the authors of the seeds wrote down.

mod common;

use assert_cmd::Command;
use common::{World, copy, repository};
use nearwise::topics::eval::v_measure;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs;

/// The program with the default model, kept where a checkout keeps it.
fn command(world: &World, line: &str) -> Command {
    let mut command = world.command(line);
    command
        .env_remove("NEARWISE_MODEL")
        .env_remove("HF_HUB_OFFLINE");
    if std::env::var_os("NEARWISE_MODELS").is_none() {
        command.env("NEARWISE_MODELS", repository("models/weights"));
    }
    command
}

fn json(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn table(name: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(repository("seeds").join(name)).unwrap();
    text.lines()
        .skip(1)
        .map(|line| line.split_once('\t').unwrap())
        .map(|(a, b)| (a.to_string(), b.to_string()))
        .collect()
}

/// The topic of each article by its id, from `topics --members`.
fn members(world: &World) -> BTreeMap<String, String> {
    let output = command(world, "topics --members").output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.split('\t'))
        .map(|mut cells| {
            let id = cells.next().unwrap().to_string();
            (id, cells.next().unwrap().to_string())
        })
        .collect()
}

/// A list of names as numbers, equal names as equal numbers.
fn numbered<'a>(names: impl Iterator<Item = &'a String>) -> Vec<usize> {
    let mut seen = HashMap::new();
    names
        .map(|name| {
            let next = seen.len();
            *seen.entry(name).or_insert(next)
        })
        .collect()
}

#[test]
fn explore_finds_the_topics_and_the_retellings() {
    if !common::may_fetch() {
        return;
    }
    let world = World::new();
    fs::create_dir(world.path("seeds")).unwrap();
    copy(&repository("seeds"), &world.path("seeds"));
    let explored = json(&mut command(&world, "explore seeds/ --json"));
    let labels = table("labels.tsv");
    assert!(labels.len() >= 80);
    assert_eq!(explored["counts"]["articles"], labels.len());
    assert!(world.path("seeds.nearwise").is_file());

    // As it comes: the number of topics is chosen by the program.
    let topics = members(&world);
    assert_eq!(topics.len(), labels.len());
    let intended = numbered(labels.iter().map(|(_, topic)| topic));
    let found = numbered(labels.iter().map(|(id, _)| &topics[id]));
    let v = v_measure(&intended, &found);
    assert!(v >= 0.85, "V-measure {v:.3}");

    // What was told again is nearest to the story, and the exact copy is listed as one.
    let nearest = |id: &str| -> Value {
        json(&mut command(&world, &format!("similar {id} -k 1 --json")))[0]["id"].clone()
    };
    for (story, retold) in table("twins.tsv") {
        assert_eq!(nearest(&retold), story.as_str(), "nearest to {retold}");
        assert_eq!(nearest(&story), retold.as_str(), "nearest to {story}");
    }
    let copies = explored["near_duplicates"].as_array().unwrap();
    assert!(copies.iter().any(|pair| pair["words"] == 1.0), "{copies:?}");

    // A long feature is several passages, and nothing of it is lost between them.
    let stats = &explored["counts"];
    assert!(stats["passages"].as_u64() > stats["articles"].as_u64());

    // The block that four columns share is in no vector.
    let columns: Vec<&String> = labels
        .iter()
        .map(|(id, _)| id)
        .filter(|id| id.contains("columns/"))
        .collect();
    assert!(columns.len() >= 3);
    for id in columns {
        let shown = json(&mut command(&world, &format!("show {id} --json")));
        assert!(
            !shown["article"]["boilerplate"]
                .as_array()
                .unwrap()
                .is_empty(),
            "{id}"
        );
    }

    // A second run has nothing to do and says the same.
    let again = json(&mut command(&world, "explore seeds/ --json"));
    assert_eq!(again["report"]["embedded"], 0);
    assert_eq!(again["topics"], explored["topics"]);
}

/// The same topics to the label, run after run, on one thread and on two.
#[test]
fn topics_do_not_depend_on_chance_or_threads() {
    if !common::may_fetch() {
        return;
    }
    let run = |threads: &str| {
        let world = World::new();
        let line = "explore --json --topics 8";
        let explored = json(
            command(&world, line)
                .arg(repository("seeds"))
                .env("RAYON_NUM_THREADS", threads),
        );
        // It counts transactions, which a run commits by the clock.
        let mut topics = explored["topics"].clone();
        let generation = topics
            .pointer_mut("/run/generation")
            .map(serde_json::Value::take);
        assert!(generation.is_some_and(|n| n.is_u64()));
        (topics, members(&world))
    };
    let first = run("2");
    assert_eq!(run("2"), first, "two threads, again");
    assert_eq!(run("1").1, first.1, "one thread");
}
