//! weir-protocol: sans-IO engines. Bytes in, [`Step`]s out; no runtime, no policy, no mask, no recording.
//!
//! An engine stands between a client and an upstream that has been logged in to already. The driver feeds it what it
//! read from either side and carries out the steps. Three types are minted here only, and are what may be written:
//! [`Control`] (messages that carry no request and no value), the upstream form of an [`Action`] once the driver
//! calls [`Engine::admit`] or [`Engine::refuse`], and [`Reply`] (messages an engine made for the client).
//!
//! - [`postgres`]: PostgreSQL, protocol 3.0 and 3.2

pub mod postgres;

use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// The contract of an engine. Methods never block and never panic on any bytes.
pub trait Engine {
    /// Looks at what the client sent. Bytes of an incomplete message stay in `input`.
    fn client_bytes(&mut self, input: &mut BytesMut) -> Step;
    /// Looks at what the upstream sent.
    fn upstream_bytes(&mut self, input: &mut BytesMut) -> Step;
    /// The action goes upstream under this statement number: the exact bytes to write.
    fn admit(&mut self, action: Action, number: u64) -> Bytes;
    /// The action does not go upstream. Returns what to write upstream so that the server's own transaction state
    /// becomes what the client is told.
    fn refuse(&mut self, action: Action, number: u64, refusal: &Refusal) -> Bytes;
    /// The answer that exceeded its limit ([`Step::Exceeded`]) breaks off with this, in place of what is left of it.
    fn cut(&mut self, refusal: &Refusal);
    /// The statement that the upstream works on is to be cancelled: if it fails by that, the client is told this.
    fn overdue(&mut self, refusal: &Refusal);
    /// The number of the statement that the upstream works on; none when it works on none.
    fn running(&self) -> Option<u64>;
    /// True while the upstream owes an answer.
    fn busy(&self) -> bool;
    /// True while the upstream answers requests that are whole, whether the client says more or not.
    fn owes(&self) -> bool;
    /// A notice for the client. Inside a message that is not held whole there is none to send now; it follows as a step.
    fn notice(&mut self, text: &str, hint: &str) -> Reply;
    /// The last message of a session that ends for a reason the client should know; empty where it would be read as a
    /// part of another.
    fn fatal(&self, refusal: &Refusal) -> Reply;
}

/// What the driver is to do next.
#[derive(Debug)]
pub enum Step {
    /// The buffer holds no complete message.
    NeedMore,
    /// Input must wait until the upstream has answered what it owes.
    Wait,
    /// A request: to be judged, then [`Engine::admit`] or [`Engine::refuse`].
    Act(Action),
    /// To be written to the other side as it is.
    Control(Control),
    /// Values from the upstream: to be masked.
    Data(Chunk),
    /// Something the recording should know; nothing to write.
    Event(Event),
    /// To be written back to the client: an engine's own words.
    Reply(Reply),
    /// An answer of the upstream asks for this to be written back to it.
    Return(Control),
    /// The answer of this statement is larger than allowed: [`Engine::cut`], and the upstream is to be asked to stop.
    Exceeded(u64, Excess),
    /// The peer broke the protocol: the session ends with this.
    Broken(Refusal),
    /// The client said good-bye: write this upstream and end.
    Terminate(Control),
}

/// What of an answer there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Rows.
    Rows,
    /// Bytes of rows.
    Bytes,
    /// Rows of a [`RowBudget`].
    Budget,
}

/// Rows that several sessions may give together. Rows are taken before they are given, so that they cannot give more.
pub trait RowBudget: std::fmt::Debug + Send + Sync {
    /// Takes as many as there are, `rows` at most; how many. When it is fewer, none are left. Called once for all rows that
    /// came together.
    fn take(&self, rows: u64) -> u64;
}

/// Bytes that carry no request and no value from the resource.
#[derive(Debug)]
pub struct Control(Bytes);

impl Control {
    /// The bytes, to look at.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes to write.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// Bytes an engine made for the client.
#[derive(Debug)]
pub struct Reply(Bytes);

impl Reply {
    /// The bytes to write.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// One request as it will run.
#[derive(Clone, Debug)]
pub struct Action {
    /// What kind.
    pub kind: ActionKind,
    /// The statement's text.
    pub text: Arc<str>,
    /// Bind values in wire form.
    pub parameters: Parameters,
    /// What it does may last although its client is told an error: true unless whoever judged it knows better.
    pub lasting: bool,
    /// The exact message.
    bytes: Bytes,
    detail: postgres::Detail,
}

impl Action {
    /// The exact bytes that will be written when it is admitted.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// OIDs of the parameters' types of what is executed: as the server described them, or else as far as the client declared
    /// them; 0 where the server is to say.
    #[must_use]
    pub fn parameter_types(&self) -> &[u32] {
        match &self.detail {
            postgres::Detail::Execute { portal: Some(portal), .. } => portal.parameter_types(),
            _ => &[],
        }
    }

