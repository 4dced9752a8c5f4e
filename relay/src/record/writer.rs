//! Appends frames to a session's recording.

use super::{Lag, RecordError, Syncer, container::Seal, path, syncer::Watcher};
use crate::telemetry::Recordings;
use fs_err as fs;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use weir_shared::{
    config::checked::Durability,
    id::SessionId,
    recording::{Frame, Payload},
    secret::Secret,
};

/// Buffered bytes at which a segment is written without waiting for the next intent.
const SEGMENT: usize = 256 * 1024;
/// Space is reserved on the disk in pieces of this size, so that an intent that was accepted can be written.
const RESERVE: u64 = 32 * 1024;
/// The largest frame; rows are cut to fit.
const LARGEST_FRAME: usize = 8 * 1024 * 1024;

/// The time of a write that there is none of.
const CLEAN: u64 = u64::MAX;

/// Writes one session's recording. Dropping it without [`Recorder::close`] leaves it without a closing frame.
pub struct Recorder {
    shared: Arc<Shared>,
    watcher: Watcher,
    started: Instant,
    durability: Durability,
    /// An intent is buffered that nothing may be sent for yet.
    uncommitted: bool,
    /// What was written must reach the disk first.
    unsynced: bool,
}

/// What the session's task and the syncer share.
pub(super) struct Shared {
    inner: Mutex<Inner>,
    file: fs::File,
    dirty: AtomicBool,
    /// When it became so: microseconds after `born`.
    dirty_since: AtomicU64,
    /// The same of what is being brought to the disk just now.
    syncing_since: AtomicU64,
    born: Instant,
    metrics: Recordings,
    /// Of the session.
    span: tracing::Span,
}

