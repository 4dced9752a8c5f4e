//! What a name that the session itself has made stands for: prepared statements, cursors, the search path.

use super::{
    Facts, Lineage,
    names::add,
    tree::{Node, Tree},
};
use std::sync::Arc;

/// A statement that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The name.
    pub name: String,
    /// The facts of what it stands for.
    pub facts: Arc<Facts>,
}

/// A change of where names are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathChange {
    /// Schemas in their order; none: what the session began with.
    pub to: Option<Vec<String>>,
    /// Until the end of the transaction.
    pub local: bool,
    /// It is so once the statement has ended well. A call may not have been made at all.
    pub certain: bool,
}

impl PathChange {
    /// Of `SET search_path`.
    pub(super) fn of_set(node: &Node, values: Option<Vec<String>>) -> Self {
        Self { to: values, local: node.has("is_local"), certain: true }
    }

    /// Of `set_config`, whose one value is a list.
    pub(super) fn of_config(value: &str, local: bool) -> Self {
        Self { to: Some(list(value)), local, certain: false }
    }
}

/// A list of names as the server splits it (`SplitIdentifierString`): commas separate, double quotes keep, what is not quoted
/// is in small letters.
#[must_use]
pub fn list(text: &str) -> Vec<String> {
    let (mut names, mut name, mut quoted, mut was_quoted) = (Vec::new(), String::new(), false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                name.push('"');
            }
            '"' => {
                quoted = !quoted;
                was_quoted = true;
            }
            ',' if !quoted => {
                push(&mut names, &mut name, was_quoted);
                was_quoted = false;
            }
            c if c.is_whitespace() && !quoted => {}
            c if quoted => name.push(c),
            c => name.extend(c.to_lowercase()),
        }
    }
    push(&mut names, &mut name, was_quoted);
    names
}

fn push(names: &mut Vec<String>, name: &mut String, quoted: bool) {
    let name = std::mem::take(name);
    if quoted || !name.is_empty() {
        names.push(name);
    }
}

impl Facts {
    /// These facts with those of what a name in the statement stands for: it is as dangerous as both, and touches what both do.
    #[must_use]
    pub fn with(mut self, stood_for: &Self) -> Self {
        self.names = Arc::new(self.names.joined(&stood_for.names));
        if stood_for.class > self.class {
            self.class = stood_for.class;
            self.reason = format!("{}: {}", self.reason, stood_for.reason);
        }
        if stood_for.certain > self.certain {
            self.certain = stood_for.certain;
            self.certain_reason = format!("{}: {}", self.certain_reason, stood_for.certain_reason);
        }
        let lists = [
            (&mut self.reads, &stood_for.reads),
            (&mut self.writes, &stood_for.writes),
            (&mut self.columns, &stood_for.columns),
            (&mut self.functions, &stood_for.functions),
        ];
        for (list, others) in lists {
            others.iter().for_each(|name| add(list, name.clone()));
        }
        if self.statements == 1 && self.stands_for.is_empty() {
            // The answer is that of the one thing that it runs.
            self.lineage = stood_for.lineage.clone();
        } else {
            self.lineage = Lineage { by_name: true, ..self.lineage.joined(&stood_for.lineage) };
        }
        self.has_where &= stood_for.has_where;
        self.destructive |= stood_for.destructive;
        self.exposure = self.exposure.or(stood_for.exposure);
        self.changes.extend_from_slice(&stood_for.changes);
        self.written.join(&stood_for.written);
        self.redefines |= stood_for.redefines;
        self.sets |= stood_for.sets;
        self.settings |= stood_for.settings;
        self.opaque |= stood_for.opaque;
        self.has_password |= stood_for.has_password;
        self
    }
}

/// The query of a `PREPARE` or a `DECLARE`.
pub(super) fn query(node: &Node) -> &Tree {
    node.field("query")
}

#[cfg(test)]
mod tests {
    use super::super::{Class, facts};
    use super::*;

    #[test]
    fn lists_split_as_the_server_splits_them() {
        for (text, expected) in [
            ("a, Public", &["a", "public"][..]),
            ("\"$user\", public", &["$user", "public"]),
            ("\"A,b\"\"c\" , d", &["A,b\"c", "d"]),
            ("", &[]),
            ("\"\"", &[""]),
        ] {
            assert_eq!(list(text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_is_what_it_stands_for() {
        let prepared = facts("PREPARE p AS DELETE FROM staging");
        let [stood_for] = prepared.prepares.as_slice() else { panic!("{prepared:?}") };
        let run = facts("EXECUTE p").with(&stood_for.facts);
        assert_eq!((run.class, run.has_where, run.writes), (Class::Write, false, vec!["staging".to_owned()]));
        assert_eq!(run.reason, "EXECUTE p: DELETE without WHERE");
        let declared = facts("DECLARE c CURSOR FOR SELECT upper(v) FROM secrets");
        let [stood_for] = declared.declares.as_slice() else { panic!("{declared:?}") };
        let fetched = facts("FETCH ALL c");
        assert_eq!((fetched.class, fetched.fetches.as_slice()), (Class::Session, &["c".to_owned()][..]));
        let fetched = fetched.with(&stood_for.facts);
        assert_eq!(fetched.reads, ["secrets"]);
        // Its answer is made of what the cursor's is.
        assert_eq!(fetched.lineage, facts("SELECT upper(v) FROM secrets").lineage);
        assert_ne!(fetched.lineage, facts("SELECT 1").lineage);
    }
}
