//! The way to the resource: [`Upstreams::connect`] takes a `Grant`, so nothing is dialled or injected before it is authorised.
//!
//! - `hosts`: which of its hosts; `dial`: TCP and `tls`; `login`: the resource's own authentication, `scram` its arithmetic
//! - `cancel`: stopping what a connection runs
//! - [`estimate`]: what the planner expects of a statement that is held; `plan` reads its answer
//! - [`resolve`]: what the names in a statement mean
//! - `labels`: which columns are labelled; [`catalog`]: that, read once for many sessions

mod cancel;
pub mod catalog;
mod dial;
pub mod estimate;
mod hosts;
mod labels;
mod login;
mod masked;
mod plan;
pub mod resolve;
mod role;
mod scram;
mod tls;
mod views;

pub use cancel::Canceller;
pub use catalog::{Catalog, Catalogs};
pub use dial::Io;
pub use labels::{Labels, Relation};
pub use role::statements as role_statements;
pub use scram::ScramKeys;

use crate::{
    credential::{self, Lease, Leases},
    session::authorize::Admitted,
    telemetry::lookups::Lookups,
};
use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};
use tls::TlsConfigs;
use weir_protocol::postgres::startup::SessionStart;
use weir_shared::{
    config::checked::{Host, Resource, TargetSession, is_database_pattern},
    error::{Kind, UserFacing},
    id::SessionId,
    scope,
};

/// A resource that could not be reached or logged in to.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No TCP connection.
    #[error("cannot connect to {0}: {1}")]
    Dial(String, std::io::Error),
    /// No TLS, or not the right peer.
    #[error("TLS with {0} failed: {1}")]
    Tls(String, String),
    /// The credential could not be had.
    #[error(transparent)]
    Credential(#[from] credential::CredentialError),
    /// The resource refused the login: SQLSTATE and message.
    #[error("the resource refused the login: {0}")]
    Refused(String),
    /// The resource asks for what the configuration does not allow.
    #[error("{0}")]
    Method(String),
    /// The connection broke during the login.
    #[error("the resource closed the connection during login: {0}")]
    Io(#[from] std::io::Error),
    /// It took too long.
    #[error("{0} did not answer within {1:?}")]
    Timeout(String, Duration),
    /// The host is not of the kind that is asked for.
    #[error("{0} is not {1}")]
    Unfit(String, TargetSession),
    /// None of several hosts.
    #[error("no host will do: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Hosts(Vec<Self>),
}

/// The very server that a session is with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// As the configuration names it, and its certificate.
    pub host: Host,
    /// The address that answered.
    pub address: SocketAddr,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)
    }
}

impl UpstreamError {
    /// Which step failed, as metrics name it.
    #[must_use]
    pub fn step(&self) -> &'static str {
        match self {
            Self::Dial(..) => "dial",
            Self::Tls(..) => "tls",
            Self::Credential(_) => "credential",
            Self::Refused(_) => "login",
            Self::Method(_) => "method",
            Self::Io(_) => "lost",
            Self::Timeout(..) => "timeout",
            Self::Unfit(..) | Self::Hosts(_) => "hosts",
        }
    }
}

/// A logged-in connection.
pub struct Connected {
    /// The connection.
    pub io: Io,
    /// With whom, and how that is told to stop.
    pub canceller: Arc<Canceller>,
    /// Bytes that came after the login.
    pub rest: bytes::BytesMut,
    /// Parameters that the server reported.
    pub parameters: Vec<(String, String)>,
    /// The injected credential, so that it can be kept out of every answer.
    pub credential: Option<Arc<Lease>>,
    /// Labelled columns, as the server numbers them.
    pub catalog: Arc<Catalog>,
}

/// What sessions with the same resource share, so that each need not make it anew.
#[derive(Default)]
pub struct Upstreams {
    leases: Leases,
    estimates: estimate::Slots,
    /// TLS configurations.
    pub tls: Arc<TlsConfigs>,
    /// Look-ups of the keys that leases keep for SCRAM.
    pub scram: Lookups,
    /// Snapshots of the databases' catalogs.
    pub catalogs: Catalogs,
    /// What names mean in the databases' catalogs.
    pub resolvers: resolve::Resolvers,
}

impl Upstreams {
    /// Dials and logs in what the grant of an admitted session names.
    ///
    /// # Errors
    /// Says which step failed, without the credential.
    pub async fn connect(
        &self,
        admitted: Admitted<'_>,
        start: &SessionStart,
        database: &str,
    ) -> Result<Connected, UpstreamError> {
        let grant = admitted.grant();
        self.open(grant.resource(), grant.session(), start, database).await
    }

    async fn open(
        &self,
        resource: &Resource,
        session: SessionId,
        start: &SessionStart,
        database: &str,
    ) -> Result<Connected, UpstreamError> {
        let credential = self.leases.lease(resource).await?;
        let mut failures = Vec::new();
        for (host, target) in hosts::candidates(resource) {
            let steps = async {
                let dialled = dial::dial(resource, &self.tls, host, None).await?;
                let login = login::Login { resource, host, target, session, start, database };
                login::login(login, self, dialled, credential.clone()).await
            };
            let patience = resource.connect_timeout;
            let result = tokio::time::timeout(patience, steps).await;
            match result.unwrap_or_else(|_| Err(UpstreamError::Timeout(host.to_string(), patience))) {
                Err(error) if hosts::passes_over(&error) => failures.push(error),
                result => return result,
            }
        }
        Err(match failures.pop() {
            Some(only) if failures.is_empty() => only,
            last => UpstreamError::Hosts(failures.into_iter().chain(last).collect()),
        })
    }
}

