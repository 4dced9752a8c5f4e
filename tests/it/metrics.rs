//! What `/metrics` says after statements that were allowed, denied, held and masked; and what it never says.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Stdio,
    time::{Duration, Instant},
};
use weir_tests::{
    agent::{Agent, Transport},
    lab::Lab,
    process::{Lines, Running, signal},
};

over_both_transports!(counted);

/// The answer to one request, head and body.
fn ask(address: &str, request: &str) -> Result<String> {
    let mut tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(Duration::from_secs(20)))?;
    tcp.write_all(format!("{request}\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    tcp.read_to_string(&mut answer)?;
    Ok(answer)
}

fn scrape(address: &str) -> Result<String> {
    let answer = ask(address, "GET /metrics HTTP/1.1")?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(answer)
}

/// The value of one series.
fn value(text: &str, series: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.with_context(|| format!("{series} is not in\n{text}"))?.trim().parse().context("no number")
}

/// What is told once it is so.
async fn until(address: &str, test: impl Fn(&str) -> Result<bool>) -> Result<String> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let text = scrape(address)?;
        if test(&text)? {
            return Ok(text);
        }
        ensure!(Instant::now() < until, "it does not become so:\n{text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Starts a relay that serves metrics; where.
async fn lab() -> Result<(Lab, String)> {
    let mut lab = Lab::start().await?;
    lab.log = "info,weir_relay=debug".to_owned();
    let address = lab.reserve()?;
    lab.restart_with(|config| format!("metrics = \"{address}\"\n{config}")).await?;
    let until = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(&address).is_err() {
        ensure!(Instant::now() < until, "metrics are not served");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok((lab, address))
}

async fn counted(transport: Transport) -> Result<()> {
    let (lab, address) = lab().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-dev", transport)?;
    let before = scrape(&address)?;
    ensure!(value(&before, "weir_sessions_opened_total{resource=\"shop-dev\"}")? == 0.0);

    ensure!(shop.sql("SELECT id FROM orders ORDER BY id")?.lines().count() == 100);
    ensure!(shop.sql("SELECT email, ssn FROM customers ORDER BY id LIMIT 3 /* planted-text */")?.contains("[masked"));
    ensure!(shop.refused("DROP TABLE orders /* planted-text */")?.contains("42501"));
    shop.refused_with("dbname=planted")?;

    // One that another user lets run.
    let prod = alice.connect("shop-prod", transport)?;
    let client = prod.client().await?;
    let decide = async {
        let id = rita.next_pending().await?;
        let waiting = scrape(&address)?;
        ensure!(value(&waiting, "weir_approvals_pending")? == 1.0);
        ensure!(value(&waiting, "weir_sessions_open{resource=\"shop-prod\"}")? == 1.0);
        rita.weir(&["approvals", "approve", &id, "--yes"])
    };
    let (deleted, decided) =
        futures_util::future::join(client.batch_execute("DELETE FROM orders WHERE id = 9"), decide).await;
    decided?;
    deleted?;
    client.cancel_token().cancel_query(tokio_postgres::NoTls).await?;
    // A cancel request makes no TLS configuration of its own: these are two of three sessions, and it.
    until(&address, |text| Ok(value(text, "weir_cache_lookups_total{cache=\"tls\",outcome=\"hit\"}")? == 5.0)).await?;
    drop(client);

    // The end of a session is counted after its client has gone.
    let open = |text: &str, env| value(text, &format!("weir_sessions_open{{resource=\"shop-{env}\"}}"));
    let text = until(&address, |text| Ok(open(text, "prod")? == 0.0 && open(text, "dev")? == 0.0)).await?;
    for (series, expected) in [
        ("weir_statements_total{resource=\"shop-dev\",class=\"sql.read\",outcome=\"allow\"}", 2.0),
        ("weir_statements_total{resource=\"shop-dev\",class=\"sql.ddl\",outcome=\"deny\"}", 1.0),
        ("weir_statements_total{resource=\"shop-dev\",class=\"sql.write\",outcome=\"allow\"}", 0.0),
        ("weir_statements_total{resource=\"shop-prod\",class=\"sql.write\",outcome=\"hold\"}", 1.0),
        ("weir_refusals_total{at=\"statement\",sqlstate=\"42501\"}", 1.0),
        ("weir_refusals_total{at=\"session\",sqlstate=\"28000\"}", 1.0),
        ("weir_rows_total{resource=\"shop-dev\"}", 103.0),
        ("weir_masked_values_total{resource=\"shop-dev\",rule=\"email\"}", 3.0),
        ("weir_masked_values_total{resource=\"shop-dev\",rule=\"label\"}", 3.0),
        ("weir_statement_seconds_count{resource=\"shop-dev\"}", 2.0),
        ("weir_statement_seconds_count{resource=\"shop-prod\"}", 1.0),
        ("weir_approvals_requested_total{resource=\"shop-prod\"}", 1.0),
        ("weir_approvals_ended_total{resource=\"shop-prod\",outcome=\"approved\"}", 1.0),
        ("weir_approvals_pending", 0.0),
        ("weir_sessions_opened_total{resource=\"shop-dev\"}", 3.0),
        ("weir_sessions_opened_total{resource=\"shop-prod\"}", 1.0),
        ("weir_sessions_ended_total{resource=\"shop-prod\",reason=\"client closed\"}", 1.0),
        ("weir_statements_in_flight{resource=\"shop-prod\"}", 0.0),
        ("weir_queued_bytes{resource=\"shop-dev\",side=\"client\"}", 0.0),
        ("weir_stage_seconds_count{stage=\"connect\"}", 4.0),
        ("weir_recording_failures_total{operation=\"write\"}", 0.0),
        ("weir_cache_lookups_total{cache=\"facts\",outcome=\"miss\"}", 4.0),
        ("weir_cache_lookups_total{cache=\"scram\",outcome=\"miss\"}", 2.0),
        // The statement that was held was estimated over a connection of its own.
        ("weir_cache_lookups_total{cache=\"scram\",outcome=\"hit\"}", 5.0),
        ("weir_cache_lookups_total{cache=\"tls\",outcome=\"miss\"}", 2.0),
    ] {
        let seen = value(&text, series)?;
        ensure!(seen == expected, "{series} is {seen}, not {expected}:\n{text}");
    }
    let tunnel = if transport == Transport::Quic { "quic" } else { "websocket" };
    ensure!(value(&text, &format!("weir_tunnels_open{{transport=\"{tunnel}\"}}"))? == 2.0);
    for (series, least) in [
        ("weir_session_bytes_total{resource=\"shop-dev\",side=\"client\",direction=\"sent\"}", 1000.0),
        ("weir_session_bytes_total{resource=\"shop-dev\",side=\"upstream\",direction=\"received\"}", 1000.0),
        ("weir_handshakes_total{transport=\"tls\",outcome=\"done\"}", 1.0),
        ("weir_recording_sync_seconds_count", 1.0),
        ("weir_cache_lookups_total{cache=\"principals\",outcome=\"miss\"}", 2.0),
        ("weir_cache_lookups_total{cache=\"catalog\",outcome=\"miss\"}", 2.0),
        ("process_open_fds", 10.0),
        ("process_resident_memory_bytes", 1_000_000.0),
        ("process_start_time_seconds", 1_700_000_000.0),
    ] {
        let seen = value(&text, series)?;
        ensure!(seen >= least, "{series} is {seen}, less than {least}");
    }
    if transport == Transport::Quic {
        ensure!(value(&text, "weir_handshakes_total{transport=\"quic\",outcome=\"done\"}")? >= 2.0);
    }

    // The log tells whose session it was, and not what was said in it.
    let log = lab.relay()?.log();
    let ended =
        log.lines().find(|line| line.contains("ended reason=\"client closed\"")).context("no end in the log")?;
    for told in ["session{id=", "user=\"alice\"", "agent=", "resource=shop-dev", "protocol=\"postgres\"", "rows=100"] {
        ensure!(ended.contains(told), "{told} is not in {ended}");
    }
    ensure!(ended.contains(&format!("transport=\"{tunnel}\"")), "{ended}");
    ensure!(!log.contains("planted") && !log.contains("SELECT"), "{log}");

    // Nothing that a user typed, read or is.
    let secret = std::fs::read_to_string(lab.postgres("PG_PASSWORD_FILE"))?;
    for planted in ["planted", "alice", "rita", "orders", "SELECT", "shop_agent", "127.0.0.1:", secret.trim()] {
        let body = text.split_once("\r\n\r\n").context("no body")?.1;
        ensure!(!body.contains(planted), "{planted} stands in\n{body}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_metrics_are_served_and_nobody_holds_a_place() -> Result<()> {
    let (_lab, address) = lab().await?;
    let plain = scrape(&address)?.to_ascii_lowercase();
    ensure!(plain.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{plain}");
    let open = ask(&address, "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text; version=1.0.0")?;
    let head = open.to_ascii_lowercase();
    ensure!(head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    ensure!(open.ends_with("# EOF\n"), "{open}");
    for (request, status) in [
        ("GET / HTTP/1.1", "404"),
        ("GET /api/v1/status HTTP/1.1", "404"),
        ("GET /metrics/more HTTP/1.1", "404"),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 0", "405"),
        ("DELETE /metrics HTTP/1.1", "405"),
        ("rubbish", "400"),
    ] {
        let answer = ask(&address, request)?;
        ensure!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
    }
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(100_000));
    ensure!(!ask(&address, &long).unwrap_or_default().starts_with("HTTP/1.1 200"));

    // Those who send a letter a second lose their places, and others get them.
    let mut slow = (0..16).map(|_| TcpStream::connect(&address)).collect::<std::io::Result<Vec<_>>>()?;
    let begun = Instant::now();
    let waiting = std::thread::spawn(move || scrape(&address));
    while !waiting.is_finished() {
        ensure!(begun.elapsed() < Duration::from_secs(15), "slow senders keep everybody out");
        for tcp in &mut slow {
            let _ = tcp.write_all(b"G");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    ensure!(waiting.join().ok().context("it failed")?.is_ok());
    Ok(())
}

/// `weir status --watch` in the background; its lines.
fn watch(agent: &Agent, log: &std::path::Path) -> Result<(Running, Lines)> {
    let mut command = agent.command()?;
    command.args(["status", "--watch", "--interval", "200ms", "--output", "json"]);
    let mut process = Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped()), log)?;
    let lines = Lines::of(process.stdout().context("no standard output")?);
    Ok((process, lines))
}

/// The next line that satisfies `test`.
fn next(lines: &Lines, test: impl Fn(&Value) -> bool) -> Result<Value> {
    lines.find(Duration::from_secs(30), |line| serde_json::from_str(line).ok().filter(&test))
}

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_is_watched() -> Result<()> {
    let mut lab = Lab::start().await?;
    let (alice, adam) = (lab.login("alice").await?, lab.login("adam").await?);
    let (mut watcher, lines) = watch(&adam, &lab.folder().join("watch.log"))?;
    let first = next(&lines, |_| true)?;
    ensure!(number(&first, "/counters/statements") == 0 && first.get("rates") == Some(&Value::Null), "{first}");

    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let client = shop.client().await?;
    client.batch_execute("SELECT email FROM customers ORDER BY id LIMIT 3").await?;
    let second = next(&lines, |round| number(round, "/counters/masked") == 3)?;
    ensure!(number(&second, "/counters/rows") == 3 && number(&second, "/open_sessions") == 1, "{second}");
    ensure!(number(&second, "/resources/shop-dev/sessions") == 1, "{second}");
    ensure!(number(&second, "/resources/shop-dev/statements") == 1, "{second}");
    ensure!(second.pointer("/rates/rows").and_then(Value::as_f64).is_some_and(|rate| rate > 0.0), "{second}");
    next(&lines, |round| number(round, "/paths/connections") == 1 && number(round, "/paths/packets_sent") > 0)?;
    ensure!(shop.refused("DROP TABLE orders")?.contains("42501"));
    next(&lines, |round| {
        number(round, "/resources/shop-dev/denied") == 1 && number(round, "/counters/statements") == 2
    })?;

    // Who may not see others' sessions sees no resource either.
    let own: Value = serde_json::from_str(&alice.weir(&["status", "--output", "json"])?)?;
    ensure!(own.get("resources") == Some(&serde_json::json!({})), "{own}");
    ensure!(number(&own, "/counters/statements") == 2, "{own}");
    ensure!(adam.weir(&["status"])?.contains("shop-dev"));

    // The relay goes and comes again; the watcher says so and goes on.
    if let Some(mut relay) = lab.relay.take() {
        relay.kill()?;
    }
    let until = Instant::now() + Duration::from_secs(20);
    while !watcher.log().contains("trying again") {
        ensure!(Instant::now() < until, "nothing is said: {}", watcher.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    lab.serve().await?;
    let again = next(&lines, |round| number(round, "/counters/statements") == 0)?;
    ensure!(again.get("rates") == Some(&Value::Null), "{again}");
    ensure!(watcher.log().contains("the relay answers again"), "{}", watcher.log());
    next(&lines, |round| round.get("rates").is_some_and(Value::is_object))?;

    signal(watcher.pid(), "INT")?;
    ensure!(watcher.wait(Duration::from_secs(10))? == Some(0), "{}", watcher.log());
    Ok(())
}
