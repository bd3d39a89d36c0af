//! The report: tables in Markdown, with each figure next to its goal.

use std::fmt::{self, Display, Write};
use std::time::Duration;

use security::password::HashCost;

use crate::parts::confirmations::ConfirmationFigures;
use crate::parts::events::EventFigures;
use crate::parts::functions::FunctionFigures;
use crate::parts::hot::HotFigures;
use crate::parts::orders::OrderFigures;
use crate::parts::path::PathFigures;
use crate::parts::weather::WeatherFigures;
use crate::samples::{Samples, rate};

struct FunctionGoal {
    binary_mb: f64,
    start_ms: f64,
    peak_mb: f64,
}

const WITH_ROCKETMQ: FunctionGoal = FunctionGoal { binary_mb: 16.0, start_ms: 80.0, peak_mb: 40.0 };
const WITHOUT_ROCKETMQ: FunctionGoal =
    FunctionGoal { binary_mb: 8.0, start_ms: 25.0, peak_mb: 20.0 };

/// The three functions for users are larger: they have the password hash, the list of common
/// passwords and the client of Secrets Manager. The memory of a running hash is not counted.
const OF_USERS: FunctionGoal = FunctionGoal { binary_mb: 9.0, ..WITHOUT_ROCKETMQ };

/// At most: create-order relative to the floor, one order at a time.
const FLOOR_RATIO_GOAL: f64 = 1.3;

/// At least: drained events a second, independent of the table.
const DRAINED_GOAL: f64 = 400.0;

/// At least: drained events as a share of the table's ceiling.
const CEILING_SHARE_GOAL: f64 = 0.8;

/// At most: the median time until an order is CONFIRMED.
const CONFIRMED_GOAL_MS: f64 = 50.0;

/// At most: the write units of an order of two products, with its account's open units.
const WRITE_UNITS_GOAL: f64 = 14.0;

/// At least: CONFIRMED orders of one product a second. The goal applies to the table and the protocol: a
/// machine that runs the whole system does not reach it.
const HOT_GOAL: f64 = 1_000.0;

/// At most: other orders' p99 with a hot product, relative to their p99 without it.
const SLOWDOWN_GOAL: f64 = 2.0;

const USERS: [&str; 3] = ["register-user", "user-account", "user-login"];

const HASHES: [&str; 2] = ["register-user", "user-login"];

/// Parts that were not measured are left out.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) functions: Vec<FunctionFigures>,
    pub(crate) orders: Vec<OrderFigures>,
    pub(crate) path: Option<PathFigures>,
    pub(crate) events: Option<EventFigures>,
    pub(crate) confirmations: Option<ConfirmationFigures>,
    pub(crate) weather: Option<WeatherFigures>,
    pub(crate) hot: Option<HotFigures>,
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.functions.is_empty() {
            self.write_functions(f)?;
        }
        if !self.orders.is_empty() {
            write_orders(&self.orders, f)?;
        }
        if let Some(path) = &self.path {
            write_path(path, f)?;
        }
        if self.events.is_some() || self.confirmations.is_some() {
            writeln!(f, "| after the order | measured | goal |\n| --- | --- | --- |")?;
        }
        if let Some(events) = &self.events {
            write_events(events, f)?;
        }
        if let Some(confirmations) = &self.confirmations {
            write_confirmations(confirmations, f)?;
        }
        if self.weather.is_some() || self.hot.is_some() {
            writeln!(f, "\n| as on AWS | measured | goal |\n| --- | --- | --- |")?;
        }
        if let Some(weather) = &self.weather {
            write_weather(weather, f)?;
        }
        if let Some(hot) = &self.hot {
            write_hot(hot, f)?;
        }
        Ok(())
    }
}

