//! Authorization codes, logins and their rotating refresh tokens. Only hashes of secrets are stored.

use crate::{Store, StoreError};
use sqlx::Row as _;
use weir_shared::id::{LoginId, UserId};

/// An authorization code that was redeemed.
#[derive(Debug)]
pub struct Code {
    /// Whose login it stands for.
    pub user: UserId,
    /// Where it was sent.
    pub redirect_uri: String,
    /// PKCE S256 challenge.
    pub challenge: String,
}

/// What presenting a refresh token came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The login goes on; its token is now the new one. When it expires.
    Rotated(LoginId, i64),
    /// A token that was spent was used again: the login has been ended.
    Reused(LoginId),
    /// No such token, or its login is over.
    Unknown,
}

impl Store {
    /// Keeps a code for `expires`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn code_add(&self, hash: &[u8; 32], code: &Code, expires: i64) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO auth_codes (hash, user, redirect_uri, challenge, expires) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(hash.as_slice())
        .bind(code.user.to_string())
        .bind(&code.redirect_uri)
        .bind(&code.challenge)
        .bind(expires)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Takes a code: a second time finds none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn code_take(&self, hash: &[u8; 32], now: i64) -> Result<Option<Code>, StoreError> {
        let row =
            sqlx::query("DELETE FROM auth_codes WHERE hash = $1 RETURNING user, redirect_uri, challenge, expires")
                .bind(hash.as_slice())
                .fetch_optional(&self.pool)
                .await?;
        sqlx::query("DELETE FROM auth_codes WHERE expires < $1").bind(now).execute(&self.pool).await?;
        let Some(row) = row.filter(|row| row.try_get::<i64, _>("expires").is_ok_and(|expires| expires >= now)) else {
            return Ok(None);
        };
        let user = row.try_get::<String, _>("user")?.parse().map_err(|_| StoreError::Decode("user id"))?;
        Ok(Some(Code { user, redirect_uri: row.try_get("redirect_uri")?, challenge: row.try_get("challenge")? }))
    }

    /// Begins a login whose refresh token has this hash.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn login_add(
        &self,
        user: UserId,
        refresh: &[u8; 32],
        now: i64,
        expires: i64,
    ) -> Result<LoginId, StoreError> {
        let id = LoginId::generate();
        sqlx::query("INSERT INTO logins (id, user, created, expires, current) VALUES ($1, $2, $3, $4, $5)")
            .bind(id.to_string())
            .bind(user.to_string())
            .bind(now)
            .bind(expires)
            .bind(refresh.as_slice())
            .execute(&self.pool)
            .await?;
        Ok(id)
    }

    /// A refresh token is presented and `next` is to follow it. The one before stays good until its successor is used,
    /// so that a lost answer loses no login; one that is older ends the login (RFC 9700, 4.14).
    ///
    /// # Errors
    /// When the store fails.
    pub async fn login_refresh(&self, given: &[u8; 32], next: &[u8; 32], now: i64) -> Result<Refreshed, StoreError> {
        let mut change = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let row = sqlx::query(
            "SELECT l.id, l.expires, l.current, l.previous FROM logins l JOIN users u ON u.id = l.user \
             WHERE (l.current = $1 OR l.previous = $1) AND l.revoked = 0 AND l.expires > $2 AND u.disabled = 0",
        )
        .bind(given.as_slice())
        .bind(now)
        .fetch_optional(&mut *change)
        .await?;
        if let Some(row) = row {
            let (id, expires): (String, i64) = (row.try_get("id")?, row.try_get("expires")?);
            let current: Vec<u8> = row.try_get("current")?;
            let spent: Option<Vec<u8>> = if current == given { row.try_get("previous")? } else { Some(current) };
            if let Some(spent) = spent {
                sqlx::query("INSERT OR IGNORE INTO spent (hash, login) VALUES ($1, $2)")
                    .bind(spent)
                    .bind(&id)
                    .execute(&mut *change)
                    .await?;
            }
            sqlx::query("UPDATE logins SET previous = $2, current = $3 WHERE id = $1")
                .bind(&id)
                .bind(given.as_slice())
                .bind(next.as_slice())
                .execute(&mut *change)
                .await?;
            change.commit().await?;
            return Ok(Refreshed::Rotated(id.parse().map_err(|_| StoreError::Decode("login id"))?, expires));
        }
        let reused = sqlx::query("SELECT login FROM spent WHERE hash = $1")
            .bind(given.as_slice())
            .fetch_optional(&mut *change)
            .await?;
        let Some(row) = reused else { return Ok(Refreshed::Unknown) };
        let id: String = row.try_get("login")?;
        sqlx::query("UPDATE logins SET revoked = 1 WHERE id = $1").bind(&id).execute(&mut *change).await?;
        change.commit().await?;
        Ok(Refreshed::Reused(id.parse().map_err(|_| StoreError::Decode("login id"))?))
    }

    /// Ends the login that this refresh token belongs to; unknown ones are no error (RFC 7009).
    ///
    /// # Errors
    /// When the store fails.
    pub async fn login_revoke(&self, token: &[u8; 32]) -> Result<(), StoreError> {
        sqlx::query("UPDATE logins SET revoked = 1 WHERE current = $1 OR previous = $1")
            .bind(token.as_slice())
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
