//! From a parse tree to facts: visits every node once, whatever it lies in.

mod calls;

use super::{
    Class, Facts, RowChange, condition, copy, function, lineage,
    names::{FieldName, Name, Names, Origin, RelationName, add},
    secret, setting,
    standing::{self, Prepared},
    statement,
    tree::{Node, Tree},
};
use std::sync::Arc;

/// The facts of a parsed text.
pub(super) fn facts(tree: &Tree) -> Facts {
    let mut walk = Walk { facts: Facts::empty(), ..Walk::default() };
    let statements = tree.as_node().map_or(&[][..], |parsed| parsed.list("stmts"));
    walk.facts.statements = statements.len();
    for statement in statements {
        walk.visit(statement, Use::Read);
        if let Some(statement) = statement.as_node().and_then(|raw| raw.field("stmt").as_node()) {
            walk.settings(statement);
        }
    }
    walk.facts.paths.iter_mut().filter(|_| statements.len() > 1).for_each(|path| path.local = false);
    if let [only] = statements {
        let copied = only.as_node().and_then(|raw| copied(raw.field("stmt").as_node()?));
        walk.facts.copy_form = copied.and_then(copy::form);
        walk.facts.copy_out = copied.and_then(copy_out);
    }
    walk.finish()
}

/// What a relation's name stands for where it was met.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    Write,
}

#[derive(Default)]
struct Walk {
    facts: Facts,
    names: Names,
    /// Names of the common table expressions in scope: they are no relations.
    ctes: Vec<String>,
    /// All that there are in the text.
    all_ctes: Vec<String>,
    /// Names that stand for a whole row: relations and aliases.
    rows: Vec<String>,
    /// Last name of each column reference, and whether it was the only one.
    references: Vec<String>,
    /// Catalogs that hold secrets in some of their columns.
    catalogs: Vec<&'static secret::Catalog>,
    /// The setting whose row the present query gives.
    setting: Option<String>,
    /// Inside EXPLAIN without ANALYZE: nothing runs.
    planned: bool,
}

impl Walk {
    fn visit(&mut self, tree: &Tree, place: Use) {
        match tree {
            Tree::Node(node) => self.node(node, place),
            Tree::List(items) => items.iter().for_each(|item| self.visit(item, place)),
            Tree::Nothing | Tree::Flag | Tree::Number(_) | Tree::Text(_) => {}
        }
    }

    fn node(&mut self, node: &Node, place: Use) {
        self.facts.exposure.see(node);
        self.facts.written.note(node);
        let in_scope = self.ctes.len();
        self.common_table_expressions(node);
        if matches!(node.name, "UpdateStmt" | "OnConflictClause" | "MergeWhenClause") {
            for target in node.list("target_list").iter().filter_map(Tree::as_node) {
                push(&mut self.facts.columns, target.text("name").to_owned());
            }
        }
        if node.name.ends_with("Stmt") && node.name != "RawStmt" {
            self.statement(node);
        } else {
            self.expression(node, place);
        }
        self.ctes.truncate(in_scope);
    }

    /// Visits a statement's WITH clause and brings its names into scope, each for what follows it.
    fn common_table_expressions(&mut self, node: &Node) {
        let Some(with) = node.field("with_clause").as_node() else { return };
        let name = |cte: &Tree| cte.as_node().map(|cte| cte.text("ctename").to_owned()).unwrap_or_default();
        let recursive = with.has("recursive");
        self.all_ctes.extend(with.list("ctes").iter().map(name));
        for cte in with.list("ctes").iter().filter_map(Tree::as_node) {
            let mut columns = texts(cte.list("aliascolnames"));
            if columns.is_empty() {
                columns = cte.field("ctequery").as_node().map(output_names).unwrap_or_default();
            }
            add(&mut self.names.sources, (cte.text("ctename").to_owned(), Origin::Columns(columns)));
        }
        if recursive {
            self.ctes.extend(with.list("ctes").iter().map(name));
        }
        for cte in with.list("ctes") {
            self.visit(cte, Use::Read);
            self.rows.push(name(cte));
            if !recursive {
                self.ctes.push(name(cte));
            }
        }
    }

