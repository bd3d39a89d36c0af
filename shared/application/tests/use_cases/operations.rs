//! What operators do, and whether the service works.

mod assess_health;
pub(crate) mod discard;
mod find_aggregates;
mod list;
mod pending;
mod redrive;
mod replay;
mod replay_since;
mod rotate_signing_key;

use std::time::Duration;

use application::events::publish::PublishStored;
use application::outcome::FailureClass;
use application::ports::DeadLetter;
use contracts::event::Event;
use domain::identity::OrderId;
use testkit::broker::MemoryBroker;
use testkit::clock::ManualClock;
use testkit::fault::{Fault, Operation};
use testkit::world::World;

use crate::events::{LONG, consume};
use crate::orders::create::{command, create};

const MINUTE: Duration = Duration::from_secs(60);

fn event(body: &str) -> Event {
    Event::decode(body.as_bytes()).unwrap()
}

fn publish(world: &World) -> PublishStored<MemoryBroker, ManualClock> {
    PublishStored { publisher: world.broker.clone(), clock: world.clock.clone() }
}

/// An order whose first event is a dead letter, and that letter.
async fn given_up(world: &World) -> (OrderId, DeadLetter) {
    let id = create(world, &command(2, None)).await.unwrap().order.id();
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    consume(world, LONG).await;
    world.tables.heal(Operation::Reserve);
    let created = world.tables.stored_order(id).unwrap().created_event();
    let letters = world.tables.dead_letters();
    (id, letters.into_iter().find(|letter| letter.event_id == Some(created)).unwrap())
}
