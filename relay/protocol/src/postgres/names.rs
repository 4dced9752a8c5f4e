//! Names of prepared statements and portals, as the server knows them.
//!
//! What a name stands for decides what is judged, so it must never be a guess. Three rules make it certain:
//! inside a segment (up to `Sync`) the latest definition counts, since if it fails the server skips what follows;
//! across segments only what the server has confirmed counts; and what is unsettled must wait.

use bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Most names kept; the next definition is refused.
const MOST: usize = 10_000;

#[derive(Debug)]
pub(super) enum Lookup<T> {
    Known(Arc<T>),
    Unknown,
    /// The server has not said yet whether an earlier segment's definition stands.
    Unsettled,
}

#[derive(Debug)]
pub(super) struct Names<T> {
    confirmed: HashMap<Bytes, Arc<T>>,
    /// This segment's changes; none is a close.
    segment: HashMap<Bytes, Option<Arc<T>>>,
    /// Changes that were sent and not answered.
    unsettled: HashMap<Bytes, usize>,
    /// Names that a statement's text defined behind the protocol's back.
    shadowed: HashSet<Bytes>,
}

impl<T> Names<T> {
    pub(super) fn new() -> Self {
        Self { confirmed: HashMap::new(), segment: HashMap::new(), unsettled: HashMap::new(), shadowed: HashSet::new() }
    }

    pub(super) fn full(&self) -> bool {
        self.confirmed.len() + self.segment.len() >= MOST
    }

    pub(super) fn look_up(&self, name: &[u8]) -> Lookup<T> {
        if self.shadowed.contains(name) || self.shadowed.len() >= MOST {
            return Lookup::Unknown;
        }
        match (self.segment.get(name), self.confirmed.get(name)) {
            (Some(Some(value)), _) => Lookup::Known(Arc::clone(value)),
            (Some(None), _) => Lookup::Unknown,
            _ if self.unsettled.contains_key(name) => Lookup::Unsettled,
            (None, Some(value)) => Lookup::Known(Arc::clone(value)),
            (None, None) => Lookup::Unknown,
        }
    }

    /// A definition, or a close, was sent.
    pub(super) fn sent(&mut self, name: &Bytes, value: Option<Arc<T>>) {
        self.segment.insert(name.clone(), value);
        *self.unsettled.entry(name.clone()).or_default() += 1;
    }

    /// The server confirmed it, or skipped it (`done` false).
    pub(super) fn answered(&mut self, name: &Bytes, value: Option<&Arc<T>>, done: bool) {
        if let Some(count) = self.unsettled.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.unsettled.remove(name);
            }
        }
        match value {
            _ if !done => {}
            Some(value) => drop(self.confirmed.insert(name.clone(), Arc::clone(value))),
            None => drop(self.confirmed.remove(name)),
        }
    }

    pub(super) fn end_segment(&mut self) {
        self.segment.clear();
    }

    /// Everything confirmed is gone: the transaction that held it has ended.
    pub(super) fn clear_confirmed(&mut self) {
        self.confirmed.clear();
    }

    pub(super) fn shadow(&mut self, name: &str) {
        if self.shadowed.len() < MOST {
            self.shadowed.insert(Bytes::copy_from_slice(name.as_bytes()));
        }
    }

    /// Every name known now may stand for something else from here on.
    pub(super) fn shadow_all(&mut self) {
        let names = self.confirmed.keys().chain(self.segment.keys()).chain(self.unsettled.keys());
        let named: Vec<Bytes> = names.filter(|name| !name.is_empty()).cloned().collect();
        self.shadowed.extend(named);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(names: &Names<u8>, name: &[u8]) -> Option<u8> {
        match names.look_up(name) {
            Lookup::Known(value) => Some(*value),
            Lookup::Unknown => None,
            Lookup::Unsettled => Some(255),
        }
    }

    #[test]
    fn a_name_is_what_the_server_confirmed() {
        let (mut names, x) = (Names::new(), Bytes::from_static(b"x"));
        let (one, two) = (Arc::new(1), Arc::new(2));
        names.sent(&x, Some(Arc::clone(&one)));
        assert_eq!(known(&names, b"x"), Some(1), "in its own segment");
        names.end_segment();
        assert_eq!(known(&names, b"x"), Some(255), "unsettled across segments");
        names.answered(&x, Some(&one), true);
        assert_eq!(known(&names, b"x"), Some(1));

        // A close that the server skipped, and a definition that then failed, leave the old one.
        names.sent(&x, None);
        names.end_segment();
        names.sent(&x, Some(Arc::clone(&two)));
        names.end_segment();
        names.answered(&x, None, false);
        assert_eq!(known(&names, b"x"), Some(255));
        names.answered(&x, Some(&two), false);
        assert_eq!(known(&names, b"x"), Some(1));

        names.shadow("x");
        assert_eq!(known(&names, b"x"), None);
    }
}
