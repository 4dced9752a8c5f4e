//! What the server's planner would look at when it is asked to EXPLAIN a statement. Planning can run functions: what is
//! immutable is computed, what is stable is tried, so that rows can be estimated. So this takes known kinds of node only,
//! calls functions that are known not to write, and names all that must be the server's own besides: the caller looks in
//! the catalog whether it is.

use super::{
    function::{self, Volatility},
    parse,
    tree::{Node, Tree},
};

/// What is put in front of a statement.
const EXPLAIN: &str = "EXPLAIN (FORMAT JSON) ";
/// Most names of one kind.
const MOST: usize = 200;

/// Kinds of node that hold nothing by themselves which planning could run. What is not named here is not planned.
const PLAIN: &[&str] = &[
    "AArrayExpr",
    "AConst",
    "AIndices",
    "AStar",
    "Alias",
    "BitString",
    "BoolExpr",
    "Boolean",
    "BooleanTest",
    "CaseExpr",
    "CaseWhen",
    "CoalesceExpr",
    "CollateClause",
    "CommonTableExpr",
    "DeleteStmt",
    "Float",
    "GroupingFunc",
    "GroupingSet",
    "IndexElem",
    "InferClause",
    "InsertStmt",
    "Integer",
    "JoinExpr",
    "List",
    "LockingClause",
    "MergeStmt",
    "MergeWhenClause",
    "MinMaxExpr",
    "MultiAssignRef",
    "NamedArgExpr",
    "NullTest",
    "OnConflictClause",
    "ParamRef",
    "RangeFunction",
    "RangeSubselect",
    "ResTarget",
    "ReturningClause",
    "ReturningOption",
    "RowExpr",
    "SelectStmt",
    "SetToDefault",
    "SqlValueFunction",
    "String",
    "UpdateStmt",
    "WindowDef",
    "WithClause",
];

/// Operators that the grammar stands for by other words: IN, CASE, JOIN USING, BETWEEN, GREATEST.
const IMPLIED: &[&str] = &["=", "<>", "<", "<=", ">", ">="];

/// What the names of functions hold that run others by a name in their arguments: input functions, of a domain too, whose
/// conditions are anybody's; libraries that are loaded to be looked at.
const BY_NAME: &[&str] = &["_populate_record", "_validator", "pg_input_"];

/// A relation's name, as the server resolves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlannedRelation {
    /// Empty when none was written.
    pub schema: String,
    /// Without quotes.
    pub name: String,
    /// It may be the name of a common table expression instead.
    pub may_be_cte: bool,
}

/// A statement that may be planned if all that is named here is the server's own, and the relations are plain tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Planning {
    /// The text to send: EXPLAIN with the very text in it.
    pub text: String,
    /// Relations.
    pub relations: Vec<PlannedRelation>,
    /// Functions by their last names, and columns that would be functions if there were no such columns.
    pub functions: Vec<String>,
    /// Operators.
    pub operators: Vec<String>,
    /// Types.
    pub types: Vec<String>,
}

/// What planning `statement` needs. May block and take long: an async caller asks for it on a thread of its own.
///
/// # Errors
/// Why it is not to be planned, in a short phrase.
pub fn planning(statement: &str) -> Result<Planning, String> {
    let text = format!("{EXPLAIN}{statement}");
    // What is judged is what is sent.
    let found = parse::with_tree(&text, collect).ok_or("it could not be parsed")?;
    found.map(|planning| Planning { text, ..planning })
}

fn collect(tree: &Tree) -> Result<Planning, String> {
    let statements = tree.as_node().map_or(&[][..], |parsed| parsed.list("stmts"));
    let [only] = statements else { return Err("it is not one statement".to_owned()) };
    let explain = only.as_node().and_then(|raw| raw.field("stmt").as_node());
    let explain = explain.filter(|node| node.name == "ExplainStmt").ok_or("it is not one statement")?;
    let [option] = explain.list("options") else { return Err("it has options of EXPLAIN".to_owned()) };
    if option.as_node().is_none_or(|option| option.text("defname") != "format") {
        return Err("it has options of EXPLAIN".to_owned());
    }
    let query = explain.field("query").as_node().ok_or("there is nothing to plan")?;
    if !matches!(query.name, "SelectStmt" | "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt") {
        return Err("the server plans no statement of this kind".to_owned());
    }
    let mut found = Collect::default();
    found.planning.operators.extend(IMPLIED.iter().map(|&name| name.to_owned()));
    found.node(query)?;
    let Collect { mut planning, ctes } = found;
    for relation in &mut planning.relations {
        relation.may_be_cte = relation.schema.is_empty() && ctes.contains(&relation.name);
    }
    let lists = [planning.relations.len(), planning.functions.len(), planning.operators.len(), planning.types.len()];
    if lists.into_iter().any(|length| length > MOST) { Err("it names too much".to_owned()) } else { Ok(planning) }
}

