//! The commands of `weir-relay`, one file each.

mod audit;
mod check;
mod init;
mod keys;
pub(crate) mod policy;
mod resource;
mod serve;
mod user;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};
use weir_shared::{
    config::{self, checked::Config},
    error::{Kind, UserFacing},
    secret::Secret,
};

/// Run and administer a weir relay.
#[derive(Parser)]
#[command(name = "weir-relay", version, after_long_help = EXIT_CODES)]
struct Cli {
    /// The configuration file.
    #[arg(long, global = true, env = "WEIR_RELAY_CONFIG", default_value = "weir-relay.toml")]
    config: PathBuf,
    /// How lists, and the logs of `serve`, are printed.
    #[arg(long, global = true, value_enum, default_value = "text")]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 2 usage, 3 not found, 4 not logged in, 5 denied, 6 unreachable, \
7 untrusted certificate, 8 incompatible versions, 9 conflict, 10 limit, 11 configuration, 12 system, 70 defect";

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Make a folder with configuration, keys, database and a first administrator.
    Init(init::Args),
    /// Report every problem of the configuration.
    Check(check::Args),
    /// Serve until SIGTERM; logs go to standard error, filtered by WEIR_LOG, as JSON with --output json.
    Serve,
    /// Administer local users.
    User {
        #[command(subcommand)]
        command: user::Command,
    },
    /// The keys that sign access tokens.
    Keys {
        #[command(subcommand)]
        command: keys::Command,
    },
    /// Look at resources.
    Resource {
        #[command(subcommand)]
        command: resource::Command,
    },
    /// Check, try, compare and replay policies.
    Policy {
        #[command(subcommand)]
        command: policy::Command,
    },
    /// Look at the audit log.
    Audit {
        #[command(subcommand)]
        command: audit::Command,
    },
    /// Print the OpenAPI document of the relay's API.
    Openapi,
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the version.
    Version,
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    harden();
    let cli = Cli::parse();
    // One thread; `serve` starts more, each with a runtime of its own.
    let done = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(Box::pin(run(cli))),
        Err(error) => Err(UserFacing::new(Kind::System, format!("no runtime: {error}"), "")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut out = std::io::stderr().lock();
            let _ = writeln!(out, "error: {}", error.message);
            if !error.hint.is_empty() {
                let _ = writeln!(out, "hint: {}", error.hint);
            }
            ExitCode::from(error.kind.exit_code())
        }
    }
}

/// No core dump, and no other process of this user reads our memory: both hold secrets.
fn harden() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

async fn run(cli: Cli) -> Result<(), UserFacing> {
    let Cli { config, output, command } = cli;
    match command {
        Command::Init(args) => init::run(args).await,
        Command::Check(args) => check::run(&args, &config, output).await,
        Command::Serve => serve::run(load(&config)?, output).await,
        Command::User { command } => user::run(command, &load(&config)?, output).await,
        Command::Keys { command } => keys::run(&command, &load(&config)?, output),
        Command::Resource { command } => resource::run(command, &load(&config)?, output).await,
        Command::Policy { command } => Box::pin(policy::run(command, &config, output)).await,
        Command::Audit { command } => audit::run(command, &load(&config)?, output).await,
        Command::Openapi => say(&format!("{:#}", crate::api::document())),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "weir-relay", &mut std::io::stdout());
            Ok(())
        }
        Command::Version => say(concat!("weir-relay ", env!("CARGO_PKG_VERSION"))),
    }
}

fn load(file: &std::path::Path) -> Result<Config, UserFacing> {
    let text = fs_err::read_to_string(file).map_err(|error| {
        UserFacing::new(Kind::Config, error.to_string(), "run `weir-relay init FOLDER`, or name the file with --config")
    })?;
    config::parse(&text, file).map(|(config, _)| config).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        UserFacing::new(Kind::Config, lines.join("\n"), "run `weir-relay check`")
    })
}

/// Data goes to standard output.
fn say(text: &str) -> Result<(), UserFacing> {
    writeln!(std::io::stdout().lock(), "{text}").map_err(|error| system(&error))
}

/// Talk goes to standard error.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

fn system(error: &dyn std::fmt::Display) -> UserFacing {
    UserFacing::new(Kind::System, error.to_string(), "")
}

/// A password: from standard input's first line, or asked for twice at a terminal. Never from the command line.
fn password(stdin: bool, name: &str) -> Result<Secret<String>, UserFacing> {
    if stdin {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(|error| system(&error))?;
        return Ok(Secret::new(line.trim_end_matches(['\n', '\r']).to_owned()));
    }
    if !std::io::stdin().is_terminal() {
        let hint = "give it on standard input, with --password-stdin";
        return Err(UserFacing::new(Kind::Usage, "there is no terminal to ask for a password", hint));
    }
    let ask = |prompt: String| rpassword::prompt_password(prompt).map(Secret::new).map_err(|error| system(&error));
    let first = ask(format!("Password for {name}: "))?;
    let second = ask("Again: ".to_owned())?;
    if first.expose() == second.expose() {
        Ok(first)
    } else {
        Err(UserFacing::new(Kind::Usage, "the passwords differ", "try again"))
    }
}
