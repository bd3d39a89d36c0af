use application::ports::AccountAtKey;
use domain::account::{Account, AccountRecord, EmailAddress, PasswordHash, RateUse};
use domain::aggregate::AggregateKey;
use domain::identity::{TransactionId, UserId};
use domain::pending::PendingEvents;
use domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{PendingAttributes, SCHEMA_VERSION, StampRecord, binary};
use crate::item::{CorruptRecord, Item, from_item};
use crate::keys;

/// The account that an address belongs to: `EMAIL#<address>`. It has no `Debug`, because it
/// contains personal data.
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
            pk: keys::email(account.email().key()),
            sk: keys::RECORD.to_owned(),
            schema_version: SCHEMA_VERSION,
            user_id: account.user_id().get(),
        }
    }
}

impl EmailItem {
    pub(crate) fn user_id(&self) -> Result<UserId, CorruptRecord> {
        UserId::new(self.user_id).map_err(CorruptRecord::because)
    }
}

/// An account: `USER#<user_id>` / `RECORD`. It has no `Debug`, because it contains personal data
/// and a password hash.
///
/// A deleted account keeps `user_id`, `version` and the attributes of its events, and has
/// `deletion`.
#[derive(Serialize, Deserialize)]
pub(crate) struct AccountItem {
    pk: String,
    sk: String,
    schema_version: u32,
    user_id: u64,
    /// The key of its address.
    email: String,
    /// The address as it was typed, if that differs from its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    typed_email: Option<String>,
    /// Whether the address is confirmed; missing in items of older code.
    #[serde(default)]
    email_confirmed: bool,
    /// The address that the user asked for, as it was typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requested_email: Option<String>,
    password_hash: String,
    registration: StampRecord,
    session_epoch: u32,
    version: u32,
    /// When all logins are forgotten; missing in items of older code.
    #[serde(default)]
    logins_until_ms: i64,
    /// When all exchanges of refresh tokens are forgotten; missing in items of older code.
    #[serde(default)]
    exchanges_until_ms: i64,
    /// The attempt that wrote the item, by which a second try of that attempt recognises the first.
    #[serde(with = "binary")]
    attempt: [u8; 16],
}

/// A new account with its pending event.
#[derive(Serialize)]
pub(crate) struct NewAccountItem {
    #[serde(flatten)]
    account: AccountItem,
    #[serde(flatten)]
    pending: PendingAttributes,
}

impl NewAccountItem {
    /// The item of an account as an attempt writes it.
    pub(crate) fn new(account: &Account, attempt: TransactionId, pending: &PendingEvents) -> Self {
        let known = account.record();
        let (email, typed) = (known.email.key().as_str(), known.email.as_typed());
        let key = AggregateKey::Account { user_id: known.user_id };
        Self {
            account: AccountItem {
                pk: keys::user(known.user_id),
                sk: keys::RECORD.to_owned(),
                schema_version: SCHEMA_VERSION,
                user_id: known.user_id.get(),
                email: email.to_owned(),
                typed_email: (typed != email).then(|| typed.to_owned()),
                email_confirmed: known.email_confirmed,
                requested_email: known.requested_email.as_ref().map(|it| it.as_typed().to_owned()),
                password_hash: known.password_hash.as_phc().to_owned(),
                registration: StampRecord::new(&known.registration, known.registered_at),
                session_epoch: known.session_epoch,
                version: known.version,
                logins_until_ms: known.logins.moment().as_millis(),
                exchanges_until_ms: known.exchanges.moment().as_millis(),
                attempt: *attempt.as_uuid().as_bytes(),
            },
            pending: PendingAttributes::new(key, pending),
        }
    }
}

/// Whether an account is deleted, or otherwise which attempt wrote it last.
///
/// # Errors
///
/// [`CorruptRecord`] if the item is not an account.
pub(crate) fn account_at_key(item: Item) -> Result<AccountAtKey, CorruptRecord> {
    if is_deleted(&item) {
        return Ok(AccountAtKey::Deleted);
    }
    let attempt = item.get("attempt").and_then(|attempt| attempt.as_b().ok());
    let bytes = attempt.and_then(|attempt| <[u8; 16]>::try_from(attempt.as_ref()).ok());
    let bytes = bytes.ok_or_else(|| CorruptRecord::because("an attempt is not 16 bytes"))?;
    Ok(AccountAtKey::Live { attempt: TransactionId::new(Uuid::from_bytes(bytes)) })
}

/// An account; `None` if it is deleted.
///
/// # Errors
///
/// [`CorruptRecord`] if the item is not an account, or one that no account can be.
pub(crate) fn live_account(item: Item) -> Result<Option<Account>, CorruptRecord> {
    if is_deleted(&item) {
        return Ok(None);
    }
    let item: AccountItem = from_item(item)?;
    let typed = item.typed_email.as_ref().unwrap_or(&item.email);
    let email = EmailAddress::parse(typed).map_err(CorruptRecord::because)?;
    if email.key().as_str() != item.email {
        return Err(CorruptRecord::because("its address is another one than its key"));
    }
    let requested = item.requested_email.as_deref().map(EmailAddress::parse);
    let account = Account::rehydrate(AccountRecord {
        user_id: UserId::new(item.user_id).map_err(CorruptRecord::because)?,
        email,
        email_confirmed: item.email_confirmed,
        requested_email: requested.transpose().map_err(CorruptRecord::because)?,
        password_hash: PasswordHash::from_phc(item.password_hash),
        registered_at: item.registration.at(),
        registration: item.registration.into(),
        session_epoch: item.session_epoch,
        version: item.version,
        logins: rate_use(item.logins_until_ms),
        exchanges: rate_use(item.exchanges_until_ms),
    });
    account.map(Some).map_err(CorruptRecord::because)
}

const fn rate_use(until_ms: i64) -> RateUse {
    RateUse::forgotten_at(Timestamp::from_millis(until_ms))
}

fn is_deleted(item: &Item) -> bool {
    item.contains_key("deletion")
}
