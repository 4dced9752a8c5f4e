//! How much the role that weir logs in as may do at the server: more than policy needs is more than policy can hold back.

use super::{UpstreamError, login::Connection, quoted};
use weir_shared::config::checked::{Resource, is_database_pattern};

/// What a role may do that no statement through weir should need, each with the words for it.
const POWERS: &str = "SELECT p.said FROM pg_catalog.pg_roles r, LATERAL (VALUES \
      (r.rolsuper, 'is a superuser: nothing at the server holds it back'), \
      (r.rolbypassrls AND NOT r.rolsuper, 'bypasses row security'), \
      (r.rolcreaterole AND NOT r.rolsuper, 'may make and change roles'), \
      (r.rolreplication AND NOT r.rolsuper, 'may replicate, and so read everything'), \
      (NOT r.rolsuper AND pg_catalog.pg_has_role('pg_read_server_files', 'MEMBER'), 'may read files of the server'), \
      (NOT r.rolsuper AND pg_catalog.pg_has_role('pg_write_server_files', 'MEMBER'), 'may write files of the server'), \
      (NOT r.rolsuper AND pg_catalog.pg_has_role('pg_execute_server_program', 'MEMBER'), 'may run programs of the server'), \
      (NOT r.rolsuper AND EXISTS (SELECT FROM pg_catalog.pg_class c \
        WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE') AND c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid \
          AND c.relkind IN ('r', 'p', 'v', 'm', 'f')), \
        'owns relations that it reads: it may drop them, and their row security does not hold for it') \
    ) p(has, said) WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER AND p.has";

/// What the logged-in role may do too much, in a phrase each.
pub(super) async fn powers(connection: &mut Connection) -> Result<Vec<String>, UpstreamError> {
    Ok(connection.query(POWERS).await?.into_iter().flatten().collect())
}

/// SQL that makes a role for the resource which may do no more than read, or read and write, in one schema of each database.
#[must_use]
pub fn statements(resource: &Resource, writes: bool) -> String {
    let role = quoted(&resource.role);
    let rights = if writes { "SELECT, INSERT, UPDATE, DELETE" } else { "SELECT" };
    let mut out = format!(
        "-- As a superuser. Name the schemas that agents may reach, and let others own what is in them.\n\
         CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT;\n\
         \\password {role}\n"
    );
    for database in resource.databases.iter().filter(|name| !is_database_pattern(name)) {
        let database = quoted(database);
        out.push_str(&format!(
            "\n\\connect {database}\n\
             GRANT CONNECT ON DATABASE {database} TO {role};\n\
             REVOKE CREATE ON SCHEMA public FROM PUBLIC;\n\
             GRANT USAGE ON SCHEMA public TO {role};\n\
             GRANT {rights} ON ALL TABLES IN SCHEMA public TO {role};\n\
             ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {rights} ON TABLES TO {role};\n"
        ));
        if writes {
            out.push_str(&format!(
                "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};\n\
                 ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {role};\n"
            ));
        }
    }
    out
}
