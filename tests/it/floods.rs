//! Strangers that open connections and leave them unfinished, agents that open too many, clients that do not read: the
//! relay bounds each in time and memory, and others go on.

use anyhow::{Context as _, Result, ensure};
use futures_util::future::{join_all, try_join_all};
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};
use weir_tests::{
    agent::{Agent, Transport},
    lab::Lab,
    stranger::Stranger,
};

over_both_transports!(a_client_that_does_not_read, one_agent_does_not_take_all);

/// Connections of a kind.
const MANY: usize = 200;
/// Most that each may cost the relay.
const KILOBYTES: u64 = 64;
/// All of them are closed within this.
const PATIENCE: Duration = Duration::from_secs(100);
const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

/// How far a stranger goes before it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Tcp,
    HalfClientHello,
    Tls,
    HalfHead,
    HalfBody,
    WebSocket,
    HalfFrame,
    HalfQuic,
    Quic,
    QuicHalfFrame,
}

macro_rules! stages {
    ($($name:ident: $stage:ident),* $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() -> Result<()> {
            unfinished(Stage::$stage).await
        })*
    };
}

stages! {
    nothing_after_tcp: Tcp,
    half_a_client_hello: HalfClientHello,
    nothing_after_tls: Tls,
    half_a_requests_head: HalfHead,
    half_a_requests_body: HalfBody,
    nothing_after_the_upgrade: WebSocket,
    half_a_frame: HalfFrame,
    half_a_quic_handshake: HalfQuic,
    nothing_after_quic: Quic,
    half_a_frame_over_quic: QuicHalfFrame,
}

/// What was opened, to be closed by the relay.
enum Open {
    Stream(Box<dyn AsyncRead + Send + Unpin>),
    Connection(quinn::Connection, Option<(quinn::SendStream, quinn::RecvStream)>),
    /// Nothing comes back from it.
    Nothing(quinn::Connecting),
}

impl Open {
    /// Once the relay has closed it.
    async fn closed(self) {
        match self {
            Self::Stream(mut stream) => {
                let mut answer = [0; 4096];
                while matches!(stream.read(&mut answer).await, Ok(1..)) {}
            }
            Self::Connection(connection, streams) => {
                connection.closed().await;
                drop(streams);
            }
            // It gives up by itself, later than the relay does.
            Self::Nothing(connecting) => drop(connecting.await),
        }
    }
}

async fn open(
    stranger: &Stranger,
    stage: Stage,
    endpoint: &quinn::Endpoint,
    hole: std::net::SocketAddr,
) -> Result<Open> {
    const UPGRADE: &[u8] = b"GET /tunnel HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    let stream: Box<dyn AsyncRead + Send + Unpin> = match stage {
        Stage::Tcp => Box::new(stranger.tcp().await?),
        Stage::HalfClientHello => {
            let mut tcp = stranger.tcp().await?;
            tcp.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await?;
            tcp.write_all(&[7; 200]).await?;
            Box::new(tcp)
        }
        Stage::Tls => Box::new(stranger.tls(false).await?),
        Stage::HalfHead | Stage::HalfBody => {
            let mut tls = stranger.tls(true).await?;
            tls.write_all(if stage == Stage::HalfHead {
                b"GET / HTTP/1.1\r\nHost: x\r\nCookie: half of"
            } else {
                b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                  Content-Length: 60000\r\n\r\nhalf of"
            })
            .await?;
            tls.flush().await?;
            Box::new(tls)
        }
        Stage::WebSocket | Stage::HalfFrame => {
            let mut tls = stranger.tls(true).await?;
            tls.write_all(UPGRADE).await?;
            tls.flush().await?;
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\n") {
                ensure!(tls.read_buf(&mut answer).await? > 0, "no answer to the upgrade");
            }
            ensure!(answer.starts_with(b"HTTP/1.1 101"), "{}", answer.escape_ascii());
            if stage == Stage::HalfFrame {
                // A binary message of 60,000 bytes, masked, of which a few come.
                tls.write_all(&[0x82, 0xfe, 0xea, 0x60, 0, 0, 0, 0, 1, 2, 3]).await?;
                tls.flush().await?;
            }
            Box::new(tls)
        }
        Stage::HalfQuic => return Ok(Open::Nothing(stranger.quic(endpoint, Some(hole))?)),
        Stage::Quic => return Ok(Open::Connection(stranger.quic(endpoint, None)?.await?, None)),
        Stage::QuicHalfFrame => {
            let connection = stranger.quic(endpoint, None)?.await?;
            let (mut send, receive) = connection.open_bi().await?;
            send.write_all(&[0]).await?;
            return Ok(Open::Connection(connection, Some((send, receive))));
        }
    };
    Ok(Open::Stream(stream))
}

