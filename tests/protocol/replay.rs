//! Random paths of the models, replayed with the real use cases.
//!
//! A proof about a model says nothing about the code. Here the code of `application` takes the
//! model's steps on the adapters in memory, and after each step the visible state must equal the
//! model's.
//!
//! The use cases are not changed for this. A wire holds the calls that leave a process, and a stage
//! decides what happens to each, as the action says. Calls that a path leaves on the wire arrive at
//! its end, and must not change anything.

mod creating;
mod half;
mod line;
mod path;
mod pending;
mod process;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use stateright::Model;

use path::{Drawn, Path};

/// How many paths every change is tested with.
const PATHS: u64 = 1_000;

/// Takes a model's steps with the real use cases.
trait Stage {
    type Protocol: Drawn;
    /// The visible state, of the model and of the stage.
    type View: Debug + PartialEq;

    /// A stage on which nothing has happened yet. Choices that the model doesn't distinguish are
    /// drawn from the seed.
    async fn new(protocol: &Self::Protocol, seed: u64) -> Self;

    async fn perform(&mut self, action: <Self::Protocol as Model>::Action);

    /// Lets everything arrive that is still on its way. This must not change anything.
    async fn close(&mut self);

    fn view(&self) -> Self::View;

    /// The expected view for the model's state, adjusted to the stage's progress.
    fn expected(&self, state: &<Self::Protocol as Model>::State) -> Self::View;
}

/// Returns how often each kind of action was taken.
async fn replay<Staged: Stage>(
    protocol: Staged::Protocol,
    kinds: &[&'static str],
) -> BTreeMap<&'static str, u64> {
    let mut counts: BTreeMap<_, _> = kinds.iter().map(|kind| (*kind, 0)).collect();
    for seed in 0..PATHS {
        let path = Path::random(protocol, seed);
        let stage = Staged::new(&protocol, seed).await;
        follow(&path, stage).await;
        for action in path.actions() {
            *counts.get_mut(kind(action).as_str()).expect("`kinds` has every kind") += 1;
        }
    }
    println!("{PATHS} paths of {} steps: {counts:?}", counts.values().sum::<u64>());
    counts
}

async fn follow<Staged: Stage>(path: &Path<Staged::Protocol>, mut stage: Staged) {
    let mut states = path.protocol.init_states();
    for (at, action) in path.actions().enumerate() {
        let progress = path.up_to(at);
        stage.perform(action).await;
        states.extend(path.protocol.next_state(&states[at], action));
        assert_eq!(stage.view(), stage.expected(&states[at + 1]), "{progress}");
        progress.done();
    }
    let progress = path.up_to(states.len() - 1);
    stage.close().await;
    let expected = stage.expected(&states[states.len() - 1]);
    assert_eq!(stage.view(), expected, "in the end, {progress}");
    progress.done();
}

/// Whether a path leads to a state that the use cases do not reach. A stage that cannot take a step
/// panics, which also counts.
async fn is_found_out<Staged: Stage>(protocol: Staged::Protocol) -> bool {
    for seed in 0..PATHS {
        let path = Path::random(protocol, seed);
        let stage = Staged::new(&protocol, seed).await;
        if AssertUnwindSafe(follow(&path, stage)).catch_unwind().await.is_err() {
            return true;
        }
    }
    false
}

fn kind(action: impl Debug) -> String {
    format!("{action:?}").split('(').next().unwrap_or_default().to_owned()
}

/// Asserts that paths took every other kind of action: a kind that no path takes proves nothing.
fn assert_all_except(impossible: &[&str], counts: &BTreeMap<&'static str, u64>) {
    let never = counts.iter().filter(|(_, times)| **times == 0).map(|(kind, _)| *kind);
    assert_eq!(never.collect::<Vec<_>>(), impossible);
}
