//! Answers: masked, then recorded, then shown.

use super::{Gate, Masked};
use crate::{
    mask::{About, Counts},
    session::refusals::{masked_dump, refusal, unasked},
};
use bytes::Bytes;
use std::time::Instant;
use weir_protocol::{
    Chunk, Event, Refusal,
    postgres::{SUSPENDED, call, rows},
};
use weir_shared::recording::Payload;

impl Gate<'_> {
    /// Masks, then records. None when nothing may be shown: the session must end with the refusal.
    ///
    /// # Errors
    /// When the answer cannot be read or cannot be recorded.
    pub fn response(&mut self, chunk: Chunk) -> Result<Masked, Refusal> {
        if !self.recorder.healthy() {
            return Err(refusal(
                "58000",
                "the answer cannot be recorded, so it is not shown",
                "",
                "tell the relay's administrator",
            ));
        }
        let mut spare = Counts::new();
        let masked = match chunk {
            Chunk::Text { number, bytes } => {
                let nothing = About::default();
                let (about, counts) = match self.running.find(number) {
                    Some(running) => (&running.about, &mut running.counts),
                    None => (&nothing, &mut spare),
                };
                let bytes = self.masker.message(bytes, about, counts);
                self.shown.masked(counts);
                bytes
            }
            Chunk::Rows { number, bytes, shape } => {
                let Some(running) = self.running.find(number) else { return Err(unasked()) };
                let first = std::mem::take(&mut running.measured).then(|| self.metrics.answered(running.since));
                let (bytes, count) = self
                    .masker
                    .rows(bytes, &shape, &running.about, &mut running.counts)
                    .map_err(|error| refusal("08P01", &error.to_string(), "", ""))?;
                self.shown.masked(&running.counts);
                if self.dumps && !running.counts.is_empty() {
                    return Err(masked_dump(&running.counts, &format!("session {}", self.grant.session())));
                }
                self.shown.nulled(self.masker.nulled());
                running.rows.record(&mut self.recorder, number, &bytes, count, false);
                self.metrics.delivered(count, first);
                bytes
            }
            // Of a large object this is a part, at a place in it: its length stays.
            Chunk::Result { number, bytes, shape } => {
                let (Some(running), Some((head, value))) = (self.running.find(number), call::answer(&bytes)) else {
                    return Err(unasked());
                };
                let value = self.masker.part(&value, Some(0), &shape, &running.about, true, &mut running.counts);
                let bytes = Bytes::from([head, value].concat());
                self.shown.masked(&running.counts);
                if self.dumps && !running.counts.is_empty() {
                    return Err(masked_dump(&running.counts, &format!("session {}", self.grant.session())));
                }
                running.rows.record(&mut self.recorder, number, &call::as_row(&bytes), 1, false);
                self.metrics.delivered(1, None);
                bytes
            }
            Chunk::Copy { number, bytes, binary } => {
                let Some(running) = self.running.find(number) else { return Err(unasked()) };
                let first = std::mem::take(&mut running.measured).then(|| self.metrics.answered(running.since));
                let none_yet = running.rows.none_yet();
                let (bytes, count) = self.masker.copy(bytes, binary, &running.about, none_yet, &mut running.counts);
                self.shown.masked(&running.counts);
                if self.dumps && !running.counts.is_empty() {
                    return Err(masked_dump(&running.counts, &format!("session {}", self.grant.session())));
                }
                running.rows.record(&mut self.recorder, number, &bytes, count, true);
                self.metrics.delivered(count, first);
                bytes
            }
            Chunk::Part { number, bytes, column, shape, last, copy } => {
                let Some(running) = self.running.find(number) else { return Err(unasked()) };
                let bytes = self.masker.part(&bytes, column, &shape, &running.about, last, &mut running.counts);
                self.shown.masked(&running.counts);
                if self.dumps && !running.counts.is_empty() {
                    return Err(masked_dump(&running.counts, &format!("session {}", self.grant.session())));
                }
                running.rows.record_part(&mut self.recorder, number, &bytes, false, copy);
                bytes
            }
            Chunk::Frame { number, bytes, first, copy } => {
                let Some(running) = self.running.find(number) else { return Err(unasked()) };
                running.rows.record_part(&mut self.recorder, number, &bytes, first, copy);
                self.metrics.delivered(u64::from(first), None);
                bytes
            }
        };
        Ok(Masked(masked))
    }

    /// Records what the engine saw.
    pub fn event(&mut self, event: Event) {
        match event {
            Event::Columns(number, shape) => {
                if let Some((last, of)) = &self.columns
                    && last.is(&shape)
                {
                    return self.recorder.note(Payload::SameColumns { number, of: *of });
                }
                self.columns = Some((shape.clone(), number));
                let columns = shape.columns.iter().flat_map(|columns| columns.iter()).enumerate();
                let columns = columns.map(|(index, column)| weir_shared::recording::Column {
                    name: column.name.clone(),
                    type_oid: column.type_oid,
                    binary: shape.binary(index),
                });
                self.recorder.note(Payload::Columns { number, columns: columns.collect() });
            }
            Event::Complete(number, tag) => self.complete(number, tag),
            Event::Failed(number, error) => {
                let about = self.running.find(number).map(|running| running.about.clone()).unwrap_or_default();
                let masked = self.masker.message(error, &about, &mut Counts::new());
                self.complete(number, format!("error {}", rows::error_summary(&masked)));
            }
            Event::Resumed(number) => {
                if let Some(running) = self.running.find(number) {
                    running.since = Instant::now();
                }
            }
            Event::Skipped(number) => self.complete(number, "skipped".to_owned()),
            Event::CopyIn(number, size, hash) => {
                let hash = blake3::Hash::from_bytes(hash).to_hex().to_string();
                self.recorder.note(Payload::CopyIn { number, size, hash });
            }
        }
    }

    pub(super) fn complete(&mut self, number: u64, status: String) {
        // A simple query of several statements completes several times under one number.
        let now = Instant::now();
        self.names.ended(number, status.starts_with("error") || status == "skipped");
        let Some(running) = self.running.complete(number, status == SUSPENDED, now) else { return };
        let counts = std::mem::take(&mut running.counts);
        let masked = counts.iter().map(|(_, count)| count).sum::<u64>();
        self.totals.masked += masked;
        if masked > 0 {
            if self.grant.resource().mask.notices {
                let values = if masked == 1 { "value is" } else { "values are" };
                self.warnings.push(format!("weir: {masked} {values} masked: {}", counts.in_words()));
            }
            let by_rule = counts.iter().map(|(rule, count)| (rule.to_owned(), count)).collect();
            self.recorder.note(Payload::Masked { number, counts: by_rule });
        }
        let rows = running.rows.end(&mut self.recorder, number);
        self.totals.rows += rows;
        self.limits.delivered(rows);
        let took = now.saturating_duration_since(running.since);
        self.metrics.completed(took, &counts);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.recorder.note(Payload::Complete { number, status, rows, micros });
    }
}
