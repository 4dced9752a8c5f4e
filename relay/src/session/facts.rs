//! Facts about statements, cached by text for the whole relay.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use weir_policy::sql::{self, Class, Facts, FactsCache, Lineage};

/// The relay's cache.
#[derive(Default)]
pub struct SharedFacts(Mutex<FactsCache>);

impl SharedFacts {
    fn lock(&self) -> MutexGuard<'_, FactsCache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The facts of a text that is known, or short enough to be parsed in place; none for one that takes long.
    pub fn of(&self, text: &str) -> Option<Arc<Facts>> {
        self.known(text).or_else(|| self.quick(text))
    }

    /// The facts of a text that is known.
    pub fn known(&self, text: &str) -> Option<Arc<Facts>> {
        self.lock().get(text)
    }

    /// The facts of a text that is short enough to be parsed in place; none for one that takes long.
    pub fn quick(&self, text: &str) -> Option<Arc<Facts>> {
        sql::is_quick(text).then(|| self.fresh(text))
    }

    /// The facts of a text that takes long, parsed where it holds nobody up.
    pub async fn parse(self: &Arc<Self>, text: Arc<str>) -> Arc<Facts> {
        let shared = Arc::clone(self);
        // A parser that dies has not understood the text.
        tokio::task::spawn_blocking(move || shared.fresh(&text))
            .await
            .unwrap_or_else(|_| Arc::new(unjudged("a text that could not be parsed")))
    }

    fn fresh(&self, text: &str) -> Arc<Facts> {
        let fresh = Arc::new(sql::facts(text));
        self.lock().insert(text, Arc::clone(&fresh));
        fresh
    }
}

/// Facts of what cannot be judged: the most dangerous class.
#[must_use]
pub fn unjudged(reason: &str) -> Facts {
    Facts {
        class: Class::Admin,
        certain: Class::Admin,
        statements: 1,
        destructive: true,
        redefines: true,
        sets: true,
        opaque: true,
        reason: reason.to_owned(),
        certain_reason: reason.to_owned(),
        lineage: Lineage::unknown(),
        ..Facts::default()
    }
}

/// True when what a text does may last although its client is told an error: unless it is one statement that only reads.
#[must_use]
pub fn lasting(facts: &Facts) -> bool {
    let reads = facts.class == Class::Read || matches!(facts.reason.as_str(), "FETCH" | "SHOW");
    !(reads && facts.statements == 1 && facts.executes.is_empty())
}

/// True when what comes after it may mean something else than before: a setting, a role or what a name stands for.
#[must_use]
pub fn changes_meaning(facts: &Facts) -> bool {
    facts.sets || facts.statements != 1 || facts.redefines || facts.opaque
}

/// The policy action of a class; none where a right to connect is enough.
#[must_use]
pub fn action(class: Class) -> Option<weir_policy::bundle::Action> {
    use weir_policy::bundle::Action;
    match class {
        Class::Session => None,
        Class::Read => Some(Action::SqlRead),
        Class::Write => Some(Action::SqlWrite),
        Class::Ddl => Some(Action::SqlDdl),
        Class::Admin => Some(Action::SqlAdmin),
    }
}

/// The class's name in recordings and approvals.
#[must_use]
pub fn name(class: Class) -> &'static str {
    match class {
        Class::Session => "session",
        Class::Read => "sql.read",
        Class::Write => "sql.write",
        Class::Ddl => "sql.ddl",
        Class::Admin => "sql.admin",
    }
}
