//! A session asks, waits for the decision, and takes its request back.

use super::{Asked, Outcome, text::visible};
use crate::{identity::Principal, relay::Relay};
use tokio::sync::oneshot;
use weir_shared::{
    api::{ApprovalRequest, ApprovalView},
    error::{Kind, UserFacing},
    id::{AgentId, ApprovalId, SessionId},
};
use weir_store::approvals::{Consumed, NewRequest};

const HOUR: i64 = 3_600_000_000;

/// What to wait for; [`withdraw`] must be told when the client goes.
pub struct Ticket {
    asked: Asked,
    decided: oneshot::Receiver<()>,
}

/// What asking came to.
pub enum Begun {
    /// A human must decide.
    Waits(Box<Ticket>),
    /// It is decided already.
    Decided(Outcome),
}

/// Asks: unless an approval that was given before covers it, or too much was asked.
pub async fn ask(relay: &Relay, asked: &Asked) -> Begun {
    let (sender, decided) = oneshot::channel();
    relay.approvals.lock().insert(asked.id(), sender);
    let begun = match begin(relay, asked.clone()).await {
        Ok(Ok(asked)) => return Begun::Waits(Box::new(Ticket { asked, decided })),
        Ok(Err(outcome)) => outcome,
        Err(error) => {
            tracing::error!(%error, "an approval request cannot be stored");
            Outcome::Failed
        }
    };
    relay.approvals.lock().remove(&asked.id());
    Begun::Decided(begun)
}

/// Asks without waiting here: whoever asked looks again.
///
/// # Errors
/// Too much was asked, it was denied just now, or the store fails.
pub async fn post(relay: &Relay, asked: Asked) -> Result<ApprovalId, UserFacing> {
    match begin(relay, asked).await {
        Ok(Ok(asked)) => Ok(asked.id()),
        Ok(Err(Outcome::Denied { by, reason })) => Err(UserFacing::new(
            Kind::Denied,
            format!("{by} denied this just now: {reason}"),
            "ask for less, or ask them",
        )),
        Ok(Err(Outcome::TooMany(why))) => Err(UserFacing::new(Kind::Limit, why, "wait for the others to be decided")),
        Ok(Err(_)) => Err(UserFacing::new(Kind::Conflict, "it is decided already", "run `weir approvals list`")),
        Err(error) => {
            tracing::error!(%error, "an approval request cannot be stored");
            Err(UserFacing::new(Kind::Internal, "the request cannot be stored", "tell the relay's administrator"))
        }
    }
}

/// How a request is decided without asking anybody: by an approval or a denial that was given before, or because too much was
/// asked; none when a human must.
pub async fn decided(relay: &Relay, asked: &Asked) -> Option<Outcome> {
    match before(relay, asked).await {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::error!(%error, "earlier approvals cannot be read");
            Some(Outcome::Failed)
        }
    }
}

async fn before(relay: &Relay, asked: &Asked) -> Result<Option<Outcome>, weir_store::StoreError> {
    let (now, limits) = (relay.now(), &relay.config.approvals);
    if let Some(session) = asked.request.session
        && let Some(consumed) = relay.store.approval_consume(session, &asked.bindings(), now).await?
    {
        return Ok(Some(used(relay, &asked.request, consumed).await));
    }
    let since = now - i64::try_from(limits.denied_for.as_micros()).unwrap_or(i64::MAX);
    if let Some(denied) = relay.store.approval_denied(&asked.likeness, since).await? {
        let by = denied.decided_by.unwrap_or_default();
        return Ok(Some(Outcome::Denied { by, reason: denied.reason.unwrap_or_default() }));
    }
    let load = relay.store.approvals_load(&asked.request.user, now - HOUR, now).await?;
    if load.pending >= limits.most_pending {
        return Ok(Some(Outcome::TooMany(format!("{} requests of yours wait already", load.pending))));
    }
    if load.since >= limits.per_hour {
        return Ok(Some(Outcome::TooMany(format!("you have asked {} times within the hour", load.since))));
    }
    Ok(None)
}

/// The request as it waits now, or how it is decided already.
async fn begin(relay: &Relay, mut asked: Asked) -> Result<Result<Asked, Outcome>, weir_store::StoreError> {
    if let Some(outcome) = before(relay, &asked).await? {
        return Ok(Err(outcome));
    }
    let now = relay.now();
    if asked.request.because.is_empty() {
        // In the words of the agent, or of the nearest one above it that said why it runs.
        let chain = relay.store.agent_views(&asked.request.chain, now).await?;
        asked.request.because = chain.into_iter().rev().find_map(|agent| agent.evidence.reason).unwrap_or_default();
    }
    let time = asked.time.unwrap_or(relay.config.approval_timeout).min(relay.config.approval_timeout);
    asked.request.requested_at = now;
    asked.request.expires_at = now.saturating_add(i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
    // Whoever decides looks at the session too.
    relay.index.settled().await;
    let new = NewRequest { request: &asked.request, likeness: &asked.likeness, pattern: &asked.pattern };
    relay.store.approval_insert(&new).await?;
    audit(relay, "approval.requested", &asked.request.user, &asked.request.chain, &asked.request).await;
    relay.approvals.happened(asked.id(), "pending");
    Ok(Ok(asked))
}

impl Ticket {
    /// Which request.
    #[must_use]
    pub fn id(&self) -> ApprovalId {
        self.asked.id()
    }

    /// How long it waits at most, in seconds.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        (self.asked.request.expires_at - self.asked.request.requested_at) / 1_000_000
    }
}

