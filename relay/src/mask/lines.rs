//! Lines of COPY: in text or CSV, whose cells have no types, and rows in binary form.

use super::{About, Counts, Edit, LABEL, Masker, begin, binary, copy, decode_hex, fill, json};
use bytes::{Bytes, BytesMut};
use weir_protocol::postgres::rows;
use weir_shared::detect::Topic;

impl Masker {
    /// Whole messages of COPY data, one line each; `first` when none came before.
    pub fn copy(
        &mut self,
        bytes: Bytes,
        binary: bool,
        about: &About,
        first: bool,
        counts: &mut Counts,
    ) -> (Bytes, u64) {
        let mut out: Option<BytesMut> = None;
        let mut count = 0;
        self.look_for_known(&bytes);
        for message in rows::messages(&bytes) {
            let data = rows::copy_payload(message.bytes);
            let line =
                about.copy.as_ref().and_then(|plan| plan.line(data, first && count == 0)).map(|(line, masked)| {
                    (0..masked).for_each(|_| counts.add(LABEL));
                    line
                });
            count += 1;
            let from = line.as_deref().unwrap_or(data);
            let mut edited = std::mem::take(&mut self.copied);
            edited.clear();
            let masked = if binary {
                self.copy_fields(from, about, &mut edited, counts)
            } else {
                self.copy_cells(from, about, &mut edited, counts)
            };
            if masked || line.is_some() {
                let data = if masked { &edited } else { from };
                rows::put_copy(out.get_or_insert_with(|| begin(&bytes, message.start)), data);
            } else if let Some(out) = &mut out {
                out.extend_from_slice(message.bytes);
            }
            self.copied = edited;
        }
        self.nowhere();
        (out.map_or(bytes, BytesMut::freeze), count)
    }

    /// A line in text form, with masks in `out`; false when there is nothing to mask.
    fn copy_cells(&mut self, data: &[u8], about: &About, out: &mut Vec<u8>, counts: &mut Counts) -> bool {
        let format = &*about.source.copy;
        let (line, end) = match data.strip_suffix(b"\n") {
            Some(line) => (line, &b"\n"[..]),
            None => (data, &b""[..]),
        };
        // What was not changed yet is copied once something is.
        let (mut at, mut copied) = (0, None);
        for (index, cell) in copy::cells(line, format).enumerate() {
            let (from, to) = (at, at + cell.raw.len());
            at = to + 1;
            let Some(value) = cell.value(format) else { continue };
            self.at_copied(index, &value, about);
            let edit = self.copied_cell(&value, counts);
            if matches!(edit, Edit::Keep) {
                continue;
            }
            out.extend_from_slice(line.get(copied.unwrap_or(0)..from).unwrap_or_default());
            copied = Some(to);
            cell.put(if matches!(edit, Edit::Text) { Some(&self.edited) } else { None }, format, out);
        }
        let Some(copied) = copied else { return false };
        out.extend_from_slice(line.get(copied..).unwrap_or_default());
        out.extend_from_slice(end);
        true
    }

    /// What is known of a cell of COPY, whose type nobody says: a number whose name says it is a key is one, and what is made
    /// of no relation is nobody's.
    fn at_copied(&mut self, index: usize, value: &[u8], about: &About) {
        self.topic_here = about.source.topics.get(index).copied().unwrap_or_default();
        self.column_here = about.source.column(&self.masking, index);
        let key = self.topic_here == Topic::Identifier || !about.source.relations;
        self.secrets_here = key && !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    }

    fn copied_cell(&mut self, value: &[u8], counts: &mut Counts) -> Edit {
        if let Some(decoded) = decode_hex(value) {
            self.known_here = true;
            return self.null_if_found(&decoded, counts);
        }
        if !self.find(value) {
            return Edit::Keep;
        }
        let json = json::is_document(value);
        if !json && copy::may_be_typed(value) {
            return self.null_if(true, counts);
        }
        self.edit(value, json, counts)
    }

    /// The same for a row in binary form.
    fn copy_fields(&mut self, data: &[u8], about: &About, out: &mut Vec<u8>, counts: &mut Counts) -> bool {
        let Some((begin, fields)) = copy::binary_fields(data) else {
            // No row as it should be: looked at as it is, and its lengths stay.
            self.nowhere();
            out.extend_from_slice(data);
            let found = self.find(data);
            fill(out, &self.found, counts);
            return found;
        };
        out.extend_from_slice(data.get(..begin + 2).unwrap_or_default());
        let mut masked = false;
        for (index, field) in fields.into_iter().enumerate() {
            let edit = field.map_or(Edit::Keep, |field| {
                let number = binary::integer(field).unwrap_or_default();
                self.at_copied(index, number.as_bytes(), about);
                self.copied_field(field, counts)
            });
            masked |= !matches!(edit, Edit::Keep);
            let value = match edit {
                Edit::Keep => field,
                Edit::Text => Some(&*self.edited),
                Edit::Null | Edit::Whole(_) => None,
            };
            let length = value.map_or(u32::MAX, |value| u32::try_from(value.len()).unwrap_or(u32::MAX));
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(value.unwrap_or_default());
        }
        masked
    }

    fn copied_field(&mut self, field: &[u8], counts: &mut Counts) -> Edit {
        let jsonb = field.strip_prefix(b"\x01").is_some_and(json::is_document);
        let control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
        let text = std::str::from_utf8(field).is_ok() && !field.iter().any(control);
        if !jsonb && !text {
            let found = binary::any_type(field, &mut |text| self.find(text));
            return self.null_if(found, counts);
        }
        if !self.find(field) {
            return Edit::Keep;
        }
        self.edit(field, jsonb || json::is_document(field), counts)
    }
}
