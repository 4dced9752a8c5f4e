//! `weir status`: the relay's state, once or again and again.

use crate::{api::Session, settings::Settings, ui, ui::Output};
use serde::Serialize;
use std::{
    io::{IsTerminal as _, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::signal::unix::{SignalKind, signal};
use weir_shared::{
    api::{Counters, Status},
    error::{Kind, UserFacing},
    id::ResourceName,
};

/// An answer must come within this; the next round asks again.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(super) struct Args {
    /// Show it again and again until Ctrl-C, with rates; as JSON lines where the output is no terminal.
    #[arg(long)]
    watch: bool,
    /// How often, for example 500ms, 2s, 1m.
    #[arg(long, default_value = "2s", value_parser = duration, requires = "watch")]
    interval: Duration,
}

/// What a counter grew by, a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Rates {
    statements: f64,
    denied: f64,
    rows: f64,
    masked: f64,
}

/// One line of `--watch --output json`.
#[derive(Serialize)]
struct Round<'a> {
    /// Microseconds since 1970.
    at: i64,
    /// A second; none in the first round, and in the first after the relay was started anew.
    rates: Option<Rates>,
    #[serde(flatten)]
    status: &'a Status,
}

pub(super) async fn run(settings: &Settings, args: &Args, output: Output) -> Result<(), UserFacing> {
    let session = Session::open(settings).await?;
    if args.watch {
        return watch(settings, session, args.interval, output).await;
    }
    let status: Status = session.get("/status").await?;
    if output == Output::Json {
        ui::json(&status);
    } else {
        text(&status, &session.login.relay, None).iter().for_each(|line| ui::say(line));
    }
    Ok(())
}

async fn watch(
    settings: &Settings,
    mut session: Arc<Session>,
    interval: Duration,
    output: Output,
) -> Result<(), UserFacing> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| ui::system("no signals", &error))?;
    let mut screen = (output == Output::Text && std::io::stdout().is_terminal()).then(Screen::default);
    let mut rounds = tokio::time::interval(interval);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last: Option<(Instant, Status)> = None;
    let mut away = false;
    loop {
        let asked = async {
            rounds.tick().await;
            ask(settings, &mut session).await
        };
        let asked = tokio::select! {
            asked = asked => asked?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
        };
        let now = Instant::now();
        let status = match asked {
            Ok(status) => status,
            Err(error) => {
                // Once for each time that it goes.
                if !std::mem::replace(&mut away, true) {
                    if let Some(screen) = &mut screen {
                        screen.keep();
                    }
                    ui::tell(&format!("{}; trying again", error.message));
                }
                continue;
            }
        };
        if std::mem::take(&mut away) {
            ui::tell("the relay answers again");
        }
        let rates = last.as_ref().and_then(|(then, before)| rates(before, &status, now - *then));
        match &mut screen {
            Some(screen) => screen.draw(&text(&status, &session.login.relay, Some(rates.unwrap_or_default()))),
            None => {
                let at = jiff::Timestamp::now().as_microsecond();
                ui::json(&Round { at, rates, status: &status });
            }
        }
        last = Some((now, status));
    }
}

/// The status; an inner error when the relay cannot be asked just now.
///
/// # Errors
/// Asking again would not help.
async fn ask(settings: &Settings, session: &mut Arc<Session>) -> Result<Result<Status, UserFacing>, UserFacing> {
    let asked = tokio::time::timeout(PATIENCE, session.get::<Status>("/status")).await;
    let error = match asked {
        Ok(Ok(status)) => return Ok(Ok(status)),
        Ok(Err(error)) => error,
        Err(_) => UserFacing::new(Kind::Unreachable, format!("{} does not answer", session.login.relay), ""),
    };
    match error.kind {
        // This process's key has ended; the login may last longer.
        Kind::Unauthenticated => {
            *session = Session::open(settings).await?;
            Ok(Err(error))
        }
        Kind::Unreachable | Kind::Internal | Kind::System => Ok(Err(error)),
        _ => Err(error),
    }
}

