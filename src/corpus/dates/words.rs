//! Words that stand in dates: months, days of the week, zones, and what says nothing.

/// Names of the months in English, German, French, Spanish, Italian, Dutch, Portuguese, Danish
/// and Norwegian; no beginning of three letters or more that is a name of one month in one of
/// them is of another month elsewhere, but where [`month`] says so.
const MONTHS: [&[&str]; 12] = [
    &[
        "january", "januar", "jänner", "janvier", "enero", "gennaio", "januari", "janeiro",
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
    ],
    &[
        "march", "märz", "maerz", "mars", "marzo", "maart", "mrt", "março", "marco", "marts",
    ],
    &["april", "avril", "abril", "aprile"],
    &["may", "mai", "mayo", "maggio", "mei", "maio", "maj"],
    &["june", "juni", "juin", "junio", "giugno", "junho"],
    &["july", "juli", "juillet", "julio", "luglio", "julho"],
    &["august", "août", "aout", "agosto", "augustus"],
    &[
        "september",
        "septembre",
        "septiembre",
        "setiembre",
        "settembre",
        "setembro",
    ],
    &[
        "october", "oktober", "octobre", "octubre", "ottobre", "outubro",
    ],
    &["november", "novembre", "noviembre", "novembro"],
    &[
        "december",
        "dezember",
        "décembre",
        "decembre",
        "diciembre",
        "dicembre",
        "dezembro",
        "desember",
    ],
];

/// The month, from 1, that a word names, whole or by its beginning; `None` where two could be
/// meant (`jui`).
pub(super) fn month(word: &str) -> Option<u32> {
    if word.chars().count() < 3 {
        return None;
    }
    let named = |month: &&[&str]| month.iter().any(|name| name.starts_with(word));
    let mut found = (1..).zip(&MONTHS).filter(|(_, names)| named(names));
    let (month, _) = found.next()?;
    found.next().is_none().then_some(month)
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

/// Days of the week, and words between the parts of a date.
pub(super) fn is_passed_over(word: &str) -> bool {
    const WORDS: &[&str] = &[
        "at", "on", "the", "of", "um", "uhr", "am", "den", "der", "de", "del", "le", "il", "el",
        "à", "kl", "alle", "ore", "om", "op", "às", "t",
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
    ];
    let english = word.len() >= 3 && ENGLISH.iter().any(|day| day.starts_with(word));
    english || WORDS.contains(&word) || DAYS.contains(&word)
}
