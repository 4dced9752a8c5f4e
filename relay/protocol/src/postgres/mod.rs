//! PostgreSQL: an engine for the steady state after both logins, and the start-up messages before it.
//!
//! - `message`: framing
//! - [`startup`]: what a client begins with, and what it is answered
//! - `frontend`: the client's messages; `backend`: the server's
//! - `pending`: what the server still owes, in order: it says what each answer belongs to
//! - `names`: prepared statements and portals
//! - `cut`: answers that are larger than allowed
//! - [`rows`]: cells of row messages and fields of errors, for whoever masks
//!
//! A refused request is replaced upstream by one that fails for certain and changes nothing else, so that the
//! server's transaction state is what the client is told; the server's error is replaced by the refusal.

mod backend;
pub mod call;
mod cut;
mod frontend;
mod message;
mod names;
mod pending;
pub mod rows;
pub mod startup;

use crate::{Action, ActionKind, Column, Engine, Event, Refusal, Reply, RowBudget, Shape, Step};
use bytes::{BufMut, Bytes, BytesMut};
use cut::AnswerLimits;
use names::Names;
use pending::{Pending, Queue};
use std::collections::VecDeque;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use weir_shared::native::PostgresError;

/// What an execution that stopped at its row limit completes with.
pub const SUSPENDED: &str = "SUSPENDED";
/// Messages that the server may owe answers to; the next one waits. A server holds back at most a buffer of answers
/// (8 KiB, which is fewer than this), so that waiting always ends.
pub const MOST_IN_FLIGHT: usize = 8192;
/// A portal name that no client can have bound: refusals execute it to fail (34000) and change nothing.
const NOWHERE: &str = "weir refused this";
/// A text that cannot parse, in any transaction state; the comment tells the DBA's log why.
const NONSENSE: &str = "weir_refused /* see weir's recording */";

/// A prepared statement.
#[derive(Debug)]
pub(crate) struct Statement {
    text: Arc<str>,
    /// OIDs of its parameters' types, as far as the client declared them; 0 where the server is to say.
    types: Box<[u32]>,
    /// The same, all of them, once the server has described it.
    described: OnceLock<Box<[u32]>>,
    /// Known once the server has described it.
    columns: OnceLock<Arc<Vec<Column>>>,
    /// A Describe is on its way.
    describing: AtomicBool,
}

/// A portal: a statement with its values.
#[derive(Debug)]
pub(crate) struct Portal {
    statement: Arc<Statement>,
    parameters: crate::Parameters,
    /// Of a bind message that streamed by.
    digest: OnceLock<[u8; 32]>,
    formats: Arc<Vec<bool>>,
    /// The statement number under which it was judged, 0 before; further executions only fetch more of its rows.
    number: AtomicU64,
    /// As [`Action::lasting`].
    lasting: AtomicBool,
}

impl Portal {
    pub(crate) fn parameter_types(&self) -> &[u32] {
        self.statement.described.get().unwrap_or(&self.statement.types)
    }
}

/// What the engine needs to remember about an action until it is admitted or refused.
#[derive(Clone, Debug)]
pub(crate) enum Detail {
    Query,
    Parse {
        name: Bytes,
        statement: Arc<Statement>,
    },
    Execute {
        name: Bytes,
        portal: Option<Arc<Portal>>,
    },
    /// What its answer holds; none for a call that nobody here knows.
    Call(Option<Shape>),
    /// Dropped unread: a simple query when true, else an extended message.
    TooLarge {
        simple: bool,
    },
}

/// The engine of one session.
#[derive(Debug)]
pub struct Postgres {
    statements: Names<Statement>,
    portals: Names<Portal>,
    queue: Queue,
    /// Steps that one message gave beyond the first.
    steps: VecDeque<Step>,
    client: frontend::State,
    server: backend::State,
    /// Largest text of a statement.
    statement_bytes: usize,
    /// Largest answer of one.
    answer: AnswerLimits,
    /// What the rows of all are taken from.
    budget: Option<Arc<dyn RowBudget>>,
}

impl Postgres {
    /// An engine for a session whose statements may be `statement_bytes` long.
    #[must_use]
    pub fn new(statement_bytes: usize) -> Self {
        Self {
            statements: Names::new(),
            portals: Names::new(),
            queue: Queue::default(),
            steps: VecDeque::new(),
            client: frontend::State::default(),
            server: backend::State::default(),
            statement_bytes,
            answer: AnswerLimits { rows: u64::MAX, bytes: u64::MAX },
            budget: None,
        }
    }

