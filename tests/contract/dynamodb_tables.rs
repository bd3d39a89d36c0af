//! The real adapters over two emulators of DynamoDB. The embedded emulator has a server for each
//! test. Amazon's emulator, in which transactions conflict, has one server for all tests. Each test
//! has its own tables.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use application::ports::stock::StockReturns;
use application::ports::{
    Catalog, DeadLetterMoves, DeadLetterReader, DeadLetterRemoval, OrderListing, ProductListing,
    PublishedKeys, Tables as _, VerificationKey, VerificationKeyStore, VerificationKeys,
};
use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::aggregate::AggregateKey;
use domain::identity::ProductId;
use domain::product::Product;
use domain::timestamp::Timestamp;
use dynamodb::administration::{AddedStock, add_stock, put_product_keeping_stock, put_products};
use dynamodb::config::{
    CatalogTable, DeadLettersTable, KeysTable, OrdersTable, TableName, UsersTable,
};
use dynamodb::{
    CachedPrices, Client, DynamoAccounts, DynamoAggregates, DynamoCatalog, DynamoDeadLetters,
    DynamoOrders, DynamoTables, DynamoVerificationKeys, ProbedTable, keys,
};
use harness::system::SystemOptions;
use harness::table::{self, DynamodbLocal, EmbeddedTable};
use local_lambda::{Children, TableSpec, Template};
use platform::clock::SystemClock;
use tempfile::TempDir;
use testkit::contract::{
    AccountStore, AggregateReads, AggregateStore, OrderKeyStore, TableFixture, moment,
};
use tokio::sync::OnceCell;

pub(crate) struct Tables {
    pub(crate) client: Client,
    pub(crate) orders: OrdersTable,
    pub(crate) dead_letters: DeadLettersTable,
    pub(crate) catalog: CatalogTable,
    pub(crate) users: UsersTable,
    keys: KeysTable,
    /// Serves while the test runs.
    _server: Option<EmbeddedTable>,
}

pub(crate) async fn embedded() -> Tables {
    let server = EmbeddedTable::start(0, None).await.unwrap();
    let client = dynamodb::connect_to(&server.url());
    let tables = tables_of(client, &template().tables).await;
    Tables { _server: Some(server), ..tables }
}

/// The template's tables, created in a running table server.
pub(crate) async fn tables_over(url: &str) -> Tables {
    tables_of(dynamodb::connect_to(url), &template().tables).await
}

/// In Amazon's emulator, which ends with this process.
pub(crate) async fn amazon() -> Tables {
    struct Emulator {
        server: DynamodbLocal,
        _children: Children,
        _data: TempDir,
    }
    static EMULATOR: OnceCell<Emulator> = OnceCell::const_new();
    let start = || async {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let target = SystemOptions::isolated(root.as_ref()).unwrap().target;
        let (children, data) = (Children::new().unwrap(), tempfile::tempdir().unwrap());
        let server = DynamodbLocal::start(&target, data.path(), &children).await.unwrap();
        Emulator { server, _children: children, _data: data }
    };
    let url = EMULATOR.get_or_init(start).await.server.url();
    // A database for each access key: the suites use the same identifiers again and again, and a
    // database remembers the token of a transaction.
    static MADE: AtomicU64 = AtomicU64::new(0);
    let access_key = format!("test{}", MADE.fetch_add(1, Ordering::Relaxed));
    let credentials = Credentials::new(access_key, "local", None, None, "contract");
    let config = dynamodb::connect_to(&url).config().to_builder();
    let client = Client::from_conf(config.credentials_provider(credentials).build());
    // The suites' clock stands still at a time long ago, so items with a time to live would be
    // deleted.
    let mut tables = template().tables;
    tables.iter_mut().for_each(|table| table.ttl_attribute = None);
    tables_of(client, &tables).await
}

fn template() -> Template {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");
    let overrides = BTreeMap::from([("RocketmqNamesrvAddr".to_owned(), "none:1".to_owned())]);
    Template::load(path.as_ref(), "contract", &overrides).unwrap()
}

