//! Reads, masked values, refusals and transactions, as psql sees them.

use anyhow::{Result, ensure};
use weir_tests::{
    agent::Transport,
    lab::{Lab, output},
};

over_both_transports!(psql_reads_masked_rows, refusals_speak_postgresql, transactions, large_statements);

async fn psql_reads_masked_rows(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-prod", transport)?;
    ensure!(shop.sql("SELECT 1 + 1")? == "2");
    ensure!(shop.sql("SELECT count(*) FROM orders")? == "100");

    // A labelled column, by name, by star, under an alias, and in expressions that hide where it came from.
    for query in [
        "SELECT ssn FROM customers",
        "SELECT * FROM customers",
        "SELECT c.ssn AS x FROM customers c",
        "SELECT max(ssn) FROM customers",
        "SELECT ssn || '' FROM customers",
        "SELECT to_jsonb(c) FROM customers c",
        "SELECT row(c.*) FROM customers c",
        "SELECT substr(ssn, 2) FROM customers",
        "COPY customers TO STDOUT",
        "COPY (SELECT ssn FROM customers) TO STDOUT",
        "SELECT * FROM customer_numbers",
        "SELECT * FROM customer_rows",
        "SELECT everything::text FROM customer_rows_again",
        "COPY (SELECT digits FROM customer_numbers) TO STDOUT",
        "TABLE customer_rows_again",
    ] {
        let seen = output(shop.psql().args(["-c", query]), None)?;
        let seen = [seen.stdout, seen.stderr].concat();
        let seen = String::from_utf8_lossy(&seen);
        for secret in ["36-90-4399", "19-09-9998", "57-55-5462"] {
            ensure!(!seen.contains(secret), "{query} shows {secret}: {seen}");
        }
    }

    // Patterns in columns that nobody labelled.
    let seen = shop.sql("SELECT email, phone, card FROM customers WHERE id = 1")?;
    ensure!(!seen.contains("ada@example.com") && !seen.contains("4111 1111 1111 1111"), "{seen}");
    let seen = shop.sql("SELECT iban FROM accounts WHERE id = 1")?;
    ensure!(!seen.contains("DE89370400440532013000"), "{seen}");
    // What is not personal stays.
    ensure!(shop.sql("SELECT name FROM customers WHERE id = 1")? == "Ada Lovelace");
    ensure!(shop.sql("SELECT total, status FROM orders WHERE id = 7")? == "69.65|open");
    // Errors carry values too.
    let error = shop.refused("SELECT email::int FROM customers WHERE id = 1")?;
    ensure!(!error.contains("ada@example.com"), "{error}");
    Ok(())
}

async fn refusals_speak_postgresql(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-prod", transport)?;
    for statement in
        ["DROP TABLE orders", "TRUNCATE orders", "SELECT pg_read_file('/etc/passwd')", "SET ROLE postgres", "DO ''"]
    {
        let error = shop.refused(statement)?;
        ensure!(error.contains("42501"), "{statement}: {error}");
    }
    let error = shop.refused("DROP TABLE orders")?;
    ensure!(error.contains("guardrail-destructive"), "{error}");
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "100");

    // An own mistake stays the server's error.
    let error = shop.refused("SELECT nope FROM orders")?;
    ensure!(error.contains("42703"), "{error}");

    // Who has no rule has no connection.
    let rita = lab.login("rita").await?;
    let refused = match rita.connect("shop-prod", transport) {
        Ok(shop) => shop.refused("SELECT 1")?,
        Err(error) => format!("{error:#}"),
    };
    ensure!(!refused.is_empty());
    Ok(())
}

async fn transactions(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", transport)?;

    // One that fails.
    let client = shop.client().await?;
    client.batch_execute("BEGIN").await?;
    client.execute("UPDATE orders SET status = 'lost' WHERE id = 1", &[]).await?;
    ensure!(client.batch_execute("SELECT 1 / 0").await.is_err());
    let error = client.batch_execute("SELECT 1").await.err();
    let code = error.as_ref().and_then(tokio_postgres::Error::code).map(|code| code.code().to_owned());
    ensure!(code.as_deref() == Some("25P02"), "{error:?}");
    client.batch_execute("ROLLBACK").await?;
    ensure!(lab.sql("SELECT status FROM orders WHERE id = 1")?.trim() == "open");

    // One in which weir refuses: what went before is undone, as after any error.
    client.batch_execute("BEGIN").await?;
    client.execute("UPDATE orders SET status = 'lost' WHERE id = 1", &[]).await?;
    let error = client.batch_execute("GRANT ALL ON orders TO PUBLIC").await.err();
    let code = error.as_ref().and_then(tokio_postgres::Error::code).map(|code| code.code().to_owned());
    ensure!(code.as_deref() == Some("42501"), "{error:?}");
    let error = client.batch_execute("SELECT 1").await.err();
    let code = error.as_ref().and_then(tokio_postgres::Error::code).map(|code| code.code().to_owned());
    ensure!(code.as_deref() == Some("25P02"), "{error:?}");
    client.batch_execute("COMMIT").await?;
    ensure!(lab.sql("SELECT status FROM orders WHERE id = 1")?.trim() == "open");
    ensure!(client.query_one("SELECT 7", &[]).await?.get::<_, i32>(0) == 7);

    // Several statements in one text are one transaction, and are judged as one.
    ensure!(
        client
            .batch_execute("UPDATE orders SET status = 'lost' WHERE id = 1; GRANT ALL ON orders TO PUBLIC")
            .await
            .is_err()
    );
    ensure!(lab.sql("SELECT status FROM orders WHERE id = 1")?.trim() == "open");
    client.batch_execute("UPDATE orders SET status = 'found' WHERE id = 1; SELECT 1").await?;
    ensure!(lab.sql("SELECT status FROM orders WHERE id = 1")?.trim() == "found");
    Ok(())
}

async fn large_statements(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-prod", transport)?;
    // More than is read ahead, up to what a statement may be long.
    for length in [200_000, 400_000, 1_000_000] {
        let text = format!("SELECT length('{}');", "weir ".repeat(length / 5));
        let seen = output(shop.psql().arg("-At"), Some(&text))?;
        ensure!(String::from_utf8_lossy(&seen.stdout).trim() == length.to_string(), "{length}: {seen:?}");
    }
    Ok(())
}
