//! Which column is the title, which the text: given by the user, or guessed by its name.

use super::article::{Article, one_line, split_title, tidy};
use super::dates::parse_date;
use super::line::clean;
use serde::Serialize;
use serde_json::{Map, Value};

/// What a column means to an article.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The article's own identifier.
    Id,
    /// Its title or headline.
    Title,
    /// Its body.
    Text,
    /// Its date of publication.
    Date,
    /// Its address.
    Url,
    /// Its publisher.
    Source,
}

impl Role {
    /// Every role, in the order in which columns are claimed.
    pub const ALL: [Role; 6] = [
        Role::Id,
        Role::Title,
        Role::Text,
        Role::Date,
        Role::Url,
        Role::Source,
    ];

    /// The role's name, as in the option `--title-column`.
    pub fn name(self) -> &'static str {
        match self {
            Role::Id => "id",
            Role::Title => "title",
            Role::Text => "text",
            Role::Date => "date",
            Role::Url => "url",
            Role::Source => "source",
        }
    }

    /// Names that such columns usually have, likeliest first.
    fn usual_names(self) -> &'static [&'static str] {
        match self {
            Role::Id => &[
                "id",
                "_id",
                "article_id",
                "articleid",
                "doc_id",
                "docid",
                "document_id",
                "uid",
                "uuid",
                "guid",
                "key",
            ],
            Role::Title => &["title", "headline", "heading", "head", "subject", "name"],
            Role::Text => &[
                "text",
                "body",
                "content",
                "article",
                "article_text",
                "article_body",
                "articlebody",
                "maintext",
                "full_text",
                "fulltext",
                "body_text",
                "story",
                "document",
                "abstract",
                "description",
                "summary",
            ],
            Role::Date => &[
                "date",
                "published",
                "published_at",
                "publishedat",
                "date_published",
                "datepublished",
                "publish_date",
                "publication_date",
                "pub_date",
                "pubdate",
                "published_date",
                "datetime",
                "timestamp",
                "created_at",
                "created",
                "time",
            ],
            Role::Url => &[
                "url",
                "link",
                "href",
                "permalink",
                "web_url",
                "canonical_url",
                "uri",
            ],
            Role::Source => &[
                "source",
                "publisher",
                "publication",
                "outlet",
                "newspaper",
                "site",
                "site_name",
                "sitename",
                "domain",
                "feed",
                "agency",
            ],
        }
    }
}

/// Column names that the user set; the others are guessed.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// The id's column.
    pub id: Option<String>,
    /// The title's column.
    pub title: Option<String>,
    /// The text's column.
    pub text: Option<String>,
    /// The date's column.
    pub date: Option<String>,
    /// The address's column.
    pub url: Option<String>,
    /// The publisher's column.
    pub source: Option<String>,
}

/// Which columns of one input were taken for what.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnReport {
    /// The input.
    pub path: String,
    /// The columns with a role.
    pub roles: Vec<(Role, String)>,
    /// The columns kept as metadata.
    pub metadata: Vec<String>,
}

impl std::fmt::Display for ColumnReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let roles: Vec<String> = self
            .roles
            .iter()
            .map(|(role, name)| {
                if role.name() == name {
                    name.clone()
                } else {
                    format!("{}={name}", role.name())
                }
            })
            .collect();
        let mut line = format!("{}: columns {}", self.path, roles.join(", "));
        if !self.metadata.is_empty() {
            line.push_str("; kept as metadata: ");
            line.push_str(&self.metadata.join(", "));
        }
        // Names of columns are whatever the file says.
        f.write_str(&clean(&line))
    }
}

/// Columns of one input with their roles.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    roles: Vec<(Role, String)>,
    pub metadata: Vec<String>,
}

impl Columns {
    fn set(&self, role: Role) -> Option<&String> {
        match role {
            Role::Id => self.id.as_ref(),
            Role::Title => self.title.as_ref(),
            Role::Text => self.text.as_ref(),
            Role::Date => self.date.as_ref(),
            Role::Url => self.url.as_ref(),
            Role::Source => self.source.as_ref(),
        }
    }

    /// Gives each of `names` its role. The message of an error names the columns there are.
    pub(crate) fn map(&self, names: &[String]) -> Result<Mapping, String> {
        let mut roles: Vec<(Role, String)> = Vec::new();
        for role in Role::ALL {
            if let Some(wanted) = self.set(role) {
                if !names.iter().any(|n| n == wanted) {
                    return Err(format!(
                        "no column {wanted:?} (--{}-column); the columns are {}",
                        role.name(),
                        names.join(", ")
                    ));
                }
                roles.push((role, wanted.clone()));
            }
        }
        for role in Role::ALL {
            if self.set(role).is_some() {
                continue;
            }
            let free = |n: &&String| !roles.iter().any(|(_, taken)| &taken == n);
            let guess = role.usual_names().iter().find_map(|usual| {
                names
                    .iter()
                    .filter(free)
                    .find(|n| n.trim().to_lowercase().replace([' ', '-'], "_") == *usual)
            });
            if let Some(name) = guess {
                roles.push((role, name.clone()));
            }
        }
        if !roles.iter().any(|(role, _)| *role == Role::Text) {
            return Err(format!(
                "no column is called text, body or content, of {}; name the column that holds the text",
                names.join(", ")
            ));
        }
        let metadata = names
            .iter()
            .filter(|n| !roles.iter().any(|(_, taken)| &taken == n))
            .cloned()
            .collect();
        roles.sort_by_key(|(role, _)| Role::ALL.iter().position(|r| r == role));
        Ok(Mapping { roles, metadata })
    }
}

