//! Personal numbers written as groups of digits, told apart by shape and checksum.
//!
//! - `card`: ISO/IEC 7812, 13 to 19 digits with the Luhn check digit and an issuer's range. Found: `4111 1111 1111 1111`.
//!   Not: `4111 1111 1111 1112`, `1234567812345670`.
//! - `us-ssn`: Social Security Administration: `ddd-dd-dddd`, area not 000, 666 or 9xx, group not 00, serial not 0000.
//!   Found: `536-90-4399`. Not: `666-12-3456`.
//! - `phone`: ITU-T E.164 with `+` or `00`, North American numbers, national numbers with a leading 0 in groups; a bare
//!   row of digits only after a word such as `phone`. Found: `+49 30 1234567`, `(212) 555-0187`. Not: `2024-01-15`,
//!   `1234567890`.

use super::{Span, Topic, before, byte, context, is_word};

pub(super) const RULES: &[&str] = &["card", "us-ssn", "phone"];

const MOST_DIGITS: usize = 19;
const MOST_GROUPS: usize = 8;

/// A row of digits in groups, as it stands in the text.
struct Shape {
    digits: [u8; MOST_DIGITS],
    count: usize,
    groups: [u8; MOST_GROUPS],
    group_count: usize,
    /// The separators met: at most one kind in cards.
    dashes: bool,
    spaces: bool,
    dots: bool,
    parens: bool,
    slashes: bool,
    /// After the last digit.
    end: usize,
}

/// The number that begins at `start`: with a digit, `+` or `(`.
pub(super) fn check(text: &[u8], start: usize, topic: Topic) -> Option<Span> {
    let first = byte(text, start);
    let previous = before(text, start);
    if is_word(previous)
        || matches!(previous, b'.' | b'-' | b'+' | b'/' | b'#' | b'$' | b'%' | b'\\') && first != b'(' && first != b'+'
    {
        return None;
    }
    if !first.is_ascii_digit() && !matches!(byte(text, start + 1), b'0'..=b'9' | b'(') {
        return None;
    }
    if first.is_ascii_digit() {
        if is_short(text, start) {
            return None;
        }
        if let Some(end) = card_of_16(text, start) {
            return (!is_nobodys(text, start, end)).then_some(Span { start, end, rule: "card" });
        }
    }
    let shape = read(text, start)?;
    if is_word(byte(text, shape.end)) && !is_extension(text, shape.end) {
        return None;
    }
    if byte(text, shape.end) == b':' && byte(text, shape.end + 1).is_ascii_digit() {
        return None;
    }
    let span = |rule| Some(Span { start, end: shape.end, rule });
    if first.is_ascii_digit() && is_ssn(&shape, text, start, topic) {
        return span("us-ssn");
    }
    if first.is_ascii_digit() && is_card(&shape) {
        return if is_nobodys(text, start, shape.end) { None } else { span("card") };
    }
    phone_end(&shape, text, start, first, topic).map(|end| Span { start, end, rule: "phone" })
}

/// A number in JSON, no string, whose key calls it an identifier, a count or a moment. One in ten of them passes for a card
/// by its check digit.
fn is_nobodys(text: &[u8], start: usize, end: usize) -> bool {
    super::slice(text, start, end).iter().all(u8::is_ascii_digit)
        && context::key_of_number(text, start).is_some_and(|key| Topic::of_bytes(key) == Topic::Identifier)
}

/// The end of the commonest card number, sixteen digits in one group or in four, read without a branch a digit.
fn card_of_16(text: &[u8], start: usize) -> Option<usize> {
    let rest = text.get(start..)?;
    let (digits, length) = match rest.first_chunk::<19>() {
        Some(&[a, b, c, d, s, e, f, g, h, t, i, j, k, l, u, m, n, o, p])
            if s == t && t == u && matches!(s, b' ' | b'-') =>
        {
            ([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p], 19)
        }
        _ => (*rest.first_chunk::<16>()?, 16),
    };
    let values = digits.map(|digit| digit.wrapping_sub(b'0'));
    let all = values.iter().fold(true, |all, value| all & (*value < 10));
    // Luhn: every other digit from the left counts twice, less nine when that is more than nine.
    let sum = values.iter().enumerate().fold(0_u8, |sum, (place, value)| {
        let double = value.wrapping_mul(2);
        let twice = if double > 9 { double.wrapping_sub(9) } else { double };
        sum.wrapping_add(if place % 2 == 0 { twice } else { *value })
    });
    let end = start + length;
    let [a, b, c, d, ..] = values.map(u32::from);
    let (two, three) = (a * 10 + b, a * 100 + b * 10 + c);
    let good = all && sum.is_multiple_of(10) && sum > 0 && is_issued_of_16(two, three, three * 10 + d);
    (good && !is_word(byte(text, end))).then_some(end)
}

