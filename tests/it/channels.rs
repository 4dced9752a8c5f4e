//! Being told of requests, and deciding them, over a signed webhook and over Slack. Slack and the webhook's receiver are
//! stand-ins of the test's own; everything else is real.

use super::review::Waiting;
use anyhow::{Context as _, Result, ensure};
use reqwest::{StatusCode, Url};
use serde_json::{Value, json};
use std::time::Duration;
use weir_tests::{
    agent::{Agent, Transport},
    lab::Lab,
    login,
    stand_in::now,
    told::{CHANNEL, HANGS, Receiver, Told, slack_signature, webhook_signature},
};

const TOKEN: &str = "xoxb-900000000001-planted-Token-4711";
const SIGNING: &str = "8f742231b10e8888abcd99planted85a5";
const HOOK: &str = "whsec_cGxhbnRlZC13ZWJob29rLXNlY3JldC00NzEx";
const POST: &str = "/api/chat.postMessage";
const UPDATE: &str = "/api/chat.update";

fn policy(lab: &Lab, channel: &str) -> Result<()> {
    let file = lab.relay_folder().join("policies/default.cedar");
    let text = std::fs::read_to_string(&file)?;
    let (from, to) =
        ("context.channel == \"web\"", format!("context.channel == \"web\" || context.channel == \"{channel}\""));
    ensure!(text.contains(from));
    Ok(std::fs::write(file, text.replace(from, &to))?)
}

/// A lab whose relay has a Slack, which is the receiver.
async fn with_slack(permitted: bool) -> Result<(Lab, Receiver)> {
    let (mut lab, slack) = (Lab::start().await?, Receiver::start()?);
    std::fs::write(lab.relay_folder().join("keys/slack-token"), TOKEN)?;
    std::fs::write(lab.relay_folder().join("keys/slack-signing"), SIGNING)?;
    if permitted {
        policy(&lab, "slack")?;
    }
    let table = format!(
        "\n[approvals.slack]\ntoken = \"file:keys/slack-token\"\nsigning_secret = \"file:keys/slack-signing\"\n\
         channel = \"{CHANNEL}\"\nbase_url = \"{}/api\"\nhttp = true\n\
         users = {{ U0RITA = \"rita\", U0ALICE = \"alice\", U0NOBODY = \"nobody\" }}\n",
        slack.url()
    );
    lab.restart_with(|config| config + &table).await?;
    Ok((lab, slack))
}

/// A button of a message, pressed.
#[derive(Clone)]
struct Press {
    user: &'static str,
    action: &'static str,
    value: String,
    channel: &'static str,
    secret: &'static str,
    age: i64,
    response: String,
    /// Makes it another one.
    number: u32,
}

impl Press {
    fn of(told: &Told, slack: &Receiver) -> Result<Self> {
        let body = told.json();
        let blocks = body.get("blocks").and_then(Value::as_array).context("no blocks")?;
        let value = blocks.iter().find_map(|block| block.pointer("/elements/0/value")).and_then(Value::as_str);
        Ok(Self {
            user: "U0RITA",
            action: "approve",
            value: value.context("no button")?.to_owned(),
            channel: CHANNEL,
            secret: SIGNING,
            age: 0,
            response: format!("{}/response", slack.url()),
            number: 0,
        })
    }

    fn body(&self) -> String {
        let payload = json!({
            "type": "block_actions", "user": { "id": self.user }, "channel": { "id": self.channel },
            "container": { "type": "message", "message_ts": "1700000000.000009", "channel_id": self.channel },
            "response_url": self.response, "trigger_id": self.number.to_string(),
            "actions": [{ "action_id": self.action, "block_id": "decision", "value": self.value }],
        });
        let form = Url::parse_with_params("http://x/", [("payload", payload.to_string())]);
        form.ok().and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
    }

    async fn send(&self, lab: &Lab) -> Result<StatusCode> {
        self.send_at(lab, now() - self.age).await
    }

    async fn send_at(&self, lab: &Lab, time: i64) -> Result<StatusCode> {
        let body = self.body();
        let signature = slack_signature(self.secret, time, body.as_bytes());
        let request = login::browser(&lab.ca())?.post(format!("{}/slack/interactions", lab.url()));
        let request = request.header("x-slack-request-timestamp", time).header("x-slack-signature", signature);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        Ok(request.send().await?.status())
    }
}

