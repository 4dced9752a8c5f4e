//! Who acts. A key's thumbprint becomes a [`Principal`], here and nowhere else.
//!
//! - [`password`]: local users; [`oauth`]: the authorization server that `weir login` talks to
//! - [`access`]: the part of a user's rights that a client or a token has
//! - [`delegation`]: how an agent hands on some of its right to another
//!
//! A principal cannot be made elsewhere:
//! ```compile_fail
//! let principal = weir_relay::identity::Principal { user: "root".into() };
//! ```

pub mod access;
pub mod delegation;
pub mod oauth;
pub mod password;

use access::Access;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use weir_policy::bundle::Action;
use weir_shared::{
    error::{Kind, UserFacing},
    id::{AgentId, ResourceName, UserId},
    keys::Thumbprint,
};
use weir_store::{
    Store, StoreError,
    agents::{Agent, Link},
};

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

    /// The scopes of its login's client, and what a token takes away.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The same with no more than its token says.
    #[must_use]
    pub fn narrowed(self, token: &Access) -> Self {
        Self { access: self.access.both(token), ..self }
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

    /// The agents from the root to this one. Never empty.
    #[must_use]
    pub fn chain(&self) -> &[Link] {
        &self.agent.chain
    }

    /// Their ids.
    #[must_use]
    pub fn chain_ids(&self) -> Vec<AgentId> {
        self.agent.chain.iter().map(|link| link.id).collect()
    }

    /// How many hops it is away from its root.
    #[must_use]
    pub fn depth(&self) -> u32 {
        u32::try_from(self.agent.chain.len()).unwrap_or(u32::MAX).saturating_sub(1)
    }

    /// The depth that its children may reach.
    #[must_use]
    pub fn max_depth(&self) -> u32 {
        self.agent.max_depth
    }

    /// True when it acts for its login and nothing was taken away: it is the person, as far as weir can tell.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.agent.chain.iter().all(|link| link.scope.is_whole()) && self.depth() == 0 && self.access.grant().is_whole()
    }

    /// The hop whose scope does not let it do this; none when each does.
    #[must_use]
    pub fn narrowed_by(&self, resource: &str, action: &str) -> Option<AgentId> {
        let by_token = (!self.access.grant().permits(resource, action)).then_some(self.agent.id);
        let narrow = self.agent.chain.iter().find(|link| !link.scope.permits(resource, action)).map(|link| link.id);
        narrow.or(by_token)
    }

    /// True when it has anything to do with the resource.
    #[must_use]
    pub fn reaches(&self, resource: &ResourceName) -> bool {
        self.narrowed_by(resource.as_str(), Action::Connect.as_str()).is_none()
    }

    /// True when it may act in the role at the relay itself: see the sessions of others, decide their requests. What was
    /// delegated, or narrowed, never may: an agent of a reviewer is no reviewer.
    #[must_use]
    pub fn is(&self, role: &str) -> bool {
        self.is_whole() && self.agent.roles.iter().any(|has| has == role)
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
    // What the login was granted of resources is its agents' scope.
    let access = Access::of_stored(&store.access_of(agent.id).await?.unwrap_or_default()).on_everything();
    Ok(Some(Principal { agent, access }))
}
