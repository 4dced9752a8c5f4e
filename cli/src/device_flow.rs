//! A login for machines without a browser: a code that a person confirms on another one (RFC 8628).

use crate::{
    api,
    login_flow::{CLIENT, SendError, refresh_token, send, url_error},
    ui,
};
use oauth2::{
    ClientId, DeviceAuthorizationUrl, DeviceCodeErrorResponseType, ErrorResponse, RequestTokenError,
    StandardDeviceAuthorizationResponse, TokenUrl, basic::BasicClient,
};
use weir_shared::error::{Kind, UserFacing};
use zeroize::Zeroizing;

/// True where no browser can be shown to anybody.
pub(crate) fn is_headless() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(target_os = "linux") && !["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"].into_iter().any(set)
}

/// Logs in at the relay; the refresh token.
pub(crate) async fn log_in(client: &reqwest::Client, relay: &str) -> Result<Zeroizing<String>, UserFacing> {
    let oauth = BasicClient::new(ClientId::new(CLIENT.to_owned()))
        .set_token_uri(TokenUrl::new(format!("{relay}/oauth/token")).map_err(url_error)?)
        .set_device_authorization_url(
            DeviceAuthorizationUrl::new(format!("{relay}/oauth/device_authorization")).map_err(url_error)?,
        )
        .set_auth_type(oauth2::AuthType::RequestBody);
    let http = |request| send(client, request);
    let details: StandardDeviceAuthorizationResponse =
        oauth.exchange_device_code().request_async(&http).await.map_err(|error| failed(relay, error))?;
    let (page, code) = (details.verification_uri().as_str(), details.user_code().secret());
    ui::tell(&format!("To log in, open on any device:\n  {page}\nand type the code:\n  {}", ui::visible(code)));
    let wait = ui::spinner("waiting until the code is confirmed");
    let tokens = tokio::select! {
        tokens = oauth.exchange_device_access_token(&details).request_async(&http, tokio::time::sleep, None) => tokens,
        _ = tokio::signal::ctrl_c() => {
            wait.finish_and_clear();
            return Err(UserFacing::new(Kind::Unauthenticated, "the login was interrupted", "run `weir login` again"));
        }
    };
    wait.finish_and_clear();
    let tokens = tokens.map_err(|error| match error {
        RequestTokenError::ServerResponse(response) => {
            let message = match response.error() {
                DeviceCodeErrorResponseType::AccessDenied => "the login was denied on the page",
                DeviceCodeErrorResponseType::ExpiredToken => "nobody confirmed the code in time",
                _ => "the relay refused the login",
            };
            UserFacing::new(Kind::Unauthenticated, message, "run `weir login` again")
        }
        other => failed(relay, other),
    })?;
    refresh_token(&tokens)
}

/// What else may go wrong.
fn failed<E: ErrorResponse>(relay: &str, error: RequestTokenError<SendError, E>) -> UserFacing {
    match error {
        RequestTokenError::Request(SendError(error)) => api::unreachable(relay, &*error),
        RequestTokenError::ServerResponse(_) => {
            let hint = "is it a weir relay of this version? too many logins at once?";
            UserFacing::new(Kind::Unauthenticated, format!("{relay} gives no code"), hint)
        }
        _ => UserFacing::new(
            Kind::Incompatible,
            format!("{relay} does not answer as a weir relay does"),
            "check its URL",
        ),
    }
}
