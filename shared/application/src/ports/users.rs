use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use domain::identity::{ActivityId, SessionId, TransactionId, UserId};
use domain::pending::PendingEvent;
use domain::timestamp::Timestamp;
use domain::user::{Account, ActivityKind, EmailAddress, Guesses, Session, UserEvent};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::Page;
use crate::deadline::Deadline;
use crate::outcome::{Failure, WriteTry};

/// Where accounts are looked up.
pub trait Accounts: Send + Sync {
    /// The account of an address, as of the last write. It MUST cost the same calls whether or not
    /// there is one, so that no one can tell by the time (OWASP ASVS 5.0, 6.3.8).
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn by_email(
        &self,
        email: &EmailAddress,
    ) -> impl Future<Output = Result<Option<Account>, Failure>> + Send;

    /// A user's account, as of the last write.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn by_id(
        &self,
        user_id: UserId,
    ) -> impl Future<Output = Result<Option<Account>, Failure>> + Send;
}

/// The SHA-256 of an address, or of what was given in place of one. What isn't an account's is
/// stored in no other form: people type passwords into the wrong field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressDigest([u8; 32]);

impl AddressDigest {
    /// The digest of an address.
    pub fn of(email: &EmailAddress) -> Self {
        Self::of_text(email.as_str())
    }

    /// The digest of what is no address.
    pub fn of_text(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }
}

impl fmt::Display for AddressDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal(&self.0, f)
    }
}

/// A refresh token names its session, so that it is found in that: `<session_id>.<secret>`. The
/// secret has 256 random bits; the session's identifier is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// Of which session.
    pub session: SessionId,
    /// Its hash.
    pub hash: TokenHash,
}

impl RefreshToken {
    /// A session's new token, as it goes to its owner.
    pub fn issued(session: SessionId, secret: &SecretString) -> SecretString {
        SecretString::from(format!("{session}.{}", secret.expose_secret()))
    }

    /// What a text says that may be a token; none if it can't be one.
    pub fn read(text: &SecretString) -> Option<Self> {
        let text = text.expose_secret();
        let (session, _) = text.split_once('.')?;
        Some(Self { session: session.parse().ok()?, hash: TokenHash::of(text) })
    }
}

/// The SHA-256 of a refresh token, the only form in which it is stored. A token has 256 random
/// bits, so nothing dearer than a plain hash is needed (OWASP ASVS 5.0, 11.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal(&self.0, f)
    }
}

fn hexadecimal(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Where a request came from, as API Gateway saw it.
///
/// Of an IPv6 address its network of 64 bits counts, within which a client chooses its addresses
/// itself (RFC 4291, section 2.5.4). A client that was given a wider one, often 48 or 56 bits (RFC
/// 6177), is as many sources as it has such networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(IpAddr);

impl Source {
    /// The source of an address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
            address @ IpAddr::V4(_) => Self(address),
        }
    }

    /// Where no address was told. All such requests count as of one source.
    pub const UNKNOWN: Self = Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A line of an account's activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Its identifier, by which lines sort.
    pub id: ActivityId,
    /// What happened.
    pub kind: ActivityKind,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub source: Source,
    /// In which session, if in one.
    pub session: Option<SessionId>,
}

/// Whose activity it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// A user's.
    User(UserId),
    /// Nobody's: an address was tried that has no account. A record is written all the same, so
    /// that it takes the same time, and forgotten soon.
    Nobody(AddressDigest),
}

/// Where is recorded what accounts are used for.
pub trait ActivityLog: Send + Sync {
    /// Records an activity.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it is not known to be recorded.
    fn record(
        &self,
        whose: Whose,
        activity: &Activity,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Where a user reads what his account was used for.
pub trait ActivityReader: Send + Sync {
    /// A page of a user's activities, the newest first: the first, or the one that begins after
    /// `before`. It MUST NOT tell what has expired at `now`.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn page(
        &self,
        user_id: UserId,
        before: Option<ActivityId>,
        limit: u32,
        now: Timestamp,
    ) -> impl Future<Output = Result<Page<Activity, ActivityId>, Failure>> + Send;
}

/// The local transaction of a registration: all of it is stored, or none.
#[derive(Debug, Clone)]
pub struct Registration<'a> {
    /// The account.
    pub account: &'a Account,
    /// Its `UserRegistered`, which is pending as `pending` says.
    pub event: &'a UserEvent,
    /// It names the attempt by the transaction.
    pub pending: &'a PendingEvent,
    /// What its owner can look up. The account knows the source from which it came.
    pub activity: &'a Activity,
    /// Until when it knows that source.
    pub source_known_until: Timestamp,
}

/// Why a registration was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationCancelled {
    /// The address is another account's.
    EmailTaken,
    /// Items were busy.
    Busy,
}

