//! How much may be in flight over QUIC: Cubic that does not take every loss for congestion.
//!
//! Cubic (RFC 9438) takes a third off its window at each loss, and on a path that loses packets by itself never has a window to
//! speak of: at 40 ms and 1 % a twentieth of what the path carries. Here a loss counts as congestion where there are signs of it:
//! packets wait on their way (no round trip of late was as short as it can be), or so many are lost that the path is too full for
//! them to wait. Near peers have Cubic as it is: nothing is lost there but what found a buffer full.
//!
//! What it was measured against stands in the relay's manual.

use quinn_proto::{
    RttEstimator,
    congestion::{Controller, ControllerFactory, ControllerMetrics, CubicConfig},
};
use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

/// A peer that answers within this is near: the same machine, or a neighbour.
const NEAR: Duration = Duration::from_millis(2);
/// Packets wait when the shortest round trip of late took longer by this part of the shortest of all.
const WAITING: u32 = 2;
/// More than one byte lost of so many is congestion, however fast the others arrive.
const MOST_LOST: u64 = 20;
/// That is looked at over so many bytes sent last, about,
const LATELY: u64 = 4_000_000;
/// and over no fewer than these: of few packets one in twenty is lost by chance, and what that would cost is not made up for soon.
const AT_LEAST: u64 = 1_000_000;

/// Makes [`LossTolerantCubic`].
#[derive(Debug, Default)]
pub struct LossTolerantCubicConfig;

impl ControllerFactory for LossTolerantCubicConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(LossTolerantCubic::new(now, current_mtu))
    }
}

/// The controller of one path.
pub struct LossTolerantCubic {
    cubic: Box<dyn Controller>,
    /// The peer is far, and no packets wait on the way to it.
    clear: bool,
    /// The shortest round trips of the last two periods, of which the second began then; each lasts about as long as one.
    round_trips: [Duration; 2],
    since: Instant,
    /// Bytes, lately.
    sent: u64,
    lost: u64,
}

impl LossTolerantCubic {
    fn new(now: Instant, current_mtu: u16) -> Self {
        let cubic = Arc::new(CubicConfig::default()).build(now, current_mtu);
        Self { cubic, clear: false, since: now, round_trips: [Duration::MAX; 2], sent: 0, lost: 0 }
    }

    /// A round trip took so long, where they take `shortest` at least. That one took longer says little: machines are busy.
    fn round_trip(&mut self, now: Instant, took: Duration, shortest: Duration) {
        let [before, this] = self.round_trips;
        let this = this.min(took);
        self.clear = shortest >= NEAR && this.min(before) <= shortest + shortest / WAITING;
        let is_over = now.saturating_duration_since(self.since) > shortest;
        self.round_trips = if is_over { [this, Duration::MAX] } else { [before, this] };
        if is_over {
            self.since = now;
        }
    }

    /// Whether what was lost was lost to others' packets, or ours.
    fn is_congested(&self) -> bool {
        !self.clear || self.lost.saturating_mul(MOST_LOST) > self.sent.max(AT_LEAST)
    }
}

impl Controller for LossTolerantCubic {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.sent += bytes;
        if self.sent > LATELY {
            (self.sent, self.lost) = (self.sent / 2, self.lost / 2);
        }
        self.cubic.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        // The estimate knows how long the peer kept an acknowledgement back, one packet's time does not.
        self.round_trip(now, now.saturating_duration_since(sent).min(rtt.get()), rtt.min());
        self.cubic.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest_packet_num_acked: Option<u64>) {
        self.cubic.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        self.lost = self.lost.saturating_add(lost_bytes);
        // Without bytes it is a router that says so (ECN).
        if lost_bytes == 0 || is_persistent_congestion || self.is_congested() {
            self.cubic.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.cubic.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.cubic.window()
    }

    fn metrics(&self) -> ControllerMetrics {
        self.cubic.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self { cubic: self.cubic.clone_box(), ..*self })
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the window shrinks when of 2,000 packets so many are lost, on a path whose round trip takes so many
    /// milliseconds at least, and now.
    fn shrinks(shortest: u64, now: u64, lost: u64) -> bool {
        let begun = Instant::now();
        let at = |packet: u64| begun + Duration::from_millis(packet);
        let mut controller = LossTolerantCubic::new(begun, 1200);
        (0..2000).for_each(|packet| controller.on_sent(at(packet), 1200, packet));
        // One took long by chance.
        for took in [now, now * 3] {
            controller.round_trip(at(2000), Duration::from_millis(took), Duration::from_millis(shortest));
        }
        let window = controller.window();
        (0..lost).for_each(|packet| controller.on_congestion_event(at(4000 + packet), at(2000 + packet), false, 1200));
        controller.window() < window
    }

    #[test]
    fn a_loss_is_congestion_where_packets_wait_or_many_are_lost() {
        assert!(!shrinks(40, 40, 60) && !shrinks(40, 59, 60));
        assert!(shrinks(40, 61, 1), "packets wait");
        assert!(shrinks(40, 40, 120), "too many are lost");
        assert!(shrinks(1, 1, 1), "a near peer");
    }

    #[test]
    fn what_a_router_says_and_a_path_that_is_gone_are_congestion() {
        for (persistent, bytes) in [(false, 0), (true, 1200)] {
            let begun = Instant::now();
            let mut controller = LossTolerantCubic::new(begun, 1200);
            controller.round_trip(begun, NEAR * 10, NEAR * 10);
            let window = controller.window();
            controller.on_congestion_event(begun + NEAR, begun, persistent, bytes);
            assert!(controller.window() < window);
        }
    }

    #[test]
    fn what_was_lost_long_ago_is_forgotten() {
        let begun = Instant::now();
        let mut controller = LossTolerantCubic::new(begun, 1200);
        controller.lost = 300_000;
        controller.round_trip(begun, NEAR * 10, NEAR * 10);
        assert!(controller.is_congested());
        (0..10_000).for_each(|packet| controller.on_sent(begun, 1200, packet));
        assert!(!controller.is_congested());
    }

    #[test]
    fn packets_wait_once_no_round_trip_of_late_was_short() {
        let begun = Instant::now();
        let mut controller = LossTolerantCubic::new(begun, 1200);
        let [shortest, long] = [40, 70].map(Duration::from_millis);
        let at = |number: u32| begun + shortest * 2 * (number + 1);
        controller.round_trip(at(0), shortest, shortest);
        for number in 1..4 {
            controller.round_trip(at(number), long, shortest);
            assert_eq!(controller.is_congested(), number > 1, "{number}");
        }
        controller.round_trip(at(4), shortest, shortest);
        assert!(!controller.is_congested());
    }
}
