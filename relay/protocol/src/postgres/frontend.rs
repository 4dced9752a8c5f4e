//! The client's messages (documentation, "Message Formats", those marked F).

use super::message::{HEADER, Reader, WHOLE, peek};
use super::{
    Detail, Portal, Postgres, Statement, action, broken,
    call::{self, Call},
    names::Lookup,
    pending::CopyIn,
    pending::Pending,
    uncertain,
};
use crate::{ActionKind, Control, Event, Parameters, Step};
use bytes::{Buf, Bytes, BytesMut};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// Where the reader is inside a message that is not held whole.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Bytes of a message that go by.
    pass: usize,
    /// Bytes of a message that are dropped.
    discard: usize,
    /// A bind message that goes by.
    bind: Option<(Box<blake3::Hasher>, Bytes, Arc<Portal>)>,
    /// COPY data seen: size and hash.
    copy: Option<(u64, Box<blake3::Hasher>)>,
    /// Results all in text, as most are: one list for all of them.
    no_formats: Arc<Vec<bool>>,
    /// The statement that COPY data belongs to.
    pub(super) last_number: u64,
}

impl State {
    /// The client sends data for a COPY.
    pub(super) fn is_copying(&self) -> bool {
        self.copy.is_some()
    }
}

pub(super) fn step(engine: &mut Postgres, input: &mut BytesMut) -> Step {
    if let Some(step) = engine.steps.pop_front() {
        return step;
    }
    if let Some(step) = rest_of_message(engine, input) {
        return step;
    }
    let Ok(head) = peek(input) else { return broken("invalid message length") };
    let Some((kind, size)) = head else { return Step::NeedMore };
    // Bulk data is no request: the server may be waiting for it.
    if engine.queue.len() >= super::MOST_IN_FLIGHT && !matches!(kind, b'X' | b'd' | b'c' | b'f') {
        return Step::Wait;
    }
    if engine.queue.perhaps > 0 && engine.queue.skipping && !matches!(kind, b'S' | b'H' | b'X' | b'd' | b'c' | b'f') {
        return uncertain();
    }
    match kind {
        b'd' => return copy_data(engine, input, size),
        b'B' if size > WHOLE => return large_bind(engine, input, size),
        b'Q' | b'P' | b'F' if size > longest(engine, kind) => {
            engine.client.discard = size;
            let text = format!("{} of {size} bytes", if kind == b'F' { "function call" } else { "statement" });
            let detail = Detail::TooLarge { simple: kind != b'P' };
            return action(ActionKind::TooLarge, text.into(), Parameters::default(), Bytes::new(), detail);
        }
        b'Q' | b'P' => {}
        b'B' | b'C' | b'D' | b'E' | b'F' | b'H' | b'S' | b'X' | b'c' | b'f' if size <= WHOLE => {}
        _ => return broken("invalid frontend message type or length"),
    }
    if input.len() < size {
        return Step::NeedMore;
    }
    if kind == b'B' {
        return bind(engine, input, size);
    }
    if kind == b'E' {
        return execute(engine, input, size);
    }
    let bytes = input.split_to(size).freeze();
    match kind {
        b'Q' => query(bytes),
        b'P' => parse(engine, bytes),
        b'F' => function_call(bytes),
        _ => control(engine, kind, bytes),
    }
}

/// What is longer is refused unread.
fn longest(engine: &Postgres, kind: u8) -> usize {
    if kind == b'F' { WHOLE } else { engine.statement_bytes.saturating_add(1024) }
}

fn function_call(bytes: Bytes) -> Step {
    match call::read(&bytes) {
        Some(Call { text, shape }) => {
            action(ActionKind::Query, text.into(), Parameters::default(), bytes, Detail::Call(Some(shape)))
        }
        None => {
            let text = "a function call message (it bypasses SQL)".into();
            action(ActionKind::Call, text, Parameters::default(), bytes, Detail::Call(None))
        }
    }
}

fn payload(bytes: &Bytes) -> Reader<'_> {
    Reader(bytes.get(HEADER..).unwrap_or_default())
}

fn rest_of_message(engine: &mut Postgres, input: &mut BytesMut) -> Option<Step> {
    let state = &mut engine.client;
    if state.discard > 0 {
        let some = state.discard.min(input.len());
        input.advance(some);
        state.discard -= some;
    }
    if state.discard > 0 || (state.pass > 0 && input.is_empty()) {
        return Some(Step::NeedMore);
    }
    if state.pass == 0 {
        return None;
    }
    let some = input.split_to(state.pass.min(input.len())).freeze();
    state.pass -= some.len();
    if let Some((hasher, ..)) = &mut state.bind {
        hasher.update(&some);
    } else if let Some((size, hasher)) = &mut state.copy {
        *size += some.len() as u64;
        hasher.update(&some);
    }
    if state.pass == 0
        && let Some((hasher, name, portal)) = state.bind.take()
    {
        let _ = portal.digest.set(*hasher.finalize().as_bytes());
        bound(engine, name, portal);
    }
    Some(Step::Control(Control(some)))
}

