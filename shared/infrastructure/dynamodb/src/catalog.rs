//! Prices, remembered for a minute.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use application::outcome::{Failure, FailureClass};
use application::ports::{Catalog, Clock};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use domain::identity::ProductId;
use domain::money::Money;
use domain::timestamp::Timestamp;

use crate::config::CatalogTable;
use crate::error::{failure, incomplete};
use crate::item::{Item, from_item};
use crate::keys;
use crate::records::ProductRecord;

/// How long a price is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How many prices are remembered: about a megabyte.
const REMEMBERED_MAX: usize = 10_000;

/// The most keys of one call
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>).
const BATCH_MAX: usize = 100;

/// How often what a call left out is asked for.
const ROUNDS_MAX: u32 = 4;

/// The pause before what a call left out is asked for again; it doubles with each round.
const ROUND_PAUSE: Duration = Duration::from_millis(25);

/// Looks prices up and remembers them for a minute. What it doesn't find it asks for again each
/// time.
#[derive(Debug)]
pub struct DynamoCatalog<C> {
    client: Client,
    table: CatalogTable,
    clock: C,
    remembered: Mutex<HashMap<ProductId, (Money, Timestamp)>>,
}

impl<C: Clock> DynamoCatalog<C> {
    /// Reads from this table.
    pub fn new(client: Client, table: CatalogTable, clock: C) -> Self {
        Self { client, table, clock, remembered: Mutex::default() }
    }

    /// What is remembered of the products at `now`. A clock that was set back makes it forget.
    fn recall(&self, products: &BTreeSet<ProductId>, now: Timestamp) -> HashMap<ProductId, Money> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |read_at: Timestamp| read_at <= now && now < read_at.plus(REMEMBERED);
        products
            .iter()
            .filter_map(|id| remembered.get_key_value(id))
            .filter(|(_, (_, read_at))| fresh(*read_at))
            .map(|(id, (price, _))| (*id, *price))
            .collect()
    }

    fn remember(&self, prices: &HashMap<ProductId, Money>, now: Timestamp) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() + prices.len() > REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.extend(prices.iter().map(|(id, price)| (*id, (*price, now))));
    }

    /// Reads at most [`BATCH_MAX`] products, and what a call leaves out again.
    async fn read(&self, products: &[ProductId]) -> Result<Vec<Item>, Failure> {
        let mut found = Vec::with_capacity(products.len());
        let keys = products.iter().map(|id| keys::simple(keys::product(*id))).collect();
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .build()
            .map_err(incomplete)?;
        let mut wanted = HashMap::from([(self.table.name().to_string(), wanted)]);
        for round in 0..ROUNDS_MAX {
            let call = self.client.batch_get_item().set_request_items(Some(wanted));
            let answer = call.send().await.map_err(failure)?;
            found.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
            wanted = answer.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                return Ok(found);
            }
            tokio::time::sleep(ROUND_PAUSE * 2_u32.pow(round)).await;
        }
        Err(Failure::new(FailureClass::Throttled, "products were left unread"))
    }
}

impl<C: Clock> Catalog for DynamoCatalog<C> {
    async fn prices(&self, products: &[ProductId]) -> Result<HashMap<ProductId, Money>, Failure> {
        let now = self.clock.now();
        // `DynamoDB` refuses a call that names one key twice.
        let wanted: BTreeSet<ProductId> = products.iter().copied().collect();
        let mut prices = self.recall(&wanted, now);
        let unread: Vec<_> = wanted.into_iter().filter(|id| !prices.contains_key(id)).collect();
        let mut read = HashMap::with_capacity(unread.len());
        for batch in unread.chunks(BATCH_MAX) {
            for item in self.read(batch).await? {
                let (id, price) = from_item::<ProductRecord>(item)?.price()?;
                read.insert(id, price);
            }
        }
        self.remember(&read, now);
        prices.extend(read);
        Ok(prices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TableName;

    struct Midnight;

    impl Clock for Midnight {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }
    }

    #[test]
    fn a_price_is_remembered_for_a_minute_and_not_by_a_clock_that_was_set_back() {
        let config = aws_sdk_dynamodb::Config::builder().behavior_version_latest().build();
        let table = CatalogTable::named(TableName::parse("catalog").unwrap());
        let catalog = DynamoCatalog::new(Client::from_conf(config), table, Midnight);
        let product = ProductId::new(1).unwrap();
        let prices = HashMap::from([(product, Money::from_minor(2_500).unwrap())]);
        catalog.remember(&prices, Timestamp::from_millis(1_000_000));
        let recalled =
            |at_ms| catalog.recall(&BTreeSet::from([product]), Timestamp::from_millis(at_ms));
        for at_ms in [1_000_000, 1_059_999] {
            assert_eq!(recalled(at_ms), prices, "at {at_ms}");
        }
        for at_ms in [999_999, 1_060_000] {
            assert!(recalled(at_ms).is_empty(), "at {at_ms}");
        }
    }
}
