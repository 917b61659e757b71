//! The same articles in every format, plain and compressed, and in other encodings.

mod common;

use common::{World, repository};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

const ARTICLES: [(&str, &str); 3] = [
    (
        "Bank cuts rates",
        "The bank cut the rate.\n\nThe market and the minister said it was time.",
    ),
    (
        "Łódź, “naïve” & <co>",
        "A goal in the last minute; the team of São Tomé won.\n\nПривет, 東京.",
    ),
    (
        "Cup final",
        "One paragraph only, with a \"quotation\", a comma and 5 < 6.",
    ),
];

fn jsonl() -> String {
    let rows = ARTICLES
        .iter()
        .map(|(title, text)| json!({"title": title, "text": text}).to_string());
    rows.collect::<Vec<_>>().join("\n")
}

fn table(delimiter: char) -> String {
    let quoted = |field: &str| format!("\"{}\"", field.replace('"', "\"\""));
    let rows = ARTICLES
        .iter()
        .map(|(title, text)| format!("{}{delimiter}{}", quoted(title), quoted(text)));
    format!(
        "title{delimiter}text\n{}\n",
        rows.collect::<Vec<_>>().join("\n")
    )
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What the corpus holds, as (title, text) in the order of reading.
fn held(world: &World, corpus: &str) -> Vec<(String, String)> {
    world
        .run(&format!("export -c {corpus}"))
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|a| {
            (
                a["title"].as_str().unwrap().to_string(),
                a["text"].as_str().unwrap().to_string(),
            )
        })
        .collect()
}

fn expected() -> Vec<(String, String)> {
    ARTICLES
        .iter()
        .map(|(title, text)| (title.to_string(), text.to_string()))
        .collect()
}

fn index(world: &World, path: &str) -> Vec<(String, String)> {
    let corpus = format!("{}.nearwise", path.replace(['/', '.'], "-"));
    world.run(&format!("index {path} -c {corpus}"));
    held(world, &corpus)
}

#[test]
fn rows_of_every_format_plain_and_compressed() {
    let world = World::new();
    for (name, content) in [
        ("a.jsonl", jsonl()),
        ("a.ndjson", jsonl().replace('\n', "\r\n")),
        ("a.csv", table(',')),
        ("a.tsv", table('\t')),
        // A byte-order mark is no part of the first column's name.
        ("b.csv", format!("\u{feff}{}", table(','))),
        ("c.csv", table(',').replace('\n', "\r\n")),
    ] {
        let bytes = content.as_bytes();
        world.write(name, bytes);
        world.write(&format!("{name}.gz"), gz(bytes));
        // Two members one after the other are one file.
        let (a, b) = bytes.split_at(bytes.len() / 2);
        world.write(&format!("two/{name}.gz"), [gz(a), gz(b)].concat());
        world.write(&format!("{name}.zst"), zstd::encode_all(bytes, 3).unwrap());
        for path in [
            name.to_string(),
            format!("{name}.gz"),
            format!("two/{name}.gz"),
            format!("{name}.zst"),
        ] {
            assert_eq!(index(&world, &path), expected(), "{path}");
        }
    }
}

#[test]
fn a_file_for_each_article() {
    let world = World::new();
    for (i, (title, text)) in ARTICLES.iter().enumerate() {
        let escaped = |s: &str| s.replace('&', "&amp;").replace('<', "&lt;");
        let paragraphs: String = text
            .split("\n\n")
            .map(|p| format!("<p>{}</p>\n", escaped(p)))
            .collect();
        let html = format!(
            "<!doctype html><html><head><meta charset=utf-8><title>{t} | The Paper</title><script>var x = 1;</script></head>\
             <body><nav>Home News Sport</nav><article><h1>{t}</h1>{paragraphs}</article><footer>About us</footer></body></html>",
            t = escaped(title)
        );
        world.write(&format!("html/{i}.html"), html.as_bytes());
        world.write(&format!("html-gz/{i}.html.gz"), gz(html.as_bytes()));
        let plain = format!("{title}\n\n{text}\n");
        world.write(&format!("txt/{i}.txt"), &plain);
        world.write(
            &format!("txt-zst/{i}.txt.zst"),
            zstd::encode_all(plain.as_bytes(), 3).unwrap(),
        );
        world.write(
            &format!("md/{i}.md"),
            format!(
                "---\ndate: 2025-01-02\n---\n# {}\n\n{}\n",
                escaped(title),
                escaped(text)
            ),
        );
    }
    for folder in ["txt", "txt-zst", "html", "html-gz", "md"] {
        assert_eq!(index(&world, folder), expected(), "{folder}");
    }
    let dates = world.run("export -c md.nearwise");
    assert!(
        dates
            .lines()
            .all(|line| line.contains("\"date\":\"2025-01-02\"")),
        "{dates}"
    );
    // A glob takes a part of them.
    world.run("index txt/[01].txt -c glob.nearwise");
    assert_eq!(held(&world, "glob.nearwise"), expected()[..2]);
}

