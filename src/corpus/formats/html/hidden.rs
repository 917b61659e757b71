//! What an element's own attributes hide from its readers: in pages, in mails and in columns of markup.

use dom_query::Element;

/// Whether an attribute hides its element.
pub(super) fn is_hiding(name: &str, value: &str) -> bool {
    match name {
        "hidden" => !value.eq_ignore_ascii_case("until-found"),
        "aria-hidden" => value.eq_ignore_ascii_case("true"),
        "style" => hides(value),
        "class" => hides_by_class(value),
        // What the Internet Archive shows above each of its pages.
        "id" => value.starts_with("wm-ipp"),
        _ => false,
    }
}

/// Whether a class is what frameworks of style sheets call what is hidden on every screen.
fn hides_by_class(class: &str) -> bool {
    let mut hidden = false;
    for name in class.split_ascii_whitespace() {
        match name {
            "hidden" | "d-none" | "is-hidden" => hidden = true,
            // Shown on some: `hidden md:block`, `d-none d-md-flex`.
            _ if ["block", "flex", "inline", "grid", "table", "contents"]
                .iter()
                .any(|shown| name.ends_with(shown)) =>
            {
                return false;
            }
            _ => {}
        }
    }
    hidden
}

/// Whether any of an element's attributes hides it.
pub(super) fn is_hidden(element: &Element) -> bool {
    let mut attributes = element.attrs.iter();
    attributes.any(|a| is_hiding(&a.name.local, &a.value))
}

/// Whether a `style` hides the element.
fn hides(style: &str) -> bool {
    let none = |value: &str| {
        let number = value.trim_end_matches("!important").trim();
        let number = number.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
        number.parse() == Ok(0.0_f32)
    };
    // Letters or a box of no size hide what is in them only together with another of these.
    let (mut letters, mut lines, mut height, mut cut) = (false, false, false, false);
    let hidden = declarations(style).any(|(property, value)| match property.as_str() {
        "display" => value.starts_with("none"),
        "visibility" => value.starts_with("hidden") || value.starts_with("collapse"),
        // What a mail shows in the list of mails alone.
        "mso-hide" => value.starts_with("all"),
        "clip" => value.starts_with("rect(0") || value.starts_with("rect(1px"),
        "font-size" => {
            letters = none(&value);
            false
        }
        "line-height" => {
            lines = none(&value);
            false
        }
        "height" | "max-height" => {
            height |= none(&value);
            false
        }
        "overflow" => {
            cut = value.starts_with("hidden");
            false
        }
        // Moved out of the window, as for programs that read pages aloud.
        "left" | "top" | "margin-left" | "text-indent" => {
            let away = value.strip_prefix('-').map(|v| {
                let digits = v.bytes().take_while(u8::is_ascii_digit).count();
                digits > 3 || digits == 3 && v.starts_with("999")
            });
            away == Some(true)
        }
        _ => false,
    });
    hidden || letters && (lines || height) || height && cut
}

/// Whether a `style` lets an element be seen through, other than at the start of a movement.
pub(super) fn is_faint(style: &str) -> bool {
    let mut faint = false;
    for (property, value) in declarations(style) {
        match property.as_str() {
            "opacity" => faint = value.trim_end_matches("!important").trim().parse() == Ok(0.0_f32),
            "transform" | "transition" | "animation" | "will-change" | "filter" => return false,
            _ => {}
        }
    }
    faint
}

fn declarations(style: &str) -> impl Iterator<Item = (String, String)> {
    style.split(';').filter_map(|declaration| {
        let (property, value) = declaration.split_once(':')?;
        let plain = |text: &str| text.trim().to_ascii_lowercase();
        Some((plain(property), plain(value)))
    })
}
