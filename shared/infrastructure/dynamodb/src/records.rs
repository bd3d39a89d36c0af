//! The attributes of each kind of item.
//!
//! Times are milliseconds since 1970 in attributes that end in `_ms`, except for `expires_at`,
//! which is `DynamoDB`'s time to live and therefore in seconds
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html>). Items
//! are deleted up to days later, so a reader that needs the exact time compares it itself.

mod account;
mod activity;
mod binary;
mod catalog;
mod dead_letter;
mod guesses;
mod mail;
mod open_units;
mod order_line;
mod pending;
mod session;
mod stored_order;
mod user_events;
mod verification_key;

pub(crate) use account::{EmailItem, NewAccountItem, account_at_key, live_account};
pub(crate) use activity::ActivityItem;
pub(crate) use catalog::ProductRecord;
pub(crate) use dead_letter::{DeadLetterRecord, DeadLetterSummaryRecord};
pub(crate) use guesses::{GuessesItem, KnownSourceItem};
pub(crate) use mail::{MailItem, NewMailItem, NobodysMailItem, purpose};
pub(crate) use open_units::OpenUnitsRecord;
pub(crate) use pending::PendingRecord;
pub(crate) use session::{NewSessionItem, SessionItem, UsedTokenItem};
pub(crate) use stored_order::{
    ChangeRecord, StoredOrderItem, at_key, is_order, since, stored_order,
};
pub(crate) use user_events::{
    PendingAttributes, StampRecord, account_events, mail_events, session_events,
};
pub(crate) use verification_key::VerificationKeyRecord;

/// The schema version of these items. It increases when code for the old version would misread the
/// new one.
pub(crate) const SCHEMA_VERSION: u32 = 1;
