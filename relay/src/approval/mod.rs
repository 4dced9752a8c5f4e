//! Requests that wait for a human. Durable in the store; bound to exactly what will run; used once.
//!
//! The relay keeps the bytes and runs those: the client sends nothing again. A request's approval dies with its
//! session, so a relay that restarts withdraws what was pending.

use crate::{identity::Principal, record, relay::Relay, session::authorize::Grant};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;
use weir_policy::sql::Facts;
use weir_protocol::{Action, Parameters};
use weir_shared::{
    api::{ApprovalView, DecisionBody},
    error::{Kind, UserFacing},
    id::{AgentId, ApprovalId, ResourceName, SessionId},
};

/// A request that is held, with everything that it was judged by.
#[derive(Debug)]
pub struct Held {
    pub(crate) action: Action,
    pub(crate) number: u64,
    pub(crate) facts: Arc<Facts>,
    /// BLAKE3 over what the approval is bound to.
    pub(crate) digest: String,
    /// Its id.
    pub approval: ApprovalId,
    user: String,
    resource: ResourceName,
    agent: AgentId,
    session: SessionId,
    chain: Vec<AgentId>,
}

/// How a hold ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Run it.
    Approved {
        /// By whom.
        by: String,
    },
    /// Do not.
    Denied {
        /// By whom.
        by: String,
        /// Why.
        reason: String,
    },
    /// Nobody decided in time.
    Expired,
    /// The client cancelled or went away.
    Withdrawn,
    /// The store failed.
    Failed,
}

impl Held {
    /// Holds an action of this grant's session.
    #[must_use]
    pub fn new(grant: &Grant, action: Action, number: u64, facts: Arc<Facts>) -> Self {
        // Each part with its length, so that no two requests give the same input.
        let mut hasher = blake3::Hasher::new();
        let resource = grant.resource();
        let (session, agent, bundle) = (grant.session(), grant.agent(), grant.bundle());
        let parts: [&[u8]; 8] = [
            session.as_bytes(),
            agent.as_bytes(),
            resource.name.as_str().as_bytes(),
            resource.role.as_bytes(),
            bundle.as_bytes(),
            action.text.as_bytes(),
            action.parameters.digest.as_ref().map_or(&[], |digest| digest.as_slice()),
            action.bytes(),
        ];
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
        }
        Self {
            number,
            facts,
            digest: hasher.finalize().to_hex().to_string(),
            approval: ApprovalId::generate(),
            user: grant.user().to_owned(),
            resource: resource.name.clone(),
            agent: grant.agent(),
            session: grant.session(),
            chain: grant.chain().iter().map(|link| link.id).collect(),
            action,
        }
    }
}

/// Those who wait in this process.
#[derive(Default)]
pub struct Approvals {
    waiting: Mutex<HashMap<ApprovalId, oneshot::Sender<Outcome>>>,
}

