//! What `weir-relay` prints: help of every command, the main errors, and what `init` and `check` say.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{io::Write as _, path::Path, process::Command};

/// Runs `weir-relay` in `folder`, which is named FOLDER in what comes back.
fn run(folder: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weir-relay"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("COLUMNS", "100")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Some runs end before they read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).replace(&folder.display().to_string(), "FOLDER");
        // The pin is another one each time.
        match text.split_once("--pin ") {
            Some((before, after)) => {
                format!("{before}--pin PIN{}", after.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
            }
            None => text,
        }
    };
    format!(
        "$ weir-relay {}\nexit code: {}\n----- stdout -----\n{}----- stderr -----\n{}",
        arguments.join(" "),
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr)
    )
}

fn all(folder: &Path, runs: &[(&[&str], &str)]) -> String {
    runs.iter().map(|(arguments, input)| run(folder, arguments, input)).collect::<Vec<_>>().join("\n")
}

#[test]
fn help_of_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let commands: [&[&str]; 27] = [
        &["--help"],
        &["init", "--help"],
        &["check", "--help"],
        &["serve", "--help"],
        &["user", "--help"],
        &["user", "add", "--help"],
        &["user", "list", "--help"],
        &["user", "disable", "--help"],
        &["user", "enable", "--help"],
        &["user", "passwd", "--help"],
        &["keys", "--help"],
        &["keys", "list", "--help"],
        &["keys", "rotate", "--help"],
        &["resource", "--help"],
        &["resource", "list", "--help"],
        &["resource", "test", "--help"],
        &["resource", "role", "--help"],
        &["policy", "--help"],
        &["policy", "check", "--help"],
        &["policy", "test", "--help"],
        &["policy", "explain", "--help"],
        &["policy", "diff", "--help"],
        &["policy", "replay", "--help"],
        &["audit", "--help"],
        &["audit", "list", "--help"],
        &["audit", "verify", "--help"],
        &["completions", "--help"],
    ];
    insta::assert_snapshot!(all(folder.path(), &commands.map(|arguments| (arguments, ""))));
}

#[test]
fn a_relay_is_made_and_administered() {
    let folder = tempfile::tempdir().unwrap();
    let init = ["init", "relay", "--admin", "root", "--password-stdin"];
    let config = "relay/weir-relay.toml";
    insta::assert_snapshot!(all(
        folder.path(),
        &[
            (&["serve"], ""),
            (&["init", "relay"], ""),
            (&init, "short\n"),
            (&init, "long enough\n"),
            (&init, "long enough\n"),
            (&["--config", config, "check"], ""),
            (&["--config", config, "user", "add", "alice", "--password-stdin"], "long enough\n"),
            (&["--config", config, "user", "add", "alice", "--password-stdin"], "long enough\n"),
            (&["--config", config, "user", "add", "a b", "--password-stdin"], "long enough\n"),
            (&["--config", config, "user", "add", "bob"], ""),
            (&["--config", config, "user", "disable", "alice"], ""),
            (&["--config", config, "user", "disable", "nobody"], ""),
            (&["--config", config, "user", "list"], ""),
            (&["--config", config, "user", "list", "--output", "json"], ""),
            (&["--config", config, "resource", "list"], ""),
            (&["--config", config, "resource", "test", "nothing"], ""),
        ]
    ));
    use std::os::unix::fs::MetadataExt as _;
    for private in
        ["", "keys", "keys/tokens", "keys/relay.key", "keys/ca.key", "keys/sealing.key", "weir.db", "weir-relay.toml"]
    {
        let mode = std::fs::metadata(folder.path().join("relay").join(private)).unwrap().mode();
        assert_eq!(mode & 0o077, 0, "{private} is readable by others");
    }
}

#[test]
fn every_problem_of_a_configuration_is_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let init = run(folder.path(), &["init", "relay", "--password-stdin"], "long enough\n");
    assert!(init.contains("exit code: 0"), "{init}");
    let config = folder.path().join("relay/weir-relay.toml");
    let check = |text: &str| {
        std::fs::write(&config, text).unwrap();
        run(folder.path(), &["--config", "relay/weir-relay.toml", "check"], "")
    };
    let wrong = r#"
listen = "everywhere"
retention = "soon"
databse = "weir.db"

[tls]
certificate = 7

[resources.Prod]
kind = "postgres"

