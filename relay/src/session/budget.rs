//! What agents may use, together with everything below them: counted by the relay across all sessions of a chain, and kept in
//! the store when a session ends, so that a relay that starts again goes on from there.
//!
//! Both are taken before they are used: a statement before it runs, rows before they are given, all that came in one read at
//! once. So sessions that run at the same time cannot use more together than there is.

use super::refusals::refusal;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use weir_protocol::{Refusal, RowBudget};
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

impl Used {
    /// Takes up to `rows` of those that `limit` leaves; how many.
    fn take_rows(&self, limit: u64, rows: u64) -> u64 {
        let fits = |used: u64| rows.min(limit.saturating_sub(used));
        let before = self.rows.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| Some(used + fits(used)));
        before.map_or(0, fits)
    }
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

    /// A statement has delivered rows, which had been taken: they are to be kept.
    pub fn delivered(&self, rows: u64) {
        self.own.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// True when one of the budgets bounds rows: where none does, none need to be taken.
    #[must_use]
    pub fn bounds_rows(&self) -> bool {
        self.budgets.iter().any(|(_, budget, _)| budget.rows.is_some())
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

impl RowBudget for Purse {
    /// From the lowest agent's up. Where one higher up has fewer it has none left then, so that those below it may get back what
    /// was taken too much: whoever saw too few there meanwhile finds none here either.
    fn take(&self, rows: u64) -> u64 {
        let bounded = || self.budgets.iter().rev().filter_map(|(_, budget, used)| Some((budget.rows?, used)));
        bounded().enumerate().fold(rows, |wanted, (above, (limit, used))| {
            let got = used.take_rows(limit, wanted);
            if got < wanted {
                for (_, below) in bounded().take(above) {
                    below.rows.fetch_sub(wanted - got, Ordering::Relaxed);
                }
            }
            got
        })
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
        assert_eq!((RowBudget::take(&three, 9), RowBudget::take(&three, 9)), (9, 1));
        assert!(three.take(1).is_err());
        let free = budgets.purse(&store, std::slice::from_ref(&root)).await.unwrap();
        assert!(free.take(1_000_000).is_ok());
        assert!(!free.bounds_rows() && three.bounds_rows());
    }

    #[tokio::test]
    async fn sessions_that_run_at_the_same_time_get_no_more_rows_than_there_are() {
        const EACH: u64 = 700;
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("db")).await.unwrap();
        let budgets = Budgets::default();
        let (root, parent) = (link(None, Some(1_000_000)), link(None, Some(2000)));
        // Two sessions of each of four children, who may have more together than their parent may.
        let mut purses = Vec::new();
        for _ in 0..4 {
            let chain = [root.clone(), parent.clone(), link(None, Some(EACH))];
            purses.push([budgets.purse(&store, &chain).await.unwrap(), budgets.purse(&store, &chain).await.unwrap()]);
        }
        let takes = |purse: &Purse, step: u64| {
            let mut sum = 0;
            loop {
                let got = RowBudget::take(purse, step);
                sum += got;
                if got < step {
                    return sum;
                }
            }
        };
        let taken: Vec<[u64; 2]> = std::thread::scope(|scope| {
            let threads: Vec<_> = purses
                .iter()
                .map(|[one, two]| [scope.spawn(move || takes(one, 7)), scope.spawn(move || takes(two, 3))])
                .collect();
            threads.into_iter().map(|both| both.map(|thread| thread.join().unwrap())).collect()
        });
        assert_eq!(taken.iter().flatten().sum::<u64>(), 2000, "all of it, and no more: {taken:?}");
        assert!(taken.iter().all(|both| both.iter().sum::<u64>() <= EACH), "{taken:?}");
        // What the parent could not give is not lost to its child, nor counted above.
        let used = |purse: &Purse| purse.budgets.iter().map(|(_, _, used)| used.rows.load(Ordering::Relaxed)).collect();
        let all: Vec<Vec<u64>> = purses.iter().map(|[one, _]| used(one)).collect();
        for (used, both) in all.iter().zip(&taken) {
            assert_eq!(*used, [2000, 2000, both.iter().sum::<u64>()]);
        }
    }
}
