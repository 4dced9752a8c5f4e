//! A change over the API: where its text comes from, how it differs from what is there, whether it is wanted, and why it was
//! refused. Nothing is sent here.

use crate::{api::Refused, ui, ui::Output};
use http::StatusCode;
use std::{
    io::{IsTerminal as _, Read as _},
    path::Path,
    time::Duration,
};
use weir_shared::{
    api::Flaw,
    error::{Kind, UserFacing},
};

/// How long the shortest difference is looked for; one that is found later is longer.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
pub(in crate::cmd) struct Consent {
    /// Do not ask; where standard error is no terminal, nobody is asked.
    #[arg(long)]
    yes: bool,
    /// Only if this is still the hash of what is there, else exit with 9; the hash that was just read when none is named.
    #[arg(long, value_name = "HASH", value_parser = hash)]
    if_match: Option<String>,
}

/// As it is printed, or with the quotes of an `ETag`.
fn hash(text: &str) -> Result<String, String> {
    let hash = text.trim_matches('"');
    let good = !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    if good { Ok(hash.to_owned()) } else { Err("not a hash".to_owned()) }
}

impl Consent {
    /// The hash that must still be right; `read` is the one that is there.
    pub(super) fn hash(&self, read: Option<&str>) -> Option<String> {
        self.if_match.clone().or_else(|| read.map(str::to_owned))
    }

    /// Shows at a terminal how `name` would change, and asks whether it shall; none is a text that is not there.
    ///
    /// # Errors
    /// It shall not, or nobody can be asked.
    pub(super) fn ask(&self, name: &str, before: Option<&str>, after: Option<&str>) -> Result<(), UserFacing> {
        if !std::io::stderr().is_terminal() {
            return Ok(());
        }
        if before == after {
            ui::tell(&format!("nothing changes in {name}"));
            return Ok(());
        }
        ui::tell(ui::visible(&difference(name, before, after)).trim_end());
        if self.yes || ui::confirmed("Change it?", "give --yes to change it without being asked")? {
            return Ok(());
        }
        Err(UserFacing::new(Kind::Usage, "nothing was changed", "answer y, or give --yes"))
    }
}

/// A unified diff.
fn difference(name: &str, before: Option<&str>, after: Option<&str>) -> String {
    let side = |side: &str, text: Option<&str>| match text {
        Some(_) => format!("{side}/{name}"),
        None => "/dev/null".to_owned(),
    };
    let (from, to) = (before.unwrap_or_default(), after.unwrap_or_default());
    let diff = similar::TextDiff::configure().timeout(PATIENCE).diff_lines(from, to);
    diff.unified_diff().header(&side("a", before), &side("b", after)).to_string()
}

/// The text of a file; `-` is standard input.
pub(super) fn text(file: &Path) -> Result<String, UserFacing> {
    if file.as_os_str() == "-" {
        let mut text = String::new();
        let read = std::io::stdin().lock().read_to_string(&mut text);
        return read.map(|_| text).map_err(|error| unreadable(&format!("standard input cannot be read: {error}")));
    }
    fs_err::read_to_string(file).map_err(|error| unreadable(&error.to_string()))
}

fn unreadable(why: &str) -> UserFacing {
    UserFacing::new(Kind::Usage, why, "name a text file, or - for standard input")
}

/// One problem, as compilers print them, with its hint below.
pub(super) fn shown(flaw: &Flaw) -> String {
    let Flaw { file, line, column, message, hint } = flaw;
    let place = match (line, column) {
        (0, _) => file.clone(),
        (line, 0) => format!("{file}:{line}"),
        (line, column) => format!("{file}:{line}:{column}"),
    };
    let hint = if hint.is_empty() { String::new() } else { format!("\n  hint: {hint}") };
    ui::visible(&format!("{place}: {message}{hint}"))
}

/// Shows the problems of what was sent as `name` from `file`; the error that is left to be said.
pub(super) fn refused(refused: Refused, name: &str, file: Option<&Path>, output: Output) -> UserFacing {
    let Refused { status, mut error, mut flaws } = refused;
    for flaw in &mut flaws {
        if let Some(file) = file.filter(|file| flaw.file == name && file.as_os_str() != "-") {
            flaw.file = file.display().to_string();
        }
    }
    if !flaws.is_empty() {
        match output {
            Output::Json => ui::json(&serde_json::json!({ "problems": flaws })),
            Output::Text => flaws.iter().for_each(|flaw| ui::tell(&shown(flaw))),
        }
        return UserFacing::new(Kind::Config, error.message, "correct what is listed above");
    }
    if status == Some(StatusCode::PRECONDITION_FAILED) {
        error.kind = Kind::Conflict;
        error.hint = "somebody else was first: look at what is there now, and change that".to_owned();
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_says_what_is_new_and_what_goes() {
        let (one, two) = ("a\nb\nc\n", "a\nB\nc\n");
        let changed = difference("x.cedar", Some(one), Some(two));
        assert_eq!(changed, "--- a/x.cedar\n+++ b/x.cedar\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
        assert!(difference("x", None, Some(one)).starts_with("--- /dev/null\n+++ b/x\n"));
        assert!(difference("x", Some(one), None).starts_with("--- a/x\n+++ /dev/null\n"));
        // Without its last line end it is another text.
        assert!(difference("x", Some("a\n"), Some("a")).contains("No newline"));
    }

    #[test]
    fn a_problem_says_no_more_of_its_place_than_is_known() {
        let flaw = |line, column, hint: &str| Flaw {
            file: "a.cedar".into(),
            line,
            column,
            message: "no\u{1b}".into(),
            hint: hint.into(),
        };
        assert_eq!(shown(&flaw(2, 7, "do")), "a.cedar:2:7: no\\u{1b}\n  hint: do");
        assert_eq!(shown(&flaw(2, 0, "")), "a.cedar:2: no\\u{1b}");
        assert_eq!(shown(&flaw(0, 0, "")), "a.cedar: no\\u{1b}");
    }

    #[test]
    fn a_hash_may_stand_in_quotes() {
        assert_eq!(hash("\"0a\"").unwrap(), "0a");
        assert!(["", "\"\"", "a b", "a\"b", "a\n"].iter().all(|text| hash(text).is_err()));
    }
}
