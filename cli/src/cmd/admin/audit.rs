//! `weir admin audit`: the log, page by page from its newest event, printed oldest first.

use crate::{
    api::{Session, encoded},
    settings::Settings,
    ui,
    ui::Output,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::signal::unix::{SignalKind, signal};
use weir_shared::{
    config::duration_of,
    error::{Kind, UserFacing},
};

/// Events of a page, as many as the relay gives.
const PAGE: u32 = 1_000;
/// Between two looks at the log.
const AGAIN: Duration = Duration::from_secs(1);
/// An answer must come within this; the next look asks again.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most of one field that is shown.
const LONGEST: usize = 160;

#[derive(clap::Args)]
pub(in crate::cmd) struct Args {
    /// Only events whose name begins so: alert., policy.changed.
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    event: String,
    /// Only what this user did.
    #[arg(long, value_name = "USER")]
    actor: Option<String>,
    /// Not older than this: 90m, 7d, 2026-11-26, 2026-11-26T09:30, or with a time zone as RFC 3339 has it.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<i64>,
    /// At most so many, the newest.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Show what comes, too, until Ctrl-C.
    #[arg(long)]
    follow: bool,
}

/// Microseconds since 1970.
fn time(text: &str) -> Result<i64, String> {
    if let Some(ago) = duration_of(text) {
        let now = jiff::Timestamp::now().as_microsecond();
        return Ok(now.saturating_sub(i64::try_from(ago.as_micros()).unwrap_or(i64::MAX)));
    }
    let here = || jiff::tz::TimeZone::system().to_timestamp(text.parse().ok()?).ok();
    let at = text.parse::<jiff::Timestamp>().ok().or_else(here);
    at.map(jiff::Timestamp::as_microsecond).ok_or_else(|| "write 90m, 7d, 2026-11-26 or 2026-11-26T09:30".to_owned())
}

/// A page, newest first.
#[derive(Deserialize)]
struct Page {
    events: Vec<Event>,
    /// `before` of the next one.
    next: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Event {
    sequence: i64,
    /// Microseconds since 1970.
    at: i64,
    event: String,
    actor: String,
    body: Value,
}

pub(super) async fn run(settings: &Settings, args: Args, output: Output) -> Result<(), UserFacing> {
    let session = Session::open(settings).await?;
    // What happens while the log is read is looked for from here on.
    let last = if args.follow { newest(&session).await? } else { 0 };
    let query = query(&args);
    let events = read(&session, &query, args.limit, 0).await?;
    let last = events.last().map_or(last, |event| event.sequence.max(last));
    let heard = events.iter().all(|event| show(event, output));
    if args.follow && heard { follow(settings, session, &args, last, output).await } else { Ok(()) }
}

fn query(args: &Args) -> String {
    let mut query = format!("event={}", encoded(&args.event));
    if let Some(actor) = &args.actor {
        query.push_str(&format!("&actor={}", encoded(actor)));
    }
    if let Some(since) = args.since {
        query.push_str(&format!("&since={since}"));
    }
    query
}

/// The number of the newest event of all.
async fn newest(session: &Session) -> Result<i64, UserFacing> {
    Ok(read(session, "", 1, 0).await?.last().map_or(0, |event| event.sequence))
}

/// The newest events behind `known`, at most `limit`, oldest first.
async fn read(session: &Session, query: &str, limit: u32, known: i64) -> Result<Vec<Event>, UserFacing> {
    let mut found = Vec::new();
    let mut before = String::new();
    let mut left = limit;
    while left > 0 {
        let page = format!("/audit?{query}&after={known}&limit={}{before}", left.min(PAGE));
        let page: Page = session.get(&page).await?;
        left = left.saturating_sub(u32::try_from(page.events.len()).unwrap_or(u32::MAX));
        found.extend(page.events);
        match page.next {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    found.reverse();
    Ok(found)
}

/// Shows what comes behind `last`, until interrupted, or nobody reads. It comes back when the relay does.
async fn follow(
    settings: &Settings,
    session: Arc<Session>,
    args: &Args,
    last: i64,
    output: Output,
) -> Result<(), UserFacing> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| ui::system("no signals", &error))?;
    tokio::select! {
        ended = look(settings, session, args, last, output) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

async fn look(
    settings: &Settings,
    mut session: Arc<Session>,
    args: &Args,
    mut last: i64,
    output: Output,
) -> Result<(), UserFacing> {
    let mut away = false;
    loop {
        tokio::time::sleep(AGAIN).await;
        // Every event is asked for, and chosen from here, so that no look begins further back than the last.
        let asked = tokio::time::timeout(PATIENCE, read(&session, "", u32::MAX, last)).await;
        let silent = || UserFacing::new(Kind::Unreachable, format!("{} does not answer", session.login.relay), "");
        match asked.unwrap_or_else(|_| Err(silent())) {
            Ok(events) => {
                if std::mem::take(&mut away) {
                    ui::tell("the relay answers again");
                }
                last = events.last().map_or(last, |event| event.sequence);
                if !events.iter().filter(|event| fits(event, args)).all(|event| show(event, output)) {
                    return Ok(());
                }
            }
            // This process's key has ended; the login may last longer.
            Err(error) if error.kind == Kind::Unauthenticated => session = Session::open(settings).await?,
            Err(error) if matches!(error.kind, Kind::Unreachable | Kind::Internal | Kind::System | Kind::Limit) => {
                // Once for each time that it goes.
                if !std::mem::replace(&mut away, true) {
                    ui::tell(&ui::visible(&format!("{}; trying again", error.message)));
                }
            }
            Err(error) => return Err(error),
        }
    }
}

fn fits(event: &Event, args: &Args) -> bool {
    event.event.starts_with(&args.event)
        && args.actor.as_ref().is_none_or(|actor| event.actor == *actor)
        && args.since.is_none_or(|since| event.at >= since)
}

/// False when nobody reads any more.
fn show(event: &Event, output: Output) -> bool {
    match output {
        Output::Json => ui::json_line(event).is_none_or(|line| ui::heard(&line)),
        Output::Text => ui::heard(&line(event)),
    }
}

/// One event on one line: when, what, who, and more about it.
fn line(event: &Event) -> String {
    let actor = if event.actor.is_empty() { "-" } else { &event.actor };
    let more: Vec<String> = match &event.body {
        Value::Object(fields) => {
            fields.iter().filter_map(|(name, value)| Some(format!("{name}={}", short(value)?))).collect()
        }
        other => short(other).into_iter().collect(),
    };
    let (at, name) = (ui::time(event.at.div_euclid(1_000_000)), &event.event);
    ui::visible_line(format!("{at} {name:<22} {actor:<10} {}", more.join(" ")).trim_end())
}

/// A value as it fits on a line; none when it says nothing. JSON has all of it.
fn short(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) if is_hash(text) => text.chars().take(12).collect(),
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(items) if items.is_empty() => return None,
        Value::Array(items) => {
            let items: Option<Vec<&str>> =
                items.iter().map(|item| item.as_str().filter(|text| is_plain(text))).collect();
            items.map_or_else(|| value.to_string(), |items| items.join(","))
        }
        Value::Object(fields) if fields.is_empty() => return None,
        _ => value.to_string(),
    };
    let long = text.chars().count() > LONGEST;
    Some(if long { text.chars().take(LONGEST).chain("...".chars()).collect() } else { text })
}

/// In quotes it would be no clearer.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '=' | ',' | '\\'))
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_one_line_without_what_says_nothing() {
        let body = json!({
            "file": "a.cedar", "from": "ab".repeat(32), "why": "two\nlines\u{202e}", "none": null, "empty": [],
            "roles": ["admin", "user"], "count": 3,
        });
        let event = Event { sequence: 1, at: 0, event: "policy.changed".into(), actor: String::new(), body };
        let line = line(&event);
        assert!(line.contains("policy.changed         -          "), "{line}");
        for field in
            ["file=a.cedar", "from=abababababab", "why=\"two\\nlines\\u{202e}\"", "roles=admin,user", "count=3"]
        {
            assert!(line.split_once(field).is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with(' ')), "{line}");
        }
        assert!(!line.contains("none") && !line.contains("empty") && line.lines().count() == 1, "{line}");
    }

    #[test]
    fn times_are_ago_or_when() {
        let now = jiff::Timestamp::now().as_microsecond();
        let hour = 3_600_000_000;
        assert!((now - hour..=now - hour + 60_000_000).contains(&time("60m").unwrap()));
        assert_eq!(time("1970-01-01T00:00:01Z"), Ok(1_000_000));
        assert_eq!(time("1970-01-01T01:00:00+01:00"), Ok(0));
        for good in ["2026-11-26", "2026-11-26T09:30", "2026-11-26 09:30:05"] {
            assert!(time(good).is_ok(), "{good}");
        }
        for bad in ["", "yesterday", "26.11.2026", "-1h"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }
}
