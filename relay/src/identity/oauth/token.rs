//! The token endpoint: codes and rotating refresh tokens become agents (RFC 6749, 9700, 8628), tokens narrower ones (RFC 8693).

use super::{
    broken, clients, delegate, exchange, form::ByClient, hash, jwt, micros, proof, proof::Proof, refuse, secret,
    workload,
};
use crate::{identity::access::Access, relay::Relay};
use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use weir_shared::{
    config::checked::{Client, ClientAuth, GrantType},
    hop::Budget,
    id::{AgentId, LoginId, UserId},
    keys::Thumbprint,
    secret::Secret,
};
use weir_store::{
    StoreError,
    agents::NewAgent,
    devices::{Poll, Polled},
    logins::{Code, NewLogin, Redeemed, Refreshed},
};
use zeroize::Zeroizing;

/// What is added to the interval of a device that polls too soon (RFC 8628, 3.5), microseconds.
const SLOWER: i64 = 5_000_000;

/// A token request.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct TokenRequest {
    grant_type: String,
    code: Zeroizing<String>,
    redirect_uri: String,
    code_verifier: Zeroizing<String>,
    refresh_token: Zeroizing<String>,
    device_code: Zeroizing<String>,
    /// In a refresh: of the token only (RFC 6749, 6).
    pub(super) scope: String,
    /// In a refresh by weir itself: what the new root may do at most; by others: of the token only (RFC 9396).
    pub(super) authorization_details: String,
    /// How long a root of weir's lives at most, seconds.
    #[serde(deserialize_with = "number")]
    ttl: Option<u32>,
    /// How deep the chain of a root may become.
    #[serde(deserialize_with = "number")]
    max_depth: Option<u32>,
    /// What a root, and all below it, may use: [`Budget`], JSON.
    budget: String,
    /// What the client says of itself: [`weir_shared::api::Claims`], JSON.
    pub(super) evidence: String,
    #[serde(flatten)]
    pub(super) exchange: exchange::Exchange,
}

/// A form has texts only, and what is flattened is not read as anything else.
fn number<'de, D: serde::Deserializer<'de>>(text: D) -> Result<Option<u32>, D::Error> {
    let text = String::deserialize(text)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(serde::de::Error::custom) }
}

/// A request whose client and key are known.
#[derive(Clone, Copy)]
struct Asked<'a> {
    relay: &'a Relay,
    client: &'a Client,
    proof: &'a Proof,
    form: &'a TokenRequest,
    /// The refresh token that the answer may give.
    next: &'a Secret<String>,
}

/// A login through a client, as its tokens speak of it.
struct Session {
    login: LoginId,
    user: UserId,
    expires: i64,
    access: Access,
}

/// The token endpoint.
pub async fn token(State(relay): State<Arc<Relay>>, request: ByClient<TokenRequest>) -> Response {
    let ByClient { client, peer, headers, form } = request;
    let proof = match proof::of(&relay, &headers, "/oauth/token", &peer) {
        Ok(Some(proof)) => proof,
        Ok(None) => return refuse("invalid_request", "a TLS client certificate (RFC 8705) or a DPoP proof is needed"),
        Err(flaw) => return proof::refused(&relay, flaw),
    };
    let Some(grant) = GrantType::ALL.into_iter().find(|grant| grant.uri() == form.grant_type) else {
        return refuse("unsupported_grant_type", "the server's metadata lists what is offered");
    };
    if !client.grants.contains(&grant) {
        return refuse("unauthorized_client", "the client may not ask for this");
    }
    let Some(next) = secret() else { return refuse("server_error", "no randomness") };
    let asked = Asked { relay: &relay, client: &client, proof: &proof, form: &form, next: &next };
    let session = match grant {
        GrantType::AuthorizationCode => by_code(&asked).await,
        GrantType::RefreshToken => by_refresh(&asked).await,
        GrantType::DeviceCode => by_device(&asked).await,
        GrantType::TokenExchange if workload::is_shown(&form) => by_workload(&asked).await,
        GrantType::TokenExchange => return exchange::exchange(&relay, &client, &peer, &proof, &form).await,
    };
    match session {
        Ok(session) => answer(&asked, session, grant).await.unwrap_or_else(|refused| *refused),
        Err(refusal) => refusal,
    }
}

/// The key that a login's refresh token is bound to: of a public client the one that it came with (RFC 9449, 5; RFC 8705, 4).
/// Each of weir's own processes has a key of its own; the login is kept by its user's key store.
fn bound(client: &Client, proof: &Proof) -> Option<Thumbprint> {
    (client.auth == ClientAuth::None && client.id != clients::OWN).then_some(proof.key)
}

