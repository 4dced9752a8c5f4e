//! Masks do no harm: they have the form of their type, are told of, never become data, and a dump is no dump with them in it.

use anyhow::{Context as _, Result, ensure};
use std::process::Command;
use tokio_postgres::SimpleQueryMessage;
use weir_tests::{
    agent::{Connection, Transport, json},
    lab::{Lab, output},
};

const MEMBERS: &str = "SET ROLE shop_agent;
    CREATE TABLE members (id bigint PRIMARY KEY, name text, email text, note text, build text, addr inet, doc jsonb);
    INSERT INTO members VALUES (4000000000000002, 'Ada', 'ada@example.com', 'hotel 7654321', '12.1.0.2', '81.2.69.142',
      '{\"acct\": 4111111111111111, \"n\": 1.10}'), (2, 'Bo', 'bo@example.com', NULL, '1.2.3', '10.0.0.1', '{}');";

/// What psql prints, rows and notices.
fn said(shop: &Connection, text: &str) -> Result<(String, String)> {
    let output = output(shop.psql().args(["-v", "ON_ERROR_STOP=1", "-c", text]), None)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    ensure!(output.status.success(), "{}", text(&output.stderr));
    Ok((text(&output.stdout), text(&output.stderr)))
}

/// What looks like data of persons and is none stays; what is masked has a form that its type takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masks_have_the_form_of_their_type() -> Result<()> {
    let lab = Lab::start().await?;
    lab.sql(MEMBERS)?;
    let shop = lab.login("alice").await?.connect("shop-dev", Transport::Quic)?;
    for text in [
        "SELECT '{\"cancelled_at\": 1700000000}'::jsonb",
        "SELECT 'hotel room 7654321 paid', 'excellent: batch 20481234 done', 'cancelled 1234567 rows'",
        "SELECT '{\"contact_id\": 88123456, \"telemetry_seq\": 41234567}'::jsonb",
        "SELECT string_agg(n::text, ',') FROM (SELECT n FROM generate_series(1, 3) n) x",
        "SELECT n FROM generate_series(4000000000000001, 4000000000000003) n",
        "SELECT n FROM generate_series(4502341234560, 4502341234569) n",
        "SELECT 4567890123456791::int8, 6011000000000004::int8",
        "SELECT id, build, note FROM members ORDER BY 1",
        "SELECT * FROM (VALUES ('12.1.0.2'), ('4.18.2.0'), ('1.2.3')) AS releases (version)",
        "SELECT jsonb_build_object('version', '12.1.0.2', 'packageVersion', '12.1.0.2', 'fw', '2.4.1.7')",
        "SELECT 'Section 1.2.3.4', '1.3.6.1', 'libfoo 2.10.1.1', '08:00:2b:01:02:03:04:05'::macaddr8",
        "SELECT '603 603 2281'::oidvector, '701 701 1184'::oidvector, '+12345678'",
        "COPY (SELECT 4567890123456791::int8, '10.4.2.1'::inet) TO STDOUT",
        "COPY members (id, build) TO STDOUT (FORMAT csv)",
    ] {
        ensure!(said(&shop, text)?.0 == lab.sql(text)?.trim_end(), "{text}: {}", said(&shop, text)?.0);
    }
    for (text, seen) in [
        ("SELECT doc FROM members WHERE id > 2", "{\"n\": 1.10, \"acct\": \"[masked:card]\"}"),
        ("SELECT doc::text FROM members WHERE id > 2", "{\"n\": 1.10, \"acct\": \"[masked:card]\"}"),
        ("SELECT array[doc] FROM members WHERE id > 2", ""),
        ("COPY (SELECT doc FROM members WHERE id > 2) TO STDOUT", "{\"n\": 1.10, \"acct\": \"[masked:card]\"}"),
        ("SELECT addr FROM members ORDER BY id", "10.0.0.1"),
        ("COPY (SELECT addr FROM members ORDER BY id) TO STDOUT", "10.0.0.1\n\\N"),
        ("SELECT '81.2.69.142'::inet, '81.2.0.0/16'::cidr, ARRAY[4111111111111111, 5]", "||"),
        ("SELECT int8range(4111111111111111, 4111111111111120), row(4111111111111111)", "|"),
    ] {
        ensure!(said(&shop, text)?.0 == seen, "{text}: {}", said(&shop, text)?.0);
    }
    // What was copied out loads again.
    let copied = shop.sql("COPY members (id, name, email, note, build, addr, doc) TO STDOUT")?;
    ensure!(copied.contains("[masked:email]"), "{copied}");
    lab.sql(&format!("CREATE TABLE again (LIKE members); COPY again FROM STDIN;\n{copied}\n\\.\n"))?;
    ensure!(lab.sql("SELECT count(*), sum(id) FROM again")?.trim() == "2|4000000000000004");

    // Text and binary form give one result.
    let client = shop.client().await?;
    for text in [
        "SELECT '81.2.69.142'::inet",
        "SELECT 4111111111111111::numeric",
        "SELECT '{4111111111111111}'::int8[]",
        "SELECT int8range(4111111111111111, 4111111111111120)",
        "SELECT array['ada@example.com']",
        "SELECT addr FROM members WHERE id > 2",
    ] {
        let messages = client.simple_query(text).await?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).is_none()),
            _ => None,
        });
        ensure!(rows.collect::<Vec<_>>() == [true], "{text} as text");
        let row = client.query_one(text, &[]).await?;
        ensure!(row.try_get::<_, Option<Anything>>(0)?.is_none(), "{text} in binary form");
    }
    Ok(())
}

