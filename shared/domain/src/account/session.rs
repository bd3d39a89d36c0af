use std::time::Duration;

use super::Account;
use crate::identity::{SessionId, UserId};
use crate::timestamp::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a refresh token is good if it is not used.
pub const REFRESH_TOKEN_LIFETIME: Duration = DAY.saturating_mul(14);

/// How long a session lasts, however often it is refreshed. After it, the password is required
/// again (NIST SP 800-63B-4, section 2.1.3: at least every 30 days at the first assurance level).
pub const SESSION_LIFETIME: Duration = DAY.saturating_mul(30);

/// A login and its refresh tokens, each of which replaces the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    record: SessionRecord,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRecord {
    pub id: SessionId,
    pub user_id: UserId,
    /// The session epoch of the account that the session belongs to.
    pub epoch: u32,
    /// When the session ends at the latest.
    pub ends_at: Timestamp,
    /// Whether the session was ended before `ends_at`.
    pub ended: bool,
}

impl Session {
    pub fn begin(id: SessionId, account: &Account, now: Timestamp) -> Self {
        let record = SessionRecord {
            id,
            user_id: account.user_id(),
            epoch: account.session_epoch(),
            ends_at: now.plus(SESSION_LIFETIME),
            ended: false,
        };
        Self { record }
    }

    /// Rebuilds a stored session. Each field may have any value.
    pub const fn rehydrate(record: SessionRecord) -> Self {
        Self { record }
    }

    #[must_use]
    pub const fn end(mut self) -> Self {
        self.record.ended = true;
        self
    }

    /// The session, kept while all others of `account` were ended.
    #[must_use]
    pub const fn keep(mut self, account: &Account) -> Self {
        self.record.epoch = account.session_epoch();
        self
    }

    /// Whether the session is good at `now`, by itself and by its account.
    pub fn is_good(&self, account: &Account, now: Timestamp) -> bool {
        !self.record.ended
            && self.user_id() == account.user_id()
            && self.epoch() == account.session_epoch()
            && now < self.ends_at()
    }

    /// When a refresh token that the session issues at `now` expires.
    pub fn token_expires_at(&self, now: Timestamp) -> Timestamp {
        now.plus(REFRESH_TOKEN_LIFETIME).min(self.ends_at())
    }

    pub const fn record(&self) -> &SessionRecord {
        &self.record
    }

    pub const fn id(&self) -> SessionId {
        self.record.id
    }

    pub const fn user_id(&self) -> UserId {
        self.record.user_id
    }

    pub const fn epoch(&self) -> u32 {
        self.record.epoch
    }

    pub const fn ends_at(&self) -> Timestamp {
        self.record.ends_at
    }

    pub const fn has_ended(&self) -> bool {
        self.record.ended
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::account::{EmailAddress, PasswordHash};
    use crate::event::EventStamp;
    use crate::identity::EventId;

    #[test]
    fn a_session_is_good_until_it_ends_or_all_of_the_accounts_sessions_do() {
        let start = Timestamp::from_millis(0);
        let email = EmailAddress::parse("demo@example.com").unwrap();
        let hash = PasswordHash::from_phc(String::new());
        let stamp = EventStamp::untraced(EventId::new(Uuid::from_u128(2)), 1);
        let user_id = UserId::new(1).unwrap();
        let (account, _) = Account::register(user_id, email, hash, start, stamp.clone());
        let session = Session::begin(SessionId::new(Uuid::from_u128(1)), &account, start);
        let last = Timestamp::from_millis(session.ends_at().as_millis() - 1);
        assert!(session.is_good(&account, last));
        assert!(session.is_good(&account.log_in(None, last, stamp).unwrap().0, last));
        assert!(!session.is_good(&account, session.ends_at()));
        assert!(!session.is_good(&account.end_sessions(), start));
        assert!(!session.end().is_good(&account, start));
        let changed = account.end_sessions();
        assert!(session.keep(&changed).is_good(&changed, start));
        assert!(!session.keep(&changed).is_good(&account, start));
    }

    #[test]
    fn a_token_is_good_for_fourteen_days_and_a_session_for_thirty() {
        assert_eq!(REFRESH_TOKEN_LIFETIME.as_secs(), 1_209_600);
        assert_eq!(SESSION_LIFETIME.as_secs(), 2_592_000);
    }

    #[test]
    fn no_token_outlives_its_session() {
        let session = Session::rehydrate(SessionRecord {
            id: SessionId::new(Uuid::from_u128(1)),
            user_id: UserId::new(1).unwrap(),
            epoch: 0,
            ends_at: Timestamp::from_millis(0).plus(SESSION_LIFETIME),
            ended: false,
        });
        let first = session.token_expires_at(Timestamp::from_millis(0));
        assert_eq!(first, Timestamp::from_millis(0).plus(REFRESH_TOKEN_LIFETIME));
        let late = Timestamp::from_millis(session.ends_at().as_millis() - 1_000);
        assert_eq!(session.token_expires_at(late), session.ends_at());
    }
}