struct Inner {
    seal: Seal,
    /// Encoded frames that are not in the file yet.
    pending: Vec<u8>,
    /// Reused for the sealed segment.
    out: Vec<u8>,
    /// Bytes of the file that are whole segments; a failed write is cut back to here.
    length: u64,
    /// A write failed and the file could not be cut back: nothing more may be appended.
    broken: bool,
    /// A buffered frame was lost to a failed write; loud once.
    lost: bool,
    /// Where the space reserved on the disk ends; none where the file system reserves nothing.
    reserved: Option<u64>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called by the syncer: what is buffered goes to the file. True when the file must be brought to the disk.
    pub(super) fn write(&self) -> bool {
        let failed = { self.flush(&mut self.lock()).is_err() };
        if failed {
            tracing::warn!(parent: &self.span, "a recording cannot be written; its session's next statement is refused");
        }
        let dirty = self.dirty.swap(false, Ordering::AcqRel);
        if dirty {
            self.syncing_since.store(self.dirty_since.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        dirty
    }

    /// Brings what was written to the disk.
    pub(super) fn sync(&self) {
        if let Err(error) = self.timed(|file| file.sync_data()) {
            self.dirty_since.store(self.syncing_since.load(Ordering::Relaxed), Ordering::Relaxed);
            self.dirty.store(true, Ordering::Release);
            tracing::error!(parent: &self.span, %error, "a recording cannot be brought to the disk");
        }
        self.synced();
    }

    /// Brings everything that was written on its file system to the disk: other recordings are then [`Shared::synced`] too.
    pub(super) fn sync_all(&self) -> std::io::Result<()> {
        self.timed(|file| Ok(rustix::fs::syncfs(file.file())?))
    }

    /// What [`Shared::write`] wrote is on the disk.
    pub(super) fn synced(&self) {
        self.syncing_since.store(CLEAN, Ordering::Relaxed);
    }

    fn timed(&self, sync: impl FnOnce(&fs::File) -> std::io::Result<()>) -> std::io::Result<()> {
        let begun = Instant::now();
        let synced = sync(&self.file);
        self.metrics.sync.took(begun.elapsed());
        if synced.is_err() {
            self.metrics.sync_failures.inc();
        }
        synced
    }

    /// How far the disk is behind. What is being written just now is not waited for.
    pub(super) fn lag(&self) -> Lag {
        let dirty = self.dirty.load(Ordering::Acquire);
        let since = if dirty { self.dirty_since.load(Ordering::Relaxed) } else { CLEAN };
        let since = since.min(self.syncing_since.load(Ordering::Relaxed));
        // What is clean has been so since the end of time.
        let oldest = self.born.elapsed().saturating_sub(Duration::from_micros(since));
        Lag { oldest, pending: self.inner.try_lock().map_or(0, |inner| inner.pending.len() as u64) }
    }

    /// What was written is not on the disk.
    fn soil(&self) {
        // One clock read a sync, not one a write. A sync in between leaves an earlier time, which is no harm.
        if !self.dirty.load(Ordering::Relaxed) {
            let since = u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.dirty_since.store(since, Ordering::Relaxed);
        }
        self.dirty.store(true, Ordering::Release);
    }

    /// Called by the syncer once the session has ended: gives back what was reserved and not used.
    pub(super) fn end(&self) {
        let inner = self.lock();
        if inner.reserved.is_some_and(|end| end > inner.length)
            && let Err(error) = self.file.set_len(inner.length)
        {
            tracing::error!(%error, "a recording's reserved space cannot be given back");
        }
    }

    /// Makes sure that what is buffered has its place on the disk.
    fn reserve(&self, inner: &mut Inner) -> Result<(), RecordError> {
        use rustix::{
            fs::{FallocateFlags, fallocate},
            io::Errno,
        };
        // Sealed, a segment is longer by its head, tag and chain.
        let end = inner.length + inner.pending.len() as u64 + 128;
        let Some(reserved) = inner.reserved else { return self.flush(inner) };
        if end <= reserved {
            return Ok(());
        }
        let length = end - inner.length + RESERVE;
        match fallocate(self.file.file(), FallocateFlags::KEEP_SIZE, inner.length, length) {
            Ok(()) => {
                inner.reserved = Some(inner.length + length);
                Ok(())
            }
            // Then it is written at once: that is as good, and slower.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                inner.reserved = None;
                self.flush(inner)
            }
            Err(error) => Err(RecordError::Io(error.into())),
        }
    }

    fn flush(&self, inner: &mut Inner) -> Result<(), RecordError> {
        if inner.pending.is_empty() {
            return Ok(());
        }
        if inner.broken {
            return Err(RecordError::Io(std::io::Error::other("an earlier write failed half-way")));
        }
        inner.out.clear();
        let Inner { seal, pending, out, length, broken, reserved, .. } = inner;
        let chain = seal.seal(pending, out)?;
        if let Err(error) = (&self.file).write_all(out) {
            self.metrics.write_failures.inc();
            // A half-written segment would end the chain for every reader: take it back, so that trying again can work.
            *broken = self.file.set_len(*length).is_err();
            *reserved = reserved.map(|_| *length);
            return Err(error.into());
        }
        *length += out.len() as u64;
        seal.written(chain);
        // In the middle of bulk data the space is needed again at once; after it, the next small segment gives it back.
        let bulk = pending.len() >= SEGMENT;
        pending.clear();
        if pending.capacity() > 2 * SEGMENT {
            pending.shrink_to(4096);
        }
        if out.capacity() > 64 * 1024 && !bulk {
            *out = Vec::new();
        }
        self.soil();
        Ok(())
    }
}

impl Recorder {
    /// Begins a recording. What is logged about it is logged inside the current span.
    ///
    /// # Errors
    /// When its file cannot be made; then the session may not begin.
    pub fn create(
        folder: &std::path::Path,
        session: SessionId,
        relay_key: &Secret<[u8; 32]>,
        durability: Durability,
        syncer: &Syncer,
    ) -> Result<Self, RecordError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = std::fs::OpenOptions::new();
        options.append(true).create_new(true).mode(0o600);
        let place = path(folder, session);
        let file = fs::File::from_parts(options.open(&place).map_err(RecordError::Io)?, place);
        let mut header = Vec::new();
        let seal = Seal::create(session, relay_key, &mut header)?;
        (&file).write_all(&header)?;
        let inner = Inner {
            seal,
            pending: Vec::new(),
            out: Vec::new(),
            length: header.len() as u64,
            broken: false,
            lost: false,
            reserved: Some(0),
        };
        let started = Instant::now();
        let shared = Arc::new(Shared {
            inner: Mutex::new(inner),
            file,
            dirty: AtomicBool::new(true),
            dirty_since: AtomicU64::new(0),
            syncing_since: AtomicU64::new(CLEAN),
            born: started,
            metrics: syncer.metrics.clone(),
            span: tracing::Span::current(),
        });
        let watcher = syncer.watch(&shared);
        Ok(Self { shared, watcher, started, durability, uncommitted: false, unsynced: false })
    }

