//! Columns, dates, encodings and metadata.

use crate::common::World;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};
use std::sync::Arc;

/// Indexes a file that is read without a problem; what the run said, and what the corpus holds.
fn index(world: &World, name: &str, content: impl AsRef<[u8]>) -> (String, Vec<Value>) {
    world.write(name, content);
    index_with(world, name, "")
}

fn index_with(world: &World, name: &str, options: &str) -> (String, Vec<Value>) {
    let line = format!("index {name} -c {name}.nearwise {options}");
    let output = world.command(&line).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{line}: {said}");
    (said, world.exported(&format!("{name}.nearwise")))
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

#[test]
fn what_has_a_role_and_cannot_be_it_is_kept_and_said() {
    let world = World::new();
    let (said, rows) = index(
        &world,
        "a.jsonl",
        lines(&[
            json!({"id": "1", "title": "Pier", "text": "The pier closes.", "source": {"id": null, "name": "Coast News"}}),
            json!({"id": "2", "title": "Pier", "text": "It opens.", "source": {"id": "cn", "name": "Coast News"}}),
            json!({"id": "3", "title": "Pier", "text": "It burns.", "source": {"code": 7}, "date": "some day"}),
        ]),
    );
    assert_eq!(rows[0]["source"], "Coast News");
    assert_eq!(rows[0]["metadata"], json!({}));
    assert_eq!(rows[1]["metadata"], json!({"source": {"id": "cn"}}));
    assert_eq!(
        rows[2]["metadata"],
        json!({"source": {"code": 7}, "date": "some day"})
    );
    assert!(
        said.contains("1 value of the source could not be read and is kept as metadata"),
        "{said}"
    );
    assert!(
        said.contains("1 date could not be read and is kept as metadata: \"some day\""),
        "{said}"
    );
}

#[test]
fn a_headline_is_an_article() {
    let world = World::new();
    let (_, rows) = index(
        &world,
        "a.csv",
        "id,title,text\n1,Pier closes,For good.\n2,Ten best bays of the coast,\n",
    );
    assert_eq!(rows[1]["title"], "Ten best bays of the coast");
    assert_eq!(rows[1]["text"], "");
    assert_eq!(rows.len(), 2);
    let shown = world.run("search bays -c a.csv.nearwise");
    assert!(shown.contains("Ten best bays"), "{shown}");
    world.write("none.csv", "id,title,text\n1,,\n");
    world.fails(
        "index none.csv -c none.nearwise",
        1,
        &["none.csv:", "no text"],
    );
}

#[test]
fn the_columns_that_data_sets_have() {
    let world = World::new();
    for (name, content, article) in [
        (
            "abc.csv",
            "publish_date,headline_text\n20040511,pier closes for repairs\n".to_string(),
            json!({"title": "pier closes for repairs", "text": "", "date": "2004-05-11"}),
        ),
        (
            "huff.csv",
            "category,headline,authors,link,short_description,date\nSEA,Pier closes,A. B.,http://x/1,For good.,2021-07-09\n".to_string(),
            json!({"title": "Pier closes", "text": "For good.", "date": "2021-07-09", "url": "http://x/1"}),
        ),
        (
            "wp.csv",
            "ID,post_title,post_content,post_date,guid\n9,Pier closes,<p>For good.</p>,2021-07-09 18:30:05,http://x/?p=9\n".to_string(),
            json!({"id": "9", "title": "Pier closes", "text": "For good.", "date": "2021-07-09T18:30:05", "url": "http://x/?p=9"}),
        ),
        (
            "tweets.csv",
            "id,created_at,username,tweet\n5,Fri Jul 09 18:30:05 +0000 2021,gull,Pier closes &amp; more\n".to_string(),
            json!({"id": "5", "title": "", "text": "Pier closes & more", "date": "2021-07-09T18:30:05", "source": "gull"}),
        ),
        (
            "please.jsonl",
            lines(&[json!({"title": "Pier", "text": null, "maintext": "It closes.", "date_publish": "2021-07-09 18:30:05",
                "source_domain": "x.test", "url": "http://x/1", "authors": ["A"]})]),
            json!({"title": "Pier", "text": "It closes.", "date": "2021-07-09T18:30:05", "source": "x.test", "url": "http://x/1"}),
        ),
        (
            "reddit.jsonl",
            lines(&[json!({"id": "q", "title": "Pier", "selftext": "It closes.", "created_utc": 1_625_855_405.0, "subreddit": "coast"})]),
            json!({"id": "q", "title": "Pier", "text": "It closes.", "date": "2021-07-09T18:30:05", "source": "coast"}),
        ),
        (
            "mongo.jsonl",
            lines(&[json!({"_id": {"$oid": "5f0a"}, "title": "Pier", "body": "It closes.", "date": {"$date": {"$numberLong": "1625855405000"}}})]),
            json!({"id": "5f0a", "title": "Pier", "text": "It closes.", "date": "2021-07-09T18:30:05"}),
        ),
    ] {
        let (said, rows) = index(&world, name, content);
        assert!(!said.contains("could not"), "{name}: {said}");
        for (key, value) in article.as_object().unwrap() {
            assert_eq!(&rows[0][key], value, "{name} {key}: {}", rows[0]);
        }
    }
}

#[test]
fn columns_are_proposed_named_and_joined() {
    let world = World::new();
    let rows = lines(&[
        json!({"n": 1, "blob": {"main": "The pier closes for good, says the council."}, "intro": "A lead."}),
        json!({"n": 2, "blob": {"main": "It opens."}}),
    ]);
    world.write("a.jsonl", &rows);
    world.fails(
        "index a.jsonl -c x.nearwise",
        1,
        &["a.jsonl:1", "\"blob.main\"", "--text-column"],
    );
    world.write("a.csv", "n,blob\n1,The pier closes for good.\n");
    world.fails(
        "index a.csv -c x.nearwise",
        1,
        &[
            "a.csv:1",
            "the longest texts are in \"blob\"",
            "--text-column",
        ],
    );
    world.fails(
        "index a.jsonl -c x.nearwise --text-column start,bulk",
        1,
        &["a.jsonl:1", "start,bulk", "n, blob, intro"],
    );
    let (said, rows) = index_with(&world, "a.jsonl", "--text-column INTRO,Blob.Main");
    assert!(said.contains("text=intro + blob.Main"), "{said}");
    assert_eq!(
        rows[0]["text"],
        "The pier closes for good, says the council."
    );
    assert_eq!(rows[0]["title"], "A lead.");
    // A later row need not have every column.
    assert_eq!(rows[1]["text"], "It opens.");
}

#[test]
fn dates_that_cannot_be_read_are_counted() {
    let world = World::new();
    let dates = [
        "2021-07-09T18:30:05+0200",
        "07/08/2021",
        "2025-13-45",
        "2021",
        "None",
    ];
    let rows: Vec<Value> = (0..)
        .zip(dates)
        .map(|(i, date)| json!({"id": i, "text": format!("Text {i}"), "date": date}))
        .collect();
    let (said, held) = index(&world, "a.jsonl", lines(&rows));
    assert!(
        said.contains("2 dates could not be read and are kept as metadata, such as \"07/08/2021\""),
        "{said}"
    );
    let read: Vec<&str> = held
        .iter()
        .map(|a| a["date"].as_str().unwrap_or(""))
        .collect();
    assert_eq!(read, ["2021-07-09T16:30:05", "", "", "2021", ""]);
    assert_eq!(held[1]["metadata"]["date"], "07/08/2021");
    world.fails(
        "export -c a.jsonl.nearwise --where date=2025-13-45",
        2,
        &["--where", "2025-13-45", "is no date"],
    );
    assert_eq!(
        world
            .run("export -c a.jsonl.nearwise --where date>=2021")
            .lines()
            .count(),
        2
    );
}

#[test]
fn encodings_that_nearly_are_or_hide() {
    let world = World::new();
    let german =
        "Größe der Brücke\n\nDer Bürgermeister eröffnet die Brücke über den Fluß im Frühjahr.\n";
    let mut bytes = german.as_bytes().to_vec();
    bytes.extend_from_slice(b"\xe4 Ende.\n");
    let (said, rows) = index(&world, "a.txt", &bytes);
    assert_eq!(rows[0]["title"], "Größe der Brücke");
    assert!(
        rows[0]["text"]
            .as_str()
            .unwrap()
            .ends_with("\u{fffd} Ende."),
        "{}",
        rows[0]
    );
    assert!(
        said.contains("a.txt: not UTF-8 in 1 place, replaced by \u{fffd}"),
        "{said}"
    );

    let (japanese, _, _) =
        encoding_rs::ISO_2022_JP.encode("id,text\n1,\"港の橋が再び開く,そして\"\n");
    let (said, rows) = index(&world, "jp.csv", &japanese);
    assert_eq!(rows[0]["text"], "港の橋が再び開く,そして");
    assert!(said.contains("ISO-2022-JP"), "{said}");
    let page = "<html><head><meta charset=iso-2022-jp></head><body><article><h1>橋</h1><p>港の橋が再び開く。</p></article></body></html>";
    let (japanese, _, _) = encoding_rs::ISO_2022_JP.encode(page);
    let (_, rows) = index(&world, "jp.html", &japanese);
    assert_eq!(
        (&rows[0]["title"], &rows[0]["text"]),
        (&json!("橋"), &json!("港の橋が再び開く。"))
    );

    let wide: Vec<u8> = "id,text\n1,The bridge reopens\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let (_, rows) = index(&world, "wide.csv", &wide);
    assert_eq!(rows[0]["text"], "The bridge reopens");

    let (_, rows) = index(
        &world,
        "nul.csv",
        b"id,text\n1,\"The \0 bridge\"\n2,The ferry\n",
    );
    assert_eq!((rows.len(), &rows[0]["text"]), (2, &json!("The  bridge")));
}

/// A Parquet file of two rows; `write` fills each column in turn.
fn parquet(world: &World, name: &str, schema: &str) {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let file = std::fs::File::create(world.path(name)).unwrap();
    let mut writer =
        SerializedFileWriter::new(file, schema, Arc::new(WriterProperties::new())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let texts = |list: [&str; 2]| list.map(|s| ByteArray::from(s.as_bytes().to_vec()));
    let mut column = 0;
    while let Some(mut one) = group.next_column().unwrap() {
        match column {
            0 => one.typed::<ByteArrayType>().write_batch(
                &texts(["The pier closes.", "It opens."]),
                None,
                None,
            ),
            1 => one
                .typed::<Int64Type>()
                .write_batch(&[1_625_855_405_123_456_789, 0], None, None),
            2 => one.typed::<ByteArrayType>().write_batch(
                &texts(["Coast News", "Bay Post"]),
                None,
                None,
            ),
            3 => one.typed::<Int64Type>().write_batch(&[7, 8], None, None),
            4 => one
                .typed::<Int64Type>()
                .write_batch(&[1250, -5], None, None),
            // Lists of two and of one.
            _ => one.typed::<ByteArrayType>().write_batch(
                &["sea", "port", "bay"].map(|s| ByteArray::from(s.as_bytes().to_vec())),
                Some(&[1, 1, 1]),
                Some(&[0, 1, 0]),
            ),
        }
        .unwrap();
        one.close().unwrap();
        column += 1;
    }
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn parquet_of_all_types() {
    let world = World::new();
    parquet(
        &world,
        "a.parquet",
        "message m {
            required binary text (UTF8);
            required int64 date (TIMESTAMP(NANOS,true));
            required group source { required binary name (UTF8); required int64 code; }
            required int64 price (DECIMAL(10,2));
            required group tags (LIST) { repeated group list { required binary element (UTF8); } }
        }",
    );
    let (said, rows) = index_with(&world, "a.parquet", "");
    assert!(!said.contains("could not"), "{said}");
    assert_eq!(rows[0]["date"], "2021-07-09T18:30:05");
    assert_eq!(rows[1]["date"], "1970-01-01T00:00:00");
    assert_eq!(rows[0]["source"], "Coast News");
    assert_eq!(
        rows[0]["metadata"],
        json!({"source": {"code": 7}, "price": 12.5, "tags": ["sea", "port"]})
    );
    assert_eq!(rows[1]["metadata"]["price"], -0.05);
}

#[test]
fn a_parquet_file_that_makes_its_reader_fail_is_one_bad_file() {
    let world = World::new();
    world.articles();
    parquet(
        &world,
        "a.parquet",
        "message m {
            required binary text (UTF8); required int64 date (TIMESTAMP(NANOS,true));
            required group source { required binary name (UTF8); required int64 code; }
            required int64 price (DECIMAL(10,2));
            required group tags (LIST) { repeated group list { required binary element (UTF8); } }
        }",
    );
    let whole = std::fs::read(world.path("a.parquet")).unwrap();
    let footer = whole.len() - 400;
    // Damage at every place of the footer's beginning and of the pages; a panic would be told.
    for at in (4..whole.len() - 8).step_by(9) {
        let mut bytes = whole.clone();
        bytes[at] ^= if at < footer { 0x3f } else { 0x15 };
        world.write("bad.parquet", &bytes);
        let output = world
            .command("index six.jsonl bad.parquet --skip-bad -c bad.nearwise")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !said.contains("panicked"),
            "{at}: {said}"
        );
        std::fs::remove_file(world.path("bad.nearwise")).unwrap();
    }
}

