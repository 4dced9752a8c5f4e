//! Who may come in: how many connections may be here that have not proven yet whose they are, in all and from one
//! address, and how many connections and streams of one agent. What is beyond is turned away at once, before anything is
//! spent on it, so that a flood leaves room for others.
//!
//! A stranger is bounded in time too, by whoever serves it: each step of the way in has its own patience.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use weir_shared::{config::checked::DoorLimits, keys::Thumbprint};

/// How often it is logged that some were turned away.
const EVERY: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Inner {
    strangers: usize,
    addresses: HashMap<IpAddr, usize>,
    agents: HashMap<Thumbprint, usize>,
    /// Turned away since that was logged.
    turned_away: u64,
    logged: Option<Instant>,
}

/// Everyone who is in.
pub struct Doors {
    limits: DoorLimits,
    inner: Arc<Mutex<Inner>>,
}

/// A stranger's place; it is left when dropped, or when the stranger has proven who it is.
pub struct Visit {
    inner: Arc<Mutex<Inner>>,
    address: IpAddr,
    proven: AtomicBool,
    /// The place that it has instead.
    as_agent: OnceLock<AgentPlace>,
}

/// A connection's or a stream's place among those of its agent; dropping it leaves.
pub struct AgentPlace {
    inner: Arc<Mutex<Inner>>,
    key: Thumbprint,
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes one off a count; a count of nothing is forgotten.
fn leave<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// What counts as one address: of IPv6 the first 64 bits, which one machine has to itself.
#[must_use]
pub fn place_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address => address,
    }
}

impl Doors {
    /// Nobody is in.
    #[must_use]
    pub fn new(limits: DoorLimits) -> Self {
        Self { limits, inner: Arc::default() }
    }

    /// A stranger comes in; none when there are too many, in all or from this address.
    #[must_use]
    pub fn stranger(&self, address: IpAddr) -> Option<Visit> {
        let address = place_of(address);
        let mut inner = lock(&self.inner);
        let Inner { strangers, addresses, .. } = &mut *inner;
        let here = addresses.get(&address).copied().unwrap_or(0);
        if *strangers >= self.limits.strangers || here >= self.limits.address {
            inner.turn_away();
            return None;
        }
        *strangers += 1;
        addresses.insert(address, here + 1);
        Some(Visit { inner: Arc::clone(&self.inner), address, proven: false.into(), as_agent: OnceLock::new() })
    }

    /// True when half of the places are taken, in all or from this address: whoever comes then over UDP has to show first
    /// that its address is its own.
    #[must_use]
    pub fn are_busy(&self, address: IpAddr) -> bool {
        let inner = lock(&self.inner);
        let here = inner.addresses.get(&place_of(address)).copied().unwrap_or(0);
        inner.strangers >= self.limits.strangers / 2 || here >= self.limits.address / 2
    }

    /// A connection or stream of an agent comes in; none when it has too many.
    #[must_use]
    pub fn agent(&self, key: Thumbprint) -> Option<AgentPlace> {
        let mut inner = lock(&self.inner);
        let count = inner.agents.get(&key).copied().unwrap_or(0);
        if count >= self.limits.agent {
            inner.turn_away();
            return None;
        }
        inner.agents.insert(key, count + 1);
        Some(AgentPlace { inner: Arc::clone(&self.inner), key })
    }
}

impl Inner {
    fn turn_away(&mut self) {
        self.turned_away += 1;
        if self.logged.is_none_or(|logged| logged.elapsed() > EVERY) {
            tracing::warn!(count = self.turned_away, "turned away: too many connections of strangers or of one agent");
            (self.turned_away, self.logged) = (0, Some(Instant::now()));
        }
    }
}

impl Visit {
    /// It is no stranger any more.
    pub fn prove(&self) {
        if !self.proven.swap(true, Ordering::AcqRel) {
            let mut inner = lock(&self.inner);
            inner.strangers = inner.strangers.saturating_sub(1);
            leave(&mut inner.addresses, &self.address);
        }
    }

    /// It is this agent's connection, and takes one of the agent's places; false when there is none.
    #[must_use]
    pub fn prove_as(&self, doors: &Doors, key: Thumbprint) -> bool {
        if self.as_agent.get().is_none() {
            let Some(place) = doors.agent(key) else { return false };
            let _ = self.as_agent.set(place);
        }
        self.prove();
        true
    }

    /// True once it is no stranger any more.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Acquire)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.prove();
    }
}

impl Drop for AgentPlace {
    fn drop(&mut self) {
        leave(&mut lock(&self.inner).agents, &self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors() -> Doors {
        Doors::new(DoorLimits { strangers: 5, address: 3, agent: 2 })
    }

    #[test]
    fn one_address_does_not_take_all_places() {
        let (doors, one, other) = (doors(), "192.0.2.1".parse().unwrap(), "::ffff:192.0.2.2".parse().unwrap());
        let mut in_all: Vec<Visit> = (0..3).filter_map(|_| doors.stranger(one)).collect();
        assert!(in_all.len() == 3 && doors.stranger(one).is_none());
        in_all.extend((0..3).filter_map(|_| doors.stranger(other)));
        assert_eq!(in_all.len(), 5);
        assert!(doors.stranger("2001:db8::1".parse().unwrap()).is_none() && doors.are_busy(one));
        // Who has proven itself makes room, once.
        in_all[0].prove();
        in_all[0].prove();
        in_all.push(doors.stranger(one).unwrap());
        assert!(doors.stranger(one).is_none());
        in_all.clear();
        let inner = lock(&doors.inner);
        assert!(inner.strangers == 0 && inner.addresses.is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let doors = doors();
        let visits: Vec<_> = (1..9).filter_map(|n| doors.stranger(format!("2001:db8::{n}").parse().unwrap())).collect();
        assert_eq!(visits.len(), 3);
        assert!(doors.stranger("2001:db8:0:1::1".parse().unwrap()).is_some());
    }

    #[test]
    fn one_agent_does_not_take_all_places() {
        let doors = doors();
        let keys = [[1; 32], [2; 32]].map(Thumbprint::from_bytes);
        let places: Vec<_> = (0..5).filter_map(|_| doors.agent(keys[0])).collect();
        assert!(places.len() == 2 && doors.agent(keys[1]).is_some());
        // A connection that turns out to be the agent's needs a place among its own.
        let visit = doors.stranger("192.0.2.1".parse().unwrap()).unwrap();
        assert!(!visit.prove_as(&doors, keys[0]) && !visit.is_proven());
        drop(places);
        assert!(visit.prove_as(&doors, keys[0]) && visit.prove_as(&doors, keys[0]) && visit.is_proven());
        assert_eq!(lock(&doors.inner).agents.get(&keys[0]), Some(&1));
        drop(visit);
        assert!(doors.agent(keys[0]).is_some() && lock(&doors.inner).agents.is_empty());
    }
}
