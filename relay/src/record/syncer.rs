//! Brings recordings to the disk: every 50 ms one thread flushes what is buffered and fsyncs what was written, for
//! all sessions together, so that no session's task waits for a disk.

use super::writer::Shared;
use crate::telemetry::Recordings;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

const EVERY: Duration = Duration::from_millis(50);
/// From this many recordings on, one call that syncs their file system costs less than one for each.
const MANY: usize = 4;

#[derive(Default)]
pub(super) struct Open {
    recordings: Vec<Weak<Shared>>,
    /// Ended, and not on the disk yet.
    ended: Vec<Arc<Shared>>,
    stop: bool,
}

/// How far the disk is behind, over all open recordings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// The age of the oldest write that is not on the disk; 50 ms are usual.
    pub oldest: Duration,
    /// Bytes that are not in their files.
    pub pending: u64,
}

/// The thread and what it looks after; dropping it stops the thread.
pub struct Syncer {
    open: Arc<(Mutex<Open>, Condvar)>,
    pub(super) metrics: Recordings,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Syncer {
    /// Starts the thread. What recordings do is told to `metrics`.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(metrics: Recordings) -> std::io::Result<Self> {
        let open = Arc::new((Mutex::new(Open::default()), Condvar::new()));
        let shared = Arc::clone(&open);
        let thread = std::thread::Builder::new().name("recording-sync".to_owned()).spawn(move || run(&shared))?;
        Ok(Self { open, metrics, thread: Some(thread) })
    }

    /// How far the disk is behind.
    #[must_use]
    pub fn lag(&self) -> Lag {
        let recordings = self.open.0.lock().unwrap_or_else(PoisonError::into_inner).recordings.clone();
        let lags = recordings.iter().filter_map(Weak::upgrade).map(|recording| recording.lag());
        lags.fold(Lag::default(), |all, one| Lag {
            oldest: all.oldest.max(one.oldest),
            pending: all.pending + one.pending,
        })
    }

    pub(super) fn watch(&self, recording: &Arc<Shared>) -> Watcher {
        let mut open = self.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.recordings.push(Arc::downgrade(recording));
        self.open.1.notify_one();
        Watcher(Arc::clone(&self.open))
    }
}

/// Where an ended recording is handed in.
pub(super) struct Watcher(Arc<(Mutex<Open>, Condvar)>);

impl Watcher {
    /// Everything of it has been written: it is brought to the disk, and closed.
    pub(super) fn ended(self, recording: Arc<Shared>) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).ended.push(recording);
        self.0.1.notify_one();
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.open.0.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        self.open.1.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(shared: &(Mutex<Open>, Condvar)) {
    loop {
        let (recordings, ended, stop): (Vec<Arc<Shared>>, _, _) = {
            let mut open = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
            open.recordings.retain(|recording| recording.strong_count() > 0);
            while open.recordings.is_empty() && open.ended.is_empty() && !open.stop {
                open = shared.1.wait(open).unwrap_or_else(PoisonError::into_inner);
            }
            let ended = std::mem::take(&mut open.ended);
            (open.recordings.iter().filter_map(Weak::upgrade).collect(), ended, open.stop)
        };
        ended.iter().for_each(|recording| recording.end());
        let all = recordings.into_iter().chain(ended);
        sync(&all.filter(|recording| recording.write()).collect::<Vec<_>>());
        if stop {
            return;
        }
        std::thread::sleep(EVERY);
    }
}

fn sync(written: &[Arc<Shared>]) {
    let together = match written {
        [first, ..] if written.len() >= MANY => first.sync_all(),
        _ => Err(std::io::ErrorKind::Unsupported.into()),
    };
    match together {
        Ok(()) => written.iter().for_each(|recording| recording.synced()),
        // Each has to say for itself whether it is safe.
        Err(_) => written.iter().for_each(|recording| recording.sync()),
    }
}
