//! Given secrets in every form that they could take on the way: raw, escaped, reversed, URL-encoded, hexadecimal, and
//! base64 wherever they lie in the encoded bytes.

use super::Span;
use aho_corasick::{AhoCorasick, MatchKind};
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD, prelude::BASE64_URL_SAFE_NO_PAD};
use zeroize::Zeroize;

/// Shorter secrets and forms would be found everywhere.
const SHORTEST: usize = 4;

/// A finder of given secrets.
#[derive(Debug)]
pub struct KnownValues {
    finder: Option<AhoCorasick>,
}

impl KnownValues {
    /// The rule's name.
    pub const RULE: &'static str = "known-secret";

    /// Finds `secrets`; those shorter than four bytes are left out.
    #[must_use]
    pub fn new(secrets: &[&[u8]]) -> Self {
        let mut forms: Vec<Vec<u8>> =
            secrets.iter().filter(|secret| secret.len() >= SHORTEST).flat_map(|secret| forms(secret)).collect();
        forms.retain(|form| form.len() >= SHORTEST);
        forms.sort();
        forms.dedup();
        // Building fails only beyond 2^31 states.
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&forms).ok();
        forms.iter_mut().for_each(Zeroize::zeroize);
        Self { finder: finder.filter(|finder| finder.patterns_len() > 0) }
    }

    /// Appends the places of any secret in `text` to `found`: sorted, not overlapping.
    pub fn find(&self, text: &[u8], found: &mut Vec<Span>) {
        let Some(finder) = &self.finder else { return };
        found.extend(finder.find_iter(text).map(|hit| Span { start: hit.start(), end: hit.end(), rule: Self::RULE }));
    }

    /// True when any secret is in `text`.
    #[must_use]
    pub fn is_in(&self, text: &[u8]) -> bool {
        self.finder.as_ref().is_some_and(|finder| finder.is_match(text))
    }
}

fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex = |upper: bool| -> Vec<u8> {
        secret
            .iter()
            .flat_map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }.into_bytes())
            .collect()
    };
    let mut forms = vec![
        secret.to_vec(),
        secret.iter().rev().copied().collect(),
        hex(false),
        hex(true),
        percent(secret, true, b"-._~"),
        percent(secret, false, b"-._~"),
        // Encoders differ in which marks they leave alone.
        percent(secret, true, b"-._~!$&'()*+,;=:@/?"),
        percent(secret, true, b"-._~!*'()"),
        escape(secret, &[(b'"', "\\\""), (b'\\', "\\\\"), (b'/', "\\/")]),
        escape(secret, &[(b'"', "\\\""), (b'\\', "\\\\")]),
        escape(secret, &[(b'\'', "''")]),
        escape(secret, &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&quot;"), (b'\'', "&#39;")]),
    ];
    for alignment in 0..3 {
        let mut shifted = vec![0; alignment];
        shifted.extend_from_slice(secret);
        // Of the encoded characters, those that hold bits of the secret alone.
        let first = (alignment * 8).div_ceil(6);
        let last = shifted.len() * 8 / 6;
        for encoded in [BASE64_STANDARD_NO_PAD.encode(&shifted), BASE64_URL_SAFE_NO_PAD.encode(&shifted)] {
            forms.push(encoded.as_bytes().get(first..last).unwrap_or_default().to_vec());
        }
        shifted.zeroize();
    }
    forms
}

fn percent(secret: &[u8], upper: bool, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in secret {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(byte);
        } else {
            let escaped = if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
            out.extend_from_slice(escaped.as_bytes());
        }
    }
    out
}

fn escape(secret: &[u8], with: &[(u8, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in secret {
        match with.iter().find(|(from, _)| *from == byte) {
            Some((_, to)) => out.extend_from_slice(to.as_bytes()),
            None => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &[u8] = b"pa/ss \"w0rd'+<&>";

    fn finds(text: &[u8]) -> bool {
        let mut found = Vec::new();
        KnownValues::new(&[SECRET]).find(text, &mut found);
        !found.is_empty()
    }

    #[test]
    fn every_form_is_found() {
        let text = String::from_utf8(SECRET.to_vec()).unwrap();
        assert!(finds(format!("x{text}y").as_bytes()));
        assert!(finds(serde_json::to_string(&text).unwrap().as_bytes()));
        assert!(finds(text.chars().rev().collect::<String>().as_bytes()));
        assert!(finds(b"a=pa%2Fss%20%22w0rd%27%2B%3C%26%3E"));
        assert!(!finds(b"pa/ss w0rd"));
    }

    #[test]
    fn short_and_no_secrets_find_nothing() {
        let mut found = Vec::new();
        KnownValues::new(&[b"abc", b""]).find(b"abcabc", &mut found);
        KnownValues::new(&[]).find(b"abcabc", &mut found);
        assert_eq!(found, []);
    }

    proptest! {
        #[test]
        fn base64_and_hex_at_any_offset(
            secret in prop::collection::vec(any::<u8>(), 6..40),
            before in prop::collection::vec(any::<u8>(), 0..7),
            after in prop::collection::vec(any::<u8>(), 0..7),
        ) {
            let known = KnownValues::new(&[&secret]);
            let whole = [before, secret, after].concat();
            prop_assert!(known.is_in(&whole));
            for text in [
                BASE64_STANDARD_NO_PAD.encode(&whole),
                BASE64_URL_SAFE_NO_PAD.encode(&whole),
                whole.iter().map(|byte| format!("{byte:02x}")).collect(),
                whole.iter().map(|byte| format!("{byte:02X}")).collect(),
            ] {
                prop_assert!(known.is_in(text.as_bytes()), "{}", text);
            }
        }
    }
}
