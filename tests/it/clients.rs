//! Other languages' drivers: each script prints `ok` as its last line, or says what was wrong.

use anyhow::{Context as _, Result, ensure};
use std::{path::Path, process::Command};
use weir_tests::{
    agent::Transport,
    lab::{Lab, run},
};

over_both_transports!(psycopg, node_postgres);

fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("it/scripts").join(name)
}

async fn drive(transport: Transport, command: &mut Command) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", transport)?;
    let said = run(command.arg(shop.port.to_string()), None)?;
    ensure!(said.lines().last() == Some("ok"), "{said}");
    Ok(())
}

async fn psycopg(transport: Transport) -> Result<()> {
    let python = std::env::var_os("WEIR_TEST_PYTHON").context("run scripts/test.sh, which installs psycopg")?;
    drive(transport, Command::new(python).arg(script("client.py"))).await
}

async fn node_postgres(transport: Transport) -> Result<()> {
    drive(transport, Command::new("node").arg(script("client.mjs"))).await
}
