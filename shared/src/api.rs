//! The JSON bodies of the relay's HTTPS API, used by both ends.
//!
//! Every call under [`BASE`] is authenticated by the TLS client certificate of an agent's key, or by an access token that comes with the
//! key that it is bound to (RFC 8705, 9449).
//! Failures are `application/problem+json` (RFC 9457): [`Problem`].
//!
//! `GET /api/v1/openapi.json`, and `weir-relay openapi`, describe each call in full.
//!
//! | call | answer |
//! |---|---|
//! | `GET /api/v1/whoami` | [`WhoAmI`] |
//! | `GET /api/v1/status` | [`Status`] |
//! | `GET /api/v1/resources` | `[ResourceView]` |
//! | `GET /api/v1/sessions?resource=&user=&limit=` | `[SessionView]`, newest first |
//! | `GET /api/v1/sessions/{id}` | [`SessionView`] |
//! | `GET /api/v1/sessions/{id}/entries` | JSON lines of [`Entry`], in recorded order |
//! | `GET /api/v1/agents?all=&ended=` | `[AgentView]`, oldest first |
//! | `POST /api/v1/agents/{id}/end`; `self` is the caller | `[AgentId]`: it and all below it that were alive |
//! | `POST /api/v1/tickets` with [`TicketBody`] | nothing |
//! | `GET /api/v1/approvals?state=` | `[ApprovalView]`, newest first |
//! | `GET /api/v1/approvals/{id}` | [`ApprovalView`] |
//! | `POST /api/v1/approvals` with [`AskBody`] | [`ApprovalView`]: a request for more than an agent's scope |
//! | `POST /api/v1/approvals/{id}/approve`, `.../deny`, `.../break-glass`, `.../review` with [`DecisionBody`] | [`ApprovalView`] |
//! | `GET /api/v1/policies` | [`PoliciesView`] |
//! | `POST /api/v1/policies/check` with [`PoliciesBody`] | [`PoliciesChecked`] |
//! | `POST /api/v1/policies/explain` with [`ExplainBody`] | each hop, each question, what decided |
//! | `PUT /api/v1/policies/{file}` with its text, `DELETE`; both with `If-Match` | [`PoliciesView`] |
//! | `GET /api/v1/settings/resources` | a list of [`ResourceSettings`] |
//! | `GET /api/v1/resources/{name}` | [`ResourceSettings`] |
//! | `PUT /api/v1/resources/{name}` with TOML and `If-Match`, or `If-None-Match: *` to make it | [`ResourceSettings`] |
//! | `DELETE /api/v1/resources/{name}` with `If-Match` | nothing |
//! | `GET /api/v1/audit?event=&actor=&since=&before=&after=&limit=` | a page of events, newest first |
//! | `GET /api/v1/approvals/events` | server-sent events of [`ApprovalEvent`], as they happen |

mod admin;
mod approvals;
mod explanation;

pub use admin::*;
pub use approvals::*;
pub use explanation::*;

use crate::{
    error::{Kind, UserFacing},
    hop::Budget,
    id::{AgentId, ApprovalId, ResourceName, SessionId},
    scope::Scope,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the API begins.
pub const BASE: &str = "/api/v1";

/// An error's body (RFC 9457, with `kind` and `hint` as extensions).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// What failed and why.
    pub title: String,
    /// The HTTP status again.
    pub status: u16,
    /// Which kind, for programs.
    pub kind: Kind,
    /// What to do next.
    pub hint: String,
    /// Where something that was sent is wrong; empty unless the call says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Flaw>,
}

impl From<UserFacing> for Problem {
    fn from(error: UserFacing) -> Self {
        let UserFacing { kind, message: title, hint } = error;
        Self { title, status: kind.http_status(), kind, hint, problems: Vec::new() }
    }
}

impl From<Problem> for UserFacing {
    fn from(problem: Problem) -> Self {
        Self { kind: problem.kind, message: problem.title, hint: problem.hint }
    }
}

/// Who the relay takes the caller for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WhoAmI {
    /// The user.
    pub user: String,
    /// The user's roles.
    pub roles: Vec<String>,
    /// This process's agent.
    pub agent: AgentId,
    /// The agents from the root to this one.
    #[serde(default)]
    pub chain: Vec<AgentView>,
    /// Thumbprint of its key, hexadecimal.
    pub key: String,
    /// When its key expires, seconds since 1970.
    pub expires_at: i64,
    /// When the login behind it expires, seconds since 1970.
    pub login_expires_at: i64,
    /// The relay's own URL.
    pub relay: String,
}

/// A ticket for a child on another machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TicketBody {
    /// The hop statement, for whoever first presents the ticket whose hash it names.
    pub hop: String,
    /// Seconds until it must be redeemed; at most 600.
    pub redeem_within: u32,
}

