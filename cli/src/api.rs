//! The relay's HTTPS API, and the session that every command begins with: an ephemeral key, bound to the stored login.

use crate::{keystore, keystore::Login, login_flow, settings::Settings, trust, ui};
use serde::{Serialize, de::DeserializeOwned};
use std::{sync::Arc, time::Duration};
use weir_shared::{
    api::{BASE, Problem},
    error::{Kind, UserFacing},
    keys::SessionKey,
};

/// An authenticated process.
pub(crate) struct Session {
    pub(crate) login: Login,
    pub(crate) key: Arc<SessionKey>,
    client: reqwest::Client,
}

impl Session {
    /// Makes a key, binds it by the stored login.
    pub(crate) async fn open(settings: &Settings) -> Result<Self, UserFacing> {
        // Two processes that refresh at once would look like a stolen token.
        let _lock = settings.lock("login.lock")?;
        let mut login = keystore::load(settings)?;
        let key = Arc::new(SessionKey::generate().map_err(|error| ui::system("no key", &error))?);
        let client = client(&login, &key)?;
        let wait = ui::spinner("connecting to the relay");
        let refreshed = login_flow::refresh(&client, &login).await;
        wait.finish_and_clear();
        login.refresh = refreshed?;
        keystore::save(settings, &login)?;
        Ok(Self { login, key, client })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, UserFacing> {
        let request = self.client.get(format!("{}{BASE}{path}", self.login.relay));
        decode(&self.login.relay, request.send().await).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, UserFacing> {
        let request = self.client.post(format!("{}{BASE}{path}", self.login.relay)).json(body);
        decode(&self.login.relay, request.send().await).await
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

async fn accepted(
    relay: &str,
    sent: Result<reqwest::Response, reqwest::Error>,
) -> Result<reqwest::Response, UserFacing> {
    let response = sent.map_err(|error| unreachable(relay, &error))?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    match response.json::<Problem>().await {
        Ok(problem) => Err(problem.into()),
        Err(_) => {
            Err(UserFacing::new(Kind::Unreachable, format!("{relay} answered {status}"), "is this a weir relay?"))
        }
    }
}

async fn decode<T: DeserializeOwned>(
    relay: &str,
    sent: Result<reqwest::Response, reqwest::Error>,
) -> Result<T, UserFacing> {
    let response = accepted(relay, sent).await?;
    response.json().await.map_err(|_| {
        UserFacing::new(Kind::Incompatible, "the relay's answer cannot be read", "upgrade weir, or the relay")
    })
}
