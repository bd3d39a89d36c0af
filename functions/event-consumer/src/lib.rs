//! Consumes both topics in overlapping windows, so that one window is always running.

pub mod config;

use std::time::Duration;

use application::deadline::Deadline;
use application::events::consume::{ConsumeEvents, ConsumptionReport};
use application::ports::pending::PendingEventStore;
use application::ports::stock::Reservations;
use application::ports::{
    Clock, DeadLetterChannel, DeadLetterMoves, EventSubscription, IdentitySource,
    TransactionalPublisher,
};
use serde::{Deserialize, Serialize};

/// Part of Lambda's time, reserved for the last event to time out and for the report.
const RESERVE: Duration = Duration::from_secs(8);

/// The input that the schedule sends.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowEvent {
    #[serde(default = "default_window_seconds")]
    pub window_seconds: u64,
}

const fn default_window_seconds() -> u64 {
    130
}

/// The counts of one window.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct WindowReport {
    /// Messages whose event was handled by every handler.
    pub handled: u64,
    /// Messages that belong to no event of this deployment: acknowledged and not handled.
    pub foreign: u64,
    pub postponed: u64,
    /// Those of `postponed` whose event is newer than this code.
    pub newer: u64,
    /// Those of `postponed` whose aggregate exists but cannot be read.
    pub unreadable: u64,
    /// Messages that were moved to the dead letters.
    pub dead_lettered: u64,
    /// Those of `dead_lettered` that were not announced on the dead-letter topic.
    pub unannounced: u64,
    pub failed_receives: u64,
}

impl From<ConsumptionReport> for WindowReport {
    fn from(report: ConsumptionReport) -> Self {
        Self {
            handled: report.handled,
            foreign: report.foreign,
            postponed: report.postponed,
            newer: report.newer,
            unreadable: report.unreadable,
            dead_lettered: report.dead_lettered,
            unannounced: report.unannounced,
            failed_receives: report.failed_receives,
        }
    }
}

impl WindowReport {
    pub fn count(&self) {
        metrics::counter!("EventsHandled").increment(self.handled);
        metrics::counter!("EventsForeign").increment(self.foreign);
        metrics::counter!("EventsPostponed").increment(self.postponed);
        metrics::counter!("EventsNewer").increment(self.newer);
        metrics::counter!("EventsUnreadable").increment(self.unreadable);
        metrics::counter!("DeadLetters").increment(self.dead_lettered);
        metrics::counter!("DeadLettersUnannounced").increment(self.unannounced);
        metrics::counter!("FailedReceives").increment(self.failed_receives);
    }

    fn log(&self) {
        tracing::info!(
            handled = self.handled,
            foreign = self.foreign,
            postponed = self.postponed,
            newer = self.newer,
            unreadable = self.unreadable,
            dead_lettered = self.dead_lettered,
            unannounced = self.unannounced,
            failed_receives = self.failed_receives,
            "the window is over"
        );
    }
}

pub struct Handler<Subscription, Letters, Announcements, Aggregates, Publisher, Time, Identities> {
    pub consume: ConsumeEvents<
        Subscription,
        Letters,
        Announcements,
        Aggregates,
        Publisher,
        Time,
        Identities,
    >,
}

impl<Subscription, Letters, Announcements, Aggregates, Publisher, Time, Identities>
    Handler<Subscription, Letters, Announcements, Aggregates, Publisher, Time, Identities>
where
    Subscription: EventSubscription,
    Letters: DeadLetterMoves,
    Announcements: DeadLetterChannel,
    Aggregates: PendingEventStore + Reservations,
    Publisher: TransactionalPublisher,
    Time: Clock,
    Identities: IdentitySource,
{
    /// Consumes events for a window, or while Lambda allows it, whichever is shorter. When this
    /// call returns, every received message is settled. Metrics are counted during the call, and
    /// `flush` is called after each count.
    pub async fn handle(
        &self,
        event: WindowEvent,
        time_left: Duration,
        flush: impl Fn(),
    ) -> WindowReport {
        let window = Deadline::after(Duration::from_secs(event.window_seconds));
        let deadline = window.or_earlier(Deadline::after(time_left).less(RESERVE));
        let count = |report| {
            WindowReport::from(report).count();
            flush();
        };
        let report = WindowReport::from(self.consume.run_counting(deadline, count).await);
        report.log();
        report
    }
}
