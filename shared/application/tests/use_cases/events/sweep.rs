//! A pending event is published until it is handled, and no more often than needed.

use std::time::Duration;

use application::deadline::Deadline;
use application::events::consume::Registry;
use application::events::sweep::SweepReport;
use application::lifetimes;
use application::outcome::FailureClass;
use application::ports::{CheckAnswer, Clock, Resolution};
use domain::identity::OrderId;
use domain::order::{OrderStatus, StoredOrder};
use domain::pending::{PendingEvent, Publication, Rank};
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::world::World;

use super::raised_by_newer_code;
use crate::orders::create::{command, create, world};

/// Long enough for one look.
pub(super) const LOOK: Duration = Duration::from_secs(6);
pub(super) const MINUTE: Duration = Duration::from_secs(60);

pub(super) async fn created(world: &World) -> OrderId {
    create(world, &command(2, None)).await.unwrap().order.id()
}

/// An order whose half message was stored and whose commit was lost.
pub(super) async fn lost(world: &World) -> OrderId {
    world.broker.script(BrokerFault::EndLost, 1);
    created(world).await
}

/// Creates orders whose messages the broker loses, and waits until they are due.
pub(super) async fn lose(world: &World, count: usize) {
    for _ in 0..count {
        created(world).await;
    }
    assert_eq!(world.broker.lose_unacknowledged(), count);
    world.clock.advance(lifetimes::SWEEP_AFTER);
}

pub(super) async fn sweep(world: &World, window: Duration) -> SweepReport {
    world.sweep_pending().run(Deadline::after(window)).await
}

async fn consume(world: &World) {
    let window = Deadline::after(MINUTE);
    world.consume_pending(Registry::default()).run(window).await;
}

pub(super) fn stored(world: &World, id: OrderId) -> StoredOrder {
    world.tables.stored_order(id).unwrap()
}

