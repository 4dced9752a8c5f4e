//! What a text writes by itself into columns: literals, parameters and NULLs in VALUES and SET. What it only compares is
//! not among it.

use super::tree::{Node, Tree};

/// So much is noted of one text.
const MOST: usize = 1000;

/// What is written, as far as it can matter to masks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Literals that look as if they held a mask.
    pub literals: Vec<String>,
    /// Numbers of parameters, from 1, and the column that each is written to; empty when that is not named.
    pub parameters: Vec<(usize, String)>,
    /// Columns that NULL is written to.
    pub nulls: Vec<String>,
    /// What EXECUTE gives for a parameter, by its number: a literal that looks as if it held a mask, or NULL.
    pub arguments: Vec<(usize, Option<String>)>,
    /// What goes to functions that are not known to be harmless: written, if they are not.
    pub passed: Option<Box<Self>>,
    /// Rows that the client sends for a COPY.
    pub copied: bool,
    /// There is more than is noted here: any parameter may be written.
    pub more: bool,
}

impl Written {
    /// True when nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// This text, and what a name in it stands for.
    pub(super) fn join(&mut self, stood_for: &Self) {
        self.literals.extend_from_slice(&stood_for.literals);
        self.parameters.extend_from_slice(&stood_for.parameters);
        self.nulls.extend_from_slice(&stood_for.nulls);
        self.more |= stood_for.more;
        if let Some(passed) = &stood_for.passed {
            self.passed.get_or_insert_default().join(passed);
        }
    }

    /// Notes the arguments of a function that is not known to be harmless.
    pub(super) fn pass(&mut self, arguments: &[Tree]) {
        let mut passed = self.passed.take().unwrap_or_default();
        arguments.iter().for_each(|argument| passed.inside("", argument));
        self.passed = (!passed.is_empty()).then_some(passed);
    }

    /// Notes what an INSERT, UPDATE, COPY or a part of MERGE writes, and what an EXECUTE would have written.
    pub(super) fn note(&mut self, statement: &Node) {
        match statement.name {
            "ExecuteStmt" => self.execute(statement),
            "InsertStmt" => self.insert(statement),
            "CopyStmt" => self.copied |= statement.has("is_from") && !statement.has("filename"),
            "UpdateStmt" | "OnConflictClause" => self.targets(statement.list("target_list")),
            "MergeWhenClause" => {
                let targets = statement.list("target_list");
                let values = statement.list("values");
                if values.is_empty() {
                    return self.targets(targets);
                }
                for (at, value) in values.iter().enumerate() {
                    self.value(name_at(targets, at), value);
                }
            }
            _ => {}
        }
    }

    fn insert(&mut self, insert: &Node) {
        let columns = insert.list("cols");
        let Some(select) = insert.field("select_stmt").as_node() else { return };
        for row in select.list("values_lists") {
            for (at, value) in items(row).iter().enumerate() {
                self.value(name_at(columns, at), value);
            }
        }
        for (at, target) in select.list("target_list").iter().enumerate() {
            if let Some(target) = target.as_node() {
                self.value(name_at(columns, at), target.field("val"));
            }
        }
    }

    fn execute(&mut self, execute: &Node) {
        for (at, value) in execute.list("params").iter().enumerate().take(MOST) {
            if value.as_node().map(constant).is_some_and(|node| node.name == "AConst" && node.has("isnull")) {
                self.arguments.push((at + 1, None));
                continue;
            }
            let mut inside = Self::default();
            inside.inside("", value);
            self.arguments.extend(inside.literals.into_iter().map(|literal| (at + 1, Some(literal))));
        }
    }

    /// `SET a = 1, (b, c) = (2, 3)`
    fn targets(&mut self, targets: &[Tree]) {
        for target in targets.iter().filter_map(Tree::as_node) {
            let value = target.field("val");
            let shared = value.as_node().filter(|node| node.name == "MultiAssignRef");
            let row = shared.and_then(|shared| Some((shared.field("source").as_node()?, shared.number("colno"))));
            let one = row.and_then(|(row, number)| row.list("args").get(usize::try_from(number).ok()?.checked_sub(1)?));
            self.value(target.text("name"), one.unwrap_or(value));
        }
    }

    fn value(&mut self, column: &str, value: &Tree) {
        if self.literals.len() + self.parameters.len() + self.nulls.len() >= MOST {
            self.more = true;
            return self.inside(column, value);
        }
        match value.as_node().map(constant) {
            Some(node) if node.name == "AConst" && node.has("isnull") => self.nulls.push(column.to_owned()),
            _ => self.inside(column, value),
        }
    }