fn has_buttons(told: &Told) -> bool {
    told.json()
        .get("blocks")
        .and_then(Value::as_array)
        .is_some_and(|blocks| blocks.iter().any(|block| block.get("type") == Some(&"actions".into())))
}

fn says(told: &Told, text: &str) -> bool {
    String::from_utf8_lossy(&told.body).contains(text)
}

fn orders(lab: &Lab) -> Result<String> {
    Ok(lab.sql("SELECT count(*) FROM orders")?.trim().to_owned())
}

/// Why the audit log says that decisions over a channel were refused.
fn refusals(lab: &Lab) -> Result<Vec<String>> {
    let why = |event: &Value| event.pointer("/body/why").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(lab.audited("channel.refused")?.iter().map(why).collect())
}

fn nothing_leaked(lab: &Lab) -> Result<()> {
    let log = std::fs::read_to_string(lab.relay_log())?;
    for secret in [TOKEN, SIGNING, HOOK, HOOK.trim_start_matches("whsec_")] {
        ensure!(!log.contains(secret), "the log holds a secret");
    }
    Ok(())
}

fn shown(agent: &Agent, id: &str) -> Result<Value> {
    Ok(serde_json::from_str(&agent.weir(&["approvals", "show", id, "--output", "json"])?)?)
}

/// A DELETE waits; its message has buttons since policy permits Slack; whoever is not who may decide this, exactly, is refused;
/// the reviewer's button lets it run, once; the message says who it was, and has no buttons any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_button_in_slack_lets_it_run_once() -> Result<()> {
    let (lab, slack) = with_slack(true).await?;
    let elsewhere = Receiver::start()?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    // Slack asks for patience first.
    slack.answers(&["429 Too Many Requests\r\nretry-after: 1", "500 Internal Server Error"]);
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 42")?;
    let other = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id > 42")?;
    let posted = slack.wait(POST, |told| says(told, "WHERE id = 42") && has_buttons(told)).await?;
    let other_posted = slack.wait(POST, |told| says(told, "WHERE id &gt; 42")).await?;
    ensure!(posted.header("authorization") == format!("Bearer {TOKEN}") && slack.told(POST).len() >= 4);
    let body = posted.json();
    ensure!(body.get("channel") == Some(&CHANNEL.into()), "{body}");
    for expected in [
        "alice asks: sql.write on shop-prod",
        "Writes: orders",
        "Estimate: 1 row",
        "Delete on orders",
        "/approvals/",
        "Written by the requester",
    ] {
        ensure!(says(&posted, expected), "{expected} is missing in {body:#}");
    }

    let good = Press::of(&posted, &slack)?;
    let other_value = Press::of(&other_posted, &slack)?.value;
    let parts = |value: &str| value.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let [(id, digest), (other_id, other_digest)] = [&good.value, &other_value].map(|value| {
        let parts = parts(value);
        (parts[0].clone(), parts[1].clone())
    });
    let value = |id: &str, digest: &str| format!("{id} {digest} 1");
    // Not Slack.
    for forged in [Press { secret: "another", ..good.clone() }, Press { age: 301, ..good.clone() }] {
        ensure!(forged.send(&lab).await? == StatusCode::UNAUTHORIZED);
    }
    // Slack, but not who may decide this, exactly.
    let unknown = uuid_like(&id);
    let attacks = [
        (Press { user: "U0EVE", ..good.clone() }, "does not know you"),
        (Press { user: "U0NOBODY", ..good.clone() }, "no such person"),
        (Press { user: "U0ALICE", ..good.clone() }, "nobody decides their own request"),
        (Press { user: "U0ALICE", action: "deny", ..good.clone() }, "nobody decides their own request"),
        (Press { value: value(&id, &other_digest), ..good.clone() }, "digest is not this request's"),
        (Press { value: value(&other_id, &digest), ..good.clone() }, "digest is not this request's"),
        (Press { value: value(&other_id, &digest), action: "deny", ..good.clone() }, "digest is not this request's"),
        (Press { value: value(&unknown, &digest), ..good.clone() }, "no approval"),
        (Press { value: "x".into(), ..good.clone() }, "no button of weir's"),
        (Press { channel: "C0OTHER", ..good.clone() }, "not the channel"),
        (Press { action: "break-glass", ..good.clone() }, "no button of weir's"),
    ];
    for (attack, why) in attacks {
        let before = refusals(&lab)?.len();
        // What went wrong is not told where an attacker wants it.
        let attack = Press { response: format!("{}/response", elsewhere.url()), ..attack };
        ensure!(attack.send(&lab).await? == StatusCode::OK);
        let said = refusals(&lab)?;
        ensure!(said.len() == before + 1 && said.last().is_some_and(|said| said.contains(why)), "{why}: {said:?}");
    }
    ensure!(elsewhere.told("/response").is_empty(), "the relay sent something where an attacker said");
    ensure!(orders(&lab)? == "100" && shown(&rita, &id)?.get("state") == Some(&"pending".into()));

    let time = now();
    ensure!(good.send_at(&lab, time).await? == StatusCode::OK);
    waiting.done("DELETE 1")?;
    ensure!(orders(&lab)? == "99");
    let view = shown(&rita, &id)?;
    ensure!(view.pointer("/votes/0/channel") == Some(&"slack".into()), "{view}");
    let updated = slack.wait(UPDATE, |told| says(told, "approved by rita")).await?;
    ensure!(!has_buttons(&updated) && says(&updated, "WHERE id = 42"), "{:#}", updated.json());

    // The same bytes again, and the button again.
    ensure!(good.send_at(&lab, time).await? == StatusCode::CONFLICT);
    ensure!(refusals(&lab)?.last().is_some_and(|said| said.contains("came before")));
    let again = Press { number: 1, ..good.clone() };
    ensure!(again.send(&lab).await? == StatusCode::OK);
    let told = slack.wait("/response", |told| says(told, "no longer pending")).await?;
    ensure!(told.json().get("response_type") == Some(&"ephemeral".into()));
    ensure!(orders(&lab)? == "99");

    // No, by a button.
    ensure!(Press { value: other_value, action: "deny", ..good }.send(&lab).await? == StatusCode::OK);
    ensure!(other.refused()?.contains("rita"));
    slack.wait(UPDATE, |told| says(told, "denied by rita") && !has_buttons(told)).await?;
    ensure!(lab.audited("channel.vouched")?.iter().any(|event| event.pointer("/body/who") == Some(&"U0RITA".into())));
    nothing_leaked(&lab)
}

