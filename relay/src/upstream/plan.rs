//! What a plan says (documentation, "EXPLAIN", `FORMAT JSON`): how many rows, and its nodes in a few lines. Conditions are
//! left out, since they hold values. The server may say anything.

use crate::approval::text::visible;
use serde::Deserialize;
use weir_shared::api::RowEstimate;

/// Lines of a plan.
const LINES: usize = 12;
/// Characters of a name.
const NAME: usize = 80;
/// More rows than this are this many: every reader of JSON knows the number.
const MOST: f64 = 1e15;

#[derive(Deserialize)]
struct Explained {
    #[serde(rename = "Plan")]
    plan: Node,
}

#[derive(Deserialize)]
struct Node {
    #[serde(rename = "Node Type")]
    kind: String,
    #[serde(rename = "Operation")]
    operation: Option<String>,
    #[serde(rename = "Relation Name")]
    relation: Option<String>,
    #[serde(rename = "Parent Relationship")]
    relationship: Option<String>,
    #[serde(rename = "Plan Rows")]
    rows: f64,
    #[serde(rename = "Plans", default)]
    plans: Vec<Self>,
}

/// Reads the one value that EXPLAIN gives.
///
/// # Errors
/// Why there is no estimate, in a short phrase.
pub(super) fn read(json: &str) -> Result<RowEstimate, String> {
    let not_understood = || "the server's plan could not be understood".to_owned();
    // Its depth is bounded by the parser, its size by whoever has read it.
    let explained: Vec<Explained> = serde_json::from_str(json).map_err(|_| not_understood())?;
    let [Explained { plan }] = explained.as_slice() else { return Err(not_understood()) };
    let changed = plan.changed();
    let mut lines = Lines::default();
    plan.lines(0, &mut lines);
    if lines.more > 0 {
        lines.shown.push(format!("and {} more", lines.more));
    }
    Ok(RowEstimate { rows: count(changed.unwrap_or(plan.rows)), plan: lines.shown })
}

/// Rows that change, with the name of each relation.
///
/// # Errors
/// Why that cannot be told, in a short phrase.
pub(super) fn changed(json: &str) -> Result<Vec<(String, u64)>, String> {
    let not_understood = |_| "the server's plan could not be understood".to_owned();
    let explained: Vec<Explained> = serde_json::from_str(json).map_err(not_understood)?;
    let mut changed = Vec::new();
    explained.iter().for_each(|explained| explained.plan.each_changed(&mut changed));
    Ok(changed)
}

#[derive(Default)]
struct Lines {
    shown: Vec<String>,
    more: usize,
}

impl Node {
    fn changes(&self) -> bool {
        self.kind == "ModifyTable"
    }

    /// Rows that its nodes change, all together; none when it changes nothing. The node that changes says 0 rows itself, unless
    /// it returns some.
    fn changed(&self) -> Option<f64> {
        let own = self.changes().then(|| self.fed());
        self.plans.iter().filter_map(Self::changed).chain(own).reduce(|a, b| a + b)
    }

    fn each_changed(&self, changed: &mut Vec<(String, u64)>) {
        if let Some(relation) = self.relation.as_ref().filter(|_| self.changes()) {
            changed.push((relation.clone(), count(self.fed())));
        }
        self.plans.iter().for_each(|plan| plan.each_changed(changed));
    }

    /// Rows that the nodes below give it.
    fn fed(&self) -> f64 {
        self.plans.iter().filter(|plan| plan.feeds()).map(|plan| plan.rows).sum()
    }

    /// Its rows go to the node above it: it is not run beside it.
    fn feeds(&self) -> bool {
        !matches!(self.relationship.as_deref(), Some("InitPlan" | "SubPlan"))
    }

    fn lines(&self, depth: usize, lines: &mut Lines) {
        if lines.shown.len() < LINES {
            lines.shown.push(self.line(depth));
        } else {
            lines.more += 1;
        }
        self.plans.iter().for_each(|plan| plan.lines(depth + 1, lines));
    }

    fn line(&self, depth: usize) -> String {
        let kind = self.operation.as_ref().filter(|_| self.changes()).unwrap_or(&self.kind);
        let on = self.relation.as_ref().map(|relation| format!(" on {}", name(relation))).unwrap_or_default();
        let rows = match count(self.rows) {
            _ if self.changes() => String::new(),
            1 => ", 1 row".to_owned(),
            rows => format!(", {rows} rows"),
        };
        format!("{:indent$}{}{on}{rows}", "", name(kind), indent = 2 * depth.min(LINES))
    }
}

