//! Changes that arrive before those on which they build, and copies. No function runs: the test
//! publishes by itself, so it decides what arrives first.

use std::path::Path;
use std::time::Duration;

use application::deadline::Deadline;
use application::event::order_message;
use application::ports::{
    Clock, HalfMessage, IdentitySource, OutboundMessage, Resolution, TransactionalPublisher,
};
use harness::broker::{
    BrokerTuning, Replication, Rocketmq, RocketmqOptions, check_java, ensure_jars,
};
use harness::provision::{Endpoints, Names, rocketmq_config};
use local_lambda::Children;
use platform::clock::SystemClock;
use rocketmq::admin::create_topics;
use rocketmq::publisher::RocketmqPublisher;
use testkit::identities::SequentialIdentities;
use testkit::samples::{created, stamp, user};

use super::{GROUP_LIMIT, ORDERS, Subscriber, check, start_all};
use crate::app::{eventually, options, with_own};

/// How many orders come last: more than the topic has queues, so that each queue delivers one after
/// everything else that is on it.
const LAST: usize = 12;

/// The limit for one message.
const LIMIT: Duration = Duration::from_secs(10);

const TOPIC: &str = "ORDER_EVENTS-late";

async fn broker(data: &Path, children: &Children) -> Rocketmq {
    check_java().await.unwrap();
    let options = RocketmqOptions {
        jars: ensure_jars(&options().target).await.unwrap(),
        data: data.join("rocketmq"),
        namesrv_port: 0,
        broker_port: 0,
        tuning: BrokerTuning::LOCAL,
        security: None,
        replication: Replication::None,
    };
    Rocketmq::start(options, children).await.unwrap()
}

/// The messages of an order that is created, confirmed and cancelled, as the service makes them.
fn changes(identities: &SequentialIdentities) -> [OutboundMessage; 3] {
    let at = SystemClock.now();
    let first = created(identities, user(123), &[(1, 2)], at);
    let order = first.order.order();
    let (order, second) = order.undecided().unwrap().confirm(at, stamp(identities));
    let (_, third) = order.cancel(at, stamp(identities)).unwrap();
    [first.message, order_message(&second).unwrap(), order_message(&third).unwrap()]
}

/// The service's publisher, with transactions of its own.
struct Publisher {
    publisher: RocketmqPublisher,
    identities: SequentialIdentities,
}

impl Publisher {
    /// Publishes a message as the sweep does: under a new `transaction_id` each time.
    async fn publish(&self, message: &OutboundMessage) {
        eventually("a message is published", async || {
            let within = Deadline::after(LIMIT);
            let half = HalfMessage {
                message,
                transaction_id: self.identities.transaction_id(),
                deadline: SystemClock.now(),
                is_recorded: true,
            };
            let receipt = self.publisher.prepare(&half, within).await.ok()?;
            self.publisher.end(&receipt, Resolution::Commit, within).await.ok()
        })
        .await;
    }

    /// Publishes this change of every order, and then every one of them once more.
    async fn publish_twice(&self, orders: &[[OutboundMessage; 3]], change: usize) {
        for order in orders.iter().chain(orders) {
            self.publish(&order[change]).await;
        }
    }
}

/// What arrived first was stored first, and then waited.
fn check_arrival(subscriber: &Subscriber, order_ids: &[String]) {
    let stored = subscriber.stored();
    for order_id in order_ids {
        let of_order = stored.iter().filter(|change| change.order_id == *order_id);
        let versions: Vec<_> = of_order.map(|change| change.version).collect();
        assert_eq!(versions, [2, 3, 1], "{}", subscriber.language);
    }
}

#[test]
#[ignore = "it installs and builds four clients: `cargo xtask verify --full` runs it"]
fn subscribers_of_other_teams_handle_what_comes_late_in_its_place() {
    with_own(async || {
        let data = tempfile::tempdir().unwrap();
        let children = Children::new().unwrap();
        let broker = broker(data.path(), &children).await;
        let endpoints = Endpoints {
            namesrv: broker.namesrv(),
            table_url: String::new(),
            data: data.path().to_owned(),
            access: None,
        };
        let names = Names {
            stack_name: "late".to_owned(),
            topic: TOPIC.to_owned(),
            user_topic: "USER_EVENTS-late".to_owned(),
            group_prefix: "late-".to_owned(),
            tables: Vec::new(),
        };
        let config = rocketmq_config(&endpoints, &names).unwrap();
        create_topics(config.clone(), GROUP_LIMIT).await.unwrap();
        let (mut subscribers, proxy) =
            start_all(&config, &endpoints.namesrv, TOPIC, data.path(), &children).await;
        let identities = SequentialIdentities::default();
        let publisher = RocketmqPublisher::start(config, SystemClock).await.unwrap();
        let publisher = Publisher { publisher, identities: identities.clone() };

        let orders: Vec<_> = (0..ORDERS).map(|_| changes(&identities)).collect();
        let order_ids: Vec<_> = orders.iter().map(|order| order[0].subject.clone()).collect();
        publisher.publish_twice(&orders, 1).await;
        for subscriber in &mut subscribers {
            subscriber.waits(ORDERS).await;
            // What waits is not lost with the process.
            subscriber.stop().await;
            subscriber.start_again(&children);
        }
        publisher.publish_twice(&orders, 2).await;
        for subscriber in &subscribers {
            subscriber.waits(2 * ORDERS).await;
            let lines = subscriber.lines();
            assert!(lines.is_empty(), "{}: {lines:?}", subscriber.language);
        }
        publisher.publish_twice(&orders, 0).await;
        for subscriber in &subscribers {
            subscriber.printed(3 * ORDERS).await;
        }
        // Each change once more.
        for change in 0..3 {
            publisher.publish_twice(&orders, change).await;
        }
        let last: Vec<_> = (0..LAST).map(|_| changes(&identities)).collect();
        let last_ids: Vec<_> = last.iter().map(|order| order[0].subject.clone()).collect();
        for order in &last {
            publisher.publish(&order[0]).await;
        }
        for subscriber in &mut subscribers {
            subscriber.printed(3 * ORDERS + LAST).await;
            subscriber.stop().await;
            check(subscriber, &["CREATED", "CONFIRMED", "CANCELLED"], &order_ids);
            check(subscriber, &["CREATED"], &last_ids);
            check_arrival(subscriber, &order_ids);
        }
        publisher.publisher.shutdown().await;
        proxy.kill().await;
        broker.kill().await;
    });
}
