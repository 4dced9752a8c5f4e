//! What was typed: reads TOML with positions and reports every problem at once.

mod channels;
mod identity;
mod resource;

pub use identity::is_reachable;
use resource::credential;
pub use resource::parse_resource;

use super::checked::{
    ApprovalLimits, Channels, Config, Credential, Delegation, DoorLimits, Limits, PolicySettings, UserLimits,
};
use super::reference::{self, Key};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    num::NonZero,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use toml_edit::{Document, Item, TableLike};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The relay does not start.
    Error,
    /// It starts; look at it.
    Warning,
}

/// One problem of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// Which file.
    pub file: PathBuf,
    /// Which line, from 1.
    pub line: usize,
    /// Which key, dotted.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What is accepted.
    pub accepted: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, file, line, key, what, accepted } = self;
        let severity = if *severity == Severity::Error { "error" } else { "warning" };
        write!(f, "{}:{line}: {severity}: ", file.display())?;
        if !key.is_empty() {
            write!(f, "{key}: ")?;
        }
        f.write_str(what)?;
        if accepted.is_empty() { Ok(()) } else { write!(f, " (accepted: {accepted})") }
    }
}

pub(super) struct Reader<'a> {
    text: &'a str,
    file: &'a Path,
    pub(super) folder: &'a Path,
    problems: Vec<Problem>,
    /// Those that resources may name.
    credentials: BTreeMap<String, Arc<Credential>>,
}

/// Reads a configuration. Warnings come with it.
///
/// # Errors
/// Every problem, warnings included, when one of them is an error.
pub fn parse(text: &str, file: &Path) -> Result<(Config, Vec<Problem>), Vec<Problem>> {
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let mut reader = Reader { text, file, folder, problems: Vec::new(), credentials: BTreeMap::new() };
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => return Err(reader.not_toml(&error)),
    };
    let config = reader.config(document.as_table());
    reader.finish(config)
}

