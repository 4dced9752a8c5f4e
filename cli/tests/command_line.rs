//! What `weir` prints without a relay: help of every command, and the main errors; output, exit code and all.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::process::Command;

/// Runs `weir` in a state folder of its own.
fn weir(arguments: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(arguments)
        .env_clear()
        .env("WEIR_HOME", home.path())
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&home.path().display().to_string(), "HOME");
    format!(
        "$ weir {}\nexit code: {}\n----- stdout -----\n{}----- stderr -----\n{}",
        arguments.join(" "),
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr)
    )
}

#[test]
fn help_of_every_command() {
    let commands: [&[&str]; 34] = [
        &["--help"],
        &["login", "--help"],
        &["logout", "--help"],
        &["whoami", "--help"],
        &["list", "--help"],
        &["connect", "--help"],
        &["run", "--help"],
        &["ticket", "--help"],
        &["revoke", "--help"],
        &["sessions", "--help"],
        &["sessions", "tree", "--help"],
        &["sessions", "list", "--help"],
        &["sessions", "show", "--help"],
        &["sessions", "replay", "--help"],
        &["approvals", "--help"],
        &["approvals", "list", "--help"],
        &["approvals", "show", "--help"],
        &["approvals", "approve", "--help"],
        &["approvals", "deny", "--help"],
        &["admin", "--help"],
        &["admin", "policies", "--help"],
        &["admin", "policies", "list", "--help"],
        &["admin", "policies", "show", "--help"],
        &["admin", "policies", "put", "--help"],
        &["admin", "policies", "delete", "--help"],
        &["admin", "policies", "check", "--help"],
        &["admin", "policies", "explain", "--help"],
        &["admin", "resources", "--help"],
        &["admin", "resources", "show", "--help"],
        &["admin", "resources", "put", "--help"],
        &["admin", "resources", "delete", "--help"],
        &["admin", "audit", "--help"],
        &["status", "--help"],
        &["completions", "--help"],
    ];
    let all: Vec<String> = commands.iter().map(|arguments| weir(arguments)).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn errors_say_what_to_do() {
    let runs: [&[&str]; 19] = [
        &["version"],
        &[],
        &["frobnicate"],
        &["whoami"],
        &["list", "--output", "json"],
        &["connect"],
        &["connect", "Not_A_Name"],
        &["connect", "a", "b", "--port", "5432"],
        &["connect", "postgres-prod", "--port", "70000"],
        &["login", "--relay", "http://relay.example"],
        &["login", "--relay", "https://127.0.0.1:1", "--pin", "12:34"],
        &["login", "--relay", "https://127.0.0.1:1", "--ca", "/no/such/file"],
        &["sessions", "replay", "x", "--speed", "fast"],
        &["approvals", "approve"],
        &["admin", "policies", "put", "-"],
        &["admin", "policies", "put", "/no/such/file.cedar"],
        &["admin", "policies", "put", "/no/such/file"],
        &["admin", "policies", "delete", "../default.cedar"],
        &["admin", "audit", "--since", "yesterday"],
    ];
    let all: Vec<String> = runs.iter().map(|arguments| weir(arguments)).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = weir(&["completions", shell]);
        assert!(said.contains("exit code: 0") && said.contains("approvals"), "{said}");
    }
}
