//! What a resource's configuration limits, and how much of it is recorded.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::time::{Duration, Instant};
use weir_tests::{
    agent::{Agent, Transport, json},
    lab::Lab,
};

over_both_transports!(limits, answers_that_are_too_large, statements_that_take_too_long);

fn code(error: Option<&tokio_postgres::Error>) -> Option<&str> {
    error?.code().map(tokio_postgres::error::SqlState::code)
}

async fn limits(transport: Transport) -> Result<()> {
    let lab = Lab::start_with("limits = { connections = 2, statement_bytes = 2000, idle = \"2s\" }").await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", transport)?;
    let (one, two) = (shop.client().await?, shop.client().await?);
    let error = shop.refused("SELECT 1")?;
    ensure!(error.contains("too many sessions of this resource"), "{error}");
    drop(two);

    // Too long a statement is refused, simple and prepared; the session goes on.
    let long = format!("SELECT '{}'", "x".repeat(4000));
    let refused = one.batch_execute(&long).await;
    ensure!(code(refused.as_ref().err()) == Some("54000"), "{refused:?}");
    let refused = one.query(&long, &[]).await;
    ensure!(code(refused.as_ref().err()) == Some("54000"), "{refused:?}");
    ensure!(one.query_one("SELECT 7", &[]).await?.get::<_, i32>(0) == 7);

    // What runs is not idle, however long it runs.
    ensure!(one.query_one("SELECT 8 FROM pg_sleep(5)", &[]).await?.get::<_, i32>(0) == 8);
    let until = Instant::now() + Duration::from_secs(15);
    while !one.is_closed() {
        ensure!(Instant::now() < until, "an idle session stays open");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Its place is free again.
    ensure!(shop.sql("SELECT 9")? == "9");
    Ok(())
}

/// psql sees what fits, then the error; its session goes on. Where rows come faster than they can be stopped, and where
/// they do not.
async fn answers_that_are_too_large(transport: Transport) -> Result<()> {
    let lab = Lab::start_with("limits = { rows = 1000, result_bytes = 2000000 }").await?;
    let alice = lab.login("alice").await?;
    let adam = lab.login("adam").await?;
    let shop = alice.connect("shop-dev", transport)?;
    for (many, name) in [(1001, "a few too many"), (5_000_000, "far too many")] {
        let rows = format!("SELECT n FROM generate_series(1, {many}) n");
        for (what, statement) in [
            ("simple", format!("{rows};")),
            ("COPY", format!("COPY ({rows}) TO STDOUT;")),
            ("a block", format!("BEGIN; SAVEPOINT s;\n{rows};\nROLLBACK TO s;\nCOMMIT;")),
            ("a cursor", format!("BEGIN;\nDECLARE c CURSOR FOR {rows};\nFETCH ALL c;\nROLLBACK;")),
        ] {
            let script = format!("{statement}\nSELECT 'goes on';\n");
            let said = weir_tests::lab::output(shop.psql().args(["-v", "ON_ERROR_STOP=0"]), Some(&script))?;
            let (out, error) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
            ensure!(
                error.contains("ERROR:  54000: weir canceled the statement: its answer is larger than 1000 rows"),
                "{name}, {what}: {error}"
            );
            ensure!(
                error.contains("resources.shop-dev.limits.rows") && error.contains("cursor"),
                "{name}, {what}: {error}"
            );
            ensure!(out.trim_end().ends_with("goes on"), "{name}, {what}: {out} {error}");
        }
        // psql of this age does not speak the extended protocol.
        let client = shop.client().await?;
        let result = client.query(&rows, &[]).await;
        ensure!(code(result.as_ref().err()) == Some("54000"), "{name}, extended: {:?}", result.map(|rows| rows.len()));
        ensure!(client.query_one("SELECT 4", &[]).await?.get::<_, i32>(0) == 4);
        // In parts it can be read, all of it that was asked for.
        let cursor = format!("BEGIN;\nDECLARE c CURSOR FOR {rows};\nFETCH 600 c;\nFETCH 600 c;\n");
        let said = weir_tests::lab::output(&mut shop.psql(), Some(&cursor))?;
        let numbers = String::from_utf8_lossy(&said.stdout).lines().filter(|line| line.parse::<u32>().is_ok()).count();
        ensure!(numbers == many.min(1200), "{name}: {numbers} {}", String::from_utf8_lossy(&said.stderr));
    }
    ensure!(shop.sql("SELECT n FROM generate_series(1, 1000) n")?.lines().count() == 1000);
    let error = shop.refused("SELECT repeat('x', 100000) FROM generate_series(1, 900)")?;
    ensure!(error.contains("54000") && error.contains("2000000 bytes") && error.contains("result_bytes"), "{error}");
    let error = shop.refused("SELECT repeat('x', 3000000)")?;
    ensure!(error.contains("54000") && error.contains("2000000 bytes"), "{error}");

    // A pipeline: what is behind the limit in the same transaction does not happen, what is in the next does.
    let client = shop.client().await?;
    let (first, second, third) = futures_util::future::join3(
        client.query("SELECT n FROM generate_series(1, 5000000) n", &[]),
        client.query_one("SELECT 2", &[]),
        client.query_one("SELECT 3", &[]),
    )
    .await;
    ensure!(code(first.as_ref().err()) == Some("54000"), "{:?}", first.map(|rows| rows.len()));
    // The request to stop may reach the one behind it, no further.
    ensure!(second.is_ok() || code(second.as_ref().err()) == Some("57014"), "{second:?}");
    ensure!(third?.get::<_, i32>(0) == 3);

    // What waits for a human behind it goes on waiting.
    let (rita, prod) = (lab.login("rita").await?, alice.connect("shop-prod", transport)?);
    let client = prod.client().await?;
    let update = "UPDATE orders SET status = 'paid' WHERE id = 2";
    let both = futures_util::future::join(
        client.simple_query("SELECT n FROM generate_series(1, 5000000) n"),
        client.simple_query(update),
    );
    let decide = async {
        let approval = rita.next_pending().await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        rita.weir(&["approvals", "approve", &approval, "--yes"])
    };
    let ((large, held), decided) = futures_util::future::join(both, decide).await;
    decided?;
    ensure!(code(large.as_ref().err()) == Some("54000") && held.is_ok(), "{held:?}");

    // What was done to the data is undone, or the session ends: never is it done under an error that sounds like no.
    lab.sql("CREATE TABLE log (n int); ALTER TABLE log OWNER TO shop_agent")?;
    let adams = adam.connect("shop-dev", transport)?.client().await?;
    for many in [1001, 2_000_000] {
        let result = adams.query(&format!("INSERT INTO log SELECT generate_series(1, {many}) RETURNING n"), &[]).await;
        ensure!(result.is_err());
        let count: i64 = lab.sql("SELECT count(*) FROM log")?.trim().parse()?;
        ensure!(count == 0 || adams.is_closed(), "{count} rows stand, and the session goes on: {result:?}");
        if adams.is_closed() {
            break;
        }
    }
    Ok(())
}

async fn statements_that_take_too_long(transport: Transport) -> Result<()> {
    let mut lab = Lab::start_with("limits = { statement_time = \"2s\", idle = \"1s\" }").await?;
    lab.restart_with(|config| format!("{config}\n[limits.users.dora]\nsession_time = \"4s\"\nrate = 2\nburst = 5\n"))
        .await?;
    let (alice, dora) = (lab.login("alice").await?, lab.login("dora").await?);
    let shop = alice.connect("shop-dev", transport)?;
    // Longer than may be idle, shorter than may run: it is let run.
    let client = shop.client().await?;
    ensure!(client.query_one("SELECT 1 FROM pg_sleep(1.6)", &[]).await?.get::<_, i32>(0) == 1);
    let slept = client.query_one("SELECT 1 FROM pg_sleep(30)", &[]).await;
    ensure!(code(slept.as_ref().err()) == Some("57014"), "{slept:?}");
    let error = slept.err().context("slept")?;
    let error = error.as_db_error().context("no error of the protocol")?;
    ensure!(error.message().contains("weir canceled the statement: it ran for longer than 2s"), "{error:?}");
    ensure!(error.detail() == Some("resources.shop-dev.limits.statement_time"), "{error:?}");
    ensure!(client.query_one("SELECT 2", &[]).await?.get::<_, i32>(0) == 2);
    let said = weir_tests::lab::output(&mut shop.psql(), Some("SELECT pg_sleep(30);\nSELECT 'goes on';\n"))?;
    ensure!(String::from_utf8_lossy(&said.stderr).contains("57014"), "{said:?}");
    ensure!(String::from_utf8_lossy(&said.stdout).contains("goes on"), "{said:?}");

    // The clock is looked at while another statement waits for a human, who takes longer than may be idle.
    let (rita, prod) = (lab.login("rita").await?, alice.connect("shop-prod", transport)?);
    let client = prod.client().await?;
    let decide = async {
        let approval = rita.next_pending().await?;
        tokio::time::sleep(Duration::from_secs(4)).await;
        rita.weir(&["approvals", "approve", &approval, "--yes"])
    };
    let update = "UPDATE orders SET status = 'paid' WHERE id = 1";
    let slow_then_held =
        futures_util::future::join(client.simple_query("SELECT pg_sleep(30)"), client.simple_query(update));
    let begun = Instant::now();
    let ((slow, held), decided) = futures_util::future::join(slow_then_held, decide).await;
    decided?;
    ensure!(code(slow.as_ref().err()) == Some("57014"), "{slow:?}");
    ensure!(held.is_ok() && begun.elapsed() < Duration::from_secs(25), "{held:?}");
    drop(client);

    // A rate is refused statement by statement; the session, and other users, go on.
    let doras = dora.connect("shop-dev", transport)?;
    let client = doras.client().await?;
    let mut refused = 0;
    for _ in 0..12 {
        match client.query_one("SELECT 1", &[]).await {
            Ok(_) => {}
            Err(error) => {
                ensure!(code(Some(&error)) == Some("53400"), "{error:?}");
                let error = error.as_db_error().context("no error of the protocol")?;
                ensure!(error.detail() == Some("limits.users.dora.rate"), "{error:?}");
                ensure!(error.hint().is_some_and(|hint| hint.contains("try again in")), "{error:?}");
                refused += 1;
            }
        }
    }
    ensure!(refused > 0, "nothing was too fast");
    ensure!(shop.sql("SELECT 3")? == "3");
    // Her session ends after its time, whatever it does.
    let until = Instant::now() + Duration::from_secs(20);
    while !client.is_closed() {
        ensure!(Instant::now() < until, "the session goes on");
        let _ = client.query_one("SELECT 1", &[]).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_sessions_are_counted_across_resources() -> Result<()> {
    let mut lab = Lab::start().await?;
    lab.restart_with(|config| {
        format!("{config}\n[limits.user]\nconnections = 2\n[limits.users.adam]\nconnections = 3\n")
    })
    .await?;
    for (user, most) in [("alice", 2), ("adam", 3)] {
        let agent = lab.login(user).await?;
        let (dev, prod) =
            (agent.connect("shop-dev", Transport::Quic)?, agent.connect("shop-prod", Transport::WebSocket)?);
        let mut open = vec![dev.client().await?];
        while open.len() < most {
            open.push(prod.client().await?);
        }
        for shop in [&dev, &prod] {
            let error = shop.refused("SELECT 1")?;
            ensure!(error.contains("too many sessions of this user"), "{user}: {error}");
        }
    }
    Ok(())
}

/// The entries of the newest session's recording, once it has ended.
async fn newest(adam: &Agent) -> Result<Vec<Value>> {
    let until = Instant::now() + Duration::from_secs(15);
    loop {
        let sessions = json(&adam.weir(&["sessions", "list", "--limit", "1", "--output", "json"])?)?;
        let newest = sessions.first().context("no session")?;
        if newest.get("ended_at").is_some_and(|at| !at.is_null()) {
            let id = newest.get("id").and_then(Value::as_str).context("no id")?;
            return json(&adam.weir(&["sessions", "replay", id, "--output", "json"])?);
        }
        ensure!(Instant::now() < until, "the session does not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn count(entries: &[Value], kind: &str) -> usize {
    entries.iter().filter(|entry| entry.get("entry").and_then(Value::as_str) == Some(kind)).count()
}

fn omitted(entries: &[Value]) -> Option<(u64, &str)> {
    let entry = entries.iter().find(|entry| entry.get("entry").and_then(Value::as_str) == Some("omitted"))?;
    Some((entry.get("rows")?.as_u64()?, entry.get("why")?.as_str()?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_much_is_recorded() -> Result<()> {
    for (recording, rows, left_out) in [
        ("rows = \"all\", durability = \"sync\"", 100, None),
        ("rows = \"first:10\"", 10, Some((90, "recording.rows = \"first\""))),
        ("rows = \"counts\", durability = \"best_effort\"", 0, Some((100, "recording.rows = \"counts\""))),
    ] {
        let lab = Lab::start_with(&format!("recording = {{ {recording} }}")).await?;
        let (alice, adam) = (lab.login("alice").await?, lab.login("adam").await?);
        let shop = alice.connect("shop-dev", Transport::Quic)?;
        ensure!(shop.sql("SELECT id FROM orders ORDER BY id")?.lines().count() == 100);
        let entries = newest(&adam).await?;
        ensure!(count(&entries, "row") == rows, "{recording}: {entries:?}");
        ensure!(count(&entries, "statement") == 1 && count(&entries, "close") == 1, "{recording}: {entries:?}");
        ensure!(omitted(&entries) == left_out, "{recording}: {entries:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_says_where_it_applied() -> Result<()> {
    let lab = Lab::start_with("recording = { quota_bytes = 2000 }").await?;
    let (alice, adam) = (lab.login("alice").await?, lab.login("adam").await?);
    let shop = alice.connect("shop-dev", Transport::WebSocket)?;
    ensure!(shop.sql("SELECT n, repeat('x', 100) FROM generate_series(1, 5000) n")?.lines().count() == 5000);
    let entries = newest(&adam).await?;
    let (rows, why) = omitted(&entries).context("nothing is said to be left out")?;
    ensure!(why == "recording.quota_bytes" && rows as usize + count(&entries, "row") == 5000, "{rows} {why}");
    Ok(())
}
