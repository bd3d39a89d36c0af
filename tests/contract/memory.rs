//! The adapters in memory.

use application::ports::letters::DeadLetterMoves;
use application::ports::{
    Catalog, DeadLetterReader, DeadLetterRemoval, DeadLetters, Inbox, Inventory, Notifications,
    Observations, OrderReader, OrderRepository, Outbox, OutboxReader, OverdueEvents, PendingEvents,
    TransactionLedger, UnobservedEvents, UserRepository, VerificationKeyStore, VerificationKeys,
};
use domain::identity::{EventId, ProductId};
use domain::product::Product;
use domain::timestamp::Timestamp;
use testkit::broker::MemoryBroker;
use testkit::contract::{AccountStore, AggregateStore, Announced, ChannelFixture, TableFixture};
use testkit::secrets::MemoryKeys;
use testkit::tables::MemoryTables;

struct Tables(MemoryTables, MemoryKeys);

async fn tables() -> Tables {
    Tables(MemoryTables::default(), MemoryKeys::default())
}

impl TableFixture for Tables {
    fn aggregates(&self) -> impl AggregateStore {
        self.0.clone()
    }

    fn letter_moves(&self) -> impl DeadLetterMoves {
        self.0.clone()
    }

    fn orders(&self) -> impl OrderRepository {
        self.0.clone()
    }

    fn reader(&self) -> impl OrderReader {
        self.0.clone()
    }

    fn catalog(&self) -> impl Catalog {
        self.0.clone()
    }

    fn ledger(&self) -> impl TransactionLedger {
        self.0.clone()
    }

    fn outbox(&self) -> impl Outbox {
        self.0.clone()
    }

    fn unobserved(&self) -> impl UnobservedEvents {
        self.0.clone()
    }

    fn overdue(&self) -> impl OverdueEvents {
        self.0.clone()
    }

    fn inbox(&self) -> impl Inbox {
        self.0.clone()
    }

    fn observations(&self) -> impl Observations {
        self.0.clone()
    }

    fn inventory(&self) -> impl Inventory {
        self.0.clone()
    }

    fn notifications(&self) -> impl Notifications {
        self.0.clone()
    }

    fn dead_letters(&self) -> impl DeadLetters {
        self.0.clone()
    }

    fn letters(&self) -> impl DeadLetterReader {
        self.0.clone()
    }

    fn removal(&self) -> impl DeadLetterRemoval {
        self.0.clone()
    }

    fn outbox_reader(&self) -> impl OutboxReader {
        self.0.clone()
    }

    fn pending(&self) -> impl PendingEvents {
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

    async fn expiry_of_copy(&self, event_id: EventId) -> Option<Timestamp> {
        self.0.event(event_id).unwrap().expires_at
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

/// With tokio's clock paused: what takes half a minute in the real one takes no time.
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
