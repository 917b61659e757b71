//! Adding, replacing and deleting articles; embedding them as a job.

use super::super::app::{App, Served};
use super::super::auth::Access;
use super::super::error::ApiError;
use super::super::jobs::{What, lock};
use super::asked::{Body, MOST_VALUES, Names, Params, bytes, invalid, json};
use super::desk::{Single, write, writer};
use crate::corpus::{Article, Columns, EXPORTED, one_line, parse_date, tidy};
use crate::error::Result as Outcome;
use crate::job::Job;
use crate::search::Mode;
use crate::store::{Added, NewArticle};
use axum::Json;
use axum::body::BodyDataStream;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Articles that are stored in one transaction, and their bytes. Each waits for its turn, which is
/// seconds where others are being embedded.
const BATCH: usize = 2048;
const BATCH_BYTES: usize = 4 << 20;
/// The longest line of a stream, which is an article.
const LONGEST_LINE: usize = 16 << 20;
/// The longest id, in bytes.
const LONGEST_ID: usize = 4096;
/// Lines that were left out that are told.
const TOLD: usize = MOST_VALUES;

/// An article to add. With a field that is none of these it is read as a row of a file is: known
/// names of other programs' exports are understood (`body`, `headline`, `published_at`), and what
/// else there is is kept as metadata.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ArticleAsked {
    /// Its id; a number is read as text. Without one it gets one from its content.
    #[serde(default)]
    id: Option<String>,
    /// Its title.
    #[serde(default)]
    title: Option<String>,
    /// Its text; it needs one, or a title.
    #[serde(default)]
    text: Option<String>,
    /// Its date, ISO 8601 or another common form.
    #[serde(default)]
    date: Option<String>,
    /// Its publisher.
    #[serde(default)]
    source: Option<String>,
    /// Its address.
    #[serde(default)]
    url: Option<String>,
    /// Whatever else is known of it.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// The article that a JSON value tells, or what is wrong with it.
fn read(value: Value) -> Result<Article, String> {
    let Value::Object(mut row) = value else {
        return Err("it is no object with a text".to_string());
    };
    if let Some(id) = row.get_mut("id")
        && id.is_number()
    {
        *id = Value::String(id.to_string());
    }
    // What an export says of its topic is another corpus's.
    for name in ["topic", "topic_label", "topic_similarity"] {
        row.shift_remove(name);
    }
    let is_own = |name: &String| name != "vector" && EXPORTED.contains(&name.as_str());
    if row.keys().all(is_own) {
        let asked = ArticleAsked::deserialize(Value::Object(row)).map_err(|e| e.to_string())?;
        return asked.article();
    }
    let metadata = match row.shift_remove("metadata") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(metadata)) => metadata,
        Some(_) => return Err("its metadata are no object".to_string()),
    };
    let names: Vec<String> = row.keys().cloned().collect();
    let article = Columns::default().map(&names)?.article(row);
    let mut article = article.map_err(|why| why.to_string())?;
    article.meta.extend(metadata);
    checked(article)
}

/// The article, where it can be stored.
fn checked(article: Article) -> Result<Article, String> {
    if article.is_blank() {
        return Err("it has neither a text nor a title".to_string());
    }
    if article.id.as_ref().is_some_and(|id| id.len() > LONGEST_ID) {
        return Err(format!("its id has more than {LONGEST_ID} bytes"));
    }
    Ok(article)
}

impl ArticleAsked {
    /// The article, or what is wrong with it.
    fn article(self) -> Result<Article, String> {
        let some = |text: Option<String>| {
            let line = text.map(|text| one_line(&text));
            line.filter(|line| !line.is_empty())
        };
        let article = Article {
            id: some(self.id),
            title: one_line(&self.title.unwrap_or_default()),
            text: tidy(&self.text.unwrap_or_default()),
            date: match some(self.date) {
                Some(date) => match parse_date(&date) {
                    Some(date) => Some(date),
                    None => {
                        return Err(format!("{date:?} is no date; give one such as 2024-03-05"));
                    }
                },
                None => None,
            },
            source: some(self.source),
            url: some(self.url),
            meta: self.metadata.unwrap_or_default(),
            ..Article::default()
        };
        checked(article)
    }
}

