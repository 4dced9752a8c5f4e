//! The layout of a recording's file. All integers are big-endian.
//!
//! ```text
//! header   "WEIRREC1" | session id (16) | nonce (12) | data key sealed with the relay's key (32 + 16)
//! segment  sequence u64 | flags u8 (1: zstd) | length u32 | sealed payload (length) | chain (32)
//! payload  frames: length u32 | bincode frame; compressed as a whole when flag 1 is set
//! ```
//!
//! Sealing is AES-256-GCM. A segment's nonce is its sequence number, its associated data the session id, sequence and
//! flags, so that no segment can be moved. `chain` is BLAKE3 over the previous chain (the header's BLAKE3 for the
//! first), sequence, flags, length and sealed payload: a removed, changed or reordered segment breaks it. A file
//! without a closing frame was cut off.

use super::RecordError;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use std::{
    cell::RefCell,
    io::{Read, Write},
};
use weir_shared::{id::SessionId, secret::Secret};

const MAGIC: &[u8; 8] = b"WEIRREC1";
/// Sequence, flags and length.
const HEAD: usize = 8 + 1 + 4;
const COMPRESSED: u8 = 1;
/// Below this a payload is not worth compressing: it is what was said since the last statement, and a statement waits for it.
const COMPRESS_FROM: usize = 8 * 1024;
/// Fast levels of zstd are negative; this one runs at about the speed of a copy and halves typical rows.
const LEVEL: i32 = -3;
/// No segment is larger, sealed or plain.
const LARGEST: usize = 64 * 1024 * 1024;

