//! The seeded simulator: the real use cases in many processes, on a simulated cluster and table,
//! with time paused and everything that can go wrong going wrong.
//!
//! A run has two halves. In the **storm**, calls are slow, lost, late, doubled and refused;
//! processes die and freeze in whatever they are doing; the broker goes away, forgets what it has
//! ended, and gives up half messages that nobody answers for. Then all is **healed**, and once
//! nothing is under way any more the [`judge`] compares what clients were told with what is stored,
//! published and done.
//!
//! One seed decides everything: the same seed makes the same run, call for call, which its digest
//! shows.
//!
//! # Layout
//!
//! - `process`: something that can die and freeze
//! - `cluster`: the broker's checks
//! - `functions`: the functions' windows, each in a process of its own
//! - `clients`: what they ask for, and what they are told
//! - `disasters`: what befalls processes and the broker
//! - [`judge`]: the invariants
//! - `ablation`: parts of the protocol left out, to see that the judge notices

#![allow(clippy::disallowed_methods, reason = "no Lambda freezes a simulation")]

mod ablation;
mod clients;
mod cluster;
mod disasters;
mod functions;
pub mod judge;
mod process;
mod trace;

use std::collections::BTreeSet;
use std::time::Duration;

use domain::identity::ProductId;
use tokio::time::Instant;

use crate::samples::{product, product_id};
use crate::weather::Weather;
use crate::world::World;
pub use ablation::Part;
pub use clients::{Intent, Told};
use cluster::Members;
use judge::{Figures, Violation};
use process::Processes;
pub use trace::Trace;

/// How long the storm lasts, at the most; at least a quarter of it.
const STORM_MAX: Duration = Duration::from_secs(300);

/// How long it may take until nothing is under way any more. Messages that failed often come again
/// after 10 minutes at the latest, and twice.
const HEALING_MAX: Duration = Duration::from_secs(3_600);

/// The same where a part is left out: then some of it never ends.
const HEALING_MAX_WITHOUT: Duration = Duration::from_secs(600);

/// How often it is looked whether nothing is under way any more.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The products that are sold, and how many there are of each: not enough for all orders.
const STOCK: [(u64, u32); 3] = [(1, 1_000), (2, 12), (3, 4)];

/// One seed's world.
#[derive(Clone)]
struct Simulation {
    weather: Weather,
    world: World,
    members: Members,
    processes: Processes,
    trace: Trace,
    left_out: Option<Part>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// What was tried, told and seen.
    pub figures: Figures,
    /// Which invariants don't hold; none is what is expected.
    pub violations: Vec<Violation>,
    /// The kinds of faults that something has met.
    pub met: BTreeSet<String>,
    /// What happened, in order.
    pub trace: Trace,
}

/// Runs a seed. `left_out` takes a part out of the protocol.
pub fn run(seed: u64, left_out: Option<Part>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    // Within the runtime, whose time is paused: outside of it the clock goes on.
    runtime.block_on(async { Simulation::new(seed, left_out).run().await })
}

impl Simulation {
    fn new(seed: u64, left_out: Option<Part>) -> Self {
        let weather = Weather::seeded(seed);
        let world = World::default();
        for (id, stock) in STOCK {
            world.tables.put_product(product(id, stock));
        }
        world.tables.set_weather(&weather);
        world.broker.set_weather(&weather);
        Self {
            weather,
            world,
            members: Members::default(),
            processes: Processes::default(),
            trace: Trace::default(),
            left_out,
        }
    }

    async fn run(self) -> Outcome {
        self.trace.note(|| format!("{:?}", self.weather.odds()));
        self.schedule_functions();
        self.check_half_messages();
        let least = STORM_MAX / 4;
        let drawn = self.weather.below(u64::try_from(STORM_MAX.as_millis()).unwrap());
        let storm = least + Duration::from_millis(drawn).mul_f64(0.75);
        let disasters = tokio::spawn(self.clone().bring_disasters());
        let intents = self.clone().serve_clients(storm).await;
        disasters.abort();
        self.heal();
        let healed_at = Instant::now();
        let quiet = self.wait_until_quiet().await;
        let recovery = healed_at.elapsed();
        self.trace.note(|| format!("quiet: {quiet:?} after {recovery:?}"));
        let figures = Figures::of(&self, &intents, recovery);
        let violations = judge::judge(&self, &intents, quiet);
        Outcome { figures, violations, met: self.weather.met(), trace: self.trace }
    }

    /// Ends everything that goes wrong. What is under way arrives.
    fn heal(&self) {
        self.trace.note(|| "healed".to_owned());
        self.weather.calm_down();
        self.world.broker.come_back();
        self.processes.thaw_all();
        self.world.tables.land_late_writes();
        self.world.broker.land_late_ends();
    }

    /// Waits until nothing is under way, and tells what is after all the time it may take.
    async fn wait_until_quiet(&self) -> Result<(), Backlog> {
        let most = if self.left_out.is_none() { HEALING_MAX } else { HEALING_MAX_WITHOUT };
        let deadline = Instant::now() + most;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // What was under way when its process died in the storm.
            self.world.tables.land_late_writes();
            self.world.broker.land_late_ends();
            let backlog = Backlog::of(self);
            if backlog == Backlog::default() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(backlog);
            }
        }
    }
}

/// What is still under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Half messages that are neither ended nor given up.
    pub open_halves: usize,
    /// Events that are not handled.
    pub pending: usize,
    /// Messages that are not acknowledged.
    pub unacknowledged: usize,
}

impl Backlog {
    fn of(simulation: &Simulation) -> Self {
        Self {
            open_halves: simulation.world.broker.open_halves(),
            pending: simulation.world.tables.pending_events(),
            unacknowledged: simulation.world.broker.unacknowledged(),
        }
    }
}

/// The product of an order, and how many are asked for. One in twenty asks for one that is not
/// sold.
fn ask(weather: &Weather) -> (ProductId, u64) {
    let product = match weather.below(20) {
        0 => 4,
        1..=5 => 2,
        6..=8 => 3,
        _ => 1,
    };
    (product_id(product), 1 + weather.below(3))
}
