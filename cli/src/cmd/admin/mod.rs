//! `weir admin`: what administrators change and auditors read, over the relay's API.
//!
//! - [`policies`]: the policy files; [`explain`]: how those in force decide a request
//! - [`resources`]: the resources
//! - [`audit`]: the log
//! - [`change`]: how a change is shown, confirmed, and refused

mod audit;
mod change;
mod explain;
mod policies;
mod resources;

use crate::{settings::Settings, ui::Output};
use weir_shared::error::UserFacing;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Read, check, explain and change the policies.
    Policies {
        #[command(subcommand)]
        command: policies::Command,
    },
    /// Show, define and delete resources.
    Resources {
        #[command(subcommand)]
        command: resources::Command,
    },
    /// Show what was done and tried, newest last; as JSON, a line for each event.
    #[command(after_help = "Example: weir admin audit --event alert. --since 24h --follow")]
    Audit(audit::Args),
}

pub(super) async fn run(settings: &Settings, command: Command, output: Output) -> Result<(), UserFacing> {
    match command {
        Command::Policies { command } => policies::run(settings, command, output).await,
        Command::Resources { command } => resources::run(settings, command, output).await,
        Command::Audit(args) => audit::run(settings, args, output).await,
    }
}
