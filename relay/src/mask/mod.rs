//! Masking of what comes back. [`Masker`] knows nothing of sessions: the gate hands it chunks and what it knows of the
//! statement, and gets back bytes to deliver with the rules that matched.
//!
//! A mask has the form of the type that it stands in: text in text, a string in JSON, else NULL. The text form, the binary form
//! and COPY give one result.
//!
//! - [`plan`]: what to do with each column, decided once a shape; [`source`]: where its values come from
//! - `json`, `binary`: masks inside of JSON, values in binary form; `lines`, [`copy`]: lines of COPY
//! - [`errors`]: what an error or notice loses; [`settings`]: rows of settings
//! - [`stream`]: values too large to hold, masked without changing their length

mod binary;
pub mod copy;
pub mod errors;
mod json;
mod lines;
pub mod plan;
pub mod settings;
pub mod source;
pub mod stream;

use crate::upstream::Catalog;
use bytes::{Bytes, BytesMut};
use copy::CopyPlan;
use errors::Loss;
use plan::{Plan, Treatment};
use source::Source;
use std::{collections::HashSet, sync::Arc};
use weir_protocol::{Shape, postgres::rows};
use weir_shared::{
    config::checked::{Masking, Strategy},
    detect::{Detector, KnownValues, Span, Topic},
};

/// How often each rule matched. A statement's rows match few rules: a list is looked through faster than a tree.
#[derive(Clone, Debug, Default)]
pub struct Counts(Vec<(&'static str, u64)>);

impl Counts {
    /// Nothing matched yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&mut self, rule: &'static str) {
        match self.0.iter_mut().find(|(name, _)| *name == rule) {
            Some((_, count)) => *count += 1,
            None => self.0.push((rule, 1)),
        }
    }

    /// Rules with their counts: `email 2, card 1`.
    #[must_use]
    pub fn in_words(&self) -> String {
        self.0.iter().map(|(rule, count)| format!("{rule} {count}")).collect::<Vec<_>>().join(", ")
    }

    /// True when nothing matched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Rules with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().copied()
    }
}

/// What a mask is called for a whole value.
pub(crate) const LABEL: &str = "label";
/// Nothing shorter in a numeric column is personal.
const SHORTEST_CARD: usize = 13;

/// What the gate knows of the statement that a chunk belongs to.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The statement mentions a relation with labelled columns: what cannot be traced to a column is masked whole.
    pub risky: bool,
    /// It names a labelled column, or may: an error may show its value in place of a name.
    pub named: bool,
    /// The snapshot of what is labelled was overtaken: what it does not know for certain is masked whole too.
    pub uncertain: bool,
    /// Labelled columns that policy lets this session see, by table and attribute. Secrets that are found in them are masked
    /// all the same, personal data not: that is what they were labelled for.
    pub clear: Arc<HashSet<(u32, i16)>>,
    /// Where its values come from.
    pub source: Source,
    /// Which expressions of its answer may show a labelled value.
    pub expressions: Arc<Expressions>,
    /// Its answer shows settings beside their names.
    pub settings: bool,
    /// For COPY, where one of its columns is labelled: how to mask it.
    pub copy: Option<Arc<CopyPlan>>,
}

/// Which of an answer's columns may show a labelled value where the server gives no table for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expressions {
    /// By position, where positions are known.
    pub columns: Vec<bool>,
    /// Any of them.
    pub any: bool,
}

impl Expressions {
    /// Of an answer with so many columns.
    #[must_use]
    pub fn hide(&self, index: usize, columns: usize) -> bool {
        if self.columns.len() == columns { self.columns.get(index).copied().unwrap_or(true) } else { self.any }
    }
}

/// Masks one session's answers.
pub struct Masker {
    detector: Arc<Detector>,
    known: Option<Arc<KnownValues>>,
    pub(crate) catalog: Arc<Catalog>,
    plan: Plan,
    masking: Arc<Masking>,
    found: Vec<Span>,
    stream: stream::Held,
    /// Only secrets are looked for in the cell at hand.
    secrets_here: bool,
    /// What its column's name says.
    topic_here: Topic,
    /// Its column's own strategies, by their place.
    column_here: Option<usize>,
    /// The chunk at hand holds the credential in some form.
    known_here: bool,
    /// A cell's new text.
    edited: Vec<u8>,
    /// A line's.
    copied: Vec<u8>,
    /// Columns that were NULL in place of a value, since they were asked for last.
    nulled: Vec<Box<str>>,
}

