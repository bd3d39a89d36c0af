//! An embedded DynamoDB through the real adapters: a server and tables of its own for each test.

use std::collections::BTreeMap;

use application::ports::{
    AccountRemoval, AccountRepository, Accounts, ActivityLog, ActivityReader, Catalog,
    DeadLetterReader, DeadLetterRemoval, DeadLetters, GuessRecords, Inbox, Inventory,
    KnownSourceRemoval, KnownSources, Notifications, Observations, OrderReader, OrderRepository,
    Outbox, OutboxReader, OverdueEvents, PendingEvents, PublishedKeys, Sessions, TransactionLedger,
    UnobservedEvents, UserRepository, VerificationKey, VerificationKeyStore,
};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::identity::{EventId, ProductId};
use domain::instant::Instant;
use domain::product::Product;
use dynamodb::administration::put_products;
use dynamodb::config::{CatalogTable, EventsTable, KeysTable, OrdersTable, TableName, UsersTable};
use dynamodb::{
    Client, DynamoAccounts, DynamoCatalog, DynamoDeadLetterReader, DynamoDeadLetterRemoval,
    DynamoDeadLetters, DynamoInbox, DynamoInventory, DynamoNotifications, DynamoObservations,
    DynamoOrderReader, DynamoOrderRepository, DynamoOutbox, DynamoOutboxReader,
    DynamoOverdueEvents, DynamoTransactionLedger, DynamoUnobservedEvents, DynamoUserRepository,
    DynamoVerificationKeys, keys,
};
use harness::table::{self, EmbeddedTable};
use harness::template::Template;
use platform::clock::SystemClock;
use testkit::contract::{TableFixture, moment};

struct Tables {
    client: Client,
    orders: OrdersTable,
    events: EventsTable,
    catalog: CatalogTable,
    users: UsersTable,
    keys: KeysTable,
    /// Serves for as long as the test.
    _server: EmbeddedTable,
}

async fn tables() -> Tables {
    let server = EmbeddedTable::start(0, None).await.unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");
    let overrides = BTreeMap::from([("RocketmqNamesrvAddr".to_owned(), "none:1".to_owned())]);
    let template = Template::load(path.as_ref(), "contract", &overrides).unwrap();
    table::create_tables(&table::client(&server.url()), &template.tables).await.unwrap();
    let named =
        |logical_id: &str| TableName::parse(&template.table(logical_id).unwrap().name).unwrap();
    Tables {
        client: dynamodb::connect_to(&server.url()),
        orders: OrdersTable::named(named("OrdersTable")),
        events: EventsTable::named(named("EventsTable")),
        catalog: CatalogTable::named(named("CatalogTable")),
        users: UsersTable::named(named("UsersTable")),
        keys: KeysTable::named(named("KeysTable")),
        _server: server,
    }
}

impl Tables {
    async fn item(
        &self,
        table: &TableName,
        key: String,
    ) -> Option<BTreeMap<String, AttributeValue>> {
        let get = self.client.get_item().table_name(table.as_str());
        let found = get.key("pk", AttributeValue::S(key)).consistent_read(true).send().await;
        found.unwrap().item.map(BTreeMap::from_iter)
    }
}

impl TableFixture for Tables {
    fn orders(&self) -> impl OrderRepository {
        DynamoOrderRepository::new(self.client.clone(), self.orders.clone(), self.events.clone())
    }

    fn reader(&self) -> impl OrderReader {
        DynamoOrderReader::new(self.client.clone(), self.orders.clone())
    }

    fn catalog(&self) -> impl Catalog {
        DynamoCatalog::new(self.client.clone(), self.catalog.clone(), SystemClock)
    }

    fn ledger(&self) -> impl TransactionLedger {
        DynamoTransactionLedger::new(self.client.clone(), self.events.clone())
    }

    fn outbox(&self) -> impl Outbox {
        DynamoOutbox::new(self.client.clone(), self.events.clone())
    }

    fn unobserved(&self) -> impl UnobservedEvents {
        DynamoUnobservedEvents::new(self.client.clone(), self.events.clone())
    }

    fn overdue(&self) -> impl OverdueEvents {
        DynamoOverdueEvents::new(self.client.clone(), self.events.clone())
    }

    fn inbox(&self) -> impl Inbox {
        DynamoInbox::new(self.client.clone(), self.events.clone())
    }

    fn observations(&self) -> impl Observations {
        DynamoObservations::new(self.client.clone(), self.events.clone())
    }

    fn inventory(&self) -> impl Inventory {
        DynamoInventory::new(
            self.client.clone(),
            self.orders.clone(),
            self.events.clone(),
            self.catalog.clone(),
        )
    }

    fn notifications(&self) -> impl Notifications {
        DynamoNotifications::new(self.client.clone(), self.orders.clone(), self.events.clone())
    }

    fn dead_letters(&self) -> impl DeadLetters {
        DynamoDeadLetters::new(self.client.clone(), self.events.clone())
    }

    fn letters(&self) -> impl DeadLetterReader {
        DynamoDeadLetterReader::new(self.client.clone(), self.events.clone())
    }

    fn removal(&self) -> impl DeadLetterRemoval {
        DynamoDeadLetterRemoval::new(self.client.clone(), self.events.clone())
    }

    fn outbox_reader(&self) -> impl OutboxReader {
        DynamoOutboxReader::new(self.client.clone(), self.events.clone())
    }

    fn pending(&self) -> impl PendingEvents {
        DynamoOutboxReader::new(self.client.clone(), self.events.clone())
    }

    fn users(&self) -> impl UserRepository {
        DynamoUserRepository::new(self.client.clone(), self.users.clone(), self.events.clone())
    }

    fn accounts(
        &self,
    ) -> impl Accounts
    + AccountRepository
    + AccountRemoval
    + Sessions
    + ActivityLog
    + ActivityReader
    + GuessRecords
    + KnownSources
    + KnownSourceRemoval {
        DynamoAccounts::new(self.client.clone(), self.users.clone())
    }

    async fn put_products(&self, products: &[Product]) {
        put_products(&self.client, &self.catalog, products).await.unwrap();
    }

    async fn stock_of(&self, product: ProductId) -> Option<u32> {
        let item = self.item(self.catalog.name(), keys::product(product)).await?;
        item["stock"].as_n().unwrap().parse().ok()
    }

    async fn expiry_of_copy(&self, event_id: EventId) -> Option<Instant> {
        let item = self.item(self.events.name(), keys::event(event_id)).await.unwrap();
        let expires_at: i64 = item.get("expires_at")?.as_n().unwrap().parse().unwrap();
        Some(Instant::from_millis(expires_at * 1_000))
    }
}

mod table_ports {
    testkit::table_contract!(crate::dynamodb_tables::tables);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_key_that_cannot_be_read_hides_no_other() {
    let tables = tables().await;
    let keys = DynamoVerificationKeys::new(tables.client.clone(), tables.keys.clone());
    let put = tables.client.put_item().table_name(tables.keys.name().as_str());
    let unreadable = keys::verification_key("unreadable");
    put.item("pk", AttributeValue::S(unreadable)).send().await.unwrap();
    let good = VerificationKey { kid: "good".to_owned(), public_key: [7; 32], retires_at: None };
    keys.put(&good).await.unwrap();
    assert_eq!(keys.all(moment(0)).await.unwrap(), [good]);
}
