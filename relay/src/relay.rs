//! What every part of a running relay shares.

use crate::{approval::Approvals, session::registry::Registry};
use std::{sync::Arc, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use weir_policy::bundle::Bundle;
use weir_shared::{config::checked::Config, secret::Secret};
use weir_store::Store;

/// A running relay. One per process; passed as `Arc<Relay>`.
pub struct Relay {
    /// The validated configuration.
    pub config: Config,
    /// Durable state.
    pub store: Store,
    /// The policies in force.
    pub policy: Arc<Bundle>,
    /// Sessions and tunnels open now.
    pub registry: Registry,
    /// Requests that wait for a human.
    pub approvals: Approvals,
    /// Seals recordings; 32 bytes.
    pub sealing_key: Secret<[u8; 32]>,
    /// Owns every task of the relay.
    pub tasks: TaskTracker,
    /// Cancelled when the relay begins to drain.
    pub draining: CancellationToken,
    /// When it started.
    pub started: Instant,
}