pub(super) fn entry(world: &World, id: OrderId) -> PendingEvent {
    let stored = stored(world, id);
    stored.pending.get(stored.created_event()).unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_on_no_topic_is_sent_under_its_own_attempt() {
    let world = world();
    let id = lost(&world).await;
    world.broker.discard_open_halves();
    world.clock.advance(lifetimes::SWEEP_AFTER);
    let report = sweep(&world, LOOK).await;
    assert_eq!((report.sent, report.deferred, report.looks > 0), (1, 0, true));
    let [first, second] = &world.broker.halves()[..] else { panic!("two half messages") };
    assert_eq!((first.transaction_id, &first.message), (second.transaction_id, &second.message));
    assert!(!first.is_recorded && second.is_recorded);
    assert_eq!(second.ends, [Resolution::Commit]);
    consume(&world).await;
    assert_eq!(stored(&world, id).order.status(), OrderStatus::Confirmed);
    assert_eq!(world.tables.pending_events(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_never_sent_is_sent_without_asking() {
    let world = world();
    world.broker.become_unreachable();
    let id = created(&world).await;
    world.broker.become_reachable();
    world.broker.script(BrokerFault::LookupFails, 1_000);
    assert_eq!(sweep(&world, LOOK).await.sent, 1);
    assert_eq!(entry(&world, id).publication, Publication::Sent);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_swept_before_it_is_due_or_after_it_was_handled() {
    let world = world();
    created(&world).await;
    let report = sweep(&world, LOOK).await;
    assert_eq!(report, SweepReport { looks: report.looks, ..SweepReport::default() });
    consume(&world).await;
    world.clock.advance(MINUTE * 60 * 24);
    let report = sweep(&world, LOOK).await;
    assert_eq!(report, SweepReport { looks: report.looks, ..SweepReport::default() });
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_on_its_topic_waits_in_the_second_rank_the_longer_the_older_it_is() {
    let world = world();
    let id = created(&world).await;
    world.clock.advance(lifetimes::SWEEP_AFTER);
    let report = sweep(&world, LOOK).await;
    assert_eq!((report.found, report.sent), (1, 0));
    assert_eq!(entry(&world, id).publication, Publication::Found);
    assert_eq!(world.tables.index_entry(id).unwrap().0, Rank::Second);
    world.clock.advance(MINUTE * 30);
    assert_eq!(sweep(&world, LOOK).await.overdue, 1);
    let wait = entry(&world, id).due.since(world.clock.now());
    assert!(wait > MINUTE * 25, "{wait:?}");
    world.clock.advance(MINUTE * 60 * 24);
    sweep(&world, LOOK).await;
    let wait = entry(&world, id).due.since(world.clock.now());
    assert!(wait <= MINUTE * 60, "{wait:?}");
    assert_eq!(world.broker.visible().len(), 1, "no consumer runs, so no copy would help");
}

#[tokio::test(start_paused = true)]
async fn of_two_sweeps_one_processes_an_event() {
    let world = world();
    lost(&world).await;
    world.broker.discard_open_halves();
    world.clock.advance(lifetimes::SWEEP_AFTER);
    let (one, other) = tokio::join!(sweep(&world, LOOK), sweep(&world, LOOK));
    assert_eq!(one.sent + other.sent, 1);
    assert_eq!(world.broker.visible().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_led_to_nothing_runs_out() {
    let world = world();
    lost(&world).await;
    world.broker.discard_open_halves();
    world.clock.advance(lifetimes::SWEEP_AFTER);
    world.tables.script(Operation::ChangeAggregate, [Fault::ReplyLost]);
    let report = sweep(&world, LOOK).await;
    assert_eq!((report.sent, report.deferred), (0, 1));
    world.clock.advance(lifetimes::SWEEP_AFTER);
    assert_eq!(sweep(&world, LOOK).await.sent, 1);
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_outcome_is_unknown_is_left_until_it_runs_out() {
    for fault in [Fault::ReplyLost, Fault::RequestLost] {
        let world = world();
        lost(&world).await;
        world.broker.discard_open_halves();
        world.clock.advance(lifetimes::SWEEP_AFTER);
        world.tables.script(Operation::ChangeAggregate, [fault]);
        let report = sweep(&world, MINUTE * 2).await;
        assert_eq!((report.sent, report.deferred), (1, 1), "{fault:?}");
        assert_eq!(world.broker.visible().len(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn sweeps_whose_windows_overlap_send_nothing_twice() {
    let world = world();
    lose(&world, 300).await;
    let (one, other) = tokio::join!(sweep(&world, MINUTE), sweep(&world, MINUTE));
    assert_eq!(one.sent + other.sent, 300);
    assert_eq!(world.broker.unacknowledged(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_worked_off_without_waiting_for_the_next_look() {
    let world = world();
    lose(&world, 600).await;
    // One look finds 256 of them, and there is time for one look alone.
    assert_eq!(sweep(&world, LOOK).await.sent, 600);
    assert_eq!(world.broker.unacknowledged(), 600);
}

#[tokio::test(start_paused = true)]
async fn a_check_back_of_what_the_sweep_sent_commits_it() {
    let world = world();
    lost(&world).await;
    world.broker.discard_open_halves();
    world.clock.advance(lifetimes::SWEEP_AFTER);
    world.broker.script(BrokerFault::EndLost, 1);
    let report = sweep(&world, LOOK).await;
    assert_eq!((report.sent, report.deferred), (0, 1));
    assert_eq!(world.broker.visible().len(), 0);
    let answers = world.broker.check_back(&world.answer_checks()).await;
    assert_eq!(answers, [CheckAnswer::Unknown], "its end may only not be recorded yet");
    world.clock.advance(lifetimes::SWEEP_AFTER);
    let answers = world.broker.check_back(&world.answer_checks()).await;
    assert_eq!(answers, [CheckAnswer::Commit]);
    let report = sweep(&world, LOOK).await;
    assert_eq!((report.found, report.sent), (1, 0), "it is looked for before it is sent again");
    assert_eq!(world.broker.visible().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_comes_up_again_after_the_broker_is_back_within_the_time_of_a_claim() {
    // The longer the broker was away, the longer the wait: from 10 s to a minute.
    for (away, soon) in [(15, 25), (130, 66)] {
        let (away, soon) = (Duration::from_secs(away), Duration::from_secs(soon));
        for was_sent in [false, true] {
            let world = world();
            if was_sent {
                lost(&world).await;
                world.broker.discard_open_halves();
                world.clock.advance(lifetimes::SWEEP_AFTER);
                world.broker.become_unreachable();
            } else {
                world.broker.become_unreachable();
                created(&world).await;
            }
            let report = sweep(&world, away).await;
            assert!(report.sent == 0 && report.deferred > 0, "{report:?}");
            world.broker.become_reachable();
            let report = sweep(&world, soon).await;
            assert_eq!(report.sent, 1, "away for {away:?}, was sent: {was_sent}");
            assert_eq!(world.broker.visible().len(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_answer_is_asked_for_again_and_sends_nothing_meanwhile() {
    let world = world();
    lost(&world).await;
    world.broker.discard_open_halves();
    world.clock.advance(lifetimes::SWEEP_AFTER);
    world.broker.script(BrokerFault::LookupFails, 1);
    let report = sweep(&world, LOOK).await;
    assert_eq!((report.sent, report.deferred), (0, 1));
    assert_eq!(world.broker.visible().len(), 0, "it may be there already");
    assert_eq!(sweep(&world, Duration::from_secs(20)).await.sent, 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_looked_at_again() {
    let world = world();
    lost(&world).await;
    world.broker.discard_open_halves();
    world.clock.advance(lifetimes::SWEEP_AFTER);
    let unavailable = Fault::Refused(FailureClass::Unavailable);
    world.tables.script(Operation::DueAggregates, [unavailable]);
    world.tables.script(Operation::FindAggregate, [unavailable]);
    let report = sweep(&world, Duration::from_secs(20)).await;
    assert_eq!((report.sent, report.deferred, report.failed_looks), (1, 1, 1), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn oldest_says_how_long_the_oldest_event_has_been_pending() {
    let world = world();
    let minutes = |count| MINUTE * count;
    let oldest = async || Duration::from_millis(sweep(&world, LOOK).await.oldest_ms);
    lost(&world).await;
    world.broker.discard_open_halves();
    world.clock.advance(minutes(2));
    created(&world).await;
    let lost = oldest().await;
    assert!((minutes(2)..minutes(3)).contains(&lost), "it was on no topic: {lost:?}");
    world.clock.advance(minutes(10));
    let found = oldest().await;
    let expected = minutes(12)..minutes(13);
    assert!(expected.contains(&found), "it is on its topic, and no consumer runs: {found:?}");
    consume(&world).await;
    world.clock.advance(minutes(60));
    assert_eq!(oldest().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_answer_counts_as_no_answer_for_ten_minutes_and_then_as_not_there() {
    let world = world();
    let id = created(&world).await;
    world.clock.advance(lifetimes::SWEEP_AFTER);
    world.broker.script(BrokerFault::LookupFails, u32::MAX);
    assert_eq!(sweep(&world, MINUTE * 9).await.sent, 0);
    assert!(entry(&world, id).unanswered_since.is_some());
    assert_eq!(sweep(&world, MINUTE * 3).await.sent, 1);
    // Each further copy takes twice as long, and there are at most five.
    sweep(&world, MINUTE * 60 * 24).await;
    assert_eq!(entry(&world, id).copies, 5);
    assert_eq!(world.broker.visible().len(), 6);
    world.broker.script(BrokerFault::LookupFails, 0);
    consume(&world).await;
    assert!(stored(&world, id).pending.is_empty());
}

#[tokio::test(start_paused = true)]
async fn while_no_broker_answers_nothing_is_claimed_or_sent() {
    for orders in [50, 300] {
        let world = world();
        world.broker.become_unreachable();
        for _ in 0..orders {
            created(&world).await;
        }
        let before = world.tables.calls(Operation::FindAggregate);
        world.clock.advance(MINUTE);
        let report = sweep(&world, MINUTE).await;
        assert_eq!(world.tables.calls(Operation::FindAggregate), before);
        // An alarm sees that something waits, and for how long.
        assert_eq!((report.sent, report.deferred > 0), (0, true), "{report:?}");
        assert!(report.oldest_ms >= 60_000, "{report:?}");
        world.broker.become_reachable();
        let report = sweep(&world, MINUTE).await;
        assert_eq!(report.sent, orders, "{report:?}");
        assert_eq!(world.broker.visible().len(), usize::try_from(orders).unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn while_no_broker_takes_an_event_one_of_each_look_probes_it() {
    let orders = 50;
    let world = world();
    world.broker.become_unreachable();
    for _ in 0..orders {
        created(&world).await;
    }
    // It answers, and its disk is full.
    world.broker.become_reachable();
    world.broker.script(BrokerFault::PrepareFails, u32::MAX);
    let before = world.tables.calls(Operation::FindAggregate);
    sweep(&world, MINUTE).await;
    let claims = world.tables.calls(Operation::FindAggregate) - before;
    // The first look claims as many as are processed at once; each later look claims one.
    assert!(claims <= 16 + 12 + 1, "{claims} claims of {orders} orders");
}

#[tokio::test(start_paused = true)]
async fn while_not_every_broker_answers_one_event_of_each_look_asks() {
    let world = world();
    for _ in 0..300 {
        created(&world).await;
    }
    world.clock.advance(lifetimes::SWEEP_AFTER);
    world.broker.script(BrokerFault::LookupFails, u32::MAX);
    let looks = sweep(&world, MINUTE * 9).await.looks;
    // Of orders and of users.
    assert!(looks <= 2 * (9 * 12 + 1), "{looks} looks");
    assert_eq!(world.broker.visible().len(), 300, "nothing is sent yet");
    // All of them have waited, although few have asked: none waits longer because others ask.
    sweep(&world, MINUTE * 3).await;
    assert_eq!(world.broker.visible().len(), 600);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_loses_what_it_acknowledged_loses_nothing_of_ours() {
    let world = world();
    let id = created(&world).await;
    assert_eq!(world.broker.lose_unacknowledged(), 1);
    world.clock.advance(lifetimes::SWEEP_AFTER);
    assert_eq!(sweep(&world, LOOK).await.sent, 1);
    consume(&world).await;
    assert_eq!(stored(&world, id).order.status(), OrderStatus::Confirmed);
}

/// As by a broker that loses its index when it is killed, and keeps the messages.
#[tokio::test(start_paused = true)]
async fn what_is_found_and_later_not_is_published_again_at_most_five_times() {
    let world = world();
    let id = created(&world).await;
    let look = async || {
        world.clock.advance(MINUTE * 61);
        sweep(&world, LOOK).await
    };
    for copies in 0..=5 {
        assert_eq!(look().await.sent, 0);
        let found = entry(&world, id);
        assert_eq!((found.publication, found.copies), (Publication::Found, copies));
        assert_eq!(world.broker.lose_unacknowledged(), 1);
        let report = look().await;
        let expected = if copies < 5 { (1, 0) } else { (0, 1) };
        assert_eq!((report.sent, report.undelivered), expected, "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_only_newer_code_can_send_is_not_counted_as_sent_when_it_is_lost() {
    let world = world();
    let id = created(&world).await;
    world.clock.advance(MINUTE * 61);
    assert_eq!(sweep(&world, LOOK).await.found, 1);
    raised_by_newer_code(&world, id);
    assert_eq!(world.broker.lose_unacknowledged(), 1);
    for _ in 0..6 {
        world.clock.advance(MINUTE * 61);
        let report = sweep(&world, LOOK).await;
        assert_eq!((report.sent, report.undelivered), (0, 0), "{report:?}");
    }
    assert_eq!(entry(&world, id).copies, 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_message_our_group_has_passed_is_published_again_at_most_five_times() {
    let world = world();
    let id = created(&world).await;
    // Another member of the group receives the message each time and never acknowledges it.
    let steal = async |world: &World| {
        use application::ports::EventSubscription;
        while !world.broker.receive(32, Deadline::after(LOOK)).await.unwrap().is_empty() {}
    };
    let mut at_minutes = Vec::new();
    let began = world.clock.now();
    while world.clock.now().since(began) < MINUTE * 60 * 200 {
        steal(&world).await;
        world.clock.advance(MINUTE * 15);
        if sweep(&world, LOOK).await.republished > 0 {
            at_minutes.push(world.clock.now().since(began).as_secs() / 60);
        }
    }
    assert_eq!(entry(&world, id).copies, 5);
    let waits: Vec<_> = at_minutes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // 75 minutes, and then twice as long each time, up to the hour at which the sweep looks.
    assert!((75..=150).contains(&at_minutes[0]), "{at_minutes:?}");
    assert!(waits.is_sorted() && waits.iter().all(|wait| *wait >= 150), "{at_minutes:?}");
    world.clock.advance(MINUTE * 60 * 48);
    steal(&world).await;
    let report = sweep(&world, LOOK).await;
    assert_eq!((report.found, report.overdue, report.undelivered), (1, 1, 1), "{report:?}");
    let publications: std::collections::BTreeSet<_> =
        world.broker.halves().iter().map(|half| half.transaction_id).collect();
    assert_eq!(publications.len(), 6, "each publication has its own transaction_id");
    tokio::time::sleep(MINUTE).await;
    consume(&world).await;
    assert_eq!(world.tables.stock_of(testkit::samples::product_id(1)), Some(8));
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_what_waits_in_the_consumers_backlog_is_not_published_again() {
    let world = world();
    world.broker.become_unreachable();
    let id = created(&world).await;
    world.clock.advance(MINUTE * 60 * 24);
    world.broker.become_reachable();
    assert_eq!(sweep(&world, LOOK).await.sent, 1);
    // Ten minutes of backlog, in which our group has passed everything before it.
    for _ in 0..10 {
        world.clock.advance(MINUTE);
        let report = sweep(&world, LOOK).await;
        assert_eq!((report.sent, report.republished), (0, 0), "{report:?}");
    }
    assert_eq!(world.broker.visible().len(), 1);
    consume(&world).await;
    assert!(stored(&world, id).pending.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_fails_is_not_copied_while_it_is_expected_again() {
    let world = world();
    let id = created(&world).await;
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    let window = || Deadline::after(MINUTE * 30);
    let (consuming, sweeping) = (world.consume_pending(Registry::default()), world.sweep_pending());
    let (_, report) = tokio::join!(consuming.run(window()), sweeping.run(window()));
    assert_eq!((report.sent, report.republished), (0, 0), "{report:?}");
    assert!(entry(&world, id).failures >= 8);
    world.tables.heal(Operation::Reserve);
}

#[tokio::test(start_paused = true)]
async fn what_a_consumer_ends_meanwhile_is_not_pending_again() {
    let world = world();
    let id = created(&world).await;
    world.clock.advance(lifetimes::SWEEP_AFTER);
    let window = Deadline::after(LOOK);
    let (consuming, sweeping) = (world.consume_pending(Registry::default()), world.sweep_pending());
    tokio::join!(consuming.run(Deadline::after(MINUTE)), sweeping.run(window));
    let stored = stored(&world, id);
    assert!(stored.pending.is_empty(), "{:?}", stored.pending);
    assert_eq!(world.tables.index_entry(id), None);
}

#[tokio::test(start_paused = true)]
async fn an_index_that_cannot_be_read_is_a_failed_look() {
    let world = world();
    world.tables.fail_every_call(Operation::DueAggregates, Fault::RequestLost);
    let report = sweep(&world, LOOK).await;
    assert_eq!(report.looks, 0);
    assert!(report.failed_looks > 0);
}
