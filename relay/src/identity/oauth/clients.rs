//! Who asks: clients of the configuration, and weir itself (RFC 6749, 2.3; RFC 7523; RFC 8252).

use super::{hash, rates::What, refuse, refuse_with};
use crate::relay::Relay;
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::Path,
    sync::{Arc, LazyLock},
};
use weir_shared::config::checked::{Client, ClientAuth, GrantType, Scope};
use zeroize::Zeroizing;

/// weir itself: public, so it proves nothing by its name.
pub const OWN: &str = "weir-cli";

/// How clients may prove who they are (RFC 8414).
pub const METHODS: [&str; 4] = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];
/// What assertions may be signed with.
pub const ALGORITHMS: [(Algorithm, &str); 4] = [
    (Algorithm::ES256, "ES256"),
    (Algorithm::EdDSA, "EdDSA"),
    (Algorithm::PS256, "PS256"),
    (Algorithm::RS256, "RS256"),
];
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// An assertion may be good for so long, seconds: its id is remembered until then.
const LONGEST: i64 = 600;

static WEIR: LazyLock<Arc<Client>> = LazyLock::new(|| {
    Arc::new(Client {
        id: OWN.to_owned(),
        redirect_uris: vec!["http://127.0.0.1/callback".to_owned(), "http://[::1]/callback".to_owned()],
        grants: GrantType::ALL.into(),
        auth: ClientAuth::None,
        scopes: Scope::ALL.into(),
        introspect: false,
    })
});

/// The client of this id.
#[must_use]
pub fn find(clients: &BTreeMap<String, Arc<Client>>, id: &str) -> Option<Arc<Client>> {
    if id == OWN { Some(Arc::clone(&WEIR)) } else { clients.get(id).cloned() }
}

/// True when codes may be sent there: it is one of the client's addresses, character by character; of a loopback address the
/// port is the client's to choose (RFC 8252, 7.3).
#[must_use]
pub fn redirects(client: &Client, uri: &str) -> bool {
    client.redirect_uris.iter().any(|own| own == uri || portless(own).is_some_and(|own| portless(uri) == Some(own)))
}

/// A loopback address in two parts, the port between them left out.
fn portless(uri: &str) -> Option<(&str, &str)> {
    ["http://127.0.0.1", "http://[::1]"].into_iter().find_map(|host| {
        let rest = uri.strip_prefix(host)?;
        let path = rest.find('/').unwrap_or(rest.len());
        let (port, path) = rest.split_at_checked(path)?;
        let good = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        good.then_some((host, path))
    })
}

/// What a request's body says about its client.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Credentials {
    client_id: String,
    client_secret: Zeroizing<String>,
    client_assertion: Zeroizing<String>,
    client_assertion_type: String,
}

/// The client of a request, which has proven who it is; a public one is taken by its word.
///
/// # Errors
/// The refusal: `invalid_client`.
pub async fn authenticate(
    relay: &Relay,
    headers: &HeaderMap,
    body: Credentials,
    address: IpAddr,
) -> Result<Arc<Client>, Response> {
    let basic = match headers.get(header::AUTHORIZATION) {
        Some(value) => match basic(value) {
            Some(basic) => Some(basic),
            None => return Err(wrong(relay, address, true)),
        },
        None => None,
    };
    let in_header = basic.is_some();
    let (mut id, mut secret) = (body.client_id, body.client_secret);
    if let Some((name, password)) = basic {
        // One way only (RFC 6749, 2.3), and one name.
        if !secret.is_empty() || !body.client_assertion.is_empty() || !(id.is_empty() || id == name) {
            return Err(refuse("invalid_request", "the client authenticates in several ways"));
        }
        (id, secret) = (name, password);
    }
    let assertion = (!body.client_assertion.is_empty()).then_some(body.client_assertion);
    if let (Some(assertion), true) = (&assertion, id.is_empty()) {
        id = claimed(assertion).unwrap_or_default();
    }
    let Some(client) = find(&relay.config.clients, &id) else { return Err(wrong(relay, address, in_header)) };
    let right = match (&client.auth, assertion) {
        (ClientAuth::None, None) => secret.is_empty(),
        (ClientAuth::Secret(file), None) => secret_fits(file, &secret).await,
        (ClientAuth::Keys(file), Some(assertion)) => {
            secret.is_empty()
                && body.client_assertion_type == ASSERTION
                && assertion_fits(relay, &client.id, file, &assertion).await
        }
        _ => false,
    };
    if right { Ok(client) } else { Err(wrong(relay, address, in_header)) }
}

/// RFC 6749, 5.2: 401, and the scheme that was used.
fn wrong(relay: &Relay, address: IpAddr, in_header: bool) -> Response {
    if let Err(wait) = relay.oauth.rates.take(What::WrongClient, address) {
        return super::too_fast(wait);
    }
    let mut response =
        refuse_with(StatusCode::UNAUTHORIZED, "invalid_client", "the client is not known, or not proven");
    if in_header {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"weir\""));
    }
    response
}

