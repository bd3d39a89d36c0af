//! A path of a model, drawn from a seed.

use std::fmt::{self, Debug};

use fastrand::Rng;
use stateright::Model;

/// Of ten steps, if a fault is possible.
const FAULTS_OF_TEN: u8 = 3;

/// A model whose paths can be drawn.
pub(crate) trait Drawn: Model<Action: Copy + Debug> + Copy {
    fn is_fault(action: Self::Action) -> bool;

    /// Whether no path takes this step in this state.
    fn leaves_out(&self, _state: &Self::State, _action: Self::Action) -> bool {
        false
    }
}

/// A path from the beginning until nothing is left to happen.
pub(crate) struct Path<Protocol: Model> {
    pub(crate) protocol: Protocol,
    pub(crate) seed: u64,
    actions: Vec<Protocol::Action>,
}

impl<Protocol: Drawn> Path<Protocol> {
    pub(crate) fn random(protocol: Protocol, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut state = protocol.init_states().remove(0);
        let mut path = Vec::new();
        loop {
            let mut possible = Vec::new();
            protocol.actions(&state, &mut possible);
            possible.retain(|action| !protocol.leaves_out(&state, *action));
            let (faults, steps): (Vec<_>, Vec<_>) =
                possible.into_iter().partition(|action| Protocol::is_fault(*action));
            let fault = steps.is_empty() || (!faults.is_empty() && rng.u8(..10) < FAULTS_OF_TEN);
            let Some(action) = rng.choice(if fault { faults } else { steps }) else {
                return Self { protocol, seed, actions: path };
            };
            state = protocol.next_state(&state, action).expect("every action leads somewhere");
            path.push(action);
        }
    }

    pub(crate) fn actions(&self) -> impl Iterator<Item = Protocol::Action> {
        self.actions.iter().copied()
    }

    /// Includes the step at that index.
    pub(crate) fn up_to(&self, at: usize) -> Progress<'_, Protocol::Action> {
        let taken = &self.actions[..self.actions.len().min(at + 1)];
        Progress { seed: self.seed, taken, is_done: false }
    }
}

/// Printed if a step panics.
pub(crate) struct Progress<'a, Action: Debug> {
    seed: u64,
    taken: &'a [Action],
    is_done: bool,
}

impl<Action: Debug> Progress<'_, Action> {
    /// Ends the progress without printing it: no step has panicked.
    pub(crate) fn done(mut self) {
        self.is_done = true;
    }
}

impl<Action: Debug> fmt::Display for Progress<'_, Action> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} after {:?}", self.seed, self.taken)
    }
}

impl<Action: Debug> Drop for Progress<'_, Action> {
    fn drop(&mut self) {
        if !self.is_done {
            println!("{self}");
        }
    }
}
