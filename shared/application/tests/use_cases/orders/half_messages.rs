//! Each half message is an attempt of its own, and at most that of the stored order is committed.

use std::time::Duration;

use application::deadline::Deadline;
use application::orders::create::{CreateOrder, CreateOrderError, WithoutBroker};
use application::ports::{CheckAnswer, Resolution};
use testkit::fault::{BrokerFault, Operation};

use super::create::{command, create, ends, stored, world};

#[tokio::test(start_paused = true)]
async fn each_try_of_a_half_message_is_an_attempt_of_its_own() {
    let world = world();
    world.broker.script(BrokerFault::PrepareReplyLost, 3);
    let reply = create(&world, &command(1, None)).await.unwrap();
    let halves = world.broker.halves();
    let attempts: std::collections::BTreeSet<_> =
        halves.iter().map(|half| half.transaction_id).collect();
    assert_eq!((halves.len(), attempts.len()), (4, 4));
    assert!(halves.iter().all(|half| half.message == halves[0].message), "they are of one event");
    assert_eq!(halves[3].transaction_id, stored(&world, &reply).attempt);
    assert_eq!(ends(&world), [vec![], vec![], vec![], vec![Resolution::Commit]]);
    // The abandoned ones are rolled back without affecting the one that was committed.
    let answers = world.broker.check_back(&world.answer_checks()).await;
    assert_eq!(answers, [CheckAnswer::Rollback; 3]);
    assert_eq!(world.broker.visible().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_half_message_is_left_open_while_its_order_may_still_come() {
    let world = world();
    world.broker.script(BrokerFault::PrepareReplyLost, 1);
    let checking = async {
        // The first try is stored, and the request waits for its answer.
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.broker.check_back(&world.answer_checks()).await
    };
    let command = command(1, None);
    let (created, answers) = tokio::join!(create(&world, &command), checking);
    assert_eq!(answers, [CheckAnswer::Unknown]);
    assert!(created.is_ok(), "{created:?}");
    assert_eq!(world.tables.calls(Operation::FenceAttempt), 0);
}

#[tokio::test(start_paused = true)]
async fn where_an_order_needs_the_broker_a_half_message_it_does_not_vouch_for_is_sent_again() {
    let world = world();
    world.broker.script(BrokerFault::PrepareDoubtful, 1);
    let create = CreateOrder { without_broker: WithoutBroker::Refuse, ..world.create_orders() };
    let within = Deadline::after(Duration::from_secs(10));
    let reply = create.execute(&command(1, None), within).await.unwrap();
    assert_eq!(ends(&world), [vec![], vec![Resolution::Commit]]);
    assert_eq!(world.broker.halves()[1].transaction_id, stored(&world, &reply).attempt);
}

#[tokio::test(start_paused = true)]
async fn where_an_order_needs_the_broker_it_waits_two_seconds_for_it_and_is_not_stored() {
    let world = world();
    world.broker.script(BrokerFault::PrepareFails, u32::MAX);
    let create = CreateOrder { without_broker: WithoutBroker::Refuse, ..world.create_orders() };
    let started = tokio::time::Instant::now();
    let within = Deadline::after(Duration::from_secs(10));
    let error = create.execute(&command(1, None), within).await.unwrap_err();
    assert!(matches!(error, CreateOrderError::Unavailable { .. }), "{error:?}");
    let took = started.elapsed();
    let expected = Duration::from_secs(2)..=Duration::from_millis(2_500);
    assert!(expected.contains(&took), "{took:?}");
    assert_eq!(world.tables.calls(Operation::CreateOrder), 0);
}

#[tokio::test(start_paused = true)]
async fn an_order_is_created_even_if_the_end_of_its_half_message_fails() {
    for fault in [BrokerFault::EndLost, BrokerFault::EndReplyLost, BrokerFault::EndRefused] {
        let world = world();
        world.broker.script(fault, 1);
        let reply = create(&world, &command(1, None)).await.unwrap();
        assert_eq!(stored(&world, &reply).order, reply.order, "{fault:?}");
        // The check-back repairs an end that was lost, and does not repeat one that was done.
        world.broker.check_back(&world.answer_checks()).await;
        assert_eq!(ends(&world), [[Resolution::Commit]], "{fault:?}");
    }
}