/// Another id of the same form.
fn uuid_like(id: &str) -> String {
    let last = if id.ends_with('0') { "1" } else { "0" };
    format!("{}{last}", &id[..id.len() - 1])
}

/// Policy decides about the channel: the default one has no buttons, and refuses one that is pressed all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slack_only_tells_unless_policy_says_more() -> Result<()> {
    let (lab, slack) = with_slack(false).await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 1")?;
    let id = rita.next_pending().await?;
    let posted = slack.wait(POST, |told| says(told, &id)).await?;
    ensure!(!has_buttons(&posted));
    let digest = shown(&rita, &id)?.get("digest").and_then(Value::as_str).context("no digest")?.to_owned();
    let press = Press {
        user: "U0RITA",
        action: "approve",
        value: format!("{id} {digest} 1"),
        channel: CHANNEL,
        secret: SIGNING,
        age: 0,
        response: String::new(),
        number: 0,
    };
    ensure!(press.send(&lab).await? == StatusCode::OK);
    ensure!(refusals(&lab)? == ["policy does not let you decide this over slack"], "{:?}", refusals(&lab)?);
    ensure!(orders(&lab)? == "100");
    // Decided elsewhere, it is shown here.
    rita.weir(&["approvals", "deny", &id, "--reason", "not <!here>"])?;
    ensure!(waiting.refused()?.contains("not <!here>"));
    let updated = slack.wait(UPDATE, |told| says(told, "denied by rita")).await?;
    let text = updated.json().get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
    ensure!(text.contains("&lt;!here&gt;") && !text.contains("<!"), "{text}");
    // Who gives up takes the message's buttons along too.
    let mut waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 2")?;
    let id = rita.next_pending().await?;
    slack.wait(POST, |told| says(told, &id)).await?;
    waiting.psql.kill()?;
    slack.wait(UPDATE, |told| says(told, &id) && says(told, "withdrawn")).await?;
    nothing_leaked(&lab)
}

