use std::future::Future;

use domain::account::{Account, EmailAddress};
use domain::identity::{SessionId, TransactionId, UserId};

use crate::deadline::Deadline;
use crate::outcome::{Failure, ItemReason, WriteTry};
use crate::ports::{Activity, CancelledRegistration, NewSession, Registration};

/// Reads accounts, by address for a login and by user after it.
pub trait Accounts: Send + Sync {
    /// The account of an address, however the address is spelled, by a consistent read. It MUST
    /// make the same calls whether or not there is one, so that the time does not show whether
    /// there is (OWASP ASVS 5.0, 6.3.8).
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

/// A change of an account that raises no event.
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

/// What is stored of an account whose condition failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountAtKey {
    /// The account is in use, as this attempt left it.
    Live {
        /// The attempt that was the last to write the account.
        attempt: TransactionId,
    },
    /// The account is deleted; only its number and its events are left.
    Deleted,
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

/// What the cancelled write of a new session, or of a new request for a mail, met. A session always
/// comes with a change of the account, a request not always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelledAddition {
    /// The new item. Its condition fails if it is there already.
    pub added: ItemReason<()>,
    /// The account, if it changes. Its condition fails if it was changed or deleted meanwhile.
    pub account: ItemReason<AccountAtKey>,
}

/// Stores accounts: registrations and logins, each with its event, and other changes.
///
/// Each write makes one try within `deadline`, and never a second one. A second call stores
/// nothing, and MUST report what it met of the first one: [`judging`](crate::users::judging)
/// recognises it.
pub trait AccountRepository: Send + Sync {
    /// Stores a new account with its pending event, its address if no account has it, its activity,
    /// the activity's source as a known source ([`KnownSources`](crate::ports::KnownSources)),
    /// and the request for a mail with its pending event.
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

    /// Stores a change that raises no event. It MUST be conditional on the account's version before
    /// the change, and MUST NOT change the use of its exchanges. The kept session must exist and
    /// not be ended; it then belongs to the account's new epoch. A second call MUST report the
    /// account with the attempt of the first one.
    fn change(
        &self,
        change: &AccountChange<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<CancelledChange>> + Send;
}
