//! Follows one path, step by step.

use std::fmt::Debug;

use stateright::{Expectation, Model};

/// The states of one path, from the first to the last.
pub(crate) struct Story<Protocol: Model> {
    protocol: Protocol,
    states: Vec<Protocol::State>,
}

/// Each step must be possible.
pub(crate) fn follow<Protocol>(protocol: Protocol, steps: &[Protocol::Action]) -> Story<Protocol>
where
    Protocol: Model,
    Protocol::Action: Copy + Debug + PartialEq,
{
    let mut states = protocol.init_states();
    for step in steps {
        let last = &states[states.len() - 1];
        let mut possible = Vec::new();
        protocol.actions(last, &mut possible);
        assert!(possible.contains(step), "{step:?} is not among {possible:?}");
        let next = protocol.next_state(last, *step);
        states.extend(next);
    }
    Story { protocol, states }
}

impl<Protocol: Model> Story<Protocol> {
    /// Asserts that the property holds until the last step breaks it.
    pub(crate) fn breaks(&self, name: &'static str) {
        let holds = self.along(name);
        let first = holds.iter().position(|holds| !holds);
        assert_eq!(first, Some(holds.len() - 1), "{name}");
    }

    /// Asserts that every invariant holds in every state.
    pub(crate) fn breaks_nothing(&self) -> &Self {
        for property in self.protocol.properties() {
            if property.expectation == Expectation::Always {
                assert!(!self.along(property.name).contains(&false), "{}", property.name);
            }
        }
        self
    }

    /// Asserts that the last step reaches this state.
    pub(crate) fn reaches(&self, name: &'static str) {
        assert_eq!(self.along(name).last(), Some(&true), "{name}");
    }

    /// Whether the property's condition holds, state by state.
    fn along(&self, name: &'static str) -> Vec<bool> {
        let condition = self.protocol.property(name).condition;
        self.states.iter().map(|state| condition(&self.protocol, state)).collect()
    }
}
