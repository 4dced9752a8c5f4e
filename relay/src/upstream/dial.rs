//! TCP and TLS to a resource.

use super::{
    UpstreamError,
    tls::{self, TlsConfigs},
};
use rustls::pki_types::ServerName;
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use weir_shared::config::checked::{Host, Resource, UpstreamTlsMode};

/// A connection to a resource.
pub enum Io {
    /// Without TLS.
    Plain(TcpStream),
    /// With TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Io {
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Plain(_) => "off".to_owned(),
            Self::Tls(stream) => {
                let connection = stream.get_ref().1;
                let version = connection.protocol_version().and_then(|v| v.as_str()).unwrap_or("TLS");
                let suite = connection.negotiated_cipher_suite().and_then(|s| s.suite().as_str());
                format!("{version} {}", suite.unwrap_or_default())
            }
        }
    }
}

pub(super) struct Dialled {
    pub(super) io: Io,
    /// The server's certificate and the hash that `tls-server-end-point` (RFC 5929) takes of it; none where the
    /// certificate's signature has no such hash (Ed25519) or there is no TLS.
    pub(super) end_point: Option<Vec<u8>>,
    /// Which of the addresses of the host's name answered.
    pub(super) address: SocketAddr,
}

/// Dials a host of the resource; at `address`, when it is known already which of its addresses it has to be.
pub(super) async fn dial(
    resource: &Resource,
    configs: &TlsConfigs,
    host: &Host,
    address: Option<SocketAddr>,
) -> Result<Dialled, UpstreamError> {
    let place = host.to_string();
    let dial = |error| UpstreamError::Dial(place.clone(), error);
    let tcp = match address {
        Some(address) => TcpStream::connect(address).await,
        None => TcpStream::connect((host.name.as_str(), host.port)).await,
    };
    let mut tcp = tcp.map_err(dial)?;
    tcp.set_nodelay(true).map_err(dial)?;
    let address = tcp.peer_addr().map_err(dial)?;
    if resource.tls.mode == UpstreamTlsMode::Disable {
        return Ok(Dialled { io: Io::Plain(tcp), end_point: None, address });
    }
    let failed = |why: String| UpstreamError::Tls(place.clone(), why);
    tcp.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await?;
    // One byte and no more: what came with it would be unprotected (CVE-2021-23222).
    if tcp.read_u8().await? != b'S' {
        return Err(failed("the server does not offer TLS".to_owned()));
    }
    let config = configs.of(resource).map_err(&failed)?;
    let name = ServerName::try_from(host.name.clone()).map_err(|error| failed(error.to_string()))?;
    let stream = TlsConnector::from(config).connect(name, tcp).await.map_err(|e| failed(e.to_string()))?;
    let end_point = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).and_then(tls::end_point);
    Ok(Dialled { io: Io::Tls(Box::new(stream)), end_point, address })
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