/// One agent of the tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgentView {
    /// Its id.
    pub id: AgentId,
    /// Who delegated to it; none for a root.
    pub parent: Option<AgentId>,
    /// The user behind its root.
    pub user: String,
    /// How many hops it is away from its root.
    pub depth: u32,
    /// The depth that its children may reach.
    pub max_depth: u32,
    /// What its own hop allows at most; what counts is what all hops and policy allow together.
    pub scope: Scope,
    /// What it, and all below it, may use.
    pub budget: Budget,
    /// Whether it may act now.
    pub alive: bool,
    /// Seconds since 1970.
    pub created_at: i64,
    /// Seconds since 1970.
    pub expires_at: i64,
    /// When it ended before its time, seconds since 1970.
    pub ended_at: Option<i64>,
    /// Why.
    pub ended_why: Option<String>,
    /// What its program says of itself: a claim.
    pub evidence: Claims,
    /// Sessions with resources that it has open now.
    #[serde(default)]
    pub open_sessions: u64,
}

/// What a program says of itself when its session begins. Claims, marked as such wherever they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Claims {
    /// The command that it runs, without its arguments: they may hold secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Machine's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Working folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Why it runs, in its own words: reviewers of its requests read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The process id of the supervisor that it runs under, when it asks for a root of its own all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervisor: Option<u32>,
    /// True of `weir run`: it has a tunnel for as long as it lives, and what it runs dies with it. Who is without one for longer
    /// than the relay's grace is gone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keeps_tunnel: bool,
}

impl Claims {
    /// The same, with each text cut to a length that is kept.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        for text in [&mut self.command, &mut self.host, &mut self.folder, &mut self.reason].into_iter().flatten() {
            if let Some((end, _)) = text.char_indices().nth(256) {
                text.truncate(end);
            }
        }
        self
    }
}

impl WhoAmI {
    /// How many hops it is away from its root.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.chain.last().map_or(0, |itself| itself.depth)
    }

    /// The depth that its children may reach.
    #[must_use]
    pub fn max_depth(&self) -> u32 {
        self.chain.last().map_or(0, |itself| itself.max_depth)
    }
}

/// The relay's state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Status {
    /// Program and version.
    pub software: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Sessions open now.
    pub open_sessions: u64,
    /// Tunnels open now.
    pub tunnels: u64,
    /// Requests that wait for a decision.
    pub pending_approvals: u64,
    /// Hash of the policy bundle in force.
    pub policy: String,
    /// What is wrong with the policy files that are there now: the bundle in force is an earlier one. Empty when nothing is.
    #[serde(default)]
    pub policy_problems: Vec<String>,
    /// True when it goes away.
    pub draining: bool,
    /// What was done since it started, on all resources.
    #[serde(default)]
    pub counters: Counters,
    /// How the QUIC tunnels' paths are.
    #[serde(default)]
    pub paths: Paths,
    /// Microseconds since the oldest write of a recording that is not on the disk; 50,000 are usual.
    #[serde(default)]
    pub recorder_lag: u64,
    /// By resource, for administrators and auditors; empty for others.
    #[serde(default)]
    pub resources: BTreeMap<ResourceName, ResourceStatus>,
}

/// What was done since the relay started. None of them ever becomes less, but for a relay that starts anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Counters {
    /// Statements judged.
    pub statements: u64,
    /// Of them, denied.
    pub denied: u64,
    /// Rows delivered.
    pub rows: u64,
    /// Values masked.
    pub masked: u64,
}

impl Counters {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            statements: self.statements + other.statements,
            denied: self.denied + other.denied,
            rows: self.rows + other.rows,
            masked: self.masked + other.masked,
        }
    }
}

/// The paths of the QUIC connections that are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Paths {
    /// Connections.
    pub connections: u64,
    /// Median round trip, microseconds.
    pub rtt_median: u64,
    /// The longest, microseconds.
    pub rtt_longest: u64,
    /// Packets sent since the relay started; counted once a second.
    pub packets_sent: u64,
    /// Of them, lost.
    pub packets_lost: u64,
}

/// What is done on one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceStatus {
    /// Sessions open now.
    pub sessions: u64,
    /// Statements sent that have not ended.
    pub in_flight: u64,
    /// What was done since the relay started.
    #[serde(flatten)]
    pub counters: Counters,
}

/// A resource as one caller may see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceView {
    /// Its name.
    pub name: ResourceName,
    /// `postgres`.
    pub kind: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The databases that may be asked for, of which the first is the default, and patterns of more.
    pub databases: Vec<String>,
    /// Whether a TCP connection to it could be made just now.
    pub reachable: bool,
    /// Action to `allow`, `hold` or `deny`, as policy says for a plain request of the class.
    pub rights: BTreeMap<String, String>,
    /// What is needed to reach it; none when it may be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
}

impl ResourceView {
    /// # Errors
    /// Denied, with what is needed, when it is only shown.
    pub fn reachable_by_right(&self) -> Result<(), UserFacing> {
        match &self.needs {
            None => Ok(()),
            Some(needs) => {
                let message = format!("{} may not be reached: it needs {needs}", self.name);
                Err(UserFacing::new(Kind::Denied, message, "ask whoever started this agent"))
            }
        }
    }
}

