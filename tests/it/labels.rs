//! Labelled columns stay masked while the database changes under the sessions that read it.

use anyhow::{Result, ensure};
use weir_tests::{agent::Transport, lab::Lab};

const SECRETS: [&str; 3] = ["36-90-4399", "19-09-9998", "57-55-5462"];

fn hides(seen: &str, what: &str) -> Result<()> {
    SECRETS.iter().try_for_each(|secret| {
        ensure!(!seen.contains(secret), "{what} shows {secret}: {seen}");
        Ok(())
    })
}

async fn rows(client: &tokio_postgres::Client, text: &str) -> Result<String> {
    use tokio_postgres::SimpleQueryMessage::Row;
    let messages = client.simple_query(text).await?;
    let cells = messages.iter().filter_map(|message| match message {
        Row(row) => Some((0..row.len()).filter_map(|at| row.get(at)).collect::<Vec<_>>().join("|")),
        _ => None,
    });
    Ok(cells.collect::<Vec<_>>().join("\n"))
}

/// Views and names made after a session has begun, in it and beside it, committed or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_while_sessions_run_is_masked() -> Result<()> {
    let lab = Lab::start().await?;
    let (adam, alice) = (lab.login("adam").await?, lab.login("alice").await?);
    let (admin, user) = (adam.connect("shop-dev", Transport::Quic)?, alice.connect("shop-dev", Transport::WebSocket)?);
    let (beside, ddl) = (user.client().await?, admin.client().await?);
    ensure!(rows(&beside, "SELECT status FROM orders WHERE id = 1").await? == "open");

    ddl.batch_execute("BEGIN; CREATE VIEW fresh AS SELECT id, substr(ssn, 2) AS digits, note FROM customers").await?;
    hides(&rows(&ddl, "SELECT * FROM fresh").await?, "an uncommitted view")?;
    hides(&rows(&ddl, "SELECT digits || 'x' FROM fresh").await?, "an expression over it")?;
    // A session whose snapshot is made before the commit.
    let early = user.client().await?;
    ddl.batch_execute("CREATE OR REPLACE VIEW customer_mail AS SELECT id, substr(ssn, 2) AS mail FROM customers")
        .await?;
    ddl.batch_execute("ALTER TABLE customers RENAME TO people; COMMIT").await?;
    for (name, client) in [("the session that made it", &ddl), ("one beside it", &beside), ("an early one", &early)] {
        for text in [
            "SELECT * FROM fresh",
            "SELECT digits FROM fresh",
            "SELECT mail FROM customer_mail",
            "SELECT ssn FROM people",
            "SELECT substr(ssn, 2) FROM people",
            "SELECT p::text FROM people p",
        ] {
            hides(&rows(client, text).await?, &format!("{text} in {name}"))?;
        }
        let error = client.simple_query("COPY people (id, ssn) TO STDOUT").await.err();
        let code = error.as_ref().and_then(|error| error.code()).map(|code| code.code().to_owned());
        ensure!(code.as_deref() == Some("42501"), "COPY in {name}: {error:?}");
        // What is known to show nothing labelled is shown.
        ensure!(rows(client, "SELECT status FROM orders WHERE id = 1").await? == "open", "{name}");
    }
    // A new session knows the new views; the old names come back with it.
    ddl.batch_execute("ALTER TABLE people RENAME TO customers").await?;
    let late = user.client().await?;
    hides(&rows(&late, "SELECT * FROM fresh").await?, "a late session")?;
    ensure!(rows(&late, "SELECT id || 'x' FROM orders WHERE id = 1").await? == "1x");
    // And the one beside it goes on with what the late one read.
    ensure!(rows(&beside, "SELECT id || 'x' FROM orders WHERE id = 1").await? == "1x");
    Ok(())
}

