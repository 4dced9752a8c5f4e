//! What changing a parameter needs: a few are harmless, a few at one value only, all others are administration.

use super::{
    Class,
    tree::{Node, Tree},
};
use pg_query::protobuf::AExprKind;

/// Harmless at any value: they change how much is shown, waited, planned or checked, or how it is written down, not what a
/// statement means or who runs it.
const HARMLESS: &[&str] = &[
    "application_name",
    "backend_flush_after",
    "bytea_output",
    "check_function_bodies",
    "client_connection_check_interval",
    "client_min_messages",
    "commit_delay",
    "commit_siblings",
    "constraint_exclusion",
    "cpu_index_tuple_cost",
    "cpu_operator_cost",
    "cpu_tuple_cost",
    "cursor_tuple_fraction",
    "datestyle",
    "default_statistics_target",
    "default_text_search_config",
    "default_toast_compression",
    "effective_cache_size",
    "effective_io_concurrency",
    "escape_string_warning",
    "exit_on_error",
    "extra_float_digits",
    "from_collapse_limit",
    "geqo",
    "gin_fuzzy_search_limit",
    "gin_pending_list_limit",
    "hash_mem_multiplier",
    "icu_validation_level",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "join_collapse_limit",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "logical_decoding_work_mem",
    "maintenance_io_concurrency",
    "maintenance_work_mem",
    "max_parallel_maintenance_workers",
    "max_parallel_workers",
    "max_parallel_workers_per_gather",
    "max_stack_depth",
    "parallel_leader_participation",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "plan_cache_mode",
    "quote_all_identifiers",
    "random_page_cost",
    "recursive_worktable_factor",
    // Off turns rows that a policy would hide into an error.
    "restrict_nonsystem_relation_kind",
    "row_security",
    "seed",
    "seq_page_cost",
    "statement_timeout",
    "synchronous_commit",
    "synchronize_seqscans",
    "tcp_keepalives_count",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_user_timeout",
    "temp_buffers",
    "timezone",
    "timezone_abbreviations",
    "track_activities",
    "transaction",
    "transaction snapshot",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_timeout",
    "session characteristics",
    "wal_skip_threshold",
    "work_mem",
    "xmlbinary",
    "xmloption",
];
/// Among them those of extensions that only tune a search, and weir's own.
const HARMLESS_PREFIXES: &[&str] = &[
    "default_transaction_",
    "enable_",
    "geqo_",
    "hnsw.",
    "ivfflat.",
    "jit_",
    "min_parallel_",
    "pg_trgm.",
    "vacuum_",
    "weir.",
];

/// A change of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// To these values.
    To(&'a [&'a str]),
    /// To what the text does not say: a parameter, an expression.
    Unknown,
    /// Back to what the session began with.
    Back,
}

/// The class that a setting needs which a session begins with, as [`super::Class::Session`] or more. The same as that of `SET`.
#[must_use]
pub fn setting(name: &str, value: &str) -> Class {
    class_of(name, Change::To(&[value]))
}

/// True for a setting that the server gives no meaning: `app.tenant`. What it means is the application's own.
#[must_use]
pub fn is_custom(name: &str) -> bool {
    name.contains('.')
}

/// The class that the change needs. Names compare without case, as the server does.
pub(super) fn class_of(name: &str, change: Change<'_>) -> Class {
    let name = name.to_ascii_lowercase();
    let harmless = HARMLESS.contains(&name.as_str()) || HARMLESS_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let ok = match (name.as_str(), change) {
        _ if harmless => true,
        // These change how the text itself is read: facts are only right at these values.
        ("client_encoding" | "names", Change::To([value])) => {
            matches!(value.to_ascii_lowercase().replace(['-', '_'], "").as_str(), "utf8" | "unicode")
        }
        ("standard_conforming_strings", Change::To([value])) => {
            matches!(value.to_ascii_lowercase().as_str(), "on" | "true" | "yes" | "1")
        }
        // As a dump sets them, and as servers begin.
        ("default_tablespace", Change::To([""])) | ("default_table_access_method", Change::To(["heap"])) => true,
        // Names are judged as the server finds them on whatever path.
        ("search_path", Change::To(_)) => true,
        ("client_encoding" | "standard_conforming_strings" | "search_path", Change::Back) => true,
        _ => false,
    };
    if ok { Class::Session } else { Class::Admin }
}

/// The one setting whose row a query of `pg_settings` gives: `... FROM pg_settings WHERE name = 'x'`.
pub(super) fn pinned(select: &Node) -> Option<String> {
    let [Tree::Node(from)] = select.list("from_clause") else { return None };
    let of_settings = from.name == "RangeVar" && from.text("relname") == "pg_settings" && !from.has("alias");
    let condition = select.field("where_clause").as_node().filter(|_| of_settings)?;
    let equal = condition.name == "AExpr"
        && AExprKind::try_from(condition.number("kind")) == Ok(AExprKind::AexprOp)
        && matches!(condition.list("name"), [operator] if operator.as_text() == "=");
    let value = condition.field("rexpr").as_node().filter(|value| value.name == "AConst")?.field("val");
    (equal && is_name(condition.field("lexpr")) && value.as_node()?.name == "String")
        .then(|| value.as_text().to_owned())
}

/// The column `name`.
pub(super) fn is_name(tree: &Tree) -> bool {
    let column = tree.as_node().filter(|node| node.name == "ColumnRef");
    column.is_some_and(|column| matches!(column.list("fields"), [name] if name.as_text() == "name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_matter_where_they_change_the_meaning() {
        for (name, values, class) in [
            ("TimeZone", &["UTC"][..], Class::Session),
            ("client_encoding", &["UTF8"], Class::Session),
            ("client_encoding", &["utf-8"], Class::Session),
            ("client_encoding", &["SJIS"], Class::Admin),
            ("standard_conforming_strings", &["on"], Class::Session),
            ("standard_conforming_strings", &["off"], Class::Admin),
            ("search_path", &["a", "public"], Class::Session),
            ("search_path", &["pg_catalog", "a"], Class::Session),
            ("search_path", &["a", "pg_catalog"], Class::Session),
            ("enable_seqscan", &["off"], Class::Session),
            ("session_replication_role", &["replica"], Class::Admin),
            ("row_security", &["off"], Class::Session),
            ("lc_messages", &["de_DE.UTF-8"], Class::Session),
            ("PLAN_CACHE_MODE", &["force_custom_plan"], Class::Session),
            ("app.tenant", &["7"], Class::Admin),
            ("pg_trgm.similarity_threshold", &["0.5"], Class::Session),
            ("log_statement", &["none"], Class::Admin),
        ] {
            assert_eq!(class_of(name, Change::To(values)), class, "{name} {values:?}");
        }
        assert_eq!(class_of("search_path", Change::Back), Class::Session);
        assert_eq!(class_of("role", Change::Back), Class::Admin);
        for (name, class) in [("jit", Class::Session), ("search_path", Class::Admin), ("client_encoding", Class::Admin)]
        {
            assert_eq!(class_of(name, Change::Unknown), class, "{name}");
        }
    }
}
