//! Consumes both topics, in windows that overlap, so that one is always live.

pub mod config;

use std::time::Duration;

use application::deadline::Deadline;
use application::events::consume::{ConsumeEvents, ConsumptionReport};
use application::ports::letters::DeadLetterMoves;
use application::ports::pending::{PendingEventStore, Reservations};
use application::ports::{
    Clock, DeadLetterChannel, EventSubscription, IdentitySource, TransactionalPublisher,
};
use serde::{Deserialize, Serialize};

/// What is kept of Lambda's time for the last event to be given up and for the report.
const RESERVE: Duration = Duration::from_secs(8);

/// What the schedule sends.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowEvent {
    /// For how many seconds events are consumed.
    #[serde(default = "default_window_seconds")]
    pub window_seconds: u64,
}

const fn default_window_seconds() -> u64 {
    130
}

/// What a window did.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct WindowReport {
    /// Messages whose event has ended: every handler is done with it.
    pub handled: u64,
    /// Messages of no event of this deployment, acknowledged and not handled.
    pub foreign: u64,
    /// Messages that come again.
    pub postponed: u64,
    /// Those of `postponed` whose event is newer than this code.
    pub newer: u64,
    /// Those of `postponed` whose aggregate is there and can't be read.
    pub unreadable: u64,
    /// Messages that went to the dead letters.
    pub dead_lettered: u64,
    /// Those of `dead_lettered` that were not announced on the dead-letter topic.
    pub unannounced: u64,
    /// Requests for messages that failed.
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
    /// Counts it, for alarms and the dashboard.
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

/// The handler of the schedule.
pub struct Handler<Subscription, Letters, Announcements, Aggregates, Publisher, Time, Identities> {
    /// The use case.
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
    /// Consumes for a window, or for as long as Lambda allows, whichever is shorter. Everything
    /// that was received is done with when it returns. What is met is counted while it runs, and
    /// `flush` is called each time.
    pub async fn handle(
        &self,
        event: WindowEvent,
        time_left: Duration,
        flush: impl Fn(),
    ) -> WindowReport {
        let window = Deadline::after(Duration::from_secs(event.window_seconds));
        let deadline = window.or_earlier(Deadline::after(time_left).less(RESERVE));
        let count = |met| {
            WindowReport::from(met).count();
            flush();
        };
        let report = WindowReport::from(self.consume.run_counting(deadline, count).await);
        report.log();
        report
    }
}
