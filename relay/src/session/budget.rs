//! What agents may use, together with everything below them: counted by the relay across all sessions of a chain, and kept in
//! the store when a session ends, so that a relay that starts again goes on from there.

use super::refusals::refusal;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use weir_protocol::Refusal;
use weir_shared::{hop::Budget, id::AgentId};
use weir_store::{Store, StoreError, agents::Link};

/// Agents that are remembered.
const MOST: usize = 10_000;

/// What was used of one budget.
#[derive(Debug, Default)]
struct Used {
    statements: AtomicU64,
    rows: AtomicU64,
}

/// Every budget that is being used.
#[derive(Debug, Default)]
pub struct Budgets(Mutex<HashMap<AgentId, Arc<Used>>>);

/// The budgets that one session draws on.
#[derive(Debug, Default)]
pub struct Purse {
    budgets: Vec<(AgentId, Budget, Arc<Used>)>,
    /// By this session alone.
    own: Used,
}

impl Budgets {
    /// The budgets of a chain. Empty, and asking nobody, when none of its agents has one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn purse(&self, store: &Store, chain: &[Link]) -> Result<Purse, StoreError> {
        let mut purse = Purse::default();
        for link in chain.iter().filter(|link| link.budget != Budget::default()) {
            let known = self.lock().get(&link.id).map(Arc::clone);
            let used = match known {
                Some(used) => used,
                None => {
                    let (statements, rows) = store.agent_usage(link.id).await?;
                    let read = Used { statements: statements.into(), rows: rows.into() };
                    let mut all = self.lock();
                    if all.len() >= MOST {
                        all.retain(|_, used| Arc::strong_count(used) > 1);
                    }
                    // Another session of the chain may have been faster.
                    Arc::clone(all.entry(link.id).or_insert_with(|| Arc::new(read)))
                }
            };
            purse.budgets.push((link.id, link.budget, used));
        }
        Ok(purse)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<AgentId, Arc<Used>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Purse {
    /// Takes `statements` from each budget, or from none.
    ///
    /// # Errors
    /// 53400 when one of them is used up, by statements or by rows.
    pub fn take(&self, statements: usize) -> Result<(), Refusal> {
        let statements = statements as u64;
        for (at, (agent, budget, used)) in self.budgets.iter().enumerate() {
            let before = used.statements.fetch_add(statements, Ordering::Relaxed);
            let over = |limit: Option<u64>, used: u64| limit.is_some_and(|limit| used > limit);
            let rows = used.rows.load(Ordering::Relaxed);
            if over(budget.statements, before.saturating_add(statements)) || over(budget.rows, rows.saturating_add(1)) {
                for (_, _, used) in self.budgets.iter().take(at + 1) {
                    used.statements.fetch_sub(statements, Ordering::Relaxed);
                }
                let hint = "ask whoever started the agent for a larger --budget";
                return Err(refusal("53400", "the agent's budget is used up", &format!("agent {agent}"), hint));
            }
        }
        self.own.statements.fetch_add(statements, Ordering::Relaxed);
        Ok(())
    }

    /// Rows were delivered.
    pub fn delivered(&self, rows: u64) {
        for (_, _, used) in &self.budgets {
            used.rows.fetch_add(rows, Ordering::Relaxed);
        }
        self.own.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// The rows that the smallest of the budgets has left.
    #[must_use]
    pub fn rows_left(&self) -> u64 {
        let left = |(_, budget, used): &(AgentId, Budget, Arc<Used>)| {
            budget.rows.map(|rows| rows.saturating_sub(used.rows.load(Ordering::Relaxed)))
        };
        self.budgets.iter().filter_map(left).min().unwrap_or(u64::MAX)
    }

    /// Keeps what the session has used.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep(&self, store: &Store) -> Result<(), StoreError> {
        if self.budgets.is_empty() {
            return Ok(());
        }
        let agents: Vec<AgentId> = self.budgets.iter().map(|(agent, ..)| *agent).collect();
        let (statements, rows) = (&self.own.statements, &self.own.rows);
        store.agent_used(&agents, statements.load(Ordering::Relaxed), rows.load(Ordering::Relaxed)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_shared::scope::Scope;

    fn link(statements: Option<u64>, rows: Option<u64>) -> Link {
        Link { id: AgentId::generate(), scope: Scope::WHOLE, budget: Budget { statements, rows } }
    }

    #[tokio::test]
    async fn siblings_share_what_their_parent_has() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("db")).await.unwrap();
        let budgets = Budgets::default();
        let (root, parent) = (link(None, None), link(Some(3), Some(10)));
        let chain = |child: Link| [root.clone(), parent.clone(), child];
        let one = budgets.purse(&store, &chain(link(Some(2), None))).await.unwrap();
        let two = budgets.purse(&store, &chain(link(None, None))).await.unwrap();
        assert!(one.take(2).is_ok());
        assert_eq!(one.take(1).unwrap_err().code, "53400", "its own is used up");
        assert!(two.take(1).is_ok(), "and took nothing from its parent's");
        assert!(two.take(1).is_err(), "which is used up now");
        let three = budgets.purse(&store, &[link(None, Some(10))]).await.unwrap();
        assert!(three.take(1).is_ok());
        three.delivered(9);
        assert_eq!(three.rows_left(), 1);
        three.delivered(1);
        assert!(three.take(1).is_err());
        let free = budgets.purse(&store, std::slice::from_ref(&root)).await.unwrap();
        assert!(free.take(1_000_000).is_ok());
        assert_eq!(free.rows_left(), u64::MAX);
    }
}
