//! Identifiers that are computed from what they identify.
//!
//! All attempts of a request, and all requests of one user with one key, write the same item,
//! because they compute the same `order_id`. The recipes must never change: another recipe would
//! give an old key a second order.

use domain::identity::{EventId, OrderId, UserId};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::ports::IdempotencyKey;

/// The order of a user's idempotency key: a `UUIDv8` (RFC 9562, section 5.8) of a SHA-256 over the
/// version of this recipe, the user and the key.
pub fn order_of_key(user_id: UserId, key: &IdempotencyKey) -> OrderId {
    let user_id = user_id.to_string();
    let parts = ["order-service/order/1", user_id.as_str(), key.as_str()];
    OrderId::new(digest(parts.map(str::as_bytes)))
}

/// The `OrderCreated` of an order: a `UUIDv8` of the order's identifier, so that it is the same
/// event if the order is created once more after the table was restored to an earlier time.
pub fn created_event_of(order_id: OrderId) -> EventId {
    EventId::new(digest([b"order-service/order-created/1", order_id.as_uuid().as_bytes()]))
}

/// The first 122 bits of a SHA-256 over the parts, each preceded by its length in bytes: without
/// the length, user 1 with the key `23` would be user 12 with the key `3`.
pub(super) fn digest<const COUNT: usize>(parts: [&[u8]; COUNT]) -> Uuid {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(byte, digest_byte)| *byte = digest_byte);
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(user: u64, key: &str) -> OrderId {
        order_of_key(UserId::new(user).unwrap(), &IdempotencyKey::parse(key).unwrap())
    }

    #[test]
    fn the_recipe_is_frozen() {
        let id = order(123, "key-1");
        assert_eq!(id.to_string(), ORDER_OF_123);
        assert_eq!(created_event_of(id).to_string(), CREATED_OF_123);
        assert_eq!(id.as_uuid().get_version_num(), 8);
    }

    /// Computed by another program (Python's `hashlib`) from the recipe as it is written above.
    const ORDER_OF_123: &str = "cb5a94f0-b20c-8ae1-a2cd-0393e6b859e2";
    const CREATED_OF_123: &str = "8766a488-64a3-819b-9128-c13061bdc6bb";

    #[test]
    fn one_user_with_one_key_has_one_order_and_all_others_have_others() {
        assert_eq!(order(1, "a"), order(1, "a"));
        assert_ne!(order(1, "23"), order(12, "3"));
        assert_ne!(order(1, "a"), order(1, "b"));
        assert_ne!(order(1, "a"), order(2, "a"));
    }
}
