//! The model: the steps of all parties together.

use stateright::{Model, Property};

use crate::pending::action::Action;
use crate::pending::parties::{
    broker, event_consumer, inventory, operator, other_group, sweep, user,
};
use crate::pending::properties;
use crate::pending::state::State;
use crate::pending::variant::{Bounds, Variant};

/// How events are handled, with each part present or left out, within bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handling {
    pub(crate) variant: Variant,
    pub(crate) bounds: Bounds,
}

impl Handling {
    /// Whether no step is possible, except for faults and the user's cancel.
    pub(crate) fn is_at_rest(&self, state: &State) -> bool {
        let mut actions = Vec::new();
        self.actions(state, &mut actions);
        actions.into_iter().all(|action| action.is_fault() || action.is_request())
    }
}

impl Model for Handling {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::initial(&self.bounds)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        event_consumer::possible(self, state, actions);
        user::possible(self, state, actions);
        broker::possible(self, state, actions);
        sweep::possible(self, state, actions);
        operator::possible(self, state, actions);
        other_group::possible(self, state, actions);
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
            Action::Deliver(consumer, event) => {
                event_consumer::deliver(self, state, consumer, event);
            }
            Action::Decide(consumer, decision) => {
                inventory::decide(self, state, consumer, decision);
            }
            Action::LoseDecisionAnswer(consumer, decision) => {
                inventory::lose_decision_answer(self, state, consumer, decision);
            }
            Action::PublishFollowUp(consumer) => {
                inventory::publish_follow_up(self, state, consumer);
            }
            Action::LoseFollowUp(consumer) => inventory::lose_follow_up(self, state, consumer),
            Action::ActElsewhere(consumer) => event_consumer::act_elsewhere(self, state, consumer),
            Action::LoseElsewhereAnswer(_) => event_consumer::lose_elsewhere_answer(self, state),
            Action::Finish(consumer) => event_consumer::finish(self, state, consumer),
            Action::LoseFinishAnswer(consumer) => {
                event_consumer::lose_finish_answer(self, state, consumer);
            }
            Action::GiveUp(consumer) => event_consumer::give_up(self, state, consumer),
            Action::Acknowledge(consumer) => event_consumer::acknowledge(state, consumer),
            Action::Crash(consumer) => event_consumer::crash(state, consumer),
            Action::Cancel => user::cancel(self, state),
            Action::ReadToCancel => user::read(state),
            Action::Lose(event) => broker::lose(state, event),
            Action::LoseRedelivery(event) => broker::lose_redelivery(state, event),
            Action::Copy(event) => broker::copy(state, event),
            Action::Sweep(event) => sweep::send(state, event),
            Action::SweepEarly(event) => sweep::send_early(state, event),
            Action::Redrive(event) => operator::redrive(self, state, event),
            Action::RedriveUnpublished(event) => operator::redrive_unpublished(self, state, event),
            Action::Replay(event) => operator::replay(state, event),
            Action::ReachOthers(event) => other_group::reach(state, event),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