async fn by_code(asked: &Asked<'_>) -> Result<Session, Response> {
    let Asked { relay, client, proof, form, next } = *asked;
    let now = relay.now();
    let expires = now + micros(relay.config.login_lifetime);
    let fits = |code: &Code| {
        code.client == client.id && code.redirect_uri == form.redirect_uri && verifies(code, &form.code_verifier)
    };
    let (code, next) = (hash(&form.code), hash(next.expose()));
    match relay.store.code_redeem(&code, fits, bound(client, proof), &next, now, expires).await {
        Ok(Redeemed::Login(login, code)) => {
            Ok(Session { login, user: code.user, expires, access: Access::of_stored(&code.access) })
        }
        Ok(Redeemed::Again(login)) => {
            tracing::warn!(%login, "a code was used again: the login that it gave has been ended");
            relay.principals.forget();
            relay.audit("alert.code_reused", "", json!({ "login": login, "client": client.id })).await;
            Err(refuse("invalid_grant", "the code was used before: the login that it gave was ended"))
        }
        Ok(Redeemed::Unknown) => Err(refuse("invalid_grant", "the code is not good, or no longer")),
        Err(error) => Err(broken(&error)),
    }
}

async fn by_refresh(asked: &Asked<'_>) -> Result<Session, Response> {
    let Asked { relay, client, proof, form, next } = *asked;
    let (now, given) = (relay.now(), hash(&form.refresh_token));
    let known = relay.store.login_of(&given, now).await.map_err(|error| broken(&error))?;
    // A token that is not this client's, or not this key's, is left as it is.
    if let Some(login) = &known
        && (login.client != client.id || login.bound.is_some_and(|bound| bound != proof.key))
    {
        let body = json!({ "login": login.id, "client": client.id, "of": login.client });
        relay.audit("alert.stolen_refresh", &login.user_name, body).await;
        return Err(refuse("invalid_grant", "the login is another client's or another key's"));
    }
    match (relay.store.login_refresh(&given, &hash(next.expose()), now).await, known) {
        (Ok(Refreshed::Rotated(login, expires)), Some(known)) => {
            Ok(Session { login, user: known.user, expires, access: Access::of_stored(&known.access) })
        }
        (Ok(Refreshed::Reused(login)), _) => {
            tracing::warn!(%login, "a spent refresh token was used again: the login has been ended");
            relay.principals.forget();
            relay.audit("alert.refresh_reused", "", json!({ "login": login })).await;
            Err(refuse("invalid_grant", "the login was ended: its token was used twice"))
        }
        (Ok(_), _) => Err(refuse("invalid_grant", "the login is not good, or no longer")),
        (Err(error), _) => Err(broken(&error)),
    }
}

async fn by_device(asked: &Asked<'_>) -> Result<Session, Response> {
    let Asked { relay, client, proof, form, next } = *asked;
    let now = relay.now();
    let expires = now + micros(relay.config.login_lifetime);
    let poll = Poll {
        code: &hash(&form.device_code),
        client: &client.id,
        key: proof.key,
        bound: bound(client, proof),
        refresh: &hash(next.expose()),
        now,
        expires,
        slower: SLOWER,
    };
    let (error, description) = match relay.store.device_poll(poll).await {
        Ok(Polled::Login(login, user, access)) => {
            return Ok(Session { login, user, expires, access: Access::of_stored(&access) });
        }
        Ok(Polled::Pending) => ("authorization_pending", "nobody has confirmed the code yet"),
        Ok(Polled::TooSoon) => ("slow_down", "polled too soon: wait five seconds longer each time"),
        Ok(Polled::Denied) => ("access_denied", "the request was denied"),
        Ok(Polled::Expired) => ("expired_token", "nobody confirmed the code in time"),
        Ok(Polled::Unknown) => ("invalid_grant", "the code is not good, or no longer"),
        Err(error) => return Err(broken(&error)),
    };
    Err(refuse(error, description))
}

async fn by_workload(asked: &Asked<'_>) -> Result<Session, Response> {
    let Asked { relay, client, proof, form, next } = *asked;
    let access = Access::of(client.scopes.iter().copied());
    let (refresh, stored) = (hash(next.expose()), access.stored());
    let login = NewLogin {
        user: UserId::generate(),
        client: &client.id,
        access: &stored,
        bound: bound(client, proof),
        refresh: &refresh,
        now: relay.now(),
        expires: 0,
    };
    match workload::log_in(relay, proof.key, form, login).await {
        Ok((login, user, expires)) => Ok(Session { login, user, expires, access }),
        Err(refused) => Err(*refused),
    }
}

