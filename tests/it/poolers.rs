//! Servers that have no cancel key, as some poolers: sessions work, a cancel request changes nothing at the server, what
//! waits at the relay can still be withdrawn, limits hold. The server is a stand-in of the test's own: it knows a few
//! texts, asks for no password, and has no TLS. And PgBouncer, whose clients share one connection to the server.

use anyhow::{Context as _, Result, ensure};
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    process::Command,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use weir_tests::{
    agent::Transport,
    lab::{Lab, run},
    port::Reserved,
    process::Running,
};

/// What its catalog knows: a relation and a function of the server's own, each named first wherever it is.
const CATALOG: &str = r#"{"relations": [{"place": 0, "schema": "public", "name": "orders", "kind": "r"}], "functions": [{"place": 0,
    "schema": "pg_catalog", "name": "pg_sleep", "system": true, "volatility": "v", "least": 1, "most": 1}]}"#;
/// Rows of the answer to `SELECT many`.
const MANY: usize = 5000;

fn put(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    out.push(kind);
    out.extend_from_slice(&(payload.len() as u32 + 4).to_be_bytes());
    out.extend_from_slice(payload);
}

fn rows(out: &mut Vec<u8>, values: impl Iterator<Item = String>) {
    put(out, b'T', b"\0\x01value\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0");
    let mut count = 0;
    for value in values {
        let row = [&b"\0\x01"[..], &(value.len() as u32).to_be_bytes(), value.as_bytes()].concat();
        put(out, b'D', &row);
        count += 1;
    }
    put(out, b'C', format!("SELECT {count}\0").as_bytes());
}

/// Serves one session of the simple protocol; ends when its peer does.
async fn session(mut stream: TcpStream) -> Result<()> {
    let length = stream.read_u32().await?;
    stream.read_exact(&mut vec![0; length as usize - 4]).await?;
    let mut out = Vec::new();
    put(&mut out, b'R', &[0; 4]);
    for (name, value) in
        [("server_version", "15.0 (stand-in)"), ("client_encoding", "UTF8"), ("standard_conforming_strings", "on")]
    {
        put(&mut out, b'S', format!("{name}\0{value}\0").as_bytes());
    }
    // No BackendKeyData.
    put(&mut out, b'Z', b"I");
    stream.write_all(&out).await?;
    loop {
        let (kind, length) = (stream.read_u8().await?, stream.read_u32().await?);
        let mut payload = vec![0; length as usize - 4];
        stream.read_exact(&mut payload).await?;
        let text = String::from_utf8_lossy(&payload).into_owned();
        let mut out = Vec::new();
        match kind {
            b'Q' if text.contains("pg_sleep") => {
                tokio::time::sleep(Duration::from_secs(2)).await;
                rows(&mut out, std::iter::once("slept".to_owned()));
            }
            b'Q' if text.contains("many") => rows(&mut out, (0..MANY).map(|n| n.to_string())),
            b'Q' if text.contains("weir_refused") => put(&mut out, b'E', b"SERROR\0C42601\0Msyntax error\0\0"),
            b'Q' if text.starts_with("UPDATE") => put(&mut out, b'C', b"UPDATE 1\0"),
            b'Q' => rows(&mut out, std::iter::once("one".to_owned())),
            // What the relay asks of the catalog, as it asks it.
            b'P' | b'B' | b'S' => {
                let answer = match kind {
                    b'P' => b'1',
                    b'B' => b'2',
                    _ => b'Z',
                };
                put(&mut out, answer, if kind == b'S' { b"I" } else { b"" });
                stream.write_all(&out).await?;
                continue;
            }
            b'E' => {
                let row = [&b"\0\x01"[..], &(CATALOG.len() as u32).to_be_bytes(), CATALOG.as_bytes()].concat();
                put(&mut out, b'D', &row);
                put(&mut out, b'C', b"SELECT 1\0");
                stream.write_all(&out).await?;
                continue;
            }
            b'X' => return Ok(()),
            _ => anyhow::bail!("the stand-in does not know {kind}"),
        }
        put(&mut out, b'Z', b"I");
        stream.write_all(&out).await?;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_cancel_key() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    #[expect(clippy::disallowed_methods, reason = "they end with the test's runtime")]
    tokio::task::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn(session(stream));
        }
    });
    let mut lab = Lab::start().await?;
    lab.restart_with(|config| {
        format!(
            "{config}\n[resources.pooler]\nkind = \"postgres\"\nhost = \"127.0.0.1:{port}\"\ndatabases = [\"shop\"]\nrole = \"app\"\n\
             credential = \"none\"\ntls = \"disable\"\nlabels = {{ env = \"prod\" }}\nlimits = {{ rows = 100 }}\n"
        )
    })
    .await?;
    let (alice, rita) = (lab.login("alice").await?, lab.login("rita").await?);
    let pooler = alice.connect("pooler", Transport::Quic)?;
    let client = pooler.client().await?;
    let first = |messages: Vec<tokio_postgres::SimpleQueryMessage>| {
        messages.into_iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
    };
    ensure!(first(client.simple_query("SELECT 1").await?).as_deref() == Some("one"));

    // A cancel request goes nowhere: what runs ends as it does.
    let token = client.cancel_token();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        token.cancel_query(tokio_postgres::NoTls).await
    };
    let (slept, cancelled) = futures_util::future::join(client.simple_query("SELECT pg_sleep(2)"), cancel).await;
    cancelled?;
    ensure!(first(slept?).as_deref() == Some("slept"));

    // What waits for a human does so at the relay: it is withdrawn.
    let withdraw = async {
        rita.next_pending().await?;
        anyhow::Ok(token.cancel_query(tokio_postgres::NoTls).await?)
    };
    let (held, withdrawn) =
        futures_util::future::join(client.simple_query("UPDATE orders SET status = 'paid' WHERE id = 1"), withdraw)
            .await;
    withdrawn?;
    let error = held.err().context("it ran")?;
    ensure!(error.code().map(tokio_postgres::error::SqlState::code) == Some("57014"), "{error:?}");
    ensure!(first(client.simple_query("SELECT 2").await?).as_deref() == Some("one"));

    // Nobody can be asked to stop: the rest of too large an answer is dropped as it comes.
    let begun = Instant::now();
    let error = client.simple_query("SELECT many").await.err().context("all of it came")?;
    ensure!(error.code().map(tokio_postgres::error::SqlState::code) == Some("54000"), "{error:?}");
    ensure!(begun.elapsed() < Duration::from_secs(60));
    ensure!(first(client.simple_query("SELECT 3").await?).as_deref() == Some("one"));
    Ok(())
}

