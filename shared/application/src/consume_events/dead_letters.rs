//! Giving an event up, so that nothing is lost and nobody waits.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use domain::identity::EventId;

use super::{ConsumeEvents, Fate, first_failed_at};
use crate::backoff::Backoff;
use crate::deadline::Deadline;
use crate::lifetimes;
use crate::outcome::Settled;
use crate::ports::{
    Clock, DeadLetter, DeadLetterChannel, DeadLetters, Delivery, EventSubscription,
};

impl<S, D, A, K> ConsumeEvents<S, D, A, K>
where
    S: EventSubscription,
    D: DeadLetters,
    A: DeadLetterChannel,
    K: Clock,
{
    /// First the record, then the announcement, then the acknowledgement. Each may be repeated, so
    /// a crash in between only means that the message comes again.
    pub(super) async fn give_up(
        &self,
        delivery: &S::Delivery,
        event_id: Option<EventId>,
        reason: String,
        handler: Option<&'static str>,
        deadline: Deadline,
    ) -> Fate {
        let now = self.clock.now();
        let redeliveries = delivery.redeliveries();
        let letter = DeadLetter {
            event_id: event_id.or_else(|| {
                delivery.property(contracts::message::EVENT_ID).and_then(|id| id.parse().ok())
            }),
            aggregate: None,
            done_by: BTreeSet::new(),
            message_id: delivery.message_id().to_owned(),
            body: delivery.body().to_vec(),
            body_bytes: delivery.body().len(),
            traceparent: delivery.property(contracts::message::TRACEPARENT).map(ToOwned::to_owned),
            reason,
            handler: handler.map(ToOwned::to_owned),
            attempts: redeliveries.saturating_add(1),
            first_failed_at: first_failed_at(now, redeliveries),
            expires_at: Some(now.plus(lifetimes::DEAD_LETTER)),
        };
        let seed = seed(&letter.message_id);
        let buried = insist(deadline, seed, || self.dead_letters.bury(&letter, deadline)).await
            && insist(deadline, seed, || self.announcements.announce(&letter)).await;
        if !buried {
            // What can't be given up in all that time meets a table or a broker that is overloaded
            // or away.
            return self.postpone(delivery, Fate::Congested).await;
        }
        tracing::error!(
            reason = letter.reason,
            handler = letter.handler,
            attempts = letter.attempts,
            "an event went to the dead letters"
        );
        self.acknowledge(delivery, Fate::DeadLettered).await
    }
}

/// Makes the waits of letters that may collide differ, and those of one letter come again as they
/// were.
fn seed(message_id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    message_id.hash(&mut hasher);
    hasher.finish()
}

/// Repeats a write until it is done or the deadline has passed.
async fn insist<F: Future<Output = Settled>>(
    deadline: Deadline,
    seed: u64,
    write: impl Fn() -> F,
) -> bool {
    let mut pause = Backoff::new(Duration::from_millis(20), Duration::from_millis(500), seed);
    loop {
        match write().await {
            Settled::Done => return true,
            settled => super::note(&settled, "given up"),
        }
        if deadline.has_passed() {
            return false;
        }
        pause.wait(deadline).await;
    }
}
