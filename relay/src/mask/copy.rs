//! Lines of COPY: cells without types, in the text format or as CSV (documentation, "COPY", File Formats).

use super::plan::WHOLE;
use std::borrow::Cow;
use weir_policy::sql::CopyForm;

/// The bytes that begin a binary COPY; flags and the length of an extension follow.
const BINARY: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Which cells of a COPY's lines are labelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyPlan {
    form: CopyForm,
    labelled: Vec<bool>,
}

impl CopyPlan {
    /// None where a mask would not be a cell of such a line.
    #[must_use]
    pub fn new(form: CopyForm, labelled: Vec<bool>) -> Option<Self> {
        let mask = WHOLE.as_bytes();
        let clashes = mask.contains(&form.delimiter) || form.csv && mask.contains(&form.quote);
        (!clashes).then_some(Self { form, labelled })
    }

    /// A line with its labelled cells masked, and how many were; none when there are none. `first` is the statement's first.
    #[must_use]
    pub fn line(&self, data: &[u8], first: bool) -> Option<(Vec<u8>, u64)> {
        if first && self.form.header {
            return None;
        }
        let line = data.strip_suffix(b"\n").unwrap_or(data);
        let (mut out, mut masked) = (Vec::with_capacity(data.len()), 0);
        for (index, cell) in cells(line, &self.form).enumerate() {
            if index > 0 {
                out.push(self.form.delimiter);
            }
            // A cell too many is nobody's to see.
            if cell.raw == self.form.null || self.labelled.get(index) == Some(&false) {
                out.extend_from_slice(cell.raw);
            } else {
                out.extend_from_slice(WHOLE.as_bytes());
                masked += 1;
            }
        }
        out.extend_from_slice(data.get(line.len()..).unwrap_or_default());
        (masked > 0).then_some((out, masked))
    }
}

/// A cell as it stands in its line.
pub(super) struct Cell<'a> {
    pub(super) raw: &'a [u8],
    quoted: bool,
}

/// The cells of a line without its end.
pub(super) fn cells<'a>(line: &'a [u8], format: &CopyForm) -> impl Iterator<Item = Cell<'a>> {
    let (csv, delimiter, quote, escape) = (format.csv, format.delimiter, format.quote, format.escape);
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        let quoted = csv && text.first() == Some(&quote);
        let (mut at, mut inside) = (usize::from(quoted), quoted);
        while let Some(byte) = text.get(at) {
            match *byte {
                b'\\' if !csv => at += 1,
                byte if inside
                    && byte == escape
                    && text.get(at + 1).is_some_and(|next| [quote, escape].contains(next)) =>
                {
                    at += 1;
                }
                byte if csv && byte == quote => inside = !inside,
                byte if byte == delimiter && !inside => break,
                _ => {}
            }
            at += 1;
        }
        let raw = text.get(..at).unwrap_or(text);
        rest = text.get(at + 1..);
        Some(Cell { raw, quoted })
    })
}

impl<'a> Cell<'a> {
    /// Its value; none is NULL.
    pub(super) fn value(&self, format: &CopyForm) -> Option<Cow<'a, [u8]>> {
        if !self.quoted && self.raw == format.null.as_slice() {
            return None;
        }
        if !format.csv {
            return Some(unescape(self.raw));
        }
        if !self.quoted {
            return Some(Cow::Borrowed(self.raw));
        }
        let inner = self.raw.get(1..self.raw.len().max(2) - 1).unwrap_or_default();
        if !inner.contains(&format.quote) && !inner.contains(&format.escape) {
            return Some(Cow::Borrowed(inner));
        }
        let mut out = Vec::with_capacity(inner.len());
        let mut bytes = inner.iter().peekable();
        while let Some(byte) = bytes.next() {
            let next = bytes.peek().copied().filter(|next| [format.quote, format.escape].contains(next));
            out.push(if *byte == format.escape && next.is_some() { *bytes.next().unwrap_or(byte) } else { *byte });
        }
        Some(Cow::Owned(out))
    }

    /// Appends a value in this cell's place; none is NULL.
    pub(super) fn put(&self, value: Option<&[u8]>, format: &CopyForm, out: &mut Vec<u8>) {
        let Some(value) = value else { return out.extend_from_slice(format.null.as_slice()) };
        if !format.csv {
            return escape(value, format.delimiter, out);
        }
        let special = |byte: &u8| [format.quote, format.delimiter, b'\n', b'\r'].contains(byte);
        if !self.quoted && !value.iter().any(special) && value != format.null.as_slice() {
            return out.extend_from_slice(value);
        }
        out.push(format.quote);
        for byte in value {
            if [format.quote, format.escape].contains(byte) {
                out.push(format.escape);
            }
            out.push(*byte);
        }
        out.push(format.quote);
    }
}

