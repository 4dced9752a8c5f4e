//! What each column of an answer is made of, and what is kept or sent on of what: names of columns, followed through
//! sub-selects, common table expressions and set operations. Who knows which columns are labelled asks this of the
//! expressions that the server gives no table for.
//!
//! It goes by names alone: where one could be a column of several relations, it is of any of them. What cannot be followed
//! is everything. Conditions, groups and orders choose rows, and show none.

mod outputs;
mod scope;
mod sources;

pub use sources::{Lineage, Source, Sources, Store};

use super::tree::{Node, Tree};
use outputs::Outputs;
use pg_query::protobuf::{ConstrType, ObjectType, SubLinkType};
use std::rc::Rc;

/// Functions that give their arguments to others: to whoever listens, looks at settings, sequences or locks.
const SENDS: &[&str] = &[
    "pg_notify",
    "set_config",
    "setval",
    "pg_advisory_",
    "pg_try_advisory_",
    "pg_logical_emit_message",
    "lo_from_bytea",
    "lo_put",
    "lowrite",
];
/// Functions whose answers say nothing of the values.
const SILENT: &[&str] = &["count", "pg_typeof", "pg_column_size", "num_nulls", "num_nonnulls"];
/// Steps that following may take: a text can join thousands of relations.
const MOST_STEPS: usize = 200_000;

/// The lineage of a parsed text.
pub(super) fn lineage(tree: &Tree) -> Lineage {
    let statements = tree.as_node().map_or(&[][..], |parsed| parsed.list("stmts"));
    of(&statements.iter().filter_map(|raw| raw.as_node()?.field("stmt").as_node()).collect::<Vec<_>>())
}

/// Of statements that run one after the other.
pub(super) fn of(statements: &[&Node]) -> Lineage {
    let mut walk = Walk::default();
    let mut lineage = Lineage::default();
    let mut answers = Vec::new();
    for statement in statements {
        answers.extend(walk.statement(statement));
    }
    for outputs in &answers {
        lineage.all.add(&outputs.all());
    }
    if let ([outputs], [_]) = (answers.as_slice(), statements) {
        lineage.outputs = (!outputs.open()).then(|| outputs.columns.iter().map(|(_, of)| of.clone()).collect());
    }
    (lineage.stores, lineage.by_name) = (walk.stores, walk.by_name);
    if walk.steps > MOST_STEPS {
        (lineage.outputs, lineage.all) = (None, Sources::anything());
        for store in &mut lineage.stores {
            (store.sources, store.copy_of) = (Sources::anything(), None);
        }
    }
    lineage
}

/// What a name in FROM stands for.
#[derive(Clone, Debug)]
struct Item {
    alias: String,
    outputs: Rc<Outputs>,
}

#[derive(Default)]
struct Walk {
    /// The items of the queries around, the innermost last.
    frames: Vec<Vec<Item>>,
    ctes: Vec<Item>,
    stores: Vec<Store>,
    by_name: bool,
    steps: usize,
}

impl Walk {
    /// The answer of a statement that has one.
    fn statement(&mut self, node: &Node) -> Option<Outputs> {
        match node.name {
            "SelectStmt" | "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => Some(self.query(node)),
            "CopyStmt" if node.has("query") => Some(self.of_tree(node.field("query"))),
            "CopyStmt" => {
                self.visit(node.field("where_clause"));
                None
            }
            "PrepareStmt" | "DeclareCursorStmt" => Some(self.of_tree(node.field("query"))),
            "FetchStmt" | "ExecuteStmt" => {
                self.by_name = true;
                self.visit(node.field("params"));
                Some(Outputs::blurred(Sources::anything()))
            }
            "ExplainStmt" => Some(self.explain(node)),
            "CreateTableAsStmt" => {
                let outputs = self.of_tree(node.field("query"));
                let kept = ObjectType::try_from(node.number("objtype")) == Ok(ObjectType::ObjectMatview);
                if !kept {
                    self.store(String::new(), None, outputs.all());
                }
                None
            }
            "RuleStmt" => {
                let target = self.item(node.field("relation"));
                let named = |alias: &str| Item { alias: alias.to_owned(), ..target.clone() };
                self.frames.push(vec![named("old"), named("new")]);
                self.visit(node.field("where_clause"));
                node.list("actions").iter().for_each(|action| drop(self.of_tree(action)));
                self.frames.pop();
                None
            }
            "AlterTableStmt" | "CreateStmt" => {
                self.definition(node);
                None
            }
            // A view carries its labels: the catalog says what it is made of.
            "ViewStmt" => {
                drop(self.of_tree(node.field("query")));
                None
            }
            _ => {
                let sources = self.children(node);
                (!sources.is_empty()).then(|| Outputs::blurred(sources))
            }
        }
    }

