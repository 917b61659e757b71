//! Words: how they are compared, found and understood.

use crate::common::World;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn jsonl(rows: impl IntoIterator<Item = Value>) -> String {
    rows.into_iter().map(|row| format!("{row}\n")).collect()
}

fn indexed(rows: impl IntoIterator<Item = Value>) -> World {
    let world = World::new();
    world.write("in.jsonl", jsonl(rows));
    world.run("index in.jsonl -c c.nearwise");
    world
}

fn ids(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap();
    list.iter().map(|x| x["id"].as_str().unwrap()).collect()
}

#[test]
fn copies_are_one_group_whatever_their_number() {
    let stub =
        "The market data of the company is in the software: said the bank. Ask the team for it.";
    let started = Instant::now();
    let mut rows: Vec<Value> = (0..3000)
        .map(|i| json!({"id": format!("stub{i}"), "text": stub}))
        .collect();
    rows.push(json!({"id": "dated", "text": stub, "date": "2024-05-01"}));
    rows.push(
        json!({"id": "other", "text": "A goal in the last minute won the cup for the team."}),
    );
    let world = indexed(rows);
    let indexing = started.elapsed();
    let started = Instant::now();
    let found = world.json("duplicates --json -k 5");
    // All pairs of them took over a minute, and the memory of millions of pairs.
    let limit = Duration::from_secs(20).max(4 * indexing);
    assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    assert_eq!(found["groups_found"], 1);
    assert_eq!(
        (&found["articles"], &found["surplus"]),
        (&json!(3001), &json!(3000))
    );
    let group = &found["groups"][0];
    assert_eq!(
        (&group["size"], &group["keep"]["id"]),
        (&json!(3001), &json!("dated"))
    );
    let members = group["members"].as_array().unwrap();
    assert_eq!(members.len(), 3000);
    assert!(
        members
            .iter()
            .all(|m| m["words"] == 1.0 && m["copy_of"] == "dated")
    );
    assert_eq!(found["pairs"].as_array().unwrap().len(), 5);
    let shown = world.run("duplicates -k 5");
    assert!(shown.contains("and 2,990 more"), "{shown}");
    assert!(
        shown.contains("3,001 articles in 1 group; 3,000 could go"),
        "{shown}"
    );
    // Where there is no title, the start of the text.
    assert!(shown.contains("The market data of the company"), "{shown}");

    let meaning = world.json("duplicates --by meaning --threshold 1 --json -k 5");
    assert_eq!(meaning["groups"][0]["size"], 3001);
    assert!(
        meaning["groups"][0]["members"][0]["cosine"]
            .as_f64()
            .unwrap()
            <= 1.0
    );
}

#[test]
fn texts_of_one_template_are_one_group_without_all_pairs() {
    let rows = (0..600).map(|i| {
        json!({"id": i, "text": format!(
            "The company {i} said that it will pay a dividend for the last quarter in the month of \
             May, as it did in the quarter before, and that the board met in the city for the vote \
             on the new rate of the payment to the owners of its shares.")})
    });
    let world = indexed(rows);
    let found = world.json("duplicates --json");
    assert_eq!(found["groups"][0]["size"], 600);
    let pairs = found["pairs_found"].as_u64().unwrap();
    assert!((599..6000).contains(&pairs), "{pairs}");
    assert_eq!(found["pairs"].as_array().unwrap().len(), 100);
}

