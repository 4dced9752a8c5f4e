//! How many rows a held statement would touch, as the server's planner estimates: for whoever decides, never for who asks.
//!
//! Planning can run functions, and nothing of a statement may run before a human said yes. So it is asked only when all that
//! planning looks at is the server's own: [`Question::of`] judges the text by the grammar, and the catalog is asked about the
//! rest (`CHECK`) in the same read-only transaction, over a connection of its own that is closed afterwards. What is changed
//! in the catalog just between the two goes unnoticed, as in any session. It is never ANALYZE: the statement itself does not run.
//!
//! Before an UPDATE or DELETE that needs no human it is asked too ([`Upstreams::share`]): then over a connection that all sessions
//! of a database share, for the share of the table that would change. Policy looks at that.
//!
//! An estimate may fail, a request may not: whatever goes wrong is a phrase for the reviewer. Answers are hostile.

use super::{Connected, UpstreamError, Upstreams, login::Connection, plan, quoted, resolve::Resolver};
use crate::session::authorize::Admitted;
use postgres_protocol::{IsNull, message::frontend};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use weir_policy::sql::{self, Estimate, Facts, Planning, RowChange};
use weir_protocol::{Action, ActionKind, Parameters, postgres::startup::SessionStart};
use weir_shared::api::RowEstimate;

/// All of it: what is not there by then is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes of the longest text.
const LONGEST: usize = 64 * 1024;
/// Bytes that are read of the server's answers.
const MOST: usize = 1024 * 1024;
/// Objects of the server's own have smaller OIDs (`FirstNormalObjectId`).
const FIRST_OTHER: u32 = 16_384;
/// Estimates that are made at a time, for all resources.
const AT_A_TIME: usize = 4;

/// The server ends by itself what nobody waits for any more.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY NOT DEFERRABLE; SET LOCAL statement_timeout = '500ms'; \
    SET LOCAL lock_timeout = '300ms'; SET LOCAL idle_in_transaction_session_timeout = '1s'";
/// The search path.
const PATH: &str = "SELECT pg_catalog.current_schemas(true)";

