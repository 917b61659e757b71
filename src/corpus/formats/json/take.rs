//! What becomes of an object: an article, or several that it holds.

use super::chats::{self, is_nothing, is_notice};
use super::exports::{Action, bared, known_to_the_system, posted, revised};
use super::scan::{Skip, length};
use super::{
    Kin, Known, LARGE, LONGEST_NAMES, MAPPINGS, MAPPINGS_BYTES, MOST_COLUMNS, Open, Reader,
    envelope, keyed, replies,
};
use crate::corpus::columns::{
    Columns, FAILURE, Mapping, NAME_THE_TEXT, Role, is_failure, proposed,
};
use crate::error::Result;
use serde_json::{Map, Value};
use std::io::Read;
use std::rc::Rc;

impl<R: Read> Reader<'_, '_, R> {
    /// Takes an object of `n` bytes, which is an article or holds some.
    pub(super) fn take(&mut self, object: Map<String, Value>, n: usize, line: u64) -> Result<()> {
        let mut object = object;
        if self.open.is_empty() {
            if let Some(action) = Action::of(&object) {
                self.action = Some(action);
                self.pass(n);
                return Ok(());
            }
        } else {
            bared(&mut object);
            posted(&mut object);
            revised(&mut object);
            known_to_the_system(&mut object);
        }
        // What the last object's members say holds for one with the same.
        let plain = self.is_like_last(&object).is_some_and(|known| known.plain);
        if !plain {
            chats::prepare(&mut object);
        }
        if let Some(action) = self.action.take() {
            action.tell(&mut object);
        }
        if self.is_alone(n) && !self.context.options.columns.any_set() && is_failure(&object) {
            self.pass(n);
            let message = format!("no article but {FAILURE}; if it is one, {NAME_THE_TEXT}");
            return self.bad(line, message);
        }
        let mut known = self.known(&object);
        let columns = &self.context.options.columns;
        let mut article = match &known.roles {
            Ok(mapping) => envelope::is_article(&object, mapping, columns),
            Err(_) => false,
        };
        if !article {
            if self.may_enter() && envelope::has_list(&object) && !self.wraps_article(&object) {
                let bytes = &self.window.bytes()[..n];
                let may_be_article = |mapping| may_be_article(mapping, &object, columns);
                let titled = known.roles.as_ref().is_ok_and(may_be_article);
                let roles = known.roles.as_ref();
                let text = roles.is_ok_and(|roles| roles.column(Role::Text).is_some());
                let list = envelope::find(bytes, titled, text, columns, self.decoder);
                let wrapped = list
                    .is_some()
                    .then(|| envelope::wrapped_at(&object, columns));
                let wrapped = wrapped.flatten();
                if let Some(list) = list.filter(|list| !self.is_of_wrapped(list, wrapped.as_ref()))
                {
                    if let Some(article) = self.stands_before(&list, wrapped) {
                        let known = self.known(&article);
                        self.article(article, &known, line)?;
                    }
                    self.enter(list);
                    return Ok(());
                }
            }
            let described = |mapping: &Mapping| mapping.has_text(&object);
            if envelope::is_hit(&object) || !known.roles.as_ref().is_ok_and(described) {
                object = envelope::unwrapped(object, columns);
                known = self.known(&object);
                article = match &known.roles {
                    Ok(mapping) => envelope::is_article(&object, mapping, columns),
                    Err(_) => false,
                };
            }
        }
        self.pass(n);
        if self.is_empty_group(&object, &known) {
            return Ok(());
        }
        let columns = &self.context.options.columns;
        if known.plain {
            return self.row(object, &known, article, line);
        }
        let below = replies::taken(&mut object, columns);
        if !below.is_empty() {
            known = self.known(&object);
        }
        if is_notice(&object) {
            self.notices += 1;
            return self.below(below, line);
        }
        self.row(object, &known, article, line)?;
        self.below(below, line)
    }

