//! How a re-ranker that is a language model has its pairs written: by its own chat template, or by that
//! of its family.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value, filters, tests as checks};
use serde_json::Value as Json;

/// The longest template, in bytes; real ones have up to 16 KB.
const LONGEST: usize = 256 << 10;
/// What a template may use up: about so many steps, and 64 bytes for each of them.
const FUEL: u64 = 100_000;

/// A pair as one text: what stands around its two texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pieces: Vec<Piece>,
    /// Whether blanks around the texts are taken away.
    trimmed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Fixed(String),
    Query,
    Document,
}

impl Written {
    /// The text of a pair.
    pub(super) fn text(&self, query: &str, document: &str) -> String {
        let own = |text| if self.trimmed { str::trim(text) } else { text };
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Fixed(text) => text.as_str(),
            Piece::Query => own(query),
            Piece::Document => own(document),
        });
        pieces.collect()
    }
}

/// What a template is given besides the pair.
pub(super) struct Given<'a> {
    /// What the model is told to judge by; empty where its template says that.
    pub instruction: &'a str,
    /// Whether a text is a list of parts, of which there is one.
    pub structured: bool,
    /// Names and values, such as `add_generation_prompt`.
    pub variables: Vec<(String, Json)>,
}

/// Why a template cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It leaves a text of the pair out, or cannot be written out: it may be one for talks.
    NoPair(String),
    /// It does more with a text than to put it somewhere.
    Changes,
}

impl Unfit {
    pub(super) fn message(&self) -> String {
        match self {
            Self::NoPair(why) => {
                format!("it does not write the messages \"query\" and \"document\" ({why})")
            }
            Self::Changes => {
                "it changes the texts of a pair, which is not supported; it may put them in place and trim them"
                    .to_string()
            }
        }
    }
}

/// Two texts that stand in no template, with blanks around them.
const MARKS: [&str; 2] = [" \n\u{f8f0}Q1 q\u{f8f0} ", " \n\u{f8f1}D2 d\u{f8f1} "];
/// Others, of other lengths.
const OTHERS: [&str; 2] = ["\tAnother q. ", "two\n\nLines, and <b>more</b> of them\n"];

/// What a template makes of every pair, found by what it makes of two: so it is written out a few
/// times while the model is loaded, and not for each pair.
pub(super) fn written(template: &str, given: &Given<'_>) -> Result<Written, Unfit> {
    let no_pair = |why: &str| Unfit::NoPair(why.to_string());
    if template.len() > LONGEST {
        return Err(no_pair("it is too long"));
    }
    let render = |[query, document]: [&str; 2]| {
        render(template, given, query, document).map_err(|e| Unfit::NoPair(reason(&e)))
    };
    let text = render(MARKS)?;
    let marks = MARKS.map(str::trim);
    if let Some(i) = marks.iter().position(|mark| !text.contains(mark)) {
        // Where it makes something else of the other text, it does more than to leave it out.
        let mut other = MARKS;
        other[i] = OTHERS[i];
        return Err(if render(other)? == text {
            no_pair(&format!("it leaves out the {}", ["query", "document"][i]))
        } else {
            Unfit::Changes
        });
    }
    let trimmed = !MARKS.iter().all(|mark| text.contains(mark));
    let marks = if trimmed { marks } else { MARKS };
    let written = Written {
        pieces: pieces(&text, marks),
        trimmed,
    };
    if written.text(OTHERS[0], OTHERS[1]) == render(OTHERS)? {
        Ok(written)
    } else {
        Err(Unfit::Changes)
    }
}

/// A text parted at two marks.
fn pieces(text: &str, [query, document]: [&str; 2]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        let next = [(query, Piece::Query), (document, Piece::Document)];
        let found = next
            .into_iter()
            .filter_map(|(mark, piece)| Some((rest.find(mark)?, mark.len(), piece)));
        let Some((at, length, piece)) = found.min_by_key(|f| f.0) else {
            pieces.push(Piece::Fixed(rest.to_string()));
            return pieces;
        };
        pieces.push(Piece::Fixed(rest[..at].to_string()));
        pieces.push(piece);
        rest = &rest[at + length..];
    }
}

fn reason(e: &Error) -> String {
    match e.kind() {
        ErrorKind::OutOfFuel => "it takes too long".to_string(),
        _ => e.to_string(),
    }
}