impl Report {
    fn write_functions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| function | binary | start p50 | start p99 | first answer p50 | peak memory |"
        )?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- |")?;
        for figures in &self.functions {
            let first = figures.first_answer.as_ref().map(|first| ms(first.p50()));
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} |",
                figures.name,
                mb(figures.binary_bytes),
                ms(figures.start.p50()),
                ms(figures.start.p99()),
                first.unwrap_or_else(|| "–".to_owned()),
                self.peak(figures),
            )?;
        }
        for (which, goal) in [
            ("with RocketMQ", WITH_ROCKETMQ),
            ("without", WITHOUT_ROCKETMQ),
            ("of the users' side", OF_USERS),
        ] {
            let FunctionGoal { binary_mb, start_ms, peak_mb } = goal;
            writeln!(f, "| *goal {which}* | {binary_mb} MB | {start_ms} ms | | | {peak_mb} MB |")?;
        }
        writeln!(f)
    }

    /// The largest of all parts of the benchmark.
    fn peak_bytes(&self, figures: &FunctionFigures) -> Option<u64> {
        let loaded = match figures.name.as_str() {
            crate::consumer::EVENT_CONSUMER => self.events.as_ref().and_then(|e| e.peak_bytes),
            crate::orders::CREATE_ORDER => self.orders.iter().filter_map(|o| o.peak_bytes).max(),
            _ => None,
        };
        loaded.max(figures.peak_bytes)
    }

    fn peak(&self, figures: &FunctionFigures) -> String {
        match (self.peak_bytes(figures), hash_bytes(&figures.name)) {
            (None, _) => "–".to_owned(),
            (Some(peak), 0) => mb(peak),
            (Some(peak), hash) => format!("{}, {} of it a hash's", mb(peak), mb(hash)),
        }
    }

    /// One on each line.
    pub(crate) fn missed(&self) -> String {
        let mut missed = String::new();
        let mut check = |what: &str, measured: f64, goal: f64, at_least: bool| {
            if (measured < goal) == at_least && measured != goal {
                // Writing to a string does not fail.
                let _infallible = writeln!(missed, "missed: {what}: {measured:.2}, goal {goal}");
            }
        };
        for figures in &self.functions {
            let name = &figures.name;
            let goal = match (figures.uses_rocketmq, USERS.contains(&name.as_str())) {
                (true, _) => WITH_ROCKETMQ,
                (false, true) => OF_USERS,
                (false, false) => WITHOUT_ROCKETMQ,
            };
            check(
                &format!("{name}, binary, MB"),
                in_mb(figures.binary_bytes),
                goal.binary_mb,
                false,
            );
            check(&format!("{name}, start, ms"), in_ms(figures.start.p50()), goal.start_ms, false);
            if let Some(peak) = self.peak_bytes(figures) {
                let without_hash = in_mb(peak.saturating_sub(hash_bytes(name)));
                check(&format!("{name}, memory, MB"), without_hash, goal.peak_mb, false);
            }
        }
        if let Some(one) = self.orders.iter().find(|figures| figures.at_once == 1) {
            check("create-order / floor", ratio(&one.invoked, &one.floor), FLOOR_RATIO_GOAL, false);
        }
        if let Some(events) = &self.events {
            // One goal is enough: the table's own limit is not a failure of event-consumer.
            if share_of_ceiling(events) < CEILING_SHARE_GOAL {
                check("events a second", drained(events), DRAINED_GOAL, true);
            }
        }
        if let Some(confirmations) = &self.confirmations {
            let p50 = in_ms(confirmations.confirmed.p50());
            check("POST to CONFIRMED, ms", p50, CONFIRMED_GOAL_MS, false);
        }
        if let Some(weather) = &self.weather {
            check("write units per order", weather.units.write, WRITE_UNITS_GOAL, false);
        }
        if let Some(hot) = &self.hot {
            check("hot orders a second", hot.confirmed(), HOT_GOAL, true);
            check("others' p99 beside the hot product", slowdown(hot), SLOWDOWN_GOAL, false);
        }
        missed
    }
}

