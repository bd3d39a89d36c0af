//! Takes an order: an order exists if and only if its `OrderCreated` is published.
//!
//! 1. A **half message** is stored at the broker, where nobody sees it.
//! 2. The **local transaction** stores order, outbox copy, the attempt's record and the idempotency
//!    key's, all or none.
//! 3. The half message **ends** as the transaction did: a commit, a rollback, or, while nobody
//!    knows, nothing at all. What is not ended is checked back ([`crate::answer_check`]).
//!
//! Where no half message can be had, the order is taken without the broker: its event is recorded
//! as unpublished, and the sweep publishes it ([`crate::sweep`]).

mod breaker;
mod command;
mod settlement;

use contracts::event::SCHEMA_VERSION;
use domain::event::EventStamp;
use domain::identity::{EventId, OrderId, ProductId, TransactionId};
use domain::order::{Order, OrderNotCreated};
use domain::timestamp::Timestamp;
use std::time::Duration;

use crate::backoff::{Backoff, seed};
use crate::deadline::Deadline;
use crate::event::{order_body, order_message};
use crate::lifetimes;
use crate::outcome::{Cause, Failure, FailureClass};
use crate::ports::{
    Catalog, Clock, HalfMessage, IdempotencyRecord, IdentitySource, OrderRepository,
    OutboundMessage, Placement, PrepareError, RecordedEvent, RequestHash, Resolution,
    TransactionalPublisher,
};

pub use breaker::CircuitBreaker;
pub use command::CreateOrderCommand;
use settlement::{Refusal, Settlement, settle};

/// How long each step may take.
#[derive(Debug, Clone, Copy)]
pub struct Budgets {
    /// One try to store a half message.
    pub half_message_try: Duration,
    /// All of them.
    pub half_message: Duration,
    /// The local transaction with all its tries.
    pub transaction: Duration,
    /// The end of the half message.
    pub end: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            half_message_try: Duration::from_millis(400),
            half_message: Duration::from_secs(2),
            transaction: Duration::from_secs(3),
            end: Duration::from_secs(1),
        }
    }
}

/// The use case with the ports it needs.
pub struct CreateOrder<R, C, P, K, I> {
    /// Where orders are stored.
    pub orders: R,
    /// What is sold at which price.
    pub catalog: C,
    /// Sends in two steps.
    pub publisher: P,
    /// The wall clock.
    pub clock: K,
    /// Makes identifiers.
    pub identities: I,
    /// How long each step may take.
    pub budgets: Budgets,
    /// What is done where no half message can be had.
    pub without_broker: WithoutBroker,
}

/// What is done where no half message can be had.
#[derive(Debug)]
pub enum WithoutBroker {
    /// The order is taken, and the sweep publishes its event. The half message is not even tried
    /// while the breaker is open.
    Accept(CircuitBreaker),
    /// The order is not taken.
    Refuse,
}

/// An order was taken, now or by an earlier request with the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderTaken {
    /// Which one.
    pub order_id: OrderId,
    /// What the client is told: the order as it was taken, in JSON.
    pub answer: String,
    /// Whether an earlier request took it.
    pub replayed: bool,
}

/// No order was taken, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum CreateOrderError {
    /// Products are not in the catalog. Nothing was stored.
    #[error("unknown products")]
    UnknownProducts(Vec<ProductId>),
    /// The sum is more than an amount can hold. Nothing was stored.
    #[error("the total is out of range")]
    TotalTooLarge,
    /// The idempotency key belongs to a request for something else. Nothing was stored.
    #[error("the idempotency key belongs to another request")]
    KeyReused,
    /// Something that the order needs is away or busy. Nothing was stored, and nothing will be.
    #[error("no order can be taken right now: {what}")]
    Unavailable {
        /// What is away.
        what: &'static str,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// Nobody knows whether the order was taken. A retry with the same key settles it.
    #[error("whether the order was taken is not known yet")]
    Open {
        /// The order, if it was taken.
        order_id: OrderId,
        /// Why it isn't known.
        #[source]
        cause: Cause,
    },
}

