//! create-order, and the network between it, the broker and the tables.

use std::time::Duration;

use application::create_order::{
    Budgets, CircuitBreaker, CreateOrder, CreateOrderCommand, CreateOrderError, OrderTaken,
    WithoutBroker,
};
use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::{
    EndError, OrderRepository, PlacementCancelled, PrepareError, Resolution, TransactionalPublisher,
};
use testkit::broker::MemoryReceipt;
use testkit::samples::{key, lines, user};
use testkit::world::World;

use super::attempt::{EndOnItsWay, Request};
use super::{MUCH_LATER, Stage, TRANSACTION, soon};
use crate::action::AttemptId;
use crate::replay::half::OwnedHalf;
use crate::replay::process::{Process, Step};
use crate::replay::wire::{Call, OwnedPlacement, Reply, Wire};
use crate::state::Answer;

/// The half message.
impl Stage {
    /// Starts a request, and lets it make its first call, which is its half message.
    async fn half_message(
        &mut self,
        attempt: AttemptId,
    ) -> (OwnedHalf, Reply<Result<MemoryReceipt, PrepareError>>) {
        let mut request = self.request();
        let Step::Called(Call::Prepare(half, reply)) = request.process.go_on().await else {
            panic!("a request begins with its half message");
        };
        self.attempts[attempt].transaction_id = Some(half.transaction_id);
        self.attempts[attempt].request = Some(request);
        (half, reply)
    }

    fn request(&self) -> Request {
        let clock = self.world.clock.another();
        let (wire, calls) = Wire::new(self.world.tables.clone());
        let create_order = CreateOrder {
            orders: wire.clone(),
            catalog: self.world.tables.clone(),
            publisher: wire,
            clock: clock.clone(),
            identities: self.world.identities.clone(),
            budgets: Budgets {
                half_message_try: Duration::ZERO,
                // One try: each further one is an attempt of its own.
                half_message: Duration::ZERO,
                transaction: TRANSACTION,
                end: TRANSACTION,
            },
            without_broker: if self.variant.accept_without_broker {
                WithoutBroker::Accept(CircuitBreaker::default())
            } else {
                WithoutBroker::Refuse
            },
        };
        let command = CreateOrderCommand {
            user_id: user(123),
            lines: lines(&[(1, 1)]),
            key: Some(key("intent")),
            traceparent: None,
        };
        let work = async move { create_order.execute(&command, Deadline::after(MUCH_LATER)).await };
        Request { process: Process::new(work, calls), clock }
    }

    pub(super) async fn send_half(&mut self, attempt: AttemptId) {
        let (half, reply) = self.half_message(attempt).await;
        let receipt = self.store(&half).await;
        self.attempts[attempt].half = Some(receipt);
        drop(reply.send(Ok(receipt)));
        self.go_on(attempt).await;
        let made = self.attempts[attempt].transaction_of_try();
        assert_eq!(made, self.attempts[attempt].transaction_id, "of its half message");
    }

    pub(super) async fn half_ack_lost(&mut self, attempt: AttemptId) {
        let (half, reply) = self.half_message(attempt).await;
        self.attempts[attempt].half = Some(self.store(&half).await);
        drop(reply.send(Err(if self.rng.bool() {
            PrepareError::Doubtful("FLUSH_DISK_TIMEOUT".to_owned())
        } else {
            PrepareError::Failed(away())
        })));
        if self.variant.accept_without_broker {
            // The request goes on as another attempt.
            let abandoned = &mut self.attempts[attempt];
            let (id, request) = (abandoned.transaction_id, abandoned.request.take());
            let next = &mut self.attempts[attempt + 1];
            (next.transaction_id, next.request) = (id, request);
            self.go_on(attempt + 1).await;
            self.go_without_half(attempt + 1);
        } else {
            self.go_on(attempt).await;
        }
    }

    pub(super) async fn no_half(&mut self, attempt: AttemptId) {
        let (_, reply) = self.half_message(attempt).await;
        drop(reply.send(Err(PrepareError::Failed(away()))));
        self.go_on(attempt).await;
        if self.variant.accept_without_broker {
            self.go_without_half(attempt);
        }
    }

    /// Its attempt is the one that it is about to try, and never the one of a half message.
    fn go_without_half(&mut self, attempt: AttemptId) {
        let made = self.attempts[attempt].transaction_of_try();
        assert_ne!(made, self.attempts[attempt].transaction_id, "it has one of its own");
        self.attempts[attempt].transaction_id = made;
    }

    async fn store(&self, half: &OwnedHalf) -> MemoryReceipt {
        self.world.broker.prepare(&half.borrowed(), soon()).await.unwrap()
    }
}

/// The local transaction.
impl Stage {
    async fn place(&self, placement: &OwnedPlacement) -> WriteTry<PlacementCancelled> {
        self.world.tables.place(&placement.borrowed(), soon()).await
    }

    pub(super) async fn apply_tx(&mut self, attempt: AttemptId) {
        let (placement, reply) = self.attempts[attempt].take_try();
        let outcome = self.place(&placement).await;
        drop(reply.send(outcome));
        self.go_on(attempt).await;
    }

