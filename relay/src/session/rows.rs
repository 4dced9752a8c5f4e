//! How much of a statement's rows is recorded, as the resource's configuration says.

use crate::record::Recorder;
use bytes::Bytes;
use weir_shared::{
    config::checked::{RecordRows, Recording},
    recording::Payload,
};

/// Most bytes of a frame.
const PIECE: usize = 1024 * 1024;

/// One statement's rows.
pub(super) struct Rows {
    keep: RecordRows,
    quota: u64,
    /// Bytes recorded.
    bytes: u64,
    delivered: u64,
    omitted: u64,
    /// Over everything delivered, where not everything is kept.
    hash: Option<Box<blake3::Hasher>>,
    why: &'static str,
}

impl Rows {
    pub(super) fn new(recording: &Recording) -> Self {
        let partial = recording.rows != RecordRows::All || recording.quota_bytes > 0;
        Self {
            keep: recording.rows,
            quota: recording.quota_bytes,
            bytes: 0,
            delivered: 0,
            omitted: 0,
            hash: partial.then(Box::default),
            why: "",
        }
    }

    /// Takes note of delivered bytes that begin `count` rows.
    pub(super) fn record(&mut self, recorder: &mut Recorder, number: u64, bytes: &Bytes, count: u64, copy: bool) {
        if bytes.is_empty() {
            return;
        }
        self.delivered += count;
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        let why = match self.keep {
            _ if self.omitted > 0 => self.why,
            RecordRows::Counts => "recording.rows = \"counts\"",
            RecordRows::First(most) if self.delivered > most => "recording.rows = \"first\"",
            _ if self.quota > 0 && self.bytes + bytes.len() as u64 > self.quota => "recording.quota_bytes",
            _ => "",
        };
        if !why.is_empty() {
            self.why = why;
            self.omitted += count.max(1);
            return;
        }
        self.bytes += bytes.len() as u64;
        // A frame is bounded, so that its reader is.
        for start in (0..bytes.len()).step_by(PIECE) {
            let bytes = bytes.slice(start..bytes.len().min(start + PIECE));
            recorder.note(if copy { Payload::CopyOut { number, bytes } } else { Payload::Rows { number, bytes } });
        }
    }

    /// Ends the statement; the rows delivered.
    pub(super) fn end(&mut self, recorder: &mut Recorder, number: u64) -> u64 {
        if self.omitted > 0
            && let Some(hash) = &self.hash
        {
            let (rows, hash) = (self.omitted, hash.finalize().to_hex().to_string());
            recorder.note(Payload::Omitted { number, rows, hash, why: self.why.to_owned() });
        }
        self.omitted = 0;
        std::mem::take(&mut self.delivered)
    }
}
