//! Counts of calls and of capacity units.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use super::consumed::TableUse;
use super::partitions::Axis;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Units {
    /// Read units, each for 4 KB of a consistent read, 8 KB of an eventually consistent read, or 2
    /// KB in a transaction.
    pub read: f64,
    /// Write units, each for 1 KB; twice as many in a transaction, except for indexes.
    pub write: f64,
}

/// A consumer of units: an operation on a table, or on one of its secondary indexes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Consumer {
    /// Such as `PutItem`.
    pub operation: &'static str,
    /// The table's name in DynamoDB.
    pub table: String,
    /// `None` for the table itself.
    pub index: Option<String>,
}

/// All counts since the start or the last reset. The memory grows with the number of tables and
/// indexes, not of calls.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Consumption {
    units: BTreeMap<Consumer, Units>,
    calls: BTreeMap<&'static str, u64>,
    /// Calls, and items of transactions, that were refused for a conflict.
    pub conflicts: u64,
    /// Calls, and items of transactions, that were refused because a partition exceeded its limit.
    pub throttles: u64,
}

impl AddAssign for Units {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.write += other.write;
    }
}

impl Units {
    pub(super) const fn of(axis: Axis, units: f64) -> Self {
        match axis {
            Axis::Read => Self { read: units, write: 0.0 },
            Axis::Write => Self { read: 0.0, write: units },
        }
    }
}

impl Consumption {
    #[must_use]
    pub fn total(&self) -> Units {
        self.sum(|_| true)
    }

    /// `operation` is such as `PutItem`.
    #[must_use]
    pub fn of_operation(&self, operation: &str) -> Units {
        self.sum(|consumer| consumer.operation == operation)
    }

    /// Without its indexes.
    #[must_use]
    pub fn of_table(&self, table: &str) -> Units {
        self.sum(|consumer| consumer.table == table && consumer.index.is_none())
    }

    #[must_use]
    pub fn of_index(&self, table: &str, index: &str) -> Units {
        self.sum(|consumer| consumer.table == table && consumer.index.as_deref() == Some(index))
    }

    /// In order of operation, table and index.
    pub fn consumers(&self) -> impl Iterator<Item = (&Consumer, Units)> {
        self.units.iter().map(|(consumer, units)| (consumer, *units))
    }

    /// How many calls of an operation arrived, including refused ones.
    #[must_use]
    pub fn calls(&self, operation: &str) -> u64 {
        self.calls.get(operation).copied().unwrap_or_default()
    }

    fn sum(&self, counts: impl Fn(&Consumer) -> bool) -> Units {
        let mut sum = Units::default();
        for (_, units) in self.units.iter().filter(|(consumer, _)| counts(consumer)) {
            sum += *units;
        }
        sum
    }

    pub(super) fn arrive(&mut self, operation: &'static str) {
        *self.calls.entry(operation).or_default() += 1;
    }

    pub(super) fn add(&mut self, operation: &'static str, consumed: &TableUse) {
        let mut add = |index: Option<&String>, units| {
            // A query of an index reads nothing of its table.
            if units > 0.0 {
                let (table, index) = (consumed.table.clone(), index.cloned());
                let consumer = Consumer { operation, table, index };
                *self.units.entry(consumer).or_default() += Units::of(consumed.axis, units);
            }
        };
        add(None, consumed.table_units);
        for (index, units) in consumed.local_indexes.iter().chain(&consumed.global_indexes) {
            add(Some(index), *units);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::consumed::TableUse;
    use super::super::partitions::Axis;
    use super::{Consumption, Units};

    #[test]
    fn units_are_summed_by_operation_table_and_index() {
        let mut consumption = Consumption::default();
        let written = TableUse {
            table: "orders".into(),
            axis: Axis::Write,
            table_units: 1.0,
            local_indexes: Vec::new(),
            global_indexes: vec![("pending".into(), 2.0)],
        };
        let read = TableUse {
            table: "orders".into(),
            axis: Axis::Read,
            table_units: 0.5,
            local_indexes: Vec::new(),
            global_indexes: Vec::new(),
        };
        consumption.add("PutItem", &written);
        consumption.add("PutItem", &written);
        consumption.add("GetItem", &read);
        assert_eq!(consumption.total(), Units { read: 0.5, write: 6.0 });
        assert_eq!(consumption.of_operation("PutItem"), Units { read: 0.0, write: 6.0 });
        assert_eq!(consumption.of_table("orders"), Units { read: 0.5, write: 2.0 });
        assert_eq!(consumption.of_index("orders", "pending"), Units { read: 0.0, write: 4.0 });
        assert_eq!(consumption.consumers().count(), 3);
    }
}
