//! Lists of articles inside an object, as interfaces of the web answer.

use super::exports::{posted, revised};
use super::scan::length;
use super::{MOST_COLUMNS, value};
use crate::corpus::columns::{Columns, Mapping, Role, is_tree};
use crate::corpus::decode::Decoder;
use memchr::memmem::Finder;
use serde_json::{Map, Value};

/// What lists of articles are usually called.
const LISTS: [&str; 26] = [
    "articles",
    "items",
    "results",
    "docs",
    "data",
    "hits",
    "entries",
    "posts",
    "documents",
    "stories",
    "news",
    "records",
    "rows",
    "response",
    "value",
    "values",
    "children",
    "edges",
    "tweets",
    "messages",
    "statuses",
    "feed",
    "list",
    "orderedItems",
    "papers",
    "publications",
];
/// Objects that hold an article's fields one level below its identifier or kind.
const WRAPPERS: [&str; 22] = [
    SOURCE,
    "attributes",
    "fields",
    "node",
    "data",
    "doc",
    "document",
    "article",
    "tweet",
    "post",
    "record",
    "row",
    "object",
    "snippet",
    "post_view",
    "content",
    "topLevelComment",
    // What a page is made from, and what a store of vectors or a map knows of each.
    "props",
    "pageProps",
    "payload",
    "metadata",
    "properties",
];
/// What a search engine found, beside which it tells where.
const SOURCE: &str = "_source";
/// Lists of what has to do with an article, beside it or in it, by how their names begin.
const ABOUT: [&str; 23] = [
    "attachment",
    "author",
    "categor",
    "comment",
    "contributor",
    "crosspost",
    "cross_post",
    "embed",
    "gallery",
    "image",
    "include",
    "keyword",
    "media",
    "reaction",
    "recommend",
    "related",
    "relationship",
    "replies",
    "review",
    "similar",
    "tag",
    "user",
    "videos",
];
/// Lists of other articles on an article's page, by how their names begin.
const BESIDE: [&str; 12] = [
    "also", "latest", "more", "most", "next", "popular", "prev", "promo", "recirc", "sidebar",
    "suggest", "trending",
];
/// Columns that often describe a whole list; an object with no other text may be an envelope.
const DESCRIPTIONS: [&str; 5] = ["description", "summary", "abstract", "subtitle", "content"];
/// How deep in an object a list of articles is looked for.
pub(super) const DEEPEST: usize = 4;
/// How many objects are taken off an article's fields.
const WRAPPED: usize = 3;
/// Items of a list that are looked at.
const ITEMS: usize = 5;

/// A list in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct List {
    /// Its name, with those of the objects around it: `response.docs`.
    pub name: String,
    /// Where it begins in the object's bytes: behind its bracket.
    pub start: usize,
    /// How many objects are open there.
    pub depth: u64,
    size: usize,
    /// The names of the members of one of its articles.
    pub keys: Vec<String>,
    /// Whether its items hold lists of articles.
    pub groups: bool,
}

impl List {
    fn usual(&self) -> bool {
        is_usual(self.name.rsplit('.').next().unwrap_or_default())
    }
}

/// Whether the object has a text of its own, which is not one that describes a list.
pub(super) fn is_article(
    object: &Map<String, Value>,
    mapping: &Mapping,
    columns: &Columns,
) -> bool {
    let Some(column) = mapping.column(Role::Text) else {
        return false;
    };
    let text = mapping.value(Role::Text, object);
    columns.text.is_some()
        || !is_hit(object)
            && text.is_some_and(|text| match text {
                Value::Array(_) => is_tree(text),
                // As content management systems give a text.
                Value::Object(inner) => {
                    let whole = |name: &&str| inner.get(*name).is_some_and(Value::is_string);
                    is_tree(text) || ["processed", "rendered", "value"].iter().any(whole)
                }
                _ => !described(column),
            })
}

/// Whether an object is what a search engine found: its text is in its source, not in what is told of the place.
pub(super) fn is_hit(object: &Map<String, Value>) -> bool {
    let has = |name: &str| object.get(name).is_some_and(Value::is_object);
    let found = ["_id", "_index", "_score"]
        .iter()
        .any(|name| object.contains_key(*name));
    // Of an entry of Contentful, beside what the system knows of it.
    has(SOURCE) && found || has("fields") && has("sys")
}

