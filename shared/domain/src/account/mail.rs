use std::time::Duration;

use super::{Account, EmailAddress, UserEvent, UserFact};
use crate::event::EventStamp;
use crate::identity::{MailId, UserId};
use crate::timestamp::Timestamp;

/// How long a mailed token is good, counted from when it was made for its mail.
pub const MAIL_TOKEN_LIFETIME: Duration = Duration::from_secs(30 * 60);

/// How long a request for a mail is kept. A mail that could not be sent early enough for its token
/// to expire within this time is not sent any more: the user does not wait for it.
pub const MAIL_REQUEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// What the token of a mail is good for. It is good for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailPurpose {
    /// The token confirms the address that the account has.
    ConfirmAddress,
    /// The token confirms the address that the account is to get.
    ChangeAddress,
    ResetPassword,
}

impl MailPurpose {
    pub const ALL: [Self; 3] = [Self::ConfirmAddress, Self::ChangeAddress, Self::ResetPassword];

    /// The name under which the purpose is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfirmAddress => "CONFIRM_ADDRESS",
            Self::ChangeAddress => "CHANGE_ADDRESS",
            Self::ResetPassword => "RESET_PASSWORD",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == name)
    }

    /// The fact that a request for such a mail raises.
    pub const fn fact(self) -> UserFact {
        match self {
            Self::ConfirmAddress => UserFact::EmailConfirmationRequested,
            Self::ChangeAddress => UserFact::EmailChangeRequested,
            Self::ResetPassword => UserFact::PasswordResetRequested,
        }
    }
}

/// A mail that was asked for. Its event is pending in it until the mail is sent, and its token is
/// found by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailRequest {
    pub id: MailId,
    /// The user whose account it is about.
    pub user_id: UserId,
    pub purpose: MailPurpose,
    /// The address that the mail goes to.
    pub address: EmailAddress,
    /// The session epoch of the account when the mail was requested.
    pub epoch: u32,
    pub requested_at: Timestamp,
}

impl MailRequest {
    /// A request for a mail, and the event that the request raises. The mail goes to the account's
    /// own address, or, to change that, to the requested one. `None` if there is no requested
    /// address.
    pub fn ask(
        id: MailId,
        account: &Account,
        purpose: MailPurpose,
        now: Timestamp,
        stamp: EventStamp,
    ) -> Option<(Self, UserEvent)> {
        let address = match purpose {
            MailPurpose::ConfirmAddress | MailPurpose::ResetPassword => account.email(),
            MailPurpose::ChangeAddress => account.record().requested_email.as_ref()?,
        };
        let request = Self {
            id,
            user_id: account.user_id(),
            purpose,
            address: address.clone(),
            epoch: account.session_epoch(),
            requested_at: now,
        };
        Some((request, account.raise(purpose.fact(), now, stamp)))
    }

    /// Whether its mail is still of use, and its token good as far as the account is concerned:
    /// - one that confirms the address, until that is confirmed;
    /// - one that changes the address, while the account waits for that very address;
    /// - one that resets the password, while the address is the account's;
    /// - the last two, until all sessions are ended, as a new password does. So the first reset
    ///   makes every other token for one useless.
    pub fn is_wanted_by(&self, account: &Account) -> bool {
        let record = account.record();
        let is_own_address = record.email.key() == self.address.key();
        let of_this_epoch = record.session_epoch == self.epoch;
        self.user_id == record.user_id
            && match self.purpose {
                MailPurpose::ConfirmAddress => is_own_address && !record.email_confirmed,
                MailPurpose::ChangeAddress => {
                    let requested = record.requested_email.as_ref();
                    of_this_epoch && requested.is_some_and(|it| it.key() == self.address.key())
                }
                MailPurpose::ResetPassword => is_own_address && of_this_epoch,
            }
    }

    /// Whether the address that the mail went to is the account's own and confirmed.
    pub fn is_confirmed_by(&self, account: &Account) -> bool {
        let record = account.record();
        let confirms = self.purpose != MailPurpose::ResetPassword;
        confirms && record.email_confirmed && record.email.key() == self.address.key()
    }

    /// When the request itself is over.
    pub fn expires_at(&self) -> Timestamp {
        self.requested_at.plus(MAIL_REQUEST_LIFETIME)
    }

