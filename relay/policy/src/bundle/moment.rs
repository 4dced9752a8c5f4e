//! The time that a decision is made at, as policy sees it: in UTC, to the minute.

/// Microseconds of a minute.
const MINUTE: i64 = 60_000_000;
/// Minutes of a day.
const DAY: i64 = 24 * 60;

/// A minute, in UTC. Two moments are equal when policy cannot tell them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// Minutes since 1970.
    minutes: i64,
}

impl Moment {
    /// The minute of a time in microseconds since 1970.
    #[must_use]
    pub fn of(micros: i64) -> Self {
        Self { minutes: micros.div_euclid(MINUTE) }
    }

    /// 0 to 23.
    #[must_use]
    pub fn hour(self) -> i64 {
        self.minute_of_day() / 60
    }

    /// 0 to 1439.
    #[must_use]
    pub fn minute_of_day(self) -> i64 {
        self.minutes.rem_euclid(DAY)
    }

    /// 1 for Monday to 7 for Sunday (ISO 8601).
    #[must_use]
    pub fn weekday(self) -> i64 {
        // The first of January 1970 was a Thursday.
        (self.minutes.div_euclid(DAY) + 3).rem_euclid(7) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[test]
    fn days_and_hours_are_those_of_the_calendar() {
        for (seconds, weekday, hour, minute_of_day) in [
            (0, 4, 0, 0),
            (-1, 3, 23, 1439),
            // 2026-11-26 08:42:59, a Thursday.
            (1_795_682_579, 4, 8, 522),
            // 2024-02-29 23:59:59 and 2024-03-03 12:00:00, a Thursday and a Sunday.
            (1_709_251_199, 4, 23, 1439),
            (1_709_467_200, 7, 12, 720),
        ] {
            let moment = Moment::of(seconds * 1_000_000);
            assert_eq!(
                (moment.weekday(), moment.hour(), moment.minute_of_day()),
                (weekday, hour, minute_of_day),
                "{seconds}"
            );
        }
    }
}
