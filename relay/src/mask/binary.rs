//! Values in binary form, read as far as it takes to search them as their text would be: whoever asks for the binary form
//! sees neither more nor less.

use super::plan::{NOBODYS, TEXT};
use std::{
    fmt::Write as _,
    net::{Ipv4Addr, Ipv6Addr},
};

/// Arrays of records of arrays...
const DEEPEST: usize = 8;
/// Nothing shorter in a number is personal.
const SHORTEST_NUMBER: i64 = 1_000_000_000_000;
/// Ranges, and what they are of; multiranges, and what those are of.
const RANGES: [(u32, u32); 6] = [(3904, 23), (3906, 1700), (3908, 1114), (3910, 1184), (3912, 1082), (3926, 20)];
const MULTIRANGES: [(u32, u32); 6] =
    [(4451, 3904), (4532, 3906), (4533, 3908), (4534, 3910), (4535, 3912), (4536, 3926)];

/// True when `see` is for one of the texts that a value of this type is made of.
pub(super) fn any(oid: u32, bytes: &[u8], see: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    at_depth(oid, bytes, see, 0)
}

fn at_depth(oid: u32, bytes: &[u8], see: &mut dyn FnMut(&[u8]) -> bool, depth: usize) -> bool {
    let of = |list: &[(u32, u32)]| list.iter().find(|(of, _)| *of == oid).map(|(_, inner)| *inner);
    let mut parts = |oid: u32, parts: &[&[u8]]| parts.iter().any(|part| at_depth(oid, part, see, depth + 1));
    if depth > DEEPEST {
        return see(bytes);
    }
    match oid {
        20 => integer(bytes).is_some_and(|number| see(number.as_bytes())),
        1700 => numeric(bytes).is_some_and(|number| see(number.as_bytes())),
        650 | 869 => network(bytes).is_some_and(|address| see(address.as_bytes())),
        // The version byte is no character of a value.
        3802 => see(bytes.get(1..).unwrap_or_default()),
        _ if TEXT.contains(&oid) || matches!(oid, 17 | 114) => see(bytes),
        _ if NOBODYS.contains(&oid) => false,
        _ => {
            if let Some((inner, bounds)) = of(&RANGES).zip(range(bytes)) {
                return parts(inner, &bounds);
            }
            if let Some((inner, ranges)) = of(&MULTIRANGES).zip(multirange(bytes)) {
                return parts(inner, &ranges);
            }
            if let Some((inner, elements)) = array(bytes) {
                return parts(inner, &elements);
            }
            match record(bytes) {
                Some(fields) => fields.iter().any(|(oid, field)| at_depth(*oid, field, see, depth + 1)),
                None => see(bytes),
            }
        }
    }
}

/// A field of binary COPY, whose type nobody says: what it would be as any of the types whose text holds no value as it
/// stands in the bytes.
pub(super) fn any_type(bytes: &[u8], see: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    let number =
        integer(bytes).filter(|number| number.len() <= 16).or_else(|| numeric(bytes)).or_else(|| network(bytes));
    number.is_some_and(|text| see(text.as_bytes()))
        || range(bytes).is_some_and(|bounds| {
            bounds.iter().any(|bound| [20, 1700].into_iter().any(|oid| at_depth(oid, bound, see, 1)))
        })
        || at_depth(0, bytes, see, 0)
}

/// The text of an eight-byte integer that is long enough to be looked at.
pub(super) fn integer(bytes: &[u8]) -> Option<String> {
    let value = i64::from_be_bytes(bytes.try_into().ok()?);
    (value >= SHORTEST_NUMBER).then(|| value.to_string())
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// A value behind its length; the inner none is NULL.
    fn value(&mut self) -> Option<Option<&'a [u8]>> {
        match self.u32()? {
            u32::MAX => Some(None),
            length => self.take(length as usize).map(Some),
        }
    }

    /// So many of them, and no more bytes.
    fn values(mut self, count: usize) -> Option<Vec<&'a [u8]>> {
        // Each has its length.
        if count > self.0.len() / 4 {
            return None;
        }
        let values = (0..count).map(|_| self.value()).collect::<Option<Vec<_>>>()?;
        self.0.is_empty().then(|| values.into_iter().flatten().collect())
    }
}

/// The elements and their type (`array_send`).
fn array(bytes: &[u8]) -> Option<(u32, Vec<&[u8]>)> {
    let mut fields = Fields(bytes);
    let (dimensions, flags, oid) = (fields.u32()?, fields.u32()?, fields.u32()?);
    if !(1..=6).contains(&dimensions) || flags > 1 {
        return None;
    }
    let mut count = 1_usize;
    for _ in 0..dimensions {
        let (length, _lower) = (fields.u32()?, fields.u32()?);
        count = count.checked_mul(length as usize)?;
    }
    Some((oid, fields.values(count)?))
}

