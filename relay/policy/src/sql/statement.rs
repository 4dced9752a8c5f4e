//! The class of each kind of statement by itself, without what lies inside it. What is not named is administration.

use super::{
    Class, secret,
    setting::{self, Change},
    standing::PathChange,
    tree::{Node, Tree},
};
use pg_query::protobuf::{AlterTableType, ObjectType, TransactionStmtKind, VariableSetKind};

/// A statement's own class, and what to call it.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) class: Class,
    pub(super) reason: String,
    /// It destroys data or structure for good.
    pub(super) destructive: bool,
    /// The resource may know that it is harmless.
    pub(super) depends: Option<Depends>,
}

/// What the text alone does not tell of a setting.
#[derive(Debug)]
pub(super) enum Depends {
    /// A setting that only the application gives a meaning.
    Setting(String),
    /// A role that may be the session's own.
    Role(String),
}

fn kind(class: Class, reason: impl Into<String>) -> Kind {
    Kind { class, reason: reason.into(), destructive: false, depends: None }
}

fn destroys(reason: impl Into<String>) -> Kind {
    Kind { class: Class::Ddl, reason: reason.into(), destructive: true, depends: None }
}

/// The kind of statement that `node` is.
pub(super) fn kind_of(node: &Node) -> Kind {
    match node.name {
        "SelectStmt" if node.has("locking_clause") => kind(Class::Write, "SELECT ... FOR UPDATE"),
        "SelectStmt" => kind(Class::Read, "SELECT"),
        "InsertStmt" => kind(Class::Write, "INSERT"),
        "UpdateStmt" if !node.has("where_clause") => kind(Class::Write, "UPDATE without WHERE"),
        "UpdateStmt" => kind(Class::Write, "UPDATE"),
        "DeleteStmt" if !node.has("where_clause") => kind(Class::Write, "DELETE without WHERE"),
        "DeleteStmt" => kind(Class::Write, "DELETE"),
        "MergeStmt" => kind(Class::Write, "MERGE"),
        "CopyStmt" => copy(node),
        "LockStmt" => kind(Class::Write, "LOCK"),
        "NotifyStmt" => kind(Class::Write, "NOTIFY"),

        "TransactionStmt" => transaction(node),
        "VariableSetStmt" => variable_set(node),
        "VariableShowStmt" if secret::is_secret_setting(node.text("name")) => kind(Class::Admin, "SHOW of a secret"),
        "VariableShowStmt" => kind(Class::Session, "SHOW"),
        "ListenStmt" => kind(Class::Session, "LISTEN"),
        "UnlistenStmt" => kind(Class::Session, "UNLISTEN"),
        "DiscardStmt" => kind(Class::Session, "DISCARD"),
        "DeclareCursorStmt" => kind(Class::Session, "DECLARE CURSOR"),
        "FetchStmt" => kind(Class::Session, "FETCH"),
        "ClosePortalStmt" => kind(Class::Session, "CLOSE"),
        "PrepareStmt" => kind(Class::Session, "PREPARE"),
        "ExecuteStmt" => kind(Class::Session, format!("EXECUTE {}", node.text("name"))),
        "DeallocateStmt" => kind(Class::Session, "DEALLOCATE"),
        "ConstraintsSetStmt" => kind(Class::Session, "SET CONSTRAINTS"),
        "ExplainStmt" => kind(Class::Read, "EXPLAIN"),

        "TruncateStmt" => destroys("TRUNCATE"),
        "DropStmt" => drop_object(node),
        "AlterTableStmt" => alter_table(node),
        "RenameStmt" => rename(node),
        "CreateTableAsStmt" => kind(Class::Ddl, "CREATE TABLE AS"),
        "CreateStmt" => kind(Class::Ddl, "CREATE TABLE"),
        "ViewStmt" => kind(Class::Ddl, "CREATE VIEW"),
        "IndexStmt" => kind(Class::Ddl, "CREATE INDEX"),
        "CreateSeqStmt" => kind(Class::Ddl, "CREATE SEQUENCE"),
        "AlterSeqStmt" => kind(Class::Ddl, "ALTER SEQUENCE"),
        // A schema of another role is made with that role's rights.
        "CreateSchemaStmt" if node.has("authrole") => kind(Class::Admin, "CREATE SCHEMA AUTHORIZATION"),
        "CreateSchemaStmt" => kind(Class::Ddl, "CREATE SCHEMA"),
        "AlterObjectSchemaStmt" => set_schema(node),
        "CreateDomainStmt" => kind(Class::Ddl, "CREATE DOMAIN"),
        "AlterDomainStmt" => kind(Class::Ddl, "ALTER DOMAIN"),
        "CompositeTypeStmt" | "CreateEnumStmt" | "CreateRangeStmt" => kind(Class::Ddl, "CREATE TYPE"),
        "AlterEnumStmt" => kind(Class::Ddl, "ALTER TYPE"),
        "CreateTrigStmt" => kind(Class::Ddl, "CREATE TRIGGER"),
        "RuleStmt" => kind(Class::Ddl, "CREATE RULE"),
        "CreateStatsStmt" => kind(Class::Ddl, "CREATE STATISTICS"),
        "AlterStatsStmt" => kind(Class::Ddl, "ALTER STATISTICS"),
        "CommentStmt" => kind(Class::Ddl, "COMMENT"),
        "ReindexStmt" => kind(Class::Ddl, "REINDEX"),
        "ClusterStmt" => kind(Class::Ddl, "CLUSTER"),
        "VacuumStmt" => kind(Class::Ddl, if node.has("is_vacuumcmd") { "VACUUM" } else { "ANALYZE" }),
        "ReplicaIdentityStmt" => kind(Class::Ddl, "REPLICA IDENTITY"),
        "DefineStmt" if object_type(node, "kind").0 == ObjectType::ObjectCollation => {
            kind(Class::Ddl, "CREATE COLLATION")
        }
        "RefreshMatViewStmt" => kind(Class::Ddl, "REFRESH MATERIALIZED VIEW"),

        "DoStmt" => kind(Class::Admin, "DO runs a program on the server"),
        "CallStmt" => kind(Class::Admin, "CALL runs a program on the server"),
        "CreateFunctionStmt" => kind(Class::Admin, "CREATE FUNCTION"),
        "CreateRoleStmt" => kind(Class::Admin, "CREATE ROLE"),
        "AlterRoleStmt" | "AlterRoleSetStmt" => kind(Class::Admin, "ALTER ROLE"),
        "GrantStmt" | "GrantRoleStmt" => kind(Class::Admin, if node.has("is_grant") { "GRANT" } else { "REVOKE" }),
        "DropRoleStmt" => Kind { class: Class::Admin, ..destroys("DROP ROLE") },
        "DropdbStmt" => Kind { class: Class::Admin, ..destroys("DROP DATABASE") },
        "DropOwnedStmt" => Kind { class: Class::Admin, ..destroys("DROP OWNED") },
        "DropTableSpaceStmt" => Kind { class: Class::Admin, ..destroys("DROP TABLESPACE") },
        "DropUserMappingStmt" => Kind { class: Class::Admin, ..destroys("DROP USER MAPPING") },
        "DropSubscriptionStmt" => Kind { class: Class::Admin, ..destroys("DROP SUBSCRIPTION") },
        "AlterSystemStmt" => kind(Class::Admin, "ALTER SYSTEM"),
        other => kind(Class::Admin, words(other)),
    }
}

