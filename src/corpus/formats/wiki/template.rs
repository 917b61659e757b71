//! Templates of wikitext whose words belong to their sentence.

use super::text::{BREAK, GONE};

/// Values of a template that are looked at.
const VALUES: usize = 64;

/// Templates that show their first value.
const FIRST: [&str; 69] = [
    "nowrap",
    "nobr",
    "nobreak",
    "small",
    "big",
    "em",
    "strong",
    "abbr",
    "tooltip",
    "sic",
    "visible anchor",
    "vanchor",
    "smallcaps",
    "sc",
    "ill",
    "interlanguage link",
    "circa",
    "c.",
    "chem",
    "chem2",
    "nihongo",
    "w",
    "flag",
    "flagcountry",
    "angbr",
    "angbr ipa",
    "ipa",
    "keypress",
    "key press",
    "val",
    "math",
    "mvar",
    "mono",
    "code",
    "hws",
    "larger",
    "center",
    "uc",
    "dropinitial",
    "drop initial",
    "citation needed span",
    "référence nécessaire",
    "refnec",
    "cita requerida",
    "siècle",
    "mme",
    "iw",
    "не переведено 5",
    "не переведено",
    "仮リンク",
    "読み仮名",
    "ruby",
    "link-en",
    "le",
    "要出典",
    "date de naissance",
    "число",
    "год",
    "s",
    "unité",
    "as written",
    "birth date text",
    "us$",
    "usd",
    "gbp",
    "euro",
    "l1",
    "sup",
    "sub",
];
/// Templates that show their second value, or the first where there is no other.
const SECOND: [&str; 14] = [
    "lang",
    "langx",
    "langi",
    "langue",
    "transl",
    "transliteration",
    "l",
    "m",
    "ux",
    "mention",
    "link",
    "tsl",
    "t",
    "t+",
];
/// Templates whose text is a paragraph of its own.
const QUOTES: [&str; 20] = [
    "quote",
    "blockquote",
    "cquote",
    "quotation",
    "quote box",
    "zitat",
    "\"",
    "citation bloc",
    "citation",
    "cita",
    "cita bloque",
    "цитата",
    "اقتباس",
    "poemquote",
    "poem quote",
    "ppoem",
    "bquote",
    "pull quote",
    "quote frame",
    "verse translation",
];
/// Templates that show all of their values, one after the other.
const ALL: [&str; 9] = [
    "hlist",
    "ubl",
    "unbulleted list",
    "plainlist",
    "flatlist",
    "columns-list",
    "div col",
    "collapsible list",
    "bulleted list",
];

/// What a template shows, of those whose text stands in their sentence; others go.
pub(super) fn template(inner: &str, out: &mut String) {
    let mut parts = inner.split('|').take(VALUES);
    let name = parts.next().unwrap_or_default().replace([GONE, BREAK], "");
    let name = name.trim().to_lowercase().replace('_', " ");
    // Values with a name stand for themselves where it is a number or says that it is the text.
    let values: Vec<&str> = parts
        .filter_map(|part| match part.split_once('=') {
            Some((name, value)) => {
                let name = name.trim();
                let told = name.bytes().all(|b| b.is_ascii_digit())
                    || matches!(name, "text" | "quote" | "content" | "範囲");
                told.then_some(value)
            }
            None => Some(part),
        })
        .map(str::trim)
        .collect();
    let value = |n: usize| values.get(n).copied().unwrap_or_default();
    let before = out.len();
    match name.as_str() {
        name if FIRST.contains(&name) => out.push_str(value(0)),
        name if SECOND.contains(&name) => {
            out.push_str(
                values
                    .get(1)
                    .or(values.first())
                    .copied()
                    .unwrap_or_default(),
            );
        }
        name if QUOTES.contains(&name) => {
            out.push_str("\n\n");
            out.push_str(value(0));
            out.push_str("\n\n");
        }
        name if ALL.contains(&name) => out.push_str(&values.join(", ")),
        // A word, and then its language.
        "lien" => out.push_str(value(0)),
        "convert" | "cvt" | "nombre" | "unidad" => {
            let between = ["to", "and", "or", "-", "–", "by", "x", "×"];
            let n = if between.contains(&value(1)) { 4 } else { 2 };
            let shown: Vec<&str> = values.iter().take(n).copied().collect();
            out.push_str(&shown.join(" "));
        }
        "as of" | "date" | "fecha" | "s-" => {
            if name == "as of" {
                out.push_str("as of ");
            }
            out.push_str(&values.join(" "));
        }
        "start date" | "end date" | "birth date" | "death date" | "birth date and age"
        | "start date and age" | "birth-date" | "film date" => {
            let numbers = values
                .iter()
                .filter(|value| value.bytes().all(|b| b.is_ascii_digit()));
            let numbers: Vec<&str> = numbers.take(3).copied().collect();
            out.push_str(&numbers.join("-"));
        }
        "frac" | "fraction" | "sfrac" => match values.as_slice() {
            [whole, over, under, ..] => out.push_str(&format!("{whole} {over}/{under}")),
            _ => out.push_str(&values.join("/")),
        },
        "'s" => out.push_str("’s"),
        "snd" | "spnd" | "spaced ndash" | "spaced en dash" | "snds" => out.push_str(" – "),
        "nbsp" | "space" | "thinsp" => out.push(' '),
        "ndash" | "–" => out.push('–'),
        "mdash" | "—" => out.push('—'),
        "'" => out.push('’'),
        "=" => out.push_str("&#61;"),
        "!" => out.push_str("&#124;"),
        "br" | "pb" | "break" | "clear" | "-" | "paragraph break" => out.push('\n'),
        _ if name.starts_with("lang-") => out.push_str(value(0)),
        _ => {
            // `{{{1|what stands for it}}}`
            if name.starts_with('{') {
                out.push_str(value(0).trim_end_matches('}'));
            } else if let Some((_, number)) = name.split_once("formatnum:") {
                out.push_str(number);
            }
        }
    }
    if out.len() == before {
        out.push(GONE);
    }
}
