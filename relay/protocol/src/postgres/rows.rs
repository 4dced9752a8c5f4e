//! Cells of row messages and fields of error messages, for whoever masks and for whoever replays.

use super::message::{self, HEADER, Reader, peek};
use bytes::{BufMut, Bytes, BytesMut};
use std::fmt::Write as _;

/// Walks over whole messages that lie back to back.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    bytes: &'a [u8],
    offset: usize,
}

/// A message's place within its run.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Type byte.
    pub kind: u8,
    /// Where it begins in the run.
    pub start: usize,
    /// The whole message.
    pub bytes: &'a [u8],
}

/// The messages in `bytes`; stops at the first incomplete one.
#[must_use]
pub fn messages(bytes: &[u8]) -> Messages<'_> {
    Messages { bytes, offset: 0 }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let rest = self.bytes.get(self.offset..)?;
        let (kind, size) = peek(rest).ok()??;
        let message = Message { kind, start: self.offset, bytes: rest.get(..size)? };
        self.offset += size;
        Some(message)
    }
}

/// The cells of one `DataRow`.
#[derive(Clone)]
pub struct Cells<'a> {
    fields: Reader<'a>,
    left: u16,
}

/// The cells of a `DataRow`; none when it is too short to have a count.
#[must_use]
pub fn cells(message: &[u8]) -> Option<Cells<'_>> {
    let mut fields = Reader(message.get(HEADER..)?);
    let left = fields.u16()?;
    Some(Cells { fields, left })
}

/// A cell that its message has no bytes for.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

impl<'a> Iterator for Cells<'a> {
    /// None is NULL.
    type Item = Result<Option<&'a [u8]>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return if self.fields.0.is_empty() { None } else { self.stop() };
        }
        self.left -= 1;
        match self.fields.u32() {
            Some(u32::MAX) => Some(Ok(None)),
            Some(length) => match self.fields.take(length as usize) {
                Some(cell) => Some(Ok(Some(cell))),
                None => self.stop(),
            },
            None => self.stop(),
        }
    }
}

impl<'a> Cells<'a> {
    fn stop(&mut self) -> Option<Result<Option<&'a [u8]>, Malformed>> {
        self.fields.0 = &[];
        self.left = 0;
        Some(Err(Malformed))
    }
}

/// Where the first cell's length stands in a `DataRow`.
pub const FIRST_CELL: usize = HEADER + 2;

/// Appends a cell of a `DataRow`; none is NULL.
pub fn put_cell(out: &mut BytesMut, cell: Option<&[u8]>) {
    match cell {
        None => out.put_u32(u32::MAX),
        Some(bytes) => {
            out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            out.put_slice(bytes);
        }
    }
}

/// Writes the length of the message that begins at `start` and ends with `out`.
pub fn end_message(out: &mut BytesMut, start: usize) {
    let length = u32::try_from(out.len() - start - 1).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(start + 1..start + HEADER) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

/// Appends a `DataRow`; a cell of none is NULL.
pub fn put_row<'a>(out: &mut BytesMut, cells: impl ExactSizeIterator<Item = Option<&'a [u8]>>) {
    message::put(out, b'D', |out| {
        out.put_u16(u16::try_from(cells.len()).unwrap_or(u16::MAX));
        cells.for_each(|cell| put_cell(out, cell));
    });
}

/// Appends a `CopyData` message.
pub fn put_copy(out: &mut BytesMut, data: &[u8]) {
    message::put(out, b'd', |out| out.put_slice(data));
}

/// The payload of a `CopyData` message.
#[must_use]
pub fn copy_payload(message: &[u8]) -> &[u8] {
    message.get(HEADER..).unwrap_or_default()
}

/// Rewrites the text fields of an error, notice or notification. `edit` gets the field's type (for a notification
/// `b'P'` for the payload) and its text; none leaves it, an empty text drops the field.
#[must_use]
pub fn edit_text(bytes: &Bytes, mut edit: impl FnMut(u8, &[u8]) -> Option<Vec<u8>>) -> Option<Bytes> {
    let kind = *bytes.first()?;
    let mut fields = Reader(bytes.get(HEADER..)?);
    let (mut out, mut changed) = (BytesMut::with_capacity(bytes.len()), false);
    out.put_u8(kind);
    out.put_u32(0);
    if kind == b'A' {
        let (process, channel, payload) = (fields.u32()?, fields.cstr()?, fields.cstr()?);
        let edited = edit(b'P', payload);
        changed = edited.is_some();
        out.put_u32(process);
        out.put_slice(channel);
        out.put_u8(0);
        out.put_slice(edited.as_deref().unwrap_or(payload));
        out.put_u8(0);
    } else {
        loop {
            let field = fields.u8()?;
            out.put_u8(field);
            if field == 0 {
                break;
            }
            let text = fields.cstr()?;
            let edited = edit(field, text);
            changed |= edited.is_some();
            match edited.as_deref().unwrap_or(text) {
                [] => out.truncate(out.len() - 1),
                text => {
                    out.put_slice(text);
                    out.put_u8(0);
                }
            }
        }
    }
    end_message(&mut out, 0);
    changed.then(|| out.freeze())
}

/// The fields of an error or notice: kind and value.
pub fn error_fields(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut fields = Reader(bytes.get(HEADER..).unwrap_or_default());
    std::iter::from_fn(move || match fields.u8()? {
        0 => None,
        field => Some((field, fields.cstr()?)),
    })
}

/// The error after which the server says nothing more.
pub(super) fn ends_the_session(bytes: &[u8]) -> bool {
    // The severity that no locale translates; servers have it since 9.6.
    error_fields(bytes).any(|(field, value)| field == b'V' && matches!(value, b"FATAL" | b"PANIC"))
}

/// SQLSTATE and message of an error, for the recording.
#[must_use]
pub fn error_summary(bytes: &[u8]) -> String {
    let (mut code, mut text) = (String::new(), String::new());
    for (field, value) in error_fields(bytes) {
        match field {
            b'C' => code = String::from_utf8_lossy(value).into_owned(),
            b'M' => text = String::from_utf8_lossy(value).into_owned(),
            _ => {}
        }
    }
    let mut summary = code;
    let _ = write!(summary, " {text}");
    summary
}