/// Most numbers in rows and logs are short, decimals or dates, and cost no more than this.
fn is_short(text: &[u8], start: usize) -> bool {
    let rest = text.get(start..).unwrap_or_default();
    let digits = rest.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
    match (digits, rest.get(digits..).unwrap_or_default()) {
        (..7, []) => true,
        (4, [b'-' | b'/' | b'.', a, b, b'-' | b'/' | b'.', ..]) => a.is_ascii_digit() && b.is_ascii_digit(),
        // A decimal with few digits in all, and nothing that could go on with more.
        (whole @ ..7, [b'.', tail @ ..]) if tail.first().is_some_and(u8::is_ascii_digit) => {
            let part = tail.iter().take(7).take_while(|byte| byte.is_ascii_digit()).count();
            whole + part < 7
                && !tail.get(part).is_some_and(|mark| matches!(mark, b' ' | b'-' | b'.' | b'(' | b')' | b'/'))
        }
        (..7, [mark, next, ..]) => {
            !matches!(mark, b' ' | b'-' | b'.' | b'(' | b')' | b'/')
                || !next.is_ascii_digit() && !matches!(next, b' ' | b'-' | b'(' | b')')
        }
        (..7, [_]) => true,
        _ => false,
    }
}

fn is_extension(text: &[u8], at: usize) -> bool {
    matches!(byte(text, at), b'x' | b'X') && byte(text, at + 1).is_ascii_digit()
}

/// Reads groups of digits with single separators between them (`) ` and ` (` count as one).
fn read(text: &[u8], start: usize) -> Option<Shape> {
    let mut shape = Shape {
        digits: [0; MOST_DIGITS],
        count: 0,
        groups: [0; MOST_GROUPS],
        group_count: 0,
        dashes: false,
        spaces: false,
        dots: false,
        parens: false,
        slashes: false,
        end: start,
    };
    let mut at = start + usize::from(byte(text, start) == b'+');
    let mut separators = 0;
    loop {
        match byte(text, at) {
            digit @ b'0'..=b'9' => {
                if separators > 0 || shape.group_count == 0 {
                    shape.group_count += 1;
                }
                *shape.digits.get_mut(shape.count)? = digit - b'0';
                shape.count += 1;
                *shape.groups.get_mut(shape.group_count - 1)? += 1;
                shape.end = at + 1;
                separators = 0;
            }
            mark @ (b' ' | b'-' | b'.' | b'(' | b')' | b'/') => {
                separators += 1;
                let ahead = [byte(text, at + 1), byte(text, at + 2)];
                let goes_on = ahead[0].is_ascii_digit()
                    || matches!(ahead[0], b'(' | b')' | b' ' | b'-') && ahead[0] != mark && ahead[1].is_ascii_digit()
                    || mark == b'(' && separators == 1 && shape.group_count == 0 && ahead[0].is_ascii_digit();
                if separators > 2 || !goes_on {
                    break;
                }
                match mark {
                    b' ' => shape.spaces = true,
                    b'-' => shape.dashes = true,
                    b'.' => shape.dots = true,
                    b'/' => shape.slashes = true,
                    _ => shape.parens = true,
                }
            }
            _ => break,
        }
        at += 1;
    }
    (shape.count >= 7).then_some(shape)
}

impl Shape {
    fn groups(&self) -> &[u8] {
        self.groups.get(..self.group_count).unwrap_or_default()
    }

    fn digits(&self) -> &[u8] {
        self.digits.get(..self.count).unwrap_or_default()
    }

    /// Digits `from..to` as a number.
    fn number(&self, from: usize, to: usize) -> u32 {
        self.digits.get(from..to).unwrap_or_default().iter().fold(0, |sum, digit| sum * 10 + u32::from(*digit))
    }

    fn other_than(&self, spaces: bool, dashes: bool) -> bool {
        self.dots || self.parens || self.slashes || self.spaces && !spaces || self.dashes && !dashes
    }
}

fn is_ssn(shape: &Shape, text: &[u8], start: usize, topic: Topic) -> bool {
    if shape.count != 9 || shape.other_than(true, true) {
        return false;
    }
    let (area, group, serial) = (shape.number(0, 3), shape.number(3, 5), shape.number(5, 9));
    if area == 0 || area == 666 || area >= 900 || group == 0 || serial == 0 {
        return false;
    }
    let said = || topic == Topic::SocialSecurity || Topic::SocialSecurity.is_said(text, start);
    match shape.groups() {
        [3, 2, 4] => !shape.spaces || said(),
        [9] => said(),
        _ => false,
    }
}

fn is_card(shape: &Shape) -> bool {
    let mixed = shape.spaces && shape.dashes;
    if !(13..=19).contains(&shape.count) || mixed || shape.other_than(true, true) {
        return false;
    }
    let grouped = match shape.groups() {
        [_] | [4, 4, 4, 4] | [4, 6, 5] | [4, 6, 4] | [4, 4, 4, 4, 1..=3] | [4, 4, 4, 1] | [4, 3, 3, 3] | [4, 4, 5] => {
            true
        }
        [6, rest] => (7..=13).contains(rest),
        _ => false,
    };
    grouped && is_issued(shape) && luhn(shape.digits())
}