#[derive(Default)]
struct Collect {
    planning: Planning,
    ctes: Vec<String>,
}

impl Collect {
    fn visit(&mut self, tree: &Tree) -> Result<(), String> {
        match tree {
            Tree::Node(node) => self.node(node),
            Tree::List(items) => items.iter().try_for_each(|item| self.visit(item)),
            Tree::Nothing | Tree::Flag | Tree::Number(_) | Tree::Text(_) => Ok(()),
        }
    }

    fn node(&mut self, node: &Node) -> Result<(), String> {
        match node.name {
            "RangeVar" => self.relation(node)?,
            "FuncCall" => {
                self.function(node.list("funcname"))?;
                return self.children(node, &["funcname"]);
            }
            "AExpr" => self.operator(node.list("name"))?,
            "SubLink" => self.operator(node.list("oper_name"))?,
            "SortBy" => self.operator(node.list("use_op"))?,
            "ColumnRef" => self.column(node),
            "TypeCast" => {}
            "TypeName" => self.type_name(node)?,
            // `(expression).name` may be a function.
            "AIndirection" if node.list("indirection").iter().all(is_subscript) => {}
            "CommonTableExpr" => push(&mut self.ctes, node.text("ctename")),
            name if PLAIN.contains(&name) => {}
            name => return Err(format!("planning {} could run code", words(name))),
        }
        self.children(node, &[])
    }

    fn children(&mut self, node: &Node, except: &[&str]) -> Result<(), String> {
        node.fields.iter().filter(|(field, _)| !except.contains(field)).try_for_each(|(_, value)| self.visit(value))
    }

    fn relation(&mut self, node: &Node) -> Result<(), String> {
        if node.has("catalogname") {
            return Err("it names a database".to_owned());
        }
        let (schema, name) = (node.text("schemaname").to_owned(), node.text("relname").to_owned());
        let relation = PlannedRelation { schema, name, may_be_cte: false };
        if !self.planning.relations.contains(&relation) {
            self.planning.relations.push(relation);
        }
        Ok(())
    }

    fn function(&mut self, names: &[Tree]) -> Result<(), String> {
        let (schema, name) = Tree::qualified(names);
        let known = matches!(schema, "" | "pg_catalog") && !BY_NAME.iter().any(|part| name.contains(part));
        if !known || function::volatility(schema, name) == Volatility::Unknown {
            return Err(format!("planning it could run {}", Tree::dotted(names)));
        }
        push(&mut self.planning.functions, name);
        Ok(())
    }

    fn operator(&mut self, names: &[Tree]) -> Result<(), String> {
        let (schema, name) = Tree::qualified(names);
        if !matches!(schema, "" | "pg_catalog") {
            return Err(format!("planning it could run the operator {}", Tree::dotted(names)));
        }
        push(&mut self.planning.operators, name);
        Ok(())
    }

    /// `a.b` is a column; where there is none of that name, a function called with `a`.
    fn column(&mut self, node: &Node) {
        if let [_, .., last] = node.list("fields") {
            push(&mut self.planning.functions, last.as_text());
        }
    }

    fn type_name(&mut self, node: &Node) -> Result<(), String> {
        let (schema, name) = Tree::qualified(node.list("names"));
        if !matches!(schema, "" | "pg_catalog") || node.has("pct_type") {
            return Err("it names a type that is not the server's own".to_owned());
        }
        push(&mut self.planning.types, name);
        Ok(())
    }
}

fn is_subscript(tree: &Tree) -> bool {
    tree.as_node().is_some_and(|node| node.name == "AIndices")
}

fn push(list: &mut Vec<String>, name: &str) {
    if !name.is_empty() && !list.iter().any(|known| known == name) {
        list.push(name.to_owned());
    }
}

