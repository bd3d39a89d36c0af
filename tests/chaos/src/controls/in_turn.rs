//! event-consumer asks brokers in turn, and waits for each.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::{EventSubscription, Topic};
use event_consumer::config::Config;
use harness::broker::broker_addresses;
use harness::remoting::{Frame, ask, code};
use platform::settings::Settings;

/// How long a broker is waited for: as long as event-consumer waits for a silent broker's messages.
const WAIT: Duration = Duration::from_millis(4_500);

const PAUSE: Duration = Duration::from_millis(100);

/// Hands messages over once each broker has answered for each topic, or the wait for it is over: as
/// a loop over topics and brokers does that returns what it has received from all of them.
struct InTurn<Subscription> {
    subscription: Subscription,
    /// `host:port`.
    brokers: Vec<String>,
}

impl<Subscription> InTurn<Subscription> {
    async fn wait_for_all(&self) {
        let sources = Topic::ALL.iter().flat_map(|_| &self.brokers);
        for broker in sources {
            // A broker that does not answer is waited for in vain.
            drop(tokio::time::timeout(WAIT, answers(broker)).await);
        }
    }
}

async fn answers(broker: &str) {
    // Any answer counts.
    let fields = BTreeMap::from([("topic".to_owned(), "-".to_owned())]);
    let question = Frame::request(code::GET_TOPIC_CONFIG, 1, fields);
    while ask(broker, &question).await.is_err() {
        tokio::time::sleep(PAUSE).await;
    }
}

impl<Subscription: EventSubscription> EventSubscription for InTurn<Subscription> {
    type Delivery = Subscription::Delivery;

    async fn receive(
        &self,
        most: usize,
        deadline: Deadline,
    ) -> Result<Vec<Self::Delivery>, Failure> {
        let received = self.subscription.receive(most, deadline).await;
        self.wait_for_all().await;
        received
    }

    async fn acknowledge(&self, delivery: &Self::Delivery) -> WriteTry<Infallible> {
        self.subscription.acknowledge(delivery).await
    }

    async fn retry_after(
        &self,
        delivery: &Self::Delivery,
        delay: Duration,
    ) -> WriteTry<Infallible> {
        self.subscription.retry_after(delivery, delay).await
    }
}

pub(super) async fn run() -> anyhow::Result<()> {
    let config = Config::read(Settings::from_environment())?;
    let brokers = broker_addresses(&config.rocketmq.name_servers.joined()).await?;
    let in_turn = |subscription| InTurn { subscription, brokers };
    super::consume(in_turn, |aggregates| aggregates).await
}
