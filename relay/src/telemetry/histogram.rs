//! A histogram of atomics: observing takes no lock and allocates nothing, so that sessions may do it.

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Upper bounds of latencies, in nanoseconds: 1 microsecond to 1 minute.
const LATENCY: &[u64] = &[
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
];
/// Buckets of a latency: one for each bound, and one beyond.
pub(super) const BUCKETS: usize = LATENCY.len() + 1;
/// Upper bounds of sizes, in bytes: 4 KiB to 16 MiB.
const SIZE: &[u64] =
    &[1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20, 1 << 22, 1 << 24];

/// 584 years are the most.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The bucket of a latency.
pub(super) fn bucket(nanos: u64) -> usize {
    LATENCY.partition_point(|bound| *bound < nanos)
}

/// Shared by whoever observes; cheap to clone.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bounds: &'static [u64],
    /// What is observed, for one that is shown: 10⁹ nanoseconds for a second.
    scale: f64,
    /// One for each bound, and one beyond.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Of durations, shown in seconds.
    #[must_use]
    pub fn latency() -> Self {
        Self::new(LATENCY, 1e9)
    }

    /// Of bytes.
    #[must_use]
    pub fn size() -> Self {
        Self::new(SIZE, 1.0)
    }

    fn new(bounds: &'static [u64], scale: f64) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Inner { bounds, scale, counts, sum: AtomicU64::new(0) }))
    }

    /// One more value: nanoseconds or bytes.
    pub fn observe(&self, value: u64) {
        let at = self.0.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.0.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.0.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What was counted elsewhere. It only grows, so that two who tell it at once do not take it back.
    pub(super) fn set(&self, counts: &[u64], sum: u64) {
        for (count, value) in self.0.counts.iter().zip(counts) {
            count.fetch_max(*value, Ordering::Relaxed);
        }
        self.0.sum.fetch_max(sum, Ordering::Relaxed);
    }

    /// One more duration.
    pub fn took(&self, duration: Duration) {
        self.observe(nanos(duration));
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    #[expect(clippy::cast_precision_loss, reason = "what is shown is a float")]
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let Inner { bounds, scale, counts, sum } = &*self.0;
        let bounds = bounds.iter().map(|bound| *bound as f64 / scale).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts.iter().map(|count| count.load(Ordering::Relaxed))).collect();
        // The sum of what was read, so that it is the last bucket whatever happens meanwhile.
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(sum.load(Ordering::Relaxed) as f64 / scale, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::{encoding::text, registry::Registry};

    #[test]
    fn what_is_observed_is_shown_in_its_bucket() {
        let histogram = Histogram::latency();
        for micros in [1, 2, 400, 90_000_000] {
            histogram.took(Duration::from_micros(micros));
        }
        let mut registry = Registry::default();
        registry.register("t", "help", histogram);
        let mut shown = String::new();
        text::encode(&mut shown, &registry).unwrap();
        for line in [
            "t_sum 90.000403",
            "t_count 4",
            "t_bucket{le=\"0.000001\"} 1",
            "t_bucket{le=\"0.00025\"} 2",
            "t_bucket{le=\"0.0005\"} 3",
            "t_bucket{le=\"60.0\"} 3",
            "t_bucket{le=\"+Inf\"} 4",
        ] {
            assert!(shown.contains(line), "{line} is not in\n{shown}");
        }
    }
}
