//! Facts about SQL held against what PostgreSQL does with the statements of its own regression tests, which
//! `scripts/regress.sh` obtains. Each is run on a real server, in order, as the superuser:
//!
//! - what the server parses is parsed here too, into as many statements;
//! - what is taken for a read runs in a read-only transaction first, and the server must not find a write in it (25006);
//! - what the server says it did (the command's tag) needs at least the class that such a thing has.
//!
//! What differs for a known reason stands in `regress/exceptions.txt`.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    process::Command,
};
use weir_policy::sql::{self, Class, Facts, FactsCache, Volatility};
use weir_tests::{
    lab::{Lab, root, run},
    raw::{Raw, frame, query},
};

/// Fewest statements that the run must see: less means that the files were not read.
const FEWEST: usize = 20_000;

/// A statement as psql sent it.
struct Sent {
    file: String,
    session: String,
    user: String,
    text: String,
    /// The server's grammar took it.
    parsed: bool,
}

/// What the server answered.
#[derive(Default)]
struct Answer {
    tags: Vec<String>,
    error: String,
    /// `I` idle, `T` in a transaction, `E` in one that failed.
    status: u8,
}

#[test]
fn facts_agree_with_postgresql_about_its_own_tests() -> Result<()> {
    run(&mut Command::new(root().join("scripts/regress.sh")), None)?;
    let all = sent(&std::fs::read_to_string(root().join(".tools/regress/statements.json"))?)?;
    ensure!(all.len() >= FEWEST, "only {} statements", all.len());
    let exceptions = std::fs::read_to_string(root().join("tests/regress/exceptions.txt"))?;
    let exceptions = Exceptions::read(&exceptions)?;

    let lab = Lab::only_postgres()?;
    Raw::superuser(&lab, "postgres")?.ask(&query("CREATE DATABASE regression TEMPLATE template0"))?;
    let (mut seen, mut wrong) = (Seen::default(), Vec::new());
    let mut session: Option<Session> = None;
    for sent in &all {
        if session.as_ref().is_none_or(|session| session.name != sent.session) {
            session = Some(Session::begin(&lab, sent)?);
        }
        let Some(open) = &mut session else { continue };
        match open.judge(sent, &mut seen) {
            Ok(found) => wrong.extend(
                found
                    .into_iter()
                    .filter(|what| !exceptions.allow(sent, what))
                    .map(|what| format!("{}: {what}: {}", sent.file, sent.text.chars().take(300).collect::<String>())),
            ),
            // Some statements end their session.
            Err(_) => session = None,
        }
    }
    println!("{seen:#?}");
    ensure!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

#[test]
fn harmless_functions_are_as_volatile_as_the_server_says() -> Result<()> {
    let lab = Lab::only_postgres()?;
    let rows = lab.sql(
        "SELECT proname, max(CASE provolatile WHEN 'i' THEN 0 WHEN 's' THEN 1 ELSE 2 END) FROM pg_proc
         WHERE pronamespace = 'pg_catalog'::regnamespace GROUP BY proname",
    )?;
    let mut known = 0;
    for row in rows.lines() {
        let (name, server) = row.split_once('|').context("no column")?;
        let server = match server {
            "0" => Volatility::Immutable,
            "1" => Volatility::Stable,
            _ => Volatility::Volatile,
        };
        let here = sql::volatility(name);
        ensure!(here >= server, "{name} is {server:?} at the server, {here:?} here");
        known += usize::from(here != Volatility::Unknown);
    }
    ensure!(known > 500, "only {known} functions are known");
    let operators = lab.sql("SELECT DISTINCT oprname FROM pg_operator WHERE oprleft <> 0")?;
    for operator in operators.lines() {
        let text = format!("SELECT a {operator} b FROM t");
        ensure!(sql::facts(&text).class == Class::Read, "{text}");
    }
    Ok(())
}

/// The statements of the server's log: those that it parsed, and those that it could not.
fn sent(log: &str) -> Result<Vec<Sent>> {
    let mut all: Vec<Sent> = Vec::new();
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line)?;
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let (file, session, user) = (text("application_name"), text("session_id"), text("user"));
        let logged = text("message").strip_prefix("statement: ").filter(|_| text("error_severity") == "LOG");
        let refused = Some(text("statement"))
            .filter(|_| text("error_severity") == "ERROR" && text("state_code") == "42601")
            .filter(|statement| all.last().is_none_or(|last| last.session != session || last.text != *statement));
        let Some(statement) = logged.or(refused) else { continue };
        all.push(Sent {
            file: file.trim_start_matches("regress/").to_owned(),
            session: session.to_owned(),
            user: user.to_owned(),
            text: statement.to_owned(),
            parsed: logged.is_some(),
        });
    }
    Ok(all)
}

