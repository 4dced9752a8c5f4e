//! Agents of `weir run` that lose their tunnel: who comes back in time goes on, who does not has ended with all below.

use crate::nested::{begun, text, tree};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::time::{Duration, Instant};
use weir_tests::{agent::Transport, forger::Forger, lab::Lab};

over_both_transports!(a_killed_supervisor_ends_with_all_below_it, who_comes_back_in_time_is_who_it_was);

const PATIENCE: Duration = Duration::from_secs(60);
const LOST: &str = "its tunnel was lost";

fn ids(agents: &[Value]) -> Vec<String> {
    agents.iter().map(|agent| text(agent, "id").to_owned()).collect()
}

/// A lab whose relay gives lost tunnels so much time.
async fn lab_with_grace(grace: &str) -> Result<Lab> {
    let mut lab = Lab::start().await?;
    lab.restart_with(|config| format!("tunnel_grace = \"{grace}\"\n{config}")).await?;
    Ok(lab)
}

async fn a_killed_supervisor_ends_with_all_below_it(transport: Transport) -> Result<()> {
    let lab = lab_with_grace("2s").await?;
    let alice = lab.login("alice").await?;
    let mut waits = alice.connect("shop-dev", transport)?;
    let ticket = lab.folder().join("ticket");
    // Below it, one that dies with it, and one on another machine, that does not.
    let script = format!("$WEIR ticket > {}; echo ready; $WEIR run -- sleep 300", ticket.display());
    let (mut supervisor, lines) = begun(&alice, &["--transport", transport.as_str()], &script)?;
    lines.find(PATIENCE, |line| (line == "ready").then_some(()))?;
    let secret: Value = serde_json::from_str(&std::fs::read_to_string(&ticket)?)?;
    let far = Forger::stranger(&lab)?;
    ensure!(far.redeem(text(&secret, "secret")).await?.0 == 200);
    let until = Instant::now() + PATIENCE;
    let all = loop {
        let all = tree(&alice, &[])?;
        if all.len() == 4 {
            break all;
        }
        ensure!(Instant::now() < until, "{all:#?} {}", supervisor.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    // `weir connect` lives by its process: the relay waits for it as long as for any other.
    waits.process.kill()?;
    supervisor.kill()?;
    let left = loop {
        let left = tree(&alice, &[])?;
        if left.len() < 2 {
            break left;
        }
        ensure!(Instant::now() < until + PATIENCE, "{left:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    ensure!(
        left.iter().all(|agent| text(&agent["evidence"], "command") == "weir connect") && left.len() == 1,
        "{left:#?}"
    );
    ensure!(far.get("/whoami").await?.0 == 401, "what is below it elsewhere has ended, too");
    let root = all.iter().find(|agent| text(&agent["evidence"], "command") == "sh").context("no root")?;
    let ended = lab.audited("agent.ended")?;
    let ended = ended.iter().map(|event| &event["body"]).find(|body| body["agent"] == root["id"]);
    let ended = ended.context("its end is not in the audit log")?;
    ensure!(ended["why"] == LOST && ended["ended"].as_array().is_some_and(|all| all.len() >= 2), "{ended}");
    Ok(())
}

async fn who_comes_back_in_time_is_who_it_was(transport: Transport) -> Result<()> {
    let mut lab = lab_with_grace("8s").await?;
    let alice = lab.login("alice").await?;
    let go = lab.folder().join("go");
    let psql = "psql -X -At -v VERBOSITY=verbose -c";
    let how = transport.as_str();
    let script = format!(
        "$WEIR run --transport {how} --connect shop-dev -- sh -c \"{psql} 'SELECT 1'; echo ready; \
         while [ ! -e {} ]; do sleep 0.1; done; {psql} 'SELECT 2'; {psql} 'SELECT 3'; $WEIR whoami --chain\"",
        go.display()
    );
    let (mut process, lines) = begun(&alice, &["--transport", how, "--budget", "statements=2"], &script)?;
    lines.find(PATIENCE, |line| (line == "ready").then_some(()))?;
    let before = ids(&tree(&alice, &[])?);
    ensure!(before.len() == 2, "{before:?}");
    lab.restart_with(|config| config).await?;
    // Longer than the grace: nobody connects meanwhile, and both are there.
    tokio::time::sleep(Duration::from_secs(12)).await;
    ensure!(ids(&tree(&alice, &[])?) == before, "{}", process.log());
    std::fs::write(&go, "")?;
    lines.find(PATIENCE, |line| (line == "2").then_some(()))?;
    for id in &before {
        lines.find(PATIENCE, |line| (line.contains("depth") && line.contains(id.as_str())).then_some(()))?;
    }
    ensure!(process.wait(PATIENCE)? == Some(0), "{}", process.log());
    ensure!(process.log().contains("budget is used up"), "what was used before counts: {}", process.log());
    let lost = lab.audited("agent.ended")?.into_iter().filter(|event| text(&event["body"], "why") == LOST).count();
    ensure!(lost == 0);
    Ok(())
}
