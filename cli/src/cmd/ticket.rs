//! `weir ticket`: a session for a container or another machine, handed over once.

use super::run::{Narrow, duration};
use crate::{
    identity::{self, Asked, parent::Parent, supervisor},
    settings::Settings,
    ui,
};
use std::{path::Path, time::Duration};
use weir_shared::error::{Kind, UserFacing};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    narrow: Narrow,
    /// How soon it must be used: at most 10m.
    #[arg(long, value_parser = duration, default_value = "60s")]
    redeem_within: Duration,
}

/// Prints a ticket. Whoever has it can use it, once: it goes to standard output and nowhere else.
pub(super) async fn run(settings: &Settings, args: &Args) -> Result<(), UserFacing> {
    let within = u32::try_from(args.redeem_within.as_secs()).unwrap_or(u32::MAX);
    if within > 600 {
        return Err(UserFacing::new(Kind::Usage, "a ticket is used within ten minutes", "give a shorter time"));
    }
    let asked = args.narrow.asked();
    let ticket = match std::env::var_os(identity::SOCKET).filter(|path| !path.is_empty()) {
        Some(socket) => Parent::ticket(Path::new(&socket), &asked, within).await?,
        None => {
            // The ticket's session lives below this one, which is not ended with the command.
            let claims = identity::claims("weir ticket");
            let session = identity::open_detached(settings, &Asked { claims, ..Asked::default() }).await?;
            let Asked { scope, ttl, hops, budget, .. } = asked;
            session.who().await?;
            supervisor::ticket(&session, scope, ttl.map(|ttl| ttl.as_secs()), hops, budget, within).await?
        }
    };
    let text = serde_json::to_string(&ticket).map_err(|error| ui::system("the ticket", &error))?;
    ui::say(&text);
    ui::tell("one use, with `weir run --ticket FILE -- COMMAND`; used twice, it ends what it began");
    Ok(())
}