    fn of_tree(&mut self, tree: &Tree) -> Outputs {
        tree.as_node().and_then(|node| self.statement(node)).unwrap_or_default()
    }

    /// It runs nothing, but its estimates tell of the constants that columns are compared with.
    fn explain(&mut self, node: &Node) -> Outputs {
        let stores = self.stores.len();
        let shown = self.of_tree(node.field("query"));
        let analyze = |option: &Tree| option.as_node().is_some_and(|option| option.text("defname") == "analyze");
        if !node.list("options").iter().any(analyze) {
            self.stores.truncate(stores);
        }
        let mut named = Named::default();
        named.visit(node.field("query"), false);
        let mut sources = named.sources();
        sources.anything |= shown.all().anything;
        Outputs::blurred(sources)
    }

    /// Generated columns and changes of type keep values of the relation's others.
    fn definition(&mut self, node: &Node) {
        let target = self.item(node.field("relation"));
        let relation = node.field("relation").as_node().map(dotted).unwrap_or_default();
        self.frames.push(vec![target]);
        let commands = node.list("cmds").iter().filter_map(Tree::as_node);
        let changed = commands.map(|command| (command.text("name"), command.field("def")));
        let made = node.list("table_elts").iter().map(|element| ("", element));
        for (name, definition) in changed.chain(made) {
            let Some(column) = definition.as_node().filter(|node| node.name == "ColumnDef") else {
                self.visit(definition);
                continue;
            };
            let name = if column.has("colname") { column.text("colname") } else { name };
            let mut sources = self.sources(column.field("raw_default"));
            for constraint in column.list("constraints").iter().filter_map(Tree::as_node) {
                let of = self.children(constraint);
                if ConstrType::try_from(constraint.number("contype")) == Ok(ConstrType::ConstrGenerated) {
                    sources.add(&of);
                }
            }
            self.store(relation.clone(), Some(name.to_owned()), sources);
        }
        self.frames.pop();
    }

    fn store(&mut self, relation: String, column: Option<String>, sources: Sources) {
        if !sources.is_empty() {
            self.stores.push(Store { relation, column, sources, ..Store::default() });
        }
    }

    /// A query, or a change that may return rows.
    fn query(&mut self, node: &Node) -> Outputs {
        let (ctes, frames) = (self.ctes.len(), self.frames.len());
        self.with(node);
        let outputs = match node.name {
            "SelectStmt" => self.select(node),
            "InsertStmt" => self.insert(node),
            _ => self.change(node),
        };
        self.ctes.truncate(ctes);
        self.frames.truncate(frames);
        outputs
    }

    fn with(&mut self, node: &Node) {
        let Some(with) = node.field("with_clause").as_node() else { return };
        for cte in with.list("ctes").iter().filter_map(Tree::as_node) {
            let alias = cte.text("ctename").to_owned();
            if with.has("recursive") {
                // A row may go round through any of its columns.
                let mut named = Named::default();
                named.visit(cte.field("ctequery"), true);
                self.steps += named.steps;
                let outputs = Rc::new(Outputs::blurred(named.sources()));
                self.ctes.push(Item { alias: alias.clone(), outputs });
            }
            let mut outputs = self.of_tree(cte.field("ctequery")).renamed(cte.list("aliascolnames"));
            if cte.has("search_clause") || cte.has("cycle_clause") {
                outputs.columns.push((String::new(), outputs.all()));
            }
            self.ctes.push(Item { alias, outputs: Rc::new(outputs) });
        }
    }

