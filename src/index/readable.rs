//! Whether a model can read a text.
//!
//! A text in a script that is not in a model's vocabulary is one unknown token after another, and
//! all such texts have nearly the same vector. They are told by their unknown tokens, and by their
//! script where the languages of the model are known. A language that is written in the model's
//! script and that it was not trained on is read after a fashion; it is only counted.

use crate::encoder::Encoder;
use crate::job::{Job, NoteKind};
use crate::model::{MULTILINGUAL, known_models};
use whatlang::Lang;

/// The share of tokens unknown to the model from which it cannot read a text. One in a hundred is
/// much in a language that it knows; of one in another script nearly all are.
const UNREAD: f32 = 0.5;
/// Characters of a text that its language is told by, and the fewest by which it can be told.
const SAMPLE: usize = 400;
const LEAST: usize = 100;

/// How well a model reads a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    Well,
    /// It was not trained on the text's language.
    Foreign(Lang),
    /// Its vector says nothing: the model does not know its tokens, or not its script.
    Not,
}

/// Judges texts by the languages of a model; none where they are not known.
#[derive(Debug)]
pub(super) struct Judge {
    languages: Vec<Lang>,
}

/// How many texts a model read, and how.
pub(super) struct Readable {
    model: String,
    texts: u64,
    unread: u64,
    /// The sum of their shares of unknown tokens.
    unknown: f64,
    foreign: Vec<(Lang, u64)>,
}

impl Judge {
    /// One for an encoder's model.
    pub(super) fn new(encoder: &Encoder) -> Self {
        let model = &encoder.identity().model;
        let known = known_models().iter().find(|known| known.id == *model);
        let languages = known.map_or(&[][..], |known| &known.languages);
        Self {
            languages: languages.iter().filter_map(Lang::from_code).collect(),
        }
    }

    /// How well the model reads a text of which it does not know this share of the tokens.
    pub(super) fn judge(&self, text: &str, unknown: f32) -> Reads {
        if unknown >= UNREAD {
            return Reads::Not;
        }
        let end = text
            .char_indices()
            .nth(SAMPLE)
            .map_or(text.len(), |(i, _)| i);
        let text = &text[..end];
        if self.languages.is_empty() {
            return Reads::Well;
        }
        let script = whatlang::detect_script(text);
        if script.is_some_and(|s| !s.langs().iter().any(|l| self.languages.contains(l))) {
            return Reads::Not;
        }
        match whatlang::detect(text) {
            Some(info)
                if info.is_reliable()
                    && !self.languages.contains(&info.lang())
                    && text.chars().nth(LEAST).is_some() =>
            {
                Reads::Foreign(info.lang())
            }
            _ => Reads::Well,
        }
    }
}

impl Readable {
    /// One that has counted nothing of what this model reads.
    pub(super) fn new(model: &str) -> Self {
        Self {
            model: model.to_string(),
            texts: 0,
            unread: 0,
            unknown: 0.0,
            foreign: Vec::new(),
        }
    }

    /// Counts a text.
    pub(super) fn count(&mut self, reads: Reads, unknown: f32) {
        self.texts += 1;
        match reads {
            Reads::Well => {}
            Reads::Not => {
                self.unread += 1;
                self.unknown += f64::from(unknown);
            }
            Reads::Foreign(lang) => match self.foreign.iter_mut().find(|f| f.0 == lang) {
                Some(foreign) => foreign.1 += 1,
                None => self.foreign.push((lang, 1)),
            },
        }
    }

    /// Says what was counted, where there is something to say; and which model suits the texts
    /// better, where this one does not suit most of them.
    pub(super) fn tell(mut self, job: &Job) {
        let (model, texts) = (&self.model, self.texts);
        let verb = |n: u64| if n == 1 { "is" } else { "are" };
        let whose = |n: u64| if n == 1 { "its" } else { "their" };
        if self.unread > 0 {
            let n = self.unread;
            let share = self.unknown / n as f64;
            // A script that is read letter by letter has tokens enough, and no words.
            let why = if share >= f64::from(UNREAD) {
                format!(
                    "which does not know {:.0} % of {} tokens",
                    100.0 * share,
                    whose(n)
                )
            } else {
                format!("which was trained on no language of {} script", whose(n))
            };
            let kept = if n == 1 { "it is" } else { "they are" };
            job.note(
                NoteKind::Language,
                format!(
                    "{n} of {texts} articles cannot be read by the model {model}, {why}; {kept} kept out of \
                     neighbours and of duplicates by meaning"
                ),
            );
        }
        let foreign: u64 = self.foreign.iter().map(|f| f.1).sum();
        if foreign > 0 {
            self.foreign.sort_by_key(|f| std::cmp::Reverse(f.1));
            let named = self.foreign.iter().take(3);
            let named: Vec<&str> = named.map(|f| f.0.eng_name()).collect();
            job.note(
                NoteKind::Language,
                format!(
                    "{foreign} of {texts} articles {} in a language that the model {model} was not trained \
                     on ({}), and {} compared less well than others",
                    verb(foreign),
                    named.join(", "),
                    verb(foreign),
                ),
            );
        }
        if let Some(line) = self.better(foreign) {
            job.note(NoteKind::Language, line);
        }
    }

