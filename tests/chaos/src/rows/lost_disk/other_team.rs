//! Another team's consumer group, which reads some of the events before a fault, and the rest after
//! it.

use std::collections::BTreeSet;
use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::WriteTry;
use application::ports::{Delivery, EventSubscription};
use contracts::message::EVENT_ID;
use harness::broker::broker_address;
use harness::provision::{Names, create_topics, rocketmq_config};
use harness::remoting::{Frame, ask, code, fields, status};
use platform::clock::SystemClock;
use rocketmq::subscription::RocketmqSubscription;

use crate::rig::Rig;

/// Longer than a message that was given, and not acknowledged, is invisible.
const QUIET: Duration = Duration::from_secs(40);

const POLL: Duration = Duration::from_secs(3);

const AT_ONCE: usize = 8;

pub(super) struct OtherTeam {
    names: Names,
    /// The `event_id` of each event that the group was given.
    given: BTreeSet<String>,
}

impl OtherTeam {
    /// Creates the group, which begins with the oldest message.
    pub(super) async fn join(rig: &Rig<'_>) -> anyhow::Result<Self> {
        let names = rig.system.names.clone();
        let group_prefix = format!("others-{}", names.group_prefix);
        let names = Names { group_prefix, ..names };
        create_topics(&rig.system.endpoints, &names).await?;
        Ok(Self { names, given: BTreeSet::new() })
    }

    /// Reads until the group was given `count` more events.
    pub(super) async fn read(&mut self, rig: &Rig<'_>, count: usize) -> anyhow::Result<()> {
        let enough = self.given.len() + count;
        self.read_until(rig, |given| given.len() >= enough).await?;
        anyhow::ensure!(self.given.len() >= enough, "another group gets no events");
        Ok(())
    }

    /// Reads until the group was given all of these events, or gets nothing for a while. Returns
    /// how many it was not given.
    pub(super) async fn read_all(
        &mut self,
        rig: &Rig<'_>,
        events: &BTreeSet<String>,
    ) -> anyhow::Result<usize> {
        self.read_until(rig, |given| events.is_subset(given)).await?;
        Ok(events.difference(&self.given).count())
    }

    async fn read_until(
        &mut self,
        rig: &Rig<'_>,
        is_enough: impl Fn(&BTreeSet<String>) -> bool,
    ) -> anyhow::Result<()> {
        let config = rocketmq_config(&rig.system.endpoints, &self.names)?;
        let subscription = RocketmqSubscription::start(config, SystemClock)?;
        let mut quiet = Deadline::after(QUIET);
        while !is_enough(&self.given) && !quiet.has_passed() {
            for delivery in subscription.receive(AT_ONCE, Deadline::after(POLL)).await? {
                quiet = Deadline::after(QUIET);
                self.given.extend(delivery.property(EVENT_ID).map(ToOwned::to_owned));
                // It comes again if this fails.
                if !matches!(subscription.acknowledge(&delivery).await, WriteTry::Done) {
                    tracing::debug!("another group's acknowledgement has failed");
                }
            }
        }
        subscription.shutdown().await;
        Ok(())
    }

    /// Sets the group back to the oldest message, as `mqadmin resetOffsetByTime` does.
    pub(super) async fn set_back(&self, rig: &Rig<'_>) -> anyhow::Result<()> {
        let group = format!("{}event-consumer", self.names.group_prefix);
        let reset = [
            ("topic", self.names.topic.as_str()),
            ("group", &group),
            ("queueId", "-1"),
            ("timestamp", "0"),
            ("isForce", "true"),
        ];
        let reset = Frame::request(code::RESET_OFFSET, 1, fields(&reset));
        let broker = broker_address(&rig.system.endpoints.namesrv).await?;
        let answer = ask(&broker, &reset).await?;
        anyhow::ensure!(answer.code == status::SUCCESS, "the broker answers {answer:?}");
        Ok(())
    }
}
