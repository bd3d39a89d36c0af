use application::ports::VerificationKey;
use domain::identity::UserId;
use domain::user::{Account, EmailAddress, PasswordHash};
use serde::{Deserialize, Serialize};

use super::{SCHEMA_VERSION, binary};
use crate::item::CorruptRecord;
use crate::keys;

/// Whose an address is: `EMAIL#<address>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EmailRecord {
    pk: String,
    schema_version: u32,
    user_id: u64,
}

impl From<&Account> for EmailRecord {
    fn from(account: &Account) -> Self {
        Self {
            pk: keys::email(&account.email),
            schema_version: SCHEMA_VERSION,
            user_id: account.user_id.get(),
        }
    }
}

impl EmailRecord {
    /// Whose.
    pub(crate) fn user_id(&self) -> Result<UserId, CorruptRecord> {
        UserId::new(self.user_id).map_err(CorruptRecord::because)
    }
}

/// A user: `USER#<user_id>`. It has no `Debug`: it holds personal data and a password's hash.
#[derive(Serialize, Deserialize)]
pub(crate) struct AccountRecord {
    pk: String,
    schema_version: u32,
    user_id: u64,
    email: String,
    password_hash: String,
}

impl From<&Account> for AccountRecord {
    fn from(account: &Account) -> Self {
        Self {
            pk: keys::user(account.user_id),
            schema_version: SCHEMA_VERSION,
            user_id: account.user_id.get(),
            email: account.email.as_str().to_owned(),
            password_hash: account.password_hash.as_phc().to_owned(),
        }
    }
}

impl TryFrom<AccountRecord> for Account {
    type Error = CorruptRecord;

    fn try_from(record: AccountRecord) -> Result<Self, CorruptRecord> {
        Ok(Self {
            user_id: UserId::new(record.user_id).map_err(CorruptRecord::because)?,
            email: EmailAddress::parse(&record.email).map_err(CorruptRecord::because)?,
            password_hash: PasswordHash::from_phc(record.password_hash),
        })
    }
}

/// A public key: `KEY#<kid>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VerificationKeyRecord {
    pk: String,
    schema_version: u32,
    kid: String,
    /// The 32 bytes of an Ed25519 public key, as a binary attribute.
    #[serde(with = "binary")]
    public_key: [u8; 32],
}

impl From<&VerificationKey> for VerificationKeyRecord {
    fn from(key: &VerificationKey) -> Self {
        Self {
            pk: keys::verification_key(&key.kid),
            schema_version: SCHEMA_VERSION,
            kid: key.kid.clone(),
            public_key: key.public_key,
        }
    }
}

impl From<VerificationKeyRecord> for VerificationKey {
    fn from(record: VerificationKeyRecord) -> Self {
        Self { kid: record.kid, public_key: record.public_key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{from_item, to_item};

    #[test]
    fn a_public_key_is_a_binary_attribute_and_comes_back() {
        let key = VerificationKey { kid: "2026-01".to_owned(), public_key: [7; 32] };
        let item = to_item(&VerificationKeyRecord::from(&key)).unwrap();
        assert_eq!(item["public_key"].as_b().unwrap().as_ref(), [7; 32]);
        let read: VerificationKeyRecord = from_item(item).unwrap();
        assert_eq!(VerificationKey::from(read), key);
    }
}
