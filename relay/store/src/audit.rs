//! The audit log: each row's hash covers the one before, so that a removed or changed row shows.

use crate::{Store, StoreError};
use sqlx::{Row as _, Sqlite, Transaction};

/// BLAKE3 over the previous hash and the row, each field with its length.
fn hash(previous: &[u8], at: i64, event: &str, actor: &str, body: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in [previous, &at.to_be_bytes(), event.as_bytes(), actor.as_bytes(), body.as_bytes()] {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    *hasher.finalize().as_bytes()
}

/// One event.
#[derive(Clone, Debug, serde::Serialize)]
pub struct AuditEvent {
    /// Its number.
    pub sequence: i64,
    /// Microseconds since 1970.
    pub at: i64,
    /// What happened.
    pub event: String,
    /// Who: a user, or nobody known.
    pub actor: String,
    /// More about it.
    pub body: serde_json::Value,
}

/// Which events are looked for.
#[derive(Clone, Copy, Debug)]
pub struct AuditSearch<'a> {
    /// Their names begin so.
    pub event: &'a str,
    /// Only this user's.
    pub actor: Option<&'a str>,
    /// Not older than this, microseconds since 1970.
    pub since: i64,
    /// With a smaller number than this.
    pub before: i64,
    /// With a larger number than this.
    pub after: i64,
    /// At most so many.
    pub limit: u32,
}

fn read(row: &sqlx::sqlite::SqliteRow) -> Result<AuditEvent, StoreError> {
    Ok(AuditEvent {
        sequence: row.try_get("seq")?,
        at: row.try_get("at")?,
        event: row.try_get("event")?,
        actor: row.try_get("actor")?,
        body: serde_json::from_str(row.try_get("body")?).map_err(|_| StoreError::Decode("audit event"))?,
    })
}

/// Appends an event as part of a change that it tells of. The transaction must hold the write lock already: what is read
/// here is the last row until it is over.
pub(crate) async fn append(
    change: &mut Transaction<'_, Sqlite>,
    event: &str,
    actor: &str,
    body: &serde_json::Value,
    now: i64,
) -> Result<(), StoreError> {
    let body = body.to_string();
    let last = sqlx::query("SELECT hash FROM audit ORDER BY seq DESC LIMIT 1").fetch_optional(&mut **change).await?;
    let previous: Vec<u8> = last.map_or(Ok(vec![0; 32]), |row| row.try_get("hash"))?;
    let hash = hash(&previous, now, event, actor, &body);
    sqlx::query("INSERT INTO audit (at, event, actor, body, previous, hash) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(now)
        .bind(event)
        .bind(actor)
        .bind(body)
        .bind(previous)
        .bind(hash.as_slice())
        .execute(&mut **change)
        .await?;
    Ok(())
}

impl Store {
    /// The newest events whose name begins with `event`, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit(&self, event: &str, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM audit WHERE substr(event, 1, length($1)) = $1 ORDER BY seq DESC LIMIT $2")
                .bind(event)
                .bind(limit)
                .fetch_all(&self.pool)
                .await?;
        rows.iter().rev().map(read).collect()
    }

    /// Events that fit, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit_search(&self, wanted: &AuditSearch<'_>) -> Result<Vec<AuditEvent>, StoreError> {
        const FITS: &str = "SELECT * FROM audit WHERE substr(event, 1, length($1)) = $1 AND ($2 IS NULL OR actor = $2) \
             AND at >= $3 AND seq < $4 AND seq > $5 ORDER BY seq DESC LIMIT $6";
        let rows = sqlx::query(FITS)
            .bind(wanted.event)
            .bind(wanted.actor)
            .bind(wanted.since)
            .bind(wanted.before)
            .bind(wanted.after)
            .bind(wanted.limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Appends an event.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit_append(
        &self,
        event: &str,
        actor: &str,
        body: serde_json::Value,
        now: i64,
    ) -> Result<(), StoreError> {
        let mut change = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        append(&mut change, event, actor, &body, now).await?;
        change.commit().await?;
        Ok(())
    }

    /// Walks the chain: how many rows fit, and the first that does not.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit_verify(&self) -> Result<(u64, Option<i64>), StoreError> {
        let rows = sqlx::query("SELECT * FROM audit ORDER BY seq").fetch_all(&self.pool).await?;
        let mut last = vec![0; 32];
        for (count, row) in (0..).zip(&rows) {
            let (seq, at): (i64, i64) = (row.try_get("seq")?, row.try_get("at")?);
            let previous: Vec<u8> = row.try_get("previous")?;
            let stored: Vec<u8> = row.try_get("hash")?;
            let fits = hash(&last, at, row.try_get("event")?, row.try_get("actor")?, row.try_get("body")?);
            if previous != last || stored != fits {
                return Ok((count, Some(seq)));
            }
            last = stored;
        }
        Ok((rows.len() as u64, None))
    }
}
