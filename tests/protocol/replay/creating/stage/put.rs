//! create-order's put, and the outcome of its request.

use application::orders::create::{CreateOrderError, OrderReply};
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::OrderCreation;
use domain::order::{AtKey, NewOrder};
use testkit::world::World;

use super::{Stage, order_id, soon};
use crate::creating::action::AttemptId;
use crate::creating::state::Answer;
use crate::replay::creating::wire::Call;
use crate::replay::process::Step;

impl Stage {
    async fn put(&self, new: &NewOrder) -> WriteTry<AtKey> {
        self.world.tables.create(new, soon()).await
    }

    pub(super) async fn apply_put(&mut self, attempt: AttemptId) {
        let (new, reply) = self.attempts[attempt].take_put();
        let outcome = self.put(&new).await;
        drop(reply.send(outcome));
        self.go_on(attempt).await;
    }

    pub(super) async fn lose_put_answer(&mut self, attempt: AttemptId) {
        let new = self.attempts[attempt].lose_put();
        let outcome = self.put(&new).await;
        assert!(matches!(outcome, WriteTry::Done), "{outcome:?}");
    }

    pub(super) async fn refuse_put(&mut self, attempt: AttemptId) {
        let (_, reply) = self.attempts[attempt].take_put();
        let class = if self.rng.bool() {
            // Otherwise the process would try this again until its time is over.
            self.attempts[attempt].let_time_pass();
            self.rng.choice([FailureClass::Throttled, FailureClass::Unavailable]).unwrap()
        } else {
            FailureClass::Permanent
        };
        drop(reply.send(WriteTry::NotBegun(Failure::new(class, "refused before it began"))));
        self.go_on(attempt).await;
    }

    pub(super) async fn apply_late_put(&mut self, attempt: AttemptId) {
        let new = self.attempts[attempt].late_puts.remove(0);
        drop(self.put(&new).await);
    }

    pub(super) async fn resend_put(&mut self, attempt: AttemptId) {
        let lost = self.attempts[attempt].doubt_put();
        self.go_on(attempt).await;
        assert_eq!(*self.attempts[attempt].send_put(), *lost, "every try is the same");
    }

    pub(super) async fn give_up(&mut self, attempt: AttemptId) {
        self.attempts[attempt].let_time_pass();
        drop(self.attempts[attempt].doubt_put());
        self.go_on(attempt).await;
    }

    /// Lets a request continue to its next call, or to its answer.
    pub(super) async fn go_on(&mut self, attempt: AttemptId) {
        let running = &mut self.attempts[attempt];
        let request = running.request.as_mut().expect("its request is alive");
        match request.process.go_on().await {
            Step::Called(Call::Create(new, reply)) => {
                assert_eq!(new.order().id(), order_id(), "all attempts meet at one item");
                running.is_about_to_send(new, reply);
            }
            Step::Called(Call::End(receipt, resolution, reply)) => {
                assert_eq!(running.half, Some(receipt), "it ends its own half message");
                running.to_end = Some((resolution, reply));
            }
            Step::Called(Call::Prepare(..)) => {
                panic!("a half message that the model does not have")
            }
            Step::Called(Call::Fence(..)) => panic!("only a checker fences"),
            Step::Finished(outcome) => {
                running.request = None;
                running.answer = Some(answered(&self.world, outcome));
            }
        }
    }
}

/// The client's answer, which must be true.
fn answered(world: &World, outcome: Result<OrderReply, CreateOrderError>) -> Answer {
    match outcome {
        Ok(reply) => {
            let stored = world.tables.stored_order(reply.order.id());
            let stored = stored.expect("an order that is answered is stored");
            assert_eq!(reply.order, stored.order.as_created(), "as it was created");
            if reply.replayed { Answer::Replayed } else { Answer::Created }
        }
        Err(CreateOrderError::UnknownProducts(_)) => Answer::Refused,
        Err(CreateOrderError::Unavailable { what: FENCED, .. }) => Answer::Fenced,
        Err(CreateOrderError::Unavailable { .. }) => Answer::Unavailable,
        Err(CreateOrderError::Open { order_id: open, .. }) => {
            assert_eq!(open, order_id(), "a client looks for the order that it asked for");
            Answer::Unknown
        }
        Err(other) => panic!("{other}"),
    }
}

/// Part of the error for an attempt that a check-back has fenced.
const FENCED: &str = "it took longer than its deadline";
