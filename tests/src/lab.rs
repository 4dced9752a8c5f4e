//! Everything that a journey needs, in one temporary folder: PostgreSQL, the relay, its users.

use crate::{
    agent::Agent,
    port::Reserved,
    process::{Running, program},
};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    collections::HashMap,
    io::Write as _,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

/// The relay's users beside the first administrator, with their roles.
pub const USERS: &[(&str, &str)] = &[("alice", "user"), ("rita", "reviewer"), ("adam", "admin"), ("dora", "dba")];
/// How long a server may take to come up.
const START: Duration = Duration::from_secs(60);

/// The running servers. Dropping it ends them and removes the folder.
#[derive(Debug)]
pub struct Lab {
    /// The relay's process; none while it is stopped.
    pub relay: Option<Running>,
    /// The folders of more servers.
    more: Vec<PathBuf>,
    /// The servers', for as long as they may come back.
    ports: Vec<Reserved>,
    folder: tempfile::TempDir,
    server: HashMap<String, String>,
    url: String,
    /// What the relay logs, as `WEIR_LOG` takes it.
    pub log: String,
}

/// The repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A password that stands nowhere else, so that a test can look for it.
#[must_use]
pub fn password_of(user: &str) -> String {
    format!("Correct-horse-{user}-9417")
}

impl Lab {
    /// Starts everything. The resources `shop-prod` and `shop-dev` are the same database under two labels.
    ///
    /// # Errors
    /// Something does not start; the error holds its log.
    pub async fn start() -> Result<Self> {
        Self::start_with("").await
    }

    /// Starts everything, with more configuration at the end of each resource.
    ///
    /// # Errors
    /// Something does not start; the error holds its log.
    pub async fn start_with(more: &str) -> Result<Self> {
        let mut lab = Self::only_postgres()?;
        lab.init(more)?;
        lab.serve().await?;
        Ok(lab)
    }

