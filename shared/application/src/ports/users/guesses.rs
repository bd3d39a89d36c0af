use std::fmt;
use std::future::Future;

use domain::account::Guesses;
use domain::identity::UserId;

use crate::outcome::Failure;
use crate::ports::{AddressDigest, Source};

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

/// The outcome of [`GuessRecords::replace`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuessUpdate {
    /// The new count is stored.
    Done,
    /// The stored count was not the expected one, but this.
    Found(Option<Guesses>),
}

/// Stores the counts of guesses, one for each target.
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
