//! The same with `weir admin`.

use super::{NO_DDL, lab, text};
use crate::nested::outcome;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use weir_tests::{
    agent::{Agent, Transport, json},
    forger::Forger,
    lab::{Lab, output, run},
    process::{Lines, Running},
};

const PATIENCE: Duration = Duration::from_secs(30);
/// The problem is on its third line.
const INVALID: &str = "@id(\"a\")\npermit (principal, action, resource)\nwhen { context.nope };\n";

/// A file of one's own.
fn file(lab: &Lab, name: &str, text: &str) -> Result<PathBuf> {
    let folder = lab.folder().join("mine");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    Ok(path)
}

fn name(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

fn admin(agent: &Agent, arguments: &[&str]) -> Result<Command> {
    let mut command = agent.command()?;
    command.arg("admin").args(arguments).stdin(Stdio::null());
    Ok(command)
}

/// What it came to: exit code, and both outputs in one.
fn tried(agent: &Agent, arguments: &[&str]) -> Result<(Option<i32>, String)> {
    outcome(admin(agent, arguments)?)
}

fn said(agent: &Agent, arguments: &[&str]) -> Result<String> {
    run(&mut admin(agent, arguments)?, None)
}

fn said_json(agent: &Agent, arguments: &[&str]) -> Result<Value> {
    Ok(serde_json::from_str(&said(agent, &[arguments, &["--output", "json"]].concat())?)?)
}

fn hash(agent: &Agent) -> Result<String> {
    Ok(text(&said_json(agent, &["policies", "list"])?, "/hash")?.to_owned())
}

/// Files are listed, printed as they are, written, in force at once, and deleted; only over what was seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_are_changed() -> Result<()> {
    let lab = lab().await?;
    let (adam, alice) = (lab.login("adam").await?, lab.login("alice").await?);
    let folder = lab.relay_folder().join("policies");
    let first = said_json(&adam, &["policies", "list"])?;
    ensure!(first["hash"] == first["in_force"] && first["problems"] == json!([]), "{first}");
    let default = std::fs::read_to_string(folder.join("default.cedar"))?;
    ensure!(first["files"][0]["name"] == "default.cedar" && first["files"][0]["bytes"] == default.len(), "{first}");
    let first = text(&first, "/hash")?.to_owned();
    let listed = said(&adam, &["policies", "list"])?;
    ensure!(listed.contains("default.cedar") && listed.contains(&first) && listed.contains("the same"), "{listed}");
    ensure!(said(&adam, &["policies", "show", "default.cedar"])? == default);
    ensure!(said_json(&adam, &["policies", "show", "default.cedar"])?["text"] == default.as_str());
    let (code, missing) = tried(&adam, &["policies", "show", "absent.cedar"])?;
    ensure!(code == Some(3) && missing.contains("weir admin policies list"), "{code:?} {missing}");

    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let session = shop.client().await?;
    session.simple_query("SELECT 1").await?;
    let mine = file(&lab, "no-ddl.cedar", NO_DDL)?;
    let written = said_json(&adam, &["policies", "put", name(&mine)?])?;
    ensure!(written["from"] == first.as_str() && written["hash"] == written["in_force"], "{written}");
    let refused = shop.refused("CREATE TABLE nothing (a int)")?;
    ensure!(refused.contains("no-ddl"), "{refused}");
    ensure!(std::fs::read_to_string(folder.join("no-ddl.cedar"))? == NO_DDL);
    let second = hash(&adam)?;
    ensure!(written["hash"] == second.as_str() && second != first);

    // From standard input, under a name that must be said.
    let mut piped = admin(&adam, &["policies", "put", "-", "--as", "more.cedar", "--if-match", &second])?;
    let done = run(&mut piped, Some("// nothing\n"))?;
    ensure!(done.contains("more.cedar is written") && done.contains(&hash(&adam)?), "{done}");
    let (code, unnamed) = tried(&adam, &["policies", "put", "-"])?;
    ensure!(code == Some(2) && unnamed.contains("--as"), "{unnamed}");

    // Who has seen what is there no more changes nothing.
    for arguments in [&["put", name(&mine)?][..], &["delete", "no-ddl.cedar"]] {
        let arguments = [&["policies"], arguments, &["--if-match", &first]].concat();
        let (code, stale) = tried(&adam, &arguments)?;
        ensure!(code == Some(9) && stale.contains("the policies have changed"), "{code:?} {stale}");
        ensure!(stale.contains("hint: somebody else was first"), "{stale}");
    }
    for gone in ["more.cedar", "no-ddl.cedar"] {
        let done = said(&adam, &["policies", "delete", gone])?;
        ensure!(done.contains(&format!("{gone} is deleted")) && !folder.join(gone).exists(), "{done}");
    }
    ensure!(hash(&adam)? == first);
    let (code, again) = tried(&adam, &["policies", "delete", "no-ddl.cedar"])?;
    ensure!(code == Some(3) && again.contains("weir admin policies list"), "{code:?} {again}");
    ensure!(lab.audited("policy.changed")?.len() == 4);
    Ok(())
}