    /// When a token expires that is made at `now`; `None` if it is too late to make one.
    pub fn token_expires_at(&self, now: Timestamp) -> Option<Timestamp> {
        Some(now.plus(MAIL_TOKEN_LIFETIME)).filter(|at| *at <= self.expires_at())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::account::PasswordHash;
    use crate::identity::EventId;

    const START: Timestamp = Timestamp::from_millis(1_000);

    fn stamp() -> EventStamp {
        EventStamp::untraced(EventId::new(Uuid::from_u128(1)), 1)
    }

    fn email(text: &str) -> EmailAddress {
        EmailAddress::parse(text).unwrap()
    }

    fn hash() -> PasswordHash {
        PasswordHash::from_phc("$argon2id$another".to_owned())
    }

    fn account() -> Account {
        let user_id = UserId::new(1).unwrap();
        Account::register(user_id, email("demo@example.com"), hash(), START, stamp()).0
    }

    fn ask(account: &Account, purpose: MailPurpose) -> MailRequest {
        let id = MailId::new(Uuid::from_u128(7));
        MailRequest::ask(id, account, purpose, START, stamp()).unwrap().0
    }

    #[test]
    fn every_purpose_is_found_by_its_name() {
        for purpose in MailPurpose::ALL {
            assert_eq!(MailPurpose::from_name(purpose.as_str()), Some(purpose));
        }
        assert_eq!(MailPurpose::from_name("RESET"), None);
    }

    #[test]
    fn an_address_is_confirmed_once() {
        let account = account();
        let request = ask(&account, MailPurpose::ConfirmAddress);
        assert!(request.is_wanted_by(&account));
        assert!(request.is_wanted_by(&account.end_sessions()), "it says nothing about sessions");
        let confirmed = account.confirm_email(&request);
        assert!(confirmed.record().email_confirmed && !request.is_wanted_by(&confirmed));
        assert_eq!(confirmed.version(), account.version() + 1);
        assert_eq!(confirmed.session_epoch(), account.session_epoch());
    }

    #[test]
    fn a_requested_address_counts_once_it_is_confirmed() {
        let account = account();
        let id = MailId::new(Uuid::from_u128(7));
        let asked = MailRequest::ask(id, &account, MailPurpose::ChangeAddress, START, stamp());
        assert_eq!(asked, None, "there is no requested address");
        let waiting = account.request_email(email("new@example.com"));
        assert_eq!(waiting.email(), account.email());
        let request = ask(&waiting, MailPurpose::ChangeAddress);
        assert_eq!(request.address, email("new@example.com"));
        assert!(request.is_wanted_by(&waiting) && !request.is_wanted_by(&account));
        let changed = waiting.confirm_email(&request);
        assert_eq!(changed.email(), &email("new@example.com"));
        assert!(changed.record().email_confirmed && changed.record().requested_email.is_none());
        assert!(!request.is_wanted_by(&changed));
    }

    #[test]
    fn a_later_request_or_the_end_of_all_sessions_withdraws_a_requested_address() {
        let waiting = account().request_email(email("new@example.com"));
        let request = ask(&waiting, MailPurpose::ChangeAddress);
        for later in [
            waiting.request_email(email("another@example.com")),
            waiting.request_email(email("DEMO@example.com")),
            waiting.end_sessions(),
            waiting.change_password(hash()),
            waiting.change_password(hash()).request_email(email("new@example.com")),
        ] {
            assert!(!request.is_wanted_by(&later), "{later:?}");
        }
        assert_eq!(waiting.request_email(email("DEMO@example.com")).record().requested_email, None);
    }

    #[test]
    fn a_reset_confirms_the_address_and_makes_every_other_token_for_one_useless() {
        let account = account();
        let request = ask(&account, MailPurpose::ResetPassword);
        assert!(request.is_wanted_by(&account));
        let reset = account.reset_password(hash());
        assert!(reset.record().email_confirmed && !request.is_wanted_by(&reset));
        assert_eq!(reset.session_epoch(), account.session_epoch() + 1);
        let waiting = account.request_email(email("new@example.com"));
        let moved = waiting.confirm_email(&ask(&waiting, MailPurpose::ChangeAddress));
        assert!(!request.is_wanted_by(&moved), "the mail went to the earlier address");
    }

    #[test]
    fn a_token_of_another_account_is_of_no_use() {
        let mut record = account().record().clone();
        record.user_id = UserId::new(2).unwrap();
        let request = ask(&account(), MailPurpose::ResetPassword);
        assert!(!request.is_wanted_by(&Account::rehydrate(record).unwrap()));
    }

    #[test]
    fn no_token_outlives_its_request() {
        let request = ask(&account(), MailPurpose::ConfirmAddress);
        assert_eq!(request.token_expires_at(START), Some(START.plus(MAIL_TOKEN_LIFETIME)));
        let last = START.plus(MAIL_REQUEST_LIFETIME - MAIL_TOKEN_LIFETIME);
        assert_eq!(request.token_expires_at(last), Some(request.expires_at()));
        assert_eq!(request.token_expires_at(last.plus(Duration::from_millis(1))), None);
    }

    #[test]
    fn the_event_of_a_request_has_the_accounts_version() {
        let account = account();
        let id = MailId::new(Uuid::from_u128(7));
        for purpose in [MailPurpose::ConfirmAddress, MailPurpose::ResetPassword] {
            let (_, event) = MailRequest::ask(id, &account, purpose, START, stamp()).unwrap();
            assert_eq!((event.fact, event.aggregate_version), (purpose.fact(), 1));
        }
    }
}
