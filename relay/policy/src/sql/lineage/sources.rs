//! What values are made of.

/// Columns that a value is known to be made of; beyond, of anything.
const MOST_SOURCES: usize = 500;

/// A column as an expression names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The relation, as written (`schema.name` or `name`), where the text says which. A column of it, or a function that
    /// is called with its row.
    pub relation: Option<String>,
    /// The column; `*` for all of them or the whole row.
    pub column: String,
}

/// What a value is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Columns.
    pub columns: Vec<Source>,
    /// Anything: it could not be followed.
    pub anything: bool,
}

/// A value that is kept, or sent to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    /// The relation that keeps it; empty for what has no columns: a notification, a new table.
    pub relation: String,
    /// The column, where it is named.
    pub column: Option<String>,
    /// Its place among the relation's columns, where none is named.
    pub place: Option<usize>,
    /// What it is made of.
    pub sources: Sources,
    /// All columns of this relation are copied in their order.
    pub copy_of: Option<String>,
}

/// What becomes of values in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// Of each column of the answer, by position; none where positions are not known.
    pub outputs: Option<Vec<Sources>>,
    /// Of all of them.
    pub all: Sources,
    /// What is kept or sent on.
    pub stores: Vec<Store>,
    /// The answer is of what a name stands for: `FETCH`, `EXECUTE`.
    pub by_name: bool,
    /// The text was not understood.
    pub unknown: bool,
}

impl Lineage {
    /// Of what was not understood.
    #[must_use]
    pub fn unknown() -> Self {
        Self { all: Sources::anything(), unknown: true, ..Self::default() }
    }

    /// Of two texts of which either may run.
    pub(in crate::sql) fn joined(&self, other: &Self) -> Self {
        let stores = self.stores.iter().chain(&other.stores).cloned().collect();
        let unknown = self.unknown || other.unknown;
        Self { all: Sources::anything(), stores, unknown, ..Self::default() }
    }
}

impl Sources {
    pub(super) fn anything() -> Self {
        Self { anything: true, ..Self::default() }
    }

    pub(super) fn of(relation: Option<String>, column: &str) -> Self {
        Self { columns: vec![Source { relation, column: column.to_owned() }], anything: false }
    }

    /// True when it is made of no column.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty() && !self.anything
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.anything |= other.anything;
        for source in &other.columns {
            if self.columns.len() >= MOST_SOURCES {
                self.anything = true;
                return;
            }
            if !self.columns.contains(source) {
                self.columns.push(source.clone());
            }
        }
    }

    pub(super) fn and(mut self, other: &Self) -> Self {
        self.add(other);
        self
    }
}
