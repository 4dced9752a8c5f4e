//! What of a session's time is bounded: how long it does nothing, how long one statement runs, how long all of it lasts.
//!
//! Nothing is timed at each statement: the driver looks at the clock when [`Clock::next_look`] comes, and what runs then
//! knows itself since when. A limit without a value costs no look.

use super::limits::SessionLimits;
use std::time::{Duration, Instant};

/// A statement that was asked to stop must do so within this.
const STOPS_WITHIN: Duration = Duration::from_secs(10);
/// What is longer is this long: ten years, so that sums with it stay times.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// One session's clock.
#[derive(Debug)]
pub(super) struct Clock {
    idle: Option<Duration>,
    statement: Option<Duration>,
    /// When the session must end.
    end: Option<Instant>,
    /// When it was last seen to do something.
    active_at: Instant,
    next: Option<Instant>,
    /// The statement that was asked to stop, known by its beginning, and until when it may go on.
    asked: Option<(Instant, Instant)>,
}

/// What a look shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// All is well.
    Nothing,
    /// The session did nothing for too long.
    Idle,
    /// The statement has run for too long: it is to be stopped.
    Overdue,
    /// It was asked to stop and did not.
    Stuck,
    /// The session has lasted too long.
    Over,
}

impl Clock {
    pub(super) fn new(limits: &SessionLimits<'_>, now: Instant) -> Self {
        let most = |time: Option<Duration>| time.map(|time| time.min(LONGEST));
        let (idle, statement) = (most(limits.idle()), most(limits.statement_time()));
        let end = most(limits.session_time()).map(|time| now + time);
        let mut clock = Self { idle, statement, end, active_at: now, next: None, asked: None };
        clock.plan(now, None);
        clock
    }

    /// When to look the next time; none is never.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.next
    }

    /// What there is to see: `active` when bytes moved since the last look, `busy` when the resource owes an answer,
    /// `running` is since when it works on a statement.
    pub(super) fn look(&mut self, now: Instant, active: bool, busy: bool, running: Option<Instant>) -> Seen {
        if active || busy {
            self.active_at = now;
        }
        let running = running.filter(|_| busy);
        let seen = self.see(now, running);
        self.plan(now, running);
        seen
    }

    fn see(&mut self, now: Instant, running: Option<Instant>) -> Seen {
        if self.end.is_some_and(|end| end <= now) {
            return Seen::Over;
        }
        if self.idle.is_some_and(|idle| now.saturating_duration_since(self.active_at) >= idle) {
            return Seen::Idle;
        }
        if let (Some(most), Some(since)) = (self.statement, running)
            && now.saturating_duration_since(since) >= most
        {
            return match self.asked {
                Some((asked, until)) if asked == since && now >= until => Seen::Stuck,
                Some((asked, _)) if asked == since => Seen::Nothing,
                _ => {
                    self.asked = Some((since, now + STOPS_WITHIN));
                    Seen::Overdue
                }
            };
        }
        Seen::Nothing
    }

    fn plan(&mut self, now: Instant, running: Option<Instant>) {
        // Whether bytes moved is known, not when: looking more often than the limit keeps the end close to it.
        let idle = self.idle.map(|idle| (self.active_at + idle).min(now + (idle / 4).max(Duration::from_millis(10))));
        let statement = self.statement.map(|most| match (running, self.asked) {
            (Some(since), Some((asked, until))) if asked == since => until,
            // Whatever begins after this look is not overdue before.
            (Some(since), _) => (since + most).max(now),
            (None, _) => now + most,
        });
        self.next = [idle, statement, self.end].into_iter().flatten().min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn clock(idle: Option<u32>, statement: Option<u32>, session: Option<u32>, now: Instant) -> Clock {
        let seconds = |n: u32| SECOND * n;
        let end = session.map(|session| now + seconds(session));
        let (idle, statement) = (idle.map(seconds), statement.map(seconds));
        let mut clock = Clock { idle, statement, end, active_at: now, next: None, asked: None };
        clock.plan(now, None);
        clock
    }

    /// Looks at every planned moment until something is seen; what, and after how long.
    fn until_seen(
        clock: &mut Clock,
        begin: Instant,
        mut state: impl FnMut(Duration) -> (bool, bool, Option<Instant>),
    ) -> (Seen, Duration) {
        for _ in 0..1000 {
            let now = clock.next_look().unwrap();
            let (active, busy, running) = state(now - begin);
            match clock.look(now, active, busy, running) {
                Seen::Nothing => assert!(clock.next_look().unwrap() > now, "the clock stands still"),
                seen => return (seen, now - begin),
            }
        }
        (Seen::Nothing, SECOND * 1000)
    }

    #[test]
    fn without_limits_nobody_looks() {
        assert_eq!(clock(None, None, None, Instant::now()).next_look(), None);
    }

    #[test]
    fn idle_counts_from_the_last_activity_and_never_while_something_runs() {
        let begin = Instant::now();
        let (seen, after) = until_seen(&mut clock(Some(8), None, None, begin), begin, |_| (false, false, None));
        assert_eq!((seen, after), (Seen::Idle, SECOND * 8));
        let busy_for = |until: u32| move |at: Duration| (false, at <= SECOND * until, None);
        let (seen, after) = until_seen(&mut clock(Some(8), None, None, begin), begin, busy_for(100));
        assert!(seen == Seen::Idle && after >= SECOND * 108 && after <= SECOND * 110, "{after:?}");
    }

    #[test]
    fn a_statement_is_stopped_once_then_the_session_ends() {
        let begin = Instant::now();
        let mut clock = clock(Some(3), Some(5), None, begin);
        let runs = |_: Duration| (false, true, Some(begin + SECOND));
        assert_eq!(until_seen(&mut clock, begin, runs), (Seen::Overdue, SECOND * 6));
        assert_eq!(until_seen(&mut clock, begin, runs), (Seen::Stuck, SECOND * 16));
    }

    #[test]
    fn each_statement_has_its_own_time() {
        let begin = Instant::now();
        let mut clock = clock(None, Some(5), None, begin);
        // A new statement every four seconds, none of which takes longer; then one that does.
        let four = |at: Duration| {
            let number = (at.as_secs() / 4).min(10);
            (true, true, Some(begin + SECOND * (number as u32 * 4)))
        };
        assert_eq!(until_seen(&mut clock, begin, four), (Seen::Overdue, SECOND * 45));
    }

    #[test]
    fn a_session_ends_whatever_it_does() {
        let begin = Instant::now();
        let mut clock = clock(Some(3), Some(5), Some(60), begin);
        let busy = |at: Duration| (true, true, Some(begin + at));
        assert_eq!(until_seen(&mut clock, begin, busy), (Seen::Over, SECOND * 60));
    }
}
