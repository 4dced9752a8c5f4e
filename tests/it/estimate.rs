//! What the server's planner expects of a statement that is held: who sees it, and what must not run for it.

use crate::review::{Waiting, shown};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::time::{Duration, Instant};
use weir_tests::{
    agent::{Agent, Connection, Transport, json},
    lab::Lab,
    raw::{Raw, query},
    reviewer,
};

/// What a reviewer sees of the only request that waits: its id, and its facts.
async fn facts(reviewer: &Agent) -> Result<(String, Value)> {
    let id = reviewer.next_pending().await?;
    let facts = shown(reviewer, &id)?.get("facts").context("no facts")?.clone();
    Ok((id, facts))
}

fn rows(facts: &Value) -> Result<u64> {
    facts.pointer("/estimate/rows").and_then(Value::as_u64).with_context(|| format!("no estimate: {facts}"))
}

/// Why there is no estimate.
fn why_not(facts: &Value) -> Result<String> {
    ensure!(facts.get("estimate").is_none(), "{facts}");
    Ok(facts.get("no_estimate").and_then(Value::as_str).with_context(|| format!("no reason: {facts}"))?.to_owned())
}

/// Holds a statement, denies it, and says why there was no estimate.
async fn unestimated(lab: &Lab, shop: &Connection, rita: &Agent, statement: &str) -> Result<String> {
    let waiting = Waiting::begin(lab, shop, statement)?;
    let (id, facts) = facts(rita).await?;
    let why = why_not(&facts).with_context(|| statement.to_owned())?;
    rita.weir(&["approvals", "deny", &id])?;
    waiting.refused()?;
    Ok(why)
}

/// Another user sees how many rows it is about; whoever asks does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reviewer_sees_it_and_who_asks_does_not() -> Result<()> {
    let lab = Lab::start().await?;
    lab.sql("ANALYZE orders")?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id <= 40 -- all that")?;
    let (id, facts) = facts(&rita).await?;
    ensure!((38..=42).contains(&rows(&facts)?), "{facts}");
    ensure!(facts.pointer("/estimate/plan/0") == Some(&"Delete on orders".into()), "{facts}");
    ensure!(!facts.to_string().contains("<="), "a condition is shown: {facts}");
    let text = rita.weir(&["approvals", "show", &id])?;
    ensure!(text.contains("rows, as the server's planner estimates") && text.contains("Delete on orders"), "{text}");
    let page = reviewer::at_page(&lab, &format!("/approvals/{id}"), "rita", "look", &[])?;
    ensure!(page.before.contains("planner estimates") && page.before.contains("Delete on orders"), "{}", page.before);

    // Statistics of masked columns would answer whoever may ask often enough.
    for own in [
        alice.weir(&["approvals", "show", &id, "--output", "json"])?,
        alice.weir(&["approvals", "list", "--output", "json"])?,
        alice.weir(&["approvals", "show", &id])?,
        reviewer::at_page(&lab, &format!("/approvals/{id}"), "alice", "look", &[])?.before,
    ] {
        ensure!(own.contains("orders") && !own.to_lowercase().contains("estimate"), "{own}");
    }

    rita.weir(&["approvals", "approve", &id, "--yes"])?;
    waiting.done("DELETE 40")?;
    // Done is done, and still not theirs.
    let own = alice.weir(&["approvals", "show", &id, "--output", "json"])?;
    ensure!(!own.contains("estimate"), "{own}");

    // That the resource was asked is recorded; what it said is not.
    let session = shown(&rita, &id)?.get("session").and_then(Value::as_str).context("no session")?.to_owned();
    let replay = alice.weir(&["sessions", "replay", &session])?;
    ensure!(replay.contains("EXPLAIN asked of the resource") && !replay.contains("Delete on"), "{replay}");
    Ok(())
}

/// The extended protocol's values count, in a transaction too; a table that was never analysed has an estimate as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_and_transactions_are_estimated() -> Result<()> {
    let lab = Lab::start().await?;
    lab.sql("ANALYZE orders; SET ROLE shop_agent; CREATE TABLE fresh (a int)")?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::WebSocket)?;
    let client = shop.client().await?;
    client.batch_execute("BEGIN").await?;
    let delete = client.prepare("DELETE FROM orders WHERE id <= $1").await?;
    for (value, expected) in [(10_i32, 9..=11), (70, 68..=72)] {
        let decide = async {
            let (id, facts) = facts(&rita).await?;
            rita.weir(&["approvals", "approve", &id, "--yes"])?;
            ensure!(facts.get("in_transaction") == Some(&true.into()));
            anyhow::Ok(rows(&facts)?)
        };
        let (deleted, estimated) = futures_util::future::join(client.execute(&delete, &[&value]), decide).await;
        let estimated = estimated?;
        ensure!(expected.contains(&estimated), "{value}: {estimated}");
        deleted?;
    }
    let decide = async {
        let (id, facts) = facts(&rita).await?;
        rita.weir(&["approvals", "approve", &id, "--yes"])?;
        rows(&facts)
    };
    let (inserted, estimated) = futures_util::future::join(client.batch_execute("DELETE FROM fresh"), decide).await;
    inserted?;
    ensure!(estimated? > 0);
    client.batch_execute("ROLLBACK").await?;
    Ok(())
}

