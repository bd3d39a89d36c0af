//! The functions: each window runs in its own process.

use std::time::Duration;

use application::deadline::Deadline;
use application::events::answer_check::AnswerCheck;
use application::events::consume::{ConsumeEvents, HandleEvents, Registry};
use application::orders::create::WithoutBroker;

use super::Simulation;
use super::ablation::{Ablated, AlwaysCommit, Part, Unfenced};
use super::cluster::{Answers, answers};
use super::process::Process;
use crate::world::{MemoryCreateOrders, World};

/// The interval of both schedules.
const EVERY: Duration = Duration::from_secs(60);

/// The window of transaction-check, and its Lambda timeout.
const CHECK: (Duration, Duration) = (Duration::from_secs(50), Duration::from_secs(70));

/// The window of event-consumer, and its Lambda timeout.
const CONSUME: (Duration, Duration) = (Duration::from_secs(130), Duration::from_secs(150));

/// The largest difference between the wall clocks of two processes. It must not exceed
/// `lifetimes::CLOCK_MARGIN`.
const CLOCK_SKEW_MS: u64 = 900;

impl Simulation {
    /// Starts the schedules, which last until the end of the run.
    pub(super) fn schedule_functions(&self) {
        let (checks, consumers) = (self.clone(), self.clone());
        tokio::spawn(async move {
            loop {
                checks.start_transaction_check();
                tokio::time::sleep(EVERY).await;
            }
        });
        tokio::spawn(async move {
            loop {
                consumers.start_event_consumer();
                tokio::time::sleep(EVERY).await;
            }
        });
    }

    /// The use case as one process of create-order has it.
    pub(super) fn create_orders(&self, accept_without_broker: bool) -> MemoryCreateOrders {
        let mut create = self.machine().create_orders();
        if !accept_without_broker {
            create.without_broker = WithoutBroker::Refuse;
        }
        create
    }

    fn start_transaction_check(&self) {
        let (window, time_out) = CHECK;
        let simulation = self.clone();
        let world = self.machine();
        let sweep = world.sweep_pending();
        let (process, _window) = self.processes.start(async move {
            let end = Deadline::after(window);
            if simulation.left_out != Some(Part::Sweep) {
                let report = sweep.run(end).await;
                simulation.trace.add(|| format!("{report:?}"));
            }
            tokio::time::sleep(end.remaining()).await;
        });
        self.members.join(&process, self.answers(world));
        kill_after(time_out, process);
    }

    fn start_event_consumer(&self) {
        let (window, time_out) = CONSUME;
        let simulation = self.clone();
        let world = self.machine();
        let consume = world.consume_pending(Registry::default());
        let handling = consume.handling;
        let handling = HandleEvents {
            aggregates: Ablated { tables: handling.aggregates, left_out: self.left_out },
            publication: handling.publication,
            identities: handling.identities,
            registry: handling.registry,
            groups: handling.groups,
        };
        let consume = ConsumeEvents {
            subscription: consume.subscription,
            handling,
            giving_up: consume.giving_up,
            pace: consume.pace,
        };
        let (process, _window) = self.processes.start(async move {
            let report = consume.run(Deadline::after(window)).await;
            simulation.trace.add(|| format!("{report:?}"));
        });
        kill_after(time_out, process);
    }

    fn answers(&self, world: World) -> Answers {
        match self.left_out {
            Some(Part::Ledger) => answers(AlwaysCommit),
            Some(Part::Fence) => {
                let unfenced = Unfenced::new(world.tables);
                answers(AnswerCheck::new(unfenced.clone(), unfenced, world.broker, world.clock))
            }
            _ => answers(world.answer_checks()),
        }
    }

    /// The same world with the wall clock of another machine.
    pub(super) fn machine(&self) -> World {
        let clock = self.world.clock.another();
        clock.advance(Duration::from_millis(self.weather.below(CLOCK_SKEW_MS)));
        World { clock, ..self.world.clone() }
    }
}

/// Kills a process at its timeout, as Lambda does.
fn kill_after(time_out: Duration, process: Process) {
    tokio::spawn(async move {
        tokio::time::sleep(time_out).await;
        process.kill();
    });
}
