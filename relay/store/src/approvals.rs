//! Requests for a human's decision. Every change of state is one statement that names the state it leaves, so that of
//! two that race one wins.

use crate::{Store, StoreError, parsed};
use sqlx::Row as _;
use weir_shared::{
    api::ApprovalView,
    id::{AgentId, ApprovalId, ResourceName},
};

fn view(row: &sqlx::sqlite::SqliteRow) -> Result<ApprovalView, StoreError> {
    Ok(ApprovalView {
        id: parsed(row, "id", "approval id")?,
        state: row.try_get("state")?,
        session: parsed(row, "session", "session id")?,
        user: row.try_get("user")?,
        resource: ResourceName::new(row.try_get("resource")?).map_err(|_| StoreError::Decode("resource name"))?,
        class: row.try_get("class")?,
        statement: row.try_get("statement")?,
        parameters: serde_json::from_str(row.try_get("parameters")?).map_err(|_| StoreError::Decode("parameters"))?,
        digest: row.try_get("digest")?,
        requested_at: row.try_get("requested")?,
        expires_at: row.try_get("expires")?,
        decided_by: row.try_get("decided_by")?,
        reason: row.try_get("reason")?,
    })
}

impl Store {
    /// A request begins to wait.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approval_insert(&self, request: &ApprovalView, agent: AgentId) -> Result<(), StoreError> {
        let parameters = serde_json::to_string(&request.parameters).map_err(|_| StoreError::Decode("parameters"))?;
        sqlx::query(
            "INSERT INTO approvals (id, session, agent, user, resource, class, statement, parameters, digest, state, \
             requested, expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, $11)",
        )
        .bind(request.id.to_string())
        .bind(request.session.to_string())
        .bind(agent.to_string())
        .bind(&request.user)
        .bind(request.resource.as_str())
        .bind(&request.class)
        .bind(&request.statement)
        .bind(parameters)
        .bind(&request.digest)
        .bind(request.requested_at)
        .bind(request.expires_at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// One request.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approval(&self, id: ApprovalId) -> Result<Option<ApprovalView>, StoreError> {
        let row = sqlx::query("SELECT * FROM approvals WHERE id = $1").bind(id.to_string());
        row.fetch_optional(&self.pool).await?.as_ref().map(view).transpose()
    }

    /// Requests, newest first; of one state, of one user.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approvals(&self, state: Option<&str>, user: Option<&str>) -> Result<Vec<ApprovalView>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM approvals WHERE ($1 IS NULL OR state = $1) AND ($2 IS NULL OR user = $2) \
             ORDER BY requested DESC LIMIT 500",
        )
        .bind(state)
        .bind(user)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(view).collect()
    }

    /// A human decides; false when the request is not pending any more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approval_decide(
        &self,
        id: ApprovalId,
        approve: bool,
        by: &str,
        reason: &str,
        now: i64,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE approvals SET state = $2, decided_by = $3, reason = $4 \
             WHERE id = $1 AND state = 'pending' AND expires > $5 AND user <> $3",
        )
        .bind(id.to_string())
        .bind(if approve { "approved" } else { "denied" })
        .bind(by)
        .bind(reason)
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// An approved request runs: true exactly once, and only for what was approved.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approval_consume(&self, id: ApprovalId, digest: &str, now: i64) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE approvals SET state = 'consumed' WHERE id = $1 AND digest = $2 AND state = 'approved' AND expires > $3",
        )
        .bind(id.to_string())
        .bind(digest)
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Who asked is gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approval_withdraw(&self, id: ApprovalId) -> Result<(), StoreError> {
        sqlx::query("UPDATE approvals SET state = 'withdrawn' WHERE id = $1 AND state IN ('pending', 'approved')")
            .bind(id.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Requests whose time is over.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approvals_expire(&self, now: i64) -> Result<(), StoreError> {
        sqlx::query("UPDATE approvals SET state = 'expired' WHERE state IN ('pending', 'approved') AND expires <= $1")
            .bind(now)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Requests whose session has ended: what was not run will not be.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approvals_orphaned(&self) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE approvals SET state = 'withdrawn', reason = COALESCE(reason, 'the relay was restarted') \
             WHERE state IN ('pending', 'approved') AND session NOT IN (SELECT id FROM sessions WHERE ended IS NULL)",
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
