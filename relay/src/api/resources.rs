//! Resources, as one caller may see them; their settings, for administrators and auditors; and making, changing and deleting them,
//! for administrators.

use super::{
    ApiError, Caller,
    conditional::{self, Refused},
};
use crate::{
    identity::Principal,
    relay::Relay,
    resources::{self, Entry, Made, NotChanged, Seen},
    session::{authorize, facts},
    upstream,
};
use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use weir_policy::{
    bundle::{Action, Moment, Outcome, Subject, Target},
    sql,
};
use weir_shared::{
    api::{Flaw, Origin, Problem, ResourceLimits, ResourceSettings, ResourceView},
    config::{
        self,
        checked::{CredentialSource, Durability, Limits, RecordRows, Resource, UpstreamTlsMode},
    },
    error::{Kind, UserFacing},
    id::{AgentId, ResourceName},
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
    for resource in &relay.resources.all() {
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
        views.push(view(Arc::clone(resource), rights(&relay, &principal, &subject, resource), needs));
    }
    Ok(Json(futures_util::future::join_all(views).await))
}

/// The hop whose scope leaves an action out, unless a human has granted it.
fn narrowed_by(relay: &Relay, principal: &Principal, resource: &Resource, action: Action) -> Option<AgentId> {
    let (name, action) = (resource.name.as_str(), action.as_str());
    let granted = || relay.approvals.elevations.permits(principal.agent(), name, action, relay.now()).is_some();
    principal.narrowed_by(name, action).filter(|_| !granted())
}

async fn view(resource: Arc<Resource>, rights: BTreeMap<String, String>, needs: Option<String>) -> ResourceView {
    ResourceView {
        name: resource.name.clone(),
        kind: resource.kind.as_str().to_owned(),
        labels: resource.labels.clone(),
        databases: resource.databases.clone(),
        // Nothing is told of what may not be reached.
        reachable: needs.is_none() && upstream::is_reachable(&resource).await,
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

/// The settings of every resource.
#[utoipa::path(
    get, path = "/api/v1/settings/resources", tag = "resources", operation_id = "list_resource_settings",
    responses((status = 200, description = "By name", body = Vec<ResourceSettings>))
)]
pub(super) async fn all(State(relay): State<Arc<Relay>>, _caller: Caller) -> Json<Vec<ResourceSettings>> {
    Json(relay.resources.entries().iter().map(|(name, entry)| shown(name, entry)).collect())
}

/// The settings of a resource. Its secrets, and the contents of files, are not in them.
#[utoipa::path(
    get, path = "/api/v1/resources/{name}", tag = "resources", operation_id = "show_resource",
    params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "Its settings; `ETag` is there when they may be changed here", body = ResourceSettings,
        headers(("ETag" = String, description = "What `If-Match` must name"))))
)]
pub(super) async fn show(
    State(relay): State<Arc<Relay>>,
    _caller: Caller,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let missing = || UserFacing::new(Kind::NotFound, format!("no resource {name:?}"), "run `weir list`");
    let known = ResourceName::new(&name).ok();
    let (name, entry) =
        known.and_then(|name| relay.resources.entry(&name).map(|entry| (name, entry))).ok_or_else(missing)?;
    Ok(answer(StatusCode::OK, &name, &entry))
}