/// The line on which a dotted key stands; the first when it does not.
#[must_use]
pub fn line_of(text: &str, key: &str) -> usize {
    let Ok(document) = Document::parse(text) else { return 1 };
    let mut item: Option<&Item> = None;
    for name in key.split('.') {
        item = match item {
            None => document.as_table().get(name),
            Some(item) => item.as_table_like().and_then(|table| table.get(name)),
        };
        if item.is_none() {
            return 1;
        }
    }
    let offset = item.map_or(0, offset);
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

impl Reader<'_> {
    fn not_toml(mut self, error: &toml_edit::TomlError) -> Vec<Problem> {
        let at = error.span().map_or(0, |span| span.start);
        self.problem(at, "", error.message().to_owned(), "TOML");
        self.problems
    }

    /// What was read, unless an error was found.
    fn finish<T>(mut self, read: T) -> Result<(T, Vec<Problem>), Vec<Problem>> {
        self.problems.sort_by_key(|problem| problem.line);
        if self.problems.iter().any(|problem| problem.severity == Severity::Error) {
            Err(self.problems)
        } else {
            Ok((read, self.problems))
        }
    }

    fn line(&self, offset: usize) -> usize {
        self.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
    }

    pub(super) fn problem(&mut self, offset: usize, key: &str, what: String, accepted: &str) {
        let (file, line) = (self.file.to_owned(), self.line(offset));
        let (key, accepted) = (key.to_owned(), accepted.to_owned());
        self.problems.push(Problem { severity: Severity::Error, file, line, key, what, accepted });
    }

    pub(super) fn warn(&mut self, offset: usize, key: &str, what: &str) {
        self.problem(offset, key, what.to_owned(), "");
        if let Some(last) = self.problems.last_mut() {
            last.severity = Severity::Warning;
        }
    }

    pub(super) fn unknown(&mut self, table: &dyn TableLike, path: &str, keys: &[Key]) {
        for (name, item) in table.iter() {
            if !keys.iter().any(|key| key.name == name) {
                let near = keys.iter().min_by_key(|key| distance(key.name, name)).map(|key| key.name);
                let accepted = match near.filter(|near| distance(near, name) <= name.len() / 3 + 1) {
                    Some(near) => format!("did you mean {near}?"),
                    None => keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", "),
                };
                self.problem(offset(item), &join(path, name), "is not known".to_owned(), &accepted);
            }
        }
    }

    /// A value of a key, read by `read`; a value that it does not take is a problem.
    pub(super) fn value<T>(
        &mut self,
        table: &dyn TableLike,
        path: &str,
        keys: &[Key],
        name: &str,
        default: T,
        read: impl FnOnce(&Item) -> Option<T>,
    ) -> T {
        let Some(item) = table.get(name) else { return default };
        read(item).unwrap_or_else(|| {
            let accepted = keys.iter().find(|key| key.name == name).map_or("", |key| key.accepts);
            // The value may be a secret typed into the wrong place: its kind is told, not itself.
            self.problem(
                offset(item),
                &join(path, name),
                format!("{} that is not accepted", with_article(item.type_name())),
                accepted,
            );
            default
        })
    }

    fn path(&mut self, table: &dyn TableLike, at: &str, keys: &[Key], name: &str, default: &str) -> PathBuf {
        let folder = self.folder.to_owned();
        let read = |item: &Item| item.as_str().filter(|text| !text.is_empty()).map(|text| folder.join(text));
        self.value(table, at, keys, name, folder.join(default), read)
    }

    fn config(&mut self, top: &dyn TableLike) -> Config {
        const KEYS: &[Key] = reference::TOP;
        self.unknown(top, "", KEYS);
        let listen = ([127, 0, 0, 1], 8443).into();
        let listen = self.value(top, "", KEYS, "listen", listen, |item| item.as_str()?.parse().ok());
        let metrics = self.value(top, "", KEYS, "metrics", None, |item| item.as_str()?.parse().ok().map(Some));
        if let (Some(address), Some(item)) = (metrics.map(|address: SocketAddr| address.ip()), top.get("metrics"))
            && !address.is_loopback()
        {
            self.warn(
                offset(item),
                "metrics",
                "is no loopback address: whoever reaches it may read, without logging in",
            );
        }
        let empty = toml_edit::Table::new();
        let tls: &dyn TableLike = match top.get("tls").map(Item::as_table_like) {
            Some(Some(table)) => table,
            Some(None) => {
                self.problem(0, "tls", "is not a table".to_owned(), "[tls]");
                &empty
            }
            None => &empty,
        };
        self.unknown(tls, "tls", reference::TLS);
        let credentials = self.credentials(top);
        self.credentials.clone_from(&credentials);
        let resources = self.resources(top);
        let (doors, users) = self.everyones_limits(top);
        let delegation = self.delegation(top);
        let policy = self.policy(top);
        let url = format!("https://{listen}");
        let public_url = self.value(top, "", KEYS, "public_url", url, |item| {
            let url = item.as_str()?.trim_end_matches('/');
            let rest = url.strip_prefix("https://")?;
            (!rest.is_empty() && !rest.contains('/')).then(|| url.to_owned())
        });
        let identity = self.identity(top, &public_url);
        let (approvals, channels) = self.approvals(top);
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Config {
            folder: self.folder.to_owned(),
            listen,
            metrics,
            public_url,
            tls_certificate: self.path(tls, "tls", reference::TLS, "certificate", "keys/relay.pem"),
            tls_key: self.path(tls, "tls", reference::TLS, "key", "keys/relay.key"),
            database: self.path(top, "", KEYS, "database", "weir.db"),
            policies: self.path(top, "", KEYS, "policies", "policies"),
            policy,
            recordings: self.path(top, "", KEYS, "recordings", "recordings"),
            sealing_key: self.path(top, "", KEYS, "sealing_key", "keys/sealing.key"),
            token_keys: self.path(top, "", KEYS, "token_keys", "keys/tokens"),
            clients: self.clients(top),
            retention: self.value(top, "", KEYS, "retention", Duration::ZERO, duration),
            login_lifetime: self.value(top, "", KEYS, "login_lifetime", hours(12), duration),
            agent_lifetime: self.value(top, "", KEYS, "agent_lifetime", hours(8), duration),
            // A tunnel that stands is heard of every five seconds.
            agent_idle: self.value(top, "", KEYS, "agent_idle", Duration::from_secs(1800), |item| {
                duration(item).filter(|time| time.is_zero() || *time >= Duration::from_secs(10))
            }),
            tunnel_grace: self.value(top, "", KEYS, "tunnel_grace", Duration::from_secs(60), |item| {
                duration(item).filter(|time| time.is_zero() || *time >= Duration::from_secs(1))
            }),
            approval_timeout: self.value(top, "", KEYS, "approval_timeout", Duration::from_secs(900), duration),
            approvals,
            channels,
            drain_timeout: self.value(top, "", KEYS, "drain_timeout", Duration::from_secs(30), duration),
            threads: self.value(top, "", KEYS, "threads", None, |item| {
                let count = usize::try_from(item.as_integer()?).ok().filter(|count| *count <= 1024)?;
                NonZero::new(count).map(Some)
            }),
            delegation,
            users,
            doors,
            identity,
            credentials,
            resources,
        }
    }

    fn approvals(&mut self, top: &dyn TableLike) -> (ApprovalLimits, Channels) {
        const KEYS: &[Key] = reference::APPROVALS;
        let (at, empty) = ("approvals", toml_edit::Table::new());
        let table = self.table(top, "", at, &empty);
        self.unknown(table, at, KEYS);
        let count =
            |item: &Item| item.as_integer().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
        let limits = ApprovalLimits {
            most_pending: self.value(table, at, KEYS, "most_pending", 20, count),
            per_hour: self.value(table, at, KEYS, "per_hour", 200, count),
            denied_for: self.value(table, at, KEYS, "denied_for", Duration::from_secs(60), duration),
            uses: self.value(table, at, KEYS, "uses", 20, count),
            window: self.value(table, at, KEYS, "window", Duration::from_secs(3600), duration),
            estimate: self.value(table, at, KEYS, "estimate", true, Item::as_bool),
        };
        (limits, self.channels(table))
    }

    fn policy(&mut self, top: &dyn TableLike) -> PolicySettings {
        const KEYS: &[Key] = reference::POLICY;
        let (at, empty) = ("policy", toml_edit::Table::new());
        let table = self.table(top, "", at, &empty);
        self.unknown(table, at, KEYS);
        PolicySettings {
            guardrails: self.value(table, at, KEYS, "guardrails", true, Item::as_bool),
            disable: self.value(table, at, KEYS, "disable", BTreeSet::new(), |item| {
                item.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
            }),
        }
    }

    fn delegation(&mut self, top: &dyn TableLike) -> Delegation {
        const KEYS: &[Key] = reference::DELEGATION;
        let (at, empty) = ("delegation", toml_edit::Table::new());
        let table = self.table(top, "", at, &empty);
        self.unknown(table, at, KEYS);
        let number = |item: &Item| item.as_integer().and_then(|number| u32::try_from(number).ok());
        Delegation {
            child_lifetime: self.value(table, at, KEYS, "child_lifetime", Duration::from_secs(900), |item| {
                duration(item).filter(|time| !time.is_zero())
            }),
            max_depth: self.value(table, at, KEYS, "max_depth", 8, |item| number(item).filter(|depth| *depth <= 64)),
            fan_out: self.value(table, at, KEYS, "fan_out", 64, number),
            supervised_roots: self.value(table, at, KEYS, "supervised_roots", false, Item::as_bool),
        }
    }

    /// These keys must be there.
    fn needs(&mut self, place: usize, table: &dyn TableLike, at: &str, keys: &[Key], needed: &[&str]) {
        for needed in needed {
            if table.get(needed).is_none() {
                let accepted = keys.iter().find(|key| key.name == *needed).map_or("", |key| key.accepts);
                self.problem(place, &join(at, needed), "is missing".to_owned(), accepted);
            }
        }
    }

    /// The table of this name in another; an empty one when there is none.
    fn table<'t>(
        &mut self,
        table: &'t dyn TableLike,
        at: &str,
        name: &str,
        empty: &'t toml_edit::Table,
    ) -> &'t dyn TableLike {
        match table.get(name).map(|item| (item, item.as_table_like())) {
            None => empty,
            Some((_, Some(table))) => table,
            Some((item, None)) => {
                self.problem(offset(item), &join(at, name), "is not a table".to_owned(), "a table");
                empty
            }
        }
    }

    /// `[limits]`: of connections and of users.
    fn everyones_limits(&mut self, top: &dyn TableLike) -> (DoorLimits, UserLimits) {
        const KEYS: &[Key] = reference::USERS;
        let (empty, at) = (toml_edit::Table::new(), "limits");
        let limits = self.table(top, "", at, &empty);
        self.unknown(limits, at, KEYS);
        let count = |item: &Item| item.as_integer().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
        let doors = DoorLimits {
            strangers: self.value(limits, at, KEYS, "strangers", 1024, count),
            address: self.value(limits, at, KEYS, "address", 256, count),
            agent: self.value(limits, at, KEYS, "agent", 256, count),
        };
        let each = self.limits(limits, at, "user", &Limits { connections: 100, ..Limits::NONE });
        let tables = self.table(limits, at, "users", &empty);
        let names: Vec<String> = tables.iter().map(|(name, _)| name.to_owned()).collect();
        let named = names.into_iter().map(|name| (name.clone(), self.limits(tables, "limits.users", &name, &each)));
        let users = UserLimits { named: named.collect(), each: each.clone() };
        (doors, users)
    }
}

