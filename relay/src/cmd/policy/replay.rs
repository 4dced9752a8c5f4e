//! `weir-relay policy replay`: what was recorded, judged again. A recording is masked text: what does not parse any more, or was
//! left out because it held a password, cannot be judged, and is counted. Users have the roles that they have today.

use super::{bundle, named};
use crate::{
    approval::text::visible,
    cmd::{Output, resource, say, system, tell},
    policy::guardrails,
    record::read,
    server::sealing_key,
};
use std::{collections::HashMap, path::PathBuf, time::Duration};
use weir_policy::{
    bundle::{Judge, Moment, Subject, Target},
    sql,
};
use weir_shared::{
    api::{Entry, SessionView},
    config::{checked::Config, duration_of},
    error::UserFacing,
};
use weir_store::Store;

/// Most of a statement that is shown.
const LONGEST: usize = 120;

#[derive(clap::Args)]
pub(in crate::cmd) struct Args {
    /// How far back: 90m, 12h, 7d.
    #[arg(long, default_value = "7d", value_parser = time)]
    since: Duration,
    /// The folder of policies to judge by; the configured one when none is named.
    #[arg(long)]
    policies: Option<PathBuf>,
}

fn time(text: &str) -> Result<Duration, String> {
    duration_of(text).filter(|time| !time.is_zero()).ok_or_else(|| "not a time such as 12h or 7d".to_owned())
}

/// What came of it.
#[derive(Default)]
struct Sums {
    sessions: u64,
    judged: u64,
    changed: u64,
    unjudged: u64,
    unreadable: u64,
}

pub(super) async fn run(args: Args, config: &Config, output: Output) -> Result<(), UserFacing> {
    let folder = args.policies.as_deref().unwrap_or(&config.policies);
    let bundle = bundle(folder, &guardrails(config))?;
    let store = Store::open(&config.database).await.map_err(|error| system(&error))?;
    let now = jiff::Timestamp::now().as_microsecond();
    let since = now.saturating_sub(i64::try_from(args.since.as_micros()).unwrap_or(i64::MAX));
    let users = store.users().await.map_err(|error| system(&error))?;
    let roles: HashMap<String, Vec<String>> = users.into_iter().map(|user| (user.name, user.roles)).collect();
    let body = serde_json::json!({ "since": since, "bundle": bundle.hash() });
    let resources = resource::known(config).await?;
    // It reads every recording.
    store.audit_append("policy.replayed", "", body, now).await.map_err(|error| system(&error))?;
    let mut sums = Sums::default();
    let mut ids: Vec<_> = store.sessions_since(since).await.map_err(|error| system(&error))?.into_iter().collect();
    ids.sort();
    for id in ids {
        let Some(session) = store.session(id).await.map_err(|error| system(&error))? else { continue };
        let subject = Subject {
            user: session.user.clone(),
            roles: roles.get(&session.user).cloned().unwrap_or_default(),
            depth: u32::try_from(session.chain.len()).unwrap_or(u32::MAX).saturating_sub(1),
            ci: false,
        };
        let labels = resources.get(&session.resource).map(|resource| resource.labels.clone()).unwrap_or_default();
        let judge = bundle.judge(&subject, &Target { resource: session.resource.to_string(), labels });
        replay(config, &judge, &session, output, &mut sums)?;
    }
    let Sums { sessions, judged, changed, unjudged, unreadable } = sums;
    tell(&format!(
        "{judged} statements of {sessions} sessions judged by {}: {changed} come out otherwise",
        bundle.hash()
    ));
    if unjudged + unreadable > 0 {
        tell(&format!("{unjudged} statements cannot be judged again, {unreadable} recordings cannot be read"));
    }
    Ok(())
}

fn replay(
    config: &Config,
    judge: &Judge,
    session: &SessionView,
    output: Output,
    sums: &mut Sums,
) -> Result<(), UserFacing> {
    let Ok(entries) = read::entries(&config.recordings, session.id, &sealing_key(config)?) else {
        sums.unreadable += 1;
        return Ok(());
    };
    sums.sessions += 1;
    for entry in entries {
        match entry {
            Ok(entry) => statement(judge, session, &entry, output, sums)?,
            Err(_) => {
                sums.unreadable += 1;
                break;
            }
        }
    }
    Ok(())
}

fn statement(
    judge: &Judge,
    session: &SessionView,
    entry: &Entry,
    output: Output,
    sums: &mut Sums,
) -> Result<(), UserFacing> {
    let Entry::Statement { at, number, text, class, outcome, policies, .. } = entry else { return Ok(()) };
    // Session control is not asked about, and a scope of the chain is not policy.
    let Some(action) = named(class) else { return Ok(()) };
    if policies.iter().any(|policy| policy.starts_with("scope:")) {
        return Ok(());
    }
    let facts = sql::facts(text);
    if facts.reason.starts_with("unparseable") {
        sums.unjudged += 1;
        return Ok(());
    }
    sums.judged += 1;
    let when = session.started_at.saturating_add_unsigned(*at);
    let decision = judge.decide(action, Some(&facts), Moment::of(when));
    let after = decision.outcome.as_str();
    if after == outcome {
        return Ok(());
    }
    sums.changed += 1;
    let policies = decision.policies.join(", ");
    say(&match output {
        Output::Json => serde_json::json!({
            "session": session.id, "number": number, "at": when, "user": session.user, "resource": session.resource,
            "class": class, "before": outcome, "after": after, "policies": *decision.policies, "text": text,
        })
        .to_string(),
        Output::Text => {
            let line = visible(&text.split_whitespace().collect::<Vec<_>>().join(" "));
            let line: String = line.chars().take(LONGEST).collect();
            let (id, user, resource) = (session.id, &session.user, &session.resource);
            format!("{outcome} -> {after}  {id} #{number} {user} {resource} {class} [{policies}] {line}")
        }
    })
}
