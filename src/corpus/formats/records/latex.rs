//! Text from the LaTeX that entries of BibTeX are written in: accents, symbols and what marks a stretch of text.

use icu_normalizer::ComposingNormalizerBorrowed;

/// Characters of a letter's mark, by the command that sets it.
fn mark(command: &str) -> Option<char> {
    Some(match command {
        "'" => '\u{301}',
        "`" => '\u{300}',
        "^" => '\u{302}',
        "\"" => '\u{308}',
        "~" => '\u{303}',
        "=" => '\u{304}',
        "." => '\u{307}',
        "c" => '\u{327}',
        "v" => '\u{30c}',
        "u" => '\u{306}',
        "H" => '\u{30b}',
        "k" => '\u{328}',
        "r" => '\u{30a}',
        "b" => '\u{331}',
        "d" => '\u{323}',
        "h" => '\u{309}',
        _ => return None,
    })
}

/// Marks on one letter, at most.
const MARKS: usize = 3;

/// Commands that stand for a character, sorted.
const SYMBOLS: &[(&str, &str)] = &[
    ("AA", "Å"),
    ("AE", "Æ"),
    ("DH", "Ð"),
    ("DJ", "Đ"),
    ("Delta", "Δ"),
    ("Gamma", "Γ"),
    ("L", "Ł"),
    ("Lambda", "Λ"),
    ("NG", "Ŋ"),
    ("O", "Ø"),
    ("OE", "Œ"),
    ("Omega", "Ω"),
    ("P", "¶"),
    ("Phi", "Φ"),
    ("Pi", "Π"),
    ("Psi", "Ψ"),
    ("Rightarrow", "⇒"),
    ("S", "§"),
    ("SS", "ẞ"),
    ("Sigma", "Σ"),
    ("TH", "Þ"),
    ("Theta", "Θ"),
    ("Xi", "Ξ"),
    ("aa", "å"),
    ("ae", "æ"),
    ("alpha", "α"),
    ("approx", "≈"),
    ("ast", "*"),
    ("backslash", "\\"),
    ("beta", "β"),
    ("cap", "∩"),
    ("cdot", "·"),
    ("cdots", "⋯"),
    ("chi", "χ"),
    ("circ", "°"),
    ("copyright", "©"),
    ("cup", "∪"),
    ("dag", "†"),
    ("degree", "°"),
    ("delta", "δ"),
    ("dh", "ð"),
    ("dj", "đ"),
    ("dots", "…"),
    ("ell", "ℓ"),
    ("emptyset", "∅"),
    ("epsilon", "ε"),
    ("equiv", "≡"),
    ("eta", "η"),
    ("euro", "€"),
    ("exists", "∃"),
    ("forall", "∀"),
    ("gamma", "γ"),
    ("ge", "≥"),
    ("geq", "≥"),
    ("geqslant", "≥"),
    ("gg", "≫"),
    ("gtrsim", "≳"),
    ("guillemotleft", "«"),
    ("guillemotright", "»"),
    ("hbar", "ħ"),
    ("i", "ı"),
    ("in", "∈"),
    ("infty", "∞"),
    ("int", "∫"),
    ("iota", "ι"),
    ("j", "ȷ"),
    ("kappa", "κ"),
    ("l", "ł"),
    ("lambda", "λ"),
    ("land", "∧"),
    ("langle", "⟨"),
    ("lbrace", "{"),
    ("ldots", "…"),
    ("le", "≤"),
    ("leftarrow", "←"),
    ("leq", "≤"),
    ("leqslant", "≤"),
    ("lesssim", "≲"),
    ("ll", "≪"),
    ("lor", "∨"),
    ("lq", "‘"),
    ("mid", "|"),
    ("mu", "μ"),
    ("nabla", "∇"),
    ("ne", "≠"),
    ("neg", "¬"),
    ("neq", "≠"),
    ("ng", "ŋ"),
    ("notin", "∉"),
    ("nu", "ν"),
    ("o", "ø"),
    ("oe", "œ"),
    ("omega", "ω"),
    ("oplus", "⊕"),
    ("otimes", "⊗"),
    ("partial", "∂"),
    ("phi", "φ"),
    ("pi", "π"),
    ("pm", "±"),
    ("pounds", "£"),
    ("prime", "′"),
    ("prod", "∏"),
    ("propto", "∝"),
    ("psi", "ψ"),
    ("rangle", "⟩"),
    ("rbrace", "}"),
    ("rho", "ρ"),
    ("rightarrow", "→"),
    ("rq", "’"),
    ("sigma", "σ"),
    ("sim", "∼"),
    ("simeq", "≃"),
    ("slash", "/"),
    ("sqrt", "√"),
    ("ss", "ß"),
    ("star", "⋆"),
    ("subset", "⊂"),
    ("subseteq", "⊆"),
    ("sum", "∑"),
    ("supset", "⊃"),
    ("tau", "τ"),
    ("textasciicircum", "^"),
    ("textasciitilde", "~"),
    ("textbackslash", "\\"),
    ("textbar", "|"),
    ("textcelsius", "℃"),
    ("textcopyright", "©"),
    ("textdegree", "°"),
    ("textdollar", "$"),
    ("textellipsis", "…"),
    ("textemdash", "—"),
    ("textendash", "–"),
    ("texteuro", "€"),
    ("textexclamdown", "¡"),
    ("textgreater", ">"),
    ("textless", "<"),
    ("textmu", "µ"),
    ("textperiodcentered", "·"),
    ("textpm", "±"),
    ("textquestiondown", "¿"),
    ("textquotedbl", "\""),
    ("textquotedblleft", "“"),
    ("textquotedblright", "”"),
    ("textquoteleft", "‘"),
    ("textquoteright", "’"),
    ("textquotesingle", "'"),
    ("textregistered", "®"),
    ("textsection", "§"),
    ("texttimes", "×"),
    ("texttrademark", "™"),
    ("textunderscore", "_"),
    ("th", "þ"),
    ("theta", "θ"),
    ("times", "×"),
    ("to", "→"),
    ("upsilon", "υ"),
    ("varepsilon", "ε"),
    ("varphi", "φ"),
    ("xi", "ξ"),
    ("zeta", "ζ"),
];

