//! Requests for a human's decision, and decisions.

use crate::id::{AgentId, ApprovalId, ResourceName, SessionId};
use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// That one statement runs.
    #[default]
    Statement,
    /// That a session begins.
    Connect,
    /// More than an agent's scope, for a while.
    Scope,
}

impl RequestKind {
    /// As it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Statement => "statement",
            Self::Connect => "connect",
            Self::Scope => "scope",
        }
    }
}

/// What weir found out about a request: facts, where everything else was written by whoever asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RequestFacts {
    /// Why the class is what it is: `DELETE`, `DROP TABLE`, ...
    pub what: String,
    /// Relations read, as written.
    pub reads: Vec<String>,
    /// Relations written, as written.
    pub writes: Vec<String>,
    /// Functions called.
    pub functions: Vec<String>,
    /// Number of statements.
    pub statements: usize,
    /// False when an UPDATE or DELETE has no WHERE, or one that looks at no column.
    pub has_where: bool,
    /// True when something is dropped or truncated.
    pub destructive: bool,
    /// True when it runs inside a transaction that is open already.
    pub in_transaction: bool,
    /// The database.
    pub database: String,
    /// The role that weir uses there.
    pub role: String,
    /// Bytes of the whole request.
    pub size: usize,
    /// Ids of the policies that hold it.
    pub policies: Vec<String>,
    /// What the server's planner expects of it. Never shown to the user who asks: statistics tell of values that are masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<RowEstimate>,
    /// Why there is no estimate although there could be one; empty otherwise. Shown to the same people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub no_estimate: String,
}

/// What the planner of a server expects of a statement that has not run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RowEstimate {
    /// Rows that it would change; where it changes none, rows that it would give.
    pub rows: u64,
    /// Its plan, 13 lines at most, indented by depth: kinds of nodes, relations and rows.
    pub plan: Vec<String>,
}

impl RowEstimate {
    /// How many rows, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self.rows {
            1 => "1 row, as the server's planner estimates".to_owned(),
            rows => format!("{rows} rows, as the server's planner estimates"),
        }
    }
}

/// What a decision needs to count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Needs {
    /// Distinct people who must approve; at least 1.
    pub quorum: u32,
    /// Groups that must each be represented among them.
    pub groups: Vec<String>,
    /// Each must prove presence with a passkey.
    pub passkey: bool,
    /// Each must say why.
    pub reason: bool,
}

impl Default for Needs {
    fn default() -> Self {
        Self { quorum: 1, groups: Vec::new(), passkey: false, reason: false }
    }
}

/// The most that may be granted at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Offers {
    /// Runs; 1 is once.
    pub uses: u32,
    /// Seconds for which requests of the same class may run in the same session; 0 is not at all.
    pub window: u64,
    /// The statement with its constants left open, where there is such: it may be granted instead of the one.
    pub template: Option<String>,
    /// What an approval of the template is bound to.
    pub template_digest: String,
    /// What an approval of a window is bound to.
    pub window_digest: String,
}

impl Default for Offers {
    fn default() -> Self {
        Self { uses: 1, window: 0, template: None, template_digest: String::new(), window_digest: String::new() }
    }
}

/// A request as it was made: nothing of it changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApprovalRequest {
    /// Its id.
    pub id: ApprovalId,
    /// What is asked for.
    #[serde(default)]
    pub kind: RequestKind,
    /// The session that asks; none for a request for more scope.
    pub session: Option<SessionId>,
    /// The user that asks.
    pub user: String,
    /// The agent that asks.
    pub agent: AgentId,
    /// The agents from the root to it.
    #[serde(default)]
    pub chain: Vec<AgentId>,
    /// On what.
    pub resource: ResourceName,
    /// The class of the statement, `connect`, or the actions asked for.
    pub class: String,
    /// The statement, or the scope, in full; control characters made visible. Written by whoever asks.
    pub statement: String,
    /// The statement's parameters, likewise.
    #[serde(default)]
    pub parameters: Vec<Option<String>>,
    /// Why, in the words of whoever asks.
    #[serde(default)]
    pub because: String,
    /// What weir found out.
    #[serde(default)]
    pub facts: RequestFacts,
    /// BLAKE3 over everything the decision is bound to, hexadecimal.
    pub digest: String,
    /// Hash of the policies that held it.
    #[serde(default)]
    pub bundle: String,
    /// What a decision needs.
    #[serde(default)]
    pub needs: Needs,
    /// What may be granted.
    #[serde(default)]
    pub offers: Offers,
    /// Microseconds since 1970.
    pub requested_at: i64,
    /// Microseconds since 1970: undecided by then is denied.
    pub expires_at: i64,
}

