//! A loaded set of policies, and its decisions.

use crate::sql::Facts;
use std::collections::BTreeMap;

/// Who asks.
#[derive(Clone, Debug)]
pub struct Subject {
    /// User name.
    pub user: String,
    /// The user's roles (groups in policy).
    pub roles: Vec<String>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Open a session.
    Connect,
    /// `sql.read`
    SqlRead,
    /// `sql.write`
    SqlWrite,
    /// `sql.ddl`
    SqlDdl,
    /// `sql.admin`
    SqlAdmin,
}

/// The thing asked about.
#[derive(Clone, Debug)]
pub struct Target {
    /// Resource name.
    pub resource: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// What policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Go on.
    Allow,
    /// Wait for a human.
    Hold,
    /// No.
    Deny,
}

/// A decision with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What.
    pub outcome: Outcome,
    /// `@id`s of the determining policies; empty when no rule matched.
    pub policies: Vec<String>,
}

/// One decision's question.
#[derive(Debug)]
pub struct Question<'a> {
    /// Who.
    pub subject: &'a Subject,
    /// What.
    pub action: Action,
    /// On what.
    pub target: &'a Target,
    /// About which statement.
    pub facts: Option<&'a Facts>,
}