/// On one line, with nothing in it that misleads.
fn name(text: &str) -> String {
    visible(text).chars().map(|c| if c.is_whitespace() { ' ' } else { c }).take(NAME).collect()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and within bounds")]
fn count(rows: f64) -> u64 {
    // What is no number is none.
    rows.round().clamp(0.0, MOST) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As servers say it; what is not looked at is shortened.
    fn node(text: &str) -> String {
        format!(r#"[{{"Plan": {text}}}]"#)
    }

    #[test]
    fn a_delete_counts_the_rows_below_it() {
        // EXPLAIN (FORMAT JSON) DELETE FROM orders WHERE id = 9, PostgreSQL 15.
        let json = r#"[
          {
            "Plan": {
              "Node Type": "ModifyTable",
              "Operation": "Delete",
              "Parallel Aware": false,
              "Async Capable": false,
              "Relation Name": "orders",
              "Alias": "orders",
              "Startup Cost": 0.00,
              "Total Cost": 2.25,
              "Plan Rows": 0,
              "Plan Width": 0,
              "Plans": [
                {
                  "Node Type": "Index Scan",
                  "Parent Relationship": "Outer",
                  "Parallel Aware": false,
                  "Async Capable": false,
                  "Scan Direction": "Forward",
                  "Index Name": "orders_pkey",
                  "Relation Name": "orders",
                  "Alias": "orders",
                  "Startup Cost": 0.00,
                  "Total Cost": 2.25,
                  "Plan Rows": 1,
                  "Plan Width": 6,
                  "Index Cond": "(id = 9)"
                }
              ]
            }
          }
        ]"#;
        let estimate = read(json).unwrap();
        assert_eq!(estimate.rows, 1);
        assert_eq!(estimate.plan, ["Delete on orders", "  Index Scan on orders, 1 row"]);
    }

    #[test]
    fn partitions_and_changes_in_common_table_expressions_sum() {
        // PostgreSQL 13 has a member a partition.
        let members = node(
            r#"{"Node Type": "ModifyTable", "Operation": "Update", "Relation Name": "t", "Plan Rows": 5, "Plans": [
                {"Node Type": "Seq Scan", "Parent Relationship": "InitPlan", "Plan Rows": 70},
                {"Node Type": "Seq Scan", "Parent Relationship": "Member", "Relation Name": "t1", "Plan Rows": 2},
                {"Node Type": "Seq Scan", "Parent Relationship": "Member", "Relation Name": "t2", "Plan Rows": 3}]}"#,
        );
        assert_eq!(read(&members).unwrap().rows, 5);
        let ctes = node(
            r#"{"Node Type": "Aggregate", "Plan Rows": 1, "Plans": [
                {"Node Type": "ModifyTable", "Operation": "Delete", "Parent Relationship": "InitPlan", "Plan Rows": 40,
                 "Plans": [{"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Plan Rows": 40}]},
                {"Node Type": "ModifyTable", "Operation": "Insert", "Parent Relationship": "InitPlan", "Plan Rows": 0,
                 "Plans": [{"Node Type": "Result", "Parent Relationship": "Outer", "Plan Rows": 2}]},
                {"Node Type": "CTE Scan", "Parent Relationship": "Outer", "CTE Name": "x", "Plan Rows": 40}]}"#,
        );
        let estimate = read(&ctes).unwrap();
        assert_eq!(estimate.rows, 42);
        assert_eq!(estimate.plan.first().unwrap(), "Aggregate, 1 row");
        assert_eq!(estimate.plan.last().unwrap(), "  CTE Scan, 40 rows");
    }

    #[test]
    fn what_changes_nothing_counts_what_it_gives() {
        assert_eq!(read(&node(r#"{"Node Type": "Seq Scan", "Plan Rows": 1234}"#)).unwrap().rows, 1234);
    }

    #[test]
    fn numbers_may_be_nonsense() {
        for (rows, expected) in
            [("-3", 0), ("1e300", 1_000_000_000_000_000), ("0.6", 1), ("18446744073709551616", 1_000_000_000_000_000)]
        {
            assert_eq!(read(&node(&format!(r#"{{"Node Type": "x", "Plan Rows": {rows}}}"#))).unwrap().rows, expected);
        }
        for broken in
            ["", "[]", "{}", "[1]", "null", r#"[{"Plan": {"Node Type": "x", "Plan Rows": "1"}}]"#, r#"[{"Plan": {}}]"#]
        {
            assert!(read(broken).is_err(), "{broken}");
        }
        let two = r#"[{"Plan": {"Node Type": "x", "Plan Rows": 1}}, {"Plan": {"Node Type": "x", "Plan Rows": 1}}]"#;
        assert!(read(two).is_err());
    }

    #[test]
    fn nothing_in_it_misleads() {
        let estimate = read(&node(
            r#"{"Node Type": "Seq\nScan", "Relation Name": "a\u202eb\n  Delete on all", "Filter": "(ssn = '1')", "Plan Rows": 2}"#,
        ));
        assert_eq!(estimate.unwrap().plan, ["Seq Scan on a\\u{202e}b   Delete on all, 2 rows"]);
        let long = read(&node(&format!(r#"{{"Node Type": "{}", "Plan Rows": 2}}"#, "x".repeat(10_000)))).unwrap();
        assert_eq!(long.plan.first().unwrap().len(), NAME + ", 2 rows".len());
    }

    #[test]
    fn long_and_deep_plans_are_cut() {
        let leaf = r#"{"Node Type": "Seq Scan", "Plan Rows": 1}"#;
        let wide = vec![leaf; 1000].join(",");
        let estimate =
            read(&node(&format!(r#"{{"Node Type": "Append", "Plan Rows": 1000, "Plans": [{wide}]}}"#))).unwrap();
        assert_eq!(estimate.rows, 1000);
        assert_eq!(estimate.plan.len(), LINES + 1);
        assert_eq!(estimate.plan.last().unwrap(), "and 989 more");
        let deep = (0..5_000).fold(leaf.to_owned(), |inner, _| {
            format!(r#"{{"Node Type": "Sort", "Plan Rows": 1, "Plans": [{inner}]}}"#)
        });
        assert!(read(&node(&deep)).is_err());
    }
}
