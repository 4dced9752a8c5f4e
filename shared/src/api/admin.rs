//! What administrators change, and auditors read.

use crate::id::ResourceName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Something wrong with a text that was sent, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Flaw {
    /// In which file.
    pub file: String,
    /// On which line, from 1; 0 when it is about the whole file.
    pub line: usize,
    /// At which character of it, from 1; 0 when that is not known.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// A policy file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyText {
    /// Its name; `*.cedar`.
    pub name: String,
    /// Its text, in Cedar.
    pub text: String,
}

/// The policies as they stand in their folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PoliciesView {
    /// Hash of the bundle that these files are: what `If-Match` must name to change one of them.
    pub hash: String,
    /// Hash of the bundle in force: an earlier one when these files are not valid, or were changed a moment ago.
    pub in_force: String,
    /// The files, by name; the guardrails that ship with the relay are not among them.
    pub files: Vec<PolicyText>,
    /// What is wrong with them; empty when nothing is.
    pub problems: Vec<Flaw>,
}

/// Texts to be checked together, as if they were all the policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PoliciesBody {
    /// The files.
    pub files: Vec<PolicyText>,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PoliciesChecked {
    /// Hash of the bundle that they would be; none when they are not valid.
    pub hash: Option<String>,
    /// What is wrong; empty when nothing is.
    pub problems: Vec<Flaw>,
}

/// A request to be decided by the policies in force, and explained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExplainBody {
    /// Who asks.
    pub user: String,
    /// With these roles; those that the user has when none are named.
    #[serde(default)]
    pub roles: Option<Vec<String>>,
    /// Hops between the user's login and who asks; at most 64.
    #[serde(default)]
    pub depth: u32,
    /// The login is a workload's.
    #[serde(default)]
    pub ci: bool,
    /// The resource.
    pub resource: String,
    /// Labels beside, or instead of, the configured ones.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The statement; without one, the connection is asked about.
    #[serde(default)]
    pub sql: Option<String>,
}

/// Where a resource stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// In the relay's configuration file: it is changed there.
    #[default]
    Configuration,
    /// It was made over the API.
    Api,
}

/// What is said of a resource. Of its credential it tells where it comes from, never what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceSettings {
    /// Its name.
    pub name: ResourceName,
    /// Where it stands.
    #[serde(default)]
    pub origin: Origin,
    /// The keys of its table as they were sent, TOML, when it was made over the API.
    #[serde(default)]
    pub definition: Option<String>,
    /// Why its definition means nothing any more: the resource cannot be reached, and what follows is empty.
    #[serde(default)]
    pub problems: Vec<Flaw>,
    /// `postgres`.
    pub kind: String,
    /// Where it is, `host:port`, in the order in which they are tried.
    pub hosts: Vec<String>,
    /// What the host of a session must be, as in libpq.
    pub target_session_attrs: String,
    /// The databases that may be asked for, of which the first is the default, and patterns of more.
    pub databases: Vec<String>,
    /// The role that weir logs in as.
    pub role: String,
    /// Where the role's secret comes from: `env:NAME`, `file:PATH`, `exec:PROGRAM` without its arguments,
    /// `none`, or `named:NAME` of the configuration.
    pub credential: String,
    /// `verify-full` or `disable`.
    pub tls: String,
    /// Whether weir shows it a client certificate.
    pub client_certificate: bool,
    /// Whether `md5` is allowed.
    pub allow_md5: bool,
    /// Whether a clear-text password, over verified TLS, is allowed.
    pub allow_cleartext: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Columns that are masked whole, `schema.table.column`.
    pub columns: Vec<String>,
    /// Its limits.
    pub limits: ResourceLimits,
    /// What is recorded of result rows: `all`, `first:N` or `counts`.
    pub record_rows: String,
    /// `sync`, `strict` or `best_effort`.
    pub durability: String,
}

impl ResourceSettings {
    /// Of a resource of which only the name is known.
    #[must_use]
    pub fn unknown(name: ResourceName) -> Self {
        Self {
            name,
            origin: Origin::Api,
            definition: None,
            problems: Vec::new(),
            kind: String::new(),
            hosts: Vec::new(),
            target_session_attrs: String::new(),
            databases: Vec::new(),
            role: String::new(),
            credential: String::new(),
            tls: String::new(),
            client_certificate: false,
            allow_md5: false,
            allow_cleartext: false,
            labels: BTreeMap::new(),
            columns: Vec::new(),
            limits: ResourceLimits::default(),
            record_rows: String::new(),
            durability: String::new(),
        }
    }
}

/// Limits of a resource's sessions; none is no limit. Times are milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceLimits {
    /// Sessions at a time.
    pub connections: Option<u64>,
    /// Largest statement, bytes.
    pub statement_bytes: Option<u64>,
    /// Most rows of one statement.
    pub rows: Option<u64>,
    /// Most bytes of rows of one statement.
    pub result_bytes: Option<u64>,
    /// How long the resource may work on one statement.
    pub statement_time: Option<u64>,
    /// How long a session may last.
    pub session_time: Option<u64>,
    /// How long it may be idle.
    pub idle: Option<u64>,
    /// Statements a second, all sessions together.
    pub rate: Option<u32>,
    /// Statements at once.
    pub burst: Option<u32>,
}
