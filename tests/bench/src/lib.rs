//! The options that `cargo xtask bench` passes to the program that it builds and runs.

use clap::{Args, ValueEnum};

/// The size of the benchmark. With the defaults it takes about five minutes once everything is
/// built.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Measures only this part; may be given several times.
    #[arg(long, value_enum, value_name = "PART")]
    pub only: Vec<Part>,
    /// How often each function is started.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = at_least_one())]
    pub starts: u64,
    /// How many orders are created in each way and with each number of concurrent orders.
    #[arg(long, value_name = "N", default_value_t = 3_000, value_parser = at_least_one())]
    pub orders: u64,
    /// How many events wait when event-consumer starts.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = at_least_one())]
    pub events: u64,
    /// How many orders are followed until they are CONFIRMED.
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = at_least_one())]
    pub confirmations: u64,
    /// How many orders are created, and how many are followed, with AWS's latencies.
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = at_least_one())]
    pub weather_orders: u64,
    /// How many orders of the hot product are created a second.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = at_least_one())]
    pub hot_rate: u64,
    /// How long orders of the hot product and of the other products are created.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = at_least_one())]
    pub hot_seconds: u64,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Each function's size, start, first answer and memory.
    Functions,
    /// create-order compared with the floor: the same bare calls in a loop.
    Orders,
    /// The time of create-order, step by step.
    Path,
    /// The rate at which event-consumer drains waiting events.
    Events,
    /// The time from POST to CONFIRMED.
    Confirmations,
    /// The cost of an order, and its time with AWS's latencies.
    Weather,
    /// Many orders of one product and some of nine others, with AWS's latencies.
    Hot,
}

fn at_least_one() -> clap::builder::RangedU64ValueParser<u64> {
    clap::builder::RangedU64ValueParser::new().range(1..)
}

impl Options {
    #[must_use]
    pub fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    #[must_use]
    pub fn to_arguments(&self) -> Vec<String> {
        let only = self.only.iter().filter_map(Part::to_possible_value);
        let numbers = [
            ("--starts", self.starts),
            ("--orders", self.orders),
            ("--events", self.events),
            ("--confirmations", self.confirmations),
            ("--weather-orders", self.weather_orders),
            ("--hot-rate", self.hot_rate),
            ("--hot-seconds", self.hot_seconds),
        ];
        only.map(|part| format!("--only={}", part.get_name()))
            .chain(numbers.map(|(name, number)| format!("{name}={number}")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, Parser};

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        options: Options,
    }

    fn read(arguments: &[String]) -> Options {
        let program = std::iter::once("bench".to_owned()).chain(arguments.iter().cloned());
        let matches = Program::command().get_matches_from(program);
        Program::from_arg_matches(&matches).unwrap().options
    }

    #[test]
    fn the_arguments_repeat_the_options() {
        let given = ["--only=events", "--only=functions", "--events=5", "--starts=7"];
        let options = read(&given.map(str::to_owned));
        let again = read(&options.to_arguments());
        assert_eq!(again.only, [Part::Events, Part::Functions]);
        assert_eq!((again.events, again.starts), (5, 7));
        assert_eq!(again.to_arguments(), options.to_arguments());
        assert!(again.wants(Part::Events) && !again.wants(Part::Orders));
    }
}
