//! How the lines of a COPY TO STDOUT are written: its options, as far as they decide where a cell begins and ends.

use super::tree::{Node, Tree};

/// The form of a COPY's lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyFormat {
    /// CSV; else the text format.
    pub csv: bool,
    /// Between cells.
    pub delimiter: u8,
    /// Around cells, in CSV.
    pub quote: u8,
    /// Before what is quoted, in CSV.
    pub escape: u8,
    /// What stands for NULL.
    pub null: String,
}

impl Default for CopyFormat {
    fn default() -> Self {
        Self { csv: false, delimiter: b'\t', quote: b'"', escape: b'"', null: "\\N".to_owned() }
    }
}

impl CopyFormat {
    /// CSV without further options.
    #[must_use]
    pub fn csv() -> Self {
        Self { csv: true, delimiter: b',', null: String::new(), ..Self::default() }
    }
}

/// The form that a `CopyStmt` asks for. The server refuses what is not one byte.
pub(super) fn format_of(copy: &Node) -> CopyFormat {
    let options = || copy.list("options").iter().filter_map(Tree::as_node);
    let text = |name: &str| {
        options().find(|option| option.text("defname") == name).map(|option| option.field("arg").as_text())
    };
    let csv = text("format").is_some_and(|format| format.eq_ignore_ascii_case("csv"));
    let default = if csv { CopyFormat::csv() } else { CopyFormat::default() };
    let byte = |name: &str| text(name).and_then(|text| text.as_bytes().first().copied());
    let quote = byte("quote").unwrap_or(default.quote);
    CopyFormat {
        csv,
        delimiter: byte("delimiter").unwrap_or(default.delimiter),
        quote,
        escape: byte("escape").unwrap_or(quote),
        null: text("null").map_or(default.null, str::to_owned),
    }
}