/// Why a change of an account or of a session was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeCancelled {
    /// What it starts from is not there any more: it was changed, used or ended meanwhile.
    Stale,
    /// Items were busy.
    Busy,
}

/// A refresh token as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its hash.
    pub hash: TokenHash,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// The local transaction of a login: all of it is stored, or none.
#[derive(Debug, Clone)]
pub struct NewSession<'a> {
    /// The account after the login, whose version is one more than the stored one's.
    pub account: &'a Account,
    /// The session that begins. Its `UserLoggedIn` is pending in it.
    pub session: &'a Session,
    /// Its `UserLoggedIn`, which is pending as `pending` says.
    pub event: &'a UserEvent,
    /// It names the attempt by the transaction.
    pub pending: &'a PendingEvent,
    /// Its first token, which is stored in the session.
    pub token: &'a TokenRecord,
    /// What the owner can look up.
    pub activity: &'a Activity,
}

/// A change of an account.
#[derive(Debug, Clone)]
pub struct AccountChange<'a> {
    /// The account after it, whose version is one more than the stored one's.
    pub account: &'a Account,
    /// The attempt, by which a try that landed unnoticed is recognised.
    pub attempt: TransactionId,
    /// A session that outlives the change, if one does.
    pub keep: Option<SessionId>,
    /// What the owner can look up.
    pub activity: &'a Activity,
}

/// Where registrations and logins are stored, each with its event.
///
/// Each write makes one try within `deadline`, and no second one of its own accord. A second try
/// that finds the first stored MUST answer [`WriteTry::Done`].
pub trait UserRepository: Send + Sync {
    /// Stores a new account, whose event is pending in it, with its address if nobody has that, its
    /// activity, and the activity's source among those of [`KnownSources`].
    fn register(
        &self,
        registration: &Registration<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<RegistrationCancelled>> + Send;

    /// Stores a login: the account after it, its session, whose event is pending in it, and its
    /// activity. It MUST be conditional on the version before the account's, and MUST leave alone
    /// what is pending in that.
    fn log_in(
        &self,
        login: &NewSession<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<ChangeCancelled>> + Send;
}

/// Where accounts are changed, as far as no event comes of it.
pub trait AccountRepository: Send + Sync {
    /// Makes one try, within `deadline`, to store a change. It MUST be conditional on the version
    /// before the account's, and on the kept session's being there and not ended; that session then
    /// belongs to the account's new epoch. A second try that finds the first stored MUST answer
    /// [`WriteTry::Done`].
    fn change(
        &self,
        change: &AccountChange<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<ChangeCancelled>> + Send;
}

/// Where is forgotten from where accounts were logged in to.
pub trait KnownSourceRemoval: Send + Sync {
    /// Forgets every source of an account but one.
    ///
    /// # Errors
    ///
    /// [`Failure`] if not all others are known to be forgotten; it may be repeated.
    fn forget_all_but(
        &self,
        account: &Account,
        keep: Source,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// The local transaction of a deletion: all of it is stored, or none.
#[derive(Debug, Clone)]
pub struct AccountDeletion<'a> {
    /// The account as it was read.
    pub account: &'a Account,
    /// Its `UserDeleted`, which is pending as `pending` says.
    pub event: &'a UserEvent,
    /// What is pending of it.
    pub pending: &'a PendingEvent,
}

/// Where accounts are deleted.
pub trait AccountRemoval: Send + Sync {
    /// Erases what is known of a user besides his account: activities and sources.
    ///
    /// # Errors
    ///
    /// [`Failure`] if not all is known to be erased; it may be repeated.
    fn erase_traces(&self, account: &Account) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Makes one try, within `deadline`, to delete an account and its address. What is left of the
    /// account is nobody's: its number and its events, of which `UserDeleted` is pending. It MUST be
    /// conditional on the account's version; one that is deleted already is [`WriteTry::Done`].
    fn delete(
        &self,
        deletion: &AccountDeletion<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<ChangeCancelled>> + Send;
}

/// A refresh token that was found, with its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundToken {
    /// It is the session's newest.
    Newest {
        /// Its session.
        session: Session,
        /// Until when it is good.
        expires_at: Timestamp,
    },
    /// It was exchanged for the session's newest.
    Exchanged {
        /// Its session.
        session: Session,
        /// When, and for which.
        exchange: Exchange,
    },
    /// It was exchanged before that.
    Used {
        /// Its session.
        session: Session,
    },
}

impl FoundToken {
    /// Its session.
    pub const fn session(&self) -> &Session {
        match self {
            Self::Newest { session, .. }
            | Self::Exchanged { session, .. }
            | Self::Used { session } => session,
        }
    }
}

/// What is kept of a session's latest exchange, so that it can be answered once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// From this and the token that was used up its successor follows.
    pub salt: String,
    /// When it was made, by the wall clock of the process that made it: for a while after that it is
    /// answered once more.
    pub at: Timestamp,
}

/// The exchange of a refresh token: all of it is stored, or none.
#[derive(Debug, Clone)]
pub struct Rotation<'a> {
    /// The session.
    pub session: &'a Session,
    /// The token that is used up.
    pub used: TokenHash,
    /// Its successor.
    pub next: &'a TokenRecord,
    /// From this and the token the successor follows.
    pub salt: &'a str,
    /// When it is made, by the wall clock.
    pub at: Timestamp,
    /// What the owner can look up.
    pub activity: &'a Activity,
}

/// Where sessions are stored.
pub trait Sessions: Send + Sync {
    /// A refresh token with its session, used or not, as of the last write.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn by_token(
        &self,
        token: RefreshToken,
    ) -> impl Future<Output = Result<Option<FoundToken>, Failure>> + Send;

    /// A session, as of the last write.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn by_id(
        &self,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<Session>, Failure>> + Send;

    /// Makes one try, within `deadline`, to exchange a token. It MUST be conditional on the token's
    /// being the session's newest, on the session's not being ended and on the account's being of the session's
    /// epoch: of any number of exchanges of one token at most one is stored, and none after all of
    /// the account's sessions were ended. A second try that finds the first stored MUST answer
    /// [`WriteTry::Done`].
    fn rotate(
        &self,
        rotation: &Rotation<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<ChangeCancelled>> + Send;

    /// Makes one try, within `deadline`, to end a session. One that has ended before is
    /// [`ChangeCancelled::Stale`], and no activity is stored; so is a try whose first landed
    /// unnoticed.
    fn end(
        &self,
        session: &Session,
        activity: &Activity,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<ChangeCancelled>> + Send;
}

/// What guesses are counted of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GuessTarget {
    /// An account's password, from sources that the account doesn't know.
    Account(AddressDigest),
    /// An account's password, from a source that it knows.
    AccountFrom(AddressDigest, Source),
    /// Nothing: it is counted of a source that an account knows where [`GuessTarget::Source`] is of
    /// others, so that a guess takes the same calls from both.
    KnownSource(AddressDigest, Source),
    /// Any account's password, from one source.
    Source(Source),
    /// A logged-in user's own password.
    Owner(UserId),
    /// Addresses that may be taken, from one source.
    Registration(Source),
}

impl GuessTarget {
    /// What kind of thing it is, for the log, which tells no digest of an address.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::AccountFrom(..) => "account from a known network",
            Self::KnownSource(..) => "known network",
            Self::Source(_) => "network",
            Self::Owner(_) => "owner",
            Self::Registration(_) => "registrations",
        }
    }
}

