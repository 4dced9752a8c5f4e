//! The relay's own certificate: read from its files, and read again when they change, so that a renewed certificate
//! needs no restart. A pair that cannot be used is reported and the old one stays.

use fs_err as fs;
use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};
use weir_shared::{
    config::checked::Config,
    error::{Kind, UserFacing},
    keys::AnyClientKey,
};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// The certificate in use.
#[derive(Debug)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> UserFacing {
    UserFacing::new(Kind::Config, format!("{what}: {error}"), "correct tls.certificate and tls.key")
}

fn read(chain: &PathBuf, key: &PathBuf, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, UserFacing> {
    let read = |path: &PathBuf| fs::read(path).map_err(|error| failed("TLS cannot be set up", &error));
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(chain)?).collect();
    let certificates = certificates.map_err(|error| failed("the certificate cannot be read", &error))?;
    if certificates.is_empty() {
        return Err(failed("the certificate cannot be read", &"the file holds none"));
    }
    let key = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| failed("the key cannot be read", &error))?;
    // Fails too when the key is not the certificate's.
    CertifiedKey::from_der(certificates, key, provider)
        .map(Arc::new)
        .map_err(|error| failed("the certificate and the key do not fit", &error))
}

impl Certificate {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// When they cannot be read or do not fit each other.
    pub fn load(config: &Config) -> Result<Arc<Self>, UserFacing> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (chain, key) = (config.tls_certificate.clone(), config.tls_key.clone());
        let current = RwLock::new(read(&chain, &key, &provider)?);
        Ok(Arc::new(Self { chain, key, provider, current }))
    }

    /// TLS 1.3, any client key, these protocols.
    ///
    /// # Errors
    /// When the provider has no TLS 1.3; this is a defect.
    pub fn server_config(self: &Arc<Self>, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, UserFacing> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| failed("TLS cannot be set up", &error))?
            .with_client_cert_verifier(AnyClientKey::optional(Arc::clone(&self.provider)))
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// When the files were last written; none while one of them is not there.
    fn written(&self) -> Option<(SystemTime, SystemTime)> {
        let written = |path: &PathBuf| fs::metadata(path).ok()?.modified().ok();
        Some((written(&self.chain)?, written(&self.key)?))
    }

    /// Looks after the files for ever.
    pub async fn watch(self: Arc<Self>) {
        let (mut seen, mut warned) = (self.written(), None);
        loop {
            tokio::time::sleep(EVERY).await;
            let now = self.written();
            if now.is_none() || now == seen {
                continue;
            }
            match read(&self.chain, &self.key, &self.provider) {
                Ok(pair) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = pair;
                    tracing::info!("the relay's certificate was read anew");
                    seen = now;
                }
                // The two files are not written at one instant: tried again at the next look.
                Err(error) if warned != now => {
                    tracing::warn!(%error, "the changed certificate cannot be used, the old one stays");
                    warned = now;
                }
                Err(_) => {}
            }
        }
    }
}
