//! Pending events are handled, and each part of the protocol is needed: the table of verdicts.
//!
//! As for the [creation](crate::creating) of an order, a row explores all states of a variant, and
//! where a property fails, a story follows.

mod letters;

use crate::exploration::explore;
use crate::pending::action::Action::{
    self, Acknowledge, ActElsewhere, Cancel, Crash, Decide, Deliver, Finish, Lose,
    LoseDecisionAnswer, LoseElsewhereAnswer, LoseFinishAnswer, PublishFollowUp, ReachOthers,
    ReadToCancel, Replay, Sweep,
};
use crate::pending::event::Event::{FollowUp, OrderCancelled, OrderCreated};
use crate::pending::properties::{
    I1_NO_PHANTOM, I2_NOTHING_LOST, I3_EFFECTS_ONCE, I7_INDEX_COMPLETE, I8_STOCK_FITS,
    I9_OTHERS_REACHED, I10_LETTER_ALONE, S1_HANDLED, S2_DUPLICATES, S7_CANCELLED_FIRST,
    S8_REDRIVEN,
};
use crate::pending::protocol::Handling;
use crate::pending::state::Decision::Confirm;
use crate::pending::variant::{
    Bounds, CancelWrites, KeysLeave, OtherGroup, PendingUntil, PublishedFrom, Variant,
};
use crate::story::follow;

/// States that the full protocol reaches.
const ALL: &[&str] = &[S1_HANDLED, S2_DUPLICATES, S7_CANCELLED_FIRST, S8_REDRIVEN];

/// `OrderCreated` is delivered, and the order confirmed.
const CONFIRMED: &[Action] =
    &[Deliver(0, OrderCreated), Decide(0, Confirm), PublishFollowUp(0), Acknowledge(0)];

/// `OrderConfirmed` is delivered, and handled.
const HANDLED: &[Action] = &[Deliver(0, FollowUp), ActElsewhere(0), Finish(0), Acknowledge(0)];

#[test]
fn pending_events_are_handled() {
    let bounds = Bounds { faults: 3, ..Bounds::USUAL };
    explore("pending", Handling { variant: Variant::FULL, bounds }).finds(&[], ALL);
    follow(usual(Variant::FULL), &[CONFIRMED, HANDLED].concat()).breaks_nothing();
}

/// The third consumer stands for a write that takes effect after its consumer has died.
#[test]
#[ignore = "five million states take a minute: `cargo xtask verify --full` runs it"]
fn pending_events_are_handled_by_three_consumers() {
    let bounds = Bounds { consumers: 3, faults: 3, ..Bounds::USUAL };
    explore("three consumers", Handling { variant: Variant::FULL, bounds }).finds(&[], ALL);
}

#[test]
fn pending_events_are_handled_when_the_end_of_an_event_is_a_separate_write() {
    let variant = Variant { decision_ends_event: false, ..Variant::FULL };
    explore("a decision doesn't end its event", usual(variant)).finds(&[], ALL);
}

#[test]
fn without_the_sweep_an_event_that_the_broker_loses_is_lost() {
    let variant = Variant { sweep: false, ..Variant::FULL };
    // Nothing else publishes `OrderCancelled`, so no cancelled order is finished.
    explore("pending, without the sweep", usual(variant))
        .finds(&[I2_NOTHING_LOST], &[S2_DUPLICATES, S8_REDRIVEN]);
    let lost = [Lose(OrderCreated)];
    follow(usual(variant), &lost).breaks(I2_NOTHING_LOST);
    let found = [lost.as_slice(), &[Sweep(OrderCreated)], CONFIRMED, HANDLED].concat();
    follow(usual(Variant::FULL), &found).breaks_nothing();
}

/// After the receipt only the topic would still hold the event.
#[test]
fn an_event_that_is_pending_until_it_is_received_dies_with_its_consumer() {
    let variant = Variant { pending_until: PendingUntil::Received, ..Variant::FULL };
    explore("pending until received", usual(variant))
        .finds(&[I2_NOTHING_LOST], &[S1_HANDLED, S2_DUPLICATES, S7_CANCELLED_FIRST]);
    let received = [Deliver(0, OrderCreated), Crash(0), Deliver(0, OrderCreated)];
    let lost = [received.as_slice(), &[Acknowledge(0)]].concat();
    follow(usual(variant), &lost).breaks(I2_NOTHING_LOST);
    follow(usual(Variant::FULL), &[&received[..2], CONFIRMED, HANDLED].concat()).breaks_nothing();
}

