//! Whether a PDF file can be read in bounded time and memory, looked at before the extractor reads it.

use super::LONGEST;
use super::compression::ALWAYS;
use flate2::{Decompress, FlushDecompress, Status};
use pdf_extract::content::Content;
use pdf_extract::{Document, Object, ObjectId};
use std::collections::HashMap;

/// All streams of a file may unpack to this many times its size. Pictures that are mostly white
/// unpack to some hundreds.
const TIMES: u64 = 200;

/// How often forms may be drawn by forms, and how many drawings there may be in all.
const FORM_DEPTH: usize = 8;
const DRAWINGS: u64 = 100_000;

/// How far up a page's tree its inherited attributes may stand.
const TREE_DEPTH: usize = 64;

/// Whether the packed streams of a file unpack to far more than text and pictures do. Looked at before
/// the parser, which unpacks into memory without a bound.
pub(super) fn unpacks_to_too_much(bytes: &[u8]) -> bool {
    let most = ALWAYS.max(bytes.len() as u64 * TIMES);
    let mut total = 0u64;
    let mut buffer = vec![0; 1 << 16];
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(6).position(|w| w == b"stream") {
        at += found + 6;
        let mut rest = &bytes[at..];
        rest = rest.strip_prefix(b"\r").unwrap_or(rest);
        rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        // The first byte of a packed stream names the method and the window.
        if rest.first().is_none_or(|b| b & 0x0f != 8) {
            continue;
        }
        let mut inflate = Decompress::new(true);
        loop {
            let input = &rest[usize::try_from(inflate.total_in()).unwrap_or(rest.len())..];
            let before = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(input, &mut buffer, FlushDecompress::None);
            total += inflate.total_out() - before.1;
            if total > most {
                return true;
            }
            let stuck = before == (inflate.total_in(), inflate.total_out());
            if stuck || !matches!(status, Ok(Status::Ok)) {
                break;
            }
        }
        // What was packed is not looked through for the next.
        at += usize::try_from(inflate.total_in()).unwrap_or(0);
    }
    let flat: Vec<u8> = b"/FlateDecode".to_vec();
    let twice = [flat.clone(), b" ".to_vec(), flat.clone()].concat();
    let close = [flat.clone(), flat].concat();
    bytes.windows(twice.len()).any(|w| w == twice) || bytes.windows(close.len()).any(|w| w == close)
}

/// Takes the pictures out, which the extractor would read as if they were text; `true` if there were any.
pub(super) fn drop_pictures(document: &mut Document) -> bool {
    let mut any = false;
    for object in document.objects.values_mut() {
        if let Object::Stream(stream) = object {
            let kind = stream.dict.get(b"Subtype").and_then(Object::as_name);
            if kind.is_ok_and(|kind| kind == b"Image") {
                any = true;
                stream.content.clear();
                stream.dict.remove(b"Filter");
            }
        }
    }
    any
}

/// Whether drawing any form comes to an end: forms draw forms, which may be themselves.
pub(super) fn forms_end(document: &Document) -> bool {
    let mut known: HashMap<ObjectId, (usize, u64)> = HashMap::new();
    document
        .objects
        .keys()
        .all(|id| drawings(document, *id, 0, &mut known).is_some())
}

/// How deep a form draws others, and how many in all; `None` where that is too much.
fn drawings(
    document: &Document,
    id: ObjectId,
    depth: usize,
    known: &mut HashMap<ObjectId, (usize, u64)>,
) -> Option<(usize, u64)> {
    if let Some(found) = known.get(&id) {
        return (depth + found.0 <= FORM_DEPTH).then_some(*found);
    }
    if depth > FORM_DEPTH {
        return None;
    }
    let Some(Object::Stream(stream)) = document.objects.get(&id) else {
        return Some((0, 0));
    };
    let kind = stream.dict.get(b"Subtype").and_then(Object::as_name);
    let (mut deepest, mut sum) = (0, 1u64);
    if kind.is_ok_and(|kind| kind == b"Form") {
        let content = stream
            .decompressed_content()
            .unwrap_or_else(|_| stream.content.clone());
        for name in drawn(&content)? {
            // A form without resources draws those of whoever draws it, which may be itself.
            let resources = stream.dict.get(b"Resources").ok()?;
            let target = object_of(document, resources, &name);
            if let Some(target) = target {
                let (below, count) = drawings(document, target, depth + 1, known)?;
                deepest = deepest.max(below + 1);
                sum = sum.saturating_add(count);
            }
        }
    }
    if sum > DRAWINGS {
        return None;
    }
    known.insert(id, (deepest, sum));
    Some((deepest, sum))
}

/// The names that a content stream draws.
fn drawn(content: &[u8]) -> Option<Vec<Vec<u8>>> {
    if !content.windows(2).any(|w| w == b"Do") {
        return Some(Vec::new());
    }
    let content = Content::decode(content).ok()?;
    let names = content.operations.iter().filter(|o| o.operator == "Do");
    names
        .map(|o| Some(o.operands.first()?.as_name().ok()?.to_vec()))
        .collect()
}

/// What a name stands for among the drawable things of some resources.
fn object_of(document: &Document, resources: &Object, name: &[u8]) -> Option<ObjectId> {
    let (_, resources) = document.dereference(resources).ok()?;
    let objects = resources.as_dict().ok()?.get(b"XObject").ok()?;
    let (_, objects) = document.dereference(objects).ok()?;
    let object = objects.as_dict().ok()?.get(name).ok()?;
    document.dereference(object).ok()?.0
}

/// Whether reading a page comes to an end, in bounded memory.
pub(super) fn page_ends(
    document: &Document,
    page: ObjectId,
    lengths: &mut HashMap<ObjectId, u64>,
) -> bool {
    // Attributes are inherited up the tree, which may bite its tail.
    let mut at = Some(page);
    for _ in 0..TREE_DEPTH {
        let parent = at
            .and_then(|id| document.get_dictionary(id).ok())
            .and_then(|dict| dict.get(b"Parent").ok())
            .and_then(|parent| parent.as_reference().ok());
        at = parent;
        if at.is_none() {
            break;
        }
    }
    if at.is_some() {
        return false;
    }
    let mut sum = 0u64;
    for id in document.get_page_contents(page) {
        let length = *lengths.entry(id).or_insert_with(|| {
            let stream = document.get_object(id).and_then(Object::as_stream);
            stream.map_or(0, |s| {
                s.decompressed_content()
                    .map_or(s.content.len(), |c| c.len()) as u64
            })
        });
        sum += length + 1;
        if sum > LONGEST {
            return false;
        }
    }
    let content = document.get_page_content(page).unwrap_or_default();
    drawn(&content).is_none_or(|names| names.len() as u64 * 64 <= DRAWINGS)
}
