//! Held requests: they wait, a human decides, and exactly what was held runs.

use anyhow::{Context as _, Result, ensure};
use std::time::{Duration, Instant};
use weir_tests::{
    agent::{Connection, Transport},
    lab::Lab,
    process::{Lines, Running},
};

over_both_transports!(approved, denied);

/// psql with a statement that is held; it waits in the background.
fn held(lab: &Lab, shop: &Connection, statement: &str) -> Result<(Running, Lines)> {
    let mut psql = shop.psql();
    psql.args(["-v", "ON_ERROR_STOP=1", "-c", statement]).stdout(std::process::Stdio::piped());
    let mut psql = Running::start(&mut psql, &lab.folder().join("held.log"))?;
    let lines = Lines::of(psql.stdout().context("no standard output")?);
    Ok((psql, lines))
}

async fn approved(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", transport)?;
    let (mut psql, lines) = held(&lab, &shop, "DELETE FROM orders WHERE id = 9")?;
    let id = rita.next_pending().await?;
    ensure!(psql.wait(Duration::ZERO).is_err(), "it did not wait");
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "100");

    // Nobody decides their own request, whatever they may else.
    ensure!(!alice.try_weir(&["approvals", "approve", &id, "--yes"])?.status.success());
    rita.weir(&["approvals", "approve", &id, "--yes"])?;
    lines.find(Duration::from_secs(20), |line| (line == "DELETE 1").then_some(()))?;
    ensure!(psql.wait(Duration::from_secs(20))? == Some(0));
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "99");
    // psql was told meanwhile that it waits, and for what.
    ensure!(psql.log().contains(&id), "{}", psql.log());
    // Once is once.
    ensure!(!rita.try_weir(&["approvals", "approve", &id, "--yes"])?.status.success());
    Ok(())
}

async fn denied(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", transport)?;
    let (mut psql, _lines) = held(&lab, &shop, "DELETE FROM orders WHERE id = 9")?;
    let id = rita.next_pending().await?;
    rita.weir(&["approvals", "deny", &id, "--reason", "keep the books"])?;
    ensure!(psql.wait(Duration::from_secs(20))? != Some(0));
    ensure!(psql.log().contains("keep the books"), "{}", psql.log());
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "100");

    // A client that gives up takes its request with it.
    let (mut psql, _lines) = held(&lab, &shop, "DELETE FROM orders WHERE id = 10")?;
    let id = rita.next_pending().await?;
    psql.kill()?;
    let until = Instant::now() + Duration::from_secs(20);
    while !rita.pending()?.is_empty() {
        ensure!(Instant::now() < until, "the request stays");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ensure!(!rita.try_weir(&["approvals", "approve", &id, "--yes"])?.status.success());
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "100");
    Ok(())
}

/// A held statement belongs to its session: a relay that dies takes it along, and nobody can run it afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_relay_leaves_its_requests_withdrawn() -> Result<()> {
    let mut lab = Lab::start().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::WebSocket)?;
    let (mut psql, _lines) = held(&lab, &shop, "DELETE FROM orders WHERE id = 9")?;
    let id = rita.next_pending().await?;
    lab.relay.take().context("no relay")?.kill()?;
    ensure!(psql.wait(Duration::from_secs(30))? != Some(0), "psql does not notice");
    lab.serve().await?;
    let seen = rita.weir(&["approvals", "show", &id, "--output", "json"])?;
    ensure!(seen.contains("\"withdrawn\"") && seen.contains("the relay was restarted"), "{seen}");
    ensure!(rita.try_weir(&["approvals", "approve", &id, "--yes"])?.status.code() == Some(9));
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "100");
    // What was asked for is recorded, although it never ran.
    let session =
        weir_tests::agent::json(&seen)?.first().and_then(|view| view.get("session")?.as_str().map(str::to_owned));
    let adam = lab.login("adam").await?;
    let replay = adam.weir(&["sessions", "replay", &session.context("no session")?])?;
    ensure!(replay.contains("DELETE FROM orders WHERE id = 9") && replay.contains("gap"), "{replay}");
    // The same statement asks anew, and runs once it is approved.
    let (mut psql, lines) = held(&lab, &shop, "DELETE FROM orders WHERE id = 9")?;
    let id = rita.next_pending().await?;
    rita.weir(&["approvals", "approve", &id, "--yes"])?;
    lines.find(Duration::from_secs(20), |line| (line == "DELETE 1").then_some(()))?;
    ensure!(psql.wait(Duration::from_secs(20))? == Some(0));
    Ok(())
}

/// What the extended protocol holds: the values are part of what is approved, and a cancel takes the request back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prepared_statement_is_held_with_its_values() -> Result<()> {
    let lab = Lab::start().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let client = shop.client().await?;
    let delete = client.prepare("DELETE FROM orders WHERE id = $1").await?;
    let decide = async {
        let id = rita.next_pending().await?;
        let seen = rita.weir(&["approvals", "show", &id])?;
        // The driver sends it in binary; whoever decides reads it.
        ensure!(seen.contains("$1 = 5\n") && seen.contains("DELETE FROM orders WHERE id = $1"), "{seen}");
        rita.weir(&["approvals", "approve", &id, "--yes"])?;
        Ok(())
    };
    let (deleted, decided) = futures_util::future::join(client.execute(&delete, &[&5_i32]), decide).await;
    decided?;
    ensure!(deleted? == 1);
    ensure!(lab.sql("SELECT count(*) FROM orders WHERE id = 5")?.trim() == "0");

    // The same statement with another value is another request; the client thinks better of it.
    let token = client.cancel_token();
    let cancel = async {
        let id = rita.next_pending().await?;
        token.cancel_query(tokio_postgres::NoTls).await?;
        anyhow::Ok(id)
    };
    let (deleted, id) = futures_util::future::join(client.execute(&delete, &[&6_i32]), cancel).await;
    let code = deleted.as_ref().err().and_then(|error| error.code()).map(|code| code.code().to_owned());
    ensure!(code.as_deref() == Some("57014"), "{deleted:?}");
    ensure!(!rita.try_weir(&["approvals", "approve", &id?, "--yes"])?.status.success());
    ensure!(lab.sql("SELECT count(*) FROM orders WHERE id = 6")?.trim() == "1");

    let list = client.prepare("DELETE FROM orders WHERE id = ANY ($1) AND status <> $2").await?;
    let decide = async {
        let id = rita.next_pending().await?;
        let seen = rita.weir(&["approvals", "show", &id])?;
        ensure!(seen.contains("$1 = {7,8}\n") && seen.contains("$2 = it's\n"), "{seen}");
        rita.weir(&["approvals", "approve", &id, "--yes"])?;
        Ok(())
    };
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&vec![7_i32, 8], &"it's"];
    let (deleted, decided) = futures_util::future::join(client.execute(&list, &values), decide).await;
    decided?;
    ensure!(deleted? == 2);
    // The session goes on.
    ensure!(client.query_one("SELECT 1", &[]).await?.get::<_, i32>(0) == 1);
    Ok(())
}
