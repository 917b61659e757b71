//! Words that stand in dates: months, days of the week, zones, and what says nothing.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Names of the months in English, German, French, Spanish, Italian, Dutch, Portuguese, Danish,
/// Norwegian, Swedish, Russian, Ukrainian, Polish, Czech, Greek and Turkish, and those Croatian ones
/// that mean another month in these. What could be two months is none, as [`month`] sees to.
const MONTHS: [&[&str]; 12] = [
    &[
        "january",
        "januar",
        "jänner",
        "janvier",
        "enero",
        "gennaio",
        "januari",
        "janeiro",
        "январь",
        "января",
        "січень",
        "січня",
        "styczeń",
        "stycznia",
        "leden",
        "ledna",
        "ιανουάριος",
        "ιανουαρίου",
        "ocak",
    ],
    &[
        "february",
        "februar",
        "feber",
        "février",
        "fevrier",
        "febrero",
        "febbraio",
        "februari",
        "fevereiro",
        "февраль",
        "февраля",
        "лютий",
        "лютого",
        "luty",
        "lutego",
        "únor",
        "února",
        "φεβρουάριος",
        "φεβρουαρίου",
        "şubat",
    ],
    &[
        "march",
        "märz",
        "maerz",
        "mars",
        "marzo",
        "maart",
        "mrt",
        "março",
        "marco",
        "marts",
        "март",
        "марта",
        "березень",
        "березня",
        "marzec",
        "marca",
        "březen",
        "března",
        "μάρτιος",
        "μαρτίου",
        "mart",
    ],
    &[
        "april",
        "avril",
        "abril",
        "aprile",
        "апрель",
        "апреля",
        "квітень",
        "квітня",
        "kwiecień",
        "kwietnia",
        "duben",
        "dubna",
        "απρίλιος",
        "απριλίου",
        "nisan",
    ],
    &[
        "may",
        "mai",
        "mayo",
        "maggio",
        "mei",
        "maio",
        "maj",
        "май",
        "мая",
        "травень",
        "травня",
        "maja",
        "květen",
        "května",
        "μάιος",
        "μαΐου",
        "μαϊου",
        "mayıs",
    ],
    &[
        "june",
        "juni",
        "juin",
        "junio",
        "giugno",
        "junho",
        "июнь",
        "июня",
        "червень",
        "червня",
        "czerwiec",
        "czerwca",
        "červen",
        "června",
        "ιούνιος",
        "ιουνίου",
        "haziran",
        "lipanj",
        "lipnja",
    ],
    &[
        "july",
        "juli",
        "juillet",
        "julio",
        "luglio",
        "julho",
        "июль",
        "июля",
        "липень",
        "липня",
        "lipiec",
        "lipca",
        "červenec",
        "července",
        "ιούλιος",
        "ιουλίου",
        "temmuz",
        "srpanj",
        "srpnja",
    ],
    &[
        "august",
        "août",
        "aout",
        "agosto",
        "augustus",
        "август",
        "августа",
        "серпень",
        "серпня",
        "sierpień",
        "sierpnia",
        "srpen",
        "srpna",
        "αύγουστος",
        "αυγούστου",
        "ağustos",
        "augusti",
    ],
    &[
        "september",
        "septembre",
        "septiembre",
        "setiembre",
        "settembre",
        "setembro",
        "сентябрь",
        "сентября",
        "вересень",
        "вересня",
        "wrzesień",
        "września",
        "září",
        "σεπτέμβριος",
        "σεπτεμβρίου",
        "eylül",
    ],
    &[
        "october",
        "oktober",
        "octobre",
        "octubre",
        "ottobre",
        "outubro",
        "октябрь",
        "октября",
        "жовтень",
        "жовтня",
        "październik",
        "października",
        "říjen",
        "října",
        "οκτώβριος",
        "οκτωβρίου",
        "ekim",
        "listopad",
        "listopada",
    ],
    &[
        "november",
        "novembre",
        "noviembre",
        "novembro",
        "ноябрь",
        "ноября",
        "листопад",
        "листопада",
        "listopad",
        "listopada",
        "listopadu",
        "νοέμβριος",
        "νοεμβρίου",
        "kasım",
    ],
    &[
        "december",
        "dezember",
        "décembre",
        "decembre",
        "diciembre",
        "dicembre",
        "dezembro",
        "desember",
        "декабрь",
        "декабря",
        "грудень",
        "грудня",
        "grudzień",
        "grudnia",
        "prosinec",
        "prosince",
        "δεκέμβριος",
        "δεκεμβρίου",
        "aralık",
    ],
];

