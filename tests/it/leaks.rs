//! Planted secrets are nowhere: not in logs, recordings, the store, arguments or environments.

use crate::nested::{outcome, run};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use weir_tests::{
    agent::{Agent, Transport, json},
    lab::{Lab, USERS, output, password_of},
};

const PERSONAL: &[&str] = &["536-90-4399", "ada@example.com", "4111 1111 1111 1111", "DE89370400440532013000"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else if path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

fn contains(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_secrets_are_nowhere() -> Result<()> {
    let mut lab = Lab::start().await?;
    // Again with logs that hold everything that they ever could.
    if let Some(mut relay) = lab.relay.take() {
        relay.terminate(std::time::Duration::from_secs(40))?;
    }
    lab.log = "trace".to_owned();
    lab.serve().await?;
    let (alice, adam) = (lab.login("alice").await?, lab.login("adam").await?);
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let upstream = std::fs::read_to_string(lab.postgres("PG_PASSWORD_FILE"))?;
    let upstream = upstream.trim();

    // Ask for the secrets in every way that is open to a user.
    let statements = [
        "SELECT * FROM customers".to_owned(),
        "SELECT * FROM accounts".to_owned(),
        "COPY customers TO STDOUT".to_owned(),
        "SELECT email::int FROM customers".to_owned(),
        "SELECT string_agg(email, ',') FROM customers".to_owned(),
        format!("SELECT '{upstream}'"),
        format!("SELECT encode('{upstream}', 'hex'), encode('{upstream}', 'base64'), reverse('{upstream}')"),
        format!("UPDATE customers SET note = 'token {upstream}' WHERE id = 1"),
        "SELECT note FROM customers WHERE id = 1".to_owned(),
        "ALTER ROLE shop_agent PASSWORD 'Planted-by-a-statement-1'".to_owned(),
        "SELECT 'password=Planted-in-a-literal-2'".to_owned(),
    ];
    let mut seen = Vec::new();
    for statement in &statements {
        let output = output(shop.psql().args(["-c", statement]), None)?;
        seen.extend(output.stdout);
        seen.extend(output.stderr);
    }
    let client = shop.client().await?;
    client.query("SELECT $1::text", &[&upstream]).await?;
    client.query("SELECT * FROM customers WHERE email = $1", &[&"ada@example.com"]).await?;
    for secret in PERSONAL.iter().copied().chain([upstream]) {
        ensure!(!contains(&seen, secret), "a client saw {secret}: {}", String::from_utf8_lossy(&seen));
    }

    // While everything runs: arguments and environments of the processes.
    let passwords: Vec<String> = USERS.iter().map(|(user, _)| password_of(user)).chain([password_of("root")]).collect();
    for pid in [lab.relay()?.pid(), shop.process.pid()] {
        // A crash leaves no memory on the disk.
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits"))?;
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).context("no such limit")?;
        ensure!(core.split_whitespace().nth(4) == Some("0"), "{core}");
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            for secret in passwords.iter().map(String::as_str).chain([upstream]) {
                ensure!(!contains(&bytes, secret), "{file} of {pid} holds a password");
            }
        }
    }
    drop((client, shop));

    // The recordings as an auditor reads them.
    let mut replayed = String::new();
    for session in json(&adam.weir(&["sessions", "list", "--output", "json"])?)? {
        let id = session.get("id").and_then(Value::as_str).context("a session without id")?;
        replayed.push_str(&adam.weir(&["sessions", "replay", id])?);
        replayed.push_str(&adam.weir(&["sessions", "replay", id, "--output", "json"])?);
    }
    ensure!(replayed.contains("customers"), "nothing was recorded: {replayed}");

    // Everything that the relay wrote, and what the agents keep.
    let mut everything = Vec::new();
    files(&lab.relay_folder(), &mut everything)?;
    files(&lab.folder().join("homes"), &mut everything)?;
    everything.push(lab.relay_log());
    let mut texts: Vec<(String, Vec<u8>)> = vec![("a replay".into(), replayed.into_bytes())];
    for path in everything {
        texts.push((path.display().to_string(), std::fs::read(&path)?));
    }
    let planted = ["Planted-by-a-statement-1", "Planted-in-a-literal-2", upstream];
    for (name, bytes) in &texts {
        for secret in passwords.iter().map(String::as_str).chain(planted).chain(PERSONAL.iter().copied()) {
            ensure!(!contains(bytes, secret), "{name} holds {secret}");
        }
    }
    Ok(())
}