/// The relay reads the catalog in names of its own: operators that stand before the server's in a session's search path, or in
/// its role's, neither run nor change what is labelled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_operators_unmask_nothing() -> Result<()> {
    let lab = Lab::start().await?;
    lab.sql(
        "CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO shop_agent; CREATE SEQUENCE evil.ran; \
         CREATE FUNCTION evil.no(a name, b text) RETURNS bool LANGUAGE plpgsql SECURITY DEFINER \
           AS $$ BEGIN PERFORM nextval('evil.ran'); RETURN false; END $$; \
         CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = text, FUNCTION = evil.no)",
    )?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let path = "evil, pg_catalog, public";
    let url = format!("{}?options=-c%20search_path%3D{}", shop.url(), path.replace(", ", "%2C"));
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    #[expect(clippy::disallowed_methods, reason = "it ends with the client that the test holds")]
    tokio::task::spawn(connection);
    ensure!(rows(&client, "SHOW search_path").await?.replace(", ", ",") == path.replace(", ", ","));
    hides(&rows(&client, "SELECT digits FROM customer_numbers").await?, "a path of the session's own")?;
    lab.sql(&format!("ALTER ROLE shop_agent SET search_path = {path}"))?;
    // What is known of the catalog is read anew after ten seconds.
    tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    let client = shop.client().await?;
    ensure!(rows(&client, "SHOW search_path").await?.replace(", ", ",") == path.replace(", ", ","));
    hides(&rows(&client, "SELECT digits FROM customer_numbers").await?, "a path of the role's")?;
    ensure!(lab.sql("SELECT is_called FROM evil.ran")?.trim() == "f", "an operator ran");
    Ok(())
}

/// A lab in which more is labelled. What `secrets.v` and `events_2025.body` hold has no pattern that a detector knows.
async fn with_secrets() -> Result<Lab> {
    let mut lab = Lab::start().await?;
    lab.sql(
        "SET ROLE shop_agent; \
         CREATE TABLE secrets (id int PRIMARY KEY, v text UNIQUE, note text); \
         INSERT INTO secrets VALUES (1, 'walrus', 'a'), (2, 'ocelot', 'b'); \
         CREATE TABLE secrets_archive (id int PRIMARY KEY, v text UNIQUE, note text); \
         CREATE TABLE docs (id serial PRIMARY KEY, title text CONSTRAINT docs_title_key UNIQUE); \
         INSERT INTO docs (title) VALUES ('alpha'); \
         CREATE TABLE events (at int, body text) PARTITION BY RANGE (at); \
         CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM (2024) TO (2025); \
         CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM (2025) TO (2026); \
         INSERT INTO events VALUES (2024, 'heron'), (2025, 'walrus'); \
         CREATE VIEW lengths AS SELECT id, note, length(v)::bigint + 40000 AS n FROM secrets; \
         CREATE VIEW counted AS SELECT note, count(*) AS n FROM secrets WHERE v <> '' GROUP BY note",
    )?;
    let more = "[\"customers.ssn\", \"secrets.v\", \"secrets_archive.v\", \"events_2025.body\"]";
    lab.restart_with(|config| config.replace("[\"customers.ssn\"]", more)).await?;
    Ok(lab)
}

/// All that the server says of a refusal, in one text.
async fn error(client: &tokio_postgres::Client, text: &str) -> Result<String> {
    let Err(error) = client.simple_query(text).await else { anyhow::bail!("{text} succeeds") };
    Ok(format!("{:?}", error.as_db_error()))
}

