//! The limits of each partition: token buckets.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::settings::{BUCKETS_MAX, PartitionLimits};

/// A value of a partition key, of a table or of a global secondary index.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Partition {
    pub(super) table: String,
    /// `None` for the table itself.
    pub(super) index: Option<String>,
    pub(super) value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Axis {
    Read,
    Write,
}

/// Units that a call takes from a partition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Demand {
    /// The index of the call's item that takes them.
    pub(super) item: usize,
    pub(super) partition: Partition,
    pub(super) axis: Axis,
    pub(super) units: f64,
}

/// All buckets that are not full. A partition without a bucket has its full units.
pub(super) struct Partitions {
    limits: PartitionLimits,
    buckets: Mutex<HashMap<(Partition, Axis), Bucket>>,
}

/// The units may be negative: the real cost of a call is known only after it.
#[derive(Clone, Copy)]
struct Bucket {
    units: f64,
    counted_at: Instant,
}

impl Partitions {
    pub(super) fn new(limits: PartitionLimits) -> Self {
        Self { limits, buckets: Mutex::default() }
    }

    /// Takes the demanded units. If a partition does not have them, nothing is taken, and the
    /// demands that cannot be met are returned.
    pub(super) fn take<'call>(&self, demands: &'call [Demand]) -> Result<(), Vec<&'call Demand>> {
        let now = Instant::now();
        let buckets = self.buckets();
        let mut taken_before = HashMap::<_, f64>::new();
        let mut refused = Vec::new();
        for demand in demands {
            let limit = (&demand.partition, demand.axis);
            let before = taken_before.get(&limit).copied().unwrap_or_default();
            let units = self.units(&buckets, &demand.partition, demand.axis, now);
            if units < before + demand.units {
                refused.push(demand);
            } else {
                taken_before.insert(limit, before + demand.units);
            }
        }
        if !refused.is_empty() {
            return Err(refused);
        }
        drop(buckets);
        self.charge(demands);
        Ok(())
    }

    /// Takes the demanded units, even if a partition does not have them.
    pub(super) fn charge(&self, demands: &[Demand]) {
        let now = Instant::now();
        let mut buckets = self.buckets();
        for demand in demands {
            self.change(&mut buckets, demand, -demand.units, now);
        }
    }

    /// Replaces the units that were taken for a demand by the real cost.
    pub(super) fn settle(&self, demand: &Demand, units: f64) {
        let correction = demand.units - units;
        if correction != 0.0 {
            self.change(&mut self.buckets(), demand, correction, Instant::now());
        }
    }

    fn change(
        &self,
        buckets: &mut HashMap<(Partition, Axis), Bucket>,
        demand: &Demand,
        difference: f64,
        now: Instant,
    ) {
        let units = self.units(buckets, &demand.partition, demand.axis, now) + difference;
        let limit = (demand.partition.clone(), demand.axis);
        if !buckets.contains_key(&limit) && buckets.len() >= BUCKETS_MAX {
            buckets.retain(|(_, axis), bucket| !self.is_full(*axis, bucket, now));
            if buckets.len() >= BUCKETS_MAX {
                return;
            }
        }
        buckets.insert(limit, Bucket { units, counted_at: now });
    }

    fn units(
        &self,
        buckets: &HashMap<(Partition, Axis), Bucket>,
        partition: &Partition,
        axis: Axis,
        now: Instant,
    ) -> f64 {
        match buckets.get(&(partition.clone(), axis)) {
            None => self.capacity(axis),
            Some(bucket) => self.refilled(axis, bucket, now),
        }
    }

    fn refilled(&self, axis: Axis, bucket: &Bucket, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(bucket.counted_at).as_secs_f64();
        (bucket.units + elapsed * self.rate(axis)).min(self.capacity(axis))
    }

    fn is_full(&self, axis: Axis, bucket: &Bucket, now: Instant) -> bool {
        self.refilled(axis, bucket, now) >= self.capacity(axis)
    }

    fn capacity(&self, axis: Axis) -> f64 {
        self.rate(axis) * self.limits.burst_seconds
    }

    const fn rate(&self, axis: Axis) -> f64 {
        match axis {
            Axis::Read => self.limits.read_units_per_second,
            Axis::Write => self.limits.write_units_per_second,
        }
    }

    fn buckets(&self) -> MutexGuard<'_, HashMap<(Partition, Axis), Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::settings::{BUCKETS_MAX, PartitionLimits};
    use super::{Axis, Demand, Partition, Partitions};

    fn demand(value: &str, axis: Axis, units: f64) -> Demand {
        let partition = Partition { table: "t".into(), index: None, value: value.into() };
        Demand { item: 0, partition, axis, units }
    }

    /// Takes `units` one by one until the first refusal.
    fn drain(partitions: &Partitions, value: &str, axis: Axis) -> usize {
        (0..).take_while(|_| partitions.take(&[demand(value, axis, 1.0)]).is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_partition_allows_1000_write_units_and_3000_read_units_a_second() {
        let partitions = Partitions::new(PartitionLimits::AWS);
        assert_eq!(drain(&partitions, "a", Axis::Write), 1_000);
        assert_eq!(drain(&partitions, "a", Axis::Read), 3_000);
        assert_eq!(drain(&partitions, "b", Axis::Write), 1_000);
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(drain(&partitions, "a", Axis::Write), 500);
        assert_eq!(drain(&partitions, "a", Axis::Read), 1_500);
        // A pause adds no more than the burst.
        tokio::time::advance(Duration::from_secs(300)).await;
        assert_eq!(drain(&partitions, "a", Axis::Write), 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn all_units_are_taken_or_none() {
        let partitions = Partitions::new(PartitionLimits::AWS);
        let (fits, exceeds) = (demand("a", Axis::Write, 900.0), demand("b", Axis::Write, 1_001.0));
        let demands = [fits.clone(), exceeds.clone()];
        assert_eq!(partitions.take(&demands).unwrap_err(), [&exceeds]);
        assert_eq!(drain(&partitions, "a", Axis::Write), 1_000);
        // Two demands of one call on one partition add up.
        let twice = [demand("c", Axis::Write, 600.0), demand("c", Axis::Write, 600.0)];
        assert_eq!(partitions.take(&twice).unwrap_err().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_debt_is_paid_off_before_more_is_given() {
        let partitions = Partitions::new(PartitionLimits::AWS);
        let one = demand("a", Axis::Write, 1.0);
        partitions.take(std::slice::from_ref(&one)).unwrap();
        partitions.settle(&one, 1_400.0);
        tokio::time::advance(Duration::from_millis(400)).await;
        assert_eq!(drain(&partitions, "a", Axis::Write), 0);
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(drain(&partitions, "a", Axis::Write), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn unused_units_are_given_back() {
        let partitions = Partitions::new(PartitionLimits::AWS);
        let all = demand("a", Axis::Write, 1_000.0);
        partitions.take(std::slice::from_ref(&all)).unwrap();
        partitions.settle(&all, 0.0);
        assert_eq!(drain(&partitions, "a", Axis::Write), 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_buckets_are_removed_when_there_are_too_many() {
        let partitions = Partitions::new(PartitionLimits::AWS);
        let touch = |number: usize| {
            partitions.take(&[demand(&number.to_string(), Axis::Write, 1.0)]).unwrap();
        };
        (0..BUCKETS_MAX + 10).for_each(touch);
        assert_eq!(partitions.buckets().len(), BUCKETS_MAX);
        tokio::time::advance(Duration::from_millis(2)).await;
        touch(BUCKETS_MAX + 11);
        assert_eq!(partitions.buckets().len(), 1);
    }
}
