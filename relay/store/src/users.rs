//! Users.

use crate::{Store, StoreError, parsed};
use sqlx::Row as _;
use weir_shared::id::UserId;

/// A user as stored.
#[derive(Clone)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// Name, unique.
    pub name: String,
    /// Argon2id, PHC form; empty for those that others vouch for: no password fits it.
    pub password_hash: String,
    /// Roles.
    pub roles: Vec<String>,
    /// May not log in; its agents are refused.
    pub disabled: bool,
    /// Wrong passwords since the last right one.
    pub failed: i64,
    /// No password is looked at before this time.
    pub locked_until: i64,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).field("roles", &self.roles).finish_non_exhaustive()
    }
}

pub(crate) fn user(row: &sqlx::sqlite::SqliteRow) -> Result<User, StoreError> {
    Ok(User {
        id: parsed(row, "id", "user id")?,
        name: row.try_get("name")?,
        password_hash: row.try_get("password_hash")?,
        roles: serde_json::from_str(row.try_get("roles")?).map_err(|_| StoreError::Decode("list of roles"))?,
        disabled: row.try_get("disabled")?,
        failed: row.try_get("failed")?,
        locked_until: row.try_get("locked_until")?,
    })
}

impl Store {
    /// Adds a user.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is taken.
    pub async fn user_add(&self, name: &str, password_hash: &str, roles: &[String]) -> Result<UserId, StoreError> {
        let id = UserId::generate();
        let roles = serde_json::to_string(roles).map_err(|_| StoreError::Decode("list of roles"))?;
        let added = sqlx::query("INSERT INTO users (id, name, password_hash, roles) VALUES ($1, $2, $3, $4)")
            .bind(id.to_string())
            .bind(name)
            .bind(password_hash)
            .bind(roles)
            .execute(&self.pool)
            .await;
        match added {
            Err(error) if error.as_database_error().is_some_and(|e| e.is_unique_violation()) => {
                Err(StoreError::Exists(format!("user {name:?}")))
            }
            other => other.map(|_| id).map_err(Into::into),
        }
    }

    /// The user of this name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        let row = sqlx::query("SELECT * FROM users WHERE name = $1").bind(name).fetch_optional(&self.pool).await?;
        row.as_ref().map(user).transpose()
    }

    /// True when the user is a workload's service, not a person.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn user_is_workload(&self, id: UserId) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM foreign_users WHERE user = $1 AND issuer = ''").bind(id.to_string());
        Ok(row.fetch_optional(&self.pool).await?.is_some())
    }

    /// All users by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        let rows = sqlx::query("SELECT * FROM users ORDER BY name").fetch_all(&self.pool).await?;
        rows.iter().map(user).collect()
    }

    /// Disables or enables a user; false when there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn user_disable(&self, name: &str, disabled: bool) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE users SET disabled = $2 WHERE name = $1").bind(name).bind(disabled);
        Ok(done.execute(&self.pool).await?.rows_affected() == 1)
    }

    /// Sets a password and ends all of the user's logins; false when there is no such user.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn user_password(&self, name: &str, password_hash: &str) -> Result<bool, StoreError> {
        let mut change = self.pool.begin().await?;
        let done = sqlx::query("UPDATE users SET password_hash = $2, failed = 0, locked_until = 0 WHERE name = $1")
            .bind(name)
            .bind(password_hash)
            .execute(&mut *change)
            .await?;
        sqlx::query("UPDATE logins SET revoked = 1 WHERE user = (SELECT id FROM users WHERE name = $1)")
            .bind(name)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Notes a right or wrong password; after `most` wrong ones in a row the user is locked until `until`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn user_tried(&self, name: &str, right: bool, most: i64, until: i64) -> Result<(), StoreError> {
        let text = if right {
            "UPDATE users SET failed = 0, locked_until = 0 WHERE name = $1 AND $2 >= 0 AND $3 >= 0"
        } else {
            "UPDATE users SET locked_until = CASE WHEN failed + 1 >= $2 THEN $3 ELSE locked_until END, \
             failed = CASE WHEN failed + 1 >= $2 THEN 0 ELSE failed + 1 END WHERE name = $1"
        };
        sqlx::query(text).bind(name).bind(most).bind(until).execute(&self.pool).await?;
        Ok(())
    }
}
