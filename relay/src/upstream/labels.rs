//! Which columns are labelled, in the server's own numbers: a result says table and attribute, not names. What the
//! configuration names is followed down to partitions and children, up to the parents that show their rows, and into views.

use super::{UpstreamError, login::Connection, views};
use std::collections::{BTreeMap, HashMap, HashSet};
use weir_policy::sql::{Source, Sources};
use weir_shared::config::checked::ColumnLabel;

/// Labelled columns of one database.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// Table OID and attribute number.
    pub numbers: HashSet<(u32, i16)>,
    /// Which of [`Self::columns`] each of them is, by their places. A view's columns are made of them, and are none.
    pub origins: HashMap<(u32, i16), Vec<usize>>,
    /// OIDs of the tables and views that have any.
    pub tables: HashSet<u32>,
    /// OIDs of what is made of them by rules: nobody says which of its columns show a labelled value.
    pub rules: HashSet<u32>,
    /// OIDs of the tables that are certainly none of these.
    pub others: HashSet<u32>,
    /// All of these, by their names without schemas.
    pub relations: HashMap<String, Relation>,
    /// The configuration's own words.
    pub columns: Vec<ColumnLabel>,
    /// Those of them that name no column of this database.
    pub missing: Vec<ColumnLabel>,
}

/// A relation with labelled columns; several of one name in different schemas are taken together.
#[derive(Clone, Debug, Default)]
pub struct Relation {
    /// Its columns, in their order.
    pub columns: Vec<String>,
    /// The labelled ones, with their places in the configuration; none of a view's columns has any.
    pub labelled: HashMap<String, Vec<usize>>,
    /// Any of its columns may be labelled.
    pub opaque: bool,
}

/// Columns that every table has beside its own.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"];

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
        let table = bare(relation);
        self.relations.contains_key(table) || self.columns.iter().any(|label| label.table == table)
    }

    /// The relation of this name.
    #[must_use]
    pub fn relation(&self, name: &str) -> Option<&Relation> {
        self.relations.get(bare(name))
    }

    /// True when what is made of these may show a labelled value, in a statement that mentions these relations. `visible` says
    /// of which of the configuration's columns that does not matter.
    #[must_use]
    pub fn shows(&self, sources: &Sources, mentioned: &[&str], visible: &[bool]) -> bool {
        let hidden = |relation: &str, column: &str, called: bool| self.hides(relation, column, called, visible);
        sources.anything && mentioned.iter().any(|relation| hidden(relation, "*", false))
            || sources.columns.iter().any(|Source { relation, column }| match relation {
                Some(relation) => hidden(relation, column, true),
                None => mentioned.iter().any(|relation| hidden(relation, column, false)),
            })
    }

    /// True when this column of the relation is labelled and not visible; `*` is any of them. What is no column of it may be
    /// `called` as a function with the whole row.
    #[must_use]
    pub fn hides(&self, relation: &str, column: &str, called: bool, visible: &[bool]) -> bool {
        let seen = |places: &[usize]| {
            !places.is_empty() && places.iter().all(|place| visible.get(*place).is_some_and(|visible| *visible))
        };
        let Some(known) = self.relation(relation) else {
            // It is not there, or not yet.
            let table = bare(relation);
            let mut labels = self.columns.iter().enumerate().filter(|(_, label)| label.table == table);
            return labels.any(|(place, label)| (column == "*" || label.column == column) && !seen(&[place]));
        };
        let any = || known.opaque || known.labelled.values().any(|places| !seen(places));
        let is_call = || !known.columns.iter().any(|own| own == column) && !SYSTEM_COLUMNS.contains(&column);
        match known.labelled.get(column) {
            Some(places) => !seen(places),
            None if column == "*" || known.opaque || called && is_call() => any(),
            None => false,
        }
    }
}

impl Labels {
    /// Relations of one name have the columns that all of them have.
    fn add(&mut self, name: &str, relation: Relation) {
        match self.relations.get_mut(name) {
            None => drop(self.relations.insert(name.to_owned(), relation)),
            Some(known) => {
                known.columns.retain(|column| relation.columns.contains(column));
                for (column, places) in relation.labelled {
                    known.labelled.entry(column).or_default().extend(places);
                }
            }
        }
    }
}

fn bare(relation: &str) -> &str {
    relation.rsplit('.').next().unwrap_or(relation)
}

pub(super) async fn resolve(connection: &mut Connection, columns: &[ColumnLabel]) -> Result<Labels, UpstreamError> {
    if columns.is_empty() {
        return Ok(Labels::default());
    }
    let rows = connection.query(&query(columns)).await?;
    // Views are parsed, which may take long.
    let columns = columns.to_vec();
    let read = tokio::task::spawn_blocking(move || read(&rows, columns));
    Ok(read.await.map_err(std::io::Error::other)?)
}