fn with_article(noun: &str) -> String {
    format!("{} {noun}", if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" })
}

pub(super) fn offset(item: &Item) -> usize {
    item.span().map_or(0, |span| span.start)
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn duration(item: &Item) -> Option<Duration> {
    if item.as_integer() == Some(0) {
        return Some(Duration::ZERO);
    }
    duration_of(item.as_str()?)
}

/// `250ms`, `90s`, `15m`, `8h`, `2d`.
#[must_use]
pub fn duration_of(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(split)?;
    let unit = match unit {
        "ms" => return number.parse().ok().map(Duration::from_millis),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit).map(Duration::from_secs)
}

/// How many letters must be added, left out or changed to make one of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut before = i;
        let mut next = vec![i + 1];
        for ((j, y), above) in b.bytes().enumerate().zip(row.iter().skip(1)) {
            let left = next.get(j).copied().unwrap_or(0);
            next.push((before + usize::from(x != y)).min(above + 1).min(left + 1));
            before = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::checked::{CredentialSource, RecordRows},
        id::ResourceName,
    };

    const GOOD: &str = r#"
listen = "127.0.0.1:9000"
[resources.postgres-prod]
kind = "postgres"
host = "db.internal"
databases = ["shop"]
role = "weir"
credential = "file:keys/db"
columns = ["customers.ssn", "crm.people.mail"]
labels = { env = "prod" }
recording = { rows = "first:10" }
"#;

    #[test]
    fn a_good_configuration_is_read() {
        let (config, warnings) = parse(GOOD, Path::new("/etc/weir/weir-relay.toml")).unwrap();
        assert!(warnings.is_empty());
        let resource = &config.resources[&ResourceName::new("postgres-prod").unwrap()];
        assert_eq!(resource.credential, CredentialSource::File("/etc/weir/keys/db".into()));
        assert_eq!(resource.recording.rows, RecordRows::First(10));
        assert_eq!(resource.columns[1].schema, "crm");
        assert_eq!(config.public_url, "https://127.0.0.1:9000");
    }

    #[test]
    fn metrics_for_everybody_are_warned_of() {
        for (typed, warnings) in [("127.0.0.1:9464", 0), ("[::1]:9464", 0), ("0.0.0.0:9464", 1), ("10.0.0.7:9464", 1)] {
            let (config, said) = parse(&format!("metrics = \"{typed}\"{GOOD}"), Path::new("x.toml")).unwrap();
            assert_eq!(config.metrics, Some(typed.parse().unwrap()));
            assert_eq!(said.len(), warnings, "{typed}: {said:?}");
        }
        assert_eq!(parse(GOOD, Path::new("x.toml")).unwrap().0.metrics, None);
        assert!(parse(&format!("metrics = true{GOOD}"), Path::new("x.toml")).is_err());
    }

    #[test]
    fn limits_of_users_and_resources() {
        let text = format!(
            "{GOOD}[resources.postgres-prod.limits]\nrows = 10\nidle = \"5m\"\nrate = 5\nburst = 20\n\
             [limits.user]\nrate = 7\nstatement_time = \"30s\"\n[limits.users.ci]\nconnections = 3\nstatement_time = 0\n"
        );
        let (config, _) = parse(&text, Path::new("x.toml")).unwrap();
        let limits = &config.resources[&ResourceName::new("postgres-prod").unwrap()].limits;
        assert_eq!((limits.rows, limits.result_bytes, limits.connections), (10, u64::MAX, 100));
        assert_eq!(limits.idle, Duration::from_secs(300));
        assert_eq!(limits.rate.map(|rate| (rate.per_second.get(), rate.burst.get())), Some((5, 20)));
        let (alice, ci) = (config.users.of("alice"), config.users.of("ci"));
        assert_eq!(alice.rate.map(|rate| (rate.per_second.get(), rate.burst.get())), Some((7, 7)));
        assert_eq!((alice.connections, ci.connections), (100, 3));
        assert_eq!((alice.statement_time, ci.statement_time), (Duration::from_secs(30), Duration::MAX));
        assert_eq!(ci.rate, alice.rate);
        let wrong = text.replace("rows = 10", "rows = -1").replace("[limits.user]", "[limits.usr]");
        let shown: Vec<String> =
            parse(&wrong, Path::new("x.toml")).unwrap_err().iter().map(ToString::to_string).collect();
        assert!(shown.iter().any(|line| line.contains("resources.postgres-prod.limits.rows")), "{shown:#?}");
        assert!(shown.iter().any(|line| line.contains("did you mean user?")), "{shown:#?}");
    }

    #[test]
    fn every_problem_is_reported_with_its_line() {
        let bad = GOOD
            .replace("role = \"weir\"", "rol = \"weir\"")
            .replace("file:keys/db", "hunter2")
            .replace("127.0.0.1:9000", "here")
            .replace("first:10", "some");
        let problems = parse(&bad, Path::new("x.toml")).unwrap_err();
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 5, "{shown:#?}");
        assert!(shown.iter().any(|line| line.starts_with("x.toml:2: error: listen:")), "{shown:#?}");
        assert!(shown.iter().any(|line| line.contains("did you mean role?")), "{shown:#?}");
        assert!(!shown.concat().contains("hunter2"), "a value may be a secret");
    }
}
