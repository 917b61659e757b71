//! Names that columns usually have, in the data sets and exports that people have.

use super::Role;

/// The usual names of a role's column, in small letters and digits only (see [`plain`]); a dot
/// leads to a key of an object, which is written as it is.
pub(super) struct Usual {
    /// Likeliest first. Where the first is empty in a row, the next is taken for it.
    pub(super) names: &'static [&'static str],
    /// Names that mean something else as often: only where the input has none of the others.
    pub(super) weak: &'static [&'static str],
}

pub(super) fn usual(role: Role) -> Usual {
    let (names, weak): (&[&str], &[&str]) = match role {
        Role::Id => (
            &[
                "id",
                "articleid",
                "docid",
                "documentid",
                "storyid",
                "storiesid",
                "newsid",
                "postid",
                "tweetid",
                "idstr",
                "itemid",
                "gkgrecordid",
                "globaleventid",
                "uid",
                "uuid",
                "guid",
            ],
            &["key"],
        ),
        Role::Title => (
            &[
                "title",
                "headline",
                "heading",
                "posttitle",
                "webtitle",
                "articletitle",
                "newstitle",
                "storytitle",
                "newsheadline",
                "headlinetext",
                "headlines",
                "fields.headline",
            ],
            &["head", "subject", "name"],
        ),
        Role::Text => (
            &[
                // A tweet's `text` is cut where it has this.
                "extendedtweet.full_text",
                "text",
                "body",
                "content",
                "article",
                "articletext",
                "articlebody",
                "maintext",
                "fulltext",
                "bodytext",
                "plaintext",
                "cleantext",
                "textcontent",
                "contenttext",
                "articlecontent",
                "newscontent",
                "newsarticle",
                "newstext",
                "postcontent",
                "postbody",
                "posttext",
                "fields.bodyText",
                "fields.body",
                "selftext",
                "tweet",
                "tweettext",
                "tweetcontent",
                "rawtext",
                "contentencoded",
                "contenthtml",
                "bodyhtml",
                "pagecontent",
                "story",
                "document",
                "transcript",
                "message",
                "leadparagraph",
                "abstract",
                "shortdescription",
                "reviewtext",
                "fullarticle",
                "description",
                "summary",
                "excerpt",
                "postexcerpt",
                "fields.trailText",
                "snippet",
                "standfirst",
                "teaser",
            ],
            &[
                "news",
                "lead",
                "review",
                "reviewtext",
                "comment",
                "commenttext",
                "commentbody",
                "sentence",
                "passage",
                "paragraph",
                "paragraphs",
                "highlights",
                "post",
            ],
        ),
        Role::Date => (
            &[
                "datetimepub",
                "date",
                "published",
                "publishedat",
                "datepublished",
                "publishdate",
                "publisheddate",
                "datepublish",
                "publicationdate",
                "webpublicationdate",
                "pubdate",
                "publishedon",
                "publishedtime",
                "publishtime",
                "publicationtime",
                "postdate",
                "posteddate",
                "dateposted",
                "postedat",
                "postedon",
                "postdategmt",
                "dategmt",
                "releasedate",
                "issued",
                "dateissued",
                "firstpublished",
                "articledate",
                "newsdate",
                "seendate",
                "sqldate",
                "createdat",
                "createdutc",
                "created",
                "createdon",
                "createdtime",
                "creationdate",
                "datecreated",
                "createddate",
                "datetime",
                "timestamp",
                "indexeddate",
            ],
            &["time"],
        ),
        Role::Url => (
            &[
                "url",
                "weburl",
                "link",
                "articleurl",
                "articlelink",
                "newsurl",
                "newslink",
                "storyurl",
                "posturl",
                "pageurl",
                "fulllink",
                "permalink",
                "permalinkurl",
                "href",
                "canonicalurl",
                "canonicallink",
                "sourceurl",
                "externalurl",
                "documentidentifier",
                URI,
            ],
            &[GUID],
        ),
        Role::Source => (
            &[
                "source",
                "publisher",
                "publication",
                "outlet",
                "newspaper",
                "sourcename",
                "newssource",
                "site",
                "sitename",
                "website",
                "sourcedomain",
                "domain",
                "medianame",
                "mediaoutlet",
                "feed",
                "feedtitle",
                "agency",
                "journal",
                "sourcecommonname",
                "subreddit",
            ],
            &["username", "screenname", "user", "handle", "channel"],
        ),
    };
    Usual { names, weak }
}

/// What is an address in some exports and any other key in others.
pub(super) const URI: &str = "uri";
pub(super) const GUID: &str = "guid";

/// Names that only exports of posts on Twitter have.
const TWEETS: [&str; 5] = [
    "tweet",
    "retweetcount",
    "extendedtweet",
    "inreplytostatusid",
    "fulltext",
];

/// Whether these, as [`plain`] makes them, are columns of tweets: there a `name` is the author's, and the `source` the
/// program that it was written with.
pub(super) fn is_tweets(names: &[String]) -> bool {
    let has = |wanted: &str| names.iter().any(|n| n == wanted);
    let author = has("user") || has("username") || has("screenname");
    author && TWEETS.iter().any(|name| has(name))
}

/// A name in small letters and digits only: `publishedAt`, `published_at` and `Published at` are
/// the same.
pub(super) fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}
