//! Policies: what may be seen in clear, connections that would wait for a human, and files that change while sessions run.

use anyhow::{Context as _, Result, ensure};
use std::time::{Duration, Instant};
use weir_tests::{agent::Transport, lab::Lab};

/// Of customer 1.
const SECRET: &str = "536-90-4399";
const SUPPORT: &str = r#"@id("support-sees-ssn")
permit (principal in Group::"admin", action == Action::"unmasked", resource in Env::"dev")
when { context.column.name == "ssn" && context.column.relation == "public.customers" && context.agent.depth == 0 };
"#;

fn write(lab: &Lab, name: &str, text: &str) -> Result<()> {
    // Whole at once, as an editor does.
    let folder = lab.relay_folder().join("policies");
    std::fs::write(folder.join(".new"), text)?;
    Ok(std::fs::rename(folder.join(".new"), folder.join(name))?)
}

/// Waits until the audit log has so many events of this name.
async fn audited(lab: &Lab, event: &str, count: usize) -> Result<Vec<serde_json::Value>> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let events = lab.audited(event)?;
        if events.len() >= count {
            return Ok(events);
        }
        ensure!(Instant::now() < until, "{event} is not audited:\n{}", lab.relay()?.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn one(client: &tokio_postgres::Client, text: &str) -> Result<String> {
    use tokio_postgres::SimpleQueryMessage::Row;
    let messages = client.simple_query(text).await.with_context(|| text.to_owned())?;
    let row = messages.iter().find_map(|message| match message {
        Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    Ok(row.unwrap_or_default())
}

async fn code(client: &tokio_postgres::Client, text: &str) -> Option<String> {
    let error = client.simple_query(text).await.err()?;
    error.code().map(|code| code.code().to_owned())
}

/// A labelled column is shown to whom policy shows it, and only where it is certain to be that column.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labelled_columns_are_seen_by_whom_policy_names() -> Result<()> {
    const SSN: &str = "SELECT ssn FROM customers WHERE id = 1";
    let lab = Lab::start().await?;
    let (adam, alice) = (lab.login("adam").await?, lab.login("alice").await?);
    let open = adam.connect("shop-dev", Transport::Quic)?;
    let session = open.client().await?;
    let ports = (alice.connect("shop-dev", Transport::WebSocket)?, adam.connect("shop-prod", Transport::Quic)?);
    let (others, prod) = (ports.0.client().await?, ports.1.client().await?);
    ensure!(one(&session, SSN).await? == "[masked]", "no rule means masked");
    write(&lab, "support.cedar", SUPPORT)?;
    audited(&lab, "policy.loaded", 1).await?;

    // The same session, at its next statement; text and binary format.
    ensure!(one(&session, SSN).await? == SECRET, "{}", one(&session, SSN).await?);
    let row = session.query_one(SSN, &[]).await?;
    ensure!(row.get::<_, &str>(0) == SECRET);
    // Lines of COPY are searched as a whole: what looks like personal data is masked by its pattern there.
    let copied = open.sql("COPY customers (id, ssn) TO STDOUT")?;
    ensure!(!copied.contains("[masked]") && copied.contains("[masked:us-ssn]"), "{copied}");
    for (client, who) in [(&others, "another's role"), (&prod, "another environment")] {
        ensure!(one(client, SSN).await? == "[masked]", "{who}");
    }
    // What cannot be traced stays masked, and what detectors find does.
    for text in [
        "SELECT substr(ssn, 1) FROM customers WHERE id = 1",
        "SELECT c::text FROM customers c WHERE id = 1",
        "SELECT ssn FROM (SELECT ssn || '' AS ssn FROM customers WHERE id = 1) x",
        "SELECT email FROM customers WHERE id = 1",
    ] {
        let seen = one(&session, text).await?;
        ensure!(!seen.contains(SECRET) && !seen.contains("ada@example.com"), "{text}: {seen}");
    }
    // Nothing is certain while what is labelled may have changed.
    session.batch_execute("BEGIN; ALTER TABLE customers RENAME COLUMN ssn TO number").await?;
    ensure!(one(&session, "SELECT number FROM customers WHERE id = 1").await? == "[masked]");
    session.batch_execute("ROLLBACK").await?;
    // And a nested agent is not the support.
    let weir = weir_tests::process::program("weir")?.get_program().to_string_lossy().into_owned();
    let command = ["run", "--", &weir, "run", "--connect", "shop-dev", "--", "psql", "-X", "-At", "-c", SSN];
    let nested = adam.weir(&command)?;
    ensure!(nested.trim() == "[masked]", "{nested}");

    std::fs::remove_file(lab.relay_folder().join("policies/support.cedar"))?;
    audited(&lab, "policy.loaded", 2).await?;
    ensure!(one(&open.client().await?, SSN).await? == "[masked]", "taken away again");
    Ok(())
}

/// Sessions that run take new policies at their next statement; files that are not valid change nothing, and that is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_change_under_sessions_that_run() -> Result<()> {
    const READ: &str = "SELECT status FROM orders WHERE id = 1";
    const FORBID: &str = "@id(\"no-orders\") @message(\"orders are closed today\") @next(\"come back tomorrow\")
        forbid (principal, action == Action::\"sql.read\", resource) when { context.sql.reads.contains(\"orders\") };";
    let lab = Lab::start().await?;
    let (root, alice) = (lab.login("root").await?, lab.login("alice").await?);
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let session = shop.client().await?;
    ensure!(one(&session, READ).await? == "open");

    write(&lab, "more.cedar", "@id(\"broken\") permit (principal, action, resource) when { context.nope };")?;
    let refused = audited(&lab, "policy.refused", 1).await?;
    ensure!(refused.iter().any(|event| event.to_string().contains("more.cedar:1:")), "{refused:?}");
    ensure!(one(&session, READ).await? == "open", "the earlier policies stay");
    ensure!(root.weir(&["status"])?.contains("more.cedar:1:"), "{}", root.weir(&["status"])?);

    write(&lab, "more.cedar", FORBID)?;
    let loaded = audited(&lab, "policy.loaded", 1).await?;
    ensure!(code(&session, READ).await.as_deref() == Some("42501"), "what was decided before counts no more");
    let error = shop.refused(READ)?;
    for part in ["no-orders", "orders are closed today", "come back tomorrow"] {
        ensure!(error.contains(part), "{part}: {error}");
    }
    ensure!(!root.weir(&["status"])?.contains("NOT LOADED"));

    // SIGHUP does not wait. A connection that is permitted no longer is not served either.
    write(&lab, "more.cedar", "@id(\"shut\") forbid (principal, action == Action::\"connect\", resource);")?;
    weir_tests::process::signal(lab.relay()?.pid(), "HUP")?;
    audited(&lab, "policy.loaded", 2).await?;
    for text in ["SELECT 1", "BEGIN"] {
        ensure!(code(&session, text).await.as_deref() == Some("42501"), "{text}");
    }
    ensure!(!shop.refused("SELECT 1")?.is_empty());

    // The recording says from where on which policies ruled.
    drop(session);
    let sessions = alice.weir(&["sessions", "list", "--output", "json"])?;
    let first = weir_tests::agent::json(&sessions)?.last().context("no session")?.clone();
    let id = first.get("id").and_then(|id| id.as_str()).context("no id")?.to_owned();
    let replay = alice.weir(&["sessions", "replay", &id])?;
    let to = loaded.first().and_then(|event| event.pointer("/body/to")).and_then(|to| to.as_str());
    ensure!(replay.contains(&format!("policy is now {}", to.context("no hash")?)), "{replay}");
    ensure!(replay.contains("[no-orders]") && replay.contains("[shut]"), "{replay}");
    Ok(())
}

/// What was recorded is judged again by other policies; nothing but the audit log changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_recorded_is_judged_again() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    ensure!(shop.sql("SELECT status FROM orders WHERE id = 1")? == "open");
    ensure!(shop.sql("SELECT count(*) FROM customers WHERE email = 'ada@example.com'")? == "1");
    shop.refused("DROP TABLE orders")?;
    ensure!(lab.admin(&["policy", "replay", "--since", "1h"])?.is_empty(), "the same policies decide the same");

    let other = lab.folder().join("other");
    std::fs::create_dir(&other)?;
    let text = std::fs::read_to_string(lab.relay_folder().join("policies/default.cedar"))?;
    let more = "@id(\"no-orders\") forbid (principal, action == Action::\"sql.read\", resource)
        when { context.sql.reads.contains(\"orders\") };";
    std::fs::write(other.join("a.cedar"), format!("{text}{more}"))?;
    let folder = other.display().to_string();
    let lines = lab.admin(&["--output", "json", "policy", "replay", "--since", "1h", "--policies", &folder])?;
    let lines = weir_tests::agent::json(&lines)?;
    ensure!(lines.len() == 1, "{lines:?}");
    let said = |name: &str| lines.first().and_then(|line| line.get(name)).map(ToString::to_string).unwrap_or_default();
    ensure!(said("before").contains("allow") && said("after").contains("deny"), "{lines:?}");
    ensure!(said("policies").contains("no-orders") && said("text").contains("FROM orders"), "{lines:?}");
    ensure!(lab.audited("policy.replayed")?.len() == 2);
    Ok(())
}

/// No rule for `connect` under `unattended` means that a human is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_without_a_rule_for_unattended_is_held() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    write(
        &lab,
        "held.cedar",
        "@id(\"prod-attended\") forbid (principal, action == Action::\"unattended\", resource in Env::\"prod\") \
         when { context.action == \"connect\" };",
    )?;
    audited(&lab, "policy.loaded", 1).await?;
    let list = alice.weir(&["list", "--output", "json"])?;
    let prod = weir_tests::agent::json(&list)?.into_iter().find(|resource| resource.to_string().contains("shop-prod"));
    let prod = prod.context("a resource that a human may open is listed")?;
    ensure!(prod.pointer("/rights/connect").and_then(|right| right.as_str()) == Some("hold"), "{prod}");
    ensure!(alice.connect("shop-dev", Transport::Quic)?.sql("SELECT 1")? == "1");
    Ok(())
}

/// A rule in shadow or warn is not enforced; that it matched is recorded and counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_enforced_is_recorded_and_counted() -> Result<()> {
    let mut lab = Lab::start().await?;
    let metrics = lab.reserve()?;
    lab.restart_with(|config| format!("metrics = \"{metrics}\"\n{config}")).await?;
    let alice = lab.login("alice").await?;
    write(
        &lab,
        "shadow.cedar",
        "@id(\"try\") @enforce(\"shadow\") forbid (principal, action == Action::\"sql.read\", resource);
         @id(\"soon\") @enforce(\"warn\") @message(\"denied from May on\")
         forbid (principal, action == Action::\"sql.read\", resource) when { context.sql.reads.contains(\"orders\") };",
    )?;
    audited(&lab, "policy.loaded", 1).await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    ensure!(shop.sql("SELECT status FROM orders WHERE id = 1")? == "open");
    let shown = reqwest::get(format!("http://{metrics}/metrics")).await?.text().await?;
    for kind in ["shadow", "warn"] {
        let series = format!("weir_policy_notices_total{{resource=\"shop-dev\",kind=\"{kind}\"}} 1");
        ensure!(shown.contains(&series), "{series}: {shown}");
    }
    let sessions = weir_tests::agent::json(&alice.weir(&["sessions", "list", "--output", "json"])?)?;
    let id = sessions.first().and_then(|session| session.get("id")?.as_str()).context("no session")?;
    let replay = alice.weir(&["sessions", "replay", id])?;
    ensure!(replay.contains("shadow try") && replay.contains("warn soon denied from May on"), "{replay}");
    Ok(())
}
