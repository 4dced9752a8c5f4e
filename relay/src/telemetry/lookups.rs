//! Hits and misses of what sessions share. Those of statements' facts, which each statement looks up, are in the sessions'
//! tallies; the others are looked up once or twice a session.

use super::{
    Telemetry,
    tally::{Cell, Census},
};
use crate::relay::Relay;
use std::sync::atomic::{AtomicU64, Ordering};

/// Look-ups of one cache.
#[derive(Debug, Default)]
pub struct Lookups {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Lookups {
    /// One more.
    pub fn count(&self, hit: bool) {
        (if hit { &self.hits } else { &self.misses }).fetch_add(1, Ordering::Relaxed);
    }

    fn so_far(&self) -> [u64; 2] {
        [&self.hits, &self.misses].map(|count| count.load(Ordering::Relaxed))
    }
}

/// Tells them all; `census` of every resource.
pub(super) fn set<'a>(relay: &Relay, census: impl Iterator<Item = &'a Census> + Clone) {
    let facts = [Cell::FactsKnown, Cell::FactsMade].map(|cell| census.clone().map(|one| one.sums.of(cell)).sum());
    let upstreams = &relay.upstreams;
    for (cache, counts) in [
        ("facts", facts),
        ("principals", relay.principals.lookups.so_far()),
        ("tls", upstreams.tls.lookups.so_far()),
        ("scram", upstreams.scram.so_far()),
        ("catalog", upstreams.catalogs.lookups.so_far()),
    ] {
        tell(&relay.telemetry, cache, counts);
    }
}

fn tell(telemetry: &Telemetry, cache: &'static str, counts: [u64; 2]) {
    for (outcome, count) in ["hit", "miss"].into_iter().zip(counts) {
        // Two who ask at once may not take it back.
        telemetry.lookups.with([cache.into(), outcome.into()]).inner().fetch_max(count, Ordering::Relaxed);
    }
}