#[test]
fn what_is_exported_is_read_again() {
    let world = World::new();
    let (_, rows) = index(
        &world,
        "a.jsonl",
        lines(&[
            json!({"id": "1", "title": "Pier", "text": "If a < b, then \"the pier\" closes;\n\nso they say.", "topic": "coast",
                "vector": [1, 2], "topic_label": null, "metadata": "own", "tags": ["sea", "port"], "date": "soon"}),
            json!({"id": "2", "title": "", "text": "No headline, no end", "author": {"name": "Ann"}, "date": "2021-07"}),
            json!({"id": "3", "title": "Only a headline", "text": ""}),
        ]),
    );
    assert_eq!(rows[0]["metadata"]["topic"], "coast");
    world.run("topics fit --topics 2 -c a.jsonl.nearwise");
    let rows = world.exported("a.jsonl.nearwise");
    assert!(rows[0]["topic"].is_number(), "{}", rows[0]);
    let plain = |rows: Vec<Value>| -> Vec<Value> {
        let without = |mut row: Value| {
            for name in ["topic", "topic_label", "topic_similarity", "vector"] {
                row.as_object_mut().unwrap().remove(name);
            }
            row
        };
        rows.into_iter().map(without).collect()
    };
    for name in ["out.jsonl", "out.CSV", "out.parquet"] {
        world.run(&format!("export -c a.jsonl.nearwise --vectors -o {name}"));
        let (said, again) = index_with(&world, name, "");
        assert!(!said.contains("could not"), "{name}: {said}");
        assert_eq!(plain(again), plain(rows.clone()), "{name}");
    }
    let csv = world.run("export -c a.jsonl.nearwise --format csv");
    assert!(
        csv.starts_with("id,title,text,date,source,url,metadata,topic,"),
        "{csv}"
    );
}

