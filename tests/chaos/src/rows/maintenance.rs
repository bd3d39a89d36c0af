//! G9: a broker is closed for writing, drained and restarted, as for maintenance.

use std::time::Duration;

use harness::broker::{BrokerPermission, permit};
use harness::remoting::code;
use tokio::time::Instant;

use super::Bench;
use super::two_brokers::{on_second, used_again};
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::{judge_clean, rest};
use crate::rig::{CREATE_ORDER, EVENT_CONSUMER, Rig};

/// A few orders reach both brokers: their queues take turns.
const FEW: u64 = 8;

/// Senders read the routes every 10 s.
const ROUTES_READ_WITHIN: Duration = Duration::from_secs(15);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(Cluster::TUNING).await?.with_second_broker().await?;
    let rig = Rig::start(&cluster, bench.seed).await?;
    rest(&rig).await?;
    let second = cluster.second_broker().await?;
    let first = rig.proxies_of(CREATE_ORDER)?.broker.relay_before(cluster.broker())?;
    let orders = bench.either(8, 80);
    let rounds = bench.either(1, 3);
    let (mut created, mut late, mut used) = (0, 0, Duration::ZERO);
    for round in 0..rounds {
        rig.windows.keep(EVENT_CONSUMER, 0);
        rig.kill_all(EVENT_CONSUMER).await?;
        rig.create_all(&format!("before-{round}"), FEW).await;
        permit(&second, BrokerPermission::Read).await?;
        let closed = Instant::now();
        rig.windows.keep(EVENT_CONSUMER, 2);
        rig.until_finished("what lies on the closed broker is handled").await?;
        tokio::time::sleep_until(closed + ROUTES_READ_WITHIN).await;
        let before = on_second(&rig).await?;
        let ends = first.requests(code::END_TRANSACTION);
        for n in 0..orders {
            let outcome = rig.create(&format!("closed-{round}-{n}")).await;
            anyhow::ensure!(outcome.acked().is_some(), "an order is answered {outcome:?}");
        }
        rig.until_finished("orders go on beside the closed broker").await?;
        created += first.requests(code::END_TRANSACTION) - ends;
        late += u64::try_from(on_second(&rig).await? - before)?;
        cluster.kill_second_broker().await;
        cluster.restart_second_broker().await?;
        permit(&second, BrokerPermission::ReadAndWrite).await?;
        used = used.max(used_again(&rig, round).await?);
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = rounds;
    let whole = rounds * orders;
    // Only routes show that a broker is closed for writing: it refuses only topics of ordered
    // messages (`AbstractSendMessageProcessor.msgCheck`). So a sender with an old route still
    // writes there.
    anyhow::ensure!(2 * created > whole, "{created} of {whole} went to the other broker");
    let created = Measure::Share { part: created, whole };
    figures.add_measure("half messages that went to the other broker", created);
    figures.add_measure("events that the closed broker still took", Measure::Count(late));
    figures.add_measure("used again after its restart", Measure::Longest(used));
    rig.stop().await;
    Ok(figures)
}