thread_local! {
    /// Its tables are large: making them anew for each segment would cost more than the compression.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

/// Seals or opens the segments of one recording.
pub struct Seal {
    session: SessionId,
    key: LessSafeKey,
    sequence: u64,
    chain: [u8; 32],
}

fn key(bytes: &[u8; 32]) -> Result<LessSafeKey, RecordError> {
    UnboundKey::new(&AES_256_GCM, bytes).map(LessSafeKey::new).map_err(|_| RecordError::Seal)
}

impl Seal {
    /// A new recording: writes its header to `out`.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn create(session: SessionId, relay_key: &Secret<[u8; 32]>, out: &mut impl Write) -> Result<Self, RecordError> {
        let (mut data_key, mut nonce) = ([0; 32], [0; 12]);
        aws_lc_rs::rand::fill(&mut data_key).map_err(|_| RecordError::Seal)?;
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| RecordError::Seal)?;
        let data_key = Secret::new(data_key);
        let mut wrapped = data_key.expose().to_vec();
        key(relay_key.expose())?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(session.as_bytes()), &mut wrapped)
            .map_err(|_| RecordError::Seal)?;
        let header = [MAGIC.as_slice(), session.as_bytes(), &nonce, &wrapped].concat();
        out.write_all(&header)?;
        Ok(Self { session, key: key(data_key.expose())?, sequence: 0, chain: *blake3::hash(&header).as_bytes() })
    }

    /// Reads the header of a recording.
    ///
    /// # Errors
    /// [`RecordError::Tampered`] when it is not the header of this session's recording, or not sealed by this relay.
    pub fn open(session: SessionId, relay_key: &Secret<[u8; 32]>, input: &mut impl Read) -> Result<Self, RecordError> {
        let wrong = |what| RecordError::Tampered { segment: 0, what };
        let mut header = [0; 8 + 16 + 12 + 48];
        input.read_exact(&mut header).map_err(|_| wrong("the header is cut off"))?;
        let (magic, rest) = header.split_at(8);
        let (id, rest) = rest.split_at(16);
        let (nonce, wrapped) = rest.split_at(12);
        if magic != MAGIC || id != session.as_bytes() {
            return Err(wrong("the header is another's"));
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| RecordError::Seal)?;
        let mut wrapped = wrapped.to_vec();
        let data_key = key(relay_key.expose())?
            .open_in_place(nonce, Aad::from(session.as_bytes()), &mut wrapped)
            .map_err(|_| wrong("the key was not sealed by this relay"))?;
        let data_key = Secret::new(<[u8; 32]>::try_from(&*data_key).map_err(|_| RecordError::Seal)?);
        Ok(Self { session, key: key(data_key.expose())?, sequence: 0, chain: *blake3::hash(&header).as_bytes() })
    }

    fn aad(&self, flags: u8) -> [u8; 25] {
        let mut aad = [0; 25];
        let (id, rest) = aad.split_at_mut(16);
        id.copy_from_slice(self.session.as_bytes());
        let (sequence, last) = rest.split_at_mut(8);
        sequence.copy_from_slice(&self.sequence.to_be_bytes());
        last.fill(flags);
        aad
    }

    fn nonce(&self) -> Nonce {
        let mut nonce = [0; 12];
        nonce.split_at_mut(4).1.copy_from_slice(&self.sequence.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    /// Over a segment's head and what is sealed.
    fn next_chain(&self, segment: &[u8]) -> [u8; 32] {
        *blake3::Hasher::new().update(&self.chain).update(segment).finalize().as_bytes()
    }

    /// Seals `payload` into a segment appended to `out`. Call [`Seal::written`] once it is in the file; sealing again
    /// without that gives the same segment number anew, so a failed write can be tried again from the same place.
    ///
    /// # Errors
    /// When the cipher fails.
    pub fn seal(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<[u8; 32], RecordError> {
        let (start, mut flags) = (out.len(), 0);
        out.extend_from_slice(&[0; HEAD]);
        if payload.len() >= COMPRESS_FROM {
            flags |= COMPRESSED;
            COMPRESSOR.with_borrow_mut(|compressor| {
                let compressor = match compressor {
                    Some(compressor) => compressor,
                    None => compressor.insert(zstd::bulk::Compressor::new(LEVEL)?),
                };
                // Into the space behind the head: nothing is copied again.
                let begin = out.len();
                out.resize(begin + zstd::zstd_safe::compress_bound(payload.len()), 0);
                let size = compressor.compress_to_buffer(payload, out.get_mut(begin..).unwrap_or_default())?;
                out.truncate(begin + size);
                Ok::<_, std::io::Error>(())
            })?;
        } else {
            out.extend_from_slice(payload);
        }
        let (head, body) = out.split_at_mut_checked(start + HEAD).ok_or(RecordError::Seal)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(), Aad::from(self.aad(flags)), body)
            .map_err(|_| RecordError::Seal)?;
        let length = u32::try_from(body.len() + tag.as_ref().len()).map_err(|_| RecordError::Seal)?;
        let head = head.get_mut(start..).unwrap_or_default();
        let (sequence, rest) = head.split_at_mut_checked(8).ok_or(RecordError::Seal)?;
        sequence.copy_from_slice(&self.sequence.to_be_bytes());
        let (flag, size) = rest.split_at_mut_checked(1).ok_or(RecordError::Seal)?;
        flag.fill(flags);
        size.copy_from_slice(&length.to_be_bytes());
        out.extend_from_slice(tag.as_ref());
        let chain = self.next_chain(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&chain);
        Ok(chain)
    }

    /// The segment that [`Seal::seal`] made is in the file.
    pub fn written(&mut self, chain: [u8; 32]) {
        self.chain = chain;
        self.sequence += 1;
    }

    /// Reads and opens the next segment; none at the end of the file.
    ///
    /// # Errors
    /// [`RecordError::Tampered`] with the segment that does not fit.
    pub fn read(&mut self, input: &mut impl Read) -> Result<Option<Vec<u8>>, RecordError> {
        let wrong = |what| RecordError::Tampered { segment: self.sequence, what };
        let mut head = [0; HEAD];
        match input.read(&mut head)? {
            0 => return Ok(None),
            HEAD => {}
            some => input.read_exact(head.get_mut(some..).unwrap_or_default()).map_err(|_| wrong("it is cut off"))?,
        }
        let (sequence, rest) = head.split_at(8);
        let (flags, length) = (rest.first().copied().unwrap_or(0), rest.get(1..).unwrap_or_default());
        if sequence != self.sequence.to_be_bytes() {
            return Err(wrong("it is out of order"));
        }
        let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        if length > LARGEST {
            return Err(wrong("its length is impossible"));
        }
        let mut segment = vec![0; HEAD + length];
        let mut chain = [0; 32];
        let (start, sealed) = segment.split_at_mut(HEAD);
        start.copy_from_slice(&head);
        input.read_exact(sealed).map_err(|_| wrong("it is cut off"))?;
        input.read_exact(&mut chain).map_err(|_| wrong("it is cut off"))?;
        if chain != self.next_chain(&segment) {
            return Err(wrong("its hash does not fit the chain"));
        }
        let sealed = segment.get_mut(HEAD..).unwrap_or_default();
        let plain = self
            .key
            .open_in_place(self.nonce(), Aad::from(self.aad(flags)), sealed)
            .map_err(|_| wrong("it does not open"))?;
        let payload = if flags & COMPRESSED != 0 {
            zstd::bulk::decompress(plain, LARGEST).map_err(|_| wrong("it does not decompress"))?
        } else {
            plain.to_vec()
        };
        self.written(chain);
        Ok(Some(payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(payloads: &[&[u8]]) -> (SessionId, Secret<[u8; 32]>, Vec<u8>) {
        let (session, key, mut file) = (SessionId::generate(), Secret::new([7; 32]), Vec::new());
        let mut seal = Seal::create(session, &key, &mut file).unwrap();
        for payload in payloads {
            let chain = seal.seal(payload, &mut file).unwrap();
            seal.written(chain);
        }
        (session, key, file)
    }

    fn read_all(session: SessionId, key: &Secret<[u8; 32]>, file: &[u8]) -> Result<Vec<Vec<u8>>, RecordError> {
        let mut input = file;
        let mut seal = Seal::open(session, key, &mut input)?;
        let mut all = Vec::new();
        while let Some(payload) = seal.read(&mut input)? {
            all.push(payload);
        }
        Ok(all)
    }

    #[test]
    fn what_was_written_is_read() {
        let big = vec![b'x'; 50_000];
        let (session, key, file) = recording(&[b"one", &big]);
        assert_eq!(read_all(session, &key, &file).unwrap(), [b"one".to_vec(), big]);
        assert!(!file.windows(3).any(|w| w == b"one"), "sealed");
    }

    #[test]
    fn every_changed_byte_is_found() {
        let (session, key, file) = recording(&[b"one", b"two"]);
        for index in 0..file.len() {
            let mut changed = file.clone();
            changed[index] ^= 1;
            assert!(read_all(session, &key, &changed).is_err(), "byte {index}");
        }
        assert!(read_all(session, &Secret::new([8; 32]), &file).is_err());
    }

    #[test]
    fn removed_and_reordered_segments_are_found() {
        let (session, key, file) = recording(&[b"one", b"two"]);
        let (header, segments) = file.split_at(84);
        let (one, two) = segments.split_at(segments.len() / 2);
        assert!(read_all(session, &key, &[header, two].concat()).is_err());
        assert!(read_all(session, &key, &[header, two, one].concat()).is_err());
        assert!(read_all(session, &key, &file[..file.len() - 1]).is_err());
        assert_eq!(read_all(session, &key, &[header, one].concat()).unwrap().len(), 1, "no closing frame tells");
    }
}
