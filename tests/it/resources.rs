//! Resources that are made, changed and deleted over the API: at once, for whoever may, and with no secret led astray.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use weir_tests::{
    agent::Transport,
    forger::{Forger, Reply},
    lab::Lab,
    process::{Lines, Running},
};

/// A lab whose configuration has a credential that may be named.
async fn lab() -> Result<Lab> {
    let mut lab = Lab::start().await?;
    let credential = format!(
        "\n[credentials.shop]\nsource = \"file:{}\"\nhosts = [\"{}:{}\"]\nroles = [\"{}\"]\nca = \"{}\"\n",
        lab.postgres("PG_PASSWORD_FILE"),
        lab.postgres("PG_HOST"),
        lab.postgres("PG_PORT"),
        lab.postgres("PG_ROLE"),
        lab.postgres("PG_CA"),
    );
    lab.restart_with(|config| config + &credential).await?;
    Ok(lab)
}

/// A definition that is good there.
fn definition(lab: &Lab, more: &str) -> String {
    format!(
        "kind = \"postgres\"\nhost = \"{}\"\nport = {}\ndatabases = [\"{}\"]\nrole = \"{}\"\n\
         credential = \"named:shop\"\nlabels = {{ env = \"dev\" }}\n{more}",
        lab.postgres("PG_HOST"),
        lab.postgres("PG_PORT"),
        lab.postgres("PG_DATABASE"),
        lab.postgres("PG_ROLE"),
    )
}

const MAKE: (&str, &str) = ("if-none-match", "*");

async fn put(caller: &Forger, name: &str, seen: (&str, &str), text: &str) -> Result<Reply> {
    caller.call("PUT", &format!("/resources/{name}"), &[seen], Some(text)).await
}

/// Makes or changes one; its tag.
async fn good(caller: &Forger, name: &str, seen: (&str, &str), text: &str) -> Result<String> {
    let reply = put(caller, name, seen, text).await?;
    let made = if seen == MAKE { 201 } else { 200 };
    ensure!(reply.status == made, "{} {}", reply.status, reply.body);
    ensure!(reply.body.get("definition") == Some(&text.into()), "{}", reply.body);
    ensure!(reply.body.get("origin") == Some(&"api".into()), "{}", reply.body);
    reply.etag.context("no ETag")
}

/// psql that runs something for long.
fn busy(lab: &Lab, shop: &weir_tests::agent::Connection, log: &str, statement: &str) -> Result<(Running, Lines)> {
    let mut psql = shop.psql();
    psql.args(["-v", "ON_ERROR_STOP=1", "-c", "SELECT 'begun'", "-c", statement]);
    let mut psql = Running::start(psql.stdout(std::process::Stdio::piped()), &lab.folder().join(log))?;
    let lines = Lines::of(psql.stdout().context("no standard output")?);
    lines.find(Duration::from_secs(20), |line| (line == "begun").then_some(()))?;
    Ok((psql, lines))
}

