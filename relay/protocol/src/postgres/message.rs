//! Framing of PostgreSQL messages (documentation chapter "Message Formats"): a type byte, a big-endian length that
//! counts itself, a payload.

use bytes::{BufMut, Bytes, BytesMut};

/// Type byte and length.
pub(crate) const HEADER: usize = 5;
/// The server refuses messages from here on (`PQ_LARGE_MESSAGE_LIMIT`), and so does weir, in both directions.
pub(crate) const LARGEST: usize = 0x3fff_ffff;
/// A message that is to be looked at whole may be this large; larger ones stream.
pub(crate) const WHOLE: usize = 256 * 1024;

/// A length field that cannot be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadLength;

/// The type and total size (header included) of the message at the front; none when fewer than five bytes are there.
pub(crate) fn peek(input: &[u8]) -> Result<Option<(u8, usize)>, BadLength> {
    let [kind, a, b, c, d, ..] = *input else { return Ok(None) };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if (4..=LARGEST).contains(&length) { Ok(Some((kind, length + 1))) } else { Err(BadLength) }
}

/// Reads fields off a payload; every read fails when the payload is too short.
#[derive(Clone)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        let (first, rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*first))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*first))
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first)
    }

    /// A NUL-terminated string without its NUL.
    pub(crate) fn cstr(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.0)?;
        let text = self.take(end)?;
        self.u8()?;
        Some(text)
    }

    /// The same, as UTF-8.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.cstr()?).ok()
    }
}

/// Appends a message whose payload `fill` writes.
pub(crate) fn put(out: &mut BytesMut, kind: u8, fill: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u8(kind);
    out.put_u32(0);
    fill(out);
    super::rows::end_message(out, start);
}

/// Appends text and its NUL; NUL bytes inside are dropped.
pub(crate) fn put_cstr(out: &mut BytesMut, text: &str) {
    out.extend(text.bytes().filter(|b| *b != 0));
    out.put_u8(0);
}

/// One message.
pub(crate) fn message(kind: u8, fill: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    put(&mut out, kind, fill);
    out.freeze()
}
