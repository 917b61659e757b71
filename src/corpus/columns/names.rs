//! Names that columns usually have, in the data sets and exports that people have.

use super::Role;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

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
                // Of a comment, where `story_id` is what it stands below.
                "objectid",
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
                "titel",
                "titre",
                "titulo",
                "titolo",
                "uberschrift",
                "ueberschrift",
                "schlagzeile",
                "titular",
                "intitule",
                "manchete",
                "fields.headline",
                "tytuł",
                "nadpis",
                "titulek",
                "baslık",
                "заголовок",
                "标题",
                "標題",
                "文章标题",
                "新闻标题",
                "見出し",
                "タイトル",
                "제목",
                "العنوان",
                "عنوان",
                // Crawlers and collections of texts keep what is known of one apart.
                "metadata.title",
                "meta.title",
            ],
            &["head", "subject", "name"],
        ),
        Role::Text => (
            &[
                // A tweet's `text` is cut where it has this.
                "extendedtweet.full_text",
                "notetweet.text",
                "fulltext",
                // Beside it, `content` is its beginning.
                "fullcontent",
                "fullarticle",
                "fullbody",
                "text",
                "body",
                "content",
                "article",
                "articletext",
                "articlebody",
                "maintext",
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
                "storytext",
                "rawcontent",
                "cooked",
                // Comments on videos; what a model answered, in an archive of what was asked.
                "textoriginal",
                "textdisplay",
                "safehtmlitem",
                "contentencoded",
                "contenthtml",
                "bodyhtml",
                "htmlcontent",
                "htmlbody",
                "articlehtml",
                "html",
                "rawhtml",
                "pagecontent",
                "story",
                "document",
                "transcript",
                MESSAGE,
                "inhalt",
                "artikeltext",
                "volltext",
                "beitragstext",
                "texte",
                "contenu",
                "texto",
                "contenido",
                "cuerpo",
                "inhoud",
                "tekst",
                "artikeltekst",
                "testo",
                "contenuto",
                "conteudo",
                "reviewtext",
                "reviewbody",
                "markdown",
                "bodymarkdown",
                "dialogue",
                "speechtext",
                "speechcontent",
                "maincontent",
                "ocreng",
                "tresc",
                "obsah",
                "metin",
                "icerik",
                "текст",
                "содержание",
                "正文",
                "内容",
                "內容",
                "文章内容",
                "新闻内容",
                "本文",
                "記事",
                "본문",
                "내용",
                "النص",
                "نص",
                "المحتوى",
                // From here on, what is written about a text: see [`is_about`].
                FIRST_ABOUT,
                "abstract",
                "abstractnote",
                "abstractinvertedindex",
                "extract",
                "openingtext",
                "videodescription",
                "shortdescription",
                "description",
                "desc",
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
                "comment",
                "commenttext",
                "commentbody",
                "sentence",
                "passage",
                "paragraph",
                "paragraphs",
                "highlight",
                "highlights",
                "contents",
                "contenttxt",
                "sections",
                "chapters",
                "pages",
                "utterances",
                "segments",
                "speech",
                "post",
                "artikel",
                "beitrag",
                "corps",
                "corpo",
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
                "datum",
                "fecha",
                "publikationsdatum",
                "veroffentlicht",
                "veroffentlichtam",
                "veroffentlichungsdatum",
                "erschienen",
                "publicatiedatum",
                "datedepublication",
                "datepublication",
                "datapubblicazione",
                "datadepublicacao",
                "datapublicacao",
                "fechapublicacion",
                "fechadepublicacion",
                "datapublikacji",
                "tarih",
                "дата",
                "发布时间",
                "发布日期",
                "發布時間",
                "發佈日期",
                "日期",
                "公開日",
                "日付",
                "일자",
                "날짜",
                "게시일",
                "작성일",
                "التاريخ",
                "تاريخ",
                "metadata.date",
                "metadata.published",
                "metadata.publishedTime",
                "meta.date",
            ],
            &["time", "时间", "時間"],
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
                "documenturl",
                "cleanurl",
                "originalurl",
                "lien",
                "enlace",
                "ссылка",
                "链接",
                "網址",
                "网址",
                "링크",
                "الرابط",
                "metadata.url",
                "metadata.sourceURL",
                "meta.url",
                URI,
            ],
            &[GUID],
        ),
        Role::Source => (
            &[
                "sourcehostname",
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
                "quelle",
                "zeitung",
                "fuente",
                "periodico",
                "fonte",
                "bron",
                "krant",
                "giornale",
                "jornal",
                "zrodło",
                "zdroj",
                "kaynak",
                "источник",
                "来源",
                "來源",
                "媒体",
                "언론사",
                "출처",
                "المصدر",
            ],
            &["username", "screenname", "user", "handle", "channel"],
        ),
    };
    Usual { names, weak }
}