/// The key becomes an agent of the login, and gets its token.
async fn answer(asked: &Asked<'_>, session: Session, grant: GrantType) -> Result<Response, Box<Response>> {
    let Asked { relay, client, proof, form, next } = *asked;
    let Session { login, user, expires, access } = session;
    let claims = delegate::claims(&form.evidence)?;
    if let Some(supervisor) = claims.supervisor
        && !relay.config.delegation.supervised_roots
    {
        // The login itself stays good: it is the person's, and its next token is in the answer that is not given.
        let body = json!({ "login": login, "key": proof.key.to_string(), "supervisor": supervisor });
        relay.audit("alert.root_under_supervisor", "", body).await;
        let description = "a process under `weir run` may not open a session of its own from the login";
        return Err(Box::new(refuse("access_denied", description)));
    }
    // Codes were narrowed before they were given.
    let (scope, details) = match grant {
        GrantType::RefreshToken => (form.scope.as_str(), form.authorization_details.as_str()),
        _ => ("", ""),
    };
    let narrow =
        access.narrowed(scope, details).map_err(|beyond| Box::new(refuse(beyond.code(), &beyond.to_string())))?;
    let budget = match form.budget.as_str() {
        "" => Budget::default(),
        text => {
            serde_json::from_str(text).map_err(|_| Box::new(refuse("invalid_request", "the budget is no budget")))?
        }
    };
    let now = relay.now();
    let lifetime = micros(relay.config.agent_lifetime);
    let lifetime = form.ttl.map_or(lifetime, |ttl| lifetime.min(i64::from(ttl) * 1_000_000));
    let deepest = relay.config.delegation.max_depth;
    // Each of weir's processes is an agent of its own; another client's key stays the same one.
    let own = client.id == clients::OWN;
    let new = NewAgent {
        key: proof.key,
        expires: expires.min(now + lifetime),
        max_depth: form.max_depth.map_or(deepest, |depth| depth.min(deepest)),
        scope: if own { narrow.grant() } else { access.grant() },
        budget,
        evidence: &serde_json::to_string(&claims).unwrap_or_else(|_| "{}".to_owned()),
    };
    let agent = if own {
        relay.store.agent_add(login, &new, now).await
    } else {
        relay.store.agent_take_over(login, &new, now).await
    };
    relay.principals.forget_key(proof.key);
    let agent = match agent {
        Ok(agent) => agent,
        Err(StoreError::Exists(_)) => return Err(Box::new(refuse("invalid_request", "this key is bound already"))),
        Err(error) => return Err(Box::new(broken(&error))),
    };
    let body = json!({
        "chain": [agent], "login": login, "key": proof.key.to_string(), "scope": new.scope.to_string(), "client": client.id,
    });
    relay.audit("agent.bound", "", body).await;
    let body = issue(relay, client, proof, (user, agent), &narrow, new.expires, None);
    let mut body = body.ok_or_else(|| Box::new(refuse("server_error", "no token can be signed")))?;
    // A workload's only when it says that more than one process will need it; it ends with the workload's login.
    let exchanged = grant == GrantType::TokenExchange;
    if exchanged {
        body.insert("issued_token_type".to_owned(), exchange::ACCESS_TOKEN.into());
    }
    let lasting = !exchanged || form.scope.split(' ').any(|scope| scope == "offline_access");
    if lasting && client.grants.contains(&GrantType::RefreshToken) {
        body.insert("refresh_token".to_owned(), next.expose().as_str().into());
    }
    Ok(given(body))
}

/// An access token of a user's agent for the key, as the endpoint's answer tells of it; it lasts no longer than `until`, and
/// no longer than the token that it was exchanged for. None when it cannot be signed.
pub(super) fn issue(
    relay: &Relay,
    client: &Client,
    proof: &Proof,
    (sub, sid): (UserId, AgentId),
    access: &Access,
    until: i64,
    parent: Option<&jwt::Claims>,
) -> Option<Map<String, Value>> {
    let iat = relay.now() / 1_000_000;
    let exp = (iat + jwt::LIFETIME).min(until / 1_000_000).min(parent.map_or(i64::MAX, |parent| parent.exp));
    let issuer = &relay.config.public_url;
    let claims = jwt::Claims {
        iss: issuer.clone(),
        aud: issuer.clone(),
        sub,
        client_id: client.id.clone(),
        jti: secret()?.expose().clone(),
        iat,
        exp,
        sid,
        cnf: proof.confirmation.clone(),
        scope: access.scope(),
        authorization_details: (!access.grant().is_whole()).then(|| access.grant().clone()),
        parent: parent.map(|parent| parent.jti.clone()),
    };
    let token = jwt::sign(&relay.oauth.keys, &claims).inspect_err(|error| tracing::error!(%error)).ok()?;
    let mut body = Map::from_iter([
        ("access_token".to_owned(), json!(token)),
        ("token_type".to_owned(), json!(proof.confirmation.token_type())),
        ("expires_in".to_owned(), json!(exp - iat)),
        ("scope".to_owned(), json!(claims.scope)),
    ]);
    if let Some(details) = &claims.authorization_details {
        body.insert("authorization_details".to_owned(), json!(details));
    }
    Some(body)
}

/// Nobody on the way keeps it (RFC 6749, 5.1).
pub(super) fn given(body: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(body)).into_response()
}

/// RFC 7636, 4.6
fn verifies(code: &Code, verifier: &str) -> bool {
    let challenge = URL_SAFE_NO_PAD.encode(hash(verifier));
    (43..=128).contains(&verifier.len())
        && bool::from(subtle::ConstantTimeEq::ct_eq(challenge.as_bytes(), code.challenge.as_bytes()))
}
