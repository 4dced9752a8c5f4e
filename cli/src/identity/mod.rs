//! Whose session a process opens: its parent's, when it runs under `weir run`; a ticket's; else the stored login's.
//!
//! - [`parent`]: asks the supervisor that this process runs under
//! - [`supervisor`]: what `weir run` and `weir connect` answer to the processes below them

pub(crate) mod parent;
pub(crate) mod supervisor;

use crate::{
    api::{self, Session, Standing},
    ci,
    keystore::{self, Login},
    login_flow,
    settings::Settings,
    ui,
};
use parent::Parent;
use std::{path::PathBuf, sync::Arc, time::Duration};
use weir_shared::{
    api::Claims,
    error::{Kind, UserFacing},
    hop::{Budget, digest},
    keys::SessionKey,
    scope::Scope,
};
use zeroize::Zeroizing;

/// The socket of the supervisor that this process runs under.
pub(crate) const SOCKET: &str = "WEIR_SOCK";

/// What a session is to be. By default all that its parent, or the login, may.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) scope: Scope,
    /// How long it lives at most.
    pub(crate) ttl: Option<Duration>,
    /// How many hops may follow it.
    pub(crate) hops: Option<u32>,
    pub(crate) budget: Budget,
    /// Where a ticket stands: `-` is standard input.
    pub(crate) ticket: Option<PathBuf>,
    pub(crate) claims: Claims,
    /// A human is asked for what the scope names beyond the right of the one above.
    pub(crate) escalates: bool,
}

/// A ticket as `weir ticket` prints it: with how the relay is reached, so that another machine needs nothing else.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Ticket {
    pub(crate) relay: String,
    pub(crate) ca: Option<String>,
    pub(crate) pin: Option<String>,
    pub(crate) secret: Zeroizing<String>,
}

/// Opens this process's session.
pub(crate) async fn open(settings: &Settings, asked: &Asked) -> Result<Arc<Session>, UserFacing> {
    let session = open_detached(settings, asked).await?;
    settings.opened(&session);
    Ok(session)
}

/// The same, of a session that does not end with the command.
pub(crate) async fn open_detached(settings: &Settings, asked: &Asked) -> Result<Arc<Session>, UserFacing> {
    let key = Arc::new(SessionKey::generate().map_err(|error| ui::system("no key", &error))?);
    let wait = ui::spinner("connecting to the relay");
    let opened = match std::env::var_os(SOCKET).filter(|path| !path.is_empty()) {
        Some(_) if asked.ticket.is_some() => Err(UserFacing::new(
            Kind::Usage,
            "a ticket is for a process that has no supervisor",
            "leave out --ticket, or unset WEIR_SOCK",
        )),
        Some(path) => delegated(key, asked, path.into()).await,
        None => match &asked.ticket {
            Some(place) => redeemed(key, asked, place).await,
            None => root(settings, key, asked).await,
        },
    };
    wait.finish_and_clear();
    opened.map(Arc::new)
}

/// By the supervisor above.
async fn delegated(key: Arc<SessionKey>, asked: &Asked, socket: PathBuf) -> Result<Session, UserFacing> {
    let (parent, hop) = Parent::ask(&socket, &key, asked).await?;
    let login = Login { relay: hop.relay, ca: hop.ca, pin: hop.pin, refresh: Zeroizing::new(String::new()) };
    let client = api::client(&login, &key)?;
    let child = login_flow::exchange(&client, &login.relay, login_flow::HOP, &hop.hop, &asked.claims).await?;
    child.warn(asked.escalates);
    parent.bound(&child.agent).await?;
    let standing = Standing { previous: digest(&hop.hop), parent: Some(parent), beyond: child.beyond };
    Ok(Session::new(login, key, client, standing))
}

/// By a ticket.
async fn redeemed(key: Arc<SessionKey>, asked: &Asked, place: &std::path::Path) -> Result<Session, UserFacing> {
    let text = if place.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(place)
    };
    let text = Zeroizing::new(text.map_err(|error| ui::system("the ticket cannot be read", &error))?);
    let bad = |_| UserFacing::new(Kind::Usage, "this is not a ticket", "make one with `weir ticket`");
    let ticket: Ticket = serde_json::from_str(text.trim()).map_err(bad)?;
    let login = Login { relay: ticket.relay, ca: ticket.ca, pin: ticket.pin, refresh: Zeroizing::new(String::new()) };
    let client = api::client(&login, &key)?;
    let child = login_flow::exchange(&client, &login.relay, login_flow::TICKET, &ticket.secret, &asked.claims).await?;
    child.warn(asked.escalates);
    let standing = Standing { previous: digest(&child.hop), beyond: child.beyond, ..Standing::default() };
    Ok(Session::new(login, key, client, standing))
}

/// By the stored login.
async fn root(settings: &Settings, key: Arc<SessionKey>, asked: &Asked) -> Result<Session, UserFacing> {
    // Two processes that refresh at once would look like a stolen token.
    let _lock = settings.lock("login.lock")?;
    let mut login = match keystore::load(settings) {
        Err(error) if error.kind == Kind::Unauthenticated => workload(settings).await?.ok_or(error)?,
        loaded => loaded?.0,
    };
    let client = api::client(&login, &key)?;
    // Whoever is below a supervisor says so: the relay decides.
    let claims = Claims { supervisor: parent::supervisor_above(), ..asked.claims.clone() };
    let refreshed = login_flow::refresh(&client, &login, asked, &claims).await?;
    login.refresh = refreshed;
    keystore::save(settings, &login)?;
    Ok(Session::new(login, key, client, Standing::default()))
}

/// Nobody is logged in, but `WEIR_RELAY` says where to, and the platform has a token of this CI job: as `weir login --ci`.
async fn workload(settings: &Settings) -> Result<Option<Login>, UserFacing> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some(relay) = variable("WEIR_RELAY") else { return Ok(None) };
    let Ok(source) = ci::Source::find(None, variable) else { return Ok(None) };
    let unreadable = |error: std::io::Error| ui::system("WEIR_CA cannot be read", &error);
    let ca = variable("WEIR_CA").map(std::fs::read_to_string).transpose().map_err(unreadable)?;
    let (relay, pin) = (relay.trim_end_matches('/').to_owned(), variable("WEIR_PIN"));
    let mut login = Login { relay, ca, pin, refresh: Zeroizing::new(String::new()) };
    // A key of its own: the platform's token binds it, and what it is bound to ends at once.
    let key = Arc::new(SessionKey::generate().map_err(|error| ui::system("no key", &error))?);
    let client = api::client(&login, &key)?;
    login.refresh = ci::log_in(&client, &login.relay, &source).await?;
    keystore::save(settings, &login)?;
    Session::new(login.clone(), key, client, Standing::default()).end().await;
    Ok(Some(login))
}

/// The supervisor that this session lived by is gone.
pub(crate) fn orphaned() -> UserFacing {
    let hint = "start the one above anew";
    UserFacing::new(Kind::Unreachable, "the session above has ended, and this one with it", hint)
}

/// What this process says of itself and of the command that it runs.
pub(crate) fn claims(command: &str) -> Claims {
    Claims {
        command: Some(command.to_owned()),
        pid: Some(std::process::id()),
        host: rustix::system::uname().nodename().to_str().ok().map(str::to_owned),
        folder: std::env::current_dir().ok().map(|folder| folder.display().to_string()),
        ..Claims::default()
    }
    .bounded()
}
