use std::future::Future;

use domain::identity::{OrderId, UserId};
use domain::order::Order;

use crate::outcome::Failure;

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
