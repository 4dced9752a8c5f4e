//! An issuer that stands in for any provider or platform, and whose answers a test can make wrong in any way. It signs with
//! ES256 and answers in plain HTTP on loopback.

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use reqwest::Url;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// Seconds since 1970.
#[must_use]
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

type Answer = Box<dyn Fn(&StandIn, &str) -> String + Send + Sync>;

struct Inner {
    url: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: Vec<(String, Arc<EncodingKey>, Jwk)>,
    made: usize,
    nonce: String,
    answer: Option<Arc<Answer>>,
    callback: String,
    fetched: usize,
}

/// An issuer of the test's own, standing in for any provider or platform.
#[derive(Clone)]
pub struct StandIn(Arc<Inner>);

impl std::fmt::Debug for StandIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StandIn").field(&self.0.url).finish()
    }
}

/// Serves each connection in a thread of its own, until the process ends.
pub(crate) fn serve_each(listener: TcpListener, serve: impl Fn(TcpStream) + Send + Sync + 'static) {
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(stream));
        }
    });
}

impl StandIn {
    /// Serves its documents until the process ends.
    ///
    /// # Errors
    /// There is no port.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let own = Self(Arc::new(Inner { url, state: Mutex::default() }));
        own.rotate()?;
        let serving = own.clone();
        serve_each(listener, move |stream| serving.serve(stream));
        Ok(own)
    }

    /// Its `iss`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// How often its keys were asked for.
    #[must_use]
    pub fn fetched(&self) -> usize {
        self.state().fetched
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new key; the old one is no longer published.
    ///
    /// # Errors
    /// None can be made.
    pub fn rotate(&self) -> Result<()> {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let private = EncodingKey::from_ec_der(&pair.serialize_der());
        let mut public = Jwk::from_encoding_key(&private, Algorithm::ES256)?;
        let mut state = self.state();
        state.made += 1;
        let kid = format!("key-{}", state.made);
        public.common.key_id = Some(kid.clone());
        state.keys = vec![(kid, Arc::new(private), public)];
        Ok(())
    }

    /// What its token endpoint gives as the ID token; the nonce is that of the last authorization request.
    pub fn answers(&self, answer: impl Fn(&Self, &str) -> String + Send + Sync + 'static) {
        self.state().answer = Some(Arc::new(Box::new(answer)));
    }

    /// What it adds to the callback's query.
    pub fn calls_back_with(&self, more: &str) {
        self.state().callback = more.to_owned();
    }

    /// A token of these claims, signed by the current key.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        let (kid, key, _) = self.state().keys.first().cloned().unwrap_or_else(|| unreachable!("one was made"));
        let head = Header { kid: Some(kid), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&head, claims, &key).unwrap_or_default()
    }

    /// The public key, as published.
    #[must_use]
    pub fn public_key(&self) -> Value {
        self.state().keys.first().map(|(_, _, public)| json!(public)).unwrap_or_default()
    }

    fn serve(&self, mut stream: TcpStream) {
        let Ok(reading) = stream.try_clone() else { return };
        let mut reader = BufReader::new(reading);
        let (mut line, mut length) = (String::new(), 0);
        if reader.read_line(&mut line).is_err() {
            return;
        }
        let mut header = String::new();
        while reader.read_line(&mut header).is_ok_and(|read| read > 2) {
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            header.clear();
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or_default();
        let Ok(asked) = Url::parse(&format!("{}{path}", self.url())) else { return };
        let answer = self.answer(&asked);
        let _ = stream.write_all(answer.as_bytes());
    }

    fn answer(&self, asked: &Url) -> String {
        let url = self.url();
        let query: HashMap<String, String> = asked.query_pairs().into_owned().collect();
        let of = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let body = match asked.path() {
            "/.well-known/openid-configuration" => json!({
                "issuer": url, "jwks_uri": format!("{url}/jwks"), "authorization_endpoint": format!("{url}/authorize"),
                "token_endpoint": format!("{url}/token"), "authorization_response_iss_parameter_supported": true,
            }),
            "/jwks" => {
                self.state().fetched += 1;
                json!({ "keys": [self.public_key()] })
            }
            "/authorize" => {
                self.state().nonce = of("nonce").to_owned();
                let more = self.state().callback.clone();
                let more = if more.is_empty() { format!("code=code&iss={url}") } else { more };
                let to = format!("{}?state={}&{more}", of("redirect_uri"), of("state"));
                return format!(
                    "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
            }
            "/token" => {
                let answer = self.state().answer.clone();
                let nonce = self.state().nonce.clone();
                let token = answer.map(|answer| answer(self, &nonce)).unwrap_or_default();
                json!({ "id_token": token, "access_token": "unused", "token_type": "Bearer" })
            }
            // As GitHub Actions gives a job its token.
            "/github" => {
                let answer = self.state().answer.clone();
                json!({ "value": answer.map(|answer| answer(self, of("audience"))).unwrap_or_default() })
            }
            _ => return "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
        };
        let body = body.to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
        format!("{head}content-length: {}\r\n\r\n{body}", body.len())
    }
}

/// A token whose signature is whatever is given: for heads that no library signs.
#[must_use]
pub fn unsigned(head: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |value: &[u8]| URL_SAFE_NO_PAD.encode(value);
    format!("{}.{}.{}", part(head.to_string().as_bytes()), part(claims.to_string().as_bytes()), part(signature))
}
