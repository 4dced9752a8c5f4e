//! Which columns have strategies of their own for what detectors find in them, in the server's own numbers.

use super::{UpstreamError, login::Connection};
use std::collections::HashMap;
use weir_shared::config::checked::Masking;

/// By table OID and attribute number, places in [`Masking::columns`]. Partitions and inheritance children hold the same column
/// under their own OID.
pub(super) async fn resolve(
    connection: &mut Connection,
    masking: &Masking,
) -> Result<HashMap<(u32, i16), usize>, UpstreamError> {
    if masking.columns.is_empty() {
        return Ok(HashMap::new());
    }
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let wanted: Vec<String> = masking
        .columns
        .iter()
        .enumerate()
        .map(|(n, (c, _))| format!("({n}, {}, {}, {})", quoted(&c.schema), quoted(&c.table), quoted(&c.column)))
        .collect();
    // As for labels: its operators are the server's own.
    let query = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY NOT DEFERRABLE; SET LOCAL search_path = pg_catalog; \
         WITH RECURSIVE wanted(n, s, t, c) AS (VALUES {}), \
         tree(oid, c, n) AS (SELECT r.oid, w.c, w.n FROM wanted w JOIN pg_catalog.pg_namespace n ON n.nspname = w.s \
           JOIN pg_catalog.pg_class r ON r.relnamespace = n.oid AND r.relname = w.t \
           UNION SELECT i.inhrelid, tree.c, tree.n FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid) \
         SELECT a.attrelid::pg_catalog.int8, a.attnum::pg_catalog.int4, tree.n FROM tree \
           JOIN pg_catalog.pg_attribute a ON a.attrelid = tree.oid AND a.attname = tree.c; \
         COMMIT",
        wanted.join(", ")
    );
    let rows = connection.query(&query).await?;
    let places = rows.iter().filter_map(|row| match row.as_slice() {
        [table, attribute, place] => Some(((table.parse().ok()?, attribute.parse().ok()?), place.parse().ok()?)),
        _ => None,
    });
    Ok(places.collect())
}
