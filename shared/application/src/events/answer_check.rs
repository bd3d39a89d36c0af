//! Answers whether a half message that its producer did not end is committed or rolled back.
//!
//! Whether there is an event comes from the aggregate and from nothing else. If there is no order,
//! and the attempt's time is over, the attempt is **fenced** first: a write that is still under way
//! then finds its attempt in the tombstone and fails, so a rollback is final.
//!
//! If there is an event, its topic is asked. `RocketMQ` also asks about half messages that have
//! ended: a broker that is killed or stands still is behind in recording ends, and before it asks,
//! it writes the half message once more, at a place that an earlier end does not reach
//! (`TransactionalMessageServiceImpl.java`). A commit would then make a second visible copy. So a
//! half message whose message is on the topic is rolled back. Nothing can be lost by that: the
//! message comes before the rollback in the broker's log, so a broker that loses the message,
//! because it was not flushed, loses the rollback as well, and asks again.

mod recent;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::aggregate::AggregateKey;
use domain::identity::{OrderId, UserId};
use domain::order::{AtKey, StoredOrder};
use domain::timestamp::Timestamp;

use super::report::report;
use crate::deadline::Deadline;
use crate::lifetimes;
use crate::outcome::{Failure, WriteTry};
use crate::ports::pending::PendingEventStore;
use crate::ports::{
    CheckAnswer, CheckBack, CheckBackHandler, Clock, Fences, OrderKeys, PublishedEvents, Topic,
};
use recent::{Asked, HalfId, RecentAnswers};

/// Answers the check-backs of attempts from the keys of orders, and those of recorded events from
/// their aggregates. A message that is on its topic already is not published again.
pub struct AnswerCheck<Orders, Aggregates, Topics, Time> {
    orders: Orders,
    aggregates: Aggregates,
    topics: Topics,
    clock: Time,
    recent: RecentAnswers,
    report: Mutex<CheckReport>,
}

report! {
    /// The number of checks by their answer.
    pub struct CheckReport {
        pub committed: u64 = "ChecksCommitted",
        pub rolled_back: u64 = "ChecksRolledBack",
        /// Answered with "unknown": nothing is decided.
        pub left_open: u64,
        /// Those of `left_open` that match no order or event of this deployment.
        pub foreign: u64 = "ChecksForeign",
        /// Those of all that were about a further copy of a half message, a moment after another.
        pub repeated: u64 = "ChecksRepeated",
    }
}

/// How long after its deadline a half message is left open whose message is not found on the topic,
/// and that nobody waits for, because its event is handled or the sweep publishes it. Most likely
/// the message is there, and the broker has not added it to its index yet. The same holds after a
/// commit of this process.
const INDEXED_WITHIN: Duration = Duration::from_secs(30);

/// How long the brokers of a topic may take to answer whether they hold a message.
const LOOK_UP: Duration = Duration::from_secs(2);

enum Known {
    /// Its attempt can no longer create an order.
    Lost,
    /// Its attempt has created the order.
    Created {
        /// Whether its event is handled.
        is_handled: bool,
    },
    /// Its attempt has neither created an order nor been fenced.
    Open { tombstone_is_full: bool },
}

/// A message of an event, if it is on the topic.
#[derive(Clone, Copy)]
struct Published {
    topic: Topic,
    half: HalfId,
    /// When this process last committed a copy of its half message, unless that was long ago.
    committed_at: Option<Timestamp>,
}

#[derive(Clone, Copy)]
struct Attempt {
    user_id: UserId,
    order_id: OrderId,
    deadline: Timestamp,
    published: Published,
}

