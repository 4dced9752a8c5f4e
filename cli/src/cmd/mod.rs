//! The commands, one file each; the exit codes are those of `weir_shared::error::Kind`.

mod admin;
mod approvals;
mod connect;
mod list;
mod login;
mod replay;
mod run;
mod sessions;
mod status;
mod ticket;
mod tree;
mod whoami;

use crate::{settings::Settings, ui, ui::Output};
use clap::{CommandFactory as _, Parser, Subcommand};
use std::process::ExitCode;
use weir_shared::{error::UserFacing, id::AgentId};

/// Reach databases through a weir relay: your tools work as always, on a local port.
#[derive(Parser)]
#[command(name = "weir", version, after_long_help = NOTES)]
pub(crate) struct Cli {
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value = "text")]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

const NOTES: &str = "Environment: WEIR_HOME (folder for all that weir keeps), WEIR_RELAY and WEIR_CA or WEIR_PIN (where a CI job logs in by \
itself), HTTPS_PROXY, NO_PROXY\n\n\
Exit codes: 0 done, 2 usage, 3 not found, 4 not logged in, 5 denied, 6 unreachable, 7 untrusted certificate, \
8 incompatible versions, 9 conflict, 10 limit, 11 configuration, 12 system, 70 defect";

#[derive(Subcommand)]
enum Command {
    /// Log in at a relay with a browser.
    Login(login::Args),
    /// End the login, here and at the relay.
    Logout,
    /// Show who the relay takes you for.
    Whoami {
        /// Also the agents from the root to this one, with what each may do at most.
        #[arg(long)]
        chain: bool,
    },
    /// List the resources you may reach, and your rights.
    List,
    /// Open local ports to resources until Ctrl-C.
    Connect(connect::Args),
    /// Run a command with ports of its own and a session narrower than yours.
    Run(run::Args),
    /// Print a ticket: a session for a container or another machine, handed over once.
    Ticket(ticket::Args),
    /// End an agent, everything below it, and what they have open.
    Revoke {
        /// Its id, as `weir sessions tree` shows it.
        id: AgentId,
    },
    /// Look at recorded sessions; lists them when nothing is said.
    Sessions {
        #[command(subcommand)]
        command: Option<sessions::Command>,
    },
    /// Decide requests that wait for a human; lists them when nothing is said.
    Approvals {
        #[command(subcommand)]
        command: Option<approvals::Command>,
    },
    /// Administer the relay: policies, resources, and the audit log.
    ///
    /// Auditors may read, administrators change things too. A role is had by a login itself: what was delegated has none.
    Admin {
        #[command(subcommand)]
        command: admin::Command,
    },
    /// Show the relay's state.
    Status(status::Args),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the version.
    Version,
}

pub(crate) async fn run(cli: Cli) -> Result<ExitCode, UserFacing> {
    let Cli { output, command } = cli;
    let settings = match &command {
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "weir", &mut std::io::stdout());
            return Ok(ExitCode::SUCCESS);
        }
        Command::Version => {
            ui::say(concat!("weir ", env!("CARGO_PKG_VERSION")));
            return Ok(ExitCode::SUCCESS);
        }
        _ => Settings::load()?,
    };
    let done = Box::pin(dispatch(&settings, command, output)).await;
    // A command's session ends with it.
    if let Some(session) = settings.session() {
        session.end().await;
    }
    done
}

async fn dispatch(settings: &Settings, command: Command, output: Output) -> Result<ExitCode, UserFacing> {
    match command {
        Command::Login(args) => login::log_in(settings, args, output).await?,
        Command::Logout => login::log_out(settings).await?,
        Command::Whoami { chain } => whoami::run(settings, chain, output).await?,
        Command::Ticket(args) => ticket::run(settings, &args).await?,
        Command::Revoke { id } => tree::revoke(settings, id, output).await?,
        Command::List => list::run(settings, output).await?,
        Command::Connect(args) => return connect::run(settings, args, output).await,
        Command::Sessions { command } => sessions::run(settings, command.unwrap_or_default(), output).await?,
        Command::Approvals { command } => approvals::run(settings, command.unwrap_or_default(), output).await?,
        Command::Admin { command } => admin::run(settings, command, output).await?,
        Command::Status(args) => status::run(settings, &args, output).await?,
        Command::Run(args) => return run::run(settings, args).await,
        Command::Completions { .. } | Command::Version => {}
    }
    Ok(ExitCode::SUCCESS)
}