/// Errors keep every name and lose only values, whatever language the server speaks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_keep_names_and_lose_values() -> Result<()> {
    let lab = with_secrets().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let client = shop.client().await?;
    for (text, code, named) in [
        ("SELECT * FROM no_such_table", "42P01", "relation \\\"no_such_table\\\" does not exist"),
        ("SELECT no_such_column FROM secrets", "42703", "column \\\"no_such_column\\\" does not exist"),
        ("SELECT sum(total), status FROM orders", "42803", "column \\\"orders.status\\\" must appear"),
        ("SELECT 'x'::no_type FROM secrets", "42704", "type \\\"no_type\\\" does not exist"),
        ("SELECT 'x'::int FROM secrets", "22P02", "integer: \\\"x\\\""),
        ("INSERT INTO docs (title) VALUES ('alpha')", "23505", "Key (title)=(alpha) already exists"),
        ("INSERT INTO secrets (id, v) VALUES (1, 'x')", "23505", "violates unique constraint \\\"secrets_pkey\\\""),
        ("SELECT 1 / (id - id) FROM secrets", "22012", "division by zero"),
        ("SELECT pg_sleep('x') FROM secrets", "22P02", "double precision: \\\"x\\\""),
        (
            "COPY secrets (id, nope) TO STDOUT",
            "42703",
            "column \\\"nope\\\" of relation \\\"secrets\\\" does not exist",
        ),
    ] {
        let error = error(&client, text).await?;
        ensure!(error.contains(code) && error.contains(named), "{text}: {error}");
    }
    for text in [
        "SELECT v::int FROM secrets",
        "SELECT ('\"'||v||'\"')::int FROM secrets",
        "SELECT v::regclass FROM secrets",
        "SELECT v::regtype FROM secrets",
        "SELECT ('& ' || v)::tsquery FROM secrets",
        "SELECT count(*) FROM secrets WHERE v::date > now()",
        "SELECT n FROM lengths WHERE lpad('', 3, note) = (SELECT max(v)::int::text FROM secrets)",
        "UPDATE secrets SET v = (SELECT max(v) FROM secrets) WHERE id = 2",
        "SELECT encode('x', v) FROM secrets",
        "SELECT to_char(now(), v)::int FROM secrets WHERE v = 'walrus'",
    ] {
        let error = error(&client, text).await?;
        ensure!(!error.contains("walrus") && !error.contains("ocelot"), "{text}: {error}");
    }
    // What a routine of somebody's own raises: nothing of it where it may have seen a value.
    lab.sql(
        "CREATE FUNCTION cry(t text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN \
           RAISE NOTICE 'heard %', t; RAISE EXCEPTION 'no %', t USING ERRCODE = '42501', HINT = t; END $$; \
         GRANT EXECUTE ON FUNCTION cry TO shop_agent",
    )?;
    let raised = error(&client, "SELECT cry(v) FROM secrets").await?;
    ensure!(raised.contains("42501") && !raised.contains("walrus"), "{raised}");
    let raised = error(&client, "SELECT cry('me')").await?;
    ensure!(raised.contains("no me"), "{raised}");
    // The recording shows no more than the client saw.
    drop(client);
    let sessions = alice.weir(&["sessions", "list"])?;
    let id = sessions.split_whitespace().find(|word| word.len() == 36).unwrap_or_default();
    let replayed = alice.weir(&["sessions", "replay", id])?;
    ensure!(replayed.contains("22P02") && !replayed.contains("ocelot"), "{replayed}");
    Ok(())
}

/// Expressions of any type that name a labelled column are masked; what names none is untouched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expressions_are_followed_by_the_columns_they_name() -> Result<()> {
    let lab = with_secrets().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let client = shop.client().await?;
    for (text, seen) in [
        ("SELECT replace(ssn, '-', '')::bigint FROM customers WHERE id = 1", ""),
        ("SELECT upper(v), length(v), id FROM secrets WHERE id = 1", "[masked]|1"),
        ("SELECT v = 'walrus', v IS NULL FROM secrets WHERE id = 1", "f"),
        ("SELECT s.to_jsonb FROM secrets s WHERE id = 1", "\"[masked]\""),
        ("SELECT to_json(s) FROM (SELECT id, note FROM secrets WHERE id = 1) s", "{\"id\":1,\"note\":\"a\"}"),
        ("SELECT sum(id), count(*), count(v), max(note) FROM secrets", "3|2|2|b"),
        ("SELECT sum(id) FROM customers", "6"),
        ("SELECT EXISTS (SELECT 1 FROM secrets WHERE v = 'walrus')", "t"),
        ("SELECT q.n + 1, q.w FROM (SELECT count(*) AS n, max(v) AS w FROM secrets) q", "3|[masked]"),
        ("WITH q(a, b) AS (SELECT id, v FROM secrets WHERE id = 1) SELECT a + 1, b || '' FROM q", "2|[masked]"),
        ("SELECT id, note || '!' FROM secrets WHERE id = 1 UNION ALL SELECT 7, 'x'", "1|a!\n7|x"),
        ("SELECT note, v FROM secrets WHERE id = 1 UNION ALL SELECT 'x', 'y'", "a|[masked]\nx|[masked]"),
        // Parents show their children's rows.
        ("SELECT body FROM events WHERE at = 2025", "[masked]"),
        ("SELECT upper(body), at + 1 FROM events WHERE at = 2025", "[masked]|2026"),
        ("SELECT body FROM events_2024", "heron"),
        // Of views the columns that are made of one.
        ("SELECT id, note, n FROM lengths WHERE id = 1", "1|a"),
        ("SELECT n + 1, upper(note) FROM lengths WHERE id = 1", "A"),
        ("SELECT note, n, n * 2 FROM counted WHERE note = 'a'", "a|1|2"),
        ("SELECT id, digits FROM customer_numbers WHERE id = 1", "1|[masked]"),
    ] {
        let rows = rows(&client, text).await?;
        ensure!(rows == seen, "{text}: {rows:?} and not {seen:?}");
    }
    // The same with parameters and in binary format.
    let row = client.query_one("SELECT length(v)::bigint, id * $1 FROM secrets WHERE id = 1", &[&3]).await?;
    ensure!(row.get::<_, Option<i64>>(0).is_none() && row.get::<_, i32>(1) == 3);
    // What runs by a name shows what it stands for.
    client.batch_execute("BEGIN; DECLARE c CURSOR FOR SELECT upper(v) FROM secrets").await?;
    let fetched = rows(&client, "FETCH ALL c").await?;
    ensure!(!fetched.contains("WALRUS"), "{fetched}");
    client.batch_execute("ROLLBACK; PREPARE p AS SELECT reverse(v) FROM secrets").await?;
    let executed = rows(&client, "EXECUTE p").await?;
    ensure!(!executed.contains("surlaw"), "{executed}");
    // Where nothing labelled was named, a name is no reason to mask.
    let other = shop.client().await?;
    other.batch_execute("BEGIN; DECLARE c CURSOR FOR SELECT count(*), max(note) FROM secrets").await?;
    ensure!(rows(&other, "FETCH ALL c").await? == "2|b");
    // Estimates tell of the constants that a labelled column is compared with, and of nothing else.
    ensure!(!rows(&other, "EXPLAIN SELECT id FROM secrets WHERE v > 'n'").await?.contains("rows="));
    ensure!(rows(&other, "EXPLAIN SELECT * FROM secrets WHERE id = 1").await?.contains("rows="));
    Ok(())
}

