//! The faults of the mix, each for a moment.

use std::time::Duration;

use anyhow::Context;
use fastrand::Rng;
use harness::broker_proxy::Relay;
use harness::faults::{Point, Toxic};
use harness::table_proxy::{TableAnswer, TableCall};
use local_lambda::Signal;

use crate::cluster::Cluster;
use crate::rig::{CREATE_ORDER, FUNCTIONS, Rig};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    Death,
    /// A process stops while it works.
    Freeze,
    /// Calls to the table are lost.
    CallsLost,
    /// Calls to the table are processed, and their answers lost.
    AnswersLost,
    /// The table fails, and does not say whether it has processed the call.
    TableFails,
    TableThrottles,
    /// Writes conflict with transactions, and transactions with each other.
    Conflicts,
    TableSlow,
    TableAway,
    /// Frames to the broker are lost.
    FramesLost,
    /// Frames of the broker are lost.
    RepliesLost,
    FramesDoubled,
    /// Frames to the broker are late, and overtake each other.
    FramesLate,
    Breaks,
    NameServerAway,
    BrokerAway,
    /// The broker dies, and starts again.
    BrokerDies,
}

impl Trouble {
    pub(super) const ALL: [Self; 17] = [
        Self::Death,
        Self::Freeze,
        Self::CallsLost,
        Self::AnswersLost,
        Self::TableFails,
        Self::TableThrottles,
        Self::Conflicts,
        Self::TableSlow,
        Self::TableAway,
        Self::FramesLost,
        Self::RepliesLost,
        Self::FramesDoubled,
        Self::FramesLate,
        Self::Breaks,
        Self::NameServerAway,
        Self::BrokerAway,
        Self::BrokerDies,
    ];