/// Makes or changes a resource. It must use a credential of the configuration file. Sessions of what it was end.
#[utoipa::path(
    put, path = "/api/v1/resources/{name}", tag = "resources", operation_id = "put_resource",
    params(
        ("name" = String, Path, description = "Its name: 1 to 63 of a-z 0-9 -, a letter first"),
        ("If-Match" = Option<String>, Header, description = "To change it: the `ETag` of what was seen"),
        ("If-None-Match" = Option<String>, Header, description = "To make it: `*`"),
    ),
    request_body(content = String, content_type = "application/toml", description = "The keys of a `[resources.NAME]` table, with `credential = \"named:...\"`"),
    responses(
        (status = 200, description = "It was changed", body = ResourceSettings),
        (status = 201, description = "It was made", body = ResourceSettings),
        (status = 409, description = "It stands in the configuration file", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not what was seen", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It would not be valid: `problems` has the places", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "It is not said what was seen", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put(
    State(relay): State<Arc<Relay>>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    text: String,
) -> Result<Response, Refused> {
    let (name, seen) = (name_of(&name)?, seen(&headers)?);
    let status = if seen == Seen::Nothing { StatusCode::CREATED } else { StatusCode::OK };
    let made = change(&relay, caller, name.clone(), Some(text), seen).await?;
    let gone = || UserFacing::new(Kind::Internal, "the resource is not there", "");
    Ok(answer(status, &name, &Entry::Made(made.ok_or_else(gone)?)))
}

/// Deletes a resource that was made over the API. Its sessions end.
#[utoipa::path(
    delete, path = "/api/v1/resources/{name}", tag = "resources", operation_id = "delete_resource",
    params(
        ("name" = String, Path, description = "Its name"),
        ("If-Match" = String, Header, description = "The `ETag` of what was seen"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 409, description = "It stands in the configuration file", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not what was seen", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "There is no If-Match", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(relay): State<Arc<Relay>>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    let name = name_of(&name)?;
    let seen = match seen(&headers)? {
        Seen::Nothing => return Err(unseen()),
        seen => seen,
    };
    change(&relay, caller, name, None, seen).await.map(|_| StatusCode::NO_CONTENT)
}

fn name_of(name: &str) -> Result<ResourceName, UserFacing> {
    ResourceName::new(name)
        .map_err(|error| UserFacing::new(Kind::Usage, error.to_string(), "write 1 to 63 of a-z 0-9 -, a letter first"))
}

fn unseen() -> Refused {
    let hint = "send If-None-Match: * to make it, or the ETag of GET /api/v1/resources/{name} as If-Match";
    Refused::unseen("state of the resource", hint)
}

/// What the caller has seen: one thing.
fn seen(headers: &HeaderMap) -> Result<Seen, Refused> {
    match (conditional::if_match(headers), conditional::if_none(headers)) {
        (Some(tag), false) => Ok(Seen::Tag(tag)),
        (None, true) => Ok(Seen::Nothing),
        _ => Err(unseen()),
    }
}

async fn change(
    relay: &Arc<Relay>,
    Caller(principal, _): Caller,
    name: ResourceName,
    definition: Option<String>,
    seen: Seen,
) -> Result<Option<Arc<Made>>, Refused> {
    let worker = Arc::clone(relay);
    // Who asked may hang up in the middle: what the log says is done all the same.
    let changed = relay.tasks.spawn(async move {
        let changed = resources::change(&worker, &principal, &name, definition, &seen).await;
        if let Err(why) = &changed {
            let event = serde_json::json!({ "resource": name.as_str(), "why": why.to_string() });
            worker.audit_of(&principal, "resource.change_refused", event).await;
        }
        changed
    });
    let broken = |_| UserFacing::new(Kind::Internal, "the resource cannot be changed", "");
    Ok(changed.await.map_err(broken)??)
}

impl From<NotChanged> for Refused {
    fn from(why: NotChanged) -> Self {
        let (kind, hint) = match &why {
            NotChanged::Configured(_) => (Kind::Conflict, "change it there, and restart the relay"),
            NotChanged::Stale(_) => (Kind::Conflict, "get it again, and change what is there now"),
            NotChanged::Missing(_) => (Kind::NotFound, "send If-None-Match: * to make it"),
            NotChanged::Invalid(..) => (Kind::Usage, "correct what is listed in `problems`"),
            NotChanged::TooMany => (Kind::Limit, "delete some first"),
            NotChanged::Store(_) => (Kind::Internal, "tell the relay's administrator"),
        };
        let facing = UserFacing::new(kind, why.to_string(), hint);
        match why {
            NotChanged::Stale(_) => Self::stale(facing),
            NotChanged::Invalid(_, problems) => Self::invalid(facing, problems.iter().map(flaw).collect()),
            NotChanged::Store(error) => error.into(),
            _ => facing.into(),
        }
    }
}

fn flaw(problem: &config::Problem) -> Flaw {
    let message =
        if problem.key.is_empty() { problem.what.clone() } else { format!("{}: {}", problem.key, problem.what) };
    let file = problem.file.display().to_string();
    Flaw { file, line: problem.line, column: 0, message, hint: problem.accepted.clone() }
}

/// A resource, tagged where it may be changed here.
fn answer(status: StatusCode, name: &ResourceName, entry: &Entry) -> Response {
    let settings = Json(shown(name, entry));
    match entry {
        Entry::Configured(_) => (status, settings).into_response(),
        Entry::Made(made) => (status, [(header::ETAG, conditional::tag(&made.tag()))], settings).into_response(),
    }
}

fn shown(name: &ResourceName, entry: &Entry) -> ResourceSettings {
    match entry {
        Entry::Configured(resource) => settings(resource),
        Entry::Made(made) => {
            let known = match &made.resource {
                Ok(resource) => settings(resource),
                Err(problems) => ResourceSettings {
                    problems: problems.iter().map(flaw).collect(),
                    ..ResourceSettings::unknown(name.clone())
                },
            };
            ResourceSettings { origin: Origin::Api, definition: Some(made.definition.clone()), ..known }
        }
    }
}

fn settings(resource: &Resource) -> ResourceSettings {
    ResourceSettings {
        name: resource.name.clone(),
        origin: Origin::Configuration,
        definition: None,
        problems: Vec::new(),
        kind: resource.kind.as_str().to_owned(),
        hosts: resource.hosts.iter().map(ToString::to_string).collect(),
        target_session_attrs: resource.target_session_attrs.as_str().to_owned(),
        databases: resource.databases.clone(),
        role: resource.role.clone(),
        credential: match &resource.credential {
            _ if resource.named.is_some() => format!("named:{}", resource.named.as_deref().unwrap_or_default()),
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
