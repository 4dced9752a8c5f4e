//! The tunnel to the relay: QUIC raced with WebSocket over TLS; the same frames on both; made anew when it is lost.

mod proxy;
mod quic;
mod websocket;

use crate::{api::Session, listen::Events, ui};
use bytes::BytesMut;
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    sync::Mutex,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use weir_shared::{
    error::{Kind, UserFacing},
    id::ResourceName,
    wire::{self, Evidence, Frame, RefusalCode, codec},
};

/// How much earlier QUIC starts than WebSocket.
const HEAD_START: Duration = Duration::from_millis(250);
/// How long a local connection waits for a tunnel.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the relay may take to answer to an `Open`.
const ANSWER: Duration = Duration::from_secs(4);
/// How long nobody tries again to make a tunnel that is kept.
const PAUSE: Duration = Duration::from_secs(1);
/// How often QUIC is tried again while WebSocket is used.
const RETRY: Duration = Duration::from_secs(60);

/// Which transport to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Transport {
    /// QUIC if it works, else WebSocket.
    Auto,
    /// QUIC only.
    Quic,
    /// WebSocket over TLS only.
    Ws,
}

/// One stream of the tunnel.
pub(crate) enum Stream {
    Quic(quinn::SendStream, quinn::RecvStream),
    WebSocket(Box<websocket::Socket>),
}

/// A stream that the relay opened for us: raw bytes from here on, `rest` first.
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    pub(crate) session: String,
    pub(crate) rest: BytesMut,
}

/// A stream that was not opened.
pub(crate) struct Failed {
    pub(crate) error: UserFacing,
    /// The same in the words of the local client's protocol.
    pub(crate) native: Vec<u8>,
    /// Another tunnel may succeed.
    again: bool,
}

impl From<UserFacing> for Failed {
    fn from(error: UserFacing) -> Self {
        let native = weir_shared::native::postgres_fatal("08006", &error.message, "", &error.hint);
        let again = error.kind == Kind::Unreachable;
        Self { error, native, again }
    }
}

enum Carrier {
    Quic(quic::Tunnel),
    WebSocket(websocket::Tunnel),
}

struct Live {
    carrier: Carrier,
    since: Instant,
    /// The control stream ended, or the relay said that it goes away: new streams need a new tunnel.
    over: Arc<AtomicBool>,
    /// The control stream ended.
    gone: CancellationToken,
}

/// The tunnel of this process.
pub(crate) struct Tunnel {
    session: Arc<Session>,
    transport: Transport,
    live: Mutex<Option<Live>>,
    tasks: TaskTracker,
    events: Events,
}

impl Tunnel {
    pub(crate) fn new(session: Arc<Session>, transport: Transport, tasks: TaskTracker, events: Events) -> Self {
        Self { session, transport, live: Mutex::new(None), tasks, events }
    }

