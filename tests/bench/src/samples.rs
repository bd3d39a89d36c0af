//! Measured durations, with their percentiles and rates.

use std::time::Duration;

#[derive(Debug, Clone, Default)]
pub(crate) struct Samples {
    each: Vec<Duration>,
    /// The time of the whole block, in which several calls may run at once.
    wall: Duration,
}

impl Samples {
    pub(crate) fn push(&mut self, sample: Duration) {
        self.each.push(sample);
        self.wall += sample;
    }

    pub(crate) fn of(each: Vec<Duration>, wall: Duration) -> Self {
        Self { each, wall }
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.each.extend(other.each);
        self.wall += other.wall;
    }

    pub(crate) fn count(&self) -> usize {
        self.each.len()
    }

    pub(crate) fn p50(&self) -> Duration {
        self.percentile(50)
    }

    pub(crate) fn p99(&self) -> Duration {
        self.percentile(99)
    }

    /// The smallest sample that at least `percent` of all samples do not exceed (nearest rank);
    /// zero without samples.
    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.each.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// Calls a second.
    pub(crate) fn rate(&self) -> f64 {
        rate(self.each.len(), self.wall)
    }
}

/// Calls a second.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(crate) fn rate(count: usize, wall: Duration) -> f64 {
    if wall.is_zero() { 0.0 } else { count as f64 / wall.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let millis = |count: u64| (1..=count).rev().map(Duration::from_millis).collect();
        let hundred = Samples::of(millis(100), Duration::from_secs(10));
        assert_eq!(hundred.p50(), Duration::from_millis(50));
        assert_eq!(hundred.p99(), Duration::from_millis(99));
        let three = Samples::of(millis(3), Duration::from_secs(1));
        assert_eq!(three.p50(), Duration::from_millis(2));
        assert_eq!(three.p99(), Duration::from_millis(3));
        assert_eq!(Samples::default().p50(), Duration::ZERO);
    }

    #[test]
    fn a_rate_is_that_of_all_blocks_together() {
        let mut samples = Samples::of(vec![Duration::ZERO; 10], Duration::from_secs(1));
        samples.extend(Samples::of(vec![Duration::ZERO; 20], Duration::from_secs(2)));
        assert!((samples.rate() - 10.0).abs() < f64::EPSILON);
        assert!(Samples::default().rate().abs() < f64::EPSILON);
    }
}
