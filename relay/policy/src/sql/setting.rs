//! What changing a parameter needs: a few are harmless, a few at one value only, all others are administration.

use super::Class;

/// Harmless at any value: they change how much is shown, waited or planned, not what a statement means.
const HARMLESS: &[&str] = &[
    "application_name",
    "bytea_output",
    "client_min_messages",
    "cursor_tuple_fraction",
    "datestyle",
    "default_statistics_target",
    "extra_float_digits",
    "from_collapse_limit",
    "geqo",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "join_collapse_limit",
    "lock_timeout",
    "maintenance_work_mem",
    "max_parallel_workers_per_gather",
    "plan_cache_mode",
    "random_page_cost",
    "seed",
    "seq_page_cost",
    "statement_timeout",
    "synchronize_seqscans",
    "tcp_keepalives_count",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_user_timeout",
    "timezone",
    "transaction",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_timeout",
    "session characteristics",
    "work_mem",
];
const HARMLESS_PREFIXES: &[&str] = &["default_transaction_", "enable_", "weir."];

/// A change of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// To these values.
    To(&'a [&'a str]),
    /// Back to what the session began with.
    Back,
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
        ("search_path", Change::To(schemas)) => search_path_is_harmless(schemas),
        ("client_encoding" | "standard_conforming_strings" | "search_path", Change::Back) => true,
        _ => false,
    };
    if ok { Class::Session } else { Class::Admin }
}

/// The server looks in `pg_catalog` first unless the path names it later: then other functions could take the names of
/// the known ones.
fn search_path_is_harmless(schemas: &[&str]) -> bool {
    // `SET search_path = 'a, b'` names one odd schema, `set_config('search_path', 'a, b', false)` two: read both ways.
    schemas
        .iter()
        .flat_map(|schema| schema.split(','))
        .map(|schema| schema.trim().trim_matches('"'))
        .position(|schema| schema.eq_ignore_ascii_case("pg_catalog"))
        .is_none_or(|position| position == 0)
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
            ("search_path", &["a", "pg_catalog"], Class::Admin),
            ("search_path", &["a, pg_catalog"], Class::Admin),
            ("enable_seqscan", &["off"], Class::Session),
            ("session_replication_role", &["replica"], Class::Admin),
            ("row_security", &["off"], Class::Admin),
            ("log_statement", &["none"], Class::Admin),
        ] {
            assert_eq!(class_of(name, Change::To(values)), class, "{name} {values:?}");
        }
        assert_eq!(class_of("search_path", Change::Back), Class::Session);
        assert_eq!(class_of("role", Change::Back), Class::Admin);
    }
}
