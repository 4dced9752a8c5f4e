//! A logged-in user with a state folder of their own, and the local ports that they open.

use crate::{
    lab::{output, run},
    login,
    process::{Lines, Running, program},
};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// How the tunnel travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// QUIC over UDP.
    Quic,
    /// WebSocket over TLS.
    WebSocket,
    /// Whichever works.
    Auto,
}

impl Transport {
    /// As `weir connect --transport` takes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quic => "quic",
            Self::WebSocket => "ws",
            Self::Auto => "auto",
        }
    }
}

/// A logged-in user.
#[derive(Clone, Debug)]
pub struct Agent {
    home: PathBuf,
    /// More variables for each of the user's commands.
    pub environment: Vec<(String, String)>,
}

impl Agent {
    /// Somebody who has not logged in yet.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(home: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&home)?;
        Ok(Self { home, environment: Vec::new() })
    }

    /// `weir login`, driven through the form.
    ///
    /// # Errors
    /// The login fails.
    pub async fn login(home: PathBuf, relay: &str, ca: &Path, user: &str, password: &str) -> Result<Self> {
        let agent = Self::new(home)?;
        agent.log_in(relay, ca, user, password).await?;
        Ok(agent)
    }

    /// The same of somebody who is here already; what `weir login` says at its end.
    ///
    /// # Errors
    /// The login fails.
    pub async fn log_in(&self, relay: &str, ca: &Path, user: &str, password: &str) -> Result<String> {
        let mut command = self.command()?;
        // A browser that does nothing: the form is filled in here.
        command.args(["login", "--relay", relay, "--ca"]).arg(ca).env("BROWSER", "true");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let said = Lines::of(child.stdout.take().context("no standard output")?);
        let lines = Lines::of(child.stderr.take().context("no standard error")?);
        let url = lines.find(PATIENCE, |line| Some(line.trim().to_owned()).filter(|line| line.starts_with("https://")));
        let url = match url {
            Ok(url) => url,
            Err(error) => {
                let _ = child.kill();
                return Err(error.context("weir login printed no address"));
            }
        };
        let outcome = login::drive(&login::browser(ca)?, &url, user, password).await?;
        if outcome != login::Outcome::Done {
            let _ = child.kill();
            bail!("{user} is not let in: {outcome:?}");
        }
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait()? {
                ensure!(status.success(), "weir login: {status}");
                return said.find(PATIENCE, |line| line.starts_with("logged in").then(|| line.to_owned()));
            }
            ensure!(Instant::now() < until, "weir login does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The folder of the user's state.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A `weir` command of this user.
    ///
    /// # Errors
    /// It is not built.
    pub fn command(&self) -> Result<Command> {
        let mut command = program("weir")?;
        for proxy in ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"] {
            command.env_remove(proxy);
        }
        command.env("WEIR_HOME", &self.home).envs(self.environment.iter().cloned());
        Ok(command)
    }

    /// Runs `weir` with these arguments; its standard output.
    ///
    /// # Errors
    /// It fails; the error holds both of its outputs.
    pub fn weir(&self, arguments: &[&str]) -> Result<String> {
        run(self.command()?.args(arguments), None)
    }

    /// Runs `weir` with these arguments; whatever came of it.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn try_weir(&self, arguments: &[&str]) -> Result<Output> {
        output(self.command()?.args(arguments), None)
    }

    /// `weir connect`: opens a local port.
    ///
    /// # Errors
    /// No port is opened; the error holds what it said.
    pub fn connect(&self, resource: &str, transport: Transport) -> Result<Connection> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let log = self.home.join(format!("connect-{}.log", NUMBER.fetch_add(1, Ordering::Relaxed)));
        let mut command = self.command()?;
        command.args(["connect", resource, "--transport", transport.as_str(), "--output", "json"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Running::start(&mut command, &log)?;
        let lines = Lines::of(process.stdout().context("no standard output")?);
        let event = lines.find(PATIENCE, |line| {
            serde_json::from_str::<Value>(line).ok().filter(|event| event.get("event") == Some(&"listening".into()))
        });
        let event = event.with_context(|| process.log())?;
        let port = event.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (ca, socket, transport) = (text("ca"), text("socket"), text("transport"));
        Ok(Connection { process, port: port.context("no port")?, ca, socket, transport, lines })
    }

    /// The pending requests that this user sees, newest first.
    ///
    /// # Errors
    /// They cannot be listed.
    pub fn pending(&self) -> Result<Vec<Value>> {
        let text = self.weir(&["approvals", "list", "--output", "json"])?;
        let mut all = json(&text)?;
        all.retain(|approval| approval.get("state").and_then(Value::as_str).is_none_or(|state| state == "pending"));
        Ok(all)
    }

    /// Waits for a pending request; its id.
    ///
    /// # Errors
    /// None comes in time.
    pub async fn next_pending(&self) -> Result<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(approval) = self.pending()?.first() {
                let id = approval.get("id").and_then(Value::as_str).context("an approval without id")?;
                return Ok(id.to_owned());
            }
            ensure!(Instant::now() < until, "no request came");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// JSON lines, or one array.
///
/// # Errors
/// It is neither.
pub fn json(text: &str) -> Result<Vec<Value>> {
    if let Ok(Value::Array(items)) = serde_json::from_str(text) {
        return Ok(items);
    }
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// An open local port.
#[derive(Debug)]
pub struct Connection {
    /// The `weir connect` process.
    pub process: Running,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// The CA of its local certificate.
    pub ca: String,
    /// The folder of its UNIX socket.
    pub socket: String,
    /// How the relay is reached.
    pub transport: String,
    /// The events it prints.
    pub lines: Lines,
}

impl Connection {
    /// A connection string for tools that know URLs.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgresql://anyone@127.0.0.1:{}/shop", self.port)
    }

    /// A driver's connection.
    ///
    /// # Errors
    /// The login or the tunnel fails.
    pub async fn client(&self) -> Result<tokio_postgres::Client> {
        let (client, connection) = tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await?;
        #[expect(clippy::disallowed_methods, reason = "it ends with the client that the test holds")]
        tokio::task::spawn(connection);
        Ok(client)
    }

    /// psql on this port, without anything of the machine's own settings.
    #[must_use]
    pub fn psql(&self) -> Command {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-At", "-v", "VERBOSITY=verbose", &self.url()])
            .env_remove("PGPASSWORD")
            .env("PGSSLMODE", "disable");
        psql
    }

    /// Runs SQL with psql; its output.
    ///
    /// # Errors
    /// psql fails.
    pub fn sql(&self, text: &str) -> Result<String> {
        Ok(run(self.psql().args(["-v", "ON_ERROR_STOP=1", "-c", text]), None)?.trim_end().to_owned())
    }

    /// Runs SQL that is refused; what psql says.
    ///
    /// # Errors
    /// It is not refused.
    pub fn refused(&self, text: &str) -> Result<String> {
        let output = output(self.psql().args(["-v", "ON_ERROR_STOP=1", "-c", text]), None)?;
        ensure!(!output.status.success(), "{text} was not refused: {}", String::from_utf8_lossy(&output.stdout));
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Connects with more in the connection string, which is refused; what psql says.
    ///
    /// # Errors
    /// It is not refused.
    pub fn refused_with(&self, more: &str) -> Result<String> {
        let dsn = format!("host=127.0.0.1 port={} dbname=shop user=anyone sslmode=disable {more}", self.port);
        let mut psql = Command::new("psql");
        let output = output(psql.args(["-X", "-At", &dsn, "-c", "SELECT 1"]).env_remove("PGPASSWORD"), None)?;
        ensure!(!output.status.success(), "{more} was not refused: {}", String::from_utf8_lossy(&output.stdout));
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