/// Articles to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[allow(
    dead_code,
    reason = "it is a schema alone: what is wrong is told for each article"
)]
pub(super) enum ArticlesAsked {
    /// One.
    One(Box<ArticleAsked>),
    /// Several.
    Many(Vec<ArticleAsked>),
}

/// An article that was left out.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Skipped {
    /// The line of the stream, or the place in the list, from 1.
    line: u64,
    /// What is wrong.
    message: String,
}

/// What became of articles.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(super) struct AddedShown {
    /// How many are new.
    added: u64,
    /// How many took the place of one of the same id.
    replaced: u64,
    /// How many were there just so.
    unchanged: u64,
    /// Those that were left out, the first thousand.
    skipped: Vec<Skipped>,
    /// How many were left out.
    skipped_total: u64,
    /// The job that embeds them; `null` where nothing waits.
    job: Option<String>,
}

/// How articles are added.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct AddParams {
    /// Whether an article takes the place of one of the same id, as is usual; else it is left out.
    replace: Option<bool>,
}

/// Articles on their way into the corpus.
struct Adding {
    app: Arc<App>,
    served: Arc<Served>,
    replace: bool,
    seen: HashSet<String>,
    batch: Vec<(u64, Article)>,
    bytes: usize,
    /// How many came, and how many of them are no articles.
    came: u64,
    unusable: u64,
    /// Whether some that are stored wait to be embedded.
    waits: bool,
    shown: AddedShown,
}

impl Drop for Adding {
    /// Whoever sends articles may go before the last: those that came are embedded.
    fn drop(&mut self) {
        if self.waits {
            let _ = embed(&self.app, &self.served);
        }
    }
}

impl Adding {
    fn new(app: &Arc<App>, corpus: &str, replace: bool) -> Result<Self, ApiError> {
        Ok(Self {
            app: app.clone(),
            served: super::served(app, corpus)?,
            replace,
            seen: HashSet::new(),
            batch: Vec::new(),
            bytes: 0,
            came: 0,
            unusable: 0,
            waits: false,
            shown: AddedShown::default(),
        })
    }

    fn skip(&mut self, line: u64, message: impl Into<String>) {
        self.shown.skipped_total += 1;
        if self.shown.skipped.len() < TOLD {
            let message = message.into();
            self.shown.skipped.push(Skipped { line, message });
        }
    }

    /// Takes an article as JSON.
    async fn take(
        &mut self,
        line: u64,
        asked: serde_json::Result<Value>,
        bytes: usize,
    ) -> Result<(), ApiError> {
        let article = match asked {
            Ok(value) => read(value),
            // Where in the line it is wrong stands in the message; the line itself beside it.
            Err(e) => Err(e.to_string().replace(" at line 1 column ", " at column ")),
        };
        self.came += 1;
        match article {
            Err(message) => {
                self.unusable += 1;
                self.skip(line, message);
            }
            Ok(article) => {
                if let Some(id) = &article.id
                    && !self.seen.insert(id.clone())
                {
                    let message = format!("the id {id:?} came before in this request");
                    self.skip(line, message);
                    return Ok(());
                }
                self.bytes += bytes;
                self.batch.push((line, article));
            }
        }
        if self.batch.len() >= BATCH || self.bytes >= BATCH_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Stores what was taken, in one transaction; the corpus is locked only meanwhile.
    async fn flush(&mut self) -> Result<(), ApiError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        let replace = self.replace;
        let (outcomes, lines) = write(&self.app, &self.served, move |writer| {
            let mut lines = Vec::with_capacity(batch.len());
            let mut articles = Vec::with_capacity(batch.len());
            let mut kept = Vec::new();
            for (line, article) in batch {
                let is_there = match &article.id {
                    Some(id) if !replace => writer.key_of(id).is_ok(),
                    _ => false,
                };
                if is_there {
                    kept.push((line, article.id.unwrap_or_default()));
                    continue;
                }
                lines.push(line);
                articles.push(NewArticle::from(article));
            }
            writer.begin_run()?;
            let outcomes = writer.add_batch(&articles, true)?;
            let outcomes: Vec<(u64, Added)> = lines
                .into_iter()
                .zip(outcomes.into_iter().map(|outcome| outcome.added))
                .collect();
            Ok((outcomes, kept))
        })
        .await?;
        for (line, id) in lines {
            self.skip(line, format!("an article of the id {id:?} is there"));
        }
        for (line, added) in outcomes {
            match added {
                Added::New => self.shown.added += 1,
                Added::Changed | Added::Described => self.shown.replaced += 1,
                Added::Same => self.shown.unchanged += 1,
                Added::Repeated => self.skip(line, "it came before in this request"),
            }
            self.waits |= matches!(added, Added::New | Added::Changed);
        }
        self.app.desk.of(&self.served).changed();
        Ok(())
    }