/// A copy of what a user keeps, as another user of this machine, or whoever finds the disk, would have it.
fn copied(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for name in ["login.sealed", "login.key"].iter().filter(|name| from.join(name).exists()) {
        std::fs::copy(from.join(name), to.join(name))?;
    }
    Ok(())
}

/// A user whose state lies where the XDG specification says, below `state`; without a Secret Service.
fn at_home(state: &Path) -> Result<Agent> {
    let mut agent = Agent::new(state.join("weir"))?;
    let variables = [
        ("WEIR_HOME", ""),
        ("XDG_STATE_HOME", state.to_str().context("no path")?),
        ("XDG_RUNTIME_DIR", ""),
        ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent"),
    ];
    agent.environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Ok(agent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stored_login_is_where_weir_says() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let said = alice.weir(&["whoami"])?;
    ensure!(said.contains("its key in a file beside it") && alice.home().join("login.key").exists(), "{said}");

    let (here, found) = (at_home(&lab.folder().join("state"))?, at_home(&lab.folder().join("found"))?);
    copied(alice.home(), here.home())?;
    let said = here.weir(&["whoami"])?;
    let shown: Value = serde_json::from_str(&here.weir(&["whoami", "--output", "json"])?)?;
    let kept_in = shown["kept_in"].as_str().context("nowhere")?;
    ensure!(said.contains(kept_in), "{said} {shown}");
    copied(here.home(), found.home())?;
    let elsewhere = found.try_weir(&["whoami"])?;
    let told = String::from_utf8_lossy(&elsewhere.stderr).into_owned();
    if kept_in.contains("kernel's keyring until") {
        // The key that lay on the disk is gone, and what is on the disk now opens nothing: so it is after a restart, too.
        ensure!(!here.home().join("login.key").exists(), "{said}");
        ensure!(elsewhere.status.code() == Some(4), "{told}");
        ensure!(told.contains("key is gone") && told.contains("hint: run `weir login` again"), "{told}");
    } else {
        eprintln!("the kernel keeps no keys here: {kept_in}");
        ensure!(kept_in.contains("its key in a file beside it") && here.home().join("login.key").exists(), "{said}");
        ensure!(elsewhere.status.success(), "{told}");
    }
    here.weir(&["logout"])?;
    ensure!(!here.home().join("login.sealed").exists() && here.try_weir(&["whoami"])?.status.code() == Some(4));
    // Who logs in there is told the same, and no key was on the disk before.
    let said = here.log_in(lab.url(), &lab.ca(), "alice", &password_of("alice")).await?;
    ensure!(said.contains(kept_in), "{said}");
    ensure!(here.home().join("login.key").exists() != kept_in.contains("kernel's keyring until"));
    here.weir(&["list"])?;
    here.weir(&["logout"])?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoami_says_what_cannot_be_enforced() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let said = alice.weir(&["whoami"])?;
    for note in ["can use the open ports", "can read the stored login", "root on this machine"] {
        ensure!(said.contains(note), "{note}: {said}");
    }
    // A command is told what its own supervisor cannot keep it from, where it cannot.
    let (_, said) = outcome(run(&alice, &[], "$WEIR whoami; rm $WEIR_HOME/login.sealed; $WEIR whoami --output json")?)?;
    ensure!(said.contains("act beyond what the command was given") && said.contains("--isolate"), "{said}");
    let shown = said.lines().find(|line| line.starts_with('{')).context("no JSON")?;
    let shown: Value = serde_json::from_str(shown)?;
    ensure!(
        shown["kept_in"].is_null() && shown["not_enforced"].as_array().is_some_and(|notes| notes.len() == 3),
        "{shown}"
    );
    Ok(())
}
