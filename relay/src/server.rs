//! The only wiring: configuration in, a running relay out, until SIGTERM or SIGINT.

use crate::{
    api,
    approval::Approvals,
    channel::{self, Channels},
    doors::{Doors, Visit},
    identity, keep,
    policy::Policies,
    record,
    relay::Relay,
    resources::Resources,
    session,
    telemetry::{self, Telemetry},
    tls::Certificate,
    tunnel,
    upstream::Upstreams,
    workers::Workers,
};
use fs_err as fs;
use hyper::{
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use session::registry::Reason;
use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use weir_shared::{
    config::checked::Config,
    detect::Detector,
    error::{Kind, UserFacing},
    id::SessionId,
    keys::{CertificateDigest, Thumbprint},
    secret::Secret,
    wire,
};
use weir_store::Store;

/// A TLS handshake must be done within this, and a request's head have come; as long may a connection idle between two.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// An HTTPS connection ends after this, whatever it does, unless it has become an agent's.
const STRANGER: Duration = Duration::from_secs(60);
/// A request's head must fit.
const LARGEST_HEAD: usize = 16 * 1024;

fn failed(what: &str, error: &dyn std::fmt::Display, hint: &str) -> UserFacing {
    UserFacing::new(Kind::System, format!("{what}: {error}"), hint)
}

/// Runs the relay until it is told to stop; then drains.
///
/// # Errors
/// When it cannot start.
pub async fn run(config: Config) -> Result<(), UserFacing> {
    let stopped = stop_signal()?;
    let hangups = hangups()?;
    let certificate = Certificate::load(&config)?;
    let tcp = listen(config.listen, "is another relay running?").await?;
    let metrics = match config.metrics {
        Some(address) => Some(listen(address, "correct `metrics`").await?),
        None => None,
    };
    let address = tcp.local_addr().map_err(|error| failed("no address", &error, ""))?;
    let udp = UdpSocket::bind(address)
        .map_err(|error| failed(&format!("cannot listen on UDP {address}"), &error, "choose another port"))?;
    let endpoint = tunnel::quic::endpoint(udp, certificate.server_config(&[wire::ALPN])?)
        .map_err(|error| failed("QUIC cannot start", &error, ""))?;
    let relay = Arc::new(start(config).await?);
    close_orphans(&relay).await?;
    tracing::info!(%address, policy = relay.policy.current().hash(), resources = relay.resources.all().len(), "listening");

    let workers = Arc::new(Workers::start(relay.config.threads).map_err(|error| failed("no threads", &error, ""))?);
    let stop = CancellationToken::new();
    relay.tasks.spawn(accept_quic(Arc::clone(&relay), endpoint.clone(), Arc::clone(&workers), stop.clone()));
    let acceptor = TlsAcceptor::from(certificate.server_config(&[b"http/1.1"])?);
    relay.tasks.spawn(accept_tcp(Arc::clone(&relay), tcp, acceptor, workers, stop.clone()));
    relay.tasks.spawn(until(stop.clone(), certificate.watch()));
    relay.tasks.spawn(until(stop.clone(), keep::agents(Arc::clone(&relay))));
    relay.tasks.spawn(until(stop.clone(), keep::silent(Arc::clone(&relay))));
    relay.tasks.spawn(until(stop.clone(), keep::lost(Arc::clone(&relay))));
    relay.tasks.spawn(until(stop.clone(), keep::recordings(Arc::clone(&relay))));
    relay.tasks.spawn(until(stop.clone(), keep::approvals(Arc::clone(&relay))));
    relay.tasks.spawn(until(stop.clone(), keep::policies(Arc::clone(&relay), hangups)));
    relay.tasks.spawn(until(stop.clone(), keep::tunnels(Arc::clone(&relay))));
    relay.tasks.spawn(until(stop.clone(), keep::token_keys(Arc::clone(&relay))));
    relay.tasks.spawn(until(stop.clone(), channel::run(Arc::clone(&relay))));
    if let Some(listener) = metrics {
        relay.tasks.spawn(until(stop.clone(), telemetry::serve::serve(Arc::clone(&relay), listener)));
    }

    stopped.await;
    drain(&relay, &stop).await;
    endpoint.close(quinn::VarInt::from_u32(0), b"the relay stopped");
    let _ = tokio::time::timeout(Duration::from_secs(2), endpoint.wait_idle()).await;
    tracing::info!("stopped");
    Ok(())
}

async fn listen(address: SocketAddr, hint: &str) -> Result<TcpListener, UserFacing> {
    TcpListener::bind(address).await.map_err(|error| failed(&format!("cannot listen on {address}"), &error, hint))
}

async fn start(mut config: Config) -> Result<Relay, UserFacing> {
    let store = Store::open(&config.database).await.map_err(|error| {
        failed("the database cannot be opened", &error, "restore it, or run `weir-relay init` anew")
    })?;
    let policy = Policies::load(&config).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        UserFacing::new(Kind::Config, lines.join("\n"), "run `weir-relay check`")
    })?;
    fs::create_dir_all(&config.recordings)
        .map_err(|error| failed("the recordings' folder cannot be made", &error, "correct `recordings`"))?;
    let (registry, tasks) = (Arc::new(session::registry::Registry::default()), TaskTracker::new());
    let failing = Arc::clone(&registry);
    let (index, indexing) = record::Index::new(store.clone(), move |session| failing.kill(session, Reason::Unindexed));
    tasks.spawn(indexing);
    let stored = store.resources().await.map_err(|error| failed("the resources cannot be read", &error, ""))?;
    let resources = Resources::new(&config, stored);
    // There they are from now on, with the others.
    config.resources.clear();
    let telemetry = Telemetry::new(&resources.all());
    let syncer = record::Syncer::start(telemetry.recordings.clone())
        .map_err(|error| failed("no thread for recordings", &error, ""))?;
    Ok(Relay {
        sealing_key: sealing_key(&config)?,
        store,
        policy: Arc::new(policy),
        resources,
        doors: Doors::new(config.doors),
        registry,
        index,
        principals: identity::Principals::default(),
        standing: tunnel::standing::Standing::default(),
        foreign: identity::foreign::Foreign::new(&config.identity)?,
        budgets: session::budget::Budgets::default(),
        oauth: identity::oauth::Server::open(&config)?,
        passkeys: identity::passkeys::Passkeys::new(&config.public_url),
        approvals: Approvals::default(),
        channels: Channels::open(&config).await?,
        upstreams: Upstreams::default(),
        facts: Arc::default(),
        telemetry,
        detector: Arc::new(Detector::standard()),
        syncer,
        tasks,
        draining: CancellationToken::new(),
        started: Instant::now(),
        config,
    })
}

