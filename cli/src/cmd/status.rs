//! `weir status`: the relay's state, once or again and again.

use crate::{api::Session, settings::Settings, ui, ui::Output};
use serde::Serialize;
use std::{
    io::{IsTerminal as _, Write as _},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::signal::unix::{SignalKind, signal};
use weir_shared::{
    api::{Counters, Status},
    config,
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
    let signals = |kind| signal(kind).map_err(|error| ui::system("no signals", &error));
    let (mut terminate, mut resized) = (signals(SignalKind::terminate())?, signals(SignalKind::window_change())?);
    let mut screen = (output == Output::Text && std::io::stdout().is_terminal()).then(Screen::default);
    let mut rounds = tokio::time::interval(interval);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last: Option<(Instant, Status)> = None;
    let mut away = false;
    loop {
        let asked = {
            let mut asked = pin!(async {
                rounds.tick().await;
                ask(settings, &mut session).await
            });
            loop {
                tokio::select! {
                    asked = &mut asked => break asked?,
                    _ = tokio::signal::ctrl_c() => {
                        // The terminal has shown it as `^C`; what comes next begins a line.
                        if screen.is_some() {
                            ui::say("");
                        }
                        return Ok(());
                    }
                    _ = terminate.recv() => return Ok(()),
                    Some(()) = resized.recv() => {
                        if let Some(screen) = &mut screen {
                            screen.draw_again();
                        }
                    }
                }
            }
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
            Some(screen) => screen.draw(text(&status, &session.login.relay, Some(rates.unwrap_or_default()))),
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
    lines.extend(status.policy_problems.iter().map(|problem| format!("  NOT LOADED  {}", ui::visible(problem))));
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
    lines: Vec<String>,
    /// How wide each was drawn.
    drawn: Vec<usize>,
}

impl Screen {
    /// In the place of what was drawn before.
    fn draw(&mut self, lines: Vec<String>) {
        self.lines = lines;
        self.draw_again();
    }

    fn draw_again(&mut self) {
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
        let text = self.frame(size.map_or((0, 0), |size| (size.ws_row.into(), size.ws_col.into())));
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// What draws it on so many rows and columns; 0 when that is not known. Each line is written over before what is left
    /// of it is erased, so that nothing flickers.
    fn frame(&mut self, (rows, columns): (usize, usize)) -> String {
        let known = |size| if size > 1 { size } else { usize::MAX };
        let (rows, columns) = (known(rows), known(columns));
        // A terminal that has become narrower wraps what was drawn.
        let up: usize = self.drawn.drain(..).map(|width| width.div_ceil(columns).max(1)).sum();
        let mut text = if up > 0 { format!("\r\x1b[{up}A") } else { String::new() };
        // What scrolls away could not be gone back over; a full line would be wrapped by some terminals.
        for line in self.lines.iter().take(rows - 1) {
            let before = text.len();
            text.extend(line.chars().take(columns - 1));
            self.drawn.push(text.get(before..).map_or(0, |line| line.chars().count()));
            text.push_str("\x1b[K\n");
        }
        text.push_str("\x1b[J");
        text
    }

    /// What was drawn stays; the next goes below.
    fn keep(&mut self) {
        *self = Self::default();
    }
}

/// `500ms`, `2s`, `1m`; from 100 ms to a day.
fn duration(text: &str) -> Result<Duration, String> {
    let given = config::duration_of(text).filter(|_| !text.ends_with(['h', 'd']));
    given
        .filter(|time| (100..=86_400_000).contains(&time.as_millis()))
        .ok_or_else(|| "a number with ms, s or m, at least 100ms".to_owned())
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
            policy_problems: Vec::new(),
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

    /// What a terminal of so many columns shows of what is written: lines, and the cursor at the end of the last.
    fn shown(mut lines: Vec<String>, text: &str, columns: usize) -> Vec<String> {
        let mut row = lines.len() - 1;
        let mut column = 0;
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\r' => column = 0,
                '\n' => {
                    (row, column) = (row + 1, 0);
                    lines.resize(lines.len().max(row + 1), String::new());
                }
                '\x1b' => {
                    let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap();
                    let (number, what) = (&rest[1..end], &rest[end..=end]);
                    rest = &rest[end + 1..];
                    match what {
                        "A" => row -= number.parse::<usize>().unwrap(),
                        "K" => lines[row].truncate(column),
                        "J" => {
                            lines[row].truncate(column);
                            lines.truncate(row + 1);
                        }
                        _ => panic!("{what}"),
                    }
                }
                c => {
                    assert!(column < columns, "wraps: {text:?}");
                    let line = &mut lines[row];
                    line.replace_range(column..line.len().min(column + 1), &c.to_string());
                    column += 1;
                }
            }
        }
        lines
    }

    #[test]
    fn what_is_drawn_takes_the_place_of_what_was() {
        let lines = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let mut screen = Screen { lines: lines(&["first line", "second", "third"]), ..Screen::default() };
        let before = shown(lines(&["$ weir status --watch", ""]), &screen.frame((24, 80)), 80);
        assert_eq!(before, ["$ weir status --watch", "first line", "second", "third", ""]);
        // Shorter lines, and fewer.
        screen.lines = lines(&["first", "2"]);
        let after = shown(before, &screen.frame((24, 80)), 80);
        assert_eq!(after, ["$ weir status --watch", "first", "2", ""]);
        // No more than there is room for, in either direction.
        screen.lines = lines(&["first line", "second", "third"]);
        let after = shown(after, &screen.frame((3, 5)), 5);
        assert_eq!(after, ["$ weir status --watch", "firs", "seco", ""]);
        // What is there was wrapped when the terminal became narrower.
        let wrapped = lines(&["$ w", "fir", "s", "sec", "o", ""]);
        assert_eq!(shown(wrapped, &screen.frame((24, 3)), 3), ["$ w", "fi", "se", "th", ""]);
        // A size that nobody knows, and what is said between.
        assert!(screen.frame((0, 0)).contains("first line"));
        screen.keep();
        screen.lines = lines(&["again"]);
        assert_eq!(screen.frame((24, 80)), "again\x1b[K\n\x1b[J");
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
