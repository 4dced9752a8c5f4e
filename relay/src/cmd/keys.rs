//! `weir-relay keys`: the keys that sign access tokens. A running relay follows within two seconds.

use super::{Output, say, system, tell};
use crate::identity::oauth::signing::{self, Keys};
use weir_shared::{config::checked::Config, error::UserFacing};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List the keys: which one signs, which one will, which ones only verify what they signed.
    List,
    /// Let the next key sign from now on; nobody is logged out.
    Rotate,
}

pub(super) fn run(command: &Command, config: &Config, output: Output) -> Result<(), UserFacing> {
    let (folder, now) = (&config.token_keys, jiff::Timestamp::now().as_second());
    if matches!(command, Command::Rotate) {
        signing::rotate(folder, now).map_err(|error| system(&error))?;
        tell("the next key signs now; the old one verifies what it signed until that has expired");
    }
    let ring = Keys::open(folder, now).map_err(|error| system(&error))?.ring();
    let current = ring.current(now).map_or(now, |key| key.from);
    for key in ring.all() {
        let state = match key.from.cmp(&current) {
            std::cmp::Ordering::Less => "verifies",
            std::cmp::Ordering::Equal => "signs",
            std::cmp::Ordering::Greater => "waits",
        };
        let from = jiff::Timestamp::from_second(key.from).map_err(|error| system(&error))?;
        say(&match output {
            Output::Json => serde_json::json!({ "kid": key.kid, "state": state, "from": key.from }).to_string(),
            Output::Text => format!("{:<44} {state:<9} from {from}", key.kid),
        })?;
    }
    Ok(())
}
