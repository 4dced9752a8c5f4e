//! The pipeline of one session, top-down: authorise, record, lease and log in, then gate every request and every
//! answer, and end. Each hook stands here exactly once.
//!
//! - [`authorize`]: `Principal` + resource -> `Grant`; `admit`: policy or a human lets the session begin -> `Admitted`
//! - [`gate`]: request -> `Permit`, answer -> `Masked`; `meaning`: what names in a statement stand for; `labelled`: what it
//!   knows of labelled columns
//! - [`drive`]: moves bytes both ways, full duplex
//! - [`limits`]: how much of anything it may use, `clock`: of time, [`bucket`]: of statements a second, [`budget`]: of what its
//!   chain may use together
//! - [`registry`]: who is open now, and whom a cancel request means

mod admit;
pub mod authorize;
pub mod bucket;
pub mod budget;
mod clock;
pub mod drive;
pub mod facts;
pub mod gate;
mod labelled;
pub mod limits;
mod meaning;
mod out;
mod refusals;
pub mod registry;
mod rows;
mod running;
mod shown;

use crate::{
    approval::wait, identity::Principal, record::Recorder, relay::Relay, telemetry::session::SessionMetrics,
    tunnel::Stream, upstream,
};
use bytes::BytesMut;
use gate::Gate;
use limits::{AnswerLimits, SessionLimits};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tracing::Instrument as _;
use weir_protocol::{
    Refusal,
    postgres::{
        Postgres,
        startup::{self, SessionStart, Startup},
    },
};
use weir_shared::{
    id::{ResourceName, SessionId},
    recording::Payload,
    wire::{Frame, RefusalCode, codec},
};
use weir_store::sessions::SessionRow;

/// A client must begin within this.
const START: Duration = Duration::from_secs(30);
/// Why a session ends whose resource does not answer.
const UNAVAILABLE: &str = "resource unavailable";

/// Serves one stream from its `Open` frame to its end.
pub async fn run(relay: Arc<Relay>, principal: Arc<Principal>, resource: ResourceName, mut stream: Stream) {
    let session = SessionId::generate();
    let begun = Instant::now();
    let granted = authorize::authorize(&relay, &principal, &resource, session, stream.transport());
    relay.telemetry.stages.authorize.took(begun.elapsed());
    let grant = match granted {
        Ok(grant) => grant,
        Err(refusal) => {
            authorize::audit_refusal(&relay, &principal, &resource, &refusal).await;
            return refuse(&relay, stream, RefusalCode::Denied, &refusal).await;
        }
    };
    let place = match relay.registry.enter(&grant, &relay.config.users, relay.telemetry.resource(grant.resource())) {
        Ok(place) => place,
        Err(full) => return refuse(&relay, stream, RefusalCode::Limit, &limits::full(full)).await,
    };
    // Whoever changed it since it was authorised may have looked for its sessions before this one was there.
    if !relay.resources.has(grant.resource()) {
        let refusal = refusals::refusal("57P01", "what this resource is has just been changed", "", "connect again");
        return refuse(&relay, stream, RefusalCode::Denied, &refusal).await;
    }
    let Ok(opened) = codec::encode(&Frame::Opened { session }) else { return };
    if stream.write_all(&opened).await.is_err() || stream.flush().await.is_err() {
        return;
    }
    let start = match tokio::time::timeout(START, client_start(&mut stream)).await {
        Ok(Ok(Begin::Session(start))) => start,
        Ok(Ok(Begin::Cancel(key))) => {
            relay.registry.cancel(&principal, &key).await;
            // Who asked is told nothing, and sees a good end.
            drop(place);
            return linger(stream).await;
        }
        Ok(Ok(Begin::Gone)) | Err(_) => return,
        Ok(Err(refusal)) => return fatal(&relay, stream, &refusal).await,
    };
    if let Err(refusal) = serve(&relay, &principal, &grant, &place, start, &mut stream).await {
        fatal(&relay, stream, &refusal).await;
    }
}

/// Why a session has ended.
pub struct Ending {
    /// One of a few: a fixed text, or the SQLSTATE that the client was told.
    class: &'static str,
    /// As recorded.
    text: String,
}

impl From<&'static str> for Ending {
    fn from(text: &'static str) -> Self {
        Self { class: text, text: text.to_owned() }
    }
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        Self { class: refusal.code, text: refusal.message }
    }
}

