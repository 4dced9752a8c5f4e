//! What calling a function needs: known harmless ones of `pg_catalog` read, known dangerous ones are administration, and
//! of all others nobody knows what they write.

use super::Class;
use std::{collections::HashMap, sync::OnceLock};

/// How a function's answers change, as PostgreSQL's `pg_proc.provolatile` has it. Ordered by danger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volatility {
    /// The same arguments give the same answer for ever.
    Immutable,
    /// The same answer within a statement.
    Stable,
    /// Any answer, but the function is known to change nothing.
    Volatile,
    /// Not known here: it may write.
    Unknown,
}

/// Read files, stop sessions, change the server.
const DANGEROUS: &[&str] = &[
    "brin_",
    "file_fdw",
    "gin_clean_pending_list",
    "heap_force_",
    "lo_export",
    "lo_import",
    "pg_backup_",
    "pg_buffercache",
    "pg_cancel_backend",
    "pg_clear_",
    "pg_control_",
    "pg_copy_",
    "pg_create_",
    "pg_current_logfile",
    "pg_drop_",
    "pg_execute_server_program",
    "pg_extension_config_dump",
    "pg_file_",
    "pg_force_",
    "pg_get_wal_",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_import_",
    "pg_log_",
    "pg_logdir_ls",
    "pg_logical_",
    "pg_ls_",
    "pg_nextoid",
    "pg_promote",
    "pg_read_",
    "pg_reload_conf",
    "pg_replication_",
    "pg_restore_",
    "pg_rotate_logfile",
    "pg_show_all_file_settings",
    "pg_show_all_settings",
    "pg_start_backup",
    "pg_stat_file",
    "pg_stat_reset",
    "pg_stat_statements_reset",
    "pg_stop_backup",
    "pg_switch_",
    "pg_sync_",
    "pg_terminate_backend",
    "pg_truncate_",
    "pg_wal_replay_",
    "set_config",
];

/// Run SQL from a text, here or at another server, or write the catalog: dangerous, and what they do does not show.
const OPAQUE: &[&str] = &[
    "binary_upgrade_",
    "connectby",
    "crosstab",
    "cursor_to_xml",
    "database_to_xml",
    "dblink",
    "pg_background_",
    "query_export_to_s3",
    "query_to_xml",
    "schema_to_xml",
    "table_to_xml",
    "ts_rewrite",
    "ts_stat",
    "xpath_table",
];

/// Columns of what known functions return: `(aclexplode(relacl)).grantee`.
const RESULT_COLUMNS: &[&str] =
    &["grantee", "grantor", "identity", "is_grantable", "key", "n", "privilege_type", "schema", "type", "value", "x"];

/// The class that a call of `schema.name` needs; `schema` is empty when none was written.
pub(super) fn class_of(schema: &str, name: &str) -> Class {
    // Whatever its schema: an extension's functions lie wherever it was installed. The server truncates names to 63
    // bytes, which no name here reaches.
    if is_opaque(schema, name) || DANGEROUS.iter().any(|prefix| name.starts_with(prefix)) {
        return Class::Admin;
    }
    if volatility(schema, name) == Volatility::Unknown { Class::Write } else { Class::Read }
}

/// The class of `(expression).name`: the server calls a function of that name when there is no such column.
pub(super) fn class_of_field(name: &str) -> Class {
    if RESULT_COLUMNS.contains(&name) { Class::Read } else { class_of("", name) }
}

/// What is known of `schema.name`; `schema` is empty when none was written.
pub(super) fn volatility(schema: &str, name: &str) -> Volatility {
    match schema {
        "" | "pg_catalog" => builtin().get(name).copied().unwrap_or(Volatility::Unknown),
        // What the standard's views are made of, in a schema of the server's own.
        "information_schema" if name.starts_with("_pg_") => Volatility::Stable,
        _ => Volatility::Unknown,
    }
}

/// True for a function by which a large object, or its end, is gone.
pub(super) fn is_destructive(schema: &str, name: &str) -> bool {
    matches!(schema, "" | "pg_catalog") && matches!(name, "lo_truncate" | "lo_truncate64" | "lo_unlink")
}

/// True for a function of the server's own that takes a row of any relation: `t.to_jsonb` calls it where `t` has no such
/// column.
pub(super) fn takes_a_row(name: &str) -> bool {
    const THESE: &[&str] = &[
        "array_agg",
        "concat",
        "hash_record",
        "json_agg",
        "json_agg_strict",
        "json_build_array",
        "jsonb_agg",
        "jsonb_agg_strict",
        "jsonb_build_array",
        "quote_literal",
        "quote_nullable",
        "record_out",
        "record_send",
        "row_to_json",
        "to_json",
        "to_jsonb",
    ];
    THESE.contains(&name)
}

/// True for a function that runs SQL which its call does not show.
pub(super) fn is_opaque(schema: &str, name: &str) -> bool {
    schema == "cron" || OPAQUE.iter().any(|prefix| name.starts_with(prefix))
}

/// True for a relation that is the server's own, where a row is a privilege, a setting or what a name means.
pub(super) fn is_catalog(schema: &str, name: &str) -> bool {
    matches!(schema, "pg_catalog" | "information_schema") || schema.is_empty() && name.starts_with("pg_")
}

fn builtin() -> &'static HashMap<&'static str, Volatility> {
    static NAMES: OnceLock<HashMap<&'static str, Volatility>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let mut section = Volatility::Unknown;
        let mut names = HashMap::new();
        for line in include_str!("builtin.txt").lines() {
            match line {
                "[immutable]" => section = Volatility::Immutable,
                "[stable]" => section = Volatility::Stable,
                "[volatile]" => section = Volatility::Volatile,
                _ if line.starts_with('#') => {}
                _ => names.extend(line.split_whitespace().map(|name| (name, section))),
            }
        }
        names
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_builtin_name_is_dangerous() {
        for name in builtin().keys() {
            assert_eq!(class_of("", name), Class::Read, "{name}");
        }
    }

    #[test]
    fn what_is_opaque_is_dangerous() {
        for name in OPAQUE {
            assert_eq!(class_of("", name), Class::Admin, "{name}");
        }
    }

    #[test]
    fn schemas_matter() {
        assert_eq!(class_of("pg_catalog", "lower"), Class::Read);
        assert_eq!(class_of("public", "lower"), Class::Write);
        assert_eq!(class_of("ext", "dblink_exec"), Class::Admin);
        assert_eq!(class_of("", "nextval"), Class::Write);
        assert_eq!(class_of("information_schema", "_pg_expandarray"), Class::Read);
        assert_eq!(class_of("public", "_pg_expandarray"), Class::Write);
    }

    #[test]
    fn volatility_is_known_of_harmless_builtins_only() {
        for (schema, name, expected) in [
            ("", "lower", Volatility::Immutable),
            ("pg_catalog", "now", Volatility::Stable),
            ("", "random", Volatility::Volatile),
            ("", "nextval", Volatility::Unknown),
            ("public", "lower", Volatility::Unknown),
            ("", "wipe", Volatility::Unknown),
        ] {
            assert_eq!(volatility(schema, name), expected, "{schema}.{name}");
        }
    }
}