/// Made, it is there for whoever policy lets reach it; changed, it is what it is now, in the next session; what was open by
/// what it was has ended, and so has what was asked for there; deleted, it is gone. Each is in the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_is_made_changed_and_deleted() -> Result<()> {
    let mut lab = lab().await?;
    let adam = Forger::root(&lab, "adam").await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    ensure!(!alice.weir(&["list"])?.contains("made"));
    let first = good(&adam, "made", MAKE, &definition(&lab, "")).await?;
    ensure!(alice.weir(&["list"])?.contains("made"));
    let made = alice.connect("made", Transport::Quic)?;
    ensure!(made.sql("SELECT name FROM customers WHERE id = 1")?.starts_with("Ada"), "no name");

    // A comment changes nothing for anybody; a label, and a column, does, and at once.
    let (mut psql, _lines) = busy(&lab, &made, "same.log", "SELECT pg_sleep(2)")?;
    let second = good(&adam, "made", ("if-match", &first), &definition(&lab, "# the same\n")).await?;
    ensure!(psql.wait(Duration::from_secs(20))? == Some(0), "{}", psql.log());
    let (mut psql, _lines) = busy(&lab, &made, "other.log", "SELECT pg_sleep(60)")?;
    let labelled = definition(&lab, "columns = [\"customers.name\"]\n");
    let third = good(&adam, "made", ("if-match", &second), &labelled).await?;
    ensure!(psql.wait(Duration::from_secs(20))? != Some(0) && psql.log().contains("57P01"), "{}", psql.log());
    let hidden = made.sql("SELECT name FROM customers WHERE id = 1")?;
    ensure!(!hidden.contains("Ada"), "{hidden}");

    // What was asked for on what it was dies with it.
    let prod = labelled.replace("\"dev\"", "\"prod\"");
    let fourth = good(&adam, "made", ("if-match", &third), &prod).await?;
    let (mut psql, _lines) = busy(&lab, &made, "held.log", "DELETE FROM orders WHERE id = 9")?;
    let id = rita.next_pending().await?;
    let fifth = good(&adam, "made", ("if-match", &fourth), &format!("{prod}connect_timeout = \"5s\"\n")).await?;
    ensure!(psql.wait(Duration::from_secs(20))? != Some(0) && psql.log().contains("57P01"), "{}", psql.log());
    ensure!(!rita.try_weir(&["approvals", "approve", &id, "--yes"])?.status.success());
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "100");

    // It outlives the relay; what the configuration no longer lets it mean, it is no more.
    lab.restart_with(|config| config).await?;
    ensure!(made.sql("SELECT 1")? == "1");
    let list = lab.admin(&["resource", "list"])?;
    ensure!(list.contains("made") && list.contains("shop-dev"), "{list}");
    lab.restart_with(|config| config.replace("[credentials.shop]", "[credentials.other]")).await?;
    ensure!(made.refused("SELECT 1")?.contains("no access"), "it is reached");
    let adam = Forger::root(&lab, "adam").await?;
    let reply = adam.call("GET", "/resources/made", &[], None).await?;
    ensure!(reply.status == 200 && reply.etag.as_deref() == Some(&*fifth), "{}", reply.body);
    ensure!(reply.body["problems"].to_string().contains("no [credentials.shop]"), "{}", reply.body);
    let check = lab.admin(&["check"])?;
    ensure!(check.contains("warning: made, ") && check.contains("credential"), "{check}");

    let gone = adam.call("DELETE", "/resources/made", &[("if-match", &fifth)], None).await?;
    ensure!(gone.status == 204, "{}", gone.body);
    ensure!(!alice.weir(&["list"])?.contains("made") && made.refused("SELECT 1")?.contains("no access"));
    ensure!(adam.get("/resources/made").await?.0 == 404);
    for (event, count) in [("resource.made", 1), ("resource.changed", 4), ("resource.deleted", 1)] {
        let events = lab.audited(event)?;
        ensure!(events.len() == count && events.iter().all(|event| event["actor"] == "adam"), "{event}: {events:?}");
    }
    Ok(())
}

/// Who has not seen what is there changes nothing; what the configuration file has is not changed here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_was_seen_is_changed() -> Result<()> {
    let lab = lab().await?;
    let (adam, alice) = (Forger::root(&lab, "adam").await?, Forger::root(&lab, "alice").await?);
    let text = definition(&lab, "");
    let first = good(&adam, "made", MAKE, &text).await?;
    let (other, bare) = (format!("\"{}\"", "0".repeat(64)), first.trim_matches('"').to_owned());
    for (seen, status) in [
        (MAKE, 412),
        (("if-match", &*other), 412),
        (("if-match", "*"), 428),
        (("if-match", &*bare), 428),
        (("if-none-match", &*first), 428),
        (("x-nothing", "*"), 428),
    ] {
        let reply = put(&adam, "made", seen, &text).await?;
        ensure!(reply.status == status, "{seen:?}: {} {}", reply.status, reply.body);
    }
    let both = adam.call("PUT", "/resources/made", &[MAKE, ("if-match", &first)], Some(&text)).await?;
    ensure!(both.status == 428, "{}", both.body);
    for (method, name, seen, status) in [
        ("PUT", "shop-prod", MAKE, 409),
        ("PUT", "shop-prod", ("if-match", &*first), 409),
        ("DELETE", "shop-prod", ("if-match", &*first), 409),
        ("PUT", "absent", ("if-match", &*first), 404),
        ("DELETE", "absent", ("if-match", &*first), 404),
        ("DELETE", "made", MAKE, 428),
        ("PUT", "Made", MAKE, 400),
        ("PUT", "..%2Fmade", MAKE, 400),
    ] {
        let reply = adam.call(method, &format!("/resources/{name}"), &[seen], Some(&text)).await?;
        ensure!(reply.status == status, "{method} {name}: {} {}", reply.status, reply.body);
    }
    ensure!(put(&alice, "mine", MAKE, &text).await?.status == 403);
    let all = adam.get("/settings/resources").await?.1;
    let names: Vec<_> = all.as_array().into_iter().flatten().filter_map(|it| it["name"].as_str()).collect();
    ensure!(names == ["made", "shop-dev", "shop-prod"], "{all}");
    let seen = adam.call("GET", "/resources/shop-prod", &[], None).await?;
    ensure!(seen.etag.is_none() && seen.body["origin"] == "configuration", "{}", seen.body);
    ensure!(lab.audited("resource.made")?.len() == 1 && lab.audited("resource.changed")?.is_empty());
    ensure!(!lab.audited("resource.change_refused")?.is_empty());
    Ok(())
}

