//! Moves a session's bytes, full duplex, in one task: neither direction waits for the other except by backpressure.
//!
//! `Pump` is a poll-driven machine over both connections: all of its state lives in it, so its `next` may be dropped
//! and called again (it is cancel safe). The rare things that need to await (a hold, a kill, an idle limit) are awaited
//! beside it in [`Drive::run`].

mod waits;

use super::{
    Ending,
    clock::{Clock, Seen},
    gate::{Gate, Masked, Unknown, Unplanned, Unresolved, Verdict},
    out::Out,
    registry::{Place, Reason},
};
use crate::{
    approval::{Held, Outcome},
    telemetry::session::Traffic,
    tunnel::Stream,
    upstream::{Io, estimate::Estimator},
};
use bytes::BytesMut;
use std::{
    cell::RefCell,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::io::{AsyncRead, ReadBuf};
use tracing::Instrument as _;
use weir_protocol::{Action, Control, Engine as _, Refusal, Reply, Step, postgres::Postgres};

/// A side is not read while so much waits to be written to the other.
const HIGH_WATER: usize = 256 * 1024;
/// One read.
const READ: usize = 64 * 1024;

thread_local! {
    /// Reads land here first, so that an idle session holds no buffer.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// What goes to the client: only what is masked, or what the engine vouches for.
#[derive(Default)]
struct ToClient(Out);

impl ToClient {
    fn send(&mut self, masked: Masked) {
        self.0.push(masked.into_bytes());
    }

    fn control(&mut self, control: Control) {
        self.0.push(control.into_bytes());
    }

    fn reply(&mut self, reply: Reply) {
        self.0.push(reply.into_bytes());
    }
}

/// What goes to the resource: only what was permitted, what stands for a refusal, or what the engine vouches for.
#[derive(Default)]
struct ToUpstream(Out);

impl ToUpstream {
    fn carry_out(&mut self, engine: &mut Postgres, verdict: Verdict) -> Option<Happened> {
        match verdict {
            Verdict::Permit(permit) => self.0.push(permit.admit(engine)),
            Verdict::Refuse(action, number, refusal) => self.0.push(engine.refuse(action, number, &refusal)),
            Verdict::Hold(held) => return Some(Happened::Hold(held)),
            Verdict::Parse(action) => return Some(Happened::Parse(action)),
            Verdict::Resolve(unresolved) => return Some(Happened::Resolve(unresolved)),
            Verdict::Exists(unknown) => return Some(Happened::Exists(unknown)),
            Verdict::Plan(unplanned) => return Some(Happened::Plan(unplanned)),
        }
        None
    }

    fn control(&mut self, control: Control) {
        self.0.push(control.into_bytes());
    }
}

/// What the pump cannot do by itself.
enum Happened {
    Hold(Box<Held>),
    /// A text must be parsed that takes long.
    Parse(Action),
    /// The catalog must say what names mean.
    Resolve(Box<Unresolved>),
    /// The server must say whether something exists.
    Exists(Box<Unknown>),
    /// The planner must say how much changes.
    Plan(Box<Unplanned>),
    /// What runs upstream must be asked to stop.
    Stop,
    /// It is time to look at the clock.
    Look,
    /// What was written of the recording must reach the disk before anything is sent.
    Sync,
    /// The session is over.
    End(&'static str),
    /// The client must be told why.
    Fatal(Refusal),
}

struct Pump<'a, 'g> {
    engine: &'a mut Postgres,
    gate: &'a mut Gate<'g>,
    upstream: Io,
    from_client: BytesMut,
    from_upstream: BytesMut,
    to_client: ToClient,
    to_upstream: ToUpstream,
    held: bool,
    /// The engine wants an answer first.
    waiting: bool,
    /// The engine wants the rest of a message, which it has bounded.
    partial: bool,
    terminating: bool,
    /// The client has ended its side; whether it still reads shows by itself.
    half_closed: bool,
    active: bool,
    received: Received,
}

/// Bytes read since the metrics were told.
#[derive(Default)]
struct Received {
    client: u64,
    upstream: u64,
}

/// One session's bytes.
pub struct Drive<'a, 'g> {
    pump: Pump<'a, 'g>,
    place: &'a Place,
    estimator: Estimator<'a>,
    clock: Clock,
}

impl<'a, 'g> Drive<'a, 'g> {
    /// Begins with `greeting` for the client and what the upstream sent already.
    pub fn new(
        engine: &'a mut Postgres,
        gate: &'a mut Gate<'g>,
        place: &'a Place,
        estimator: Estimator<'a>,
        upstream: Io,
        from_upstream: BytesMut,
        greeting: Reply,
    ) -> Self {
        let mut to_client = ToClient::default();
        to_client.reply(greeting);
        let pump = Pump {
            engine,
            gate,
            upstream,
            from_client: BytesMut::new(),
            from_upstream,
            to_client,
            to_upstream: ToUpstream::default(),
            held: false,
            waiting: false,
            partial: false,
            terminating: false,
            half_closed: false,
            active: true,
            received: Received::default(),
        };
        let clock = Clock::new(pump.gate.limits(), Instant::now());
        Self { pump, place, estimator, clock }
    }

    /// Runs the session to its end; why it ended.
    pub async fn run(&mut self, client: &mut Stream) -> Ending {
        loop {
            let happened = tokio::select! {
                biased;
                () = self.place.handle().kill.cancelled() => Happened::Fatal(ended(self.place.handle().reason())),
                happened = poll_fn(|cx| self.pump.poll(cx, client)) => happened,
                () = at(self.clock.next_look()) => Happened::Look,
            };
            let mut next = Some(happened);
            while let Some(happened) = next.take() {
                next = match happened {
                    Happened::Hold(held) => {
                        let span = self.pump.gate.span();
                        // Rare, and large: a session that never waits has no room for it.
                        Box::pin(self.hold(held, client)).instrument(span).await
                    }
                    Happened::Parse(action) => self.parse(action, client).await,
                    // Rare, as a hold is.
                    Happened::Resolve(unresolved) => Box::pin(self.resolve(*unresolved, client)).await,
                    Happened::Exists(unknown) => Box::pin(self.exists(*unknown, client)).await,
                    Happened::Plan(unplanned) => Box::pin(self.plan(*unplanned, client)).await,
                    Happened::Stop => self.stop(client).await,
                    Happened::Look => self.look(),
                    Happened::Sync => self.settle().await.err(),
                    Happened::Fatal(refusal) => {
                        self.pump.to_client.reply(self.pump.engine.fatal(&refusal));
                        self.last_words(client).await;
                        return refusal.into();
                    }
                    Happened::End(reason) => {
                        self.last_words(client).await;
                        return reason.into();
                    }
                };
            }
        }
    }

    /// What the clock shows; bytes that moved since the last look are activity.
    fn look(&mut self) -> Option<Happened> {
        let Pump { engine, gate, active, held, .. } = &mut self.pump;
        let running = engine.running().and_then(|number| gate.running_since(number));
        // Who waits for a human is not idle.
        let busy = engine.busy() || *held;
        let seen = self.clock.look(Instant::now(), std::mem::take(active), busy, running);
        let limits = gate.limits();
        match seen {
            Seen::Nothing => None,
            Seen::Idle => Some(Happened::Fatal(limits.too_idle())),
            Seen::Stuck => Some(Happened::Fatal(limits.overdue())),
            Seen::Over => Some(Happened::Fatal(limits.too_long())),
            Seen::Overdue => {
                engine.overdue(&limits.overdue());
                Some(Happened::Stop)
            }
        }
    }

    /// Asks the resource to stop what it works on. No further request is sent before that is through: it would be hit in
    /// place of a statement that has ended meanwhile.
    async fn stop(&mut self, client: &mut Stream) -> Option<Happened> {
        if let Err(over) = self.settle().await {
            return Some(over);
        }
        let handle = Arc::clone(self.place.handle());
        self.meanwhile(client, handle.cancel_upstream()).await.err()
    }

    /// Gives both sides what is on its way, within bounds, and stops what still runs upstream.
    async fn last_words(&mut self, client: &mut Stream) {
        use tokio::io::AsyncWriteExt as _;
        let _ = self.settle().await;
        let Pump { to_client, to_upstream, upstream, engine, terminating, .. } = &mut self.pump;
        let flush = async {
            let _ = poll_fn(|cx| to_client.0.poll(cx, client)).await;
            let _ = client.shutdown().await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), flush).await;
        if engine.busy() && !*terminating {
            // A backend in the middle of a query would not notice that its client is gone.
            self.place.handle().cancel_upstream().await;
        }
        let bye = async {
            let _ = poll_fn(|cx| to_upstream.0.poll(cx, upstream)).await;
            let _ = upstream.shutdown().await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), bye).await;
        self.pump.publish();
    }
}

impl Pump<'_, '_> {
    /// Writes the intents of what was permitted; what still stands between them and the resource, if anything does.
    fn commit(&mut self) -> Option<Happened> {
        match self.gate.commit() {
            Ok(true) => None,
            Ok(false) => Some(Happened::Sync),
            Err(refusal) => Some(self.unrecorded(refusal)),
        }
    }

    /// Nothing that is not recorded may go out, not even with the last words.
    fn unrecorded(&mut self, refusal: Refusal) -> Happened {
        self.to_upstream = ToUpstream::default();
        Happened::Fatal(refusal)
    }

    /// Moves bytes until nothing moves; ready when something happened that it cannot do by itself.
    fn poll(&mut self, cx: &mut Context<'_>, client: &mut Stream) -> Poll<Happened> {
        loop {
            let mut moved = false;
            if let Some(happened) = self.judge(&mut moved) {
                return Poll::Ready(happened);
            }
            // What had to wait for room goes on once there is some: nothing else would wake this task for it.
            let full = self.to_upstream.0.length >= HIGH_WATER;
            if let Some(happened) = self.commit() {
                return Poll::Ready(happened);
            }
            let sent = self.to_upstream.0.poll(cx, &mut self.upstream);
            moved |= full && self.to_upstream.0.length < HIGH_WATER;
            match sent {
                Poll::Ready(Err(error)) => return Poll::Ready(Happened::Fatal(lost(&error))),
                Poll::Ready(Ok(())) if self.terminating => {
                    return Poll::Ready(Happened::End("client closed"));
                }
                _ => {}
            }
            if self.to_client.0.length < HIGH_WATER {
                match read(cx, &mut self.upstream, &mut self.from_upstream) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(self.upstream_closed()),
                    Poll::Ready(Ok(count)) => {
                        moved = true;
                        self.received.upstream += count as u64;
                        if let Some(happened) = self.answer() {
                            return Poll::Ready(happened);
                        }
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Happened::Fatal(lost(&error))),
                    Poll::Pending => {}
                }
            }
            let full = self.to_client.0.length >= HIGH_WATER;
            if let Poll::Ready(Err(_)) = self.to_client.0.poll(cx, client) {
                return Poll::Ready(Happened::End("client went away"));
            }
            moved |= full && self.to_client.0.length < HIGH_WATER;
            let room = self.partial || self.from_client.len() < HIGH_WATER + READ;
            if self.half_closed {
                if self.is_answered() || client.poll_gone(cx).is_ready() {
                    return Poll::Ready(Happened::End("client went away"));
                }
            } else if room && self.to_upstream.0.length < HIGH_WATER {
                match read(cx, client, &mut self.from_client) {
                    Poll::Ready(Ok(0)) => {
                        moved = true;
                        self.half_closed = true;
                    }
                    Poll::Ready(Ok(count)) => {
                        moved = true;
                        self.received.client += count as u64;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(Happened::End("client went away")),
                    Poll::Pending => {}
                }
            }
            if !moved {
                self.publish();
                return Poll::Pending;
            }
            self.active = true;
        }
    }

    /// Everything that the client has asked for is on its way to it, of what can be answered without more of it.
    fn is_answered(&self) -> bool {
        let judged = !self.held && !self.waiting && self.partial;
        judged && self.to_upstream.0.length == 0 && self.to_client.0.length == 0 && !self.engine.owes()
    }

    /// Tells the metrics what has moved.
    fn publish(&mut self) {
        let (to_client, to_upstream) = (&mut self.to_client.0, &mut self.to_upstream.0);
        let Received { client, upstream } = std::mem::take(&mut self.received);
        self.gate.publish(Traffic {
            client_received: client,
            client_sent: std::mem::take(&mut to_client.written),
            upstream_received: upstream,
            upstream_sent: std::mem::take(&mut to_upstream.written),
            to_client: to_client.length as u64,
            to_upstream: to_upstream.length as u64,
        });
    }

    /// Requests, as far as they may go now.
    fn judge(&mut self, moved: &mut bool) -> Option<Happened> {
        self.partial = false;
        while !self.held && !self.waiting && !self.terminating && self.to_upstream.0.length < HIGH_WATER {
            match self.engine.client_bytes(&mut self.from_client) {
                Step::NeedMore => {
                    self.partial = true;
                    break;
                }
                Step::Wait => self.waiting = true,
                Step::Act(action) => {
                    *moved = true;
                    let verdict = self.gate.request(self.engine, action);
                    if let Some(happened) = self.carry_out(verdict) {
                        return Some(happened);
                    }
                }
                Step::Control(control) => {
                    *moved = true;
                    if self.engine.takes_copy_data()
                        && let Some(refusal) = self.gate.copied(control.bytes())
                    {
                        return Some(Happened::Fatal(refusal));
                    }
                    self.to_upstream.control(control);
                }
                Step::Terminate(control) => {
                    *moved = true;
                    self.terminating = true;
                    self.to_upstream.control(control);
                }
                Step::Event(event) => self.gate.event(event),
                Step::Reply(reply) => self.to_client.reply(reply),
                Step::Broken(refusal) => return Some(Happened::Fatal(refusal)),
                Step::Data(_) | Step::Return(_) | Step::Exceeded(..) => {
                    return Some(Happened::Fatal(out_of_place()));
                }
            }
        }
        None
    }

    /// Answers, all that have come.
    fn answer(&mut self) -> Option<Happened> {
        self.waiting = false;
        let mut exceeded = false;
        loop {
            match self.engine.upstream_bytes(&mut self.from_upstream) {
                // What has ended by now needs not be stopped.
                Step::NeedMore => return (exceeded && self.engine.is_cutting()).then_some(Happened::Stop),
                Step::Data(chunk) => match self.gate.response(chunk) {
                    Ok(masked) => self.to_client.send(masked),
                    Err(refusal) => return Some(Happened::Fatal(refusal)),
                },
                Step::Control(control) => self.to_client.control(control),
                Step::Reply(reply) => self.to_client.reply(reply),
                Step::Event(event) => {
                    self.gate.event(event);
                    self.tell();
                }
                Step::Return(control) => self.to_upstream.control(control),
                Step::Exceeded(number, excess) => {
                    let refusal = self.gate.exceeded(number, excess);
                    self.engine.cut(&refusal);
                    self.tell();
                    exceeded = true;
                }
                Step::Broken(refusal) => return Some(Happened::Fatal(refusal)),
                Step::Act(_) | Step::Wait | Step::Terminate(_) => return Some(Happened::Fatal(out_of_place())),
            }
        }
    }

    fn resume(&mut self, held: Held, outcome: Outcome, changed: Option<Refusal>) -> Option<Happened> {
        let verdict = self.gate.resume(self.engine, held, outcome, changed);
        self.carry_out(verdict)
    }

    /// What the client is warned of, and what was masked.
    fn tell(&mut self) {
        for warning in self.gate.warnings() {
            self.to_client.reply(self.engine.notice(&warning, ""));
        }
    }

    /// Does what the gate said.
    fn carry_out(&mut self, verdict: Verdict) -> Option<Happened> {
        self.tell();
        self.to_upstream.carry_out(self.engine, verdict)
    }

    fn upstream_closed(&self) -> Happened {
        if self.engine.busy() {
            Happened::Fatal(lost(&std::io::ErrorKind::UnexpectedEof.into()))
        } else {
            Happened::End("resource closed")
        }
    }
}

/// One read through the scratch buffer.
fn read<R: AsyncRead + Unpin>(cx: &mut Context<'_>, from: &mut R, into: &mut BytesMut) -> Poll<std::io::Result<usize>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
        let filled = buffer.filled();
        into.extend_from_slice(filled);
        Poll::Ready(Ok(filled.len()))
    })
}

/// At that moment; never when there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

fn ended(reason: Reason) -> Refusal {
    match reason {
        Reason::RelayStops => Refusal::new("57P01", "the relay ended this session", "reconnect"),
        Reason::Unindexed => {
            Refusal::new("58000", "the session cannot be recorded any more", "tell the relay's administrator")
        }
        Reason::AgentEnded => {
            Refusal::new("28000", "the agent of this session has been ended", "ask whoever started it to start it anew")
        }
        Reason::ResourceChanged => {
            Refusal::new("57P01", "what this resource is has been changed, so its sessions have ended", "reconnect")
        }
        Reason::LoginEnded => Refusal::new("28000", "the login behind this session has ended", "run `weir login`"),
    }
}

fn lost(error: &std::io::Error) -> Refusal {
    Refusal::new("08006", &format!("the connection to the resource was lost: {error}"), "reconnect")
}

fn out_of_place() -> Refusal {
    Refusal::new("XX000", "weir lost track of this session and ended it", "reconnect, and report this")
}