impl Mapping {
    /// The column that has a role.
    pub(crate) fn column(&self, role: Role) -> Option<&str> {
        let found = self.roles.iter().find(|(r, _)| *r == role);
        found.map(|(_, name)| name.as_str())
    }

    pub(crate) fn report(&self, path: &str) -> ColumnReport {
        ColumnReport {
            path: path.to_string(),
            // A reader's own names for what stands in no column begin with a NUL.
            roles: self
                .roles
                .iter()
                .filter(|(_, name)| !name.starts_with('\0'))
                .cloned()
                .collect(),
            metadata: self.metadata.clone(),
        }
    }

    /// Makes an article of one row; an error's message says what the row lacks.
    pub(crate) fn article(&self, mut row: Map<String, Value>) -> Result<Article, String> {
        let mut article = Article::default();
        let mut text_column = "";
        for (role, name) in &self.roles {
            if *role == Role::Text {
                text_column = name;
            }
            let Some(value) = row.shift_remove(name) else {
                continue;
            };
            let Some(text) = scalar(&value) else {
                if *role == Role::Text && !value.is_null() {
                    return Err(format!("the text, column {name:?}, is not a string"));
                }
                continue;
            };
            match role {
                Role::Id => article.id = Some(one_line(&text)).filter(|id| !id.is_empty()),
                Role::Title => article.title = one_line(&text),
                Role::Text => article.text = tidy(&text),
                Role::Url => article.url = Some(one_line(&text)).filter(|s| !s.is_empty()),
                Role::Source => article.source = Some(one_line(&text)).filter(|s| !s.is_empty()),
                Role::Date => {
                    article.date = parse_date(&text);
                    // What could not be read as a date is still the user's.
                    if article.date.is_none() && !text.trim().is_empty() {
                        article.meta.insert(name.clone(), Value::String(text));
                    }
                }
            }
        }
        if article.text.trim().is_empty() {
            return Err(format!("no text in column {text_column:?}"));
        }
        if !self.roles.iter().any(|(role, _)| *role == Role::Title) {
            (article.title, article.text) = split_title(&article.text);
        }
        row.retain(|_, value| !value.is_null());
        article.meta.extend(row);
        Ok(article)
    }
}

/// A value that is one piece of text; lists of strings are joined as paragraphs.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Array(items) if items.iter().all(Value::is_string) => Some(
            items
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join("\n\n"),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_string()).collect()
    }

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            _ => unreachable!("tests pass objects"),
        }
    }

    #[test]
    fn usual_names_are_guessed_and_the_rest_is_metadata() {
        let mapping = Columns::default()
            .map(&names(&[
                "DocID",
                "Headline",
                "Body",
                "Published At",
                "desk",
            ]))
            .unwrap();
        let report = mapping.report("x.csv");
        assert_eq!(
            report.roles,
            vec![
                (Role::Id, "DocID".to_string()),
                (Role::Title, "Headline".to_string()),
                (Role::Text, "Body".to_string()),
                (Role::Date, "Published At".to_string()),
            ]
        );
        assert_eq!(report.metadata, names(&["desk"]));
    }

    #[test]
    fn a_wrong_column_name_lists_the_right_ones() {
        let columns = Columns {
            text: Some("txt".into()),
            ..Columns::default()
        };
        let message = columns.map(&names(&["id", "text"])).unwrap_err();
        assert!(
            message.contains("\"txt\"") && message.contains("id, text"),
            "{message}"
        );
    }

    #[test]
    fn a_row_becomes_an_article() {
        let mapping = Columns::default()
            .map(&names(&["id", "title", "text", "date"]))
            .unwrap();
        let article = mapping
            .article(object(
                json!({"id": 7, "title": "T\n2", "text": "a\r\nb", "date": "soon", "k": [1]}),
            ))
            .unwrap();
        assert_eq!(article.id.as_deref(), Some("7"));
        assert_eq!(article.title, "T 2");
        assert_eq!(article.text, "a\nb");
        assert_eq!(article.date, None);
        assert_eq!(article.meta["date"], json!("soon"));
        assert_eq!(article.meta["k"], json!([1]));
    }

    #[test]
    fn a_row_without_text_is_refused() {
        let mapping = Columns::default().map(&names(&["id", "text"])).unwrap();
        for text in [json!(""), json!("  \n"), Value::Null, json!({})] {
            assert!(
                mapping
                    .article(object(json!({"id": 1, "text": text})))
                    .is_err()
            );
        }
    }
}
