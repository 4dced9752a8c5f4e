//! The tunnel over QUIC: one connection a `weir` process, one bidirectional stream a local connection.

use super::{Carrier, FIRST_FRAME, Stream, Transport, serve};
use crate::{identity, relay::Relay};
use quinn::{ConnectionError, Endpoint, Incoming, TransportConfig, VarInt, crypto::rustls::QuicServerConfig};
use rustls::pki_types::CertificateDer;
use std::{net::UdpSocket, sync::Arc, time::Duration};
use weir_shared::keys::Thumbprint;

/// Streams that one connection may have open.
const STREAMS: u32 = 1024;
/// Bytes in flight on one stream and on one connection: what a slow reader can make the relay hold.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// The same, as long as nobody knows whose connection it is.
const STRANGER_WINDOW: u32 = 64 * 1024;

/// Opens the endpoint on a bound socket.
///
/// # Errors
/// When the TLS configuration has no QUIC suite or the socket cannot be used.
pub fn endpoint(socket: UdpSocket, tls: Arc<rustls::ServerConfig>) -> std::io::Result<Endpoint> {
    let crypto = QuicServerConfig::try_from(tls).map_err(std::io::Error::other)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport()));
    let runtime = Arc::new(quinn::TokioRuntime);
    Endpoint::new(quinn::EndpointConfig::default(), Some(config), socket, runtime)
}

/// An acknowledgement of its own for so many packets: most travel with the answers.
fn acks() -> quinn::AckFrequencyConfig {
    let mut acks = quinn::AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(10));
    acks
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(STRANGER_WINDOW))
        .send_window(u64::from(CONNECTION_WINDOW))
        .datagram_receive_buffer_size(None)
        .keep_alive_interval(Some(Duration::from_secs(5)))
        .max_idle_timeout(Some(VarInt::from_u32(20_000).into()))
        .ack_frequency_config(Some(acks()));
    transport
}

/// Serves one connection to its end.
pub async fn connection(relay: Arc<Relay>, incoming: Incoming) {
    let connection = match incoming.await {
        Ok(connection) => connection,
        Err(error) => {
            handshake(&relay, "failed");
            return tracing::debug!(%error, "a QUIC handshake failed");
        }
    };
    let Some(key) = peer_key(&connection) else {
        handshake(&relay, "stranger");
        return connection.close(VarInt::from_u32(1), b"no client certificate");
    };
    if identity::authenticate(&relay.store, key, relay.now()).await.is_err() {
        handshake(&relay, "stranger");
        // A stranger is told why, on one stream, and no more.
        if let Ok(Ok((send, receive))) = tokio::time::timeout(FIRST_FRAME, connection.accept_bi()).await {
            serve(relay, key, Stream::new(Carrier::Quic(send, receive))).await;
        }
        return connection.close(VarInt::from_u32(2), b"no agent's key");
    }
    handshake(&relay, "done");
    let _watched = relay.telemetry.tunnels.watch(&connection);
    connection.set_receive_window(VarInt::from_u32(CONNECTION_WINDOW));
    let ended = loop {
        match connection.accept_bi().await {
            Ok((send, receive)) => {
                relay.tasks.spawn(serve(Arc::clone(&relay), key, Stream::new(Carrier::Quic(send, receive))));
            }
            Err(ended) => break ended,
        }
    };
    // An agent that goes says so, and so does the relay.
    if !matches!(ended, ConnectionError::ApplicationClosed(_) | ConnectionError::LocallyClosed) {
        relay.telemetry.connection_errors.with([Transport::Quic.as_str().into()]).inc();
        tracing::debug!(error = %ended, "a QUIC connection ended badly");
    }
}

fn handshake(relay: &Relay, outcome: &'static str) {
    relay.telemetry.handshakes.with([Transport::Quic.as_str().into(), outcome.into()]).inc();
}

fn peer_key(connection: &quinn::Connection) -> Option<Thumbprint> {
    let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    Thumbprint::of_certificate(identity.first()?).ok()
}
