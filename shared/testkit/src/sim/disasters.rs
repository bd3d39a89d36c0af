//! Crashes, freezes, outages and late arrivals.

use std::time::Duration;

use super::Simulation;

/// The longest pause between two disasters.
const PAUSE_MAX_MS: u64 = 12_000;

const FREEZE_MAX_MS: u64 = 150_000;

/// The longest outage of the broker, or of the tables.
const OUTAGE_MAX_MS: u64 = 60_000;

impl Simulation {
    /// Brings disasters until its task is aborted.
    pub(super) async fn bring_disasters(self) {
        loop {
            let pause = Duration::from_millis(self.weather.below(PAUSE_MAX_MS));
            tokio::time::sleep(pause).await;
            match self.weather.below(9) {
                0..=2 => self.kill_a_process(),
                3 => self.freeze_a_process(),
                4 => self.take_the_broker_away(),
                5 => self.take_the_tables_away(),
                6 => self.deliver_again(),
                _ => self.land_what_is_late(),
            }
        }
    }

    fn kill_a_process(&self) {
        if let Some(process) = self.processes.any(|count| self.weather.below(count)) {
            self.trace.add(|| "a process dies".to_owned());
            self.weather.meet("death");
            process.kill();
        }
    }

    fn freeze_a_process(&self) {
        let Some(process) = self.processes.any(|count| self.weather.below(count)) else { return };
        let pause = Duration::from_millis(self.weather.below(FREEZE_MAX_MS));
        self.trace.add(|| format!("a process freezes for {pause:?}"));
        self.weather.meet("freeze");
        process.freeze();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            process.thaw();
        });
    }

    /// Other disasters continue during the outage. If two outages overlap, the first to end ends
    /// both.
    fn take_the_broker_away(&self) {
        let outage = Duration::from_millis(self.weather.below(OUTAGE_MAX_MS));
        self.trace.add(|| format!("the broker is away for {outage:?}"));
        self.weather.meet("broker away");
        let broker = self.world.broker.clone();
        broker.become_unreachable();
        tokio::spawn(async move {
            tokio::time::sleep(outage).await;
            broker.become_reachable();
        });
    }

    fn take_the_tables_away(&self) {
        let outage = Duration::from_millis(self.weather.below(OUTAGE_MAX_MS));
        self.trace.add(|| format!("the tables are away for {outage:?}"));
        let weather = self.weather.clone();
        weather.begin_outage();
        tokio::spawn(async move {
            tokio::time::sleep(outage).await;
            weather.end_outage();
        });
    }

    fn deliver_again(&self) {
        if self.world.broker.deliver_again(|count| self.weather.below(count)) {
            self.trace.add(|| "a message is delivered again".to_owned());
            self.weather.meet("delivered again");
        }
    }

    fn land_what_is_late(&self) {
        // One in eight each time, so that some writes arrive very late.
        let writes = self.world.tables.apply_some_late_writes(|| self.weather.below(8) == 0);
        let ends = self.world.broker.apply_late_ends();
        self.trace.add(|| format!("{writes} late writes and {ends} late ends arrive"));
    }
}
