//! How far an approval goes: what all who gave it agree on, within what may be granted.

use weir_policy::bundle::Terms;
use weir_shared::{
    api::{ApprovalRequest, Extent, Granted, Needs, RequestKind, Vote},
    scope::{Access, Scope},
};
use weir_store::approvals::Verdict;

const SECOND: i64 = 1_000_000;
/// What is approved once is run by whoever waits for it: at once.
const ONCE: i64 = 60 * SECOND;
/// Runs within a window.
const MANY: u32 = 1_000_000;

/// What a request needs, as policy's terms: who counts, and how many are enough, is theirs to say.
#[must_use]
pub fn terms(needs: &Needs) -> Terms {
    Terms {
        quorum: u8::try_from(needs.quorum.max(1)).unwrap_or(u8::MAX),
        approvers: needs.groups.iter().cloned().collect(),
        passkey: needs.passkey,
        reason_required: needs.reason,
        ..Terms::default()
    }
}

/// Whether those who said yes are enough.
#[must_use]
pub fn enough(needs: &Needs, votes: &[Vote]) -> bool {
    let yes: Vec<&[String]> = votes.iter().filter(|vote| vote.approve).map(|vote| vote.groups.as_slice()).collect();
    terms(needs).are_met(&yes)
}

/// Why this extent cannot be granted; none when it can.
#[must_use]
pub fn objection(request: &ApprovalRequest, extent: &Extent) -> Option<String> {
    let offers = &request.offers;
    match request.kind {
        RequestKind::Statement => {
            let several = extent.uses > 1 || extent.template || extent.window > 0;
            if extent.scope.is_some() {
                Some("a scope is granted to a request for one".to_owned())
            } else if extent.template && offers.template.is_none() {
                Some("this statement has no template".to_owned())
            } else if several && extent.uses.max(1) > offers.uses {
                Some(format!("at most {} runs may be granted", offers.uses))
            } else if extent.window > offers.window {
                Some(format!("at most {} s may be granted", offers.window))
            } else {
                None
            }
        }
        RequestKind::Connect => (extent.uses > 1 || extent.template || extent.scope.is_some())
            .then(|| "a session is granted once, for a while".to_owned()),
        RequestKind::Scope => {
            let wider = extent.scope.as_ref().is_some_and(|scope| !within(scope, &request.statement));
            if extent.uses > 1 || extent.template {
                Some("a scope is granted for a while, not for a number of runs".to_owned())
            } else if extent.window > offers.window {
                Some(format!("at most {} s were asked for", offers.window))
            } else {
                wider.then(|| format!("narrower means a part of {}", request.statement))
            }
        }
    }
}

/// Whether one scope is a part of another.
#[must_use]
pub fn within(part: &str, whole: &str) -> bool {
    let scope = |text: &str| text.parse::<Access>().map(|access| Scope::of(vec![access]));
    matches!((scope(part), scope(whole)), (Ok(part), Ok(whole)) if whole.includes(&part))
}

/// What those who said yes grant together: none of them grants what another did not.
#[must_use]
pub fn verdict(request: &ApprovalRequest, votes: &[Vote], now: i64) -> Option<Verdict> {
    if !enough(&request.needs, votes) {
        return None;
    }
    let extents = || votes.iter().filter(|vote| vote.approve).map(|vote| &vote.extent);
    let window = extents().map(|extent| extent.window).min().unwrap_or(0);
    let scopes: Vec<&String> = extents().filter_map(|extent| extent.scope.as_ref()).collect();
    // The narrowest: one that is a part of all others.
    let narrowest = scopes.iter().find(|scope| scopes.iter().all(|other| within(scope, other)));
    if !scopes.is_empty() && narrowest.is_none() {
        return None;
    }
    let extent = Extent {
        uses: extents().map(|extent| extent.uses.max(1)).min().unwrap_or(1),
        template: !votes.is_empty() && extents().all(|extent| extent.template),
        window,
        scope: narrowest.map(|scope| (*scope).clone()),
    };
    Some(grant(request, extent, now))
}

/// What an extent amounts to from now on.
#[must_use]
pub fn grant(request: &ApprovalRequest, extent: Extent, now: i64) -> Verdict {
    let offers = &request.offers;
    let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX / SECOND).saturating_mul(SECOND);
    let after = |time: i64| now.saturating_add(time);
    let (left, until, binding) = match request.kind {
        RequestKind::Connect => (1, after(ONCE), &request.digest),
        RequestKind::Scope => {
            let window = if extent.window == 0 { offers.window } else { extent.window.min(offers.window) };
            (1, after(seconds(window)), &request.digest)
        }
        RequestKind::Statement => {
            // A number of runs holds as long as a window might.
            let long = after(seconds(offers.window).max(ONCE));
            match (extent.window, extent.template, extent.uses) {
                (0, true, uses) => (uses.max(1), long, &offers.template_digest),
                (0, false, 0 | 1) => (1, after(ONCE), &request.digest),
                (0, false, uses) => (uses, long, &request.digest),
                (window, true, _) => (MANY, after(seconds(window)), &offers.template_digest),
                (window, false, _) => (MANY, after(seconds(window)), &offers.window_digest),
            }
        }
    };
    Verdict { binding: binding.clone(), granted: Granted { extent, left, until } }
}
