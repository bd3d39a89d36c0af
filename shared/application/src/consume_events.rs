//! Consumes events: every handler's effect happens once, and nothing blocks the next event.
//!
//! An event is acknowledged when every handler has done its part, each of which is stored together
//! with an inbox record. What can't be handled comes again after a while; what can't be decoded, or
//! fails for too long, goes to the dead letters.

mod attempt;
mod congestion;
mod dead_letters;
mod handlers;
mod registry;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use contracts::event::Event;
use contracts::message;
use domain::identity::EventId;
use domain::timestamp::Timestamp;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tracing::Instrument;

use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass, Settled};
use crate::ports::{Clock, DeadLetterChannel, DeadLetters, Delivery, EventSubscription};

pub(crate) use congestion::Congestion;

pub use handlers::{InventoryHandler, NotificationHandler, ObserverHandler};
pub use registry::{EventHandler, HandlerError, IncomingEvent, Registry, Subscribed};

/// The most messages that one request asks for.
const BATCH_MAX: usize = 32;

/// How the consumer goes about it.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How many requests for messages are under way at once.
    pub pollers: usize,
    /// How many events are handled at once, at the most; a batch may exceed it. While events fail
    /// because something is overloaded or away, there are fewer.
    pub events_at_once: u16,
    /// How long one event may take. It must be well below the time for which it is ours.
    pub event: Duration,
    /// How often an event is tried before it goes to the dead letters.
    pub attempts_max: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            pollers: 2,
            events_at_once: 64,
            event: Duration::from_secs(5),
            // With the pauses of `pause_after`, a little more than an hour.
            attempts_max: 16,
        }
    }
}

/// The use case with the ports it needs.
pub struct ConsumeEvents<S, D, A, K> {
    /// Where events come from.
    pub subscription: S,
    /// Where given-up events are kept.
    pub dead_letters: D,
    /// Where given-up events are announced.
    pub announcements: A,
    /// The wall clock.
    pub clock: K,
    /// Who handles what.
    pub registry: Registry,
    /// How it goes about it.
    pub pace: Pace,
}

/// What a window did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConsumptionReport {
    /// Messages whose every handler has done its part.
    pub handled: u64,
    /// Messages that come again.
    pub postponed: u64,
    /// Messages that went to the dead letters.
    pub dead_lettered: u64,
    /// Requests for messages that failed.
    pub failed_receives: u64,
}

/// What became of one message.
enum Fate {
    Handled,
    Postponed,
    /// Postponed, because something is overloaded or away.
    Congested,
    DeadLettered,
}

/// Something that came to an end in the window.
enum Step<T> {
    Received(Result<Vec<T>, Failure>),
    Finished(Fate),
}