/// The key that seals recordings, from its file.
///
/// # Errors
/// When it cannot be read, or is none.
pub(crate) fn sealing_key(config: &Config) -> Result<Secret<[u8; 32]>, UserFacing> {
    let bad = || UserFacing::new(Kind::Config, "the sealing key is not 64 hexadecimal digits", "restore the key file");
    let text = fs::read_to_string(&config.sealing_key)
        .map_err(|error| failed("the sealing key cannot be read", &error, "restore the key file"))?;
    let text = Secret::new(text);
    // The same form as a thumbprint: 32 bytes in hexadecimal.
    let key: Thumbprint = text.expose().trim().parse().map_err(|_| bad())?;
    Ok(Secret::new(*key.as_bytes()))
}

/// Sessions that were open when an earlier relay died: their recordings get a gap and an end, what they asked for is
/// withdrawn.
async fn close_orphans(relay: &Arc<Relay>) -> Result<(), UserFacing> {
    const WHY: &str = "the relay died";
    let failed = |error: &dyn std::fmt::Display| failed("earlier sessions cannot be ended", error, "see the error");
    index_missing(relay).await.map_err(|error| failed(&*error))?;
    for session in relay.store.sessions_unfinished().await.map_err(|error| failed(&error))? {
        if let Err(error) = record::writer::close_orphan(&relay.config.recordings, session, &relay.sealing_key, WHY) {
            tracing::error!(%session, %error, "an unfinished recording cannot be closed");
        }
        relay.store.session_orphaned(session, relay.now(), WHY).await.map_err(|error| failed(&error))?;
    }
    relay.store.approvals_orphaned().await.map_err(|error| failed(&error))?;
    let granted = relay.store.approvals_of_scope(relay.now()).await.map_err(|error| failed(&error))?;
    granted.iter().for_each(|view| relay.approvals.elevations.keep(view, relay.now()));
    Ok(())
}

/// Recordings that an earlier relay had begun and not yet indexed when it died.
async fn index_missing(relay: &Arc<Relay>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let newest = relay.store.sessions_newest().await?;
    let known: HashSet<SessionId> = relay.store.sessions_since(newest - record::index::SLACK).await?;
    let reader = Arc::clone(relay);
    let missing = tokio::task::spawn_blocking(move || {
        record::index::missing(&reader.config.recordings, &reader.sealing_key, newest, &known)
    });
    let missing = missing.await??;
    if !missing.is_empty() {
        tracing::warn!(sessions = missing.len(), "recordings of a relay that died are indexed");
        relay.store.sessions_record(&missing).await?;
    }
    Ok(())
}

/// What goes on for ever, until the relay stops.
async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