    fn select(&mut self, node: &Node) -> Outputs {
        self.frames.push(Vec::new());
        let outputs = if let (Some(left), Some(right)) = (node.field("larg").as_node(), node.field("rarg").as_node()) {
            let left = self.query(left);
            left.joined(&self.query(right))
        } else if node.has("values_lists") {
            self.values(node.list("values_lists"))
        } else {
            node.list("from_clause").iter().for_each(|item| self.from(item));
            self.targets(node.list("target_list"))
        };
        const SHOWN: [&str; 7] =
            ["with_clause", "target_list", "from_clause", "values_lists", "larg", "rarg", "into_clause"];
        node.fields.iter().filter(|(field, _)| !SHOWN.contains(field)).for_each(|(_, value)| self.visit(value));
        if is_into(node) {
            self.store(String::new(), None, outputs.all());
        }
        outputs
    }

    /// Rows of VALUES: each column is made of what any row has there.
    fn values(&mut self, rows: &[Tree]) -> Outputs {
        let mut columns: Vec<(String, Sources)> = Vec::new();
        for row in rows {
            let Tree::List(cells) = row else { continue };
            for (at, cell) in cells.iter().enumerate() {
                let sources = self.sources(cell);
                match columns.get_mut(at) {
                    Some((_, known)) => known.add(&sources),
                    None => columns.push((format!("column{}", at + 1), sources)),
                }
            }
        }
        Outputs { columns, ..Outputs::default() }
    }

    fn insert(&mut self, node: &Node) -> Outputs {
        let Some(relation) = node.field("relation").as_node() else { return Outputs::default() };
        let query = self.of_tree(node.field("select_stmt"));
        let names: Vec<String> = node.list("cols").iter().map(column_name).collect();
        if query.open() || (!names.is_empty() && names.len() < query.columns.len()) {
            self.store(dotted(relation), None, query.all());
            if let ([], [source], true, Some(stored)) =
                (query.columns.as_slice(), query.through.as_slice(), names.is_empty(), self.stores.last_mut())
            {
                stored.copy_of = Some(source.clone());
            }
        } else {
            for (at, (_, sources)) in query.columns.iter().enumerate() {
                let (relation, column) = (dotted(relation), names.get(at).cloned());
                if !sources.is_empty() {
                    let place = names.is_empty().then_some(at);
                    self.stores.push(Store { relation, column, place, sources: sources.clone(), copy_of: None });
                }
            }
        }
        let excluded = if names.is_empty() { Outputs::blurred(query.all()) } else { query.named(names) };
        let target = self.item(node.field("relation"));
        self.frames.push(vec![target, Item { alias: "excluded".to_owned(), outputs: Rc::new(excluded) }]);
        if let Some(conflict) = node.field("on_conflict_clause").as_node() {
            self.assign(relation, conflict.list("target_list"));
            self.visit(conflict.field("where_clause"));
            self.visit(conflict.field("infer"));
        }
        self.returning(node)
    }

    /// UPDATE, DELETE, MERGE.
    fn change(&mut self, node: &Node) -> Outputs {
        let Some(relation) = node.field("relation").as_node() else { return Outputs::default() };
        let target = self.item(node.field("relation"));
        self.frames.push(vec![target]);
        for items in ["from_clause", "using_clause"] {
            node.list(items).iter().for_each(|item| self.from(item));
        }
        if node.has("source_relation") {
            self.from(node.field("source_relation"));
        }
        self.assign(relation, node.list("target_list"));
        for when in node.list("merge_when_clauses").iter().filter_map(Tree::as_node) {
            self.visit(when.field("condition"));
            let (targets, values) = (when.list("target_list"), when.list("values"));
            self.assign(relation, targets);
            for (at, value) in values.iter().enumerate() {
                let name = targets.get(at).map(column_name);
                let sources = self.sources(value);
                self.store(dotted(relation), name, sources);
            }
        }
        self.visit(node.field("where_clause"));
        self.visit(node.field("join_condition"));
        self.returning(node)
    }

    /// `SET column = value`.
    fn assign(&mut self, relation: &Node, targets: &[Tree]) {
        for target in targets.iter().filter_map(Tree::as_node).filter(|target| target.has("val")) {
            let sources = self.sources(target.field("val"));
            self.store(dotted(relation), Some(target.text("name").to_owned()), sources);
        }
    }