enum Begin {
    Session(SessionStart),
    Cancel(bytes::Bytes),
    Gone,
}

async fn client_start(stream: &mut Stream) -> Result<Begin, Refusal> {
    let mut input = BytesMut::new();
    loop {
        match startup::read(&mut input)? {
            Startup::Session(start) if input.is_empty() => return Ok(Begin::Session(start)),
            Startup::Session(_) => return Err(Refusal::new("08P01", "bytes follow the startup packet", "")),
            Startup::Cancel(key) => return Ok(Begin::Cancel(key)),
            Startup::Terminate => return Ok(Begin::Gone),
            Startup::NoEncryption => {
                // What came with the request would be read as if it had been protected.
                if !input.is_empty() {
                    return Err(Refusal::new("08P01", "received unencrypted data after SSL request", ""));
                }
                let reply = startup::no_encryption().into_bytes();
                if stream.write_all(&reply).await.is_err() || stream.flush().await.is_err() {
                    return Ok(Begin::Gone);
                }
            }
            Startup::NeedMore => match stream.read_buf(&mut input).await {
                Ok(1..) => {}
                _ => return Ok(Begin::Gone),
            },
        }
    }
}

async fn serve(
    relay: &Arc<Relay>,
    principal: &Principal,
    grant: &authorize::Grant,
    place: &registry::Place,
    mut start: SessionStart,
    stream: &mut Stream,
) -> Result<(), Refusal> {
    let database = grant.database(&start.database)?;
    refusals::settings(grant, &start.parameters)?;
    let purse = relay.budgets.purse(&relay.store, grant.chain()).await.map_err(|error| {
        tracing::error!(parent: grant.span(), %error, "budgets cannot be read");
        Refusal::new("58000", "the budget of this agent cannot be read", "tell the relay's administrator")
    })?;
    let purse = Arc::new(purse);
    let row = row(grant, principal, &database, relay.now());
    let mut recorder = begin_recording(relay, principal, grant, &row).instrument(grant.span().clone()).await?;
    let admitted = admit::admit(relay, grant, place, &mut start, &database, &mut recorder, stream);
    let admitted = match Box::pin(admitted.instrument(grant.span().clone())).await {
        Ok(admitted) => admitted,
        Err(refusal) => {
            end(relay, grant, row, recorder, refusal.clone().into(), &gate::Totals::default()).await;
            return Err(refusal);
        }
    };
    let begun = Instant::now();
    let connected = relay.upstreams.connect(admitted, &start, &database).instrument(grant.span().clone()).await;
    relay.telemetry.stages.connect.took(begun.elapsed());
    let connected = match connected {
        Ok(connected) => connected,
        Err(error) => {
            relay.telemetry.upstream_failures.with([grant.resource().into(), error.step().into()]).inc();
            tracing::warn!(parent: grant.span(), %error, "no upstream");
            end(relay, grant, row, recorder, UNAVAILABLE.into(), &gate::Totals::default()).await;
            let facing = upstream::facing(&error);
            return Err(Refusal::new("08001", &facing.message, &facing.hint));
        }
    };
    let key = place.issue_key(start.minor, &connected.canceller);
    let reply = startup::accepted(&mut start, &connected.parameters, &key);
    let limits = SessionLimits::new(grant.resource(), grant.user(), &relay.config.users, place.buckets(), &purse)
        .within(admitted.within());
    let AnswerLimits { rows, bytes } = limits.answer();
    let mut engine = Postgres::new(limits.statement_bytes()).with_answers_of(rows, bytes);
    if purse.bounds_rows() {
        engine = engine.with_budget(Arc::<budget::Purse>::clone(&purse));
    }
    tracing::debug!(parent: grant.span(), "began");
    let tally = Arc::clone(&place.handle().tally);
    let metrics = SessionMetrics::new(&relay.telemetry, grant.resource(), grant.session(), tally);
    let mut gate = Gate::new(relay, grant, limits, recorder, &database, &start, &connected, metrics).begun(&start);
    let estimator = upstream::estimate::Estimator { admitted, start: &start, database: &database };
    let mut drive = drive::Drive::new(&mut engine, &mut gate, place, estimator, connected.io, connected.rest, reply);
    let ending = drive.run(stream).await;
    let (recorder, totals) = gate.finish();
    if let Err(error) = purse.keep(&relay.store).await {
        tracing::error!(parent: grant.span(), %error, "what was used of a budget cannot be stored");
    }
    end(relay, grant, row, recorder, ending, &totals).await;
    Ok(())
}

