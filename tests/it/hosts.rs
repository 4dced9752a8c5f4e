//! A resource of several hosts: a server and its standby, and one that is not there.

use anyhow::{Context as _, Result, ensure};
use std::time::{Duration, Instant};
use weir_tests::{
    agent::{Agent, Transport},
    lab::Lab,
};

fn code(error: Option<&tokio_postgres::Error>) -> Option<&str> {
    error?.code().map(tokio_postgres::error::SqlState::code)
}

/// The configuration with one more resource for each name, list of hosts and kind of host: otherwise as `shop-dev`.
fn with(config: &str, resources: &[(&str, &str, &str)]) -> String {
    let block = config.split_once("[resources.shop-dev]").map_or("", |(_, block)| block);
    let lines = |skipped: &[&str]| {
        let kept = block.lines().filter(|line| !skipped.iter().any(|key| line.starts_with(key)));
        kept.collect::<Vec<_>>().join("\n")
    };
    let same = lines(&["port = ", "host = "]);
    let more = resources.iter().map(|(name, hosts, target)| {
        format!("\n[resources.{name}]\nhost = \"{hosts}\"\ntarget_session_attrs = \"{target}\"\nconnect_timeout = \"2s\"\n{same}\n")
    });
    config.to_owned() + &more.collect::<String>()
}

/// The port of the server that a session is with.
fn port(agent: &Agent, resource: &str) -> Result<u16> {
    let shop = agent.connect(resource, Transport::Quic)?;
    Ok(shop.sql("SHOW port")?.parse()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_that_is_of_the_kind_asked_for() -> Result<()> {
    let mut lab = Lab::start().await?;
    let primary: u16 = lab.postgres("PG_PORT").parse()?;
    let (standby, alice) = (lab.start_standby()?, lab.login("alice").await?);
    // Port 1 is nobody's.
    let (dead, both) = ("localhost:1", format!("localhost:{primary},localhost:{standby}"));
    let all = format!("{dead},localhost:{standby},localhost:{primary}");
    let last = format!("{dead},localhost:{primary}");
    let cases = [
        ("last-any", &*last, "any", Some(primary)),
        ("all-any", &*all, "any", Some(standby)),
        ("all-read-write", &*all, "read-write", Some(primary)),
        ("all-primary", &*all, "primary", Some(primary)),
        ("both-read-only", &*both, "read-only", Some(standby)),
        ("both-standby", &*both, "standby", Some(standby)),
        ("both-prefer", &*both, "prefer-standby", Some(standby)),
        ("last-prefer", &*last, "prefer-standby", Some(primary)),
        ("last-standby", &*last, "standby", None),
        ("last-read-only", &*last, "read-only", None),
    ];
    let resources = cases.map(|(name, hosts, target, _)| (name, hosts, target));
    lab.restart_with(|config| with(&config, &resources)).await?;
    for (name, _, target, chosen) in cases {
        match (chosen, port(&alice, name)) {
            (Some(chosen), found) => ensure!(found? == chosen, "{name}"),
            (None, Ok(found)) => anyhow::bail!("{name}: {found}"),
            (None, Err(error)) => ensure!(format!("{error:?}").contains(&format!("is not {target}")), "{error:?}"),
        }
    }
    let report = lab.admin(&["resource", "test", "last-standby"]);
    let report = report.err().context("no host will do, and yet it is well")?.to_string();
    ensure!(report.contains("no host will do") && report.contains("localhost:1"), "{report}");
    ensure!(lab.admin(&["resource", "test", "all-primary"])?.contains(&format!("localhost:{primary}")));

    // A role whose transactions only read by default is not what writes are for.
    lab.sql("ALTER ROLE shop_agent SET default_transaction_read_only = on")?;
    ensure!(port(&alice, "last-read-only")? == primary);
    ensure!(port(&alice, "all-read-write").is_err());
    // What the client itself asks for says nothing of the server.
    lab.sql("ALTER ROLE shop_agent RESET default_transaction_read_only")?;
    let shop = alice.connect("all-read-write", Transport::Quic)?;
    let mut psql = shop.psql();
    let output = psql.env("PGOPTIONS", "-c default_transaction_read_only=on").args(["-c", "SHOW port"]).output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_request_goes_where_the_session_is_and_the_next_host_takes_over() -> Result<()> {
    let mut lab = Lab::start().await?;
    let primary: u16 = lab.postgres("PG_PORT").parse()?;
    let standby = lab.start_standby()?;
    let alice = lab.login("alice").await?;
    let hosts = format!("localhost:{primary},localhost:{standby}");
    let resources = [("follower", &*hosts, "prefer-standby"), ("first", &*hosts, "any")];
    lab.restart_with(|config| with(&config, &resources)).await?;
    let shop = alice.connect("follower", Transport::Quic)?;
    let client = shop.client().await?;
    ensure!(client.query_one("SHOW port", &[]).await?.get::<_, &str>(0) == standby.to_string());
    let token = client.cancel_token();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        token.cancel_query(tokio_postgres::NoTls).await
    };
    let begun = Instant::now();
    let (slept, cancelled) = futures_util::future::join(client.query("SELECT pg_sleep(60)", &[]), cancel).await;
    cancelled?;
    ensure!(code(slept.as_ref().err()) == Some("57014"), "{slept:?}");
    ensure!(begun.elapsed() < Duration::from_secs(40));

    // Masking is by the numbers of the host that answers.
    let ssn = shop.sql("SELECT ssn FROM customers WHERE id = 1")?;
    ensure!(!ssn.contains("4399"), "{ssn}");

    // The first host dies: its session is told, the next one is with the second.
    let shop = alice.connect("first", Transport::Quic)?;
    let client = shop.client().await?;
    ensure!(client.query_one("SHOW port", &[]).await?.get::<_, &str>(0) == primary.to_string());
    lab.stop_postgres()?;
    ensure!(client.query_one("SELECT 1", &[]).await.is_err());
    ensure!(port(&alice, "first")? == standby);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_says_nothing_or_is_another_is_passed_over() -> Result<()> {
    let mut lab = Lab::start().await?;
    let primary: u16 = lab.postgres("PG_PORT").parse()?;
    let alice = lab.login("alice").await?;
    // Accepts, by its backlog, and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    let silent = silent.local_addr()?.port();
    // The server's certificate is for localhost and 127.0.0.1, not for 127.0.0.2.
    let hosts = format!("127.0.0.1:{silent},127.0.0.2:{primary},localhost:{primary}");
    lab.restart_with(|config| with(&config, &[("odd", &*hosts, "any")])).await?;
    ensure!(port(&alice, "odd")? == primary);
    Ok(())
}
