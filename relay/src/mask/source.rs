//! Where a statement's values come from, as far as it decides what is looked for in them.

use std::sync::Arc;
use weir_policy::sql::{Class, CopyForm, Facts, Volatility, volatility};
use weir_shared::{config::checked::Masking, detect::Topic};

/// Relations of the server's own that show what others wrote: their statements, values of their tables.
const OTHERS: [&str; 10] = [
    "pg_stat_activity",
    "pg_stat_statements",
    "pg_prepared_statements",
    "pg_cursors",
    "pg_stats",
    "pg_stats_ext",
    "pg_stats_ext_exprs",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_largeobject",
];

/// What is known of it from a statement's facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// It reads relations, or may: an expression may be made of a column.
    pub relations: bool,
    /// It shows others' statements, or values of their tables, in relations of the server's own.
    pub others: bool,
    /// How lines of COPY are written.
    pub copy: Arc<CopyForm>,
    /// What the names of COPY's columns say, where it names them.
    pub topics: Arc<Vec<Topic>>,
    /// COPY's relation and columns, as it names them.
    pub(super) names: Option<Arc<(String, Vec<String>)>>,
}

impl Source {
    /// The place of COPY's column at `index` among those that have strategies of their own. By name, as the configuration has
    /// it; schemas are compared where the statement names one.
    #[must_use]
    pub fn column(&self, masking: &Masking, index: usize) -> Option<usize> {
        if masking.columns.is_empty() {
            return None;
        }
        let (relation, columns) = &**self.names.as_ref()?;
        let column = columns.get(index)?;
        let (schema, table) = relation.rsplit_once('.').unwrap_or(("", relation));
        masking.columns.iter().position(|(known, _)| {
            known.table == table && known.column == *column && (schema.is_empty() || schema == known.schema)
        })
    }

    /// Of a statement with these facts.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        let named = !facts.executes.is_empty();
        let unknown = || facts.functions.iter().any(|function| volatility(function) == Volatility::Unknown);
        let shows = |relation: &String| OTHERS.contains(&relation.rsplit('.').next().unwrap_or(relation));
        let columns = facts.copy_out.as_ref().map_or(&[][..], |(_, columns)| columns);
        Self {
            // A cursor's rows are those of the statement that it was declared for.
            relations: named
                || facts.class != Class::Read
                || !facts.reads.is_empty()
                || !facts.writes.is_empty()
                || unknown(),
            others: named || facts.class == Class::Session || facts.reads.iter().any(shows),
            copy: Arc::new(facts.copy_form.clone().unwrap_or_default()),
            names: facts.copy_out.clone().map(Arc::new),
            topics: Arc::new(columns.iter().map(|column| Topic::of(column)).collect()),
        }
    }
}
