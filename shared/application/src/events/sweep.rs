//! Finds events that were not handled in time, and publishes those that are on no topic.
//!
//! A broker may discard a half message that it could not have checked, lose a commit that it has
//! acknowledged, or be away while an order is created. The aggregate knows: its event is pending
//! until our last handler is done with it. What is due is
//!
//! 1. **claimed** by a write that is conditional on what was read, so that sweeps whose windows
//!    overlap don't send it twice; what was never sent counts as sent from then on,
//! 2. **looked for** on its topic, unless no half message of it was ever sent, and
//! 3. **sent** if it is not there, or is there for so long that the message that is to bring it to us
//!    must be lost.
//!
//! What is on no topic comes before what waits for its consumer. An answer that is not complete
//! counts as none for ten minutes, and then as "not there": a copy is allowed, a loss is not.
//!
//! While no broker of a topic answers, nothing of it is claimed or sent. While one answers and takes no
//! event, one event of a look probes it and the others keep their place. While not every broker answers whether an event is there, one event asks and the others wait
//! without asking.

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
use crate::ports::pending::{
    DueAggregate, GroupPosition, IndexChange, PendingEventIndex, PendingEventStore,
};
use crate::ports::{
    Clock, IdentitySource, PrepareError, PublishedEvents, Topic, TransactionalPublisher,
};
use crate::retry::TRY;
use outcome::{Dealt, Fate};

pub use outcome::SweepReport;
pub use pace::Pace;

/// For how long an event waits for its next look that is on its topic, at the most.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);

/// When an event comes up again for which the broker could not be reached.
const PUT_BACK: Duration = Duration::from_secs(10);

/// After how long an incomplete answer counts as "not there".
const UNANSWERED_MAX: Duration = Duration::from_secs(10 * 60);

/// After how long an event is published again that is on its topic and that no delivery of ours has
/// touched, although our group has passed it; each time it is twice as long.
const REPUBLISH_AFTER: Duration = Duration::from_secs(75 * 60);

/// How often an event is published again that is on its topic, before it is left to an operator.
const COPIES_MAX: u32 = 5;

/// How long an event waits before an operator is notified.
const OVERDUE_AFTER: Duration = Duration::from_secs(10 * 60);

/// Sweeps what is pending.
pub struct Sweep<Index, Aggregates, Topics, Publisher, Time, Identities> {
    /// What is due.
    pub index: Index,
    /// The aggregates.
    pub aggregates: Aggregates,
    /// What is on the topics, and how far our group is.
    pub topics: Topics,
    /// Publishes.
    pub publication: PublishStored<Publisher, Time>,
    /// Makes identifiers.
    pub identities: Identities,
    /// How fast it goes.
    pub pace: Pace,
}

/// What is kept of a look's time for storing what it found, once the brokers had theirs.
const MOVING_ON: Duration = Duration::from_secs(2);

/// How long brokers may take to say that they are there.
const ANSWER: Duration = Duration::from_secs(2);

/// How a topic's brokers were a moment ago. It lasts as long as a window.
#[derive(Debug, Default)]
struct Reach {
    /// Not every broker answered whether an event is there.
    is_silent: AtomicBool,
    /// No broker took an event.
    is_closed: AtomicBool,
    /// How often either was found.
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

    /// A broker is there. Whether all of them answer, the next question shows.
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
    /// Whether it finds out how the brokers are, for the others of its look.
    is_probe: bool,
    claimed_at: Timestamp,
    deadline: Deadline,
}

