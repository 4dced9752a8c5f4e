//! With which key a request comes: tokens are bound to it.

use super::{
    dpop::{Flaw, Request},
    jwt::Confirmation,
    refuse,
};
use crate::{api::Peer, relay::Relay};
use axum::{
    http::{HeaderMap, HeaderName, HeaderValue},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use weir_shared::keys::Thumbprint;

/// A key that the requester holds.
#[derive(Clone, Debug)]
pub struct Proof {
    /// By which its agent is known: of the certificate's key, or of the proof's.
    pub key: Thumbprint,
    /// As a token names it.
    pub confirmation: Confirmation,
}

/// The key of a request to this path: that of its DPoP proof, else that of the connection's certificate; none when it comes
/// with neither.
///
/// # Errors
/// The proof proves nothing.
pub fn of(relay: &Relay, headers: &HeaderMap, path: &str, peer: &Peer) -> Result<Option<Proof>, Flaw> {
    let now = relay.now() / 1_000_000;
    let url = format!("{}{path}", relay.config.public_url);
    let dpop = relay.oauth.dpop.check(headers, Request { method: "POST", url: &url, token: None }, now)?;
    if let Some(key) = dpop {
        let confirmation = Confirmation::Dpop(URL_SAFE_NO_PAD.encode(key.as_bytes()));
        return Ok(Some(Proof { key, confirmation }));
    }
    let shown = peer.key.zip(peer.certificate);
    Ok(shown.map(|(key, certificate)| Proof { key, confirmation: Confirmation::certificate(certificate) }))
}

/// The endpoints' refusal.
pub fn refused(relay: &Relay, flaw: Flaw) -> Response {
    with_nonce(relay, flaw, refuse(flaw.code(), &flaw.to_string()))
}

/// Who lacks a nonce is given one (RFC 9449, 8).
pub fn with_nonce(relay: &Relay, flaw: Flaw, mut response: Response) -> Response {
    if flaw == Flaw::Nonce
        && let Ok(nonce) = HeaderValue::from_str(&relay.oauth.dpop.nonce(relay.now() / 1_000_000))
    {
        response.headers_mut().insert(HeaderName::from_static("dpop-nonce"), nonce);
    }
    response
}
