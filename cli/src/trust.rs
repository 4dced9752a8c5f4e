//! How the relay is verified: a CA, a pinned key, or the platform's roots. Never not at all.

use crate::{keystore::Login, ui};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::sync::Arc;
use weir_shared::{
    error::{Kind, UserFacing},
    keys::{SessionKey, Thumbprint},
};

/// A TLS 1.3 configuration that verifies the login's relay and shows the session's key.
pub(crate) fn client_config(login: &Login, key: &SessionKey, alpn: &[&[u8]]) -> Result<ClientConfig, UserFacing> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let bad = |error: &dyn std::fmt::Display| {
        UserFacing::new(
            Kind::Untrusted,
            format!("TLS cannot be set up: {error}"),
            "log in again with the right --ca or --pin",
        )
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| bad(&error))?;
    let builder = match (&login.pin, &login.ca) {
        (Some(pin), _) => {
            let pin: Thumbprint = pin.parse().map_err(|error| bad(&error))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Pinned { pin, provider }))
        }
        (None, Some(ca)) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
                roots.add(certificate.map_err(|error| bad(&error))?).map_err(|error| bad(&error))?;
            }
            builder.with_root_certificates(roots)
        }
        (None, None) => builder.with_platform_verifier().map_err(|error| bad(&error))?,
    };
    let mut config = builder
        .with_client_auth_cert(vec![key.certificate()], key.private_key())
        .map_err(|error| ui::system("the session's key", &error))?;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

/// The error for a certificate that is not accepted, when it is that what `text` says.
pub(crate) fn untrusted(relay: &str, text: &str) -> Option<UserFacing> {
    if !text.contains("certificate") || text.contains("alert") {
        return None;
    }
    if text.contains("expired") || text.contains("not valid") {
        let hint = "check this machine's clock; if it is right, the relay's administrator must renew the certificate";
        return Some(UserFacing::new(Kind::Untrusted, format!("the certificate of {relay} is not valid now"), hint));
    }
    let hint = "if the relay's certificate was changed on purpose, log in again with its new --ca or --pin";
    Some(UserFacing::new(Kind::Untrusted, format!("the certificate of {relay} is not the one expected"), hint))
}

/// The relay has exactly this key, whatever its certificate says.
#[derive(Debug)]
struct Pinned {
    pin: Thumbprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match Thumbprint::of_certificate(end_entity) {
            Ok(print) if print == self.pin => Ok(ServerCertVerified::assertion()),
            _ => Err(rustls::CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::untrusted;

    #[test]
    fn a_certificate_out_of_its_time_is_told_from_a_wrong_one() {
        let said = |text: &str| untrusted("https://r", text).map(|error| error.message);
        let late = "invalid peer certificate: certificate expired: verification time 9 (UNIX), but certificate is not valid after 8";
        assert_eq!(said(late).unwrap(), "the certificate of https://r is not valid now");
        let early = "invalid peer certificate: certificate not valid yet";
        assert_eq!(said(early).unwrap(), "the certificate of https://r is not valid now");
        let wrong = "invalid peer certificate: UnknownIssuer";
        assert_eq!(said(wrong).unwrap(), "the certificate of https://r is not the one expected");
        assert_eq!(said("connection refused"), None);
        assert_eq!(said("received fatal alert: BadCertificate (certificate)"), None);
    }
}
