//! Child processes that end with their owner, and what `/proc` knows of them.

use anyhow::{Context as _, Result, bail};
use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

/// The folder of the built programs.
fn programs() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("WEIR_TEST_BIN") {
        return Ok(folder.into());
    }
    // target/debug/deps/it-... lies one below the programs.
    let this = std::env::current_exe()?;
    Ok(this.ancestors().nth(2).context("no target folder")?.to_owned())
}

/// A command that runs one of the workspace's programs.
///
/// # Errors
/// It is not built.
pub fn program(name: &str) -> Result<Command> {
    let path = programs()?.join(name);
    if !path.exists() {
        bail!("{} is not built: run scripts/test.sh, or cargo build first", path.display());
    }
    Ok(Command::new(path))
}

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// What it wrote to standard error so far.
    log: PathBuf,
}

impl Running {
    /// Starts `command` with its standard error in the file `log`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let child = command.stderr(file).spawn().with_context(|| format!("{command:?}"))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its standard output, once.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// What it wrote to standard error.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its exit code once it ended by itself; none for a signal.
    ///
    /// # Errors
    /// It did not end in time.
    pub fn wait(&mut self, patience: Duration) -> Result<Option<i32>> {
        let until = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            if Instant::now() > until {
                bail!("still runs after {patience:?}:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL, as a crash would.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and the exit code.
    ///
    /// # Errors
    /// It did not end in time.
    pub fn terminate(&mut self, patience: Duration) -> Result<Option<i32>> {
        signal(self.pid(), "TERM")?;
        self.wait(patience)
    }

    /// A line of `/proc/PID/status`, in kilobytes: `VmHWM`, `VmRSS`.
    ///
    /// # Errors
    /// It ended, or the system has no such file.
    pub fn memory(&self, key: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).context("no such line")?;
        Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to one process.
///
/// # Errors
/// There is no such process.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).stderr(Stdio::null()).status()?;
    if !status.success() {
        bail!("process {pid} cannot be signalled");
    }
    Ok(())
}

/// Lines of a pipe, read on a thread of their own so that waiting for one can end.
#[derive(Debug)]
pub struct Lines(mpsc::Receiver<String>);

impl Lines {
    /// Reads `pipe` to its end.
    pub fn of(pipe: impl std::io::Read + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next line that `accept` makes something of.
    ///
    /// # Errors
    /// There was none in time.
    pub fn find<T>(&self, patience: Duration, mut accept: impl FnMut(&str) -> Option<T>) -> Result<T> {
        let until = Instant::now() + patience;
        let mut seen = String::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.0.recv_timeout(left) else { bail!("the line did not come; seen:\n{seen}") };
            if let Some(found) = accept(&line) {
                return Ok(found);
            }
            seen.push_str(&line);
            seen.push('\n');
        }
    }
}
