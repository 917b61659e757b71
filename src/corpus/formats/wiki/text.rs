//! The text of a page written in wikitext, without its marks.
//!
//! What a reader of the page reads stays: words of links, lists, cells of tables, what a few templates show. Notes,
//! pictures, categories, other templates, and headings with nothing below them go. Nothing is said to be written wrongly:
//! a mark that is not closed is left out, and the text behind it stays.

use super::brackets::without_brackets;
use super::lines::{decoded, lines};
use super::tags::without_tags;

/// Stands where something was left out of a line, and where a line ends within a paragraph or a cell, until all is read;
/// no page has them.
pub(super) const GONE: char = '\u{1}';
pub(super) const BREAK: char = '\u{2}';

/// What is known of a wiki: the names of its kinds of pages, in small letters.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub files: Vec<String>,
    pub categories: Vec<String>,
}

impl Default for Names {
    fn default() -> Self {
        let all = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Self {
            files: all(&[
                "file",
                "image",
                "media",
                "datei",
                "bild",
                "fichier",
                "archivo",
                "imagen",
                "immagine",
                "ficheiro",
                "imagem",
                "bestand",
                "afbeelding",
                "plik",
                "grafika",
                "soubor",
                "fil",
                "файл",
                "изображение",
                "ファイル",
                "画像",
                "文件",
                "图像",
                "圖像",
                "檔案",
                "파일",
                "그림",
                "ملف",
                "صورة",
            ]),
            categories: all(&[
                "category",
                "kategorie",
                "catégorie",
                "categoría",
                "categoria",
                "categorie",
                "kategoria",
                "kategori",
                "категория",
                "к",
                "カテゴリ",
                "分类",
                "分類",
                "분류",
                "تصنيف",
            ]),
        }
    }
}

/// A page's text, and the categories that it is in.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Page {
    pub text: String,
    pub categories: Vec<String>,
}

