//! The report card: a Markdown table of the results of all runs of the rows.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use application::events::sweep::Pace;
use application::lifetimes;

use crate::cluster::Cluster;
use crate::figures::{Figures, Recovery};
use crate::judge::Unclean;
use crate::rows::Row;

#[derive(Clone)]
pub struct RowReport {
    pub row: &'static Row,
    /// Runs that came to their end.
    pub runs: u64,
    pub figures: Figures,
    /// The seed of each failed run, and the reason.
    pub failures: Vec<(u64, String)>,
}

impl RowReport {
    #[must_use]
    pub fn line(&self) -> String {
        line(self.row.id, self.row.title, self.runs, self.failures.len(), &self.figures)
    }

    #[must_use]
    pub fn new(row: &'static Row) -> Self {
        Self { row, runs: 0, figures: Figures::default(), failures: Vec::new() }
    }

    /// Adds a run, and returns the reason if it has failed. A run without a backlog has also failed
    /// if the system came to rest later than the bound allows.
    pub fn add(&mut self, seed: u64, outcome: anyhow::Result<Figures>) -> Option<String> {
        let failure = match outcome {
            Ok(figures) if figures.faults == 0 => Some("the fault never happened".to_owned()),
            Ok(figures) => {
                let is_late = is_late(figures.recovery) && !self.row.leaves_backlog;
                let took = seconds(figures.recovery.beside);
                let bound = seconds(recovery_bound(Duration::ZERO));
                self.runs += 1;
                self.figures.merge(figures);
                is_late.then(|| {
                    format!(
                        "at rest after {took} beside its time without a checker, and not {bound}"
                    )
                })
            }
            Err(error) => {
                let why = format!("{error:#}");
                if let Ok(unclean) = error.downcast::<Unclean>() {
                    self.runs += 1;
                    self.figures.merge(*unclean.figures);
                }
                Some(why)
            }
        };
        self.failures.extend(failure.clone().map(|why| (seed, why)));
        failure
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub seed: u64,
    pub took: Duration,
    /// The systems' table server, in words.
    pub table: &'static str,
}

const READING: &str = "\
How to read it:

- *Tried* are orders that clients wanted, *orders* those in the table at the end. *Acked* are answers 201, an idempotent replay's included; *unknown* are requests that ended with 5xx, by a time-out or by a broken connection, and every one was settled by a retry under its key.
- *Lost*: an order without an event of its history on the topic. *Phantom*: an event that no order has raised. *Copies*: messages on the topic more than events. *Delivered again*: deliveries of an event to event-consumer beyond its first, of copies and of what was not acknowledged. *Double effects*: a handler's effect more than once.
- *Fenced*: attempts that a check-back retired before their put. *Stored after ROLLBACK*: attempts that were fenced or rolled back and created their order all the same. *COMMIT and ROLLBACK*: attempts for which both were seen on the wire. A ROLLBACK of a message that is on the topic already, which makes no second copy, is not counted.
- *Visible* is from the request to the event's first copy on the topic. *At rest after* is from the end of a fault, or of a round of them, until no half message is open and no event is pending, or until what the row waits for after each of its faults has come; of all recoveries of a row it is the longest. A row that takes longer than its bound has failed, unless it leaves thousands of events to be worked off.
- *Bound*: with no failure in N orders, fewer than 1 − 0.05^(1/N) of all orders fail, with a confidence of 95 %; for many orders that is 3/N.
- *Controls* are runs without one part: a function without the fence, the sweep or the conditions that guard effects, a question that is not asked, a broker with another setting. They must break what the row proves, or the row fails.
- *Rows without a control of their own* rest on parts that the control of another row leaves out: on the fence (P3, P7) P1, P2, P8, P10, P11 and L2; on check-backs and the sweep (P9, whose control has neither) P4 to P6, T4, B1, B2, B6, G3, G5 and L1; on the conditions that guard effects (C1, C2) P6, B2, B3 and C4 to C6; on the question what is on the topic (D1) B3 and B7; on the reading of each body by itself (F1) F6; on patience with newer code (F5) C3; on all of these X1. Nothing is left out for T1 to T3, B5, G9 and W1: they assert that their fault happened and what followed, and show no more.
";

const COLUMNS: &[&str] = &[
    "row",
    "fault",
    "runs",
    "faults",
    "tried",
    "orders",
    "acked / refused / unknown",
    "lost",
    "phantom",
    "copies",
    "delivered again",
    "double effects",
    "fenced",
    "stored after ROLLBACK",
    "COMMIT and ROLLBACK",
    "visible after p50 / p99 / max",
    "at rest after",
    "bound",
    "more",
    "verdict",
];

#[must_use]
pub fn card(run: Run, reports: &[RowReport]) -> String {
    let mut all = Figures::default();
    for report in reports {
        all.merge(Figures { measures: BTreeMap::new(), ..report.figures.clone() });
    }
    let mut text = format!(
        "# Report card\n\nWhat `cargo xtask chaos` came to: rows of the catalogue of faults \
         (`tests/chaos/src/rows.rs`) in their long form, with every process real. Seed {}, {:.0} \
         minutes, on {}. The same seed repeats the same random choices; times are this \
         machine's.\n\n{READING}\n{}\n\n{}",
        run.seed,
        run.took.as_secs_f64() / 60.0,
        run.table,
        recovery(reports, all.recovery.without_checker),
        head(),
    );
    for report in reports {
        text.push_str(&report.line());
    }
    let (runs, failures) = reports.iter().fold((0, 0), |(runs, failures), report| {
        (runs + report.runs, failures + report.failures.len())
    });
    text.push_str(&line("all", "", runs, failures, &all));
    for report in reports {
        for (seed, why) in &report.failures {
            // Writing to a string cannot fail.
            let _written = write!(text, "\n`{}` failed with seed {seed}: {why}\n", report.row.id);
        }
    }
    text
}

fn head() -> String {
    format!("| {} |\n{}|\n", COLUMNS.join(" | "), "|---".repeat(COLUMNS.len()))
}

/// How often the broker looks for half messages to check.
fn check_interval() -> Duration {
    Duration::from_millis(u64::from(Cluster::TUNING.check_interval_ms))
}

/// The time within which the system is at rest after a single fault, if there was no checker for
/// `without_checker`.
fn recovery_bound(without_checker: Duration) -> Duration {
    let look = Pace::default().look_every;
    without_checker + 2 * check_interval() + lifetimes::SWEEP_AFTER + look
}

/// Whether one of these recoveries took longer than its bound. Each is measured with its own time
/// without a checker: the time of another recovery must not excuse it.
fn is_late(recovery: Recovery) -> bool {
    recovery.beside > recovery_bound(Duration::ZERO)
}

/// How soon the system is at rest once the faults are lifted, as a sentence.
fn recovery(reports: &[RowReport], without_checker: Duration) -> String {
    let (due, look) = (lifetimes::SWEEP_AFTER, Pace::default().look_every);
    let late: Vec<&str> = reports
        .iter()
        .filter(|report| is_late(report.figures.recovery))
        .map(|report| report.row.id)
        .collect();
    format!(
        "After a fault is lifted, no half message is open and no event is pending \
         within T ({}), after which the sweep looks at an event, the row's longest time without a checker \
         (at most {}), two check intervals ({} each) and one look of the sweep ({}): at most {}. \
         Rows that took longer than their own bound: {}.",
        seconds(due),
        seconds(without_checker),
        seconds(check_interval()),
        seconds(look),
        seconds(recovery_bound(without_checker)),
        if late.is_empty() { "none".to_owned() } else { late.join(", ") }
    )
}

fn line(id: &str, title: &str, runs: u64, failures: usize, figures: &Figures) -> String {
    let times: Vec<String> = [0.5, 0.99, 1.0]
        .into_iter()
        .map(|share| figures.time_to_visible(share).map_or_else(|| "–".to_owned(), seconds))
        .collect();
    let measures: Vec<String> =
        figures.measures.iter().map(|(name, measure)| format!("{name}: {measure}")).collect();
    let wrong = figures.lost + figures.phantom + figures.duplicate_effects;
    let verdict = match (runs, failures) {
        (0, 0) => "not run".to_owned(),
        (_, 0) => "holds".to_owned(),
        (_, failures) => format!("{failures} FAILED"),
    };
    format!(
        "| {id} | {title} | {runs} | {} | {} | {} | {} / {} / {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | \
         {} | {} | {} | {verdict} |\n",
        figures.faults,
        figures.tried,
        figures.committed,
        figures.acked,
        figures.refused,
        figures.unknown,
        figures.lost,
        figures.phantom,
        figures.duplicate_copies,
        figures.duplicate_deliveries,
        figures.duplicate_effects,
        figures.fenced,
        figures.revived,
        figures.contradictions,
        times.join(" / "),
        seconds(figures.recovery.took),
        if wrong == 0 { bound(figures.committed) } else { "–".to_owned() },
        measures.join("; "),
    )
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// The upper end of the one-sided 95 % interval after no failure in `orders` (Clopper and Pearson).
fn bound(orders: u64) -> String {
    match u32::try_from(orders) {
        Ok(0) | Err(_) => "–".to_owned(),
        // Rounded up: it is a bound.
        Ok(orders) => {
            let share = 1.0 - 0.05_f64.powf(1.0 / f64::from(orders));
            format!("{:.3} %", (share * 100_000.0).ceil() / 1_000.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{READING, RowReport, Run, card, head};
    use crate::figures::{Figures, Recovery};
    use crate::rows::ROWS;

    #[test]
    fn a_row_whose_fault_never_happened_has_failed_and_so_has_one_that_took_too_long() {
        let mut report = RowReport::new(&ROWS[0]);
        report.add(7, Ok(Figures::default()));
        report.add(8, Err(anyhow::anyhow!("an order was lost")));
        report.add(9, Ok(Figures { faults: 2, committed: 100, ..Figures::default() }));
        let recovery = Recovery::new(Duration::from_secs(76), Duration::ZERO);
        report.add(10, Ok(Figures { faults: 1, recovery, ..Figures::default() }));
        // Each is in time by itself: in the second one there was no checker for a while.
        let (first, second) = (Duration::from_secs(70), Duration::from_secs(90));
        let recovery = Recovery::new(first, Duration::ZERO)
            .merged(Recovery::new(second, Duration::from_secs(20)));
        report.add(11, Ok(Figures { faults: 1, recovery, ..Figures::default() }));
        let run = Run { seed: 7, took: Duration::from_secs(90), table: "a table" };
        let card = card(run, &[report]);
        assert!(card.contains("| 3 FAILED |") && card.contains("| 2.952 % |"), "{card}");
        assert!(card.contains("seed 7: the fault never happened"), "{card}");
        assert!(card.contains("seed 8: an order was lost"), "{card}");
        assert!(
            card.contains(
                "seed 10: at rest after 76.00 s beside its time without a checker, and not 75.00 s"
            ),
            "{card}"
        );
        assert!(card.contains("| all |  | 3 | 4 | 0 | 100 |"), "{card}");
    }

    #[test]
    fn the_published_card_lists_these_rows_and_each_of_them_held() {
        let published = include_str!("../../../docs/report-card.md");
        assert!(published.contains(READING) && published.contains(&head()));
        for row in ROWS {
            let begin = format!("| {} | {} |", row.id, row.title);
            let mut lines = published.lines().filter(|line| line.starts_with(&begin));
            assert!(lines.any(|line| line.ends_with("| holds |")), "{begin}");
        }
    }
}
