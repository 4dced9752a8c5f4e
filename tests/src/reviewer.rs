//! A reviewer at a browser.

use crate::lab::{Lab, password_of, run};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{path::Path, process::Command};

/// What somebody reads at a page, and once they have decided.
#[derive(Debug)]
pub struct Seen {
    /// Before.
    pub before: String,
    /// After; empty when they only looked.
    pub after: String,
}

/// A person opens a page in headless Chromium, logs in, and presses the button of this value (`look`: none), with these
/// fields filled in.
///
/// # Errors
/// The browser does not come to an end, or the page's script or policy complains.
pub fn at_page(lab: &Lab, path: &str, user: &str, decision: &str, fields: &[&str]) -> Result<Seen> {
    seen(lab, path, user, decision, fields, true)
}

/// The same with the page's script turned off.
///
/// # Errors
/// As [`at_page`].
pub fn without_script(lab: &Lab, path: &str, user: &str, decision: &str, fields: &[&str]) -> Result<Seen> {
    seen(lab, path, user, decision, fields, false)
}

fn seen(lab: &Lab, path: &str, user: &str, decision: &str, fields: &[&str], script: bool) -> Result<Seen> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("oidc/reviewer.mjs");
    let mut node = Command::new("node");
    node.arg(file).arg(format!("{}{path}", lab.url())).args([user, decision]).args(fields);
    node.env("WEIR_TEST_PASSWORD", password_of(user));
    if !script {
        node.env("WEIR_TEST_NO_SCRIPT", "1");
    }
    let text = run(&mut node, None)?;
    ensure!(!text.contains("PROBLEMS:"), "{text}");
    let (before, after) = text.split_once("----\n").context("the browser did not log in")?;
    Ok(Seen { before: before.to_owned(), after: after.to_owned() })
}

/// Somebody at a browser with a passkey of their own, or of whoever's `passkeys` they have got: a file that need not exist.
/// They log in and do these steps one after another; what came of each. `oidc/passkey.mjs` says what there is to do.
///
/// # Errors
/// The browser does not come to an end.
pub fn with_passkey(lab: &Lab, user: &str, passkeys: &Path, steps: &Value) -> Result<Vec<Value>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("oidc/passkey.mjs");
    let mut node = Command::new("node");
    node.arg(file).args([lab.url(), user]).arg(passkeys).arg(steps.to_string());
    let text = run(node.env("WEIR_TEST_PASSWORD", password_of(user)), None)?;
    crate::agent::json(&text)
}
