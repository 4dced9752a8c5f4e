//! Values too large to hold: looked at in windows that overlap, masked by filling, so that the length that was
//! announced stays true. What is JSON stays JSON: a number's first and last byte become quotes.

use super::{
    Counts, LABEL,
    json::{self, Nest},
};
use bytes::{Bytes, BytesMut};
use weir_shared::detect::Span;

/// A window is looked at when it has this much.
const WINDOW: usize = 128 * 1024;
/// So much of its end is looked at again with what follows: longer than any value that is looked for.
const OVERLAP: usize = 16 * 1024;

/// What is held back.
#[derive(Debug, Default)]
pub struct Held {
    carry: BytesMut,
    /// Where in the value what was shown of it ends, when it is JSON.
    nest: Option<Nest>,
}

impl Held {
    /// Takes some bytes of a value, gives those that may be shown.
    pub fn push(
        &mut self,
        bytes: &[u8],
        last: bool,
        (whole, json): (bool, bool),
        counts: &mut Counts,
        find: impl FnOnce(&[u8]) -> Vec<Span>,
    ) -> Bytes {
        if whole {
            if last {
                counts.add(LABEL);
            }
            return Bytes::from(vec![b'*'; bytes.len()]);
        }
        self.carry.extend_from_slice(bytes);
        if !last && self.carry.len() < WINDOW {
            return Bytes::new();
        }
        if json && self.nest.is_none() {
            self.nest = Some(Nest::new());
        }
        let end = self.carry.len();
        let mut fed = 0;
        let mut cut = if last { end } else { end - OVERLAP };
        for span in find(&self.carry) {
            // What reaches into the overlap may grow: it waits as a whole, unless it fills the window.
            if !last && span.end > cut {
                // With its sign, where it is a number.
                let head = self.carry.get(..span.start).unwrap_or_default();
                let begin = if self.nest.is_some() { span.start - json::numeric_end(head) } else { span.start };
                if begin > 0 {
                    cut = cut.min(begin);
                }
                if span.start >= cut {
                    continue;
                }
            }
            counts.add(span.rule);
            match &mut self.nest {
                Some(nest) => fed = nest.fill(&mut self.carry, fed, &span, cut.max(span.start)),
                None => {
                    if let Some(bytes) = self.carry.get_mut(span.start..span.end) {
                        bytes.fill(b'*');
                    }
                }
            }
        }
        if let Some(nest) = &mut self.nest {
            nest.feed(self.carry.get(fed..cut).unwrap_or_default());
        }
        if last {
            self.nest = None;
        }
        self.carry.split_to(cut).freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &[u8]) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut from = 0;
        while let Some(at) = memchr::memmem::find(&text[from..], b"SECRET") {
            spans.push(Span { start: from + at, end: from + at + 6, rule: "test" });
            from += at + 6;
        }
        spans
    }

    #[test]
    fn every_way_of_cutting_gives_the_same() {
        let mut text = vec![b'.'; 300_000];
        for at in [0, 131_070, 114_686, 250_000, 299_994] {
            text[at..at + 6].copy_from_slice(b"SECRET");
        }
        let expected: Vec<u8> = String::from_utf8(text.clone()).unwrap().replace("SECRET", "******").into_bytes();
        for size in [1000, 7919, 65_536, 300_000] {
            let (mut held, mut out, mut counts) = (Held::default(), Vec::new(), Counts::new());
            let pieces: Vec<_> = text.chunks(size).collect();
            for (index, piece) in pieces.iter().enumerate() {
                out.extend_from_slice(&held.push(piece, index + 1 == pieces.len(), (false, false), &mut counts, find));
            }
            assert!(out == expected, "{size}");
            assert_eq!(counts.iter().collect::<Vec<_>>(), [("test", 5)]);
        }
    }

    #[test]
    fn large_json_is_json_after() {
        fn find(text: &[u8]) -> Vec<Span> {
            let numbers = memchr::memmem::find_iter(text, b"4111111111111111");
            numbers.map(|start| Span { start, end: start + 16, rule: "test" }).collect()
        }
        let member = r#"{"a":-4111111111111111.5,"b":"x 4111111111111111","c":"{\"d\":4111111111111111}"},"#;
        let text = format!("[{}0]", member.repeat(5000));
        for size in [1000, 7919, 65_536, 500_000] {
            let (mut held, mut out, mut counts) = (Held::default(), Vec::new(), Counts::new());
            let pieces: Vec<_> = text.as_bytes().chunks(size).collect();
            for (index, piece) in pieces.iter().enumerate() {
                let last = index + 1 == pieces.len();
                out.extend_from_slice(&held.push(piece, last, (false, true), &mut counts, find));
            }
            assert_eq!(out.len(), text.len());
            let parsed: serde_json::Value = serde_json::from_slice(&out).unwrap();
            for member in parsed.as_array().unwrap().iter().take(5000) {
                let inner: serde_json::Value = serde_json::from_str(member["c"].as_str().unwrap()).unwrap();
                assert_eq!(member["a"], "*".repeat(17));
                assert_eq!(
                    (&member["b"], &inner["d"]),
                    (&format!("x {}", "*".repeat(16)).into(), &"*".repeat(12).into())
                );
            }
        }
    }
}