/// What would not be valid is told with its place, and changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn problems_have_places() -> Result<()> {
    let lab = lab().await?;
    let (adam, otto) = (lab.login("adam").await?, lab.login("otto").await?);
    let before = hash(&otto)?;
    let bad = file(&lab, "bad.cedar", INVALID)?;
    let path = name(&bad)?;
    let place = format!("{path}:3:");
    let (code, problem) = tried(&adam, &["policies", "put", path])?;
    ensure!(code == Some(11) && problem.contains(&place) && problem.contains("  hint: "), "{code:?} {problem}");
    let put = output(&mut admin(&adam, &["policies", "put", path, "--output", "json"])?, None)?;
    let problems: Value = serde_json::from_slice(&put.stdout)?;
    ensure!(problems["problems"][0]["line"] == 3 && problems["problems"][0]["file"] == path, "{problems}");
    let (code, last) = tried(&adam, &["policies", "delete", "default.cedar"])?;
    ensure!(code == Some(11) && last.contains("nothing would be permitted"), "{code:?} {last}");

    let (code, checked) = tried(&otto, &["policies", "check", path])?;
    ensure!(code == Some(11) && checked.contains(&place) && checked.contains("hint: correct"), "{code:?} {checked}");
    let good = file(&lab, "good.cedar", NO_DDL)?;
    let (code, checked) = tried(&otto, &["policies", "check", name(&good)?])?;
    ensure!(code == Some(0) && checked.contains("the policies are good: "), "{code:?} {checked}");
    // A folder is all of its policies, and nothing else of it.
    let folder = lab.folder().join("mine");
    file(&lab, "notes.txt", "no policy")?;
    let checked = output(&mut admin(&otto, &["policies", "check", name(&folder)?, "--output", "json"])?, None)?;
    let problems: Value = serde_json::from_slice(&checked.stdout)?;
    let files: Vec<_> = problems["problems"].as_array().into_iter().flatten().map(|problem| &problem["file"]).collect();
    ensure!(checked.status.code() == Some(11) && !files.is_empty(), "{problems}");
    ensure!(files.iter().all(|file| **file == path) && problems["hash"].is_null(), "{problems}");
    std::fs::remove_file(&bad)?;
    ensure!(said_json(&otto, &["policies", "check", name(&folder)?])?["hash"].is_string());
    let (code, absent) = tried(&otto, &["policies", "check", path])?;
    ensure!(code == Some(2) && absent.contains("bad.cedar"), "{code:?} {absent}");
    ensure!(hash(&otto)? == before);

    // Files that were spoilt at the relay itself: told by `list`, and mended from here.
    let spoilt = lab.relay_folder().join("policies/spoilt.cedar");
    std::fs::write(&spoilt, [0xff, 0xfe])?;
    let listed = said(&otto, &["policies", "list"])?;
    ensure!(listed.contains("spoilt.cedar: ") && listed.contains(&before), "{listed}");
    said(&adam, &["policies", "delete", "spoilt.cedar"])?;
    ensure!(hash(&otto)? == before && !spoilt.exists());
    Ok(())
}