/// COPY is masked in the form it is asked for; without a labelled column it has any form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_masked_in_their_own_form() -> Result<()> {
    let lab = with_secrets().await?;
    let shop = lab.login("alice").await?.connect("shop-dev", Transport::Quic)?;
    for (text, seen) in [
        ("COPY secrets (id, v) TO STDOUT", "1\t[masked]\n2\t[masked]"),
        ("COPY secrets (id, v, note) TO STDOUT WITH CSV HEADER", "id,v,note\n1,[masked],a\n2,[masked],b"),
        ("COPY secrets (v, id) TO STDOUT (DELIMITER '|', NULL '')", "[masked]|1\n[masked]|2"),
        ("COPY secrets (id, note) TO STDOUT WITH CSV", "1,a\n2,b"),
        ("COPY customers (id) TO STDOUT WITH (FORMAT csv, HEADER)", "id\n1\n2\n3"),
        ("COPY (SELECT note, upper(v), count(*) OVER () FROM secrets) TO STDOUT CSV", "a,[masked],2\nb,[masked],2"),
        ("COPY (SELECT count(*) FROM secrets) TO STDOUT (FORMAT csv)", "2"),
        ("COPY events_2025 (at, body) TO STDOUT", "2025\t[masked]"),
        ("COPY events_2024 TO STDOUT CSV", "2024,heron"),
    ] {
        let copied = shop.sql(text)?;
        ensure!(copied.trim_end() == seen, "{text}: {copied:?} and not {seen:?}");
    }
    for (text, hint) in [
        ("COPY secrets TO STDOUT", "write COPY relation (column, ...)"),
        ("COPY (SELECT * FROM secrets) TO STDOUT", "write COPY relation (column, ...)"),
        ("COPY BINARY secrets (id, v) TO STDOUT", ""),
        ("COPY secrets (id, v) TO STDOUT (FORMAT binary)", "use the text or CSV format"),
        ("COPY secrets (id, v) TO STDOUT (DELIMITER '[')", "use the text or CSV format"),
        ("COPY secrets (id, v) TO STDOUT; SELECT 1", "in a statement of its own"),
    ] {
        let refused = shop.refused(text)?;
        ensure!(refused.contains(hint) && !refused.contains("walrus"), "{text}: {refused}");
    }
    Ok(())
}

