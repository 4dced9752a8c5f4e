//! Cancel requests (documentation, "Canceling Requests in Progress").

use super::{Server, UpstreamError, dial, tls::TlsConfigs};
use std::{sync::Arc, time::Duration};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use weir_shared::config::checked::Resource;

/// A cancel request must have gone through within this.
const PATIENCE: Duration = Duration::from_secs(15);

/// What it takes to stop what one connection runs.
pub struct Canceller {
    pub(crate) server: Server,
    pub(super) key: Vec<u8>,
    pub(super) tls: Arc<TlsConfigs>,
}

impl Canceller {
    /// The server's own cancel key; empty when it has none.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Asks the server, which is the resource's, to stop it. It answers by closing.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn cancel(&self, resource: &Resource) -> Result<(), UpstreamError> {
        let Self { server, key, tls } = self;
        let steps = async {
            let mut io = dial::dial(resource, tls, &server.host, Some(server.address)).await?.io;
            let length = u32::try_from(key.len() + 8).unwrap_or(u32::MAX);
            let request = [&length.to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), key].concat();
            io.write_all(&request).await?;
            io.flush().await?;
            let _ = io.read(&mut [0; 1]).await;
            Ok(())
        };
        let late = || Err(UpstreamError::Timeout(server.to_string(), PATIENCE));
        tokio::time::timeout(PATIENCE, steps).await.unwrap_or_else(|_| late())
    }
}
