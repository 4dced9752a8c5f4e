//! TLS with a resource: what is trusted, who we are, and what binds the login to the connection.

use crate::telemetry::lookups::Lookups;
use fs_err as fs;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
    server::ParsedCertificate,
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};
use weir_shared::{config::checked::Resource, id::ResourceName};
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

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
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let read = |path: &Path| fs::read(path).map_err(|error| error.to_string());
    let builder = match &resource.tls.ca {
        None => builder.with_platform_verifier().map_err(|error| error.to_string())?,
        Some(path) => {
            let (mut roots, mut pinned) = (RootCertStore::empty(), Vec::new());
            for certificate in CertificateDer::pem_slice_iter(&read(path)?) {
                let certificate = certificate.map_err(|error| format!("{}: {error}", path.display()))?;
                roots.add(certificate.clone()).map_err(|error| error.to_string())?;
                pinned.push(certificate);
            }
            let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let verifier = Arc::new(Verifier { authorities, pinned });
            builder.dangerous().with_custom_certificate_verifier(verifier)
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

/// As libpq's `verify-full`: a certificate by one of the authorities, or one that is among them itself, as it is. Most self-signed
/// certificates are marked as an authority's and as nobody's server, so that none could vouch for them.
#[derive(Debug)]
struct Verifier {
    authorities: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.pinned.iter().any(|pinned| pinned == end_entity) {
            verify_itself(end_entity, server_name, now)?;
            return Ok(ServerCertVerified::assertion());
        }
        self.authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// What a certificate that needs nobody to vouch for it has to say: that it is good now, and whose it is.
fn verify_itself(certificate: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let now = ASN1Time::from_timestamp(seconds).map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.validity();
    if now < validity.not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after {
        return Err(CertificateError::Expired.into());
    }
    let named = verify_server_name(&ParsedCertificate::try_from(certificate)?, name);
    // As at libpq the common name counts where there is no other.
    if parsed.subject_alternative_name().is_ok_and(|other| other.is_none()) {
        let common = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        if common.last().is_some_and(|common| common.eq_ignore_ascii_case(&name.to_str())) {
            return Ok(());
        }
    }
    named
}

/// The certificate's hash for channel binding: by its signature's hash, MD5 and SHA-1 raised to SHA-256 (RFC 5929).
pub(super) fn end_point(certificate: &CertificateDer<'static>) -> Option<Vec<u8>> {
    use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};

    /// Self-signed, as `openssl req -x509` makes it: an authority's. By its common name, or for other names.
    fn certificate(common: &str, names: &[&str], authority: bool) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, common);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        if authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn verify(pinned: &CertificateDer<'static>, shown: &CertificateDer<'static>, name: &str, year: u64) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(pinned.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let verifier = Verifier { authorities, pinned: vec![pinned.clone()] };
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs((year - 1970) * 31_556_952));
        verifier.verify_server_cert(shown, &[], &name, &[], now).is_ok()
    }

    #[test]
    fn a_self_signed_certificate_is_taken_as_it_is_for_its_names_while_it_is_good() {
        for authority in [true, false] {
            let own = certificate("whatever", &["db.internal", "192.0.2.7"], authority);
            assert!(verify(&own, &own, "db.internal", 2026) && verify(&own, &own, "192.0.2.7", 2026));
            assert!(!verify(&own, &own, "other.internal", 2026) && !verify(&own, &own, "whatever", 2026));
            assert!(!verify(&own, &own, "db.internal", 2019) && !verify(&own, &own, "db.internal", 2031));
            // Another of the same names is another.
            let other = certificate("whatever", &["db.internal", "192.0.2.7"], authority);
            assert!(!verify(&own, &other, "db.internal", 2026));
        }
        let common = certificate("DB.internal", &[], true);
        assert!(verify(&common, &common, "db.internal", 2026) && !verify(&common, &common, "internal", 2026));
    }
}
