//! What the server's catalogs hold that is not for everybody, by column: passwords, connection strings, copies of other
//! tables' values; and settings, some of which hold a secret while most are anybody's.

use super::tree::{Node, Tree};
use pg_query::protobuf::{BoolExprType, SubLinkType};

/// A catalog with columns that hold secrets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Catalog {
    pub(super) name: &'static str,
    /// Empty: all of them.
    pub(super) columns: &'static [&'static str],
    /// What they hold is the server's own; else it is a copy of what tables hold.
    pub(super) of_the_server: bool,
}

const fn secret(name: &'static str, columns: &'static [&'static str]) -> Catalog {
    Catalog { name, columns, of_the_server: true }
}

const fn copies(name: &'static str, columns: &'static [&'static str]) -> Catalog {
    Catalog { name, columns, of_the_server: false }
}

const CATALOGS: &[Catalog] = &[
    secret("_pg_user_mappings", &["umoptions"]),
    secret("pg_authid", &["rolpassword"]),
    secret("pg_file_settings", &["setting"]),
    secret("pg_hba_file_rules", &["options", "error"]),
    secret("pg_ident_file_mappings", &[]),
    secret("pg_shadow", &["passwd"]),
    secret("pg_subscription", &["subconninfo"]),
    secret("pg_user_mapping", &["umoptions"]),
    secret("pg_user_mappings", &["umoptions"]),
    secret("user_mapping_options", &["option_value"]),
    copies("pg_largeobject", &["data"]),
    copies("pg_statistic", &["stavalues1", "stavalues2", "stavalues3", "stavalues4", "stavalues5"]),
    copies("pg_statistic_ext_data", &["stxdmcv", "stxdexpr"]),
    copies("pg_stats", &["most_common_vals", "histogram_bounds", "most_common_elems", "range_bounds_histogram"]),
    copies("pg_stats_ext", &["most_common_vals"]),
    copies(
        "pg_stats_ext_exprs",
        &["most_common_vals", "histogram_bounds", "most_common_elems", "range_bounds_histogram"],
    ),
];

/// The catalog of this name that has secret columns.
pub(super) fn catalog(schema: &str, name: &str) -> Option<&'static Catalog> {
    let own = matches!(schema, "" | "pg_catalog" | "information_schema");
    CATALOGS.iter().find(|catalog| own && catalog.name == name)
}

impl Catalog {
    /// The secret column among those that a statement names; `*` may be any.
    pub(super) fn named_in(&self, columns: &[String]) -> Option<&'static str> {
        if self.columns.is_empty() || columns.iter().any(|column| column == "*") {
            return Some("*");
        }
        self.columns.iter().copied().find(|secret| columns.iter().any(|column| column == secret))
    }
}

/// Settings that hold a secret, or a command line that may.
const SETTINGS: &[&str] =
    &["archive_command", "primary_conninfo", "recovery_end_command", "restore_command", "ssl_passphrase_command"];
/// What the name of a setting of an application's own says of it: `app.jwt_secret`.
const WORDS: &[&str] = &[
    "apikey",
    "api_key",
    "conninfo",
    "credential",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "private",
    "secret",
    "token",
];

/// True for a setting whose value is a secret.
#[must_use]
pub fn is_secret_setting(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SETTINGS.contains(&name.as_str()) || (name.contains('.') && WORDS.iter().any(|word| name.contains(word)))
}

/// How a statement shows settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Settings {
    /// It shows none, or none that is secret.
    #[default]
    None,
    /// Each value beside its name, so that the secret ones can be masked.
    Named,
    /// Values of which nobody knows the names.
    Nameless,
}

/// Columns that have the value of the setting that `name` names.
const VALUES: &[&str] = &["setting", "boot_val", "reset_val"];
/// Columns of lists of `name=value`, and the catalogs that have them.
const LISTS: &[&str] = &["setconfig", "rolconfig", "useconfig"];
const OF_LISTS: &[&str] = &["pg_db_role_setting", "pg_roles", "pg_user", "pg_shadow"];

