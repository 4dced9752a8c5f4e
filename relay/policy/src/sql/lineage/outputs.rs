//! The columns of a query, or of an item of FROM.

use super::Sources;
use crate::sql::tree::Tree;

/// What a query, or an item of FROM, shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Outputs {
    /// Names, empty where it has none of its own, with what they are made of.
    pub(super) columns: Vec<(String, Sources)>,
    /// Relations all of whose columns it shows besides, under their own names.
    pub(super) through: Vec<String>,
    /// One of its columns stands for any number of them.
    pub(super) spread: bool,
}

impl Outputs {
    /// Columns that cannot be told apart.
    pub(super) fn blurred(sources: Sources) -> Self {
        Self { columns: vec![(String::new(), sources)], spread: true, ..Self::default() }
    }

    /// Positions are not known.
    pub(super) fn open(&self) -> bool {
        self.spread || !self.through.is_empty()
    }

    pub(super) fn all(&self) -> Sources {
        let mut all = Sources::default();
        self.columns.iter().for_each(|(_, sources)| all.add(sources));
        for relation in &self.through {
            all.add(&Sources::of(Some(relation.clone()), "*"));
        }
        all
    }

    /// The same under other names.
    pub(super) fn renamed(self, names: &[Tree]) -> Self {
        if names.is_empty() { self } else { self.named(names.iter().map(|name| name.as_text().to_owned()).collect()) }
    }

    pub(super) fn named(self, names: Vec<String>) -> Self {
        if self.open() || names.len() > self.columns.len() {
            return Self::blurred(self.all());
        }
        let mut names = names.into_iter();
        let columns = self.columns.into_iter().map(|(name, sources)| (names.next().unwrap_or(name), sources)).collect();
        Self { columns, ..Self::default() }
    }

    /// A set operation of both.
    pub(super) fn joined(self, other: &Self) -> Self {
        if self.open() || other.open() || self.columns.len() != other.columns.len() {
            return Self::blurred(self.all().and(&other.all()));
        }
        let both = self.columns.into_iter().zip(&other.columns);
        Self { columns: both.map(|((name, one), (_, other))| (name, one.and(other))).collect(), ..Self::default() }
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.columns.extend_from_slice(&other.columns);
        self.through.extend_from_slice(&other.through);
        self.spread |= other.spread;
    }
}