    /// Literals and parameters anywhere in an expression; of a query in it, what it gives.
    fn inside(&mut self, column: &str, tree: &Tree) {
        match tree {
            Tree::List(items) => items.iter().for_each(|item| self.inside(column, item)),
            Tree::Node(node) => match node.name {
                "AConst" | "String" => self.literal(tree.as_text()),
                "ParamRef" if self.parameters.len() < MOST => {
                    let number = usize::try_from(node.number("number")).unwrap_or(0);
                    self.parameters.push((number, column.to_owned()));
                }
                "SelectStmt" => {
                    let targets = node.list("target_list").iter().filter_map(Tree::as_node);
                    targets.for_each(|target| self.inside(column, target.field("val")));
                    for row in node.list("values_lists") {
                        self.inside(column, row);
                    }
                }
                _ => node.fields.iter().for_each(|(_, field)| self.inside(column, field)),
            },
            Tree::Nothing | Tree::Flag | Tree::Number(_) | Tree::Text(_) => {}
        }
    }

    fn literal(&mut self, text: &str) {
        // Every mask in text has one of these.
        if text.contains("[masked") && self.literals.iter().map(String::len).sum::<usize>() < 1024 * 1024 {
            self.literals.push(text.to_owned());
        }
    }
}

/// What a cast is of.
fn constant(node: &Node) -> &Node {
    match node.field("arg").as_node() {
        Some(inner) if node.name == "TypeCast" => constant(inner),
        _ => node,
    }
}

fn items(row: &Tree) -> &[Tree] {
    match row {
        Tree::List(items) => items,
        Tree::Node(node) if node.name == "List" => node.list("items"),
        _ => &[],
    }
}

fn name_at(targets: &[Tree], at: usize) -> &str {
    targets.get(at).and_then(Tree::as_node).map_or("", |target| target.text("name"))
}

#[cfg(test)]
mod tests {
    use crate::sql::facts;

    #[test]
    fn what_is_written_is_told_from_what_is_compared() {
        for (text, literals, parameters, nulls) in [
            ("UPDATE t SET a = '[masked:email]' WHERE b = '[masked:card]'", vec!["[masked:email]"], vec![], vec![]),
            ("UPDATE t SET a = 'x ' || '[masked:card]'::text, b = NULL", vec!["[masked:card]"], vec![], vec!["b"]),
            ("UPDATE t SET (a, b) = ($1, NULL) WHERE c = $2", vec![], vec![(1, "a")], vec!["b"]),
            (
                "INSERT INTO t (a, b) VALUES ('[masked]', $2), (NULL::text, 'y')",
                vec!["[masked]"],
                vec![(2, "b")],
                vec!["a"],
            ),
            (
                "INSERT INTO t SELECT '[masked:phone]' FROM u WHERE a = '[masked:email]'",
                vec!["[masked:phone]"],
                vec![],
                vec![],
            ),
            ("INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = $1", vec![], vec![(1, "b")], vec![]),
            (
                "WITH x AS (UPDATE t SET a = $1 RETURNING a) SELECT * FROM x WHERE a = $2",
                vec![],
                vec![(1, "a")],
                vec![],
            ),
            ("UPDATE t SET a = (SELECT b FROM u WHERE c = '[masked:email]' AND d = $1)", vec![], vec![], vec![]),
            ("SELECT '[masked:email]', $1, NULL", vec![], vec![], vec![]),
            ("DELETE FROM t WHERE a = '[masked:email]'", vec![], vec![], vec![]),
        ] {
            let written = facts(text).written;
            let named: Vec<(usize, &str)> = written.parameters.iter().map(|(n, c)| (*n, c.as_str())).collect();
            assert_eq!(
                (&written.literals[..], &named[..], &written.nulls[..]),
                (
                    &literals.iter().map(ToString::to_string).collect::<Vec<_>>()[..],
                    &parameters[..],
                    &nulls.iter().map(ToString::to_string).collect::<Vec<_>>()[..]
                ),
                "{text}"
            );
            assert!(!written.more);
        }
        let executed = facts("EXECUTE q('x', NULL, 'a [masked:email]'::text)").written.arguments;
        assert_eq!(executed, [(2, None), (3, Some("a [masked:email]".to_owned()))]);
        let passed = facts("SELECT lower('[masked]'), save('[masked:email]', $2, NULL)").written.passed.unwrap();
        assert_eq!(
            (&passed.literals[..], &passed.parameters[..]),
            (&["[masked:email]".to_owned()][..], &[(2, String::new())][..])
        );
        let many = format!("INSERT INTO t (a) VALUES {}", ["($1)"; 1500].join(", "));
        assert!(facts(&many).written.more);
    }
}
