//! IP addresses: RFC 791 dotted quads and RFC 4291 section 2.2 text forms.
//!
//! Found: `192.168.1.20`, `2001:db8::7334`. Not: the unspecified and loopback addresses, `v1.2.3.4`, `nginx/1.25.3.1`,
//! `10.0.0.0.1`, `12:34:56`, `std::vec`.

use super::{Span, before, byte, has_context, is_word, run, run_back, slice};
use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) const RULES: &[&str] = &["ipv4", "ipv6"];

/// The address that begins with the word of digits at `start`.
pub(super) fn ipv4(text: &[u8], start: usize, end: usize) -> Option<Span> {
    if end - start > 3 || byte(text, end) != b'.' {
        return None;
    }
    let previous = before(text, start);
    if is_word(previous) || matches!(previous, b'.' | b'-') {
        return None;
    }
    let length = run(text, start, |byte| byte.is_ascii_digit() || byte == b'.');
    // Most are decimals.
    if slice(text, start, start + length).iter().filter(|byte| **byte == b'.').count() < 3 {
        return None;
    }
    let stop = start + length - usize::from(before(text, start + length) == b'.');
    let next = byte(text, stop);
    if is_word(next) || next == b'-' && byte(text, stop + 1).is_ascii_alphabetic() {
        return None;
    }
    let address: Ipv4Addr = std::str::from_utf8(slice(text, start, stop)).ok()?.parse().ok()?;
    let is_version = previous == b'/' && start >= 2 && is_word(byte(text, start - 2))
        || has_context(text, start, 9, &["version", "release", "build "]);
    let plain = address.octets().first() != Some(&0) && !address.is_loopback() && !address.is_broadcast();
    (plain && !is_version && address.octets().first() != Some(&255)).then_some(Span { start, end: stop, rule: "ipv4" })
}

/// The address around the first `:` at `at`.
pub(super) fn ipv6(text: &[u8], at: usize) -> Option<Span> {
    let hex = |byte: u8| byte.is_ascii_hexdigit();
    let head = run_back(text, at, hex);
    let start = at - head;
    if head > 4 || is_word(before(text, start)) || matches!(before(text, start), b':' | b'.' | b'-') {
        return None;
    }
    let mut stop = start + run(text, start, |byte| hex(byte) || matches!(byte, b':' | b'.')).min(46);
    while stop > start && matches!(before(text, stop), b'.') {
        stop -= 1;
    }
    // `address:` at the end of a phrase.
    if before(text, stop) == b':' && byte(text, stop.wrapping_sub(2)) != b':' {
        stop -= 1;
    }
    if stop - start < 4 || is_word(byte(text, stop)) {
        return None;
    }
    let body = slice(text, start, stop);
    // Most are times of day.
    let colons = body.iter().filter(|byte| **byte == b':').count();
    if colons < 2 || colons < 6 && !body.windows(2).any(|pair| pair == b"::") {
        return None;
    }
    let address: Ipv6Addr = std::str::from_utf8(body).ok()?.parse().ok()?;
    let groups = body.split(|byte| *byte == b':').filter(|group| !group.is_empty()).count();
    let digits = body.iter().filter(|byte| byte.is_ascii_digit()).count();
    // `a::b` is more often a path in a program.
    let likely = groups == 8 || groups >= 2 && digits >= 2 && body.len() >= 6;
    (likely && !address.is_loopback() && !address.is_unspecified()).then_some(Span { start, end: stop, rule: "ipv6" })
}
