use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use domain::account::{Account, ActivityKind, EmailAddress, Guesses, RateUse, Session, UserEvent};
use domain::identity::{ActivityId, SessionId, TransactionId, UserId};
use domain::pending::PendingEvent;
use domain::timestamp::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Page;
use super::mail::NewMail;
use crate::deadline::Deadline;
use crate::outcome::{Failure, ItemReason, WriteTry};

/// Reads accounts.
pub trait Accounts: Send + Sync {
    /// The account of an address, however the address is spelled, by a consistent read. It MUST make the same calls whether or not
    /// there is one, so that the time does not show which (OWASP ASVS 5.0, 6.3.8).
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn by_email(
        &self,
        email: &EmailAddress,
    ) -> impl Future<Output = Result<Option<Account>, Failure>> + Send;

    /// A user's account, by a consistent read.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn by_id(
        &self,
        user_id: UserId,
    ) -> impl Future<Output = Result<Option<Account>, Failure>> + Send;
}

/// The SHA-256 of an address, or of the text that was given instead of one. Text that is not an
/// account's address is stored only in this form: people type passwords into the wrong field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressDigest([u8; 32]);

impl AddressDigest {
    /// The digest of an address.
    pub fn of(email: &EmailAddress) -> Self {
        Self::of_text(email.key().as_str())
    }

    /// The digest of a text that is not an address.
    pub fn of_text(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }
}

impl fmt::Display for AddressDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal(&self.0, f)
    }
}

/// A refresh token: `<session_id>.<secret>`. It names its session, so that the session can be read
/// by its key. The secret has 256 random bits; the session's identifier is not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// The session that the token names.
    pub session: SessionId,
    /// The hash of the whole token.
    pub hash: TokenHash,
}

impl RefreshToken {
    /// A session's new token, as the client gets it.
    pub fn issued(session: SessionId, secret: &SecretString) -> SecretString {
        SecretString::from(format!("{session}.{}", secret.expose_secret()))
    }

    /// Reads a token from a text; `None` if the text can't be a token.
    pub fn read(text: &SecretString) -> Option<Self> {
        let text = text.expose_secret();
        let (session, _) = text.split_once('.')?;
        Some(Self { session: session.parse().ok()?, hash: TokenHash::of(text) })
    }
}

/// The SHA-256 of a refresh token or a mailed token, the only form in which it is stored. A token has
/// 256 random bits, so a fast hash is enough (OWASP ASVS 5.0, 11.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// The hash with these hexadecimal digits, as [`fmt::Display`] writes them; `None` if they are
    /// not one.
    pub fn from_hexadecimal(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let is_digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if text.len() != 2 * bytes.len() || !is_digits {
            return None;
        }
        for (position, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * position..2 * position + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Whether two hashes are the same, in a time that does not depend on where they differ.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
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
/// For an IPv6 address, it is the network of 64 bits, in which a client can choose its address
/// freely (RFC 4291, section 2.5.4). A client with a wider network, often of 48 or 56 bits (RFC
/// 6177), is as many sources as it has networks of 64 bits.
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

    /// The source of requests without an address. All of them count as one source.
    pub const UNKNOWN: Self = Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An activity of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Its identifier, by which activities are sorted.
    pub id: ActivityId,
    /// What happened.
    pub kind: ActivityKind,
    /// When it happened.
    pub at: Timestamp,
    /// Where the request came from.
    pub source: Source,
    /// The session, if there was one.
    pub session: Option<SessionId>,
}

/// Whose activity it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivityOwner {
    /// The account of a user.
    User(UserId),
    /// No account: somebody tried an address without one. A record is written so that this takes
    /// the same time, and it expires soon.
    UnknownAddress(AddressDigest),
}