async fn accept_quic(relay: Arc<Relay>, endpoint: quinn::Endpoint, workers: Arc<Workers>, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => {
                    let address = incoming.remote_address().ip();
                    // An address that may be forged takes no place of another's, and costs nothing but a Retry.
                    if incoming.may_retry() && relay.doors.are_busy(address) {
                        relay.telemetry.handshakes.with(["quic".into(), "shed".into()]).inc();
                        let _ = incoming.retry();
                    } else if let Some(visit) = relay.doors.stranger(address) {
                        // The connection is driven where it is accepted.
                        let connection = tunnel::quic::connection(Arc::clone(&relay), incoming, visit);
                        drop(relay.tasks.spawn_on(connection, &workers.pick()));
                    } else {
                        relay.telemetry.handshakes.with(["quic".into(), "shed".into()]).inc();
                        incoming.refuse();
                    }
                }
                None => return,
            }
        }
    }
}

async fn accept_tcp(
    relay: Arc<Relay>,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    workers: Arc<Workers>,
    stop: CancellationToken,
) {
    let (router, tasks) = (api::router(Arc::clone(&relay)), relay.tasks.clone());
    loop {
        let (tcp, address) = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((tcp, address)) => (tcp, address),
                Err(error) => {
                    // Out of file descriptors, most likely: let some close.
                    tracing::warn!(%error, "a connection cannot be accepted");
                    relay.telemetry.connection_errors.with(["accept".into()]).inc();
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            }
        };
        let Some(visit) = relay.doors.stranger(address.ip()) else {
            relay.telemetry.handshakes.with(["tls".into(), "shed".into()]).inc();
            continue;
        };
        let (router, acceptor, relay) = (router.clone(), acceptor.clone(), Arc::clone(&relay));
        let _ = tcp.set_nodelay(true).and_then(|()| tunnel::websocket::watch(&tcp));
        let Ok(tcp) = tcp.into_std() else { continue };
        let serve = async move {
            // Readiness is told to the thread that serves it.
            let Ok(tcp) = TcpStream::from_std(tcp) else { return };
            let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(tcp)).await;
            let outcome = if matches!(handshake, Ok(Ok(_))) { "done" } else { "failed" };
            relay.telemetry.handshakes.with(["tls".into(), outcome.into()]).inc();
            let Ok(Ok(tls)) = handshake else { return };
            // Most of what it needs is needed only now.
            Box::pin(https(relay, router, tls, address.ip(), Arc::new(visit))).await;
        };
        tasks.spawn_on(serve, &workers.pick());
    }
}

async fn https(
    relay: Arc<Relay>,
    router: axum::Router,
    tls: tokio_rustls::server::TlsStream<TcpStream>,
    address: IpAddr,
    visit: Arc<Visit>,
) {
    let certificate = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let key = certificate.and_then(|certificate| Thumbprint::of_certificate(certificate).ok());
    let peer = api::Peer { address: address.to_canonical(), key, certificate: certificate.map(CertificateDigest::of) };
    let router = TowerToHyperService::new(router);
    let known = Arc::clone(&visit);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(Arc::clone(&known));
        router.call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HANDSHAKE).max_buf_size(LARGEST_HEAD);
    let connection = builder.serve_connection(TokioIo::new(tls), service).with_upgrades();
    let too_long = async {
        tokio::time::sleep(STRANGER).await;
        if visit.is_proven() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        // An idle keep-alive connection must not hold up the end.
        () = relay.draining.cancelled() => {}
        () = too_long => {}
        result = connection => if let Err(error) = result {
            tracing::debug!(%error, "an HTTPS connection ended badly");
            relay.telemetry.connection_errors.with(["https".into()]).inc();
        }
    }
}

/// Stops accepting, tells agents, waits for sessions up to the deadline, cuts the rest.
async fn drain(relay: &Relay, stop: &CancellationToken) {
    let deadline = relay.config.drain_timeout;
    tracing::info!(sessions = relay.registry.open_sessions(), seconds = deadline.as_secs(), "draining");
    relay.draining.cancel();
    let until = Instant::now() + deadline;
    while relay.registry.open_sessions() > 0 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    relay.registry.kill_all(Reason::RelayStops);
    let until = Instant::now() + Duration::from_secs(5);
    while relay.registry.open_sessions() > 0 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    relay.index.settled().await;
    stop.cancel();
    relay.tasks.close();
}

/// SIGHUP: the policies are to be loaded now. Listened for from the first moment: it would end the process.
fn hangups() -> Result<tokio::signal::unix::Signal, UserFacing> {
    use tokio::signal::unix::{SignalKind, signal};
    signal(SignalKind::hangup()).map_err(|error| failed("no signals", &error, ""))
}

/// SIGTERM or SIGINT. Listened for from the first moment, so that one that comes during the start is not the end of the
/// process.
fn stop_signal() -> Result<impl Future<Output = ()>, UserFacing> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|error| failed("no signals", &error, ""));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
