//! The one pass over the bytes, and the order in which families look at a place.

use super::{Detect, Span, Topic, address, assigned, digits, email, iban, structured, vendor};

/// Part of a word: letters, digits, `_` and `-`.
const WORD: u8 = 1;
/// A digit.
const DIGIT: u8 = 2;
/// A byte around which a verifier looks.
const TRIGGER: u8 = 4;
/// Words from this length on may be tokens.
const TOKEN: usize = 16;

const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let class = match at as u8 {
            b'0'..=b'9' => WORD | DIGIT,
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'-' => WORD,
            b'@' | b':' | b'=' | b'\'' | b'>' | b'+' | b'(' => TRIGGER,
            _ => 0,
        };
        #[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
        {
            table[at] = class;
        }
        at += 1;
    }
    table
};

fn class(byte: u8) -> u8 {
    CLASS.get(usize::from(byte)).copied().unwrap_or(0)
}

/// Every built-in detector. Cheap to share; holds no state between calls.
#[derive(Debug)]
pub struct Detector {
    vendors: vendor::Index,
}

impl Detector {
    /// All families.
    #[must_use]
    pub fn standard() -> Self {
        Self { vendors: vendor::Index::new() }
    }

    /// The names of all rules.
    #[must_use]
    pub fn rules() -> Vec<&'static str> {
        let mut names: Vec<&'static str> = vendor::names()
            .chain([structured::RULES, assigned::RULES, digits::RULES, address::RULES].into_iter().flatten().copied())
            .chain([email::RULE, iban::RULE])
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether what a rule finds opens a door, rather than being somebody's data.
    #[must_use]
    pub fn is_secret(rule: &str) -> bool {
        let personal = [digits::RULES, address::RULES, &[email::RULE, iban::RULE]];
        !personal.into_iter().flatten().any(|personal| *personal == rule)
    }

    /// A word that is long or has a digit.
    fn word(&self, text: &[u8], start: usize, end: usize, digit: bool, topic: Topic) -> Option<Span> {
        if end - start >= TOKEN {
            let token = self.vendors.check(text, start, end).or_else(|| structured::word(text, start, end));
            if token.is_some() {
                return token;
            }
        }
        if !digit {
            return None;
        }
        match text.get(start) {
            Some(b'0'..=b'9') => address::ipv4(text, start, end, topic).or_else(|| digits::check(text, start, topic)),
            _ => iban::check(text, start, end),
        }
    }

    fn trigger(text: &[u8], at: usize, byte: u8, topic: Topic) -> Option<Span> {
        match byte {
            b'@' => email::check(text, at),
            b':' => structured::url_password(text, at)
                .or_else(|| address::ipv6(text, at))
                .or_else(|| assigned::operator(text, at)),
            b'=' => assigned::operator(text, at),
            b'>' => assigned::element(text, at),
            b'\'' => assigned::sql(text, at),
            _ => digits::check(text, at, topic),
        }
    }
}

impl Detect for Detector {
    fn detect(&self, text: &[u8], found: &mut Vec<Span>) {
        self.detect_named(text, Topic::Unknown, found);
    }
}

impl Detector {
    /// The same, for the whole value of a column or field whose name says what it is.
    pub fn detect_named(&self, text: &[u8], topic: Topic, found: &mut Vec<Span>) {
        let base = found.len();
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            let first = class(byte);
            if first & WORD != 0 {
                let start = at;
                let mut all = first;
                at += 1;
                while let Some(next) = text.get(at).map(|byte| class(*byte)).filter(|next| next & WORD != 0) {
                    all |= next;
                    at += 1;
                }
                let span = if at - start >= TOKEN || all & DIGIT != 0 {
                    self.word(text, start, at, all & DIGIT != 0, topic)
                } else if byte == b'-' {
                    structured::private_key(text, start, at).or_else(|| assigned::flag(text, start, at))
                } else {
                    None
                };
                if let Some(span) = span {
                    at = at.max(span.end);
                    push(found, base, span);
                }
            } else {
                if first & TRIGGER != 0
                    && let Some(span) = Self::trigger(text, at, byte, topic)
                {
                    at = at.max(span.end - 1);
                    push(found, base, span);
                }
                at += 1;
            }
        }
    }
}

/// Appends `span`; what overlaps becomes one span under the longer one's name.
fn push(found: &mut Vec<Span>, base: usize, mut span: Span) {
    while found.len() > base
        && let Some(last) = found.last().copied().filter(|last| last.end > span.start)
    {
        let longer = if last.end - last.start >= span.end - span.start { last.rule } else { span.rule };
        span = Span { start: last.start.min(span.start), end: last.end.max(span.end), rule: longer };
        found.pop();
    }
    found.push(span);
}
