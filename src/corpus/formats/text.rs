//! Plain text: a file is an article, its first line the title.

use super::answers::is_status;
use super::{Context, downloads, no_article, whole};
use crate::corpus::article::{Article, is_blank, one_line, split_title, tidy};
use crate::corpus::decode::Decoder;
use crate::error::Result;
use std::io::Read;

pub(super) fn read(
    stream: impl Read,
    decoder: &mut Decoder,
    context: &mut Context<'_>,
) -> Result<()> {
    let Some(bytes) = whole(stream, context)? else {
        return Ok(());
    };
    let text = tidy(&decoder.decode(&bytes));
    if is_status(&text) {
        return context.bad(None, no_article("a server's answer, of an error"));
    }
    if downloads::read(&text, context)? {
        return Ok(());
    }
    if is_blank(&text) {
        return context.bad(None, "no text in it");
    }
    let (title, text) = split_title(&text);
    let article = Article {
        id: context.file_id.clone(),
        title: one_line(&title),
        text,
        origin: context.origin.to_string(),
        ..Article::default()
    };
    context.sink.article(article)
}
