//! Reads prices.

use std::collections::{BTreeSet, HashMap};

use application::outcome::Failure;
use application::ports::Catalog;
use domain::identity::ProductId;
use domain::money::Money;

use super::DynamoCatalog;
use crate::item::from_item;
use crate::keys;
use crate::reading::{BATCH_MAX, read_all};
use crate::records::ProductRecord;

impl Catalog for DynamoCatalog {
    async fn prices(&self, products: &[ProductId]) -> Result<HashMap<ProductId, Money>, Failure> {
        // `DynamoDB` refuses a call that names one key twice.
        let wanted: BTreeSet<ProductId> = products.iter().copied().collect();
        let wanted = Vec::from_iter(wanted);
        let mut prices = HashMap::with_capacity(wanted.len());
        for batch in wanted.chunks(BATCH_MAX) {
            let keys = batch.iter().map(|id| keys::simple(keys::product(*id))).collect();
            for item in read_all(&self.client, self.table.as_str(), keys).await? {
                let (id, price) = from_item::<ProductRecord>(item)?.price()?;
                prices.insert(id, price);
            }
        }
        Ok(prices)
    }
}
