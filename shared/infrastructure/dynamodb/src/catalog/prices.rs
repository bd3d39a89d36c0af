//! Reads prices, and remembers them for a minute.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use application::outcome::Failure;
use application::ports::{Catalog, Clock};
use aws_sdk_dynamodb::Client;
use domain::identity::ProductId;
use domain::money::Money;
use domain::timestamp::Timestamp;

use crate::config::CatalogTable;
use crate::item::from_item;
use crate::keys;
use crate::reading::{BATCH_MAX, read_all};
use crate::records::ProductRecord;

/// How long a price is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How many prices are remembered: about a megabyte.
const REMEMBERED_MAX: usize = 10_000;

/// Reads prices and remembers them for a minute. A product that was not found is read again each
/// time.
#[derive(Debug)]
pub struct DynamoCatalog<Time> {
    client: Client,
    table: CatalogTable,
    clock: Time,
    remembered: Mutex<HashMap<ProductId, (Money, Timestamp)>>,
}

impl<Time: Clock> DynamoCatalog<Time> {
    /// Reads from this table.
    pub fn new(client: Client, table: CatalogTable, clock: Time) -> Self {
        Self { client, table, clock, remembered: Mutex::default() }
    }

    /// The remembered prices of products. Prices that were read after `now` do not count: the clock
    /// was set back.
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
}

impl<Time: Clock> Catalog for DynamoCatalog<Time> {
    async fn prices(&self, products: &[ProductId]) -> Result<HashMap<ProductId, Money>, Failure> {
        let now = self.clock.now();
        // `DynamoDB` refuses a call that names one key twice.
        let wanted: BTreeSet<ProductId> = products.iter().copied().collect();
        let mut prices = self.recall(&wanted, now);
        let unread: Vec<_> = wanted.into_iter().filter(|id| !prices.contains_key(id)).collect();
        let mut read = HashMap::with_capacity(unread.len());
        for batch in unread.chunks(BATCH_MAX) {
            let keys = batch.iter().map(|id| keys::simple(keys::product(*id))).collect();
            for item in read_all(&self.client, self.table.as_str(), keys).await? {
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