    fn children(&mut self, node: &Node, place: Use, except: &[&str]) {
        for (field, value) in &node.fields {
            if *field != "with_clause" && !except.contains(field) {
                self.visit(value, place);
            }
        }
    }

    fn statement(&mut self, node: &Node) {
        let kind = statement::kind_of(node);
        self.facts.sets |= matches!(node.name, "VariableSetStmt" | "DiscardStmt");
        self.facts.opaque |= matches!(node.name, "DoStmt" | "CallStmt");
        // These change neither what a name stands for nor what it holds.
        const KEEPS: [&str; 5] = ["VariableSetStmt", "VacuumStmt", "ReindexStmt", "ClusterStmt", "CommentStmt"];
        self.facts.redefines |= kind.class >= Class::Ddl && !self.planned && !KEEPS.contains(&node.name);
        match kind.depends {
            Some(depends) => self.depends(depends, kind.reason),
            None => self.raise_statement(kind.class, kind.reason),
        }
        self.makes(node);
        self.facts.destructive |= kind.destructive && !self.planned;
        match node.name {
            "SelectStmt" => {
                let outer = std::mem::replace(&mut self.setting, setting::pinned(node));
                self.children(node, Use::Read, &[]);
                self.setting = outer;
            }
            "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => self.change(node),
            "CopyStmt" => self.copy(node),
            "ExplainStmt" => self.explain(node),
            "PrepareStmt" => self.prepare(node),
            "ExecuteStmt" => {
                self.facts.executes.push(node.text("name").to_owned());
                self.children(node, Use::Read, &[]);
            }
            "DeclareCursorStmt" => {
                let facts = self.inner(node);
                self.facts.declares.push(Prepared { name: node.text("portalname").to_owned(), facts });
                self.children(node, Use::Read, &[]);
            }
            "FetchStmt" => self.facts.fetches.push(node.text("portalname").to_owned()),
            "VariableSetStmt" | "DiscardStmt" => {
                self.facts.paths.extend(statement::path_change(node));
                self.children(node, Use::Read, &[]);
            }
            "DropStmt" => self.dropped(node),
            _ => {
                self.password(node);
                self.children(node, Use::Write, &[]);
            }
        }
    }

    /// INSERT, UPDATE, DELETE, MERGE.
    fn change(&mut self, node: &Node) {
        self.visit(node.field("relation"), Use::Write);
        if let Some(target) = node.field("relation").as_node() {
            let condition = node.field("where_clause");
            if matches!(node.name, "UpdateStmt" | "DeleteStmt") && !self.planned && node.has("where_clause") {
                let relation = Name::new(target.text("schemaname"), target.text("relname"));
                self.facts.changes.push(RowChange { relation, pins: condition::pins(condition, target) });
            }
            let by_numbers = &mut self.facts.by_numbers;
            // What is only planned changes nothing.
            self.facts.has_where &= self.planned
                || match node.name {
                    "UpdateStmt" | "DeleteStmt" => condition::restricts(condition, target, by_numbers),
                    "MergeStmt" => condition::merge_restricts(node, target, by_numbers),
                    _ => true,
                };
            self.catalog_written(target);
        }
        // It reads its own relation too, where it looks at or returns what is there.
        let looks = ["where_clause", "join_condition", "returning_clause"].iter().any(|field| node.has(field));
        if looks && let Some(relation) = node.field("relation").as_node() {
            push(&mut self.facts.reads, dotted_relation(relation));
        }
        // It gives a value to each column.
        let unnamed = match node.name {
            "InsertStmt" => !node.has("cols"),
            "MergeStmt" => node.list("merge_when_clauses").iter().filter_map(Tree::as_node).any(is_insert_of_all),
            _ => false,
        };
        if unnamed {
            push(&mut self.facts.columns, "*".to_owned());
        }
        self.children(node, Use::Read, &["relation"]);
    }

