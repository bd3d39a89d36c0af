//! New identifiers.

use application::outcome::{Failure, FailureClass};
use application::ports::IdentitySource;
use domain::identity::{
    ActivityId, EventId, INTEGER_IDENTIFIER_MAX, MailId, OrderId, SessionId, TransactionId, UserId,
};
use uuid::Uuid;

/// Makes a `UUIDv7` (RFC 9562, section 5.7) for every identifier except a user's. Identifiers sort
/// by their time; 62 random bits and a counter make them different from those of every other
/// process.
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

    fn session_id(&self) -> SessionId {
        SessionId::new(new_uuid())
    }

    fn mail_id(&self) -> MailId {
        MailId::new(new_uuid())
    }

    fn activity_id(&self) -> ActivityId {
        ActivityId::new(new_uuid())
    }

    fn user_id(&self) -> Result<UserId, Failure> {
        let random =
            getrandom::u64().map_err(|error| Failure::new(FailureClass::Unavailable, error))?;
        // The mask is one less than a power of two, so every number is equally likely.
        UserId::new(random & INTEGER_IDENTIFIER_MAX)
            .map_err(|error| Failure::new(FailureClass::Permanent, error))
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
    fn identifiers_are_distinct_uuids_of_version_7_that_sort_by_creation() {
        let made: Vec<OrderId> = (0..1_000).map(|_| UuidIdentitySource.order_id()).collect();
        assert!(made.iter().all(|id| id.as_uuid().get_version_num() == 7));
        assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), made.len());
        assert!(made.is_sorted());
    }

    #[test]
    fn users_numbers_are_spread_below_2_to_the_53() {
        let made: BTreeSet<UserId> =
            (0..1_000).map(|_| UuidIdentitySource.user_id().unwrap()).collect();
        assert_eq!(made.len(), 1_000);
        let upper_half = made.iter().filter(|id| id.get() > INTEGER_IDENTIFIER_MAX / 2).count();
        assert!((350..650).contains(&upper_half), "{upper_half}");
    }
}
