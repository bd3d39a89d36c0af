//! A path of the model, drawn from a seed.

use std::fmt;

use fastrand::Rng;
use stateright::Model;

use crate::action::Action;
use crate::protocol::Protocol;

/// Of ten steps, how many are faults where both are possible.
const FAULTS_OF_TEN: u8 = 3;

/// A path from the beginning until nothing is left to happen.
pub(crate) struct Path {
    pub(crate) protocol: Protocol,
    pub(crate) seed: u64,
    actions: Vec<Action>,
}

impl Path {
    /// The path that follows from the seed.
    pub(crate) fn random(protocol: Protocol, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut state = protocol.init_states().remove(0);
        let mut path = Vec::new();
        loop {
            let mut possible = Vec::new();
            protocol.actions(&state, &mut possible);
            let (faults, steps): (Vec<_>, Vec<_>) =
                possible.into_iter().partition(|action| action.is_fault());
            let fault = steps.is_empty() || (!faults.is_empty() && rng.u8(..10) < FAULTS_OF_TEN);
            let Some(action) = rng.choice(if fault { faults } else { steps }) else {
                return Self { protocol, seed, actions: path };
            };
            state = protocol.next_state(&state, action).expect("every action leads somewhere");
            path.push(action);
        }
    }

    /// Its steps.
    pub(crate) fn actions(&self) -> impl Iterator<Item = Action> {
        self.actions.iter().copied()
    }

    /// How far it has been followed: with the step at that place, which is the last that counts.
    pub(crate) fn up_to(&self, at: usize) -> Progress<'_> {
        let taken = &self.actions[..self.actions.len().min(at + 1)];
        Progress { seed: self.seed, taken, is_done: false }
    }
}

/// Where a path is. It tells if something panics there.
pub(crate) struct Progress<'a> {
    seed: u64,
    taken: &'a [Action],
    is_done: bool,
}

impl Progress<'_> {
    /// Nothing went wrong.
    pub(crate) fn done(mut self) {
        self.is_done = true;
    }
}

impl fmt::Display for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} after {:?}", self.seed, self.taken)
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            println!("{self}");
        }
    }
}
