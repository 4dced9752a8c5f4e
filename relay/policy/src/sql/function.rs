//! What calling a function needs: known harmless ones of `pg_catalog` read, known dangerous ones are administration, and
//! of all others nobody knows what they write.

use super::Class;
use std::{collections::HashSet, sync::OnceLock};

/// Read files, stop sessions, change the server.
const DANGEROUS: &[&str] = &[
    "brin_",
    "file_fdw",
    "gin_clean_pending_list",
    "lo_",
    "loread",
    "lowrite",
    "pg_backup_",
    "pg_buffercache",
    "pg_cancel_backend",
    "pg_control_",
    "pg_copy_",
    "pg_create_",
    "pg_current_logfile",
    "pg_drop_",
    "pg_execute_server_program",
    "pg_export_snapshot",
    "pg_extension_config_dump",
    "pg_file_",
    "pg_get_wal_",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_import_",
    "pg_log_backend_memory_contexts",
    "pg_logdir_ls",
    "pg_logical_",
    "pg_ls_",
    "pg_promote",
    "pg_read_",
    "pg_reload_conf",
    "pg_replication_",
    "pg_rotate_logfile",
    "pg_show_all_file_settings",
    "pg_start_backup",
    "pg_stat_file",
    "pg_stat_reset",
    "pg_stat_statements_reset",
    "pg_stop_backup",
    "pg_switch_",
    "pg_terminate_backend",
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
    "query_to_xml",
    "schema_to_xml",
    "table_to_xml",
    "ts_rewrite",
    "ts_stat",
    "xpath_table",
];

/// Catalogs that hold passwords, files or other tables' values.
const SECRET_CATALOGS: &[&str] = &[
    "pg_authid",
    "pg_file_settings",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_largeobject",
    "pg_shadow",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_stats",
    "pg_stats_ext",
    "pg_stats_ext_exprs",
    "pg_subscription",
    "pg_user_mapping",
    "pg_user_mappings",
    "user_mapping_options",
    "_pg_user_mappings",
];

/// The class that a call of `schema.name` needs; `schema` is empty when none was written.
pub(super) fn class_of(schema: &str, name: &str) -> Class {
    // Whatever its schema: an extension's functions lie wherever it was installed. The server truncates names to 63
    // bytes, which no name here reaches.
    if is_opaque(name) || DANGEROUS.iter().any(|prefix| name.starts_with(prefix)) {
        return Class::Admin;
    }
    if (schema.is_empty() || schema == "pg_catalog") && builtin().contains(name) { Class::Read } else { Class::Write }
}

/// True for a function that runs SQL which its call does not show.
pub(super) fn is_opaque(name: &str) -> bool {
    OPAQUE.iter().any(|prefix| name.starts_with(prefix))
}

/// True for a system catalog whose rows are secrets or copies of other tables' values.
pub(super) fn is_secret_catalog(schema: &str, name: &str) -> bool {
    matches!(schema, "" | "pg_catalog" | "information_schema") && SECRET_CATALOGS.contains(&name)
}

fn builtin() -> &'static HashSet<&'static str> {
    static NAMES: OnceLock<HashSet<&'static str>> = OnceLock::new();
    NAMES.get_or_init(|| {
        include_str!("builtin.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .flat_map(str::split_whitespace)
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_builtin_name_is_dangerous() {
        for name in builtin() {
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
    }
}
