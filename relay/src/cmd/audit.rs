//! `weir-relay audit`: the log of what was done and tried.

use super::{Output, say, system, tell};
use weir_shared::{
    config::checked::Config,
    error::{Kind, UserFacing},
};
use weir_store::Store;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Print events, oldest first.
    List {
        /// Only events whose name begins so: `alert.`, `agent.delegated`.
        #[arg(long, default_value = "")]
        event: String,
        /// At most so many, the newest.
        #[arg(long, default_value_t = 200)]
        limit: u32,
    },
    /// Find out whether any event was changed or removed.
    Verify,
}

pub(super) async fn run(command: Command, config: &Config, output: Output) -> Result<(), UserFacing> {
    let store = Store::open(&config.database).await.map_err(|error| system(&error))?;
    match command {
        Command::List { event, limit } => {
            for event in store.audit(&event, limit).await.map_err(|error| system(&error))? {
                match output {
                    Output::Json => say(&serde_json::to_string(&event).map_err(|error| system(&error))?)?,
                    Output::Text => {
                        let at = jiff::Timestamp::from_microsecond(event.at).map_err(|error| system(&error))?;
                        say(&format!("{} {at:.3} {} {} {}", event.sequence, event.event, event.actor, event.body))?;
                    }
                }
            }
            Ok(())
        }
        Command::Verify => match store.audit_verify().await.map_err(|error| system(&error))? {
            (count, None) => {
                tell(&format!("{count} events, none changed or removed between them"));
                Ok(())
            }
            (_, Some(sequence)) => {
                let message = format!("event {sequence} was changed, or one before it removed");
                Err(UserFacing::new(Kind::System, message, "compare with a copy of the database"))
            }
        },
    }
}
