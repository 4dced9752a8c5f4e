//! The threads that serve connections, each with a runtime of its own. A tunnel and all of its sessions stay on one of
//! them: nothing on the data path crosses threads, and what several sessions have to send leaves in one packet, because
//! the connection's turn comes after theirs.

use std::{
    num::NonZero,
    sync::atomic::{AtomicUsize, Ordering},
    thread::JoinHandle,
};
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// The relay's threads: the one that called, and more.
pub struct Workers {
    handles: Vec<Handle>,
    next: AtomicUsize,
    stop: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// So many threads, the current one among them. Otherwise one a core, but for one core that is left to the kernel's
    /// network work and to the recordings' thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(threads: Option<NonZero<usize>>) -> std::io::Result<Self> {
        let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get() - 1).max(1);
        let count = threads.map_or_else(cores, NonZero::get);
        let stop = CancellationToken::new();
        let (mut handles, mut threads) = (vec![Handle::current()], Vec::new());
        for number in 1..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            handles.push(runtime.handle().clone());
            let stop = stop.clone();
            let thread = std::thread::Builder::new().name(format!("worker-{number}"));
            threads.push(thread.spawn(move || runtime.block_on(stop.cancelled()))?);
        }
        Ok(Self { handles, next: AtomicUsize::new(0), stop, threads })
    }

    /// The next one, in turn.
    #[must_use]
    pub fn pick(&self) -> Handle {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.handles.get(next % self.handles.len()).cloned().unwrap_or_else(Handle::current)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
