//! The pages on which people decide: what waits, one request in full, and the decision. They work without a script; with
//! one they follow what happens.

use super::{
    asset, broken, scripted,
    session::{Sent, Visitor},
    status_of, time,
};
use crate::{
    api::{self, ApiError},
    approval::{
        decide::{self, Way},
        wait,
    },
    identity::passkeys::{self, Answer, Meant, Question},
    relay::Relay,
};
use askama::Template;
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use std::sync::Arc;
use weir_shared::{
    api::{AgentView, ApprovalRequest, ApprovalView, DecisionBody, Extent, RequestKind},
    error::{Kind, UserFacing},
    id::ApprovalId,
};

const SCRIPT: &str = include_str!("live.js");

/// A row of the list.
struct Row {
    view: ApprovalView,
    asked: String,
    statement: String,
}

#[derive(Template)]
#[template(path = "approvals.html")]
struct List<'a> {
    user: &'a str,
    csrf: &'a str,
    waiting: Vec<Row>,
    done: Vec<Row>,
}

#[derive(Template)]
#[template(path = "approval.html")]
struct One<'a> {
    user: &'a str,
    csrf: &'a str,
    view: &'a ApprovalView,
    chain: &'a [AgentView],
    asked: String,
    expires: String,
    statement: bool,
    scope: bool,
    /// Why this visitor may not decide; empty when they may.
    objection: &'a str,
    own: bool,
    /// They may with a passkey only.
    passkey: bool,
    problem: &'a str,
    most_minutes: u64,
}

/// The script.
pub async fn script() -> Response {
    asset("text/javascript", SCRIPT)
}

/// What waits, and what was decided lately.
pub async fn list(State(relay): State<Arc<Relay>>, visitor: Visitor) -> Response {
    if let Err(error) = wait::expire(&relay).await {
        return broken(&error);
    }
    let views = match relay.store.approvals(None, None).await {
        Ok(views) => views,
        Err(error) => return broken(&error),
    };
    let seen = views.into_iter().filter(|view| api::may_see(&visitor.principal, view)).map(|view| Row {
        asked: time(view.request.requested_at),
        statement: view.request.statement.chars().take(120).collect(),
        view: wait::as_seen_by(&visitor.principal, view),
    });
    let (waiting, mut done): (Vec<Row>, Vec<Row>) =
        seen.partition(|row| row.view.state == "pending" || row.view.review.as_deref() == Some("due"));
    done.truncate(50);
    let list = List { user: visitor.principal.user(), csrf: &visitor.csrf, waiting, done };
    scripted(StatusCode::OK, list.render())
}

async fn find(relay: &Relay, visitor: &Visitor, id: &str) -> Result<ApprovalView, Response> {
    let missing = || super::failure(StatusCode::NOT_FOUND, "there is no such request, or it is not yours to see");
    let id: ApprovalId = id.parse().map_err(|_| missing())?;
    let view = relay.store.approval(id).await.map_err(|error| broken(&error))?;
    let view = view.filter(|view| api::may_see(&visitor.principal, view)).ok_or_else(missing)?;
    Ok(wait::as_seen_by(&visitor.principal, wait::with_page(relay, view)))
}

async fn shown(relay: &Relay, visitor: &Visitor, view: &ApprovalView, status: StatusCode, problem: &str) -> Response {
    let chain = match relay.store.agent_views(&view.request.chain, relay.now()).await {
        Ok(chain) => chain,
        Err(error) => return broken(&error),
    };
    let objection = |way| decide::objection(relay, view, &visitor.principal, way);
    let (objection, passkey) = match objection(Way::PAGE) {
        Some(_) if objection(Way::PASSKEY).is_none() => (None, true),
        objection => (objection, false),
    };
    let one = One {
        user: visitor.principal.user(),
        csrf: &visitor.csrf,
        view,
        chain: &chain,
        asked: time(view.request.requested_at),
        expires: time(view.request.expires_at),
        statement: view.request.kind == RequestKind::Statement,
        scope: view.request.kind == RequestKind::Scope,
        objection: objection.as_deref().unwrap_or_default(),
        own: view.request.user == visitor.principal.user(),
        passkey,
        problem,
        most_minutes: view.request.offers.window / 60,
    };
    scripted(status, one.render())
}

/// One request.
pub async fn show(State(relay): State<Arc<Relay>>, visitor: Visitor, Path(id): Path<String>) -> Response {
    match find(&relay, &visitor, &id).await {
        Ok(view) => shown(&relay, &visitor, &view, StatusCode::OK, "").await,
        Err(response) => response,
    }
}

