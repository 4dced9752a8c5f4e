//! A PostgreSQL value as text, for whoever reads a recording or decides about a statement.

use jiff::{SignedDuration, ToSpan as _, civil};

/// A value as text: text as it is, binary by its type where that is known (`pg_type`'s OID; 0 is not), else hexadecimal.
#[must_use]
pub fn text(bytes: &[u8], type_oid: u32, binary: bool) -> String {
    let known = if binary { by_type(bytes, type_oid) } else { utf8(bytes) };
    known.unwrap_or_else(|| hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + bytes.len() * 2);
    text.push_str("\\x");
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    text.extend(digits.filter_map(|digit| char::from_digit(digit.into(), 16)));
    text
}

fn utf8(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// The binary formats are those of the types' `send` functions.
fn by_type(bytes: &[u8], type_oid: u32) -> Option<String> {
    match type_oid {
        // text, varchar, bpchar, name, json, unknown
        25 | 1043 | 1042 | 19 | 114 | 705 => utf8(bytes),
        16 => bytes.try_into().ok().map(|[value]: [u8; 1]| (value != 0).to_string()),
        21 => bytes.try_into().ok().map(|two| i16::from_be_bytes(two).to_string()),
        23 => bytes.try_into().ok().map(|four| i32::from_be_bytes(four).to_string()),
        26 => bytes.try_into().ok().map(|four| u32::from_be_bytes(four).to_string()),
        20 => bytes.try_into().ok().map(|eight| i64::from_be_bytes(eight).to_string()),
        700 => bytes.try_into().ok().map(|four| f32::from_be_bytes(four).to_string()),
        701 => bytes.try_into().ok().map(|eight| f64::from_be_bytes(eight).to_string()),
        1700 => numeric(bytes),
        1082 => date(i32::from_be_bytes(bytes.try_into().ok()?)),
        1114 => timestamp(i64::from_be_bytes(bytes.try_into().ok()?), ""),
        1184 => timestamp(i64::from_be_bytes(bytes.try_into().ok()?), "+00"),
        2950 => uuid(bytes.try_into().ok()?),
        // jsonb, after its version
        3802 => utf8(bytes.strip_prefix(&[1])?),
        _ => array(bytes, element_of(type_oid)?),
    }
}

/// The type of an array's elements.
fn element_of(array: u32) -> Option<u32> {
    Some(match array {
        1000 => 16,
        1005 => 21,
        1007 => 23,
        1028 => 26,
        1016 => 20,
        1021 => 700,
        1022 => 701,
        1009 => 25,
        1015 => 1043,
        1014 => 1042,
        1231 => 1700,
        1182 => 1082,
        1115 => 1114,
        1185 => 1184,
        2951 => 2950,
        _ => return None,
    })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(taken)
    }

    fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }
}

