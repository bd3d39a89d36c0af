//! An event of a type or a version that this code does not know is given up, as an unreadable one
//! is.

use std::convert::Infallible;
use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::{Delivery, EventSubscription, MessageId, UnreadableBody};
use contracts::event::Event;

struct WithoutPatience<Subscription>(Subscription);

struct Strict<Received> {
    received: Received,
    unknown: Option<UnreadableBody>,
}

impl<Received: Delivery> Strict<Received> {
    fn new(received: Received) -> Self {
        let unknown = match received.body().map(Event::decode) {
            Ok(Err(error)) if error.may_be_newer() => Some(UnreadableBody(error.to_string())),
            Ok(Ok(_) | Err(_)) | Err(_) => None,
        };
        Self { received, unknown }
    }
}

impl<Received: Delivery> Delivery for Strict<Received> {
    fn message_id(&self) -> &MessageId {
        self.received.message_id()
    }

    fn body(&self) -> Result<&[u8], &UnreadableBody> {
        self.unknown.as_ref().map_or_else(|| self.received.body(), Err)
    }

    fn raw_body(&self) -> &[u8] {
        self.received.raw_body()
    }

    fn property(&self, name: &str) -> Option<&str> {
        self.received.property(name)
    }

    fn redeliveries(&self) -> u32 {
        self.received.redeliveries()
    }
}

impl<Subscription: EventSubscription> EventSubscription for WithoutPatience<Subscription> {
    type Delivery = Strict<Subscription::Delivery>;

    async fn receive(
        &self,
        most: usize,
        deadline: Deadline,
    ) -> Result<Vec<Self::Delivery>, Failure> {
        let received = self.0.receive(most, deadline).await?;
        Ok(received.into_iter().map(Strict::new).collect())
    }

    async fn acknowledge(&self, delivery: &Self::Delivery) -> WriteTry<Infallible> {
        self.0.acknowledge(&delivery.received).await
    }

    async fn retry_after(
        &self,
        delivery: &Self::Delivery,
        delay: Duration,
    ) -> WriteTry<Infallible> {
        self.0.retry_after(&delivery.received, delay).await
    }
}

pub(super) async fn run() -> anyhow::Result<()> {
    super::consume(WithoutPatience, |aggregates| aggregates).await
}
