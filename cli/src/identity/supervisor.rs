//! What `weir run` answers to the processes below it, on a UNIX socket: hop statements, signed with its session key, never
//! the key. Only processes of the same user are answered that descend from its command without another supervisor between:
//! that one's processes have what it was given, and not more by asking here.
//!
//! An isolated command reaches the socket, since it has a path, and not the relay: it gets tickets for elsewhere, and no hop
//! statement, which it could not present. A way to the relay would not be weir's alone: a program that has read the stored
//! login would come out of its isolation by it.

use super::{
    Ticket,
    parent::{ancestors, is_weir},
};
use crate::{api::Session, settings::Settings, ui};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
};
use tokio_util::task::TaskTracker;
use weir_shared::{
    api::{Problem, TicketBody},
    error::{Kind, UserFacing},
    hop::{Bearer, Budget, Hop, digest},
    id::AgentId,
    keys::Thumbprint,
    scope::Scope,
};
use zeroize::Zeroizing;

/// The longest request, bytes.
const LONGEST: u64 = 64 * 1024;
/// Connections at a time.
const MOST: usize = 256;
/// How long a child lives unless it asks again.
const LIFETIME: i64 = 15 * 60;
/// How long a ticket's child lives, which cannot ask again, when nothing else is said.
const TICKET_LIFETIME: i64 = 3600;

/// What a process asks.
#[derive(Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(super) enum Ask {
    /// A hop statement for this key.
    Hop { key: Thumbprint, scope: Scope, ttl: Option<u64>, hops: Option<u32>, budget: Budget },
    /// The same again, for longer.
    Renew,
    /// The relay took it; this is the child.
    Bound { agent: AgentId },
    /// A ticket for a child elsewhere.
    Ticket { scope: Scope, ttl: Option<u64>, hops: Option<u32>, budget: Budget, redeem_within: u32 },
}

/// What it is answered.
#[derive(Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(super) enum Answer {
    Granted(Granted),
    Renewed { hop: String },
    Noted,
    Ticket(Ticket),
    Refused(Problem),
}

/// A hop statement, and where to present it.
#[derive(Serialize, Deserialize)]
pub(super) struct Granted {
    pub(super) hop: String,
    pub(super) relay: String,
    pub(super) ca: Option<String>,
    pub(super) pin: Option<String>,
}

impl Answer {
    pub(super) fn refusal(self) -> UserFacing {
        match self {
            Self::Refused(problem) => problem.into(),
            _ => UserFacing::new(Kind::Incompatible, "the supervisor answers something else", "upgrade weir"),
        }
    }
}

