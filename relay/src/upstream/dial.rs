//! TCP and TLS to a resource.

use super::UpstreamError;
use fs_err as fs;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use weir_shared::config::checked::{Host, Resource, UpstreamTlsMode};
use x509_parser::prelude::FromDer as _;

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
    let config = client_config(resource).map_err(&failed)?;
    let name = ServerName::try_from(host.name.clone()).map_err(|error| failed(error.to_string()))?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(|e| failed(e.to_string()))?;
    let end_point = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).and_then(end_point);
    Ok(Dialled { io: Io::Tls(Box::new(stream)), end_point, address })
}

fn client_config(resource: &Resource) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let read = |path: &std::path::Path| fs::read(path).map_err(|error| error.to_string());
    let builder = match &resource.tls.ca {
        None => builder.with_platform_verifier().map_err(|error| error.to_string())?,
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(&read(path)?) {
                let certificate = certificate.map_err(|error| format!("{}: {error}", path.display()))?;
                roots.add(certificate).map_err(|error| error.to_string())?;
            }
            builder.with_root_certificates(roots)
        }
    };
    match &resource.tls.client {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(certificate)?).collect();
            let key = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| error.to_string())?;
            let chain = chain.map_err(|error| error.to_string())?;
            builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())
        }
    }
}

/// The certificate's hash for channel binding: by its signature's hash, MD5 and SHA-1 raised to SHA-256 (RFC 5929).
fn end_point(certificate: &CertificateDer<'static>) -> Option<Vec<u8>> {
    use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
    let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(certificate).ok()?;
    let algorithm = match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
        // RSA with MD5, SHA-1, SHA-256; ECDSA with SHA-1, SHA-256
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => &SHA256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => &SHA384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => &SHA512,
        _ => return None,
    };
    Some(digest(algorithm, certificate).as_ref().to_vec())
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
