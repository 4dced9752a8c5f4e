//! Agents: the keys that act for a login.

use crate::{Store, StoreError};
use sqlx::Row as _;
use std::collections::HashSet;
use weir_shared::{
    id::{AgentId, LoginId, UserId},
    keys::Thumbprint,
};

/// The agents whose key, login and user are all good at the time of this parameter.
macro_rules! may_act {
    ($now:literal) => {
        concat!(
            "FROM agents a JOIN logins l ON l.id = a.login JOIN users u ON u.id = l.user \
             WHERE l.revoked = 0 AND u.disabled = 0 AND a.expires > ",
            $now,
            " AND l.expires > ",
            $now
        )
    };
}

/// An agent whose key, login and user are all good.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Id.
    pub id: AgentId,
    /// User.
    pub user: UserId,
    /// The user's name.
    pub user_name: String,
    /// The user's roles.
    pub roles: Vec<String>,
    /// When the key expires.
    pub expires: i64,
    /// When the login expires.
    pub login_expires: i64,
}

impl Store {
    /// Binds a key to a login.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the key is bound already.
    pub async fn agent_add(
        &self,
        login: LoginId,
        key: Thumbprint,
        now: i64,
        expires: i64,
    ) -> Result<AgentId, StoreError> {
        let id = AgentId::generate();
        let added =
            sqlx::query("INSERT INTO agents (id, login, thumbprint, created, expires) VALUES ($1, $2, $3, $4, $5)")
                .bind(id.to_string())
                .bind(login.to_string())
                .bind(key.as_bytes().as_slice())
                .bind(now)
                .bind(expires)
                .execute(&self.pool)
                .await;
        match added {
            Err(error) if error.as_database_error().is_some_and(|e| e.is_unique_violation()) => {
                Err(StoreError::Exists("this key's agent".to_owned()))
            }
            other => other.map(|_| id).map_err(Into::into),
        }
    }

    /// The key of an OAuth client acts on: for the same login its agent lasts until `expires`; for a new one it is a new
    /// agent, and the one that it was has ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agent_take_over(
        &self,
        login: LoginId,
        key: Thumbprint,
        now: i64,
        expires: i64,
    ) -> Result<AgentId, StoreError> {
        let same = sqlx::query("UPDATE agents SET expires = $3 WHERE thumbprint = $1 AND login = $2 RETURNING id")
            .bind(key.as_bytes().as_slice())
            .bind(login.to_string())
            .bind(expires)
            .fetch_optional(&self.pool)
            .await?;
        if let Some(row) = same {
            return row.try_get::<String, _>("id")?.parse().map_err(|_| StoreError::Decode("agent id"));
        }
        // No key has its own id as thumbprint.
        sqlx::query(
            "UPDATE agents SET expires = min(expires, $2), thumbprint = CAST(id AS BLOB) WHERE thumbprint = $1",
        )
        .bind(key.as_bytes().as_slice())
        .bind(now)
        .execute(&self.pool)
        .await?;
        self.agent_add(login, key, now, expires).await
    }

    /// Ends an agent; what it has open ends within a second.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agent_end(&self, agent: AgentId, now: i64) -> Result<(), StoreError> {
        sqlx::query("UPDATE agents SET expires = min(expires, $2) WHERE id = $1")
            .bind(agent.to_string())
            .bind(now)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The agent of a key, when the key, its login and its user may act now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agent(&self, key: Thumbprint, now: i64) -> Result<Option<Agent>, StoreError> {
        let query = concat!(
            "SELECT a.id, a.expires, l.expires AS login_expires, u.id AS user, u.name, u.roles ",
            may_act!("$2"),
            " AND a.thumbprint = $1"
        );
        let row = sqlx::query(query).bind(key.as_bytes().as_slice()).bind(now).fetch_optional(&self.pool).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Agent {
            id: row.try_get::<String, _>("id")?.parse().map_err(|_| StoreError::Decode("agent id"))?,
            user: row.try_get::<String, _>("user")?.parse().map_err(|_| StoreError::Decode("user id"))?,
            user_name: row.try_get("name")?,
            roles: serde_json::from_str(row.try_get("roles")?).map_err(|_| StoreError::Decode("list of roles"))?,
            expires: row.try_get("expires")?,
            login_expires: row.try_get("login_expires")?,
        }))
    }

    /// The name of the user for whom this agent may act now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agent_acts(&self, agent: AgentId, now: i64) -> Result<Option<String>, StoreError> {
        let query = concat!("SELECT u.name ", may_act!("$2"), " AND a.id = $1");
        let row = sqlx::query(query).bind(agent.to_string()).bind(now).fetch_optional(&self.pool).await?;
        Ok(row.map(|row| row.try_get("name")).transpose()?)
    }

    /// Those of these agents that may act now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agents_that_may_act(&self, agents: &[AgentId], now: i64) -> Result<HashSet<AgentId>, StoreError> {
        let agents = serde_json::to_string(agents).map_err(|_| StoreError::Decode("agent id"))?;
        let query = concat!("SELECT a.id ", may_act!("$2"), " AND a.id IN (SELECT value FROM json_each($1))");
        let rows = sqlx::query(query).bind(agents).bind(now).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| row.try_get::<String, _>("id")?.parse().map_err(|_| StoreError::Decode("agent id")))
            .collect()
    }
}
