//! What is true at one moment: of each attempt, at the order's key, at the broker.

use crate::creating::action::AttemptId;
use crate::creating::variant::{Bounds, TransactionIds, Variant};

/// The most attempts that a state has room for.
pub(crate) const ATTEMPTS_MAX: usize = 3;

/// Counters that only matter up to here stop here: a third copy does what a second one does.
pub(crate) const MANY: u8 = 2;

/// A transaction, by the attempt that its `transaction_id` belongs to.
pub(crate) type TransactionId = usize;

/// Everything at one moment.
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
    /// What was done once and can't be seen any more.
    pub(crate) past: Past,
}

/// What create-order is doing for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Attempt {
    /// How far it is.
    pub(crate) progress: Progress,
    /// A put that nobody waits for may still arrive, and take effect. The puts of an attempt are
    /// identical, so one stands for all of them.
    pub(crate) late_put: bool,
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Progress {
    /// No request has made it yet.
    #[default]
    NotBegun,
    /// Its half message is stored, or it goes without one.
    Prepared,
    /// A put is under way, the how-manieth.
    Putting(u8),
    /// The fate of a put is unknown; so many were sent.
    InDoubt(u8),
    /// What became of its put is known.
    Settled(Settlement),
    /// The broker doesn't vouch for its half message; the request goes on as another attempt.
    Abandoned,
    /// The client was answered, or its request has died.
    Answered(Answer),
}

/// What became of a put, as far as its process knows for sure.
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

/// What a client was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    /// 201: this attempt created the order.
    Created,
    /// 201 again: the order was created before.
    Replayed,
    /// 422: it asks for what is gone, and no order of it exists.
    Refused,
    /// 503: nothing was stored, and nothing will be.
    Unavailable,
    /// 503 as well: the attempt is fenced, and the next one is free to succeed.
    Fenced,
    /// 503, or no answer at all: nobody knows.
    Unknown,
}

/// What is at the order's key: nothing, a tombstone, or an order. The put replaces whatever was
/// there, so an order holds no fences, unless something is missing in the protocol.
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
    /// `OrderCreated` is not handled yet.
    pub(crate) pending: Option<Entry>,
}

/// What the order knows about its event while that is pending.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    /// No half message of the event was ever sent, so nobody has to be asked for it.
    pub(crate) never_sent: bool,
}

/// What the broker holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Broker {
    /// The attempts' half messages.
    pub(crate) halves: [HalfMessage; ATTEMPTS_MAX],
    /// Whether a half message of the sweep waits for its check.
    pub(crate) sweep_half: bool,
    /// Copies that consumers saw or see, by the transaction whose order they tell of.
    pub(crate) visible: [u8; ATTEMPTS_MAX],
    /// Copies that are not acknowledged.
    pub(crate) unacknowledged: u8,
}

/// A half message, and what is under way about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct HalfMessage {
    /// What became of it.
    pub(crate) fate: HalfFate,
    /// How often the broker asked, as long as it is open.
    pub(crate) checks: u8,
    /// Checkers that have read, found nothing, and are about to fence the attempt.
    pub(crate) fencing: u8,
    /// COMMITs on their way to the broker.
    pub(crate) commits_under_way: u8,
    /// A ROLLBACK on its way to the broker, as long as it can change anything.
    pub(crate) rollback_under_way: bool,
}

/// What became of a half message.
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
    /// The last check was in vain.
    Discarded,
}

/// What was done once and can't be seen any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Past {
    /// How often the event was handled.
    pub(crate) handled: u8,
    /// For which transactions a ROLLBACK was sent.
    pub(crate) rollback_sent: [bool; ATTEMPTS_MAX],
    /// COMMIT and ROLLBACK were both sent for one transaction, or a ROLLBACK for the order's.
    pub(crate) ends_conflict: bool,
    /// A put took effect after a ROLLBACK of its attempt was sent.
    pub(crate) landed_after_rollback: bool,
    /// A request was refused although its order was there.
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

    /// Whether there is an order, and this transaction's.
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
    /// Its end, unless it has one. What the broker counts and what a ROLLBACK does to it is over
    /// then; COMMITs, and checkers that were asked before, go on.
    pub(crate) fn end(&mut self, fate: HalfFate) {
        if self.fate == HalfFate::Open {
            *self = Self { fate, checks: 0, rollback_under_way: false, ..*self };
        }
    }
}
