//! Who calls: known by the key of the TLS connection, or by a token that came with its key; and what the caller may.

use super::{ApiError, access::Needs};
use crate::{
    doors::Visit,
    identity::{
        self, Principal,
        oauth::{
            bearer::{self, Refusal},
            dpop, proof,
        },
    },
    relay::Relay,
};
use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{net::IpAddr, sync::Arc};
use weir_shared::{
    config::checked::Scope,
    error::{Kind, UserFacing},
    keys::{CertificateDigest, Thumbprint},
};

/// Whose connection it is.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Where it comes from.
    pub address: IpAddr,
    /// The key that the TLS client proved to hold, if it came with one.
    pub key: Option<Thumbprint>,
    /// The certificate that it showed for it.
    pub certificate: Option<CertificateDigest>,
}

/// Who calls.
pub struct Caller(pub Principal, pub Thumbprint);

impl FromRequestParts<Arc<Relay>> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, relay: &Arc<Relay>) -> Result<Self, Response> {
        let (principal, key) = if parts.headers.contains_key(header::AUTHORIZATION) {
            by_token(relay, parts).await?
        } else {
            by_key(relay, parts).await.map_err(IntoResponse::into_response)?
        };
        let needed = in_role(relay, &principal, parts).await.map_err(IntoResponse::into_response)?;
        if !principal.access().has(needed) {
            return Err(insufficient(needed));
        }
        if let Some(visit) = parts.extensions.get::<Arc<Visit>>()
            && !visit.prove_as(&relay.doors, key)
        {
            let (message, hint) = ("too many connections of this agent", "close some, or raise limits.agent");
            return Err(ApiError(UserFacing::new(Kind::Limit, message, hint)).into_response());
        }
        Ok(Self(principal, key))
    }
}

/// Whether this call is for the caller, and the scope that it needs. That somebody tried to change what is not for them is audited.
async fn in_role(relay: &Relay, principal: &Principal, parts: &Parts) -> Result<Scope, ApiError> {
    let path = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    let missing = || UserFacing::new(Kind::Internal, "this call is for nobody", "tell the relay's administrator");
    let needs = Needs::of(&parts.method, path).ok_or_else(missing)?;
    let checked = needs.check(principal);
    if checked.is_err() && parts.method != Method::GET && parts.method != Method::HEAD {
        let body = serde_json::json!({ "call": format!("{} {path}", parts.method) });
        relay.audit_of(principal, "alert.role_refused", body).await;
    }
    checked?;
    Ok(needs.scope(&parts.method))
}

async fn by_key(relay: &Relay, parts: &Parts) -> Result<(Principal, Thumbprint), ApiError> {
    let key = parts.extensions.get::<Peer>().and_then(|peer| peer.key);
    let Some(key) = key else {
        let hint = "run `weir login`";
        return Err(UserFacing::new(Kind::Unauthenticated, "no client key came with the call", hint).into());
    };
    let principal = identity::authenticate(&relay.store, key, relay.now()).await?;
    relay.principals.heard(principal.chain_ids());
    Ok((principal, key))
}

async fn by_token(relay: &Relay, parts: &Parts) -> Result<(Principal, Thumbprint), Response> {
    let Some(peer) = parts.extensions.get::<Peer>() else {
        return Err(StatusCode::INTERNAL_SERVER_ERROR.into_response());
    };
    let refusal = match bearer::authenticate(relay, parts, peer).await {
        Ok(caller) => return Ok(caller),
        Err(refusal) => refusal,
    };
    let refused = |kind, what: &str| ApiError(UserFacing::new(kind, what, "get a new token")).into_response();
    let (mut response, scheme, code) = match refusal {
        Refusal::Request => {
            (refused(Kind::Usage, "the Authorization header is no token's"), "Bearer", "invalid_request")
        }
        Refusal::Token(why) => (refused(Kind::Unauthenticated, why), "Bearer", "invalid_token"),
        Refusal::Proof(flaw) => (refused(Kind::Unauthenticated, &flaw.to_string()), "DPoP", flaw.code()),
        Refusal::Broken => return Err(refused(Kind::Internal, "the relay cannot use its database")),
    };
    challenge(relay, &mut response, scheme, &format!("error=\"{code}\", "));
    Err(match refusal {
        Refusal::Proof(flaw) => proof::with_nonce(relay, flaw, response),
        _ => response,
    })
}

/// RFC 6750, 3.1
fn insufficient(needed: Scope) -> Response {
    let message = format!("the token, or its login, has no {}", needed.as_str());
    let mut response = ApiError(UserFacing::new(Kind::Denied, message, "log in for more")).into_response();
    let value = format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", needed.as_str());
    if let Ok(value) = HeaderValue::from_str(&value) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}

/// Where a client learns how to get a token (RFC 9728, 5.1).
fn challenge(relay: &Relay, response: &mut Response, scheme: &str, error: &str) {
    let metadata = format!("{}/.well-known/oauth-protected-resource", relay.config.public_url);
    let algorithms = dpop::ALGORITHMS.map(|(_, name)| name).join(" ");
    let algorithms = if scheme == "DPoP" { format!("algs=\"{algorithms}\", ") } else { String::new() };
    if let Ok(value) = HeaderValue::from_str(&format!("{scheme} {error}{algorithms}resource_metadata=\"{metadata}\"")) {
        response.headers_mut().append(header::WWW_AUTHENTICATE, value);
    }
}

/// Every 401 says how to do better.
pub(super) async fn challenged(State(relay): State<Arc<Relay>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let of_the_api =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    if response.status() == StatusCode::UNAUTHORIZED
        && of_the_api
        && !response.headers().contains_key(header::WWW_AUTHENTICATE)
    {
        challenge(&relay, &mut response, "Bearer", "");
        challenge(&relay, &mut response, "DPoP", "");
    }
    response
}
