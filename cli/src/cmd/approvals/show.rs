//! Requests as a person reads them. What the requester wrote stands behind bars, apart from what weir found out.

use crate::{ui, ui::Output};
use weir_shared::api::{ApprovalView, Extent, RequestKind};

/// Many requests, one a line.
pub(super) fn table(views: &[ApprovalView]) -> String {
    let row = |view: &ApprovalView| {
        let request = &view.request;
        let statement: String = request.statement.chars().take(60).collect();
        let more = if view.state == "pending" && view.identical > 1 {
            format!(" (x{})", view.identical)
        } else {
            String::new()
        };
        vec![
            request.id.to_string(),
            format!("{}{more}", view.state),
            ui::time(request.requested_at / 1_000_000),
            request.user.clone(),
            request.resource.to_string(),
            ui::visible(&statement),
        ]
    };
    ui::table(&["id", "state", "asked", "user", "resource", "statement"], views.iter().map(row).collect())
}

/// How far an approval goes, in words.
pub(super) fn extent(extent: &Extent) -> String {
    let what = match (extent.template, extent.uses) {
        (true, 0 | 1) => "with any constants, once".to_owned(),
        (true, uses) => format!("with any constants, {uses} times"),
        (false, 0 | 1) => "exactly as shown, once".to_owned(),
        (false, uses) => format!("exactly as shown, {uses} times"),
    };
    let what = match &extent.scope {
        Some(scope) => format!("{scope} only"),
        None => what,
    };
    match (extent.window, &extent.scope, extent.template) {
        (0, ..) => what,
        (seconds, Some(_), _) => format!("{what}, for {seconds} s"),
        (seconds, None, true) => format!("with any constants, for {seconds} s"),
        (seconds, None, false) => format!("and all of its class in its session, for {seconds} s"),
    }
}

/// What came of a decision.
pub(super) fn done(view: &ApprovalView, output: Output) {
    let request = &view.request;
    match (output, view.state.as_str()) {
        (Output::Json, _) => ui::json(view),
        (Output::Text, "pending") if view.votes.is_empty() => {
            ui::say(&format!("{} waits for a decision: {}", request.id, view.url));
        }
        (Output::Text, "pending") => {
            let (have, need) = (view.votes.len(), request.needs.quorum);
            let of = if request.needs.groups.is_empty() {
                String::new()
            } else {
                format!(", of {}", request.needs.groups.join(" and "))
            };
            ui::say(&format!("{} has {have} of {need} approvals{of}", request.id));
        }
        (Output::Text, state) => ui::say(&format!("{} is {state}", request.id)),
    }
}

/// One request in full.
pub(super) fn show(view: &ApprovalView, output: Output) {
    if output == Output::Json {
        return ui::json(view);
    }
    let request = &view.request;
    let line = |name: &str, value: &str| {
        if !value.is_empty() {
            ui::say(&format!("{name:<12} {value}"));
        }
    };
    line("id", &request.id.to_string());
    line("page", &view.url);
    line("state", &view.state);
    line("user", &request.user);
    let chain: Vec<String> = request.chain.iter().map(ToString::to_string).collect();
    line("chain", &chain.join(" > "));
    line("resource", request.resource.as_str());
    line("class", &request.class);
    if let Some(session) = request.session {
        line("session", &session.to_string());
    }
    facts(view, &line);
    line("expires", &ui::time(request.expires_at / 1_000_000));
    line("digest", &request.digest);
    let needs = &request.needs;
    if needs.quorum > 1 || !needs.groups.is_empty() {
        let of = if needs.groups.is_empty() { String::new() } else { format!(" of {}", needs.groups.join(" and ")) };
        line("needs", &format!("{} people{of}", needs.quorum));
    }
    if view.identical > 1 && view.state == "pending" {
        line("identical", &format!("{} requests that say the same wait: one decision is for all", view.identical));
    }
    if view.repeated >= 3
        && let Some(template) = &request.offers.template
    {
        line("repeated", &format!("approved {} times today; --template would allow: {template}", view.repeated));
    }
    for vote in &view.votes {
        let what = if vote.approve { extent(&vote.extent) } else { "denied".to_owned() };
        line("said", &format!("{} ({}): {what} {}", vote.by, vote.channel, vote.reason));
    }
    if let Some(by) = &view.decided_by {
        line("decided by", by);
    }
    if let Some(granted) = &view.granted {
        line(
            "granted",
            &format!(
                "{}; {} left until {}",
                extent(&granted.extent),
                granted.left,
                ui::time(granted.until / 1_000_000)
            ),
        );
    }
    line("review", view.review.as_deref().unwrap_or_default());
    if !request.because.is_empty() {
        ui::say("reason (written by the requester, not by weir):");
        ui::visible(&request.because).lines().for_each(|text| ui::say(&format!("  | {text}")));
    }
    match request.kind {
        RequestKind::Statement => ui::say("statement (written by the requester, not by weir):"),
        RequestKind::Connect => ui::say("asks to begin:"),
        RequestKind::Scope => ui::say("asks for more scope:"),
    }
    ui::visible(&request.statement).lines().for_each(|text| ui::say(&format!("  | {text}")));
    for (index, value) in request.parameters.iter().enumerate() {
        let value = value.as_ref().map_or("NULL".to_owned(), |value| ui::visible(value));
        ui::say(&format!("  | ${} = {value}", index + 1));
    }
}

fn facts(view: &ApprovalView, line: &impl Fn(&str, &str)) {
    let facts = &view.request.facts;
    line("database", &facts.database);
    line("role", &facts.role);
    if view.request.kind == RequestKind::Statement {
        line("what", &facts.what);
        if let Some(estimate) = &facts.estimate {
            line("estimate", &estimate.in_words());
            estimate.plan.iter().for_each(|text| line("", &ui::visible(text)));
        }
        if !facts.no_estimate.is_empty() {
            line("estimate", &format!("none: {}", ui::visible(&facts.no_estimate)));
        }
        line("writes", &facts.writes.join(", "));
        line("reads", &facts.reads.join(", "));
        line("functions", &facts.functions.join(", "));
        let statements = if facts.statements == 1 { String::new() } else { facts.statements.to_string() };
        line("statements", &statements);
        line("attention", if facts.destructive { "drops or truncates" } else { "" });
        line("attention", if facts.has_where { "" } else { "no WHERE: all rows" });
        line("transaction", if facts.in_transaction { "inside one that is open" } else { "" });
        line("size", &format!("{} bytes", facts.size));
    }
    line("held by", &facts.policies.join(", "));
}