/// What an agent writes stays inside its block, mentions nobody, and hides nothing; what is masked or cut is not approved here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_agent_writes_stays_in_its_box() -> Result<()> {
    let (lab, slack) = with_slack(true).await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let hostile = "x```\n*Approved by weir* <!channel> <@U0RITA> <https://evil.example|Approve> &lt; \u{202e}";
    let statement = format!("DELETE FROM orders WHERE status = '{hostile}'");
    let waiting = Waiting::begin(&lab, &shop, &statement)?;
    let id = rita.next_pending().await?;
    let posted = slack.wait(POST, |told| says(told, &id)).await?.json();
    let blocks = posted.get("blocks").and_then(Value::as_array).context("no blocks")?;
    let mut seen = 0;
    for block in blocks {
        // Text into which Slack looks: weir's own link, and preformatted blocks.
        let texts =
            block.get("text").into_iter().chain(block.get("elements").and_then(Value::as_array).into_iter().flatten());
        for text in texts.filter(|text| text.get("type") == Some(&"mrkdwn".into())) {
            let text = text.get("text").and_then(Value::as_str).context("no text")?;
            if let Some(inner) = text.strip_prefix("```\n").and_then(|text| text.strip_suffix("\n```")) {
                seen += 1;
                ensure!(!inner.contains(['`', '<', '>']) && inner.contains("\\u{202e}"), "{inner}");
                ensure!(inner.contains("*Approved by weir* &lt;!channel&gt;"), "{inner}");
            } else {
                ensure!(text == format!("<{}/approvals/{id}|Its page>", lab.url()), "{text}");
            }
        }
    }
    ensure!(seen == 1, "{posted:#}");
    rita.weir(&["approvals", "deny", &id])?;
    waiting.refused()?;

    for text in [
        "DELETE FROM customers WHERE email = 'ada@example.com'".to_owned(),
        format!("DELETE FROM orders WHERE status = '{}'", "&x".repeat(2000)),
    ] {
        let waiting = Waiting::begin(&lab, &shop, &text)?;
        let id = rita.next_pending().await?;
        let posted = slack.wait(POST, |told| says(told, &id)).await?;
        ensure!(!says(&posted, "ada@example.com") && says(&posted, "masked or cut here"), "{:#}", posted.json());
        ensure!(!says(&posted, "\"action_id\":\"approve\"") && says(&posted, "\"action_id\":\"deny\""));
        let press = Press::of(&posted, &slack)?;
        ensure!(press.send(&lab).await? == StatusCode::OK);
        slack.wait("/response", |told| says(told, "not all of it is shown here")).await?;
        ensure!(shown(&rita, &id)?.get("state") == Some(&"pending".into()));
        ensure!(Press { action: "deny", ..press }.send(&lab).await? == StatusCode::OK);
        waiting.refused()?;
    }
    ensure!(orders(&lab)? == "100");
    Ok(())
}

/// A lab whose relay tells a webhook, which may speak for some users.
async fn with_webhook(permitted: bool) -> Result<(Lab, Receiver)> {
    let (mut lab, hook) = (Lab::start().await?, Receiver::start()?);
    std::fs::write(lab.relay_folder().join("keys/hook"), HOOK)?;
    if permitted {
        policy(&lab, "webhook")?;
    }
    let table = format!(
        "\n[[approvals.webhook]]\nurl = \"{}/hook\"\nhttp = true\nsecret = \"file:keys/hook\"\nusers = [\"rita\", \"alice\"]\n",
        hook.url()
    );
    lab.restart_with(|config| config + &table).await?;
    Ok((lab, hook))
}

