//! Creates an order: an order exists if and only if its `OrderCreated` is published.
//!
//! 1. A **half message** is stored at the broker, where no subscriber sees it.
//! 2. The **local transaction** is one conditional write of one item: the order, the attempt that
//!    created it, and its pending event.
//! 3. The half message **ends** as the write did: a commit, a rollback, or nothing while the
//!    outcome is unknown. The broker checks back what is not ended
//!    ([`crate::events::answer_check`]).
//!
//! Without a half message the order is created without the broker: its event is marked as never
//! sent, and the sweep publishes it ([`crate::events::sweep`]).

mod breaker;
mod budgets;
mod settlement;

use std::time::Duration;

use contracts::event::SCHEMA_VERSION;
use domain::event::EventStamp;
use domain::identity::{OrderId, ProductId, TransactionId, UserId};
use domain::order::{AtKey, NewOrder, Order, OrderLines, OrderNotCreated, StoredOrder};
use domain::pending::PendingEvent;
use domain::timestamp::Timestamp;

use super::identity::{created_event_of, order_of_key};
use crate::backoff::{Backoff, seed};
use crate::deadline::Deadline;
use crate::event::order_message;
use crate::lifetimes;
use crate::outcome::{Cause, Failure, FailureClass};
use crate::ports::{
    Catalog, Clock, HalfMessage, IdempotencyKey, IdentitySource, OrderCreation, OrderKeys,
    OutboundMessage, PrepareError, Resolution, TransactionalPublisher,
};

pub use breaker::CircuitBreaker;
pub use budgets::{Budgets, WithoutBroker};
use settlement::{Refusal, Settlement, settle};

#[derive(Debug, Clone)]
pub struct CreateOrderCommand {
    pub user_id: UserId,
    pub lines: OrderLines,
    pub key: Option<IdempotencyKey>,
    /// W3C Trace Context of the request, if it carried one.
    pub traceparent: Option<String>,
}

pub struct CreateOrder<Orders, Products, Publisher, Time, Identities> {
    pub orders: Orders,
    pub catalog: Products,
    pub publisher: Publisher,
    /// The wall clock, whose deadlines other processes compare.
    pub clock: Time,
    /// Makes the identifiers of attempts, and of orders without a key.
    pub identities: Identities,
    pub budgets: Budgets,
    pub without_broker: WithoutBroker,
}

/// An order was created, now or by an earlier request with the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderReply {
    /// The order as it was when it was created, without later changes.
    pub order: Order,
    /// Whether an earlier request created it.
    pub replayed: bool,
}

/// No order was created, or whether one was is unknown.
#[derive(Debug, thiserror::Error)]
pub enum CreateOrderError {
    /// Products are not in the catalog. Nothing was stored.
    #[error("unknown products")]
    UnknownProducts(Vec<ProductId>),
    /// The total is larger than the largest amount. Nothing was stored.
    #[error("the total is out of range")]
    TotalTooLarge,
    /// The idempotency key belongs to a request for something else. Nothing was stored.
    #[error("the idempotency key belongs to another request")]
    KeyReused,
    /// Something that the order needs is unavailable. Nothing was stored, and nothing will be.
    #[error("creating orders is temporarily unavailable: {what}")]
    Unavailable {
        /// The step that failed.
        what: &'static str,
        #[source]
        cause: Cause,
    },
    /// Whether the order was created is unknown. A retry with the same key settles it.
    #[error("whether the order was created is not known yet")]
    Open {
        /// The order, if it was created.
        order_id: OrderId,
        /// The error of the last try, for the log.
        #[source]
        cause: Cause,
    },
}

/// The part of the request's time that is kept for the answer, once the write is settled.
const ANSWER: Duration = Duration::from_millis(50);

struct Attempt<Receipt> {
    transaction_id: TransactionId,
    /// The attempt's half message; `None` if the order is created without the broker.
    half: Option<Receipt>,
    /// The end of the write, with all its tries, by the monotonic clock.
    deadline: Deadline,
    /// The same moment by the wall clock, as the half message carries it.
    deadline_at: Timestamp,
}

impl<Orders, Products, Publisher, Time, Identities>
    CreateOrder<Orders, Products, Publisher, Time, Identities>
