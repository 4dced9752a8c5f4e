//! What runs beside the sessions: it ends those whose agent may act no longer, agents that are silent, those of `weir run` that
//! have lost their tunnel, and requests that waited too long; it deletes recordings whose time is over, tends the keys that sign
//! tokens, and looks at the tunnels' paths.

use crate::{approval::wait, policy::Reloaded, record, relay::Relay, session::registry::Reason};
use fs_err::tokio as fs;
use std::{sync::Arc, time::Duration};
use weir_shared::id::{AgentId, SessionId};
use weir_store::StoreError;

/// How often agents with open sessions are looked at: a revoked login ends its sessions within this.
const AGENTS: Duration = Duration::from_secs(1);
/// How often recordings are looked at.
const RECORDINGS: Duration = Duration::from_secs(600);
/// How often the policy files are looked at. What has changed is loaded when it was the same twice: not half-written.
const POLICIES: Duration = Duration::from_secs(1);
/// How often lost tunnels are looked for, at least.
const LOST: Duration = Duration::from_secs(1);
/// How often requests are looked for whose time is over.
const APPROVALS: Duration = Duration::from_secs(2);
/// How often the paths of tunnels are looked at.
const TUNNELS: Duration = Duration::from_secs(1);

/// Ends the sessions of agents whose key, login or user may act no longer. A store that does not answer ends nothing: the
/// sessions' right was checked when they began, and new ones are refused meanwhile.
pub async fn agents(relay: Arc<Relay>) {
    loop {
        tokio::time::sleep(AGENTS).await;
        let agents: Vec<AgentId> = relay.registry.agents().into_iter().collect();
        if agents.is_empty() {
            continue;
        }
        let acting = match relay.store.agents_that_may_act(&agents, relay.now()).await {
            Ok(acting) => acting,
            Err(error) => {
                tracing::error!(%error, "agents cannot be read");
                continue;
            }
        };
        for agent in agents.into_iter().filter(|agent| !acting.contains(agent)) {
            tracing::info!(%agent, "its login has ended: so do its sessions");
            // Not even one more stream by what was remembered of it.
            relay.principals.forget();
            relay.registry.kill_agent(agent, Reason::LoginEnded);
        }
    }
}

/// Ends agents whose process is gone without a word: no tunnel stands, no call has come, nothing is open.
pub async fn silent(relay: Arc<Relay>) {
    let time = relay.config.agent_idle;
    if time.is_zero() {
        return;
    }
    loop {
        tokio::time::sleep(time / 4).await;
        let open = relay.registry.agents();
        for agent in relay.principals.silent(time) {
            if open.contains(&agent) {
                relay.principals.heard([agent]);
                continue;
            }
            if let Err(error) = end(&relay, agent, "silent for too long").await {
                tracing::error!(%error, "a silent agent cannot be ended");
                relay.principals.heard([agent]);
            }
        }
    }
}

/// Ends agents of `weir run` that have been without a tunnel for longer than the grace, and all below them: the supervisor is
/// gone, and its command with it. Others may be without one for as long as something is heard of them ([`silent`]).
pub async fn lost(relay: Arc<Relay>) {
    let grace = relay.config.tunnel_grace;
    if grace.is_zero() {
        return;
    }
    // Those that an earlier relay had may come back to this one: no other has this store.
    while let Err(error) = relay.store.agents_keeping_tunnels(relay.now()).await.map(|all| relay.standing.expect(all)) {
        tracing::error!(%error, "agents cannot be read");
        tokio::time::sleep(LOST).await;
    }
    loop {
        tokio::time::sleep(LOST.min(grace / 4)).await;
        // Who leaves a relay that goes away has not gone.
        if relay.draining.is_cancelled() {
            return;
        }
        for agent in relay.standing.lost_for(grace) {
            if let Err(error) = end_lost(&relay, agent).await {
                tracing::error!(%error, "an agent that lost its tunnel cannot be ended");
                relay.standing.expect([agent]);
            }
        }
    }
}

async fn end_lost(relay: &Relay, agent: AgentId) -> Result<(), StoreError> {
    match relay.store.agent_view(agent, relay.now()).await? {
        Some(view) if view.alive && view.evidence.keeps_tunnel => end(relay, agent, "its tunnel was lost").await,
        _ => Ok(()),
    }
}

