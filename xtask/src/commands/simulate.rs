//! `cargo xtask simulate`: runs any number of seeds of the simulator.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use anyhow::Context;
use clap::Args;
use testkit::sim::judge::{Figures, Violation};
use testkit::sim::{self, Outcome};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::subscriber::NoSubscriber;

use harness::progress::Progress;

const SEEDS_PER_LINE: u64 = 500;

/// Runs the real use cases on a simulated broker and table, with time paused, and with crashes,
/// freezes, losses, delays, duplicates and outages that follow from each seed. Ends at the first
/// seed that violates an invariant.
#[derive(Args)]
pub(crate) struct Options {
    /// How many seeds to run.
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    seeds: u64,

    /// The first seed.
    #[arg(long, default_value_t = 0, value_name = "SEED")]
    first: u64,

    /// Runs only this seed.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,

    /// Prints the steps of the run, in order.
    #[arg(long, requires = "seed")]
    trace: bool,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let (first, seeds) = options.seed.map_or((options.first, options.seeds), |seed| (seed, 1));
    let last = first.checked_add(seeds).context("the last seed is 2^64 - 1")?;
    let stop = Arc::new(AtomicBool::new(false));
    let outcomes = start(first..last, &stop);
    let summary = tokio::select! {
        summary = gather(outcomes, seeds, options.trace) => summary,
        interrupted = tokio::signal::ctrl_c() => {
            stop.store(true, Ordering::Relaxed);
            interrupted.context("cannot wait for Ctrl-C")?;
            eprintln!("stopped");
            return Ok(ExitCode::from(130));
        }
    };
    stop.store(true, Ordering::Relaxed);
    print_summary(&summary);
    Ok(if summary.failed.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Default)]
struct Summary {
    seeds: u64,
    figures: Figures,
    failed: Option<(u64, Vec<Violation>)>,
}

/// Runs seeds on as many threads as processors, until all have run or `stop` is set.
fn start(seeds: std::ops::Range<u64>, stop: &Arc<AtomicBool>) -> UnboundedReceiver<(u64, Outcome)> {
    let (sender, receiver) = unbounded_channel();
    let next = Arc::new(AtomicU64::new(seeds.start));
    for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
        let (next, stop, sender) = (Arc::clone(&next), Arc::clone(stop), sender.clone());
        thread::spawn(move || work(&next, seeds.end, &stop, &sender));
    }
    receiver
}

fn work(next: &AtomicU64, end: u64, stop: &AtomicBool, sender: &UnboundedSender<(u64, Outcome)>) {
    // In a storm the use cases log a lot of warnings.
    let _quiet = tracing::subscriber::set_default(NoSubscriber::default());
    while !stop.load(Ordering::Relaxed) {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end || sender.send((seed, sim::run(seed, None))).is_err() {
            return;
        }
    }
}

/// Ends when all seeds have run, or one fails.
async fn gather(
    mut outcomes: UnboundedReceiver<(u64, Outcome)>,
    seeds: u64,
    trace: bool,
) -> Summary {
    let progress = Progress::new();
    let mut summary = Summary::default();
    while let Some((seed, outcome)) = outcomes.recv().await {
        summary.seeds += 1;
        summary.figures = summary.figures.and(outcome.figures);
        if summary.seeds.is_multiple_of(SEEDS_PER_LINE) {
            progress.step(&format!("{} of {seeds} seeds", summary.seeds));
        }
        if trace {
            outcome.trace.lines().iter().for_each(|line| println!("{line}"));
        }
        if !outcome.violations.is_empty() {
            summary.failed = Some((seed, outcome.violations));
            break;
        }
    }
    progress.finish();
    summary
}

fn print_summary(summary: &Summary) {
    let Figures {
        intents,
        acknowledged,
        refused,
        unknown,
        orders,
        cancelled,
        returned,
        duplicates,
        fenced,
        discarded,
        recovery,
    } = summary.figures;
    for (figure, what) in [
        (summary.seeds, "seeds"),
        (intents, "orders tried"),
        (acknowledged, "acknowledged"),
        (refused, "refused"),
        (unknown, "unknown to their clients at the end"),
        (orders, "orders stored"),
        (cancelled, "of them cancelled"),
        (returned, "of those after their stock was reserved"),
        (duplicates, "duplicate copies of events"),
        (fenced, "attempts fenced"),
        (discarded, "half messages discarded by the broker"),
        (recovery.as_secs(), "s at most until all work was finished after the storm"),
    ] {
        println!("{figure:>10}  {what}");
    }
    match &summary.failed {
        None => println!("every invariant holds"),
        Some((seed, violations)) => {
            println!("seed {seed} fails:");
            violations.iter().for_each(|violation| println!("  {violation}"));
            println!("to see what happened: cargo xtask simulate --seed {seed} --trace");
        }
    }
}