fn event(told: &Told) -> String {
    told.json().get("event").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn is_signed(told: &Told) -> Result<()> {
    let (id, time) = (told.header("webhook-id"), told.header("webhook-timestamp").parse()?);
    ensure!(
        told.header("webhook-signature") == webhook_signature(HOOK, id, time, &told.body)?,
        "the signature is wrong"
    );
    ensure!(told.json().get("id") == Some(&id.into()) && (now() - time).abs() < 300);
    Ok(())
}

/// Each message is signed, and is the same message until it has arrived; secrets in values do not leave the relay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_told_until_it_hears() -> Result<()> {
    let (lab, hook) = with_webhook(false).await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let elsewhere = Receiver::start()?;
    let redirect = format!("307 Temporary Redirect\r\nlocation: {}/hook", elsewhere.url());
    hook.answers(&["500 Internal Server Error", &redirect]);
    let client = shop.client().await?;
    let secret = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&secret];
    let run = client.execute("UPDATE orders SET status = $1 WHERE id = 7", &values);
    let decide = async {
        let id = rita.next_pending().await?;
        // Three tries.
        while hook.told("/hook").len() < 3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        rita.weir(&["approvals", "approve", &id, "--yes"])?;
        anyhow::Ok(id)
    };
    let (ran, id) = futures_util::future::join(run, decide).await;
    let id = id?;
    ensure!(ran? == 1);
    let tries: Vec<Told> = hook.told("/hook").into_iter().filter(|told| event(told) == "requested").collect();
    ensure!(tries.len() == 3 && elsewhere.told("/hook").is_empty(), "a redirect was followed");
    for told in &tries {
        is_signed(told)?;
        ensure!(told.header("webhook-id") == tries[0].header("webhook-id") && told.body == tries[0].body);
        ensure!(!says(told, secret) && says(told, "[masked:"), "{:#}", told.json());
    }
    let body = tries[0].json();
    for (at, expected) in [
        ("/approval/id", json!(id)),
        ("/approval/user", json!("alice")),
        ("/approval/class", json!("sql.write")),
        ("/approval/statement", json!("UPDATE orders SET status = $1 WHERE id = 7")),
        ("/approval/complete", json!(false)),
        ("/approval/state", json!("pending")),
        ("/approval/estimate/rows", json!(1)),
        ("/approval/estimate/plan/0", json!("Update on orders")),
    ] {
        ensure!(body.pointer(at) == Some(&expected), "{at}: {body:#}");
    }
    let decided = hook.wait("/hook", |told| event(told) == "decided").await?;
    is_signed(&decided)?;
    ensure!(decided.json().pointer("/approval/decided_by") == Some(&"rita".into()), "{:#}", decided.json());
    ensure!(decided.header("webhook-id") != tries[0].header("webhook-id"));
    nothing_leaked(&lab)
}

/// What the receiver sends.
struct Post<'a> {
    id: &'a str,
    age: i64,
    secret: &'a str,
    body: Value,
}

impl Post<'_> {
    async fn send(&self, lab: &Lab) -> Result<StatusCode> {
        let (body, time) = (self.body.to_string(), now() - self.age);
        let signature = webhook_signature(self.secret, self.id, time, body.as_bytes())?;
        let request = login::browser(&lab.ca())?.post(format!("{}/approvals/webhook", lab.url()));
        let request = request.header("webhook-id", self.id).header("webhook-timestamp", time);
        Ok(request.header("webhook-signature", signature).body(body).send().await?.status())
    }
}

/// A receiver decides in a reviewer's name where policy permits webhooks; anything but that, exactly, is refused and audited.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_decides_where_policy_lets_it() -> Result<()> {
    let (mut lab, hook) = with_webhook(false).await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let decision = |told: &Told, by: &str, decision: &str| {
        let view = told.json();
        let at = |at: &str| view.pointer(at).cloned().unwrap_or_default();
        json!({ "approval": at("/approval/id"), "digest": at("/approval/digest"), "decision": decision, "by": by })
    };
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 42")?;
    let id = rita.next_pending().await?;
    let told = hook.wait("/hook", |told| event(told) == "requested").await?;
    let post = Post { id: "m1", age: 0, secret: HOOK, body: decision(&told, "rita", "approve") };
    ensure!(post.send(&lab).await? == StatusCode::FORBIDDEN);
    ensure!(refusals(&lab)? == ["policy does not let you decide this over webhook"], "{:?}", refusals(&lab)?);
    ensure!(orders(&lab)? == "100");
    rita.weir(&["approvals", "deny", &id])?;
    waiting.refused()?;

    policy(&lab, "webhook")?;
    lab.restart_with(|config| config).await?;
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 43")?;
    let told = hook.wait("/hook", |told| event(told) == "requested" && says(told, "id = 43")).await?;
    let good = decision(&told, "rita", "approve");
    let with = |key: &str, value: Value| {
        let mut body = good.clone();
        if let Some(fields) = body.as_object_mut() {
            fields.insert(key.to_owned(), value);
        }
        body
    };
    let other = "whsec_cGxhbnRlZC13ZWJob29rLXNlY3JldC00NzEy";
    let attacks = [
        ("a1", 0, other, good.clone(), StatusCode::UNAUTHORIZED, "no webhook that may decide"),
        ("a2", 301, HOOK, good.clone(), StatusCode::UNAUTHORIZED, "five minutes"),
        ("a.3", 0, HOOK, good.clone(), StatusCode::UNAUTHORIZED, "malformed"),
        ("m1", 0, HOOK, good.clone(), StatusCode::CONFLICT, "came before"),
        ("a4", 0, HOOK, with("by", json!("adam")), StatusCode::FORBIDDEN, "may not speak for"),
        ("a5", 0, HOOK, with("by", json!("alice")), StatusCode::FORBIDDEN, "their own request"),
        ("a6", 0, HOOK, with("digest", json!("00")), StatusCode::CONFLICT, "digest"),
        ("a7", 0, HOOK, with("decision", json!("break-glass")), StatusCode::BAD_REQUEST, "no decision"),
        ("a8", 0, HOOK, with("extent", json!({ "uses": 9 })), StatusCode::BAD_REQUEST, "no decision"),
        // What the relay has sent itself.
        ("a9", 0, HOOK, told.json(), StatusCode::BAD_REQUEST, "no decision"),
    ];
    for (id, age, secret, body, status, why) in attacks {
        let before = refusals(&lab)?.len();
        let answered = Post { id, age, secret, body }.send(&lab).await?;
        let said = refusals(&lab)?;
        ensure!(answered == status, "{id}: {answered}");
        ensure!(said.len() == before + 1 && said.last().is_some_and(|said| said.contains(why)), "{id}: {said:?}");
    }
    ensure!(orders(&lab)? == "100");
    let post = Post { id: "m2", age: 0, secret: HOOK, body: good };
    ensure!(post.send(&lab).await? == StatusCode::OK);
    waiting.done("DELETE 1")?;
    ensure!(orders(&lab)? == "99" && post.send(&lab).await? == StatusCode::CONFLICT);
    nothing_leaked(&lab)
}

