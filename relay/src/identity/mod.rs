//! Who acts. A key's thumbprint becomes a [`Principal`], here and nowhere else.
//!
//! - [`password`]: local users; [`oauth`]: the authorization server that `weir login` talks to
//! - [`access`]: the part of a user's rights that a client or a token has
//!
//! A principal cannot be made elsewhere:
//! ```compile_fail
//! let principal = weir_relay::identity::Principal { user: "root".into() };
//! ```

pub mod access;
pub mod oauth;
pub mod password;

use access::Access;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use weir_shared::{
    error::{Kind, UserFacing},
    id::{AgentId, UserId},
    keys::Thumbprint,
};
use weir_store::{Store, StoreError, agents::Agent};

/// An authenticated agent and the user behind it.
#[derive(Clone, Debug)]
pub struct Principal {
    agent: Agent,
    access: Access,
}

impl Principal {
    /// The user's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.agent.user_name
    }

    /// The user's id.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        self.agent.user
    }

    /// The part of the user's rights that it has.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The same with no more than this.
    #[must_use]
    pub fn narrowed(self, access: &Access) -> Self {
        Self { access: self.access.both(access), ..self }
    }

    /// The user's roles.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.agent.roles
    }

    /// The agent.
    #[must_use]
    pub fn agent(&self) -> AgentId {
        self.agent.id
    }

    /// When the right to act ends, microseconds since 1970.
    #[must_use]
    pub fn expires_at(&self) -> i64 {
        self.agent.expires.min(self.agent.login_expires)
    }

    /// When the login ends, microseconds since 1970.
    #[must_use]
    pub fn login_expires_at(&self) -> i64 {
        self.agent.login_expires
    }

    /// True when the user has the role.
    #[must_use]
    pub fn is(&self, role: &str) -> bool {
        self.agent.roles.iter().any(|has| has == role)
    }
}

/// How long a key's principal is taken from memory. `keep::agents` looks as often: what was revoked elsewhere ends within
/// this either way.
const FRESH: Duration = Duration::from_secs(1);
/// Keys that are remembered.
const MOST: usize = 10_000;

/// Principals of keys that opened a stream a moment ago.
#[derive(Default)]
pub struct Principals(Mutex<HashMap<Thumbprint, (Instant, Arc<Principal>)>>);

impl Principals {
    /// As [`authenticate`], from memory where it was asked within a second.
    ///
    /// # Errors
    /// As [`authenticate`].
    pub async fn authenticate(&self, store: &Store, key: Thumbprint, now: i64) -> Result<Arc<Principal>, UserFacing> {
        let known = self.lock().get(&key).map(|(since, principal)| (*since, Arc::clone(principal)));
        if let Some((since, principal)) = known
            && since.elapsed() < FRESH
            && principal.expires_at() > now
        {
            return Ok(principal);
        }
        let since = Instant::now();
        let principal = Arc::new(authenticate(store, key, now).await?);
        let mut known = self.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, (since, Arc::clone(&principal)));
        Ok(principal)
    }

    /// A login has ended: everyone is asked for anew.
    pub fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Thumbprint, (Instant, Arc<Principal>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose key is this? The TLS handshake has proven that the peer holds it.
///
/// # Errors
/// When it is nobody's, or no longer.
pub async fn authenticate(store: &Store, key: Thumbprint, now: i64) -> Result<Principal, UserFacing> {
    match acting(store, key, now).await {
        Ok(Some(principal)) => Ok(principal),
        Ok(None) => Err(UserFacing::new(
            Kind::Unauthenticated,
            "this key is not, or no longer, that of a logged-in agent",
            "run `weir login`",
        )),
        Err(error) => {
            tracing::error!(%error, "agents cannot be read");
            Err(UserFacing::new(Kind::Internal, "the relay cannot read its database", "tell the relay's administrator"))
        }
    }
}

async fn acting(store: &Store, key: Thumbprint, now: i64) -> Result<Option<Principal>, StoreError> {
    let Some(agent) = store.agent(key, now).await? else { return Ok(None) };
    let access = store.access_of(agent.id).await?.map_or_else(Access::all, |stored| Access::of_stored(&stored));
    Ok(Some(Principal { agent, access }))
}
