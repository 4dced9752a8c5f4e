//! Both transports become the same [`Stream`]: a control stream that begins with `Hello`, or a data stream that begins
//! with `Open`.
//!
//! - [`quic`]: a connection of many streams; [`websocket`]: one WebSocket connection a stream
//! - [`standing`]: who has a tunnel, and who has lost it

pub mod quic;
pub mod standing;
pub mod websocket;

use crate::{doors::Visit, identity, identity::Principal, relay::Relay, session};
use bytes::BytesMut;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use weir_protocol::Refusal;
use weir_shared::{
    keys::Thumbprint,
    wire::{self, Frame, RefusalCode, codec},
};

/// The first frame must come within this.
const FIRST_FRAME: Duration = Duration::from_secs(10);
/// How often a control stream looks whether its agent may still be here.
const LIVENESS: Duration = Duration::from_secs(5);

/// What carries a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// QUIC over UDP.
    Quic,
    /// WebSocket over TLS.
    WebSocket,
}

impl Transport {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Quic, Self::WebSocket];

    /// As logs and metrics name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quic => "quic",
            Self::WebSocket => "websocket",
        }
    }
}

/// One stream of a tunnel, whatever carries it.
pub struct Stream {
    carrier: Carrier,
    /// Bytes that were read with the first frames.
    rest: BytesMut,
    /// Ready once a peer that has ended its side does not read either.
    gone: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

enum Carrier {
    Quic(quinn::SendStream, quinn::RecvStream),
    WebSocket(Box<websocket::Socket>),
}

impl Stream {
    fn new(carrier: Carrier) -> Self {
        Self { carrier, rest: BytesMut::new(), gone: None }
    }

    /// Ready when nobody reads this any more, after its peer has ended its side: a half-close alone does not say that.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.carrier {
            Carrier::Quic(send, _) => {
                let gone = self.gone.get_or_insert_with(|| {
                    let stopped = send.stopped();
                    Box::pin(async move { drop(stopped.await) })
                });
                gone.as_mut().poll(cx)
            }
            Carrier::WebSocket(socket) => socket.poll_gone(cx),
        }
    }

    /// What carries it.
    #[must_use]
    pub fn transport(&self) -> Transport {
        match self.carrier {
            Carrier::Quic(..) => Transport::Quic,
            Carrier::WebSocket(_) => Transport::WebSocket,
        }
    }

    /// The next frame; none when the peer is gone.
    async fn frame(&mut self) -> Result<Option<Frame>, codec::WireError> {
        loop {
            if let Some(frame) = codec::decode(&mut self.rest)? {
                return Ok(Some(frame));
            }
            let mut piece = [0; 4096];
            let mut buffer = ReadBuf::new(&mut piece);
            let read = std::future::poll_fn(|cx| self.carrier.poll_read(cx, &mut buffer)).await;
            if read.is_err() || buffer.filled().is_empty() {
                return Ok(None);
            }
            self.rest.extend_from_slice(buffer.filled());
        }
    }

    async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        let bytes = codec::encode(frame).map_err(io::Error::other)?;
        self.write_all(&bytes).await?;
        self.flush().await
    }
}