/// What is kept of the request's time for its answer, once the local transaction is settled.
const ANSWER: Duration = Duration::from_millis(50);

/// An attempt to store the order.
struct Attempt<T> {
    transaction_id: TransactionId,
    /// Its half message; none when the order is taken without the broker.
    half: Option<T>,
    /// The end of the local transaction by the monotonic clock.
    deadline: Deadline,
    /// The same moment by the wall clock, as the half message tells it.
    deadline_at: Timestamp,
}

impl<R, C, P, K, I> CreateOrder<R, C, P, K, I>
where
    R: OrderRepository,
    C: Catalog,
    P: TransactionalPublisher,
    K: Clock,
    I: IdentitySource,
{
    /// Takes an order by `deadline`.
    ///
    /// # Errors
    ///
    /// [`CreateOrderError`]; each variant says what is stored.
    pub async fn execute(
        &self,
        command: &CreateOrderCommand,
        deadline: Deadline,
    ) -> Result<OrderTaken, CreateOrderError> {
        let order_id = self.identities.order_id();
        let event_id = self.identities.event_id();
        tracing::Span::current().record("order_id", tracing::field::display(order_id));
        tracing::Span::current().record("event_id", tracing::field::display(event_id));
        let (order, message) = match self.priced(command, order_id, event_id).await {
            Ok(placed) => placed,
            Err(error) => return self.replay_or(command, error).await,
        };
        match self.begin(&message, deadline).await {
            Ok(attempt) => self.take(command, &order, message, attempt, deadline).await,
            Err(failure) => {
                let error = unavailable("the broker didn't take its half message", failure);
                self.replay_or(command, error).await
            }
        }
    }

    /// The order at today's prices and the message that will tell it.
    async fn priced(
        &self,
        command: &CreateOrderCommand,
        order_id: OrderId,
        event_id: EventId,
    ) -> Result<(Order, OutboundMessage), CreateOrderError> {
        let products: Vec<_> = command.lines.iter().map(|(product, _)| product).collect();
        let prices = self
            .catalog
            .prices(&products)
            .await
            .map_err(|failure| unavailable("the catalog can't be read", failure))?;
        let price_of = |product: ProductId| prices.get(&product).copied();
        let now = self.clock.now();
        let stamp = EventStamp {
            event_id,
            schema_version: SCHEMA_VERSION,
            traceparent: command.traceparent.clone(),
        };
        let (order, event) =
            Order::create(order_id, command.user_id, &command.lines, price_of, now, stamp)
                .map_err(|error| match error {
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
    ) -> Result<Attempt<P::Receipt>, Cause> {
        let WithoutBroker::Accept(breaker) = &self.without_broker else {
            return self.prepare(message, request).await;
        };
        if breaker.is_open(self.clock.now()) {
            tracing::warn!("takes the order without the broker, which was away a moment ago");
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
                    "takes the order without the broker"
                );
                // The tries' own attempts are abandoned: none of them may share this one's fate,
                // and the fence retires those that were stored.
                Ok(self.attempt(request))
            }
        }
    }

    /// A new attempt, still without a half message.
    fn attempt(&self, request: Deadline) -> Attempt<P::Receipt> {
        let deadline =
            Deadline::after(self.budgets.transaction).or_earlier(request.less(self.budgets.end));
        Attempt {
            transaction_id: self.identities.transaction_id(),
            half: None,
            deadline,
            deadline_at: self.clock.now().plus(deadline.remaining()),
        }
    }

    /// An attempt whose half message is stored. Each try belongs to an attempt of its own, so that
    /// a try which was stored unnoticed is retired without touching the next.
    async fn prepare(
        &self,
        message: &OutboundMessage,
        request: Deadline,
    ) -> Result<Attempt<P::Receipt>, Cause> {
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

    /// Whether another try is in vain. A broker that vouches for no message now won't in a moment
    /// either, and the order can do without it.
    const fn is_final(&self, error: &PrepareError) -> bool {
        matches!(
            (&self.without_broker, error),
            (WithoutBroker::Accept(_), PrepareError::Doubtful(_))
        )
    }

    /// The local transaction, and the end of the half message as it went.
    async fn take(
        &self,
        command: &CreateOrderCommand,
        order: &Order,
        message: OutboundMessage,
        attempt: Attempt<P::Receipt>,
        request: Deadline,
    ) -> Result<OrderTaken, CreateOrderError> {
        let transaction_id = attempt.transaction_id;
        tracing::Span::current().record("transaction_id", tracing::field::display(transaction_id));
        let now = self.clock.now();
        let answer = serde_json::to_string(&order_body(order))
            .map_err(|error| unavailable("its answer can't be encoded", error))?;
        let unpublished = attempt.half.is_none();
        let event = RecordedEvent {
            message,
            transaction_id,
            recorded_at: now,
            unpublished,
            sweep_due: if unpublished { now } else { now.plus(lifetimes::SWEEP_AFTER) },
        };
        let request_hash = command.hash();
        let record = IdempotencyRecord {
            request_hash,
            order_id: order.id(),
            answer: answer.clone(),
            transaction_id,
            expires_at: now.plus(lifetimes::IDEMPOTENCY_KEY),
        };
        let idempotency = command.key.as_ref().map(|key| (key, &record));
        let placement = Placement { order, event: &event, idempotency, now };
        let settlement =
            settle(&self.orders, &self.clock, &placement, attempt.deadline, attempt.deadline_at)
                .await;
        match settlement {
            Settlement::Committed => {
                self.end(&attempt, Resolution::Commit, request).await;
                Ok(OrderTaken { order_id: order.id(), answer, replayed: false })
            }
            Settlement::Refused(refusal) => {
                self.end(&attempt, Resolution::Rollback, request).await;
                refused(refusal, request_hash)
            }
            Settlement::Unknown(failure) => {
                Err(CreateOrderError::Open { order_id: order.id(), cause: failure.into() })
            }
        }
    }

    /// Ends the half message, if there is one. A failure changes nothing for the client: the
    /// check-back or the sweep repairs it. So it must not take the time that the answer needs.
    async fn end(&self, attempt: &Attempt<P::Receipt>, resolution: Resolution, request: Deadline) {
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

    /// A keyed request that is about to be refused for a reason that can change may have succeeded
    /// before, and then is answered as it was then.
    async fn replay_or(
        &self,
        command: &CreateOrderCommand,
        error: CreateOrderError,
    ) -> Result<OrderTaken, CreateOrderError> {
        let Some(key) = &command.key else { return Err(error) };
        match self.orders.remembered(command.user_id, key, self.clock.now()).await {
            Ok(Some(record)) => replay(record, command.hash()),
            Ok(None) => Err(error),
            Err(failure) => {
                // Whether the key took an order before is not known, so the answer must be one that
                // a client tries again.
                Err(unavailable("the idempotency record can't be read", failure))
            }
        }
    }
}

fn refused(refusal: Refusal, asked: RequestHash) -> Result<OrderTaken, CreateOrderError> {
    match refusal {
        Refusal::Remembered(record) => replay(record, asked),
        Refusal::Fenced => Err(unavailable(
            "it took longer than its deadline",
            Failure::new(FailureClass::Conflict, "a check-back fenced the attempt"),
        )),
        Refusal::NotStored(failure) => Err(unavailable("the order can't be stored", failure)),
    }
}

fn replay(record: IdempotencyRecord, asked: RequestHash) -> Result<OrderTaken, CreateOrderError> {
    if record.request_hash != asked {
        return Err(CreateOrderError::KeyReused);
    }
    Ok(OrderTaken { order_id: record.order_id, answer: record.answer, replayed: true })
}

fn unavailable(what: &'static str, cause: impl Into<Cause>) -> CreateOrderError {
    CreateOrderError::Unavailable { what, cause: cause.into() }
}
