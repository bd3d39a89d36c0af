//! Predictable identifiers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use application::outcome::Failure;
use application::ports::IdentitySource;
use domain::identity::{ActivityId, EventId, MailId, OrderId, SessionId, TransactionId, UserId};
use uuid::Uuid;

/// The time in all identifiers: 2026-01-01T12:00:00Z.
const MADE_AT_MS: u128 = 1_767_268_800_000;

/// Numbers identifiers from 1. Each is a well-formed `UUIDv7`. Clones share the counter.
#[derive(Debug, Clone, Default)]
pub struct SequentialIdentities {
    made: Arc<AtomicU64>,
}

impl SequentialIdentities {
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }

    fn next(&self) -> Uuid {
        numbered(self.made.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

/// A `UUIDv7`: the time, the version, the variant, and `number` at the end.
fn numbered(number: u64) -> Uuid {
    let low = (0b10 << 62) | u128::from(number & (u64::MAX >> 2));
    Uuid::from_u128((MADE_AT_MS << 80) | (0x7 << 76) | low)
}

impl IdentitySource for SequentialIdentities {
    fn order_id(&self) -> OrderId {
        OrderId::new(self.next())
    }

    fn event_id(&self) -> EventId {
        EventId::new(self.next())
    }

    fn transaction_id(&self) -> TransactionId {
        TransactionId::new(self.next())
    }

    fn session_id(&self) -> SessionId {
        SessionId::new(self.next())
    }

    fn mail_id(&self) -> MailId {
        MailId::new(self.next())
    }

    fn activity_id(&self) -> ActivityId {
        ActivityId::new(self.next())
    }

    fn user_id(&self) -> Result<UserId, Failure> {
        Ok(UserId::new(self.made.fetch_add(1, Ordering::SeqCst) + 1).unwrap())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_distinct_uuids_of_version_7_in_the_order_they_were_made() {
        let identities = SequentialIdentities::default();
        let made: Vec<_> = (0..100).map(|_| identities.clone().order_id()).collect();
        assert!(made.iter().all(|id| id.as_uuid().get_version_num() == 7));
        assert!(made.is_sorted_by(|a, b| a < b));
        assert_eq!(identities.made(), 100);
    }
}
