//! `cargo xtask chaos`: the catalogue of faults and its report card.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use chaos_tests::cluster::Cluster;
use chaos_tests::report::{RowReport, Run, card};
use chaos_tests::rows::{Bench, Claim, Effort, ROWS, Row, row};
use clap::Args;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::rounds::Rounds;
use crate::{build, workspace};
use harness::progress::Progress;

/// Runs every row once, and repeats them for some minutes if asked to.
#[derive(Args)]
pub(crate) struct Options {
    /// Runs only this row, such as P5; may be given several times.
    #[arg(long = "row", value_name = "ROW", value_parser = parse_row)]
    rows: Vec<&'static Row>,
    /// Repeats the rows, each time with another seed, until this many minutes are over. Every row
    /// runs once in any case.
    #[arg(long, value_name = "MINUTES")]
    minutes: Option<u32>,
    /// The first seed; without it a random one, which is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Keeps the tables in Amazon's DynamoDB Local, one for all rows, instead of embedded ones.
    #[arg(long)]
    dynamodb_local: bool,
    /// How many rows run at once. They mostly wait; rows that load the machine run alone.
    #[arg(long, value_name = "ROWS", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=8))]
    at_once: u16,
}

fn parse_row(id: &str) -> Result<&'static Row, String> {
    let known = || ROWS.iter().map(|row| row.id).collect::<Vec<_>>().join(", ");
    row(id).ok_or_else(|| format!("unknown row; the rows are {}", known()))
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let root = harness::checkout::root()?;
    let progress = Progress::new();
    progress.first("building the functions");
    let mut packages = workspace::function_names(&root)?;
    packages.push("chaos-tests".to_owned());
    build::functions(&root, &packages).await?;
    progress.step("starting Apache RocketMQ");
    let cluster = Cluster::start(Cluster::TUNING).await?;
    let (cluster, table) = if options.dynamodb_local {
        progress.step("starting DynamoDB Local");
        (cluster.with_dynamodb_local().await?, "DynamoDB Local")
    } else {
        (cluster, "embedded tables")
    };
    progress.finish();

    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("seed {seed}");
    let started = Instant::now();
    let chosen = if options.rows.is_empty() { ROWS.iter().collect() } else { options.rows.clone() };
    let mut reports: Vec<RowReport> = chosen.iter().copied().map(RowReport::new).collect();
    let interrupted = tokio::select! {
        () = run_rows(&options, &chosen, &cluster, seed, &mut reports) => false,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("cannot wait for Ctrl-C")?;
            eprintln!("interrupted; the card contains the runs that were finished");
            true
        }
    };
    let card = card(Run { seed, took: started.elapsed(), table }, &reports);
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

/// Runs several rows at a time, each round with the next seed.
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
    let mut queue = Queue::of(chosen);
    let mut running = FuturesUnordered::new();
    let mut claims: Vec<Claim> = Vec::new();
    loop {
        while running.len() < usize::from(options.at_once) {
            // Each row runs once, and again only while there is time; a running row is finished.
            if queue.is_empty() && limit.is_some() && !over() {
                queue.begin_round(chosen);
            }
            let Some((position, row)) = queue.next(&claims) else { break };
            claims.push(row.claim);
            let seed = seed.wrapping_add(queue.round);
            let bench = Bench { cluster, effort: Effort::Long, seed };
            rounds.begin(row.id, row.title);
            running.push(async move { (position, row, seed, (row.run)(bench).await) });
        }
        let Some((position, row, seed, outcome)) = running.next().await else { break };
        if let Some(ended) = claims.iter().position(|claim| *claim == row.claim) {
            claims.swap_remove(ended);
        }
        let Some(report) = reports.get_mut(position) else { continue };
        let failure = report.add(seed, outcome);
        rounds.end(row.id, failure.is_none());
        if let Some(why) = failure {
            rounds.print(&format!("{} failed with seed {seed}: {why}", row.id));
        }
    }
    rounds.finish();
}

/// The rows of a round that have not begun, by their claims. Rows with their own cluster come
/// first, so that none of them waits in a slot. Rows that need the whole machine come last, one
/// after another.
#[derive(Default)]
struct Queue {
    round: u64,
    places: VecDeque<(usize, &'static Row)>,
    clusters: VecDeque<(usize, &'static Row)>,
    machines: VecDeque<(usize, &'static Row)>,
}

impl Queue {
    fn of(chosen: &[&'static Row]) -> Self {
        let mut queue = Self::default();
        queue.fill(chosen);
        queue
    }

    fn begin_round(&mut self, chosen: &[&'static Row]) {
        self.round += 1;
        self.fill(chosen);
    }

    fn fill(&mut self, chosen: &[&'static Row]) {
        // The last row first, because it takes longest.
        for (position, row) in chosen.iter().copied().enumerate().rev() {
            let queue = match row.claim {
                Claim::Place => &mut self.places,
                Claim::Cluster => &mut self.clusters,
                Claim::Machine => &mut self.machines,
            };
            queue.push_back((position, row));
        }
    }

    fn is_empty(&self) -> bool {
        self.places.is_empty() && self.clusters.is_empty() && self.machines.is_empty()
    }

    /// The next row that may begin while rows with these claims run.
    fn next(&mut self, claims: &[Claim]) -> Option<(usize, &'static Row)> {
        if claims.contains(&Claim::Machine) {
            return None;
        }
        let cluster =
            if claims.contains(&Claim::Cluster) { None } else { self.clusters.pop_front() };
        let beside_others = cluster.or_else(|| self.places.pop_front());
        if beside_others.is_none() && claims.is_empty() {
            return self.machines.pop_front();
        }
        beside_others
    }
}

#[cfg(test)]
mod tests {
    use chaos_tests::rows::{Claim, ROWS};

    use super::Queue;

    #[test]
    fn one_row_at_a_time_has_its_own_cluster_and_some_rows_run_alone() {
        let chosen: Vec<_> = ROWS.iter().collect();
        let mut queue = Queue::of(&chosen);
        let mut claims = Vec::new();
        let mut begin = |held: &[Claim]| {
            let (_, row) = queue.next(held)?;
            claims.push(row.claim);
            Some(row.claim)
        };
        assert_eq!(begin(&[]), Some(Claim::Cluster));
        while begin(&[Claim::Cluster]).is_some_and(|claim| claim == Claim::Place) {}
        while begin(&[Claim::Place]).is_some_and(|claim| claim == Claim::Cluster) {}
        assert_eq!(begin(&[]), Some(Claim::Machine));
        assert_eq!(begin(&[Claim::Machine]), None);
        while begin(&[]).is_some_and(|claim| claim == Claim::Machine) {}
        assert_eq!(claims.len(), ROWS.len());
        assert!(queue.is_empty());
    }
}