/// As `weir-relay policy explain` tells it of the same request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_are_explained() -> Result<()> {
    let lab = lab().await?;
    let otto = lab.login("otto").await?;
    let sql = "DELETE FROM orders";
    let ask = ["policies", "explain", "--user", "alice", "--resource", "shop-prod", "--depth", "1", "--sql", sql];
    let explained = said(&otto, &ask)?;
    let there = ["policy", "explain", "--as", "alice", "--connect", "shop-prod", "--depth", "1", "--sql", sql];
    ensure!(explained == lab.admin(&there)?, "{explained}");
    let answer = said_json(&otto, &ask)?;
    ensure!(answer["hops"].as_array().map(Vec::len) == Some(2), "{answer}");
    ensure!(explained.starts_with(text(&answer, "/outcome")?), "{explained}");
    let role = |role| -> Result<Value> {
        said_json(&otto, &["policies", "explain", "--user", "x", "--role", role, "--resource", "shop-dev"])
    };
    ensure!(role("user")?["outcome"] == "allow" && role("nothing")?["outcome"] == "deny");
    let (code, unknown) = tried(&otto, &["policies", "explain", "--user", "x", "--resource", "shop-dev"])?;
    ensure!(code == Some(3) && unknown.contains("name the roles"), "{code:?} {unknown}");
    let (_, unknown) = tried(&otto, &["policies", "explain", "--user", "alice", "--resource", "no/shop"])?;
    ensure!(unknown.contains("no/shop is not configured: it has no labels"), "{unknown}");
    let nothing = ["policies", "explain", "--user", "alice", "--resource", "shop-dev", "--sql", "BEGIN"];
    let (code, nothing) = tried(&otto, &nothing)?;
    ensure!(code == Some(0) && nothing.contains("nothing but the connection"), "{code:?} {nothing}");
    Ok(())
}

/// Auditors read and change nothing; others, and whatever was delegated, do neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_is_for_its_roles() -> Result<()> {
    let lab = lab().await?;
    let mine = file(&lab, "no-ddl.cedar", NO_DDL)?;
    let put = ["policies", "put", name(&mine)?];
    let explain = ["policies", "explain", "--user", "alice", "--resource", "shop-dev"];
    let reads =
        [&["policies", "list"][..], &["policies", "show", "default.cedar"], &["audit"], &explain, &put_check(&put)];
    let changes = [&put[..], &["policies", "delete", "default.cedar"]];
    let before = hash(&lab.login("otto").await?)?;
    for (user, reader) in [("otto", true), ("alice", false)] {
        let agent = lab.login(user).await?;
        for read in reads {
            let (code, text) = tried(&agent, read)?;
            let refused = code == Some(5) && text.contains("this call is for admin or auditor");
            ensure!(if reader { code == Some(0) } else { refused }, "{user} {read:?}: {code:?} {text}");
        }
        for change in changes {
            let (code, text) = tried(&agent, change)?;
            ensure!(code == Some(5) && text.contains("this call is for admin"), "{user} {change:?}: {code:?} {text}");
        }
    }
    let adam = lab.login("adam").await?;
    let script = "\"$WEIR\" admin policies list; echo \"it ended with $?\"";
    let (_, text) = outcome(crate::nested::run(&adam, &["--connect", "shop-dev"], script)?)?;
    ensure!(text.contains("it ended with 5") && text.contains("this call is for admin or auditor"), "{text}");
    ensure!(text.contains("agents that were delegated or narrowed have none"), "{text}");
    ensure!(hash(&adam)? == before);
    Ok(())
}

/// The same file, checked.
fn put_check<'a>(put: &[&'a str; 3]) -> [&'a str; 3] {
    [put[0], "check", put[2]]
}

/// At a terminal the difference is shown, and nothing is done unless somebody says so. What others wrote moves no cursor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_terminal_a_change_is_confirmed() -> Result<()> {
    let lab = lab().await?;
    let adam = lab.login("adam").await?;
    let mine = file(&lab, "no-ddl.cedar", &format!("// \u{1b}[2J\u{202e}\n{NO_DDL}"))?;
    let there = lab.relay_folder().join("policies/no-ddl.cedar");
    let at_terminal = |arguments: &str, answer: &str| -> Result<(Option<i32>, String)> {
        // script(1) is the terminal that a person would have.
        let mut command = Command::new("script");
        let weir = adam.command()?;
        let line = format!("{} admin policies {arguments}", name(Path::new(weir.get_program()))?);
        command.args(["-qec", &line, "/dev/null"]).envs(weir.get_envs().filter_map(|(key, value)| Some((key, value?))));
        let output = output(&mut command, Some(answer))?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
    };
    let put = format!("put {}", name(&mine)?);
    let (code, text) = at_terminal(&put, "n\n")?;
    ensure!(code == Some(2) && text.contains("nothing was changed") && !there.exists(), "{code:?} {text}");
    for shown in ["--- /dev/null", "+++ b/no-ddl.cedar", "+// \\u{1b}[2J\\u{202e}", "+forbid (principal", "[y/N]"] {
        ensure!(text.contains(shown), "{shown}: {text}");
    }
    ensure!(!text.contains("\u{1b}[2J") && !text.contains('\u{202e}'), "{text:?}");
    let (code, text) = at_terminal(&put, "y\n")?;
    ensure!(code == Some(0) && text.contains("no-ddl.cedar is written") && there.exists(), "{code:?} {text}");
    let (code, text) = at_terminal(&put, "")?;
    ensure!(code == Some(0) && text.contains("nothing changes in no-ddl.cedar"), "{code:?} {text}");
    let (_, text) = at_terminal("show no-ddl.cedar", "")?;
    ensure!(text.contains("// \\u{1b}[2J\\u{202e}") && !text.contains("\u{1b}[2J"), "{text:?}");
    ensure!(said(&adam, &["policies", "show", "no-ddl.cedar"])? == std::fs::read_to_string(&mine)?);
    let (code, text) = at_terminal("delete no-ddl.cedar --yes", "")?;
    ensure!(code == Some(0) && text.contains("+++ /dev/null") && !there.exists(), "{code:?} {text}");
    Ok(())
}

