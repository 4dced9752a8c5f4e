//! People decide. Not the one who asks, nor anybody in its chain; not an agent; and only where policy lets them, by the way
//! they came.

use super::{extent, text::visible, wait, wait::audit};
use crate::{identity::Principal, relay::Relay, session::authorize};
use std::sync::Arc;
use weir_policy::bundle::{self, Approving, Judge, Moment, Target};
use weir_shared::{
    api::{ApprovalView, DecisionBody, RequestKind, Vote},
    error::{Kind, UserFacing},
    id::ApprovalId,
};
use weir_store::approvals::Voted;

/// Characters of a reason.
const LONGEST: usize = 2000;

/// How a decision came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// `cli`, `web`, `slack` or `webhook`: as policy knows it.
    pub channel: &'static str,
    /// The person proved presence with a passkey just now.
    pub passkey: bool,
}

impl Way {
    /// Over the API, by the key of a login.
    pub const CLI: Self = Self { channel: "cli", passkey: false };
    /// On the page.
    pub const PAGE: Self = Self { channel: "web", passkey: false };
    /// On the page, with a passkey.
    pub const PASSKEY: Self = Self { channel: "web", passkey: true };
}

fn internal(error: &dyn std::fmt::Display) -> UserFacing {
    tracing::error!(%error, "an approval cannot be decided");
    UserFacing::new(Kind::Internal, "the decision could not be stored", "try again, or see the relay's log")
}

fn missing(id: ApprovalId) -> UserFacing {
    UserFacing::new(Kind::NotFound, format!("no approval {id}"), "run `weir approvals list`")
}

async fn view(relay: &Relay, id: ApprovalId) -> Result<ApprovalView, UserFacing> {
    let view = relay.store.approval(id).await.map_err(|error| internal(&error))?.ok_or_else(|| missing(id))?;
    Ok(wait::with_page(relay, view))
}

/// Why this person may not decide; none when they may.
#[must_use]
pub fn objection(relay: &Relay, view: &ApprovalView, principal: &Principal, way: Way) -> Option<String> {
    let needs = &view.request.needs;
    if !principal.is_person() {
        return Some("an agent decides nothing: ask a person".to_owned());
    }
    // The user behind the root is behind every agent of the chain.
    if view.request.user == principal.user() {
        return Some("nobody decides their own request".to_owned());
    }
    if !extent::terms(needs).may_decide(principal.roles()) {
        return Some(format!("this is for {} to decide", needs.groups.join(", ")));
    }
    if needs.passkey && !way.passkey {
        return Some(by_passkey(view));
    }
    may_approve(relay, view, principal, way)
}

/// What policy says of who decides.
fn may_approve(relay: &Relay, view: &ApprovalView, principal: &Principal, way: Way) -> Option<String> {
    let request = &view.request;
    let approving =
        Approving { channel: way.channel, passkey: way.passkey, class: &request.class, requester: &request.user };
    let Some(judge) = judge(relay, view, principal) else { return Some("its resource is gone".to_owned()) };
    let may = |way: &Approving<'_>| judge.approve(way, Moment::of(relay.now())).outcome == bundle::Outcome::Allow;
    let on_page = |passkey| may(&Approving { channel: Way::PAGE.channel, passkey, ..approving });
    if may(&approving) {
        None
    } else if on_page(true) && !on_page(false) {
        Some(by_passkey(view))
    } else {
        Some(format!("policy does not let you decide this over {}", way.channel))
    }
}

fn by_passkey(view: &ApprovalView) -> String {
    format!("this needs a passkey: decide it at {}", view.url)
}

/// Who decides about this person's decisions on the resource of a request; none when there is no such resource any more.
fn judge(relay: &Relay, view: &ApprovalView, principal: &Principal) -> Option<Arc<Judge>> {
    let resource = relay.resources.get(&view.request.resource)?;
    let target = Target { resource: resource.name.to_string(), labels: resource.labels.clone() };
    Some(relay.policy.judge(&authorize::subject(principal), &target).1)
}

/// A person decides.
///
/// # Errors
/// When there is no such request, it was decided, the digest is another's, more is granted than may be, or this person may
/// not decide it.
pub async fn decide(
    relay: &Relay,
    id: ApprovalId,
    principal: &Principal,
    way: Way,
    approve: bool,
    body: DecisionBody,
) -> Result<ApprovalView, UserFacing> {
    let seen = view(relay, id).await?;
    let request = &seen.request;
    if let Some(why) = objection(relay, &seen, principal, way) {
        audit(relay, "approval.refused", principal.user(), &principal.chain_ids(), request).await;
        return Err(UserFacing::new(Kind::Denied, why, "ask another reviewer to decide"));
    }
    let reason: String = body.reason.chars().take(LONGEST).collect();
    if approve {
        if body.digest.as_ref() != Some(&request.digest) {
            let hint = "show the request again before you approve it";
            return Err(UserFacing::new(Kind::Conflict, "the digest is not this request's", hint));
        }
        if let Some(why) = extent::objection(request, &body.extent) {
            return Err(UserFacing::new(Kind::Usage, why, "grant less"));
        }
        if request.needs.reason && reason.trim().is_empty() {
            return Err(UserFacing::new(Kind::Usage, "this needs a reason", "give --reason"));
        }
    }
    let now = relay.now();
    let vote = Vote {
        by: principal.user().to_owned(),
        groups: principal.roles().to_vec(),
        approve,
        reason: visible(&reason),
        extent: body.extent.clone(),
        channel: way.channel.to_owned(),
        at: now,
    };
    let vote_on = async |id| {
        let verdict = |request: &_, votes: &[Vote]| extent::verdict(request, votes, now);
        relay.store.approval_vote(id, &vote, verdict, now).await.map_err(|error| internal(&error))
    };
    // Those that say the same go the same way, as many as were shown.
    let others = relay.store.approvals_like(id).await.map_err(|error| internal(&error))?;
    let more = usize::try_from(body.identical.saturating_sub(1)).unwrap_or(usize::MAX);
    let more = if approve { more } else { usize::MAX };
    match vote_on(id).await? {
        Voted::No => {
            let hint = "a request is decided once; run it again to ask again";
            return Err(UserFacing::new(Kind::Conflict, format!("approval {id} is no longer pending"), hint));
        }
        Voted::Before => {
            return Err(UserFacing::new(Kind::Conflict, "you have decided this already", "others must decide it too"));
        }
        Voted::Counted | Voted::Decided => told(relay, id, principal, approve).await?,
    }
    for other in others.into_iter().filter(|other| other.request.id != id).take(more) {
        if matches!(vote_on(other.request.id).await?, Voted::Counted | Voted::Decided) {
            told(relay, other.request.id, principal, approve).await?;
        }
    }
    view(relay, id).await
}

