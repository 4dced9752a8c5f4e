//! Large objects, which libpq reaches by function calls past SQL: psql's `\lo_` commands, and pg_dump.

use crate::review::{Waiting, shown};
use anyhow::{Result, ensure};
use std::{fs, process::Command};
use weir_tests::{
    agent::{Connection, Transport, json},
    lab::{Lab, output, run},
    raw::{Raw, frame, query},
};

/// A letter with an address in it, among much else.
fn letter() -> Vec<u8> {
    let mut letter = vec![0, 1, 0xfe, 0xff];
    letter.extend_from_slice("many words of no matter\n".repeat(4000).as_bytes());
    letter
}

fn psql(shop: &Connection, text: &str) -> Result<(bool, String)> {
    let output = output(shop.psql().args(["-q", "-v", "ON_ERROR_STOP=1"]), Some(text))?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// An ordinary user brings one in, reads it back as it was, and needs a human to remove it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn psqls_commands_work_as_policy_says() -> Result<()> {
    let lab = Lab::start().await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let (from, to) = (lab.folder().join("letter"), lab.folder().join("copy"));
    fs::write(&from, letter())?;
    let (well, said) = psql(&shop, &format!("\\lo_import {}", from.display()))?;
    ensure!(well, "{said}");
    let id = lab.sql("SELECT oid FROM pg_largeobject_metadata")?.trim().to_owned();
    ensure!(lab.sql(&format!("SELECT length(lo_get({id}))"))?.trim() == letter().len().to_string());
    let (well, said) = psql(&shop, &format!("\\lo_list\n\\lo_export {id} {}", to.display()))?;
    ensure!(well && said.contains(&id), "{said}");
    ensure!(fs::read(&to)? == letter(), "it comes back as another");

    let waiting = Waiting::begin(&lab, &shop, &format!("\\lo_unlink {id}"))?;
    let approval = rita.next_pending().await?;
    let seen = shown(&rita, &approval)?;
    ensure!(seen.to_string().contains(&format!("SELECT pg_catalog.lo_unlink({id})")), "{seen}");
    rita.weir(&["approvals", "deny", &approval])?;
    waiting.refused()?;
    ensure!(lab.sql("SELECT count(*) FROM pg_largeobject_metadata")?.trim() == "1");

    // In production it is nobody's to remove, and writing waits for a human.
    let prod = alice.connect("shop-prod", Transport::Quic)?;
    let (well, said) = psql(&prod, &format!("\\lo_unlink {id}"))?;
    ensure!(!well && said.contains("guardrail-destructive"), "{said}");
    let sessions = json(&alice.weir(&["sessions", "list", "--output", "json"])?)?;
    let ids = sessions.iter().filter_map(|session| session.get("id")?.as_str());
    let texts = ids.map(|id| alice.weir(&["sessions", "replay", id])).collect::<Result<Vec<_>>>()?.concat();
    for text in ["SELECT pg_catalog.lo_creat(", "SELECT pg_catalog.lowrite(", "SELECT pg_catalog.loread("] {
        ensure!(texts.contains(text), "{text} is not recorded");
    }
    Ok(())
}

/// What is read is masked like any value, and a call that is not of large objects stays refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_is_masked_and_others_are_refused() -> Result<()> {
    let lab = Lab::start().await?;
    let id =
        lab.sql("SET ROLE shop_agent; SELECT lo_from_bytea(0, 'write to ada@example.com soon')")?.trim().to_owned();
    let shop = lab.login("alice").await?.connect("shop-dev", Transport::Quic)?;
    let to = lab.folder().join("copy");
    let (well, said) = psql(&shop, &format!("\\lo_export {id} {}", to.display()))?;
    ensure!(well, "{said}");
    ensure!(fs::read_to_string(&to)? == "write to *************** soon");

    let mut raw = Raw::through(shop.port)?;
    // pg_terminate_backend(int4); one that is too long to be judged. The session goes on.
    let terminate = [&2096_u32.to_be_bytes()[..], &[0, 1, 0, 1, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1, 0, 1]].concat();
    ensure!(raw.ask(&frame(b'F', &terminate))? == "E42501 ZI");
    ensure!(raw.ask(&frame(b'F', &vec![b'x'; 300 * 1024]))?.starts_with('E'));
    ensure!(raw.ask(&query("SELECT 1"))? == "T D C ZI");
    Ok(())
}

/// A database with large objects is dumped, and its dump restored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_holds_them() -> Result<()> {
    let lab = Lab::start().await?;
    let words = "words of no matter ".repeat(3000);
    let made = format!(
        "DROP VIEW customer_mail, customer_numbers, customer_rows, customer_rows_again; DROP TABLE accounts, orders, \
        customers; SET ROLE shop_agent; CREATE TABLE papers (paper oid, title text); \
        INSERT INTO papers VALUES (lo_from_bytea(4711, convert_to('{words}', 'UTF8')), 'a title')"
    );
    lab.sql(&made)?;
    let shop = lab.login("alice").await?.connect("shop-dev", Transport::Quic)?;
    let dump = lab.folder().join("dump");
    run(Command::new("pg_dump").args(["-Fc", "-f"]).arg(&dump).arg(shop.url()), None)?;
    lab.sql("CREATE DATABASE again OWNER shop_agent")?;
    let mut restore = Command::new("pg_restore");
    restore.args(["-U", "postgres", "-d", "again", "-h", lab.postgres("PG_SOCKET"), "-p", lab.postgres("PG_PORT")]);
    run(
        restore.env("PGPASSWORD", fs::read_to_string(lab.postgres("PG_SUPERUSER_PASSWORD_FILE"))?.trim()).arg(&dump),
        None,
    )?;
    let mut psql = Command::new("psql");
    psql.args([
        "-X",
        "-At",
        "-U",
        "postgres",
        "-d",
        "again",
        "-h",
        lab.postgres("PG_SOCKET"),
        "-p",
        lab.postgres("PG_PORT"),
    ]);
    psql.env("PGPASSWORD", fs::read_to_string(lab.postgres("PG_SUPERUSER_PASSWORD_FILE"))?.trim());
    let back = run(psql.args(["-c", "SELECT convert_from(lo_get(paper), 'UTF8') FROM papers"]), None)?;
    ensure!(back.trim() == words.trim(), "{} bytes", back.len());
    Ok(())
}
