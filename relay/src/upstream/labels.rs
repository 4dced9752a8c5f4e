//! Which columns are labelled, in the server's own numbers: a result says table and attribute, not names.

use super::{UpstreamError, login::Connection};
use std::collections::{HashMap, HashSet};
use weir_shared::config::checked::ColumnLabel;

/// Labelled columns of one database.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// Table OID and attribute number.
    pub numbers: HashSet<(u32, i16)>,
    /// Which of [`Self::columns`] each of them is, by their places.
    pub origins: HashMap<(u32, i16), Vec<usize>>,
    /// OIDs of the tables that have any.
    pub tables: HashSet<u32>,
    /// OIDs of views made of them: which of a view's columns show a labelled value, the catalog does not say.
    pub views: HashSet<u32>,
    /// OIDs of the tables that are certainly none of these.
    pub others: HashSet<u32>,
    /// Names of all of these, without schemas.
    pub relations: HashSet<String>,
    /// The configuration's own words.
    pub columns: Vec<ColumnLabel>,
    /// Those of them that name no column of this database.
    pub missing: Vec<ColumnLabel>,
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
        self.relations.contains(table) || self.columns.iter().any(|label| label.table == table)
    }

    /// True when a relation is a partition, a child or a view: its columns cannot be named one by one from the
    /// configuration alone.
    #[must_use]
    pub fn derived(&self, relation: &str) -> bool {
        let table = relation.rsplit('.').next().unwrap_or(relation);
        self.relations.contains(table) && !self.columns.iter().any(|label| label.table == table)
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
        .enumerate()
        .map(|(n, c)| format!("({n}, {}, {}, {})", quoted(&c.schema), quoted(&c.table), quoted(&c.column)))
        .collect();
    // Partitions and inheritance children hold the same column under their own OID. A view depends on the columns that
    // it uses; where it uses a whole row (`varattno 0` in its rule) the catalog notes no column.
    // Its operators are the server's own, whatever the role or the client has put first in the search path: others' would run,
    // and say what is labelled.
    let query = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY NOT DEFERRABLE; SET LOCAL search_path = pg_catalog; \
         WITH RECURSIVE wanted(n, s, t, c) AS (VALUES {}), \
         tree(oid, c, n) AS (SELECT r.oid, w.c, w.n FROM wanted w JOIN pg_catalog.pg_namespace n ON n.nspname = w.s \
           JOIN pg_catalog.pg_class r ON r.relnamespace = n.oid AND r.relname = w.t \
           UNION SELECT i.inhrelid, tree.c, tree.n FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid), \
         labelled(oid, attnum, n) AS (SELECT a.attrelid, a.attnum, tree.n FROM tree \
           JOIN pg_catalog.pg_attribute a ON a.attrelid = tree.oid AND a.attname = tree.c), \
         uses(view, oid, attnum, whole) AS (SELECT r.ev_class, d.refobjid, d.refobjsubid, \
             d.refobjsubid = 0 OR pg_catalog.strpos(r.ev_action::pg_catalog.text, ':varattno 0 ') > 0 \
           FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND r.ev_class <> d.refobjid \
           WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
             AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass), \
         views(oid) AS (SELECT u.view FROM labelled l JOIN uses u ON u.oid = l.oid AND (u.whole OR u.attnum = l.attnum) \
           UNION SELECT u.view FROM views v JOIN uses u ON u.oid = v.oid), \
         found(oid, attnum, n) AS (SELECT oid, attnum, n FROM labelled UNION SELECT oid, 0, -1 FROM views) \
         SELECT f.oid::pg_catalog.int8, f.attnum::pg_catalog.int4, r.relname, f.n FROM found f \
           JOIN pg_catalog.pg_class r ON r.oid = f.oid \
         UNION ALL SELECT 0, n, '', -1 FROM labelled \
         UNION ALL SELECT r.oid::pg_catalog.int8, -32768, '', -1 FROM pg_catalog.pg_class r \
           WHERE r.relkind IN ('r', 'p', 'f') \
             AND r.oid NOT IN (SELECT oid FROM labelled); \
         COMMIT",
        wanted.join(", ")
    );
    let mut met = HashSet::new();
    for row in connection.query(&query).await? {
        let [oid, attribute, name, origin] = row.as_slice() else { continue };
        if oid == "0" {
            met.extend(attribute.parse::<usize>());
        } else if let (Ok(oid), Ok(attribute)) = (oid.parse(), attribute.parse()) {
            if attribute == i16::MIN {
                labels.others.insert(oid);
                continue;
            }
            labels.relations.insert(name.clone());
            if attribute == 0 {
                labels.views.insert(oid);
            } else {
                labels.numbers.insert((oid, attribute));
                labels.origins.entry((oid, attribute)).or_default().extend(origin.parse::<usize>());
                labels.tables.insert(oid);
            }
        }
    }
    let missing = columns.iter().enumerate().filter(|(n, _)| !met.contains(n));
    labels.missing = missing.map(|(_, column)| column.clone()).collect();
    Ok(labels)
}
