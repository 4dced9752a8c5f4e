//! The index of recordings.

use crate::{Store, StoreError, parsed};
use sqlx::Row as _;
use std::collections::HashSet;
use weir_shared::{
    api::SessionView,
    id::{AgentId, ResourceName, SessionId},
};

/// A session as the index keeps it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct SessionRow {
    /// What people see of it.
    #[serde(flatten)]
    pub view: SessionView,
    /// The role that weir logged in as.
    pub role: String,
}

impl SessionRow {
    /// A session of a root that begins: nothing has been done in it.
    #[must_use]
    pub fn begun(
        id: SessionId,
        agent: AgentId,
        user: String,
        resource: ResourceName,
        database: String,
        role: String,
        started_at: i64,
    ) -> Self {
        let view = SessionView {
            id,
            user,
            agent,
            chain: vec![agent],
            resource,
            database: Some(database),
            started_at,
            ended_at: None,
            close_reason: None,
            statements: 0,
            rows: 0,
            masked: 0,
            refused: 0,
        };
        Self { view, role }
    }
}

/// Sessions with their agents' paths.
macro_rules! with_path {
    ($rest:literal) => {
        concat!(
            "SELECT s.*, coalesce(a.path, s.agent) AS path FROM sessions s LEFT JOIN agents a ON a.id = s.agent ",
            $rest
        )
    };
}

fn ids(path: &str) -> Result<Vec<AgentId>, StoreError> {
    path.split('/').map(|id| id.parse().map_err(|_| StoreError::Decode("agent id"))).collect()
}

fn view(row: &sqlx::sqlite::SqliteRow) -> Result<SessionView, StoreError> {
    let count = |name: &str| row.try_get::<i64, _>(name).map(i64::cast_unsigned);
    Ok(SessionView {
        id: parsed(row, "id", "session id")?,
        user: row.try_get("user")?,
        agent: parsed(row, "agent", "agent id")?,
        chain: ids(row.try_get("path")?)?,
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
    /// Writes sessions as they stand now: those that begin, and those that have ended, once. All in one transaction.
    ///
    /// # Errors
    /// When the store fails; then none of them is written.
    pub async fn sessions_record(&self, rows: &[SessionRow]) -> Result<(), StoreError> {
        let rows = serde_json::to_string(rows).map_err(|_| StoreError::Decode("session"))?;
        sqlx::query(
            "INSERT INTO sessions (id, agent, user, resource, database, role, started, ended, close_reason, \
               statements, rows, masked, refused) \
             SELECT value->>'$.id', value->>'$.agent', value->>'$.user', value->>'$.resource', value->>'$.database', \
               value->>'$.role', value->>'$.started_at', value->>'$.ended_at', value->>'$.close_reason', \
               value->>'$.statements', value->>'$.rows', value->>'$.masked', value->>'$.refused' \
             FROM json_each($1) WHERE true \
             ON CONFLICT (id) DO UPDATE SET ended = excluded.ended, close_reason = excluded.close_reason, \
               statements = excluded.statements, rows = excluded.rows, masked = excluded.masked, \
               refused = excluded.refused WHERE sessions.ended IS NULL",
        )
        .bind(rows)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A session whose relay died ends, with what is known of it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn session_orphaned(&self, id: SessionId, now: i64, why: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET ended = $2, close_reason = $3 WHERE id = $1 AND ended IS NULL")
            .bind(id.to_string())
            .bind(now)
            .bind(why)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// When the newest session began; 0 when there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sessions_newest(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query("SELECT coalesce(max(started), 0) AS newest FROM sessions")
            .fetch_one(&self.pool)
            .await?
            .try_get("newest")?)
    }

    /// Sessions, newest first; of one user, of one resource, of an agent and all below it, at most `limit`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sessions(
        &self,
        user: Option<&str>,
        resource: Option<&str>,
        agent: Option<AgentId>,
        limit: u32,
    ) -> Result<Vec<SessionView>, StoreError> {
        let rows = sqlx::query(with_path!(
            "WHERE ($1 IS NULL OR s.user = $1) AND ($2 IS NULL OR s.resource = $2) \
               AND ($3 IS NULL OR instr('/' || coalesce(a.path, s.agent) || '/', '/' || $3 || '/') > 0) \
             ORDER BY s.started DESC LIMIT $4"
        ))
        .bind(user)
        .bind(resource)
        .bind(agent.map(|agent| agent.to_string()))
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
        let row = sqlx::query(with_path!("WHERE s.id = $1")).bind(id.to_string()).fetch_optional(&self.pool);
        row.await?.as_ref().map(view).transpose()
    }

    /// Sessions that began at `time` or later.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sessions_since(&self, time: i64) -> Result<HashSet<SessionId>, StoreError> {
        let rows = sqlx::query("SELECT id FROM sessions WHERE started >= $1").bind(time).fetch_all(&self.pool).await?;
        rows.iter().map(|row| parsed(row, "id", "session id")).collect()
    }

    /// Sessions without an end.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sessions_unfinished(&self) -> Result<Vec<SessionId>, StoreError> {
        let rows = sqlx::query("SELECT id FROM sessions WHERE ended IS NULL").fetch_all(&self.pool).await?;
        rows.iter().map(|row| parsed(row, "id", "session id")).collect()
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
        rows.iter().map(|row| parsed(row, "id", "session id")).collect()
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
