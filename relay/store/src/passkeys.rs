//! Passkeys: the public halves of what people confirm decisions with.

use crate::{Store, StoreError};
use sqlx::Row as _;
use weir_shared::id::UserId;

/// A passkey as stored.
#[derive(Clone, Debug)]
pub struct Passkey {
    /// The credential's id, base64url.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// The credential, as JSON.
    pub credential: String,
    /// When it was added.
    pub added: i64,
    /// When it last confirmed something.
    pub used: Option<i64>,
}

impl Store {
    /// Adds a user's passkey, unless they have `most` already; false then, and when the credential is known.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn passkey_add(&self, user: UserId, passkey: &Passkey, most: u32) -> Result<bool, StoreError> {
        let added = sqlx::query(
            "INSERT OR IGNORE INTO passkeys (id, user, name, credential, added) SELECT $1, $2, $3, $4, $5 \
             WHERE (SELECT count(*) FROM passkeys WHERE user = $2) < $6",
        )
        .bind(&passkey.id)
        .bind(user.to_string())
        .bind(&passkey.name)
        .bind(&passkey.credential)
        .bind(passkey.added)
        .bind(most);
        Ok(added.execute(&self.pool).await?.rows_affected() == 1)
    }

    /// A user's passkeys, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn passkeys(&self, user: UserId) -> Result<Vec<Passkey>, StoreError> {
        let rows = sqlx::query("SELECT * FROM passkeys WHERE user = $1 ORDER BY added, id")
            .bind(user.to_string())
            .fetch_all(&self.pool)
            .await?;
        let passkey = |row: &sqlx::sqlite::SqliteRow| {
            Ok(Passkey {
                id: row.try_get("id")?,
                name: row.try_get("name")?,
                credential: row.try_get("credential")?,
                added: row.try_get("added")?,
                used: row.try_get("used")?,
            })
        };
        rows.iter().map(passkey).collect()
    }

    /// A passkey has confirmed something: its counter has gone on. False when it is gone, or no longer as it was when that
    /// was checked: then somebody else used it meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn passkey_used(&self, before: &Passkey, credential: &str, now: i64) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE passkeys SET credential = $3, used = $4 WHERE id = $1 AND credential = $2")
            .bind(&before.id)
            .bind(&before.credential)
            .bind(credential)
            .bind(now);
        Ok(done.execute(&self.pool).await?.rows_affected() == 1)
    }

    /// Removes a user's passkey; false when they have no such.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn passkey_remove(&self, user: UserId, id: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM passkeys WHERE user = $1 AND id = $2").bind(user.to_string()).bind(id);
        Ok(done.execute(&self.pool).await?.rows_affected() == 1)
    }
}
