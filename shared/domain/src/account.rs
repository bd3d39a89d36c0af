//! Accounts, their sessions, and the waits that slow down password guessing.
//!
//! - [`EmailAddress`]: an address as it was typed, and the form in which addresses are compared
//! - [`check_password`]: which passwords are accepted
//! - [`Account`]: a registered user
//! - [`Session`]: a login, and how long it lasts
//! - [`MailRequest`]: a mail that was asked for, and what its token is good for
//! - [`UserEvent`], [`UserEvents`]: the events of accounts, sessions and mails
//! - [`Guesses`]: how long to wait after wrong passwords
//! - [`RateUse`]: how often something right may be done
//! - [`ActivityKind`]: what users can look up about their accounts

mod activity;
mod email;
mod event;
mod guesses;
mod mail;
mod password;
mod rate;
mod record;
mod session;

use std::time::Duration;

use crate::event::EventStamp;
use crate::identity::UserId;
use crate::timestamp::Timestamp;

pub use activity::ActivityKind;
pub use email::{AddressKey, EmailAddress, InvalidEmailAddress};
pub use event::{UserEvent, UserEvents, UserFact};
pub use guesses::{GuessLimit, Guesses, MustWait};
pub use mail::{MAIL_REQUEST_LIFETIME, MAIL_TOKEN_LIFETIME, MailPurpose, MailRequest};
pub use password::{
    PASSWORD_BYTES_MAX, PASSWORD_LENGTH_MIN, PasswordFault, PasswordHash, check_password,
};
pub use rate::{Rate, RateUse};
pub use record::{AccountRecord, CorruptAccount};
pub use session::{REFRESH_TOKEN_LIFETIME, SESSION_LIFETIME, Session, SessionRecord};

/// How often an account may be logged in to. A user with ten devices logs in on all of them at
/// once, several times.
pub const LOGINS: Rate = Rate { at_once: 60, interval: Duration::from_secs(60) };

/// How often refresh tokens of an account may be exchanged, those of all of its sessions together.
/// Access tokens of 15 minutes need four an hour for each device that is used; this allows 240.
pub const EXCHANGES: Rate = Rate { at_once: 60, interval: Duration::from_secs(15) };

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    record: AccountRecord,
}

impl Account {
    pub fn register(
        user_id: UserId,
        email: EmailAddress,
        password_hash: PasswordHash,
        now: Timestamp,
        stamp: EventStamp,
    ) -> (Self, UserEvent) {
        let record = AccountRecord {
            user_id,
            email,
            email_confirmed: false,
            requested_email: None,
            password_hash,
            registered_at: now,
            registration: stamp.clone(),
            session_epoch: 0,
            version: 1,
            logins: RateUse::NONE,
            exchanges: RateUse::NONE,
        };
        let account = Self { record };
        let event = account.raise(UserFact::Registered, now, stamp);
        (account, event)
    }

    /// The account after a login, and the event that its session raises. `rehashed` replaces a hash
    /// with outdated parameters: it is a hash of the same password.
    ///
    /// # Errors
    ///
    /// [`MustWait`] if there were too many logins.
    pub fn log_in(
        &self,
        rehashed: Option<PasswordHash>,
        now: Timestamp,
        stamp: EventStamp,
    ) -> Result<(Self, UserEvent), MustWait> {
        let mut account = self.changed();
        account.record.logins = self.record.logins.one_more(LOGINS, now)?;
        if let Some(hash) = rehashed {
            account.record.password_hash = hash;
        }
        let event = account.raise(UserFact::LoggedIn, now, stamp);
        Ok((account, event))
    }

    /// The use of [`EXCHANGES`] after one more exchange at `now`.
    ///
    /// # Errors
    ///
    /// [`MustWait`] if there were too many exchanges.
    pub fn exchange(&self, now: Timestamp) -> Result<RateUse, MustWait> {
        self.record.exchanges.one_more(EXCHANGES, now)
    }

    #[must_use]
    pub fn delete(&self, now: Timestamp, stamp: EventStamp) -> UserEvent {
        self.changed().raise(UserFact::Deleted, now, stamp)
    }

    /// The account with another password, which ends all of its sessions.
    #[must_use]
    pub fn change_password(&self, password_hash: PasswordHash) -> Self {
        let mut account = self.end_sessions();
        account.record.password_hash = password_hash;
        account
    }

    /// The account with all of its sessions ended. That also withdraws a requested address: the
    /// user may have ended them because somebody else knew the password.
    #[must_use]
    pub fn end_sessions(&self) -> Self {
        let mut account = self.changed();
        account.record.session_epoch = account.record.session_epoch.saturating_add(1);
        account.record.requested_email = None;
        account
    }

    /// The account with a requested address. A request for the address that it has withdraws an
    /// earlier request.
    #[must_use]
    pub fn request_email(&self, email: EmailAddress) -> Self {
        let mut account = self.changed();
        account.record.requested_email =
            Some(email).filter(|email| email.key() != self.record.email.key());
        account
    }