/// Opens some of them at a time: the listener's backlog is not what is measured.
async fn open_many(
    stranger: &Stranger,
    stage: Stage,
    many: usize,
    endpoint: &quinn::Endpoint,
    hole: std::net::SocketAddr,
) -> Result<Vec<Open>> {
    let mut all = Vec::new();
    while all.len() < many {
        let some = (many - all.len()).min(20);
        all.extend(try_join_all((0..some).map(|_| open(stranger, stage, endpoint, hole))).await?);
        // What is sent without waiting for an answer must not be more than a socket holds.
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    Ok(all)
}

/// A client that comes while they are there is served at once.
fn served(agent: &Agent) -> Result<()> {
    for transport in [Transport::Quic, Transport::WebSocket] {
        ensure!(agent.connect("shop-dev", transport)?.sql("SELECT 1")? == "1", "{transport:?}");
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "whoever asks for a test's output wants to see what it measured")]
fn figure(text: &str) {
    println!("{text}");
}

async fn unfinished(stage: Stage) -> Result<()> {
    let mut lab = Lab::start().await?;
    lab.log = "info,weir_relay=debug".to_owned();
    lab.restart_with(|config| format!("{config}\n[limits]\nstrangers = 2000\naddress = 1000\n")).await?;
    let alice = lab.login("alice").await?;
    served(&alice)?;
    let stranger = Stranger::new(&lab, LOOPBACK)?;
    let endpoint = stranger.endpoint()?;
    let (hole, pass) = stranger.one_way().await?;
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::task::spawn(pass);

    // What the first ones cost is paid once.
    let first = open_many(&stranger, stage, 20, &endpoint, hole).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = lab.relay()?.memory("VmRSS")?;
    let all = open_many(&stranger, stage, MANY, &endpoint, hole).await?;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let after = lab.relay()?.memory("VmRSS")?;
    let each = after.saturating_sub(before) as f64 / MANY as f64;
    figure(&format!("{stage:?}: {each:.1} kB each of {MANY}"));
    ensure!(each < KILOBYTES as f64, "{stage:?}: {each:.1} kB each");
    served(&alice)?;

    let begun = Instant::now();
    let closed = join_all(first.into_iter().chain(all).map(Open::closed));
    tokio::time::timeout(PATIENCE, closed).await.context("some stay open")?;
    if stage == Stage::HalfQuic {
        // The relay says itself that it gave up: no packet comes back.
        let given_up = || lab.relay().map_or(0, |relay| relay.log().matches("a QUIC handshake").count());
        while given_up() < MANY + 20 {
            ensure!(begun.elapsed() < PATIENCE, "{} handshakes were given up", given_up());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    served(&alice)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_from_one_address_leaves_room_for_others() -> Result<()> {
    let mut lab = Lab::start().await?;
    lab.restart_with(|config| format!("{config}\n[limits]\nstrangers = 100\naddress = 20\n")).await?;
    let alice = lab.login("alice").await?;
    let stranger = Stranger::new(&lab, ELSEWHERE)?;

    // Over TCP those beyond are closed at once.
    let flood = try_join_all((0..60).map(|_| stranger.tcp())).await?;
    let turned_away = join_all(flood.into_iter().map(async |mut tcp| {
        let read = tokio::time::timeout(Duration::from_secs(3), tcp.read(&mut [0; 1])).await;
        // Those that are let in go on.
        read.map_or(Some(tcp), |_| None)
    }))
    .await;
    let inside: Vec<_> = turned_away.into_iter().flatten().collect();
    ensure!(inside.len() == 20, "{} were let in", inside.len());
    served(&alice)?;

    // Over QUIC they are refused in words, once they have shown that the address is theirs.
    let endpoint = stranger.endpoint()?;
    let error = stranger.quic(&endpoint, None)?.await.err().context("let in")?;
    ensure!(error.to_string().contains("refused"), "{error}");
    drop(inside);
    let until = Instant::now() + Duration::from_secs(20);
    while stranger.quic(&endpoint, None)?.await.is_err() {
        ensure!(Instant::now() < until, "nobody is let in again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let flood =
        join_all((0..60).map(|_| async { Ok::<_, anyhow::Error>(stranger.quic(&endpoint, None)?.await?) })).await;
    let inside = flood.iter().filter(|connection| connection.is_ok()).count();
    ensure!((1..=20).contains(&inside), "{inside} were let in");
    served(&alice)?;
    ensure!(lab.relay()?.log().contains("turned away"), "nothing is logged");
    Ok(())
}

async fn one_agent_does_not_take_all(transport: Transport) -> Result<()> {
    let mut lab = Lab::start().await?;
    lab.restart_with(|config| format!("{config}\n[limits]\nagent = 8\n")).await?;
    let (alice, dora) = (lab.login("alice").await?, lab.login("dora").await?);
    let shop = alice.connect("shop-dev", transport)?;
    let mut open = Vec::new();
    let error = loop {
        ensure!(open.len() < 8, "all are let in");
        match shop.client().await {
            Ok(client) => open.push(client),
            Err(error) => break error,
        }
    };
    ensure!(open.len() >= 4, "only {} are let in", open.len());
    ensure!(format!("{error:?}").contains("too many connections of this agent"), "{error:?}");
    let code = error.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code);
    ensure!(code == Some(&tokio_postgres::error::SqlState::TOO_MANY_CONNECTIONS), "{error:?}");
    served(&dora)?;
    // One that closes makes room.
    drop(open.pop());
    let until = Instant::now() + Duration::from_secs(10);
    while shop.sql("SELECT 1").is_err() {
        ensure!(Instant::now() < until, "no room is made");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// A start-up packet and a query, as a client sends them.
fn asks(query: &str) -> Vec<u8> {
    let parameters = b"user\0anyone\0database\0shop\0\0";
    let mut bytes = (parameters.len() as u32 + 8).to_be_bytes().to_vec();
    bytes.extend_from_slice(&196_608_u32.to_be_bytes());
    bytes.extend_from_slice(parameters);
    bytes.push(b'Q');
    bytes.extend_from_slice(&(query.len() as u32 + 5).to_be_bytes());
    bytes.extend_from_slice(query.as_bytes());
    bytes.push(0);
    bytes
}

async fn a_client_that_does_not_read(transport: Transport) -> Result<()> {
    const BOUND: u64 = 48 * 1024;
    let lab = Lab::start().await?;
    let (alice, dora) = (lab.login("alice").await?, lab.login("dora").await?);
    let shop = alice.connect("shop-dev", transport)?;
    shop.sql("SELECT repeat('x', 1000) FROM generate_series(1, 10000) n")?;
    let before = lab.relay()?.memory("VmRSS")?;
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut client = TcpStream::connect(("127.0.0.1", shop.port)).await?;
        // More than a client may send with its start-up packet has to wait for the answer.
        let bytes = asks("SELECT repeat('x', 1000) FROM generate_series(1, 2000000) n");
        let end = bytes.iter().position(|byte| *byte == b'Q').context("no query")?;
        let (startup, query) = bytes.split_at_checked(end).context("no query")?;
        client.write_all(startup).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"Z\0\0\0\x05I") {
            ensure!(client.read_buf(&mut answer).await? > 0, "the session does not begin");
        }
        client.write_all(query).await?;
        ensure!(client.read(&mut [0; 4096]).await? > 0, "no row comes");
        slow.push(client);
    }
    // Each has two gigabytes to come; none of them takes them.
    let mut most = 0;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        most = most.max(lab.relay()?.memory("VmRSS")?);
        ensure!(shop.sql("SELECT 1")? == "1");
    }
    served(&dora)?;
    let grown = most.saturating_sub(before);
    figure(&format!("{transport:?}: {grown} kB for four clients that do not read"));
    ensure!(grown < BOUND, "{grown} kB");
    // They are not idle and not forgotten: what they read goes on where it stopped.
    let client = slow.first_mut().context("no client")?;
    let mut bytes = vec![0; 1024 * 1024];
    for _ in 0..20 {
        client.read_exact(&mut bytes).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_sent_beginnings_at_the_local_ports() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let socket = format!("{}/.s.PGSQL.{}", shop.socket, shop.port);
    let mut all: Vec<Box<dyn AsyncRead + Send + Unpin>> = Vec::new();
    for n in 0..MANY {
        let mut tcp = TcpStream::connect(("127.0.0.1", shop.port)).await?;
        match n % 5 {
            // Nothing; half a length; a length and half a packet; a request for TLS and no handshake; half a handshake.
            0 => {}
            1 => tcp.write_all(&[0, 0, 0]).await?,
            2 => tcp.write_all(&[0, 0, 1, 0, 0, 3, 0, 0, b'u', b's', b'e', b'r']).await?,
            3 => tcp.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await?,
            _ => tcp.write_all(&[0x16, 3, 1, 2, 0, 1]).await?,
        }
        all.push(Box::new(tcp));
    }
    for n in 0..20 {
        let mut unix = UnixStream::connect(&socket).await?;
        if n % 2 == 0 {
            unix.write_all(&[0, 0]).await?;
        }
        all.push(Box::new(unix));
    }
    ensure!(shop.sql("SELECT 1")? == "1");
    let closed = join_all(all.into_iter().map(|stream| Open::Stream(stream).closed()));
    tokio::time::timeout(PATIENCE, closed).await.context("some stay open")?;
    ensure!(shop.sql("SELECT 2")? == "2");
    Ok(())
}
