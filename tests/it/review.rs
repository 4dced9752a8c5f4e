//! What people decide, how far their yes goes, and what it does not cover.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{process::Stdio, time::Duration};
use tokio_postgres::error::SqlState;
use weir_tests::{
    agent::{Agent, Connection, Transport},
    lab::{Lab, password_of},
    login,
    process::{Lines, Running, program},
    raw::{Message, Raw, bind, execute, named, outline, parse, sync},
    reviewer,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// psql with a script of its own, whose statements wait.
pub(super) struct Waiting {
    pub(super) psql: Running,
    lines: Lines,
}

impl Waiting {
    pub(super) fn begin(lab: &Lab, shop: &Connection, statement: &str) -> Result<Self> {
        let mut psql = shop.psql();
        psql.args(["-v", "ON_ERROR_STOP=1", "-c", statement]).stdout(Stdio::piped());
        let mut psql = Running::start(&mut psql, &lab.folder().join("waiting.log"))?;
        let lines = Lines::of(psql.stdout().context("no standard output")?);
        Ok(Self { psql, lines })
    }

    pub(super) fn done(mut self, tag: &str) -> Result<()> {
        self.lines.find(PATIENCE, |line| (line == tag).then_some(()))?;
        ensure!(self.psql.wait(PATIENCE)? == Some(0));
        Ok(())
    }

    /// What it says when it was not let.
    pub(super) fn refused(mut self) -> Result<String> {
        ensure!(self.psql.wait(PATIENCE)? != Some(0), "it ran");
        Ok(self.psql.log())
    }
}

pub(crate) fn shown(agent: &Agent, id: &str) -> Result<Value> {
    Ok(serde_json::from_str(&agent.weir(&["approvals", "show", id, "--output", "json"])?)?)
}

/// An agent's DELETE waits; somebody else reads it on its page and lets it run; it runs once, and nothing else does by that
/// approval.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_is_approved_on_the_page_and_runs_once() -> Result<()> {
    let lab = Lab::start().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let text = "DELETE FROM orders WHERE id = 42";
    let waiting = Waiting::begin(&lab, &shop, text)?;
    let id = rita.next_pending().await?;
    let page = format!("/approvals/{id}");

    // Not one's own, whatever the way.
    let own = reviewer::at_page(&lab, &page, "alice", "look", &[])?;
    ensure!(own.before.contains("You cannot decide your own request"), "{}", own.before);
    ensure!(!alice.try_weir(&["approvals", "approve", &id, "--yes"])?.status.success());
    let broken = reviewer::at_page(&lab, &page, "alice", "break-glass", &["reason=fire"])?;
    ensure!(broken.after.contains("you may not break the glass"), "{}", broken.after);
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "100");

    let seen = reviewer::at_page(&lab, &page, "rita", "approve", &["reason=as agreed"])?;
    for expected in [text, "Written by the requester", "orders", "alice", "Writes"] {
        ensure!(seen.before.contains(expected), "{expected} is missing in {}", seen.before);
    }
    waiting.done("DELETE 1")?;
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "99");
    let view = shown(&rita, &id)?;
    ensure!(view.pointer("/votes/0/channel") == Some(&"web".into()), "{view}");

    // The recording shows who let what run.
    let session = view.get("session").and_then(Value::as_str).context("no session")?;
    let digest = view.get("digest").and_then(Value::as_str).context("no digest")?;
    let replay = lab.login("adam").await?.weir(&["sessions", "replay", session, "--output", "json"])?;
    let approval = weir_tests::agent::json(&replay)?;
    let approval = approval.iter().find(|entry| entry.get("approval").is_some()).context("no approval recorded")?;
    ensure!(approval.get("digest") == Some(&digest.into()) && approval.get("by") == Some(&"rita".into()), "{approval}");

    // A second run, a changed statement and another session each ask anew.
    for other in [text, "DELETE FROM orders WHERE id = 43", "DELETE FROM orders WHERE id = 42 OR true"] {
        let waiting = Waiting::begin(&lab, &shop, other)?;
        let new = rita.next_pending().await?;
        ensure!(new != id);
        rita.weir(&["approvals", "deny", &new, "--reason", "once was once"])?;
        ensure!(waiting.refused()?.contains("once was once"));
    }
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "99");
    Ok(())
}

