//! Decisions that need a passkey: real ceremonies, in a browser with a virtual authenticator; and what is no proof.

use crate::review::{Waiting, policies, shown};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::path::PathBuf;
use weir_tests::{
    agent::{Agent, Transport},
    lab::Lab,
    reviewer::{self, with_passkey},
};

/// A relay known by a name, where deciding a write takes a passkey.
async fn lab() -> Result<Lab> {
    let mut lab = Lab::start().await?;
    policies(&lab, |text| text.replace("@id(\"write\")", "@id(\"write\") @passkey"))?;
    lab.restart_named(|config| config).await?;
    Ok(lab)
}

/// What this user's authenticator holds.
fn passkeys_of(lab: &Lab, user: &str) -> PathBuf {
    lab.folder().join(format!("passkeys-{user}.json"))
}

fn text<'a>(results: &'a [Value], step: usize, field: &str) -> Result<&'a str> {
    let found = results.get(step).and_then(|result| result.get(field)).and_then(Value::as_str);
    found.with_context(|| format!("no {field} of step {step} in {results:?}"))
}

async fn two_pending(agent: &Agent) -> Result<[String; 2]> {
    for _ in 0..200 {
        let ids: Vec<String> =
            agent.pending()?.iter().filter_map(|view| Some(view.get("id")?.as_str()?.to_owned())).collect();
        if let Ok(two) = ids.try_into() {
            return Ok(two);
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    anyhow::bail!("no two requests came")
}

/// A write waits for a passkey: neither the CLI nor the page alone decides it; with one it runs, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_approved_with_a_passkey_and_runs_once() -> Result<()> {
    let lab = lab().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::WebSocket)?;
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 70")?;
    let id = rita.next_pending().await?;
    let page = format!("/approvals/{id}");

    for decision in [&["approve", &id, "--yes"][..], &["deny", &id]] {
        let refused = rita.try_weir(&[&["approvals"], decision].concat())?;
        let said = String::from_utf8_lossy(&refused.stderr);
        let told = said.contains("needs a passkey") && said.contains(&format!("{}{page}", lab.url()));
        ensure!(!refused.status.success() && told, "{said}");
    }
    let seen = reviewer::without_script(&lab, &page, "rita", "approve", &[])?;
    ensure!(seen.before.contains("needs this page's script"), "{}", seen.before);
    ensure!(seen.after.contains("this needs a passkey"), "{}", seen.after);

    let file = passkeys_of(&lab, "rita");
    let press = json!({ "do": "press", "path": page, "button": "approve", "fields": { "reason": "ticket 7" } });
    let done = with_passkey(&lab, "rita", &file, &json!([press, { "do": "add", "name": "work phone" }]))?;
    ensure!(text(&done, 0, "text")?.contains("you have no passkey"), "{done:?}");
    ensure!(text(&done, 1, "text")?.contains("work phone"), "{done:?}");
    ensure!(shown(&rita, &id)?.get("state") == Some(&"pending".into()), "decided without a passkey");
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "100");

    // In another session, with the passkey that was added in the first.
    let done = with_passkey(&lab, "rita", &file, &json!([press]))?;
    ensure!(text(&done, 0, "text")?.contains("ticket 7"), "{done:?}");
    waiting.done("DELETE 1")?;
    ensure!(shown(&rita, &id)?.get("state") == Some(&"consumed".into()));
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "99");
    let audited = |event: &str| anyhow::Ok(lab.audited(event)?.len());
    ensure!(audited("passkey.added")? == 1 && audited("passkey.used")? == 1 && audited("approval.used")? == 1);

    // The approval was for that run only; and who denies needs the passkey as well, and has it.
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 71")?;
    let id = rita.next_pending().await?;
    let deny = json!({ "do": "press", "path": format!("/approvals/{id}"), "button": "deny", "fields": { "reason": "not today" } });
    with_passkey(&lab, "rita", &file, &json!([deny]))?;
    let said = waiting.refused()?;
    ensure!(said.contains("not today"), "{said}");
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "99");
    Ok(())
}