/// Values of labelled columns go nowhere where they are not labelled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_do_not_go_out_by_another_door() -> Result<()> {
    let lab = with_secrets().await?;
    let adam = lab.login("adam").await?;
    let shop = adam.connect("shop-dev", Transport::Quic)?;
    let client = shop.client().await?;
    for text in [
        "UPDATE docs SET title = v FROM secrets s WHERE s.id = docs.id RETURNING title",
        "INSERT INTO docs (title) SELECT v FROM secrets",
        "INSERT INTO docs (title) SELECT upper(w) FROM (SELECT v AS w FROM secrets) q RETURNING title",
        "UPDATE secrets SET note = v WHERE id = 1",
        "SELECT pg_notify('a', v) FROM secrets",
        "CREATE TEMP TABLE t9 AS SELECT v FROM secrets; SELECT v FROM t9",
        "SELECT v INTO t9 FROM secrets",
        "CREATE TABLE t9 AS TABLE secrets",
        "WITH d AS (DELETE FROM secrets WHERE id = 1 RETURNING v) INSERT INTO docs (title) SELECT v FROM d",
        "INSERT INTO secrets_archive (id, note) SELECT id, v FROM secrets",
        "ALTER TABLE secrets ADD COLUMN w text GENERATED ALWAYS AS (upper(v)) STORED",
    ] {
        let error = error(&client, text).await?;
        ensure!(error.contains("42501") && error.contains("labelled"), "{text}: {error}");
    }
    ensure!(lab.sql("SELECT count(*) FROM docs")?.trim() == "1");
    for (text, seen) in [
        ("UPDATE secrets SET v = v || '' WHERE id = 1 RETURNING v, id, length(v)", "[masked]|1"),
        ("INSERT INTO secrets_archive SELECT * FROM secrets WHERE id = 2 RETURNING v, note", "[masked]|b"),
        ("INSERT INTO docs (title) SELECT note FROM secrets WHERE id = 2 RETURNING title", "b"),
        ("UPDATE docs SET title = 'n' || (SELECT count(*) FROM secrets) WHERE id = 1 RETURNING title", "n2"),
        ("EXPLAIN INSERT INTO docs (title) SELECT id::text FROM secrets", "Insert"),
        // What is made in the same string is not known to show nothing.
        ("CREATE VIEW shown AS SELECT v AS w FROM secrets; SELECT w FROM shown WHERE w = 'walrus'", "[masked]"),
    ] {
        let rows = rows(&client, text).await?;
        ensure!(rows == seen || seen == "Insert" && rows.starts_with(seen), "{text}: {rows:?} and not {seen:?}");
    }
    for text in
        ["CREATE TABLE t9 AS SELECT w FROM shown", "PREPARE p AS SELECT v FROM secrets; CREATE TABLE t9 AS EXECUTE p"]
    {
        let error = error(&client, text).await?;
        ensure!(error.contains("42501"), "{text}: {error}");
    }
    // A migration of a labelled table goes on.
    let migration =
        "BEGIN; ALTER TABLE secrets ADD COLUMN long text; UPDATE secrets SET long = note || '!' WHERE id > 0; COMMIT";
    for statement in migration.split("; ") {
        client.batch_execute(statement).await?;
    }
    Ok(())
}

/// Catalogs and settings show all but their secrets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn catalogs_and_settings_show_all_but_secrets() -> Result<()> {
    let lab = Lab::start().await?;
    lab.sql("ALTER ROLE shop_agent SET app.jwt_secret = 'walrus'; ALTER ROLE shop_agent SET work_mem = '5MB'")?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    for (text, seen) in [
        ("SELECT count(*) FROM pg_subscription WHERE subdbid = 1", "0"),
        ("SELECT name, setting FROM pg_settings WHERE name = 'archive_command'", "archive_command|[masked]"),
        ("SELECT setting FROM pg_settings WHERE name = 'work_mem'", "5120"),
        (
            "SELECT rolconfig FROM pg_roles WHERE rolname = 'shop_agent'",
            "{app.jwt_secret=[masked:secret-setting],work_mem=5MB}",
        ),
        ("SELECT unnest(setconfig) FROM pg_db_role_setting", "app.jwt_secret=[masked:secret-setting]\nwork_mem=5MB"),
    ] {
        let rows = shop.sql(text)?;
        ensure!(rows == seen, "{text}: {rows:?} and not {seen:?}");
    }
    let all = shop.sql("SHOW ALL")?;
    ensure!(all.contains("archive_command|[masked]|") && all.contains("work_mem|5MB|"), "{all}");
    for text in [
        "SELECT subconninfo FROM pg_subscription",
        "SELECT setting FROM pg_settings WHERE name LIKE 'app.%'",
        "SELECT substr(setconfig[1], 5) FROM pg_db_role_setting",
        "SELECT current_setting('app.jwt_secretX'::varchar(14))",
    ] {
        ensure!(shop.refused(text)?.contains("42501"), "{text}");
    }
    for command in ["\\dRs", "\\deu", "\\drds"] {
        shop.sql(command)?;
    }
    Ok(())
}