/// Nothing runs before a human said yes: not in the statement, not in what its relations are made of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planning_runs_nobody_elses_code() -> Result<()> {
    let lab = Lab::start().await?;
    lab.sql(
        "ALTER SYSTEM SET track_functions = 'all'; SELECT pg_reload_conf(); \
         CREATE FUNCTION evil(a int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN a; END $$; \
         CREATE FUNCTION lower(a int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN a; END $$; \
         CREATE FUNCTION evil_text(a int, b text) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN a > 0; END $$; \
         CREATE OPERATOR public.= (LEFTARG = int, RIGHTARG = text, FUNCTION = evil_text); \
         CREATE TYPE mood AS ENUM ('good', 'bad'); \
         CREATE FUNCTION evil_mood(a int) RETURNS mood IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN 'bad'; END $$; \
         CREATE CAST (int AS mood) WITH FUNCTION evil_mood(int) AS ASSIGNMENT; \
         CREATE DOMAIN small AS int CHECK (evil(VALUE) < 10); \
         CREATE TABLE plain (a int); CREATE TABLE moods (m mood); CREATE TABLE smalls (s small); \
         CREATE TABLE defaults (a int DEFAULT evil(1), b int); \
         CREATE TABLE indexed (a int); CREATE INDEX ON indexed (a) WHERE evil(1) = 1; \
         CREATE TABLE parent (a int); CREATE TABLE child (CHECK (evil(1) = a)) INHERITS (parent); \
         CREATE TABLE secured (a int); CREATE POLICY p ON secured USING (evil(1) = 1); \
         ALTER TABLE secured ENABLE ROW LEVEL SECURITY; ALTER TABLE secured FORCE ROW LEVEL SECURITY; \
         CREATE TABLE ruled (a int); CREATE RULE r AS ON DELETE TO ruled DO INSTEAD DELETE FROM plain WHERE evil(1) = a; \
         CREATE VIEW trap AS SELECT * FROM plain WHERE evil(1) = 1; \
         CREATE VIEW \"public.plain\" AS SELECT * FROM plain WHERE evil(1) = 1; \
         GRANT ALL ON ALL TABLES IN SCHEMA public TO shop_agent",
    )?;
    let statements = [
        "DELETE FROM plain WHERE evil(1) = 1",
        "DELETE FROM plain WHERE public.evil(1) = a",
        "DELETE FROM plain WHERE lower(1) = 1",
        "DELETE FROM plain WHERE 1 = 'x'::text",
        "DELETE FROM plain p WHERE p.evil = 1",
        "DELETE FROM trap",
        "DELETE FROM \"public.plain\"",
        "INSERT INTO moods VALUES (1)",
        "INSERT INTO moods SELECT 1::mood",
        "INSERT INTO smalls VALUES (1)",
        "DELETE FROM plain WHERE pg_input_is_valid('1', 'small')",
        "DELETE FROM plain WHERE jsonb_populate_record(plain, '{}') IS NULL",
        "INSERT INTO defaults (b) VALUES (1)",
        "DELETE FROM indexed WHERE a = 1",
        "DELETE FROM parent WHERE a = 1",
        "DELETE FROM secured WHERE a = 1",
        "DELETE FROM ruled WHERE a = 1",
    ];
    // Servers before 15 count with some delay.
    let calls = async || -> Result<u64> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(lab.sql("SELECT coalesce(sum(calls), 0) FROM pg_stat_user_functions")?.trim().parse()?)
    };
    // The planner does run them, where it may.
    let before = calls().await?;
    for statement in statements {
        let _ = lab.sql(&format!("SET ROLE shop_agent; EXPLAIN {statement}"));
    }
    ensure!(calls().await? > before + 5, "the traps do not close");

    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let before = calls().await?;
    for statement in statements {
        unestimated(&lab, &shop, &rita, statement).await?;
    }
    ensure!(calls().await? == before, "a function ran");

    // An operator by that name makes every comparison doubtful: without it the plain table is planned.
    lab.sql("DROP OPERATOR public.= (int, text)")?;
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM plain WHERE a = 1")?;
    let (id, seen) = facts(&rita).await?;
    rows(&seen)?;
    rita.weir(&["approvals", "approve", &id, "--yes"])?;
    waiting.done("DELETE 0")?;

    // Where others' schemas come first, nothing is as it seems.
    lab.sql(
        "CREATE FUNCTION lower(a text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN a; END $$; \
         CREATE FUNCTION evil_eq(a int, b int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN true; END $$; \
         CREATE OPERATOR public.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil_eq); \
         ALTER ROLE shop_agent SET search_path = public, pg_catalog",
    )?;
    let before = calls().await?;
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let why = unestimated(&lab, &shop, &rita, "DELETE FROM plain WHERE lower('A') = 'b'").await?;
    ensure!(why.contains("search path"), "{why}");
    ensure!(calls().await? == before, "a function ran");
    Ok(())
}

