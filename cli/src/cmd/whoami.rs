//! `weir whoami`: who the relay takes this process for, where the login is kept, and what nobody here can enforce.

use crate::{api::Session, keystore, settings::Settings, ui, ui::Output};
use weir_shared::{api::WhoAmI, error::UserFacing};

/// What `--output json` prints.
#[derive(serde::Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    who: &'a WhoAmI,
    /// Where the login is kept; none when it cannot be read from here.
    kept_in: Option<String>,
    not_enforced: Vec<&'static str>,
}

pub(super) async fn run(settings: &Settings, chain: bool, output: Output) -> Result<(), UserFacing> {
    let session = Session::open(settings).await?;
    let who = session.who().await?;
    let place = keystore::load(settings).ok().map(|(_, place)| place);
    let not_enforced = not_enforced(session.standing.parent.is_some(), place.is_some());
    if output == Output::Json {
        ui::json(&Shown { who, kept_in: place.map(|place| place.to_string()), not_enforced });
        return Ok(());
    }
    ui::say(&format!("{} ({})", who.user, who.roles.join(", ")));
    ui::say(&format!("  relay    {}", who.relay));
    ui::say(&format!("  agent    {}", who.agent));
    let kept = match (&session.standing.parent, place) {
        (Some(_), _) => "which is its supervisor's".to_owned(),
        (None, Some(place)) => format!("kept in {place}"),
        (None, None) => "kept nowhere".to_owned(),
    };
    ui::say(&format!("  login    until {}, {kept}", ui::time(who.login_expires_at)));
    if chain {
        for view in &who.chain {
            let command = ui::visible(view.evidence.command.as_deref().unwrap_or("?"));
            ui::say(&format!("  depth {}  {} \"{command}\" may at most: {}", view.depth, view.id, view.scope));
        }
    }
    for note in not_enforced {
        ui::say(&format!("  note     {note}"));
    }
    Ok(())
}

/// What a program of the same user, or root, can do all the same.
fn not_enforced(supervised: bool, login_in_reach: bool) -> Vec<&'static str> {
    let mut notes = vec!["programs of the same user on this machine can use the open ports"];
    match (supervised, login_in_reach) {
        (true, true) => notes.push(
            "this command runs as the user whose login is stored here: a program that is not weir can read it, and act \
             beyond what the command was given; as another user, in a container, or without a network \
             (`weir run --isolate`) it cannot",
        ),
        (true, false) => notes.push(
            "the commands of this user can attack each other (ptrace): what a nested `weir run` takes away is no wall \
             between them; another user, a container or `weir run --isolate` is",
        ),
        (false, true) => notes.push("programs of the same user can read the stored login, wherever it is kept"),
        (false, false) => {}
    }
    notes.push("root on this machine can read everything");
    notes
}
