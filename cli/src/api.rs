//! The relay's HTTPS API, and the session that every command begins with: an ephemeral key, bound by the stored login, by
//! the supervisor above, or by a ticket.

use crate::{
    identity::{self, Asked, parent::Parent},
    keystore::Login,
    login_flow,
    settings::Settings,
    trust, ui,
};
use http::{HeaderValue, Method, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use weir_shared::{
    api::{BASE, Claims, Flaw, Problem, WhoAmI},
    error::{Kind, UserFacing},
    id::AgentId,
    keys::SessionKey,
};

/// An authenticated process.
pub(crate) struct Session {
    pub(crate) login: Login,
    pub(crate) key: Arc<SessionKey>,
    pub(crate) standing: Standing,
    client: reqwest::Client,
    who: OnceCell<WhoAmI>,
    /// Seconds since 1970; none before the relay was asked.
    expires_at: AtomicI64,
}

/// Where in the chain a session stands.
#[derive(Default)]
pub(crate) struct Standing {
    /// What its children's hop statements refer to; empty for a root, whose agent id stands for it.
    pub(crate) previous: String,
    /// The supervisor that it lives by.
    pub(crate) parent: Option<Arc<Parent>>,
    /// What its scope names and the ones above do not have: `RESOURCE:ACTION` each.
    pub(crate) beyond: Vec<String>,
}

/// A call that is more than a path, or a body of JSON.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    /// What must be so for it to be done.
    pub(crate) condition: Option<Condition<'a>>,
    /// Its body, and the body's media type.
    pub(crate) text: Option<(&'static str, String)>,
}

/// RFC 9110, 13.1
pub(crate) enum Condition<'a> {
    /// Nothing is there yet.
    Absent,
    /// What is there has this tag.
    Tagged(&'a str),
}

/// What a [`Call`] was answered with.
pub(crate) struct Answer {
    /// The tag of what is there now, without its quotes.
    pub(crate) tag: Option<String>,
    body: bytes::Bytes,
}

/// Why a call was refused.
pub(crate) struct Refused {
    /// None when the relay could not be asked.
    pub(crate) status: Option<StatusCode>,
    pub(crate) error: UserFacing,
    /// Where what was sent is wrong.
    pub(crate) flaws: Vec<Flaw>,
}

impl From<UserFacing> for Refused {
    fn from(error: UserFacing) -> Self {
        Self { status: None, error, flaws: Vec::new() }
    }
}

impl From<Refused> for UserFacing {
    fn from(refused: Refused) -> Self {
        refused.error
    }
}

impl Answer {
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, UserFacing> {
        serde_json::from_slice(&self.body).map_err(|_| unreadable())
    }
}

impl Session {
    /// Opens the session of a command that does one thing and ends.
    pub(crate) async fn open(settings: &Settings) -> Result<Arc<Self>, UserFacing> {
        let claims = identity::claims("weir");
        identity::open(settings, &Asked { claims, hops: Some(0), ..Asked::default() }).await
    }

    pub(crate) fn new(login: Login, key: Arc<SessionKey>, client: reqwest::Client, standing: Standing) -> Self {
        Self { login, key, standing, client, who: OnceCell::new(), expires_at: AtomicI64::new(i64::MAX) }
    }

    /// Whom the relay takes it for; asked once.
    pub(crate) async fn who(&self) -> Result<&WhoAmI, UserFacing> {
        let ask = async {
            let who: WhoAmI = self.get("/whoami").await?;
            self.expires_at.store(who.expires_at, Ordering::Relaxed);
            Ok(who)
        };
        self.who.get_or_try_init(|| ask).await
    }

    /// When it ends unless it is renewed, seconds since 1970.
    pub(crate) fn expires_at(&self) -> i64 {
        self.expires_at.load(Ordering::Relaxed)
    }

    /// Lives on by its supervisor, to whose end `over` is cancelled. One that has none only says now and then that it lives.
    pub(crate) async fn live_on(self: Arc<Self>, over: CancellationToken) {
        let Some(parent) = &self.standing.parent else {
            // The relay ends agents of which it hears nothing.
            loop {
                tokio::time::sleep(Duration::from_secs(300)).await;
                let _ = self.get::<WhoAmI>("/whoami").await;
            }
        };
        let watched = Arc::clone(parent).watch(over.clone());
        // When it ends is known once the relay has been asked.
        if self.who().await.is_err() {
            return over.cancel();
        }
        let renewed = async {
            loop {
                let left = self.expires_at().saturating_sub(jiff::Timestamp::now().as_second());
                let Ok(left) = u64::try_from(left) else { return over.cancel() };
                tokio::time::sleep(Duration::from_millis(left.min(3600) * 600).max(Duration::from_secs(1))).await;
                let Ok(hop) = parent.renew().await else { continue };
                let none = Claims::default();
                let (relay, kind) = (&self.login.relay, login_flow::HOP);
                if let Ok(child) = login_flow::exchange(&self.client, relay, kind, &hop, &none).await {
                    let until = jiff::Timestamp::now().as_second().saturating_add(child.expires_in);
                    self.expires_at.store(until, Ordering::Relaxed);
                }
            }
        };
        tokio::select! {
            () = watched => {}
            () = renewed => {}
        }
    }

    /// Ends it, and all below it. The relay forgets it anyway, later.
    pub(crate) async fn end(&self) {
        let end = self.post::<Vec<AgentId>>("/agents/self/end", &());
        let _ = tokio::time::timeout(Duration::from_secs(3), end).await;
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, UserFacing> {
        let request = self.client.get(format!("{}{BASE}{path}", self.login.relay));
        decode(&self.login.relay, request.send().await).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, UserFacing> {
        let request = self.client.post(format!("{}{BASE}{path}", self.login.relay)).json(body);
        decode(&self.login.relay, request.send().await).await
    }

    /// Any other call.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Answer, Refused> {
        let relay = &self.login.relay;
        let mut request = self.client.request(call.method, format!("{relay}{BASE}{}", call.path));
        request = match call.condition {
            Some(Condition::Absent) => request.header(header::IF_NONE_MATCH, "*"),
            Some(Condition::Tagged(tag)) => request.header(header::IF_MATCH, format!("\"{tag}\"")),
            None => request,
        };
        if let Some((kind, text)) = call.text {
            request = request.header(header::CONTENT_TYPE, kind).body(text);
        }
        let response = accepted(relay, request.send().await).await?;
        let tag = response.headers().get(header::ETAG).and_then(tag_of);
        let body = response.bytes().await.map_err(|error| unreachable(relay, &error))?;
        Ok(Answer { tag, body })
    }

    /// An answer that comes in lines.
    pub(crate) async fn lines(
        &self,
        path: &str,
        mut each: impl AsyncFnMut(&str) -> Result<(), UserFacing>,
    ) -> Result<(), UserFacing> {
        let broken = |_| {
            let hint = "the recording may have been changed: tell the relay's administrator";
            UserFacing::new(Kind::System, "the recording broke off", hint)
        };
        let sent = self.client.get(format!("{}{BASE}{path}", self.login.relay)).send().await;
        // A stream that is reset right at its beginning loses its head as well: HTTP/2 sends nothing after a reset.
        let sent = match sent {
            Err(error) if !error.is_connect() && !error.is_timeout() => return Err(broken(error)),
            sent => sent,
        };
        let mut response = accepted(&self.login.relay, sent).await?;
        let mut buffer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            buffer.extend_from_slice(&chunk);
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                each(String::from_utf8_lossy(&line).trim_end()).await?;
            }
        }
        Ok(())
    }
}

