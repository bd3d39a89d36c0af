//! Random paths of the model of [pending](crate::pending) events, with the real `ConsumeEvents`,
//! `Sweep` and `Redrive`.
//!
//! After each step the model and the stored state must agree on: the order's status, its history,
//! its pending events with the marks of the handler elsewhere, its place in the sweep's index, its
//! notifications, the stock, the dead letters, and what each consumer waits for.
//!
//! # Steps that differ in size
//!
//! - **Conditions.** The code's writes compare the order's revision, the model's only what matters.
//!   A write that is refused only for its revision is tried again with the order that it found, in
//!   the same step.
//! - **`Decide`** with a rejection is a reservation that finds no stock, and then a second write.
//! - **A delivery that finds the order decided, or its event marked,** continues directly with its
//!   finishing write; the model takes the steps in between, which change nothing.
//! - **`GiveUp`** is the first failure: earlier failures would change only a count. A reservation
//!   never fails so, because it is tried again while its delivery has time; the rejection after it
//!   does.
//! - **`Sweep`** sends one of all pending events: about the others the broker answers that it has
//!   them.
//! - **The broker** is part of the stage, because the model counts copies and doesn't distinguish
//!   them.
//!
//! # Steps that no path takes
//!
//! - A redrive of `OrderCreated` after it was given up, while a consumer is about to finish it. The
//!   model's consumer then finishes it. The code's consumer may already know that there was nothing
//!   to finish, and leaves it to the redriven message. Both are right.
//! - A consumer that doubts its rejection, and then confirms: the code never changes its finding
//!   that there is no stock. The order can be decided again only after it was given up and redriven.
//! - More than four lost redeliveries: the code publishes an event that is on its topic five times
//!   again, and then leaves it to an operator. The model continues.
//!
//! # Steps without code
//!
//! The stage itself makes the writes of cancel-order and of a handler with an effect elsewhere. Our
//! code does not see what other groups receive, and a replay sends all of an order's events, so
//! `ReachOthers` and `Replay` are left to the model.

mod change;
mod stage;
mod view;
mod wire;

use super::path::Drawn;
use super::{assert_all_except, is_found_out, replay};
use crate::pending::action::Action;
use crate::pending::event::Event;
use crate::pending::protocol::Handling;
use crate::pending::state::{Consumer, Decision, State, Status};
use crate::pending::variant::{
    Bounds, CancelWrites, KeysLeave, Letter, PendingUntil, PublishedFrom, Refusal, Variant,
};
use stage::Stage;

/// Paths may be longer, and have more faults, than what can be explored completely.
const BOUNDS: Bounds = Bounds { consumers: 3, faults: 6, early_sweeps: 1, broker_loses: true };

/// With an early sweep, this makes five copies.
const REDELIVERIES_LOST_MAX: u8 = 4;

#[tokio::test(start_paused = true)]
async fn events_are_handled_as_the_model_says() {
    let counts = replay::<Stage>(handling(Variant::FULL), KINDS).await;
    assert_all_except(&["ReachOthers", "ReadToCancel", "Replay"], &counts);
}

/// Otherwise the comparison would prove nothing. The code has every part, so a model that lacks one
/// differs from it at some step. `Refusal::FoundByFinish` is not among them: a consumer that finds
/// out a step later has the same effect as one that finds out immediately.
#[tokio::test(start_paused = true)]
async fn a_model_of_the_handling_that_lacks_a_part_is_found_out() {
    const FULL: Variant = Variant::FULL;
    let lacking = [
        Variant { sweep: false, ..FULL },
        Variant { pending_until: PendingUntil::Received, ..FULL },
        Variant { reads_first: false, ..FULL },
        Variant { status_guard: false, ..FULL },
        Variant { decision_ends_event: false, ..FULL },
        Variant { notification_guard: false, ..FULL },
        Variant { elsewhere_marked: false, ..FULL },
        Variant { refusal: Refusal::TreatedAsDone, ..FULL },
        Variant { letter_keeps_marks: false, ..FULL },
        Variant { letter: Letter::EndsPendingUnconditionally, ..FULL },
        Variant { letter: Letter::LeavesPending, ..FULL },
        Variant { published_from: PublishedFrom::Memory, ..FULL },
        Variant { keys_leave: KeysLeave::BySnapshot, ..FULL },
        Variant { additions_set_keys: false, ..FULL },
        Variant { cancel_writes: CancelWrites::WholeItem, ..FULL },
    ];
    for variant in lacking {
        assert!(is_found_out::<Stage>(handling(variant)).await, "{variant:?}");
    }
}

const fn handling(variant: Variant) -> Handling {
    Handling { variant, bounds: BOUNDS }
}

impl Drawn for Handling {
    fn is_fault(action: Action) -> bool {
        action.is_fault()
    }

    fn leaves_out(&self, state: &State, action: Action) -> bool {
        let rejected = |consumer: usize| {
            matches!(
                state.consumers[consumer],
                Consumer::InDoubt { decision: Decision::Reject, .. }
            )
        };
        match action {
            Action::Redrive(Event::OrderCreated)
            | Action::RedriveUnpublished(Event::OrderCreated) => {
                let finishes = |at: &Consumer| {
                    matches!(at, Consumer::Finishing { event: Event::OrderCreated, .. })
                };
                state.consumers.iter().any(finishes)
            }
            Action::Decide(consumer, Decision::Confirm) => {
                let is_open = state.order.status == Status::Created
                    && state.order.pending[Event::OrderCreated].is_some();
                rejected(consumer) && is_open
            }
            Action::LoseDecisionAnswer(consumer, Decision::Confirm) => rejected(consumer),
            Action::LoseRedelivery(_) => state.faults_left <= BOUNDS.faults - REDELIVERIES_LOST_MAX,
            _ => false,
        }
    }
}

const KINDS: &[&str] = &[
    "Deliver",
    "Decide",
    "LoseDecisionAnswer",
    "PublishFollowUp",
    "LoseFollowUp",
    "ActElsewhere",
    "LoseElsewhereAnswer",
    "Finish",
    "LoseFinishAnswer",
    "GiveUp",
    "Acknowledge",
    "Crash",
    "Cancel",
    "ReadToCancel",
    "Lose",
    "LoseRedelivery",
    "Copy",
    "Sweep",
    "SweepEarly",
    "Redrive",
    "RedriveUnpublished",
    "Replay",
    "ReachOthers",
];
