//! What bounds one session: the limits of its resource and of its user, of which the smaller holds, and the words in which
//! a client is told.
//!
//! | limit | SQLSTATE | the session |
//! |---|---|---|
//! | connections | 53300 too_many_connections | does not begin |
//! | statement_bytes, rows, result_bytes | 54000 program_limit_exceeded | goes on |
//! | rate | 53400 configuration_limit_exceeded | goes on |
//! | statement_time | 57014 query_canceled | goes on |
//! | idle | 57P05 idle_session_timeout | ends |
//! | session_time | 57P01 admin_shutdown, at which pools connect anew | ends |

use super::{bucket::Bucket, budget::Purse, refusals::refusal, registry::Full};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use weir_protocol::{Excess, Refusal};
use weir_shared::config::checked::{Limits, Rate, Resource, UserLimits};

/// What a resource or a user has, shared by all of its sessions.
#[derive(Clone, Debug, Default)]
pub struct Share {
    /// Sessions open now.
    pub(super) open: usize,
    /// Its rate; none is no limit.
    pub(super) bucket: Option<Arc<Bucket>>,
    /// What the bucket is of.
    rate: Option<Rate>,
}

impl Share {
    /// Nothing is used yet.
    pub(super) fn new(limits: &Limits) -> Self {
        let bucket = limits.rate.map(|rate| Arc::new(Bucket::new(rate, Instant::now())));
        Self { open: 0, bucket, rate: limits.rate }
    }

    /// Takes another rate, where there is one.
    pub(super) fn follow(&mut self, limits: &Limits) {
        if self.rate != limits.rate {
            *self = Self { open: self.open, ..Self::new(limits) };
        }
    }
}

/// One session's limits.
#[derive(Debug)]
pub struct SessionLimits<'a> {
    resource: &'a Resource,
    user: &'a str,
    /// True when the user has limits of their own.
    named: bool,
    limits: [&'a Limits; 2],
    buckets: [Option<Arc<Bucket>>; 2],
    purse: &'a Purse,
    /// How long a human has let the session last.
    within: Option<Duration>,
}

/// A session for which there is no room.
#[must_use]
pub fn full(full: Full) -> Refusal {
    let (message, key) = match full {
        Full::Resource => ("too many sessions of this resource", "resources.NAME.limits.connections"),
        Full::User => ("too many sessions of this user", "limits.user.connections"),
    };
    refusal("53300", message, key, "close one, or ask for a higher limit")
}

/// Largest answer of one statement.
#[derive(Clone, Copy, Debug)]
pub struct AnswerLimits {
    /// In rows.
    pub rows: u64,
    /// In bytes.
    pub bytes: u64,
}

impl<'a> SessionLimits<'a> {
    /// The limits of a session of `user` with `resource`, which share their buckets with others.
    #[must_use]
    pub fn new(
        resource: &'a Resource,
        user: &'a str,
        users: &'a UserLimits,
        buckets: [Option<Arc<Bucket>>; 2],
        purse: &'a Purse,
    ) -> Self {
        let (named, limits) = (users.named.contains_key(user), [&resource.limits, users.of(user)]);
        Self { resource, user, named, limits, buckets, purse, within: None }
    }

    /// The same, no longer than this.
    #[must_use]
    pub fn within(self, within: Option<Duration>) -> Self {
        Self { within, ..self }
    }

    fn least<T: Ord>(&self, limit: impl Fn(&Limits) -> T) -> T {
        let [resource, user] = self.limits;
        limit(resource).min(limit(user))
    }

    /// Largest statement, in bytes.
    #[must_use]
    pub fn statement_bytes(&self) -> usize {
        self.least(|limits| limits.statement_bytes)
    }

    /// Largest answer of one statement. Budgets bound all answers together; the engine takes from them.
    #[must_use]
    pub fn answer(&self) -> AnswerLimits {
        AnswerLimits { rows: self.least(|limits| limits.rows), bytes: self.least(|limits| limits.result_bytes) }
    }

    /// How long a statement may run; none is for ever.
    #[must_use]
    pub fn statement_time(&self) -> Option<Duration> {
        bounded(self.least(|limits| limits.statement_time))
    }

    /// How long the session may last; none is for ever.
    #[must_use]
    pub fn session_time(&self) -> Option<Duration> {
        let configured = bounded(self.least(|limits| limits.session_time));
        configured.into_iter().chain(self.within).min()
    }

