//! B5, N1: the name server is down, or one of two does not answer.

use std::time::Duration;

use harness::broker::cluster_info;
use harness::broker_proxy::{FrameAnswer, Passage};
use harness::faults::{Point, Toxic};
use harness::remoting::{code, status};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::Bench;
use crate::client::Outcome;
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::{judge_clean, rest};
use crate::rig::{CREATE_ORDER, Crew, EVENT_CONSUMER, Rig, TRANSACTION_CHECK};
use crate::waiting::eventually;

/// create-order's time-out in the template, before which an answer comes.
const TIME_OUT: Duration = Duration::from_secs(10);

/// Those that use the name server.
const FUNCTIONS: [&str; 3] = [CREATE_ORDER, TRANSACTION_CHECK, EVENT_CONSUMER];

/// How much longer a first order may take than with one working name server alone. A lookup that
/// waited for a silent name server would take 2 s longer, and each session makes one lookup.
const LONGER_AT_MOST: Duration = Duration::from_millis(1_500);

/// The same beside other rows. The control takes 2.8 s longer on an idle machine.
const LONGER_AT_MOST_BESIDE: Duration = Duration::from_millis(2_500);

const COLD_STARTS_MAX: u64 = 10;

/// N1.
pub(super) async fn one_of_two(bench: Bench<'_>) -> anyhow::Result<Figures> {
    // The listener's backlog accepts connections, and nobody answers.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let silent = listener.local_addr()?.to_string();
    let closed = TcpListener::bind("127.0.0.1:0").await?;
    let refusing = closed.local_addr()?.to_string();
    drop(closed);
    let (mut figures, alone) = first_of(bench, None, "alone").await?;
    figures.add_measure("first order answered within: one name server", Measure::Longest(alone));
    for (address, name, note) in [
        (silent.clone(), "silent", "first order answered within: after a silent one"),
        (refusing, "refusing", "first order answered within: after one that refuses"),
    ] {
        let (more, answered) = first_of(bench, Some(address), name).await?;
        let in_time = answered < alone + bench.either(LONGER_AT_MOST_BESIDE, LONGER_AT_MOST);
        anyhow::ensure!(in_time, "with one {name}, a first order took {answered:?}");
        figures.merge(more);
        figures.add_measure(note, Measure::Longest(answered));
    }
    // Only a long run can afford to start another system for the control.
    if bench.either(false, true) {
        let answered = as_they_are(bench, silent, alone + LONGER_AT_MOST).await?;
        figures.add_measure(
            "control: first order answered within: the client has both, the silent one first",
            Measure::Longest(answered),
        );
    }
    drop(listener);
    Ok(figures)
}

/// The control: create-order does not find out which name server has a route, so the client gets
/// both as they are. It takes any to which it could connect, so the silent one may need several
/// cold starts to be taken. Returns the first time that is longer than `limit`.
async fn as_they_are(
    bench: Bench<'_>,
    silent: String,
    limit: Duration,
) -> anyhow::Result<Duration> {
    let control = Rig::start_with(bench.cluster, bench.seed, Crew::default(), |options| {
        options.namesrv_before.push(silent);
    })
    .await?;
    // The client's own requests for a route do not have this field.
    let finds_out = |passage: &Passage| {
        passage.request == code::GET_ROUTEINFO_BY_TOPIC
            && passage.frame.field("acceptStandardJsonOnly").is_some()
    };
    let no_route =
        FrameAnswer { code: status::TOPIC_NOT_EXIST, remark: "no route is known yet".to_owned() };
    let relay = control.proxies_of(CREATE_ORDER)?.broker.namesrv_relay();
    let refused = relay.rules().on(Point::Request, finds_out).inflict(Toxic::Answer(no_route));
    let mut longest = Duration::ZERO;
    for round in 0..COLD_STARTS_MAX {
        control.kill_all(CREATE_ORDER).await?;
        let begun = Instant::now();
        control.create(&format!("as-they-are-{round}")).await;
        longest = longest.max(begun.elapsed());
        if longest > limit {
            break;
        }
    }
    anyhow::ensure!(refused.struck() > 0, "create-order did not ask for a route");
    anyhow::ensure!(longest > limit, "with both name servers, a first order took {longest:?}");
    control.stop().await;
    Ok(longest)
}

/// Creates orders with `before` listed before the name server that answers. Returns the longest
/// time of a first order.
async fn first_of(
    bench: Bench<'_>,
    before: Option<String>,
    name: &str,
) -> anyhow::Result<(Figures, Duration)> {
    let rig = Rig::start_with(bench.cluster, bench.seed, Crew::default(), |options| {
        options.namesrv_before.extend(before);
    })
    .await?;
    let rounds: u64 = bench.either(2, 10);
    let mut answered = Duration::ZERO;
    for round in 0..rounds {
        rest(&rig).await?;
        for function in FUNCTIONS {
            rig.kill_all(function).await?;
        }
        let begun = Instant::now();
        let (outcome, with_half) = rig.create_with_half(&format!("{name}-{round}")).await?;
        anyhow::ensure!(with_half, "the other name server was not used: {outcome:?}");
        answered = answered.max(begun.elapsed());
        rig.until_finished("the first order is finished").await?;
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = rounds;
    rig.stop().await;
    Ok((figures, answered))
}

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(Cluster::TUNING).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    let mut registered = Duration::ZERO;
    let rounds: u64 = bench.either(1, 8);
    for round in 0..rounds {
        eventually("the route is known", async || {
            let (_, with_half) = rig.create_with_half(&format!("warm-{round}")).await?;
            Ok(with_half.then_some(()))
        })
        .await?;
        cluster.kill_namesrv().await;
        let left = cluster_info(cluster.namesrv()).await;
        anyhow::ensure!(left.is_err(), "the name server lives on");
        // A dead process's port refuses connections; a proxy would accept them first.
        for function in FUNCTIONS {
            rig.proxies_of(function)?.broker.namesrv_relay().refuse().await?;
        }
        let (known, with_half) = rig.create_with_half(&format!("known-{round}")).await?;
        anyhow::ensure!(with_half, "a known route did not serve on: {known:?}");

        rig.kill_all(CREATE_ORDER).await?;
        let (cold, with_half) = rig.create_with_half(&format!("cold-{round}")).await?;
        anyhow::ensure!(!with_half, "a cold start knew its route without a name server");
        let honest = matches!(
            cold,
            Outcome::Acked { .. } | Outcome::Unknown { status: Some(503), retry_after: true, .. }
        );
        anyhow::ensure!(honest, "a cold start without a name server was answered {cold:?}");
        let restarted = Instant::now();
        cluster.restart_namesrv().await?;
        registered = registered.max(restarted.elapsed());
        for function in FUNCTIONS {
            rig.proxies_of(function)?.broker.namesrv_relay().accept().await?;
        }
        rest(&rig).await?;
    }
    let entries = rig.log.entries();
    let cold = entries.iter().filter(|entry| entry.key.starts_with("cold"));
    let slowest = cold.map(|entry| entry.took).max().unwrap_or_default();
    anyhow::ensure!(slowest < TIME_OUT, "a cold start took {slowest:?}");
    let mut figures = judge_clean(&rig).await?;
    figures.faults = rounds;
    figures.add_measure("cold start answered within", Measure::Longest(slowest));
    figures.add_measure("broker registered again within", Measure::Longest(registered));
    rig.stop().await;
    Ok(figures)
}
