//! The real use cases under all simulated faults, seed by seed.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and prints its figures"
)]

use std::collections::BTreeSet;
use std::thread;

use testkit::sim::judge::{Figures, Violation};
use testkit::sim::{self, Outcome, Part};

/// How many seeds every change is tested with.
const SEEDS: u64 = 2_000;

/// The faults that must occur in at least one seed: every fault of a table and of the broker, and
/// those of processes and messages. The announcement of a dead letter is not among them: no storm
/// lasts for the sixteen deliveries after which one is announced.
const FAULTS: [&str; 27] = [
    "ReplyLost",
    "RequestLost",
    "LandsLate",
    "Refused(Throttled)",
    "Refused(Unavailable)",
    "Busy",
    "ReplyLost in an outage",
    "RequestLost in an outage",
    "LandsLate in an outage",
    "Busy in an outage",
    "PrepareFails",
    "PrepareReplyLost",
    "PrepareDoubtful",
    "EndLost",
    "EndReplyLost",
    "EndLate",
    "EndDoubled",
    "EndRefused",
    "LookupFails",
    "LookupMisses",
    "ReceiveFails",
    "AcknowledgementLost",
    "broker away",
    "death",
    "delivered again",
    "freeze",
    "overtaken",
];

/// For a run with a part left out.
const SEEDS_WITHOUT: u64 = 100;

/// For a run without the fence, which few attempts need: only those of a request that created no
/// order before its check-back, and whose write arrives after it.
const SEEDS_WITHOUT_FENCE: u64 = 1_000;

/// Runs seeds on two threads, and passes each outcome to `judge`.
fn run(seeds: u64, left_out: Option<Part>, judge: impl Fn(u64, Outcome) + Sync) {
    thread::scope(|scope| {
        for first in 0..2 {
            let judge = &judge;
            scope.spawn(move || {
                for seed in (first..seeds).step_by(2) {
                    judge(seed, sim::run(seed, left_out));
                }
            });
        }
    });
}

#[test]
fn under_any_mix_of_faults_nothing_is_lost_nothing_is_a_phantom_and_every_effect_happens_once() {
    let total = std::sync::Mutex::new((Figures::default(), BTreeSet::new()));
    run(SEEDS, None, |seed, outcome| {
        assert!(
            outcome.violations.is_empty(),
            "seed {seed}: {:#?}\nto see what happened: cargo xtask simulate --seed {seed} --trace",
            outcome.violations
        );
        let mut total = total.lock().unwrap();
        total.0 = total.0.and(outcome.figures);
        total.1.extend(outcome.met);
    });
    let (total, met) = total.into_inner().unwrap();
    println!("{SEEDS} seeds: {total:?}");
    // The storm must have caused retries and duplicates, in addition to those that check-backs of
    // ended half messages would make.
    assert!(total.acknowledged > 10 * SEEDS && total.duplicates > SEEDS / 2, "{total:?}");
    // Most abandoned attempts are rolled back without a fence, because a retry with the same key
    // has created the order meanwhile.
    assert!(total.fenced > SEEDS / 50 && total.discarded > SEEDS / 10, "{total:?}");
    // Users must have cancelled before the reservation and after it.
    let before = total.cancelled - total.returned;
    assert!(before > SEEDS && total.returned > SEEDS, "{total:?}");
    let missed: Vec<_> = FAULTS.iter().filter(|fault| !met.contains(**fault)).collect();
    assert!(missed.is_empty(), "no call met {missed:?}, only {met:?}");
}

#[test]
fn a_seed_makes_the_same_run_again() {
    for seed in 0..20 {
        let digests = [(); 2].map(|()| sim::run(seed, None).trace.digest());
        assert_eq!(digests[0], digests[1], "seed {seed}");
    }
}

/// Seeds with a violation of the kind when a part is left out.
fn found_without(part: Part, of_kind: impl Fn(&Violation) -> bool + Sync) -> u64 {
    let seeds = if part == Part::Fence { SEEDS_WITHOUT_FENCE } else { SEEDS_WITHOUT };
    let found = std::sync::atomic::AtomicU64::new(0);
    run(seeds, Some(part), |_, outcome| {
        let seen = outcome.violations.iter().any(&of_kind);
        found.fetch_add(u64::from(seen), std::sync::atomic::Ordering::Relaxed);
    });
    let found = found.into_inner();
    println!("without {part:?}: found in {found} of {seeds} seeds");
    found
}

#[test]
fn answering_every_check_with_a_commit_makes_phantoms() {
    assert!(found_without(Part::Ledger, |v| matches!(v, Violation::Phantom(_))) > 0);
}

#[test]
fn without_the_fence_an_order_is_stored_after_its_rollback() {
    assert!(found_without(Part::Fence, |v| matches!(v, Violation::Ended(_))) > 0);
}

#[test]
fn without_the_sweep_events_are_lost() {
    assert!(found_without(Part::Sweep, |v| matches!(v, Violation::Lost(_))) > 0);
}

#[test]
fn without_the_orders_revision_effects_happen_twice() {
    assert!(found_without(Part::Guard, |v| matches!(v, Violation::Effect(_))) > 0);
}

#[test]
fn events_that_are_pending_only_until_they_are_received_are_not_all_handled() {
    assert!(found_without(Part::Pending, |v| matches!(v, Violation::Backlog(_))) > 0);
}

#[test]
fn stock_that_is_given_back_without_the_orders_revision_is_given_back_twice() {
    assert!(found_without(Part::Return, |v| matches!(v, Violation::Effect(_))) > 0);
}
