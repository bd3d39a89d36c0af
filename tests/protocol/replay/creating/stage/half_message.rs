//! create-order until it has a half message, or continues without one.

use std::time::Duration;

use application::deadline::Deadline;
use application::orders::create::{
    Budgets, CircuitBreaker, CreateOrder, CreateOrderCommand, WithoutBroker,
};
use application::ports::{PrepareError, TransactionalPublisher};
use testkit::broker::MemoryReceipt;
use testkit::samples::lines;

use super::{HALF_MESSAGE, MUCH_LATER, Stage, TRANSACTION, away, intent, soon, user_id};
use crate::creating::action::AttemptId;
use crate::replay::creating::attempt::{HalfReply, Request};
use crate::replay::creating::wire::{Call, Wire};
use crate::replay::half::OwnedHalf;
use crate::replay::process::{Process, Step};

impl Stage {
    pub(super) async fn send_half(&mut self, attempt: AttemptId) {
        let (half, reply) = self.half_message_of_any(attempt).await;
        let receipt = self.store(&half).await;
        self.attempts[attempt].half = Some(receipt);
        drop(reply.send(Ok(receipt)));
        self.go_on(attempt).await;
        let made = self.attempts[attempt].transaction_of_put();
        assert_eq!(made, self.attempts[attempt].transaction_id, "of its half message");
    }

    /// The answer stays on its way until the model says how the request continues. A request that
    /// never continues looks like one that has died.
    pub(super) async fn lose_half_answer(&mut self, attempt: AttemptId) {
        let (half, reply) = self.half_message_of_any(attempt).await;
        self.attempts[attempt].half = Some(self.store(&half).await);
        if self.protocol.variant.accept_without_broker {
            self.attempts[attempt].abandoned = Some(reply);
        } else {
            self.fail_for_good(reply).await;
            self.go_on(attempt).await;
        }
    }

    pub(super) async fn go_on_without_half(&mut self, attempt: AttemptId) {
        let abandoned = &mut self.attempts[attempt - 1];
        let reply = abandoned.abandoned.take().expect("the attempt before it is abandoned");
        self.attempts[attempt].request = abandoned.request.take();
        self.fail_for_good(reply).await;
        self.go_on(attempt).await;
        self.go_without_half(attempt);
        let before = self.attempts[attempt - 1].transaction_id;
        assert_ne!(before, self.attempts[attempt].transaction_id, "it has one of its own");
    }

    pub(super) async fn skip_half(&mut self, attempt: AttemptId) {
        self.fail_half(attempt).await;
        let of_half = self.attempts[attempt].transaction_id;
        self.go_without_half(attempt);
        assert_ne!(of_half, self.attempts[attempt].transaction_id, "it has one of its own");
    }

    pub(super) async fn refuse_without_half(&mut self, attempt: AttemptId) {
        self.fail_half(attempt).await;
    }

    async fn fail_half(&mut self, attempt: AttemptId) {
        let (_, reply) = self.half_message(attempt, self.request()).await;
        tokio::time::advance(HALF_MESSAGE).await;
        drop(reply.send(Err(PrepareError::Failed(away()))));
        self.go_on(attempt).await;
    }

    /// An unreadable catalog, or too large a total, takes the same path.
    pub(super) async fn refuse_request(&mut self, attempt: AttemptId) {
        self.attempts[attempt].request = Some(self.request_with(Wire::with_empty_catalog));
        self.go_on(attempt).await;
        assert!(self.attempts[attempt].answer.is_some(), "it is answered at once");
    }

    /// Of a new request, or of the previous request, which tries again.
    async fn half_message_of_any(&mut self, attempt: AttemptId) -> (OwnedHalf, HalfReply) {
        let before = attempt.checked_sub(1);
        let before = before.filter(|before| self.attempts[*before].abandoned.is_some());
        let Some(before) = before.filter(|_| self.rng.bool()) else {
            return self.half_message(attempt, self.request()).await;
        };
        let before = &mut self.attempts[before];
        let reply = before.abandoned.take().expect("it is abandoned");
        let request = before.request.take().expect("its request waits for the answer");
        let transaction_id = before.transaction_id;
        drop(reply.send(Err(PrepareError::Failed(away()))));
        let next = self.half_message(attempt, request).await;
        assert_ne!(transaction_id, self.attempts[attempt].transaction_id, "each try has its own");
        next
    }

    /// Lets a request make its next call, which is its half message.
    async fn half_message(
        &mut self,
        attempt: AttemptId,
        mut request: Request,
    ) -> (OwnedHalf, HalfReply) {
        let Step::Called(Call::Prepare(half, reply)) = request.process.go_on().await else {
            panic!("a request begins with its half message");
        };
        self.attempts[attempt].transaction_id = Some(half.transaction_id);
        self.attempts[attempt].request = Some(request);
        (half, reply)
    }

    /// There will be no half message: the broker says that it is doubtful, or the time is over.
    async fn fail_for_good(&mut self, reply: HalfReply) {
        let is_final = self.protocol.variant.accept_without_broker && self.rng.bool();
        let error = if is_final {
            PrepareError::Doubtful("FLUSH_DISK_TIMEOUT".to_owned())
        } else {
            tokio::time::advance(HALF_MESSAGE).await;
            PrepareError::Failed(away())
        };
        drop(reply.send(Err(error)));
    }

    /// Its attempt is the one that it is about to put.
    fn go_without_half(&mut self, attempt: AttemptId) {
        let made = self.attempts[attempt].transaction_of_put();
        self.attempts[attempt].transaction_id = made;
    }

    async fn store(&self, half: &OwnedHalf) -> MemoryReceipt {
        self.world.broker.prepare(&half.borrowed(), soon()).await.unwrap()
    }

    fn request(&self) -> Request {
        self.request_with(|wire| wire)
    }

    fn request_with(&self, wired: impl FnOnce(Wire) -> Wire) -> Request {
        let clock = self.world.clock.another();
        let (wire, calls) = Wire::new(self.world.tables.clone());
        let wire = wired(wire);
        let create_order = CreateOrder {
            orders: wire.clone(),
            catalog: wire.clone(),
            publisher: wire,
            clock: clock.clone(),
            identities: self.world.identities.clone(),
            budgets: Budgets {
                // The wire has no deadlines.
                half_message_try: Duration::ZERO,
                half_message: HALF_MESSAGE,
                transaction: TRANSACTION,
                end: HALF_MESSAGE,
            },
            // Each request has its own breaker, so none is ever open: a half message is skipped
            // because it could not be stored.
            without_broker: if self.protocol.variant.accept_without_broker {
                WithoutBroker::Accept(CircuitBreaker::default())
            } else {
                WithoutBroker::Refuse
            },
        };
        let command = CreateOrderCommand {
            user_id: user_id(),
            lines: lines(&[(1, 1)]),
            key: Some(intent()),
            traceparent: None,
        };
        let work = async move { create_order.execute(&command, Deadline::after(MUCH_LATER)).await };
        Request { process: Process::new(work, calls), clock }
    }
}
