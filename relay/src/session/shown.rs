//! What a session was shown in place of what it may not see. Written back, a mask would destroy the value that it stands for:
//! an object-relational mapper reads a row, changes one column and saves them all.
//!
//! Only what was shown to this session counts: text that merely looks like a mask is data as any other.

use crate::mask::{Counts, LABEL};
use memchr::memmem;
use weir_policy::sql::{Class, Facts, Written};
use weir_protocol::Action;

/// Longer than any mask: so much of COPY data is looked at again with what follows.
const LONGEST: usize = 64;

/// Masks by their rules, and columns that were NULL in place of a value.
#[derive(Debug, Default)]
pub(super) struct Shown {
    rules: Vec<&'static str>,
    nulls: Vec<Box<str>>,
    /// What is copied in may hold none of them.
    watched: bool,
    /// The end of the COPY data that was looked at last.
    end: Vec<u8>,
}

impl Shown {
    /// Values were masked.
    pub(super) fn masked(&mut self, counts: &Counts) {
        for (rule, _) in counts.iter() {
            if !self.rules.contains(&rule) {
                self.rules.push(rule);
            }
        }
    }

    /// Columns were shown as NULL.
    pub(super) fn nulled(&mut self, columns: impl Iterator<Item = Box<str>>) {
        for column in columns {
            if !self.nulls.contains(&column) {
                self.nulls.push(column);
            }
        }
    }

    /// A COPY begins; `watched` when policy would not let it write a mask.
    pub(super) fn begin_copy(&mut self, watched: bool) {
        self.watched = watched;
        self.end.clear();
    }

    /// True when nothing was.
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What of it a request would write, in words; none when it writes none of it. Comparing is no write.
    pub(super) fn written(&self, action: &Action, facts: &Facts) -> Option<String> {
        if self.rules.is_empty() || facts.written.is_empty() {
            return None;
        }
        // The catalog may say of a function that it is harmless after all.
        let passed = facts.written.passed.as_deref().filter(|_| facts.class >= Class::Write);
        self.mask_among(&facts.written, action).or_else(|| self.mask_among(passed?, action))
    }

    fn mask_among(&self, written: &Written, action: &Action) -> Option<String> {
        if let Some(mask) = written.literals.iter().find_map(|literal| self.mask_in(literal.as_bytes())) {
            return Some(mask);
        }
        let values = &action.parameters.values;
        for (number, column) in &written.parameters {
            match number.checked_sub(1).and_then(|at| values.get(at)) {
                Some(Some(value)) => {
                    if let Some(mask) = self.mask_in(value) {
                        return Some(into(mask, column));
                    }
                }
                Some(None) if self.was_null(column) => return Some(null_into(column)),
                Some(None) | None => {}
            }
            for (_, argument) in written.arguments.iter().filter(|(given, _)| given == number) {
                match argument {
                    Some(literal) => {
                        if let Some(mask) = self.mask_in(literal.as_bytes()) {
                            return Some(into(mask, column));
                        }
                    }
                    None if self.was_null(column) => return Some(null_into(column)),
                    None => {}
                }
            }
        }
        if written.more
            && let Some(mask) = values.iter().flatten().find_map(|value| self.mask_in(value))
        {
            return Some(mask);
        }
        written.nulls.iter().find(|column| self.was_null(column)).map(|column| null_into(column))
    }

    /// The mask in a part of the data of COPY FROM, which may begin in the part before.
    pub(super) fn copied(&mut self, data: &[u8]) -> Option<String> {
        // What stands before a message's data is none of them.
        let header = data.len() == 5 && data.first() == Some(&b'd');
        if self.rules.is_empty() || !self.watched || header {
            return None;
        }
        let head = data.get(..LONGEST).unwrap_or(data);
        self.end.extend_from_slice(head);
        let found = self.mask_in(&self.end).or_else(|| self.mask_in(data));
        let from = data.len().saturating_sub(LONGEST);
        if data.len() >= LONGEST {
            self.end.clear();
            self.end.extend_from_slice(data.get(from..).unwrap_or_default());
        } else {
            self.end.drain(..self.end.len().saturating_sub(LONGEST));
        }
        found
    }

    fn was_null(&self, column: &str) -> bool {
        self.nulls.iter().any(|null| **null == *column)
    }

    /// The first mask in the text that was shown.
    fn mask_in(&self, text: &[u8]) -> Option<String> {
        memmem::find_iter(text, b"[masked").find_map(|at| {
            let rest = text.get(at + b"[masked".len()..)?;
            let shown = |rule: &&'static str| match rest.strip_prefix(b":") {
                Some(name) => {
                    name.strip_prefix(rule.as_bytes()).is_some_and(|end| matches!(end.first(), Some(b']' | b':')))
                }
                None => *rule == LABEL && rest.starts_with(b"]"),
            };
            let rule = self.rules.iter().copied().find(shown)?;
            Some(if rule == LABEL { "[masked]".to_owned() } else { format!("[masked:{rule}]") })
        })
    }
}

fn into(mask: String, column: &str) -> String {
    if column.is_empty() { mask } else { format!("{mask} into {column}") }
}

fn null_into(column: &str) -> String {
    format!("NULL into {column}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rules: &[&'static str]) -> Shown {
        let mut counts = Counts::new();
        rules.iter().for_each(|rule| counts.add(rule));
        let mut shown = Shown::default();
        shown.masked(&counts);
        shown
    }

    #[test]
    fn only_masks_that_were_shown_count() {
        let shown = shown(&["email", LABEL]);
        for (text, mask) in [
            ("[masked:email]", Some("[masked:email]")),
            ("to [masked:email:.com] now", Some("[masked:email]")),
            ("[masked:card] and [masked:email]", Some("[masked:email]")),
            ("[masked]", Some("[masked]")),
            ("[masked:card]", None),
            ("[masked:emails]", None),
            ("[masked:email", None),
            ("masked:email]", None),
        ] {
            assert_eq!(shown.mask_in(text.as_bytes()).as_deref(), mask, "{text}");
        }
    }

    #[test]
    fn a_mask_is_found_in_copied_data_wherever_it_is_cut() {
        let data = format!("{}\t[masked:email]\t{}", "x".repeat(100), "y".repeat(100));
        for size in 1..data.len() {
            let mut shown = shown(&["email"]);
            shown.begin_copy(true);
            let found = data.as_bytes().chunks(size).find_map(|part| shown.copied(part));
            assert_eq!(found.as_deref(), Some("[masked:email]"), "{size}");
        }
        assert_eq!(shown(&["card"]).copied(data.as_bytes()), None);
    }
}
