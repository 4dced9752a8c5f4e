//! A server that stands in for Slack's Web API and for any webhook's receiver, since neither can be had here: it keeps what it
//! is told, and answers as a test wants. Plain HTTP on loopback. And the signatures with which both speak to the relay.

use crate::stand_in::serve_each;
use anyhow::{Result, bail};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// One request that it got.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its path.
    pub path: String,
    /// Its head; names in lower case.
    pub headers: HashMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Told {
    /// Its body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header; empty when there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }
}

#[derive(Default)]
struct State {
    told: Vec<Told>,
    answers: VecDeque<String>,
}

/// The server. It serves until the process ends.
#[derive(Clone)]
pub struct Receiver {
    url: String,
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Receiver").field(&self.url).finish()
    }
}

impl Receiver {
    /// Starts it.
    ///
    /// # Errors
    /// There is no port.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let own = Self { url: format!("http://{}", listener.local_addr()?), state: Arc::default() };
        let serving = own.clone();
        serve_each(listener, move |stream| serving.serve(stream));
        Ok(own)
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next requests are answered so: a status line, and header lines if any; after them everything is well.
    pub fn answers(&self, heads: &[&str]) {
        self.state().answers.extend(heads.iter().map(|head| (*head).to_owned()));
    }

    /// What came at this path so far.
    #[must_use]
    pub fn told(&self, path: &str) -> Vec<Told> {
        self.state().told.iter().filter(|told| told.path == path).cloned().collect()
    }

    /// Waits for a request at this path that `wanted` takes.
    ///
    /// # Errors
    /// None comes in time; the error holds those that came.
    pub async fn wait(&self, path: &str, wanted: impl Fn(&Told) -> bool) -> Result<Told> {
        let until = Instant::now() + PATIENCE;
        loop {
            let told = self.told(path);
            if let Some(found) = told.iter().find(|told| wanted(told)) {
                return Ok(found.clone());
            }
            if Instant::now() > until {
                let bodies: Vec<_> = told.iter().map(|told| String::from_utf8_lossy(&told.body)).collect();
                bail!("nothing of the kind came at {path}: {bodies:#?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn serve(&self, mut stream: TcpStream) {
        let Ok(reading) = stream.try_clone() else { return };
        let mut reader = BufReader::new(reading);
        let mut line = String::new();
        if reader.read_line(&mut line).is_err() {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut headers, mut header) = (HashMap::new(), String::new());
        while reader.read_line(&mut header).is_ok_and(|read| read > 2) {
            if let Some((name, value)) = header.split_once(':') {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
            header.clear();
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let (number, answer) = {
            let mut state = self.state();
            state.told.push(Told { path, headers, body });
            (state.told.len(), state.answers.pop_front())
        };
        if answer.as_deref() == Some(HANGS) {
            std::thread::sleep(Duration::from_secs(60));
            return;
        }
        let head = answer.unwrap_or_else(|| "200 OK".to_owned());
        // What Slack answers; a webhook's sender does not look.
        let body =
            json!({ "ok": head.starts_with("200"), "channel": CHANNEL, "ts": format!("1700000000.{number:06}") });
        let body = body.to_string();
        let head = format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
    }
}

/// An answer that does not come.
pub const HANGS: &str = "hangs";
/// The channel of the Slack that it stands in for.
pub const CHANNEL: &str = "C0123ABCD";

/// The `webhook-signature` of a message, computed apart from the relay.
///
/// # Errors
/// The secret is no Base64.
pub fn webhook_signature(secret: &str, id: &str, time: i64, body: &[u8]) -> Result<String> {
    let key = STANDARD.decode(secret.trim_start_matches("whsec_"))?;
    let content = [format!("{id}.{time}.").as_bytes(), body].concat();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &content);
    Ok(format!("v1,{}", STANDARD.encode(tag)))
}

/// The `X-Slack-Signature` of a request.
#[must_use]
pub fn slack_signature(secret: &str, time: i64, body: &[u8]) -> String {
    let content = [format!("v0:{time}:").as_bytes(), body].concat();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), &content);
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v0={digits}")
}
