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

/// How many clients order at once.
const CLIENTS: usize = 12;

/// How often a client asks again at once when it does not know; what is open then, the judge
/// settles.
const RETRIES: u32 = 3;

/// How many troubles may overlap.
const LANES: u64 = 2;

/// How much is ordered, and how fast.
#[derive(Clone, Copy)]
struct Load {
    /// How many intents, at the least; one in twenty is for what nobody sells.
    orders: u64,
    /// How many, at the most, while fewer than `kinds` have struck.
    orders_max: u64,
    /// How many kinds of trouble have to strike something.
    kinds: usize,
    /// The longest pause of a client between two intents.
    pause: Duration,
}

/// Some ten orders a second, which functions built for development handle as they come: what is
/// late is late because of a trouble, and not because of what waits before it.
const PAUSE: Duration = Duration::from_millis(2_200);

/// Long enough for some of the troubles, of which each takes seconds.
const SHORT: Load = Load { orders: 150, orders_max: 600, kinds: 4, pause: PAUSE };

/// Long enough for all of them, and for ten thousand orders that can be taken.
const LONG: Load =
    Load { orders: 10_600, orders_max: 15_000, kinds: Trouble::ALL.len(), pause: PAUSE };

/// How often each trouble struck, and how often a key was asked for something else.
struct Tally {
    struck: Mutex<BTreeMap<&'static str, u64>>,
    misused: AtomicU64,
}

impl Tally {
    fn of(kinds: &[Trouble]) -> Self {
        let struck = Mutex::new(kinds.iter().map(|kind| (kind.name(), 0)).collect());
        Self { struck, misused: AtomicU64::new(0) }
    }

    /// A key was asked for something else, which the server refuses with 422, or does not know yet.
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

    /// How many kinds have struck something.
    fn kinds(&self) -> usize {
        self.counts().values().filter(|struck| **struck > 0).count()
    }
}

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    if bench.either(true, false) {
        let rig = Rig::start(bench.cluster, bench.seed).await?;
        return mixed(rig, None, SHORT).await;
    }
    // Long, the broker dies too, and so it must be this row's own.
    let cluster = bench.own_cluster(Cluster::TUNING).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    mixed(rig, Some(&cluster), LONG).await
}

/// Orders under troubles, until there are enough of them.
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
        // Each lane begins elsewhere, and comes by every kind before it comes by one again.
        let mut lots = Rng::with_seed(rig.seed.wrapping_add(lane));
        let (rig, enough, kinds, tally, memory) = (&rig, &enough, &kinds, &tally, &memory);
        async move {
            let mut left: Vec<Trouble> = Vec::new();
            while !enough.load(Ordering::Relaxed) {
                if left.is_empty() {
                    left.clone_from(kinds);
                    lots.shuffle(&mut left);
                }
                let Some(trouble) = left.pop() else { break };
                // Troubles in the midst of two lanes' would otherwise come in step.
                tokio::time::sleep(Duration::from_millis(lots.u64(0..1_500))).await;
                memory.fetch_max(within_memory(rig)?, Ordering::Relaxed);
                tally.add(trouble, trouble.make(rig, cluster, &mut lots).await?);
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
    figures.note("keys asked for something else, answered 422", Measure::Count(misused));
    for (name, struck) in counts {
        figures.note(name, Measure::Count(struck));
    }
    let memory = memory.into_inner();
    anyhow::ensure!(memory > 0, "no process told how much memory it uses");
    figures.note("most memory of a process", Measure::Bytes(memory));
    rig.stop().await;
    Ok(figures)
}

/// The most memory that a process has had in use, in bytes. Lambda ends one that wants more than it
/// is given.
fn within_memory(rig: &Rig<'_>) -> anyhow::Result<u64> {
    let mut most = 0;
    for function in FUNCTIONS {
        let Some((peak, given)) = rig.memory(function)? else { continue };
        anyhow::ensure!(peak <= given, "{function} has had {peak} of {given} bytes in use");
        most = most.max(peak);
    }
    Ok(most)
}

/// Clients that order until it is enough.
async fn order_all(rig: &Rig<'_>, load: Load, tally: &Tally) -> anyhow::Result<()> {
    let next = AtomicU64::new(0);
    let client = |number: usize| {
        let next = &next;
        async move {
            let mut lots = Rng::with_seed(rig.seed ^ u64::try_from(number).unwrap_or_default());
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let enough = if tally.kinds() < load.kinds { load.orders_max } else { load.orders };
                if n >= enough {
                    return anyhow::Ok(());
                }
                order(rig, n, tally, &mut lots).await?;
                tokio::time::sleep(load.pause.mul_f64(lots.f64())).await;
            }
        }
    };
    futures::future::try_join_all((0..CLIENTS).map(client)).await?;
    Ok(())
}

/// Orders once, as a client of some haste does: now and then twice at once with one key, and again
/// when it does not know. Now and then it orders what nobody sells, or asks for something else under
/// its old key.
async fn order(rig: &Rig<'_>, n: u64, tally: &Tally, lots: &mut Rng) -> anyhow::Result<()> {
    let key = format!("mix-{n}");
    let product_id = if lots.u8(0..20) == 0 { Intent::UNKNOWN_PRODUCT } else { lots.u64(1..=8) };
    let intent = Intent { product_id, quantity: lots.u64(1..=3) };
    if lots.u8(0..10) == 0 {
        tokio::join!(rig.place_as(&key, intent), rig.place_as(&key, intent));
    }
    for _ in 0..=RETRIES {
        match rig.place_as(&key, intent).await {
            Outcome::Acked { .. } if lots.u8(0..20) == 0 => {
                let other = Intent { quantity: intent.quantity + 1, ..intent };
                return tally.misused(&rig.misuse(&key, other).await);
            }
            Outcome::Acked { .. } | Outcome::Refused { .. } => return Ok(()),
            Outcome::Unknown { .. } => {
                tokio::time::sleep(Duration::from_millis(lots.u64(50..500))).await;
            }
        }
    }
    Ok(())
}
