//! The creation with or without each of its parts, and the bounds within which it is explored.

/// What transaction-check does when a checked attempt's key holds neither an order nor its fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NothingFound {
    /// It fences the attempt, reads again, and answers by what the second read finds.
    Fence,
    /// It fences the attempt and answers ROLLBACK, whatever the fence found.
    FenceAndRollback,
    /// It answers ROLLBACK without a fence: "not there" is treated as "will never be there".
    Rollback,
    /// It answers UNKNOWN, and the broker asks again.
    Unknown,
}

/// What transaction-check does about a half message whose event was raised: by the checked attempt,
/// or before a half message of the sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventRaised {
    /// It answers ROLLBACK if the message is on the topic, and COMMIT otherwise.
    LookForMessage,
    /// It answers COMMIT, also if the message is on the topic.
    Commit,
    /// It answers ROLLBACK: the sweep will publish what is on no topic.
    Rollback,
}

/// What a fence writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FenceWrite {
    /// ADD to the set, on condition that there is no `attempt`.
    AddUnlessOrder,
    /// ADD to the set, also to an order's.
    Add,
    /// SET, which replaces the set, on condition that there is no `attempt`.
    ReplaceUnlessOrder,
}

/// The condition of an order's put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PutCondition {
    /// `attribute_not_exists(pk) OR (attribute_exists(fenced) AND NOT contains(fenced, :attempt))`
    NothingOrTombstoneWithoutAttempt,
    /// `attribute_not_exists(attempt)`: there is no order. A fence is not looked for.
    NoOrder,
    /// `attribute_not_exists(pk) OR NOT contains(fenced, :attempt)`: the second half is true for an
    /// order, which has no `fenced`.
    NotFenced,
}

/// How attempts get their `transaction_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionIds {
    /// Each attempt has its own.
    PerAttempt,
    /// One for all attempts of an intent, as if derived from the idempotency key.
    SharedByRetries,
}

/// The parts of the protocol, each present or left out.
///
/// The first edition's switches are all here, except for the inbox. Its record of an effect has
/// become the mark in the event's entry, in the model of what is [pending](crate::pending).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variant {
    /// What is done about an attempt for which nothing is found. In the first edition the fence was
    /// a record of the attempt's own, `TXN#`.
    pub(crate) nothing_found: NothingFound,
    /// What is done about a half message whose event was raised.
    pub(crate) event_raised: EventRaised,
    /// What a fence writes. A record for each attempt could neither be replaced by another's fence
    /// nor be added to an order.
    pub(crate) fence_write: FenceWrite,
    /// The condition of an order's put. It replaced the conditions on `TXN#` and `IDEM#`.
    pub(crate) put_condition: PutCondition,
    /// Whether the sweep runs.
    pub(crate) sweep: bool,
    /// Whether a refused put that finds its own attempt's order is judged as committed. Without
    /// that it looks like another's: refused, and replayed.
    pub(crate) own_order_recognised: bool,
    /// Whether a doubt outlives a refusal: once the outcome of one put is unknown, no later refusal
    /// settles the attempt.
    pub(crate) doubt_outlives_refusal: bool,
    /// Whether a request that is about to be refused for a reason that can change first reads its
    /// order's item.
    pub(crate) looks_before_refusal: bool,
    /// How attempts get their `transaction_id`.
    pub(crate) transaction_ids: TransactionIds,
    /// Whether an order is created when no half message can be stored.
    pub(crate) accept_without_broker: bool,
}

impl Variant {
    /// The protocol as it is.
    pub(crate) const FULL: Self = Self {
        nothing_found: NothingFound::Fence,
        event_raised: EventRaised::LookForMessage,
        fence_write: FenceWrite::AddUnlessOrder,
        put_condition: PutCondition::NothingOrTombstoneWithoutAttempt,
        sweep: true,
        own_order_recognised: true,
        doubt_outlives_refusal: true,
        looks_before_refusal: true,
        transaction_ids: TransactionIds::PerAttempt,
        accept_without_broker: true,
    };
}

/// How far the exploration goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// At most how many attempts the client's requests make.
    pub(crate) attempts: usize,
    /// At most how many faults happen.
    pub(crate) faults: u8,
    /// How often the broker checks a half message before it gives up.
    pub(crate) checks_max: u8,
    /// How often a put is sent.
    pub(crate) puts_max: u8,
    /// Whether the table refuses puts before they begin.
    pub(crate) refusals: bool,
}

impl Bounds {
    /// The bounds of the usual exploration.
    pub(crate) const USUAL: Self =
        Self { attempts: 2, faults: 2, checks_max: 2, puts_max: 2, refusals: true };
}
