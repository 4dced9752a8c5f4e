//! A session's ephemeral key, and the thumbprint by which both transports know it.

use crate::secret::Secret;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::{
    DigitallySignedStruct, DistinguishedName, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A key or certificate that could not be made or read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(String);

/// SHA-256 over a certificate's SubjectPublicKeyInfo: the same value over QUIC and over WebSocket.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// Of a certificate in DER.
    ///
    /// # Errors
    /// When `certificate` is not an X.509 certificate.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, KeyError> {
        let entity = webpki::EndEntityCert::try_from(certificate).map_err(|e| KeyError(e.to_string()))?;
        Ok(Self::of_spki(entity.subject_public_key_info().as_ref()))
    }

    /// Of a SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn of_spki(spki: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, spki);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    /// From stored bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Thumbprint> for String {
    fn from(thumbprint: Thumbprint) -> Self {
        thumbprint.to_string()
    }
}

impl TryFrom<String> for Thumbprint {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl std::str::FromStr for Thumbprint {
    type Err = KeyError;

    /// 64 hexadecimal digits; colons are allowed between them.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digits: Vec<u8> = text.bytes().filter(|b| *b != b':').collect();
        let bad = || KeyError("a thumbprint is 64 hexadecimal digits".to_owned());
        let mut bytes = [0; 32];
        if digits.len() != 64 {
            return Err(bad());
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

/// SHA-256 over a certificate's DER: how a token names the certificate that it is bound to (RFC 8705, 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateDigest([u8; 32]);

impl CertificateDigest {
    /// Of a certificate.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }
}

impl fmt::Display for CertificateDigest {
    /// As `x5t#S256` has it: base64url.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// An Ed25519 key that lives in this process only, with its self-signed certificate.
pub struct SessionKey {
    certificate: CertificateDer<'static>,
    pkcs8: Secret<Vec<u8>>,
}

impl SessionKey {
    /// Makes one.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let fail = |e: rcgen::Error| KeyError(e.to_string());
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).map_err(fail)?;
        let params = rcgen::CertificateParams::new(vec!["weir-agent".to_owned()]).map_err(fail)?;
        let certificate = params.self_signed(&key).map_err(fail)?.der().clone();
        Ok(Self { certificate, pkcs8: Secret::new(key.serialize_der()) })
    }

    /// The certificate to present.
    #[must_use]
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// The private key, for a TLS configuration.
    #[must_use]
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8.expose().clone()))
    }

    /// The private key in PKCS#8, to sign with.
    #[must_use]
    pub fn pkcs8(&self) -> &Secret<Vec<u8>> {
        &self.pkcs8
    }

    /// The public key, as SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// As [`SessionKey::thumbprint`].
    pub fn spki(&self) -> Result<Vec<u8>, KeyError> {
        let entity = webpki::EndEntityCert::try_from(&self.certificate).map_err(|e| KeyError(e.to_string()))?;
        Ok(entity.subject_public_key_info().as_ref().to_vec())
    }

    /// Its thumbprint.
    ///
    /// # Errors
    /// Never for a key made here; the type says so because parsing can fail.
    pub fn thumbprint(&self) -> Result<Thumbprint, KeyError> {
        Thumbprint::of_certificate(&self.certificate)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(..)")
    }
}

/// Accepts any client key, and verifies that the client holds it: who the key belongs to is asked afterwards, by its
/// thumbprint. A client may also come without one.
#[derive(Debug)]
pub struct AnyClientKey {
    provider: Arc<CryptoProvider>,
}

impl AnyClientKey {
    /// For a server's TLS configuration.
    #[must_use]
    pub fn optional(provider: Arc<CryptoProvider>) -> Arc<Self> {
        Arc::new(Self { provider })
    }
}

impl ClientCertVerifier for AnyClientKey {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match Thumbprint::of_certificate(end_entity) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            // The text of other errors would travel to the peer.
            Err(_) => Err(rustls::CertificateError::BadEncoding.into()),
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
    use super::*;

    #[test]
    fn thumbprints_differ_between_keys_and_round_trip() {
        let (a, b) = (SessionKey::generate().unwrap(), SessionKey::generate().unwrap());
        let print = a.thumbprint().unwrap();
        assert_ne!(print, b.thumbprint().unwrap());
        assert_eq!(print.to_string().parse::<Thumbprint>().unwrap(), print);
        assert!("00".parse::<Thumbprint>().is_err());
    }
}