    /// Rows of the system catalogs are privileges, settings and what names mean.
    fn catalog_written(&mut self, target: &Node) {
        let (schema, name) = (target.text("schemaname"), target.text("relname"));
        if function::is_catalog(schema, name) {
            self.raise_statement(Class::Admin, format!("writes {name}"));
        }
    }

    fn copy(&mut self, node: &Node) {
        let from = node.has("is_from");
        if from && let Some(target) = node.field("relation").as_node() {
            self.catalog_written(target);
        }
        self.visit(node.field("relation"), if from { Use::Write } else { Use::Read });
        for column in node.list("attlist") {
            push(&mut self.facts.columns, column.as_text().to_owned());
        }
        if !from {
            self.facts.is_copy_out |= !node.has("is_program") && !node.has("filename");
            if node.has("relation") && !node.has("attlist") {
                push(&mut self.facts.columns, "*".to_owned());
            }
        }
        self.children(node, Use::Read, &["relation", "attlist"]);
    }

    fn explain(&mut self, node: &Node) {
        let off = |value: &str| matches!(value.to_ascii_lowercase().as_str(), "false" | "off" | "0");
        // The last one counts.
        let mut options = node.list("options").iter().rev().filter_map(Tree::as_node);
        let analyze = options.find(|option| option.text("defname") == "analyze");
        let analyze = analyze.is_some_and(|option| !option.has("arg") || !off(&option_text(option.field("arg"))));
        let outer = self.planned;
        self.planned = outer || !analyze;
        self.children(node, Use::Read, &[]);
        self.planned = outer;
    }

    fn prepare(&mut self, node: &Node) {
        let facts = self.inner(node);
        self.facts.prepares.push(Prepared { name: node.text("name").to_owned(), facts });
        self.children(node, Use::Read, &[]);
        self.secrets();
    }

    /// The facts of the statement inside one that gives it a name.
    fn inner(&self, node: &Node) -> Arc<Facts> {
        let mut walk = Self { facts: Facts::empty(), planned: self.planned, ..Self::default() };
        walk.facts.statements = 1;
        walk.visit(standing::query(node), Use::Read);
        let Some(query) = standing::query(node).as_node() else { return Arc::new(walk.finish()) };
        walk.settings(query);
        Arc::new(Facts { lineage: lineage::of(&[query]), ..walk.finish() })
    }

    /// Relations and types that come to be.
    fn makes(&mut self, node: &Node) {
        let target = match node.name {
            "CreateStmt" | "AlterObjectSchemaStmt" => node.field("relation"),
            "ViewStmt" => node.field("view"),
            "CreateSeqStmt" => node.field("sequence"),
            "CreateTableAsStmt" => node.field("into").as_node().map_or(&Tree::Nothing, |into| into.field("rel")),
            "CompositeTypeStmt" => node.field("typevar"),
            "CreateForeignTableStmt" => {
                node.field("base_stmt").as_node().map_or(&Tree::Nothing, |base| base.field("relation"))
            }
            _ => &Tree::Nothing,
        };
        if let Some(target) = target.as_node() {
            push(&mut self.names.creates, target.text("relname").to_owned());
        }
        for field in ["domainname", "type_name"] {
            let name = node.list(field).last().map(Tree::as_text).unwrap_or_default();
            push(&mut self.names.creates, name.to_owned());
        }
        if node.name == "RenameStmt" {
            push(&mut self.names.creates, node.text("newname").to_owned());
        }
    }

    /// A setting or a role that the resource may know to be harmless.
    fn depends(&mut self, depends: statement::Depends, reason: String) {
        match depends {
            statement::Depends::Setting(name) => push(&mut self.names.settings, name),
            statement::Depends::Role(name) => push(&mut self.names.roles, name),
        }
        self.raise_named(Class::Admin, reason);
    }

    fn dropped(&mut self, node: &Node) {
        for object in node.list("objects") {
            let name = match object {
                Tree::List(items) => Tree::dotted(items),
                Tree::Node(inner) if matches!(inner.name, "TypeName") => Tree::dotted(inner.list("names")),
                Tree::Node(inner) if inner.name == "ObjectWithArgs" => Tree::dotted(inner.list("objname")),
                other => other.as_text().to_owned(),
            };
            push(&mut self.facts.writes, name);
        }
    }

