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
use weir_shared::{config::checked::Host, id::ResourceName};

/// A snapshot serves new sessions for so long. Changes made past weir show after this.
const FRESH: Duration = Duration::from_secs(10);

/// A snapshot.
#[derive(Debug)]
pub struct Catalog {
    /// Labelled columns.
    pub labels: Labels,
    /// Whose it is: hosts need not number their columns alike.
    host: Host,
    overtaken: AtomicBool,
    made: Instant,
}

impl Catalog {
    /// A snapshot of this host's, made now.
    #[must_use]
    pub fn new(labels: Labels, host: Host) -> Self {
        Self { labels, host, overtaken: AtomicBool::new(false), made: Instant::now() }
    }

    /// True once something labelled may have changed since.
    #[must_use]
    pub fn is_overtaken(&self) -> bool {
        self.overtaken.load(Ordering::Acquire)
    }
}

type Key = (ResourceName, String);

/// The newest snapshot of each resource's databases, on each of its hosts.
#[derive(Debug, Default)]
pub struct Catalogs {
    known: Mutex<HashMap<Key, HashMap<Host, Arc<Catalog>>>>,
    /// By sessions that begin.
    pub lookups: Lookups,
}

impl Catalogs {
    /// The newest one, if it is fresh.
    pub(super) fn fresh(&self, resource: &ResourceName, database: &str, host: &Host) -> Option<Arc<Catalog>> {
        let newest = self.of(resource, database, host);
        let fresh = newest.filter(|newest| !newest.is_overtaken() && newest.made.elapsed() < FRESH);
        self.lookups.count(fresh.is_some());
        fresh
    }

    pub(super) fn keep(&self, resource: &ResourceName, database: &str, catalog: &Arc<Catalog>) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let hosts = all.entry((resource.clone(), database.to_owned())).or_default();
        hosts.insert(catalog.host.clone(), Arc::clone(catalog));
    }

    /// The newest one of the host that `held` is of, fresh or not.
    #[must_use]
    pub fn newest(&self, resource: &ResourceName, database: &str, held: &Catalog) -> Option<Arc<Catalog>> {
        self.of(resource, database, &held.host)
    }

    fn of(&self, resource: &ResourceName, database: &str, host: &Host) -> Option<Arc<Catalog>> {
        let all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(resource.clone(), database.to_owned()))?.get(host).map(Arc::clone)
    }

    /// Something labelled may have changed: neither `held` nor the newest snapshot is certain any more, on no host: one
    /// may follow another.
    pub fn overtaken(&self, resource: &ResourceName, database: &str, held: &Catalog) {
        held.overtaken.store(true, Ordering::Release);
        let all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let hosts = all.get(&(resource.clone(), database.to_owned())).into_iter().flat_map(HashMap::values);
        hosts.for_each(|newest| newest.overtaken.store(true, Ordering::Release));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_serves_until_it_is_overtaken() {
        let (catalogs, name) = (Catalogs::default(), ResourceName::new("shop").unwrap());
        let host = |name: &str| Host { name: name.to_owned(), port: 5432 };
        let (one, other) = (host("one"), host("other"));
        assert!(catalogs.fresh(&name, "shop", &one).is_none());
        let snapshot = |host: &Host| Arc::new(Catalog::new(Labels::default(), host.clone()));
        let (first, second, elsewhere) = (snapshot(&one), snapshot(&one), snapshot(&other));
        catalogs.keep(&name, "shop", &first);
        assert!(catalogs.fresh(&name, "shop", &one).is_some_and(|catalog| Arc::ptr_eq(&catalog, &first)));
        assert!(catalogs.fresh(&name, "other", &one).is_none());
        assert!(catalogs.fresh(&name, "shop", &other).is_none());
        catalogs.keep(&name, "shop", &elsewhere);
        catalogs.keep(&name, "shop", &second);
        catalogs.overtaken(&name, "shop", &first);
        assert!(first.is_overtaken() && second.is_overtaken() && elsewhere.is_overtaken());
        assert!(catalogs.fresh(&name, "shop", &one).is_none());
    }
}
