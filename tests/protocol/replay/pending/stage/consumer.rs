//! event-consumer, one delivery from its read to its acknowledgement.
//!
//! A delivery is held at its next call. If the order was changed since it was read, the code tries
//! again with the order that it finds; for the model that is one step.

use std::time::Duration;

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::events::consume::{
    ConsumeEvents, ConsumptionReport, GiveUpEvents, HandleEvents, Pace, Registry,
    ReservationGroups, Subscribed,
};
use application::events::publish::PublishStored;
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::pending::Found;
use contracts::event::EventType;

use super::{LONG, Stage, away};
use crate::pending::action::ConsumerId;
use crate::pending::event::Event;
use crate::replay::pending::wire::{Acted, Call, Elsewhere, OneCopy, Wire};
use crate::replay::process::{Process, Step};

pub(crate) struct Consumer {
    process: Process<ConsumptionReport, Call>,
    pub(crate) event: Event,
    pub(crate) held: Option<Call>,
}

impl Stage {
    pub(super) async fn deliver(&mut self, consumer: ConsumerId, event: Event) {
        let process = self.process(event);
        self.consumers[consumer] = Some(Consumer { process, event, held: None });
        self.go_on(consumer).await;
    }

    /// A delivery that finds its event marked is already at its finishing write: it has nothing to
    /// do, unless its entry is gone.
    pub(super) async fn act_elsewhere(&mut self, consumer: ConsumerId) {
        match self.take(consumer) {
            Call::Act(reply) => {
                self.act().await;
                drop(reply.send(Acted::Done));
                self.go_on(consumer).await;
            }
            held => {
                self.hold(consumer, held);
                if !self.is_pending(Event::FollowUp) {
                    self.finish(consumer).await;
                }
            }
        }
    }

    pub(super) async fn lose_elsewhere_answer(&mut self, consumer: ConsumerId) {
        match self.take(consumer) {
            Call::Act(reply) => {
                self.act().await;
                drop(reply.send(Acted::Lost));
                self.go_on(consumer).await;
            }
            held => self.hold(consumer, held),
        }
    }

    pub(super) async fn finish(&mut self, consumer: ConsumerId) {
        loop {
            match self.take(consumer) {
                Call::Change(change, reply) => {
                    drop(reply.send(change.arrive(&self.world.tables).await));
                    self.go_on(consumer).await;
                }
                held => return self.hold(consumer, held),
            }
        }
    }

    pub(super) async fn lose_finish_answer(&mut self, consumer: ConsumerId) {
        let event = self.consumer(consumer).event;
        loop {
            match self.take(consumer) {
                Call::Change(change, reply) => {
                    let written = change.arrive(&self.world.tables).await;
                    let is_stale = is_refused(&written) && self.is_pending(event);
                    drop(reply.send(if is_stale { written } else { WriteTry::Unknown(away()) }));
                    self.go_on(consumer).await;
                    if !is_stale {
                        return;
                    }
                }
                held => return self.hold(consumer, held),
            }
        }
    }

    /// The consumer's current step fails for the last permitted time. A reservation that is finally
    /// refused is answered only when its time is over, and then the time of all processes here
    /// would be over too: so the rejection after it fails instead.
    pub(super) async fn give_up(&mut self, consumer: ConsumerId) {
        let refused = || Failure::new(FailureClass::Permanent, "it can't be done");
        self.find_no_stock(consumer).await;
        match self.take(consumer) {
            Call::Change(_, reply) => drop(reply.send(WriteTry::NotBegun(refused()))),
            Call::Act(reply) => drop(reply.send(Acted::Failed)),
            held => return self.hold(consumer, held),
        }
        self.go_on(consumer).await;
        // The failure is stored first.
        self.finish(consumer).await;
    }

    pub(super) async fn acknowledge(&mut self, consumer: ConsumerId) {
        let Call::Acknowledge(reply) = self.take(consumer) else {
            panic!("an event is acknowledged that has not ended");
        };
        drop(reply.send(WriteTry::Done));
        let mut acknowledged = self.consumers[consumer].take().expect("it is at a delivery");
        let Step::Finished(report) = acknowledged.process.go_on().await else {
            panic!("a call is made after the acknowledgement");
        };
        assert_eq!((report.handled + report.dead_lettered, report.postponed), (1, 0), "{report:?}");
        let copies = &mut self.topic[acknowledged.event].unacknowledged;
        *copies = copies.saturating_sub(1);
    }

    /// Lets a delivery continue to its next call. It never ends before its acknowledgement.
    pub(super) async fn go_on(&mut self, consumer: ConsumerId) {
        let running = self.consumers[consumer].as_mut().expect("it is at a delivery");
        match running.process.go_on().await {
            Step::Called(call) => running.held = Some(call),
            Step::Finished(report) => panic!("the message comes again: {report:?}"),
        }
    }

    pub(super) fn take(&mut self, consumer: ConsumerId) -> Call {
        let running = self.consumers[consumer].as_mut().expect("it is at a delivery");
        running.held.take().expect("it waits for a call")
    }

    pub(super) fn hold(&mut self, consumer: ConsumerId, call: Call) {
        self.consumers[consumer].as_mut().expect("it is at a delivery").held = Some(call);
    }

    pub(super) async fn publish_held(&mut self, consumer: ConsumerId) {
        let mut running = self.consumers[consumer].take().expect("it is at a delivery");
        let sent = running.held.take().expect("it waits for a call");
        let Step::Called(call) = self.send(&mut running.process, sent).await else {
            panic!("the message is not acknowledged");
        };
        running.held = Some(call);
        self.consumers[consumer] = Some(running);
    }

    fn consumer(&self, consumer: ConsumerId) -> &Consumer {
        self.consumers[consumer].as_ref().expect("it is at a delivery")
    }

    fn process(&self, event: Event) -> Process<ConsumptionReport, Call> {
        let (wire, calls) = Wire::new(self.world.tables.clone());
        let latest = self.topic[event].latest.as_ref().expect("it was published");
        let handlers = Subscribed::To(&[EventType::OrderConfirmed, EventType::OrderRejected]);
        let (clock, identities) = (self.world.clock.clone(), self.world.identities.clone());
        // The first failure is the last one: earlier failures would only change a count.
        let pace = Pace { pollers: 1, event: LONG, attempts_max: 1, ..Pace::default() };
        let consumer = ConsumeEvents {
            subscription: OneCopy::of(latest, wire.clone()),
            handling: HandleEvents {
                aggregates: wire.clone(),
                publication: PublishStored { publisher: wire.clone(), clock },
                identities,
                registry: Registry::default().with(handlers, Elsewhere(wire)),
                groups: ReservationGroups::default(),
            },
            giving_up: GiveUpEvents {
                letters: self.world.tables.clone(),
                announcements: self.world.broker.clone(),
            },
            pace,
        };
        // The window has time for one request for messages.
        let window = LONG + Duration::from_secs(1) + Duration::from_millis(1);
        Process::new(async move { consumer.run(Deadline::after(window)).await }, calls)
    }
}

/// Whether the write found the order changed since it was read.
pub(super) const fn is_refused(written: &WriteTry<Found>) -> bool {
    matches!(written, WriteTry::Cancelled(Some(StoredAggregate::Order(_))))
}
