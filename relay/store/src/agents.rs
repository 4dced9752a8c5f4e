//! Agents: the keys that act for a login, and the tree that they are.
//!
//! A root acts for its login; a child for its parent, and only as long. That holds without looking: a child never expires
//! after its parent, and ending an agent ends everything below it in the same write.

use crate::{Store, StoreError, parsed};
use sqlx::{Row as _, sqlite::SqliteRow};
use std::collections::HashSet;
use weir_shared::{
    api::AgentView,
    hop::Budget,
    id::{AgentId, LoginId, UserId},
    keys::Thumbprint,
    scope::Scope,
};

/// The agents whose key, login and user are all good at the time of this parameter.
macro_rules! may_act {
    ($now:literal) => {
        concat!(
            "FROM agents a JOIN logins l ON l.id = a.login JOIN users u ON u.id = l.user \
             WHERE l.revoked = 0 AND u.disabled = 0 AND a.ended IS NULL AND a.expires > ",
            $now,
            " AND l.expires > ",
            $now
        )
    };
}

/// Agents as people see them, and whether they may act at the time of this parameter.
macro_rules! views {
    ($now:literal, $rest:literal) => {
        concat!(
            "SELECT a.*, u.name, (l.revoked = 0 AND u.disabled = 0 AND a.ended IS NULL AND a.expires > ",
            $now,
            " AND l.expires > ",
            $now,
            ") AS alive FROM agents a JOIN logins l ON l.id = a.login JOIN users u ON u.id = l.user ",
            $rest
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
    /// The user is a workload's service, not a person.
    pub workload: bool,
    /// The login that its root acts for.
    pub login: LoginId,
    /// When the key expires.
    pub expires: i64,
    /// When the login expires.
    pub login_expires: i64,
    /// The depth that its children may reach.
    pub max_depth: u32,
    /// Its hop statement; empty for a root.
    pub hop: String,
    /// The agents from the root to this one, both included.
    pub chain: Vec<Link>,
}

/// One agent of a chain.
#[derive(Clone, Debug)]
pub struct Link {
    /// Which.
    pub id: AgentId,
    /// What it may do at most.
    pub scope: Scope,
    /// What it, and all below it, may use.
    pub budget: Budget,
}

/// An agent that begins.
#[derive(Clone, Debug)]
pub struct NewAgent<'a> {
    /// Its key.
    pub key: Thumbprint,
    /// When it expires.
    pub expires: i64,
    /// The depth that its children may reach.
    pub max_depth: u32,
    /// What it may do at most.
    pub scope: &'a Scope,
    /// What it may use.
    pub budget: Budget,
    /// What the client says of itself, JSON.
    pub evidence: &'a str,
}

/// Why an agent does not begin.
#[derive(Debug, thiserror::Error)]
pub enum NotAdded {
    /// The parent has ended, has expired, or never was.
    #[error("the parent is not, or no longer, an agent")]
    Orphan,
    /// The parent has as many living children as it may.
    #[error("the parent has too many children")]
    Crowded,
    /// The store failed, or the key is bound already.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn json<T: serde::de::DeserializeOwned>(row: &SqliteRow, column: &str, what: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(row.try_get(column)?).map_err(|_| StoreError::Decode(what))
}

fn text(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Decode("agent"))
}

fn bound_already(error: sqlx::Error) -> StoreError {
    if error.as_database_error().is_some_and(|e| e.is_unique_violation()) {
        StoreError::Exists("this key's agent".to_owned())
    } else {
        error.into()
    }
}

impl Store {
    /// Begins a root: binds a key to a login.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the key is bound already.
    pub async fn agent_add(&self, login: LoginId, new: &NewAgent<'_>, now: i64) -> Result<AgentId, StoreError> {
        let id = AgentId::generate();
        sqlx::query(
            "INSERT INTO agents (id, login, thumbprint, created, expires, path, max_depth, scope, budget, evidence) \
             VALUES ($1, $2, $3, $4, $5, $1, $6, $7, $8, $9)",
        )
        .bind(id.to_string())
        .bind(login.to_string())
        .bind(new.key.as_bytes().as_slice())
        .bind(now)
        .bind(new.expires)
        .bind(new.max_depth)
        .bind(text(new.scope)?)
        .bind(text(&new.budget)?)
        .bind(new.evidence)
        .execute(&self.pool)
        .await
        .map_err(bound_already)?;
        Ok(id)
    }

