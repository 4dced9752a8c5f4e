//! A token bucket that many sessions share without a lock (GCRA, ITU-T I.371): one number, the time at which it would
//! be full again.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use weir_shared::config::checked::Rate;

/// The tokens of a resource or of a user.
#[derive(Debug)]
pub struct Bucket {
    began: Instant,
    /// Nanoseconds a token takes to come back.
    each: u64,
    /// Nanoseconds of tokens that it holds.
    depth: u64,
    /// When it is full again, in nanoseconds since it began.
    full_at: AtomicU64,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn new(rate: Rate, now: Instant) -> Self {
        let each = 1_000_000_000 / u64::from(rate.per_second.get());
        Self { began: now, each, depth: each * u64::from(rate.burst.get()), full_at: AtomicU64::new(0) }
    }

    /// True when nothing is taken from it: it may as well be made anew.
    #[must_use]
    pub fn is_full(&self, now: Instant) -> bool {
        let now = u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX);
        self.full_at.load(Ordering::Relaxed) <= now
    }

    /// Takes `count` tokens, or all that it can ever hold.
    ///
    /// # Errors
    /// It has too few: how long until it has enough.
    pub fn take(&self, count: usize, now: Instant) -> Result<(), Duration> {
        let now = u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX);
        let cost = self.each.saturating_mul(count as u64).min(self.depth);
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            let after = full_at.max(now).saturating_add(cost);
            let too_much = after.saturating_sub(now).saturating_sub(self.depth);
            if too_much > 0 {
                return Err(Duration::from_nanos(too_much));
            }
            // The number is all there is: nothing else is ordered by it.
            match self.full_at.compare_exchange_weak(full_at, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => full_at = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZero;

    fn bucket(per_second: u32, burst: u32, now: Instant) -> Bucket {
        let number = |n| NonZero::new(n).unwrap();
        Bucket::new(Rate { per_second: number(per_second), burst: number(burst) }, now)
    }

    #[test]
    fn a_burst_passes_then_the_rate_holds() {
        let begin = Instant::now();
        let bucket = bucket(10, 3, begin);
        for _ in 0..3 {
            assert_eq!(bucket.take(1, begin), Ok(()));
        }
        assert_eq!(bucket.take(1, begin), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(1, begin + Duration::from_millis(60)), Err(Duration::from_millis(40)));
        assert_eq!(bucket.take(1, begin + Duration::from_millis(100)), Ok(()));
        // It never holds more than the burst.
        let later = begin + Duration::from_secs(3600);
        assert_eq!((0..10).filter(|_| bucket.take(1, later).is_ok()).count(), 3);
    }

    #[test]
    fn what_asks_for_more_than_it_holds_takes_all() {
        let begin = Instant::now();
        let bucket = bucket(1, 5, begin);
        assert_eq!(bucket.take(1_000_000, begin), Ok(()));
        assert_eq!(bucket.take(1, begin), Err(Duration::from_secs(1)));
        assert_eq!(bucket.take(1_000_000, begin), Err(Duration::from_secs(5)));
    }

    #[test]
    fn threads_share_it() {
        let begin = Instant::now();
        let bucket = bucket(1, 1000, begin);
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..1000).filter(|_| bucket.take(1, begin).is_ok()).count())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 1000);
    }
}
