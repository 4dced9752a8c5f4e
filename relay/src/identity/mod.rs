//! Who acts. A key's thumbprint, or a channel's word for one decision, becomes a [`Principal`], here and nowhere else.
//!
//! - [`password`]: local users; [`foreign`]: those whom somebody else vouches for
//! - [`passkeys`]: what people confirm decisions with
//! - [`oauth`]: the authorization server that `weir login` talks to
//! - `channel`: people for whom a chat or a webhook vouches
//! - [`access`]: the part of a user's rights that a client or a token has
//! - [`delegation`]: how an agent hands on some of its right to another
//!
//! A principal cannot be made elsewhere:
//! ```compile_fail
//! let principal = weir_relay::identity::Principal { user: "root".into() };
//! ```

pub mod access;
pub(crate) mod channel;
pub mod delegation;
pub mod foreign;
pub mod oauth;
pub mod passkeys;
pub mod password;

use crate::telemetry::lookups::Lookups;
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

    /// True when its user is a workload's service, not a person.
    #[must_use]
    pub fn is_workload(&self) -> bool {
        self.agent.workload
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

    /// True when it is a person, not a service, who acts here and now: nobody they have handed anything on to.
    #[must_use]
    pub fn is_person(&self) -> bool {
        self.is_whole() && !self.agent.workload
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
pub struct Principals {
    known: Mutex<HashMap<Thumbprint, (Instant, Arc<Principal>)>>,
    /// When each agent was last heard of, since this relay started.
    heard: Mutex<HashMap<AgentId, Instant>>,
    /// Of keys.
    pub lookups: Lookups,
}

impl Principals {
    /// The agent lives: it called, or its tunnel stands. So do those above it, by it.
    pub fn heard(&self, agents: impl IntoIterator<Item = AgentId>) {
        let now = Instant::now();
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).extend(agents.into_iter().map(|agent| (agent, now)));
    }

    /// Those that were heard of once, and for so long no more. They are told of once.
    #[must_use]
    pub fn silent(&self, time: Duration) -> Vec<AgentId> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.extract_if(|_, since| since.elapsed() > time).map(|(agent, _)| agent).collect()
    }

    /// As [`authenticate`], from memory where it was asked within a second.
    ///
    /// # Errors
    /// As [`authenticate`].
    pub async fn authenticate(&self, store: &Store, key: Thumbprint, now: i64) -> Result<Arc<Principal>, UserFacing> {
        let known = self.lock().get(&key).map(|(since, principal)| (*since, Arc::clone(principal)));
        let known = known.filter(|(since, principal)| since.elapsed() < FRESH && principal.expires_at() > now);
        self.lookups.count(known.is_some());
        if let Some((_, principal)) = known {
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

    /// This key's agent is another, or lives longer: it is asked for anew.
    pub fn forget_key(&self, key: Thumbprint) {
        self.lock().remove(&key);
    }

    /// A login has ended: everyone is asked for anew.
    pub fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Thumbprint, (Instant, Arc<Principal>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use weir_policy::bundle::{Action, Bundle, DEFAULT_POLICY, Moment, Outcome, Subject, Target};
    use weir_shared::{
        hop::Budget,
        id::{LoginId, UserId},
        scope::{Access, Scope},
    };

    const RESOURCES: [&str; 4] = ["shop-prod", "shop-dev", "logs", "a"];
    const ACTIONS: [Action; 5] = [Action::Connect, Action::SqlRead, Action::SqlWrite, Action::SqlDdl, Action::SqlAdmin];

    fn scope() -> impl Strategy<Value = Scope> {
        let resource = prop::sample::select(vec!["shop-prod", "shop-dev", "logs", "shop-*", "*", "*-dev", "b"]);
        let actions = prop::sample::select(vec!["", ":sql.read", ":sql.read+sql.write", ":sql.*", ":connect", ":*"]);
        let access = (resource, actions).prop_map(|(resource, actions)| format!("{resource}{actions}"));
        let access = access.prop_map(|text| text.parse::<Access>().unwrap());
        prop_oneof![Just(Scope::WHOLE), prop::collection::vec(access, 0..4).prop_map(Scope::of)]
    }

    /// A tree of agents as a list of parents: each stands before its children.
    fn tree() -> impl Strategy<Value = Vec<(usize, Scope)>> {
        prop::collection::vec((any::<prop::sample::Index>(), scope()), 1..24).prop_map(|agents| {
            agents.into_iter().enumerate().map(|(at, (parent, scope))| (parent.index(at.max(1)), scope)).collect()
        })
    }

    fn principal(chain: Vec<Link>) -> Principal {
        Principal {
            agent: Agent {
                id: chain.last().unwrap().id,
                user: UserId::generate(),
                user_name: "alice".into(),
                roles: vec!["user".into(), "admin".into(), "dba".into()],
                workload: false,
                login: LoginId::generate(),
                expires: 1,
                login_expires: 1,
                max_depth: 64,
                hop: String::new(),
                chain,
            },
            access: access::Access::all(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// In any tree, with policies that tell depths and with such that do not, no agent may what one above it may not.
        #[test]
        fn no_child_has_a_right_that_an_ancestor_lacks(agents in tree(), deep in any::<bool>()) {
            let rule = "@id(\"x\") forbid (principal, action == Action::\"sql.write\", resource) \
                        when { context.agent.depth == 1 };";
            let text = if deep { format!("{DEFAULT_POLICY}{rule}") } else { DEFAULT_POLICY.to_owned() };
            let bundle = Arc::new(Bundle::from_text(&text).unwrap());
            let links: Vec<Link> = agents
                .iter()
                .map(|(_, scope)| Link { id: AgentId::generate(), scope: scope.clone(), budget: Budget::default() })
                .collect();
            let chain = |mut at: usize| {
                let mut chain = vec![links[at].clone()];
                while at > 0 {
                    at = agents[at].0;
                    chain.insert(0, links[at].clone());
                }
                principal(chain)
            };
            let right = |principal: &Principal, resource: &str, action: Action| {
                if principal.narrowed_by(resource, action.as_str()).is_some() {
                    return Outcome::Deny;
                }
                let subject = Subject {
                    user: principal.user().to_owned(),
                    roles: principal.roles().to_vec(),
                    depth: principal.depth(),
                    ci: principal.is_workload(),
                };
                let target = Target { resource: resource.to_owned(), labels: [("env".into(), "dev".into())].into() };
                bundle.judge(&subject, &target).decide(action, None, Moment::default()).outcome
            };
            for (at, (parent, _)) in agents.iter().enumerate().skip(1) {
                let (child, parent) = (chain(at), chain(*parent));
                for (resource, action) in RESOURCES.iter().flat_map(|r| ACTIONS.map(|action| (*r, action))) {
                    let (own, above) = (right(&child, resource, action), right(&parent, resource, action));
                    prop_assert!(own >= above, "{resource} {action:?}: {own:?} below {above:?}");
                }
                prop_assert!(!child.is("admin"), "roles at the relay are not delegated");
            }
        }
    }
}
