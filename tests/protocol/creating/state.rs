//! The state at one moment: of each attempt, at the order's key, at the broker.

use crate::creating::action::AttemptId;
use crate::creating::variant::{Bounds, TransactionIds, Variant};

/// The state has room for this many.
pub(crate) const ATTEMPTS_MAX: usize = 3;

/// Counters stop here if larger values make no difference: a third copy has the same effect as a
/// second one.
pub(crate) const MANY: u8 = 2;

/// The attempt to which the `transaction_id` belongs.
pub(crate) type TransactionId = usize;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) attempts: [Attempt; ATTEMPTS_MAX],
    /// At the order's key in DynamoDB.
    pub(crate) item: Item,
    pub(crate) broker: Broker,
    pub(crate) faults_left: u8,
    /// Past events that the rest of the state does not show.
    pub(crate) past: Past,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Attempt {
    pub(crate) progress: Progress,
    /// A put for which nobody waits may still arrive and take effect. The puts of an attempt are
    /// identical, so one stands for all.
    pub(crate) late_put: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Progress {
    #[default]
    NotBegun,
    /// Its half message is stored, or it continues without one.
    Prepared,
    /// A put is under way; puts are counted from 1.
    Putting(u8),
    /// The outcome of a put is unknown; the number of puts sent.
    InDoubt(u8),
    Settled(Settlement),
    /// Its half message is doubtful; the request continues with another attempt.
    Abandoned,
    /// The client has its answer, or the request has died.
    Answered(Answer),
}

/// The outcome of a put that its process knows for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Settlement {
    /// The order is this attempt's.
    Committed,
    /// Refused: the order is another attempt's.
    AnothersOrder,
    Fenced,
    /// Refused: no put ever began.
    NotStored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    /// 201: this attempt created the order.
    Created,
    /// 201 again: the order was created before.
    Replayed,
    /// 422: the request names a withdrawn product, and its order does not exist.
    Refused,
    /// 503: nothing was stored, and nothing will be.
    Unavailable,
    /// 503 as well: the attempt is fenced, and the next one is free to succeed.
    Fenced,
    /// 503, or no answer at all: the outcome is unknown.
    Unknown,
}

/// Nothing, a tombstone, or an order. The put replaces the whole item, so an order has no fences,
/// unless a part of the protocol is missing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Item {
    /// The attribute `fenced`: the attempts that can no longer create the order.
    pub(crate) fenced: [bool; ATTEMPTS_MAX],
    pub(crate) order: Option<Order>,
}

/// The order, as far as its creation matters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    /// The attempt whose put took effect.
    pub(crate) created_by: AttemptId,
    /// The attribute `attempt`.
    pub(crate) transaction: TransactionId,
    /// The entry of `OrderCreated`, until it is handled.
    pub(crate) pending: Option<Entry>,
}

/// What the order stores about its event while it is pending.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    /// No half message of the event was ever sent, so the broker need not be asked about it.
    pub(crate) never_sent: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Broker {
    pub(crate) halves: [HalfMessage; ATTEMPTS_MAX],
    /// Whether a half message of the sweep waits for its check.
    pub(crate) sweep_half: bool,
    /// Copies that are or were visible to consumers, by the transaction of their half message.
    pub(crate) visible: [u8; ATTEMPTS_MAX],
    pub(crate) unacknowledged: u8,
}

/// A half message, with its checks and ends under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct HalfMessage {
    /// Its end, if there was one.
    pub(crate) fate: HalfFate,
    /// How often the broker has asked, while the half message is open.
    pub(crate) checks: u8,
    /// Checkers that have read and found nothing, and are about to fence the attempt.
    pub(crate) fencing: u8,
    /// COMMITs on their way to the broker.
    pub(crate) commits_under_way: u8,
    /// A ROLLBACK on its way to the broker, while it can change anything.
    pub(crate) rollback_under_way: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum HalfFate {
    /// No half message was stored.
    #[default]
    Absent,
    /// It is stored and waits for its end.
    Open,
    /// A COMMIT came first.
    Committed,
    /// A ROLLBACK came first.
    RolledBack,
    /// The last check was not answered.
    Discarded,
}

/// Past events that the rest of the state does not show.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Past {
    /// How often the event was handled.
    pub(crate) handled: u8,
    /// Transactions for which a ROLLBACK was sent while their message was not on the topic.
    pub(crate) rollback_sent: [bool; ATTEMPTS_MAX],
    /// COMMIT and such a ROLLBACK were both sent for one transaction, or such a ROLLBACK for the
    /// order's transaction.
    pub(crate) ends_conflict: bool,
    /// A put took effect after such a ROLLBACK of its attempt was sent.
    pub(crate) landed_after_rollback: bool,
    /// A request was refused although its order existed.
    pub(crate) refused_despite_order: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// The message becomes visible.
    Commit,
    /// The message is dropped.
    Rollback,
}

impl State {
    pub(crate) fn initial(bounds: &Bounds) -> Self {
        Self {
            attempts: Default::default(),
            item: Item::default(),
            broker: Broker::default(),
            faults_left: bounds.faults,
            past: Past::default(),
        }
    }

    pub(crate) fn order_is_of(&self, transaction: TransactionId) -> bool {
        self.item.order.as_ref().is_some_and(|order| order.transaction == transaction)
    }
}

pub(crate) const fn transaction_of(variant: &Variant, attempt: AttemptId) -> TransactionId {
    match variant.transaction_ids {
        TransactionIds::PerAttempt => attempt,
        TransactionIds::SharedByRetries => 0,
    }
}

impl Progress {
    pub(crate) const fn puts(self) -> u8 {
        match self {
            Self::Putting(puts) | Self::InDoubt(puts) => puts,
            _ => 0,
        }
    }
}

impl HalfMessage {
    /// Has no effect after an end. The count of checks and a ROLLBACK on its way no longer matter
    /// after an end; COMMITs, and checkers that were asked before, continue.
    pub(crate) fn end(&mut self, fate: HalfFate) {
        if self.fate == HalfFate::Open {
            *self = Self { fate, checks: 0, rollback_under_way: false, ..*self };
        }
    }
}