/// A pair by a template, as HF transformers and sentence-transformers 6 have it: the instruction is
/// the message of the system, and each text one of its own role.
fn render(template: &str, given: &Given<'_>, query: &str, document: &str) -> Result<String, Error> {
    let content = |text: &str| match given.structured {
        false => Value::from(text),
        true => Value::from(vec![Value::from_pairs([("type", "text"), ("text", text)])]),
    };
    let all = [
        ("system", given.instruction),
        ("query", query),
        ("document", document),
    ];
    let all = all
        .into_iter()
        .filter(|(role, text)| *role != "system" || !text.is_empty());
    let message = |(role, text): (&str, &str)| {
        Value::from_pairs([("role", Value::from(role)), ("content", content(text))])
    };
    let messages: Vec<Value> = all.map(message).collect();
    let none = |name: &str| (name.to_string(), Value::from(()));
    let own = given.variables.iter();
    let names = [none("tools"), none("documents")]
        .into_iter()
        .chain([("add_generation_prompt".to_string(), Value::from(false))])
        .chain(own.map(|(name, value)| (name.clone(), plain(value))))
        .chain([("messages".to_string(), Value::from(messages))]);
    let names = Value::from_pairs(names);
    environment()?.template_from_str(template)?.render(names)
}

/// What templates may use of Jinja, with its own rules for blanks.
fn environment() -> Result<Environment<'static>, Error> {
    let mut env = Environment::empty();
    let mut syntax = SyntaxConfig::builder();
    env.set_syntax(syntax.trim_blocks(true).lstrip_blocks(true).build()?);
    env.set_fuel(Some(FUEL));
    env.add_filter("default", filters::default);
    env.add_filter("first", filters::first);
    env.add_filter("join", filters::join);
    env.add_filter("last", filters::last);
    env.add_filter("length", filters::length);
    env.add_filter("list", filters::list);
    env.add_filter("lower", filters::lower);
    env.add_filter("map", filters::map);
    env.add_filter("rejectattr", filters::rejectattr);
    env.add_filter("replace", filters::replace);
    env.add_filter("selectattr", filters::selectattr);
    env.add_filter("string", filters::string);
    env.add_filter("trim", filters::trim);
    env.add_filter("upper", filters::upper);
    for name in ["eq", "equalto", "=="] {
        env.add_test(name, checks::is_eq);
    }
    for name in ["ne", "!="] {
        env.add_test(name, checks::is_ne);
    }
    env.add_test("in", checks::is_in);
    env.add_test("defined", checks::is_defined);
    env.add_test("undefined", checks::is_undefined);
    env.add_test("none", checks::is_none);
    env.add_test("string", checks::is_string);
    env.add_test("mapping", checks::is_mapping);
    env.add_test("iterable", checks::is_iterable);
    env.add_test("true", checks::is_true);
    env.add_test("false", checks::is_false);
    env.add_function("namespace", minijinja::functions::namespace);
    env.add_function("raise_exception", |message: String| {
        Err::<Value, _>(Error::new(ErrorKind::InvalidOperation, message))
    });
    // Templates are written for Python's texts.
    env.set_unknown_method_callback(|_, value, method, args| {
        match (method, value.as_str(), args) {
            ("strip", Some(text), []) => Ok(Value::from(text.trim())),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    });
    Ok(env)
}

/// A value of a model's settings; lists and objects are none that a template asks for.
fn plain(value: &Json) -> Value {
    match value {
        Json::Bool(yes) => Value::from(*yes),
        Json::String(text) => Value::from(text.as_str()),
        Json::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(n), _) => Value::from(n),
            (None, Some(x)) => Value::from(x),
            (None, None) => Value::from(()),
        },
        Json::Null | Json::Array(_) | Json::Object(_) => Value::from(()),
    }
}

/// Whether texts are lists of parts, by how a template reads them, as sentence-transformers
/// guesses it.
pub(super) fn reads_parts(template: &str) -> bool {
    let signs = [
        "content[0]",
        ".type",
        "'type'",
        "\"type\"",
        "item.type",
        "message.content[",
    ];
    signs.iter().any(|sign| template.contains(sign))
}

