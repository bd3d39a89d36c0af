//! New identifiers.

use application::ports::IdentitySource;
use domain::identity::{EventId, OrderId, TransactionId};
use uuid::Uuid;

/// Makes each identifier a `UUIDv7` (RFC 9562, section 5.7): its time sorts it, its 62 random bits
/// and a counter keep it apart from every other process's.
#[derive(Debug, Clone, Copy, Default)]
pub struct UuidIdentitySource;

impl IdentitySource for UuidIdentitySource {
    fn order_id(&self) -> OrderId {
        OrderId::new(new_uuid())
    }

    fn event_id(&self) -> EventId {
        EventId::new(new_uuid())
    }

    fn transaction_id(&self) -> TransactionId {
        TransactionId::new(new_uuid())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where `IdentitySource` is implemented"
)]
fn new_uuid() -> Uuid {
    Uuid::now_v7()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn identifiers_are_distinct_uuids_of_version_7_in_the_order_they_were_made() {
        let made: Vec<OrderId> = (0..1_000).map(|_| UuidIdentitySource.order_id()).collect();
        assert!(made.iter().all(|id| id.as_uuid().get_version_num() == 7));
        assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), made.len());
        assert!(made.is_sorted());
    }
}
