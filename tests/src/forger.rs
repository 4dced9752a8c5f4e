//! An agent whose key the test holds: it can sign and send whatever an attacker would.

use crate::{
    lab::{Lab, password_of},
    login, stranger,
};
use anyhow::{Context as _, Result, anyhow};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};
use weir_shared::{
    hop::{Bearer, Budget, Hop, digest},
    keys::{SessionKey, Thumbprint},
    scope::Scope,
};

/// A key, and an HTTP client that shows it.
pub struct Forger {
    /// The key.
    pub key: SessionKey,
    client: reqwest::Client,
    relay: String,
}

/// What the API answers.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The content's type; empty when there is none.
    pub kind: String,
    /// Its tag.
    pub etag: Option<String>,
    /// The content, when it is JSON.
    pub body: Value,
}

/// Seconds since 1970.
///
/// # Errors
/// The clock stands before then.
pub fn now() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?)
}

impl Forger {
    /// A fresh key that is nobody's.
    ///
    /// # Errors
    /// The lab's certificate cannot be read.
    pub fn stranger(lab: &Lab) -> Result<Self> {
        let key = SessionKey::generate()?;
        let tls = stranger::tls(lab, Some(&key))?;
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).build()?;
        Ok(Self { key, client, relay: lab.url().to_owned() })
    }

    /// The same, logged in: a root of this user.
    ///
    /// # Errors
    /// The login fails.
    pub async fn root(lab: &Lab, user: &str) -> Result<Self> {
        Self::root_with(lab, user, "weir:read weir:approve weir:connect weir:admin").await
    }

    /// The same, with these scopes only.
    ///
    /// # Errors
    /// The login fails.
    pub async fn root_with(lab: &Lab, user: &str, scopes: &str) -> Result<Self> {
        let forger = Self::stranger(lab)?;
        let (redirect, verifier) = ("http://127.0.0.1:9/callback", "v".repeat(43));
        let challenge = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
        let url = format!(
            "{}/oauth/authorize?response_type=code&client_id=weir-cli&redirect_uri={redirect}&state=s\
             &code_challenge={}&code_challenge_method=S256&scope={}",
            lab.url(),
            URL_SAFE_NO_PAD.encode(challenge),
            scopes.replace(' ', "%20")
        );
        let browser = login::browser(&lab.ca())?;
        let to = login::fill_in(&browser, &url, user, &password_of(user)).await?;
        let to = reqwest::Url::parse(&to.map_err(|status| anyhow!("not let in: {status}"))?)?;
        let code = to.query_pairs().find(|(name, _)| name == "code").context("no code")?.1.into_owned();
        let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", redirect)];
        let (status, answer) = forger.token(&[&form[..], &[("code_verifier", &verifier)]].concat()).await?;
        anyhow::ensure!(status == 200, "{answer}");
        Ok(forger)
    }

    /// Its key's thumbprint.
    ///
    /// # Errors
    /// Never for a key made here.
    pub fn thumbprint(&self) -> Result<Thumbprint> {
        Ok(self.key.thumbprint()?)
    }

    /// A hop statement that is good: from this root to `child`.
    ///
    /// # Errors
    /// The relay does not know this key.
    pub async fn hop(&self, child: Thumbprint) -> Result<Hop> {
        let (_, who) = self.get("/whoami").await?;
        let agent = who.get("agent").and_then(Value::as_str).context("no agent")?;
        Ok(Hop {
            parent: self.thumbprint()?,
            cnf: Bearer::Key(child),
            audience: self.relay.clone(),
            issued_at: now()?,
            expires_at: now()? + 300,
            depth: 1,
            max_depth: 8,
            scope: Scope::WHOLE,
            budget: Budget::default(),
            previous: digest(agent),
        })
    }

    /// Presents a hop statement, as whoever holds this key.
    ///
    /// # Errors
    /// The relay does not answer.
    pub async fn present(&self, jws: &str) -> Result<(u16, Value)> {
        self.exchange("urn:weir:params:oauth:token-type:hop", jws).await
    }

    /// Presents a ticket.
    ///
    /// # Errors
    /// The relay does not answer.
    pub async fn redeem(&self, ticket: &str) -> Result<(u16, Value)> {
        self.exchange("urn:weir:params:oauth:token-type:ticket", ticket).await
    }

    async fn exchange(&self, kind: &str, token: &str) -> Result<(u16, Value)> {
        let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
        self.token(&[("grant_type", grant), ("subject_token_type", kind), ("subject_token", token)]).await
    }

    /// Sends a form to the token endpoint.
    ///
    /// # Errors
    /// The relay does not answer.
    pub async fn token(&self, form: &[(&str, &str)]) -> Result<(u16, Value)> {
        let form = [form, &[("client_id", "weir-cli")]].concat();
        let answer = self.client.post(format!("{}/oauth/token", self.relay)).form(&form).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// A call of the API.
    ///
    /// # Errors
    /// The relay does not answer.
    pub async fn get(&self, path: &str) -> Result<(u16, Value)> {
        let answer = self.client.get(format!("{}/api/v1{path}", self.relay)).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// The same, with a body.
    ///
    /// # Errors
    /// The relay does not answer.
    pub async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let answer = self.client.post(format!("{}/api/v1{path}", self.relay)).json(body).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// Any call of the API. A stream's body is not waited for.
    ///
    /// # Errors
    /// The relay does not answer.
    pub async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Result<Reply> {
        let mut call = self.client.request(method.parse()?, format!("{}/api/v1{path}", self.relay));
        call = headers.iter().fold(call, |call, (name, value)| call.header(*name, *value));
        if let Some(body) = body {
            let kind = if method == "PUT" { "text/plain" } else { "application/json" };
            call = call.header("content-type", kind).body(body.to_owned());
        }
        let answer = call.send().await?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (status, kind, etag) =
            (answer.status().as_u16(), header("content-type").unwrap_or_default(), header("etag"));
        let body =
            if kind == "application/json" || kind.ends_with("+json") { answer.json().await? } else { Value::Null };
        Ok(Reply { status, kind, etag, body })
    }
}