/// One connection to a resource.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// Who: the user.
    pub user: String,
    /// Who: the agent.
    pub agent: AgentId,
    /// The agents from the root to this one.
    #[serde(default)]
    pub chain: Vec<AgentId>,
    /// What.
    pub resource: ResourceName,
    /// The database, once known.
    pub database: Option<String>,
    /// Microseconds since 1970.
    pub started_at: i64,
    /// Microseconds since 1970; none while it is open.
    pub ended_at: Option<i64>,
    /// Why it ended: `client closed`, `resource closed`, `relay stopped`, ...
    pub close_reason: Option<String>,
    /// Statements recorded.
    pub statements: u64,
    /// Rows delivered.
    pub rows: u64,
    /// Values masked.
    pub masked: u64,
    /// Requests refused.
    pub refused: u64,
}

/// One entry of a recording, decoded for people and programs. Times are microseconds since the session began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// The session began.
    Open {
        /// Session time.
        at: u64,
        /// Who.
        user: String,
        /// On what.
        resource: String,
        /// Which database.
        database: String,
        /// The database role that weir logged in as.
        role: String,
    },
    /// Whose agent it was: the agents from the root to it.
    Chain {
        /// Session time.
        at: u64,
        /// Root first.
        agents: Vec<AgentId>,
    },
    /// A statement, with what was decided about it.
    Statement {
        /// Session time.
        at: u64,
        /// Number within the session, from 1.
        number: u64,
        /// Its text, masked.
        text: String,
        /// Its bind values as text, masked; none is NULL.
        parameters: Vec<Option<String>>,
        /// `sql.read`, `sql.write`, ...
        class: String,
        /// `allow`, `hold` or `deny`.
        outcome: String,
        /// Ids of the policies that decided.
        policies: Vec<String>,
        /// Hash of the policy bundle.
        bundle: String,
    },
    /// A request was held and then decided.
    Approval {
        /// Session time.
        at: u64,
        /// The statement.
        number: u64,
        /// The request.
        approval: ApprovalId,
        /// BLAKE3 over what was approved, hexadecimal.
        digest: String,
        /// `approved`, `denied`, `expired`, `withdrawn`.
        state: String,
        /// Who decided.
        by: Option<String>,
    },
    /// From here on another policy bundle rules the session.
    Policy {
        /// Session time.
        at: u64,
        /// Its hash.
        hash: String,
    },
    /// A policy that is not enforced spoke of a statement.
    Notice {
        /// Session time.
        at: u64,
        /// The statement.
        number: u64,
        /// `shadow`: it would have decided; `warn`: the same, with a message; `failed`: it could not be evaluated.
        kind: String,
        /// The policy.
        policy: String,
        /// What it tells; empty when nothing.
        message: String,
    },
    /// The relay asked the resource, over a connection of its own, to EXPLAIN a statement that is held.
    Estimate {
        /// Session time.
        at: u64,
        /// The statement.
        number: u64,
    },
    /// The columns of the rows that follow.
    Columns {
        /// Session time.
        at: u64,
        /// The statement.
        number: u64,
        /// Their names.
        names: Vec<String>,
    },
    /// A row as the client saw it: masked. Binary values are shown as text where the type is known, else as hex.
    Row {
        /// Session time.
        at: u64,
        /// The statement.
        number: u64,
        /// The cells; none is NULL.
        cells: Vec<Option<String>>,
    },
    /// A run of COPY data.
    Copy {
        /// Session time.
        at: u64,
        /// The statement.
        number: u64,
        /// `in` or `out`.
        direction: String,
        /// Bytes.
        bytes: u64,
        /// BLAKE3 of the data, hexadecimal.
        hash: String,
        /// The data out as text where it was recorded.
        text: Option<String>,
    },
    /// The rows were not all recorded, because the resource's configuration says so.
    Omitted {
        /// Session time.
        at: u64,
        /// The statement.
        number: u64,
        /// Rows left out.
        rows: u64,
        /// BLAKE3 over all rows of the statement as delivered, hexadecimal.
        hash: String,
        /// Which setting said so.
        why: String,
    },
    /// Values were masked.
    Masked {
        /// Session time.
        at: u64,
        /// The statement.
        number: u64,
        /// Rule to count.
        counts: BTreeMap<String, u64>,
    },
    /// A statement ended.
    Complete {
        /// Session time.
        at: u64,
        /// The statement.
        number: u64,
        /// The command tag, for example `SELECT 3`; or `error SQLSTATE message`; or `skipped`.
        status: String,
        /// Rows delivered.
        rows: u64,
        /// Microseconds from sending to the end.
        micros: u64,
    },
    /// The recording has a hole: the relay died here.
    Gap {
        /// Session time.
        at: u64,
        /// What is known.
        why: String,
    },
    /// The session ended.
    Close {
        /// Session time.
        at: u64,
        /// Why.
        reason: String,
    },
}
