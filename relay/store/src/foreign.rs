//! Users that others vouch for, and the tokens that did: each is accepted once.

use crate::{Store, StoreError, logins::NewLogin, users::User};
use sqlx::Row as _;
use weir_shared::{
    id::{LoginId, UserId},
    keys::Thumbprint,
};

impl Store {
    /// The user of this subject, with these roles from now on. The first time, one of this name is made; no password
    /// opens it, and names that differ by case only count as one. Services have the issuer `""`.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is another user's.
    pub async fn foreign_user(
        &self,
        issuer: &str,
        subject: &str,
        name: &str,
        roles: &[String],
    ) -> Result<User, StoreError> {
        let stored = serde_json::to_string(roles).map_err(|_| StoreError::Decode("list of roles"))?;
        let mut change = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let known = sqlx::query("SELECT user FROM foreign_users WHERE issuer = $1 AND subject = $2")
            .bind(issuer)
            .bind(subject)
            .fetch_optional(&mut *change)
            .await?;
        let id: String = match known {
            Some(row) => row.try_get("user")?,
            None => {
                let taken = sqlx::query("SELECT 1 FROM users WHERE lower(name) = lower($1)").bind(name);
                if taken.fetch_optional(&mut *change).await?.is_some() {
                    return Err(StoreError::Exists(format!("user {name:?}")));
                }
                let id = UserId::generate().to_string();
                sqlx::query("INSERT INTO users (id, name, password_hash, roles) VALUES ($1, $2, '', '[]')")
                    .bind(&id)
                    .bind(name)
                    .execute(&mut *change)
                    .await?;
                sqlx::query("INSERT INTO foreign_users (issuer, subject, user) VALUES ($1, $2, $3)")
                    .bind(issuer)
                    .bind(subject)
                    .bind(&id)
                    .execute(&mut *change)
                    .await?;
                id
            }
        };
        let row = sqlx::query("UPDATE users SET roles = $2 WHERE id = $1 RETURNING *")
            .bind(&id)
            .bind(stored)
            .fetch_one(&mut *change)
            .await?;
        let user = crate::users::user(&row)?;
        change.commit().await?;
        Ok(user)
    }

    /// Begins the login of somebody for whom a token stood.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn foreign_login(&self, login: &NewLogin<'_>) -> Result<LoginId, StoreError> {
        crate::logins::insert(&mut *self.pool.acquire().await?, login).await
    }

    /// A token is presented by this key: none when it is the first to. Otherwise the key that was, which keeps it.
    /// Tokens that are expired are forgotten: they are refused as such.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn token_redeem(
        &self,
        digest: &[u8; 32],
        key: Thumbprint,
        expires: i64,
        now: i64,
    ) -> Result<Option<Thumbprint>, StoreError> {
        let mut change = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM redeemed WHERE expires < $1").bind(now).execute(&mut *change).await?;
        let done = sqlx::query("INSERT OR IGNORE INTO redeemed (digest, key, expires) VALUES ($1, $2, $3)")
            .bind(digest.as_slice())
            .bind(key.as_bytes().as_slice())
            .bind(expires)
            .execute(&mut *change)
            .await?;
        let row = sqlx::query("SELECT key FROM redeemed WHERE digest = $1").bind(digest.as_slice());
        let first: Vec<u8> = row.fetch_one(&mut *change).await?.try_get("key")?;
        change.commit().await?;
        if done.rows_affected() == 1 {
            return Ok(None);
        }
        first.try_into().map(|key| Some(Thumbprint::from_bytes(key))).map_err(|_| StoreError::Decode("key"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_subject_keeps_its_user_and_takes_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("db")).await.unwrap();
        store.user_add("alice", "hash", &["admin".to_owned()]).await.unwrap();
        let come =
            async |subject, name, role: &str| store.foreign_user("https://id", subject, name, &[role.into()]).await;
        assert!(matches!(come("1", "alice", "user").await, Err(StoreError::Exists(_))));
        assert!(matches!(come("1", "ALICE", "user").await, Err(StoreError::Exists(_))));
        let bob = come("2", "bob", "user").await.unwrap();
        assert_eq!((bob.name.as_str(), bob.roles.as_slice()), ("bob", &["user".to_owned()][..]));
        let again = come("2", "alice", "dba").await.unwrap();
        assert_eq!(
            (again.id, again.name.as_str(), again.roles[0].as_str()),
            (bob.id, "bob", "dba"),
            "renamed elsewhere"
        );
        assert!(matches!(come("3", "bob", "user").await, Err(StoreError::Exists(_))), "another subject");
        let elsewhere = store.foreign_user("https://other", "2", "bob", &[]).await;
        assert!(matches!(elsewhere, Err(StoreError::Exists(_))), "another issuer");
        assert_eq!(store.user("alice").await.unwrap().unwrap().roles, ["admin"]);
        store.user_disable("bob", true).await.unwrap();
        assert!(come("2", "bob", "user").await.unwrap().disabled);
    }

    #[tokio::test]
    async fn a_token_is_the_first_keys() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("db")).await.unwrap();
        let key = |byte| Thumbprint::from_bytes([byte; 32]);
        let redeem = async |digest: u8, by, now| store.token_redeem(&[digest; 32], key(by), 100, now).await.unwrap();
        assert_eq!(redeem(1, 1, 10).await, None);
        assert_eq!(redeem(1, 2, 100).await, Some(key(1)));
        assert_eq!(redeem(1, 1, 100).await, Some(key(1)), "nor again by the same");
        assert_eq!(redeem(2, 2, 100).await, None);
        assert_eq!(redeem(1, 2, 101).await, None, "forgotten with its expiry");
    }
}
