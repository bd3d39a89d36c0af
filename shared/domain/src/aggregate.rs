//! The keys of the aggregates, which raise events.

use std::fmt;
use std::str::FromStr;

use crate::identity::{MailId, OrderId, SessionId, UserId};

/// The key of an aggregate. Its text is a property of messages and the key of the item that holds
/// the aggregate with everything that must change together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AggregateKey {
    /// `USER#<user_id>/ORDER#<order_id>`
    Order { user_id: UserId, order_id: OrderId },
    /// `USER#<user_id>`
    Account { user_id: UserId },
    /// `SESSION#<session_id>`
    Session { session_id: SessionId },
    /// `MAIL#<mail_id>`
    Mail { mail_id: MailId },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be USER#<user_id>/ORDER#<order_id>, USER#<user_id>, SESSION#<session_id> or \
     MAIL#<mail_id>"
)]
pub struct InvalidAggregateKey;

impl fmt::Display for AggregateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order { user_id, order_id } => write!(f, "USER#{user_id}/ORDER#{order_id}"),
            Self::Account { user_id } => write!(f, "USER#{user_id}"),
            Self::Session { session_id } => write!(f, "SESSION#{session_id}"),
            Self::Mail { mail_id } => write!(f, "MAIL#{mail_id}"),
        }
    }
}

impl FromStr for AggregateKey {
    type Err = InvalidAggregateKey;

    fn from_str(text: &str) -> Result<Self, InvalidAggregateKey> {
        fn part<Id: FromStr>(text: &str, prefix: &str) -> Result<Id, InvalidAggregateKey> {
            let id = text.strip_prefix(prefix).ok_or(InvalidAggregateKey)?;
            id.parse().map_err(|_| InvalidAggregateKey)
        }
        if text.starts_with("SESSION#") {
            return Ok(Self::Session { session_id: part(text, "SESSION#")? });
        }
        if text.starts_with("MAIL#") {
            return Ok(Self::Mail { mail_id: part(text, "MAIL#")? });
        }
        match text.split_once('/') {
            None => Ok(Self::Account { user_id: part(text, "USER#")? }),
            Some((user, order)) => {
                Ok(Self::Order { user_id: part(user, "USER#")?, order_id: part(order, "ORDER#")? })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_what_it_prints() {
        let user_id = UserId::new(123).unwrap();
        let order_id: OrderId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let session_id: SessionId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let mail_id: MailId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        for key in [
            AggregateKey::Order { user_id, order_id },
            AggregateKey::Account { user_id },
            AggregateKey::Session { session_id },
            AggregateKey::Mail { mail_id },
        ] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
    }

    #[test]
    fn text_that_names_no_aggregate_is_refused() {
        for text in
            ["", "USER#", "USER#x", "USER#1/", "USER#1/ORDER#1", "ORDER#1", "SESSION#1", "MAIL#1"]
        {
            assert_eq!(text.parse::<AggregateKey>(), Err(InvalidAggregateKey), "{text:?}");
        }
    }
}
