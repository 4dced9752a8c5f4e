//! Names of prepared statements and portals, as the server knows them.
//!
//! What a name stands for decides what is judged, so it must never be a guess. Three rules make it certain:
//! inside a segment (up to `Sync`) the latest definition counts, since if it fails the server skips what follows;
//! across segments only what the server has confirmed counts; and what is unsettled must wait.

use bytes::Bytes;
use std::collections::HashMap;
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

/// What is known of one name. What belongs to an earlier segment or era counts no longer.
#[derive(Debug)]
struct Slot<T> {
    /// What the server confirmed, and in which era.
    confirmed: Option<(u64, Arc<T>)>,
    /// What was sent last, and in which segment; none is a close.
    sent: Option<(u64, Option<Arc<T>>)>,
    /// Changes that were sent and not answered.
    unsettled: usize,
    /// A statement's text defined the name behind the protocol's back.
    shadowed: bool,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { confirmed: None, sent: None, unsettled: 0, shadowed: false }
    }
}

#[derive(Debug)]
pub(super) struct Names<T> {
    /// The empty name, which most use: it needs no look-up.
    unnamed: Slot<T>,
    named: HashMap<Bytes, Slot<T>>,
    /// Goes up with each segment.
    segment: u64,
    /// Goes up when everything confirmed is gone.
    era: u64,
    shadowed: usize,
}

impl<T> Names<T> {
    pub(super) fn new() -> Self {
        Self { unnamed: Slot::default(), named: HashMap::new(), segment: 0, era: 0, shadowed: 0 }
    }

    pub(super) fn full(&self) -> bool {
        self.named.len() >= MOST
    }

    pub(super) fn look_up(&self, name: &[u8]) -> Lookup<T> {
        let slot = if name.is_empty() { Some(&self.unnamed) } else { self.named.get(name) };
        let Some(slot) = slot.filter(|slot| !slot.shadowed && self.shadowed < MOST) else { return Lookup::Unknown };
        match (&slot.sent, &slot.confirmed) {
            (Some((segment, Some(value))), _) if *segment == self.segment => Lookup::Known(Arc::clone(value)),
            (Some((segment, None)), _) if *segment == self.segment => Lookup::Unknown,
            _ if slot.unsettled > 0 => Lookup::Unsettled,
            (_, Some((era, value))) if *era == self.era => Lookup::Known(Arc::clone(value)),
            _ => Lookup::Unknown,
        }
    }

    /// All that the name may stand for, whatever is certain.
    pub(super) fn perhaps(&self, name: &[u8]) -> impl Iterator<Item = &Arc<T>> {
        let slot = if name.is_empty() { Some(&self.unnamed) } else { self.named.get(name) };
        let sent = slot.and_then(|slot| slot.sent.as_ref()?.1.as_ref());
        let confirmed = slot.and_then(|slot| slot.confirmed.as_ref()).map(|(_, value)| value);
        sent.into_iter().chain(confirmed)
    }

    /// A definition, or a close, was sent.
    pub(super) fn sent(&mut self, name: &Bytes, value: Option<Arc<T>>) {
        let segment = self.segment;
        let slot = self.slot(name);
        slot.sent = Some((segment, value));
        slot.unsettled += 1;
    }

    /// The server confirmed it, or skipped it (`done` false).
    pub(super) fn answered(&mut self, name: &Bytes, value: Option<&Arc<T>>, done: bool) {
        let (segment, era) = (self.segment, self.era);
        let slot = self.slot(name);
        slot.unsettled = slot.unsettled.saturating_sub(1);
        if done {
            slot.confirmed = value.map(|value| (era, Arc::clone(value)));
        }
        if !name.is_empty() && !slot.is_live(segment, era) && !slot.shadowed {
            self.named.remove(name);
        }
    }

    pub(super) fn end_segment(&mut self) {
        self.segment += 1;
    }

    /// Everything confirmed is gone: the transaction that held it has ended.
    pub(super) fn clear_confirmed(&mut self) {
        self.era += 1;
        let (segment, era) = (self.segment, self.era);
        if !self.named.is_empty() {
            self.named.retain(|_, slot| slot.is_live(segment, era) || slot.shadowed);
        }
    }

    pub(super) fn shadow(&mut self, name: &str) {
        if self.shadowed < MOST {
            let slot = self.slot(&Bytes::copy_from_slice(name.as_bytes()));
            let fresh = !std::mem::replace(&mut slot.shadowed, true);
            self.shadowed += usize::from(fresh);
        }
    }

    /// Every name known now may stand for something else from here on.
    pub(super) fn shadow_all(&mut self) {
        let (segment, era) = (self.segment, self.era);
        for slot in self.named.values_mut().filter(|slot| slot.is_live(segment, era)) {
            self.shadowed += usize::from(!std::mem::replace(&mut slot.shadowed, true));
        }
    }

    fn slot(&mut self, name: &Bytes) -> &mut Slot<T> {
        if name.is_empty() { &mut self.unnamed } else { self.named.entry(name.clone()).or_default() }
    }
}

impl<T> Slot<T> {
    /// The name stands for something, or may soon.
    fn is_live(&self, segment: u64, era: u64) -> bool {
        self.unsettled > 0
            || self.confirmed.as_ref().is_some_and(|confirmed| confirmed.0 == era)
            || matches!(&self.sent, Some((sent, Some(_))) if *sent == segment)
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

    #[test]
    fn what_a_transaction_held_is_gone_with_it() {
        let mut names = Names::new();
        for name in [Bytes::new(), Bytes::from_static(b"x")] {
            let one = Arc::new(1);
            names.sent(&name, Some(Arc::clone(&one)));
            names.end_segment();
            names.answered(&name, Some(&one), true);
            assert_eq!(known(&names, &name), Some(1));
        }
        names.clear_confirmed();
        assert_eq!((known(&names, b""), known(&names, b"x")), (None, None));
        assert!(names.named.is_empty(), "nothing is kept of it");
        // A close is not kept either.
        let x = Bytes::from_static(b"x");
        names.sent(&x, None);
        names.answered(&x, None, true);
        assert!(names.named.is_empty());
        assert_eq!(known(&names, b"x"), None);
    }
}
