//! tokio-postgres.

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{
    SinkExt as _, TryStreamExt as _,
    future::{join_all, poll_fn},
    pin_mut,
};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio_postgres::{
    AsyncMessage, Client, Config, Error, NoTls, Notification, SimpleQueryMessage,
    binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream},
    config::SslMode,
    error::SqlState,
    types::Type,
};
use tokio_postgres_rustls::MakeRustlsConnect;
use weir_matrix::{
    Digest, LARGE_CELL_SQL, ROWS_SQL, check, copied, copied_as_text, large_cell, over_tls, same, variable,
};

fn tls() -> Result<MakeRustlsConnect> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(variable("PGSSLROOTCERT"))? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// A client, and what it is notified of.
async fn open() -> Result<(Client, tokio::sync::mpsc::UnboundedReceiver<Notification>)> {
    let mut config = Config::new();
    config
        .host(variable("PGHOST"))
        .port(variable("PGPORT").parse()?)
        .user(variable("PGUSER"))
        .dbname(variable("PGDATABASE"));
    config.password(variable("PGPASSWORD"));
    let (heard, notifications) = tokio::sync::mpsc::unbounded_channel();
    // The two kinds of connection are of different types.
    macro_rules! serve {
        ($connected:expr) => {{
            let (client, mut connection) = $connected;
            tokio::spawn(async move {
                while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                    if let AsyncMessage::Notification(notification) = message {
                        let _ = heard.send(notification);
                    }
                }
            });
            client
        }};
    }
    let client = if over_tls() {
        serve!(config.ssl_mode(SslMode::Require).connect(tls()?).await?)
    } else {
        serve!(config.ssl_mode(SslMode::Disable).connect(NoTls).await?)
    };
    Ok((client, notifications))
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    println!("driver tokio-postgres {}", weir_matrix::version("tokio-postgres"));
    let (mut client, mut notifications) = open().await?;
    let client = &mut client;
    client
        .batch_execute("DROP TABLE IF EXISTS matrix_tokio; CREATE TABLE matrix_tokio (id int PRIMARY KEY, word text)")
        .await?;
    check("connect", connect(client)).await;
    check("query", query(client)).await;
    check("prepared", prepared(client)).await;
    check("batch", batch(client)).await;
    check("copy", copy(client)).await;
    check("large", large(client)).await;
    check("transaction", transaction(client)).await;
    check("error", error(client)).await;
    check("cancel", cancel(client)).await;
    check("notify", notify(client, &mut notifications)).await;
    check("masked", masked(client)).await;
    client.batch_execute("DROP TABLE matrix_tokio").await?;
    Ok(())
}

async fn connect(client: &Client) -> Result<()> {
    same(&"shop", &client.query_one("SELECT current_database()::text", &[]).await?.get(0))
}

async fn query(client: &Client) -> Result<()> {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_694_400);
    let (numbers, bytes) = (vec![Some(1), None, Some(3)], b"\x00\xff\\'".to_vec());
    let sql =
        "SELECT $1::int, $2::bigint, $3::text, $4::float8, $5::bool, $6::text, $7::bytea, $8::int[], $9::timestamptz";
    let row = client
        .query_one(sql, &[&7, &(1_i64 << 40), &"grüße, 世界", &2.5, &true, &None::<String>, &bytes, &numbers, &at])
        .await?;
    same(&(7, 1_i64 << 40, "grüße, 世界", 2.5), &(row.get(0), row.get(1), row.get(2), row.get(3)))?;
    same(&(true, None::<&str>, bytes, numbers, at), &(row.get(4), row.get(5), row.get(6), row.get(7), row.get(8)))?;
    let simple = client.simple_query("SELECT 3.1400::numeric, NULL; SELECT '{\"a\": [1, 2]}'::jsonb").await?;
    let cells: Vec<_> = simple
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|n| row.get(n)).collect::<Vec<_>>()),
            _ => None,
        })
        .collect();
    same(&vec![vec![Some("3.1400"), None], vec![Some("{\"a\": [1, 2]}")]], &cells)
}

async fn prepared(client: &Client) -> Result<()> {
    let add = client.prepare("SELECT $1::int + 1, $2::text").await?;
    for n in 0..20 {
        let (word, row) = (format!("word {n}"), client.query_one(&add, &[&n, &format!("word {n}")]).await?);
        same(&(n + 1, word.as_str()), &(row.get(0), row.get(1)))?;
    }
    Ok(())
}

/// All are sent before the first answer is awaited.
async fn batch(client: &Client) -> Result<()> {
    let double = client.prepare("SELECT $1::int * 2").await?;
    let answers = join_all((0..500).map(|n| {
        let double = &double;
        async move { client.query_one(double, &[&n]).await.map(|row| row.get::<_, i32>(0)) }
    }))
    .await;
    same(&(0..500).map(|n| n * 2).collect::<Vec<_>>(), &answers.into_iter().collect::<Result<_, Error>>()?)
}