/// The guards of our own handlers hold without the read. The read is for handlers with fewer
/// guards, and prevents that a message that contradicts its order is handled.
#[test]
fn handlers_that_run_before_the_order_is_read_find_their_guards() {
    let variant = Variant { reads_first: false, ..Variant::FULL };
    explore("the order is not read first", usual(variant)).finds(&[], ALL);
}

/// A decision without the guard replaces an earlier one: stock, status, and the follow-up that may
/// already be published.
#[test]
fn without_the_status_guard_stock_is_reserved_twice() {
    let variant = Variant { status_guard: false, ..Variant::FULL };
    explore("no status guard", almost_faultless(variant)).finds(
        &[I1_NO_PHANTOM, I3_EFFECTS_ONCE, I8_STOCK_FITS, I10_LETTER_ALONE],
        &[S1_HANDLED, S2_DUPLICATES, S8_REDRIVEN],
    );
    let twice = [Deliver(0, OrderCreated), LoseDecisionAnswer(0, Confirm), Decide(0, Confirm)];
    follow(usual(variant), &twice).breaks(I3_EFFECTS_ONCE);
    follow(usual(Variant::FULL), &twice).breaks_nothing();
}

/// A consumer then also notifies of an event that another consumer has given up.
#[test]
fn without_the_notification_guard_a_notification_is_added_twice() {
    let variant = Variant { notification_guard: false, ..Variant::FULL };
    explore("no notification guard", usual(variant))
        .finds(&[I3_EFFECTS_ONCE, I10_LETTER_ALONE], ALL);
    let again = [Deliver(0, FollowUp), ActElsewhere(0), LoseFinishAnswer(0), Finish(0)];
    let twice = [CONFIRMED, &again].concat();
    follow(usual(variant), &twice).breaks(I3_EFFECTS_ONCE);
    follow(usual(Variant::FULL), &twice).breaks_nothing();
}

#[test]
fn without_its_mark_in_the_entry_an_effect_elsewhere_happens_twice() {
    let variant = Variant { elsewhere_marked: false, ..Variant::FULL };
    explore("no mark of an effect elsewhere", usual(variant)).finds(&[I3_EFFECTS_ONCE], ALL);
    let retried = [Deliver(0, FollowUp), LoseElsewhereAnswer(0), ActElsewhere(0)];
    let redelivered = [Deliver(0, FollowUp), ActElsewhere(0), Crash(0), Deliver(0, FollowUp)];
    let redelivered = [redelivered.as_slice(), &[ActElsewhere(0)]].concat();
    for twice in [retried.as_slice(), &redelivered] {
        let story = [CONFIRMED, twice].concat();
        follow(usual(variant), &story).breaks(I3_EFFECTS_ONCE);
        follow(usual(Variant::FULL), &story).breaks_nothing();
    }
}

/// Only the writer of a follow-up may publish it, and from the history.
#[test]
fn a_follow_up_published_from_memory_is_in_no_history() {
    let variant = Variant { published_from: PublishedFrom::Memory, ..Variant::FULL };
    explore("follow-ups from memory", usual(variant)).finds(&[I1_NO_PHANTOM], ALL);
    let doubt = [Deliver(0, OrderCreated), Cancel, LoseDecisionAnswer(0, Confirm)];
    let refused = [doubt.as_slice(), &[Decide(0, Confirm)]].concat();
    let ghost = [refused.as_slice(), &[PublishFollowUp(0)]].concat();
    follow(usual(variant), &ghost).breaks(I1_NO_PHANTOM);
    // In the full protocol the history doesn't contain the follow-up, and the event only ends.
    follow(usual(Variant::FULL), &[refused.as_slice(), &[Finish(0)]].concat()).breaks_nothing();
}

