//! Random paths of the model, replayed on the real use cases.
//!
//! A model proves something of the model. Here its steps are taken by `application`'s code on the
//! adapters in memory, and after each step what can be seen there must be what the model says: the
//! attempts' records, their half messages, what is under way to the broker, the order with its
//! marks, its effects, the copies on the topic, and what clients were told.
//!
//! Nothing of the use cases is changed for it. The [`wire`] holds the calls that leave a process,
//! and the [`stage`] decides what becomes of each, as the action says. What a path leaves on the
//! wire arrives at its end, and must change nothing any more.

mod consumer;
#[path = "shared/half.rs"]
mod half;
#[path = "shared/path.rs"]
mod path;
#[path = "shared/process.rs"]
mod process;
mod stage;
mod sweeper;
mod view;
mod wire;

use std::collections::BTreeMap;

use stateright::Model;

use crate::action::Action;
use crate::protocol::Protocol;
use crate::variant::{Bounds, Variant};
use path::{Drawn, Path};
use stage::Stage;
use view::View;

/// How many paths every change is tested with.
const PATHS: u64 = 1_000;

/// Paths may be longer and worse than what can be explored whole.
const BOUNDS: Bounds =
    Bounds { attempts: 3, faults: 6, checks_max: 3, tries_max: 3, refusals: true };

#[tokio::test(start_paused = true)]
async fn the_use_cases_do_as_the_model_does() {
    let taken = replay(Variant::FULL).await;
    // Without a half message the order is taken all the same.
    assert_all_but("HalfLost", &taken);
}

#[tokio::test(start_paused = true)]
async fn the_use_cases_do_as_the_model_does_when_no_order_is_taken_without_the_broker() {
    let taken = replay(Variant { accept_without_broker: false, ..Variant::FULL }).await;
    // Without a half message it isn't.
    assert_all_but("SkipHalf", &taken);
}

/// What an action can be.
const KINDS: [&str; 31] = [
    "SendHalf",
    "HalfAckLost",
    "HalfLost",
    "SkipHalf",
    "SendTx",
    "ApplyTx",
    "ApplyTxReplyLost",
    "LoseTx",
    "DelayTx",
    "RefuseTx",
    "ApplyLateTx",
    "ResendTx",
    "GiveUp",
    "End",
    "Crash",
    "RpcCommit",
    "RpcRollback",
    "LoseCommit",
    "LoseRollback",
    "DuplicateCommit",
    "Check",
    "CheckLost",
    "SpuriousCheck",
    "Discard",
    "SweepSends",
    "SweepCommitLost",
    "SweepCheck",
    "SweepDiscard",
    "Deliver",
    "CrashBeforeAck",
    "CrashBeforeEffect",
];

impl Drawn for Protocol {
    fn is_fault(action: Action) -> bool {
        action.is_fault()
    }
}

/// Replays paths, and tells how often each kind of action was taken.
async fn replay(variant: Variant) -> BTreeMap<&'static str, u64> {
    let protocol = Protocol { variant, bounds: BOUNDS };
    let mut taken: BTreeMap<_, _> = KINDS.into_iter().map(|kind| (kind, 0)).collect();
    for seed in 0..PATHS {
        let path = Path::random(protocol, seed);
        follow(&path).await;
        for action in path.actions() {
            *taken.get_mut(action.kind().as_str()).expect("KINDS has every kind") += 1;
        }
    }
    println!("{PATHS} paths: {taken:?}");
    taken
}

async fn follow(path: &Path<Protocol>) {
    let mut stage = Stage::new(path.protocol.variant, BOUNDS.attempts, path.seed);
    let mut states = path.protocol.init_states();
    for (at, action) in path.actions().enumerate() {
        let progress = path.up_to(at);
        stage.perform(action).await;
        states.extend(path.protocol.next_state(&states[at], action));
        let expected = View::of_model(&states[at + 1], BOUNDS.attempts);
        assert_eq!(stage.view(), expected.without_answers_of(&stage), "{progress}");
        progress.done();
    }
    let progress = path.up_to(states.len() - 1);
    stage.close().await;
    let expected = View::of_model(&states[states.len() - 1], BOUNDS.attempts);
    assert_eq!(stage.view(), expected, "in the end, {progress}");
    progress.done();
}

/// A kind of action that no path takes proves nothing.
fn assert_all_but(impossible: &str, taken: &BTreeMap<&'static str, u64>) {
    let never = taken.iter().filter(|(_, times)| **times == 0).map(|(kind, _)| *kind);
    assert_eq!(never.collect::<Vec<_>>(), [impossible]);
}
