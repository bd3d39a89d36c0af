//! What clients ask for, and what they are told.

use std::time::Duration;

use application::deadline::Deadline;
use application::orders::create::{CreateOrderCommand, CreateOrderError};
use application::ports::IdempotencyKey;
use domain::identity::{OrderId, UserId};
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use std::sync::Arc;

use super::{Simulation, ask};
use crate::samples::{key, lines, user};

/// How many clients there are.
const CLIENTS: u64 = 3;

/// The longest pause between two orders of a client. It decides how many there are in a storm.
const PAUSE_MAX_MS: u64 = 40_000;

/// What a function leaves of Lambda's 10 s for its request.
const REQUEST: Duration = Duration::from_secs(9);

/// How long a client waits for an answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(29);

/// How often a client asks under its key, at the most.
const TRIES_MAX: u64 = 12;

/// The users of intents: one for each, so that every order is known by its user.
const FIRST_USER: u64 = 1_000;

/// One thing that a client wants, however often it asks.
#[derive(Debug, Clone)]
pub struct Intent {
    /// For whom; nobody else's intent is for the same one.
    pub user_id: UserId,
    /// Under which name, if any.
    pub key: Option<IdempotencyKey>,
    /// What the client was told in the end.
    pub told: Told,
    /// How many requests it took.
    pub requests: u32,
}

/// A process of create-order: what it answers to a request, however many it gets.
type Instance = Arc<dyn Fn(CreateOrderCommand) -> BoxFuture<'static, Told> + Send + Sync>;

/// What a client knows in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The order was taken.
    Acknowledged(OrderId),
    /// The order was not taken, for good.
    Refused,
    /// The order was not taken this time.
    Unavailable,
    /// Nobody told.
    Unknown,
}

impl Simulation {
    /// Lets all clients ask for as long as the storm lasts, and to the end of what they have begun.
    pub(super) async fn serve_clients(self, storm: Duration) -> Vec<Intent> {
        let end = Deadline::after(storm);
        let clients = (0..CLIENTS).map(|number| self.clone().serve(number, end));
        join_all(clients).await.concat()
    }

    async fn serve(self, number: u64, end: Deadline) -> Vec<Intent> {
        let mut intents = Vec::new();
        // A function's process lives on from request to request, and so does what it remembers.
        let mut instance = self.instance(number != 0);
        loop {
            let pause = Duration::from_millis(self.weather.below(PAUSE_MAX_MS));
            tokio::time::sleep(pause).await;
            if end.has_passed() {
                return intents;
            }
            let user_id = user(FIRST_USER + number * 1_000 + u64::try_from(intents.len()).unwrap());
            intents.push(self.pursue(user_id, number, &mut instance).await);
        }
    }

    /// Asks until the answer is final, or the client gives up. Without a key it asks once.
    async fn pursue(&self, user_id: UserId, client: u64, instance: &mut Instance) -> Intent {
        let key = (self.weather.below(10) < 8).then(|| key(&format!("key-of-{user_id}")));
        let (product, quantity) = ask(&self.weather);
        let command = CreateOrderCommand {
            user_id,
            lines: lines(&[(product.get(), quantity)]),
            key: key.clone(),
            traceparent: None,
        };
        let mut intent = Intent { user_id, key, told: Told::Unknown, requests: 0 };
        // Without a key it asks once. Few have all the patience that there is.
        let patience = if intent.key.is_some() {
            1 + u32::try_from(self.weather.below(TRIES_MAX)).unwrap()
        } else {
            1
        };
        while intent.requests < patience {
            let doubled = intent.key.is_some() && self.weather.below(10) == 0;
            let (told, died) = if doubled {
                let another = self.instance(client != 0);
                let (one, other) = tokio::join!(
                    self.request(&command, instance),
                    self.request(&command, &another)
                );
                (heard(one.0, other.0), one.1)
            } else {
                self.request(&command, instance).await
            };
            intent.requests += 1 + u32::from(doubled);
            if died {
                *instance = self.instance(client != 0);
            }
            // What was unknown once stays so, until a yes or a final no.
            if intent.told == Told::Unknown && intent.requests > 1 && told == Told::Unavailable {
                intent.told = Told::Unknown;
            } else {
                intent.told = told;
            }
            if matches!(told, Told::Acknowledged(_) | Told::Refused) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500 + self.weather.below(8_000))).await;
        }
        self.trace.note(|| format!("{intent:?}"));
        intent
    }

    /// One request in a process, and whether that died.
    async fn request(&self, command: &CreateOrderCommand, instance: &Instance) -> (Told, bool) {
        let (process, answer) = self.processes.start(instance(command.clone()));
        match tokio::time::timeout(CLIENT_TIMEOUT, answer).await {
            Ok(Ok(told)) => (told, false),
            Ok(Err(_died)) => (Told::Unknown, true),
            Err(_patience_is_over) => {
                // Lambda ends it, or it goes on unheard once it thaws.
                let killed = self.weather.below(2) == 0;
                if killed {
                    process.kill();
                }
                (Told::Unknown, true)
            }
        }
    }
}

impl Simulation {
    /// A process of create-order.
    fn instance(&self, accept_without_broker: bool) -> Instance {
        let create = Arc::new(self.create_orders(accept_without_broker));
        Arc::new(move |command: CreateOrderCommand| {
            let create = Arc::clone(&create);
            async move {
                let answer = create.execute(&command, Deadline::after(REQUEST)).await;
                told(answer.map(|reply| reply.order.id()))
            }
            .boxed()
        })
    }
}

fn told(answer: Result<OrderId, CreateOrderError>) -> Told {
    match answer {
        Ok(order_id) => Told::Acknowledged(order_id),
        Err(
            CreateOrderError::UnknownProducts(_)
            | CreateOrderError::TotalTooLarge
            | CreateOrderError::KeyReused,
        ) => Told::Refused,
        Err(CreateOrderError::Unavailable { .. }) => Told::Unavailable,
        Err(CreateOrderError::Open { .. }) => Told::Unknown,
    }
}

/// What a client knows that was told two things.
fn heard(one: Told, other: Told) -> Told {
    match (one, other) {
        (Told::Acknowledged(id), _) | (_, Told::Acknowledged(id)) => Told::Acknowledged(id),
        (Told::Unknown, _) | (_, Told::Unknown) => Told::Unknown,
        (Told::Unavailable, _) | (_, Told::Unavailable) => Told::Unavailable,
        (Told::Refused, Told::Refused) => Told::Refused,
    }
}
