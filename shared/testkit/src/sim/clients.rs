//! Clients: their requests, and the answers that they get.

use std::time::Duration;

use application::deadline::Deadline;
use application::orders::create::{CreateOrderCommand, CreateOrderError};
use application::orders::identity::order_of_key;
use application::ports::IdempotencyKey;
use domain::identity::{OrderId, UserId};
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use std::sync::Arc;
use tokio::task::JoinHandle;

use super::cancels::Cancellation;
use super::{Simulation, draw_line};
use crate::samples::{key, lines, user};

const CLIENTS: u64 = 3;

/// The longest pause between two orders of a client. It decides how many orders a storm has.
const PAUSE_MAX_MS: u64 = 40_000;

/// The part of Lambda's 10 s that create-order uses for its request.
const REQUEST: Duration = Duration::from_secs(9);

/// How long a client waits for an answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(29);

/// A client sends at most this many requests with one key.
const TRIES_MAX: u64 = 12;

/// The users of intents. Each intent has its own user, so the user of an order identifies the
/// intent.
const FIRST_USER: u64 = 1_000;

/// One order that a client wants, however many requests it sends.
#[derive(Debug, Clone)]
pub struct Intent {
    /// The user of the order; no other intent has the same one.
    pub user_id: UserId,
    /// The idempotency key of all its requests. Without one, there is a single request.
    pub key: Option<IdempotencyKey>,
    /// The final answer to the client.
    pub reply: Reply,
    /// How many requests the client sent.
    pub requests: u32,
    /// What its user knows after each wish to cancel it.
    pub cancellations: Vec<Cancellation>,
}

/// A process of create-order, which answers any number of requests.
type Instance = Arc<dyn Fn(CreateOrderCommand) -> BoxFuture<'static, Reply> + Send + Sync>;

/// What a client knows after its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The order was created.
    Acknowledged(OrderId),
    /// The order was refused for good.
    Refused,
    /// The order was not created by this request.
    Unavailable,
    /// The order may or may not exist.
    Unknown,
}

impl Simulation {
    /// Lets all clients send orders while the storm lasts. Each finishes the order that it has
    /// begun.
    pub(super) async fn serve_clients(self, storm: Duration) -> Vec<Intent> {
        let end = Deadline::after(storm);
        let clients = (0..CLIENTS).map(|number| self.clone().serve(number, end));
        join_all(clients).await.concat()
    }

    async fn serve(self, number: u64, end: Deadline) -> Vec<Intent> {
        let (mut intents, mut cancels) = (Vec::<Intent>::new(), Vec::new());
        // A function's process serves many requests, and keeps its circuit breaker's state.
        let mut instance = self.instance(number != 0);
        loop {
            let pause = Duration::from_millis(self.weather.below(PAUSE_MAX_MS));
            tokio::time::sleep(pause).await;
            if end.has_passed() {
                break;
            }
            let user_id = user(FIRST_USER + number * 1_000 + u64::try_from(intents.len()).unwrap());
            let (intent, cancelling) = self.pursue(user_id, number, &mut instance).await;
            intents.push(intent);
            cancels.push(cancelling);
        }
        for (intent, cancelling) in intents.iter_mut().zip(cancels) {
            intent.cancellations =
                join_all(cancelling).await.into_iter().map(Result::unwrap).collect();
        }
        intents
    }