#[cfg(unix)]
#[test]
fn nothing_is_made_beside_a_device() {
    let world = World::new();
    index(&world, "a.csv", "id,text\n1,The pier\n");
    world.run("export -c a.csv.nearwise --format npy -o /dev/null");
    assert!(!std::path::Path::new("/dev/null.ids.txt").exists());
    if std::path::Path::new("/dev/full").exists() {
        for format in ["jsonl", "csv", "parquet", "npy"] {
            world.fails(
                &format!("export -c a.csv.nearwise --format {format} -o /dev/full"),
                1,
                &["/dev/full: ", "No space left"],
            );
        }
    }
}

#[test]
fn metadata_of_several_values_is_filtered() {
    let world = World::new();
    index(
        &world,
        "a.jsonl",
        lines(&[
            json!({"id": "1", "text": "The pier closes", "tags": ["local", "sea"]}),
            json!({"id": "2", "text": "The ferry", "tags": ["travel"], "place": {"city": "Bay", "geo": [{"n": 1}, {"n": 2}]}}),
        ]),
    );
    let ids = |filter: &str| {
        let mut command = world.command("export -c a.jsonl.nearwise --where");
        let output = command.arg(filter).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            matches!(output.status.code(), Some(0 | 3)),
            "{filter}: {said}"
        );
        let lines = String::from_utf8(output.stdout).unwrap();
        let ids = lines.lines().map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["id"]
                .as_str()
                .unwrap()
                .to_string()
        });
        ids.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids("tags = 'sea'"), "1");
    assert_eq!(ids("tags != 'sea'"), "2");
    assert_eq!(ids("tags IN ('travel', 'local')"), "1 2");
    assert_eq!(ids("place.city = 'Bay' AND place.geo.n > 1"), "2");
    assert_eq!(ids("place.city IS NULL"), "1");
    let many: Vec<String> = (0..3000).map(|i| format!("'{i}'")).collect();
    assert_eq!(ids(&format!("tags IN ({}, 'sea')", many.join(","))), "1");
    let all: Vec<String> = (0..1500).map(|i| format!("id != 'x{i}'")).collect();
    assert_eq!(ids(&all.join(" AND ")), "1 2");
    let some: Vec<String> = (0..4000).map(|i| format!("id = '{i}'")).collect();
    assert_eq!(ids(&some.join(" OR ")), "1 2");
}