/// A resource's settings, for those who may read them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_is_shown() -> Result<()> {
    let lab = lab().await?;
    let (otto, alice) = (lab.login("otto").await?, lab.login("alice").await?);
    let show = ["resources", "show", "shop-prod"];
    let shown = said(&otto, &show)?;
    for line in ["name                 shop-prod", "credential           file:", "labels               env=prod"] {
        ensure!(shown.contains(line), "{line}: {shown}");
    }
    let settings = said_json(&otto, &show)?;
    ensure!(text(&settings, "/columns/0")? == "public.customers.ssn" && settings["hash"].is_null(), "{settings}");
    for (agent, arguments, expected, why) in [
        (&otto, &["resources", "show", "absent"][..], 3, "no resource"),
        (&otto, &["resources", "show", "shop-prod", "--definition"], 3, "was not put over the API"),
        (&alice, &show, 5, "this call is for admin or auditor"),
    ] {
        let (code, said) = tried(agent, arguments)?;
        ensure!(code == Some(expected) && said.contains(why), "{arguments:?}: {code:?} {said}");
    }
    Ok(())
}

/// Newest last, by name, by user, by time; and as it comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_read_and_followed() -> Result<()> {
    let lab = lab().await?;
    let (otto, adam) = (lab.login("otto").await?, Forger::root(&lab, "adam").await?);
    let check = async || -> Result<()> {
        let (status, answer) = adam.post("/policies/check", &json!({ "files": [] })).await?;
        ensure!(status == 200, "{answer}");
        Ok(())
    };
    for _ in 0..3 {
        check().await?;
    }
    let events = |arguments: &[&str]| -> Result<Vec<Value>> {
        json(&said(&otto, &[&["audit", "--output", "json"], arguments].concat())?)
    };
    let all = events(&[])?;
    ensure!(all.len() > 3 && all.is_sorted_by_key(|event| event["sequence"].as_i64()), "{all:?}");
    let checked = events(&["--event", "policy.", "--actor", "adam"])?;
    ensure!(checked.len() == 3 && checked.iter().all(|event| event["event"] == "policy.checked"), "{checked:?}");
    ensure!(events(&["--event", "policy.", "--actor", "otto"])?.is_empty());
    ensure!(events(&["--event", "policy.", "--limit", "2"])? == checked[1..], "not the newest");
    ensure!(events(&["--event", "policy.", "--since", "1h"])?.len() == 3);
    ensure!(events(&["--since", "2100-01-01"])?.is_empty());
    let (code, bad) = tried(&otto, &["audit", "--since", "yesterday"])?;
    ensure!(code == Some(2) && bad.contains("write 90m"), "{code:?} {bad}");
    let lines = said(&otto, &["audit", "--event", "policy."])?;
    ensure!(lines.lines().count() == 3 && lines.lines().all(|line| line.contains("policy.checked")), "{lines}");
    ensure!(lines.lines().all(|line| line.contains(" adam ") && line.contains("problems=1")), "{lines}");

    let mut follow = admin(&otto, &["audit", "--event", "policy.", "--limit", "1", "--follow", "--output", "json"])?;
    let mut process = Running::start(follow.stdout(Stdio::piped()), &lab.folder().join("follow.log"))?;
    let lines = Lines::of(process.stdout().context("no standard output")?);
    let next = || -> Result<i64> {
        let event: Value = lines.find(PATIENCE, |line| serde_json::from_str(line).ok())?;
        ensure!(event["event"] == "policy.checked", "{event}");
        event["sequence"].as_i64().context("no number")
    };
    let mut last = next()?;
    ensure!(Some(last) == checked[2]["sequence"].as_i64());
    // Also more at once than are looked for at first.
    for burst in [1, 1, 30] {
        for _ in 0..burst {
            check().await?;
        }
        for _ in 0..burst {
            let newer = next()?;
            ensure!(newer > last, "{newer} again");
            last = newer;
        }
    }
    ensure!(process.terminate(PATIENCE)? == Some(0), "{}", process.log());

    // It ends with its reader.
    let follow = admin(&otto, &["audit", "--event", "policy.", "--limit", "1", "--follow"])?;
    let line = format!("'{}' \"$@\" | head -1", name(Path::new(follow.get_program()))?);
    let mut pipe = Command::new("bash");
    pipe.args(["-c", &line, "-"]).args(follow.get_args()).envs([("WEIR_HOME", otto.home())]);
    let mut pipe = Running::start(pipe.stdin(Stdio::null()).stdout(Stdio::null()), &lab.folder().join("pipe.log"))?;
    let until = Instant::now() + PATIENCE;
    while pipe.wait(Duration::from_millis(500)).is_err() {
        ensure!(Instant::now() < until, "it goes on: {}", pipe.log());
        check().await?;
    }
    Ok(())
}

