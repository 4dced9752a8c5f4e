//! The validated configuration. Whoever holds one needs to check nothing again.

mod channels;
mod identity;

pub use channels::{Channels, Endpoint, Slack, Webhook, WebhookEvent};
pub use identity::{Claim, Exception, Identity, Issuer, Oidc, Platform, Workload, WorkloadRule};

use crate::id::ResourceName;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    num::NonZero,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

pub use super::clients::{Client, ClientAuth, GrantType, Scope};

/// Everything the relay needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder the configuration lies in; relative paths start here.
    pub folder: PathBuf,
    /// One address for UDP (QUIC) and TCP (HTTPS, WebSocket).
    pub listen: SocketAddr,
    /// Where `/metrics` is served, without authentication; none is nowhere.
    pub metrics: Option<SocketAddr>,
    /// `https://host:port` under which agents know this relay; no path.
    pub public_url: String,
    /// The relay's certificate chain (PEM).
    pub tls_certificate: PathBuf,
    /// Its private key (PEM).
    pub tls_key: PathBuf,
    /// SQLite file.
    pub database: PathBuf,
    /// Folder of `*.cedar` files.
    pub policies: PathBuf,
    /// The guardrails in front of them.
    pub policy: PolicySettings,
    /// Folder of recordings.
    pub recordings: PathBuf,
    /// File of the key that seals recordings and the store's secrets (32 bytes, hexadecimal).
    pub sealing_key: PathBuf,
    /// Folder of the keys that sign access tokens.
    pub token_keys: PathBuf,
    /// OAuth clients by id, beside `weir` itself.
    pub clients: BTreeMap<String, Arc<Client>>,
    /// How long recordings are kept; zero keeps them.
    pub retention: Duration,
    /// How long a login lasts.
    pub login_lifetime: Duration,
    /// How long an agent's key lasts.
    pub agent_lifetime: Duration,
    /// An agent of which nothing is heard for so long ends; zero never.
    pub agent_idle: Duration,
    /// An agent of `weir run` whose tunnel is lost for so long ends; zero never.
    pub tunnel_grace: Duration,
    /// How long a held request waits.
    pub approval_timeout: Duration,
    /// How much may be asked and granted.
    pub approvals: ApprovalLimits,
    /// Whom it tells of requests.
    pub channels: Channels,
    /// How long open sessions may go on after SIGTERM.
    pub drain_timeout: Duration,
    /// Threads that serve tunnels; none leaves it to the relay.
    pub threads: Option<NonZero<usize>>,
    /// What agents may hand on.
    pub delegation: Delegation,
    /// What each user may do, across all resources.
    pub users: UserLimits,
    /// Who may come in.
    pub doors: DoorLimits,
    /// Who is let in beside local users.
    pub identity: Identity,
    /// Secrets that resources may name, with whom they may be shown to.
    pub credentials: BTreeMap<String, Arc<Credential>>,
    /// The resources by name.
    pub resources: BTreeMap<ResourceName, Arc<Resource>>,
}

/// How much people may be asked, and how much they may grant at once.
#[derive(Clone, Debug)]
pub struct ApprovalLimits {
    /// Requests of one user that may wait at a time.
    pub most_pending: u32,
    /// Requests that one user may make in an hour.
    pub per_hour: u32,
    /// For so long what was denied is denied again without asking.
    pub denied_for: Duration,
    /// Runs that one approval may let happen.
    pub uses: u32,
    /// How long one approval may hold.
    pub window: Duration,
    /// Servers are asked how many rows a held statement would touch.
    pub estimate: bool,
}

/// Which guardrails stand in front of the folder's policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySettings {
    /// Any at all.
    pub guardrails: bool,
    /// Those that do not, by name.
    pub disable: BTreeSet<String>,
}

/// Whether one of a resource's `databases` stands for all that fit it.
#[must_use]
pub fn is_database_pattern(name: &str) -> bool {
    name.contains('*')
}

