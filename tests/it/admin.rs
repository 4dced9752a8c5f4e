//! The API for administrators and auditors: who may make which call, policies that are changed over it, the audit log.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use weir_tests::{
    agent::Transport,
    forger::{Forger, Reply},
    lab::{Lab, password_of, run},
};

const NO_DDL: &str = "@id(\"no-ddl\")\nforbid (principal, action == Action::\"sql.ddl\", resource);\n";
const ABSENT: &str = "01890000-0000-7000-8000-000000000000";

async fn lab() -> Result<Lab> {
    let lab = Lab::start().await?;
    let mut add = lab.admin_command()?;
    add.args(["user", "add", "otto", "--role", "auditor", "--password-stdin"]);
    run(&mut add, Some(&password_of("otto")))?;
    Ok(lab)
}

/// An agent of this one, with all of its right.
async fn child(lab: &Lab, parent: &Forger) -> Result<Forger> {
    let child = Forger::stranger(lab)?;
    let hop = parent.hop(child.thumbprint()?).await?;
    let (status, answer) = child.present(&hop.sign(&parent.key)?).await?;
    ensure!(status == 200, "{answer}");
    Ok(child)
}

/// Method, path and description of every operation.
fn operations(document: &Value) -> Result<Vec<(String, String, Value)>> {
    let mut operations = Vec::new();
    for (path, item) in document.get("paths").and_then(Value::as_object).context("no paths")? {
        for (method, operation) in item.as_object().context("no path item")? {
            let path = path.strip_prefix("/api/v1").context("another API")?.to_owned();
            operations.push((method.to_ascii_uppercase(), path, operation.clone()));
        }
    }
    Ok(operations)
}

fn roles(operation: &Value) -> Result<Vec<&str>> {
    let roles = operation.get("x-weir-roles").and_then(Value::as_array).context("no roles")?;
    Ok(roles.iter().filter_map(Value::as_str).collect())
}

fn title(reply: &Reply) -> &str {
    reply.body.get("title").and_then(Value::as_str).unwrap_or_default()
}

/// Every operation of the document, by each role: let in or refused as the document says. Who is nobody is never let in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_is_for_the_roles_that_the_document_says() -> Result<()> {
    let lab = lab().await?;
    let admin = Forger::root(&lab, "adam").await?;
    let delegated = child(&lab, &admin).await?;
    let callers = [
        ("user", Forger::root(&lab, "alice").await?),
        ("reviewer", Forger::root(&lab, "rita").await?),
        ("auditor", Forger::root(&lab, "otto").await?),
        // It has all that its parent may, and yet no role.
        ("admin's agent", delegated),
        ("admin", admin),
    ];
    let (status, document) = callers[0].1.get("/openapi.json").await?;
    ensure!(status == 200, "{document}");
    let operations = operations(&document)?;
    ensure!(operations.len() >= 25, "{}", operations.len());
    let stranger = Forger::stranger(&lab)?;
    let mut refused = 0;
    for (method, path, operation) in &operations {
        let place = path.replace("{id}", ABSENT).replace("{file}", "absent.cedar").replace("{name}", "absent");
        let body = (method != "GET").then_some("{}");
        let reply = stranger.call(method, &place, &[], body).await?;
        ensure!(reply.status == 401 && reply.kind == "application/problem+json", "{method} {path}: {}", reply.body);
        let roles = roles(operation)?;
        for (role, caller) in &callers {
            let reply = caller.call(method, &place, &[], body).await?;
            let what = format!("{method} {path} as {role}: {} {}", reply.status, reply.body);
            let by_role = reply.status == 403 && title(&reply).starts_with("this call is for");
            ensure!(by_role == !(roles.is_empty() || roles.contains(role)), "{what}");
            ensure!(reply.status < 500 && reply.status != 401 && reply.status != 405, "{what}");
            ensure!(reply.status < 400 || reply.kind == "application/problem+json", "{what}: {}", reply.kind);
            ensure!(title(&reply) != "no such call", "{what}");
            refused += usize::from(by_role && method != "GET");
        }
    }
    // Whoever tries to change what is not theirs to change is in the log.
    let alerts = lab.audited("alert.role_refused")?;
    ensure!(refused > 0 && alerts.len() == refused, "{refused}: {alerts:?}");
    ensure!(alerts.iter().any(|alert| alert.to_string().contains("PUT /api/v1/policies/{file}")), "{alerts:?}");
    Ok(())
}