/// The letters that stand for control characters behind a backslash.
const LETTERS: [(u8, u8); 6] = [(b'b', 8), (b'f', 12), (b'n', b'\n'), (b'r', b'\r'), (b't', b'\t'), (b'v', 11)];

fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        let next = if *byte == b'\\' { bytes.next() } else { None };
        let meant = |next: &u8| LETTERS.iter().find(|(letter, _)| letter == next).map_or(*next, |(_, byte)| *byte);
        out.push(next.map_or(*byte, meant));
    }
    Cow::Owned(out)
}

fn escape(value: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    for byte in value {
        match LETTERS.iter().find(|(_, control)| control == byte) {
            Some((letter, _)) => out.extend_from_slice(&[b'\\', *letter]),
            None if *byte == b'\\' || *byte == delimiter => out.extend_from_slice(&[b'\\', *byte]),
            None => out.push(*byte),
        }
    }
}

/// True when a value may be one of a type that takes no text: a number, an address, an array, or a range or record of
/// numbers. Those take NULL.
pub(super) fn may_be_typed(value: &[u8]) -> bool {
    let (first, last) = (value.first().copied().unwrap_or(0), value.last().copied().unwrap_or(0));
    let all = |marks: &[u8]| value.iter().all(|byte| byte.is_ascii_hexdigit() || marks.contains(byte));
    match (first, last) {
        (b'{', b'}') => true,
        (b'[' | b'(', b']' | b')') => all(b".:/,[]()\"+"),
        (b'-' | b'+' | b'0'..=b'9', _) if value.iter().skip(1).all(|byte| byte.is_ascii_digit() || *byte == b'.') => {
            true
        }
        _ => {
            value.contains(&b':') && all(b".:/")
                || value.iter().all(|byte| byte.is_ascii_digit() || b"./".contains(byte))
        }
    }
}