    /// Hands over an object that is an article, or the rows of a table in it.
    fn row(
        &mut self,
        object: Map<String, Value>,
        known: &Known,
        article: bool,
        line: u64,
    ) -> Result<()> {
        let columns = &self.context.options.columns;
        if !article && let Some(rows) = keyed::rows(&object, known.roles.as_ref().ok(), columns) {
            // In a list, the object that holds the first has its number already.
            let counted = usize::from(!self.open.is_empty());
            self.open.push(Open::List);
            for (i, row) in rows.into_iter().enumerate() {
                if i >= counted {
                    self.items += 1;
                }
                let known = self.known(&row);
                self.article(row, &known, line)?;
            }
            self.open.pop();
            return Ok(());
        }
        self.article(object, known, line)
    }

    /// Whether an item of a list wraps an article, so that lists in it are the article's.
    fn wraps_article(&self, object: &Map<String, Value>) -> bool {
        let columns = &self.context.options.columns;
        let mut names = object.keys();
        if self.open.is_empty() || !names.any(|name| envelope::is_wrapper(name)) {
            return false;
        }
        envelope::wrapped(object, columns).is_some_and(|inner| self.is_article(inner))
    }

    /// Whether an item of a list is a group of articles in which there are none.
    fn is_empty_group(&self, object: &Map<String, Value>, known: &Known) -> bool {
        let groups = self.kin.last().is_some_and(|kin| kin.groups);
        let empty = envelope::has_empty_list(object);
        !self.open.is_empty()
            && match &known.roles {
                Ok(mapping) => {
                    let none = object.values().any(Value::is_null);
                    let named = !empty && !none && !mapping.is_named_weakly();
                    groups && !mapping.has_text(object) && !named
                }
                Err(_) => empty,
            }
    }

    /// Whether a list belongs to an article that an object wraps: it has replies to it, or what has to do with it.
    fn is_of_wrapped(
        &self,
        list: &envelope::List,
        wrapped: Option<&(String, &Map<String, Value>)>,
    ) -> bool {
        let Some((way, inner)) = wrapped else {
            return false;
        };
        // What leads to the article says nothing of the list.
        let name = list.name.strip_prefix(way).unwrap_or(&list.name);
        replies::is_list(name)
            || (envelope::is_beside(name) || !self.has_texts(list)) && self.is_titled_article(inner)
            || envelope::is_about(name)
                && (self.is_article(inner)
                    || inner.get("content").is_some_and(|text| !is_nothing(text)))
    }

    /// The article that an object wraps beside the list, as that of the day stands before all others.
    fn stands_before(
        &self,
        list: &envelope::List,
        wrapped: Option<(String, &Map<String, Value>)>,
    ) -> Option<Map<String, Value>> {
        let (way, inner) = wrapped?;
        // What else holds an article's members may hold what is known of all.
        const NAMES: [&str; 6] = ["article", "post", "story", "doc", "document", "tweet"];
        let name = way
            .trim_end_matches('.')
            .rsplit('.')
            .next()
            .unwrap_or_default();
        let stands =
            NAMES.contains(&name) && !list.name.starts_with(&way) && self.is_titled_article(inner);
        stands.then(|| inner.clone())
    }

    /// Whether the articles of a list have texts: a menu's entries have but titles.
    fn has_texts(&self, list: &envelope::List) -> bool {
        let mapping = self.context.options.columns.map_first(&list.keys);
        list.groups || mapping.is_ok_and(|mapping| mapping.column(Role::Text).is_some())
    }

    /// Whether an object has a title and a text of its own.
    fn is_titled_article(&self, object: &Map<String, Value>) -> bool {
        let columns = &self.context.options.columns;
        envelope::roles(object, columns).is_some_and(|mapping| {
            let content = object.get("content").is_some_and(|text| !is_nothing(text));
            let text = mapping.value(Role::Text, object);
            let article = text.is_some_and(|text| !is_nothing(text))
                && envelope::is_article(object, &mapping, columns);
            !mapping.is_named_weakly() && (content || article)
        })
    }

    /// Whether an object has a text of its own.
    fn is_article(&self, object: &Map<String, Value>) -> bool {
        let columns = &self.context.options.columns;
        envelope::roles(object, columns)
            .is_some_and(|mapping| envelope::is_article(object, &mapping, columns))
    }