/// One resource. Step by step more kinds follow; today every one is PostgreSQL.
#[derive(Clone, Debug, Serialize)]
pub struct Resource {
    /// Name.
    pub name: ResourceName,
    /// Protocol.
    pub kind: ResourceKind,
    /// Where it is: tried in this order. Never empty.
    pub hosts: Vec<Host>,
    /// What the host of a session must be.
    pub target_session_attrs: TargetSession,
    /// How long connecting and logging in to one host may take.
    pub connect_timeout: Duration,
    /// Databases that may be asked for: names, of which the first is the default and there is one, and after them patterns.
    pub databases: Vec<String>,
    /// The role weir logs in as.
    pub role: String,
    /// Where the role's secret comes from.
    pub credential: CredentialSource,
    /// Which of [`Config::credentials`] that is, where it is one.
    pub named: Option<String>,
    /// TLS towards the resource.
    pub tls: UpstreamTls,
    /// Allow `md5` password authentication.
    pub allow_md5: bool,
    /// Allow a clear-text password; only over verified TLS.
    pub allow_cleartext: bool,
    /// Labels, for policy.
    pub labels: BTreeMap<String, String>,
    /// Columns whose every value is masked whole.
    pub columns: Vec<ColumnLabel>,
    /// Prefixes of settings of the application's own that may be set: `app.`
    pub harmless_settings: Vec<String>,
    /// Functions of its own that change nothing, with the types of their arguments: `public.total(integer)`.
    pub harmless_functions: Vec<String>,
    /// How what detectors find is masked.
    pub mask: Masking,
    /// Limits.
    pub limits: Limits,
    /// What is recorded.
    pub recording: Recording,
}

/// What a [`Resource`] means: another in another relay, or after a change, unless all of it is the same.
pub type Version = [u8; 32];

impl Resource {
    /// SHA-256 over all that is said of it.
    #[must_use]
    pub fn version(&self) -> Version {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        // Nothing of it can fail to be encoded; if it did, it would be the same as nothing.
        let encoded = bincode::serde::encode_to_vec(self, bincode::config::standard()).unwrap_or_default();
        context.update(&encoded);
        context.finish().as_ref().try_into().unwrap_or_default()
    }
}

/// A secret, and whom it may be shown to: what resources that name it have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credential {
    /// Where it comes from.
    pub source: CredentialSource,
    /// Hosts that it may be shown to; `*.` stands for one label. Never empty.
    pub hosts: Vec<Host>,
    /// Roles that may log in with it; empty is any.
    pub roles: BTreeSet<String>,
    /// TLS towards them.
    pub tls: UpstreamTls,
    /// Allow `md5` password authentication.
    pub allow_md5: bool,
    /// Allow a clear-text password; only over verified TLS.
    pub allow_cleartext: bool,
}

impl Credential {
    /// True when it may be shown to a host.
    #[must_use]
    pub fn is_for(&self, host: &Host) -> bool {
        let is = |known: &Host| match known.name.strip_prefix('*') {
            None => known.name.eq_ignore_ascii_case(&host.name),
            // `.domain`: one label before it, as in certificates (RFC 9525, 6.3).
            Some(domain) => host.name.split_once('.').is_some_and(|(label, _)| {
                let rest = host.name.get(label.len()..).unwrap_or_default();
                !label.is_empty() && rest.eq_ignore_ascii_case(domain)
            }),
        };
        self.hosts.iter().any(|known| known.port == host.port && is(known))
    }
}

/// A host of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Host {
    /// Name or address; its certificate must have it.
    pub name: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// What a session's host must be (libpq's `target_session_attrs`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum TargetSession {
    /// Anything.
    #[default]
    Any,
    /// Not in recovery, and transactions may write by default.
    ReadWrite,
    /// The opposite.
    ReadOnly,
    /// Not in recovery.
    Primary,
    /// In recovery.
    Standby,
    /// In recovery if there is one, else anything.
    PreferStandby,
}

impl TargetSession {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Any, Self::ReadWrite, Self::ReadOnly, Self::Primary, Self::Standby, Self::PreferStandby];

    /// As typed in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::PreferStandby => "prefer-standby",
        }
    }
}

impl fmt::Display for TargetSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A protocol that weir speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ResourceKind {
    /// PostgreSQL, protocol 3.
    Postgres,
}

impl ResourceKind {
    /// As typed in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
        }
    }
}

/// Where a credential comes from; read anew for every lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Default)]
pub enum CredentialSource {
    /// An environment variable of the relay.
    Env(String),
    /// The first line of a file.
    File(PathBuf),
    /// The first line of a program's output.
    Exec {
        /// Program and arguments; no shell.
        argv: Vec<String>,
        /// How long it may take.
        timeout: Duration,
    },
    /// No password: the client certificate is the credential.
    #[default]
    None,
}

/// TLS towards a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Default)]
pub struct UpstreamTls {
    /// How much is verified.
    pub mode: UpstreamTlsMode,
    /// CA file (PEM); the platform's roots when none.
    pub ca: Option<PathBuf>,
    /// Client certificate and key (PEM).
    pub client: Option<(PathBuf, PathBuf)>,
}

/// How much of the resource's TLS is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Default)]
pub enum UpstreamTlsMode {
    /// Chain and host name.
    #[default]
    VerifyFull,
    /// No TLS; `weir-relay check` warns.
    Disable,
}

/// A labelled column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnLabel {
    /// Schema; `public` when not given.
    pub schema: String,
    /// Table or view.
    pub table: String,
    /// Column.
    pub column: String,
}

