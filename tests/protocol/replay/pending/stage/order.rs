//! Changes of the order outside event-consumer: by the handler with an effect elsewhere, the
//! user, an operator.

use application::events::publish::PublishStored;
use application::operations::redrive::{Redrive, RedriveError, Redriven};
use application::outcome::WriteTry;
use application::ports::pending::{IndexChange, OrderChange, PendingEventStore};
use application::ports::{DeadLetterId, IdentitySource, PrepareError};
use contracts::event::SCHEMA_VERSION;
use domain::event::EventStamp;
use domain::order::{OrderStatus, StoredOrder};
use domain::pending::{PendingEvent, PendingEvents};
use testkit::samples::{product, product_id};

use super::{Stage, away, soon};
use crate::pending::event::Event;
use crate::replay::half::OwnedHalf;
use crate::replay::pending::wire::{Call, ELSEWHERE, Wire};
use crate::replay::process::{Process, Step};

impl Stage {
    /// The effect elsewhere and its mark, in one transaction. None of our handlers has one yet, so
    /// the stage makes the write that [`EventHandler`](application::events::consume::EventHandler)
    /// requires.
    pub(super) async fn act(&mut self) {
        let stored = self.stored();
        let Some(event_id) = self.id_of(Event::FollowUp) else { return };
        let mut pending = stored.pending.clone();
        let Some(mut entry) = pending.remove(event_id) else { return };
        if entry.done_by.insert(ELSEWHERE.to_owned()) {
            pending.put(event_id, entry);
            self.store(&stored, pending).await;
            self.effects_elsewhere += 1;
        }
    }

    async fn store(&self, before: &StoredOrder, pending: PendingEvents) {
        let index = IndexChange::between(&before.pending, &pending);
        let change = OrderChange { before, reached: None, notified: None, pending, index };
        let written = self.world.tables.change(&change.into(), soon()).await;
        assert!(matches!(written, WriteTry::Done), "{written:?}");
    }

    pub(super) async fn cancel(&mut self) {
        let before = self.stored();
        let (clock, identities) = (&self.world.clock, &self.world.identities);
        let stamp = EventStamp::untraced(identities.event_id(), SCHEMA_VERSION);
        let now = application::ports::Clock::now(clock);
        let (after, _) = before.order.cancel(now, stamp).unwrap();
        let reached = after.history().latest().clone();
        let mut pending = before.pending.clone();
        let entry = PendingEvent::unsent(identities.transaction_id(), now);
        pending.put(reached.event.event_id, entry);
        let index = IndexChange::between(&before.pending, &pending);
        let reached = Some(reached);
        let change = OrderChange { before: &before, reached, notified: None, pending, index };
        let written = self.world.tables.change(&change.into(), soon()).await;
        assert!(matches!(written, WriteTry::Done), "{written:?}");
        if before.order.status() == OrderStatus::Confirmed {
            let stock = self.world.tables.stock_of(product_id(1)).unwrap();
            self.world.tables.put_product(product(1, stock + 1));
            self.given_back += 1;
        }
    }

    pub(super) async fn redrive(&mut self, event: Event) {
        let mut command = self.command(event, true);
        let Step::Called(sent) = command.go_on().await else { panic!("it publishes nothing") };
        let Step::Finished(redriven) = self.send(&mut command, sent).await else {
            panic!("it publishes twice");
        };
        assert!(redriven.unwrap().is_published);
    }

    /// The command dies, or does not reach the broker, or runs without one.
    pub(super) async fn redrive_unpublished(&mut self, event: Event) {
        let (dies, has_broker) = (self.rng.bool(), self.rng.bool());
        let mut command = self.command(event, has_broker);
        let mut step = command.go_on().await;
        if let Step::Called(Call::Prepare(_, reply)) = step {
            self.topic[event].is_stored = false;
            if dies {
                return;
            }
            drop(reply.send(Err(PrepareError::Failed(away()))));
            step = command.go_on().await;
        }
        let Step::Finished(redriven) = step else { panic!("it publishes") };
        assert!(!redriven.unwrap().is_published);
        self.topic[event].is_stored = false;
    }

    fn command(
        &self,
        event: Event,
        has_broker: bool,
    ) -> Process<Result<Redriven, RedriveError>, Call> {
        let (publisher, calls) = Wire::new(self.world.tables.clone());
        let clock = self.world.clock.clone();
        let publication = PublishStored { publisher, clock: clock.clone() };
        let redrive = Redrive {
            letters: self.world.tables.clone(),
            aggregates: self.world.tables.clone(),
            identities: self.world.identities.clone(),
            clock,
            publication: Some(publication).filter(|_| has_broker),
        };
        let event_id = self.id_of(event).expect("its event is in the history");
        let id = DeadLetterId::parse(&event_id.to_string()).unwrap();
        Process::new(async move { redrive.redrive(&id).await }, calls)
    }

    /// The order's event in a message. An event that no history contains is never published.
    pub(super) fn event_of(&self, half: &OwnedHalf) -> Event {
        let is_of = |event: &Event| self.id_of(*event) == Some(half.message.event_id);
        Event::ALL.into_iter().find(is_of).expect("a published event is in the history")
    }

    pub(super) fn is_pending(&self, event: Event) -> bool {
        self.id_of(event).is_some_and(|event_id| self.stored().pending.holds(event_id))
    }
}