/// The text of a page.
pub(super) fn page(wikitext: &str, names: &Names) -> Page {
    let text = without_tags(&wikitext.replace([GONE, BREAK], ""));
    let (text, categories) = without_brackets(&text, names);
    Page {
        text: decoded(&lines(&text)),
        categories,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::article::tidy;

    fn text(wikitext: &str) -> String {
        tidy(&page(wikitext, &Names::default()).text)
    }

    #[test]
    fn marks_go_and_words_stay() {
        for (wikitext, wanted) in [
            (
                "'''Bridge''' is a [[River crossing|crossing]] of [[river]]s.",
                "Bridge is a crossing of rivers.",
            ),
            (
                "It opened{{cn|date=May 2024}} in 1890.<ref name=\"a>b\">{{cite|x}}</ref> It<ref name=a /> closed.",
                "It opened in 1890. It closed.",
            ),
            (
                "A <!-- hidden -->b, 2 < 3 &amp; 4 &minus; 1.",
                "A b, 2 < 3 & 4 − 1.",
            ),
            (
                "[[File:A.jpg|thumb|A [[bridge]] in 1890]]\nText.\n[[Category:Bridges]]\n[[de:Brücke]]",
                "Text.",
            ),
            ("[[File:A|thumb|One.\n\nTwo.]]Text.", "Text."),
            ("[[Datei:A.jpg|mini|Bild]]Text.", "Text."),
            (
                "See [https://e.example/a the page], [https://e.example/b] and [not this].",
                "See the page, and [not this].",
            ),
            (
                "== One ==\n=== Two ===\nText.\n== Notes ==\n<references />\n",
                "One\n\nTwo\n\nText.",
            ),
            ("* one\n* two\n: three", "one\n\ntwo\n\nthree"),
            (
                "It is {{convert|5|km|mi}} long, {{lang|de|Brücke}} in German{{snd}}old.",
                "It is 5 km long, Brücke in German – old.",
            ),
            (
                "{{Infobox\n| name = {{lang|de|x}}\n| image = [[File:x.jpg]]\n}}\nText.",
                "Text.",
            ),
            (
                "{| class=\"wikitable\"\n|+ Bridges\n! Name !! Length\n|-\n| style=\"a\" | Old || 5 km\n|-\n| New\n| 6 km\n|}\nText.",
                "Bridges\nName, Length\nOld, 5 km\nNew, 6 km\n\nText.",
            ),
            (
                "<nowiki>[[not]] a '''link'''</nowiki>",
                "[[not]] a '''link'''",
            ),
            (
                "l''''Odyssée''' d'Homère, L'''Iliade'' est",
                "l'Odyssée d'Homère, L'Iliade est",
            ),
            ("''a'' '''b''' '''''c'''''", "a b c"),
            (
                "-{zh-hans:计算机;zh-hant:電腦}-是-{于}-x-{T|zh:a}-",
                "计算机是于x",
            ),
            (
                "{|\n| '''x'''<br />y || z\n|-\n|style=a|{{IPA}}||bgcolor=\"b\"|{{c}}|| w\n|-\n| colspan=\"5\" {{M}}\n|-\n|\n* one\n** two\n|}",
                "x y, z\nw\none two",
            ),
            (
                "{{langx|de|Guten Tag}}, {{as of|2011}}, {{frac|1|2}}.",
                "Guten Tag, as of 2011, 1/2.",
            ),
            ("A{{quote|Said so.}}B", "A\n\nSaid so.\n\nB"),
            (
                "<syntaxhighlight lang=c>#include <a.h>\n* p = a[[0]];</syntaxhighlight>",
                "#include <a.h>\n* p = a[[0]];",
            ),
            ("[[CSI: NY]] and [[de:Brücke]][[simple:B]]", "CSI: NY and"),
            (
                "The area is <math>x^2</math>; smile ;) f(), g ()",
                "The area is x^2; smile ;) f(), g ()",
            ),
            (
                "<ruby>漢字<rp>(</rp><rt>かんじ</rt><rp>)</rp></ruby>です",
                "漢字(かんじ)です",
            ),
            ("__KEIN_INHALTSVERZEICHNIS__ x __目次非表示__", "x"),
            (
                "{|\n| One || two\n|-\n| three\n\nFour",
                "One || two\n\nthree\n\nFour",
            ),
            ("__NOTOC__A_b__c", "A_b__c"),
            (
                "Bridge ({{audio|x}}; {{b}}, old) and f() ({{x}}), {{y}} new",
                "Bridge (old) and f(), new",
            ),
            (
                "[[Bridge (music)|]] and [[:Category:Bridges]]",
                "Bridge and Category:Bridges",
            ),
        ] {
            assert_eq!(text(wikitext), tidy(wanted), "{wikitext}");
        }
        let page = page(
            "[[Category:Old bridges|*]] [[category:Rivers]]",
            &Names::default(),
        );
        assert_eq!(page.categories, ["Old bridges", "Rivers"]);
    }

    #[test]
    fn what_is_not_closed_is_not_lost() {
        for wikitext in [
            "One {{ two [[ three",
            "One <ref> two three",
            "One <!-- two three",
            "One [[two\n\nthree",
            "One [https://e.example two\nthree",
            "One <ref name=a> two <ref name=b>x</ref> three",
            "{|\n| One\n| two three",
        ] {
            let text = text(wikitext);
            for word in ["One", "two", "three"] {
                assert!(text.contains(word), "{wikitext}: {text}");
            }
        }
        for mark in [
            "{{",
            "[[",
            "[http://a ",
            "{|\n",
            "<ref>",
            "<!--",
            "}}",
            "]]",
            "''",
            "\n|",
            "&",
            "<",
        ] {
            let many = mark.repeat(100_000);
            let _ = text(&many);
            let _ = text(&format!("{many}a{}", "]]}}".repeat(50_000)));
        }
    }
}
