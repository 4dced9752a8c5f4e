//! What drivers do with the protocol, by tokio-postgres.

use anyhow::{Context as _, Result, ensure};
use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _, future, pin_mut};
use std::time::{Duration, Instant};
use tokio_postgres::{AsyncMessage, Error, NoTls};
use weir_tests::{agent::Transport, lab::Lab};

over_both_transports!(prepared_and_pipelined, refused_in_a_pipeline, copy_in_and_out, cancel, notifications);

fn code(error: Option<&Error>) -> Option<String> {
    error?.code().map(|code| code.code().to_owned())
}

async fn prepared_and_pipelined(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", transport)?;
    let client = shop.client().await?;

    let statement = client.prepare("SELECT id, total::float8, status FROM orders WHERE id = $1").await?;
    for id in 1..=20 {
        let row = client.query_one(&statement, &[&id]).await?;
        ensure!(row.get::<_, i32>(0) == id);
    }
    // Masked in the binary format too.
    let row = client.query_one("SELECT ssn, email FROM customers WHERE id = $1", &[&1]).await?;
    ensure!(row.try_get::<_, Option<&str>>(0)?.is_none_or(|ssn| !ssn.contains("4399")));
    ensure!(row.try_get::<_, Option<&str>>(1)?.is_none_or(|mail| mail != "ada@example.com"));

    // A hundred at once, answers in order.
    let queries = (1..=100_i32).map(|id| {
        let (client, statement) = (&client, &statement);
        async move { Ok::<_, Error>(client.query_one(statement, &[&id]).await?.get::<_, i32>(0)) }
    });
    let answers = future::try_join_all(queries).await?;
    ensure!(answers == (1..=100).collect::<Vec<_>>());

    // A text of several statements still runs, and has shown a part, when others follow it.
    let several =
        client.simple_query("SELECT repeat('1', 20000); SELECT repeat('2', 20000); SELECT 3 FROM pg_sleep(0.5)");
    let after = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        future::join(client.simple_query("SELECT 4"), client.simple_query("SELECT 5; SELECT 6")).await
    };
    let (several, (one, two)) = future::join(several, after).await;
    let answers = [several?, one?, two?];
    let values: Vec<_> = answers
        .iter()
        .flatten()
        .filter_map(
            |message| if let tokio_postgres::SimpleQueryMessage::Row(row) = message { row.get(0) } else { None },
        )
        .map(|value| value.get(..1))
        .collect();
    ensure!(values == ["1", "2", "3", "4", "5", "6"].map(Some), "{values:?}");

    // More in flight than any buffer on the way holds.
    let large = (0..64).map(|_| client.query_one("SELECT repeat('x', 200000)", &[]));
    let large = tokio::time::timeout(Duration::from_secs(60), future::try_join_all(large)).await??;
    ensure!(large.iter().all(|row| row.get::<_, &str>(0).len() == 200_000));

    // Rows as they come.
    let rows = client.query_raw("SELECT n FROM generate_series(1, 50000) n", Vec::<i32>::new()).await?;
    pin_mut!(rows);
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        count += 1;
        ensure!(row.get::<_, i32>(0) == count);
    }
    ensure!(count == 50_000);
    Ok(())
}

async fn refused_in_a_pipeline(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", transport)?;
    let client = shop.client().await?;
    // Each is its own implicit transaction: the refused one fails alone.
    let (first, second, third) = future::join3(
        client.query_one("SELECT 1", &[]),
        client.execute("GRANT ALL ON orders TO PUBLIC", &[]),
        client.query_one("SELECT 3", &[]),
    )
    .await;
    ensure!(first?.get::<_, i32>(0) == 1);
    ensure!(code(second.as_ref().err()).as_deref() == Some("42501"), "{second:?}");
    ensure!(third?.get::<_, i32>(0) == 3);

    // A statement may be prepared and yet not run, and the connection goes on.
    let prepared = client.prepare("DROP TABLE orders").await;
    let ran = match &prepared {
        Ok(statement) => client.execute(statement, &[]).await,
        Err(_) => client.execute("DROP TABLE orders", &[]).await,
    };
    ensure!(ran.is_err());
    ensure!(client.query_one("SELECT 4", &[]).await?.get::<_, i32>(0) == 4);
    ensure!(lab.sql("SELECT count(*) FROM orders")?.trim() == "100");
    Ok(())
}

async fn copy_in_and_out(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", transport)?;
    let client = shop.client().await?;
    lab.sql("CREATE TABLE bulk (id int, text text); ALTER TABLE bulk OWNER TO shop_agent")?;

    let sink = client.copy_in::<_, std::io::Cursor<Vec<u8>>>("COPY bulk FROM STDIN").await?;
    pin_mut!(sink);
    for part in 0..20_u32 {
        let rows: String = (0..5_000).map(|row| format!("{}\tline {row} of {part}\n", part * 5_000 + row)).collect();
        sink.send(std::io::Cursor::new(rows.into_bytes())).await?;
    }
    ensure!(sink.finish().await? == 100_000);
    ensure!(lab.sql("SELECT count(*) FROM bulk")?.trim() == "100000");

    let stream = client.copy_out("COPY (SELECT * FROM bulk ORDER BY id) TO STDOUT").await?;
    pin_mut!(stream);
    let mut bytes = Vec::new();
    while let Some(part) = stream.next().await {
        bytes.extend_from_slice(&part?);
    }
    ensure!(bytes.iter().filter(|byte| **byte == b'\n').count() == 100_000);
    ensure!(bytes.starts_with(b"0\tline 0 of 0\n"));
    // The connection is good for more.
    ensure!(client.query_one("SELECT 5", &[]).await?.get::<_, i32>(0) == 5);
    Ok(())
}

async fn cancel(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-prod", transport)?;
    let client = shop.client().await?;
    let token = client.cancel_token();
    let begun = Instant::now();
    let (slept, cancelled) = future::join(client.batch_execute("SELECT pg_sleep(60)"), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        token.cancel_query(NoTls).await
    })
    .await;
    cancelled?;
    ensure!(code(slept.as_ref().err()).as_deref() == Some("57014"), "{slept:?}");
    ensure!(begun.elapsed() < Duration::from_secs(20));
    ensure!(client.query_one("SELECT 6", &[]).await?.get::<_, i32>(0) == 6);
    Ok(())
}

async fn notifications(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", transport)?;
    let (client, mut connection) = tokio_postgres::connect(&shop.url(), NoTls).await?;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut messages = futures_util::stream::poll_fn(move |context| connection.poll_message(context));
    let pump = async move {
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(notification) = message
                && sender.send(notification).is_err()
            {
                return;
            }
        }
    };
    let talk = async {
        client.batch_execute("LISTEN till").await?;
        lab.sql("NOTIFY till, 'open'")?;
        let got = tokio::time::timeout(Duration::from_secs(10), receiver.recv()).await?.context("no notification")?;
        ensure!((got.channel(), got.payload()) == ("till", "open"));
        client.batch_execute("NOTIFY till, 'closed'").await?;
        let got = tokio::time::timeout(Duration::from_secs(10), receiver.recv()).await?.context("no notification")?;
        ensure!(got.payload() == "closed");
        anyhow::Ok(())
    };
    tokio::select! {
        result = talk => result,
        () = pump => anyhow::bail!("the connection ended"),
    }
}