/// What becomes of a cell.
enum Edit {
    Keep,
    Null,
    Whole(&'static str),
    /// As it stands in [`Masker::edited`].
    Text,
}

/// A row whose bytes make no sense: nothing of it may be shown.
#[derive(Debug, thiserror::Error)]
#[error("the server sent a malformed row")]
pub struct MalformedRow;

impl Masker {
    /// A masker that keeps `known`, the injected credential, out of every answer.
    #[must_use]
    pub fn new(detector: Arc<Detector>, known: Option<Arc<KnownValues>>, catalog: Arc<Catalog>) -> Self {
        Self {
            detector,
            known,
            catalog,
            plan: Plan::default(),
            masking: Arc::default(),
            found: Vec::new(),
            stream: stream::Held::default(),
            secrets_here: false,
            topic_here: Topic::Unknown,
            column_here: None,
            known_here: true,
            edited: Vec::new(),
            copied: Vec::new(),
            nulled: Vec::new(),
        }
    }

    /// The same, with strategies for what is found.
    #[must_use]
    pub fn with(self, masking: Arc<Masking>) -> Self {
        Self { masking, ..self }
    }

    /// Looks for the credential in a whole chunk, so that its many cells need not be looked at one by one.
    fn look_for_known(&mut self, chunk: &[u8]) {
        self.known_here = self.known.as_ref().is_some_and(|known| known.is_in(chunk));
    }

    fn find(&mut self, text: &[u8]) -> bool {
        self.found.clear();
        self.detector.detect_named(text, self.topic_here, &mut self.found);
        if self.secrets_here {
            self.found.retain(|span| Detector::is_secret(span.rule));
        }
        if !self.masking.is_plain() {
            let off = |span: &Span| self.masking.strategy(span.rule, self.column_here) == Strategy::Off;
            self.found.retain(|span| !off(span));
        }
        if let Some(known) = self.known.as_ref().filter(|_| self.known_here) {
            let before = self.found.len();
            known.find(text, &mut self.found);
            if self.found.len() > before && before > 0 {
                merge(&mut self.found);
            }
        }
        !self.found.is_empty()
    }

    /// The columns that were NULL in place of a value for the first time, by name.
    pub(crate) fn nulled(&mut self) -> std::vec::Drain<'_, Box<str>> {
        self.nulled.drain(..)
    }

    /// Text with its secrets replaced, as recordings and errors show it; none when there is nothing to hide.
    pub fn text(&mut self, text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
        self.known_here = true;
        self.nowhere();
        if !self.find(text) {
            return None;
        }
        let mut out = Vec::with_capacity(text.len());
        replace(text, &self.found, json::is_document(text), &mut out, counts, &|_| false);
        Some(out)
    }

    /// What is looked at next is of no column.
    fn nowhere(&mut self) {
        (self.secrets_here, self.topic_here, self.column_here) = (false, Topic::Unknown, None);
    }

    /// What is looked at next is of the column at `index`.
    fn at(&mut self, index: usize) {
        (self.secrets_here, self.topic_here) = (self.plan.secrets_only(index), self.plan.topic(index));
        self.column_here = self.plan.number(index).and_then(|number| self.catalog.masked.get(&number).copied());
    }

    /// True when some of what was found makes its whole cell NULL.
    fn takes_null(&self) -> bool {
        let null = |span: &Span| self.masking.strategy(span.rule, self.column_here) == Strategy::Null;
        !self.masking.is_plain() && self.found.iter().any(null)
    }

    /// Writes the text with its masks into [`Self::edited`].
    fn edit(&mut self, text: &[u8], json: bool, counts: &mut Counts) -> Edit {
        if self.takes_null() {
            return self.null_if(true, counts);
        }
        self.edited.clear();
        let partial = |rule: &str| self.masking.strategy(rule, self.column_here) == Strategy::Partial;
        replace(text, &self.found, json, &mut self.edited, counts, &partial);
        Edit::Text
    }

