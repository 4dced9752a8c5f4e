//! What breaks while it is used: the way to the server, the network to the relay, the relay itself. Nothing hangs, a client
//! is told in its own protocol where that can be done, others go on, and what was done is recorded.

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use weir_tests::{
    agent::{Agent, Transport, json},
    lab::{Lab, password_of},
    middle::{Faulty, How, Network},
    raw::{Message, Raw, outline, query},
};

const PATIENCE: Duration = Duration::from_secs(40);

/// The last message before the other side closes.
fn last_words(raw: &mut Raw) -> Result<Option<Message>> {
    let (begun, mut last) = (Instant::now(), None);
    while let Ok(message) = raw.read() {
        last = Some(message);
    }
    ensure!(begun.elapsed() < PATIENCE, "it hangs; at last it said {last:?}");
    Ok(last)
}

fn says(message: Option<&Message>, code: &str) -> Result<()> {
    let message = message.context("not a word")?;
    ensure!(message.kind == b'E' && message.field(b'S') == "FATAL" && message.field(b'C') == code, "{message:?}");
    Ok(())
}

/// A lab with the resource `plain` behind a way that breaks; without TLS, so that anything can be said on it.
async fn breakable() -> Result<(Lab, Faulty)> {
    let mut lab = Lab::start().await?;
    lab.sql("CREATE ROLE login_plain LOGIN PASSWORD 'Planted-plain-5'")?;
    let password = lab.folder().join("plain");
    std::fs::write(&password, "Planted-plain-5")?;
    let way = Faulty::to(format!("127.0.0.1:{}", lab.postgres("PG_PORT")))?;
    let (port, file) = (way.address.port(), password.display().to_string());
    let resource = format!(
        "\n[resources.plain]\nkind = \"postgres\"\nhost = \"127.0.0.1\"\nport = {port}\ndatabases = [\"shop\"]\n\
         role = \"login_plain\"\ncredential = \"file:{file}\"\ntls = \"disable\"\nlabels = {{ env = \"dev\" }}\n"
    );
    lab.restart_with(|config| config + &resource).await?;
    Ok((lab, way))
}