/// `tests/fixtures/make_parquet.py` wrote the file with pyarrow.
#[test]
fn parquet_of_another_program() {
    let world = World::new();
    let file = repository("tests/fixtures/articles.parquet");
    let check = |corpus: &str| {
        let rows: Vec<Value> = world
            .run(&format!("export -c {corpus}"))
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(
            rows[0],
            json!({
                "id": "11", "title": "Bank cuts rates", "text": "The bank cut the rate.",
                "date": "2025-01-02T23:30:00", "source": "wire", "metadata": {
                    "day": "2025-01-02", "score": 0.5, "urgent": true, "tags": ["economy", "bank"],
                },
            })
        );
        assert_eq!(
            rows[2],
            json!({
                "id": "13", "title": "Łódź — naïve “quotes”", "text": "Text in São Tomé.", "source": "gazette",
                "metadata": {},
            })
        );
        assert_eq!(rows[3]["id"], "14");
        assert_eq!(rows[3]["title"], "");
        assert_eq!(rows.len(), 4);
    };
    let indexed = |path: &Path, corpus: &str| {
        let output = world
            .command("index -c")
            .arg(corpus)
            .arg(path)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    indexed(&file, "p.nearwise");
    check("p.nearwise");
    let bytes = std::fs::read(&file).unwrap();
    indexed(&world.write("p.parquet.gz", gz(&bytes)), "gz.nearwise");
    check("gz.nearwise");
    // What Nearwise writes, it reads.
    world.run("export -c p.nearwise --out own.parquet");
    indexed(&world.path("own.parquet"), "own.nearwise");
    assert_eq!(held(&world, "own.nearwise"), held(&world, "p.nearwise"));
    // Damage is named.
    let cut = world.write("cut.parquet", &bytes[..bytes.len() / 2]);
    let mut command = world.command("index -c cut.nearwise");
    world.fails_with(command.arg(cut), "half a file", 1, &["cut.parquet"]);
}

#[test]
fn other_encodings_are_detected_and_said() {
    let world = World::new();
    let title = "Bürgermeisterwahl in Köln";
    let text = "Die Wähler in Köln haben entschieden: Über die Straßenbahn wird später verhandelt, sagte der Bürgermeister.";
    let plain = format!("{title}\n\n{text}\n");
    let (latin, _, bad) = encoding_rs::WINDOWS_1252.encode(&plain);
    assert!(!bad);
    // Its mark says what it is; nothing has to be guessed, and nothing is said.
    let wide: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(plain.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let russian = "Новый премьер-министр\n\nВыборы в парламент состоялись в воскресенье, сообщает правительство страны.\n";
    let (cyrillic, _, bad) = encoding_rs::WINDOWS_1251.encode(russian);
    assert!(!bad);
    for (name, bytes, expected, encoding) in [
        ("latin.txt", latin.to_vec(), (title, text), "windows-1252"),
        ("wide.txt", wide, (title, text), ""),
        (
            "cyrillic.txt",
            cyrillic.to_vec(),
            russian.trim().split_once("\n\n").unwrap(),
            "windows-1251",
        ),
    ] {
        world.write(name, bytes);
        let output = world
            .command(&format!("index {name} -c {name}.nearwise"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.contains(encoding),
            "{name}: {said}"
        );
        let (title, text) = &held(&world, &format!("{name}.nearwise"))[0];
        assert_eq!((title.as_str(), text.as_str()), expected, "{name}");
    }
}

#[test]
fn damaged_compression_is_named_and_what_came_before_is_kept() {
    let world = World::new();
    let rows: Vec<String> = (0..30_000)
        .map(|i| json!({"id": i, "title": format!("T{i}"), "text": format!("The bank and the market {i} {}", i * 7919 % 1000)}).to_string())
        .collect();
    let whole = rows.join("\n");
    let packed = gz(whole.as_bytes());
    world.write("cut.jsonl.gz", &packed[..packed.len() * 3 / 4]);
    world.fails("index cut.jsonl.gz -c x.nearwise", 1, &["cut.jsonl.gz"]);
    world.write("whole.jsonl.gz", &packed);
    let report = world.json("index whole.jsonl.gz -c x.nearwise --json");
    assert!(report["same"].as_u64().unwrap() > 500, "{report}");
    assert_eq!(
        world.json("stats -c x.nearwise --json")["counts"]["articles"],
        30_000
    );
    world.write("not.jsonl.zst", b"this is no zstd at all");
    world.fails("index not.jsonl.zst -c x.nearwise", 1, &["not.jsonl.zst"]);
}
