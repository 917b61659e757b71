//! A page to its tree, within bounds.
//!
//! An HTML parser's time grows with the square of what a hostile page has many of: open elements,
//! formatting elements that are opened again in every paragraph, and attributes of one tag. The
//! tokenizer here is html5gum's, whose attributes can be counted as they come (html5ever's compares
//! each with all before it), and the tree is built by html5ever, as browsers would. Between the
//! two, tags beyond the bounds are left out and their text stays, so that every page is read, and
//! in linear time.

use super::xhtml;
use crate::corpus::decode::lossy;
use dom_query::{Document, NodeId};
use html5ever::interface::{
    Attribute, ElementFlags, NodeOrText, QuirksMode, TreeSink, create_element,
};
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{Doctype, Tag, TagKind, Token, TokenSink, TokenSinkResult};
use html5ever::tree_builder::{TreeBuilder, TreeBuilderOpts};
use html5ever::{LocalName, QualName, local_name, ns};
use html5gum::emitters::callback::{Callback, CallbackEmitter, CallbackEvent};
use html5gum::{Emitter, ForwardingEmitter, Span, State, Tokenizer};
use std::borrow::Cow;
use std::cell::{Cell, Ref};
use std::convert::Infallible;

/// How deep elements nest; half of where browsers stop (512), since each start tag may look at all
/// elements that are open.
pub(super) const DEEPEST: usize = 256;
/// How many elements of a page are told apart, so that memory does not grow with every tag of a
/// page of nothing else.
pub(super) const MOST_ELEMENTS: usize = 500_000;
/// How many attributes of one tag are kept: each is compared with those before it.
const MOST_ATTRIBUTES: usize = 64;
/// How many templates nest: what stands in one hangs on no element of the page, so that its depth
/// cannot be told from the tree.
const MOST_TEMPLATES: usize = 8;
/// How many formatting elements (`<b>`, `<font>` …) may be open: each is opened again in every
/// paragraph that follows.
const MOST_FORMATTING: usize = 24;

/// Which text of a source is in its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Texts {
    /// All of it, as it is written.
    Written,
    /// What a page shows: a run of blanks is one, and programs and style sheets are not read. Of the public
    /// pages' text two thirds are the blanks that indent it, which every later step would go through.
    Shown,
}

/// The tree of a whole page. Descriptions for search engines and preformatted text are in it as they are written.
pub(super) fn page(source: &str) -> Document {
    whole(source, Texts::Shown)
}

fn whole(source: &str, texts: Texts) -> Document {
    let syntax = Syntax {
        xml: xhtml::is_xhtml(source),
        cdata: xhtml::is_declared(source),
    };
    let source = xhtml::without_entities(source);
    let sink = Bounded::default();
    build(&source, TreeBuilder::new(sink, options()), texts, syntax)
}

/// What of XML's syntax a source has.
#[derive(Debug, Clone, Copy, Default)]
struct Syntax {
    /// Any element may end in its own tag.
    xml: bool,
    /// Text may stand in sections of its own, unescaped, which elsewhere are comments.
    cdata: bool,
}

/// The tree of a part of a page, such as a field of a table.
pub(super) fn fragment(source: &str) -> Document {
    let sink = Bounded {
        document: Document::fragment_sink(),
        ..Bounded::default()
    };
    let body = QualName::new(None, ns!(html), local_name!("body"));
    let context = create_element(&sink, body, Vec::new());
    let builder = TreeBuilder::new_for_fragment(sink, context, None, options());
    build(source, builder, Texts::Written, Syntax::default())
}

fn options() -> TreeBuilderOpts {
    TreeBuilderOpts {
        scripting_enabled: false,
        ..TreeBuilderOpts::default()
    }
}

fn build(
    source: &str,
    builder: TreeBuilder<NodeId, Bounded>,
    texts: Texts,
    syntax: Syntax,
) -> Document {
    let bridge = Bridge {
        builder: &builder,
        texts,
        syntax,
        raw: None,
        preformatted: 0,
        flowing: String::new(),
        tag: None,
        next: None,
        left_out: Vec::new(),
        formatting: Vec::new(),
        templates: 0,
        parted: false,
    };
    let emitter = TokensOf(CallbackEmitter::new(bridge));
    // Reading from a string in memory cannot fail.
    let Ok(_) = Tokenizer::new_with_emitter(source, emitter).finish();
    builder.sink.finish()
}

