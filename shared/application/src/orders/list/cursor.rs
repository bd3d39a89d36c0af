//! Cursors that only this service can make, without a key to keep.
//!
//! An order's attempt is random, and no answer of the API has it. So it is the key with which the
//! cursor at that order is signed: a cursor is valid if the order exists, belongs to the user who asks,
//! and its attempt gives the same signature. Subscribers see attempts, in a property of messages; what
//! they could sign with them is of use to the order's user alone.

use std::fmt;
use std::str::FromStr;

use domain::identity::{OrderId, TransactionId, UserId};
use domain::order::OrderStatus;
use domain::timestamp::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::ports::listing::OrderPosition;

/// The version of the format.
const VERSION: u8 = 1;

/// Version, time of creation, order, signature.
const BYTES: usize = 1 + 8 + 16 + SIGNATURE_BYTES;

const SIGNATURE_BYTES: usize = 16;

/// A place among a user's orders, signed. Its text is 82 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) position: OrderPosition,
    signature: [u8; SIGNATURE_BYTES],
}

/// Text that is not a cursor of this version.
#[derive(Debug)]
pub(super) struct InvalidCursor;

impl Cursor {
    /// The cursor at an order that this attempt created, in a listing of that status.
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

/// The first 16 bytes of a SHA-256. Its input has one length for each status, and the attempt comes
/// first: nobody who lacks it can extend or guess the digest.
fn signature(
    position: OrderPosition,
    attempt: TransactionId,
    user_id: UserId,
    status: Option<OrderStatus>,
) -> [u8; SIGNATURE_BYTES] {
    let digest = Sha256::new()
        .chain_update(attempt.as_uuid().as_bytes())
        .chain_update(b"order-service/orders-cursor/1")
        .chain_update(user_id.get().to_be_bytes())
        .chain_update(position.created_at.as_millis().to_be_bytes())
        .chain_update(position.order_id.as_uuid().as_bytes())
        .chain_update(status.map_or("", OrderStatus::as_str))
        .finalize();
    let mut signature = [0; SIGNATURE_BYTES];
    signature.iter_mut().zip(digest).for_each(|(byte, of_digest)| *byte = of_digest);
    signature
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OrderPosition { created_at, order_id } = self.position;
        write!(
            f,
            "{VERSION:02x}{:016x}{:x}",
            created_at.as_millis(),
            order_id.as_uuid().as_simple()
        )?;
        self.signature.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = bytes_of(text).ok_or(InvalidCursor)?;
        let (version, rest) = bytes.split_first().ok_or(InvalidCursor)?;
        let (created_at, rest) = rest.split_first_chunk().ok_or(InvalidCursor)?;
        let (order_id, rest) = rest.split_first_chunk().ok_or(InvalidCursor)?;
        let signature = rest.try_into().map_err(|_| InvalidCursor)?;
        if *version != VERSION {
            return Err(InvalidCursor);
        }
        let created_at = Timestamp::from_millis(i64::from_be_bytes(*created_at));
        let order_id = OrderId::new(Uuid::from_bytes(*order_id));
        Ok(Self { position: OrderPosition { created_at, order_id }, signature })
    }
}

/// The bytes of a text of the right length in lower-case hexadecimal digits.
fn bytes_of(text: &str) -> Option<[u8; BYTES]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; BYTES];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != BYTES || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
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
    fn another_version_is_no_cursor() {
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
