//! The time of create-order, step by step and one order at a time: each of its calls by clients and
//! as bytes on a socket, and an invocation without these calls.

use std::sync::Arc;

use crate::floor::{Floor, Frames, Steps};
use crate::load;
use crate::orders::Invoked;
use crate::rig::Rig;
use crate::samples::Samples;

/// The ways alternate in blocks, so that all are affected if the machine is slow for a while.
const ROUNDS: u64 = 20;

/// Orders of each way before the measurement.
const WARM_UP: u64 = 500;

/// The three calls of an order, and their sum.
#[derive(Default)]
pub(crate) struct StepSamples {
    pub(crate) half_message: Samples,
    pub(crate) put: Samples,
    pub(crate) commit: Samples,
    pub(crate) total: Samples,
}

impl StepSamples {
    fn push(&mut self, steps: &Steps) {
        self.half_message.push(steps.half_message);
        self.put.push(steps.put);
        self.commit.push(steps.commit);
        self.total.push(steps.total());
    }
}

#[derive(Default)]
pub(crate) struct PathFigures {
    /// The calls by the RocketMQ client and the AWS SDK.
    pub(crate) clients: StepSamples,
    /// The calls as bytes on sockets.
    pub(crate) frames: StepSamples,
    /// create-order for a request without a token.
    pub(crate) anonymous: Samples,
    /// create-order for an order without lines, with a valid token.
    pub(crate) empty: Samples,
    /// create-order for an order.
    pub(crate) created: Samples,
}

pub(crate) async fn measure(rig: &Rig, orders: u64) -> anyhow::Result<PathFigures> {
    let site = rig.site(1).await?;
    let floor = Floor::connect(&site, 1).await?;
    let mut frames = Frames::connect(rig, &site).await?;
    let anonymous = Arc::new(Invoked::anonymous(rig, &site)?);
    let empty = Arc::new(Invoked::empty(rig, &site)?);
    let invoked = Arc::new(Invoked::new(rig, &site)?);
    rig.progress().step("measuring the steps of create-order");
    let mut figures = PathFigures::default();
    for (round, block) in rounds(orders) {
        let step = format!("measuring the steps of create-order: {round} of {ROUNDS} rounds");
        rig.progress().at(&step);
        // The figures of the warm-up are not kept.
        let mut kept = PathFigures::default();
        for _ in 0..block {
            kept.clients.push(&floor.steps(0).await?);
        }
        for _ in 0..block {
            kept.frames.push(&frames.steps().await?);
        }
        kept.anonymous = load::run(&anonymous, 1, block).await?;
        kept.empty = load::run(&empty, 1, block).await?;
        kept.created = load::run(&invoked, 1, block).await?;
        if round > 0 {
            figures.extend(kept);
        }
    }
    floor.close().await;
    site.stop().await;
    Ok(figures)
}

/// The rounds with the number of orders in each. Round 0 is the warm-up.
fn rounds(orders: u64) -> impl Iterator<Item = (u64, u64)> {
    let block = orders.div_ceil(ROUNDS);
    std::iter::once((0, WARM_UP)).chain((1..=ROUNDS).map(move |round| (round, block)))
}

impl PathFigures {
    fn extend(&mut self, other: Self) {
        self.clients.extend(other.clients);
        self.frames.extend(other.frames);
        self.anonymous.extend(other.anonymous);
        self.empty.extend(other.empty);
        self.created.extend(other.created);
    }
}

impl StepSamples {
    fn extend(&mut self, other: Self) {
        self.half_message.extend(other.half_message);
        self.put.extend(other.put);
        self.commit.extend(other.commit);
        self.total.extend(other.total);
    }
}
