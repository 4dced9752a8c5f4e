//! Whom the relay tells of requests for approval, beside those who ask it: receivers of webhooks, and Slack.

use super::CredentialSource;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// `[[approvals.webhook]]` and `[approvals.slack]`
#[derive(Clone, Debug, Default)]
pub struct Channels {
    /// The webhooks.
    pub webhooks: Vec<Webhook>,
    /// Slack, where there is one.
    pub slack: Option<Slack>,
}

/// Where calls of the relay's own go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `https`; `http` only on loopback, where that is allowed.
    pub url: String,
    /// CA of its certificate (PEM); the platform's roots when none.
    pub ca: Option<PathBuf>,
    /// It may be `http` on loopback.
    pub http: bool,
}

/// What a webhook is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WebhookEvent {
    /// A request waits.
    Requested,
    /// It was approved or denied, has expired or was withdrawn.
    Decided,
    /// Who asked let it run in an emergency.
    BrokenGlass,
}

impl WebhookEvent {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Requested, Self::Decided, Self::BrokenGlass];

    /// As in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Decided => "decided",
            Self::BrokenGlass => "broken-glass",
        }
    }
}

/// `[[approvals.webhook]]`: a receiver that is told, and may vouch for who decides.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where.
    pub endpoint: Endpoint,
    /// Where its secret comes from: `whsec_` and Base64, as of Standard Webhooks. It signs both ways.
    pub secret: CredentialSource,
    /// What it is told.
    pub events: BTreeSet<WebhookEvent>,
    /// The weir users in whose name it may send decisions; empty: none.
    pub users: BTreeSet<String>,
}

/// `[approvals.slack]`
#[derive(Clone, Debug)]
pub struct Slack {
    /// Where Slack's API is.
    pub endpoint: Endpoint,
    /// Where the bot's token comes from.
    pub token: CredentialSource,
    /// Where the app's signing secret comes from.
    pub signing_secret: CredentialSource,
    /// The channel that is told, by its id.
    pub channel: String,
    /// Weir users by their Slack user id.
    pub users: BTreeMap<String, String>,
}
