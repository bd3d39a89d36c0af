//! The latencies of calls.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::call::Operation;
use super::settings::{Latency, Spread, WeatherSettings};

/// The same sequence for the same seed.
pub(super) struct Latencies {
    settings: WeatherSettings,
    rng: Mutex<fastrand::Rng>,
}

impl Latencies {
    pub(super) fn new(settings: WeatherSettings) -> Self {
        Self { settings, rng: Mutex::new(fastrand::Rng::with_seed(settings.seed)) }
    }

    /// For a call with this many items; a query counts as one.
    pub(super) fn draw(&self, operation: Operation, items: usize) -> Duration {
        let share = self.rng.lock().unwrap_or_else(PoisonError::into_inner).f64();
        self.of(operation).at(share, items)
    }

    const fn of(&self, operation: Operation) -> &Latency {
        match operation {
            Operation::GetItem | Operation::BatchGetItem | Operation::Query | Operation::Scan => {
                &self.settings.read
            }
            Operation::PutItem
            | Operation::UpdateItem
            | Operation::DeleteItem
            | Operation::BatchWriteItem => &self.settings.write,
            Operation::TransactGetItems => &self.settings.read_transaction,
            Operation::TransactWriteItems => &self.settings.write_transaction,
        }
    }
}

impl Latency {
    /// The latency that `share` (0 to 1) of the calls do not exceed.
    fn at(&self, share: f64, items: usize) -> Duration {
        if self.median_ms <= 0.0 {
            return Duration::ZERO;
        }
        let further = self.item_ms * items.saturating_sub(1) as f64;
        let ms = self.median_ms * self.spread.at(share) + further;
        Duration::try_from_secs_f64(ms / 1_000.0).unwrap_or_default()
    }
}

impl Spread {
    /// The multiple of the median that `share` (0 to 1) of the calls do not exceed.
    fn at(&self, share: f64) -> f64 {
        let mut below = (0.0, self.minimum);
        for above in
            [(0.5, 1.0), (0.9, self.p90), (0.95, self.p95), (0.99, self.p99), (1.0, self.maximum)]
        {
            if share <= above.0 {
                let position = (share - below.0) / (above.0 - below.0);
                return below.1 * (above.1 / below.1).powf(position);
            }
            below = above;
        }
        self.maximum
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::call::Operation;
    use super::super::settings::{Spread, WeatherSettings};
    use super::Latencies;

    fn draw(seed: u64, operation: Operation, items: usize) -> Vec<Duration> {
        let latencies = Latencies::new(WeatherSettings { seed, ..WeatherSettings::AWS });
        (0..20_000).map(|_| latencies.draw(operation, items)).collect()
    }

    /// In ms.
    fn percentile(mut latencies: Vec<Duration>, percent: usize) -> f64 {
        latencies.sort_unstable();
        latencies[latencies.len() * percent / 100].as_secs_f64() * 1_000.0
    }

    #[test]
    fn medians_and_tails_are_those_of_the_settings() {
        let settings = WeatherSettings::AWS;
        for (operation, latency) in [
            (Operation::GetItem, settings.read),
            (Operation::Query, settings.read),
            (Operation::PutItem, settings.write),
            (Operation::UpdateItem, settings.write),
            (Operation::DeleteItem, settings.write),
            (Operation::TransactGetItems, settings.read_transaction),
            (Operation::TransactWriteItems, settings.write_transaction),
        ] {
            let drawn = draw(7, operation, 1);
            let spread = latency.spread;
            for (percent, multiple) in [(50, 1.0), (90, spread.p90), (99, spread.p99)] {
                let ratio = percentile(drawn.clone(), percent) / (latency.median_ms * multiple);
                assert!((0.95..1.05).contains(&ratio), "{operation:?} p{percent}: {ratio}");
            }
            let multiple = |ms: f64| ms / latency.median_ms;
            assert!(multiple(percentile(drawn.clone(), 0)) >= spread.minimum * 0.999);
            let slowest = drawn.into_iter().max().unwrap().as_secs_f64() * 1_000.0;
            assert!(multiple(slowest) <= spread.maximum * 1.001);
        }
    }

    #[test]
    fn a_transaction_takes_15_to_25_ms_at_the_median_and_longer_with_more_items() {
        let median = |items| percentile(draw(7, Operation::TransactWriteItems, items), 50);
        assert!((15.0..25.0).contains(&median(2)));
        assert!((15.0..25.0).contains(&median(20)));
        assert!(median(20) > median(2) + 4.0);
    }

    #[test]
    fn latencies_are_the_same_for_the_same_seed() {
        let drawn = |seed| draw(seed, Operation::PutItem, 1);
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn a_spread_goes_through_its_percentiles() {
        let spread = Spread::TRANSACTION;
        for (share, multiple) in [
            (0.0, spread.minimum),
            (0.5, 1.0),
            (0.9, spread.p90),
            (0.95, spread.p95),
            (0.99, spread.p99),
            (1.0, spread.maximum),
        ] {
            assert!((spread.at(share) - multiple).abs() < 1e-9, "{share}");
        }
        assert!(spread.at(0.97) > spread.p95 && spread.at(0.97) < spread.p99);
    }

    #[test]
    fn calm_weather_has_no_latency() {
        let calm = Latencies::new(WeatherSettings::CALM);
        assert_eq!(calm.draw(Operation::TransactWriteItems, 100), Duration::ZERO);
    }
}
