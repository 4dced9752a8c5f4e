//! How an agent hands on some of its right: a hop statement, signed by the parent, becomes a child.
//!
//! Every refusal is an alert in the audit log. A child's scope may claim more than its parent has: it has no effect, since
//! what counts is what every hop allows; it leaves a trace.

use super::{Principal, authenticate, oauth::hash};
use crate::relay::Relay;
use weir_policy::bundle::Action;
use weir_shared::{
    error::UserFacing,
    hop::{Bearer, Hop, InvalidHop, digest},
    id::AgentId,
    keys::Thumbprint,
};
use weir_store::{
    StoreError,
    agents::{NewAgent, NotAdded},
    tickets::Taken,
};

/// How far the clocks of the relay and of a parent may be apart, seconds.
const SKEW: i64 = 60;
/// A ticket's hop statement may be as much older, seconds.
pub const LONGEST_TICKET: u32 = 600;

/// A child that began, or was renewed.
#[derive(Debug)]
pub struct Child {
    /// Which.
    pub agent: AgentId,
    /// When it expires, microseconds since 1970.
    pub expires: i64,
    /// Its hop statement, when it was a ticket's.
    pub hop: String,
    /// What it asked for beyond its parent's right, which has no effect.
    pub beyond: Vec<String>,
}

/// Why a hop statement makes no child.
#[derive(Debug, thiserror::Error)]
pub enum NotDelegated {
    /// What is wrong with it.
    #[error("{0}")]
    Refused(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<InvalidHop> for NotDelegated {
    fn from(error: InvalidHop) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<UserFacing> for NotDelegated {
    fn from(error: UserFacing) -> Self {
        Self::Refused(error.message)
    }
}

impl From<NotAdded> for NotDelegated {
    fn from(error: NotAdded) -> Self {
        match error {
            NotAdded::Store(StoreError::Exists(_)) => Self::Refused("the key is bound already".to_owned()),
            NotAdded::Store(error) => Self::Store(error),
            other => Self::Refused(other.to_string()),
        }
    }
}

/// The holder of `key` presents a hop statement. When it is for a living child of the same parent, that child lives on.
///
/// # Errors
/// The statement is not good, or the parent may not make it; the audit log says why.
pub async fn begin(relay: &Relay, key: Thumbprint, jws: &str, evidence: &str) -> Result<Child, NotDelegated> {
    let begun = async {
        let hop = Hop::verify(jws)?;
        let parent = authenticate(&relay.store, hop.parent, relay.now()).await?;
        if hop.cnf != Bearer::Key(key) {
            return Err(NotDelegated::Refused("it is for another key".to_owned()));
        }
        child(relay, &parent, key, &hop, jws, 0, evidence).await
    };
    let begun = begun.await;
    if let Err(error) = &begun {
        let body = serde_json::json!({ "key": key.to_string(), "why": error.to_string() });
        relay.audit("alert.delegation_refused", "", body).await;
    }
    begun
}

/// The holder of `key` presents a ticket.
///
/// # Errors
/// As [`begin`]. When the ticket was presented before, whoever did so ends too: one of the two has stolen it.
pub async fn redeem(relay: &Relay, key: Thumbprint, ticket: &str, evidence: &str) -> Result<Child, NotDelegated> {
    let hash = hash(ticket);
    let redeemed = async {
        match relay.store.ticket_take(&hash, relay.now()).await? {
            Taken::First(jws) => {
                let hop = Hop::verify(&jws)?;
                let parent = authenticate(&relay.store, hop.parent, relay.now()).await?;
                let mut child = child(relay, &parent, key, &hop, &jws, i64::from(LONGEST_TICKET), evidence).await?;
                relay.store.ticket_redeemed(&hash, child.agent).await?;
                child.hop = jws;
                Ok(child)
            }
            Taken::Again(by) => {
                if let Some(by) = by {
                    relay.end_agent(by, "its ticket was used twice").await?;
                }
                Err(NotDelegated::Refused("the ticket was used before: nobody may use it now".to_owned()))
            }
            Taken::Unknown => Err(NotDelegated::Refused("the ticket is not good, or no longer".to_owned())),
        }
    };
    let redeemed = redeemed.await;
    if let Err(error) = &redeemed {
        let body = serde_json::json!({ "key": key.to_string(), "why": error.to_string() });
        relay.audit("alert.ticket_refused", "", body).await;
    }
    redeemed
}

/// A living agent's hop statement for whoever first presents a secret is kept.
///
/// # Errors
/// It is not good, or not this agent's.
pub async fn keep_ticket(relay: &Relay, parent: &Principal, jws: &str, redeem_within: u32) -> Result<(), NotDelegated> {
    let hop = Hop::verify(jws)?;
    let Bearer::Ticket(hash) = &hop.cnf else {
        return Err(NotDelegated::Refused("it is for a key, not for a ticket".to_owned()));
    };
    let known: Option<Thumbprint> = hash.parse().ok();
    let Some(hash) = known else { return Err(NotDelegated::Refused("its ticket is no SHA-256".to_owned())) };
    let signer = authenticate(&relay.store, hop.parent, relay.now()).await?;
    if signer.agent() != parent.agent() {
        return Err(NotDelegated::Refused("it is signed by another agent".to_owned()));
    }
    check(relay, parent, &hop, 0)?;
    let expires = relay.now() + i64::from(redeem_within.min(LONGEST_TICKET)) * 1_000_000;
    relay.store.ticket_add(hash.as_bytes(), parent.agent(), jws, expires).await?;
    relay.audit_of(parent, "ticket.made", serde_json::json!({ "expires": expires / 1_000_000 })).await;
    Ok(())
}

/// What a parent may sign. Nothing here depends on who presents it.
fn check(relay: &Relay, parent: &Principal, hop: &Hop, older: i64) -> Result<(), NotDelegated> {
    let now = relay.now() / 1_000_000;
    let own = if parent.agent.hop.is_empty() { digest(&parent.agent().to_string()) } else { digest(&parent.agent.hop) };
    let deepest = parent.max_depth().min(relay.config.delegation.max_depth);
    // In the order in which a forger would meet them.
    let wrong = [
        (hop.audience != relay.config.public_url, "it is for another relay"),
        (hop.previous != own, "it belongs to another chain"),
        (hop.issued_at > now + SKEW || hop.issued_at < now - SKEW - older, "it was not signed just now"),
        (hop.expires_at <= now, "it has expired"),
        (hop.expires_at > parent.expires_at() / 1_000_000 + 1, "the child would outlive its parent"),
        (hop.depth != parent.depth() + 1, "its depth is not one more than its parent's"),
        (hop.depth > deepest, "the chain may not become deeper"),
        (hop.max_depth > parent.max_depth(), "its children could go deeper than its parent's"),
        (!hop.scope.is_bounded(), "its scope is too large"),
    ];
    match wrong.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, why)) => Err(NotDelegated::Refused(why.to_owned())),
        None => Ok(()),
    }
}