    fn returning(&mut self, node: &Node) -> Outputs {
        let Some(clause) = node.field("returning_clause").as_node() else { return Outputs::default() };
        // The target comes first in its frame.
        if let Some(frame) = self.frames.last_mut()
            && let Some(target) = frame.first().cloned()
        {
            let renamed = clause.list("options").iter().filter_map(Tree::as_node).map(|option| option.text("value"));
            let aliases = ["old", "new"].into_iter().chain(renamed);
            frame.extend(aliases.map(|alias| Item { alias: alias.to_owned(), ..target.clone() }));
        }
        let every = clause.list("exprs");
        if every.iter().any(|target| is_star(target).is_some_and(<[Tree]>::is_empty))
            && let Some(frame) = self.frames.last_mut()
        {
            // `*` is of the target and what it is joined with, once.
            frame.retain(|item| !matches!(item.alias.as_str(), "old" | "new" | "excluded"));
        }
        self.targets(every)
    }

    /// A target list.
    fn targets(&mut self, targets: &[Tree]) -> Outputs {
        let mut outputs = Outputs::default();
        for target in targets.iter().filter_map(Tree::as_node) {
            let value = target.field("val");
            if let Some(qualifier) = is_star(value) {
                let star = self.star(qualifier.last().map(Tree::as_text));
                self.steps += star.columns.len() + star.through.len();
                if self.steps <= MOST_STEPS {
                    outputs.extend(&star);
                }
                continue;
            }
            let own = value.as_node().filter(|node| node.name == "ColumnRef");
            let own = own.and_then(|node| node.list("fields").last()).map_or("", Tree::as_text);
            let name = if target.has("name") { target.text("name") } else { own };
            let mut sources = self.sources(value);
            // `(row).*` are several columns.
            let spread = value.as_node().filter(|node| node.name == "AIndirection");
            let spread = spread.and_then(|node| node.list("indirection").last()?.as_node());
            if spread.is_some_and(|last| last.name == "AStar") {
                (sources.anything, outputs.spread) = (true, true);
            }
            outputs.columns.push((name.to_owned(), sources));
        }
        outputs
    }

    /// An expression that shows nothing of itself.
    fn visit(&mut self, tree: &Tree) {
        drop(self.sources(tree));
    }

    fn children(&mut self, node: &Node) -> Sources {
        let mut sources = Sources::default();
        for (_, value) in &node.fields {
            sources.add(&self.sources(value));
        }
        sources
    }

    /// What an expression is made of.
    fn sources(&mut self, tree: &Tree) -> Sources {
        match tree {
            Tree::Node(node) => self.expression(node),
            Tree::List(items) => {
                let mut sources = Sources::default();
                items.iter().for_each(|item| sources.add(&self.sources(item)));
                sources
            }
            Tree::Nothing | Tree::Flag | Tree::Number(_) | Tree::Text(_) => Sources::default(),
        }
    }

    fn expression(&mut self, node: &Node) -> Sources {
        match node.name {
            "ColumnRef" => self.column(node.list("fields")),
            "FuncCall" => self.call(node),
            "NullTest" | "GroupingFunc" => {
                self.children(node);
                Sources::default()
            }
            "SubLink" => {
                let shown = self.of_tree(node.field("subselect")).all();
                if SubLinkType::try_from(node.number("sub_link_type")) == Ok(SubLinkType::ExistsSublink) {
                    return Sources::default();
                }
                self.sources(node.field("testexpr")).and(&shown)
            }
            "AIndirection" => self.indirection(node),
            name if name.ends_with("Stmt") => self.statement(node).map(|outputs| outputs.all()).unwrap_or_default(),
            _ => self.children(node),
        }
    }

    fn column(&mut self, fields: &[Tree]) -> Sources {
        match fields {
            [.., last] if last.as_node().is_some_and(|node| node.name == "AStar") => {
                let qualifier = fields.len().checked_sub(2).and_then(|at| fields.get(at)).map(Tree::as_text);
                self.star(qualifier).all()
            }
            [name] => {
                let name = name.as_text();
                let sources = self.lookup(None, name);
                if self.frames.iter().flatten().any(|item| item.alias == name) {
                    return sources.and(&self.star(Some(name)).all());
                }
                sources
            }
            [.., qualifier, name] => self.lookup(Some(qualifier.as_text()), name.as_text()),
            [] => Sources::default(),
        }
    }

