//! The tunnel over QUIC: one connection a `weir` process, one bidirectional stream a local connection.

use super::{Carrier, FIRST_FRAME, Stream, Transport, serve};
use crate::{doors::Visit, identity, relay::Relay};
use quinn::{
    Connection, ConnectionError, Endpoint, Incoming, TransportConfig, VarInt, crypto::rustls::QuicServerConfig,
};
use rustls::pki_types::CertificateDer;
use std::{net::UdpSocket, sync::Arc, time::Duration};
use weir_shared::{congestion::LossTolerantCubicConfig, keys::Thumbprint};

/// A handshake must be done within this, however alive its peer is.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that wait to be accepted, and bytes that come with them meanwhile: of one, and of all.
const WAITING: usize = 1024;
const WAITING_BYTES: u64 = 16 * 1024;
const WAITING_BYTES_OF_ALL: u64 = 4 * 1024 * 1024;
/// Streams that one connection may have open, as long as nobody knows whose it is: the transport keeps a place for each.
const STRANGER_STREAMS: u32 = 1;
/// More than an agent's places, so that who has too many is told so in the words of the tunnel.
const SPARE_STREAMS: usize = 8;
const MOST_STREAMS: usize = 4096;
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
    config
        .transport_config(Arc::new(transport()))
        .max_incoming(WAITING)
        .incoming_buffer_size(WAITING_BYTES)
        .incoming_buffer_size_total(WAITING_BYTES_OF_ALL);
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
        .max_concurrent_bidi_streams(VarInt::from_u32(STRANGER_STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(STRANGER_WINDOW))
        .send_window(u64::from(CONNECTION_WINDOW))
        .datagram_receive_buffer_size(None)
        .keep_alive_interval(Some(Duration::from_secs(5)))
        .max_idle_timeout(Some(VarInt::from_u32(20_000).into()))
        .ack_frequency_config(Some(acks()))
        .congestion_controller_factory(Arc::new(LossTolerantCubicConfig));
    transport
}

/// Serves one connection to its end.
pub async fn connection(relay: Arc<Relay>, incoming: Incoming, visit: Visit) {
    let connection = match tokio::time::timeout(HANDSHAKE, incoming).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            handshake(&relay, "failed");
            return tracing::debug!(%error, "a QUIC handshake failed");
        }
        Err(_) => {
            handshake(&relay, "failed");
            return tracing::debug!("a QUIC handshake took too long");
        }
    };
    // Most of what it needs is needed only now.
    Box::pin(serve_all(relay, connection, visit)).await;
}

async fn serve_all(relay: Arc<Relay>, connection: Connection, visit: Visit) {
    let Some(key) = peer_key(&connection) else {
        handshake(&relay, "stranger");
        return connection.close(VarInt::from_u32(1), b"no client certificate");
    };
    if identity::authenticate(&relay.store, key, relay.now()).await.is_err() {
        handshake(&relay, "stranger");
        // A stranger is told why, on one stream, and no more.
        if let Ok(Ok((send, receive))) = tokio::time::timeout(FIRST_FRAME, connection.accept_bi()).await {
            serve(relay, key, Stream::new(Carrier::Quic(send, receive)), None).await;
        }
        return connection.close(VarInt::from_u32(2), b"no agent's key");
    }
    handshake(&relay, "done");
    drop(visit);
    let Some(_place) = relay.doors.agent(key) else {
        return connection.close(VarInt::from_u32(3), b"too many connections of this agent");
    };
    let _watched = relay.telemetry.tunnels.watch(&connection);
    connection.set_receive_window(VarInt::from_u32(CONNECTION_WINDOW));
    let streams = relay.config.doors.agent.saturating_add(SPARE_STREAMS).min(MOST_STREAMS);
    connection.set_max_concurrent_bi_streams(VarInt::try_from(streams as u64).unwrap_or_default());
    let ended = loop {
        match connection.accept_bi().await {
            Ok((send, receive)) => {
                relay.tasks.spawn(serve(Arc::clone(&relay), key, Stream::new(Carrier::Quic(send, receive)), None));
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

fn peer_key(connection: &Connection) -> Option<Thumbprint> {
    let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    Thumbprint::of_certificate(identity.first()?).ok()
}
