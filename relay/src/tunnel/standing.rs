//! Which agents have a tunnel now, and since when those that had one have none.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use weir_shared::id::AgentId;

/// The tunnels of one agent.
struct Tunnels {
    open: usize,
    /// When the last one was lost; counts while none is open.
    lost: Instant,
}

/// Every agent that has a tunnel, or had one until a moment ago.
#[derive(Default)]
pub struct Standing(Arc<Mutex<HashMap<AgentId, Tunnels>>>);

/// A tunnel that stands; dropping it is its end.
pub struct Stands {
    all: Arc<Mutex<HashMap<AgentId, Tunnels>>>,
    agent: AgentId,
}

fn lock(all: &Mutex<HashMap<AgentId, Tunnels>>) -> MutexGuard<'_, HashMap<AgentId, Tunnels>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Standing {
    /// A tunnel of this agent stands.
    #[must_use]
    pub fn enter(&self, agent: AgentId) -> Stands {
        lock(&self.0).entry(agent).or_insert_with(|| Tunnels { open: 0, lost: Instant::now() }).open += 1;
        Stands { all: Arc::clone(&self.0), agent }
    }

    /// These agents may come back: those that have no tunnel are as if they had lost it now.
    pub fn expect(&self, agents: impl IntoIterator<Item = AgentId>) {
        let (mut all, now) = (lock(&self.0), Instant::now());
        for agent in agents {
            all.entry(agent).or_insert(Tunnels { open: 0, lost: now });
        }
    }

    /// Those that have been without a tunnel for longer than this. They are told of once.
    #[must_use]
    pub fn lost_for(&self, time: Duration) -> Vec<AgentId> {
        let gone = |tunnels: &mut Tunnels| tunnels.open == 0 && tunnels.lost.elapsed() > time;
        lock(&self.0).extract_if(|_, tunnels| gone(tunnels)).map(|(agent, _)| agent).collect()
    }
}

impl Drop for Stands {
    fn drop(&mut self) {
        if let Some(tunnels) = lock(&self.all).get_mut(&self.agent) {
            tunnels.open = tunnels.open.saturating_sub(1);
            tunnels.lost = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_tunnel_or_comes_back_is_not_lost() {
        let standing = Standing::default();
        let [one, two, three] = [(); 3].map(|()| AgentId::generate());
        let (first, second) = (standing.enter(one), standing.enter(one));
        standing.expect([one, two]);
        drop(first);
        assert_eq!(standing.lost_for(Duration::ZERO), [two], "one of its tunnels stands");
        assert!(standing.lost_for(Duration::ZERO).is_empty(), "once");
        drop(second);
        assert!(standing.lost_for(Duration::from_secs(3600)).is_empty(), "it has time");
        let back = standing.enter(one);
        drop(standing.enter(three));
        assert_eq!(standing.lost_for(Duration::ZERO), [three]);
        drop(back);
        assert_eq!(standing.lost_for(Duration::ZERO), [one]);
    }
}