/// A resource is defined, changed and deleted, only over what was seen; what stands in the configuration is left to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_are_changed() -> Result<()> {
    let mut lab = lab().await?;
    let credential = format!(
        "\n[credentials.shop]\nsource = \"file:{}\"\nhosts = [\"{}:{}\"]\nca = \"{}\"\n",
        lab.postgres("PG_PASSWORD_FILE"),
        lab.postgres("PG_HOST"),
        lab.postgres("PG_PORT"),
        lab.postgres("PG_CA"),
    );
    lab.restart_with(|config| config + &credential).await?;
    let (adam, otto) = (lab.login("adam").await?, lab.login("otto").await?);
    let toml = |databases: &str| {
        format!(
            "kind = \"postgres\"\nhost = \"{}\"\nport = {}\ndatabases = [{databases}]\nrole = \"{}\"\n\
             credential = \"named:shop\"\n",
            lab.postgres("PG_HOST"),
            lab.postgres("PG_PORT"),
            lab.postgres("PG_ROLE"),
        )
    };
    let first = toml("\"shop\"");
    let mine = file(&lab, "extra.toml", &first)?;
    let put = ["resources", "put", "extra", name(&mine)?];
    let (code, refused) = tried(&otto, &put)?;
    ensure!(code == Some(5) && refused.contains("this call is for admin"), "{code:?} {refused}");
    let made = said_json(&adam, &put)?;
    let hash = text(&made, "/hash")?.to_owned();
    ensure!(made["name"] == "extra" && made["origin"] == "api", "{made}");
    ensure!(said(&otto, &["resources", "show", "extra", "--definition"])? == first);
    ensure!(said(&otto, &["resources", "show", "extra"])?.contains(&hash));
    let list = said(&otto, &["resources", "list"])?;
    let has = |name: &str, origin: &str| list.lines().any(|line| line.starts_with(name) && line.contains(origin));
    ensure!(has("extra ", " api ") && has("shop-dev ", " configuration "), "{list}");

    std::fs::write(&mine, toml("\"shop\", \"postgres\""))?;
    let changed = said(&adam, &put)?;
    ensure!(changed.contains("extra is defined; its hash is ") && !changed.contains(&hash), "{changed}");
    let delete = ["resources", "delete", "extra"];
    for arguments in [&put[..], &delete] {
        let (code, stale) = tried(&adam, &[arguments, &["--if-match", &hash]].concat())?;
        ensure!(code == Some(9) && stale.contains("hint: somebody else was first"), "{code:?} {stale}");
    }
    std::fs::write(&mine, format!("{first}nope = 1\n"))?;
    let (code, invalid) = tried(&adam, &put)?;
    ensure!(code == Some(11) && invalid.contains(&format!("{}:7:", name(&mine)?)), "{code:?} {invalid}");
    ensure!(said(&adam, &delete)?.contains("extra is deleted"));
    ensure!(tried(&adam, &delete)?.0 == Some(3));

    for arguments in [&["resources", "put", "shop-dev", name(&mine)?][..], &["resources", "delete", "shop-dev"]] {
        let (code, configured) = tried(&adam, arguments)?;
        ensure!(code == Some(9) && configured.contains("configuration"), "{code:?} {configured}");
    }
    Ok(())
}
