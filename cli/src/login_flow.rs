//! How a login comes to be: authorization code with PKCE over a loopback redirect (RFC 6749, 7636, 8252, 9207), then
//! refreshed for each process's own key.

use crate::{api, keystore::Login, ui};
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, CsrfToken, HttpRequest, HttpResponse, PkceCodeChallenge, RedirectUrl,
    RefreshToken, TokenResponse as _, TokenUrl, basic::BasicClient, url::ParseError,
};
use std::time::Duration;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
};
use weir_shared::error::{Kind, UserFacing};
use zeroize::Zeroizing;

pub(crate) const CLIENT: &str = "weir-cli";
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
    let tokens = oauth
        .exchange_code(AuthorizationCode::new(code))
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
        return code.ok_or_else(|| {
            let hint = "run `weir login` again; if it happens again, something else answered the browser";
            UserFacing::new(Kind::Unauthenticated, "the answer from the browser is not this login's", hint)
        });
    }
}

/// Uses the stored login for the client's key; the refresh token that follows.
pub(crate) async fn refresh(client: &reqwest::Client, login: &Login) -> Result<Zeroizing<String>, UserFacing> {
    let oauth = BasicClient::new(ClientId::new(CLIENT.to_owned()))
        .set_token_uri(TokenUrl::new(format!("{}/oauth/token", login.relay)).map_err(url_error)?)
        .set_auth_type(oauth2::AuthType::RequestBody);
    let http = |request| send(client, request);
    let tokens = oauth
        .exchange_refresh_token(&RefreshToken::new(login.refresh.to_string()))
        .request_async(&http)
        .await
        .map_err(|error| refused(&login.relay, error))?;
    refresh_token(&tokens)
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
