//! Finds events that were not handled in time, and publishes those that are on no topic.
//!
//! A broker may discard a half message whose checks had no answer, lose a commit that it has
//! acknowledged, or be away while an order is created. The aggregate still shows the event: it is
//! pending until our last handler is done with it. An event that is due is
//!
//! 1. **claimed** by a write that is conditional on what was read, so that sweeps whose windows
//!    overlap don't send it twice; an event that was never sent counts as sent from then on,
//! 2. **looked up** on its topic, unless no half message of it was ever sent, and
//! 3. **sent** if it is not there, or has been there for so long that its message to us must be
//!    lost. What was there before, as far as brokers said, is sent at most five times.
//!
//! Events that may be on no topic come before events that wait for their consumer. An incomplete
//! answer counts as no answer for ten minutes, and then as "not there": a copy is allowed, a loss
//! is not.
//!
//! While no broker of a topic answers, none of its events is claimed or sent. While a broker
//! answers but accepts no event, one event of a look probes it and the others stay unclaimed. While
//! not every broker answers whether an event is there, one event asks and the others wait without
//! asking.

mod outcome;
mod pace;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use domain::identity::{EventId, TransactionId};
use domain::pending::{PendingEvent, PendingEvents, Publication};
use domain::timestamp::Timestamp;
use futures::StreamExt;
use futures::stream;
use tracing::Instrument;

use super::StoredAggregate;
use super::publish::{PublishStored, SendError};
use super::revise::revise;
use crate::deadline::Deadline;
use crate::lifetimes;
use crate::outcome::{Failure, FailureClass, WriteTry};
use crate::ports::pending::{DueAggregate, IndexChange, PendingEventIndex, PendingEventStore};
use crate::ports::{
    Clock, GroupPosition, IdentitySource, PrepareError, PublishedEvents, Topic,
    TransactionalPublisher,
};
use crate::retry::TRY;
use outcome::{EntryOutcome, Processed};

pub use outcome::SweepReport;
pub use pace::Pace;

/// The longest wait until the next look at an event that is on its topic.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);

/// The wait until the next look at an event for which the broker could not be reached.
const PUT_BACK: Duration = Duration::from_secs(10);

/// How long an incomplete answer counts as no answer, before it counts as "not there".
const UNANSWERED_MAX: Duration = Duration::from_secs(10 * 60);

/// How long an event stays on its topic before it is published again, if our group has passed it
/// and no delivery has reached a handler of ours. After each copy this time is twice as long.
const REPUBLISH_AFTER: Duration = Duration::from_secs(75 * 60);

/// How often an event that is on its topic, or was found there before, is published again, before it
/// is left to an operator.
const COPIES_MAX: u32 = 5;

/// How long an event waits before an operator is notified.
const OVERDUE_AFTER: Duration = Duration::from_secs(10 * 60);

pub struct Sweep<Index, Aggregates, Topics, Publisher, Time, Identities> {
    pub index: Index,
    pub aggregates: Aggregates,
    /// Looks up what is on the topics, and how far our group has consumed them.
    pub topics: Topics,
    pub publication: PublishStored<Publisher, Time>,
    pub identities: Identities,
    pub pace: Pace,
}

/// The part of an aggregate's time that is kept for storing the results, after the calls to
/// brokers.
const MOVING_ON: Duration = Duration::from_secs(2);

/// How long the brokers of a topic may take until one of them answers at all.
const ANSWER: Duration = Duration::from_secs(2);

/// The state of a topic's brokers at the last call. It is kept for one window.
#[derive(Debug, Default)]
struct Reach {
    /// Whether some broker did not say if an event is on the topic.
    is_silent: AtomicBool,
    /// Whether no broker accepted an event.
    is_closed: AtomicBool,
    /// How often one of the two happened.
    failures: AtomicU32,
}

