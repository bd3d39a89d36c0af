//! All numbers of the weather, with their sources.
//!
//! # Latency
//! - "DynamoDB Transactions Performance Testing", by the author of "The DynamoDB Book"
//!   (<https://www.alexdebrie.com/posts/dynamodb-transactions-performance/>, its table in
//!   <https://github.com/alexdebrie/dynamodb-performance-testing>), measured in a Python function on
//!   Lambda, 400 calls each, in ms:
//!
//!   | | minimum | median | p90 | p95 | p99 | maximum |
//!   | --- | --- | --- | --- | --- | --- | --- |
//!   | `PutItem` | 5.47 | 7.55 | 11.3 | 13.2 | 16.2 | 29 |
//!   | `BatchWriteItem`, 25 items | 7.96 | 10.2 | 16 | 18 | 27.6 | 76.4 |
//!   | `TransactWriteItems`, 5 items | 19.4 | 25.3 | 30.7 | 36.4 | 92.5 | 218 |
//!   | `TransactWriteItems`, 25 items | 23.5 | 32.1 | 40.5 | 47.2 | 97.5 | 258 |
//!   | 5 items, of which one fails | 19.8 | 25.3 | 30.6 | 34.2 | 84.9 | 254 |
//!
//!   So a transaction takes 3.35 times as long as a put; each further item adds 0.045 of a put in
//!   a transaction, and 0.015 in a batch; a transaction that fails takes as long as one that
//!   succeeds.
//! - AWS re:Post Knowledge Center (<https://repost.aws/knowledge-center/dynamodb-high-latency>):
//!   `GetItem` and `PutItem` take a single-digit number of milliseconds on average.
//!
//! These measurements include a slow client. The medians here are for a compiled client in the same
//! region: 4 ms for a read and 6 ms for a write (assumed: no public measurement with percentiles
//! was found). All ratios are the measured ones; a read has the ratios of a put.
//!
//! # Throughput
//! - Amazon DynamoDB Developer Guide, "Key range throughput exceeded (hot partitions)"
//!   (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/throttling-key-range-limit-exceeded-mitigation.html>)
//!   and "Understanding DynamoDB warm throughput in different scenarios"
//!   (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput-scenarios.html>):
//!   a partition serves 1,000 write units and 3,000 read units a second; reads and writes are
//!   throttled independently, in tables and in global secondary indexes.
//! - AWS re:Post, "Is the hot partition hard limit of 3000 RCU and 1000 WCU per second for each
//!   partition relevant after adaptive capacity?"
//!   (<https://repost.aws/questions/QUGa1yY0HnQVOp-LDcRQjXQQ>): adaptive capacity isolates a hot
//!   item in its own partition, which has the same limits as any other.
//! - AWS re:Post Knowledge Center
//!   (<https://repost.aws/knowledge-center/dynamodb-spiky-workloads-short-intervals>): burst
//!   capacity (300 s of a table's) does not help a hot partition.

/// The most partitions with their own bucket. A full bucket is not kept, so only more partitions
/// than this within a second reach the limit; those beyond it are not limited.
pub(super) const BUCKETS_MAX: usize = 20_000;

pub(super) const TABLES_MAX: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// In ms, for a call with one item; 0 for no latency at all.
    pub median_ms: f64,
    pub spread: Spread,
    /// For each further item, in ms.
    pub item_ms: f64,
}

/// The percentiles of a latency, in multiples of its median, rising and above 0. Between two
/// percentiles the logarithm of the latency is distributed evenly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The fastest call.
    pub minimum: f64,
    /// One call of 10 is slower.
    pub p90: f64,
    /// One call of 20 is slower.
    pub p95: f64,
    /// One call of 100 is slower.
    pub p99: f64,
    /// The slowest call.
    pub maximum: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartitionLimits {
    pub write_units_per_second: f64,
    pub read_units_per_second: f64,
    /// Unused throughput is kept for this many seconds.
    pub burst_seconds: f64,
}

/// The behaviour of a table. Start from [`WeatherSettings::AWS`] or [`WeatherSettings::CALM`] and
/// change what differs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeatherSettings {
    /// Calls in the same order have the same latencies in two runs.
    pub seed: u64,
    /// `GetItem`, `BatchGetItem`, `Query` and `Scan`.
    pub read: Latency,
    /// `PutItem`, `UpdateItem`, `DeleteItem` and `BatchWriteItem`.
    pub write: Latency,
    /// `TransactGetItems`.
    pub read_transaction: Latency,
    /// `TransactWriteItems`.
    pub write_transaction: Latency,
    /// Of each value of a partition key, in tables and in global secondary indexes.
    pub partition: PartitionLimits,
}

impl Latency {
    pub const NONE: Self = Self { median_ms: 0.0, spread: Spread::SINGLE, item_ms: 0.0 };
}

impl Spread {
    /// For calls with single items, measured with `PutItem`.
    pub const SINGLE: Self =
        Self { minimum: 0.725, p90: 1.497, p95: 1.748, p99: 2.146, maximum: 3.841 };

    /// For transactions, measured with five items.
    pub const TRANSACTION: Self =
        Self { minimum: 0.767, p90: 1.213, p95: 1.439, p99: 3.656, maximum: 8.617 };
}

impl PartitionLimits {
    /// AWS's limits, with one second of burst: a bucket must have a size, and AWS promises none.
    pub const AWS: Self = Self {
        write_units_per_second: 1_000.0,
        read_units_per_second: 3_000.0,
        burst_seconds: 1.0,
    };
}

impl WeatherSettings {
    /// Like AWS, with a client in the same region.
    pub const AWS: Self = Self {
        seed: 1,
        // p99 8.6 ms.
        read: Latency { median_ms: 4.0, spread: Spread::SINGLE, item_ms: 0.06 },
        // p99 12.9 ms.
        write: Latency { median_ms: 6.0, spread: Spread::SINGLE, item_ms: 0.09 },
        // Two rounds of reads; assumed. p99 29 ms.
        read_transaction: Latency { median_ms: 8.0, spread: Spread::TRANSACTION, item_ms: 0.18 },
        // 20.1 ms for 5 items, 25.5 ms for 25; p99 69 ms.
        write_transaction: Latency { median_ms: 19.0, spread: Spread::TRANSACTION, item_ms: 0.27 },
        partition: PartitionLimits::AWS,
    };

    /// Conflicts, limits and counts as on AWS, without latency, for tests of the effect of calls.
    pub const CALM: Self = Self {
        read: Latency::NONE,
        write: Latency::NONE,
        read_transaction: Latency::NONE,
        write_transaction: Latency::NONE,
        ..Self::AWS
    };
}
