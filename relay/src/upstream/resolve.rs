//! What the names in a statement mean at the server, asked over a connection of the relay's own, one a database and host, that all
//! sessions there share: it neither disturbs a session's transaction nor waits for it.
//!
//! Answers are kept by what was asked: statements that name the same have one answer. They are forgotten at once when something
//! is defined anew through weir, and after half a minute in any case: others may define things too. What a session has defined in a
//! transaction that is still open, this connection does not see; the session knows that itself.

use super::{Server, UpstreamError, Upstreams, dial, login, login::Connection, quoted};
use crate::session::authorize::Admitted;
use postgres_protocol::{IsNull, message::frontend};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use weir_policy::sql::{Answer, Name, Names};
use weir_protocol::postgres::startup::SessionStart;
use weir_shared::config::checked::{Host, Resource, TargetSession, Version};

/// What the catalog is asked.
const QUESTION: &str = include_str!("resolve.sql");
/// How long an answer serves.
const FRESH: Duration = Duration::from_secs(30);
/// How long one answer may take; a login is within it.
const PATIENCE: Duration = Duration::from_secs(10);
/// A connection serves for so long: what its role begins with may have changed.
const RENEWED: Duration = Duration::from_secs(60);
/// Answers of each of the two generations that a database's are kept in.
const GENERATION: usize = 1_024;
/// Bytes of the server's messages.
const LARGEST: usize = 1024 * 1024;
/// What the question is asked under besides. Planning it anew each time would take longer than its answer, compiling it much longer.
const SETTINGS: [(&str, &str); 7] = [
    (PLANNED_ONCE.0, PLANNED_ONCE.1),
    ("jit", "off"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("statement_timeout", "5s"),
    ("lock_timeout", "1s"),
];
const PLANNED_ONCE: (&str, &str) = ("plan_cache_mode", "force_generic_plan");
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY NOT DEFERRABLE";
/// SQLSTATE: the prepared statement does not exist. Behind a pooler it may be on another connection of its own.
const NOT_PREPARED: &str = "26000";
/// The server ends by itself what nobody uses any more.
const IDLE_SETTING: &str = "SET idle_session_timeout = '90s'";

/// What is asked: names, on these paths; none is what the role begins with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The names.
    pub names: Arc<Names>,
    /// The paths that a session may have.
    pub paths: Vec<Option<Vec<String>>>,
}

/// An answer, and what it is good for.
#[derive(Clone, Debug)]
pub struct Known {
    /// What the catalog says.
    pub answer: Arc<Answer>,
    state: u64,
    made: Instant,
}

type Key = (Version, String);

/// All of them.
#[derive(Debug, Default)]
pub struct Resolvers {
    places: Mutex<HashMap<Key, Databases>>,
}

#[derive(Debug, Default)]
struct Databases {
    /// Goes up with everything that is defined anew through weir, on all hosts: one may follow another.
    state: Arc<AtomicU64>,
    hosts: HashMap<Host, Arc<Resolver>>,
}

impl Resolvers {
    /// That of a database on one host.
    #[must_use]
    pub fn of(&self, resource: &Arc<Resource>, database: &str, server: &Server) -> Arc<Resolver> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let Databases { state, hosts } = places.entry((resource.version(), database.to_owned())).or_default();
        let make = || {
            Arc::new(Resolver {
                resource: Arc::clone(resource),
                database: database.to_owned(),
                server: server.clone(),
                state: Arc::clone(state),
                kept: Mutex::default(),
                line: tokio::sync::Mutex::default(),
                planner: tokio::sync::Mutex::default(),
            })
        };
        Arc::clone(hosts.entry(server.host.clone()).or_insert_with(make))
    }

    /// Nobody will ask for a version of a resource any more.
    pub fn forget(&self, resource: &Resource) {
        let version = resource.version();
        self.places.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _), _| *known != version);
    }
}

/// Asks one database's catalog.
#[derive(Debug)]
pub struct Resolver {
    resource: Arc<Resource>,
    database: String,
    server: Server,
    state: Arc<AtomicU64>,
    kept: Mutex<Kept>,
    line: tokio::sync::Mutex<Option<Line>>,
    /// Another, on which statements are planned: that may take longer than the catalog's answers.
    pub(super) planner: tokio::sync::Mutex<Option<Line>>,
}

#[derive(Debug, Default)]
struct Kept {
    young: HashMap<Question, Known>,
    old: HashMap<Question, Known>,
}

/// The connection, and the path that the role begins with.
pub(super) struct Line {
    pub(super) connection: Connection,
    path: Vec<String>,
    opened: Instant,
    /// A pooler stands before the server: nothing lasts longer than a transaction.
    pooled: bool,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Line {
    /// True while it may be used again.
    pub(super) fn serves(&self) -> bool {
        self.opened.elapsed() < RENEWED
    }

    /// A search path as SET takes it; none is what the role begins with.
    pub(super) fn path(&self, path: Option<&[String]>) -> String {
        path.unwrap_or(&self.path).iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
    }
}

impl Resolver {
    /// Something is defined anew: no answer counts any more.
    pub fn changed(&self) {
        self.state.fetch_add(1, Ordering::AcqRel);
    }