/// Another site can make a reviewer's browser send forms, cookie and all. It cannot know the token that stands in the page, and
/// without it nothing that is posted counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_site_decides_nothing() -> Result<()> {
    let lab = Lab::start().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 9")?;
    let id = rita.next_pending().await?;
    let browser = login::browser(&lab.ca())?;
    let cookie = login::pages(&browser, lab.url(), "rita", &password_of("rita")).await?;
    let page = browser.get(format!("{}/approvals/{id}", lab.url())).header("cookie", &cookie).send().await?;
    let fields = login::hidden_fields(&page.text().await?);
    let post = async |path: &str, token: Option<&str>| -> Result<u16> {
        let mut fields: Vec<_> = fields.iter().filter(|(name, _)| name != "csrf").cloned().collect();
        fields.push(("decision".to_owned(), "approve".to_owned()));
        fields.extend(token.map(|token| ("csrf".to_owned(), token.to_owned())));
        let call = browser.post(format!("{}{path}", lab.url())).header("cookie", &cookie);
        Ok(call.header("accept", "text/html").form(&fields).send().await?.status().as_u16())
    };
    let own = fields.iter().find(|(name, _)| name == "csrf").map(|(_, token)| token.as_str()).context("no token")?;
    let mut other = own.to_owned();
    other.replace_range(..1, if own.starts_with('0') { "1" } else { "0" });
    let (decision, question) = (format!("/approvals/{id}"), format!("/approvals/{id}/passkey"));
    let passkeys = ["/passkeys", "/passkeys/new", "/passkeys/prove", "/passkeys/remove"];
    for path in passkeys.into_iter().chain([&*decision, &*question, "/logout"]) {
        for token in [None, Some(""), Some(&*other)] {
            ensure!(post(path, token).await? == 400, "{path} takes {token:?}");
        }
    }
    ensure!(rita.pending()?.len() == 1);
    let answer = post(&decision, Some(own)).await?;
    ensure!(answer < 400, "{answer}");
    waiting.done("DELETE 1")
}

/// Once approved, the same session may not use it for anything else: a name rebound to another statement between Parse and
/// Execute is another request, and so is other values.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_is_not_good_for_a_rebound_name() -> Result<()> {
    let lab = Lab::start().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let mut raw = Raw::through(shop.port)?;
    // All sent at once: while the first waits, the name is already bound to something else behind it.
    let statements = [
        parse("s", "DELETE FROM orders WHERE id = 1"),
        bind("", "s", &[]),
        execute("", 0),
        named(b'C', b'S', "s"),
        parse("s", "DELETE FROM orders WHERE id > 1"),
        bind("", "s", &[]),
        execute("", 0),
        sync(),
    ];
    raw.send(&statements.concat())?;
    let first = rita.next_pending().await?;
    ensure!(shown(&rita, &first)?.get("statement") == Some(&"DELETE FROM orders WHERE id = 1".into()));
    rita.weir(&["approvals", "approve", &first, "--yes", "--template", "--uses", "9"])?;
    let second = rita.next_pending().await?;
    ensure!(shown(&rita, &second)?.get("statement") == Some(&"DELETE FROM orders WHERE id > 1".into()));
    rita.weir(&["approvals", "deny", &second])?;
    let answers = raw.until(b'Z')?;
    let answers: Vec<Message> = answers.into_iter().filter(|message| message.kind != b'N').collect();
    ensure!(outline(&answers) == "1 2 C 3 1 2 E42501 ZI", "{}", outline(&answers));
    // One transaction: what was denied took along what had run before it.
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "100");
    Ok(())
}