/// `RangeTableSample` as `range table sample`.
fn words(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push(' ');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_statements_are_planned() {
        for text in [
            "DELETE FROM orders WHERE id = 9",
            "delete from only public.orders o using customers c where o.customer = c.id and c.name like 'a%' returning o.*;",
            "/* why */ UPDATE orders SET (note, at) = ('x', now()), total = total * 1.1 WHERE id IN (1, 2) OR id BETWEEN $1 AND $2",
            "INSERT INTO orders (id, note) VALUES (1, DEFAULT), (2, NULL) ON CONFLICT (id) DO UPDATE SET note = excluded.note",
            "INSERT INTO orders SELECT generate_series(1, 10), 'x'::text, ARRAY[1, 2]::int[]",
            "MERGE INTO orders o USING new n ON o.id = n.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (n.id)",
            "WITH old AS (DELETE FROM orders WHERE at < current_date - interval '1 day' RETURNING *) SELECT count(*) FROM old",
            "SELECT DISTINCT ON (a) a, b[1], CASE a WHEN 1 THEN 'x' END, count(*) FILTER (WHERE b IS NULL) OVER (PARTITION BY a) \
             FROM t LEFT JOIN u USING (a) WHERE EXISTS (SELECT FROM v WHERE v.a = t.a) AND a = ANY ($1) GROUP BY 1 \
             HAVING max(b) > 1 ORDER BY a USING < LIMIT 5 FOR UPDATE",
            "VALUES (1), (2)",
            "TABLE orders",
            "(SELECT 1) UNION ALL SELECT coalesce(2, greatest(3, 4))",
        ] {
            let planning = planning(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(planning.text, format!("EXPLAIN (FORMAT JSON) {text}"));
        }
    }

    #[test]
    fn what_must_be_the_servers_own_is_named() {
        let found = planning(
            "WITH c AS (SELECT 1) SELECT lower(t.a), x.evil, b::mood, 1 ~~~ 2 FROM app.\"T.x\" t, c, (VALUES (1)) x(y)",
        );
        let found = found.unwrap();
        let relation = |schema: &str, name: &str, may_be_cte| PlannedRelation {
            schema: schema.to_owned(),
            name: name.to_owned(),
            may_be_cte,
        };
        assert_eq!(found.relations, [relation("app", "T.x", false), relation("", "c", true)]);
        assert_eq!(found.functions, ["lower", "a", "evil"]);
        assert!(found.operators.iter().any(|name| name == "~~~") && found.operators.iter().any(|name| name == "="));
        assert_eq!(found.types, ["mood"]);
    }

    #[test]
    fn what_planning_could_run_is_not_planned() {
        for text in [
            "DELETE FROM t; DROP TABLE t",
            "DELETE FROM t WHERE evil(1)",
            "DELETE FROM t WHERE public.lower(a) = 'x'",
            "DELETE FROM t WHERE a = (SELECT nextval('s'))",
            "SELECT query_to_xml('DELETE FROM t', true, true, '')",
            "SELECT dblink('', '')",
            "DELETE FROM t WHERE pg_input_is_valid('1', 'mine')",
            "SELECT jsonb_populate_record(t, '{}') FROM t",
            "SELECT fmgr_c_validator(1)",
            "SELECT * FROM json_to_record('{}') AS x(a mine)",
            "DELETE FROM t WHERE a OPERATOR(public.=) 1",
            "DELETE FROM t WHERE a IN (SELECT 1 ORDER BY 1 USING OPERATOR(public.<))",
            "DELETE FROM t WHERE (t).evil",
            "SELECT (b.c).d FROM t",
            "SELECT * FROM t TABLESAMPLE mine (1)",
            "SELECT 'x'::public.mine",
            "SELECT a::t.b%TYPE FROM t",
            "DELETE FROM t WHERE CURRENT OF c",
            "DELETE FROM other.public.t",
            "SELECT xmlparse(document 'x')",
            "SELECT * INTO u FROM t",
            "EXECUTE p (1)",
            "CREATE TABLE u AS SELECT 1",
            "DECLARE c CURSOR FOR SELECT 1",
            "REFRESH MATERIALIZED VIEW v",
            "DROP TABLE t",
            "TRUNCATE t",
            "COPY t TO STDOUT",
            "CALL p()",
            "DO ''",
            "EXPLAIN ANALYZE DELETE FROM t",
            "(ANALYZE) DELETE FROM t",
            "",
            "not sql",
            "SELECT 1\0",
            "; DELETE FROM t",
        ] {
            assert!(planning(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hostile_nesting_is_planned_or_refused() {
        for levels in [100, 3_000, 20_000] {
            let _ = planning(&format!("SELECT {}1{}", "(SELECT ".repeat(levels), ")".repeat(levels)));
        }
    }
}