impl fmt::Display for GuessTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(address) => write!(f, "ACCOUNT#{address}"),
            Self::AccountFrom(address, source) => write!(f, "ACCOUNT#{address}#{source}"),
            Self::KnownSource(address, source) => write!(f, "SOURCE#{source}#{address}"),
            Self::Source(source) => write!(f, "SOURCE#{source}"),
            Self::Owner(user_id) => write!(f, "OWNER#{user_id}"),
            Self::Registration(source) => write!(f, "REGISTRATION#{source}"),
        }
    }
}

/// What became of a change of guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// They are stored.
    Done,
    /// Not what was expected was found, but this.
    Found(Option<Guesses>),
}

/// How often was guessed.
pub trait GuessRecords: Send + Sync {
    /// The guesses at a target, as of the last write.
    ///
    /// # Errors
    ///
    /// [`Failure`] if they couldn't be read.
    fn find(
        &self,
        target: GuessTarget,
    ) -> impl Future<Output = Result<Option<Guesses>, Failure>> + Send;

    /// Replaces the guesses at a target, if they are as expected. Of any number of replacements
    /// with one expectation at most one MUST be stored.
    ///
    /// # Errors
    ///
    /// [`Failure`] if they are not known to be stored; they may be.
    fn replace(
        &self,
        target: GuessTarget,
        expected: Option<Guesses>,
        new: Option<Guesses>,
    ) -> impl Future<Output = Result<Replaced, Failure>> + Send;
}

/// From where accounts were logged in to.
pub trait KnownSources: Send + Sync {
    /// Whether an account was logged in to from that source, not too long before `now`.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn knows(
        &self,
        address: AddressDigest,
        source: Source,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// Remembers a source until `expires_at`.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it is not known to be stored.
    fn remember(
        &self,
        address: AddressDigest,
        source: Source,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_ipv6_address_the_network_counts() {
        let source = |text: &str| Source::of(text.parse().unwrap()).to_string();
        assert_eq!(source("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(source("2001:db8:1:2:ffff::1"), "2001:db8:1:2::");
        assert_eq!(source("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(source("192.0.2.7"), "192.0.2.7");
    }
}