/// Several runs, a template and a window: each as far as it was granted, in its session, and no further.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_goes_as_far_as_it_was_granted() -> Result<()> {
    let lab = Lab::start().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::WebSocket)?;
    let granted = async |text: &str, extent: &[&str]| {
        let client = shop.client().await?;
        let approve = async {
            let id = rita.next_pending().await?;
            rita.weir(&[&["approvals", "approve", &id, "--yes"], extent].concat())
        };
        let (ran, approved) = futures_util::future::join(client.batch_execute(text), approve).await;
        approved?;
        ran?;
        anyhow::Ok(client)
    };
    /// It does not run without another decision: the request is denied, and that is what the client sees.
    async fn asks(rita: &Agent, client: &tokio_postgres::Client, text: &str) -> Result<()> {
        let deny = async {
            let id = rita.next_pending().await?;
            rita.weir(&["approvals", "deny", &id])
        };
        let (ran, denied) = futures_util::future::join(client.batch_execute(text), deny).await;
        denied?;
        ensure!(ran.err().and_then(|error| error.code().cloned()) == Some(SqlState::INSUFFICIENT_PRIVILEGE), "{text}");
        Ok(())
    }
    let count = || -> Result<String> { Ok(lab.sql("SELECT count(*) FROM orders")?.trim().to_owned()) };

    // Twice is twice, of the same thing.
    let text = "UPDATE orders SET id = id WHERE id = 5";
    let client = granted(text, &["--uses", "2"]).await?;
    client.batch_execute(text).await?;
    asks(&rita, &client, text).await?;

    // A template: other constants of the same types, nothing else, and not after a setting has changed.
    let client = granted("DELETE FROM orders WHERE id = 7", &["--template", "--uses", "5"]).await?;
    client.batch_execute("DELETE FROM orders WHERE id = 8").await?;
    client.execute("DELETE FROM orders WHERE id = 9", &[]).await?;
    ensure!(count()? == "97", "{}", count()?);
    asks(&rita, &client, "DELETE FROM orders WHERE id > 9").await?;
    client.batch_execute("SET search_path = elsewhere, public").await?;
    asks(&rita, &client, "DELETE FROM orders WHERE id = 10").await?;

    // A window: the class in this session. Not another session's, and not what policy denies.
    let client = granted("DELETE FROM orders WHERE id = 20", &["--for", "60s"]).await?;
    client.batch_execute("DELETE FROM orders WHERE id > 90").await?;
    ensure!(count()? == "86", "{}", count()?);
    ensure!(client.batch_execute("DROP TABLE orders").await.is_err());
    let another = shop.client().await?;
    asks(&rita, &another, "DELETE FROM orders WHERE id = 21").await?;

    // No more than may be granted.
    let client = shop.client().await?;
    let held = async {
        let id = rita.next_pending().await?;
        for extent in [&["--uses", "21"][..], &["--for", "2h"], &["--scope", "shop-prod"]] {
            let refused = rita.try_weir(&[&["approvals", "approve", &id, "--yes"], extent].concat())?;
            ensure!(!refused.status.success(), "{extent:?}");
        }
        rita.weir(&["approvals", "deny", &id])
    };
    let (ran, held) = futures_util::future::join(client.batch_execute("DELETE FROM orders WHERE id = 22"), held).await;
    held?;
    ensure!(ran.is_err() && count()? == "86");
    Ok(())
}

/// Requests that say the same are one decision; what was just denied is not asked again; and nobody is asked without end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviewers_are_not_worn_out() -> Result<()> {
    let mut lab = Lab::start().await?;
    lab.restart_with(|config| format!("{config}\n[approvals]\nmost_pending = 3\n")).await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let text = "DELETE FROM orders WHERE id = 30";
    let waiting = [0, 1, 2].map(|_| Waiting::begin(&lab, &shop, text));
    let mut pending = rita.pending()?;
    for _ in 0..200 {
        if pending.len() == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        pending = rita.pending()?;
    }
    ensure!(pending.len() == 3 && pending.iter().all(|view| view.get("identical") == Some(&3.into())), "{pending:?}");
    // One more than may wait.
    let refused = shop.refused("DELETE FROM orders WHERE id = 31")?;
    ensure!(refused.contains("53400") && refused.contains("wait already"), "{refused}");
    let id = pending.first().and_then(|view| view.get("id")).and_then(Value::as_str).context("no id")?;
    rita.weir(&["approvals", "approve", id, "--yes"])?;
    for one in waiting {
        let mut one = one?;
        ensure!(one.psql.wait(PATIENCE)? == Some(0), "{}", one.psql.log());
    }
    ensure!(lab.sql("SELECT count(*) FROM orders WHERE id = 30")?.trim() == "0");

    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 32")?;
    let id = rita.next_pending().await?;
    // The list is live without a script, too.
    let seen = reviewer::without_script(&lab, &format!("/approvals/{id}"), "rita", "deny", &["reason=not today"])?;
    ensure!(seen.after.contains("denied") && seen.after.contains("not today"), "{}", seen.after);
    ensure!(waiting.refused()?.contains("not today"));
    // At once, and without a request.
    let again = shop.refused("DELETE FROM orders WHERE id = 32")?;
    ensure!(again.contains("not today") && rita.pending()?.is_empty(), "{again}");
    Ok(())
}

