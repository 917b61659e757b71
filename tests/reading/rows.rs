//! Rows and objects that are no articles, that are whole in what is damaged, and that must not lose
//! each other.

use crate::common::World;
use serde_json::Value;

/// Runs a command; whether it went well, and what it said.
fn run(world: &World, line: &str) -> (bool, String) {
    let output = world.command(line).output().unwrap();
    (
        output.status.success(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// Indexes one new file; what was said, and the corpus.
fn index(world: &World, name: &str, content: impl AsRef<[u8]>) -> (bool, String, Vec<Value>) {
    index_with(world, name, content, "")
}

fn index_with(
    world: &World,
    name: &str,
    content: impl AsRef<[u8]>,
    options: &str,
) -> (bool, String, Vec<Value>) {
    world.write(name, content);
    let corpus = format!("{}.nearwise", name.replace('/', "-"));
    let (well, said) = run(world, &format!("index {name} -c {corpus} {options}"));
    let rows = if world.path(&corpus).exists() {
        world.exported(&corpus)
    } else {
        Vec::new()
    };
    (well, said, rows)
}

fn column<'r>(rows: &'r [Value], name: &str) -> Vec<&'r str> {
    rows.iter()
        .map(|row| row[name].as_str().unwrap_or("-"))
        .collect()
}

#[test]
fn what_a_server_answers_to_an_error_is_no_article_and_prunes_nothing() {
    let world = World::new();
    let good = "{\"id\": \"1\", \"text\": \"The pier closes.\"}\n";
    for (name, answer) in [
        (
            "a.json",
            "{\"status\": \"error\", \"message\": \"slow down\"}",
        ),
        (
            "b.json",
            "{\"error\": {\"code\": 404, \"message\": \"not found\"}}",
        ),
        (
            "c.jsonl",
            "{\"level\": \"info\", \"message\": \"started\"}\n",
        ),
        ("d.json", "{\"message\": \"Forbidden\"}"),
        (
            "e.json",
            "{\"type\": \"about:blank\", \"title\": \"Gone\", \"status\": 410}",
        ),
        (
            "f.jsonl",
            "<!doctype html><html><body><h1>502</h1><p>The gateway does not answer at this time.</p></body></html>",
        ),
    ] {
        let (_, _, before) = index(&world, name, good);
        assert_eq!(before.len(), 1, "{name}");
        let (well, said, rows) = index_with(&world, name, answer, "--prune --yes");
        assert!(
            !well && said.contains(&format!("{name}:")),
            "{name}: {said}"
        );
        assert_eq!(rows, before, "{name}: {said}");
    }
    // In a folder they lie beside others.
    world.write(
        "web/package.json",
        "{\"name\": \"x\", \"version\": \"1\", \"description\": \"A tool.\", \"main\": \"i.js\"}",
    );
    world.write(
        "web/site.webmanifest",
        "{\"name\": \"x\", \"short_name\": \"x\", \"icons\": [], \"description\": \"A site.\"}",
    );
    let (well, said, rows) = index(&world, "web/a.jsonl", good);
    assert!(well, "{said}");
    assert_eq!(rows.len(), 1);
    let (well, said) = run(&world, "index web -c all.nearwise");
    assert!(well, "{said}");
    assert_eq!(world.exported("all.nearwise").len(), 1, "{said}");
}

#[test]
fn messages_of_people_are_articles() {
    let world = World::new();
    let (well, said, rows) = index(
        &world,
        "posts.json",
        "{\"data\": [{\"id\": \"1\", \"created_time\": \"2024-05-03\", \"message\": \"The pier closes.\"}]}",
    );
    assert!(well, "{said}");
    assert_eq!(column(&rows, "text"), ["The pier closes."]);
}

#[test]
fn a_table_without_a_header_is_not_swallowed() {
    let world = World::new();
    for (name, content) in [
        (
            "mind.tsv",
            "N1\tnews\tcity\tPier closes\tFor good.\thttps://x.test/1\t[]\t[]\nN2\tsport\tcity\tFerry\tRuns.\thttps://x.test/2\t[]\t[]\n",
        ),
        (
            "a.csv",
            "2024-05-03,article,The pier closes\n2024-05-04,article,Ferry fares rise\n",
        ),
        (
            "b.csv",
            "post,https://x.test/1,Hello\npost,https://x.test/2,Again\n",
        ),
        ("c.csv", "Great product,review,5\nBad product,review,1\n"),
        ("d.csv", "Hello,message\nBye,message\n"),
        (
            "e.csv",
            "1,My text of the day is this,news\n2,Another text,sport\n",
        ),
    ] {
        let (well, said, rows) = index(&world, name, content);
        assert!(!well && said.contains("looks like data"), "{name}: {said}");
        assert!(
            said.contains("--no-header") && rows.is_empty(),
            "{name}: {said}"
        );
    }
    for (name, content) in [
        ("years.csv", "text,2019,2020\nThe pier closes.,1,2\n"),
        ("number.csv", "text,0\nThe pier closes.,1\n"),
        (
            "asked.csv",
            "Timestamp,What do you think about the new pier?,Text\n2024-05-03,Good,The pier closes.\n",
        ),
    ] {
        let (well, said, rows) = index(&world, name, content);
        assert!(well, "{name}: {said}");
        assert_eq!(column(&rows, "text"), ["The pier closes."], "{name}");
    }
}

#[test]
fn a_text_beside_a_title_is_not_overlooked() {
    let world = World::new();
    let long =
        "The harbour grows every year and that is good for the town and for the people in it.";
    for (name, content) in [
        ("a.csv", format!("id,title,stuff\n1,Pier,\"{long}\"\n")),
        (
            "b.jsonl",
            format!("{{\"title\": \"Pier\", \"stuff\": \"{long}\"}}\n"),
        ),
    ] {
        let (well, said, _) = index(&world, name, content);
        assert!(!well && said.contains("\"stuff\""), "{name}: {said}");
        assert!(said.contains("--text-column"), "{name}: {said}");
    }
    // Lists of names are long as well.
    let names = "Ann Lee, Bob Ray, Cid Fox, Dan Poe, Eve Orr, Flo Day, Gus Kay, Hal May";
    let (well, said, _) = index(&world, "c.csv", format!("title,people\nPier,\"{names}\"\n"));
    assert!(well, "{said}");
    for (name, content, text) in [
        (
            "nl.csv",
            "titel,inhoud,datum,bron\nPier,Dicht.,2024-05-03,Krant\n",
            "Dicht.",
        ),
        (
            "it.csv",
            "titolo,testo,data,fonte\nPier,Chiuso.,2024-05-03,Giornale\n",
            "Chiuso.",
        ),
        (
            "pt.csv",
            "Título,Conteúdo,data,fonte\nPier,Fechado.,2024-05-03,Jornal\n",
            "Fechado.",
        ),
        (
            "fr.csv",
            "titre,contenu,date,source\nPier,Fini.,2024-05-03,Presse\n",
            "Fini.",
        ),
    ] {
        let (_, said, rows) = index(&world, name, content);
        assert_eq!(column(&rows, "text"), [text], "{name}: {said}");
        assert_eq!(column(&rows, "title"), ["Pier"], "{name}: {said}");
        assert_eq!(column(&rows, "date"), ["2024-05-03"], "{name}: {said}");
        assert_ne!(column(&rows, "source"), ["-"], "{name}: {said}");
    }
    let (_, said, rows) = index(
        &world,
        "hn.json",
        "{\"hits\": [{\"objectID\": \"7\", \"title\": \"Ask\", \"story_text\": \"<p>What now?</p>\"}]}",
    );
    assert_eq!(column(&rows, "text"), ["What now?"], "{said}");
    assert_eq!(column(&rows, "id"), ["7"], "{said}");
}

#[test]
fn another_standard_input_replaces_nothing_unsaid() {
    let world = World::new();
    world.write("a.csv", "id,text\n1,The pier closes.\n");
    world.write("b.csv", "id,text\n1,The ferry runs.\n");
    let piped = |name: &str| {
        let mut command = world.command("index - -c c.nearwise");
        let command = command.pipe_stdin(world.path(name)).unwrap();
        let output = command.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    for name in ["a.csv", "a.csv"] {
        let said = piped(name);
        assert!(!said.contains("replaced"), "{said}");
    }
    let said = piped("b.csv");
    assert!(
        said.contains("1 article of an earlier one was replaced"),
        "{said}"
    );
    assert!(said.contains("prefix"), "{said}");
}

#[test]
fn an_object_may_lack_some_of_several_columns() {
    let world = World::new();
    let rows = "{\"title\": \"A\", \"body\": \"One.\"}\n{\"title\": \"B\", \"lead\": \"Two.\", \"body\": \"Three.\"}\n";
    let (well, said, held) = index_with(&world, "a.jsonl", rows, "--text-column lead,body");
    assert!(well, "{said}");
    assert_eq!(column(&held, "text"), ["One.", "Two.\n\nThree."]);
    // A name that was mistyped is said, and one that is nowhere refused.
    let (well, said, _) = index_with(&world, "b.jsonl", rows, "--text-column laed,body");
    assert!(well && said.contains("laed"), "{said}");
    let (well, said, _) = index_with(&world, "c.jsonl", rows, "--text-column laed,bdoy");
    assert!(!well && said.contains("laed"), "{said}");
}

#[test]
fn long_numbers_are_ids_to_the_last_digit() {
    let world = World::new();
    let (well, said, rows) = index(
        &world,
        "a.jsonl",
        "{\"id\": 123456789012345678901, \"text\": \"One.\"}\n{\"id\": 123456789012345678902, \"text\": \"Two.\"}\n",
    );
    assert!(well, "{said}");
    assert_eq!(
        column(&rows, "id"),
        ["123456789012345678901", "123456789012345678902"]
    );
    // What a spreadsheet rounded names no article.
    let (well, said, rows) = index(
        &world,
        "b.csv",
        "id,text\n1.23457E+17,One.\n1.23457E+17,Two.\n",
    );
    assert!(well && said.contains("1.23457E+17"), "{said}");
    assert_eq!(column(&rows, "text"), ["One.", "Two."]);
}

#[test]
fn whole_articles_of_a_damaged_answer_are_kept() {
    let world = World::new();
    let items: Vec<String> = (0..30)
        .map(|n| format!("{{\"id\": \"{n}\", \"title\": \"T\", \"text\": \"Report {n}.\", \"tags\": [{{\"id\": 1}}]}}"))
        .collect();
    let around = |items: &[String]| {
        format!(
            "{{\"status\": \"ok\", \"articles\": [{}]}}",
            items.join(",")
        )
    };
    let all = around(&items);
    let (well, said, rows) = index_with(&world, "cut.json", &all[..all.len() - 20], "--skip-bad");
    assert!(well && said.contains("cut.json"), "{said}");
    assert_eq!(rows.len(), 29, "{said}");
    for (name, fault) in [
        ("twice.json", "\"Report\" \"5.\""),
        ("open.json", "\"Report 5."),
    ] {
        let mut items = items.clone();
        items[5] = items[5].replace("\"Report 5.\"", fault);
        for (name, text) in [
            (name.to_string(), around(&items)),
            (format!("list-{name}"), format!("[{}]", items.join(","))),
        ] {
            let (well, said, rows) = index_with(&world, &name, text, "--skip-bad");
            assert!(well && said.contains(&name), "{name}: {said}");
            assert_eq!(rows.len(), 29, "{name}: {said}");
        }
    }
    // A line of many that is cut costs no other.
    let lines = format!(
        "{}\n{}\n{}\n",
        around(&items[..2]),
        &around(&items[2..4])[..150],
        around(&items[4..6])
    );
    let (_, said, rows) = index_with(&world, "lines.jsonl", lines, "--skip-bad");
    assert_eq!(rows.len(), 5, "{said}");
}

#[test]
fn rows_as_people_have_them() {
    let world = World::new();
    let (_, said, rows) = index(
        &world,
        "tweet.jsonl",
        "{\"id_str\": \"1\", \"text\": \"The pi…\", \"full_text\": \"The pier closes.\", \"user\": {\"screen_name\": \"ann\"}}\n",
    );
    assert_eq!(column(&rows, "text"), ["The pier closes."], "{said}");
    for (name, content, texts) in [
        (
            "blank.csv",
            "id, title, text\n1, \"A, B\", \"one, two\"\n2, \"C\", \"x\"\n",
            vec!["one, two", "x"],
        ),
        (
            "twice.csv",
            "id,text\n1,One.\n1,Two.\n1,One.\n",
            vec!["One.", "Two."],
        ),
        (
            "cat.csv",
            "id,text\n1,One.\n\u{feff}id,text\n2,Two.\n",
            vec!["One.", "Two."],
        ),
        (
            "short.csv",
            "id,title,text,tags,author\n1,A,One.\n2,B,Two.,x,y\n",
            vec!["One.", "Two."],
        ),
        (
            "r.csv",
            "title,text\n\"1\",A,One.\n\"2\",B,Two.\n",
            vec!["One.", "Two."],
        ),
        (
            "t.txt",
            "id\ttitle\ttext\n1\tA\tOne.\n2\tB\tTwo.\n",
            vec!["One.", "Two."],
        ),
        (
            "top.csv",
            "Report of news\nMade 2024-05-03\n\nid,title,text\n1,A,One.\n2,B,Two.\n",
            vec!["One.", "Two."],
        ),
        (
            "note.csv",
            "# exported\nid,title,text\n1,A,One.\n",
            vec!["One."],
        ),
        (
            "null.csv",
            "id,title,text\n1,NULL,One.\n2,Two,NaN\n3,N/A,None\n",
            vec!["One.", ""],
        ),
    ] {
        let (_, said, rows) = index_with(&world, name, content, "--skip-bad");
        assert_eq!(column(&rows, "text"), texts, "{name}: {said}");
        match name {
            "blank.csv" => assert_eq!(column(&rows, "title"), ["A, B", "C"]),
            "twice.csv" => {
                assert_eq!(column(&rows, "id"), ["1", "1-2"]);
                assert!(
                    said.contains("comes again") && said.contains("exact copy"),
                    "{said}"
                );
            }
            "short.csv" => assert!(said.contains("1 row has fewer fields"), "{said}"),
            "r.csv" => assert_eq!(column(&rows, "title"), ["A", "B"]),
            "top.csv" => assert!(said.contains("the 3 lines above"), "{said}"),
            "null.csv" => assert_ne!(rows[0]["title"], "NULL"),
            _ => {}
        }
    }
    let (_, said, rows) = index(
        &world,
        "source.csv",
        "id,text,source\n1,One.,\"{\"\"id\"\": null, \"\"name\"\": \"\"Post\"\"}\"\n2,Two.,\"{'id': None, 'name': 'Wire'}\"\n",
    );
    assert_eq!(column(&rows, "source"), ["Post", "Wire"], "{said}");
    let (well, said, _) = index(
        &world,
        "survey.csv",
        "Timestamp,\"Please say in your own words what the report says\",Your name?\n2024-05-03,The report says that the pier closes,Ann\n",
    );
    assert!(
        !well && said.contains("the longest texts are in \"Please"),
        "{said}"
    );
}

#[test]
fn what_is_removed_though_it_is_there_is_said() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.write(
            &format!("d/{name}.txt"),
            format!("Report {name}\n\nText of {name}."),
        );
    }
    world.run("index d -c c.nearwise");
    world.write("d/.nearwiseignore", "b.txt\n");
    let (well, said) = run(&world, "index d --prune -c c.nearwise");
    assert!(
        well && said.contains("b.txt is there, but no longer among the inputs"),
        "{said}"
    );
    std::fs::remove_file(world.path("d/a.txt")).unwrap();
    let (_, said) = run(&world, "index d --prune --yes -c c.nearwise");
    assert!(!said.contains("no longer among"), "{said}");
}

#[test]
fn another_prompt_for_queries_is_said() {
    let world = World::new();
    world.write("a.csv", "id,text\n1,The pier closes.\n");
    let (_, said) = run(&world, "index a.csv -c c.nearwise --query-prompt find:");
    assert!(!said.contains("in front of them"), "{said}");
    let (_, said) = run(&world, "index a.csv -c c.nearwise --query-prompt seek:");
    assert!(
        said.contains("\"seek:\"") && said.contains("\"find:\""),
        "{said}"
    );
}
