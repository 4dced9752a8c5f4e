//! Secrets with a structure of their own: private keys in PEM (RFC 7468), JSON web tokens (RFC 7519), passwords in URLs
//! (RFC 3986 section 3.2.1).
//!
//! Found: `-----BEGIN RSA PRIVATE KEY-----...`, `eyJhbGciOi....eyJ....sig`, the password of `postgres://u:p@host/db`.
//! Not: `-----BEGIN CERTIFICATE-----`, base64 that is no JSON object with `alg`, `https://host:8080/@user`.

use super::{Span, before, byte, find_from, run, run_back, slice};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

pub(super) const RULES: &[&str] = &["private-key", "jwt", "url-password"];

/// Bytes of a URL's authority: some logins are tokens.
const LONGEST_LOGIN: usize = 4096;

/// A word of 16 bytes or more that may begin one of them.
pub(super) fn word(text: &[u8], start: usize, end: usize) -> Option<Span> {
    match byte(text, start) {
        b'-' => private_key(text, start, end),
        _ => jwt(text, start, end),
    }
}

/// A private key whose `-----BEGIN` is the word at `start`; to its END, or to the end of the text.
pub(super) fn private_key(text: &[u8], start: usize, end: usize) -> Option<Span> {
    const BEGIN: &[u8] = b"-----BEGIN";
    if slice(text, start, end) != BEGIN {
        return None;
    }
    let label_end = end + run(text, end, 64, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ');
    let label = slice(text, end, label_end);
    if !label.windows(11).any(|part| part == b"PRIVATE KEY") || slice(text, label_end, label_end + 5) != b"-----" {
        return None;
    }
    let end = find_from(text, label_end, b"-----END ")
        .and_then(|at| find_from(text, at + 9, b"-----").map(|dashes| dashes + 5))
        .unwrap_or(text.len());
    Some(Span { start, end, rule: "private-key" })
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// A token whose header is the word at `start`. The header must say `alg`.
fn jwt(text: &[u8], start: usize, end: usize) -> Option<Span> {
    if !slice(text, start, start + 3).eq(b"eyJ") || byte(text, end) != b'.' || end - start > 4096 {
        return None;
    }
    if run(text, end + 1, 2, is_token) < 2 || !names_algorithm(slice(text, start, end)) {
        return None;
    }
    // What is found is passed over: it may be measured to its end.
    let mut stop = end + 1 + run(text, end + 1, usize::MAX, is_token);
    // The signature; an encrypted token (RFC 7516) has five parts.
    for _ in 0..3 {
        if byte(text, stop) != b'.' {
            break;
        }
        stop += 1 + run(text, stop + 1, usize::MAX, is_token);
    }
    Some(Span { start, end: stop, rule: "jwt" })
}

/// Decodes the header piece by piece, so that nothing is allocated.
fn names_algorithm(header: &[u8]) -> bool {
    let mut window = [0_u8; 48];
    let mut kept = 0;
    for chunk in header.chunks(32) {
        let mut out = [0_u8; 24];
        let Ok(length) = BASE64_URL_SAFE_NO_PAD.decode_slice(chunk, &mut out) else { return false };
        let Some(space) = window.get_mut(kept..kept + length) else { return false };
        space.copy_from_slice(out.get(..length).unwrap_or_default());
        let seen = window.get(..kept + length).unwrap_or_default();
        if seen.windows(5).any(|part| part == b"\"alg\"") {
            return true;
        }
        let keep = seen.len().min(4);
        let from = seen.len() - keep;
        window.copy_within(from..from + keep, 0);
        kept = keep;
    }
    false
}

/// The password of the URL whose `://` begins at `at`.
pub(super) fn url_password(text: &[u8], at: usize) -> Option<Span> {
    if slice(text, at, at + 3) != b"://" || !before(text, at).is_ascii_alphanumeric() {
        return None;
    }
    let scheme = run_back(text, at, 1, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let authority = at + 3;
    let length = run(text, authority, LONGEST_LOGIN, |byte| {
        byte > b' ' && !matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'`')
    });
    let login = slice(text, authority, authority + length);
    let sign = login.iter().rposition(|byte| *byte == b'@')?;
    let colon = login.iter().take(sign).position(|byte| *byte == b':')?;
    let (start, end) = (authority + colon + 1, authority + sign);
    let password = slice(text, start, end);
    let is_reference =
        password.starts_with(b"$") || password.starts_with(b"{") || password.iter().all(|byte| *byte == b'*');
    (scheme > 0 && !password.is_empty() && !is_reference).then_some(Span { start, end, rule: "url-password" })
}
