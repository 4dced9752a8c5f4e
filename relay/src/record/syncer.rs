//! Brings recordings to the disk: every 50 ms one thread flushes what is buffered and fsyncs what was written, for
//! all sessions together, so that no session's task waits for a disk.

use super::writer::Shared;
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

/// The thread and what it looks after; dropping it stops the thread.
pub struct Syncer {
    open: Arc<(Mutex<Open>, Condvar)>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Syncer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start() -> std::io::Result<Self> {
        let open = Arc::new((Mutex::new(Open::default()), Condvar::new()));
        let shared = Arc::clone(&open);
        let thread = std::thread::Builder::new().name("recording-sync".to_owned()).spawn(move || run(&shared))?;
        Ok(Self { open, thread: Some(thread) })
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
    // Where that fails each has to say for itself whether it is safe.
    if together.is_err() {
        written.iter().for_each(|recording| recording.sync());
    }
}
