//! The local leg's TLS, for PostgreSQL clients that insist on it: `sslmode=require`, `verify-full` with the CA that
//! weir prints, and direct TLS (ALPN `postgresql`).

use super::{START, peer, splice::Client};
use crate::{settings::Settings, ui};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};
use std::{
    io,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use weir_shared::error::UserFacing;

const SSL: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];
/// Who ends before it began says goodbye.
const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];
/// The first byte of a TLS record that begins a handshake (RFC 8446, 5.1).
const HANDSHAKE: u8 = 0x16;

/// This process's own certificate for `localhost`.
pub(crate) struct LocalTls {
    acceptor: TlsAcceptor,
    /// The CA, for `sslrootcert`.
    pub(crate) ca: PathBuf,
}

impl LocalTls {
    pub(crate) fn new(settings: &Settings) -> Result<Self, UserFacing> {
        let failed = |error: rcgen::Error| ui::system("the local certificate", &error);
        let (ca_key, key) = (KeyPair::generate().map_err(failed)?, KeyPair::generate().map_err(failed)?);
        let mut ca = CertificateParams::new(Vec::new()).map_err(failed)?;
        ca.distinguished_name.push(rcgen::DnType::CommonName, "weir local CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let ca_certificate = ca.self_signed(&ca_key).map_err(failed)?;
        let leaf = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
            .and_then(|params| params.signed_by(&key, &Issuer::from_params(&ca, &ca_key)))
            .map_err(failed)?;
        let path = settings.write(&format!("local-ca.{}.pem", std::process::id()), ca_certificate.pem().as_bytes())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
                builder.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key)
            })
            .map_err(|error| ui::system("the local certificate", &error))?;
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), ca: path })
    }
}

impl LocalTls {
    async fn accept(&self, stream: Begun) -> io::Result<Option<Local>> {
        self.acceptor.accept(stream).await.map(|stream| Some(Local::Tls(Box::new(stream))))
    }
}

impl Drop for LocalTls {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.ca);
    }
}

/// A connection of which the first bytes were read already.
pub(super) struct Begun {
    stream: TcpStream,
    head: [u8; 8],
    /// How many of them are still to be given to the reader.
    left: usize,
}

/// A local connection, its encryption settled.
pub(super) enum Local {
    Plain(Begun),
    Tls(Box<TlsStream<Begun>>),
}

/// Settles encryption. None when the client went away.
pub(super) async fn begin(mut stream: TcpStream, tls: &LocalTls) -> io::Result<Option<Local>> {
    let settle = async {
        loop {
            let (mut head, mut left) = ([0; 8], 0);
            // A start-up packet is at least eight bytes; direct TLS shows in the first.
            while left < head.len() && head.first() != Some(&HANDSHAKE) && !head.starts_with(&TERMINATE) {
                match stream.read(head.get_mut(left..).unwrap_or_default()).await? {
                    0 => return Ok(None),
                    some => left += some,
                }
            }
            match head {
                [b'X', 0, 0, 0, 4, ..] => return Ok(None),
                [HANDSHAKE, ..] => return tls.accept(Begun { stream, head, left }).await,
                SSL => {
                    // Bytes that came along would be taken for protected ones (CVE-2021-23222).
                    let mut more = [0; 1];
                    if stream.try_read(&mut more).is_ok_and(|count| count > 0) {
                        return Err(io::Error::other("received unencrypted data after SSL request"));
                    }
                    stream.write_all(b"S").await?;
                    return tls.accept(Begun { stream, head, left: 0 }).await;
                }
                GSS => stream.write_all(b"N").await?,
                _ => return Ok(Some(Local::Plain(Begun { stream, head, left }))),
            }
        }
    };
    tokio::time::timeout(START, settle).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

impl AsyncRead for Begun {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let some = this.left.min(buf.remaining());
        buf.put_slice(this.head.get(..some).unwrap_or_default());
        this.head.copy_within(some.., 0);
        this.left -= some;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl Client for Local {
    fn is_there(&self) -> Option<bool> {
        let stream = match self {
            Self::Plain(begun) => &begun.stream,
            Self::Tls(stream) => &stream.get_ref().0.stream,
        };
        peer::is_open(stream.peer_addr().ok()?, stream.local_addr().ok()?)
    }
}

impl AsyncRead for Local {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Local {
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
