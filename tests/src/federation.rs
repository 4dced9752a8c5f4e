//! Those who vouch for others: the real provider that `scripts/servers.sh oidc` starts, and a stand-in issuer, served here, whose
//! answers a test can make wrong in any way. The stand-in signs with ES256 and answers in plain HTTP on loopback.

use crate::{
    agent::Agent,
    lab::{Lab, run},
    login,
    process::Lines,
};
use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use reqwest::{Url, header};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Seconds since 1970.
#[must_use]
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

/// What the audit log holds, oldest first: event, actor and body of each row.
///
/// # Errors
/// It cannot be read.
pub fn audit(lab: &Lab) -> Result<String> {
    const READ: &str = "import sqlite3, sys\nfor row in sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True)\
                        .execute('SELECT event, actor, body FROM audit ORDER BY seq'): print(*row)";
    run(Command::new("python3").args(["-c", READ]).arg(lab.relay_folder().join("weir.db")), None)
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
        let agent = Agent::new(lab.folder().join("homes").join(name))?;
        let mut command = agent.command()?;
        command.args(["login", "--relay", lab.url(), "--no-browser", "--ca"]).arg(lab.ca());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let lines = Lines::of(child.stderr.take().context("no standard error")?);
        let url = lines.find(PATIENCE, |line| Some(line.trim().to_owned()).filter(|line| line.starts_with("https://")));
        Ok(Self { agent, url: url?, child, lines })
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

type Answer = Box<dyn Fn(&StandIn, &str) -> String + Send + Sync>;

struct Inner {
    url: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: Vec<(String, Arc<EncodingKey>, Jwk)>,
    made: usize,
    nonce: String,
    answer: Option<Arc<Answer>>,
    callback: String,
    fetched: usize,
}

/// An issuer of the test's own, standing in for any provider or platform.
#[derive(Clone)]
pub struct StandIn(Arc<Inner>);

impl std::fmt::Debug for StandIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StandIn").field(&self.0.url).finish()
    }
}

impl StandIn {
    /// Serves its documents until the process ends.
    ///
    /// # Errors
    /// There is no port.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let own = Self(Arc::new(Inner { url, state: Mutex::default() }));
        own.rotate()?;
        let serving = own.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        Ok(own)
    }

    /// Its `iss`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// How often its keys were asked for.
    #[must_use]
    pub fn fetched(&self) -> usize {
        self.state().fetched
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new key; the old one is no longer published.
    ///
    /// # Errors
    /// None can be made.
    pub fn rotate(&self) -> Result<()> {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let private = EncodingKey::from_ec_der(&pair.serialize_der());
        let mut public = Jwk::from_encoding_key(&private, Algorithm::ES256)?;
        let mut state = self.state();
        state.made += 1;
        let kid = format!("key-{}", state.made);
        public.common.key_id = Some(kid.clone());
        state.keys = vec![(kid, Arc::new(private), public)];
        Ok(())
    }

    /// What its token endpoint gives as the ID token; the nonce is that of the last authorization request.
    pub fn answers(&self, answer: impl Fn(&Self, &str) -> String + Send + Sync + 'static) {
        self.state().answer = Some(Arc::new(Box::new(answer)));
    }

    /// What it adds to the callback's query.
    pub fn calls_back_with(&self, more: &str) {
        self.state().callback = more.to_owned();
    }

    /// A token of these claims, signed by the current key.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        let (kid, key, _) = self.state().keys.first().cloned().unwrap_or_else(|| unreachable!("one was made"));
        let head = Header { kid: Some(kid), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&head, claims, &key).unwrap_or_default()
    }

    /// The public key, as published.
    #[must_use]
    pub fn public_key(&self) -> Value {
        self.state().keys.first().map(|(_, _, public)| json!(public)).unwrap_or_default()
    }

    fn serve(&self, mut stream: TcpStream) {
        let Ok(reading) = stream.try_clone() else { return };
        let mut reader = BufReader::new(reading);
        let (mut line, mut length) = (String::new(), 0);
        if reader.read_line(&mut line).is_err() {
            return;
        }
        let mut header = String::new();
        while reader.read_line(&mut header).is_ok_and(|read| read > 2) {
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            header.clear();
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or_default();
        let Ok(asked) = Url::parse(&format!("{}{path}", self.url())) else { return };
        let answer = self.answer(&asked);
        let _ = stream.write_all(answer.as_bytes());
    }

    fn answer(&self, asked: &Url) -> String {
        let url = self.url();
        let query: HashMap<String, String> = asked.query_pairs().into_owned().collect();
        let of = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let body = match asked.path() {
            "/.well-known/openid-configuration" => json!({
                "issuer": url, "jwks_uri": format!("{url}/jwks"), "authorization_endpoint": format!("{url}/authorize"),
                "token_endpoint": format!("{url}/token"), "authorization_response_iss_parameter_supported": true,
            }),
            "/jwks" => {
                self.state().fetched += 1;
                json!({ "keys": [self.public_key()] })
            }
            "/authorize" => {
                self.state().nonce = of("nonce").to_owned();
                let more = self.state().callback.clone();
                let more = if more.is_empty() { format!("code=code&iss={url}") } else { more };
                let to = format!("{}?state={}&{more}", of("redirect_uri"), of("state"));
                return format!(
                    "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
            }
            "/token" => {
                let answer = self.state().answer.clone();
                let nonce = self.state().nonce.clone();
                let token = answer.map(|answer| answer(self, &nonce)).unwrap_or_default();
                json!({ "id_token": token, "access_token": "unused", "token_type": "Bearer" })
            }
            // As GitHub Actions gives a job its token.
            "/github" => {
                let answer = self.state().answer.clone();
                json!({ "value": answer.map(|answer| answer(self, of("audience"))).unwrap_or_default() })
            }
            _ => return "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
        };
        let body = body.to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
        format!("{head}content-length: {}\r\n\r\n{body}", body.len())
    }
}

/// A token whose signature is whatever is given: for heads that no library signs.
#[must_use]
pub fn unsigned(head: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |value: &[u8]| URL_SAFE_NO_PAD.encode(value);
    format!("{}.{}.{}", part(head.to_string().as_bytes()), part(claims.to_string().as_bytes()), part(signature))
}
