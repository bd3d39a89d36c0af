//! An order's life on real parts: the use cases with the adapters of DynamoDB over the embedded
//! table and those of RocketMQ over a real broker. The consumption of the table is counted.

use std::sync::Arc;
use std::time::Duration;

use application::deadline::Deadline;
use application::events::answer_check::{AnswerCheck, CheckReport};
use application::orders::create::OrderReply;
use application::orders::identity::order_of_key;
use application::outcome::WriteTry;
use application::ports::{
    Clock, GroupPosition, IdempotencyKey, OrderCreation, Topic, TransactionalPublisher,
};
use domain::order::{AtKey, NewOrder, OrderStatus};
use domain::pending::PendingEvent;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use rocketmq::admin::read_topic;
use rocketmq::checked_group::CheckedGroup;
use rocketmq::client::RocketmqClient;
use testkit::samples::{SampleOrder, created, user};

use crate::deployment::Deployment;
use crate::rocketmq_channel::run;

/// For a broker, a check-back or a sweep on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn an_order_of_two_products_costs_thirteen_write_units_until_both_its_events_are_handled() {
    run(async {
        let deployment = Deployment::start().await;
        let publisher = deployment.publisher().await;
        deployment.weather.reset_consumption();
        let reply = deployment.create(&publisher, "key-1").await;
        let created = deployment.weather.reset_consumption();
        // One for the order, and one for its entry in each of the two indexes.
        assert_eq!(created.total().write, 3.0, "{created:?}");
        assert_eq!(created.calls("PutItem"), 1);
        deployment.consume(&publisher, Duration::from_secs(12)).await;
        let handled = deployment.weather.consumption();
        let stored = deployment.stored(&reply).await;
        assert_eq!(stored.order.status(), OrderStatus::Confirmed);
        assert!(stored.pending.is_empty(), "{:?}", stored.pending);
        assert_eq!(stored.order.notifications().len(), 2);
        // Two for the order, two for each of its products, and two for the account's open units;
        // then one for the order, and one for leaving the index.
        assert_eq!(handled.of_operation("TransactWriteItems").write, 8.0, "{handled:?}");
        assert_eq!(handled.total().write, 10.0, "{handled:?}");
        publisher.shutdown().await;
    });
}

#[test]
fn a_replay_is_answered_with_the_stored_order() {
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

/// Half messages whose producers died: one has created its order, the other has not and never will.
#[test]
fn a_check_back_commits_what_was_created_and_rolls_back_what_was_fenced() {
    run(async {
        let deployment = Deployment::start().await;
        let publisher = deployment.publisher().await;
        let [created, absent] = [new_order(), new_order()];
        for new in [&created, &absent] {
            let half = new.half(SystemClock.now());
            publisher.prepare(&half, Deadline::after(PATIENCE)).await.unwrap();
        }
        let (created, absent) = (created.order, absent.order);
        let put = deployment.order_keys().create(&created, Deadline::after(PATIENCE)).await;
        assert!(matches!(put, WriteTry::Done), "{put:?}");
        let answers = Arc::new(AnswerCheck::new(
            deployment.order_keys(),
            deployment.aggregates(),
            publisher.clone(),
            SystemClock,
        ));
        let client = RocketmqClient::start(deployment.config.clone()).unwrap();
        let group = CheckedGroup::join(client, Arc::clone(&answers)).await.unwrap();
        let deadline = Deadline::after(PATIENCE);
        let mut report = CheckReport::default();
        while report.committed < 1 || report.rolled_back < 1 {
            assert!(!deadline.has_passed(), "{report:?}");
            report += answers.take_report();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        group.leave().await;
        drop(answers);
        let late = deployment.order_keys().create(&absent, Deadline::after(PATIENCE)).await;
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
        let SampleOrder { order: new, message } = new_order();
        let attempt = new.attempt();
        let pending = PendingEvent::unsent(attempt, SystemClock.now());
        let new = NewOrder::new(new.order().clone(), attempt, pending);
        let put = deployment.order_keys().create(&new, Deadline::after(PATIENCE)).await;
        assert!(matches!(put, WriteTry::Done), "{put:?}");
        let report = deployment.sweep(&publisher, Duration::from_secs(8)).await;
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
        assert!(passed.unwrap(), "the group has received everything");
        publisher.shutdown().await;
    });
}

/// Not stored yet.
fn new_order() -> SampleOrder {
    created(&UuidIdentitySource, user(123), &[(1, 2), (2, 1)], SystemClock.now())
}
