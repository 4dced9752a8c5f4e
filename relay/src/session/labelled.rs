//! What a session knows of labelled columns: a snapshot of the catalog, and whether it is still certain. It says what
//! masking must know of a statement, and which statement masking could not follow.

use super::{authorize::Grant, refusals::refusal};
use crate::{
    mask::{About, source::Source},
    upstream::{Catalog, Catalogs},
};
use std::{collections::HashSet, sync::Arc};
use weir_policy::{
    bundle::{ColumnName, Moment, Outcome},
    sql::{Class, Facts},
};
use weir_protocol::{Action, Engine as _, Refusal, postgres::Postgres};
use weir_shared::config::checked::ColumnLabel;

/// One session's labels.
pub(super) struct Labelled<'a> {
    grant: &'a Grant,
    catalogs: &'a Catalogs,
    /// The snapshot that masking goes by.
    catalog: Arc<Catalog>,
    /// Which of the configuration's columns policy lets this session see, by their places.
    visible: Vec<bool>,
    /// The same in the snapshot's numbers.
    clear: Arc<HashSet<(u32, i16)>>,
    /// It was overtaken when this was last looked at.
    uncertain: bool,
    /// This session has changed, in a transaction that may still be open, what may be labelled.
    changed: bool,
}

impl<'a> Labelled<'a> {
    pub(super) fn new(grant: &'a Grant, catalogs: &'a Catalogs, catalog: Arc<Catalog>) -> Self {
        let (visible, clear) = (Vec::new(), Arc::default());
        let mut labelled = Self { grant, catalogs, catalog, visible, clear, uncertain: false, changed: false };
        labelled.ask_what_is_visible();
        labelled
    }

    /// Asks policy about each labelled column, once for these policies and this snapshot.
    fn ask_what_is_visible(&mut self) {
        let (labels, judge) = (&self.catalog.labels, self.grant.judge());
        let now = Moment::of(jiff::Timestamp::now().as_microsecond());
        let ask = |column: &ColumnLabel| {
            let relation = format!("{}.{}", column.schema, column.table);
            let column = ColumnName { name: &column.column, relation: &relation, label: "" };
            self.grant.barred().is_none() && judge.unmasked(&column, now).outcome == Outcome::Allow
        };
        self.visible = labels.columns.iter().map(ask).collect();
        let visible = |places: &Vec<usize>| {
            !places.is_empty() && places.iter().all(|place| self.visible.get(*place).is_some_and(|visible| *visible))
        };
        let clear = labels.origins.iter().filter(|(_, places)| visible(places)).map(|(number, _)| *number);
        self.clear = Arc::new(clear.collect());
    }

    /// True when this column of a COPY must be masked. By name, as the configuration has it.
    fn hides(&self, relation: &str, column: &str) -> bool {
        let table = relation.rsplit('.').next().unwrap_or(relation);
        let visible = |place: usize| !self.uncertain && self.visible.get(place).is_some_and(|visible| *visible);
        let mut labels = self.catalog.labels.columns.iter().enumerate();
        labels.any(|(place, label)| label.table == table && label.column == column && !visible(place))
    }

    pub(super) fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// What masking must know of a statement with these facts.
    pub(super) fn about(&self, facts: &Facts) -> About {
        let labels = &self.catalog.labels;
        let mentions = |relations: &[String]| relations.iter().any(|relation| labels.mentions(relation));
        About {
            risky: !labels.is_empty()
                && (self.uncertain || mentions(&facts.reads) || mentions(&facts.writes) || !facts.executes.is_empty()),
            uncertain: self.uncertain,
            clear: Arc::clone(&self.clear),
            source: Source::of(facts),
            copy_labelled: Arc::new(facts.copy_out.as_ref().map_or_else(Vec::new, |(relation, columns)| {
                columns.iter().map(|column| self.hides(relation, column)).collect()
            })),
        }
    }

    /// A statement that is permitted may change what is labelled.
    pub(super) fn remember(&mut self, facts: &Facts) {
        if facts.redefines && self.may_change(facts) {
            self.changed = true;
            self.overtake();
        }
    }

    fn may_change(&self, facts: &Facts) -> bool {
        let labels = &self.catalog.labels;
        let mut named = facts.reads.iter().chain(&facts.writes);
        // What a program on the server does, nobody sees.
        !labels.is_empty() && (facts.class == Class::Admin || named.any(|relation| labels.mentions(relation)))
    }

    fn overtake(&self) {
        self.catalogs.overtaken(&self.catalog);
    }

    /// Looks whether the snapshot was overtaken, and takes a newer one where there is one; `ruled_anew` when policy may say
    /// something else since. True when what was said of statements before counts no more.
    pub(super) fn follow(&mut self, engine: &Postgres, ruled_anew: bool) -> bool {
        if self.changed {
            // Whoever took a snapshot meanwhile did not see what an open transaction has done.
            self.overtake();
            self.changed = engine.busy() || engine.transaction_status() != b'I';
        }
        let (before, mut taken) = (self.uncertain, false);
        self.uncertain = self.catalog.is_overtaken();
        if self.uncertain && !self.changed {
            let newest = self.catalogs.newest(&self.catalog);
            if let Some(newest) = newest.filter(|newest| !newest.is_overtaken()) {
                self.catalog = newest;
                (self.uncertain, taken) = (false, true);
            }
        }
        if taken || ruled_anew {
            self.ask_what_is_visible();
        }
        taken || self.uncertain != before
    }

    /// The session ends; what it changed may have been committed last.
    pub(super) fn end(&self) {
        if self.changed {
            self.overtake();
        }
    }

    /// What cannot be allowed whatever policy says, because masking could not follow it.
    pub(super) fn objection(&self, action: &Action, facts: &Facts) -> Option<Refusal> {
        let labels = &self.catalog.labels;
        if labels.is_empty() || !facts.is_copy_out {
            return None;
        }
        if self.uncertain {
            return Some(refusal(
                "42501",
                "what is labelled in this database may have changed: COPY has no columns that could be told apart",
                &format!("session {}", self.grant.session()),
                "reconnect in a few seconds, or use SELECT",
            ));
        }
        if !facts.reads.iter().any(|relation| labels.mentions(relation)) {
            return None;
        }
        let lower = action.text.to_ascii_lowercase();
        let plain = !["csv", "delimiter", "format", "null"].iter().any(|word| lower.contains(word));
        match &facts.copy_out {
            Some((relation, columns)) if plain && !columns.is_empty() && !labels.derived(relation) => None,
            _ => Some(refusal(
                "42501",
                "COPY of a relation with labelled columns must name its columns and use the plain text format",
                &format!("session {}", self.grant.session()),
                "write COPY relation (column, ...) TO STDOUT",
            )),
        }
    }
}
