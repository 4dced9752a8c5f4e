//! `weir-relay resource`: look at resources from the relay's own machine.

use super::{Output, say, system, tell};
use crate::{
    resources::{Entry, Resources},
    upstream,
};
use std::sync::Arc;
use weir_shared::{
    config::checked::{Config, Resource},
    error::{Kind, UserFacing},
    id::ResourceName,
};
use weir_store::Store;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List the resources: of the configuration, and made over the API.
    List,
    /// Dial a resource, log in, report TLS and role, hang up.
    Test {
        /// Name.
        name: String,
    },
    /// Print the SQL of a role that may do no more than agents need.
    Role {
        /// Name.
        name: String,
        /// It only reads.
        #[arg(long)]
        read_only: bool,
    },
}

pub(super) async fn run(command: Command, config: &Config, output: Output) -> Result<(), UserFacing> {
    let resources = known(config).await?;
    match command {
        Command::List => {
            if resources.entries().is_empty() {
                tell("there is no resource; add [resources.NAME] to the configuration");
            }
            for (name, entry) in resources.entries() {
                let origin = match &entry {
                    Entry::Configured(_) => "configuration",
                    Entry::Made(_) => "api",
                };
                let Some(resource) = entry.resource() else {
                    tell(&format!("{name} was made over the API and cannot be reached: run `weir-relay check`"));
                    continue;
                };
                let place = resource.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                let line = if output == Output::Json {
                    serde_json::json!({
                        "name": resource.name, "kind": resource.kind.as_str(), "address": place,
                        "databases": resource.databases, "role": resource.role, "labels": resource.labels, "origin": origin,
                    })
                    .to_string()
                } else {
                    format!("{name:<24} {:<10} {place:<28} {:<16} {origin}", resource.kind.as_str(), resource.role)
                };
                say(&line)?;
            }
            Ok(())
        }
        Command::Role { name, read_only } => {
            let resource = named(&resources, &name)?;
            say(upstream::role_statements(&resource, !read_only).trim_end())
        }
        Command::Test { name } => {
            let resource = named(&resources, &name)?;
            let report = upstream::test(&resource).await?;
            for column in &report.missing_columns {
                tell(&format!("warning: columns: there is no {column}: nothing is masked by that name"));
            }
            for power in &report.powers {
                tell(&format!("warning: the role {} {power}: see `weir-relay resource role {name}`", report.role));
            }
            if output == Output::Json {
                return say(&serde_json::to_string(&report).map_err(|error| system(&error))?);
            }
            say(&format!(
                "{name}: logged in as {}\n  host    {}\n  TLS     {}\n  server  {}",
                report.role, report.host, report.tls, report.server_version
            ))?;
            match report.fitting_databases.as_slice() {
                [] => Ok(()),
                fitting => say(&format!("  offers  {} by its patterns", fitting.join(", "))),
            }
        }
    }
}

fn named(resources: &Resources, name: &str) -> Result<Arc<Resource>, UserFacing> {
    let missing = || UserFacing::new(Kind::NotFound, format!("no resource {name:?}"), "run `weir-relay resource list`");
    ResourceName::new(name).ok().and_then(|name| resources.get(&name)).ok_or_else(missing)
}

/// The configuration's resources, and those that were made.
///
/// # Errors
/// When the store fails.
pub(super) async fn known(config: &Config) -> Result<Resources, UserFacing> {
    // Before the relay has run there is no store, and looking makes none.
    if !config.database.exists() {
        return Ok(Resources::new(config, Vec::new()));
    }
    let store = Store::open(&config.database).await.map_err(|error| system(&error))?;
    let stored = store.resources().await.map_err(|error| system(&error))?;
    store.close().await;
    Ok(Resources::new(config, stored))
}
