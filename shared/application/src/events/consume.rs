//! Consumes events: every handler's effect happens once, and nothing blocks the next event.
//!
//! The aggregate is read first. An event that is pending in it is handled, with the data of the
//! aggregate and not of the message. An event that is no longer pending is acknowledged. An event
//! that the aggregate has not raised is foreign: it is acknowledged, and no handler of ours sees
//! it. When the last handler is done, one write ends the event, and only then is its message
//! acknowledged. An event that fails is delivered again after a while, and its failures are counted
//! in its entry, over all copies of the message. A message that can't be read, and an event that
//! fails for too long, go to the dead letters.
//!
//! A message that only newer code may be able to read is judged by the aggregate that it names: an
//! event of ours waits for that code as long as it is pending. If no aggregate has raised its
//! event, the message waits for a day and then goes to the dead letters.

mod congestion;
mod give_up;
mod groups;
mod handle;
mod inventory;
mod pace;
mod registry;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use contracts::event::{DecodeError, Event};
use contracts::message;
use domain::identity::EventId;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::time::Instant;
use tracing::Instrument;

use super::report::report;
use crate::deadline::Deadline;
use crate::lifetimes;
use crate::outcome::{Failure, FailureClass, WriteTry};
use crate::ports::pending::PendingEventStore;
use crate::ports::stock::Reservations;
use crate::ports::{
    BODY_BYTES_MAX, Clock, DeadLetterChannel, DeadLetterMoves, Delivery, EventSubscription,
    IdentitySource, TransactionalPublisher,
};
use congestion::Congestion;
use give_up::GivenUp;
use handle::{Ended, NotEnded};
use pace::{first_failed_at, pause_after, paused};

pub use give_up::GiveUpEvents;
pub use groups::ReservationGroups;
pub use handle::HandleEvents;
pub use pace::Pace;
pub use registry::{EventHandler, HandlerError, IncomingEvent, Registry, Subscribed};

/// The most messages that one request asks for.
const BATCH_MAX: usize = 32;

/// How many events may wait for the write of another event, for each event that may be handled at
/// once. Waiting events make no call; if they counted, orders of one popular product would delay
/// all others. If something is overloaded, fewer events wait, as fewer are handled.
const WAITING_PER_CALLING: usize = 3;

/// The minimum time of a request that finds nothing. A broker that answers at once, although it
/// should wait for messages, is not asked again without a pause.
const EMPTY_AFTER: Duration = Duration::from_millis(200);

/// The time between two reports of a running window.
const COUNT_EVERY: Duration = Duration::from_secs(10);

pub struct ConsumeEvents<
    Subscription,
    Letters,
    Announcements,
    Aggregates,
    Publisher,
    Time,
    Identities,
> {
    pub subscription: Subscription,
    pub handling: HandleEvents<Aggregates, Publisher, Time, Identities>,
    pub giving_up: GiveUpEvents<Letters, Announcements>,
    pub pace: Pace,
}