impl<Orders, Aggregates, Topics, Time> AnswerCheck<Orders, Aggregates, Topics, Time>
where
    Orders: OrderKeys + Fences,
    Aggregates: PendingEventStore,
    Topics: PublishedEvents,
    Time: Clock,
{
    pub fn new(orders: Orders, aggregates: Aggregates, topics: Topics, clock: Time) -> Self {
        let recent = RecentAnswers::new(clock.now());
        Self { orders, aggregates, topics, clock, recent, report: Mutex::default() }
    }

    /// The checks that were answered since the last call.
    pub fn take_report(&self) -> CheckReport {
        std::mem::take(&mut self.counted())
    }

    fn counted(&self) -> MutexGuard<'_, CheckReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer for `check`, and whether it was worked out for this check.
    async fn decide(&self, check: &CheckBack) -> (CheckAnswer, bool) {
        // Without readable ids, or on the topic of another deployment, nothing is known, and the
        // answer must not be guessed.
        let (Some(topic), Some(aggregate), Some(transaction_id), Some(event_id)) =
            (check.topic, check.aggregate, check.transaction_id, check.event_id)
        else {
            return (self.foreign(check, "it does not belong to this deployment"), true);
        };
        let half = HalfId { event_id, transaction_id };
        match self.recent.ask(half, self.clock.now()) {
            Asked::Again(other) => (other.for_a_copy().await, false),
            Asked::Anew(turn) => {
                let published = Published { topic, half, committed_at: turn.committed_at() };
                let answer = self.work_out(check, aggregate, published).await;
                turn.answer(answer, self.clock.now());
                (answer, true)
            }
        }
    }

    async fn work_out(
        &self,
        check: &CheckBack,
        aggregate: AggregateKey,
        published: Published,
    ) -> CheckAnswer {
        if check.is_recorded {
            return self.answer_recorded(check, aggregate, published).await;
        }
        let (AggregateKey::Order { user_id, order_id }, Some(deadline)) =
            (aggregate, check.deadline)
        else {
            return self.foreign(check, "it creates no order");
        };
        self.answer_attempt(Attempt { user_id, order_id, deadline, published }).await
    }

    /// Answers for an event that was stored before its half message: its aggregate shows whether
    /// that is true. Nobody waits for this message: while the event is pending, the sweep publishes
    /// it.
    async fn answer_recorded(
        &self,
        check: &CheckBack,
        aggregate: AggregateKey,
        published: Published,
    ) -> CheckAnswer {
        match self.aggregates.find(aggregate).await {
            Ok(Some(stored)) if stored.raised(published.half.event_id) => {
                let open_until = check.deadline.map(|deadline| deadline.plus(INDEXED_WITHIN));
                self.answer_raised(published, open_until).await
            }
            Ok(_) => self.foreign(check, "its aggregate has not raised its event"),
            Err(failure) => left_open(&failure, "the aggregate can't be read"),
        }
    }

    /// Answers for a half message whose event was raised. If its message is not on the topic, or
    /// that is unknown, the half message is left open until `open_until`, and for a while after a
    /// commit, and is then committed: a copy is allowed, a loss is not.
    async fn answer_raised(
        &self,
        published: Published,
        open_until: Option<Timestamp>,
    ) -> CheckAnswer {
        let Published { topic, half: HalfId { event_id, transaction_id }, committed_at } =
            published;
        let deadline = Deadline::after(LOOK_UP);
        match self.topics.is_published(topic, event_id, transaction_id, deadline).await {
            Ok(true) => return CheckAnswer::Rollback,
            Ok(false) => {}
            Err(failure) => tracing::warn!(
                error = &failure as &dyn std::error::Error,
                "whether the message is on its topic is unknown"
            ),
        }
        let indexed_at = committed_at.map(|at| at.plus(INDEXED_WITHIN));
        match open_until.max(indexed_at) {
            Some(open_until) if self.clock.now() < open_until => CheckAnswer::Unknown,
            _ => CheckAnswer::Commit,
        }
    }

    /// Answers for an attempt that has created its order. While the order's event is pending,
    /// perhaps nobody else publishes it soon, so the half message is not left open.
    async fn answer_created(&self, attempt: Attempt, is_handled: bool) -> CheckAnswer {
        let open_until = is_handled.then(|| attempt.deadline.plus(INDEXED_WITHIN));
        self.answer_raised(attempt.published, open_until).await
    }

    async fn answer_attempt(&self, attempt: Attempt) -> CheckAnswer {
        match self.known(attempt).await {
            Ok(Known::Lost) => CheckAnswer::Rollback,
            Ok(Known::Created { is_handled }) => self.answer_created(attempt, is_handled).await,
            // The write may still be under way.
            Ok(Known::Open { .. })
                if self.clock.now() < attempt.deadline.plus(lifetimes::CLOCK_MARGIN) =>
            {
                CheckAnswer::Unknown
            }
            Ok(Known::Open { tombstone_is_full: true }) => {
                tracing::error!("left a half message open: its order's tombstone is full");
                CheckAnswer::Unknown
            }
            Ok(Known::Open { tombstone_is_full: false }) => self.fence(attempt).await,
            Err(failure) => left_open(&failure, "what is at the order's key can't be read"),
        }
    }

    /// Fences an attempt, and answers by what is found after that: even if this fence failed, there
    /// may be the fence of another check, or an order.
    async fn fence(&self, attempt: Attempt) -> CheckAnswer {
        let Attempt { user_id, order_id, published, .. } = attempt;
        let transaction_id = published.half.transaction_id;
        let tombstone_until = self.clock.now().plus(lifetimes::TOMBSTONE);
        let fence = self.orders.fence(user_id, order_id, transaction_id, tombstone_until).await;
        match fence {
            WriteTry::Done => tracing::info!("fenced an attempt"),
            WriteTry::Cancelled(()) => {}
            WriteTry::NotBegun(failure) | WriteTry::Unknown(failure) => {
                tracing::warn!(
                    error = &failure as &dyn std::error::Error,
                    "whether the attempt is fenced is unknown"
                );
            }
        }
        match self.known(attempt).await {
            Ok(Known::Lost) => CheckAnswer::Rollback,
            Ok(Known::Created { is_handled }) => self.answer_created(attempt, is_handled).await,
            Ok(Known::Open { .. }) => CheckAnswer::Unknown,
            Err(failure) => left_open(&failure, "what is at the order's key can't be read"),
        }
    }

    async fn known(&self, attempt: Attempt) -> Result<Known, Failure> {
        let this_attempt = attempt.published.half.transaction_id;
        let found = self.orders.at_key(attempt.user_id, attempt.order_id).await?;
        Ok(match found {
            AtKey::Created { attempt, stored } if attempt == this_attempt => {
                let is_pending =
                    |stored: &StoredOrder| stored.pending.get(stored.created_event()).is_some();
                // What newer code has stored may be pending.
                Known::Created { is_handled: stored.is_some_and(|stored| !is_pending(&stored)) }
            }
            // An order is never removed, so this attempt can no longer create one.
            AtKey::Created { .. } => Known::Lost,
            AtKey::Tombstone(tombstone) if tombstone.holds(this_attempt) => Known::Lost,
            AtKey::Tombstone(tombstone) => Known::Open { tombstone_is_full: tombstone.is_full() },
            AtKey::Absent => Known::Open { tombstone_is_full: false },
        })
    }

    fn foreign(&self, check: &CheckBack, why: &'static str) -> CheckAnswer {
        self.counted().foreign += 1;
        tracing::warn!(?check, "left a half message open: {why}");
        CheckAnswer::Unknown
    }
}

