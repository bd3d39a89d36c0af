//! Finds events that were not handled in time, and publishes those that are on no topic.
//!
//! A broker may discard a half message that it could not have checked, lose a commit that it has
//! acknowledged, or be away while an order is created. The aggregate knows: its event is pending
//! until our last handler is done with it. What is due is
//!
//! 1. **claimed**, so that sweeps whose windows overlap don't send it twice,
//! 2. **looked for** on its topic, unless no half message of it was ever sent, and
//! 3. **sent** if it is not there, or is there for so long that the message that is to bring it to us
//!    must be lost.
//!
//! What is on no topic comes before what waits for its consumer. An answer that is not complete
//! counts as none for ten minutes, and then as "not there": a copy is allowed, a loss is not. A topic
//! whose broker can't be reached is probed by one event at a time.

mod outcome;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::aggregate::AggregateKey;
use domain::identity::EventId;
use domain::order::StoredOrder;
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
use crate::outcome::{Failure, FailureClass};
use crate::ports::pending::{
    Claim, Claims, DueAggregate, GroupPosition, IndexChange, OrderChange, PendingEventIndex,
    PendingEventStore,
};
use crate::ports::{
    Clock, IdentitySource, PrepareError, PublishedEvents, Topic, TransactionalPublisher,
};
pub use outcome::SweepReport;
use outcome::{Dealt, Fate};

pub use crate::sweep::Pace;

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

/// The topics whose brokers could not be reached a moment ago. They last as long as a window.
#[derive(Debug, Default)]
struct Unreachable([AtomicBool; Topic::ALL.len()]);

impl Unreachable {
    fn of(&self, topic: Topic) -> &AtomicBool {
        let [orders, users] = &self.0;
        match topic {
            Topic::Orders => orders,
            Topic::Users => users,
        }
    }

    fn is(&self, topic: Topic) -> bool {
        self.of(topic).load(Ordering::Relaxed)
    }
}

impl<Index, Aggregates, Topics, Publisher, Time, Identities>
    Sweep<Index, Aggregates, Topics, Publisher, Time, Identities>
