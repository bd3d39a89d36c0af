//! The adapters in memory.

use application::ports::stock::StockReturns;
use application::ports::{
    Catalog, DeadLetterMoves, DeadLetterReader, DeadLetterRemoval, OrderListing, ProductListing,
    VerificationKeyStore, VerificationKeys,
};
use domain::aggregate::AggregateKey;
use domain::identity::ProductId;
use domain::product::Product;
use domain::timestamp::Timestamp;

use super::{AccountStore, AggregateReads, AggregateStore, OrderKeyStore, TableFixture};
use crate::secrets::MemoryKeys;
use crate::tables::MemoryTables;

#[derive(Debug, Clone, Default)]
pub struct MemoryFixture {
    tables: MemoryTables,
    keys: MemoryKeys,
}

impl TableFixture for MemoryFixture {
    fn order_keys(&self) -> impl OrderKeyStore {
        self.tables.clone()
    }

    fn aggregates(&self) -> impl AggregateStore {
        self.tables.clone()
    }

    fn stock_returns(&self) -> impl StockReturns {
        self.tables.clone()
    }

    fn aggregate_reads(&self) -> impl AggregateReads {
        self.tables.clone()
    }

    fn letter_moves(&self) -> impl DeadLetterMoves {
        self.tables.clone()
    }

    fn catalog(&self) -> impl Catalog {
        self.tables.clone()
    }

    fn order_listing(&self) -> impl OrderListing {
        self.tables.clone()
    }

    fn product_listing(&self) -> impl ProductListing {
        self.tables.clone()
    }

    fn letters(&self) -> impl DeadLetterReader {
        self.tables.clone()
    }

    fn removal(&self) -> impl DeadLetterRemoval {
        self.tables.clone()
    }

    fn accounts(&self) -> impl AccountStore {
        self.tables.clone()
    }

    fn keys(&self) -> impl VerificationKeyStore + VerificationKeys {
        self.keys.clone()
    }

    async fn put_products(&self, products: &[Product]) {
        for product in products {
            self.tables.put_product(product.clone());
        }
    }

    async fn put_product_keeping_stock(&self, product: &Product) {
        let stock = self.tables.stock_of(product.id).unwrap_or(product.stock);
        self.tables.put_product(Product { stock, ..product.clone() });
    }

    async fn add_stock(&self, product: ProductId, units: u32) {
        let stored = self.tables.product(product).unwrap();
        self.tables.put_product(Product { stock: stored.stock + units, ..stored });
    }

    async fn stock_of(&self, product: ProductId) -> Option<u32> {
        self.tables.stock_of(product)
    }

    async fn expiry_of(&self, key: AggregateKey) -> Option<Timestamp> {
        self.tables.expiry_of(key)
    }
}
