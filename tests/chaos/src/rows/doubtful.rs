//! B6: the broker stores a half message and does not vouch for it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use harness::broker_proxy::{Passage, Resolution, sends};
use harness::faults::{Point, Toxic};
use harness::remoting::status;

use super::Bench;
use crate::figures::Figures;
use crate::judge::{attempt_state, judge_clean, rest};
use crate::rig::{CREATE_ORDER, Rig};

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let journal = rig.proxies()?.journal();
    let mut doubtful = BTreeSet::new();
    let mut faults = 0;
    for round in 0..bench.either(1_u64, 10) {
        // The breaker skips the half message after three failures: each doubt comes by itself.
        for doubt in
            [status::FLUSH_DISK_TIMEOUT, status::SLAVE_NOT_AVAILABLE, status::FLUSH_SLAVE_TIMEOUT]
        {
            rig.settle(&format!("sound-{doubt}-{round}")).await?;
            let before = journal.halves().len();
            let struck = Arc::new(Mutex::new(BTreeSet::new()));
            let seen = Arc::clone(&struck);
            let rewrite: Arc<dyn Fn(&mut Passage) + Send + Sync> = Arc::new(move |passage| {
                seen.lock().unwrap_or_else(PoisonError::into_inner).insert(passage.connection);
                passage.frame.code = doubt;
            });
            let broker = &rig.before(CREATE_ORDER)?.broker;
            let rule = broker.on(Point::Response, sends()).inflict(Toxic::Rewrite(rewrite));
            let outcome = rig.place(&format!("doubtful-{doubt}-{round}")).await;
            anyhow::ensure!(outcome.acked().is_some(), "an order without its half: {outcome:?}");
            anyhow::ensure!(rule.struck() > 0, "no half message was doubtful");
            faults += rule.struck();
            drop(rule);
            let struck = struck.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let halves = journal.halves().into_iter().skip(before);
            for half in halves.filter(|half| struck.contains(&half.connection)) {
                let attempt = half.transaction_id.as_deref().unwrap_or_default();
                let ends = journal.ends_of(attempt);
                let committed = ends.iter().any(|end| end.resolution == Resolution::Commit);
                anyhow::ensure!(!committed, "a doubtful half message was committed");
                doubtful.insert(attempt.to_owned());
            }
        }
        rest(&rig).await?;
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = faults;
    anyhow::ensure!(figures.duplicate_copies == 0, "an event was told twice");
    for attempt in &doubtful {
        anyhow::ensure!(attempt_state(&rig, attempt).await? == "FENCED", "{attempt} lives on");
    }
    anyhow::ensure!(u64::try_from(doubtful.len())? >= faults, "some attempts were not followed");
    rig.stop().await;
    Ok(figures)
}