impl fmt::Display for ColumnLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.schema, self.table, self.column)
    }
}

/// How what detectors find is masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Masking {
    /// An answer in which something was masked says so.
    pub notices: bool,
    /// By rule; [`Masking::EVERY`] stands for those that are not named.
    pub rules: BTreeMap<String, Strategy>,
    /// Columns for which it is otherwise: their rules come first.
    pub columns: Vec<(ColumnLabel, BTreeMap<String, Strategy>)>,
}

impl Masking {
    /// Every rule that is not named.
    pub const EVERY: &str = "*";

    /// What becomes of what a rule finds, in the column at a place in [`Self::columns`] or in another one.
    #[must_use]
    pub fn strategy(&self, rule: &str, column: Option<usize>) -> Strategy {
        let of = |rules: &BTreeMap<String, Strategy>| rules.get(rule).or_else(|| rules.get(Self::EVERY)).copied();
        let column = column.and_then(|column| self.columns.get(column));
        column.and_then(|(_, rules)| of(rules)).or_else(|| of(&self.rules)).unwrap_or_default()
    }

    /// True when every rule's finds are redacted everywhere.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.rules.is_empty() && self.columns.is_empty()
    }
}

impl Default for Masking {
    fn default() -> Self {
        Self { notices: true, rules: BTreeMap::new(), columns: Vec::new() }
    }
}

/// What becomes of a value that a rule finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Strategy {
    /// A mask with the rule's name stands for it.
    #[default]
    Redact,
    /// The mask shows its last four characters too.
    Partial,
    /// The whole cell is NULL.
    Null,
    /// It is shown: the rule is off.
    Off,
}

/// Limits of a resource's sessions, or of a user's. What is not limited has the largest value of its type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Sessions at a time.
    pub connections: usize,
    /// Largest statement in bytes.
    pub statement_bytes: usize,
    /// Most rows that one statement gives; a FETCH and a further Execute of a portal count for themselves.
    pub rows: u64,
    /// Most bytes of rows, as the protocol carries them, that one statement gives.
    pub result_bytes: u64,
    /// How long the resource may work on one statement, reading its answer included.
    pub statement_time: Duration,
    /// How long a session may last.
    pub session_time: Duration,
    /// A session with no statement running is closed after this.
    pub idle: Duration,
    /// Statements a second, all sessions together; none is no limit.
    pub rate: Option<Rate>,
}

impl Limits {
    /// Nothing is limited.
    pub const NONE: Self = Self {
        connections: usize::MAX,
        statement_bytes: usize::MAX,
        rows: u64::MAX,
        result_bytes: u64::MAX,
        statement_time: Duration::MAX,
        session_time: Duration::MAX,
        idle: Duration::MAX,
        rate: None,
    };
}

/// What agents may hand on to agents of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// How long a child lives unless it is renewed.
    pub child_lifetime: Duration,
    /// Hops of a chain, the root not counted.
    pub max_depth: u32,
    /// Children of one agent that live at a time.
    pub fan_out: u32,
    /// Whether a supervised process may open a root from the stored login.
    pub supervised_roots: bool,
}

/// A rate of statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// So many a second, in the long run.
    pub per_second: NonZero<u32>,
    /// So many at once.
    pub burst: NonZero<u32>,
}

/// How many connections may be there at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorLimits {
    /// That have not proven yet whose they are. Each costs the relay at most 64 KiB.
    pub strangers: usize,
    /// Of these from one address (of IPv6 from one /64).
    pub address: usize,
    /// Of one agent: QUIC connections, WebSocket connections and streams.
    pub agent: usize,
}

/// Limits of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserLimits {
    /// Of each user that is not named.
    pub each: Limits,
    /// Of these.
    pub named: BTreeMap<String, Limits>,
}

impl UserLimits {
    /// The limits of one user.
    #[must_use]
    pub fn of(&self, user: &str) -> &Limits {
        self.named.get(user).unwrap_or(&self.each)
    }
}

/// What is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recording {
    /// How much of the result rows.
    pub rows: RecordRows,
    /// Most bytes of rows a statement records; zero is no quota.
    pub quota_bytes: u64,
    /// How sure the intent is on disk before the statement goes out.
    pub durability: Durability,
}

/// How much of the result rows is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum RecordRows {
    /// All.
    All,
    /// The first so many of each statement, then count and hash.
    First(u64),
    /// Count and hash.
    Counts,
}

/// Durability of the recorded intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Durability {
    /// fsync before the statement goes out.
    Sync,
    /// `write(2)` before the statement goes out, fsync within 50 ms.
    Strict,
    /// Goes on when it cannot be written; loud.
    BestEffort,
}