#[test]
fn index_keys_that_leave_by_a_snapshot_hide_an_event_that_was_added_since() {
    let variant = Variant { keys_leave: KeysLeave::BySnapshot, ..Variant::FULL };
    explore("keys leave by a snapshot", usual(variant))
        .finds(&[I2_NOTHING_LOST, I7_INDEX_COMPLETE], ALL);
    let cancelled = [Deliver(0, FollowUp), ActElsewhere(0), Cancel, Finish(0)];
    let hidden = [CONFIRMED, &cancelled].concat();
    follow(usual(variant), &hidden).breaks(I7_INDEX_COMPLETE);
    follow(usual(Variant::FULL), &hidden).breaks_nothing();
}

/// A confirmed order is then not in the index, so its `OrderCancelled` is never published.
#[test]
fn an_event_that_is_added_without_index_keys_is_never_swept() {
    let variant = Variant { additions_set_keys: false, ..Variant::FULL };
    explore("additions set no keys", usual(variant)).finds(
        &[I2_NOTHING_LOST, I7_INDEX_COMPLETE],
        &[S2_DUPLICATES, S7_CANCELLED_FIRST, S8_REDRIVEN],
    );
    follow(usual(variant), &CONFIRMED[..2]).breaks(I7_INDEX_COMPLETE);
    let swept = [Cancel, Sweep(OrderCancelled), Deliver(1, OrderCancelled), Finish(1)];
    let swept = [CONFIRMED, HANDLED, &swept].concat();
    follow(usual(Variant::FULL), &swept).breaks_nothing().reaches(S1_HANDLED);
}

/// A write that finishes an event or gives it up doesn't raise the version in such a put's condition.
/// The put restores entries, and removes notifications.
#[test]
fn a_put_of_the_whole_item_brings_back_handled_events() {
    let variant = Variant { cancel_writes: CancelWrites::WholeItem, ..Variant::FULL };
    explore("cancel-order puts the whole item", almost_faultless(variant))
        .finds(&[I2_NOTHING_LOST, I3_EFFECTS_ONCE, I10_LETTER_ALONE], ALL);
    let brought_back = [CONFIRMED, &[ReadToCancel], HANDLED, &[Cancel, Sweep(FollowUp)]].concat();
    let again = [Deliver(0, FollowUp), ActElsewhere(0)];
    let story = [brought_back.as_slice(), &again].concat();
    follow(usual(variant), &story).breaks(I3_EFFECTS_ONCE);
    let update = [CONFIRMED, HANDLED, &[Cancel]].concat();
    follow(usual(Variant::FULL), &update).breaks_nothing();
}

/// The limit of the promise. `pending` protects our handlers; for other teams an event is as
/// durable as the cluster's flush and replication, and an acknowledged event that is lost is
/// replayed.
#[test]
fn a_handled_event_that_the_broker_loses_is_lost_for_others_until_it_is_replayed() {
    let watched = Variant { other_group: OtherGroup::Watched, ..Variant::FULL };
    let replayed = Variant { other_group: OtherGroup::Replayed, ..Variant::FULL };
    let loses = Bounds { faults: 1, ..Bounds::USUAL };
    let keeps = Bounds { broker_loses: false, ..loses };
    let checked = |variant, bounds| Handling { variant, bounds };
    explore("another group", checked(watched, loses)).finds(&[I9_OTHERS_REACHED], ALL);
    explore("another group, a durable cluster", checked(watched, keeps)).finds(&[], ALL);
    explore("another group, replay", checked(replayed, loses)).finds(&[], ALL);

    let lost = [CONFIRMED, &[Lose(OrderCreated)], HANDLED, &[ReachOthers(FollowUp)]].concat();
    follow(usual(watched), &lost).breaks(I9_OTHERS_REACHED);
    let brought = [Replay(OrderCreated), ReachOthers(OrderCreated), Deliver(0, OrderCreated)];
    let story = [lost.as_slice(), &brought, &[Acknowledge(0)]].concat();
    follow(usual(replayed), &story).breaks_nothing();
}

const fn usual(variant: Variant) -> Handling {
    Handling { variant, bounds: Bounds::USUAL }
}

/// For a variant that breaks without any fault. With two faults there would be a million states.
const fn almost_faultless(variant: Variant) -> Handling {
    Handling { variant, bounds: Bounds { faults: 1, ..Bounds::USUAL } }
}
