//! The model: the steps of all parties together.

use stateright::{Model, Property};

use crate::creating::action::Action;
use crate::creating::parties::{broker, create_order, event_consumer, sweep, transaction_check};
use crate::creating::properties;
use crate::creating::state::{Answer, State};
use crate::creating::variant::{Bounds, Variant};

/// How an order is created, with each part present or left out, within bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Creating {
    pub(crate) variant: Variant,
    pub(crate) bounds: Bounds,
}

impl Creating {
    /// Whether no step is possible, except for faults and new requests.
    pub(crate) fn is_at_rest(&self, state: &State) -> bool {
        let mut actions = Vec::new();
        self.actions(state, &mut actions);
        actions.into_iter().all(|action| action.is_fault() || action.is_request())
    }
}

impl Model for Creating {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::initial(&self.bounds)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        create_order::possible(self, state, actions);
        broker::possible(self, state, actions);
        transaction_check::possible(self, state, actions);
        sweep::possible(self, state, actions);
        event_consumer::possible(state, actions);
        if state.faults_left == 0 {
            actions.retain(|action| !action.is_fault());
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        let state = &mut next;
        if action.is_fault() {
            state.faults_left -= 1;
        }
        match action {
            Action::SendHalf(attempt) => create_order::send_half(state, attempt),
            Action::LoseHalfAnswer(attempt) => create_order::lose_half_answer(self, state, attempt),
            Action::GoOnWithoutHalf(attempt) | Action::SkipHalf(attempt) => {
                create_order::go_without_half(state, attempt);
            }
            Action::RefuseWithoutHalf(attempt) => {
                create_order::refuse(self, state, attempt, Answer::Unavailable);
            }
            Action::RefuseRequest(attempt) => {
                create_order::refuse(self, state, attempt, Answer::Refused);
            }
            Action::SendPut(attempt) => create_order::send_put(state, attempt),
            Action::ApplyPut(attempt) => create_order::apply_put(self, state, attempt),
            Action::LosePutAnswer(attempt) => create_order::lose_put_answer(self, state, attempt),
            Action::DropPut(attempt) => create_order::drop_put(state, attempt),
            Action::DelayPut(attempt) => create_order::delay_put(state, attempt),
            Action::RefusePut(attempt) => create_order::refuse_put(self, state, attempt),
            Action::ApplyLatePut(attempt) => create_order::apply_late_put(self, state, attempt),
            Action::ResendPut(attempt) => create_order::resend_put(state, attempt),
            Action::GiveUp(attempt) => create_order::give_up(state, attempt),
            Action::End(attempt) => create_order::end(self, state, attempt),
            Action::Crash(attempt) => create_order::crash(state, attempt),
            Action::ApplyCommit(attempt) => broker::apply_commit(self, state, attempt),
            Action::ApplyRollback(attempt) => broker::apply_rollback(state, attempt),
            Action::LoseCommit(attempt) => broker::lose_commit(state, attempt),
            Action::LoseRollback(attempt) => broker::lose_rollback(state, attempt),
            Action::DuplicateCommit(attempt) => broker::duplicate_commit(self, state, attempt),
            Action::Check(attempt) => broker::check(self, state, attempt),
            Action::LoseCheck(attempt) => broker::lose_check(state, attempt),
            Action::CheckEnded(attempt) => broker::check_ended(self, state, attempt),
            Action::Discard(attempt) => broker::discard(state, attempt),
            Action::Fence(attempt) => transaction_check::fence(self, state, attempt),
            Action::CrashBeforeFence(attempt) => {
                transaction_check::crash_before_fence(state, attempt);
            }
            Action::CrashAfterFence(attempt) => {
                transaction_check::crash_after_fence(self, state, attempt);
            }
            Action::Sweep => sweep::send(state),
            Action::ClaimInVain => sweep::claim(state),
            Action::LoseSweepCommit => sweep::lose_commit(state),
            Action::CheckSweepHalf => sweep::check_half(self, state),
            Action::DiscardSweepHalf => sweep::discard_half(state),
            Action::Deliver => event_consumer::deliver(state),
        }
        create_order::forget_late_puts(self, state);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