/// `CreateExtensionStmt` as `CREATE EXTENSION`.
fn words(name: &str) -> String {
    let mut out = String::new();
    for c in name.strip_suffix("Stmt").unwrap_or(name).chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push(' ');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

fn copy(node: &Node) -> Kind {
    if node.has("is_program") {
        kind(Class::Admin, "COPY ... PROGRAM runs a program on the server")
    } else if node.has("filename") {
        kind(Class::Admin, "COPY with a file of the server")
    } else if node.has("is_from") {
        kind(Class::Write, "COPY FROM STDIN")
    } else {
        kind(Class::Read, "COPY TO STDOUT")
    }
}

fn transaction(node: &Node) -> Kind {
    use TransactionStmtKind as T;
    match T::try_from(node.number("kind")) {
        Ok(T::TransStmtBegin | T::TransStmtStart) => kind(Class::Session, "BEGIN"),
        Ok(T::TransStmtCommit) => kind(Class::Session, "COMMIT"),
        Ok(T::TransStmtRollback | T::TransStmtRollbackTo) => kind(Class::Session, "ROLLBACK"),
        Ok(T::TransStmtSavepoint | T::TransStmtRelease) => kind(Class::Session, "SAVEPOINT"),
        // A prepared transaction outlives the session that its locks belong to.
        _ => kind(Class::Admin, "two-phase commit"),
    }
}

fn variable_set(node: &Node) -> Kind {
    use VariableSetKind as V;
    let name = node.text("name");
    let values = || node.list("args").iter().map(value_text).collect::<Vec<_>>();
    match V::try_from(node.number("kind")) {
        Ok(V::VarSetValue) => {
            let values = values();
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            depending(
                setting::class_of(name, Change::To(&values)),
                name,
                values.first().copied(),
                format!("SET {name}"),
            )
        }
        Ok(V::VarSetMulti) => kind(setting::class_of(name, Change::To(&[])), format!("SET {name}")),
        Ok(V::VarSetDefault) => depending(setting::class_of(name, Change::Back), name, None, format!("SET {name}")),
        Ok(V::VarReset) => depending(setting::class_of(name, Change::Back), name, None, format!("RESET {name}")),
        // Leaves role and session authorization alone.
        Ok(V::VarResetAll) => kind(Class::Session, "RESET ALL"),
        _ => kind(Class::Admin, format!("SET {name}")),
    }
}

/// A setting of the application's own, or a role: the resource may know it.
fn depending(class: Class, name: &str, value: Option<&str>, reason: String) -> Kind {
    let depends = match (name, value) {
        _ if class == Class::Session => None,
        ("role", Some(role)) => Some(Depends::Role(role.to_owned())),
        (name, _) if setting::is_custom(name) => Some(Depends::Setting(name.to_ascii_lowercase())),
        _ => None,
    };
    Kind { depends, ..kind(class, reason) }
}

/// How a statement changes where names are looked for; none when it does not.
pub(super) fn path_change(node: &Node) -> Option<PathChange> {
    use VariableSetKind as V;
    // What is discarded goes back too.
    if node.name == "DiscardStmt" {
        return Some(PathChange { to: None, local: false, certain: false });
    }
    let kind = V::try_from(node.number("kind"));
    let all = kind == Ok(V::VarResetAll);
    if !all && !node.text("name").eq_ignore_ascii_case("search_path") {
        return None;
    }
    let values = || node.list("args").iter().map(value_text).collect();
    Some(PathChange::of_set(node, (kind == Ok(V::VarSetValue)).then(values)))
}

/// What a call gives for each parameter, by place or by name (`a => 1`).
pub(super) fn arguments<'a, const N: usize>(arguments: &'a [Tree], names: [&str; N]) -> [Option<&'a Tree>; N] {
    let mut given = [None; N];
    for (at, argument) in arguments.iter().enumerate() {
        let named = argument.as_node().filter(|node| node.name == "NamedArgExpr");
        let place = named.map_or(Some(at), |named| names.iter().position(|name| *name == named.text("name")));
        match place.and_then(|place| given.get_mut(place)) {
            Some(slot) => *slot = Some(named.map_or(argument, |named| named.field("arg"))),
            // More than there are: whoever looks at this must not take it for the call that it knows.
            None => return [None; N],
        }
    }
    given
}