/// Records what accounts are used for.
pub trait ActivityLog: Send + Sync {
    /// Records an activity.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it is not recorded, or if that is unknown.
    fn record(
        &self,
        owner: ActivityOwner,
        activity: &Activity,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Lists what an account was used for.
pub trait ActivityReader: Send + Sync {
    /// A page of a user's activities, the newest first: the first page, or the one that begins
    /// after `before`. It MUST NOT contain activities that have expired at `now`.
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

/// The local transaction of a registration: all of it is stored, or nothing.
#[derive(Debug, Clone)]
pub struct Registration<'a> {
    /// The new account.
    pub account: &'a Account,
    /// Its `UserRegistered`, whose pending entry is `pending`.
    pub event: &'a UserEvent,
    /// The pending entry. Its `transaction_id` identifies the attempt.
    pub pending: &'a PendingEvent,
    /// The activity that the user can look up. Its source becomes a known source of the account.
    pub activity: &'a Activity,
    /// Until when the source is known.
    pub source_known_until: Timestamp,
    /// The request for the mail that confirms the address, if mails are sent.
    pub mail: Option<&'a NewMail>,
}

/// What is stored of an account whose condition failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountAtKey {
    /// The account is in use, as this attempt left it.
    Live {
        /// The attempt that was the last to write it.
        attempt: TransactionId,
    },
    /// Its number and its events are left.
    Deleted,
}

/// What a cancelled registration met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelledRegistration {
    /// The new account. Its condition fails if there is one with its number.
    pub account: ItemReason<AccountAtKey>,
    /// The address. Its condition fails if it belongs to an account: the one of this user.
    pub address: ItemReason<UserId>,
}

/// What the cancelled write of a new session, or of a new request for a mail, met. A change of the
/// account goes with it, for a request not always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelledAddition {
    /// The new item. Its condition fails if it is there already.
    pub added: ItemReason<()>,
    /// The account, if it changes. Its condition fails if it was changed or deleted meanwhile.
    pub account: ItemReason<AccountAtKey>,
}

/// What a cancelled change of an account met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelledChange {
    /// The account. Its condition fails if it was changed or deleted meanwhile.
    pub account: ItemReason<AccountAtKey>,
    /// Whether the condition of another item failed: of a session, a request for a mail, or an
    /// address.
    pub another_failed: bool,
}

/// What a cancelled exchange of a refresh token met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelledExchange {
    /// The session, with its newest token. Its condition fails if it has another newest token than
    /// the one that is exchanged, has ended, or is gone.
    pub session: ItemReason<TokenHash>,
    /// The account. Its condition fails if its epoch or the use of its exchanges is another one.
    pub account: ItemReason<()>,
}

/// A refresh token as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRecord {
    /// The hash of the token.
    pub hash: TokenHash,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// The local transaction of a login: all of it is stored, or nothing.
#[derive(Debug, Clone)]
pub struct NewSession<'a> {
    /// The account after the login. Its version is one higher than the stored version.
    pub account: &'a Account,
    /// The new session. Its `UserLoggedIn` is pending in it.
    pub session: &'a Session,
    /// Its `UserLoggedIn`, whose pending entry is `pending`.
    pub event: &'a UserEvent,
    /// The pending entry. Its `transaction_id` identifies the attempt.
    pub pending: &'a PendingEvent,
    /// The first refresh token, which is stored in the session.
    pub token: &'a TokenRecord,
    /// The activity that the user can look up.
    pub activity: &'a Activity,
}

/// A change of an account.
#[derive(Debug, Clone)]
pub struct AccountChange<'a> {
    /// The account after the change. Its version is one higher than the stored version.
    pub account: &'a Account,
    /// The attempt, by which a try that was stored unnoticed is recognised.
    pub attempt: TransactionId,
    /// A session that stays good after the change, if there is one.
    pub keep: Option<SessionId>,
    /// The activity that the user can look up.
    pub activity: &'a Activity,
}

