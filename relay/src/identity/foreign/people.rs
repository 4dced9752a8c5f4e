//! People log in at the provider: authorization code with PKCE and nonce (OpenID Connect Core 3.1, RFC 7636, 9700).
//!
//! 1. The login page offers the provider. A sealed cookie binds state, nonce and verifier to the browser: the relay itself
//!    keeps nothing, and an answer that another browser brings is nobody's.
//! 2. [`begin`], by a click: a page elsewhere cannot have it happen unseen (RFC 8252, 8.6).
//! 3. [`callback`]: the provider's answer is verified, its subject becomes a user, and the client gets its code or learns
//!    why not, as with a password.

use super::{
    issuer::{Document, Issuer},
    person::{self, Person, Unwelcome},
    refused,
    token::{Claims, Expected, Refusal, Unverified},
    visible,
};
use crate::{
    api::Peer,
    credential,
    identity::oauth::{self, authorize::Authorize},
    relay::Relay,
    web,
};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use axum::{
    Extension,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use url::Url;
use weir_shared::{
    config::{
        self,
        checked::{CredentialSource, Oidc},
    },
    secret::Secret,
};
use weir_store::{StoreError, users::User};

/// A login may take this long at the provider (microseconds).
const PATIENCE: i64 = 600_000_000;
/// Sent along when the provider sends the browser back, so not `SameSite=Strict`; for this host alone.
const COOKIE: &str = "__Host-weir-login";
/// The largest cookie that browsers keep, with its name and attributes.
const LARGEST_COOKIE: usize = 3900;
const EXPIRED: &str = "this login was not begun in this browser, or has taken longer than ten minutes";

/// What somebody logs in for.
#[derive(Serialize, Deserialize)]
pub(crate) enum Asked {
    /// A client that waits for its code.
    Client(Authorize),
    /// A device that waits under this code.
    Device(String),
    /// The relay's own pages; where to go then.
    Pages(String),
}

/// A login that waits for the provider.
#[derive(Serialize, Deserialize)]
struct Pending {
    asked: Asked,
    state: String,
    nonce: String,
    verifier: String,
    expires: i64,
}

/// The ways to log in that a page shows.
pub struct Ways {
    /// By a password.
    pub local: bool,
    /// At the provider.
    pub provider: Option<Offer>,
}

/// The ways there are.
pub(crate) fn ways(relay: &Relay, asked: Asked) -> Ways {
    Ways { local: !relay.config.identity.no_local_users, provider: offer(relay, asked) }
}

/// What a page says of the provider.
pub struct Offer {
    /// The provider's name.
    pub name: String,
    /// Where the click goes.
    pub link: String,
    /// What the browser keeps meanwhile.
    pub cookie: HeaderValue,
}

/// The provider, if there is one.
fn offer(relay: &Relay, asked: Asked) -> Option<Offer> {
    let oidc = relay.config.identity.oidc.as_ref()?;
    let random = || oauth::secret().map(|secret| secret.expose().clone());
    let (state, nonce, verifier) = (random()?, random()?, random()?);
    let link = format!("/oauth/provider?state={state}");
    let pending = Pending { asked, state, nonce, verifier, expires: relay.now() + PATIENCE };
    let sealed = seal(&relay.sealing_key, &pending)?;
    let cookie = cookie(&sealed, 600)?;
    if cookie.len() > LARGEST_COOKIE {
        tracing::warn!("a login's request is too large to be kept by a browser");
        return None;
    }
    Some(Offer { name: oidc.name.clone(), link, cookie })
}

fn cookie(value: &str, seconds: u32) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}")).ok()
}

/// The way to the provider.
#[derive(Deserialize)]
pub struct Begin {
    #[serde(default)]
    state: String,
}

/// The click: sends the browser to the provider.
pub async fn begin(State(relay): State<Arc<Relay>>, headers: HeaderMap, Query(begin): Query<Begin>) -> Response {
    let Some((pending, oidc, issuer)) = resume(&relay, &headers, &begin.state) else {
        return web::failure(StatusCode::BAD_REQUEST, EXPIRED);
    };
    let way = match issuer.document().await {
        Ok(document) => to_provider(&relay, oidc, &document, &pending),
        Err(why) => Err(why.to_string()),
    };
    match way {
        Ok(to) => (StatusCode::SEE_OTHER, [(header::LOCATION, to), (header::CACHE_CONTROL, "no-store".into())])
            .into_response(),
        Err(why) => {
            refused(&relay, "login.refused", issuer.url(), &why, json!({})).await;
            let problem = format!("{} cannot be reached: tell the relay's administrator", oidc.name);
            web::failure(StatusCode::BAD_GATEWAY, &problem)
        }
    }
}

