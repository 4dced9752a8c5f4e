//! What a session knows of labelled columns: a snapshot of the catalog, and whether it is still certain. It says what
//! masking must know of a statement, and which statement masking could not follow.

use super::{authorize::Grant, refusals::refusal};
use crate::{
    mask::{About, Expressions, copy::CopyPlan, source::Source},
    upstream::{Catalog, Catalogs, Relation},
};
use std::{collections::HashSet, sync::Arc};
use weir_policy::{
    bundle::{ColumnName, Moment, Outcome},
    sql::{self, Class, Facts, Sources, Store, Volatility},
};
use weir_protocol::{Engine as _, Refusal, postgres::Postgres};
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
    /// Relations that it made of labelled ones since the snapshot, without schemas.
    made: HashSet<String>,
    /// Names of this session may stand for statements that show labelled values: cursors, prepared statements.
    opened: bool,
}

impl<'a> Labelled<'a> {
    pub(super) fn new(grant: &'a Grant, catalogs: &'a Catalogs, catalog: Arc<Catalog>) -> Self {
        let (visible, clear) = (Vec::new(), Arc::default());
        let (made, opened) = (HashSet::new(), false);
        let mut labelled =
            Self { grant, catalogs, catalog, visible, clear, uncertain: false, changed: false, made, opened };
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

    pub(super) fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// What masking must know of a statement with these facts.
    pub(super) fn about(&self, facts: &Facts) -> About {
        let (labels, lineage) = (&self.catalog.labels, &facts.lineage);
        if labels.is_empty() {
            return About { settings: facts.settings, ..About::default() };
        }
        // A string of several statements may read what it has just made.
        let uncertain = self.uncertain || self.redefines(facts);
        let mentioned = self.mentioned(facts);
        let unknown = lineage.unknown || (lineage.by_name && self.opened);
        let shows = |sources: &Sources| {
            unknown || if uncertain { !sources.is_empty() } else { self.shows(sources, &mentioned, &[]) }
        };
        let hides = |column: &String| mentioned.iter().any(|relation| labels.hides(relation, column, false, &[]));
        About {
            risky: uncertain || unknown || !mentioned.is_empty(),
            named: uncertain || unknown || facts.columns.iter().any(hides),
            uncertain,
            settings: facts.settings,
            clear: Arc::clone(&self.clear),
            source: Source::of(facts),
            expressions: Arc::new(Expressions {
                columns: lineage.outputs.iter().flatten().map(shows).collect(),
                any: shows(&lineage.all),
            }),
            copy: self
                .copied(facts)
                .and_then(|labelled| CopyPlan::new(facts.copy_form.clone()?, labelled?))
                .map(Arc::new),
        }
    }

    /// The relations that a statement mentions, of those that have labelled columns or were made of them.
    fn mentioned<'f>(&self, facts: &'f Facts) -> Vec<&'f str> {
        let all = facts.reads.iter().chain(&facts.writes).map(String::as_str);
        all.filter(|relation| self.catalog.labels.mentions(relation) || self.made.contains(bare(relation))).collect()
    }

    /// True when what is made of these may show a labelled value that is not visible.
    fn shows(&self, sources: &Sources, mentioned: &[&str], visible: &[bool]) -> bool {
        let made = |relation: &str| self.made.contains(bare(relation));
        let of_made = sources.columns.iter().any(|source| match &source.relation {
            Some(relation) => made(relation),
            None => mentioned.iter().any(|relation| made(relation)),
        });
        of_made || self.catalog.labels.shows(sources, mentioned, visible)
    }

    /// Which of the policy's visible columns are so now.
    fn visible(&self) -> &[bool] {
        if self.uncertain { &[] } else { &self.visible }
    }

    /// Which cells of a COPY's lines are labelled; the inner none where they cannot be told apart, the outer where none is.
    fn copied(&self, facts: &Facts) -> Option<Option<Vec<bool>>> {
        let mentioned = self.mentioned(facts);
        if !facts.is_copy_out || mentioned.is_empty() {
            return None;
        }
        let (visible, lineage) = (self.visible(), &facts.lineage);
        let shows = |sources: &Sources| self.shows(sources, &mentioned, visible);
        let labelled: Vec<bool> = match (&facts.copy_out, &lineage.outputs) {
            (Some((relation, columns)), _) if !columns.is_empty() => {
                let hides = |column: &String| self.catalog.labels.hides(relation, column, false, visible);
                columns.iter().map(|column| hides(column) || self.made.contains(bare(relation))).collect()
            }
            (None, Some(outputs)) if facts.statements == 1 => outputs.iter().map(shows).collect(),
            (None, None) if facts.statements == 1 && !shows(&lineage.all) => return None,
            _ => return Some(None),
        };
        labelled.contains(&true).then_some(Some(labelled))
    }

    /// A statement that is permitted may change what is labelled, or what a name stands for. True when what was said of
    /// statements before counts no more.
    pub(super) fn remember(&mut self, facts: &Facts, runs: bool) -> bool {
        let opens = !self.opened && !self.catalog.labels.is_empty() && self.opens(facts);
        self.opened |= opens;
        if runs && self.redefines(facts) {
            self.changed = true;
            // Of a table that is known its columns are, and a column that is new is none of them.
            let labels = &self.catalog.labels;
            let new = |relation: &&String| facts.reason == "CREATE VIEW" || labels.relation(relation).is_none();
            self.made.extend(facts.writes.iter().filter(new).map(|relation| bare(relation).to_owned()));
            self.overtake();
        }
        opens
    }

    /// True when a name could stand for rows of it later, or of what it runs, and they may show a labelled value.
    fn opens(&self, facts: &Facts) -> bool {
        let calls = || facts.functions.iter().any(|name| sql::volatility(name) == Volatility::Unknown);
        let mentioned = self.mentioned(facts);
        facts.lineage.unknown
            || (facts.redefines && facts.class == Class::Admin)
            || calls()
            || if self.uncertain {
                !facts.lineage.all.is_empty()
            } else {
                self.shows(&facts.lineage.all, &mentioned, &[])
            }
    }

    /// True when it may change what is labelled.
    fn redefines(&self, facts: &Facts) -> bool {
        facts.redefines && self.may_change(facts)
    }

    fn may_change(&self, facts: &Facts) -> bool {
        let labels = &self.catalog.labels;
        // What a program on the server does, nobody sees.
        !labels.is_empty() && (facts.class == Class::Admin || !self.mentioned(facts).is_empty())
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
                (self.uncertain, taken, self.opened) = (false, true, true);
                self.made.clear();
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
    pub(super) fn objection(&self, facts: &Facts) -> Option<Refusal> {
        if self.catalog.labels.is_empty() || !facts.is_copy_out && facts.lineage.stores.is_empty() {
            return None;
        }
        let refuse = |message: &str, hint: &str| {
            Some(refusal("42501", message, &format!("session {}", self.grant.session()), hint))
        };
        let mentioned = self.mentioned(facts);
        let by_name = facts.lineage.by_name && self.opened;
        if facts.lineage.stores.iter().any(|store| self.gives_away(store, &mentioned, by_name)) {
            return refuse(
                "this would keep values of labelled columns, or send them on, where they are not labelled",
                "leave these columns out, label the column that they go to, or ask for a policy that permits `unmasked` for them",
            );
        }
        if !facts.is_copy_out {
            return None;
        }
        if self.uncertain {
            return refuse(
                "what is labelled in this database may have changed: COPY has no columns that could be told apart",
                "reconnect in a few seconds, or use SELECT",
            );
        }
        match self.copied(facts) {
            None => None,
            Some(None) => refuse(
                "COPY of a relation with labelled columns must name its columns, in a statement of its own",
                "write COPY relation (column, ...) TO STDOUT, or COPY (SELECT column, ...) TO STDOUT",
            ),
            Some(Some(labelled)) => match facts.copy_form.clone().and_then(|form| CopyPlan::new(form, labelled)) {
                Some(_) => None,
                None => refuse(
                    "COPY of labelled columns must be in a form whose cells can be masked",
                    "use the text or CSV format in UTF8 with an ordinary delimiter and quote, or leave the labelled columns out",
                ),
            },
        }
    }

    /// True when a labelled value that policy does not show would go where it is not labelled.
    fn gives_away(&self, store: &Store, mentioned: &[&str], by_name: bool) -> bool {
        let anything = by_name && store.sources.anything;
        if !anything && !self.shows(&store.sources, mentioned, self.visible()) {
            return false;
        }
        let labels = &self.catalog.labels;
        let Some(target) = labels.relation(&store.relation).filter(|target| !target.opaque) else { return true };
        if let Some(source) = &store.copy_of {
            let alike = |source: &Relation| {
                source.columns == target.columns
                    && source.labelled.keys().all(|column| target.labelled.contains_key(column))
            };
            return !labels.relation(source).is_some_and(alike);
        }
        let column = store.column.as_ref().or_else(|| target.columns.get(store.place?));
        !column.is_some_and(|column| target.labelled.contains_key(column))
    }
}

fn bare(relation: &str) -> &str {
    relation.rsplit('.').next().unwrap_or(relation)
}
