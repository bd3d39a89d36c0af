//! The rows about dead letters, which end an entry and later restore it.

use super::{ALL, CONFIRMED, HANDLED, usual};
use crate::exploration::explore;
use crate::pending::action::Action::{
    Acknowledge, ActElsewhere, Decide, Deliver, Finish, GiveUp, Redrive,
};
use crate::pending::event::Event::{FollowUp, OrderCreated};
use crate::pending::properties::{I2_NOTHING_LOST, I3_EFFECTS_ONCE, I10_LETTER_ALONE, S8_REDRIVEN};
use crate::pending::state::Decision::Confirm;
use crate::pending::variant::{Letter, Refusal, Variant};
use crate::story::follow;

/// The entry is gone, and returns while the consumer still holds its copy.
#[test]
fn a_refusal_that_is_treated_as_done_loses_the_effect_when_its_letter_is_redriven() {
    let variant = Variant { refusal: Refusal::TreatedAsDone, ..Variant::FULL };
    explore("a refusal is treated as done", usual(variant)).finds(&[I2_NOTHING_LOST], ALL);
    let both = |event| [Deliver(0, event), Deliver(1, event), GiveUp(1)];
    let finished = [Finish(0), Acknowledge(0), Acknowledge(1)];
    let refused = [ActElsewhere(0), Redrive(FollowUp)];
    let no_effect = [CONFIRMED, &both(FollowUp), &refused].concat();
    let lost = [no_effect.as_slice(), &finished].concat();
    follow(usual(variant), &lost).breaks(I2_NOTHING_LOST);
    let refused = [Decide(0, Confirm), Redrive(OrderCreated)];
    let undecided = [both(OrderCreated).as_slice(), &refused].concat();
    let lost = [undecided.as_slice(), &finished].concat();
    follow(usual(variant), &lost).breaks(I2_NOTHING_LOST);
    // In the full protocol the consumer is done with its copy, and the redriven message is
    // delivered separately.
    let found = [no_effect.as_slice(), &[Acknowledge(0)], HANDLED].concat();
    follow(usual(Variant::FULL), &found).breaks_nothing().reaches(S8_REDRIVEN);
    let found = [undecided.as_slice(), &[Acknowledge(0)], CONFIRMED, HANDLED].concat();
    follow(usual(Variant::FULL), &found).breaks_nothing().reaches(S8_REDRIVEN);
}

/// Another way to the same result, for handlers that don't know why they were refused.
#[test]
fn a_finishing_write_on_condition_of_every_handlers_part_needs_no_judged_refusals() {
    let variant = Variant { refusal: Refusal::FoundByFinish, ..Variant::FULL };
    explore("the finishing write asks for the marks", usual(variant)).finds(&[], ALL);
}

#[test]
fn a_letter_that_forgets_the_marks_repeats_an_effect_when_it_is_redriven() {
    let variant = Variant { letter_keeps_marks: false, ..Variant::FULL };
    explore("a letter forgets the marks", usual(variant)).finds(&[I3_EFFECTS_ONCE], ALL);
    let given_up = [Deliver(0, FollowUp), ActElsewhere(0), GiveUp(0)];
    let redriven = [Redrive(FollowUp), Deliver(1, FollowUp), ActElsewhere(1)];
    let story = [CONFIRMED, &given_up, &redriven].concat();
    follow(usual(variant), &story).breaks(I3_EFFECTS_ONCE);
    follow(usual(Variant::FULL), &story).breaks_nothing();
}

#[test]
fn a_letter_without_the_condition_on_pending_gives_up_a_handled_event() {
    let variant = Variant { letter: Letter::EndsPendingUnconditionally, ..Variant::FULL };
    explore("a letter ends pending unconditionally", usual(variant))
        .finds(&[I3_EFFECTS_ONCE, I10_LETTER_ALONE], ALL);
    let handled =
        [Deliver(1, FollowUp), Deliver(0, FollowUp), ActElsewhere(0), Finish(0), GiveUp(1)];
    let story = [CONFIRMED, &handled].concat();
    follow(usual(variant), &story).breaks(I10_LETTER_ALONE);
    follow(usual(Variant::FULL), &story).breaks_nothing();
}

#[test]
fn the_event_of_a_letter_that_does_not_end_pending_is_handled_beside_it() {
    let variant = Variant { letter: Letter::LeavesPending, ..Variant::FULL };
    explore("a letter doesn't end pending", usual(variant))
        .finds(&[I3_EFFECTS_ONCE, I10_LETTER_ALONE], ALL);
    let given_up = [Deliver(0, OrderCreated), GiveUp(0)];
    follow(usual(variant), &given_up).breaks(I10_LETTER_ALONE);
    follow(usual(Variant::FULL), &given_up).breaks_nothing();
}
