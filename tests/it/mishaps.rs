//! What goes wrong, each with its exit code or SQLSTATE and the next step: nothing hangs, nothing is half-done.

use anyhow::{Context as _, Result, ensure};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Output, Stdio},
    time::{Duration, Instant},
};
use weir_tests::{
    agent::Transport,
    lab::{Lab, output, password_of, run},
    login::{self, Outcome},
    process::Running,
};

fn says(output: &Output, code: i32, words: &str) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(code), "{:?} is not {code}: {said}", output.status);
    ensure!(said.contains("error: ") && said.contains(words), "{words} is not in: {said}");
    ensure!(said.contains("hint: "), "no hint in: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_agents_run_into() -> Result<()> {
    let mut lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    says(&alice.try_weir(&["connect", "nothing"])?, 3, "no resource nothing")?;
    says(&alice.try_weir(&["sessions", "show", "nothing"])?, 3, "no session nothing")?;
    says(&alice.try_weir(&["approvals", "approve", "nothing", "--yes"])?, 3, "no approval nothing")?;
    says(&alice.try_weir(&["sessions", "show", "0192f0c1-2345-7890-abcd-ef0123456789"])?, 3, "no session")?;

    // A wrong password: the form comes again, the CLI goes on waiting, and nothing was let in.
    let browser = login::browser(&lab.ca())?;
    let form = format!(
        "{}/oauth/authorize?response_type=code&client_id=weir-cli&redirect_uri=http://127.0.0.1:9/callback&state=s\
         &code_challenge=0123456789012345678901234567890123456789012&code_challenge_method=S256",
        lab.url()
    );
    ensure!(login::drive(&browser, &form, "alice", "wrong password").await? == Outcome::Refused(401));
    ensure!(login::drive(&browser, &form, "nobody", &password_of("alice")).await? == Outcome::Refused(401));
    for elsewhere in ["http://evil.example/callback", "https://127.0.0.1:9/callback", "http://127.0.0.1:9/other"] {
        let url = form.replace("http://127.0.0.1:9/callback", elsewhere);
        let answer = browser.get(url).send().await?;
        ensure!(answer.status() == 400 && answer.headers().get("location").is_none(), "{elsewhere}");
        let policy = answer.headers().get("content-security-policy").context("no policy")?.to_str()?;
        ensure!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    }

    // A login whose stored form was stolen: as soon as both have used it, it ends for both.
    let thief = lab.folder().join("thief");
    std::fs::create_dir(&thief)?;
    for file in ["login.sealed", "login.key"] {
        std::fs::copy(alice.home().join(file), thief.join(file))?;
    }
    let mut stolen = alice.command()?;
    ensure!(output(stolen.env("WEIR_HOME", &thief).arg("whoami"), None)?.status.success());
    // The token before the last one is still good once: an answer may have been lost on the way.
    alice.weir(&["whoami"])?;
    let mut stolen = alice.command()?;
    says(&output(stolen.env("WEIR_HOME", &thief).arg("whoami"), None)?, 4, "used twice")?;
    says(&alice.try_weir(&["whoami"])?, 4, "the relay refused the login")?;

    // Another relay's certificate under the same address.
    let alice = lab.login("alice").await?;
    let pin = "00".repeat(32);
    let url = lab.url().to_owned();
    let mut other = alice.command()?;
    other
        .env("WEIR_HOME", lab.folder().join("other"))
        .env("BROWSER", "true")
        .args(["login", "--relay", &url, "--pin", &pin]);
    // Opening the address is the browser's; the relay's key is looked at when the code is redeemed, and by every command.
    let mut other = Running::start(other.stdin(Stdio::null()).stdout(Stdio::null()), &lab.folder().join("other.log"))?;
    let until = Instant::now() + Duration::from_secs(20);
    let address = loop {
        if let Some(address) = other.log().lines().find(|line| line.trim().starts_with("https://")) {
            break address.trim().to_owned();
        }
        ensure!(Instant::now() < until, "no address: {}", other.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    ensure!(login::drive(&browser, &address, "alice", &password_of("alice")).await? == Outcome::Done);
    ensure!(other.wait(Duration::from_secs(20))? == Some(7), "{}", other.log());
    ensure!(other.log().contains("not the one expected"), "{}", other.log());

    // The relay is gone.
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    ensure!(shop.sql("SELECT 1")? == "1");
    if let Some(mut relay) = lab.relay.take() {
        relay.kill()?;
    }
    says(&alice.try_weir(&["whoami"])?, 6, "cannot be reached")?;
    says(&alice.try_weir(&["connect", "shop-dev", "--transport", "quic"])?, 6, "cannot be reached")?;
    let error = shop.refused("SELECT 1")?;
    ensure!(error.contains("the relay cannot be reached"), "{error}");
    // And comes again: the same port works, nobody logs in anew.
    lab.serve().await?;
    ensure!(shop.sql("SELECT 1")? == "1");
    Ok(())
}

/// What identifies an agent is a key that its process holds, and nothing that could be copied out of a message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_acts_without_a_bound_key() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let who = weir_tests::agent::json(&alice.weir(&["whoami", "--output", "json"])?)?;
    let agent = who.first().and_then(|who| who.get("agent")?.as_str()).context("no agent")?.to_owned();
    let file = |name: &str| lab.folder().join(name).display().to_string();
    let (key, pem, ca) = (file("stranger.key"), file("stranger.pem"), lab.ca().display().to_string());
    let mut make = std::process::Command::new("openssl");
    make.args([
        "req",
        "-x509",
        "-newkey",
        "ed25519",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=weir-agent",
        "-keyout",
        &key,
    ]);
    run(make.args(["-out", &pem]), None)?;
    let bearer = format!("Authorization: Bearer {agent}");
    let upgrade = [
        "-H",
        "Connection: Upgrade",
        "-H",
        "Upgrade: websocket",
        "-H",
        "Sec-WebSocket-Version: 13",
        "-H",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ];
    let ask = |path: &str, more: &[&str]| -> Result<String> {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-sS", "-m", "10", "--http1.1", "--cacert", &ca, "-w", "\n%{http_code}"]).args(more);
        run(curl.arg(format!("{}{path}", lab.url())), None)
    };
    let stranger = ["--cert", pem.as_str(), "--key", key.as_str()];
    for path in ["whoami", "status", "resources", "sessions", "approvals", "sessions/x/entries"] {
        let path = format!("/api/v1/{path}");
        // Without a key, with the agent's name as if it were a token, and with a key of one's own.
        for more in [&[][..], &["-H", &bearer][..], &stranger[..], &[&stranger[..], &["-H", &bearer]].concat()[..]] {
            let answer = ask(&path, more)?;
            ensure!(answer.ends_with("\n401") && answer.contains("\"hint\""), "{path} {more:?}: {answer}");
        }
    }
    let answer = ask("/tunnel", &upgrade)?;
    ensure!(answer.ends_with("\n400"), "{answer}");
    // A code or a refresh token that was never given, and a grant that is not offered.
    for (form, status, error) in [
        (
            "grant_type=authorization_code&client_id=weir-cli&code=x&redirect_uri=y&code_verifier=z",
            400,
            "invalid_grant",
        ),
        ("grant_type=refresh_token&client_id=weir-cli&refresh_token=x", 400, "invalid_grant"),
        ("grant_type=password&client_id=weir-cli&username=alice&password=x", 400, "unsupported_grant_type"),
        ("grant_type=refresh_token&client_id=other&refresh_token=x", 401, "invalid_client"),
    ] {
        let answer = ask("/oauth/token", &[&stranger[..], &["-d", form]].concat())?;
        ensure!(answer.ends_with(&format!("\n{status}")) && answer.contains(error), "{form}: {answer}");
    }
    let answer = ask("/oauth/token", &["-d", "grant_type=refresh_token&client_id=weir-cli&refresh_token=x"])?;
    ensure!(answer.contains("a TLS client certificate (RFC 8705) or a DPoP proof"), "no key came with it: {answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_expires() -> Result<()> {
    let mut lab = Lab::start().await?;
    lab.restart_with(|config| format!("login_lifetime = \"4s\"\n{config}")).await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", Transport::WebSocket)?;
    let client = shop.client().await?;
    let until = Instant::now() + Duration::from_secs(20);
    while client.batch_execute("SELECT 1").await.is_ok() {
        ensure!(Instant::now() < until, "an expired login's session goes on");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    says(&alice.try_weir(&["list"])?, 4, "the relay refused the login")?;
    ensure!(shop.refused("SELECT 1")?.contains("weir login"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_administrators_run_into() -> Result<()> {
    let mut lab = Lab::start().await?;
    // A second relay on the same port.
    says(&output(lab.admin_command()?.arg("serve"), None)?, 12, "cannot listen on")?;
    if let Some(mut relay) = lab.relay.take() {
        ensure!(relay.terminate(Duration::from_secs(40))? == Some(0));
    }
    // Files that are not what they were.
    let folder = lab.relay_folder();
    let spoil = |file: &str, text: &[u8], code: i32, words: &str| -> Result<()> {
        let path = folder.join(file);
        let good = std::fs::read(&path)?;
        std::fs::write(&path, text)?;
        says(&output(lab.admin_command()?.arg("serve"), None)?, code, words)?;
        Ok(std::fs::write(&path, good)?)
    };
    spoil("keys/relay.pem", b"nonsense", 11, "certificate")?;
    spoil("keys/relay.key", b"nonsense", 11, "key cannot be read")?;
    spoil("keys/sealing.key", b"short", 11, "sealing key")?;
    spoil("policies/default.cedar", b"permit (", 11, "default.cedar")?;
    spoil("weir-relay.toml", b"listen = 7", 11, "listen")?;
    spoil("weir-relay.toml", b"\xff\xfe", 11, "weir-relay.toml")?;
    for side in ["weir.db-wal", "weir.db-shm"] {
        let _ = std::fs::remove_file(folder.join(side));
    }
    spoil("weir.db", &[b'x'; 20_000], 12, "damaged")?;
    lab.serve().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_statements_and_loses_nothing() -> Result<()> {
    let mut lab = Lab::start().await?;
    if let Some(mut relay) = lab.relay.take() {
        relay.terminate(Duration::from_secs(40))?;
    }
    // No file may grow beyond this: what a full disk does to writes, without filling one.
    lab.serve_with_files_of_at_most(3_000).await?;
    let (alice, adam) = (lab.login("alice").await?, lab.login("adam").await?);
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let client = shop.client().await?;
    ensure!(client.query("SELECT 'before it was full'", &[]).await?.len() == 1);
    // Text that does not compress, more than fits.
    let flood = "SELECT md5(n::text || random()::text) FROM generate_series(1, 200000) n";
    let mut refused = None;
    for _ in 0..5 {
        match client.query(flood, &[]).await {
            Ok(rows) => ensure!(rows.len() == 200_000),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let refused = refused.context("nothing was refused")?;
    let code = refused.code().map(tokio_postgres::error::SqlState::code).map(str::to_owned);
    ensure!(code.as_deref() == Some("58000"), "{refused:?}");
    // Another session records in a file of its own: it goes on.
    ensure!(shop.sql("SELECT 1")? == "1");
    let sessions = weir_tests::agent::json(&adam.weir(&["sessions", "list", "--output", "json"])?)?;
    let mut seen = String::new();
    for session in &sessions {
        let id = session.get("id").and_then(serde_json::Value::as_str).unwrap_or_default();
        let replay = adam.try_weir(&["sessions", "replay", id])?;
        seen.push_str(&String::from_utf8_lossy(&replay.stdout));
    }
    ensure!(seen.contains("before it was full"), "a recorded statement is lost");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_recording_is_found() -> Result<()> {
    let lab = Lab::start().await?;
    let (alice, adam) = (lab.login("alice").await?, lab.login("adam").await?);
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    shop.sql("SELECT 1")?;
    let folder = lab.relay_folder().join("recordings");
    let file = std::fs::read_dir(&folder)?.next().context("no recording")??.path();
    let id = file.file_stem().and_then(|stem| stem.to_str()).context("no name")?.to_owned();
    let until = Instant::now() + Duration::from_secs(10);
    while !adam.weir(&["sessions", "replay", &id])?.contains("closed") {
        ensure!(Instant::now() < until, "the session does not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut bytes = std::fs::read(&file)?;
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).context("empty")? ^= 1;
    std::fs::write(&file, bytes)?;
    says(&adam.try_weir(&["sessions", "replay", &id])?, 12, "broke off")
}

/// What anybody on the network may send: the relay answers or hangs up, and serves the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_on_every_port() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let relay = lab.url().trim_start_matches("https://").to_owned();
    let mut nonsense: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 4096],
        vec![0x16, 3, 1, 0xff, 0xff, 1],
        vec![0, 0, 0, 4],
        vec![0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0],
        vec![0, 0, 0, 9, 0, 3, 0, 0, 0],
        [&[0, 0, 0, 8, 4, 210, 22, 47][..], b"unprotected bytes"].concat(),
    ];
    nonsense.push((0..=255).cycle().take(100_000).collect());
    for port in [relay, format!("127.0.0.1:{}", shop.port)] {
        for bytes in &nonsense {
            let mut stream = TcpStream::connect(&port)?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            // Whoever hangs up in the middle of it is in the right.
            let _ = stream.write_all(bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            match stream.read_to_end(&mut answer) {
                Ok(_) => {}
                Err(error) => {
                    ensure!(error.kind() == std::io::ErrorKind::ConnectionReset, "{port}: {error} after {bytes:?}")
                }
            }
        }
    }
    ensure!(shop.sql("SELECT 1")? == "1");
    // A start-up packet that changes who acts, and messages that are none.
    let refused = shop.refused_with("options='-c role=postgres'")?;
    ensure!(refused.contains("not allowed"), "{refused}");
    let refused = shop.refused_with("client_encoding=GBK")?;
    ensure!(refused.contains("not allowed"), "{refused}");
    let refused = shop.refused_with("replication=database")?;
    ensure!(refused.contains("not allowed"), "{refused}");
    ensure!(shop.sql("SELECT 1")? == "1");
    ensure!(!lab.relay()?.log().contains("panicked"), "a panic is in the log");
    Ok(())
}
