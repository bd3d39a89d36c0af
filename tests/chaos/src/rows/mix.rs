//! X1: everything at random, under load.

mod trouble;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;

use super::Bench;
use crate::client::{Intent, Outcome};
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::judge_clean;
use crate::rig::{FUNCTIONS, Rig};
use trouble::Trouble;

/// How many order at once.
const CLIENTS: usize = 12;

/// How often a client that does not know the outcome retries at once; the judge settles the rest.
const RETRIES: u32 = 3;

/// Faults that may overlap.
const LANES: u64 = 2;

/// How much is ordered, and how fast.
#[derive(Clone, Copy)]
struct Load {
    /// The least number of intents; one in twenty is for an unknown product.
    orders: u64,
    /// The most intents while fewer than `kinds` kinds of trouble have struck.
    orders_max: u64,
    /// The kinds of trouble that have to strike.
    kinds: usize,
    /// The longest pause of a client between two intents.
    pause: Duration,
}

/// Some ten orders a second, which functions built for development handle without a queue, so that
/// only a trouble causes a delay.
const PAUSE: Duration = Duration::from_millis(2_200);

/// Enough time for some of the troubles; each of them takes seconds.
const SHORT: Load = Load { orders: 150, orders_max: 600, kinds: 4, pause: PAUSE };

/// Enough time for all troubles, and for ten thousand orders that can be created.
const LONG: Load =
    Load { orders: 10_600, orders_max: 15_000, kinds: Trouble::ALL.len(), pause: PAUSE };

/// Counts each trouble's strikes, and the keys that were used for another intent.
struct Tally {
    struck: Mutex<BTreeMap<&'static str, u64>>,
    misused: AtomicU64,
}

impl Tally {
    fn of(kinds: &[Trouble]) -> Self {
        let struck = Mutex::new(kinds.iter().map(|kind| (kind.name(), 0)).collect());
        Self { struck, misused: AtomicU64::new(0) }
    }

    /// A key was used for another intent. The server refuses this with 422, if it can answer.
    fn misused(&self, outcome: &Outcome) -> anyhow::Result<()> {
        match outcome {
            Outcome::Refused { status: 422 } => {
                self.misused.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Outcome::Unknown { .. } => Ok(()),
            other => anyhow::bail!("something else under an old key was answered {other:?}"),
        }
    }

    fn add(&self, kind: Trouble, struck: u64) {
        let mut counts = self.struck.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(kind.name()).or_default() += struck;
    }

    fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.struck.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn kinds(&self) -> usize {
        self.counts().values().filter(|struck| **struck > 0).count()
    }
}

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    if bench.either(true, false) {
        let rig = Rig::start(bench.cluster, bench.seed).await?;
        return mixed(rig, None, SHORT).await;
    }
    // In the long form the broker dies too, so it must be this row's own.
    let cluster = bench.own_cluster(Cluster::TUNING).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    mixed(rig, Some(&cluster), LONG).await
}

