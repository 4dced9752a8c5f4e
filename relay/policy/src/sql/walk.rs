//! From a parse tree to facts: visits every node once, whatever it lies in.

use super::{
    Class, Facts, condition, copy, function, operator, secret,
    setting::{self, Change},
    statement,
    tree::{Node, Tree},
};

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
    /// Names of the common table expressions in scope: they are no relations.
    ctes: Vec<String>,
    /// Names that stand for a whole row: relations and aliases.
    rows: Vec<String>,
    /// Last name of each column reference, and whether it was the only one.
    references: Vec<String>,
    /// Catalogs that hold secrets in some of their columns.
    catalogs: Vec<&'static secret::Catalog>,
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
        // These change neither what a name stands for nor what it holds.
        const KEEPS: [&str; 5] = ["VariableSetStmt", "VacuumStmt", "ReindexStmt", "ClusterStmt", "CommentStmt"];
        self.facts.redefines |= kind.class >= Class::Ddl && !self.planned && !KEEPS.contains(&node.name);
        self.raise_statement(kind.class, kind.reason);
        self.facts.destructive |= kind.destructive && !self.planned;
        match node.name {
            "SelectStmt" => self.children(node, Use::Read, &[]),
            "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => self.change(node),
            "CopyStmt" => self.copy(node),
            "ExplainStmt" => self.explain(node),
            "PrepareStmt" => self.prepare(node),
            "ExecuteStmt" => {
                self.facts.executes.push(node.text("name").to_owned());
                self.children(node, Use::Read, &[]);
            }
            "VariableSetStmt" | "DeclareCursorStmt" => self.children(node, Use::Read, &[]),
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
            self.facts.has_where &= match node.name {
                "UpdateStmt" | "DeleteStmt" => condition::restricts(node.field("where_clause"), target),
                "MergeStmt" => condition::merge_restricts(node, target),
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
        let analyze = node.list("options").iter().filter_map(Tree::as_node).any(|option| {
            let off = |value: &str| matches!(value.to_ascii_lowercase().as_str(), "false" | "off" | "0");
            option.text("defname") == "analyze" && !option.has("arg")
                || option.text("defname") == "analyze" && !off(&option_text(option.field("arg")))
        });
        let outer = self.planned;
        self.planned = outer || !analyze;
        self.children(node, Use::Read, &[]);
        self.planned = outer;
    }

    fn prepare(&mut self, node: &Node) {
        let outer = std::mem::replace(&mut self.facts.class, Class::Session);
        self.children(node, Use::Read, &[]);
        self.secrets();
        let inner = self.facts.class;
        self.facts.prepares.push((node.text("name").to_owned(), inner));
        self.facts.class = outer.max(inner);
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
            "AExpr" => self.operator(node.list("name")),
            "SubLink" => self.operator(node.list("oper_name")),
            "SortBy" => self.operator(node.list("use_op")),
            "ColumnRef" => self.column(node),
            "RangeTableSample" => {
                self.function(node.list("method"), &[]);
            }
            "IntoClause" => {
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
            return;
        }
        self.catalogs.extend(secret::catalog(schema, name));
        let list = if place == Use::Read || self.planned { &mut self.facts.reads } else { &mut self.facts.writes };
        push(list, dotted_relation(node));
    }

    fn call(&mut self, node: &Node) {
        self.function(node.list("funcname"), node.list("args"));
    }

    fn function(&mut self, names: &[Tree], arguments: &[Tree]) {
        let (schema, name) = match names {
            [name] => ("", name.as_text()),
            [.., schema, name] => (schema.as_text(), name.as_text()),
            [] => ("", ""),
        };
        let sets = name == "set_config" && matches!(schema, "" | "pg_catalog");
        let class = if sets { set_config(arguments) } else { function::class_of(schema, name) };
        self.facts.redefines |= function::is_opaque(schema, name);
        self.called(class, Tree::dotted(names));
    }

    /// `(expression).name`: a column of its value, or a function called with it.
    fn field(&mut self, name: &str) {
        push(&mut self.facts.columns, name.to_owned());
        self.facts.redefines |= function::is_opaque("", name);
        self.called(function::class_of_field(name), name.to_owned());
    }

    fn operator(&mut self, names: &[Tree]) {
        let class = operator::class_of(names);
        if class > Class::Read {
            self.raise(class, format!("uses the operator {}, which is not known to be harmless", Tree::dotted(names)));
        }
    }

    fn called(&mut self, class: Class, dotted: String) {
        match class {
            Class::Session | Class::Read => {}
            Class::Write => self.raise(class, format!("calls {dotted}, which is not known to be harmless")),
            Class::Ddl | Class::Admin => self.raise(class, format!("calls {dotted}")),
        }
        push(&mut self.facts.functions, dotted);
    }

    fn column(&mut self, node: &Node) {
        let fields = node.list("fields");
        match fields.last() {
            Some(Tree::Node(last)) if last.name == "AStar" => push(&mut self.facts.columns, "*".to_owned()),
            Some(last) => {
                let name = last.as_text();
                push(&mut self.facts.columns, name.to_owned());
                self.references.push(name.to_owned());
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
        self.facts
    }
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

fn set_config(arguments: &[Tree]) -> Class {
    let literal = |tree: &Tree| tree.as_node().is_some_and(|node| node.name == "AConst");
    match arguments {
        [name, value, _] if literal(name) && literal(value) => {
            match setting::class_of(name.as_text(), Change::To(&[&statement::value_text(value)])) {
                Class::Session => Class::Read,
                class => class,
            }
        }
        _ => Class::Admin,
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