    /// Statements that carry a password, in the clear or hashed.
    fn password(&mut self, node: &Node) {
        let options = || node.list("options").iter().filter_map(Tree::as_node);
        self.facts.has_password |= match node.name {
            "CreateRoleStmt" | "AlterRoleStmt" => {
                options().any(|option| option.text("defname") == "password" && option.has("arg"))
            }
            "CreateUserMappingStmt" | "AlterUserMappingStmt" | "CreateForeignServerStmt" | "AlterForeignServerStmt" => {
                options().next().is_some()
            }
            "CreateSubscriptionStmt" | "AlterSubscriptionStmt" => node.has("conninfo"),
            _ => false,
        };
    }

    fn expression(&mut self, node: &Node, place: Use) {
        match node.name {
            "RangeVar" => self.relation(node, place),
            "FuncCall" => self.call(node),
            "TypeName" => self.type_name(node),
            "RangeSubselect" => self.derived(node, node.field("subquery")),
            "RangeFunction" | "RangeTableFunc" | "JsonTable" => self.derived(node, &Tree::Nothing),
            name if SYNTAX.iter().any(|(node, _)| *node == name) => self.syntax(name),
            "AExpr" => self.operator(node.list("name")),
            "SubLink" => self.operator(node.list("oper_name")),
            "SortBy" => self.operator(node.list("use_op")),
            "ColumnRef" => self.column(node),
            "RangeTableSample" => {
                self.function(node.list("method"), &[], None);
            }
            "IntoClause" => {
                if let Some(target) = node.field("rel").as_node() {
                    push(&mut self.names.creates, target.text("relname").to_owned());
                }
                self.facts.redefines |= !self.planned;
                self.raise_statement(Class::Ddl, "SELECT INTO".to_owned());
                self.visit(node.field("rel"), Use::Write);
                return self.children(node, Use::Read, &["rel"]);
            }
            "JoinExpr" => {
                for column in node.list("using_clause") {
                    push(&mut self.facts.columns, column.as_text().to_owned());
                }
                if node.has("is_natural") {
                    push(&mut self.facts.columns, "*".to_owned());
                }
            }
            "AIndirection" => {
                for field in node.list("indirection") {
                    match field.as_node().map(|node| node.name) {
                        Some("AStar") => push(&mut self.facts.columns, "*".to_owned()),
                        Some("String") => self.field(field.as_text()),
                        _ => {}
                    }
                }
            }
            // With a value it is an output's alias.
            "ResTarget" if node.has("val") => {}
            "ResTarget" | "IndexElem" => push(&mut self.facts.columns, node.text("name").to_owned()),
            "ColumnDef" => push(&mut self.facts.columns, node.text("colname").to_owned()),
            "Alias" => self.rows.push(node.text("aliasname").to_owned()),
            _ => {}
        }
        self.children(node, place, &[]);
    }

    fn relation(&mut self, node: &Node, place: Use) {
        let (schema, name) = (node.text("schemaname"), node.text("relname"));
        self.rows.push(name.to_owned());
        let alias = node.field("alias").as_node();
        if alias.is_some_and(|alias| alias.has("colnames")) {
            // The columns were given other names here.
            push(&mut self.facts.columns, "*".to_owned());
        }
        if schema.is_empty() && place == Use::Read && self.ctes.iter().any(|cte| cte == name) {
            if let Some(alias) = alias {
                let of = |(known, source): &(String, Origin)| (known == name).then(|| source.clone());
                let source = self.names.sources.iter().rev().find_map(of).unwrap_or(Origin::Columns(Vec::new()));
                add(&mut self.names.sources, (alias.text("aliasname").to_owned(), source));
            }
            return;
        }
        self.catalogs.extend(secret::catalog(schema, name));
        let reads = place == Use::Read || self.planned;
        let list = if reads { &mut self.facts.reads } else { &mut self.facts.writes };
        push(list, dotted_relation(node));
        if !self.names.creates.iter().any(|made| made == name) {
            self.named_relation(node, !reads);
        }
    }