/// Ends an agent and all below it, for a reason that is the relay's own.
async fn end(relay: &Relay, agent: AgentId, why: &str) -> Result<(), StoreError> {
    let ended = relay.end_agent(agent, why).await?;
    // It may have ended by itself.
    if !ended.is_empty() {
        let body = serde_json::json!({ "agent": agent, "ended": ended, "why": why });
        relay.audit("agent.ended", "", body).await;
    }
    Ok(())
}

/// Brings policies into force that have changed: within two seconds, or at once on SIGHUP.
pub async fn policies(relay: Arc<Relay>, mut hangups: tokio::signal::unix::Signal) {
    let look = async || {
        let policy = Arc::clone(&relay.policy);
        tokio::task::spawn_blocking(move || policy.look()).await.ok()
    };
    let mut loaded = look().await;
    let mut last = loaded.clone();
    loop {
        let asked = tokio::select! {
            Some(()) = hangups.recv() => true,
            () = tokio::time::sleep(POLICIES) => false,
        };
        let now = look().await;
        let settled = now == std::mem::replace(&mut last, now.clone());
        if asked || (settled && now != loaded) {
            load_policies(&relay).await;
            loaded = now;
        }
    }
}

/// Brings the policy files into force now, if they are valid.
pub async fn load_policies(relay: &Arc<Relay>) {
    let policy = Arc::clone(&relay.policy);
    let Ok(reloaded) = tokio::task::spawn_blocking(move || policy.reload()).await else { return };
    let outcome = match reloaded {
        Reloaded::Same => "same",
        Reloaded::Changed { from, to } => {
            tracing::info!(from, to, "other policies are in force");
            relay.audit("policy.loaded", "", serde_json::json!({ "from": from, "to": to })).await;
            "loaded"
        }
        Reloaded::Invalid(problems) => {
            for problem in &problems {
                tracing::error!(problem, "the policies are not valid: the earlier ones stay in force");
            }
            let hash = relay.policy.current().hash().to_owned();
            relay.audit("policy.refused", "", serde_json::json!({ "in_force": hash, "problems": problems })).await;
            "refused"
        }
    };
    relay.telemetry.policy_loads.with([outcome.into()]).inc();
}

/// Ends requests for a human whose time is over: nobody may be waiting for them, and whoever listens is told.
pub async fn approvals(relay: Arc<Relay>) {
    loop {
        tokio::time::sleep(APPROVALS).await;
        if let Err(error) = wait::expire(&relay).await {
            tracing::error!(%error, "expired approvals cannot be stored");
        }
    }
}

/// Measures the paths of tunnels.
pub async fn tunnels(relay: Arc<Relay>) {
    loop {
        tokio::time::sleep(TUNNELS).await;
        relay.telemetry.tunnels.sample();
    }
}

/// Looks after the keys that sign access tokens.
pub async fn token_keys(relay: Arc<Relay>) {
    relay.oauth.keys.watch().await;
}

/// Deletes recordings older than the configured retention; each deletion is in the audit log before it is done.
pub async fn recordings(relay: Arc<Relay>) {
    let Ok(retention) = i64::try_from(relay.config.retention.as_micros()) else { return };
    if retention == 0 {
        return;
    }
    loop {
        if let Err(error) = delete_old(&relay, relay.now() - retention).await {
            tracing::error!(%error, "old recordings cannot be deleted");
        }
        tokio::time::sleep(RECORDINGS).await;
    }
}

async fn delete_old(relay: &Relay, before: i64) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    loop {
        let sessions = relay.store.sessions_ended_before(before).await?;
        if sessions.is_empty() {
            return Ok(());
        }
        delete(relay, sessions).await?;
    }
}

async fn delete(relay: &Relay, sessions: Vec<SessionId>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    for session in sessions {
        let body = serde_json::json!({ "session": session });
        relay.store.audit_append("recording.deleted", "retention", body, relay.now()).await?;
        match fs::remove_file(record::path(&relay.config.recordings, session)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => relay.store.session_recording_deleted(session, relay.now()).await?,
        }
    }
    Ok(())
}