async fn etag(caller: &Forger) -> Result<String> {
    let reply = caller.call("GET", "/policies", &[], None).await?;
    ensure!(reply.status == 200, "{}", reply.body);
    let tag = reply.etag.context("no ETag")?;
    ensure!(tag.trim_matches('"') == text(&reply.body, "/hash")?, "{tag}");
    Ok(tag)
}

fn text<'v>(value: &'v Value, at: &str) -> Result<&'v str> {
    value.pointer(at).and_then(Value::as_str).with_context(|| format!("no {at} in {value}"))
}

/// A change is judged with the others, whole, in force when it is answered, and in the log with both hashes; one by whoever
/// has not seen what is there, or that is not valid, changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_change_over_the_api() -> Result<()> {
    let lab = lab().await?;
    let (adam, root, alice) =
        (Forger::root(&lab, "adam").await?, Forger::root(&lab, "root").await?, lab.login("alice").await?);
    let first = etag(&adam).await?;
    let put = |text: &'static str, seen: String| {
        let adam = &adam;
        async move { adam.call("PUT", "/policies/no-ddl.cedar", &[("if-match", &seen)], Some(text)).await }
    };
    let file = lab.relay_folder().join("policies/no-ddl.cedar");
    for (text, seen, status) in [
        (NO_DDL, "\"0\"".to_owned(), 412),
        (NO_DDL, "*".to_owned(), 428),
        (NO_DDL, first.trim_matches('"').to_owned(), 428),
        ("\npermit (principal, action resource);", first.clone(), 422),
    ] {
        let reply = put(text, seen.clone()).await?;
        ensure!(reply.status == status && !file.exists(), "{seen}: {} {}", reply.status, reply.body);
        if status == 422 {
            ensure!(text_of(&reply, "/problems/0/file") == "no-ddl.cedar", "{}", reply.body);
            ensure!(reply.body.pointer("/problems/0/line") == Some(&json!(2)), "{}", reply.body);
        }
    }
    let bare = adam.call("PUT", "/policies/no-ddl.cedar", &[], Some(NO_DDL)).await?;
    ensure!(bare.status == 428, "{}", bare.body);
    for name in ["..%2Fweir-relay.toml", "a.txt", ".a.cedar"] {
        let reply = adam.call("PUT", &format!("/policies/{name}"), &[("if-match", &first)], Some(NO_DDL)).await?;
        ensure!(reply.status == 400, "{name}: {} {}", reply.status, reply.body);
    }
    ensure!(etag(&adam).await? == first);

    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let session = shop.client().await?;
    session.simple_query("SELECT 1").await?;
    let reply = put(NO_DDL, first.clone()).await?;
    ensure!(reply.status == 200, "{}", reply.body);
    // At once, for sessions that run as well.
    let refused = shop.refused("CREATE TABLE nothing (a int)")?;
    ensure!(refused.contains("no-ddl"), "{refused}");
    let second = etag(&root).await?;
    ensure!(text(&reply.body, "/in_force")? == second.trim_matches('"') && second != first, "{}", reply.body);
    // Another administrator who saw the first does not overwrite the second.
    let late = root.call("PUT", "/policies/no-ddl.cedar", &[("if-match", &first)], Some("// nothing\n")).await?;
    ensure!(late.status == 412 && std::fs::read_to_string(&file)? == NO_DDL, "{}", late.body);

    let gone = root.call("DELETE", "/policies/no-ddl.cedar", &[("if-match", &second)], None).await?;
    ensure!(gone.status == 200 && !file.exists() && etag(&root).await? == first, "{}", gone.body);
    let again = root.call("DELETE", "/policies/no-ddl.cedar", &[("if-match", &first)], None).await?;
    ensure!(again.status == 404, "{}", again.body);
    let last = root.call("DELETE", "/policies/default.cedar", &[("if-match", &first)], None).await?;
    ensure!(last.status == 422, "nothing would be permitted: {}", last.body);

    let changed = lab.audited("policy.changed")?;
    let said =
        |index: usize, at: &str| changed.get(index).and_then(|event| event.pointer(at)?.as_str()).unwrap_or_default();
    ensure!(changed.len() == 2, "{changed:?}");
    for (index, who, from, to) in [(0, "adam", &first, &second), (1, "root", &second, &first)] {
        ensure!(said(index, "/actor") == who && said(index, "/body/file") == "no-ddl.cedar", "{changed:?}");
        ensure!(said(index, "/body/from") == from.trim_matches('"') && said(index, "/body/to") == to.trim_matches('"'));
    }
    ensure!(!lab.audited("policy.change_refused")?.is_empty());
    ensure!(lab.audited("policy.loaded")?.len() == 2);
    Ok(())
}