    /// The name that a prepare action gives its statement, when it has one.
    #[must_use]
    pub fn prepared_name(&self) -> Option<&str> {
        match &self.detail {
            postgres::Detail::Parse { name, .. } if !name.is_empty() => std::str::from_utf8(name).ok(),
            _ => None,
        }
    }
}

/// Kinds of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// Text that runs at once.
    Query,
    /// Text that is prepared: judged early, runs nothing.
    Prepare,
    /// A prepared statement with its values runs.
    Execute,
    /// A call that bypasses the statement's language.
    Call,
    /// Something that cannot be judged: a name the engine has not seen prepared.
    Unknown,
    /// A text larger than the resource allows, dropped unread.
    TooLarge,
}

/// Bind values, as the client sent them.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    /// Values; none is NULL. Empty when they were too large to keep.
    pub values: Vec<Option<Bytes>>,
    /// True where the value is in binary format.
    pub binary: Vec<bool>,
    /// BLAKE3 over the whole bind message, when it has values.
    pub digest: Option<[u8; 32]>,
    /// Size of the bind message when the values were too large to keep.
    pub omitted: Option<u64>,
}

/// Why a request does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// SQLSTATE (five characters).
    pub code: &'static str,
    /// What.
    pub message: String,
    /// Rule and session.
    pub detail: String,
    /// Next step.
    pub hint: String,
}

impl Refusal {
    /// A refusal without a detail.
    #[must_use]
    pub fn new(code: &'static str, message: &str, hint: &str) -> Self {
        Self { code, message: message.to_owned(), detail: String::new(), hint: hint.to_owned() }
    }
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name in the result.
    pub name: String,
    /// OID of the table it comes from; 0 for an expression.
    pub table: u32,
    /// Attribute number in that table; 0 for none.
    pub attribute: i16,
    /// Type OID.
    pub type_oid: u32,
}

/// Columns and the formats in which their values come.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// The columns; none when the engine could not learn them.
    pub columns: Option<Arc<Vec<Column>>>,
    /// Formats: empty all text, one for all, or one a column; true is binary.
    pub formats: Arc<Vec<bool>>,
}

impl Shape {
    /// True when both are known to be the same without comparing each column.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let columns = match (&self.columns, &other.columns) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        columns && Arc::ptr_eq(&self.formats, &other.formats)
    }

    /// The column at `index`.
    #[must_use]
    pub fn column(&self, index: usize) -> Option<&Column> {
        self.columns.as_ref()?.get(index)
    }

    /// True when the value at `index` is in binary format.
    #[must_use]
    pub fn binary(&self, index: usize) -> bool {
        match self.formats.as_slice() {
            [] => false,
            [all] => *all,
            many => many.get(index).copied().unwrap_or(true),
        }
    }
}

/// Values from the upstream.
#[derive(Debug)]
pub enum Chunk {
    /// Whole row messages, back to back.
    Rows {
        /// Statement number.
        number: u64,
        /// The messages.
        bytes: Bytes,
        /// Their columns.
        shape: Shape,
    },
    /// The one value that a function call gives; masked without changing its length.
    Result {
        /// Statement number.
        number: u64,
        /// The message.
        bytes: Bytes,
        /// Its column.
        shape: Shape,
    },
    /// Whole messages of bulk data, back to back.
    Copy {
        /// Statement number.
        number: u64,
        /// The messages.
        bytes: Bytes,
        /// True for the binary format.
        binary: bool,
    },
    /// An error, notice or notification.
    Text {
        /// Statement number; 0 outside one.
        number: u64,
        /// The message.
        bytes: Bytes,
    },
    /// Part of a value too large to hold; masked without changing its length.
    Part {
        /// Statement number.
        number: u64,
        /// The bytes.
        bytes: Bytes,
        /// Which column; none for bulk data.
        column: Option<usize>,
        /// Its columns.
        shape: Shape,
        /// True when the value ends here.
        last: bool,
        /// True for bulk data.
        copy: bool,
    },
    /// Framing of a large row: lengths only.
    Frame {
        /// Statement number.
        number: u64,
        /// The bytes.
        bytes: Bytes,
        /// True at the start of a row.
        first: bool,
        /// True for bulk data.
        copy: bool,
    },
}

/// Something the recording should know.
#[derive(Clone, Debug)]
pub enum Event {
    /// Rows of these columns follow.
    Columns(u64, Shape),
    /// A statement ended with this tag.
    Complete(u64, String),
    /// A statement failed: the error message, not masked.
    Failed(u64, Bytes),
    /// A statement was sent but skipped by the server because an earlier one failed.
    Skipped(u64),
    /// A statement that had stopped at its row limit goes on.
    Resumed(u64),
    /// Bulk data from the client ended: statement, size, BLAKE3.
    CopyIn(u64, u64, [u8; 32]),
}
