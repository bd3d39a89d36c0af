//! C5: consumers come and go under load.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use futures::stream::{self, StreamExt};
use harness::remoting::code;
use serde_json::json;

use super::Bench;
use crate::figures::{Figures, Measure};
use crate::judge::judge_clean;
use crate::rig::{Crew, EVENT_CONSUMER, Rig};

/// How many order at once.
const CLIENTS: usize = 4;

/// Between two orders of a client. The row tests consumers that come and go, not an overloaded
/// broker.
const PACE: Duration = Duration::from_millis(200);

/// Consumers that come and go at the same time.
const GUESTS: u64 = 2;

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let crew = Crew { consumers: 1, ..Crew::default() };
    let rig = Rig::start_with(bench.cluster, bench.seed, crew, |_| {}).await?;
    let (orders, changes_min) = bench.either((60, 4), (1_000, 200));
    let (changes, deaths) = (AtomicU64::new(0), AtomicU64::new(0));
    // At least as many orders as the effort asks for, and more until enough guests came and went.
    let keys = (0..)
        .map(|n: u64| (n, format!("order-{n}")))
        .take_while(|(n, _)| *n < orders || changes.load(Ordering::Relaxed) < changes_min);
    let load = stream::iter(keys).for_each_concurrent(CLIENTS, async |(_, key)| {
        rig.create(&key).await;
        tokio::time::sleep(PACE).await;
    });
    let guests = futures::future::try_join_all((0..GUESTS).map(|guest| {
        let (rig, changes, deaths) = (&rig, &changes, &deaths);
        let mut random = Rng::with_seed(rig.seed.wrapping_add(guest));
        async move {
            let mut is_to_die = guest % 2 == 0;
            loop {
                match visit(rig, is_to_die, &mut random).await {
                    Ok(died) => deaths.fetch_add(u64::from(died), Ordering::Relaxed),
                    Err(error) => return anyhow::Result::<Infallible>::Err(error),
                };
                is_to_die = !is_to_die;
                // One arrival and one departure.
                changes.fetch_add(2, Ordering::Relaxed);
            }
        }
    }));
    tokio::select! {
        () = load => {}
        Err(error) = guests => return Err(error),
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = changes.load(Ordering::Relaxed);
    let acks = rig.proxies_of(EVENT_CONSUMER)?.broker.broker_relay().passed_on(code::ACK_MESSAGE);
    figures.add_measure("acknowledgements", Measure::Count(acks));
    let deaths = deaths.into_inner();
    anyhow::ensure!(deaths > 0, "no consumer was killed");
    figures.add_measure("consumers killed", Measure::Count(deaths));
    rig.stop().await;
    Ok(figures)
}

/// Adds one consumer for a few seconds. If `is_to_die`, kills a busy consumer; returns whether
/// there was one.
async fn visit(rig: &Rig<'_>, is_to_die: bool, random: &mut Rng) -> anyhow::Result<bool> {
    // A consumer stops asking for messages six seconds before the end of its window.
    let event = json!({"window_seconds": random.u64(10..14)}).to_string();
    let window = rig.system.host.invoke(EVENT_CONSUMER, event);
    let stay = Duration::from_millis(random.u64(1_000..3_500));
    if !is_to_die {
        window.await?;
        return Ok(false);
    }
    tokio::pin!(window);
    tokio::select! {
        ended = &mut window => {
            ended?;
            Ok(false)
        }
        () = tokio::time::sleep(stay) => {
            // Any busy one: the host does not say which one is the newest.
            let instances = rig.system.host.instances(EVENT_CONSUMER)?;
            let busy: Vec<_> = instances.iter().filter(|instance| instance.busy).collect();
            let one = random.choice(busy);
            if let Some(instance) = one {
                rig.system.host.kill_instance(EVENT_CONSUMER, instance.pid)?;
            }
            window.await?;
            Ok(one.is_some())
        }
    }
}