/// The text of a post or a mail, and of what a program has to say; see
/// [`is_post`](super::program::is_post).
pub(super) const MESSAGE: &str = "message";

/// The first of the names of texts that are written about another.
const FIRST_ABOUT: &str = "leadparagraph";

/// Whether a column of this name has a text only where it holds the parts of one: else it tells how many there are, or
/// which.
pub(super) fn is_parts(column: &str) -> bool {
    ["chapters", "pages", "utterances", "segments"].contains(&plain(column).as_str())
}

/// Whether a column of this name has the text in short, or says what it is about.
pub(super) fn is_about(column: &str) -> bool {
    let plain = plain(column);
    let about = |name: &&&str| **name != FIRST_ABOUT;
    let names = usual(Role::Text).names.iter().skip_while(about);
    names
        .chain(&["lead", "highlights", "subtitle"])
        .any(|name| *name == plain)
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

/// Whether among these, as [`plain`] makes them, a `name` is no title: of posts on Discourse it is the author's, and
/// on Reddit the number of each.
pub(super) fn is_name_no_title(names: &[String]) -> bool {
    let has = |wanted: &str| names.iter().any(|n| n == wanted);
    has("cooked") && has("username") || has("subredditid")
}

/// Whether these, as [`plain`] makes them, are names in a language whose word for a date is `data`, which
/// in English is anything.
pub(super) fn is_data_a_date(names: &[String]) -> bool {
    const THEIRS: [&str; 8] = [
        "titolo",
        "testo",
        "contenuto",
        "titulo",
        "texto",
        "conteudo",
        "fonte",
        "tytul",
    ];
    THEIRS.iter().any(|name| names.iter().any(|n| n == name))
}

/// What was asked, in data sets of questions and answers, and what was said to a model.
pub(super) const QUESTION: &str = "question";
const ASKED: [&str; 3] = [QUESTION, "instruction", "prompt"];
/// What stands beside it: what it was asked about, and the answer.
const ANSWERED: [&str; 8] = [
    "context",
    "input",
    "answer",
    "bestanswer",
    "output",
    "response",
    "completion",
    "chosen",
];

/// Of these, as [`plain`] makes them, the columns that make a text together, in data sets of questions and answers: in
/// others they mean something else. A question is their title.
pub(super) fn of_answers(names: &[String]) -> Vec<&'static str> {
    let has = |wanted: &&&str| names.iter().any(|n| n == **wanted);
    let asked = ASKED.iter().filter(has);
    let answered: Vec<&'static str> = ANSWERED.iter().filter(has).copied().collect();
    if asked.clone().next().is_none() || answered.iter().all(|name| *name == "input") {
        return Vec::new();
    }
    let said = asked.filter(|name| **name != QUESTION).copied();
    said.chain(answered).collect()
}

/// A name in small letters and digits only, without accents: `publishedAt`, `published_at` and
/// `Published at` are the same, and so are `Título` and `titulo`.
pub(super) fn plain(name: &str) -> String {
    let small = |c: char| c.is_alphanumeric().then(|| c.to_lowercase());
    if name.is_ascii() {
        return name.chars().filter_map(small).flatten().collect();
    }
    // Taken apart, an accent is a mark of its own, which is neither a letter nor a digit.
    let apart = DecomposingNormalizerBorrowed::new_nfd().normalize_iter(name.chars());
    let letters: String = apart.filter_map(small).flatten().collect();
    // Korean syllables are taken apart as well, and are letters all the same.
    ComposingNormalizerBorrowed::new_nfc()
        .normalize(&letters)
        .into_owned()
}
