use domain::identity::{TransactionId, UserId};
use domain::timestamp::Timestamp;
use domain::user::{Account, AccountRecord, EmailAddress, PasswordHash};
use serde::{Deserialize, Serialize};

use super::SCHEMA_VERSION;
use crate::item::CorruptRecord;
use crate::keys;

/// Whose an address is: `EMAIL#<address>`. It has no `Debug`: it holds personal data.
#[derive(Serialize, Deserialize)]
pub(crate) struct EmailItem {
    pk: String,
    sk: String,
    schema_version: u32,
    user_id: u64,
}

impl From<&Account> for EmailItem {
    fn from(account: &Account) -> Self {
        Self {
            pk: keys::email(account.email()),
            sk: keys::RECORD.to_owned(),
            schema_version: SCHEMA_VERSION,
            user_id: account.user_id().get(),
        }
    }
}

impl EmailItem {
    /// Whose.
    pub(crate) fn user_id(&self) -> Result<UserId, CorruptRecord> {
        UserId::new(self.user_id).map_err(CorruptRecord::because)
    }
}

/// A user: `USER#<user_id>`. It has no `Debug`: it holds personal data and a password's hash.
#[derive(Serialize, Deserialize)]
pub(crate) struct AccountItem {
    pk: String,
    sk: String,
    schema_version: u32,
    user_id: u64,
    email: String,
    password_hash: String,
    registered_at_ms: i64,
    session_epoch: u32,
    version: u32,
    /// Which attempt wrote it, by which a second try of that attempt recognises the first.
    attempt: String,
}

impl AccountItem {
    /// An account as an attempt writes it.
    pub(crate) fn new(account: &Account, attempt: TransactionId) -> Self {
        let known = account.record();
        Self {
            pk: keys::user(known.user_id),
            sk: keys::RECORD.to_owned(),
            schema_version: SCHEMA_VERSION,
            user_id: known.user_id.get(),
            email: known.email.as_str().to_owned(),
            password_hash: known.password_hash.as_phc().to_owned(),
            registered_at_ms: known.registered_at.as_millis(),
            session_epoch: known.session_epoch,
            version: known.version,
            attempt: attempt.to_string(),
        }
    }

    /// Which attempt wrote it.
    pub(crate) fn attempt(&self) -> Result<TransactionId, CorruptRecord> {
        self.attempt.parse().map_err(CorruptRecord::because)
    }
}

impl TryFrom<AccountItem> for Account {
    type Error = CorruptRecord;

    fn try_from(item: AccountItem) -> Result<Self, CorruptRecord> {
        Ok(Self::rehydrate(AccountRecord {
            user_id: UserId::new(item.user_id).map_err(CorruptRecord::because)?,
            email: EmailAddress::parse(&item.email).map_err(CorruptRecord::because)?,
            password_hash: PasswordHash::from_phc(item.password_hash),
            registered_at: Timestamp::from_millis(item.registered_at_ms),
            session_epoch: item.session_epoch,
            version: item.version,
        }))
    }
}
