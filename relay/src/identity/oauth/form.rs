//! The form that every endpoint takes, and who sent it: limited, and the client known, before anything else is looked at.

use super::{clients, clients::Credentials, rates::What, refuse, too_fast};
use crate::{api::Peer, relay::Relay};
use axum::{
    Form, RequestExt as _,
    extract::{FromRequest, Request},
    http::HeaderMap,
    response::Response,
};
use serde::{Deserialize, de::DeserializeOwned};
use std::sync::Arc;
use weir_shared::config::checked::Client;

/// A request by a client.
pub struct ByClient<T> {
    /// The client; it has proven who it is, unless it is public.
    pub client: Arc<Client>,
    /// Where it comes from, and with which certificate.
    pub peer: Peer,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The rest of the form.
    pub form: T,
}

#[derive(Deserialize)]
struct Whole<T> {
    #[serde(flatten)]
    credentials: Credentials,
    #[serde(flatten)]
    form: T,
}

impl<T: DeserializeOwned + Send + 'static> FromRequest<Arc<Relay>> for ByClient<T> {
    type Rejection = Response;

    async fn from_request(request: Request, relay: &Arc<Relay>) -> Result<Self, Response> {
        let Some(peer) = request.extensions().get::<Peer>().copied() else {
            return Err(refuse("server_error", "the connection is not known"));
        };
        relay.oauth.rates.take(What::Call, peer.address).map_err(too_fast)?;
        let headers = request.headers().clone();
        // A parameter that comes twice is an error (RFC 6749, 3.2).
        let whole = request.extract::<Form<Whole<T>>, _>().await;
        let Ok(Form(Whole { credentials, form })) = whole else {
            return Err(refuse("invalid_request", "the body is no form, or a parameter comes twice"));
        };
        let client = clients::authenticate(relay, &headers, credentials, peer.address).await?;
        Ok(Self { client, peer, headers, form })
    }
}
