//! Text to facts, within bounds: the parser recurses, and a hostile command would overflow an ordinary stack.

use super::{Class, Facts, walk::Walk};
use brush_parser::{Parser, ParserOptions, ast::Program};
use std::thread;

/// Longest command, in bytes, that is parsed.
const LONGEST: usize = 4_096;
/// Most characters that open something: each level of nesting needs one.
const OPENING: usize = 200;
/// Most here-documents: the parser's time grows with their square.
const HERE_DOCUMENTS: usize = 20;
/// Stack of the parsing thread; it is reserved, not used. Unoptimised code needs more for a level.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 512 << 20 } else { 64 << 20 };

pub(super) fn facts(command: &str) -> Facts {
    if let Some(why) = out_of_bounds(command) {
        return opaque(why);
    }
    let text = command.to_owned();
    let work = move || {
        let mut walk = Walk::default();
        walk.script(&text);
        walk.finish()
    };
    // A parser that panics ends its thread only.
    match thread::Builder::new().name("shell-parser".to_owned()).stack_size(STACK_BYTES).spawn(work) {
        Ok(thread) => thread.join().unwrap_or_else(|_| opaque("the parser failed")),
        Err(_) => opaque("no parser thread"),
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
    match () {
        () if text.len() > LONGEST => Some("too long"),
        () if opening > OPENING => Some("too deep"),
        () if text.matches("<<").count() > HERE_DOCUMENTS => Some("too many here-documents"),
        () if tilde => Some("a number out of range"),
        () if text.contains('\0') => Some("NUL"),
        () => None,
    }
}