/// The memory of a hash, for a function that computes one; otherwise 0.
fn hash_bytes(function: &str) -> u64 {
    let kib = if HASHES.contains(&function) { HashCost::RECOMMENDED.memory_kib } else { 0 };
    u64::from(kib) * 1024
}

fn write_orders(orders: &[OrderFigures], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "| at once | order by | p50 | p99 | orders/s | p50 / floor | goal |")?;
    writeln!(f, "| --- | --- | --- | --- | --- | --- | --- |")?;
    for figures in orders {
        let ways = [
            ("floor", &figures.floor),
            ("create-order", &figures.invoked),
            ("create-order over HTTP", &figures.posted),
        ];
        for (name, samples) in ways {
            let has_goal = figures.at_once == 1 && name == "create-order";
            let goal = if has_goal { FLOOR_RATIO_GOAL.to_string() } else { String::new() };
            writeln!(
                f,
                "| {} | {name} | {} | {} | {:.0} | {:.2} | {goal} |",
                figures.at_once,
                ms(samples.p50()),
                ms(samples.p99()),
                samples.rate(),
                ratio(samples, &figures.floor),
            )?;
        }
    }
    writeln!(f)
}

fn write_path(path: &PathFigures, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let PathFigures { clients, frames, anonymous, empty, created } = path;
    writeln!(f, "| one order at a time, p50 | by the clients | as bytes on sockets |")?;
    writeln!(f, "| --- | --- | --- |")?;
    let rows = [
        ("half message", &clients.half_message, &frames.half_message),
        ("conditional `PutItem`", &clients.put, &frames.put),
        ("acknowledged end", &clients.commit, &frames.commit),
        ("the three: the floor", &clients.total, &frames.total),
    ];
    for (name, clients, frames) in rows {
        writeln!(f, "| {name} | {} | {} |", ms(clients.p50()), ms(frames.p50()))?;
    }
    writeln!(f, "| an invocation without a token (401) | {} | |", ms(anonymous.p50()))?;
    writeln!(f, "| an invocation for an order without lines (422) | {} | |", ms(empty.p50()))?;
    writeln!(f, "| create-order | {} | |", ms(created.p50()))?;
    let rest = created.p50().saturating_sub(clients.total.p50() + empty.p50());
    writeln!(f, "| create-order less the floor and that invocation | {} | |\n", ms(rest))
}

fn write_events(figures: &EventFigures, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (drained, ceiling) = (drained(figures), figures.ceiling.rate());
    let share = share_of_ceiling(figures) * 100.0;
    let events = figures.events;
    writeln!(
        f,
        "| {events} waiting `OrderCreated` drained | {drained:.0}/s, {share:.0} % of the ceiling | \
         {DRAINED_GOAL}/s, better {:.0} % |",
        CEILING_SHARE_GOAL * 100.0
    )?;
    writeln!(f, "| the table's ceiling for a transaction and an update each | {ceiling:.0}/s | |")?;
    let all = rate(usize::try_from(events).unwrap_or(0) * 2, figures.all_handled);
    writeln!(f, "| the {events} `OrderConfirmed` that follow included | {all:.0}/s | |")
}

/// Median and 99th percentile.
fn both(samples: &Samples) -> String {
    format!("{} at the median, {} at the 99th percentile", ms(samples.p50()), ms(samples.p99()))
}

fn write_weather(figures: &WeatherFigures, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let WeatherFigures { units, created, confirmations } = figures;
    writeln!(
        f,
        "| write units of an order of two products | {:.1} | {WRITE_UNITS_GOAL} |\n\
         | its read units | {:.1} | |\n\
         | DynamoDB requests of a million such orders | {:.2} USD | |",
        units.write,
        units.read,
        figures.usd_per_million_orders()
    )?;
    writeln!(f, "| create-order, one at a time | {} | |", both(created))?;
    writeln!(f, "| POST to `CONFIRMED` | {} | |", both(&confirmations.confirmed))?;
    writeln!(f, "| of that, POST to 201 | {} | |", both(&confirmations.created))
}