fn query(bytes: Bytes) -> Step {
    let mut fields = payload(&bytes);
    match fields.text() {
        Some(text) if fields.0.is_empty() => {
            let text: Arc<str> = text.into();
            action(ActionKind::Query, text, Parameters::default(), bytes, Detail::Query)
        }
        _ => broken("a Query message must hold one UTF-8 string"),
    }
}

fn parse(engine: &Postgres, bytes: Bytes) -> Step {
    let mut fields = payload(&bytes);
    let (Some(name), Some(text), Some(types)) = (fields.cstr(), fields.text(), fields.u16()) else {
        return broken("malformed Parse message");
    };
    if fields.0.len() != usize::from(types) * 4 {
        return broken("malformed Parse message");
    }
    let types = (0..types).map_while(|_| fields.u32()).collect();
    let (name, text): (Bytes, Arc<str>) = (bytes.slice_ref(name), text.into());
    let (described, columns, describing) = (OnceLock::new(), OnceLock::new(), AtomicBool::new(false));
    let statement = Arc::new(Statement { text: Arc::clone(&text), types, described, columns, describing });
    let kind = if engine.statements.full() { ActionKind::TooLarge } else { ActionKind::Prepare };
    action(kind, text, Parameters::default(), bytes, Detail::Parse { name: owned(&name), statement })
}

/// A name apart from its message, so that keeping the name does not keep the message.
fn owned(name: &[u8]) -> Bytes {
    Bytes::copy_from_slice(name)
}

fn bind(engine: &mut Postgres, input: &mut BytesMut, size: usize) -> Step {
    let message = input.get(HEADER..size).unwrap_or_default();
    let mut fields = Reader(message);
    let (Some(portal), Some(name)) = (fields.cstr(), fields.cstr()) else { return broken("malformed Bind message") };
    let (portal, found) = (owned(portal), engine.statements.look_up(name));
    if matches!(found, Lookup::Unsettled) && engine.queue.copy_in != CopyIn::Reads {
        return Step::Wait;
    }
    let bytes = input.split_to(size).freeze();
    let Some((mut parameters, formats)) = bind_values(&bytes) else { return broken("malformed Bind message") };
    // Without values there is nothing that an approval could be bound to but the text.
    parameters.digest = (!parameters.values.is_empty()).then(|| *blake3::hash(&bytes).as_bytes());
    if let Lookup::Known(statement) = found {
        let made = Portal {
            statement,
            parameters,
            digest: OnceLock::new(),
            formats: if formats.is_empty() { Arc::clone(&engine.client.no_formats) } else { Arc::new(formats) },
            number: AtomicU64::new(0),
            lasting: AtomicBool::new(true),
        };
        bound(engine, portal, Arc::new(made));
    } else {
        // The server answers for the missing statement, and nothing is known to run on this portal.
        unbound(engine, portal);
    }
    Step::Control(Control(bytes))
}

fn bind_values(bytes: &Bytes) -> Option<(Parameters, Vec<bool>)> {
    let mut fields = payload(bytes);
    fields.cstr()?;
    fields.cstr()?;
    let given: Vec<bool> = formats(&mut fields)?;
    let count = usize::from(fields.u16()?);
    let mut parameters = Parameters::default();
    for index in 0..count {
        let length = fields.u32()?;
        let value = if length == u32::MAX { None } else { Some(bytes.slice_ref(fields.take(length as usize)?)) };
        parameters.values.push(value);
        parameters.binary.push(match given.as_slice() {
            [] => false,
            [all] => *all,
            many => *many.get(index)?,
        });
    }
    let results = formats(&mut fields)?;
    fields.0.is_empty().then_some((parameters, results))
}

fn formats(fields: &mut Reader<'_>) -> Option<Vec<bool>> {
    let count = fields.u16()?;
    (0..count).map(|_| fields.u16().map(|code| code != 0)).collect()
}

fn bound(engine: &mut Postgres, name: Bytes, portal: Arc<Portal>) {
    if engine.queue.skipping {
        return;
    }
    engine.portals.sent(&name, Some(Arc::clone(&portal)));
    engine.queue.push(Pending::Bind { name, portal: Some(portal) });
}

fn unbound(engine: &mut Postgres, name: Bytes) {
    if !engine.queue.skipping {
        engine.portals.sent(&name, None);
        engine.queue.push(Pending::Bind { name, portal: None });
    }
}

/// A bind message too large to hold: its values go by, hashed; its names must lie in its first 4 KiB, its result
/// formats are taken as unknown.
fn large_bind(engine: &mut Postgres, input: &mut BytesMut, size: usize) -> Step {
    const NAMES: usize = 4096;
    if input.len() < NAMES {
        return Step::NeedMore;
    }
    let mut fields = Reader(input.get(HEADER..NAMES).unwrap_or_default());
    let (Some(portal), Some(name)) = (fields.cstr(), fields.cstr()) else { return broken("malformed Bind message") };
    let (portal, found) = (owned(portal), engine.statements.look_up(name));
    let statement = match found {
        Lookup::Unsettled if engine.queue.copy_in != CopyIn::Reads => return Step::Wait,
        Lookup::Known(statement) => statement,
        _ => return broken("a large Bind message of a statement that was not prepared in this session"),
    };
    let parameters = Parameters { omitted: Some(size as u64), ..Parameters::default() };
    // With formats unknown every value counts as binary of unknown layout: masked by the strictest rule.
    let formats = Arc::new(vec![true, true]);
    let (number, lasting) = (AtomicU64::new(0), AtomicBool::new(true));
    let made = Portal { statement, parameters, digest: OnceLock::new(), formats, number, lasting };
    engine.client.bind = Some((Box::default(), portal, Arc::new(made)));
    engine.client.pass = size;
    rest_of_message(engine, input).unwrap_or(Step::NeedMore)
}

