//! The frames of a session's recording, as they are stored. The container (segments, sealing, hash chain) is the
//! relay's own and described in its manual; `api::Entry` is the decoded form that people and programs read.

use crate::id::{AgentId, ApprovalId, ResourceName, SessionId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, sync::Arc};

/// Layout of one column of the rows that follow, as PostgreSQL's `RowDescription` gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Type OID.
    pub type_oid: u32,
    /// True for binary format.
    pub binary: bool,
}

/// What a frame holds. Every payload is as the client saw it: masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// First in every recording.
    Open {
        /// Session.
        session: SessionId,
        /// Agent.
        agent: AgentId,
        /// User.
        user: String,
        /// Resource.
        resource: ResourceName,
        /// Database.
        database: String,
        /// Role used upstream.
        role: String,
        /// Microseconds since 1970.
        started_at: i64,
        /// Hash of the policy bundle that rules it.
        bundle: String,
    },
    /// The intent, written before the statement is sent.
    Statement {
        /// From 1.
        number: u64,
        /// Masked text.
        text: Arc<str>,
        /// Masked bind values.
        parameters: Vec<Option<String>>,
        /// Class.
        class: Cow<'static, str>,
        /// Outcome.
        outcome: Cow<'static, str>,
        /// Deciding policies.
        policies: Arc<[String]>,
    },
    /// How a hold ended.
    Approval {
        /// Statement.
        number: u64,
        /// Request.
        approval: ApprovalId,
        /// Digest.
        digest: String,
        /// State.
        state: String,
        /// By whom.
        by: Option<String>,
    },
    /// Columns of the rows that follow.
    Columns {
        /// Statement.
        number: u64,
        /// The columns.
        columns: Vec<Column>,
    },
    /// `DataRow` messages exactly as delivered, back to back; a run may be cut anywhere and goes on in the next.
    Rows {
        /// Statement.
        number: u64,
        /// Protocol bytes.
        bytes: Bytes,
    },
    /// `CopyData` messages to the client exactly as delivered, cut anywhere.
    CopyOut {
        /// Statement.
        number: u64,
        /// Protocol bytes.
        bytes: Bytes,
    },
    /// COPY data from the client: its size and hash.
    CopyIn {
        /// Statement.
        number: u64,
        /// Bytes.
        size: u64,
        /// BLAKE3.
        hash: String,
    },
    /// Rows that were left out by configuration.
    Omitted {
        /// Statement.
        number: u64,
        /// How many.
        rows: u64,
        /// BLAKE3 over all.
        hash: String,
        /// Which setting.
        why: String,
    },
    /// Values masked for a statement, by rule.
    Masked {
        /// Statement.
        number: u64,
        /// Rule and count.
        counts: Vec<(String, u64)>,
    },
    /// End of a statement.
    Complete {
        /// Statement.
        number: u64,
        /// Tag, error or `skipped`.
        status: String,
        /// Rows delivered.
        rows: u64,
        /// Microseconds.
        micros: u64,
    },
    /// The relay died; found when it started again.
    Gap {
        /// What is known.
        why: String,
    },
    /// The last of every recording.
    Close {
        /// Why.
        reason: String,
    },
    /// The rows that follow have the columns that an earlier statement's had: the last one whose columns were recorded.
    SameColumns {
        /// Statement.
        number: u64,
        /// The earlier statement.
        of: u64,
    },
    /// Second in the recording of an agent that is no root: the agents from the root to it.
    Chain {
        /// Root first.
        agents: Vec<AgentId>,
    },
    /// From here on another policy bundle rules the session.
    Policy {
        /// Its hash.
        hash: String,
    },
    /// A policy that is not enforced spoke of a statement.
    Notice {
        /// Statement.
        number: u64,
        /// `shadow`, `warn` or `failed`.
        kind: Cow<'static, str>,
        /// The policy.
        policy: String,
        /// What it tells; empty when nothing.
        message: String,
    },
    /// The relay asked the resource, over a connection of its own, to EXPLAIN a statement that is held.
    Estimate {
        /// Statement.
        number: u64,
    },
}

/// A frame: when, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Microseconds since the session began.
    pub at: u64,
    /// What.
    pub payload: Payload,
}
