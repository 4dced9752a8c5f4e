//! The API for administrators and auditors: who may make which call, policies that are changed over it, the audit log.

mod cli;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::{collections::BTreeSet, process::Command};
use weir_shared::{hop::Bearer, scope::Scope};
use weir_tests::{
    agent::Transport,
    forger::{Forger, Reply},
    lab::{Lab, password_of, run},
    login,
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
            ensure!(by_role != (roles.is_empty() || roles.contains(role)), "{what}");
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
    let (status, large) = check(&format!("// {}\n{NO_DDL}", "x".repeat(200_000))).await?;
    ensure!(status == 200 && large["hash"].is_string() && large["hash"] != good["hash"], "{status} {large}");
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
    // Other calls take small bodies only.
    let (status, problem) = otto.post("/policies/explain", &ask(json!({ "sql": " ".repeat(100_000) }))).await?;
    ensure!(status == 413 && problem["kind"] == "limit", "{status} {problem}");
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

/// What is asked for by an agent of this one whose scope is reading: id and digest.
async fn asked(lab: &Lab, parent: &Forger, action: &str) -> Result<(String, String)> {
    let child = Forger::stranger(lab)?;
    let mut hop = parent.hop(child.thumbprint()?).await?;
    hop.scope = Scope::of(vec!["shop-dev:sql.read".parse()?]);
    let (status, answer) = child.present(&hop.sign(&parent.key)?).await?;
    ensure!(status == 200, "{answer}");
    let body = json!({ "scope": format!("shop-dev:{action}"), "window": 60, "because": "to mend it" });
    let (status, request) = child.post("/approvals", &body).await?;
    ensure!(status == 200, "{request}");
    Ok((text(&request, "/id")?.to_owned(), text(&request, "/digest")?.to_owned()))
}

/// Every operation that changes something, or could, leaves an event that says who it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_that_changes_something_is_in_the_log() -> Result<()> {
    const GLASS: &str =
        "@id(\"glass\") permit (principal in Group::\"user\", action == Action::\"break_glass\", resource);";
    let lab = lab().await?;
    let (adam, alice, rita) =
        (Forger::root(&lab, "adam").await?, Forger::root(&lab, "alice").await?, Forger::root(&lab, "rita").await?);
    let (_, document) = adam.get("/openapi.json").await?;
    let mut left: BTreeSet<String> = operations(&document)?
        .into_iter()
        .filter(|(method, ..)| method != "GET")
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();

    let first = etag(&adam).await?;
    let put = adam.call("PUT", "/policies/glass.cedar", &[("if-match", &first)], Some(GLASS)).await?;
    ensure!(put.status == 200, "{}", put.body);
    let requests = [
        asked(&lab, &alice, "sql.write").await?,
        asked(&lab, &alice, "sql.ddl").await?,
        asked(&lab, &alice, "sql.admin").await?,
    ];
    let [(approved, digest), (denied, _), (broken, glass)] = &requests;
    let mut hop = alice.hop(alice.thumbprint()?).await?;
    hop.cnf = Bearer::Ticket("ab".repeat(32));
    let ticket = json!({ "hop": hop.sign(&alice.key)?, "redeem_within": 60 });
    let target = child(&lab, &alice).await?.get("/whoami").await?.1;
    let target = text(&target, "/agent")?;
    let explain = json!({ "user": "alice", "resource": "shop-dev" });
    let calls = [
        ("POST /policies/check", &adam, "/policies/check".to_owned(), json!({ "files": [] }), "policy.checked"),
        ("POST /policies/explain", &adam, "/policies/explain".to_owned(), explain, "policy.explained"),
        (
            "POST /approvals/{id}/approve",
            &rita,
            format!("/approvals/{approved}/approve"),
            json!({ "digest": digest }),
            "approval.approved",
        ),
        (
            "POST /approvals/{id}/deny",
            &rita,
            format!("/approvals/{denied}/deny"),
            json!({ "reason": "no" }),
            "approval.denied",
        ),
        (
            "POST /approvals/{id}/break-glass",
            &alice,
            format!("/approvals/{broken}/break-glass"),
            json!({ "digest": glass, "reason": "fire" }),
            "alert.glass_broken",
        ),
        (
            "POST /approvals/{id}/review",
            &rita,
            format!("/approvals/{broken}/review"),
            json!({ "reason": "seen" }),
            "approval.reviewed",
        ),
        ("POST /tickets", &alice, "/tickets".to_owned(), ticket, "ticket.made"),
        ("POST /agents/{id}/end", &alice, format!("/agents/{target}/end"), json!({}), "agent.ended"),
    ];
    for (operation, caller, path, body, event) in calls {
        let (_, who) = caller.get("/whoami").await?;
        let (status, answer) = caller.post(&path, &body).await?;
        ensure!(status == 200, "{operation}: {status} {answer}");
        let events = lab.audited(event)?;
        ensure!(events.iter().any(|event| event["actor"] == who["user"]), "{operation}: {events:?}");
        ensure!(left.remove(operation), "{operation} is not in the document");
    }
    ensure!(lab.audited("approval.requested")?.len() == 3 && left.remove("POST /approvals"));
    let second = etag(&adam).await?;
    let gone = adam.call("DELETE", "/policies/glass.cedar", &[("if-match", &second)], None).await?;
    ensure!(gone.status == 200 && lab.audited("policy.changed")?.len() == 2, "{}", gone.body);
    ensure!(left.remove("PUT /policies/{file}") && left.remove("DELETE /policies/{file}"));
    // Those of resources: `resources::a_resource_is_made_changed_and_deleted`.
    ensure!(left.remove("PUT /resources/{name}") && left.remove("DELETE /resources/{name}"));
    ensure!(left.is_empty(), "whether these are audited is not known: {left:?}");
    Ok(())
}

