//! The policy files: read by auditors, changed by administrators. A change is audited before it is made: without an event there
//! is none.

use super::{
    ApiError, Caller,
    conditional::{self, Refused},
};
use crate::{
    cmd::policy::action_of,
    identity::Principal,
    keep,
    policy::{
        Policies,
        edit::{NotChanged, Seen},
    },
    relay::{Relay, with_chain},
};
use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use std::{collections::BTreeMap, sync::Arc};
use weir_policy::{
    bundle::{Action, Moment, PolicyFile, PolicyProblem, Subject, Target},
    sql,
};
use weir_shared::{
    api::{ExplainBody, Explanation, Flaw, PoliciesBody, PoliciesChecked, PoliciesView, PolicyText, Problem},
    error::{Kind, UserFacing},
    id::ResourceName,
};

/// Hops that may be asked about.
const DEEPEST: u32 = 64;

impl From<NotChanged> for Refused {
    fn from(why: NotChanged) -> Self {
        let kind = match &why {
            NotChanged::Name(_) | NotChanged::Invalid(_) => Kind::Usage,
            NotChanged::Missing(_) => Kind::NotFound,
            NotChanged::Stale(_) => Kind::Conflict,
            NotChanged::Io(..) => Kind::System,
        };
        let hint = match &why {
            NotChanged::Name(_) => "write NAME.cedar, of letters, digits, ., _ and -",
            NotChanged::Invalid(_) => "correct what is listed in `problems`",
            NotChanged::Missing(_) => "GET /api/v1/policies lists them",
            NotChanged::Stale(_) => "get the policies again, and change what is there now",
            NotChanged::Io(..) => "let the relay write its folder of policies",
        };
        let facing = UserFacing::new(kind, why.to_string(), hint);
        match why {
            NotChanged::Stale(_) => Self::stale(facing),
            NotChanged::Invalid(problems) => Self::invalid(facing, problems.into_iter().map(flaw).collect()),
            _ => facing.into(),
        }
    }
}

fn flaw(problem: PolicyProblem) -> Flaw {
    let PolicyProblem { file, line, column, message, hint } = problem;
    Flaw { file, line, column, message, hint }
}

/// What reads files or parses runs beside the calls.
async fn beside<T: Send + 'static>(
    relay: &Relay,
    work: impl FnOnce(&Policies) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let policies = Arc::clone(&relay.policy);
    let broken = |_| UserFacing::new(Kind::Internal, "the policies cannot be looked at", "").into();
    tokio::task::spawn_blocking(move || work(&policies)).await.map_err(broken)
}

/// The policies as they stand, tagged with their hash.
async fn view(relay: &Relay) -> Result<Response, ApiError> {
    let Seen { hash, files, problems } = beside(relay, Policies::seen).await?;
    let tag = conditional::tag(&hash);
    let view = PoliciesView {
        in_force: relay.policy.current().hash().to_owned(),
        hash,
        files: files.into_iter().map(|PolicyFile { name, text }| PolicyText { name, text }).collect(),
        problems: problems.into_iter().map(flaw).collect(),
    };
    Ok(([(header::ETAG, tag)], Json(view)).into_response())
}

/// The policy files as they stand, and which bundle is in force.
#[utoipa::path(
    get, path = "/api/v1/policies", tag = "policies", operation_id = "list_policies",
    responses((status = 200, description = "The files; `ETag` is their hash", body = PoliciesView,
        headers(("ETag" = String, description = "What `If-Match` must name"))))
)]
pub(super) async fn list(State(relay): State<Arc<Relay>>, _caller: Caller) -> Result<Response, ApiError> {
    view(&relay).await
}

/// Checks texts as if they were all the policies. Nothing changes.
#[utoipa::path(
    post, path = "/api/v1/policies/check", tag = "policies", operation_id = "check_policies",
    request_body = PoliciesBody,
    responses((status = 200, description = "What is wrong with them", body = PoliciesChecked))
)]
pub(super) async fn check(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Json(body): Json<PoliciesBody>,
) -> Result<Json<PoliciesChecked>, ApiError> {
    let files = body.files.into_iter().map(|PolicyText { name, text }| PolicyFile { name, text }).collect();
    let checked = beside(&relay, move |policies| policies.check(files)).await?;
    let checked = match checked {
        Ok(bundle) => PoliciesChecked { hash: Some(bundle.hash().to_owned()), problems: Vec::new() },
        Err(problems) => PoliciesChecked { hash: None, problems: problems.into_iter().map(flaw).collect() },
    };
    let event = serde_json::json!({ "hash": checked.hash, "problems": checked.problems.len() });
    relay.audit_of(&principal, "policy.checked", event).await;
    Ok(Json(checked))
}

