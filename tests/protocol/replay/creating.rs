//! Random paths of the model of how an order is [created](crate::creating), with the real
//! `CreateOrder`, `AnswerCheck`, `Sweep` and `ConsumeEvents`.
//!
//! After each step the model and the stored state must agree on: the order with its attempt and its
//! pending event, the tombstone, the half messages with their ends and those under way, the copies
//! on the topic, how often the event was handled, and the clients' answers.
//!
//! # Steps that differ in size
//!
//! - **`LoseHalfAnswer` and the step after it.** The answer is held until the model says how the
//!   request continues: without a half message, or with another try, as the same request or as
//!   another.
//! - **`SkipHalf`** is a half message that cannot be stored while a request tries. A circuit
//!   breaker that skips it has the same effect, and its own tests.
//! - **`Check` and `Fence`** are one call of the checker, which is held at its fence.
//! - **`LoseCheck`** is any of: no checker is asked; the table can't be read; it is too early; the
//!   fence fails.
//! - **`LoseSweepCommit`** is the death of the sweep, or its failure; **`ClaimInVain`** is its
//!   death before it sends anything.
//! - **`Deliver`** also handles the events that follow, which belong to the other model.
//!
//! # Steps that no path takes
//!
//! Counters of the model stop at two. Only the stage would count a third copy, or a third COMMIT
//! under way, so [no path](Drawn::leaves_out) makes one.

mod attempt;
mod consumer;
mod stage;
mod sweeper;
mod view;
mod wire;

use super::path::Drawn;
use super::{assert_all_except, is_found_out, replay};
use crate::creating::action::Action;
use crate::creating::protocol::Creating;
use crate::creating::state::{MANY, State};
use crate::creating::variant::{
    Bounds, EventRaised, FenceWrite, NothingFound, PutCondition, TransactionIds, Variant,
};
use stage::Stage;

/// Paths may be longer, and have more faults, than what can be explored completely.
const BOUNDS: Bounds =
    Bounds { attempts: 3, faults: 6, checks_max: 3, puts_max: 3, refusals: true };

#[tokio::test(start_paused = true)]
async fn orders_are_created_as_the_model_says() {
    let counts = replay::<Stage>(creating(Variant::FULL), KINDS).await;
    assert_all_except(&["RefuseWithoutHalf"], &counts);
}

#[tokio::test(start_paused = true)]
async fn orders_are_created_as_the_model_says_when_none_is_created_without_the_broker() {
    let variant = Variant { accept_without_broker: false, ..Variant::FULL };
    let counts = replay::<Stage>(creating(variant), KINDS).await;
    assert_all_except(&["ClaimInVain", "GoOnWithoutHalf", "SkipHalf"], &counts);
}

/// Otherwise the comparison would prove nothing. The code has every part, so a model that lacks one
/// differs from it at some step.
#[tokio::test(start_paused = true)]
async fn a_model_of_the_creation_that_lacks_a_part_is_found_out() {
    const FULL: Variant = Variant::FULL;
    let lacking = [
        Variant { nothing_found: NothingFound::FenceAndRollback, ..FULL },
        Variant { nothing_found: NothingFound::Rollback, ..FULL },
        Variant { nothing_found: NothingFound::Unknown, ..FULL },
        Variant { event_raised: EventRaised::Commit, ..FULL },
        Variant { event_raised: EventRaised::Rollback, ..FULL },
        Variant { fence_write: FenceWrite::Add, ..FULL },
        Variant { fence_write: FenceWrite::ReplaceUnlessOrder, ..FULL },
        Variant { put_condition: PutCondition::NoOrder, ..FULL },
        Variant { put_condition: PutCondition::NotFenced, ..FULL },
        Variant { sweep: false, ..FULL },
        Variant { own_order_recognised: false, ..FULL },
        Variant { doubt_outlives_refusal: false, ..FULL },
        Variant { looks_before_refusal: false, ..FULL },
        Variant { transaction_ids: TransactionIds::SharedByRetries, ..FULL },
    ];
    for variant in lacking {
        assert!(is_found_out::<Stage>(creating(variant)).await, "{variant:?}");
    }
}

const fn creating(variant: Variant) -> Creating {
    Creating { variant, bounds: BOUNDS }
}

impl Drawn for Creating {
    fn is_fault(action: Action) -> bool {
        action.is_fault()
    }

    fn leaves_out(&self, state: &State, action: Action) -> bool {
        match action {
            Action::ApplyCommit(_)
            | Action::DuplicateCommit(_)
            | Action::Sweep
            | Action::CheckSweepHalf => state.broker.unacknowledged == MANY,
            Action::End(attempt)
            | Action::Check(attempt)
            | Action::CheckEnded(attempt)
            | Action::Fence(attempt) => state.broker.halves[attempt].commits_under_way == MANY,
            _ => false,
        }
    }
}

const KINDS: &[&str] = &[
    "SendHalf",
    "LoseHalfAnswer",
    "GoOnWithoutHalf",
    "SkipHalf",
    "RefuseWithoutHalf",
    "RefuseRequest",
    "SendPut",
    "ApplyPut",
    "LosePutAnswer",
    "DropPut",
    "DelayPut",
    "RefusePut",
    "ApplyLatePut",
    "ResendPut",
    "GiveUp",
    "End",
    "Crash",
    "ApplyCommit",
    "ApplyRollback",
    "LoseCommit",
    "LoseRollback",
    "DuplicateCommit",
    "Check",
    "LoseCheck",
    "CheckEnded",
    "Discard",
    "Fence",
    "CrashBeforeFence",
    "CrashAfterFence",
    "Sweep",
    "ClaimInVain",
    "LoseSweepCommit",
    "CheckSweepHalf",
    "DiscardSweepHalf",
    "Deliver",
];
