//! Moves a session's bytes, full duplex, in one task: neither direction waits for the other except by backpressure.
//!
//! `Pump` is a poll-driven machine over both connections: all of its state lives in it, so its `next` may be dropped
//! and called again (it is cancel safe). The rare things that need to await (a hold, a kill, an idle limit) are awaited
//! beside it in [`Drive::run`].

use super::{
    Ending,
    gate::{Gate, Masked, Verdict},
    registry::{Place, Reason},
};
use crate::{
    approval::{self, Held, Outcome},
    telemetry::session::Traffic,
    tunnel::Stream,
    upstream::Io,
};
use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::FutureExt as _;
use std::{
    cell::RefCell,
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tracing::Instrument as _;
use weir_protocol::{Action, Control, Engine as _, Refusal, Reply, Step, postgres::Postgres};

/// A side is not read while so much waits to be written to the other.
const HIGH_WATER: usize = 256 * 1024;
/// One read.
const READ: usize = 64 * 1024;
/// A chunk of this size is queued as it is; smaller ones are gathered into one write.
const GATHER: usize = 8 * 1024;

thread_local! {
    /// Reads land here first, so that an idle session holds no buffer.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// Bytes on their way out.
#[derive(Default)]
struct Out {
    chunks: VecDeque<Bytes>,
    tail: BytesMut,
    length: usize,
    /// Since the metrics were told.
    written: u64,
    unflushed: bool,
}

impl Out {
    fn push(&mut self, bytes: Bytes) {
        self.length += bytes.len();
        if bytes.len() < GATHER {
            self.tail.extend_from_slice(&bytes);
        } else {
            if !self.tail.is_empty() {
                self.chunks.push_back(self.tail.split().freeze());
            }
            self.chunks.push_back(bytes);
        }
    }

    /// Writes what it can; ready when everything is written and flushed.
    fn poll<W: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, to: &mut W) -> Poll<std::io::Result<()>> {
        while self.length > 0 {
            let Some(front) = self.chunks.front_mut() else {
                let tail = std::mem::take(&mut self.tail).freeze();
                self.chunks.push_back(tail);
                continue;
            };
            let count = ready!(Pin::new(&mut *to).poll_write(cx, front))?;
            if count == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            front.advance(count);
            self.length -= count;
            self.written += count as u64;
            self.unflushed = true;
            if front.is_empty() {
                self.chunks.pop_front();
            }
        }
        if self.unflushed {
            ready!(Pin::new(to).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
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
    terminating: bool,
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
}

impl<'a, 'g> Drive<'a, 'g> {
    /// Begins with `greeting` for the client and what the upstream sent already.
    pub fn new(
        engine: &'a mut Postgres,
        gate: &'a mut Gate<'g>,
        place: &'a Place,
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
            terminating: false,
            active: true,
            received: Received::default(),
        };
        Self { pump, place }
    }

    /// Runs the session to its end; why it ended.
    pub async fn run(&mut self, client: &mut Stream) -> Ending {
        let kill = self.place.handle().kill.clone();
        let idle = self.pump.gate.idle_limit();
        loop {
            self.pump.active = false;
            let happened = tokio::select! {
                biased;
                () = kill.cancelled() => Happened::Fatal(ended(self.place.handle().reason())),
                happened = poll_fn(|cx| self.pump.poll(cx, client)) => happened,
                () = tokio::time::sleep(idle.unwrap_or(Duration::MAX / 4)), if idle.is_some() => {
                    if self.pump.active || self.pump.engine.busy() {
                        continue;
                    }
                    Happened::Fatal(too_idle())
                }
            };
            let mut next = Some(happened);
            while let Some(happened) = next.take() {
                next = match happened {
                    Happened::Hold(held) => {
                        let span = self.pump.gate.span();
                        self.hold(*held, client).instrument(span).await
                    }
                    Happened::Parse(action) => self.parse(action, client).await,
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

    /// Waits for the facts of a text, while earlier answers keep flowing.
    async fn parse(&mut self, action: Action, client: &mut Stream) -> Option<Happened> {
        if let Err(over) = self.settle().await {
            return Some(over);
        }
        let relay = self.pump.gate.relay();
        let handle = self.place.handle();
        self.pump.held = true;
        let facts = tokio::select! {
            biased;
            () = handle.kill.cancelled() => Err(Happened::Fatal(ended(handle.reason()))),
            facts = relay.facts.parse(Arc::clone(&action.text)) => Ok(facts),
            happened = poll_fn(|cx| self.pump.poll(cx, client)) => Err(happened),
        };
        self.pump.held = false;
        match facts {
            Ok(facts) => {
                let verdict = self.pump.gate.judge(self.pump.engine, action, facts);
                self.pump.to_upstream.carry_out(self.pump.engine, verdict)
            }
            Err(over) => Some(over),
        }
    }

    /// Brings the intents of what was permitted to where they must be; while a request waits, no others follow.
    async fn settle(&mut self) -> Result<(), Happened> {
        match self.pump.commit() {
            Some(Happened::Sync) => {
                let synced = self.pump.gate.reach_disk().await;
                synced.map_err(|refusal| self.pump.unrecorded(refusal))
            }
            Some(over) => Err(over),
            None => Ok(()),
        }
    }

    /// Waits for a human, while earlier answers keep flowing and the client's cancel and disconnect are seen.
    async fn hold(&mut self, held: Held, client: &mut Stream) -> Option<Happened> {
        if let Err(over) = self.settle().await {
            return Some(over);
        }
        let relay = self.pump.gate.relay();
        let handle = self.place.handle();
        let (approval, seconds) = (held.approval, relay.config.approval_timeout.as_secs());
        let Some(ticket) = approval::ask(relay, &held).await else {
            return self.pump.resume(held, Outcome::Failed);
        };
        let text = format!("weir: waiting for approval {approval} (at most {seconds} s)");
        let hint = format!("another user decides with: weir approvals approve {approval}");
        self.pump.to_client.reply(self.pump.engine.notice(&text, &hint));
        self.pump.held = true;
        // A cancel request that came as an earlier hold ended is not meant for this one.
        let _ = handle.withdraw.notified().now_or_never();
        handle.holding.store(true, Ordering::Release);
        let outcome = tokio::select! {
            biased;
            () = handle.kill.cancelled() => Err(Happened::Fatal(ended(handle.reason()))),
            () = handle.withdraw.notified() => Ok(Outcome::Withdrawn),
            outcome = approval::wait(relay, ticket) => Ok(outcome),
            happened = poll_fn(|cx| self.pump.poll(cx, client)) => Err(happened),
        };
        handle.holding.store(false, Ordering::Release);
        self.pump.held = false;
        match outcome {
            Ok(outcome) => {
                if outcome == Outcome::Withdrawn {
                    approval::withdraw(relay, approval).await;
                }
                self.pump.resume(held, outcome)
            }
            Err(happened) => {
                approval::withdraw(relay, approval).await;
                let _ = self.pump.resume(held, Outcome::Withdrawn);
                Some(happened)
            }
        }
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
            // A message that is judged whole must be read whole.
            let most = self.engine.longest_request().saturating_add(READ);
            if self.to_upstream.0.length < HIGH_WATER && self.from_client.len() < most {
                match read(cx, client, &mut self.from_client) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Happened::End("client went away")),
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
        while !self.held && !self.waiting && !self.terminating && self.to_upstream.0.length < HIGH_WATER {
            match self.engine.client_bytes(&mut self.from_client) {
                Step::NeedMore => break,
                Step::Wait => self.waiting = true,
                Step::Act(action) => {
                    *moved = true;
                    let verdict = self.gate.request(self.engine, action);
                    if let Some(happened) = self.to_upstream.carry_out(self.engine, verdict) {
                        return Some(happened);
                    }
                }
                Step::Control(control) => {
                    *moved = true;
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
                Step::Data(_) => return Some(Happened::Fatal(out_of_place())),
            }
        }
        None
    }

    /// Answers, all that have come.
    fn answer(&mut self) -> Option<Happened> {
        self.waiting = false;
        loop {
            match self.engine.upstream_bytes(&mut self.from_upstream) {
                Step::NeedMore => return None,
                Step::Data(chunk) => match self.gate.response(chunk) {
                    Ok(masked) => self.to_client.send(masked),
                    Err(refusal) => return Some(Happened::Fatal(refusal)),
                },
                Step::Control(control) => self.to_client.control(control),
                Step::Reply(reply) => self.to_client.reply(reply),
                Step::Event(event) => self.gate.event(event),
                Step::Broken(refusal) => return Some(Happened::Fatal(refusal)),
                Step::Act(_) | Step::Wait | Step::Terminate(_) => return Some(Happened::Fatal(out_of_place())),
            }
        }
    }

    fn resume(&mut self, held: Held, outcome: Outcome) -> Option<Happened> {
        let verdict = self.gate.resume(self.engine, held, outcome);
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

fn refusal(code: &'static str, message: &str, hint: &str) -> Refusal {
    Refusal { code, message: message.to_owned(), detail: String::new(), hint: hint.to_owned() }
}

fn ended(reason: Reason) -> Refusal {
    match reason {
        Reason::RelayStops => refusal("57P01", "the relay ended this session", "reconnect"),
        Reason::Unindexed => {
            refusal("58000", "the session cannot be recorded any more", "tell the relay's administrator")
        }
        Reason::LoginEnded => refusal("28000", "the login behind this session has ended", "run `weir login`"),
    }
}

fn too_idle() -> Refusal {
    refusal("57P05", "the session was idle for too long", "reconnect; the resource's limits.idle says how long")
}

fn lost(error: &std::io::Error) -> Refusal {
    refusal("08006", &format!("the connection to the resource was lost: {error}"), "reconnect")
}

fn out_of_place() -> Refusal {
    refusal("XX000", "weir lost track of this session and ended it", "reconnect, and report this")
}
