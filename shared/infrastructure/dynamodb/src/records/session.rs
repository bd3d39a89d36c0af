use application::ports::{Exchange, NewSession, TokenHash};
use domain::account::{Session, SessionRecord};
use domain::aggregate::AggregateKey;
use domain::identity::UserId;
use domain::pending::PendingEvents;
use domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::{PendingAttributes, SCHEMA_VERSION, StampRecord};
use crate::item::CorruptRecord;
use crate::keys;

/// A session with its newest refresh token: `SESSION#<session_id>` / `RECORD`.
///
/// The table deletes the item by `expires_at`, which the item does not have while its event is
/// pending.
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
    /// The hash of the newest token, which was not exchanged yet.
    token: String,
    token_expires_at_ms: i64,
    /// The hash of the token that was exchanged for the newest one, if there was an exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exchanged_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exchange_salt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exchanged_at_ms: Option<i64>,
    /// The stamp of the login's event.
    login: StampRecord,
    /// The account's version after the login.
    account_version: u32,
}

/// A new session with its pending event.
#[derive(Serialize)]
pub(crate) struct NewSessionItem {
    #[serde(flatten)]
    session: SessionItem,
    #[serde(flatten)]
    pending: PendingAttributes,
}

impl From<&NewSession<'_>> for NewSessionItem {
    fn from(login: &NewSession<'_>) -> Self {
        let NewSession { session, event, pending, token, .. } = login;
        let key = AggregateKey::Session { session_id: session.id() };
        let pending = PendingEvents::one(event.stamp.event_id, (*pending).clone());
        Self {
            session: SessionItem {
                pk: keys::session(session.id()),
                sk: keys::RECORD.to_owned(),
                schema_version: SCHEMA_VERSION,
                session_id: session.id().to_string(),
                user_id: session.user_id().get(),
                epoch: session.epoch(),
                ends_at_ms: session.ends_at().as_millis(),
                ended: session.has_ended(),
                token: token.hash.to_string(),
                token_expires_at_ms: token.expires_at.as_millis(),
                exchanged_token: None,
                exchange_salt: None,
                exchanged_at_ms: None,
                login: StampRecord::new(&event.stamp, event.at),
                account_version: event.aggregate_version,
            },
            pending: PendingAttributes::new(key, &pending),
        }
    }
}

impl SessionItem {
    /// The session's newest token.
    ///
    /// # Errors
    ///
    /// [`CorruptRecord`] if it is no hash.
    pub(crate) fn token(&self) -> Result<TokenHash, CorruptRecord> {
        let token = TokenHash::from_hexadecimal(&self.token);
        token.ok_or_else(|| CorruptRecord::because("a token is no hash"))
    }

    /// Whether a token is the session's newest one.
    pub(crate) fn has_token(&self, token: TokenHash) -> bool {
        self.token == token.to_string()
    }

    /// The exchange of a token for the newest one, if there was one.
    pub(crate) fn exchange_of(&self, token: TokenHash) -> Option<Exchange> {
        let was_exchanged = self.exchanged_token.as_deref() == Some(token.to_string().as_str());
        let (salt, at) = (self.exchange_salt.clone()?, self.exchanged_at_ms?);
        was_exchanged.then(|| Exchange { salt, at: Timestamp::from_millis(at) })
    }

    pub(crate) const fn token_expires_at(&self) -> Timestamp {
        Timestamp::from_millis(self.token_expires_at_ms)
    }
}

impl TryFrom<SessionItem> for Session {
    type Error = CorruptRecord;

    fn try_from(item: SessionItem) -> Result<Self, CorruptRecord> {
        Ok(Self::rehydrate(SessionRecord {
            id: item.session_id.parse().map_err(CorruptRecord::because)?,
            user_id: UserId::new(item.user_id).map_err(CorruptRecord::because)?,
            epoch: item.epoch,
            ends_at: Timestamp::from_millis(item.ends_at_ms),
            ended: item.ended,
        }))
    }
}

/// A refresh token that was exchanged: `TOKEN#<hash>` / `RECORD`. It is kept until its session
/// ends, so that its second use is noticed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UsedTokenItem {
    pk: String,
    sk: String,
    schema_version: u32,
    expires_at: i64,
}

impl UsedTokenItem {
    /// The item of a used token of a session.
    pub(crate) fn new(session: &Session, token: TokenHash) -> Self {
        Self {
            pk: keys::refresh_token(token),
            sk: keys::RECORD.to_owned(),
            schema_version: SCHEMA_VERSION,
            expires_at: session.ends_at().as_secs(),
        }
    }
}