/// The fields of a row of a binary COPY, and where they begin; none is NULL. None at all when it is no row.
pub(super) fn binary_fields(data: &[u8]) -> Option<(usize, Vec<Option<&[u8]>>)> {
    let u32_at = |at: usize| data.get(at..at + 4).and_then(|field| field.try_into().ok()).map(u32::from_be_bytes);
    let mut at = 0;
    if data.starts_with(BINARY) {
        let extension = BINARY.len() + 4;
        at = extension + 4 + u32_at(extension)? as usize;
    }
    let begin = at;
    let count = data.get(at..at + 2).and_then(|field| field.try_into().ok()).map(u16::from_be_bytes)?;
    // No fields but the end of the data.
    if count == u16::MAX {
        return None;
    }
    at += 2;
    let mut fields = Vec::new();
    for _ in 0..count {
        let length = u32_at(at)?;
        at += 4;
        if length == u32::MAX {
            fields.push(None);
            continue;
        }
        fields.push(Some(data.get(at..at + length as usize)?));
        at += length as usize;
    }
    (at == data.len()).then_some((begin, fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(line: &str, format: &CopyForm) -> Vec<Option<String>> {
        let text = |value: Cow<'_, [u8]>| String::from_utf8(value.into_owned()).unwrap();
        cells(line.as_bytes(), format).map(|cell| cell.value(format).map(text)).collect()
    }

    fn again(line: &str, format: &CopyForm) -> String {
        let mut out = Vec::new();
        for (index, cell) in cells(line.as_bytes(), format).enumerate() {
            if index > 0 {
                out.push(format.delimiter);
            }
            cell.put(cell.value(format).as_deref(), format, &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_are_read_and_written_as_the_server_writes_them() {
        let text = CopyForm::default();
        let line = "1\ta\\tb\\\\c\t\\N\t\t\\\\N";
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(values(line, &text), [some("1"), some("a\tb\\c"), None, some(""), some("\\N")]);
        assert_eq!(again(line, &text), line);
        let csv = CopyForm::csv();
        let line = "1,\"a,\"\"b\"\"\nc\",,\"\",d";
        assert_eq!(values(line, &csv), [some("1"), some("a,\"b\"\nc"), None, some(""), some("d")]);
        assert_eq!(again(line, &csv), line);
        assert_eq!(values("", &text), [some("")]);
    }

    #[test]
    fn what_takes_no_text_is_known_by_its_form() {
        for (value, typed) in [
            ("4111111111111111", true),
            ("-4.5", true),
            ("81.2.69.142/16", true),
            ("2a00::1", true),
            ("{ada@example.com,x}", true),
            ("[4111111111111111,4111111111111112)", true),
            ("212-555-0187", false),
            ("ada@example.com", false),
            ("(212) 555-0187", false),
            ("", true),
        ] {
            assert_eq!(may_be_typed(value.as_bytes()), typed, "{value}");
        }
    }

    fn plan(csv: bool, delimiter: u8, null: &str, header: bool) -> CopyPlan {
        let form = CopyForm { csv, header, delimiter, null: null.into(), quote: b'"', escape: b'"' };
        CopyPlan::new(form, vec![false, true, false]).unwrap()
    }

    #[test]
    fn labelled_cells_are_masked_in_every_form() {
        let (text, csv) = (plan(false, b'\t', "\\N", false), plan(true, b',', "", true));
        let semicolons = plan(false, b';', "", false);
        for (plan, line, expected) in [
            (&text, "1\tsecret\tx\n", "1\t[masked]\tx\n"),
            (&text, "1\\\tb\tse\\\\\tx\n", "1\\\tb\t[masked]\tx\n"),
            (&text, "1\t\\N\tx\n", "1\t\\N\tx\n"),
            (&text, "1\tsecret\tx\tmore\n", "1\t[masked]\tx\t[masked]\n"),
            (&semicolons, "a\\;b;sec\\;ret;c\n", "a\\;b;[masked];c\n"),
            (&csv, "1,secret,x\n", "1,[masked],x\n"),
            (&csv, "\"a,\"\"b\n\",\"se,\"\"cr\net\",x\n", "\"a,\"\"b\n\",[masked],x\n"),
            (&csv, "1,,x\n", "1,,x\n"),
            (&csv, "1,\"\",x\n", "1,[masked],x\n"),
            (&csv, "1,\"unclosed,x\n", "1,[masked]\n"),
        ] {
            let masked = plan
                .line(line.as_bytes(), false)
                .map_or_else(|| line.to_owned(), |(line, _)| String::from_utf8(line).unwrap());
            assert_eq!(masked, expected, "{line}");
        }
        assert_eq!(csv.line(b"id,ssn,x\n", true), None, "names of columns are no values");
        assert!(text.line(b"id\tssn\tx\n", true).is_some());
    }

    #[test]
    fn a_form_in_which_the_mask_is_no_cell_is_no_plan() {
        let form = CopyForm { csv: false, header: false, delimiter: b'[', null: Vec::new(), quote: b'"', escape: b'"' };
        assert_eq!(CopyPlan::new(form.clone(), Vec::new()), None);
        assert_eq!(CopyPlan::new(CopyForm { csv: true, delimiter: b',', quote: b'm', ..form }, Vec::new()), None);
    }
}
