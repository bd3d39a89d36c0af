//! event-consumer as it decides an order: from the write, with its conflicts, to the follow-up.

use application::outcome::WriteTry;
use application::ports::PrepareError;
use application::ports::stock::{ReservationCancelled, Reservations, Taking};
use domain::order::OrderStatus;
use testkit::samples::{product, product_id};

use super::consumer::is_refused;
use super::{Stage, away, lost, soon};
use crate::pending::action::ConsumerId;
use crate::pending::event::Event;
use crate::pending::state::Decision;
use crate::replay::pending::change::OwnedChange;
use crate::replay::pending::wire::Call;

impl Stage {
    /// A rejection is a reservation that finds no stock, and then a separate write.
    pub(super) async fn decide(&mut self, consumer: ConsumerId, decision: Decision) {
        loop {
            match self.take(consumer) {
                Call::Reserve(changes, take, reply) => {
                    drop(reply.send(self.reserve(&changes, &take, decision).await));
                }
                Call::Change(change, reply) if change.decides() => {
                    drop(reply.send(change.arrive(&self.world.tables).await));
                }
                held => return self.hold(consumer, held),
            }
            self.go_on(consumer).await;
        }
    }

    /// A delivery that finds the order decided is already at its finishing write, and has no doubt.
    pub(super) async fn lose_decision_answer(&mut self, consumer: ConsumerId, decision: Decision) {
        loop {
            let is_lost = match self.take(consumer) {
                Call::Reserve(changes, take, reply) => {
                    let written = self.reserve(&changes, &take, decision).await;
                    let is_lost = matches!(written, WriteTry::Done) || !self.is_open();
                    let lost = WriteTry::Unknown(away());
                    drop(reply.send(if is_lost { lost } else { written }));
                    is_lost
                }
                Call::Change(change, reply) if change.decides() => {
                    let written = change.arrive(&self.world.tables).await;
                    let is_lost = !is_refused(&written) || !self.is_open();
                    let lost = WriteTry::Unknown(away());
                    drop(reply.send(if is_lost { lost } else { written }));
                    is_lost
                }
                held => return self.hold(consumer, held),
            };
            self.go_on(consumer).await;
            if is_lost {
                return;
            }
        }
    }

    /// If the consumer is at a reservation, it finds no stock and is not tried again.
    pub(super) async fn find_no_stock(&mut self, consumer: ConsumerId) {
        loop {
            match self.take(consumer) {
                Call::Reserve(changes, take, reply) => {
                    drop(reply.send(self.reserve(&changes, &take, Decision::Reject).await));
                }
                held => return self.hold(consumer, held),
            }
            self.go_on(consumer).await;
        }
    }

    pub(super) async fn publish_follow_up(&mut self, consumer: ConsumerId) {
        self.publish_held(consumer).await;
    }

    /// The half message is not stored, or its COMMIT is lost.
    pub(super) async fn lose_follow_up(&mut self, consumer: ConsumerId) {
        let Call::Prepare(_, reply) = self.take(consumer) else { panic!("it sends nothing") };
        if self.rng.bool() {
            drop(reply.send(Err(PrepareError::Failed(away()))));
        } else {
            drop(reply.send(Ok(())));
            self.go_on(consumer).await;
            let Call::Commit(reply) = self.take(consumer) else { panic!("it is not committed") };
            drop(reply.send(Err(lost())));
        }
        self.go_on(consumer).await;
    }

    /// The stock is as large as the decision needs: empty for a rejection.
    async fn reserve(
        &self,
        changes: &[OwnedChange],
        take: &Taking,
        decision: Decision,
    ) -> WriteTry<ReservationCancelled> {
        let tables = &self.world.tables;
        let stock = tables.stock_of(product_id(1)).unwrap();
        if decision == Decision::Reject {
            tables.put_product(product(1, 0));
        }
        let changes: Vec<_> = changes.iter().map(OwnedChange::borrowed).collect();
        let written = tables.reserve(&changes, take, soon()).await;
        if decision == Decision::Reject {
            tables.put_product(product(1, stock));
        }
        written
    }

    /// Whether the order can still be decided, by a write that has read its latest revision.
    fn is_open(&self) -> bool {
        self.stored().order.status() == OrderStatus::Created && self.is_pending(Event::OrderCreated)
    }
}