impl Approvals {
    /// How many wait.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.lock().len() as u64
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ApprovalId, oneshot::Sender<Outcome>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to wait for; [`wait`] must be told when the client goes.
pub struct Ticket {
    approval: ApprovalId,
    digest: String,
    decided: oneshot::Receiver<Outcome>,
}

/// Stores the request. None when the store fails: then it is refused.
pub async fn ask(relay: &Relay, held: &Held) -> Option<Ticket> {
    let now = relay.now();
    let timeout = i64::try_from(relay.config.approval_timeout.as_micros()).unwrap_or(i64::MAX);
    let view = ApprovalView {
        id: held.approval,
        state: "pending".to_owned(),
        session: held.session,
        user: held.user.clone(),
        resource: held.resource.clone(),
        class: crate::session::facts::name(held.facts.class).to_owned(),
        statement: visible(&held.action.text),
        parameters: parameters_as_text(&held.action.parameters)
            .into_iter()
            .map(|value| value.map(|value| visible(&value)))
            .collect(),
        digest: held.digest.clone(),
        requested_at: now,
        expires_at: now.saturating_add(timeout),
        decided_by: None,
        reason: None,
    };
    // Whoever decides looks at the session too.
    relay.index.settled().await;
    let (sender, decided) = oneshot::channel();
    relay.approvals.lock().insert(held.approval, sender);
    if let Err(error) = relay.store.approval_insert(&view, held.agent).await {
        tracing::error!(%error, "an approval request cannot be stored");
        relay.approvals.lock().remove(&held.approval);
        return None;
    }
    audit(relay, "approval.requested", &held.user, &held.chain, &view).await;
    Some(Ticket { approval: held.approval, digest: held.digest.clone(), decided })
}

/// Waits for the decision and consumes it.
///
/// # Cancel safety
/// Dropping the future leaves the request pending: call [`withdraw`].
pub async fn wait(relay: &Relay, ticket: Ticket) -> Outcome {
    let Ticket { approval, digest, decided } = ticket;
    match tokio::time::timeout(relay.config.approval_timeout, decided).await {
        Ok(Ok(Outcome::Approved { by })) => match relay.store.approval_consume(approval, &digest, relay.now()).await {
            Ok(true) => Outcome::Approved { by },
            Ok(false) => Outcome::Expired,
            Err(error) => {
                tracing::error!(%error, "an approval cannot be consumed");
                Outcome::Failed
            }
        },
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Outcome::Failed,
        Err(_) => {
            relay.approvals.lock().remove(&approval);
            if let Err(error) = relay.store.approvals_expire(relay.now()).await {
                tracing::error!(%error, "expired approvals cannot be stored");
            }
            Outcome::Expired
        }
    }
}

/// The client cancelled, or its session ended.
pub async fn withdraw(relay: &Relay, approval: ApprovalId) {
    relay.approvals.lock().remove(&approval);
    if let Err(error) = relay.store.approval_withdraw(approval).await {
        tracing::error!(%error, "a withdrawn approval cannot be stored");
    }
}

/// A human decides.
///
/// # Errors
/// When there is no such request, it was decided, the digest is another's, or this human may not decide it.
pub async fn decide(
    relay: &Relay,
    id: ApprovalId,
    principal: &Principal,
    approve: bool,
    body: DecisionBody,
) -> Result<ApprovalView, UserFacing> {
    let internal = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "an approval cannot be decided");
        UserFacing::new(Kind::Internal, "the decision could not be stored", "try again, or see the relay's log")
    };
    let missing = || UserFacing::new(Kind::NotFound, format!("no approval {id}"), "run `weir approvals list`");
    let view = relay.store.approval(id).await.map_err(|error| internal(&error))?.ok_or_else(missing)?;
    let may = principal.is("reviewer") || principal.is("admin");
    if !may || view.user == principal.user() {
        audit(relay, "approval.refused", principal.user(), &principal.chain_ids(), &view).await;
        let why = if may { "nobody decides their own request" } else { "you are not a reviewer" };
        return Err(UserFacing::new(Kind::Denied, why, "ask another reviewer to decide"));
    }
    if approve && body.digest.as_ref().is_some_and(|digest| *digest != view.digest) {
        let hint = "show the request again before you approve it";
        return Err(UserFacing::new(Kind::Conflict, "the digest is not this request's", hint));
    }
    let done = relay
        .store
        .approval_decide(id, approve, principal.user(), &body.reason, relay.now())
        .await
        .map_err(|error| internal(&error))?;
    if !done {
        let hint = "a request is decided once; run it again to ask again";
        return Err(UserFacing::new(Kind::Conflict, format!("approval {id} is no longer pending"), hint));
    }
    let by = principal.user().to_owned();
    let event = if approve { "approval.approved" } else { "approval.denied" };
    audit(relay, event, &by, &principal.chain_ids(), &view).await;
    let outcome = if approve { Outcome::Approved { by } } else { Outcome::Denied { by, reason: body.reason.clone() } };
    if let Some(waiting) = relay.approvals.lock().remove(&id) {
        let _ = waiting.send(outcome);
    }
    relay.store.approval(id).await.map_err(|error| internal(&error))?.ok_or_else(missing)
}

async fn audit(relay: &Relay, event: &str, actor: &str, chain: &[AgentId], view: &ApprovalView) {
    let body = serde_json::json!({
        "approval": view.id, "session": view.session, "digest": view.digest,
        "resource": view.resource, "class": view.class, "chain": chain,
    });
    relay.audit(event, actor, body).await;
}

/// Bind values as text: what a reviewer and a recording see.
#[must_use]
pub fn parameters_as_text(parameters: &Parameters) -> Vec<Option<String>> {
    if let Some(size) = parameters.omitted {
        let digest = parameters.digest.map(|digest| blake3::Hash::from_bytes(digest).to_hex().to_string());
        return vec![Some(format!("[values of {size} bytes, BLAKE3 {}]", digest.unwrap_or_default()))];
    }
    let values = parameters.values.iter().zip(&parameters.binary);
    values.map(|(value, binary)| value.as_ref().map(|value| record::read::cell(value, 0, *binary))).collect()
}

/// Text with what could mislead a reviewer made visible: control characters, and those that turn or hide text.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
        if hidden || (c.is_control() && !matches!(c, '\n' | '\t')) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_hides_or_turns_text_is_shown() {
        assert_eq!(super::visible("a\u{202e}b\u{1b}[2Kc\n"), "a\\u{202e}b\\u{1b}[2Kc\n");
    }
}
