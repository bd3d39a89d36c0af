//! What is asked for, in a form in which two requests for the same thing are equal.

use domain::identity::UserId;
use domain::order::OrderLines;
use sha2::{Digest, Sha256};

use crate::ports::{IdempotencyKey, RequestHash};

/// Take an order.
#[derive(Debug, Clone)]
pub struct CreateOrderCommand {
    /// For whom.
    pub user_id: UserId,
    /// Of what.
    pub lines: OrderLines,
    /// The client's name for the intent, if it gave one.
    pub key: Option<IdempotencyKey>,
    /// W3C Trace Context of the request, if it carried one.
    pub traceparent: Option<String>,
}

impl CreateOrderCommand {
    /// The hash of what is asked for: of the user and the merged, sorted lines, so that neither the
    /// order of lines nor the layout of the JSON makes another request of it.
    pub fn hash(&self) -> RequestHash {
        let mut hasher = Sha256::new();
        hasher.update(format!("create-order/1;user={}", self.user_id));
        for (product, quantity) in self.lines.iter() {
            hasher.update(format!(";{product}x{}", quantity.get()));
        }
        RequestHash::new(hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use domain::identity::ProductId;
    use domain::order::OrderLine;

    use super::*;

    fn command(user: u64, lines: &[(u64, u64)]) -> CreateOrderCommand {
        let lines: Vec<_> = lines
            .iter()
            .map(|(id, quantity)| OrderLine {
                product_id: ProductId::new(*id).unwrap(),
                quantity: *quantity,
            })
            .collect();
        CreateOrderCommand {
            user_id: UserId::new(user).unwrap(),
            lines: OrderLines::merge(&lines).unwrap(),
            key: None,
            traceparent: None,
        }
    }

    #[test]
    fn requests_for_the_same_thing_have_one_hash_and_others_another() {
        let hash = command(1, &[(1, 2), (2, 3)]).hash();
        assert_eq!(command(1, &[(2, 1), (1, 2), (2, 2)]).hash(), hash);
        for other in [command(2, &[(1, 2), (2, 3)]), command(1, &[(1, 22), (2, 3)])] {
            assert_ne!(other.hash(), hash);
        }
        assert_eq!(RequestHash::parse(&hash.to_string()), Some(hash));
    }
}
