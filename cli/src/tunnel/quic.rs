//! QUIC: one connection a process, one bidirectional stream a local connection.

use super::{Stream, hello, lost};
use crate::{api::Session, trust, ui};
use quinn::{Connection, Endpoint, TransportConfig, VarInt, crypto::rustls::QuicClientConfig};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use weir_shared::{
    congestion::LossTolerantCubicConfig,
    error::{Kind, UserFacing},
    wire,
};

const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// A connection.
pub(super) struct Tunnel {
    connection: Connection,
}

impl Tunnel {
    /// Connects and greets; the control stream is the caller's to keep.
    pub(super) async fn connect(session: &Session) -> Result<(Self, Stream), UserFacing> {
        let relay = &session.login.relay;
        let (host, port) = super::proxy::host_and_port(relay)?;
        let tls = trust::client_config(&session.login, &session.key, &[wire::ALPN])?;
        let crypto = QuicClientConfig::try_from(tls).map_err(|error| ui::system("QUIC cannot start", &error))?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::new(transport()));
        let mut addresses = tokio::net::lookup_host((host.as_str(), port)).await.map_err(|error| lost(&error))?;
        let address = addresses.next().ok_or_else(|| lost("the relay's name has no address"))?;
        let local: SocketAddr = if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        let endpoint = Endpoint::client(local).map_err(|error| ui::system("no UDP socket", &error))?;
        let connecting = endpoint.connect_with(config, address, &host).map_err(|error| lost(&error))?;
        let connection = connecting.await.map_err(|error| {
            let text = error.to_string();
            trust::untrusted(relay, &text).unwrap_or_else(|| lost(&text))
        })?;
        let (send, receive) = connection.open_bi().await.map_err(|error| lost(&error))?;
        let mut control = Stream::Quic(send, receive);
        hello(&mut control).await?;
        Ok((Self { connection }, control))
    }

    pub(super) async fn open(&self) -> Result<Stream, UserFacing> {
        let opened = tokio::time::timeout(Duration::from_secs(5), self.connection.open_bi()).await;
        match opened {
            Ok(Ok((send, receive))) => Ok(Stream::Quic(send, receive)),
            Ok(Err(error)) => Err(lost(&error)),
            Err(_) => Err(UserFacing::new(Kind::Limit, "too many connections are open", "close some")),
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.connection.close_reason().is_some()
    }
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
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(u64::from(CONNECTION_WINDOW))
        .datagram_receive_buffer_size(None)
        .keep_alive_interval(Some(Duration::from_secs(5)))
        .max_idle_timeout(Some(VarInt::from_u32(20_000).into()))
        .ack_frequency_config(Some(acks()))
        .congestion_controller_factory(Arc::new(LossTolerantCubicConfig));
    transport
}