    /// Sends requests until the answer is final or the client gives up. Without a key it sends one.
    /// Meanwhile and afterwards its user may cancel: with a key the order's id is known before it
    /// exists, as from an answer that never came.
    async fn pursue(
        &self,
        user_id: UserId,
        client: u64,
        instance: &mut Instance,
    ) -> (Intent, Vec<JoinHandle<Cancellation>>) {
        let key = (self.weather.below(10) < 8).then(|| key(&format!("key-of-{user_id}")));
        let (product, quantity) = draw_line(&self.weather);
        let command = CreateOrderCommand {
            user_id,
            lines: lines(&[(product.get(), quantity)]),
            key: key.clone(),
            traceparent: None,
        };
        let mut cancelling = Vec::new();
        if let Some(key) = &key {
            cancelling.extend(self.start_cancelling(user_id, order_of_key(user_id, key), false));
        }
        let (reply, cancellations) = (Reply::Unknown, Vec::new());
        let mut intent = Intent { user_id, key, reply, requests: 0, cancellations };
        // Few clients use all the tries that they may.
        let patience = if intent.key.is_some() {
            1 + u32::try_from(self.weather.below(TRIES_MAX)).unwrap()
        } else {
            1
        };
        while intent.requests < patience {
            let doubled = intent.key.is_some() && self.weather.below(10) == 0;
            let (reply, died) = if doubled {
                let another = self.instance(client != 0);
                let (one, other) = tokio::join!(
                    self.request(&command, instance),
                    self.request(&command, &another)
                );
                (combined(one.0, other.0), one.1)
            } else {
                self.request(&command, instance).await
            };
            intent.requests += 1 + u32::from(doubled);
            if died {
                *instance = self.instance(client != 0);
            }
            // An unknown outcome stays unknown until a request is acknowledged or refused for good.
            if intent.reply == Reply::Unknown && intent.requests > 1 && reply == Reply::Unavailable
            {
                intent.reply = Reply::Unknown;
            } else {
                intent.reply = reply;
            }
            if matches!(reply, Reply::Acknowledged(_) | Reply::Refused) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500 + self.weather.below(8_000))).await;
        }
        self.trace.add(|| format!("{intent:?}"));
        if let Reply::Acknowledged(order_id) = intent.reply {
            cancelling.extend(self.start_cancelling(user_id, order_id, true));
        }
        (intent, cancelling)
    }

    /// The answer to one request, and whether its process died.
    async fn request(&self, command: &CreateOrderCommand, instance: &Instance) -> (Reply, bool) {
        let answer = self.answer_of(instance(command.clone())).await;
        answer.map_or((Reply::Unknown, true), |reply| (reply, false))
    }

    /// The answer of a new process; `None` if it died, or the client waited too long for it.
    pub(super) async fn answer_of<Answer: Send + 'static>(
        &self,
        request: impl Future<Output = Answer> + Send + 'static,
    ) -> Option<Answer> {
        let (process, answer) = self.processes.start(request);
        if let Ok(answer) = tokio::time::timeout(CLIENT_TIMEOUT, answer).await {
            return answer.ok();
        }
        // Lambda ends the process, or it goes on after a thaw without a client.
        if self.weather.below(2) == 0 {
            process.kill();
        }
        None
    }
}

impl Simulation {
    fn instance(&self, accept_without_broker: bool) -> Instance {
        let create = Arc::new(self.create_orders(accept_without_broker));
        Arc::new(move |command: CreateOrderCommand| {
            let create = Arc::clone(&create);
            async move {
                let answer = create.execute(&command, Deadline::after(REQUEST)).await;
                reply(answer.map(|created| created.order.id()))
            }
            .boxed()
        })
    }
}

fn reply(answer: Result<OrderId, CreateOrderError>) -> Reply {
    match answer {
        Ok(order_id) => Reply::Acknowledged(order_id),
        Err(
            CreateOrderError::UnknownProducts(_)
            | CreateOrderError::TotalTooLarge
            | CreateOrderError::KeyReused,
        ) => Reply::Refused,
        Err(CreateOrderError::Unavailable { .. }) => Reply::Unavailable,
        Err(CreateOrderError::Open { .. }) => Reply::Unknown,
    }
}

/// What a client knows after two answers.
fn combined(one: Reply, other: Reply) -> Reply {
    match (one, other) {
        (Reply::Acknowledged(id), _) | (_, Reply::Acknowledged(id)) => Reply::Acknowledged(id),
        (Reply::Unknown, _) | (_, Reply::Unknown) => Reply::Unknown,
        (Reply::Unavailable, _) | (_, Reply::Unavailable) => Reply::Unavailable,
        (Reply::Refused, Reply::Refused) => Reply::Refused,
    }
}
