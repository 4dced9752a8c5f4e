//! `weir-relay user`: local users.

use super::{Output, password, say, system, tell};
use crate::identity;
use weir_shared::{
    config::checked::Config,
    error::{Kind, UserFacing},
};
use weir_store::{Store, StoreError};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Add a user.
    Add {
        /// Name.
        name: String,
        /// A role; may be given several times.
        #[arg(long = "role", default_value = "user")]
        roles: Vec<String>,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// List users.
    List,
    /// Keep a user out; open sessions end within seconds.
    Disable {
        /// Name.
        name: String,
    },
    /// Let a user in again.
    Enable {
        /// Name.
        name: String,
    },
    /// Set a password; ends the user's logins.
    Passwd {
        /// Name.
        name: String,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove a user's passkeys, when they are lost; the next login may add one.
    ForgetPasskeys {
        /// Name.
        name: String,
    },
}

fn store_error(error: StoreError) -> UserFacing {
    match error {
        StoreError::Exists(what) => {
            UserFacing::new(Kind::Conflict, format!("{what} exists already"), "choose another name")
        }
        error => UserFacing::new(Kind::System, error.to_string(), "is the database of another version, or damaged?"),
    }
}

pub(super) async fn run(command: Command, config: &Config, output: Output) -> Result<(), UserFacing> {
    let store = Store::open(&config.database).await.map_err(store_error)?;
    let found = |done: bool, name: &str, what: &str| {
        if done {
            tell(&format!("{name} {what}"));
            Ok(())
        } else {
            Err(UserFacing::new(Kind::NotFound, format!("no user {name:?}"), "run `weir-relay user list`"))
        }
    };
    match command {
        Command::Add { name, roles, password_stdin } => {
            add(&store, &name, &roles, password_stdin).await?;
            found(true, &name, &format!("may log in ({})", roles.join(", ")))
        }
        Command::List => {
            for user in store.users().await.map_err(store_error)? {
                let line = if output == Output::Json {
                    let view = serde_json::json!({ "name": user.name, "roles": user.roles, "disabled": user.disabled });
                    view.to_string()
                } else {
                    let foreign =
                        if user.password_hash.is_empty() { "  (no password: others vouch for it)" } else { "" };
                    let state = if user.disabled { "  (disabled)" } else { foreign };
                    format!("{:<20} {}{state}", user.name, user.roles.join(","))
                };
                say(&line)?;
            }
            Ok(())
        }
        Command::Disable { name } => {
            found(store.user_disable(&name, true).await.map_err(store_error)?, &name, "is kept out")
        }
        Command::Enable { name } => {
            found(store.user_disable(&name, false).await.map_err(store_error)?, &name, "may log in again")
        }
        Command::Passwd { name, password_stdin } => {
            let known = store.user(&name).await.map_err(store_error)?;
            if known.is_some_and(|user| user.password_hash.is_empty()) {
                let (what, hint) = (format!("somebody else vouches for {name}"), "no password would be right for it");
                return Err(UserFacing::new(Kind::Conflict, what, hint));
            }
            let hash = identity::password::hash(password(password_stdin, &name)?).await?;
            found(store.user_password(&name, &hash).await.map_err(store_error)?, &name, "has a new password")
        }
        Command::ForgetPasskeys { name } => {
            let Some(user) = store.user(&name).await.map_err(store_error)? else { return found(false, &name, "") };
            for passkey in store.passkeys(user.id).await.map_err(store_error)? {
                if store.passkey_remove(user.id, &passkey.id).await.map_err(store_error)? {
                    let event = serde_json::json!({ "user": name, "passkey": passkey.id });
                    let now = jiff::Timestamp::now().as_microsecond();
                    let audited = store.audit_append("passkey.removed", "administrator", event, now).await;
                    audited.map_err(|error| system(&error))?;
                }
            }
            found(true, &name, "has no passkeys")
        }
    }
}

pub(super) async fn add(store: &Store, name: &str, roles: &[String], stdin: bool) -> Result<(), UserFacing> {
    let good =
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b));
    if !good {
        return Err(UserFacing::new(Kind::Usage, format!("{name:?} is not a user name"), "use a-z A-Z 0-9 . _ - @"));
    }
    let hash = identity::password::hash(password(stdin, name)?).await?;
    store.user_add(name, &hash, roles).await.map_err(store_error)?;
    let event = serde_json::json!({ "user": name, "roles": roles });
    let now = jiff::Timestamp::now().as_microsecond();
    store.audit_append("user.added", "administrator", event, now).await.map_err(|error| system(&error))
}