/// How Qwen3-Reranker wants its pairs, where its folder does not say it
/// (<https://huggingface.co/Qwen/Qwen3-Reranker-0.6B>).
pub(super) const QWEN3: &str = "<|im_start|>system
Judge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>
<|im_start|>user
<Instruct>: {{ messages | selectattr('role', 'eq', 'system') | map(attribute='content') | first | default('Given a web search query, retrieve relevant passages that answer the query') }}
<Query>: {{ messages | selectattr('role', 'eq', 'query') | map(attribute='content') | first }}
<Document>: {{ messages | selectattr('role', 'eq', 'document') | map(attribute='content') | first }}<|im_end|>
<|im_start|>assistant
<think>

</think>


";

#[cfg(test)]
mod tests {
    use super::*;

    fn given(instruction: &str) -> Given<'_> {
        Given {
            instruction,
            structured: false,
            variables: Vec::new(),
        }
    }

    fn text(template: &str, given: &Given<'_>) -> Result<String, Unfit> {
        Ok(written(template, given)?.text(" a ", "b"))
    }

    #[test]
    fn qwens_own_form() {
        let of = |instruction| text(QWEN3, &given(instruction)).unwrap();
        let usual = of("");
        assert!(
            usual.ends_with(
                "<Document>: b<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
            )
        );
        assert!(usual.contains("<|im_start|>user\n<Instruct>: Given a web search query,"));
        assert!(usual.contains("\n<Query>:  a \n<Document>: b<"));
        assert!(of("Find it").contains("<Instruct>: Find it\n<Query>"));
    }

    #[test]
    fn blanks_conditions_and_loops_are_those_of_jinja() {
        let loops = "{% for m in messages %}\n  {% if m.role == 'query' %}\nQ={{ m.content | trim }};\n  {%- elif m['role'] == \"document\" -%}\n D={{ m.content.strip() }}\n{% endif %}\n{% endfor %}\n{%- if add_generation_prompt %} go{% endif %}\n";
        let mut given = given("");
        assert_eq!(text(loops, &given).unwrap(), "Q=a;D=b\n");
        given.variables = vec![("add_generation_prompt".into(), Json::Bool(true))];
        assert_eq!(text(loops, &given).unwrap(), "Q=a;D=b\n go");
        given.structured = true;
        let parts = "{% set q = (messages | selectattr('role', 'eq', 'query') | first).content[0].text %}{% set d = messages[-1].content[0]['text'] %}{{ bos_token ~ d ~ '|' ~ q }}";
        assert!(reads_parts(parts));
        given.variables = vec![("bos_token".into(), Json::from("<s>"))];
        assert_eq!(text(parts, &given).unwrap(), "<s>b| a ");
    }

    #[test]
    fn what_writes_no_pair_is_told() {
        let why = |template: &str| match text(template, &given("")) {
            Err(Unfit::NoPair(why)) => why,
            other => panic!("{template}: {other:?}"),
        };
        let talk = "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}";
        assert!(why(talk).contains("leaves out the query"));
        assert!(why("{{ messages[0].content }}").contains("leaves out the document"));
        assert!(why("{{ raise_exception('not for pairs') }}").contains("not for pairs"));
        assert!(why("{{ messages | nothing }}").contains("nothing"));
        assert!(why("{% for").contains("syntax"));
        assert!(why(&"x".repeat(LONGEST + 1)).contains("too long"));
        for changed in ["| upper", "| replace('Q', 'q')", "[:2]"] {
            let template =
                format!("{{{{ messages[0].content {changed} }}}}{{{{ messages[1].content }}}}");
            assert_eq!(
                text(&template, &given("")),
                Err(Unfit::Changes),
                "{changed}"
            );
        }
    }

    /// Templates come with models that anybody made.
    #[test]
    fn a_template_made_to_take_all_memory_is_ended() {
        let lines = "{% set a = a ~ a %}".repeat(60);
        for template in [
            format!("{{% set a = 'xxxxxxxx' %}}{lines}{{{{ a }}}}"),
            "{{ 'x' * 10000000000 }}".to_string(),
            "{% set ns = namespace(a='x') %}{% for i in messages %}{% for j in messages %}{% for k in 'aaaaaaaaaaaaaaa' | list %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}{% endfor %}{% endfor %}{{ ns.a }}".to_string(),
            "{% set a = 'xxxxxxxxxxxxxxxx' %}{{ a | replace('x', a) | replace('x', a) | replace('x', a) | replace('x', a) | replace('x', a) | replace('x', a) | replace('x', a) | replace('x', a) | replace('x', a) }}".to_string(),
        ] {
            assert!(matches!(text(&template, &given("")), Err(Unfit::NoPair(_))), "{template}");
        }
    }
}
