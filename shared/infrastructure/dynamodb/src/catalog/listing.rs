//! Lists the products, page by page.

use application::outcome::Failure;
use application::ports::{Page, PageLimit, ProductListing};
use domain::identity::ProductId;
use domain::product::Product;

use super::DynamoCatalog;
use crate::error::failure;
use crate::item::{CorruptRecord, Item, from_item};
use crate::keys;
use crate::records::ProductRecord;

/// The order is that of the table's hash keys, which stays the same.
impl ProductListing for DynamoCatalog {
    async fn page(
        &self,
        after: Option<ProductId>,
        limit: PageLimit,
    ) -> Result<Page<Product, ProductId>, Failure> {
        let found = self
            .client
            .scan()
            .table_name(self.table.as_str())
            .limit(i32::from(limit.get()))
            .set_exclusive_start_key(after.map(|after| keys::simple(keys::product(after))))
            .send()
            .await
            .map_err(failure)?;
        let next = found.last_evaluated_key.as_ref().map(product_of).transpose()?;
        let mut page = Page { items: Vec::new(), unreadable: 0, next };
        for item in found.items.unwrap_or_default() {
            match from_item::<ProductRecord>(item).and_then(ProductRecord::product) {
                Ok(product) => page.items.push(product),
                Err(error) => {
                    page.unreadable += 1;
                    tracing::error!(%error, "a product is unreadable");
                }
            }
        }
        Ok(page)
    }
}

fn product_of(key: &Item) -> Result<ProductId, CorruptRecord> {
    let id = key.get("pk").and_then(|pk| keys::product_of(pk.as_s().ok()?));
    id.ok_or_else(|| CorruptRecord::because("it is not a key of the catalog"))
}
