//! The server's messages (documentation, "Message Formats", those marked B).

use super::message::{HEADER, Reader, WHOLE, peek};
use super::{
    Postgres, broken, call,
    cut::{self, Cut, Given},
    error, pending,
    pending::{CopyIn, Pending},
    rows, uncertain,
};
use crate::{Chunk, Column, Control, Event, Excess, Refusal, Reply, Shape, Step};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// Messages that are looked at whole (errors, descriptions) may be this large.
const LARGEST_WHOLE: usize = 4 * 1024 * 1024;

/// Where the reader is.
#[derive(Debug)]
pub(super) struct State {
    pub(super) status: u8,
    /// COPY data flows to the client; true for the binary format.
    copy_out: Option<bool>,
    large: Option<Large>,
    /// What the client is told once the large message has ended.
    told_after: BytesMut,
    /// The description of rows that came last, and what it says: the next is often the same.
    described: Option<(Bytes, Described)>,
    /// By the statement that the server works on.
    pub(super) given: Given,
    /// Something that has completed since the last `ReadyForQuery` outlasts an error.
    lasting: bool,
    /// The answer that is dropped.
    pub(super) cut: Option<Box<Cut>>,
    /// The statement that is cancelled, and why.
    pub(super) overdue: Option<Box<(u64, Refusal)>>,
    /// The server has said its last word: what it owed it owes no more.
    over: bool,
}

/// Columns, and the formats in which their values come.
type Described = (Arc<Vec<Column>>, Arc<Vec<bool>>);

impl Default for State {
    fn default() -> Self {
        Self {
            status: b'I',
            copy_out: None,
            large: None,
            told_after: BytesMut::new(),
            described: None,
            given: Given::default(),
            lasting: false,
            cut: None,
            overdue: None,
            over: false,
        }
    }
}

