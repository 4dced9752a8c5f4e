//! What to do with each column of a result, decided once a shape and kept while the shape stays.

use super::{About, Expressions, source::Source};
use crate::upstream::Labels;
use std::{collections::HashSet, sync::Arc};
use weir_protocol::{Column, Shape};
use weir_shared::detect::Topic;

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
        /// The cell is JSON whatever it looks like.
        json: bool,
    },
    /// Look for values in its text; the cell becomes NULL when there is one, since its type takes no mask.
    Opaque,
    /// The same, for the text of a number.
    Number,
    /// Text form of bytes: look inside.
    Hex,
    /// The same, for the binary form of this type.
    Binary(u32),
}

/// Types that hold text (`pg_type.dat` of the server's source): char, name, text, bpchar, varchar, unknown, xml, cstring
pub(super) const TEXT: [u32; 8] = [18, 19, 25, 1042, 1043, 705, 142, 2275];
/// Types of which no value is anybody's, beside those that cannot hold one: oidvector, int2vector, macaddr, macaddr8, money,
/// bit, varbit, point, lseg, path, box, polygon, line, circle, tid, pg_lsn, xid8, snapshots; arrays of bool, int2, int4, oid, float4,
/// float8, date, time, timestamp, timestamptz, interval, uuid.
#[rustfmt::skip]
pub(super) const NOBODYS: [u32; 49] = [
    16, 21, 23, 26, 28, 29, 700, 701, 1082, 1083, 1114, 1184, 1186, 1266, 2278, 2950,
    30, 22, 829, 774, 790, 1560, 1562, 600, 601, 602, 603, 604, 628, 718, 27, 3220, 5069, 2970, 5038,
    1000, 1005, 1007, 1028, 1021, 1022, 1182, 1183, 1115, 1185, 1187, 2951, 1006, 1013,
];
/// `FirstNormalObjectId`: what has a smaller OID the server came with.
const FIRST_OF_USERS: u32 = 16_384;

/// What is known of one column.
#[derive(Clone, Copy, Debug)]
struct Place {
    treatment: Treatment,
    /// What its name says of its values.
    topic: Topic,
    /// Only secrets are looked for.
    secrets: bool,
    /// A cell was NULL in place of its value.
    nulled: bool,
}

/// The treatments of one shape.
#[derive(Debug, Default)]
pub struct Plan {
    made: bool,
    shape: Shape,
    risky: bool,
    uncertain: bool,
    clear: Arc<HashSet<(u32, i16)>>,
    source: Source,
    expressions: Arc<Expressions>,
    places: Vec<Place>,
    nothing: bool,
    otherwise: Option<Treatment>,
}

impl Plan {
    /// Makes the plan fit `shape`; cheap when it does already.
    pub fn prepare(&mut self, shape: &Shape, labels: &Labels, about: &About) {
        let same = self.risky == about.risky
            && self.uncertain == about.uncertain
            && Arc::ptr_eq(&self.clear, &about.clear)
            && self.expressions == about.expressions
            && (self.source.relations, self.source.others) == (about.source.relations, about.source.others);
        if self.made && self.shape.is(shape) && same {
            return;
        }
        self.made = true;
        self.shape = shape.clone();
        self.risky = about.risky;
        self.uncertain = about.uncertain;
        self.clear = Arc::clone(&about.clear);
        self.source = about.source.clone();
        self.expressions = Arc::clone(&about.expressions);
        let columns = shape.columns.as_deref().map(Vec::as_slice).unwrap_or_default();
        self.places.clear();
        for (index, column) in columns.iter().enumerate() {
            let hidden = about.risky && column.table == 0 && about.expressions.hide(index, columns.len());
            let treatment = treatment(column, shape.binary(index), labels, about, hidden);
            let topic = topic(column);
            let secrets = is_clear(column, about) || is_nobodys(column, topic, &about.source);
            // Of numbers a name makes nothing that is looked for, and their forms differ in what stands around them.
            let topic = if is_searched_by_name(column.type_oid) { topic } else { Topic::Unknown };
            self.places.push(Place { treatment, topic, secrets, nulled: false });
        }
        // Columns that nobody described: look at them, and where columns are labelled show nothing of them.
        self.otherwise = Some(match (labels.is_empty(), shape.binary(0)) {
            (false, _) => Treatment::Whole(None),
            (true, true) => Treatment::Binary(0),
            (true, false) => Treatment::Text { json: false },
        });
        self.nothing = shape.columns.is_some() && self.places.iter().all(|place| place.treatment == Treatment::Pass);
    }

    /// True when no cell of the shape needs a look.
    #[must_use]
    pub fn nothing(&self) -> bool {
        self.nothing
    }

    /// True when only secrets are looked for in the cell at `index`: it is of a labelled column that may be seen, or of
    /// one whose values are nobody's.
    #[must_use]
    pub fn secrets_only(&self, index: usize) -> bool {
        self.places.get(index).is_some_and(|place| place.secrets)
    }

    /// What the name of the column at `index` says.
    #[must_use]
    pub fn topic(&self, index: usize) -> Topic {
        self.places.get(index).map_or(Topic::Unknown, |place| place.topic)
    }

    /// Table and attribute of the column at `index`.
    #[must_use]
    pub fn number(&self, index: usize) -> Option<(u32, i16)> {
        let column = self.shape.columns.as_ref()?.get(index)?;
        Some((column.table, column.attribute))
    }

    /// A cell of the column at `index` became NULL: the column's name, the first time, where it is one of a table.
    pub fn nulled(&mut self, index: usize) -> Option<Box<str>> {
        let place = self.places.get_mut(index)?;
        let column = self.shape.columns.as_ref()?.get(index).filter(|column| column.table != 0)?;
        (!std::mem::replace(&mut place.nulled, true)).then(|| column.name.as_str().into())
    }

    /// For the cell at `index`.
    #[must_use]
    pub fn treatment(&self, index: usize) -> Treatment {
        self.places.get(index).map(|place| place.treatment).or(self.otherwise).unwrap_or(Treatment::Whole(None))
    }
}

/// Text, JSON, arrays of text, addresses.
fn is_searched_by_name(type_oid: u32) -> bool {
    TEXT.contains(&type_oid) || [114, 3802, 1002, 1003, 1009, 1014, 1015, 869, 650].contains(&type_oid)
}

fn topic(column: &Column) -> Topic {
    match column.type_oid {
        // inet, cidr
        869 | 650 => Topic::Address,
        _ => Topic::of(&column.name),
    }
}

/// Values that are no person's data, whatever they look like: keys, and what the server's catalogs say of itself.
fn is_nobodys(column: &Column, topic: Topic, source: &Source) -> bool {
    // text, bytea, anyarray
    const MAY_SHOW: [u32; 3] = [25, 17, 2277];
    let of_the_server = (1..FIRST_OF_USERS).contains(&column.table);
    match column.type_oid {
        20 => column.table != 0 || topic == Topic::Identifier || !source.relations,
        1700 => topic == Topic::Identifier || of_the_server,
        oid => of_the_server && !(source.others && MAY_SHOW.contains(&oid)),
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
        oid if NOBODYS.contains(&oid) => Treatment::Pass,
        _ if text => Treatment::Text { json: false },
        _ if json || jsonb => Treatment::Text { json: true },
        oid if binary => Treatment::Binary(oid),
        20 | 1700 => Treatment::Number,
        17 => Treatment::Hex,
        // Arrays, composites, enums, ranges, addresses: a mask in their text would be no value of theirs.
        _ => Treatment::Opaque,
    }
}
