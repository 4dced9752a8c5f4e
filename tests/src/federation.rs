//! Logging in at those who vouch for others: `weir login` that waits, a browser as far as that needs one, and the real provider
//! that `scripts/servers.sh oidc` starts.

use crate::{
    agent::Agent,
    lab::{Lab, run},
    login,
    process::Lines,
};
use anyhow::{Context as _, Result, ensure};
use reqwest::{Url, header};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// What the audit log holds, oldest first.
///
/// # Errors
/// It cannot be read.
pub fn audit(lab: &Lab) -> Result<String> {
    lab.admin(&["audit", "list", "--limit", "10000"])
}

/// The relay's configuration with the identity tables of `text` in it: before the first resource, as TOML asks for.
#[must_use]
pub fn with_identity(config: &str, text: &str) -> String {
    config.replacen("\n[resources.", &format!("\n{text}\n[resources."), 1)
}

/// `weir login` that waits for a browser.
#[derive(Debug)]
pub struct Login {
    /// Who logs in.
    pub agent: Agent,
    /// Where.
    pub url: String,
    child: Child,
    lines: Lines,
}

impl Login {
    /// Runs it until it prints the address.
    ///
    /// # Errors
    /// It prints none.
    pub fn begin(lab: &Lab, name: &str) -> Result<Self> {
        Self::begin_with(lab, name, &[])
    }

    /// The same, with more arguments.
    ///
    /// # Errors
    /// It prints none.
    pub fn begin_with(lab: &Lab, name: &str, more: &[&str]) -> Result<Self> {
        let agent = Agent::new(lab.folder().join("homes").join(name))?;
        let mut command = agent.command()?;
        // A browser that does nothing: the test opens the address.
        command.args(["login", "--relay", lab.url(), "--ca"]).arg(lab.ca()).args(more).env("BROWSER", "true");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let lines = Lines::of(child.stderr.take().context("no standard error")?);
        let url = lines.find(PATIENCE, |line| Some(line.trim().to_owned()).filter(|line| line.starts_with("https://")));
        let mut url = url?;
        if url.ends_with("/device") {
            let code = |line: &str| Some(line.trim().to_owned()).filter(|line| line.len() == 9 && line.contains('-'));
            url = format!("{url}?user_code={}", lines.find(PATIENCE, code)?);
        }
        Ok(Self { agent, url, child, lines })
    }

    /// It ends by itself: who is logged in.
    ///
    /// # Errors
    /// It ends otherwise, or not.
    pub fn done(mut self) -> Result<Agent> {
        ensure!(self.ended()?, "weir login failed: {:?}", self.lines.find(PATIENCE, |l| Some(l.to_owned())));
        Ok(self.agent.clone())
    }

    /// It ends because the login is refused: what it says.
    ///
    /// # Errors
    /// It ends otherwise, or not.
    pub fn refused(mut self) -> Result<String> {
        ensure!(!self.ended()?, "the login was not refused");
        self.lines.find(PATIENCE, |line| line.strip_prefix("error: ").map(str::to_owned))
    }

    fn ended(&mut self) -> Result<bool> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.success());
            }
            ensure!(Instant::now() < until, "weir login does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser that keeps the relay's cookies, as far as a login at a provider goes.
#[derive(Debug)]
pub struct Visitor {
    client: reqwest::Client,
    cookies: String,
}

impl Visitor {
    /// Of this relay.
    ///
    /// # Errors
    /// There is no client.
    pub fn new(lab: &Lab) -> Result<Self> {
        Ok(Self { client: login::browser(&lab.ca())?, cookies: String::new() })
    }

    /// Opens an address of the relay's: its status, where it leads, its text.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn open(&mut self, url: &str) -> Result<(u16, String, String)> {
        let page = self.client.get(url).header(header::COOKIE, &self.cookies).send().await?;
        let given = page.headers().get_all(header::SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
        let given: Vec<&str> = given.filter_map(|cookie| cookie.split(';').next()).collect();
        if !given.is_empty() {
            self.cookies = given.join("; ");
        }
        let to = page.headers().get(header::LOCATION).map(|to| to.to_str()).transpose()?.unwrap_or_default().to_owned();
        Ok((page.status().as_u16(), to, page.text().await?))
    }

    /// Opens the login page and clicks through to the provider: the address at the provider.
    ///
    /// # Errors
    /// There is no way to it.
    pub async fn to_provider(&mut self, login: &str) -> Result<String> {
        let (_, _, page) = self.open(login).await?;
        let link = page.split("class=\"provider\" href=\"").nth(1).context("no way to the provider")?;
        let link = link.split('"').next().unwrap_or_default().replace("&#61;", "=").replace("&#x3D;", "=");
        let (status, to, text) = self.open(Url::parse(login)?.join(&link)?.as_str()).await?;
        ensure!(status == 303, "{status} {text}");
        Ok(to)
    }

    /// Logs in through a stand-in, which asks nothing, up to where the CLI is sent: that address.
    ///
    /// # Errors
    /// The relay does not send the browser on.
    pub async fn through(&mut self, login: &str) -> Result<String> {
        let provider = self.to_provider(login).await?;
        let back = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        let back = back.get(provider).send().await?;
        let back = back.headers().get(header::LOCATION).context("the stand-in sends nobody back")?.to_str()?.to_owned();
        let (status, to, text) = self.open(&back).await?;
        ensure!(status == 303 && to.starts_with("http://127.0.0.1:"), "{status} {to} {text}");
        reqwest::get(&to).await?;
        Ok(to)
    }
}

/// The real provider, in a folder of its own. Dropping it ends it.
#[derive(Debug)]
pub struct Provider {
    folder: PathBuf,
    env: HashMap<String, String>,
}

impl Provider {
    /// Starts it, for this relay.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(lab: &Lab) -> Result<Self> {
        let folder = lab.folder().join("provider");
        let mut servers = Command::new(servers());
        run(servers.arg("oidc").arg(&folder).arg(format!("{}/oauth/callback", lab.url())), None)?;
        let text = std::fs::read_to_string(folder.join("server.env"))?;
        let env = text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect();
        Ok(Self { folder, env })
    }

    /// What its `server.env` says.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.env.get(name).map(String::as_str).unwrap_or_default()
    }

    /// `[identity.oidc]` for it, with more lines at its end.
    #[must_use]
    pub fn table(&self, more: &str) -> String {
        format!(
            "[identity.oidc]\nname = \"Test ID\"\nissuer = \"{}\"\nca = \"{}\"\nclient_id = \"weir\"\n\
             client_secret = \"file:{}\"\nscopes = [\"openid\", \"profile\", \"email\", \"groups\"]\n\
             groups = {{ weir-users = \"user\", dba = \"dba\" }}\n{more}\n",
            self.get("OIDC_ISSUER"),
            self.get("OIDC_CA"),
            self.get("OIDC_SECRET_FILE"),
        )
    }

    /// Other signing keys from now on.
    ///
    /// # Errors
    /// It is gone.
    pub fn rotate(&self) -> Result<()> {
        crate::process::signal(self.get("OIDC_PID").parse()?, "HUP")
    }

    /// A person with a browser logs in there; what the last page says.
    ///
    /// # Errors
    /// The browser does not come to an end.
    pub fn browse(&self, login: &Login, account: &str, more: &[&str]) -> Result<String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oidc/browser.mjs");
        run(Command::new("node").arg(script).arg(&login.url).arg(account).args(more), None)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = Command::new(servers()).arg("stop").arg(&self.folder).stderr(Stdio::null()).status();
    }
}

fn servers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/servers.sh")
}
