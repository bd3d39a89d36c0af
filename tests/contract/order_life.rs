//! An order's life where it is one item, on real parts: the use cases with the adapters of DynamoDB
//! over the embedded table and those of RocketMQ over a real broker. The table counts what it costs.

use std::sync::Arc;
use std::time::Duration;

use application::create_order::{Budgets, CircuitBreaker, WithoutBroker};
use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::events::answer_check::AnswerCheck;
use application::events::consume::{
    ConsumeEvents, HandleEvents, Pace, Registry, ReservationGroups,
};
use application::events::publish::PublishStored;
use application::events::sweep::Sweep;
use application::orders::create::{CreateOrder, CreateOrderCommand, OrderReply};
use application::orders::identity::order_of_key;
use application::outcome::WriteTry;
use application::ports::creating::OrderCreation;
use application::ports::pending::{GroupPosition, PendingEventStore};
use application::ports::{
    Clock, HalfMessage, IdempotencyKey, IdentitySource, OutboundMessage, Topic,
    TransactionalPublisher,
};
use domain::order::{AtKey, NewOrder, Order, OrderStatus, StoredOrder};
use domain::pending::PendingEvent;
use dynamodb::config::{CatalogTable, EventsTable, OrdersTable};
use dynamodb::{Client, DynamoCatalog, DynamoDeadLetterMoves, DynamoOrders};
use harness::table::EmbeddedTable;
use harness::table_proxy::TableProxy;
use harness::weather::{Weather, WeatherSettings};
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use rocketmq::admin::read_topic;
use rocketmq::checked_group::CheckedGroup;
use rocketmq::client::RocketmqClient;
use rocketmq::config::RocketmqConfig;
use rocketmq::dead_letters::RocketmqDeadLetters;
use rocketmq::publisher::RocketmqPublisher;
use rocketmq::subscription::RocketmqSubscription;
use testkit::samples::{lines, product, user};

use crate::dynamodb_tables::{Tables, tables_over};
use crate::rocketmq_channel::{config, run};

/// How long a broker, a check-back or a sweep may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that one deployment has.
struct Deployment {
    client: Client,
    orders: OrdersTable,
    events: EventsTable,
    catalog: CatalogTable,
    config: RocketmqConfig,
    weather: Arc<Weather>,
    _proxy: TableProxy,
    _server: EmbeddedTable,
}

