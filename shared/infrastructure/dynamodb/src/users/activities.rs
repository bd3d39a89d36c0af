//! Records and reads the activities of accounts.

use application::outcome::Failure;
use application::ports::{Activity, ActivityLog, ActivityOwner, ActivityReader, Page};
use domain::identity::{ActivityId, UserId};
use domain::timestamp::Timestamp;

use super::DynamoAccounts;
use crate::connect::{TRY_LIMIT, one_try};
use crate::error::failure;
use crate::expression::{names, values};
use crate::item::{CorruptRecord, Item, from_item, text, to_item};
use crate::keys;
use crate::records::ActivityItem;

const ACTIVITIES_OF_USER: &str = "#pk = :pk AND begins_with(#sk, :activities)";

impl ActivityLog for DynamoAccounts {
    async fn record(&self, owner: ActivityOwner, activity: &Activity) -> Result<(), Failure> {
        self.client
            .put_item()
            .table_name(self.users.as_str())
            .set_item(Some(to_item(&ActivityItem::new(owner, activity))?))
            .customize()
            .config_override(one_try(TRY_LIMIT))
            .send()
            .await
            .map(drop)
            .map_err(failure)
    }
}

impl ActivityReader for DynamoAccounts {
    async fn page(
        &self,
        user_id: UserId,
        before: Option<ActivityId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page<Activity, ActivityId>, Failure> {
        let start =
            before.map(|before| keys::compound(keys::user(user_id), keys::activity(before)));
        let found = self
            .client
            .query()
            .table_name(self.users.as_str())
            .consistent_read(true)
            .key_condition_expression(ACTIVITIES_OF_USER)
            .set_expression_attribute_names(names(&[ACTIVITIES_OF_USER]))
            .set_expression_attribute_values(values(vec![
                (":pk", text(keys::user(user_id))),
                (":activities", text(keys::ACTIVITIES)),
            ]))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(failure)?;
        let next = found.last_evaluated_key.as_ref().and_then(last_read);
        let mut page = Page { items: Vec::new(), unreadable: 0, next };
        for item in found.items.unwrap_or_default() {
            match live(item, now) {
                Ok(activity) => page.items.extend(activity),
                Err(error) => {
                    page.unreadable += 1;
                    tracing::warn!(%error, user_id = user_id.get(), "an activity is unreadable");
                }
            }
        }
        Ok(page)
    }
}

fn last_read(key: &Item) -> Option<ActivityId> {
    keys::activity_of(key.get("sk")?.as_s().ok()?)
}

/// An activity, unless it has expired: `DynamoDB` deletes late.
fn live(item: Item, now: Timestamp) -> Result<Option<Activity>, CorruptRecord> {
    let item: ActivityItem = from_item(item)?;
    if item.has_expired(now) { Ok(None) } else { Activity::try_from(item).map(Some) }
}
