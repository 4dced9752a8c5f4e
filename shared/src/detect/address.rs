//! IP addresses: RFC 791 dotted quads and RFC 4291 section 2.2 text forms.
//!
//! Found: `8.8.4.4`, `2a00:1450:4001:81b::200e`. Not: addresses that are nobody's (private, documentation, loopback,
//! link-local, multicast: the special-purpose registries of RFC 6890), `v1.2.3.4`, `nginx/1.25.3.1`, `12.1.0.2` without a word
//! that says it is one, `10.0.0.0.1`, `12:34:56`, `00:1a:2b:3c:4d:5e:6f:70`, `std::vec`.

use super::{Span, Topic, before, byte, is_word, run, run_back, slice};
use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) const RULES: &[&str] = &["ipv4", "ipv6"];

/// The longest text of an address of each kind.
const LONGEST: (usize, usize) = (15, 45);

/// The address that begins with the word of digits at `start`.
pub(super) fn ipv4(text: &[u8], start: usize, end: usize, topic: Topic) -> Option<Span> {
    if end - start > 3 || byte(text, end) != b'.' {
        return None;
    }
    let previous = before(text, start);
    if is_word(previous) || matches!(previous, b'.' | b'-') {
        return None;
    }
    // With room for a last dot, and for one character that is too many.
    let length = run(text, start, LONGEST.0 + 2, |byte| byte.is_ascii_digit() || byte == b'.');
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
    if is_nobodys_v4(address) {
        return None;
    }
    let is_product = previous == b'/' && start >= 2 && is_word(byte(text, start - 2));
    let said = || topic == Topic::Address || Topic::Address.is_said(text, start);
    let is_version = is_product
        || topic == Topic::Version
        || Topic::Version.is_said(text, start)
        || is_like_a_version(address) && !said();
    (!is_version).then_some(Span { start, end: stop, rule: "ipv4" })
}

/// Its parts are as small as those of versions are; of the addresses that are in use so are few.
fn is_like_a_version(address: Ipv4Addr) -> bool {
    let parts = address.octets();
    parts.iter().all(|part| *part < 32) && parts.iter().any(|part| Some(part) != parts.first())
}

/// RFC 6890's registry, RFC 5771, RFC 1112 section 4.
fn is_nobodys_v4(address: Ipv4Addr) -> bool {
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || match address.octets() {
            [0 | 240.., ..] => true,
            // Shared by a provider's customers, protocols' own, benchmarks.
            [100, second, ..] => (64..128).contains(&second),
            [192, 0, 0, _] | [198, 18 | 19, ..] => true,
            _ => false,
        }
}

fn is_nobodys_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || first == 0x2001 && second == 0xdb8
        || first == 0x3fff && second < 0x1000
        || address.to_ipv4_mapped().is_some_and(is_nobodys_v4)
}

/// The address around the first `:` at `at`.
pub(super) fn ipv6(text: &[u8], at: usize) -> Option<Span> {
    let hex = |byte: u8| byte.is_ascii_hexdigit();
    let head = run_back(text, at, 5, hex);
    let start = at - head;
    if head > 4 || is_word(before(text, start)) || matches!(before(text, start), b':' | b'.' | b'-') {
        return None;
    }
    let mut stop = start + run(text, start, LONGEST.1 + 2, |byte| hex(byte) || matches!(byte, b':' | b'.'));
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
    // Hardware has eight pairs (EUI-64).
    if groups == 8 && body.len() == 23 && body.split(|byte| *byte == b':').all(|group| group.len() == 2) {
        return None;
    }
    // `a::b` is more often a path in a program.
    let likely = groups == 8 || groups >= 2 && digits >= 2 && body.len() >= 6;
    (likely && !is_nobodys_v6(address)).then_some(Span { start, end: stop, rule: "ipv6" })
}
