use application::ports::VerificationKey;
use domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::{SCHEMA_VERSION, binary};
use crate::keys;

/// A public key: `KEY#<kid>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VerificationKeyRecord {
    pk: String,
    schema_version: u32,
    kid: String,
    /// The 32 bytes of an Ed25519 public key, as a binary attribute.
    #[serde(with = "binary")]
    public_key: [u8; 32],
    /// This attribute and `expires_at` exist once the key was replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retires_at_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

impl From<&VerificationKey> for VerificationKeyRecord {
    fn from(key: &VerificationKey) -> Self {
        Self {
            pk: keys::verification_key(&key.kid),
            schema_version: SCHEMA_VERSION,
            kid: key.kid.clone(),
            public_key: key.public_key,
            retires_at_ms: key.retires_at.map(Timestamp::as_millis),
            expires_at: key.retires_at.map(Timestamp::as_secs),
        }
    }
}

impl From<VerificationKeyRecord> for VerificationKey {
    fn from(record: VerificationKeyRecord) -> Self {
        Self {
            kid: record.kid,
            public_key: record.public_key,
            retires_at: record.retires_at_ms.map(Timestamp::from_millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{from_item, to_item};

    #[test]
    fn a_public_key_is_a_binary_attribute_and_is_read_as_it_was_stored() {
        for retires_at in [None, Some(Timestamp::from_millis(1_767_268_800_125))] {
            let key =
                VerificationKey { kid: "2026-01".to_owned(), public_key: [7; 32], retires_at };
            let item = to_item(&VerificationKeyRecord::from(&key)).unwrap();
            assert_eq!(item["public_key"].as_b().unwrap().as_ref(), [7; 32]);
            assert_eq!(item.contains_key("expires_at"), retires_at.is_some());
            let read: VerificationKeyRecord = from_item(item).unwrap();
            assert_eq!(VerificationKey::from(read), key);
        }
    }
}