/// How a statement shows settings. It may show the name beside the value, or ask for some by name; in a cursor, a copy or a new
/// table nobody sees both.
pub(super) fn settings(statement: &Node) -> Settings {
    match statement.name {
        "VariableShowStmt" if statement.text("name") == "all" => Settings::Named,
        "ExplainStmt" => Settings::None,
        "SelectStmt" if !statement.has("into_clause") => shown(statement, true),
        _ => shown(statement, false),
    }
}

/// Over all queries in it; `top` is the one whose rows are shown.
fn shown(node: &Node, top: bool) -> Settings {
    if node.name == "SubLink" && SubLinkType::try_from(node.number("sub_link_type")) == Ok(SubLinkType::ExistsSublink) {
        return node.field("subselect").as_node().map_or(Settings::None, within);
    }
    let own = if node.name == "SelectStmt" { of_select(node, top) } else { Settings::None };
    own.max(within(node))
}

fn within(node: &Node) -> Settings {
    fn of(tree: &Tree) -> Settings {
        match tree {
            Tree::Node(node) => shown(node, false),
            Tree::List(items) => items.iter().map(of).max().unwrap_or_default(),
            _ => Settings::None,
        }
    }
    node.fields.iter().map(|(_, value)| of(value)).max().unwrap_or_default()
}

fn of_select(select: &Node, top: bool) -> Settings {
    let (mut relations, mut rows) = (Vec::new(), Vec::new());
    select.list("from_clause").iter().for_each(|item| collect(item, &mut relations, &mut rows));
    let names = |targets: &Tree, columns: &[&str]| names(targets, columns, &rows);
    let targets = select.field("target_list");
    let values = relations.contains(&"pg_settings") && names(targets, VALUES) && !asks_for_harmless(select);
    let lists = relations.iter().any(|relation| OF_LISTS.contains(relation)) && names(targets, LISTS);
    let beside =
        || top && !select.has("group_clause") && select.list("target_list").iter().any(is_name) && !is_over(targets);
    match (values, lists) {
        (false, false) => Settings::None,
        _ if (!values || beside()) && (!lists || top && is_whole(targets, false)) => Settings::Named,
        _ => Settings::Nameless,
    }
}

/// The relations of the server's own in FROM, and what stands for a row there.
fn collect<'a>(item: &'a Tree, relations: &mut Vec<&'a str>, rows: &mut Vec<&'a str>) {
    let Some(node) = item.as_node() else { return };
    rows.extend(node.field("alias").as_node().map(|alias| alias.text("aliasname")));
    match node.name {
        "RangeVar" => {
            rows.push(node.text("relname"));
            if matches!(node.text("schemaname"), "" | "pg_catalog") {
                relations.push(node.text("relname"));
            }
        }
        "JoinExpr" => ["larg", "rarg"].iter().for_each(|side| collect(node.field(side), relations, rows)),
        _ => {}
    }
}

/// The last name of a column reference; `*` for all of them.
fn column(tree: &Tree) -> Option<&str> {
    let last = tree.as_node().filter(|node| node.name == "ColumnRef")?.list("fields").last()?;
    let star = last.as_node().is_some_and(|node| node.name == "AStar");
    Some(if star { "*" } else { last.as_text() })
}

fn any(tree: &Tree, found: &impl Fn(&Tree) -> bool) -> bool {
    found(tree)
        || match tree {
            Tree::Node(node) => node.fields.iter().any(|(_, value)| any(value, found)),
            Tree::List(items) => items.iter().any(|item| any(item, found)),
            _ => false,
        }
}

