//! Users: their accounts, sessions and activities, and how often somebody guesses.

pub(super) mod accounts;
pub(super) mod activities;
pub(super) mod guesses;
pub(super) mod registration;
pub(super) mod removal;
pub(super) mod sessions;
pub(super) mod sources;
pub(super) mod tokens;

use std::fmt;
use std::future::Future;

use crate::deadline::Deadline;
use crate::outcome::{ItemReason, WriteTry};
use crate::ports::{AccountAtKey, CancelledRegistration, NewSession, Registration};

/// Stores registrations and logins, each with its event.
///
/// Each write makes one try within `deadline`, and never a second one. A second call stores
/// nothing, and MUST report what it met of the first one: [`judging`](crate::users::judging)
/// recognises it.
pub trait UserRepository: Send + Sync {
    /// Stores a new account with its pending event, its address if no account has it, its activity,
    /// the activity's source as a known source ([`KnownSources`](sources::KnownSources)), and the
    /// request for a mail with its pending event.
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

/// What the cancelled write of a new session, or of a new request for a mail, met. A session always
/// comes with a change of the account, a request not always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelledAddition {
    /// The new item. Its condition fails if it is there already.
    pub added: ItemReason<()>,
    /// The account, if it changes. Its condition fails if it was changed or deleted meanwhile.
    pub account: ItemReason<AccountAtKey>,
}

fn hexadecimal(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
