//! The state at one moment: of each attempt, at the order's key, at the broker.

use crate::creating::action::AttemptId;
use crate::creating::variant::{Bounds, TransactionIds, Variant};

/// The most attempts that a state has room for.
pub(crate) const ATTEMPTS_MAX: usize = 3;

/// Counters that only matter up to here stop here: a third copy does what a second one does.
pub(crate) const MANY: u8 = 2;

/// A transaction, by the attempt that its `transaction_id` belongs to.
pub(crate) type TransactionId = usize;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The requests' attempts.
    pub(crate) attempts: [Attempt; ATTEMPTS_MAX],
    /// What `DynamoDB` holds at the order's key.
    pub(crate) item: Item,
    /// What RocketMQ holds.
    pub(crate) broker: Broker,
    /// How many things may still go wrong.
    pub(crate) faults_left: u8,
    /// What happened and can't be seen any more.
    pub(crate) past: Past,
}

/// What create-order is doing for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Attempt {
    pub(crate) progress: Progress,
    /// A put that nobody waits for may still arrive, and take effect. The puts of an attempt are
    /// identical, so one stands for all of them.
    pub(crate) late_put: bool,
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Progress {
    /// No request has begun it yet.
    #[default]
    NotBegun,
    /// Its half message is stored, or it goes without one.
    Prepared,
    /// A put is under way: the first, the second, and so on.
    Putting(u8),
    /// The outcome of a put is unknown; so many were sent.
    InDoubt(u8),
    /// The outcome of its put is known.
    Settled(Settlement),
    /// Its half message is doubtful; the request goes on as another attempt.
    Abandoned,
    /// The client was answered, or its request has died.
    Answered(Answer),
}

/// The outcome of a put that its process knows for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Settlement {
    /// The order is this attempt's.
    Committed,
    /// Refused: the order is another attempt's.
    AnothersOrder,
    /// Refused: a tombstone holds this attempt.
    Fenced,
    /// Refused: no put ever began.
    NotStored,
}

/// An answer to a client.
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

/// What is at the order's key: nothing, a tombstone, or an order. The put replaces anything that
/// was there, so an order holds no fences, unless a part of the protocol is missing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Item {
    /// The attribute `fenced`: the attempts that can't create the order any more.
    pub(crate) fenced: [bool; ATTEMPTS_MAX],
    /// The order.
    pub(crate) order: Option<Order>,
}

/// The order, as far as its creation goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    /// The attempt whose put landed.
    pub(crate) created_by: AttemptId,
    /// The attribute `attempt`.
    pub(crate) transaction: TransactionId,
    /// The entry of `OrderCreated`, until that is handled.
    pub(crate) pending: Option<Entry>,
}

/// What the order knows about its event while that is pending.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    /// No half message of the event was ever sent, so the broker need not be asked for it.
    pub(crate) never_sent: bool,
}

/// What the broker holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Broker {
    /// The attempts' half messages.
    pub(crate) halves: [HalfMessage; ATTEMPTS_MAX],
    /// Whether a half message of the sweep waits for its check.
    pub(crate) sweep_half: bool,
    /// Copies that are or were visible to consumers, by the transaction of their order.
    pub(crate) visible: [u8; ATTEMPTS_MAX],
    /// Copies that are not acknowledged.
    pub(crate) unacknowledged: u8,
}

/// A half message, and what is under way about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct HalfMessage {
    /// How it ended, if it did.
    pub(crate) fate: HalfFate,
    /// How often the broker asked, while it is open.
    pub(crate) checks: u8,
    /// Checkers that have read, found nothing, and are about to fence the attempt.
    pub(crate) fencing: u8,
    /// COMMITs on their way to the broker.
    pub(crate) commits_under_way: u8,
    /// A ROLLBACK on its way to the broker, while it can change anything.
    pub(crate) rollback_under_way: bool,
}

/// The state of a half message.
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

/// What happened and can't be seen any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Past {
    /// How often the event was handled.
    pub(crate) handled: u8,
    /// For which transactions a ROLLBACK was sent while their message was not on the topic.
    pub(crate) rollback_sent: [bool; ATTEMPTS_MAX],
    /// COMMIT and such a ROLLBACK were both sent for one transaction, or such a ROLLBACK for the
    /// order's.
    pub(crate) ends_conflict: bool,
    /// A put took effect after such a ROLLBACK of its attempt was sent.
    pub(crate) landed_after_rollback: bool,
    /// A request was refused although its order existed.
    pub(crate) refused_despite_order: bool,
}

/// How a half message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// It becomes visible.
    Commit,
    /// It is dropped.
    Rollback,
}

impl State {
    /// Before the first request.
    pub(crate) fn initial(bounds: &Bounds) -> Self {
        Self {
            attempts: Default::default(),
            item: Item::default(),
            broker: Broker::default(),
            faults_left: bounds.faults,
            past: Past::default(),
        }
    }

    /// Whether there is an order, and this transaction created it.
    pub(crate) fn order_is_of(&self, transaction: TransactionId) -> bool {
        self.item.order.as_ref().is_some_and(|order| order.transaction == transaction)
    }
}

/// The transaction of an attempt.
pub(crate) const fn transaction_of(variant: &Variant, attempt: AttemptId) -> TransactionId {
    match variant.transaction_ids {
        TransactionIds::PerAttempt => attempt,
        TransactionIds::SharedByRetries => 0,
    }
}

impl Progress {
    /// How often the put was sent.
    pub(crate) const fn puts(self) -> u8 {
        match self {
            Self::Putting(puts) | Self::InDoubt(puts) => puts,
            _ => 0,
        }
    }
}

impl HalfMessage {
    /// Ends it, unless it has ended. The count of checks, and a ROLLBACK on its way, do not matter
    /// then; COMMITs, and checkers that were asked before, go on.
    pub(crate) fn end(&mut self, fate: HalfFate) {
        if self.fate == HalfFate::Open {
            *self = Self { fate, checks: 0, rollback_under_way: false, ..*self };
        }
    }
}
