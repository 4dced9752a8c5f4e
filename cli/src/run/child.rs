//! Starts the command, passes signals on to it, and ends what it leaves behind.

use super::{
    environment::Environment,
    isolate::{self, Door},
    scrub::{self, Scrubber},
    terminal::{self, Output, Terminal},
};
use crate::ui;
use rustix::process::{Pid, Signal, kill_process, set_child_subreaper};
use std::{
    ffi::OsString,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::Path,
    process::{ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use weir_shared::error::{Kind, UserFacing};

/// The first argument by which `weir` becomes the command that it runs.
pub(crate) const EXEC: &str = "exec-child";
/// How long a command whose session has ended may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the command to its end; ends it when `over` is cancelled.
pub(crate) async fn run(
    command: &[OsString],
    environment: &Environment,
    door: Option<&Door>,
    scrubber: Option<&Scrubber>,
    started: &AtomicU32,
    over: &CancellationToken,
) -> Result<ExitStatus, UserFacing> {
    // Whoever forks twice to get away stays below us.
    set_child_subreaper(Some(rustix::process::getpid())).map_err(|error| ui::system("no subreaper", &error))?;
    let status = if terminal::wanted() && scrubber.is_some() {
        on_terminal(prepare(command, environment, door, true)?, scrubber, started, over).await
    } else {
        on_pipes(prepare(command, environment, door, false)?, scrubber, started, over).await
    };
    end_descendants();
    status
}

fn prepare(
    command: &[OsString],
    environment: &Environment,
    door: Option<&Door>,
    terminal: bool,
) -> Result<Command, UserFacing> {
    let itself = std::env::current_exe().map_err(|error| ui::system("weir cannot find itself", &error))?;
    let mut prepared = Command::new(itself);
    prepared.arg(EXEC).arg(std::process::id().to_string()).arg(if terminal { "terminal" } else { "pipes" });
    let ports = door.iter().flat_map(|door| &door.ports).map(ToString::to_string).collect::<Vec<_>>().join(",");
    prepared.arg(door.map(|door| door.path.as_os_str()).unwrap_or_default()).arg(ports);
    // Whatever ends us ends it.
    prepared.kill_on_drop(true);
    prepared.args(command).envs(&environment.set);
    for name in &environment.removed {
        prepared.env_remove(name);
    }
    Ok(prepared)
}

fn start(mut command: Command, started: &AtomicU32) -> Result<Child, UserFacing> {
    let child = command.spawn().map_err(|error| ui::system("the command cannot be started", &error))?;
    started.store(child.id().unwrap_or_default(), Ordering::Release);
    Ok(child)
}

async fn on_terminal(
    mut prepared: Command,
    scrubber: Option<&Scrubber>,
    started: &AtomicU32,
    over: &CancellationToken,
) -> Result<ExitStatus, UserFacing> {
    let (terminal, slave) = Terminal::open()?;
    let another = || slave.try_clone().map_err(|error| ui::system("no terminal for the command", &error));
    prepared.stdin(another()?).stdout(another()?).stderr(another()?);
    let child = start(prepared, started)?;
    drop(slave);
    let _raw = terminal::raw();
    let typed = async {
        let (mut input, mut bytes) = (tokio::io::stdin(), [0; 4096]);
        while let Ok(count @ 1..) = input.read(&mut bytes).await {
            if terminal.write(bytes.get(..count).unwrap_or_default()).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let resized = async {
        if let Ok(mut changes) = signal(SignalKind::window_change()) {
            while changes.recv().await.is_some() {
                terminal.resize();
            }
        }
        std::future::pending::<()>().await;
    };
    let printed = async {
        if let Some(scrubber) = scrubber {
            scrub::pass(Output(&terminal), std::io::stdout(), scrubber).await;
        }
    };
    let ended = async { tokio::join!(wait(child, over, true), printed).0 };
    tokio::select! {
        status = ended => status,
        () = typed => Err(unreached()),
        () = resized => Err(unreached()),
    }
}

async fn on_pipes(
    mut prepared: Command,
    scrubber: Option<&Scrubber>,
    started: &AtomicU32,
    over: &CancellationToken,
) -> Result<ExitStatus, UserFacing> {
    // At a terminal the command must stay in the foreground; elsewhere its group is its own, so that each signal comes once.
    let foreground = rustix::termios::isatty(rustix::stdio::stdin());
    if !foreground {
        prepared.as_std_mut().process_group(0);
    }
    let Some(scrubber) = scrubber else { return wait(start(prepared, started)?, over, !foreground).await };
    prepared.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = start(prepared, started)?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let out = async {
        if let Some(out) = out {
            scrub::pass(out, std::io::stdout(), scrubber).await;
        }
    };
    let err = async {
        if let Some(err) = err {
            scrub::pass(err, std::io::stderr(), scrubber).await;
        }
    };
    let printed = async { tokio::join!(out, err) };
    tokio::pin!(printed);
    let ended = wait(child, over, !foreground);
    tokio::pin!(ended);
    tokio::select! {
        status = &mut ended => {
            // What it left behind may hold its output open for ever.
            let _ = tokio::time::timeout(Duration::from_millis(500), printed).await;
            status
        }
        _ = &mut printed => ended.await,
    }
}

fn unreached() -> UserFacing {
    UserFacing::new(Kind::Internal, "the command was lost", "report this")
}

/// Waits for the command, passing signals on.
async fn wait(mut child: Child, over: &CancellationToken, interrupts: bool) -> Result<ExitStatus, UserFacing> {
    let failed = |error: std::io::Error| ui::system("the command cannot be waited for", &error);
    let kinds = [
        (SignalKind::hangup(), Signal::HUP),
        (SignalKind::interrupt(), Signal::INT),
        (SignalKind::quit(), Signal::QUIT),
        (SignalKind::terminate(), Signal::TERM),
        (SignalKind::user_defined1(), Signal::USR1),
        (SignalKind::user_defined2(), Signal::USR2),
    ];
    let (sender, mut signals) = tokio::sync::mpsc::channel(16);
    let mut listeners = tokio::task::JoinSet::new();
    for (kind, number) in kinds {
        let (mut comes, sender) = (signal(kind).map_err(failed)?, sender.clone());
        listeners.spawn(async move {
            while comes.recv().await.is_some() {
                if sender.send(number).await.is_err() {
                    return;
                }
            }
        });
    }
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    let send = |number: Signal| {
        if let Some(pid) = pid {
            let _ = kill_process(pid, number);
        }
    };
    loop {
        tokio::select! {
            status = child.wait() => return status.map_err(failed),
            Some(number) = signals.recv() => {
                // At a terminal the kernel has told the command already.
                if interrupts || !matches!(number, Signal::INT | Signal::QUIT) {
                    send(number);
                }
            }
            () = over.cancelled() => break,
        }
    }
    send(Signal::TERM);
    match tokio::time::timeout(GRACE, child.wait()).await {
        Ok(status) => status.map_err(failed),
        Err(_) => {
            send(Signal::KILL);
            child.wait().await.map_err(failed)
        }
    }
}

/// Kills what is left below us: it must not outlive its session. New ones may come while it is done.
fn end_descendants() {
    for _ in 0..64 {
        let left = children();
        if left.is_empty() {
            return;
        }
        for pid in left.iter().filter_map(|pid| Pid::from_raw(*pid)) {
            let _ = kill_process(pid, Signal::KILL);
            let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
        }
    }
}

/// Processes whose parent we are: those that the command left behind came to us.
fn children() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let own = std::process::id();
    pids.filter(|pid| crate::identity::parent::ancestor(*pid) == Some(own)).map(u32::cast_signed).collect()
}

/// The exit code that a shell would give.
pub(crate) fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255);
    u8::try_from(code).unwrap_or(255)
}

/// Becomes the command, in the process that `weir run` started for it: it dies with its supervisor, and a terminal is its
/// own. Returns only when that fails.
pub(crate) fn exec(arguments: &[OsString]) -> UserFacing {
    let [parent, terminal, door, ports, program, rest @ ..] = arguments else {
        return UserFacing::new(Kind::Usage, "this command is weir's own", "use `weir run`");
    };
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    // It may have died before that was set.
    let alive = rustix::process::getppid().is_some_and(|pid| pid.as_raw_nonzero().to_string().as_str() == parent);
    if !alive {
        return UserFacing::new(Kind::Unreachable, "the supervisor has ended", "start `weir run` anew");
    }
    if terminal == "terminal" {
        let _ = rustix::process::setsid();
        let _ = rustix::process::ioctl_tiocsctty(rustix::stdio::stdin());
    }
    if !door.is_empty() {
        let ports = ports.to_str().unwrap_or_default().split(',');
        let ports: Vec<u16> = ports.filter_map(|port| port.parse().ok()).collect();
        if let Err(error) = isolate::enter(Path::new(door), &ports) {
            return error;
        }
    }
    let error = std::process::Command::new(program).args(rest).exec();
    let kind = if error.kind() == std::io::ErrorKind::NotFound { Kind::NotFound } else { Kind::System };
    UserFacing::new(kind, format!("{}: {error}", program.display()), "is it installed, and in PATH?")
}
