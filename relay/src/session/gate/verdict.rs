//! What becomes of a request, with the proof that each way needs.

use crate::{approval::Held, upstream::resolve::Question};
use bytes::Bytes;
use std::sync::Arc;
use weir_policy::sql::{Facts, Resolved};
use weir_protocol::{Action, Engine as _, Refusal, postgres::Postgres};

/// The right to send exactly these bytes, once: judged, and recorded as the durability asks.
#[derive(Debug)]
pub struct Permit {
    pub(super) action: Action,
    pub(super) number: u64,
}

impl Permit {
    /// Gives the engine what may go upstream: the bytes that were judged.
    pub fn admit(self, engine: &mut Postgres) -> Bytes {
        engine.admit(self.action, self.number)
    }
}

/// Bytes that may be shown to the client: masked and recorded.
#[derive(Debug)]
pub struct Masked(pub(super) Bytes);

impl Masked {
    /// The bytes.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// What became of a request.
#[derive(Debug)]
pub enum Verdict {
    /// It may go upstream.
    Permit(Permit),
    /// It may not.
    Refuse(Action, u64, Refusal),
    /// A human decides first.
    Hold(Box<Held>),
    /// Its text takes long to parse: to be given to [`Gate::judge`](super::Gate::judge) with its facts.
    Parse(Action),
    /// The catalog must say what its names mean: to be given to [`Gate::resolved`](super::Gate::resolved) with the answer.
    Resolve(Box<Unresolved>),
    /// The server must say whether something in it exists: to be given to [`Gate::missed`](super::Gate::missed) with the answer.
    Exists(Box<Unknown>),
    /// The server's planner must say how much it changes: to be given to [`Gate::planned`](super::Gate::planned) with the answer.
    Plan(Box<Unplanned>),
}

/// A request whose names are not known, and what to ask about them.
#[derive(Debug)]
pub struct Unresolved {
    pub(super) action: Action,
    pub(super) text: Arc<Facts>,
    /// What to ask the catalog.
    pub question: Question,
}

/// A request that names something that the catalog does not have.
#[derive(Debug)]
pub struct Unknown {
    pub(super) action: Action,
    pub(super) text: Arc<Facts>,
    pub(super) resolved: Resolved,
}

/// A request that may change most of a large table.
#[derive(Debug)]
pub struct Unplanned {
    /// The request.
    pub action: Action,
    pub(super) text: Arc<Facts>,
    /// What is known of it.
    pub facts: Arc<Facts>,
}

impl Unknown {
    /// The statement.
    #[must_use]
    pub fn statement(&self) -> &Arc<str> {
        &self.action.text
    }
}