/// How the policies in force decide a request: each hop, each question, what decides and what nearly did.
#[utoipa::path(
    post, path = "/api/v1/policies/explain", tag = "policies", operation_id = "explain",
    request_body = ExplainBody,
    responses((status = 200, description = "The decision; `null` when the connection is all that the statement needs", body = Option<Explanation>))
)]
pub(super) async fn explain(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Json(body): Json<ExplainBody>,
) -> Result<Json<Option<Explanation>>, ApiError> {
    if body.depth > DEEPEST {
        let message = format!("a chain has at most {DEEPEST} hops");
        return Err(UserFacing::new(Kind::Usage, message, "ask for fewer").into());
    }
    let roles = match body.roles {
        Some(roles) => roles,
        None => {
            let unknown = || UserFacing::new(Kind::NotFound, format!("no user {:?}", body.user), "name the roles");
            relay.store.user(&body.user).await?.ok_or_else(unknown)?.roles
        }
    };
    let event = serde_json::json!({ "user": body.user, "roles": roles, "resource": body.resource });
    relay.audit_of(&principal, "policy.explained", event).await;
    let resource = ResourceName::new(&body.resource).ok().and_then(|name| relay.resources.get(&name));
    let mut labels: BTreeMap<_, _> = resource.map(|resource| resource.labels.clone()).unwrap_or_default();
    labels.extend(body.labels);
    let subject = Subject { user: body.user, roles, depth: body.depth, ci: body.ci };
    let (target, now) = (Target { resource: body.resource, labels }, Moment::of(relay.now()));
    let explained = beside(&relay, move |policies| {
        let facts = body.sql.as_deref().map(sql::facts);
        let action = facts.as_ref().map_or(Some(Action::Connect), action_of)?;
        Some(policies.current().judge(&subject, &target).explain(action, facts.as_ref(), now))
    });
    Ok(Json(explained.await?))
}

/// Writes a policy file. It is judged together with the others first, and in force when the answer comes.
#[utoipa::path(
    put, path = "/api/v1/policies/{file}", tag = "policies", operation_id = "put_policy",
    params(
        ("file" = String, Path, description = "NAME.cedar, of letters, digits, `.`, `_` and `-`"),
        ("If-Match" = String, Header, description = "The hash of the policies that were seen, in quotes: their `ETag`"),
    ),
    request_body(content = String, content_type = "text/plain", description = "The file's text, in Cedar"),
    responses(
        (status = 200, description = "The policies as they are now", body = PoliciesView),
        (status = 412, description = "Somebody else has changed the policies", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "They would not be valid: `problems` has the places", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "There is no If-Match", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put(
    State(relay): State<Arc<Relay>>,
    caller: Caller,
    Path(file): Path<String>,
    headers: HeaderMap,
    text: String,
) -> Result<Response, Refused> {
    change(&relay, caller, file, Some(text), &headers).await
}

/// Deletes a policy file. The others are judged without it first.
#[utoipa::path(
    delete, path = "/api/v1/policies/{file}", tag = "policies", operation_id = "delete_policy",
    params(
        ("file" = String, Path, description = "Its name"),
        ("If-Match" = String, Header, description = "The hash of the policies that were seen, in quotes: their `ETag`"),
    ),
    responses(
        (status = 200, description = "The policies as they are now", body = PoliciesView),
        (status = 412, description = "Somebody else has changed the policies", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The others would not be valid", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "There is no If-Match", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(relay): State<Arc<Relay>>,
    caller: Caller,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    change(&relay, caller, file, None, &headers).await
}

async fn change(
    relay: &Arc<Relay>,
    Caller(principal, _): Caller,
    file: String,
    text: Option<String>,
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    let unseen = || Refused::unseen("state of the policies", "send the ETag of GET /api/v1/policies as If-Match");
    let expected = conditional::if_match(headers).ok_or_else(unseen)?;
    let worker = Arc::clone(relay);
    // Who asked may hang up in the middle: what the log says is done all the same.
    let made = relay.tasks.spawn(async move { make(&worker, &principal, file, text, expected).await });
    let broken = |_| ApiError(UserFacing::new(Kind::Internal, "the policies cannot be changed", ""));
    made.await.map_err(broken)??;
    Ok(view(relay).await?)
}

async fn make(
    relay: &Arc<Relay>,
    principal: &Principal,
    file: String,
    text: Option<String>,
    expected: String,
) -> Result<(), Refused> {
    let _editing = relay.policy.editing().await;
    let name = file.clone();
    let prepared = beside(relay, move |policies| policies.prepare(&name, text, &expected)).await?;
    let change = match prepared {
        Ok(change) => change,
        Err(why) => {
            let event = serde_json::json!({ "file": file, "why": why.to_string() });
            relay.audit_of(principal, "policy.change_refused", event).await;
            return Err(why.into());
        }
    };
    let event = serde_json::json!({ "file": file, "from": change.from, "to": change.to });
    let event = with_chain(principal, event);
    relay.store.audit_append("policy.changed", principal.user(), event, relay.now()).await?;
    if let Err(why) = beside(relay, move |_| change.make()).await? {
        let event = serde_json::json!({ "file": file, "why": why.to_string() });
        relay.audit_of(principal, "policy.change_failed", event).await;
        return Err(why.into());
    }
    keep::load_policies(relay).await;
    Ok(())
}