    fn at(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn append(inner: &mut Inner, frame: &Frame) -> Result<(), RecordError> {
        let start = inner.pending.len();
        inner.pending.extend_from_slice(&[0; 4]);
        let written = bincode::serde::encode_into_std_write(frame, &mut inner.pending, bincode::config::standard());
        let length = written.ok().and_then(|n| u32::try_from(n).ok());
        match (length, inner.pending.get_mut(start..start + 4)) {
            (Some(length), Some(field)) => field.copy_from_slice(&length.to_be_bytes()),
            _ => {
                inner.pending.truncate(start);
                return Err(RecordError::Frame);
            }
        }
        Ok(())
    }

    /// Records what is about to be done. It may be sent once [`Recorder::commit`] has succeeded, and is then as safe as
    /// the resource's durability asks: one write serves all intents of a pipeline.
    ///
    /// # Errors
    /// There is no room for the frame: what it announces must not be done (except under best effort, where this is loud
    /// and succeeds).
    pub fn intent(&mut self, payload: Payload) -> Result<(), RecordError> {
        let frame = Frame { at: self.at(), payload };
        let mut inner = self.shared.lock();
        let start = inner.pending.len();
        let result = match Self::append(&mut inner, &frame) {
            Ok(()) if inner.broken => Err(RecordError::Io(std::io::Error::other("an earlier write failed half-way"))),
            Ok(()) => self.shared.reserve(&mut inner),
            Err(error) => Err(error),
        };
        if result.is_err() {
            inner.pending.truncate(start);
        }
        drop(inner);
        self.uncommitted |= result.is_ok();
        self.forgiven(result)
    }

    /// Writes what was announced, if anything was. False when it must also reach the disk, by [`Recorder::reach_disk`].
    ///
    /// # Errors
    /// It could not be written: nothing of it may be sent (except under best effort).
    pub fn commit(&mut self) -> Result<bool, RecordError> {
        if self.uncommitted {
            self.uncommitted = false;
            self.unsynced = self.durability == Durability::Sync;
            let written = self.shared.flush(&mut self.shared.lock());
            self.forgiven(written)?;
        }
        Ok(!self.unsynced)
    }

    /// Brings what was committed to the disk.
    ///
    /// # Errors
    /// The disk refused: nothing of it may be sent.
    pub async fn reach_disk(&mut self) -> Result<(), RecordError> {
        let shared = Arc::clone(&self.shared);
        let synced = tokio::task::spawn_blocking(move || shared.timed(|file| file.sync_data())).await;
        synced.map_err(std::io::Error::other)??;
        self.unsynced = false;
        Ok(())
    }

    /// Best effort goes on, loudly.
    fn forgiven(&self, result: Result<(), RecordError>) -> Result<(), RecordError> {
        match result {
            Err(error) if self.durability == Durability::BestEffort => {
                tracing::error!(parent: &self.shared.span, %error, "not recorded, and the resource's configuration lets it go on");
                Ok(())
            }
            result => result,
        }
    }

    /// Records what has happened; it reaches the file with the next intent or within 50 ms.
    pub fn note(&mut self, payload: Payload) {
        let frame = Frame { at: self.at(), payload };
        let mut inner = self.shared.lock();
        let full = inner.pending.len() >= 16 * SEGMENT;
        if full || Self::append(&mut inner, &frame).is_err() {
            inner.lost = true;
        }
        if inner.pending.len() >= SEGMENT {
            // A failure stays pending and refuses the next intent.
            let _ = self.shared.flush(&mut inner);
        }
    }

    /// True when frames can be written; a session whose rows cannot be recorded must not deliver them.
    #[must_use]
    pub fn healthy(&self) -> bool {
        let inner = self.shared.lock();
        self.durability == Durability::BestEffort || !(inner.broken || inner.lost)
    }

    /// Records the end; everything reaches the disk within 50 ms.
    ///
    /// # Errors
    /// When the end could not be written; the recording then shows as cut off.
    pub fn close(mut self, reason: &str) -> Result<(), RecordError> {
        self.note(Payload::Close { reason: reason.to_owned() });
        let written = self.shared.flush(&mut self.shared.lock());
        self.watcher.ended(self.shared);
        written
    }
}

/// Appends frames to the recording of a session whose relay died: a gap and the close.
///
/// # Errors
/// When the recording cannot be read to its end or written.
pub fn close_orphan(
    folder: &std::path::Path,
    session: SessionId,
    relay_key: &Secret<[u8; 32]>,
    why: &str,
) -> Result<(), RecordError> {
    use std::io::Seek as _;
    let place = path(folder, session);
    let mut file = match fs::OpenOptions::new().read(true).write(true).open(place) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(RecordError::Missing),
        Err(error) => return Err(error.into()),
    };
    let mut seal = Seal::open(session, relay_key, &mut file)?;
    let mut whole = file.stream_position()?;
    // A segment cut off by the death of the process is dropped: nothing that it announced had been sent.
    while let Ok(Some(_)) = seal.read(&mut file) {
        whole = file.stream_position()?;
    }
    file.set_len(whole)?;
    file.seek(std::io::SeekFrom::Start(whole))?;
    let mut pending = Vec::new();
    for payload in [Payload::Gap { why: why.to_owned() }, Payload::Close { reason: why.to_owned() }] {
        let frame = Frame { at: 0, payload };
        let bytes =
            bincode::serde::encode_to_vec(&frame, bincode::config::standard()).map_err(|_| RecordError::Frame)?;
        pending.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes());
        pending.extend_from_slice(&bytes);
    }
    let mut out = Vec::new();
    seal.seal(&pending, &mut out)?;
    file.write_all(&out)?;
    file.sync_data()?;
    Ok(())
}

/// Decodes the frames of one segment.
pub(super) fn frames(mut payload: &[u8]) -> Result<Vec<Frame>, RecordError> {
    let mut frames = Vec::new();
    while !payload.is_empty() {
        let (length, rest) = payload.split_first_chunk::<4>().ok_or(RecordError::Frame)?;
        let (frame, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(RecordError::Frame)?;
        let config = bincode::config::standard().with_limit::<LARGEST_FRAME>();
        let (frame, _) = bincode::serde::decode_from_slice(frame, config).map_err(|_| RecordError::Frame)?;
        frames.push(frame);
        payload = rest;
    }
    Ok(frames)
}