/// How many of what.
#[derive(Debug, Default)]
struct Seen {
    statements: usize,
    classes: BTreeMap<&'static str, usize>,
    /// Ran in a read-only transaction, without an error.
    read_only: usize,
    /// The server did it, and its tag was held against the class.
    tags: usize,
    /// The server's tag is SELECT, and nothing failed: what they were taken for.
    selects: BTreeMap<&'static str, usize>,
}

/// A session of the replay, for each of psql's.
struct Session {
    name: String,
    raw: Raw,
    status: u8,
    cache: FactsCache,
    /// Classes of what was prepared.
    prepared: HashMap<String, Class>,
}

impl Session {
    fn begin(lab: &Lab, sent: &Sent) -> Result<Self> {
        let raw = Raw::superuser(lab, "regression")?;
        let mut session =
            Self { name: sent.session.clone(), raw, status: b'I', cache: FactsCache::new(), prepared: HashMap::new() };
        session.run("SET statement_timeout = '10s'")?;
        if sent.user != "postgres" {
            session.run(&format!("SET SESSION AUTHORIZATION \"{}\"", sent.user))?;
        }
        Ok(session)
    }

    /// Runs a text; COPY gets no rows.
    fn run(&mut self, text: &str) -> Result<Answer> {
        self.raw.send(&query(text))?;
        let mut answer = Answer::default();
        loop {
            let message = self.raw.read()?;
            match message.kind {
                b'C' => answer.tags.push(String::from_utf8_lossy(&message.body).trim_end_matches('\0').to_owned()),
                b'E' => answer.error = message.field(b'C'),
                b'G' => self.raw.send(&frame(b'c', &[]))?,
                b'Z' => {
                    answer.status = message.body.first().copied().unwrap_or_default();
                    self.status = answer.status;
                    return Ok(answer);
                }
                _ => {}
            }
        }
    }

    /// What the facts and the server disagree about.
    fn judge(&mut self, sent: &Sent, seen: &mut Seen) -> Result<Vec<String>> {
        let facts = self.cache.facts(&sent.text);
        let mut wrong = Vec::new();
        let unparsed = facts.reason.starts_with("unparseable");
        if unparsed && sent.parsed {
            wrong.push(format!("the server parses it ({})", facts.reason));
        }
        if unparsed && facts.class != Class::Admin {
            wrong.push(format!("unparseable, yet {:?}", facts.class));
        }
        if !sent.parsed {
            return Ok(wrong);
        }
        seen.statements += 1;
        let class = self.class(&facts);
        *seen.classes.entry(class.as_str()).or_default() += 1;

        let mut done = false;
        if class <= Class::Read && !controls(&facts, &sent.text) && self.status != b'E' {
            let answer = self.read_only(&sent.text)?;
            if answer.error == "25006" {
                wrong.push(format!("a write in what is {}", class.as_str()));
            }
            seen.read_only += usize::from(answer.error.is_empty());
            // What is prepared stays, whatever becomes of the transaction.
            done = answer.error.is_empty() && !facts.prepares.is_empty();
        }
        if !done {
            let answer = self.run(&sent.text)?;
            if answer.error.is_empty() && !unparsed && answer.tags.len() != facts.statements {
                wrong.push(format!("{} statements, the server did {}", facts.statements, answer.tags.len()));
            }
            for tag in &answer.tags {
                if class < least(tag) {
                    wrong.push(format!("{tag} is {}", class.as_str()));
                }
                if (tag.starts_with("DROP ") || tag == "TRUNCATE TABLE") && !facts.destructive {
                    wrong.push(format!("{tag} is not destructive"));
                }
                seen.tags += 1;
            }
            if answer.error.is_empty() && answer.tags.iter().all(|tag| tag.starts_with("SELECT")) {
                *seen.selects.entry(class.as_str()).or_default() += 1;
            }
            self.prepared.extend(facts.prepares.iter().map(|made| (made.name.clone(), made.facts.class)));
        }
        Ok(wrong)
    }

