//! What a resource's configuration limits, and how much of it is recorded.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::time::{Duration, Instant};
use weir_tests::{
    agent::{Agent, Transport, json},
    lab::Lab,
};

over_both_transports!(limits);

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