    /// Hands over what stands below an article, of which some may have no text.
    fn below(&mut self, replies: Vec<Map<String, Value>>, line: u64) -> Result<()> {
        self.open.push(Open::List);
        for reply in replies {
            self.items += 1;
            let columns = &self.context.options.columns;
            if is_notice(&reply) || !envelope::has_text(&reply, columns) {
                self.notices += 1;
                continue;
            }
            let known = self.known(&reply);
            if let Ok(mapping) = &known.roles
                && replies::is_empty(&reply, mapping)
            {
                self.notices += 1;
                continue;
            }
            self.article(reply, &known, line)?;
        }
        self.open.pop();
        Ok(())
    }

    /// Whether the object here is all that the input has, but for what is not read yet: an answer is short, and
    /// all of it was read at once.
    fn is_alone(&self, n: usize) -> bool {
        self.row == 0
            && self.open.is_empty()
            && self.window.at_end()
            && self.window.bytes()[n..].trim_ascii().is_empty()
    }

    /// Hands over an article.
    fn article(&mut self, object: Map<String, Value>, known: &Known, line: u64) -> Result<()> {
        // Where a way into an object leads is seen in each.
        if let Some(all) = &mut self.lacking
            && all.iter().any(|name| name.contains('.'))
        {
            let lacking = self.context.options.columns.lacking(&object);
            all.retain(|name| lacking.contains(name));
        }
        let article = match &known.roles {
            Ok(mapping) => {
                // The report is made of many words, which would cost each row.
                if !known.told.replace(true) {
                    if self.list.is_empty() {
                        self.context.report(mapping);
                    } else {
                        self.context.report_in(mapping, &self.list);
                    }
                }
                mapping.article(object)
            }
            Err(message) => Err(message.clone().into()),
        };
        // Rows differ, also where a file holds lines and lists.
        let row = if self.open.is_empty() {
            line
        } else {
            self.items
        };
        self.row = row.max(self.row + 1);
        match article {
            Ok(article) => self.context.item(article, self.row),
            Err(message) => self.bad(line, message),
        }
    }

    /// What is known of the last object's keys, where this one has the same.
    fn is_like_last(&self, object: &Map<String, Value>) -> Option<&Rc<Known>> {
        let (keys, known) = self.last.as_ref()?;
        (keys.len() == object.len() && object.keys().eq(keys)).then_some(known)
    }

    /// The roles of an object's keys.
    fn known(&mut self, object: &Map<String, Value>) -> Rc<Known> {
        if let Some(known) = self.is_like_last(object) {
            return known.clone();
        }
        let bytes: usize = object.keys().map(String::len).sum();
        if object.len() > MOST_COLUMNS {
            return Known::new(Err(format!("more than {MOST_COLUMNS} keys")), false);
        }
        if bytes > LONGEST_NAMES {
            let most = LONGEST_NAMES >> 20;
            return Known::new(Err(format!("its keys are longer than {most} MiB")), false);
        }
        let keys: Vec<String> = object.keys().cloned().collect();
        let known = if let Some(known) = self.known.get(&keys) {
            known.clone()
        } else {
            // The names are kept with the keys and in the mapping, or in the message.
            self.known_bytes += bytes + 100 * keys.len();
            if self.known.len() >= MAPPINGS || self.known_bytes > MAPPINGS_BYTES {
                self.known.clear();
                self.known_bytes = bytes;
            }
            // A column that the user named must be in the first object, of several one; later ones may
            // lack it.
            let columns = &self.context.options.columns;
            let known = if self.lacking.is_some() {
                columns.map_sparse(&keys)
            } else {
                let proposed = |message| proposed(message, std::slice::from_ref(object));
                columns.map_first(&keys).map_err(proposed)
            };
            if known.is_ok() {
                let lacking = columns.lacking(object);
                match &mut self.lacking {
                    Some(all) => all.retain(|name| lacking.contains(name)),
                    all => *all = Some(lacking),
                }
            }
            let special =
                |key: &String| chats::TELLING.contains(&key.as_str()) || replies::is_list(key);
            let known = Known::new(known, !keys.iter().any(special));
            self.known.insert(keys.clone(), known.clone());
            known
        };
        self.last = Some((keys, known.clone()));
        known
    }

