//! The local port: TLS for clients that insist, the UNIX socket, Ctrl-C in psql, stable and taken ports.

use anyhow::{Context as _, Result, ensure};
use std::{
    net::TcpListener,
    process::{Command, Stdio},
    time::Duration,
};
use weir_tests::{
    agent::Transport,
    lab::{Lab, output, run},
    process::{Lines, Running, signal},
};

over_both_transports!(tls_and_socket, an_interrupted_psql);

async fn tls_and_socket(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", transport)?;
    let ask = |dsn: &str| -> Result<String> {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-At", dsn, "-c", "SELECT 'there'"]).env_remove("PGPASSWORD");
        Ok(run(&mut psql, None)?.trim().to_owned())
    };
    let (port, ca, socket) = (shop.port, &shop.ca, &shop.socket);
    for dsn in [
        format!("host=localhost port={port} dbname=shop user=x sslmode=verify-full sslrootcert={ca}"),
        format!("host=127.0.0.1 port={port} dbname=shop user=x sslmode=require"),
        format!("host=127.0.0.1 port={port} dbname=shop user=x sslmode=prefer"),
        format!("host=127.0.0.1 port={port} dbname=shop user=x sslmode=disable"),
        format!("host={socket} port={port} dbname=shop user=x"),
    ] {
        ensure!(ask(&dsn)? == "there", "{dsn}");
    }
    // Whose certificate it is matters to a client that looks.
    let wrong =
        format!("host=localhost port={port} dbname=shop user=x sslmode=verify-full sslrootcert={}", lab.ca().display());
    ensure!(ask(&wrong).is_err());
    // A database that the resource does not offer.
    let error = ask(&format!("host=127.0.0.1 port={port} dbname=postgres user=x")).err();
    ensure!(error.is_some_and(|error| format!("{error:#}").contains("use one of: shop")));
    Ok(())
}

async fn an_interrupted_psql(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", transport)?;
    let mut psql = shop.psql();
    psql.args(["-c", "SELECT pg_sleep(300)", "-c", "SELECT 'goes on'"]).stdout(Stdio::null());
    let mut psql = Running::start(&mut psql, &lab.folder().join("psql.log"))?;
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%' AND state = 'active' AND pid <> pg_backend_pid()";
    while lab.sql(sleeping)?.trim() != "1" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    signal(psql.pid(), "INT")?;
    psql.wait(Duration::from_secs(20))?;
    ensure!(psql.log().contains("canceling statement due to user request"), "{}", psql.log());
    while lab.sql(sleeping)?.trim() != "0" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_are_stable_and_a_taken_one_is_said_to_be() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let mut shop = alice.connect("shop-dev", Transport::Quic)?;
    let port = shop.port;
    // Closed as by Ctrl-C: it ends by itself, and well.
    signal(shop.process.pid(), "INT")?;
    ensure!(shop.process.wait(Duration::from_secs(10))? == Some(0));
    let shop = alice.connect("shop-dev", Transport::WebSocket)?;
    ensure!(shop.port == port, "{} after {port}", shop.port);
    drop(shop);
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let number = taken.local_addr()?.port().to_string();
    let said = alice.try_weir(&["connect", "shop-dev", "--port", &number])?;
    ensure!(said.status.code() == Some(9), "{said:?}");
    ensure!(String::from_utf8_lossy(&said.stderr).contains("hint: choose another --port"), "{said:?}");
    Ok(())
}

/// A resource offers databases by name and by pattern.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_by_pattern() -> Result<()> {
    let mut lab = Lab::start().await?;
    for name in ["shop_eu", "shopping"] {
        lab.sql(&format!("CREATE DATABASE {name} OWNER shop_agent"))?;
    }
    lab.restart_with(|config| config.replace("databases = [\"shop\"]", "databases = [\"shop_*\", \"shop\"]")).await?;
    let report = lab.admin(&["resource", "test", "shop-dev"])?;
    ensure!(report.contains("offers  shop_eu by its patterns"), "{report}");
    let alice = lab.login("alice").await?;
    ensure!(alice.weir(&["list"])?.contains("shop,shop_*"), "{}", alice.weir(&["list"])?);
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let ask = |database: &str| {
        let dsn = format!("host=127.0.0.1 port={} user=alice sslmode=disable {database}", shop.port);
        let mut psql = Command::new("psql");
        output(psql.args(["-X", "-At", &dsn, "-c", "SELECT current_database()"]).env_remove("PGDATABASE"), None)
    };
    // libpq asks for its user's where none is named: that is the default.
    for (asked, got) in
        [("", "shop"), ("dbname=shop", "shop"), ("dbname=shop_eu", "shop_eu"), ("dbname=shop-dev", "shop")]
    {
        let said = ask(asked)?;
        ensure!(String::from_utf8_lossy(&said.stdout).trim() == got, "{asked}: {said:?}");
    }
    for (asked, why) in [
        ("dbname=shopping", "use one of: shop, shop_*"),
        ("dbname=postgres", "use one of: shop, shop_*"),
        ("dbname=shop_*", "use one of: shop, shop_*"),
        ("dbname=shop_us", "does not exist"),
    ] {
        let said = ask(asked)?;
        ensure!(String::from_utf8_lossy(&said.stderr).contains(why), "{asked}: {said:?}");
    }
    Ok(())
}

/// Several resources at once, and what scripts read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_resources_and_what_scripts_read() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let mut connect = alice.command()?;
    connect.args(["connect", "shop-dev", "shop-prod", "--print", "env"]).stdout(Stdio::piped());
    let mut connect = Running::start(&mut connect, &lab.folder().join("connect.log"))?;
    let lines = Lines::of(connect.stdout().context("no standard output")?);
    for _ in 0..2 {
        let line = lines.find(Duration::from_secs(20), |line| Some(line.to_owned()))?;
        // As a shell would.
        let script = format!("{line}; psql -X -At -c 'SELECT 3'");
        ensure!(run(Command::new("sh").args(["-c", &script]), None)?.trim() == "3", "{line}");
    }
    signal(connect.pid(), "TERM")?;
    ensure!(connect.wait(Duration::from_secs(10))? == Some(0), "{}", connect.log());
    ensure!(
        connect.log().contains("shop-dev: closed") && connect.log().contains("shop-prod: opened"),
        "{}",
        connect.log()
    );
    // The sockets are gone with it.
    let left = run(Command::new("find").arg(alice.home()).args(["-type", "s"]), None)?;
    ensure!(left.is_empty(), "{left}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_of_the_machine_is_refused() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    // Becoming another user needs root, which the machines that run this give; elsewhere the unit test of the look-up stands.
    if run(Command::new("id").arg("-u"), None)?.trim() != "0" {
        return Ok(());
    }
    let url = shop.url();
    for encryption in ["disable", "prefer", "require"] {
        let mut psql = Command::new("runuser");
        psql.args(["-u", "nobody", "--", "psql", "-X", "-At", &url, "-c", "SELECT 1"])
            .env("PGSSLMODE", encryption)
            .current_dir("/");
        let said = output(&mut psql, None)?;
        ensure!(!said.status.success());
        ensure!(String::from_utf8_lossy(&said.stderr).contains("belongs to another user"), "{encryption}: {said:?}");
    }
    Ok(())
}
