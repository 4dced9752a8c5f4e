//! Answers that are larger than allowed. The client gets what fits, then an error in place of the rest, as if the server
//! had failed there.
//!
//! The driver asks the server to stop. What it still sends is dropped; its error, whichever it is, is replaced by weir's,
//! and its transaction has failed as the client is told. But the statement may have completed before the request
//! arrived: then nothing at the server has failed.
//!
//! - Where the client has not ended the segment yet, an execution that fails for certain is sent after it: the server's
//!   transaction fails by that.
//! - Where it has, the error is told before the `ReadyForQuery`, whose state is the server's own. If something in it
//!   outlasts an error, the client would take it for undone: it is told by the end of its session, after which a client
//!   knows that it does not know.

use super::{Pending, Postgres, backend::State, error, execute_nowhere, message, pending::CopyIn};
use crate::{Chunk, Control, Event, Excess, Refusal, Reply, Step};
use bytes::Bytes;

/// Most that one statement may give.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnswerLimits {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

/// What a statement has given so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Given {
    pub(super) fn add(&mut self, rows: u64, bytes: usize) {
        self.rows += rows;
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }
}

/// An answer that breaks off.
#[derive(Debug)]
pub(super) struct Cut {
    number: u64,
    pub(super) refusal: Refusal,
    /// The statement completed all the same.
    completed: bool,
}

impl Cut {
    /// The error that the client gets.
    pub(super) fn error(&self) -> Bytes {
        error(&self.refusal, "ERROR")
    }

    /// True for the statement whose answer it is.
    pub(super) fn is_of(&self, number: u64) -> bool {
        self.number == number
    }
}

/// What a row message of `size` bytes would be too much of.
pub(super) fn excess(limits: AnswerLimits, state: &State, size: usize) -> Option<Excess> {
    if state.given.rows >= limits.rows {
        Some(Excess::Rows)
    } else if size as u64 > limits.bytes.saturating_sub(state.given.bytes) {
        Some(Excess::Bytes)
    } else {
        None
    }
}

/// How many of `buffered` bytes, and how many rows, still fit.
pub(super) fn room(limits: AnswerLimits, state: &State, buffered: usize) -> (usize, u64) {
    let Given { rows, bytes } = state.given;
    let left = usize::try_from(limits.bytes.saturating_sub(bytes)).unwrap_or(usize::MAX);
    (buffered.min(left), limits.rows.saturating_sub(rows))
}

/// How many of so many rows the budget lets by: all where there is none, and of an answer that is dropped anyway.
pub(super) fn granted(engine: &Postgres, rows: u64) -> u64 {
    match &engine.budget {
        Some(budget) if engine.server.cut.is_none() => budget.take(rows),
        _ => rows,
    }
}

/// From here on the answer is dropped.
pub(super) fn begin(engine: &mut Postgres, number: u64, excess: Excess) -> Step {
    let refusal = Refusal {
        code: "54000",
        message: "the answer is larger than allowed".to_owned(),
        detail: String::new(),
        hint: String::new(),
    };
    engine.server.cut = Some(Box::new(Cut { number, refusal, completed: false }));
    Step::Exceeded(number, excess)
}

/// What of a step remains while an answer is dropped; none of answers.
pub(super) fn remains(step: Step) -> Option<Step> {
    match step {
        Step::Data(Chunk::Text { .. }) => Some(step),
        Step::Data(_) | Step::Event(Event::Columns(..)) => None,
        // A parameter's change is told whenever it happens.
        Step::Control(control) if control.0.first() == Some(&b'S') => Some(Step::Control(control)),
        Step::Control(_) => None,
        step => Some(step),
    }
}

/// A statement has completed while an answer is dropped: its own, or one behind it.
pub(super) fn completed(engine: &mut Postgres, number: u64, event: Event, simple: bool) -> Step {
    let ended = simple || engine.queue.has_sync();
    match &mut engine.server.cut {
        Some(cut) if cut.is_of(number) => {
            if !std::mem::replace(&mut cut.completed, true) && !ended {
                engine.queue.push(Pending::fails(number, None));
                return Step::Return(Control(execute_nowhere()));
            }
            Step::Control(Control(Bytes::new()))
        }
        _ => Step::Event(event),
    }
}

/// The server waits for data that the client will not send.
pub(super) fn no_copy_in(engine: &mut Postgres) -> Step {
    if std::mem::take(&mut engine.queue.copy_in) == CopyIn::Reads {
        return Step::Return(Control(message::message(b'f', |out| message::put_cstr(out, "weir canceled this"))));
    }
    Step::Control(Control(Bytes::new()))
}

/// The segment has ended without an error of the server's.
pub(super) fn ended_well(engine: &mut Postgres, cut: &Cut, lasting: bool, ready: Step) -> Step {
    if lasting {
        let mut refusal = cut.refusal.clone();
        refusal.message.push_str("; it had completed by then, so what it did may stand");
        return Step::Broken(refusal);
    }
    engine.steps.push_back(ready);
    Step::Reply(Reply(cut.error()))
}
