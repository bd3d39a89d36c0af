//! The seeded simulator: the real use cases in many processes, on a simulated cluster and table,
//! with time paused and everything that can go wrong going wrong.
//!
//! A run has two halves. In the **storm**, calls are slow, lost, late, doubled and refused;
//! processes die and freeze at any point; the broker becomes unreachable, forgets which half
//! messages it has ended, and discards those whose checks get no answer. Then everything is
//! **healed**. Once all work is finished, the [`judge`] compares the answers that clients got with
//! the orders that are stored, the events that are published and the effects that happened.
//!
//! One seed decides everything: the same seed makes the same run, call for call. The digest of the
//! trace proves it.
//!
//! # Layout
//!
//! - `process`: a process that can die and freeze
//! - `cluster`: the broker's checks
//! - `functions`: the functions' windows, each in its own process
//! - `clients`: clients, their requests, and the answers that they get
//! - `cancels`: users who cancel orders
//! - `disasters`: crashes, freezes, outages and late arrivals
//! - [`judge`]: the invariants
//! - `ablation`: parts of the protocol left out, to see that the judge notices it

#![allow(clippy::disallowed_methods, reason = "no Lambda freezes a simulation")]

mod ablation;
mod cancels;
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
pub use cancels::{CancelReply, Cancellation};
pub use clients::{Intent, Reply};
use cluster::Members;
use judge::{Figures, Violation};
use process::Processes;
pub use trace::Trace;

/// The storm lasts at most this long, and at least a quarter of it.
const STORM_MAX: Duration = Duration::from_secs(300);

/// How long it may take until all work is finished. Messages that failed often come again after 10
/// minutes at the latest, and twice.
const HEALING_MAX: Duration = Duration::from_secs(3_600);

/// The maximum for a run with a part left out, where some work never finishes.
const HEALING_MAX_WITHOUT: Duration = Duration::from_secs(600);

/// How often the run looks whether all work is finished.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The products and their stock: not enough for all orders.
const STOCK: [(u64, u32); 3] = [(1, 1_000), (2, 12), (3, 4)];

#[derive(Clone)]
struct Simulation {
    weather: Weather,
    world: World,
    members: Members,
    processes: Processes,
    trace: Trace,
    left_out: Option<Part>,
}

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Counts over the whole run.
    pub figures: Figures,
    /// The invariants that don't hold: none in a correct system.
    pub violations: Vec<Violation>,
    /// The kinds of faults that calls and processes met.
    pub met: BTreeSet<String>,
    /// All steps of the run, in order.
    pub trace: Trace,
}

/// Runs one seed, without the part `left_out` of the protocol.
pub fn run(seed: u64, left_out: Option<Part>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    // The simulation is created within the runtime, whose time is paused: outside, the clock goes
    // on.
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
        self.trace.add(|| format!("{:?}", self.weather.odds()));
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
        self.trace.add(|| format!("quiet: {quiet:?} after {recovery:?}"));
        let figures = Figures::of(&self, &intents, recovery);
        let violations = judge::judge(&self, &intents, quiet);
        Outcome { figures, violations, met: self.weather.met(), trace: self.trace }
    }

    /// Ends all faults, and lets late writes and ends arrive.
    fn heal(&self) {
        self.trace.add(|| "healed".to_owned());
        self.weather.calm_down();
        self.world.broker.become_reachable();
        self.processes.thaw_all();
        self.world.tables.apply_late_writes();
        self.world.broker.apply_late_ends();
    }

    /// Waits until all work is finished. An error is what is left when the time is over.
    async fn wait_until_quiet(&self) -> Result<(), Backlog> {
        let most = if self.left_out.is_none() { HEALING_MAX } else { HEALING_MAX_WITHOUT };
        let deadline = Instant::now() + most;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // Writes and ends of processes that died in the storm.
            self.world.tables.apply_late_writes();
            self.world.broker.apply_late_ends();
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

/// The work that is not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Half messages that are neither ended nor discarded.
    pub open_halves: usize,
    /// Events of orders that are not handled.
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

/// The product and the quantity of an order. One order in twenty has a product that does not exist.
fn draw_line(weather: &Weather) -> (ProductId, u64) {
    let product = match weather.below(20) {
        0 => 4,
        1..=5 => 2,
        6..=8 => 3,
        _ => 1,
    };
    (product_id(product), 1 + weather.below(3))
}