/// Creates orders under troubles, until there are enough.
async fn mixed(rig: Rig<'_>, cluster: Option<&Cluster>, load: Load) -> anyhow::Result<Figures> {
    let kinds = Trouble::kinds(cluster.is_some());
    let tally = Tally::of(&kinds);
    let enough = AtomicBool::new(false);
    let memory = AtomicU64::new(0);
    let loaded = async {
        order_all(&rig, load, &tally).await?;
        enough.store(true, Ordering::Relaxed);
        anyhow::Ok(())
    };
    let lanes = futures::future::try_join_all((0..LANES).map(|lane| {
        // Each lane makes every kind once, in random order, before it repeats one.
        let mut random = Rng::with_seed(rig.seed.wrapping_add(lane));
        let (rig, enough, kinds, tally, memory) = (&rig, &enough, &kinds, &tally, &memory);
        async move {
            let mut left: Vec<Trouble> = Vec::new();
            while !enough.load(Ordering::Relaxed) {
                if left.is_empty() {
                    left.clone_from(kinds);
                    random.shuffle(&mut left);
                }
                let Some(trouble) = left.pop() else { break };
                // Without it the troubles of two lanes would come in step.
                tokio::time::sleep(Duration::from_millis(random.u64(0..1_500))).await;
                memory.fetch_max(within_memory(rig)?, Ordering::Relaxed);
                tally.add(trouble, trouble.make(rig, cluster, &mut random).await?);
            }
            anyhow::Ok(())
        }
    }));
    tokio::try_join!(loaded, lanes)?;
    let mut figures = judge_clean(&rig).await?;
    let counts = tally.counts();
    figures.faults = counts.values().sum();
    anyhow::ensure!(tally.kinds() >= load.kinds, "too little went wrong: {counts:?}");
    let misused = tally.misused.into_inner();
    anyhow::ensure!(figures.refused > 0 && misused > 0, "nothing was refused");
    figures.add_measure("keys asked for something else, answered 422", Measure::Count(misused));
    for (name, struck) in counts {
        figures.add_measure(name, Measure::Count(struck));
    }
    let memory = memory.into_inner();
    anyhow::ensure!(memory > 0, "no process reported its memory");
    figures.add_measure("most memory of a process", Measure::Bytes(memory));
    rig.stop().await;
    Ok(figures)
}

/// The peak memory of a process, in bytes. Lambda ends a process that exceeds its function's
/// memory.
fn within_memory(rig: &Rig<'_>) -> anyhow::Result<u64> {
    let mut most = 0;
    for function in FUNCTIONS {
        let Some((peak, given)) = rig.memory(function)? else { continue };
        anyhow::ensure!(peak <= given, "{function} has used {peak} of {given} bytes");
        most = most.max(peak);
    }
    Ok(most)
}

async fn order_all(rig: &Rig<'_>, load: Load, tally: &Tally) -> anyhow::Result<()> {
    let next = AtomicU64::new(0);
    let client = |number: usize| {
        let next = &next;
        async move {
            let mut random = Rng::with_seed(rig.seed ^ u64::try_from(number).unwrap_or_default());
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let enough = if tally.kinds() < load.kinds { load.orders_max } else { load.orders };
                if n >= enough {
                    return anyhow::Ok(());
                }
                order(rig, n, tally, &mut random).await?;
                tokio::time::sleep(load.pause.mul_f64(random.f64())).await;
            }
        }
    };
    futures::future::try_join_all((0..CLIENTS).map(client)).await?;
    Ok(())
}

/// Creates one order, as an impatient client does: sometimes with two requests at once under one
/// key, and with retries when the outcome is unknown. Sometimes the client orders an unknown
/// product, orders something else under an old key, or cancels an order.
async fn order(rig: &Rig<'_>, n: u64, tally: &Tally, random: &mut Rng) -> anyhow::Result<()> {
    let key = format!("mix-{n}");
    let product_id =
        if random.u8(0..20) == 0 { Intent::UNKNOWN_PRODUCT } else { random.u64(1..=8) };
    let intent = Intent { product_id, quantity: random.u64(1..=3) };
    if random.u8(0..10) == 0 {
        tokio::join!(rig.create_as(&key, intent), rig.create_as(&key, intent));
    }
    for _ in 0..=RETRIES {
        match rig.create_as(&key, intent).await {
            Outcome::Acked { .. } if random.u8(0..20) == 0 => {
                let other = Intent { quantity: intent.quantity + 1, ..intent };
                return tally.misused(&rig.misuse(&key, other).await);
            }
            Outcome::Acked { order_id, .. } if random.u8(0..10) == 0 => {
                tokio::time::sleep(Duration::from_millis(random.u64(0..200))).await;
                // A cancel without an answer is not settled: the judge accepts both outcomes.
                return rig.cancel(&order_id).await.map(drop);
            }
            Outcome::Acked { .. } | Outcome::Refused { .. } => return Ok(()),
            Outcome::Unknown { .. } => {
                tokio::time::sleep(Duration::from_millis(random.u64(50..500))).await;
            }
        }
    }
    Ok(())
}