    /// A relation to be looked up, and what stands for it in expressions.
    fn named_relation(&mut self, node: &Node, writes: bool) {
        let name = Name::new(node.text("schemaname"), node.text("relname"));
        let alias = node.field("alias").as_node();
        let called = alias.map_or_else(|| name.name.clone(), |alias| alias.text("aliasname").to_owned());
        let relation = RelationName { name, writes, may_be_cte: false };
        let relations = &mut self.names.relations;
        let place = relations.iter().position(|known| *known == relation).unwrap_or(relations.len());
        add(relations, relation);
        let mut stands = |name: &str, source: Origin| add(&mut self.names.sources, (name.to_owned(), source));
        match alias.map(|alias| alias.list("colnames")).filter(|columns| !columns.is_empty()) {
            // Columns beyond those that are named anew keep their names.
            Some(columns) => stands(&called, Origin::Columns(texts(columns))),
            None => {
                stands(&called, Origin::Relation(place));
                if writes {
                    stands("excluded", Origin::Relation(place));
                }
            }
        }
    }

    /// A sub-select or a function in FROM: its columns, as far as their names stand there.
    fn derived(&mut self, node: &Node, query: &Tree) {
        let Some(alias) = node.field("alias").as_node() else { return };
        let mut columns = texts(alias.list("colnames"));
        columns.extend(
            node.list("coldeflist").iter().filter_map(Tree::as_node).map(|column| column.text("colname").to_owned()),
        );
        if columns.is_empty() {
            columns = query.as_node().map(output_names).unwrap_or_default();
        }
        add(&mut self.names.sources, (alias.text("aliasname").to_owned(), Origin::Columns(columns)));
    }

    fn type_name(&mut self, node: &Node) {
        let (schema, name) = Tree::qualified(node.list("names"));
        // `a.b%TYPE` names a column.
        if schema != "pg_catalog" && !name.is_empty() && !node.has("pct_type") {
            add(&mut self.names.types, Name::new(schema, name));
        }
    }

    fn column(&mut self, node: &Node) {
        let fields = node.list("fields");
        match fields.last() {
            Some(Tree::Node(last)) if last.name == "AStar" => push(&mut self.facts.columns, "*".to_owned()),
            Some(last) => {
                let name = last.as_text();
                push(&mut self.facts.columns, name.to_owned());
                self.references.push(name.to_owned());
                if let [.., of, _] = fields {
                    let of = Some(of.as_text().to_owned());
                    add(&mut self.names.fields, FieldName { of, name: name.to_owned() });
                }
                if fields.len() > 1 && function::takes_a_row(name) {
                    push(&mut self.facts.columns, "*".to_owned());
                }
            }
            None => {}
        }
    }

    /// A statement's class: what EXPLAIN only plans does not happen.
    fn raise_statement(&mut self, class: Class, reason: String) {
        self.raise(if self.planned { class.min(Class::Read) } else { class }, reason);
    }

    fn raise(&mut self, class: Class, reason: String) {
        if class > self.facts.certain || self.facts.certain_reason.is_empty() {
            self.facts.certain_reason.clone_from(&reason);
        }
        self.facts.certain = self.facts.certain.max(class);
        self.raise_named(class, reason);
    }

    /// The class as long as nobody has looked up what the names mean.
    fn raise_named(&mut self, class: Class, reason: String) {
        if class > self.facts.class || self.facts.reason.is_empty() {
            self.facts.reason = reason;
        }
        self.facts.class = self.facts.class.max(class);
    }

    /// What it reads of catalogs, by the columns that it names.
    fn secrets(&mut self) {
        // `SELECT u FROM users u` and `to_jsonb(u)` mention every column.
        if self.references.iter().any(|name| self.rows.contains(name)) {
            push(&mut self.facts.columns, "*".to_owned());
        }
        for catalog in std::mem::take(&mut self.catalogs) {
            if let Some(column) = catalog.named_in(&self.facts.columns) {
                self.facts.exposure.secret |= catalog.of_the_server;
                self.raise(Class::Admin, format!("reads {}.{column}", catalog.name));
            }
        }
    }