impl Deployment {
    async fn start() -> Self {
        let server = EmbeddedTable::start(0, None).await.unwrap();
        let provisioned = tables_over(&server.url()).await;
        // Counted, with no latency: what an order costs does not depend on it.
        let weather = Weather::new(&server.url(), WeatherSettings::CALM);
        let proxy = weather.proxy().await.unwrap();
        let Tables { orders, events, catalog, .. } = provisioned;
        let client = dynamodb::connect_to(&proxy.url());
        let deployment = Self {
            client,
            orders,
            events,
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

    fn aggregates(&self) -> DynamoOrders<CatalogTable> {
        DynamoOrders::new(self.client.clone(), self.orders.clone()).with_stock(self.catalog.clone())
    }

    async fn publisher(&self) -> RocketmqPublisher {
        RocketmqPublisher::start(self.config.clone(), SystemClock).await.unwrap()
    }

    fn publication(publisher: RocketmqPublisher) -> PublishStored<RocketmqPublisher, SystemClock> {
        PublishStored { publisher, clock: SystemClock }
    }

    async fn create(&self, publisher: &RocketmqPublisher, key: &str) -> OrderReply {
        let create = CreateOrder {
            orders: self.aggregates(),
            catalog: DynamoCatalog::new(self.client.clone(), self.catalog.clone(), SystemClock),
            publisher: publisher.clone(),
            clock: SystemClock,
            identities: UuidIdentitySource,
            budgets: Budgets::default(),
            without_broker: WithoutBroker::Accept(CircuitBreaker::default()),
        };
        create.execute(&command(key), Deadline::after(Duration::from_secs(9))).await.unwrap()
    }

    async fn consume(&self, publisher: &RocketmqPublisher, window: Duration) {
        let client = RocketmqClient::start(self.config.clone()).unwrap();
        let consume = ConsumeEvents {
            subscription: RocketmqSubscription::new(client, SystemClock),
            handling: HandleEvents {
                aggregates: self.aggregates(),
                publication: Self::publication(publisher.clone()),
                identities: UuidIdentitySource,
                registry: Registry::default(),
                groups: ReservationGroups::default(),
            },
            letters: DynamoDeadLetterMoves::new(
                self.client.clone(),
                self.orders.clone(),
                self.events.clone(),
            ),
            announcements: RocketmqDeadLetters::new(publisher),
            pace: Pace::default(),
        };
        consume.run(Deadline::after(window)).await;
    }

    async fn stored(&self, reply: &OrderReply) -> StoredOrder {
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

#[test]
fn an_order_of_two_products_costs_eleven_write_units_until_both_its_events_are_handled() {
    run(async {
        let deployment = Deployment::start().await;
        let publisher = deployment.publisher().await;
        deployment.weather.reset_consumption();
        let reply = deployment.create(&publisher, "key-1").await;
        let created = deployment.weather.reset_consumption();
        // One for the order, one for each of its two indexes' entries where there are two; the
        // index by time of creation is not there yet.
        assert_eq!(created.total().write, 2.0, "{created:?}");
        assert_eq!(created.calls("PutItem"), 1);
        deployment.consume(&publisher, Duration::from_secs(12)).await;
        let handled = deployment.weather.consumption();
        let stored = deployment.stored(&reply).await;
        assert_eq!(stored.order.status(), OrderStatus::Confirmed);
        assert!(stored.pending.is_empty(), "{:?}", stored.pending);
        assert_eq!(stored.order.notifications().len(), 2);
        // Two for the order and two for each of its products; then one for the order, and one for
        // its leave of the index.
        assert_eq!(handled.of_operation("TransactWriteItems").write, 6.0, "{handled:?}");
        assert_eq!(handled.total().write, 8.0, "{handled:?}");
        publisher.shutdown().await;
    });
}

#[test]
fn a_replay_is_answered_by_the_order_that_is_there() {
    run(async {
        let deployment = Deployment::start().await;
        let publisher = deployment.publisher().await;
        let first = deployment.create(&publisher, "key-1").await;
        let again = deployment.create(&publisher, "key-1").await;
        assert!(!first.replayed && again.replayed);
        assert_eq!(first.order, again.order);
        let key = IdempotencyKey::parse("key-1").unwrap();
        assert_eq!(first.order.id(), order_of_key(user(123), &key));
        publisher.shutdown().await;
    });
}

/// Half messages whose producers died: one has created its order, one has not and never will.
#[test]
fn a_check_back_commits_what_was_created_and_rolls_back_what_was_fenced() {
    run(async {
        let deployment = Deployment::start().await;
        let publisher = deployment.publisher().await;
        let (created, message) = new_order();
        let (absent, absent_message) = new_order();
        for (new, message) in [(&created, &message), (&absent, &absent_message)] {
            let half = HalfMessage {
                message,
                transaction_id: new.attempt(),
                deadline: SystemClock.now(),
                is_recorded: false,
            };
            publisher.prepare(&half, Deadline::after(PATIENCE)).await.unwrap();
        }
        let put = deployment.aggregates().create(&created, Deadline::after(PATIENCE)).await;
        assert!(matches!(put, WriteTry::Done), "{put:?}");
        let answers = Arc::new(AnswerCheck::new(deployment.aggregates(), SystemClock));
        let client = RocketmqClient::start(deployment.config.clone()).unwrap();
        let group = CheckedGroup::join(client, Arc::clone(&answers)).await.unwrap();
        let deadline = Deadline::after(PATIENCE);
        while answers.report().committed < 1 || answers.report().rolled_back < 1 {
            assert!(!deadline.has_passed(), "{:?}", answers.report());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        group.leave().await;
        let late = deployment.aggregates().create(&absent, Deadline::after(PATIENCE)).await;
        assert!(matches!(late, WriteTry::Cancelled(AtKey::Tombstone(_))), "{late:?}");
        deployment.consume(&publisher, Duration::from_secs(12)).await;
        let reply = OrderReply { order: created.order().clone(), replayed: false };
        assert_eq!(deployment.stored(&reply).await.order.status(), OrderStatus::Confirmed);
        publisher.shutdown().await;
    });
}

/// An order that was created without the broker.
#[test]
fn the_sweep_publishes_what_was_never_sent_and_the_order_is_confirmed() {
    run(async {
        let deployment = Deployment::start().await;
        let publisher = deployment.publisher().await;
        let (new, message) = new_order();
        let attempt = new.attempt();
        let pending = PendingEvent::unsent(attempt, SystemClock.now());
        let new = NewOrder::new(new.order().clone(), attempt, pending);
        let put = deployment.aggregates().create(&new, Deadline::after(PATIENCE)).await;
        assert!(matches!(put, WriteTry::Done), "{put:?}");
        let sweep = Sweep {
            index: deployment.aggregates(),
            aggregates: deployment.aggregates(),
            topics: publisher.clone(),
            publication: Deployment::publication(publisher.clone()),
            identities: UuidIdentitySource,
            pace: application::sweep::Pace::default(),
        };
        let report = sweep.run(Deadline::after(Duration::from_secs(8))).await;
        assert_eq!((report.sent, report.deferred), (1, 0), "{report:?}");
        let on_topic =
            read_topic(deployment.config.clone(), deployment.config.topic_name(Topic::Orders))
                .await
                .unwrap();
        let bodies: Vec<_> = on_topic.iter().map(|stored| stored.body.as_slice()).collect();
        assert_eq!(bodies, [message.body.as_bytes()], "rebuilt byte for byte");
        deployment.consume(&publisher, Duration::from_secs(12)).await;
        let reply = OrderReply { order: new.order().clone(), replayed: false };
        assert_eq!(deployment.stored(&reply).await.order.status(), OrderStatus::Confirmed);
        let now = SystemClock.now();
        let passed = publisher.has_passed(Topic::Orders, now, Deadline::after(PATIENCE)).await;
        assert!(passed.unwrap(), "the group has been given everything");
        publisher.shutdown().await;
    });
}

/// An order that is not stored yet, and the message of its event.
fn new_order() -> (NewOrder, OutboundMessage) {
    let price = |_| domain::money::Money::from_minor(testkit::samples::UNIT_PRICE);
    let (now, attempt) = (SystemClock.now(), UuidIdentitySource.transaction_id());
    let event = testkit::samples::stamp(&UuidIdentitySource);
    let order_id = UuidIdentitySource.order_id();
    let lines = lines(&[(1, 2), (2, 1)]);
    let (order, event) = Order::create(order_id, user(123), &lines, price, now, event).unwrap();
    let message = application::event::order_message(&event).unwrap();
    let due = now.plus(Duration::from_secs(60));
    (NewOrder::new(order, attempt, PendingEvent::sent(attempt, now, due)), message)
}