    /// Stores the last, and has all of them embedded: not before, as what is being embedded and
    /// what is being stored wait for each other.
    ///
    /// # Errors
    /// None of what came is an article; others write for too long.
    async fn end(mut self) -> Result<Json<AddedShown>, ApiError> {
        self.flush().await?;
        if let Some(first) = self.shown.skipped.first()
            && self.unusable == self.came
        {
            let message = match self.came {
                1 => first.message.clone(),
                n => format!(
                    "none of the {n} can be used as an article; number {}: {}",
                    first.line, first.message
                ),
            };
            return Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_input",
                message,
            ));
        }
        if std::mem::take(&mut self.waits) {
            self.shown.job = Some(embed(&self.app, &self.served)?);
        }
        Ok(Json(std::mem::take(&mut self.shown)))
    }
}

/// Adds articles: one, a list, or a stream of lines, each an article as JSON.
///
/// They are stored before the answer, and can be found by words from then on; the job embeds them.
/// Of a stream, every few hundred articles are stored as they come. An article that cannot be used
/// is left out, and told with its line.
#[utoipa::path(
    post, path = "/corpora/{corpus}/articles", tag = "Articles", operation_id = "add_articles",
    params(("corpus" = String, Path, description = "The corpus's name."), AddParams),
    request_body(content(
        (ArticlesAsked = "application/json"),
        (ArticleAsked = "application/x-ndjson"),
    )),
    responses((status = 200, body = AddedShown)),
)]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    Params(params): Params<AddParams>,
    access: Access,
    request: Request,
) -> Result<Json<AddedShown>, ApiError> {
    app.may_write(access)?;
    let mut adding = Adding::new(&app, &corpus, params.replace.unwrap_or(true))?;
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.to_ascii_lowercase().as_str() {
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonlines" => {
            stream(&mut adding, request.into_body().into_data_stream()).await?;
        }
        "" | "application/json" => {
            let bytes = bytes(request, &()).await?;
            let values = match json(&bytes)? {
                Value::Array(values) => values,
                value => vec![value],
            };
            let each = bytes.len() / values.len().max(1);
            for (i, value) in values.into_iter().enumerate() {
                adding.take(i as u64 + 1, Ok(value), each).await?;
            }
        }
        _ => {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "invalid_input",
                "send application/json, or application/x-ndjson for a stream of lines",
            ));
        }
    }
    adding.end().await
}

