//! What a database's catalog says of labelled columns, read once for the sessions that begin within ten seconds of it, by the
//! first of them over its own connection.
//!
//! A snapshot may be overtaken: a view made after it could show a labelled column under a number that it does not know.
//! So every session that may change what is labelled says so ([`Catalogs::overtaken`]), and all that hold the snapshot
//! then treat what it does not know for certain as labelled.

use super::labels::Labels;
use crate::telemetry::lookups::Lookups;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use weir_shared::config::checked::{Host, Resource, Version};

/// A snapshot serves new sessions for so long. Changes made past weir show after this.
const FRESH: Duration = Duration::from_secs(10);

/// What a snapshot is of: one database on one host, with the columns that one version of a resource labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    key: Key,
    /// Hosts need not number their columns alike.
    host: Host,
}

impl Place {
    /// A database of a resource, on one of its hosts.
    #[must_use]
    pub fn new(resource: &Resource, database: &str, host: &Host) -> Self {
        Self { key: (resource.version(), database.to_owned()), host: host.clone() }
    }
}

/// A snapshot.
#[derive(Debug)]
pub struct Catalog {
    /// Labelled columns.
    pub labels: Labels,
    /// Columns with strategies of their own, by table OID and attribute number: their places in the configuration.
    pub masked: HashMap<(u32, i16), usize>,
    place: Place,
    overtaken: AtomicBool,
    made: Instant,
}

impl Catalog {
    /// A snapshot of this place, made now.
    #[must_use]
    pub fn new(labels: Labels, place: Place) -> Self {
        let (overtaken, made) = (AtomicBool::new(false), Instant::now());
        Self { labels, masked: HashMap::new(), place, overtaken, made }
    }

    /// The same, with columns that have strategies of their own.
    #[must_use]
    pub fn with_masked(self, masked: HashMap<(u32, i16), usize>) -> Self {
        Self { masked, ..self }
    }

    /// True once something labelled may have changed since.
    #[must_use]
    pub fn is_overtaken(&self) -> bool {
        self.overtaken.load(Ordering::Acquire)
    }
}

type Key = (Version, String);

/// The newest snapshot of each resource's databases, on each of its hosts.
#[derive(Debug, Default)]
pub struct Catalogs {
    known: Mutex<HashMap<Key, HashMap<Host, Arc<Catalog>>>>,
    /// By sessions that begin.
    pub lookups: Lookups,
}

impl Catalogs {
    /// The newest one, if it is fresh.
    pub(super) fn fresh(&self, place: &Place) -> Option<Arc<Catalog>> {
        let newest = self.of(place);
        let fresh = newest.filter(|newest| !newest.is_overtaken() && newest.made.elapsed() < FRESH);
        self.lookups.count(fresh.is_some());
        fresh
    }

    pub(super) fn keep(&self, catalog: &Arc<Catalog>) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let hosts = all.entry(catalog.place.key.clone()).or_default();
        hosts.insert(catalog.place.host.clone(), Arc::clone(catalog));
    }

    /// The newest one of the place that `held` is of, fresh or not.
    #[must_use]
    pub fn newest(&self, held: &Catalog) -> Option<Arc<Catalog>> {
        self.of(&held.place)
    }

    fn of(&self, place: &Place) -> Option<Arc<Catalog>> {
        let all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&place.key)?.get(&place.host).map(Arc::clone)
    }

    /// Something labelled may have changed: neither `held` nor the newest snapshot is certain any more, on no host: one
    /// may follow another.
    pub fn overtaken(&self, held: &Catalog) {
        held.overtaken.store(true, Ordering::Release);
        let all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let hosts = all.get(&held.place.key).into_iter().flat_map(HashMap::values);
        hosts.for_each(|newest| newest.overtaken.store(true, Ordering::Release));
    }

    /// Nobody will ask for a version of a resource any more.
    pub fn forget(&self, resource: &Resource) {
        let version = resource.version();
        self.known.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _), _| *known != version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_serves_until_it_is_overtaken() {
        let catalogs = Catalogs::default();
        let place = |version: u8, database: &str, host: &str| Place {
            key: ([version; 32], database.to_owned()),
            host: Host { name: host.to_owned(), port: 5432 },
        };
        let (one, other) = (place(1, "shop", "one"), place(1, "shop", "other"));
        assert!(catalogs.fresh(&one).is_none());
        let snapshot = |place: &Place| Arc::new(Catalog::new(Labels::default(), place.clone()));
        let (first, second, elsewhere) = (snapshot(&one), snapshot(&one), snapshot(&other));
        catalogs.keep(&first);
        assert!(catalogs.fresh(&one).is_some_and(|catalog| Arc::ptr_eq(&catalog, &first)));
        assert!(catalogs.fresh(&place(1, "other", "one")).is_none());
        assert!(catalogs.fresh(&place(2, "shop", "one")).is_none(), "another version labels other columns");
        assert!(catalogs.fresh(&other).is_none());
        catalogs.keep(&elsewhere);
        catalogs.keep(&second);
        catalogs.overtaken(&first);
        assert!(first.is_overtaken() && second.is_overtaken() && elsewhere.is_overtaken());
        assert!(catalogs.fresh(&one).is_none());
    }
}
