//! Authorization codes, logins and their rotating refresh tokens. Only hashes of secrets are stored.

use crate::{Store, StoreError, parsed, thumbprint};
use sqlx::{
    Row as _,
    sqlite::{SqliteConnection, SqliteRow},
};
use weir_shared::{
    id::{AgentId, LoginId, UserId},
    keys::Thumbprint,
};

/// An authorization code.
#[derive(Debug)]
pub struct Code {
    /// Whose login it stands for.
    pub user: UserId,
    /// The client that it is for.
    pub client: String,
    /// What the client is granted, as JSON; empty: all that the user may.
    pub access: String,
    /// Where it was sent.
    pub redirect_uri: String,
    /// PKCE S256 challenge.
    pub challenge: String,
}

/// What redeeming a code came to.
#[derive(Debug)]
pub enum Redeemed {
    /// The login that it gave.
    Login(LoginId, Code),
    /// It was redeemed before: the login that it gave has been ended.
    Again(LoginId),
    /// No such code, or no longer, or it is not the presenter's.
    Unknown,
}

/// A login that is to begin.
#[derive(Clone, Debug)]
pub struct NewLogin<'a> {
    /// Whose.
    pub user: UserId,
    /// Through which client.
    pub client: &'a str,
    /// What the client is granted, as JSON; empty: all that the user may.
    pub access: &'a str,
    /// The key that its refresh token is bound to; none: any.
    pub bound: Option<Thumbprint>,
    /// The refresh token's hash.
    pub refresh: &'a [u8; 32],
    /// When it begins.
    pub now: i64,
    /// When it ends.
    pub expires: i64,
}

/// A login, as its refresh token finds it.
#[derive(Debug)]
pub struct Login {
    /// Id.
    pub id: LoginId,
    /// Whose.
    pub user: UserId,
    /// The user's name.
    pub user_name: String,
    /// Through which client.
    pub client: String,
    /// What the client was granted, as JSON; empty: all that the user may.
    pub access: String,
    /// The key that its refresh token is bound to; none: any.
    pub bound: Option<Thumbprint>,
    /// When it began.
    pub created: i64,
    /// When it ends.
    pub expires: i64,
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

fn login(row: &SqliteRow) -> Result<Login, StoreError> {
    Ok(Login {
        id: parsed(row, "id", "login id")?,
        user: parsed(row, "user", "user id")?,
        user_name: row.try_get("user_name")?,
        client: row.try_get("client")?,
        access: row.try_get("access")?,
        bound: thumbprint(row, "bound")?,
        created: row.try_get("created")?,
        expires: row.try_get("expires")?,
    })
}

pub(crate) async fn insert(connection: &mut SqliteConnection, login: &NewLogin<'_>) -> Result<LoginId, StoreError> {
    let id = LoginId::generate();
    sqlx::query(
        "INSERT INTO logins (id, user, client, access, bound, created, expires, current) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(id.to_string())
    .bind(login.user.to_string())
    .bind(login.client)
    .bind(login.access)
    .bind(login.bound.map(|key| key.as_bytes().to_vec()))
    .bind(login.now)
    .bind(login.expires)
    .bind(login.refresh.as_slice())
    .execute(connection)
    .await?;
    Ok(id)
}

impl Store {
    /// Keeps a code until `expires`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn code_add(&self, hash: &[u8; 32], code: &Code, expires: i64) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO auth_codes (hash, user, client, access, redirect_uri, challenge, expires) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(hash.as_slice())
        .bind(code.user.to_string())
        .bind(&code.client)
        .bind(&code.access)
        .bind(&code.redirect_uri)
        .bind(&code.challenge)
        .bind(expires)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A code becomes a login, once, when it is the presenter's: `fits` says so. A second time ends the login that it gave
    /// (RFC 6749, 4.1.2); one that does not fit is spent. `refresh` is the hash of the login's refresh token, `bound` the key
    /// that this is bound to.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn code_redeem(
        &self,
        hash: &[u8; 32],
        fits: impl FnOnce(&Code) -> bool,
        bound: Option<Thumbprint>,
        refresh: &[u8; 32],
        now: i64,
        expires: i64,
    ) -> Result<Redeemed, StoreError> {
        let mut change = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        // A used code is remembered for a day.
        sqlx::query("DELETE FROM auth_codes WHERE expires < $1")
            .bind(now - 86_400_000_000)
            .execute(&mut *change)
            .await?;
        let row = sqlx::query("SELECT * FROM auth_codes WHERE hash = $1")
            .bind(hash.as_slice())
            .fetch_optional(&mut *change)
            .await?;
        let Some(row) = row else {
            change.commit().await?;
            return Ok(Redeemed::Unknown);
        };
        if let Some(login) = row.try_get::<Option<String>, _>("login")? {
            sqlx::query("UPDATE logins SET revoked = 1 WHERE id = $1").bind(&login).execute(&mut *change).await?;
            change.commit().await?;
            return Ok(Redeemed::Again(login.parse().map_err(|_| StoreError::Decode("login id"))?));
        }
        let code = Code {
            user: parsed(&row, "user", "user id")?,
            client: row.try_get("client")?,
            access: row.try_get("access")?,
            redirect_uri: row.try_get("redirect_uri")?,
            challenge: row.try_get("challenge")?,
        };
        if row.try_get::<i64, _>("expires")? < now || !fits(&code) {
            sqlx::query("DELETE FROM auth_codes WHERE hash = $1").bind(hash.as_slice()).execute(&mut *change).await?;
            change.commit().await?;
            return Ok(Redeemed::Unknown);
        }
        let new =
            NewLogin { user: code.user, client: &code.client, access: &code.access, bound, refresh, now, expires };
        let login = insert(&mut change, &new).await?;
        sqlx::query("UPDATE auth_codes SET login = $2 WHERE hash = $1")
            .bind(hash.as_slice())
            .bind(login.to_string())
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(Redeemed::Login(login, code))
    }

    /// Begins a login.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn login_begin(&self, new: &NewLogin<'_>) -> Result<LoginId, StoreError> {
        insert(&mut *self.pool.acquire().await?, new).await
    }

    /// Begins a login of weir's own, whose refresh token has this hash.
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
        self.login_begin(&NewLogin { user, client: "weir-cli", access: "", bound: None, refresh, now, expires }).await
    }

    /// The login of a refresh token that is good now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn login_of(&self, refresh: &[u8; 32], now: i64) -> Result<Option<Login>, StoreError> {
        let row = sqlx::query(
            "SELECT l.*, u.name AS user_name FROM logins l JOIN users u ON u.id = l.user \
             WHERE (l.current = $1 OR l.previous = $1) AND l.revoked = 0 AND l.expires > $2 AND u.disabled = 0",
        )
        .bind(refresh.as_slice())
        .bind(now)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(login).transpose()
    }

    /// What the client of this agent's login was granted, as JSON; none for an agent without a login.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn access_of(&self, agent: AgentId) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT l.access FROM agents a JOIN logins l ON l.id = a.login WHERE a.id = $1")
            .bind(agent.to_string())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|row| row.try_get("access")).transpose()?)
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

    /// Ends the login that this client's refresh token belongs to; unknown ones are no error (RFC 7009). True when there
    /// was one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn login_revoke(&self, token: &[u8; 32], client: &str) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE logins SET revoked = 1 WHERE (current = $1 OR previous = $1) AND client = $2 AND revoked = 0",
        )
        .bind(token.as_slice())
        .bind(client)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }
}