    /// Whole row messages. The same bytes come back when there is nothing to mask.
    ///
    /// # Errors
    /// When a row is malformed.
    pub fn rows(
        &mut self,
        bytes: Bytes,
        shape: &Shape,
        about: &About,
        counts: &mut Counts,
    ) -> Result<(Bytes, u64), MalformedRow> {
        self.plan.prepare(shape, &self.catalog.labels, about);
        let mut out: Option<BytesMut> = None;
        let mut count = 0;
        let nothing = self.plan.nothing() && !about.settings;
        if !nothing {
            self.look_for_known(&bytes);
        }
        for message in rows::messages(&bytes) {
            count += 1;
            if nothing {
                continue;
            }
            let secret = about.settings && names_a_secret(message.bytes);
            // Where the row begins in `out`, once one of its cells has changed.
            let mut begun = None;
            let mut offset = rows::FIRST_CELL;
            for (index, cell) in rows::cells(message.bytes).ok_or(MalformedRow)?.enumerate() {
                let cell = cell.map_err(|_| MalformedRow)?;
                let end = offset + 4 + cell.map_or(0, <[u8]>::len);
                let edit = match cell {
                    None => Edit::Keep,
                    Some(cell) if about.settings => self.setting(index, cell, secret, shape, counts),
                    Some(cell) => self.cell(index, cell, counts),
                };
                match (edit, &mut out) {
                    (Edit::Keep, Some(out)) if begun.is_some() => {
                        out.extend_from_slice(message.bytes.get(offset..end).unwrap_or_default());
                    }
                    (Edit::Keep, _) => {}
                    (edit, out) => {
                        if matches!(edit, Edit::Null) {
                            self.nulled.extend(self.plan.nulled(index));
                        }
                        let out = out.get_or_insert_with(|| begin(&bytes, message.start));
                        if begun.is_none() {
                            begun = Some(out.len());
                            out.extend_from_slice(message.bytes.get(..offset).unwrap_or_default());
                        }
                        rows::put_cell(
                            out,
                            match edit {
                                Edit::Whole(text) => Some(text.as_bytes()),
                                Edit::Text => Some(&self.edited),
                                Edit::Keep | Edit::Null => None,
                            },
                        );
                    }
                }
                offset = end;
            }
            match (begun, &mut out) {
                (Some(start), Some(out)) => rows::end_message(out, start),
                (None, Some(out)) => out.extend_from_slice(message.bytes),
                _ => {}
            }
        }
        self.nowhere();
        Ok((out.map_or(bytes, BytesMut::freeze), count))
    }

    fn cell(&mut self, index: usize, cell: &[u8], counts: &mut Counts) -> Edit {
        self.at(index);
        match self.plan.treatment(index) {
            Treatment::Pass => Edit::Keep,
            Treatment::Whole(text) => {
                counts.add(LABEL);
                text.map_or(Edit::Null, Edit::Whole)
            }
            Treatment::Text { json } => {
                if !self.find(cell) {
                    return Edit::Keep;
                }
                self.edit(cell, json || json::is_document(cell), counts)
            }
            Treatment::Number if cell.len() < SHORTEST_CARD && !self.known_here => Edit::Keep,
            Treatment::Opaque | Treatment::Number => self.null_if_found(cell, counts),
            Treatment::Hex => match decode_hex(cell) {
                Some(decoded) => {
                    // What is encoded here was not seen in the chunk.
                    self.known_here = true;
                    self.null_if_found(&decoded, counts)
                }
                None => self.null_if_found(cell, counts),
            },
            Treatment::Binary(oid) => {
                let found = binary::any(oid, cell, &mut |text| self.find(text));
                self.null_if(found, counts)
            }
        }
    }

    /// A cell of a row of settings; `secret` where one of the row's cells names one that is.
    fn setting(&mut self, index: usize, cell: &[u8], secret: bool, shape: &Shape, counts: &mut Counts) -> Edit {
        let column = shape.columns.as_ref().and_then(|columns| columns.get(index));
        if secret && !settings::is_secret(cell) && column.is_none_or(settings::has_value) {
            counts.add(settings::RULE);
            return if column.is_some_and(plan::is_text) { Edit::Whole(plan::WHOLE) } else { Edit::Null };
        }
        self.found.clear();
        settings::find(cell, &mut self.found);
        if self.found.is_empty() {
            return self.cell(index, cell, counts);
        }
        if shape.binary(index) && !column.is_some_and(plan::is_text) {
            tally(&self.found, counts);
            return Edit::Null;
        }
        self.edited.clear();
        replace(cell, &self.found, false, &mut self.edited, counts, &|_| false);
        Edit::Text
    }

    fn null_if_found(&mut self, text: &[u8], counts: &mut Counts) -> Edit {
        let found = self.find(text);
        self.null_if(found, counts)
    }

    fn null_if(&self, found: bool, counts: &mut Counts) -> Edit {
        if !found {
            return Edit::Keep;
        }
        tally(&self.found, counts);
        Edit::Null
    }