/// True when an expression may be made of these columns: it names one, all of them, or a row.
fn names(tree: &Tree, columns: &[&str], rows: &[&str]) -> bool {
    any(tree, &|tree| match tree {
        Tree::Node(node) if node.name == "String" => columns.contains(&node.text("sval")),
        _ => column(tree).is_some_and(|name| name == "*" || columns.contains(&name) || rows.contains(&name)),
    })
}

/// An output that is the setting's name.
fn is_name(target: &Tree) -> bool {
    target.as_node().and_then(|target| column(target.field("val"))).is_some_and(|name| matches!(name, "name" | "*"))
}

/// A window shows another row's values.
fn is_over(targets: &Tree) -> bool {
    any(targets, &|tree| tree.as_node().is_some_and(|node| node.has("over") || node.name == "SubLink"))
}

/// True when lists are shown as they are, or their elements are.
fn is_whole(tree: &Tree, shown: bool) -> bool {
    match tree {
        Tree::List(items) => items.iter().all(|item| is_whole(item, shown)),
        Tree::Node(node) => match node.name {
            "NullTest" => true,
            "ColumnRef" => shown || column(tree).is_none_or(|name| !LISTS.contains(&name)),
            "ResTarget" => is_whole(node.field("val"), true),
            "FuncCall" => {
                let name = node.list("funcname").last().map_or("", Tree::as_text);
                is_whole(node.field("args"), shown && matches!(name, "unnest" | "array_to_string"))
            }
            "String" => !LISTS.contains(&node.text("sval")),
            _ => node.fields.iter().all(|(_, value)| is_whole(value, false)),
        },
        _ => true,
    }
}

