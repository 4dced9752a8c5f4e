//! Resources, as one caller may see them.

use super::{ApiError, Caller};
use crate::{
    identity::Principal,
    relay::Relay,
    session::{authorize, facts},
    upstream,
};
use axum::{Json, extract::State};
use std::{collections::BTreeMap, sync::Arc};
use weir_policy::{
    bundle::{Action, Moment, Outcome, Subject, Target},
    sql,
};
use weir_shared::{api::ResourceView, config::checked::Resource, id::AgentId};

pub(super) async fn list(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
) -> Result<Json<Vec<ResourceView>>, ApiError> {
    let subject = authorize::subject(&principal);
    let (mut views, now) = (Vec::new(), Moment::of(relay.now()));
    for resource in relay.config.resources.values() {
        let target = Target { resource: resource.name.to_string(), labels: resource.labels.clone() };
        let may = |depth| {
            let subject = Subject { depth, ..subject.clone() };
            relay.policy.judge(&subject, &target).1.decide(Action::Connect, None, now).outcome
        };
        let narrow = narrowed_by(&relay, &principal, resource, Action::Connect);
        let needs = match narrow {
            // What the user may not reach at all is not there.
            _ if may(0) == Outcome::Deny => continue,
            Some(agent) => Some(format!("a wider scope: that of agent {agent} leaves it out")),
            None => match may(subject.depth) {
                // One that is held waits for a human when it is opened: `rights` say so.
                Outcome::Allow | Outcome::Hold => None,
                Outcome::Deny => Some("an agent nearer to its root: policy says so".to_owned()),
            },
        };
        views.push(view(resource, rights(&relay, &principal, &subject, resource), needs));
    }
    Ok(Json(futures_util::future::join_all(views).await))
}

/// The hop whose scope leaves an action out, unless a human has granted it.
fn narrowed_by(relay: &Relay, principal: &Principal, resource: &Resource, action: Action) -> Option<AgentId> {
    let (name, action) = (resource.name.as_str(), action.as_str());
    let granted = || relay.approvals.elevations.permits(principal.agent(), name, action, relay.now()).is_some();
    principal.narrowed_by(name, action).filter(|_| !granted())
}

async fn view(resource: &Resource, rights: BTreeMap<String, String>, needs: Option<String>) -> ResourceView {
    ResourceView {
        name: resource.name.clone(),
        kind: resource.kind.as_str().to_owned(),
        labels: resource.labels.clone(),
        databases: resource.databases.clone(),
        // Nothing is told of what may not be reached.
        reachable: needs.is_none() && upstream::is_reachable(resource).await,
        rights,
        needs,
    }
}

/// What policy and the scopes of the chain say of a plain request of each class.
fn rights(relay: &Relay, principal: &Principal, subject: &Subject, resource: &Resource) -> BTreeMap<String, String> {
    let target = Target { resource: resource.name.to_string(), labels: resource.labels.clone() };
    let (judge, now) = (relay.policy.judge(subject, &target).1, Moment::of(relay.now()));
    let say = |action: Action, facts: Option<&sql::Facts>| {
        if narrowed_by(relay, principal, resource, action).is_some() {
            return "deny".to_owned();
        }
        judge.decide(action, facts, now).outcome.as_str().to_owned()
    };
    let mut rights = BTreeMap::from([("connect".to_owned(), say(Action::Connect, None))]);
    let examples =
        ["SELECT a FROM t", "UPDATE t SET a = 1 WHERE b = 2", "CREATE TABLE t (a int)", "GRANT SELECT ON t TO r"];
    for example in examples {
        if let Some(example) = relay.facts.of(example)
            && let Some(action) = facts::action(example.class)
        {
            rights.insert(facts::name(example.class).to_owned(), say(action, Some(&example)));
        }
    }
    rights
}