impl<Orders, Aggregates, Topics, Time> CheckBackHandler
    for AnswerCheck<Orders, Aggregates, Topics, Time>
where
    Orders: OrderKeys + Fences + 'static,
    Aggregates: PendingEventStore + 'static,
    Topics: PublishedEvents + 'static,
    Time: Clock + 'static,
{
    #[tracing::instrument(
        skip_all,
        fields(
            order_id = check.order_id.map(tracing::field::display),
            event_id = check.event_id.map(tracing::field::display),
            transaction_id = check.transaction_id.map(tracing::field::display),
        )
    )]
    async fn answer(&self, check: CheckBack) -> CheckAnswer {
        let (answer, is_new) = self.decide(&check).await;
        match answer {
            CheckAnswer::Commit => self.counted().committed += 1,
            CheckAnswer::Rollback => self.counted().rolled_back += 1,
            CheckAnswer::Unknown => self.counted().left_open += 1,
        }
        if is_new {
            tracing::info!(?answer, "answered a check-back");
        } else {
            // There may be thousands a second.
            self.counted().repeated += 1;
            tracing::debug!(?answer, "answered a check-back of a further copy");
        }
        answer
    }
}

fn left_open(failure: &Failure, why: &str) -> CheckAnswer {
    tracing::warn!(error = failure as &dyn std::error::Error, "left a half message open: {why}");
    CheckAnswer::Unknown
}
