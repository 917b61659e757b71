//! Where JSON values end, without making anything of them.

use memchr::memchr2;

/// Finds the end of one value, over any number of pieces and however long it is. A value that is
/// no JSON ends where its brackets do.
#[derive(Debug, Default)]
pub(super) struct Skip {
    depth: u64,
    string: bool,
    escaped: bool,
}

impl Skip {
    /// To leave `depth` brackets that are open already.
    pub(super) fn out_of(depth: u64) -> Self {
        Self {
            depth,
            ..Self::default()
        }
    }

    /// Whether a string goes on behind what was fed.
    pub(super) fn in_string(&self) -> bool {
        self.string
    }

    /// Takes the next piece, the first of which begins with `{`, `[` or `"`; how many of its bytes
    /// belong to the value, if it ends in it.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.string {
                if self.escaped {
                    self.escaped = false;
                    at += 1;
                    continue;
                }
                at += memchr2(b'"', b'\\', &bytes[at..])?;
                if bytes[at] == b'"' {
                    self.string = false;
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                } else {
                    self.escaped = true;
                }
            } else {
                match bytes[at] {
                    b'"' => self.string = true,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => {
                        self.depth = self.depth.saturating_sub(1);
                        if self.depth == 0 {
                            return Some(at + 1);
                        }
                    }
                    _ => {}
                }
            }
            at += 1;
        }
        None
    }
}

/// The length of the value that begins `bytes`; `None` where it goes on behind them.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        b'{' | b'[' | b'"' => Skip::default().feed(bytes),
        // A number or a word.
        _ => bytes
            .iter()
            .position(|b| b.is_ascii_whitespace() || matches!(b, b',' | b']' | b'}' | b'{' | b'['))
            .map(|n| n.max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_where_they_end() {
        for (text, n) in [
            (r#"{"a": "}\"]", "b": [1, {}]} x"#, Some(27)),
            (r#"[1, 2]]"#, Some(6)),
            (r#""a\\" "#, Some(5)),
            ("-12.5, ", Some(5)),
            (r#"{"a": [}"#, None),
            ("nul", None),
        ] {
            assert_eq!(length(text.as_bytes()), n, "{text}");
            // In two pieces, wherever they are cut.
            if text.starts_with(['{', '[', '"']) {
                for cut in 0..text.len() {
                    let mut skip = Skip::default();
                    let (a, b) = text.as_bytes().split_at(cut);
                    let end = skip.feed(a).or_else(|| skip.feed(b).map(|n| cut + n));
                    assert_eq!(end, n, "{text} at {cut}");
                }
            }
        }
    }
}
