//! `cargo xtask chaos`: the catalogue of faults, run long, and its report card.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use chaos_tests::cluster::Cluster;
use chaos_tests::report::{RowReport, Run, card};
use chaos_tests::rows::{Bench, Effort, ROWS, Row, row};
use clap::Args;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::progress::{Progress, Rounds};
use crate::{build, workspace};

/// Runs every row once, and then again and again until some minutes are over.
#[derive(Args)]
pub(crate) struct Options {
    /// Runs only this row, such as P5; may be given several times.
    #[arg(long = "row", value_name = "ROW", value_parser = parse_row)]
    rows: Vec<&'static Row>,
    /// Repeats the rows, each time with another seed, until this many minutes are over. Every row runs once
    /// in any case.
    #[arg(long, value_name = "MINUTES")]
    minutes: Option<u32>,
    /// The first seed; without it a random one, which is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// How many rows run at once. They mostly wait.
    #[arg(long, value_name = "ROWS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=8))]
    at_once: u16,
}

fn parse_row(id: &str) -> Result<&'static Row, String> {
    let known = || ROWS.iter().map(|row| row.id).collect::<Vec<_>>().join(", ");
    row(id).ok_or_else(|| format!("there is no such row; there are {}", known()))
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let root = workspace::root()?;
    let progress = Progress::new();
    progress.step("building the functions");
    let mut packages = workspace::function_names(&root)?;
    packages.push("chaos-tests".to_owned());
    build::functions(&root, &packages).await?;
    progress.step("starting Apache RocketMQ");
    let cluster = Cluster::start(Cluster::TUNING).await?;
    progress.finish();

    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("seed {seed}");
    let started = Instant::now();
    let chosen = if options.rows.is_empty() { ROWS.iter().collect() } else { options.rows.clone() };
    let mut reports: Vec<RowReport> = chosen.iter().copied().map(RowReport::new).collect();
    let interrupted = tokio::select! {
        () = run_rows(&options, &chosen, &cluster, seed, &mut reports) => false,
        heard = tokio::signal::ctrl_c() => {
            heard.context("Ctrl-C cannot be heard")?;
            eprintln!("interrupted; the card tells of the runs that had ended");
            true
        }
    };
    let card = card(Run { seed, took: started.elapsed() }, &reports);
    println!("{card}");
    let folder = workspace::target()?.join("chaos");
    tokio::fs::create_dir_all(&folder).await?;
    let file = folder.join("report.md");
    tokio::fs::write(&file, &card)
        .await
        .with_context(|| format!("cannot write {}", file.display()))?;
    eprintln!("written to {}", file.display());
    let failed = |report: &RowReport| report.runs == 0 || !report.failures.is_empty();
    let failed = interrupted || reports.iter().any(failed);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs the rows, some at a time, each round with the next seed.
async fn run_rows(
    options: &Options,
    chosen: &[&'static Row],
    cluster: &Cluster,
    seed: u64,
    reports: &mut [RowReport],
) {
    let limit = options.minutes.map(|minutes| Duration::from_secs(60 * u64::from(minutes)));
    let started = Instant::now();
    let rounds = Rounds::new(limit, chosen.len());
    let over = || limit.is_some_and(|limit| started.elapsed() >= limit);
    // From the last row on, which takes longest: so the others run beside it.
    let mut queue = (0_u64..).flat_map(|round| (0..chosen.len()).rev().map(move |n| (round, n)));
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < usize::from(options.at_once) {
            let Some((round, position)) = queue.next() else { break };
            // Each row runs once, and again only while there is time; what has begun is finished.
            if round > 0 && (limit.is_none() || over()) {
                break;
            }
            let Some(row) = chosen.get(position).copied() else { break };
            let seed = seed.wrapping_add(round);
            let bench = Bench { cluster, effort: Effort::Long, seed };
            rounds.begin(row.id, row.title);
            running.push(async move { (position, row, seed, (row.run)(bench).await) });
        }
        let Some((position, row, seed, outcome)) = running.next().await else { break };
        rounds.end(row.id, outcome.is_ok());
        if let Err(error) = &outcome {
            rounds.say(&format!("{} failed with seed {seed}: {error:#}", row.id));
        }
        if let Some(report) = reports.get_mut(position) {
            report.add(seed, outcome);
        }
    }
    rounds.finish();
}