/// Commands whose first argument is no text.
const SILENT: [&str; 12] = [
    "begin",
    "color",
    "end",
    "footnote",
    "hspace",
    "href",
    "label",
    "ref",
    "textcolor",
    "thanks",
    "vspace",
    "vskip",
];

/// Commands, beside those with arguments, that look of what follows.
const LOOKS: [&str; 26] = [
    "Big",
    "Bigg",
    "bf",
    "big",
    "bigg",
    "bfseries",
    "displaystyle",
    "em",
    "it",
    "itshape",
    "large",
    "left",
    "limits",
    "mathrm",
    "noopsort",
    "normalfont",
    "protect",
    "relax",
    "right",
    "rm",
    "sc",
    "scshape",
    "sf",
    "sl",
    "small",
    "tt",
];

/// The text that a value says. Blank lines part paragraphs.
pub(super) fn text(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    // Marks that the next letter gets, and whether a formula is open.
    let mut marked: Vec<char> = Vec::new();
    let mut formula = false;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                rest = command(after, &mut out, &mut marked);
                continue;
            }
            '{' | '}' => {}
            '$' if formula => formula = false,
            '$' if opens_formula(after) => formula = true,
            '_' | '^' if formula => {}
            '~' => out.push(' '),
            '`' | '\'' if after.starts_with(c) => {
                out.push(if c == '`' { '“' } else { '”' });
                rest = &after[1..];
                continue;
            }
            '`' => out.push('‘'),
            '-' if rest.starts_with("---") => {
                out.push('—');
                rest = &rest[3..];
                continue;
            }
            '-' if rest.starts_with("--") => {
                out.push('–');
                rest = &rest[2..];
                continue;
            }
            c if c.is_whitespace() => {
                let end = rest
                    .find(|c: char| !c.is_whitespace())
                    .unwrap_or(rest.len());
                let lines = rest[..end].matches('\n').count();
                out.push_str(if lines > 1 { "\n\n" } else { " " });
                rest = &rest[end..];
                marked.clear();
                continue;
            }
            c => {
                out.push(c);
                // The inner one first.
                out.extend(marked.drain(..).rev());
            }
        }
        rest = after;
    }
    let composed = ComposingNormalizerBorrowed::new_nfc().normalize(&out);
    let mut paragraphs: Vec<String> = Vec::new();
    for paragraph in composed.split("\n\n") {
        let words: Vec<&str> = paragraph.split_whitespace().collect();
        if !words.is_empty() {
            paragraphs.push(words.join(" "));
        }
    }
    paragraphs.join("\n\n")
}

