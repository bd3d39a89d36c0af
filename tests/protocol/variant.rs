//! The protocol with or without each of its parts, and the bounds within which it is explored.

/// What transaction-check answers when an attempt has no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordAbsent {
    /// It puts a fence, and answers ROLLBACK.
    Fence,
    /// It answers ROLLBACK without a fence: "not there" is taken for "will never be there".
    Rollback,
    /// It answers UNKNOWN, and the broker asks again.
    Unknown,
}

/// Whose `transaction_id` an attempt has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionIds {
    /// Its own.
    PerAttempt,
    /// One for all attempts of an intent, as if derived from the idempotency key.
    SharedByRetries,
}

/// The parts of the protocol, each as it is or as it is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variant {
    /// What a check without a record is answered.
    pub(crate) record_absent: RecordAbsent,
    /// Whether the sweep runs.
    pub(crate) sweep: bool,
    /// Whether an effect is conditional on its inbox record.
    pub(crate) inbox: bool,
    /// Whether a cancelled try that finds its own attempt's records is judged as committed. Without
    /// that it looks like another's idempotency record: refused, and replayed.
    pub(crate) own_records_recognised: bool,
    /// Whether a doubt outlives a refusal: once the fate of one try is unknown, no later refusal
    /// settles the transaction.
    pub(crate) doubt_outlives_refusal: bool,
    /// Whose `transaction_id` an attempt has.
    pub(crate) transaction_ids: TransactionIds,
    /// Whether an order is taken when no half message can be had.
    pub(crate) accept_without_broker: bool,
}

impl Variant {
    /// The protocol as it is.
    pub(crate) const FULL: Self = Self {
        record_absent: RecordAbsent::Fence,
        sweep: true,
        inbox: true,
        own_records_recognised: true,
        doubt_outlives_refusal: true,
        transaction_ids: TransactionIds::PerAttempt,
        accept_without_broker: true,
    };
}

/// How far the exploration goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// How many attempts the client's requests make, at the most.
    pub(crate) attempts: usize,
    /// How many things go wrong, at the most.
    pub(crate) faults: u8,
    /// How often the broker checks a half message before it gives up.
    pub(crate) checks_max: u8,
    /// How often a local transaction is tried.
    pub(crate) tries_max: u8,
    /// Whether tables refuse transactions before they begin.
    pub(crate) refusals: bool,
}

impl Bounds {
    /// What is explored each time.
    pub(crate) const USUAL: Self =
        Self { attempts: 2, faults: 3, checks_max: 2, tries_max: 2, refusals: true };
}
