//! G9: a broker is closed for writing, drained and restarted, as for maintenance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use harness::broker::{BrokerPermission, SECOND_BROKER, permit};
use harness::broker_proxy::Relay;
use harness::remoting::code;
use tokio::time::Instant;

use super::Bench;
use super::two_brokers::used_again;
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::{World, judge_clean, rest};
use crate::rig::{CREATE_ORDER, EVENT_CONSUMER, Rig};

/// A few orders reach both brokers: their queues take turns. As many processes are then frozen.
const FEW: u64 = 8;

/// After this time, nothing new reaches a broker that was closed. Whoever sends reads the routes
/// anew if they are 10 s old by the wall clock, also right after a freeze, and a message that was
/// under way then is given up after 2 s. The name server knows of the change before the broker has
/// answered (`AdminBrokerProcessor.updateBrokerConfig`).
const CLOSED_WITHIN: Duration = Duration::from_secs(15);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(Cluster::TUNING).await?.with_second_broker().await?;
    let rig = Rig::start(&cluster, bench.seed).await?;
    rest(&rig).await?;
    let second = cluster.second_broker().await?;
    let first = rig.proxies_of(CREATE_ORDER)?.broker.relay_before(cluster.broker())?;
    let orders = bench.either(8, 80);
    let rounds = bench.either(1, 3);
    let (mut created, mut late, mut used) = (0, Vec::new(), Duration::ZERO);
    for round in 0..rounds {
        rig.windows.keep(EVENT_CONSUMER, 0);
        rig.kill_all(EVENT_CONSUMER).await?;
        rig.create_all(&format!("before-{round}"), FEW).await;
        permit(&second, BrokerPermission::Read).await?;
        let closed = Instant::now();
        rig.windows.keep(EVENT_CONSUMER, 2);
        rig.until_finished("what lies on the closed broker is handled").await?;
        tokio::time::sleep_until(closed + CLOSED_WITHIN).await;
        let (sent, taken) = beside_the_closed_one(&rig, first, round, orders).await?;
        created += sent;
        late.extend(taken);
        cluster.kill_second_broker().await;
        cluster.restart_second_broker().await?;
        permit(&second, BrokerPermission::ReadAndWrite).await?;
        used = used.max(used_again(&rig, round).await?);
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = rounds;
    let whole = rounds * orders;
    // Only routes show that a broker is closed for writing: it refuses only topics of ordered
    // messages (`AbstractSendMessageProcessor.msgCheck`). So a sender with an old route would
    // still write there. In a short run other rows use the machine at the same time, and then a
    // name server may answer too late.
    anyhow::ensure!(bench.either(true, late.is_empty()), "the closed broker took {late:#?}");
    anyhow::ensure!(2 * created > whole, "{created} of {whole} went to the other broker");
    let created = Measure::Share { part: created, whole };
    figures.add_measure("half messages that went to the other broker", created);
    let late = Measure::Count(u64::try_from(late.len())?);
    figures.add_measure("events that the closed broker still took", late);
    figures.add_measure("used again after its restart", Measure::Longest(used));
    rig.stop().await;
    Ok(figures)
}

/// Creates orders, one after another. Returns how many half messages of theirs went to the first
/// broker, and which events the closed one took meanwhile.
async fn beside_the_closed_one(
    rig: &Rig<'_>,
    first: &Relay,
    round: u64,
    orders: u64,
) -> anyhow::Result<(u64, Vec<String>)> {
    let before = World::copies_on(rig, SECOND_BROKER).await?.len();
    let ends = first.requests(code::END_TRANSACTION);
    let (mut served, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for n in 0..orders {
        let outcome = rig.create(&format!("closed-{round}-{n}")).await;
        let order_id = outcome.acked();
        let order_id =
            order_id.ok_or_else(|| anyhow::anyhow!("an order is answered {outcome:?}"))?;
        let process = last_used(rig)?;
        let which = if seen.insert(process) { "its first" } else { "a later one" };
        served.insert(order_id.to_owned(), format!("order {n}, process {process:?}, {which}"));
    }
    rig.until_finished("orders go on beside the closed broker").await?;
    let ends = first.requests(code::END_TRANSACTION) - ends;
    let mut taken = World::copies_on(rig, SECOND_BROKER).await?;
    taken.sort_by_key(|copy| copy.stored_at_ms);
    let taken = taken.into_iter().skip(before).map(|copy| {
        let order = served.get(&copy.subject).map_or("an order from before", String::as_str);
        format!("{} of {order}", copy.event_type)
    });
    Ok((ends, taken.collect()))
}

/// The process that served the last request: it still returns, or the host uses it next.
fn last_used(rig: &Rig<'_>) -> anyhow::Result<Option<u32>> {
    let instances = rig.system.host.instances(CREATE_ORDER)?;
    let busy = instances.iter().find(|instance| instance.busy);
    Ok(busy.or(instances.last()).map(|instance| instance.pid))
}
