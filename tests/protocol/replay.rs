//! Random paths of the models, replayed on the real use cases.
//!
//! A model proves something of the model. Here its steps are taken by `application`'s code on the
//! adapters in memory, and after each step what can be seen there must be what the model says.
//!
//! Nothing of the use cases is changed for it. A wire holds the calls that leave a process, and a
//! stage decides what becomes of each, as the action says. What a path leaves on the wire arrives at
//! its end, and must change nothing any more.

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

/// What takes a model's steps on the real use cases.
trait Stage {
    /// The model.
    type Protocol: Drawn;
    /// What can be seen of a state, in the model as here.
    type View: Debug + PartialEq;

    /// Nothing has happened yet. What the model doesn't tell apart is drawn from the seed.
    async fn new(protocol: &Self::Protocol, seed: u64) -> Self;

    /// Takes one step of the model.
    async fn perform(&mut self, action: <Self::Protocol as Model>::Action);

    /// Everything arrives that is still on its way, and changes nothing.
    async fn close(&mut self);

    /// What is so.
    fn view(&self) -> Self::View;

    /// What the model says, as far as the stage has come.
    fn expected(&self, state: &<Self::Protocol as Model>::State) -> Self::View;
}

/// Replays paths, and says how often each kind of action was taken.
async fn replay<Staged: Stage>(
    protocol: Staged::Protocol,
    kinds: &[&'static str],
) -> BTreeMap<&'static str, u64> {
    let mut taken: BTreeMap<_, _> = kinds.iter().map(|kind| (*kind, 0)).collect();
    for seed in 0..PATHS {
        let path = Path::random(protocol, seed);
        let stage = Staged::new(&protocol, seed).await;
        follow(&path, stage).await;
        for action in path.actions() {
            *taken.get_mut(kind(action).as_str()).expect("`kinds` has every kind") += 1;
        }
    }
    println!("{PATHS} paths of {} steps: {taken:?}", taken.values().sum::<u64>());
    taken
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

/// Whether one of the paths leads where the use cases do not go. A stage that can't take a step at
/// all panics as one does that takes it elsewhere.
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

/// What an action is, whoever does it.
fn kind(action: impl Debug) -> String {
    format!("{action:?}").split('(').next().unwrap_or_default().to_owned()
}

/// A kind of action that no path takes proves nothing.
fn assert_all_but(impossible: &[&str], taken: &BTreeMap<&'static str, u64>) {
    let never = taken.iter().filter(|(_, times)| **times == 0).map(|(kind, _)| *kind);
    assert_eq!(never.collect::<Vec<_>>(), impossible);
}