/// Asks for rows of a number, an attribute, a name, a place and a text.
fn query(columns: &[ColumnLabel]) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let wanted: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(n, c)| format!("({n}, {}, {}, {})", quoted(&c.schema), quoted(&c.table), quoted(&c.column)))
        .collect();
    // Partitions and inheritance children hold the same column under their own OID, and whoever reads a parent reads its
    // children. A view depends on the columns that it uses; where it uses a whole row (`varattno 0` in its rule) the catalog
    // notes no column.
    // Its operators are the server's own, whatever the role or the client has put first in the search path: others' would run,
    // and say what is labelled.
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY NOT DEFERRABLE; SET LOCAL search_path = pg_catalog; \
         WITH RECURSIVE wanted(n, s, t, c) AS (VALUES {}), \
         tree(oid, c, n) AS (SELECT r.oid, w.c, w.n FROM wanted w JOIN pg_catalog.pg_namespace n ON n.nspname = w.s \
           JOIN pg_catalog.pg_class r ON r.relnamespace = n.oid AND r.relname = w.t \
           UNION SELECT i.inhrelid, tree.c, tree.n FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid), \
         family(oid, c, n) AS (SELECT oid, c, n FROM tree \
           UNION SELECT i.inhparent, f.c, f.n FROM family f JOIN pg_catalog.pg_inherits i ON i.inhrelid = f.oid), \
         labelled(oid, attnum, n) AS (SELECT a.attrelid, a.attnum, f.n FROM family f \
           JOIN pg_catalog.pg_attribute a ON a.attrelid = f.oid AND a.attname = f.c), \
         uses(view, oid, attnum, whole) AS (SELECT r.ev_class, d.refobjid, d.refobjsubid, \
             d.refobjsubid = 0 OR pg_catalog.strpos(r.ev_action::pg_catalog.text, ':varattno 0 ') > 0 \
           FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND r.ev_class <> d.refobjid \
           WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
             AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass), \
         views(oid) AS (SELECT u.view FROM labelled l JOIN uses u ON u.oid = l.oid AND (u.whole OR u.attnum = l.attnum) \
           UNION SELECT u.view FROM views v JOIN uses u ON u.oid = v.oid), \
         found(oid) AS (SELECT oid FROM labelled UNION SELECT oid FROM views) \
         SELECT l.oid::pg_catalog.int8, l.attnum::pg_catalog.int4, r.relname, l.n, ''::pg_catalog.text FROM labelled l \
           JOIN pg_catalog.pg_class r ON r.oid = l.oid \
         UNION ALL SELECT v.oid::pg_catalog.int8, 0, r.relname, -1, \
           CASE WHEN r.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(r.oid) ELSE '' END FROM views v \
           JOIN pg_catalog.pg_class r ON r.oid = v.oid \
         UNION ALL SELECT a.attrelid::pg_catalog.int8, a.attnum::pg_catalog.int4, r.relname, -2, a.attname::pg_catalog.text \
           FROM found f JOIN pg_catalog.pg_class r ON r.oid = f.oid \
           JOIN pg_catalog.pg_attribute a ON a.attrelid = f.oid AND a.attnum > 0 AND NOT a.attisdropped \
         UNION ALL SELECT r.oid::pg_catalog.int8, 0, '', -3, '' FROM pg_catalog.pg_class r \
           WHERE r.relkind IN ('r', 'p', 'f') AND r.oid NOT IN (SELECT oid FROM labelled); \
         COMMIT",
        wanted.join(", ")
    )
}

fn read(rows: &[Vec<String>], columns: Vec<ColumnLabel>) -> Labels {
    let mut labels = Labels::default();
    let mut met = HashSet::new();
    let (mut names, mut attributes, mut views) =
        (HashMap::new(), HashMap::<u32, BTreeMap<i16, String>>::new(), Vec::new());
    for row in rows {
        let [oid, attribute, name, place, text] = row.as_slice() else { continue };
        let (Ok(oid), Ok(attribute), Ok(place)) = (oid.parse::<u32>(), attribute.parse::<i16>(), place.parse::<i64>())
        else {
            continue;
        };
        if !name.is_empty() {
            names.insert(oid, name.clone());
        }
        match (place, usize::try_from(place)) {
            (_, Ok(place)) => {
                met.insert(place);
                labels.numbers.insert((oid, attribute));
                labels.origins.entry((oid, attribute)).or_default().push(place);
                labels.tables.insert(oid);
            }
            (-1, _) => views.push((oid, text.clone())),
            (-2, _) => drop(attributes.entry(oid).or_default().insert(attribute, text.clone())),
            _ => drop(labels.others.insert(oid)),
        }
    }
    for (oid, name) in &names {
        let own = attributes.get(oid);
        let own = || own.into_iter().flatten();
        let labelled =
            own().filter_map(|(number, column)| Some((column.clone(), labels.origins.get(&(*oid, *number))?.clone())));
        let relation = Relation {
            columns: own().map(|(_, column)| column.clone()).collect(),
            labelled: labelled.collect(),
            opaque: false,
        };
        labels.add(name, relation);
    }
    labels.columns = columns;
    let missing = labels.columns.iter().enumerate().filter(|(n, _)| !met.contains(n));
    labels.missing = missing.map(|(_, column)| column.clone()).collect();
    let views = views.into_iter().filter_map(|(oid, text)| {
        Some(views::View::new(oid, names.get(&oid)?.clone(), attributes.remove(&oid).unwrap_or_default(), &text))
    });
    views::label(&mut labels, views.collect());
    labels
}