    /// Begins a child of `parent`, whose hop statement this is; at most `fan_out` of its children live at a time.
    ///
    /// # Errors
    /// The parent may have no child now, or the key is bound already.
    pub async fn agent_add_child(
        &self,
        parent: AgentId,
        new: &NewAgent<'_>,
        hop: &str,
        fan_out: u32,
        now: i64,
    ) -> Result<AgentId, NotAdded> {
        let id = AgentId::generate();
        // In one write, so that a parent that ends meanwhile has no child that it does not know of.
        let mut change = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(StoreError::from)?;
        let query = concat!(
            "SELECT a.login, a.path, a.depth, a.expires, (SELECT count(*) FROM agents c \
               WHERE c.parent = a.id AND c.ended IS NULL AND c.expires > $2) AS children ",
            may_act!("$2"),
            " AND a.id = $1"
        );
        let row = sqlx::query(query)
            .bind(parent.to_string())
            .bind(now)
            .fetch_optional(&mut *change)
            .await
            .map_err(StoreError::from)?
            .ok_or(NotAdded::Orphan)?;
        let get = |column: &str| row.try_get::<i64, _>(column).map_err(StoreError::from);
        if get("children")? >= i64::from(fan_out) {
            return Err(NotAdded::Crowded);
        }
        sqlx::query(
            "INSERT INTO agents (id, login, thumbprint, created, expires, parent, path, depth, max_depth, scope, budget, \
               hop, evidence) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(id.to_string())
        .bind(row.try_get::<String, _>("login").map_err(StoreError::from)?)
        .bind(new.key.as_bytes().as_slice())
        .bind(now)
        .bind(new.expires.min(get("expires")?))
        .bind(parent.to_string())
        .bind(format!("{}/{id}", row.try_get::<String, _>("path").map_err(StoreError::from)?))
        .bind(get("depth")? + 1)
        .bind(new.max_depth)
        .bind(text(new.scope)?)
        .bind(text(&new.budget)?)
        .bind(hop)
        .bind(new.evidence)
        .execute(&mut *change)
        .await
        .map_err(bound_already)?;
        change.commit().await.map_err(StoreError::from)?;
        Ok(id)
    }

    /// A child lives on until `expires`, or as long as its parent. False when it, or its parent, has ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agent_renew(&self, child: AgentId, expires: i64, now: i64) -> Result<bool, StoreError> {
        let renewed = sqlx::query(
            "UPDATE agents SET expires = min($2, p.expires) FROM agents p \
             WHERE agents.id = $1 AND agents.ended IS NULL AND agents.expires > $3 AND p.id = agents.parent \
               AND p.ended IS NULL AND p.expires > $3",
        )
        .bind(child.to_string())
        .bind(expires)
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(renewed.rows_affected() == 1)
    }

