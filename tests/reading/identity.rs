//! Which article is which, from run to run.

use crate::common::{World, copy};
use nearwise::Job;
use nearwise::corpus::Article;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

/// The texts of a corpus by id.
fn articles(world: &World) -> BTreeMap<String, String> {
    let articles = world.exported("c.nearwise").into_iter();
    articles
        .map(|article| {
            let part = |name: &str| article[name].as_str().unwrap().to_string();
            (part("id"), part("text"))
        })
        .collect()
}

fn ids(world: &World) -> Vec<String> {
    articles(world).into_keys().collect()
}

fn stderr(world: &World, line: &str) -> String {
    let output = world.command(line).output().unwrap();
    String::from_utf8(output.stderr).unwrap()
}

fn text(n: usize) -> String {
    format!("Report {n}\n\nThe harbour counted {n} ships, and the bridge was closed.")
}

#[test]
fn files_of_one_name_in_two_folders_are_two_articles() {
    let world = World::new();
    world.write("january/report.txt", text(1));
    world.write("february/report.txt", text(2));
    world.run("index january/report.txt -c c.nearwise");
    let report = world.json("index february/report.txt -c c.nearwise --json");
    assert_eq!((&report["new"], &report["changed"]), (&1.into(), &0.into()));
    assert_eq!(ids(&world), ["february/report.txt", "report.txt"]);
    // From another folder, or through the folders, they are the same two.
    for line in [
        "index january/report.txt february/report.txt -c c.nearwise --json",
        "index february january -c c.nearwise --json",
        "index . -c c.nearwise --json",
    ] {
        let report = world.json(line);
        assert_eq!(report["same"], 2, "{line}: {report}");
        assert_eq!(report["read"], 2, "{line}: {report}");
    }
    let mut command = world.command("index report.txt -c ../c.nearwise --json");
    let output = command
        .current_dir(world.path("february"))
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["same"], 1, "{report}");
    assert_eq!(articles(&world).len(), 2);
    // A change is found again under the id that the article has.
    world.write("february/report.txt", text(3));
    let report = world.json("index february -c c.nearwise --json");
    assert_eq!(report["changed"], 1, "{report}");
    assert!(articles(&world)["february/report.txt"].contains("3 ships"));
}

#[test]
fn folders_of_one_name_do_not_mix() {
    let world = World::new();
    for (place, n) in [("one", 1), ("two", 2)] {
        world.write(&format!("{place}/art/a.txt"), text(n));
        world.write(&format!("{place}/art/sub/b.txt"), text(10 + n));
    }
    world.run("index one/art -c c.nearwise");
    world.run("index two/art -c c.nearwise");
    assert_eq!(
        ids(&world),
        [
            "art/a.txt",
            "art/sub/b.txt",
            "two/art/a.txt",
            "two/art/sub/b.txt"
        ]
    );
    assert_eq!(world.json("index two/art -c c.nearwise --json")["same"], 2);
}

#[test]
fn a_folder_that_was_moved_is_known_again() {
    let world = World::new();
    world.write("old/a.txt", text(1));
    world.write("old/b.txt", text(2));
    world.run("index old -c c.nearwise");
    fs::create_dir(world.path("new")).unwrap();
    fs::rename(world.path("old"), world.path("new/old")).unwrap();
    let report = world.json("index new/old -c c.nearwise --json");
    assert_eq!(report["same"], 2, "{report}");
    assert_eq!(ids(&world), ["old/a.txt", "old/b.txt"]);
}

