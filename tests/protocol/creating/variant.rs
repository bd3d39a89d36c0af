//! The creation with each of its parts present or left out, and the bounds of its exploration.

/// What transaction-check does if the key of a checked attempt has neither an order nor the
/// attempt's fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NothingFound {
    /// It fences the attempt, reads again, and answers by the second read.
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
    /// It answers COMMIT, even if the message is on the topic.
    Commit,
    /// It answers ROLLBACK: the sweep will publish an event that is not on its topic.
    Rollback,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FenceWrite {
    /// ADD to the set, on condition that there is no `attempt`.
    AddUnlessOrder,
    /// ADD to the set, even in an order.
    Add,
    /// SET, which replaces the set, on condition that there is no `attempt`.
    ReplaceUnlessOrder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PutCondition {
    /// `attribute_not_exists(pk) OR (attribute_exists(fenced) AND NOT contains(fenced, :attempt))`
    NothingOrTombstoneWithoutAttempt,
    /// `attribute_not_exists(attempt)`: there is no order. A fence is ignored.
    NoOrder,
    /// `attribute_not_exists(pk) OR NOT contains(fenced, :attempt)`: the second half is true for an
    /// order, which has no `fenced`.
    NotFenced,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionIds {
    PerAttempt,
    /// One for all attempts of an intent, as if derived from the idempotency key.
    SharedByRetries,
}

/// Each part of the protocol is present or left out. The parts of handling an event are in the
/// model of [pending](crate::pending) events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variant {
    /// If a check finds nothing for its attempt.
    pub(crate) nothing_found: NothingFound,
    /// If a check finds that its half message's event was raised.
    pub(crate) event_raised: EventRaised,
    pub(crate) fence_write: FenceWrite,
    pub(crate) put_condition: PutCondition,
    pub(crate) sweep: bool,
    /// Whether a refused put that finds its own attempt's order is judged as committed. Otherwise
    /// the order looks like another attempt's, and the put counts as refused.
    pub(crate) own_order_recognised: bool,
    /// Whether, once the outcome of one put is unknown, no later refusal settles the attempt.
    pub(crate) doubt_outlives_refusal: bool,
    /// Whether a request that is about to be refused for a reason that can change first reads its
    /// order's item.
    pub(crate) looks_before_refusal: bool,
    pub(crate) transaction_ids: TransactionIds,
    /// Whether an order is created if no half message can be stored.
    pub(crate) accept_without_broker: bool,
}

impl Variant {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// At most, for all requests of the client.
    pub(crate) attempts: usize,
    /// At most.
    pub(crate) faults: u8,
    /// Checks of a half message before the broker discards it.
    pub(crate) checks_max: u8,
    /// Per attempt.
    pub(crate) puts_max: u8,
    /// Whether the table refuses puts before they begin.
    pub(crate) refusals: bool,
}

impl Bounds {
    pub(crate) const USUAL: Self =
        Self { attempts: 2, faults: 2, checks_max: 2, puts_max: 2, refusals: true };
}