/// What its form sends.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct DecisionForm {
    decision: String,
    digest: String,
    identical: u32,
    reason: String,
    extent: String,
    uses: String,
    minutes: String,
    scope: String,
    #[serde(flatten)]
    answer: Answer,
}

impl DecisionForm {
    /// What a passkey signs: the decision on what this request is, and all that goes with it.
    fn meant(&self, request: &ApprovalRequest) -> Meant {
        let id = request.id.to_string();
        let said = serde_json::json!([
            request.digest,
            self.digest,
            self.decision,
            self.identical,
            self.reason,
            self.extent,
            self.uses,
            self.minutes,
            self.scope,
        ]);
        Meant::new("approval", &id, &said)
    }

    fn extent(&self) -> Result<Extent, UserFacing> {
        let number = |text: &str, what: &str| {
            text.trim().parse::<u32>().map_err(|_| UserFacing::new(Kind::Usage, format!("{what}: a whole number"), ""))
        };
        let mut extent = Extent::default();
        match self.extent.as_str() {
            "" | "once" => {}
            "uses" => extent.uses = number(&self.uses, "how often")?,
            "template" => (extent.template, extent.uses) = (true, number(&self.uses, "how often")?),
            "window" => extent.window = u64::from(number(&self.minutes, "minutes")?) * 60,
            _ => return Err(UserFacing::new(Kind::Usage, "the form is not this page's", "reload the page")),
        }
        if !self.scope.trim().is_empty() {
            extent.scope = Some(self.scope.trim().to_owned());
        }
        Ok(extent)
    }
}

/// The question that a passkey is asked before the decision is sent.
///
/// # Errors
/// When the visitor may not decide even with a passkey, or has none.
pub async fn ask_passkey(
    State(relay): State<Arc<Relay>>,
    Path(id): Path<String>,
    Sent { visitor, form }: Sent<DecisionForm>,
) -> Result<Json<Question>, Response> {
    let view = find(&relay, &visitor, &id).await?;
    let refused = |error: UserFacing| ApiError::from(error).into_response();
    if let Some(why) = decide::objection(&relay, &view, &visitor.principal, Way::PASSKEY) {
        return Err(refused(UserFacing::new(Kind::Denied, why, "ask another reviewer to decide")));
    }
    let asked = passkeys::ask(&relay, &visitor.principal, &form.meant(&view.request)).await;
    asked.map(Json).map_err(refused)
}

/// How the decision came: with a passkey's answer it is asked for everything that the form says.
async fn way(relay: &Relay, visitor: &Visitor, view: &ApprovalView, form: &DecisionForm) -> Result<Way, UserFacing> {
    if form.answer.is_empty() {
        return Ok(Way::PAGE);
    }
    passkeys::prove(relay, &visitor.principal, &form.meant(&view.request), &form.answer).await?;
    Ok(Way::PASSKEY)
}

/// The decision.
pub async fn decide(
    State(relay): State<Arc<Relay>>,
    Path(id): Path<String>,
    Sent { visitor, form }: Sent<DecisionForm>,
) -> Response {
    let view = match find(&relay, &visitor, &id).await {
        Ok(view) => view,
        Err(response) => return response,
    };
    let (id, principal) = (view.request.id, &visitor.principal);
    let extent = form.extent();
    let decided = match (extent, way(&relay, &visitor, &view, &form).await) {
        (Err(error), _) | (_, Err(error)) => Err(error),
        (Ok(extent), Ok(way)) => {
            let body = DecisionBody {
                reason: form.reason.clone(),
                digest: Some(form.digest.clone()),
                extent,
                identical: form.identical,
            };
            match form.decision.as_str() {
                "approve" => decide::decide(&relay, id, principal, way, true, body).await,
                "deny" => decide::decide(&relay, id, principal, way, false, body).await,
                "break-glass" => decide::break_glass(&relay, id, principal, body).await,
                "review" => decide::review(&relay, id, principal, way, body).await,
                _ => Err(UserFacing::new(Kind::Usage, "the form is not this page's", "reload the page")),
            }
        }
    };
    match decided {
        // Back to a page that can be reloaded.
        Ok(_) => Redirect::to(&format!("/approvals/{id}")).into_response(),
        Err(error) => {
            let view = match find(&relay, &visitor, &id.to_string()).await {
                Ok(view) => view,
                Err(response) => return response,
            };
            shown(&relay, &visitor, &view, status_of(&error), &error.message).await
        }
    }
}

/// What happens, for the script.
pub async fn events(State(relay): State<Arc<Relay>>, visitor: Visitor) -> Response {
    api::approval_events(relay, visitor.principal).into_response()
}

/// `/`
pub async fn home() -> Redirect {
    Redirect::to("/approvals")
}