#[test]
fn rows_that_are_numbered_alike_are_kept_apart() {
    for line in [
        "index a.csv b.csv -c c.nearwise --json",
        "index b.csv -c c.nearwise --json",
    ] {
        let world = World::new();
        world.write(
            "a.csv",
            "id,text\n1,The bridge is open.\n2,The ferry is late.\n",
        );
        world.write(
            "b.csv",
            "id,text\n1,Rates fell again.\n2,The cup final was a draw.\n",
        );
        world.run("index a.csv -c c.nearwise");
        let report = world.json(line);
        assert_eq!(
            (&report["new"], &report["renamed"]),
            (&2.into(), &2.into()),
            "{report}"
        );
        assert_eq!(ids(&world), ["1", "2", "b.csv/1", "b.csv/2"]);
        assert_eq!(articles(&world)["1"], "The bridge is open.");
        // Again, changed, and pruned: the same articles.
        assert_eq!(world.json("index b.csv -c c.nearwise --json")["same"], 2);
        world.write(
            "b.csv",
            "id,text\n1,Rates fell again.\n2,The cup final was won.\n3,New.\n",
        );
        let report = world.json("index b.csv -c c.nearwise --prune --json");
        assert_eq!(
            (&report["changed"], &report["new"]),
            (&1.into(), &1.into()),
            "{report}"
        );
        assert_eq!(articles(&world)["b.csv/2"], "The cup final was won.");
        assert_eq!(ids(&world).len(), 5);
    }
}

