//! What the client is told of a request that does not run.

use super::{authorize::Grant, facts};
use crate::{
    approval::{Asked, Outcome},
    mask::Counts,
    record::RecordError,
    relay::Relay,
};
use weir_policy::{
    bundle,
    sql::{Class, Facts, is_custom, setting},
};
use weir_protocol::Refusal;

pub(super) fn refusal(code: &'static str, message: &str, detail: &str, hint: &str) -> Refusal {
    Refusal { detail: detail.to_owned(), ..Refusal::new(code, message, hint) }
}

/// Policy does not allow it.
pub(super) fn denial(grant: &Grant, facts: &Facts, decision: &bundle::Decision) -> Refusal {
    let rule = if decision.policies.is_empty() {
        "no rule allows it".to_owned()
    } else {
        format!("rule {}", decision.policies.join(", "))
    };
    let session = grant.session();
    let because = decision.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
    let (resource, action) = (&grant.resource().name, facts::name(facts.class));
    let next = if decision.policies.iter().any(|rule| rule.starts_with("scope:")) {
        &format!("a human may grant it: weir approvals ask --scope {resource}:{action} --reason WHY")
    } else {
        decision.next.as_deref().unwrap_or("run `weir list` for your rights, or ask for the right")
    };
    refusal(
        "42501",
        &format!("weir does not allow this {action} ({}){because}", facts.reason),
        &format!("{rule}; session {session}"),
        next,
    )
}

/// A human did not let it; none when one did.
pub(super) fn unapproved(asked: &Asked, what: &str, outcome: &Outcome) -> Option<Refusal> {
    let approval = format!("approval {}", asked.id());
    Some(match outcome {
        Outcome::Approved { .. } => return None,
        Outcome::Denied { by, reason } => {
            let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            let message = format!("{by} denied this {what}{reason}");
            refusal("42501", &message, &approval, "change the request, or ask them")
        }
        Outcome::Expired => refusal("57014", "nobody decided in time", &approval, "run it again to ask again"),
        Outcome::Withdrawn => refusal("57014", "canceling statement due to user request", "", ""),
        Outcome::TooMany(why) => {
            let message = format!("this {what} needs a human, and {why}");
            refusal("53400", &message, "", "wait for the others to be decided: weir approvals list")
        }
        Outcome::Ended => refusal("28000", "your login ended while the request waited", &approval, "run `weir login`"),
        Outcome::Failed => refusal("58000", "the approval could not be stored", "", "tell the relay's administrator"),
    })
}

/// What a session begins with is judged as `SET` would be.
///
/// # Errors
/// The first setting that a session may not begin with.
pub(super) fn settings(grant: &Grant, parameters: &[(String, String)]) -> Result<(), Refusal> {
    let harmless = &grant.resource().harmless_settings;
    let may = |name: &str, value: &str| {
        setting(name, value) == Class::Session || harmless.iter().any(|prefix| name.starts_with(prefix.as_str()))
    };
    match parameters.iter().find(|(name, value)| !may(name, value)) {
        None => Ok(()),
        Some((name, _)) => {
            let hint = if is_custom(name) {
                "remove it, or let the resource name it: harmless_settings"
            } else {
                "remove it from the connection string"
            };
            Err(Refusal::new("28000", &format!("start-up parameter {name:?} is not allowed"), hint))
        }
    }
}

/// What its names mean cannot be found out.
pub(super) fn not_understood(grant: &Grant) -> Refusal {
    refusal(
        "58000",
        "the database's catalog cannot be read, so nobody knows what the statement does",
        &format!("session {}", grant.session()),
        "try again; if it stays so, tell the relay's administrator: may its role log in once more?",
    )
}

/// Data of a COPY hold a mask.
pub(super) fn writes_mask(mask: &str, session: &str) -> Refusal {
    refusal(
        "42501",
        &format!("weir does not allow this COPY: it writes {mask}, which this session was shown in place of a value"),
        &format!("rule guardrail-masks; {session}"),
        "copy only what was not masked, or ask for the right to read it",
    )
}

/// A dump would hold masks in place of data.
pub(super) fn masked_dump(counts: &Counts, session: &str) -> Refusal {
    refusal(
        "42501",
        &format!("weir masks what this dump reads ({}): it would hold masks in place of data", counts.in_words()),
        session,
        "leave the table out (--exclude-table-data=TABLE), ask for the right to read it unmasked, or set \
         PGOPTIONS='-c weir.masked_dump=on' for a dump with masks in it",
    )
}

/// There is no room for its intent.
pub(super) fn unrecorded(grant: &Grant) -> Refusal {
    refusal(
        "58000",
        "the statement cannot be recorded, so it does not run",
        &format!("session {}", grant.session()),
        "tell the relay's administrator: is its disk full?",
    )
}

/// Intents are not in the file: what they announced may not go out.
pub(super) fn lost_intents(grant: &Grant, error: &RecordError) -> Refusal {
    tracing::error!(parent: grant.span(), %error, "statements cannot be recorded: the session ends");
    unrecorded(grant)
}

/// An answer belongs to no request.
pub(super) fn unasked() -> Refusal {
    refusal("08P01", "the server sent rows that nothing asked for", "", "")
}

pub(super) fn count(relay: &Relay, refusal: &Refusal) {
    relay.telemetry.refusals.with(["statement".into(), refusal.code.into()]).inc();
}