/// True for a mode of `lo_open` without `INV_WRITE`.
pub(super) fn opens_to_read(mode: &Tree) -> bool {
    const INV_WRITE: i64 = 0x2_0000;
    let constant = mode.as_node().filter(|node| node.name == "AConst");
    constant.and_then(|_| value_text(mode).parse::<i64>().ok()).is_some_and(|mode| mode & INV_WRITE == 0)
}

/// A constant as text.
pub(super) fn value_text(value: &Tree) -> String {
    let text = value.as_text();
    if !text.is_empty() {
        return text.to_owned();
    }
    let constant = value.as_node().and_then(|node| node.field("val").as_node());
    match constant.map(|constant| (constant.name, constant)) {
        Some(("Integer", integer)) => integer.number("ival").to_string(),
        Some(("Boolean", boolean)) => boolean.has("boolval").to_string(),
        Some(("Float", float)) => float.text("fval").to_owned(),
        Some(("String", string)) => string.text("sval").to_owned(),
        _ => String::new(),
    }
}

fn object_type(node: &Node, field: &str) -> (ObjectType, String) {
    let object = ObjectType::try_from(node.number(field)).unwrap_or(ObjectType::Undefined);
    let name = match object {
        ObjectType::ObjectMatview => "MATERIALIZED VIEW".to_owned(),
        ObjectType::ObjectForeignServer => "SERVER".to_owned(),
        other => other.as_str_name().trim_start_matches("OBJECT_").replace('_', " "),
    };
    (object, name)
}

