//! `weir run`: runs a command with ports of its own and a session narrower than ours, and ends all of it together.

use super::{approvals, list};
use crate::{
    api::Session,
    identity::{self, Asked, supervisor::Supervisor},
    listen::{Events, Local, LocalTls},
    run::{
        child,
        environment::{self, Opened, Template},
        isolate::{self, Door},
        scrub::Scrubber,
    },
    settings::Settings,
    tunnel::{Transport, Tunnel},
    ui,
};
use std::{ffi::OsString, path::PathBuf, process::ExitCode, sync::Arc, time::Duration, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use weir_shared::{
    api::{Claims, ResourceView, SessionView},
    config,
    detect::KnownValues,
    error::{Kind, UserFacing},
    hop::Budget,
    id::ResourceName,
    scope::{Access, Scope},
};

/// For how long more is asked for, unless --ttl says so.
const ESCALATED: Duration = Duration::from_secs(900);

/// How a session is narrowed.
#[derive(clap::Args)]
pub(super) struct Narrow {
    /// What may be done at most: RESOURCE or RESOURCE:ACTION+ACTION, `*` stands for anything; may be repeated. Without it:
    /// all that the session above may.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<Access>,
    /// How long at most: 90s, 15m, 8h. A ticket's session lasts an hour unless this says otherwise.
    #[arg(long, value_parser = duration)]
    ttl: Option<Duration>,
    /// How many `weir run` may follow below this one.
    #[arg(long, value_name = "HOPS")]
    max_depth: Option<u32>,
    /// How much it, and all below it, may use: statements=N, rows=N; may be repeated.
    #[arg(long = "budget", value_name = "WHAT=N", value_parser = budget)]
    budgets: Vec<Budget>,
}

impl Narrow {
    pub(super) fn asked(&self) -> Asked {
        let both = |all: Budget, one: &Budget| Budget {
            statements: one.statements.or(all.statements),
            rows: one.rows.or(all.rows),
        };
        Asked {
            scope: if self.scopes.is_empty() { Scope::WHOLE } else { Scope::of(self.scopes.clone()) },
            ttl: self.ttl,
            hops: self.max_depth,
            budget: self.budgets.iter().fold(Budget::default(), both),
            ..Asked::default()
        }
    }
}

#[derive(clap::Args)]
pub(super) struct Args {
    /// A resource to open a port to, and which port; may be repeated. The first one is what PGHOST and its like name.
    #[arg(long = "connect", value_name = "NAME[:PORT]")]
    connect: Vec<Connect>,
    #[command(flatten)]
    narrow: Narrow,
    /// A variable for the command, with {{NAME.url}} (host, port, user, database, ca, socket) in it; may be repeated.
    #[arg(long = "env", value_name = "NAME=TEMPLATE")]
    templates: Vec<Template>,
    /// Begin by a ticket, in a file or (-) on standard input.
    #[arg(long, value_name = "FILE")]
    ticket: Option<PathBuf>,
    /// Pass on what the command prints as it is, secrets and all.
    #[arg(long)]
    no_scrub: bool,
    /// Answer processes of this user that are not below this one: for a socket that is mounted into a container.
    #[arg(long)]
    share_socket: bool,
    /// Give the command a network of its own, in which only these ports exist (Linux). Of weir it can run `weir ticket` only
    /// then.
    #[arg(long)]
    isolate: bool,
    /// Why it runs; whoever reviews its requests reads it.
    #[arg(long)]
    reason: Option<String>,
    /// Ask a human for what --scope names beyond the right of the session above, and wait; needs --reason.
    #[arg(long, requires = "reason")]
    escalate: bool,
    /// How the relay is reached.
    #[arg(long, value_enum, default_value = "auto")]
    transport: Transport,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// `NAME` or `NAME:PORT`
#[derive(Clone)]
struct Connect {
    name: ResourceName,
    port: Option<u16>,
}

impl std::str::FromStr for Connect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(port.parse().map_err(|_| format!("{port:?} is no port"))?)),
            None => (text, None),
        };
        Ok(Self { name: name.parse().map_err(|error| format!("{error}"))?, port })
    }
}

/// Whole seconds, at least one and fewer than 2^32: what a token request can say.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let given = config::duration_of(text).filter(|time| time.subsec_nanos() == 0 && !text.ends_with("ms"));
    given
        .filter(|time| (1..=u32::MAX.into()).contains(&time.as_secs()))
        .ok_or_else(|| format!("{text:?} is no duration: write 90s, 15m, 8h or 2d"))
}

fn budget(text: &str) -> Result<Budget, String> {
    let bad = || format!("{text:?} is no budget: write statements=N or rows=N");
    let (what, number) = text.split_once('=').ok_or_else(bad)?;
    let number = Some(number.parse::<u64>().map_err(|_| bad())?);
    match what {
        "statements" => Ok(Budget { statements: number, rows: None }),
        "rows" => Ok(Budget { statements: None, rows: number }),
        _ => Err(bad()),
    }
}