impl State {
    pub(super) fn in_transfer(&self) -> bool {
        self.large.is_some() || self.copy_out.is_some()
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The client has the beginning of a message, and not all of it.
    pub(super) fn inside_message(&self) -> bool {
        self.large.is_some()
    }

    /// The message if it may be sent now; kept for later where it may not.
    pub(super) fn between_messages(&mut self, message: Bytes) -> Bytes {
        if self.inside_message() {
            self.told_after.extend_from_slice(&message);
            return Bytes::new();
        }
        message
    }
}

/// Inside a row or bulk message that is not held whole.
#[derive(Debug)]
struct Large {
    number: u64,
    shape: Shape,
    copy: bool,
    /// Bytes left of the message.
    left: usize,
    /// Cells left after the present one.
    cells: usize,
    column: usize,
    /// Bytes left of the present cell.
    cell: usize,
}

pub(super) fn step(engine: &mut Postgres, input: &mut BytesMut) -> Step {
    loop {
        let step = next(engine, input);
        if engine.server.cut.is_none() {
            return step;
        }
        if let Some(step) = cut::remains(step) {
            return step;
        }
    }
}

fn next(engine: &mut Postgres, input: &mut BytesMut) -> Step {
    if let Some(step) = engine.steps.pop_front() {
        return step;
    }
    if let Some(large) = engine.server.large.take() {
        return continue_large(engine, large, input);
    }
    if !engine.server.told_after.is_empty() {
        return Step::Reply(Reply(engine.server.told_after.split().freeze()));
    }
    let Ok(head) = peek(input) else { return broken("the server sent an invalid message length") };
    let Some((kind, size)) = head else { return Step::NeedMore };
    if matches!(kind, b'D' | b'd')
        && engine.server.cut.is_none()
        && let Some(excess) = cut::excess(engine.answer, &engine.server, size)
    {
        return cut_off(engine, kind, excess);
    }
    match kind {
        b'D' if size > WHOLE => return begin_large_row(engine, input, size),
        b'd' if size > WHOLE => return begin_large_copy(engine, input, size),
        b'D' | b'd' => return run(engine, input, kind),
        _ if size > LARGEST_WHOLE => return broken("the server sent a message that is too large"),
        _ => {}
    }
    if input.len() < size {
        return Step::NeedMore;
    }
    let bytes = input.split_to(size).freeze();
    whole(engine, kind, bytes)
}

fn cut_off(engine: &mut Postgres, kind: u8, excess: Excess) -> Step {
    match current(engine) {
        0 => out_of_step(kind),
        number => cut::begin(engine, number, excess),
    }
}

fn forward(bytes: Bytes) -> Step {
    Step::Control(Control(bytes))
}

fn out_of_step(kind: u8) -> Step {
    broken(&format!("the server sent {:?} where it was not due", char::from(kind)))
}

fn whole(engine: &mut Postgres, kind: u8, bytes: Bytes) -> Step {
    match kind {
        b'N' | b'A' => return Step::Data(Chunk::Text { number: current(engine), bytes }),
        b'S' => return parameter_status(bytes),
        b'E' => return failed(engine, bytes),
        b'Z' => return ready(engine, bytes),
        _ => {}
    }
    engine.queue.answers();
    let Some(front) = engine.queue.front() else { return out_of_step(kind) };
    match (kind, front) {
        (b'1', Pending::Parse { .. })
        | (b'2', Pending::Bind { .. })
        | (b'3', Pending::CloseStatement { .. } | Pending::ClosePortal { .. }) => {
            let entry = engine.queue.pop();
            settle(engine, entry, true);
            forward(bytes)
        }
        (b't', Pending::Describe { statement, swallow: false }) => {
            if let (Some(statement), Some(types)) = (statement, parameter_types(&bytes)) {
                let _ = statement.described.set(types);
            }
            forward(bytes)
        }
        (b'T' | b'n', Pending::Describe { statement, swallow }) => {
            let known = &mut engine.server.described;
            let columns = if kind == b'T' { described(known, &bytes).map(|both| both.0) } else { Some(Arc::default()) };
            let Some(columns) = columns else { return broken("the server sent a malformed RowDescription") };
            if let Some(statement) = statement {
                let _ = statement.columns.set(columns);
            }
            let swallow = *swallow;
            engine.queue.pop();
            if swallow { step_again(engine) } else { forward(bytes) }
        }
        (b'T', Pending::Query { number, shape, .. }) => {
            let Some((columns, formats)) = described(&mut engine.server.described, &bytes) else {
                return broken("the server sent a malformed RowDescription");
            };
            *shape = Shape { columns: Some(columns), formats };
            let event = Event::Columns(*number, shape.clone());
            engine.steps.push_back(forward(bytes));
            Step::Event(event)
        }
        (b'V', Pending::Query { number, shape, lasting, .. }) if shape.columns.is_some() => {
            let (number, shape) = (*number, shape.clone());
            engine.server.lasting |= *lasting;
            if call::answer(&bytes).is_none() {
                return broken("the server sent a malformed FunctionCallResponse");
            }
            engine.steps.push_back(Step::Data(Chunk::Result { number, bytes, shape: shape.clone() }));
            engine.steps.push_back(Step::Event(Event::Complete(number, "FUNCTION CALL".to_owned())));
            Step::Event(Event::Columns(number, shape))
        }
        (b'C' | b'I' | b's', Pending::Query { number, lasting, .. } | Pending::Execute { number, lasting, .. }) => {
            engine.server.copy_out = None;
            engine.server.given = Given::default();
            engine.server.lasting |= *lasting;
            let number = *number;
            let tag = match kind {
                b'C' => Reader(bytes.get(HEADER..).unwrap_or_default()).text().unwrap_or_default().to_owned(),
                b'I' => "EMPTY".to_owned(),
                _ => super::SUSPENDED.to_owned(),
            };
            let event = Event::Complete(number, tag);
            let simple = matches!(engine.queue.front(), Some(Pending::Query { .. }));
            if !simple {
                engine.queue.pop();
            }
            engine.queue.copy_in = CopyIn::No;
            if engine.server.cut.is_some() {
                return cut::completed(engine, number, event, simple);
            }
            engine.steps.push_back(forward(bytes));
            Step::Event(event)
        }
        (b'G', Pending::Query { .. } | Pending::Execute { .. }) => {
            engine.queue.begin_copy_in();
            if engine.server.cut.is_some() {
                return cut::no_copy_in(engine);
            }
            forward(bytes)
        }
        (b'H', Pending::Query { .. } | Pending::Execute { .. }) => {
            engine.server.copy_out = Some(bytes.get(HEADER).is_none_or(|format| *format != 0));
            forward(bytes)
        }
        (b'c', Pending::Query { .. } | Pending::Execute { .. }) if engine.server.copy_out.is_some() => {
            engine.server.copy_out = None;
            forward(bytes)
        }
        _ => out_of_step(kind),
    }
}

/// Nothing to do for this message; the driver calls again.
fn step_again(_: &Postgres) -> Step {
    Step::Control(Control(Bytes::new()))
}

fn current(engine: &mut Postgres) -> u64 {
    match engine.queue.front() {
        Some(Pending::Query { number, .. } | Pending::Execute { number, .. }) => *number,
        _ => 0,
    }
}

fn parameter_status(bytes: Bytes) -> Step {
    let mut fields = Reader(bytes.get(HEADER..).unwrap_or_default());
    let (Some(name), Some(value)) = (fields.text(), fields.text()) else {
        return broken("the server sent a malformed ParameterStatus");
    };
    // What was judged and masked was read as UTF-8 with standard strings; anything else would be a way round.
    match (name, value) {
        ("client_encoding", "UTF8" | "UNICODE") | ("standard_conforming_strings", "on") => forward(bytes),
        ("client_encoding" | "standard_conforming_strings", _) => {
            broken("the session changed client_encoding or standard_conforming_strings, which weir does not follow")
        }
        _ => forward(bytes),
    }
}

fn failed(engine: &mut Postgres, bytes: Bytes) -> Step {
    engine.server.copy_out = None;
    engine.server.given = Given::default();
    let cut = engine.server.cut.take();
    let overdue = engine.server.overdue.take();
    engine.server.over |= rows::ends_the_session(&bytes);
    let summary = rows::error_summary(&bytes);
    let as_told = |number, refused: Option<Bytes>| {
        if let Some(cut) = &cut {
            let event = (!cut.is_of(number)).then_some(Event::Failed(number, bytes.clone()));
            return (event.filter(|_| refused.is_none()), Step::Reply(Reply(cut.error())));
        }
        match overdue.as_deref() {
            Some((late, refusal)) if *late == number && refused.is_none() && summary.starts_with("57014") => {
                let told = error(refusal, "ERROR");
                (Some(Event::Failed(number, told.clone())), Step::Reply(Reply(told)))
            }
            _ => engine_step(number, refused, bytes.clone()),
        }
    };
    let (simple, first) = match engine.queue.front() {
        None | Some(Pending::Sync) => return Step::Data(Chunk::Text { number: 0, bytes }),
        Some(Pending::Query { number, refused, .. }) => (true, as_told(*number, refused.take())),
        Some(Pending::Execute { number, refused, .. }) => (false, as_told(*number, refused.take())),
        Some(_) => match &cut {
            Some(cut) => (false, (None, Step::Reply(Reply(cut.error())))),
            None => (false, (None, Step::Data(Chunk::Text { number: 0, bytes }))),
        },
    };
    let step = told(first, engine);
    if !engine.queue.fail(summary.starts_with("08P01")) && !engine.server.over {
        engine.steps.push_back(uncertain());
    } else if !simple {
        let first = engine.queue.pop();
        settle(engine, first, false);
        for entry in engine.queue.take_skipped() {
            if let Pending::Execute { number, .. } | Pending::Query { number, .. } = entry
                && !cut.as_ref().is_some_and(|cut| cut.is_of(number))
            {
                engine.steps.push_back(Step::Event(Event::Skipped(number)));
            }
            settle(engine, Some(entry), false);
        }
    }
    step
}

/// The error that the client is told, after the event that records it.
fn engine_step(number: u64, refused: Option<Bytes>, bytes: Bytes) -> (Option<Event>, Step) {
    match refused {
        Some(refusal) => (None, Step::Reply(Reply(refusal))),
        None => (Some(Event::Failed(number, bytes.clone())), Step::Data(Chunk::Text { number, bytes })),
    }
}

fn told((event, step): (Option<Event>, Step), engine: &mut Postgres) -> Step {
    match event {
        None => step,
        Some(event) => {
            engine.steps.push_back(step);
            Step::Event(event)
        }
    }
}

fn ready(engine: &mut Postgres, bytes: Bytes) -> Step {
    let Some(&[status]) = bytes.get(HEADER..).and_then(<[u8]>::first_chunk::<1>) else {
        return broken("the server sent a malformed ReadyForQuery");
    };
    match engine.queue.ready() {
        None => return out_of_step(b'Z'),
        Some(true) => {}
        Some(false) => engine.end_segment(),
    }
    engine.server.status = status;
    engine.server.copy_out = None;
    engine.server.given = Given::default();
    engine.server.overdue = None;
    let lasting = std::mem::take(&mut engine.server.lasting);
    if status == b'I' {
        engine.portals.clear_confirmed();
    }
    match engine.server.cut.take() {
        Some(cut) => cut::ended_well(engine, &cut, lasting, forward(bytes)),
        None => forward(bytes),
    }
}

fn settle(engine: &mut Postgres, entry: Option<Pending>, done: bool) {
    match entry {
        Some(Pending::Parse { name, statement }) => engine.statements.answered(&name, Some(&statement), done),
        Some(Pending::Bind { name, portal }) => engine.portals.answered(&name, portal.as_ref(), done),
        Some(Pending::CloseStatement { name }) => engine.statements.answered(&name, None, done),
        Some(Pending::ClosePortal { name }) => engine.portals.answered(&name, None, done),
        Some(Pending::Describe { statement, .. }) if !done => pending::undescribed(statement.as_ref()),
        _ => {}
    }
}

fn described(known: &mut Option<(Bytes, Described)>, bytes: &Bytes) -> Option<Described> {
    if let Some((before, described)) = known
        && before == bytes
    {
        return Some(described.clone());
    }
    let (columns, formats) = columns(bytes)?;
    let described = (Arc::new(columns), Arc::new(formats));
    // A copy, so that it does not keep all that was read with it.
    *known = Some((Bytes::copy_from_slice(bytes), described.clone()));
    Some(described)
}

/// The types of a `ParameterDescription`.
fn parameter_types(bytes: &Bytes) -> Option<Box<[u32]>> {
    let mut fields = Reader(bytes.get(HEADER..)?);
    let count = fields.u16()?;
    let types = (0..count).map(|_| fields.u32()).collect::<Option<_>>()?;
    fields.0.is_empty().then_some(types)
}

fn columns(bytes: &Bytes) -> Option<(Vec<Column>, Vec<bool>)> {
    let mut fields = Reader(bytes.get(HEADER..)?);
    let count = usize::from(fields.u16()?);
    let (mut columns, mut formats) = (Vec::with_capacity(count.min(1664)), Vec::with_capacity(count.min(1664)));
    for _ in 0..count {
        let name = String::from_utf8_lossy(fields.cstr()?).into_owned();
        let (table, attribute, type_oid) = (fields.u32()?, fields.u16()?.cast_signed(), fields.u32()?);
        let (_size, _modifier) = (fields.u16()?, fields.u32()?);
        formats.push(fields.u16()? != 0);
        columns.push(Column { name, table, attribute, type_oid });
    }
    fields.0.is_empty().then_some((columns, formats))
}

/// The shape of the rows that flow now, and whether the recording still has to be told.
fn flowing(engine: &mut Postgres) -> Option<(u64, Shape, bool)> {
    engine.queue.answers();
    match engine.queue.front()? {
        Pending::Query { number, shape, .. } => Some((*number, shape.clone(), false)),
        Pending::Execute { number, portal: Some(portal), announced, .. } => {
            let shape =
                Shape { columns: portal.statement.columns.get().cloned(), formats: Arc::clone(&portal.formats) };
            Some((*number, shape, !std::mem::replace(announced, true)))
        }
        _ => None,
    }
}

/// As many whole messages of one kind as the buffer holds and the limits let by.
fn run(engine: &mut Postgres, input: &mut BytesMut, kind: u8) -> Step {
    let (mut end, mut rows) = (0, 0);
    let (most, most_rows) = match engine.server.cut {
        None => cut::room(engine.answer, &engine.server, input.len()),
        Some(_) => (input.len(), u64::MAX),
    };
    while let Ok(Some((next, size))) = peek(input.get(end..).unwrap_or_default()) {
        if next != kind || size > WHOLE || most < end + size || rows == most_rows {
            break;
        }
        (end, rows) = (end + size, rows + 1);
    }
    if end == 0 {
        return Step::NeedMore;
    }
    let granted = cut::granted(engine, rows);
    if granted == 0 {
        return cut_off(engine, kind, Excess::Budget);
    }
    if granted < rows {
        (end, rows) = (length(input, granted), granted);
    }
    engine.server.given.add(rows, end);
    let Some((number, shape, announce)) = flowing(engine) else { return out_of_step(kind) };
    if kind == b'd' {
        let Some(binary) = engine.server.copy_out else { return out_of_step(kind) };
        return Step::Data(Chunk::Copy { number, bytes: input.split_to(end).freeze(), binary });
    }
    if announce {
        let step = Step::Data(Chunk::Rows { number, bytes: input.split_to(end).freeze(), shape: shape.clone() });
        engine.steps.push_back(step);
        return Step::Event(Event::Columns(number, shape));
    }
    Step::Data(Chunk::Rows { number, bytes: input.split_to(end).freeze(), shape })
}

/// How many bytes the first so many messages have.
fn length(input: &[u8], messages: u64) -> usize {
    (0..messages).fold(0, |end, _| match peek(input.get(end..).unwrap_or_default()) {
        Ok(Some((_, size))) => end + size,
        _ => end,
    })
}

fn begin_large_row(engine: &mut Postgres, input: &mut BytesMut, size: usize) -> Step {
    const HEAD: usize = HEADER + 2;
    let Some(cells) = input.get(HEADER..HEAD).and_then(|count| Reader(count).u16()) else { return Step::NeedMore };
    if cut::granted(engine, 1) == 0 {
        return cut_off(engine, b'D', Excess::Budget);
    }
    let Some((number, shape, announce)) = flowing(engine) else { return out_of_step(b'D') };
    let bytes = input.split_to(HEAD).freeze();
    engine.server.given.add(1, size);
    engine.server.large = Some(Large {
        number,
        shape: shape.clone(),
        copy: false,
        left: size - HEAD,
        cells: usize::from(cells),
        column: usize::MAX,
        cell: 0,
    });
    let frame = Step::Data(Chunk::Frame { number, bytes, first: true, copy: false });
    if announce {
        engine.steps.push_back(frame);
        return Step::Event(Event::Columns(number, shape));
    }
    frame
}

fn begin_large_copy(engine: &mut Postgres, input: &mut BytesMut, size: usize) -> Step {
    if engine.server.copy_out.is_none() {
        return out_of_step(b'd');
    }
    if cut::granted(engine, 1) == 0 {
        return cut_off(engine, b'd', Excess::Budget);
    }
    let Some((number, shape, _)) = flowing(engine) else { return out_of_step(b'd') };
    let bytes = input.split_to(HEADER).freeze();
    engine.server.given.add(1, size);
    let left = size - HEADER;
    engine.server.large = Some(Large { number, shape, copy: true, left, cells: 0, column: 0, cell: left });
    Step::Data(Chunk::Frame { number, bytes, first: true, copy: true })
}

fn continue_large(engine: &mut Postgres, mut large: Large, input: &mut BytesMut) -> Step {
    let Large { number, copy, .. } = large;
    if large.cell > 0 {
        let bytes = input.split_to(large.cell.min(input.len())).freeze();
        if bytes.is_empty() {
            engine.server.large = Some(large);
            return Step::NeedMore;
        }
        large.cell -= bytes.len();
        large.left -= bytes.len();
        let (last, shape) = (large.cell == 0, large.shape.clone());
        let column = (!copy).then_some(large.column);
        engine.server.large = (large.left > 0 || large.cells > 0).then_some(large);
        return Step::Data(Chunk::Part { number, bytes, column, shape, last, copy });
    }
    // The length of the next cell.
    let Some(length) = input.get(..4).and_then(|field| Reader(field).u32()) else {
        engine.server.large = Some(large);
        return Step::NeedMore;
    };
    let cell = if length == u32::MAX { 0 } else { length as usize };
    if large.cells == 0 || large.left < 4 || cell > large.left - 4 || (large.cells == 1 && cell != large.left - 4) {
        return broken("the server sent a malformed DataRow");
    }
    large.left -= 4;
    large.cells -= 1;
    large.cell = cell;
    large.column = large.column.wrapping_add(1);
    let bytes = input.split_to(4).freeze();
    engine.server.large = (large.left > 0 || large.cells > 0).then_some(large);
    Step::Data(Chunk::Frame { number, bytes, first: false, copy })
}