impl Reach {
    fn is_silent(&self) -> bool {
        self.is_silent.load(Ordering::Relaxed)
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    fn did_not_answer(&self) {
        self.is_silent.store(true, Ordering::Relaxed);
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn did_not_accept(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn answered(&self) {
        self.is_silent.store(false, Ordering::Relaxed);
    }

    /// Records that a broker accepts events. Whether all brokers answer shows at the next question.
    fn accepted(&self) {
        self.is_closed.store(false, Ordering::Relaxed);
        self.is_silent.store(false, Ordering::Relaxed);
    }
}

/// An aggregate whose turn it is.
#[derive(Clone, Copy)]
struct Turn<'a> {
    topic: Topic,
    reach: &'a Reach,
    /// Whether this aggregate tests the brokers for the others of its look.
    is_probe: bool,
    claimed_at: Timestamp,
    deadline: Deadline,
}

impl Turn<'_> {
    fn broker_deadline(&self) -> Deadline {
        self.deadline.less(MOVING_ON)
    }
}

impl<Index, Aggregates, Topics, Publisher, Time, Identities>
    Sweep<Index, Aggregates, Topics, Publisher, Time, Identities>
where
    Index: PendingEventIndex,
    Aggregates: PendingEventStore,
    Topics: PublishedEvents + GroupPosition,
    Publisher: TransactionalPublisher,
    Time: Clock,
    Identities: IdentitySource,
{
    /// Sweeps until shortly before `deadline`, so that what was begun is finished. Topics are swept
    /// at the same time: one that can't be reached, or has many due events, delays no other.
    pub async fn run(&self, deadline: Deadline) -> SweepReport {
        self.run_counting(deadline, |_| ()).await
    }

    /// Like [`Self::run`]. `count` gets the report of each look, so that a window that is killed
    /// has reported what it did.
    pub async fn run_counting(
        &self,
        deadline: Deadline,
        count: impl Fn(SweepReport),
    ) -> SweepReport {
        let sweep = |topic| self.sweep_topic(topic, deadline, &count);
        let (mut report, users) = futures::join!(sweep(Topic::Orders), sweep(Topic::Users));
        report += users;
        report
    }

    async fn sweep_topic(
        &self,
        topic: Topic,
        deadline: Deadline,
        count: &impl Fn(SweepReport),
    ) -> SweepReport {
        let last_look = deadline.less(self.pace.event);
        let mut report = SweepReport::default();
        let reach = Reach::default();
        while !last_look.has_passed() {
            let next_look = Deadline::after(self.pace.look_every).or_earlier(last_look);
            let mut look_report = SweepReport::default();
            let more = self.look_once(topic, last_look, deadline, &reach, &mut look_report).await;
            report += look_report;
            count(look_report);
            if !more {
                tokio::time::sleep(next_look.remaining()).await;
            }
        }
        report
    }

    /// Processes what is due. Returns whether more is due that no other sweep has claimed.
    async fn look_once(
        &self,
        topic: Topic,
        last_start: Deadline,
        deadline: Deadline,
        reach: &Reach,
        report: &mut SweepReport,
    ) -> bool {
        let now = self.publication.clock.now();
        let due = match self.index.due(topic, now, self.pace.events_per_look).await {
            Ok(due) => due,
            Err(failure) => {
                report.failed_looks += 1;
                let error = &failure as &dyn std::error::Error;
                tracing::warn!(error, ?topic, "the index of pending events can't be read");
                return false;
            }
        };
        report.looks += 1;
        report.failed_looks += u64::from(due.unreadable > 0);
        let Some(waited) = due.aggregates.iter().map(|due| now.since(due.due)).max() else {
            return false;
        };
        // A broker that hangs may take a message into its buffers without an answer, and put it on
        // its topic when it goes on. So nothing is sent before a broker answers.
        let within = Deadline::after(ANSWER).or_earlier(deadline.less(MOVING_ON));
        if !self.topics.answers(topic, within).await {
            reach.did_not_accept();
            report.count(&Processed::deferred(waited));
            return false;
        }
        let processed = self.process_all(topic, due.aggregates, last_start, deadline, reach).await;
        processed.iter().for_each(|processed| report.count(processed));
        // If nothing could be sent or asked, another look at once would not help. And aggregates
        // that are not ours may be claimed by another sweep while the index still lists them.
        let any_of_ours = processed.iter().any(|processed| processed.is_ours);
        due.more && any_of_ours && !reach.is_closed() && !reach.is_silent()
    }

    async fn process_all(
        &self,
        topic: Topic,
        due: Vec<DueAggregate>,
        last_start: Deadline,
        window: Deadline,
        reach: &Reach,
    ) -> Vec<Processed> {
        let turn = |is_probe| {
            let deadline = Deadline::after(self.pace.event).or_earlier(window);
            Turn { topic, reach, is_probe, claimed_at: self.publication.clock.now(), deadline }
        };
        let mut due = due.into_iter();
        let mut processed = Vec::new();
        // One by one until the state of the brokers is known: an aggregate that another sweep has
        // claimed, or that can't be read, makes no call to a broker.
        let failures = reach.failures();
        while (reach.is_closed() || reach.is_silent())
            && reach.failures() == failures
            && !last_start.has_passed()
        {
            let Some(probe) = due.next() else { return processed };
            processed.push(self.process(probe, turn(true)).await);
        }
        let goes_on =
            |_: &DueAggregate| std::future::ready(!last_start.has_passed() && !reach.is_closed());
        let rest = stream::iter(due)
            .take_while(goes_on)
            .map(|due| self.process(due, turn(false)))
            .buffer_unordered(self.pace.events_at_once);
        processed.extend(rest.collect::<Vec<_>>().await);
        processed
    }

    async fn process(&self, due: DueAggregate, turn: Turn<'_>) -> Processed {
        let span = tracing::info_span!("sweep", aggregate = %due.key);
        self.claim_and_process(due, turn).instrument(span).await
    }

    async fn claim_and_process(&self, due: DueAggregate, turn: Turn<'_>) -> Processed {
        let now = turn.claimed_at;
        let (before, claimed) = match self.claim(due, now, turn.deadline).await {
            Ok(Some(claimed)) => claimed,
            Ok(None) => return Processed::not_ours(),
            Err(failure) => {
                let error = &failure as &dyn std::error::Error;
                if failure.class == FailureClass::Permanent {
                    tracing::error!(
                        error,
                        "the aggregate can't be read, so its events stay pending"
                    );
                    return Processed::unreadable();
                }
                tracing::warn!(error, "whether the aggregate was claimed is unknown");
                return Processed::deferred(now.since(due.due));
            }
        };
        let mut processed = Processed::ours();
        let mut looked_at = BTreeMap::new();
        for (event_id, entry) in before.iter() {
            processed.waited = processed.waited.max(now.since(entry.since));
            let as_claimed = claimed.pending().get(event_id).filter(|_| entry.due <= now);
            let Some(as_claimed) = as_claimed else { continue };
            let (after, outcome) = self.look_at(&claimed, event_id, entry, as_claimed, turn).await;
            processed.outcomes.push(outcome);
            // Usually the claim has already stored this entry.
            if after != *as_claimed {
                looked_at.insert(event_id, LookedAt { before: as_claimed.clone(), after });
            }
        }
        self.move_on(claimed, &looked_at, turn.deadline).await;
        processed
    }

    /// Claims an aggregate for [`lifetimes::SWEEP_AFTER`]. Returns what was pending and the
    /// aggregate with the claim. `None` if another sweep claimed it, or it was changed after it was
    /// read: then a later look finds it again.
    async fn claim(
        &self,
        due: DueAggregate,
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<Option<(PendingEvents, StoredAggregate)>, Failure> {
        let until = now.plus(lifetimes::SWEEP_AFTER);
        let found = match self.aggregates.find(due.key).await {
            Ok(found) => found,
            Err(failure) => {
                if failure.class == FailureClass::Permanent {
                    self.index.postpone(&due, until).await?;
                }
                return Err(failure);
            }
        };
        // If nothing is pending, the index is behind.
        let Some(stored) = found.filter(|stored| !stored.pending().is_empty()) else {
            return Ok(None);
        };
        let before = stored.pending().clone();
        let pending: PendingEvents =
            before.iter().map(|(event_id, entry)| (event_id, claimed(entry, now, until))).collect();
        let index = IndexChange::Claim {
            expected: due.due,
            due: pending.due().unwrap_or(until),
            rank: pending.rank(),
        };
        let within = Deadline::after(TRY).or_earlier(deadline);
        let change = stored.pending_change(pending.clone(), index);
        match self.aggregates.change(&change, within).await {
            WriteTry::Done => Ok(Some((before, stored.revised(pending)))),
            WriteTry::Cancelled(_) => Ok(None),
            WriteTry::NotBegun(failure) | WriteTry::Unknown(failure) => Err(failure),
        }
    }

    /// Processes one event. `entry` is its entry as found, `as_claimed` its entry after the claim.
    /// Returns its new entry.
    async fn look_at(
        &self,
        stored: &StoredAggregate,
        event_id: EventId,
        entry: &PendingEvent,
        as_claimed: &PendingEvent,
        turn: Turn<'_>,
    ) -> (PendingEvent, EntryOutcome) {
        if entry.publication == Publication::Unsent {
            return self.send(stored, event_id, as_claimed.clone(), turn).await;
        }
        match self.is_published(event_id, entry.transaction_id, turn).await {
            Some(true) => self.wait_or_republish(stored, event_id, entry, turn).await,
            // Its broker may have lost it, or the index that finds it: then this is a copy.
            Some(false) if entry.publication == Publication::Found => {
                let waiting = PendingEvent { unanswered_since: None, ..as_claimed.clone() };
                self.send_copy(stored, event_id, waiting, || entry.transaction_id, turn).await
            }
            Some(false) => {
                let absent = PendingEvent { unanswered_since: None, ..entry.clone() };
                self.send(stored, event_id, absent, turn).await
            }
            None => self.wait_for_answer(stored, event_id, entry, turn).await,
        }
    }

    /// Whether a publication of an event is on its topic. `None` if not every broker has answered.
    async fn is_published(
        &self,
        event_id: EventId,
        publication: TransactionId,
        turn: Turn<'_>,
    ) -> Option<bool> {
        if turn.reach.is_silent() && !turn.is_probe {
            return None;
        }
        let within = turn.broker_deadline();
        match self.topics.is_published(turn.topic, event_id, publication, within).await {
            Ok(is_published) => {
                turn.reach.answered();
                Some(is_published)
            }
            Err(failure) => {
                if is_transient(&failure) {
                    turn.reach.did_not_answer();
                }
                log_deferred(&failure, "whether the event is on its topic is unknown");
                None
            }
        }
    }

    /// Sends an event that is, or may be, on its topic. After [`COPIES_MAX`] it is left to an
    /// operator. `waiting` is its entry if nothing is sent.
    async fn send_copy(
        &self,
        stored: &StoredAggregate,
        event_id: EventId,
        waiting: PendingEvent,
        publication: impl FnOnce() -> TransactionId,
        turn: Turn<'_>,
    ) -> (PendingEvent, EntryOutcome) {
        if waiting.copies >= COPIES_MAX {
            let outcome = undelivered(event_id, &waiting);
            return (waiting, outcome);
        }
        // If only newer code can send it, no copy is made, and its entry must not name a
        // publication that was never made.
        if stored.event_type(event_id).is_err() {
            return (waiting, EntryOutcome::Deferred);
        }
        let (transaction_id, copies) = (publication(), waiting.copies + 1);
        let copy = PendingEvent { transaction_id, copies, ..waiting };
        self.send(stored, event_id, copy, turn).await
    }

    /// Without a complete answer, an event is sent after a while, each time after twice as long.
    async fn wait_for_answer(
        &self,
        stored: &StoredAggregate,
        event_id: EventId,
        entry: &PendingEvent,
        turn: Turn<'_>,
    ) -> (PendingEvent, EntryOutcome) {
        let now = self.publication.clock.now();
        let unanswered_since = entry.unanswered_since.unwrap_or(now);
        let silence = now.since(unanswered_since);
        let waiting = PendingEvent {
            unanswered_since: Some(unanswered_since),
            due: now.plus(silence.clamp(PUT_BACK, lifetimes::SWEEP_AFTER)),
            ..entry.clone()
        };
        if silence < UNANSWERED_MAX.saturating_mul(1 << entry.copies.min(COPIES_MAX)) {
            return (waiting, EntryOutcome::Deferred);
        }
        self.send_copy(stored, event_id, waiting, || entry.transaction_id, turn).await
    }

    /// An event that is on its topic waits for its consumer: the longer it has waited, the longer
    /// until the next look. If our group has passed it and no delivery is expected any more, its
    /// message is lost for us, and it is published again with a new `transaction_id`.
    async fn wait_or_republish(
        &self,
        stored: &StoredAggregate,
        event_id: EventId,
        entry: &PendingEvent,
        turn: Turn<'_>,
    ) -> (PendingEvent, EntryOutcome) {
        let now = self.publication.clock.now();
        let waited = now.since(entry.since);
        let wait = waited.clamp(lifetimes::SWEEP_AFTER, WAIT_MAX);
        let waiting = PendingEvent {
            publication: Publication::Found,
            unanswered_since: None,
            due: now.plus(wait),
            ..entry.clone()
        };
        if !self.is_lost_for_us(entry, turn, now).await {
            tracing::info!(waited_ms = waited.as_millis(), "an event waits for its consumer");
            let is_overdue = waited > OVERDUE_AFTER;
            return (waiting, if is_overdue { EntryOutcome::Overdue } else { EntryOutcome::Found });
        }
        let new = || self.identities.transaction_id();
        let (after, outcome) = self.send_copy(stored, event_id, waiting, new, turn).await;
        (after, if outcome == EntryOutcome::Sent { EntryOutcome::Republished } else { outcome })
    }

    /// Whether no delivery of an event's latest publication can be expected any more, although it
    /// is on its topic.
    async fn is_lost_for_us(&self, entry: &PendingEvent, turn: Turn<'_>, now: Timestamp) -> bool {
        let (expected, position) = if entry.is_touched() {
            // A delivery failed, and the entry is due a while after the next delivery is expected.
            // After each copy the wait is twice as long: the process that received it may have died
            // before it could record a failure.
            let copied = match entry.copies {
                0 => Duration::ZERO,
                copies => lifetimes::SWEEP_AFTER.saturating_mul(1 << copies.min(COPIES_MAX)),
            };
            let expected = entry.due.max(entry.published_at.plus(copied));
            (expected, expected)
        } else {
            let patience = REPUBLISH_AFTER.saturating_mul(1 << entry.copies.min(COPIES_MAX));
            (entry.published_at.plus(patience), entry.published_at)
        };
        if now < expected {
            return false;
        }
        match self.topics.has_passed(turn.topic, position, turn.broker_deadline()).await {
            Ok(passed) => passed,
            Err(failure) => {
                log_deferred(&failure, "how far our group has consumed the topic is unknown");
                false
            }
        }
    }

    async fn send(
        &self,
        stored: &StoredAggregate,
        event_id: EventId,
        entry: PendingEvent,
        turn: Turn<'_>,
    ) -> (PendingEvent, EntryOutcome) {
        let publication = entry.transaction_id;
        let within = turn.broker_deadline();
        let sent = self.publication.send(stored, event_id, publication, within).await;
        let error = match sent {
            Ok(()) => {
                turn.reach.accepted();
                tracing::info!(%event_id, transaction_id = %publication, "sent an event");
                let after = PendingEvent {
                    publication: Publication::Sent,
                    published_at: turn.claimed_at,
                    due: turn.claimed_at.plus(lifetimes::SWEEP_AFTER),
                    unanswered_since: None,
                    ..entry
                };
                return (after, EntryOutcome::Sent);
            }
            Err(error) => error,
        };
        log_deferred(&error, "the event was not sent");
        let is_closed = matches!(
            &error,
            SendError::Prepare(PrepareError::Failed(failure)) if is_transient(failure)
        );
        if is_closed {
            turn.reach.did_not_accept();
        }
        let now = self.publication.clock.now();
        let pause = if is_closed { PUT_BACK } else { lifetimes::SWEEP_AFTER };
        let due = now.plus(pause);
        let after = match &error {
            // Newer code can rebuild it. Until then it is not found on its topic, and stays
            // pending.
            SendError::NotRebuilt(_) => PendingEvent { due, ..entry },
            // A half message may still be stored, and its check-back commits it. So the event is
            // looked up before it is sent again.
            SendError::Prepare(_) | SendError::End(_) => {
                let publication = Publication::Sent;
                PendingEvent { publication, published_at: now, due, ..entry }
            }
        };
        (after, EntryOutcome::Deferred)
    }

    /// Stores the new entries of the events that are still pending, and moves the aggregate to its
    /// next due time in the index. If that fails, it is due again when its claim has run out.
    async fn move_on(
        &self,
        stored: StoredAggregate,
        looked_at: &BTreeMap<EventId, LookedAt>,
        deadline: Deadline,
    ) {
        if looked_at.is_empty() {
            return;
        }
        let moved = revise(&self.aggregates, stored, deadline, |found| {
            let pending = merged(found.pending(), looked_at);
            if pending.is_empty() {
                return None;
            }
            let index = IndexChange::at(&pending);
            Some(found.pending_change(pending, index))
        });
        if let Err(failure) = moved.await {
            let error = &failure as &dyn std::error::Error;
            tracing::debug!(error, "the aggregate was not moved in the index; its claim runs out");
        }
    }
}

/// An event's entry after a claim. An event that was never sent counts as sent, because it is sent
/// from here on.
fn claimed(entry: &PendingEvent, now: Timestamp, until: Timestamp) -> PendingEvent {
    if entry.due > now {
        return entry.clone();
    }
    let (publication, published_at) = match entry.publication {
        Publication::Unsent => (Publication::Sent, now),
        Publication::Sent | Publication::Found => (entry.publication, entry.published_at),
    };
    PendingEvent { publication, published_at, due: until, ..entry.clone() }
}

/// An event's entry after the claim, and after the sweep is done with it.
struct LookedAt {
    before: PendingEvent,
    after: PendingEvent,
}

/// What is pending, with the changes of the sweep. An event that has ended meanwhile does not
/// become pending again. What a delivery has recorded stays, and so does an event that was
/// redriven.
fn merged(pending: &PendingEvents, looked_at: &BTreeMap<EventId, LookedAt>) -> PendingEvents {
    let entries = pending.iter().map(|(event_id, entry)| {
        let entry = entry.clone();
        let Some(LookedAt { before, after }) = looked_at.get(&event_id) else {
            return (event_id, entry);
        };
        if (entry.since, entry.transaction_id) != (before.since, before.transaction_id) {
            return (event_id, entry);
        }
        let due = if entry.failures > before.failures { entry.due } else { after.due };
        let PendingEvent { done_by, failures, .. } = entry;
        (event_id, PendingEvent { done_by, failures, due, ..after.clone() })
    });
    entries.collect()
}

/// An event that was published as often as allowed is left to an operator.
fn undelivered(event_id: EventId, entry: &PendingEvent) -> EntryOutcome {
    tracing::error!(
        %event_id,
        copies = entry.copies,
        "an event was published as often as allowed: no consumer of ours gets it, or brokers lose it"
    );
    EntryOutcome::Undelivered
}

/// Whether a failure is the broker's and will be over after a while.
const fn is_transient(failure: &Failure) -> bool {
    matches!(failure.class, FailureClass::Unavailable | FailureClass::Throttled)
}

/// Logs why an event is left to a later look.
fn log_deferred(error: &(dyn std::error::Error + 'static), why: &'static str) {
    tracing::warn!(error, "{why}");
}
