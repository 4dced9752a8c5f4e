//! Text to parse tree to facts, on a stack that is deep enough. A hostile statement can nest thousands of levels, and
//! decoding, walking and dropping its tree are recursive: in an ordinary thread that overflows the stack and ends the
//! whole process. So only what cannot nest deeply runs on the caller's stack.

use super::{
    Class, Facts,
    lineage::{self, Lineage},
    tree, walk,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, OnceLock, PoisonError, mpsc},
    thread,
};

/// Longest text, in bytes, that is parsed on the caller's own stack.
const QUICK_BYTES: usize = 1_000;
/// Most tokens of such a text: each level of nesting needs at least one.
/// Unoptimised code needs up to 40 KiB of stack for a level, optimised code a tenth.
const QUICK_TOKENS: usize = if cfg!(debug_assertions) { 24 } else { 160 };
/// Stack of a parser thread. PostgreSQL's own limits end at about 4,500 levels; unoptimised code needs more for one.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 512 << 20 } else { 64 << 20 };
const THREADS: usize = 2;
/// Texts that wait for a thread; further callers block.
const WAITING: usize = 16;

type Job = Box<dyn FnOnce() + Send>;

/// True when [`super::facts`] of this text neither blocks nor takes long, so that an async caller may ask for it in place.
#[must_use]
pub fn is_quick(text: &str) -> bool {
    text.len() <= QUICK_BYTES && tokens(text) <= QUICK_TOKENS
}

pub(super) fn facts(text: &str) -> Facts {
    if is_quick(text) { here(text) } else { elsewhere(text, here).unwrap_or_else(|why| unparseable(text, why)) }
}

/// What `read` makes of the tree of a text; none when it cannot be parsed.
pub(super) fn with_tree<T: Send + 'static>(text: &str, read: fn(&tree::Tree) -> T) -> Option<T> {
    let parse = move |text: &str| Some(read(&tree::tree_of(&pg_query::parse(text, 0).ok()?.protobuf).ok()?));
    if is_quick(text) { parse(text) } else { elsewhere(text, parse).ok().flatten() }
}

/// An upper bound of the number of tokens: starts of words, and every other byte that is no blank.
fn tokens(text: &str) -> usize {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let mut before = b' ';
    text.bytes()
        .filter(|&byte| {
            let starts = if word(byte) { !word(before) } else { !byte.is_ascii_whitespace() };
            before = byte;
            starts
        })
        .count()
}

fn here(text: &str) -> Facts {
    let parsed = match pg_query::parse(text, 0) {
        Ok(parsed) => parsed,
        Err(error) => return unparseable(text, &error.to_string()),
    };
    match tree::tree_of(&parsed.protobuf) {
        Ok(tree) => Facts { lineage: lineage::lineage(&tree), ..walk::facts(&tree) },
        Err(error) => unparseable(text, &error.to_string()),
    }
}

/// Runs it on a stack that is deep enough; says why it could not.
fn elsewhere<T: Send + 'static>(text: &str, parse: impl FnOnce(&str) -> T + Send + 'static) -> Result<T, &'static str> {
    let (reply, answer) = mpsc::sync_channel(1);
    let text = text.to_owned();
    // Nobody waits for the reply any more when the session ended meanwhile.
    let job: Job = Box::new(move || drop(reply.send(parse(&text))));
    pool().send(job).map_err(|_| "no parser thread")?;
    answer.recv().map_err(|_| "the parser failed")
}

fn pool() -> &'static mpsc::SyncSender<Job> {
    static POOL: OnceLock<mpsc::SyncSender<Job>> = OnceLock::new();
    POOL.get_or_init(|| {
        let (sender, receiver) = mpsc::sync_channel::<Job>(WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..THREADS {
            let receiver = Arc::clone(&receiver);
            let started = thread::Builder::new()
                .name(format!("sql-parser-{number}"))
                .stack_size(STACK_BYTES)
                .spawn(move || work(&receiver));
            // Without any thread the receiver is dropped, sending fails, and the statement counts as unparseable.
            drop(started);
        }
        sender
    })
}

fn work(receiver: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // One that fails drops its reply.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

/// What cannot be parsed takes the most dangerous class. Whether it holds a password is not known either.
pub(super) fn unparseable(text: &str, why: &str) -> Facts {
    let mut why: String = why.chars().filter(|c| !c.is_control()).take(200).collect();
    if let Some(rest) = why.strip_prefix("Invalid statement: ") {
        why = rest.to_owned();
    }
    Facts {
        class: Class::Admin,
        certain: Class::Admin,
        statements: 1,
        redefines: true,
        sets: true,
        opaque: true,
        reason: format!("unparseable: {why}"),
        certain_reason: format!("unparseable: {why}"),
        has_where: true,
        has_password: text.to_ascii_lowercase().contains("password"),
        lineage: Lineage::unknown(),
        ..Facts::empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(open: &str, middle: &str, close: &str, levels: usize) -> String {
        format!("SELECT {}{middle}{}", open.repeat(levels), close.repeat(levels))
    }

    #[test]
    fn hostile_nesting_is_parsed_or_refused() {
        for levels in [40, 100, 800, 3_000, 20_000] {
            for (open, middle, close) in [
                ("(", "1", ")"),
                ("NOT ", "true", ""),
                ("- ", "1", ""),
                ("(SELECT ", "1", ")"),
                ("", "1", "+1"),
                ("", "1", "::int"),
                ("ARRAY[", "1", "]"),
                ("f(", "1", ")"),
                ("", "1", " UNION SELECT 1"),
                ("CASE WHEN ", "true", " THEN 1 END"),
                ("", "a", "[1]"),
            ] {
                let facts = facts(&nested(open, middle, close, levels));
                assert!(facts.class >= Class::Read, "{open} {levels}: {facts:?}");
            }
        }
    }

    #[test]
    fn forty_eight_nested_operators_are_no_obstacle() {
        // prost's default recursion limit refuses them; this fails when the feature no longer reaches pg_query's prost.
        assert_eq!(facts(&nested("(SELECT ", "1", ")", 120)).class, Class::Read);
    }

    #[test]
    fn the_deepest_quick_text_fits_in_half_a_thread_stack() {
        let run = || {
            for text in [
                nested("- ", "1", "", QUICK_TOKENS - 3),
                nested("NOT ", "true", "", QUICK_TOKENS - 3),
                nested("(SELECT ", "1", ")", (QUICK_TOKENS - 3) / 3),
            ] {
                assert!(is_quick(&text));
                assert_eq!(facts(&text).class, Class::Read);
            }
        };
        thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
    }

    #[test]
    fn a_long_list_is_not_quick() {
        let list = vec!["1"; 5_000].join(",");
        let text = format!("SELECT a FROM t WHERE a IN ({list})");
        assert!(!is_quick(&text));
        assert_eq!(facts(&text).reads, ["t"]);
    }

    #[test]
    fn nul_is_unparseable() {
        let facts = facts("SELECT 1\0; DROP TABLE t");
        assert_eq!(facts.class, Class::Admin);
        assert!(facts.reason.starts_with("unparseable: "), "{}", facts.reason);
    }
}