fn execute(engine: &mut Postgres, input: &mut BytesMut, size: usize) -> Step {
    let mut fields = Reader(input.get(HEADER..size).unwrap_or_default());
    let (Some(name), Some(_limit), true) = (fields.cstr(), fields.u32(), fields.0.is_empty()) else {
        return broken("malformed Execute message");
    };
    let name = owned(name);
    let portal = match engine.portals.look_up(&name) {
        Lookup::Unsettled if engine.queue.copy_in != CopyIn::Reads => return Step::Wait,
        Lookup::Known(portal) => Some(portal),
        _ => None,
    };
    let bytes = input.split_to(size).freeze();
    let Some(portal) = portal else {
        let text = "execution of a portal that was not bound in this session".into();
        let detail = Detail::Execute { name, portal: None };
        return action(ActionKind::Unknown, text, Parameters::default(), bytes, detail);
    };
    let number = portal.number.load(Ordering::Relaxed);
    if number > 0 {
        // More rows of what was judged when it began.
        if !engine.queue.skipping {
            let lasting = portal.lasting.load(Ordering::Relaxed);
            let portal = Some(portal);
            engine.queue.push(Pending::Execute { number, lasting, portal, refused: None, announced: true });
            engine.steps.push_back(Step::Event(Event::Resumed(number)));
        }
        return Step::Control(Control(bytes));
    }
    let (text, mut parameters) = (Arc::clone(&portal.statement.text), portal.parameters.clone());
    parameters.digest = parameters.digest.or_else(|| portal.digest.get().copied());
    action(ActionKind::Execute, text, parameters, bytes, Detail::Execute { name, portal: Some(portal) })
}

fn copy_data(engine: &mut Postgres, input: &mut BytesMut, size: usize) -> Step {
    if input.len() < HEADER {
        return Step::NeedMore;
    }
    engine.client.copy.get_or_insert_default();
    let header = input.split_to(HEADER).freeze();
    engine.client.pass = size - HEADER;
    Step::Control(Control(header))
}

fn control(engine: &mut Postgres, kind: u8, bytes: Bytes) -> Step {
    let mut fields = payload(&bytes);
    match kind {
        b'D' | b'C' => {
            let (Some(what), Some(name), true) = (fields.u8(), fields.cstr(), fields.0.is_empty()) else {
                return broken("malformed Describe or Close message");
            };
            let name = owned(name);
            if !named(engine, kind, what, name) {
                return broken("malformed Describe or Close message");
            }
        }
        // Ignored, unless the COPY has failed already.
        b'S' if engine.queue.copy_in == CopyIn::Reads => engine.queue.ignored += 1,
        b'S' => {
            engine.queue.skipping = false;
            engine.queue.push(Pending::Sync);
            engine.end_segment();
        }
        b'c' | b'f' => {
            if let Some((size, hasher)) = engine.client.copy.take() {
                let event = Event::CopyIn(engine.client.last_number, size, *hasher.finalize().as_bytes());
                engine.steps.push_back(Step::Event(event));
            }
            if engine.queue.copy_in == CopyIn::Reads {
                engine.queue.copy_in = CopyIn::No;
            } else if !engine.queue.skipping {
                engine.queue.push(Pending::CopyEnd);
            }
        }
        b'X' => return Step::Terminate(Control(bytes)),
        _ => {}
    }
    Step::Control(Control(bytes))
}

fn named(engine: &mut Postgres, kind: u8, what: u8, name: Bytes) -> bool {
    if engine.queue.skipping {
        return matches!(what, b'S' | b'P');
    }
    let entry = match (kind, what) {
        (b'D', b'S') => {
            let statement = match engine.statements.look_up(&name) {
                Lookup::Known(statement) => Some(statement),
                _ => None,
            };
            describing(statement)
        }
        (b'D', b'P') => {
            let statement = match engine.portals.look_up(&name) {
                Lookup::Known(portal) => Some(Arc::clone(&portal.statement)),
                _ => None,
            };
            describing(statement)
        }
        (b'C', b'S') => {
            engine.statements.sent(&name, None);
            Pending::CloseStatement { name }
        }
        (b'C', b'P') => {
            engine.portals.sent(&name, None);
            Pending::ClosePortal { name }
        }
        _ => return false,
    };
    engine.queue.push(entry);
    true
}

fn describing(statement: Option<Arc<Statement>>) -> Pending {
    if let Some(statement) = &statement {
        statement.describing.store(true, Ordering::Relaxed);
    }
    Pending::Describe { statement, swallow: false }
}
