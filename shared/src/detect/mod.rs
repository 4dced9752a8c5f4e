//! Detectors of secrets and personal data: used by the relay's masking and by the CLI's scrubbing.
//!
//! [`Detector::standard`] passes over the bytes once ([`scan`](Detector)) and stops only where one of the families could
//! begin: a word that is long or has digits, an `@`, a `:`, an `=`, a quote. The family's verifier then looks at the place
//! and its surroundings. Clean text costs the pass alone; nothing is allocated.
//!
//! | family | rules |
//! |---|---|
//! | `vendor` | tokens with a vendor's own format |
//! | `structured` | private keys (PEM), JWT, URL passwords |
//! | `assigned` | `password=...` and what else says by its name that it is a secret |
//! | `email`, `digits`, `iban`, `address` | personal data |
//!
//! [`KnownValues`] finds given secrets in every form they could take.

mod address;
mod assigned;
mod digits;
mod email;
mod iban;
mod known;
mod scan;
mod structured;
mod vendor;

#[cfg(test)]
mod tests;

pub use known::KnownValues;
pub use scan::Detector;

/// A place in a text that must not be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// The rule's name, for example `email`.
    pub rule: &'static str,
}

/// Finds what must not be shown. A later engine replaces the present one behind this trait.
pub trait Detect: Send + Sync {
    /// Appends the spans in `text` to `found`: sorted, not overlapping, on UTF-8 boundaries where `text` is UTF-8.
    fn detect(&self, text: &[u8], found: &mut Vec<Span>);
}

/// The byte at `at`; NUL outside of the text.
fn byte(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(0)
}

/// The byte before `at`; NUL at the beginning.
fn before(text: &[u8], at: usize) -> u8 {
    at.checked_sub(1).map_or(0, |at| byte(text, at))
}

/// The text from `start` to `end`, as far as it exists.
fn slice(text: &[u8], start: usize, end: usize) -> &[u8] {
    text.get(start..end.min(text.len())).unwrap_or_default()
}

/// How many bytes from `at` on satisfy `test`.
fn run(text: &[u8], at: usize, test: impl Fn(u8) -> bool) -> usize {
    text.get(at..).unwrap_or_default().iter().take_while(|byte| test(**byte)).count()
}

/// How many bytes right before `at` satisfy `test`.
fn run_back(text: &[u8], at: usize, test: impl Fn(u8) -> bool) -> usize {
    text.get(..at).unwrap_or_default().iter().rev().take_while(|byte| test(**byte)).count()
}

/// A letter, digit or underscore, or part of a character outside of ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// True when one of the words stands in the `reach` bytes before `at`, without regard to case.
fn has_context(text: &[u8], at: usize, reach: usize, words: &[&str]) -> bool {
    let window = slice(text, at.saturating_sub(reach), at);
    words.iter().any(|word| window.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes())))
}
