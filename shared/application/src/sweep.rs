//! Finds events that no consumer has seen in time, and publishes those that are on no topic.
//!
//! A broker may discard a half message that it could not have checked, lose a commit that it has
//! acknowledged, or be away while an order is taken. The outbox copy knows: it is marked
//! `unobserved` until event-consumer has seen the event on its topic. What stays marked is
//!
//! 1. **claimed**, so that sweeps whose windows overlap don't send it twice,
//! 2. **read again**, consistently: the index that told of it may be out of date,
//! 3. **looked for** on its topic, unless it is known to have been sent to none, and
//! 4. **sent** if it is not there: as a half message of the attempt that recorded it, committed at
//!    once.
//!
//! An answer that is not complete counts as none: the event is put back and comes up again, soon if
//! the broker could not be reached, or else when the claim runs out. An event that is on its topic
//! is not sent again however long nobody sees it; that is for an operator.

use std::future::ready;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tracing::Instrument;

use crate::deadline::Deadline;
use crate::lifetimes;
use crate::outcome::{Failure, FailureClass};
use crate::ports::{
    ClaimOutcome, Clock, DueEvent, Outbox, PrepareError, PublishedEvents, RecordedEvent,
    TransactionalPublisher, UnobservedEvents,
};
use crate::publish_recorded_event::{PublishRecordedEvent, SendError};

/// For how long an event is moved on that is on its topic, at the most; and how old one is,
/// unobserved, when an operator is told.
const MOVED_ON_MAX: Duration = lifetimes::SWEEP_AFTER.saturating_mul(10);

/// After how many events in a row for which no broker could be reached a look is given up: the
/// others would fare alike, and each costs three calls of the table.
const UNREACHABLE_MAX: u32 = 16;

/// When an event comes up again for which the broker could not be reached. A claim lasts long
/// enough for the check of a half message whose commit was lost; here, most likely, there is none
/// to wait for.
const PUT_BACK: Duration = Duration::from_secs(10);

/// How the sweep goes about it.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How often it looks for what is due.
    pub look_every: Duration,
    /// How many events it takes up per look. When there were more, it looks again at once.
    pub events_per_look: usize,
    /// How many events it deals with at once.
    pub events_at_once: usize,
    /// How long one event may take. It must be well below the time for which it is claimed.
    pub event: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look_every: Duration::from_secs(5),
            events_per_look: 256,
            events_at_once: 16,
            event: Duration::from_secs(5),
        }
    }
}

/// The use case with the ports it needs.
pub struct Sweep<U, S, O, P, K> {
    /// The events that nobody has seen.
    pub unobserved: U,
    /// What is on the topics.
    pub published: S,
    /// Claims and sends.
    pub publication: PublishRecordedEvent<O, P, K>,
    /// How it goes about it.
    pub pace: Pace,
}

/// What a window did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SweepReport {
    /// Events that were sent, the broker having acknowledged each.
    pub sent: u64,
    /// Events that are on their topic and wait for their consumer.
    pub found: u64,
    /// Those of `found` that have waited for so long that an operator was told.
    pub overdue: u64,
    /// Events of which nothing could be found out, or that could not be sent. They come up again.
    pub left: u64,
    /// Looks for what is due that told something.
    pub looks: u64,
    /// Looks for what is due that failed, as a whole or in part.
    pub failed_looks: u64,
    /// How long the oldest event that was dealt with had waited since it was recorded, or redriven.
    /// It means nothing when no look told anything.
    pub oldest: Duration,
}

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Another sweep claimed it, or a consumer has seen it.
    NotOurs,
    Sent,
    Found,
    Overdue,
    Left,
}

/// An event was not sent, and is not known to be on its topic.
struct Unsent {
    /// No broker could be reached: most likely there is no half message of it either, so it comes
    /// up again before its claim runs out.
    is_unreachable: bool,
}

/// What became of one event, and how long it had waited by then, where that is known.
struct Dealt {
    fate: Fate,
    waited: Duration,
    /// The broker could not be reached for it.
    unreachable: bool,
}