/// What is no single statement, and what a session made of names, is not planned by another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_doubt_there_is_none() -> Result<()> {
    let lab = Lab::start().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let dev = lab.login("dora").await?.connect("shop-dev", Transport::Quic)?;
    for statement in [
        "DELETE FROM orders; DROP TABLE orders",
        "DROP TABLE orders",
        "TRUNCATE orders",
        "DO 'BEGIN DELETE FROM orders; END'",
        "this is not SQL",
    ] {
        unestimated(&lab, &dev, &rita, statement).await?;
    }
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "100");

    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let client = shop.client().await?;
    client.batch_execute("SET search_path = public").await?;
    let deny = async {
        let (id, facts) = facts(&rita).await?;
        rita.weir(&["approvals", "deny", &id])?;
        why_not(&facts)
    };
    let (_, why) = futures_util::future::join(client.batch_execute("DELETE FROM orders WHERE id = 1"), deny).await;
    let why = why?;
    ensure!(why.contains("changed settings"), "{why}");
    Ok(())
}

/// A server that takes no more connections, or whose table is locked, keeps nobody from being asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_does_not_hang_on_it() -> Result<()> {
    let lab = Lab::start().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;

    let mut other = Raw::superuser(&lab, "shop")?;
    other.send(&query("BEGIN; LOCK TABLE orders"))?;
    other.until(b'Z')?;
    let (began, waiting) = (Instant::now(), Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 9")?);
    let (id, facts_of) = facts(&rita).await?;
    ensure!(why_not(&facts_of)?.contains("locked"), "{facts_of}");
    ensure!(began.elapsed() < Duration::from_secs(10));
    other.send(&query("ROLLBACK"))?;
    other.until(b'Z')?;
    rita.weir(&["approvals", "approve", &id, "--yes"])?;
    waiting.done("DELETE 1")?;

    // A client that thinks better of it while the server is asked is not kept.
    other.send(&query("BEGIN; LOCK TABLE orders"))?;
    other.until(b'Z')?;
    let client = shop.client().await?;
    let token = client.cancel_token();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        token.cancel_query(tokio_postgres::NoTls).await
    };
    let delete = client.batch_execute("DELETE FROM orders WHERE id = 11");
    let (deleted, cancelled) = futures_util::future::join(delete, cancel).await;
    cancelled?;
    let code = deleted.err().and_then(|error| error.code().map(|code| code.code().to_owned()));
    ensure!(code.as_deref() == Some("57014"), "{code:?}");
    ensure!(rita.pending()?.is_empty());
    drop(client);
    other.send(&query("ROLLBACK"))?;
    other.until(b'Z')?;

    lab.sql("ALTER ROLE shop_agent CONNECTION LIMIT 2")?;
    let until = Instant::now() + Duration::from_secs(20);
    while lab.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_agent' AND application_name NOT LIKE '%catalog'")?.trim() != "0" {
        ensure!(Instant::now() < until, "connections are left");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 10")?;
    let (id, facts_of) = facts(&rita).await?;
    ensure!(why_not(&facts_of)?.contains("no more connections"), "{facts_of}");
    rita.weir(&["approvals", "approve", &id, "--yes"])?;
    waiting.done("DELETE 1")?;
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "98");
    Ok(())
}

/// `[approvals] estimate = false`: the resource is not asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_switched_off() -> Result<()> {
    let mut lab = Lab::start().await?;
    lab.restart_with(|config| format!("{config}\n[approvals]\nestimate = false\n")).await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 9")?;
    let (id, facts) = facts(&rita).await?;
    ensure!(!facts.to_string().contains("estimate"), "{facts}");
    rita.weir(&["approvals", "approve", &id, "--yes"])?;
    waiting.done("DELETE 1")?;
    let session = shown(&rita, &id)?.get("session").and_then(Value::as_str).context("no session")?.to_owned();
    let replay = alice.weir(&["sessions", "replay", &session])?;
    ensure!(!replay.contains("EXPLAIN"), "{replay}");
    Ok(())
}

