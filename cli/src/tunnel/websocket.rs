//! WebSocket over TLS on the relay's HTTPS port (RFC 6455): one connection a stream, so that TCP gives each its own
//! flow control. A binary message carries bytes, an empty one is the half-close.

use super::{Stream, hello, lost, proxy};
use crate::{api::Session, trust};
use bytes::Bytes;
use futures_util::{Sink as _, Stream as _};
use rustls::pki_types::ServerName;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};
use weir_shared::{error::UserFacing, wire};

const LARGEST: usize = 64 * 1024;

/// How to open streams.
#[derive(Clone)]
pub(super) struct Tunnel {
    connector: TlsConnector,
    relay: String,
    host: String,
    port: u16,
}

impl Tunnel {
    /// Connects and greets; the control stream is the caller's to keep.
    pub(super) async fn connect(session: &Session) -> Result<(Self, Stream), UserFacing> {
        let relay = session.login.relay.clone();
        let (host, port) = proxy::host_and_port(&relay)?;
        let tls = trust::client_config(&session.login, &session.key, &[b"http/1.1"])?;
        let connector = TlsConnector::from(Arc::new(tls));
        let tunnel = Self { connector, relay, host, port };
        let mut control = tunnel.open().await?;
        hello(&mut control).await?;
        Ok((tunnel, control))
    }

    pub(super) async fn open(&self) -> Result<Stream, UserFacing> {
        let tcp = proxy::dial(&self.host, self.port).await?;
        let name = ServerName::try_from(self.host.clone()).map_err(|error| lost(&error))?;
        let tls = self.connector.connect(name, tcp).await.map_err(|error| {
            let text = error.to_string();
            trust::untrusted(&self.relay, &text).unwrap_or_else(|| lost(&text))
        })?;
        let config = WebSocketConfig::default()
            .read_buffer_size(16 * 1024)
            .write_buffer_size(0)
            .max_write_buffer_size(4 * LARGEST)
            .max_message_size(Some(LARGEST))
            .max_frame_size(Some(LARGEST));
        let url = format!("wss{}{}", self.relay.trim_start_matches("https"), wire::WEBSOCKET_PATH);
        let (inner, _) = client_async_with_config(url, tls, Some(config)).await.map_err(|error| lost(&error))?;
        Ok(Stream::WebSocket(Box::new(Socket { inner, rest: Bytes::new(), ended: false })))
    }
}

/// A WebSocket connection as a stream of bytes.
pub(crate) struct Socket {
    inner: WebSocketStream<TlsStream<TcpStream>>,
    rest: Bytes,
    ended: bool,
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
