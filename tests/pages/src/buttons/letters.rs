//! The dead letters.

use anyhow::Context;
use application::operations::list_dead_letters::{DeadLetterFilter, ListDeadLetters};
use application::operations::redrive::Redrive;
use application::outcome::chain;
use application::ports::DeadLetterId;
use domain::aggregate::AggregateKey;
use domain::identity::{EventId, OrderId};
use dynamodb::config::{DeadLettersTable, OrdersTable, TableName, UsersTable};
use dynamodb::{AggregateTables, Client, DynamoAggregates, DynamoDeadLetters};
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use rocketmq::publisher::RocketmqPublisher;
use serde::Serialize;

use super::{Buttons, Parts, Pressed};

/// How many letters are shown and redriven.
const LETTERS_MAX: usize = 20;

/// A dead letter in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Letter {
    id: String,
    event_type: String,
    handler: Option<String>,
    attempts: u32,
    reason: String,
    /// The order that raised the event, with the event.
    #[serde(skip)]
    raised_by: Option<(OrderId, EventId)>,
}

/// A redrive that publishes nothing: the sweep publishes the event.
type RedriveOnTables = Redrive<
    DynamoDeadLetters<AggregateTables>,
    DynamoAggregates,
    UuidIdentitySource,
    RocketmqPublisher,
    SystemClock,
>;

/// The tables with letters and with the aggregates that they came from.
struct Store {
    client: Client,
    orders: OrdersTable,
    users: UsersTable,
    letters: DeadLettersTable,
}

impl Store {
    fn of(parts: &Parts) -> anyhow::Result<Self> {
        let named = |id: &str| {
            let name = parts.names.table(id).with_context(|| format!("no table {id}"))?;
            anyhow::Ok(TableName::parse(name)?)
        };
        Ok(Self {
            client: parts.tables.clone(),
            orders: OrdersTable::named(named("OrdersTable")?),
            users: UsersTable::named(named("UsersTable")?),
            letters: DeadLettersTable::named(named("DeadLettersTable")?),
        })
    }

    fn redrive(self) -> RedriveOnTables {
        let Self { client, orders, users, letters } = self;
        let aggregates = DynamoAggregates::new(client.clone(), orders.clone(), users.clone());
        Redrive {
            letters: DynamoDeadLetters::new(client, letters).with_aggregates(orders, users),
            aggregates,
            identities: UuidIdentitySource,
            clock: SystemClock,
            publication: None,
        }
    }
}

/// The newest letters.
pub(super) async fn newest(parts: &Parts) -> anyhow::Result<Vec<Letter>> {
    let Store { client, letters, .. } = Store::of(parts)?;
    let list = ListDeadLetters { letters: DynamoDeadLetters::new(client, letters) };
    let listing = list.newest(&DeadLetterFilter::default(), LETTERS_MAX, |_| {}).await?;
    let letters = listing.items.into_iter().map(|letter| Letter {
        id: letter.id.to_string(),
        event_type: letter.event_type.unwrap_or_else(|| "unreadable".to_owned()),
        handler: letter.handler,
        attempts: letter.attempts,
        reason: letter.reason,
        raised_by: raised_by(letter.aggregate, letter.event_id),
    });
    Ok(letters.collect())
}

fn raised_by(
    aggregate: Option<AggregateKey>,
    event_id: Option<EventId>,
) -> Option<(OrderId, EventId)> {
    match aggregate? {
        AggregateKey::Order { order_id, .. } => Some((order_id, event_id?)),
        AggregateKey::Account { .. } | AggregateKey::Session { .. } | AggregateKey::Mail { .. } => {
            None
        }
    }
}

impl Buttons {
    pub(super) async fn redrive(&self, parts: &Parts) -> anyhow::Result<Pressed> {
        let letters = newest(parts).await?;
        anyhow::ensure!(!letters.is_empty(), "There is no dead letter.");
        let redrive = Store::of(parts)?.redrive();
        let (mut done, mut refused) = (0_u32, Vec::new());
        for letter in &letters {
            match redrive.redrive(&DeadLetterId::parse(&letter.id)?).await {
                Ok(_) => {
                    done += 1;
                    if let Some((order_id, event_id)) = letter.raised_by {
                        self.0.feed.redriven(&order_id.to_string(), event_id.to_string());
                    }
                }
                Err(error) => refused.push(chain(&error)),
            }
        }
        self.0.feed.note(format!("{done} of {} dead letters were redriven", letters.len()));
        match refused.first() {
            None => Ok(Pressed::said(format!(
                "{done} redriven: pending in its order again. The sweep publishes it within about a \
                 minute."
            ))),
            Some(reason) => {
                anyhow::bail!("{done} of {} were redriven. One was not: {reason}", letters.len())
            }
        }
    }
}
