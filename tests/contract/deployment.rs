//! One whole deployment on real parts: a real broker, and the embedded table, whose consumption is
//! counted.

use std::sync::Arc;
use std::time::Duration;

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::events::consume::{
    ConsumeEvents, GiveUpEvents, HandleEvents, Pace, Registry, ReservationGroups,
};
use application::events::publish::PublishStored;
use application::events::sweep::{Sweep, SweepReport};
use application::orders::create::{
    Budgets, CircuitBreaker, CreateOrder, CreateOrderCommand, OrderReply, WithoutBroker,
};
use application::ports::IdempotencyKey;
use application::ports::pending::PendingEventStore;
use domain::order::StoredOrder;
use dynamodb::config::{CatalogTable, DeadLettersTable, OrdersTable, UsersTable};
use dynamodb::{
    CachedPrices, Client, DynamoAccounts, DynamoAggregates, DynamoCatalog, DynamoDeadLetters,
    DynamoOrders,
};
use harness::table::EmbeddedTable;
use harness::table_proxy::TableProxy;
use harness::weather::{Weather, WeatherSettings};
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use rocketmq::client::RocketmqClient;
use rocketmq::config::RocketmqConfig;
use rocketmq::dead_letters::RocketmqDeadLetters;
use rocketmq::publisher::RocketmqPublisher;
use rocketmq::subscription::RocketmqSubscription;
use testkit::samples::{lines, product, user};

use crate::dynamodb_tables::{Tables, tables_over};
use crate::rocketmq_channel::config;

/// As on AWS, open units are counted.
const OPEN_UNITS_MAX: u32 = 10_000;

pub(crate) struct Deployment {
    pub(crate) client: Client,
    orders: OrdersTable,
    users: UsersTable,
    dead_letters: DeadLettersTable,
    catalog: CatalogTable,
    pub(crate) config: RocketmqConfig,
    pub(crate) weather: Arc<Weather>,
    _proxy: TableProxy,
    _server: EmbeddedTable,
}

impl Deployment {
    pub(crate) async fn start() -> Self {
        let server = EmbeddedTable::start(0, None).await.unwrap();
        let provisioned = tables_over(&server.url()).await;
        // Units are counted, without latency: the cost of an order does not depend on it.
        let weather = Weather::new(&server.url(), WeatherSettings::CALM);
        let proxy = weather.proxy().await.unwrap();
        let Tables { orders, users, dead_letters, catalog, .. } = provisioned;
        let client = dynamodb::connect_to(&proxy.url());
        let deployment = Self {
            client,
            orders,
            users,
            dead_letters,
            catalog,
            config: config().await,
            weather,
            _proxy: proxy,
            _server: server,
        };
        let products: Vec<_> = (1..=3).map(|id| product(id, 1_000)).collect();
        let (client, catalog) = (&deployment.client, &deployment.catalog);
        dynamodb::administration::put_products(client, catalog, &products).await.unwrap();
        deployment
    }

    pub(crate) fn order_keys(&self) -> DynamoOrders {
        DynamoOrders::new(self.client.clone(), self.orders.clone())
    }

    pub(crate) fn aggregates(&self) -> DynamoAggregates<CatalogTable> {
        let (client, orders) = (self.client.clone(), self.orders.clone());
        DynamoAggregates::new(client, orders, self.users.clone()).with_stock(self.catalog.clone())
    }

    pub(crate) fn accounts(&self) -> DynamoAccounts {
        DynamoAccounts::new(self.client.clone(), self.users.clone())
    }

    pub(crate) async fn publisher(&self) -> RocketmqPublisher {
        RocketmqPublisher::start(self.config.clone(), SystemClock).await.unwrap()
    }

    pub(crate) fn publication(
        publisher: RocketmqPublisher,
    ) -> PublishStored<RocketmqPublisher, SystemClock> {
        PublishStored { publisher, clock: SystemClock }
    }

    pub(crate) async fn sweep(
        &self,
        publisher: &RocketmqPublisher,
        window: Duration,
    ) -> SweepReport {
        let sweep = Sweep {
            index: self.aggregates(),
            aggregates: self.aggregates(),
            topics: publisher.clone(),
            publication: Self::publication(publisher.clone()),
            identities: UuidIdentitySource,
            pace: application::events::sweep::Pace::default(),
        };
        sweep.run(Deadline::after(window)).await
    }

    pub(crate) async fn create(&self, publisher: &RocketmqPublisher, key: &str) -> OrderReply {
        let create = CreateOrder {
            orders: self.order_keys(),
            catalog: CachedPrices::new(
                DynamoCatalog::new(self.client.clone(), self.catalog.clone()),
                SystemClock,
            ),
            publisher: publisher.clone(),
            clock: SystemClock,
            identities: UuidIdentitySource,
            budgets: Budgets::default(),
            without_broker: WithoutBroker::Accept(CircuitBreaker::default()),
        };
        create.execute(&command(key), Deadline::after(Duration::from_secs(9))).await.unwrap()
    }

    pub(crate) async fn consume(&self, publisher: &RocketmqPublisher, window: Duration) {
        let client = RocketmqClient::start(self.config.clone()).unwrap();
        let consume = ConsumeEvents {
            subscription: RocketmqSubscription::new(client, SystemClock),
            handling: HandleEvents {
                aggregates: self.aggregates(),
                publication: Self::publication(publisher.clone()),
                identities: UuidIdentitySource,
                registry: Registry::default(),
                groups: ReservationGroups::limited(Some(OPEN_UNITS_MAX)),
            },
            giving_up: GiveUpEvents {
                letters: DynamoDeadLetters::new(self.client.clone(), self.dead_letters.clone())
                    .with_aggregates(self.orders.clone(), self.users.clone()),
                announcements: RocketmqDeadLetters::new(publisher),
            },
            pace: Pace::default(),
        };
        consume.run(Deadline::after(window)).await;
    }

    pub(crate) async fn stored(&self, reply: &OrderReply) -> StoredOrder {
        let found = self.aggregates().find(reply.order.key()).await.unwrap();
        let Some(StoredAggregate::Order(stored)) = found else { panic!("{found:?}") };
        stored
    }
}

fn command(key: &str) -> CreateOrderCommand {
    CreateOrderCommand {
        user_id: user(123),
        lines: lines(&[(1, 2), (2, 1)]),
        key: IdempotencyKey::parse(key),
        traceparent: Some(testkit::samples::TRACEPARENT.to_owned()),
    }
}
