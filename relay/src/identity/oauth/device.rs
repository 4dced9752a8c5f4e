//! Codes for machines without a browser (RFC 8628): the device asks, a person confirms its code on the page `/device`, the
//! device polls the token endpoint.

use super::{
    authorize::{Stranger, by_password},
    broken, clients,
    form::ByClient,
    hash, proof,
    rates::What,
    refuse, secret,
    token::given,
    too_fast,
};
use crate::{
    api::Peer,
    identity::{
        access::Access,
        foreign::people::{self, Asked},
    },
    relay::Relay,
    web::{self, device::DeviceForm},
};
use axum::{
    Extension, Form,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde::Deserialize;
use serde_json::json;
use std::{net::IpAddr, sync::Arc};
use weir_shared::config::checked::GrantType;
use weir_store::{devices::Device, users::User};

/// How long a person may take, and how often the device may ask, seconds.
const LIFETIME: i64 = 600;
const INTERVAL: i64 = 2;
/// RFC 8628, 6.1: no vowels, so no words; nothing that looks like something else. 20^8 is 34 bits.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;

/// A device authorization request.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct DeviceRequest {
    scope: String,
    authorization_details: String,
}

/// The device asks (RFC 8628, 3.1). A key that comes with the request is the only one that the code is good for.
pub async fn begin(State(relay): State<Arc<Relay>>, request: ByClient<DeviceRequest>) -> Response {
    let ByClient { client, peer, headers, form } = request;
    if !client.grants.contains(&GrantType::DeviceCode) {
        return refuse("unauthorized_client", "the client may not ask for this");
    }
    if let Err(wait) = relay.oauth.rates.take(What::Device, peer.address) {
        return too_fast(wait);
    }
    let proof = match proof::of(&relay, &headers, "/oauth/device_authorization", &peer) {
        Ok(proof) => proof,
        Err(flaw) => return proof::refused(&relay, flaw),
    };
    let access = match Access::of(client.scopes.iter().copied()).narrowed(&form.scope, &form.authorization_details) {
        Ok(access) => access,
        Err(beyond) => return refuse(beyond.code(), &beyond.to_string()),
    };
    let program = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = relay.now();
    let device = Device {
        client: client.id.clone(),
        access: access.stored(),
        bound: proof.map(|proof| proof.key),
        address: peer.address.to_string(),
        program: program.chars().take(80).collect(),
        created: now,
        expires: now + LIFETIME * 1_000_000,
        interval: INTERVAL * 1_000_000,
    };
    // Another code that waits may be the same, once in a blue moon.
    for _ in 0..3 {
        let (Some(code), Some(user_code)) = (secret(), user_code()) else { break };
        match relay.store.device_add(&hash(code.expose()), &hash(&user_code), &device).await {
            Ok(true) => {
                let (url, shown) = (&relay.config.public_url, shown(&user_code));
                return given(json!({
                    "device_code": code.expose(),
                    "user_code": shown,
                    "verification_uri": format!("{url}/device"),
                    "verification_uri_complete": format!("{url}/device?user_code={shown}"),
                    "expires_in": LIFETIME,
                    "interval": INTERVAL,
                }));
            }
            Ok(false) => {}
            Err(error) => return broken(&error),
        }
    }
    refuse("server_error", "no code can be made")
}

/// Random letters, each as likely as the others: bytes that would favour some are left out.
fn user_code() -> Option<String> {
    let mut code = String::with_capacity(LENGTH);
    while code.len() < LENGTH {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        let fair = bytes.iter().filter(|byte| **byte < 240).filter_map(|byte| LETTERS.get(usize::from(byte % 20)));
        code.extend(fair.take(LENGTH - code.len()).map(|letter| char::from(*letter)));
    }
    Some(code)
}

/// In two halves.
fn shown(code: &str) -> String {
    let (one, two) = code.split_at_checked(LENGTH / 2).unwrap_or((code, ""));
    format!("{one}-{two}")
}

/// As typed: in any case, with anything between the letters; none when it can be no code.
fn typed(text: &str) -> Option<String> {
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    (letters.len() == LENGTH && text.len() <= 64 && letters.bytes().all(|c| LETTERS.contains(&c))).then_some(letters)
}

/// What the page's address may say.
#[derive(Deserialize)]
pub struct Complete {
    #[serde(default)]
    user_code: String,
}