/// Everybody learns of it, who waits first.
async fn told(relay: &Relay, id: ApprovalId, principal: &Principal, approve: bool) -> Result<(), UserFacing> {
    let view = view(relay, id).await?;
    let event = if approve { "approval.approved" } else { "approval.denied" };
    audit(relay, event, principal.user(), &principal.chain_ids(), &view.request).await;
    settled(relay, &view);
    Ok(())
}

fn settled(relay: &Relay, view: &ApprovalView) {
    if view.request.kind == RequestKind::Scope && view.state == "approved" {
        relay.approvals.elevations.keep(view, relay.now());
    }
    if view.state != "pending"
        && let Some(waiting) = relay.approvals.lock().remove(&view.request.id)
    {
        let _ = waiting.send(());
    }
    relay.approvals.happened(view.request.id, &view.state);
}

/// Who asks lets it run in an emergency: policy must allow it, it is an alert, and somebody else must look at it afterwards.
///
/// # Errors
/// When it is not theirs, no longer pending, without a reason, or they may not.
pub async fn break_glass(
    relay: &Relay,
    id: ApprovalId,
    principal: &Principal,
    body: DecisionBody,
) -> Result<ApprovalView, UserFacing> {
    let seen = view(relay, id).await?;
    let request = &seen.request;
    let denied = |why: &str| UserFacing::new(Kind::Denied, why, "ask a reviewer to decide it");
    if !principal.is_person() || request.user != principal.user() || !may_break_glass(relay, &seen, principal) {
        audit(relay, "approval.refused", principal.user(), &principal.chain_ids(), request).await;
        return Err(denied("you may not break the glass for this"));
    }
    let reason: String = body.reason.trim().chars().take(LONGEST).collect();
    if reason.is_empty() {
        return Err(UserFacing::new(Kind::Usage, "breaking the glass needs a reason", "give --reason"));
    }
    if body.digest.as_ref() != Some(&request.digest) {
        let hint = "show the request again first";
        return Err(UserFacing::new(Kind::Conflict, "the digest is not this request's", hint));
    }
    // Once, exactly as shown, whatever else might be granted.
    let verdict = extent::grant(request, weir_shared::api::Extent::default(), relay.now());
    let done = relay.store.approval_break_glass(id, principal.user(), &visible(&reason), &verdict, relay.now()).await;
    if !done.map_err(|error| internal(&error))? {
        return Err(UserFacing::new(
            Kind::Conflict,
            "it is no longer pending, or the last glass you broke was not looked at yet",
            "ask somebody to review it: weir approvals list --state review",
        ));
    }
    audit(relay, "alert.glass_broken", principal.user(), &principal.chain_ids(), request).await;
    let after = view(relay, id).await?;
    settled(relay, &after);
    Ok(after)
}

fn may_break_glass(relay: &Relay, view: &ApprovalView, principal: &Principal) -> bool {
    let judge = judge(relay, view, principal);
    judge.is_some_and(|judge| {
        judge.break_glass(&view.request.class, Moment::of(relay.now())).outcome == bundle::Outcome::Allow
    })
}

/// Somebody looks at a broken glass.
///
/// # Errors
/// When nothing is due, it is their own, or they may not decide.
pub async fn review(
    relay: &Relay,
    id: ApprovalId,
    principal: &Principal,
    way: Way,
    body: DecisionBody,
) -> Result<ApprovalView, UserFacing> {
    let seen = view(relay, id).await?;
    if let Some(why) = objection(relay, &seen, principal, way) {
        return Err(UserFacing::new(Kind::Denied, why, "ask another reviewer"));
    }
    let said: String = body.reason.trim().chars().take(LONGEST).collect();
    if said.is_empty() {
        return Err(UserFacing::new(Kind::Usage, "a review says what was found", "give --reason"));
    }
    let what = format!("{}: {}", principal.user(), visible(&said));
    let done = relay.store.approval_review(id, principal.user(), &what).await.map_err(|error| internal(&error))?;
    if !done {
        return Err(UserFacing::new(Kind::Conflict, "no review of it is due", "weir approvals list --state review"));
    }
    audit(relay, "approval.reviewed", principal.user(), &principal.chain_ids(), &seen.request).await;
    relay.approvals.happened(id, &seen.state);
    view(relay, id).await
}
