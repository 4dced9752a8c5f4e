//! `weir admin policies explain`: how the policies in force decide a request.

use crate::{
    api::{Session, encoded},
    settings::Settings,
    ui,
    ui::Output,
};
use serde_json::Value;
use weir_shared::{
    api::{ExplainBody, Explanation},
    error::{Kind, UserFacing},
};

#[derive(clap::Args)]
pub(in crate::cmd) struct Args {
    /// Who asks.
    #[arg(long)]
    user: String,
    /// A role of theirs; may be given several times. Those that the user has, when none is named.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Hops between the user's login and who asks.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=64))]
    depth: u32,
    /// The login is a workload's.
    #[arg(long)]
    ci: bool,
    /// The resource; its labels are the configured ones.
    #[arg(long)]
    resource: String,
    /// A label of the resource, for one that is not configured; may be given several times.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// The statement; without one, the connection is asked about.
    #[arg(long)]
    sql: Option<String>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as env=prod")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub(super) async fn run(settings: &Settings, args: Args, output: Output) -> Result<(), UserFacing> {
    let session = Session::open(settings).await?;
    if args.labels.is_empty() {
        tell_if_unknown(&session, &args.resource).await;
    }
    let Args { user, roles, depth, ci, resource, labels, sql } = args;
    let roles = Some(roles).filter(|roles| !roles.is_empty());
    let body = ExplainBody { user, roles, depth, ci, resource, labels: labels.into_iter().collect(), sql };
    let answer: Value = session.post("/policies/explain", &body).await?;
    if output == Output::Json {
        ui::json(&answer);
        return Ok(());
    }
    let unreadable =
        |_| UserFacing::new(Kind::Incompatible, "the explanation cannot be read", "upgrade weir, or the relay");
    match serde_json::from_value::<Option<Explanation>>(answer).map_err(unreadable)? {
        Some(explanation) => explanation.lines().iter().for_each(|line| ui::say(&ui::visible_line(line))),
        None => ui::tell("this needs nothing but the connection"),
    }
    Ok(())
}

/// Policies speak of labels: of a resource that is not there, there are none.
async fn tell_if_unknown(session: &Session, resource: &str) {
    let asked = session.get::<Value>(&format!("/resources/{}", encoded(resource))).await;
    if asked.is_err_and(|error| error.kind == Kind::NotFound) {
        ui::tell(&format!("{} is not configured: it has no labels", ui::visible_line(resource)));
    }
}
