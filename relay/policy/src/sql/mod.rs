//! Facts about SQL, read from PostgreSQL's own grammar: [`facts`] parses a text and says what it needs and touches.
//! What cannot be parsed, and what nobody named here, takes the most dangerous class.

mod cache;
mod condition;
mod copy;
mod exposure;
mod function;
mod lineage;
mod names;
mod operator;
mod parse;
mod planning;
mod resolve;
mod secret;
mod setting;
mod standing;
mod statement;
mod template;
mod tree;
mod walk;
mod written;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;

pub use cache::FactsCache;
pub use copy::CopyForm;
pub use exposure::Exposure;
pub use function::Volatility;
pub use lineage::{Lineage, Source, Sources, Store};
pub use names::{FieldName, FunctionName, Name, Names, Origin, RelationName};
pub use parse::is_quick;
pub use planning::{PlannedRelation, Planning, planning};
pub use resolve::{Answer, FoundFunction, FoundRelation, Own, Resolved, resolve};
pub use secret::is_secret_setting;
pub use setting::{is_custom, setting};
pub use standing::{PathChange, Prepared, list as name_list};
pub use written::Written;

use std::{collections::BTreeSet, sync::Arc};

/// The class of a statement: the policy action it needs. Ordered by danger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Transaction control, SET of harmless parameters, SHOW, LISTEN...: needs only `connect`.
    #[default]
    Session,
    /// `sql.read`
    Read,
    /// `sql.write`
    Write,
    /// `sql.ddl`
    Ddl,
    /// `sql.admin`; also everything that cannot be parsed.
    Admin,
}

impl Class {
    /// As it stands in policy and recordings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Read => "read",
            Self::Write => "write",
            Self::Ddl => "ddl",
            Self::Admin => "admin",
        }
    }
}

/// What is known of one request's text (one or more statements).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The most dangerous class of its statements. As long as its names are not resolved ([`resolve`]), what they may mean
    /// is in it at its worst.
    pub class: Class,
    /// The class whatever its names mean.
    pub certain: Class,
    /// Why that.
    pub certain_reason: String,
    /// What to look up for the rest.
    pub names: Arc<Names>,
    /// Number of statements.
    pub statements: usize,
    /// Relations read, as written (`schema.name` or `name`).
    pub reads: Vec<String>,
    /// Relations written.
    pub writes: Vec<String>,
    /// Names of columns mentioned anywhere; `*` for a star or a whole-row reference.
    pub columns: Vec<String>,
    /// Functions called, lower case, schema-qualified as written.
    pub functions: Vec<String>,
    /// False when an UPDATE, DELETE or MERGE changes rows without a condition, or with one that leaves none out by its
    /// form: no column of the relation, `id = id`, `id = 1 OR true`.
    pub has_where: bool,
    /// UPDATEs and DELETEs with a condition. Once its names are resolved, those alone that may change most rows of a table that
    /// is not small.
    pub changes: Vec<RowChange>,
    /// What the server's planner expects of them.
    pub estimate: Option<Estimate>,
    /// The values of integers decided that: another text of the same form may differ.
    pub by_numbers: bool,
    /// True when something is dropped or truncated, a column included.
    pub destructive: bool,
    /// Programs and files of the server, and secrets that it keeps.
    pub exposure: Exposure,
    /// True when it may change what names and columns stand for: DDL, and what does something that its text does not show.
    pub redefines: bool,
    /// Why the class is what it is, for people: `DROP TABLE`, `COPY ... PROGRAM`, `unparseable: ...`.
    pub reason: String,
    /// What `PREPARE` makes; [`Self::class`] already covers it.
    pub prepares: Vec<Prepared>,
    /// Names that `EXECUTE` runs; the caller joins in what they stand for.
    pub executes: Vec<String>,
    /// What `DECLARE` makes; [`Self::class`] already covers it.
    pub declares: Vec<Prepared>,
    /// Cursors and portals that `FETCH` and `MOVE` run; the caller joins in what they stand for.
    pub fetches: Vec<String>,
    /// How it changes where names are looked for.
    pub paths: Vec<PathChange>,
    /// Texts that names in it stand for, once the caller has joined them in.
    pub stands_for: Vec<Arc<str>>,
    /// It runs code that may make names behind the text's back: a function that is not the server's own, a program.
    pub opaque: bool,
    /// It may take back or change what the session has set before: a setting, a role, a transaction's or a savepoint's.
    pub sets: bool,
    /// True when the text holds a password (CREATE/ALTER ROLE ... PASSWORD): its text is not recorded.
    pub has_password: bool,
    /// For a single `COPY relation (columns) TO STDOUT`: relation and columns (empty: all).
    pub copy_out: Option<(String, Vec<String>)>,
    /// True when any statement is a COPY TO STDOUT.
    pub is_copy_out: bool,
    /// For a single COPY TO STDOUT: its form, where its lines can be taken apart.
    pub copy_form: Option<CopyForm>,
    /// What it writes into columns.
    pub written: Written,
    /// It writes a mask, or a NULL, that its session was shown. No text says so by itself: who knows the session does.
    pub writes_mask: bool,
    /// Its answer shows values of settings, each beside its name or with it in one text.
    pub settings: bool,
    /// What its answer, and what it keeps, is made of.
    pub lineage: Lineage,
}

/// An UPDATE or a DELETE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowChange {
    /// The relation, as written.
    pub relation: Name,
    /// Columns for which its condition takes one value alone.
    pub pins: Vec<String>,
}

/// How much of a table a statement changes, as the server's planner expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Rows.
    pub rows: u64,
    /// Their share of the table's, in percent.
    pub share: u8,
}

impl Facts {
    /// What its names mean, as far as that is known, in one form: an approval is of this too.
    #[must_use]
    pub fn meaning(&self) -> String {
        // The catalog's answers have no order.
        let sets = [&self.reads, &self.writes, &self.functions].map(BTreeSet::from_iter);
        format!("{} {:?} {sets:?}", self.class.as_str(), self.exposure)
    }

    fn empty() -> Self {
        Self { has_where: true, ..Self::default() }
    }
}

/// The facts of `text`. May block and take long where [`is_quick`] is false: an async caller then asks for them on a
/// thread of its own.
#[must_use]
pub fn facts(text: &str) -> Facts {
    parse::facts(text)
}

/// What is known of a function, named as in [`Facts::functions`].
#[must_use]
pub fn volatility(function: &str) -> Volatility {
    match function.rsplit_once('.') {
        // Only the last schema counts: before it may stand the database.
        Some((schema, name)) => function::volatility(schema.rsplit('.').next().unwrap_or_default(), name),
        None => function::volatility("", function),
    }
}
