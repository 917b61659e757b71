//! Plain text: a file is an article, its first line the title.

use super::{Context, whole};
use crate::corpus::article::{Article, one_line, split_title, tidy};
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
    let (title, text) = split_title(&tidy(&decoder.decode(&bytes)));
    let article = Article {
        id: context.file_id.clone(),
        title: one_line(&title),
        text,
        origin: context.origin.to_string(),
        ..Article::default()
    };
    context.sink.article(article)
}
