use domain::account::{Account, UserEvent};
use domain::identity::UserId;
use domain::pending::PendingEvent;
use domain::timestamp::Timestamp;

use crate::outcome::ItemReason;
use crate::ports::mail::NewMail;
use crate::ports::{AccountAtKey, Activity};

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

/// What a cancelled registration met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelledRegistration {
    /// The new account. Its condition fails if there is one with its number.
    pub account: ItemReason<AccountAtKey>,
    /// The address. Its condition fails if it belongs to an account; what was found is that
    /// account's user.
    pub address: ItemReason<UserId>,
}