/// `WHERE name = 'harmless'`, or `IN` a list of such.
fn asks_for_harmless(select: &Node) -> bool {
    let harmless =
        |value: &Tree| value.as_node().is_some_and(|node| node.name == "AConst") && !is_secret_setting(value.as_text());
    fn conditions<'a>(tree: &'a Tree, all: &mut Vec<&'a Node>) {
        let Some(node) = tree.as_node() else { return };
        match BoolExprType::try_from(node.number("boolop")) {
            Ok(BoolExprType::AndExpr) if node.name == "BoolExpr" => {
                node.list("args").iter().for_each(|argument| conditions(argument, all));
            }
            _ => all.push(node),
        }
    }
    let mut all = Vec::new();
    conditions(select.field("where_clause"), &mut all);
    all.iter().any(|condition| {
        let equals = condition.name == "AExpr" && Tree::dotted(condition.list("name")) == "=";
        let of_name = column(condition.field("lexpr")) == Some("name");
        let value = condition.field("rexpr");
        let values = if let Tree::List(values) = value { values.iter().all(harmless) } else { harmless(value) };
        equals && of_name && values
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Class, facts};

    #[test]
    fn secrets_are_columns() {
        for (text, secret) in [
            ("SELECT count(*) FROM pg_subscription WHERE subdbid = 1", false),
            ("SELECT subname, subenabled FROM pg_catalog.pg_subscription", false),
            ("SELECT subconninfo FROM pg_subscription", true),
            ("SELECT * FROM pg_subscription", true),
            ("SELECT s FROM pg_subscription s", true),
            ("SELECT s.to_jsonb FROM pg_subscription s", true),
            ("SELECT 1 FROM pg_subscription WHERE subconninfo LIKE '%x%'", true),
            ("SELECT q.x FROM pg_subscription AS q(a, b, x)", true),
            ("PREPARE p AS SELECT rolpassword FROM pg_authid", true),
            ("COPY pg_authid (rolname) TO STDOUT", false),
            ("COPY pg_authid TO STDOUT", true),
            ("SELECT rolname FROM pg_authid", false),
            ("SELECT usename FROM pg_shadow", false),
            ("SELECT srvname, usename FROM pg_user_mappings", false),
            ("SELECT umoptions FROM pg_user_mappings", true),
            ("SELECT null_frac FROM pg_stats", false),
            ("SELECT most_common_vals FROM pg_stats", true),
            ("SELECT loid FROM pg_largeobject", false),
            ("SELECT * FROM app.pg_subscription", false),
        ] {
            assert_eq!(facts(text).class == Class::Admin, secret, "{text}");
        }
        let prepared = facts("PREPARE p AS SELECT rolpassword FROM pg_authid");
        assert_eq!((prepared.class, prepared.prepares[0].facts.class), (Class::Admin, Class::Admin));
        assert_eq!(facts("SELECT subconninfo FROM pg_subscription").reason, "reads pg_subscription.subconninfo");
    }

    #[test]
    fn settings_are_shown_beside_their_names() {
        for (text, shows, class) in [
            ("SHOW ALL", true, Class::Session),
            ("SELECT * FROM pg_settings", true, Class::Read),
            ("SELECT name, setting FROM pg_catalog.pg_settings ORDER BY 1", true, Class::Read),
            ("SELECT s.name AS n, upper(s.setting) FROM pg_settings s", true, Class::Read),
            ("SELECT setting FROM pg_settings WHERE name = 'server_version_num'", false, Class::Read),
            ("SELECT setting FROM pg_settings WHERE name IN ('port', 'fsync') AND unit IS NULL", false, Class::Read),
            ("SELECT (SELECT setting::int FROM pg_settings WHERE name = 'port')", false, Class::Read),
            ("SELECT name, unit FROM pg_settings", false, Class::Read),
            ("SELECT EXISTS (SELECT * FROM pg_settings WHERE name = 'x')", false, Class::Read),
            ("EXPLAIN SELECT * FROM pg_settings", false, Class::Read),
            ("SELECT setting FROM pg_settings", false, Class::Admin),
            ("SELECT setting FROM pg_settings WHERE name = 'primary_conninfo'", false, Class::Admin),
            ("SELECT setting FROM pg_settings WHERE name = 'port' OR true", false, Class::Admin),
            ("SELECT name, lag(setting) OVER () FROM pg_settings", false, Class::Admin),
            ("SELECT x FROM (SELECT setting AS x FROM pg_settings) q", false, Class::Admin),
            ("SELECT to_json(s) FROM pg_settings s", false, Class::Admin),
            ("COPY (SELECT name, setting FROM pg_settings) TO STDOUT", false, Class::Admin),
            ("DECLARE c CURSOR FOR SELECT * FROM pg_settings", false, Class::Admin),
            ("CREATE TABLE t AS SELECT * FROM pg_settings", false, Class::Admin),
            ("SELECT * FROM app.pg_settings", false, Class::Read),
            ("SELECT setconfig FROM pg_db_role_setting", true, Class::Read),
            ("SELECT rolname, unnest(setconfig) FROM pg_db_role_setting s, pg_roles r", true, Class::Read),
            ("SELECT array_to_string(setconfig, E'\\n') AS s FROM pg_db_role_setting", true, Class::Read),
            ("SELECT * FROM pg_roles", true, Class::Read),
            ("SELECT rolname FROM pg_roles", false, Class::Read),
            ("SELECT rolname, rolconfig IS NULL FROM pg_roles", true, Class::Read),
            ("SELECT split_part(rolconfig[1], '=', 2) FROM pg_roles", false, Class::Admin),
            ("SELECT split_part((r).rolconfig[1], '=', 2) FROM pg_roles r", false, Class::Admin),
            ("SELECT o FROM pg_roles r, (SELECT unnest(rolconfig) AS o FROM pg_roles) q", false, Class::Admin),
            ("SELECT current_setting('server_version')", false, Class::Read),
            ("SELECT current_setting('server_version'::text)", false, Class::Read),
        ] {
            let facts = facts(text);
            assert_eq!((facts.settings, facts.class), (shows, class), "{text}");
        }
        assert!(facts("SELECT current_setting('primary_conninfoX'::varchar(16))").exposure.secret);
    }
}