/// Name and secret, each form-encoded before (RFC 6749, 2.3.1).
fn basic(value: &HeaderValue) -> Option<(String, Zeroizing<String>)> {
    let (scheme, text) = value.to_str().ok()?.split_once(' ')?;
    let decoded = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    let (name, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| (form_decoded(name), Zeroizing::new(form_decoded(secret))))
}

fn form_decoded(text: &str) -> String {
    let mut pairs = url::form_urlencoded::parse(text.as_bytes());
    pairs.next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

/// True when a client's file holds what clients can be known by.
#[must_use]
pub fn is_fit(auth: &ClientAuth, text: &[u8]) -> bool {
    match auth {
        ClientAuth::None => true,
        ClientAuth::Secret(_) => {
            let word = std::str::from_utf8(text).ok().and_then(|text| text.split_whitespace().next());
            word.is_some_and(|word| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
        }
        ClientAuth::Keys(_) => serde_json::from_slice::<JwkSet>(text)
            .is_ok_and(|set| set.keys.iter().all(|key| DecodingKey::from_jwk(key).is_ok())),
    }
}

/// The file is read each time: a new secret needs no restart.
async fn secret_fits(file: &Path, secret: &str) -> bool {
    let Ok(text) = fs_err::tokio::read_to_string(file).await.inspect_err(|error| tracing::error!(%error)) else {
        return false;
    };
    let digest = hash(secret).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let stored = text.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    !secret.is_empty() && bool::from(subtle::ConstantTimeEq::ct_eq(digest.as_bytes(), stored.as_bytes()))
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    jti: String,
    exp: i64,
}

/// Whose an assertion says it is; this only finds the key that it must be signed with.
fn claimed(assertion: &str) -> Option<String> {
    jsonwebtoken::dangerous::insecure_decode_claims::<Claims>(assertion).ok().map(|claims| claims.iss)
}

/// RFC 7523, 3: signed by one of the client's keys, for this relay, not for long, and once.
async fn assertion_fits(relay: &Relay, client: &str, file: &Path, assertion: &str) -> bool {
    let Ok(text) = fs_err::tokio::read(file).await.inspect_err(|error| tracing::error!(%error)) else { return false };
    let Ok(keys) = serde_json::from_slice::<JwkSet>(&text).inspect_err(|error| tracing::error!(client, %error)) else {
        return false;
    };
    let Ok(header) = jsonwebtoken::decode_header(assertion) else { return false };
    if header.crit.is_some() || !ALGORITHMS.iter().any(|(algorithm, _)| *algorithm == header.alg) {
        return false;
    }
    let issuer = &relay.config.public_url;
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[issuer.clone(), format!("{issuer}/oauth/token")]);
    validation.set_issuer(&[client]);
    validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
    let fits = |key: &&jsonwebtoken::jwk::Jwk| header.kid.is_none() || key.common.key_id == header.kid;
    let claims = keys.keys.iter().filter(fits).find_map(|key| {
        let key = DecodingKey::from_jwk(key).ok()?;
        jsonwebtoken::decode::<Claims>(assertion, &key, &validation).ok()
    });
    let Some(claims) = claims.map(|token| token.claims) else { return false };
    let now = relay.now();
    if claims.sub != client || claims.iss != client || claims.exp - now / 1_000_000 > LONGEST {
        return false;
    }
    let id = hash(&format!("assertion {client} {}", claims.jti));
    // Until a minute later: the clock's leeway.
    relay.store.spend(&id, now, (claims.exp + 60) * 1_000_000).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_to_registered_addresses_only() {
        for good in ["http://127.0.0.1:4711/callback", "http://[::1]:4711/callback", "http://127.0.0.1/callback"] {
            assert!(redirects(&WEIR, good), "{good}");
        }
        for bad in [
            "https://127.0.0.1:1/callback",
            "http://127.0.0.1:1/other",
            "http://127.0.0.1:1/callback/",
            "http://127.0.0.1:1/callback?x=1",
            "http://127.0.0.1:1/callback#x",
            "http://127.0.0.1:1@evil.example/callback",
            "http://127.0.0.1.evil.example:1/callback",
            "http://127.0.0.1:99999/callback",
            "http://localhost:1/callback",
            "",
        ] {
            assert!(!redirects(&WEIR, bad), "{bad}");
        }
        let other = Client { redirect_uris: vec!["https://a.example/cb".into()], ..(**WEIR).clone() };
        assert!(redirects(&other, "https://a.example/cb"));
        for bad in [
            "https://a.example:443/cb",
            "https://A.example/cb",
            "https://a.example/cb/",
            "https://a.example/cb?",
            "https://a.example/c%62",
        ] {
            assert!(!redirects(&other, bad), "{bad}");
        }
    }
}