fn write_hot(figures: &HotFigures, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(
        f,
        "| {} orders of one product, {} a second offered, `CONFIRMED` | {:.0}/s | {HOT_GOAL}/s |",
        figures.orders,
        figures.offered,
        figures.confirmed()
    )?;
    writeln!(f, "| items that conflicted meanwhile | {} | |", figures.conflicts)?;
    let (alone, beside) = (&figures.others_alone, &figures.others_beside);
    writeln!(f, "| nine other products without it, POST to `CONFIRMED` | {} | |", both(alone))?;
    writeln!(
        f,
        "| beside it, POST to `CONFIRMED` | {}, {:.2} of the p99 without it | {SLOWDOWN_GOAL} |",
        both(beside),
        slowdown(figures)
    )
}

/// The ratio of the other orders' p99 with the hot product to their p99 without it.
fn slowdown(figures: &HotFigures) -> f64 {
    let alone = figures.others_alone.p99();
    if alone.is_zero() {
        return 0.0;
    }
    figures.others_beside.p99().div_duration_f64(alone)
}

fn write_confirmations(figures: &ConfirmationFigures, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(
        f,
        "| POST to `CONFIRMED` | {} | {CONFIRMED_GOAL_MS} ms at the median |",
        both(&figures.confirmed)
    )?;
    writeln!(f, "| of that, POST to 201 | {} | |", both(&figures.created))
}

/// Events a second.
fn drained(figures: &EventFigures) -> f64 {
    rate(usize::try_from(figures.events).unwrap_or(0), figures.decided)
}

/// Drained events relative to the table's ceiling.
fn share_of_ceiling(figures: &EventFigures) -> f64 {
    let ceiling = figures.ceiling.rate();
    if ceiling > 0.0 { drained(figures) / ceiling } else { 0.0 }
}

fn ratio(samples: &Samples, floor: &Samples) -> f64 {
    let floor = floor.p50();
    if floor.is_zero() { 0.0 } else { samples.p50().div_duration_f64(floor) }
}

fn in_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn ms(duration: Duration) -> String {
    let ms = in_ms(duration);
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.1} ms") }
}

/// In units of 10⁶ bytes.
#[expect(clippy::cast_precision_loss, reason = "sizes here are far below 2^52")]
fn in_mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn mb(bytes: u64) -> String {
    format!("{:.1} MB", in_mb(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(millis: u64) -> Samples {
        let mut samples = Samples::default();
        samples.push(Duration::from_millis(millis));
        samples
    }

    fn orders(floor_ms: u64, handler_ms: u64) -> OrderFigures {
        OrderFigures {
            at_once: 1,
            floor: samples(floor_ms),
            invoked: samples(handler_ms),
            posted: samples(100),
            peak_bytes: None,
        }
    }

    #[test]
    fn a_figure_is_printed_with_its_goal() {
        let report = Report { orders: vec![orders(10, 12)], ..Report::default() };
        let text = report.to_string();
        assert!(
            text.contains("| 1 | create-order | 12.0 ms | 12.0 ms | 83 | 1.20 | 1.3 |"),
            "{text}"
        );
        assert_eq!(report.missed(), "");
    }

    #[test]
    fn a_missed_goal_is_reported() {
        let report = Report {
            orders: vec![orders(10, 20)],
            events: Some(EventFigures {
                events: 100,
                decided: Duration::from_secs(1),
                all_handled: Duration::from_secs(2),
                ceiling: samples(1),
                peak_bytes: None,
            }),
            ..Report::default()
        };
        let missed = report.missed();
        assert!(missed.contains("create-order / floor: 2.00, goal 1.3"), "{missed}");
        assert!(missed.contains("events a second: 100.00, goal 400"), "{missed}");
    }
}