/// Takes the lines of a body as they come.
async fn stream(adding: &mut Adding, mut body: BodyDataStream) -> Result<(), ApiError> {
    let mut rest: Vec<u8> = Vec::new();
    // How much of the rest is known to hold no end of a line, and whether a line too long goes on.
    let (mut looked, mut passing) = (0, false);
    let mut line = 1;
    loop {
        let piece = match body.next().await {
            Some(Ok(piece)) => piece,
            Some(Err(e)) => {
                // What came whole is kept.
                adding.flush().await?;
                let message = format!("the stream ended within line {line}: {e}");
                return Err(ApiError::new(
                    StatusCode::BAD_REQUEST,
                    "invalid_input",
                    message,
                ));
            }
            None => break,
        };
        rest.extend_from_slice(&piece);
        let mut begin = 0;
        while let Some(end) = memchr::memchr(b'\n', &rest[looked.max(begin)..]) {
            let end = looked.max(begin) + end;
            if !std::mem::take(&mut passing) {
                one_of_stream(adding, line, &rest[begin..end]).await?;
            }
            line += 1;
            begin = end + 1;
            looked = begin;
        }
        rest.drain(..begin);
        looked = rest.len();
        if rest.len() > LONGEST_LINE {
            if !passing {
                adding.skip(line, format!("it has more than {LONGEST_LINE} bytes"));
            }
            passing = true;
            rest.clear();
            looked = 0;
        }
    }
    if !passing {
        one_of_stream(adding, line, &rest).await?;
    }
    Ok(())
}

async fn one_of_stream(adding: &mut Adding, line: u64, text: &[u8]) -> Result<(), ApiError> {
    let text = text.trim_ascii();
    let text = match line {
        1 => text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text),
        _ => text,
    };
    if text.is_empty() {
        return Ok(());
    }
    adding
        .take(line, serde_json::from_slice(text), text.len())
        .await
}

/// Adds an article under this id, or replaces the one that has it.
#[utoipa::path(
    put, path = "/corpora/{corpus}/articles/{id}", tag = "Articles", operation_id = "put_article",
    params(
        ("corpus" = String, Path, description = "The corpus's name."),
        ("id" = String, Path, description = "The article's id, percent-encoded."),
    ),
    request_body = ArticleAsked, responses((status = 200, body = AddedShown)),
)]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Names((corpus, id)): Names<(String, String)>,
    access: Access,
    Body(asked): Body<Value>,
) -> Result<Json<AddedShown>, ApiError> {
    app.may_write(access)?;
    if one_line(&id) != id || id.is_empty() {
        let message = "an id is one line, without blanks at its ends or several in a row";
        return Err(invalid("id", message));
    }
    let mut article = read(asked).map_err(|message| {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", message)
    })?;
    if article.id.as_ref().is_some_and(|own| *own != id) {
        return Err(invalid(
            "id",
            "the article's own id is another than that of the address",
        ));
    }
    article.id = Some(id);
    let mut adding = Adding::new(&app, &corpus, true)?;
    adding.came = 1;
    adding.batch.push((1, article));
    adding.end().await
}

/// How many articles were deleted.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct DeletedShown {
    /// How many.
    deleted: u64,
}

/// Deletes an article.
#[utoipa::path(
    delete, path = "/corpora/{corpus}/articles/{id}", tag = "Articles", operation_id = "delete_article",
    params(
        ("corpus" = String, Path, description = "The corpus's name."),
        ("id" = String, Path, description = "The article's id, percent-encoded."),
    ),
    responses((status = 200, body = DeletedShown)),
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Names((corpus, id)): Names<(String, String)>,
    access: Access,
) -> Result<Json<DeletedShown>, ApiError> {
    app.may_write(access)?;
    let served = super::served(&app, &corpus)?;
    let deleted = write(&app, &served, move |writer| writer.delete([id])).await?;
    app.desk.of(&served).changed();
    Ok(Json(DeletedShown { deleted }))
}

/// What embedding is called among the jobs that run once.
const EMBED: &str = "embed";