    /// True while the answer counts.
    #[must_use]
    pub fn is_current(&self, known: &Known) -> bool {
        known.state == self.state.load(Ordering::Acquire) && known.made.elapsed() < FRESH
    }

    /// The answer to a question that was asked before.
    #[must_use]
    pub fn known(&self, question: &Question) -> Option<Known> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.young.get(question) {
            return self.is_current(known).then(|| known.clone());
        }
        let (question, known) = kept.old.remove_entry(question)?;
        let current = self.is_current(&known).then(|| known.clone());
        kept.keep(question, known);
        current
    }
}

impl Kept {
    fn keep(&mut self, question: Question, known: Known) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(question, known);
    }
}

impl Upstreams {
    /// Asks the catalog what names mean, for an admitted session.
    ///
    /// # Errors
    /// It cannot be asked.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; the next question opens another.
    pub async fn resolve(
        &self,
        admitted: Admitted<'_>,
        resolver: &Resolver,
        question: Question,
    ) -> Result<Known, UpstreamError> {
        let late = || UpstreamError::Timeout(resolver.server.to_string(), PATIENCE);
        let asked = async {
            let mut line = resolver.line.lock().await;
            if let Some(known) = resolver.known(&question) {
                return Ok(known);
            }
            let state = resolver.state.load(Ordering::Acquire);
            let answer = self.answer(admitted, resolver, &mut line, |line| {
                let paths = question.paths.iter().map(|path| path.as_ref().unwrap_or(&line.path).clone()).collect();
                ask(&question.names, paths)
            });
            let answer: Answer = serde_json::from_str(&answer.await?)
                .map_err(|_| UpstreamError::Method("the server's catalog could not be read".to_owned()))?;
            let known = Known { answer: Arc::new(answer), state, made: Instant::now() };
            resolver.kept.lock().unwrap_or_else(PoisonError::into_inner).keep(question, known.clone());
            Ok(known)
        };
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(late()))
    }

    /// True when the server itself says that something in the text does not exist. It only parses it.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn does_not_exist(
        &self,
        admitted: Admitted<'_>,
        resolver: &Resolver,
        text: &str,
        path: Option<&[String]>,
    ) -> Result<bool, UpstreamError> {
        let late = || UpstreamError::Timeout(resolver.server.to_string(), PATIENCE);
        let asked = async {
            let mut line = resolver.line.lock().await;
            let text = text.to_owned();
            let path = path.map(<[String]>::to_vec);
            let said = self.answer(admitted, resolver, &mut line, move |line| Asked::Parse {
                path: line.path(path.as_deref()),
                text: text.clone(),
            });
            match said.await {
                Ok(_) => Ok(false),
                Err(UpstreamError::Refused(why)) => Ok(MISSING.iter().any(|code| why.starts_with(code))),
                Err(error) => Err(error),
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(late()))
    }

    /// The answer over the resolver's connection, or a new one where that has gone.
    async fn answer(
        &self,
        admitted: Admitted<'_>,
        resolver: &Resolver,
        line: &mut Option<Line>,
        asked: impl Fn(&Line) -> Asked,
    ) -> Result<String, UpstreamError> {
        if let Some(mut open) = line.take().filter(Line::serves) {
            let asked = asked(&open);
            match asked.of(&mut open).await {
                Err(UpstreamError::Io(_)) => {}
                said => {
                    *line = Some(open);
                    return said;
                }
            }
        }
        let mut open = self.line(admitted, resolver).await?;
        let asked = asked(&open);
        let said = asked.of(&mut open).await;
        *line = Some(open);
        said
    }

    pub(super) async fn line(&self, admitted: Admitted<'_>, resolver: &Resolver) -> Result<Line, UpstreamError> {
        let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        // A pooler refuses what it cannot keep for one client, or leaves it out. What were set in a session behind one, others
        // would find.
        let (mut connection, refused) = match self.log_in(admitted, resolver, settings.into()).await {
            Err(UpstreamError::Refused(_)) => (self.log_in(admitted, resolver, Vec::new()).await?, true),
            connected => (connected?, false),
        };
        let (name, value) = PLANNED_ONCE;
        let mode = connection.query(&format!("SHOW {name}")).await;
        let pooled = refused || !mode.is_ok_and(|mode| mode.into_iter().flatten().next().as_deref() == Some(value));
        let schemas = connection.query("SELECT pg_catalog.unnest(pg_catalog.current_schemas(true))").await?;
        let path = schemas.into_iter().flatten().collect();
        if !pooled {
            connection.query("SET search_path = pg_catalog").await?;
            // Not every version knows it.
            if let Err(error) = connection.query(IDLE_SETTING).await
                && !matches!(error, UpstreamError::Refused(_))
            {
                return Err(error);
            }
            frontend::parse("weir", QUESTION, [], &mut connection.out)?;
            frontend::sync(&mut connection.out);
            connection.rows().await?;
        }
        Ok(Line { connection, path, opened: Instant::now(), pooled })
    }

    async fn log_in(
        &self,
        admitted: Admitted<'_>,
        resolver: &Resolver,
        parameters: Vec<(String, String)>,
    ) -> Result<Connection, UpstreamError> {
        let Resolver { resource, database, server, .. } = resolver;
        let credential = self.leases.lease(resource).await?;
        let dialled = dial::dial(resource, &self.tls, &server.host, Some(server.address)).await?;
        let mut start = SessionStart::default();
        (start.application, start.parameters) = ("catalog".to_owned(), parameters);
        let (session, target) = (admitted.grant().session(), TargetSession::Any);
        let login = login::Login { resource, host: &server.host, target, session, start: &start, database };
        let connected = login::login(login, self, dialled, credential).await?;
        Ok(Connection::new(connected.io, connected.rest, LARGEST, usize::MAX))
    }
}