/// As README says it: a key of one's own, a code that is confirmed in a browser, and then curl.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_is_enough() -> Result<()> {
    let lab = lab().await?;
    std::fs::write(lab.folder().join("no-ddl.cedar"), NO_DDL)?;
    let shell = |script: &str| {
        let prelude = format!(
            "set -euo pipefail; relay={}; \
             api() {{ curl -sS --fail-with-body --cacert '{}' --cert me.pem --key me.key \"$@\"; }}; ",
            lab.url(),
            lab.ca().display()
        );
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("{prelude}{script}")]).current_dir(lab.folder());
        bash
    };
    let begin = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=me \
                 -keyout me.key -out me.pem 2>/dev/null
                 api $relay/oauth/device_authorization -d client_id=weir-cli";
    let begun: Value = serde_json::from_str(&run(&mut shell(begin), None)?)?;
    let (page, code) = (text(&begun, "/verification_uri")?, text(&begun, "/user_code")?);
    let browser = login::browser(&lab.ca())?;
    login::confirm(&browser, page, code, "adam", &password_of("adam"), true).await?;
    let token = format!(
        "api $relay/oauth/token -d client_id=weir-cli -d device_code={} \
         -d grant_type=urn:ietf:params:oauth:grant-type:device_code > /dev/null",
        text(&begun, "/device_code")?
    );
    run(&mut shell(&token), None)?;
    let change = "etag=$(api -o /dev/null -D - $relay/api/v1/policies | sed -n 's/^etag: //Ip' | tr -d '\\r')
                  api -X PUT $relay/api/v1/policies/no-ddl.cedar -H \"If-Match: $etag\" -H 'Content-Type: text/plain' \
                  --data-binary @no-ddl.cedar";
    let changed: Value = serde_json::from_str(&run(&mut shell(change), None)?)?;
    ensure!(changed["hash"] == changed["in_force"] && changed.to_string().contains("no-ddl.cedar"), "{changed}");
    let read: Value = serde_json::from_str(&run(&mut shell("api $relay/api/v1/audit'?event=policy.changed'"), None)?)?;
    ensure!(text(&read, "/events/0/actor")? == "adam", "{read}");
    Ok(())
}

/// What a login was made for bounds its roles: who may decide requests in an administrator's name changes no policies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_changes_policies_only_with_its_scope() -> Result<()> {
    let lab = lab().await?;
    let narrow = Forger::root_with(&lab, "adam", "weir:read weir:approve").await?;
    let before = etag(&narrow).await?;
    for (method, body) in [("PUT", Some(NO_DDL)), ("DELETE", None)] {
        let reply = narrow.call(method, "/policies/default.cedar", &[("if-match", &before)], body).await?;
        ensure!(
            reply.status == 403 && title(&reply).contains("weir:admin"),
            "{method}: {} {}",
            reply.status,
            reply.body
        );
    }
    ensure!(etag(&narrow).await? == before);
    let only_admin = Forger::root_with(&lab, "adam", "weir:admin").await?;
    let reply = only_admin.call("GET", "/policies", &[], None).await?;
    ensure!(reply.status == 403 && title(&reply).contains("weir:read"), "{}", reply.body);
    Ok(())
}
