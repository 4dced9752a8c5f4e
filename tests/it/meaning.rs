//! A statement is judged by what the server would run for its names, not by how they look.

use crate::review::Waiting;
use anyhow::{Context as _, Result, ensure};
use weir_tests::{
    agent::{Transport, json},
    lab::Lab,
    raw::{Raw, V3_0, bind, outline, parse, query, startup, sync},
};

/// What policy permits alice here: to read, and nothing else.
const READS_ONLY: &str = r#"@id("reads-only")
forbid (principal, action in [Action::"sql.write", Action::"sql.ddl"], resource) when { principal in Group::"user" };
"#;

const OBJECTS: &str = "
CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE EXTENSION IF NOT EXISTS unaccent; CREATE EXTENSION IF NOT EXISTS file_fdw;
CREATE TABLE plain (id int PRIMARY KEY, amount int, note text, tidied int);
INSERT INTO plain VALUES (1, 10, 'a', 0), (2, 20, 'b', 0);
CREATE TYPE pair AS (amount int, tidy int);
CREATE FUNCTION tidy(plain) RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN 1; END $$;
CREATE FUNCTION total(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION noted(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION is_even(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 % 2 = 0';
CREATE DOMAIN even AS int CHECK (is_even(VALUE));
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE FUNCTION lower(even) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
CREATE FUNCTION same(text, int) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR === (LEFTARG = text, RIGHTARG = int, FUNCTION = same);
CREATE FUNCTION to_pair(text) RETURNS pair LANGUAGE sql AS 'SELECT 1, 2';
CREATE CAST (text AS pair) WITH FUNCTION to_pair(text);
CREATE VIEW good AS SELECT id, lower(note) AS note FROM plain;
CREATE VIEW evil AS SELECT id, noted(note) AS note FROM plain;
CREATE VIEW over_evil AS SELECT * FROM evil;
CREATE VIEW reads_a_file AS SELECT pg_read_file('/etc/hostname') AS f;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE passwords (line text) SERVER files OPTIONS (filename '/etc/passwd');
CREATE TABLE guarded (id int); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON guarded USING (is_even(id));
CREATE FUNCTION json_value(text, text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE SCHEMA shadow; CREATE VIEW shadow.plain AS SELECT noted('x') AS note, 1 AS id;
GRANT USAGE ON SCHEMA shadow TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA public, shadow TO PUBLIC;
";

async fn lab() -> Result<Lab> {
    let mut lab =
        Lab::start_with("harmless_settings = [\"app.\"]\nharmless_functions = [\"public.total(integer)\"]\n").await?;
    lab.sql(OBJECTS)?;
    std::fs::write(lab.relay_folder().join("policies/reads-only.cedar"), READS_ONLY)?;
    lab.restart_with(|config| config).await?;
    Ok(lab)
}

/// SQLSTATE and message of the first error; empty when there is none.
fn error(raw: &mut Raw, text: &str) -> Result<(String, String)> {
    raw.send(&query(text))?;
    let answer = raw.until(b'Z').with_context(|| text.to_owned())?;
    let error = answer.iter().find(|message| message.kind == b'E');
    Ok(error.map(|error| (error.field(b'C'), error.field(b'M'))).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_what_the_server_runs_for_them() -> Result<()> {
    let lab = lab().await?;
    let alice = lab.login("alice").await?;
    let port = alice.connect("shop-dev", Transport::Quic)?;
    let mut raw = Raw::through(port.port)?;
    let mut wrong = Vec::new();
    for (text, expected) in [
        // Calls that no FuncCall shows.
        ("SELECT o.tidy FROM plain o", "sql.write (calls public.tidy"),
        ("SELECT plain.tidy FROM plain", "sql.write (calls public.tidy"),
        ("SELECT (o).tidy FROM plain o", "sql.write (calls public.tidy"),
        ("SELECT x.pg_read_file FROM unnest(ARRAY['/etc/hostname']) x", "files of the database's server"),
        ("SELECT o.amount, o.note FROM plain o", ""),
        ("SELECT (o).amount FROM (SELECT o FROM plain o) q", ""),
        ("SELECT q.tidied FROM (SELECT tidied FROM plain) q", ""),
        ("SELECT q.tidy FROM (SELECT amount AS tidy FROM plain) q", ""),
        // Overloads, domains, types, casts, operators.
        ("SELECT lower('x')", "sql.write (calls public.lower(public.even)"),
        ("SELECT 4::even", "sql.write (type public.even calls public.is_even(integer)"),
        ("SELECT 4::positive, 'calm'::mood", ""),
        ("SELECT 'x'::text::pair", "sql.write (the cast to public.pair calls public.to_pair(text)"),
        ("SELECT 'x'::text === 1", "sql.write (operator === calls public.same(text,integer)"),
        // Views, row security, foreign tables.
        ("SELECT upper(note) FROM good", ""),
        ("SELECT * FROM evil", "sql.write (view public.evil calls public.noted(text)"),
        ("SELECT * FROM over_evil", "sql.write (view public.evil calls public.noted(text)"),
        ("SELECT * FROM reads_a_file", "files of the database's server"),
        ("SELECT * FROM passwords", "files of the database's server"),
        ("SELECT * FROM guarded", "sql.write (the row security of public.guarded calls public.is_even(integer)"),
        // What a newer server's grammar has, an older one calls.
        ("SELECT json_value('x', '$')", "sql.write (calls public.json_value(text,text)"),
        // Extensions and functions that are known to be harmless.
        ("SELECT similarity('alpha', 'alpa')", ""),
        ("SELECT 'alpha' % 'alpa', 'alpha' <-> 'alpa', unaccent('a')", ""),
        ("SELECT set_limit(0.5)", "sql.write (calls public.set_limit(real)"),
        ("SELECT total(1)", ""),
        ("SELECT noted('x')", "sql.write (calls public.noted(text)"),
        // What does not exist, the server says.
        ("SELECT lenght('abc')", "42883 function lenght(unknown) does not exist"),
        ("SELECT * FROM no_such_table", "42P01 relation \"no_such_table\" does not exist"),
        ("SELECT 'x'::no_type", "42704 type \"no_type\" does not exist"),
        ("SELECT o.no_column FROM plain o", "42703 column o.no_column does not exist"),
        // By name.
        ("EXECUTE never", "26000"),
        ("FETCH never", "34000"),
        ("BEGIN; DECLARE c CURSOR FOR SELECT * FROM evil", "sql.write (view public.evil calls"),
        ("ROLLBACK", ""),
        // Settings.
        ("SET app.tenant = '7'", ""),
        ("SELECT set_config('app.tenant', '7', true)", ""),
        ("SET other.tenant = '7'", "sql.admin (SET other.tenant)"),
        ("SET ROLE shop_agent", ""),
        ("SET ROLE postgres", "sql.admin (SET role)"),
        ("EXPLAIN DELETE FROM plain", ""),
        ("EXPLAIN SELECT noted('x')", "sql.write (calls public.noted(text)"),
    ] {
        let (code, message) = error(&mut raw, text)?;
        let found = format!("{code} {message}");
        let right = if expected.is_empty() { code.is_empty() } else { found.contains(expected) };
        if !right {
            wrong.push(format!("{text}\n    found:    {found}\n    expected: {expected}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The search path decides, however it was set and taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_path_counts_wherever_it_was_set() -> Result<()> {
    let lab = lab().await?;
    let alice = lab.login("alice").await?;
    let port = alice.connect("shop-dev", Transport::Quic)?;
    const READ: &str = "SELECT note FROM plain";
    let refused = |raw: &mut Raw, why: &str| -> Result<()> {
        let (_, message) = error(raw, READ)?;
        ensure!(message.contains("view shadow.plain calls public.noted(text)"), "{why}: {message:?}");
        Ok(())
    };
    let passes = |raw: &mut Raw, why: &str| -> Result<()> {
        let (code, message) = error(raw, READ)?;
        ensure!(code.is_empty(), "{why}: {code} {message}");
        Ok(())
    };
    let mut raw = Raw::through(port.port)?;
    passes(&mut raw, "at first")?;
    for set in ["SET search_path = shadow, public", "SELECT set_config('search_path', 'shadow, public', false)"] {
        error(&mut raw, set)?;
        refused(&mut raw, set)?;
        error(&mut raw, "RESET search_path")?;
        passes(&mut raw, "taken back")?;
    }
    // Back by what is discarded, and by what was never called.
    for text in ["SET search_path = shadow, public", "DISCARD ALL", "SET search_path = public"] {
        error(&mut raw, text)?;
    }
    passes(&mut raw, "set anew")?;
    error(&mut raw, "SELECT set_config('search_path', 'shadow, public', false) WHERE false")?;
    refused(&mut raw, "it may have been called")?;
    error(&mut raw, "SET search_path = public")?;
    passes(&mut raw, "set for certain")?;
    for text in ["BEGIN", "SET LOCAL search_path = shadow, public"] {
        error(&mut raw, text)?;
    }
    refused(&mut raw, "local")?;
    error(&mut raw, "ROLLBACK")?;
    passes(&mut raw, "after the transaction")?;
    // By a start-up parameter, and among options.
    for (name, value) in [("search_path", "shadow, public"), ("options", "-c search_path=shadow,public")] {
        let names = [("user", "anyone"), ("database", "shop"), (name, value)];
        refused(&mut Raw::connect(port.port)?.begin(&startup(V3_0, &names), "")?, name)?;
    }
    Ok(())
}

/// What runs by name is judged, recorded and shown as what was prepared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_by_name_is_what_was_prepared() -> Result<()> {
    const TEXT: &str = "DELETE FROM staging RETURNING id";
    let lab = Lab::start().await?;
    lab.sql("CREATE TABLE staging (id int); GRANT ALL ON staging TO PUBLIC; INSERT INTO staging VALUES (1)")?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let port = alice.connect("shop-dev", Transport::Quic)?;
    for text in ["EXECUTE s1", "FETCH ALL p1", "MOVE ALL p1"] {
        let mut raw = Raw::through(port.port)?;
        ensure!(raw.ask(&[parse("s1", TEXT), sync()].concat())? == "1 ZI");
        ensure!(raw.ask(&query("BEGIN"))? == "C ZT");
        ensure!(raw.ask(&[bind("p1", "s1", &[]), sync()].concat())? == "2 ZT");
        // Without WHERE it is held, by whatever name it runs.
        raw.send(&query(text))?;
        let id = rita.next_pending().await?;
        let shown = rita.weir(&["approvals", "show", &id])?;
        ensure!(shown.contains(TEXT), "{text}: {shown}");
        rita.weir(&["approvals", "deny", &id, "--reason", "no"])?;
        let answer = outline(&raw.until(b'Z')?);
        ensure!(answer == "N E42501 ZE", "{text}: {answer}");
    }
    ensure!(lab.sql("SELECT count(*) FROM staging")?.trim() == "1", "it ran");
    // And what ran stands in the recording.
    let mut raw = Raw::through(port.port)?;
    raw.ask(&[parse("s2", "DELETE FROM staging WHERE id = 1"), sync()].concat())?;
    let ran = raw.ask(&query("EXECUTE s2"))?;
    ensure!(ran == "C ZI", "{ran}");
    drop(raw);
    let sessions = json(&alice.weir(&["sessions", "list", "--output", "json"])?)?;
    let replays = sessions.iter().filter_map(|session| session["id"].as_str());
    let replays = replays.map(|id| alice.weir(&["sessions", "replay", id])).collect::<Result<String>>()?;
    ensure!(replays.contains("which runs: DELETE FROM staging WHERE id = 1"), "{replays}");
    Ok(())
}

/// What was approved is what runs: a trigger that somebody makes while the request waits is none of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_while_a_human_thinks_was_not_approved() -> Result<()> {
    let lab = Lab::start().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let statement = "UPDATE orders SET status = 'seen' WHERE id = 1";
    let waiting = Waiting::begin(&lab, &shop, statement)?;
    let id = rita.next_pending().await?;
    lab.sql(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM orders WHERE id > 1; RETURN new; END'; \
         CREATE TRIGGER lose BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION lose()",
    )?;
    rita.weir(&["approvals", "approve", &id, "--yes"])?;
    let said = waiting.refused()?;
    ensure!(said.contains("has changed since it was asked for"), "{said}");
    ensure!(lab.sql("SELECT count(*) FROM orders WHERE id > 1")?.trim() != "0");
    // And is not covered by that approval when it is run again.
    let waiting = Waiting::begin(&lab, &shop, statement)?;
    rita.weir(&["approvals", "deny", &rita.next_pending().await?])?;
    waiting.refused()?;
    ensure!(lab.sql("SELECT count(*) FROM orders WHERE id > 1")?.trim() != "0");
    Ok(())
}
