//! Facts by text, so that a statement that comes again is not parsed again.
//!
//! Programs often write their constants into the text. Where that is provably without effect on the facts, the integer
//! constants are left out of the key: `... WHERE aid = 1` and `... WHERE aid = 2` share an entry.

use super::{Class, Facts, facts};
use std::{collections::HashMap, sync::Arc};

/// Longest text that is kept.
const LONGEST: usize = 16 * 1024;
/// Entries of each of the two generations.
const GENERATION: usize = 2_048;
/// Longest integer constant that is left out of a key: a longer one is of another type.
const DIGITS: usize = 9;
/// Statements in which no integer constant can change the facts. In `EXPLAIN (ANALYZE 0)` or `SET a = 1` one does.
const PLAIN: [&str; 6] = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "VALUES"];

/// A bounded cache of [`Facts`]. A lookup that hits allocates nothing.
#[derive(Debug, Default)]
pub struct FactsCache {
    /// What was used since the last change of generations.
    young: HashMap<Box<str>, Arc<Facts>>,
    /// What was used before; dropped at the next change.
    old: HashMap<Box<str>, Arc<Facts>>,
    key: String,
}

impl FactsCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The facts of `text`, from the cache or [`facts`].
    pub fn facts(&mut self, text: &str) -> Arc<Facts> {
        if let Some(found) = self.get(text) {
            return found;
        }
        let fresh = Arc::new(facts(text));
        self.insert(text, Arc::clone(&fresh));
        fresh
    }

    /// The facts of `text` when they are known; never parses.
    pub fn get(&mut self, text: &str) -> Option<Arc<Facts>> {
        let normal = normalise(text, &mut self.key);
        let key = if normal { self.key.as_str() } else { text };
        if let Some(found) = self.young.get(key) {
            return Some(Arc::clone(found));
        }
        let (key, found) = self.old.remove_entry(key)?;
        self.keep(key, Arc::clone(&found));
        Some(found)
    }

    /// Keeps facts that the caller had made elsewhere. They must be those of `text`.
    pub fn insert(&mut self, text: &str, facts: Arc<Facts>) {
        if text.len() > LONGEST {
            return;
        }
        let normal = normalise(text, &mut self.key);
        if normal && (facts.class == Class::Admin || facts.by_numbers) {
            // A few constants are looked at by the grammar (`float(0)`): such a refusal must not stick to the others. And
            // `1 = 0` does not speak for `1 = 1`.
            return;
        }
        let key = if normal { self.key.as_str() } else { text };
        self.keep(key.into(), facts);
    }

    fn keep(&mut self, key: Box<str>, facts: Arc<Facts>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, facts);
    }
}

/// Writes `text` with its integer constants as `0` into `key`; false when that could change the facts. Only texts of a
/// few harmless bytes qualify: no quotes, comments, parameters, casts, or second statements.
fn normalise(text: &str, key: &mut String) -> bool {
    key.clear();
    let bytes = text.as_bytes();
    if text.len() > LONGEST || !PLAIN.iter().any(|word| starts_with(bytes, word)) {
        return false;
    }
    let mut from = 0;
    let mut before = b' ';
    let mut digits = 0_usize;
    for (at, &byte) in bytes.iter().enumerate() {
        let class = CLASS.get(usize::from(byte)).copied().unwrap_or(BAD);
        match class {
            BAD => return false,
            // The end of the statement is the end of the text.
            _ if before == b';' && class != BLANK => return false,
            _ if before == b'-' && byte == b'-' => return false,
            DIGIT => {
                digits = if digits > 0 {
                    digits + 1
                } else if is_joined(before) {
                    0
                } else {
                    key.push_str(text.get(from..at).unwrap_or_default());
                    1
                };
            }
            _ if digits > 0 => {
                if digits > DIGITS || is_joined(byte) {
                    return false;
                }
                key.push('0');
                from = at;
                digits = 0;
            }
            _ => {}
        }
        if before != b';' {
            before = byte;
        }
    }
    if digits > DIGITS {
        return false;
    }
    if digits > 0 {
        key.push('0');
    } else {
        key.push_str(text.get(from..).unwrap_or_default());
    }
    true
}

fn starts_with(bytes: &[u8], word: &str) -> bool {
    bytes.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
        && bytes.get(word.len()).is_some_and(|next| !is_joined(*next))
}

/// Bytes that make digits beside them part of something longer: a name, a decimal.
fn is_joined(byte: u8) -> bool {
    matches!(CLASS.get(usize::from(byte)), Some(&(WORD | DIGIT)))
}