/// An HTTP client that shows `key`.
pub(crate) fn client(login: &Login, key: &SessionKey) -> Result<reqwest::Client, UserFacing> {
    let tls = trust::client_config(login, key, &[b"h2", b"http/1.1"])?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(format!("weir/{} ({})", env!("CARGO_PKG_VERSION"), std::env::consts::OS))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(600))
        .build()
        .map_err(|error| ui::system("no HTTP client", &error))
}

/// The error of a call that did not get through.
pub(crate) fn unreachable(relay: &str, error: &dyn std::error::Error) -> UserFacing {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    trust::untrusted(relay, &text).unwrap_or_else(|| {
        let hint = "is the relay running, and is its URL right?";
        UserFacing::new(Kind::Unreachable, format!("{relay} cannot be reached: {text}"), hint)
    })
}

async fn accepted(relay: &str, sent: Result<reqwest::Response, reqwest::Error>) -> Result<reqwest::Response, Refused> {
    let response = sent.map_err(|error| unreachable(relay, &error))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    match response.json::<Problem>().await {
        Ok(mut problem) => {
            let flaws = std::mem::take(&mut problem.problems);
            Err(Refused { status: Some(status), error: problem.into(), flaws })
        }
        Err(_) => {
            let (message, hint) = (format!("{relay} answered {status}"), "is this a weir relay?");
            Err(UserFacing::new(Kind::Unreachable, message, hint).into())
        }
    }
}

async fn decode<T: DeserializeOwned>(
    relay: &str,
    sent: Result<reqwest::Response, reqwest::Error>,
) -> Result<T, UserFacing> {
    let response = accepted(relay, sent).await?;
    response.json().await.map_err(|_| unreadable())
}

fn unreadable() -> UserFacing {
    UserFacing::new(Kind::Incompatible, "the relay's answer cannot be read", "upgrade weir, or the relay")
}

/// What stands in the quotes of a strong tag.
fn tag_of(value: &HeaderValue) -> Option<String> {
    Some(value.to_str().ok()?.strip_prefix('"')?.strip_suffix('"')?.to_owned())
}

/// A text as a part of a path or of a query (RFC 3986, 2.1).
pub(crate) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