/// What a passkey signed counts once, for that decision on that request, by that visitor; everything else is refused, and
/// in the audit log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_counts_once_for_one_decision_of_one_visitor() -> Result<()> {
    let lab = lab().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::WebSocket)?;
    let waiting = ["DELETE FROM orders WHERE id = 72", "DELETE FROM orders WHERE id = 73"];
    let _waiting = waiting.map(|statement| Waiting::begin(&lab, &shop, statement));
    let [one, other] = two_pending(&rita).await?.map(|id| format!("/approvals/{id}"));
    let (ritas, adams) = (passkeys_of(&lab, "rita"), passkeys_of(&lab, "adam"));
    let capture = json!({ "do": "capture", "path": one, "button": "approve", "fields": { "reason": "ticket 8" } });
    let post = |path: &str, fields: Value| json!({ "do": "post", "captured": true, "path": path, "fields": fields });
    let mut refused = 0;
    let mut expect = |results: &[Value], step: usize, why: &str| {
        refused += 1;
        let status = results.get(step).and_then(|result| result.get("status"));
        ensure!(
            status == Some(&403.into()) && text(results, step, "text")?.contains(why),
            "{step}: {why}: {results:?}"
        );
        Ok(())
    };

    // Another request; and what was refused once is no good for its own.
    with_passkey(&lab, "adam", &adams, &json!([{ "do": "add", "name": "key" }]))?;
    let steps = json!([{ "do": "add", "name": "key" }, capture, post(&other, json!({})), post(&one, json!({}))]);
    let done = with_passkey(&lab, "rita", &ritas, &steps)?;
    expect(&done, 2, "asked for something else")?;
    expect(&done, 3, "answered before")?;

    // Anything else on the form, one by one.
    let changes = [
        ("decision", "deny"),
        ("digest", "00"),
        ("identical", "9"),
        ("extent", "uses"),
        ("uses", "9"),
        ("minutes", "60"),
        ("reason", "ticket 9"),
        ("scope", "shop-prod"),
    ];
    let steps: Vec<Value> =
        changes.iter().flat_map(|(name, value)| [capture.clone(), post(&one, json!({ *name: value }))]).collect();
    let done = with_passkey(&lab, "rita", &ritas, &json!(steps))?;
    for step in 0..changes.len() {
        expect(&done, 2 * step + 1, "asked for something else")?;
    }

    // Nothing of what makes it one, or something else in its place.
    let steps = json!([
        capture, post(&one, json!({ "answer": "{}" })),
        capture, post(&one, json!({ "ceremony": "AAAA" })),
        { "do": "capture", "path": one, "button": "approve", "unverified": true }, post(&one, json!({})),
    ]);
    let done = with_passkey(&lab, "rita", &ritas, &steps)?;
    expect(&done, 1, "it is no passkey")?;
    expect(&done, 3, "never asked")?;
    expect(&done, 5, "not right")?;

    // Another visitor sends it; so does she, in another session of hers.
    for (user, file) in [("adam", &adams), ("rita", &ritas)] {
        let done = with_passkey(&lab, "rita", &ritas, &json!([capture]))?;
        let fields = done.first().and_then(|result| result.get("fields")).context("nothing captured")?;
        let done = with_passkey(&lab, user, file, &json!([{ "do": "post", "path": one, "fields": fields }]))?;
        expect(&done, 0, "asked in another session")?;
    }
    // Adam has her passkey in place of his: it answers him, and is not his.
    let stolen = lab.folder().join("stolen.json");
    std::fs::copy(&ritas, &stolen)?;
    let copied = std::fs::read(&ritas)?;
    let any = json!({ "do": "capture", "path": one, "button": "approve", "any": true });
    let done = with_passkey(&lab, "adam", &stolen, &json!([any, post(&one, json!({}))]))?;
    expect(&done, 1, "not by a passkey of yours")?;

    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "100", "something ran");
    ensure!(rita.pending()?.len() == 2, "something was decided");
    ensure!(lab.audited("passkey.used")?.is_empty());
    let audited = lab.audited("passkey.refused")?;
    ensure!(audited.len() == refused, "{} audited, {refused} refused", audited.len());
    let body = audited.first().and_then(|event| event.get("body")).context("no body")?;
    ensure!(other.ends_with(body.get("approval").and_then(Value::as_str).context("no approval")?), "{body}");

    // As it is, it counts; and the same once more does not.
    let done = with_passkey(&lab, "rita", &ritas, &json!([capture, post(&one, json!({})), post(&one, json!({}))]))?;
    ensure!(done.get(1).and_then(|result| result.get("status")) == Some(&200.into()), "{done:?}");
    ensure!(text(&done, 2, "text")?.contains("answered before"), "{done:?}");
    ensure!(lab.audited("approval.approved")?.len() == 1);
    // A copy of the passkey, made before its counter went on.
    std::fs::write(&ritas, copied)?;
    let copy = json!({ "do": "capture", "path": other, "button": "approve" });
    let done = with_passkey(&lab, "rita", &ritas, &json!([copy, post(&other, json!({}))]))?;
    ensure!(text(&done, 1, "text")?.contains("not right"), "a copy: {done:?}");
    Ok(())
}

