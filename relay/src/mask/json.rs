//! Masks inside of JSON: what parses before parses after. A bare number becomes a string, at any depth: also in a string
//! that holds JSON itself, where the quotes are escaped. Nothing else of the text changes.

use super::{Partial, put};
use weir_shared::detect::Span;

/// Strings in strings that are followed; what lies deeper is text.
const DEEPEST: usize = 6;

/// True when the text is a whole JSON object or array.
pub(super) fn is_document(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'{' | b'['))
        && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

/// Appends the JSON `text` to `out` with a mask in place of what was found.
pub(super) fn replace(text: &[u8], found: &[Span], out: &mut Vec<u8>, partial: Partial<'_>) {
    let begin = out.len();
    let (mut nest, mut at) = (Nest::new(), 0);
    for span in found {
        let Some(between) = text.get(at..span.start) else { continue };
        nest.feed(between);
        match nest.bare() {
            Some(level) => {
                // The whole number, its sign and its fraction.
                let head = numeric_end(between);
                let tail =
                    text.get(span.end..).unwrap_or_default().iter().take_while(|byte| is_numeric(**byte)).count();
                out.extend_from_slice(between.get(..between.len() - head).unwrap_or_default());
                put_quote(level, out);
                put(span, text, out, partial);
                put_quote(level, out);
                nest.feed(text.get(span.start..span.end + tail).unwrap_or_default());
                at = span.end + tail;
            }
            None => {
                out.extend_from_slice(between);
                put(span, text, out, partial);
                let (end, taken) = nest.feed_inside(text, span.start, span.end);
                out.extend_from_slice(text.get(end..taken).unwrap_or_default());
                at = taken;
            }
        }
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    // Whatever was found where no mask can stand: rather all of it than what cannot be read.
    let is_whole = |text: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
    if !is_whole(out.get(begin..).unwrap_or_default()) && is_whole(text) {
        out.truncate(begin);
        out.extend_from_slice(b"\"[masked]\"");
    }
}

fn is_numeric(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E')
}

/// How many of the last bytes may be the beginning of a number.
pub(super) fn numeric_end(text: &[u8]) -> usize {
    text.iter().rev().take_while(|byte| is_numeric(**byte)).count()
}

/// A quote, escaped once for each string around.
fn put_quote(level: usize, out: &mut Vec<u8>) {
    out.extend(std::iter::repeat_n(b'\\', (1 << level) - 1));
    out.push(b'"');
}

/// Where in a JSON text one is, and in the texts in its strings.
#[derive(Debug)]
pub(super) struct Nest {
    /// The text itself, then the string that is open in the one before, as long as that holds JSON.
    levels: Vec<Level>,
}

#[derive(Debug, Default)]
struct Level {
    /// Inside a string.
    inside: bool,
    escape: Escape,
    /// What the string holds, once its first character has said so.
    json: Option<bool>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Escape {
    #[default]
    No,
    Begun,
    /// Digits left, and their value so far.
    Unicode(u8, u32),
}

impl Level {
    /// Takes a character of this level's text; gives what it adds to the open string.
    fn take(&mut self, byte: u8) -> Option<u8> {
        match (self.inside, self.escape, byte) {
            (false, ..) => {
                if byte == b'"' {
                    *self = Self { inside: true, ..Self::default() };
                }
                None
            }
            (_, Escape::No, b'\\') => {
                self.escape = Escape::Begun;
                None
            }
            (_, Escape::No, b'"') => {
                self.inside = false;
                None
            }
            (_, Escape::No, _) => Some(byte),
            (_, Escape::Begun, b'u') => {
                self.escape = Escape::Unicode(4, 0);
                None
            }
            (_, Escape::Begun, _) => {
                self.escape = Escape::No;
                Some(if matches!(byte, b'n' | b't' | b'r' | b'b' | b'f') { b' ' } else { byte })
            }
            (_, Escape::Unicode(left, value), _) => {
                let value = value << 4 | char::from(byte).to_digit(16).unwrap_or(0);
                self.escape = if left > 1 { Escape::Unicode(left - 1, value) } else { Escape::No };
                // What is not ASCII has no meaning to JSON.
                (left == 1).then(|| u8::try_from(value).ok().filter(u8::is_ascii).unwrap_or(b'?'))
            }
        }
    }
}

impl Nest {
    pub(super) fn new() -> Self {
        Self { levels: vec![Level::default()] }
    }

    pub(super) fn feed(&mut self, text: &[u8]) {
        text.iter().for_each(|byte| self.take(*byte));
    }

    fn take(&mut self, mut byte: u8) {
        let mut at = 0;
        while let Some(level) = self.levels.get_mut(at) {
            let was_inside = level.inside;
            let content = level.take(byte);
            let (inside, json) = (level.inside, level.json);
            if inside != was_inside {
                self.levels.truncate(at + 1);
            }
            let Some(content) = content else { return };
            match json {
                Some(false) => return,
                Some(true) => {}
                None if content.is_ascii_whitespace() => return,
                None => {
                    let json = matches!(content, b'{' | b'[') && at < DEEPEST;
                    if let Some(level) = self.levels.get_mut(at) {
                        level.json = Some(json);
                    }
                    if !json {
                        return;
                    }
                    self.levels.push(Level::default());
                }
            }
            (byte, at) = (content, at + 1);
        }
    }

    /// Fills what was found in `text` and takes it, `fed` bytes of which were taken before and no more than up to `most` are now;
    /// how many were.
    pub(super) fn fill(&mut self, text: &mut [u8], fed: usize, span: &Span, most: usize) -> usize {
        self.feed(text.get(fed..span.start).unwrap_or_default());
        let Some(level) = self.bare() else {
            let (end, taken) = self.feed_inside(text, span.start, span.end.min(most));
            if let Some(bytes) = text.get_mut(span.start..if taken < most { end } else { span.end }) {
                bytes.fill(b'*');
            }
            return taken;
        };
        // The whole number, in quotes where there is room for them.
        let head = text.get(fed..span.start).unwrap_or_default();
        let start = span.start - numeric_end(head);
        let tail = text.get(span.end..).unwrap_or_default();
        let end = span.end + tail.iter().take_while(|byte| is_numeric(**byte)).count();
        let mut quote = Vec::new();
        put_quote(level, &mut quote);
        if let Some(bytes) = text.get_mut(start..end) {
            bytes.fill(b'*');
            let room = bytes.len() >= 2 * quote.len();
            if let (true, Some((first, rest))) = (room, bytes.split_at_mut_checked(quote.len())) {
                first.copy_from_slice(&quote);
                let last = rest.len() - quote.len();
                rest.get_mut(last..).unwrap_or_default().copy_from_slice(&quote);
            }
        }
        let end = end.min(most.max(span.start));
        // A sign was taken before, and means nothing: what stands there now does.
        self.feed(text.get(start..end).unwrap_or_default());
        end
    }

    /// How many strings are open around, outside of any string of the innermost text: there a mask needs quotes.
    fn bare(&self) -> Option<usize> {
        self.levels.last().filter(|level| !level.inside).map(|_| self.levels.len() - 1)
    }

    /// Takes what a mask stands for, as far as the string that it begins in goes: where the mask ends, and what was taken. What
    /// lies between closes the string.
    fn feed_inside(&mut self, text: &[u8], start: usize, end: usize) -> (usize, usize) {
        let (depth, mut unit) = (self.levels.len(), start);
        for (at, byte) in text.iter().enumerate().take(end).skip(start) {
            if self.levels.first().is_some_and(|level| level.escape == Escape::No) {
                unit = at;
            }
            self.take(*byte);
            if self.levels.len() < depth || self.bare().is_some() {
                return (unit, at + 1);
            }
        }
        (end, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// With `SECRET` or 16 digits as what is found.
    fn masked(text: &str) -> String {
        let mut found = Vec::new();
        for what in ["SECRET", "4111111111111111"] {
            found.extend(text.match_indices(what).map(|(start, what)| Span {
                start,
                end: start + what.len(),
                rule: "r",
            }));
        }
        found.sort_by_key(|span| span.start);
        let mut out = Vec::new();
        replace(text.as_bytes(), &found, &mut out, &|_| false);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_parses_before_parses_after_and_nothing_else_changes() {
        for (before, after) in [
            (r#"{"a": 4111111111111111, "b": 1.10}"#, r#"{"a": "[masked:r]", "b": 1.10}"#),
            (r#"[-4111111111111111.50, "\u0041 SECRET"]"#, r#"["[masked:r]", "\u0041 [masked:r]"]"#),
            (r#"{"a\"": "\\", "b": "x SECRET\""}"#, r#"{"a\"": "\\", "b": "x [masked:r]\""}"#),
            ("4111111111111111", "\"[masked:r]\""),
            ("\u{1}{\"a\":4111111111111111}", "\u{1}{\"a\":\"[masked:r]\"}"),
        ] {
            assert_eq!(masked(before), after);
        }
    }

    #[test]
    fn json_in_json_parses_at_its_depth() {
        let mut text = r#"{"a":4111111111111111,"b":"SECRET"}"#.to_owned();
        for _ in 0..4 {
            text = serde_json::json!({ "é\n": text, "n": 4_111_111_111_111_111_u64 }).to_string();
        }
        let mut inner: Value = serde_json::from_str(&masked(&text)).unwrap();
        for _ in 0..4 {
            assert_eq!(inner["n"], "[masked:r]");
            inner = serde_json::from_str(inner["é\n"].as_str().unwrap()).unwrap();
        }
        assert_eq!(inner, serde_json::json!({ "a": "[masked:r]", "b": "[masked:r]" }));
    }

    #[test]
    fn a_mask_ends_with_its_string() {
        let text = r#"{"key": "a SECRET", "b": "{\"c\": \"SECRET\", \"d\": 1}"}"#;
        let at = |what: &str, from: usize| from + text[from..].find(what).unwrap();
        let (first, second) = (at("SECRET", 0), at("SECRET", 20));
        let found =
            [Span { start: first, end: second - 10, rule: "r" }, Span { start: second, end: text.len(), rule: "r" }];
        let mut out = Vec::new();
        replace(text.as_bytes(), &found, &mut out, &|_| false);
        let value: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["key"], "a [masked:r]");
        let inner: Value = serde_json::from_str(value["b"].as_str().unwrap()).unwrap();
        assert_eq!(inner, serde_json::json!({ "c": "[masked:r]", "d": 1 }));
    }

    #[test]
    fn only_a_whole_document_is_json() {
        for (text, json) in
            [("{}", true), (" [1]", true), ("{1}", false), ("[see 1]", false), ("1", false), ("", false)]
        {
            assert_eq!(is_document(text.as_bytes()), json, "{text}");
        }
    }
}
