use std::fmt;
use std::future::Future;

use domain::identity::{OrderId, TransactionId, UserId};
use domain::order::Order;
use domain::timestamp::Timestamp;

use super::{RecordedEvent, TransactionState};
use crate::deadline::Deadline;
use crate::outcome::{Failure, ItemReason, WriteTry};

/// A client's name for an intent: 1 to 255 visible ASCII characters
/// (draft-ietf-httpapi-idempotency-key-header).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The most characters.
    pub const LENGTH_MAX: usize = 255;

    /// Reads a key, or `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = (1..=Self::LENGTH_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic());
        valid.then(|| Self(text.to_owned()))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The SHA-256 of a normalised command: equal for requests that ask for the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHash([u8; 32]);

impl RequestHash {
    /// Takes a digest.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Reads 64 hexadecimal digits, or `None`.
    pub fn parse(hex: &str) -> Option<Self> {
        if hex.len() != 64 || !hex.is_ascii() {
            return None;
        }
        let mut digest = [0; 32];
        for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(digest))
    }
}

impl fmt::Display for RequestHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What is remembered of a request that carried a key and succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// What it asked for.
    pub request_hash: RequestHash,
    /// The order it created.
    pub order_id: OrderId,
    /// The body it was answered with.
    pub answer: String,
    /// The attempt that wrote the record.
    pub transaction_id: TransactionId,
    /// Until when the key means this request.
    pub expires_at: Timestamp,
}

/// The local transaction of one attempt to take an order: all of it is stored, or none.
#[derive(Debug, Clone)]
pub struct Placement<'a> {
    /// The order.
    pub order: &'a Order,
    /// Its `OrderCreated`, for the outbox.
    pub event: &'a RecordedEvent,
    /// The key and what is remembered under it, when the request carried one.
    pub idempotency: Option<(&'a IdempotencyKey, &'a IdempotencyRecord)>,
    /// The attempt's `:now`, by which an older record of the key is judged expired. Fixed once per
    /// attempt, so that every try of it is byte for byte the same.
    pub now: Timestamp,
}

/// Why a placement was cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementCancelled {
    /// An order has that id already.
    pub order: ItemReason<()>,
    /// An event has that id already.
    pub event: ItemReason<()>,
    /// The attempt has a record already.
    pub transaction: ItemReason<TransactionState>,
    /// The key has a live record already.
    pub idempotency: ItemReason<IdempotencyRecord>,
}

/// Where orders are stored.
pub trait OrderRepository: Send + Sync {
    /// Makes one try to store a placement, within `deadline`, and no second one of its own accord.
    ///
    /// It MUST store the order, the event and the attempt's COMMITTED record if each is absent, and
    /// the key's record if it is absent or expired at `now`: all or nothing. Tries of the same
    /// attempt MUST be recognised by the store for at least ten minutes: a second one that finds
    /// the first stored answers [`WriteTry::Done`] or reports the records of its own making.
    fn place(
        &self,
        placement: &Placement<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<PlacementCancelled>> + Send;

    /// What is remembered under a user's key. It MUST be a consistent read and MUST NOT tell a
    /// record that is expired at `now`.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn remembered(
        &self,
        user_id: UserId,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<IdempotencyRecord>, Failure>> + Send;
}

/// Where orders are looked up.
pub trait OrderReader: Send + Sync {
    /// A user's order, as of the last write. Another user's MUST be indistinguishable from none.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read, of class `Permanent` if what was read is no order.
    fn find(
        &self,
        user_id: UserId,
        order_id: OrderId,
    ) -> impl Future<Output = Result<Option<Order>, Failure>> + Send;
}