/// Why the statement may not be planned, or [`MAY_BE_PLANNED`]. Asked with `pg_catalog` first in the search path and operands of
/// exactly an operator's own types, so that nobody else's operators are taken: relations, functions, operators, types.
///
/// Dependencies on what is the server's own are not in `pg_depend`.
const CHECK: &str = "WITH RECURSIVE named(oid, cte) AS (SELECT pg_catalog.to_regclass(\
      CASE WHEN pg_catalog.jsonb_extract_path_text(r.r, 'schema') = '' \
        THEN pg_catalog.quote_ident(pg_catalog.jsonb_extract_path_text(r.r, 'name')) \
        ELSE pg_catalog.concat(pg_catalog.quote_ident(pg_catalog.jsonb_extract_path_text(r.r, 'schema')), '.', \
          pg_catalog.quote_ident(pg_catalog.jsonb_extract_path_text(r.r, 'name'))) END)::pg_catalog.oid, \
      pg_catalog.jsonb_extract_path_text(r.r, 'cte') = 'true' \
    FROM pg_catalog.jsonb_array_elements($1::pg_catalog.jsonb) r(r)), \
  tree(oid) AS (SELECT n.oid FROM named n WHERE n.oid IS NOT NULL \
    UNION SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid), \
  columns(oid, kind) AS (SELECT y.oid, y.typtype FROM tree t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid \
    JOIN pg_catalog.pg_type y ON y.oid = a.atttypid \
    WHERE a.attnum > 0 AND NOT a.attisdropped AND y.oid >= 16384::pg_catalog.oid), \
  parts(class, oid) AS (SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, t.oid FROM tree t \
    UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, i.indexrelid \
      FROM tree t JOIN pg_catalog.pg_index i ON i.indrelid = t.oid \
    UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid, d.oid \
      FROM tree t JOIN pg_catalog.pg_attrdef d ON d.adrelid = t.oid \
    UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid, c.oid \
      FROM tree t JOIN pg_catalog.pg_constraint c ON c.conrelid = t.oid \
    UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::pg_catalog.oid, s.oid \
      FROM tree t JOIN pg_catalog.pg_statistic_ext s ON s.stxrelid = t.oid), \
  path(oid) AS (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = ANY (pg_catalog.current_schemas(true))) \
  SELECT CASE \
    WHEN EXISTS (SELECT FROM named n WHERE n.oid IS NULL AND NOT n.cte) THEN 'it names a relation that the relay does not find' \
    WHEN EXISTS (SELECT FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid WHERE c.relkind NOT IN ('r', 'p')) \
      THEN 'it looks at something that is no plain table: planning it could run code' \
    WHEN EXISTS (SELECT FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid WHERE c.relrowsecurity OR c.relhasrules) \
      THEN 'a table has rules or row security: planning it could run code' \
    WHEN EXISTS (SELECT FROM columns c WHERE c.kind <> 'e') \
      THEN 'a table has columns of types that are not the server''s own: planning it could run code' \
    WHEN EXISTS (SELECT FROM parts p JOIN pg_catalog.pg_depend d ON d.classid = p.class AND d.objid = p.oid \
        WHERE d.refobjid >= 16384::pg_catalog.oid AND (d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid \
          OR d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid)) \
      THEN 'a table has functions of its own in defaults, constraints, indexes or statistics: planning it could run them' \
    WHEN EXISTS (SELECT FROM pg_catalog.pg_proc f JOIN path p ON p.oid = f.pronamespace \
        WHERE f.oid >= 16384::pg_catalog.oid AND f.proname::pg_catalog.text IN \
          (SELECT pg_catalog.jsonb_array_elements_text($2::pg_catalog.jsonb))) \
      THEN 'a function that is not the server''s own has a name that stands in it: planning it could run that' \
    WHEN EXISTS (SELECT FROM pg_catalog.pg_operator o JOIN path p ON p.oid = o.oprnamespace \
        WHERE o.oid >= 16384::pg_catalog.oid AND o.oprname::pg_catalog.text IN \
          (SELECT pg_catalog.jsonb_array_elements_text($3::pg_catalog.jsonb))) \
      THEN 'an operator that is not the server''s own has a name that stands in it: planning it could run that' \
    WHEN EXISTS (SELECT FROM pg_catalog.jsonb_array_elements_text($4::pg_catalog.jsonb) w(w) WHERE NOT EXISTS \
        (SELECT FROM pg_catalog.pg_type y WHERE y.typname::pg_catalog.text = w.w AND y.oid < 16384::pg_catalog.oid \
          AND y.typnamespace = 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid)) \
      THEN 'it names a type that is not the server''s own: planning it could run code' \
    WHEN EXISTS (SELECT FROM pg_catalog.pg_cast c WHERE c.castfunc >= 16384::pg_catalog.oid AND \
        (c.castsource < 16384::pg_catalog.oid AND c.casttarget < 16384::pg_catalog.oid \
          OR EXISTS (SELECT FROM columns y WHERE y.oid = c.castsource OR y.oid = c.casttarget) \
          OR EXISTS (SELECT FROM tree t JOIN pg_catalog.pg_type y ON y.typrelid = t.oid \
            WHERE y.oid = c.castsource OR y.oid = c.casttarget))) \
      THEN 'there are casts that are not the server''s own: planning it could run them' \
    ELSE 'it may be planned' END";
/// What it says when nothing is in the way.
const MAY_BE_PLANNED: &str = "it may be planned";

/// A table with no more rows than this is small: what share of it changes does not matter.
const FEW: u64 = 1_000;

/// How many estimates may be made at a time: each is a login.
#[derive(Debug)]
pub(super) struct Slots(Semaphore);

impl Default for Slots {
    fn default() -> Self {
        Self(Semaphore::new(AT_A_TIME))
    }
}

/// A session's own way to be logged in to its resource once more.
#[derive(Clone, Copy)]
pub struct Estimator<'a> {
    /// What lets it.
    pub admitted: Admitted<'a>,
    /// As its client began: settings decide what names mean.
    pub start: &'a SessionStart,
    /// The database that it is with.
    pub database: &'a str,
}

/// A statement that the planner may be asked about, as far as its text tells.
#[derive(Debug)]
pub struct Question {
    planning: Planning,
    types: Vec<u32>,
    parameters: Parameters,
}

impl Question {
    /// What to ask about an action with these facts, in a session that has changed `changes` times what names mean.
    ///
    /// # Errors
    /// Why it is not asked about, in a short phrase.
    pub async fn of(action: &Action, facts: &Facts, changes: u64) -> Result<Self, String> {
        let no = |why: &str| Err(why.to_owned());
        if !matches!(action.kind, ActionKind::Query | ActionKind::Execute) || facts.statements != 1 {
            return no("it is not one statement");
        }
        if changes > 0 {
            return no("its session has changed settings or names: another session would plan something else");
        }
        if !facts.executes.is_empty() || facts.class > sql::Class::Write {
            return no("it does more than read and write rows, or is not understood");
        }
        if action.text.len() > LONGEST || action.parameters.omitted.is_some() {
            return no("it is too long");
        }
        let types = action.parameter_types();
        if types.iter().any(|oid| *oid >= FIRST_OTHER) {
            return no("a value has a type that is not the server's own: planning it could run code");
        }
        let text = action.text.clone();
        // Rare, and it may take long. A parser that dies has not understood the text.
        let parsed = tokio::task::spawn_blocking(move || sql::planning(&text));
        let late = || Err("it could not be parsed in time".to_owned());
        let parsed = tokio::time::timeout(PATIENCE, parsed).await;
        let planning = parsed.map_or_else(|_| late(), |done| done.unwrap_or_else(|_| late()))?;
        Ok(Self { planning, types: types.to_vec(), parameters: action.parameters.clone() })
    }
}

