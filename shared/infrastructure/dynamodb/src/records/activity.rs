use std::net::IpAddr;

use application::lifetimes;
use application::ports::{Activity, ActivityOwner, Source};
use domain::account::ActivityKind;
use domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::SCHEMA_VERSION;
use crate::item::CorruptRecord;
use crate::keys;

/// An activity: `ACTIVITY#<activity_id>` in its user's partition, or in that of an address without
/// an account.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ActivityItem {
    pk: String,
    sk: String,
    schema_version: u32,
    activity_id: String,
    kind: String,
    at_ms: i64,
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    expires_at: i64,
}

impl ActivityItem {
    pub(crate) fn new(owner: ActivityOwner, activity: &Activity) -> Self {
        let kept_for = match owner {
            ActivityOwner::User(_) => lifetimes::ACTIVITY,
            ActivityOwner::UnknownAddress(_) => lifetimes::UNKNOWN_ADDRESS_ACTIVITY,
        };
        Self {
            pk: keys::activities_of(owner),
            sk: keys::activity(activity.id),
            schema_version: SCHEMA_VERSION,
            activity_id: activity.id.to_string(),
            kind: activity.kind.as_str().to_owned(),
            at_ms: activity.at.as_millis(),
            source: activity.source.to_string(),
            session_id: activity.session.map(|session| session.to_string()),
            expires_at: activity.at.plus(kept_for).as_secs(),
        }
    }

    /// Whether it has expired, though the table has not deleted it yet.
    pub(crate) const fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now.as_secs()
    }
}

impl TryFrom<ActivityItem> for Activity {
    type Error = CorruptRecord;

    fn try_from(item: ActivityItem) -> Result<Self, CorruptRecord> {
        let address: IpAddr = item.source.parse().map_err(CorruptRecord::because)?;
        Ok(Self {
            id: item.activity_id.parse().map_err(CorruptRecord::because)?,
            kind: ActivityKind::from_name(&item.kind)
                .ok_or_else(|| CorruptRecord::because("an activity's kind is unknown"))?,
            at: Timestamp::from_millis(item.at_ms),
            source: Source::of(address),
            session: item
                .session_id
                .map(|text| text.parse().map_err(CorruptRecord::because))
                .transpose()?,
        })
    }
}
