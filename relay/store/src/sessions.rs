//! The index of recordings.

use crate::{Store, StoreError};
use sqlx::Row as _;
use weir_shared::{
    api::SessionView,
    id::{AgentId, ResourceName, SessionId},
};

fn view(row: &sqlx::sqlite::SqliteRow) -> Result<SessionView, StoreError> {
    let count = |name: &str| row.try_get::<i64, _>(name).map(i64::cast_unsigned);
    Ok(SessionView {
        id: row.try_get::<String, _>("id")?.parse().map_err(|_| StoreError::Decode("session id"))?,
        user: row.try_get("user")?,
        agent: row.try_get::<String, _>("agent")?.parse().map_err(|_| StoreError::Decode("agent id"))?,
        resource: ResourceName::new(row.try_get("resource")?).map_err(|_| StoreError::Decode("resource name"))?,
        database: row.try_get("database")?,
        started_at: row.try_get("started")?,
        ended_at: row.try_get("ended")?,
        close_reason: row.try_get("close_reason")?,
        statements: count("statements")?,
        rows: count("rows")?,
        masked: count("masked")?,
        refused: count("refused")?,
    })
}

impl Store {
    /// A session begins.
    ///
    /// # Errors
    /// When the store fails.
    #[allow(clippy::too_many_arguments, reason = "the columns of one row")]
    pub async fn session_open(
        &self,
        id: SessionId,
        agent: AgentId,
        user: &str,
        resource: &ResourceName,
        database: &str,
        role: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO sessions (id, agent, user, resource, database, role, started) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(id.to_string())
        .bind(agent.to_string())
        .bind(user)
        .bind(resource.as_str())
        .bind(database)
        .bind(role)
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A session ends, once.
    ///
    /// # Errors
    /// When the store fails.
    #[allow(clippy::too_many_arguments, reason = "the columns of one row")]
    pub async fn session_close(
        &self,
        id: SessionId,
        now: i64,
        reason: &str,
        statements: u64,
        rows: u64,
        masked: u64,
        refused: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE sessions SET ended = $2, close_reason = $3, statements = $4, rows = $5, masked = $6, refused = $7 \
             WHERE id = $1 AND ended IS NULL",
        )
        .bind(id.to_string())
        .bind(now)
        .bind(reason)
        .bind(statements.cast_signed())
        .bind(rows.cast_signed())
        .bind(masked.cast_signed())
        .bind(refused.cast_signed())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Sessions, newest first; of one user, of one resource, at most `limit`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sessions(
        &self,
        user: Option<&str>,
        resource: Option<&str>,
        limit: u32,
    ) -> Result<Vec<SessionView>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM sessions WHERE ($1 IS NULL OR user = $1) AND ($2 IS NULL OR resource = $2) \
             ORDER BY started DESC LIMIT $3",
        )
        .bind(user)
        .bind(resource)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(view).collect()
    }

    /// One session.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn session(&self, id: SessionId) -> Result<Option<SessionView>, StoreError> {
        let row = sqlx::query("SELECT * FROM sessions WHERE id = $1").bind(id.to_string()).fetch_optional(&self.pool);
        row.await?.as_ref().map(view).transpose()
    }

    /// Sessions without an end.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sessions_unfinished(&self) -> Result<Vec<SessionId>, StoreError> {
        let rows = sqlx::query("SELECT id FROM sessions WHERE ended IS NULL").fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| row.try_get::<String, _>("id")?.parse().map_err(|_| StoreError::Decode("session id")))
            .collect()
    }

    /// Sessions that ended before `time` and whose recording was not deleted yet; at most a thousand.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sessions_ended_before(&self, time: i64) -> Result<Vec<SessionId>, StoreError> {
        let rows = sqlx::query(
            "SELECT id FROM sessions WHERE ended < $1 AND recording_deleted IS NULL ORDER BY ended LIMIT 1000",
        )
        .bind(time)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| row.try_get::<String, _>("id")?.parse().map_err(|_| StoreError::Decode("session id")))
            .collect()
    }

    /// The session's recording is gone, by retention.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn session_recording_deleted(&self, id: SessionId, now: i64) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET recording_deleted = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(now)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