#[test]
fn a_brief_within_a_longer_story_is_found() {
    let brief = "The harbour bridge reopens in September after the council voted on Tuesday to pay for \
                 new bearings, the engineer in charge told reporters.";
    let around = "Ferry passengers who waited two summers for the crossing may be glad, but shop owners on \
                  the north quay fear that nobody will stop there once the road is open, and they want a \
                  car park, better signs and a market on Sundays in return for what they lost.";
    let world = indexed([
        json!({"id": "brief", "text": brief}),
        json!({"id": "story", "text": format!("{around} {brief} {around}")}),
        json!({"id": "other", "text": around.replace("the", "a")}),
    ]);
    let near = world.command("duplicates").output().unwrap();
    assert_eq!(
        near.status.code(),
        Some(3),
        "by words, no pair is that much alike"
    );
    let found = world.json("duplicates --by containment --json");
    assert_eq!(found["pairs_found"], 1);
    assert_eq!(found["groups"][0]["keep"]["id"], "story");
    let member = &found["groups"][0]["members"][0];
    assert_eq!(member["id"], "brief");
    assert!(member["contained"].as_f64().unwrap() > 0.9, "{member}");
    assert!(member["words"].as_f64().unwrap() < 0.5, "{member}");
    world.fails(
        "duplicates --by containment --threshold 0",
        2,
        &["--threshold"],
    );
}