/// Who has a passkey adds and removes others with it only. Without a name there are none; and policy may ask for one of who
/// decides, whatever the request says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passkeys_are_added_and_removed_with_a_passkey() -> Result<()> {
    let mut lab = Lab::start().await?;
    let seen = reviewer::at_page(&lab, "/passkeys", "rita", "look", &[])?;
    ensure!(seen.before.contains("no passkeys here"), "{}", seen.before);
    policies(&lab, |text| {
        format!(
            "{text}\n@id(\"present\") forbid (principal, action == Action::\"approve\", resource) unless {{ context.passkey }};\n"
        )
    })?;
    lab.restart_named(|config| config).await?;

    let (own, none) = (passkeys_of(&lab, "rita"), lab.folder().join("none.json"));
    let add = |name: &str| json!({ "do": "add", "name": name });
    let done = with_passkey(&lab, "rita", &own, &json!([add("first")]))?;
    ensure!(text(&done, 0, "text")?.contains("first"), "{done:?}");
    // Her password alone: not by the page, nor past it.
    let post = |path: &str| json!({ "do": "post", "path": path, "fields": { "name": "third" } });
    let done = with_passkey(
        &lab,
        "rita",
        &none,
        &json!([post("/passkeys/new"), post("/passkeys"), post("/passkeys/remove")]),
    )?;
    for step in 0..3 {
        ensure!(done.get(step).and_then(|result| result.get("status")) == Some(&403.into()), "{step}: {done:?}");
    }
    let done = with_passkey(&lab, "rita", &none, &json!([add("third")]))?;
    ensure!(text(&done, 0, "text")?.contains("No passkey answered"), "{done:?}");
    ensure!(lab.audited("passkey.added")?.len() == 1 && lab.audited("passkey.refused")?.len() == 3);

    // Policy lets nobody decide without a passkey.
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::WebSocket)?;
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 75")?;
    let id = rita.next_pending().await?;
    let refused = rita.try_weir(&["approvals", "approve", &id, "--yes"])?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(!refused.status.success() && said.contains("needs a passkey"), "{said}");
    let press = json!({ "do": "press", "path": format!("/approvals/{id}"), "button": "approve" });
    with_passkey(&lab, "rita", &own, &json!([press]))?;
    waiting.done("DELETE 1")?;

    let done = with_passkey(&lab, "rita", &own, &json!([{ "do": "remove" }]))?;
    ensure!(text(&done, 0, "text")?.contains("You have none"), "{done:?}");
    ensure!(lab.audited("passkey.removed")?.len() == 1);
    Ok(())
}
