//! Facts about SQL, read from PostgreSQL's own grammar.

/// The class of a statement: the policy action it needs. Ordered by danger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Transaction control, SET of harmless parameters, SHOW, LISTEN...: needs only `connect`.
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

/// What is known of one request's text (one or more statements).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The most dangerous class of its statements.
    pub class: Class,
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
    /// False when an UPDATE or DELETE has no WHERE.
    pub has_where: bool,
    /// Why the class is what it is, for people: `DROP TABLE`, `COPY ... PROGRAM`, `unparseable: ...`.
    pub reason: String,
    /// Name and class of what `PREPARE` makes; [`Self::class`] already covers it.
    pub prepares: Vec<(String, Class)>,
    /// Names that `EXECUTE` runs; the caller joins in their class.
    pub executes: Vec<String>,
    /// True when the text holds a password (CREATE/ALTER ROLE ... PASSWORD): its text is not recorded.
    pub has_password: bool,
    /// For a single `COPY relation (columns) TO STDOUT`: relation and columns (empty: all).
    pub copy_out: Option<(String, Vec<String>)>,
    /// True when any statement is a COPY TO STDOUT.
    pub is_copy_out: bool,
}