/// The socket; dropping it removes it.
pub(crate) struct Supervisor {
    session: Arc<Session>,
    listener: UnixListener,
    path: PathBuf,
    /// The process id of the command; 0 before it runs.
    command: Arc<AtomicU32>,
    /// Whether processes are answered that are not below this one, as in a container that the socket is mounted into.
    shared: bool,
    /// Whether the command has a network of its own, which does not lead to the relay.
    isolated: bool,
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Supervisor {
    /// Opens the socket; `shared` and `isolated` as `weir run` was asked.
    pub(crate) fn open(
        settings: &Settings,
        session: Arc<Session>,
        shared: bool,
        isolated: bool,
    ) -> Result<Self, UserFacing> {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = settings.runtime()?;
        let path = folder.join(format!("{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let failed = |error: std::io::Error| ui::system(&format!("{} cannot be opened", path.display()), &error);
        let listener = UnixListener::bind(&path).map_err(failed)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        // Who is let in from outside is not in the command's network.
        Ok(Self { session, listener, path, command: Arc::default(), shared, isolated: isolated && !shared })
    }

    /// Where the command's process id is to be told.
    pub(crate) fn command(&self) -> &AtomicU32 {
        &self.command
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Answers until it is dropped.
    pub(crate) async fn serve(&self, tasks: TaskTracker) {
        let room = Arc::new(Semaphore::new(MOST));
        loop {
            let Ok((stream, _)) = self.listener.accept().await else { continue };
            let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
            let (session, command) = (Arc::clone(&self.session), (!self.shared).then(|| Arc::clone(&self.command)));
            let child = Child { isolated: self.isolated, ..Child::default() };
            tasks.spawn(async move {
                let _place = place;
                if let Some(agent) = answer(&session, stream, command.as_deref(), child).await {
                    // Whoever it was is gone: so is what it could do.
                    let _ = session.post::<Vec<AgentId>>(&format!("/agents/{agent}/end"), &()).await;
                }
            });
        }
    }
}

/// Serves one connection to its end; the child that lived by it.
async fn answer(
    session: &Session,
    stream: UnixStream,
    command: Option<&AtomicU32>,
    mut child: Child,
) -> Option<AgentId> {
    let peer = stream.peer_cred().ok()?;
    let ours = peer.uid() == rustix::process::getuid().as_raw();
    let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok());
    let below = command.is_none_or(|command| pid.is_some_and(|pid| descends(pid, command.load(Ordering::Acquire))));
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        match (&mut read).take(LONGEST).read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            _ => return child.agent,
        }
        let answer = if ours && below {
            child.answer(session, &line).await
        } else {
            let hint = "only processes that this `weir run` started are answered";
            Err(UserFacing::new(Kind::Denied, "this supervisor is not yours", hint))
        };
        let answer = answer.unwrap_or_else(|error| Answer::Refused(error.into()));
        let mut line = serde_json::to_vec(&answer).unwrap_or_default();
        line.push(b'\n');
        if write.write_all(&line).await.is_err() {
            return child.agent;
        }
    }
}

/// True when the process is the command, or descends from it with no other `weir` between. An orphan that came to us does
/// not: the supervisor that it was below may have been killed for that.
fn descends(pid: u32, command: u32) -> bool {
    command != 0
        && (pid == command || ancestors(pid).take_while(|above| !is_weir(*above)).any(|above| above == command))
}

/// What one connection has been given: a second request gives no more.
#[derive(Default)]
struct Child {
    /// It could not present a statement.
    isolated: bool,
    /// The statement, and when its child ends for good, seconds since 1970.
    hop: Option<(Hop, i64)>,
    agent: Option<AgentId>,
}

impl Child {
    async fn answer(&mut self, session: &Session, line: &[u8]) -> Result<Answer, UserFacing> {
        let bad = |what: &str| UserFacing::new(Kind::Usage, what, "use `weir`, of the same version");
        match serde_json::from_slice(line).map_err(|_| bad("the request cannot be read"))? {
            Ask::Hop { .. } if self.isolated => {
                let message =
                    "weir cannot run here: this command is isolated, and its network does not lead to the relay";
                let hint = "open its ports from outside: weir run --isolate --connect NAME; or leave out --isolate";
                Err(UserFacing::new(Kind::Unreachable, message, hint))
            }
            Ask::Hop { key, scope, ttl, hops, budget } => {
                if self.hop.is_some() {
                    return Err(bad("one connection gets one hop statement"));
                }
                let (hop, until) = self.hop.insert(hop(session, Bearer::Key(key), scope, ttl, hops, budget).await?);
                let signed = sign(session, hop, *until)?;
                let login = &session.login;
                let (relay, ca, pin) = (login.relay.clone(), login.ca.clone(), login.pin.clone());
                Ok(Answer::Granted(Granted { hop: signed, relay, ca, pin }))
            }
            Ask::Renew => {
                let (hop, until) = self.hop.as_mut().ok_or_else(|| bad("there is nothing to renew"))?;
                if *until <= now() + 1 {
                    let hint = "start it anew, with a longer --ttl";
                    return Err(UserFacing::new(Kind::Limit, "its time is over", hint));
                }
                Ok(Answer::Renewed { hop: sign(session, hop, *until)? })
            }
            Ask::Bound { agent } => {
                self.agent.get_or_insert(agent);
                Ok(Answer::Noted)
            }
            Ask::Ticket { scope, ttl, hops, budget, redeem_within } => {
                Ok(Answer::Ticket(ticket(session, scope, ttl, hops, budget, redeem_within).await?))
            }
        }
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// A statement as far as it stays the same, and when its child ends for good.
async fn hop(
    session: &Session,
    cnf: Bearer,
    scope: Scope,
    ttl: Option<u64>,
    hops: Option<u32>,
    budget: Budget,
) -> Result<(Hop, i64), UserFacing> {
    let who = session.who().await?;
    let depth = who.depth() + 1;
    if depth > who.max_depth() {
        let hint = "give the one above a larger --max-depth";
        return Err(UserFacing::new(Kind::Limit, "the chain may not become deeper", hint));
    }
    let max_depth = hops.map_or(who.max_depth(), |hops| who.max_depth().min(depth.saturating_add(hops)));
    let previous = match session.standing.previous.as_str() {
        "" => digest(&who.agent.to_string()),
        own => own.to_owned(),
    };
    let parent = session.key.thumbprint().map_err(|error| ui::system("no key", &error))?;
    let audience = who.relay.clone();
    let until = ttl.and_then(|ttl| i64::try_from(ttl).ok()).map_or(i64::MAX, |ttl| now().saturating_add(ttl));
    let (issued_at, expires_at) = (0, 0);
    let hop = Hop { parent, cnf, audience, issued_at, expires_at, depth, max_depth, scope, budget, previous };
    Ok((hop, until))
}

/// Signs it for as long as its child lives unless it asks again.
fn sign(session: &Session, hop: &mut Hop, until: i64) -> Result<String, UserFacing> {
    hop.issued_at = now();
    let lifetime = match hop.cnf {
        Bearer::Key(_) => hop.issued_at + LIFETIME,
        Bearer::Ticket(_) if until < i64::MAX => until,
        Bearer::Ticket(_) => hop.issued_at + TICKET_LIFETIME,
    };
    hop.expires_at = lifetime.min(until).min(session.expires_at());
    hop.sign(&session.key).map_err(|error| ui::system("a hop statement", &error))
}

/// Makes a ticket.
pub(crate) async fn ticket(
    session: &Session,
    scope: Scope,
    ttl: Option<u64>,
    hops: Option<u32>,
    budget: Budget,
    redeem_within: u32,
) -> Result<Ticket, UserFacing> {
    let mut secret = [0; 32];
    aws_lc_rs::rand::fill(&mut secret).map_err(|_| ui::system("the ticket", &"no randomness"))?;
    let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(secret));
    let (mut hop, until) = hop(session, Bearer::Ticket(digest(&secret)), scope, ttl, hops, budget).await?;
    let signed = sign(session, &mut hop, until)?;
    session.post::<()>("/tickets", &TicketBody { hop: signed, redeem_within }).await?;
    let login = &session.login;
    Ok(Ticket { relay: login.relay.clone(), ca: login.ca.clone(), pin: login.pin.clone(), secret })
}
