//! B1, B2, B3: the broker is away, or dies.

use std::time::Duration;

use harness::broker_proxy::{End, Resolution};
use tokio::time::{Instant, MissedTickBehavior};

use super::Bench;
use crate::client::Outcome;
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::{Records, judge_clean, rest};
use crate::rig::{CREATE_ORDER, Crew, Rig};
use crate::waiting::eventually;

/// create-order's time-out in the template, before which an answer comes.
const TIME_OUT: Duration = Duration::from_secs(10);

const HEALTH: &str = "health";

/// Health's text while no name server knows a broker.
const NO_BROKER: &str = "no RocketMQ broker";

/// The broker records up to 3 s later that a half message has ended (`transactionOpBatchInterval`).
const RECORDED_WITHIN: Duration = Duration::from_secs(3);

/// B1.
pub(super) async fn away(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(Cluster::TUNING).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    let strict = Rig::start_with(&cluster, bench.seed, Crew::default(), |options| {
        let refuse = ("ACCEPT_WITHOUT_BROKER".to_owned(), "false".to_owned());
        for function in [CREATE_ORDER, HEALTH] {
            let environment = options.function_environment.entry(function.to_owned()).or_default();
            environment.extend([refuse.clone()]);
        }
    })
    .await?;
    let confirmed = rig.settle("confirmed").await?;
    rest(&rig).await?;
    until_health_answers(&strict, 200, "ready").await?;

    cluster.kill_broker().await;
    let killed = Instant::now();
    anyhow::ensure!(rig.cancel(&confirmed).await?, "a cancel needs the broker");
    let orders: u64 = bench.either(4, 40);
    let mut created = 0;
    for n in 0..orders {
        let outcome = rig.create(&format!("away-{n}")).await;
        created += u64::from(outcome.acked().is_some());
    }
    anyhow::ensure!(created == orders, "{created} of {orders} were created without the broker");
    let refused = strict.create("strict").await;
    let honest = matches!(
        refused,
        Outcome::Unknown { status: Some(503), order_id: None, retry_after: true }
    );
    anyhow::ensure!(honest, "an order that needs the broker was answered {refused:?}");
    let before = Records::read(&strict).await?.orders.len();
    anyhow::ensure!(before == 1, "an order was stored without the broker");
    // The name server forgets a broker whose connection ends.
    until_health_answers(&strict, 503, NO_BROKER).await?;
    let unavailable = killed.elapsed();
    until_health_answers(&rig, 200, NO_BROKER).await?;
    let slowest = rig.log.entries().iter().map(|entry| entry.took).max().unwrap_or_default();
    anyhow::ensure!(slowest < TIME_OUT, "an answer took {slowest:?}");

    let restarted = Instant::now();
    cluster.restart_broker().await?;
    let back = Instant::now();
    until_health_answers(&strict, 200, "status").await?;
    let available = back.elapsed();
    let mut figures = judge_clean(&rig).await?;
    let recovered = back.elapsed();
    judge_clean(&strict).await?;
    figures.faults = 1;
    figures
        .add_measure("created without the broker", Measure::Share { part: created, whole: orders });
    figures.add_measure("slowest answer without the broker", Measure::Longest(slowest));
    figures.add_measure("until health answered 503", Measure::Longest(unavailable));
    figures.add_measure("restart of the broker", Measure::Longest(back - restarted));
    figures.add_measure("until health answered 200", Measure::Longest(available));
    figures.add_measure("all events published after its return", Measure::Longest(recovered));
    strict.stop().await;
    rig.stop().await;
    Ok(figures)
}

/// Waits until health answers with this status, and with this text in its body.
async fn until_health_answers(rig: &Rig<'_>, expected: u16, text: &str) -> anyhow::Result<()> {
    eventually(&format!("health answers {expected} with {text}"), async || {
        let (status, health) = rig.get("/health/ready").await?;
        Ok((status == expected && health.to_string().contains(text)).then_some(()))
    })
    .await
}

