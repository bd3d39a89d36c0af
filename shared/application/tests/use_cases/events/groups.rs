//! Reservations of one product at the same time go into one write.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use application::deadline::Deadline;
use application::events::consume::Registry;
use application::orders::create::CreateOrderCommand;
use application::outcome::FailureClass;
use application::ports::Clock;
use domain::identity::OrderId;
use domain::order::OrderStatus;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::samples::{lines, product, product_id, user};
use testkit::world::World;

use crate::orders::create::create;

const WINDOW: Duration = Duration::from_secs(60);

/// Products with a stock of 1,000, and one order for each entry of `orders`, each of another user.
async fn world_with(orders: &[&[(u64, u64)]]) -> (World, Vec<OrderId>) {
    let world = World::default();
    (1..=120).for_each(|id| world.tables.put_product(product(id, 1_000)));
    let mut ids = Vec::new();
    for (user_id, lines_of_order) in (123..).zip(orders) {
        let command = CreateOrderCommand {
            user_id: user(user_id),
            lines: lines(lines_of_order),
            key: None,
            traceparent: None,
        };
        ids.push(create(&world, &command).await.unwrap().order.id());
    }
    (world, ids)
}

async fn consume(world: &World) {
    world.consume_pending(Registry::default()).run(Deadline::after(WINDOW)).await;
}

