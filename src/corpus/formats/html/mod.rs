//! HTML: the article's own text out of its page.
//!
//! A page goes through these steps, a module each: `parse` builds its tree within bounds, also where `xhtml`
//! tells that it is in XML's syntax; `marks` finds the elements that say something of its article, which `linked` and `metadata` read; `prune`
//! takes out what is no part of one, what is `hidden` and by the `names` and the `sizes` of its elements, and gathers what is
//! `asked` and answered; `stories` tells a front page from one story in several parts; `body` finds the part that is, mostly by Mozilla's Readability as the crate dom_smoothie ports
//! it; `text` writes that part's text, and `clean` leaves out lines that are not the article's.
//!
//! dom_smoothie was chosen among the ports because it finds text on every page of two public sets
//! where legible finds none on one in twenty, is about as right as trafilatura, five times as fast
//! as its port rs-trafilatura, and brings few dependencies beside html5ever.

mod asked;
mod body;
mod clean;
mod fragment;
mod hidden;
mod linked;
mod marks;
mod metadata;
mod names;
mod page;
mod parse;
mod prune;
mod shortcodes;
mod sizes;
mod stories;
mod text;
mod within;
mod xhtml;

pub(in crate::corpus) use fragment::{block, fragment};
pub(in crate::corpus) use within::{is_of_a_site, is_page, page_in, without_head};

use super::answers::{self, of_page};
use super::{Context, no_article, whole};
use crate::corpus::article::{Article, is_blank};
use crate::corpus::decode::{Decoder, encoding_of};
use crate::error::Result;
use encoding_rs::Encoding;
use std::io::Read;

pub(super) fn read(
    stream: impl Read,
    decoder: &mut Decoder,
    context: &mut Context<'_>,
) -> Result<()> {
    let Some(bytes) = whole(stream, context)? else {
        return Ok(());
    };
    match article(&bytes, None, decoder) {
        Ok(article) => {
            context.count_date(&article);
            context.sink.article(Article {
                id: context.file_id.clone(),
                origin: context.origin.to_string(),
                ..article
            })
        }
        Err(why) => context.bad(None, why),
    }
}

/// What is said of a page in which no article was found.
const NO_TEXT: &str = "no article text found in the page";

/// The article of a page, without id and origin. `server` is the encoding that whoever sent it declared,
/// which counts before the page's own declaration.
///
/// # Errors
/// There is none; what is there instead.
pub(super) fn article(
    bytes: &[u8],
    server: Option<&'static Encoding>,
    decoder: &mut Decoder,
) -> std::result::Result<Article, String> {
    let declared: Vec<&'static Encoding> = server.into_iter().chain(declared(bytes)).collect();
    let source = match declared.iter().find(|e| !e.is_ascii_compatible()) {
        // A seven-bit encoding is valid UTF-8, and no text in it.
        Some(encoding) if bytes.contains(&0x1b) => encoding.decode(bytes).0,
        _ => decoder.decode_declared(bytes, &declared),
    };
    let article = page::extract(&source);
    if is_blank(&article.text) {
        return Err(NO_TEXT.to_string());
    }
    let what = of_page(&article.title, &article.text).or_else(|| {
        let leads_on = page::leads_on(&source, &article.text);
        leads_on.then_some(answers::ELSEWHERE)
    });
    if let Some(what) = what {
        return Err(no_article(what));
    }
    Ok(article)
}

/// How far into a page its encoding is looked for; the standard asks for 1,024 bytes, and pages
/// have more before it.
const HEAD: usize = 4096;

/// The encoding that the page itself declares, in a `<meta>` element or as XML.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes[..bytes.len().min(HEAD)].to_ascii_lowercase();
    let head = String::from_utf8_lossy(&head);
    let xml = head
        .trim_start()
        .strip_prefix("<?xml")
        .and_then(|rest| rest.split_once("?>"))
        .and_then(|(declaration, _)| label_after(declaration, "encoding="));
    head.split("<meta")
        .skip(1)
        .filter_map(|rest| label_after(rest.split('>').next()?, "charset="))
        .chain(xml)
        .find_map(encoding_of)
}

fn label_after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let label = text.split_once(key)?.1.trim_start_matches([' ', '"', '\'']);
    let end = label
        .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | ':' | '.'))
        .unwrap_or(label.len());
    Some(&label[..end])
}