fn to_provider(relay: &Relay, oidc: &Oidc, document: &Document, pending: &Pending) -> Result<String, String> {
    let endpoint = document.authorization_endpoint.as_deref().ok_or("it has no authorization endpoint")?;
    if !config::is_reachable(endpoint, oidc.issuer.http) {
        return Err("its authorization endpoint is not https".to_owned());
    }
    let mut url = Url::parse(endpoint).map_err(|_| "its authorization endpoint is no address")?;
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", &oidc.client_id),
        ("redirect_uri", &redirect_uri(relay)),
        ("scope", &oidc.scopes.join(" ")),
        ("state", &pending.state),
        ("nonce", &pending.nonce),
        ("code_challenge", &URL_SAFE_NO_PAD.encode(oauth::hash(&pending.verifier))),
        ("code_challenge_method", "S256"),
    ]);
    Ok(url.into())
}

/// The provider's answer (RFC 6749, 4.1.2; RFC 9207).
#[derive(Deserialize)]
pub struct Callback {
    #[serde(default)]
    state: String,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// The browser comes back.
pub async fn callback(
    State(relay): State<Arc<Relay>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Query(answer): Query<Callback>,
) -> Response {
    let Some((pending, oidc, issuer)) = resume(&relay, &headers, &answer.state) else {
        return web::failure(StatusCode::BAD_REQUEST, EXPIRED);
    };
    let mut response = match enter(&relay, oidc, issuer, &pending, &answer).await {
        Ok(user) => {
            let more = json!({ "user": user.name, "roles": user.roles, "issuer": issuer.url() });
            relay.audit("login.provider", &user.name, more).await;
            match &pending.asked {
                Asked::Client(request) => oauth::authorize::answer(&relay, request, &user).await,
                Asked::Device(code) => oauth::device::allow(&relay, code, &user, peer.address).await,
                Asked::Pages(to) => web::session::begin(&relay, &user, to).await,
            }
        }
        Err(why) => {
            refused(&relay, "login.refused", issuer.url(), &why.for_operator, why.about).await;
            match &pending.asked {
                Asked::Client(request) => oauth::authorize::decline(&relay, request, &why.for_user),
                Asked::Device(_) | Asked::Pages(_) => web::failure(StatusCode::FORBIDDEN, &why.for_user),
            }
        }
    };
    if let Some(forget) = cookie("", 0) {
        response.headers_mut().append(header::SET_COOKIE, forget);
    }
    response
}

/// Why nobody comes in.
struct Declined {
    for_user: String,
    for_operator: String,
    about: serde_json::Value,
}

impl Declined {
    fn new(for_user: &str, for_operator: impl ToString) -> Self {
        Self { for_user: for_user.to_owned(), for_operator: for_operator.to_string(), about: json!({}) }
    }

    fn unavailable(why: impl ToString) -> Self {
        Self::new("the provider cannot be asked: try again, or tell the relay's administrator", why)
    }
}

impl From<Refusal> for Declined {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::Unavailable(why) => Self::unavailable(why),
            why => Self::new("the provider's answer cannot be trusted: tell the relay's administrator", why),
        }
    }
}

async fn enter(
    relay: &Relay,
    oidc: &Oidc,
    issuer: &Issuer,
    pending: &Pending,
    answer: &Callback,
) -> Result<User, Declined> {
    let document = issuer.document().await?;
    let answered_by = answer.iss.as_deref();
    if answered_by.is_some_and(|iss| iss != issuer.url())
        || answered_by.is_none() && document.authorization_response_iss_parameter_supported
    {
        return Err(Declined::new(
            "the answer is not the provider's",
            "the answer's iss is not the provider's (RFC 9207)",
        ));
    }
    if let Some(error) = &answer.error {
        let said = format!("{} {}", visible(error), visible(answer.error_description.as_deref().unwrap_or_default()));
        let said = format!("{} says: {}", oidc.name, said.trim());
        return Err(Declined::new(&said, &said));
    }
    let code = answer.code.as_deref().ok_or_else(|| Declined::new("the provider gave no code", "no code"))?;
    let claims = claims(relay, oidc, issuer, &document, pending, code).await?;
    let services = relay.config.identity.workload.iter().flat_map(|workload| &workload.rules);
    let person = person::person(&claims, oidc, services.map(|rule| rule.service.as_str()));
    let Person { subject, name, roles } = person.map_err(|why: Unwelcome| {
        let about = json!({ "subject": claims.get("sub"), "name": claims.get(&oidc.name_claim) });
        Declined { for_user: why.to_string(), for_operator: why.to_string(), about }
    })?;
    let about = json!({ "subject": subject, "name": name });
    match relay.store.foreign_user(issuer.url(), &subject, &name, &roles).await {
        Ok(user) if user.disabled => {
            let for_operator = "the user is disabled".to_owned();
            Err(Declined { for_user: "you are kept out: ask the relay's administrator".into(), for_operator, about })
        }
        Ok(user) => Ok(user),
        Err(StoreError::Exists(_)) => {
            let for_user = format!("the name {name} is another user's here: ask the relay's administrator");
            Err(Declined { for_user, for_operator: "the name is another user's".to_owned(), about })
        }
        Err(error) => Err(Declined::new("the relay cannot use its database", error)),
    }
}