/// Whether a list is one of what has to do with an article, by the name of it or of an object around it.
pub(super) fn is_about(name: &str) -> bool {
    begins(name, &ABOUT)
}

/// Whether a list is one of other articles on an article's page.
pub(super) fn is_beside(name: &str) -> bool {
    begins(name, &BESIDE)
}

fn begins(name: &str, beginnings: &[&str]) -> bool {
    let told = |part: &str| {
        let part = part.to_ascii_lowercase();
        beginnings.iter().any(|about| part.starts_with(about))
    };
    name.split('.').any(told)
}

/// Whether what stands in the column of a text is a list of articles rather than the parts of one.
pub(super) fn is_list_of_articles(column: &str, value: &Value, columns: &Columns) -> bool {
    /// Lists of parts, each of which may have an id.
    const PARTS: [&str; 5] = [
        "sections",
        "chapters",
        "paragraphs",
        "utterances",
        "segments",
    ];
    let items = value.as_array().into_iter().flatten().take(ITEMS);
    let usual = |(name, list): (&String, &Value)| {
        is_usual(name) && list.get(0).is_some_and(Value::is_object)
    };
    let is_one = |item: &Map<String, Value>| {
        let keys: Vec<String> = item.keys().cloned().collect();
        keys.len() <= MOST_COLUMNS && stands_alone(&keys, columns, !PARTS.contains(&column))
    };
    let mut items = items.filter_map(Value::as_object);
    !is_tree(value) && items.any(|item| is_one(item) || item.iter().any(usual))
}

/// Whether an object is a page of a longer list, as Spring answers it.
pub(super) fn is_page_of_list(object: &Map<String, Value>) -> bool {
    let told = ["totalElements", "totalPages", "pageable"];
    object.get("content").is_some_and(Value::is_array)
        && told.iter().any(|name| object.contains_key(*name))
}

/// Whether what has these members is an article by itself, wherever it stands: it has a title and a text, and a date or
/// an address; or an `id`, where that tells.
fn stands_alone(keys: &[String], columns: &Columns, id: bool) -> bool {
    columns.map_first(keys).is_ok_and(|mapping| {
        let has = |role| mapping.column(role).is_some();
        let text = |column: &str| column == "content" || !described(column);
        !mapping.is_named_weakly()
            && mapping.columns(Role::Text).any(text)
            && (has(Role::Date) || has(Role::Url) || id && has(Role::Id))
    })
}

fn is_usual(name: &str) -> bool {
    LISTS.iter().any(|usual| usual.eq_ignore_ascii_case(name))
}

/// Whether a column of text may be one of an envelope.
pub(super) fn described(column: &str) -> bool {
    DESCRIPTIONS.iter().any(|d| d.eq_ignore_ascii_case(column))
}

/// Whether an object of this name usually holds an article's fields.
pub(super) fn is_wrapper(name: &str) -> bool {
    WRAPPERS.contains(&name)
}

/// Whether an object holds a list of a usual name with nothing in it, as a group without articles does.
pub(super) fn has_empty_list(object: &Map<String, Value>) -> bool {
    let empty = |list: &Value| list.as_array().is_some_and(Vec::is_empty);
    object
        .iter()
        .any(|(name, list)| is_usual(name) && empty(list))
}

/// Whether there is any list of objects in an object.
pub(super) fn has_list(object: &Map<String, Value>) -> bool {
    has_list_of(object, 1, |_| true)
}

/// The same of those whose names are such.
fn has_list_of(object: &Map<String, Value>, depth: usize, named: fn(&str) -> bool) -> bool {
    object.iter().any(|(name, value)| match value {
        Value::Array(items) => named(name) && items.first().is_some_and(Value::is_object),
        Value::Object(inner) => depth < DEEPEST && has_list_of(inner, depth + 1, named),
        _ => false,
    })
}