/// The page: asks for a code, or shows what waits under the one in the address.
pub async fn page(
    State(relay): State<Arc<Relay>>,
    Extension(peer): Extension<Peer>,
    Query(Complete { user_code }): Query<Complete>,
) -> Response {
    if user_code.is_empty() {
        return web::device::ask("");
    }
    match waiting(&relay, &user_code, peer.address).await {
        Ok((code, device)) => show(&relay, &code, &device, ""),
        Err(response) => response,
    }
}

/// The page comes back: with a code, or with a decision.
pub async fn decide(
    State(relay): State<Arc<Relay>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(form): Form<DeviceForm>,
) -> Response {
    let (typed, decision, user, password, csrf) = form.into_parts();
    if !web::csrf_fits(&headers, &csrf) {
        return web::failure(StatusCode::BAD_REQUEST, "the form has expired: go back, reload it and try again");
    }
    let (code, device) = match waiting(&relay, &typed, peer.address).await {
        Ok(waiting) => waiting,
        Err(response) => return response,
    };
    let (allow, user) = match decision.as_str() {
        "" => return show(&relay, &code, &device, ""),
        // Whoever has the code may say no: it takes nothing from anybody.
        "deny" => (false, None),
        "allow" => match by_password(&relay, &peer, &user, password).await {
            Ok(user) => (true, Some(user)),
            Err(Stranger::TooFast(response)) => return response,
            Err(Stranger::Wrong(why)) => return show(&relay, &code, &device, &why),
        },
        _ => return web::failure(StatusCode::BAD_REQUEST, "the form is not this page's"),
    };
    settle(&relay, &code, &device, user.as_ref(), allow, peer.address).await
}

/// Somebody for whom the provider vouches has come back from there: the click that led there allowed the code.
pub(in crate::identity) async fn allow(relay: &Relay, code: &str, user: &User, address: IpAddr) -> Response {
    match relay.store.device_waiting(&hash(code), relay.now()).await {
        Ok(Some(device)) => settle(relay, code, &device, Some(user), true, address).await,
        Ok(None) => web::device::ask("the code is not good any more: begin again"),
        Err(error) => broken(&error),
    }
}

async fn settle(
    relay: &Relay,
    code: &str,
    device: &Device,
    user: Option<&User>,
    allow: bool,
    address: IpAddr,
) -> Response {
    match relay.store.device_decide(&hash(code), user.map(|user| user.id), allow, relay.now()).await {
        Ok(true) => {}
        Ok(false) => return web::device::ask("the code is not good any more: begin again"),
        Err(error) => return broken(&error),
    }
    let body = json!({
        "client": device.client, "device": device.address, "by": address.to_string(), "allowed": allow,
    });
    relay.audit("device.decided", user.map_or("", |user| user.name.as_str()), body).await;
    web::device::done(allow)
}

/// What waits under a code that was typed; guessing is slow, for each and for all together.
async fn waiting(relay: &Relay, text: &str, address: IpAddr) -> Result<(String, Device), Response> {
    let rates = &relay.oauth.rates;
    if rates.take(What::UserCode, address).is_err() || rates.take(What::UserCodeOfAny, address).is_err() {
        tracing::warn!(%address, "too many user codes are tried");
        return Err(web::failure(StatusCode::TOO_MANY_REQUESTS, "too many codes were tried: try again in a minute"));
    }
    let unknown = || web::device::ask("no request waits under this code: is it typed right, and not ten minutes old?");
    let code = typed(text).ok_or_else(unknown)?;
    match relay.store.device_waiting(&hash(&code), relay.now()).await {
        Ok(Some(device)) => Ok((code, device)),
        Ok(None) => Err(unknown()),
        Err(error) => Err(broken(&error)),
    }
}

fn show(relay: &Relay, code: &str, device: &Device, problem: &str) -> Response {
    let Some(client) = clients::find(&relay.config.clients, &device.client) else {
        return web::device::ask("the client is not known any more");
    };
    let minutes = (relay.now() - device.created) / 60_000_000;
    web::device::confirm(
        &shown(code),
        &client,
        &Access::of_stored(&device.access),
        device,
        minutes,
        problem,
        people::ways(relay, Asked::Device(code.to_owned())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        let code = user_code().unwrap();
        assert_eq!(typed(&shown(&code)), Some(code.clone()));
        assert_eq!(typed(&shown(&code).to_lowercase().replace('-', " ")), Some(code.clone()));
        assert_ne!(user_code().unwrap(), code);
        for bad in ["", "BCDF", "BCDF-GHJA", "BCDF-GHJKL", "' OR 1=1", &"B".repeat(100)] {
            assert_eq!(typed(bad), None, "{bad}");
        }
    }
}
