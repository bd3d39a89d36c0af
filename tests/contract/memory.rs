//! The adapters in memory.

use application::ports::letters::DeadLetterMoves;
use application::ports::listing::{OrderListing, ProductListing};
use application::ports::pending::StockReturns;
use application::ports::{
    Catalog, DeadLetterReader, DeadLetterRemoval, OrderReader, UserRepository,
    VerificationKeyStore, VerificationKeys,
};
use domain::aggregate::AggregateKey;
use domain::identity::ProductId;
use domain::product::Product;
use domain::timestamp::Timestamp;
use testkit::broker::MemoryBroker;
use testkit::contract::{
    AccountStore, AggregateReads, AggregateStore, Announced, ChannelFixture, OrderKeyStore,
    TableFixture,
};
use testkit::secrets::MemoryKeys;
use testkit::tables::MemoryTables;

struct Tables(MemoryTables, MemoryKeys);

async fn tables() -> Tables {
    Tables(MemoryTables::default(), MemoryKeys::default())
}

impl TableFixture for Tables {
    fn order_keys(&self) -> impl OrderKeyStore {
        self.0.clone()
    }

    fn aggregates(&self) -> impl AggregateStore {
        self.0.clone()
    }

    fn stock_returns(&self) -> impl StockReturns {
        self.0.clone()
    }

    fn aggregate_reads(&self) -> impl AggregateReads {
        self.0.clone()
    }

    fn letter_moves(&self) -> impl DeadLetterMoves {
        self.0.clone()
    }

    fn reader(&self) -> impl OrderReader {
        self.0.clone()
    }

    fn catalog(&self) -> impl Catalog {
        self.0.clone()
    }

    fn order_listing(&self) -> impl OrderListing {
        self.0.clone()
    }

    fn product_listing(&self) -> impl ProductListing {
        self.0.clone()
    }

    fn letters(&self) -> impl DeadLetterReader {
        self.0.clone()
    }

    fn removal(&self) -> impl DeadLetterRemoval {
        self.0.clone()
    }

    fn users(&self) -> impl UserRepository {
        self.0.clone()
    }

    fn accounts(&self) -> impl AccountStore {
        self.0.clone()
    }

    fn keys(&self) -> impl VerificationKeyStore + VerificationKeys {
        self.1.clone()
    }

    async fn put_products(&self, products: &[Product]) {
        for product in products {
            self.0.put_product(product.clone());
        }
    }

    async fn stock_of(&self, product: ProductId) -> Option<u32> {
        self.0.stock_of(product)
    }

    async fn expiry_of(&self, key: AggregateKey) -> Option<Timestamp> {
        self.0.expiry_of(key)
    }
}

mod table_ports {
    testkit::table_contract!(crate::memory::tables);
}

struct Channel(MemoryBroker);

async fn channel() -> Channel {
    Channel(MemoryBroker::default())
}

impl ChannelFixture for Channel {
    type Publisher = MemoryBroker;
    type Subscription = MemoryBroker;
    type DeadLetters = MemoryBroker;

    fn publisher(&self) -> &MemoryBroker {
        &self.0
    }

    fn subscription(&self) -> &MemoryBroker {
        &self.0
    }

    fn dead_letters(&self) -> &MemoryBroker {
        &self.0
    }

    async fn announced(&self) -> Vec<Announced> {
        self.0.announced().iter().map(Announced::from).collect()
    }
}

/// Runs a test with tokio's clock paused: half a minute on the real channel takes no time here.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        tokio::time::pause();
        test.await;
    });
}

mod channel_ports {
    testkit::channel_contract!(crate::memory::channel, crate::memory::run);
}