/// The likeliest list of articles in the object that `bytes` begins with, or in the part of it that
/// there is; where several are alike, the first of them. `article` says that the object might be an article itself: then only a list of a
/// usual name is taken, or one of articles that have a date or an address, and where it has a `text`, none of what has
/// to do with it.
pub(super) fn find(
    bytes: &[u8],
    article: bool,
    text: bool,
    columns: &Columns,
    decoder: &mut Decoder,
) -> Option<List> {
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for mut list in lists(bytes) {
        let usual = list.usual();
        if article && (text || !usual) && is_about(&list.name) {
            continue;
        }
        let alone = |keys: &Vec<String>| !article || usual || stands_alone(keys, columns, false);
        match keys_of_articles(&bytes[list.start..], usual, columns, decoder) {
            Some(keys) if alone(&keys) => {
                list.keys = keys;
                found.push(list);
            }
            Some(_) => {}
            None => others.push(list),
        }
    }
    if found.is_empty() {
        for mut list in others {
            let items = &bytes[list.start..];
            if holds_articles(items, article, columns, decoder) {
                let first = &items[between(items)..];
                let first = length(first).map(|n| &first[..n]);
                list.keys = first
                    .and_then(|item| keys_of(item, columns, decoder))
                    .unwrap_or_default();
                list.groups = true;
                found.push(list);
            }
        }
    }
    // Of equals, the first.
    let likeliest = found
        .iter()
        .rev()
        .max_by_key(|list| (list.usual(), list.size))?;
    let is_one = |list: &List| list.start == likeliest.start || alike(list, &likeliest.keys);
    let first = found.iter().position(is_one)?;
    Some(found.swap_remove(first))
}

/// Whether a list is one of articles with these members, as the parts of a data set are or the answers of several
/// newspapers. What is written about an article is none, though it may have the same.
pub(super) fn alike(list: &List, keys: &[String]) -> bool {
    const ABOUT: [&str; 4] = ["comments", "replies", "related", "recommended"];
    let last = list.name.rsplit('.').next().unwrap_or_default();
    let both = list.keys.iter().filter(|key| keys.contains(key)).count();
    let all = list.keys.len() + keys.len() - both;
    3 * both >= 2 * all && !ABOUT.iter().any(|about| about.eq_ignore_ascii_case(last))
}

/// The list of a name whose items begin behind the bracket that `bytes` begin with, where its first item is there in
/// whole.
pub(super) fn list_here(
    name: String,
    depth: u64,
    bytes: &[u8],
    columns: &Columns,
    decoder: &mut Decoder,
) -> Option<List> {
    let item = bytes.get(1..)?.trim_ascii_start();
    let keys = keys_of(item.get(..length(item)?)?, columns, decoder)?;
    Some(List {
        name,
        start: 1,
        depth,
        size: 0,
        keys,
        groups: false,
    })
}

/// The names of the members of a whole item, where it is an object.
fn keys_of(item: &[u8], columns: &Columns, decoder: &mut Decoder) -> Option<Vec<String>> {
    let object = value::object(&decoder.decode(item)).ok()?;
    Some(unwrapped(object, columns).keys().cloned().collect())
}

/// The items of a damaged list, one after the other: together they may take many times the memory of
/// their bytes.
pub(super) struct Items {
    /// Where the next begins.
    at: usize,
    /// Each try to go on reads to the end, where brackets are not closed: not too often.
    left: usize,
    /// Whether the last was faulty.
    faulty: bool,
}

impl Items {
    /// Those of a list of which the bytes are what is behind its bracket.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self {
            at: blanks(bytes),
            left: 64 * bytes.len(),
            faulty: false,
        }
    }

    /// The next whole item, or what is wrong with one; `bytes` are always those that it began with.
    pub(super) fn next(
        &mut self,
        bytes: &[u8],
        columns: &Columns,
        decoder: &mut Decoder,
    ) -> Option<Result<Map<String, Value>, String>> {
        loop {
            let rest = bytes.get(self.at..)?;
            if rest.first() != Some(&b'{') {
                return None;
            }
            let n = length(rest);
            self.left = self.left.saturating_sub(n.unwrap_or(rest.len()));
            let item = match n {
                Some(n) => value::object(&decoder.decode(&rest[..n])).map(|item| (item, n)),
                None => Err("it does not end".to_string()),
            };
            match item {
                Ok((item, n)) => {
                    self.at += n;
                    self.at += between(&bytes[self.at..]);
                    self.faulty = false;
                    return Some(Ok(unwrapped(item, columns)));
                }
                Err(message) => {
                    self.at = match next_item(rest, columns, decoder) {
                        Some(n) if self.left > 0 => self.at + n,
                        _ => bytes.len(),
                    };
                    // One fault is told once, wherever reading goes on.
                    if !std::mem::replace(&mut self.faulty, true) {
                        return Some(Err(message));
                    }
                }
            }
        }
    }
}

