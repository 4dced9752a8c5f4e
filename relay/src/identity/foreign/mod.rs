//! Those whom somebody else vouches for: people of an OpenID Connect provider, workloads of a platform.
//!
//! - `token`: verifies what they signed; `issuer`: their documents and keys
//! - [`people`]: logging in at the provider; `person`: what its claims make of a person
//! - `workload`: what a platform's claims make of a workload; `oauth::workload` is where it comes in
//!
//! Whatever is refused is in the audit log with its reason; who presented it learns less.

pub(super) mod issuer;
pub mod people;
mod person;
pub(super) mod token;
pub(super) mod workload;

use crate::relay::Relay;
use issuer::Issuer;
use serde_json::json;
use weir_shared::{
    config::checked::{Identity, Workload},
    error::UserFacing,
};

/// The issuers that are configured, with what is known of them.
pub struct Foreign {
    provider: Option<Issuer>,
    /// In the order of the configuration.
    platforms: Vec<Issuer>,
}

impl Foreign {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// When a CA cannot be read.
    pub fn new(config: &Identity) -> Result<Self, UserFacing> {
        let provider = config.oidc.as_ref().map(|oidc| Issuer::new(&oidc.issuer)).transpose()?;
        let platforms =
            config.workload.iter().map(|workload| Issuer::new(&workload.issuer)).collect::<Result<_, _>>()?;
        Ok(Self { provider, platforms })
    }

    /// The platform whose tokens say this issuer.
    pub(super) fn platform<'a>(&'a self, relay: &'a Relay, issuer: &str) -> Option<(&'a Issuer, &'a Workload)> {
        self.platforms.iter().zip(&relay.config.identity.workload).find(|(known, _)| known.url() == issuer)
    }
}

/// Keeps why somebody was not let in.
async fn refused(relay: &Relay, event: &str, issuer: &str, why: &str, more: serde_json::Value) {
    tracing::warn!(issuer, why, "{event}");
    let body = json!({ "issuer": issuer, "why": why, "about": more });
    relay.audit(event, "", body).await;
}

/// A peer's text, short and without what could mislead: letters, digits and ASCII.
fn visible(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric() || c.is_ascii_graphic() || *c == ' ').take(200).collect()
}
