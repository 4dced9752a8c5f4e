//! The way back: a recording's frames become [`Entry`]s for people and programs, one after the other in bounded memory.

use super::{RecordError, container::Seal, path, value, writer};
use bytes::{Buf as _, BytesMut};
use fs_err as fs;
use std::collections::{HashMap, VecDeque};
use std::{io::BufReader, path::Path, sync::Arc};
use weir_protocol::postgres::rows;
use weir_shared::{
    api::Entry,
    id::SessionId,
    recording::{Column, Frame, Payload},
    secret::Secret,
};

/// A row larger than this is shown by its size.
const LARGEST_ROW: usize = 1024 * 1024;

/// The entries of a session's recording, in recorded order. Blocking.
///
/// # Errors
/// When there is none, or its header is not right.
pub fn entries(folder: &Path, session: SessionId, relay_key: &Secret<[u8; 32]>) -> Result<Entries, RecordError> {
    let file = match fs::File::open(path(folder, session)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(RecordError::Missing),
        Err(error) => return Err(error.into()),
    };
    let mut file = BufReader::new(file);
    let seal = Seal::open(session, relay_key, &mut file)?;
    Ok(Entries { file, seal, decoder: Decoder::default(), ready: VecDeque::new(), over: false })
}

/// The first frame of a session's recording; none when it has none yet. Blocking.
///
/// # Errors
/// When there is no recording, or it is not what was written.
pub(super) fn first(
    folder: &Path,
    session: SessionId,
    relay_key: &Secret<[u8; 32]>,
) -> Result<Option<Payload>, RecordError> {
    let mut file = BufReader::new(fs::File::open(path(folder, session))?);
    let Some(payload) = Seal::open(session, relay_key, &mut file)?.read(&mut file)? else { return Ok(None) };
    Ok(writer::frames(&payload)?.into_iter().next().map(|frame| frame.payload))
}

/// See [`entries`]. An error is the last item.
pub struct Entries {
    file: BufReader<fs::File>,
    seal: Seal,
    decoder: Decoder,
    ready: VecDeque<Entry>,
    over: bool,
}

