//! What every part of a running relay shares.

use crate::{
    approval::Approvals,
    doors::Doors,
    identity::{Principals, oauth},
    record::{Index, Syncer},
    session::{facts::SharedFacts, registry::Registry},
    telemetry::Telemetry,
    upstream::Upstreams,
};
use std::{sync::Arc, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use weir_policy::bundle::Bundle;
use weir_shared::{config::checked::Config, detect::Detector, secret::Secret};
use weir_store::Store;

/// A running relay. One per process; passed as `Arc<Relay>`.
pub struct Relay {
    /// The validated configuration.
    pub config: Config,
    /// Durable state.
    pub store: Store,
    /// The policies in force.
    pub policy: Arc<Bundle>,
    /// Connections that are here.
    pub doors: Doors,
    /// Sessions and tunnels open now.
    pub registry: Arc<Registry>,
    /// The index of recordings.
    pub index: Index,
    /// Who opened a stream a moment ago.
    pub principals: Principals,
    /// The authorization server.
    pub oauth: oauth::Server,
    /// Requests that wait for a human.
    pub approvals: Approvals,
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
}
