//! The sweep, one look at a time.

use std::time::Duration;

use application::deadline::Deadline;
use application::events::publish::PublishStored;
use application::events::sweep::{Pace, Sweep, SweepReport};
use application::ports::{EndError, Resolution, TransactionalPublisher};
use testkit::broker::MemoryReceipt;
use testkit::clock::ManualClock;
use testkit::world::World;

use super::stage::away;
use super::wire::{Call, Wire};
use crate::replay::line::Reply;
use crate::replay::process::{Process, Step};

/// Longer than the sweep postpones any event.
const LATER: Duration = Duration::from_secs(11 * 60);

/// A look that has sent the order's event, and waits for the answer to its COMMIT.
struct Sent {
    look: Process<SweepReport, Call>,
    receipt: MemoryReceipt,
    reply: Reply<Result<(), EndError>>,
}

/// Sends the order's event.
pub(crate) async fn sends(world: &World, clock: &ManualClock) {
    let Sent { look, receipt, reply } = send(world, clock).await;
    let committed = world.broker.end(&receipt, Resolution::Commit, Deadline::after(LATER)).await;
    drop(reply.send(committed));
    let report = finish(look).await;
    assert_eq!((report.sent, report.failed_looks), (1, 0));
}

/// Claims the order's event, and dies before its half message is stored.
pub(crate) async fn claims_in_vain(world: &World, clock: &ManualClock) {
    let mut look = look(world, clock);
    let Step::Called(Call::Prepare(..)) = look.go_on().await else {
        panic!("the sweep sends nothing");
    };
}

/// Sends the order's event, and its COMMIT is lost; the process may then die.
pub(crate) async fn sends_in_vain(world: &World, clock: &ManualClock, dies: bool) -> MemoryReceipt {
    let Sent { look, receipt, reply } = send(world, clock).await;
    if !dies {
        drop(reply.send(Err(EndError::Unknown(away()))));
        let report = finish(look).await;
        assert_eq!((report.sent, report.failed_looks), (0, 0));
    }
    receipt
}

pub(crate) async fn finds_nothing(world: &World, clock: &ManualClock) {
    let report = finish(look(world, clock)).await;
    assert_eq!((report.sent, report.failed_looks), (0, 0));
}

async fn send(world: &World, clock: &ManualClock) -> Sent {
    let mut look = look(world, clock);
    let Step::Called(Call::Prepare(half, reply)) = look.go_on().await else {
        panic!("the sweep sends nothing");
    };
    let receipt = world.broker.prepare(&half.borrowed(), Deadline::after(LATER)).await.unwrap();
    drop(reply.send(Ok(receipt)));
    let Step::Called(Call::End(ended, Resolution::Commit, reply)) = look.go_on().await else {
        panic!("the sweep commits at once");
    };
    assert_eq!(ended, receipt);
    Sent { look, receipt, reply }
}

async fn finish(mut look: Process<SweepReport, Call>) -> SweepReport {
    let Step::Finished(report) = look.go_on().await else {
        panic!("the sweep sends more than it needs to");
    };
    report
}

/// A window with time for one look, at a moment when everything is due.
fn look(world: &World, clock: &ManualClock) -> Process<SweepReport, Call> {
    clock.advance(LATER);
    let (wire, calls) = Wire::new(world.tables.clone());
    let pace = Pace::default();
    let sweep = Sweep {
        index: world.tables.clone(),
        aggregates: world.tables.clone(),
        topics: world.broker.clone(),
        publication: PublishStored { publisher: wire, clock: clock.clone() },
        identities: world.identities.clone(),
        pace,
    };
    let window = pace.event + Duration::from_millis(1);
    Process::new(async move { sweep.run(Deadline::after(window)).await }, calls)
}