impl Upstreams {
    /// Asks the resource that a session is with, by the same rules of its hosts. Takes a second at most.
    ///
    /// # Errors
    /// Why there is no estimate, in a short phrase that holds nothing of what the server said.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; the server ends what it works on by itself.
    pub async fn estimate(&self, by: Estimator<'_>, question: &Question) -> Result<RowEstimate, String> {
        let began = Instant::now();
        let asked = tokio::time::timeout(PATIENCE, self.ask(by, question)).await;
        tracing::debug!(took = ?began.elapsed(), "the planner was asked");
        asked.unwrap_or_else(|_| Err("the server did not plan it in time".to_owned()))
    }

    /// How much of a table a statement changes that makes these `changes`, where names are looked for on `path`; none of small
    /// tables. Of several, the largest share. Takes a second at most.
    ///
    /// # Errors
    /// Why it cannot be told, in a short phrase.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; the next question opens another.
    pub async fn share(
        &self,
        admitted: Admitted<'_>,
        resolver: &Resolver,
        path: Option<&[String]>,
        question: &Question,
        changes: &[RowChange],
    ) -> Result<Option<Estimate>, String> {
        let asked = async {
            let mut line = resolver.planner.lock().await;
            let mut open = match line.take().filter(|line| line.serves()) {
                Some(open) => open,
                None => self.line(admitted, resolver).await.map_err(|error| phrase(&error))?,
            };
            let begin = format!("{BEGIN}; SET LOCAL search_path = {}; {PATH}", open.path(path));
            let shares = shares(&mut open.connection, &begin, question, changes).await;
            if open.connection.query("ROLLBACK").await.is_ok() {
                *line = Some(open);
            }
            shares
        };
        tokio::time::timeout(PATIENCE, asked)
            .await
            .unwrap_or_else(|_| Err("the server did not plan it in time".to_owned()))
    }

    async fn ask(&self, by: Estimator<'_>, question: &Question) -> Result<RowEstimate, String> {
        let _slot = self.estimates.0.acquire().await.map_err(|_| "the relay ends")?;
        let connected = self.connect(by.admitted, by.start, by.database).await.map_err(|error| phrase(&error))?;
        let Connected { io, rest, .. } = connected;
        let mut connection = Connection::new(io, rest, MOST, MOST);
        let planned = planned(&mut connection, &format!("{BEGIN}; {PATH}"), question).await;
        // The transaction ends with it.
        connection.say_goodbye().await;
        plan::read(&planned?)
    }
}

async fn shares(
    connection: &mut Connection,
    begin: &str,
    question: &Question,
    changes: &[RowChange],
) -> Result<Option<Estimate>, String> {
    let changed = plan::changed(&planned(connection, begin, question).await?)?;
    let mut most: Option<Estimate> = None;
    for RowChange { relation, .. } in changes {
        let rows = changed.iter().filter(|(name, _)| *name == relation.name).map(|(_, rows)| rows).sum::<u64>();
        let name = match relation.schema.as_str() {
            "" => quoted(&relation.name),
            schema => format!("{}.{}", quoted(schema), quoted(&relation.name)),
        };
        let all = format!("EXPLAIN (FORMAT JSON) SELECT FROM {name}");
        send(connection, &all, &[], &[], &[]).ok_or("it is too long")?;
        let all = first(connection.rows().await.map_err(|error| phrase(&error))?);
        let all = plan::read(&all)?.rows;
        let share = u8::try_from(rows.saturating_mul(100).div_ceil(all.max(1)).min(100)).unwrap_or(100);
        if all > FEW && most.is_none_or(|most| most.share < share) {
            most = Some(Estimate { rows, share });
        }
    }
    Ok(most)
}