fn drop_object(node: &Node) -> Kind {
    use ObjectType as O;
    let (object, name) = object_type(node, "remove_type");
    let class = match object {
        O::ObjectTable
        | O::ObjectView
        | O::ObjectMatview
        | O::ObjectIndex
        | O::ObjectSequence
        | O::ObjectType
        | O::ObjectDomain
        | O::ObjectSchema
        | O::ObjectTrigger
        | O::ObjectRule
        | O::ObjectFunction
        | O::ObjectProcedure
        | O::ObjectRoutine
        | O::ObjectAggregate
        | O::ObjectCollation
        | O::ObjectStatisticExt
        | O::ObjectForeignTable => Class::Ddl,
        _ => Class::Admin,
    };
    Kind { class, ..destroys(format!("DROP {name}")) }
}

fn alter_table(node: &Node) -> Kind {
    use AlterTableType as A;
    let (_, object) = object_type(node, "objtype");
    let reason = format!("ALTER {object}");
    let mut out = kind(Class::Ddl, reason.clone());
    for command in node.list("cmds").iter().filter_map(Tree::as_node) {
        match A::try_from(command.number("subtype")) {
            Ok(A::AtDropColumn) => out.destructive = true,
            // Who owns a table, and whether its row security holds, decides who sees it.
            Ok(
                A::AtChangeOwner
                | A::AtDisableRowSecurity
                | A::AtNoForceRowSecurity
                | A::AtEnableRowSecurity
                | A::AtForceRowSecurity
                | A::AtGenericOptions,
            )
            | Err(_) => out.class = Class::Admin,
            Ok(_) => {}
        }
    }
    if out.destructive {
        out.reason = format!("{reason} DROP COLUMN");
    }
    out
}

fn set_schema(node: &Node) -> Kind {
    use ObjectType as O;
    let (object, name) = object_type(node, "object_type");
    let class = match object {
        O::ObjectTable
        | O::ObjectView
        | O::ObjectMatview
        | O::ObjectSequence
        | O::ObjectForeignTable
        | O::ObjectType
        | O::ObjectDomain
        | O::ObjectCollation
        | O::ObjectStatisticExt => Class::Ddl,
        // Functions and operators could take the place of known ones.
        _ => Class::Admin,
    };
    kind(class, format!("ALTER {name} SET SCHEMA"))
}

fn rename(node: &Node) -> Kind {
    use ObjectType as O;
    let (object, name) = object_type(node, "rename_type");
    let class = match object {
        O::ObjectRole
        | O::ObjectDatabase
        | O::ObjectPolicy
        | O::ObjectTablespace
        | O::ObjectForeignServer
        | O::ObjectFdw
        | O::ObjectExtension
        | O::ObjectLanguage
        | O::ObjectEventTrigger
        | O::ObjectPublication
        | O::ObjectSubscription
        // A function renamed to a known harmless name would pass as it.
        | O::ObjectFunction
        | O::ObjectProcedure
        | O::ObjectRoutine
        | O::ObjectAggregate
        | O::ObjectOpclass
        | O::ObjectOpfamily => Class::Admin,
        _ => Class::Ddl,
    };
    kind(class, format!("ALTER {name} RENAME"))
}
