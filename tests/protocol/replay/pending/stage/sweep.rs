//! The sweep, one look at a time.
//!
//! A look handles all pending events, and the model's step one. So the broker answers that it has
//! all others; and events that were never sent, about which the broker is not asked, cannot be
//! sent.

use std::sync::Mutex;
use std::time::Duration;

use application::deadline::Deadline;
use application::events::publish::PublishStored;
use application::events::sweep::{Pace, Sweep, SweepReport};
use application::outcome::{Failure, FailureClass};
use application::ports::{GroupPosition, PrepareError, PublishedEvents, Topic};
use domain::identity::{EventId, TransactionId};
use domain::timestamp::Timestamp;

use super::Stage;
use crate::pending::event::Event;
use crate::replay::pending::wire::{Call, Wire};
use crate::replay::process::{Process, Step};

/// Longer than any event waits for its next look, or is left to its consumer.
const LATER: Duration = Duration::from_secs(3 * 24 * 60 * 60);

impl Stage {
    pub(super) async fn sweep(&mut self, event: Event) {
        assert!(self.look(event, true).await, "the sweep does not send {event:?}");
    }

    /// An answer stays incomplete for longer than ten minutes: the first look stores since when.
    /// An event that was never sent is sent by the first look.
    pub(super) async fn sweep_early(&mut self, event: Event) {
        let is_sent = self.look(event, false).await || self.look(event, false).await;
        assert!(is_sent, "the sweep does not send {event:?}");
    }

    pub(super) async fn sweep_nothing(&mut self) {
        let mut look = self.sweeper(None);
        let Step::Finished(report) = look.go_on().await else {
            panic!("the sweep sends something")
        };
        assert_eq!(report.found, 0, "{report:?}");
    }

    /// Takes one look. Returns whether it sends the event.
    async fn look(&mut self, event: Event, is_answered: bool) -> bool {
        let event_id = self.id_of(event).expect("the sweep sends events of the history");
        let topic = &self.topic[event];
        let stored = topic.latest.as_ref().filter(|_| topic.is_stored);
        let sought =
            Sought { event_id, stored: stored.map(|half| half.transaction_id), is_answered };
        let mut look = self.sweeper(Some(sought));
        let mut is_sent = false;
        let mut step = look.go_on().await;
        loop {
            step = match step {
                Step::Finished(report) => {
                    assert_eq!(report.sent + report.republished, u64::from(is_sent), "{report:?}");
                    return is_sent;
                }
                Step::Called(Call::Prepare(half, reply)) if half.message.event_id != event_id => {
                    let later = Failure::new(FailureClass::Permanent, "not this one");
                    drop(reply.send(Err(PrepareError::Failed(later))));
                    look.go_on().await
                }
                Step::Called(sent) => {
                    is_sent = true;
                    self.send(&mut look, sent).await
                }
            };
        }
    }

    /// A window with time for one look, at a moment when everything is due.
    fn sweeper(&self, sought: Option<Sought>) -> Process<SweepReport, Call> {
        self.sweeper_clock.advance(LATER);
        let (publisher, calls) = Wire::new(self.world.tables.clone());
        let pace = Pace::default();
        let sweep = Sweep {
            index: self.world.tables.clone(),
            aggregates: self.world.tables.clone(),
            topics: Answers { sought, last_asked: Mutex::default() },
            publication: PublishStored { publisher, clock: self.sweeper_clock.clone() },
            identities: self.world.identities.clone(),
            pace,
        };
        let window = pace.event + Duration::from_millis(1);
        Process::new(async move { sweep.run(Deadline::after(window)).await }, calls)
    }
}

/// The event about which the broker is asked.
struct Sought {
    event_id: EventId,
    /// The publication that is found on its topic.
    stored: Option<TransactionId>,
    is_answered: bool,
}

/// The broker answers that every other event is on its topic, and that our group has not passed it
/// yet.
struct Answers {
    sought: Option<Sought>,
    /// The last event that the broker was asked about.
    last_asked: Mutex<Option<EventId>>,
}

impl Answers {
    fn sought(&self, event_id: Option<EventId>) -> Option<&Sought> {
        self.sought.as_ref().filter(|sought| Some(sought.event_id) == event_id)
    }
}

impl PublishedEvents for Answers {
    async fn answers(&self, _topic: Topic, _deadline: Deadline) -> bool {
        true
    }

    async fn is_published(
        &self,
        _topic: Topic,
        event_id: EventId,
        transaction_id: TransactionId,
        _deadline: Deadline,
    ) -> Result<bool, Failure> {
        *self.last_asked.lock().unwrap() = Some(event_id);
        match self.sought(Some(event_id)) {
            Some(Sought { is_answered: false, .. }) => {
                // The failure is only for this event: if the broker were away, it would not be
                // asked about the others.
                Err(Failure::new(FailureClass::Permanent, "not every broker has answered"))
            }
            Some(sought) => Ok(sought.stored == Some(transaction_id)),
            None => Ok(true),
        }
    }
}

impl GroupPosition for Answers {
    async fn has_passed(
        &self,
        _topic: Topic,
        _at: Timestamp,
        _deadline: Deadline,
    ) -> Result<bool, Failure> {
        let last_asked = *self.last_asked.lock().unwrap();
        Ok(self.sought(last_asked).is_some())
    }
}