    /// The class with that of what it executes.
    fn class(&self, facts: &Facts) -> Class {
        let executed = facts.executes.iter().map(|name| self.prepared.get(name).copied().unwrap_or(Class::Admin));
        executed.fold(facts.class, Class::max)
    }

    /// Runs a text so that it may not write, and undoes it.
    fn read_only(&mut self, text: &str) -> Result<Answer> {
        let nested = self.status == b'T';
        self.run(if nested { "SAVEPOINT weir" } else { "BEGIN" })?;
        self.run("SET TRANSACTION READ ONLY")?;
        let answer = self.run(text)?;
        self.run(if nested { "ROLLBACK TO weir; RELEASE weir" } else { "ROLLBACK" })?;
        Ok(answer)
    }
}

/// Statements that begin or end transactions, or that none may hold.
fn controls(facts: &Facts, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let several = facts.statements > 1
        && ["begin", "commit", "rollback", "end", "abort", "start"].iter().any(|word| text.contains(word));
    several
        || facts.class == Class::Session
            && ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "DISCARD", "DEALLOCATE", "CLOSE", "SET ", "RESET"]
                .iter()
                .any(|reason| facts.reason.starts_with(reason))
}

/// The least class of what the server did, by the first words of its tag.
fn least(tag: &str) -> Class {
    const ADMIN: &[&str] = &[
        "DO",
        "CALL",
        "GRANT",
        "REVOKE",
        "CREATE FUNCTION",
        "CREATE PROCEDURE",
        "CREATE ROLE",
        "ALTER ROLE",
        "DROP ROLE",
        "ALTER SYSTEM",
        "LOAD",
        "REASSIGN OWNED",
        "DROP OWNED",
        "SECURITY LABEL",
        "ALTER DEFAULT PRIVILEGES",
        "IMPORT FOREIGN SCHEMA",
        "CREATE EXTENSION",
        "CHECKPOINT",
        "CREATE SERVER",
        "CREATE USER MAPPING",
        "CREATE SUBSCRIPTION",
        "CREATE PUBLICATION",
        "CREATE CAST",
        "CREATE OPERATOR",
        "CREATE POLICY",
        "CREATE DATABASE",
        "CREATE TABLESPACE",
        "CREATE LANGUAGE",
        "CREATE EVENT TRIGGER",
        "PREPARE TRANSACTION",
        "COMMIT PREPARED",
    ];
    const DDL: &[&str] = &[
        "CREATE",
        "ALTER",
        "DROP",
        "TRUNCATE",
        "COMMENT",
        "REINDEX",
        "VACUUM",
        "ANALYZE",
        "CLUSTER",
        "REFRESH",
        "SELECT INTO",
    ];
    const WRITE: &[&str] = &["INSERT", "UPDATE", "DELETE", "MERGE", "LOCK", "NOTIFY"];
    let begins = |words: &[&str]| words.iter().any(|word| tag == *word || tag.starts_with(&format!("{word} ")));
    match () {
        () if begins(ADMIN) => Class::Admin,
        () if begins(DDL) => Class::Ddl,
        () if begins(WRITE) => Class::Write,
        () => Class::Session,
    }
}

/// Known differences: `FILE | BEGINNING OF WHAT DIFFERS | BEGINNING OF THE STATEMENT`, below a comment with the reason.
struct Exceptions<'a>(Vec<(&'a str, &'a str, &'a str)>);

impl<'a> Exceptions<'a> {
    fn read(text: &'a str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let read = |line: &'a str| {
            let mut parts = line.splitn(3, " | ");
            let mut next = || parts.next().with_context(|| format!("{line}: three parts"));
            Ok((next()?, next()?, next()?))
        };
        Ok(Self(lines.map(read).collect::<Result<_>>()?))
    }

    fn allow(&self, sent: &Sent, what: &str) -> bool {
        let text = sent.text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.0.iter().any(|(file, known, beginning)| {
            sent.file == *file && what.starts_with(known) && text.starts_with(beginning)
        })
    }
}