where
    Orders: OrderCreation + OrderKeys,
    Products: Catalog,
    Publisher: TransactionalPublisher,
    Time: Clock,
    Identities: IdentitySource,
{
    /// Creates an order by `deadline`.
    ///
    /// # Errors
    ///
    /// [`CreateOrderError`]; each variant says what is stored.
    pub async fn execute(
        &self,
        command: &CreateOrderCommand,
        deadline: Deadline,
    ) -> Result<OrderReply, CreateOrderError> {
        let order_id = match &command.key {
            Some(key) => order_of_key(command.user_id, key),
            None => self.identities.order_id(),
        };
        tracing::Span::current().record("order_id", tracing::field::display(order_id));
        let (order, message) = match self.priced(command, order_id).await {
            Ok(priced) => priced,
            Err(error) => return self.replay_or(command, order_id, error).await,
        };
        tracing::Span::current().record("event_id", tracing::field::display(message.event_id));
        match self.begin(&message, deadline).await {
            Ok(attempt) => self.store(command, order, attempt, deadline).await,
            Err(failure) => {
                let error = unavailable("the broker did not store its half message", failure);
                self.replay_or(command, order_id, error).await
            }
        }
    }

    /// The order at today's prices, and the message of its event.
    async fn priced(
        &self,
        command: &CreateOrderCommand,
        order_id: OrderId,
    ) -> Result<(Order, OutboundMessage), CreateOrderError> {
        let products: Vec<_> = command.lines.iter().map(|(product, _)| product).collect();
        let prices = self
            .catalog
            .prices(&products)
            .await
            .map_err(|failure| unavailable("the catalog can't be read", failure))?;
        let price_of = |product: ProductId| prices.get(&product).copied();
        let stamp = EventStamp {
            event_id: created_event_of(order_id),
            schema_version: SCHEMA_VERSION,
            traceparent: command.traceparent.clone(),
        };
        let now = self.clock.now();
        let created =
            Order::create(order_id, command.user_id, &command.lines, price_of, now, stamp);
        let (order, event) = created.map_err(|error| match error {
            OrderNotCreated::UnknownProducts(ids) => CreateOrderError::UnknownProducts(ids),
            OrderNotCreated::TotalTooLarge => CreateOrderError::TotalTooLarge,
        })?;
        let message = order_message(&event)
            .map_err(|error| unavailable("its event can't be encoded", error))?;
        Ok((order, message))
    }

    /// An attempt with a half message, or without one where that is accepted.
    async fn begin(
        &self,
        message: &OutboundMessage,
        request: Deadline,
    ) -> Result<Attempt<Publisher::Receipt>, Cause> {
        let WithoutBroker::Accept(breaker) = &self.without_broker else {
            return self.prepare(message, request).await;
        };
        if breaker.is_open(self.clock.now()) {
            tracing::warn!("creating the order without the broker, which was away a moment ago");
            return Ok(self.attempt(request));
        }
        match self.prepare(message, request).await {
            Ok(attempt) => {
                breaker.succeeded();
                Ok(attempt)
            }
            Err(error) => {
                breaker.failed(self.clock.now());
                tracing::warn!(
                    error = error.as_ref() as &dyn std::error::Error,
                    "creating the order without the broker"
                );
                // The order gets a new attempt. Those of the failed tries are abandoned, and a
                // check-back rolls back their half messages if they were stored.
                Ok(self.attempt(request))
            }
        }
    }

    /// A new attempt without a half message.
    fn attempt(&self, request: Deadline) -> Attempt<Publisher::Receipt> {
        let deadline =
            Deadline::after(self.budgets.transaction).or_earlier(request.less(self.budgets.end));
        Attempt {
            transaction_id: self.identities.transaction_id(),
            half: None,
            deadline,
            deadline_at: self.clock.now().plus(deadline.remaining()),
        }
    }

    /// An attempt whose half message is stored. Each try has an attempt of its own, so that a try
    /// that was stored unnoticed is rolled back without affecting the next one.
    async fn prepare(
        &self,
        message: &OutboundMessage,
        request: Deadline,
    ) -> Result<Attempt<Publisher::Receipt>, Cause> {
        let limit = Deadline::after(self.budgets.half_message).or_earlier(request);
        let mut pause = Backoff::new(
            Duration::from_millis(20),
            Duration::from_millis(200),
            seed(message.event_id.as_uuid()),
        );
        loop {
            let attempt = self.attempt(request);
            let half = HalfMessage {
                message,
                transaction_id: attempt.transaction_id,
                deadline: attempt.deadline_at,
                is_recorded: false,
            };
            let within = Deadline::after(self.budgets.half_message_try).or_earlier(limit);
            let error = match self.publisher.prepare(&half, within).await {
                Ok(receipt) => return Ok(Attempt { half: Some(receipt), ..attempt }),
                Err(error) => error,
            };
            tracing::warn!(
                transaction_id = %attempt.transaction_id,
                error = &error as &dyn std::error::Error,
                "abandoned a half message"
            );
            if limit.has_passed() || self.is_final(&error) {
                return Err(Box::new(error));
            }
            pause.wait(limit).await;
        }
    }

    /// Whether another try is useless. A broker that does not vouch for a message now won't in a
    /// moment either, and the order can be created without the broker.
    const fn is_final(&self, error: &PrepareError) -> bool {
        matches!(
            (&self.without_broker, error),
            (WithoutBroker::Accept(_), PrepareError::Doubtful(_))
        )
    }

    /// Makes the creating write, and ends the half message by its outcome.
    async fn store(
        &self,
        command: &CreateOrderCommand,
        order: Order,
        attempt: Attempt<Publisher::Receipt>,
        request: Deadline,
    ) -> Result<OrderReply, CreateOrderError> {
        let transaction_id = attempt.transaction_id;
        tracing::Span::current().record("transaction_id", tracing::field::display(transaction_id));
        let now = self.clock.now();
        let pending = if attempt.half.is_some() {
            PendingEvent::sent(transaction_id, now, now.plus(lifetimes::SWEEP_AFTER))
        } else {
            PendingEvent::unsent(transaction_id, now)
        };
        let new = NewOrder::new(order, transaction_id, pending);
        let (deadline, deadline_at) = (attempt.deadline, attempt.deadline_at);
        match settle(&self.orders, &self.clock, &new, deadline, deadline_at).await {
            Settlement::Committed => {
                self.end(&attempt, Resolution::Commit, request).await;
                Ok(OrderReply { order: new.into_stored().order, replayed: false })
            }
            Settlement::Refused(refusal) => {
                self.end(&attempt, Resolution::Rollback, request).await;
                refused(refusal, &command.lines)
            }
            Settlement::Unknown(failure) => {
                Err(CreateOrderError::Open { order_id: new.order().id(), cause: failure.into() })
            }
        }
    }

    /// Ends the half message, if there is one. A failure does not change the answer: the check-back
    /// or the sweep repairs it. So it must not use the time that the answer needs.
    async fn end(
        &self,
        attempt: &Attempt<Publisher::Receipt>,
        resolution: Resolution,
        request: Deadline,
    ) {
        let Some(half) = &attempt.half else { return };
        let within = Deadline::after(self.budgets.end).or_earlier(request.less(ANSWER));
        if let Err(error) = self.publisher.end(half, resolution, within).await {
            tracing::warn!(
                ?resolution,
                error = &error as &dyn std::error::Error,
                "the end of the half message is left to its check-back"
            );
        }
    }

    /// A request with a key that would be refused for a reason that can change may have succeeded
    /// before. Then the stored order is the answer.
    async fn replay_or(
        &self,
        command: &CreateOrderCommand,
        order_id: OrderId,
        error: CreateOrderError,
    ) -> Result<OrderReply, CreateOrderError> {
        if command.key.is_none() {
            return Err(error);
        }
        // If it is unknown whether the key created an order before, the answer must be one that a
        // client tries again.
        let unreadable = "an earlier order of the key can't be read";
        match self.orders.at_key(command.user_id, order_id).await {
            Ok(AtKey::Created { stored: Some(stored), .. }) => replay(*stored, &command.lines),
            Ok(AtKey::Created { stored: None, .. }) => {
                let newer = Failure::new(FailureClass::Permanent, "newer code stored the order");
                Err(unavailable(unreadable, newer))
            }
            Ok(AtKey::Absent | AtKey::Tombstone(_)) => Err(error),
            Err(failure) => Err(unavailable(unreadable, failure)),
        }
    }
}

fn refused(refusal: Refusal, lines: &OrderLines) -> Result<OrderReply, CreateOrderError> {
    match refusal {
        Refusal::Created(stored) => replay(*stored, lines),
        Refusal::Fenced => Err(unavailable(
            "it took longer than its deadline",
            Failure::new(FailureClass::Conflict, "a check-back fenced the attempt"),
        )),
        Refusal::NotStored(failure) => Err(unavailable("the order can't be stored", failure)),
    }
}

/// A key belongs to the request that created its order. A request for the same lines is a
/// repetition of it.
fn replay(stored: StoredOrder, lines: &OrderLines) -> Result<OrderReply, CreateOrderError> {
    if stored.order.has_lines(lines) {
        Ok(OrderReply { order: stored.order.as_created(), replayed: true })
    } else {
        Err(CreateOrderError::KeyReused)
    }
}

fn unavailable(what: &'static str, cause: impl Into<Cause>) -> CreateOrderError {
    CreateOrderError::Unavailable { what, cause: cause.into() }
}