#[test]
fn what_was_done_about_an_id_is_said() {
    let world = World::new();
    world.write("a.csv", "id,text\n1,The bridge is open.\n");
    world.write("b.csv", "id,text\n1,Rates fell again.\n");
    world.run("index a.csv -c c.nearwise");
    let said = stderr(&world, "index b.csv -c c.nearwise");
    for part in ["\"1\"", "a.csv", "\"b.csv/1\"", "--id-prefix", "--replace"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_prefix_tells_inputs_apart_and_replacing_is_a_choice() {
    let world = World::new();
    world.write("a.csv", "id,text\n1,The bridge is open.\n");
    world.write("b.csv", "id,text\n1,Rates fell again.\n");
    world.run("index a.csv -c c.nearwise");
    world.run("index b.csv -c c.nearwise --id-prefix b:");
    assert_eq!(ids(&world), ["1", "b:1"]);
    let report = world.json("index b.csv -c c.nearwise --replace --json");
    assert_eq!(report["changed"], 1);
    assert_eq!(articles(&world)["1"], "Rates fell again.");
}

#[test]
fn the_same_article_in_two_files_is_one() {
    let world = World::new();
    world.write("a.csv", "id,text\n1,The bridge is open.\n");
    world.write(
        "b.csv",
        "id,text\n1,The bridge is open.\n2,The ferry is late.\n",
    );
    world.run("index a.csv -c c.nearwise");
    let report = world.json("index b.csv -c c.nearwise --json");
    assert_eq!((&report["same"], &report["new"]), (&1.into(), &1.into()));
    assert_eq!(ids(&world), ["1", "2"]);
    // Without ids too; other metadata make another article.
    world.write(
        "c.csv",
        "text,page\nThe lock was repaired.,1\nThe lock was repaired.,2\n",
    );
    world.write(
        "d.csv",
        "text,page\nThe lock was repaired.,1\nThe lock was repaired.,7\n",
    );
    assert_eq!(world.json("index c.csv -c c.nearwise --json")["new"], 2);
    let report = world.json("index d.csv -c c.nearwise --json");
    assert_eq!(
        (&report["same"], &report["new"]),
        (&1.into(), &1.into()),
        "{report}"
    );
    let report = world.json("index c.csv d.csv -c c.nearwise --json");
    assert_eq!(report["same"], 4, "{report}");
    assert_eq!(ids(&world).len(), 5);
}

#[test]
fn a_program_means_the_article_of_that_id() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = nearwise::Corpus::create(folder.path().join("c.nearwise")).unwrap();
    let mut writer = corpus.writer().unwrap();
    let article = |text: &str, origin: &str| Article {
        id: Some("x".to_string()),
        text: text.to_string(),
        origin: origin.to_string(),
        row: Some(1),
        ..Article::default()
    };
    let job = Job::new();
    writer
        .add([article("from a file", "/a.csv")], &job)
        .unwrap();
    let report = writer.add([article("from the program", "")], &job).unwrap();
    assert_eq!(report.changed, 1);
    // And no file takes its place.
    let report = writer.add([article("another", "/b.csv")], &job).unwrap();
    assert_eq!((report.new, report.renamed), (1, 1));
    let reader = corpus.reader().unwrap();
    let stored = reader.article_at(reader.key_of("x").unwrap()).unwrap();
    assert_eq!(stored.text, "from the program");
    assert!(reader.key_of("b.csv/x").is_ok());
}

/// Four files in `in`, indexed.
fn four() -> World {
    let world = World::new();
    for n in 0..4 {
        world.write(&format!("in/{n}.txt"), text(n));
    }
    world.run("index in -c c.nearwise");
    world
}

#[test]
fn what_could_not_be_read_is_not_pruned() {
    // A damaged file keeps its article; what is gone elsewhere goes.
    let world = World::new();
    world.write(
        "in/a.jsonl",
        "{\"text\": \"one\"}\n{\"text\": \"two\"}\n{\"text\": \"three\"}\n",
    );
    world.write("in/b.txt", text(1));
    world.write("in/c.txt", text(2));
    world.run("index in -c c.nearwise");
    world.write("in/a.jsonl", "{\"text\": \"one\"}\n{\"text\": \"tw");
    fs::remove_file(world.path("in/c.txt")).unwrap();
    let report = world.json("index in -c c.nearwise --prune --skip-bad --json");
    assert_eq!(
        (&report["bad"], &report["pruned"]),
        (&1.into(), &1.into()),
        "{report}"
    );
    assert_eq!(ids(&world).len(), 4);
    // A format that is not known any more.
    let world = four();
    fs::rename(world.path("in/0.txt"), world.path("in/0.qqq")).unwrap();
    let report = world.json("index in -c c.nearwise --prune --json");
    assert_eq!(
        report["pruned"], 1,
        "the file of that name is gone: {report}"
    );
    // An empty folder, as where a disk is not mounted, and an empty file.
    let world = four();
    for n in 0..4 {
        fs::remove_file(world.path(&format!("in/{n}.txt"))).unwrap();
    }
    world.fails("index in -c c.nearwise --prune", 1, &["in", "no file"]);
    world.fails("index in -c d.nearwise --skip-bad", 1, &["nothing"]);
    assert!(!world.path("d.nearwise").exists());
    world.run("index in -c c.nearwise --prune --yes --skip-bad");
    assert_eq!(ids(&world).len(), 4);
    world.write("in/0.txt", "");
    world.write("in/1.txt", text(1));
    let report = world.json("index in -c c.nearwise --prune --yes --skip-bad --json");
    assert_eq!(report["pruned"], 2, "{report}");
    assert_eq!(ids(&world), ["in/0.txt", "in/1.txt"]);
    // Nothing on standard input.
    let mut command = world.command("index - -c c.nearwise");
    command
        .write_stdin("{\"text\": \"from a stream\"}\n")
        .assert()
        .success();
    let mut command = world.command("index - -c c.nearwise --prune --yes --skip-bad");
    command.write_stdin("").assert().success();
    assert_eq!(ids(&world).len(), 3);
}

#[test]
fn most_of_what_is_known_is_not_pruned_without_leave() {
    let world = four();
    for n in 0..3 {
        fs::remove_file(world.path(&format!("in/{n}.txt"))).unwrap();
    }
    world.write("in/new.txt", text(7));
    world.fails(
        "index in -c c.nearwise --prune",
        1,
        &["3 articles", "--yes"],
    );
    assert_eq!(ids(&world).len(), 5, "the rest was done");
    let report = world.json("index in -c c.nearwise --prune --yes --json");
    assert_eq!(report["pruned"], 3);
    assert_eq!(ids(&world), ["in/3.txt", "in/new.txt"]);
}

#[test]
fn one_bad_input_does_not_stop_the_others() {
    let world = World::new();
    world.write(
        "in/1.jsonl.gz",
        [&[0x1f, 0x8b, 8, 0][..], &[7; 40]].concat(),
    );
    world.write("in/2.parquet", "PAR1 that is none");
    world.write("in/3.csv", "no,known,columns\n1,2,3\n");
    world.write("in/4.jsonl.zst", [0x28, 0xb5, 0x2f, 0xfd, 9, 9, 9, 9]);
    world.write("in/5.txt", text(5));
    let report = world.json("index in -c c.nearwise --skip-bad --json");
    assert_eq!(
        (&report["read"], &report["bad"]),
        (&1.into(), &4.into()),
        "{report}"
    );
    // Without leave, the first one stops, and is named.
    let world2 = World::new();
    copy(&world.path("in"), &{
        let to = world2.path("in");
        fs::create_dir(&to).unwrap();
        to
    });
    world2.fails("index in -c d.nearwise", 1, &["1.jsonl.gz", "--skip-bad"]);
}

#[test]
#[cfg(unix)]
fn links_are_followed_once() {
    use std::os::unix::fs::symlink;
    let world = World::new();
    world.write("in/a.txt", text(1));
    world.write("elsewhere/b.txt", text(2));
    world.write("elsewhere/c.txt", text(3));
    symlink(world.path("elsewhere"), world.path("in/more")).unwrap();
    symlink(world.path("elsewhere"), world.path("in/again")).unwrap();
    symlink(world.path("elsewhere/b.txt"), world.path("in/b-link.txt")).unwrap();
    symlink(world.path("in"), world.path("in/loop")).unwrap();
    symlink(world.path("in"), world.path("elsewhere/back")).unwrap();
    symlink(world.path("nowhere"), world.path("in/broken.txt")).unwrap();
    let report = world.json("index in -c c.nearwise --json");
    assert_eq!(report["read"], 3, "{report}");
    assert_eq!(articles(&world).len(), 3);
    let said = stderr(&world, "index in -c c.nearwise");
    assert!(
        said.contains("broken.txt") && said.contains("link to nothing"),
        "{said}"
    );
    assert!(said.contains("loop"), "{said}");
}

#[test]
#[cfg(unix)]
fn names_that_are_no_text_are_told_apart() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let world = World::new();
    fs::create_dir(world.path("in")).unwrap();
    for (byte, n) in [(b'\xfe', 1), (b'\xff', 2)] {
        let name = [b"a", &[byte][..], b".txt"].concat();
        fs::write(world.path("in").join(OsStr::from_bytes(&name)), text(n)).unwrap();
    }
    assert_eq!(world.json("index in -c c.nearwise --json")["new"], 2);
    assert_eq!(world.json("index in -c c.nearwise --json")["same"], 2);
    assert_eq!(ids(&world), ["in/a%FE.txt", "in/a%FF.txt"]);
    let mut command = world.command("index -c c.nearwise --json");
    command.arg(OsStr::from_bytes(b"in/a\xff.txt"));
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["same"], 1);
}