    /// Whether an object here may be one around a list of articles. One is looked for inside another, as of
    /// chats in an export, but not in that once more, so that nothing is read more than four times.
    fn may_enter(&self) -> bool {
        let objects = self
            .open
            .iter()
            .filter(|open| matches!(open, Open::Objects(_)));
        objects.count() < 3
    }

    /// The list of articles in the object that the `n` bytes here begin with, of which there may be only
    /// a part; none is looked for in an article.
    fn list_in(&mut self, n: usize) -> Option<envelope::List> {
        if !self.may_enter() {
            return None;
        }
        let bytes = &self.window.bytes()[..n];
        let columns = &self.context.options.columns;
        let mapping = columns.map_first(&envelope::names(bytes));
        if let Ok(mapping) = &mapping
            && let Some(column) = mapping.column(Role::Text)
            && (columns.text.is_some() || !envelope::described(column))
        {
            return None;
        }
        let text = |mapping: &Mapping| mapping.column(Role::Text).is_some();
        envelope::find(
            bytes,
            mapping.as_ref().is_ok_and(names_an_article),
            mapping.as_ref().is_ok_and(text),
            columns,
            self.decoder,
        )
    }

    /// Enters the list of articles in the object that the window begins with, of which there is a
    /// part.
    pub(super) fn enter_part(&mut self) -> bool {
        let list = self.list_in(self.window.bytes().len());
        list.map(|list| self.enter(list)).is_some()
    }

    /// Takes the whole items of the list of articles in the object that the `n` bytes here begin with, which is
    /// cut or has a fault in it that `message` tells; `false` where there is none. The bytes are passed.
    pub(super) fn salvage(&mut self, n: usize, line: u64, message: &str) -> Result<bool> {
        if !self.may_read_again(n) {
            return Ok(false);
        }
        let Some(list) = self.list_in(n) else {
            return Ok(false);
        };
        let start = list.start;
        let mut items = envelope::Items::of(&self.window.bytes()[start..n]);
        self.open(list);
        let mut outcome = Ok(());
        let mut told = false;
        loop {
            let bytes = &self.window.bytes()[start..n];
            let columns = &self.context.options.columns;
            let Some(item) = items.next(bytes, columns, self.decoder) else {
                break;
            };
            self.items += 1;
            outcome = match item {
                Ok(object) => {
                    let known = self.known(&object);
                    self.article(object, &known, line)
                }
                Err(message) => {
                    told = true;
                    self.bad(line, format!("not a JSON object ({message})"))
                }
            };
            if outcome.is_err() {
                break;
            }
        }
        self.open.truncate(self.open.len() - 2);
        if outcome.is_ok() && !told {
            outcome = self.bad(line, message);
        }
        self.list.clear();
        self.pass(n);
        outcome.map(|()| true)
    }

    fn enter(&mut self, list: envelope::List) {
        let start = list.start;
        let mut around: Vec<String> = list.name.split('.').map(ToString::to_string).collect();
        around.pop();
        self.kin.push(Kin {
            keys: list.keys.clone(),
            around,
            groups: list.groups,
        });
        self.open(list);
        self.pass(start);
    }

    /// Goes on behind a list in so many objects: to the next list of articles like its own, or to the end of
    /// these objects. Whether there is such a list.
    pub(super) fn onward(&mut self, mut depth: u64) -> Result<bool> {
        while let Some(first) = self.due(b",")? {
            match first {
                b'}' => {
                    self.pass(1);
                    if let Some(kin) = self.kin.last_mut() {
                        kin.around.pop();
                    }
                    depth -= 1;
                    if depth == 0 {
                        return Ok(false);
                    }
                }
                b'"' => {
                    let Some(name) = self.member()? else { break };
                    match self.due(b"")? {
                        Some(b'[') => {
                            if let Some(list) = self.kin_here(&name, depth)? {
                                // Its columns are told by its own name.
                                self.known.clear();
                                self.last = None;
                                self.open(list);
                                self.pass(1);
                                return Ok(true);
                            }
                            self.skip(Skip::default())?;
                        }
                        Some(b'{') if depth < envelope::DEEPEST as u64 => {
                            self.pass(1);
                            if let Some(kin) = self.kin.last_mut() {
                                kin.around.push(name);
                            }
                            depth += 1;
                        }
                        Some(b'{' | b'"') => self.skip(Skip::default())?,
                        _ => self.pass_word()?,
                    }
                }
                _ => break,
            }
        }
        self.skip(Skip::out_of(depth))?;
        Ok(false)
    }