/// What becomes of the text of an element that holds nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Raw {
    Kept,
    Unread,
}

/// Tokens on their way from the tokenizer to the tree.
struct Bridge<'a> {
    builder: &'a TreeBuilder<NodeId, Bounded>,
    texts: Texts,
    syntax: Syntax,
    /// Within such an element: what becomes of its text.
    raw: Option<Raw>,
    /// How many elements are open whose blanks are their own.
    preformatted: usize,
    /// The text that is being written, with one blank for each run of them.
    flowing: String,
    tag: Option<Tag>,
    next: Option<State>,
    /// Open elements that were left out, so that their end tags are too.
    left_out: Vec<LocalName>,
    /// Formatting elements that are open, whatever they stand in.
    formatting: Vec<LocalName>,
    templates: usize,
    /// Nothing was written since a tag was left out.
    parted: bool,
}

impl Bridge<'_> {
    fn token(&mut self, token: Token) {
        match self.builder.process_token(token, 1) {
            TokenSinkResult::RawData(RawKind::Rcdata) => self.next = Some(State::RcData),
            TokenSinkResult::RawData(RawKind::Rawtext) => self.next = Some(State::RawText),
            TokenSinkResult::RawData(RawKind::ScriptData) => self.next = Some(State::ScriptData),
            TokenSinkResult::Plaintext => self.next = Some(State::PlainText),
            _ => {}
        }
    }

    fn full(&self) -> bool {
        self.builder.sink.elements.get() >= MOST_ELEMENTS
    }

    fn depth(&self) -> usize {
        self.builder.sink.depth()
    }

    /// What stands in for a tag that is left out: the words before and after it stay apart, and
    /// so do paragraphs.
    fn part(&mut self, name: &LocalName) {
        if std::mem::replace(&mut self.parted, true) {
            return;
        }
        if !self.full() && super::text::is_block(name) {
            self.token(Token::TagToken(Tag {
                kind: TagKind::StartTag,
                name: local_name!("hr"),
                self_closing: false,
                attrs: Vec::new(),
                had_duplicate_attributes: false,
            }));
        } else if !is_formatting(name) {
            self.token(Token::CharacterTokens(StrTendril::from_slice("\n")));
        }
    }

    fn start(&mut self, tag: Tag) {
        let depth = self.depth();
        // A void element does not nest, and text of a raw one would become the page's. Foreign
        // elements of these names nest all the same, hence the second bound.
        let flat = is_void(&tag.name) || is_raw(&tag.name);
        let template = tag.name == local_name!("template");
        let bound = match () {
            () if template && self.templates >= MOST_TEMPLATES => 0,
            () if flat => 2 * DEEPEST,
            () => DEEPEST,
        };
        let raw_text_is_kept_apart = is_raw(&tag.name) && depth < bound;
        if (depth >= bound || self.full()) && !raw_text_is_kept_apart {
            if !is_void(&tag.name) {
                self.left_out.push(tag.name.clone());
            }
            return self.part(&tag.name);
        }
        if is_formatting(&tag.name) {
            // A second <a> closes the first.
            let again = tag.name == local_name!("a") && self.formatting.contains(&tag.name);
            if !again {
                if self.formatting.len() >= MOST_FORMATTING {
                    return;
                }
                self.formatting.push(tag.name.clone());
            }
        }
        self.templates += usize::from(template);
        if !flat {
            self.left_out.clear();
        }
        self.preformatted += usize::from(is_preformatted(&tag.name));
        let raw = if is_unread(&tag) {
            Raw::Unread
        } else {
            Raw::Kept
        };
        self.token(Token::TagToken(tag));
        self.raw = self.next.is_some().then_some(raw);
        if !self.formatting.is_empty() && self.depth() >= DEEPEST {
            // However it came about, so many formatting elements are open that each paragraph
            // is as deep as the bound: no more of them on this page.
            self.formatting.resize(MOST_FORMATTING, local_name!("nobr"));
        }
    }

    fn end(&mut self, name: LocalName) {
        self.raw = None;
        if is_preformatted(&name) {
            self.preformatted = self.preformatted.saturating_sub(1);
        }
        // Only the innermost few are looked at: end tags in another order are rare, and looking
        // through all would take the square of the page's time.
        let inner = self.left_out.len().saturating_sub(8);
        if let Some(i) = self.left_out[inner..].iter().rposition(|n| *n == name) {
            self.left_out.truncate(inner + i);
            return self.part(&name);
        }
        if self.full() {
            return self.part(&name);
        }
        if name == local_name!("template") {
            self.templates = self.templates.saturating_sub(1);
        }
        if is_formatting(&name)
            && let Some(i) = self.formatting.iter().rposition(|n| *n == name)
        {
            self.formatting.remove(i);
        }
        self.token(Token::TagToken(Tag {
            kind: TagKind::EndTag,
            name,
            self_closing: false,
            attrs: Vec::new(),
            had_duplicate_attributes: false,
        }));
        if !self.left_out.is_empty() && self.depth() < DEEPEST {
            self.left_out.clear();
        }
    }

    fn text(&mut self, text: &str) {
        self.parted = self.parted && text.trim().is_empty();
        match self.raw {
            Some(Raw::Unread) if self.texts == Texts::Shown => {}
            None if self.texts == Texts::Shown && self.preformatted == 0 => {
                let mut flowing = std::mem::take(&mut self.flowing);
                flow(text, &mut flowing);
                self.characters(&flowing);
                self.flowing = flowing;
            }
            _ => self.characters(text),
        }
    }

    fn characters(&mut self, text: &str) {
        for part in text.split('\0').filter(|part| !part.is_empty()) {
            self.token(Token::CharacterTokens(StrTendril::from_slice(part)));
        }
    }
}

