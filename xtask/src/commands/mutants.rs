//! `cargo xtask mutants`: whether the tests notice small changes of the code.
//!
//! cargo-mutants makes one change at a time in a copy of the workspace, such as `<` to `<=`, and
//! runs the tests of the crate. `.cargo/mutants.toml` lists what it changes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde::Deserialize;
use tokio::process::Command;

use crate::checks::sam;
use crate::{build, workspace};

/// Changes the code of the domain and of the use cases that the promise depends on, one change at a
/// time, and runs the tests of the crate. Fails if the tests notice fewer than 95 % of the changes
/// in one of these areas. This takes hours. `target/mutants.out` then lists each change, and its
/// `missed.txt` those that no test has noticed.
#[derive(Args)]
pub(crate) struct Options {
    /// Makes only changes whose description, which begins with the path, contains this text; a
    /// regular expression.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// The release of cargo-mutants that `verify --full` installs.
pub(crate) const CARGO_MUTANTS: &str = "=27.1.0";

/// How many of 100 mutants of an area must be noticed.
const GOAL_PERCENT: usize = 95;

/// With the prefixes of their files' paths.
const AREAS: [(&str, &[&str]); 6] = [
    ("domain", &["shared/domain/src/"]),
    ("create_order", &["shared/application/src/orders/create"]),
    ("answer_check", &["shared/application/src/events/answer_check"]),
    ("sweep", &["shared/application/src/events/sweep"]),
    (
        "consume_events",
        &[
            "shared/application/src/events/consume",
            "shared/application/src/events/publish",
            "shared/application/src/events/revise",
        ],
    ),
    (
        "cancel_order_and_shared",
        &[
            "shared/application/src/orders/cancel.rs",
            "shared/application/src/orders/identity.rs",
            "shared/application/src/events/aggregate.rs",
            "shared/application/src/events/send_mail.rs",
            "shared/application/src/event.rs",
            "shared/application/src/retry.rs",
        ],
    ),
];

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let root = harness::checkout::root()?;
    let target = workspace::target()?;
    let cargo = build::cargo(&root);
    let mut command = Command::new(sam::tool("cargo-mutants")?);
    command
        .args(["mutants", "--package", "domain", "--package", "application", "--no-shuffle"])
        .args(options.only.iter().flat_map(|only| ["--re", only]))
        .arg("--output")
        .arg(&target)
        .env("CARGO", cargo.as_std().get_program())
        .current_dir(&root)
        .kill_on_drop(true);
    let started = command.status().await;
    let status = started.context("can't start cargo-mutants; `verify --full` installs it")?;
    // 2 and 3: some mutants were not noticed, or the tests of some did not end.
    anyhow::ensure!(matches!(status.code(), Some(0 | 2 | 3)), "cargo-mutants ended with {status}");
    let figures = figures(&target.join("mutants.out/outcomes.json"))?;
    Ok(if print(&figures) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Deserialize)]
struct Report {
    outcomes: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    scenario: Scenario,
    summary: String,
}

#[derive(Deserialize)]
enum Scenario {
    Baseline,
    Mutant { file: String, name: String },
}

/// The mutants of an area, without those that do not compile.
#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    noticed: usize,
    missed: Vec<String>,
}

impl Figures {
    fn reach_the_goal(&self) -> bool {
        let all = self.noticed + self.missed.len();
        self.noticed * 100 >= all * GOAL_PERCENT
    }
}

fn figures(report: &Path) -> anyhow::Result<BTreeMap<&'static str, Figures>> {
    let text = std::fs::read_to_string(report)
        .with_context(|| format!("can't read {}", report.display()))?;
    let report: Report =
        serde_json::from_str(&text).context("cargo-mutants' report has changed")?;
    by_area(report)
}

fn by_area(report: Report) -> anyhow::Result<BTreeMap<&'static str, Figures>> {
    let mut areas: BTreeMap<&str, Figures> = BTreeMap::new();
    for Outcome { scenario, summary } in report.outcomes {
        let Scenario::Mutant { file, name } = scenario else { continue };
        let is_in = |(_, paths): &&(&str, &[&str])| paths.iter().any(|path| file.starts_with(path));
        let (area, _) =
            AREAS.iter().find(is_in).with_context(|| format!("{file} is in no area"))?;
        let figures = areas.entry(area).or_default();
        match summary.as_str() {
            // Tests that never end notice a mutant as well.
            "CaughtMutant" | "Timeout" => figures.noticed += 1,
            "MissedMutant" => figures.missed.push(name),
            // It does not compile.
            "Unviable" => {}
            other => anyhow::bail!("{name}: cargo-mutants reports {other}"),
        }
    }
    Ok(areas)
}

/// Returns whether all areas reach the goal.
fn print(areas: &BTreeMap<&str, Figures>) -> bool {
    for (area, figures) in areas {
        figures.missed.iter().for_each(|name| println!("missed: {name}"));
        let all = figures.noticed + figures.missed.len();
        let percent = figures.noticed * 100 / all.max(1);
        println!("{area}: the tests notice {} of {all} mutants ({percent} %)", figures.noticed);
    }
    areas.values().all(Figures::reach_the_goal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: &[(&str, &str)]) -> Report {
        let outcomes = outcomes.iter().map(|(file, summary)| {
            let mutant = serde_json::json!({"Mutant": {"file": file, "name": "m", "span": {}}});
            serde_json::json!({"scenario": mutant, "summary": summary, "log_path": "x"})
        });
        let baseline = serde_json::json!({"scenario": "Baseline", "summary": "Success"});
        let all: Vec<_> = std::iter::once(baseline).chain(outcomes).collect();
        serde_json::from_value(serde_json::json!({"outcomes": all, "missed": 0})).unwrap()
    }

    #[test]
    fn mutants_count_for_their_area_unless_they_do_not_compile() {
        let (money, sweep) = ("shared/domain/src/money.rs", AREAS[3].1[0]);
        let outcomes = [
            (money, "CaughtMutant"),
            (money, "Unviable"),
            (sweep, "Timeout"),
            (sweep, "MissedMutant"),
        ];
        let areas = by_area(report(&outcomes)).unwrap();
        assert_eq!(areas["domain"], Figures { noticed: 1, missed: vec![] });
        assert_eq!(areas["sweep"], Figures { noticed: 1, missed: vec!["m".to_owned()] });
        assert!(by_area(report(&[("elsewhere.rs", "CaughtMutant")])).is_err());
        let other = by_area(report(&[("shared/application/src/retry.rs", "CaughtMutant")]));
        assert!(other.unwrap().contains_key("cancel_order_and_shared"));
        assert!(by_area(report(&[(money, "Exploded")])).is_err());
    }

    #[test]
    fn an_area_reaches_the_goal_with_95_of_100() {
        let figures = |noticed, missed| Figures { noticed, missed: vec![String::new(); missed] };
        assert!(figures(95, 5).reach_the_goal() && figures(0, 0).reach_the_goal());
        assert!(!figures(94, 6).reach_the_goal());
    }
}