    /// The model that suits most of the texts, where this one does not.
    fn better(&self, foreign: u64) -> Option<String> {
        if self.unread + foreign == 0 || 2 * (self.unread + foreign) < self.texts {
            return None;
        }
        let better = known_models().iter().find(|m| m.id == MULTILINGUAL)?;
        (better.id != self.model).then(|| {
            format!(
                "the multilingual model {} suits these articles better ({}, vectors of {}, {} M weights); \
                 a corpus keeps the model that it was made with",
                better.id, better.about, better.dim, better.parameters
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_languages_that_a_model_does_not_know() {
        let english = Judge {
            languages: vec![Lang::Eng],
        };
        assert_eq!(
            english.judge("The bridge reopens in May.", 0.0),
            Reads::Well
        );
        assert_eq!(english.judge("Мост откроют в мае", 0.1), Reads::Not);
        assert_eq!(english.judge("The bridge", 0.9), Reads::Not);
        assert_eq!(english.judge("🚀 2025", 0.1), Reads::Well);
        let german = "Die Regierung hat am Abend beschlossen, dass die Steuer nicht erhöht wird, und das \
                      Parlament wird in der kommenden Woche darüber abstimmen.";
        assert_eq!(english.judge(german, 0.0), Reads::Foreign(Lang::Deu));
        let any = Judge {
            languages: Vec::new(),
        };
        assert_eq!(any.judge(german, 0.0), Reads::Well);
        assert_eq!(any.judge("Мост откроют в мае", 0.1), Reads::Well);
    }

    #[test]
    fn what_is_said_is_the_reason_and_counts_right() {
        use crate::job::Event;
        use std::sync::{Arc, Mutex};
        let said = |reads: &[(Reads, f32)]| {
            let mut readable = Readable::new("m");
            for (reads, unknown) in reads {
                readable.count(*reads, *unknown);
            }
            let heard = Arc::new(Mutex::new(String::new()));
            let lines = heard.clone();
            let job = Job::new().on_event(move |event| {
                if let Event::Note { text, .. } = event {
                    lines.lock().unwrap().push_str(text);
                }
            });
            readable.tell(&job);
            heard.lock().unwrap().clone()
        };
        let well = (Reads::Well, 0.0);
        let line = said(&[(Reads::Not, 0.9), well, well]);
        assert!(line.contains("does not know 90 % of its tokens"), "{line}");
        // Letters of another script may all be in the vocabulary.
        let line = said(&[(Reads::Not, 0.04), (Reads::Not, 0.0), well, well, well]);
        assert!(
            line.contains("trained on no language of their script"),
            "{line}"
        );
        assert!(!line.contains('%'), "{line}");
        let line = said(&[(Reads::Foreign(Lang::Deu), 0.0), well, well]);
        assert!(line.contains("1 of 3 articles is in a language"), "{line}");
        assert!(line.contains("and is compared less well"), "{line}");
    }

    #[test]
    fn another_model_is_named_where_this_one_does_not_suit_most_texts() {
        let of = |model: &str, foreign: u64, unread: u64| {
            let mut readable = Readable::new(model);
            for n in 0..10 {
                let reads = if n < foreign {
                    Reads::Foreign(Lang::Deu)
                } else if n < foreign + unread {
                    Reads::Not
                } else {
                    Reads::Well
                };
                readable.count(reads, 0.0);
            }
            readable.better(foreign)
        };
        assert_eq!(of("m", 0, 0), None);
        assert_eq!(of("m", 2, 2), None);
        for line in [of("m", 3, 2), of("m", 10, 0), of("m", 0, 9)] {
            assert!(line.is_some_and(|line| line.contains(MULTILINGUAL)));
        }
        assert_eq!(of(MULTILINGUAL, 10, 0), None);
    }
}
