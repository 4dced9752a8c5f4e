//! Lines of COPY: labelled cells are masked whole, in the form that the statement asked for.

use super::plan::WHOLE;
use weir_policy::sql::CopyForm;

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
        for (index, cell) in self.cells(line).enumerate() {
            if index > 0 {
                out.push(self.form.delimiter);
            }
            // A cell too many is nobody's to see.
            if cell == self.form.null || self.labelled.get(index) == Some(&false) {
                out.extend_from_slice(cell);
            } else {
                out.extend_from_slice(WHOLE.as_bytes());
                masked += 1;
            }
        }
        out.extend_from_slice(data.get(line.len()..).unwrap_or_default());
        (masked > 0).then_some((out, masked))
    }

    fn cells<'a>(&'a self, line: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = Some(line);
        std::iter::from_fn(move || {
            let from = rest?;
            let end = self.end(from);
            rest = from.get(end + 1..);
            from.get(..end)
        })
    }

    /// Where the first cell ends.
    fn end(&self, from: &[u8]) -> usize {
        let CopyForm { csv, delimiter, quote, escape, .. } = self.form;
        let (mut at, mut quoted) = (0, false);
        while let Some(&byte) = from.get(at) {
            let next = from.get(at + 1);
            match byte {
                // What follows is no delimiter, whatever it is.
                b'\\' if !csv => at += 1,
                _ if quoted && byte == escape && next.is_some_and(|next| *next == quote || *next == escape) => at += 1,
                _ if csv && byte == quote => quoted = !quoted,
                _ if byte == delimiter && !quoted => return at,
                _ => {}
            }
            at += 1;
        }
        from.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
