//! What every part of a running relay shares.

use crate::{
    approval::Approvals,
    channel::Channels,
    doors::Doors,
    identity::{Principal, Principals, foreign::Foreign, oauth, passkeys::Passkeys},
    policy::Policies,
    record::{Index, Syncer},
    resources::Resources,
    session::{
        budget::Budgets,
        facts::SharedFacts,
        registry::{Reason, Registry},
    },
    telemetry::Telemetry,
    tunnel::standing::Standing,
    upstream::Upstreams,
};
use std::{sync::Arc, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use weir_shared::{config::checked::Config, detect::Detector, id::AgentId, secret::Secret};
use weir_store::{Store, StoreError};

/// A running relay. One per process; passed as `Arc<Relay>`.
pub struct Relay {
    /// The validated configuration; what may be reached is in `resources`.
    pub config: Config,
    /// Durable state.
    pub store: Store,
    /// The policies in force.
    pub policy: Arc<Policies>,
    /// What may be reached.
    pub resources: Resources,
    /// Connections that are here.
    pub doors: Doors,
    /// Sessions and tunnels open now.
    pub registry: Arc<Registry>,
    /// The index of recordings.
    pub index: Index,
    /// Who opened a stream a moment ago.
    pub principals: Principals,
    /// Who has a tunnel, and who has lost it.
    pub standing: Standing,
    /// Those who vouch for others.
    pub foreign: Foreign,
    /// What agents have used of what they may.
    pub budgets: Budgets,
    /// The authorization server.
    pub oauth: oauth::Server,
    /// What people are asked to confirm with a passkey.
    pub passkeys: Passkeys,
    /// Requests that wait for a human.
    pub approvals: Approvals,
    /// Who is told of them.
    pub channels: Channels,
    /// What sessions with the same resource share.
    pub upstreams: Upstreams,
    /// Facts about statements seen before.
    pub facts: Arc<SharedFacts>,
    /// Counts and measures.
    pub telemetry: Telemetry,
    /// Finds what must be masked.
    pub detector: Arc<Detector>,
    /// Brings recordings to the disk.
    pub syncer: Syncer,
    /// Seals recordings; 32 bytes.
    pub sealing_key: Secret<[u8; 32]>,
    /// Owns every task of the relay.
    pub tasks: TaskTracker,
    /// Cancelled when the relay begins to drain.
    pub draining: CancellationToken,
    /// When it started.
    pub started: Instant,
}

impl Relay {
    /// Microseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        jiff::Timestamp::now().as_microsecond()
    }

    /// Leaves a trace of what `actor` (a user; nobody) did, or tried.
    pub async fn audit(&self, event: &str, actor: &str, body: serde_json::Value) {
        if let Err(error) = self.store.audit_append(event, actor, body, self.now()).await {
            tracing::error!(%error, event, "the audit log cannot be written");
        }
    }

    /// The same of an agent: its whole chain is in it.
    pub async fn audit_of(&self, principal: &Principal, event: &str, body: serde_json::Value) {
        self.audit(event, principal.user(), with_chain(principal, body)).await;
    }

    /// Ends an agent, everything below it, and what they have open.
    ///
    /// # Errors
    /// When the store fails: then nothing has ended.
    pub async fn end_agent(&self, agent: AgentId, why: &str) -> Result<Vec<AgentId>, StoreError> {
        let ended = self.store.agent_end(agent, why, self.now()).await?;
        self.principals.forget();
        ended.iter().for_each(|agent| self.registry.kill_agent(*agent, Reason::AgentEnded));
        Ok(ended)
    }
}

/// An audit event's body with the chain of who it is about.
#[must_use]
pub fn with_chain(principal: &Principal, mut body: serde_json::Value) -> serde_json::Value {
    if let Some(fields) = body.as_object_mut() {
        fields.insert("chain".to_owned(), serde_json::json!(principal.chain_ids()));
    }
    body
}
