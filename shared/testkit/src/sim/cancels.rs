//! Users who cancel: while their order is created or confirmed, after it, and two at once.

use std::sync::Arc;
use std::time::Duration;

use application::deadline::Deadline;
use application::orders::cancel::{CancelOrder, CancelOrderCommand, CancelOrderError};
use domain::identity::{OrderId, UserId};
use domain::order::OrderStatus;
use tokio::task::JoinHandle;

use super::Simulation;
use super::ablation::Ablated;
use super::cluster::pick;

/// How often out of 10 times a user decides to cancel: with a key when the order is requested, and
/// when it is acknowledged.
const CANCELLED: u64 = 3;

/// At most this many places cancel one order.
const PLACES_MAX: u64 = 2;

/// The longest waits until a user cancels: while the order is created, while its events are
/// handled, and while messages are delivered again.
const WAITS_MAX_MS: [u64; 3] = [1_000, 10_000, 100_000];

/// The part of Lambda's 10 s that cancel-order uses for its request.
const REQUEST: Duration = Duration::from_secs(9);

/// A user sends at most this many requests to cancel, or pairs of them.
const TRIES_MAX: u64 = 6;

/// A user's wish to cancel, however many requests were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancellation {
    /// Whether the order was acknowledged before.
    pub was_acknowledged: bool,
    /// The final answer to the user.
    pub reply: CancelReply,
}

/// What a user knows after asking to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReply {
    /// The order is cancelled.
    Cancelled,
    /// The order was rejected, so it can't be cancelled.
    Refused,
    /// There is no such order.
    NotFound,
    /// The order may or may not be cancelled.
    Unknown,
    /// Two requests at once got different final answers.
    Contradicted,
}

impl Simulation {
    /// Starts users who cancel the order of some intents.
    pub(super) fn start_cancelling(
        &self,
        user_id: UserId,
        order_id: OrderId,
        was_acknowledged: bool,
    ) -> Vec<JoinHandle<Cancellation>> {
        let places =
            if self.weather.below(10) < CANCELLED { 1 + self.weather.below(PLACES_MAX) } else { 0 };
        let command = Arc::new(CancelOrderCommand { user_id, order_id, traceparent: None });
        let start = |_| {
            let (simulation, command) = (self.clone(), Arc::clone(&command));
            tokio::spawn(async move {
                let reply = simulation.cancel(&command, was_acknowledged).await;
                let cancellation = Cancellation { was_acknowledged, reply };
                simulation.trace.add(|| format!("{order_id}: {cancellation:?}"));
                cancellation
            })
        };
        (0..places).map(start).collect()
    }

    /// Sends requests until the answer is final or the user gives up.
    async fn cancel(
        &self,
        command: &Arc<CancelOrderCommand>,
        was_acknowledged: bool,
    ) -> CancelReply {
        let is_final = |reply| match reply {
            CancelReply::Cancelled | CancelReply::Refused | CancelReply::Contradicted => true,
            // Before that, the order may still come.
            CancelReply::NotFound => was_acknowledged,
            CancelReply::Unknown => false,
        };
        let longest = *pick(&WAITS_MAX_MS, &self.weather);
        tokio::time::sleep(Duration::from_millis(self.weather.below(longest))).await;
        let mut known = CancelReply::Unknown;
        for _ in 0..=self.weather.below(TRIES_MAX) {
            let is_doubled = self.weather.below(4) == 0;
            let reply = if is_doubled {
                let (one, other) =
                    tokio::join!(self.ask_to_cancel(command), self.ask_to_cancel(command));
                match (is_final(one), is_final(other)) {
                    (true, true) if one != other => CancelReply::Contradicted,
                    (true, _) => one,
                    (false, _) => other,
                }
            } else {
                self.ask_to_cancel(command).await
            };
            known = reply;
            if is_final(reply) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200 + self.weather.below(4_000))).await;
        }
        known
    }

    async fn ask_to_cancel(&self, command: &Arc<CancelOrderCommand>) -> CancelReply {
        let world = self.machine();
        let cancel = CancelOrder {
            orders: world.tables.clone(),
            returns: Ablated { tables: world.tables, left_out: self.left_out },
            clock: world.clock,
            identities: world.identities,
        };
        let command = Arc::clone(command);
        let answer = self.answer_of(async move {
            match cancel.execute(&command, Deadline::after(REQUEST)).await {
                Ok(Some(order)) => {
                    assert_eq!(order.status(), OrderStatus::Cancelled);
                    CancelReply::Cancelled
                }
                Ok(None) => CancelReply::NotFound,
                Err(CancelOrderError::Refused(_)) => CancelReply::Refused,
                Err(CancelOrderError::NotStored(_) | CancelOrderError::Open(_)) => {
                    CancelReply::Unknown
                }
            }
        });
        answer.await.unwrap_or(CancelReply::Unknown)
    }
}