    /// Connects, so that errors show before a port is opened. Which transport it is.
    pub(crate) async fn connect(&self) -> Result<&'static str, UserFacing> {
        let mut live = self.live.lock().await;
        let fresh = self.live().await?;
        let name = fresh.carrier.name();
        *live = Some(fresh);
        Ok(name)
    }

    async fn live(&self) -> Result<Live, UserFacing> {
        let (carrier, control) = self.race().await?;
        let (over, gone) = (Arc::new(AtomicBool::new(false)), CancellationToken::new());
        let (ends, events) = (gone.clone().drop_guard(), Arc::clone(&self.events));
        let watched = watch(control, Arc::clone(&over), events);
        self.tasks.spawn(async move {
            watched.await;
            drop(ends);
        });
        Ok(Live { carrier, since: Instant::now(), over, gone })
    }

    /// Has a tunnel standing for as long as this process lives, whether anything connects or not. It ends when the relay
    /// takes no tunnel of this session any more.
    pub(crate) async fn keep(self: Arc<Self>) {
        loop {
            let gone = self.live.lock().await.as_ref().map(|live| live.gone.clone());
            if let Some(gone) = &gone {
                gone.cancelled().await;
            }
            let mut live = self.live.lock().await;
            // A connection may have made a new one meanwhile.
            if live.as_ref().is_none_or(|live| live.gone.is_cancelled()) {
                match self.live().await {
                    Ok(fresh) => {
                        if gone.is_some() {
                            (self.events)("tunnel", None, &format!("connected again over {}", fresh.carrier.name()));
                        }
                        *live = Some(fresh);
                    }
                    Err(error)
                        if matches!(error.kind, Kind::Unauthenticated | Kind::Untrusted | Kind::Incompatible) =>
                    {
                        return (self.events)("tunnel", None, &format!("is over: {}", error.message));
                    }
                    Err(_) => {}
                }
            }
            drop(live);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Opens a stream to a resource, with the local client's first bytes; connects again when the tunnel was lost.
    pub(crate) async fn open(&self, resource: &ResourceName, first: &[u8]) -> Result<Opened, Failed> {
        let open = async {
            loop {
                match self.try_open(resource, first).await {
                    Err(failed) if failed.again => tokio::time::sleep(Duration::from_millis(300)).await,
                    other => return other,
                }
            }
        };
        tokio::time::timeout(PATIENCE, open).await.unwrap_or_else(|_| {
            let hint = "weir keeps trying; connect again in a moment";
            Err(UserFacing::new(Kind::Unreachable, "the relay cannot be reached", hint).into())
        })
    }

    async fn try_open(&self, resource: &ResourceName, first: &[u8]) -> Result<Opened, Failed> {
        let mut live = self.live.lock().await;
        if live.as_ref().is_none_or(|live| live.outlived(self.transport)) {
            let fresh = self.live().await?;
            (self.events)("tunnel", None, &format!("connected again over {}", fresh.carrier.name()));
            *live = Some(fresh);
        }
        let Some(Live { carrier, over, .. }) = &*live else { return Err(lost("no tunnel").into()) };
        let over = Arc::clone(over);
        // A WebSocket stream is a connection of its own: others need not wait for it.
        let stream = match carrier {
            Carrier::Quic(tunnel) => tunnel.open().await,
            Carrier::WebSocket(tunnel) => {
                let tunnel = tunnel.clone();
                drop(live);
                Box::pin(tunnel.open()).await
            }
        };
        let opened = match stream {
            Ok(stream) => tokio::time::timeout(ANSWER, greet(stream, resource, first)).await,
            Err(error) => Ok(Err(error.into())),
        };
        // The relay answers before it does anything that takes time: a tunnel on which it does not is lost.
        let opened = opened.unwrap_or_else(|_| Err(lost("the relay does not answer").into()));
        if opened.as_ref().is_err_and(|failed| failed.again) {
            over.store(true, Ordering::Relaxed);
        }
        opened
    }

    async fn race(&self) -> Result<(Carrier, Stream), UserFacing> {
        let session = &self.session;
        // Boxed: a handshake's state is large, and who waits for a stream must not carry it.
        let quic =
            Box::pin(async { quic::Tunnel::connect(session).await.map(|(t, control)| (Carrier::Quic(t), control)) });
        let websocket = Box::pin(async {
            websocket::Tunnel::connect(session).await.map(|(t, control)| (Carrier::WebSocket(t), control))
        });
        match self.transport {
            Transport::Quic => quic.await,
            Transport::Ws => websocket.await,
            Transport::Auto => {
                let late = async {
                    tokio::time::sleep(HEAD_START).await;
                    websocket.await
                };
                tokio::pin!(quic, late);
                tokio::select! {
                    first = &mut quic => match first {
                        Ok(carrier) => Ok(carrier),
                        // What a relay refuses, it refuses on both.
                        Err(error) if error.kind != Kind::Unreachable => Err(error),
                        Err(_) => late.await,
                    },
                    second = &mut late => match second {
                        Ok(carrier) => Ok(carrier),
                        Err(_) => quic.await,
                    },
                }
            }
        }
    }
}

impl Carrier {
    fn name(&self) -> &'static str {
        match self {
            Self::Quic(_) => "quic",
            Self::WebSocket(_) => "websocket",
        }
    }
}

impl Live {
    /// A QUIC connection that is gone; or a WebSocket that is only second best and old enough to look again.
    fn outlived(&self, transport: Transport) -> bool {
        if self.over.load(Ordering::Relaxed) {
            return true;
        }
        match &self.carrier {
            Carrier::Quic(tunnel) => tunnel.is_lost(),
            Carrier::WebSocket(_) => transport == Transport::Auto && self.since.elapsed() > RETRY,
        }
    }
}

/// Listens on the control stream to its end: tells what the relay tells, and when it goes away.
async fn watch(mut control: Stream, over: Arc<AtomicBool>, events: Events) {
    let mut buffer = BytesMut::new();
    loop {
        match frame(&mut control, &mut buffer).await {
            Ok(Some(Frame::Drain { deadline_seconds })) => {
                over.store(true, Ordering::Relaxed);
                let text = format!("the relay goes away; open connections end within {deadline_seconds} s");
                events("draining", None, &text);
            }
            Ok(Some(Frame::Notice { text, .. })) => events("notice", None, &text),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                if !over.swap(true, Ordering::Relaxed) {
                    events("tunnel", None, "lost; the next connection makes a new one");
                }
                return;
            }
        }
    }
}