[resources.shop]
kind = "oracle"
host = "db.internal"
port = 99999
databases = []
credential = "hunter2"
ca = "no/such.pem"
columns = ["ssn"]
limits = { connections = 0, lines = 5 }
recording = { rows = "some", durability = "maybe" }
client_key = "key.pem"
allow_cleartext = true
tls = "disable"
"#;
    let missing = r#"
[resources.shop]
kind = "postgres"
host = "db.internal"
databases = ["shop"]
role = "weir"
credential = "file:no/such/file"
ca = "no/such.pem"
tls = "disable"
"#;
    std::fs::write(folder.path().join("relay/policies/more.cedar"), "permit (principal, action, resource) when {")
        .unwrap();
    let seen = [check(wrong), check("listen = "), check(missing)].join("\n");
    assert!(!seen.contains("hunter2"), "what was typed may be a secret");
    insta::assert_snapshot!(seen);
}

#[test]
fn policies_are_checked_tried_explained_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let init = run(folder.path(), &["init", "relay", "--password-stdin"], "long enough\n");
    assert!(init.contains("exit code: 0"), "{init}");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    for made in ["wrong", "other"] {
        std::fs::create_dir(folder.path().join(made)).unwrap();
    }
    write("wrong/a.cedar", "@id(\"a\")\n@qourum(\"2\")\npermit (principal, action, resource);\n");
    write(
        "wrong/b.cedar",
        "@id(\"b\") permit (principal, action == Action::\"sql.read\", resource)\nwhen { context.nope };",
    );
    let default = std::fs::read_to_string(folder.path().join("relay/policies/default.cedar")).unwrap();
    let other = default.replace("@id(\"admin\")", "@id(\"admins\") @quorum(\"2\") @approvers(\"dba\")");
    let lab = "@id(\"lab\") permit (principal in Group::\"lab\", action in Action::\"sql\", resource in Env::\"lab\");";
    write("other/a.cedar", &format!("{other}{lab}"));
    let cases = r#"
[[case]]
name = "a write in production waits"
roles = ["user"]
labels = { env = "prod" }
sql = "UPDATE t SET a = 1 WHERE b = 2"
expect = "hold"
policies = ["write"]

[[case]]
name = "a connection is made"
roles = ["user"]
action = "connect"
expect = "allow"

[[case]]
name = "roles wait for two"
roles = ["dba"]
at = "2026-11-26T10:00:00Z"
sql = "GRANT SELECT ON t TO r"
expect = "hold"
terms = ['@quorum("2")', '@approvers("dba")']

[[case]]
name = "personal data stays masked"
roles = ["user"]
action = "unmasked"
column = "public.customers.ssn"
expect = "deny"
"#;
    write("cases.toml", cases);
    write("bad.toml", "[[case]]\nsql = \"SELECT 1\"\nexpect = \"yes\"\n");
    let config = ["--config", "relay/weir-relay.toml", "policy"];
    let runs: [&[&str]; 13] = [
        &["check"],
        &["check", "wrong"],
        &["check", "wrong", "--output", "json"],
        &["check", "nothing"],
        &["test", "cases.toml"],
        &["test", "cases.toml", "--policies", "other"],
        &["test", "cases.toml", "--output", "json"],
        &["test", "bad.toml"],
        &["explain", "--as", "admin", "--connect", "shop", "--label", "env=prod", "--sql", "DROP TABLE t"],
        &["explain", "--as", "bob:user", "--depth", "1", "--connect", "shop", "--sql", "DELETE FROM t"],
        &["explain", "--as", "bob:nobody", "--connect", "shop", "--output", "json"],
        &["diff", "relay/policies", "other"],
        &["diff", "relay/policies", "other", "--cases", "cases.toml"],
    ];
    let seen: Vec<String> =
        runs.iter().map(|arguments| run(folder.path(), &[&config, *arguments].concat(), "")).collect();
    // Hashes change with every guardrail.
    let hash = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_hash = bare.len() == 64 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hash { word.replace(bare, "HASH") } else { word.to_owned() }
    };
    let seen: String = seen.join("\n").split_inclusive([' ', '\n', ',']).map(hash).collect();
    insta::assert_snapshot!(seen);
}

#[test]
fn the_reference_names_every_key() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(run(folder.path(), &["check", "--reference"], ""));
}