#[test]
fn markdown_with_front_matter_and_html() {
    let world = World::new();
    world.write("d/yaml.md", "---\ntitle: Pier\ntags:\n  - sea\ndate: 2021-07-09 18:30:05 +0200\n---\n<div>\nThe lead.\n</div>\n\nThe rest.\n");
    world.write(
        "d/toml.md",
        "+++\ntitle = \"Bay\"\ndate = 2021-07-09\n+++\nThe bay.\n",
    );
    world.write(
        "d/rule.md",
        "---\n\nA rule first: no front matter.\n\n---\n\nMore.\n",
    );
    let (_, rows) = index_with(&world, "d", "");
    assert_eq!(rows[0]["title"], "A rule first: no front matter.");
    assert_eq!(rows[0]["text"], "More.");
    assert_eq!(rows[0]["metadata"], json!({}));
    assert_eq!(
        (&rows[1]["title"], &rows[1]["date"]),
        (&json!("Bay"), &json!("2021-07-09"))
    );
    assert_eq!(rows[2]["text"], "The lead.\n\nThe rest.");
    assert_eq!(rows[2]["date"], "2021-07-09T16:30:05");
    assert_eq!(rows[2]["metadata"], json!({"tags": ["sea"]}));
}

#[test]
fn a_row_without_a_text_is_named_in_plain_words() {
    let world = World::new();
    world.write("x.csv", "id,title,text\n1,A,x\n2,,\n");
    world.fails(
        "index x.csv -c c.nearwise",
        1,
        &["x.csv:3: no text in column \"text\""],
    );
}

