//! Requests that wait for a human. Durable in the store; bound to exactly what will run; each use counts once.
//!
//! The relay keeps the bytes and runs those: the client sends nothing again. What was approved dies with its session, so a
//! relay that restarts withdraws what was pending.
//!
//! - [`asked`]: what is asked for, and the digests that a decision is bound to
//! - [`wait`]: a session asks, waits, and takes its request back
//! - [`decide`]: people say yes or no; [`extent`]: how far their yes goes
//! - [`elevations`]: what they let an agent do beyond its scope
//! - [`text`]: what they read

pub mod asked;
pub mod decide;
pub mod elevations;
pub mod extent;
pub mod text;
pub mod wait;

pub use asked::{Asked, Held};

use elevations::Elevations;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{broadcast, oneshot};
use weir_shared::{api::ApprovalEvent, id::ApprovalId};

/// Events that a listener may be behind.
const BEHIND: usize = 256;

/// How a hold ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Run it.
    Approved {
        /// By which request: an earlier one's approval may cover this one.
        approval: ApprovalId,
        /// By whom.
        by: String,
    },
    /// Do not.
    Denied {
        /// By whom.
        by: String,
        /// Why.
        reason: String,
    },
    /// Nobody decided in time.
    Expired,
    /// The client cancelled or went away.
    Withdrawn,
    /// Too many requests wait, or were made.
    TooMany(String),
    /// Who asks may act no longer.
    Ended,
    /// The store failed.
    Failed,
}

impl Outcome {
    /// As recorded and counted.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self {
            Self::Approved { .. } => "approved",
            Self::Denied { .. } => "denied",
            Self::Expired => "expired",
            Self::Withdrawn | Self::Ended => "withdrawn",
            Self::TooMany(_) => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Those who wait in this process, and those who listen.
pub struct Approvals {
    waiting: Mutex<HashMap<ApprovalId, oneshot::Sender<()>>>,
    events: broadcast::Sender<ApprovalEvent>,
    /// What was granted beyond scopes.
    pub elevations: Arc<Elevations>,
}

impl Default for Approvals {
    fn default() -> Self {
        Self { waiting: Mutex::default(), events: broadcast::Sender::new(BEHIND), elevations: Arc::default() }
    }
}

impl Approvals {
    /// How many wait.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.lock().len() as u64
    }

    /// What happens from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<ApprovalEvent> {
        self.events.subscribe()
    }

    /// A request is in another state. Nobody needs to listen.
    fn happened(&self, id: ApprovalId, state: &str) {
        let _ = self.events.send(ApprovalEvent { id, state: state.to_owned() });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ApprovalId, oneshot::Sender<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