/// A value of any type.
struct Anything;

impl tokio_postgres::types::FromSql<'_> for Anything {
    fn from_sql(_: &tokio_postgres::types::Type, _: &[u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self)
    }

    fn accepts(_: &tokio_postgres::types::Type) -> bool {
        true
    }
}

/// An answer in which something is masked says so, by rule, once a statement; unless the resource says that it need not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_masked_is_told() -> Result<()> {
    let mut lab = Lab::start().await?;
    lab.sql(MEMBERS)?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let (_, notices) = said(&shop, "SELECT email, doc FROM members")?;
    ensure!(notices.matches("NOTICE").count() == 1, "{notices}");
    ensure!(notices.contains("weir: 3 values are masked: email 2, card 1"), "{notices}");
    ensure!(said(&shop, "COPY members (email) TO STDOUT")?.1.contains("email 2"));
    ensure!(said(&shop, "SELECT name FROM members")?.1.is_empty());
    // So does the session, once it has ended.
    let mut shown = Vec::new();
    for session in json(&alice.weir(&["sessions", "list", "--output", "json"])?)? {
        let id = session["id"].as_str().context("a session without an id")?;
        let said = (alice.weir(&["sessions", "show", id])?, alice.weir(&["sessions", "show", id, "--output", "json"])?);
        let by_rule = serde_json::from_str::<serde_json::Value>(&said.1)?["masked_by_rule"].clone();
        shown.push((said.0.lines().last().unwrap_or_default().to_owned(), by_rule));
    }
    let expected = ("masked     card 1, email 2".to_owned(), serde_json::json!({ "card": 1, "email": 2 }));
    ensure!(shown.contains(&expected), "{shown:?}");

    // Rules can be off, or leave more or less of a value, by resource and by column.
    drop(shop);
    let mask = "columns = [\"customers.ssn\"]\nmask = { notices = false, rules = { ipv4 = \"off\", card = \"partial\" }, \
        columns = { \"members.email\" = \"null\", \"members.note\" = \"off\" } }\n";
    lab.restart_with(|config| config.replace("columns = [\"customers.ssn\"]\n", mask)).await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    lab.sql("UPDATE members SET note = 'call 7654321'")?;
    for (text, seen) in [
        ("SELECT email, note, addr FROM members WHERE id > 2", "|call 7654321|81.2.69.142"),
        ("COPY (SELECT doc->>'acct' AS acct, email || '' FROM members WHERE id > 2) TO STDOUT", "\\N\t[masked:email]"),
        ("COPY members (email, note, addr) TO STDOUT", "\\N\tcall 7654321\t81.2.69.142\n\\N\tcall 7654321\t10.0.0.1"),
        ("SELECT 'paid with ' || (doc->>'acct') FROM members WHERE id > 2", "paid with [masked:card:1111]"),
    ] {
        let (out, notices) = said(&shop, text)?;
        ensure!(out == seen && notices.is_empty(), "{text}: {out} {notices}");
    }
    Ok(())
}

