//! What people see: data on standard output, talk on standard error.

use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{IsTerminal as _, Write as _},
    time::Duration,
};
use weir_shared::error::{Kind, UserFacing};

/// How lists are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}

/// A line of data. A reader that went away (`weir list | head`) is no error.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A line of talk.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// What failed, and what to do.
pub(crate) fn error(error: &UserFacing) {
    tell(&format!("error: {}", error.message));
    if !error.hint.is_empty() {
        tell(&format!("hint: {}", error.hint));
    }
}

/// An error of the system.
pub(crate) fn system(what: &str, error: &dyn std::fmt::Display) -> UserFacing {
    UserFacing::new(Kind::System, format!("{what}: {error}"), "")
}

/// A spinner, on a terminal only.
pub(crate) fn spinner(text: &str) -> ProgressBar {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    bar.set_message(text.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// A table with a head.
pub(crate) fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header(head.iter().copied()).add_rows(rows);
    table.to_string()
}

/// JSON, one line.
pub(crate) fn json<T: serde::Serialize>(value: &T) {
    if let Ok(text) = serde_json::to_string(value) {
        say(&text);
    }
}

/// Recorded text comes from elsewhere: nothing in it may move the cursor or hide what follows.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden =
            matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if hidden || (c.is_control() && c != '\n' && c != '\t') {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Seconds since 1970 as local time.
pub(crate) fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_| seconds.to_string(),
        |time| time.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}