    /// Ends an agent and everything below it; who was alive.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agent_end(&self, id: AgentId, why: &str, now: i64) -> Result<Vec<AgentId>, StoreError> {
        // '0' is the character behind '/': the range holds what is below, and nothing beside it.
        let rows = sqlx::query(
            "UPDATE agents SET ended = $2, ended_why = $3 FROM (SELECT path AS top FROM agents WHERE id = $1) \
             WHERE (path = top OR (path > top || '/' AND path < top || '0')) AND ended IS NULL \
             RETURNING id",
        )
        .bind(id.to_string())
        .bind(now)
        .bind(why)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| parsed(row, "id", "agent id")).collect()
    }

    /// The key of an OAuth client acts on: for the same login its agent lasts until it expires anew; else it is a new
    /// agent, and the one that it was has ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agent_take_over(&self, login: LoginId, new: &NewAgent<'_>, now: i64) -> Result<AgentId, StoreError> {
        let row = sqlx::query("SELECT id, login, ended FROM agents WHERE thumbprint = $1")
            .bind(new.key.as_bytes().as_slice())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return self.agent_add(login, new, now).await };
        let id: AgentId = parsed(&row, "id", "agent id")?;
        if parsed::<LoginId>(&row, "login", "login id")? == login && row.try_get::<Option<i64>, _>("ended")?.is_none() {
            sqlx::query("UPDATE agents SET expires = $2 WHERE id = $1")
                .bind(id.to_string())
                .bind(new.expires)
                .execute(&self.pool)
                .await?;
            return Ok(id);
        }
        self.agent_end(id, "its key logged in anew", now).await?;
        // No key has an id as its thumbprint.
        sqlx::query("UPDATE agents SET thumbprint = CAST(id AS BLOB) WHERE id = $1")
            .bind(id.to_string())
            .execute(&self.pool)
            .await?;
        self.agent_add(login, new, now).await
    }

    /// The agent of a key, when the key, its login and its user may act now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agent(&self, key: Thumbprint, now: i64) -> Result<Option<Agent>, StoreError> {
        let query = concat!(
            "SELECT a.id, a.expires, a.login, a.max_depth, a.hop, a.path, a.scope, a.budget, \
               l.expires AS login_expires, u.id AS user, u.name, u.roles, \
               EXISTS (SELECT 1 FROM foreign_users f WHERE f.user = u.id AND f.issuer = '') AS workload ",
            may_act!("$2"),
            " AND a.thumbprint = $1"
        );
        let row = sqlx::query(query).bind(key.as_bytes().as_slice()).bind(now).fetch_optional(&self.pool).await?;
        let Some(row) = row else { return Ok(None) };
        let path: String = row.try_get("path")?;
        let Some(chain) = self.chain(&row, &path, now).await? else { return Ok(None) };
        Ok(Some(Agent {
            id: parsed(&row, "id", "agent id")?,
            user: parsed(&row, "user", "user id")?,
            user_name: row.try_get("name")?,
            roles: json(&row, "roles", "list of roles")?,
            workload: row.try_get("workload")?,
            login: parsed(&row, "login", "login id")?,
            expires: row.try_get("expires")?,
            login_expires: row.try_get("login_expires")?,
            max_depth: row.try_get("max_depth")?,
            hop: row.try_get("hop")?,
            chain,
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

    /// The agents of a path; none when one of them may not act now.
    async fn chain(&self, itself: &SqliteRow, path: &str, now: i64) -> Result<Option<Vec<Link>>, StoreError> {
        let link = |row: &SqliteRow| {
            Ok::<_, StoreError>(Link {
                id: parsed(row, "id", "agent id")?,
                scope: json(row, "scope", "scope")?,
                budget: json(row, "budget", "budget")?,
            })
        };
        let ids: Vec<&str> = path.split('/').collect();
        if ids.len() == 1 {
            return Ok(Some(vec![link(itself)?]));
        }
        let rows = sqlx::query(
            "SELECT id, scope, budget FROM agents WHERE id IN (SELECT value FROM json_each($1)) \
             AND ended IS NULL AND expires > $2 ORDER BY depth",
        )
        .bind(text(&ids)?)
        .bind(now)
        .fetch_all(&self.pool)
        .await?;
        if rows.len() != ids.len() {
            return Ok(None);
        }
        rows.iter().map(link).collect::<Result<_, _>>().map(Some)
    }

    /// Those of these agents that may act now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agents_that_may_act(&self, agents: &[AgentId], now: i64) -> Result<HashSet<AgentId>, StoreError> {
        let query = concat!("SELECT a.id ", may_act!("$2"), " AND a.id IN (SELECT value FROM json_each($1))");
        let rows = sqlx::query(query).bind(text(&agents)?).bind(now).fetch_all(&self.pool).await?;
        rows.iter().map(|row| parsed(row, "id", "agent id")).collect()
    }

    /// The agents that may act now and say that they keep a tunnel for as long as they live.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agents_keeping_tunnels(&self, now: i64) -> Result<Vec<AgentId>, StoreError> {
        let query = concat!("SELECT a.id ", may_act!("$1"), " AND a.evidence ->> '$.keeps_tunnel' = 1");
        let rows = sqlx::query(query).bind(now).fetch_all(&self.pool).await?;
        rows.iter().map(|row| parsed(row, "id", "agent id")).collect()
    }

    /// Agents, oldest first: of one user or of all, at or below one or anywhere, alive or also those that have ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agents(
        &self,
        user: Option<&str>,
        below: Option<AgentId>,
        ended_too: bool,
        now: i64,
        limit: u32,
    ) -> Result<Vec<AgentView>, StoreError> {
        let rows = sqlx::query(views!(
            "$4",
            "WHERE ($1 IS NULL OR u.name = $1) AND ($2 IS NULL OR instr('/' || a.path || '/', '/' || $2 || '/') > 0) \
               AND ($3 OR alive) ORDER BY a.created DESC, a.id DESC LIMIT $5"
        ))
        .bind(user)
        .bind(below.map(|id| id.to_string()))
        .bind(ended_too)
        .bind(now)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().rev().map(view).collect()
    }

    /// These agents, alive or not, each above those that it is above of.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agent_views(&self, ids: &[AgentId], now: i64) -> Result<Vec<AgentView>, StoreError> {
        let rows = sqlx::query(views!("$2", "WHERE a.id IN (SELECT value FROM json_each($1)) ORDER BY a.depth"))
            .bind(text(&ids)?)
            .bind(now)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(view).collect()
    }

    /// One agent, alive or not.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agent_view(&self, id: AgentId, now: i64) -> Result<Option<AgentView>, StoreError> {
        Ok(self.agent_views(&[id], now).await?.pop())
    }

    /// Whether an agent is another, or below it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agent_is_below(&self, id: AgentId, above: AgentId) -> Result<bool, StoreError> {
        let found =
            sqlx::query("SELECT 1 FROM agents WHERE id = $1 AND instr('/' || path || '/', '/' || $2 || '/') > 0")
                .bind(id.to_string())
                .bind(above.to_string())
                .fetch_optional(&self.pool)
                .await?;
        Ok(found.is_some())
    }

    /// Adds to what agents have used of their budgets.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agent_used(&self, chain: &[AgentId], statements: u64, rows: u64) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE agents SET used_statements = used_statements + $2, used_rows = used_rows + $3 \
             WHERE id IN (SELECT value FROM json_each($1))",
        )
        .bind(text(&chain)?)
        .bind(statements.cast_signed())
        .bind(rows.cast_signed())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What an agent has used of its budget: statements and rows.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agent_usage(&self, id: AgentId) -> Result<(u64, u64), StoreError> {
        let row = sqlx::query("SELECT used_statements, used_rows FROM agents WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok((0, 0)) };
        let count = |name: &str| row.try_get::<i64, _>(name).map(i64::cast_unsigned);
        Ok((count("used_statements")?, count("used_rows")?))
    }
}

fn view(row: &SqliteRow) -> Result<AgentView, StoreError> {
    let parent: Option<String> = row.try_get("parent")?;
    Ok(AgentView {
        id: parsed(row, "id", "agent id")?,
        parent: parent.map(|id| id.parse().map_err(|_| StoreError::Decode("agent id"))).transpose()?,
        user: row.try_get("name")?,
        depth: row.try_get("depth")?,
        max_depth: row.try_get("max_depth")?,
        scope: json(row, "scope", "scope")?,
        budget: json(row, "budget", "budget")?,
        alive: row.try_get("alive")?,
        created_at: row.try_get::<i64, _>("created")? / 1_000_000,
        expires_at: row.try_get::<i64, _>("expires")? / 1_000_000,
        ended_at: row.try_get::<Option<i64>, _>("ended")?.map(|ended| ended / 1_000_000),
        ended_why: row.try_get("ended_why")?,
        evidence: json(row, "evidence", "evidence")?,
        open_sessions: 0,
    })
}
