//! create-order compared with the floor, one order at a time and several at once.

use std::sync::Arc;

use crate::floor::Floor;
use crate::load::{self, Call};
use crate::orders::{CREATE_ORDER, Invoked, Posted};
use crate::rig::Rig;
use crate::samples::Samples;

/// Orders that are created at once.
const AT_ONCE: [usize; 3] = [1, 8, 32];

/// The ways alternate in blocks, so that all are affected if the machine or the table is slow for a
/// while.
const ROUNDS: u64 = 10;

/// Orders of each way before the measurement: processes start, the broker's Java code is compiled,
/// connections open.
const WARM_UP: u64 = 500;

pub(crate) struct OrderFigures {
    pub(crate) at_once: usize,
    pub(crate) floor: Samples,
    pub(crate) invoked: Samples,
    pub(crate) posted: Samples,
    pub(crate) peak_bytes: Option<u64>,
}

/// Creates `orders` orders in each way, with each number of concurrent orders in [`AT_ONCE`].
pub(crate) async fn measure(rig: &Rig, orders: u64) -> anyhow::Result<Vec<OrderFigures>> {
    let mut figures = Vec::with_capacity(AT_ONCE.len());
    for at_once in AT_ONCE {
        figures.push(level(rig, at_once, orders).await?);
    }
    Ok(figures)
}

async fn level(rig: &Rig, at_once: usize, orders: u64) -> anyhow::Result<OrderFigures> {
    let site = rig.site(at_once).await?;
    let floor = Arc::new(Floor::connect(&site, at_once).await?);
    let invoked = Arc::new(Invoked::new(rig, &site)?);
    let posted = Arc::new(Posted::new(&site));
    rig.progress().step(&format!("creating orders, {at_once} at once"));
    load::run(&floor, at_once, WARM_UP).await?;
    load::run(&invoked, at_once, WARM_UP).await?;
    load::run(&posted, at_once, WARM_UP).await?;
    let mut figures = OrderFigures {
        at_once,
        floor: Samples::default(),
        invoked: Samples::default(),
        posted: Samples::default(),
        peak_bytes: None,
    };
    let block = orders.div_ceil(ROUNDS);
    for round in 1..=ROUNDS {
        rig.progress()
            .at(&format!("creating orders, {at_once} at once: {round} of {ROUNDS} rounds"));
        add(&mut figures.floor, &floor, at_once, block).await?;
        add(&mut figures.invoked, &invoked, at_once, block).await?;
        add(&mut figures.posted, &posted, at_once, block).await?;
    }
    figures.peak_bytes = site.peak_memory(CREATE_ORDER)?;
    if let Some(floor) = Arc::into_inner(floor) {
        floor.close().await;
    }
    site.stop().await;
    Ok(figures)
}

async fn add<C: Call>(
    samples: &mut Samples,
    call: &Arc<C>,
    at_once: usize,
    block: u64,
) -> anyhow::Result<()> {
    samples.extend(load::run(call, at_once, block).await?);
    Ok(())
}
