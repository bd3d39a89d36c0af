//! Identifiers: one type per kind, so that one can't be passed for another.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The largest integer identifier, 2^53 - 1: the largest that every JSON reader holds exactly
/// (RFC 8259, section 6).
pub const INTEGER_IDENTIFIER_MAX: u64 = (1 << 53) - 1;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentifier {
    #[error("{kind} must be an integer from 0 to {INTEGER_IDENTIFIER_MAX}")]
    OutOfRange {
        /// The name of the identifier, such as `order_id`.
        kind: &'static str,
    },
    #[error("{kind} must be a UUID")]
    NotAUuid { kind: &'static str },
}

macro_rules! integer_identifier {
    ($(#[$meta:meta])* $name:ident, $kind:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            #[doc = concat!("Reads a ", $kind, " from an integer.")]
            /// # Errors
            ///
            /// If the value is larger than [`INTEGER_IDENTIFIER_MAX`].
            pub const fn new(value: u64) -> Result<Self, InvalidIdentifier> {
                if value > INTEGER_IDENTIFIER_MAX {
                    return Err(InvalidIdentifier::OutOfRange { kind: $kind });
                }
                Ok(Self(value))
            }

            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidIdentifier;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let value =
                    text.parse().map_err(|_| InvalidIdentifier::OutOfRange { kind: $kind })?;
                Self::new(value)
            }
        }
    };
}

macro_rules! uuid_identifier {
    ($(#[$meta:meta])* $name:ident, $kind:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that was made for this identifier.
            pub const fn new(value: Uuid) -> Self {
                Self(value)
            }

            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidIdentifier;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| InvalidIdentifier::NotAUuid { kind: $kind })
            }
        }
    };
}

integer_identifier!(
    /// A user: an integer from 0 to [`INTEGER_IDENTIFIER_MAX`].
    UserId,
    "user_id"
);
integer_identifier!(
    /// A product: an integer from 0 to [`INTEGER_IDENTIFIER_MAX`].
    ProductId,
    "product_id"
);
uuid_identifier!(
    /// An order: a UUIDv7, which sorts by time, or under an idempotency key a `UUIDv8` of that key.
    OrderId,
    "order_id"
);
uuid_identifier!(
    /// An event. The identifier is made once and stays the same for every retry and redelivery, so
    /// consumers recognise duplicates by it.
    EventId,
    "event_id"
);
uuid_identifier!(
    /// One attempt to create an order, or one publication of an event. Each attempt has its own, so
    /// that rolling one back for good does not roll back the next.
    TransactionId,
    "transaction_id"
);
uuid_identifier!(
    /// A session: a login and its refresh tokens.
    SessionId,
    "session_id"
);
uuid_identifier!(
    /// A request for a mail. It is not secret: the token in the mail contains a secret as well.
    MailId,
    "mail_id"
);
uuid_identifier!(
    /// An activity of an account: a UUIDv7, so that activities sort by time.
    ActivityId,
    "activity_id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_identifier_is_at_most_2_to_the_53_minus_1() {
        assert_eq!(UserId::new(9_007_199_254_740_991).map(UserId::get), Ok(9_007_199_254_740_991));
        assert!(UserId::new(9_007_199_254_740_992).is_err());
        assert!("9007199254740992".parse::<ProductId>().is_err());
        assert!("-1".parse::<ProductId>().is_err());
    }

    #[test]
    fn a_uuid_identifier_reads_what_it_prints() {
        let id: OrderId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(id.to_string(), "01890a5d-ac96-774b-bcce-b302099a8057");
        assert_eq!(
            "order".parse::<OrderId>(),
            Err(InvalidIdentifier::NotAUuid { kind: "order_id" })
        );
    }
}
