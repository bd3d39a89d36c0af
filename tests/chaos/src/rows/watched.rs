//! W1: each part is stopped in turn, and health and the metric of an alarm show it.
//!
//! The row waits until health says so, and for the first data point that crosses the threshold
//! that the template gives the alarm. It does not wait for the alarm's other data points: the part
//! is still away, so they are like the first. How long each part takes:
//!
//! - the name server: health at once; the metric with the next window of transaction-check, within
//!   70 s
//! - event-consumer and transaction-check, which hang and go on being invoked: health after two
//!   minutes, and the metric when Lambda ends the first invocation
//! - the right to write: health after two minutes, and by then the metric
//! - the broker, which is the only one: health at once; the metric with the first event that the
//!   sweep can't send
//! - the tables: seconds

mod switch;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use anyhow::Context;
use application::ports::Clock;
use harness::faults::{Point, Toxic};
use harness::table_proxy::{TableAnswer, TableCall};
use http::StatusCode;
use platform::clock::SystemClock;
use platform::metrics::NAMESPACE;
use tokio::time::Instant;

use super::Bench;
use super::discarded::lose_commits;
use crate::alarms::{Alarm, AlarmMetric};
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::{judge_clean, rest};
use crate::rig::{CREATE_ORDER, Crew, EVENT_CONSUMER, FUNCTIONS, Rig, TRANSACTION_CHECK};
use crate::waiting::{eventually, eventually_within};
use switch::Switch;

const HEALTH: &str = "health";

/// Health's text about an event that waits.
const LATE: &str = "pending for more than two minutes";

/// What is stopped, and what says so. A test compares the alarms with those of the operations
/// guide.
struct Part {
    name: &'static str,
    /// What health's answer contains.
    health: &'static str,
    alarm: &'static str,
}

const NAME_SERVER: Part =
    Part { name: "name server", health: "no RocketMQ name server", alarm: "FailedGaugesAlarm" };
const CONSUMER: Part =
    Part { name: "event-consumer", health: LATE, alarm: "EventConsumerErrorsAlarm" };
const CHECKER: Part =
    Part { name: "transaction-check", health: LATE, alarm: "TransactionCheckErrorsAlarm" };
const BROKER: Part =
    Part { name: "broker", health: "no RocketMQ broker", alarm: "EventsDeferredAlarm" };
const RIGHT: Part =
    Part { name: "event-consumer's right to write", health: LATE, alarm: "EventsPostponedAlarm" };
const TABLES: Part = Part {
    name: "tables",
    health: "No order can be created",
    alarm: "CreateOrderServerErrorsAlarm",
};

/// The operations guide names five minutes for health and for the first data point of an alarm.
const SAID_WITHIN: Duration = Duration::from_secs(300);

/// The operations guide names ten minutes for the alarm itself.
const ALARM_WITHIN: Duration = Duration::from_secs(600);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(Cluster::TUNING).await?;
    let (consumer, checker) = (Switch::of(EVENT_CONSUMER)?, Switch::of(TRANSACTION_CHECK)?);
    let rig = Rig::start_with(&cluster, bench.seed, Crew::default(), |options| {
        consumer.stand_in(options);
        checker.stand_in(options);
    })
    .await?
    .alone_on(&cluster);
    let mut watch = Watch { rig: &rig, figures: Figures::default() };

    watch.consumer(&consumer).await?;
    watch.name_server(&cluster).await?;
    watch.tables().await?;
    // Only a long run can afford two minutes for each further part.
    if bench.either(false, true) {
        watch.checker(&checker).await?;
        watch.broker(&cluster).await?;
        watch.right().await?;
    }
    let watched = watch.figures;
    let mut figures = judge_clean(&rig).await?;
    figures.faults = watched.faults;
    for (name, measure) in watched.measures {
        figures.add_measure(name, measure);
    }
    rig.stop().await;
    Ok(figures)
}

/// The moment at which a part went away, before anything could say so.
struct Away {
    at: Instant,
    at_ms: i64,
    /// How often each function had been invoked.
    invocations: BTreeMap<String, u64>,
}