    pub(super) async fn apply_tx_reply_lost(&mut self, attempt: AttemptId) {
        let placement = self.attempts[attempt].lose_try();
        let outcome = self.place(&placement).await;
        assert!(matches!(outcome, WriteTry::Done), "{outcome:?}");
    }

    pub(super) async fn refuse_tx(&mut self, attempt: AttemptId) {
        let (_, reply) = self.attempts[attempt].take_try();
        let class = if self.rng.bool() {
            // The process would try this again until its time is over.
            self.attempts[attempt].let_time_pass();
            self.rng.choice([FailureClass::Throttled, FailureClass::Unavailable]).unwrap()
        } else {
            FailureClass::Permanent
        };
        drop(reply.send(WriteTry::Refused(Failure::new(class, "refused before it began"))));
        self.go_on(attempt).await;
    }

    pub(super) async fn apply_late_tx(&mut self, attempt: AttemptId) {
        let placement = self.attempts[attempt].late_tries.remove(0);
        self.place(&placement).await;
    }

    pub(super) async fn resend_tx(&mut self, attempt: AttemptId) {
        let lost = self.attempts[attempt].doubt_try();
        self.go_on(attempt).await;
        assert_eq!(*self.attempts[attempt].send_try(), *lost, "every try is the same");
    }

    pub(super) async fn give_up(&mut self, attempt: AttemptId) {
        self.attempts[attempt].let_time_pass();
        drop(self.attempts[attempt].doubt_try());
        self.go_on(attempt).await;
    }

    /// Lets a request go on to its next call, or to its answer.
    async fn go_on(&mut self, attempt: AttemptId) {
        let running = &mut self.attempts[attempt];
        let request = running.request.as_mut().expect("its request is alive");
        match request.process.go_on().await {
            Step::Called(Call::Place(placement, reply)) => {
                running.is_about_to_send(placement, reply)
            }
            Step::Called(Call::End(receipt, resolution, reply)) => {
                assert_eq!(running.half, Some(receipt), "it ends its own half message");
                running.to_end = Some((resolution, reply));
            }
            Step::Called(Call::Prepare(..)) => panic!("a second half message"),
            Step::Finished(outcome) => {
                running.request = None;
                running.answer = Some(told(&self.world, outcome));
            }
        }
    }
}

/// The ends of half messages.
impl Stage {
    /// The end leaves its process, which may stop waiting for the answer before there is one.
    pub(super) async fn end(&mut self, attempt: AttemptId) {
        let (resolution, reply) = self.attempts[attempt].to_end.take().expect("it is settled");
        let reply = if self.rng.bool() {
            Some(reply)
        } else {
            drop(reply.send(Err(EndError::Unknown(away()))));
            self.go_on(attempt).await;
            None
        };
        self.attempts[attempt].ends.push(EndOnItsWay { resolution, reply });
    }

    pub(super) async fn rpc(&mut self, attempt: AttemptId, resolution: Resolution) {
        let end = self.attempts[attempt].take_end(resolution).expect("an end is under way");
        self.arrive(attempt, resolution).await;
        if let Some(reply) = end.reply {
            drop(reply.send(Ok(())));
            self.go_on(attempt).await;
        }
    }

    pub(super) async fn lose_commit(&mut self, attempt: AttemptId) {
        let end = self.attempts[attempt].take_end(Resolution::Commit).expect("a COMMIT");
        self.lose(attempt, end).await;
    }

    /// One ROLLBACK is as good as two, so it is lost when all are.
    pub(super) async fn lose_rollback(&mut self, attempt: AttemptId) {
        while let Some(end) = self.attempts[attempt].take_end(Resolution::Rollback) {
            self.lose(attempt, end).await;
        }
    }

    async fn lose(&mut self, attempt: AttemptId, end: EndOnItsWay) {
        if let Some(reply) = end.reply {
            let error = if self.rng.bool() { EndError::Refused } else { EndError::Unknown };
            drop(reply.send(Err(error(away()))));
            self.go_on(attempt).await;
        }
    }

    pub(super) async fn duplicate_commit(&mut self, attempt: AttemptId) {
        self.arrive(attempt, Resolution::Commit).await;
    }

    async fn arrive(&self, attempt: AttemptId, resolution: Resolution) {
        let receipt = self.attempts[attempt].half.expect("it has a half message");
        self.world.broker.end(&receipt, resolution, soon()).await.unwrap();
    }
}

/// What the client is told, which must be so.
fn told(world: &World, outcome: Result<OrderTaken, CreateOrderError>) -> Answer {
    match outcome {
        Ok(taken) => {
            assert!(world.tables.order(taken.order_id).is_some(), "{taken:?}");
            if taken.replayed { Answer::Replayed } else { Answer::Created }
        }
        Err(CreateOrderError::Unavailable { .. }) => Answer::Unavailable,
        Err(CreateOrderError::Open { .. }) => Answer::Open,
        Err(other) => panic!("{other}"),
    }
}

fn away() -> Failure {
    Failure::new(FailureClass::Unavailable, "the call was lost")
}