/// Where behind a faulty item, with which the bytes begin, the next one begins: as this one does, behind a
/// comma and another's end, and whole.
pub(super) fn next_item(bytes: &[u8], columns: &Columns, decoder: &mut Decoder) -> Option<usize> {
    /// Objects in the items may begin so as well.
    const TRIES: usize = 16;
    let follows = |before: &[u8]| {
        let before = before.trim_ascii_end().strip_suffix(b",");
        before.is_some_and(|item| item.trim_ascii_end().ends_with(b"}"))
    };
    let next = Finder::new(beginning(bytes)?);
    next.find_iter(bytes.get(1..)?)
        .map(|at| at + 1)
        .filter(|&at| follows(&bytes[..at]))
        .take(TRIES)
        .find(|&at| {
            let whole = length(&bytes[at..]).map(|n| &bytes[at..at + n]);
            let item = whole.and_then(|item| value::object(&decoder.decode(item)).ok());
            item.is_some_and(|item| {
                let item = unwrapped(item, columns);
                let keys: Vec<String> = item.keys().cloned().collect();
                keys.len() <= MOST_COLUMNS && columns.map_sparse(&keys).is_ok()
            })
        })
}

/// How the items of a list begin: up to the end of the first's first name.
fn beginning(item: &[u8]) -> Option<&[u8]> {
    let name = 1 + blanks(item.get(1..)?);
    let n = length(
        item.get(name..)
            .filter(|rest| rest.first() == Some(&b'"'))?,
    )?;
    item.get(..name + n)
}

/// The length of what stands between two items.
fn between(bytes: &[u8]) -> usize {
    let between = |b: &&u8| b.is_ascii_whitespace() || **b == b',';
    bytes.iter().take_while(between).count()
}

/// The names of an object's own members, as far as there are bytes.
pub(super) fn names(bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    walk(bytes, &mut |path, _| {
        if let [name] = path {
            names.push(name.clone());
        }
        names.len() < MOST_COLUMNS
    });
    names
}

/// Every list of objects.
fn lists(bytes: &[u8]) -> Vec<List> {
    let mut lists = Vec::new();
    walk(bytes, &mut |path, at| {
        if bytes[at] == b'[' && bytes[at + 1..].trim_ascii_start().first() == Some(&b'{') {
            lists.push(List {
                name: path.join("."),
                start: at + 1,
                depth: path.len() as u64,
                size: length(&bytes[at..]).unwrap_or(bytes.len() - at),
                keys: Vec::new(),
                groups: false,
            });
        }
        lists.len() < MOST_COLUMNS
    });
    lists
}

/// Goes through the members of an object and of the objects in it; hands over their names from the
/// outermost and the place of their value, until told to stop or something is no JSON.
fn walk(bytes: &[u8], see: &mut impl FnMut(&[String], usize) -> bool) {
    let mut path: Vec<String> = Vec::new();
    let mut at = 1;
    loop {
        at += blanks(&bytes[at.min(bytes.len())..]);
        match bytes.get(at) {
            Some(b',') => at += 1,
            Some(b'}') => {
                at += 1;
                if path.pop().is_none() {
                    return;
                }
            }
            Some(b'"') => {
                let Some(n) = length(&bytes[at..]) else {
                    return;
                };
                let raw = &bytes[at..at + n];
                let name = serde_json::from_slice(raw)
                    .unwrap_or_else(|_| String::from_utf8_lossy(raw).into_owned());
                at += n;
                at += blanks(&bytes[at..]);
                if bytes.get(at) != Some(&b':') {
                    return;
                }
                at += 1;
                at += blanks(&bytes[at..]);
                if at >= bytes.len() {
                    return;
                }
                path.push(name);
                if !see(&path, at) {
                    return;
                }
                if bytes[at] == b'{' && path.len() < DEEPEST {
                    at += 1;
                    continue;
                }
                path.pop();
                let Some(n) = length(&bytes[at..]) else {
                    return;
                };
                at += n;
            }
            _ => return,
        }
    }
}

