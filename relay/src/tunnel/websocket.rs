//! The tunnel over WebSocket (RFC 6455) on the HTTPS port: one connection a stream. A binary message carries bytes, an
//! empty one is the half-close.

use super::{Carrier, Stream, serve};
use crate::{doors::Visit, relay::Relay};
use bytes::Bytes;
use futures_util::{Sink as _, Stream as _};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role, protocol::WebSocketConfig},
};
use weir_shared::keys::Thumbprint;

/// The byte stream under the WebSocket, after the upgrade.
pub type Upgraded = hyper_util::rt::TokioIo<hyper::upgrade::Upgraded>;

/// Largest message, either way.
const LARGEST: usize = 64 * 1024;

/// A connection on which nothing moves for so long is asked whether its peer is there, twice.
const SILENCE: Duration = Duration::from_secs(10);

/// A WebSocket connection as a stream of bytes.
pub struct Socket {
    inner: WebSocketStream<Upgraded>,
    /// Of the last message.
    rest: Bytes,
    ended: bool,
}

/// Serves an upgraded connection.
pub async fn connection(relay: Arc<Relay>, key: Thumbprint, upgraded: Upgraded, visit: Arc<Visit>) {
    let config = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * LARGEST)
        .max_message_size(Some(LARGEST))
        .max_frame_size(Some(LARGEST));
    let inner = WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config)).await;
    let socket = Socket { inner, rest: Bytes::new(), ended: false };
    serve(relay, key, Stream::new(Carrier::WebSocket(Box::new(socket))), Some(visit)).await;
}

/// A peer that is gone without a word is noticed as soon as over QUIC: the kernel asks for it (tcp(7)).
///
/// # Errors
/// The system refuses; then it is noticed when something is sent.
pub fn watch(tcp: &TcpStream) -> io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_tcp_keepidle(tcp, SILENCE)?;
    sockopt::set_tcp_keepintvl(tcp, SILENCE / 2)?;
    sockopt::set_tcp_keepcnt(tcp, 2)?;
    Ok(sockopt::set_socket_keepalive(tcp, true)?)
}

impl Socket {
    /// Ready when the connection is over, which may be later than what comes on it.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(Ok(message)) = ready!(Pin::new(&mut self.inner).poll_next(cx)) {
            if message.is_close() {
                break;
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.rest.is_empty() {
            if this.ended {
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut this.inner).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => {
                    this.ended = bytes.is_empty();
                    this.rest = bytes;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(_)) | None => this.ended = true,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        let some = this.rest.split_to(this.rest.len().min(buf.remaining()));
        buf.put_slice(&some);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.inner).poll_ready(cx)).map_err(io::Error::other)?;
        let some = bytes.get(..bytes.len().min(LARGEST)).unwrap_or_default();
        if some.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let message = Message::Binary(Bytes::copy_from_slice(some));
        Pin::new(&mut this.inner).start_send(message).map_err(io::Error::other)?;
        Poll::Ready(Ok(some.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx).map_err(io::Error::other)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.inner).poll_ready(cx)).map_err(io::Error::other)?;
        Pin::new(&mut this.inner).start_send(Message::Binary(Bytes::new())).map_err(io::Error::other)?;
        Pin::new(&mut this.inner).poll_flush(cx).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt;

    #[tokio::test]
    async fn a_silent_peer_is_asked_for() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(!sockopt::socket_keepalive(&tcp).unwrap());
        watch(&tcp).unwrap();
        assert!(sockopt::socket_keepalive(&tcp).unwrap());
        let asked = (sockopt::tcp_keepidle(&tcp).unwrap(), sockopt::tcp_keepintvl(&tcp).unwrap());
        assert_eq!(asked, (SILENCE, SILENCE / 2));
    }
}
