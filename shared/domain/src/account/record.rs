//! Turns a stored record back into an account.

use super::{Account, EmailAddress, PasswordHash, RateUse};
use crate::event::EventStamp;
use crate::identity::UserId;
use crate::timestamp::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    pub user_id: UserId,
    /// The address to log in with. Its key is unique among accounts.
    pub email: EmailAddress,
    /// Whether a token that was mailed to `email` has come back.
    pub email_confirmed: bool,
    /// The address that the user asked for. Until it is confirmed, it does not count, and another
    /// account can have it.
    pub requested_email: Option<EmailAddress>,
    pub password_hash: PasswordHash,
    pub registered_at: Timestamp,
    /// What is stored about the account's `UserRegistered`.
    pub registration: EventStamp,
    /// How often all of its sessions were ended. Only sessions of this epoch are good.
    pub session_epoch: u32,
    /// The account's version, counted from 1: each change raises it by one.
    pub version: u32,
    /// The use of [`LOGINS`](super::LOGINS).
    pub logins: RateUse,
    /// The use of [`EXCHANGES`](super::EXCHANGES). It changes without the version, because
    /// exchanges do not change the account otherwise.
    pub exchanges: RateUse,
}

/// A stored account breaks a rule that holds for every account: something else wrote it, or this
/// code has a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CorruptAccount {
    #[error("its version is 0, and versions are counted from 1")]
    Version,
    #[error("the requested address is the one that it has")]
    RequestedEmail,
}

impl Account {
    /// Rebuilds a stored account.
    ///
    /// # Errors
    ///
    /// [`CorruptAccount`] if no sequence of this module's methods can produce it.
    pub fn rehydrate(record: AccountRecord) -> Result<Self, CorruptAccount> {
        if record.version == 0 {
            return Err(CorruptAccount::Version);
        }
        let requested = record.requested_email.as_ref();
        if requested.is_some_and(|requested| requested.key() == record.email.key()) {
            return Err(CorruptAccount::RequestedEmail);
        }
        Ok(Self { record })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::identity::EventId;

    fn email(text: &str) -> EmailAddress {
        EmailAddress::parse(text).unwrap()
    }

    fn account() -> Account {
        let stamp = EventStamp::untraced(EventId::new(Uuid::from_u128(1)), 1);
        let hash = PasswordHash::from_phc("$argon2id$one".to_owned());
        let (user_id, now) = (UserId::new(1).unwrap(), Timestamp::from_millis(7));
        Account::register(user_id, email("demo@example.com"), hash, now, stamp).0
    }

    #[test]
    fn an_account_is_rebuilt_as_it_was() {
        let waiting = account().request_email(email("other@example.com"));
        for account in [account(), account().end_sessions(), waiting] {
            assert_eq!(Account::rehydrate(account.record().clone()), Ok(account));
        }
    }

    #[test]
    fn a_record_that_no_account_could_have_is_refused() {
        let with = |change: fn(&mut AccountRecord)| {
            let mut bad = account().record().clone();
            change(&mut bad);
            Account::rehydrate(bad).unwrap_err()
        };
        assert_eq!(with(|r| r.version = 0), CorruptAccount::Version);
        let own = with(|r| r.requested_email = Some(email("Demo@Example.com")));
        assert_eq!(own, CorruptAccount::RequestedEmail);
    }
}
