//! The authorization server: a client that nobody here wrote uses all of it, and attacks on it are refused, with their alerts.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use weir_tests::{
    lab::{Lab, password_of, run},
    login,
    process::Lines,
};

const CLIENTS: &str = r#"
[[identity.clients]]
id = "dash"
redirect_uris = ["https://dash.example/callback"]
grants = ["authorization_code", "refresh_token", "token_exchange"]
auth = "client_secret"
secret = "keys/dash.sha256"
scopes = ["weir:read", "weir:approve", "weir:connect"]

[[identity.clients]]
id = "robot"
redirect_uris = ["http://127.0.0.1/cb"]
auth = "private_key_jwt"
keys = "keys/robot.jwks"
introspect = true

[[identity.clients]]
id = "tv"
grants = ["device_code", "refresh_token"]

[[identity.clients]]
id = "app"
redirect_uris = ["com.example.app:/cb", "http://127.0.0.1/cb"]
scopes = ["weir:read", "weir:connect"]
"#;

/// A relay that knows these clients, and what a script is to know.
async fn begin() -> Result<(Lab, Value)> {
    let mut lab = Lab::start().await?;
    let keys = lab.relay_folder().join("keys");
    let secret = "a-secret-of-more-than-32-characters-0001";
    let digest = run(Command::new("sha256sum").arg("-"), Some(secret))?;
    // A secret that stands there itself is reported, and not shown.
    std::fs::write(keys.join("dash.sha256"), secret)?;
    std::fs::write(keys.join("robot.jwks"), "{\"keys\":[]}")?;
    lab.restart_with(|config| format!("{config}{CLIENTS}")).await?;
    let said = lab.admin(&["check"]).err().context("the check passed")?.to_string();
    ensure!(said.contains("identity.clients.dash.secret") && !said.contains(secret), "{said}");
    std::fs::write(keys.join("dash.sha256"), digest)?;
    lab.admin(&["check"])?;
    let own = json!({ "one": certificate(lab.folder(), "one")?, "two": certificate(lab.folder(), "two")? });
    let relay = lab.admin_command()?;
    let mut program = vec![relay.get_program().to_string_lossy().into_owned()];
    program.extend(relay.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    let settings = json!({
        "url": lab.url(), "ca": lab.ca(), "user": "alice", "password": password_of("alice"), "secret": secret,
        "keys": own, "jwks": keys.join("robot.jwks"), "tokens": keys.join("tokens"), "relay": program,
    });
    Ok((lab, settings))
}

/// A key and its certificate, as files.
fn certificate(folder: &Path, name: &str) -> Result<Value> {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let certificate = rcgen::CertificateParams::new(vec![name.to_owned()])?.self_signed(&pair)?;
    let [pem, key] = ["pem", "key"].map(|kind| folder.join(format!("{name}.{kind}")));
    std::fs::write(&pem, certificate.pem())?;
    std::fs::write(&key, pair.serialize_pem())?;
    let mut openssl = Command::new("bash");
    openssl.args(["-c", "openssl x509 -in \"$0\" -outform DER | openssl dgst -sha256 -binary | basenc --base64url"]);
    let x5t = run(openssl.arg(&pem), None)?;
    Ok(json!({ "certificate": pem, "key": key, "x5t": x5t.trim().trim_end_matches('=') }))
}

fn script(lab: &Lab, name: &str, settings: &Value) -> Result<()> {
    let file = lab.folder().join("oauth.json");
    std::fs::write(&file, settings.to_string())?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/scripts").join(name);
    let said = run(Command::new("node").arg(script).arg(&file), None)?;
    ensure!(said.lines().last() == Some("ok"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_nobody_here_wrote_uses_all_of_it() -> Result<()> {
    let (lab, settings) = begin().await?;
    let alice = lab.login("alice").await?;
    script(&lab, "oauth.mjs", &settings)?;
    ensure!(lab.audited("alert.stolen_token")?.is_empty());
    ensure!(lab.audited("device.decided")?.len() == 2);
    // The keys have rotated meanwhile.
    alice.weir(&["whoami"])?;
    let keys = lab.admin(&["keys", "list"])?;
    ensure!(["verifies", "signs", "waits"].iter().all(|state| keys.contains(state)), "{keys}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attacks_on_it_are_refused() -> Result<()> {
    let (lab, settings) = begin().await?;
    script(&lab, "oauth_attacks.mjs", &settings)?;
    let stolen = lab.audited("alert.stolen_token")?;
    ensure!(stolen.len() >= 4, "{stolen:?}");
    for alert in &stolen {
        ensure!(alert["body"]["agent"].as_str().is_some_and(|agent| !agent.is_empty()), "{alert}");
        ensure!(alert["body"]["address"].as_str() == Some("127.0.0.1"), "{alert}");
    }
    for event in ["alert.code_reused", "alert.refresh_reused", "alert.stolen_refresh"] {
        ensure!(!lab.audited(event)?.is_empty(), "{event}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_without_a_browser_logs_in_by_a_code() -> Result<()> {
    let lab = Lab::start().await?;
    let home = lab.folder().join("homes/headless");
    let weir = |arguments: &[&str]| {
        let mut command = weir_tests::process::program("weir")?;
        command.env("WEIR_HOME", &home).args(arguments).stdin(Stdio::null());
        for name in ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"] {
            command.env_remove(name);
        }
        anyhow::Ok(command)
    };
    let ca = lab.ca();
    let begin = ["login", "--relay", lab.url(), "--ca", ca.to_str().context("a path")?];
    for allow in [false, true] {
        let mut child = weir(&begin)?.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let lines = Lines::of(child.stderr.take().context("no standard error")?);
        let next = |start: &str| {
            let line = |line: &str| Some(line.trim().to_owned()).filter(|line| line.starts_with(start));
            lines.find(Duration::from_secs(30), line)
        };
        let page = next("https://")?;
        ensure!(page == format!("{}/device", lab.url()), "{page}");
        next("and type")?;
        let code = next("")?;
        let browser = login::browser(&ca)?;
        let (shown, said) = login::confirm(&browser, &page, &code, "alice", &password_of("alice"), allow).await?;
        for what in [code.as_str(), "weir-cli", "127.0.0.1", "Allow this only if you began it yourself"] {
            ensure!(shown.contains(what), "{what} is not shown: {shown}");
        }
        ensure!(said.contains(if allow { "logged in" } else { "Denied" }), "{said}");
        let status = child.wait()?;
        ensure!(status.code() == Some(if allow { 0 } else { 4 }), "{status}");
    }
    run(&mut weir(&["whoami"])?, None)?;
    run(&mut weir(&["logout"])?, None)?;

    // Ctrl-C ends the wait.
    let mut child = weir(&begin)?.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let lines = Lines::of(child.stderr.take().context("no standard error")?);
    lines.find(Duration::from_secs(30), |line| line.contains("and type").then_some(()))?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    weir_tests::process::signal(child.id(), "INT")?;
    ensure!(child.wait()?.code() == Some(4));
    Ok(())
}