    /// An error, notice or notification.
    pub fn message(&mut self, bytes: Bytes, about: &About, counts: &mut Counts) -> Bytes {
        let loss = errors::loss(&bytes, &self.catalog.labels, about);
        if loss == Loss::Words {
            counts.add(LABEL);
        }
        let edited = rows::edit_text(&bytes, |field, text| match (field, loss) {
            (b'D' | b'W' | b'q', Loss::Details | Loss::Words) | (b'H', Loss::Words) => Some(Vec::new()),
            (b'M', Loss::Words) => Some(errors::words(&bytes)),
            (b'M' | b'D' | b'H' | b'W' | b'q' | b'P', _) => self.text(text, counts),
            _ => None,
        });
        edited.unwrap_or(bytes)
    }

    /// Part of a value too large to hold; what comes out may lag behind what went in until `last`.
    pub fn part(
        &mut self,
        bytes: &[u8],
        column: Option<usize>,
        shape: &Shape,
        about: &About,
        last: bool,
        counts: &mut Counts,
    ) -> Bytes {
        self.plan.prepare(shape, &self.catalog.labels, about);
        self.known_here = true;
        let whole = match column {
            Some(column) => matches!(self.plan.treatment(column), Treatment::Whole(_)),
            None => about.copy.is_some(),
        };
        self.nowhere();
        if let Some(column) = column {
            self.at(column);
        }
        let json = column.is_some_and(|column| matches!(self.plan.treatment(column), Treatment::Text { json: true }));
        let mut held = std::mem::take(&mut self.stream);
        let out = held.push(bytes, last, (whole, json), counts, |text| {
            self.find(text);
            std::mem::take(&mut self.found)
        });
        self.stream = held;
        self.nowhere();
        out
    }
}

/// A copy of a chunk's messages up to `end`, with room for the rest.
fn begin(chunk: &Bytes, end: usize) -> BytesMut {
    let mut out = BytesMut::with_capacity(chunk.len() + chunk.len() / 8 + 64);
    out.extend_from_slice(chunk.get(..end).unwrap_or_default());
    out
}

/// True when a cell of the row is the name of a setting that holds a secret.
fn names_a_secret(row: &[u8]) -> bool {
    rows::cells(row).into_iter().flatten().flatten().flatten().any(settings::is_secret)
}

fn tally(found: &[Span], counts: &mut Counts) {
    for span in found {
        counts.add(span.rule);
    }
}

fn fill(text: &mut [u8], found: &[Span], counts: &mut Counts) {
    tally(found, counts);
    for span in found {
        if let Some(bytes) = text.get_mut(span.start..span.end) {
            bytes.fill(b'*');
        }
    }
}

/// Appends the text with masks in place of what was found.
fn replace(text: &[u8], found: &[Span], json: bool, out: &mut Vec<u8>, counts: &mut Counts, partial: Partial<'_>) {
    tally(found, counts);
    if json {
        return json::replace(text, found, out, partial);
    }
    let mut from = 0;
    for span in found {
        out.extend_from_slice(text.get(from..span.start).unwrap_or_default());
        put(span, text, out, partial);
        from = span.end;
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
}

/// Of which rules' finds a mask shows the end.
type Partial<'a> = &'a dyn Fn(&str) -> bool;

/// Appends the mask for what was found there.
fn put(span: &Span, text: &[u8], out: &mut Vec<u8>, partial: Partial<'_>) {
    // Of what is shorter the end would be too much.
    const SHORTEST: usize = 8;
    const SHOWN: usize = 4;
    out.extend_from_slice(b"[masked:");
    out.extend_from_slice(span.rule.as_bytes());
    let end = text.get(span.end.saturating_sub(SHOWN)..span.end).unwrap_or_default();
    if partial(span.rule) && span.end - span.start >= SHORTEST && end.iter().all(u8::is_ascii_alphanumeric) {
        out.push(b':');
        out.extend_from_slice(end);
    }
    out.push(b']');
}

/// Sorts and joins spans that overlap.
fn merge(found: &mut Vec<Span>) {
    found.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut merged: Vec<Span> = Vec::with_capacity(found.len());
    for span in found.drain(..) {
        match merged.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    *found = merged;
}

fn decode_hex(cell: &[u8]) -> Option<Vec<u8>> {
    let digits = cell.strip_prefix(b"\\x")?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digits
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