    /// The first byte that is due, behind blanks and such marks; `None` at the end.
    fn due(&mut self, marks: &[u8]) -> Result<Option<u8>> {
        loop {
            let bytes = self.window.bytes();
            let between = |b: &&u8| b.is_ascii_whitespace() || marks.contains(b);
            let n = bytes.iter().take_while(between).count();
            let first = bytes.get(n).copied();
            self.pass(n);
            if first.is_some() || !self.window.next().map_err(|e| self.failed(e))? {
                return Ok(first);
            }
        }
    }

    /// Passes the name of a member and its colon; `None` where there is none.
    fn member(&mut self) -> Result<Option<String>> {
        let n = loop {
            let bytes = self.window.bytes();
            if let Some(n) = length(bytes) {
                break n;
            }
            if bytes.len() > LONGEST_NAMES || !self.widen()? {
                return Ok(None);
            }
        };
        let name = serde_json::from_slice(&self.window.bytes()[..n]).ok();
        self.pass(n);
        if name.is_none() || self.due(b"")? != Some(b':') {
            return Ok(None);
        }
        self.pass(1);
        Ok(name)
    }

    /// The list that begins here, where its articles are like those of the list before.
    fn kin_here(&mut self, name: &str, depth: u64) -> Result<Option<envelope::List>> {
        loop {
            let bytes = self.window.bytes();
            match bytes[1..].trim_ascii_start() {
                [] => {}
                item @ [b'{', ..] if length(item).is_none() => {}
                [b'{', ..] => break,
                _ => return Ok(None),
            }
            if bytes.len() > LARGE || !self.widen()? {
                return Ok(None);
            }
        }
        let Some(kin) = self.kin.last() else {
            return Ok(None);
        };
        let around = kin.around.iter().map(String::as_str);
        let name = around.chain([name]).collect::<Vec<_>>().join(".");
        let bytes = self.window.bytes();
        let columns = &self.context.options.columns;
        let list = envelope::list_here(name, depth, bytes, columns, self.decoder);
        Ok(list.filter(|list| envelope::alike(list, &kin.keys)))
    }

    /// Passes a number or a word.
    pub(super) fn pass_word(&mut self) -> Result<()> {
        loop {
            let bytes = self.window.bytes();
            let ends = |b: &u8| b.is_ascii_whitespace() || b",[]{}\"".contains(b);
            let end = bytes.iter().position(ends);
            let n = end.unwrap_or(bytes.len());
            self.pass(n);
            if end.is_some() || !self.window.next().map_err(|e| self.failed(e))? {
                return Ok(());
            }
        }
    }

    /// Says that what follows are a list's items, in the objects around it.
    fn open(&mut self, list: envelope::List) {
        self.open.push(Open::Objects(list.depth));
        self.open.push(Open::List);
        self.list = list.name;
    }
}

/// Whether an object with these roles might be an article. What has but a name may be what the articles of a list
/// are in: a channel, a forum.
fn names_an_article(mapping: &Mapping) -> bool {
    mapping.column(Role::Text).is_some() || !mapping.is_named_weakly()
}

/// The same of one whose values are there.
fn may_be_article(mapping: &Mapping, object: &Map<String, Value>, columns: &Columns) -> bool {
    let articles = |column: &str| {
        let text = mapping.value(Role::Text, object);
        text.is_some_and(|text| {
            envelope::is_list_of_articles(column, text, columns)
                || text.is_array() && !mapping.reads_text(object)
        }) || envelope::is_page_of_list(object)
    };
    !mapping.is_named_weakly()
        || mapping
            .column(Role::Text)
            .is_some_and(|column| !articles(column))
}
