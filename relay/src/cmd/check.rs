//! `weir-relay check`: everything that is wrong, at once.

use super::{Output, resource, say, system};
use crate::identity::oauth::clients;
use crate::policy::{guardrails, shown};
use crate::resources::Entry;
use std::path::Path;
use weir_policy::bundle::Bundle;
use weir_shared::{
    config::{self, Problem, Severity, checked::ClientAuth},
    error::{Kind, UserFacing},
};

#[derive(clap::Args)]
pub(super) struct Args {
    /// Print the reference of all keys as Markdown.
    #[arg(long)]
    reference: bool,
}

pub(super) async fn run(args: &Args, file: &Path, output: Output) -> Result<(), UserFacing> {
    if args.reference {
        return say(config::reference::markdown().trim_end());
    }
    let text = fs_err::read_to_string(file).map_err(|error| {
        UserFacing::new(Kind::Config, error.to_string(), "run `weir-relay init FOLDER`, or name the file with --config")
    })?;
    let (problems, mut failed) = match config::parse(&text, file) {
        Ok((config, mut problems)) => {
            let errors = files(&config, file, &text);
            let failed = !errors.is_empty();
            problems.extend(errors);
            (problems, failed)
        }
        Err(problems) => (problems, true),
    };
    let mut lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if let Ok((config, _)) = config::parse(&text, file) {
        if let Err(wrong) = Bundle::load(&config.policies, &guardrails(&config)) {
            failed = true;
            lines.extend(wrong.iter().map(shown));
        }
        lines.extend(unreachable(&config).await?);
    }
    if output == Output::Json {
        say(&serde_json::to_string(&lines).map_err(|error| system(&error))?)?;
    } else {
        lines.iter().try_for_each(|line| say(line))?;
    }
    if failed {
        let hint = "correct the lines above; `weir-relay check --reference` documents every key";
        return Err(UserFacing::new(Kind::Config, "the configuration cannot be used", hint));
    }
    say(if lines.is_empty() { "the configuration is good" } else { "the configuration can be used" })
}

/// What was made over the API and means nothing any more by this configuration: the relay starts without it.
async fn unreachable(config: &config::checked::Config) -> Result<Vec<String>, UserFacing> {
    let entries = resource::known(config).await?.entries();
    let lost = entries.iter().filter_map(|(name, entry)| match entry {
        Entry::Made(made) => Some((name, made.resource.as_ref().err()?)),
        Entry::Configured(_) => None,
    });
    let line = |name: &_, problem: &Problem| {
        format!("warning: {name}, which was made over the API, cannot be reached: {}: {}", problem.key, problem.what)
    };
    Ok(lost.flat_map(|(name, problems)| problems.iter().map(move |problem| line(name, problem))).collect())
}

/// Files that the configuration names and that are not there.
fn files(config: &config::checked::Config, file: &Path, text: &str) -> Vec<Problem> {
    let mut named = vec![
        ("tls.certificate".to_owned(), config.tls_certificate.clone()),
        ("tls.key".to_owned(), config.tls_key.clone()),
        ("sealing_key".to_owned(), config.sealing_key.clone()),
        ("policies".to_owned(), config.policies.clone()),
    ];
    for (id, client) in &config.clients {
        match &client.auth {
            ClientAuth::None => {}
            ClientAuth::Secret(path) => named.push((format!("identity.clients.{id}.secret"), path.clone())),
            ClientAuth::Keys(path) => named.push((format!("identity.clients.{id}.keys"), path.clone())),
        }
    }
    let credentials =
        config.credentials.iter().map(|(name, it)| (format!("credentials.{name}"), "source", &it.source, &it.tls));
    // What a resource has by name is the credential's.
    let resources = config.resources.iter().filter(|(_, resource)| resource.named.is_none());
    let resources = resources.map(|(name, it)| (format!("resources.{name}"), "credential", &it.credential, &it.tls));
    for (at, key, source, tls) in credentials.chain(resources) {
        if let Some(ca) = &tls.ca {
            named.push((format!("{at}.ca"), ca.clone()));
        }
        if let Some((certificate, key)) = &tls.client {
            named.push((format!("{at}.client_certificate"), certificate.clone()));
            named.push((format!("{at}.client_key"), key.clone()));
        }
        if let config::checked::CredentialSource::File(path) = source {
            named.push((format!("{at}.{key}"), path.clone()));
        }
    }
    let identity = &config.identity;
    if let Some(oidc) = &identity.oidc {
        named.extend(oidc.issuer.ca.iter().map(|ca| ("identity.oidc.ca".to_owned(), ca.clone())));
        if let config::checked::CredentialSource::File(path) = &oidc.client_secret {
            named.push(("identity.oidc.client_secret".to_owned(), path.clone()));
        }
    }
    for (index, workload) in identity.workload.iter().enumerate() {
        named.extend(workload.issuer.ca.iter().map(|ca| (format!("identity.workload.{index}.ca"), ca.clone())));
    }
    let channels = &config.channels;
    let webhooks = channels.webhooks.iter().enumerate();
    let webhooks = webhooks.map(|(index, hook)| (format!("approvals.webhook.{index}.secret"), &hook.secret));
    let slack = channels.slack.iter().flat_map(|slack| {
        [("approvals.slack.token", &slack.token), ("approvals.slack.signing_secret", &slack.signing_secret)]
    });
    for (key, source) in webhooks.chain(slack.map(|(key, source)| (key.to_owned(), source))) {
        if let config::checked::CredentialSource::File(path) = source {
            named.push((key, path.clone()));
        }
    }
    let problem = |key: String, path: &Path, what: &str, accepted: &str| Problem {
        severity: Severity::Error,
        file: file.to_owned(),
        line: config::line_of(text, &key),
        key,
        what: format!("{}: {what}", path.display()),
        accepted: accepted.to_owned(),
    };
    let missing = named.into_iter().filter_map(|(key, path)| {
        let error = std::fs::metadata(&path).err()?;
        Some(problem(key, &path, &error.to_string(), "a file or folder that can be read"))
    });
    let unfit = config.clients.iter().filter_map(|(id, client)| {
        let (name, path, accepted) = match &client.auth {
            ClientAuth::None => return None,
            ClientAuth::Secret(path) => ("secret", path, "a SHA-256, 64 hexadecimal digits"),
            ClientAuth::Keys(path) => ("keys", path, "a JWK set of public keys"),
        };
        let fits = clients::is_fit(&client.auth, &fs_err::read(path).ok()?);
        (!fits).then(|| problem(format!("identity.clients.{id}.{name}"), path, "is not what it should be", accepted))
    });
    missing.chain(unfit).collect()
}
