//! What runs beside the sessions: it ends those whose agent may act no longer, and deletes recordings whose time is over.

use crate::{record, relay::Relay, session::registry::Reason};
use fs_err::tokio as fs;
use std::{sync::Arc, time::Duration};

/// How often agents with open sessions are looked at: a revoked login ends its sessions within this.
const AGENTS: Duration = Duration::from_secs(1);
/// How often recordings are looked at.
const RECORDINGS: Duration = Duration::from_secs(600);

/// Ends the sessions of agents whose key, login or user may act no longer. A store that does not answer ends nothing: the
/// sessions' right was checked when they began, and new ones are refused meanwhile.
pub async fn agents(relay: Arc<Relay>) {
    loop {
        tokio::time::sleep(AGENTS).await;
        for agent in relay.registry.agents() {
            match relay.store.agent_may_act(agent, relay.now()).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::info!(%agent, "its login has ended: so do its sessions");
                    relay.registry.kill_agent(agent, Reason::LoginEnded);
                }
                Err(error) => tracing::error!(%error, "agents cannot be read"),
            }
        }
    }
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
    for session in relay.store.sessions_ended_before(before).await? {
        let body = serde_json::json!({ "session": session });
        relay.store.audit_append("recording.deleted", "retention", body, relay.now()).await?;
        match fs::remove_file(record::path(&relay.config.recordings, session)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => relay.store.session_recording_deleted(session, relay.now()).await?,
        }
    }
    Ok(())
}
