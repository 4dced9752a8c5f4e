//! Agents of agents: a person, an agent, an agent of that one, and psql below it.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use weir_tests::{
    agent::{Agent, Transport, json},
    lab::Lab,
    process::{Lines, Running, program},
};

over_both_transports!(narrower_at_each_hop);

const PATIENCE: Duration = Duration::from_secs(30);

/// `weir run` with these options, running a shell script in which `$WEIR` is weir.
pub(crate) fn run(agent: &Agent, options: &[&str], script: &str) -> Result<Command> {
    let mut command = agent.command()?;
    command.env("WEIR", program("weir")?.get_program()).arg("run").args(options).args(["--", "sh", "-c", script]);
    command.stdin(Stdio::null());
    Ok(command)
}

/// The same, running: the process, and what it prints.
pub(crate) fn begun(agent: &Agent, options: &[&str], script: &str) -> Result<(Running, Lines)> {
    let mut command = run(agent, options, script)?;
    let mut process = Running::start(command.stdout(Stdio::piped()), &agent.home().join("run.log"))?;
    let lines = Lines::of(process.stdout().context("no standard output")?);
    Ok((process, lines))
}

/// A text as one word of a shell's script, to stand between single quotes.
pub(crate) fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}

/// What it came to: exit code, and both outputs in one.
pub(crate) fn outcome(mut command: Command) -> Result<(Option<i32>, String)> {
    let output = command.output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&text).into_owned()))
}

/// The agents that `weir sessions tree` shows.
pub(crate) fn tree(agent: &Agent, more: &[&str]) -> Result<Vec<Value>> {
    json(&agent.weir(&[&["sessions", "tree", "--output", "json"], more].concat())?)
}

pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

