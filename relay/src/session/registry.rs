//! Sessions and tunnels that are open now; and whom a cancel request means.

use super::{authorize::Grant, bucket::Bucket, limits::Share};
use crate::tunnel::Transport;
use crate::{
    identity::Principal,
    telemetry::{
        Telemetry,
        session::ResourceSeries,
        tally::{Census, Tally},
    },
    upstream::Canceller,
};
use std::collections::{BTreeMap, HashMap, HashSet, hash_map::Entry};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use weir_shared::{
    config::checked::{Resource, UserLimits},
    id::{AgentId, ResourceName, SessionId},
};

#[derive(Default)]
struct Inner {
    sessions: HashMap<SessionId, Arc<Handle>>,
    keys: HashMap<Vec<u8>, SessionId>,
    resources: HashMap<ResourceName, Share>,
    /// Of every user who ever had a session: a rate outlives the sessions that use it.
    users: HashMap<String, Share>,
}

/// Which limit leaves no room for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The resource's.
    Resource,
    /// The user's.
    User,
}

/// Why a session is ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The relay goes away.
    RelayStops,
    /// The agent's key, its login or its user may act no longer.
    LoginEnded,
    /// The agent, or one above it, was ended.
    AgentEnded,
    /// The store does not take it into the index of recordings.
    Unindexed,
    /// What its resource's name means has changed.
    ResourceChanged,
}

/// What others may do to an open session.
pub struct Handle {
    agent: AgentId,
    resource: Arc<Resource>,
    /// Stops what it runs; none before the login, or when the server has no key for that.
    canceller: Mutex<Option<Arc<Canceller>>>,
    /// A cancel request came while a request was held.
    pub withdraw: Notify,
    /// True while a request is held.
    pub holding: std::sync::atomic::AtomicBool,
    /// Cancelled when the session must end.
    pub kill: CancellationToken,
    /// What the session counts.
    pub tally: Arc<Tally>,
    /// Where it leaves that.
    series: Arc<ResourceSeries>,
    reason: OnceLock<Reason>,
}

/// Everything open.
#[derive(Default)]
pub struct Registry {
    inner: Arc<Mutex<Inner>>,
    quic: Arc<AtomicU64>,
    websocket: Arc<AtomicU64>,
}

/// A session's place in the registry; dropping it leaves.
pub struct Place {
    registry: Arc<Mutex<Inner>>,
    session: SessionId,
    handle: Arc<Handle>,
    user: String,
    /// The resource's and the user's.
    buckets: [Option<Arc<Bucket>>; 2],
    key: Mutex<Vec<u8>>,
}

/// A tunnel's place; dropping it leaves.
pub struct TunnelPlace(Arc<AtomicU64>);

impl Registry {
    /// A session enters; `series` are its resource's.
    ///
    /// # Errors
    /// Its resource or its user has as many as allowed.
    pub fn enter(&self, grant: &Grant, users: &UserLimits, series: Arc<ResourceSeries>) -> Result<Place, Full> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { sessions, resources, users: by_user, .. } = &mut *inner;
        let (resource, limits) = (grant.resource(), users.of(grant.user()));
        let of_resource = resources.entry(resource.name.clone()).or_insert_with(|| Share::new(&resource.limits));
        of_resource.follow(&resource.limits);
        if of_resource.open >= resource.limits.connections {
            return Err(Full::Resource);
        }
        let of_user = by_user.entry(grant.user().to_owned()).or_insert_with(|| Share::new(limits));
        if of_user.open >= limits.connections {
            return Err(Full::User);
        }
        of_resource.open += 1;
        of_user.open += 1;
        let buckets = [of_resource.bucket.clone(), of_user.bucket.clone()];
        let handle = Arc::new(Handle {
            agent: grant.agent(),
            resource: Arc::clone(resource),
            canceller: Mutex::default(),
            withdraw: Notify::new(),
            holding: false.into(),
            kill: CancellationToken::new(),
            tally: Arc::default(),
            series,
            reason: OnceLock::new(),
        });
        sessions.insert(grant.session(), Arc::clone(&handle));
        let (registry, user) = (Arc::clone(&self.inner), grant.user().to_owned());
        Ok(Place { registry, session: grant.session(), handle, user, buckets, key: Mutex::default() })
    }

    /// A tunnel enters.
    #[must_use]
    pub fn enter_tunnel(&self, transport: Transport) -> TunnelPlace {
        let open = match transport {
            Transport::Quic => &self.quic,
            Transport::WebSocket => &self.websocket,
        };
        open.fetch_add(1, Ordering::Relaxed);
        TunnelPlace(Arc::clone(open))
    }

    /// Sessions open now.
    #[must_use]
    pub fn open_sessions(&self) -> u64 {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).sessions.len() as u64
    }

    /// Tunnels open now.
    #[must_use]
    pub fn tunnels(&self) -> u64 {
        self.tunnels_by(Transport::Quic) + self.tunnels_by(Transport::WebSocket)
    }

    /// Of one transport.
    #[must_use]
    pub fn tunnels_by(&self, transport: Transport) -> u64 {
        match transport {
            Transport::Quic => self.quic.load(Ordering::Relaxed),
            Transport::WebSocket => self.websocket.load(Ordering::Relaxed),
        }
    }

    /// What the sessions of each configured resource have waiting and counted.
    #[must_use]
    pub fn census(&self, telemetry: &Telemetry) -> BTreeMap<ResourceName, Census> {
        // Sessions leave under the same lock: each is counted once.
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = |series: &ResourceSeries| Census { sums: series.ended(), ..Census::default() };
        let mut census: BTreeMap<_, _> =
            telemetry.resources().into_iter().map(|(name, series)| (name, ended(&series))).collect();
        for handle in inner.sessions.values() {
            census.entry(handle.resource.name.clone()).or_default().add(&handle.tally);
        }
        census
    }

    /// Ends every session.
    pub fn kill_all(&self, reason: Reason) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.sessions.values().for_each(|handle| handle.end(reason));
    }

    /// Ends one session, if it is open.
    pub fn kill(&self, session: SessionId, reason: Reason) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = inner.sessions.get(&session) {
            handle.end(reason);
        }
    }

    /// Ends every session of what a resource was.
    pub fn kill_resource(&self, resource: &Resource, reason: Reason) {
        let version = resource.version();
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it =
            |handle: &&Arc<Handle>| handle.resource.name == resource.name && handle.resource.version() == version;
        inner.sessions.values().filter(of_it).for_each(|handle| handle.end(reason));
    }

    /// The agents that have sessions open.
    #[must_use]
    pub fn agents(&self) -> HashSet<AgentId> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.sessions.values().map(|handle| handle.agent).collect()
    }

    /// How many sessions each agent has open.
    #[must_use]
    pub fn sessions_by_agent(&self) -> HashMap<AgentId, u64> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.sessions.values().fold(HashMap::new(), |mut counts, handle| {
            *counts.entry(handle.agent).or_default() += 1;
            counts
        })
    }

    /// Ends every session of one agent.
    pub fn kill_agent(&self, agent: AgentId, reason: Reason) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.sessions.values().filter(|handle| handle.agent == agent).for_each(|handle| handle.end(reason));
    }

    /// Carries out a cancel request: only for a session of the same agent; anything else is answered by silence, as
    /// the server does.
    pub async fn cancel(&self, principal: &Principal, key: &[u8]) {
        let handle = {
            let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let found = inner.keys.get(key).and_then(|session| inner.sessions.get(session));
            found.filter(|handle| handle.agent == principal.agent()).map(Arc::clone)
        };
        let Some(handle) = handle else { return };
        if handle.holding.load(Ordering::Acquire) {
            return handle.withdraw.notify_one();
        }
        handle.cancel_upstream().await;
    }
}

