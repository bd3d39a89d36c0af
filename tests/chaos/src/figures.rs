//! What a row measures.

use std::collections::BTreeMap;
use std::time::Duration;

/// The figures of one row; those of several runs add up.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// How often the row's fault happened.
    pub faults: u64,
    /// Intents of clients: one for each idempotency key.
    pub tried: u64,
    /// Requests answered with 201.
    pub acked: u64,
    /// Requests answered with 4xx.
    pub refused: u64,
    /// Requests after which the client did not know the outcome.
    pub unknown: u64,
    /// Orders in the table.
    pub committed: u64,
    /// Orders in the table without an event on the topic.
    pub lost: u64,
    /// Events on the topic without an order in the table.
    pub phantom: u64,
    /// Copies of events on the topic beyond the first.
    pub duplicate_copies: u64,
    /// Deliveries of events to event-consumer beyond the first: of their copies, and of events that
    /// were not acknowledged. Deliveries to the rig bypass the proxy that counts, and so do answers
    /// to requests that the proxy has doubled.
    pub duplicate_deliveries: u64,
    /// Effects of a handler for an event beyond the first.
    pub duplicate_effects: u64,
    pub fenced: u64,
    /// Transactions for which COMMIT and ROLLBACK were both sent, the ROLLBACK before their message
    /// was on the topic.
    pub contradictions: u64,
    /// Attempts that were fenced or rolled back, and created their order all the same.
    pub revived: u64,
    /// From the creation of each order to the first copy of its `OrderCreated` on the topic.
    pub times_to_visible: Vec<Duration>,
    /// The longest times of all recoveries of the row.
    pub recovery: Recovery,
    /// Figures that only this row measures, by name.
    pub measures: BTreeMap<&'static str, Measure>,
}

/// The time that the system took to recover from a fault; of several recoveries the longest times.
#[derive(Debug, Clone, Copy, Default)]
pub struct Recovery {
    /// From the end of the fault.
    pub took: Duration,
    /// The longest time during the recovery without a live member of the checked group.
    pub without_checker: Duration,
    /// The longest time of a recovery, minus its own time without a checker.
    pub beside: Duration,
}

impl Recovery {
    /// The times of one recovery.
    #[must_use]
    pub fn new(took: Duration, without_checker: Duration) -> Self {
        Self { took, without_checker, beside: took.saturating_sub(without_checker) }
    }

    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        Self {
            took: self.took.max(other.took),
            without_checker: self.without_checker.max(other.without_checker),
            beside: self.beside.max(other.beside),
        }
    }
}

/// A figure that only one row measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// Several runs add up.
    Count(u64),
    /// The longest of several runs counts.
    Longest(Duration),
    /// The greatest number of several runs counts.
    Bytes(u64),
    /// Several runs add up.
    Share { part: u64, whole: u64 },
}

impl Figures {
    pub fn add_measure(&mut self, name: &'static str, measure: Measure) {
        let merged = match self.measures.get(name) {
            Some(before) => before.merged(measure),
            None => measure,
        };
        self.measures.insert(name, merged);
    }

    pub fn merge(&mut self, other: Self) {
        self.faults += other.faults;
        self.tried += other.tried;
        self.acked += other.acked;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.committed += other.committed;
        self.lost += other.lost;
        self.phantom += other.phantom;
        self.duplicate_copies += other.duplicate_copies;
        self.duplicate_deliveries += other.duplicate_deliveries;
        self.duplicate_effects += other.duplicate_effects;
        self.fenced += other.fenced;
        self.contradictions += other.contradictions;
        self.revived += other.revived;
        self.times_to_visible.extend(other.times_to_visible);
        self.recovery = self.recovery.merged(other.recovery);
        for (name, measure) in other.measures {
            self.add_measure(name, measure);
        }
    }

    /// The time within which `share` (0 to 1) of the orders became visible.
    #[must_use]
    pub fn time_to_visible(&self, share: f64) -> Option<Duration> {
        percentile(&self.times_to_visible, share)
    }
}

/// The value below which `share` (0 to 1) of `times` lie.
#[must_use]
pub fn percentile(times: &[Duration], share: f64) -> Option<Duration> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share of a length is a position within it"
    )]
    let position = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(position).copied()
}

impl Measure {
    fn merged(self, other: Self) -> Self {
        match (self, other) {
            (Self::Count(a), Self::Count(b)) => Self::Count(a + b),
            (Self::Longest(a), Self::Longest(b)) => Self::Longest(a.max(b)),
            (Self::Bytes(a), Self::Bytes(b)) => Self::Bytes(a.max(b)),
            (Self::Share { part: a, whole: b }, Self::Share { part: c, whole: d }) => {
                Self::Share { part: a + c, whole: b + d }
            }
            // Figures of one name are of one kind.
            (_, other) => other,
        }
    }
}

impl std::fmt::Display for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Longest(time) => write!(f, "{:.2} s", time.as_secs_f64()),
            Self::Bytes(bytes) if *bytes < 1024 * 1024 => write!(f, "{bytes} bytes"),
            Self::Bytes(bytes) => write!(f, "{} MiB", bytes.div_ceil(1024 * 1024)),
            Self::Share { part, whole } => write!(f, "{part}/{whole}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Figures, Measure, percentile};

    #[test]
    fn percentiles_are_values_of_the_sample() {
        let times: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 0.5), Some(Duration::from_millis(51)));
        assert_eq!(percentile(&times, 1.0), Some(Duration::from_millis(100)));
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn the_figures_of_runs_add_up() {
        let mut all = Figures::default();
        for millis in [10, 30, 20] {
            let mut one = Figures { acked: 2, ..Figures::default() };
            one.add_measure("slowest", Measure::Longest(Duration::from_millis(millis)));
            one.add_measure("kept", Measure::Share { part: 1, whole: 2 });
            all.merge(one);
        }
        assert_eq!(all.acked, 6);
        assert_eq!(all.measures["slowest"], Measure::Longest(Duration::from_millis(30)));
        assert_eq!(all.measures["kept"], Measure::Share { part: 3, whole: 6 });
    }
}