/// An array of one dimension, or none, of such elements.
fn array(bytes: &[u8], element: u32) -> Option<String> {
    let mut fields = Reader(bytes);
    let (dimensions, _nulls, of) = (fields.i32()?, fields.i32()?, fields.i32()?);
    if dimensions == 0 {
        return fields.0.is_empty().then(|| "{}".to_owned());
    }
    if dimensions != 1 || u32::try_from(of) != Ok(element) {
        return None;
    }
    let (count, _first) = (fields.i32()?, fields.i32()?);
    let mut out = String::from("{");
    for index in 0..count {
        if index > 0 {
            out.push(',');
        }
        let length = fields.i32()?;
        if length < 0 {
            out.push_str("NULL");
            continue;
        }
        let value = by_type(fields.take(usize::try_from(length).ok()?)?, element)?;
        let plain =
            !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+:".contains(&byte));
        if plain && !value.eq_ignore_ascii_case("null") {
            out.push_str(&value);
        } else {
            out.push_str(&format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")));
        }
    }
    out.push('}');
    fields.0.is_empty().then_some(out)
}

/// Digits to the base of 10,000, the first of them times 10,000 to the `weight`-th.
fn numeric(bytes: &[u8]) -> Option<String> {
    // More zeros than anybody reads.
    const LONGEST: i16 = 1_000;
    let mut fields = Reader(bytes);
    let (count, weight, sign, scale) = (fields.i16()?, fields.i16()?, fields.i16()?.cast_unsigned(), fields.i16()?);
    match sign {
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("Infinity".to_owned()),
        0xF000 => return Some("-Infinity".to_owned()),
        0 | 0x4000 if weight.abs() <= LONGEST && (0..=LONGEST).contains(&scale) => {}
        _ => return None,
    }
    let digits: Vec<i16> =
        (0..count).map(|_| fields.i16().filter(|digit| (0..10_000).contains(digit))).collect::<Option<_>>()?;
    let digit = |place: i16| usize::try_from(place).ok().and_then(|place| digits.get(place)).copied().unwrap_or(0);
    let mut whole: String = (0..=weight).map(|place| format!("{:04}", digit(place))).collect();
    whole = whole.trim_start_matches('0').to_owned();
    if whole.is_empty() {
        whole.push('0');
    }
    let scale = usize::try_from(scale).ok()?;
    let first = weight.checked_add(1)?;
    let places = first..first.checked_add(i16::try_from(scale.div_ceil(4)).ok()?)?;
    let fraction: String = places.map(|place| format!("{:04}", digit(place))).collect();
    let minus = if sign == 0 { "" } else { "-" };
    let point = if scale == 0 { "" } else { "." };
    fields.0.is_empty().then(|| format!("{minus}{whole}{point}{}", fraction.get(..scale).unwrap_or_default()))
}

/// RFC 9562, 4.
fn uuid(bytes: [u8; 16]) -> Option<String> {
    let digits = hex(&bytes);
    let parts = [2..10, 10..14, 14..18, 18..22, 22..34].map(|part| digits.get(part));
    parts.into_iter().collect::<Option<Vec<_>>>().map(|parts| parts.join("-"))
}

/// When days and microseconds are counted from.
const EPOCH: civil::Date = civil::date(2000, 1, 1);

fn date(days: i32) -> Option<String> {
    match days {
        i32::MAX => Some("infinity".to_owned()),
        i32::MIN => Some("-infinity".to_owned()),
        days => EPOCH.checked_add(i64::from(days).days()).ok().map(|date| date.to_string()),
    }
}

fn timestamp(microseconds: i64, zone: &str) -> Option<String> {
    match microseconds {
        i64::MAX => Some("infinity".to_owned()),
        i64::MIN => Some("-infinity".to_owned()),
        microseconds => {
            let time = EPOCH.to_datetime(civil::Time::midnight());
            let time = time.checked_add(SignedDuration::from_micros(microseconds)).ok()?;
            Some(format!("{} {}{zone}", time.date(), time.time()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_the_server_prints_them() {
        // As PostgreSQL 15 sends and prints them.
        for (type_oid, bytes, shown) in [
            (16, "01", "true"),
            (23, "fffffffe", "-2"),
            (20, "000000000000002a", "42"),
            (701, "3ff8000000000000", "1.5"),
            (1700, "0003000100000003000109291770", "12345.600"),
            (1700, "0003000100004003000109291770", "\\x0003000100004003000109291770"),
            (1700, "0001ffff400000020064", "-0.01"),
            (1700, "000000000000000200", "\\x000000000000000200"),
            (1700, "0000000000000002", "0.00"),
            (1700, "000100020000000000 01", "100000000"),
            (1700, "00000000c0000000", "NaN"),
            (1082, "00002589", "2026-04-23"),
            (1082, "7fffffff", "infinity"),
            (1114, "0000000000000000", "2000-01-01 00:00:00"),
            (1184, "000000000000000a", "2000-01-01 00:00:00.00001+00"),
            (2950, "00112233445566778899aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff"),
            (3802, "017b7d", "{}"),
            (1007, "000000010000000000000017000000020000000100000004000000010000000400000002", "{1,2}"),
            (1009, "00000001000000010000001900000003000000010000000161ffffffff00000003622c22", "{a,NULL,\"b,\\\"\"}"),
            (1007, "000000000000000000000017", "{}"),
            (25, "616200", "ab\0"),
            (0, "2a", "\\x2a"),
        ] {
            let bytes: String = bytes.split(' ').collect();
            let bytes: Vec<u8> =
                (0..bytes.len()).step_by(2).map(|at| u8::from_str_radix(&bytes[at..at + 2], 16).unwrap()).collect();
            assert_eq!(text(&bytes, type_oid, true), shown, "{type_oid}");
        }
        assert_eq!(text(b"x", 23, false), "x");
    }

    #[test]
    fn what_does_not_fit_its_type_is_shown_as_bytes() {
        for type_oid in [16, 20, 21, 23, 26, 700, 701, 1700, 1082, 1114, 1184, 2950, 3802, 1007, 1009, 1231] {
            for bytes in [&[][..], &[0xff; 3], &[0x7f; 40], &[0; 13]] {
                assert_eq!(text(bytes, type_oid, true), hex(bytes), "{type_oid} {bytes:?}");
            }
        }
    }

    #[test]
    fn a_large_binary_value_is_shown() {
        // Copied anew for each byte it would take a minute.
        assert_eq!(text(&[0x0f; 1 << 20], 0, true), format!("\\x{}", "0f".repeat(1 << 20)));
    }
}
