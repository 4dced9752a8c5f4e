//! What names mean where they stand: the items of FROM, of the query and of those around it.

use super::{Item, MOST_STEPS, Outputs, Sources, Walk, alias, dotted};
use crate::sql::tree::Tree;
use std::rc::Rc;

impl Walk {
    pub(super) fn push(&mut self, alias: &str, outputs: Rc<Outputs>) {
        if let Some(frame) = self.frames.last_mut() {
            frame.push(Item { alias: alias.to_owned(), outputs });
        }
    }

    /// A relation's own item.
    pub(super) fn item(&self, relation: &Tree) -> Item {
        let Some(node) = relation.as_node() else { return Item { alias: String::new(), outputs: Rc::default() } };
        let (alias, names) = alias(node);
        let alias = if alias.is_empty() { node.text("relname") } else { alias };
        let outputs = Outputs { through: vec![dotted(node)], ..Outputs::default() }.renamed(names);
        Item { alias: alias.to_owned(), outputs: Rc::new(outputs) }
    }

    /// An item of FROM comes into scope.
    pub(super) fn from(&mut self, tree: &Tree) {
        let Some(node) = tree.as_node() else { return };
        let (name, names) = alias(node);
        match node.name {
            "RangeVar" => {
                let relation = node.text("relname");
                let cte = self.ctes.iter().rev().find(|cte| !node.has("schemaname") && cte.alias == relation);
                let item = match cte {
                    None => self.item(tree),
                    Some(cte) => {
                        let outputs = if names.is_empty() {
                            Rc::clone(&cte.outputs)
                        } else {
                            Rc::new(Outputs::clone(&cte.outputs).renamed(names))
                        };
                        Item { alias: if name.is_empty() { relation } else { name }.to_owned(), outputs }
                    }
                };
                self.push(&item.alias, item.outputs);
            }
            "RangeSubselect" => {
                let outputs = self.of_tree(node.field("subquery")).renamed(names);
                self.push(name, Rc::new(outputs));
            }
            "JoinExpr" => {
                let before = self.frames.last().map_or(0, Vec::len);
                self.from(node.field("larg"));
                self.from(node.field("rarg"));
                self.visit(node.field("quals"));
                let merged = node.field("join_using_alias").as_node().map_or("", |alias| alias.text("aliasname"));
                if !name.is_empty() || !merged.is_empty() {
                    let mut outputs = Outputs::default();
                    for item in self.frames.last().and_then(|frame| frame.get(before..)).unwrap_or_default() {
                        self.steps += item.outputs.columns.len() + item.outputs.through.len();
                        if self.steps <= MOST_STEPS {
                            outputs.extend(&item.outputs);
                        }
                    }
                    let outputs = Rc::new(outputs.renamed(names));
                    for alias in [name, merged].into_iter().filter(|alias| !alias.is_empty()) {
                        self.push(alias, Rc::clone(&outputs));
                    }
                }
            }
            "RangeTableSample" => {
                self.from(node.field("relation"));
                self.visit(node.field("args"));
                self.visit(node.field("repeatable"));
            }
            // A function, XMLTABLE, JSON_TABLE.
            _ => {
                let sources = self.children(node);
                self.push(name, Rc::new(Outputs::blurred(sources)));
            }
        }
    }

    /// What `*`, or `alias.*`, shows.
    pub(super) fn star(&mut self, qualifier: Option<&str>) -> Outputs {
        let mut outputs = Outputs::default();
        let mut found = false;
        for frame in self.frames.iter().rev() {
            for item in frame.iter().filter(|item| qualifier.is_none_or(|alias| item.alias == alias)) {
                found = true;
                self.steps += item.outputs.columns.len() + item.outputs.through.len() + 1;
                if self.steps > MOST_STEPS {
                    return Outputs::blurred(Sources::anything());
                }
                outputs.extend(&item.outputs);
            }
            if found {
                break;
            }
        }
        if !found {
            outputs.columns.push((String::new(), Sources::anything()));
        }
        outputs
    }

    /// What a column's name stands for, in all queries around.
    pub(super) fn lookup(&mut self, qualifier: Option<&str>, name: &str) -> Sources {
        let mut sources = Sources::default();
        let (mut named, mut through) = (false, Vec::new());
        let mut others = 0;
        for item in self.frames.iter().flatten() {
            self.steps += item.outputs.columns.len() + item.outputs.through.len() + 1;
            if self.steps > MOST_STEPS {
                return Sources::anything();
            }
            if qualifier.is_some_and(|alias| item.alias != alias) {
                continue;
            }
            others += item.outputs.columns.len();
            let mut here = false;
            for (_, of) in item.outputs.columns.iter().filter(|(own, _)| own.is_empty() || own == name) {
                here = true;
                sources.add(of);
            }
            if !here && !item.outputs.open() && qualifier.is_some() {
                // No column of it: a function that is called with its row.
                sources.add(&item.outputs.all());
                here = true;
            }
            named |= here;
            for relation in &item.outputs.through {
                if !through.contains(relation) {
                    through.push(relation.clone());
                }
            }
        }
        if !through.is_empty() || !named {
            let certain = through.len() == 1 && (qualifier.is_some() || others == 0);
            sources.add(&Sources::of(if certain { through.pop() } else { None }, name));
        }
        sources
    }
}