/// An administrator's login is not the relay's own machine: no definition makes the relay show a secret, or a file, to a host
/// that its configuration does not name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_definition_leads_a_secret_astray() -> Result<()> {
    let lab = lab().await?;
    let adam = Forger::root(&lab, "adam").await?;
    let text = definition(&lab, "");
    let host = format!("host = \"{}\"", lab.postgres("PG_HOST"));
    let role = format!("role = \"{}\"", lab.postgres("PG_ROLE"));
    let sealing = format!("file:{}", lab.relay_folder().join("keys/sealing.key").display());
    for (from, to, key) in [
        ("named:shop", &*sealing, "credential"),
        ("named:shop", "env:HOME", "credential"),
        ("\"named:shop\"", "{ exec = [\"touch\", \"/tmp/weir-was-here\"] }", "credential"),
        (&*host, "host = \"db.evil.example\"", "host"),
        (&*host, "host = \"127.0.0.2\"", "host"),
        (&*role, "role = \"postgres\"", "role"),
        ("kind = ", "tls = \"disable\"\nkind = ", "tls"),
        ("kind = ", "ca = \"/etc/passwd\"\nkind = ", "ca"),
        ("kind = ", "allow_cleartext = true\nkind = ", "allow_cleartext"),
        ("kind = ", "limits = { connections = -1 }\nkind = ", "limits.connections"),
        ("kind = ", "kind = [", ""),
    ] {
        ensure!(text.contains(from), "{from}");
        let reply = put(&adam, "made", MAKE, &text.replacen(from, to, 1)).await?;
        ensure!(reply.status == 422, "{to}: {} {}", reply.status, reply.body);
        let problems = reply.body["problems"].as_array().context("no problems")?;
        let says = |problem: &Value| problem["message"].as_str().is_some_and(|message| message.starts_with(key));
        ensure!(problems.iter().any(says) && problems.iter().all(|it| it["line"] != 0), "{to}: {problems:?}");
        ensure!(!reply.body.to_string().contains("root:"), "a file is shown: {}", reply.body);
    }
    ensure!(adam.get("/resources/made").await?.0 == 404 && lab.audited("resource.made")?.is_empty());
    let deep = put(&adam, "made", MAKE, &format!("{text}labels2 = {}{}", "[".repeat(9_000), "]".repeat(9_000))).await?;
    ensure!(deep.status == 422, "{}", deep.status);
    let large = put(&adam, "made", MAKE, &format!("{text}# {}", "x".repeat(100_000))).await?;
    ensure!(large.status == 413, "{}", large.status);
    Ok(())
}

/// Sessions that begin, and run, while their resource changes: once a change is answered, none is what it was before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_goes_on_as_it_was() -> Result<()> {
    const CHANGES: u32 = 12;
    const CLIENTS: usize = 4;
    let lab = lab().await?;
    let (adam, alice) = (Forger::root(&lab, "adam").await?, lab.login("alice").await?);
    let (shown, hidden) = (definition(&lab, ""), definition(&lab, "columns = [\"customers.name\"]\n"));
    let first = good(&adam, "made", MAKE, &shown).await?;
    let made = alice.connect("made", Transport::Quic)?;
    // What it is, for as long as nobody changes it.
    let labelled = tokio::sync::RwLock::new(Some(false));
    let change = async {
        let mut tag = first;
        for change in 0..CHANGES {
            let hides = change % 2 == 0;
            let mut labelled = labelled.write().await;
            tag = good(&adam, "made", ("if-match", &tag), if hides { &hidden } else { &shown }).await?;
            *labelled = Some(hides);
            drop(labelled);
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        *labelled.write().await = None;
        anyhow::Ok(())
    };
    let client = async || {
        let (mut kept, mut seen) = (None, [0_u32; 2]);
        loop {
            let connected = match kept.take() {
                Some(client) => Ok(client),
                None => made.client().await,
            };
            let Ok(client) = connected else { continue };
            let now = labelled.read().await;
            let Some(hides) = *now else { break anyhow::Ok(seen) };
            let Ok(row) = client.query_one("SELECT name FROM customers WHERE id = 1", &[]).await else { continue };
            let name: &str = row.get(0);
            ensure!(name.contains("Ada") != hides, "labelled {hides}: {name}");
            if let Some(count) = seen.get_mut(usize::from(hides)) {
                *count += 1;
            }
            drop(now);
            kept = Some(client);
        }
    };
    let clients = futures_util::future::try_join_all((0..CLIENTS).map(|_| client()));
    let (changed, clients) = futures_util::future::join(change, clients).await;
    changed?;
    ensure!(clients?.iter().all(|seen| seen.iter().all(|count| *count > 0)), "some never came through");
    Ok(())
}
