//! How a login comes to be: authorization code with PKCE over a loopback redirect (RFC 6749, 7636, 8252, 9207), then
//! refreshed for each process's own key. A workload's begins in [`crate::ci`].

use crate::{
    api,
    identity::{Asked, parent::supervisor_above},
    keystore::Login,
    ui,
};
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, CsrfToken, HttpRequest, HttpResponse, PkceCodeChallenge, RedirectUrl,
    RefreshToken, TokenResponse as _, TokenUrl, basic::BasicClient, url::ParseError,
};
use serde::{Deserialize, de::DeserializeOwned};
use std::time::Duration;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
};
use weir_shared::{
    api::Claims,
    error::{Kind, UserFacing},
    hop::Budget,
    id::AgentId,
};
use zeroize::Zeroizing;

pub(crate) const CLIENT: &str = "weir-cli";
/// A hop statement, as a `subject_token_type` (RFC 8693, 3).
pub(crate) const HOP: &str = "urn:weir:params:oauth:token-type:hop";
/// A ticket.
pub(crate) const TICKET: &str = "urn:weir:params:oauth:token-type:ticket";
const PATIENCE: Duration = Duration::from_secs(300);

const DONE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>weir</title>\
<p>You are logged in. You can close this page.</p></html>";
const FAILED: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>weir</title>\
<p>The login failed. The terminal says why.</p></html>";

pub(crate) fn url_error(error: ParseError) -> UserFacing {
    let hint = "give it as https://host:port";
    UserFacing::new(Kind::Usage, format!("the relay's URL is not a URL: {error}"), hint)
}

/// Logs in at the relay; the refresh token.
pub(crate) async fn log_in(client: &reqwest::Client, relay: &str) -> Result<Zeroizing<String>, UserFacing> {
    let listener =
        TcpListener::bind("127.0.0.1:0").await.map_err(|error| ui::system("no port for the answer", &error))?;
    let port = listener.local_addr().map_err(|error| ui::system("no port for the answer", &error))?.port();
    let redirect = RedirectUrl::new(format!("http://127.0.0.1:{port}/callback")).map_err(url_error)?;
    let oauth = BasicClient::new(ClientId::new(CLIENT.to_owned()))
        .set_auth_uri(AuthUrl::new(format!("{relay}/oauth/authorize")).map_err(url_error)?)
        .set_token_uri(TokenUrl::new(format!("{relay}/oauth/token")).map_err(url_error)?)
        .set_auth_type(oauth2::AuthType::RequestBody)
        .set_redirect_uri(redirect);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state) = oauth.authorize_url(CsrfToken::new_random).set_pkce_challenge(challenge).url();
    ui::tell(&format!("To log in, open:\n  {url}"));
    if webbrowser::open(url.as_str()).is_err() {
        ui::tell("No browser could be opened: open the address above by hand, or log in with --no-browser.");
    }
    let wait = ui::spinner("waiting for the login in the browser");
    let answer = tokio::select! {
        answer = tokio::time::timeout(PATIENCE, answer(&listener, &state, relay)) => answer,
        _ = tokio::signal::ctrl_c() => {
            wait.finish_and_clear();
            return Err(UserFacing::new(Kind::Unauthenticated, "the login was interrupted", "run `weir login` again"));
        }
    };
    wait.finish_and_clear();
    let code = answer.map_err(|_| {
        UserFacing::new(Kind::Unauthenticated, "nobody logged in within five minutes", "run `weir login` again")
    })??;
    let http = |request| send(client, request);
    let claims = Claims { supervisor: supervisor_above(), ..Claims::default() };
    let tokens = oauth
        .exchange_code(AuthorizationCode::new(code))
        .add_extra_param("evidence", json(&claims))
        .set_pkce_verifier(verifier)
        .request_async(&http)
        .await
        .map_err(|error| refused(relay, error))?;
    refresh_token(&tokens)
}

/// Waits for the browser to come back.
async fn answer(listener: &TcpListener, state: &CsrfToken, relay: &str) -> Result<String, UserFacing> {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        let mut line = String::new();
        let (read, mut write) = stream.split();
        let mut reader = BufReader::new(tokio::io::AsyncReadExt::take(read, 8192));
        if reader.read_line(&mut line).await.is_err() {
            continue;
        }
        let Some(path) = line.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()) else { continue };
        let Ok(url) = url::Url::parse(&format!("http://127.0.0.1{path}")) else { continue };
        if url.path() != "/callback" {
            let _ = write.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            continue;
        }
        let get = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let good = get("state").as_deref() == Some(state.secret()) && get("iss").as_deref() == Some(relay);
        let code = get("code").filter(|_| good);
        let page = if code.is_some() { DONE } else { FAILED };
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncache-control: no-store\r\n\
                    content-security-policy: default-src 'none'\r\nconnection: close\r\n";
        let _ = write.write_all(format!("{head}content-length: {}\r\n\r\n{page}", page.len()).as_bytes()).await;
        let _ = write.shutdown().await;
        if let (true, Some(why)) = (good, get("error_description").or_else(|| get("error"))) {
            let hint = "if you should be let in, ask the relay's administrator";
            let why = format!("the login was refused: {}", ui::visible(&why));
            return Err(UserFacing::new(Kind::Unauthenticated, why, hint));
        }
        return code.ok_or_else(|| {
            let hint = "run `weir login` again; if it happens again, something else answered the browser";
            UserFacing::new(Kind::Unauthenticated, "the answer from the browser is not this login's", hint)
        });
    }
}