impl<S, D, A, K> ConsumeEvents<S, D, A, K>
where
    S: EventSubscription,
    D: DeadLetters,
    A: DeadLetterChannel,
    K: Clock,
{
    /// Consumes until shortly before `deadline`: everything that was received by then is done with.
    pub async fn run(&self, deadline: Deadline) -> ConsumptionReport {
        // The last message received may need its whole time, and some more to be acknowledged.
        let last_receive = deadline.less(self.pace.event + Duration::from_secs(1));
        let mut report = ConsumptionReport::default();
        let mut congestion = Congestion::new(self.pace.events_at_once, self.pace.event);
        let mut failures_in_a_row = 0;
        let mut receiving = FuturesUnordered::new();
        let mut handling = FuturesUnordered::new();
        loop {
            let limit = congestion.limit();
            let batch = (limit / 2).clamp(1, BATCH_MAX);
            while receiving.len() < self.pace.pollers
                && handling.len() + receiving.len() * batch < limit
                && !last_receive.has_passed()
            {
                receiving.push(self.receive(batch, last_receive, failures_in_a_row));
            }
            // In this order, so that a run depends on nothing but what it meets.
            let step = tokio::select! {
                biased;
                Some(received) = receiving.next() => Step::Received(received),
                Some(fate) = handling.next() => Step::Finished(fate),
                else => return report,
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
                        "no messages could be received"
                    );
                }
                Step::Finished(Fate::Handled) => {
                    congestion.handled();
                    report.handled += 1;
                }
                Step::Finished(Fate::Congested) => {
                    congestion.failed();
                    report.postponed += 1;
                }
                Step::Finished(Fate::Postponed) => report.postponed += 1,
                Step::Finished(Fate::DeadLettered) => report.dead_lettered += 1,
            }
        }
    }

    /// Receives; after a failure the caller is kept waiting, the longer the more have failed before
    /// it in a row: 100 ms to 2 s.
    async fn receive(
        &self,
        most: usize,
        deadline: Deadline,
        failures_in_a_row: u32,
    ) -> Result<Vec<S::Delivery>, Failure> {
        let received = self.subscription.receive(most, deadline).await;
        if received.is_err() {
            let pause = Duration::from_millis(100) * (failures_in_a_row + 1).min(20);
            tokio::time::sleep(pause.min(deadline.remaining())).await;
        }
        received
    }

    /// Consumes a message; a panic outside its handlers must not take its neighbours along either.
    /// It then comes again when it becomes visible.
    async fn guarded(&self, delivery: S::Delivery, window: Deadline) -> Fate {
        let consumed = AssertUnwindSafe(self.consume(delivery, window)).catch_unwind().await;
        consumed.unwrap_or_else(|_| {
            tracing::error!("consuming a message panicked");
            Fate::Postponed
        })
    }

    async fn consume(&self, delivery: S::Delivery, window: Deadline) -> Fate {
        let event = Event::decode(delivery.body());
        let span = tracing::info_span!(
            "event",
            message_id = delivery.message_id(),
            event_id = event.as_ref().ok().map(|event| tracing::field::display(event.id)),
            order_id = event
                .as_ref()
                .ok()
                .and_then(|event| event.data.order())
                .map(|order| tracing::field::display(order.order_id)),
            transaction_id = delivery.property(message::TRANSACTION_ID),
            event_type = event.as_ref().ok().map(|event| event.data.event_type().as_str()),
        );
        let deadline = Deadline::after(self.pace.event).or_earlier(window);
        async {
            match event {
                Ok(event) => self.handle(&delivery, event, deadline, window).await,
                Err(error) => {
                    let reason = crate::outcome::chain(&error);
                    self.give_up(&delivery, None, reason, None, deadline).await
                }
            }
        }
        .instrument(span)
        .await
    }

    /// Lets every handler do its part, in the order of the registry.
    async fn handle(
        &self,
        delivery: &S::Delivery,
        event: Event,
        deadline: Deadline,
        window: Deadline,
    ) -> Fate {
        let incoming = IncomingEvent {
            event_id: EventId::new(event.id),
            traceparent: delivery.property(message::TRACEPARENT).map(ToOwned::to_owned),
            event,
            received_at: self.clock.now(),
            deadline,
        };
        for handler in self.registry.handlers_of(incoming.event.data.event_type()) {
            match done(handler, &incoming).await {
                Ok(()) => {}
                Err(HandlerError::Hopeless(reason)) => {
                    let event_id = Some(incoming.event_id);
                    return self
                        .give_up(delivery, event_id, reason, Some(handler.name()), deadline)
                        .await;
                }
                Err(HandlerError::Failed(failure)) => {
                    return self
                        .try_again(delivery, &incoming, handler.name(), failure, window)
                        .await;
                }
            }
        }
        self.acknowledge(delivery, Fate::Handled).await
    }

    /// Asks for the message again, unless it was tried often enough.
    async fn try_again(
        &self,
        delivery: &S::Delivery,
        incoming: &IncomingEvent,
        handler: &'static str,
        failure: Failure,
        window: Deadline,
    ) -> Fate {
        let attempts = delivery.redeliveries().saturating_add(1);
        tracing::warn!(
            handler,
            attempts,
            error = &failure as &dyn std::error::Error,
            "a handler failed"
        );
        if attempts >= self.pace.attempts_max {
            let reason = crate::outcome::chain(&failure);
            // The event's own time may be over, the window's is not: what doesn't fit into that
            // comes again.
            let deadline = Deadline::after(self.pace.event).or_earlier(window);
            let event_id = Some(incoming.event_id);
            return self.give_up(delivery, event_id, reason, Some(handler), deadline).await;
        }
        let fate = match failure.class {
            FailureClass::Throttled | FailureClass::Unavailable => Fate::Congested,
            FailureClass::Conflict | FailureClass::Permanent => Fate::Postponed,
        };
        self.postpone(delivery, fate).await
    }

    async fn postpone(&self, delivery: &S::Delivery, fate: Fate) -> Fate {
        let pause = pause_after(delivery.redeliveries());
        note(&self.subscription.retry_after(delivery, pause).await, "postponed");
        fate
    }

    async fn acknowledge(&self, delivery: &S::Delivery, fate: Fate) -> Fate {
        let settled = self.subscription.acknowledge(delivery).await;
        note(&settled, "acknowledged");
        fate
    }
}

/// Lets a handler do its part. A panic is a failure like any other: it is counted, paused for, and
/// ends in the dead letters when it comes each time.
async fn done(handler: &dyn EventHandler, incoming: &IncomingEvent) -> Result<(), HandlerError> {
    AssertUnwindSafe(handler.handle(incoming)).catch_unwind().await.unwrap_or_else(|_| {
        let failure = Failure::new(FailureClass::Permanent, "the handler panicked");
        Err(HandlerError::Failed(failure))
    })
}

/// The pause before a message comes again: 1 s, doubling to 10 minutes.
pub(crate) fn pause_after(redeliveries: u32) -> Duration {
    Duration::from_secs(1 << redeliveries.min(10)).min(Duration::from_secs(600))
}

/// A message that was not acknowledged, or not postponed, comes again when it becomes visible, and
/// the inbox recognises it: that is worth a line and no more.
pub(crate) fn note(settled: &Settled, what: &'static str) {
    match settled {
        Settled::Done => {}
        Settled::Refused(cause) => tracing::warn!(
            error = cause.as_ref() as &dyn std::error::Error,
            "the message could not be {what} and comes again"
        ),
        Settled::Unknown(failure) => tracing::warn!(
            error = failure as &dyn std::error::Error,
            "whether the message was {what} is unknown; it may come again"
        ),
    }
}

/// When a message failed for the first time, as far as its deliveries tell: with each pause behind
/// it.
pub(crate) fn first_failed_at(now: Timestamp, redeliveries: u32) -> Timestamp {
    let paused: Duration = (0..redeliveries.min(64)).map(pause_after).sum();
    let millis = i64::try_from(paused.as_millis()).unwrap_or(0);
    Timestamp::from_millis(now.as_millis().saturating_sub(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_attempts_take_a_little_more_than_an_hour() {
        let all: Duration = (0..15).map(pause_after).sum();
        assert_eq!(all.as_secs() / 60, 67);
        assert_eq!(pause_after(u32::MAX), Duration::from_secs(600));
    }
}