/// What the statements name is known from here on: what breaks is their own connection, not the one that is asked about names.
fn know_the_names(raw: &mut Raw) -> Result<()> {
    raw.ask(&query("SELECT n, repeat('x', 1) FROM generate_series(1, 1) n"))?;
    raw.ask(&query("SELECT repeat('x', 1)"))?;
    raw.ask(&query("SELECT pg_sleep(0)")).map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_that_breaks_off_is_said_to() -> Result<()> {
    let (lab, way) = breakable().await?;
    let alice = lab.login("alice").await?;
    let rows = "SELECT n, repeat('x', 100) FROM generate_series(1, 100000) n";
    let whole_row = "SELECT repeat('x', 20000000)";
    let sleep = "SELECT pg_sleep(1)";
    for transport in [Transport::Quic, Transport::WebSocket] {
        let plain = alice.connect("plain", transport)?;
        let mut other = Raw::through(plain.port)?;
        for (text, after, how, code) in [
            (rows, 1_000_000, How::Close, "08006"),
            (rows, 1_000_000, How::Reset, "08006"),
            (sleep, 0, How::Close, "08006"),
            (sleep, 0, How::Reset, "08006"),
            (sleep, 0, How::Say(b"\xff\xff\xff\xff\xff garbage".to_vec()), "08P01"),
            (sleep, 0, How::Say(b"T\x7f\xff\xff\xff".to_vec()), "08P01"),
            (sleep, 0, How::Say(b"T\0\0\0\x03".to_vec()), "08P01"),
            (sleep, 0, How::Say(b"D\0\0\0\x06\0\x01".to_vec()), "08P01"),
        ] {
            let mut raw = Raw::through(plain.port)?;
            know_the_names(&mut other)?;
            way.arm(after, how.clone())?;
            raw.send(&query(text))?;
            let last = last_words(&mut raw)?;
            says(last.as_ref(), code).with_context(|| format!("{how:?} after {after} bytes over {transport:?}"))?;
            ensure!(other.ask(&query("SELECT 1"))? == "T D C ZI", "another session goes on");
        }
        // In the middle of a value nothing can be said that would not be taken for a part of it.
        let mut raw = Raw::through(plain.port)?;
        way.arm(1_000_000, How::Close)?;
        raw.send(&query(whole_row))?;
        let last = last_words(&mut raw)?;
        ensure!(last.as_ref().is_some_and(|message| message.kind == b'T'), "half a value, and then {last:?}");
    }
    ensure!(!lab.relay()?.log().contains("panicked"), "{}", lab.relay()?.log());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_that_stalls_can_be_cancelled_and_left() -> Result<()> {
    let (lab, way) = breakable().await?;
    let alice = lab.login("alice").await?;
    let plain = alice.connect("plain", Transport::Quic)?;
    let count = |condition: &str| -> Result<String> {
        let text = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'login_plain' AND application_name NOT LIKE '%catalog' AND {condition}"
        );
        Ok(lab.sql(&text)?.trim().to_owned())
    };
    let mut other = Raw::through(plain.port)?;
    let mut raw = Raw::through(plain.port)?;
    know_the_names(&mut other)?;
    way.arm(0, How::Stall)?;
    raw.send(&query("SELECT pg_sleep(300)"))?;
    let until = Instant::now() + PATIENCE;
    while count("wait_event = 'PgSleep'")? != "1" {
        ensure!(Instant::now() < until, "it does not run");
    }
    Raw::connect(plain.port)?.send(&raw.cancel_request()?)?;
    while count("wait_event = 'PgSleep'")? != "0" {
        ensure!(Instant::now() < until, "it is not cancelled");
    }
    ensure!(other.ask(&query("SELECT 1"))? == "T D C ZI");
    drop(raw);
    while count("true")? != "1" {
        ensure!(Instant::now() < until, "its backend stays");
    }
    ensure!(other.ask(&query("SELECT 2"))? == "T D C ZI");
    Ok(())
}

/// A lab whose relay is reached through a network; alice's login goes through it.
async fn behind_a_network() -> Result<(Lab, Network, Agent)> {
    let mut lab = Lab::start().await?;
    let network = Network::to(lab.url().trim_start_matches("https://"))?;
    let url = format!("https://{}", network.address);
    let (old, new) = (format!("public_url = \"{}\"", lab.url()), format!("public_url = \"{url}\""));
    lab.restart_with(|config| config.replace(&old, &new)).await?;
    let alice = Agent::login(lab.folder().join("homes/far"), &url, &lab.ca(), "alice", &password_of("alice")).await?;
    Ok((lab, network, alice))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_loses_packets_and_changes() -> Result<()> {
    let (_lab, network, alice) = behind_a_network().await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let mut raw = Raw::through(shop.port)?;
    let mut talk = |queries: usize| -> Result<()> {
        for number in 0..queries {
            raw.send(&query(&format!("SELECT {number}, repeat('x', 10000)")))?;
            let answer = raw.until(b'Z')?;
            let row = answer.iter().find(|message| message.kind == b'D').context("no row")?;
            ensure!(row.body.len() > 10_000 && outline(&answer) == "T D C ZI", "{}", outline(&answer));
        }
        raw.send(&query("SELECT n, repeat('x', 1000) FROM generate_series(1, 3000) n"))?;
        let rows = raw.until(b'Z')?;
        ensure!(rows.len() == 3003, "{} messages", rows.len());
        Ok(())
    };
    talk(10)?;
    // 5 % are lost, 5 % come twice, 10 % are overtaken.
    network.harm(50, 50, 100);
    talk(100)?;
    for _ in 0..3 {
        network.change_paths();
        talk(20)?;
    }
    network.harm(0, 0, 0);
    network.change_paths();
    talk(10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_goes_away() -> Result<()> {
    let (_lab, network, alice) = behind_a_network().await?;
    let shop = alice.connect("shop-dev", Transport::Auto)?;
    ensure!(shop.transport == "quic", "{}", shop.transport);
    let (mut one, mut two) = (Raw::through(shop.port)?, Raw::through(shop.port)?);

    // For less than the tunnel's patience: what was asked meanwhile is answered.
    network.harm(1000, 0, 0);
    one.send(&query("SELECT 1"))?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    network.harm(0, 0, 0);
    ensure!(outline(&one.until(b'Z')?) == "T D C ZI");
    ensure!(two.ask(&query("SELECT 2"))? == "T D C ZI");

    // UDP is blocked for good: new connections find another way, old ones end.
    network.harm(1000, 0, 0);
    one.send(&query("SELECT 3"))?;
    ensure!(shop.sql("SELECT 4")? == "4");
    shop.lines.find(PATIENCE, |line| line.contains("connected again over websocket").then_some(()))?;
    says(last_words(&mut one)?.as_ref(), "08006")?;
    says(last_words(&mut two)?.as_ref(), "08006")?;
    ensure!(shop.sql("SELECT 5")? == "5");
    Ok(())
}

/// What one client did until its session ended.
struct Done {
    acknowledged: Vec<u32>,
    last: Option<Message>,
}

/// Clients that insert numbers of their own, one after the other, until they cannot any more.
fn load(ports: &[u16], each: u32) -> Result<Vec<JoinHandle<Result<Done>>>> {
    let mut clients = Vec::new();
    for (client, port) in (0..each).flat_map(|_| ports).zip(1_u32..).map(|(port, client)| (client, *port)) {
        let mut raw = Raw::through(port)?;
        clients.push(thread::spawn(move || {
            let mut acknowledged = Vec::new();
            for number in client * 1_000_000.. {
                let mut last = None;
                if raw.send(&query(&format!("INSERT INTO ledger VALUES ({number})"))).is_ok() {
                    loop {
                        match raw.read() {
                            Ok(message) if message.kind == b'Z' => break,
                            Ok(message) => {
                                if message.kind == b'C' {
                                    acknowledged.push(number);
                                }
                                last = Some(message);
                            }
                            Err(_) => return Ok(Done { acknowledged, last }),
                        }
                    }
                } else {
                    return Ok(Done { acknowledged, last: last_words(&mut raw)? });
                }
            }
            Err(anyhow!("it never ended"))
        }));
    }
    Ok(clients)
}

/// All numbers that the recordings say were inserted, and how each recording ends.
fn recorded(adam: &Agent) -> Result<(BTreeSet<u32>, Vec<String>)> {
    let (mut numbers, mut ends) = (BTreeSet::new(), Vec::new());
    for session in json(&adam.weir(&["sessions", "list", "--output", "json"])?)? {
        let id = session.get("id").and_then(Value::as_str).context("a session without id")?;
        let replay = adam.weir(&["sessions", "replay", id, "--output", "json"])?;
        for line in replay.lines() {
            if let Some((_, rest)) = line.split_once("INSERT INTO ledger VALUES (") {
                numbers.insert(rest.split(')').next().unwrap_or_default().parse()?);
            }
        }
        ends.push(replay.lines().last().unwrap_or_default().to_owned());
    }
    Ok((numbers, ends))
}

async fn ledger() -> Result<(Lab, Agent, Agent)> {
    let mut lab = Lab::start().await?;
    lab.sql("CREATE TABLE ledger (id int PRIMARY KEY); ALTER TABLE ledger OWNER TO shop_agent")?;
    lab.restart_with(|config| format!("drain_timeout = \"3s\"\n{config}")).await?;
    let (alice, adam) = (lab.login("alice").await?, lab.login("adam").await?);
    Ok((lab, alice, adam))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_killed_under_load_has_recorded_what_was_acknowledged() -> Result<()> {
    let (mut lab, alice, adam) = ledger().await?;
    let (quic, ws) = (alice.connect("shop-dev", Transport::Quic)?, alice.connect("shop-dev", Transport::WebSocket)?);
    let clients = load(&[quic.port, ws.port], 3)?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    lab.relay.take().context("no relay")?.kill()?;
    let mut acknowledged = BTreeSet::new();
    for client in clients {
        let done = client.join().map_err(|_| anyhow!("a client panicked"))??;
        says(done.last.as_ref(), "08006")?;
        acknowledged.extend(done.acknowledged);
    }
    ensure!(acknowledged.len() > 20, "{}", acknowledged.len());
    lab.serve().await?;
    let (recorded, _) = recorded(&adam)?;
    let missing: Vec<_> = acknowledged.difference(&recorded).collect();
    ensure!(missing.is_empty(), "acknowledged and not recorded: {missing:?}");
    // And nothing ran that is not recorded.
    let ran: BTreeSet<u32> = lab.sql("SELECT id FROM ledger")?.lines().map(str::parse).collect::<Result<_, _>>()?;
    ensure!(ran.is_subset(&recorded) && acknowledged.is_subset(&ran), "{} ran", ran.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_stopped_under_load_lets_statements_end() -> Result<()> {
    let (mut lab, alice, adam) = ledger().await?;
    let (quic, ws) = (alice.connect("shop-dev", Transport::Quic)?, alice.connect("shop-dev", Transport::WebSocket)?);
    let clients = load(&[quic.port, ws.port], 3)?;
    let mut runs = Raw::through(quic.port)?;
    runs.send(&query("SELECT pg_sleep(2)"))?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut relay = lab.relay.take().context("no relay")?;
    weir_tests::process::signal(relay.pid(), "TERM")?;
    ensure!(outline(&runs.until(b'Z')?) == "T D C ZI");
    // Who comes now is told.
    let late = Raw::through(ws.port).err().context("a stopping relay opens sessions")?;
    ensure!(format!("{late:#}").contains("08006") || format!("{late:#}").contains("57P"), "{late:#}");
    let mut acknowledged = BTreeSet::new();
    for client in clients {
        let done = client.join().map_err(|_| anyhow!("a client panicked"))??;
        says(done.last.as_ref(), "57P01")?;
        acknowledged.extend(done.acknowledged);
    }
    says(last_words(&mut runs)?.as_ref(), "57P01")?;
    ensure!(relay.wait(PATIENCE)? == Some(0), "{}", relay.log());
    lab.serve().await?;
    let (recorded, ends) = recorded(&adam)?;
    ensure!(acknowledged.is_subset(&recorded), "acknowledged and not recorded");
    ensure!(ends.len() == 7, "{ends:?}");
    ensure!(ends.iter().all(|end| end.contains("close") && !end.contains("died")), "{ends:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_nobody_under_best_effort_and_is_loud() -> Result<()> {
    let mut lab = Lab::start_with("recording = { durability = \"best_effort\" }\n").await?;
    if let Some(mut relay) = lab.relay.take() {
        relay.terminate(PATIENCE)?;
    }
    // No file may grow beyond this: what a full disk does to writes, without filling one.
    lab.serve_with_files_of_at_most(3_000).await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let mut raw = Raw::through(shop.port)?;
    let flood = query("SELECT md5(n::text || random()::text) FROM generate_series(1, 100000) n");
    for _ in 0..3 {
        raw.send(&flood)?;
        ensure!(raw.until(b'Z')?.len() == 100_003);
    }
    ensure!(raw.ask(&query("SELECT 1"))? == "T D C ZI");
    let log = lab.relay()?.log();
    ensure!(log.contains("not recorded, and the resource's configuration lets it go on"), "{log}");
    Ok(())
}
