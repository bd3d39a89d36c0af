//! P6: the end of a half message is lost, unanswered, late or doubled.

use harness::broker_proxy::{Resolution, frames};
use harness::faults::{Point, Toxic};
use harness::remoting::code;

use super::Bench;
use super::window::{Stopped, Window, amid};
use crate::figures::{Figures, Measure};
use crate::judge::{OrderState, Records, judge_clean, rest};
use crate::rig::{CREATE_ORDER, Rig};
use crate::waiting::eventually;

/// After this many orders in a row without the broker, the fault counts as not happened.
const TRIES_MAX: u32 = 10;

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let rig = Rig::start(bench.cluster, bench.seed).await?;
    let rounds: u64 = bench.either(1, 8);
    for round in 0..rounds {
        struck(&rig, &format!("lost-{round}"), Point::Request, Toxic::Lose).await?;
        struck(&rig, &format!("unanswered-{round}"), Point::Response, Toxic::Lose).await?;
        struck(&rig, &format!("doubled-{round}"), Point::Request, Toxic::Repeat(2)).await?;
        late(&rig, &format!("late-{round}")).await?;
    }
    let mut figures = judge_clean(&rig).await?;
    figures.faults = 4 * rounds;
    // A doubled end makes a second copy, and so does an end after a check-back's.
    anyhow::ensure!(
        figures.duplicate_copies >= 2 * rounds,
        "{} copies more than events: the broker did not see the second ends",
        figures.duplicate_copies
    );
    let orders = Records::read(&rig).await?.orders;
    let once = |order: &&OrderState| {
        order.history.iter().all(|change| rig.seen.notified(&change.event_id) == 1)
    };
    let part = u64::try_from(orders.values().filter(once).count())?;
    let effects = Measure::Share { part, whole: u64::try_from(orders.len())? };
    figures.add_measure("orders with each effect once", effects);
    rig.stop().await;
    Ok(figures)
}

/// Creates an order whose end is struck. The client still gets the order.
async fn struck(
    rig: &Rig<'_>,
    key: &str,
    point: Point,
    toxic: Toxic<harness::broker_proxy::Passage>,
) -> anyhow::Result<()> {
    let broker = &rig.proxies_of(CREATE_ORDER)?.broker;
    let rule = broker.on(point, frames(code::END_TRANSACTION)).once().inflict(toxic);
    // On a slow machine an order may be created without the broker, and then has no end.
    for number in 0..TRIES_MAX {
        let outcome = rig.create(&format!("{key}-try-{number}")).await;
        anyhow::ensure!(
            outcome.acked().is_some(),
            "{key}: a stored order was answered {outcome:?}"
        );
        if rule.struck() > 0 {
            break;
        }
    }
    anyhow::ensure!(rule.struck() == 1, "{key}: no end was struck");
    rest(rig).await
}

/// Creates an order whose end arrives after a check-back has ended its half message.
async fn late(rig: &Rig<'_>, key: &str) -> anyhow::Result<()> {
    let (outcome, held) = amid(rig, key, Window::EndUnseen, async |held| Ok(held)).await?;
    anyhow::ensure!(outcome.acked().is_some(), "{key}: a stored order was answered {outcome:?}");
    let Stopped::Frame(end) = &held else { anyhow::bail!("{key}: an end is a frame") };
    let message_id = end.traffic.frame.field("msgId").unwrap_or_default().to_owned();
    let journal = rig.proxies()?.journal();
    // Only the order's own check-back counts: its later events have ends, too.
    eventually("a check-back commits", async || {
        let by_check = journal.ends().into_iter().any(|end| {
            end.message_id == message_id
                && end.from_check
                && end.passed_on
                && end.resolution == Resolution::Commit
        });
        Ok(by_check.then_some(()))
    })
    .await?;
    held.release();
    rest(rig).await
}
