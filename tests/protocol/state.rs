//! What is true at one moment: of each attempt, in the tables, at the broker.

use crate::action::AttemptId;
use crate::variant::{Bounds, TransactionIds, Variant};

/// The most attempts that a state has room for.
pub(crate) const ATTEMPTS_MAX: usize = 3;

/// A transaction, by the attempt that its `transaction_id` belongs to.
pub(crate) type TransactionId = usize;

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The requests' attempts.
    pub(crate) attempts: [Attempt; ATTEMPTS_MAX],
    /// What `DynamoDB` holds.
    pub(crate) tables: Tables,
    /// What RocketMQ holds.
    pub(crate) broker: Broker,
    /// Whether a half message of the sweep waits for its check.
    pub(crate) sweep_half_open: bool,
    /// How many things may still go wrong.
    pub(crate) faults_left: u8,
    /// What was done once and can't be seen any more.
    pub(crate) history: History,
}

/// What create-order is doing for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Attempt {
    /// How far it is.
    pub(crate) progress: Progress,
    /// A try of its local transaction that nobody waits for may still arrive, and take effect.
    pub(crate) late_try: bool,
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Progress {
    /// No request has made it yet.
    #[default]
    NotBegun,
    /// Its half message is stored, or it goes without one.
    Prepared,
    /// A try of its local transaction is under way, the how-manieth.
    Trying(u8),
    /// The fate of a try is unknown; so many were made.
    InDoubt(u8),
    /// What became of its local transaction is known.
    Settled(Settlement),
    /// The broker doesn't vouch for its half message; the request goes on as another attempt.
    Abandoned,
    /// The client was told, or its request has died.
    Answered(Answer),
}

/// What became of a local transaction, as far as its process knows for sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Settlement {
    /// It is stored.
    Committed,
    /// Refused: the idempotency key remembers another attempt's order.
    Remembered,
    /// Refused: the attempt is fenced.
    Fenced,
    /// Refused: no try ever began.
    NotStored,
}

/// What a client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    /// 201: the order was taken by this attempt.
    Created,
    /// 201 again: the order was taken before.
    Replayed,
    /// 503: nothing was stored, and nothing will be.
    Unavailable,
    /// 503, or no answer at all: nobody knows.
    Open,
}

/// What the tables hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Tables {
    /// `TXN#`, written once.
    pub(crate) transactions: [Option<TransactionState>; ATTEMPTS_MAX],
    /// The order, with all that was stored in its transaction. There is one at the most, because
    /// the idempotency record is conditional on there being none.
    pub(crate) order: Option<Order>,
}

/// What `TXN#` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TransactionState {
    /// The local transaction is stored.
    Committed,
    /// It is not, and can't be any more.
    Fenced,
}

/// The order, its idempotency record, its outbox copy, and what a consumer made of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    /// The attempt that stored it.
    pub(crate) placed_by: AttemptId,
    /// Its transaction, which `EVENT#` and `IDEM#` name.
    pub(crate) transaction: TransactionId,
    /// `EVENT#`: no consumer has seen the event on its topic.
    pub(crate) unobserved: bool,
    /// `EVENT#`: no half message of it was sent.
    pub(crate) unpublished: bool,
    /// `INBOX#`: the handler has done its part.
    pub(crate) handled: bool,
    /// How often the effect happened.
    pub(crate) effects: u8,
}

/// What the broker holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Broker {
    /// The attempts' half messages.
    pub(crate) halves: [HalfMessage; ATTEMPTS_MAX],
    /// The messages that consumers see, by the transaction whose event they tell.
    pub(crate) topic: [Copies; ATTEMPTS_MAX],
}

/// A half message, and what is under way about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct HalfMessage {
    /// What became of it.
    pub(crate) fate: HalfFate,
    /// How often the broker asked, as long as it is open.
    pub(crate) checks: u8,
    /// COMMITs on their way to the broker.
    pub(crate) commits_under_way: u8,
    /// A ROLLBACK on its way to the broker, as long as it can change anything.
    pub(crate) rollback_under_way: bool,
}

/// What became of a half message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum HalfFate {
    /// There is none.
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

/// The copies of an event on its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Copies {
    /// How many there ever were.
    pub(crate) visible: u8,
    /// How many of them were not acknowledged.
    pub(crate) unacknowledged: u8,
}

/// What was done once and can't be seen any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct History {
    /// For which transactions a ROLLBACK was sent.
    pub(crate) rollback_sent: [bool; ATTEMPTS_MAX],
    /// COMMIT and ROLLBACK were both sent for one transaction, or a ROLLBACK for a committed one.
    pub(crate) ends_conflict: bool,
    /// A local transaction took effect after its half message was rolled back.
    pub(crate) committed_after_rollback: bool,
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
            tables: Tables::default(),
            broker: Broker::default(),
            sweep_half_open: false,
            faults_left: bounds.faults,
            history: History::default(),
        }
    }

    /// Whether there is an order, and this transaction's.
    pub(crate) fn order_is_of(&self, transaction: TransactionId) -> bool {
        self.tables.order.as_ref().is_some_and(|order| order.transaction == transaction)
    }
}

/// The transaction of an attempt.
pub(crate) const fn transaction_of(variant: &Variant, attempt: AttemptId) -> TransactionId {
    match variant.transaction_ids {
        TransactionIds::PerAttempt => attempt,
        TransactionIds::SharedByRetries => 0,
    }
}

impl Attempt {
    /// How often its local transaction was tried.
    pub(crate) const fn tries(&self) -> u8 {
        match self.progress {
            Progress::Trying(tries) | Progress::InDoubt(tries) => tries,
            _ => 0,
        }
    }
}

impl HalfMessage {
    /// Its end, unless it has one. What is asked and answered about it from then on changes
    /// nothing, but for a COMMIT.
    pub(crate) fn end(&mut self, fate: HalfFate) {
        if self.fate == HalfFate::Open {
            let commits_under_way = self.commits_under_way;
            *self = Self { fate, commits_under_way, ..Self::default() };
        }
    }
}