    /// `(row).field`, `array[1]`.
    fn indirection(&mut self, node: &Node) -> Sources {
        let argument = node.field("arg").as_node();
        let row = argument.filter(|argument| argument.name == "ColumnRef").map(|argument| argument.list("fields"));
        let field = node.list("indirection").first().and_then(Tree::as_node).filter(|field| field.name == "String");
        if let (Some([row]), Some(field)) = (row, field)
            && self.frames.iter().flatten().any(|item| item.alias == row.as_text())
        {
            return self.lookup(Some(row.as_text()), field.text("sval"));
        }
        self.children(node)
    }

    fn call(&mut self, node: &Node) -> Sources {
        let (schema, name) = match node.list("funcname") {
            [name] => ("", name.as_text()),
            [.., schema, name] => (schema.as_text(), name.as_text()),
            [] => ("", ""),
        };
        let mut sources = self.sources(node.field("args"));
        sources.add(&self.sources(node.field("agg_order")));
        self.visit(node.field("agg_filter"));
        self.visit(node.field("over"));
        if SENDS.iter().any(|prefix| name.starts_with(prefix)) {
            self.store(String::new(), None, sources.clone());
        }
        if matches!(schema, "" | "pg_catalog") && SILENT.contains(&name) { Sources::default() } else { sources }
    }
}

/// All that a text names, wherever it stands.
#[derive(Default)]
struct Named {
    names: Vec<String>,
    aliases: Vec<String>,
    renames: bool,
    star: bool,
    steps: usize,
}

impl Named {
    /// `stars` count where what they show is looked at again under other names.
    fn visit(&mut self, tree: &Tree, stars: bool) {
        self.steps += 1;
        match tree {
            Tree::List(items) => items.iter().for_each(|item| self.visit(item, stars)),
            Tree::Node(node) => {
                match node.name {
                    "ColumnRef" => match node.list("fields").last() {
                        Some(Tree::Node(last)) if last.name == "AStar" => self.star |= stars,
                        Some(last) => self.names.push(last.as_text().to_owned()),
                        None => {}
                    },
                    "AIndirection" => {
                        let names = node.list("indirection").iter().map(|field| field.as_text().to_owned());
                        self.names.extend(names.filter(|name| !name.is_empty()));
                    }
                    "RangeVar" => self.aliases.push(node.text("relname").to_owned()),
                    "Alias" => {
                        self.aliases.push(node.text("aliasname").to_owned());
                        self.renames |= node.has("colnames");
                    }
                    "CommonTableExpr" => self.renames |= node.has("aliascolnames"),
                    _ => {}
                }
                let stars = stars || node.has("larg");
                node.fields.iter().for_each(|(_, value)| self.visit(value, stars));
            }
            Tree::Nothing | Tree::Flag | Tree::Number(_) | Tree::Text(_) => {}
        }
    }

    fn sources(mut self) -> Sources {
        self.names.sort_unstable();
        self.names.dedup();
        let row = self.star || self.renames || self.aliases.iter().any(|alias| self.names.binary_search(alias).is_ok());
        let names = self.names.into_iter().chain(row.then(|| "*".to_owned()));
        Sources { columns: names.map(|column| Source { relation: None, column }).collect(), anything: false }
    }
}

/// The alias of an item of FROM, and the names it gives to columns.
fn alias(node: &Node) -> (&str, &[Tree]) {
    node.field("alias").as_node().map_or(("", &[]), |alias| (alias.text("aliasname"), alias.list("colnames")))
}

/// What stands before `.*`, when it is that.
fn is_star(value: &Tree) -> Option<&[Tree]> {
    let value = value.as_node()?;
    let value = if value.name == "ResTarget" { value.field("val").as_node()? } else { value };
    let (last, before) = value.list("fields").split_last()?;
    (value.name == "ColumnRef" && last.as_node().is_some_and(|node| node.name == "AStar")).then_some(before)
}

/// The INTO of a set operation stands in its first query.
fn is_into(node: &Node) -> bool {
    node.has("into_clause") || node.field("larg").as_node().is_some_and(is_into)
}

/// The column of an element of a target list.
fn column_name(target: &Tree) -> String {
    target.as_node().map_or("", |target| target.text("name")).to_owned()
}

fn dotted(relation: &Node) -> String {
    let parts = ["schemaname", "relname"].map(|field| relation.text(field));
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests;
