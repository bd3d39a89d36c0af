//! Deliveries that go nowhere, in place of an hour of waiting.

use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::Settled;
use application::ports::{Delivery, EventSubscription};
use platform::clock::SystemClock;
use rocketmq::subscription::RocketmqSubscription;

use crate::provision::{Endpoints, Names, rocketmq_config};

/// Has the one message on a system's order topic delivered to event-consumer's group, and not
/// acknowledged, until it was delivered `times` times. Nothing else may consume meanwhile.
///
/// # Errors
/// When it was not within `limit`.
pub async fn deliver_in_vain(
    endpoints: &Endpoints,
    names: &Names,
    times: u32,
    limit: Duration,
) -> anyhow::Result<()> {
    let config = rocketmq_config(endpoints, names)?;
    let subscription = RocketmqSubscription::start(config, SystemClock)?;
    let deadline = Deadline::after(limit);
    let mut delivered = 0;
    while delivered < times {
        anyhow::ensure!(!deadline.has_passed(), "it was delivered {delivered} times");
        for delivery in subscription.receive(32, deadline).await.unwrap_or_default() {
            let settled = subscription.retry_after(&delivery, Duration::ZERO).await;
            anyhow::ensure!(matches!(settled, Settled::Done), "{settled:?}");
            delivered = delivery.redeliveries() + 1;
        }
    }
    subscription.shutdown().await;
    Ok(())
}