/// A relay that was killed tells, once it is back, that what had waited does so no longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_restart_withdraws_is_told() -> Result<()> {
    let (mut lab, hook) = with_webhook(false).await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 1")?;
    let id = rita.next_pending().await?;
    hook.wait("/hook", |told| event(told) == "requested" && says(told, &id)).await?;
    lab.relay.take().context("no relay")?.kill()?;
    drop(waiting);
    lab.serve().await?;
    let told = hook.wait("/hook", |told| event(told) == "decided" && says(told, &id)).await?;
    ensure!(told.json().pointer("/approval/state") == Some(&"withdrawn".into()), "{:#}", told.json());
    is_signed(&told)?;
    ensure!(orders(&lab)? == "100");
    Ok(())
}

/// What nobody decides in time, and a broken glass, are told too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expires_and_broken_glass_are_told() -> Result<()> {
    let (mut lab, slack) = with_slack(true).await?;
    std::fs::write(lab.relay_folder().join("keys/hook"), HOOK)?;
    let file = lab.relay_folder().join("policies/default.cedar");
    let rule =
        "@id(\"break-glass\") permit (principal in Group::\"user\", action == Action::\"break_glass\", resource);";
    std::fs::write(&file, std::fs::read_to_string(&file)? + rule)?;
    let hook = Receiver::start()?;
    let table = format!(
        "\n[[approvals.webhook]]\nurl = \"{}/hook\"\nhttp = true\nsecret = \"file:keys/hook\"\nevents = [\"broken-glass\"]\n",
        hook.url()
    );
    lab.restart_with(|config| format!("approval_timeout = \"6s\"\n{config}{table}")).await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 1")?;
    let id = alice.next_pending().await?;
    slack.wait(POST, |told| says(told, &id) && has_buttons(told)).await?;
    waiting.refused()?;
    slack.wait(UPDATE, |told| says(told, &id) && says(told, "expired") && !has_buttons(told)).await?;

    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 2")?;
    let id = alice.next_pending().await?;
    alice.weir(&["approvals", "break-glass", &id, "--reason", "the shop is down", "--yes"])?;
    waiting.done("DELETE 1")?;
    let told = hook.wait("/hook", |told| says(told, &id)).await?;
    is_signed(&told)?;
    ensure!(event(&told) == "broken-glass" && says(&told, "the shop is down"), "{:#}", told.json());
    ensure!(hook.told("/hook").len() == 1, "events that it did not ask for");
    slack.wait(UPDATE, |told| says(told, &id) && says(told, "alice broke the glass") && !has_buttons(told)).await?;
    Ok(())
}

