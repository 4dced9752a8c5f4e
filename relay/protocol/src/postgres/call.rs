//! Function calls past SQL (documentation, "Function Call"): of those, large objects' have fixed meanings (`pg_proc.dat`), and
//! libpq knows no other way to them. Each is judged, shown and recorded as the SQL that calls the same.

use super::message::{HEADER, Reader, message};
use crate::{Column, Shape};
use bytes::{BufMut as _, Bytes};
use std::{
    fmt::Write as _,
    sync::{Arc, OnceLock},
};

const INT4: u32 = 23;
const INT8: u32 = 20;
const OID: u32 = 26;
const BYTEA: u32 = 17;

/// A function of large objects: its OID, name, and types of arguments and result.
struct Known(u32, &'static str, &'static [u32], u32);

const KNOWN: [Known; 13] = [
    Known(715, "lo_create", &[OID], OID),
    Known(952, "lo_open", &[OID, INT4], INT4),
    Known(953, "lo_close", &[INT4], INT4),
    Known(954, "loread", &[INT4, INT4], BYTEA),
    Known(955, "lowrite", &[INT4, BYTEA], INT4),
    Known(956, "lo_lseek", &[INT4, INT4, INT4], INT4),
    Known(957, "lo_creat", &[INT4], OID),
    Known(958, "lo_tell", &[INT4], INT4),
    Known(964, "lo_unlink", &[OID], INT4),
    Known(1004, "lo_truncate", &[INT4, INT4], INT4),
    Known(3170, "lo_lseek64", &[INT4, INT8, INT4], INT8),
    Known(3171, "lo_tell64", &[INT4], INT8),
    Known(3172, "lo_truncate64", &[INT4, INT8], INT4),
];

/// What a call does.
pub(super) struct Call {
    /// The SQL that does the same.
    pub(super) text: String,
    /// Its answer, as a row.
    pub(super) shape: Shape,
}

/// The call in a whole `FunctionCall` message; none when it is not one of these, or not in binary form.
pub(super) fn read(call: &Bytes) -> Option<Call> {
    let mut fields = Reader(call.get(HEADER..)?);
    let oid = fields.u32()?;
    let Known(_, name, arguments, result) = KNOWN.iter().find(|known| known.0 == oid)?;
    let formats = fields.u16()?;
    let binary = (0..formats).map(|_| fields.u16()).collect::<Option<Vec<_>>>()?;
    if !matches!(usize::from(formats), 1) && usize::from(formats) != arguments.len() || binary.iter().any(|of| *of != 1)
    {
        return None;
    }
    if usize::from(fields.u16()?) != arguments.len() {
        return None;
    }
    let mut text = format!("SELECT pg_catalog.{name}(");
    for (at, kind) in arguments.iter().enumerate() {
        let length = usize::try_from(fields.u32()?).ok()?;
        let value = fields.take(length)?;
        if at > 0 {
            text.push_str(", ");
        }
        match *kind {
            INT4 => write!(text, "{}", i32::from_be_bytes(value.try_into().ok()?)).ok()?,
            INT8 => write!(text, "{}", i64::from_be_bytes(value.try_into().ok()?)).ok()?,
            OID => write!(text, "{}", u32::from_be_bytes(value.try_into().ok()?)).ok()?,
            _ => {
                text.push_str("'\\x");
                value.iter().try_for_each(|byte| write!(text, "{byte:02x}")).ok()?;
                text.push('\'');
            }
        }
    }
    text.push(')');
    let in_binary = fields.u16()? == 1 && fields.0.is_empty();
    in_binary.then(|| Call { text, shape: shape(name, *result) })
}

fn shape(name: &str, type_oid: u32) -> Shape {
    static BINARY: OnceLock<Arc<Vec<bool>>> = OnceLock::new();
    let column = Column { name: name.to_owned(), table: 0, attribute: 0, type_oid };
    let formats = Arc::clone(BINARY.get_or_init(|| Arc::new(vec![true])));
    Shape { columns: Some(Arc::new(vec![column])), formats }
}

/// A whole `FunctionCallResponse` taken apart: all up to its value, and the value. None when it is malformed.
#[must_use]
pub fn answer(response: &Bytes) -> Option<(Bytes, Bytes)> {
    const HEAD: usize = HEADER + 4;
    let length = Reader(response.get(HEADER..)?).u32()?;
    let value = response.slice(HEAD..);
    let is_null = length == u32::MAX && value.is_empty();
    (is_null || usize::try_from(length) == Ok(value.len())).then(|| (response.slice(..HEAD), value))
}

/// It as a row of one cell, for the recording.
#[must_use]
pub fn as_row(response: &[u8]) -> Bytes {
    message(b'D', |out| {
        out.put_u16(1);
        out.put_slice(response.get(HEADER..).unwrap_or_default());
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;

    fn call(oid: u32, arguments: &[&[u8]], result: u16) -> Bytes {
        message(b'F', |out| {
            out.put_u32(oid);
            out.put_u16(1);
            out.put_u16(1);
            out.put_u16(arguments.len() as u16);
            for argument in arguments {
                out.put_u32(argument.len() as u32);
                out.put_slice(argument);
            }
            out.put_u16(result);
        })
    }

    #[test]
    fn calls_of_large_objects_are_sql() {
        let text = |message: &Bytes| read(message).map(|call| call.text);
        let (one, less) = (&1_i32.to_be_bytes()[..], &(-1_i32).to_be_bytes()[..]);
        assert_eq!(text(&call(954, &[one, less], 1)).as_deref(), Some("SELECT pg_catalog.loread(1, -1)"));
        assert_eq!(text(&call(955, &[one, b"a'\\"], 1)).as_deref(), Some("SELECT pg_catalog.lowrite(1, '\\x61275c')"));
        assert_eq!(text(&call(964, &[less], 1)).as_deref(), Some("SELECT pg_catalog.lo_unlink(4294967295)"));
        let far = 5_000_000_000_i64.to_be_bytes();
        assert_eq!(
            text(&call(3170, &[one, &far, one], 1)).as_deref(),
            Some("SELECT pg_catalog.lo_lseek64(1, 5000000000, 1)")
        );
        for other in [
            call(2100, &[one], 1),
            call(954, &[one], 1),
            call(954, &[one, one, one], 1),
            call(954, &[one, b"12345"], 1),
            call(954, &[one, one], 0),
        ] {
            assert_eq!(text(&other), None, "{other:?}");
        }
        let whole = call(954, &[one, one], 1);
        for end in 0..whole.len() {
            assert!(read(&whole.slice(..end)).is_none());
        }
        let mut longer = BytesMut::from(&whole[..]);
        longer.put_u8(0);
        assert!(read(&longer.freeze()).is_none());
    }

    #[test]
    fn an_answer_has_one_value() {
        let response = |value: &[u8]| message(b'V', |out| out.put_slice(value));
        for (value, expected) in [
            (&b"\0\0\0\x03abc"[..], Some(&b"abc"[..])),
            (b"\0\0\0\0", Some(b"")),
            (b"\xff\xff\xff\xff", Some(b"")),
            (b"\0\0\0\x04abc", None),
            (b"\xff\xff\xff\xffa", None),
            (b"\0\0", None),
        ] {
            let answer = answer(&response(value));
            assert_eq!(answer.map(|(_, value)| value).as_deref(), expected, "{value:?}");
        }
        assert_eq!(as_row(&response(b"\0\0\0\x01a"))[HEADER..], *b"\0\x01\0\0\0\x01a");
    }
}
