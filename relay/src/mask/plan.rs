//! What to do with each column of a result, decided once a shape and kept while the shape stays.

use super::{About, Expressions};
use crate::upstream::Labels;
use std::{collections::HashSet, sync::Arc};
use weir_protocol::{Column, Shape};

/// What stands for a value that is masked whole.
pub const WHOLE: &str = "[masked]";

/// What to do with a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Its type cannot hold a value that is looked for.
    Pass,
    /// Mask all of it: with this text, or NULL where the type has no text.
    Whole(Option<&'static str>),
    /// Look for values and replace them.
    Text {
        /// The cell is JSON.
        json: bool,
    },
    /// Look for values; the cell becomes NULL when there is one, since its format cannot carry a mask.
    Opaque,
    /// The same, for the text of a number.
    Number,
    /// Text form of bytes: look inside.
    Hex,
    /// Binary eight-byte integer.
    Integer,
}

/// The treatments of one shape.
#[derive(Debug, Default)]
pub struct Plan {
    made: bool,
    shape: Shape,
    risky: bool,
    uncertain: bool,
    clear: Arc<HashSet<(u32, i16)>>,
    expressions: Arc<Expressions>,
    treatments: Vec<Treatment>,
    /// Columns that are labelled, and may be seen.
    seen: Vec<bool>,
    nothing: bool,
    otherwise: Option<Treatment>,
}

impl Plan {
    /// Makes the plan fit `shape`; cheap when it does already.
    pub fn prepare(&mut self, shape: &Shape, labels: &Labels, about: &About) {
        let same = self.risky == about.risky
            && self.uncertain == about.uncertain
            && Arc::ptr_eq(&self.clear, &about.clear)
            && self.expressions == about.expressions;
        if self.made && self.shape.is(shape) && same {
            return;
        }
        self.made = true;
        self.shape = shape.clone();
        self.risky = about.risky;
        self.uncertain = about.uncertain;
        self.clear = Arc::clone(&about.clear);
        self.expressions = Arc::clone(&about.expressions);
        let columns = shape.columns.as_deref().map(Vec::as_slice).unwrap_or_default();
        self.treatments.clear();
        self.seen.clear();
        for (index, column) in columns.iter().enumerate() {
            self.seen.push(is_clear(column, about));
            let hidden = about.risky && column.table == 0 && about.expressions.hide(index, columns.len());
            self.treatments.push(treatment(column, shape.binary(index), labels, about, hidden));
        }
        // Columns that nobody described: look at them, and where columns are labelled show nothing of them.
        self.otherwise = Some(match (labels.is_empty(), shape.binary(0)) {
            (false, _) => Treatment::Whole(None),
            (true, true) => Treatment::Opaque,
            (true, false) => Treatment::Text { json: false },
        });
        self.nothing = shape.columns.is_some() && self.treatments.iter().all(|t| *t == Treatment::Pass);
    }

    /// True when no cell of the shape needs a look.
    #[must_use]
    pub fn nothing(&self) -> bool {
        self.nothing
    }

    /// True when the cell at `index` is of a labelled column that may be seen.
    #[must_use]
    pub fn is_clear(&self, index: usize) -> bool {
        self.seen.get(index).copied().unwrap_or(false)
    }

    /// For the cell at `index`.
    #[must_use]
    pub fn treatment(&self, index: usize) -> Treatment {
        self.treatments.get(index).copied().or(self.otherwise).unwrap_or(Treatment::Whole(None))
    }
}

/// True for a column that a mask's text may stand in.
pub(super) fn is_text(column: &Column) -> bool {
    // char, name, text, bpchar, varchar, unknown, xml, cstring
    const TEXT: [u32; 8] = [18, 19, 25, 1042, 1043, 705, 142, 2275];
    TEXT.contains(&column.type_oid)
}

/// What may have changed its number since is nobody's to see.
fn is_clear(column: &Column, about: &About) -> bool {
    !about.uncertain && about.clear.contains(&(column.table, column.attribute))
}

/// By type OID (`pg_type.dat` of the server's source). No type says that an expression shows nothing labelled, which is then
/// `hidden`: a cast makes one of any.
fn treatment(column: &Column, binary: bool, labels: &Labels, about: &About, hidden: bool) -> Treatment {
    // bool, int2, int4, oid, float4/8, date, time, timestamp(tz), interval, timetz, xid, cid, uuid
    const CANNOT_HOLD: [u32; 16] = [16, 21, 23, 26, 28, 29, 700, 701, 1082, 1083, 1114, 1184, 1186, 1266, 2278, 2950];
    let (json, jsonb) = (column.type_oid == 114, column.type_oid == 3802);
    let text = is_text(column);
    let number = (column.table, column.attribute);
    let labelled = hidden
        || (labels.numbers.contains(&number) && !is_clear(column, about))
        // The whole row of a labelled table.
        || (column.attribute == 0 && labels.tables.contains(&column.table))
        // What is made of one by rules, and what may have been made since, shows anything in any column.
        || labels.rules.contains(&column.table)
        || (about.uncertain
            && column.table != 0
            && !labels.others.contains(&column.table)
            && !labels.tables.contains(&column.table));
    if labelled {
        return Treatment::Whole(match (text, json, jsonb, binary) {
            (true, ..) => Some(WHOLE),
            (_, true, ..) | (_, _, true, false) => Some("\"[masked]\""),
            (_, _, true, true) => Some("\u{1}\"[masked]\""),
            _ => None,
        });
    }
    match column.type_oid {
        oid if CANNOT_HOLD.contains(&oid) => Treatment::Pass,
        20 if binary => Treatment::Integer,
        20 | 1700 if !binary => Treatment::Number,
        1700 | 790 => Treatment::Opaque,
        17 if !binary => Treatment::Hex,
        _ if text => Treatment::Text { json: false },
        // The version byte of binary jsonb is no character of a value.
        _ if json || jsonb => Treatment::Text { json: true },
        _ if binary => Treatment::Opaque,
        // Arrays, composites, enums, ranges and domains in text form.
        _ => Treatment::Text { json: false },
    }
}