/// Names of months that count only whole, as their beginnings are those of other months elsewhere: Hungarian,
/// Romanian, Finnish, Indonesian, Arabic and Hebrew.
const WHOLE: [&[&str]; 12] = [
    &[
        "január",
        "ianuarie",
        "tammikuu",
        "tammikuuta",
        "يناير",
        "ינואר",
        "בינואר",
    ],
    &[
        "február",
        "februarie",
        "helmikuu",
        "helmikuuta",
        "فبراير",
        "פברואר",
        "בפברואר",
    ],
    &[
        "március",
        "martie",
        "maaliskuu",
        "maaliskuuta",
        "maret",
        "مارس",
        "מרץ",
        "מרס",
        "במרץ",
        "במרס",
    ],
    &[
        "április",
        "aprilie",
        "huhtikuu",
        "huhtikuuta",
        "أبريل",
        "ابريل",
        "אפריל",
        "באפריל",
    ],
    &["május", "toukokuu", "toukokuuta", "مايو", "מאי", "במאי"],
    &[
        "június",
        "iunie",
        "kesäkuu",
        "kesäkuuta",
        "يونيو",
        "יוני",
        "ביוני",
    ],
    &[
        "július",
        "iulie",
        "heinäkuu",
        "heinäkuuta",
        "يوليو",
        "יולי",
        "ביולי",
    ],
    &[
        "augusztus",
        "elokuu",
        "elokuuta",
        "agustus",
        "أغسطس",
        "اغسطس",
        "אוגוסט",
        "באוגוסט",
    ],
    &[
        "szeptember",
        "septembrie",
        "syyskuu",
        "syyskuuta",
        "سبتمبر",
        "ספטמבר",
        "בספטמבר",
    ],
    &[
        "október",
        "octombrie",
        "lokakuu",
        "lokakuuta",
        "أكتوبر",
        "اكتوبر",
        "אוקטובר",
        "באוקטובר",
    ],
    &[
        "noiembrie",
        "marraskuu",
        "marraskuuta",
        "نوفمبر",
        "נובמבר",
        "בנובמבר",
    ],
    &[
        "decembrie",
        "joulukuu",
        "joulukuuta",
        "desember",
        "ديسمبر",
        "דצמבר",
        "בדצמבר",
    ],
];

/// Beginnings of names of fewer letters name nothing.
const SHORTEST: usize = 3;

/// The months that have a name, and those that have one which begins so, as bits: names are many, and a
/// table with a column of dates asks for each of its rows.
struct Months {
    named: HashMap<&'static str, u16>,
    begun: HashMap<&'static str, u16>,
    whole: HashMap<&'static str, u32>,
}

static NAMES: LazyLock<Months> = LazyLock::new(|| {
    let mut months = Months {
        named: HashMap::new(),
        begun: HashMap::new(),
        whole: HashMap::new(),
    };
    for (bit, names) in MONTHS.iter().enumerate() {
        for name in *names {
            *months.named.entry(name).or_default() |= 1 << bit;
            let ends = name.char_indices().map(|(at, c)| at + c.len_utf8());
            for end in ends.skip(SHORTEST - 1) {
                *months.begun.entry(&name[..end]).or_default() |= 1 << bit;
            }
        }
    }
    // One that two months have here is the first's.
    for (month, names) in (1..).zip(&WHOLE) {
        for name in *names {
            months.whole.entry(name).or_insert(month);
        }
    }
    months
});

/// The month, from 1, that a word names, whole or by its beginning; `None` where two could be
/// meant (`jui`).
pub(super) fn month(word: &str) -> Option<u32> {
    if word.chars().count() < SHORTEST {
        return None;
    }
    let names = &*NAMES;
    // června is June, červenec July.
    let months = names.named.get(word).or_else(|| names.begun.get(word));
    match months {
        Some(bits) if bits.is_power_of_two() => Some(bits.trailing_zeros() + 1),
        _ => names.whole.get(word).copied(),
    }
}

/// Minutes east of Greenwich of a zone's name: those of RFC 2822, and others that stand for one
/// place only (IST is India, Israel and Ireland).
pub(super) fn zone(word: &str) -> Option<i64> {
    Some(match word {
        "z" | "utc" | "gmt" | "ut" | "wet" => 0,
        "bst" | "cet" | "met" | "mez" | "west" => 60,
        "cest" | "mest" | "mesz" | "eet" | "sast" => 120,
        "eest" | "msk" => 180,
        "hkt" | "sgt" | "awst" => 480,
        "jst" | "kst" => 540,
        "acst" => 570,
        "aest" => 600,
        "acdt" => 630,
        "aedt" => 660,
        "nzst" => 720,
        "nzdt" => 780,
        "edt" => -240,
        "est" | "cdt" => -300,
        "cst" | "mdt" => -360,
        "mst" | "pdt" => -420,
        "pst" | "akdt" => -480,
        "akst" => -540,
        "hst" => -600,
        _ => return None,
    })
}

/// What follows the number of a day: 3rd, 1er.
pub(super) fn is_ordinal(word: &str) -> bool {
    matches!(word, "st" | "nd" | "rd" | "th" | "er" | "º" | "ª" | "o")
}

/// Whether a word is short for a day of the week and for a month: Tuesday in French, Spanish and Italian, and March.
pub(super) fn is_weekday_like_month(word: &str) -> bool {
    word == "mar"
}