    /// The broker's death is included only if the broker is the row's own.
    pub(super) fn kinds(broker_may_die: bool) -> Vec<Self> {
        Self::ALL.into_iter().filter(|kind| broker_may_die || *kind != Self::BrokerDies).collect()
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Death => "processes killed",
            Self::Freeze => "processes frozen",
            Self::CallsLost => "calls lost",
            Self::AnswersLost => "calls done and not answered",
            Self::TableFails => "calls failed",
            Self::TableThrottles => "calls throttled",
            Self::Conflicts => "conflicts",
            Self::TableSlow => "calls delayed",
            Self::TableAway => "table away",
            Self::FramesLost => "frames lost",
            Self::RepliesLost => "replies lost",
            Self::FramesDoubled => "frames doubled",
            Self::FramesLate => "frames delayed",
            Self::Breaks => "connections broken",
            Self::NameServerAway => "name server away",
            Self::BrokerAway => "broker away",
            Self::BrokerDies => "broker killed",
        }
    }

    /// Makes it happen to one of the functions for a moment. Returns how often it struck.
    pub(super) async fn make(
        self,
        rig: &Rig<'_>,
        cluster: Option<&Cluster>,
        random: &mut Rng,
    ) -> anyhow::Result<u64> {
        let function = random.choice(FUNCTIONS).unwrap_or(CREATE_ORDER);
        let proxies = rig.proxies_of(function)?;
        let moment = Duration::from_millis(random.u64(300..4_000));
        match self {
            Self::Death => return Ok(u64::from(kill(rig, function, random)?)),
            Self::Freeze => return freeze(rig, function, random).await,
            Self::TableAway => {
                let cut = proxies.table.refuse().await?;
                tokio::time::sleep(moment).await;
                proxies.table.accept().await?;
                return Ok(u64::from(cut > 0));
            }
            Self::NameServerAway => {
                return away(proxies.broker.namesrv_relay(), moment).await;
            }
            Self::BrokerAway => return away(proxies.broker.broker_relay(), moment).await,
            Self::BrokerDies => {
                let cluster = cluster.context("this row's broker is not its own")?;
                cluster.kill_broker().await;
                tokio::time::sleep(moment).await;
                cluster.restart_broker().await?;
            }
            _ => return self.strike(rig, function, moment, random).await,
        }
        Ok(1)
    }

    /// Strikes some of the traffic of a function's proxies.
    async fn strike(
        self,
        rig: &Rig<'_>,
        function: &str,
        moment: Duration,
        random: &mut Rng,
    ) -> anyhow::Result<u64> {
        let proxies = rig.proxies_of(function)?;
        let (share, seed) = (0.05 + 0.55 * random.f64(), random.u64(..));
        let late = Duration::from_millis(random.u64(50..3_000));
        let all = |_: &TableCall| true;
        let writes = |call: &TableCall| {
            ["PutItem", "UpdateItem", "TransactWriteItems"].contains(&call.operation.as_str())
        };
        let table = |point, toxic| proxies.table.on(point, all).share(share, seed).inflict(toxic);
        let frames = |point, toxic| {
            proxies.broker.on(point, |_| true).share(share / 4.0, seed).inflict(toxic)
        };
        let (calls, frames) = match self {
            Self::CallsLost => (Some(table(Point::Request, Toxic::Lose)), None),
            Self::AnswersLost => (Some(table(Point::Response, Toxic::Reset)), None),
            Self::TableFails => {
                let point = if random.bool() { Point::Request } else { Point::Response };
                (Some(table(point, Toxic::Answer(TableAnswer::internal_error()))), None)
            }
            Self::TableThrottles => {
                (Some(table(Point::Request, Toxic::Answer(TableAnswer::throttled()))), None)
            }
            Self::Conflicts => {
                let rule = proxies.table.on(Point::Request, writes).share(share, seed);
                (Some(rule.answer(TableAnswer::conflict)), None)
            }
            Self::TableSlow => (Some(table(Point::Request, Toxic::Delay(late))), None),
            Self::FramesLost => (None, Some(frames(Point::Request, Toxic::Lose))),
            Self::RepliesLost => (None, Some(frames(Point::Response, Toxic::Lose))),
            Self::FramesDoubled => (None, Some(frames(Point::Request, Toxic::Repeat(2)))),
            Self::FramesLate => (None, Some(frames(Point::Request, Toxic::Delay(late)))),
            Self::Breaks => (None, Some(frames(Point::Request, Toxic::Reset))),
            _ => (None, None),
        };
        tokio::time::sleep(moment).await;
        let struck = calls.map_or(0, |rule| rule.struck());
        Ok(struck + frames.map_or(0, |rule| rule.struck()))
    }
}

/// Returns 1 if that cut a connection, otherwise 0.
async fn away(relay: &Relay, moment: Duration) -> anyhow::Result<u64> {
    let cut = relay.refuse().await?;
    tokio::time::sleep(moment).await;
    relay.accept().await?;
    Ok(u64::from(cut > 0))
}

/// Kills one process of a function that is handling a request, if there is one. Returns whether
/// there was.
fn kill(rig: &Rig<'_>, function: &str, random: &mut Rng) -> anyhow::Result<bool> {
    let instances = rig.system.host.instances(function)?;
    let busy: Vec<_> = instances.iter().filter(|instance| instance.busy).collect();
    let Some(instance) = random.choice(busy) else { return Ok(false) };
    rig.system.host.kill_instance(function, instance.pid)?;
    Ok(true)
}

/// Freezes one process of a function that is handling a request, for longer or shorter than any
/// part waits for it. Returns how many were frozen.
async fn freeze(rig: &Rig<'_>, function: &'static str, random: &mut Rng) -> anyhow::Result<u64> {
    let instances = rig.system.host.instances(function)?;
    let busy: Vec<_> = instances.iter().filter(|instance| instance.busy).collect();
    let Some(instance) = random.choice(busy) else { return Ok(0) };
    rig.system.host.signal_instance(function, instance.pid, Signal::SIGSTOP)?;
    rig.windows.record_freeze(function);
    tokio::time::sleep(Duration::from_millis(random.u64(500..15_000))).await;
    rig.windows.record_freeze(function);
    rig.system.host.signal_instance(function, instance.pid, Signal::SIGCONT)?;
    Ok(1)
}