/// Waits for the decision and consumes it.
///
/// # Cancel safety
/// Dropping the future leaves the request pending: call [`withdraw`].
pub async fn wait(relay: &Relay, ticket: Ticket) -> Outcome {
    let Ticket { asked, decided } = ticket;
    let left = asked.request.expires_at - relay.now();
    let left = std::time::Duration::from_micros(u64::try_from(left).unwrap_or(0));
    let told = tokio::time::timeout(left, decided).await;
    relay.approvals.lock().remove(&asked.id());
    match told {
        Ok(Ok(())) => match outcome(relay, &asked).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::error!(%error, "an approval cannot be consumed");
                Outcome::Failed
            }
        },
        Ok(Err(_)) => Outcome::Failed,
        Err(_) => {
            if let Err(error) = expire(relay).await {
                tracing::error!(%error, "expired approvals cannot be stored");
            }
            // One that was decided at the last moment would lie there for another.
            withdraw(relay, asked.id()).await;
            Outcome::Expired
        }
    }
}

/// Ends requests whose time is over, and tells of it: nobody may be waiting for them.
///
/// # Errors
/// When the store fails.
pub async fn expire(relay: &Relay) -> Result<(), weir_store::StoreError> {
    let expired = relay.store.approvals_expire(relay.now()).await?;
    expired.into_iter().for_each(|id| relay.approvals.happened(id, "expired"));
    Ok(())
}

/// What was decided; consumed where it lets something run.
async fn outcome(relay: &Relay, asked: &Asked) -> Result<Outcome, weir_store::StoreError> {
    let Some(view) = relay.store.approval(asked.id()).await? else { return Ok(Outcome::Failed) };
    if view.state != "approved" {
        let (by, reason) = (view.decided_by.unwrap_or_default(), view.reason.unwrap_or_default());
        return Ok(if view.state == "denied" { Outcome::Denied { by, reason } } else { Outcome::Expired });
    }
    let Some(session) = asked.request.session else { return Ok(Outcome::Failed) };
    // Who asked may have been revoked while a human thought.
    let acting = relay.store.agents_that_may_act(&[asked.request.agent], relay.now()).await?;
    if !acting.contains(&asked.request.agent) {
        withdraw(relay, asked.id()).await;
        return Ok(Outcome::Ended);
    }
    Ok(match relay.store.approval_consume(session, &asked.bindings(), relay.now()).await? {
        Some(consumed) => used(relay, &asked.request, consumed).await,
        None => Outcome::Expired,
    })
}

/// The client cancelled, or its session ended.
pub async fn withdraw(relay: &Relay, approval: ApprovalId) {
    relay.approvals.lock().remove(&approval);
    match relay.store.approval_withdraw(approval).await {
        Ok(true) => relay.approvals.happened(approval, "withdrawn"),
        // What it has become was told then.
        Ok(false) => {}
        Err(error) => tracing::error!(%error, "a withdrawn approval cannot be stored"),
    }
}

/// A session is over, and with it all that was granted for it.
pub async fn session_ended(relay: &Relay, session: SessionId) {
    if let Err(error) = relay.store.approvals_of_session_end(session).await {
        tracing::error!(%error, "approvals of an ended session cannot be ended");
    }
}

/// Everybody learns of it.
async fn used(relay: &Relay, request: &ApprovalRequest, consumed: Consumed) -> Outcome {
    let Consumed { id: approval, by, state } = consumed;
    let body = serde_json::json!({
        "approval": approval, "session": request.session, "digest": request.digest, "resource": request.resource,
        "class": request.class, "chain": request.chain,
    });
    relay.audit("approval.used", &request.user, body).await;
    relay.approvals.happened(approval, &state);
    Outcome::Approved { approval, by }
}

pub(super) async fn audit(relay: &Relay, event: &str, actor: &str, chain: &[AgentId], request: &ApprovalRequest) {
    let body = serde_json::json!({
        "approval": request.id, "kind": request.kind, "session": request.session, "digest": request.digest,
        "resource": request.resource, "class": request.class, "requester": request.user, "chain": chain,
    });
    relay.audit(event, actor, body).await;
}

/// What whoever waits is told: text and hint.
#[must_use]
pub fn notice(relay: &Relay, ticket: &Ticket) -> (String, String) {
    let (id, seconds) = (ticket.id(), ticket.seconds());
    let text = format!("weir: waiting for approval {id} (at most {seconds} s): {}", page(relay, id));
    (text, format!("another person decides there, or with: weir approvals approve {id}"))
}

/// The request as its view is given out: with its page.
#[must_use]
pub fn with_page(relay: &Relay, mut view: ApprovalView) -> ApprovalView {
    view.url = page(relay, view.request.id);
    view.request.because = visible(&view.request.because);
    view
}

/// The request as this reader may see it. What the planner expects is not for the user who asks, nor for their agents: by it
/// they would learn of values that are masked.
#[must_use]
pub fn as_seen_by(principal: &Principal, mut view: ApprovalView) -> ApprovalView {
    if view.request.user == principal.user() {
        let facts = &mut view.request.facts;
        facts.estimate = None;
        facts.no_estimate.clear();
    }
    view
}

/// Where a request is shown and decided.
#[must_use]
pub fn page(relay: &Relay, id: ApprovalId) -> String {
    format!("{}/approvals/{id}", relay.config.public_url)
}
