//! Facts about statements, cached by text for the whole relay.

use std::sync::{Arc, Mutex, PoisonError};
use weir_policy::sql::{self, Class, Facts, FactsCache};

/// The relay's cache.
#[derive(Default)]
pub struct SharedFacts(Mutex<FactsCache>);

impl SharedFacts {
    /// The facts of a text. A long text is parsed off the async threads.
    pub fn of(&self, text: &str) -> Arc<Facts> {
        let look = || self.0.lock().unwrap_or_else(PoisonError::into_inner).facts(text);
        if sql::is_quick(text) { look() } else { tokio::task::block_in_place(look) }
    }
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