    /// How long the session may be idle; none is for ever.
    #[must_use]
    pub fn idle(&self) -> Option<Duration> {
        bounded(self.least(|limits| limits.idle))
    }

    /// A statement has delivered so many rows.
    pub fn delivered(&self, rows: u64) {
        self.purse.delivered(rows);
    }

    /// Takes `statements` from the budgets and the rates.
    ///
    /// # Errors
    /// 53400, with how long to wait, or that waiting does not help.
    pub fn take(&self, statements: usize) -> Result<(), Refusal> {
        self.purse.take(statements)?;
        if self.buckets.iter().all(Option::is_none) {
            return Ok(());
        }
        let now = Instant::now();
        for (index, bucket) in self.buckets.iter().enumerate() {
            if let Some(Err(wait)) = bucket.as_ref().map(|bucket| bucket.take(statements, now)) {
                let message = "too many statements at once";
                let hint = format!("try again in {} ms", wait.as_millis().saturating_add(1));
                return Err(refusal("53400", message, &self.key(index, "rate"), &hint));
            }
        }
        Ok(())
    }

    /// A statement is longer than allowed.
    #[must_use]
    pub fn too_large(&self, what: &str) -> Refusal {
        let limit = format!(
            "{} bytes ({}), or 10,000 names",
            self.statement_bytes(),
            self.names(|l| l.statement_bytes, "statement_bytes")
        );
        refusal("54000", what, &format!("the limit is {limit}"), "send it in parts")
    }

    /// A statement gives more than allowed.
    #[must_use]
    pub fn exceeded(&self, excess: Excess) -> Refusal {
        let AnswerLimits { rows, bytes } = self.answer();
        let (limit, key) = match excess {
            Excess::Budget => {
                let message = "weir canceled the statement: its answer is larger than what the agent's budget had left";
                let hint = "add a LIMIT or a condition, or ask whoever started the agent for a larger --budget";
                return refusal("54000", message, "--budget rows", hint);
            }
            Excess::Rows => (format!("{rows} rows"), self.names(|limits| limits.rows, "rows")),
            Excess::Bytes => (format!("{bytes} bytes"), self.names(|limits| limits.result_bytes, "result_bytes")),
        };
        let message = format!("weir canceled the statement: its answer is larger than {limit}");
        refusal("54000", &message, &key, "add a LIMIT or a condition, or read it in parts with a cursor")
    }

    /// A statement runs for longer than allowed.
    #[must_use]
    pub fn overdue(&self) -> Refusal {
        let limit = self.least(|limits| limits.statement_time);
        let message = format!("weir canceled the statement: it ran for longer than {limit:?}");
        let key = self.names(|limits| limits.statement_time, "statement_time");
        refusal("57014", &message, &key, "make it smaller, or ask for a higher limit")
    }

    /// The session did nothing for too long.
    #[must_use]
    pub fn too_idle(&self) -> Refusal {
        let key = self.names(|limits| limits.idle, "idle");
        refusal("57P05", "the session was idle for too long", &key, "reconnect")
    }

    /// The session has lasted too long.
    #[must_use]
    pub fn too_long(&self) -> Refusal {
        if let Some(within) = self.within.filter(|within| Some(*within) == self.session_time()) {
            let message = format!("the session was let in for {within:?}, and that is over");
            return refusal("57P01", &message, "", "connect again to ask again");
        }
        let limit = self.least(|limits| limits.session_time);
        let key = self.names(|limits| limits.session_time, "session_time");
        refusal("57P01", &format!("the session has lasted for {limit:?}, no longer is allowed"), &key, "reconnect")
    }

    /// The key of the smaller of two limits.
    fn names<T: Ord>(&self, limit: impl Fn(&Limits) -> T, name: &str) -> String {
        let [resource, user] = self.limits;
        self.key(usize::from(limit(user) < limit(resource)), name)
    }

    fn key(&self, index: usize, name: &str) -> String {
        match index {
            0 => format!("resources.{}.limits.{name}", self.resource.name),
            _ if self.named => format!("limits.users.{}.{name}", self.user),
            _ => format!("limits.user.{name}"),
        }
    }
}

fn bounded(time: Duration) -> Option<Duration> {
    Some(time).filter(|time| *time < Duration::MAX)
}