/// What EXPLAIN says, in the transaction that `begin` begins: it gives the search path.
async fn planned(connection: &mut Connection, begin: &str, question: &Question) -> Result<String, String> {
    let Question { planning, types, parameters } = question;
    let broken = |error| phrase(&error);
    let path = first(connection.query(begin).await.map_err(broken)?);
    if !(path == "{pg_catalog}" || path.starts_with("{pg_catalog,")) {
        return Err("the search path has other schemas before the server's own: planning it could run code".to_owned());
    }
    let relations = planning.relations.iter();
    let relations = relations.map(
        |relation| serde_json::json!({ "schema": relation.schema, "name": relation.name, "cte": relation.may_be_cte }),
    );
    let names = [
        serde_json::Value::from_iter(relations),
        planning.functions.as_slice().into(),
        planning.operators.as_slice().into(),
        planning.types.as_slice().into(),
    ];
    let values = names.iter().map(|names| Some(names.to_string().into())).collect::<Vec<_>>();
    send(connection, CHECK, &[], &values, &[]).ok_or("it is too long")?;
    let objection = first(connection.rows().await.map_err(broken)?);
    if objection != MAY_BE_PLANNED {
        // A server that is none may say anything.
        let own = CHECK.contains(&format!("THEN '{}'", objection.replace('\'', "''")));
        return Err(if own { objection } else { "the server's catalog could not be read".to_owned() });
    }
    send(connection, &planning.text, types, &parameters.values, &parameters.binary).ok_or("it is too long")?;
    Ok(first(connection.rows().await.map_err(broken)?))
}

fn first(rows: Vec<Vec<String>>) -> String {
    rows.into_iter().next().and_then(|row| row.into_iter().next()).unwrap_or_default()
}

/// Sends one statement by the extended protocol, which takes no more than one; its answer is text.
fn send(
    connection: &mut Connection,
    text: &str,
    types: &[u32],
    values: &[Option<bytes::Bytes>],
    binary: &[bool],
) -> Option<()> {
    let out = &mut connection.out;
    frontend::parse("", text, types.iter().copied(), out).ok()?;
    let formats = binary.iter().map(|binary| i16::from(*binary));
    let put = |value: &Option<bytes::Bytes>, out: &mut bytes::BytesMut| {
        Ok(value.as_ref().map_or(IsNull::Yes, |value| {
            out.extend_from_slice(value);
            IsNull::No
        }))
    };
    frontend::bind("", "", formats, values, put, [], out).ok()?;
    frontend::execute("", 0, out).ok()?;
    frontend::sync(out);
    Some(())
}

/// Why it failed, without anything that the server could have made up or that names a value.
fn phrase(error: &UpstreamError) -> String {
    let code = match error {
        UpstreamError::Refused(text) => text.get(..5).unwrap_or_default(),
        UpstreamError::Method(_) => return "the server's answer could not be understood".to_owned(),
        _ => return "the server could not be asked".to_owned(),
    };
    match code {
        "57014" | "25P03" => "the server did not plan it in time".to_owned(),
        "55P03" => "what it touches is locked".to_owned(),
        "53300" => "the server takes no more connections".to_owned(),
        code if code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!("the server could not plan it (SQLSTATE {code})")
        }
        _ => "the server could not plan it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_holds_nothing_of_the_servers() {
        let refused = |text: &str| phrase(&UpstreamError::Refused(text.to_owned()));
        assert_eq!(
            refused("42P01 relation \"secret\" does not exist"),
            "the server could not plan it (SQLSTATE 42P01)"
        );
        assert_eq!(refused("57014 canceling statement"), "the server did not plan it in time");
        assert_eq!(refused("53300 too many connections for role"), "the server takes no more connections");
        for text in ["", "\u{202e}ab", "a\nb c", "ä"] {
            assert_eq!(refused(text), "the server could not plan it", "{text:?}");
        }
    }

    /// What is read of a server that sends this without end.
    async fn flooded(message: &'static [u8]) -> Result<Vec<Vec<String>>, UpstreamError> {
        use tokio::{io::AsyncWriteExt as _, net};
        let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let mut connection = Connection::new(super::super::Io::Plain(stream), bytes::BytesMut::new(), MOST, MOST);
        let flood = async { while server.write_all(message).await.is_ok() {} };
        tokio::select! {
            rows = connection.rows() => rows,
            () = flood => panic!("nothing reads it"),
        }
    }

    #[tokio::test]
    async fn no_more_is_read_than_a_megabyte() {
        // A message that would be larger; rows, and notices, that are small.
        for flood in [&b"D\0\x10\0\x01"[..], b"D\0\0\0\x0b\0\x01\0\0\0\x01x", b"N\0\0\0\x05\0"] {
            assert!(matches!(flooded(flood).await, Err(UpstreamError::Method(_))), "{flood:?}");
        }
    }
}
