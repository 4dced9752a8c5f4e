//! The platform's own token of a CI job or a workload: where it is found, and how one is asked for. It is good once, so it goes
//! to the relay at once and is kept nowhere.
//!
//! | found by | platform |
//! |---|---|
//! | `--id-token-env NAME` | any: that variable |
//! | `WEIR_ID_TOKEN_FILE` | Kubernetes, and any other: a projected token's file |
//! | `WEIR_ID_TOKEN` | GitLab (`id_tokens`), and any other |
//! | `ACTIONS_ID_TOKEN_REQUEST_URL`, `ACTIONS_ID_TOKEN_REQUEST_TOKEN` | GitHub Actions: asks it for one |
//! | `BUILDKITE` | Buildkite: `buildkite-agent oidc request-token` |
//! | `CIRCLE_OIDC_TOKEN_V2` | CircleCI: `circleci run oidc get`, else that variable |

use crate::{identity::parent::supervisor_above, login_flow, ui};
use serde::Deserialize;
use std::{path::PathBuf, process::Stdio, time::Duration};
use weir_shared::{
    api::Claims,
    error::{Kind, UserFacing},
};
use zeroize::Zeroizing;

/// How long the platform may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the token comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file that the platform keeps.
    File(PathBuf),
    /// A variable that the platform has set.
    Variable(String),
    /// GitHub Actions, at this address.
    GitHub(String),
    /// A program of the platform's.
    Buildkite,
    /// A program of the platform's, or the variable.
    CircleCi,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "the token in {}", path.display()),
            Self::Variable(name) => write!(f, "the token in ${name}"),
            Self::GitHub(_) => f.write_str("a token from GitHub Actions"),
            Self::Buildkite => f.write_str("a token from buildkite-agent"),
            Self::CircleCi => f.write_str("a token from CircleCI"),
        }
    }
}

impl Source {
    /// The first that the environment offers; `named` is the variable that the user says.
    pub(crate) fn find(
        named: Option<String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, UserFacing> {
        let has = |name: &str| environment(name).filter(|value| !value.is_empty());
        if let Some(name) = named {
            let hint = "does the job's configuration set it?";
            let missing = || UserFacing::new(Kind::Usage, format!("${name} is not set"), hint);
            return has(&name).map(|_| Self::Variable(name.clone())).ok_or_else(missing);
        }
        if let Some(path) = has("WEIR_ID_TOKEN_FILE") {
            return Ok(Self::File(path.into()));
        }
        if has("WEIR_ID_TOKEN").is_some() {
            return Ok(Self::Variable("WEIR_ID_TOKEN".to_owned()));
        }
        if let (Some(url), Some(_)) = (has("ACTIONS_ID_TOKEN_REQUEST_URL"), has("ACTIONS_ID_TOKEN_REQUEST_TOKEN")) {
            return Ok(Self::GitHub(url));
        }
        if has("BUILDKITE").is_some() {
            return Ok(Self::Buildkite);
        }
        if has("CIRCLE_OIDC_TOKEN_V2").is_some() {
            return Ok(Self::CircleCi);
        }
        let hint = if has("GITHUB_ACTIONS").is_some() {
            "give the job `permissions: id-token: write`"
        } else if has("GITLAB_CI").is_some() {
            "give the job `id_tokens: WEIR_ID_TOKEN: aud: RELAY`"
        } else {
            "set WEIR_ID_TOKEN_FILE, or name the variable that holds it with --id-token-env"
        };
        Err(UserFacing::new(Kind::Unauthenticated, "the platform offers no token of this workload", hint))
    }

    /// The token, for this audience where the platform lets us choose.
    pub(crate) async fn token(&self, audience: &str) -> Result<Zeroizing<String>, UserFacing> {
        let failed = |why: &dyn std::fmt::Display| {
            let hint = "look at the job's configuration and log";
            UserFacing::new(Kind::Unauthenticated, format!("{self} cannot be had: {why}"), hint)
        };
        let variable = |name: &str| std::env::var(name).map_err(|error| failed(&error));
        let token = match self {
            Self::File(path) => fs_err::read_to_string(path).map_err(|error| failed(&error))?,
            Self::Variable(name) => variable(name)?,
            Self::GitHub(url) => {
                let right = Zeroizing::new(variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?);
                github(url, &right, audience).await.map_err(|error| failed(&error))?
            }
            Self::Buildkite => {
                let ids = ["--claim", "organization_id", "--claim", "pipeline_id"];
                let arguments = [&["oidc", "request-token", "--audience", audience][..], &ids].concat();
                program("buildkite-agent", &arguments).await.map_err(|error| failed(&error))?
            }
            Self::CircleCi => {
                let claims = serde_json::json!({ "aud": audience }).to_string();
                match program("circleci", &["run", "oidc", "get", "--claims", &claims]).await {
                    Ok(token) => token,
                    // Its audience is the organization, which the relay must be told.
                    Err(_) => variable("CIRCLE_OIDC_TOKEN_V2")?,
                }
            }
        };
        let token = Zeroizing::new(token);
        match token.trim() {
            "" => Err(failed(&"it is empty")),
            token => Ok(Zeroizing::new(token.to_owned())),
        }
    }
}

/// Asks GitHub Actions, as its own toolkit does.
async fn github(url: &str, right: &str, audience: &str) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Answer {
        value: String,
    }
    let mut url = url::Url::parse(url).map_err(|error| error.to_string())?;
    let loopback = matches!(url.host(), Some(url::Host::Ipv4(address)) if address.is_loopback());
    if url.scheme() != "https" && !loopback {
        return Err("its address is not https".to_owned());
    }
    url.query_pairs_mut().append_pair("audience", audience);
    let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build();
    let asked = async {
        let answer = client?.get(url).bearer_auth(right).send().await?.error_for_status()?;
        answer.json::<Answer>().await
    };
    // The error's own text would name the address, which is the job's alone.
    asked.await.map(|answer| answer.value).map_err(|error: reqwest::Error| error.without_url().to_string())
}