impl Turn<'_> {
    /// For what is asked of a broker.
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
    /// Sweeps until shortly before `deadline`: what was taken up by then is dealt with. Topics are
    /// swept side by side: one that can't be reached, or has much that is due, holds up no other.
    pub async fn run(&self, deadline: Deadline) -> SweepReport {
        self.run_counting(deadline, |_| ()).await
    }

    /// As [`Self::run`]. `count` gets what each look came to, so that a window that is killed has said
    /// what it met.
    pub async fn run_counting(
        &self,
        deadline: Deadline,
        count: impl Fn(SweepReport),
    ) -> SweepReport {
        let sweep = |topic| self.sweep_topic(topic, deadline, &count);
        let (orders, users) = futures::join!(sweep(Topic::Orders), sweep(Topic::Users));
        orders.with(&users)
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
            let mut met = SweepReport::default();
            let more = self.look(topic, last_look, deadline, &reach, &mut met).await;
            report = report.with(&met);
            count(met);
            if !more {
                tokio::time::sleep(next_look.remaining()).await;
            }
        }
        report
    }

    /// Deals with what is due. Returns whether there is more that nobody else deals with.
    async fn look(
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
        // A broker that stands still takes into its buffers what nobody gets an answer to, and has it on
        // its topic when it goes on: so nothing is sent before somebody answers.
        let within = Deadline::after(ANSWER).or_earlier(deadline.less(MOVING_ON));
        if !self.topics.answers(topic, within).await {
            reach.did_not_accept();
            report.count(&Dealt::deferred(waited));
            return false;
        }
        let dealt = self.deal_with_all(topic, due.aggregates, last_start, deadline, reach).await;
        dealt.iter().for_each(|dealt| report.count(dealt));
        // Where nothing could be sent or asked, the next look is no better for coming at once; and
        // what is not ours may be what another sweep has claimed and the index still holds.
        let any_of_ours = dealt.iter().any(|dealt| dealt.is_ours);
        due.more && any_of_ours && !reach.is_closed() && !reach.is_silent()
    }

    async fn deal_with_all(
        &self,
        topic: Topic,
        due: Vec<DueAggregate>,
        last_start: Deadline,
        window: Deadline,
        reach: &Reach,
    ) -> Vec<Dealt> {
        let turn = |is_probe| {
            let deadline = Deadline::after(self.pace.event).or_earlier(window);
            Turn { topic, reach, is_probe, claimed_at: self.publication.clock.now(), deadline }
        };
        let mut due = due.into_iter();
        let mut dealt = Vec::new();
        // One by one until it is known how the brokers are: of an aggregate that another sweep has claimed,
        // or that can't be read, nothing is asked or sent.
        let failures = reach.failures();
        while (reach.is_closed() || reach.is_silent())
            && reach.failures() == failures
            && !last_start.has_passed()
        {
            let Some(probe) = due.next() else { return dealt };
            dealt.push(self.deal_with(probe, turn(true)).await);
        }
        let goes_on =
            |_: &DueAggregate| std::future::ready(!last_start.has_passed() && !reach.is_closed());
        let rest = stream::iter(due)
            .take_while(goes_on)
            .map(|due| self.deal_with(due, turn(false)))
            .buffer_unordered(self.pace.events_at_once);
        dealt.extend(rest.collect::<Vec<_>>().await);
        dealt
    }

    async fn deal_with(&self, due: DueAggregate, turn: Turn<'_>) -> Dealt {
        let span = tracing::info_span!("sweep", aggregate = %due.key);
        self.claim_and_deal(due, turn).instrument(span).await
    }

    async fn claim_and_deal(&self, due: DueAggregate, turn: Turn<'_>) -> Dealt {
        let now = self.publication.clock.now();
        let (before, claimed) = match self.claim(due, now, turn.deadline).await {
            Ok(Some(claimed)) => claimed,
            Ok(None) => return Dealt::not_ours(),
            Err(failure) => {
                let error = &failure as &dyn std::error::Error;
                if failure.class == FailureClass::Permanent {
                    tracing::error!(
                        error,
                        "the aggregate can't be read, so its events stay pending"
                    );
                    return Dealt::unreadable();
                }
                tracing::warn!(error, "whether the aggregate was claimed is unknown");
                return Dealt::deferred(now.since(due.due));
            }
        };
        let turn = Turn { claimed_at: now, ..turn };
        let mut dealt = Dealt::ours();
        let mut looked_at = BTreeMap::new();
        for (event_id, entry) in before.iter() {
            dealt.waited = dealt.waited.max(now.since(entry.since));
            let Some(taken) = claimed.pending().get(event_id).filter(|_| entry.due <= now) else {
                continue;
            };
            let (after, fate) = self.look_at(&claimed, event_id, entry, taken, turn).await;
            dealt.fates.push(fate);
            // The claim has noted it already, as a rule.
            if after != *taken {
                looked_at.insert(event_id, LookedAt { before: taken.clone(), after });
            }
        }
        self.move_on(claimed, &looked_at, turn.deadline).await;
        dealt
    }

    /// Claims an aggregate for [`lifetimes::SWEEP_AFTER`]. Returns what was pending and the aggregate
    /// with the claim; none if another sweep claimed it, or it was changed since it was read: then it
    /// comes up again.
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
        // Where nothing is pending, the index is behind.
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
            WriteTry::Refused(failure) | WriteTry::Unknown(failure) => Err(failure),
        }
    }

    /// Deals with one event: `entry` is as it was found, `taken` as it was claimed. Returns its entry
    /// as it is after that.
    async fn look_at(
        &self,
        stored: &StoredAggregate,
        event_id: EventId,
        entry: &PendingEvent,
        taken: &PendingEvent,
        turn: Turn<'_>,
    ) -> (PendingEvent, Fate) {
        if entry.publication == Publication::Unsent {
            return self.send(stored, event_id, taken.clone(), turn).await;
        }
        match self.is_published(event_id, entry.transaction_id, turn).await {
            Some(true) => self.wait_or_republish(stored, event_id, entry, turn).await,
            Some(false) => {
                let absent = PendingEvent { unanswered_since: None, ..entry.clone() };
                self.send(stored, event_id, absent, turn).await
            }
            None => self.wait_for_answer(stored, event_id, entry, turn).await,
        }
    }

    /// Whether a publication of an event is on its topic. None if not every broker has answered.
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

    /// An event of which nothing is known is sent after a while, each time after twice as long.
    async fn wait_for_answer(
        &self,
        stored: &StoredAggregate,
        event_id: EventId,
        entry: &PendingEvent,
        turn: Turn<'_>,
    ) -> (PendingEvent, Fate) {
        let now = self.publication.clock.now();
        let unanswered_since = entry.unanswered_since.unwrap_or(now);
        let silence = now.since(unanswered_since);
        let waiting = PendingEvent {
            unanswered_since: Some(unanswered_since),
            due: now.plus(silence.clamp(PUT_BACK, lifetimes::SWEEP_AFTER)),
            ..entry.clone()
        };
        if silence < UNANSWERED_MAX.saturating_mul(1 << entry.copies.min(COPIES_MAX)) {
            return (waiting, Fate::Deferred);
        }
        if entry.copies >= COPIES_MAX {
            return (waiting, given_up(event_id, entry));
        }
        let copy = PendingEvent { copies: entry.copies + 1, ..waiting };
        self.send(stored, event_id, copy, turn).await
    }

    /// An event that is on its topic waits for its consumer, the longer the longer it has waited. If
    /// our group has passed it and none of our deliveries is expected any more, its message is lost
    /// for us, and it is published again under another name.
    async fn wait_or_republish(
        &self,
        stored: &StoredAggregate,
        event_id: EventId,
        entry: &PendingEvent,
        turn: Turn<'_>,
    ) -> (PendingEvent, Fate) {
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
            return (waiting, if is_overdue { Fate::Overdue } else { Fate::Found });
        }
        if entry.copies >= COPIES_MAX {
            return (waiting, given_up(event_id, entry));
        }
        // Only newer code can send it, and a publication that was not made must not be looked for.
        if stored.event_type(event_id).is_err() {
            return (waiting, Fate::Deferred);
        }
        let again = PendingEvent {
            transaction_id: self.identities.transaction_id(),
            copies: entry.copies + 1,
            ..waiting
        };
        let (after, fate) = self.send(stored, event_id, again, turn).await;
        (after, if fate == Fate::Sent { Fate::Republished } else { fate })
    }

    /// Whether no delivery of an event's latest publication is to be expected any more although it is
    /// on its topic.
    async fn is_lost_for_us(&self, entry: &PendingEvent, turn: Turn<'_>, now: Timestamp) -> bool {
        let (expected, position) = if entry.is_touched() {
            // It failed, and its entry is due a while after it is expected again. After a copy it is
            // waited for twice as long each time: the process that had it may have died without a note.
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
                log_deferred(&failure, "how far our group is, is unknown");
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
    ) -> (PendingEvent, Fate) {
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
                return (after, Fate::Sent);
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
            // Newer code can rebuild it; until then it is looked for in vain, and stays.
            SendError::NotRebuilt(_) => PendingEvent { due, ..entry },
            // A half message may be stored all the same, and its check-back commits it: it is looked
            // for before it is sent again.
            SendError::Prepare(_) | SendError::End(_) => {
                let publication = Publication::Sent;
                PendingEvent { publication, published_at: now, due, ..entry }
            }
        };
        (after, Fate::Deferred)
    }

    /// Stores what became of the events, as far as they are still pending, and moves the aggregate
    /// on in the index. What is not stored comes up again when its claim has run out.
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
            tracing::debug!(error, "the aggregate was not moved on; its claim runs out");
        }
    }
}

/// An event's entry as a claim leaves it. One that was never sent counts as sent: it is from here on.
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

/// An event's entry as the sweep claimed it and as it left it.
struct LookedAt {
    before: PendingEvent,
    after: PendingEvent,
}

/// What is pending, with what the sweep has changed of it. An event that has ended meanwhile is not
/// pending again; what a delivery has noted stays, and so does what came back from the dead letters.
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
        let PendingEvent { since, done_by, failures, .. } = entry;
        (event_id, PendingEvent { since, done_by, failures, due, ..after.clone() })
    });
    entries.collect()
}

/// An event that was published as often as it may be is left to an operator.
fn given_up(event_id: EventId, entry: &PendingEvent) -> Fate {
    tracing::error!(
        %event_id,
        copies = entry.copies,
        "an event was published again and again, and no consumer of ours gets it"
    );
    Fate::GivenUp
}

/// Whether a failure is the broker's and over some time.
const fn is_transient(failure: &Failure) -> bool {
    matches!(failure.class, FailureClass::Unavailable | FailureClass::Throttled)
}

/// The event comes up again.
fn log_deferred(error: &(dyn std::error::Error + 'static), why: &'static str) {
    tracing::warn!(error, "{why}");
}