fn blanks(bytes: &[u8]) -> usize {
    bytes.len() - bytes.trim_ascii_start().len()
}

/// The names of the members of the first article among the first items of a list.
fn keys_of_articles(
    mut rest: &[u8],
    usual: bool,
    columns: &Columns,
    decoder: &mut Decoder,
) -> Option<Vec<String>> {
    for _ in 0..ITEMS {
        while let Some((b',', after)) = rest.split_first() {
            rest = after;
        }
        rest = rest.trim_ascii_start();
        // What stands behind the list is none of its items.
        if rest.first() == Some(&b']') {
            return None;
        }
        let n = length(rest)?;
        if let Ok(mut object) = value::object(&decoder.decode(&rest[..n])) {
            posted(&mut object);
            revised(&mut object);
            let object = unwrapped(object, columns);
            let keys: Vec<String> = object.keys().cloned().collect();
            let found = columns.map_first(&keys).is_ok_and(|mapping| {
                // What has but a name and lists is what articles are in.
                let titled = mapping.column(Role::Title).is_some()
                    && !(mapping.is_named_weakly() && has_list_of(&object, 1, is_usual));
                mapping.has_text(&object) || usual && titled
            });
            if keys.len() <= MOST_COLUMNS && found {
                return Some(keys);
            }
        }
        rest = rest[n..].trim_ascii_start();
    }
    None
}

/// Whether what has these members is a run of a text, which has more of them.
fn is_run(keys: &[String]) -> bool {
    const MEMBERS: [&str; 6] = ["text", "value", "type", "_type", "_key", "marks"];
    keys.iter().all(|key| MEMBERS.contains(&key.as_str()))
}

/// Whether one of the first items of a list holds a list of articles that have a text: the tables of an export, the
/// sections of a newspaper, the answers to several questions. Of an export in one object, there may be only a part.
/// `alone` asks for a date or an address of each, as else they may be the parts of one.
fn holds_articles(mut rest: &[u8], alone: bool, columns: &Columns, decoder: &mut Decoder) -> bool {
    for _ in 0..ITEMS {
        rest = &rest[between(rest)..];
        let item = &rest[..length(rest).unwrap_or(rest.len())];
        if item.first() != Some(&b'{') {
            return false;
        }
        let holds = lists(item).iter().filter(|list| list.usual()).any(|list| {
            keys_of_articles(&item[list.start..], false, columns, decoder).is_some_and(|keys| {
                !is_run(&keys) && (!alone || stands_alone(&keys, columns, false))
            })
        });
        if holds {
            return true;
        }
        rest = &rest[item.len()..];
    }
    false
}

/// An object with its members, or with those of an object in it where only those have a text.
pub(super) fn unwrapped(object: Map<String, Value>, columns: &Columns) -> Map<String, Value> {
    unwrapped_to(object, columns, WRAPPED)
}

fn unwrapped_to(
    mut object: Map<String, Value>,
    columns: &Columns,
    depth: usize,
) -> Map<String, Value> {
    if has_text(&object, columns) {
        return object;
    }
    let wrapper =
        wrapper_of_text(&object, columns, depth).or_else(|| wrapper_of_title(&object, columns));
    let Some(wrapper) = wrapper.map(|(name, _)| name.to_string()) else {
        return object;
    };
    let Some(Value::Object(inner)) = object.shift_remove(&wrapper) else {
        return object;
    };
    let mut all = unwrapped_to(inner, columns, depth - 1);
    for (name, value) in object {
        if !all.contains_key(&name) {
            all.insert(name, value);
        }
    }
    all
}

/// The object in one, or in an object in it, that has a text, where it has none itself.
pub(super) fn wrapped<'o>(
    object: &'o Map<String, Value>,
    columns: &Columns,
) -> Option<&'o Map<String, Value>> {
    wrapped_at(object, columns).map(|(_, inner)| inner)
}

/// The same, with the names that lead to it.
pub(super) fn wrapped_at<'o>(
    object: &'o Map<String, Value>,
    columns: &Columns,
) -> Option<(String, &'o Map<String, Value>)> {
    let (mut way, mut object) = (String::new(), object);
    for depth in (1..=WRAPPED).rev() {
        let (name, inner) = wrapper_of_text(object, columns, depth)?;
        way.push_str(name);
        way.push('.');
        if has_text(inner, columns) {
            return Some((way, inner));
        }
        object = inner;
    }
    None
}