    /// The same, each of whose statements may give so many rows and so many bytes of rows.
    #[must_use]
    pub fn with_answers_of(mut self, rows: u64, bytes: u64) -> Self {
        self.answer = AnswerLimits { rows, bytes };
        self
    }

    /// The same, whose rows are taken from this before they are given.
    #[must_use]
    pub fn with_budget(mut self, budget: Arc<dyn RowBudget>) -> Self {
        self.budget = Some(budget);
        self
    }

    /// A statement's text prepares `name` behind the protocol's back: the name is unknown from here on.
    pub fn shadow_statement(&mut self, name: &str) {
        self.statements.shadow(name);
    }

    /// Texts of what a portal of this name may stand for: `FETCH` runs it.
    #[must_use]
    pub fn portal_texts(&self, name: &str) -> Vec<Arc<str>> {
        self.portals.perhaps(name.as_bytes()).map(|portal| Arc::clone(&portal.statement.text)).collect()
    }

    /// True while the rest of an answer is dropped.
    #[must_use]
    pub fn is_cutting(&self) -> bool {
        self.server.cut.is_some()
    }

    /// The server's transaction status as it last said: `I`, `T` or `E`.
    #[must_use]
    pub fn transaction_status(&self) -> u8 {
        self.server.status
    }
}

impl Engine for Postgres {
    fn client_bytes(&mut self, input: &mut BytesMut) -> Step {
        frontend::step(self, input)
    }

    fn upstream_bytes(&mut self, input: &mut BytesMut) -> Step {
        backend::step(self, input)
    }

    fn admit(&mut self, action: Action, number: u64) -> Bytes {
        if contains_declare(&action.text) {
            // A cursor may take the place of a portal; its rows would be masked by the wrong columns.
            self.portals.shadow_all();
        }
        self.client.last_number = number;
        let lasting = action.lasting;
        if self.queue.skipping {
            self.steps.push_back(Step::Event(Event::Skipped(number)));
            return action.bytes;
        }
        match action.detail {
            Detail::Query => {
                self.queue.push(Pending::Query { number, lasting, refused: None, shape: Shape::default() });
                self.end_segment();
            }
            Detail::Parse { name, statement } => {
                self.statements.sent(&name, Some(Arc::clone(&statement)));
                self.queue.push(Pending::Parse { name, statement });
            }
            Detail::Execute { name, portal } => {
                return self.admit_execute(&name, portal, action.bytes, number, lasting);
            }
            Detail::Call(Some(shape)) => {
                self.queue.push(Pending::Query { number, lasting, refused: None, shape });
                self.end_segment();
            }
            // Neither has a form that could go upstream; what refuses them is the right answer here too.
            Detail::Call(None) | Detail::TooLarge { .. } => {
                let refusal = Refusal {
                    code: "0A000",
                    message: "this message cannot be passed on".to_owned(),
                    detail: String::new(),
                    hint: String::new(),
                };
                return self.refuse(action, number, &refusal);
            }
        }
        action.bytes
    }

    fn refuse(&mut self, action: Action, number: u64, refusal: &Refusal) -> Bytes {
        let error = Some(error(refusal, "ERROR"));
        let owed = !self.queue.skipping;
        match action.detail {
            Detail::Query | Detail::Call(_) | Detail::TooLarge { simple: true } => {
                if owed {
                    let shape = Shape::default();
                    self.queue.push(Pending::Query { number, lasting: false, refused: error, shape });
                    self.end_segment();
                }
                message::message(b'Q', |out| message::put_cstr(out, NONSENSE))
            }
            Detail::Parse { .. } | Detail::Execute { .. } | Detail::TooLarge { simple: false } => {
                if owed {
                    self.queue.push(Pending::fails(number, error));
                }
                if let Detail::Parse { name, .. } = action.detail {
                    // A Parse that fails still ends the unnamed statement.
                    return message::message(b'P', |out| {
                        out.put_slice(&name);
                        out.put_u8(0);
                        message::put_cstr(out, NONSENSE);
                        out.put_u16(0);
                    });
                }
                execute_nowhere()
            }
        }
    }

