//! A loaded set of policies ([`Bundle`]), and its decisions.
//!
//! Three questions are asked: may it be done at all, may it be done `unattended`, may a labelled column be seen `unmasked`. No
//! rule means denied, held, masked. A policy that fails while it is evaluated denies.
//!
//! - `load`: files become a bundle, or problems with their places; `rule`: one policy with its annotations
//! - `judge`: a bundle made ready for one subject and target; `context`, `needs`, `guard`: what it tells policy,
//!   what of it, and which policies need not hear it
//! - `decide`: one decision; `terms`: what an approval of it must satisfy
//! - `explain`: the same with everything that nearly decided; `diff`: what another bundle would decide

mod context;
mod decide;
mod diff;
mod explain;
mod guard;
mod judge;
mod load;
mod moment;
mod needs;
mod rule;
mod terms;

#[cfg(test)]
mod tests;

pub use diff::{Change, GridCase};
pub use judge::Judge;
pub use load::{Guardrails, PolicyFile, PolicyProblem, hash_of, read};
pub use moment::Moment;
pub use terms::Terms;

use crate::sql::Class;
use cedar_policy::Schema;
use rule::Rule;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// The policy that a new relay starts with.
pub const DEFAULT_POLICY: &str = include_str!("default.cedar");
/// The guardrails that ship with the relay.
pub const GUARDRAILS: &str = include_str!("guardrails/sql.cedar");

/// A valid set of policies. Immutable: a change of policy is another bundle with another hash.
#[derive(Debug)]
pub struct Bundle {
    schema: Schema,
    rules: Vec<Arc<Rule>>,
    hash: String,
    /// Whether any policy looks at the time.
    tells_time: bool,
    /// Whether any looks at what the planner expects.
    estimates: bool,
}

impl Bundle {
    /// BLAKE3 over schema and files, hexadecimal.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Its policies, in the order of their files: name and text.
    pub fn policies(&self) -> impl Iterator<Item = (&str, String)> {
        self.rules.iter().map(|rule| (rule.id.as_str(), rule.policy.to_string()))
    }
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Subject {
    /// User name.
    pub user: String,
    /// The user's roles (groups in policy).
    pub roles: Vec<String>,
    /// Hops between the user's login and who asks.
    pub depth: u32,
    /// The login is a workload's, not a person's.
    pub ci: bool,
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

impl Action {
    /// Every one, by danger.
    pub const ALL: [Self; 5] = [Self::Connect, Self::SqlRead, Self::SqlWrite, Self::SqlDdl, Self::SqlAdmin];

    /// As it stands in policy.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::SqlRead => "sql.read",
            Self::SqlWrite => "sql.write",
            Self::SqlDdl => "sql.ddl",
            Self::SqlAdmin => "sql.admin",
        }
    }

    /// The action that a statement of this class needs.
    #[must_use]
    pub fn of(class: Class) -> Self {
        match class {
            Class::Session => Self::Connect,
            Class::Read => Self::SqlRead,
            Class::Write => Self::SqlWrite,
            Class::Ddl => Self::SqlDdl,
            Class::Admin => Self::SqlAdmin,
        }
    }
}

/// The thing asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Target {
    /// Resource name.
    pub resource: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A column that is labelled in the configuration.
#[derive(Clone, Copy, Debug)]
pub struct ColumnName<'a> {
    /// Its name.
    pub name: &'a str,
    /// `schema.table`; empty when it is not known.
    pub relation: &'a str,
    /// Its label; empty when it has none of its own.
    pub label: &'a str,
}

/// How somebody decides a request that is held.
#[derive(Clone, Copy, Debug)]
pub struct Approving<'a> {
    /// `cli`, `web`, `slack`, `webhook`.
    pub channel: &'a str,
    /// Confirmed with a passkey.
    pub passkey: bool,
    /// The action that was asked for: `sql.write`.
    pub class: &'a str,
    /// The user who asked.
    pub requester: &'a str,
}

/// What policy says; later ones are stricter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Go on.
    Allow,
    /// Wait for a human.
    Hold,
    /// No.
    #[default]
    Deny,
}

impl Outcome {
    /// `allow`, `hold`, `deny`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Deny => "deny",
        }
    }
}

/// What a policy that is not enforced says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A policy in shadow matched.
    Shadow {
        /// Its name.
        id: String,
    },
    /// A policy that warns matched.
    Warn {
        /// Its name.
        id: String,
        /// Its `@message`; empty when it has none.
        message: String,
    },
    /// It failed while it was evaluated, and would have denied.
    Failed {
        /// Its name.
        id: String,
    },
}

impl Notice {
    /// `shadow`, `warn` or `failed`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Shadow { .. } => "shadow",
            Self::Warn { .. } => "warn",
            Self::Failed { .. } => "failed",
        }
    }

    /// The policy's name.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Shadow { id } | Self::Warn { id, .. } | Self::Failed { id } => id,
        }
    }

    /// What it tells; empty when nothing.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Warn { message, .. } => message,
            Self::Shadow { .. } | Self::Failed { .. } => "",
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.id())?;
        if self.message().is_empty() { Ok(()) } else { write!(f, ": {}", self.message()) }
    }
}

/// A decision with its reasons. The default denies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// What.
    pub outcome: Outcome,
    /// `@id`s of the determining policies; empty when no rule matched.
    pub policies: Arc<[String]>,
    /// What the approval must satisfy, when it is held.
    pub terms: Terms,
    /// What policies say that are not enforced.
    pub notices: Vec<Notice>,
    /// What the policy that denies or holds tells the client (`@message`).
    pub message: Option<Arc<str>>,
    /// What to do next, by the same (`@next`).
    pub next: Option<Arc<str>>,
}