const BAD: u8 = 0;
const WORD: u8 = 1;
const DIGIT: u8 = 2;
const BLANK: u8 = 3;
const OTHER: u8 = 4;
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
const CLASS: [u8; 256] = {
    let mut table = [BAD; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'.' => WORD,
            b'0'..=b'9' => DIGIT,
            b' ' | b'\t' | b'\n' => BLANK,
            b',' | b'=' | b'<' | b'>' | b'*' | b'(' | b')' | b';' | b'+' | b'-' => OTHER,
            _ => BAD,
        };
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(text: &str) -> Option<String> {
        let mut key = String::new();
        normalise(text, &mut key).then_some(key)
    }

    #[test]
    fn constants_leave_the_key() {
        for (text, expected) in [
            (
                "SELECT abalance FROM pgbench_accounts WHERE aid = 123;",
                Some("SELECT abalance FROM pgbench_accounts WHERE aid = 0;"),
            ),
            ("select t1.a2 from t1 where a=1 limit 20", Some("select t1.a2 from t1 where a=0 limit 0")),
            ("SELECT 1.5", None),
            ("SELECT 0x10", None),
            ("SELECT 1234567890", None),
            ("SELECT '1'", None),
            ("SELECT $1", None),
            ("SELECT 1 -- 2", None),
            ("SELECT 1; SELECT 2", None),
            ("SELECT 1 ; ", Some("SELECT 0 ; ")),
            ("EXPLAIN (ANALYZE 0) DELETE FROM t", None),
            ("SET a = 1", None),
        ] {
            assert_eq!(key(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_condition_that_restricts_does_not_speak_for_one_that_does_not() {
        let mut cache = FactsCache::new();
        cache.facts("DELETE FROM t WHERE id + 1 = id + 2");
        assert!(!cache.facts("DELETE FROM t WHERE id + 1 = id + 1").has_where);
        assert!(cache.facts("DELETE FROM t WHERE id = 1 OR id <> 2").has_where);
        assert!(!cache.facts("DELETE FROM t WHERE id = 1 OR id <> 1").has_where);
        assert!(cache.facts("DELETE FROM t WHERE 1 = 0").has_where);
        assert!(!cache.facts("DELETE FROM t WHERE 0 = 0").has_where);
    }

    #[test]
    fn hits_share_one_entry_and_old_ones_go() {
        let mut cache = FactsCache::new();
        let first = cache.facts("SELECT a FROM t WHERE b = 1");
        assert!(Arc::ptr_eq(&first, &cache.facts("SELECT a FROM t WHERE b = 77")));
        for number in 0..3 * GENERATION {
            cache.insert(&format!("SELECT a{number} FROM t"), Arc::clone(&first));
        }
        assert!(cache.get("SELECT a FROM t WHERE b = 1").is_none());
        assert!(cache.young.len() + cache.old.len() <= 2 * GENERATION);
    }

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(vec![
                "a",
                "t",
                "*",
                "=",
                "<",
                ",",
                "(",
                ")",
                "-",
                "--",
                ".",
                ";",
                "lower(a)",
                "nextval(1)",
                "WHERE",
                "AND",
                "FROM t",
                "FROM public.t",
                "LIMIT",
                "ORDER BY",
                "UNION SELECT",
                "DROP TABLE t",
                "FOR UPDATE",
                "INTO x",
                "float",
                "interval",
                "t1",
                "e1",
                "'x'",
                "$1",
                "IN",
                "VALUES",
                "EXPLAIN (ANALYZE",
                "SET a",
                "b = 1",
            ])
            .prop_map(str::to_owned),
            (0_u64..2_000_000_000).prop_map(|number| number.to_string()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn cached_facts_are_fresh_facts(
            start in prop::sample::select(vec!["SELECT a", "DELETE FROM t", "UPDATE t SET a = 1", "WITH x AS (SELECT 1) SELECT 1", "EXPLAIN (ANALYZE 0) DELETE FROM t", ""]),
            pieces in prop::collection::vec(piece(), 0..7),
            other in 0_u32..99_999,
        ) {
            let text = format!("{start} {}", pieces.join(" "));
            // The same text with every number changed comes first, and must not spoil the second.
            let mut changed = String::new();
            for part in text.split_inclusive(' ') {
                match part.trim_end().parse::<u64>() {
                    Ok(_) => { changed.push_str(&other.to_string()); changed.push(' '); }
                    Err(_) => changed.push_str(part),
                }
            }
            let mut cache = FactsCache::new();
            let first = cache.facts(&changed);
            prop_assert_eq!(&*first, &facts(&changed));
            let fresh = facts(&text);
            if !fresh.reason.starts_with("unparseable") {
                prop_assert_eq!(&*cache.facts(&text), &fresh);
            }
        }
    }
}
