//! Takes secrets out of what a command prints. Whole lines are looked at; what does not end in a line break is held back
//! until nothing more comes for a moment, so that a prompt shows.

use std::{io::Write, time::Duration};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use weir_shared::detect::{Detect as _, Detector, KnownValues, Span};

/// How long a part of a line is held back.
const QUIET: Duration = Duration::from_millis(20);
/// So much of a line is held back at most. What is longer is cut here, with [`OVERLAP`] looked at again.
const LONGEST: usize = 128 * 1024;
/// Longer than any secret that is looked for.
const OVERLAP: usize = 16 * 1024;

/// Finds secrets.
pub(crate) struct Scrubber {
    detector: Detector,
    known: KnownValues,
}

impl Scrubber {
    /// Finds what looks like a secret, and these.
    pub(crate) fn new(known: KnownValues) -> Self {
        Self { detector: Detector::standard(), known }
    }

    /// Appends the text without secrets, as far as `end`, or as before what reaches beyond it; how much of the text that is.
    fn scrub(&self, text: &[u8], mut end: usize, out: &mut Vec<u8>) -> usize {
        let mut spans: Vec<Span> = Vec::new();
        self.detector.detect(text, &mut spans);
        // Personal data is the relay's to mask, where it is known whose; here addresses and numbers are what tests print.
        spans.retain(|span| Detector::is_secret(span.rule));
        self.known.find(text, &mut spans);
        spans.sort_by_key(|span| span.start);
        // What reaches beyond may grow: it waits, unless it is all there is.
        let beyond = |span: &&Span| end < text.len() && span.start < end && span.end > end && span.start > 0;
        if let Some(span) = spans.iter().find(beyond) {
            end = span.start;
        }
        let mut at = 0;
        for span in spans.iter().filter(|span| span.start < end) {
            if span.start >= at {
                out.extend_from_slice(text.get(at..span.start).unwrap_or_default());
                out.extend_from_slice(format!("[masked:{}]", span.rule).as_bytes());
            }
            at = at.max(span.end);
        }
        out.extend_from_slice(text.get(at..end).unwrap_or_default());
        at.max(end)
    }
}

/// How much of what is held may be looked at now; none to wait for more.
fn ripe(held: &[u8]) -> Option<usize> {
    let full = held.len() >= LONGEST;
    let lines = memchr::memrchr(b'\n', held).map(|line| line + 1);
    let end = lines.or_else(|| full.then(|| held.len() - OVERLAP))?;
    // A private key goes over many lines.
    let begun = memchr::memmem::rfind(held, b"-----BEGIN ").filter(|_| !full);
    let open = begun.filter(|at| memchr::memmem::find(held.get(*at..).unwrap_or_default(), b"-----END ").is_none());
    Some(open.map_or(end, |at| end.min(at))).filter(|end| *end > 0)
}

/// Passes everything from `from` on to `to`, without secrets, to its end.
pub(crate) async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl Write, scrubber: &Scrubber) {
    let (mut held, mut out) = (Vec::new(), Vec::new());
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut chunk);
        let more = if held.is_empty() { Some(read.await) } else { tokio::time::timeout(QUIET, read).await.ok() };
        let (last, quiet) = match more {
            Some(Ok(count @ 1..)) => {
                held.extend_from_slice(chunk.get(..count).unwrap_or_default());
                (false, false)
            }
            // A terminal whose other side is closed fails: that is its end.
            Some(_) => (true, false),
            None => (false, true),
        };
        let end = if last || quiet { Some(held.len()) } else { ripe(&held) };
        let Some(end) = end else { continue };
        out.clear();
        let done = scrubber.scrub(&held, end, &mut out);
        held.drain(..done.min(held.len()));
        // Nobody reads any more: the command is not held up for it.
        let _ = to.write_all(&out).and_then(|()| to.flush());
        if last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

    async fn passed(pieces: &[&str]) -> String {
        let (mut write, read) = tokio::io::duplex(1 << 20);
        let pieces: Vec<String> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
        let writer = async move {
            for piece in pieces {
                tokio::io::AsyncWriteExt::write_all(&mut write, piece.as_bytes()).await.unwrap();
            }
        };
        let (mut out, scrubber) = (Vec::new(), Scrubber::new(KnownValues::new(&[])));
        tokio::join!(writer, pass(read, &mut out, &scrubber));
        String::from_utf8(out).unwrap()
    }

    #[tokio::test]
    async fn secrets_go_and_the_rest_stays() {
        assert_eq!(passed(&["plain ada@example.com 10.0.0.1\n"]).await, "plain ada@example.com 10.0.0.1\n");
        let text = passed(&[&format!("a {TOKEN} b\nprompt> ")]).await;
        assert!(!text.contains(TOKEN) && text.starts_with("a [masked:") && text.ends_with(" b\nprompt> "), "{text}");
        let (one, two) = TOKEN.split_at(9);
        assert!(!passed(&["x ", one, two, "\n"]).await.contains(two), "cut into pieces");
        let key = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n{}\n-----END PRIVATE KEY-----\nrest\n",
            "A".repeat(64),
            "B".repeat(64)
        );
        let lines: Vec<&str> = key.split_inclusive('\n').collect();
        let text = passed(&lines).await;
        assert!(!text.contains("BBBB") && text.ends_with("rest\n"), "{text}");
        let long = format!("{}{TOKEN}{}", "y".repeat(LONGEST - 20), " z".repeat(LONGEST));
        let text = passed(&[&long]).await;
        assert!(text.starts_with('y') && text.ends_with(" z"), "{}", text.len());
    }
}