/// Writes what a command stands for, whose name a text begins with; returns what follows.
fn command<'t>(source: &'t str, out: &mut String, marked: &mut Vec<char>) -> &'t str {
    let letters = source.bytes().take_while(u8::is_ascii_alphabetic).count();
    let Some(first) = source.chars().next() else {
        return source;
    };
    if letters == 0 {
        let after = &source[first.len_utf8()..];
        if let Some(sign) = mark(&source[..first.len_utf8()]) {
            // On nothing, it is the character itself.
            if let Some(after) = after.strip_prefix("{}") {
                out.push(first);
                return after;
            }
            if marked.len() < MARKS {
                marked.push(sign);
            }
            return after;
        }
        match first {
            '\\' if after.starts_with(['[', '*']) => {
                out.push(' ');
                return without_option(after.trim_start_matches('*'));
            }
            ',' | ';' | ':' | ' ' | '\\' | '\n' => out.push(' '),
            '-' | '/' | '!' | '(' | ')' | '[' | ']' | '@' => {}
            c => out.push(c),
        }
        return after;
    }
    let (name, behind) = source.split_at(letters);
    // Blanks end a command, and are not seen.
    let after = behind.trim_start();
    if let Ok(at) = SYMBOLS.binary_search_by_key(&name, |(name, _)| name) {
        let symbol = SYMBOLS[at].1;
        let apart = out.ends_with(' ');
        // A mark stands on the letter and not on its dot.
        out.push_str(match symbol {
            "ı" if !marked.is_empty() => "i",
            "ȷ" if !marked.is_empty() => "j",
            symbol => symbol,
        });
        out.extend(marked.drain(..).rev());
        // Signs stand apart as they are written, and letters with what follows.
        if symbol.starts_with(char::is_alphabetic) || !apart {
            return after.strip_prefix("{}").unwrap_or(after);
        }
        return behind;
    }
    // A mark of one letter needs what it stands on.
    if let Some(sign) = mark(name) {
        if marked.len() < MARKS {
            marked.push(sign);
        }
        return after;
    }
    if SILENT.contains(&name) || name.contains("cite") {
        let mut after = after.trim_start_matches('*');
        while after.starts_with('[') {
            let rest = without_option(after);
            if rest.len() == after.len() {
                break;
            }
            after = rest;
        }
        let end = after.starts_with('{').then(|| end_of_braces(after));
        return end.map_or(after, |end| &after[end..]);
    }
    if name.ends_with("frac")
        && let Some((over, under, after)) = fraction(after)
    {
        for (part, between) in [(over, "/"), (under, "")] {
            let whole = part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
            let part = text(part);
            out.push_str(&if whole { part } else { format!("({part})") });
            out.push_str(between);
        }
        return after;
    }
    match name {
        "item" => {
            out.push(' ');
            return without_option(after);
        }
        "par" => out.push_str("\n\n"),
        "newline" | "quad" | "qquad" | "linebreak" => out.push(' '),
        _ if after.starts_with("{}") => out.push_str(name),
        _ if after.starts_with(['{', '[']) || LOOKS.contains(&name) => {}
        // An unknown word is likelier a name, such as LaTeX, than nothing.
        _ => {
            out.push_str(name);
            return behind;
        }
    }
    after
}

/// The two parts of a fraction, which have no braces in them, and what follows.
fn fraction(source: &str) -> Option<(&str, &str, &str)> {
    let part = |source: &'_ str| -> Option<usize> {
        let end = source.strip_prefix('{')?.find(['{', '}'])? + 1;
        source[end..].starts_with('}').then_some(end)
    };
    let end = part(source)?;
    let rest = source[end + 1..].trim_start();
    let next = part(rest)?;
    Some((&source[1..end], &rest[1..next], &rest[next + 1..]))
}

/// What follows an option in square brackets, if there is one.
fn without_option(source: &str) -> &str {
    /// In bytes.
    const LONGEST: usize = 200;
    let Some(inner) = source.strip_prefix('[') else {
        return source;
    };
    let bytes = inner.as_bytes();
    let end = memchr::memchr(b']', &bytes[..bytes.len().min(LONGEST)]);
    end.map_or(source, |end| &inner[end + 1..])
}

/// Where the braces end that a text begins with.
fn end_of_braces(source: &str) -> usize {
    let mut depth = 0usize;
    for (at, byte) in source.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    source.len()
}

/// Whether a formula begins behind a dollar sign, and not a price: it ends, without a blank at either end, and is no
/// number that another follows.
fn opens_formula(after: &str) -> bool {
    /// The longest one, in bytes.
    const LONGEST: usize = 400;
    let bytes = after.as_bytes();
    let end = memchr::memchr(b'$', &bytes[..bytes.len().min(LONGEST)]);
    end.is_some_and(|end| {
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let blank = |at: usize| bytes[at].is_ascii_whitespace();
        end > 0 && !blank(0) && !blank(end - 1) && (!digit(0) || !digit(end + 1))
    })
}