/// Stores registrations and logins, each with its event.
///
/// Each write makes one try within `deadline`, and never a second one. A second call stores nothing,
/// and MUST report what it met of the first one: [`judging`](crate::users::judging) recognises it.
pub trait UserRepository: Send + Sync {
    /// Stores a new account with its pending event, its address if no account has it, its activity,
    /// the activity's source as a known source ([`KnownSources`]), and the request for a mail with
    /// its pending event.
    fn register(
        &self,
        registration: &Registration<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<CancelledRegistration>> + Send;

    /// Stores a login: the account after it, the session with its pending event, and the activity.
    /// It MUST be conditional on the account's version before the login, and MUST NOT change the
    /// pending events of the account nor the use of its exchanges.
    fn log_in(
        &self,
        login: &NewSession<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<CancelledAddition>> + Send;
}

/// Stores changes of accounts that raise no event.
pub trait AccountRepository: Send + Sync {
    /// Makes one try, within `deadline`, to store a change. It MUST be conditional on the account's
    /// version before the change, and MUST NOT change the use of its exchanges. The kept session
    /// must exist and not be ended; it then belongs to the account's new epoch. A second call
    /// stores nothing, and MUST report the account with the attempt of the first one.
    fn change(
        &self,
        change: &AccountChange<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<CancelledChange>> + Send;
}

/// Forgets known sources.
pub trait KnownSourceRemoval: Send + Sync {
    /// Forgets every known source of an account, except `keep` if there is one.
    ///
    /// # Errors
    ///
    /// [`Failure`] if some of them may still be known; the call may be repeated.
    fn forget_all_except(
        &self,
        account: &Account,
        keep: Option<Source>,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// The local transaction of a deletion: all of it is stored, or nothing.
#[derive(Debug, Clone)]
pub struct AccountDeletion<'a> {
    /// The account as it was read.
    pub account: &'a Account,
    /// Its `UserDeleted`, whose pending entry is `pending`.
    pub event: &'a UserEvent,
    /// The pending entry of `event`.
    pub pending: &'a PendingEvent,
}

/// Deletes accounts.
pub trait AccountRemoval: Send + Sync {
    /// Erases what is stored about a user outside the account: activities and known sources.
    ///
    /// # Errors
    ///
    /// [`Failure`] if something may not be erased; the call may be repeated.
    fn erase_traces(&self, account: &Account) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Makes one try, within `deadline`, to delete an account and its address. What stays contains
    /// no personal data: the user's number and the events, of which `UserDeleted` is pending. It
    /// MUST be conditional on the account's version. An account that is deleted already MUST be
    /// reported as [`AccountAtKey::Deleted`].
    fn delete(
        &self,
        deletion: &AccountDeletion<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<CancelledChange>> + Send;
}

/// A refresh token that was found, with its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundToken {
    /// It is the session's newest token.
    Newest {
        /// The session of the token.
        session: Session,
        /// When the token expires.
        expires_at: Timestamp,
    },
    /// It was exchanged for the session's newest token.
    Exchanged {
        /// The session of the token.
        session: Session,
        /// The exchange.
        exchange: Exchange,
    },
    /// It was exchanged earlier.
    Used {
        /// The session of the token.
        session: Session,
    },
}

impl FoundToken {
    /// The session of the token.
    pub const fn session(&self) -> &Session {
        match self {
            Self::Newest { session, .. }
            | Self::Exchanged { session, .. }
            | Self::Used { session } => session,
        }
    }
}

/// What is stored about a session's latest exchange, so that it can be answered again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The successor is computed from this and the exchanged token.
    pub salt: String,
    /// When it was made, by the wall clock of the process that made it. For a while after that it
    /// is answered again.
    pub at: Timestamp,
}

/// The exchange of a refresh token: all of it is stored, or nothing.
#[derive(Debug, Clone)]
pub struct Rotation<'a> {
    /// The session of both tokens.
    pub session: &'a Session,
    /// The token that is exchanged.
    pub used: TokenHash,
    /// The new token.
    pub next: &'a TokenRecord,
    /// The new token is computed from this and the exchanged token.
    pub salt: &'a str,
    /// When it is made, by the wall clock.
    pub at: Timestamp,
    /// The use of the account's exchanges before this one.
    pub uses_before: RateUse,
    /// The use of the account's exchanges with this one.
    pub uses: RateUse,
    /// The activity that the user can look up.
    pub activity: &'a Activity,
}

/// Reads and changes sessions.
pub trait Sessions: Send + Sync {
    /// A refresh token with its session, used or not, by a consistent read.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn by_token(
        &self,
        token: RefreshToken,
    ) -> impl Future<Output = Result<Option<FoundToken>, Failure>> + Send;

    /// A session, by a consistent read.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn by_id(
        &self,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<Session>, Failure>> + Send;

    /// Makes one try, within `deadline`, to exchange a token. It MUST store it only if the token is
    /// the session's newest, the session is not ended, the account has the session's epoch, and its
    /// exchanges are used as far as `uses_before`: of any number of exchanges of one token at most
    /// one is stored, none after all of the account's sessions were ended, and none that is not
    /// counted. It MUST NOT change the account otherwise. A second call stores nothing, and MUST
    /// report the session with the token of the first one.
    fn rotate(
        &self,
        rotation: &Rotation<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<CancelledExchange>> + Send;

    /// Makes one try, within `deadline`, to end a session. The condition of a session that has ended
    /// already, or is gone, MUST fail, and then no activity is stored.
    fn end(
        &self,
        session: &Session,
        activity: &Activity,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<ItemReason<()>>> + Send;
}

/// What guesses are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GuessTarget {
    /// The password of an account, from sources that the account doesn't know.
    Account(AddressDigest),
    /// The password of an account, from a source that it knows.
    AccountFrom(AddressDigest, Source),
    /// Guesses from a source that an account knows. This limits nothing: it is counted where
    /// [`GuessTarget::Source`] is counted for other sources, so that both make the same calls.
    KnownSource(AddressDigest, Source),
    /// The passwords of all accounts, from one source.
    Source(Source),
    /// The password of an account, by somebody who is logged in to it.
    Owner(UserId),
    /// Registrations from one source, which show whether an address has an account.
    Registration(Source),
    /// Mails that a user asks for who is logged in.
    Mail(UserId),
    /// Mails that confirm an address which an account is to get, from all users.
    MailTo(AddressDigest),
    /// Mails that reset the password of an account.
    ResetOf(AddressDigest),
    /// Mails that reset passwords, asked for from one source.
    ResetFrom(Source),
}

impl GuessTarget {
    /// The kind of target, for the log, which must not contain a digest of an address.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::AccountFrom(..) => "account from a known network",
            Self::KnownSource(..) => "known network",
            Self::Source(_) => "network",
            Self::Owner(_) => "owner",
            Self::Registration(_) => "registrations",
            Self::Mail(_) => "mails",
            Self::MailTo(_) => "mails to an address",
            Self::ResetOf(_) => "resets of an account",
            Self::ResetFrom(_) => "resets from a network",
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
            Self::Mail(user_id) => write!(f, "MAIL#{user_id}"),
            Self::MailTo(address) => write!(f, "MAIL_TO#{address}"),
            Self::ResetOf(address) => write!(f, "RESET#{address}"),
            Self::ResetFrom(source) => write!(f, "RESETS#{source}"),
        }
    }
}

