//! `weir`: the wrapper CLI on each agent's machine.
//!
//! - [`cmd`]: the commands, one file each
//! - [`settings`]: environment variables and folders; [`ui`]: what people see
//! - [`keystore`]: the stored login; [`kernel_keyring`]: a key that the kernel keeps
//! - [`trust`]: how the relay is verified; [`login_flow`], [`device_flow`]: how a login comes to be; [`ci`]: by a platform's
//!   token; [`api`]: the relay's HTTPS API
//! - [`identity`]: whose session a process opens, and what it hands on; [`run`]: the command of `weir run`
//! - `netlink`: what the kernel is asked; [`tunnel`]: QUIC or WebSocket to the relay; [`listen`]: the local ports

mod api;
mod ci;
mod cmd;
mod device_flow;
mod identity;
mod kernel_keyring;
mod keystore;
mod listen;
mod login_flow;
#[cfg(target_os = "linux")]
mod netlink;
mod run;
mod settings;
mod trust;
mod tunnel;
mod ui;

use clap::Parser as _;
use std::process::ExitCode;
use weir_shared::error::UserFacing;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == run::child::EXEC) {
        return failed(&run::child::exec(&arguments.collect::<Vec<_>>()));
    }
    harden();
    let cli = cmd::Cli::parse();
    // One thread: a wrapper serves one process's connections, and hopping between threads costs more than it buys.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(Box::pin(cmd::run(cli)));
            // Somebody may still be reading standard input.
            runtime.shutdown_background();
            done
        }
        Err(error) => Err(ui::system("there is no runtime", &error)),
    };
    match done {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

fn failed(error: &UserFacing) -> ExitCode {
    ui::error(error);
    ExitCode::from(error.kind.exit_code())
}

/// No core dump, and no other process of this user reads our memory: both hold keys.
fn harden() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}
