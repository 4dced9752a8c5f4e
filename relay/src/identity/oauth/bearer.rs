//! Access tokens as the API takes them: only with their key. `Bearer` on the TLS connection of the certificate that they name
//! (RFC 8705, 3), `DPoP` with a proof by the key that they name (RFC 9449, 7). A token without its key is a stolen one: it is
//! refused, and an alert.

use super::{dpop, hash, jwt, jwt::Confirmation, rates::What};
use crate::{
    api::Peer,
    identity::{self, Principal},
    relay::Relay,
};
use axum::http::{header, request::Parts};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use weir_shared::keys::Thumbprint;
use weir_store::StoreError;

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The header is no `Bearer` or `DPoP` header.
    Request,
    /// `invalid_token` (RFC 6750, 3.1)
    Token(&'static str),
    /// The proof is wrong (RFC 9449, 7.1).
    Proof(dpop::Flaw),
    /// The store failed.
    Broken,
}

/// Who calls with the token in the `Authorization` header.
///
/// # Errors
/// It is not good, or its key did not come with it.
pub async fn authenticate(relay: &Relay, parts: &Parts, peer: &Peer) -> Result<(Principal, Thumbprint), Refusal> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next(), values.next()) else { return Err(Refusal::Request) };
    let value = value.and_then(|value| value.to_str().ok()).ok_or(Refusal::Request)?;
    let (scheme, token) = value.split_once(' ').ok_or(Refusal::Request)?;
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    if !is("Bearer") && !is("DPoP") {
        return Err(Refusal::Request);
    }
    let invalid = Refusal::Token("the token is not good, or no longer");
    let claims = jwt::verify(&relay.oauth.keys, &relay.config.public_url, token).ok_or(invalid)?;
    let key = match &claims.cnf {
        Confirmation::Certificate(bound) => {
            let shown = peer.certificate.map(|certificate| certificate.to_string());
            match peer.key {
                Some(key) if shown.as_ref() == Some(bound) && is("Bearer") => key,
                _ => {
                    stolen(relay, &claims, peer, "not on its certificate's connection").await;
                    return Err(Refusal::Token("the token is bound to another key"));
                }
            }
        }
        Confirmation::Dpop(bound) => {
            let url = format!("{}{}", relay.config.public_url, parts.uri.path());
            let request = dpop::Request { method: parts.method.as_str(), url: &url, token: Some(token) };
            let shown = match relay.oauth.dpop.check(&parts.headers, request, relay.now() / 1_000_000) {
                Ok(shown) => shown.filter(|_| is("DPoP")),
                Err(flaw) => return Err(Refusal::Proof(flaw)),
            };
            match shown {
                Some(key) if URL_SAFE_NO_PAD.encode(key.as_bytes()) == *bound => key,
                _ => {
                    stolen(relay, &claims, peer, "without its key's proof").await;
                    return Err(Refusal::Token("the token is bound to another key"));
                }
            }
        }
    };
    match live(relay, &claims, key).await {
        Ok(Some(principal)) => Ok((principal.narrowed(&claims.access()), key)),
        Ok(None) => Err(Refusal::Token("the token was revoked, or its session has ended")),
        Err(_) => Err(Refusal::Broken),
    }
}

/// Who the token speaks of, while its session lives and it is not revoked.
///
/// # Errors
/// When the store fails.
pub(super) async fn live(
    relay: &Relay,
    claims: &jwt::Claims,
    key: Thumbprint,
) -> Result<Option<Principal>, StoreError> {
    if is_revoked(relay, claims).await? {
        return Ok(None);
    }
    let principal = identity::authenticate(&relay.store, key, relay.now()).await.ok();
    Ok(principal.filter(|principal| principal.agent() == claims.sid && principal.user_id() == claims.sub))
}

/// True when the token, or the one that it was exchanged for, was revoked.
pub(super) async fn is_revoked(relay: &Relay, claims: &jwt::Claims) -> Result<bool, StoreError> {
    let own = revocation(&claims.jti);
    let parent = claims.parent.as_deref().map_or(own, revocation);
    relay.store.is_spent([&own, &parent]).await
}

/// What a revoked token is remembered by.
pub(super) fn revocation(jti: &str) -> [u8; 32] {
    hash(&format!("revoked {jti}"))
}

/// A genuine token is where its key is not.
pub(super) async fn stolen(relay: &Relay, claims: &jwt::Claims, peer: &Peer, how: &str) {
    tracing::warn!(agent = %claims.sid, address = %peer.address, how, "an access token was used without its key");
    if relay.oauth.rates.take(What::Alert, peer.address).is_err() {
        return;
    }
    let body = json!({
        "agent": claims.sid, "user": claims.sub, "client": claims.client_id, "token": claims.jti,
        "address": peer.address.to_string(), "key": peer.key.map(|key| key.to_string()), "how": how,
    });
    relay.audit("alert.stolen_token", "", body).await;
}