/// Days of the week, and words between the parts of a date.
pub(super) fn is_passed_over(word: &str) -> bool {
    const WORDS: &[&str] = &[
        "at", "on", "the", "of", "um", "uhr", "am", "den", "der", "de", "del", "le", "il", "el",
        "à", "kl", "alle", "ore", "om", "op", "às", "t", "г", "года", "в", "р", "року", "о", "об",
        "r", "roku", "v", "ve", "dne", "hod", "στις", "την", "saat",
    ];
    const ENGLISH: [&str; 7] = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    const DAYS: &[&str] = &[
        "mo",
        "di",
        "mi",
        "do",
        "fr",
        "sa",
        "so",
        "montag",
        "dienstag",
        "mittwoch",
        "donnerstag",
        "freitag",
        "samstag",
        "sonnabend",
        "sonntag",
        "lundi",
        "mardi",
        "mercredi",
        "jeudi",
        "vendredi",
        "samedi",
        "dimanche",
        "lunes",
        "martes",
        "miércoles",
        "jueves",
        "viernes",
        "sábado",
        "domingo",
        "lunedì",
        "martedì",
        "mercoledì",
        "giovedì",
        "venerdì",
        "sabato",
        "domenica",
        "maandag",
        "dinsdag",
        "woensdag",
        "donderdag",
        "vrijdag",
        "zaterdag",
        "zondag",
        "понедельник",
        "вторник",
        "среда",
        "четверг",
        "пятница",
        "суббота",
        "воскресенье",
        "понеділок",
        "вівторок",
        "середа",
        "четвер",
        "субота",
        "неділя",
        "poniedziałek",
        "wtorek",
        "środa",
        "czwartek",
        "piątek",
        "sobota",
        "niedziela",
        "pondělí",
        "úterý",
        "středa",
        "čtvrtek",
        "pátek",
        "neděle",
        "δευτέρα",
        "τρίτη",
        "τετάρτη",
        "πέμπτη",
        "παρασκευή",
        "σάββατο",
        "κυριακή",
        "pazartesi",
        "salı",
        "çarşamba",
        "perşembe",
        "cuma",
        "cumartesi",
        "pazar",
    ];
    // As feeds and mails shorten them.
    const SHORT: &[&str] = &[
        "lun", "mar", "mer", "mié", "mie", "jeu", "jue", "gio", "ven", "vie", "sam", "sáb", "sab",
        "dim", "dom", "seg", "ter", "qua", "qui", "sex", "ma", "wo", "vr", "za", "zo", "die",
        "mit", "don", "fre", "son", "mån", "tis", "ons", "tor", "lör", "sön", "man", "tir", "lør",
        "søn", "pon", "wt", "śr", "czw", "pt", "sob", "niedz", "ndz", "po", "út", "st", "čt", "pá",
        "so", "ne", "пн", "вт", "ср", "чт", "пт", "сб", "вс", "нд", "pzt", "sal", "çar", "per",
        "cum", "cmt", "paz", "segunda", "terça", "quarta", "quinta", "sexta", "feira",
    ];
    static ALL: LazyLock<HashSet<&str>> = LazyLock::new(|| {
        let begun = ENGLISH
            .iter()
            .flat_map(|day| (SHORTEST..=day.len()).map(|end| &day[..end]));
        let others = [WORDS, DAYS, SHORT].into_iter().flatten().copied();
        begun.chain(others).collect()
    });
    ALL.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_names_a_month_as_the_lists_say() {
        let plain = |word: &str| {
            let only = |is: &dyn Fn(&str) -> bool| {
                let named = |names: &&[&str]| names.iter().any(|name| is(name));
                let mut found = (1..).zip(&MONTHS).filter(|(_, names)| named(names));
                let (month, _) = found.next()?;
                Some(found.next().is_none().then_some(month))
            };
            let whole = || (1..).zip(&WHOLE).find(|(_, names)| names.contains(&word));
            only(&|name| name == word)
                .or_else(|| only(&|name| name.starts_with(word)))
                .flatten()
                .or_else(|| whole().map(|(month, _)| month))
        };
        let names = MONTHS.iter().chain(&WHOLE).flat_map(|names| names.iter());
        for name in names {
            let ends = name.char_indices().map(|(at, c)| at + c.len_utf8());
            for (number, end) in ends.enumerate() {
                let word = &name[..end];
                let expected = (number + 1 >= SHORTEST).then(|| plain(word)).flatten();
                assert_eq!(month(word), expected, "{word}");
            }
            assert_eq!(month(&format!("{name}x")), plain(&format!("{name}x")));
        }
        assert_eq!(
            ["jui", "jun", "mar", "listopad", "tue"].map(month),
            [None, Some(6), Some(3), None, None]
        );
    }

    #[test]
    fn days_and_small_words_are_passed_over() {
        for word in ["mon", "tues", "wednesday", "um", "seg", "samedi", "нд"] {
            assert!(is_passed_over(word), "{word}");
        }
        for word in ["mo2", "tu", "sund1", "bank", ""] {
            assert!(!is_passed_over(word), "{word}");
        }
    }
}