/// What a program of the platform's prints.
async fn program(name: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = tokio::process::Command::new(name);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output());
    let output = output.await.map_err(|_| format!("{name} does not answer"))?.map_err(|e| format!("{name}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{name} failed with {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{name} printed no text"))
}

/// Logs in with the platform's token (RFC 8693); a refresh token for the other processes of the job.
pub(crate) async fn log_in(
    client: &reqwest::Client,
    relay: &str,
    source: &Source,
) -> Result<Zeroizing<String>, UserFacing> {
    #[derive(Deserialize)]
    struct Answer {
        refresh_token: Zeroizing<String>,
    }
    ui::tell(&format!("logging in with {source}"));
    let token = source.token(relay).await?;
    let claims = Claims { supervisor: supervisor_above(), ..Claims::default() };
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("subject_token", token.as_str()),
        ("scope", "offline_access"),
        ("client_id", login_flow::CLIENT),
        ("evidence", &serde_json::to_string(&claims).unwrap_or_default()),
    ];
    let answer = login_flow::ask::<Answer>(client, relay, &form).await?;
    answer.map(|answer| answer.refresh_token).map_err(|why| {
        let hint = "the relay's administrator says which workloads may come: [[identity.workload]]";
        UserFacing::new(Kind::Unauthenticated, format!("the relay refused the login: {why}"), hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(named: Option<&str>, set: &[(&str, &str)]) -> Result<Source, UserFacing> {
        let get = |name: &str| set.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        Source::find(named.map(str::to_owned), get)
    }

    #[test]
    fn each_platform_is_found_by_its_own_variables() {
        let github = [("ACTIONS_ID_TOKEN_REQUEST_URL", "https://x/?a=b"), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t")];
        assert_eq!(find(None, &github).unwrap(), Source::GitHub("https://x/?a=b".into()));
        assert_eq!(find(None, &[("WEIR_ID_TOKEN", "t")]).unwrap(), Source::Variable("WEIR_ID_TOKEN".into()));
        assert_eq!(find(None, &[("WEIR_ID_TOKEN_FILE", "/t")]).unwrap(), Source::File("/t".into()));
        assert_eq!(find(None, &[("BUILDKITE", "true")]).unwrap(), Source::Buildkite);
        assert_eq!(find(None, &[("CIRCLE_OIDC_TOKEN_V2", "t")]).unwrap(), Source::CircleCi);
        assert_eq!(find(Some("MINE"), &[("MINE", "t"), github[0]]).unwrap(), Source::Variable("MINE".into()));
        for (set, hint) in [
            (&[("GITHUB_ACTIONS", "true")][..], "id-token: write"),
            (&[("GITLAB_CI", "true")], "id_tokens"),
            (&[("WEIR_ID_TOKEN", "")], "WEIR_ID_TOKEN_FILE"),
        ] {
            assert!(find(None, set).unwrap_err().hint.contains(hint), "{hint}");
        }
        assert_eq!(find(Some("MINE"), &github).unwrap_err().kind, Kind::Usage);
    }

    #[tokio::test]
    async fn githubs_right_to_ask_goes_over_tls_only() {
        let refused = github("http://example.invalid/token", "right", "https://relay").await;
        assert_eq!(refused, Err("its address is not https".to_owned()));
    }
}
