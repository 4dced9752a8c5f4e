//! Which columns are labelled, in the server's own numbers: a result says table and attribute, not names.

use super::{UpstreamError, login::Connection};
use std::collections::HashSet;
use weir_shared::config::checked::ColumnLabel;

/// Labelled columns of one database.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// Table OID and attribute number.
    pub numbers: HashSet<(u32, i16)>,
    /// OIDs of the tables that have any.
    pub tables: HashSet<u32>,
    /// The configuration's own words.
    pub columns: Vec<ColumnLabel>,
}

impl Labels {
    /// True when nothing is labelled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// True when a statement that mentions this relation may show a labelled value. Schemas are not compared: a name
    /// in a search path may be any schema's.
    #[must_use]
    pub fn mentions(&self, relation: &str) -> bool {
        let table = relation.rsplit('.').next().unwrap_or(relation);
        self.columns.iter().any(|label| label.table == table)
    }

    /// True when this column of this relation is labelled.
    #[must_use]
    pub fn labelled(&self, relation: &str, column: &str) -> bool {
        let table = relation.rsplit('.').next().unwrap_or(relation);
        self.columns.iter().any(|label| label.table == table && label.column == column)
    }
}

pub(super) async fn resolve(connection: &mut Connection, columns: &[ColumnLabel]) -> Result<Labels, UpstreamError> {
    let mut labels = Labels { columns: columns.to_vec(), ..Labels::default() };
    if columns.is_empty() {
        return Ok(labels);
    }
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let wanted: Vec<String> = columns
        .iter()
        .map(|c| format!("({}, {}, {})", quoted(&c.schema), quoted(&c.table), quoted(&c.column)))
        .collect();
    // Partitions and inheritance children hold the same column under their own OID.
    let query = format!(
        "WITH RECURSIVE wanted(s, t, c) AS (VALUES {}), \
         tree(oid, c) AS (SELECT r.oid, w.c FROM wanted w JOIN pg_catalog.pg_namespace n ON n.nspname = w.s \
           JOIN pg_catalog.pg_class r ON r.relnamespace = n.oid AND r.relname = w.t \
           UNION SELECT i.inhrelid, tree.c FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid) \
         SELECT a.attrelid::pg_catalog.int8, a.attnum FROM tree \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = tree.oid AND a.attname = tree.c",
        wanted.join(", ")
    );
    for row in connection.query(&query).await? {
        if let [table, attribute] = row.as_slice()
            && let (Ok(table), Ok(attribute)) = (table.parse(), attribute.parse())
        {
            labels.numbers.insert((table, attribute));
            labels.tables.insert(table);
        }
    }
    Ok(labels)
}
