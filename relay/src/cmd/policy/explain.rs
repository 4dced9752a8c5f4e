//! `weir-relay policy explain`.

use super::{action_of, bundle, configuration, place};
use crate::cmd::{Output, resource, say, system, tell};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use weir_policy::{
    bundle::{Action, Moment, Subject, Target},
    sql,
};
use weir_shared::{
    error::{Kind, UserFacing},
    id::ResourceName,
};
use weir_store::Store;

#[derive(clap::Args)]
pub(in crate::cmd) struct Args {
    /// Who asks: USER, with the user's roles, or USER:ROLE,ROLE.
    #[arg(long = "as", value_name = "USER[:ROLE,...]")]
    who: String,
    /// Hops between the user's login and who asks.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=64))]
    depth: u32,
    /// The login is a workload's.
    #[arg(long)]
    ci: bool,
    /// The resource; its labels are the configured ones.
    #[arg(long)]
    connect: String,
    /// A label of the resource, for one that is not configured; may be given several times.
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// The statement; without one, the connection is asked about.
    #[arg(long)]
    sql: Option<String>,
    /// The folder of policies; the configured one when none is named.
    #[arg(long)]
    policies: Option<PathBuf>,
}

pub(super) async fn run(args: Args, config: &Path, output: Output) -> Result<(), UserFacing> {
    let (folder, guardrails) = place(args.policies.as_deref(), config)?;
    let bundle = bundle(&folder, &guardrails)?;
    let (subject, target) = (subject(&args, config).await?, target(&args, config).await?);
    let facts = args.sql.as_deref().map(sql::facts);
    let action = facts.as_ref().map_or(Some(Action::Connect), action_of);
    let Some(action) = action else {
        tell("this needs nothing but the connection");
        return Ok(());
    };
    let now = Moment::of(jiff::Timestamp::now().as_microsecond());
    let explanation = bundle.judge(&subject, &target).explain(action, facts.as_ref(), now);
    if output == Output::Json {
        return say(&serde_json::to_string(&explanation).map_err(|error| system(&error))?);
    }
    if let Some(facts) = &facts {
        tell(&format!("{}: {}", facts.class.as_str(), facts.reason));
    }
    explanation.lines().iter().try_for_each(|line| say(line))
}

async fn subject(args: &Args, config: &Path) -> Result<Subject, UserFacing> {
    let (user, roles) = match args.who.split_once(':') {
        Some((user, roles)) => (user, roles.split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect()),
        None => (args.who.as_str(), roles_of(&args.who, config).await?),
    };
    Ok(Subject { user: user.to_owned(), roles, depth: args.depth, ci: args.ci })
}

async fn roles_of(user: &str, config: &Path) -> Result<Vec<String>, UserFacing> {
    let unknown = || {
        let hint = "say the roles: --as USER:ROLE,ROLE";
        UserFacing::new(Kind::NotFound, format!("the roles of {user:?} are not known here"), hint)
    };
    let config = configuration(config)?.ok_or_else(unknown)?;
    let store = Store::open(&config.database).await.map_err(|error| system(&error))?;
    let user = store.user(user).await.map_err(|error| system(&error))?;
    user.map(|user| user.roles).ok_or_else(unknown)
}

async fn target(args: &Args, config: &Path) -> Result<Target, UserFacing> {
    let known = match (configuration(config)?, ResourceName::new(&args.connect)) {
        (Some(config), Ok(name)) => resource::known(&config).await?.get(&name),
        _ => None,
    };
    if known.is_none() && args.labels.is_empty() {
        tell(&format!("there is no resource {}: it has no labels", args.connect));
    }
    let mut labels: BTreeMap<String, String> = known.map(|known| known.labels.clone()).unwrap_or_default();
    for label in &args.labels {
        let wrong = || UserFacing::new(Kind::Usage, format!("{label:?} is no label"), "write --label env=prod");
        let (key, value) = label.split_once('=').ok_or_else(wrong)?;
        labels.insert(key.to_owned(), value.to_owned());
    }
    Ok(Target { resource: args.connect.clone(), labels })
}