/// Serves one stream of the agent whose key has this thumbprint; `visit` is over once that is known to be an agent's.
pub async fn serve(relay: Arc<Relay>, key: Thumbprint, mut stream: Stream, visit: Option<Arc<Visit>>) {
    let frame = match tokio::time::timeout(FIRST_FRAME, stream.frame()).await {
        Ok(Ok(Some(frame))) => frame,
        Ok(Ok(None)) | Err(_) => return,
        Ok(Err(error)) => {
            let refusal = Refusal::new("08P01", &error.to_string(), "upgrade weir or the relay");
            return session::refuse(&relay, stream, RefusalCode::Protocol, &refusal).await;
        }
    };
    let begun = Instant::now();
    let principal = relay.principals.authenticate(&relay.store, key, relay.now()).await;
    relay.telemetry.stages.authenticate.took(begun.elapsed());
    let principal = match principal {
        Ok(principal) => principal,
        Err(error) => {
            let refusal = Refusal::new("28000", &error.message, &error.hint);
            return session::refuse(&relay, stream, RefusalCode::Unauthenticated, &refusal).await;
        }
    };
    if let Some(visit) = visit {
        visit.prove();
    }
    let Some(_place) = relay.doors.agent(key) else {
        let refusal = Refusal::new("53300", "too many connections of this agent", "close some, or raise limits.agent");
        return session::refuse(&relay, stream, RefusalCode::Limit, &refusal).await;
    };
    match frame {
        Frame::Hello { oldest, newest, .. } => control(relay, key, principal, oldest, newest, stream).await,
        Frame::Open { .. } if relay.draining.is_cancelled() => {
            let refusal = Refusal::new("57P03", "the relay is going away", "try again in a moment");
            session::refuse(&relay, stream, RefusalCode::Draining, &refusal).await;
        }
        Frame::Open { resource, .. } => session::run(relay, principal, resource, stream).await,
        _ => {
            let refusal = Refusal::new("08P01", "a stream begins with Hello or Open", "");
            session::refuse(&relay, stream, RefusalCode::Protocol, &refusal).await;
        }
    }
}

async fn control(
    relay: Arc<Relay>,
    key: Thumbprint,
    principal: Arc<Principal>,
    oldest: u16,
    newest: u16,
    mut stream: Stream,
) {
    let Some(version) = wire::negotiate(oldest, newest) else {
        let message = format!("the relay speaks tunnel version {}, weir {oldest} to {newest}", wire::VERSION);
        let hint = if oldest > wire::VERSION { "upgrade the relay" } else { "upgrade weir" };
        let refusal = Refusal::new("08P01", &message, hint);
        return session::refuse(&relay, stream, RefusalCode::Version, &refusal).await;
    };
    let transport = stream.transport();
    let _place = relay.registry.enter_tunnel(transport);
    // Without a grace nobody looks at who has lost one.
    let _stands = (!relay.config.tunnel_grace.is_zero()).then(|| relay.standing.enter(principal.agent()));
    relay.telemetry.tunnels_opened.with([transport.as_str().into()]).inc();
    let welcome = Frame::Welcome {
        version,
        software: concat!("weir-relay ", env!("CARGO_PKG_VERSION")).to_owned(),
        agent: principal.agent(),
        user: principal.user().to_owned(),
        expires_at: principal.expires_at() / 1_000_000,
    };
    if stream.send(&welcome).await.is_err() {
        return;
    }
    let mut told = false;
    loop {
        relay.principals.heard(principal.chain_ids());
        tokio::select! {
            biased;
            () = relay.draining.cancelled(), if !told => {
                told = true;
                let seconds = u32::try_from(relay.config.drain_timeout.as_secs()).unwrap_or(u32::MAX);
                if stream.send(&Frame::Drain { deadline_seconds: seconds }).await.is_err() {
                    return;
                }
            }
            frame = stream.frame() => match frame {
                Ok(Some(_)) => {}
                _ => return,
            },
            () = tokio::time::sleep(LIVENESS) => {
                if identity::authenticate(&relay.store, key, relay.now()).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl Carrier {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Quic(_, receive) => Pin::new(receive).poll_read(cx, buf),
            Self::WebSocket(socket) => Pin::new(&mut **socket).poll_read(cx, buf),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.rest.is_empty() {
            let some = this.rest.split_to(this.rest.len().min(buf.remaining()));
            buf.put_slice(&some);
            return Poll::Ready(Ok(()));
        }
        this.carrier.poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().carrier {
            Carrier::Quic(send, _) => AsyncWrite::poll_write(Pin::new(send), cx, bytes),
            Carrier::WebSocket(socket) => Pin::new(&mut **socket).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().carrier {
            Carrier::Quic(send, _) => AsyncWrite::poll_flush(Pin::new(send), cx),
            Carrier::WebSocket(socket) => Pin::new(&mut **socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().carrier {
            Carrier::Quic(send, _) => AsyncWrite::poll_shutdown(Pin::new(send), cx),
            Carrier::WebSocket(socket) => Pin::new(&mut **socket).poll_shutdown(cx),
        }
    }
}