    /// Starts the database alone: no relay, no users.
    ///
    /// # Errors
    /// It does not start; the error holds its log.
    pub fn only_postgres() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("weir-lab-").tempdir()?;
        let (server, url, log) = (HashMap::new(), String::new(), "info".to_owned());
        let mut lab = Self { relay: None, more: Vec::new(), ports: Vec::new(), server, url, log, folder };
        lab.start_postgres()?;
        Ok(lab)
    }

    fn start_postgres(&mut self) -> Result<()> {
        let folder = self.folder.path().join("postgres");
        // The server's own user passes through the folder.
        std::fs::set_permissions(self.folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711))?;
        let mut start = self.servers()?;
        run(start.arg("start").arg(&folder), None)?;
        let text = std::fs::read_to_string(folder.join("server.env"))?;
        self.server = text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect();
        Ok(())
    }

    /// `scripts/servers.sh`, for a server on a port that is this lab's.
    fn servers(&mut self) -> Result<Command> {
        let port = self.reserve()?.rsplit(':').next().unwrap_or_default().to_owned();
        let mut command = Command::new(root().join("scripts/servers.sh"));
        command.env("WEIR_SERVER_PORT", port);
        Ok(command)
    }

    /// An address of loopback for a server of this lab's: nobody else gets its port while the lab is there.
    ///
    /// # Errors
    /// There is none.
    pub fn reserve(&mut self) -> Result<String> {
        let port = Reserved::new()?;
        let address = port.address().to_string();
        self.ports.push(port);
        Ok(address)
    }

    fn init(&mut self, more: &str) -> Result<()> {
        let address = self.reserve()?;
        self.url = format!("https://{address}");
        let home = self.relay_folder();
        let mut init = program("weir-relay")?;
        init.arg("init").arg(&home).args(["--admin", "root", "--password-stdin", "--listen", &address]);
        run(&mut init, Some(&password_of("root")))?;
        let mut config = std::fs::OpenOptions::new().append(true).open(home.join("weir-relay.toml"))?;
        for env in ["prod", "dev"] {
            writeln!(
                config,
                "\n[resources.shop-{env}]\nkind = \"postgres\"\nhost = \"{}\"\nport = {}\ndatabases = [\"{}\"]\nrole = \"{}\"\n\
                 credential = \"file:{}\"\nca = \"{}\"\nlabels = {{ env = \"{env}\" }}\ncolumns = [\"customers.ssn\"]\n{more}",
                self.postgres("PG_HOST"),
                self.postgres("PG_PORT"),
                self.postgres("PG_DATABASE"),
                self.postgres("PG_ROLE"),
                self.postgres("PG_PASSWORD_FILE"),
                self.postgres("PG_CA"),
            )?;
        }
        drop(config);
        self.admin(&["check"])?;
        for (user, role) in USERS {
            let mut add = self.admin_command()?;
            add.args(["user", "add", user, "--role", role, "--password-stdin"]);
            run(&mut add, Some(&password_of(user)))?;
        }
        Ok(())
    }

    /// The server stops as if it had crashed, and comes again.
    ///
    /// # Errors
    /// It does not come again.
    pub fn restart_postgres(&self) -> Result<()> {
        let folder = self.folder.path().join("postgres");
        run(Command::new(root().join("scripts/servers.sh")).arg("restart").arg(&folder), None).map(drop)
    }

    /// The server stops as if it had crashed.
    ///
    /// # Errors
    /// It does not stop.
    pub fn stop_postgres(&self) -> Result<()> {
        let folder = self.folder.path().join("postgres");
        run(Command::new(root().join("scripts/servers.sh")).arg("stop").arg(&folder), None).map(drop)
    }

    /// Starts a hot standby of the server; its port.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_standby(&mut self) -> Result<u16> {
        let folder = self.folder.path().join(format!("standby-{}", self.more.len()));
        self.more.push(folder.clone());
        let mut command = self.servers()?;
        run(command.arg("standby").arg(&folder).arg(self.folder.path().join("postgres")), None)?;
        let text = std::fs::read_to_string(folder.join("server.env"))?;
        Ok(text.lines().find_map(|line| line.strip_prefix("PG_PORT=")).context("no port")?.parse()?)
    }

    /// Adds lines to the relay's configuration.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn configure(&self, lines: &str) -> Result<()> {
        let path = self.relay_folder().join("weir-relay.toml");
        Ok(std::fs::OpenOptions::new().append(true).open(path)?.write_all(lines.as_bytes())?)
    }

    /// Starts the relay again with its configuration changed.
    ///
    /// # Errors
    /// It does not stop or does not come up; the error holds its log.
    pub async fn restart_with(&mut self, change: impl FnOnce(String) -> String) -> Result<()> {
        if let Some(mut relay) = self.relay.take() {
            relay.terminate(Duration::from_secs(40))?;
        }
        let path = self.relay_folder().join("weir-relay.toml");
        std::fs::write(&path, change(std::fs::read_to_string(&path)?))?;
        self.serve().await
    }

    /// The relay is known by a name, `localhost`, from now on: passkeys belong to one. Its configuration is changed as well.
    ///
    /// # Errors
    /// As [`Self::restart_with`].
    pub async fn restart_named(&mut self, change: impl FnOnce(String) -> String) -> Result<()> {
        let url = self.url.replace("127.0.0.1", "localhost");
        let address = std::mem::replace(&mut self.url, url.clone());
        self.restart_with(|config| change(config.replace(&address, &url))).await
    }

    /// Starts the relay, and waits until it listens.
    ///
    /// # Errors
    /// It does not come up; the error holds its log.
    pub async fn serve(&mut self) -> Result<()> {
        let serve = self.admin_command()?;
        self.serve_by(serve).await
    }

    /// The same, in a process whose files cannot grow beyond so many kilobytes: writing more fails, as on a full disk.
    ///
    /// # Errors
    /// It does not come up; the error holds its log.
    pub async fn serve_with_files_of_at_most(&mut self, kilobytes: u32) -> Result<()> {
        let relay = self.admin_command()?;
        let mut shell = Command::new("bash");
        let script = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$0\" \"$@\"");
        shell.arg("-c").arg(script).arg(relay.get_program()).args(relay.get_args());
        self.serve_by(shell).await
    }

    async fn serve_by(&mut self, mut serve: Command) -> Result<()> {
        serve.arg("serve").env("WEIR_LOG", &self.log).stdin(Stdio::null()).stdout(Stdio::null());
        let mut relay = Running::start(&mut serve, &self.relay_log())?;
        let address = self.url.trim_start_matches("https://").to_owned();
        let until = Instant::now() + START;
        while TcpStream::connect(&address).is_err() {
            if let Ok(code) = relay.wait(Duration::ZERO) {
                bail!("the relay ended with {code:?}:\n{}", relay.log());
            }
            ensure!(Instant::now() < until, "the relay does not listen:\n{}", relay.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.relay = Some(relay);
        Ok(())
    }

    /// The relay's process.
    ///
    /// # Errors
    /// It is stopped.
    pub fn relay(&self) -> Result<&Running> {
        self.relay.as_ref().context("the relay is stopped")
    }

    /// `weir-relay` on this relay's configuration.
    ///
    /// # Errors
    /// It is not built.
    pub fn admin_command(&self) -> Result<Command> {
        let mut command = program("weir-relay")?;
        command.arg("--config").arg(self.relay_folder().join("weir-relay.toml"));
        Ok(command)
    }

    /// Runs a command of `weir-relay` on this relay's configuration.
    ///
    /// # Errors
    /// It fails; the error holds what it printed.
    pub fn admin(&self, arguments: &[&str]) -> Result<String> {
        run(self.admin_command()?.args(arguments), None)
    }

    /// The audit log's events whose name begins so, oldest first.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn audited(&self, event: &str) -> Result<Vec<serde_json::Value>> {
        crate::agent::json(&self.admin(&["audit", "list", "--output", "json", "--event", event, "--limit", "10000"])?)
    }

    /// Logs `user` in: `weir login`, and the form.
    ///
    /// # Errors
    /// The login fails.
    pub async fn login(&self, user: &str) -> Result<Agent> {
        let home = self.folder.path().join("homes").join(user);
        Agent::login(home, &self.url, &self.ca(), user, &password_of(user)).await
    }

    /// What `server.env` says.
    #[must_use]
    pub fn postgres(&self, name: &str) -> &str {
        self.server.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Runs SQL as superuser, past the relay.
    ///
    /// # Errors
    /// It fails.
    pub fn sql(&self, text: &str) -> Result<String> {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", self.postgres("PG_DATABASE")]);
        psql.args(["-h", self.postgres("PG_SOCKET"), "-p", self.postgres("PG_PORT")]);
        psql.env("PGPASSWORD", std::fs::read_to_string(self.postgres("PG_SUPERUSER_PASSWORD_FILE"))?);
        run(&mut psql, Some(text))
    }

    /// The relay's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The file of the relay's certificate authority.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.relay_folder().join("ca.pem")
    }

    /// The temporary folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder that `weir-relay init` made.
    #[must_use]
    pub fn relay_folder(&self) -> PathBuf {
        self.folder.path().join("relay")
    }

    /// What the relay logs.
    #[must_use]
    pub fn relay_log(&self) -> PathBuf {
        self.folder.path().join("relay.log")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.relay.take());
        for folder in self.more.iter().chain([&self.folder.path().join("postgres")]) {
            let _ =
                Command::new(root().join("scripts/servers.sh")).arg("stop").arg(folder).stderr(Stdio::null()).status();
        }
    }
}

/// Runs a command to its end, with `input` on its standard input; its standard output.
///
/// # Errors
/// It fails; the error holds both of its outputs.
pub fn run(command: &mut Command, input: Option<&str>) -> Result<String> {
    let output = output(command, input)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(text)
}

/// Runs a command to its end, with `input` on its standard input; whatever came of it.
///
/// # Errors
/// It cannot be started.
pub fn output(command: &mut Command, input: Option<&str>) -> Result<Output> {
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().with_context(|| format!("{command:?}"))?;
    if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
        // A child that does not read all of it says itself why.
        let _ = stdin.write_all(text.as_bytes());
    }
    Ok(child.wait_with_output()?)
}
