//! The sweep, one look at a time.

use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass};
use application::ports::{EndError, Resolution, TransactionalPublisher};
use application::publish_recorded_event::PublishRecordedEvent;
use application::sweep::{Pace, Sweep, SweepReport};
use testkit::broker::MemoryReceipt;
use testkit::clock::ManualClock;
use testkit::world::World;

use super::process::{Process, Step};
use super::wire::{Call, Wire};

/// Longer than any event is moved on.
const LATER: Duration = Duration::from_secs(11 * 60);

/// Sends the order's event. Without an acknowledgement its COMMIT is lost.
pub(crate) async fn sends(world: &World, clock: &ManualClock, acknowledged: bool) -> MemoryReceipt {
    let mut sweep = look(world, clock);
    let Step::Called(Call::Prepare(half, reply)) = sweep.go_on().await else {
        panic!("the sweep sends nothing");
    };
    let deadline = Deadline::after(LATER);
    let receipt = world.broker.prepare(&half.borrowed(), deadline).await.unwrap();
    drop(reply.send(Ok(receipt)));
    let Step::Called(Call::End(ended, Resolution::Commit, reply)) = sweep.go_on().await else {
        panic!("the sweep commits at once");
    };
    assert_eq!(ended, receipt);
    drop(reply.send(if acknowledged {
        world.broker.end(&receipt, Resolution::Commit, deadline).await
    } else {
        let lost = Failure::new(FailureClass::Unavailable, "the COMMIT was lost");
        Err(EndError::Unknown(lost))
    }));
    let Step::Finished(report) = sweep.go_on().await else { panic!("the sweep sends twice") };
    let (sent, left) = if acknowledged { (1, 0) } else { (0, 1) };
    assert_eq!((report.sent, report.left, report.failed_looks), (sent, left, 0));
    receipt
}

/// Finds nothing to send.
pub(crate) async fn finds_nothing(world: &World, clock: &ManualClock) {
    let Step::Finished(report) = look(world, clock).go_on().await else {
        panic!("the sweep sends what it need not");
    };
    assert_eq!((report.sent, report.left, report.failed_looks), (0, 0, 0));
}

/// A window with time for one look, at a moment when everything is due.
fn look(world: &World, clock: &ManualClock) -> Process<SweepReport, Call> {
    clock.advance(LATER);
    let (wire, calls) = Wire::new(world.tables.clone());
    let pace = Pace::default();
    let sweep = Sweep {
        unobserved: world.tables.clone(),
        published: world.broker.clone(),
        publication: PublishRecordedEvent {
            outbox: world.tables.clone(),
            publisher: wire,
            clock: clock.clone(),
        },
        pace,
    };
    let window = pace.event + Duration::from_millis(1);
    Process::new(async move { sweep.run(Deadline::after(window)).await }, calls)
}
