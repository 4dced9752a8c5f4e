//! Networks that are in the way: UDP is blocked, or everything goes through a proxy.

use anyhow::{Result, ensure};
use weir_tests::{
    agent::{Agent, Transport},
    lab::{Lab, password_of},
    middle::Middle,
};

/// Without UDP, `auto` ends on WebSocket by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_udp_is_blocked() -> Result<()> {
    let mut lab = Lab::start().await?;
    let way = Middle::forward(lab.url().trim_start_matches("https://").to_owned())?;
    let url = format!("https://{}", way.address);
    let (old, new) = (format!("public_url = \"{}\"", lab.url()), format!("public_url = \"{url}\""));
    lab.restart_with(|config| config.replace(&old, &new)).await?;
    let home = lab.folder().join("homes/behind");
    let alice = Agent::login(home, &url, &lab.ca(), "alice", &password_of("alice")).await?;
    let shop = alice.connect("shop-dev", Transport::Auto)?;
    ensure!(shop.transport == "websocket", "{}", shop.transport);
    ensure!(shop.sql("SELECT 1")? == "1");
    ensure!(alice.connect("shop-dev", Transport::Quic).is_err());
    ensure!(way.passed() > 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_udp_works_it_is_used() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", Transport::Auto)?;
    ensure!(shop.transport == "quic", "{}", shop.transport);
    ensure!(shop.sql("SELECT 1")? == "1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_proxy() -> Result<()> {
    let lab = Lab::start().await?;
    let mut alice = lab.login("alice").await?;
    let proxy = Middle::proxy()?;
    alice.environment =
        vec![("HTTPS_PROXY".into(), format!("http://{}", proxy.address)), ("NO_PROXY".into(), String::new())];
    let shop = alice.connect("shop-dev", Transport::WebSocket)?;
    ensure!(shop.sql("SELECT 1")? == "1");
    // The API, the control stream and the data stream.
    ensure!(proxy.passed() >= 3, "{} connections went through the proxy", proxy.passed());

    // A proxy that is not there is said to be, with the way out.
    drop(shop);
    alice.environment = vec![("HTTPS_PROXY".into(), "http://127.0.0.1:1".into())];
    let said = alice.try_weir(&["list"])?;
    ensure!(said.status.code() == Some(6), "{said:?}");
    alice.environment.push(("NO_PROXY".into(), "127.0.0.1".into()));
    alice.weir(&["list"])?;
    Ok(())
}
