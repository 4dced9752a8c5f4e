//! What people see: data on standard output, talk on standard error.

use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
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
    let _ = heard(text);
}

/// The same; false when its reader has gone away.
#[must_use]
pub(crate) fn heard(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).is_ok()
}

/// Data that somebody else wrote, byte for byte; at a terminal made [`visible`].
pub(crate) fn pass_on(text: &str) {
    let mut out = std::io::stdout().lock();
    let shown = if out.is_terminal() { visible(text) } else { text.to_owned() };
    let _ = out.write_all(shown.as_bytes()).and_then(|()| out.flush());
}

/// A line of talk.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// What failed, and what to do.
pub(crate) fn error(error: &UserFacing) {
    tell(&format!("error: {}", visible(&error.message)));
    if !error.hint.is_empty() {
        tell(&format!("hint: {}", visible(&error.hint)));
    }
}

/// Whether somebody at the terminal says yes.
///
/// # Errors
/// There is no terminal: `hint` says what to do without one.
pub(crate) fn confirmed(question: &str, hint: &str) -> Result<bool, UserFacing> {
    if !std::io::stdin().is_terminal() {
        return Err(UserFacing::new(Kind::Usage, "there is no terminal to ask at", hint));
    }
    tell(&format!("{question} [y/N]"));
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|error| system("no answer", &error))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
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
    if let Some(line) = json_line(value) {
        say(&line);
    }
}

/// A value as JSON. What [`visible`] would show stands in it as an escape, which says the same.
pub(crate) fn json_line<T: serde::Serialize>(value: &T) -> Option<String> {
    serde_json::to_string(value).ok().map(|text| escaped(&text))
}

fn escaped(json: &str) -> String {
    let escape = |unit: &u16| format!("\\u{unit:04x}");
    replaced(json, |c, out| out.extend(c.encode_utf16(&mut [0; 2]).iter().map(escape)))
}

/// Recorded text comes from elsewhere: nothing in it may move the cursor or hide what follows.
pub(crate) fn visible(text: &str) -> String {
    replaced(text, |c, out| out.extend(c.escape_unicode()))
}

/// The same on one line.
pub(crate) fn visible_line(text: &str) -> String {
    visible(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// With something else for each character that is not seen as what it is: controls, directions, what has no width.
fn replaced(text: &str, mut instead: impl FnMut(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
        if hidden || (c.is_control() && c != '\n' && c != '\t') {
            instead(c, &mut out);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides_or_moves_the_cursor() {
        let text = "a\u{1b}[2K\u{202e}\u{61c}\u{e0041}\r\u{9b}\tb\n";
        assert_eq!(visible(text), "a\\u{1b}[2K\\u{202e}\\u{61c}\\u{e0041}\\u{d}\\u{9b}\tb\n");
        assert_eq!(visible_line("a\tb\n\u{7}"), "a\\tb\\n\\u{7}");
    }

    #[test]
    fn an_escape_in_json_says_the_same() {
        let text = "a\u{1b}\u{202e}\u{e0041}\u{85}b\n\u{e9}";
        let json = escaped(&serde_json::to_string(text).unwrap());
        assert!(!json.contains(['\u{202e}', '\u{e0041}', '\u{85}']), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
