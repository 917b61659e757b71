use super::*;
use axum::body::to_bytes;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path as FilePath;

fn headers(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
    let fields = fields.iter().cloned();
    fields
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect()
}

fn field(answer: &Response, name: HeaderName) -> &str {
    let value = answer.headers().get(name).map(|v| v.to_str().unwrap());
    value.unwrap_or_default()
}

async fn body(answer: Response) -> Vec<u8> {
    to_bytes(answer.into_body(), usize::MAX)
        .await
        .unwrap()
        .to_vec()
}

/// The files of a folder that a page can be made of, by their names below `root`.
fn found(root: &FilePath, folder: &FilePath, out: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_string_lossy();
        if path.is_dir() {
            found(root, &path, out);
        } else if name.ends_with(".js") || name.ends_with(".css") {
            out.insert(name.into_owned());
        }
    }
}

/// What the exported map or the type checker alone needs.
const ELSEWHERE: [&str; 3] = ["js/exported.js", "js/map/tally.js", "js/types.js"];

#[test]
fn every_file_is_inside_and_every_import_is_there() {
    let root = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("src/server/page");
    let mut there = BTreeSet::new();
    found(&root, &root, &mut there);
    let inside: BTreeSet<String> = FILES.iter().map(|f| f.0.to_string()).collect();
    let missing: Vec<&String> = there
        .iter()
        .filter(|name| !inside.contains(*name) && !ELSEWHERE.contains(&name.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    for (name, text) in FILES {
        for line in text.lines().filter(|l| l.starts_with("import ")) {
            let from = line
                .split('"')
                .nth(1)
                .unwrap_or_else(|| panic!("{name}: {line}"));
            let folder = FilePath::new(name).parent().unwrap();
            let mut path = Vec::new();
            for part in folder.join(from).components() {
                match part.as_os_str().to_str().unwrap() {
                    "." => {}
                    ".." => drop(path.pop()),
                    part => path.push(part.to_string()),
                }
            }
            assert!(inside.contains(&path.join("/")), "{name} imports {from}");
        }
    }
}

#[test]
fn no_file_can_write_markup_or_ask_another_server() {
    for (name, text) in FILES.iter().chain(&[("index.html", INDEX)]) {
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "DOMParser",
            "eval(",
            "new Function",
            "onclick=",
            "style=",
        ] {
            assert!(!text.contains(forbidden), "{name}: {forbidden}");
        }
        // The one address is that of the language of drawings, which is never asked for.
        let other = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!other.contains("://"), "{name}");
    }
}

#[tokio::test]
async fn the_page_is_sent_packed_and_once() {
    let html = (header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
    let plain = index(&headers(std::slice::from_ref(&html)));
    assert_eq!(
        field(&plain, header::CONTENT_TYPE),
        "text/html; charset=utf-8"
    );
    assert_eq!(field(&plain, header::CONTENT_SECURITY_POLICY), POLICY);
    assert_eq!(field(&plain, header::CACHE_CONTROL), "no-cache");
    let text = String::from_utf8(body(plain).await).unwrap();
    assert!(!text.contains("{{") && text.contains("modulepreload"));

    let gzip = (header::ACCEPT_ENCODING, "br;q=1.0, gzip;q=0.8");
    let packed = index(&headers(&[html.clone(), gzip.clone()]));
    assert_eq!(field(&packed, header::CONTENT_ENCODING), "gzip");
    let tag: &'static str = field(&packed, header::ETAG).to_string().leak();
    let mut unpacked = String::new();
    let bytes = body(packed).await;
    flate2::read::GzDecoder::new(bytes.as_slice())
        .read_to_string(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, text);

    assert!(is_wanted(&headers(std::slice::from_ref(&html))));
    let again = index(&headers(&[
        html.clone(),
        gzip,
        (header::IF_NONE_MATCH, tag),
    ]));
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert!(body(again).await.is_empty());
}

#[tokio::test]
async fn files_are_kept_by_their_content() {
    for (name, text) in FILES {
        let path = format!("{}/{name}", PAGE.version);
        let answer = file(Path(path), HeaderMap::new()).await;
        assert!(field(&answer, header::CACHE_CONTROL).contains("immutable"));
        assert_eq!(body(answer).await, text.as_bytes());
    }
    let old = file(Path("0123/js/main.js".into()), HeaderMap::new()).await;
    assert_eq!(field(&old, header::CACHE_CONTROL), "no-cache");
    for wrong in ["", "x", "js/main.js", "0/../mod.rs", "0/js/nothing.js"] {
        let answer = file(Path(wrong.into()), HeaderMap::new()).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{wrong}");
    }
}

#[test]
fn other_clients_do_not_get_the_page() {
    for accept in ["*/*", "application/json"] {
        assert!(!is_wanted(&headers(&[(header::ACCEPT, accept)])));
    }
    assert!(!is_wanted(&HeaderMap::new()));
    let without = headers(&[(header::ACCEPT_ENCODING, "gzip;q=0, identity")]);
    assert!(!accepts_gzip(&without));
}
