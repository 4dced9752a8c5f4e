//! `weir-relay serve`.

use crate::server;
use weir_shared::{config::checked::Config, error::UserFacing};

#[derive(clap::Args)]
pub(super) struct Args {
    /// How logs are written to standard error; WEIR_LOG filters them.
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

pub(super) async fn run(args: &Args, config: Config) -> Result<(), UserFacing> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("WEIR_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match args.log_format {
        LogFormat::Text => logs.with_ansi(false).init(),
        LogFormat::Json => logs.json().init(),
    }
    Box::pin(server::run(config)).await
}