/// `weir approvals watch` says what happens as it happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watching_shows_requests_as_they_come() -> Result<()> {
    let mut lab = Lab::start().await?;
    lab.restart_with(|config| format!("approval_timeout = \"12s\"\n{config}")).await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let mut watch = rita.command()?;
    watch.args(["approvals", "watch", "--output", "json"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut watch = Running::start(&mut watch, &lab.folder().join("watch.log"))?;
    let lines = Lines::of(watch.stdout().context("no standard output")?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 40")?;
    let state = |wanted: &'static str| {
        move |line: &str| {
            let view: Value = serde_json::from_str(line).ok()?;
            let id = view.get("id")?.as_str()?.to_owned();
            (view.get("state")? == wanted).then_some(id)
        }
    };
    let id = lines.find(PATIENCE, state("pending"))?;
    rita.weir(&["approvals", "approve", &id, "--yes"])?;
    waiting.done("DELETE 1")?;
    ensure!(lines.find(PATIENCE, state("consumed"))? == id);
    // For this one nobody waits: that its time is over is told all the same.
    let weir = program("weir")?.get_program().to_string_lossy().into_owned();
    let ask = ["approvals", "ask", "--scope", "shop-dev:sql.write", "--for", "90s", "--reason", "why not", "--no-wait"];
    alice.weir(&[&["run", "--scope", "shop-dev:sql.read", "--", &*weir], &ask[..]].concat())?;
    let id = lines.find(PATIENCE, state("pending"))?;
    ensure!(lines.find(2 * PATIENCE, state("expired"))? == id);
    watch.kill()?;
    Ok(())
}

/// Policies of a lab, instead of the ones that it began with.
pub(crate) fn policies(lab: &Lab, change: impl FnOnce(String) -> String) -> Result<()> {
    let folder = lab.relay_folder().join("policies");
    let default = folder.join("default.cedar");
    let text = change(std::fs::read_to_string(&default)?);
    Ok(std::fs::write(default, text)?)
}

/// A session that is held: the client is told, waits, and is let in, for as long as it was granted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_waits_until_a_human_lets_it_begin() -> Result<()> {
    let mut lab = Lab::start().await?;
    let held = r#"when { context.action == "connect" } unless { resource in Env::"prod" };"#;
    policies(&lab, |text| text.replace(r#"when { context.action == "connect" };"#, held))?;
    lab.restart_with(|config| format!("{config}\n[approvals]\ndenied_for = \"0s\"\n")).await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    ensure!(alice.connect("shop-dev", Transport::Quic)?.sql("SELECT 1")? == "1", "what is not held waits");

    let waiting = Waiting::begin(&lab, &shop, "SELECT 41 + 1")?;
    let id = rita.next_pending().await?;
    let seen = reviewer::at_page(&lab, &format!("/approvals/{id}"), "rita", "approve", &["minutes=1"])?;
    ensure!(seen.before.contains("connect on shop-prod"), "{}", seen.before);
    waiting.lines.find(PATIENCE, |line| (line == "42").then_some(()))?;
    ensure!(waiting.psql.log().contains(&id), "psql was not told: {}", waiting.psql.log());
    let view = shown(&rita, &id)?;
    ensure!(
        view.get("state") == Some(&"consumed".into()) && view.pointer("/granted/extent/window") == Some(&60.into())
    );

    // Each session asks for itself; who is not let in learns why, and nothing was dialled.
    let waiting = Waiting::begin(&lab, &shop, "SELECT 1")?;
    let id = rita.next_pending().await?;
    rita.weir(&["approvals", "deny", &id, "--reason", "the freeze is on"])?;
    let said = waiting.refused()?;
    ensure!(said.contains("the freeze is on"), "{said}");

    // Who gives up takes the request along.
    let mut waiting = Waiting::begin(&lab, &shop, "SELECT 2")?;
    let id = rita.next_pending().await?;
    waiting.psql.kill()?;
    for _ in 0..200 {
        if rita.pending()?.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ensure!(!rita.try_weir(&["approvals", "approve", &id, "--yes"])?.status.success(), "it could still be let in");
    Ok(())
}

/// Two people of two groups; each once, neither the requester.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_is_of_different_people_and_all_groups() -> Result<()> {
    let mut lab = Lab::start().await?;
    let terms = "@id(\"write\") @quorum(\"2\") @approvers(\"reviewer,admin\") @reason_required";
    policies(&lab, |text| text.replace("@id(\"write\")", terms))?;
    lab.restart_with(|config| config).await?;
    let (alice, rita, adam) = (lab.login("alice").await?, lab.login("rita").await?, lab.login("adam").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 50")?;
    let id = rita.next_pending().await?;
    let approve = |who: &Agent, reason: &[&str]| {
        who.try_weir(&[&["approvals", "approve", &id, "--yes", "--uses", "3"], reason].concat())
    };
    let unreasoned = approve(&rita, &[])?;
    ensure!(!unreasoned.status.success() && String::from_utf8_lossy(&unreasoned.stderr).contains("needs a reason"));
    ensure!(approve(&rita, &["--reason", "ticket 7"])?.status.success());
    ensure!(!approve(&rita, &["--reason", "again"])?.status.success(), "one person is not two");
    ensure!(shown(&rita, &id)?.get("state") == Some(&"pending".into()));
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "100", "it ran on half a quorum");
    rita_is_not_enough(&lab, &adam, &id)?;
    waiting.done("DELETE 1")?;
    // What all of them granted: adam granted one run only.
    let view = shown(&rita, &id)?;
    ensure!(
        view.get("state") == Some(&"consumed".into()) && view.get("decided_by") == Some(&"rita, adam".into()),
        "{view}"
    );
    Ok(())
}

fn rita_is_not_enough(lab: &Lab, adam: &Agent, id: &str) -> Result<()> {
    let seen = adam.weir(&["approvals", "show", id])?;
    ensure!(seen.contains("2 people of admin and reviewer"), "{seen}");
    let seen = reviewer::without_script(lab, &format!("/approvals/{id}"), "adam", "approve", &["reason=ticket 7"])?;
    ensure!(seen.before.contains("rita") && seen.before.contains("ticket 7"), "{}", seen.before);
    Ok(())
}

/// Glass is broken where policy lets one; it is an alert, and until somebody else has looked, no more is broken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn glass_that_is_broken_must_be_reviewed() -> Result<()> {
    let mut lab = Lab::start().await?;
    let rule =
        "@id(\"break-glass\") permit (principal in Group::\"user\", action == Action::\"break_glass\", resource);";
    policies(&lab, |text| format!("{text}\n{rule}\n"))?;
    lab.restart_with(|config| config).await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 60")?;
    let id = alice.next_pending().await?;
    // Not an agent of hers, and not another.
    let weir = program("weir")?.get_program().to_string_lossy().into_owned();
    let nested = ["run", "--", &weir, "approvals", "break-glass", &id, "--reason", "fire", "--yes"];
    ensure!(!alice.try_weir(&nested)?.status.success(), "an agent broke the glass");
    ensure!(!rita.try_weir(&["approvals", "break-glass", &id, "--reason", "fire", "--yes"])?.status.success());
    alice.weir(&["approvals", "break-glass", &id, "--reason", "the shop is down", "--yes"])?;
    waiting.done("DELETE 1")?;
    ensure!(lab.audited("alert.glass_broken")?.len() == 1);

    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 61")?;
    let next = rita.next_pending().await?;
    let again = alice.try_weir(&["approvals", "break-glass", &next, "--reason", "more fire", "--yes"])?;
    ensure!(!again.status.success(), "broken twice without a review");
    ensure!(!alice.try_weir(&["approvals", "review", &id, "--reason", "fine"])?.status.success(), "her own");
    let page = format!("/approvals/{id}");
    let seen = reviewer::at_page(&lab, &page, "rita", "review", &["reason=it was right"])?;
    ensure!(
        seen.before.contains("broke the glass") && seen.after.contains("it was right"),
        "{} {}",
        seen.before,
        seen.after
    );
    alice.weir(&["approvals", "break-glass", &next, "--reason", "more fire", "--yes"])?;
    waiting.done("DELETE 1")?;
    Ok(())
}

/// The line at the end of `weir run` leads to what its agent did: to whom it belongs, and to nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_run_leads_to_its_page() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let query = "SELECT status FROM orders WHERE id = 1";
    let ran = alice.try_weir(&["run", "--connect", "shop-dev", "--", "psql", "-X", "-At", "-c", query])?;
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    let link = said.split_whitespace().find(|word| word.starts_with(lab.url())).with_context(|| said.clone())?;
    let path = link.strip_prefix(lab.url()).context("another host")?;
    let seen = reviewer::at_page(&lab, path, "alice", "look", &[])?;
    ensure!(seen.before.contains("What an agent did") && seen.before.contains("shop-dev"), "{}", seen.before);
    let sessions = weir_tests::agent::json(&alice.weir(&["sessions", "list", "--output", "json"])?)?;
    let id = sessions.first().and_then(|view| view.get("id")).and_then(Value::as_str).context("no session")?;
    let seen = reviewer::without_script(&lab, &format!("/sessions/{id}"), "alice", "look", &[])?;
    ensure!(seen.before.contains(query) && seen.before.contains("SELECT 1"), "{}", seen.before);
    for path in [path, &format!("/sessions/{id}")] {
        ensure!(reviewer::at_page(&lab, path, "rita", "look", &[])?.before.contains("not yours to see"), "{path}");
    }
    // Auditors, and administrators, do.
    ensure!(reviewer::at_page(&lab, path, "adam", "look", &[])?.before.contains("shop-dev"));
    Ok(())
}