/// How far an approval goes. What is not said is once, exactly as shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Extent {
    /// Runs; 0 and 1 are once.
    pub uses: u32,
    /// Any statement that differs in its constants only.
    pub template: bool,
    /// Any request of the same class in the same session, for so many seconds; 0 is not at all. For a request for more
    /// scope, or for a session: how long it lasts.
    pub window: u64,
    /// For a request for more scope: no more than this of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// One person's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Vote {
    /// Whose.
    pub by: String,
    /// Their groups at that time.
    pub groups: Vec<String>,
    /// For or against.
    pub approve: bool,
    /// Why.
    pub reason: String,
    /// How far.
    pub extent: Extent,
    /// `cli`, `web`, `slack` or `webhook`.
    pub channel: String,
    /// Microseconds since 1970.
    pub at: i64,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Granted {
    /// How far.
    pub extent: Extent,
    /// Runs that are left.
    pub left: u32,
    /// Microseconds since 1970.
    pub until: i64,
}

/// A request that waits, or waited, for a decision.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApprovalView {
    /// As it was made.
    #[serde(flatten)]
    pub request: ApprovalRequest,
    /// `pending`, `approved`, `denied`, `expired`, `withdrawn`, `consumed`.
    pub state: String,
    /// How many requests that say the same wait, this one included: one decision is for all of them.
    #[serde(default)]
    pub identical: u32,
    /// How often requests of this user that differ in constants only were approved in the last day.
    #[serde(default)]
    pub repeated: u32,
    /// Who has said what.
    #[serde(default)]
    pub votes: Vec<Vote>,
    /// What was granted.
    #[serde(default)]
    pub granted: Option<Granted>,
    /// Who decided.
    pub decided_by: Option<String>,
    /// The reason given.
    pub reason: Option<String>,
    /// `due` when glass was broken and nobody has looked at it yet; then who did, and what they say.
    #[serde(default)]
    pub review: Option<String>,
    /// Its page.
    #[serde(default)]
    pub url: String,
}

/// The body of a decision.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct DecisionBody {
    /// Why; reaches the agent when the request is denied.
    pub reason: String,
    /// The digest that the reviewer saw; refused when it is not the request's.
    pub digest: Option<String>,
    /// How far an approval goes.
    pub extent: Extent,
    /// How many identical requests the reviewer saw: no more are decided.
    pub identical: u32,
}

/// An agent asks for more than its scope.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AskBody {
    /// `RESOURCE:ACTION+ACTION`, of one resource by its full name.
    pub scope: String,
    /// For how many seconds.
    pub window: u64,
    /// Why.
    #[serde(default)]
    pub because: String,
}

/// Something happened to a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApprovalEvent {
    /// Which.
    pub id: ApprovalId,
    /// Its state now.
    pub state: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_that_were_stored_before_there_were_estimates_are_read() {
        let stored = r#"{"what": "DELETE", "statements": 1, "has_where": true}"#;
        let facts: RequestFacts = serde_json::from_str(stored).unwrap();
        assert_eq!((facts.what.as_str(), &facts.estimate, facts.no_estimate.as_str()), ("DELETE", &None, ""));
        assert!(!serde_json::to_string(&facts).unwrap().contains("estimate"));
    }
}
