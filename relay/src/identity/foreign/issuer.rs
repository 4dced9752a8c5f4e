//! Somebody else who signs tokens: the discovery document (OpenID Connect Discovery 1.0, 4) and the keys that it points to.
//! Both are remembered for a while; a key that is not known is looked for once more, seldom. What is fetched is bounded in size
//! and time, comes over verified TLS, and follows no redirect. An issuer that cannot be asked vouches for nobody.

use super::token::{Claims, Expected, Refusal, Unverified};
use crate::outbound::{self, Answer};
use jsonwebtoken::jwk::Jwk;
use reqwest::RequestBuilder;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;
use weir_shared::{
    config::{self, checked},
    error::{Kind, UserFacing},
};

/// How long the discovery document is good.
const DOCUMENT: Duration = Duration::from_secs(3600);
/// How long keys are good: one that the issuer has withdrawn is used no longer than this.
const KEYS: Duration = Duration::from_secs(600);
/// How often an unknown key may have the keys fetched before their time.
const ROTATION: Duration = Duration::from_secs(30);
/// After a failure nothing is tried for this.
const PAUSE: Duration = Duration::from_secs(3);
/// The most keys.
const MOST_KEYS: usize = 100;

/// What the discovery document says.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::identity) struct Document {
    issuer: String,
    jwks_uri: String,
    pub(in crate::identity) authorization_endpoint: Option<String>,
    pub(in crate::identity) token_endpoint: Option<String>,
    pub(in crate::identity) userinfo_endpoint: Option<String>,
    #[serde(default)]
    pub(in crate::identity) token_endpoint_auth_methods_supported: Vec<String>,
    /// RFC 9207
    #[serde(default)]
    pub(in crate::identity) authorization_response_iss_parameter_supported: bool,
}

#[derive(Default)]
struct Known {
    document: Option<(Instant, Arc<Document>)>,
    keys: Option<(Instant, Arc<[Jwk]>)>,
    rotated: Option<Instant>,
    failed: Option<(Instant, String)>,
}

/// An issuer.
pub(in crate::identity) struct Issuer {
    url: String,
    http: bool,
    client: reqwest::Client,
    known: Mutex<Known>,
}

impl Issuer {
    pub(in crate::identity) fn new(config: &checked::Issuer) -> Result<Self, UserFacing> {
        let failed = |error: String| {
            let what = format!("the issuer {} cannot be used: {error}", config.url);
            UserFacing::new(Kind::Config, what, "correct its `ca`")
        };
        let client = outbound::client(config.ca.as_deref(), config.http).map_err(failed)?;
        Ok(Self { url: config.url.clone(), http: config.http, client, known: Mutex::default() })
    }

    pub(in crate::identity) fn url(&self) -> &str {
        &self.url
    }

    /// The claims of a token of this issuer's, when they are as expected.
    pub(in crate::identity) async fn verify(
        &self,
        token: &Unverified<'_>,
        expected: Expected<'_>,
    ) -> Result<Claims, Refusal> {
        let mut known = self.known.lock().await;
        let keys = self.keys(&mut known, false).await?;
        let keys = match token.key(&keys) {
            // The issuer has a new one, perhaps.
            Err(Refusal::UnknownKey) if known.rotated.is_none_or(|last| last.elapsed() > ROTATION) => {
                known.rotated = Some(Instant::now());
                self.keys(&mut known, true).await?
            }
            _ => keys,
        };
        drop(known);
        token.verify(token.key(&keys)?, expected)
    }

    /// The discovery document.
    pub(in crate::identity) async fn document(&self) -> Result<Arc<Document>, Refusal> {
        self.document_of(&mut *self.known.lock().await).await
    }

    async fn document_of(&self, known: &mut Known) -> Result<Arc<Document>, Refusal> {
        if let Some((since, document)) = &known.document
            && since.elapsed() < DOCUMENT
        {
            return Ok(Arc::clone(document));
        }
        let address = format!("{}/.well-known/openid-configuration", self.url.trim_end_matches('/'));
        let document: Document = self.guarded(known, &address).await?;
        // Discovery 4.3: a document of another issuer would lend this one its keys.
        if document.issuer != self.url {
            return Err(Refusal::Unavailable("its document is another issuer's".to_owned()));
        }
        let document = Arc::new(document);
        known.document = Some((Instant::now(), Arc::clone(&document)));
        Ok(document)
    }

    async fn keys(&self, known: &mut Known, anew: bool) -> Result<Arc<[Jwk]>, Refusal> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        if let Some((since, keys)) = &known.keys
            && since.elapsed() < KEYS
            && !anew
        {
            return Ok(Arc::clone(keys));
        }
        let document = self.document_of(known).await?;
        let set: Set = self.guarded(known, &document.jwks_uri).await?;
        // RFC 7517, 5: keys that are not understood are passed over.
        let keys = set.keys.into_iter().take(MOST_KEYS).filter_map(|key| serde_json::from_value(key).ok());
        let keys: Arc<[Jwk]> = keys.collect();
        known.keys = Some((Instant::now(), Arc::clone(&keys)));
        Ok(keys)
    }

    /// Fetches, unless it failed a moment ago: who waits for a dead issuer must not wait for one try after the other.
    async fn guarded<T: DeserializeOwned>(&self, known: &mut Known, address: &str) -> Result<T, Refusal> {
        if let Some((since, why)) = &known.failed
            && since.elapsed() < PAUSE
        {
            return Err(Refusal::Unavailable(why.clone()));
        }
        let fetched = self.fetch(address, |client, url| client.get(url)).await;
        known.failed = fetched.as_ref().err().map(|why| (Instant::now(), why.clone()));
        fetched.map_err(Refusal::Unavailable)
    }

    /// The JSON at an address that the issuer has named, from a request that `make` makes.
    pub(in crate::identity) async fn fetch<T: DeserializeOwned>(
        &self,
        address: &str,
        make: impl FnOnce(&reqwest::Client, &str) -> RequestBuilder,
    ) -> Result<T, String> {
        if !config::is_reachable(address, self.http) {
            return Err(format!("{} is neither https nor an allowed loopback address", shown(address)));
        }
        let Answer { status, body, .. } = outbound::answer(make(&self.client, address)).await?;
        if !status.is_success() {
            return Err(format!("{} answers {status}{}", shown(address), said(&body)));
        }
        serde_json::from_slice(&body).map_err(|_| format!("{} answers no such JSON", shown(address)))
    }
}

/// An error answer's own words (RFC 6749, 5.2).
fn said(body: &[u8]) -> String {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return String::new() };
    let word = |name: &str| body.get(name).and_then(Value::as_str).map(super::visible);
    word("error").map_or(String::new(), |error| format!(": {error} {}", word("error_description").unwrap_or_default()))
}

/// An address without what may be secret in it.
fn shown(address: &str) -> String {
    super::visible(address.split(['?', '#']).next().unwrap_or_default())
}
