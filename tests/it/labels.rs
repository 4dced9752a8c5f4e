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