struct Watch<'a> {
    rig: &'a Rig<'a>,
    figures: Figures,
}

impl Watch<'_> {
    async fn consumer(&mut self, switch: &Switch) -> anyhow::Result<()> {
        let away = self.hang(switch).await?;
        self.rig.settle("without-consumer").await?;
        self.said(CONSUMER, &away).await?;
        self.go_on(switch).await
    }

    /// An order's commit is lost, and nobody answers the broker or sweeps.
    async fn checker(&mut self, switch: &Switch) -> anyhow::Result<()> {
        let away = self.hang(switch).await?;
        lose_commits(self.rig, "without-checker", 1).await?;
        self.said(CHECKER, &away).await?;
        self.go_on(switch).await
    }

    /// Lets a function hang, which goes on being invoked.
    async fn hang(&self, switch: &Switch) -> anyhow::Result<Away> {
        switch.turn_off()?;
        self.rig.windows.record_hang(switch.function);
        // What these kills end was invoked before, so it is no error since the function went away.
        self.rig.kill_all(switch.function).await?;
        self.away()
    }

    async fn go_on(&self, switch: &Switch) -> anyhow::Result<()> {
        switch.turn_on()?;
        self.rig.kill_all(switch.function).await?;
        self.heal().await?;
        self.rig.windows.record_return(switch.function);
        Ok(())
    }

    async fn name_server(&mut self, cluster: &Cluster) -> anyhow::Result<()> {
        let away = self.away()?;
        cluster.kill_namesrv().await;
        for function in FUNCTIONS.into_iter().chain([HEALTH]) {
            self.rig.proxies_of(function)?.broker.namesrv_relay().refuse().await?;
        }
        self.said(NAME_SERVER, &away).await?;
        cluster.restart_namesrv().await?;
        self.heal().await
    }

    async fn broker(&mut self, cluster: &Cluster) -> anyhow::Result<()> {
        let away = self.away()?;
        cluster.kill_broker().await;
        self.rig.settle("without-broker").await?;
        self.said(BROKER, &away).await?;
        cluster.restart_broker().await?;
        self.heal().await
    }

    /// As if the consumer's right to change the stock were missing.
    async fn right(&mut self) -> anyhow::Result<()> {
        let away = self.away()?;
        let table = &self.rig.proxies_of(EVENT_CONSUMER)?.table;
        let denied = TableAnswer::error(StatusCode::BAD_REQUEST, "AccessDeniedException");
        let of_stock = |call: &TableCall| call.touches("PRODUCT#");
        let rule = table.on(Point::Request, of_stock).inflict(Toxic::Answer(denied));
        self.rig.settle("without-stock").await?;
        self.said(RIGHT, &away).await?;
        drop(rule);
        self.heal().await
    }

    async fn tables(&mut self) -> anyhow::Result<()> {
        let away = self.away()?;
        for function in [HEALTH, CREATE_ORDER] {
            self.rig.proxies_of(function)?.table.refuse().await?;
        }
        let outcome = self.rig.create("without-tables").await;
        anyhow::ensure!(outcome.is_unknown(), "an order without tables is answered {outcome:?}");
        self.said(TABLES, &away).await?;
        for function in [HEALTH, CREATE_ORDER] {
            self.rig.proxies_of(function)?.table.accept().await?;
        }
        self.heal().await
    }

    fn away(&self) -> anyhow::Result<Away> {
        let host = &self.rig.system.host;
        let functions = self.rig.system.template.functions.iter();
        let counted = functions.map(|one| Ok((one.name.clone(), host.invocations(&one.name)?)));
        let invocations = counted.collect::<anyhow::Result<_>>()?;
        Ok(Away { at: Instant::now(), at_ms: SystemClock.now().as_millis(), invocations })
    }

    /// Waits until health says that a part is away, and its metric crosses the threshold.
    async fn said(&mut self, part: Part, away: &Away) -> anyhow::Result<()> {
        let Part { name, health, alarm: alarm_name } = part;
        let alarm = Alarm::read(alarm_name)?;
        eventually_within(SAID_WITHIN, &format!("health says that {name} is away"), async || {
            let (_, answer) = self.rig.get("/health/ready").await?;
            Ok(answer.to_string().contains(health).then_some(()))
        })
        .await?;
        let by_health = away.at.elapsed();
        let rest = SAID_WITHIN.saturating_sub(by_health);
        eventually_within(rest, &format!("{alarm_name} says that {name} is away"), async || {
            Ok(self.is_crossed(&alarm, away)?.then_some(()))
        })
        .await?;
        let by_metric = away.at.elapsed();
        anyhow::ensure!(
            by_metric < SAID_WITHIN,
            "that {name} is away was said after {by_metric:?}"
        );
        // The data point that crossed the threshold has to end, and the others follow it.
        let by_alarm = by_metric + alarm.period * alarm.periods;
        anyhow::ensure!(by_alarm < ALARM_WITHIN, "{alarm_name} would be on after {by_alarm:?}");
        self.figures.faults += 1;
        self.figures.add_measure(name, Measure::Longest(by_health));
        self.figures
            .add_measure("a metric beyond its alarm's threshold", Measure::Longest(by_metric));
        Ok(())
    }

    /// Whether a data point since the part went away crosses the alarm's threshold, among those
    /// that the alarm evaluates now. Periods begin where CloudWatch's begin, at whole minutes. The
    /// last one need not be over: a value that is too high stays so.
    fn is_crossed(&self, alarm: &Alarm, away: &Away) -> anyhow::Result<bool> {
        let now = SystemClock.now().as_millis();
        let period = i64::try_from(alarm.period.as_millis())?;
        let oldest = away.at_ms.max(now - period * i64::from(alarm.evaluated));
        let mut begin = oldest - oldest % period;
        while begin < now {
            let end = begin + period;
            let mut values = BTreeMap::new();
            for metric in &alarm.metrics {
                let value = self.value(metric, begin.max(away.at_ms)..end, away)?;
                values.extend(value.map(|value| (metric.id.as_str(), value)));
            }
            if alarm.is_crossed_by(&values)? {
                return Ok(true);
            }
            begin = end;
        }
        Ok(false)
    }

    /// A metric's value in a period. Of invocations it is the count since the part went away, which
    /// is no less than a period's. Errors are counted for functions on a schedule alone.
    fn value(
        &self,
        metric: &AlarmMetric,
        period: Range<i64>,
        away: &Away,
    ) -> anyhow::Result<Option<f64>> {
        let system = &self.rig.system;
        let mut functions = system.template.functions.iter();
        let function = functions.find(|function| function.logical_id == metric.function);
        let name = &function.with_context(|| format!("there is no {}", metric.function))?.name;
        match (metric.namespace.as_str(), metric.name.as_str()) {
            (NAMESPACE, metric_name) => {
                let samples = self.rig.samples(name, metric_name)?;
                let within = samples.into_iter().filter(|(at_ms, _)| period.contains(at_ms));
                Ok(metric.aggregated(within.map(|(_, value)| value)))
            }
            ("AWS/Lambda", "Invocations") => {
                let before = away.invocations.get(name).copied().unwrap_or_default();
                let since = system.host.invocations(name)? - before;
                Ok(Some(f64::from(u32::try_from(since)?)))
            }
            ("AWS/Lambda", "Errors") => {
                let begun = self.rig.windows.errors(name).into_iter();
                let within = begun.filter(|at_ms| period.contains(at_ms));
                Ok(metric.aggregated(within.map(|_| 1.0)))
            }
            (namespace, metric_name) => {
                anyhow::bail!("nothing here counts {metric_name} of {namespace}")
            }
        }
    }

    /// Starts whatever was stopped, and waits until the system is at rest and health reports no
    /// problem.
    async fn heal(&self) -> anyhow::Result<()> {
        self.rig.proxies()?.heal().await?;
        rest(self.rig).await?;
        eventually("health says that all is well", async || {
            let (status, health) = self.rig.get("/health/ready").await?;
            let is_well =
                status == 200 && health.get("status").is_some_and(|status| status == "ready");
            Ok(is_well.then_some(()))
        })
        .await
    }
}
