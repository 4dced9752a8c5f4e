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
mod context;
mod digits;
mod email;
mod iban;
mod known;
mod scan;
mod structured;
mod vendor;

#[cfg(test)]
mod tests;

pub use context::Topic;
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
    let slice = text.get(start..end.min(text.len())).unwrap_or_default();
    work::add(slice.len());
    slice
}

/// How many bytes from `at` on satisfy `test`, up to `most`. Whoever measures says how far: a verifier that measures
/// without a bound, at each of the places where its family could begin, takes a time that grows with the square.
fn run(text: &[u8], at: usize, most: usize, test: impl Fn(u8) -> bool) -> usize {
    let count = text.get(at..).unwrap_or_default().iter().take(most).take_while(|byte| test(**byte)).count();
    work::add(count);
    count
}

/// How many bytes right before `at` satisfy `test`, up to `most`.
fn run_back(text: &[u8], at: usize, most: usize, test: impl Fn(u8) -> bool) -> usize {
    let count = text.get(..at).unwrap_or_default().iter().rev().take(most).take_while(|byte| test(**byte)).count();
    work::add(count);
    count
}

/// Where `what` begins, from `at` on. What is found from there on is passed over, so that it needs no bound.
fn find_from(text: &[u8], at: usize, what: &[u8]) -> Option<usize> {
    let rest = text.get(at..).unwrap_or_default();
    let found = memchr::memmem::find(rest, what);
    work::add(found.unwrap_or(rest.len()));
    found.map(|found| at + found)
}

/// A letter, digit or underscore, or part of a character outside of ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Counts what verifiers look at, for the test that bounds it.
#[cfg(test)]
mod work {
    use std::cell::Cell;

    thread_local! {
        static DONE: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn add(bytes: usize) {
        DONE.with(|done| done.set(done.get() + bytes));
    }

    /// What was counted since the last time.
    pub(super) fn take() -> usize {
        DONE.with(Cell::take)
    }
}

#[cfg(not(test))]
mod work {
    #[inline(always)]
    pub(super) fn add(_: usize) {}
}