/// Writes a text with one blank for each run of them.
fn flow(text: &str, out: &mut String) {
    out.clear();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.bytes().position(|b| b.is_ascii_whitespace());
        let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
        out.push_str(word);
        if !behind.is_empty() {
            out.push(' ');
        }
        let blanks = behind.bytes().position(|b| !b.is_ascii_whitespace());
        rest = &behind[blanks.unwrap_or(behind.len())..];
    }
}

/// Whether an element's text is a program or a style sheet, and no description for search engines.
fn is_unread(tag: &Tag) -> bool {
    let described = || {
        let mut kinds = tag
            .attrs
            .iter()
            .filter(|a| a.name.local == local_name!("type"));
        kinds.any(|kind| kind.value.to_ascii_lowercase().contains("ld+json"))
    };
    match tag.name {
        local_name!("style") => true,
        local_name!("script") => !described(),
        _ => false,
    }
}

impl Callback<Infallible, ()> for Bridge<'_> {
    fn handle_event(&mut self, event: CallbackEvent<'_>, _: Span<()>) -> Option<Infallible> {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                self.tag = Some(Tag {
                    kind: TagKind::StartTag,
                    name: local(name),
                    self_closing: false,
                    attrs: Vec::new(),
                    had_duplicate_attributes: false,
                });
            }
            CallbackEvent::AttributeName { name } => {
                if let Some(tag) = &mut self.tag
                    && tag.attrs.len() <= MOST_ATTRIBUTES
                {
                    // The one past the bound takes the values of all that follow, and goes.
                    let past = tag.attrs.len() == MOST_ATTRIBUTES;
                    let name: &[u8] = if past { b"past-the-bound" } else { name };
                    tag.attrs.push(Attribute {
                        name: QualName::new(None, ns!(), local(name)),
                        value: StrTendril::new(),
                    });
                }
            }
            CallbackEvent::AttributeValue { value } => {
                if let Some(tag) = &mut self.tag
                    && tag.attrs.len() <= MOST_ATTRIBUTES
                    && let Some(attribute) = tag.attrs.last_mut()
                {
                    attribute.value = StrTendril::from_slice(&lossy(value));
                }
            }
            CallbackEvent::CloseStartTag { self_closing } => {
                if let Some(mut tag) = self.tag.take() {
                    let ended = self.syntax.xml && self_closing && xhtml::holds(&tag.name);
                    let ended = ended.then(|| tag.name.clone());
                    tag.self_closing = self_closing && ended.is_none();
                    tag.attrs.truncate(MOST_ATTRIBUTES);
                    keep_first_of_each(&mut tag.attrs);
                    self.start(tag);
                    if let Some(name) = ended {
                        // Nothing is in it.
                        self.next = None;
                        self.end(name);
                    }
                }
            }
            CallbackEvent::EndTag { name } => {
                self.end(local(name));
            }
            CallbackEvent::String { value } => {
                self.text(&lossy(value));
            }
            CallbackEvent::Doctype {
                name,
                public_identifier,
                system_identifier,
                force_quirks,
            } => {
                let tendril = |b: &[u8]| StrTendril::from_slice(&lossy(b));
                self.token(Token::DoctypeToken(Doctype {
                    name: Some(name).filter(|n| !n.is_empty()).map(tendril),
                    public_id: public_identifier.map(tendril),
                    system_id: system_identifier.map(tendril),
                    force_quirks,
                }));
            }
            // Nothing that a comment says is shown.
            CallbackEvent::Comment { .. } | CallbackEvent::Error(_) => {}
        }
        None
    }
}