impl Handle {
    fn end(&self, reason: Reason) {
        let _ = self.reason.set(reason);
        self.kill.cancel();
    }

    /// Why it was ended, once [`Handle::kill`] is cancelled.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason.get().copied().unwrap_or(Reason::RelayStops)
    }

    /// Asks the resource to stop what the session runs.
    pub async fn cancel_upstream(&self) {
        let canceller = self.canceller.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(canceller) = canceller
            && let Err(error) = canceller.cancel(&self.resource).await
        {
            tracing::warn!(%error, "a cancel request did not reach the resource");
        }
    }
}

impl Place {
    /// What others may do to this session.
    #[must_use]
    pub fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// The tokens that the session shares with others of its resource and of its user.
    #[must_use]
    pub fn buckets(&self) -> [Option<Arc<Bucket>>; 2] {
        self.buckets.clone()
    }

    /// The cancel key that the client gets: 8 bytes for protocol 3.0, 36 for 3.2. Its first four are the server's process id,
    /// which clients compare with the sender of a notification and with `pg_backend_pid()`; the rest is random, and the
    /// relay's own.
    #[must_use]
    pub fn issue_key(&self, minor: u16, canceller: &Arc<Canceller>) -> Vec<u8> {
        let mut key = vec![0; if minor >= 2 { 36 } else { 8 }];
        // Without randomness the key stays unregistered: nobody can cancel, and nobody else either.
        while aws_lc_rs::rand::fill(&mut key).is_ok() {
            match (key.first_chunk_mut::<4>(), canceller.key().first_chunk()) {
                (Some(pid), Some(server)) => *pid = *server,
                // Some clients read it as a positive number.
                (Some([first, ..]), None) => *first &= 0x7f,
                (None, _) => {}
            }
            let mut inner = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
            // Two servers may use one process id at a time, and four random bytes are few.
            if let Entry::Vacant(entry) = inner.keys.entry(key.clone()) {
                entry.insert(self.session);
                key.clone_into(&mut self.key.lock().unwrap_or_else(PoisonError::into_inner));
                break;
            }
        }
        let canceller = (!canceller.key().is_empty()).then(|| Arc::clone(canceller));
        *self.handle.canceller.lock().unwrap_or_else(PoisonError::into_inner) = canceller;
        key
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        inner.sessions.remove(&self.session);
        self.handle.series.leave(&self.handle.tally);
        inner.keys.remove(&*self.key.lock().unwrap_or_else(PoisonError::into_inner));
        let Inner { resources, users, .. } = &mut *inner;
        for share in [resources.get_mut(&self.handle.resource.name), users.get_mut(&self.user)].into_iter().flatten() {
            share.open = share.open.saturating_sub(1);
        }
    }
}

impl Drop for TunnelPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
