//! IBAN: ISO 13616, check digits mod 97, length by country (the registry's list), in one word or in groups of four.
//!
//! Found: `DE89370400440532013000`, `GB82 WEST 1234 5698 7654 32`. Not: `DE89370400440532013001` (check digits).

use super::{Span, before, byte, is_word};

pub(super) const RULE: &str = "iban";

/// Country and total length.
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NL", 18),
    (b"NO", 15),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
];

/// The IBAN that begins with the word at `start`.
pub(super) fn check(text: &[u8], start: usize, end: usize) -> Option<Span> {
    let head = [byte(text, start), byte(text, start + 1)].map(|byte| byte.to_ascii_uppercase());
    if end - start < 4 || !head.iter().all(u8::is_ascii_uppercase) || is_word(before(text, start)) {
        return None;
    }
    if !byte(text, start + 2).is_ascii_digit() || !byte(text, start + 3).is_ascii_digit() {
        return None;
    }
    let (_, length) = LENGTHS.iter().find(|(country, _)| **country == head)?;
    let mut count = 0;
    let mut remainder = 0_u32;
    let mut first = [0_u8; 4];
    let mut at = start;
    while count < *length {
        let byte = byte(text, at);
        match byte {
            b' ' | b'-' if count % 4 == 0 && count > 0 => {}
            _ if byte.is_ascii_alphanumeric() => {
                match first.get_mut(count) {
                    Some(slot) => *slot = byte,
                    None => remainder = step(remainder, byte),
                }
                count += 1;
            }
            _ => return None,
        }
        at += 1;
    }
    let remainder = first.iter().fold(remainder, |remainder, byte| step(remainder, *byte));
    (remainder == 1 && !is_word(byte(text, at))).then_some(Span { start, end: at, rule: RULE })
}

/// One more character of the number that is taken modulo 97: letters count as 10 to 35.
fn step(remainder: u32, byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        _ => (remainder * 100 + u32::from(byte.to_ascii_uppercase().wrapping_sub(b'A')) + 10) % 97,
    }
}