/// The ranges of the card networks.
fn is_issued(shape: &Shape) -> bool {
    let (two, three, four) = (shape.number(0, 2), shape.number(0, 3), shape.number(0, 4));
    match shape.count {
        13 => two / 10 == 4 && shape.group_count <= 4,
        14 => matches!(two, 36 | 38 | 39) || (300..=305).contains(&three),
        15 => matches!(two, 34 | 37) || matches!(four, 1800 | 2131),
        16 => is_issued_of_16(two, three, four),
        19 => two == 62 || two / 10 == 4 || matches!(two, 50 | 63 | 67),
        _ => matches!(two, 50 | 62 | 63 | 67) && shape.group_count > 1,
    }
}

/// By the first two, three and four digits of a number of sixteen.
fn is_issued_of_16(two: u32, three: u32, four: u32) -> bool {
    two / 10 == 4
        || (51..=55).contains(&two)
        || (2221..=2720).contains(&four)
        || matches!(two, 62 | 65 | 60 | 81)
        || (644..=649).contains(&three)
        || (3528..=3589).contains(&four)
        || matches!(two, 36 | 38 | 50 | 56 | 57 | 58 | 67 | 63)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match u32::from(*digit) * if place % 2 == 1 { 2 } else { 1 } {
            big if big > 9 => big - 9,
            small => small,
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}

/// Where the phone number ends, when it is one.
fn phone_end(shape: &Shape, text: &[u8], start: usize, first: u8, topic: Topic) -> Option<usize> {
    let end = extension_end(text, shape.end);
    if first == b'+' {
        // North America and the zone of 7 have ten digits behind their own.
        let length = match shape.digits() {
            [0, ..] => false,
            [1, area, ..] => shape.count == 11 && *area >= 2,
            [7, ..] => shape.count == 11,
            _ => (8..=15).contains(&shape.count),
        };
        return (length && !shape.slashes).then_some(end);
    }
    // One digit, a dot and more digits: a decimal. Where a phone number has dots its first group is longer.
    if shape.count > 15 || shape.dots && matches!(shape.groups(), [1, _]) {
        return None;
    }
    let context = || {
        let near = || Topic::before(text, start) == Topic::Phone;
        topic == Topic::Phone || if is_moment(shape) { near() } else { Topic::Phone.is_said(text, start) }
    };
    let groups = shape.groups();
    let separated = shape.group_count > 1 && !shape.slashes;
    if separated && is_north_american(shape, groups) && !(topic == Topic::Identifier && shape.spaces) {
        return Some(end);
    }
    let zeros = shape.digits().iter().take_while(|digit| **digit == 0).count();
    // Abroad: 00 and the country. At home: 0, the area, and at least one more group.
    let international = zeros == 2 && groups.len() > 1 && (10..=15).contains(&shape.count);
    let national = zeros == 1
        && separated
        && (9..=11).contains(&shape.count)
        && groups.first().is_some_and(|group| (2..=5).contains(group))
        && groups.iter().skip(1).all(|group| (2..=8).contains(group));
    if international && !shape.slashes || national && (!shape.dots || context()) {
        return Some(end);
    }
    let by_context = (7..=15).contains(&shape.count) && !is_date(shape, groups) && context();
    by_context.then_some(end)
}

/// Seconds or milliseconds since 1970, of the years 2001 to 2033.
fn is_moment(shape: &Shape) -> bool {
    matches!(shape.groups(), [10 | 13]) && shape.digits().first() == Some(&1)
}

fn is_date(shape: &Shape, groups: &[u8]) -> bool {
    matches!(groups, [4, 2, 2] | [2, 2, 4] | [4, 2, 2, ..] | [1..=2, 1..=2, 4])
        && (shape.dashes || shape.dots || shape.slashes)
}

/// `212-555-0187`, `(212) 555-0187`, `1-212-555-0187`, `001-212-555-0187`: neither area nor exchange begins with 0 or 1.
fn is_north_american(shape: &Shape, groups: &[u8]) -> bool {
    let country = match groups {
        [3, 3, 4] => 0,
        [1, 3, 3, 4] if shape.number(0, 1) == 1 => 1,
        [3, 3, 3, 4] if shape.number(0, 3) == 1 => 3,
        [3, 7] if shape.parens => 0,
        _ => return false,
    };
    let digit = |at: usize| shape.digits.get(country + at).copied().unwrap_or(0);
    digit(0) >= 2 && digit(3) >= 1
}

fn extension_end(text: &[u8], at: usize) -> usize {
    let mark = match text.get(at..).unwrap_or_default() {
        [b'x' | b'X', ..] => 1,
        [b' ', b'x' | b'X', ..] => 2,
        [b' ', b'e', b'x', b't', b'.', b' ', ..] => 6,
        [b' ', b'e', b'x', b't', b'.' | b' ', ..] => 5,
        _ => return at,
    };
    let digits = super::run(text, at + mark, 7, |byte| byte.is_ascii_digit());
    if (1..=6).contains(&digits) { at + mark + digits } else { at }
}