async fn child(
    relay: &Relay,
    parent: &Principal,
    key: Thumbprint,
    hop: &Hop,
    jws: &str,
    older: i64,
    evidence: &str,
) -> Result<Child, NotDelegated> {
    check(relay, parent, hop, older)?;
    // Who signs lives.
    relay.principals.heard(parent.chain_ids());
    let now = relay.now();
    let lifetime = i64::try_from(relay.config.delegation.child_lifetime.as_micros()).unwrap_or(i64::MAX / 4);
    // Nobody renews a ticket's child.
    let soonest = if older > 0 { i64::MAX } else { now + lifetime };
    let expires = (hop.expires_at.saturating_mul(1_000_000)).min(soonest).min(parent.expires_at());
    if let Ok(known) = authenticate(&relay.store, key, now).await {
        // The first statement is the one that counts: a later one may make it longer, and nothing else.
        let parents = known.chain().len().checked_sub(2).and_then(|at| known.chain().get(at)).map(|link| link.id);
        if parents != Some(parent.agent()) || !relay.store.agent_renew(known.agent(), expires, now).await? {
            return Err(NotDelegated::Refused("the key is bound already".to_owned()));
        }
        relay.principals.forget_key(key);
        return Ok(Child { agent: known.agent(), expires, hop: String::new(), beyond: Vec::new() });
    }
    let new = NewAgent { key, expires, max_depth: hop.max_depth, scope: &hop.scope, budget: hop.budget, evidence };
    let fan_out = relay.config.delegation.fan_out;
    let agent = relay.store.agent_add_child(parent.agent(), &new, jws, fan_out, now).await?;
    let beyond = beyond(relay, parent, hop);
    let body = serde_json::json!({
        "child": agent, "key": key.to_string(), "scope": hop.scope.to_string(), "depth": hop.depth,
        "expires": expires / 1_000_000, "beyond": beyond,
    });
    relay.audit_of(parent, "agent.delegated", body).await;
    Ok(Child { agent, expires, hop: String::new(), beyond })
}

/// What the hop claims and its parent does not have.
fn beyond(relay: &Relay, parent: &Principal, hop: &Hop) -> Vec<String> {
    let actions = [Action::Connect, Action::SqlRead, Action::SqlWrite, Action::SqlDdl, Action::SqlAdmin];
    let mut beyond = Vec::new();
    for resource in relay.resources.all() {
        let resource = &resource.name;
        for action in actions.map(Action::as_str) {
            let claimed = !hop.scope.is_whole() && hop.scope.permits(resource.as_str(), action);
            if claimed && parent.narrowed_by(resource.as_str(), action).is_some() {
                beyond.push(format!("{resource}:{action}"));
            }
        }
    }
    beyond
}
