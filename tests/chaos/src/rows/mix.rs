//! X1: everything at random, under load.

mod trouble;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;

use super::Bench;
use crate::client::{Intent, Outcome};
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::judge_clean;
use crate::rig::Rig;
use trouble::Trouble;

/// How many clients order at once.
const CLIENTS: usize = 12;

/// How often a client asks again at once when it does not know; what is open then, the judge settles.
const RETRIES: u32 = 3;

/// How many troubles may overlap.
const LANES: u64 = 2;

/// What can go wrong, and how often it did.
type Tally = BTreeMap<&'static str, u64>;

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    if bench.either(true, false) {
        let rig = Rig::start(bench.cluster, bench.seed).await?;
        return mixed(rig, None, 150).await;
    }
    // Long, the broker dies too, and so it must be this row's own. The embedded table becomes slower with
    // each transaction: many orders take many runs, each on a fresh one.
    let cluster = Cluster::own(Cluster::TUNING).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    mixed(rig, Some(&cluster), 2_500).await
}

/// Orders under troubles, until there are enough of them and each trouble has happened.
async fn mixed(rig: Rig<'_>, cluster: Option<&Cluster>, orders: u64) -> anyhow::Result<Figures> {
    let kinds = Trouble::kinds(cluster.is_some());
    let enough = AtomicBool::new(false);
    let loaded = async {
        load(&rig, orders).await;
        enough.store(true, Ordering::Relaxed);
        anyhow::Ok(())
    };
    let lanes = futures::future::try_join_all((0..LANES).map(|lane| {
        // Each lane begins elsewhere, and comes by every kind before it comes by one again.
        let mut lots = Rng::with_seed(rig.seed.wrapping_add(lane));
        let (rig, enough, kinds) = (&rig, &enough, &kinds);
        async move {
            let mut tally = Tally::new();
            let mut left: Vec<Trouble> = Vec::new();
            while !enough.load(Ordering::Relaxed) {
                if left.is_empty() {
                    left.clone_from(kinds);
                    lots.shuffle(&mut left);
                }
                let Some(trouble) = left.pop() else { break };
                // Troubles in the midst of two lanes' would otherwise come in step.
                tokio::time::sleep(Duration::from_millis(lots.u64(0..1_500))).await;
                let struck = trouble.make(rig, cluster, &mut lots).await?;
                *tally.entry(trouble.name()).or_default() += struck;
            }
            anyhow::Ok(tally)
        }
    }));
    let ((), tallies) = tokio::try_join!(loaded, lanes)?;
    let mut tally = Tally::new();
    for (name, struck) in tallies.into_iter().flatten() {
        *tally.entry(name).or_default() += struck;
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = tally.values().sum();
    let happened = tally.values().filter(|struck| **struck > 0).count();
    anyhow::ensure!(happened >= kinds.len().min(4), "too little went wrong: {tally:?}");
    for (name, struck) in tally {
        figures.note(name, Measure::Count(struck));
    }
    rig.stop().await;
    Ok(figures)
}

/// Clients that order until there are `orders` intents.
async fn load(rig: &Rig<'_>, orders: u64) {
    let next = AtomicU64::new(0);
    let client = |number: usize| {
        let next = &next;
        async move {
            let mut lots = Rng::with_seed(rig.seed ^ u64::try_from(number).unwrap_or_default());
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= orders {
                    return;
                }
                order(rig, n, &mut lots).await;
            }
        }
    };
    futures::future::join_all((0..CLIENTS).map(client)).await;
}

/// Orders once, as a client of some haste does: now and then twice at once with one key, and again
/// when it does not know.
async fn order(rig: &Rig<'_>, n: u64, lots: &mut Rng) {
    let key = format!("mix-{n}");
    let intent = Intent { product_id: lots.u64(1..=8), quantity: lots.u64(1..=3) };
    if lots.u8(0..10) == 0 {
        tokio::join!(rig.place_as(&key, intent), rig.place_as(&key, intent));
    }
    for _ in 0..=RETRIES {
        match rig.place_as(&key, intent).await {
            Outcome::Acked { .. } | Outcome::Refused { .. } => return,
            Outcome::Unknown { .. } => {
                tokio::time::sleep(Duration::from_millis(lots.u64(50..500))).await;
            }
        }
    }
}
