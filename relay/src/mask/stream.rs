//! Values too large to hold: looked at in windows that overlap, masked by filling, so that the length that was
//! announced stays true.

use super::{Counts, LABEL};
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
}

impl Held {
    /// Takes some bytes of a value, gives those that may be shown.
    pub fn push(
        &mut self,
        bytes: &[u8],
        last: bool,
        whole: bool,
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
        let end = self.carry.len();
        let mut cut = if last { end } else { end - OVERLAP };
        for span in find(&self.carry) {
            // What reaches into the overlap may grow: it waits as a whole, unless it fills the window.
            if !last && span.end > cut {
                if span.start > 0 {
                    cut = cut.min(span.start);
                }
                if span.start >= cut {
                    continue;
                }
            }
            counts.add(span.rule);
            if let Some(bytes) = self.carry.get_mut(span.start..span.end) {
                bytes.fill(b'*');
            }
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
                out.extend_from_slice(&held.push(piece, index + 1 == pieces.len(), false, &mut counts, find));
            }
            assert!(out == expected, "{size}");
            assert_eq!(counts.iter().collect::<Vec<_>>(), [("test", 5)]);
        }
    }
}