where
    Index: PendingEventIndex,
    Aggregates: PendingEventStore + Claims,
    Topics: PublishedEvents + GroupPosition,
    Publisher: TransactionalPublisher,
    Time: Clock,
    Identities: IdentitySource,
{
    /// Sweeps until shortly before `deadline`: what was taken up by then is dealt with.
    pub async fn run(&self, deadline: Deadline) -> SweepReport {
        let last_look = deadline.less(self.pace.event);
        let mut report = SweepReport::default();
        let unreachable = Unreachable::default();
        while !last_look.has_passed() {
            let next_look = Deadline::after(self.pace.look_every).or_earlier(last_look);
            let more = self.look(last_look, deadline, &unreachable, &mut report).await;
            if !more {
                tokio::time::sleep(next_look.remaining()).await;
            }
        }
        report
    }

    /// Deals with what is due. Returns whether there is more that nobody else deals with.
    async fn look(
        &self,
        last_start: Deadline,
        deadline: Deadline,
        unreachable: &Unreachable,
        report: &mut SweepReport,
    ) -> bool {
        let now = self.publication.clock.now();
        let due = match self.index.due(now, self.pace.events_per_look).await {
            Ok(due) => due,
            Err(failure) => {
                report.failed_looks += 1;
                let error = &failure as &dyn std::error::Error;
                tracing::warn!(error, "the index of pending events can't be read");
                return false;
            }
        };
        report.looks += 1;
        report.failed_looks += u64::from(due.unreadable > 0);
        let (orders, users): (Vec<_>, Vec<_>) =
            due.aggregates.into_iter().partition(|due| topic_of(due.key) == Topic::Orders);
        // Side by side, so that one topic that can't be reached does not hold up the other.
        let (of_orders, of_users) = futures::join!(
            self.deal_with_all(Topic::Orders, orders, last_start, deadline, unreachable),
            self.deal_with_all(Topic::Users, users, last_start, deadline, unreachable),
        );
        let mut ours = false;
        for dealt in of_orders.iter().chain(&of_users) {
            // What is not ours may be what another sweep has claimed and the index still holds.
            ours |= dealt.is_ours;
            report.count(dealt);
        }
        let reachable = Topic::ALL.iter().any(|topic| !unreachable.is(*topic));
        due.more && ours && reachable
    }

    async fn deal_with_all(
        &self,
        topic: Topic,
        due: Vec<DueAggregate>,
        last_start: Deadline,
        deadline: Deadline,
        unreachable: &Unreachable,
    ) -> Vec<Dealt> {
        let mut due = due.into_iter();
        let mut dealt = Vec::new();
        if unreachable.is(topic) {
            // One event finds out whether the broker is back; the others keep their place.
            let Some(probe) = due.next() else { return dealt };
            dealt.push(self.deal_with(probe, topic, deadline, unreachable).await);
        }
        let goes_on = |_: &DueAggregate| {
            std::future::ready(!last_start.has_passed() && !unreachable.is(topic))
        };
        let rest = stream::iter(due)
            .take_while(goes_on)
            .map(|due| self.deal_with(due, topic, deadline, unreachable))
            .buffer_unordered(self.pace.events_at_once);
        dealt.extend(rest.collect::<Vec<_>>().await);
        dealt
    }

    async fn deal_with(
        &self,
        due: DueAggregate,
        topic: Topic,
        window: Deadline,
        unreachable: &Unreachable,
    ) -> Dealt {
        let span = tracing::info_span!("sweep", aggregate = %due.key);
        let deadline = Deadline::after(self.pace.event).or_earlier(window);
        let dealt = self.claim_and_deal(due, topic, deadline).instrument(span).await;
        if dealt.is_ours {
            unreachable.of(topic).store(dealt.is_unreachable, Ordering::Relaxed);
        }
        dealt
    }

    async fn claim_and_deal(&self, due: DueAggregate, topic: Topic, deadline: Deadline) -> Dealt {
        let now = self.publication.clock.now();
        let stored = match self.aggregates.claim(&due, now.plus(lifetimes::SWEEP_AFTER)).await {
            Claim::Won(stored) => *stored,
            Claim::Lost => return Dealt::not_ours(),
            Claim::Unknown(failure) => {
                let error = &failure as &dyn std::error::Error;
                tracing::warn!(error, "whether the aggregate was claimed is unknown");
                return Dealt::left(now.since(due.due));
            }
        };
        let mut dealt = Dealt::ours();
        let mut looked_at = PendingEvents::default();
        for (event_id, entry) in stored.pending().iter() {
            dealt.waited = dealt.waited.max(now.since(entry.since));
            if entry.due > now {
                continue;
            }
            let (after, fate) = self.look_at(&stored, event_id, entry, topic, deadline).await;
            dealt.is_unreachable |= fate == Fate::Unreachable;
            dealt.fates.push(fate);
            looked_at.put(event_id, after);
        }
        self.move_on(stored, &looked_at, deadline).await;
        dealt
    }

    /// Deals with one event. Returns its entry as it is after that.
    async fn look_at(
        &self,
        stored: &StoredAggregate,
        event_id: EventId,
        entry: &PendingEvent,
        topic: Topic,
        deadline: Deadline,
    ) -> (PendingEvent, Fate) {
        if entry.publication == Publication::Unsent {
            return self.send(stored, event_id, entry.clone(), deadline).await;
        }
        let now = self.publication.clock.now();
        let publication = entry.transaction_id;
        match self.topics.is_published(topic, event_id, publication, deadline).await {
            Ok(true) => self.wait_or_republish(stored, event_id, entry, topic, deadline).await,
            Ok(false) => self.send(stored, event_id, entry.clone(), deadline).await,
            Err(failure) => {
                let unanswered_since = entry.unanswered_since.unwrap_or(now);
                left(&failure, "whether the event is on its topic is unknown");
                let entry =
                    PendingEvent { unanswered_since: Some(unanswered_since), ..entry.clone() };
                let is_counted = entry.publication == Publication::Found;
                if now.since(unanswered_since) >= UNANSWERED_MAX
                    && !(is_counted && entry.copies >= COPIES_MAX)
                {
                    let copies = entry.copies + u32::from(is_counted);
                    return self
                        .send(stored, event_id, PendingEvent { copies, ..entry }, deadline)
                        .await;
                }
                if passes(&failure) {
                    (PendingEvent { due: now.plus(PUT_BACK), ..entry }, Fate::Unreachable)
                } else {
                    (PendingEvent { due: now.plus(lifetimes::SWEEP_AFTER), ..entry }, Fate::Left)
                }
            }
        }
    }

    /// An event that is on its topic waits for its consumer, the longer the longer it has waited. If
    /// our group has passed it and none of our deliveries is expected any more, its message is lost
    /// for us, and it is published again under another name.
    async fn wait_or_republish(
        &self,
        stored: &StoredAggregate,
        event_id: EventId,
        entry: &PendingEvent,
        topic: Topic,
        deadline: Deadline,
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
        let fate = if waited > OVERDUE_AFTER { Fate::Overdue } else { Fate::Found };
        if !self.is_lost_for_us(entry, topic, now, deadline).await {
            tracing::info!(waited_ms = waited.as_millis(), "an event waits for its consumer");
            return (waiting, fate);
        }
        if entry.copies >= COPIES_MAX {
            tracing::error!(
                %event_id,
                copies = entry.copies,
                "an event was published again and again, and no consumer of ours gets it"
            );
            return (waiting, Fate::GivenUp);
        }
        let again = PendingEvent {
            transaction_id: self.identities.transaction_id(),
            copies: entry.copies + 1,
            ..waiting
        };
        let (after, fate) = self.send(stored, event_id, again, deadline).await;
        (after, if fate == Fate::Sent { Fate::Republished } else { fate })
    }

    /// Whether no delivery of an event is to be expected any more although it is on its topic.
    async fn is_lost_for_us(
        &self,
        entry: &PendingEvent,
        topic: Topic,
        now: Timestamp,
        deadline: Deadline,
    ) -> bool {
        let expected = if entry.is_touched() {
            // It failed, and its entry is due a while after it is expected again.
            entry.due
        } else {
            let patience = REPUBLISH_AFTER.saturating_mul(1 << entry.copies.min(COPIES_MAX));
            entry.since.plus(patience)
        };
        if now < expected {
            return false;
        }
        let position = if entry.is_touched() { entry.due } else { entry.since };
        match self.topics.has_passed(topic, position, deadline).await {
            Ok(passed) => passed,
            Err(failure) => {
                left(&failure, "how far our group is, is unknown");
                false
            }
        }
    }

    async fn send(
        &self,
        stored: &StoredAggregate,
        event_id: EventId,
        entry: PendingEvent,
        deadline: Deadline,
    ) -> (PendingEvent, Fate) {
        let sent = self.publication.send(stored, event_id, entry.transaction_id, deadline).await;
        let now = self.publication.clock.now();
        match sent {
            Ok(()) => {
                tracing::info!(%event_id, transaction_id = %entry.transaction_id, "sent an event");
                let publication = Publication::Sent;
                let due = now.plus(lifetimes::SWEEP_AFTER);
                (PendingEvent { publication, due, unanswered_since: None, ..entry }, Fate::Sent)
            }
            Err(error) => {
                left(&error, "the event was not sent");
                let is_unreachable = matches!(
                    &error,
                    SendError::Prepare(PrepareError::Failed(failure)) if passes(failure)
                );
                // A half message may be stored all the same, and its check-back commits it: it is
                // looked for before it is sent again.
                let publication = match &error {
                    SendError::NotRebuilt(_) => entry.publication,
                    SendError::Prepare(_) | SendError::End(_) => Publication::Sent,
                };
                let (pause, fate) = if is_unreachable {
                    (PUT_BACK, Fate::Unreachable)
                } else {
                    (lifetimes::SWEEP_AFTER, Fate::Left)
                };
                (PendingEvent { publication, due: now.plus(pause), ..entry }, fate)
            }
        }
    }

    /// Stores what became of the events, as far as they are still pending, and moves the aggregate
    /// on in the index. What is not stored comes up again when its claim has run out.
    async fn move_on(
        &self,
        stored: StoredAggregate,
        looked_at: &PendingEvents,
        deadline: Deadline,
    ) {
        let StoredAggregate::Order(order) = stored;
        let moved = revise(&self.aggregates, order, deadline, |found: &StoredOrder| {
            let pending = merged(&found.pending, looked_at);
            if pending.is_empty() {
                return None;
            }
            let index = IndexChange::at(&pending);
            Some(OrderChange { before: found, reached: None, notified: None, pending, index })
        });
        if let Err(failure) = moved.await {
            let error = &failure as &dyn std::error::Error;
            tracing::debug!(error, "the aggregate was not moved on; its claim runs out");
        }
    }
}

/// What is pending, with what the sweep has changed of it. An event that has ended meanwhile is not
/// pending again, and what a delivery has noted stays.
fn merged(pending: &PendingEvents, looked_at: &PendingEvents) -> PendingEvents {
    let entries = pending.iter().map(|(event_id, entry)| {
        let Some(after) = looked_at.get(event_id) else { return (event_id, entry.clone()) };
        let due = if entry.failures > after.failures { entry.due } else { after.due };
        let PendingEvent { since, done_by, failures, .. } = entry.clone();
        (event_id, PendingEvent { since, done_by, failures, due, ..after.clone() })
    });
    entries.collect()
}

/// The topic of an aggregate's events.
const fn topic_of(key: AggregateKey) -> Topic {
    match key {
        AggregateKey::Order { .. } => Topic::Orders,
        AggregateKey::Account { .. } | AggregateKey::Session { .. } => Topic::Users,
    }
}

/// Whether a failure is the broker's and over some time.
const fn passes(failure: &Failure) -> bool {
    matches!(failure.class, FailureClass::Unavailable | FailureClass::Throttled)
}

/// The event comes up again.
fn left(error: &(dyn std::error::Error + 'static), why: &'static str) {
    tracing::warn!(error, "{why}");
}