/// Asks for a resource; the session, or what to tell the local client.
async fn greet(mut stream: Stream, resource: &ResourceName, first: &[u8]) -> Result<Opened, Failed> {
    let evidence = Evidence { pid: None, executable: None, host: None };
    let open = Frame::Open { resource: resource.clone(), evidence };
    let bytes = codec::encode(&open).map_err(|error| ui::system("a frame", &error))?;
    let sent = async {
        stream.write_all(&[&bytes, first].concat()).await?;
        stream.flush().await
    };
    sent.await.map_err(|error| lost(&error))?;
    let mut rest = BytesMut::new();
    match frame(&mut stream, &mut rest).await? {
        Some(Frame::Opened { session }) => Ok(Opened { stream, session: session.to_string(), rest }),
        Some(Frame::Refused { code, message, hint, native }) => {
            let again = code == RefusalCode::Draining;
            Err(Failed { error: refused(code, message, hint), native, again })
        }
        Some(_) => Err(UserFacing::new(Kind::Incompatible, "the relay did not open the stream", "upgrade weir").into()),
        None => Err(lost("the relay closed the stream").into()),
    }
}

async fn send(stream: &mut Stream, frame: &Frame) -> Result<(), UserFacing> {
    let bytes = codec::encode(frame).map_err(|error| ui::system("a frame", &error))?;
    stream.write_all(&bytes).await.map_err(|error| lost(&error))?;
    stream.flush().await.map_err(|error| lost(&error))
}

/// Says hello on the control stream.
async fn hello(stream: &mut Stream) -> Result<(), UserFacing> {
    let software = concat!("weir ", env!("CARGO_PKG_VERSION")).to_owned();
    send(stream, &Frame::Hello { oldest: wire::VERSION, newest: wire::VERSION, software }).await?;
    match frame(stream, &mut BytesMut::new()).await? {
        Some(Frame::Welcome { .. }) => Ok(()),
        Some(Frame::Refused { code, message, hint, .. }) => Err(refused(code, message, hint)),
        Some(_) => Err(UserFacing::new(
            Kind::Incompatible,
            "the relay did not answer the greeting",
            "upgrade weir or the relay",
        )),
        None => Err(lost("the relay closed the tunnel")),
    }
}

fn refused(code: RefusalCode, message: String, hint: String) -> UserFacing {
    let kind = match code {
        RefusalCode::Version | RefusalCode::Protocol => Kind::Incompatible,
        RefusalCode::Unauthenticated => Kind::Unauthenticated,
        RefusalCode::Denied => Kind::Denied,
        RefusalCode::ResourceDown | RefusalCode::Draining => Kind::Unreachable,
        RefusalCode::Limit => Kind::Limit,
        RefusalCode::Recording | RefusalCode::Internal => Kind::Internal,
    };
    UserFacing::new(kind, message, hint)
}

/// The next frame; none at the end of the stream.
async fn frame(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Result<Option<Frame>, UserFacing> {
    loop {
        let decoded = codec::decode(buffer);
        match decoded {
            Ok(Some(frame)) => return Ok(Some(frame)),
            Ok(None) => {}
            Err(error) => {
                let hint = "upgrade weir or the relay";
                return Err(UserFacing::new(Kind::Incompatible, error.to_string(), hint));
            }
        }
        if stream.read_buf(buffer).await.map_err(|error| lost(&error))? == 0 {
            return Ok(None);
        }
    }
}

fn lost(error: &(impl std::fmt::Display + ?Sized)) -> UserFacing {
    UserFacing::new(Kind::Unreachable, format!("the tunnel to the relay was lost: {error}"), "connect again")
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Quic(_, receive) => Pin::new(receive).poll_read(cx, buf),
            Self::WebSocket(socket) => Pin::new(&mut **socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Quic(send, _) => AsyncWrite::poll_write(Pin::new(send), cx, bytes),
            Self::WebSocket(socket) => Pin::new(&mut **socket).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Quic(send, _) => AsyncWrite::poll_flush(Pin::new(send), cx),
            Self::WebSocket(socket) => Pin::new(&mut **socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Quic(send, _) => AsyncWrite::poll_shutdown(Pin::new(send), cx),
            Self::WebSocket(socket) => Pin::new(&mut **socket).poll_shutdown(cx),
        }
    }
}