async fn tables_of(client: Client, specs: &[TableSpec]) -> Tables {
    table::create_tables(&client, specs).await.unwrap();
    let named = |logical_id: &str| {
        let spec = specs.iter().find(|spec| spec.logical_id == logical_id).unwrap();
        TableName::parse(&spec.name).unwrap()
    };
    Tables {
        client,
        orders: OrdersTable::named(named("OrdersTable")),
        dead_letters: DeadLettersTable::named(named("DeadLettersTable")),
        catalog: CatalogTable::named(named("CatalogTable")),
        users: UsersTable::named(named("UsersTable")),
        keys: KeysTable::named(named("KeysTable")),
        _server: None,
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
    fn order_keys(&self) -> impl OrderKeyStore {
        DynamoOrders::new(self.client.clone(), self.orders.clone())
    }

    fn aggregates(&self) -> impl AggregateStore {
        let (client, users) = (self.client.clone(), self.users.clone());
        DynamoAggregates::new(client, self.orders.clone(), users).with_stock(self.catalog.clone())
    }

    fn stock_returns(&self) -> impl StockReturns {
        DynamoOrders::new(self.client.clone(), self.orders.clone()).with_stock(self.catalog.clone())
    }

    fn aggregate_reads(&self) -> impl AggregateReads {
        DynamoAggregates::new(self.client.clone(), self.orders.clone(), self.users.clone())
    }

    fn letter_moves(&self) -> impl DeadLetterMoves {
        DynamoDeadLetters::new(self.client.clone(), self.dead_letters.clone())
            .with_aggregates(self.orders.clone(), self.users.clone())
    }

    fn catalog(&self) -> impl Catalog {
        let table = DynamoCatalog::new(self.client.clone(), self.catalog.clone());
        CachedPrices::new(table, SystemClock)
    }

    fn order_listing(&self) -> impl OrderListing {
        DynamoOrders::new(self.client.clone(), self.orders.clone())
    }

    fn product_listing(&self) -> impl ProductListing {
        DynamoCatalog::new(self.client.clone(), self.catalog.clone())
    }

    fn letters(&self) -> impl DeadLetterReader {
        DynamoDeadLetters::new(self.client.clone(), self.dead_letters.clone())
    }

    fn removal(&self) -> impl DeadLetterRemoval {
        DynamoDeadLetters::new(self.client.clone(), self.dead_letters.clone())
    }

    fn accounts(&self) -> impl AccountStore {
        DynamoAccounts::new(self.client.clone(), self.users.clone())
    }

    fn keys(&self) -> impl VerificationKeyStore + VerificationKeys {
        DynamoVerificationKeys::new(self.client.clone(), self.keys.clone())
    }

    async fn put_products(&self, products: &[Product]) {
        put_products(&self.client, &self.catalog, products).await.unwrap();
    }

    async fn put_product_keeping_stock(&self, product: &Product) {
        put_product_keeping_stock(&self.client, &self.catalog, product).await.unwrap();
    }

    async fn add_stock(&self, product: ProductId, units: u32) {
        let added = add_stock(&self.client, &self.catalog, product, units).await.unwrap();
        assert!(matches!(added, AddedStock::Added(_)), "{added:?}");
    }

    async fn stock_of(&self, product: ProductId) -> Option<u32> {
        let item = self.item(self.catalog.name(), keys::product(product)).await?;
        item["stock"].as_n().unwrap().parse().ok()
    }

    async fn expiry_of(&self, key: AggregateKey) -> Option<Timestamp> {
        let pk = AttributeValue::S(key.to_string());
        let get = self.client.get_item().table_name(self.users.name().as_str()).key("pk", pk);
        let get = get.key("sk", AttributeValue::S(keys::RECORD.to_owned())).consistent_read(true);
        let item = get.send().await.unwrap().item.unwrap();
        let expires_at: i64 = item.get("expires_at")?.as_n().unwrap().parse().unwrap();
        Some(Timestamp::from_millis(expires_at * 1_000))
    }
}

mod table_ports {
    testkit::table_contract!(crate::dynamodb_tables::embedded);
}

mod shop {
    use testkit::shop::{PartsShop, Windows, play, random_seed, try_plans};

    use super::Tables;

    /// How many plans, and of how many actions at most.
    #[derive(Clone, Copy)]
    struct Effort {
        plans: u32,
        actions_max: usize,
    }

    /// A plan takes one to two seconds of real time.
    const SHORT: Effort = Effort { plans: 3, actions_max: 14 };
    const LONG: Effort = Effort { plans: 40, actions_max: 28 };

    fn play_on<Made: Future<Output = Tables>>(
        tables: impl Fn() -> Made,
        seed: u64,
        effort: Effort,
    ) {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
        try_plans(seed, effort.plans, effort.actions_max, |actions| {
            runtime.block_on(async {
                let shop = PartsShop::open(tables().await, Windows::REAL).await;
                play(&shop, actions).await;
            });
        });
    }

    #[test]
    fn whatever_happens_in_the_shop_its_books_are_right() {
        play_on(super::embedded, 1, SHORT);
    }

    #[test]
    fn whatever_happens_in_the_shop_its_books_are_right_on_amazons_emulator() {
        play_on(super::amazon, 2, SHORT);
    }

    #[test]
    #[ignore = "minutes: run by `cargo xtask verify --full`"]
    fn whatever_happens_in_many_random_plans_the_books_are_right() {
        play_on(super::embedded, random_seed(), LONG);
    }

    #[test]
    #[ignore = "minutes: run by `cargo xtask verify --full`"]
    fn whatever_happens_in_many_random_plans_the_books_are_right_on_amazons_emulator() {
        play_on(super::amazon, random_seed(), LONG);
    }
}

mod table_ports_on_amazons_emulator {
    testkit::table_contract!(crate::dynamodb_tables::amazon);
}

#[tokio::test]
async fn tables_are_readable_until_one_of_them_is_not() {
    let tables = embedded().await;
    let probed = |catalog: CatalogTable| {
        let others: [ProbedTable; 4] = [
            tables.orders.clone().into(),
            tables.dead_letters.clone().into(),
            tables.users.clone().into(),
            tables.keys.clone().into(),
        ];
        DynamoTables::new(tables.client.clone(), others.into_iter().chain([catalog.into()]))
    };
    probed(tables.catalog.clone()).readable().await.unwrap();
    let missing = CatalogTable::named(TableName::parse("not-there").unwrap());
    probed(missing).readable().await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_key_that_cannot_be_read_hides_no_other() {
    let tables = embedded().await;
    let keys = DynamoVerificationKeys::new(tables.client.clone(), tables.keys.clone());
    let put = tables.client.put_item().table_name(tables.keys.name().as_str());
    let unreadable = keys::verification_key("unreadable");
    put.item("pk", AttributeValue::S(unreadable)).send().await.unwrap();
    let good = VerificationKey { kid: "good".to_owned(), public_key: [7; 32], retires_at: None };
    keys.put(&good).await.unwrap();
    assert_eq!(keys.all(moment(0)).await.unwrap(), [good]);
}