/// The first object in one that has a text, or holds an object that has.
fn wrapper_of_text<'o>(
    object: &'o Map<String, Value>,
    columns: &Columns,
    depth: usize,
) -> Option<(&'o str, &'o Map<String, Value>)> {
    if depth == 0 {
        return None;
    }
    wrappers(object, object.len() == 1).find(|(_, inner)| {
        has_text(inner, columns) || wrapper_of_text(inner, columns, depth - 1).is_some()
    })
}

/// The objects in one that may hold an article's fields, with their names: of `any` name, or of those that wrappers
/// have.
fn wrappers(
    object: &Map<String, Value>,
    any: bool,
) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
    object
        .iter()
        .filter(move |(name, _)| any || is_wrapper(name))
        .filter_map(|(name, value)| Some((name.as_str(), value.as_object()?)))
        .filter(|(name, inner)| *name != "properties" || !is_schema(inner))
}

/// The roles of an object's members, where it has any that an article needs.
pub(super) fn roles(object: &Map<String, Value>, columns: &Columns) -> Option<Mapping> {
    if object.len() > MOST_COLUMNS {
        return None;
    }
    let keys: Vec<String> = object.keys().cloned().collect();
    columns.map_first(&keys).ok()
}

/// Whether members say what those of other objects are, as in JSON's schemas.
fn is_schema(members: &Map<String, Value>) -> bool {
    !members.is_empty()
        && members
            .values()
            .all(|member| member.get("type").is_some() || member.get("$ref").is_some())
}

/// The first object in one that has a title, where it has none itself: a link that somebody posted.
fn wrapper_of_title<'o>(
    object: &'o Map<String, Value>,
    columns: &Columns,
) -> Option<(&'o str, &'o Map<String, Value>)> {
    let titled = |object: &Map<String, Value>, name: &str| {
        // Of a post, a name is one.
        roles(object, columns).is_some_and(|mapping| {
            mapping.column(Role::Title).is_some() && (name == "post" || !mapping.is_named_weakly())
        })
    };
    if titled(object, "") || object.contains_key("name") {
        return None;
    }
    wrappers(object, false).find(|(name, inner)| titled(inner, name))
}

/// Whether an object has a text of its own.
pub(super) fn has_text(object: &Map<String, Value>, columns: &Columns) -> bool {
    !is_hit(object) && roles(object, columns).is_some_and(|mapping| mapping.has_text(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, article: bool) -> Option<String> {
        let list = find(
            text.as_bytes(),
            article,
            article,
            &Columns::default(),
            &mut Decoder::default(),
        )?;
        assert_eq!(text.as_bytes()[list.start - 1], b'[');
        Some(list.name)
    }

    #[test]
    fn the_likeliest_list_is_found() {
        let news = r#"{"status": "ok", "total": 2, "sources": [{"id": 1}], "articles": [{"title": "T", "content": "C"}]}"#;
        assert_eq!(found(news, true).as_deref(), Some("articles"));
        // As much of it as there is.
        assert_eq!(
            found(&news[..news.len() - 2], true).as_deref(),
            Some("articles")
        );
        assert_eq!(found(&news[..70], true), None);
        let solr = r#"{"response": {"n": [1], "docs": [{"id": 3}, {"text": "C"}]}}"#;
        assert_eq!(found(solr, false).as_deref(), Some("response.docs"));
        let elastic = r#"{"hits": {"hits": [{"_id": "1", "_source": {"text": "C"}}]}}"#;
        assert_eq!(found(elastic, false).as_deref(), Some("hits.hits"));
        // Comments are no articles where they stand in one.
        let article = r#"{"summary": "S", "comments": [{"text": "C"}]}"#;
        assert_eq!(found(article, true), None);
        assert_eq!(found(article, false).as_deref(), Some("comments"));
        for broken in [
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\": [",
            "{]",
            "{\"a\" 1}",
            "{}",
            "{\"a\": [{",
        ] {
            assert_eq!(found(broken, false), None, "{broken}");
        }
    }
}
