//! Device codes (RFC 8628): asked for by a device, confirmed by a person elsewhere, redeemed once. Only hashes of codes are
//! stored.

use crate::{
    Store, StoreError,
    logins::{NewLogin, insert},
    parsed, thumbprint,
};
use sqlx::{Row as _, sqlite::SqliteRow};
use weir_shared::{
    id::{LoginId, UserId},
    keys::Thumbprint,
};

/// A device code that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The client that asks.
    pub client: String,
    /// What it asks for, as JSON; empty: all that the user may.
    pub access: String,
    /// The key that came with the request: the code is only its.
    pub bound: Option<Thumbprint>,
    /// The address that asks.
    pub address: String,
    /// What the asking program calls itself.
    pub program: String,
    /// When it was asked for.
    pub created: i64,
    /// When the code ends.
    pub expires: i64,
    /// How long to wait between polls, microseconds.
    pub interval: i64,
}

/// What a poll came to (RFC 8628, 3.5).
#[derive(Debug, PartialEq, Eq)]
pub enum Polled {
    /// The person has confirmed: the login, its user and its access.
    Login(LoginId, UserId, String),
    /// Nobody has decided yet.
    Pending,
    /// Too soon; the interval has grown.
    TooSoon,
    /// The person has said no.
    Denied,
    /// The code's time is over.
    Expired,
    /// No such code, or it is not the presenter's.
    Unknown,
}

fn device(row: &SqliteRow) -> Result<Device, StoreError> {
    Ok(Device {
        client: row.try_get("client")?,
        access: row.try_get("access")?,
        bound: thumbprint(row, "bound")?,
        address: row.try_get("address")?,
        program: row.try_get("program")?,
        created: row.try_get("created")?,
        expires: row.try_get("expires")?,
        interval: row.try_get("interval")?,
    })
}

/// What is to be known to redeem a code.
#[derive(Clone, Copy, Debug)]
pub struct Poll<'a> {
    /// The device code's hash.
    pub code: &'a [u8; 32],
    /// Who polls.
    pub client: &'a str,
    /// With which key.
    pub key: Thumbprint,
    /// The key that the login's refresh token is bound to; none: any.
    pub bound: Option<Thumbprint>,
    /// The hash of the refresh token that is to be given.
    pub refresh: &'a [u8; 32],
    /// Now.
    pub now: i64,
    /// When the login would end.
    pub expires: i64,
    /// What is added to the interval of who polls too soon.
    pub slower: i64,
}

