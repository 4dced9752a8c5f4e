//! QUIC connections that are open now, and what QUIC knows of their paths. Looked at once a second, and when one ends;
//! nothing is asked of a connection that carries data.

use super::{List, histogram::Histogram};
use prometheus_client::metrics::counter::Counter;
use quinn::{Connection, ConnectionStats};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use weir_shared::api::Paths;

/// The open connections and their series.
#[derive(Clone, Debug)]
pub struct Tunnels(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    open: Mutex<HashMap<usize, Path>>,
    rtt: Histogram,
    window: Histogram,
    sent: Counter,
    lost: Counter,
}

/// One connection, and what was counted of it already.
#[derive(Debug)]
struct Path {
    connection: Connection,
    sent: u64,
    lost: u64,
}

/// A connection's place; dropping it leaves.
#[derive(Debug)]
pub struct Watched {
    tunnels: Tunnels,
    id: usize,
}

impl Tunnels {
    pub(super) fn new(list: &mut List) -> Self {
        Self(Arc::new(Inner {
            open: Mutex::default(),
            rtt: list.measured(
                "weir_tunnel_rtt_seconds",
                "round trip of QUIC connections, each looked at once a second",
                Histogram::latency(),
            ),
            window: list.measured(
                "weir_tunnel_congestion_window_bytes",
                "congestion window of QUIC connections, each looked at once a second",
                Histogram::size(),
            ),
            sent: list.one("weir_tunnel_packets_sent", "QUIC packets sent"),
            lost: list.one("weir_tunnel_packets_lost", "QUIC packets taken for lost"),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Path>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection enters.
    #[must_use]
    pub fn watch(&self, connection: &Connection) -> Watched {
        let id = connection.stable_id();
        self.lock().insert(id, Path { connection: connection.clone(), sent: 0, lost: 0 });
        Watched { tunnels: self.clone(), id }
    }

    /// Looks at every connection.
    pub fn sample(&self) {
        for path in self.lock().values_mut() {
            let stats = path.connection.stats();
            self.0.rtt.took(stats.path.rtt);
            self.0.window.observe(stats.path.cwnd);
            self.count(path, &stats);
        }
    }

    /// What was sent and lost since the last time. A connection that moves to another network counts anew.
    fn count(&self, path: &mut Path, stats: &ConnectionStats) {
        let more = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        self.0.sent.inc_by(more(stats.path.sent_packets, path.sent));
        self.0.lost.inc_by(more(stats.path.lost_packets, path.lost));
        (path.sent, path.lost) = (stats.path.sent_packets, stats.path.lost_packets);
    }

    /// How the paths are now.
    #[must_use]
    pub fn paths(&self) -> Paths {
        let mut rtts: Vec<Duration> = self.lock().values().map(|path| path.connection.rtt()).collect();
        rtts.sort_unstable();
        let micros = |rtt: Option<&Duration>| rtt.map_or(0, |rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX));
        Paths {
            connections: rtts.len() as u64,
            rtt_median: micros(rtts.get(rtts.len() / 2)),
            rtt_longest: micros(rtts.last()),
            packets_sent: self.0.sent.get(),
            packets_lost: self.0.lost.get(),
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // The lock is given back before the connection is.
        let left = self.tunnels.lock().remove(&self.id);
        if let Some(mut path) = left {
            let stats = path.connection.stats();
            self.tunnels.count(&mut path, &stats);
        }
    }
}
