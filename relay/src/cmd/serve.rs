//! `weir-relay serve`.

use super::Output;
use crate::server;
use weir_shared::{config::checked::Config, error::UserFacing};

/// Logs go to standard error, in the form that `--output` says; `WEIR_LOG` filters them.
pub(super) async fn run(config: Config, output: Output) -> Result<(), UserFacing> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("WEIR_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match output {
        Output::Text => logs.with_ansi(false).init(),
        Output::Json => logs.json().init(),
    }
    Box::pin(server::run(config)).await
}
