//! What `/proc` says of this process; nothing where there is none.

use super::{Fraction, List};
use fs_err as fs;
use prometheus_client::metrics::gauge::Gauge;

/// The process, under the names that Prometheus' own libraries give.
#[derive(Debug)]
pub struct Process {
    open_files: Gauge,
    most_files: Gauge,
    resident: Gauge,
    threads: Gauge,
}

impl Process {
    pub(super) fn new(list: &mut List) -> Self {
        let start: Fraction = list.one("process_start_time_seconds", "when the process started, seconds since 1970");
        #[expect(clippy::cast_precision_loss, reason = "what is shown is a float")]
        start.set(jiff::Timestamp::now().as_microsecond() as f64 / 1e6);
        Self {
            open_files: list.one("process_open_fds", "file descriptors that are open"),
            most_files: list.one("process_max_fds", "file descriptors that may be open"),
            resident: list.one("process_resident_memory_bytes", "memory in use"),
            threads: list.one("process_threads", "threads"),
        }
    }

    pub(super) fn look(&self) {
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // The one that is being read from is not counted.
            self.open_files.set(i64::try_from(files.count()).unwrap_or(i64::MAX) - 1);
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        self.most_files.set(limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(i64::MAX));
        let Ok(status) = fs::read_to_string("/proc/self/status") else { return };
        let value = |key: &str| -> Option<i64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
            line.trim().trim_end_matches(" kB").parse().ok()
        };
        if let Some(kilobytes) = value("VmRSS") {
            self.resident.set(kilobytes * 1024);
        }
        if let Some(threads) = value("Threads") {
            self.threads.set(threads);
        }
    }
}
