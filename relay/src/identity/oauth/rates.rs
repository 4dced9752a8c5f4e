//! How often one address may ask what: guessing is slowed down before it is judged. Beside these, a user is locked after wrong
//! passwords ([`crate::identity::password`]), and a device that polls too soon is told to wait longer ([`super::device`]).

use crate::{doors::place_of, session::bucket::Bucket};
use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZero,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use weir_shared::config::checked::Rate;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// Calls of the token, revocation and introspection endpoints, by an address.
    Call,
    /// Clients whose proof was wrong, by an address.
    WrongClient,
    /// Device codes that are asked for, by an address.
    Device,
    /// User codes that are typed, by an address.
    UserCode,
    /// User codes that are typed, by anybody: with `M` codes waiting, a guess is right with M in 20^8.
    UserCodeOfAny,
    /// Passwords that are typed, by an address.
    Login,
    /// Alerts that are written, by an address: the log is not an attacker's to fill.
    Alert,
}

impl What {
    /// So many a second in the long run, so many at once.
    fn rate(self) -> (u32, u32) {
        match self {
            Self::Call => (50, 500),
            Self::WrongClient => (1, 10),
            Self::Device => (1, 30),
            Self::UserCode => (1, 15),
            Self::UserCodeOfAny => (10, 100),
            Self::Login => (1, 60),
            Self::Alert => (1, 20),
        }
    }
}

/// Buckets that are not full are kept, up to so many; then nobody who is new is let ask.
const MOST: usize = 50_000;

/// Who asked how often.
#[derive(Default)]
pub struct Rates(Mutex<HashMap<(What, IpAddr), Bucket>>);

impl Rates {
    /// One more.
    ///
    /// # Errors
    /// Too many: how long to wait.
    pub fn take(&self, what: What, address: IpAddr) -> Result<(), Duration> {
        self.take_at(what, address, Instant::now())
    }

    fn take_at(&self, what: What, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let address = if what == What::UserCodeOfAny { IpAddr::from([0; 4]) } else { place_of(address) };
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST && !buckets.contains_key(&(what, address)) {
            buckets.retain(|_, bucket| !bucket.is_full(now));
            if buckets.len() >= MOST {
                return Err(Duration::from_secs(1));
            }
        }
        let (per_second, burst) = what.rate();
        let [per_second, burst] = [per_second, burst].map(|number| NonZero::new(number).unwrap_or(NonZero::<u32>::MIN));
        let bucket = buckets.entry((what, address)).or_insert_with(|| Bucket::new(Rate { per_second, burst }, now));
        bucket.take(1, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_slowed_down_and_others_are_not() {
        let (rates, now) = (Rates::default(), Instant::now());
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        let passed = (0..100).filter(|_| rates.take_at(What::UserCode, address(1), now).is_ok()).count();
        assert_eq!(passed, 15);
        assert!(rates.take_at(What::UserCode, address(2), now).is_ok());
        assert!(rates.take_at(What::Login, address(1), now).is_ok());
        assert!(rates.take_at(What::UserCode, address(1), now + Duration::from_secs(1)).is_ok());
        let of_any = (0..1000).filter(|n| rates.take_at(What::UserCodeOfAny, address(*n), now).is_ok()).count();
        assert_eq!(of_any, 100);
    }

    #[test]
    fn memory_is_bounded() {
        let (rates, now) = (Rates::default(), Instant::now());
        let take = |n: u32, now| rates.take_at(What::Device, IpAddr::from(n.to_be_bytes()), now);
        for n in 0..u32::try_from(MOST).unwrap() {
            take(n, now).unwrap();
        }
        assert!(take(u32::MAX, now).is_err());
        assert!(take(u32::MAX, now + Duration::from_secs(2)).is_ok());
        assert_eq!(rates.0.lock().unwrap().len(), 1);
    }
}
