//! Pages that ask and answer: the question and its answers, each of which is a text of its own
//! among names, votes and dates.

use dom_query::NodeId;

/// What an element is on such a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Question,
    Answer,
    /// The text of the question or answer that it lies in.
    Text,
}

/// What a class or id names.
pub(super) fn named(value: &str) -> Option<Part> {
    value.split_ascii_whitespace().find_map(|name| {
        let number = |rest: &str| rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'-' | b'_'));
        let is = |known: &str| {
            let begin = name.get(..known.len())?;
            (begin.eq_ignore_ascii_case(known) && number(&name[known.len()..])).then_some(())
        };
        is("question")
            .map(|()| Part::Question)
            .or_else(|| is("answer").map(|()| Part::Answer))
    })
}

/// What an `itemprop` says, in schema.org's words.
pub(super) fn property(value: &str) -> Option<Part> {
    value.split_ascii_whitespace().find_map(|name| match name {
        "acceptedAnswer" | "suggestedAnswer" => Some(Part::Answer),
        "text" => Some(Part::Text),
        _ => None,
    })
}

/// What an `itemtype` says.
pub(super) fn kind(value: &str) -> Option<Part> {
    match value.trim().rsplit('/').next()? {
        "Question" => Some(Part::Question),
        "Answer" => Some(Part::Answer),
        _ => None,
    }
}

/// The questions and answers of a page, gathered in a walk through it.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Where the walk is: an element, the part that it belongs to, and its place in `found`.
    open: Vec<(NodeId, Part, usize)>,
    /// The innermost marked elements; `None` where one lay within.
    found: Vec<Option<(NodeId, Part)>>,
}

impl Asked {
    pub(super) fn open(&mut self, node: NodeId, part: Part) {
        let outer = self.open.last();
        let part = match (part, outer) {
            // Anything may have a text.
            (Part::Text, None) => return,
            (Part::Text, Some((_, outer, _))) => *outer,
            _ => part,
        };
        if let Some((_, _, place)) = outer {
            self.found[*place] = None;
        }
        self.open.push((node, part, self.found.len()));
        self.found.push(Some((node, part)));
    }

    pub(super) fn close(&mut self, node: NodeId) {
        if self.open.last().is_some_and(|(open, _, _)| *open == node) {
            self.open.pop();
        }
    }

    /// The elements in the order of the page; none where one kind is missing.
    pub(super) fn parts(self) -> Vec<NodeId> {
        let found = || self.found.iter().flatten();
        let both = [Part::Question, Part::Answer]
            .iter()
            .all(|part| found().any(|(_, other)| other == part));
        if both {
            found().map(|(node, _)| *node).collect()
        } else {
            Vec::new()
        }
    }
}
