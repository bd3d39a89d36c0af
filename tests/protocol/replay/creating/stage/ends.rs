//! The ends of half messages, on their way to the broker.

use application::ports::{EndError, Resolution, TransactionalPublisher};

use super::{Stage, away, soon};
use crate::creating::action::AttemptId;
use crate::replay::creating::attempt::EndOnItsWay;

impl Stage {
    /// The end leaves its process, which may stop waiting before there is an answer.
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

    pub(super) async fn arrive(&mut self, attempt: AttemptId, resolution: Resolution) {
        let end = self.attempts[attempt].take_end(resolution).expect("an end is under way");
        self.settle(attempt, resolution).await;
        if let Some(reply) = end.reply {
            drop(reply.send(Ok(())));
            self.go_on(attempt).await;
        }
    }

    pub(super) async fn lose_commit(&mut self, attempt: AttemptId) {
        let end = self.attempts[attempt].take_end(Resolution::Commit).expect("a COMMIT");
        self.lose(attempt, end).await;
    }

    /// One ROLLBACK has the effect of two, so it counts as lost only when all are lost.
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
        self.settle(attempt, Resolution::Commit).await;
    }

    async fn settle(&self, attempt: AttemptId, resolution: Resolution) {
        let receipt = self.attempts[attempt].half.expect("it has a half message");
        self.world.broker.end(&receipt, resolution, soon()).await.unwrap();
    }
}