pub(super) async fn run(settings: &Settings, args: Args) -> Result<ExitCode, UserFacing> {
    let begun = Instant::now();
    let program = args.command.first().map(PathBuf::from).unwrap_or_default();
    let program = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let claims = Claims { keeps_tunnel: true, reason: args.reason.clone(), ..identity::claims(&program) };
    let ticket = args.ticket.clone();
    let asked = Asked { ticket, claims, escalates: args.escalate, ..args.narrow.asked() };
    let session = identity::open(settings, &asked).await?;
    let (tasks, over) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(Arc::clone(&session).live_on(over.clone()));
    if args.escalate {
        let until = args.narrow.ttl.unwrap_or(ESCALATED);
        let asked = approvals::escalate(&session, until, args.reason.as_deref().unwrap_or_default()).await;
        if let Err(error) = asked {
            session.end().await;
            return Err(error);
        }
    }
    let wait = ui::spinner("opening the ports");
    let Ports { opened, door, serving } = ports(settings, &args, &session, &tasks).await?;
    let supervisor = Supervisor::open(settings, Arc::clone(&session), args.share_socket, args.isolate)?;
    wait.finish_and_clear();
    let mut environment = environment::of(&opened, &args.templates)?;
    environment.set.insert(identity::SOCKET.to_owned(), supervisor.path().into());
    let known = KnownValues::new(&[session.login.refresh.as_bytes()]);
    let scrubber = (!args.no_scrub).then(|| Scrubber::new(known));
    let status = tokio::select! {
        status = child::run(
            &args.command,
            &environment,
            door.as_deref(),
            scrubber.as_ref(),
            supervisor.command(),
            &over,
        ) => status?,
        () = supervisor.serve(tasks.clone()) => return Err(ended("the supervisor")),
        served = serving => return Err(served.err().unwrap_or_else(|| ended("serving the ports"))),
    };
    let code = child::code(status);
    summary(&session, begun, code).await;
    if over.is_cancelled() {
        return Err(identity::orphaned());
    }
    Ok(ExitCode::from(code))
}

fn ended(what: &str) -> UserFacing {
    UserFacing::new(Kind::Internal, format!("{what} ended"), "report this")
}

/// The command's ports.
struct Ports<F> {
    opened: Vec<Opened>,
    /// Where the command hands them over, when it opens them itself.
    door: Option<Arc<Door>>,
    /// Serves them; to be run.
    serving: F,
}

/// Opens the ports.
async fn ports(
    settings: &Settings,
    args: &Args,
    session: &Arc<Session>,
    tasks: &TaskTracker,
) -> Result<Ports<impl Future<Output = Result<(), UserFacing>>>, UserFacing> {
    let tls = Arc::new(LocalTls::new(settings)?);
    let events: Events = Arc::new(|event, resource, text| {
        if event != "opened" && event != "closed" {
            let about = resource.map(|resource| format!("{resource}: ")).unwrap_or_default();
            ui::tell(&format!("weir: {about}{event} {}", ui::visible(text)));
        }
    });
    let tunnel = Arc::new(Tunnel::new(Arc::clone(session), args.transport, tasks.clone(), Arc::clone(&events)));
    let needed = !args.connect.is_empty();
    let resources =
        async { if needed { session.get::<Vec<ResourceView>>("/resources").await } else { Ok(Vec::new()) } };
    let connected = async { if needed { tunnel.connect().await.map(drop) } else { Ok(()) } };
    let (who, resources, connected) = tokio::join!(session.who(), resources, connected);
    let (who, resources) = (who?, resources?);
    connected?;
    // Without any port, too: by its tunnel the relay knows that it lives.
    tasks.spawn(Arc::clone(&tunnel).keep());
    let (mut locals, mut opened) = (Vec::new(), Vec::new());
    for (at, Connect { name, port }) in args.connect.iter().enumerate() {
        let view = list::find(&resources, name)?;
        let mut socket = None;
        let port = if args.isolate {
            // In a network of its own every port is free.
            port.unwrap_or(5432_u16.saturating_add(u16::try_from(at).unwrap_or_default()))
        } else {
            let local = Local::open(settings, name.clone(), Some(port.unwrap_or(0))).await?;
            socket = local.has_socket().then(|| local.folder.clone());
            let port = local.port;
            locals.push(local);
            port
        };
        opened.push(Opened::new(view, who, port, socket, &tls.ca));
    }
    let door = match args.isolate {
        true if opened.len() > isolate::MOST => {
            return Err(UserFacing::new(Kind::Usage, "too many ports to isolate", "leave some out"));
        }
        true => Some(Arc::new(Door::open(settings, opened.iter().map(|opened| opened.port).collect())?)),
        false => None,
    };
    let (tasks, names, outside) = (tasks.clone(), args.connect.clone(), door.clone());
    let serving = async move {
        let mut waiting = None;
        if let Some(door) = outside {
            let (handed, held) = door.receive().await?;
            for ((port, tcp), connect) in door.ports.iter().zip(handed).zip(names) {
                locals.push(Local::isolated(settings, connect.name, *port, tcp)?);
            }
            waiting = Some(held);
        }
        let each = locals
            .iter()
            .map(|local| local.serve(Arc::clone(&tunnel), Arc::clone(&tls), tasks.clone(), Arc::clone(&events)));
        // The command begins.
        drop(waiting);
        futures_util::future::join_all(each).await;
        // Without ports there is nothing to serve, and that goes on until the command ends.
        std::future::pending().await
    };
    Ok(Ports { opened, door, serving })
}

/// One line about what was done.
async fn summary(session: &Session, begun: Instant, code: u8) {
    let Ok(who) = session.who().await else { return };
    let done: Vec<SessionView> = session.get(&format!("/sessions?chain={}", who.agent)).await.unwrap_or_default();
    let statements: u64 = done.iter().map(|view| view.statements).sum();
    let seconds = begun.elapsed().as_secs();
    let (agent, count) = (who.agent, done.len());
    ui::tell(&format!(
        "weir: {seconds} s, exit code {code}; connections: {count}, statements: {statements}; \
         {}/agents/{agent}",
        session.login.relay
    ));
}