#[test]
fn a_tag_that_closes_an_earlier_block_is_no_text() {
    let world = World::new();
    world.write(
        "x.md",
        "# Title\n\nIntro text.\n\n<details>\n<summary>More</summary>\n\nHidden text.\n\n</details>\n\nEnd.\n",
    );
    world.run("index x.md -c c.nearwise");
    let text = world.run("export -c c.nearwise");
    assert!(text.contains("Hidden text.\\n\\nEnd."), "{text}");
}

#[test]
fn encodings_that_the_standard_left_out() {
    let world = World::new();
    let wide = |text: &str| -> Vec<u8> {
        let units = std::iter::once('\u{feff}').chain(text.chars());
        units.flat_map(|c| u32::from(c).to_le_bytes()).collect()
    };
    let (said, rows) = index(
        &world,
        "wide.csv",
        wide("id,title,text\n1,Brücke,Die Brücke öffnet.\n"),
    );
    assert!(said.contains("wide.csv: read as UTF-32"), "{said}");
    assert_eq!(
        (&rows[0]["title"], &rows[0]["text"]),
        (&json!("Brücke"), &json!("Die Brücke öffnet."))
    );
    let page = b"<meta charset=hz-gb-2312><title>~{GE~}</title><p>~{8[?Z5D>IGE=+SZ~}</p>";
    let (said, rows) = index(&world, "old.html", page);
    assert!(said.contains("old.html: read as HZ"), "{said}");
    assert_eq!(
        (&rows[0]["title"], &rows[0]["text"]),
        (&json!("桥"), &json!("港口的旧桥将于"))
    );
}

#[test]
fn shortcodes_of_wordpress_in_columns_and_exports() {
    let world = World::new();
    let post = "[caption id=\"a_5\" width=\"300\"]<img src=x> The quay[/caption]The bridge opens, \
                he said [sic]. [gallery ids=\"1,2\"]";
    let bare = "The quay\n\nThe bridge opens, he said [sic].";
    let quoted = post.replace('"', "\"\"");
    let (_, rows) = index(
        &world,
        "posts.csv",
        format!("ID,post_title,post_content\n1,Bridge,\"{quoted}\"\n"),
    );
    assert_eq!(rows[0]["text"], json!(bare));
    let (_, rows) = index(
        &world,
        "export.xml",
        format!(
            "<?xml version=\"1.0\"?><rss version=\"2.0\" xmlns:content=\"http://purl.org/rss/1.0/modules/content/\" \
             xmlns:wp=\"http://wordpress.org/export/1.2/\"><channel><title>Post</title><item><title>Bridge</title>\
             <content:encoded><![CDATA[{post}]]></content:encoded><wp:post_type>post</wp:post_type></item></channel></rss>"
        ),
    );
    assert_eq!(rows[0]["text"], json!(bare));
}