/// An identifier as SQL takes it, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// True when a host of the resource accepts connections.
pub async fn is_reachable(resource: &Resource) -> bool {
    let dials =
        resource.hosts.iter().map(|host| Box::pin(tokio::net::TcpStream::connect((host.name.as_str(), host.port))));
    let first = futures_util::future::select_ok(dials);
    !resource.hosts.is_empty() && matches!(tokio::time::timeout(Duration::from_secs(1), first).await, Ok(Ok(_)))
}

/// What a test login found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TestReport {
    /// The host that was chosen.
    pub host: String,
    /// TLS version and cipher, or `off`.
    pub tls: String,
    /// The role.
    pub role: String,
    /// The server's version.
    pub server_version: String,
    /// Databases of the server that fit a pattern of the resource's, and are not named.
    pub fitting_databases: Vec<String>,
    /// Labelled columns that none of its databases has: nothing of that name will be masked.
    pub missing_columns: Vec<String>,
    /// What the role may do that weir should not be able to, in a phrase each.
    pub powers: Vec<String>,
}

/// Dials and logs in to a resource for the administrator at the relay's own machine, to each of the databases that it names, and
/// hangs up.
///
/// # Errors
/// Says which step failed and what to do.
pub async fn test(resource: &Resource) -> Result<TestReport, UserFacing> {
    let mut report: Option<TestReport> = None;
    let upstreams = Upstreams::default();
    let (patterns, names): (Vec<_>, Vec<_>) = resource.databases.iter().partition(|name| is_database_pattern(name));
    for database in names.iter().copied() {
        let connected = upstreams
            .open(resource, SessionId::generate(), &SessionStart::default(), database)
            .await
            .map_err(|error| facing(&error))?;
        let before = report.as_ref().map(|report| report.powers.clone()).unwrap_or_default();
        let Connected { io, rest, canceller, parameters, catalog, .. } = connected;
        let tls = io.describe();
        let mut connection = login::Connection::new(io, rest, 64 * 1024, 4 * 1024 * 1024);
        let powers = role::powers(&mut connection).await.map_err(|error| facing(&error))?;
        let missing: Vec<String> = catalog.labels.missing.iter().map(ToString::to_string).collect();
        match &mut report {
            // A column has to be in one of them.
            Some(report) => {
                report.missing_columns.retain(|column| missing.contains(column));
                report.powers.extend(powers.into_iter().filter(|power| !before.contains(power)));
            }
            None => {
                let version = parameters.iter().find(|(name, _)| name == "server_version");
                report = Some(TestReport {
                    host: canceller.server.to_string(),
                    tls,
                    role: resource.role.clone(),
                    server_version: version.map(|(_, value)| value.clone()).unwrap_or_default(),
                    fitting_databases: Vec::new(),
                    missing_columns: missing,
                    powers,
                });
                if !patterns.is_empty() {
                    let there = databases(&mut connection).await.map_err(|error| facing(&error))?;
                    let fits = |name: &String| patterns.iter().any(|pattern| scope::fits(pattern, name));
                    let fitting = there.into_iter().filter(|name| fits(name) && !names.contains(&name));
                    report.iter_mut().for_each(|report| report.fitting_databases.extend(fitting.clone()));
                }
            }
        }
        connection.say_goodbye().await;
    }
    report.ok_or_else(|| UserFacing::new(Kind::Config, "the resource offers no database", "name one in databases"))
}

/// The databases that the server lets anybody into.
async fn databases(connection: &mut login::Connection) -> Result<Vec<String>, UpstreamError> {
    let text = "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn ORDER BY datname";
    let rows = connection.query(text).await?;
    Ok(rows.into_iter().flatten().collect())
}

/// The error with a next step.
#[must_use]
pub fn facing(error: &UpstreamError) -> UserFacing {
    let (kind, hint) = match error {
        UpstreamError::Dial(..) | UpstreamError::Timeout(..) => {
            (Kind::Unreachable, "is the resource up, and are host and port right?")
        }
        UpstreamError::Unfit(..) | UpstreamError::Hosts(_) => {
            (Kind::Unreachable, "see the resource's host and target_session_attrs, and each host's own log")
        }
        UpstreamError::Tls(..) => (Kind::Untrusted, "set the resource's ca, or the host name that its certificate has"),
        UpstreamError::Credential(_) => (Kind::Config, "correct the resource's credential"),
        UpstreamError::Refused(_) => (Kind::Denied, "check the resource's role, credential and database"),
        UpstreamError::Method(_) => (Kind::Config, "let the resource use SCRAM-SHA-256"),
        UpstreamError::Io(_) => (Kind::Unreachable, "see the resource's own log"),
    };
    UserFacing::new(kind, error.to_string(), hint)
}
