//! Connections to the relay's port by somebody who is nobody's agent: as far as anybody on the network may come.

use crate::lab::Lab;
use anyhow::{Context as _, Result};
use quinn::{Endpoint, crypto::rustls::QuicClientConfig};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio_rustls::{TlsConnector, client::TlsStream};
use weir_shared::keys::SessionKey;

/// The relay's ALPN for its tunnel over QUIC.
const TUNNEL: &[u8] = b"weir/1";

/// TLS to the lab's relay, with this key or without one.
///
/// # Errors
/// The lab's certificate cannot be read.
pub fn tls(lab: &Lab, key: Option<&SessionKey>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(lab.ca())? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots);
    Ok(match key {
        Some(key) => builder.with_client_auth_cert(vec![key.certificate()], key.private_key())?,
        None => builder.with_no_client_auth(),
    })
}

/// A stranger with a key of their own.
#[derive(Clone, Debug)]
pub struct Stranger {
    relay: SocketAddr,
    from: IpAddr,
    with_key: Arc<ClientConfig>,
    without: Arc<ClientConfig>,
}

impl Stranger {
    /// Comes from this address of the machine.
    ///
    /// # Errors
    /// The lab's certificate cannot be read.
    pub fn new(lab: &Lab, from: IpAddr) -> Result<Self> {
        let with_key = tls(lab, Some(&SessionKey::generate()?))?;
        let relay = lab.url().trim_start_matches("https://").parse()?;
        Ok(Self { relay, from, with_key: Arc::new(with_key), without: Arc::new(tls(lab, None)?) })
    }

    /// A connection, nothing sent.
    ///
    /// # Errors
    /// It is not accepted.
    pub async fn tcp(&self) -> Result<TcpStream> {
        let socket = if self.from.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind((self.from, 0).into())?;
        Ok(socket.connect(self.relay).await?)
    }

    /// A connection with TLS.
    ///
    /// # Errors
    /// The handshake fails.
    pub async fn tls(&self, with_key: bool) -> Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(Arc::clone(if with_key { &self.with_key } else { &self.without }));
        let name = ServerName::try_from(self.relay.ip().to_string())?;
        Ok(connector.connect(name, self.tcp().await?).await?)
    }

    /// A UDP socket for many connections.
    ///
    /// # Errors
    /// There is no socket.
    pub fn endpoint(&self) -> Result<Endpoint> {
        let mut tls = (*self.with_key).clone();
        tls.alpn_protocols = vec![TUNNEL.to_vec()];
        let mut endpoint = Endpoint::client((self.from, 0).into())?;
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?)));
        Ok(endpoint)
    }

    /// Begins a connection over QUIC with the relay, or with what stands before it.
    ///
    /// # Errors
    /// It cannot even begin.
    pub fn quic(&self, endpoint: &Endpoint, to: Option<SocketAddr>) -> Result<quinn::Connecting> {
        Ok(endpoint.connect(to.unwrap_or(self.relay), &self.relay.ip().to_string())?)
    }

    /// A UDP port from which packets go on to the relay, and to which no answer comes: whoever connects through it never
    /// finishes. It ends with the task that awaits the future.
    ///
    /// # Errors
    /// There is no socket.
    pub async fn one_way(&self) -> Result<(SocketAddr, impl Future<Output = ()> + use<>)> {
        let (inner, outer) = (UdpSocket::bind((self.from, 0)).await?, UdpSocket::bind((self.from, 0)).await?);
        let (address, relay) = (inner.local_addr()?, self.relay);
        let pass = async move {
            let mut packet = [0; 2048];
            while let Ok((length, _)) = inner.recv_from(&mut packet).await {
                let Some(bytes) = packet.get(..length).context("longer than its buffer").ok() else { return };
                if outer.send_to(bytes, relay).await.is_err() {
                    return;
                }
            }
        };
        Ok((address, pass))
    }
}
