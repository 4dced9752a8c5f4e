//! Which columns of a view show a labelled value: those whose expressions name one, in the view's own definition.

use super::labels::Labels;
use std::collections::BTreeMap;
use weir_policy::sql::{self, Sources};

/// A view that uses labelled columns, or views of them.
#[derive(Debug)]
pub(super) struct View {
    oid: u32,
    name: String,
    columns: BTreeMap<i16, String>,
    /// What each column is made of; none where nobody can tell.
    lineage: Option<Vec<Sources>>,
    /// The relations that it reads.
    reads: Vec<String>,
}

impl View {
    /// From its definition, empty where it has none: a table with rules.
    pub(super) fn new(oid: u32, name: String, columns: BTreeMap<i16, String>, definition: &str) -> Self {
        let facts = sql::facts(definition);
        let lineage = facts.lineage.outputs.filter(|outputs| outputs.len() == columns.len() && !definition.is_empty());
        Self { oid, name, columns, lineage, reads: facts.reads }
    }
}

/// Labels the columns of views, of views of views too.
pub(super) fn label(labels: &mut Labels, views: Vec<View>) {
    for view in views.iter().filter(|view| view.lineage.is_none()) {
        labels.rules.insert(view.oid);
        labels.relations.entry(view.name.clone()).or_default().opaque = true;
    }
    // A column more is labelled in each round, or it is the last.
    loop {
        let mut more = false;
        for view in &views {
            let Some(lineage) = &view.lineage else { continue };
            let reads: Vec<&str> = view.reads.iter().map(String::as_str).collect();
            for ((number, column), sources) in view.columns.iter().zip(lineage) {
                if !labels.numbers.contains(&(view.oid, *number)) && labels.shows(sources, &reads, &[]) {
                    labels.numbers.insert((view.oid, *number));
                    labels.tables.insert(view.oid);
                    // It is no column that policy could permit.
                    let relation = labels.relations.entry(view.name.clone()).or_default();
                    relation.labelled.insert(column.clone(), Vec::new());
                    more = true;
                }
            }
        }
        if !more {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::labels::Relation;
    use std::collections::HashMap;
    use weir_shared::config::checked::ColumnLabel;

    #[test]
    fn columns_of_views_are_labelled_by_what_they_are_made_of() {
        let columns = ["id", "name", "ssn"].map(str::to_owned).to_vec();
        let customers = Relation { columns, labelled: HashMap::from([("ssn".to_owned(), vec![0])]), opaque: false };
        let label = ColumnLabel { schema: "public".into(), table: "customers".into(), column: "ssn".into() };
        let mut labels = Labels { columns: vec![label], ..Labels::default() };
        labels.relations.insert("customers".to_owned(), customers);
        let view = |oid, name: &str, columns: &[&str], definition| {
            let columns = (1..).zip(columns.iter().map(|column| (*column).to_owned())).collect();
            View::new(oid, name.to_owned(), columns, definition)
        };
        let views = vec![
            view(3, "outer", &["a", "b"], "SELECT v.n + 1 AS a, v.id AS b FROM public.v;"),
            view(
                1,
                "v",
                &["id", "n"],
                "SELECT customers.id, replace(customers.ssn, '-', '')::bigint AS n FROM public.customers;",
            ),
            view(2, "rows", &["id", "c"], "SELECT c.id, c.*::public.customers AS c FROM public.customers c;"),
            view(
                4,
                "clean",
                &["id", "n"],
                "SELECT c.id, count(*) AS n FROM public.customers c WHERE c.ssn <> '' GROUP BY c.id;",
            ),
            view(5, "ruled", &["x"], ""),
        ];
        for view in &views {
            let relation = labels.relations.entry(view.name.clone()).or_default();
            relation.columns = view.columns.values().cloned().collect();
        }
        super::label(&mut labels, views);
        let mut numbers: Vec<_> = labels.numbers.iter().copied().collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [(1, 2), (2, 2), (3, 1)]);
        assert!(labels.rules.contains(&5) && labels.relations["ruled"].opaque);
        assert!(labels.hides("public.v", "n", true, &[true]), "a view's column is never seen");
        assert!(!labels.hides("v", "id", true, &[]) && !labels.hides("customers", "name", true, &[]));
        assert!(labels.hides("customers", "to_jsonb", true, &[]), "it is called with the row");
        assert!(labels.hides("customers", "ssn", true, &[]) && !labels.hides("customers", "ssn", true, &[true]));
    }
}
