//! G2, G5: a broker's master dies, and its replica is in sync. The replica stays one, or RocketMQ's
//! controller makes it the master.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use application::deadline::Deadline;
use application::ports::{PublishedEvents, Topic};
use domain::identity::TransactionId;
use harness::broker::{BROKER, Replication};
use harness::broker_proxy::{End, Passage, Resolution, frames};
use harness::faults::{Point, Toxic};
use harness::provision::{Endpoints, rocketmq_config};
use harness::remoting::{Frame, ask, code, status};
use platform::clock::SystemClock;
use rocketmq::publisher::RocketmqPublisher;
use tokio::time::Instant;
use uuid::Uuid;

use super::Bench;
use super::broker::{clients, until_more_commits};
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::{EventCopy, World, judge_clean, rest};
use crate::rig::{CANCEL_ORDER, CREATE_ORDER, EVENT_CONSUMER, Rig};
use crate::waiting::{PAST_THE_SWEEP, eventually};

/// How long there is load before a master is killed.
const UNDER_LOAD: Duration = Duration::from_millis(300);

const LOOK_UP: Duration = Duration::from_secs(10);

/// G2.
pub(super) async fn stays(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_replicated_cluster(Cluster::TUNING, Replication::Static).await?;
    let cluster = cluster.with_second_broker().await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    rest(&rig).await?;
    // Without event-consumer, published events stay pending, and the sweep looks at them.
    rig.windows.keep(EVENT_CONSUMER, 0);
    rig.kill_all(EVENT_CONSUMER).await?;
    let orders = bench.either(12, 60);
    created(&rig, "before", orders).await?;
    eventually("the broker has recorded which half messages have ended", async || {
        Ok((cluster.open_halves().await? == 0).then_some(()))
    })
    .await?;
    until_metadata_are_replicated(&rig, &cluster).await?;
    tokio::join!(rig.create_all("meanwhile", orders), async {
        tokio::time::sleep(UNDER_LOAD).await;
        cluster.kill_broker().await;
    });
    eventually("the name server knows no master", async || {
        Ok(cluster.master().await?.is_none().then_some(()))
    })
    .await?;
    // Read from the replica, as other teams' subscribers do.
    let held = World::copies_on(&rig, BROKER).await?;
    anyhow::ensure!(!held.is_empty(), "the replica holds no event");
    found_by_the_sweep(&rig, &held).await?;
    let at_masters = found_at_masters(&rig, &cluster, &held).await?;
    created(&rig, "without-master", orders).await?;
    if bench.either(false, true) {
        tokio::time::sleep(PAST_THE_SWEEP).await;
    }
    rig.windows.keep(EVENT_CONSUMER, 2);
    cluster.restart_broker().await?;
    let returned = Instant::now();
    rest(&rig).await?;
    let recovered = returned.elapsed();

    let mut figures = judge_clean(&rig).await?;
    let again = sent_again(&rig, &held).await?;
    anyhow::ensure!(again == 0, "{again} events that the replica held were sent again");
    figures.faults = 1;
    figures.add_measure("copies that the replica held", Measure::Count(count(held.len())));
    figures.add_measure("further copies of their events", Measure::Count(again));
    let at_masters = Measure::Share { part: at_masters, whole: count(held.len()) };
    figures.add_measure("control: found by a look-up that asks masters alone", at_masters);
    figures.add_measure("all handled after the master's return", Measure::Longest(recovered));
    rig.stop().await;
    Ok(figures)
}