/// The fields with their types (`record_send`).
fn record(bytes: &[u8]) -> Option<Vec<(u32, &[u8])>> {
    let mut fields = Fields(bytes);
    let count = fields.u32().filter(|count| (1..=1664).contains(count))?;
    let mut found = Vec::new();
    for _ in 0..count {
        let (oid, value) = (fields.u32()?, fields.value()?);
        found.extend(value.map(|value| (oid, value)));
    }
    fields.0.is_empty().then_some(found)
}

/// The bounds (`range_send`): flags say which there are.
fn range(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (flags, bounds) = bytes.split_first()?;
    if *flags > 0x1f {
        return None;
    }
    let infinite = usize::from(flags & 0x08 != 0) + usize::from(flags & 0x10 != 0);
    Fields(bounds).values(if flags & 1 != 0 { 0 } else { 2 - infinite })
}

fn multirange(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Fields(bytes);
    let count = fields.u32()?;
    fields.values(count as usize)
}

/// The text of a number (`numeric_send`): groups of four digits, the weight of the first, sign, digits behind the point.
fn numeric(bytes: &[u8]) -> Option<String> {
    let mut fields = Fields(bytes);
    let (count, weight, sign, scale) = (fields.u16()?, fields.u16()?.cast_signed(), fields.u16()?, fields.u16()?);
    // Not a number, infinite, or with more digits than anything that is looked for.
    if !matches!(sign, 0 | 0x4000)
        || fields.0.len() != usize::from(count) * 2
        || !(0..64).contains(&weight)
        || scale > 64
    {
        return None;
    }
    let mut digits =
        fields.0.chunks_exact(2).map(|pair| pair.iter().fold(0_u16, |sum, byte| sum << 8 | u16::from(*byte)));
    let mut text = String::new();
    for _ in 0..=weight {
        let _ = write!(text, "{:04}", digits.next().unwrap_or(0));
    }
    let whole = text.trim_start_matches('0');
    let mut out = if sign == 0 { String::new() } else { "-".to_owned() };
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let mut fraction = String::new();
        digits.for_each(|group| {
            let _ = write!(fraction, "{group:04}");
        });
        let _ = write!(out, ".{:0<1$.1$}", fraction, usize::from(scale));
    }
    Some(out)
}

/// The text of an address (`inet_send`): family, bits, whether it is a network, length, address.
fn network(bytes: &[u8]) -> Option<String> {
    match *bytes {
        [2, 0..=32, 0 | 1, 4, a, b, c, d] => Some(Ipv4Addr::new(a, b, c, d).to_string()),
        [3, 0..=128, 0 | 1, 16, ref address @ ..] => {
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?).to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(oid: u32, bytes: &[u8]) -> Vec<String> {
        let mut seen = Vec::new();
        any(oid, bytes, &mut |text| {
            seen.push(String::from_utf8_lossy(text).into_owned());
            false
        });
        seen
    }

    fn value(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
    }

    /// 4111111111111111 and a fraction of 50.
    const NUMERIC: &[u8] = &[0, 5, 0, 3, 0, 0, 0, 2, 16, 15, 4, 87, 4, 87, 4, 87, 19, 136];

    #[test]
    fn values_are_read_as_their_text() {
        let card = 4_111_111_111_111_111_i64.to_be_bytes();
        assert_eq!(texts(20, &card), ["4111111111111111"]);
        assert_eq!(texts(1700, NUMERIC), ["4111111111111111.50"]);
        assert_eq!(texts(869, &[2, 32, 0, 4, 81, 2, 69, 142]), ["81.2.69.142"]);
        let array =
            [&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 2, 0, 0, 0, 1][..], &value(&card), &[255; 4]].concat();
        assert_eq!(texts(1016, &array), ["4111111111111111"]);
        let range = [&[2][..], &value(&card), &value(&card)].concat();
        assert_eq!(texts(3926, &range), ["4111111111111111"; 2]);
        let multirange = [&[0, 0, 0, 1][..], &value(&range)].concat();
        assert_eq!(texts(4536, &multirange), ["4111111111111111"; 2]);
        let record = [&[0, 0, 0, 2, 0, 0, 0, 25][..], &value(b"ada"), &[0, 0, 3, 248], &value(&array)].concat();
        assert_eq!(texts(2249, &record), ["ada", "4111111111111111"]);
        assert_eq!(texts(70_000, &record), ["ada", "4111111111111111"]);
        assert_eq!(texts(70_000, b"\x01ada"), ["\u{1}ada"]);
        assert_eq!(texts(1114, &card), [""; 0]);
    }

    #[test]
    fn lengths_that_lie_are_not_followed() {
        for bytes in
            [&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 20, 255, 255, 255, 255, 0, 0, 0, 1][..], &[0, 0, 6, 128], &[255; 40]]
        {
            assert_eq!(texts(1016, bytes).len(), 1, "{bytes:?}");
        }
        assert_eq!(numeric(&[0, 9, 0, 3, 0, 0, 0, 2]), None);
    }
}
