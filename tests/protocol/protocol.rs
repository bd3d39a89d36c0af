//! The model itself: what each party can do, put together.

use stateright::{Model, Property};

use crate::action::Action;
use crate::parties::{broker, create_order, event_consumer, sweep};
use crate::properties;
use crate::state::State;
use crate::variant::{Bounds, Variant};

/// A variant of the protocol, within bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protocol {
    /// Which parts it has.
    pub(crate) variant: Variant,
    /// How far it is explored.
    pub(crate) bounds: Bounds,
}

impl Protocol {
    /// Whether nothing is left to happen, unless something goes wrong or the client asks again.
    pub(crate) fn is_at_rest(&self, state: &State) -> bool {
        let mut actions = Vec::new();
        self.actions(state, &mut actions);
        actions.into_iter().all(|action| action.is_fault() || action.is_request())
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::initial(&self.bounds)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        create_order::possible(self, state, actions);
        broker::possible(self, state, actions);
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
            Action::HalfAckLost(attempt) => create_order::half_ack_lost(self, state, attempt),
            Action::HalfLost(attempt) => create_order::half_lost(state, attempt),
            Action::SkipHalf(attempt) => create_order::skip_half(state, attempt),
            Action::SendTx(attempt) => create_order::send_tx(state, attempt),
            Action::ApplyTx(attempt) => create_order::apply_tx(self, state, attempt),
            Action::ApplyTxReplyLost(attempt) => {
                create_order::apply_tx_reply_lost(self, state, attempt);
            }
            Action::LoseTx(attempt) => create_order::lose_tx(state, attempt),
            Action::DelayTx(attempt) => create_order::delay_tx(state, attempt),
            Action::RefuseTx(attempt) => create_order::refuse_tx(self, state, attempt),
            Action::ApplyLateTx(attempt) => create_order::apply_late_tx(self, state, attempt),
            Action::ResendTx(attempt) => create_order::resend_tx(state, attempt),
            Action::GiveUp(attempt) => create_order::give_up(state, attempt),
            Action::End(attempt) => create_order::end(self, state, attempt),
            Action::Crash(attempt) => create_order::crash(state, attempt),
            Action::RpcCommit(attempt) => broker::rpc_commit(self, state, attempt),
            Action::RpcRollback(attempt) => broker::rpc_rollback(state, attempt),
            Action::LoseCommit(attempt) => broker::lose_commit(state, attempt),
            Action::LoseRollback(attempt) => broker::lose_rollback(state, attempt),
            Action::DuplicateCommit(attempt) => broker::duplicate_commit(self, state, attempt),
            Action::Check(attempt) => broker::check(self, state, attempt),
            Action::CheckLost(attempt) => broker::check_lost(state, attempt),
            Action::SpuriousCheck(attempt) => broker::spurious_check(self, state, attempt),
            Action::Discard(attempt) => broker::discard(state, attempt),
            Action::SweepSends => sweep::sends(state),
            Action::SweepCommitLost => sweep::commit_lost(state),
            Action::SweepCheck => sweep::check(state),
            Action::SweepDiscard => sweep::discard(state),
            Action::Deliver(event) => event_consumer::deliver(self, state, event),
            Action::CrashBeforeAck(event) => event_consumer::crash_before_ack(self, state, event),
            Action::CrashBeforeEffect(event) => event_consumer::crash_before_effect(state, event),
        }
        create_order::forget_late_tries(self, state);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
