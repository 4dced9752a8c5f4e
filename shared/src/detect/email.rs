//! E-mail addresses: RFC 5321 section 4.1.2 as it is used: a dot-string local part, a domain with a top-level name.
//!
//! Found: `ada@example.com`, `a.b+c@mail.example.co.uk`. Not: `user@localhost`, `@decorator`, `git@github.com:owner/repo`.

use super::{Span, before, byte, is_word, run, run_back, slice};

pub(super) const RULE: &str = "email";

/// The address around the `@` at `at`.
pub(super) fn check(text: &[u8], at: usize) -> Option<Span> {
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&*+/=?^_`{|}~-'".contains(&byte) || byte >= 0x80;
    let mut start = at - run_back(text, at, is_local).min(64);
    // Where an address stands among other text, it begins with a letter or digit after the last of these.
    while start < at {
        let rest = slice(text, start, at);
        let cut = rest.iter().rposition(|byte| b"'`{|}=/?&!#$*".contains(byte));
        start += match cut {
            Some(cut) => cut + 1,
            None if rest.first().is_some_and(|byte| !is_word(*byte)) => 1,
            None => break,
        };
    }
    // The mailbox of an URL-encoded text begins after the escape.
    let local = slice(text, start, at);
    if local.is_empty() || local.ends_with(b".") || local.windows(2).any(|pair| pair == b"..") {
        return None;
    }
    if std::str::from_utf8(local).is_err() {
        start = at - run_back(text, at, |byte| byte.is_ascii() && is_local(byte));
        if start == at {
            return None;
        }
    }
    let end = domain(text, at + 1)?;
    let host = slice(text, at + 1, end);
    // An SSH remote is no mailbox, and what stands before a host in a URL is a login.
    if slice(text, start, at) == b"git" || before(text, start) == b':' && is_url_login(text, start) {
        return None;
    }
    host.contains(&b'.').then_some(Span { start, end, rule: RULE })
}

fn is_url_login(text: &[u8], at: usize) -> bool {
    slice(text, at.saturating_sub(64), at).windows(3).any(|part| part == b"://")
}

/// The end of the domain that begins at `at`, when it has at least two labels and a top-level name of letters.
fn domain(text: &[u8], at: usize) -> Option<usize> {
    let mut end = at + run(text, at, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')).min(255);
    while end > at && matches!(before(text, end), b'.' | b'-') {
        end -= 1;
    }
    let host = slice(text, at, end);
    let mut labels = host.split(|byte| *byte == b'.');
    let top = labels.next_back()?;
    let ok = labels.clone().next().is_some()
        && labels.all(|label| !label.is_empty() && label.len() <= 63 && !label.starts_with(b"-"))
        && (2..=24).contains(&top.len())
        && top.iter().all(u8::is_ascii_alphabetic)
        || top.starts_with(b"xn--");
    (ok && byte(text, end) != b'@').then_some(end)
}