/// None when the relay was started anew between.
fn rates(before: &Status, now: &Status, passed: Duration) -> Option<Rates> {
    if now.uptime_seconds < before.uptime_seconds || passed.is_zero() {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate is rounded anyway")]
    let rate = |count: fn(&Counters) -> u64| {
        let grown = count(&now.counters).checked_sub(count(&before.counters))?;
        Some((grown as f64 / passed.as_secs_f64() * 10.0).round() / 10.0)
    };
    Some(Rates {
        statements: rate(|counters| counters.statements)?,
        denied: rate(|counters| counters.denied)?,
        rows: rate(|counters| counters.rows)?,
        masked: rate(|counters| counters.masked)?,
    })
}

/// The status in lines.
fn text(status: &Status, relay: &str, rates: Option<Rates>) -> Vec<String> {
    let rate = |of: fn(&Rates) -> f64| rates.map_or_else(String::new, |rates| format!("   {:.1}/s", of(&rates)));
    let Counters { statements, denied, rows, masked } = status.counters;
    let millis = |micros: u64| format!("{}.{} ms", micros / 1000, micros % 1000 / 100);
    let mut lines = vec![
        format!("{} at {relay}{}", status.software, if status.draining { ", draining" } else { "" }),
        format!("  up          {} s", status.uptime_seconds),
        format!("  tunnels     {}", status.tunnels),
        format!("  sessions    {}", status.open_sessions),
        format!("  approvals   {} pending", status.pending_approvals),
        format!("  statements  {statements}{}", rate(|rates| rates.statements)),
        format!("  denied      {denied}{}", rate(|rates| rates.denied)),
        format!("  rows        {rows}{}", rate(|rates| rates.rows)),
        format!("  masked      {masked}{}", rate(|rates| rates.masked)),
    ];
    let paths = &status.paths;
    if paths.connections > 0 {
        let (median, longest) = (millis(paths.rtt_median), millis(paths.rtt_longest));
        lines.push(format!("  round trip  {median} median, {longest} longest"));
        lines.push(format!("  packets     {} lost of {}", paths.packets_lost, paths.packets_sent));
    }
    lines.push(format!("  recordings  {} behind", millis(status.recorder_lag)));
    lines.push(format!("  policy      {}", status.policy));
    if !status.resources.is_empty() {
        let head = ["resource", "sessions", "in flight", "statements", "denied", "rows", "masked"];
        let row = |(name, of): (&ResourceName, &weir_shared::api::ResourceStatus)| {
            let Counters { statements, denied, rows, masked } = of.counters;
            let numbers = [of.sessions, of.in_flight, statements, denied, rows, masked];
            [name.to_string()].into_iter().chain(numbers.map(|number| number.to_string())).collect()
        };
        let table = ui::table(&head, status.resources.iter().map(row).collect());
        lines.extend(table.lines().map(str::to_owned));
    }
    lines
}

/// Lines of a terminal that are drawn again in their place.
#[derive(Default)]
struct Screen {
    drawn: usize,
}

impl Screen {
    /// In the place of what was drawn before.
    fn draw(&mut self, lines: &[String]) {
        let mut text = if self.drawn > 0 { format!("\x1b[{}A\x1b[J", self.drawn) } else { String::new() };
        // A line that wraps, or that scrolls away, could not be gone back over.
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
        let (rows, columns) = size.map_or((usize::MAX, usize::MAX), |size| (size.ws_row.into(), size.ws_col.into()));
        let (rows, columns) = if rows < 2 { (usize::MAX, usize::MAX) } else { (rows - 1, columns) };
        self.drawn = lines.len().min(rows);
        for line in lines.iter().take(rows) {
            text.extend(line.chars().take(columns));
            text.push('\n');
        }
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// What was drawn stays; the next goes below.
    fn keep(&mut self) {
        self.drawn = 0;
    }
}

/// `500ms`, `2s`, `1m`; from 100 ms to a day.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split).unwrap_or((text, ""));
    let scale = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => 0,
    };
    let millis = number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
    match millis.filter(|millis| (100..=86_400_000).contains(millis)) {
        Some(millis) => Ok(Duration::from_millis(millis)),
        None => Err("a number with ms, s or m, at least 100ms".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(uptime: u64, statements: u64, rows: u64) -> Status {
        let counters = Counters { statements, denied: 0, rows, masked: 0 };
        let (resources, paths) = (std::collections::BTreeMap::new(), weir_shared::api::Paths::default());
        let (software, policy) = ("weir-relay 1".to_owned(), "hash".to_owned());
        Status {
            software,
            uptime_seconds: uptime,
            open_sessions: 1,
            tunnels: 1,
            pending_approvals: 0,
            policy,
            draining: false,
            counters,
            paths,
            recorder_lag: 41_234,
            resources,
        }
    }

    #[test]
    fn rates_are_a_second_and_none_across_a_restart() {
        let before = status(10, 100, 1000);
        let seen = rates(&before, &status(12, 150, 1001), Duration::from_secs(2)).unwrap();
        assert_eq!(seen, Rates { statements: 25.0, denied: 0.0, rows: 0.5, masked: 0.0 });
        assert_eq!(rates(&before, &status(1, 150, 1001), Duration::from_secs(2)), None);
        // A relay that was started anew and has been up for longer than the last one.
        assert_eq!(rates(&before, &status(20, 3, 4), Duration::from_secs(2)), None);
    }

    #[test]
    fn an_older_relay_is_shown() {
        let old = r#"{"software":"weir-relay 0","uptime_seconds":1,"open_sessions":0,"tunnels":0,"pending_approvals":0,
            "policy":"x","draining":true}"#;
        let old: Status = serde_json::from_str(old).unwrap();
        assert!(text(&old, "https://r", None).concat().contains("draining"));
    }

    #[test]
    fn intervals() {
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "2", "s", "0s", "1ms", "2h", "-1s", "99999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
