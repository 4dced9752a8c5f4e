//! What is called: functions, by whatever notation, and operators.

use super::{SYNTAX, Walk, push};
use crate::sql::{
    Class, function,
    names::{FieldName, FunctionName, Name, add},
    operator,
    setting::{self, Change},
    standing::PathChange,
    statement,
    tree::{Node, Tree},
};

impl Walk {
    pub(super) fn call(&mut self, node: &Node) {
        let arguments = node.list("args");
        // Of an ordered-set aggregate, what it is ordered by are arguments too.
        let count = (!node.has("agg_within_group")).then_some(arguments.len());
        self.function(node.list("funcname"), arguments, count);
    }

    pub(super) fn function(&mut self, names: &[Tree], arguments: &[Tree], count: Option<usize>) {
        let (schema, name) = Tree::qualified(names);
        let dotted = Tree::dotted(names);
        self.facts.redefines |= function::is_opaque(schema, name);
        self.facts.destructive |= function::is_destructive(schema, name) && !self.planned;
        if name == "lo_open" && !arguments.get(1).is_some_and(statement::opens_to_read) {
            self.raise(Class::Write, "opens a large object to be written".to_owned());
        }
        if name == "set_config" && matches!(schema, "" | "pg_catalog") {
            return self.set_config(arguments, dotted);
        }
        let name = Name::new(schema, name);
        let class = function::class_of(&name.schema, &name.name);
        if class == Class::Write {
            self.facts.written.pass(arguments);
        }
        add(&mut self.names.functions, FunctionName { name, arguments: count, may_be_syntax: false });
        self.called(class, dotted);
    }

    /// The same setting by another door.
    pub(super) fn set_config(&mut self, arguments: &[Tree], dotted: String) {
        self.facts.sets = true;
        push(&mut self.facts.functions, dotted.clone());
        let name = Name::new(if dotted.contains('.') { "pg_catalog" } else { "" }, "set_config");
        add(&mut self.names.functions, FunctionName { name, arguments: Some(arguments.len()), may_be_syntax: false });
        let constant =
            |tree: &Tree| tree.as_node().filter(|node| node.name == "AConst").map(|_| statement::value_text(tree));
        let [Some(name), Some(value), Some(local)] =
            statement::arguments(arguments, ["setting_name", "new_value", "is_local"])
        else {
            return self.raise(Class::Admin, format!("calls {dotted}"));
        };
        // pg_dump asks the catalog for the name, so that a version without the setting sets none.
        let named = || self.setting.clone().filter(|_| setting::is_name(name));
        let Some(name) = constant(name).or_else(named) else {
            return self.raise(Class::Admin, format!("calls {dotted}"));
        };
        let value = constant(value);
        let change = value.as_deref();
        let class = match change {
            Some(value) => setting::class_of(&name, Change::To(&[value])),
            None => setting::class_of(&name, Change::Unknown),
        };
        if class <= Class::Session {
            if name.eq_ignore_ascii_case("search_path") {
                let local = constant(local).is_some_and(|local| local == "true");
                self.facts.paths.extend(change.map(|value| PathChange::of_config(value, local)));
            }
        } else if setting::is_custom(&name) {
            push(&mut self.names.settings, name.to_ascii_lowercase());
            self.raise_named(class, format!("calls {dotted}"));
        } else {
            self.raise(class, format!("calls {dotted}"));
        }
    }

    /// `(expression).name`: a column of its value, or a function called with it.
    pub(super) fn field(&mut self, name: &str) {
        push(&mut self.facts.columns, name.to_owned());
        add(&mut self.names.fields, FieldName { of: None, name: name.to_owned() });
        self.facts.redefines |= function::is_opaque("", name);
        self.facts.destructive |= function::is_destructive("", name) && !self.planned;
        self.called(function::class_of_field(name), name.to_owned());
    }

    pub(super) fn operator(&mut self, names: &[Tree]) {
        let (schema, name) = Tree::qualified(names);
        // `BETWEEN` and the like are the grammar's own, and stand for comparisons.
        if !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            add(&mut self.names.operators, Name::new(schema, name));
        }
        let class = operator::class_of(names);
        if class > Class::Read {
            self.raise_named(
                class,
                format!("uses the operator {}, which is not known to be harmless", Tree::dotted(names)),
            );
        }
    }

    pub(super) fn called(&mut self, class: Class, dotted: String) {
        match class {
            Class::Session | Class::Read => {}
            Class::Write => self.raise_named(class, format!("calls {dotted}, which is not known to be harmless")),
            Class::Ddl | Class::Admin => self.raise_named(class, format!("calls {dotted}")),
        }
        push(&mut self.facts.functions, dotted);
    }

    /// What a newer server's grammar reads as syntax is a call of a function at an older one.
    pub(super) fn syntax(&mut self, node: &str) {
        for (_, name) in SYNTAX.iter().filter(|(known, _)| *known == node) {
            let name = Name::new("", name);
            add(&mut self.names.functions, FunctionName { name, arguments: None, may_be_syntax: true });
        }
    }
}