/// Read, change, save: what a session was not shown it does not overwrite with what it was shown in its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masks_never_become_data() -> Result<()> {
    let lab = Lab::start().await?;
    lab.sql(MEMBERS)?;
    lab.sql(
        "CREATE FUNCTION save_member(text) RETURNS void LANGUAGE sql AS 'UPDATE members SET email = $1 WHERE id > 2'",
    )?;
    let shop = lab.login("alice").await?.connect("shop-dev", Transport::Quic)?;
    let (client, fresh) = (shop.client().await?, shop.client().await?);
    let row = client.query_one("SELECT name, email, addr FROM members WHERE id > 2", &[]).await?;
    let (email, addr) = (row.get::<_, String>(1), row.try_get::<_, Option<Anything>>(2)?);
    ensure!(email == "[masked:email]" && addr.is_none(), "{email}");

    let refused = |error: Option<tokio_postgres::Error>, what: &str| -> Result<()> {
        let error = error.with_context(|| format!("{what} was not refused"))?;
        let error = error.as_db_error().context("no error of the server")?.clone();
        ensure!(error.code().code() == "42501" && error.hint().is_some(), "{error:?}");
        ensure!(error.message().contains(what), "{error:?}");
        ensure!(error.detail().is_some_and(|detail| detail.contains("guardrail-masks")), "{error:?}");
        Ok(())
    };
    let save = "UPDATE members SET name = $1, email = $2 WHERE id > 2";
    refused(client.execute(save, &[&"Ada L.", &email]).await.err(), "[masked:email] into email")?;
    let typed = "UPDATE members SET name = 'Ada L.', email = 'to [masked:email]' WHERE id > 2";
    refused(client.simple_query(typed).await.err(), "[masked:email]")?;
    let null = "UPDATE members SET name = 'Ada L.', addr = NULL WHERE id > 2";
    refused(client.simple_query(null).await.err(), "NULL into addr")?;
    refused(client.simple_query("INSERT INTO members (id, email) VALUES (3, '[masked:email]')").await.err(), "INSERT")?;
    client.simple_query("PREPARE save (text, inet) AS UPDATE members SET email = $1, addr = $2 WHERE id > 2").await?;
    let executed = client.simple_query("EXECUTE save('[masked:email]', '81.2.69.142')").await;
    refused(executed.err(), "[masked:email] into email")?;
    refused(client.simple_query("EXECUTE save('ada@example.com', NULL)").await.err(), "NULL into addr")?;
    refused(client.simple_query("SELECT save_member('[masked:email]')").await.err(), "[masked:email]")?;
    client.simple_query("SELECT lower('[masked:email]')").await?;
    ensure!(lab.sql("SELECT name, email, addr FROM members WHERE id > 2")?.trim() == "Ada|ada@example.com|81.2.69.142");

    // Comparing writes nothing, what was never shown is data, and who was shown nothing writes what it likes.
    let found = client.execute("UPDATE members SET name = $1 WHERE email = $2", &[&"x", &email]).await?;
    ensure!(found == 0);
    client.simple_query("UPDATE members SET note = 'a [masked:jwt] and [masked]', build = NULL WHERE id = 2").await?;
    fresh.simple_query("UPDATE members SET note = '[masked:email]', addr = NULL WHERE id = 2").await?;

    // A COPY with a mask in it changes nothing.
    let copy = |shown: &str| {
        format!("{shown}COPY members (id, email) FROM STDIN;\n3\tx@example.com\n4\t[masked:email]\n\\.\n")
    };
    let output = output(&mut shop.psql(), Some(&copy("SELECT email FROM members LIMIT 1;\n")))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(errors.contains("it writes [masked:email]"), "{errors}");
    ensure!(lab.sql("SELECT count(*) FROM members")?.trim() == "2");
    weir_tests::lab::run(shop.psql().args(["-v", "ON_ERROR_STOP=1"]), Some(&copy("")))?;
    ensure!(lab.sql("SELECT count(*) FROM members")?.trim() == "4");
    Ok(())
}

/// A backup full of masks is a lost backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_with_masks_in_it_fails_unless_that_is_agreed_to() -> Result<()> {
    let mut lab = Lab::start().await?;
    std::fs::write(
        lab.relay_folder().join("policies/all.cedar"),
        "@id(\"all\") permit (principal in Group::\"dba\", action, resource in Env::\"dev\");",
    )?;
    lab.restart_with(|config| {
        config.replace("columns = [\"customers.ssn\"]\n", "") + "\n[policy]\nguardrails = false\n"
    })
    .await?;
    lab.sql(MEMBERS)?;
    lab.sql(
        "SET ROLE shop_agent; CREATE TABLE creds (id bigint, kind text); INSERT INTO creds VALUES (4111111111111111, 'x');
         CREATE VIEW logins AS SELECT id FROM creds WHERE kind = 'password';
         CREATE FUNCTION nearest(x float8, y float8, since timestamptz) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    )?;
    let shop = lab.login("dora").await?.connect("shop-dev", Transport::Quic)?;
    let dump = |arguments: &[&str], options: &str| -> Result<_> {
        let mut dump = Command::new("pg_dump");
        dump.args(["-d", &shop.url()]).args(arguments).env("PGSSLMODE", "disable").env("PGOPTIONS", options);
        output(&mut dump, None)
    };
    let failed = dump(&["-t", "members"], "")?;
    let errors = String::from_utf8_lossy(&failed.stderr);
    ensure!(!failed.status.success() && errors.contains("masks what this dump reads (email"), "{errors}");
    ensure!(errors.contains("weir.masked_dump=on") && errors.contains("--exclude-table-data"), "{errors}");
    let agreed = dump(&["-t", "members"], "-c weir.masked_dump=on")?;
    ensure!(agreed.status.success(), "{}", String::from_utf8_lossy(&agreed.stderr));
    ensure!(String::from_utf8_lossy(&agreed.stdout).contains("[masked:email]"));
    // What is not masked is dumped whole, with what only looks like a secret or a number of somebody's.
    let whole = dump(&["-t", "creds", "-t", "logins"], "")?;
    ensure!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));
    let text = String::from_utf8(whole.stdout)?;
    ensure!(text.contains("kind = 'password'::text") && text.contains("4111111111111111\tx"), "{text}");
    let schema = dump(&["-s"], "")?;
    ensure!(schema.status.success(), "{}", String::from_utf8_lossy(&schema.stderr));
    Ok(())
}