    /// Whether it shows settings, and their names beside them.
    fn settings(&mut self, statement: &Node) {
        match secret::settings(statement) {
            secret::Settings::None => {}
            secret::Settings::Named => self.facts.settings = true,
            secret::Settings::Nameless => {
                self.facts.exposure.secret = true;
                self.raise(Class::Admin, "shows settings without their names".to_owned());
            }
        }
    }

    fn finish(mut self) -> Facts {
        self.secrets();
        if self.facts.reason.is_empty() {
            self.facts.reason = "empty".to_owned();
        }
        if self.facts.certain_reason.is_empty() {
            self.facts.certain_reason.clone_from(&self.facts.reason);
        }
        if self.names.too_many() {
            self.raise(Class::Admin, "it names too much".to_owned());
        }
        for relation in &mut self.names.relations {
            relation.may_be_cte |= relation.name.schema.is_empty() && self.all_ctes.contains(&relation.name.name);
        }
        self.facts.names = Arc::new(std::mem::take(&mut self.names));
        self.facts
    }
}

/// Nodes of newer grammars, and the functions that older servers take them for.
const SYNTAX: &[(&str, &str)] = &[
    ("JsonFuncExpr", "json_value"),
    ("JsonFuncExpr", "json_query"),
    ("JsonFuncExpr", "json_exists"),
    ("JsonScalarExpr", "json_scalar"),
    ("JsonSerializeExpr", "json_serialize"),
    ("JsonParseExpr", "json"),
    ("JsonObjectConstructor", "json_object"),
    ("JsonArrayConstructor", "json_array"),
    ("JsonArrayQueryConstructor", "json_array"),
    ("JsonObjectAgg", "json_objectagg"),
    ("JsonArrayAgg", "json_arrayagg"),
    ("JsonTable", "json_table"),
    ("MergeSupportFunc", "merge_action"),
];

fn texts(items: &[Tree]) -> Vec<String> {
    items.iter().map(|item| item.as_text().to_owned()).collect()
}

/// The names of a SELECT's columns, as far as they stand there.
fn output_names(select: &Node) -> Vec<String> {
    let targets = select.list("target_list").iter().filter_map(Tree::as_node);
    let name = |target: &Node| match target.text("name") {
        "" => {
            let value = target.field("val").as_node().filter(|value| value.name == "ColumnRef")?;
            Some(value.list("fields").last()?.as_text().to_owned())
        }
        name => Some(name.to_owned()),
    };
    targets.filter_map(name).filter(|name| !name.is_empty()).collect()
}

/// A row that is inserted without naming its columns.
fn is_insert_of_all(when: &Node) -> bool {
    when.has("values") && !when.has("target_list")
}

fn push(list: &mut Vec<String>, name: String) {
    if !name.is_empty() && !list.contains(&name) {
        list.push(name);
    }
}

fn dotted_relation(node: &Node) -> String {
    let parts = ["catalogname", "schemaname", "relname"].map(|field| node.text(field));
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}

/// An option's value as text, however it was written.
fn option_text(value: &Tree) -> String {
    match value.as_node() {
        Some(node) if node.name == "Integer" => node.number("ival").to_string(),
        Some(node) if node.name == "Boolean" => node.has("boolval").to_string(),
        _ => statement::value_text(value),
    }
}

/// A COPY to the client.
fn copied(statement: &Node) -> Option<&Node> {
    let from = ["is_from", "is_program", "filename"].iter().any(|field| statement.has(field));
    (statement.name == "CopyStmt" && !from).then_some(statement)
}

fn copy_out(copy: &Node) -> Option<(String, Vec<String>)> {
    let relation = copy.field("relation").as_node()?;
    let columns = copy.list("attlist").iter().map(|column| column.as_text().to_owned()).collect();
    Some((dotted_relation(relation), columns))
}
