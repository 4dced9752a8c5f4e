//! What a COPY to the client looks like: its options as the grammar has them, in the old syntax and the new.

use super::tree::{Node, Tree};

/// Lines that can be taken apart into cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyForm {
    /// Cells may stand between quotes, where delimiters and line ends are none.
    pub csv: bool,
    /// The first line has the columns' names.
    pub header: bool,
    /// Between cells.
    pub delimiter: u8,
    /// What stands for NULL.
    pub null: Vec<u8>,
    /// Around a cell, in CSV.
    pub quote: u8,
    /// Before a quote inside of quotes, in CSV.
    pub escape: u8,
}

impl Default for CopyForm {
    fn default() -> Self {
        Self { csv: false, header: false, delimiter: b'\t', null: b"\\N".to_vec(), quote: b'"', escape: b'"' }
    }
}

impl CopyForm {
    /// CSV without further options.
    #[must_use]
    pub fn csv() -> Self {
        Self { csv: true, delimiter: b',', null: Vec::new(), ..Self::default() }
    }
}

/// The form of a COPY's lines; none for the binary format, another encoding and what is not known here.
pub(super) fn form(copy: &Node) -> Option<CopyForm> {
    let options = || copy.list("options").iter().filter_map(Tree::as_node);
    let value = |name: &str| options().find(|option| option.text("defname") == name).map(|option| option.field("arg"));
    let csv = match value("format").map(Tree::as_text) {
        None | Some("text") => false,
        Some("csv") => true,
        Some(_) => return None,
    };
    let byte = |name: &str, default: u8| match value(name).map(|value| value.as_text().as_bytes()) {
        None => Some(default),
        Some(&[byte]) => Some(byte),
        Some(_) => None,
    };
    let quote = byte("quote", b'"')?;
    let default_null: &[u8] = if csv { b"" } else { b"\\N" };
    let form = CopyForm {
        csv,
        header: value("header").is_some_and(is_on),
        delimiter: byte("delimiter", if csv { b',' } else { b'\t' })?,
        null: value("null").map_or(default_null, |null| null.as_text().as_bytes()).to_vec(),
        quote,
        escape: byte("escape", quote)?,
    };
    let known = |option: &Node| match option.text("defname") {
        "format" | "header" | "delimiter" | "null" | "quote" | "escape" | "force_quote" | "freeze" => true,
        "encoding" => {
            matches!(option.field("arg").as_text().to_ascii_lowercase().as_str(), "utf8" | "utf-8" | "unicode")
        }
        _ => false,
    };
    options().all(known).then_some(form)
}

/// An option without a value is on; so is what the server would refuse.
fn is_on(value: &Tree) -> bool {
    let Some(node) = value.as_node() else { return true };
    match node.name {
        "Integer" => node.has("ival"),
        "Boolean" => node.has("boolval"),
        _ => !matches!(value.as_text().to_ascii_lowercase().as_str(), "false" | "off"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts;
    use super::*;

    fn text() -> CopyForm {
        CopyForm { csv: false, header: false, delimiter: b'\t', null: b"\\N".to_vec(), quote: b'"', escape: b'"' }
    }

    fn csv() -> CopyForm {
        CopyForm { csv: true, delimiter: b',', null: Vec::new(), ..text() }
    }

    #[test]
    fn options_are_what_the_grammar_says() {
        for (options, expected) in [
            ("", Some(text())),
            ("(FORMAT text)", Some(text())),
            ("(FORMAT \"text\", HEADER)", Some(CopyForm { header: true, ..text() })),
            ("WITH CSV", Some(csv())),
            ("CSV HEADER", Some(CopyForm { header: true, ..csv() })),
            ("(FORMAT csv, HEADER true, FORCE_QUOTE *)", Some(CopyForm { header: true, ..csv() })),
            ("(FORMAT csv, HEADER off)", Some(csv())),
            ("(FORMAT 'csv', HEADER 0, ENCODING 'UTF8')", Some(csv())),
            ("(DELIMITER ';', NULL 'none')", Some(CopyForm { delimiter: b';', null: b"none".to_vec(), ..text() })),
            ("DELIMITER AS '|' NULL AS ''", Some(CopyForm { delimiter: b'|', null: Vec::new(), ..text() })),
            ("(FORMAT csv, QUOTE '''', ESCAPE E'\\\\')", Some(CopyForm { quote: b'\'', escape: b'\\', ..csv() })),
            ("(FORMAT binary)", None),
            ("BINARY", None),
            ("(FORMAT csv, ENCODING 'SJIS')", None),
            ("(FORMAT json)", None),
            ("(NEW_OPTION)", None),
        ] {
            assert_eq!(facts(&format!("COPY t (a) TO STDOUT {options}")).copy_form, expected, "{options}");
        }
        assert_eq!(facts("COPY BINARY t (a) TO STDOUT").copy_form, None);
        assert_eq!(facts("COPY (SELECT 'csv binary') TO STDOUT").copy_form, Some(text()));
        assert_eq!(facts("COPY t (a) TO STDOUT; SELECT 1").copy_form, None);
        assert_eq!(facts("COPY t FROM STDIN").copy_form, None);
    }
}