/// Creates orders, and asserts that all were acknowledged.
async fn created(rig: &Rig<'_>, prefix: &str, orders: u64) -> anyhow::Result<()> {
    let created = count(rig.create_all(prefix, orders).await.len());
    anyhow::ensure!(created == orders, "{created} of {orders} orders {prefix} were created");
    Ok(())
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Asserts that the sweep's query finds every event that the replica holds, and no other.
async fn found_by_the_sweep(rig: &Rig<'_>, held: &[EventCopy]) -> anyhow::Result<()> {
    rig.ask_broker(async |broker, within| {
        for copy in held {
            let is_found = looked_up(broker, copy, within()).await?;
            anyhow::ensure!(is_found, "the sweep does not find {} at the replica", copy.event_id);
            let event_id = copy.event_id.parse()?;
            let strange = TransactionId::new(Uuid::nil());
            let is_found = broker.is_published(Topic::Orders, event_id, strange, within()).await?;
            anyhow::ensure!(!is_found, "the sweep finds a publication that was never made");
        }
        Ok(())
    })
    .await
}

/// The sweep's query for a copy of an event.
async fn looked_up(
    broker: &RocketmqPublisher,
    copy: &EventCopy,
    within: Deadline,
) -> anyhow::Result<bool> {
    let publication = copy.publication.as_deref().context("an event without its id")?;
    let publication = TransactionId::new(Uuid::parse_str(publication)?);
    let event_id = copy.event_id.parse()?;
    Ok(broker.is_published(Topic::Orders, event_id, publication, within).await?)
}

/// The control: the sweep's query with a route that has masters alone. The second broker's master
/// answers that it has none of these events, so a sweep would send them again. Returns how many are
/// found.
async fn found_at_masters(
    rig: &Rig<'_>,
    cluster: &Cluster,
    held: &[EventCopy],
) -> anyhow::Result<u64> {
    let replica = cluster.replica().await?.context("the name server knows no replica")?;
    // This row cancels no order.
    let relay = rig.proxies_of(CANCEL_ORDER)?.broker.namesrv_relay();
    let masters_alone = Toxic::Rewrite(Arc::new(move |passage: &mut Passage| {
        let route = String::from_utf8_lossy(&passage.frame.body);
        // RocketMQ's own form of JSON has numbers as keys.
        let route = route.replace(&format!("\"1\":\"{replica}\""), "");
        let route = route.replace(&format!("1:\"{replica}\""), "");
        passage.frame.body = route.into_bytes().into();
    }));
    let routes = frames(code::GET_ROUTEINFO_BY_TOPIC);
    let routes = relay.rules().on(Point::Response, routes).inflict(masters_alone);
    let endpoints = Endpoints { namesrv: relay.address(), ..rig.system.endpoints.clone() };
    let config = rocketmq_config(&endpoints, &rig.system.names)?;
    let publisher = RocketmqPublisher::start(config, SystemClock).await?;
    let mut found = 0;
    for copy in held {
        found += u64::from(looked_up(&publisher, copy, Deadline::after(LOOK_UP)).await?);
    }
    publisher.shutdown().await;
    anyhow::ensure!(routes.struck() > 0, "nobody asked for a route");
    anyhow::ensure!(found == 0, "{found} events of the replica were found at masters");
    Ok(found)
}

/// How many further copies the topic has of events that the replica held.
async fn sent_again(rig: &Rig<'_>, held: &[EventCopy]) -> anyhow::Result<u64> {
    let mut before: BTreeMap<&str, u64> = BTreeMap::new();
    for copy in held {
        *before.entry(&copy.event_id).or_default() += 1;
    }
    let copies = World::copies(rig).await?;
    let of_held = copies.iter().filter(|copy| before.contains_key(copy.event_id.as_str()));
    Ok(count(of_held.count()) - before.values().sum::<u64>())
}

/// Waits until the replica knows our topics and our group. It reads these from its master every ten
/// seconds, apart from the messages (`SlaveSynchronize.java`).
async fn until_metadata_are_replicated(rig: &Rig<'_>, cluster: &Cluster) -> anyhow::Result<()> {
    let names = &rig.system.names;
    let group = format!("{}{EVENT_CONSUMER}", names.group_prefix);
    let questions = [
        (code::GET_TOPIC_CONFIG, "topic", names.topic.clone()),
        (code::GET_TOPIC_CONFIG, "topic", names.user_topic.clone()),
        (code::GET_SUBSCRIPTIONGROUP_CONFIG, "group", group),
    ];
    eventually("the replica knows our topics and our group", async || {
        let Some(replica) = cluster.replica().await? else { return Ok(None) };
        for (code, name, value) in &questions {
            let fields = BTreeMap::from([((*name).to_owned(), value.clone())]);
            let answer = ask(&replica, &Frame::request(*code, 1, fields)).await?;
            if answer.code != status::SUCCESS {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await
}

/// G5.
pub(super) async fn takes_over(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_replicated_cluster(Cluster::TUNING, Replication::Controller).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    let deaths: u64 = bench.either(1, 4);
    let (mut slowest, mut first_commit) = (Duration::ZERO, Duration::ZERO);
    for round in 0..deaths {
        rest(&rig).await?;
        eventually("the replica is in sync", async || {
            Ok((cluster.in_sync().await? == 2).then_some(()))
        })
        .await?;
        until_metadata_are_replicated(&rig, &cluster).await?;
        let master = cluster.master().await?.context("there is no master")?;
        leave_open(&rig, &master, round).await?;
        let failing_over = async {
            tokio::time::sleep(UNDER_LOAD).await;
            cluster.kill_at(&master).await;
            let killed = Instant::now();
            eventually("the replica is the master", async || {
                let now = cluster.master().await?;
                Ok(now.is_some_and(|now| now != master).then_some(()))
            })
            .await?;
            let took_over = killed.elapsed();
            until_more_commits(&rig).await?;
            anyhow::Ok((took_over, killed.elapsed()))
        };
        let (took_over, committed) = tokio::select! {
            took = failing_over => took?,
            () = clients(&rig, 2) => anyhow::bail!("the clients gave up"),
        };
        slowest = slowest.max(took_over);
        first_commit = first_commit.max(committed);
        cluster.restart_at(&master).await?;
    }
    let mut figures = judge_clean(&rig).await?;
    let (open, by_check) = ended_by_check(&rig)?;
    anyhow::ensure!(by_check > 0, "the new master has asked about none of {open} half messages");
    figures.faults = deaths;
    figures.add_measure("the replica was the master after", Measure::Longest(slowest));
    figures.add_measure("first commit after the master's death", Measure::Longest(first_commit));
    figures.add_measure(
        "half messages left open at a master, committed by its successor's check-backs",
        Measure::Share { part: by_check, whole: open },
    );
    rig.stop().await;
    Ok(figures)
}

/// Creates orders whose half messages stay open at a master, because their ends are lost.
async fn leave_open(rig: &Rig<'_>, master: &str, round: u64) -> anyhow::Result<()> {
    let relay = rig.proxies_of(CREATE_ORDER)?.broker.relay_before(master)?;
    let lost = relay.rules().on(Point::Request, frames(code::END_TRANSACTION)).inflict(Toxic::Lose);
    created(rig, &format!("open-{round}"), 3).await?;
    // On a busy machine an order may be created without the broker, and then has no end to lose.
    anyhow::ensure!(lost.struck() > 0, "no end was lost");
    Ok(())
}

/// How many attempts lost an end, and how many of these were committed by an answer to a
/// check-back.
fn ended_by_check(rig: &Rig<'_>) -> anyhow::Result<(u64, u64)> {
    let ends = rig.proxies()?.journal().ends();
    let attempts = |is_wanted: fn(&End) -> bool| -> BTreeSet<String> {
        let wanted = ends.iter().filter(|end| is_wanted(end));
        wanted.filter_map(|end| end.transaction_id.clone()).collect()
    };
    let lost = attempts(|end| !end.from_check && !end.passed_on);
    let asked =
        attempts(|end| end.from_check && end.passed_on && end.resolution == Resolution::Commit);
    Ok((count(lost.len()), count(lost.intersection(&asked).count())))
}
