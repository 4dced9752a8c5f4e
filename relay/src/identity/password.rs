//! Passwords of local users: argon2id, a lock after wrong ones, the same work for unknown users.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use std::time::Duration;
use tokio::sync::Semaphore;
use weir_shared::{
    config::checked::Identity,
    error::{Kind, UserFacing},
    secret::Secret,
};
use weir_store::{Store, users::User};

/// Wrong passwords in a row that lock a user, and for how long (microseconds).
const MOST: i64 = 10;
const LOCK: i64 = 15 * 60 * 1_000_000;
/// Passwords that are verified at a time: each takes 19 MiB and a core.
static VERIFIERS: Semaphore = Semaphore::const_new(2);
/// How long a login may wait for its turn.
const TURN: Duration = Duration::from_secs(15);
/// Shortest password that is accepted.
pub const SHORTEST: usize = 10;

/// The stored form of a password.
///
/// # Errors
/// When it is too short, or the system has no randomness.
pub async fn hash(password: Secret<String>) -> Result<String, UserFacing> {
    if password.expose().chars().count() < SHORTEST {
        let hint = format!("use at least {SHORTEST} characters");
        return Err(UserFacing::new(Kind::Usage, "the password is too short", hint));
    }
    let failed = |_| UserFacing::new(Kind::System, "the password cannot be hashed", "is the system out of memory?");
    tokio::task::spawn_blocking(move || {
        Argon2::default().hash_password(password.expose().as_bytes()).map(|hash| hash.to_string())
    })
    .await
    .map_err(|_| UserFacing::new(Kind::Internal, "the password cannot be hashed", ""))?
    .map_err(failed)
}

/// The user, if the password is right and the user may log in. A wrong name, a wrong password and a disabled user look
/// the same.
///
/// # Errors
/// When it is not, or the user is locked, or local users may not log in at all.
pub async fn verify(
    store: &Store,
    config: &Identity,
    name: &str,
    password: Secret<String>,
    now: i64,
) -> Result<User, UserFacing> {
    if config.no_local_users {
        let hint = "log in at the provider";
        return Err(UserFacing::new(Kind::Denied, "nobody logs in with a password here", hint));
    }
    let wrong = || UserFacing::new(Kind::Unauthenticated, "the user name or password is wrong", "try again");
    let broken = |error: weir_store::StoreError| {
        tracing::error!(%error, "users cannot be read");
        UserFacing::new(Kind::Internal, "the relay cannot read its users", "tell the relay's administrator")
    };
    let user = store.user(name).await.map_err(broken)?;
    if user.as_ref().is_some_and(|user| user.locked_until > now) {
        let hint = "wait a quarter of an hour, or let an administrator set a new password";
        return Err(UserFacing::new(Kind::Limit, "too many wrong passwords", hint));
    }
    let busy = || UserFacing::new(Kind::Limit, "too many logins at once", "try again in a moment");
    let turn = tokio::time::timeout(TURN, VERIFIERS.acquire()).await;
    let Ok(Ok(_turn)) = turn else { return Err(busy()) };
    let stored = user.as_ref().map(|user| user.password_hash.clone());
    let right = tokio::task::spawn_blocking(move || match stored.as_deref().map(PasswordHash::new) {
        Some(Ok(hash)) => Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok(),
        // As much work as for a known user, so that time does not tell.
        _ => {
            let _ = Argon2::default().hash_password(password.expose().as_bytes());
            false
        }
    })
    .await
    .unwrap_or(false);
    let Some(user) = user else { return Err(wrong()) };
    store.user_tried(name, right, MOST, now + LOCK).await.map_err(broken)?;
    if right && !user.disabled { Ok(user) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ten_wrong_passwords_lock() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("db")).await.unwrap();
        let secret = |text: &str| Secret::new(text.to_owned());
        let any = Identity::default();
        assert!(hash(secret("short")).await.is_err());
        let stored = hash(secret("right password")).await.unwrap();
        store.user_add("alice", &stored, &[]).await.unwrap();
        assert!(verify(&store, &any, "alice", secret("right password"), 1).await.is_ok());
        assert!(verify(&store, &any, "nobody", secret("right password"), 1).await.is_err());
        for _ in 0..MOST {
            assert!(verify(&store, &any, "alice", secret("wrong password"), 1).await.is_err());
        }
        let locked = verify(&store, &any, "alice", secret("right password"), 1).await.unwrap_err();
        assert_eq!(locked.kind, Kind::Limit);
        assert!(verify(&store, &any, "alice", secret("right password"), LOCK + 2).await.is_ok());
        let none = Identity { no_local_users: true, ..any };
        assert!(verify(&store, &none, "alice", secret("right password"), LOCK + 2).await.is_err());
    }
}
