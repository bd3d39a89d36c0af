//! U1: users' events cannot be sent, because their topic is missing.

use std::time::Duration;

use application::ports::ClusterGauges;
use futures::future::try_join_all;
use harness::broker_proxy::{FrameAnswer, sends};
use harness::faults::{Point, Toxic};
use harness::provision::{create_topics, delete_topic};
use harness::remoting::status;
use tokio::time::Instant;

use super::Bench;
use crate::cluster::Cluster;
use crate::controls::Control;
use crate::figures::{Figures, Measure};
use crate::judge::{Records, judge_clean, recovers};
use crate::rig::{CREATE_ORDER, Crew, Rig};
use crate::waiting::{PATIENCE, eventually};

/// Less than a look of the sweep takes if each event times out.
const FINISHED_WITHIN: Duration = Duration::from_secs(20);

/// The same beside other rows: a look of the sweep at 20 events that time out takes a minute.
const FINISHED_WITHIN_BESIDE: Duration = Duration::from_secs(45);

/// Orders whose events wait for the sweep.
const SWEPT: u64 = 3;

/// The time between two looks of the sweep.
const LOOK: Duration = Duration::from_secs(5);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(Cluster::TUNING).await?;
    let one_queue = Rig::start_with(&cluster, bench.seed, Crew::default(), |options| {
        Control::OneQueue.stand_in(options);
    });
    let (rig, control) = tokio::try_join!(Rig::start(&cluster, bench.seed), one_queue)?;
    let rig = rig.alone_on(&cluster);
    // An account allows 60 logins in a row, and some were used to probe the system.
    let logins: u64 = bench.either(20, 50);
    let (gone, _) = tokio::try_join!(
        without_user_topic(&rig, &cluster, logins),
        without_user_topic(&control, &cluster, 1)
    )?;
    let mut slowest = Duration::ZERO;
    for round in 0..bench.either(3, 10) {
        rig.create_all(&format!("order-{round}"), 3).await;
        slowest = slowest.max(rig.until_finished("orders are finished").await?);
    }
    let limit = bench.either(FINISHED_WITHIN_BESIDE, FINISHED_WITHIN);
    anyhow::ensure!(slowest < limit, "orders were finished after {slowest:?}");
    let (swept, standing) = swept(&rig, &control).await?;
    anyhow::ensure!(swept < limit, "orders that the sweep sent were finished after {swept:?}");
    eventually("a metric says that events can't be sent", async || {
        let deferred = rig.metric("EventsDeferred")?;
        Ok(deferred.is_some_and(|deferred| deferred > 0.0).then_some(()))
    })
    .await?;
    // This takes two minutes; the short form of row W1 waits for it.
    let known =
        if bench.either(false, true) { Some(until_health_says_so(&rig).await?) } else { None };
    let waiting = Records::pending_of_users(&rig).await?;
    anyhow::ensure!(waiting == logins, "{waiting} of {logins} logins have a pending event");
    create_topics(&rig.system.endpoints, &rig.system.names).await?;
    // The report's bound on a recovery holds for these events, too.
    let handled = rig.until_users_are_handled(PATIENCE, "users' events are handled");
    let handled = recovers(&rig, handled).await?;
    let mut figures = judge_clean(&rig).await?;
    figures.faults = logins;
    figures.add_measure("users' events handled after its return", Measure::Longest(handled));
    figures.add_measure("orders finished within", Measure::Longest(slowest));
    figures.add_measure("orders that the sweep sent finished within", Measure::Longest(swept));
    figures.add_measure("control: of these stand, with one queue for both topics", standing);
    if let Some(known) = known {
        figures.add_measure("until health said so", Measure::Longest(known.duration_since(gone)));
    }
    // Until now it ended its half messages, which the broker counts with the other system's.
    control.stop().await;
    rig.stop().await;
    Ok(figures)
}

/// Deletes the users' topic, and raises events that cannot be sent. Returns when it was deleted.
///
/// Everything on the topic is consumed before. Otherwise a broker may still find an event by its
/// key, and the sweep takes it for one that waits for its consumer; or the broker stores our
/// group's position once the topic is gone, and the group skips as many events after its return.
async fn without_user_topic(
    rig: &Rig<'_>,
    cluster: &Cluster,
    logins: u64,
) -> anyhow::Result<Instant> {
    rig.until_users_are_handled(PATIENCE, "the events of earlier logins are handled").await?;
    rig.ask_broker(async |broker, within| {
        eventually("every event is consumed", async || {
            let lag = broker.consumer_lag(within()).await;
            Ok(lag.is_ok_and(|lag| lag == 0).then_some(()))
        })
        .await
    })
    .await?;
    delete_topic(&rig.system.endpoints, cluster.broker(), &rig.system.names.user_topic).await?;
    let gone = Instant::now();
    for _ in 0..logins {
        rig.log_in().await?;
    }
    Ok(gone)
}

/// How long it takes until orders are finished that need the sweep, and how many of such orders
/// still stand in the control, whose sweep gets as much time and one more look.
async fn swept(rig: &Rig<'_>, control: &Rig<'_>) -> anyhow::Result<(Duration, Measure)> {
    let (_, waiting) = tokio::try_join!(create_without_half(rig), create_without_half(control))?;
    let took = rig.until_finished("orders that the sweep sends are finished").await?;
    tokio::time::sleep(LOOK).await;
    let records = Records::read(control).await?;
    let unfinished = records.unfinished();
    let standing = waiting.iter().filter(|order_id| unfinished.contains(order_id)).count();
    let standing = u64::try_from(standing)?;
    anyhow::ensure!(standing == SWEPT, "with one queue, {standing} of {SWEPT} orders stand");
    Ok((took, Measure::Share { part: standing, whole: SWEPT }))
}

/// Creates orders while the broker refuses their half messages, so that the sweep has to send their
/// events. Returns their ids.
async fn create_without_half(rig: &Rig<'_>) -> anyhow::Result<Vec<String>> {
    let refused = FrameAnswer {
        code: status::SERVICE_NOT_AVAILABLE,
        remark: "no message is accepted at the moment".to_owned(),
    };
    let broker = &rig.proxies_of(CREATE_ORDER)?.broker;
    let refused = broker.on(Point::Request, sends()).inflict(Toxic::Answer(refused));
    let keys: Vec<_> = (0..SWEPT).map(|n| format!("swept-{n}")).collect();
    let created = try_join_all(keys.iter().map(|key| rig.settle(key))).await?;
    anyhow::ensure!(refused.struck() > 0, "no half message was refused");
    Ok(created)
}

async fn until_health_says_so(rig: &Rig<'_>) -> anyhow::Result<Instant> {
    eventually("health says that something is late", async || {
        let (_, health) = rig.get("/health/ready").await?;
        Ok(health.to_string().contains("pending for more than").then_some(()))
    })
    .await?;
    Ok(Instant::now())
}