fn statuses(world: &World, ids: &[OrderId]) -> Vec<OrderStatus> {
    ids.iter().map(|id| world.tables.stored_order(*id).unwrap().order.status()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_one_product_goes_together_into_the_next_write() {
    let orders: Vec<&[(u64, u64)]> = vec![&[(1, 2)]; 64];
    let (world, ids) = world_with(&orders).await;
    consume(&world).await;
    assert!(statuses(&world, &ids).iter().all(|status| *status == OrderStatus::Confirmed));
    assert_eq!(world.tables.stock_of(product_id(1)), Some(1_000 - 128));
    let writes = world.tables.calls(Operation::Reserve);
    assert!(writes <= 24, "{writes} writes for 64 orders");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_busy_holds_up_no_other_product() {
    let (world, ids) = world_with(&[&[(1, 1)], &[(2, 1)]]).await;
    // The first write has no answer for a second; what comes after it goes through meanwhile.
    world.tables.script(Operation::Reserve, [Fault::LandsLate]);
    let consuming = world.consume_pending(Registry::default());
    let watching = async {
        loop {
            let statuses = statuses(&world, &ids);
            let confirmed = statuses.iter().filter(|status| **status == OrderStatus::Confirmed);
            match confirmed.count() {
                0 => tokio::time::sleep(Duration::from_millis(10)).await,
                count => return count,
            }
        }
    };
    let (_, first) = tokio::join!(consuming.run(Deadline::after(WINDOW)), watching);
    assert_eq!(first, 1, "neither waited for the other");
    assert_eq!(statuses(&world, &ids), [OrderStatus::Confirmed; 2]);
}

#[tokio::test(start_paused = true)]
async fn an_order_of_several_products_is_not_overtaken_by_later_ones() {
    let (world, ids) = world_with(&[&[(1, 1)], &[(1, 1), (2, 1)], &[(2, 1)]]).await;
    // The first write has no answer for a second. What comes later for the second product waits for
    // the order that waits for both.
    world.tables.script(Operation::Reserve, [Fault::RequestLost]);
    let consuming = world.consume_pending(Registry::default());
    let looking = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        statuses(&world, &ids)
    };
    let (_, meanwhile) = tokio::join!(consuming.run(Deadline::after(WINDOW)), looking);
    assert_eq!(meanwhile, [OrderStatus::Created; 3]);
    assert_eq!(statuses(&world, &ids), [OrderStatus::Confirmed; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_finds_a_product_short_confirms_those_that_fit_and_rejects_the_rest() {
    let orders: Vec<&[(u64, u64)]> = vec![&[(1, 300)]; 8];
    let (world, ids) = world_with(&orders).await;
    consume(&world).await;
    let statuses = statuses(&world, &ids);
    let confirmed = statuses.iter().filter(|status| **status == OrderStatus::Confirmed).count();
    let rejected = statuses.iter().filter(|status| **status == OrderStatus::Rejected).count();
    assert_eq!((confirmed, rejected), (3, 5));
    assert_eq!(world.tables.stock_of(product_id(1)), Some(100));
    let writes = world.tables.calls(Operation::Reserve);
    assert!(writes <= 8, "{writes} writes: orders still share writes when a product is sold out");
}

#[tokio::test(start_paused = true)]
async fn copies_of_one_order_are_never_in_one_group() {
    let orders: Vec<&[(u64, u64)]> = vec![&[(1, 2)]; 4];
    let (world, ids) = world_with(&orders).await;
    for _ in 0..3 {
        for half in world.broker.halves().into_iter().take(4) {
            let key = half.message.aggregate.unwrap().to_string();
            world.broker.put(half.message.body.as_bytes(), &[("aggregate", &key)]);
        }
    }
    consume(&world).await;
    assert_eq!(statuses(&world, &ids), [OrderStatus::Confirmed; 4]);
    assert_eq!(world.tables.stock_of(product_id(1)), Some(1_000 - 8));
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_outcome_is_unknown_is_settled_by_its_orders() {
    for fault in [Fault::ReplyLost, Fault::RequestLost, Fault::LandsLate] {
        let orders: Vec<&[(u64, u64)]> = vec![&[(1, 2), (2, 1)]; 10];
        let (world, ids) = world_with(&orders).await;
        world.tables.script(Operation::Reserve, [fault, fault]);
        consume(&world).await;
        world.tables.apply_late_writes();
        assert!(
            statuses(&world, &ids).iter().all(|status| *status == OrderStatus::Confirmed),
            "{fault:?}"
        );
        assert_eq!(world.tables.stock_of(product_id(1)), Some(980), "{fault:?}");
        let events = world.broker.visible().len();
        assert_eq!(events, 20, "{fault:?}: each follow-up is published by its writer, once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_never_has_more_items_than_a_transaction() {
    let wide: Vec<(u64, u64)> = (1..=50).map(|product| (product, 1)).collect();
    let other: Vec<(u64, u64)> = (50..=99).map(|product| (product, 1)).collect();
    let third: Vec<(u64, u64)> = (71..=120).map(|product| (product, 1)).collect();
    let orders: Vec<&[(u64, u64)]> = vec![&wide, &other, &third, &wide, &other, &third];
    let (world, ids) = world_with(&orders).await;
    consume(&world).await;
    assert_eq!(statuses(&world, &ids), [OrderStatus::Confirmed; 6]);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_fails_is_counted_for_each_of_its_orders() {
    let orders: Vec<&[(u64, u64)]> = vec![&[(1, 2)]; 5];
    let (world, ids) = world_with(&orders).await;
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    world.broker.script(BrokerFault::ReceiveFails, 1);
    world.consume_pending(Registry::default()).run(Deadline::after(Duration::from_secs(8))).await;
    for id in &ids {
        let stored = world.tables.stored_order(*id).unwrap();
        let entry = stored.pending.get(stored.created_event()).unwrap();
        assert!(entry.failures >= 1, "{entry:?}");
    }
    world.tables.heal(Operation::Reserve);
    consume(&world).await;
    assert_eq!(statuses(&world, &ids), [OrderStatus::Confirmed; 5]);
}

#[tokio::test(start_paused = true)]
async fn what_a_member_gives_up_is_enough_for_those_after_it() {
    // Two orders of three items each wait for one product. After an earlier order of one item, four
    // items are left: one of the two orders fits and the other does not. Whichever is cancelled
    // before its turn, there is enough for the other.
    for (cancelled, other) in [(1, 2), (2, 1)] {
        let (world, mut ids) = world_with(&[&[(1, 1)]]).await;
        world.tables.put_product(product(1, 5));
        world.tables.fail_every_call(Operation::Reserve, Fault::Busy);
        let consuming = world.consume_pending(Registry::default());
        let (tables, ids) = (&world.tables, &mut ids);
        let interfering = async {
            while tables.calls(Operation::Reserve) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            for _ in 0..2 {
                ids.push(order_of_three(&world).await);
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
            tables.heal(Operation::Reserve);
            // The earlier order, and then both of them together.
            let both = tables.calls(Operation::Reserve) + 2;
            // Polled with the consumer, so that the consumer makes no step in between.
            poll_fn(|_| match tables.calls(Operation::Reserve) {
                calls if calls < both => Poll::Pending,
                _ => Poll::Ready(()),
            })
            .await;
            let mut order = tables.stored_order(ids[cancelled]).unwrap();
            assert_eq!(order.order.status(), OrderStatus::Created, "it is not decided yet");
            let event = testkit::samples::stamp(&world.identities);
            order.order = order.order.cancel(world.clock.now(), event).unwrap().0;
            order.revision += 1;
            tables.put_stored_order(order);
        };
        tokio::join!(consuming.run(Deadline::after(WINDOW)), interfering);
        assert_eq!(statuses(&world, &ids[other..=other]), [OrderStatus::Confirmed]);
        assert_eq!(tables.stock_of(product_id(1)), Some(1));
    }
}

async fn order_of_three(world: &World) -> OrderId {
    let command = CreateOrderCommand {
        user_id: user(123),
        lines: lines(&[(1, 3)]),
        key: None,
        traceparent: None,
    };
    create(world, &command).await.unwrap().order.id()
}

#[tokio::test(start_paused = true)]
async fn members_that_have_time_left_wait_for_another_leader() {
    let orders: Vec<&[(u64, u64)]> = vec![&[(1, 1)]; 6];
    let (world, ids) = world_with(&orders[..1]).await;
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Unavailable));
    let consuming = world.consume_pending(Registry::default());
    let late = async {
        // Almost the whole five seconds of the first order.
        tokio::time::sleep(Duration::from_millis(4_900)).await;
        let mut late = Vec::new();
        for _ in 0..5 {
            let command = CreateOrderCommand {
                user_id: user(123),
                lines: lines(&[(1, 1)]),
                key: None,
                traceparent: None,
            };
            late.push(create(&world, &command).await.unwrap().order.id());
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
        world.tables.heal(Operation::Reserve);
        late
    };
    let (_, late) = tokio::join!(consuming.run(Deadline::after(WINDOW)), late);
    assert_eq!(statuses(&world, &late), [OrderStatus::Confirmed; 5]);
    assert_eq!(statuses(&world, &ids), [OrderStatus::Confirmed]);
}

/// A leader whose own time is over ends its group.
#[tokio::test(start_paused = true)]
async fn members_whose_leader_has_no_time_left_are_not_delivered_again() {
    let (world, mut ids) = world_with(&[&[(1, 1)]]).await;
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Unavailable));
    let consuming = world.consume_pending(Registry::default());
    let later = async {
        // Each event has five seconds. When those of the first order are over, the second one leads
        // for half a second, and then the third one.
        for pause in [500, 4_000] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            ids.push(order_of_three(&world).await);
        }
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        world.tables.heal(Operation::Reserve);
    };
    let (report, ()) = tokio::join!(consuming.run(Deadline::after(WINDOW)), later);
    assert_eq!(statuses(&world, &ids), [OrderStatus::Confirmed; 3]);
    assert_eq!(report.postponed, 2, "the third one had time left: {report:?}");
}