#[test]
fn typography_is_no_difference() {
    let straight = "It's the mayor's view - \"not before May\" - that the crossing's reopening hasn't been \
                    planned, and the co-operative's final offer didn't help.";
    let printed = "It’s the mayor’s view – “not before May” – that the cross\u{ad}ing’s reopen\u{200b}ing \
                   hasn’t been planned, and the co‑operative’s ﬁnal oﬀer didn’t help.";
    let world = indexed([
        json!({"id": "straight", "text": straight}),
        json!({"id": "printed", "text": printed}),
    ]);
    let found = world.json("duplicates --json");
    assert_eq!(found["pairs"][0]["words"], 1.0);
    assert_eq!(found["groups"][0]["members"][0]["copy_of"], "straight");
    // The word index knows them alike.
    let hits = world.json("search reopening --hybrid --json");
    let fused: Vec<f64> = hits["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|h| h["fused"].as_f64().unwrap())
        .collect();
    assert!(fused.iter().all(|&f| f > 0.03), "in both lists: {fused:?}");
    assert!(
        world.json("search “crossing’s” --hybrid --json")["hits"][0]["fused"]
            .as_f64()
            .unwrap()
            > 0.03
    );
}

#[test]
fn emoji_are_words() {
    let world = indexed([
        json!({"id": "a", "text": "🚀🚀🎉 👍"}),
        json!({"id": "b", "text": "🚀 🚀 🎉👍"}),
        json!({"id": "c", "text": "The bank said 🐟."}),
    ]);
    assert_eq!(world.json("duplicates --json")["pairs"][0]["words"], 1.0);
    assert_eq!(by_words(&world, "🐟"), ["c"]);
}

/// Those that the word index finds: in the hybrid list, they are in both lists.
fn by_words(world: &World, query: &str) -> Vec<String> {
    let output = world
        .command("search --hybrid --json -k 100 -c c.nearwise")
        .arg(query)
        .output()
        .unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    found["hits"]
        .as_array()
        .unwrap()
        .iter()
        // Reciprocal ranks: of one list alone it is 1/61 at most.
        .filter(|hit| hit["fused"].as_f64().unwrap() > 1.0 / 61.0 + 1e-6)
        .map(|hit| hit["id"].as_str().unwrap().to_string())
        .collect()
}

#[test]
fn words_of_scripts_without_blanks_are_found() {
    let world = indexed([
        json!({"id": "zh", "title": "渡轮票价上涨", "text": "渡轮票价六月起上涨百分之五。"}),
        json!({"id": "ja", "title": "橋の再開", "text": "港の橋は九月にふたたび開通する。カタカナ語も。"}),
        json!({"id": "th", "text": "สะพานท่าเรือจะเปิดอีกครั้งในเดือนกันยายน"}),
        json!({"id": "ko", "text": "대한민국은 항구의 다리를 구월에 다시 연다."}),
        json!({"id": "hi", "text": "पुल सितंबर में खुलेगा"}),
        json!({"id": "en", "text": "The bridge opens in September."}),
    ]);
    for (query, id) in [
        ("票价", "zh"),
        ("六月起上涨", "zh"),
        ("轮", "zh"),
        ("ふたたび", "ja"),
        ("ｶﾀｶﾅ", "ja"),
        ("橋", "ja"),
        ("กันยายน", "th"),
        ("ท่าเรือ", "th"),
        ("대한민국", "ko"),
        ("항구", "ko"),
        ("सितंबर", "hi"),
        ("BRIDGE", "en"),
    ] {
        assert_eq!(by_words(&world, query), [id], "{query}");
    }
    // What is changed or deleted is found as it is now.
    world.write(
        "in.jsonl",
        jsonl([json!({"id": "zh", "text": "港口的大桥重新开放"})]),
    );
    world.run("index in.jsonl -c c.nearwise");
    assert_eq!(by_words(&world, "大桥"), ["zh"]);
    assert!(by_words(&world, "票价").is_empty());
    world.run("delete ko -c c.nearwise");
    assert!(by_words(&world, "대한민국").is_empty());
}

#[test]
fn what_most_articles_of_a_source_hold_is_boilerplate_wherever_it_stands() {
    let promo = "PROMO Get our morning paper, with all the news of the city, by post.";
    let quote = "“It works,” said the minister of the market to the team of the paper.";
    let stories = ["bank", "cup", "river", "moon", "court", "vaccine", "ship"];
    let row = |i: usize, word: &str| {
        // A quotation in three of seven stays.
        let own = if i < 3 {
            quote
        } else {
            "Nobody said more to the paper."
        };
        json!({"id": word, "title": format!("The {word}"), "source": "paper", "text": format!(
            "First the {word} was in the news.\n\n{promo}\n\nThen the {word} was not.\n\n{own}\n\nSo ends the {word}.")})
    };
    let rows = || stories.iter().enumerate().map(|(i, word)| row(i, word));
    let world = indexed(rows());
    let left_out = |world: &World, id: &str| -> Vec<String> {
        let shown = world.json(&format!("show {id} --json -c c.nearwise"));
        let text = shown["article"]["text"].as_str().unwrap();
        let spans = shown["article"]["boilerplate"].as_array().unwrap();
        let at = |v: &Value| v.as_u64().unwrap() as usize;
        spans
            .iter()
            .map(|s| text[at(&s["start"])..at(&s["end"])].to_string())
            .collect()
    };
    for word in stories {
        assert_eq!(left_out(&world, word), [promo], "{word}");
    }
    let summary = world.run("index in.jsonl -c c.nearwise");
    assert!(
        summary.contains("1 paragraph recurs and is kept out of the vectors"),
        "{summary}"
    );

    // A story at a time comes to the same.
    let slow = World::new();
    for row in rows() {
        slow.write("one.jsonl", jsonl([row]));
        slow.run("index one.jsonl -c c.nearwise");
    }
    for word in stories {
        assert_eq!(left_out(&slow, word), left_out(&world, word), "{word}");
    }
    // In a source of many other articles it is no more than a paragraph that recurs.
    let others = (0..12).map(|i| {
        json!({"id": format!("o{i}"), "title": format!("Other {i}"), "source": "paper",
        "text": format!("The market number {i}.\n\nThe price was {i}.\n\nThe end of {i}.")})
    });
    slow.write("more.jsonl", jsonl(others));
    slow.run("index more.jsonl -c c.nearwise");
    assert!(left_out(&slow, "bank").is_empty());
}

#[test]
fn boilerplate_is_found_where_every_article_has_the_same_title() {
    let masthead = "Write to the paper of the city by post.";
    let promo = "PROMO Get our morning paper, with the news, by post.";
    let words = ["bank", "cup", "river", "moon", "court", "vaccine", "ship"];
    let rows = |title: &str| -> Vec<Value> {
        let row = |word: &str| {
            json!({"id": word, "title": title, "source": "paper", "text": format!(
                "First the {word} was in the news of the city, and then the {word} was not.\n\n\
                 {promo}\n\nSo ends the {word}.\n\n{masthead}")})
        };
        words.iter().map(|word| row(word)).collect()
    };
    for title in ["The Daily Brief", ""] {
        let world = indexed(rows(title));
        let shown = world.run("show moon -c c.nearwise");
        let left_out: Vec<&str> = shown.lines().filter_map(|l| l.strip_prefix("| ")).collect();
        assert_eq!(left_out, [promo, masthead], "{title:?}: {shown}");
    }
    // Copies of one article under one title are still no boilerplate.
    let copies = (0..7).map(|i| {
        json!({"id": i.to_string(), "title": "The Daily Brief", "source": "paper", "text": format!(
            "Edition {i}.\n\nThe river was closed to ships for all of the day.\n\nThe court was not.")})
    });
    let shown = indexed(copies).run("show 3 -c c.nearwise");
    assert!(!shown.lines().any(|l| l.starts_with("| ")), "{shown}");
}

#[test]
fn a_text_that_the_model_cannot_read_is_counted_and_has_no_neighbours() {
    let world = World::new();
    world.write(
        "in.jsonl",
        jsonl([
            json!({"id": "th0", "text": "สะพานท่าเรือจะเปิดอีกครั้ง"}),
            json!({"id": "th1", "text": "ราคาน้ำมันลดลงเป็นครั้งแรก"}),
            json!({"id": "en0", "text": "The bank cut the interest rate for the market."}),
            json!({"id": "en1", "text": "The bank cut the interest rates for the market."}),
        ]),
    );
    let output = world
        .command("index in.jsonl -c c.nearwise")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said
        .lines()
        .find(|l| l.contains("cannot be read"))
        .unwrap_or_else(|| panic!("{said}"));
    for part in ["2 of 4 articles", "100 %", "tiny-bert"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    // Half of them would be better off with another model.
    assert!(said.contains("multilingual"), "{said}");
    let pairs = world.json("duplicates --by meaning --threshold 0.5 --json");
    assert_eq!(pairs["articles"], 2);
    assert_eq!(ids(&world.json("similar en0 --json")), ["en1"]);
    world.fails("similar th0", 1, &["cannot read", "th0", "multilingual"]);
    let report = world.json("index in.jsonl -c again.nearwise --json");
    assert_eq!(report["unread"], 2);
    // A topic whose most typical article is such a one is shown without a neighbour.
    let thai = [
        "สะพานท่าเรือจะเปิดอีกครั้ง",
        "ราคาน้ำมันลดลงเป็นครั้งแรก",
        "ทีมชนะการแข่งขัน",
        "รัฐมนตรีลาออก",
    ];
    world.write("th.jsonl", jsonl(thai.map(|text| json!({"text": text}))));
    let explored = world.json("explore th.jsonl -c th.nearwise --json");
    assert_eq!(explored["counts"]["articles"], 4);
    assert_eq!(explored["neighbours"], json!([]));
}

#[test]
fn copies_weigh_in_the_topics_of_a_small_corpus() {
    let mut rows = Vec::new();
    for i in 0..40 {
        rows.push(
            json!({"id": format!("g{i}"), "text": "The team won the cup final with a goal."}),
        );
        rows.push(json!({"id": format!("b{i}"), "text": format!(
            "The bank cut the interest rate, market {} said, price {i}.", "to the and of".split(' ').nth(i % 4).unwrap())}));
        rows.push(json!({"id": format!("r{i}"), "text": format!("Ice on the river, water and ship {}.", ["a", "b", "c", "d", "e"][i % 5].repeat(1 + i / 5))}));
    }
    let world = indexed(rows);
    let topics = world.json("topics fit --topics 3 --json -c c.nearwise");
    let topics = world
        .json("topics --json -c c.nearwise")
        .get("topics")
        .cloned()
        .unwrap_or(topics);
    let mut sizes: Vec<u64> = topics
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["size"].as_u64().unwrap())
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [40, 40, 40]);
}