fn text_of<'r>(reply: &'r Reply, at: &str) -> &'r str {
    reply.body.pointer(at).and_then(Value::as_str).unwrap_or_default()
}

/// Texts are checked with places, requests explained, and nothing changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_are_checked_and_explained() -> Result<()> {
    let lab = lab().await?;
    let otto = Forger::root(&lab, "otto").await?;
    let before = etag(&otto).await?;
    let check = async |text: &str| {
        otto.post("/policies/check", &json!({ "files": [{ "name": "a.cedar", "text": text }] })).await
    };
    let (status, good) = check(NO_DDL).await?;
    ensure!(status == 200 && good.get("problems") == Some(&json!([])) && good["hash"].is_string(), "{good}");
    let (status, bad) = check("@id(\"a\")\npermit (principal, action, resource)\nwhen { context.nope };").await?;
    ensure!(status == 200 && bad["hash"].is_null() && bad.pointer("/problems/0/line") == Some(&json!(3)), "{bad}");
    ensure!(bad.pointer("/problems/0/column").and_then(Value::as_u64) > Some(0), "{bad}");

    let ask = |more: Value| {
        let mut body = json!({ "user": "alice", "resource": "shop-prod", "sql": "DELETE FROM orders" });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        body
    };
    let (status, explained) = otto.post("/policies/explain", &ask(json!({ "depth": 1 }))).await?;
    ensure!(status == 200 && explained["outcome"] != "allow", "{explained}");
    ensure!(explained["hops"].as_array().map(Vec::len) == Some(2), "{explained}");
    for (more, status) in
        [(json!({ "user": "nobody" }), 404), (json!({ "depth": 65 }), 400), (json!({ "depth": -1 }), 422)]
    {
        let (answered, problem) = otto.post("/policies/explain", &ask(more.clone())).await?;
        ensure!(answered == status && problem["status"] == json!(status), "{more}: {answered} {problem}");
    }
    ensure!(etag(&otto).await? == before);
    Ok(())
}

/// A resource's settings tell where its credential comes from, and never what it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_is_shown_without_its_secret() -> Result<()> {
    let lab = lab().await?;
    let otto = Forger::root(&lab, "otto").await?;
    let (status, settings) = otto.get("/resources/shop-prod").await?;
    ensure!(status == 200 && text(&settings, "/credential")?.starts_with("file:"), "{settings}");
    ensure!(text(&settings, "/columns/0")? == "public.customers.ssn" && text(&settings, "/labels/env")? == "prod");
    let secret = std::fs::read_to_string(lab.postgres("PG_PASSWORD_FILE"))?;
    ensure!(!secret.trim().is_empty() && !settings.to_string().contains(secret.trim()), "{settings}");
    ensure!(otto.get("/resources/shop").await?.0 == 404);
    Ok(())
}

/// The audit log, newest first, by page, by name, by user.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auditors_read_the_log() -> Result<()> {
    let lab = lab().await?;
    let (otto, adam) = (Forger::root(&lab, "otto").await?, Forger::root(&lab, "adam").await?);
    for _ in 0..3 {
        let (status, _) = adam.post("/policies/check", &json!({ "files": [] })).await?;
        ensure!(status == 200);
    }
    let numbers = |page: &Value| -> Vec<i64> {
        let events = page["events"].as_array().into_iter().flatten();
        events.filter_map(|event| event["sequence"].as_i64()).collect()
    };
    let (status, all) = otto.get("/audit").await?;
    let all_numbers = numbers(&all);
    ensure!(status == 200 && all_numbers.len() > 3 && all_numbers.is_sorted_by(|one, next| one > next), "{all}");
    let mut paged = Vec::new();
    let mut next = String::new();
    loop {
        let (_, page) = otto.get(&format!("/audit?limit=2{next}")).await?;
        paged.extend(numbers(&page));
        let Some(before) = page["next"].as_i64() else { break };
        next = format!("&before={before}");
    }
    ensure!(paged == all_numbers, "{paged:?} {all_numbers:?}");
    let (_, checked) = otto.get("/audit?event=policy.&actor=adam").await?;
    ensure!(numbers(&checked).len() == 3, "{checked}");
    let at = checked["events"][0]["at"].as_i64().context("no time")?;
    let (_, since) = otto.get(&format!("/audit?event=policy.&since={at}")).await?;
    ensure!(numbers(&since).len() == 1, "{since}");
    ensure!(numbers(&otto.get("/audit?event=policy.&actor=otto").await?.1).is_empty());
    let (status, problem) = otto.get("/audit?limit=many").await?;
    ensure!(status == 400 && problem["kind"] == "usage", "{problem}");
    Ok(())
}