impl From<Fate> for Dealt {
    fn from(fate: Fate) -> Self {
        Self { fate, waited: Duration::ZERO, unreachable: false }
    }
}

impl SweepReport {
    fn count(&mut self, dealt: &Dealt) {
        self.oldest = self.oldest.max(dealt.waited);
        match dealt.fate {
            Fate::NotOurs => {}
            Fate::Sent => self.sent += 1,
            Fate::Found => self.found += 1,
            Fate::Overdue => {
                self.found += 1;
                self.overdue += 1;
            }
            Fate::Left => self.left += 1,
        }
    }
}

impl<U, S, O, P, K> Sweep<U, S, O, P, K>
where
    U: UnobservedEvents,
    S: PublishedEvents,
    O: Outbox,
    P: TransactionalPublisher,
    K: Clock,
{
    /// Sweeps until shortly before `deadline`: what was taken up by then is dealt with.
    pub async fn run(&self, deadline: Deadline) -> SweepReport {
        let last_look = deadline.less(self.pace.event);
        let mut report = SweepReport::default();
        while !last_look.has_passed() {
            let next_look = Deadline::after(self.pace.look_every).or_earlier(last_look);
            let more = self.look(last_look, deadline, &mut report).await;
            if !more {
                tokio::time::sleep(next_look.remaining()).await;
            }
        }
        report
    }

    /// Deals with what is due. Tells whether there is more that nobody else deals with.
    async fn look(
        &self,
        last_start: Deadline,
        deadline: Deadline,
        report: &mut SweepReport,
    ) -> bool {
        let now = self.publication.clock.now();
        let due = match self.unobserved.due(now, self.pace.events_per_look).await {
            Ok(due) => due,
            Err(failure) => {
                report.failed_looks += 1;
                tracing::warn!(
                    error = &failure as &dyn std::error::Error,
                    "the outbox's index can't be read"
                );
                return false;
            }
        };
        report.looks += 1;
        report.failed_looks += u64::from(due.unreadable > 0);
        let unreachable = AtomicU32::new(0);
        let is_reachable = || unreachable.load(Ordering::Relaxed) < UNREACHABLE_MAX;
        let mut events = stream::iter(due.events)
            .take_while(|_| ready(!last_start.has_passed() && is_reachable()))
            .map(|due| self.sweep(due, deadline))
            .buffer_unordered(self.pace.events_at_once);
        let mut ours = false;
        while let Some(dealt) = events.next().await {
            ours |= dealt.fate != Fate::NotOurs;
            if dealt.unreachable {
                unreachable.fetch_add(1, Ordering::Relaxed);
            } else {
                unreachable.store(0, Ordering::Relaxed);
            }
            report.count(&dealt);
        }
        // What is not ours may be what another sweep has claimed and the index still tells.
        due.more && ours && is_reachable()
    }

    async fn sweep(&self, due: DueEvent, window: Deadline) -> Dealt {
        let span = tracing::info_span!(
            "sweep",
            event_id = %due.event_id,
            transaction_id = tracing::field::Empty,
        );
        let deadline = Deadline::after(self.pace.event).or_earlier(window);
        self.deal_with(due, deadline).instrument(span).await
    }

    async fn deal_with(&self, due: DueEvent, deadline: Deadline) -> Dealt {
        let outbox = &self.publication.outbox;
        let now = self.publication.clock.now();
        let claimed_until = now.plus(lifetimes::SWEEP_AFTER);
        match outbox.claim(due.event_id, due.sweep_due, claimed_until).await {
            ClaimOutcome::Won => {}
            ClaimOutcome::Lost => return Fate::NotOurs.into(),
            ClaimOutcome::Unknown(failure) => {
                return left(&failure, "whether the event was claimed is unknown").into();
            }
        }
        let event = match self.unobserved.find(due.event_id).await {
            Ok(Some(event)) => event,
            Ok(None) => return Fate::NotOurs.into(),
            Err(failure) => {
                // One that nobody can read waits like any other, and an operator must be told.
                let made_at = due.event_id.made_at();
                let waited = made_at.map_or(Duration::ZERO, |made_at| now.since(made_at));
                let fate = left(&failure, "the event can't be read");
                return Dealt { fate, waited, unreachable: false };
            }
        };
        tracing::Span::current()
            .record("transaction_id", tracing::field::display(event.transaction_id));
        let waited = now.since(event.recorded_at);
        let (fate, unreachable) = match self.send_if_absent(event, deadline).await {
            Ok(fate) => (fate, false),
            Err(Unsent { is_unreachable: true }) => {
                self.put_back(DueEvent { sweep_due: claimed_until, ..due }).await;
                (Fate::Left, true)
            }
            Err(Unsent { is_unreachable: false }) => (Fate::Left, false),
        };
        Dealt { fate, waited, unreachable }
    }

    async fn send_if_absent(
        &self,
        event: RecordedEvent,
        deadline: Deadline,
    ) -> Result<Fate, Unsent> {
        if event.unpublished {
            return self.send(&event, deadline).await;
        }
        let (topic, event_id) = (event.message.topic, event.message.event_id);
        let attempt = event.transaction_id;
        match self.published.is_published(topic, event_id, attempt, deadline).await {
            Ok(true) => Ok(self.leave_to_consumer(event).await),
            Ok(false) => self.send(&event, deadline).await,
            Err(failure) => {
                left(&failure, "whether the event is on its topic is unknown");
                Err(Unsent { is_unreachable: passes(&failure) })
            }
        }
    }

    async fn send(&self, event: &RecordedEvent, deadline: Deadline) -> Result<Fate, Unsent> {
        match self.publication.send(event, deadline).await {
            Ok(()) => {
                tracing::info!(unpublished = event.unpublished, "sent an event");
                Ok(Fate::Sent)
            }
            Err(error) => {
                left(&error, "the event was not sent");
                let is_unreachable = matches!(
                    &error,
                    SendError::Prepare(PrepareError::Failed(failure)) if passes(failure)
                );
                Err(Unsent { is_unreachable })
            }
        }
    }

    /// Gives a claim up before it runs out.
    async fn put_back(&self, claimed: DueEvent) {
        let until = self.publication.clock.now().plus(PUT_BACK);
        let outcome =
            self.publication.outbox.claim(claimed.event_id, claimed.sweep_due, until).await;
        if let ClaimOutcome::Unknown(failure) = outcome {
            tracing::debug!(error = &failure as &dyn std::error::Error, "the claim may run on");
        }
    }

    /// Moves an event on that is on its topic: the longer it has waited, the further.
    async fn leave_to_consumer(&self, event: RecordedEvent) -> Fate {
        let now = self.publication.clock.now();
        let waited = now.since(event.recorded_at);
        let next = now.plus(waited.clamp(lifetimes::SWEEP_AFTER, MOVED_ON_MAX));
        let event_id = event.message.event_id;
        if let ClaimOutcome::Unknown(failure) =
            self.publication.outbox.claim(event_id, event.sweep_due, next).await
        {
            tracing::debug!(
                error = &failure as &dyn std::error::Error,
                "the event was not moved on"
            );
        }
        if waited <= MOVED_ON_MAX {
            tracing::info!("an event is on its topic and waits for its consumer");
            return Fate::Found;
        }
        tracing::error!(
            waited_ms = waited.as_millis(),
            "an event is on its topic, but no consumer has seen it"
        );
        Fate::Overdue
    }
}

/// Whether a failure is the broker's and over some time.
const fn passes(failure: &Failure) -> bool {
    matches!(failure.class, FailureClass::Unavailable | FailureClass::Throttled)
}

/// The event comes up again when its claim has run out, or been given up.
fn left(error: &(dyn std::error::Error + 'static), why: &'static str) -> Fate {
    tracing::warn!(error, "{why}");
    Fate::Left
}
