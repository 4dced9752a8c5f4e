//! Resources, as one caller may see them; and as they are configured, for administrators and auditors.

use super::{ApiError, Caller};
use crate::{
    identity::Principal,
    relay::Relay,
    session::{authorize, facts},
    upstream,
};
use axum::{
    Json,
    extract::{Path, State},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use weir_policy::{
    bundle::{Action, Moment, Outcome, Subject, Target},
    sql,
};
use weir_shared::{
    api::{ResourceLimits, ResourceSettings, ResourceView},
    config::checked::{CredentialSource, Durability, Limits, RecordRows, Resource, UpstreamTlsMode},
    error::{Kind, UserFacing},
    id::AgentId,
};

/// Resources that the caller may reach, and what they may do there.
#[utoipa::path(
    get, path = "/api/v1/resources", tag = "resources", operation_id = "list_resources",
    responses((status = 200, description = "Resources", body = Vec<ResourceView>))
)]
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

/// What the configuration says of a resource. Its secrets, and the contents of files, are not in it.
#[utoipa::path(
    get, path = "/api/v1/resources/{name}", tag = "resources", operation_id = "show_resource",
    params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "Its settings", body = ResourceSettings))
)]
pub(super) async fn show(
    State(relay): State<Arc<Relay>>,
    _caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<ResourceSettings>, ApiError> {
    let mut resources = relay.config.resources.values();
    let resource = resources.find(|resource| resource.name.as_str() == name);
    let missing = || UserFacing::new(Kind::NotFound, format!("no resource {name:?}"), "run `weir list`");
    Ok(Json(settings(resource.ok_or_else(missing)?)))
}

fn settings(resource: &Resource) -> ResourceSettings {
    ResourceSettings {
        name: resource.name.clone(),
        kind: resource.kind.as_str().to_owned(),
        hosts: resource.hosts.iter().map(ToString::to_string).collect(),
        target_session_attrs: resource.target_session_attrs.as_str().to_owned(),
        databases: resource.databases.clone(),
        role: resource.role.clone(),
        credential: match &resource.credential {
            CredentialSource::Env(name) => format!("env:{name}"),
            CredentialSource::File(path) => format!("file:{}", path.display()),
            // Arguments may be secrets.
            CredentialSource::Exec { argv, .. } => {
                format!("exec:{}", argv.first().map(String::as_str).unwrap_or_default())
            }
            CredentialSource::None => "none".to_owned(),
        },
        tls: match resource.tls.mode {
            UpstreamTlsMode::VerifyFull => "verify-full",
            UpstreamTlsMode::Disable => "disable",
        }
        .to_owned(),
        client_certificate: resource.tls.client.is_some(),
        allow_md5: resource.allow_md5,
        allow_cleartext: resource.allow_cleartext,
        labels: resource.labels.clone(),
        columns: resource.columns.iter().map(ToString::to_string).collect(),
        limits: limits(&resource.limits),
        record_rows: match resource.recording.rows {
            RecordRows::All => "all".to_owned(),
            RecordRows::First(rows) => format!("first:{rows}"),
            RecordRows::Counts => "counts".to_owned(),
        },
        durability: match resource.recording.durability {
            Durability::Sync => "sync",
            Durability::Strict => "strict",
            Durability::BestEffort => "best_effort",
        }
        .to_owned(),
    }
}

fn limits(limits: &Limits) -> ResourceLimits {
    let count = |count: usize| u64::try_from(count).ok().filter(|_| count != usize::MAX);
    let number = |number: u64| Some(number).filter(|number| *number != u64::MAX);
    let time = |time: Duration| u64::try_from(time.as_millis()).ok().filter(|_| time != Duration::MAX);
    ResourceLimits {
        connections: count(limits.connections),
        statement_bytes: count(limits.statement_bytes),
        rows: number(limits.rows),
        result_bytes: number(limits.result_bytes),
        statement_time: time(limits.statement_time),
        session_time: time(limits.session_time),
        idle: time(limits.idle),
        rate: limits.rate.map(|rate| rate.per_second.get()),
        burst: limits.rate.map(|rate| rate.burst.get()),
    }
}
