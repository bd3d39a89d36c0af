//! Answers check-backs, and publishes pending events that are on no topic.
//!
//! This function is the only live member of the group that brokers ask. Functions that create
//! orders are not members of that group, because a broker asks any connected member, and a frozen
//! Lambda is connected but does not answer. Because this function is connected and awake most of
//! the time, it also sweeps, and reads the cluster's gauges for alarms.

pub mod config;
pub mod gauges;
pub mod wiring;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use application::deadline::Deadline;
use application::events::answer_check::{AnswerCheck, CheckReport};
use application::events::publish::PublishStored;
use application::events::sweep::{Pace, Sweep, SweepReport};
use application::ports::pending::{PendingEventIndex, PendingEventStore};
use application::ports::{Clock, Fences, IdentitySource, OrderKeys};
use rocketmq::checked_group::{CheckedGroup, JoinError};
use rocketmq::client::RocketmqClient;
use rocketmq::config::RocketmqConfig;
use rocketmq::publisher::RocketmqPublisher;
use serde::{Deserialize, Serialize, Serializer};

use crate::gauges::Gauges;

/// Part of Lambda's time, reserved for leaving the group and for the report.
const RESERVE: Duration = Duration::from_secs(3);

/// The input that the schedule sends.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowEvent {
    /// The time for which check-backs are answered and events are swept.
    #[serde(default = "default_window_seconds")]
    pub window_seconds: u64,
}

const fn default_window_seconds() -> u64 {
    50
}

impl WindowEvent {
    /// The end of a window that begins now, in a process that may run for `time_left`.
    fn end(self, time_left: Duration) -> Deadline {
        let window = Deadline::after(Duration::from_secs(self.window_seconds));
        window.or_earlier(Deadline::after(time_left).less(RESERVE))
    }
}

/// The counts of one window.
#[derive(Debug, Clone, Copy)]
pub struct WindowReport {
    pub checks: CheckReport,
    pub sweep: SweepReport,
}

impl WindowReport {
    /// Adds the counts to the metrics, for alarms and the dashboard.
    #[expect(clippy::cast_precision_loss, reason = "an age in seconds needs no 53 bits")]
    pub fn count(&self) {
        for (metric, value) in self.checks.metrics().chain(self.sweep.metrics()) {
            metrics::counter!(metric).increment(value);
        }
        let SweepReport { looks, oldest_ms, .. } = self.sweep;
        // A sample for each look, also of 0, so that an alarm sees that all is well. There is no
        // sample when no look succeeded: the alarm on FailedLooks covers that.
        if looks > 0 {
            metrics::histogram!("OldestPendingEventSeconds").record(oldest_ms as f64 / 1e3);
        }
    }

    fn log(&self) {
        self.checks.span().in_scope(|| {
            self.sweep.span().in_scope(|| tracing::info!("the window is over"));
        });
    }
}

/// As one object of all numbers.
impl Serialize for WindowReport {
    fn serialize<Format: Serializer>(&self, format: Format) -> Result<Format::Ok, Format::Error> {
        format.collect_map(self.checks.numbers().chain(self.sweep.numbers()))
    }
}

/// How often metrics are written while a window runs.
const FLUSH_EVERY: Duration = Duration::from_secs(10);

struct Counting<Checks, Flush> {
    /// The checks that were answered since the last call.
    take_checks: Checks,
    /// The checks of the whole window, up to the last count.
    checks: Cell<CheckReport>,
    flush: Flush,
    next_flush: Cell<Deadline>,
}

impl<Checks: Fn() -> CheckReport, Flush: Fn()> Counting<Checks, Flush> {
    fn new(take_checks: Checks, flush: Flush) -> Self {
        let next_flush = Cell::new(Deadline::after(FLUSH_EVERY));
        Self { take_checks, checks: Cell::default(), flush, next_flush }
    }

    /// Counts one look of the sweep, and the checks that were answered since the last count.
    fn count(&self, sweep: SweepReport) {
        let checks = (self.take_checks)();
        let mut total = self.checks.get();
        total += checks;
        self.checks.set(total);
        WindowReport { checks, sweep }.count();
        if self.next_flush.get().has_passed() {
            (self.flush)();
            self.next_flush.set(Deadline::after(FLUSH_EVERY));
        }
    }
}

pub struct Handler<Orders, Aggregates, Time, Identities> {
    /// The cluster that sends the check-backs, and to which pending events are published.
    pub rocketmq: RocketmqConfig,
    pub orders: Orders,
    /// The aggregates, for check-backs of recorded events and for the sweep.
    pub aggregates: Aggregates,
    /// The wall clock, for the deadlines of half messages and the due times of events.
    pub clock: Time,
    pub identities: Identities,
}

impl<Orders, Aggregates, Time, Identities> Handler<Orders, Aggregates, Time, Identities>
where
    Orders: OrderKeys + Fences + Clone + 'static,
    Aggregates: PendingEventStore + PendingEventIndex + Clone + 'static,
    Time: Clock + Clone + 'static,
    Identities: IdentitySource + Clone,
{
    /// Joins the group, answers check-backs and sweeps for a window, or while Lambda allows it,
    /// whichever is shorter, and leaves the group. Metrics are counted during the call, and `flush`
    /// is called about every 10 s, so that a killed window has already written most of its counts.
    ///
    /// # Errors
    ///
    /// [`JoinError`], if the client can't be started.
    pub async fn handle(
        &self,
        event: WindowEvent,
        time_left: Duration,
        flush: impl Fn(),
    ) -> Result<WindowReport, JoinError> {
        let end = event.end(time_left);
        // Each window has its own client: the process was frozen in between, and a broker should
        // not rely on a frozen member.
        let client = RocketmqClient::start(self.rocketmq.clone())?;
        let publisher = RocketmqPublisher::connect(client.clone(), self.clock.clone()).await;
        let (orders, aggregates) = (self.orders.clone(), self.aggregates.clone());
        let (topics, clock) = (publisher.clone(), self.clock.clone());
        let answers = Arc::new(AnswerCheck::new(orders, aggregates, topics, clock));
        let group = CheckedGroup::join(client, Arc::clone(&answers)).await?;
        let sweep = self.sweep(&publisher);
        let counting = Counting::new(|| answers.take_report(), flush);
        let sweeping = sweep.run_counting(end, |report| counting.count(report));
        let gauging = async { Gauges::read(&publisher).await.count() };
        // The sweep's future is large, so it stays where it is while this one moves.
        let (swept, ()) = futures::join!(Box::pin(sweeping), gauging);
        tokio::time::sleep(end.remaining()).await;
        group.leave().await;
        counting.count(SweepReport::default());
        let report = WindowReport { checks: counting.checks.get(), sweep: swept };
        report.log();
        // The client shuts down cleanly once nothing else holds it.
        drop((sweep, counting));
        drop(answers);
        publisher.shutdown().await;
        Ok(report)
    }

    fn sweep(
        &self,
        publisher: &RocketmqPublisher,
    ) -> Sweep<Aggregates, Aggregates, RocketmqPublisher, RocketmqPublisher, Time, Identities> {
        Sweep {
            index: self.aggregates.clone(),
            aggregates: self.aggregates.clone(),
            topics: publisher.clone(),
            publication: PublishStored { publisher: publisher.clone(), clock: self.clock.clone() },
            identities: self.identities.clone(),
            pace: Pace::default(),
        }
    }
}
