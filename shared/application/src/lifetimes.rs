//! How long what is remembered is remembered, and how long a look at it may wait.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A record of an attempt or of a handled event: longer than a broker keeps messages (3 days by
/// default, `fileReservedTime`) and than the oldest event that a redrive accepts.
pub const TRANSACTION: Duration = DAY.saturating_mul(14);

/// What a handler remembers of an event; see [`TRANSACTION`].
pub const INBOX: Duration = DAY.saturating_mul(14);

/// The outbox copy of an event, counted from its observation. Before that it never expires.
pub const OBSERVED_EVENT: Duration = DAY.saturating_mul(14);

/// A dead letter.
pub const DEAD_LETTER: Duration = DAY.saturating_mul(14);

/// An idempotency key.
pub const IDEMPOTENCY_KEY: Duration = DAY;

/// How long an event may go unobserved before the sweep looks at it.
pub const SWEEP_AFTER: Duration = Duration::from_secs(60);

/// How far the wall clocks of two processes may be apart.
pub const CLOCK_MARGIN: Duration = Duration::from_secs(1);
