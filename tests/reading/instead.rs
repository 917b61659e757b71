//! What a server sends in place of what was asked for: it takes no article's place.

use super::documents::read_bytes;
use crate::common::World;

const PAGE: &str = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in to go on</h1><p>Use your account to read the file that you asked for, or write to us.</p></body></html>";

#[test]
fn a_page_in_place_of_a_file_of_another_kind_is_refused() {
    for ending in [
        "csv", "tsv", "json", "jsonl", "ndjson", "xml", "rss", "parquet", "eml", "mbox", "docx",
        "pdf", "warc", "sgm", "zip", "tar",
    ] {
        let seen = read_bytes(&format!("a.{ending}"), PAGE.as_bytes());
        assert!(seen.articles.is_empty(), "{ending}");
        assert!(
            seen.bad.len() == 1 && seen.bad[0].contains("a page of HTML"),
            "{ending}: {:?}",
            seen.bad
        );
    }
    // People save pages as texts.
    for ending in ["txt", "md", "html"] {
        assert_eq!(
            read_bytes(&format!("a.{ending}"), PAGE.as_bytes())
                .articles
                .len(),
            1
        );
    }
}

#[test]
fn what_came_in_its_place_prunes_no_articles() {
    let world = World::new();
    let fill = |instead: &str| {
        for i in 0..8 {
            world.write(
                &format!("d/other{i}.txt"),
                format!("Other {i}\n\nA text number {i}.\n"),
            );
        }
        let csv = "id,text\n1,The bridge opens.\n2,The ferry goes.\n";
        world.write("d/a.csv", if instead.is_empty() { csv } else { instead });
        let json = r#"[{"id": 3, "text": "Fares rise."}]"#;
        world.write(
            "d/b.json",
            if instead.is_empty() {
                json
            } else {
                r#"{"code": 429, "text": "Too many requests"}"#
            },
        );
        let page = "<html><head><title>A quay</title></head><body><p>The quay is swept clean.</p></body></html>";
        let gone = "<html><head><title>404 Not Found</title></head><body><center><h1>404 Not Found</h1></center><hr><center>nginx</center></body></html>";
        world.write("d/c.html", if instead.is_empty() { page } else { gone });
    };
    fill("");
    world.run("index d -c c.nearwise");
    let before = world.exported("c.nearwise");
    assert_eq!(before.len(), 12);
    fill(PAGE);
    world.run("index d -c c.nearwise --prune --skip-bad");
    assert_eq!(world.exported("c.nearwise"), before);
}

#[test]
fn pages_of_errors_and_checks_are_no_articles() {
    let page = |title: &str, body: &str| {
        format!("<html><head><title>{title}</title></head><body>{body}</body></html>")
    };
    for html in [
        page("404 Not Found", "<center><h1>404 Not Found</h1></center><hr><center>nginx/1.18.0</center>"),
        page("404 Not Found", "<h1>Not Found</h1><p>The requested URL was not found on this server.</p><hr><address>Apache/2.4</address>"),
        page("Access Denied", "<h1>Access Denied</h1>You don't have permission to access it on this server.<p>Reference #18.1234<p>"),
        page("Robot Check", "<h4>Enter the characters you see below</h4><p>Sorry, we just need to make sure you're not a robot.</p>"),
        page("Index of /news", "<h1>Index of /news</h1><pre><a href=\"../\">../</a>\n<a href=\"a.html\">a.html</a>  03-May-2024 10:11  123\n</pre>"),
        "<html><head><meta http-equiv=\"refresh\" content=\"0;url=https://post.example/b\"><title>Redirecting</title></head><body><p>Redirecting to <a href=b>https://post.example/b</a></p></body></html>".to_string(),
    ] {
        for name in ["a.html", "a.txt"] {
            let seen = read_bytes(name, html.as_bytes());
            assert!(seen.articles.is_empty() && seen.bad.len() == 1, "{html}: {:?}", seen.articles);
        }
    }
    for text in ["404: Not Found", "503 Service Unavailable\n"] {
        for name in ["a.txt", "a.md"] {
            assert_eq!(read_bytes(name, text.as_bytes()).bad.len(), 1);
        }
    }
    for html in [
        page("404 ships passed the bridge", "<p>So many in one summer.</p>"),
        page("Not found in the archives", "<p>The plans of the bridge are lost.</p>"),
        "<html><head><meta http-equiv=\"refresh\" content=\"900\"><title>News</title></head><body><p>The bridge opens.</p></body></html>".to_string(),
    ] {
        assert_eq!(read_bytes("a.html", html.as_bytes()).articles.len(), 1, "{html}");
    }
}