impl Iterator for Entries {
    type Item = Result<Entry, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Some(Ok(entry));
            }
            if self.over {
                return None;
            }
            let frames = match self.seal.read(&mut self.file) {
                Ok(Some(payload)) => writer::frames(&payload),
                Ok(None) => {
                    self.over = true;
                    continue;
                }
                Err(error) => Err(error),
            };
            match frames {
                Ok(frames) => frames.into_iter().for_each(|frame| self.decoder.frame(frame, &mut self.ready)),
                Err(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

#[derive(Default)]
struct Decoder {
    bundle: String,
    columns: HashMap<u64, Arc<Vec<Column>>>,
    /// The columns that were recorded last, and of which statement.
    recorded: Option<(u64, Arc<Vec<Column>>)>,
    /// A row or bulk message that goes on in the next frame.
    partial: BytesMut,
    /// Bytes of a large row that are passed over.
    skip: usize,
    copy: HashMap<u64, (u64, blake3::Hasher, Option<String>)>,
}

impl Decoder {
    fn frame(&mut self, frame: Frame, out: &mut VecDeque<Entry>) {
        let at = frame.at;
        let entry = match frame.payload {
            Payload::Open { user, resource, database, role, bundle, .. } => {
                self.bundle = bundle;
                Entry::Open { at, user, resource: resource.to_string(), database, role }
            }
            Payload::Chain { agents } => Entry::Chain { at, agents },
            Payload::Statement { number, text, parameters, class, outcome, policies } => Entry::Statement {
                at,
                number,
                text: text.to_string(),
                parameters,
                class: class.into_owned(),
                outcome: outcome.into_owned(),
                policies: policies.to_vec(),
                bundle: self.bundle.clone(),
            },
            Payload::Approval { number, approval, digest, state, by } => {
                Entry::Approval { at, number, approval, digest, state, by }
            }
            Payload::Policy { hash } => {
                self.bundle.clone_from(&hash);
                Entry::Policy { at, hash }
            }
            Payload::Notice { number, kind, policy, message } => {
                Entry::Notice { at, number, kind: kind.into_owned(), policy, message }
            }
            Payload::Estimate { number } => Entry::Estimate { at, number },
            Payload::Columns { number, columns } => {
                let columns = Arc::new(columns);
                self.recorded = Some((number, Arc::clone(&columns)));
                self.columns(at, number, columns)
            }
            Payload::SameColumns { number, of } => {
                let recorded = self.recorded.as_ref().filter(|recorded| recorded.0 == of);
                let columns = recorded.map(|recorded| Arc::clone(&recorded.1)).unwrap_or_default();
                self.columns(at, number, columns)
            }
            Payload::Rows { number, bytes } => return self.rows(at, number, &bytes, out),
            Payload::CopyOut { number, bytes } => return self.copy_out(number, &bytes),
            Payload::CopyIn { number, size, hash } => {
                Entry::Copy { at, number, direction: "in".to_owned(), bytes: size, hash, text: None }
            }
            Payload::Omitted { number, rows, hash, why } => Entry::Omitted { at, number, rows, hash, why },
            Payload::Masked { number, counts } => Entry::Masked { at, number, counts: counts.into_iter().collect() },
            Payload::Complete { number, status, rows, micros } => {
                if let Some((bytes, hasher, text)) = self.copy.remove(&number) {
                    let hash = hasher.finalize().to_hex().to_string();
                    out.push_back(Entry::Copy { at, number, direction: "out".to_owned(), bytes, hash, text });
                }
                self.columns.remove(&number);
                Entry::Complete { at, number, status, rows, micros }
            }
            Payload::Gap { why } => Entry::Gap { at, why },
            Payload::Close { reason } => Entry::Close { at, reason },
        };
        out.push_back(entry);
    }

    fn columns(&mut self, at: u64, number: u64, columns: Arc<Vec<Column>>) -> Entry {
        let names = columns.iter().map(|column| column.name.clone()).collect();
        self.columns.insert(number, columns);
        Entry::Columns { at, number, names }
    }

    /// Whole messages off the front of what has come; large ones are passed over and shown by their size.
    fn take(&mut self, bytes: &[u8]) -> Vec<Result<BytesMut, usize>> {
        self.partial.extend_from_slice(bytes);
        let mut messages = Vec::new();
        loop {
            let pass = self.skip.min(self.partial.len());
            self.partial.advance(pass);
            self.skip -= pass;
            let Some(&[_, a, b, c, d]) = self.partial.first_chunk::<5>() else { return messages };
            let size = u32::from_be_bytes([a, b, c, d]) as usize + 1;
            if size > LARGEST_ROW {
                self.skip = size;
                messages.push(Err(size));
            } else if self.partial.len() < size {
                return messages;
            } else {
                messages.push(Ok(self.partial.split_to(size)));
            }
        }
    }

    fn rows(&mut self, at: u64, number: u64, bytes: &[u8], out: &mut VecDeque<Entry>) {
        let messages = self.take(bytes);
        let columns = self.columns.get(&number).map(Arc::clone).unwrap_or_default();
        for message in messages {
            let cells = match message {
                Err(size) => vec![Some(format!("(a row of {size} bytes)"))],
                Ok(message) => {
                    let cells = rows::cells(&message).into_iter().flatten().enumerate();
                    cells.map(|(index, cell)| shown(cell.ok().flatten(), columns.get(index))).collect()
                }
            };
            out.push_back(Entry::Row { at, number, cells });
        }
    }

    fn copy_out(&mut self, number: u64, bytes: &[u8]) {
        for message in self.take(bytes) {
            let (size, hasher, text) =
                self.copy.entry(number).or_insert_with(|| (0, blake3::Hasher::new(), Some(String::new())));
            match message {
                Ok(message) => {
                    let data = rows::copy_payload(&message);
                    *size += data.len() as u64;
                    hasher.update(data);
                    match (text.as_mut(), std::str::from_utf8(data)) {
                        (Some(text), Ok(line)) if text.len() + line.len() <= LARGEST_ROW => text.push_str(line),
                        _ => *text = None,
                    }
                }
                Err(large) => {
                    *size += large as u64;
                    *text = None;
                }
            }
        }
    }
}

fn shown(cell: Option<&[u8]>, column: Option<&Column>) -> Option<String> {
    let (type_oid, binary) = column.map_or((0, false), |column| (column.type_oid, column.binary));
    cell.map(|bytes| value::text(bytes, type_oid, binary))
}
