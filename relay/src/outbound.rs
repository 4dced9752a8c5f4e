//! Calls that the relay makes by itself, to those whom its configuration names: over verified TLS, in bounded time, with
//! bounded answers. No redirect is followed: it would lead where nobody has configured.

use fs_err as fs;
use reqwest::{Client, RequestBuilder, StatusCode, header::HeaderMap};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::{path::Path, sync::Arc, time::Duration};

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(8);
/// The largest answer, in bytes.
const LARGEST: usize = 256 * 1024;

/// What came back.
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its head.
    pub(crate) headers: HeaderMap,
    /// All of its body.
    pub(crate) body: Vec<u8>,
}

/// A client that trusts this CA, or the platform's roots. What is `http` on loopback is not for a proxy.
///
/// # Errors
/// The CA cannot be read.
pub(crate) fn client(ca: Option<&Path>, http: bool) -> Result<Client, String> {
    let client = Client::builder();
    let client = if http { client.no_proxy() } else { client };
    client
        .tls_backend_preconfigured(tls(ca)?)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(PATIENCE)
        .timeout(PATIENCE)
        .user_agent(concat!("weir-relay/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.to_string())
}

/// Sends, and reads at most so much.
///
/// # Errors
/// There is no answer, or too large a one. The text does not hold the address: it may hold what is secret.
pub(crate) async fn answer(request: RequestBuilder) -> Result<Answer, String> {
    let failed = |error: reqwest::Error| {
        let error = error.without_url();
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        text
    };
    let mut response = request.send().await.map_err(failed)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > LARGEST {
            return Err("the answer is too large".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status: response.status(), headers: std::mem::take(response.headers_mut()), body })
}

fn tls(ca: Option<&Path>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match ca {
        None => builder.with_platform_verifier().map_err(|error| error.to_string())?,
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(&fs::read(path).map_err(|error| error.to_string())?) {
                let certificate = certificate.map_err(|error| format!("{}: {error}", path.display()))?;
                roots.add(certificate).map_err(|error| error.to_string())?;
            }
            builder.with_root_certificates(roots)
        }
    };
    Ok(builder.with_no_client_auth())
}