/// An address or a DOI: only what is escaped or around it goes.
pub(super) fn address(source: &str) -> String {
    let plain = source
        .replace("\\textasciitilde", "~")
        .replace("$\\sim$", "~")
        .replace("\\textunderscore", "_")
        .replace("\\protect", "");
    let mut source = plain.trim();
    for command in ["\\url", "\\href", "\\path"] {
        if let Some((_, behind)) = source.split_once(command)
            && behind.trim_start().starts_with('{')
        {
            let behind = behind.trim_start();
            source = &behind[..end_of_braces(behind)];
        }
    }
    let mut out = String::with_capacity(source.len());
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' => {}
            '\\' if chars.peek().is_some_and(|next| "_%&#$~{}".contains(*next)) => {
                out.extend(chars.next());
            }
            c => out.push(c),
        }
    }
    // It is one word, behind what is said of it.
    let mut words = out.split_whitespace();
    let led = words.clone().find(|word| word.contains("://"));
    let word = led.or_else(|| words.next()).unwrap_or("");
    word.trim_matches(['<', '>']).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_what_they_stand_for() {
        assert!(SYMBOLS.is_sorted_by_key(|(name, _)| name));
        for (source, wanted) in [
            (
                r#"Z{\"u}rich, Garc{\'\i}a, na\"{\i}ve, \'{E}cole, \v{S}koda, \c{c}a, Erd{\H o}s, \O{}re, \o re, Stra{\ss}e"#,
                "Zürich, García, naïve, École, Škoda, ça, Erdős, Øre, øre, Straße",
            ),
            (
                r"\textit{E. coli} and {\em Canis} in {\it vivo}",
                "E. coli and Canis in vivo",
            ),
            (
                r"CO\textsubscript{2}, CO$_2$, m$^{2}$, 5\textdegree C, {\texteuro}5, $\mu$m",
                "CO2, CO2, m2, 5°C, €5, μm",
            ),
            (
                r"$\alpha$-helix $\sim$5 $\mathcal{O}(n)$ \(\beta\)",
                "α-helix ∼5 O(n) β",
            ),
            (
                r"It costs $5 a day, $5 and $6, \$7",
                "It costs $5 a day, $5 and $6, $7",
            ),
            (
                r"``quoted'' it's 1--2 --- 50\% A\&B a~b i.e.\ x\\ y",
                "“quoted” it's 1–2 — 50% A&B a b i.e. x y",
            ),
            (
                r"\href{https://a.example}{here} \url{https://b.example} x\cite{k}.\footnote{Note}",
                "here https://b.example x.",
            ),
            (r"\LaTeX{} and \TeX", "LaTeX and TeX"),
            (
                r"Nguy{\~{\^e}}n Tr{\`{\^a}}n \h{a} \~{}user x\^{}2 \' x",
                "Nguyễn Trần ả ~user x^2 x",
            ),
            (
                r"$\frac{1}{2}$ of \dfrac{a+b}{c}, \frac{\frac{1}{2}}{3}",
                "1/2 of (a+b)/c, 1/23",
            ),
            (
                r"as in \cite[p. 5]{smith}, \citeauthor{x} \textcite{k}\citet*{k}.",
                "as in , .",
            ),
            (
                r"\begin{itemize}\item one \item[x] two\end{itemize} a\\[2pt] b",
                "one two a b",
            ),
            (
                r"\textdollar 5 $a \leqslant b$ \big( c \big)",
                "$5 a ≤ b ( c )",
            ),
            ("One\n two.\n\nThree.", "One two.\n\nThree."),
            ("\\", ""),
            ("{\\", ""),
            (r"\'", ""),
            ("", ""),
        ] {
            assert_eq!(text(source), wanted, "{source}");
        }
    }

    #[test]
    fn addresses_are_one_word() {
        for (source, wanted) in [
            (r"10.1007/978-3{\_}12", "10.1007/978-3_12"),
            (
                r"https://a.b/c_d\%20e{\&}f~g--h",
                "https://a.b/c_d%20e&f~g--h",
            ),
            (r"{\url{http://x.y/z}}", "http://x.y/z"),
            (r"\url{http://x.y/z} (seen today)", "http://x.y/z"),
            (r"Online: \href{http://x.y}{x}", "http://x.y"),
            (r"Seen at <http://x.y/{\textasciitilde}z>", "http://x.y/~z"),
            ("", ""),
        ] {
            assert_eq!(address(source), wanted, "{source}");
        }
    }
}
