//! Detectors of secrets and personal data: used by the relay's masking and by the CLI's scrubbing.

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
