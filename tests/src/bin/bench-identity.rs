//! Measures what identity costs, for `scripts/bench.sh identity`: logins, delegations and `weir run`, on loopback.

#![allow(clippy::print_stdout, reason = "its figures are its output")]

use anyhow::{Context as _, Result, ensure};
use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use weir_shared::hop::{Hop, digest};
use weir_tests::{agent::Agent, forger::Forger, lab::Lab, process::program};

/// Token requests at a time.
const AT_ONCE: usize = 8;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let quick = std::env::args().nth(1).is_some_and(|argument| argument == "quick");
    // The relay lets an address ask 500 times at once.
    let (many, some) = if quick { (16, 5) } else { (200, 40) };
    let mut lab = Lab::start().await?;
    lab.restart_with(|config| format!("metrics = \"127.0.0.1:0\"\n{config}\n[delegation]\nfan_out = 100000\n")).await?;
    let alice = lab.login("alice").await?;

    let parent = Forger::root(&lab, "alice").await?;
    println!("| measure | figure |\n|---|---|");
    // Each child is a key, a TLS connection and a token exchange, as each process's is.
    let mut children = Vec::new();
    for _ in 0..many {
        let child = Forger::stranger(&lab)?;
        let jws = parent.hop(child.thumbprint()?).await?.sign(&parent.key)?;
        children.push((child, jws));
    }
    let begun = Instant::now();
    for batch in children.chunks(AT_ONCE) {
        let each = batch.iter().map(|(child, jws)| child.present(jws));
        for (status, answer) in futures_util::future::try_join_all(each).await? {
            ensure!(status == 200, "{answer}");
        }
    }
    println!("| sessions delegated and opened, {AT_ONCE} at a time: a second | {:.0} |", per_second(many, begun));
    // The same again is a renewal: an exchange over the connection that is there.
    let begun = Instant::now();
    for batch in children.chunks(AT_ONCE) {
        let each = batch.iter().map(|(child, jws)| child.present(jws));
        for (status, answer) in futures_util::future::try_join_all(each).await? {
            ensure!(status == 200, "{answer}");
        }
    }
    println!("| token exchanges on open connections, {AT_ONCE} at a time: a second | {:.0} |", per_second(many, begun));

    // From `weir run` to the command's first instruction: the command does nothing, and starting it alone is taken off.
    let alone = median(some, || run(Command::new("true")))?;
    let whole = median(some, || run(weir_run(&alice, &["--", "true"])?))?;
    let ports = median(some, || run(weir_run(&alice, &["--connect", "shop-dev", "--", "true"])?))?;
    println!(
        "| weir run, nothing connected: ms, until the command has ended and its session too | {:.1} |",
        ms(whole) - ms(alone)
    );
    println!("| weir run --connect, a port and a tunnel: ms, likewise | {:.1} |", ms(ports) - ms(alone));
    let first = median(some, || first_instruction(&alice))?;
    println!("| weir run --connect to the command's first instruction: ms | {:.1} |", ms(first));

    for depth in [1_u32, 5] {
        let leaf = chain(&lab, &parent, depth).await?;
        let mut asked = Vec::new();
        for _ in 0..some {
            let begun = Instant::now();
            ensure!(leaf.get("/whoami").await?.0 == 200);
            asked.push(begun.elapsed());
        }
        asked.sort();
        let middle = asked.get(asked.len() / 2).context("nothing asked")?;
        println!("| a call of the API, authenticated at depth {depth}: ms | {:.2} |", ms(*middle));
        let took = connections(&alice, usize::try_from(depth)?, if quick { 1 } else { 3 })?;
        println!("| psql's connection through weir, authorised at depth {depth}: ms | {took:.2} |");
    }
    Ok(())
}

fn per_second(many: usize, begun: Instant) -> f64 {
    many as f64 / begun.elapsed().as_secs_f64()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn median(times: usize, mut each: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut all = (0..times).map(|_| each()).collect::<Result<Vec<_>>>()?;
    all.sort();
    all.get(all.len() / 2).copied().context("nothing measured")
}

fn weir_run(agent: &Agent, arguments: &[&str]) -> Result<Command> {
    let mut command = agent.command()?;
    command.env("WEIR", program("weir")?.get_program()).arg("run").args(arguments);
    Ok(command)
}

fn run(mut command: Command) -> Result<Duration> {
    let begun = Instant::now();
    let output = command.stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(begun.elapsed())
}

/// The command tells the time as the first thing it does.
fn first_instruction(agent: &Agent) -> Result<Duration> {
    let now = || Ok::<_, anyhow::Error>(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?);
    let mut command = weir_run(agent, &["--connect", "shop-dev", "--", "date", "+%s.%N"])?;
    let begun = now()?;
    let output = command.stdin(Stdio::null()).output()?;
    let seconds: f64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
    Ok(Duration::try_from_secs_f64(seconds)?.saturating_sub(begun))
}

/// A leaf so many hops below.
async fn chain(lab: &Lab, root: &Forger, depth: u32) -> Result<Forger> {
    let mut parent: Option<(Forger, String)> = None;
    for level in 1..=depth {
        let child = Forger::stranger(lab)?;
        let (key, thumbprint) = match &parent {
            Some((parent, _)) => (&parent.key, parent.thumbprint()?),
            None => (&root.key, root.thumbprint()?),
        };
        let good = root.hop(child.thumbprint()?).await?;
        let previous = parent.as_ref().map_or(good.previous.clone(), |(_, hop)| digest(hop));
        let jws = Hop { parent: thumbprint, depth: level, previous, ..good }.sign(key)?;
        let (status, answer) = child.present(&jws).await?;
        ensure!(status == 200, "{answer}");
        parent = Some((child, jws));
    }
    parent.map(|(leaf, _)| leaf).context("no depth")
}

/// Milliseconds of a new connection, as pgbench -C sees them, from so many nested runs.
fn connections(agent: &Agent, depth: usize, seconds: u32) -> Result<f64> {
    let pgbench = format!("pgbench -n -C -c 1 -T {seconds} -f /dev/stdin <<< 'SELECT 1' 2>&1");
    let mut command = agent.command()?;
    let weir = program("weir")?.get_program().to_owned();
    for level in 0..depth {
        if level > 0 {
            command.arg(&weir);
        }
        command.arg("run");
        if level + 1 == depth {
            command.args(["--connect", "shop-dev"]);
        }
        command.arg("--");
    }
    let output = command.args(["bash", "-c", &pgbench]).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().find_map(|line| line.strip_prefix("average connection time = "));
    let line = line.with_context(|| format!("{said}{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(line.trim_end_matches(" ms").parse()?)
}
