use application::lifetimes;
use application::ports::mail::{NewMail, StoredMail};
use application::ports::{Activity, ActivityOwner, AddressDigest, TokenHash, TokenRecord};
use domain::account::{EmailAddress, MailPurpose, MailRequest};
use domain::aggregate::AggregateKey;
use domain::identity::{MailId, UserId};
use domain::pending::PendingEvents;
use domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::{PendingAttributes, SCHEMA_VERSION, StampRecord};
use crate::item::CorruptRecord;
use crate::keys;

/// A request for a mail: `MAIL#<mail_id>` / `RECORD`. It has no `Debug`, because it contains an
/// address.
///
/// The table deletes the item by `expires_at`, which the item does not have while its event is
/// pending.
#[derive(Serialize, Deserialize)]
pub(crate) struct MailItem {
    pk: String,
    sk: String,
    schema_version: u32,
    mail_id: String,
    user_id: u64,
    purpose: String,
    /// The address that the mail goes to, as it was typed.
    address: String,
    epoch: u32,
    /// The hash of the newest token, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_expires_at_ms: Option<i64>,
    /// Whether a token was used.
    used: bool,
    /// The stamp of its event.
    request: StampRecord,
    /// The account's version at the request.
    account_version: u32,
}

/// A new request with its pending event.
#[derive(Serialize)]
pub(crate) struct NewMailItem {
    #[serde(flatten)]
    mail: MailItem,
    #[serde(flatten)]
    pending: PendingAttributes,
}

impl From<&NewMail> for NewMailItem {
    fn from(new: &NewMail) -> Self {
        let NewMail { request, event, pending } = new;
        let key = AggregateKey::Mail { mail_id: request.id };
        let pending = PendingEvents::one(event.stamp.event_id, pending.clone());
        Self {
            mail: MailItem {
                pk: keys::mail(request.id),
                sk: keys::RECORD.to_owned(),
                schema_version: SCHEMA_VERSION,
                mail_id: request.id.to_string(),
                user_id: request.user_id.get(),
                purpose: request.purpose.as_str().to_owned(),
                address: request.address.as_typed().to_owned(),
                epoch: request.epoch,
                token: None,
                token_expires_at_ms: None,
                used: false,
                request: StampRecord::new(&event.stamp, event.at),
                account_version: event.aggregate_version,
            },
            pending: PendingAttributes::new(key, &pending),
        }
    }
}

impl TryFrom<MailItem> for StoredMail {
    type Error = CorruptRecord;

    fn try_from(item: MailItem) -> Result<Self, CorruptRecord> {
        let token = item.token.zip(item.token_expires_at_ms).map(|(hash, expires_at_ms)| {
            let hash = TokenHash::from_hexadecimal(&hash);
            let hash = hash.ok_or_else(|| CorruptRecord::because("a token is no hash"))?;
            Ok(TokenRecord { hash, expires_at: Timestamp::from_millis(expires_at_ms) })
        });
        Ok(Self {
            request: MailRequest {
                id: item.mail_id.parse().map_err(CorruptRecord::because)?,
                user_id: UserId::new(item.user_id).map_err(CorruptRecord::because)?,
                purpose: purpose(&item.purpose)?,
                address: EmailAddress::parse(&item.address).map_err(CorruptRecord::because)?,
                epoch: item.epoch,
                requested_at: item.request.at(),
            },
            token: token.transpose()?,
            used: item.used,
        })
    }
}

/// A purpose by its name.
///
/// # Errors
///
/// [`CorruptRecord`] if there is no such purpose.
pub(crate) fn purpose(name: &str) -> Result<MailPurpose, CorruptRecord> {
    MailPurpose::from_name(name).ok_or_else(|| CorruptRecord::because("a purpose is unknown"))
}

/// Somebody asked for a mail to an address without an account: `MAIL#<mail_id>` in the partition of
/// that address.
#[derive(Debug, Serialize)]
pub(crate) struct NobodysMailItem {
    pk: String,
    sk: String,
    schema_version: u32,
    expires_at: i64,
}

impl NobodysMailItem {
    pub(crate) fn new(mail: MailId, address: AddressDigest, activity: &Activity) -> Self {
        Self {
            pk: keys::activities_of(ActivityOwner::UnknownAddress(address)),
            sk: keys::mail(mail),
            schema_version: SCHEMA_VERSION,
            expires_at: activity.at.plus(lifetimes::UNKNOWN_ADDRESS_MAIL).as_secs(),
        }
    }
}