/// A PgBouncer before the lab's server that gives a connection to another client after each transaction, with one connection for
/// all of them; and its port.
fn pgbouncer(lab: &Lab) -> Result<(Running, u16)> {
    let folder = lab.folder().join("pgbouncer");
    fs::create_dir(&folder)?;
    let port = Reserved::new()?.address().port();
    let password = fs::read_to_string(lab.postgres("PG_PASSWORD_FILE"))?;
    let configuration = format!(
        "[databases]\nshop = host={} port={} dbname=shop user={} password={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 1\n\
         server_tls_sslmode = require\n",
        lab.postgres("PG_HOST"),
        lab.postgres("PG_PORT"),
        lab.postgres("PG_ROLE"),
        password.trim(),
    );
    let file = folder.join("pgbouncer.ini");
    fs::write(&file, configuration)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    // It does not run as root.
    let root = run(Command::new("id").arg("-u"), None)?.trim() == "0";
    let mut command = Command::new(if root { "setpriv" } else { "pgbouncer" });
    if root {
        let id =
            |flag: &str| anyhow::Ok(run(Command::new("id").args([flag, "postgres"]), None)?.trim().parse::<u32>()?);
        let (user, group) = (id("-u")?, id("-g")?);
        for path in [&folder, &file] {
            chown(path, Some(user), Some(group))?;
        }
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "pgbouncer"]);
    }
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin")).arg("-q").arg(&file);
    Ok((Running::start(&mut command, &lab.folder().join("pgbouncer.log"))?, port))
}

/// What the relay sets for itself stays its own, where connections are anybody's after a transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_relay_sets_is_not_left_in_a_pool() -> Result<()> {
    let mut lab = Lab::start().await?;
    let (_pgbouncer, port) = pgbouncer(&lab)?;
    let past = |text: &str| {
        let mut psql = Command::new("psql");
        psql.args([
            "-X",
            "-q",
            "-At",
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-U",
            "anyone",
            "-d",
            "shop",
            "-c",
            text,
        ]);
        run(psql.env("PGSSLMODE", "disable"), None)
    };
    let until = Instant::now() + Duration::from_secs(20);
    while let Err(error) = past("SELECT 1") {
        ensure!(Instant::now() < until, "{error:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let settings =
        "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings WHERE source = 'session'";
    let before = past(settings)?;
    lab.restart_with(|config| {
        format!(
            "{config}\n[resources.pooled]\nkind = \"postgres\"\nhost = \"127.0.0.1\"\nport = {port}\ndatabases = [\"shop\"]\n\
             role = \"app\"\ncredential = \"none\"\ntls = \"disable\"\nlabels = {{ env = \"dev\" }}\ncolumns = [\"customers.ssn\"]\n"
        )
    })
    .await?;
    let alice = lab.login("alice").await?;
    let pooled = alice.connect("pooled", Transport::Quic)?;
    for text in ["SELECT count(*) FROM orders WHERE id = 1", "SELECT count(*) FROM customer_mail", "SELECT no_such(1)"]
    {
        let _ = pooled.client().await?.simple_query(text).await;
    }
    ensure!(lab.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_agent'")?.trim() == "1", "no pool");
    let after = past(settings)?;
    ensure!(before == after, "before: {before}after: {after}");
    ensure!(past("SHOW search_path")?.contains("public"));
    ensure!(past("SELECT count(*) FROM pg_prepared_statements")?.trim() == "0");
    Ok(())
}