async fn narrower_at_each_hop(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let how = ["--transport", transport.as_str()];
    let psql = "psql -X -At -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -c";
    // The root may read and write one resource, its child read it, and the child's child no more for asking for more.
    let leaf = format!("{psql} 'SELECT count(*) FROM orders'; {psql} 'DELETE FROM orders WHERE id = 7'");
    let middle = format!(
        "{psql} 'DELETE FROM orders WHERE id = 6'; \
         $WEIR run --scope 'shop-*:sql.*' --connect shop-dev -- sh -c \"{leaf}\"; $WEIR whoami --chain"
    );
    let root = format!(
        "{psql} 'DELETE FROM orders WHERE id = 5'; \
         $WEIR run --scope shop-dev:sql.read --connect shop-dev -- sh -c '{}'; \
         $WEIR list; {psql} 'SELECT 1' \"host=127.0.0.1\"",
        quoted(&middle)
    );
    let options = [&["--scope", "shop-dev:sql.read+sql.write", "--connect", "shop-dev"], &how[..]].concat();
    let (code, said) = outcome(run(&alice, &options, &root)?)?;
    ensure!(code == Some(0), "{code:?} {said}");
    ensure!(said.matches("DELETE 1").count() == 1, "only the root may write: {said}");
    ensure!(said.matches("42501").count() == 2 && said.contains("rule scope:"), "{said}");
    ensure!(said.contains("99\n"), "the leaf reads: {said}");
    ensure!(said.contains("asking for it has no effect"), "who asks for more is told: {said}");
    ensure!(said.contains("depth 2") && said.contains("may at most: shop-dev:sql.read"), "{said}");
    ensure!(said.contains("needs a wider scope"), "what is out of scope is said to be: {said}");
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "99");

    ensure!(lab.audited("agent.delegated")?.len() >= 4);
    // Everything has ended, and the trace is there, with the whole chain.
    ensure!(tree(&alice, &[])?.is_empty(), "{:?}", tree(&alice, &[])?);
    let all = tree(&alice, &["--ended"])?;
    let root = all.iter().find(|agent| {
        text(agent, "scope").is_empty() && agent["depth"] == 0 && text(&agent["evidence"], "command") == "sh"
    });
    let root = text(root.context("no root")?, "id").to_owned();
    let chained = json(&alice.weir(&["sessions", "list", "--chain", &root, "--output", "json"])?)?;
    ensure!(chained.len() == 5, "{chained:#?}");
    let depths: Vec<usize> = chained.iter().map(|view| view["chain"].as_array().map_or(0, Vec::len)).collect();
    ensure!(depths.contains(&1) && depths.contains(&2) && depths.contains(&3), "{depths:?}");
    let deepest = chained.iter().find(|view| view["chain"].as_array().is_some_and(|chain| chain.len() == 3));
    let replay = alice.weir(&["sessions", "replay", text(deepest.context("none")?, "id")])?;
    ensure!(replay.contains(&format!("agents: {root} > ")), "{replay}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ending_the_middle_ends_the_leaf_and_leaves_the_root() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let psql = "psql -X -At -v VERBOSITY=verbose -c";
    let leaf = format!("{psql} 'SELECT pg_sleep(60)' 2>&1; echo leaf is over");
    let script = format!(
        "$WEIR run --connect shop-dev -- $WEIR run --connect shop-dev -- sh -c \"{leaf}\"; \
         {psql} \"SELECT 'root lives'\""
    );
    let (mut process, lines) = begun(&alice, &["--connect", "shop-dev"], &script)?;
    let until = Instant::now() + PATIENCE;
    let middle = loop {
        let agents = tree(&alice, &[])?;
        let busy = agents.iter().any(|agent| agent["depth"] == 2 && agent["open_sessions"] == 1);
        if let Some(middle) = agents.iter().find(|agent| agent["depth"] == 1).filter(|_| busy) {
            break text(middle, "id").to_owned();
        }
        ensure!(Instant::now() < until, "the leaf does not begin: {agents:#?} {}", process.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let ended = alice.weir(&["revoke", &middle])?;
    ensure!(ended.contains("and 1 below it"), "{ended}");
    // psql is told, rather than left waiting for the sixty seconds of its statement.
    lines.find(Duration::from_secs(10), |line| line.contains("28000").then_some(()))?;
    lines.find(PATIENCE, |line| (line == "root lives").then_some(()))?;
    ensure!(process.wait(PATIENCE)? == Some(0), "{}", process.log());
    let again = alice.try_weir(&["revoke", &middle])?;
    ensure!(again.status.code() == Some(9), "{again:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_is_for_all_below() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let psql = "psql -X -At -v VERBOSITY=verbose -c";
    let script = format!(
        "$WEIR run --connect shop-dev -- {psql} 'SELECT 1' -c 'SELECT 2'; {psql} 'SELECT 3'; {psql} 'SELECT 4'"
    );
    let (_, said) = outcome(run(&alice, &["--connect", "shop-dev", "--budget", "statements=3"], &script)?)?;
    ensure!(said.contains("3\n") && !said.contains("\n4\n"), "{said}");
    ensure!(said.matches("53400").count() == 1 && said.contains("budget is used up"), "{said}");
    let rows = format!("{psql} 'SELECT * FROM orders'; {psql} 'SELECT 4711'");
    let (_, said) = outcome(run(&alice, &["--connect", "shop-dev", "--budget", "rows=50"], &rows)?)?;
    ensure!(said.contains("54000") && said.contains("budget had left"), "{said}");
    ensure!(said.contains("53400") && !said.contains("4711"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_of_rows_holds_over_sessions_that_run_at_the_same_time() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    // COPY, since psql shows its rows as they come, up to the error. Some are sessions of children.
    let copy = "psql -X -At -v VERBOSITY=verbose -c 'COPY (SELECT generate_series(1, 40000)) TO STDOUT'";
    let script = format!(
        "for n in 1 2 3; do {copy} > $OUT.own.$n 2>&1 & $WEIR run --connect shop-dev -- {copy} > $OUT.child.$n 2>&1 & done; \
         wait; psql -X -At -v VERBOSITY=verbose -c 'SELECT 4711'"
    );
    let mut command = run(&alice, &["--connect", "shop-dev", "--budget", "rows=100000"], &script)?;
    command.env("OUT", lab.folder().join("out"));
    let (_, said) = outcome(command)?;
    ensure!(said.contains("53400") && !said.contains("4711"), "{said}");
    let (mut rows, mut cut) = (0, 0);
    for name in ["own.1", "own.2", "own.3", "child.1", "child.2", "child.3"] {
        let text = std::fs::read_to_string(lab.folder().join(format!("out.{name}")))?;
        rows += text.lines().filter(|line| line.parse::<u32>().is_ok()).count();
        cut += usize::from(text.contains("54000") && text.contains("budget had left") || text.contains("53400"));
    }
    ensure!(rows == 100_000 && cut > 2, "{rows} rows, {cut} cut");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_isolated_command_reaches_its_ports_and_nothing_else() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let psql = "psql -X -At -c";
    // The database itself listens on this machine's loopback address: it is not this command's.
    let script = format!(
        "{psql} 'SELECT count(*) FROM orders' && echo port $PGPORT; id -u; cat /proc/net/dev | grep -c :; \
         psql -X -h 127.0.0.1 -p {} -U x -d shop -c 'SELECT 1'; curl -sk --max-time 5 {}/healthz; true",
        lab.postgres("PG_PORT"),
        lab.url()
    );
    let (code, said) = outcome(run(&alice, &["--isolate", "--connect", "shop-dev"], &script)?)?;
    if said.contains("cannot be isolated") {
        ensure!(code == Some(12) && said.contains("hint: "), "{said}");
        eprintln!("not held here, since this kernel lets nobody make namespaces: {said}");
        return Ok(());
    }
    ensure!(code == Some(0), "{said}");
    ensure!(said.contains("100\nport 5432\n"), "{said}");
    ensure!(said.contains(&format!("\n{}\n1\n", rustix::process::getuid().as_raw())), "{said}");
    ensure!(said.contains("Connection refused") && !said.contains("ok\n"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weir_in_an_isolated_command_says_why_it_cannot_run() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let ticket = lab.folder().join("ticket");
    let script = format!(
        "for what in list 'connect shop-dev' 'run -- true'; do $WEIR $what; echo $what: $?; done; \
         $WEIR ticket > {} && echo handed on; env -u WEIR_SOCK $WEIR list; echo without: $?",
        ticket.display()
    );
    let (code, said) = outcome(run(&alice, &["--isolate", "--connect", "shop-dev"], &script)?)?;
    if said.contains("cannot be isolated") {
        eprintln!("not held here, since this kernel lets nobody make namespaces: {said}");
        return Ok(());
    }
    ensure!(code == Some(0), "{said}");
    ensure!(
        ["list: 6\n", "connect shop-dev: 6\n", "run -- true: 6\n"].iter().all(|line| said.contains(line)),
        "{said}"
    );
    ensure!(said.matches("this command is isolated").count() == 3 && said.contains("hint: open its ports"), "{said}");
    // Its supervisor is reached, and works for it outside; the stored login is of no use without a way to the relay.
    ensure!(said.contains("handed on\n") && said.contains("without: 6\n"), "{said}");
    let path = ticket.to_str().context("no path")?;
    ensure!(lab.audited("agent.delegated")?.is_empty(), "no hop was signed in vain");
    let (code, said) = outcome(run(&alice, &["--ticket", path], "true")?)?;
    ensure!(code == Some(4) || code == Some(5), "the one that gave the ticket has ended: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_sees_what_it_needs_and_its_exit_code_comes_through() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let (code, said) =
        outcome(run(&alice, &["--connect", "shop-dev", "--env", "X=<{{shop-dev.url}}>"], "echo $X $PGUSER; exit 3")?)?;
    ensure!(code == Some(3) && said.contains("<postgresql://alice@127.0.0.1:"), "{code:?} {said}");
    let (code, said) = outcome(run(&alice, &[], "kill -TERM $$")?)?;
    ensure!(code == Some(128 + 15), "{code:?} {said}");
    // A signal to weir is one to the command.
    let (mut process, lines) =
        begun(&alice, &[], "trap 'echo told; exit 7' TERM; echo ready; while :; do sleep 0.1; done")?;
    lines.find(PATIENCE, |line| (line == "ready").then_some(()))?;
    ensure!(process.terminate(PATIENCE)? == Some(7));
    lines.find(PATIENCE, |line| (line == "told").then_some(()))?;
    // Secrets that a command prints do not come through, in whatever pieces it prints them.
    let script = "printf 'token ghp_0123456789ab'; printf 'cdefghijABCDEFGHIJ012345 end\\n'; echo ada@example.com >&2";
    let (_, said) = outcome(run(&alice, &[], script)?)?;
    ensure!(said.contains("token [masked:") && said.contains("end") && !said.contains("cdefghij"), "{said}");
    ensure!(said.contains("ada@example.com"), "whose data it is is the relay's to know: {said}");
    // What it leaves behind ends with it.
    let (code, said) = outcome(run(&alice, &[], "sleep 600 & echo $!; (setsid sleep 600 & echo $!)")?)?;
    ensure!(code == Some(0), "{said}");
    let pids: Vec<&str> = said.lines().filter(|line| line.parse::<u32>().is_ok()).collect();
    ensure!(
        pids.len() == 2 && pids.iter().all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists()),
        "{said}"
    );
    for (arguments, code) in
        [(&["run", "--connect", "nope", "--", "true"][..], 3), (&["run", "--", "/no/such/program"], 3)]
    {
        ensure!(alice.try_weir(arguments)?.status.code() == Some(code), "{arguments:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_terminal_the_command_has_one() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    // script(1) is the terminal that a person would have.
    let weir = program("weir")?.get_program().to_string_lossy().into_owned();
    let inner = format!("{weir} run --connect shop-dev -- sh -c 'tty; stty size; read line; echo got $line; exit 5'");
    let mut command = Command::new("script");
    command.args(["-qec", &format!("stty rows 33 cols 101; {inner}"), "/dev/null"]).env("WEIR_HOME", alice.home());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("no standard input")?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    std::io::Write::write_all(&mut input, b"hello\n")?;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await??;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.code() == Some(5), "{:?} {said}", output.status);
    ensure!(said.contains("/dev/pts/") && said.contains("33 101") && said.contains("got hello"), "{said}");
    drop(input);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_whose_process_is_gone_ends() -> Result<()> {
    let mut lab = Lab::start().await?;
    lab.restart_with(|config| format!("agent_idle = \"10s\"\n{config}")).await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let (mut gone, lines) = begun(&alice, &["--connect", "shop-dev"], "echo ready; sleep 60")?;
    lines.find(PATIENCE, |line| (line == "ready").then_some(()))?;
    ensure!(tree(&alice, &[])?.len() == 2);
    gone.kill()?;
    let until = Instant::now() + PATIENCE * 2;
    while tree(&alice, &[])?.len() > 1 {
        ensure!(Instant::now() < until, "it lives on: {:?}", tree(&alice, &[])?);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // Who only waits is not gone.
    ensure!(shop.sql("SELECT 1")? == "1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_lives_as_long_as_its_supervisor_signs() -> Result<()> {
    let mut lab = Lab::start().await?;
    lab.restart_with(|config| format!("{config}\n[delegation]\nchild_lifetime = \"5s\"\n")).await?;
    let alice = lab.login("alice").await?;
    // More than two lifetimes later, over a connection that was open all the while.
    let leaf = "psql -X -At -c \"SELECT pg_sleep(12)\" -c \"SELECT 'still here'\"";
    let script = format!("$WEIR run --connect shop-dev -- {leaf}");
    let (code, said) = outcome(run(&alice, &[], &script)?)?;
    ensure!(code == Some(0) && said.contains("still here"), "{said}");
    // With a time of its own it ends, however often it asks.
    let script = format!("$WEIR run --ttl 7s --connect shop-dev -- {leaf}; echo after");
    let (_, said) = outcome(run(&alice, &[], &script)?)?;
    ensure!(!said.contains("still here") && said.contains("after"), "{said}");
    // A ticket's child cannot ask again: its time is what the ticket says.
    let ticket = lab.folder().join("ticket");
    std::fs::write(&ticket, alice.weir(&["ticket", "--ttl", "1m"])?)?;
    let path = ticket.to_str().context("no path")?;
    let (code, said) = outcome(run(&alice, &["--ticket", path, "--connect", "shop-dev"], leaf)?)?;
    ensure!(code == Some(0) && said.contains("still here"), "{said}");
    Ok(())
}

/// An agent asks for more than the one above it has: a human decides, for a while, for that agent alone; policy is asked as ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_one_above_has_is_asked_for() -> Result<()> {
    let lab = Lab::start().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let weir = program("weir")?.get_program().to_string_lossy().into_owned();
    let update = "psql -X -At -v ON_ERROR_STOP=1 -c 'UPDATE orders SET id = id WHERE id = 1'";
    // Without asking, more has no effect.
    let above = ["run", "--scope", "shop-dev:sql.read", "--", &weir, "run", "--scope", "shop-dev:sql.write+sql.read"];
    let below = ["--connect", "shop-dev", "--", "sh", "-c", update];
    let refused = alice.try_weir(&[&above[..], &below].concat())?;
    ensure!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("has no effect"));

    let mut command = alice.command()?;
    let ask = ["--escalate", "--reason", "to mend order 1"];
    // What is granted is not handed on: the grandchild may not, the one that asked may.
    let script = format!("{update}; {weir} run --connect shop-dev -- sh -c \"{update}\" || echo not handed on");
    command.args(above).args(ask).args(["--connect", "shop-dev", "--", "sh", "-c", &script]);
    let mut running = Running::start(command.stdout(Stdio::piped()), &lab.folder().join("asks.log"))?;
    let lines = Lines::of(running.stdout().context("no standard output")?);
    let id = rita.next_pending().await?;
    let seen = rita.weir(&["approvals", "show", &id])?;
    ensure!(seen.contains("shop-dev:sql.write") && seen.contains("to mend order 1"), "{seen}");
    let wider = ["approvals", "approve", &id, "--yes", "--scope", "shop-dev:sql.write+sql.ddl"];
    ensure!(!rita.try_weir(&wider)?.status.success(), "wider than what was asked for");
    ensure!(!alice.try_weir(&["approvals", "approve", &id, "--yes"])?.status.success(), "the user behind it decided");
    rita.weir(&["approvals", "approve", &id, "--yes", "--for", "2m"])?;
    lines.find(PATIENCE, |line| (line == "UPDATE 1").then_some(()))?;
    lines.find(PATIENCE, |line| (line == "not handed on").then_some(()))?;
    ensure!(running.wait(PATIENCE)? == Some(0), "{}", running.log());
    ensure!(lab.audited("approval.requested")?.len() == 1 && lab.audited("approval.approved")?.len() == 1);
    Ok(())
}