impl Store {
    /// Keeps a device code; false when the user code is taken.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn device_add(&self, code: &[u8; 32], user_code: &[u8; 32], device: &Device) -> Result<bool, StoreError> {
        // Codes whose time is over are remembered for an hour, to say so.
        sqlx::query("DELETE FROM device_codes WHERE expires < $1")
            .bind(device.created - 3_600_000_000)
            .execute(&self.pool)
            .await?;
        let added = sqlx::query(
            "INSERT OR IGNORE INTO device_codes (hash, user_code, client, access, bound, address, program, created, \
             expires, interval, polled, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 'pending')",
        )
        .bind(code.as_slice())
        .bind(user_code.as_slice())
        .bind(&device.client)
        .bind(&device.access)
        .bind(device.bound.map(|key| key.as_bytes().to_vec()))
        .bind(&device.address)
        .bind(&device.program)
        .bind(device.created)
        .bind(device.expires)
        .bind(device.interval)
        .execute(&self.pool)
        .await?;
        Ok(added.rows_affected() == 1)
    }

    /// What waits under this user code.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn device_waiting(&self, user_code: &[u8; 32], now: i64) -> Result<Option<Device>, StoreError> {
        let row = sqlx::query("SELECT * FROM device_codes WHERE user_code = $1 AND state = 'pending' AND expires > $2")
            .bind(user_code.as_slice())
            .bind(now)
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(device).transpose()
    }

    /// A person decides, once (no needs no user); false when nothing waits under this code any more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn device_decide(
        &self,
        user_code: &[u8; 32],
        user: Option<UserId>,
        allow: bool,
        now: i64,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE device_codes SET state = $2, user = $3 WHERE user_code = $1 AND state = 'pending' AND expires > $4",
        )
        .bind(user_code.as_slice())
        .bind(if allow { "allowed" } else { "denied" })
        .bind(user.map(|user| user.to_string()))
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The device asks what came of it; a code that was confirmed becomes a login, once.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn device_poll(&self, poll: Poll<'_>) -> Result<Polled, StoreError> {
        let Poll { code, client, key, bound, refresh, now, expires, slower } = poll;
        let mut change = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let row = sqlx::query("SELECT * FROM device_codes WHERE hash = $1")
            .bind(code.as_slice())
            .fetch_optional(&mut *change)
            .await?;
        let Some(row) = row else { return Ok(Polled::Unknown) };
        let waiting = device(&row)?;
        if waiting.client != client || waiting.bound.is_some_and(|bound| bound != key) {
            return Ok(Polled::Unknown);
        }
        if waiting.expires <= now {
            return Ok(Polled::Expired);
        }
        let (state, polled): (String, i64) = (row.try_get("state")?, row.try_get("polled")?);
        // A tenth of leeway: timers differ, and the way takes its time.
        let outcome = match state.as_str() {
            "denied" => Polled::Denied,
            _ if now - polled < waiting.interval - waiting.interval / 10 => {
                sqlx::query("UPDATE device_codes SET interval = interval + $2 WHERE hash = $1")
                    .bind(code.as_slice())
                    .bind(slower)
                    .execute(&mut *change)
                    .await?;
                Polled::TooSoon
            }
            "allowed" => {
                let user: UserId = parsed(&row, "user", "user id")?;
                sqlx::query("UPDATE device_codes SET state = 'redeemed' WHERE hash = $1")
                    .bind(code.as_slice())
                    .execute(&mut *change)
                    .await?;
                let new = NewLogin { user, client, access: &waiting.access, bound, refresh, now, expires };
                Polled::Login(insert(&mut change, &new).await?, user, waiting.access)
            }
            "pending" => Polled::Pending,
            _ => return Ok(Polled::Unknown),
        };
        sqlx::query("UPDATE device_codes SET polled = $2 WHERE hash = $1")
            .bind(code.as_slice())
            .bind(now)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_code_is_confirmed_once_and_redeemed_once_by_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("db")).await.unwrap();
        let user = store.user_add("alice", "hash", &[]).await.unwrap();
        let (key, other) = (Thumbprint::from_bytes([7; 32]), Thumbprint::from_bytes([8; 32]));
        let device = Device {
            client: "tv".into(),
            access: String::new(),
            bound: Some(key),
            address: "192.0.2.1".into(),
            program: "tv/1".into(),
            created: 0,
            expires: 1000,
            interval: 100,
        };
        for code in [1, 2, 3] {
            assert!(store.device_add(&[code; 32], &[code + 100; 32], &device).await.unwrap());
        }
        assert!(!store.device_add(&[4; 32], &[101; 32], &device).await.unwrap(), "the user code is taken");
        let poll = async |code: u8, client, key, now| {
            let (bound, expires, slower) = (Some(key), 5000, 50);
            let poll = Poll { code: &[code; 32], client, key, bound, refresh: &[9; 32], now, expires, slower };
            store.device_poll(poll).await.unwrap()
        };
        assert_eq!(poll(1, "tv", key, 200).await, Polled::Pending);
        assert_eq!(poll(1, "tv", key, 250).await, Polled::TooSoon);
        assert_eq!(poll(1, "tv", key, 380).await, Polled::TooSoon, "the interval has grown");
        assert_eq!(poll(1, "pc", key, 700).await, Polled::Unknown);
        assert_eq!(poll(1, "tv", other, 700).await, Polled::Unknown);
        assert_eq!(store.device_waiting(&[101; 32], 700).await.unwrap(), Some(Device { interval: 200, ..device }));
        assert!(store.device_decide(&[101; 32], Some(user), true, 700).await.unwrap());
        assert!(!store.device_decide(&[101; 32], Some(user), false, 700).await.unwrap(), "once");
        assert!(matches!(poll(1, "tv", key, 700).await, Polled::Login(_, by, _) if by == user));
        assert_eq!(poll(1, "tv", key, 950).await, Polled::Unknown, "once");
        assert!(store.device_decide(&[102; 32], None, false, 700).await.unwrap());
        assert_eq!(poll(2, "tv", key, 700).await, Polled::Denied);
        assert_eq!(poll(3, "tv", key, 1000).await, Polled::Expired);
        assert!(!store.device_decide(&[103; 32], Some(user), true, 1000).await.unwrap());
    }
}