/// The server's codes for what does not exist.
const MISSING: &[&str] = &["42883", "42P01", "42703", "42704", "3F000", "42725", "42702", "42809", "42846", "42804"];

/// One question, ready to be sent.
enum Asked {
    Catalog([String; 6]),
    Parse { path: String, text: String },
}

impl Asked {
    async fn of(self, line: &mut Line) -> Result<String, UpstreamError> {
        let Line { connection, pooled, .. } = line;
        match self {
            Self::Catalog(values) => {
                if !*pooled {
                    match Self::execute(connection, "weir", &values).await {
                        Err(UpstreamError::Refused(why)) if why.starts_with(NOT_PREPARED) => *pooled = true,
                        said => return said,
                    }
                }
                connection.query(&format!("{BEGIN}; SET LOCAL search_path = pg_catalog{}", settings())).await?;
                frontend::parse("", QUESTION, [], &mut connection.out)?;
                let said = Self::execute(connection, "", &values).await;
                connection.query("COMMIT").await?;
                said
            }
            Self::Parse { path, text } => {
                connection.query(&format!("{BEGIN}; SET LOCAL search_path = {path}")).await?;
                frontend::parse("", &text, [], &mut connection.out)?;
                frontend::sync(&mut connection.out);
                let parsed = connection.rows().await;
                connection.query("ROLLBACK").await?;
                parsed.map(|_| String::new())
            }
        }
    }

    async fn execute(connection: &mut Connection, name: &str, values: &[String; 6]) -> Result<String, UpstreamError> {
        let put = |value: &String, out: &mut bytes::BytesMut| {
            out.extend_from_slice(value.as_bytes());
            Ok(IsNull::No)
        };
        let bound = frontend::bind("", name, [], values, put, [], &mut connection.out);
        bound.map_err(|_| UpstreamError::Method("the statement names too much".to_owned()))?;
        frontend::execute("", 0, &mut connection.out)?;
        frontend::sync(&mut connection.out);
        Ok(connection.rows().await?.into_iter().flatten().next().unwrap_or_default())
    }
}

fn settings() -> String {
    SETTINGS.iter().map(|(name, value)| format!("; SET LOCAL {name} = '{value}'")).collect()
}

fn ask(names: &Names, paths: Vec<Vec<String>>) -> Asked {
    let named = |names: &mut dyn Iterator<Item = &Name>| {
        serde_json::Value::from_iter(names.map(|Name { schema, name }| serde_json::json!({ "s": schema, "n": name })))
    };
    let relations = names.relations.iter().map(|relation| {
        let Name { schema, name } = &relation.name;
        serde_json::json!({ "s": schema, "n": name, "w": relation.writes })
    });
    let fields = names.fields.iter().map(|field| field.name.as_str());
    let values = [
        serde_json::json!(paths),
        serde_json::Value::from_iter(relations),
        named(&mut names.functions.iter().map(|call| &call.name)),
        serde_json::Value::from_iter(fields),
        named(&mut names.types.iter()),
        named(&mut names.operators.iter()),
    ];
    Asked::Catalog(values.map(|value| value.to_string()))
}

/// What the client gave, as a path: the server's own schema stands first unless it is named, `$user` is the role.
#[must_use]
pub fn path_of(schemas: &[String], role: &str) -> Vec<String> {
    let mut path: Vec<String> =
        schemas.iter().map(|name| if name == "$user" { role.to_owned() } else { name.clone() }).collect();
    if !path.iter().any(|name| name == "pg_catalog") {
        path.insert(0, "pg_catalog".to_owned());
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_schema_comes_first_unless_it_is_named() {
        let path = |names: &[&str]| path_of(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), "agent");
        assert_eq!(path(&["$user", "public"]), ["pg_catalog", "agent", "public"]);
        assert_eq!(path(&["a", "pg_catalog"]), ["a", "pg_catalog"]);
        assert_eq!(path(&[]), ["pg_catalog"]);
    }
}