    fn cut(&mut self, refusal: &Refusal) {
        if let Some(cut) = &mut self.server.cut {
            cut.refusal = refusal.clone();
        }
    }

    fn overdue(&mut self, refusal: &Refusal) {
        if let Some(number) = self.running() {
            self.server.overdue = Some(Box::new((number, refusal.clone())));
        }
    }

    fn running(&self) -> Option<u64> {
        self.queue.running()
    }

    fn busy(&self) -> bool {
        !self.server.is_over() && (!self.queue.is_empty() || self.server.in_transfer())
    }

    fn owes(&self) -> bool {
        !self.server.is_over() && self.queue.owes()
    }

    fn notice(&mut self, text: &str, hint: &str) -> Reply {
        let mut out = BytesMut::new();
        PostgresError { severity: "NOTICE", code: "00000", message: text, detail: "", hint }.encode(b'N', &mut out);
        Reply(self.server.between_messages(out.freeze()))
    }

    fn fatal(&self, refusal: &Refusal) -> Reply {
        // Inside a large message it would be taken for the rest of a value: there the connection just ends.
        Reply(if self.server.inside_message() { Bytes::new() } else { error(refusal, "FATAL") })
    }
}

impl Postgres {
    /// True while the client sends data for a COPY.
    #[must_use]
    pub fn takes_copy_data(&self) -> bool {
        self.client.is_copying()
    }

    fn admit_execute(
        &mut self,
        name: &Bytes,
        portal: Option<Arc<Portal>>,
        bytes: Bytes,
        number: u64,
        lasting: bool,
    ) -> Bytes {
        let mut out = None;
        if let Some(portal) = &portal {
            portal.number.store(number, Ordering::Relaxed);
            portal.lasting.store(lasting, Ordering::Relaxed);
            let statement = &portal.statement;
            // Rows whose columns nobody described could not be masked by column: ask, and keep the answer.
            if statement.columns.get().is_none() && !statement.describing.swap(true, Ordering::Relaxed) {
                self.queue.push(Pending::Describe { statement: Some(Arc::clone(statement)), swallow: true });
                let mut both = BytesMut::with_capacity(bytes.len() + name.len() + 8);
                message::put(&mut both, b'D', |out| {
                    out.put_u8(b'P');
                    out.put_slice(name);
                    out.put_u8(0);
                });
                both.extend_from_slice(&bytes);
                out = Some(both.freeze());
            }
        }
        self.queue.push(Pending::Execute { number, lasting, portal, refused: None, announced: false });
        out.unwrap_or(bytes)
    }

    fn end_segment(&mut self) {
        self.statements.end_segment();
        self.portals.end_segment();
    }
}

/// An execution that fails for certain and changes nothing else.
fn execute_nowhere() -> Bytes {
    message::message(b'E', |out| {
        message::put_cstr(out, NOWHERE);
        out.put_u32(0);
    })
}

fn error(refusal: &Refusal, severity: &str) -> Bytes {
    let mut out = BytesMut::new();
    let Refusal { code, message, detail, hint } = refusal;
    PostgresError { severity, code, message, detail, hint }.encode(b'E', &mut out);
    out.freeze()
}

fn contains_declare(text: &str) -> bool {
    // `c` is the rarest of its letters in most statements.
    let bytes = text.as_bytes();
    let mut places = memchr::memchr2_iter(b'c', b'C', bytes).filter_map(|at| at.checked_sub(2));
    places.any(|start| bytes.get(start..start + 7).is_some_and(|word| word.eq_ignore_ascii_case(b"declare")))
}

/// An action of `kind`.
fn action(kind: ActionKind, text: Arc<str>, parameters: crate::Parameters, bytes: Bytes, detail: Detail) -> Step {
    Step::Act(Action { kind, text, parameters, lasting: true, bytes, detail })
}

fn broken(message: &str) -> Step {
    Step::Broken(Refusal {
        code: "08P01",
        message: message.to_owned(),
        detail: String::new(),
        hint: "the session is closed; reconnect".to_owned(),
    })
}

/// The server runs the request or skips it, and nothing that it answers says which in time.
fn uncertain() -> Step {
    broken("a request after a Sync inside a COPY that failed, without a Sync after it: whether it runs cannot be told")
}

#[cfg(test)]
mod tests;
