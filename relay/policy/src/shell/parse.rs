//! Text to facts, within bounds: the parser recurses, and a hostile command would overflow an ordinary stack.

use super::{Class, Facts, walk::Walk};
use brush_parser::{Parser, ParserOptions, ast::Program};
use std::{
    panic::catch_unwind,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// Longest command, in bytes, that is parsed.
const LONGEST: usize = 4_096;
/// Most characters that open something: each level of nesting needs one.
const OPENING: usize = 200;
/// Most elements of arrays: the parser's time doubles with each inside of another.
const ELEMENTS: usize = 3;
/// How long a command may take: the parser tries some texts in more and more ways. Its thread goes on until it is done.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most threads at once, those that nobody waits for any more among them; beyond, a command is not parsed.
const THREADS: usize = 8;
static RUNNING: AtomicUsize = AtomicUsize::new(0);
/// Most here-documents: the parser's time grows with their square.
const HERE_DOCUMENTS: usize = 20;
/// Stack of the parsing thread; it is reserved, not used. Unoptimised code needs more for a level.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 512 << 20 } else { 64 << 20 };

pub(super) fn facts(command: &str) -> Facts {
    if let Some(why) = out_of_bounds(command) {
        return opaque(why);
    }
    if RUNNING.fetch_add(1, Ordering::AcqRel) >= THREADS {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
        return opaque("the parser is busy");
    }
    let text = command.to_owned();
    let (reply, answer) = mpsc::sync_channel(1);
    let work = move || {
        // A parser that panics ends its thread only: the reply is dropped.
        let found = catch_unwind(|| {
            let mut walk = Walk::default();
            walk.script(&text);
            walk.finish()
        });
        RUNNING.fetch_sub(1, Ordering::AcqRel);
        let _ = reply.send(found.unwrap_or_else(|_| opaque("the parser failed")));
    };
    match thread::Builder::new().name("shell-parser".to_owned()).stack_size(STACK_BYTES).spawn(work) {
        Ok(_) => answer.recv_timeout(PATIENCE).unwrap_or_else(|_| opaque("the parser takes too long")),
        Err(_) => {
            RUNNING.fetch_sub(1, Ordering::AcqRel);
            opaque("no parser thread")
        }
    }
}

/// The tree of a text; nothing when it is no bash.
pub(super) fn tree(text: &str) -> Option<Program> {
    Parser::new(text.as_bytes(), &ParserOptions::default()).parse_program().ok()
}

fn opaque(why: &str) -> Facts {
    Facts { class: Class::Admin, commands: 1, reason: format!("unparseable: {why}"), ..Facts::default() }
}

fn out_of_bounds(text: &str) -> Option<&'static str> {
    let opening = text.bytes().filter(|byte| matches!(byte, b'(' | b'{' | b'[' | b'`')).count();
    // The parser takes the number of a directory on the stack for a machine word.
    let tilde = text
        .split('~')
        .skip(1)
        .any(|rest| rest.trim_start_matches(['+', '-']).bytes().take_while(u8::is_ascii_digit).count() > 9);
    let elements = text.split("${").skip(1).filter(|rest| {
        let index = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '!' | '#'));
        index.starts_with('[') && !index.starts_with("[@]") && !index.starts_with("[*]")
    });
    match () {
        () if elements.count() > ELEMENTS => Some("too many elements of arrays"),
        () if text.len() > LONGEST => Some("too long"),
        () if opening > OPENING => Some("too deep"),
        () if text.matches("<<").count() > HERE_DOCUMENTS => Some("too many here-documents"),
        () if tilde => Some("a number out of range"),
        () if text.contains('\0') => Some("NUL"),
        () => None,
    }
}
