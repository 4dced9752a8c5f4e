//! The text that `/metrics` answers with. What is not counted as it happens is looked at here: the sessions' queues, the
//! recordings' lag, the process.

use super::lookups;
use crate::{relay::Relay, tunnel::Transport};
use prometheus_client::encoding;
use std::fmt;

/// The forms of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Prometheus' own, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Form {
    /// The one that an `Accept` header asks for.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Its media type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Every metric as text. Takes longer the more resources there are: not for a thread that serves sessions.
///
/// # Errors
/// None that is known.
pub fn text(relay: &Relay, form: Form) -> Result<String, fmt::Error> {
    look(relay);
    let mut out = String::new();
    match form {
        Form::Prometheus => encoding::prometheus_text::encode(&mut out, &relay.telemetry.registry)?,
        Form::OpenMetrics => encoding::text::encode(&mut out, &relay.telemetry.registry)?,
    }
    Ok(out)
}

fn look(relay: &Relay) {
    let telemetry = &relay.telemetry;
    let census = relay.registry.census(telemetry);
    for (name, series) in &telemetry.resources() {
        series.set(&census.get(name).copied().unwrap_or_default());
    }
    lookups::set(relay, census.values());
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    for transport in Transport::ALL {
        telemetry.tunnels_open.with([transport.as_str().into()]).set(signed(relay.registry.tunnels_by(transport)));
    }
    telemetry.approvals_pending.set(signed(relay.approvals.pending()));
    telemetry.policy_problems.set(signed(relay.policy.problems().len() as u64));
    let lag = relay.syncer.lag();
    telemetry.recording_lag.set(lag.oldest.as_secs_f64());
    telemetry.recording_pending.set(signed(lag.pending));
    telemetry.process.look();
}