async fn begin_recording(
    relay: &Relay,
    principal: &Principal,
    grant: &authorize::Grant,
    row: &SessionRow,
) -> Result<Recorder, Refusal> {
    let resource = grant.resource();
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "the session cannot be recorded");
        Refusal::new("58000", "the session cannot be recorded, so it may not begin", "tell the relay's administrator")
    };
    let mut recorder = Recorder::create(
        &relay.config.recordings,
        grant.session(),
        &relay.sealing_key,
        resource.recording.durability,
        &relay.syncer,
    )
    .map_err(|error| failed(&error))?;
    let open = Payload::Open {
        session: grant.session(),
        agent: principal.agent(),
        user: principal.user().to_owned(),
        resource: resource.name.clone(),
        database: row.view.database.clone().unwrap_or_default(),
        role: row.role.clone(),
        started_at: row.view.started_at,
        bundle: grant.bundle(),
    };
    recorder.intent(open).map_err(|error| failed(&error))?;
    let agents = principal.chain_ids();
    if agents.len() > 1 {
        recorder.note(Payload::Chain { agents });
    }
    if !recorder.commit().map_err(|error| failed(&error))? {
        recorder.reach_disk().await.map_err(|error| failed(&error))?;
    }
    relay.index.session(row.clone()).await;
    relay.telemetry.resource(resource).opened.inc();
    Ok(recorder)
}

/// A session as the index shows it when it begins.
fn row(grant: &authorize::Grant, principal: &Principal, database: &str, now: i64) -> SessionRow {
    let resource = grant.resource();
    let mut row = SessionRow::begun(
        grant.session(),
        principal.agent(),
        principal.user().to_owned(),
        resource.name.clone(),
        database.to_owned(),
        resource.role.clone(),
        now,
    );
    row.view.chain = principal.chain_ids();
    row
}

async fn end(
    relay: &Relay,
    grant: &authorize::Grant,
    mut row: SessionRow,
    recorder: Recorder,
    ending: Ending,
    totals: &gate::Totals,
) {
    relay.telemetry.sessions_ended.with([grant.resource().into(), ending.class.into()]).inc();
    let view = &mut row.view;
    if let Err(error) = recorder.close(&ending.text) {
        tracing::error!(parent: grant.span(), %error, "the end of the recording was not written");
    }
    (view.ended_at, view.close_reason) = (Some(relay.now()), Some(ending.text));
    let gate::Totals { statements, rows, masked, refused, .. } = *totals;
    tracing::debug!(parent: grant.span(), reason = ending.class, statements, rows, masked, refused, "ended");
    (view.statements, view.rows, view.masked, view.refused) = (statements, rows, masked, refused);
    if totals.asked > 0 || grant.admission().is_err() {
        wait::session_ended(relay, grant.session()).await;
    }
    relay.index.session(row).await;
}

/// Refuses a stream before raw bytes began.
pub async fn refuse(relay: &Relay, mut stream: Stream, code: RefusalCode, refusal: &Refusal) {
    relay.telemetry.refusals.with(["tunnel".into(), refusal.code.into()]).inc();
    let native = startup::refused(refusal).into_bytes().to_vec();
    let (message, hint) = (refusal.message.clone(), refusal.hint.clone());
    if let Ok(frame) = codec::encode(&Frame::Refused { code, message, hint, native }) {
        let _ = stream.write_all(&frame).await;
    }
    linger(stream).await;
}

/// Tells the local client, in its own protocol, why its session ends.
async fn fatal(relay: &Relay, mut stream: Stream, refusal: &Refusal) {
    relay.telemetry.refusals.with(["session".into(), refusal.code.into()]).inc();
    let _ = stream.write_all(&startup::refused(refusal).into_bytes()).await;
    linger(stream).await;
}

/// Ends our side and lets the peer read it before the stream is dropped.
async fn linger(mut stream: Stream) {
    let _ = stream.shutdown().await;
    let drained = async { while matches!(stream.read(&mut [0; 1024]).await, Ok(1..)) {} };
    let _ = tokio::time::timeout(Duration::from_secs(2), drained).await;
}
