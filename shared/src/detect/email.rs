//! E-mail addresses: RFC 5321 section 4.1.2 as it is used: a dot-string local part, a domain with a top-level name.
//!
//! Found: `ada@example.com`, `a.b+c@mail.example.co.uk`. Not: `user@localhost`, `@decorator`, `git@github.com:owner/repo`.

use super::{Span, before, byte, is_word, run_back, slice};

pub(super) const RULE: &str = "email";

/// Bytes of a local part (RFC 5321 section 4.5.3.1.1).
const LONGEST_LOCAL: usize = 64;
/// May stand in a local part.
const LOCAL: u8 = 1;
/// May, by the RFC; but where an address stands among other text, it begins after the last of these.
const CUT: u8 = 2;

const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let class = match at as u8 {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'.' | b'%' | b'+' | b'^' | b'_' | b'~' | b'-' | 0x80.. => LOCAL,
            b'!' | b'#' | b'$' | b'&' | b'*' | b'/' | b'=' | b'?' | b'`' | b'{' | b'|' | b'}' | b'\'' => CUT,
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

/// The address around the `@` at `at`.
pub(super) fn check(text: &[u8], at: usize) -> Option<Span> {
    let mut start = at - run_back(text, at, LONGEST_LOCAL, |byte| class(byte) == LOCAL);
    while start < at && !is_word(byte(text, start)) {
        start += 1;
    }
    let local = slice(text, start, at);
    if local.is_empty() || local.ends_with(b".") || local.windows(2).any(|pair| pair == b"..") {
        return None;
    }
    if !local.is_ascii() && std::str::from_utf8(local).is_err() {
        start = at - run_back(text, at, LONGEST_LOCAL, |byte| byte.is_ascii() && class(byte) != 0);
        if start == at {
            return None;
        }
    }
    let end = domain(text, at + 1)?;
    // An SSH remote is no mailbox, and what stands before a host in a URL is a login.
    if slice(text, start, at) == b"git" || before(text, start) == b':' && is_url_login(text, start) {
        return None;
    }
    Some(Span { start, end, rule: RULE })
}

fn is_url_login(text: &[u8], at: usize) -> bool {
    slice(text, at.saturating_sub(64), at).windows(3).any(|part| part == b"://")
}

/// The end of the domain that begins at `at`, when it has at least two labels and a top-level name of letters.
fn domain(text: &[u8], at: usize) -> Option<usize> {
    let host = slice(text, at, at + 255);
    let (mut label, mut labels, mut end) = (0, 0, 0);
    for (place, byte) in host.iter().enumerate() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => end = place + 1,
            b'-' if place > label => {}
            // A label follows, or what came was the last one.
            b'.' if place > label && host.get(place + 1).is_some_and(u8::is_ascii_alphanumeric) => {
                if place - label > 63 {
                    return None;
                }
                (label, labels) = (place + 1, labels + 1);
            }
            _ => break,
        }
    }
    let top = host.get(label..end).unwrap_or_default();
    let letters = (2..=24).contains(&top.len()) && top.iter().all(u8::is_ascii_alphabetic);
    let ok = labels > 0 && (letters || top.starts_with(b"xn--"));
    (ok && byte(text, at + end) != b'@').then_some(at + end)
}
