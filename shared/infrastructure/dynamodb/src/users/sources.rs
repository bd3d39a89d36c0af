//! The networks that accounts know.

use application::outcome::Failure;
use application::ports::{AddressDigest, KnownSources, Source};
use domain::timestamp::Timestamp;

use super::DynamoAccounts;
use crate::connect::{TRY_LIMIT, one_try};
use crate::error::failure;
use crate::item::to_item;
use crate::keys;
use crate::reading::get;
use crate::records::KnownSourceItem;

impl KnownSources for DynamoAccounts {
    async fn knows(
        &self,
        address: AddressDigest,
        source: Source,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let key = keys::compound(keys::sources_of(address), keys::source(source));
        let found: Option<KnownSourceItem> = get(&self.client, self.users.as_str(), key).await?;
        Ok(found.is_some_and(|known| known.is_known(now)))
    }

    async fn remember(
        &self,
        address: AddressDigest,
        source: Source,
        expires_at: Timestamp,
    ) -> Result<(), Failure> {
        self.client
            .put_item()
            .table_name(self.users.as_str())
            .set_item(Some(to_item(&KnownSourceItem::new(address, source, expires_at))?))
            .customize()
            .config_override(one_try(TRY_LIMIT))
            .send()
            .await
            .map(drop)
            .map_err(failure)
    }
}
