//! P4: the local transaction is stored, and its answer is lost.

use harness::faults::{Point, Toxic};
use harness::table_proxy::calls;

use super::Bench;
use crate::client::Outcome;
use crate::figures::{Figures, Measure};
use crate::judge::{judge_clean, rest};
use crate::rig::{CREATE_ORDER, Rig};

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let rounds: u64 = bench.either(2, 10);
    let table = &rig.proxies_of(CREATE_ORDER)?.table;
    let mut faults = 0;
    for round in 0..rounds {
        // One answer is lost: the next try finds what the first one stored.
        let lost = table.on(Point::Response, calls("PutItem")).once();
        let lost = lost.inflict(Toxic::Lose);
        let outcome = rig.create(&format!("once-{round}")).await;
        anyhow::ensure!(outcome.acked().is_some(), "a stored order was answered {outcome:?}");
        faults += lost.struck();

        // Every answer is lost until the deadline: the outcome is unknown.
        let lost = table.on(Point::Response, calls("PutItem")).inflict(Toxic::Lose);
        let key = format!("always-{round}");
        let outcome = rig.create(&key).await;
        let Outcome::Unknown { status: Some(503), order_id: Some(open), retry_after: true } =
            outcome
        else {
            anyhow::bail!("the outcome is unknown, and the client was answered {outcome:?}");
        };
        anyhow::ensure!(lost.struck() > 1, "the transaction was not tried again");
        faults += lost.struck();
        drop(lost);
        let settled = rig.create(&key).await;
        let replay = Outcome::Acked { order_id: open, replayed: true };
        anyhow::ensure!(settled == replay, "the retry was answered {settled:?}, not {replay:?}");
        rest(&rig).await?;
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = faults;
    anyhow::ensure!(figures.committed == figures.tried, "an order was created twice");
    figures.add_measure("orders created twice", Measure::Count(figures.committed - figures.tried));
    rig.stop().await;
    Ok(figures)
}
