//! Which device computes: what is said where there is no GPU, and corpora that were made on
//! another kind of device.

mod common;

use common::{World, database};
use predicates::prelude::*;

/// Makes a corpus say that another dtype made it, as one that was made elsewhere.
fn made_with(world: &World, corpus: &str, dtype: &str) {
    let db = database(&world.path(corpus));
    let changed = db
        .execute(
            "UPDATE meta SET value = ?1 WHERE key = 'model.dtype'",
            [dtype],
        )
        .unwrap();
    assert_eq!(changed, 1);
}

#[test]
fn a_corpus_made_on_a_gpu_is_searched_and_continued_on_the_cpu() {
    let world = World::new();
    world.articles();
    world.run("index six.jsonl -c six.nearwise --dtype f32");
    made_with(&world, "six.nearwise", "f16");
    let hits = world.json("search bank -c six.nearwise --device cpu --json");
    assert!(!hits["hits"].as_array().unwrap().is_empty());
    world.write(
        "more.jsonl",
        r#"{"id": "x", "text": "a new match in the city"}"#,
    );
    world.run("index more.jsonl -c six.nearwise --device cpu");
    let stats = world.json("stats -c six.nearwise --json");
    assert_eq!(stats["counts"]["articles"], 7, "{stats}");
    // Numbers that are too coarse to go with the others stay refused.
    world.write("most.jsonl", r#"{"id": "y", "text": "another match"}"#);
    world.fails(
        "index most.jsonl -c six.nearwise --dtype int8",
        1,
        &["f16, not int8", "leave out --dtype"],
    );
}

#[test]
fn types_that_a_device_lacks_are_named() {
    let world = World::new();
    world.fails(
        "embed bank --device cpu --dtype f16",
        1,
        &["device cpu", "f32, bf16, int8", "not f16"],
    );
    world.fails("embed bank --device gpu", 2, &["'gpu'", "cuda:N"]);
}

#[test]
fn a_gpu_that_is_not_there_is_named_when_it_is_asked_for() {
    if nearwise::encoder::DeviceChoice::Cuda(None).open().is_ok() {
        // On a host with a GPU there is nothing to be said.
        return;
    }
    let world = World::new();
    world.articles();
    for line in [
        "embed bank --device cuda",
        "index six.jsonl -c six.nearwise --device cuda:0",
    ] {
        world.fails(line, 1, &["device cuda"]);
    }
    let devices = world.json("devices --json");
    let cuda = devices
        .as_array()
        .unwrap()
        .iter()
        .find(|d| d["name"].as_str().unwrap().starts_with("cuda"))
        .unwrap();
    assert_eq!(cuda["usable"], false);
    assert!(!cuda["about"].as_str().unwrap().is_empty());
    // Left to itself, the program computes on the CPU; a build that knows GPUs says why.
    let auto = world.command("embed bank").assert().success();
    let said = predicate::str::contains("using the CPU: ");
    if cfg!(feature = "cuda") {
        auto.stderr(said);
    } else {
        auto.stderr(said.not());
    }
}
