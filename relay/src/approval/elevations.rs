//! What humans have granted to agents beyond the scopes of their chains, for a while. Policy is asked as ever, and it is that
//! one agent's: nothing of it is handed on.

use super::{Asked, asked};
use crate::{identity::Principal, relay::Relay, session::authorize};
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};
use weir_policy::bundle::{Action, Moment, Outcome, Target};
use weir_shared::{
    api::{ApprovalView, AskBody},
    error::{Kind, UserFacing},
    id::{AgentId, ApprovalId, ResourceName},
    scope::{Access, Scope},
};

/// Characters of a reason.
const LONGEST: usize = 2000;

#[derive(Clone, Debug)]
struct Elevation {
    approval: ApprovalId,
    scope: Scope,
    until: i64,
}

/// What holds now, by agent.
#[derive(Debug, Default)]
pub struct Elevations(RwLock<HashMap<AgentId, Vec<Elevation>>>);

impl Elevations {
    /// The approval by which this agent may do this now although a scope of its chain leaves it out; none when it may not.
    #[must_use]
    pub fn permits(&self, agent: AgentId, resource: &str, action: &str, now: i64) -> Option<ApprovalId> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut own = all.get(&agent).into_iter().flatten();
        own.find(|one| one.until > now && one.scope.permits(resource, action)).map(|one| one.approval)
    }

    /// Keeps what was granted; what has ended is forgotten.
    pub fn keep(&self, view: &ApprovalView, now: i64) {
        let Some(granted) = &view.granted else { return };
        let text = granted.extent.scope.as_ref().unwrap_or(&view.request.statement);
        let Ok(access) = text.parse::<Access>() else { return };
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, own| {
            own.retain(|one| one.until > now);
            !own.is_empty()
        });
        let (approval, scope, until) = (view.request.id, Scope::of(vec![access]), granted.until);
        all.entry(view.request.agent).or_default().push(Elevation { approval, scope, until });
    }
}

/// An agent asks for more than its chain's scopes.
///
/// # Errors
/// It is not a scope of one resource by its name, nothing is beyond its right, policy would not let it, or too much is asked.
pub fn ask(relay: &Relay, principal: &Principal, body: AskBody) -> Result<Asked, UserFacing> {
    let usage = |message: String, hint: &str| UserFacing::new(Kind::Usage, message, hint);
    let hint = "write RESOURCE:ACTION+ACTION, of one resource by its full name";
    let access: Access = body.scope.parse().map_err(|error| usage(format!("{error}"), hint))?;
    let (name, actions) = body.scope.split_once(':').unwrap_or((&body.scope, "*"));
    let name = ResourceName::new(name).map_err(|_| usage(format!("{name} is not one resource"), hint))?;
    let missing = || UserFacing::new(Kind::NotFound, format!("no resource {name}"), "run `weir list`");
    let resource = relay.resources.get(&name).ok_or_else(missing)?;
    let target = Target { resource: name.to_string(), labels: resource.labels.clone() };
    let (_, judge) = relay.policy.judge(&authorize::subject(principal), &target);
    if judge.decide(Action::Connect, None, Moment::of(relay.now())).outcome == Outcome::Deny {
        return Err(missing());
    }
    let wanted = Scope::of(vec![access]);
    let beyond = |action: &Action| {
        wanted.permits(name.as_str(), action.as_str())
            && principal.narrowed_by(name.as_str(), action.as_str()).is_some()
    };
    if !Action::ALL.iter().any(beyond) {
        return Err(usage("the scopes of this agent have all of that already".to_owned(), "policy decides the rest"));
    }
    let window = relay.config.approvals.window.as_secs();
    if body.window == 0 || body.window > window {
        return Err(usage(format!("at most {window} s may be asked for"), "ask for less time"));
    }
    let because: String = body.because.trim().chars().take(LONGEST).collect();
    if because.is_empty() {
        return Err(usage("a request for more needs a reason".to_owned(), "give --reason"));
    }
    Ok(asked::scope(principal, &name, actions, &body.scope, body.window, because, judge.hash()))
}