/// The outcome of a change of guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuessUpdate {
    /// The new count is stored.
    Done,
    /// The stored count was not the expected one, but this.
    Found(Option<Guesses>),
}

/// Stores the counts of guesses.
pub trait GuessRecords: Send + Sync {
    /// The guesses at a target, by a consistent read.
    ///
    /// # Errors
    ///
    /// [`Failure`] if they couldn't be read.
    fn find(
        &self,
        target: GuessTarget,
    ) -> impl Future<Output = Result<Option<Guesses>, Failure>> + Send;

    /// Replaces the guesses at a target, if they are `expected`. Of any number of replacements with
    /// the same `expected` at most one MUST be stored.
    ///
    /// # Errors
    ///
    /// [`Failure`] if they are not stored, or if that is unknown.
    fn replace(
        &self,
        target: GuessTarget,
        expected: Option<Guesses>,
        new: Option<Guesses>,
    ) -> impl Future<Output = Result<GuessUpdate, Failure>> + Send;
}

/// Stores the sources from which accounts were logged in to.
pub trait KnownSources: Send + Sync {
    /// Whether an account knows a source: a login from it is still remembered at `now`.
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
    /// [`Failure`] if it is not stored, or if that is unknown.
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
    fn a_hash_is_read_from_its_digits() {
        let hash = TokenHash::of("token");
        assert_eq!(TokenHash::from_hexadecimal(&hash.to_string()), Some(hash));
        assert!(hash.is(&hash) && !hash.is(&TokenHash::of("another")));
        for text in ["", "00", &"g".repeat(64), &"+1".repeat(32), &"ü".repeat(32)] {
            assert_eq!(TokenHash::from_hexadecimal(text), None, "{text}");
        }
    }

    #[test]
    fn the_source_of_an_ipv6_address_is_its_network() {
        let source = |text: &str| Source::of(text.parse().unwrap()).to_string();
        assert_eq!(source("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(source("2001:db8:1:2:ffff::1"), "2001:db8:1:2::");
        assert_eq!(source("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(source("192.0.2.7"), "192.0.2.7");
    }
}
