//! `weir-relay resource`: look at resources from the relay's own machine.

use super::{Output, say, system, tell};
use crate::upstream;
use weir_shared::{
    config::checked::Config,
    error::{Kind, UserFacing},
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List the configured resources.
    List,
    /// Dial a resource, log in, report TLS and role, hang up.
    Test {
        /// Name.
        name: String,
    },
}

pub(super) async fn run(command: Command, config: &Config, output: Output) -> Result<(), UserFacing> {
    match command {
        Command::List => {
            if config.resources.is_empty() {
                tell("no resource is configured; add [resources.NAME] to the configuration");
            }
            for resource in config.resources.values() {
                let place = resource.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                let line = if output == Output::Json {
                    serde_json::json!({
                        "name": resource.name, "kind": resource.kind.as_str(), "address": place,
                        "databases": resource.databases, "role": resource.role, "labels": resource.labels,
                    })
                    .to_string()
                } else {
                    format!("{:<24} {:<10} {place:<28} {}", resource.name, resource.kind.as_str(), resource.role)
                };
                say(&line)?;
            }
            Ok(())
        }
        Command::Test { name } => {
            let resource = config.resources.values().find(|resource| resource.name.as_str() == name);
            let missing =
                || UserFacing::new(Kind::NotFound, format!("no resource {name:?}"), "run `weir-relay resource list`");
            let report = upstream::test(resource.ok_or_else(missing)?).await?;
            for column in &report.missing_columns {
                tell(&format!("warning: columns: there is no {column}: nothing is masked by that name"));
            }
            if output == Output::Json {
                return say(&serde_json::to_string(&report).map_err(|error| system(&error))?);
            }
            say(&format!(
                "{name}: logged in as {}\n  host    {}\n  TLS     {}\n  server  {}",
                report.role, report.host, report.tls, report.server_version
            ))
        }
    }
}
