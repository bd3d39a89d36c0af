use std::future::Future;

use domain::identity::{OrderId, UserId};
use domain::order::Order;

use crate::outcome::Failure;

/// A key that a client chooses for one intended order: 1 to 255 visible ASCII characters
/// (draft-ietf-httpapi-idempotency-key-header).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The maximum length in characters.
    pub const LENGTH_MAX: usize = 255;

    /// Reads a key. `None` if the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = (1..=Self::LENGTH_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic());
        valid.then(|| Self(text.to_owned()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads orders.
pub trait OrderReader: Send + Sync {
    /// A user's order, by a consistent read. The order of another user MUST look like a missing
    /// one.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read, of class `Permanent` if the record is not an order.
    fn find(
        &self,
        user_id: UserId,
        order_id: OrderId,
    ) -> impl Future<Output = Result<Option<Order>, Failure>> + Send;
}
