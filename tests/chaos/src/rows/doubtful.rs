//! B6: the broker stores a half message, and answers that it may not be safe.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use harness::broker_proxy::{End, Passage, Resolution, sends};
use harness::faults::{Point, Standing, Toxic};
use harness::order_calls::Attempt;
use harness::remoting::status;
use tokio::time::Instant;

use super::Bench;
use super::window::BETWEEN_TRIES;
use crate::figures::Figures;
use crate::judge::{AttemptState, attempt_state, judge_clean, rest};
use crate::rig::{CREATE_ORDER, FAULT_LIMIT, Rig};

/// Creates orders until one has a doubtful half message: under load, create-order may give one up
/// before it is answered.
async fn doubted(rig: &Rig<'_>, rule: &Standing<Passage>, key: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut tries = 0_u32;
    while began.elapsed() < FAULT_LIMIT {
        let outcome = rig.create(&format!("{key}-try-{tries}")).await;
        if rule.struck() > 0 {
            anyhow::ensure!(outcome.acked().is_some(), "a doubtful order was answered {outcome:?}");
            return Ok(());
        }
        tries += 1;
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    anyhow::bail!("no half message of {tries} orders was doubtful")
}

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let journal = rig.proxies()?.journal();
    let mut doubtful = BTreeMap::new();
    let mut faults = 0;
    for round in 0..bench.either(1_u64, 10) {
        // The breaker skips the half message after three failures, so doubtful answers do not
        // follow each other.
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
            let broker = &rig.proxies_of(CREATE_ORDER)?.broker;
            let rule = broker.on(Point::Response, sends()).inflict(Toxic::Rewrite(rewrite));
            doubted(&rig, &rule, &format!("doubtful-{doubt}-{round}")).await?;
            faults += rule.struck();
            drop(rule);
            let struck = struck.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let halves = journal.halves().into_iter().skip(before);
            for half in halves.filter(|half| struck.contains(&half.connection)) {
                let attempt = half.transaction_id.as_deref().unwrap_or_default();
                let ends = journal.ends_of(attempt);
                let committed = ends.iter().any(|end| end.resolution == Resolution::Commit);
                anyhow::ensure!(!committed, "a doubtful half message was committed");
                let order_id = half.aggregate.as_deref().and_then(|key| key.split("ORDER#").nth(1));
                let order_id = order_id.context("a half message names no order")?;
                doubtful.insert(attempt.to_owned(), order_id.to_owned());
            }
        }
        rest(&rig).await?;
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = faults;
    anyhow::ensure!(figures.duplicate_copies == 0, "an event was published twice");
    anyhow::ensure!(u64::try_from(doubtful.len())? >= faults, "some attempts were not followed");
    // Each was rolled back, and another attempt has created its order, so it needs no fence.
    for (transaction_id, order_id) in doubtful {
        let rolled_back = |end: &End| end.passed_on && end.resolution == Resolution::Rollback;
        let ends = journal.ends_of(&transaction_id);
        anyhow::ensure!(ends.iter().any(rolled_back), "{transaction_id} was not rolled back");
        let state = attempt_state(&rig, &Attempt { transaction_id, order_id }).await?;
        anyhow::ensure!(state == AttemptState::Superseded, "a doubtful attempt is {state:?}");
    }
    rig.stop().await;
    Ok(figures)
}
