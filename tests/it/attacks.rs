//! What an attacker tries with agents of agents. Each attempt is refused, and is in the audit log.

use crate::nested::{begun, outcome, quoted, run, text, tree};
use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use std::{
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    time::Duration,
};
use weir_shared::{
    hop::{Bearer, Hop, digest},
    keys::SessionKey,
    scope::Scope,
};
use weir_tests::{
    forger::{Forger, now},
    lab::Lab,
};

/// Changes a good hop statement; the first key signs.
type Forgery<'a> = (&'a str, &'a SessionKey, Box<dyn Fn(&mut Hop) + 'a>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_hops_make_no_child() -> Result<()> {
    let lab = Lab::start().await?;
    let (alice, adam) = (Forger::root(&lab, "alice").await?, Forger::root(&lab, "adam").await?);
    let (stranger, expires) = (Forger::stranger(&lab)?, alice.get("/whoami").await?.1["expires_at"].as_i64());
    let (expires, own) = (expires.context("no expiry")?, alice.thumbprint()?);
    let (admin, nobody) = (adam.thumbprint()?, stranger.thumbprint()?);
    let long_ago = now()? - 3600;
    let forgeries: Vec<Forgery<'_>> = vec![
        ("signed by another than it names", &stranger.key, Box::new(|_| {})),
        ("nobody is its parent", &stranger.key, Box::new(move |hop| hop.parent = nobody)),
        ("an administrator is its parent", &alice.key, Box::new(move |hop| hop.parent = admin)),
        ("for another key", &alice.key, Box::new(move |hop| hop.cnf = Bearer::Key(own))),
        ("for a ticket", &alice.key, Box::new(|hop| hop.cnf = Bearer::Ticket(digest("x")))),
        ("for another relay", &alice.key, Box::new(|hop| hop.audience = "https://elsewhere".into())),
        ("of another chain", &alice.key, Box::new(|hop| hop.previous = digest("another session"))),
        ("outlives its parent", &alice.key, Box::new(move |hop| hop.expires_at = expires + 3600)),
        ("has expired", &alice.key, Box::new(move |hop| hop.expires_at = long_ago)),
        ("is old", &alice.key, Box::new(move |hop| hop.issued_at = long_ago)),
        ("is from the future", &alice.key, Box::new(move |hop| hop.issued_at += 3600)),
        ("is a root", &alice.key, Box::new(|hop| hop.depth = 0)),
        ("leaves out a generation", &alice.key, Box::new(|hop| hop.depth = 2)),
        ("may go deeper than its parent", &alice.key, Box::new(|hop| hop.max_depth = 99)),
    ];
    for (what, key, forge) in forgeries {
        let child = Forger::stranger(&lab)?;
        let mut hop = alice.hop(child.thumbprint()?).await?;
        forge(&mut hop);
        let (status, answer) = child.present(&hop.sign(key)?).await?;
        ensure!(status == 400 && answer["error"] == "invalid_grant", "{what}: {status} {answer}");
        ensure!(child.get("/whoami").await?.0 == 401, "{what}");
    }
    let alerts = lab.audited("alert.delegation_refused")?;
    ensure!(alerts.len() == 14, "{alerts:#?}");

    // The good one makes a child, whose key cannot be bound again, and which cannot be its own parent's.
    let child = Forger::stranger(&lab)?;
    let hop = alice.hop(child.thumbprint()?).await?;
    ensure!(child.present(&hop.sign(&alice.key)?).await?.0 == 200);
    let (_, who) = child.get("/whoami").await?;
    ensure!(who["chain"].as_array().map(Vec::len) == Some(2));
    let again = adam.hop(child.thumbprint()?).await?;
    ensure!(child.present(&again.sign(&adam.key)?).await?.0 == 400, "a second parent");
    // Stolen: whoever presents it does not hold its key.
    ensure!(stranger.present(&hop.sign(&alice.key)?).await?.0 == 400);
    // Who ends itself needs not know who it is, and ends nobody else.
    let (status, ended) = child.post("/agents/self/end", &json!(null)).await?;
    ensure!(status == 200 && ended == json!([who["agent"]]), "{ended}");
    ensure!(child.get("/whoami").await?.0 == 401 && alice.get("/whoami").await?.0 == 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_has_no_more_than_its_parent() -> Result<()> {
    let lab = Lab::start().await?;
    let adam = Forger::root(&lab, "adam").await?;
    let (child, grandchild) = (Forger::stranger(&lab)?, Forger::stranger(&lab)?);
    let narrow = Scope::of(vec!["shop-dev:sql.read".parse()?]);
    let hop = Hop { scope: narrow, max_depth: 2, ..adam.hop(child.thumbprint()?).await? };
    let jws = hop.sign(&adam.key)?;
    ensure!(child.present(&jws).await?.0 == 200);
    // The child's key signs what it likes.
    let wide = Hop {
        parent: child.thumbprint()?,
        depth: 2,
        max_depth: 2,
        scope: Scope::of(vec!["*".parse()?]),
        previous: digest(&jws),
        ..adam.hop(grandchild.thumbprint()?).await?
    };
    let (status, answer) = grandchild.present(&wide.sign(&child.key)?).await?;
    ensure!(status == 200 && answer["beyond"].as_array().is_some_and(|beyond| !beyond.is_empty()), "{answer}");
    let (_, resources) = grandchild.get("/resources").await?;
    let resources = resources.as_array().context("no list")?;
    let of = |name: &str| resources.iter().find(|resource| resource["name"] == name).context("not listed");
    ensure!(of("shop-prod")?["needs"].is_string() && of("shop-dev")?["needs"].is_null(), "{resources:#?}");
    let rights = &of("shop-dev")?["rights"];
    ensure!(rights["sql.read"] == "allow" && rights["sql.write"] == "deny", "{rights}");
    let beyond = lab.audited("agent.delegated")?;
    ensure!(beyond.iter().any(|event| event["body"]["beyond"].as_array().is_some_and(|all| !all.is_empty())));
    // Deeper than allowed.
    let deep = Hop {
        parent: grandchild.thumbprint()?,
        depth: 3,
        max_depth: 3,
        previous: digest(&wide.sign(&child.key)?),
        ..adam.hop(Forger::stranger(&lab)?.thumbprint()?).await?
    };
    ensure!(grandchild.present(&deep.sign(&grandchild.key)?).await?.0 == 400);
    // An administrator's agents are no administrators, and see nobody else's.
    let (_, agents) = child.get("/agents?all=true").await?;
    ensure!(agents.as_array().map(Vec::len) == Some(2), "{agents}");
    let root = adam.get("/whoami").await?.1["agent"].as_str().context("no agent")?.to_owned();
    ensure!(child.post(&format!("/agents/{root}/end"), &json!(null)).await?.0 == 404, "its parent is not its to end");
    ensure!(adam.get("/whoami").await?.0 == 200);
    // The parent's end is the grandchild's.
    ensure!(adam.post(&format!("/agents/{root}/end"), &json!(null)).await?.1.as_array().map(Vec::len) == Some(3));
    ensure!(grandchild.get("/whoami").await?.0 == 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_is_used_once() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let ticket = alice.weir(&["ticket", "--scope", "shop-dev:sql.read"])?;
    let secret: serde_json::Value = serde_json::from_str(ticket.trim())?;
    let file = lab.folder().join("ticket");
    std::fs::write(&file, &ticket)?;
    let path = file.to_str().context("no path")?;
    let script = "psql -X -At -c 'SELECT count(*) FROM orders' && $WEIR whoami --chain";
    let (code, said) = outcome(run(&alice, &["--ticket", path, "--connect", "shop-dev"], script)?)?;
    ensure!(code == Some(0) && said.contains("100\n") && said.contains("depth 1"), "{said}");
    let (code, said) = outcome(run(&alice, &["--ticket", path], "true")?)?;
    ensure!(code == Some(5) && said.contains("used before"), "{said}");

    // The thief was first: what it began ends when the owner comes.
    let ticket: serde_json::Value = serde_json::from_str(&alice.weir(&["ticket"])?)?;
    let (thief, owner) = (Forger::stranger(&lab)?, Forger::stranger(&lab)?);
    ensure!(thief.redeem(text(&ticket, "secret")).await?.0 == 200);
    ensure!(thief.get("/whoami").await?.0 == 200);
    ensure!(owner.redeem(text(&ticket, "secret")).await?.0 == 400);
    ensure!(thief.get("/whoami").await?.0 == 401);
    ensure!(owner.redeem("guessed").await?.0 == 400);
    ensure!(lab.audited("alert.ticket_refused")?.len() == 3);
    // Only its hash is kept.
    let log = std::fs::read_to_string(lab.relay_log())?;
    ensure!(!log.contains(text(&secret, "secret")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervised_process_gets_no_root() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let root = format!("{} --ca {}", lab.url(), lab.ca().display());
    // It forgets its supervisor, forks twice to lose its parents, and hides its ancestry behind a shell.
    for script in [
        "env -u WEIR_SOCK $WEIR whoami",
        "(env -u WEIR_SOCK setsid $WEIR whoami &) ; sleep 3",
        "sh -c 'sh -c \"WEIR_SOCK= $WEIR list\"'",
    ] {
        let (_, said) = outcome(run(&alice, &[], script)?)?;
        ensure!(said.contains("may not open a session of its own"), "{script}: {said}");
    }
    ensure!(lab.audited("alert.root_under_supervisor")?.len() == 3, "{root}");
    // The person's login is as good as before.
    alice.weir(&["whoami"])?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_the_supervisor_can_be_read() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    // A user whose login it is, and who is not root: root may read everything anyway.
    let (home, weir) = (lab.folder().join("nobody"), lab.folder().join("weir"));
    let (from, to) = (alice.home().display().to_string(), home.display().to_string());
    ensure!(Command::new("cp").args(["-r", &from, &to]).status()?.success());
    std::fs::copy(alice.command()?.get_program(), &weir)?;
    let mut command = if rustix::process::getuid().is_root() {
        ensure!(Command::new("chown").args(["-R", "nobody", &to]).status()?.success());
        let mut command = Command::new("runuser");
        command.args(["-u", "nobody", "--"]).arg(&weir);
        command
    } else {
        Command::new(&weir)
    };
    // Everything the command could look at: its own and its supervisor's environment and arguments, and its memory.
    let script = "cat /proc/self/environ | tr '\\0' '\\n'; tr '\\0' '\\n' < /proc/$PPID/cmdline; echo; \
                  cat /proc/$PPID/environ; head -c 1 /proc/$PPID/mem; ls /proc/$PPID/fd";
    command.env_clear().env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").env("WEIR_HOME", &home);
    command.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "platform-secret-4711").env("PGPASSWORD", "old-secret-4711");
    command.args(["run", "--connect", "shop-dev", "--no-scrub", "--", "sh", "-c", script]).stdin(Stdio::null());
    let (_, said) = outcome(command)?;
    ensure!(said.contains("PGPORT=") && said.contains("WEIR_SOCK=") && said.contains("shop-dev"), "{said}");
    ensure!(!said.contains("secret-4711"), "{said}");
    ensure!(said.matches("Permission denied").count() == 3, "environment, memory and descriptors: {said}");
    // A relay's tokens and keys have 43 characters of base64url, or 64 hexadecimal digits.
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let secrets: Vec<&str> = said.split(|c| !part(c)).filter(|word| word.len() >= 40).collect();
    ensure!(secrets.is_empty(), "{secrets:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_answers_those_below_it_only() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let (mut process, lines) = begun(&alice, &[], "echo $WEIR_SOCK; sleep 60")?;
    let socket = lines.find(Duration::from_secs(30), |line| line.ends_with(".sock").then(|| line.to_owned()))?;
    ensure!(std::fs::metadata(&socket)?.permissions().mode() & 0o777 == 0o600);
    // Of the same user, but not below it.
    let mut beside = alice.command()?;
    let beside = beside.args(["whoami"]).env("WEIR_SOCK", &socket).output()?;
    let said = String::from_utf8_lossy(&beside.stderr).into_owned();
    ensure!(beside.status.code() == Some(5) && said.contains("not yours"), "{said}");
    // Of another user, who was given the way to it.
    if rustix::process::getuid().is_root() {
        let (shared, weir) = (lab.folder().join("shared"), lab.folder().join("shared/weir"));
        std::fs::create_dir_all(&shared)?;
        std::fs::copy(alice.command()?.get_program(), &weir)?;
        for open in [&shared, &lab.folder().to_owned(), &alice.home().to_owned(), &alice.home().join("run")] {
            std::fs::set_permissions(open, PermissionsExt::from_mode(0o755))?;
        }
        std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o666))?;
        let mut other = Command::new("runuser");
        other.args(["-u", "nobody", "--", "env", &format!("WEIR_SOCK={socket}"), "WEIR_HOME=/tmp/weir-nobody"]);
        let other = other.arg(&weir).arg("whoami").output()?;
        let _ = std::fs::remove_dir_all("/tmp/weir-nobody");
        let said = String::from_utf8_lossy(&other.stderr).into_owned();
        ensure!(!other.status.success() && said.contains("not yours"), "{said}");
    }
    // It ends, and its agent with it.
    ensure!(tree(&alice, &[])?.len() == 1);
    process.terminate(Duration::from_secs(20))?;
    ensure!(tree(&alice, &[])?.is_empty() && !std::path::Path::new(&socket).exists());
    Ok(())
}

/// A supervisor that is killed takes all below it along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphans_end_with_their_supervisor() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let script = "echo outer $PPID; $WEIR run --connect shop-dev -- \
                  sh -c 'echo inner $$; psql -X -At -c \"SELECT pg_sleep(60)\"'";
    let (mut process, lines) = begun(&alice, &["--connect", "shop-dev"], script)?;
    let inner = lines.find(Duration::from_secs(30), |line| line.strip_prefix("inner ").map(str::to_owned))?;
    process.kill()?;
    let alive = || std::path::Path::new(&format!("/proc/{inner}")).exists();
    for _ in 0..100 {
        if !alive() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ensure!(!alive(), "the inner command lives on");
    Ok(())
}

/// What a narrow supervisor's processes have is what it was given, although they descend from the wide one above too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_asks_the_supervisor_above_their_own() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let delete = "$WEIR run --connect shop-dev -- psql -X -c 'DELETE FROM orders WHERE id = 1'";
    let narrow = "$WEIR run --scope shop-dev:sql.read -- sh -c";
    // It asks the socket above by name; it does so as an orphan; it kills its own supervisor to come to the one above.
    for (number, attack) in [
        format!("WEIR_SOCK=$ABOVE {delete} > $OUT 2>&1"),
        format!("(setsid sh -c \"WEIR_SOCK=$ABOVE {delete} > $OUT 2>&1\" &); sleep 3"),
        format!("(setsid sh -c \"sleep 1; WEIR_SOCK=$ABOVE {delete} > $OUT 2>&1\" &); kill -9 $PPID; sleep 5"),
    ]
    .into_iter()
    .enumerate()
    {
        let out = lab.folder().join(format!("attack-{number}"));
        let script = format!("export ABOVE=$WEIR_SOCK; {narrow} '{}'; sleep 4", quoted(&attack));
        let mut command = run(&alice, &["--connect", "shop-dev"], &script)?;
        command.env("OUT", &out);
        let (_, around) = outcome(command)?;
        let said = std::fs::read_to_string(&out).with_context(|| around.clone())?;
        ensure!(said.contains("not yours") && !said.contains("DELETE 1"), "{attack}: {said} {around}");
    }
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "100");
    // The wide one's own processes are answered.
    let (_, said) = outcome(run(&alice, &["--connect", "shop-dev"], delete)?)?;
    ensure!(said.contains("DELETE 1"), "{said}");
    Ok(())
}