#[test]
fn rows_that_are_alike_are_numbered_alike_in_each_run() {
    let world = World::new();
    let rows = "{\"text\": \"The ferry is late.\"}\n".repeat(3_000);
    world.write("a.jsonl", &rows);
    assert_eq!(
        world.json("index a.jsonl -c c.nearwise --json")["new"],
        3_000
    );
    let report = world.json("index a.jsonl -c c.nearwise --prune --json");
    assert_eq!(
        (&report["same"], &report["pruned"]),
        (&3_000.into(), &0.into())
    );
}

#[test]
#[cfg(unix)]
fn what_is_out_of_reach_is_not_pruned() {
    use std::os::unix::fs::symlink;
    let world = World::new();
    for name in [
        "in/a.txt",
        "in/b.txt",
        "in/c.txt",
        "in/sub/d.txt",
        "in/e.txt",
    ] {
        world.write(
            name,
            format!("Title {name}\n\nThe text of {name}, and more."),
        );
    }
    world.run("index in -c c.nearwise");
    // A folder that is empty, as where a disk is not mounted, and a link to nothing.
    fs::remove_file(world.path("in/sub/d.txt")).unwrap();
    fs::remove_file(world.path("in/b.txt")).unwrap();
    symlink(world.path("nowhere"), world.path("in/b.txt")).unwrap();
    fs::remove_file(world.path("in/c.txt")).unwrap();
    let report = world.json("index in -c c.nearwise --prune --json");
    assert_eq!(report["pruned"], 1, "{report}");
    assert_eq!(
        ids(&world),
        ["in/a.txt", "in/b.txt", "in/e.txt", "in/sub/d.txt"]
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_pipe_with_a_name_is_read() {
    let world = World::new();
    let mut command = world.command("index /dev/stdin -c c.nearwise --json");
    command.write_stdin("id,text\n1,The bridge is open.\n2,The ferry is late.\n");
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["new"], 2, "{report}");
}
