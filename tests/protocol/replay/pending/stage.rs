//! The real use cases on the adapters in memory, and the wire between them.

mod consumer;
mod inventory;
mod order;
mod sweep;

use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass};
use application::ports::{EndError, HalfMessage};
use domain::order::StoredOrder;
use fastrand::Rng;
use testkit::clock::ManualClock;
use testkit::samples::{lines, product, user};
use testkit::world::World;

use super::view::View;
use super::wire::Call;
use crate::pending::action::Action;
use crate::pending::event::{Event, PerEvent};
use crate::pending::protocol::Handling;
use crate::pending::state::{MANY, State};
use crate::replay;
use crate::replay::half::OwnedHalf;
use crate::replay::process::{Process, Step};
use consumer::Consumer;

/// Of the order's product. The order reserves one unit.
pub(crate) const STOCK: u32 = 10;

/// No deadline passes: every call is shorter.
const LONG: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The order, its topic, and the processes that work on it.
pub(crate) struct Stage {
    pub(crate) world: World,
    /// Replaces RocketMQ here: as in the model, copies are counted and not distinguished.
    pub(crate) topic: PerEvent<Topic>,
    pub(crate) consumers: Vec<Option<Consumer>>,
    sweeper_clock: ManualClock,
    pub(crate) effects_elsewhere: u8,
    pub(crate) given_back: u8,
    /// Draws choices that the model doesn't distinguish.
    rng: Rng,
}

/// An event on its topic.
#[derive(Default)]
pub(crate) struct Topic {
    /// The last publication.
    pub(crate) latest: Option<OwnedHalf>,
    /// Whether a query for it finds it.
    pub(crate) is_stored: bool,
    /// Copies that our group can still receive.
    pub(crate) unacknowledged: u8,
}

impl replay::Stage for Stage {
    type Protocol = Handling;
    type View = View;

    async fn new(protocol: &Handling, seed: u64) -> Self {
        let world = World::default();
        world.tables.put_product(product(1, STOCK));
        let mut stage = Self {
            topic: PerEvent::default(),
            consumers: (0..protocol.bounds.consumers).map(|_| None).collect(),
            sweeper_clock: world.clock.another(),
            effects_elsewhere: 0,
            given_back: 0,
            rng: Rng::with_seed(seed),
            world,
        };
        stage.create_order().await;
        stage
    }

    async fn perform(&mut self, action: Action) {
        match action {
            Action::Deliver(consumer, event) => self.deliver(consumer, event).await,
            Action::Decide(consumer, decision) => self.decide(consumer, decision).await,
            Action::LoseDecisionAnswer(consumer, decision) => {
                self.lose_decision_answer(consumer, decision).await;
            }
            Action::PublishFollowUp(consumer) => self.publish_follow_up(consumer).await,
            Action::LoseFollowUp(consumer) => self.lose_follow_up(consumer).await,
            Action::ActElsewhere(consumer) => self.act_elsewhere(consumer).await,
            Action::LoseElsewhereAnswer(consumer) => self.lose_elsewhere_answer(consumer).await,
            Action::Finish(consumer) => self.finish(consumer).await,
            Action::LoseFinishAnswer(consumer) => self.lose_finish_answer(consumer).await,
            Action::GiveUp(consumer) => self.give_up(consumer).await,
            Action::Acknowledge(consumer) => self.acknowledge(consumer).await,
            Action::Crash(consumer) => self.consumers[consumer] = None,
            Action::Cancel => self.cancel().await,
            // The code never reads an order to write it whole.
            Action::ReadToCancel | Action::ReachOthers(_) | Action::Replay(_) => {}
            Action::Lose(event) => {
                self.topic[event].is_stored = false;
                self.topic[event].unacknowledged = 0;
            }
            Action::LoseRedelivery(event) => self.topic[event].unacknowledged -= 1,
            Action::Copy(event) => self.copy(event),
            Action::Sweep(event) => self.sweep(event).await,
            Action::SweepEarly(event) => self.sweep_early(event).await,
            Action::Redrive(event) => self.redrive(event).await,
            Action::RedriveUnpublished(event) => self.redrive_unpublished(event).await,
        }
    }

    /// Nothing is on its way here: the sweep only looks once more.
    async fn close(&mut self) {
        self.sweep_nothing().await;
    }

    fn view(&self) -> View {
        self.seen()
    }

    fn expected(&self, state: &State) -> View {
        View::of_model(state, self.consumers.len()).ahead_as(self, state)
    }
}

impl Stage {
    /// Also commits its half message.
    async fn create_order(&mut self) {
        let command = application::orders::create::CreateOrderCommand {
            user_id: user(123),
            lines: lines(&[(1, 1)]),
            key: None,
            traceparent: None,
        };
        let create_orders = self.world.create_orders();
        create_orders.execute(&command, soon()).await.unwrap();
        let stored = self.world.broker.halves().remove(0);
        let half = OwnedHalf::of(&HalfMessage {
            message: &stored.message,
            transaction_id: stored.transaction_id,
            deadline: stored.deadline,
            is_recorded: stored.is_recorded,
        });
        self.publish(half);
    }

    pub(crate) fn stored(&self) -> StoredOrder {
        self.world.tables.stored_orders().remove(0)
    }

    /// A process sends an event, and commits it immediately.
    async fn send<Output>(
        &mut self,
        process: &mut Process<Output, Call>,
        sent: Call,
    ) -> Step<Output, Call> {
        let Call::Prepare(half, reply) = sent else { panic!("it sends nothing") };
        drop(reply.send(Ok(())));
        let Step::Called(Call::Commit(reply)) = process.go_on().await else {
            panic!("the half message of a stored event is committed at once");
        };
        self.publish(*half);
        drop(reply.send(Ok(())));
        process.go_on().await
    }

    fn publish(&mut self, half: OwnedHalf) {
        let event = self.event_of(&half);
        let topic = &mut self.topic[event];
        topic.latest = Some(half);
        topic.is_stored = true;
        self.copy(event);
    }

    /// A third copy is lost on its way: the model doesn't count it.
    fn copy(&mut self, event: Event) {
        let unacknowledged = &mut self.topic[event].unacknowledged;
        *unacknowledged = MANY.min(*unacknowledged + 1);
    }
}

/// No call here takes that long.
pub(crate) fn soon() -> Deadline {
    Deadline::after(LONG)
}

fn away() -> Failure {
    Failure::new(FailureClass::Unavailable, "the call was lost")
}

fn lost() -> EndError {
    EndError::Unknown(away())
}