/// Sees to it that whatever waits is embedded: by the job that runs, which goes on until nothing
/// waits, or by a new one. The job's id.
pub(super) fn embed(app: &Arc<App>, served: &Arc<Served>) -> Result<String, ApiError> {
    let tray = app.desk.of(served);
    let mut single = lock(&tray.single);
    if let Some(running) = single.get_mut(EMBED) {
        running.again = true;
        return Ok(running.id.clone());
    }
    let (shared, corpus) = (app.clone(), served.clone());
    let entry = app.desk.jobs.start(&served.name, What::Embed, move |job| {
        let outcome = embed_all(&shared, &corpus, job);
        if outcome.is_err() {
            lock(&shared.desk.of(&corpus).single).remove(EMBED);
        }
        outcome
    })?;
    let id = entry.id();
    // The job takes this lock before it ends, and so finds itself here.
    single.insert(
        EMBED,
        Single {
            id: id.clone(),
            again: false,
        },
    );
    Ok(id)
}

/// Embeds until nothing waits, a few seconds at a time where others wait to write.
fn embed_all(app: &App, served: &Served, job: &Job) -> Outcome<Value> {
    let tray = app.desk.of(served);
    let encoder = app.encoder_of(served)?;
    let (mut embedded, mut passages, mut tokens, mut unread) = (0, 0, 0, 0);
    loop {
        if let Some(single) = lock(&tray.single).get_mut(EMBED) {
            single.again = false;
        }
        let waits = {
            let _turn = tray.turn_of(job)?;
            let mut writer = writer(&served.corpus)?;
            writer.update_recurring()?;
            let report = writer.embed_while(&encoder, job, || !tray.is_waited_for())?;
            embedded += report.embedded;
            passages += report.passages;
            tokens += report.tokens;
            unread += report.unread;
            writer.pending_size()?.0 > 0
        };
        tray.changed();
        if waits {
            continue;
        }
        {
            let mut single = lock(&tray.single);
            if !single.get(EMBED).is_some_and(|single| single.again) {
                single.remove(EMBED);
                break;
            }
        }
    }
    // Of use from some hundred thousand passages on; searches compare every vector without it.
    let indexed = served.reader()?.refresh_index(Mode::Auto, job)?;
    Ok(serde_json::json!({
        "embedded": embedded, "passages": passages, "tokens": tokens, "unread": unread, "indexed": indexed,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_and_what_is_wrong_with_them() {
        let of = |json: &str| read(serde_json::from_str(json).map_err(|e| e.to_string())?);
        let article = of(
            r#"{"id": " a ", "title": "T\n u", "text": "x\r\ny\u0000", "date": "5 March 2024",
            "metadata": {"n": 1}, "topic": 3, "topic_label": "x"}"#,
        );
        let article = article.unwrap();
        assert_eq!(
            (article.id.as_deref(), article.title.as_str()),
            (Some("a"), "T u")
        );
        assert_eq!(
            (article.text.as_str(), article.date.as_deref()),
            ("x\ny", Some("2024-03-05"))
        );
        assert!(of(r#"{"id": "a"}"#).unwrap_err().contains("neither"));
        assert!(
            of(r#"{"text": "a", "date": "soon"}"#)
                .unwrap_err()
                .contains("no date")
        );
        assert!(of("[1]").unwrap_err().contains("no object"));
        assert!(
            of(r#"{"title": 3, "text": "a"}"#)
                .unwrap_err()
                .contains("string")
        );
        // As a row of a file is read.
        let article = of(
            r#"{"id": 17, "headline": "T", "body": "x", "published_at": "5 March 2024", "author": "A. Reporter",
            "metadata": {"n": 1}}"#,
        );
        let article = article.unwrap();
        assert_eq!(
            (
                article.id.as_deref(),
                article.title.as_str(),
                article.text.as_str()
            ),
            (Some("17"), "T", "x")
        );
        assert_eq!(article.date.as_deref(), Some("2024-03-05"));
        assert_eq!(
            Value::Object(article.meta),
            serde_json::json!({"author": "A. Reporter", "n": 1})
        );
        assert!(of(r#"{"id": "a", "author": "b"}"#).is_err());
    }
}