/// B2.
pub(super) async fn dies_under_load(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(Cluster::TUNING).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    let deaths: u64 = bench.either(2, 20);
    let load = clients(&rig, 3);
    let killing = async {
        let (mut since_return, mut since_kill) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..deaths {
            until_more_orders(&rig, 5).await?;
            cluster.kill_broker().await;
            let killed = Instant::now();
            until_more_orders(&rig, 3).await?;
            cluster.restart_broker().await?;
            let back = Instant::now();
            until_more_commits(&rig).await?;
            since_return = since_return.max(back.elapsed());
            since_kill = since_kill.max(killed.elapsed());
        }
        anyhow::Ok((since_return, since_kill))
    };
    // The clients go on until the last kill is over.
    let (since_return, since_kill) = tokio::select! {
        slowest = killing => slowest?,
        () = load => anyhow::bail!("the clients gave up"),
    };
    let mut figures = judge_clean(&rig).await?;
    figures.faults = deaths;
    figures.add_measure("first commit after the broker's return", Measure::Longest(since_return));
    figures.add_measure("first commit after a kill", Measure::Longest(since_kill));
    rig.stop().await;
    Ok(figures)
}

/// B3.
pub(super) async fn dies_after_commits(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(Cluster::TUNING).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    let (deaths, mut in_time, mut round) = (bench.either(1_u64, 10), 0, 0_u64);
    // On a busy machine a kill may come too late to count.
    while in_time < deaths {
        anyhow::ensure!(round < 5 * deaths, "{in_time} of {round} kills came in time");
        rest(&rig).await?;
        in_time += u64::from(die_after_commits(&rig, &cluster, round).await?);
        round += 1;
    }
    let mut figures = judge_clean(&rig).await?;
    // Some of ten deaths in time come before the broker has recorded the ends.
    let asked_again = rig.proxies()?.journal().contradictions().len();
    anyhow::ensure!(asked_again >= bench.either(0, 1), "no half message was asked about again");
    let asked_again = Measure::Count(u64::try_from(asked_again)?);
    figures.add_measure("asked about after their COMMIT, and rolled back", asked_again);
    figures.faults = deaths;
    rig.stop().await;
    Ok(figures)
}

/// Returns whether the broker had not yet recorded the first of the commits.
async fn die_after_commits(rig: &Rig<'_>, cluster: &Cluster, round: u64) -> anyhow::Result<bool> {
    let journal = rig.proxies()?.journal();
    let before = journal.ends().len();
    let keys: Vec<_> = (0..3).map(|n| format!("order-{round}-{n}")).collect();
    for outcome in futures::future::join_all(keys.iter().map(|key| rig.create(key))).await {
        anyhow::ensure!(outcome.acked().is_some(), "an order was not created, but {outcome:?}");
    }
    cluster.kill_broker().await;
    let killed = Instant::now();
    cluster.restart_broker().await?;
    let ends = journal.ends();
    let commit = ends.iter().skip(before).find(|end| is_commit(end));
    Ok(commit.is_some_and(|end| killed.duration_since(end.at) < RECORDED_WITHIN))
}

/// Clients that each request an order every 200 ms, or as fast as they are answered, without end.
pub(super) async fn clients(rig: &Rig<'_>, count: usize) {
    let client = async |number: usize| {
        let mut pace = tokio::time::interval(Duration::from_millis(200));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for n in 0_u64.. {
            pace.tick().await;
            rig.create(&format!("load-{number}-{n}")).await;
        }
    };
    futures::future::join_all((0..count).map(client)).await;
}

async fn until_more_orders(rig: &Rig<'_>, more: usize) -> anyhow::Result<()> {
    let before = rig.log.entries().len();
    eventually("orders were requested", async || {
        Ok((rig.log.entries().len() >= before + more).then_some(()))
    })
    .await
}

/// Whether the broker received a COMMIT by this end.
fn is_commit(end: &End) -> bool {
    end.passed_on && end.resolution == Resolution::Commit
}

/// Waits until any broker receives further commits.
pub(super) async fn until_more_commits(rig: &Rig<'_>) -> anyhow::Result<()> {
    let journal = rig.proxies()?.journal();
    let before = journal.ends().len();
    eventually("the broker accepts commits again", async || {
        Ok(journal.ends().iter().skip(before).any(is_commit).then_some(()))
    })
    .await
}