/// Uses the stored login for the client's key; the refresh token that follows.
pub(crate) async fn refresh(
    client: &reqwest::Client,
    login: &Login,
    asked: &Asked,
    claims: &Claims,
) -> Result<Zeroizing<String>, UserFacing> {
    let oauth = BasicClient::new(ClientId::new(CLIENT.to_owned()))
        .set_token_uri(TokenUrl::new(format!("{}/oauth/token", login.relay)).map_err(url_error)?)
        .set_auth_type(oauth2::AuthType::RequestBody);
    let http = |request| send(client, request);
    let token = RefreshToken::new(login.refresh.to_string());
    let mut request = oauth.exchange_refresh_token(&token).add_extra_param("evidence", json(claims));
    if !asked.scope.is_whole() {
        request = request.add_extra_param("authorization_details", json(&asked.scope));
    }
    if let Some(ttl) = asked.ttl {
        request = request.add_extra_param("ttl", ttl.as_secs().to_string());
    }
    if let Some(hops) = asked.hops {
        request = request.add_extra_param("max_depth", hops.to_string());
    }
    if asked.budget != Budget::default() {
        request = request.add_extra_param("budget", json(&asked.budget));
    }
    let tokens = request.request_async(&http).await.map_err(|error| refused(&login.relay, error))?;
    refresh_token(&tokens)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A child that the relay made, or renewed.
#[derive(Debug, Deserialize)]
pub(crate) struct Child {
    pub(crate) agent: AgentId,
    /// Seconds that the child lives; its token is renewed more often.
    #[serde(rename = "agent_expires_in")]
    pub(crate) expires_in: i64,
    /// What was asked for beyond the parent's right.
    #[serde(default)]
    pub(crate) beyond: Vec<String>,
    /// Its hop statement, where it was the relay that kept it.
    #[serde(default)]
    pub(crate) hop: String,
}

impl Child {
    /// Says what has no effect, unless a human is asked for it.
    pub(crate) fn warn(&self, escalates: bool) {
        if !self.beyond.is_empty() && !escalates {
            let beyond = self.beyond.join(", ");
            ui::tell(&format!("warning: the one above has no right to {beyond}: asking for it has no effect"));
        }
    }
}

/// Asks the token endpoint (RFC 6749, 5); its answer, or why it refuses.
pub(crate) async fn ask<T: DeserializeOwned>(
    client: &reqwest::Client,
    relay: &str,
    form: &[(&str, &str)],
) -> Result<Result<T, String>, UserFacing> {
    #[derive(Deserialize)]
    struct Refused {
        error_description: String,
    }
    let sent = client.post(format!("{relay}/oauth/token")).form(form).send().await;
    let response = sent.map_err(|error| api::unreachable(relay, &error))?;
    let strange = |_| {
        UserFacing::new(Kind::Incompatible, format!("{relay} does not answer as a weir relay does"), "check its URL")
    };
    if response.status().is_success() {
        return response.json().await.map(Ok).map_err(strange);
    }
    response.json().await.map(|refused: Refused| Err(refused.error_description)).map_err(strange)
}

/// Presents a hop statement or a ticket for the client's key (RFC 8693).
pub(crate) async fn exchange(
    client: &reqwest::Client,
    relay: &str,
    kind: &str,
    token: &str,
    claims: &Claims,
) -> Result<Child, UserFacing> {
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("client_id", CLIENT),
        ("subject_token_type", kind),
        ("subject_token", token),
        ("evidence", &json(claims)),
    ];
    ask(client, relay, &form).await?.map_err(|why| {
        let message = format!("the relay refused the delegation: {why}");
        UserFacing::new(Kind::Denied, message, "the relay's audit log says more")
    })
}

pub(crate) fn refresh_token(tokens: &oauth2::basic::BasicTokenResponse) -> Result<Zeroizing<String>, UserFacing> {
    let missing = || UserFacing::new(Kind::Incompatible, "the relay gave no refresh token", "is this a weir relay?");
    tokens.refresh_token().map(|token| Zeroizing::new(token.secret().clone())).ok_or_else(missing)
}

type TokenError = oauth2::basic::BasicRequestTokenError<SendError>;

fn refused(relay: &str, error: TokenError) -> UserFacing {
    match error {
        oauth2::RequestTokenError::Request(SendError(error)) => api::unreachable(relay, &*error),
        oauth2::RequestTokenError::ServerResponse(response) => {
            let why = response.error_description().cloned().unwrap_or_else(|| response.error().to_string());
            UserFacing::new(Kind::Unauthenticated, format!("the relay refused the login: {why}"), "run `weir login`")
        }
        _ => UserFacing::new(
            Kind::Incompatible,
            format!("{relay} does not answer as a weir relay does"),
            "check its URL",
        ),
    }
}

/// What an HTTP request for `oauth2` failed with.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct SendError(pub(crate) Box<dyn std::error::Error + Send + Sync>);

/// `oauth2`'s requests over the client that shows the session's key.
pub(crate) async fn send(client: &reqwest::Client, request: HttpRequest) -> Result<HttpResponse, SendError> {
    let failed = |error: reqwest::Error| SendError(Box::new(error));
    let request = reqwest::Request::try_from(request).map_err(failed)?;
    let response = client.execute(request).await.map_err(failed)?;
    let mut answer = http::Response::builder().status(response.status());
    for (name, value) in response.headers() {
        answer = answer.header(name, value);
    }
    let body = response.bytes().await.map_err(failed)?;
    answer.body(body.to_vec()).map_err(|error| SendError(Box::new(error)))
}

/// Ends the login at the relay.
pub(crate) async fn revoke(client: &reqwest::Client, login: &Login) -> Result<(), UserFacing> {
    let sent = client
        .post(format!("{}/oauth/revoke", login.relay))
        .form(&[("token", login.refresh.as_str()), ("client_id", CLIENT)])
        .send()
        .await;
    sent.map(drop).map_err(|error| api::unreachable(&login.relay, &error))
}