/// Redeems the code; what the provider says of the person.
async fn claims(
    relay: &Relay,
    oidc: &Oidc,
    issuer: &Issuer,
    document: &Document,
    pending: &Pending,
    code: &str,
) -> Result<Claims, Declined> {
    #[derive(Deserialize)]
    struct Tokens {
        id_token: String,
        access_token: Option<String>,
    }
    let endpoint =
        document.token_endpoint.as_deref().ok_or_else(|| Declined::unavailable("it has no token endpoint"))?;
    let secret = match &oidc.client_secret {
        CredentialSource::None => None,
        source => Some(
            credential::read(source)
                .await
                .map_err(|why| Declined::unavailable(format!("the client's secret: {why}")))?,
        ),
    };
    let redirect = redirect_uri(relay);
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &redirect),
        ("code_verifier", &pending.verifier),
    ];
    // RFC 6749, 2.3.1: in the header, which every server takes, unless this one says that it does not.
    let methods = &document.token_endpoint_auth_methods_supported;
    let basic = methods.is_empty() || methods.iter().any(|method| method == "client_secret_basic");
    if !basic || secret.is_none() {
        form.push(("client_id", &oidc.client_id));
    }
    if let (false, Some(secret)) = (basic, &secret) {
        form.push(("client_secret", secret.expose()));
    }
    let tokens: Tokens = issuer
        .fetch(endpoint, |client, url| {
            let request = client.post(url).form(&form);
            match &secret {
                Some(secret) if basic => request.basic_auth(encoded(&oidc.client_id), Some(encoded(secret.expose()))),
                _ => request,
            }
        })
        .await
        .map_err(|why| Declined::new("the provider does not accept its own answer: run `weir login` again", why))?;
    let expected = Expected {
        issuer: issuer.url(),
        audience: &oidc.client_id,
        nonce: Some(&pending.nonce),
        now: relay.now() / 1_000_000,
    };
    let mut claims = issuer.verify(&Unverified::parse(&tokens.id_token)?, expected).await?;
    if let (true, Some(endpoint), Some(token)) =
        (person::is_incomplete(&claims, oidc), &document.userinfo_endpoint, &tokens.access_token)
    {
        let more: Claims = issuer
            .fetch(endpoint, |client, url| client.get(url).bearer_auth(token))
            .await
            .map_err(Declined::unavailable)?;
        // Core 5.3.2: an answer about another must not be used.
        if more.get("sub") != claims.get("sub") {
            return Err(Declined::unavailable("userinfo is about another subject"));
        }
        for (name, value) in more {
            claims.entry(name).or_insert(value);
        }
    }
    Ok(claims)
}

/// RFC 6749, 2.3.1 and appendix B
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn redirect_uri(relay: &Relay) -> String {
    format!("{}/oauth/callback", relay.config.public_url)
}

/// The login of this state, when it was begun in this browser and is not over.
fn resume<'a>(relay: &'a Relay, headers: &HeaderMap, state: &str) -> Option<(Pending, &'a Oidc, &'a Issuer)> {
    let (oidc, issuer) = (relay.config.identity.oidc.as_ref()?, relay.foreign.provider.as_ref()?);
    let pending = open(&relay.sealing_key, web::cookie(headers, COOKIE)?)?;
    let same = bool::from(subtle::ConstantTimeEq::ct_eq(state.as_bytes(), pending.state.as_bytes()));
    (same && pending.expires > relay.now()).then_some((pending, oidc, issuer))
}

fn cipher(key: &Secret<[u8; 32]>) -> Option<LessSafeKey> {
    let key = Secret::new(blake3::derive_key("weir 2026-11-26 logins at a provider", key.expose()));
    UnboundKey::new(&AES_256_GCM, key.expose()).ok().map(LessSafeKey::new)
}

fn seal(key: &Secret<[u8; 32]>, pending: &Pending) -> Option<String> {
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).ok()?;
    let mut sealed = serde_json::to_vec(pending).ok()?;
    let (cipher, unique) = (cipher(key)?, Nonce::assume_unique_for_key(nonce));
    cipher.seal_in_place_append_tag(unique, Aad::from(COOKIE), &mut sealed).ok()?;
    Some(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
}

fn open(key: &Secret<[u8; 32]>, cookie: &str) -> Option<Pending> {
    let bytes = URL_SAFE_NO_PAD.decode(cookie).ok()?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
    let mut sealed = sealed.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let plain = cipher(key)?.open_in_place(nonce, Aad::from(COOKIE), &mut sealed).ok()?;
    serde_json::from_slice(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_the_relays_own_or_nobodys() {
        let pending = Pending {
            asked: Asked::Device("BCDF".into()),
            state: "s".into(),
            nonce: "n".into(),
            verifier: "planted-verifier".into(),
            expires: 7,
        };
        let (key, other) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let cookie = seal(&key, &pending).unwrap();
        assert!(!cookie.contains("planted"));
        assert_eq!(open(&key, &cookie).unwrap().verifier, "planted-verifier");
        assert!(open(&other, &cookie).is_none());
        let mut changed = URL_SAFE_NO_PAD.decode(&cookie).unwrap();
        *changed.last_mut().unwrap() ^= 1;
        assert!(open(&key, &URL_SAFE_NO_PAD.encode(changed)).is_none());
        assert!(["", "x", "AAAA"].iter().all(|cookie| open(&key, cookie).is_none()));
    }
}
