//! How much of a statement's rows is recorded, as the resource's configuration says.

use crate::record::Recorder;
use bytes::Bytes;
use weir_protocol::postgres::rows;
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

    /// Takes note of whole delivered messages: `count` rows.
    pub(super) fn record(&mut self, recorder: &mut Recorder, number: u64, bytes: &Bytes, count: u64, copy: bool) {
        let before = self.delivered;
        self.take_note(bytes, count);
        if self.omitted == 0 && self.keep == RecordRows::All && self.quota == 0 {
            return self.keep(recorder, number, bytes.clone(), copy);
        }
        let (mut rows, mut end) = (0, 0);
        for message in rows::messages(bytes) {
            let size = message.start + message.bytes.len();
            self.why = self.objection(before + rows + 1, size);
            if !self.why.is_empty() {
                break;
            }
            (rows, end) = (rows + 1, size);
        }
        self.omitted += count - rows;
        self.keep(recorder, number, bytes.slice(..end), copy);
    }

    /// Takes note of a part of a message that is not held whole. The first part has its header, and decides for all of
    /// them: half a row could not be read.
    pub(super) fn record_part(&mut self, recorder: &mut Recorder, number: u64, bytes: &Bytes, first: bool, copy: bool) {
        self.take_note(bytes, u64::from(first));
        if first {
            let size =
                bytes.get(1..5).map_or(0, |field| field.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)));
            self.why = self.objection(self.delivered, size);
            self.omitted += u64::from(!self.why.is_empty());
        }
        if self.why.is_empty() {
            self.keep(recorder, number, bytes.clone(), copy);
        }
    }

    /// True while none of the statement's rows was delivered.
    pub(super) fn none_yet(&self) -> bool {
        self.delivered == 0
    }

    fn take_note(&mut self, bytes: &Bytes, count: u64) {
        self.delivered += count;
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
    }

    /// Which setting leaves out the statement's row of this number, which ends so many bytes on; empty when none does.
    fn objection(&self, row: u64, bytes: usize) -> &'static str {
        match self.keep {
            _ if self.omitted > 0 => self.why,
            RecordRows::Counts => "recording.rows = \"counts\"",
            RecordRows::First(most) if row > most => "recording.rows = \"first\"",
            _ if self.quota > 0 && self.bytes + bytes as u64 > self.quota => "recording.quota_bytes",
            _ => "",
        }
    }

    fn keep(&mut self, recorder: &mut Recorder, number: u64, bytes: Bytes, copy: bool) {
        self.bytes += bytes.len() as u64;
        // A frame is bounded, so that its reader is.
        for start in (0..bytes.len()).step_by(PIECE) {
            let bytes = bytes.slice(start..bytes.len().min(start + PIECE));
            recorder.note(if copy { Payload::CopyOut { number, bytes } } else { Payload::Rows { number, bytes } });
        }
    }

    /// Ends the statement, of several under the same number perhaps; the rows delivered.
    pub(super) fn end(&mut self, recorder: &mut Recorder, number: u64) -> u64 {
        if let Some(hash) = self.hash.as_mut().filter(|_| self.omitted > 0) {
            let (rows, hash) = (self.omitted, hash.finalize().to_hex().to_string());
            recorder.note(Payload::Omitted { number, rows, hash, why: self.why.to_owned() });
        }
        if let Some(hash) = &mut self.hash {
            hash.reset();
        }
        (self.omitted, self.bytes, self.why) = (0, 0, "");
        std::mem::take(&mut self.delivered)
    }
}