/// A name as the tree has it. The most frequent ones need not be looked up among all.
fn local(name: &[u8]) -> LocalName {
    match name {
        b"a" => local_name!("a"),
        b"br" => local_name!("br"),
        b"class" => local_name!("class"),
        b"div" => local_name!("div"),
        b"href" => local_name!("href"),
        b"id" => local_name!("id"),
        b"img" => local_name!("img"),
        b"li" => local_name!("li"),
        b"p" => local_name!("p"),
        b"rel" => local_name!("rel"),
        b"span" => local_name!("span"),
        b"src" => local_name!("src"),
        b"style" => local_name!("style"),
        b"td" => local_name!("td"),
        b"title" => local_name!("title"),
        b"tr" => local_name!("tr"),
        b"ul" => local_name!("ul"),
        _ => LocalName::from(&*lossy(name)),
    }
}

fn keep_first_of_each(attributes: &mut Vec<Attribute>) {
    let mut i = 1;
    while i < attributes.len() {
        if attributes[..i].iter().any(|a| a.name == attributes[i].name) {
            attributes.remove(i);
        } else {
            i += 1;
        }
    }
}

/// The tokenizer's tokens, handed to the tree as they come.
struct TokensOf<'a>(CallbackEmitter<Bridge<'a>>);

impl ForwardingEmitter for TokensOf<'_> {
    type Token = Infallible;

    fn inner(&mut self) -> &mut impl Emitter<Token = Self::Token> {
        &mut self.0
    }

    fn emit_eof(&mut self) {
        self.0.emit_eof();
        let bridge = self.0.callback_mut();
        bridge.token(Token::EOFToken);
        bridge.builder.end();
    }

    fn emit_current_tag(&mut self) -> Option<State> {
        let _: Option<State> = self.0.emit_current_tag();
        self.0.callback_mut().next.take()
    }

    fn should_emit_errors(&mut self) -> bool {
        false
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&mut self) -> bool {
        let bridge = self.0.callback_mut();
        bridge.syntax.cdata
            || bridge
                .builder
                .adjusted_current_node_present_but_not_in_html_namespace()
    }
}