/// A receiver that takes what it is sent, and answers nothing, holds nobody up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hangs_holds_nobody_up() -> Result<()> {
    let (lab, hook) = with_webhook(false).await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    hook.answers(&[HANGS; 50]);
    for id in 1..=12 {
        let waiting = Waiting::begin(&lab, &shop, &format!("DELETE FROM orders WHERE id = {id}"))?;
        let id = rita.next_pending().await?;
        rita.weir(&["approvals", "approve", &id, "--yes"])?;
        waiting.done("DELETE 1")?;
    }
    ensure!(orders(&lab)? == "88" && !hook.told("/hook").is_empty());
    Ok(())
}

/// Two people are needed: the first button counts, and the message says so; the second lets it run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_counts_buttons_and_commands_alike() -> Result<()> {
    let (mut lab, slack) = with_slack(true).await?;
    let file = lab.relay_folder().join("policies/default.cedar");
    let text = std::fs::read_to_string(&file)?.replace("@id(\"write\")", "@id(\"write\") @quorum(\"2\")");
    std::fs::write(&file, text)?;
    lab.restart_with(|config| config).await?;
    let (alice, adam) = (lab.login("alice").await?, lab.login("adam").await?);
    let shop = alice.connect("shop-prod", Transport::Quic)?;
    let waiting = Waiting::begin(&lab, &shop, "DELETE FROM orders WHERE id = 50")?;
    let id = adam.next_pending().await?;
    let posted = slack.wait(POST, |told| says(told, &id)).await?;
    let press = Press::of(&posted, &slack)?;
    ensure!(press.send(&lab).await? == StatusCode::OK);
    slack.wait(UPDATE, |told| says(told, "approved so far by rita")).await?;
    // Once is once.
    ensure!(Press { number: 1, ..press }.send(&lab).await? == StatusCode::OK);
    slack.wait("/response", |told| says(told, "you have decided this already")).await?;
    ensure!(orders(&lab)? == "100");
    adam.weir(&["approvals", "approve", &id, "--yes"])?;
    waiting.done("DELETE 1")?;
    slack.wait(UPDATE, |told| says(told, "approved by rita, adam") && !has_buttons(told)).await?;
    Ok(())
}

/// The administrator's own check finds a file that is not there, and the relay does not start with a secret that is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_none_is_found_at_the_start() -> Result<()> {
    let (mut lab, _) = with_webhook(false).await?;
    std::fs::write(lab.relay_folder().join("keys/hook"), "whsec_c2hvcnQ=")?;
    // It listens before it looks; then it ends.
    let failed = match lab.restart_with(|config| config).await {
        Err(error) => error.to_string(),
        Ok(()) => {
            let relay = lab.relay.as_mut().context("no relay")?;
            ensure!(relay.wait(Duration::from_secs(20))? != Some(0));
            relay.log()
        }
    };
    ensure!(failed.contains("approvals.webhook.0 cannot be used") && !failed.contains("c2hvcnQ"), "{failed}");
    std::fs::remove_file(lab.relay_folder().join("keys/hook"))?;
    let failed = lab.admin(&["check"]).err().context("it is good")?.to_string();
    ensure!(failed.contains("approvals.webhook.0.secret"), "{failed}");
    Ok(())
}

/// More scope for an agent: what it asks for is told, its reason masked; what still waits when the relay starts is told again,
/// in a message of the same id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_scope_is_told_of_and_again_after_a_restart() -> Result<()> {
    let (mut lab, hook) = with_webhook(false).await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let weir = weir_tests::process::program("weir")?.get_program().to_string_lossy().into_owned();
    let ask = ["approvals", "ask", "--scope", "shop-dev:sql.write", "--for", "90s", "--reason", "mail ada@example.com"];
    alice.weir(&[&["run", "--scope", "shop-dev:sql.read", "--", &*weir], &ask[..], &["--no-wait"]].concat())?;
    let id = rita.next_pending().await?;
    let first = hook.wait("/hook", |told| says(told, &id)).await?;
    ensure!(!says(&first, "ada@example.com") && says(&first, "[masked:email]"));
    lab.restart_with(|config| config).await?;
    let again = async {
        while hook.told("/hook").len() < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        hook.told("/hook").pop()
    };
    let again = tokio::time::timeout(Duration::from_secs(20), again).await?.context("nothing")?;
    ensure!(
        again.header("webhook-id") == first.header("webhook-id")
            && again.json().pointer("/approval/lasts") == Some(&90.into())
    );
    Ok(())
}