    /// The account after a token of `request` came back whose mail went to the address of the
    /// request: that address is the account's, and confirmed. The request must be wanted
    /// ([`MailRequest::is_wanted_by`]).
    #[must_use]
    pub fn confirm_email(&self, request: &MailRequest) -> Self {
        let mut account = self.changed();
        if request.purpose == MailPurpose::ChangeAddress {
            account.record.email = request.address.clone();
            account.record.requested_email = None;
        }
        account.record.email_confirmed = true;
        account
    }

    /// The account with a password that was chosen with a mailed token: as after
    /// [`Self::change_password`], and with a confirmed address, because the mail went there.
    #[must_use]
    pub fn reset_password(&self, password_hash: PasswordHash) -> Self {
        let mut account = self.change_password(password_hash);
        account.record.email_confirmed = true;
        account
    }

    fn changed(&self) -> Self {
        let mut account = self.clone();
        account.record.version = account.record.version.saturating_add(1);
        account
    }

    pub(super) const fn raise(
        &self,
        fact: UserFact,
        at: Timestamp,
        stamp: EventStamp,
    ) -> UserEvent {
        let AccountRecord { user_id, version, .. } = self.record;
        UserEvent { user_id, aggregate_version: version, fact, at, stamp }
    }

    pub const fn record(&self) -> &AccountRecord {
        &self.record
    }

    pub const fn user_id(&self) -> UserId {
        self.record.user_id
    }

    pub const fn email(&self) -> &EmailAddress {
        &self.record.email
    }

    pub const fn password_hash(&self) -> &PasswordHash {
        &self.record.password_hash
    }

    pub const fn session_epoch(&self) -> u32 {
        self.record.session_epoch
    }

    pub const fn version(&self) -> u32 {
        self.record.version
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::identity::EventId;

    fn stamp(number: u128) -> EventStamp {
        EventStamp::untraced(EventId::new(Uuid::from_u128(number)), 1)
    }

    fn hash(text: &str) -> PasswordHash {
        PasswordHash::from_phc(format!("$argon2id${text}"))
    }

    fn registered() -> (Account, UserEvent) {
        let email = EmailAddress::parse("demo@example.com").unwrap();
        let user_id = UserId::new(1).unwrap();
        Account::register(user_id, email, hash("one"), Timestamp::from_millis(7), stamp(1))
    }

    #[test]
    fn neither_address_nor_hash_shows_in_debug_output() {
        let shown = format!("{:?}", registered().0);
        assert!(!shown.contains("demo@") && !shown.contains("argon2id"), "{shown}");
    }

    #[test]
    fn each_event_has_the_version_that_the_account_has_with_it() {
        let (account, event) = registered();
        assert_eq!((event.fact, event.aggregate_version), (UserFact::Registered, 1));
        let (account, event) = account.log_in(None, Timestamp::from_millis(8), stamp(2)).unwrap();
        assert_eq!((event.fact, event.aggregate_version), (UserFact::LoggedIn, 2));
        assert_eq!(account.password_hash(), &hash("one"));
        let (account, _) =
            account.log_in(Some(hash("stronger")), Timestamp::from_millis(9), stamp(3)).unwrap();
        assert_eq!((account.version(), account.password_hash()), (3, &hash("stronger")));
        assert_eq!(account.record().registration, stamp(1));
        let deleted = account.delete(Timestamp::from_millis(10), stamp(4));
        assert_eq!((deleted.fact, deleted.aggregate_version), (UserFact::Deleted, 4));
        assert_eq!(deleted.stamp, stamp(4));
    }

    #[test]
    fn a_new_password_ends_all_sessions_and_a_login_ends_no_session() {
        let (account, _) = registered();
        let (logged_in, _) = account.log_in(None, Timestamp::from_millis(8), stamp(2)).unwrap();
        assert_eq!(logged_in.session_epoch(), account.session_epoch());
        let changed = logged_in.change_password(hash("two"));
        assert_eq!(changed.session_epoch(), account.session_epoch() + 1);
        assert_eq!(changed.password_hash(), &hash("two"));
        assert_eq!(changed.end_sessions().session_epoch(), 2);
        assert_eq!(changed.end_sessions().version(), 4);
    }

    #[test]
    fn logins_are_allowed_by_their_rate_whatever_else_changes() {
        let (mut account, _) = registered();
        let now = Timestamp::from_millis(1_800_000_000_000);
        for number in 0..LOGINS.at_once {
            account = account.log_in(None, now, stamp(number.into())).unwrap().0;
            account = account.change_password(hash("another")).end_sessions();
        }
        let refused = account.log_in(None, now, stamp(0)).unwrap_err();
        assert_eq!(refused, MustWait(LOGINS.interval));
        assert!(account.exchange(now).is_ok());
        assert!(account.log_in(None, now.plus(LOGINS.interval), stamp(0)).is_ok());
    }
}
