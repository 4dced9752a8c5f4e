//! TLS with a resource: what is trusted, who we are, and what binds the login to the connection.

use crate::telemetry::lookups::Lookups;
use fs_err as fs;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};
use weir_shared::{config::checked::Resource, id::ResourceName};
use x509_parser::prelude::FromDer as _;

/// What tells that nothing has changed: of CA, client certificate and key, each where there is one, the path, and when the file
/// was changed and its length.
type Stamp = [Option<(PathBuf, Option<(SystemTime, u64)>)>; 3];

/// The configurations made already, one a resource, for as long as its files stay the same.
#[derive(Default)]
pub struct TlsConfigs {
    known: Mutex<HashMap<ResourceName, (Stamp, Arc<ClientConfig>)>>,
    /// By sessions and cancel requests.
    pub lookups: Lookups,
}

impl TlsConfigs {
    /// The resource's configuration.
    pub(super) fn of(&self, resource: &Resource) -> Result<Arc<ClientConfig>, String> {
        let stamp = stamp(resource);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let same = known.get(&resource.name).filter(|(before, _)| *before == stamp);
        self.lookups.count(same.is_some());
        if let Some((_, config)) = same {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(client_config(resource)?);
        known.insert(resource.name.clone(), (stamp, Arc::clone(&config)));
        Ok(config)
    }
}

fn stamp(resource: &Resource) -> Stamp {
    let of = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    let (ca, client) = (resource.tls.ca.as_ref(), resource.tls.client.as_ref());
    let paths = [ca, client.map(|(certificate, _)| certificate), client.map(|(_, key)| key)];
    paths.map(|path| path.map(|path| (path.clone(), of(path))))
}

fn client_config(resource: &Resource) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let read = |path: &Path| fs::read(path).map_err(|error| error.to_string());
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
pub(super) fn end_point(certificate: &CertificateDer<'static>) -> Option<Vec<u8>> {
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
