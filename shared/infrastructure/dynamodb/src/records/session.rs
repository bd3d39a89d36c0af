use application::ports::{TokenHash, TokenRecord};
use domain::identity::{SessionId, UserId};
use domain::timestamp::Timestamp;
use domain::user::Session;
use serde::{Deserialize, Serialize};

use super::SCHEMA_VERSION;
use crate::item::CorruptRecord;
use crate::keys;

/// A session: `SESSION#<session_id>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SessionItem {
    pk: String,
    sk: String,
    schema_version: u32,
    session_id: String,
    user_id: u64,
    epoch: u32,
    ends_at_ms: i64,
    ended: bool,
    expires_at: i64,
}

impl From<&Session> for SessionItem {
    fn from(session: &Session) -> Self {
        Self {
            pk: keys::session(session.id),
            sk: keys::RECORD.to_owned(),
            schema_version: SCHEMA_VERSION,
            session_id: session.id.to_string(),
            user_id: session.user_id.get(),
            epoch: session.epoch,
            ends_at_ms: session.ends_at.as_millis(),
            ended: session.ended,
            expires_at: session.ends_at.as_secs(),
        }
    }
}

impl TryFrom<SessionItem> for Session {
    type Error = CorruptRecord;

    fn try_from(item: SessionItem) -> Result<Self, CorruptRecord> {
        Ok(Self {
            id: item.session_id.parse().map_err(CorruptRecord::because)?,
            user_id: UserId::new(item.user_id).map_err(CorruptRecord::because)?,
            epoch: item.epoch,
            ends_at: Timestamp::from_millis(item.ends_at_ms),
            ended: item.ended,
        })
    }
}

/// A refresh token: `TOKEN#<hash>`. A used one is kept until its session ends, so that its second
/// use is noticed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RefreshTokenItem {
    pk: String,
    sk: String,
    schema_version: u32,
    session_id: String,
    expires_at_ms: i64,
    /// The hash of the token that it was exchanged for; there once it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    successor: Option<String>,
    expires_at: i64,
}

impl RefreshTokenItem {
    /// A session's new token.
    pub(crate) fn new(session: &Session, token: &TokenRecord) -> Self {
        Self {
            pk: keys::refresh_token(token.hash),
            sk: keys::RECORD.to_owned(),
            schema_version: SCHEMA_VERSION,
            session_id: session.id.to_string(),
            expires_at_ms: token.expires_at.as_millis(),
            successor: None,
            expires_at: session.ends_at.as_secs(),
        }
    }

    /// Its session.
    pub(crate) fn session_id(&self) -> Result<SessionId, CorruptRecord> {
        self.session_id.parse().map_err(CorruptRecord::because)
    }

    /// Until when it is good.
    pub(crate) const fn good_until(&self) -> Timestamp {
        Timestamp::from_millis(self.expires_at_ms)
    }

    /// Whether it was used.
    pub(crate) const fn is_used(&self) -> bool {
        self.successor.is_some()
    }

    /// Whether it was exchanged for this one.
    pub(crate) fn was_exchanged_for(&self, token: TokenHash) -> bool {
        self.successor.as_ref().is_some_and(|successor| *successor == token.to_string())
    }
}
