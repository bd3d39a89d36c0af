//! Every row of the catalogue in its short form. `cargo xtask chaos` runs the same rows in their
//! long form.
//!
//! One cluster serves all rows that don't harm it; each row has its own systems on it.

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and prints its figures"
)]

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use chaos_tests::cluster::Cluster;
use chaos_tests::report::RowReport;
use chaos_tests::rows::{Bench, Claim, Effort, ROWS, Row};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

/// The rows' random choices are the same in every run of the tests.
const SEED: u64 = 20_261_123;

/// How many rows run beside each other by default. They mostly wait.
const AT_ONCE: usize = 4;

/// The cluster starts with the first row that runs.
struct Shared {
    runtime: Runtime,
    cluster: OnceLock<Cluster>,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let shared = Arc::new(Shared { runtime, cluster: OnceLock::new() });
    let trial = |row: &'static Row| {
        let shared = Arc::clone(&shared);
        Trial::test(format!("{} {}", row.id, row.title), move || short(row, &shared))
    };
    let conclusion = libtest_mimic::run(&arguments, in_turn().into_iter().map(trial).collect());
    // The last row is over: the cluster ends, and its folder is deleted.
    drop(Arc::into_inner(shared));
    conclusion.exit_code()
}

/// The rows in the order in which they begin. Those with their own cluster, of which three run at a
/// time, alternate with those that share one, so that neither kind is left to the end. Those with
/// their own cluster begin in reverse order: the last ones of the catalogue take longest.
fn in_turn() -> Vec<&'static Row> {
    let (beside, apart): (Vec<&Row>, Vec<&Row>) =
        ROWS.iter().partition(|row| row.claim == Claim::Place);
    let (mut beside, mut apart) = (beside.into_iter(), apart.into_iter().rev());
    let mut rows = Vec::with_capacity(ROWS.len());
    while rows.len() < ROWS.len() {
        rows.extend(apart.next());
        rows.extend(beside.next());
    }
    rows
}

fn short(row: &'static Row, shared: &Shared) -> Result<(), Failed> {
    let Shared { runtime, cluster } = shared;
    let start = || runtime.block_on(Cluster::start(Cluster::TUNING)).expect("no cluster");
    let bench = Bench { cluster: cluster.get_or_init(start), effort: Effort::Short, seed: SEED };
    let mut report = RowReport::new(row);
    let begun = Instant::now();
    let failure = report.add(SEED, runtime.block_on((row.run)(bench)));
    print!("{}", report.line());
    println!("{} took {:.0} s", row.id, begun.elapsed().as_secs_f64());
    let Some(why) = failure else { return Ok(()) };
    // Printed immediately: the list of failures comes only after the last row.
    println!("{} failed: {why}", row.id);
    Err(why.into())
}
