//! `weir login` and `weir logout`.

use crate::{
    api::{self, Session, Standing},
    ci, device_flow, keystore,
    keystore::Login,
    login_flow,
    settings::Settings,
    ui,
    ui::Output,
};
use std::{path::PathBuf, sync::Arc};
use weir_shared::{
    error::{Kind, UserFacing},
    keys::{SessionKey, Thumbprint},
};
use zeroize::Zeroizing;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The relay: https://host:port
    #[arg(long)]
    relay: String,
    /// Its CA (PEM), as `weir-relay init` made it; the platform's roots otherwise.
    #[arg(long, conflicts_with = "pin")]
    ca: Option<PathBuf>,
    /// Its key's SHA-256, hexadecimal, as `weir-relay init` printed it.
    #[arg(long)]
    pin: Option<String>,
    /// Print a code to confirm in a browser elsewhere; where there is no display this is so by itself.
    #[arg(long, conflicts_with = "ci")]
    no_browser: bool,
    /// Log in as the CI job or workload that this is, with its platform's token: once a job, for all that follows in it.
    #[arg(long)]
    ci: bool,
    /// The environment variable that holds the platform's token; found by itself otherwise.
    #[arg(long, value_name = "NAME", requires = "ci")]
    id_token_env: Option<String>,
}

pub(super) async fn log_in(settings: &Settings, args: Args, output: Output) -> Result<(), UserFacing> {
    let relay = args.relay.trim_end_matches('/').to_owned();
    if !relay.starts_with("https://") {
        let hint = "give it as https://host:port";
        return Err(UserFacing::new(Kind::Usage, format!("{relay:?} is not a relay's URL"), hint));
    }
    if let Some(pin) = &args.pin {
        pin.parse::<Thumbprint>()
            .map_err(|error| UserFacing::new(Kind::Usage, error.to_string(), "copy it from the relay"))?;
    }
    let ca = args.ca.map(|path| {
        fs_err::read_to_string(path)
            .map_err(|error| UserFacing::new(Kind::Usage, error.to_string(), "name the relay's ca.pem"))
    });
    let mut login = Login { relay, ca: ca.transpose()?, pin: args.pin, refresh: Zeroizing::new(String::new()) };
    let key = SessionKey::generate().map_err(|error| ui::system("no key", &error))?;
    let client = api::client(&login, &key)?;
    login.refresh = if args.ci {
        let source = ci::Source::find(args.id_token_env, |name| std::env::var(name).ok())?;
        ci::log_in(&client, &login.relay, &source).await?
    } else if args.no_browser || device_flow::is_headless() {
        device_flow::log_in(&client, &login.relay).await?
    } else {
        login_flow::log_in(&client, &login.relay).await?
    };
    let place = keystore::save(settings, &login)?;
    match output {
        Output::Json => ui::json(&serde_json::json!({ "relay": login.relay, "kept_in": place.to_string() })),
        Output::Text => ui::say(&format!("logged in at {}; the login is kept in {place}", login.relay)),
    }
    // What was bound to this process's key ends with it; the login stays.
    settings.opened(&Arc::new(Session::new(login, Arc::new(key), client, Standing::default())));
    Ok(())
}

pub(super) async fn log_out(settings: &Settings) -> Result<(), UserFacing> {
    let _lock = settings.lock("login.lock")?;
    let (login, _) = keystore::load(settings)?;
    let key = SessionKey::generate().map_err(|error| ui::system("no key", &error))?;
    let told = login_flow::revoke(&api::client(&login, &key)?, &login).await;
    keystore::forget(settings);
    ui::say("logged out here");
    told.map_err(|error| UserFacing::new(error.kind, format!("the relay was not told: {}", error.message), error.hint))
}
