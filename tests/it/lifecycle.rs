//! Clients and relays that die, values larger than any buffer, and what remains.

use anyhow::{Context as _, Result, ensure};
use std::{
    process::Stdio,
    time::{Duration, Instant},
};
use weir_tests::{agent::Transport, lab::Lab, process::Running};

over_both_transports!(
    a_killed_client_leaves_nothing_behind,
    large_values_in_little_memory,
    a_restarted_server_is_used_again,
    a_login_that_ends_ends_its_sessions,
);

/// Sessions of the upstream role, as the server counts them.
fn backends(lab: &Lab) -> Result<usize> {
    Ok(lab.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_agent' AND application_name NOT LIKE '%catalog'")?.trim().parse()?)
}

async fn gone(lab: &Lab, within: Duration) -> Result<()> {
    let until = Instant::now() + within;
    while backends(lab)? > 0 {
        ensure!(Instant::now() < until, "the server still has a session after {within:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn a_killed_client_leaves_nothing_behind(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let mut shop = alice.connect("shop-dev", transport)?;

    // psql dies in the middle of a statement: its local connection breaks.
    let mut psql = shop.psql();
    psql.args(["-c", "SELECT pg_sleep(300)"]).stdout(Stdio::null());
    let mut psql = Running::start(&mut psql, &lab.folder().join("psql.log"))?;
    while backends(&lab)? == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    psql.kill()?;
    gone(&lab, Duration::from_secs(5)).await?;

    // The agent's process dies: the tunnel breaks.
    let client = shop.client().await?;
    client.batch_execute("BEGIN; UPDATE orders SET status = 'lost' WHERE id = 1").await?;
    ensure!(backends(&lab)? == 1);
    shop.process.kill()?;
    gone(&lab, Duration::from_secs(if transport == Transport::Quic { 40 } else { 5 })).await?;
    ensure!(lab.sql("SELECT status FROM orders WHERE id = 1")?.trim() == "open");
    Ok(())
}

async fn large_values_in_little_memory(transport: Transport) -> Result<()> {
    const BYTES: usize = 200_000_000;
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", transport)?;
    shop.sql("SELECT 1")?;
    let before = lab.relay()?.memory("VmHWM")?;
    let file = lab.folder().join("large");
    let mut psql = shop.psql();
    psql.arg("-c").arg(format!("SELECT repeat('x', {BYTES})")).stdout(std::fs::File::create(&file)?);
    let mut psql = Running::start(&mut psql, &lab.folder().join("psql.log"))?;
    ensure!(psql.wait(Duration::from_secs(240))? == Some(0), "{}", psql.log());
    ensure!(std::fs::metadata(&file)?.len() == u64::try_from(BYTES)? + 1);
    let grown = lab.relay()?.memory("VmHWM")?.saturating_sub(before);
    ensure!(grown < 100_000, "the relay grew by {grown} kB");
    Ok(())
}

async fn a_restarted_server_is_used_again(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", transport)?;
    let client = shop.client().await?;
    client.batch_execute("BEGIN; UPDATE orders SET status = 'lost' WHERE id = 1").await?;
    lab.restart_postgres()?;
    // The open session ends with an error and not with a hang.
    let lost = tokio::time::timeout(Duration::from_secs(10), client.batch_execute("COMMIT")).await?;
    ensure!(lost.is_err());
    ensure!(shop.sql("SELECT status FROM orders WHERE id = 1")? == "open");
    Ok(())
}

async fn a_login_that_ends_ends_its_sessions(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-dev", transport)?;
    let client = shop.client().await?;
    client.batch_execute("SELECT 1").await?;
    lab.admin(&["user", "disable", "alice"])?;
    let until = Instant::now() + Duration::from_secs(10);
    while client.batch_execute("SELECT 1").await.is_ok() {
        ensure!(Instant::now() < until, "a disabled user's session goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    gone(&lab, Duration::from_secs(5)).await?;
    ensure!(shop.refused("SELECT 1")?.contains("weir login"));
    ensure!(alice.try_weir(&["whoami"])?.status.code() == Some(4));
    // Others go on.
    rita.weir(&["whoami"])?;

    // A logout ends what was opened by the login.
    lab.admin(&["user", "enable", "alice"])?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", transport)?;
    let mut psql = shop.psql();
    psql.args(["-c", "SELECT pg_sleep(300)"]).stdout(Stdio::null());
    let mut psql = Running::start(&mut psql, &lab.folder().join("psql.log"))?;
    while backends(&lab)? == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    alice.weir(&["logout"])?;
    ensure!(psql.wait(Duration::from_secs(10))? != Some(0));
    ensure!(psql.log().contains("28000"), "{}", psql.log());
    gone(&lab, Duration::from_secs(5)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tunnels_on_several_threads() -> Result<()> {
    let mut lab = Lab::start().await?;
    lab.restart_with(|config| format!("threads = 4\n{config}")).await?;
    let alice = lab.login("alice").await?;
    let mut open = Vec::new();
    for transport in [Transport::Quic, Transport::WebSocket, Transport::Quic, Transport::WebSocket, Transport::Quic] {
        let shop = alice.connect("shop-dev", transport)?;
        let client = shop.client().await?;
        open.push((shop, client));
    }
    for round in 0..20_i32 {
        for (_, client) in &open {
            let row = client.query_one("SELECT $1::int, repeat('x', 100000)", &[&round]).await?;
            ensure!(row.get::<_, i32>(0) == round && row.get::<_, &str>(1).len() == 100_000);
        }
    }
    drop(open);
    let mut relay = lab.relay.take().context("no relay")?;
    ensure!(relay.terminate(Duration::from_secs(40))? == Some(0), "{}", relay.log());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_needs_no_restart() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    // Another relay's pair, by another CA: nobody who trusts the old one may accept it.
    let other = lab.folder().join("other");
    let mut init = lab.admin_command()?;
    init.arg("init").arg(&other).arg("--password-stdin");
    weir_tests::lab::run(&mut init, Some("Correct-horse-9417"))?;
    alice.weir(&["whoami"])?;
    for file in ["relay.pem", "relay.key"] {
        std::fs::copy(other.join("keys").join(file), lab.relay_folder().join("keys").join(file))?;
    }
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let output = alice.try_weir(&["whoami"])?;
        if output.status.code() == Some(7) {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure!(said.contains("not the one expected"), "{said}");
            return Ok(());
        }
        ensure!(Instant::now() < until, "the certificate stays the old one");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recordings_whose_time_is_over_are_deleted() -> Result<()> {
    let mut lab = Lab::start().await?;
    let (alice, adam) = (lab.login("alice").await?, lab.login("adam").await?);
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    shop.sql("SELECT 'old'")?;
    let until = Instant::now() + Duration::from_secs(10);
    let id = loop {
        let sessions = weir_tests::agent::json(&adam.weir(&["sessions", "list", "--output", "json"])?)?;
        let ended = sessions.iter().find(|session| session.get("ended_at").is_some_and(|at| !at.is_null()));
        if let Some(id) = ended.and_then(|session| session.get("id")).and_then(serde_json::Value::as_str) {
            break id.to_owned();
        }
        ensure!(Instant::now() < until, "the session does not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let file = lab.relay_folder().join("recordings").join(format!("{id}.weir"));
    ensure!(file.exists());
    lab.restart_with(|config| format!("retention = \"1ms\"\n{config}")).await?;
    let until = Instant::now() + Duration::from_secs(10);
    while file.exists() {
        ensure!(Instant::now() < until, "the recording stays");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The session is still known; its recording is said to be gone.
    adam.weir(&["sessions", "show", &id])?;
    let replay = adam.try_weir(&["sessions", "replay", &id])?;
    ensure!(!replay.status.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_relay_keeps_logins_and_recordings() -> Result<()> {
    let mut lab = Lab::start().await?;
    let (alice, adam) = (lab.login("alice").await?, lab.login("adam").await?);
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    shop.sql("SELECT 'before the restart'")?;
    let client = shop.client().await?;
    client.query_one("SELECT 'open at the restart'", &[]).await?;

    // It dies without a word, and comes again.
    if let Some(mut relay) = lab.relay.take() {
        relay.kill()?;
    }
    lab.serve().await?;
    let shop = alice.connect("shop-dev", Transport::WebSocket)?;
    ensure!(shop.sql("SELECT 'after the restart'")? == "after the restart");
    drop(shop);

    // It stops when it is told to.
    if let Some(mut relay) = lab.relay.take() {
        ensure!(relay.terminate(Duration::from_secs(40))? == Some(0), "{}", relay.log());
    }
    lab.serve().await?;
    let sessions = weir_tests::agent::json(&adam.weir(&["sessions", "list", "--output", "json"])?)?;
    ensure!(sessions.len() >= 3, "{sessions:?}");
    let mut seen = String::new();
    for session in &sessions {
        let id = session.get("id").and_then(serde_json::Value::as_str).unwrap_or_default();
        seen.push_str(&adam.weir(&["sessions", "replay", id])?);
    }
    for text in ["before the restart", "open at the restart", "after the restart"] {
        ensure!(seen.contains(text), "{text} is not in the recordings: {seen}");
    }
    Ok(())
}