async fn copy(client: &Client) -> Result<()> {
    let sink = client.copy_in("COPY matrix_tokio FROM STDIN").await?;
    pin_mut!(sink);
    for part in copied_as_text().into_bytes().chunks(700) {
        sink.send(bytes::Bytes::copy_from_slice(part)).await?;
    }
    same(&1000, &sink.finish().await?)?;
    let out: Vec<_> =
        client.copy_out("COPY (SELECT * FROM matrix_tokio ORDER BY id) TO STDOUT").await?.try_collect().await?;
    same(&copied_as_text(), &String::from_utf8(out.concat())?)?;

    client.batch_execute("TRUNCATE matrix_tokio").await?;
    let types = [Type::INT4, Type::TEXT];
    let writer = BinaryCopyInWriter::new(client.copy_in("COPY matrix_tokio FROM STDIN (FORMAT binary)").await?, &types);
    pin_mut!(writer);
    for (id, word) in copied() {
        writer.as_mut().write(&[&id, &word]).await?;
    }
    same(&1000, &writer.finish().await?)?;
    let out = client.copy_out("COPY (SELECT * FROM matrix_tokio ORDER BY id) TO STDOUT (FORMAT binary)").await?;
    let rows: Vec<_> =
        BinaryCopyOutStream::new(out, &types).map_ok(|row| (row.get(0), row.get(1))).try_collect().await?;
    same(&copied(), &rows)?;

    // A sink that is dropped breaks the COPY off.
    {
        let sink = client.copy_in("COPY matrix_tokio FROM STDIN").await?;
        pin_mut!(sink);
        sink.send(bytes::Bytes::from_static(b"5000\tnever\n")).await?;
    }
    same(&0_i64, &client.query_one("SELECT count(*) FROM matrix_tokio WHERE id = 5000", &[]).await?.get(0))
}

async fn large(client: &mut Client) -> Result<()> {
    let rows = client.query_raw(ROWS_SQL, std::iter::empty::<&str>()).await?;
    pin_mut!(rows);
    let mut digest = Digest::default();
    while let Some(row) = rows.try_next().await? {
        digest.add(row.get(0));
    }
    digest.is_rows()?;
    same(&large_cell().as_str(), &client.query_one(LARGE_CELL_SQL, &[]).await?.get(0))?;

    // A portal that is fetched from piece by piece.
    let transaction = client.transaction().await?;
    let portal = transaction.bind(ROWS_SQL, &[]).await?;
    let mut digest = Digest::default();
    loop {
        let rows = transaction.query_portal(&portal, 5000).await?;
        rows.iter().for_each(|row| digest.add(row.get(0)));
        if rows.is_empty() {
            break;
        }
    }
    digest.is_rows()
}

async fn transaction(client: &mut Client) -> Result<()> {
    client.batch_execute("TRUNCATE matrix_tokio").await?;
    let outer = client.transaction().await?;
    outer.execute("INSERT INTO matrix_tokio VALUES (1, 'gone')", &[]).await?;
    outer.rollback().await?;
    let mut outer = client.transaction().await?;
    outer.execute("INSERT INTO matrix_tokio VALUES (2, 'stays')", &[]).await?;
    let inner = outer.savepoint("s").await?;
    inner.execute("INSERT INTO matrix_tokio VALUES (3, 'gone')", &[]).await?;
    inner.rollback().await?;
    outer.commit().await?;
    let rows = client.query("TABLE matrix_tokio", &[]).await?;
    same(&vec![(2, "stays")], &rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn error(client: &mut Client) -> Result<()> {
    let Err(problem) = client.execute("INSERT INTO orders (id) VALUES (1)", &[]).await else { bail!("no error") };
    let problem = problem.as_db_error().context("not the server's")?.clone();
    same(&(&SqlState::UNIQUE_VIOLATION, Some("orders_pkey")), &(problem.code(), problem.constraint()))?;
    let transaction = client.transaction().await?;
    let code = transaction.query("SELECT 1 / $1::int", &[&0]).await.err().and_then(|error| error.code().cloned());
    same(&Some(SqlState::DIVISION_BY_ZERO), &code)?;
    let code = transaction.query("SELECT 1", &[]).await.err().and_then(|error| error.code().cloned());
    same(&Some(SqlState::IN_FAILED_SQL_TRANSACTION), &code)?;
    transaction.rollback().await?;
    same(&1, &client.query_one("SELECT 1", &[]).await?.get(0))
}

async fn cancel(client: &Client) -> Result<()> {
    let (began, token) = (Instant::now(), client.cancel_token());
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if over_tls() {
            token.cancel_query(tls()?).await?
        } else {
            token.cancel_query(NoTls).await?
        }
        anyhow::Ok(())
    };
    let (slept, cancelled) = tokio::join!(client.query("SELECT pg_sleep(60)", &[]), cancel);
    cancelled?;
    same(&Some(SqlState::QUERY_CANCELED), &slept.err().and_then(|error| error.code().cloned()))?;
    ensure!(began.elapsed() < Duration::from_secs(20), "too late");
    same(&1, &client.query_one("SELECT 1", &[]).await?.get(0))
}

async fn notify(client: &Client, notifications: &mut tokio::sync::mpsc::UnboundedReceiver<Notification>) -> Result<()> {
    client.batch_execute("LISTEN matrix").await?;
    let (other, _) = open().await?;
    other.execute("SELECT pg_notify('matrix', 'hello there')", &[]).await?;
    let heard = notifications.recv().await.context("nothing heard")?;
    same(&("matrix", "hello there"), &(heard.channel(), heard.payload()))
}

async fn masked(client: &Client) -> Result<()> {
    let row = client.query_one("SELECT email FROM customers WHERE id = $1", &[&1]).await?;
    same(&variable("MATRIX_EMAIL").as_str(), &row.get(0))
}
