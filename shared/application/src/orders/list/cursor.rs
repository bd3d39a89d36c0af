//! Cursors that only this service can make, without a key to keep.
//!
//! An order's attempt is random, and no answer of the API has it. So the attempt is the key with
//! which the cursor at that order is signed: a cursor is valid if the order exists, belongs to the
//! user who asks, and its attempt gives the same signature. Subscribers see attempts, in a property
//! of messages; what they could sign with them is of use to the order's user alone.

use std::fmt;
use std::str::FromStr;

use domain::identity::{OrderId, TransactionId, UserId};
use domain::order::OrderStatus;
use domain::timestamp::Timestamp;
use uuid::Uuid;

use crate::orders::identity::digest;
use crate::ports::OrderPosition;

const VERSION: &str = "01";

/// A place among a user's orders, signed. Its text is 82 hexadecimal digits: version, time of
/// creation, order, signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) position: OrderPosition,
    signature: Uuid,
}

/// Text that is not a cursor of this version.
#[derive(Debug)]
pub(super) struct InvalidCursor;

impl Cursor {
    /// The cursor at an order that `attempt` created, in a listing of orders of `status`.
    pub(super) fn signed(
        position: OrderPosition,
        attempt: TransactionId,
        user_id: UserId,
        status: Option<OrderStatus>,
    ) -> Self {
        Self { position, signature: signature(position, attempt, user_id, status) }
    }

    /// Whether this is the cursor that [`Self::signed`] makes.
    pub(super) fn is_signed_with(
        &self,
        attempt: TransactionId,
        user_id: UserId,
        status: Option<OrderStatus>,
    ) -> bool {
        self.signature == signature(self.position, attempt, user_id, status)
    }
}

/// A digest that nobody can compute without the attempt.
fn signature(
    position: OrderPosition,
    attempt: TransactionId,
    user_id: UserId,
    status: Option<OrderStatus>,
) -> Uuid {
    digest([
        b"order-service/orders-cursor/1",
        attempt.as_uuid().as_bytes(),
        &user_id.get().to_be_bytes(),
        &position.created_at.as_millis().to_be_bytes(),
        position.order_id.as_uuid().as_bytes(),
        status.map_or("", OrderStatus::as_str).as_bytes(),
    ])
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let created_at = self.position.created_at.as_millis();
        let order_id = self.position.order_id.as_uuid().as_simple();
        write!(f, "{VERSION}{created_at:016x}{order_id}{}", self.signature.as_simple())
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Each cursor has one text.
        parsed(text).filter(|cursor| cursor.to_string() == text).ok_or(InvalidCursor)
    }
}

/// The cursor of a text, also of a text that is spelled in another way.
fn parsed(text: &str) -> Option<Cursor> {
    let (created_at, rest) = text.strip_prefix(VERSION)?.split_at_checked(16)?;
    let (order_id, signature) = rest.split_at_checked(32)?;
    let created_at = u64::from_str_radix(created_at, 16).ok()?.cast_signed();
    Some(Cursor {
        position: OrderPosition {
            created_at: Timestamp::from_millis(created_at),
            order_id: OrderId::new(Uuid::try_parse(order_id).ok()?),
        },
        signature: Uuid::try_parse(signature).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    fn attempt(number: u128) -> TransactionId {
        TransactionId::new(Uuid::from_u128(number))
    }

    fn cursor() -> Cursor {
        let order_id = OrderId::new(Uuid::from_u128(7));
        let position = OrderPosition { created_at: Timestamp::from_millis(1_000), order_id };
        Cursor::signed(position, attempt(1), user(123), Some(OrderStatus::Created))
    }

    #[test]
    fn a_cursor_is_read_back_from_its_text() {
        let text = cursor().to_string();
        assert_eq!(text.len(), 82);
        assert_eq!(text.parse::<Cursor>().unwrap(), cursor());
    }

    #[test]
    fn a_cursor_is_valid_for_its_attempt_user_and_status_alone() {
        let created = Some(OrderStatus::Created);
        assert!(cursor().is_signed_with(attempt(1), user(123), created));
        assert!(!cursor().is_signed_with(attempt(2), user(123), created));
        assert!(!cursor().is_signed_with(attempt(1), user(124), created));
        assert!(!cursor().is_signed_with(attempt(1), user(123), None));
        assert!(!cursor().is_signed_with(attempt(1), user(123), Some(OrderStatus::Confirmed)));
    }

    #[test]
    fn text_of_another_version_is_not_a_cursor() {
        let text = cursor().to_string().replacen("01", "02", 1);
        assert!(text.parse::<Cursor>().is_err());
    }

    proptest! {
        #[test]
        fn a_changed_digit_makes_a_cursor_invalid(
            at in 0_usize..82, digit in "[0-9a-f]",
        ) {
            let mut text = cursor().to_string();
            prop_assume!(text[at..=at] != digit);
            text.replace_range(at..=at, &digit);
            let is_valid = text.parse::<Cursor>().is_ok_and(|cursor| {
                cursor.is_signed_with(attempt(1), user(123), Some(OrderStatus::Created))
            });
            prop_assert!(!is_valid);
        }

        #[test]
        fn any_text_is_a_cursor_or_refused(text in "\\PC{0,90}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