/// Who may not ask a human causes no login either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_requests_is_no_flood_of_logins() -> Result<()> {
    let mut lab = Lab::start().await?;
    lab.restart_with(|config| format!("{config}\n[approvals]\nmost_pending = 1\n")).await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 9")?;
    let id = rita.next_pending().await?;
    let client = shop.client().await?;
    for id in 10..20 {
        ensure!(client.batch_execute(&format!("DELETE FROM orders WHERE id = {id}")).await.is_err());
    }
    let mine = "SELECT substr(application_name, 6, 12) FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    let end: String = client.query_one(mine, &[]).await?.get(0);
    drop(client);
    let sessions = json(&alice.weir(&["sessions", "list", "--output", "json"])?)?;
    let ids = sessions.iter().filter_map(|session| session.get("id")?.as_str());
    let session = ids.into_iter().find(|id| id.ends_with(&end)).context("the session is not listed")?;
    let replay = alice.weir(&["sessions", "replay", session])?;
    ensure!(replay.contains("DELETE FROM orders WHERE id = 19") && !replay.contains("EXPLAIN"), "{replay}");
    rita.weir(&["approvals", "deny", &id])?;
    waiting.refused()?;
    Ok(())
}

const LARGE: &str = "SET ROLE shop_agent;
    CREATE TABLE large (id int PRIMARY KEY, kind int, name text, state text);
    INSERT INTO large SELECT n, n % 100, 'name ' || n, CASE WHEN n % 10 = 0 THEN 'old' ELSE 'new' END FROM generate_series(1, 20000) n;
    CREATE TABLE little (id int PRIMARY KEY, name text);
    INSERT INTO little SELECT n, 'x' FROM generate_series(1, 100) n;
    ANALYZE large, little;";

/// A condition that leaves out next to nothing is none, whatever it looks like; one that leaves out most is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn most_of_a_large_table_is_not_changed_unattended() -> Result<()> {
    let lab = Lab::start().await?;
    lab.sql(LARGE)?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    for statement in [
        "DELETE FROM large WHERE id IS NOT NULL",
        "DELETE FROM public.large WHERE name <> '' AND id > 0",
        "UPDATE large AS l SET name = 'x' WHERE l.id > 100",
        "UPDATE large SET name = 'x' WHERE state = 'new'",
        "WITH gone AS (DELETE FROM large WHERE id <> 7 RETURNING 1) SELECT count(*) FROM gone",
        "WITH one AS (DELETE FROM large WHERE id = 1) DELETE FROM large WHERE id >= 2",
    ] {
        let waiting = Waiting::begin(&lab, &shop, statement)?;
        let (id, facts) = facts(&rita).await?;
        ensure!(facts.to_string().contains("% of the table"), "{statement}: {facts}");
        rita.weir(&["approvals", "deny", &id])?;
        waiting.refused()?;
    }
    let client = shop.client().await?;
    for statement in [
        "UPDATE large SET name = 'x' WHERE id = 5",
        "UPDATE large SET name = 'x' WHERE kind = 3",
        "UPDATE large SET name = 'x' WHERE id BETWEEN 10 AND 90",
        "UPDATE large SET name = 'x' WHERE state = 'old'",
        "UPDATE large SET name = 'x' WHERE id IN (1, 2, 3)",
        "UPDATE large SET name = 'x' WHERE false",
        "UPDATE little SET name = 'x' WHERE id > 0",
    ] {
        client.batch_execute(statement).await.with_context(|| statement.to_owned())?;
    }
    // The values count, not the text.
    let above = client.prepare("UPDATE large SET name = 'y' WHERE id > $1").await?;
    ensure!(client.execute(&above, &[&19_900_i32]).await? == 100);
    let id = {
        let held = client.execute(&above, &[&0_i32]);
        let decided = async {
            let (id, facts) = facts(&rita).await?;
            ensure!(facts.to_string().contains("% of the table"), "{facts}");
            rita.weir(&["approvals", "deny", &id])?;
            Ok(id)
        };
        let (held, id) = tokio::join!(held, decided);
        ensure!(held.is_err());
        id?
    };
    ensure!(!id.is_empty());
    ensure!(lab.sql("SELECT count(*) FROM large WHERE name = 'y'")?.trim() == "100");
    ensure!(lab.sql("SELECT count(*) FROM large")?.trim() == "20000");
    Ok(())
}