report! {
    /// The report of a window.
    pub struct ConsumptionReport {
        /// Messages whose event every handler of ours is done with.
        pub handled: u64 = "EventsHandled",
        /// Messages whose event no aggregate of this deployment raised: acknowledged and not
        /// handled.
        pub foreign: u64 = "EventsForeign",
        /// Messages that will be delivered again.
        pub postponed: u64 = "EventsPostponed",
        /// Those of `postponed` whose event is newer than this code.
        pub newer: u64 = "EventsNewer",
        /// Those of `postponed` whose aggregate exists but can't be read.
        pub unreadable: u64 = "EventsUnreadable",
        /// Messages that were given up.
        pub dead_lettered: u64 = "DeadLetters",
        /// Those of `dead_lettered` that were not announced.
        pub unannounced: u64 = "DeadLettersUnannounced",
        /// Requests for messages that failed.
        pub failed_receives: u64 = "FailedReceives",
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeliveryOutcome {
    Handled,
    Foreign,
    Postponed,
    /// Postponed, because something is overloaded or unavailable.
    Congested,
    /// Postponed, because newer code raised the event, or may have.
    Newer,
    /// Postponed, because the aggregate can't be read: the event stays pending until it can.
    Unreadable,
    GivenUp {
        announced: bool,
    },
}

impl ConsumptionReport {
    fn count(&mut self, outcome: DeliveryOutcome) {
        match outcome {
            DeliveryOutcome::Handled => self.handled += 1,
            DeliveryOutcome::Foreign => self.foreign += 1,
            DeliveryOutcome::Postponed | DeliveryOutcome::Congested => self.postponed += 1,
            DeliveryOutcome::Newer => {
                self.postponed += 1;
                self.newer += 1;
            }
            DeliveryOutcome::Unreadable => {
                self.postponed += 1;
                self.unreadable += 1;
            }
            DeliveryOutcome::GivenUp { announced } => {
                self.dead_lettered += 1;
                self.unannounced += u64::from(!announced);
            }
        }
    }
}

enum Read {
    /// An event of this version.
    Event(EventId),
    /// A message that newer code may be able to read.
    Newer(DecodeError),
    /// A message that can't be read, for this reason.
    Unreadable(String),
}

/// What a window waits for.
enum Step<Message> {
    Received(Result<Vec<Message>, Failure>),
    Finished(DeliveryOutcome),
    /// An event waits for the write of another one.
    Waiting,
}

impl<Subscription, Letters, Announcements, Aggregates, Publisher, Time, Identities>
    ConsumeEvents<Subscription, Letters, Announcements, Aggregates, Publisher, Time, Identities>
where
    Subscription: EventSubscription,
    Letters: DeadLetterMoves,
    Announcements: DeadLetterChannel,
    Aggregates: PendingEventStore + Reservations,
    Publisher: TransactionalPublisher,
    Time: Clock,
    Identities: IdentitySource,
{
    /// Consumes until shortly before `deadline`, so that everything that was received is finished.
    pub async fn run(&self, deadline: Deadline) -> ConsumptionReport {
        self.run_counting(deadline, |_| ()).await
    }

    /// Like [`Self::run`]. `count` gets a report of what was done since its last call, about every
    /// ten seconds and at the end, so that a window that is killed has reported what it did.
    pub async fn run_counting(
        &self,
        deadline: Deadline,
        mut count: impl FnMut(ConsumptionReport),
    ) -> ConsumptionReport {
        // The last message may need all of its time, and a moment more to be acknowledged.
        let last_receive = deadline.less(self.pace.event + Duration::from_secs(1));
        let (mut report, mut total) = (ConsumptionReport::default(), ConsumptionReport::default());
        let mut next_count = Instant::now() + COUNT_EVERY;
        let mut congestion = Congestion::new(self.pace.events_at_once, self.pace.event);
        let mut failures_in_a_row = 0;
        let mut receiving = FuturesUnordered::new();
        let mut handling = FuturesUnordered::new();
        loop {
            let limit = congestion.limit();
            let batch = (limit / 2).clamp(1, BATCH_MAX);
            let waiting = self.handling.groups.waiting().min(WAITING_PER_CALLING * limit);
            while receiving.len() < self.pace.pollers
                && handling.len().saturating_sub(waiting) + receiving.len() * batch < limit
                && !last_receive.has_passed()
            {
                receiving.push(self.receive(batch, last_receive, failures_in_a_row));
            }
            // In this order, so that a run is deterministic.
            let step = tokio::select! {
                biased;
                Some(received) = receiving.next() => Step::Received(received),
                Some(outcome) = handling.next() => Step::Finished(outcome),
                () = self.handling.groups.joined(), if !handling.is_empty() => Step::Waiting,
                else => {
                    total += report;
                    count(report);
                    return total;
                }
            };
            match step {
                Step::Received(Ok(deliveries)) => {
                    failures_in_a_row = 0;
                    handling.extend(deliveries.into_iter().map(|d| self.guarded(d, deadline)));
                }
                Step::Received(Err(failure)) => {
                    report.failed_receives += 1;
                    failures_in_a_row += 1;
                    tracing::warn!(
                        error = &failure as &dyn std::error::Error,
                        "could not receive messages"
                    );
                }
                Step::Finished(outcome) => {
                    match outcome {
                        DeliveryOutcome::Handled => congestion.handled(),
                        DeliveryOutcome::Congested => congestion.failed(),
                        _ => {}
                    }
                    report.count(outcome);
                }
                Step::Waiting => {}
            }
            if Instant::now() >= next_count && report != ConsumptionReport::default() {
                total += report;
                count(std::mem::take(&mut report));
                next_count = Instant::now() + COUNT_EVERY;
            }
        }
    }

    /// Receives messages. After a failure it waits 100 ms to 2 s, the longer the more requests in a
    /// row have failed. After an empty answer it waits until [`EMPTY_AFTER`] has passed.
    async fn receive(
        &self,
        most: usize,
        deadline: Deadline,
        failures_in_a_row: u32,
    ) -> Result<Vec<Subscription::Delivery>, Failure> {
        let started = Instant::now();
        let received = self.subscription.receive(most, deadline).await;
        let pause = match &received {
            Ok(found) if found.is_empty() => EMPTY_AFTER.saturating_sub(started.elapsed()),
            Ok(_) => Duration::ZERO,
            Err(_) => Duration::from_millis(100) * (failures_in_a_row + 1).min(20),
        };
        tokio::time::sleep(pause.min(deadline.remaining())).await;
        received
    }

    /// Consumes a message. A panic outside the handlers must not affect other messages; this one is
    /// delivered again when it becomes visible.
    async fn guarded(&self, delivery: Subscription::Delivery, window: Deadline) -> DeliveryOutcome {
        let consumed = AssertUnwindSafe(self.consume(delivery, window)).catch_unwind().await;
        consumed.unwrap_or_else(|_| {
            tracing::error!("consuming a message panicked");
            DeliveryOutcome::Postponed
        })
    }

    async fn consume(&self, delivery: Subscription::Delivery, window: Deadline) -> DeliveryOutcome {
        let read = read(&delivery);
        let event_id = match &read {
            Read::Event(event_id) => Some(*event_id),
            Read::Newer(_) | Read::Unreadable(_) => None,
        };
        let span = tracing::info_span!(
            "event",
            message_id = delivery.message_id().as_str(),
            event_id = event_id.map(tracing::field::display),
            aggregate = delivery.property(message::AGGREGATE),
            transaction_id = delivery.property(message::TRANSACTION_ID),
        );
        let deadline = Deadline::after(self.pace.event).or_earlier(window);
        async {
            match read {
                Read::Event(event_id) => self.handle(&delivery, event_id, deadline, window).await,
                Read::Newer(error) => self.handle_newer(&delivery, &error, deadline, window).await,
                Read::Unreadable(reason) => self.give_up_unread(&delivery, reason, deadline).await,
            }
        }
        .instrument(span)
        .await
    }

    async fn handle(
        &self,
        delivery: &Subscription::Delivery,
        event_id: EventId,
        deadline: Deadline,
        window: Deadline,
    ) -> DeliveryOutcome {
        match self.handle_event(delivery, event_id, deadline).await {
            Ok(Ended::Handled) => self.acknowledge(delivery, DeliveryOutcome::Handled).await,
            Ok(Ended::Foreign) => {
                tracing::warn!(
                    "no aggregate of this deployment raised the event; no handler sees it"
                );
                self.acknowledge(delivery, DeliveryOutcome::Foreign).await
            }
            Err(not_ended) => self.try_again(delivery, event_id, not_ended, window).await,
        }
    }

    /// Handles an event whose message newer code may be able to read. Its properties name the event
    /// and its aggregate, which has all that the handlers need.
    async fn handle_newer(
        &self,
        delivery: &Subscription::Delivery,
        error: &DecodeError,
        deadline: Deadline,
        window: Deadline,
    ) -> DeliveryOutcome {
        let named = delivery.property(message::EVENT_ID).and_then(|text| text.parse().ok());
        let Some(event_id) = named else {
            return self.wait_for_newer_code(delivery, error, deadline).await;
        };
        match self.handle_event(delivery, event_id, deadline).await {
            Ok(Ended::Handled) => self.acknowledge(delivery, DeliveryOutcome::Handled).await,
            Ok(Ended::Foreign) => self.wait_for_newer_code(delivery, error, deadline).await,
            Err(not_ended) => self.try_again(delivery, event_id, not_ended, window).await,
        }
    }

    /// Postpones a message whose event no aggregate of ours has raised, as far as this code can
    /// see, until it was tried for long enough. The time is that of the pauses between its
    /// deliveries: they are counted by the broker, and a producer that sends a message with a count
    /// of its own makes it end sooner. No event of ours ends with it.
    async fn wait_for_newer_code(
        &self,
        delivery: &Subscription::Delivery,
        error: &DecodeError,
        deadline: Deadline,
    ) -> DeliveryOutcome {
        let redeliveries = delivery.redeliveries();
        if paused(redeliveries) >= lifetimes::NEWER_CODE {
            let reason = format!("no newer code has read it: {}", crate::outcome::chain(error));
            return self.give_up_unread(delivery, reason, deadline).await;
        }
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "only newer code may be able to read the message; it waits for that code"
        );
        self.postpone(delivery, redeliveries, DeliveryOutcome::Newer).await
    }

    /// Handles an event, if the aggregate that its message names has raised it.
    async fn handle_event(
        &self,
        delivery: &Subscription::Delivery,
        event_id: EventId,
        deadline: Deadline,
    ) -> Result<Ended, NotEnded> {
        let named = delivery.property(message::AGGREGATE).and_then(|text| text.parse().ok());
        let Some(key) = named else { return Ok(Ended::Foreign) };
        let received_at = self.handling.publication.clock.now();
        self.handling.handle(key, event_id, received_at, deadline).await
    }

    /// Postpones the message, unless the event was tried often enough or can never succeed.
    async fn try_again(
        &self,
        delivery: &Subscription::Delivery,
        event_id: EventId,
        not_ended: NotEnded,
        window: Deadline,
    ) -> DeliveryOutcome {
        let NotEnded { error, handler, is_newer, stored } = not_ended;
        // The event's own time may be over. The window's is not; what doesn't fit into the window
        // is delivered again.
        let deadline = Deadline::after(self.pace.event).or_earlier(window);
        tracing::warn!(handler, error = &error as &dyn std::error::Error, "a handler failed");
        let Some(stored) = stored else {
            // Without the aggregate, the failure can't be recorded in it.
            let outcome = match &error {
                HandlerError::Failed(Failure { class: FailureClass::Permanent, .. }) => {
                    DeliveryOutcome::Unreadable
                }
                error => outcome_of(error),
            };
            return self.postpone(delivery, delivery.redeliveries(), outcome).await;
        };
        if is_newer {
            return self.postpone(delivery, delivery.redeliveries(), DeliveryOutcome::Newer).await;
        }
        let recorded = self.handling.record_failure(stored, event_id, deadline).await;
        let (stored, failures) = match recorded {
            Ok(Some(recorded)) => recorded,
            // Another delivery has ended it.
            Ok(None) => return self.acknowledge(delivery, DeliveryOutcome::Handled).await,
            Err(failure) => {
                tracing::warn!(
                    error = &failure as &dyn std::error::Error,
                    "the failure could not be recorded"
                );
                return self.postpone(delivery, delivery.redeliveries(), outcome_of(&error)).await;
            }
        };
        let permanent = matches!(error, HandlerError::Permanent(_));
        if permanent || failures >= self.pace.attempts_max {
            let reason = crate::outcome::chain(&error);
            let given_up = GivenUp { stored, event_id, reason, handler, failures };
            let now = self.handling.publication.clock.now();
            let gave_up = self.giving_up.give_up(delivery, given_up, now, deadline).await;
            return self.settle(delivery, failures.saturating_sub(1), gave_up).await;
        }
        self.postpone(delivery, failures.saturating_sub(1), outcome_of(&error)).await
    }

    async fn give_up_unread(
        &self,
        delivery: &Subscription::Delivery,
        reason: String,
        deadline: Deadline,
    ) -> DeliveryOutcome {
        let now = self.handling.publication.clock.now();
        let gave_up = self.giving_up.give_up_unread(delivery, reason, now, deadline).await;
        self.settle(delivery, delivery.redeliveries(), gave_up).await
    }

    /// Acknowledges a message that was given up. Without a letter it is delivered again.
    async fn settle(
        &self,
        delivery: &Subscription::Delivery,
        failures_before: u32,
        gave_up: Result<DeliveryOutcome, Failure>,
    ) -> DeliveryOutcome {
        match gave_up {
            Ok(outcome) => self.acknowledge(delivery, outcome).await,
            Err(failure) => {
                tracing::warn!(
                    error = &failure as &dyn std::error::Error,
                    "a dead letter could not be recorded; the message will be delivered again"
                );
                self.postpone(delivery, failures_before, postponed_by(&failure)).await
            }
        }
    }

    async fn postpone(
        &self,
        delivery: &Subscription::Delivery,
        failures_before: u32,
        outcome: DeliveryOutcome,
    ) -> DeliveryOutcome {
        let pause = pause_after(failures_before);
        log_unless_done(&self.subscription.retry_after(delivery, pause).await, "postponed");
        outcome
    }

    async fn acknowledge(
        &self,
        delivery: &Subscription::Delivery,
        outcome: DeliveryOutcome,
    ) -> DeliveryOutcome {
        log_unless_done(&self.subscription.acknowledge(delivery).await, "acknowledged");
        outcome
    }
}

fn read(delivery: &impl Delivery) -> Read {
    let body = match delivery.body() {
        Ok(body) => body,
        Err(unreadable) => return Read::Unreadable(unreadable.to_string()),
    };
    if body.len() > BODY_BYTES_MAX {
        let bytes = body.len();
        return Read::Unreadable(format!("its body has {bytes} bytes, more than {BODY_BYTES_MAX}"));
    }
    match Event::decode(body) {
        Ok(event) => Read::Event(EventId::new(event.id)),
        Err(error) if error.may_be_newer() => Read::Newer(error),
        Err(error) => Read::Unreadable(crate::outcome::chain(&error)),
    }
}

const fn outcome_of(error: &HandlerError) -> DeliveryOutcome {
    match error {
        HandlerError::Failed(failure) => postponed_by(failure),
        HandlerError::Permanent(_) => DeliveryOutcome::Postponed,
    }
}

const fn postponed_by(failure: &Failure) -> DeliveryOutcome {
    match failure.class {
        FailureClass::Throttled | FailureClass::Unavailable => DeliveryOutcome::Congested,
        FailureClass::Conflict | FailureClass::Permanent => DeliveryOutcome::Postponed,
    }
}

/// Logs a failed call and does nothing more: a message that was not acknowledged or postponed is
/// delivered again when it becomes visible, and its aggregate shows whether its event has ended.
fn log_unless_done(outcome: &WriteTry<Infallible>, what: &'static str) {
    match outcome {
        WriteTry::Done => {}
        WriteTry::Cancelled(never) => match *never {},
        WriteTry::NotBegun(failure) => tracing::warn!(
            error = failure as &dyn std::error::Error,
            "the message could not be {what} and will be delivered again"
        ),
        WriteTry::Unknown(failure) => tracing::warn!(
            error = failure as &dyn std::error::Error,
            "whether the message was {what} is unknown; it may be delivered again"
        ),
    }
}