fn is_void(name: &LocalName) -> bool {
    matches!(
        name.as_ref(),
        "area"
            | "base"
            | "basefont"
            | "bgsound"
            | "br"
            | "col"
            | "embed"
            | "frame"
            | "hr"
            | "img"
            | "input"
            | "keygen"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

fn is_raw(name: &LocalName) -> bool {
    matches!(
        name.as_ref(),
        "script" | "style" | "textarea" | "title" | "xmp" | "iframe" | "noembed" | "noframes"
    )
}

fn is_preformatted(name: &LocalName) -> bool {
    matches!(
        name.as_ref(),
        "listing" | "plaintext" | "pre" | "textarea" | "xmp"
    )
}

fn is_formatting(name: &LocalName) -> bool {
    matches!(
        name.as_ref(),
        "a" | "b"
            | "big"
            | "code"
            | "em"
            | "font"
            | "i"
            | "nobr"
            | "s"
            | "small"
            | "strike"
            | "strong"
            | "tt"
            | "u"
    )
}

/// A document that counts what is added to it.
#[derive(Default)]
struct Bounded {
    document: Document,
    elements: Cell<usize>,
    /// Where the last node was added or closed: a node, and how much deeper than it.
    last: Cell<Option<(NodeId, isize)>>,
}

impl Bounded {
    fn added_to(&self, parent: NodeId, child: &NodeOrText<NodeId>) {
        let deeper = isize::from(matches!(child, NodeOrText::AppendNode(_)));
        self.last.set(Some((parent, deeper)));
    }

    /// How deep the last node was added or closed. It is looked for only where it is asked for: there
    /// are several nodes for each start tag.
    fn depth(&self) -> usize {
        self.last.get().map_or(0, |(node, deeper)| {
            let above = self.document.tree.ancestor_ids_of_it(&node, None).count();
            above.saturating_add_signed(deeper)
        })
    }
}

impl TreeSink for Bounded {
    type Handle = NodeId;
    type Output = Document;
    type ElemName<'a> = Ref<'a, QualName>;

    fn finish(self) -> Document {
        self.document
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> NodeId {
        self.document.get_document()
    }

    fn elem_name<'a>(&'a self, target: &'a NodeId) -> Self::ElemName<'a> {
        self.document.elem_name(target)
    }

    fn create_element(
        &self,
        name: QualName,
        attributes: Vec<Attribute>,
        flags: ElementFlags,
    ) -> NodeId {
        self.elements.set(self.elements.get() + 1);
        self.document.create_element(name, attributes, flags)
    }

    fn create_comment(&self, text: StrTendril) -> NodeId {
        self.document.create_comment(text)
    }

    fn create_pi(&self, target: StrTendril, data: StrTendril) -> NodeId {
        self.document.create_pi(target, data)
    }

    fn append(&self, parent: &NodeId, child: NodeOrText<NodeId>) {
        self.added_to(*parent, &child);
        self.document.append(parent, child);
    }

    fn append_based_on_parent_node(
        &self,
        element: &NodeId,
        previous: &NodeId,
        child: NodeOrText<NodeId>,
    ) {
        self.added_to(*previous, &child);
        self.document
            .append_based_on_parent_node(element, previous, child);
    }

    fn append_doctype_to_document(&self, name: StrTendril, public: StrTendril, system: StrTendril) {
        self.document
            .append_doctype_to_document(name, public, system);
    }

    fn pop(&self, node: &NodeId) {
        self.last.set(Some((*node, -1)));
    }

    fn get_template_contents(&self, target: &NodeId) -> NodeId {
        self.document.get_template_contents(target)
    }

    fn same_node(&self, x: &NodeId, y: &NodeId) -> bool {
        x == y
    }

    fn set_quirks_mode(&self, mode: QuirksMode) {
        self.document.set_quirks_mode(mode);
    }

    fn append_before_sibling(&self, sibling: &NodeId, child: NodeOrText<NodeId>) {
        self.added_to(*sibling, &child);
        self.document.append_before_sibling(sibling, child);
    }

    fn add_attrs_if_missing(&self, target: &NodeId, attributes: Vec<Attribute>) {
        self.document.add_attrs_if_missing(target, attributes);
    }

    fn remove_from_parent(&self, target: &NodeId) {
        self.document.remove_from_parent(target);
    }

    fn reparent_children(&self, node: &NodeId, parent: &NodeId) {
        self.document.reparent_children(node, parent);
    }

    fn is_mathml_annotation_xml_integration_point(&self, handle: &NodeId) -> bool {
        self.document
            .is_mathml_annotation_xml_integration_point(handle)
    }
}

#[cfg(test)]
mod tests {
    use super::{DEEPEST, MOST_ELEMENTS, Texts, fragment, page, whole};
    use crate::corpus::formats::html::page::extract;

    fn depth(document: &dom_query::Document) -> usize {
        let all = document.select("*");
        all.nodes()
            .iter()
            .map(|n| n.ancestors_it(None).count())
            .max()
            .unwrap_or(0)
    }

    /// Each took ten seconds to minutes, in time that grew with the square of the page.
    #[test]
    fn hostile_pages_are_read_in_bounds() {
        let attributes: String = (0..200_000).map(|i| format!(" a{i}=1")).collect();
        let fonts: String = (0..20_000).map(|i| format!("<p><font x={i}>x")).collect();
        for start in [
            "<div>".repeat(100_000),
            "<article><p>x".repeat(10_000),
            "<a><b>".repeat(20_000),
            "<table><tr><td>".repeat(20_000),
            "<svg><g>".repeat(50_000),
            "<svg><script>".repeat(50_000),
            "<template><div>".repeat(20_000),
            "<span><div></span>".repeat(20_000),
            "<form><div></form>".repeat(20_000),
            "<p><b x=1><table><tr><td></b></table></p>".repeat(5_000),
            "<ul><li>x".repeat(50_000),
            "<select><option>x".repeat(20_000),
            format!("<div{attributes}>"),
            format!("<svg><script><x{attributes}></script></svg>"),
            fonts,
        ] {
            let source = format!("{start}<p>The last words of the page.");
            let document = page(&source);
            let what: String = start.chars().take(40).collect();
            let depth = depth(&document);
            assert!(depth <= 2 * DEEPEST + 64, "{what}: {depth}");
            if !start.contains("<template") && !start.contains("<svg><script>") {
                let text = document.text();
                assert!(text.contains("The last words of the page."), "{what}");
                // The page as a whole ends too, with text or none.
                extract(&source);
            }
        }
    }

    #[test]
    fn beyond_so_many_elements_text_stays() {
        let document = page(&"<i>x</i> <br>".repeat(MOST_ELEMENTS));
        assert!(document.tree.len() < 4 * MOST_ELEMENTS);
        assert_eq!(document.text().matches('x').count(), MOST_ELEMENTS);
    }

    #[test]
    fn within_the_bounds_the_tree_is_html5evers() {
        let source = r#"<!doctype html><title>a &amp; b</title><body class="x y" CLASS=z><p>One<p>Two <b>x<i>y</b>z</i>
            <table>t<tr><td>1<td>2</table><ul><li>a<li>b</ul><svg><title>s</title><path/></svg>
            <script>if (a<b) "</p>"</script><textarea><b></textarea>&nbsp;&eacute;&#8212;&bogus; <br/>end"#;
        let ours = whole(source, Texts::Written).html();
        let theirs = dom_query::Document::from(source).html();
        assert_eq!(ours, theirs);
        assert_eq!(fragment("<p>x</p>").text().as_ref(), "x");
    }

    #[test]
    fn elements_that_end_in_their_own_tag_end_there_in_xml() {
        let page_of = |start: &str| {
            page(&format!(
                "{start}<title/><script src='a>b'\n/><textarea/><p>1 > 0</p><DIV/><a/><i/>x"
            ))
            .html()
        };
        let tree = "<head><title></title><script src=\"a&gt;b\"></script></head><body><textarea></textarea>\
            <p>1 &gt; 0</p><div></div><a></a><i>x</i></body>";
        let xml = page_of("<?xml version='1.0'?><!-- <a/> -->");
        assert!(xml.contains(tree), "{xml}");
        let html = page_of("");
        assert!(!html.contains("<p>"), "{html}");
    }

    #[test]
    fn a_page_has_the_text_that_it_shows() {
        let source = "<body>\n  <p>One \n two<b> </b>\u{a0} three\t</p><pre>\n\n a\n  b</pre> \n c\
            <script>d  e</script><style>f</style><script type='application/LD+JSON'>g  h</script>\
            <textarea> i  j</textarea><svg><style>k  l</style></svg>";
        let wanted = " One two \u{a0} three \n a\n  b cg  h i  jk l";
        assert_eq!(page(source).text().as_ref(), wanted);
        assert_eq!(fragment("a \n b").text().as_ref(), "a \n b");
    }
}
