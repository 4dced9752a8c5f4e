//! Held requests: they wait, a human decides, and exactly what was held runs.

use anyhow::{Context as _, Result, ensure};
use std::time::Duration;
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
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(!rita.try_weir(&["approvals", "approve", &id, "--yes"])?.status.success());
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "100");
    Ok(())
}
